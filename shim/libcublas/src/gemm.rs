//! The product of matrices: from a call's arguments to launches of the kernel.

use core::ffi::c_void;

use crate::driver::{Driver, Kernel};
use crate::report;
use crate::scalar::{Scalar, ScalarType};
use crate::status::Result;

static KERNEL: Kernel = Kernel::new(
    c"gemm",
    report::name(concat!(include_str!("kernels/gemm.ptx"), "\0")),
    256,
);

/// Rows and columns of the part of C that one block makes.
const TILE: u32 = 64;
/// The most blocks along a grid's third dimension.
pub const MOST_BATCHES: u32 = 65535;

/// The type of a matrix' elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    F32,
    F16,
    Bf16,
}

impl ElementType {
    fn bytes(self) -> i64 {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// The types of a product that there is.
#[derive(Clone, Copy)]
pub struct Types {
    /// Of A and B.
    pub factors: ElementType,
    /// Of C.
    pub result: ElementType,
    /// Of alpha and beta.
    pub scalars: ScalarType,
}

/// The matrices of a batch in one of the operands' places.
#[derive(Clone, Copy)]
pub struct Matrices {
    /// The address of the first, or of the array of their addresses.
    pub address: u64,
    /// Elements from one column to the next.
    pub leading_dimension: i32,
    /// Elements from one matrix to the next; nothing for an array of addresses.
    pub stride: i64,
}

impl Matrices {
    /// Bytes from one column to the next.
    fn column_bytes(self, element: i64) -> i64 {
        i64::from(self.leading_dimension) * element
    }
}

/// The matrices of a call and how they are read. Nothing is negative.
#[derive(Clone, Copy)]
pub struct Shape {
    pub a_transposed: bool,
    pub b_transposed: bool,
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub a: Matrices,
    pub b: Matrices,
    pub c: Matrices,
    pub batch_count: u32,
    /// Whether the matrices' addresses lie in arrays.
    pub arrays: bool,
}

/// A valid call: neither `m`, `n` nor `batch_count` is zero.
pub struct Gemm {
    pub types: Types,
    pub shape: Shape,
    pub alpha: Scalar,
    pub beta: Scalar,
}

/// The kernel's parameters; `kernels/gemm.ptx` says what each means.
#[repr(C)]
struct Parameters {
    a: u64,
    b: u64,
    c: u64,
    a_batch: i64,
    b_batch: i64,
    c_batch: i64,
    a_outer: i64,
    a_depth: i64,
    b_outer: i64,
    b_depth: i64,
    c_column: i64,
    alpha_at: u64,
    beta_at: u64,
    alpha: f32,
    beta: f32,
    m: u32,
    n: u32,
    k: u32,
    row_tiles: u32,
    flags: u32,
    c_row: u32,
}

const _: () = assert!(size_of::<Parameters>() == 136);

impl Gemm {
    /// Launches the product into a stream.
    ///
    /// # Errors
    /// What the driver answers.
    pub fn launch(&self, driver: &Driver, stream: *mut c_void) -> Result {
        let tiles = self
            .shape
            .m
            .div_ceil(TILE)
            .saturating_mul(self.shape.n.div_ceil(TILE));
        let mut first = 0;
        while first < self.shape.batch_count {
            let batches = (self.shape.batch_count - first).min(MOST_BATCHES);
            let parameters = self.parameters(first.into());
            driver.launch(&KERNEL, [tiles, 1, batches], stream, &parameters)?;
            first += batches;
        }
        Ok(())
    }

    /// The parameters of a launch that begins with batch `first`.
    fn parameters(&self, first: i64) -> Parameters {
        let Shape { a, b, c, .. } = self.shape;
        let (factor, result) = (self.types.factors.bytes(), self.types.result.bytes());
        let (a_batch, b_batch, c_batch) = (
            self.batch_bytes(a, factor),
            self.batch_bytes(b, factor),
            self.batch_bytes(c, result),
        );
        let from_first = |matrices: Matrices, batch: i64| {
            matrices
                .address
                .wrapping_add_signed(batch.wrapping_mul(first))
        };
        let (a_outer, a_depth) =
            exchanged_if(self.shape.a_transposed, factor, a.column_bytes(factor));
        let (b_outer, b_depth) =
            exchanged_if(self.shape.b_transposed, b.column_bytes(factor), factor);
        Parameters {
            a: from_first(a, a_batch),
            b: from_first(b, b_batch),
            c: from_first(c, c_batch),
            a_batch,
            b_batch,
            c_batch,
            a_outer,
            a_depth,
            b_outer,
            b_depth,
            c_column: c.column_bytes(result),
            alpha_at: self.alpha.address(),
            beta_at: self.beta.address(),
            alpha: self.alpha.value(),
            beta: self.beta.value(),
            m: self.shape.m,
            n: self.shape.n,
            k: self.shape.k,
            row_tiles: self.shape.m.div_ceil(TILE),
            flags: self.flags(),
            c_row: result as u32,
        }
    }

    fn batch_bytes(&self, matrices: Matrices, element: i64) -> i64 {
        if self.shape.arrays {
            size_of::<u64>() as i64
        } else {
            matrices.stride.wrapping_mul(element)
        }
    }

    fn flags(&self) -> u32 {
        let Types {
            factors,
            result,
            scalars,
        } = self.types;
        [
            self.shape.arrays,
            scalars == ScalarType::F16,
            self.shape.a_transposed,
            !self.shape.b_transposed,
            factors != ElementType::F32,
            factors == ElementType::Bf16,
            result != ElementType::F32,
            result == ElementType::Bf16,
        ]
        .into_iter()
        .zip(0..)
        .fold(0, |flags, (flag, bit)| flags | u32::from(flag) << bit)
    }
}

fn exchanged_if(exchange: bool, first: i64, second: i64) -> (i64, i64) {
    if exchange {
        (second, first)
    } else {
        (first, second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Gemm {
        let matrices = |address| Matrices {
            address,
            leading_dimension: 100,
            stride: 1000,
        };
        Gemm {
            types: Types {
                factors: ElementType::F16,
                result: ElementType::F32,
                scalars: ScalarType::F32,
            },
            shape: Shape {
                a_transposed: false,
                b_transposed: false,
                m: 65,
                n: 3,
                k: 7,
                a: matrices(0x1_0000),
                b: matrices(0x2_0000),
                c: matrices(0x3_0000),
                batch_count: 4,
                arrays: false,
            },
            alpha: Scalar::Host(2.0),
            beta: Scalar::Device(0x77),
        }
    }

    #[test]
    fn transposing_exchanges_an_operands_strides() {
        let plain = product().parameters(0);
        assert_eq!((plain.a_outer, plain.a_depth), (2, 200));
        assert_eq!((plain.b_outer, plain.b_depth), (200, 2));
        assert_eq!(plain.c_column, 400);
        let mut transposed = product();
        transposed.shape.a_transposed = true;
        transposed.shape.b_transposed = true;
        let transposed = transposed.parameters(0);
        assert_eq!((transposed.a_outer, transposed.a_depth), (200, 2));
        assert_eq!((transposed.b_outer, transposed.b_depth), (2, 200));
        assert_eq!((plain.flags, transposed.flags), (0b1_1000, 0b1_0100));
    }

    #[test]
    fn a_later_launch_begins_at_a_later_matrix_or_address() {
        let strided = product().parameters(3);
        assert_eq!(strided.a, 0x1_0000 + 3 * 2000);
        assert_eq!(strided.c, 0x3_0000 + 3 * 4000);
        let mut arrays = product();
        arrays.shape.arrays = true;
        let arrays = arrays.parameters(3);
        assert_eq!((arrays.a, arrays.a_batch), (0x1_0000 + 24, 8));
        assert_eq!(strided.row_tiles, 2);
    }

    #[test]
    fn scalars_are_passed_by_value_or_address() {
        let parameters = product().parameters(0);
        assert_eq!((parameters.alpha, parameters.alpha_at), (2.0, 0));
        assert_eq!(parameters.beta_at, 0x77);
    }
}
