//! Several threads in one invocation: how a warp of 32 runs on subgroups that
//! are narrower.
//!
//! Lane `l + size·k` of the warp is the `k`-th *lane* of invocation `l`. A value
//! that may differ between threads becomes one value a lane; what is the same
//! for all ([`Divergence`]) stays single, and so does its code. All lanes do an
//! instruction before any does the next, so the threads of a warp stay together
//! as on hardware.
//!
//! # Masks
//! Each lane has a predicate, its *mask*: whether it is here. A selection on a
//! uniform condition stays a selection. On a divergent one both arms run, one
//! after the other, each if any lane takes it; at the merge the second arm's
//! lanes are selected by mask. A lane that leaves a loop loses its mask until the loop has
//! ended for all, and what it takes along is frozen by the same selects. Where
//! no lane can be missing no mask is kept and nothing is selected.

mod memory;
mod warp;

use smallvec::SmallVec;

use crate::cfg::predecessors;
use crate::divergence::{Divergence, close_loops};
use crate::ir::{BlockId, Edge, Function, Instruction, Merge, Op, Terminator, Type, Value};
use crate::ssa::{Variable, Variables, repair};
use Type::B1;

/// Lanes of a warp.
const WARP: u32 = 32;

/// Why a function cannot run several threads in one invocation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplicateError {
    /// An operation that has no form for several lanes yet.
    #[error("`{op}` is not supported on subgroups narrower than a warp")]
    Unsupported {
        /// The operation.
        op: String,
        /// The byte of the PTX text it came from.
        offset: u32,
    },
}

/// Makes each invocation of subgroups of `subgroup_size` carry the lanes of a
/// warp that it must. Operations of the warp become operations of the subgroup.
///
/// # Errors
/// [`ReplicateError`].
pub fn replicate(function: &mut Function, subgroup_size: u32) -> Result<(), ReplicateError> {
    close_loops(function);
    let divergence = Divergence::new(function);
    let mut writer = Writer::new(function, &divergence, subgroup_size);
    writer.whole()?;
    let mut new = writer.new;
    writer.variables.finish(&mut new);
    repair(&mut new);
    super::eliminate_dead_code(&mut new);
    *function = new;
    Ok(())
}

/// The values of the lanes: one for a uniform value.
type Lanes = SmallVec<[Value; 4]>;

/// Where the arms of the selection being written meet.
#[derive(Clone, Copy)]
struct End {
    merge: BlockId,
    /// Whether lanes have come there by the other arm, whose values stay.
    joins: bool,
}

/// A loop that is being written.
struct Open {
    merge: BlockId,
    continuing: BlockId,
    new_merge: BlockId,
    new_continuing: BlockId,
    header: BlockId,
    divergent: bool,
    /// Whether lanes have gone on with the loop before.
    continued: bool,
}

struct Writer<'f> {
    old: &'f Function,
    divergence: &'f Divergence,
    new: Function,
    variables: Variables,
    /// Lanes of an invocation.
    count: u32,
    /// Invocations of a subgroup.
    size: u32,
    map: Vec<Lanes>,
    /// The constants among the old values.
    known: Vec<Option<u64>>,
    /// Edges that enter each old block.
    entering: Vec<usize>,
    /// `None` where control has left.
    current: Option<BlockId>,
    /// Whether lanes may be missing.
    masked: bool,
    /// Whether lanes left in the selection being written.
    lost: bool,
    loops: Vec<Open>,
    offset: u32,
    temporaries: u32,
}

type Written<T = ()> = Result<T, ReplicateError>;

impl<'f> Writer<'f> {
    fn new(old: &'f Function, divergence: &'f Divergence, size: u32) -> Self {
        let count = WARP / size;
        let mut instructions = old.blocks.iter().flat_map(|block| &block.instructions);
        // Local memory in the scratch buffer is each thread's own already.
        let in_buffer = instructions.any(|i| i.op == Op::Scratch);
        let local_bytes = match in_buffer {
            true => old.local_bytes,
            false => memory::local_stride(old) * count,
        };
        let mut new = Function {
            values: Vec::new(),
            blocks: Vec::new(),
            local_bytes,
            ..old.clone()
        };
        let entry = new.block();
        Self {
            old,
            divergence,
            new,
            variables: Variables::default(),
            count,
            size,
            map: vec![Lanes::new(); old.values.len()],
            known: old.constants(),
            entering: predecessors(old).iter().map(Vec::len).collect(),
            current: Some(entry),
            masked: false,
            lost: false,
            loops: Vec::new(),
            offset: 0,
            temporaries: 0,
        }
    }

    fn whole(&mut self) -> Written {
        for lane in 0..self.count {
            let yes = self.constant(B1, 1);
            self.write(self.mask_variable(lane), yes);
        }
        self.sequence(Function::ENTRY, None)?;
        if let Some(block) = self.current {
            self.new[block].terminator = Terminator::Return;
        }
        Ok(())
    }

    fn parameter_variable(&self, parameter: Value, lane: u32) -> Variable {
        Variable(parameter.0 * self.count + lane)
    }

    fn mask_variable(&self, lane: u32) -> Variable {
        Variable(self.old.values.len() as u32 * self.count + lane)
    }

    /// The lanes that go on with the loop that `header` heads.
    fn going_on_variable(&self, header: BlockId, lane: u32) -> Variable {
        Variable((self.old.values.len() as u32 + 1 + header.0) * self.count + lane)
    }

    /// A variable of its own.
    fn temporary(&mut self) -> Variable {
        self.temporaries += 1;
        let used = self.old.values.len() + 1 + self.old.blocks.len();
        Variable(used as u32 * self.count + self.temporaries)
    }

    fn emit(&mut self, op: Op, arguments: &[Value], ty: Type) -> Value {
        let result = self.new.value(ty);
        self.push(op, arguments, smallvec::smallvec![result]);
        result
    }

    fn push(&mut self, op: Op, arguments: &[Value], results: SmallVec<[Value; 1]>) {
        let Some(block) = self.current else { return };
        self.new[block].instructions.push(Instruction {
            op,
            arguments: arguments.into(),
            results,
            offset: self.offset,
        });
    }

    fn constant(&mut self, ty: Type, bits: u64) -> Value {
        self.emit(Op::Const(bits), &[], ty)
    }

    fn write(&mut self, variable: Variable, value: Value) {
        if let Some(block) = self.current {
            self.variables.write(block, variable, value);
        }
    }

    fn read(&mut self, variable: Variable, ty: Type) -> Value {
        let block = self.current.unwrap_or(Function::ENTRY);
        self.variables.read(&mut self.new, block, variable, ty)
    }

    fn mask(&mut self, lane: u32) -> Value {
        self.read(self.mask_variable(lane), B1)
    }

    fn masks(&mut self) -> Lanes {
        (0..self.count).map(|lane| self.mask(lane)).collect()
    }

    fn set_masks(&mut self, masks: &[Value]) {
        for (lane, &mask) in (0..).zip(masks) {
            self.write(self.mask_variable(lane), mask);
        }
    }

    /// The lanes that are here leave, for the rest of the loop or for ever.
    fn clear_masks(&mut self) {
        self.lost = true;
        let no = self.constant(B1, 0);
        let none: Lanes = (0..self.count).map(|_| no).collect();
        self.set_masks(&none);
    }

    fn any(&mut self, predicates: &[Value]) -> Value {
        let first = predicates[0];
        predicates[1..]
            .iter()
            .fold(first, |a, &b| self.emit(Op::Or, &[a, b], B1))
    }

    fn each(&mut self, op: Op, a: &[Value], b: &[Value]) -> Lanes {
        a.iter()
            .zip(b)
            .map(|(&a, &b)| self.emit(op, &[a, b], B1))
            .collect()
    }

    fn lane(&self, value: Value, lane: u32) -> Value {
        let lanes = &self.map[value.index()];
        lanes
            .get(lane as usize)
            .or(lanes.first())
            .copied()
            .unwrap_or(Value(0))
    }

    fn is_divergent(&self, value: Value) -> bool {
        self.divergence.is_divergent(value)
    }

    fn unsupported(&self, op: Op) -> ReplicateError {
        ReplicateError::Unsupported {
            op: op.to_string(),
            offset: self.offset,
        }
    }

    fn leave_to(&mut self, block: BlockId) {
        if let Some(current) = self.current.take() {
            self.new[current].terminator = Terminator::Jump(Edge::to(block));
        }
    }

    /// A selection without an else arm; afterwards the current block is its
    /// merge.
    fn only_if(&mut self, condition: Value, then: impl FnOnce(&mut Self) -> Written) -> Written {
        let Some(header) = self.current else {
            return Ok(());
        };
        let (arm, end) = (self.new.block(), self.new.block());
        self.new[header].merge = Some(Merge::Selection(end));
        self.new[header].terminator = Terminator::Branch {
            condition,
            then: Edge::to(arm),
            otherwise: Edge::to(end),
        };
        self.current = Some(arm);
        then(self)?;
        self.leave_to(end);
        self.current = Some(end);
        Ok(())
    }

    /// Writes blocks from `start` until control comes to `end` or leaves.
    fn sequence(&mut self, start: BlockId, end: Option<End>) -> Written {
        let old = self.old;
        let mut block = start;
        while self.current.is_some() {
            self.parameters(block);
            if let Some(Merge::Loop { merge, continuing }) = old[block].merge {
                self.whole_loop(block, merge, continuing)?;
                block = merge;
                continue;
            }
            for instruction in &old[block].instructions {
                self.instruction(instruction)?;
            }
            match &old[block].terminator {
                Terminator::Jump(edge) => {
                    if !self.jump(edge, end) {
                        return Ok(());
                    }
                    block = edge.block;
                }
                Terminator::Branch {
                    condition,
                    then,
                    otherwise,
                } => {
                    let Some(Merge::Selection(merge)) = old[block].merge else {
                        self.current = None;
                        return Ok(());
                    };
                    self.selection(*condition, then, otherwise, merge)?;
                    block = merge;
                }
                Terminator::Return => {
                    self.finish_lanes();
                    return Ok(());
                }
                Terminator::Switch { .. } | Terminator::Unreachable => {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The threads here end. With lanes elsewhere only these do.
    fn finish_lanes(&mut self) {
        if self.masked {
            self.clear_masks();
        } else if let Some(block) = self.current.take() {
            self.new[block].terminator = Terminator::Return;
        }
    }

    fn parameters(&mut self, block: BlockId) {
        for &parameter in &self.old[block].parameters {
            let ty = self.old.ty(parameter);
            let lanes = if self.is_divergent(parameter) {
                self.count
            } else {
                1
            };
            self.map[parameter.index()] = (0..lanes)
                .map(|lane| self.read(self.parameter_variable(parameter, lane), ty))
                .collect();
        }
    }

    /// Passes an edge's arguments. With `merges` only those of the lanes that are
    /// here: others have passed theirs. What a lane that is elsewhere gets does
    /// not matter otherwise.
    fn pass(&mut self, edge: &Edge, merges: bool) {
        let parameters = &self.old[edge.block].parameters;
        let mut passed = Vec::new();
        for (&parameter, &argument) in parameters.iter().zip(&edge.arguments) {
            if !self.is_divergent(parameter) {
                let variable = self.parameter_variable(parameter, 0);
                passed.push((variable, self.lane(argument, 0)));
                continue;
            }
            for lane in 0..self.count {
                let variable = self.parameter_variable(parameter, lane);
                let mut value = self.lane(argument, lane);
                if merges {
                    let ty = self.old.ty(parameter);
                    let (mask, before) = (self.mask(lane), self.read(variable, ty));
                    value = self.emit(Op::Select, &[mask, value, before], ty);
                }
                passed.push((variable, value));
            }
        }
        for (variable, value) in passed {
            self.write(variable, value);
        }
    }

    /// Forgets what was passed to a block before.
    fn forget_parameters(&mut self, block: BlockId) {
        for &parameter in &self.old[block].parameters {
            let nothing = self
                .variables
                .undefined(&mut self.new, self.old.ty(parameter));
            for lane in 0..self.count {
                self.write(self.parameter_variable(parameter, lane), nothing);
            }
        }
    }

    /// Follows an edge; true where writing goes on at its target.
    fn jump(&mut self, edge: &Edge, end: Option<End>) -> bool {
        if let Some(end) = end.filter(|end| end.merge == edge.block) {
            self.pass(edge, end.joins);
            return false;
        }
        let open = self.loops.last_mut();
        let Some(open) = open.filter(|o| [o.merge, o.continuing].contains(&edge.block)) else {
            self.pass(edge, false);
            return true;
        };
        let leaves = edge.block == open.merge;
        if !open.divergent {
            let target = if leaves {
                open.new_merge
            } else {
                open.new_continuing
            };
            self.pass(edge, false);
            self.leave_to(target);
            return false;
        }
        let header = open.header;
        // Lanes leave in any iteration, and go on at any place of one.
        let merges = leaves || std::mem::replace(&mut open.continued, true);
        self.pass(edge, merges);
        if !leaves {
            for lane in 0..self.count {
                let variable = self.going_on_variable(header, lane);
                let (others, mask) = (self.read(variable, B1), self.mask(lane));
                let both = self.emit(Op::Or, &[others, mask], B1);
                self.write(variable, both);
            }
        }
        self.clear_masks();
        false
    }

    fn selection(
        &mut self,
        condition: Value,
        then: &Edge,
        otherwise: &Edge,
        merge: BlockId,
    ) -> Written {
        if self.is_divergent(condition) {
            return self.divergent_selection(condition, then, otherwise, merge);
        }
        let Some(header) = self.current else {
            return Ok(());
        };
        self.forget_parameters(merge);
        let arms = [self.new.block(), self.new.block()];
        let end = self.new.block();
        self.new[header].merge = Some(Merge::Selection(end));
        self.new[header].terminator = Terminator::Branch {
            condition: self.lane(condition, 0),
            then: Edge::to(arms[0]),
            otherwise: Edge::to(arms[1]),
        };
        let mut comes_out = false;
        let joins = false;
        for (arm, edge) in arms.into_iter().zip([then, otherwise]) {
            self.current = Some(arm);
            self.arm(edge, End { merge, joins })?;
            comes_out |= self.current.is_some();
            self.leave_to(end);
        }
        self.current = comes_out.then_some(end);
        Ok(())
    }

    fn arm(&mut self, edge: &Edge, end: End) -> Written {
        match self.jump(edge, Some(end)) {
            true => self.sequence(edge.block, Some(end)),
            false => Ok(()),
        }
    }

    fn divergent_selection(
        &mut self,
        condition: Value,
        then: &Edge,
        otherwise: &Edge,
        merge: BlockId,
    ) -> Written {
        let was_masked = std::mem::replace(&mut self.masked, true);
        let lost_before = std::mem::take(&mut self.lost);
        let before = self.masks();
        let taken: Lanes = (0..self.count)
            .map(|lane| self.lane(condition, lane))
            .collect();
        let not: Lanes = taken
            .iter()
            .map(|&c| self.emit(Op::Not, &[c], B1))
            .collect();
        self.forget_parameters(merge);
        let mut joins = false;
        let mut left: Option<Lanes> = None;
        for (predicates, edge) in [(taken, then), (not, otherwise)] {
            let here = self.each(Op::And, &before, &predicates);
            self.set_masks(&here);
            let any = self.any(&here);
            self.only_if(any, |writer| writer.arm(edge, End { merge, joins }))?;
            joins = self.entering[merge.index()] > 1;
            let remaining = self.masks();
            left = Some(match left {
                None => remaining,
                Some(first) => self.each(Op::Or, &first, &remaining),
            });
        }
        match left {
            Some(left) if self.lost => self.set_masks(&left),
            _ => self.set_masks(&before),
        }
        self.masked = was_masked || self.lost;
        self.lost |= lost_before;
        Ok(())
    }

    fn whole_loop(&mut self, header: BlockId, merge: BlockId, continuing: BlockId) -> Written {
        let divergent = self.divergence.is_divergent_loop(header);
        let [new_header, body, new_continuing, new_merge] = [(); 4].map(|()| self.new.block());
        let before = self.masks();
        let (was_masked, lost_before) = (self.masked, self.lost);
        // The parameters were read to be written anew by every way in.
        self.hand_over(header);
        self.forget_parameters(merge);
        self.leave_to(new_header);
        self.new[new_header].merge = Some(Merge::Loop {
            merge: new_merge,
            continuing: new_continuing,
        });
        self.current = Some(new_header);
        self.parameters(header);
        self.leave_to(body);
        self.current = Some(body);
        self.loops.push(Open {
            merge,
            continuing,
            new_merge,
            new_continuing,
            header,
            divergent,
            continued: false,
        });
        self.forget_parameters(continuing);
        if divergent {
            self.masked = true;
            let no = self.constant(B1, 0);
            for lane in 0..self.count {
                self.write(self.going_on_variable(header, lane), no);
            }
        }
        let old = self.old;
        for instruction in &old[header].instructions {
            self.instruction(instruction)?;
        }
        if let Terminator::Jump(edge) = &old[header].terminator
            && self.jump(edge, None)
        {
            self.sequence(edge.block, None)?;
        }
        if divergent {
            self.repeat_or_leave(header);
        } else if let Some(block) = self.current.take() {
            self.new[block].terminator = Terminator::Unreachable;
        }
        self.loops.pop();
        self.current = Some(new_continuing);
        self.parameters(continuing);
        if let Terminator::Jump(edge) = &old[continuing].terminator {
            self.pass(edge, false);
        }
        self.leave_to(new_header);
        self.current = Some(new_merge);
        // Those that left the loop are here again.
        self.masked = was_masked;
        self.lost = lost_before;
        self.set_masks(&before);
        Ok(())
    }

    /// Writes a block's parameters, which are read already, back to their
    /// variables.
    fn hand_over(&mut self, block: BlockId) {
        for &parameter in &self.old[block].parameters {
            let lanes = self.map[parameter.index()].clone();
            for (lane, value) in (0..).zip(lanes) {
                self.write(self.parameter_variable(parameter, lane), value);
            }
        }
    }

    /// The end of a divergent loop's body: again for the lanes that go on, out
    /// if there are none.
    fn repeat_or_leave(&mut self, header: BlockId) {
        let Some(block) = self.current else { return };
        let (continuing, merge) = match self.loops.last() {
            Some(open) => (open.new_continuing, open.new_merge),
            None => return,
        };
        let again: Lanes = (0..self.count)
            .map(|lane| self.read(self.going_on_variable(header, lane), B1))
            .collect();
        self.set_masks(&again);
        let condition = self.any(&again);
        let arms = [self.new.block(), self.new.block()];
        let end = self.new.block();
        self.new[block].merge = Some(Merge::Selection(end));
        self.new[block].terminator = Terminator::Branch {
            condition,
            then: Edge::to(arms[0]),
            otherwise: Edge::to(arms[1]),
        };
        self.new[arms[0]].terminator = Terminator::Jump(Edge::to(continuing));
        self.new[arms[1]].terminator = Terminator::Jump(Edge::to(merge));
        self.current = None;
    }

    fn instruction(&mut self, i: &Instruction) -> Written {
        self.offset = i.offset;
        match i.op {
            Op::Load(access) => self.load(i, access.space),
            Op::Store(access) => self.store(i, access.space),
            Op::Atomic(_) => self.atomic(i),
            Op::Special(special) => {
                self.special(i, special);
                Ok(())
            }
            Op::Shuffle(mode) => {
                self.shuffle(i, mode);
                Ok(())
            }
            Op::Vote(mode) => {
                self.vote(i, mode);
                Ok(())
            }
            Op::ActiveMask => {
                let here = self.masks();
                let lanes = self.ballot(&here);
                self.map[i.results[0].index()] = smallvec::smallvec![lanes];
                Ok(())
            }
            Op::Trap(_) => {
                let here = self.masks();
                let any = self.any(&here);
                self.only_if(any, |writer| {
                    writer.push(i.op, &[], SmallVec::new());
                    Ok(())
                })
            }
            Op::Scratch => {
                self.scratch(i);
                Ok(())
            }
            Op::Reduce(op) => {
                self.reduce(i, op);
                Ok(())
            }
            Op::Match(_) => Err(self.unsupported(i.op)),
            _ => {
                self.plain(i);
                Ok(())
            }
        }
    }

    /// An operation that each lane does for itself; once if it is the same.
    fn plain(&mut self, i: &Instruction) {
        let divergent = i.results.iter().any(|&r| self.is_divergent(r));
        let lanes = if divergent { self.count } else { 1 };
        for &result in &i.results {
            self.map[result.index()].clear();
        }
        for lane in 0..lanes {
            let arguments: Lanes = i.arguments.iter().map(|&a| self.lane(a, lane)).collect();
            let results: SmallVec<[Value; 1]> = i
                .results
                .iter()
                .map(|&r| self.new.value(self.old.ty(r)))
                .collect();
            self.push(i.op, &arguments, results.clone());
            for (&old, new) in i.results.iter().zip(results) {
                self.map[old.index()].push(new);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn replicated(body: &str) -> String {
        let mut function = parse(&format!("function k {{\n{body}}}\n")).unwrap();
        replicate(&mut function, 8).unwrap();
        crate::verify::verify(&function).unwrap();
        function.to_string()
    }

    #[test]
    fn each_lane_selects_once_where_two_arms_meet() {
        let text = replicated(
            "b0:\n  v0: b32 = special.laneid.0\n  v1: b32 = const.3\n  v2: b1 = icmp.lt.u v0, v1\n\
             \x20 v9: b64 = param.0\n  selection b3\n  branch v2 b1 b2\n\
             b1:\n  v3: b32 = iadd v0, v1\n  jump b3(v3)\nb2:\n  v4: b32 = imul v0, v1\n  jump b3(v4)\n\
             b3(v5: b32):\n  store.global.weak.sys.0 v9, v5\n  return\n",
        );
        assert_eq!(text.matches("select ").count(), 4, "{text}");
        assert_eq!(text.matches("store.").count(), 4, "{text}");
    }

    #[test]
    fn lanes_that_leave_a_loop_keep_what_they_take_along() {
        let text = replicated(
            "b0:\n  v0: b32 = special.laneid.0\n  v1: b32 = const.1\n  v9: b64 = param.0\n  jump b1(v1)\n\
             b1(v2: b32):\n  loop b5 b4\n  jump b2\n\
             b2:\n  v3: b32 = iadd v2, v1\n  v4: b1 = icmp.lt.u v3, v0\n  selection b3\n  branch v4 b6 b7\n\
             b6:\n  jump b4\nb7:\n  jump b5\nb3:\n  unreachable\n\
             b4:\n  jump b1(v3)\nb5:\n  store.global.weak.sys.0 v9, v3\n  return\n",
        );
        // The counter is one for all lanes, its last value each lane's own.
        assert_eq!(text.matches("iadd").count(), 1 + 4, "{text}");
        assert_eq!(text.matches("select ").count(), 4, "{text}");
    }
}
