//! What a thread sees of its place and of its warp: special registers, votes and
//! shuffles, for several threads in one invocation.

use super::super::lower_match::{identity, operation};
use super::{Lanes, WARP, Writer};
use crate::front::words::SpecialRegister as R;
use crate::ir::{
    Condition, Instruction, IntegerComparison, Op, ReduceOp, ShuffleMode, Signedness, Special,
    Type, Value, VoteMode,
};
use Type::{B1, B32};

impl Writer<'_> {
    fn register(&mut self, register: R, component: u32) -> Value {
        let special = Special {
            register,
            component,
        };
        self.emit(Op::Special(special), &[], B32)
    }

    /// The lane of the warp that a lane of this invocation is.
    fn lane_number(&mut self, lane: u32) -> Value {
        let own = self.register(R::Laneid, 0);
        let first = self.constant(B32, u64::from(self.size * lane));
        self.emit(Op::Add, &[own, first], B32)
    }

    pub(super) fn special(&mut self, i: &Instruction, special: Special) {
        if !self.is_divergent(i.results[0]) {
            return self.plain(i);
        }
        let ty = self.old.ty(i.results[0]);
        let lanes: Lanes = (0..self.count)
            .map(|lane| {
                let number = self.lane_number(lane);
                let value = match special.register {
                    R::Tid => self.thread_index(number, special.component),
                    R::Laneid => number,
                    register => self.lane_mask(register, number),
                };
                match ty {
                    B32 => value,
                    _ => self.emit(Op::ZeroExtend, &[value], ty),
                }
            })
            .collect();
        self.map[i.results[0].index()] = lanes;
    }

    /// The thread's index in one dimension of its block.
    fn thread_index(&mut self, lane: Value, component: u32) -> Value {
        let warp = self.register(R::Warpid, 0);
        let width = self.constant(B32, u64::from(WARP));
        let first = self.emit(Op::Mul, &[warp, width], B32);
        let mut number = self.emit(Op::Add, &[first, lane], B32);
        let divide = Op::Div(Signedness::Unsigned);
        for dimension in 0..component {
            let size = self.register(R::Ntid, dimension);
            number = self.emit(divide, &[number, size], B32);
        }
        if component == 2 {
            return number;
        }
        let size = self.register(R::Ntid, component);
        let quotient = self.emit(divide, &[number, size], B32);
        let whole = self.emit(Op::Mul, &[quotient, size], B32);
        self.emit(Op::Sub, &[number, whole], B32)
    }

    fn lane_mask(&mut self, register: R, lane: Value) -> Value {
        let one = self.constant(B32, 1);
        let bit = self.emit(Op::Shl, &[one, lane], B32);
        let below = self.emit(Op::Sub, &[bit, one], B32);
        match register {
            R::LanemaskEq => bit,
            R::LanemaskLt => below,
            R::LanemaskLe => self.emit(Op::Or, &[bit, below], B32),
            R::LanemaskGe => self.emit(Op::Not, &[below], B32),
            _ => {
                let upto = self.emit(Op::Or, &[bit, below], B32);
                self.emit(Op::Not, &[upto], B32)
            }
        }
    }

    /// The lanes of the warp whose predicates hold, of those that are here.
    pub(super) fn ballot(&mut self, predicates: &[Value]) -> Value {
        let mut all = None;
        for (lane, &predicate) in (0..).zip(predicates) {
            let here = self.mask(lane);
            let holds = self.emit(Op::And, &[predicate, here], B1);
            let bits = self.emit(Op::SubgroupBallot, &[holds], B32);
            let amount = self.constant(B32, u64::from(self.size * lane));
            let bits = self.emit(Op::Shl, &[bits, amount], B32);
            all = Some(match all {
                None => bits,
                Some(all) => self.emit(Op::Or, &[all, bits], B32),
            });
        }
        all.unwrap_or(Value(0))
    }

    fn compare(
        &mut self,
        condition: Condition,
        signedness: Signedness,
        a: Value,
        b: Value,
    ) -> Value {
        let comparison = IntegerComparison {
            condition,
            signedness,
        };
        self.emit(Op::Compare(comparison), &[a, b], B1)
    }

    pub(super) fn vote(&mut self, i: &Instruction, mode: VoteMode) {
        let predicates: Lanes = (0..self.count)
            .map(|l| self.lane(i.arguments[0], l))
            .collect();
        let yes = self.ballot(&predicates);
        let no: Lanes = predicates
            .iter()
            .map(|&p| self.emit(Op::Not, &[p], B1))
            .collect();
        let no = self.ballot(&no);
        let lanes = if self.is_divergent(i.results[0]) {
            self.count
        } else {
            1
        };
        self.map[i.results[0].index()] = (0..lanes)
            .map(|lane| {
                let mask = self.lane(i.arguments[1], lane);
                let yes = self.emit(Op::And, &[yes, mask], B32);
                let no = self.emit(Op::And, &[no, mask], B32);
                let zero = self.constant(B32, 0);
                let unsigned = Signedness::Unsigned;
                match mode {
                    VoteMode::Ballot => yes,
                    VoteMode::Any => self.compare(Condition::Ne, unsigned, yes, zero),
                    VoteMode::All => self.compare(Condition::Eq, unsigned, no, zero),
                    VoteMode::Uniform => {
                        let all = self.compare(Condition::Eq, unsigned, no, zero);
                        let none = self.compare(Condition::Eq, unsigned, yes, zero);
                        self.emit(Op::Or, &[all, none], B1)
                    }
                }
            })
            .collect();
    }

    /// A reduction of the whole warp: each invocation reduces its lanes that are
    /// here, then the subgroup what they have.
    pub(super) fn reduce(&mut self, i: &Instruction, op: ReduceOp) {
        let mut own = None;
        for lane in 0..self.count {
            let (value, here) = (self.lane(i.arguments[0], lane), self.mask(lane));
            let neutral = self.constant(B32, identity(op));
            let value = self.emit(Op::Select, &[here, value, neutral], B32);
            own = Some(match own {
                None => value,
                Some(own) => self.emit(operation(op), &[own, value], B32),
            });
        }
        let all = self.constant(B32, u64::from(u32::MAX));
        let own = own.unwrap_or(all);
        let value = self.emit(i.op, &[own, all], B32);
        self.map[i.results[0].index()] = smallvec::smallvec![value];
    }

    pub(super) fn shuffle(&mut self, i: &Instruction, mode: ShuffleMode) {
        let ty = self.old.ty(i.results[0]);
        let values: Lanes = (0..self.count)
            .map(|l| self.lane(i.arguments[0], l))
            .collect();
        let distance =
            self.known[i.arguments[1].index()].filter(|_| mode == ShuffleMode::Butterfly);
        // One lane of the whole warp that all read.
        let clamp = self.known[i.arguments[2].index()];
        let whole = self.known[i.arguments[1].index()]
            .filter(|_| mode == ShuffleMode::Index && clamp.is_some_and(|c| c & 0x1F1F == 31));
        let (mut read, mut in_range) = (Lanes::new(), Lanes::new());
        for lane in 0..self.count {
            let operand = self.lane(i.arguments[1], lane);
            let control = self.lane(i.arguments[2], lane);
            let (source, inside) = self.source_lane(mode, lane, operand, control);
            let own = values[lane as usize];
            let candidate = match (distance, whole) {
                (Some(distance), _) => Some(lane ^ ((distance as u32 & 31) / self.size)),
                (_, Some(source)) => Some((source as u32 & 31) / self.size),
                _ => None,
            };
            let value = match candidate {
                Some(other) => self.read_lane(&values[other as usize..=other as usize], source, ty),
                None => self.read_lane(&values, source, ty),
            };
            read.push(self.emit(Op::Select, &[inside, value, own], ty));
            in_range.push(inside);
        }
        self.map[i.results[0].index()] = read;
        self.map[i.results[1].index()] = in_range;
    }

    /// What lane `source` of the warp has: each of its invocation's candidates
    /// is fetched, and the right one chosen.
    fn read_lane(&mut self, candidates: &[Value], source: Value, ty: Type) -> Value {
        let inside = self.constant(B32, u64::from(self.size - 1));
        let invocation = self.emit(Op::And, &[source, inside], B32);
        let first = self.emit(Op::SubgroupShuffle, &[candidates[0], invocation], ty);
        if candidates.len() == 1 {
            return first;
        }
        let amount = self.constant(B32, u64::from(self.size.trailing_zeros()));
        let group = self.emit(Op::Shr(Signedness::Unsigned), &[source, amount], B32);
        let mut value = first;
        for (index, &candidate) in candidates.iter().enumerate().skip(1) {
            let fetched = self.emit(Op::SubgroupShuffle, &[candidate, invocation], ty);
            let number = self.constant(B32, index as u64);
            let is_it = self.compare(Condition::Eq, Signedness::Unsigned, group, number);
            value = self.emit(Op::Select, &[is_it, fetched, value], ty);
        }
        value
    }

    /// The lane to read and whether it is in range, as the PTX manual says.
    fn source_lane(
        &mut self,
        mode: ShuffleMode,
        lane: u32,
        operand: Value,
        control: Value,
    ) -> (Value, Value) {
        let ty = B32;
        let lane = self.lane_number(lane);
        let low = self.constant(ty, 31);
        let eight = self.constant(ty, 8);
        let operand = self.emit(Op::And, &[operand, low], ty);
        let clamp = self.emit(Op::And, &[control, low], ty);
        let mask = self.emit(Op::Shr(Signedness::Unsigned), &[control, eight], ty);
        let mask = self.emit(Op::And, &[mask, low], ty);
        let outside = self.emit(Op::Not, &[mask], ty);
        let least = self.emit(Op::And, &[lane, mask], ty);
        let most = self.emit(Op::And, &[clamp, outside], ty);
        let most = self.emit(Op::Or, &[least, most], ty);
        let source = match mode {
            ShuffleMode::Up => self.emit(Op::Sub, &[lane, operand], ty),
            ShuffleMode::Down => self.emit(Op::Add, &[lane, operand], ty),
            ShuffleMode::Butterfly => self.emit(Op::Xor, &[lane, operand], ty),
            ShuffleMode::Index => {
                let inside = self.emit(Op::And, &[operand, outside], ty);
                self.emit(Op::Or, &[least, inside], ty)
            }
        };
        let condition = match mode {
            ShuffleMode::Up => Condition::Ge,
            _ => Condition::Le,
        };
        let in_range = self.compare(condition, Signedness::Signed, source, most);
        (source, in_range)
    }
}
