//! System queries, and the units and excluded devices of which there are none.

use std::fs;
use std::io::ErrorKind;

use abi::nvml::{Text, nvmlSystemDriverBranchInfo_v1_t, nvmlUnit_t};
use abi::persona::{DRIVER_VERSION, Persona};
use abi::{InOut, NvmlError, Out, nvmlReturn_t};

use crate::arguments::{Buffer, Unused, check_version};

pub fn nvmlSystemGetDriverVersion(version: Buffer, length: u32) -> nvmlReturn_t {
    version.write(length, DRIVER_VERSION)
}

pub fn nvmlSystemGetCudaDriverVersion_v2(cudaDriverVersion: Out<i32>) -> nvmlReturn_t {
    cudaDriverVersion.write(Persona::of_process().cuda_version());
    Ok(())
}

/// The branch is the release's first number: `r580`.
pub fn nvmlSystemGetDriverBranch(
    branchInfo: InOut<nvmlSystemDriverBranchInfo_v1_t>,
    length: u32,
) -> nvmlReturn_t {
    let mut info = branchInfo.read();
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH if the version is not supported.
    check_version::<nvmlSystemDriverBranchInfo_v1_t>(info.version, 1)?;
    let release = DRIVER_VERSION.split('.').next().unwrap_or(DRIVER_VERSION);
    let branch = format!("r{release}");
    // NVML_ERROR_INSUFFICIENT_SIZE if length is too small.
    if branch.len() >= length as usize {
        return Err(NvmlError::INSUFFICIENT_SIZE);
    }
    info.branch = Text::new(&branch);
    branchInfo.write(info);
    Ok(())
}

/// The program's path as it was called, shortened to what fits.
pub fn nvmlSystemGetProcessName(pid: u32, name: Buffer, length: u32) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if name is null or length is 0.
    if name.is_null() || length == 0 {
        return Err(NvmlError::INVALID_ARGUMENT);
    }
    let command = fs::read(format!("/proc/{pid}/cmdline")).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => NvmlError::NO_PERMISSION,
        // NVML_ERROR_NOT_FOUND if the process does not exist.
        _ => NvmlError::NOT_FOUND,
    })?;
    let program = command.split(|&byte| byte == 0).next().unwrap_or_default();
    name.write_shortened(length, &String::from_utf8_lossy(program))
}

/// There are no host interface cards.
pub fn nvmlSystemGetHicVersion(hwbcCount: InOut<u32>, _hwbcEntries: Unused) -> nvmlReturn_t {
    hwbcCount.write(0);
    Ok(())
}

/// There are no S-class systems.
pub fn nvmlUnitGetCount(unitCount: Out<u32>) -> nvmlReturn_t {
    unitCount.write(0);
    Ok(())
}

pub fn nvmlUnitGetHandleByIndex(_index: u32, _unit: Out<nvmlUnit_t>) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if index is not below the count.
    Err(NvmlError::INVALID_ARGUMENT)
}

/// No device is left out by an administrator's setting of the driver.
pub fn nvmlGetExcludedDeviceCount(deviceCount: Out<u32>) -> nvmlReturn_t {
    deviceCount.write(0);
    Ok(())
}

pub fn nvmlGetExcludedDeviceInfoByIndex(_index: u32, _info: Unused) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if index is not below the count.
    Err(NvmlError::INVALID_ARGUMENT)
}
