//! One product at a time: every transposition, type, size and scalar.

use std::ffi::c_void;

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, SUCCESS, cublas};

use crate::matrix::{Element, Matrix, Precision, Product};

/// The types of a product.
#[derive(Debug, Clone, Copy)]
pub struct Types {
    pub factors: Element,
    pub result: Element,
    pub compute: cublasComputeType_t,
}

const fn types(factors: Element, result: Element, compute: cublasComputeType_t) -> Types {
    Types {
        factors,
        result,
        compute,
    }
}

/// f32 throughout.
pub const SINGLE: Types = types(Element::F32, Element::F32, CUBLAS_COMPUTE_32F);

/// The combinations that ggml's back end and others of that kind use.
pub const TYPES: [Types; 6] = [
    SINGLE,
    types(Element::F16, Element::F16, CUBLAS_COMPUTE_16F),
    types(Element::F16, Element::F16, CUBLAS_COMPUTE_32F),
    types(Element::F16, Element::F32, CUBLAS_COMPUTE_32F),
    types(Element::Bf16, Element::F32, CUBLAS_COMPUTE_32F),
    types(Element::Bf16, Element::Bf16, CUBLAS_COMPUTE_32F),
];

impl Types {
    /// The type of the scalars.
    pub fn scalar(self) -> Element {
        match self.compute {
            CUBLAS_COMPUTE_16F | CUBLAS_COMPUTE_16F_PEDANTIC => Element::F16,
            _ => Element::F32,
        }
    }

    pub fn precision(self) -> Precision {
        let roundoff = match self.compute {
            // What is exact in the type of the factors adds no error.
            CUBLAS_COMPUTE_32F_FAST_16F | CUBLAS_COMPUTE_32F_FAST_TF32 => Element::F16.roundoff(),
            CUBLAS_COMPUTE_32F_FAST_16BF => Element::Bf16.roundoff(),
            _ => self.scalar().roundoff(),
        };
        Precision { roundoff }
    }
}

/// Which function multiplies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Sgemm,
    GemmEx,
}

/// One product.
#[derive(Debug, Clone, Copy)]
struct Case {
    function: Function,
    types: Types,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: usize,
    n: usize,
    k: usize,
    padding: usize,
    alpha: f64,
    beta: f64,
    /// C holds NaNs at first; only sound where beta is zero.
    poisoned: bool,
    scalars_on_device: bool,
}

impl Case {
    fn new(types: Types, m: usize, n: usize, k: usize) -> Self {
        Self {
            function: Function::GemmEx,
            types,
            transa: CUBLAS_OP_N,
            transb: CUBLAS_OP_N,
            m,
            n,
            k,
            padding: 0,
            alpha: 1.0,
            beta: 0.0,
            poisoned: true,
            scalars_on_device: false,
        }
    }

    fn shape(operation: cublasOperation_t, rows: usize, columns: usize) -> (usize, usize) {
        if operation == CUBLAS_OP_N {
            (rows, columns)
        } else {
            (columns, rows)
        }
    }

    fn check(&self, context: &Context, handle: &Handle) {
        let (rows, columns) = Self::shape(self.transa, self.m, self.k);
        let a = Matrix::random(self.types.factors, rows, columns, self.padding, 1);
        let (rows, columns) = Self::shape(self.transb, self.k, self.n);
        let b = Matrix::random(self.types.factors, rows, columns, 2 * self.padding, 2);
        let mut c = Matrix::random(self.types.result, self.m, self.n, 3 * self.padding, 3);
        if self.poisoned {
            c = c.filled(f64::NAN);
        }
        let result = self.multiply(context, handle, [&a, &b, &c]);
        let product = Product {
            a: &a,
            transa: self.transa,
            b: &b,
            transb: self.transb,
            c: &c,
            k: self.k,
            alpha: self.alpha,
            beta: self.beta,
            precision: self.types.precision(),
        };
        product.assert_is(&result, &format!("{self:?}"));
    }

    fn multiply(&self, context: &Context, handle: &Handle, matrices: [&Matrix; 3]) -> Matrix {
        let [a, b, c] = matrices;
        let places = matrices.map(|matrix| matrix.upload(context));
        let [a_at, b_at, c_at] = places.each_ref().map(|place| place.base.0 as *mut c_void);
        let scalars = [self.alpha, self.beta].map(|value| self.types.scalar().encode(value));
        let on_device = scalars.each_ref().map(|bytes| context.upload(bytes));
        let [alpha, beta] = if self.scalars_on_device {
            on_device
                .each_ref()
                .map(|place| place.base.0 as *const c_void)
        } else {
            scalars.each_ref().map(|bytes| bytes.as_ptr().cast())
        };
        let mode = u32::from(self.scalars_on_device);
        assert_eq!(cublas().cublasSetPointerMode_v2(handle.0, mode), SUCCESS);
        let [m, n, k] = [self.m, self.n, self.k].map(|size| size as i32);
        let status = match self.function {
            Function::Sgemm => cublas().cublasSgemm_v2(
                handle.0,
                self.transa,
                self.transb,
                m,
                n,
                k,
                alpha.cast(),
                a_at.cast(),
                a.ld(),
                b_at.cast(),
                b.ld(),
                beta.cast(),
                c_at.cast(),
                c.ld(),
            ),
            Function::GemmEx => cublas().cublasGemmEx(
                handle.0,
                self.transa,
                self.transb,
                m,
                n,
                k,
                alpha,
                a_at,
                a.element.data_type(),
                a.ld(),
                b_at,
                b.element.data_type(),
                b.ld(),
                beta,
                c_at,
                c.element.data_type(),
                c.ld(),
                self.types.compute,
                CUBLAS_GEMM_DEFAULT,
            ),
        };
        assert_eq!(status, SUCCESS, "{self:?}");
        context.cuCtxSynchronize().unwrap();
        c.download(&places[2].read())
    }
}

/// The combinations of transpositions.
pub const TRANSPOSITIONS: [(cublasOperation_t, cublasOperation_t); 4] = [
    (CUBLAS_OP_N, CUBLAS_OP_N),
    (CUBLAS_OP_T, CUBLAS_OP_N),
    (CUBLAS_OP_N, CUBLAS_OP_T),
    (CUBLAS_OP_T, CUBLAS_OP_T),
];

/// Below, at and beyond the edges of the tiles that kernels work on.
const SIZES: [usize; 6] = [1, 3, 17, 33, 100, 129];

#[test]
fn sgemm_multiplies_all_sizes_transposed_or_not() {
    let (context, handle) = (Context::primary(), Handle::new());
    for (transa, transb) in TRANSPOSITIONS {
        for (m, n, k) in SIZES
            .iter()
            .flat_map(|m| SIZES.iter().map(move |n| (m, n)))
            .flat_map(|(m, n)| SIZES.iter().map(move |k| (*m, *n, *k)))
        {
            let case = Case {
                function: Function::Sgemm,
                transa,
                transb,
                ..Case::new(SINGLE, m, n, k)
            };
            case.check(&context, &handle);
        }
    }
}

#[test]
fn gemm_ex_multiplies_all_types_transposed_or_not() {
    let (context, handle) = (Context::primary(), Handle::new());
    for types in TYPES {
        for (transa, transb) in TRANSPOSITIONS {
            for (index, &m) in SIZES.iter().enumerate() {
                let (n, k) = (SIZES[(index + 2) % 6], SIZES[(5 * index + 3) % 6]);
                for padding in [0, 5] {
                    let case = Case {
                        transa,
                        transb,
                        padding,
                        ..Case::new(types, m, n, k)
                    };
                    case.check(&context, &handle);
                }
            }
        }
    }
}

#[test]
fn scalars_scale_wherever_they_lie() {
    let (context, handle) = (Context::primary(), Handle::new());
    let scalars = [(1.0, 1.0), (0.0, 1.0), (0.0, 0.0), (-0.5, 0.0), (1.5, -2.0)];
    for types in TYPES {
        for (alpha, beta) in scalars {
            for scalars_on_device in [false, true] {
                let case = Case {
                    alpha,
                    beta,
                    scalars_on_device,
                    poisoned: beta == 0.0,
                    padding: 3,
                    ..Case::new(types, 70, 33, 19)
                };
                case.check(&context, &handle);
            }
        }
    }
}

#[test]
fn a_product_of_depth_zero_scales_the_result() {
    let (context, handle) = (Context::primary(), Handle::new());
    for types in TYPES {
        for beta in [0.0, 0.5, 1.0] {
            let case = Case {
                beta,
                poisoned: beta == 0.0,
                ..Case::new(types, 17, 5, 0)
            };
            case.check(&context, &handle);
        }
    }
}

#[test]
fn a_product_without_rows_or_columns_does_nothing() {
    let (context, handle) = (Context::primary(), Handle::new());
    for (m, n) in [(0, 5), (5, 0), (0, 0)] {
        Case::new(SINGLE, m, n, 4).check(&context, &handle);
    }
}

#[test]
fn conjugation_of_real_numbers_is_transposition() {
    let (context, handle) = (Context::primary(), Handle::new());
    let case = Case {
        transa: CUBLAS_OP_C,
        transb: CUBLAS_OP_C,
        ..Case::new(SINGLE, 33, 17, 20)
    };
    case.check(&context, &handle);
}

#[test]
fn faster_compute_types_and_math_modes_are_accepted() {
    let (context, handle) = (Context::primary(), Handle::new());
    for compute in [
        CUBLAS_COMPUTE_32F_PEDANTIC,
        CUBLAS_COMPUTE_32F_FAST_16F,
        CUBLAS_COMPUTE_32F_FAST_16BF,
        CUBLAS_COMPUTE_32F_FAST_TF32,
    ] {
        Case::new(Types { compute, ..SINGLE }, 40, 40, 40).check(&context, &handle);
    }
    let mode = CUBLAS_TF32_TENSOR_OP_MATH;
    assert_eq!(cublas().cublasSetMathMode(handle.0, mode), SUCCESS);
    let as_fast = Types {
        compute: CUBLAS_COMPUTE_32F_FAST_TF32,
        ..SINGLE
    };
    let case = Case {
        function: Function::Sgemm,
        ..Case::new(as_fast, 40, 40, 40)
    };
    case.check(&context, &handle);
}

#[test]
fn deep_and_wide_products_are_right() {
    let (context, handle) = (Context::primary(), Handle::new());
    for (m, n, k) in [(5, 6, 4097), (1000, 2, 8), (2, 1000, 8), (256, 256, 256)] {
        for types in [SINGLE, TYPES[3]] {
            let case = Case {
                transa: CUBLAS_OP_T,
                ..Case::new(types, m, n, k)
            };
            case.check(&context, &handle);
        }
    }
}

#[test]
fn infinities_and_nans_pass_into_16_bit_results() {
    let (context, handle) = (Context::primary(), Handle::new());
    for types in [TYPES[1], TYPES[2], TYPES[5]] {
        let case = Case {
            poisoned: false,
            ..Case::new(types, 3, 1, 1)
        };
        let mut a = Matrix::random(types.factors, 3, 1, 0, 1);
        let b = a.filled(1.0);
        for (row, value) in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
            .into_iter()
            .enumerate()
        {
            a.set(row, 0, value);
        }
        let b = Matrix {
            rows: 1,
            leading_dimension: 1,
            bytes: b.bytes[..types.factors.bytes()].to_vec(),
            ..b
        };
        let c = Matrix::random(types.result, 3, 1, 0, 2);
        let result = case.multiply(&context, &handle, [&a, &b, &c]);
        assert!(result.at(0, 0).is_nan(), "{types:?}");
        assert_eq!(result.at(1, 0), f64::INFINITY, "{types:?}");
        assert_eq!(result.at(2, 0), f64::NEG_INFINITY, "{types:?}");
    }
}

#[test]
fn with_alpha_zero_the_factors_do_not_count() {
    let (context, handle) = (Context::primary(), Handle::new());
    for scalars_on_device in [false, true] {
        let case = Case {
            alpha: 0.0,
            beta: 2.0,
            scalars_on_device,
            poisoned: false,
            ..Case::new(SINGLE, 20, 20, 20)
        };
        let a = Matrix::random(Element::F32, 20, 20, 0, 1).filled(f64::NAN);
        let c = Matrix::random(Element::F32, 20, 20, 0, 2);
        let result = case.multiply(&context, &handle, [&a, &a, &c]);
        assert_eq!(result.at(7, 11), 2.0 * c.at(7, 11));
    }
}

#[test]
fn work_is_ordered_by_the_handles_stream() {
    let (context, handle) = (Context::primary(), Handle::new());
    let stream = context.stream(tests::context::NON_BLOCKING);
    let at = stream.0 as *mut c_void;
    assert_eq!(cublas().cublasSetStream_v2(handle.0, at), SUCCESS);
    let ones = Matrix::random(Element::F32, 64, 64, 0, 1).filled(1.0);
    let place = ones.upload(&context);
    let bytes = ones.bytes.len();
    let second = context.allocate(bytes);
    let one = 1.0_f32;
    let zero = 0.0_f32;
    let pointer = |place: &tests::memory::Allocation| place.base.0 as *mut f32;
    // Each product reads what the one before wrote; the set in between is of the
    // same stream.
    for (from, to) in [(&place, &second), (&second, &place)] {
        let status = cublas().cublasSgemm_v2(
            handle.0,
            CUBLAS_OP_N,
            CUBLAS_OP_N,
            64,
            64,
            64,
            &raw const one,
            pointer(from),
            64,
            pointer(from),
            64,
            &raw const zero,
            pointer(to),
            64,
        );
        assert_eq!(status, SUCCESS);
        context
            .cuMemsetD8Async(from.base, 0, bytes, stream)
            .unwrap();
    }
    context.cuStreamSynchronize(stream).unwrap();
    let result = ones.download(&place.read());
    // 64 ones make 64; 64 products of 64 by 64 make 2^18.
    assert_eq!(result.at(5, 60), 262_144.0);
    assert_eq!(ones.download(&second.read()).at(0, 0), 0.0);
    context.cuStreamDestroy_v2(stream).unwrap();
}
