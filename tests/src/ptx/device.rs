//! Cases on the CUDA driver that `TARGET` names.

use std::ffi::{CString, c_void};
use std::ptr;

use abi::CUerror;
use abi::cuda::{CUfunction, CUjit_option, CUmodule, CUstream};

use super::case::{Argument, Buffer, Case, Kernel, Outputs, Shape, output_name};
use crate::context::Context;
use crate::memory::Allocation;

/// Room for what the driver's compiler says about a module.
const LOG_BYTES: usize = 16 << 10;

/// Bytes that the parameters of a launch have at most.
const MOST_PARAMETER_BYTES: usize = 4096;

/// What a driver made of a case.
#[derive(Debug, Default)]
pub struct Ran {
    /// The outputs of the kernels that ran.
    pub outputs: Outputs,
    /// The kernels that it says it does not support.
    pub refused: Vec<String>,
}

/// Runs every launch of a case in a context.
///
/// # Errors
/// What the driver answers, with the kernel's name and its compiler's log.
pub fn run(context: &Context, case: &Case) -> Result<Ran, String> {
    let module = load(context, &case.text)?;
    let mut ran = Ran::default();
    for kernel in &case.kernels {
        for (index, shape) in kernel.shapes.iter().enumerate() {
            match launch(context, module, kernel, shape) {
                Ok(results) => {
                    for (argument, values) in results {
                        let name = output_name(kernel, index, argument);
                        ran.outputs.insert(name, values);
                    }
                }
                Err(Failure::Refused) => {
                    ran.refused.push(kernel.name.clone());
                    break;
                }
                Err(Failure::Other(what)) => return Err(format!("{}: {what}", kernel.name)),
            }
        }
    }
    context
        .cuModuleUnload(module)
        .map_err(|error| format!("unloading: {error:?}"))?;
    Ok(ran)
}

/// Why a launch has no result.
enum Failure {
    /// The driver does not support what the kernel does.
    Refused,
    Other(String),
}

impl From<String> for Failure {
    fn from(what: String) -> Self {
        Self::Other(what)
    }
}

fn load(context: &Context, text: &str) -> Result<CUmodule, String> {
    let image = CString::new(text).map_err(|_| "PTX with a NUL inside")?;
    let mut log = vec![0u8; LOG_BYTES];
    let mut options = [
        CUjit_option::ERROR_LOG_BUFFER,
        CUjit_option::ERROR_LOG_BUFFER_SIZE_BYTES,
    ];
    let mut values = [
        log.as_mut_ptr().cast(),
        ptr::without_provenance_mut::<c_void>(LOG_BYTES),
    ];
    let mut module = CUmodule::NULL;
    let status = context.cuModuleLoadDataEx(
        &raw mut module,
        image.as_ptr().cast(),
        options.len() as u32,
        options.as_mut_ptr(),
        values.as_mut_ptr(),
    );
    status.map(|()| module).map_err(|error| {
        let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        format!("{error:?}: {}", String::from_utf8_lossy(&log[..end]))
    })
}

/// A parameter as the driver reads it: aligned for any type.
#[repr(align(16))]
struct Parameter([u8; MOST_PARAMETER_BYTES]);

fn launch(
    context: &Context,
    module: CUmodule,
    kernel: &Kernel,
    shape: &Shape,
) -> Result<Vec<(usize, Vec<u64>)>, Failure> {
    let name =
        CString::new(kernel.name.as_str()).map_err(|_| "a name with a NUL inside".to_owned())?;
    let mut function = CUfunction::NULL;
    context
        .cuModuleGetFunction(&raw mut function, module, name.as_ptr())
        .map_err(|error| format!("looking it up: {error:?}"))?;
    let buffers: Vec<Option<Allocation>> = kernel
        .arguments
        .iter()
        .map(|argument| match argument {
            Argument::In(buffer) | Argument::Out { buffer, .. } => {
                Some(context.upload(&buffer.bytes()))
            }
            Argument::Value(_) => None,
        })
        .collect();
    let mut parameters: Vec<Parameter> = kernel
        .arguments
        .iter()
        .zip(&buffers)
        .map(|(argument, buffer)| parameter(argument, buffer.as_ref()))
        .collect();
    let mut pointers: Vec<*mut c_void> = parameters
        .iter_mut()
        .map(|parameter| ptr::from_mut(parameter).cast())
        .collect();
    let ([gx, gy, gz], [bx, by, bz]) = (shape.grid, shape.block);
    let pointers = pointers.as_mut_ptr();
    let none = ptr::null_mut();
    context
        .cuLaunchKernel(
            function,
            gx,
            gy,
            gz,
            bx,
            by,
            bz,
            shape.shared,
            CUstream::NULL,
            pointers,
            none,
        )
        .map_err(|error| match error {
            CUerror::NOT_SUPPORTED => Failure::Refused,
            _ => Failure::Other(format!("launching: {error:?}")),
        })?;
    context
        .cuCtxSynchronize()
        .map_err(|error| format!("running: {error:?}"))?;
    let read = |(at, buffer, ..): (usize, &Buffer, _, _)| {
        let bytes = buffers[at]
            .as_ref()
            .map(Allocation::read)
            .unwrap_or_default();
        (at, Buffer::read(buffer.ty, &bytes))
    };
    Ok(kernel.outputs().map(read).collect())
}

fn parameter(argument: &Argument, buffer: Option<&Allocation>) -> Parameter {
    let mut parameter = Parameter([0; MOST_PARAMETER_BYTES]);
    let address = buffer.map(|buffer| (buffer.base.0 as u64).to_le_bytes());
    let bytes = match (argument, &address) {
        (Argument::Value(bytes), _) => bytes.as_slice(),
        (_, Some(address)) => address.as_slice(),
        _ => &[],
    };
    parameter.0[..bytes.len()].copy_from_slice(bytes);
    parameter
}
