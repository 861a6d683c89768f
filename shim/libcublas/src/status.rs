//! The statuses of cuBLAS and their texts.

use core::ffi::CStr;

/// A `cublasStatus_t`.
pub type Status = u32;

/// What a function answers: success, or the status that says why not.
pub type Result<T = ()> = core::result::Result<T, Status>;

/// `CUBLAS_STATUS_SUCCESS`.
pub const SUCCESS: Status = 0;
/// `CUBLAS_STATUS_NOT_INITIALIZED`: no such handle, or no driver.
pub const NOT_INITIALIZED: Status = 1;
/// `CUBLAS_STATUS_ALLOC_FAILED`.
pub const ALLOC_FAILED: Status = 3;
/// `CUBLAS_STATUS_INVALID_VALUE`.
pub const INVALID_VALUE: Status = 7;
/// `CUBLAS_STATUS_ARCH_MISMATCH`.
pub const ARCH_MISMATCH: Status = 8;
/// `CUBLAS_STATUS_EXECUTION_FAILED`.
pub const EXECUTION_FAILED: Status = 13;
/// `CUBLAS_STATUS_NOT_SUPPORTED`.
pub const NOT_SUPPORTED: Status = 15;

/// A status' name in the header, and what it means.
pub fn describe(status: Status) -> (&'static CStr, &'static CStr) {
    match status {
        SUCCESS => (c"CUBLAS_STATUS_SUCCESS", c"success"),
        NOT_INITIALIZED => (
            c"CUBLAS_STATUS_NOT_INITIALIZED",
            c"cuBLAS is not initialized",
        ),
        ALLOC_FAILED => (c"CUBLAS_STATUS_ALLOC_FAILED", c"out of memory"),
        INVALID_VALUE => (c"CUBLAS_STATUS_INVALID_VALUE", c"invalid argument"),
        ARCH_MISMATCH => (
            c"CUBLAS_STATUS_ARCH_MISMATCH",
            c"the device lacks a needed feature",
        ),
        11 => (
            c"CUBLAS_STATUS_MAPPING_ERROR",
            c"device memory could not be reached",
        ),
        EXECUTION_FAILED => (c"CUBLAS_STATUS_EXECUTION_FAILED", c"a kernel failed"),
        14 => (c"CUBLAS_STATUS_INTERNAL_ERROR", c"internal error"),
        NOT_SUPPORTED => (c"CUBLAS_STATUS_NOT_SUPPORTED", c"not supported"),
        16 => (c"CUBLAS_STATUS_LICENSE_ERROR", c"no license"),
        _ => (c"CUBLAS_STATUS_UNKNOWN", c"unknown status"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_the_names_of_the_header() {
        assert_eq!(describe(NOT_SUPPORTED).0, c"CUBLAS_STATUS_NOT_SUPPORTED");
        assert_eq!(describe(0).0, c"CUBLAS_STATUS_SUCCESS");
        assert_eq!(describe(4711).1, c"unknown status");
    }
}
