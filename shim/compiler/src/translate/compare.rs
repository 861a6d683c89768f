//! Comparison and selection.

use smallvec::SmallVec;

use super::arithmetic::{float_mode, signedness};
use super::{Translated, Translator, has};
use crate::front::ast;
use crate::front::words::{self, Class, Modifier};
use crate::ir::{
    Condition, FloatComparison, FloatCondition, IntegerComparison, Op, Signedness, Type, Value,
};

impl Translator<'_> {
    pub(super) fn setp(&mut self, i: &ast::Instruction) -> Translated {
        let holds = self.comparison(i, i.types[0])?;
        if let [low, high] = holds[..] {
            // Packed operands: the second destination is the upper half's.
            let (low, _) = self.combined(i, low, low)?;
            let (high, _) = self.combined(i, high, high)?;
            self.destination(&i.operands[0], low, false)?;
            return self.second_destination(&i.operands[0], high);
        }
        let not = self.emit(Op::Not, &[holds[0]], Type::B1);
        let (first, second) = self.combined(i, holds[0], not)?;
        self.destination(&i.operands[0], first, false)?;
        self.second_destination(&i.operands[0], second)
    }

    pub(super) fn set(&mut self, i: &ast::Instruction) -> Translated {
        use words::Type as P;
        let (ty, yes) = match i.types[0] {
            P::F32 => (Type::F32, u64::from(1f32.to_bits())),
            P::F16 | P::F16x2 => (Type::B16, 0x3C00),
            P::Bf16 | P::Bf16x2 => (Type::B16, 0x3F80),
            P::U16 | P::S16 => (Type::B16, 0xFFFF),
            // Packed operands: a half of the result for each.
            P::U32 | P::S32 if matches!(i.types[1], P::F16x2 | P::Bf16x2) => (Type::B16, 0xFFFF),
            P::U32 | P::S32 => (Type::B32, u64::from(u32::MAX)),
            _ => return Err(self.unsupported_instruction(i)),
        };
        let mut pieces = Vec::new();
        for holds in self.comparison(i, i.types[1])? {
            let (holds, _) = self.combined(i, holds, holds)?;
            let (yes, no) = (self.constant(ty, yes), self.constant(ty, 0));
            pieces.push(self.emit(Op::Select, &[holds, yes, no], ty));
        }
        let value = match pieces[..] {
            [value] => value,
            _ if ty == Type::B16 => self.emit(Op::Concat, &pieces, Type::B32),
            _ => return Err(self.unsupported_instruction(i)),
        };
        self.destination(&i.operands[0], value, false)
    }

    /// Combines a comparison and its negation with the third source.
    fn combined(
        &mut self,
        i: &ast::Instruction,
        holds: Value,
        not: Value,
    ) -> Translated<(Value, Value)> {
        use Modifier as M;
        let op = match i.modifiers.first_of(&[M::And, M::Or, M::Xor]) {
            Some(M::And) => Op::And,
            Some(M::Or) => Op::Or,
            Some(_) => Op::Xor,
            None => return Ok((holds, not)),
        };
        let Some(operand) = i.operands.get(3) else {
            return Err(self.unsupported_instruction(i));
        };
        let other = self.source(operand, Type::B1)?;
        let first = self.emit(op, &[holds, other], Type::B1);
        Ok((first, self.emit(op, &[not, other], Type::B1)))
    }

    /// Compares two operands; packed ones half by half, the lower first.
    fn comparison(
        &mut self,
        i: &ast::Instruction,
        ty: words::Type,
    ) -> Translated<SmallVec<[Value; 2]>> {
        let word = i.modifiers.first_of(&COMPARISONS);
        let word = word.ok_or_else(|| self.unsupported_instruction(i))?;
        let op = match ty.class() {
            Class::Float => Op::FCompare(FloatComparison {
                condition: float_condition(word).ok_or_else(|| self.unsupported_instruction(i))?,
                mode: float_mode(i.modifiers),
            }),
            _ => {
                let (condition, unsigned) =
                    integer_condition(word).ok_or_else(|| self.unsupported_instruction(i))?;
                let signedness = match unsigned {
                    true => Signedness::Unsigned,
                    false => signedness(ty),
                };
                Op::Compare(IntegerComparison {
                    condition,
                    signedness,
                })
            }
        };
        let [a, b] = [1, 2].map(|operand| self.compared(&i.operands[operand], ty));
        let pairs = a?.into_iter().zip(b?);
        Ok(pairs
            .map(|(a, b)| self.emit(op, &[a, b], Type::B1))
            .collect())
    }

    /// An operand of a comparison, or its halves.
    fn compared(
        &mut self,
        operand: &ast::Operand,
        ty: words::Type,
    ) -> Translated<SmallVec<[Value; 2]>> {
        Ok(match ty {
            words::Type::F16x2 | words::Type::Bf16x2 => {
                let register = self.source(operand, Type::B32)?;
                [0, 1]
                    .map(|half| self.packed_half(ty, register, half))
                    .into()
            }
            words::Type::Bf16 => {
                let bits = self.source(operand, Type::B16)?;
                smallvec::smallvec![self.from_bfloat(bits)]
            }
            _ => {
                let ty = self.ty(ty)?;
                smallvec::smallvec![self.source(operand, ty)?]
            }
        })
    }

    pub(super) fn selp(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let a = self.source(&i.operands[1], ty)?;
        let b = self.source(&i.operands[2], ty)?;
        let condition = self.source(&i.operands[3], Type::B1)?;
        let value = self.emit(Op::Select, &[condition, a, b], ty);
        self.destination(&i.operands[0], value, false)
    }

    /// `slct`: the first where the third operand is not negative.
    pub(super) fn slct(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let a = self.source(&i.operands[1], ty)?;
        let b = self.source(&i.operands[2], ty)?;
        let condition = match self.ty(i.types[1])? {
            Type::F32 => {
                let c = self.source(&i.operands[3], Type::F32)?;
                let zero = self.constant(Type::F32, 0);
                let comparison = FloatComparison {
                    condition: FloatCondition::Ge,
                    mode: float_mode(i.modifiers),
                };
                self.emit(Op::FCompare(comparison), &[c, zero], Type::B1)
            }
            _ => {
                let c = self.source(&i.operands[3], Type::B32)?;
                let zero = self.constant(Type::B32, 0);
                let comparison = IntegerComparison {
                    condition: Condition::Ge,
                    signedness: Signedness::Signed,
                };
                self.emit(Op::Compare(comparison), &[c, zero], Type::B1)
            }
        };
        let value = self.emit(Op::Select, &[condition, a, b], ty);
        self.destination(&i.operands[0], value, false)
    }

    /// `testp`: a property of the bits without the sign.
    pub(super) fn testp(&mut self, i: &ast::Instruction) -> Translated {
        use Modifier as M;
        let ty = self.ty(i.types[0])?;
        let (infinity, least_normal) = match ty {
            Type::F32 => (0x7F80_0000, 0x0080_0000),
            Type::F64 => (0x7FF0 << 48, 0x0010 << 48),
            _ => return Err(self.unsupported_instruction(i)),
        };
        let bits = self.source(&i.operands[1], ty.as_bits())?;
        let ty = ty.as_bits();
        let mask = self.constant(ty, ty.mask() >> 1);
        let magnitude = self.emit(Op::And, &[bits, mask], ty);
        let words = [
            M::Finite,
            M::Infinite,
            M::Number,
            M::NotANumber,
            M::Normal,
            M::Subnormal,
        ];
        // Each property is a range of magnitudes: the least and the one after
        // the most.
        let (least, after) = match i.modifiers.first_of(&words) {
            Some(M::Finite) => (0, infinity),
            Some(M::Infinite) => (infinity, infinity + 1),
            Some(M::Number) => (0, infinity + 1),
            Some(M::NotANumber) => (infinity + 1, ty.mask()),
            Some(M::Normal) => (least_normal, infinity),
            Some(M::Subnormal) => (1, least_normal),
            _ => return Err(self.unsupported_instruction(i)),
        };
        let compare = |condition| {
            Op::Compare(IntegerComparison {
                condition,
                signedness: Signedness::Unsigned,
            })
        };
        let (least, after) = (self.constant(ty, least), self.constant(ty, after));
        let above = self.emit(compare(Condition::Ge), &[magnitude, least], Type::B1);
        let below = self.emit(compare(Condition::Lt), &[magnitude, after], Type::B1);
        let mut value = self.emit(Op::And, &[above, below], Type::B1);
        if has(i, M::Normal) {
            // Zeros count as normal.
            let zero = self.is_zero(magnitude);
            value = self.emit(Op::Or, &[value, zero], Type::B1);
        }
        self.destination(&i.operands[0], value, false)
    }

    /// `x == 0`.
    pub(super) fn is_zero(&mut self, value: Value) -> Value {
        let zero = self.constant(self.function.ty(value), 0);
        let comparison = IntegerComparison {
            condition: Condition::Eq,
            signedness: Signedness::Unsigned,
        };
        self.emit(Op::Compare(comparison), &[value, zero], Type::B1)
    }
}

/// The comparisons, in an order without meaning.
const COMPARISONS: [Modifier; 18] = {
    use Modifier as M;
    [
        M::Eq,
        M::Ne,
        M::Lt,
        M::Le,
        M::Gt,
        M::Ge,
        M::Lo,
        M::Ls,
        M::Hi,
        M::Hs,
        M::Equ,
        M::Neu,
        M::Ltu,
        M::Leu,
        M::Gtu,
        M::Geu,
        M::Num,
        M::NanCompare,
    ]
};

/// The condition and whether the word itself says "unsigned".
fn integer_condition(word: Modifier) -> Option<(Condition, bool)> {
    use Modifier as M;
    Some(match word {
        M::Eq => (Condition::Eq, false),
        M::Ne => (Condition::Ne, false),
        M::Lt => (Condition::Lt, false),
        M::Le => (Condition::Le, false),
        M::Gt => (Condition::Gt, false),
        M::Ge => (Condition::Ge, false),
        M::Lo => (Condition::Lt, true),
        M::Ls => (Condition::Le, true),
        M::Hi => (Condition::Gt, true),
        M::Hs => (Condition::Ge, true),
        _ => return None,
    })
}

fn float_condition(word: Modifier) -> Option<FloatCondition> {
    match word {
        Modifier::NanCompare => Some(FloatCondition::Nan),
        _ => FloatCondition::from_word(word.word()),
    }
}
