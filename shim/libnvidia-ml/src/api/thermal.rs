//! Temperatures and fans.

use std::sync::Arc;

use abi::nvml::*;
use abi::{InOut, NvmlError, Out, nvmlReturn_t};

use super::{OrUnsupported, hwmon};
use crate::arguments::check_version;
use crate::core::device::Device;
use crate::core::hwmon::{Place, Threshold};

pub fn nvmlDeviceGetTemperature(
    device: Arc<Device>,
    sensorType: nvmlTemperatureSensors_t,
    temp: Out<u32>,
) -> nvmlReturn_t {
    let degrees = die_temperature(&device, sensorType)?;
    // The result has no sign; below zero is as good as zero.
    temp.write(u32::try_from(degrees).unwrap_or(0));
    Ok(())
}

pub fn nvmlDeviceGetTemperatureV(
    device: Arc<Device>,
    temperature: InOut<nvmlTemperature_v1_t>,
) -> nvmlReturn_t {
    let mut answer = temperature.read();
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH if the version is not supported.
    check_version::<nvmlTemperature_v1_t>(answer.version, 1)?;
    answer.temperature = die_temperature(&device, nvmlTemperatureSensors_t(answer.sensorType))?;
    temperature.write(answer);
    Ok(())
}

fn die_temperature(device: &Device, sensor: nvmlTemperatureSensors_t) -> Result<i32, NvmlError> {
    // NVML_ERROR_INVALID_ARGUMENT if the sensor is invalid.
    if sensor != nvmlTemperatureSensors_t::GPU {
        return Err(NvmlError::INVALID_ARGUMENT);
    }
    hwmon(device)?.temperature(Place::Die).or_unsupported()
}

pub fn nvmlDeviceGetTemperatureThreshold(
    device: Arc<Device>,
    thresholdType: nvmlTemperatureThresholds_t,
    temp: Out<u32>,
) -> nvmlReturn_t {
    let (place, threshold) = match thresholdType {
        nvmlTemperatureThresholds_t::SHUTDOWN => (Place::Die, Threshold::Emergency),
        nvmlTemperatureThresholds_t::SLOWDOWN => (Place::Die, Threshold::Critical),
        nvmlTemperatureThresholds_t::GPU_MAX => (Place::Die, Threshold::Maximum),
        nvmlTemperatureThresholds_t::MEM_MAX => (Place::Memory, Threshold::Critical),
        // What NVIDIA's cooling policies aim at has no counterpart.
        known if known <= nvmlTemperatureThresholds_t::GPS_CURR => {
            return Err(NvmlError::NOT_SUPPORTED);
        }
        // NVML_ERROR_INVALID_ARGUMENT if thresholdType is invalid.
        _ => return Err(NvmlError::INVALID_ARGUMENT),
    };
    temp.write(
        hwmon(&device)?
            .threshold(place, threshold)
            .or_unsupported()?,
    );
    Ok(())
}

/// `NVML_THERMAL_TARGET_ALL`: every sensor is asked for.
const ALL: u32 = 15;
/// `NVML_THERMAL_TARGET_GPU`, `NVML_THERMAL_TARGET_MEMORY`.
const TARGETS: [(Place, i32); 2] = [(Place::Die, 1), (Place::Memory, 2)];
/// `NVML_THERMAL_CONTROLLER_OS`: the operating system measured it.
const CONTROLLER: i32 = 13;

pub fn nvmlDeviceGetThermalSettings(
    device: Arc<Device>,
    sensorIndex: u32,
    pThermalSettings: Out<nvmlGpuThermalSettings_t>,
) -> nvmlReturn_t {
    let hwmon = hwmon(&device)?;
    let sensors: Vec<_> = TARGETS
        .iter()
        .filter_map(|&(place, target)| {
            let limit = hwmon
                .threshold(place, Threshold::Critical)
                .map_or(i32::MAX, u32::cast_signed);
            Some(nvmlThermalSensor_t {
                controller: CONTROLLER,
                defaultMinTemp: 0,
                defaultMaxTemp: limit,
                currentTemp: hwmon.temperature(place)?,
                target,
            })
        })
        .collect();
    let asked = if sensorIndex == ALL {
        &sensors[..]
    } else {
        // NVML_ERROR_INVALID_ARGUMENT if there is no sensor of this index.
        let sensor = sensors
            .get(sensorIndex as usize)
            .ok_or(NvmlError::INVALID_ARGUMENT)?;
        std::slice::from_ref(sensor)
    };
    let mut settings = nvmlGpuThermalSettings_t::default();
    for (place, sensor) in settings.sensor.iter_mut().zip(asked) {
        *place = *sensor;
        settings.count += 1;
    }
    // NVML_ERROR_NOT_SUPPORTED if the device has no sensor.
    if settings.count == 0 {
        return Err(NvmlError::NOT_SUPPORTED);
    }
    pThermalSettings.write(settings);
    Ok(())
}

/// A device whose driver tells of no fan has none to show.
pub fn nvmlDeviceGetNumFans(device: Arc<Device>, numFans: Out<u32>) -> nvmlReturn_t {
    numFans.write(fans(&device));
    Ok(())
}

fn fans(device: &Device) -> u32 {
    device.kernel().hwmon().map_or(0, |hwmon| hwmon.fans())
}

pub fn nvmlDeviceGetFanSpeed(device: Arc<Device>, speed: Out<u32>) -> nvmlReturn_t {
    // NVML_ERROR_NOT_SUPPORTED if the device has no fan.
    speed.write(hwmon(&device)?.fan_percent(0).or_unsupported()?);
    Ok(())
}

pub fn nvmlDeviceGetFanSpeed_v2(device: Arc<Device>, fan: u32, speed: Out<u32>) -> nvmlReturn_t {
    check_fan(&device, fan)?;
    speed.write(hwmon(&device)?.fan_percent(fan).or_unsupported()?);
    Ok(())
}

pub fn nvmlDeviceGetFanSpeedRPM(
    device: Arc<Device>,
    fanSpeed: InOut<nvmlFanSpeedInfo_v1_t>,
) -> nvmlReturn_t {
    let mut answer = fanSpeed.read();
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH if the version is not supported.
    check_version::<nvmlFanSpeedInfo_v1_t>(answer.version, 1)?;
    check_fan(&device, answer.fan)?;
    answer.speed = hwmon(&device)?.fan_rpm(answer.fan).or_unsupported()?;
    fanSpeed.write(answer);
    Ok(())
}

/// Speeds are shares of the fan's range, so the range is all of it.
pub fn nvmlDeviceGetMinMaxFanSpeed(
    device: Arc<Device>,
    minSpeed: Out<u32>,
    maxSpeed: Out<u32>,
) -> nvmlReturn_t {
    check_fan(&device, 0)?;
    hwmon(&device)?.fan_percent(0).or_unsupported()?;
    minSpeed.write(0);
    maxSpeed.write(100);
    Ok(())
}

fn check_fan(device: &Device, fan: u32) -> nvmlReturn_t {
    match fans(device) {
        // NVML_ERROR_NOT_SUPPORTED if the device has no fan.
        0 => Err(NvmlError::NOT_SUPPORTED),
        // NVML_ERROR_INVALID_ARGUMENT if there is no such fan.
        fans if fan >= fans => Err(NvmlError::INVALID_ARGUMENT),
        _ => Ok(()),
    }
}
