//! Pieces of words, and floats to integers.

use rspirv::dr::Operand;
use rspirv::spirv::{self, GlslStd450Op, Word};

use super::function::FunctionWriter;
use crate::evaluate::integer_of_nan;
use crate::ir::{IntegerConversion, Rounding, Signedness, Type};

impl FunctionWriter<'_> {
    pub(super) fn extend(&mut self, op: spirv::Op, ty: Type, from: Type, id: Word) -> Word {
        if from != Type::B1 {
            return self.emit(op, ty, &[id]);
        }
        let yes = if op == spirv::Op::SConvert {
            ty.mask()
        } else {
            1
        };
        let (yes, no) = (self.module.constant(ty, yes), self.module.constant(ty, 0));
        self.emit(spirv::Op::Select, ty, &[id, yes, no])
    }

    /// Pieces as one word: a vector of them has the same bits.
    pub(super) fn concat(&mut self, ty: Type, piece: Type, ids: &[Word]) -> Word {
        if ids.len() <= 4 {
            let vector = self.module.vector(piece, ids.len() as u32);
            let vector = self.emit_typed(spirv::Op::CompositeConstruct, vector, ids);
            return self.emit(spirv::Op::Bitcast, ty, &[vector]);
        }
        // Eight bytes: SPIR-V's vectors end at four.
        let halves = [&ids[..4], &ids[4..]].map(|half| self.concat(Type::B32, piece, half));
        self.concat(ty, Type::B32, &halves)
    }

    pub(super) fn extract(&mut self, ty: Type, from: Type, id: Word, index: u32) -> Word {
        let count = from.bits() / ty.bits();
        if count == 1 {
            return id;
        }
        if count > 4 {
            let half = self.extract(Type::B32, from, id, index / 4);
            return self.extract(ty, Type::B32, half, index % 4);
        }
        let vector = self.module.vector(ty, count);
        let vector = self.emit_typed(spirv::Op::Bitcast, vector, &[id]);
        let ty = self.module.ty(ty);
        let operands = vec![Operand::IdRef(vector), Operand::LiteralBit32(index)];
        self.emit_operands(spirv::Op::CompositeExtract, ty, operands)
    }

    pub(super) fn round(&mut self, ty: Type, id: Word, rounding: Rounding) -> Word {
        let op = match rounding {
            Rounding::Nearest | Rounding::Away => GlslStd450Op::RoundEven,
            Rounding::Zero | Rounding::Odd => GlslStd450Op::Trunc,
            Rounding::Down => GlslStd450Op::Floor,
            Rounding::Up => GlslStd450Op::Ceil,
        };
        self.glsl(op, ty, &[id])
    }

    /// Rounds, converts, and puts right what SPIR-V leaves open: values beyond
    /// the range saturate, NaN gives a constant.
    pub(super) fn float_to_integer(
        &mut self,
        ty: Type,
        from: Type,
        id: Word,
        conversion: &IntegerConversion,
    ) -> Word {
        let of_nan = integer_of_nan(from, ty);
        // f16 cannot hold the bounds; narrow results need no range of their own
        // while a wider one has them.
        let (id, from) = match from {
            Type::F16 => (self.emit(spirv::Op::FConvert, Type::F32, &[id]), Type::F32),
            _ => (id, from),
        };
        let id = self.round(from, id, conversion.mode.rounding);
        let bits = ty.bits().max(32);
        let wide = if bits == 64 { Type::B64 } else { Type::B32 };
        let (op, least, most) = match conversion.signedness {
            Signedness::Signed => {
                let most = i64::MAX >> (64 - ty.bits());
                (
                    spirv::Op::ConvertFToS,
                    -i128::from(most) - 1,
                    i128::from(most),
                )
            }
            Signedness::Unsigned => (spirv::Op::ConvertFToU, 0, i128::from(ty.mask())),
        };
        let converted = self.emit(op, wide, &[id]);
        let above = self.float_constant(from, (most + 1) as f64);
        let below = self.float_constant(from, least as f64);
        let is_above = self.emit(spirv::Op::FOrdGreaterThanEqual, Type::B1, &[id, above]);
        let is_below = self.emit(spirv::Op::FOrdLessThan, Type::B1, &[id, below]);
        let is_nan = self.emit(spirv::Op::IsNan, Type::B1, &[id]);
        let most = self.module.constant(wide, most as u64 & wide.mask());
        let least = self.module.constant(wide, least as u64 & wide.mask());
        let of_nan = self.module.constant(wide, of_nan);
        let value = self.emit(spirv::Op::Select, wide, &[is_above, most, converted]);
        let value = self.emit(spirv::Op::Select, wide, &[is_below, least, value]);
        let value = self.emit(spirv::Op::Select, wide, &[is_nan, of_nan, value]);
        match ty == wide {
            true => value,
            false => self.emit(spirv::Op::UConvert, ty, &[value]),
        }
    }
}
