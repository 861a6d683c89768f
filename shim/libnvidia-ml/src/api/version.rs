//! The library's own version, known without a device.

use abi::nvmlReturn_t;
use abi::persona::Persona;

use crate::arguments::Buffer;

pub fn nvmlSystemGetNVMLVersion(version: Buffer, length: u32) -> nvmlReturn_t {
    version.write(length, &Persona::of_process().nvml_version())
}
