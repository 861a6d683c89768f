//! Power and energy, in milliwatts and millijoules.

use std::sync::Arc;

use abi::nvml::nvmlEnableState_t;
use abi::{Out, nvmlReturn_t};

use super::{OrUnsupported, hwmon};
use crate::core::device::Device;

pub fn nvmlDeviceGetPowerUsage(device: Arc<Device>, power: Out<u32>) -> nvmlReturn_t {
    power.write(hwmon(&device)?.power().or_unsupported()?);
    Ok(())
}

/// Power is managed where there is a limit of it.
pub fn nvmlDeviceGetPowerManagementMode(
    device: Arc<Device>,
    mode: Out<nvmlEnableState_t>,
) -> nvmlReturn_t {
    hwmon(&device)?.power_limit().or_unsupported()?;
    mode.write(nvmlEnableState_t::ENABLED);
    Ok(())
}

pub fn nvmlDeviceGetPowerManagementLimit(device: Arc<Device>, limit: Out<u32>) -> nvmlReturn_t {
    limit.write(hwmon(&device)?.power_limit().or_unsupported()?);
    Ok(())
}

pub fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: Arc<Device>,
    minLimit: Out<u32>,
    maxLimit: Out<u32>,
) -> nvmlReturn_t {
    let (least, most) = hwmon(&device)?.power_limit_range().or_unsupported()?;
    minLimit.write(least);
    maxLimit.write(most);
    Ok(())
}

pub fn nvmlDeviceGetPowerManagementDefaultLimit(
    device: Arc<Device>,
    defaultLimit: Out<u32>,
) -> nvmlReturn_t {
    defaultLimit.write(hwmon(&device)?.power_limit_default().or_unsupported()?);
    Ok(())
}

/// No other limit is known than the one that can be set.
pub fn nvmlDeviceGetEnforcedPowerLimit(device: Arc<Device>, limit: Out<u32>) -> nvmlReturn_t {
    nvmlDeviceGetPowerManagementLimit(device, limit)
}

pub fn nvmlDeviceGetTotalEnergyConsumption(device: Arc<Device>, energy: Out<u64>) -> nvmlReturn_t {
    energy.write(hwmon(&device)?.energy().or_unsupported()?);
    Ok(())
}
