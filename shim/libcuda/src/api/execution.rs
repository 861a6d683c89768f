//! Driver API manual, "Execution Control".

use std::ffi::c_char;
use std::sync::Arc;

use abi::cuda::*;
use abi::{CUerror, CUresult, Out};
use compiler::front::Function as Entry;

use crate::core::callback;
use crate::core::context::Owned;
use crate::core::function::{self, Function};
use crate::core::launch::{self, Launch};
use crate::core::stream::Stream;
use crate::handles::{HostPtr, In};

pub fn cuFuncGetAttribute(
    value: Out<i32>,
    attribute: CUfunction_attribute,
    function: Arc<Function>,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such attribute.
    value.write(function.attribute(attribute)?);
    Ok(())
}

pub fn cuFuncSetAttribute(
    function: Arc<Function>,
    attribute: CUfunction_attribute,
    value: i32,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the attribute cannot be set to this.
    function.set_attribute(attribute, value)
}

pub fn cuFuncSetCacheConfig(_function: Arc<Function>, config: CUfunc_cache) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such preference. It is a hint only.
    if config > CUfunc_cache::PREFER_EQUAL {
        Err(CUerror::INVALID_VALUE)
    } else {
        Ok(())
    }
}

pub fn cuFuncSetSharedMemConfig(_function: Arc<Function>, config: CUsharedconfig) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such width. It is a hint only.
    let known = config <= CUsharedconfig::EIGHT_BYTE_BANK_SIZE;
    if known {
        Ok(())
    } else {
        Err(CUerror::INVALID_VALUE)
    }
}

pub fn cuFuncGetModule(module: Out<CUmodule>, function: Arc<Function>) -> CUresult {
    module.write(function.module()?.handle());
    Ok(())
}

pub fn cuFuncGetName(name: Out<*const c_char>, function: Arc<Function>) -> CUresult {
    name.write(function.name().as_ptr());
    Ok(())
}

pub fn cuFuncGetParamInfo(
    function: Arc<Function>,
    index: usize,
    offset: Out<usize>,
    size: Option<Out<usize>>,
) -> CUresult {
    write_parameter(function.entry(), index, offset, size)
}

/// Offset and size of a kernel's parameter.
pub fn write_parameter(
    entry: &Entry,
    index: usize,
    offset: Out<usize>,
    size: Option<Out<usize>>,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the kernel has fewer parameters.
    let (start, bytes) = function::parameter(entry, index).ok_or(CUerror::INVALID_VALUE)?;
    offset.write(usize::try_from(start).unwrap_or(usize::MAX));
    if let Some(size) = size {
        size.write(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    Ok(())
}

pub fn cuFuncIsLoaded(state: Out<CUfunctionLoadingState>, _function: Arc<Function>) -> CUresult {
    state.write(CUfunctionLoadingState::LOADED);
    Ok(())
}

pub fn cuFuncLoad(_function: Arc<Function>) -> CUresult {
    Ok(())
}

pub fn cuLaunchKernel(
    function: Arc<Function>,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared_bytes: u32,
    stream: Arc<Stream>,
    parameters: HostPtr,
    extra: HostPtr,
) -> CUresult {
    let launch = Launch {
        grid: [grid_x, grid_y, grid_z],
        block: [block_x, block_y, block_z],
        shared_bytes,
        parameters,
        extra,
    };
    run(&launch, &function, &stream)
}

pub fn cuLaunchKernelEx(
    config: In<CUlaunchConfig>,
    function: Arc<Function>,
    parameters: HostPtr,
    extra: HostPtr,
) -> CUresult {
    let config = config.0;
    let stream = Stream::from_handle(config.hStream)?;
    let launch = Launch {
        grid: [config.gridDimX, config.gridDimY, config.gridDimZ],
        block: [config.blockDimX, config.blockDimY, config.blockDimZ],
        shared_bytes: config.sharedMemBytes,
        parameters,
        extra,
    };
    run(&launch, &function, &stream)
}

pub fn cuLaunchCooperativeKernel(
    _function: Arc<Function>,
    _grid_x: u32,
    _grid_y: u32,
    _grid_z: u32,
    _block_x: u32,
    _block_y: u32,
    _block_z: u32,
    _shared_bytes: u32,
    _stream: Arc<Stream>,
    _parameters: HostPtr,
) -> CUresult {
    // CUDA_ERROR_NOT_SUPPORTED: the device says so too
    // (CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH is 0).
    Err(CUerror::NOT_SUPPORTED)
}

pub fn cuLaunchHostFunc(stream: Arc<Stream>, function: CUhostFn, user_data: HostPtr) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no function.
    let function = function.ok_or(CUerror::INVALID_VALUE)?;
    stream.call_back(move |status| {
        // After a failure the function is not called, as documented.
        if status.is_ok() {
            callback::of_host(function, user_data);
        }
    })
}

/// Checks a launch and adds it to its stream.
fn run(launch: &Launch, function: &Arc<Function>, stream: &Arc<Stream>) -> CUresult {
    let (grid, block) = (launch.grid, launch.block);
    let refuse = |why: &str| Err(launch::refused(function.entry(), why));
    // CUDA_ERROR_INVALID_VALUE if the grid or the block is empty.
    if grid.contains(&0) || block.contains(&0) {
        return refuse(&format!("the grid {grid:?} of blocks {block:?} is empty"));
    }
    // CUDA_ERROR_INVALID_VALUE if the parameters are given in both ways.
    if !launch.parameters.is_null() && !launch.extra.is_null() {
        return refuse("there are both kernelParams and extra");
    }
    let device = function.module()?.resources()?.device;
    // CUDA_ERROR_INVALID_VALUE if a dimension is above the device's limit.
    if !device.traits().allows(grid, block) {
        return refuse(&format!(
            "the device has no grid {grid:?} of blocks {block:?}"
        ));
    }
    let (threads, most) = (block.iter().product::<u32>(), function.max_threads()?);
    // CUDA_ERROR_INVALID_VALUE if the block is larger than the kernel allows.
    if threads > most {
        return refuse(&format!(
            "a block of {threads} threads, the kernel runs in {most} at most"
        ));
    }
    // CUDA_ERROR_INVALID_VALUE if the block is another than the kernel requires.
    if let Some(required) = function.entry().limits.exact_block()
        && required != block
    {
        return refuse(&format!(
            "blocks of {block:?}, the kernel requires {required:?}"
        ));
    }
    let (asked, most) = (
        u64::from(launch.shared_bytes),
        function.max_dynamic_shared()?,
    );
    // CUDA_ERROR_INVALID_VALUE if there is less shared memory than asked for.
    if asked > most {
        return refuse(&format!(
            "{asked} bytes of dynamic shared memory, the kernel may have {most}"
        ));
    }
    launch.run(function, stream)
}
