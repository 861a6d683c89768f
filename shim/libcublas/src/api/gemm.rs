//! Products of matrices. Six functions, one meaning: each fills a [`Call`].

use core::ffi::c_void;

use super::{count, require};
use crate::cublas::*;
use crate::driver::driver;
use crate::gemm::{ElementType, Gemm, Matrices, Shape, Types};
use crate::handles;
use crate::report;
use crate::scalar::{Scalar, ScalarType};
use crate::status::{INVALID_VALUE, NOT_SUPPORTED, Result};

/// One operand as a program describes it.
struct Operand {
    address: u64,
    data_type: cudaDataType,
    leading_dimension: i32,
    stride: i64,
}

/// Everything that the functions take.
struct Call {
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    beta: *const c_void,
    a: Operand,
    b: Operand,
    c: Operand,
    batch_count: i32,
    arrays: bool,
    compute_type: cublasComputeType_t,
}

/// The last enumerator of `cudaDataType` that CUDA 13 knows.
const LAST_DATA_TYPE: cudaDataType = 33;
/// The last enumerator of `cublasComputeType_t` that cuBLAS 13 knows.
const LAST_COMPUTE_TYPE: cublasComputeType_t = 79;

/// The types that are multiplied: the rows of cuBLAS' table for real numbers in
/// f16, bf16 and f32.
fn types(
    a: cudaDataType,
    b: cudaDataType,
    c: cudaDataType,
    compute: cublasComputeType_t,
) -> Result<Types> {
    let scalars = match compute {
        CUBLAS_COMPUTE_16F | CUBLAS_COMPUTE_16F_PEDANTIC => ScalarType::F16,
        CUBLAS_COMPUTE_32F
        | CUBLAS_COMPUTE_32F_PEDANTIC
        | CUBLAS_COMPUTE_32F_FAST_16F
        | CUBLAS_COMPUTE_32F_FAST_16BF
        | CUBLAS_COMPUTE_32F_FAST_TF32
        | CUBLAS_COMPUTE_32F_EMULATED_16BFX9 => ScalarType::F32,
        _ => return Err(NOT_SUPPORTED),
    };
    let (factors, result) = match (a, b, c, scalars) {
        (CUDA_R_16F, CUDA_R_16F, CUDA_R_16F, _) => (ElementType::F16, ElementType::F16),
        (CUDA_R_16F, CUDA_R_16F, CUDA_R_32F, ScalarType::F32) => {
            (ElementType::F16, ElementType::F32)
        }
        (CUDA_R_16BF, CUDA_R_16BF, CUDA_R_16BF, ScalarType::F32) => {
            (ElementType::Bf16, ElementType::Bf16)
        }
        (CUDA_R_16BF, CUDA_R_16BF, CUDA_R_32F, ScalarType::F32) => {
            (ElementType::Bf16, ElementType::F32)
        }
        (CUDA_R_32F, CUDA_R_32F, CUDA_R_32F, ScalarType::F32) => {
            (ElementType::F32, ElementType::F32)
        }
        _ => return Err(NOT_SUPPORTED),
    };
    Ok(Types {
        factors,
        result,
        scalars,
    })
}

/// Whether a matrix is read transposed.
fn transposed(operation: cublasOperation_t) -> Result<bool> {
    match operation {
        CUBLAS_OP_N => Ok(false),
        // The numbers are real: their conjugates are themselves.
        CUBLAS_OP_T | CUBLAS_OP_C => Ok(true),
        _ => Err(INVALID_VALUE),
    }
}

impl Operand {
    /// An operand whose columns have `rows` elements.
    fn matrices(&self, rows: i32) -> Result<Matrices> {
        // CUBLAS_STATUS_INVALID_VALUE if the leading dimension is too small.
        require(self.leading_dimension >= rows.max(1))?;
        Ok(Matrices {
            address: self.address,
            leading_dimension: self.leading_dimension,
            stride: self.stride,
        })
    }
}

impl Call {
    fn run(&self) -> Result {
        let state = handles::state(self.handle)?;
        let shape = self.shape()?;
        if shape.m == 0 || shape.n == 0 || shape.batch_count == 0 {
            return Ok(());
        }
        let types = self.types()?;
        let on_device = state.pointer_mode == CUBLAS_POINTER_MODE_DEVICE;
        let scalar = |pointer| Scalar::take(pointer, on_device, types.scalars);
        let gemm = Gemm {
            types,
            shape,
            alpha: scalar(self.alpha)?,
            beta: scalar(self.beta)?,
        };
        let driver = driver()?;
        driver.current_context(state.context)?;
        gemm.launch(&driver, state.stream)
    }

    /// CUBLAS_STATUS_INVALID_VALUE if an operation is none, a size is negative, or
    /// a leading dimension too small.
    fn shape(&self) -> Result<Shape> {
        let (a_transposed, b_transposed) = (transposed(self.transa)?, transposed(self.transb)?);
        Ok(Shape {
            a_transposed,
            b_transposed,
            m: count(self.m)?,
            n: count(self.n)?,
            k: count(self.k)?,
            a: self
                .a
                .matrices(if a_transposed { self.k } else { self.m })?,
            b: self
                .b
                .matrices(if b_transposed { self.n } else { self.k })?,
            c: self.c.matrices(self.m)?,
            batch_count: count(self.batch_count)?,
            arrays: self.arrays,
        })
    }

    /// CUBLAS_STATUS_INVALID_VALUE if a type is none,
    /// CUBLAS_STATUS_NOT_SUPPORTED if it is one that is not multiplied.
    fn types(&self) -> Result<Types> {
        let (a, b, c) = (self.a.data_type, self.b.data_type, self.c.data_type);
        require([a, b, c].iter().all(|of| *of <= LAST_DATA_TYPE))?;
        require((CUBLAS_COMPUTE_16F..=LAST_COMPUTE_TYPE).contains(&self.compute_type))?;
        types(a, b, c, self.compute_type).inspect_err(|_| {
            report::unsupported_types([
                ("Atype", a),
                ("Btype", b),
                ("Ctype", c),
                ("computeType", self.compute_type),
            ]);
        })
    }
}

fn operand(
    address: usize,
    data_type: cudaDataType,
    leading_dimension: i32,
    stride: i64,
) -> Operand {
    Operand {
        address: address as u64,
        data_type,
        leading_dimension,
        stride,
    }
}

/// `C = alpha op(A) op(B) + beta C` in f32.
pub fn cublasSgemm_v2(
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const f32,
    a: *const f32,
    lda: i32,
    b: *const f32,
    ldb: i32,
    beta: *const f32,
    c: *mut f32,
    ldc: i32,
) -> Result {
    Call {
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha: alpha.cast(),
        beta: beta.cast(),
        a: operand(a.addr(), CUDA_R_32F, lda, 0),
        b: operand(b.addr(), CUDA_R_32F, ldb, 0),
        c: operand(c.addr(), CUDA_R_32F, ldc, 0),
        batch_count: 1,
        arrays: false,
        compute_type: CUBLAS_COMPUTE_32F,
    }
    .run()
}

/// The same for matrices whose addresses lie in arrays on the device.
pub fn cublasSgemmBatched(
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const f32,
    a: *const *const f32,
    lda: i32,
    b: *const *const f32,
    ldb: i32,
    beta: *const f32,
    c: *const *mut f32,
    ldc: i32,
    batch_count: i32,
) -> Result {
    Call {
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha: alpha.cast(),
        beta: beta.cast(),
        a: operand(a.addr(), CUDA_R_32F, lda, 0),
        b: operand(b.addr(), CUDA_R_32F, ldb, 0),
        c: operand(c.addr(), CUDA_R_32F, ldc, 0),
        batch_count,
        arrays: true,
        compute_type: CUBLAS_COMPUTE_32F,
    }
    .run()
}

/// The same for matrices at equal distances.
pub fn cublasSgemmStridedBatched(
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const f32,
    a: *const f32,
    lda: i32,
    stride_a: i64,
    b: *const f32,
    ldb: i32,
    stride_b: i64,
    beta: *const f32,
    c: *mut f32,
    ldc: i32,
    stride_c: i64,
    batch_count: i32,
) -> Result {
    Call {
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha: alpha.cast(),
        beta: beta.cast(),
        a: operand(a.addr(), CUDA_R_32F, lda, stride_a),
        b: operand(b.addr(), CUDA_R_32F, ldb, stride_b),
        c: operand(c.addr(), CUDA_R_32F, ldc, stride_c),
        batch_count,
        arrays: false,
        compute_type: CUBLAS_COMPUTE_32F,
    }
    .run()
}

/// The same for matrices of any type of the table.
pub fn cublasGemmEx(
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    a: *const c_void,
    atype: cudaDataType,
    lda: i32,
    b: *const c_void,
    btype: cudaDataType,
    ldb: i32,
    beta: *const c_void,
    c: *mut c_void,
    ctype: cudaDataType,
    ldc: i32,
    compute_type: cublasComputeType_t,
    _algo: cublasGemmAlgo_t,
) -> Result {
    Call {
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha,
        beta,
        a: operand(a.addr(), atype, lda, 0),
        b: operand(b.addr(), btype, ldb, 0),
        c: operand(c.addr(), ctype, ldc, 0),
        batch_count: 1,
        arrays: false,
        compute_type,
    }
    .run()
}

/// The same, of any type, by addresses in arrays on the device.
pub fn cublasGemmBatchedEx(
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    a: *const *const c_void,
    atype: cudaDataType,
    lda: i32,
    b: *const *const c_void,
    btype: cudaDataType,
    ldb: i32,
    beta: *const c_void,
    c: *const *mut c_void,
    ctype: cudaDataType,
    ldc: i32,
    batch_count: i32,
    compute_type: cublasComputeType_t,
    _algo: cublasGemmAlgo_t,
) -> Result {
    Call {
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha,
        beta,
        a: operand(a.addr(), atype, lda, 0),
        b: operand(b.addr(), btype, ldb, 0),
        c: operand(c.addr(), ctype, ldc, 0),
        batch_count,
        arrays: true,
        compute_type,
    }
    .run()
}

/// The same, of any type, at equal distances.
pub fn cublasGemmStridedBatchedEx(
    handle: cublasHandle_t,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    a: *const c_void,
    atype: cudaDataType,
    lda: i32,
    stride_a: i64,
    b: *const c_void,
    btype: cudaDataType,
    ldb: i32,
    stride_b: i64,
    beta: *const c_void,
    c: *mut c_void,
    ctype: cudaDataType,
    ldc: i32,
    stride_c: i64,
    batch_count: i32,
    compute_type: cublasComputeType_t,
    _algo: cublasGemmAlgo_t,
) -> Result {
    Call {
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha,
        beta,
        a: operand(a.addr(), atype, lda, stride_a),
        b: operand(b.addr(), btype, ldb, stride_b),
        c: operand(c.addr(), ctype, ldc, stride_c),
        batch_count,
        arrays: false,
        compute_type,
    }
    .run()
}
