//! Events. No device has any: a set can be made and waited for, and stays empty.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use abi::nvml::{nvmlEventData_t, nvmlEventSet_t};
use abi::{NvmlError, Out, nvmlReturn_t};

use crate::core::device::Device;
use crate::core::event::EventSets;

pub fn nvmlEventSetCreate(set: Out<nvmlEventSet_t>) -> nvmlReturn_t {
    set.write(EventSets::create());
    Ok(())
}

pub fn nvmlEventSetFree(set: nvmlEventSet_t) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if the set is invalid.
    EventSets::remove(set)
        .then_some(())
        .ok_or(NvmlError::INVALID_ARGUMENT)
}

pub fn nvmlEventSetWait_v2(
    set: nvmlEventSet_t,
    _data: Out<nvmlEventData_t>,
    timeoutms: u32,
) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if the set is invalid.
    if !EventSets::contains(set) {
        return Err(NvmlError::INVALID_ARGUMENT);
    }
    thread::sleep(Duration::from_millis(timeoutms.into()));
    // NVML_ERROR_TIMEOUT if no event arrived in time.
    Err(NvmlError::TIMEOUT)
}

pub fn nvmlDeviceGetSupportedEventTypes(
    _device: Arc<Device>,
    eventTypes: Out<u64>,
) -> nvmlReturn_t {
    eventTypes.write(0);
    Ok(())
}

pub fn nvmlDeviceRegisterEvents(
    _device: Arc<Device>,
    eventTypes: u64,
    set: nvmlEventSet_t,
) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if the set is invalid.
    if !EventSets::contains(set) {
        return Err(NvmlError::INVALID_ARGUMENT);
    }
    // NVML_ERROR_NOT_SUPPORTED if the device has none of the events.
    if eventTypes != 0 {
        Err(NvmlError::NOT_SUPPORTED)
    } else {
        Ok(())
    }
}
