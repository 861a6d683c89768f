//! Atomic operations on 16 bits or on packed halves: no device has them all, so
//! they are loops that compute a word and exchange it if nothing came between.

use super::{Translated, Translator};
use crate::front::ast::{self, Operand};
use crate::front::words;
use crate::ir::{
    Access, Atomic, AtomicOp, Condition, Edge, FloatMode, IntegerComparison, Op, Order, Signedness,
    Terminator, Type, Value,
};

impl Translator<'_> {
    /// The operation of an instruction on these source operands; the result is
    /// what memory held.
    pub(super) fn narrow_atomic(
        &mut self,
        i: &ast::Instruction,
        op: AtomicOp,
        memory: &Operand,
        sources: &[Operand],
    ) -> Translated<Value> {
        let ty = i.types[0];
        let packed = matches!(ty, words::Type::F16x2 | words::Type::Bf16x2);
        let operand = if packed { Type::B32 } else { Type::B16 };
        let mut values = Vec::new();
        for source in sources {
            values.push(self.source(source, operand)?);
        }
        let known = match op {
            AtomicOp::FloatAdd | AtomicOp::Exchange => values.len() == 1,
            AtomicOp::CompareExchange => values.len() == 2 && !packed,
            _ => false,
        };
        if !known {
            return Err(self.unsupported_instruction(i));
        }
        let (mut access, mut address) = self.access(i, memory)?;
        if access.order == Order::Weak {
            access.order = Order::Relaxed;
        }
        let mut shift = None;
        if !packed {
            let place = self.own_word(&mut access, address);
            address = place.0;
            shift = Some(place.1);
        }
        let old = self.exchanged(access, address, |t, old| match shift {
            None => t.updated_halves(ty, old, values[0]),
            Some(shift) => {
                let half = t.half_at(old, shift);
                let new = t.updated_half(ty, op, half, &values);
                t.with_half_at(old, shift, new)
            }
        });
        Ok(match shift {
            None => old,
            Some(shift) => self.half_at(old, shift),
        })
    }

    /// The address of the word that a half lies in, and how far from its low end.
    fn own_word(&mut self, access: &mut Access, address: Value) -> (Value, Value) {
        let offset = self.constant(Type::B64, access.offset.cast_unsigned());
        access.offset = 0;
        let address = self.emit(Op::Add, &[address, offset], Type::B64);
        let mask = self.constant(Type::B64, !3);
        let word = self.emit(Op::And, &[address, mask], Type::B64);
        let low = self.emit(Op::Truncate, &[address], Type::B32);
        let two = self.constant(Type::B32, 2);
        let place = self.emit(Op::And, &[low, two], Type::B32);
        let eight = self.constant(Type::B32, 8);
        (word, self.emit(Op::Mul, &[place, eight], Type::B32))
    }

    fn half_at(&mut self, word: Value, shift: Value) -> Value {
        let word = self.emit(Op::Shr(Signedness::Unsigned), &[word, shift], Type::B32);
        self.emit(Op::Truncate, &[word], Type::B16)
    }

    fn with_half_at(&mut self, word: Value, shift: Value, half: Value) -> Value {
        let ones = self.constant(Type::B32, 0xFFFF);
        let mask = self.emit(Op::Shl, &[ones, shift], Type::B32);
        let keep = self.emit(Op::Not, &[mask], Type::B32);
        let kept = self.emit(Op::And, &[word, keep], Type::B32);
        let half = self.emit(Op::ZeroExtend, &[half], Type::B32);
        let half = self.emit(Op::Shl, &[half, shift], Type::B32);
        self.emit(Op::Or, &[kept, half], Type::B32)
    }

    fn updated_half(
        &mut self,
        ty: words::Type,
        op: AtomicOp,
        old: Value,
        operands: &[Value],
    ) -> Value {
        match op {
            AtomicOp::Exchange => operands[0],
            AtomicOp::CompareExchange => {
                let equal = self.is_equal(old, operands[0]);
                self.emit(Op::Select, &[equal, operands[1], old], Type::B16)
            }
            _ => self.half_sum(ty, old, operands[0]),
        }
    }

    fn updated_halves(&mut self, ty: words::Type, old: Value, operand: Value) -> Value {
        let halves = [0, 1].map(|half| {
            let [a, b] = [old, operand].map(|v| self.emit(Op::Extract(half), &[v], Type::B16));
            self.half_sum(ty, a, b)
        });
        self.emit(Op::Concat, &halves, Type::B32)
    }

    /// The sum of two halves, as bits.
    fn half_sum(&mut self, ty: words::Type, a: Value, b: Value) -> Value {
        let add = Op::FAdd(FloatMode::NEAREST);
        if matches!(ty, words::Type::Bf16 | words::Type::Bf16x2) {
            let (a, b) = (self.from_bfloat(a), self.from_bfloat(b));
            let sum = self.emit(add, &[a, b], Type::F32);
            return self.nearest_bfloat(sum);
        }
        let (a, b) = (self.bitcast(a, Type::F16), self.bitcast(b, Type::F16));
        let sum = self.emit(add, &[a, b], Type::F16);
        self.bitcast(sum, Type::B16)
    }

    fn is_equal(&mut self, a: Value, b: Value) -> Value {
        let comparison = IntegerComparison {
            condition: Condition::Eq,
            signedness: Signedness::Unsigned,
        };
        self.emit(Op::Compare(comparison), &[a, b], Type::B1)
    }

    /// Exchanges a word for what `update` makes of it, again and again until
    /// nothing came between; the result is what it was.
    fn exchanged(
        &mut self,
        access: Access,
        address: Value,
        update: impl FnOnce(&mut Self, Value) -> Value,
    ) -> Value {
        let load = Access {
            order: Order::Relaxed,
            ..access
        };
        let first = self.emit(Op::Load(load), &[address], Type::B32);
        let [body, again, done] = [(); 3].map(|()| self.function.block());
        let to = |block, argument: Value| Edge {
            block,
            arguments: smallvec::smallvec![argument],
        };
        self.terminate(Terminator::Jump(to(body, first)));
        self.switch_to(body);
        let old = self.function.value(Type::B32);
        self.function[body].parameters.push(old);
        let new = update(self, old);
        let exchange = Op::Atomic(Atomic {
            op: AtomicOp::CompareExchange,
            access,
        });
        let found = self.emit(exchange, &[address, old, new], Type::B32);
        let unchanged = self.is_equal(found, old);
        self.branch(unchanged, done, again);
        self.switch_to(again);
        self.terminate(Terminator::Jump(to(body, found)));
        self.switch_to(done);
        old
    }
}
