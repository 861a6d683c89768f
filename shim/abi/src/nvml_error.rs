//! NVML's status codes and what they mean.

use std::ffi::CStr;
use std::fmt;
use std::num::NonZeroU32;

use crate::{NullPointer, nvmlReturn_t};

/// A status other than success: an `nvmlReturn_t` that is not `NVML_SUCCESS`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct NvmlError(NonZeroU32);

/// `NVML_SUCCESS` as C sees it.
pub const NVML_SUCCESS: u32 = 0;

macro_rules! statuses {
    ($($name:ident = $number:literal, $description:literal;)*) => {
        #[allow(missing_docs, reason = "each is described in its row")]
        impl NvmlError {
            $(pub const $name: Self = Self(NonZeroU32::new($number).unwrap());)*
        }

        /// What a status means, as `nvmlErrorString` answers.
        #[must_use]
        pub fn describe(status: u32) -> &'static CStr {
            match status {
                NVML_SUCCESS => c"Success",
                $($number => $description,)*
                _ => c"Unknown Error",
            }
        }

        /// The name of the C constant.
        impl fmt::Display for NvmlError {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.code() {
                    $($number => f.write_str(concat!("NVML_ERROR_", stringify!($name))),)*
                    code => write!(f, "nvmlReturn_t({code})"),
                }
            }
        }
    };
}

statuses! {
    UNINITIALIZED = 1, c"Uninitialized";
    INVALID_ARGUMENT = 2, c"Invalid Argument";
    NOT_SUPPORTED = 3, c"Not Supported";
    NO_PERMISSION = 4, c"Insufficient Permissions";
    ALREADY_INITIALIZED = 5, c"Already Initialized";
    NOT_FOUND = 6, c"Not Found";
    INSUFFICIENT_SIZE = 7, c"Insufficient Size";
    INSUFFICIENT_POWER = 8, c"Insufficient External Power";
    DRIVER_NOT_LOADED = 9, c"Driver Not Loaded";
    TIMEOUT = 10, c"Timeout";
    IRQ_ISSUE = 11, c"Interrupt Request Issue";
    LIBRARY_NOT_FOUND = 12, c"a shared library was not found";
    FUNCTION_NOT_FOUND = 13, c"Function Not Found";
    CORRUPTED_INFOROM = 14, c"the infoROM is corrupted";
    GPU_IS_LOST = 15, c"the GPU is lost";
    RESET_REQUIRED = 16, c"the GPU needs a reset";
    OPERATING_SYSTEM = 17, c"the operating system refuses access to the GPU";
    LIB_RM_VERSION_MISMATCH = 18, c"library and driver are of different versions";
    IN_USE = 19, c"the GPU is in use";
    MEMORY = 20, c"Insufficient Memory";
    NO_DATA = 21, c"No data";
    VGPU_ECC_NOT_SUPPORTED = 22, c"ECC is not supported on this vGPU";
    INSUFFICIENT_RESOURCES = 23, c"Insufficient Resources";
    FREQ_NOT_SUPPORTED = 24, c"Invalid Frequency";
    ARGUMENT_VERSION_MISMATCH = 25, c"the structure is of another version";
    DEPRECATED = 26, c"the function is no longer there";
    NOT_READY = 27, c"the system is not ready";
    GPU_NOT_FOUND = 28, c"no usable GPU was found";
    INVALID_STATE = 29, c"not possible in this state";
    RESET_TYPE_NOT_SUPPORTED = 30, c"the device has no reset of this type";
    UNKNOWN = 999, c"Unknown Error";
}

impl NvmlError {
    /// The number C sees.
    #[must_use]
    pub fn code(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for NvmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NvmlError {}

/// NVML's answer to a null pointer where a value is required.
impl From<NullPointer> for NvmlError {
    fn from(_: NullPointer) -> Self {
        Self::INVALID_ARGUMENT
    }
}

/// The number C sees for a result.
#[must_use]
pub fn status(result: nvmlReturn_t) -> u32 {
    result.map_or_else(NvmlError::code, |()| NVML_SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_the_numbers_of_the_c_enumeration() {
        for (result, number) in [(Ok(()), 0), (Err(NvmlError::UNKNOWN), 999)] {
            assert_eq!(status(result), number);
            // SAFETY: `nvmlReturn_t` is transparent over a non-zero u32 with a niche.
            let seen = unsafe { std::mem::transmute::<nvmlReturn_t, u32>(result) };
            assert_eq!(seen, number);
        }
    }
}
