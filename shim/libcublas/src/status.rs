//! The statuses of cuBLAS and their texts.

use core::ffi::CStr;

/// A `cublasStatus_t`.
pub type Status = u32;

/// `CUBLAS_STATUS_NOT_SUPPORTED`.
pub const NOT_SUPPORTED: Status = 15;

/// A status' name in the header, and what it means.
pub fn describe(status: Status) -> (&'static CStr, &'static CStr) {
    match status {
        0 => (c"CUBLAS_STATUS_SUCCESS", c"success"),
        1 => (
            c"CUBLAS_STATUS_NOT_INITIALIZED",
            c"cuBLAS is not initialized",
        ),
        3 => (c"CUBLAS_STATUS_ALLOC_FAILED", c"out of memory"),
        7 => (c"CUBLAS_STATUS_INVALID_VALUE", c"invalid argument"),
        8 => (
            c"CUBLAS_STATUS_ARCH_MISMATCH",
            c"the device lacks a needed feature",
        ),
        11 => (
            c"CUBLAS_STATUS_MAPPING_ERROR",
            c"device memory could not be reached",
        ),
        13 => (c"CUBLAS_STATUS_EXECUTION_FAILED", c"a kernel failed"),
        14 => (c"CUBLAS_STATUS_INTERNAL_ERROR", c"internal error"),
        15 => (c"CUBLAS_STATUS_NOT_SUPPORTED", c"not supported"),
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
