//! Which elements of a cooperative matrix each lane holds. The specification leaves it
//! open; code that has elements in registers must know. The order asked about is that
//! of lanes 4g + c: rows g and g + 8 of the first factor and of the sum, column g of
//! the second factor; along the other side from the c-th pair of halves, or four
//! bytes, on, then again in the other half of the depth.

use std::sync::Arc;

use rspirv::dr::Operand;
use rspirv::spirv::{Capability, CooperativeMatrixOperands, CooperativeMatrixUse, Op, Word};
use serde::Serialize;

use super::run::run;
use super::shader::Shader;
use crate::device::Device;
use crate::error::Error;
use crate::features::Component;

/// Which products of subgroup matrices have their elements in that order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrderedMatrices {
    /// 16 by 8 by 8 and 16 by 8 by 16, of f16, with sums of f16 and of f32.
    pub halves: bool,
    /// 16 by 8 by 32, of signed and of unsigned bytes, with sums of 32 bits.
    pub bytes: bool,
}

const ROWS: u32 = 16;
const COLUMNS: u32 = 8;
const LANES: u32 = 32;
/// Words that an invocation reads: of the first factor, the second, the sum.
const WORDS: [u32; 3] = [4, 2, 4];
const WORDS_READ: u32 = WORDS[0] + WORDS[1] + WORDS[2];

/// A product to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Product {
    depth: u32,
    factor: Component,
    sum: Component,
}

const HALVES: [Product; 4] = [
    Product::new(8, Component::F16, Component::F32),
    Product::new(16, Component::F16, Component::F32),
    Product::new(8, Component::F16, Component::F16),
    Product::new(16, Component::F16, Component::F16),
];
const BYTES: [Product; 2] = [
    Product::new(32, Component::S8, Component::S32),
    Product::new(32, Component::U8, Component::U32),
];

/// Looks at the products that the device offers; one that its driver cannot compile is
/// not one. Costs a shader for each, so ask only
/// where the answer is needed, and keep it with the driver's UUID and version.
pub fn probe_matrices(device: &Arc<Device>) -> Result<OrderedMatrices, Error> {
    let all = |products: &[Product]| -> Result<bool, Error> {
        for product in products {
            if !product.is_offered(device) || !product.is_ordered(device)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    Ok(OrderedMatrices {
        halves: all(&HALVES)?,
        bytes: all(&BYTES)?,
    })
}

impl Product {
    const fn new(depth: u32, factor: Component, sum: Component) -> Self {
        Self { depth, factor, sum }
    }

    fn is_offered(self, device: &Device) -> bool {
        let physical = device.physical();
        let lanes = physical.subgroup();
        let matrices = &physical.features().cooperative_matrix;
        let mut shapes = matrices.iter().filter(|matrix| !matrix.saturating);
        let is_this = |m: &crate::features::CooperativeMatrix| {
            (m.m, m.n, m.k) == (ROWS, COLUMNS, self.depth)
                && (m.a, m.b, m.c, m.result) == (self.factor, self.factor, self.sum, self.sum)
        };
        lanes.default_size == LANES && shapes.any(is_this)
    }

    fn is_ordered(self, device: &Arc<Device>) -> Result<bool, Error> {
        let output = (LANES * WORDS[2]) as usize;
        match run(device, &self.shader(), &self.input(), output) {
            Ok(words) => Ok(words == self.expected()),
            // Its driver does not compile it: other kernels need not suffer for that.
            Err(Error::Call { .. } | Error::FeatureNotPresent { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    const fn per_word(self) -> u32 {
        if matches!(self.factor, Component::F16) {
            2
        } else {
            4
        }
    }

    /// A lane's elements of the first factor, the second, and the sum, as rows and
    /// columns, in order.
    fn positions(self, lane: u32) -> [Vec<(u32, u32)>; 3] {
        let (group, quarter, per) = (lane / 4, lane % 4, self.per_word());
        let along: Vec<_> = (0..self.depth / (4 * per))
            .flat_map(|half| (0..per).map(move |n| half * 4 * per + quarter * per + n))
            .collect();
        let rows = [group, group + 8];
        let of_row = |row| along.iter().map(move |&k| (row, k));
        [
            rows.iter().flat_map(|&row| of_row(row)).collect(),
            along.iter().map(|&k| (k, group)).collect(),
            rows.iter()
                .flat_map(|&row| [0, 1].map(|n| (row, quarter * 2 + n)))
                .collect(),
        ]
    }

    /// Elements small enough that every type holds products and sums exactly, and
    /// different enough that no two places can be exchanged; unsigned bytes above 127.
    fn element(self, matrix: usize, (row, column): (u32, u32)) -> i64 {
        let place = row * 37 + column * 101 + matrix as u32 * 59 + 11;
        let mixed = place.wrapping_mul(2_654_435_761) % 8191;
        match self.factor {
            Component::U8 if matrix < 2 => i64::from(mixed % 256),
            Component::S8 if matrix < 2 => i64::from(mixed % 256) - 128,
            _ => i64::from(mixed % 7) - 3,
        }
    }

    fn bits(self, matrix: usize, value: i64) -> u32 {
        let component = if matrix < 2 { self.factor } else { self.sum };
        match component {
            Component::F16 => small_half(value),
            Component::F32 => (value as f32).to_bits(),
            Component::S8 | Component::U8 => value as u32 & 0xFF,
            _ => value as u32,
        }
    }

    fn input(self) -> Vec<u64> {
        let mut words = Vec::new();
        for lane in 0..LANES {
            let positions = self.positions(lane);
            for (matrix, (positions, count)) in positions.iter().zip(WORDS).enumerate() {
                let bits = |&at: &_| self.bits(matrix, self.element(matrix, at));
                let per = if matrix < 2 { self.per_word() } else { 1 };
                let packed = positions.chunks(per as usize).map(|chunk| {
                    let packed = chunk.iter().rev().map(bits);
                    packed.fold(0, |word, bits| word << ((32 / per) % 32) | bits)
                });
                let mut packed: Vec<_> = packed.map(u64::from).collect();
                packed.resize(count as usize, 0);
                words.extend(packed);
            }
        }
        words
    }

    /// The sums, an element a word.
    fn expected(self) -> Vec<u64> {
        let sum = |(row, column): (u32, u32)| {
            let products =
                (0..self.depth).map(|k| self.element(0, (row, k)) * self.element(1, (k, column)));
            self.element(2, (row, column)) + products.sum::<i64>()
        };
        (0..LANES)
            .flat_map(|lane| self.positions(lane)[2].clone())
            .map(|at| u64::from(self.bits(2, sum(at))))
            .collect()
    }

    fn shader(self) -> Vec<u32> {
        let mut capabilities = vec![Capability::CooperativeMatrixKHR];
        capabilities.push(if self.factor == Component::F16 {
            Capability::Float16
        } else {
            Capability::Int8
        });
        let mut shader = Shader::new(LANES, &capabilities);
        shader.extension("SPV_KHR_cooperative_matrix");
        let words = self.read(&mut shader);
        let (factor, sum) = self.types(&mut shader);
        use CooperativeMatrixUse as Use;
        let a = shader.matrix(factor, [ROWS, self.depth], Use::MatrixAKHR);
        let b = shader.matrix(factor, [self.depth, COLUMNS], Use::MatrixBKHR);
        let c = shader.matrix(sum, [ROWS, COLUMNS], Use::MatrixAccumulatorKHR);
        let (first, rest) = words.split_at(WORDS[0] as usize);
        let (second, third) = rest.split_at(WORDS[1] as usize);
        let quarters = self.depth / (4 * self.per_word());
        let first = self.packed(&mut shader, a, factor, &first[..2 * quarters as usize]);
        let second = self.packed(&mut shader, b, factor, &second[..quarters as usize]);
        let third = self.sums(&mut shader, c, sum, third);
        let mut operands = [first, second, third].map(Operand::IdRef).to_vec();
        if self.factor == Component::S8 {
            let signs = CooperativeMatrixOperands::MATRIX_A_SIGNED_COMPONENTS_KHR
                | CooperativeMatrixOperands::MATRIX_B_SIGNED_COMPONENTS_KHR
                | CooperativeMatrixOperands::MATRIX_C_SIGNED_COMPONENTS_KHR
                | CooperativeMatrixOperands::MATRIX_RESULT_SIGNED_COMPONENTS_KHR;
            operands.push(Operand::CooperativeMatrixOperands(signs));
        }
        let result = shader.instruction(Op::CooperativeMatrixMulAddKHR, c, operands);
        self.write(&mut shader, result, sum);
        shader.finish()
    }

    fn types(self, shader: &mut Shader) -> (Word, Word) {
        let factor = match self.factor {
            Component::F16 => shader.float(16),
            _ => shader.integer(8),
        };
        let sum = match self.sum {
            Component::F16 => factor,
            Component::F32 => shader.types.f32,
            _ => shader.types.u32,
        };
        (factor, sum)
    }

    /// The words of an invocation.
    fn read(self, shader: &mut Shader) -> Vec<Word> {
        let (u32, count, one) = (
            shader.types.u32,
            shader.constant(WORDS_READ),
            shader.constant(1),
        );
        let mut place = shader.op(Op::IMul, u32, &[shader.index, count]);
        let mut words = Vec::new();
        for _ in 0..WORDS_READ {
            let address = shader.word_at(shader.input, place);
            let word = shader.load(address);
            words.push(shader.op(Op::UConvert, u32, &[word]));
            place = shader.op(Op::IAdd, u32, &[place, one]);
        }
        words
    }

    /// A factor of packed elements.
    fn packed(self, shader: &mut Shader, matrix: Word, ty: Word, words: &[Word]) -> Word {
        let vector = shader.vector(ty, self.per_word());
        let mut elements = Vec::new();
        for &word in words {
            let pack = shader.op(Op::Bitcast, vector, &[word]);
            elements.extend((0..self.per_word()).map(|index| shader.element_of(pack, ty, index)));
        }
        shader.matrix_of(matrix, &elements)
    }

    fn sums(self, shader: &mut Shader, matrix: Word, ty: Word, words: &[Word]) -> Word {
        let elements: Vec<_> = words
            .iter()
            .map(|&word| match self.sum {
                Component::F16 => {
                    let pair = shader.vector(ty, 2);
                    let pair = shader.op(Op::Bitcast, pair, &[word]);
                    shader.element_of(pair, ty, 0)
                }
                Component::F32 => shader.op(Op::Bitcast, ty, &[word]),
                _ => word,
            })
            .collect();
        shader.matrix_of(matrix, &elements)
    }

    /// Stores an invocation's elements of the result, one a word.
    fn write(self, shader: &mut Shader, result: Word, ty: Word) {
        let (u32, u64) = (shader.types.u32, shader.types.u64);
        let (count, one) = (shader.constant(WORDS[2]), shader.constant(1));
        let mut place = shader.op(Op::IMul, u32, &[shader.index, count]);
        for index in 0..WORDS[2] {
            let element = shader.element_of(result, ty, index);
            let word = match self.sum {
                Component::F16 => {
                    let zero = shader.null(ty);
                    let pair = shader.vector(ty, 2);
                    let pair = shader.op(Op::CompositeConstruct, pair, &[element, zero]);
                    shader.op(Op::Bitcast, u32, &[pair])
                }
                Component::F32 => shader.op(Op::Bitcast, u32, &[element]),
                _ => element,
            };
            let word = shader.op(Op::UConvert, u64, &[word]);
            let address = shader.word_at(shader.output, place);
            shader.store(address, word);
            place = shader.op(Op::IAdd, u32, &[place, one]);
        }
    }
}

/// The f16 of an integer below 2048.
fn small_half(value: i64) -> u32 {
    if value == 0 {
        return 0;
    }
    let magnitude = value.unsigned_abs() as u32;
    let exponent = magnitude.ilog2();
    let sign = u32::from(value < 0) << 15;
    sign | (exponent + 15) << 10 | (magnitude << (10 - exponent) & 0x3FF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_integers_are_exact_halves() {
        let halves = [0, 1, -1, 3, 6, 147, -2047].map(small_half);
        assert_eq!(halves, [0, 0x3C00, 0xBC00, 0x4200, 0x4600, 0x5898, 0xE7FF]);
    }

    #[test]
    fn lanes_hold_every_element_once() {
        for product in HALVES.into_iter().chain(BYTES) {
            let sizes = [
                ROWS * product.depth,
                product.depth * COLUMNS,
                ROWS * COLUMNS,
            ];
            for (matrix, size) in sizes.into_iter().enumerate() {
                let held = (0..LANES).flat_map(|lane| product.positions(lane)[matrix].clone());
                let held: std::collections::BTreeSet<_> = held.collect();
                assert_eq!(held.len() as u32, size, "{product:?}");
            }
        }
    }

    #[test]
    fn exchanged_elements_show_in_the_sums() {
        for product in HALVES.into_iter().chain(BYTES) {
            let column =
                |k: u32| -> Vec<_> { (0..ROWS).map(|m| product.element(0, (m, k))).collect() };
            for k in 1..product.depth {
                assert_ne!(column(0), column(k), "{product:?}");
            }
            let sums: std::collections::BTreeSet<_> = product.expected().into_iter().collect();
            assert!(
                sums.len() > 20,
                "{product:?}: {} different sums",
                sums.len()
            );
        }
    }
}
