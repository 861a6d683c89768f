//! Pure operations on integers and floats.

use rspirv::dr::Operand;
use rspirv::spirv::{self, Decoration, GlslStd450Op, PackedVectorFormat, Word};

use super::Error;
use super::function::FunctionWriter;
use crate::ir::{
    Condition, Division, FloatCondition, FloatMode, Instruction, Op, Rounding, SHARED_WINDOW,
    Signedness, Signs, Space, Type,
};
use Signedness::{Signed, Unsigned};

impl FunctionWriter<'_> {
    /// Writes an operation that only computes.
    pub(super) fn pure(&mut self, i: &Instruction) -> Result<(), Error> {
        let Some(&result) = i.results.first() else {
            return Err(self.unsupported("it has no result"));
        };
        let ty = self.type_of(result);
        let ids: Vec<Word> = i.arguments.iter().map(|&a| self.value(a)).collect();
        let from = i.arguments.first().map_or(ty, |&a| self.type_of(a));
        use spirv::Op as S;
        let id = match i.op {
            Op::Bitcast => self.emit(S::Bitcast, ty, &ids),
            Op::Truncate => self.emit(S::UConvert, ty, &ids),
            Op::ZeroExtend => self.extend(S::UConvert, ty, from, ids[0]),
            Op::SignExtend => self.extend(S::SConvert, ty, from, ids[0]),
            Op::Concat => self.concat(ty, from, &ids),
            Op::Extract(index) => self.extract(ty, from, ids[0], index),
            Op::Select => self.emit(S::Select, ty, &ids),
            Op::Add => self.emit(S::IAdd, ty, &ids),
            Op::Sub => self.emit(S::ISub, ty, &ids),
            Op::Mul => self.emit(S::IMul, ty, &ids),
            Op::MulWide(sign) => self.multiply_wide(ty, &ids, sign),
            Op::Div(sign) => self.divide(ty, ids[0], ids[1], sign),
            Op::And if ty == Type::B1 => self.emit(S::LogicalAnd, ty, &ids),
            Op::Or if ty == Type::B1 => self.emit(S::LogicalOr, ty, &ids),
            Op::Xor if ty == Type::B1 => self.emit(S::LogicalNotEqual, ty, &ids),
            Op::Not if ty == Type::B1 => self.emit(S::LogicalNot, ty, &ids),
            Op::And => self.emit(S::BitwiseAnd, ty, &ids),
            Op::Or => self.emit(S::BitwiseOr, ty, &ids),
            Op::Xor => self.emit(S::BitwiseXor, ty, &ids),
            Op::Not => self.emit(S::Not, ty, &ids),
            Op::Neg => self.emit(S::SNegate, ty, &ids),
            Op::Min(sign) => self.extremum(ty, &ids, sign, Condition::Lt),
            Op::Max(sign) => self.extremum(ty, &ids, sign, Condition::Gt),
            Op::Shl => self.shift(i, ty, S::ShiftLeftLogical),
            Op::Shr(Unsigned) => self.shift(i, ty, S::ShiftRightLogical),
            Op::Shr(Signed) => self.shift(i, ty, S::ShiftRightArithmetic),
            Op::PopCount => self.emit(S::BitCount, ty, &ids),
            Op::ReverseBits => self.emit(S::BitReverse, ty, &ids),
            Op::FindHighBit(Unsigned) => self.glsl(GlslStd450Op::FindUMsb, ty, &ids),
            Op::FindHighBit(Signed) => self.glsl(GlslStd450Op::FindSMsb, ty, &ids),
            Op::Permute(_) => self.shuffle_bytes(i),
            Op::Dot4(signs) => self.dot4(&ids, signs),
            Op::Compare(c) => self.compare(c.condition, c.signedness, &ids),
            Op::FCompare(c) => self.float_compare(c.condition, &ids),
            Op::FAdd(mode) => self.rounded(S::FAdd, ty, &ids, mode)?,
            Op::FSub(mode) => self.rounded(S::FSub, ty, &ids, mode)?,
            Op::FMul(mode) => self.rounded(S::FMul, ty, &ids, mode)?,
            Op::Fma(mode) => self.multiply_add(ty, &ids, mode)?,
            Op::FDiv(accuracy) => {
                self.to_nearest(accuracy.mode)?;
                self.exactly(ty, &ids, accuracy.division, |w, ty, ids| {
                    w.emit(S::FDiv, ty, ids)
                })
            }
            Op::Reciprocal(accuracy) => {
                self.to_nearest(accuracy.mode)?;
                self.exactly(ty, &ids, accuracy.division, Self::reciprocal)
            }
            Op::SquareRoot(accuracy) => {
                self.to_nearest(accuracy.mode)?;
                self.exactly(ty, &ids, accuracy.division, |w, ty, ids| {
                    w.glsl(GlslStd450Op::Sqrt, ty, ids)
                })
            }
            Op::ReciprocalRoot(_) if ty == Type::F64 => {
                let root = self.glsl(GlslStd450Op::Sqrt, ty, &ids);
                self.reciprocal(ty, &[root])
            }
            Op::ReciprocalRoot(_) => self.transcendental(GlslStd450Op::InverseSqrt, ty, &ids)?,
            Op::Sine(_) => self.transcendental(GlslStd450Op::Sin, ty, &ids)?,
            Op::Cosine(_) => self.transcendental(GlslStd450Op::Cos, ty, &ids)?,
            Op::Exp2(_) => self.transcendental(GlslStd450Op::Exp2, ty, &ids)?,
            Op::Log2(_) => self.transcendental(GlslStd450Op::Log2, ty, &ids)?,
            Op::Tanh(_) if ty == Type::F32 => self.tanh(ids[0]),
            Op::Tanh(_) => self.transcendental(GlslStd450Op::Tanh, ty, &ids)?,
            Op::FMin(_) => self.glsl(GlslStd450Op::NMin, ty, &ids),
            Op::FMax(_) => self.glsl(GlslStd450Op::NMax, ty, &ids),
            Op::FNeg => self.emit(S::FNegate, ty, &ids),
            Op::FAbs => self.glsl(GlslStd450Op::FAbs, ty, &ids),
            Op::CopySign => self.copy_sign(ty, &ids),
            Op::Saturate => self.saturate(ty, ids[0]),
            // Subnormals are as the device has them.
            Op::Flush => ids[0],
            Op::FloatToInteger(conversion) => self.float_to_integer(ty, from, ids[0], &conversion),
            Op::IntegerToFloat(conversion) => {
                self.to_nearest(conversion.mode)?;
                match conversion.signedness {
                    Signed => self.emit(S::ConvertSToF, ty, &ids),
                    Unsigned => self.emit(S::ConvertUToF, ty, &ids),
                }
            }
            Op::ToGeneric(Space::Shared) => self.shared_window(spirv::Op::IAdd, ids[0]),
            Op::IsSpace(Space::Shared) => {
                let window = self.module.constant(Type::B64, SHARED_WINDOW);
                self.emit(S::UGreaterThanEqual, ty, &[ids[0], window])
            }
            Op::FromGeneric(Space::Shared) => self.shared_window(spirv::Op::ISub, ids[0]),
            Op::FloatConvert(mode) => {
                if ty.bits() < from.bits() {
                    self.to_nearest(mode)?;
                }
                self.converted(ty, ids[0])
            }
            Op::RoundToIntegral(rounding) => self.round(ty, ids[0], rounding),
            _ => return Err(self.unsupported("it has no translation yet")),
        };
        self.define(result, id);
        Ok(())
    }

    /// A shared address moved into or out of the generic address space.
    fn shared_window(&mut self, op: spirv::Op, id: Word) -> Word {
        let window = self.module.constant(Type::B64, SHARED_WINDOW);
        self.emit(op, Type::B64, &[id, window])
    }

    /// A float operation whose operands the driver must not fuse with others.
    fn rounded(
        &mut self,
        op: spirv::Op,
        ty: Type,
        ids: &[Word],
        mode: FloatMode,
    ) -> Result<Word, Error> {
        self.to_nearest(mode)?;
        let id = self.emit(op, ty, ids);
        self.module.decorate(id, Decoration::NoContraction, &[]);
        Ok(id)
    }

    fn to_nearest(&self, mode: FloatMode) -> Result<(), Error> {
        match mode.rounding {
            Rounding::Nearest => Ok(()),
            _ => Err(self.unsupported("directed rounding")),
        }
    }

    fn multiply_add(&mut self, ty: Type, ids: &[Word], mode: FloatMode) -> Result<Word, Error> {
        self.to_nearest(mode)?;
        if self.target.fused_multiply_add || ty == Type::F64 || !self.target.float64 {
            let id = self.glsl(GlslStd450Op::Fma, ty, ids);
            self.module.decorate(id, Decoration::NoContraction, &[]);
            return Ok(id);
        }
        // The product of two f32 is exact in f64.
        let wide: Vec<_> = ids
            .iter()
            .map(|&id| self.converted(Type::F64, id))
            .collect();
        let product = self.emit(spirv::Op::FMul, Type::F64, &wide[..2]);
        let sum = self.emit(spirv::Op::FAdd, Type::F64, &[product, wide[2]]);
        Ok(self.converted(ty, sum))
    }

    /// An operation that SPIR-V lets err by some units; in f64, rounded once
    /// more, it is right.
    fn exactly(
        &mut self,
        ty: Type,
        ids: &[Word],
        division: Division,
        operation: impl Fn(&mut Self, Type, &[Word]) -> Word,
    ) -> Word {
        if division != Division::Exact || ty != Type::F32 || !self.target.float64 {
            return operation(self, ty, ids);
        }
        let wide: Vec<_> = ids
            .iter()
            .map(|&id| self.converted(Type::F64, id))
            .collect();
        let result = operation(self, Type::F64, &wide);
        self.converted(ty, result)
    }

    /// A conversion that the driver must not drop where another one undoes it:
    /// the rounding to f32 in between counts.
    fn converted(&mut self, ty: Type, id: Word) -> Word {
        let id = self.emit(spirv::Op::FConvert, ty, &[id]);
        self.module.decorate(id, Decoration::NoContraction, &[]);
        id
    }

    fn reciprocal(&mut self, ty: Type, ids: &[Word]) -> Word {
        let one = self.float_constant(ty, 1.0);
        self.emit(spirv::Op::FDiv, ty, &[one, ids[0]])
    }

    /// Near zero drivers cancel all digits: there the first terms of the series do.
    fn tanh(&mut self, id: Word) -> Word {
        let ty = Type::F32;
        let far = self.glsl(GlslStd450Op::Tanh, ty, &[id]);
        let square = self.emit(spirv::Op::FMul, ty, &[id, id]);
        let cube = self.emit(spirv::Op::FMul, ty, &[square, id]);
        let third = self.float_constant(ty, -1.0 / 3.0);
        let term = self.emit(spirv::Op::FMul, ty, &[cube, third]);
        let near = self.emit(spirv::Op::FAdd, ty, &[id, term]);
        let bound = self.float_constant(ty, 0.0625);
        let magnitude = self.glsl(GlslStd450Op::FAbs, ty, &[id]);
        let is_near = self.emit(spirv::Op::FOrdLessThan, Type::B1, &[magnitude, bound]);
        self.emit(spirv::Op::Select, ty, &[is_near, near, far])
    }

    fn transcendental(&mut self, op: GlslStd450Op, ty: Type, ids: &[Word]) -> Result<Word, Error> {
        match ty {
            Type::F64 => Err(self.unsupported("transcendental functions of f64")),
            _ => Ok(self.glsl(op, ty, ids)),
        }
    }

    /// A constant float.
    pub(super) fn float_constant(&mut self, ty: Type, value: f64) -> Word {
        let bits = crate::evaluate::from_f64(ty, value);
        self.module.constant(ty, bits)
    }

    fn saturate(&mut self, ty: Type, id: Word) -> Word {
        let (zero, one) = (self.float_constant(ty, 0.0), self.float_constant(ty, 1.0));
        // NMax gives the number where the other is NaN.
        let id = self.glsl(GlslStd450Op::NMax, ty, &[id, zero]);
        self.glsl(GlslStd450Op::NMin, ty, &[id, one])
    }

    fn copy_sign(&mut self, ty: Type, ids: &[Word]) -> Word {
        let bits = ty.as_bits();
        let sign = self.module.constant(bits, 1 << (ty.bits() - 1));
        let rest = self.module.constant(bits, ty.mask() >> 1);
        let parts = [(ids[0], sign), (ids[1], rest)].map(|(id, mask)| {
            let id = self.emit(spirv::Op::Bitcast, bits, &[id]);
            self.emit(spirv::Op::BitwiseAnd, bits, &[id, mask])
        });
        let id = self.emit(spirv::Op::BitwiseOr, bits, &parts);
        self.emit(spirv::Op::Bitcast, ty, &[id])
    }

    fn multiply_wide(&mut self, ty: Type, ids: &[Word], sign: Signedness) -> Word {
        let op = match sign {
            Signed => spirv::Op::SConvert,
            Unsigned => spirv::Op::UConvert,
        };
        let wide: Vec<_> = ids.iter().map(|&id| self.emit(op, ty, &[id])).collect();
        self.emit(spirv::Op::IMul, ty, &wide)
    }

    /// The quotient; all ones for a zero divisor, which SPIR-V leaves open.
    fn divide(&mut self, ty: Type, a: Word, b: Word, sign: Signedness) -> Word {
        let op = match sign {
            Signed => spirv::Op::SDiv,
            Unsigned => spirv::Op::UDiv,
        };
        let quotient = self.emit(op, ty, &[a, b]);
        let zero = self.module.constant(ty, 0);
        let ones = self.module.constant(ty, ty.mask());
        let by_zero = self.emit(spirv::Op::IEqual, Type::B1, &[b, zero]);
        self.emit(spirv::Op::Select, ty, &[by_zero, ones, quotient])
    }

    fn extremum(&mut self, ty: Type, ids: &[Word], sign: Signedness, condition: Condition) -> Word {
        let op = match (sign, condition) {
            (Signed, Condition::Lt) => GlslStd450Op::SMin,
            (Signed, _) => GlslStd450Op::SMax,
            (Unsigned, Condition::Lt) => GlslStd450Op::UMin,
            (Unsigned, _) => GlslStd450Op::UMax,
        };
        if ty == Type::B32 {
            return self.glsl(op, ty, ids);
        }
        let first = self.compare(condition, sign, ids);
        self.emit(spirv::Op::Select, ty, &[first, ids[0], ids[1]])
    }

    /// A shift that clamps: SPIR-V leaves an amount of the width or more open.
    fn shift(&mut self, i: &Instruction, ty: Type, op: spirv::Op) -> Word {
        let (value, amount) = (self.value(i.arguments[0]), self.value(i.arguments[1]));
        let width = ty.bits();
        if self
            .known(i.arguments[1])
            .is_some_and(|a| a < u64::from(width))
        {
            return self.emit(op, ty, &[value, amount]);
        }
        let most = self.module.u32(width - 1);
        if op == spirv::Op::ShiftRightArithmetic {
            let amount = self.glsl(GlslStd450Op::UMin, Type::B32, &[amount, most]);
            return self.emit(op, ty, &[value, amount]);
        }
        let within = self.emit(spirv::Op::ULessThanEqual, Type::B1, &[amount, most]);
        let masked = self.emit(spirv::Op::BitwiseAnd, Type::B32, &[amount, most]);
        let shifted = self.emit(op, ty, &[value, masked]);
        let zero = self.module.constant(ty, 0);
        self.emit(spirv::Op::Select, ty, &[within, shifted, zero])
    }

    /// A permutation by a constant selector without replicated signs.
    fn shuffle_bytes(&mut self, i: &Instruction) -> Word {
        let selector = self.known(i.arguments[2]).unwrap_or(0);
        let bytes = self.module.vector(Type::B8, 4);
        let words = [0, 1].map(|index| {
            let word = self.value(i.arguments[index]);
            self.emit_typed(spirv::Op::Bitcast, bytes, &[word])
        });
        let mut operands = vec![Operand::IdRef(words[0]), Operand::IdRef(words[1])];
        operands.extend((0..4).map(|n| Operand::LiteralBit32((selector >> (4 * n) & 7) as u32)));
        let shuffled = self.emit_operands(spirv::Op::VectorShuffle, bytes, operands);
        self.emit(spirv::Op::Bitcast, Type::B32, &[shuffled])
    }

    fn dot4(&mut self, ids: &[Word], signs: Signs) -> Word {
        self.module.capability(spirv::Capability::DotProduct);
        self.module
            .capability(spirv::Capability::DotProductInput4x8BitPacked);
        let (op, a, b) = match (signs.a, signs.b) {
            (Signed, Signed) => (spirv::Op::SDot, ids[0], ids[1]),
            (Unsigned, Unsigned) => (spirv::Op::UDot, ids[0], ids[1]),
            (Signed, Unsigned) => (spirv::Op::SUDot, ids[0], ids[1]),
            (Unsigned, Signed) => (spirv::Op::SUDot, ids[1], ids[0]),
        };
        let ty = self.module.ty(Type::B32);
        let operands = vec![
            Operand::IdRef(a),
            Operand::IdRef(b),
            Operand::PackedVectorFormat(PackedVectorFormat::PackedVectorFormat4x8Bit),
        ];
        let dot = self.emit_operands(op, ty, operands);
        self.emit(spirv::Op::IAdd, Type::B32, &[dot, ids[2]])
    }

    pub(super) fn compare(&mut self, condition: Condition, sign: Signedness, ids: &[Word]) -> Word {
        use spirv::Op as S;
        let op = match (condition, sign) {
            (Condition::Eq, _) => S::IEqual,
            (Condition::Ne, _) => S::INotEqual,
            (Condition::Lt, Signed) => S::SLessThan,
            (Condition::Le, Signed) => S::SLessThanEqual,
            (Condition::Gt, Signed) => S::SGreaterThan,
            (Condition::Ge, Signed) => S::SGreaterThanEqual,
            (Condition::Lt, Unsigned) => S::ULessThan,
            (Condition::Le, Unsigned) => S::ULessThanEqual,
            (Condition::Gt, Unsigned) => S::UGreaterThan,
            (Condition::Ge, Unsigned) => S::UGreaterThanEqual,
        };
        self.emit(op, Type::B1, ids)
    }

    fn float_compare(&mut self, condition: FloatCondition, ids: &[Word]) -> Word {
        use spirv::Op as S;
        let op = match condition {
            FloatCondition::Eq => S::FOrdEqual,
            FloatCondition::Ne => S::FOrdNotEqual,
            FloatCondition::Lt => S::FOrdLessThan,
            FloatCondition::Le => S::FOrdLessThanEqual,
            FloatCondition::Gt => S::FOrdGreaterThan,
            FloatCondition::Ge => S::FOrdGreaterThanEqual,
            FloatCondition::Equ => S::FUnordEqual,
            FloatCondition::Neu => S::FUnordNotEqual,
            FloatCondition::Ltu => S::FUnordLessThan,
            FloatCondition::Leu => S::FUnordLessThanEqual,
            FloatCondition::Gtu => S::FUnordGreaterThan,
            FloatCondition::Geu => S::FUnordGreaterThanEqual,
            FloatCondition::Num | FloatCondition::Nan => return self.is_nan(condition, ids),
        };
        self.emit(op, Type::B1, ids)
    }

    fn is_nan(&mut self, condition: FloatCondition, ids: &[Word]) -> Word {
        let nan = [ids[0], ids[1]].map(|id| self.emit(spirv::Op::IsNan, Type::B1, &[id]));
        let any = self.emit(spirv::Op::LogicalOr, Type::B1, &nan);
        match condition {
            FloatCondition::Num => self.emit(spirv::Op::LogicalNot, Type::B1, &[any]),
            _ => any,
        }
    }
}
