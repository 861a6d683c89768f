//! Batches: matrices at equal distances, or by arrays of addresses on the device.

use std::ffi::c_void;

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, SUCCESS, cublas};
use tests::memory::Allocation;

use crate::matrix::{Element, Matrix, Product};
use crate::product::{SINGLE, TRANSPOSITIONS, TYPES, Types};

/// How a batch's matrices are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    SgemmBatched,
    SgemmStridedBatched,
    GemmBatchedEx,
    GemmStridedBatchedEx,
}

impl Function {
    fn takes_arrays(self) -> bool {
        matches!(self, Self::SgemmBatched | Self::GemmBatchedEx)
    }
}

/// The matrices of one operand in one allocation, with room between them.
struct Operand {
    matrices: Vec<Matrix>,
    /// Elements from one to the next.
    stride: usize,
    place: Allocation,
    /// The addresses in an order that is not theirs, and where they lie.
    addresses: Allocation,
}

/// The matrix that is the `index`th in the arrays of `count`.
fn permuted(index: usize, count: usize) -> usize {
    (count - 1 - index + count / 2) % count
}

impl Operand {
    fn new(context: &Context, first: &Matrix, count: usize, gap: usize) -> Self {
        let size = first.element.bytes();
        let used = first.bytes.len() / size;
        let stride = used + gap;
        let matrices: Vec<_> = (0..count)
            .map(|index| {
                let (rows, columns) = (first.rows, first.columns);
                let padding = first.leading_dimension - rows;
                let seed = 1000 * first.bytes.len() + 7 * index + 1;
                Matrix::random(first.element, rows, columns, padding, seed as u64)
            })
            .collect();
        let mut bytes = Vec::new();
        for matrix in &matrices {
            bytes.extend(&matrix.bytes);
            bytes.extend(vec![0xFF; gap * size]);
        }
        let place = context.upload(&bytes);
        let addresses: Vec<u8> = (0..count)
            .map(|index| place.at(permuted(index, count) * stride * size).0)
            .flat_map(usize::to_le_bytes)
            .collect();
        let addresses = context.upload(&addresses);
        Self {
            matrices,
            stride,
            place,
            addresses,
        }
    }

    /// The address that a call takes.
    fn address(&self, arrays: bool) -> *mut c_void {
        let of = if arrays { &self.addresses } else { &self.place };
        of.base.0 as *mut c_void
    }

    fn results(&self) -> Vec<Matrix> {
        let bytes = self.place.read();
        let step = self.stride * self.matrices[0].element.bytes();
        let each = self.matrices.iter().enumerate();
        each.map(|(index, matrix)| matrix.download(&bytes[index * step..]))
            .collect()
    }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    function: Function,
    types: Types,
    transa: cublasOperation_t,
    transb: cublasOperation_t,
    m: usize,
    n: usize,
    k: usize,
    count: usize,
    alpha: f64,
    beta: f64,
    /// All products have the first A.
    one_a: bool,
}

impl Case {
    fn new(function: Function, types: Types) -> Self {
        Self {
            function,
            types,
            transa: CUBLAS_OP_T,
            transb: CUBLAS_OP_N,
            m: 33,
            n: 17,
            k: 20,
            count: 5,
            alpha: 1.0,
            beta: 0.0,
            one_a: false,
        }
    }

    fn shaped(&self, element: Element, transpose: bool, rows: usize, columns: usize) -> Matrix {
        let (rows, columns) = if transpose {
            (columns, rows)
        } else {
            (rows, columns)
        };
        Matrix::random(element, rows, columns, 3, 1)
    }

    fn check(&self, context: &Context, handle: &Handle) {
        let (factors, result) = (self.types.factors, self.types.result);
        let a = self.shaped(factors, self.transa != CUBLAS_OP_N, self.m, self.k);
        let b = self.shaped(factors, self.transb != CUBLAS_OP_N, self.k, self.n);
        let c = self.shaped(result, false, self.m, self.n);
        let a = Operand::new(context, &a, self.count, 11);
        let b = Operand::new(context, &b, self.count, 0);
        let c = Operand::new(context, &c, self.count, 9);
        assert_eq!(self.call(handle, [&a, &b, &c]), SUCCESS, "{self:?}");
        context.cuCtxSynchronize().unwrap();
        for (index, result) in c.results().iter().enumerate() {
            // The arrays are permuted alike, so the same ones meet.
            let a_index = if self.one_a { 0 } else { index };
            let product = Product {
                a: &a.matrices[a_index],
                transa: self.transa,
                b: &b.matrices[index],
                transb: self.transb,
                c: &c.matrices[index],
                k: self.k,
                alpha: self.alpha,
                beta: self.beta,
                precision: self.types.precision(),
            };
            product.assert_is(result, &format!("{self:?}, matrix {index}"));
        }
    }

    fn call(&self, handle: &Handle, operands: [&Operand; 3]) -> u32 {
        let arrays = self.function.takes_arrays();
        let [a, b, c] = operands.map(|operand| operand.address(arrays));
        let [lda, ldb, ldc] = operands.map(|operand| operand.matrices[0].ld());
        let [stride_a, stride_b, stride_c] = operands.map(|operand| operand.stride as i64);
        let stride_a = if self.one_a { 0 } else { stride_a };
        let [m, n, k, count] = [self.m, self.n, self.k, self.count].map(|size| size as i32);
        let scalars = [self.alpha, self.beta].map(|value| self.types.scalar().encode(value));
        let [alpha, beta] = scalars.each_ref().map(|bytes| bytes.as_ptr());
        let (types, factor) = (self.types, self.types.factors.data_type());
        let (transa, transb) = (self.transa, self.transb);
        match self.function {
            Function::SgemmBatched => cublas().cublasSgemmBatched(
                handle.0,
                transa,
                transb,
                m,
                n,
                k,
                alpha.cast(),
                a.cast(),
                lda,
                b.cast(),
                ldb,
                beta.cast(),
                c.cast(),
                ldc,
                count,
            ),
            Function::SgemmStridedBatched => cublas().cublasSgemmStridedBatched(
                handle.0,
                transa,
                transb,
                m,
                n,
                k,
                alpha.cast(),
                a.cast(),
                lda,
                stride_a,
                b.cast(),
                ldb,
                stride_b,
                beta.cast(),
                c.cast(),
                ldc,
                stride_c,
                count,
            ),
            Function::GemmBatchedEx => cublas().cublasGemmBatchedEx(
                handle.0,
                transa,
                transb,
                m,
                n,
                k,
                alpha.cast(),
                a.cast(),
                factor,
                lda,
                b.cast(),
                factor,
                ldb,
                beta.cast(),
                c.cast(),
                types.result.data_type(),
                ldc,
                count,
                types.compute,
                CUBLAS_GEMM_DEFAULT,
            ),
            Function::GemmStridedBatchedEx => cublas().cublasGemmStridedBatchedEx(
                handle.0,
                transa,
                transb,
                m,
                n,
                k,
                alpha.cast(),
                a,
                factor,
                lda,
                stride_a,
                b,
                factor,
                ldb,
                stride_b,
                beta.cast(),
                c,
                types.result.data_type(),
                ldc,
                stride_c,
                count,
                types.compute,
                CUBLAS_GEMM_DEFAULT,
            ),
        }
    }
}

#[test]
fn batches_of_all_types_are_multiplied() {
    let (context, handle) = (Context::primary(), Handle::new());
    for types in TYPES {
        for function in [Function::GemmBatchedEx, Function::GemmStridedBatchedEx] {
            for (transa, transb) in TRANSPOSITIONS {
                let case = Case {
                    transa,
                    transb,
                    ..Case::new(function, types)
                };
                case.check(&context, &handle);
            }
            let case = Case {
                alpha: -0.5,
                beta: 2.0,
                m: 65,
                ..Case::new(function, types)
            };
            case.check(&context, &handle);
        }
    }
}

#[test]
fn batches_of_single_precision_are_multiplied() {
    let (context, handle) = (Context::primary(), Handle::new());
    for function in [Function::SgemmBatched, Function::SgemmStridedBatched] {
        for (transa, transb) in TRANSPOSITIONS {
            for count in [1, 4] {
                let case = Case {
                    transa,
                    transb,
                    count,
                    beta: 1.0,
                    ..Case::new(function, SINGLE)
                };
                case.check(&context, &handle);
            }
        }
    }
}

#[test]
fn a_stride_of_zero_repeats_a_matrix() {
    let (context, handle) = (Context::primary(), Handle::new());
    for function in [
        Function::SgemmStridedBatched,
        Function::GemmStridedBatchedEx,
    ] {
        let case = Case {
            one_a: true,
            ..Case::new(function, SINGLE)
        };
        case.check(&context, &handle);
    }
}

#[test]
fn a_batch_may_be_larger_than_a_grid_is_deep() {
    let (context, handle) = (Context::primary(), Handle::new());
    for function in [Function::SgemmBatched, Function::SgemmStridedBatched] {
        let case = Case {
            m: 2,
            n: 1,
            k: 1,
            count: 65_540,
            ..Case::new(function, SINGLE)
        };
        case.check(&context, &handle);
    }
}

#[test]
fn a_batch_of_none_does_nothing() {
    let (context, handle) = (Context::primary(), Handle::new());
    for function in [
        Function::SgemmBatched,
        Function::SgemmStridedBatched,
        Function::GemmBatchedEx,
        Function::GemmStridedBatchedEx,
    ] {
        let case = Case::new(function, SINGLE);
        let operand = |rows, columns| {
            let matrix = Matrix::random(Element::F32, rows, columns, 3, 1);
            Operand::new(&context, &matrix, 2, 0)
        };
        let (a, b, c) = (operand(20, 33), operand(20, 17), operand(33, 17));
        let none = Case { count: 0, ..case };
        assert_eq!(none.call(&handle, [&a, &b, &c]), SUCCESS, "{function:?}");
        context.cuCtxSynchronize().unwrap();
        assert_eq!(c.results()[0].bytes, c.matrices[0].bytes);
    }
}
