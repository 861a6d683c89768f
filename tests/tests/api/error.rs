//! Error handling: the names and the descriptions of statuses.

use std::ptr::{null, null_mut};

use abi::CUerror;
use tests::driver::{driver, text_at};

fn name(status: u32) -> String {
    let mut text = null();
    driver().cuGetErrorName(status, &raw mut text).unwrap();
    text_at(text)
}

fn description(status: u32) -> String {
    let mut text = null();
    driver().cuGetErrorString(status, &raw mut text).unwrap();
    text_at(text)
}

#[test]
fn statuses_have_the_names_of_the_header() {
    for (status, expected) in [
        (0, "CUDA_SUCCESS"),
        (1, "CUDA_ERROR_INVALID_VALUE"),
        (2, "CUDA_ERROR_OUT_OF_MEMORY"),
        (3, "CUDA_ERROR_NOT_INITIALIZED"),
        (4, "CUDA_ERROR_DEINITIALIZED"),
        (34, "CUDA_ERROR_STUB_LIBRARY"),
        (100, "CUDA_ERROR_NO_DEVICE"),
        (101, "CUDA_ERROR_INVALID_DEVICE"),
        (200, "CUDA_ERROR_INVALID_IMAGE"),
        (201, "CUDA_ERROR_INVALID_CONTEXT"),
        (209, "CUDA_ERROR_NO_BINARY_FOR_GPU"),
        (215, "CUDA_ERROR_UNSUPPORTED_LIMIT"),
        (218, "CUDA_ERROR_INVALID_PTX"),
        (222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"),
        (300, "CUDA_ERROR_INVALID_SOURCE"),
        (301, "CUDA_ERROR_FILE_NOT_FOUND"),
        (304, "CUDA_ERROR_OPERATING_SYSTEM"),
        (400, "CUDA_ERROR_INVALID_HANDLE"),
        (500, "CUDA_ERROR_NOT_FOUND"),
        (600, "CUDA_ERROR_NOT_READY"),
        (700, "CUDA_ERROR_ILLEGAL_ADDRESS"),
        (701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"),
        (709, "CUDA_ERROR_CONTEXT_IS_DESTROYED"),
        (710, "CUDA_ERROR_ASSERT"),
        (712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED"),
        (713, "CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED"),
        (719, "CUDA_ERROR_LAUNCH_FAILED"),
        (801, "CUDA_ERROR_NOT_SUPPORTED"),
        (900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"),
        (999, "CUDA_ERROR_UNKNOWN"),
    ] {
        assert_eq!(name(status), expected);
    }
}

#[test]
fn every_status_with_a_name_has_a_description() {
    let is_known = |status: &u32| {
        let mut text = null();
        driver().cuGetErrorName(*status, &raw mut text).is_ok()
    };
    let known: Vec<_> = (0..=1000).filter(is_known).collect();
    assert!(known.len() > 90, "{} statuses", known.len());
    for status in known {
        assert!(!description(status).is_empty(), "{status}");
    }
}

#[test]
fn a_number_that_is_no_status_is_refused_and_leaves_a_null_string() {
    for number in [9999, 998, 12, u32::MAX] {
        let mut text = c"untouched".as_ptr();
        let driver = driver();
        assert_eq!(
            driver.cuGetErrorName(number, &raw mut text),
            Err(CUerror::INVALID_VALUE)
        );
        assert!(text.is_null(), "{number}");
        text = c"untouched".as_ptr();
        assert_eq!(
            driver.cuGetErrorString(number, &raw mut text),
            Err(CUerror::INVALID_VALUE)
        );
        assert!(text.is_null(), "{number}");
    }
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// NVIDIA's driver crashes.
    #[test]
    fn a_text_needs_a_place_to_be_written() {
        require_pumice();
        let driver = driver();
        assert_eq!(
            driver.cuGetErrorName(0, null_mut()),
            Err(CUerror::INVALID_VALUE)
        );
        assert_eq!(
            driver.cuGetErrorString(0, null_mut()),
            Err(CUerror::INVALID_VALUE)
        );
    }
}
