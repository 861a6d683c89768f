//! Which values may differ between the threads that one invocation carries.
//!
//! The analysis runs on structured functions. A value is divergent if it is
//! computed from something divergent, or if control that depends on something
//! divergent chooses it: a parameter of the merge of a divergent selection, or
//! of a loop that threads leave in different iterations.

use crate::cfg::{Dominators, reverse_postorder};
use crate::front::words::SpecialRegister as R;
use crate::ir::{BlockId, Function, Instruction, Merge, Op, Space, Value};

/// The answer for one function.
#[derive(Debug)]
pub struct Divergence {
    values: Vec<bool>,
    /// Per block: whether it heads a loop that threads leave, or go on in, at
    /// different places.
    loops: Vec<bool>,
}

impl Divergence {
    /// Analyses a structured function.
    #[must_use]
    pub fn new(function: &Function) -> Self {
        let nest = Nest::new(function);
        let mut this = Self {
            values: vec![false; function.values.len()],
            loops: vec![false; function.blocks.len()],
        };
        while this.step(function, &nest) {}
        this
    }

    /// Whether threads of one invocation may have different values here.
    #[must_use]
    pub fn is_divergent(&self, value: Value) -> bool {
        self.values[value.index()]
    }

    /// Whether the loop that a block heads is divergent.
    #[must_use]
    pub fn is_divergent_loop(&self, header: BlockId) -> bool {
        self.loops[header.index()]
    }

    /// Whether a block's branch depends on something divergent.
    #[must_use]
    pub fn branches(&self, function: &Function, block: BlockId) -> bool {
        let condition = function[block].terminator.condition();
        condition.is_some_and(|condition| self.is_divergent(condition))
    }

    fn step(&mut self, function: &Function, nest: &Nest) -> bool {
        let before = self.count();
        for block in function.block_ids() {
            for instruction in &function[block].instructions {
                if self.instruction(instruction) {
                    instruction.results.iter().for_each(|&r| self.mark(r));
                }
            }
            for edge in function[block].terminator.edges() {
                let parameters = &function[edge.block].parameters;
                for (&parameter, &argument) in parameters.iter().zip(&edge.arguments) {
                    if self.is_divergent(argument) {
                        self.mark(parameter);
                    }
                }
                self.leave(function, nest, block, edge.block);
            }
            if let Some(Merge::Selection(merge)) = function[block].merge
                && self.branches(function, block)
            {
                self.mark_parameters(function, merge);
            }
        }
        self.count() != before
    }

    fn count(&self) -> usize {
        let marked = |flags: &[bool]| flags.iter().filter(|&&flag| flag).count();
        marked(&self.values) + marked(&self.loops)
    }

    fn mark(&mut self, value: Value) {
        self.values[value.index()] = true;
    }

    fn mark_parameters(&mut self, function: &Function, block: BlockId) {
        for &parameter in &function[block].parameters {
            self.mark(parameter);
        }
    }

    /// An edge to the merge or continue block of the innermost loop: if a
    /// divergent selection lies between, threads part there.
    fn leave(&mut self, function: &Function, nest: &Nest, from: BlockId, to: BlockId) {
        let Some(header) = nest.loop_left(function, from, to) else {
            return;
        };
        let mut construct = nest.around(function, from);
        while let Some(inner) = construct.filter(|&inner| inner != header) {
            if self.branches(function, inner) {
                self.loops[header.index()] = true;
            }
            construct = nest.parent[inner.index()];
        }
        if self.loops[header.index()]
            && let Some(Merge::Loop { merge, continuing }) = function[header].merge
        {
            self.mark_parameters(function, merge);
            if nest.entering[continuing.index()] > 1 {
                self.mark_parameters(function, continuing);
            }
        }
    }

    fn instruction(&self, i: &Instruction) -> bool {
        match i.op {
            Op::Special(special) => matches!(
                special.register,
                R::Tid
                    | R::Laneid
                    | R::LanemaskEq
                    | R::LanemaskLt
                    | R::LanemaskLe
                    | R::LanemaskGt
                    | R::LanemaskGe
            ),
            Op::Atomic(_) | Op::Shuffle(_) | Op::MatrixProduct(_) | Op::Scratch => true,
            // Each thread has local memory of its own.
            Op::Load(access) if access.space == Space::Local => true,
            // Answers about the whole warp are the same for all of it, as far
            // as all of it is here to ask.
            Op::Vote(_) | Op::Reduce(_) | Op::ActiveMask | Op::Barrier(_) => i
                .arguments
                .get(1)
                .is_some_and(|&mask| self.is_divergent(mask)),
            _ => i
                .arguments
                .iter()
                .any(|&argument| self.is_divergent(argument)),
        }
    }
}

/// Which construct each block lies in.
struct Nest {
    /// The header of the construct around the one that a block heads, or around
    /// the block.
    parent: Vec<Option<BlockId>>,
    /// Edges that enter each block.
    entering: Vec<usize>,
}

impl Nest {
    fn new(function: &Function) -> Self {
        let mut this = Self {
            parent: vec![None; function.blocks.len()],
            entering: vec![0; function.blocks.len()],
        };
        let mut seen = vec![false; function.blocks.len()];
        let mut work = vec![(Function::ENTRY, None)];
        while let Some((block, parent)) = work.pop() {
            if std::mem::replace(&mut seen[block.index()], true) {
                continue;
            }
            this.parent[block.index()] = parent;
            let merge = function[block].merge;
            let inside = if merge.is_some() { Some(block) } else { parent };
            // What follows a construct lies where the construct does.
            match merge {
                Some(Merge::Selection(merge)) => work.push((merge, parent)),
                Some(Merge::Loop { merge, continuing }) => {
                    work.push((continuing, inside));
                    work.push((merge, parent));
                }
                None => {}
            }
            // Merges were pushed before the ways into the construct and are
            // marked now, so that an edge to one is no way into it.
            let ends: Vec<_> = work.iter().map(|&(block, _)| block).collect();
            for edge in function[block].terminator.edges() {
                this.entering[edge.block.index()] += 1;
                if !ends.contains(&edge.block) {
                    work.push((edge.block, inside));
                }
            }
        }
        this
    }

    /// The construct whose arms or body a block's edges leave: the one it heads
    /// itself, or the one around it.
    fn around(&self, function: &Function, block: BlockId) -> Option<BlockId> {
        match function[block].merge {
            Some(_) => Some(block),
            None => self.parent[block.index()],
        }
    }

    /// The header of the innermost loop, if an edge leads to its merge or
    /// continue block.
    fn loop_left(&self, function: &Function, from: BlockId, to: BlockId) -> Option<BlockId> {
        let mut construct = self.around(function, from);
        while let Some(header) = construct {
            if let Some(Merge::Loop { merge, continuing }) = function[header].merge {
                return (to == merge || to == continuing).then_some(header);
            }
            construct = self.parent[header.index()];
        }
        None
    }
}

/// Makes every value that is defined in a loop and used after it a parameter of
/// the loop's merge block, inner loops first: where threads leave at different
/// times, the value of each at its own time is what is meant.
pub fn close_loops(function: &mut Function) {
    let dominators = Dominators::new(function);
    // An inner header comes later in this order.
    for header in reverse_postorder(function).into_iter().rev() {
        let Some(Merge::Loop { merge, .. }) = function[header].merge else {
            continue;
        };
        // The construct, not the natural loop: an arm that ends in leaving the
        // loop belongs to it.
        let is_inside = |block: BlockId| {
            dominators.dominates(header, block) && !dominators.dominates(merge, block)
        };
        let inside: Vec<bool> = function.block_ids().map(is_inside).collect();
        close_loop(function, &inside, merge);
    }
}

fn close_loop(function: &mut Function, inside: &[bool], merge: BlockId) {
    let mut defined = vec![false; function.values.len()];
    for block in function.block_ids().filter(|b| inside[b.index()]) {
        let block = &function[block];
        let results = block.instructions.iter().flat_map(|i| i.results.iter());
        let constants = block
            .instructions
            .iter()
            .filter(|i| matches!(i.op, Op::Const(_)));
        block
            .parameters
            .iter()
            .chain(results)
            .for_each(|v| defined[v.index()] = true);
        // A constant is the same at every time.
        constants.for_each(|i| defined[i.results[0].index()] = false);
    }
    let mut used = Vec::new();
    for block in function.block_ids().filter(|b| !inside[b.index()]) {
        let mut visit = |value: Value| {
            if defined[value.index()] {
                used.push(value);
            }
        };
        for instruction in &function[block].instructions {
            instruction.arguments.iter().copied().for_each(&mut visit);
        }
        function[block].terminator.for_each_value(&mut visit);
    }
    used.sort_unstable();
    used.dedup();
    for value in used {
        let parameter = function.value(function.ty(value));
        for block in function.block_ids() {
            if inside[block.index()] {
                for edge in function[block].terminator.edges_mut() {
                    if edge.block == merge {
                        edge.arguments.push(value);
                    }
                }
            } else {
                let replace = |v: &mut Value| *v = if *v == value { parameter } else { *v };
                for instruction in &mut function[block].instructions {
                    instruction.arguments.iter_mut().for_each(replace);
                }
                function[block].terminator.for_each_value_mut(replace);
            }
        }
        function[merge].parameters.push(parameter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Terminator, parse};

    #[test]
    fn a_loop_that_lanes_leave_at_different_times_diverges() {
        let mut function = parse(
            "function k {\nb0:\n  v0: b32 = special.tid.0\n  v1: b32 = const.1\n  v9: b64 = param.0\n  jump b1(v1)\n\
             b1(v2: b32):\n  loop b5 b4\n  jump b2\n\
             b2:\n  v3: b32 = iadd v2, v1\n  v4: b1 = icmp.lt.u v3, v0\n  selection b3\n  branch v4 b6 b7\n\
             b6:\n  jump b4\nb7:\n  jump b5\nb3:\n  unreachable\n\
             b4:\n  jump b1(v3)\nb5:\n  store.global.weak.sys.0 v9, v3\n  return\n",
        )
        .unwrap();
        close_loops(&mut function);
        crate::verify::verify(&function).unwrap();
        let divergence = Divergence::new(&function);
        // The counter is the same for all that still count.
        assert!(
            !divergence.is_divergent(function.blocks[1].parameters[0]),
            "{function}"
        );
        assert!(divergence.is_divergent_loop(BlockId(1)));
        let merge = function
            .blocks
            .iter()
            .find(|b| b.terminator == Terminator::Return)
            .unwrap();
        assert!(divergence.is_divergent(merge.parameters[0]));
    }

    #[test]
    fn what_blocks_share_is_uniform() {
        let function = parse(
            "function k {\nb0:\n  v0: b32 = special.ctaid.0\n  v1: b64 = param.0\n\
             \x20 v2: b32 = load.global.weak.sys.0 v1\n  v3: b32 = iadd v0, v2\n\
             \x20 v4: b32 = special.laneid.0\n  v5: b32 = iadd v3, v4\n  return\n",
        )
        .unwrap();
        let divergence = Divergence::new(&function);
        let divergent: Vec<_> = (0..6).map(|v| divergence.is_divergent(Value(v))).collect();
        assert_eq!(divergent, [false, false, false, false, true, true]);
    }
}
