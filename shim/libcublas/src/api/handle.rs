//! cuBLAS' helper functions: handles and what they remember.

use core::ffi::c_void;

use super::require;
use crate::cublas::*;
use crate::driver::driver;
use crate::handles;
use crate::status::{INVALID_VALUE, Result};

/// The version that is claimed: of CUDA 12.9, as the driver says of itself.
const VERSION: i32 = 120_901;

/// Writes a result.
fn put<T>(place: *mut T, value: T) -> Result {
    // CUBLAS_STATUS_INVALID_VALUE for a null pointer.
    require(!place.is_null())?;
    // SAFETY: the caller passes a place for the result.
    unsafe { place.write(value) };
    Ok(())
}

pub fn cublasCreate_v2(handle: *mut cublasHandle_t) -> Result {
    // CUBLAS_STATUS_INVALID_VALUE if handle is null, before anything is made.
    require(!handle.is_null())?;
    let context = driver()?.current_context(0)?;
    put(handle, handles::create(context)?)
}

pub fn cublasDestroy_v2(handle: cublasHandle_t) -> Result {
    handles::destroy(handle)
}

pub fn cublasGetVersion_v2(_handle: cublasHandle_t, version: *mut i32) -> Result {
    put(version, VERSION)
}

pub fn cublasSetStream_v2(handle: cublasHandle_t, stream: cudaStream_t) -> Result {
    handles::with_state(handle, |state| state.stream = stream)
}

pub fn cublasGetStream_v2(handle: cublasHandle_t, stream: *mut cudaStream_t) -> Result {
    put(stream, handles::state(handle)?.stream)
}

/// The kernels need no workspace. NVIDIA's takes one of any alignment, whatever the
/// manual says.
pub fn cublasSetWorkspace_v2(
    handle: cublasHandle_t,
    _workspace: *mut c_void,
    _bytes: usize,
) -> Result {
    handles::state(handle).map(|_| ())
}

pub fn cublasSetPointerMode_v2(handle: cublasHandle_t, mode: cublasPointerMode_t) -> Result {
    handles::state(handle)?;
    require(matches!(
        mode,
        CUBLAS_POINTER_MODE_HOST | CUBLAS_POINTER_MODE_DEVICE
    ))?;
    handles::with_state(handle, |state| state.pointer_mode = mode)
}

pub fn cublasGetPointerMode_v2(handle: cublasHandle_t, mode: *mut cublasPointerMode_t) -> Result {
    put(mode, handles::state(handle)?.pointer_mode)
}

pub fn cublasSetMathMode(handle: cublasHandle_t, mode: cublasMath_t) -> Result {
    handles::state(handle)?;
    match mode & !CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION {
        CUBLAS_DEFAULT_MATH
        | CUBLAS_TENSOR_OP_MATH
        | CUBLAS_PEDANTIC_MATH
        | CUBLAS_TF32_TENSOR_OP_MATH
        | CUBLAS_FP32_EMULATED_BF16X9_MATH => {
            handles::with_state(handle, |state| state.math_mode = mode)
        }
        _ => Err(INVALID_VALUE),
    }
}

pub fn cublasGetMathMode(handle: cublasHandle_t, mode: *mut cublasMath_t) -> Result {
    put(mode, handles::state(handle)?.math_mode)
}
