//! Products of matrices by the device's matrix units: cooperative matrices of
//! `SPV_KHR_cooperative_matrix`, on devices whose lanes hold their elements in the
//! order of PTX's fragments but for the order of registers.

use rspirv::dr::Operand;
use rspirv::spirv::{self, CooperativeMatrixOperands, CooperativeMatrixUse, Word};

use super::Error;
use super::function::FunctionWriter;
use crate::ir::{FactorType, Instruction, MatrixProduct, MatrixShape, SumType, Type};
use crate::target::Target;

/// Rows and columns of the sums of every unit.
const ROWS: u32 = 16;
const COLUMNS: u32 = 8;
/// Elements of the sum that a lane holds.
const SUMS: usize = 4;

/// A shape that devices have, and which register of the fragment each part of a lane's
/// elements is; zeros where there is none, because the shape is larger than the product.
struct Unit {
    depth: u32,
    a: &'static [Option<usize>],
    b: &'static [Option<usize>],
}

const fn unit(product: MatrixProduct) -> Option<Unit> {
    use {FactorType as T, MatrixShape as S};
    let (depth, a, b): (_, &[_], &[_]) = match (product.a, product.b, product.shape) {
        (T::F16, T::F16, S::M16n8k8) => (8, &[Some(0), Some(1)], &[Some(0)]),
        (T::F16, T::F16, S::M16n8k16) => (16, REGISTERS_OF_ROWS, &[Some(0), Some(1)]),
        (T::S8, T::S8, S::M16n8k32) | (T::U8, T::U8, S::M16n8k32) => {
            (32, REGISTERS_OF_ROWS, &[Some(0), Some(1)])
        }
        (T::S8, T::S8, S::M16n8k16) | (T::U8, T::U8, S::M16n8k16) => {
            (32, &[Some(0), None, Some(1), None], &[Some(0), None])
        }
        (T::S8, T::S8, S::M8n8k16) | (T::U8, T::U8, S::M8n8k16) => {
            (32, &[Some(0), None, None, None], &[Some(0), None])
        }
        _ => return None,
    };
    Some(Unit { depth, a, b })
}

/// Row after row, where PTX counts by columns.
const REGISTERS_OF_ROWS: &[Option<usize>] = &[Some(0), Some(2), Some(1), Some(3)];

/// Whether a target's matrix units compute a product.
#[must_use]
pub const fn is_native(product: MatrixProduct, target: &Target) -> bool {
    let offered = match product.a {
        FactorType::F16 => target.matrices.halves,
        FactorType::S8 | FactorType::U8 => target.matrices.bytes,
        FactorType::Bf16 | FactorType::Tf32 => false,
    };
    offered && unit(product).is_some()
}

impl FunctionWriter<'_> {
    pub(super) fn matrix_product(
        &mut self,
        i: &Instruction,
        product: MatrixProduct,
    ) -> Result<(), Error> {
        let Some(unit) = unit(product).filter(|_| is_native(product, self.target)) else {
            return Err(self.unsupported("its matrix units have no such shape"));
        };
        self.module
            .capability(spirv::Capability::CooperativeMatrixKHR);
        self.module.extension("SPV_KHR_cooperative_matrix");
        let [a, b, _] = product.registers().map(|count| count as usize);
        let words: Vec<_> = i.arguments.iter().map(|&v| self.value(v)).collect();
        let (factor, sum) = (factor_type(product.a), sum_type(product.sum));
        let a_type = self.matrix(factor, [ROWS, unit.depth], CooperativeMatrixUse::MatrixAKHR);
        let b_type = self.matrix(
            factor,
            [unit.depth, COLUMNS],
            CooperativeMatrixUse::MatrixBKHR,
        );
        let sum_type = self.matrix(
            sum,
            [ROWS, COLUMNS],
            CooperativeMatrixUse::MatrixAccumulatorKHR,
        );
        let first = self.factor(a_type, factor, unit.a, &words[..a]);
        let second = self.factor(b_type, factor, unit.b, &words[a..a + b]);
        let sums = self.sums(sum_type, product.sum, &words[a + b..words.len() - 1]);
        let mut operands = [first, second, sums].map(Operand::IdRef).to_vec();
        if product.a == FactorType::S8 {
            let signs = CooperativeMatrixOperands::MATRIX_A_SIGNED_COMPONENTS_KHR
                | CooperativeMatrixOperands::MATRIX_B_SIGNED_COMPONENTS_KHR
                | CooperativeMatrixOperands::MATRIX_C_SIGNED_COMPONENTS_KHR
                | CooperativeMatrixOperands::MATRIX_RESULT_SIGNED_COMPONENTS_KHR;
            operands.push(Operand::CooperativeMatrixOperands(signs));
        }
        let op = spirv::Op::CooperativeMatrixMulAddKHR;
        let result = self.emit_operands(op, sum_type, operands);
        self.matrix_results(i, product.sum, result);
        Ok(())
    }

    /// The type of a matrix that a subgroup holds together.
    fn matrix(&mut self, ty: Type, [rows, columns]: [u32; 2], used: CooperativeMatrixUse) -> Word {
        let component = self.module.ty(ty);
        let words = [spirv::Scope::Subgroup as u32, rows, columns, used as u32];
        let words = words.map(|word| self.module.u32(word));
        self.module.cooperative_matrix(component, words)
    }

    /// A factor of the elements in a lane's registers.
    fn factor(
        &mut self,
        matrix: Word,
        ty: Type,
        parts: &[Option<usize>],
        registers: &[Word],
    ) -> Word {
        let mut factor = self.module.null(matrix);
        let per_register = 32 / ty.bits();
        let vector = self.module.vector(ty, per_register);
        for (part, register) in (0..).zip(parts) {
            let Some(register) = *register else {
                continue;
            };
            let elements = self.emit_typed(spirv::Op::Bitcast, vector, &[registers[register]]);
            for index in 0..per_register {
                let element = self.element(elements, ty, index);
                factor = self.with_element(factor, matrix, element, part * per_register + index);
            }
        }
        factor
    }

    fn sums(&mut self, matrix: Word, ty: SumType, registers: &[Word]) -> Word {
        let mut elements = Vec::new();
        for &register in registers {
            if ty == SumType::F16 {
                let pair = self.module.vector(Type::F16, 2);
                let pair = self.emit_typed(spirv::Op::Bitcast, pair, &[register]);
                elements.extend([0, 1].map(|half| self.element(pair, Type::F16, half)));
            } else {
                elements.push(register);
            }
        }
        let null = self.module.null(matrix);
        (0..).zip(elements).fold(null, |sums, (index, element)| {
            self.with_element(sums, matrix, element, index)
        })
    }

    /// Gives the instruction's results the elements of a sum, as far as they go.
    fn matrix_results(&mut self, i: &Instruction, ty: SumType, sums: Word) {
        let elements: [Word; SUMS] =
            std::array::from_fn(|index| self.element(sums, sum_type(ty), index as u32));
        if ty != SumType::F16 {
            for (&result, element) in i.results.iter().zip(elements) {
                self.define(result, element);
            }
            return;
        }
        for (&result, pair) in i.results.iter().zip(elements.chunks(2)) {
            let vector = self.module.vector(Type::F16, 2);
            let pair = self.emit_typed(spirv::Op::CompositeConstruct, vector, pair);
            let word = self.emit(spirv::Op::Bitcast, Type::B32, &[pair]);
            self.define(result, word);
        }
    }

    fn element(&mut self, composite: Word, ty: Type, index: u32) -> Word {
        let ty = self.module.ty(ty);
        let operands = vec![Operand::IdRef(composite), Operand::LiteralBit32(index)];
        self.emit_operands(spirv::Op::CompositeExtract, ty, operands)
    }

    fn with_element(&mut self, matrix: Word, ty: Word, element: Word, index: u32) -> Word {
        let operands = vec![
            Operand::IdRef(element),
            Operand::IdRef(matrix),
            Operand::LiteralBit32(index),
        ];
        self.emit_operands(spirv::Op::CompositeInsert, ty, operands)
    }
}

const fn factor_type(ty: FactorType) -> Type {
    match ty {
        FactorType::S8 | FactorType::U8 => Type::B8,
        _ => Type::F16,
    }
}

const fn sum_type(ty: SumType) -> Type {
    match ty {
        SumType::F16 => Type::F16,
        SumType::F32 => Type::F32,
        SumType::S32 => Type::B32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::Matrices;
    use crate::{ModuleSource, compile};

    /// How often each of two operations stands in the code of a product.
    fn written(product: &str, registers: [usize; 3], ty: &str, matrices: Matrices) -> [usize; 2] {
        let list = |name: &str, count| {
            let names: Vec<_> = (0..count).map(|n| format!("%{name}{n}")).collect();
            format!("{{{}}}", names.join(", "))
        };
        let [a, b, sums] = registers;
        let declared = format!(
            ".reg .b32 %a<{a}>;\n.reg .b32 %b<{b}>;\n.reg .{ty} %c<{sums}>;\n.reg .b64 %p;\n"
        );
        let operands = [list("c", sums), list("a", a), list("b", b), list("c", sums)].join(", ");
        let text = format!(
            ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n\
             {{\n{declared}ld.param.u64 %p, [p];\nld.global.b32 %a0, [%p];\n\
             mma.sync.aligned.{product} {operands};\nst.global.{ty} [%p], %c0;\nret;\n}}\n"
        );
        let target = Target {
            matrices,
            ..Target::wide()
        };
        let compiled = compile(&ModuleSource::new(text).unwrap(), "k", &target).unwrap();
        let mut counts = [0; 2];
        let mut rest = &compiled.spirv[HEADER_WORDS..];
        while let Some(&first) = rest.first() {
            let op = first & 0xFFFF;
            counts[0] += usize::from(op == spirv::Op::CooperativeMatrixMulAddKHR as u32);
            counts[1] += usize::from(op == spirv::Op::GroupNonUniformShuffle as u32);
            rest = &rest[(first >> 16) as usize..];
        }
        counts
    }

    /// Words of a SPIR-V module before its first instruction.
    const HEADER_WORDS: usize = 5;

    /// A unit's elements lie row after row; where one is a register of the fragment, the
    /// fragment must have it there, and where none is, the product must have nothing.
    #[test]
    fn units_take_each_register_where_the_fragment_has_it() {
        let mut seen = 0;
        for &shape in MatrixShape::ALL {
            for (&ty, &sum) in FactorType::ALL.iter().zip(SumType::ALL.iter().cycle()) {
                let (a, b) = (ty, ty);
                let product = MatrixProduct { shape, a, b, sum };
                let Some(unit) = unit(product) else {
                    continue;
                };
                seen += 1;
                let (per, quarters) = (ty.per_register(), unit.b.len() as u32);
                for (lane, element) in (0..32).flat_map(|l| (0..per).map(move |e| (l, e))) {
                    let along = |part: u32| part % quarters * 4 * per + lane % 4 * per + element;
                    for (part, register) in (0..).zip(unit.a) {
                        let at = (lane / 4 + part / quarters * 8, along(part));
                        let held =
                            register.map(|r| product.a_position(lane, r as u32 * per + element));
                        let outside = at.0 >= shape.rows() || at.1 >= shape.depth();
                        assert_eq!(held, (!outside).then_some(at), "{product:?}, lane {lane}");
                    }
                    for (part, register) in (0..).zip(unit.b) {
                        let at = (along(part), lane / 4);
                        let held =
                            register.map(|r| product.b_position(lane, r as u32 * per + element));
                        let outside = at.0 >= shape.depth();
                        assert_eq!(held, (!outside).then_some(at), "{product:?}, lane {lane}");
                    }
                }
            }
        }
        assert_eq!(seen, 2 + 2 * 3);
    }

    const BOTH: Matrices = Matrices {
        halves: true,
        bytes: true,
    };

    #[test]
    fn units_compute_what_they_offer_and_lanes_the_rest() {
        let none = Matrices::default();
        let bytes = Matrices {
            bytes: true,
            ..none
        };
        let halves = ("m16n8k16.row.col.f32.f16.f16.f32", [4, 2, 4], "f32");
        let signed = ("m8n8k16.row.col.s32.s8.s8.s32", [1, 1, 2], "b32");
        let mixed = ("m16n8k32.row.col.s32.s8.u8.s32", [4, 2, 4], "b32");
        let packed = ("m16n8k8.row.col.f16.f16.f16.f16", [2, 1, 2], "b32");
        let cases = [
            (halves, BOTH, [1, 0]),
            (halves, bytes, [0, 8]),
            (halves, none, [0, 8]),
            (signed, BOTH, [1, 0]),
            (signed, bytes, [1, 0]),
            (mixed, BOTH, [0, 8]),
            (packed, BOTH, [1, 0]),
        ];
        for ((product, registers, ty), matrices, expected) in cases {
            let written = written(product, registers, ty, matrices);
            assert_eq!(written, expected, "{product}, {matrices:?}");
        }
    }
}
