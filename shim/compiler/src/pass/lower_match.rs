//! `match`, and `redux` among part of a warp: each lane in turn tells all others
//! what it has.
//!
//! Halves of a warp may each do the operation with a mask of their own, in one
//! instruction; the operations of a subgroup know no masks.

use super::writer::Writer;
use crate::ir::{
    Condition, Function, Instruction, MatchKind, Op, ReduceOp, Signedness, Type, Value,
};
use Type::{B32, B64};

/// Lanes of a warp.
const WARP: u32 = 32;
/// The mask of all lanes.
const ALL_LANES: u64 = 0xFFFF_FFFF;

/// Replaces matches, and reductions whose mask is not known to be the whole warp.
pub fn lower_match(function: &mut Function) {
    let known = function.constants();
    let in_part = |i: &Instruction| match i.op {
        Op::Match(_) => true,
        Op::Reduce(_) => known[i.arguments[1].index()] != Some(ALL_LANES),
        _ => false,
    };
    for block in function.block_ids() {
        if !function[block].instructions.iter().any(in_part) {
            continue;
        }
        for i in std::mem::take(&mut function[block].instructions) {
            let mut writer = Writer {
                function,
                block,
                offset: i.offset,
            };
            match i.op {
                Op::Match(kind) => writer.matched(&i, kind),
                Op::Reduce(op) if in_part(&i) => writer.reduced(&i, op),
                _ => function[block].instructions.push(i),
            }
        }
    }
}

impl Writer<'_> {
    /// The members of the mask that are here.
    fn members(&mut self, mask: Value) -> Value {
        let here = self.emit(Op::ActiveMask, &[], B32);
        self.emit(Op::And, &[mask, here], B32)
    }

    /// What a lane of the warp has, of 32 bits or 64.
    fn of_numbered_lane(&mut self, value: Value, lane: u32, mask: Value) -> Value {
        if self.function.ty(value) == B64 {
            let words = [0, 1].map(|word| {
                let word = self.emit(Op::Extract(word), &[value], B32);
                self.of_numbered_lane(word, lane, mask)
            });
            return self.emit(Op::Concat, &words, B64);
        }
        let lane = self.constant(B32, u64::from(lane));
        self.of_lane(value, lane, mask)
    }

    fn matched(&mut self, i: &Instruction, kind: MatchKind) {
        let (value, mask) = (i.arguments[0], i.arguments[1]);
        let members = self.members(mask);
        let mut same = self.constant(B32, 0);
        for lane in 0..WARP {
            let theirs = self.of_numbered_lane(value, lane, mask);
            let equal = self.compare_unsigned(Condition::Eq, value, theirs);
            let (bit, none) = (self.constant(B32, 1 << lane), self.constant(B32, 0));
            let bit = self.emit(Op::Select, &[equal, bit, none], B32);
            same = self.emit(Op::Or, &[same, bit], B32);
        }
        if kind == MatchKind::Any {
            self.push(Op::And, &[same, members], &i.results);
            return;
        }
        let same = self.emit(Op::And, &[same, members], B32);
        let all = self.compare_unsigned(Condition::Eq, same, members);
        let none = self.constant(B32, 0);
        self.push(Op::Select, &[all, members, none], &i.results[..1]);
        if let Some(&result) = i.results.get(1) {
            self.push(Op::Or, &[all, all], &[result]);
        }
    }

    fn reduced(&mut self, i: &Instruction, op: ReduceOp) {
        let (value, mask) = (i.arguments[0], i.arguments[1]);
        let members = self.members(mask);
        let mut sum = self.constant(B32, identity(op));
        for lane in 0..WARP {
            let theirs = self.of_numbered_lane(value, lane, mask);
            let bit = self.constant(B32, 1 << lane);
            let chosen = self.emit(Op::And, &[members, bit], B32);
            let is_member = self.compare_unsigned(Condition::Eq, chosen, bit);
            let neutral = self.constant(B32, identity(op));
            let theirs = self.emit(Op::Select, &[is_member, theirs, neutral], B32);
            sum = self.emit(operation(op), &[sum, theirs], B32);
        }
        self.push(Op::Or, &[sum, sum], &i.results);
    }
}

/// The operation that a reduction repeats.
pub(super) const fn operation(op: ReduceOp) -> Op {
    match op {
        ReduceOp::Add => Op::Add,
        ReduceOp::SignedMin => Op::Min(Signedness::Signed),
        ReduceOp::SignedMax => Op::Max(Signedness::Signed),
        ReduceOp::UnsignedMin => Op::Min(Signedness::Unsigned),
        ReduceOp::UnsignedMax => Op::Max(Signedness::Unsigned),
        ReduceOp::And => Op::And,
        ReduceOp::Or => Op::Or,
        ReduceOp::Xor => Op::Xor,
    }
}

/// What a reduction starts from: it changes nothing.
pub(super) const fn identity(op: ReduceOp) -> u64 {
    match op {
        ReduceOp::Add | ReduceOp::UnsignedMax | ReduceOp::Or | ReduceOp::Xor => 0,
        ReduceOp::And | ReduceOp::UnsignedMin => ALL_LANES,
        ReduceOp::SignedMin => 0x7FFF_FFFF,
        ReduceOp::SignedMax => 0x8000_0000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn only_reductions_of_the_whole_warp_stay() {
        let mut function = parse(
            "function k {\nb0:\n  v0: b32 = special.laneid.0\n  v1: b32 = const.4294967295\n\
             \x20 v2: b32 = redux.add v0, v1\n  v3: b32 = redux.umax v0, v0\n\
             \x20 v4: b32, v5: b1 = match.all v0, v1\n  v6: b64 = param.0\n\
             \x20 v7: b32 = match.any v6, v1\n  return\n",
        )
        .unwrap();
        lower_match(&mut function);
        crate::verify::verify(&function).unwrap();
        let text = function.to_string();
        assert_eq!(text.matches("redux").count(), 1, "{text}");
        assert!(!text.contains("match"), "{text}");
        // A lane's 64 bits come as two words.
        assert_eq!(text.matches("shfl.idx").count(), 4 * 32, "{text}");
    }
}
