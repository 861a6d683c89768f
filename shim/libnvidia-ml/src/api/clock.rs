//! Clock frequencies, in MHz.

use std::sync::Arc;

use abi::nvml::{nvmlClockId_t, nvmlClockType_t};
use abi::{InOut, NvmlError, Out, nvmlReturn_t};

use super::{OrUnsupported, sysfs};
use crate::arguments::Array;
use crate::core::clock::{self, Clock};
use crate::core::device::Device;

pub fn nvmlDeviceGetClockInfo(
    device: Arc<Device>,
    type_: nvmlClockType_t,
    clock: Out<u32>,
) -> nvmlReturn_t {
    clock.write(current(&device, type_)?);
    Ok(())
}

pub fn nvmlDeviceGetMaxClockInfo(
    device: Arc<Device>,
    type_: nvmlClockType_t,
    clock: Out<u32>,
) -> nvmlReturn_t {
    clock.write(highest(&device, type_)?);
    Ok(())
}

pub fn nvmlDeviceGetClock(
    device: Arc<Device>,
    clockType: nvmlClockType_t,
    clockId: nvmlClockId_t,
    clockMHz: Out<u32>,
) -> nvmlReturn_t {
    let frequency = match clockId {
        nvmlClockId_t::CURRENT => current(&device, clockType)?,
        nvmlClockId_t::CUSTOMER_BOOST_MAX => highest(&device, clockType)?,
        // Applications cannot ask for a clock here.
        nvmlClockId_t::APP_CLOCK_TARGET | nvmlClockId_t::APP_CLOCK_DEFAULT => {
            return Err(NvmlError::NOT_SUPPORTED);
        }
        // NVML_ERROR_INVALID_ARGUMENT if clockId is invalid.
        _ => return Err(NvmlError::INVALID_ARGUMENT),
    };
    clockMHz.write(frequency);
    Ok(())
}

pub fn nvmlDeviceGetSupportedMemoryClocks(
    device: Arc<Device>,
    count: InOut<u32>,
    clocksMHz: Array<u32>,
) -> nvmlReturn_t {
    list(&device, Clock::Memory, count, clocksMHz)
}

/// amdgpu's shader clocks are the same for every memory clock.
pub fn nvmlDeviceGetSupportedGraphicsClocks(
    device: Arc<Device>,
    memoryClockMHz: u32,
    count: InOut<u32>,
    clocksMHz: Array<u32>,
) -> nvmlReturn_t {
    let memory = clock::supported(sysfs(&device)?, Clock::Memory).or_unsupported()?;
    // NVML_ERROR_NOT_FOUND if memoryClockMHz is not a supported frequency.
    if !memory.contains(&memoryClockMHz) {
        return Err(NvmlError::NOT_FOUND);
    }
    list(&device, Clock::Shader, count, clocksMHz)
}

fn list(device: &Device, clock: Clock, count: InOut<u32>, clocksMHz: Array<u32>) -> nvmlReturn_t {
    let frequencies = clock::supported(sysfs(device)?, clock).or_unsupported()?;
    clocksMHz.answer(count, &frequencies)
}

fn current(device: &Device, of: nvmlClockType_t) -> Result<u32, NvmlError> {
    let clock = clock_of(of)?;
    clock::current(sysfs(device)?, device.kernel().hwmon(), clock).or_unsupported()
}

fn highest(device: &Device, of: nvmlClockType_t) -> Result<u32, NvmlError> {
    let clock = clock_of(of)?;
    clock::highest(sysfs(device)?, clock).or_unsupported()
}

/// Shaders draw and compute at one clock.
fn clock_of(of: nvmlClockType_t) -> Result<Clock, NvmlError> {
    match of {
        nvmlClockType_t::GRAPHICS | nvmlClockType_t::SM => Ok(Clock::Shader),
        nvmlClockType_t::MEM => Ok(Clock::Memory),
        nvmlClockType_t::VIDEO => Ok(Clock::Video),
        // NVML_ERROR_INVALID_ARGUMENT if the type is invalid.
        _ => Err(NvmlError::INVALID_ARGUMENT),
    }
}
