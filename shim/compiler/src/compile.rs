//! The whole way from a kernel's name to words for a device.

use crate::back::spirv::{self, layout};
use crate::front;
use crate::ir::{Function, Op};
use crate::pass;
use crate::source::ModuleSource;
use crate::target::Target;
use crate::translate::translate;
use crate::verify::{VerifyError, verify};

/// A kernel that a device can run, and what its launch must provide. The
/// contract of push constants, records and specialization constants is
/// [`layout`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledKernel {
    /// The SPIR-V module.
    pub spirv: Vec<u32>,
    /// The name of its entry point.
    pub entry_point: &'static str,
    /// Bytes of push constants that the kernel reads.
    pub push_constant_bytes: u32,
    /// Bytes of the kernel's parameters.
    pub parameter_bytes: u32,
    /// Whether the parameters lie in the launch record rather than in push
    /// constants.
    pub parameters_in_memory: bool,
    /// Bytes of shared memory with a fixed size; dynamic shared memory follows.
    pub shared_bytes: u32,
    /// Whether the kernel uses dynamic shared memory.
    pub dynamic_shared: bool,
    /// Bytes of local memory in the scratch buffer for each thread; 0 for none.
    pub scratch_bytes: u32,
    /// The subgroup size that the pipeline must require, and with it
    /// one-dimensional workgroups of whole warps; `None` where the kernel
    /// cannot tell and a workgroup has the block's shape.
    pub subgroup_size: Option<u32>,
    /// The module's variables whose addresses the module record lists.
    pub variables: Vec<String>,
    /// Whether the kernel may trap, which sets the fault word.
    pub may_trap: bool,
}

/// Why a kernel was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The PTX is wrong, or uses what the compiler lacks.
    #[error("kernel `{kernel}`: {error}")]
    Ptx {
        /// The kernel.
        kernel: String,
        /// Place and reason.
        error: front::Error,
    },
    /// The control flow has no structure.
    #[error("kernel `{kernel}`: {error}")]
    Structure {
        /// The kernel.
        kernel: String,
        /// The reason.
        error: pass::StructurizeError,
    },
    /// The target lacks something.
    #[error("kernel `{kernel}`: {error}, at: {place}")]
    Target {
        /// The kernel.
        kernel: String,
        /// What is missing.
        error: spirv::Error,
        /// The PTX line of the instruction.
        place: String,
    },
    /// The compiler made something invalid: its own fault.
    #[error(transparent)]
    Internal(#[from] VerifyError),
}

/// Compiles one kernel of a module for a target.
///
/// # Errors
/// [`Error`]; other kernels of the module are not affected.
pub fn compile(
    source: &ModuleSource,
    kernel: &str,
    target: &Target,
) -> Result<CompiledKernel, Error> {
    let function = lower(source, kernel)?;
    let output =
        spirv::write(&function, target).map_err(|error| target_error(source, kernel, error))?;
    let narrow = output.observes_warp && target.subgroup_size != 32;
    if narrow {
        let error = spirv::Error::Unsupported {
            op: "a warp".to_owned(),
            reason: "subgroups are narrower or wider than 32",
            offset: 0,
        };
        return Err(target_error(source, kernel, error));
    }
    let any = |op: Op| {
        function
            .blocks
            .iter()
            .flat_map(|b| &b.instructions)
            .any(|i| i.op == op)
    };
    let inline = if output.parameters_in_memory {
        0
    } else {
        function.parameter_bytes
    };
    Ok(CompiledKernel {
        entry_point: spirv::ENTRY_POINT,
        push_constant_bytes: (layout::HEADER_BYTES + inline).next_multiple_of(4),
        parameter_bytes: function.parameter_bytes,
        parameters_in_memory: output.parameters_in_memory,
        shared_bytes: function.shared_bytes,
        dynamic_shared: function.dynamic_shared,
        scratch_bytes: if any(Op::Scratch) {
            spirv::scratch_stride(&function)
        } else {
            0
        },
        subgroup_size: output.observes_warp.then_some(target.subgroup_size),
        may_trap: any(Op::Trap),
        variables: function.globals,
        spirv: output.words,
    })
}

/// A kernel as the back end reads it: translated, lowered, structured.
///
/// # Errors
/// All of [`Error`] but [`Error::Target`].
pub fn lower(source: &ModuleSource, kernel: &str) -> Result<Function, Error> {
    let mut function = translate(source, kernel).map_err(|error| Error::Ptx {
        kernel: kernel.to_owned(),
        error,
    })?;
    verify(&function)?;
    pass::simplify(&mut function);
    pass::lower_print(&mut function);
    pass::remove_unreachable_blocks(&mut function);
    pass::eliminate_dead_code(&mut function);
    pass::place_local(&mut function);
    pass::infer_address_space(&mut function);
    pass::legalize(&mut function);
    pass::simplify(&mut function);
    pass::eliminate_dead_code(&mut function);
    verify(&function)?;
    pass::lower_switch(&mut function);
    pass::remove_unreachable_blocks(&mut function);
    pass::structurize(&mut function).map_err(|error| Error::Structure {
        kernel: kernel.to_owned(),
        error,
    })?;
    verify(&function)?;
    Ok(function)
}

fn target_error(source: &ModuleSource, kernel: &str, error: spirv::Error) -> Error {
    let spirv::Error::Unsupported { offset, .. } = error;
    let reason = front::Reason::Unsupported(String::new());
    let place = front::Error::at(&source.text, offset as usize, reason);
    Error::Target {
        kernel: kernel.to_owned(),
        error,
        place: format!("line {}: {}", place.line, place.source_line),
    }
}
