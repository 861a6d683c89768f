//! `cvt` in its modes.

use super::arithmetic::{float_mode, signedness};
use super::operand::is_signed;
use super::{Translated, Translator, has};
use crate::front::ast;
use crate::front::words::{self, Class, Modifier};
use crate::ir::{FactorType, FloatMode, IntegerConversion, Op, Rounding, Signedness, Type, Value};

impl Translator<'_> {
    pub(super) fn cvt(&mut self, i: &ast::Instruction) -> Translated {
        use words::Type as P;
        let (to, from) = (i.types[0], i.types[1]);
        if has(i, Modifier::Satfinite) {
            return Err(self.unsupported_instruction(i));
        }
        match (to, from) {
            (P::F16x2 | P::Bf16x2, P::F32) => self.pack_halves(i),
            (P::Bf16, P::F32) => {
                let value = self.source(&i.operands[1], Type::F32)?;
                let value = self.relu_if(i, value);
                let value = self.to_bfloat(i, value)?;
                self.destination(&i.operands[0], value, false)
            }
            (P::F32, P::Bf16) => {
                let value = self.source(&i.operands[1], Type::B16)?;
                let value = self.from_bfloat(value);
                self.destination(&i.operands[0], value, false)
            }
            (P::Tf32, P::F32) if !has(i, Modifier::Relu) => self.to_tf32(i),
            (P::Bf16, _) if from.class() != Class::Float => self.integer_to_bfloat(i),
            (_, P::Bf16) if to.class() != Class::Float => self.bfloat_to_integer(i),
            _ if has(i, Modifier::Relu) && (to, from) != (P::F16, P::F32) => {
                Err(self.unsupported_instruction(i))
            }
            _ => match (to.class(), from.class()) {
                (Class::Float, Class::Float) => self.float_to_float(i),
                (Class::Float, _) => self.integer_to_float(i),
                (_, Class::Float) => self.float_to_integer(i),
                _ => self.integer_to_integer(i),
            },
        }
    }

    fn float_to_float(&mut self, i: &ast::Instruction) -> Translated {
        let (to, from) = (self.ty(i.types[0])?, self.ty(i.types[1])?);
        if !to.is_float() || !from.is_float() {
            return Err(self.unsupported_instruction(i));
        }
        let mode = float_mode(i.modifiers);
        let mut value = self.source(&i.operands[1], from)?;
        value = self.relu_if(i, value);
        use Modifier as M;
        if i.modifiers
            .first_of(&[M::Rni, M::Rzi, M::Rmi, M::Rpi])
            .is_some()
        {
            // A subnormal operand is zero before it is rounded, not after.
            if mode.flush && from == Type::F32 {
                value = self.emit(Op::Flush, &[value], from);
            }
            value = self.emit(Op::RoundToIntegral(mode.rounding), &[value], from);
        }
        value = match (from == to, mode.flush) {
            (false, _) => self.emit(Op::FloatConvert(mode), &[value], to),
            (true, true) => self.emit(Op::Flush, &[value], to),
            (true, false) => value,
        };
        if has(i, Modifier::Sat) {
            value = self.emit(Op::Saturate, &[value], to);
        }
        self.destination(&i.operands[0], value, false)
    }

    fn integer_to_float(&mut self, i: &ast::Instruction) -> Translated {
        let (to, from) = (self.ty(i.types[0])?, self.ty(i.types[1])?);
        if !to.is_float() {
            return Err(self.unsupported_instruction(i));
        }
        let value = self.source(&i.operands[1], from)?;
        let conversion = IntegerConversion {
            signedness: signedness(i.types[1]),
            mode: float_mode(i.modifiers),
        };
        let mut value = self.emit(Op::IntegerToFloat(conversion), &[value], to);
        if has(i, Modifier::Sat) {
            value = self.emit(Op::Saturate, &[value], to);
        }
        self.destination(&i.operands[0], value, false)
    }

    fn float_to_integer(&mut self, i: &ast::Instruction) -> Translated {
        let (to, from) = (self.ty(i.types[0])?, self.ty(i.types[1])?);
        if !from.is_float() {
            return Err(self.unsupported_instruction(i));
        }
        let value = self.source(&i.operands[1], from)?;
        let mode = float_mode(i.modifiers);
        let conversion = IntegerConversion {
            signedness: signedness(i.types[0]),
            mode,
        };
        let value = self.emit(Op::FloatToInteger(conversion), &[value], to);
        self.destination(&i.operands[0], value, is_signed(i.types[0]))
    }

    fn integer_to_integer(&mut self, i: &ast::Instruction) -> Translated {
        let (to, from) = (self.ty(i.types[0])?, self.ty(i.types[1])?);
        let signed = is_signed(i.types[1]);
        let mut value = self.source(&i.operands[1], from)?;
        if has(i, Modifier::Sat) {
            value = self.clamp_integer(value, i.types[1], i.types[0]);
        }
        let value = self.coerce(value, to, signed);
        self.destination(&i.operands[0], value, is_signed(i.types[0]))
    }

    /// Clamps a value of one integer type to the range of another.
    fn clamp_integer(&mut self, value: Value, from: words::Type, to: words::Type) -> Value {
        let range = |ty: words::Type| match ty.class() {
            Class::Signed => {
                let half = 1i128 << (ty.bits() - 1);
                (-half, half - 1)
            }
            _ => (0, (1i128 << ty.bits()) - 1),
        };
        let ((from_least, from_most), (least, most)) = (range(from), range(to));
        let (sign, ty) = (signedness(from), self.function.ty(value));
        let mut value = value;
        if least > from_least {
            let bound = self.constant(ty, least as u64);
            value = self.emit(Op::Max(sign), &[value, bound], ty);
        }
        if most < from_most {
            let bound = self.constant(ty, most as u64);
            value = self.emit(Op::Min(sign), &[value, bound], ty);
        }
        value
    }

    /// `cvt.rn.f16x2.f32 d, a, b`: a above, b below.
    fn pack_halves(&mut self, i: &ast::Instruction) -> Translated {
        let mut halves = Vec::new();
        for operand in i.operands[1..].iter().rev() {
            let value = self.source(operand, Type::F32)?;
            let value = self.relu_if(i, value);
            halves.push(match i.types[0] {
                words::Type::F16x2 => {
                    let mode = float_mode(i.modifiers);
                    let half = self.emit(Op::FloatConvert(mode), &[value], Type::F16);
                    self.bitcast(half, Type::B16)
                }
                _ => self.to_bfloat(i, value)?,
            });
        }
        if halves.len() != 2 {
            return Err(self.unsupported_instruction(i));
        }
        let value = self.emit(Op::Concat, &halves, Type::B32);
        self.destination(&i.operands[0], value, false)
    }

    /// The upper half of an f32, rounded to nearest even or to zero.
    fn to_bfloat(&mut self, i: &ast::Instruction, value: Value) -> Translated<Value> {
        let FloatMode { rounding, .. } = float_mode(i.modifiers);
        let bits = self.bitcast(value, Type::B32);
        match rounding {
            Rounding::Nearest => Ok(self.nearest_bfloat(value)),
            Rounding::Zero => Ok(self.upper_half(value, bits)),
            _ => Err(self.unsupported_instruction(i)),
        }
    }

    /// The nearest bf16 to an f32, as bits.
    pub(super) fn nearest_bfloat(&mut self, value: Value) -> Value {
        let bits = self.bitcast(value, Type::B32);
        let rounded = self.round_bits(bits, 16);
        self.upper_half(value, rounded)
    }

    fn upper_half(&mut self, value: Value, bits: Value) -> Value {
        let nan = self.constant(Type::B32, 0x7FFF_0000);
        let bits = self.keep_nan(value, bits, nan);
        self.emit(Op::Extract(1), &[bits], Type::B16)
    }

    /// Negative values become 0, as `.relu` says; NaN stays.
    pub(super) fn relu_if(&mut self, i: &ast::Instruction, value: Value) -> Value {
        if !has(i, Modifier::Relu) {
            return value;
        }
        let ty = self.function.ty(value);
        let zero = self.constant(ty, 0);
        let least = self.emit(Op::FMax(FloatMode::NEAREST), &[value, zero], ty);
        self.nan_if_nan(&[value], least)
    }

    /// The canonical NaN if any operand is NaN, else a value.
    pub(super) fn nan_if_nan(&mut self, operands: &[Value], value: Value) -> Value {
        let ty = self.function.ty(value);
        let nan = self.constant(ty, ty.mask() >> 1);
        operands.iter().fold(value, |value, &operand| {
            let is_nan = self.is_nan(operand);
            self.emit(Op::Select, &[is_nan, nan, value], ty)
        })
    }

    /// An integer as a bf16, by an f32 that is exact or odd.
    fn integer_to_bfloat(&mut self, i: &ast::Instruction) -> Translated {
        let mode = float_mode(i.modifiers);
        if mode.rounding != Rounding::Nearest {
            return Err(self.unsupported_instruction(i));
        }
        let from = self.ty(i.types[1])?;
        let value = self.source(&i.operands[1], from)?;
        let conversion = IntegerConversion {
            signedness: signedness(i.types[1]),
            mode: FloatMode {
                rounding: Rounding::Odd,
                flush: false,
            },
        };
        let value = self.emit(Op::IntegerToFloat(conversion), &[value], Type::F32);
        let value = self.nearest_bfloat(value);
        self.destination(&i.operands[0], value, false)
    }

    fn bfloat_to_integer(&mut self, i: &ast::Instruction) -> Translated {
        let to = self.ty(i.types[0])?;
        let value = self.source(&i.operands[1], Type::B16)?;
        let value = self.from_bfloat(value);
        let conversion = IntegerConversion {
            signedness: signedness(i.types[0]),
            mode: float_mode(i.modifiers),
        };
        let value = self.emit(Op::FloatToInteger(conversion), &[value], to);
        self.destination(&i.operands[0], value, is_signed(i.types[0]))
    }

    fn to_tf32(&mut self, i: &ast::Instruction) -> Translated {
        let value = self.source(&i.operands[1], Type::F32)?;
        let bits = self.bitcast(value, Type::B32);
        let FloatMode { rounding, .. } = float_mode(i.modifiers);
        let rounded = match rounding {
            // Half of the last kept bit's weight, whatever the sign.
            Rounding::Away => {
                let half = self.constant(Type::B32, 1 << 12);
                self.emit(Op::Add, &[bits, half], Type::B32)
            }
            Rounding::Nearest => self.round_bits(bits, 13),
            _ => return Err(self.unsupported_instruction(i)),
        };
        let nan = self.constant(Type::B32, 0x7FC0_0000);
        let rounded = self.keep_nan(value, rounded, nan);
        let mask = self.constant(Type::B32, u64::from(FactorType::TF32_BITS));
        let rounded = self.emit(Op::And, &[rounded, mask], Type::B32);
        self.destination(&i.operands[0], rounded, false)
    }

    /// Adds what rounds the bits above `dropped` ones to nearest even.
    fn round_bits(&mut self, bits: Value, dropped: u32) -> Value {
        let ty = Type::B32;
        let amount = self.constant(ty, u64::from(dropped));
        let one = self.constant(ty, 1);
        let bias = self.constant(ty, (1 << (dropped - 1)) - 1);
        let last = self.emit(Op::Shr(Signedness::Unsigned), &[bits, amount], ty);
        let last = self.emit(Op::And, &[last, one], ty);
        let bias = self.emit(Op::Add, &[bias, last], ty);
        self.emit(Op::Add, &[bits, bias], ty)
    }

    /// Rounding the bits of a NaN may carry into the sign: use a fixed NaN.
    fn keep_nan(&mut self, value: Value, rounded: Value, nan: Value) -> Value {
        let is_nan = self.is_nan(value);
        self.emit(Op::Select, &[is_nan, nan, rounded], Type::B32)
    }

    fn is_nan(&mut self, value: Value) -> Value {
        let comparison = crate::ir::FloatComparison {
            condition: crate::ir::FloatCondition::Nan,
            mode: FloatMode::NEAREST,
        };
        self.emit(Op::FCompare(comparison), &[value, value], Type::B1)
    }
}
