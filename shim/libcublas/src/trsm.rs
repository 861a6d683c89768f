//! Triangular systems: from a call's arguments to launches of the kernel, which
//! knows lower triangles to the left alone.

use core::ffi::c_void;

use crate::driver::{Driver, Kernel};
use crate::gemm::MOST_BATCHES;
use crate::report;
use crate::scalar::Scalar;
use crate::status::Result;

static KERNEL: Kernel = Kernel::new(
    c"trsm",
    report::name(concat!(include_str!("kernels/trsm.ptx"), "\0")),
    THREADS,
);

/// Threads of a block, one for each right-hand side.
const THREADS: u32 = 64;
/// Bytes of an f32, the one type there is.
const ELEMENT: i64 = 4;
/// Bytes of an address in an array.
const ADDRESS: u64 = 8;

/// A valid call: neither `m`, `n` nor `batch_count` is zero.
pub struct Trsm {
    /// `X op(A) = alpha B` instead of `op(A) X = alpha B`.
    pub right: bool,
    pub upper: bool,
    pub transposed: bool,
    /// The diagonal is one.
    pub unit: bool,
    pub m: u32,
    pub n: u32,
    pub alpha: Scalar,
    /// The address of the array of the triangular matrices' addresses.
    pub a: u64,
    pub lda: i32,
    /// The address of the array of the addresses of right-hand sides and solutions.
    pub b: u64,
    pub ldb: i32,
    pub batch_count: u32,
}

/// The kernel's parameters; `kernels/trsm.ptx` says what each means.
#[repr(C)]
struct Parameters {
    a: u64,
    b: u64,
    a_first: i64,
    a_row: i64,
    a_column: i64,
    b_first: i64,
    b_element: i64,
    b_vector: i64,
    alpha_at: u64,
    alpha: f32,
    order: u32,
    vectors: u32,
    unit: u32,
}

const _: () = assert!(size_of::<Parameters>() == 88);

impl Trsm {
    /// Launches the solution into a stream.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn launch(&self, driver: &Driver, stream: *mut c_void) -> Result {
        let mut first = 0;
        while first < self.batch_count {
            let batches = (self.batch_count - first).min(MOST_BATCHES);
            let parameters = self.parameters(first.into());
            let blocks = parameters.vectors.div_ceil(THREADS);
            driver.launch(&KERNEL, [blocks, 1, batches], stream, &parameters)?;
            first += batches;
        }
        Ok(())
    }

    /// The parameters of a launch that begins with batch `first`.
    fn parameters(&self, first: u64) -> Parameters {
        let (a_column, b_column) = (i64::from(self.lda) * ELEMENT, i64::from(self.ldb) * ELEMENT);
        // X op(A) = B is op(A)' X' = B': the one exchanges as the other does.
        let exchanged = self.transposed != self.right;
        let (a_row, a_column) = if exchanged {
            (a_column, ELEMENT)
        } else {
            (ELEMENT, a_column)
        };
        let (order, vectors, b_element, b_vector) = if self.right {
            (self.n, self.m, b_column, ELEMENT)
        } else {
            (self.m, self.n, ELEMENT, b_column)
        };
        let last = i64::from(order) - 1;
        // An upper triangle is a lower one that is read backwards.
        let backwards = self.upper != exchanged;
        let (start, step) = if backwards { (last, -1) } else { (0, 1) };
        Parameters {
            a: self.a + first * ADDRESS,
            b: self.b + first * ADDRESS,
            a_first: start * (a_row + a_column),
            a_row: step * a_row,
            a_column: step * a_column,
            b_first: start * b_element,
            b_element: step * b_element,
            b_vector,
            alpha_at: self.alpha.address(),
            alpha: self.alpha.value(),
            order,
            vectors,
            unit: self.unit.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(right, upper, transposed)` and the byte at which each T(row, column) and
    /// b(element) of a system of order 3 must lie, lda 10 and ldb 20.
    #[test]
    fn every_case_comes_to_a_lower_triangle() {
        for case in 0..8 {
            let [right, upper, transposed] = [1, 2, 4].map(|bit| case & bit != 0);
            let call = Trsm {
                right,
                upper,
                transposed,
                unit: false,
                m: if right { 5 } else { 3 },
                n: if right { 3 } else { 5 },
                alpha: Scalar::Host(1.0),
                a: 0,
                lda: 10,
                b: 0,
                ldb: 20,
                batch_count: 1,
            };
            let parameters = call.parameters(0);
            assert_eq!((parameters.order, parameters.vectors), (3, 5));
            for row in 0..3_i64 {
                for column in 0..row {
                    let byte =
                        parameters.a_first + row * parameters.a_row + column * parameters.a_column;
                    let (i, j) = (byte / 4 % 10, byte / 4 / 10);
                    assert!(if upper { i < j } else { i > j }, "case {case}: {i}, {j}");
                }
            }
        }
    }
}
