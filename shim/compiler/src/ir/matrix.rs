//! Products of small matrices whose elements the lanes of a warp hold together:
//! which lane has which element, after the PTX manual's section "Warp-level Matrix
//! Instructions".

use super::Type;
use crate::words::words;

words! {
    /// Rows and columns of the result, and columns of the first factor.
    pub enum MatrixShape {
        M8n8k4 = "m8n8k4", M8n8k16 = "m8n8k16",
        M16n8k4 = "m16n8k4", M16n8k8 = "m16n8k8", M16n8k16 = "m16n8k16", M16n8k32 = "m16n8k32",
    }
}

words! {
    /// The elements of a factor.
    pub enum FactorType { F16 = "f16", Bf16 = "bf16", Tf32 = "tf32", S8 = "s8", U8 = "u8", }
}

words! {
    /// The elements that are added to, and of the result.
    pub enum SumType { F16 = "f16", F32 = "f32", S32 = "s32", }
}

/// Columns of every result.
const COLUMNS: u32 = 8;
/// Lanes of a warp.
const WARP: u32 = 32;

/// Row and column of an element.
pub type Position = (u32, u32);

impl MatrixShape {
    /// Rows of the result.
    #[must_use]
    pub const fn rows(self) -> u32 {
        match self {
            Self::M8n8k4 | Self::M8n8k16 => 8,
            _ => 16,
        }
    }

    /// Columns of the first factor and rows of the second.
    #[must_use]
    pub const fn depth(self) -> u32 {
        match self {
            Self::M8n8k4 | Self::M16n8k4 => 4,
            Self::M16n8k8 => 8,
            Self::M8n8k16 | Self::M16n8k16 => 16,
            Self::M16n8k32 => 32,
        }
    }

    /// How many products one instruction computes: four where each belongs to eight
    /// lanes, a group of four and that 16 lanes further.
    #[must_use]
    pub const fn products(self) -> u32 {
        match self {
            Self::M8n8k4 => 4,
            _ => 1,
        }
    }

    /// The product that a lane belongs to.
    #[must_use]
    pub const fn product_of(self, lane: u32) -> u32 {
        lane / 4 % self.products()
    }

    /// Elements of a matrix of so many that each lane holds.
    const fn share(self, elements: u32) -> u32 {
        elements * self.products() / WARP
    }

    /// Elements of the sum that each lane holds.
    #[must_use]
    pub const fn sums(self) -> u32 {
        self.share(self.rows() * COLUMNS)
    }
}

impl FactorType {
    /// The bits of an f32 that a tf32 has.
    pub const TF32_BITS: u32 = 0xFFFF_E000;

    /// Bits of an element.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::F16 | Self::Bf16 => 16,
            Self::Tf32 => 32,
            Self::S8 | Self::U8 => 8,
        }
    }

    /// Elements in a register.
    #[must_use]
    pub const fn per_register(self) -> u32 {
        32 / self.bits()
    }
}

/// What a product's factors and sums are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatrixProduct {
    /// The sizes.
    pub shape: MatrixShape,
    /// The first factor's elements, by rows.
    pub a: FactorType,
    /// The second factor's elements, by columns.
    pub b: FactorType,
    /// The elements of sum and result.
    pub sum: SumType,
}

impl MatrixProduct {
    /// Whether PTX has such a product.
    #[must_use]
    pub const fn exists(self) -> bool {
        use {FactorType as T, MatrixShape as S, SumType as R};
        match (self.a, self.b, self.sum) {
            (T::F16, T::F16, R::F16 | R::F32) => {
                matches!(self.shape, S::M8n8k4 | S::M16n8k8 | S::M16n8k16)
            }
            (T::Bf16, T::Bf16, R::F32) => matches!(self.shape, S::M16n8k8 | S::M16n8k16),
            (T::Tf32, T::Tf32, R::F32) => matches!(self.shape, S::M16n8k4 | S::M16n8k8),
            (T::S8 | T::U8, T::S8 | T::U8, R::S32) => {
                matches!(self.shape, S::M8n8k16 | S::M16n8k16 | S::M16n8k32)
            }
            _ => false,
        }
    }

    /// Registers of a lane for the first factor, the second, and the sum.
    #[must_use]
    pub const fn registers(self) -> [u32; 3] {
        let shape = self.shape;
        let sums = match self.sum {
            SumType::F16 => shape.sums() / 2,
            SumType::F32 | SumType::S32 => shape.sums(),
        };
        [
            shape.share(shape.rows() * shape.depth()) / self.a.per_register(),
            shape.share(shape.depth() * COLUMNS) / self.b.per_register(),
            sums,
        ]
    }

    /// The type of a register of the sum.
    #[must_use]
    pub const fn sum_register(self) -> Type {
        match self.sum {
            SumType::F32 => Type::F32,
            SumType::F16 | SumType::S32 => Type::B32,
        }
    }

    /// Where an element of the sum lies that a lane holds.
    #[must_use]
    pub const fn sum_position(self, lane: u32, index: u32) -> Position {
        match (self.shape, self.sum) {
            (MatrixShape::M8n8k4, SumType::F16) => (lane % 4 + lane / 16 * 4, index),
            (MatrixShape::M8n8k4, _) => {
                let row = (lane & 1) + (index & 2) + lane / 16 * 4;
                (row, (index & 4) + (lane & 2) + (index & 1))
            }
            _ => (lane / 4 + index / 2 * 8, lane % 4 * 2 + index % 2),
        }
    }

    /// Where an element of the first factor lies that a lane holds.
    #[must_use]
    pub const fn a_position(self, lane: u32, index: u32) -> Position {
        let per = self.a.per_register();
        match self.shape {
            MatrixShape::M8n8k4 => (lane % 4 + lane / 16 * 4, index),
            shape => {
                let (register, halves) = (index / per, shape.rows() / 8);
                let column = register / halves * 4 * per + lane % 4 * per + index % per;
                (lane / 4 + register % halves * 8, column)
            }
        }
    }

    /// Where an element of the second factor lies that a lane holds.
    #[must_use]
    pub const fn b_position(self, lane: u32, index: u32) -> Position {
        let per = self.b.per_register();
        match self.shape {
            MatrixShape::M8n8k4 => (index, lane % 4 + lane / 16 * 4),
            _ => (
                index / per * 4 * per + lane % 4 * per + index % per,
                lane / 4,
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn products() -> Vec<MatrixProduct> {
        let mut all = Vec::new();
        for &shape in MatrixShape::ALL {
            for (&a, &b) in FactorType::ALL
                .iter()
                .flat_map(|a| FactorType::ALL.iter().map(move |b| (a, b)))
            {
                all.extend(
                    SumType::ALL
                        .iter()
                        .map(|&sum| MatrixProduct { shape, a, b, sum }),
                );
            }
        }
        all.retain(|product| product.exists());
        all
    }

    /// How many different elements the lanes of each product hold, of so many.
    fn covers(product: MatrixProduct, len: u32, position: impl Fn(u32, u32) -> Position) -> usize {
        let mut seen = BTreeSet::new();
        for lane in 0..WARP {
            for index in 0..len {
                seen.insert((product.shape.product_of(lane), position(lane, index)));
            }
        }
        seen.len() / product.shape.products() as usize
    }

    #[test]
    fn lanes_hold_each_element_once() {
        let all = products();
        assert_eq!(all.len(), 2 * 3 + 2 + 2 + 4 * 3);
        for product in all {
            let [a, b, _] = product.registers();
            let (rows, depth) = (product.shape.rows(), product.shape.depth());
            let a = covers(product, a * product.a.per_register(), |l, i| {
                product.a_position(l, i)
            });
            assert_eq!(a as u32, rows * depth, "{product:?}");
            let b = covers(product, b * product.b.per_register(), |l, i| {
                product.b_position(l, i)
            });
            assert_eq!(b as u32, depth * COLUMNS, "{product:?}");
            let sums = covers(product, product.shape.sums(), |l, i| {
                product.sum_position(l, i)
            });
            assert_eq!(sums as u32, rows * COLUMNS, "{product:?}");
        }
    }
}
