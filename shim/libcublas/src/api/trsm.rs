//! Triangular systems.

use super::{count, require};
use crate::cublas::*;
use crate::driver::driver;
use crate::handles;
use crate::scalar::{Scalar, ScalarType};
use crate::status::Result;
use crate::trsm::Trsm;

pub fn cublasStrsmBatched(
    handle: cublasHandle_t,
    side: cublasSideMode_t,
    uplo: cublasFillMode_t,
    trans: cublasOperation_t,
    diag: cublasDiagType_t,
    m: i32,
    n: i32,
    alpha: *const f32,
    a: *const *const f32,
    lda: i32,
    b: *const *mut f32,
    ldb: i32,
    batch_count: i32,
) -> Result {
    let state = handles::state(handle)?;
    // CUBLAS_STATUS_INVALID_VALUE if an enumerator is none, a size is negative, or
    // a leading dimension is too small.
    require(matches!(side, CUBLAS_SIDE_LEFT | CUBLAS_SIDE_RIGHT))?;
    require(matches!(
        uplo,
        CUBLAS_FILL_MODE_LOWER | CUBLAS_FILL_MODE_UPPER
    ))?;
    require(matches!(trans, CUBLAS_OP_N | CUBLAS_OP_T | CUBLAS_OP_C))?;
    require(matches!(diag, CUBLAS_DIAG_NON_UNIT | CUBLAS_DIAG_UNIT))?;
    let order = if side == CUBLAS_SIDE_LEFT { m } else { n };
    let call = Trsm {
        right: side == CUBLAS_SIDE_RIGHT,
        upper: uplo == CUBLAS_FILL_MODE_UPPER,
        transposed: trans != CUBLAS_OP_N,
        unit: diag == CUBLAS_DIAG_UNIT,
        m: count(m)?,
        n: count(n)?,
        batch_count: count(batch_count)?,
        alpha: Scalar::take(
            alpha.cast(),
            state.pointer_mode == CUBLAS_POINTER_MODE_DEVICE,
            ScalarType::F32,
        )?,
        a: a.addr() as u64,
        lda,
        b: b.addr() as u64,
        ldb,
    };
    require(lda >= order.max(1) && ldb >= m.max(1))?;
    if call.m == 0 || call.n == 0 || call.batch_count == 0 {
        return Ok(());
    }
    require(!a.is_null() && !b.is_null())?;
    let driver = driver()?;
    driver.current_context(state.context)?;
    call.launch(&driver, state.stream)
}
