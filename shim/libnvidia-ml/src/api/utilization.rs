//! How busy a device is, in percent.

use std::sync::Arc;

use abi::nvml::{nvmlProcessUtilizationSample_t, nvmlUtilization_t};
use abi::{InOut, NvmlError, Out, nvmlReturn_t};

use super::OrUnsupported;
use crate::arguments::Array;
use crate::core::device::Device;

/// Where the driver has no gauge of the memory's controller, its share is 0:
/// the structure cannot say that it is unknown.
pub fn nvmlDeviceGetUtilizationRates(
    device: Arc<Device>,
    utilization: Out<nvmlUtilization_t>,
) -> nvmlReturn_t {
    let gpu = device.kernel().shader_utilization().or_unsupported()?;
    let memory = device.kernel().memory_utilization().unwrap_or(0);
    utilization.write(nvmlUtilization_t { gpu, memory });
    Ok(())
}

/// What each visible process used since the last call. Drivers do not account
/// for a process's use of the memory's controller: it is 0.
pub fn nvmlDeviceGetProcessUtilization(
    device: Arc<Device>,
    utilization: Array<nvmlProcessUtilizationSample_t>,
    processSamplesCount: InOut<u32>,
    lastSeenTimeStamp: u64,
) -> nvmlReturn_t {
    let samples: Vec<_> = device
        .kernel()
        .samples()
        .or_unsupported()?
        .into_iter()
        .filter(|sample| sample.timestamp > lastSeenTimeStamp)
        .map(|sample| nvmlProcessUtilizationSample_t {
            pid: sample.pid,
            timeStamp: sample.timestamp,
            smUtil: sample.shares.shader,
            memUtil: 0,
            encUtil: sample.shares.encode,
            decUtil: sample.shares.decode,
        })
        .collect();
    // NVML_ERROR_NOT_FOUND if there is no sample since lastSeenTimeStamp.
    if samples.is_empty() {
        return Err(NvmlError::NOT_FOUND);
    }
    // NVML_ERROR_INSUFFICIENT_SIZE if the array is null or too small.
    utilization.answer(processSamplesCount, &samples)
}
