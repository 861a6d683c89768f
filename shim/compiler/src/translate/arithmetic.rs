//! Integer and floating-point arithmetic.

use super::{Translated, Translator, has};
use crate::front::ast;
use crate::front::isa::Opcode;
use crate::front::words::{self, Class, Modifier, ModifierSet};
use crate::ir::{
    Accuracy, Condition, Division, Dot2, FloatMode, Half, IntegerComparison, Op, Rounding,
    Signedness, Signs, Type, Value,
};

impl Translator<'_> {
    /// `add sub mul mad fma div rem` of any type.
    pub(super) fn arithmetic(&mut self, i: &ast::Instruction) -> Translated {
        if i.types[0].class() == Class::Float {
            return self.float_arithmetic(i);
        }
        if has(i, Modifier::Cc) {
            return self.extended(i);
        }
        let value = match i.opcode {
            Opcode::Add => self.binary(i, Op::Add)?,
            Opcode::Sub => self.binary(i, Op::Sub)?,
            Opcode::Div => self.binary(i, Op::Div(signedness(i.types[0])))?,
            Opcode::Rem => self.binary(i, Op::Rem(signedness(i.types[0])))?,
            Opcode::Mul => self.product(i)?,
            Opcode::Mad => {
                let product = self.product(i)?;
                let addend = self.source(&i.operands[3], self.function.ty(product))?;
                let ty = self.function.ty(product);
                self.emit(Op::Add, &[product, addend], ty)
            }
            _ => return Err(self.unsupported_instruction(i)),
        };
        if has(i, Modifier::Sat) {
            return self.saturated_integer(i);
        }
        self.destination(&i.operands[0], value, is_signed(i))
    }

    /// An operation of two operands of the instruction's type.
    fn binary(&mut self, i: &ast::Instruction, op: Op) -> Translated<Value> {
        let ty = self.ty(i.types[0])?;
        let a = self.source(&i.operands[1], ty)?;
        let b = self.source(&i.operands[2], ty)?;
        Ok(self.emit(op, &[a, b], ty))
    }

    fn product(&mut self, i: &ast::Instruction) -> Translated<Value> {
        let signedness = signedness(i.types[0]);
        if has(i, Modifier::Wide) {
            let ty = self.ty(i.types[0])?;
            let wide = Type::of_bits(2 * ty.bits());
            let wide = wide.ok_or_else(|| self.unsupported_instruction(i))?;
            let a = self.source(&i.operands[1], ty)?;
            let b = self.source(&i.operands[2], ty)?;
            return Ok(self.emit(Op::MulWide(signedness), &[a, b], wide));
        }
        match has(i, Modifier::Hi) {
            true => self.binary(i, Op::MulHigh(signedness)),
            false => self.binary(i, Op::Mul),
        }
    }

    /// `add.sat.s32` and `sub.sat.s32`: computed in 64 bits and clamped.
    fn saturated_integer(&mut self, i: &ast::Instruction) -> Translated {
        let op = match i.opcode {
            Opcode::Add => Op::Add,
            Opcode::Sub => Op::Sub,
            _ => return Err(self.unsupported_instruction(i)),
        };
        if i.types[0] != words::Type::S32 {
            return Err(self.unsupported_instruction(i));
        }
        let mut wide = [self.constant(Type::B64, 0); 2];
        for (wide, operand) in wide.iter_mut().zip(&i.operands[1..]) {
            let value = self.source(operand, Type::B32)?;
            *wide = self.emit(Op::SignExtend, &[value], Type::B64);
        }
        let sum = self.emit(op, &wide, Type::B64);
        let least = self.constant(Type::B64, i64::from(i32::MIN) as u64);
        let most = self.constant(Type::B64, i64::from(i32::MAX) as u64);
        let sum = self.emit(Op::Max(Signedness::Signed), &[sum, least], Type::B64);
        let sum = self.emit(Op::Min(Signedness::Signed), &[sum, most], Type::B64);
        self.destination(&i.operands[0], sum, true)
    }

    /// Arithmetic with the carry flag, which is a variable of the frame.
    pub(super) fn extended(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let takes = matches!(i.opcode, Opcode::Addc | Opcode::Subc | Opcode::Madc);
        let carry_in = match takes {
            true => self.read_carry(),
            false => self.constant(Type::B1, 0),
        };
        let subtracts = matches!(i.opcode, Opcode::Sub | Opcode::Subc);
        let (a, b) = match i.opcode {
            Opcode::Mad | Opcode::Madc => {
                let product = self.product(i)?;
                (product, self.source(&i.operands[3], ty)?)
            }
            _ => (
                self.source(&i.operands[1], ty)?,
                self.source(&i.operands[2], ty)?,
            ),
        };
        let op = if subtracts {
            Op::SubBorrow
        } else {
            Op::AddCarry
        };
        let [value, carry] = match ty {
            Type::B32 => self.emit_pair(op, &[a, b, carry_in], [Type::B32, Type::B1]),
            Type::B64 => self.carry_by_words(op, [a, b], carry_in),
            _ => return Err(self.unsupported_instruction(i)),
        };
        if has(i, Modifier::Cc) {
            self.write_carry(carry);
        }
        self.destination(&i.operands[0], value, false)
    }

    fn carry_by_words(&mut self, op: Op, operands: [Value; 2], carry: Value) -> [Value; 2] {
        let types = [Type::B32, Type::B1];
        let words = operands.map(|v| {
            let low = self.emit(Op::Extract(0), &[v], Type::B32);
            [low, self.emit(Op::Extract(1), &[v], Type::B32)]
        });
        let [low, carry] = self.emit_pair(op, &[words[0][0], words[1][0], carry], types);
        let [high, carry] = self.emit_pair(op, &[words[0][1], words[1][1], carry], types);
        [self.emit(Op::Concat, &[low, high], Type::B64), carry]
    }

    /// `mul24`, `mad24`: the operands' low 24 bits.
    pub(super) fn multiply_24(&mut self, i: &ast::Instruction) -> Translated {
        let signedness = signedness(i.types[0]);
        let mut wide = [self.constant(Type::B64, 0); 2];
        for (wide, operand) in wide.iter_mut().zip(&i.operands[1..3]) {
            let value = self.source(operand, Type::B32)?;
            let zero = self.constant(Type::B32, 0);
            let length = self.constant(Type::B32, 24);
            let low = self.emit(
                Op::ExtractBits(signedness),
                &[value, zero, length],
                Type::B32,
            );
            *wide = match signedness {
                Signedness::Signed => self.emit(Op::SignExtend, &[low], Type::B64),
                Signedness::Unsigned => self.emit(Op::ZeroExtend, &[low], Type::B64),
            };
        }
        let product = self.emit(Op::Mul, &wide, Type::B64);
        // `.hi` gives bits 16 to 47 of the 48-bit product.
        let shift = self.constant(Type::B32, if has(i, Modifier::Hi) { 16 } else { 0 });
        let product = self.emit(Op::Shr(Signedness::Unsigned), &[product, shift], Type::B64);
        let mut value = self.emit(Op::Truncate, &[product], Type::B32);
        if i.opcode == Opcode::Mad24 {
            let addend = self.source(&i.operands[3], Type::B32)?;
            value = self.emit(Op::Add, &[value, addend], Type::B32);
        }
        self.destination(&i.operands[0], value, is_signed(i))
    }

    /// `min` and `max` of two or three operands.
    pub(super) fn extremum(&mut self, i: &ast::Instruction) -> Translated {
        let is_min = i.opcode == Opcode::Min;
        if i.types[0].class() != Class::Float {
            let signedness = signedness(i.types[0]);
            let op = if is_min {
                Op::Min(signedness)
            } else {
                Op::Max(signedness)
            };
            if has(i, Modifier::Relu) {
                return Err(self.unsupported_instruction(i));
            }
            if matches!(i.types[0], words::Type::U16x2 | words::Type::S16x2) {
                return self.halfwise(i, op);
            }
            let value = self.binary(i, op)?;
            return self.destination(&i.operands[0], value, is_signed(i));
        }
        let mode = float_mode(i.modifiers);
        let op = if is_min {
            Op::FMin(mode)
        } else {
            Op::FMax(mode)
        };
        let by_magnitude = has(i, Modifier::XorSign);
        self.lanewise(i, i.operands.len() - 1, |t, ty, values| {
            let mut magnitudes = values.to_vec();
            if by_magnitude {
                for value in &mut magnitudes {
                    *value = t.emit(Op::FAbs, &[*value], ty);
                }
            }
            let mut value = magnitudes[1..]
                .iter()
                .fold(magnitudes[0], |a, &b| t.emit(op, &[a, b], ty));
            if by_magnitude {
                value = t.with_sign_of_product(values, value);
            }
            if has(i, Modifier::Nan) {
                value = t.nan_if_nan(values, value);
            }
            t.relu_if(i, value)
        })
    }

    /// A magnitude with the sign that a product of the operands has.
    fn with_sign_of_product(&mut self, operands: &[Value], magnitude: Value) -> Value {
        let ty = self.function.ty(magnitude);
        let bits: Vec<_> = operands
            .iter()
            .map(|&operand| self.bitcast(operand, ty.as_bits()))
            .collect();
        let signs = bits[1..]
            .iter()
            .fold(bits[0], |a, &b| self.emit(Op::Xor, &[a, b], ty.as_bits()));
        let signs = self.bitcast(signs, ty);
        self.emit(Op::CopySign, &[signs, magnitude], ty)
    }

    /// An integer operation on the two halves of a register.
    fn halfwise(&mut self, i: &ast::Instruction, op: Op) -> Translated {
        let a = self.source(&i.operands[1], Type::B32)?;
        let b = self.source(&i.operands[2], Type::B32)?;
        let halves = [0, 1].map(|half| {
            let [a, b] = [a, b].map(|v| self.emit(Op::Extract(half), &[v], Type::B16));
            self.emit(op, &[a, b], Type::B16)
        });
        let value = self.emit(Op::Concat, &halves, Type::B32);
        self.destination(&i.operands[0], value, false)
    }

    /// `abs` and `neg` of bf16: integers, so that no device flushes what it is given.
    fn bfloat_sign(&mut self, i: &ast::Instruction) -> Translated {
        let (op, mask) = match i.opcode {
            Opcode::Abs => (Op::And, 0x7FFF),
            Opcode::Neg => (Op::Xor, 0x8000),
            _ => return Err(self.unsupported_instruction(i)),
        };
        let ty = self.ty(i.types[0])?;
        let register = self.source(&i.operands[1], ty)?;
        let mask = self.constant(Type::B16, mask);
        let value = match i.types[0] {
            words::Type::Bf16x2 => {
                let halves = [0, 1].map(|half| {
                    let half = self.emit(Op::Extract(half), &[register], Type::B16);
                    self.bfloat_or_nan(half, op, mask)
                });
                self.emit(Op::Concat, &halves, ty)
            }
            _ => self.bfloat_or_nan(register, op, mask),
        };
        self.destination(&i.operands[0], value, false)
    }

    /// The operation's bits, or for any NaN the one that results are.
    fn bfloat_or_nan(&mut self, bits: Value, op: Op, mask: Value) -> Value {
        let [magnitude, infinity, nan] =
            [0x7FFF, 0x7F80, 0x7FFF].map(|bits| self.constant(Type::B16, bits));
        let magnitude = self.emit(Op::And, &[bits, magnitude], Type::B16);
        let above = IntegerComparison {
            condition: Condition::Gt,
            signedness: Signedness::Unsigned,
        };
        let is_nan = self.emit(Op::Compare(above), &[magnitude, infinity], Type::B1);
        let number = self.emit(op, &[bits, mask], Type::B16);
        self.emit(Op::Select, &[is_nan, nan, number], Type::B16)
    }

    pub(super) fn sign(&mut self, i: &ast::Instruction) -> Translated {
        if matches!(i.types[0], words::Type::Bf16 | words::Type::Bf16x2) {
            return self.bfloat_sign(i);
        }
        if i.types[0].class() != Class::Float {
            let ty = self.ty(i.types[0])?;
            let op = match i.opcode {
                Opcode::Abs => Op::Abs,
                Opcode::Neg => Op::Neg,
                _ => return Err(self.unsupported_instruction(i)),
            };
            let value = self.source(&i.operands[1], ty)?;
            let value = self.emit(op, &[value], ty);
            return self.destination(&i.operands[0], value, is_signed(i));
        }
        let op = match i.opcode {
            Opcode::Abs => Op::FAbs,
            Opcode::Neg => Op::FNeg,
            _ => Op::CopySign,
        };
        let flush = has(i, Modifier::Ftz);
        self.lanewise(i, i.operands.len() - 1, |t, ty, values| {
            let value = t.emit(op, values, ty);
            match flush {
                true => t.emit(Op::Flush, &[value], ty),
                false => value,
            }
        })
    }

    /// `sad`: the absolute difference plus the third operand.
    pub(super) fn absolute_difference_sum(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let signedness = signedness(i.types[0]);
        let a = self.source(&i.operands[1], ty)?;
        let b = self.source(&i.operands[2], ty)?;
        let c = self.source(&i.operands[3], ty)?;
        let most = self.emit(Op::Max(signedness), &[a, b], ty);
        let least = self.emit(Op::Min(signedness), &[a, b], ty);
        let difference = self.emit(Op::Sub, &[most, least], ty);
        let value = self.emit(Op::Add, &[difference, c], ty);
        self.destination(&i.operands[0], value, is_signed(i))
    }

    pub(super) fn dot_product(&mut self, i: &ast::Instruction) -> Translated {
        let signs = Signs {
            a: signedness(i.types[0]),
            b: signedness(i.types[1]),
        };
        let half = if has(i, Modifier::Hi) {
            Half::High
        } else {
            Half::Low
        };
        let op = match i.opcode {
            Opcode::Dp4a => Op::Dot4(signs),
            _ => Op::Dot2(Dot2 { signs, half }),
        };
        let mut values = Vec::new();
        for operand in &i.operands[1..] {
            values.push(self.source(operand, Type::B32)?);
        }
        let value = self.emit(op, &values, Type::B32);
        self.destination(&i.operands[0], value, false)
    }

    fn float_arithmetic(&mut self, i: &ast::Instruction) -> Translated {
        let mut mode = float_mode(i.modifiers);
        let is_bfloat = matches!(i.types[0], words::Type::Bf16 | words::Type::Bf16x2);
        if is_bfloat && i.opcode == Opcode::Fma {
            // The f32 between product and bf16 must not round to a tie.
            mode.rounding = Rounding::Odd;
        }
        let op = match i.opcode {
            Opcode::Add => Op::FAdd(mode),
            Opcode::Sub => Op::FSub(mode),
            Opcode::Mul => Op::FMul(mode),
            Opcode::Mad | Opcode::Fma => Op::Fma(mode),
            Opcode::Div => Op::FDiv(accuracy(i.modifiers)),
            _ => return Err(self.unsupported_instruction(i)),
        };
        if has(i, Modifier::Satfinite) {
            return Err(self.unsupported_instruction(i));
        }
        self.float(i, op)
    }

    pub(super) fn transcendental(&mut self, i: &ast::Instruction) -> Translated {
        let accuracy = accuracy(i.modifiers);
        let op = match i.opcode {
            Opcode::Rcp => Op::Reciprocal(accuracy),
            Opcode::Sqrt => Op::SquareRoot(accuracy),
            Opcode::Rsqrt => Op::ReciprocalRoot(accuracy),
            Opcode::Sin => Op::Sine(accuracy),
            Opcode::Cos => Op::Cosine(accuracy),
            Opcode::Ex2 => Op::Exp2(accuracy),
            Opcode::Lg2 => Op::Log2(accuracy),
            Opcode::Tanh => Op::Tanh(accuracy),
            _ => return Err(self.unsupported_instruction(i)),
        };
        self.float(i, op)
    }

    /// A floating-point operation of all source operands, saturated if the
    /// instruction says so.
    fn float(&mut self, i: &ast::Instruction, op: Op) -> Translated {
        let saturate = has(i, Modifier::Sat);
        self.lanewise(i, i.operands.len() - 1, |t, ty, values| {
            let value = t.emit(op, values, ty);
            match saturate {
                true => t.emit(Op::Saturate, &[value], ty),
                false => t.relu_if(i, value),
            }
        })
    }
}

/// How a PTX integer type reads its bits.
pub(super) const fn signedness(ty: words::Type) -> Signedness {
    match ty.class() {
        Class::Signed => Signedness::Signed,
        _ => Signedness::Unsigned,
    }
}

fn is_signed(i: &ast::Instruction) -> bool {
    super::operand::is_signed(i.types[0])
}

/// The rounding and flush mode that modifiers ask for.
pub(super) fn float_mode(modifiers: ModifierSet) -> FloatMode {
    use Modifier as M;
    let words = [
        M::Rn,
        M::Rz,
        M::Rm,
        M::Rp,
        M::Rna,
        M::Rni,
        M::Rzi,
        M::Rmi,
        M::Rpi,
    ];
    let rounding = match modifiers.first_of(&words) {
        Some(M::Rz | M::Rzi) => Rounding::Zero,
        Some(M::Rm | M::Rmi) => Rounding::Down,
        Some(M::Rp | M::Rpi) => Rounding::Up,
        Some(M::Rna) => Rounding::Away,
        _ => Rounding::Nearest,
    };
    FloatMode {
        rounding,
        flush: modifiers.has(M::Ftz),
    }
}

fn accuracy(modifiers: ModifierSet) -> Accuracy {
    let division = match modifiers.first_of(&[Modifier::Approx, Modifier::Full]) {
        Some(Modifier::Approx) => Division::Approximate,
        Some(_) => Division::Full,
        None => Division::Exact,
    };
    Accuracy {
        division,
        mode: float_mode(modifiers),
    }
}
