//! Barriers and the operations of a warp.

use super::{Translated, Translator, has};
use crate::front::ast::{self, Operand};
use crate::front::isa::Opcode;
use crate::front::words::{self, Class, Modifier};
use crate::ir::{BarrierOp, MatchKind, Op, ReduceOp, ShuffleMode, Type, Value, VoteMode};

/// The member mask of instructions that have none: the whole warp.
pub(super) const ALL_LANES: u64 = 0xFFFF_FFFF;

impl Translator<'_> {
    pub(super) fn barrier(&mut self, i: &ast::Instruction) -> Translated {
        if has(i, Modifier::Warp) {
            let mask = self.member_mask(i.operands.first())?;
            self.effect(Op::WarpBarrier, &[mask]);
            return Ok(());
        }
        if has(i, Modifier::Red) {
            return self.barrier_reduction(i);
        }
        let op = match has(i, Modifier::Arrive) {
            true => BarrierOp::Arrive,
            false => BarrierOp::Sync,
        };
        let arguments = self.barrier_operands(&i.operands)?;
        self.effect(Op::Barrier(op), &arguments);
        Ok(())
    }

    /// The barrier's number and its thread count, 0 for the whole block.
    fn barrier_operands(&mut self, operands: &[Operand]) -> Translated<[Value; 2]> {
        let mut values = [self.constant(Type::B32, 0); 2];
        for (value, operand) in values.iter_mut().zip(operands) {
            *value = self.source(operand, Type::B32)?;
        }
        Ok(values)
    }

    fn barrier_reduction(&mut self, i: &ast::Instruction) -> Translated {
        let (op, ty) = match i
            .modifiers
            .first_of(&[Modifier::And, Modifier::Or, Modifier::Popc])
        {
            Some(Modifier::And) => (BarrierOp::All, Type::B1),
            Some(Modifier::Or) => (BarrierOp::Any, Type::B1),
            _ => (BarrierOp::Count, Type::B32),
        };
        let [destination, rest @ .., predicate] = i.operands.as_slice() else {
            return Err(self.unsupported_instruction(i));
        };
        let predicate = self.source(predicate, Type::B1)?;
        let [number, count] = self.barrier_operands(rest)?;
        let value = self.emit(Op::Barrier(op), &[predicate, number, count], ty);
        self.destination(destination, value, false)
    }

    fn member_mask(&mut self, operand: Option<&Operand>) -> Translated<Value> {
        match operand {
            Some(operand) => self.source(operand, Type::B32),
            None => Ok(self.constant(Type::B32, ALL_LANES)),
        }
    }

    pub(super) fn shuffle(&mut self, i: &ast::Instruction) -> Translated {
        use Modifier as M;
        let mode = match i.modifiers.first_of(&[M::Up, M::Down, M::Bfly, M::Idx]) {
            Some(M::Up) => ShuffleMode::Up,
            Some(M::Down) => ShuffleMode::Down,
            Some(M::Bfly) => ShuffleMode::Butterfly,
            Some(_) => ShuffleMode::Index,
            None => return Err(self.unsupported_instruction(i)),
        };
        let value = self.source(&i.operands[1], Type::B32)?;
        let lane = self.source(&i.operands[2], Type::B32)?;
        let clamp = self.source(&i.operands[3], Type::B32)?;
        let mask = self.member_mask(i.operands.get(4))?;
        let types = [Type::B32, Type::B1];
        let arguments = [value, lane, clamp, mask];
        let [value, in_range] = self.emit_pair(Op::Shuffle(mode), &arguments, types);
        self.destination(&i.operands[0], value, false)?;
        self.second_destination(&i.operands[0], in_range)
    }

    pub(super) fn vote(&mut self, i: &ast::Instruction) -> Translated {
        use Modifier as M;
        let (mode, ty) = match i.modifiers.first_of(&[M::All, M::Any, M::Uni, M::Ballot]) {
            Some(M::All) => (VoteMode::All, Type::B1),
            Some(M::Any) => (VoteMode::Any, Type::B1),
            Some(M::Uni) => (VoteMode::Uniform, Type::B1),
            Some(_) => (VoteMode::Ballot, Type::B32),
            None => return Err(self.unsupported_instruction(i)),
        };
        let predicate = self.source(&i.operands[1], Type::B1)?;
        let mask = self.member_mask(i.operands.get(2))?;
        let value = self.emit(Op::Vote(mode), &[predicate, mask], ty);
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn match_lanes(&mut self, i: &ast::Instruction) -> Translated {
        let ty = self.ty(i.types[0])?;
        let value = self.source(&i.operands[1], ty)?;
        let mask = self.member_mask(i.operands.get(2))?;
        let arguments = [value, mask];
        if has(i, Modifier::All) {
            let types = [Type::B32, Type::B1];
            let [lanes, all] = self.emit_pair(Op::Match(MatchKind::All), &arguments, types);
            self.destination(&i.operands[0], lanes, false)?;
            return self.second_destination(&i.operands[0], all);
        }
        let lanes = self.emit(Op::Match(MatchKind::Any), &arguments, Type::B32);
        self.destination(&i.operands[0], lanes, false)
    }

    pub(super) fn warp_reduce(&mut self, i: &ast::Instruction) -> Translated {
        use Modifier as M;
        let signed = i.types[0].class() == Class::Signed;
        let words = [M::Add, M::Min, M::Max, M::And, M::Or, M::Xor];
        let op = match i.modifiers.first_of(&words) {
            Some(M::Add) => ReduceOp::Add,
            Some(M::Min) if signed => ReduceOp::SignedMin,
            Some(M::Min) => ReduceOp::UnsignedMin,
            Some(M::Max) if signed => ReduceOp::SignedMax,
            Some(M::Max) => ReduceOp::UnsignedMax,
            Some(M::And) => ReduceOp::And,
            Some(M::Or) => ReduceOp::Or,
            Some(M::Xor) => ReduceOp::Xor,
            _ => return Err(self.unsupported_instruction(i)),
        };
        if i.types[0] == words::Type::F32 {
            return Err(self.unsupported_instruction(i));
        }
        let value = self.source(&i.operands[1], Type::B32)?;
        let mask = self.member_mask(i.operands.get(2))?;
        let value = self.emit(Op::Reduce(op), &[value, mask], Type::B32);
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn active_mask(&mut self, i: &ast::Instruction) -> Translated {
        let value = self.emit(Op::ActiveMask, &[], Type::B32);
        self.destination(&i.operands[0], value, false)
    }

    pub(super) fn sleep(&mut self, i: &ast::Instruction) -> Translated {
        debug_assert_eq!(i.opcode, Opcode::Nanosleep);
        let duration = self.source(&i.operands[0], Type::B32)?;
        self.effect(Op::Sleep, &[duration]);
        Ok(())
    }
}
