//! Initialization and cleanup.

use abi::nvmlReturn_t;

use crate::library;

/// `NVML_INIT_FLAG_NO_GPUS`: succeed although there is no device.
const NO_GPUS: u32 = 1;

pub fn nvmlInit_v2() -> nvmlReturn_t {
    nvmlInitWithFlags(0)
}

/// Flags without a meaning here are ignored, as NVIDIA's library does.
pub fn nvmlInitWithFlags(flags: u32) -> nvmlReturn_t {
    // NVML_ERROR_DRIVER_NOT_LOADED if there is no device to use.
    library::initialize(flags & NO_GPUS != 0)
}

pub fn nvmlShutdown() -> nvmlReturn_t {
    // NVML_ERROR_UNINITIALIZED if the library has not been initialized.
    library::shutdown()
}
