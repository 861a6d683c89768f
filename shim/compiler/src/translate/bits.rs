//! Logic, shifts, bit fields and permutation.

use super::arithmetic::signedness;
use super::{Translated, Translator, has};
use crate::front::ast::{self, Operand};
use crate::front::isa::Opcode;
use crate::front::words::{self, Modifier};
use crate::ir::{Op, PermuteMode, Signedness, Type, Value};

impl Translator<'_> {
    pub(super) fn logic(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let a = self.source(&i.operands[1], ty)?;
        let value = match i.opcode {
            Opcode::Not => self.emit(Op::Not, &[a], ty),
            Opcode::Cnot => {
                let zero = self.is_zero(a);
                self.coerce(zero, ty, false)
            }
            opcode => {
                let b = self.source(&i.operands[2], ty)?;
                let op = match opcode {
                    Opcode::And => Op::And,
                    Opcode::Or => Op::Or,
                    _ => Op::Xor,
                };
                self.emit(op, &[a, b], ty)
            }
        };
        self.destination(&i.operands[0], value, false)
    }

    /// Any function of three bits: the sum of the table's minterms, halved by
    /// deciding on one operand at a time.
    pub(super) fn lop3(&mut self, i: &ast::Instruction) -> Translated {
        let Operand::Immediate(ast::Immediate::Integer(table)) = i.operands[4] else {
            return Err(self.unsupported("lop3 without a constant table"));
        };
        if i.operands.len() > 5 {
            return Err(self.unsupported_instruction(i));
        }
        let mut values = Vec::new();
        for operand in &i.operands[1..4] {
            values.push(self.source(operand, Type::B32)?);
        }
        let value = self.table_logic(table as u32 & 0xFF, 8, &values);
        self.destination(&i.operands[0], value, false)
    }

    /// The function whose value at the operands' bits, read as a number with
    /// the first operand highest, is that bit of `table`.
    fn table_logic(&mut self, table: u32, len: u32, operands: &[Value]) -> Value {
        let ty = Type::B32;
        if table == 0 {
            return self.constant(ty, 0);
        }
        if table == (1 << len) - 1 {
            return self.constant(ty, u64::from(u32::MAX));
        }
        let (first, rest) = (operands[0], &operands[1..]);
        let half = len / 2;
        let (low, high) = (table & ((1 << half) - 1), table >> half);
        let all = (1u32 << half) - 1;
        match (low, high) {
            (low, high) if low == high => self.table_logic(low, half, rest),
            (0, high) if high == all => first,
            (low, 0) if low == all => self.emit(Op::Not, &[first], ty),
            (0, high) => {
                let value = self.table_logic(high, half, rest);
                self.emit(Op::And, &[first, value], ty)
            }
            (low, high) if high == all => {
                let value = self.table_logic(low, half, rest);
                self.emit(Op::Or, &[first, value], ty)
            }
            (low, high) if low == high ^ all => {
                let value = self.table_logic(low, half, rest);
                self.emit(Op::Xor, &[first, value], ty)
            }
            (low, high) => {
                let high = self.table_logic(high, half, rest);
                let low = self.table_logic(low, half, rest);
                let high = self.emit(Op::And, &[first, high], ty);
                let not = self.emit(Op::Not, &[first], ty);
                let low = self.emit(Op::And, &[not, low], ty);
                self.emit(Op::Or, &[high, low], ty)
            }
        }
    }

    pub(super) fn shift(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let value = self.source(&i.operands[1], ty)?;
        let amount = self.source(&i.operands[2], Type::B32)?;
        let op = match i.opcode {
            Opcode::Shl => Op::Shl,
            _ => Op::Shr(signedness(i.types[0])),
        };
        let value = self.emit(op, &[value, amount], ty);
        self.destination(&i.operands[0], value, super::operand::is_signed(i.types[0]))
    }

    pub(super) fn funnel_shift(&mut self, i: &ast::Instruction) -> Translated {
        let low = self.source(&i.operands[1], Type::B32)?;
        let high = self.source(&i.operands[2], Type::B32)?;
        let amount = self.source(&i.operands[3], Type::B32)?;
        let left = has(i, Modifier::Left);
        let op = if left {
            Op::FunnelLeft
        } else {
            Op::FunnelRight
        };
        let mut value = self.emit(op, &[low, high, amount], Type::B32);
        if has(i, Modifier::Clamp) {
            let limit = self.constant(Type::B32, 32);
            let comparison = crate::ir::IntegerComparison {
                condition: crate::ir::Condition::Ge,
                signedness: Signedness::Unsigned,
            };
            let beyond = self.emit(Op::Compare(comparison), &[amount, limit], Type::B1);
            let whole = if left { low } else { high };
            value = self.emit(Op::Select, &[beyond, whole, value], Type::B32);
        }
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn count_bits(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let a = self.source(&i.operands[1], ty)?;
        let value = match i.opcode {
            Opcode::Popc => self.emit(Op::PopCount, &[a], Type::B32),
            Opcode::Clz => self.emit(Op::LeadingZeros, &[a], Type::B32),
            Opcode::Brev => self.emit(Op::ReverseBits, &[a], ty),
            _ => self.find_high_bit(i, a),
        };
        self.destination(&i.operands[0], value, false)
    }

    fn find_high_bit(&mut self, i: &ast::Instruction, a: Value) -> Value {
        let bits = u64::from(i.types[0].bits());
        let op = Op::FindHighBit(signedness(i.types[0]));
        let place = self.emit(op, &[a], Type::B32);
        if !has(i, Modifier::ShiftAmount) {
            return place;
        }
        // The shift that brings the bit to the top; none found stays all ones.
        let none = self.constant(Type::B32, u64::from(u32::MAX));
        let comparison = crate::ir::IntegerComparison {
            condition: crate::ir::Condition::Eq,
            signedness: Signedness::Unsigned,
        };
        let missing = self.emit(Op::Compare(comparison), &[place, none], Type::B1);
        let top = self.constant(Type::B32, bits - 1);
        let amount = self.emit(Op::Sub, &[top, place], Type::B32);
        self.emit(Op::Select, &[missing, none, amount], Type::B32)
    }

    pub(super) fn bit_field(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let a = self.source(&i.operands[1], ty)?;
        let value = match i.opcode {
            Opcode::Bfe => {
                let position = self.source(&i.operands[2], Type::B32)?;
                let length = self.source(&i.operands[3], Type::B32)?;
                let op = Op::ExtractBits(signedness(i.types[0]));
                self.emit(op, &[a, position, length], ty)
            }
            Opcode::Bfi => {
                let base = self.source(&i.operands[2], ty)?;
                let position = self.source(&i.operands[3], Type::B32)?;
                let length = self.source(&i.operands[4], Type::B32)?;
                self.emit(Op::InsertBits, &[a, base, position, length], ty)
            }
            Opcode::Bmsk if has(i, Modifier::Clamp) => {
                // Ones from position `a`, `b` of them: a shift of a mask clamps
                // both as the manual says.
                let length = self.source(&i.operands[2], Type::B32)?;
                let ones = self.constant(ty, u64::MAX);
                let above = self.emit(Op::Shl, &[ones, length], ty);
                let mask = self.emit(Op::Not, &[above], ty);
                self.emit(Op::Shl, &[mask, a], ty)
            }
            _ => return Err(self.unsupported_instruction(i)),
        };
        self.destination(&i.operands[0], value, super::operand::is_signed(i.types[0]))
    }

    pub(super) fn permute(&mut self, i: &ast::Instruction) -> Translated {
        use Modifier as M;
        let words = [M::F4e, M::B4e, M::Rc8, M::Ecl, M::Ecr, M::Rc16];
        let mode = match i.modifiers.first_of(&words) {
            Some(word) => PermuteMode::from_word(word.word()).unwrap_or(PermuteMode::Index),
            None => PermuteMode::Index,
        };
        let mut values = Vec::new();
        for operand in &i.operands[1..] {
            values.push(self.source(operand, Type::B32)?);
        }
        let value = self.emit(Op::Permute(mode), &values, Type::B32);
        self.destination(&i.operands[0], value, false)
    }

    /// `vshr.u32.u32.u32.clamp.add`: a shift plus a third operand.
    pub(super) fn video_shift(&mut self, i: &ast::Instruction) -> Translated {
        let words_only = i.types.iter().all(|&ty| ty == words::Type::U32);
        let plain = words_only && has(i, Modifier::Clamp) && !has(i, Modifier::Sat);
        let adds = has(i, Modifier::Add);
        let minimum_or_maximum = has(i, Modifier::Min) || has(i, Modifier::Max);
        if !plain || minimum_or_maximum || (adds != (i.operands.len() == 4)) {
            return Err(self.unsupported_instruction(i));
        }
        let a = self.source(&i.operands[1], Type::B32)?;
        let b = self.source(&i.operands[2], Type::B32)?;
        let op = match i.opcode {
            Opcode::Vshl => Op::Shl,
            _ => Op::Shr(Signedness::Unsigned),
        };
        let mut value = self.emit(op, &[a, b], Type::B32);
        if adds {
            let c = self.source(&i.operands[3], Type::B32)?;
            value = self.emit(Op::Add, &[value, c], Type::B32);
        }
        self.destination(&i.operands[0], value, false)
    }
}
