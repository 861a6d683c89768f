//! Types and enumerators of cuBLAS.
//!
//! Enumerations are integers: a program may pass any value. Like the table of the
//! interface, this file is also compiled into the preload library.

#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    reason = "NVIDIA's names, so that they can be found"
)]

use core::ffi::c_void;

/// A cuBLAS context.
pub type cublasHandle_t = *mut c_void;
/// A stream, of the runtime or the driver.
pub type cudaStream_t = *mut c_void;
/// How a matrix is read: [`CUBLAS_OP_N`], [`CUBLAS_OP_T`] or [`CUBLAS_OP_C`].
pub type cublasOperation_t = u32;
/// Whether scalars lie on the host or on the device.
pub type cublasPointerMode_t = u32;
/// Which precision single-precision routines may use.
pub type cublasMath_t = u32;
/// Which side the triangular matrix is on.
pub type cublasSideMode_t = u32;
/// Which triangle of the matrix is read.
pub type cublasFillMode_t = u32;
/// Whether the diagonal is read or taken as one.
pub type cublasDiagType_t = u32;
/// The type of a matrix' elements.
pub type cudaDataType = u32;
/// The type in which products are summed.
pub type cublasComputeType_t = u32;
/// Which algorithm a program asks for; a hint since cuBLAS 11.
pub type cublasGemmAlgo_t = i32;

/// As it lies in memory.
pub const CUBLAS_OP_N: cublasOperation_t = 0;
/// Transposed.
pub const CUBLAS_OP_T: cublasOperation_t = 1;
/// Transposed and conjugate.
pub const CUBLAS_OP_C: cublasOperation_t = 2;

/// Scalars lie on the host.
pub const CUBLAS_POINTER_MODE_HOST: cublasPointerMode_t = 0;
/// Scalars lie on the device.
pub const CUBLAS_POINTER_MODE_DEVICE: cublasPointerMode_t = 1;

/// The highest performance that keeps the precision.
pub const CUBLAS_DEFAULT_MATH: cublasMath_t = 0;
/// Matrix units may be used; deprecated.
pub const CUBLAS_TENSOR_OP_MATH: cublasMath_t = 1;
/// The precision that the compute type says in every step.
pub const CUBLAS_PEDANTIC_MATH: cublasMath_t = 2;
/// TF32 may be used for single precision.
pub const CUBLAS_TF32_TENSOR_OP_MATH: cublasMath_t = 3;
/// Single precision may be made of bf16 products.
pub const CUBLAS_FP32_EMULATED_BF16X9_MATH: cublasMath_t = 4;
/// A flag: sums are not reduced in the type of the result.
pub const CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION: cublasMath_t = 16;

/// `A X = B`.
pub const CUBLAS_SIDE_LEFT: cublasSideMode_t = 0;
/// `X A = B`.
pub const CUBLAS_SIDE_RIGHT: cublasSideMode_t = 1;
/// The lower triangle.
pub const CUBLAS_FILL_MODE_LOWER: cublasFillMode_t = 0;
/// The upper triangle.
pub const CUBLAS_FILL_MODE_UPPER: cublasFillMode_t = 1;
/// The diagonal is read.
pub const CUBLAS_DIAG_NON_UNIT: cublasDiagType_t = 0;
/// The diagonal is one.
pub const CUBLAS_DIAG_UNIT: cublasDiagType_t = 1;

/// f32.
pub const CUDA_R_32F: cudaDataType = 0;
/// f64.
pub const CUDA_R_64F: cudaDataType = 1;
/// f16.
pub const CUDA_R_16F: cudaDataType = 2;
/// Signed bytes.
pub const CUDA_R_8I: cudaDataType = 3;
/// bf16.
pub const CUDA_R_16BF: cudaDataType = 14;

/// Sums and scalars in f16.
pub const CUBLAS_COMPUTE_16F: cublasComputeType_t = 64;
/// The same, in every step.
pub const CUBLAS_COMPUTE_16F_PEDANTIC: cublasComputeType_t = 65;
/// Sums and scalars in f32.
pub const CUBLAS_COMPUTE_32F: cublasComputeType_t = 68;
/// The same, in every step.
pub const CUBLAS_COMPUTE_32F_PEDANTIC: cublasComputeType_t = 69;
/// Sums and scalars in f64.
pub const CUBLAS_COMPUTE_64F: cublasComputeType_t = 70;
/// Sums and scalars in 32-bit integers.
pub const CUBLAS_COMPUTE_32I: cublasComputeType_t = 72;
/// f32, factors may be rounded to f16.
pub const CUBLAS_COMPUTE_32F_FAST_16F: cublasComputeType_t = 74;
/// f32, factors may be rounded to bf16.
pub const CUBLAS_COMPUTE_32F_FAST_16BF: cublasComputeType_t = 75;
/// f32, factors may be rounded to TF32.
pub const CUBLAS_COMPUTE_32F_FAST_TF32: cublasComputeType_t = 77;
/// f32, made of bf16 products.
pub const CUBLAS_COMPUTE_32F_EMULATED_16BFX9: cublasComputeType_t = 78;

/// Let the library choose.
pub const CUBLAS_GEMM_DEFAULT: cublasGemmAlgo_t = -1;
