//! Matrices in columns, of the types that cuBLAS multiplies, and products to
//! compare with.

use abi::cublas::*;
use tests::context::Context;
use tests::memory::{Allocation, pattern};

/// The type of a matrix' elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F32,
    F16,
    Bf16,
}

impl Element {
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    pub fn data_type(self) -> cudaDataType {
        match self {
            Self::F32 => CUDA_R_32F,
            Self::F16 => CUDA_R_16F,
            Self::Bf16 => CUDA_R_16BF,
        }
    }

    /// Half the distance of two numbers near one.
    pub fn roundoff(self) -> f64 {
        match self {
            Self::F32 => 2f64.powi(-24),
            Self::F16 => 2f64.powi(-11),
            Self::Bf16 => 2f64.powi(-8),
        }
    }

    pub fn encode(self, value: f64) -> Vec<u8> {
        match self {
            Self::F32 => (value as f32).to_le_bytes().to_vec(),
            Self::F16 => f16_bits(value).to_le_bytes().to_vec(),
            Self::Bf16 => bf16_bits(value as f32).to_le_bytes().to_vec(),
        }
    }

    pub fn decode(self, bytes: &[u8]) -> f64 {
        match (self, bytes) {
            (Self::F32, &[a, b, c, d]) => f64::from(f32::from_le_bytes([a, b, c, d])),
            (Self::F16, &[a, b]) => f16_value(u16::from_le_bytes([a, b])),
            (Self::Bf16, &[a, b]) => f64::from(f32::from_le_bytes([0, 0, a, b])),
            _ => panic!("{} bytes of {self:?}", bytes.len()),
        }
    }
}

/// To the nearest f16, ties to even.
fn f16_bits(value: f64) -> u16 {
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    if value.is_nan() {
        return 0x7E00;
    }
    let magnitude = value.abs();
    // The steps are 2^-24 below 2^-14, and 2^-10 of the power of two above.
    let exponent = (magnitude.log2().floor() as i32).clamp(-14, 16);
    let steps = (magnitude / 2f64.powi(exponent - 10)).round_ties_even() as u32;
    let bits = if exponent == 16 {
        0x7C00
    } else {
        // A number that rounds up to the next power of two carries by itself.
        steps + ((exponent + 14) as u32 * 1024)
    };
    sign | bits.min(0x7C00) as u16
}

fn f16_value(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 {
        magnitude
    } else {
        -magnitude
    }
}

fn bf16_bits(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return 0x7FC0;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// A matrix in columns, each with room for more rows than it has.
#[derive(Clone)]
pub struct Matrix {
    pub element: Element,
    pub rows: usize,
    pub columns: usize,
    pub leading_dimension: usize,
    pub bytes: Vec<u8>,
}

impl Matrix {
    /// Numbers between -1 and 1; between columns there are NaNs.
    pub fn random(
        element: Element,
        rows: usize,
        columns: usize,
        padding: usize,
        seed: u64,
    ) -> Self {
        let leading_dimension = rows.max(1) + padding;
        let bits = pattern(leading_dimension * columns * 2, seed);
        let mut matrix = Self {
            element,
            rows,
            columns,
            leading_dimension,
            bytes: Vec::new(),
        };
        for (index, pair) in bits.chunks_exact(2).enumerate() {
            let number = f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32768.0;
            let inside = index % leading_dimension < rows;
            let value = if inside { number } else { f64::NAN };
            matrix.bytes.extend(element.encode(value));
        }
        matrix
    }

    /// The same shape filled with one value, also between columns.
    pub fn filled(&self, value: f64) -> Self {
        let count = self.bytes.len() / self.element.bytes();
        let bytes = self.element.encode(value).repeat(count);
        Self {
            bytes,
            ..self.clone()
        }
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        let start = (row + column * self.leading_dimension) * self.element.bytes();
        self.element
            .decode(&self.bytes[start..start + self.element.bytes()])
    }

    pub fn set(&mut self, row: usize, column: usize, value: f64) {
        let start = (row + column * self.leading_dimension) * self.element.bytes();
        let bytes = self.element.encode(value);
        self.bytes[start..start + bytes.len()].copy_from_slice(&bytes);
    }

    /// An element of the matrix as an operation reads it.
    pub fn read_by(&self, operation: cublasOperation_t, row: usize, column: usize) -> f64 {
        if operation == CUBLAS_OP_N {
            self.at(row, column)
        } else {
            self.at(column, row)
        }
    }

    /// The leading dimension as cuBLAS takes it.
    pub fn ld(&self) -> i32 {
        self.leading_dimension as i32
    }

    /// A copy on the device, in an allocation of at least one byte.
    pub fn upload(&self, context: &Context) -> Allocation {
        let allocation = context.allocate(self.bytes.len().max(1));
        if !self.bytes.is_empty() {
            allocation.write(&self.bytes);
        }
        allocation
    }

    /// The same shape with the bytes of an allocation.
    pub fn download(&self, bytes: &[u8]) -> Self {
        Self {
            bytes: bytes[..self.bytes.len()].to_vec(),
            ..self.clone()
        }
    }

    /// Fails where bytes between the columns are not what they were.
    #[track_caller]
    pub fn assert_padding_of(&self, before: &Self, what: &str) {
        let (line, used) = (
            self.leading_dimension * self.element.bytes(),
            self.rows * self.element.bytes(),
        );
        for column in 0..self.columns {
            let padding = column * line + used..(column + 1) * line;
            assert_eq!(
                self.bytes[padding.clone()],
                before.bytes[padding],
                "{what}: below column {column}"
            );
        }
    }
}

/// The type in which products are summed, as far as errors are concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// Half the distance of two numbers near one.
    pub roundoff: f64,
}

/// `alpha op(A) op(B) + beta C` in f64.
pub struct Product<'a> {
    pub a: &'a Matrix,
    pub transa: cublasOperation_t,
    pub b: &'a Matrix,
    pub transb: cublasOperation_t,
    pub c: &'a Matrix,
    pub k: usize,
    pub alpha: f64,
    pub beta: f64,
    pub precision: Precision,
}

impl Product<'_> {
    /// The value of an element and the error that is allowed: of `k` products and
    /// sums and two scalings in the precision, and of the result's own rounding.
    fn element(&self, row: usize, column: usize) -> (f64, f64) {
        let (mut sum, mut size) = (0.0, 0.0);
        if self.alpha != 0.0 {
            for depth in 0..self.k {
                let product = self.a.read_by(self.transa, row, depth)
                    * self.b.read_by(self.transb, depth, column);
                sum += product;
                size += product.abs();
            }
        }
        let old = if self.beta == 0.0 {
            0.0
        } else {
            self.beta * self.c.at(row, column)
        };
        let value = self.alpha * sum + old;
        let terms = (self.k + 3) as f64;
        let error = self.precision.roundoff * terms * (self.alpha.abs() * size + old.abs())
            + self.c.element.roundoff() * value.abs()
            + 2f64.powi(-25);
        (value, error)
    }

    /// Compares every element of a result.
    #[track_caller]
    pub fn assert_is(&self, actual: &Matrix, what: &str) {
        for column in 0..actual.columns {
            for row in 0..actual.rows {
                let (value, error) = self.element(row, column);
                let seen = actual.at(row, column);
                assert!(
                    (seen - value).abs() <= error,
                    "{what}: C({row}, {column}) is {seen}, not {value} ± {error}"
                );
            }
        }
        actual.assert_padding_of(self.c, what);
    }
}

#[test]
fn sixteen_bit_numbers_survive_encoding() {
    for bits in 0..=u16::MAX {
        let value = f16_value(bits);
        if !value.is_nan() {
            assert_eq!(f16_bits(value), bits, "{bits:#06x}");
        }
        let value = f32::from_bits(u32::from(bits) << 16);
        if !value.is_nan() {
            assert_eq!(bf16_bits(value), bits, "{bits:#06x}");
        }
    }
    assert_eq!(f16_bits(1.0 + 2f64.powi(-11)), 0x3C00);
    assert_eq!(f16_bits(1.0 + 3.0 * 2f64.powi(-11)), 0x3C02);
    assert_eq!(f16_bits(65519.0), 0x7BFF);
    assert_eq!(f16_bits(65520.0), 0x7C00);
}
