//! Bad arguments, and what is answered to each.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, INVALID_VALUE, NOT_SUPPORTED, SUCCESS, cublas};

/// The arguments of `cublasGemmStridedBatchedEx`, of which a test spoils one.
#[derive(Clone, Copy)]
struct Arguments {
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: i32,
    n: i32,
    k: i32,
    alpha: *const c_void,
    beta: *const c_void,
    types: [cudaDataType; 3],
    leading_dimensions: [i32; 3],
    batch_count: i32,
    compute: cublasComputeType_t,
}

static ONE: f32 = 1.0;

impl Arguments {
    /// A(10×6) B(6×8) = C(10×8), all columns close together.
    fn good() -> Self {
        Self {
            transa: CUBLAS_OP_N,
            transb: CUBLAS_OP_N,
            m: 10,
            n: 8,
            k: 6,
            alpha: (&raw const ONE).cast(),
            beta: (&raw const ONE).cast(),
            types: [CUDA_R_32F; 3],
            leading_dimensions: [10, 6, 10],
            batch_count: 2,
            compute: CUBLAS_COMPUTE_32F,
        }
    }

    fn status(&self, handle: &Handle, place: *mut c_void) -> u32 {
        let [a_type, b_type, c_type] = self.types;
        let [lda, ldb, ldc] = self.leading_dimensions;
        cublas().cublasGemmStridedBatchedEx(
            handle.0,
            self.transa,
            self.transb,
            self.m,
            self.n,
            self.k,
            self.alpha,
            place,
            a_type,
            lda,
            100,
            place,
            b_type,
            ldb,
            100,
            self.beta,
            place,
            c_type,
            ldc,
            100,
            self.batch_count,
            self.compute,
            CUBLAS_GEMM_DEFAULT,
        )
    }
}

type Spoil = fn(&mut Arguments);

/// Calls with each of the arguments spoiled; a call with good ones follows each.
fn assert_statuses(cases: &[(&str, u32, Spoil)]) {
    let (context, handle) = (Context::primary(), Handle::new());
    let memory = context.allocate(4096);
    let place = memory.base.0 as *mut c_void;
    let mut wrong = Vec::new();
    for (what, expected, spoil) in cases {
        let mut arguments = Arguments::good();
        spoil(&mut arguments);
        let status = arguments.status(&handle, place);
        if status != *expected {
            wrong.push(format!("{what}: {status} instead of {expected}"));
        }
        assert_eq!(Arguments::good().status(&handle, place), SUCCESS, "{what}");
        context.cuCtxSynchronize().unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bad_sizes_and_operations_are_invalid_values() {
    assert_statuses(&[
        ("nothing spoiled", SUCCESS, |_| {}),
        ("m negative", INVALID_VALUE, |a| a.m = -1),
        ("n negative", INVALID_VALUE, |a| a.n = -1),
        ("k negative", INVALID_VALUE, |a| a.k = -1),
        ("lda below m", INVALID_VALUE, |a| {
            a.leading_dimensions[0] = 9
        }),
        ("ldb below k", INVALID_VALUE, |a| {
            a.leading_dimensions[1] = 5
        }),
        ("ldc below m", INVALID_VALUE, |a| {
            a.leading_dimensions[2] = 9
        }),
        ("lda below k of a transposed A", INVALID_VALUE, |a| {
            a.transa = CUBLAS_OP_T;
            a.leading_dimensions[0] = 5;
        }),
        ("lda at k of a transposed A", SUCCESS, |a| {
            a.transa = CUBLAS_OP_T;
            a.leading_dimensions[0] = 6;
        }),
        ("ldb below n of a transposed B", INVALID_VALUE, |a| {
            a.transb = CUBLAS_OP_T;
            a.leading_dimensions[1] = 7;
        }),
        ("lda zero with m zero", INVALID_VALUE, |a| {
            a.m = 0;
            a.leading_dimensions[0] = 0;
        }),
        ("transa unknown", INVALID_VALUE, |a| a.transa = 7),
        ("transb unknown", INVALID_VALUE, |a| a.transb = 7),
        ("everything wrong but m zero", INVALID_VALUE, |a| {
            a.m = 0;
            a.transa = 7;
        }),
    ]);
}

#[test]
fn types_that_are_not_multiplied_are_not_supported() {
    assert_statuses(&[
        ("f16 and f32 factors", NOT_SUPPORTED, |a| {
            a.types = [CUDA_R_16F, CUDA_R_32F, CUDA_R_32F];
        }),
        ("f32 into f16", NOT_SUPPORTED, |a| {
            a.types = [CUDA_R_32F, CUDA_R_32F, CUDA_R_16F];
        }),
        ("f16 into bf16", NOT_SUPPORTED, |a| {
            a.types = [CUDA_R_16F, CUDA_R_16F, CUDA_R_16BF];
        }),
        ("f32 summed in f16", NOT_SUPPORTED, |a| {
            a.compute = CUBLAS_COMPUTE_16F;
        }),
        ("bf16 summed in f16", NOT_SUPPORTED, |a| {
            a.types = [CUDA_R_16BF; 3];
            a.compute = CUBLAS_COMPUTE_16F;
        }),
        ("f16 summed in f16 into f32", NOT_SUPPORTED, |a| {
            a.types = [CUDA_R_16F, CUDA_R_16F, CUDA_R_32F];
            a.compute = CUBLAS_COMPUTE_16F;
        }),
        ("f32 summed in integers", NOT_SUPPORTED, |a| {
            a.compute = CUBLAS_COMPUTE_32I
        }),
        ("a type that is none", INVALID_VALUE, |a| a.types = [99; 3]),
        ("a compute type that is none", INVALID_VALUE, |a| {
            a.compute = 99
        }),
        ("m zero and types that are not multiplied", SUCCESS, |a| {
            a.m = 0;
            a.compute = CUBLAS_COMPUTE_16F;
        }),
        (
            "m negative and types that are not multiplied",
            INVALID_VALUE,
            |a| {
                a.m = -1;
                a.compute = CUBLAS_COMPUTE_16F;
            },
        ),
        (
            "a bad operation and types that are not multiplied",
            INVALID_VALUE,
            |a| {
                a.transa = 7;
                a.compute = CUBLAS_COMPUTE_16F;
            },
        ),
        (
            "k zero and types that are not multiplied",
            NOT_SUPPORTED,
            |a| {
                a.k = 0;
                a.compute = CUBLAS_COMPUTE_16F;
            },
        ),
    ]);
}

#[test]
fn bad_triangular_systems_are_invalid_values() {
    let (context, handle) = (Context::primary(), Handle::new());
    let memory = context.allocate(4096);
    let arrays = context.upload(&[memory.base.0.to_le_bytes(); 2].concat());
    let call = |enumerators: [u32; 4], sizes: [i32; 5], alpha: *const f32| {
        let [side, uplo, trans, diag] = enumerators;
        let [m, n, lda, ldb, batch_count] = sizes;
        cublas().cublasStrsmBatched(
            handle.0,
            side,
            uplo,
            trans,
            diag,
            m,
            n,
            alpha,
            arrays.base.0 as *const *const f32,
            lda,
            arrays.base.0 as *const *mut f32,
            ldb,
            batch_count,
        )
    };
    let good = [0; 4];
    let one = &raw const ONE;
    assert_eq!(call(good, [3, 4, 3, 3, 1], one), SUCCESS);
    for (what, enumerators, sizes) in [
        ("side", [7, 0, 0, 0], [3, 4, 3, 3, 1]),
        ("uplo", [0, 7, 0, 0], [3, 4, 3, 3, 1]),
        ("trans", [0, 0, 7, 0], [3, 4, 3, 3, 1]),
        ("diag", [0, 0, 0, 7], [3, 4, 3, 3, 1]),
        ("m negative", good, [-1, 4, 3, 3, 1]),
        ("n negative", good, [3, -1, 3, 3, 1]),
        ("lda below m", good, [3, 4, 2, 3, 1]),
        ("lda below n to the right", [1, 0, 0, 0], [3, 4, 3, 3, 1]),
        ("ldb below m", good, [3, 4, 3, 2, 1]),
        ("batch negative", good, [3, 4, 3, 3, -1]),
    ] {
        assert_eq!(call(enumerators, sizes, one), INVALID_VALUE, "{what}");
    }
    assert_eq!(call(good, [3, 4, 3, 3, 0], one), SUCCESS);
    context.cuCtxSynchronize().unwrap();
    context.assert_works();
    let none = Arguments {
        m: 0,
        ..Arguments::good()
    };
    assert_eq!(none.status(&handle, null_mut()), SUCCESS);
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// NVIDIA's reads through null pointers, and launches batches of less than none.
    #[test]
    fn null_scalars_and_negative_batches_are_invalid_values() {
        require_pumice();
        assert_statuses(&[
            ("alpha null", INVALID_VALUE, |a| a.alpha = null()),
            ("beta null", INVALID_VALUE, |a| a.beta = null()),
            ("batch negative", INVALID_VALUE, |a| a.batch_count = -1),
        ]);
    }
}
