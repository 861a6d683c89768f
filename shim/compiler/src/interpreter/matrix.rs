//! Products of matrices: all elements are gathered from the lanes' registers, and the
//! results put back. Sums are exact but for f64's digits, and rounded once.

use super::warp::{LANES, Warp};
use crate::evaluate;
use crate::ir::{FactorType, Instruction, MatrixProduct, SumType, Type, Value};

/// Rows and columns of the largest matrix.
const SIDE: usize = 32;

/// A matrix of each product that the warp computes; the first counts where it does one.
type Matrices = [[[f64; SIDE]; SIDE]; 4];

/// Computes what a whole warp does.
pub(super) fn multiply(warp: &mut Warp, i: &Instruction, product: MatrixProduct) {
    let [a, b, _] = product.registers().map(|count| count as usize);
    let (factors, sums) = i.arguments.split_at(a + b);
    let (first, second) = factors.split_at(a);
    let a = gather(warp, first, product, product.a, |l, i| {
        product.a_position(l, i)
    });
    let b = gather(warp, second, product, product.b, |l, i| {
        product.b_position(l, i)
    });
    let mut results = vec![[0; LANES]; product.shape.sums() as usize];
    for lane in 0..LANES {
        let group = product.shape.product_of(lane as u32) as usize;
        for (index, result) in results.iter_mut().enumerate() {
            let (row, column) = product.sum_position(lane as u32, index as u32);
            let (row, column) = (row as usize, column as usize);
            let products =
                (0..product.shape.depth() as usize).map(|k| a[group][row][k] * b[group][k][column]);
            let start = sum_element(warp, sums, product.sum, lane, index);
            result[lane] = rounded(
                product.sum,
                products.fold(start, |sum, product| sum + product),
            );
        }
    }
    scatter(warp, &i.results, product.sum, &results);
}

fn gather(
    warp: &Warp,
    registers: &[Value],
    product: MatrixProduct,
    ty: FactorType,
    position: impl Fn(u32, u32) -> (u32, u32),
) -> Matrices {
    let mut matrices = [[[0.0; SIDE]; SIDE]; 4];
    for lane in 0..LANES as u32 {
        let group = product.shape.product_of(lane) as usize;
        for index in 0..registers.len() as u32 * ty.per_register() {
            let register = registers[(index / ty.per_register()) as usize];
            let word = warp.value(register, lane as usize) as u32;
            let (row, column) = position(lane, index);
            matrices[group][row as usize][column as usize] =
                factor(ty, word >> (index % ty.per_register() * ty.bits()));
        }
    }
    matrices
}

/// The element in the low bits of a word.
fn factor(ty: FactorType, bits: u32) -> f64 {
    match ty {
        FactorType::F16 => evaluate::to_f64(Type::F16, u64::from(bits & 0xFFFF)),
        FactorType::Bf16 => f64::from(f32::from_bits(bits << 16)),
        FactorType::Tf32 => f64::from(f32::from_bits(bits & FactorType::TF32_BITS)),
        FactorType::S8 => f64::from(bits as i8),
        FactorType::U8 => f64::from(bits as u8),
    }
}

fn sum_element(warp: &Warp, sums: &[Value], ty: SumType, lane: usize, index: usize) -> f64 {
    match ty {
        SumType::F16 => {
            let word = warp.value(sums[index / 2], lane) >> (index % 2 * 16);
            evaluate::to_f64(Type::F16, word & 0xFFFF)
        }
        SumType::F32 => evaluate::to_f64(Type::F32, warp.value(sums[index], lane)),
        SumType::S32 => f64::from(warp.value(sums[index], lane) as i32),
    }
}

/// The bits of a result; integers wrap.
fn rounded(ty: SumType, value: f64) -> u64 {
    match ty {
        SumType::F16 => evaluate::from_f64(Type::F16, value),
        SumType::F32 => evaluate::from_f64(Type::F32, value),
        SumType::S32 => u64::from(value as i64 as u32),
    }
}

fn scatter(warp: &mut Warp, registers: &[Value], ty: SumType, results: &[[u64; LANES]]) {
    let per = if ty == SumType::F16 { 2 } else { 1 };
    for (register, elements) in registers.iter().zip(results.chunks(per)) {
        for lane in 0..LANES {
            let word = elements
                .iter()
                .rev()
                .fold(0, |word, e| word << 16 | e[lane]);
            warp.values[register.index()][lane] = word;
        }
    }
}
