//! Field values: many numbers by one call, each with a status of its own.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use abi::nvml::*;
use abi::{NvmlError, nvmlReturn_t};

use super::{OrUnsupported, hwmon, sysfs};
use crate::arguments::Array;
use crate::core::device::Device;
use crate::core::hwmon::Place;

pub fn nvmlDeviceGetFieldValues(
    device: Arc<Device>,
    valuesCount: i32,
    values: Array<nvmlFieldValue_t>,
) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if valuesCount is not positive or values is null.
    let count = u32::try_from(valuesCount)
        .ok()
        .filter(|&count| count > 0)
        .ok_or(NvmlError::INVALID_ARGUMENT)?;
    values.map(count, |field| answer(&device, field))
}

fn answer(device: &Device, mut field: nvmlFieldValue_t) -> nvmlFieldValue_t {
    let start = Instant::now();
    let result = value(device, field.fieldId);
    field.latencyUsec = i64::try_from(start.elapsed().as_micros()).unwrap_or(i64::MAX);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    field.timestamp = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
    match result {
        Ok((valueType, value)) => {
            field.nvmlReturn = 0;
            field.valueType = valueType;
            field.value = nvmlValue_t(value);
        }
        Err(error) => field.nvmlReturn = error.code(),
    }
    field
}

fn value(device: &Device, field: nvmlFieldId_t) -> Result<(nvmlValueType_t, u64), NvmlError> {
    let word = |value: u32| (nvmlValueType_t::UNSIGNED_INT, value.into());
    let long = |value| (nvmlValueType_t::UNSIGNED_LONG_LONG, value);
    Ok(match field {
        nvmlFieldId_t::MEMORY_TEMP => {
            let degrees = hwmon(device)?.temperature(Place::Memory).or_unsupported()?;
            word(u32::try_from(degrees).unwrap_or(0))
        }
        nvmlFieldId_t::TOTAL_ENERGY_CONSUMPTION | nvmlFieldId_t::ENERGY => {
            long(hwmon(device)?.energy().or_unsupported()?)
        }
        // There is no NVLink.
        nvmlFieldId_t::NVLINK_LINK_COUNT => word(0),
        nvmlFieldId_t::PCIE_REPLAY_COUNTER => word(
            sysfs(device)?
                .number("pcie_replay_count")
                .or_unsupported()?,
        ),
        nvmlFieldId_t::POWER_AVERAGE | nvmlFieldId_t::POWER_INSTANT => {
            word(hwmon(device)?.power().or_unsupported()?)
        }
        nvmlFieldId_t::POWER_MIN_LIMIT => {
            word(hwmon(device)?.power_limit_range().or_unsupported()?.0)
        }
        nvmlFieldId_t::POWER_MAX_LIMIT => {
            word(hwmon(device)?.power_limit_range().or_unsupported()?.1)
        }
        nvmlFieldId_t::POWER_DEFAULT_LIMIT => {
            word(hwmon(device)?.power_limit_default().or_unsupported()?)
        }
        nvmlFieldId_t::POWER_CURRENT_LIMIT | nvmlFieldId_t::POWER_REQUESTED_LIMIT => {
            word(hwmon(device)?.power_limit().or_unsupported()?)
        }
        // NVML_ERROR_NOT_SUPPORTED if the device does not have the field.
        _ => return Err(NvmlError::NOT_SUPPORTED),
    })
}
