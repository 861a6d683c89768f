//! Driver API manual, "Peer Context Memory Access": no device here reaches another's
//! memory.

use std::sync::Arc;

use abi::cuda::CUdevice_P2PAttribute;
use abi::{CUerror, CUresult, Out};

use crate::core::context::{self, Context};
use crate::core::device::Device;

pub fn cuDeviceCanAccessPeer(
    can_access: Out<i32>,
    _device: &'static Device,
    _peer: &'static Device,
) -> CUresult {
    can_access.write(0);
    Ok(())
}

pub fn cuDeviceGetP2PAttribute(
    value: Out<i32>,
    attribute: CUdevice_P2PAttribute,
    source: &'static Device,
    destination: &'static Device,
) -> CUresult {
    // CUDA_ERROR_INVALID_DEVICE if both are one device.
    if std::ptr::eq(source, destination) {
        return Err(CUerror::INVALID_DEVICE);
    }
    // CUDA_ERROR_INVALID_VALUE if there is no such attribute.
    let known = CUdevice_P2PAttribute::PERFORMANCE_RANK
        ..=CUdevice_P2PAttribute::ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED;
    if !known.contains(&attribute) {
        return Err(CUerror::INVALID_VALUE);
    }
    value.write(0);
    Ok(())
}

pub fn cuCtxEnablePeerAccess(peer: Arc<Context>, flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if flags is not 0.
    if flags != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    // CUDA_ERROR_INVALID_CONTEXT if both contexts are of one device.
    if std::ptr::eq(context::current()?.device(), peer.device()) {
        return Err(CUerror::INVALID_CONTEXT);
    }
    Err(CUerror::PEER_ACCESS_UNSUPPORTED)
}

pub fn cuCtxDisablePeerAccess(_peer: Arc<Context>) -> CUresult {
    context::current()?;
    // CUDA_ERROR_PEER_ACCESS_NOT_ENABLED: it never is.
    Err(CUerror::PEER_ACCESS_NOT_ENABLED)
}
