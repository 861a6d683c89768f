//! Triangular systems: every side, triangle, transposition and diagonal.

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, SUCCESS, cublas};
use tests::memory::Allocation;

use crate::matrix::{Element, Matrix};

#[derive(Debug, Clone, Copy)]
struct Case {
    side: cublasSideMode_t,
    uplo: cublasFillMode_t,
    trans: cublasOperation_t,
    diag: cublasDiagType_t,
    m: usize,
    n: usize,
    alpha: f32,
}

/// Systems of one call.
const COUNT: usize = 3;

impl Case {
    fn order(&self) -> usize {
        if self.side == CUBLAS_SIDE_LEFT {
            self.m
        } else {
            self.n
        }
    }

    fn is_in_triangle(&self, row: usize, column: usize) -> bool {
        if self.uplo == CUBLAS_FILL_MODE_UPPER {
            row < column
        } else {
            row > column
        }
    }

    /// A matrix whose systems are well-conditioned. What must not be read is NaN.
    fn triangle(&self, seed: u64) -> Matrix {
        let order = self.order();
        let mut a = Matrix::random(Element::F32, order, order, 4, seed);
        for column in 0..order {
            for row in 0..order {
                let value = a.at(row, column);
                let value = match (row == column, self.is_in_triangle(row, column)) {
                    (true, _) if self.diag == CUBLAS_DIAG_UNIT => f64::NAN,
                    (true, _) => 1.5 + 0.5 * value,
                    (false, true) => value / order as f64,
                    (false, false) => f64::NAN,
                };
                a.set(row, column, value);
            }
        }
        a
    }

    /// An element of op(A), of which all is zero but the triangle.
    fn element(&self, a: &Matrix, row: usize, column: usize) -> f64 {
        let (row, column) = if self.trans == CUBLAS_OP_N {
            (row, column)
        } else {
            (column, row)
        };
        match (row == column, self.is_in_triangle(row, column)) {
            (true, _) if self.diag == CUBLAS_DIAG_UNIT => 1.0,
            (true, _) | (false, true) => a.at(row, column),
            (false, false) => 0.0,
        }
    }

    /// What op(A) X or X op(A) is at a place, and the sum of its terms' sizes.
    fn applied(&self, a: &Matrix, x: &Matrix, row: usize, column: usize) -> (f64, f64) {
        let terms = (0..self.order()).map(|index| {
            if self.side == CUBLAS_SIDE_LEFT {
                self.element(a, row, index) * x.at(index, column)
            } else {
                x.at(row, index) * self.element(a, index, column)
            }
        });
        terms.fold((0.0, 0.0), |(sum, size), term| {
            (sum + term, size + f64::abs(term))
        })
    }

    /// The solution must satisfy the system up to the errors of its substitutions.
    fn assert_solved(&self, a: &Matrix, b: &Matrix, x: &Matrix) {
        for column in 0..self.n {
            for row in 0..self.m {
                let (actual, size) = self.applied(a, x, row, column);
                let expected = f64::from(self.alpha) * b.at(row, column);
                let error = 2.0
                    * (self.order() + 4) as f64
                    * Element::F32.roundoff()
                    * (size + expected.abs());
                assert!(
                    (actual - expected).abs() <= error,
                    "{self:?}: at ({row}, {column}) {actual}, not {expected} ± {error}"
                );
            }
        }
        x.assert_padding_of(b, &format!("{self:?}"));
    }

    fn check(&self, context: &Context, handle: &Handle) {
        let triangles: Vec<_> = (0..COUNT)
            .map(|index| self.triangle(index as u64))
            .collect();
        let sides: Vec<_> = (0..COUNT)
            .map(|index| Matrix::random(Element::F32, self.m, self.n, 2, 50 + index as u64))
            .collect();
        let upload = |matrices: &[Matrix]| -> Vec<Allocation> {
            matrices
                .iter()
                .map(|matrix| matrix.upload(context))
                .collect()
        };
        let (a, b) = (upload(&triangles), upload(&sides));
        let addresses = |places: &[Allocation]| {
            let bytes = places.iter().flat_map(|place| place.base.0.to_le_bytes());
            context.upload(&bytes.collect::<Vec<_>>())
        };
        let (a_array, b_array) = (addresses(&a), addresses(&b));
        let status = cublas().cublasStrsmBatched(
            handle.0,
            self.side,
            self.uplo,
            self.trans,
            self.diag,
            self.m as i32,
            self.n as i32,
            &raw const self.alpha,
            a_array.base.0 as *const *const f32,
            triangles[0].ld(),
            b_array.base.0 as *const *mut f32,
            sides[0].ld(),
            COUNT as i32,
        );
        assert_eq!(status, SUCCESS, "{self:?}");
        context.cuCtxSynchronize().unwrap();
        for ((triangle, side), place) in triangles.iter().zip(&sides).zip(&b) {
            self.assert_solved(triangle, side, &side.download(&place.read()));
        }
    }
}

/// Each side, triangle, transposition and diagonal.
fn cases() -> impl Iterator<Item = Case> {
    (0..16).map(|bits| Case {
        side: bits & 1,
        uplo: bits >> 1 & 1,
        trans: bits >> 2 & 1,
        diag: bits >> 3 & 1,
        m: 0,
        n: 0,
        alpha: 1.0,
    })
}

#[test]
fn all_kinds_of_systems_are_solved() {
    let (context, handle) = (Context::primary(), Handle::new());
    for case in cases() {
        for (m, n) in [(1, 1), (3, 17), (17, 3), (33, 65), (65, 33), (70, 70)] {
            Case { m, n, ..case }.check(&context, &handle);
        }
    }
}

#[test]
fn right_hand_sides_are_scaled() {
    let (context, handle) = (Context::primary(), Handle::new());
    for alpha in [-0.5, 3.0] {
        for case in cases() {
            let case = Case {
                m: 9,
                n: 8,
                alpha,
                ..case
            };
            case.check(&context, &handle);
        }
    }
}

#[test]
fn with_alpha_zero_the_solution_is_zero() {
    let (context, handle) = (Context::primary(), Handle::new());
    for case in cases() {
        let case = Case {
            m: 20,
            n: 7,
            alpha: 0.0,
            ..case
        };
        case.check(&context, &handle);
    }
}

#[test]
fn a_system_of_order_zero_does_nothing() {
    let (context, handle) = (Context::primary(), Handle::new());
    for case in cases() {
        Case { m: 0, n: 5, ..case }.check(&context, &handle);
        Case { m: 5, n: 0, ..case }.check(&context, &handle);
    }
}
