//! Device memory.

use std::sync::Arc;

use abi::nvml::{nvmlBAR1Memory_t, nvmlMemory_t, nvmlMemory_v2_t, struct_version};
use abi::{InOut, NvmlError, Out, nvmlReturn_t};

use super::OrUnsupported;
use crate::core::device::Device;

pub fn nvmlDeviceGetMemoryInfo(device: Arc<Device>, memory: Out<nvmlMemory_t>) -> nvmlReturn_t {
    let now = device.memory();
    memory.write(nvmlMemory_t {
        total: now.total,
        free: now.free,
        used: now.total - now.free,
    });
    Ok(())
}

/// What the driver reserves for itself is not told apart, so it counts as used.
pub fn nvmlDeviceGetMemoryInfo_v2(
    device: Arc<Device>,
    memory: InOut<nvmlMemory_v2_t>,
) -> nvmlReturn_t {
    let version = memory.read().version;
    // NVML_ERROR_FUNCTION_NOT_FOUND if the version is not supported: the one
    // versioned structure for which NVIDIA's library does not answer
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH.
    if version != struct_version::<nvmlMemory_v2_t>(2) {
        return Err(NvmlError::FUNCTION_NOT_FOUND);
    }
    let now = device.memory();
    memory.write(nvmlMemory_v2_t {
        version,
        total: now.total,
        reserved: 0,
        free: now.free,
        used: now.total - now.free,
    });
    Ok(())
}

pub fn nvmlDeviceGetBAR1MemoryInfo(
    device: Arc<Device>,
    bar1Memory: Out<nvmlBAR1Memory_t>,
) -> nvmlReturn_t {
    let usage = device.kernel().visible_memory().or_unsupported()?;
    bar1Memory.write(nvmlBAR1Memory_t {
        bar1Total: usage.total,
        bar1Free: usage.total.saturating_sub(usage.used),
        bar1Used: usage.used,
    });
    Ok(())
}
