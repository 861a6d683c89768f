//! Driver API manual, "Context Management", with the deprecated calls.

use std::sync::Arc;

use abi::cuda::*;
use abi::{CUerror, CUresult, Out};

use crate::core::context::{self, Context, FLAGS_MASK, Limits, SCHED_MASK};
use crate::core::device::Device;
use crate::handles::InArray;

/// `cuCtxGetApiVersion`: contexts are of the interface of CUDA 3.2.
const CONTEXT_API_VERSION: u32 = 3020;
/// Lower is more urgent; one level either side of none.
const LEAST_PRIORITY: i32 = 0;
const GREATEST_PRIORITY: i32 = -5;

/// Whether these are a context's flags.
pub fn check_flags(flags: u32) -> CUresult {
    let scheduling = flags & SCHED_MASK;
    if flags & !FLAGS_MASK != 0 || !matches!(scheduling, 0 | 1 | 2 | 4) {
        return Err(CUerror::INVALID_VALUE);
    }
    Ok(())
}

/// A stream's priority within what the device has.
pub fn clamp_priority(priority: i32) -> i32 {
    priority.clamp(GREATEST_PRIORITY, LEAST_PRIORITY)
}

pub fn cuCtxCreate_v2(context: Out<CUcontext>, flags: u32, device: &'static Device) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown.
    check_flags(flags)?;
    let created = Context::create(device, flags)?;
    context.write(created.handle());
    context::push(created);
    Ok(())
}

pub fn cuCtxCreate_v3(
    context: Out<CUcontext>,
    affinities: InArray<CUexecAffinityParam>,
    count: i32,
    flags: u32,
    device: &'static Device,
) -> CUresult {
    // CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY if the device has no such affinity.
    if count != 0 && !affinities.is_null() {
        return Err(CUerror::UNSUPPORTED_EXEC_AFFINITY);
    }
    cuCtxCreate_v2(context, flags, device)
}

pub fn cuCtxCreate_v4(
    context: Out<CUcontext>,
    parameters: InArray<CUctxCreateParams>,
    flags: u32,
    device: &'static Device,
) -> CUresult {
    if !parameters.is_null() {
        let parameters = parameters.with_len(1)?[0];
        // CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY if the device has no such affinity.
        if parameters.numExecAffinityParams != 0 {
            return Err(CUerror::UNSUPPORTED_EXEC_AFFINITY);
        }
        // CUDA_ERROR_NOT_SUPPORTED: compute in graphics needs NVIDIA's graphics.
        if !parameters.cigParams.is_null() {
            return Err(CUerror::NOT_SUPPORTED);
        }
    }
    cuCtxCreate_v2(context, flags, device)
}

pub fn cuCtxDestroy_v2(context: Arc<Context>) -> CUresult {
    // CUDA_ERROR_INVALID_CONTEXT for a primary context, which is released instead.
    if is_primary(&context) {
        return Err(CUerror::INVALID_CONTEXT);
    }
    context.destroy()
}

fn is_primary(context: &Arc<Context>) -> bool {
    Arc::ptr_eq(&context.device().primary_context().context, context)
}

pub fn cuCtxPushCurrent_v2(context: Arc<Context>) -> CUresult {
    context::push(context);
    Ok(())
}

pub fn cuCtxPopCurrent_v2(context: Option<Out<CUcontext>>) -> CUresult {
    // CUDA_ERROR_INVALID_CONTEXT if no context is current.
    let popped = context::pop()?;
    if let Some(context) = context {
        context.write(popped.handle());
    }
    Ok(())
}

pub fn cuCtxSetCurrent(context: Option<Arc<Context>>) -> CUresult {
    context::set_current(context);
    Ok(())
}

pub fn cuCtxGetCurrent(context: Out<CUcontext>) -> CUresult {
    let current = context::try_current();
    context.write(current.map_or(CUcontext::NULL, |current| current.handle()));
    Ok(())
}

pub fn cuCtxGetDevice(device: Out<CUdevice>) -> CUresult {
    device.write(context::current()?.device().ordinal());
    Ok(())
}

pub fn cuCtxGetDevice_v2(device: Out<CUdevice>, context: Option<Arc<Context>>) -> CUresult {
    device.write(given_or_current(context)?.device().ordinal());
    Ok(())
}

fn given_or_current(context: Option<Arc<Context>>) -> Result<Arc<Context>, CUerror> {
    context.map_or_else(context::current, Ok)
}

pub fn cuCtxGetFlags(flags: Out<u32>) -> CUresult {
    flags.write(context::current()?.flags());
    Ok(())
}

pub fn cuCtxSetFlags(flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown.
    check_flags(flags)?;
    context::current()?.set_flags(flags);
    Ok(())
}

pub fn cuCtxGetId(context: Option<Arc<Context>>, id: Out<u64>) -> CUresult {
    id.write(given_or_current(context)?.id());
    Ok(())
}

pub fn cuCtxSynchronize() -> CUresult {
    context::current_resources()?.synchronize()
}

pub fn cuCtxSynchronize_v2(context: Option<Arc<Context>>) -> CUresult {
    given_or_current(context)?.resources()?.synchronize()
}

/// Where a limit's value is kept; `None` for a limit that this driver lacks.
fn limit_of(limits: &mut Limits, limit: CUlimit) -> Option<&mut usize> {
    Some(match limit {
        CUlimit::STACK_SIZE => &mut limits.stack_size,
        CUlimit::PRINTF_FIFO_SIZE => &mut limits.printf_fifo_size,
        CUlimit::MALLOC_HEAP_SIZE => &mut limits.malloc_heap_size,
        CUlimit::DEV_RUNTIME_SYNC_DEPTH => &mut limits.dev_runtime_sync_depth,
        CUlimit::DEV_RUNTIME_PENDING_LAUNCH_COUNT => &mut limits.dev_runtime_pending_launch_count,
        CUlimit::MAX_L2_FETCH_GRANULARITY => &mut limits.max_l2_fetch_granularity,
        CUlimit::PERSISTING_L2_CACHE_SIZE => &mut limits.persisting_l2_cache_size,
        _ => return None,
    })
}

pub fn cuCtxSetLimit(limit: CUlimit, value: usize) -> CUresult {
    let context = context::current()?;
    // CUDA_ERROR_UNSUPPORTED_LIMIT if the device lacks the limit.
    limit_of(&mut Limits::default(), limit).ok_or(CUerror::UNSUPPORTED_LIMIT)?;
    // CUDA_ERROR_INVALID_VALUE if a kernel that prints was loaded: the buffer has its size.
    let has_buffer = || context.resources().is_ok_and(|it| it.has_print_buffer());
    if limit == CUlimit::PRINTF_FIFO_SIZE && has_buffer() {
        return Err(CUerror::INVALID_VALUE);
    }
    context.change_limits(|limits| {
        if let Some(kept) = limit_of(limits, limit) {
            *kept = value;
        }
    });
    Ok(())
}

pub fn cuCtxGetLimit(value: Out<usize>, limit: CUlimit) -> CUresult {
    let mut limits = context::current()?.limits();
    // CUDA_ERROR_UNSUPPORTED_LIMIT if the device lacks the limit.
    value.write(*limit_of(&mut limits, limit).ok_or(CUerror::UNSUPPORTED_LIMIT)?);
    Ok(())
}

pub fn cuCtxGetCacheConfig(config: Out<CUfunc_cache>) -> CUresult {
    config.write(context::current()?.cache_config());
    Ok(())
}

pub fn cuCtxSetCacheConfig(config: CUfunc_cache) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such preference.
    if config > CUfunc_cache::PREFER_EQUAL {
        return Err(CUerror::INVALID_VALUE);
    }
    context::current()?.set_cache_config(config);
    Ok(())
}

pub fn cuCtxGetSharedMemConfig(config: Out<CUsharedconfig>) -> CUresult {
    context::current()?;
    config.write(CUsharedconfig::FOUR_BYTE_BANK_SIZE);
    Ok(())
}

pub fn cuCtxSetSharedMemConfig(config: CUsharedconfig) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such width.
    if config > CUsharedconfig::EIGHT_BYTE_BANK_SIZE {
        return Err(CUerror::INVALID_VALUE);
    }
    // Devices with banks of one width only accept the call and keep theirs.
    context::current().map(|_| ())
}

pub fn cuCtxGetApiVersion(context: Option<Arc<Context>>, version: Out<u32>) -> CUresult {
    given_or_current(context)?;
    version.write(CONTEXT_API_VERSION);
    Ok(())
}

pub fn cuCtxGetStreamPriorityRange(
    least: Option<Out<i32>>,
    greatest: Option<Out<i32>>,
) -> CUresult {
    context::current()?;
    for (place, value) in [(least, LEAST_PRIORITY), (greatest, GREATEST_PRIORITY)] {
        if let Some(place) = place {
            place.write(value);
        }
    }
    Ok(())
}

pub fn cuCtxResetPersistingL2Cache() -> CUresult {
    // No part of the cache is ever set aside, so none is to be given back.
    context::current().map(|_| ())
}

pub fn cuCtxAttach(context: Out<CUcontext>, flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if flags is not 0.
    if flags != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    context.write(context::current()?.handle());
    Ok(())
}

pub fn cuCtxDetach(context: Arc<Context>) -> CUresult {
    // CUDA_ERROR_INVALID_CONTEXT if the context is not the current one.
    let current = context::current()?;
    if !Arc::ptr_eq(&current, &context) {
        return Err(CUerror::INVALID_CONTEXT);
    }
    Ok(())
}
