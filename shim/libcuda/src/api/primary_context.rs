//! Driver API manual, "Primary Context Management".

use abi::cuda::CUcontext;
use abi::{CUerror, CUresult, Out};

use crate::api::context::check_flags;
use crate::core::device::Device;

pub fn cuDevicePrimaryCtxRetain(context: Out<CUcontext>, device: &'static Device) -> CUresult {
    context.write(device.primary_context().retain()?.handle());
    Ok(())
}

pub fn cuDevicePrimaryCtxRelease_v2(device: &'static Device) -> CUresult {
    // CUDA_ERROR_INVALID_CONTEXT if the context is not retained.
    device.primary_context().release()
}

/// The call of CUDA 7.0, which an active context refuses.
pub fn cuDevicePrimaryCtxSetFlags(device: &'static Device, flags: u32) -> CUresult {
    // CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE if the context is active.
    if device.primary_context().context.is_active() {
        return Err(CUerror::PRIMARY_CONTEXT_ACTIVE);
    }
    cuDevicePrimaryCtxSetFlags_v2(device, flags)
}

pub fn cuDevicePrimaryCtxSetFlags_v2(device: &'static Device, flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown, or more than one way of
    // waiting is asked for.
    check_flags(flags)?;
    device.primary_context().context.set_flags(flags);
    Ok(())
}

pub fn cuDevicePrimaryCtxGetState(
    device: &'static Device,
    flags: Option<Out<u32>>,
    active: Option<Out<i32>>,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if either place is null.
    let (Some(flags), Some(active)) = (flags, active) else {
        return Err(CUerror::INVALID_VALUE);
    };
    let context = &device.primary_context().context;
    flags.write(context.flags());
    active.write(i32::from(context.is_active()));
    Ok(())
}

pub fn cuDevicePrimaryCtxReset_v2(device: &'static Device) -> CUresult {
    device.primary_context().reset()
}
