//! Handles and what they remember.

use std::ffi::c_void;
use std::ptr::null_mut;

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, INVALID_VALUE, NOT_INITIALIZED, NOT_SUPPORTED, SUCCESS, cublas};
use tests::process::in_child;

#[test]
fn a_new_handle_has_the_defaults() {
    let (_context, handle) = (Context::primary(), Handle::new());
    let (mut stream, mut pointer_mode, mut math_mode) = (std::ptr::dangling_mut::<c_void>(), 9, 9);
    assert_eq!(
        cublas().cublasGetStream_v2(handle.0, &raw mut stream),
        SUCCESS
    );
    assert_eq!(
        cublas().cublasGetPointerMode_v2(handle.0, &raw mut pointer_mode),
        SUCCESS
    );
    assert_eq!(
        cublas().cublasGetMathMode(handle.0, &raw mut math_mode),
        SUCCESS
    );
    assert!(stream.is_null());
    assert_eq!(pointer_mode, CUBLAS_POINTER_MODE_HOST);
    assert_eq!(math_mode, CUBLAS_DEFAULT_MATH);
}

#[test]
fn each_handle_remembers_what_it_was_told() {
    let context = Context::primary();
    let handles = [Handle::new(), Handle::new(), Handle::new()];
    let streams = [0, 1, 0].map(|flags| context.stream(flags));
    for (handle, stream) in handles.iter().zip(streams) {
        let stream = stream.0 as *mut c_void;
        assert_eq!(cublas().cublasSetStream_v2(handle.0, stream), SUCCESS);
    }
    let mode = CUBLAS_POINTER_MODE_DEVICE;
    assert_eq!(
        cublas().cublasSetPointerMode_v2(handles[1].0, mode),
        SUCCESS
    );
    for (index, (handle, expected)) in handles.iter().zip(streams).enumerate() {
        let (mut stream, mut mode) = (null_mut(), 9);
        assert_eq!(
            cublas().cublasGetStream_v2(handle.0, &raw mut stream),
            SUCCESS
        );
        assert_eq!(
            cublas().cublasGetPointerMode_v2(handle.0, &raw mut mode),
            SUCCESS
        );
        assert_eq!(stream as usize, expected.0);
        assert_eq!(mode, u32::from(index == 1));
    }
}

#[test]
fn math_modes_are_set_or_refused() {
    let (_context, handle) = (Context::primary(), Handle::new());
    for mode in [
        CUBLAS_TF32_TENSOR_OP_MATH,
        CUBLAS_TENSOR_OP_MATH,
        CUBLAS_PEDANTIC_MATH,
        CUBLAS_TF32_TENSOR_OP_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION,
        CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION,
        CUBLAS_DEFAULT_MATH,
    ] {
        assert_eq!(
            cublas().cublasSetMathMode(handle.0, mode),
            SUCCESS,
            "{mode}"
        );
        let mut seen = 99;
        assert_eq!(cublas().cublasGetMathMode(handle.0, &raw mut seen), SUCCESS);
        assert_eq!(seen, mode);
    }
    assert_eq!(cublas().cublasSetMathMode(handle.0, 100), INVALID_VALUE);
}

#[test]
fn a_workspace_may_be_given() {
    let (context, handle) = (Context::primary(), Handle::new());
    let workspace = context.allocate(1 << 20);
    let at = |offset| workspace.at(offset).0 as *mut c_void;
    let set = |offset, bytes| cublas().cublasSetWorkspace_v2(handle.0, at(offset), bytes);
    assert_eq!(set(0, 1 << 20), SUCCESS);
    // The manual asks for an alignment of 256 bytes, which NVIDIA's does not check.
    assert_eq!(set(64, 1 << 19), SUCCESS);
    assert_eq!(
        cublas().cublasSetWorkspace_v2(handle.0, null_mut(), 0),
        SUCCESS
    );
}

#[test]
fn places_for_results_must_not_be_null() {
    let (_context, handle) = (Context::primary(), Handle::new());
    assert_eq!(cublas().cublasCreate_v2(null_mut()), INVALID_VALUE);
    assert_eq!(
        cublas().cublasGetStream_v2(handle.0, null_mut()),
        INVALID_VALUE
    );
    assert_eq!(
        cublas().cublasGetPointerMode_v2(handle.0, null_mut()),
        INVALID_VALUE
    );
    assert_eq!(
        cublas().cublasGetMathMode(handle.0, null_mut()),
        INVALID_VALUE
    );
    assert_eq!(
        cublas().cublasGetVersion_v2(handle.0, null_mut()),
        INVALID_VALUE
    );
    assert_eq!(cublas().cublasSetPointerMode_v2(handle.0, 7), INVALID_VALUE);
}

#[test]
fn no_handle_is_no_handle() {
    let _context = Context::primary();
    let none = null_mut();
    assert_eq!(cublas().cublasDestroy_v2(none), NOT_INITIALIZED);
    assert_eq!(cublas().cublasSetStream_v2(none, none), NOT_INITIALIZED);
    assert_eq!(cublas().cublasSetMathMode(none, 0), NOT_INITIALIZED);
    assert_eq!(
        cublas().cublasSetWorkspace_v2(none, none, 0),
        NOT_INITIALIZED
    );
    let one = 1.0_f32;
    let status = cublas().cublasSgemm_v2(
        none,
        0,
        0,
        1,
        1,
        1,
        &raw const one,
        none.cast(),
        1,
        none.cast(),
        1,
        &raw const one,
        none.cast(),
        1,
    );
    assert_eq!(status, NOT_INITIALIZED);
}

#[test]
fn the_version_is_one_that_programs_know() {
    let (_context, handle) = (Context::primary(), Handle::new());
    let mut version = 0;
    assert_eq!(
        cublas().cublasGetVersion_v2(handle.0, &raw mut version),
        SUCCESS
    );
    assert!((110_000..140_000).contains(&version), "{version}");
}

#[test]
fn statuses_have_their_names() {
    assert_eq!(cublas().cublasGetStatusName(0), "CUBLAS_STATUS_SUCCESS");
    assert_eq!(
        cublas().cublasGetStatusName(INVALID_VALUE),
        "CUBLAS_STATUS_INVALID_VALUE"
    );
    assert_eq!(
        cublas().cublasGetStatusName(NOT_SUPPORTED),
        "CUBLAS_STATUS_NOT_SUPPORTED"
    );
    assert!(!cublas().cublasGetStatusString(3).is_empty());
}

#[test]
fn a_thread_without_a_context_gets_the_primary_one() {
    let driver = tests::context::initialized();
    let handle = Handle::new();
    let mut current = abi::cuda::CUcontext::NULL;
    driver.cuCtxGetCurrent(&raw mut current).unwrap();
    assert!(!current.is_null());
    drop(handle);
    let context = Context::primary();
    assert_eq!(current, context.handle);
}

#[test]
fn without_a_device_there_is_no_handle() {
    let answer = in_child(&[("CUDA_VISIBLE_DEVICES", "")], || {
        let mut handle = null_mut();
        cublas().cublasCreate_v2(&raw mut handle).to_string()
    });
    assert_eq!(answer.value, NOT_INITIALIZED.to_string());
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn calls_are_traced_with_their_arguments() {
        require_pumice();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trace");
        let answer = in_child(&[("PUMICE_TRACE", file.to_str().unwrap())], || {
            let (_context, handle) = (Context::primary(), Handle::new());
            let _ = cublas().cublasSetMathMode(handle.0, CUBLAS_TF32_TENSOR_OP_MATH);
            let _ = cublas().cublasSetPointerMode_v2(handle.0, 77);
            format!("{:p}", handle.0)
        });
        let trace = std::fs::read_to_string(&file).unwrap();
        let handle = answer.value;
        for line in [
            format!("] cublasSetMathMode(handle={handle}, mode=3) = CUBLAS_STATUS_SUCCESS "),
            format!(
                "] cublasSetPointerMode_v2(handle={handle}, mode=77) = CUBLAS_STATUS_INVALID_VALUE "
            ),
            format!("] cublasDestroy_v2(handle={handle}) = CUBLAS_STATUS_SUCCESS "),
        ] {
            assert!(trace.contains(&line), "{line} is not in\n{trace}");
        }
    }

    #[test]
    fn a_handle_that_was_destroyed_or_never_made_is_refused() {
        require_pumice();
        let (_context, handle) = (Context::primary(), Handle::new());
        assert_eq!(cublas().cublasDestroy_v2(handle.0), SUCCESS);
        assert_eq!(cublas().cublasDestroy_v2(handle.0), NOT_INITIALIZED);
        let mut stream = null_mut();
        assert_eq!(
            cublas().cublasGetStream_v2(handle.0, &raw mut stream),
            NOT_INITIALIZED
        );
        let made_up = 0x1234_5670 as *mut c_void;
        assert_eq!(
            cublas().cublasSetStream_v2(made_up, stream),
            NOT_INITIALIZED
        );
    }

    #[test]
    fn handles_end_in_any_order() {
        require_pumice();
        let _context = Context::primary();
        let handles: Vec<_> = (0..7).map(|_| Handle::new()).collect();
        for index in [3, 0, 6, 1] {
            assert_eq!(cublas().cublasDestroy_v2(handles[index].0), SUCCESS);
        }
        let alive = |index: usize| {
            let mut mode = 0;
            cublas().cublasGetMathMode(handles[index].0, &raw mut mode) == SUCCESS
        };
        let living: Vec<usize> = (0..7).filter(|&index| alive(index)).collect();
        assert_eq!(living, [2, 4, 5]);
    }
}
