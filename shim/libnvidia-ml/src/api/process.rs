//! The processes that use a device.
//!
//! Those are the processes whose DRM clients this process may see: in a
//! container the container's own. A device without DRM clients (software, or a
//! driver of its own) has no list: NVML_ERROR_NOT_SUPPORTED.

use std::sync::Arc;

use abi::nvml::*;
use abi::{InOut, NvmlError, nvmlReturn_t};

use super::OrUnsupported;
use crate::arguments::{Array, check_version};
use crate::core::client::Process;
use crate::core::device::Device;

pub fn nvmlDeviceGetComputeRunningProcesses(
    device: Arc<Device>,
    infoCount: InOut<u32>,
    infos: Array<nvmlProcessInfo_v1_t>,
) -> nvmlReturn_t {
    list(
        &device,
        nvmlProcessMode_t::COMPUTE,
        infoCount,
        infos,
        first_version,
    )
}

pub fn nvmlDeviceGetComputeRunningProcesses_v3(
    device: Arc<Device>,
    infoCount: InOut<u32>,
    infos: Array<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    list(
        &device,
        nvmlProcessMode_t::COMPUTE,
        infoCount,
        infos,
        second_version,
    )
}

pub fn nvmlDeviceGetGraphicsRunningProcesses(
    device: Arc<Device>,
    infoCount: InOut<u32>,
    infos: Array<nvmlProcessInfo_v1_t>,
) -> nvmlReturn_t {
    list(
        &device,
        nvmlProcessMode_t::GRAPHICS,
        infoCount,
        infos,
        first_version,
    )
}

pub fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    device: Arc<Device>,
    infoCount: InOut<u32>,
    infos: Array<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    list(
        &device,
        nvmlProcessMode_t::GRAPHICS,
        infoCount,
        infos,
        second_version,
    )
}

pub fn nvmlDeviceGetMPSComputeRunningProcesses(
    device: Arc<Device>,
    infoCount: InOut<u32>,
    infos: Array<nvmlProcessInfo_v1_t>,
) -> nvmlReturn_t {
    list(
        &device,
        nvmlProcessMode_t::MPS,
        infoCount,
        infos,
        first_version,
    )
}

pub fn nvmlDeviceGetMPSComputeRunningProcesses_v3(
    device: Arc<Device>,
    infoCount: InOut<u32>,
    infos: Array<nvmlProcessInfo_v2_t>,
) -> nvmlReturn_t {
    list(
        &device,
        nvmlProcessMode_t::MPS,
        infoCount,
        infos,
        second_version,
    )
}

pub fn nvmlDeviceGetRunningProcessDetailList(
    device: Arc<Device>,
    plist: InOut<nvmlProcessDetailList_v1_t>,
) -> nvmlReturn_t {
    let mut list = plist.read();
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH if the version is not supported.
    check_version::<nvmlProcessDetailList_v1_t>(list.version, 1)?;
    // NVML_ERROR_INVALID_ARGUMENT if the mode is invalid.
    if list.mode > nvmlProcessMode_t::ALL {
        return Err(NvmlError::INVALID_ARGUMENT);
    }
    let details: Vec<_> = processes(&device, list.mode)?
        .into_iter()
        .map(detail)
        .collect();
    let capacity = list.numProcArrayEntries;
    list.numProcArrayEntries = u32::try_from(details.len()).unwrap_or(u32::MAX);
    let array = Array::of_list(&list);
    plist.write(list);
    // NVML_ERROR_INSUFFICIENT_SIZE if the array is too small.
    array.fill(capacity, &details)
}

fn list<T: Copy + std::fmt::Debug>(
    device: &Device,
    mode: nvmlProcessMode_t,
    count: InOut<u32>,
    infos: Array<T>,
    info: impl Fn(Process) -> T,
) -> nvmlReturn_t {
    let processes: Vec<_> = processes(device, mode)?.into_iter().map(info).collect();
    // NVML_ERROR_INSUFFICIENT_SIZE if the array is too small.
    infos.answer(count, &processes)
}

/// The Multi-Process Service does not exist here, so it has no processes.
fn processes(device: &Device, mode: nvmlProcessMode_t) -> Result<Vec<Process>, NvmlError> {
    let mut processes = device.kernel().processes().or_unsupported()?;
    processes.retain(|process| match mode {
        nvmlProcessMode_t::COMPUTE => process.computes,
        nvmlProcessMode_t::GRAPHICS => !process.computes,
        nvmlProcessMode_t::ALL => true,
        _ => false,
    });
    Ok(processes)
}

fn used(process: Process) -> u64 {
    process.memory.unwrap_or(NVML_VALUE_NOT_AVAILABLE)
}

fn first_version(process: Process) -> nvmlProcessInfo_v1_t {
    nvmlProcessInfo_v1_t {
        pid: process.pid,
        usedGpuMemory: used(process),
    }
}

fn second_version(process: Process) -> nvmlProcessInfo_v2_t {
    nvmlProcessInfo_v2_t {
        pid: process.pid,
        usedGpuMemory: used(process),
        gpuInstanceId: NVML_NO_INSTANCE,
        computeInstanceId: NVML_NO_INSTANCE,
    }
}

fn detail(process: Process) -> nvmlProcessDetail_v1_t {
    nvmlProcessDetail_v1_t {
        pid: process.pid,
        usedGpuMemory: used(process),
        gpuInstanceId: NVML_NO_INSTANCE,
        computeInstanceId: NVML_NO_INSTANCE,
        usedGpuCcProtectedMemory: 0,
    }
}
