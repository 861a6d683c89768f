//! The entry points, one file for each chapter of the table. They check
//! arguments and ask `core`; they hold no state.

#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    clippy::needless_pass_by_value,
    reason = "functions and arguments are named as in NVIDIA's headers, and own what was looked up for them"
)]

pub mod clock;
pub mod device;
pub mod event;
pub mod field;
pub mod initialization;
pub mod link;
pub mod memory;
pub mod power;
pub mod process;
pub mod system;
pub mod thermal;
pub mod utilization;
pub mod version;

use abi::NvmlError;

use crate::core::device::Device;
use crate::core::hwmon::Hwmon;
use crate::core::sysfs::Directory;

/// NVML_ERROR_NOT_SUPPORTED if the device does not have what is asked for.
trait OrUnsupported<T> {
    fn or_unsupported(self) -> Result<T, NvmlError>;
}

impl<T> OrUnsupported<T> for Option<T> {
    fn or_unsupported(self) -> Result<T, NvmlError> {
        self.ok_or(NvmlError::NOT_SUPPORTED)
    }
}

/// The sensors of a device that has some.
fn hwmon(device: &Device) -> Result<&Hwmon, NvmlError> {
    device.kernel().hwmon().or_unsupported()
}

/// The directory of a device that the kernel knows.
fn sysfs(device: &Device) -> Result<&Directory, NvmlError> {
    device.kernel().directory().or_unsupported()
}
