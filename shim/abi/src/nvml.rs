//! The types of NVML: handles, enumerations and structures.

#![allow(
    non_camel_case_types,
    non_snake_case,
    reason = "NVIDIA's names, so that they can be found"
)]

use std::ffi::c_char;
use std::fmt;

use crate::cuda::{enumerations, handles};
use crate::trace::Argument;

handles! {
    /// A GPU.
    nvmlDevice_t
    /// A chassis of several GPUs.
    nvmlUnit_t
    /// A set of events to wait for.
    nvmlEventSet_t
}

enumerations! {
    /// Whether a feature is on.
    nvmlEnableState_t { DISABLED = 0, ENABLED = 1 }
    /// A product line.
    nvmlBrandType_t {
        UNKNOWN = 0, QUADRO = 1, TESLA = 2, NVS = 3, GRID = 4, GEFORCE = 5, TITAN = 6, NVIDIA_VAPPS = 7,
        NVIDIA_VPC = 8, NVIDIA_VCS = 9, NVIDIA_VWS = 10, NVIDIA_CLOUD_GAMING = 11, QUADRO_RTX = 12,
        NVIDIA_RTX = 13, NVIDIA = 14, GEFORCE_RTX = 15, TITAN_RTX = 16,
    }
    /// The architecture of a compute capability.
    nvmlDeviceArchitecture_t {
        KEPLER = 2, MAXWELL = 3, PASCAL = 4, VOLTA = 5, TURING = 6, AMPERE = 7, ADA = 8, HOPPER = 9,
        BLACKWELL = 10, UNKNOWN = 0xffff_ffff,
    }
    /// What connects a GPU to the machine.
    nvmlBusType_t { UNKNOWN = 0, PCI = 1, PCIE = 2, FPCI = 3, AGP = 4 }
    /// Where a temperature is measured.
    nvmlTemperatureSensors_t { GPU = 0 }
    /// A temperature at which something happens.
    nvmlTemperatureThresholds_t {
        SHUTDOWN = 0, SLOWDOWN = 1, MEM_MAX = 2, GPU_MAX = 3, ACOUSTIC_MIN = 4, ACOUSTIC_CURR = 5,
        ACOUSTIC_MAX = 6, GPS_CURR = 7,
    }
    /// What a clock drives.
    nvmlClockType_t { GRAPHICS = 0, SM = 1, MEM = 2, VIDEO = 3 }
    /// Which of a clock's values is asked for.
    nvmlClockId_t { CURRENT = 0, APP_CLOCK_TARGET = 1, APP_CLOCK_DEFAULT = 2, CUSTOMER_BOOST_MAX = 3 }
    /// Who may create contexts on a device.
    nvmlComputeMode_t { DEFAULT = 0, EXCLUSIVE_THREAD = 1, PROHIBITED = 2, EXCLUSIVE_PROCESS = 3 }
    /// How a device reaches the machine it is seen from.
    nvmlGpuVirtualizationMode_t { NONE = 0, PASSTHROUGH = 1, VGPU = 2, HOST_VGPU = 3, HOST_VSGA = 4 }
    /// What two devices may do with each other's memory.
    nvmlGpuP2PStatus_t {
        OK = 0, CHIPSET_NOT_SUPPORTED = 1, GPU_NOT_SUPPORTED = 2, IOH_TOPOLOGY_NOT_SUPPORTED = 3,
        DISABLED_BY_REGKEY = 4, NOT_SUPPORTED = 5, UNKNOWN = 6,
    }
    /// Which access to another device's memory is asked about.
    nvmlGpuP2PCapsIndex_t { READ = 0, WRITE = 1, NVLINK = 2, ATOMICS = 3, PROP = 4 }
    /// Which member of an [`nvmlValue_t`] holds.
    nvmlValueType_t {
        DOUBLE = 0, UNSIGNED_INT = 1, UNSIGNED_LONG = 2, UNSIGNED_LONG_LONG = 3, SIGNED_LONG_LONG = 4,
        SIGNED_INT = 5, UNSIGNED_SHORT = 6,
    }
    /// What processes [`nvmlProcessDetailList_v1_t`] lists.
    nvmlProcessMode_t { COMPUTE = 0, GRAPHICS = 1, MPS = 2, ALL = 3 }
    /// How an [`nvmlUUID_v1_t`] is written.
    nvmlUUIDType_t { NONE = 0, ASCII = 1, BINARY = 2 }
    /// nvmlDeviceGetFieldValues: the fields that are answered.
    nvmlFieldId_t {
        MEMORY_TEMP = 82, TOTAL_ENERGY_CONSUMPTION = 83, NVLINK_LINK_COUNT = 91, PCIE_REPLAY_COUNTER = 94,
        POWER_AVERAGE = 185, POWER_INSTANT = 186, POWER_MIN_LIMIT = 187, POWER_MAX_LIMIT = 188,
        POWER_DEFAULT_LIMIT = 189, POWER_CURRENT_LIMIT = 190, ENERGY = 191, POWER_REQUESTED_LIMIT = 192,
    }
}

/// What a 64-bit member says that is not known (`NVML_VALUE_NOT_AVAILABLE`).
pub const NVML_VALUE_NOT_AVAILABLE: u64 = u64::MAX;
/// What a GPU or compute instance says where there are none.
pub const NVML_NO_INSTANCE: u32 = u32::MAX;

/// Text in a structure, of at most `N - 1` bytes, ended by a NUL.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Text<const N: usize>([c_char; N]);

impl<const N: usize> Text<N> {
    /// `text`, shortened to what fits with its NUL.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut buffer = [0; N];
        for (to, from) in buffer
            .iter_mut()
            .zip(text.bytes().take(N.saturating_sub(1)))
        {
            *to = from.cast_signed();
        }
        Self(buffer)
    }

    /// The bytes before the NUL, if one is there.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0
            .iter()
            .map(|c| c.cast_unsigned())
            .take_while(|&byte| byte != 0)
            .collect()
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.to_bytes()), f)
    }
}

macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident: $size:literal { $($field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[allow(missing_docs, reason = "NVIDIA's names speak for themselves")]
            #[derive(Clone, Copy, Debug, Default)]
            #[repr(C)]
            pub struct $name { $(pub $field: $ty,)* }
            const _: () = assert!(size_of::<$name>() == $size);
        )*
    };
}

structures! {
    /// Device memory in bytes; what the driver reserves counts as used.
    nvmlMemory_t: 24 { total: u64, free: u64, used: u64, }
    /// Device memory in bytes.
    nvmlMemory_v2_t: 40 { version: u32, total: u64, reserved: u64, free: u64, used: u64, }
    /// The part of device memory that the processor reaches, in bytes.
    nvmlBAR1Memory_t: 24 { bar1Total: u64, bar1Free: u64, bar1Used: u64, }
    /// Shares of the last sample period, in percent.
    nvmlUtilization_t: 8 { gpu: u32, memory: u32, }
    /// A process on a device.
    nvmlProcessInfo_v1_t: 16 { pid: u32, usedGpuMemory: u64, }
    /// A process on a device; also the structure of the functions' third version.
    nvmlProcessInfo_v2_t: 24 { pid: u32, usedGpuMemory: u64, gpuInstanceId: u32, computeInstanceId: u32, }
    /// A process on a device.
    nvmlProcessDetail_v1_t: 32 {
        pid: u32, usedGpuMemory: u64, gpuInstanceId: u32, computeInstanceId: u32, usedGpuCcProtectedMemory: u64,
    }
    /// The share of a device that a process used, in percent.
    nvmlProcessUtilizationSample_t: 32 {
        pid: u32, timeStamp: u64, smUtil: u32, memUtil: u32, encUtil: u32, decUtil: u32,
    }
    /// Where a device is, as the first version told it.
    nvmlPciInfo_v1_t: 32 { busId: Text<16>, domain: u32, bus: u32, device: u32, pciDeviceId: u32, }
    /// As [`nvmlPciInfo_v1_t`], with the subsystem. The reserved words that follow
    /// in C stay as the caller left them.
    nvmlPciInfo_v2_t: 36 {
        busId: Text<16>, domain: u32, bus: u32, device: u32, pciDeviceId: u32, pciSubSystemId: u32,
    }
    /// Where a device is. Ids hold the device's number above the vendor's.
    nvmlPciInfo_t: 68 {
        busIdLegacy: Text<16>, domain: u32, bus: u32, device: u32, pciDeviceId: u32, pciSubSystemId: u32,
        busId: Text<32>,
    }
    /// Where a device is, with its PCI class.
    nvmlPciInfoExt_v1_t: 64 {
        version: u32, domain: u32, bus: u32, device: u32, pciDeviceId: u32, pciSubSystemId: u32, baseClass: u32,
        subClass: u32, busId: Text<32>,
    }
    /// A temperature in degrees Celsius.
    nvmlTemperature_v1_t: 12 { version: u32, sensorType: u32, temperature: i32, }
    /// A fan's speed in revolutions per minute.
    nvmlFanSpeedInfo_v1_t: 12 { version: u32, fan: u32, speed: u32, }
    /// The branch that a driver was built from.
    nvmlSystemDriverBranchInfo_v1_t: 84 { version: u32, branch: Text<80>, }
    /// A device's UUID, as text or as 16 bytes in the same place.
    nvmlUUID_v1_t: 52 { version: u32, type_: u32, value: Text<41>, }
    /// An event that happened.
    nvmlEventData_t: 32 {
        device: nvmlDevice_t, eventType: u64, eventData: u64, gpuInstanceId: u32, computeInstanceId: u32,
    }
    /// One sensor of [`nvmlGpuThermalSettings_t`].
    nvmlThermalSensor_t: 20 {
        controller: i32, defaultMinTemp: i32, defaultMaxTemp: i32, currentTemp: i32, target: i32,
    }
    /// The sensors of a device.
    nvmlGpuThermalSettings_t: 64 { count: u32, sensor: [nvmlThermalSensor_t; 3], }
}

/// The version word of a structure: its size, and its version in the top byte.
#[must_use]
pub const fn struct_version<T>(version: u32) -> u32 {
    #[allow(
        clippy::cast_possible_truncation,
        reason = "no structure comes near 2^24 bytes"
    )]
    let size = size_of::<T>() as u32;
    size | version << 24
}

/// The processes on a device, in an array of the caller's.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "NVIDIA's names speak for themselves")]
pub struct nvmlProcessDetailList_v1_t {
    pub version: u32,
    pub mode: nvmlProcessMode_t,
    pub numProcArrayEntries: u32,
    pub procArray: *mut nvmlProcessDetail_v1_t,
}

const _: () = assert!(size_of::<nvmlProcessDetailList_v1_t>() == 24);

/// A value of any of the types of [`nvmlValueType_t`], in the low bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct nvmlValue_t(pub u64);

impl fmt::Debug for nvmlValue_t {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One field that is asked for, and its answer.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "NVIDIA's names speak for themselves")]
pub struct nvmlFieldValue_t {
    pub fieldId: nvmlFieldId_t,
    pub scopeId: u32,
    pub timestamp: i64,
    pub latencyUsec: i64,
    pub valueType: nvmlValueType_t,
    pub nvmlReturn: u32,
    pub value: nvmlValue_t,
}

const _: () = assert!(size_of::<nvmlFieldValue_t>() == 40);

impl nvmlUUID_v1_t {
    /// The UUID, if it is given as bytes.
    #[must_use]
    pub fn bytes(&self) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(self.value.0) {
            *to = from.cast_unsigned();
        }
        (self.type_ == nvmlUUIDType_t::BINARY.0).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_words_are_those_of_the_headers() {
        assert_eq!(struct_version::<nvmlMemory_v2_t>(2), 0x0200_0028);
        assert_eq!(struct_version::<nvmlTemperature_v1_t>(1), 0x0100_000c);
        assert_eq!(
            struct_version::<nvmlSystemDriverBranchInfo_v1_t>(1),
            0x0100_0054
        );
    }

    #[test]
    fn text_keeps_its_nul() {
        assert_eq!(Text::<4>::new("0000:03:00.0").to_bytes(), b"000");
        assert_eq!(
            format!("{:?}", Text::<16>::new("0000:03:00.0")),
            "\"0000:03:00.0\""
        );
    }
}
