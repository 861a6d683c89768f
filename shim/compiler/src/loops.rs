//! The nest of natural loops.

use crate::cfg::{Dominators, predecessors, reverse_postorder};
use crate::ir::{BlockId, Function};

/// A loop, by its place in [`Loops::loops`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopId(pub u32);

impl LoopId {
    /// The place in [`Loops::loops`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// The only block where control enters.
    pub header: BlockId,
    /// The loop around this one.
    pub parent: Option<LoopId>,
    /// The blocks outside that its edges lead to, each once.
    pub exits: Vec<BlockId>,
}

/// All loops of a function.
#[derive(Debug)]
pub struct Loops {
    /// The loops.
    pub loops: Vec<Loop>,
    innermost: Vec<Option<LoopId>>,
}

/// A loop with more than one entry: its blocks cannot be structured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("control enters the loop around {0} at more than one place")]
pub struct Irreducible(pub BlockId);

impl Loops {
    /// Finds the loops of a function.
    ///
    /// # Errors
    /// Where a loop has more than one entry.
    pub fn new(function: &Function) -> Result<Self, Irreducible> {
        let dominators = Dominators::new(function);
        let order = reverse_postorder(function);
        let mut place = vec![usize::MAX; function.blocks.len()];
        for (index, block) in order.iter().enumerate() {
            place[block.index()] = index;
        }
        let predecessors = predecessors(function);
        let mut this = Self {
            loops: Vec::new(),
            innermost: vec![None; function.blocks.len()],
        };
        // Inner headers come later in the order, so going backwards finds inner
        // loops first.
        for &header in order.iter().rev() {
            let mut latches = Vec::new();
            for &from in &predecessors[header.index()] {
                let retreats = place[from.index()] != usize::MAX
                    && place[from.index()] >= place[header.index()];
                match (retreats, dominators.dominates(header, from)) {
                    (true, true) => latches.push(from),
                    (true, false) => return Err(Irreducible(header)),
                    _ => {}
                }
            }
            if !latches.is_empty() {
                this.add(header, latches, &predecessors, &place);
            }
        }
        this.find_exits(function, &order);
        Ok(this)
    }

    /// Adds a loop: everything from which a latch is reached without passing
    /// the header.
    fn add(
        &mut self,
        header: BlockId,
        mut work: Vec<BlockId>,
        predecessors: &[Vec<BlockId>],
        place: &[usize],
    ) {
        let id = LoopId(self.loops.len() as u32);
        self.loops.push(Loop {
            header,
            parent: None,
            exits: Vec::new(),
        });
        self.innermost[header.index()] = Some(id);
        while let Some(block) = work.pop() {
            if place[block.index()] == usize::MAX {
                continue;
            }
            match self.outermost(block) {
                Some(outer) if outer == id => {}
                Some(outer) => {
                    self.loops[outer.index()].parent = Some(id);
                    let header = self.loops[outer.index()].header;
                    work.extend(&predecessors[header.index()]);
                }
                None => {
                    self.innermost[block.index()] = Some(id);
                    work.extend(&predecessors[block.index()]);
                }
            }
        }
    }

    fn outermost(&self, block: BlockId) -> Option<LoopId> {
        let mut id = self.innermost[block.index()]?;
        while let Some(parent) = self.loops[id.index()].parent {
            id = parent;
        }
        Some(id)
    }

    fn find_exits(&mut self, function: &Function, order: &[BlockId]) {
        for &block in order {
            for edge in function[block].terminator.edges() {
                let mut around = self.innermost(block);
                while let Some(id) = around.filter(|&id| !self.contains(Some(id), edge.block)) {
                    let exits = &mut self.loops[id.index()].exits;
                    if !exits.contains(&edge.block) {
                        exits.push(edge.block);
                    }
                    around = self.loops[id.index()].parent;
                }
            }
        }
    }

    /// The innermost loop that a block belongs to.
    #[must_use]
    pub fn innermost(&self, block: BlockId) -> Option<LoopId> {
        self.innermost[block.index()]
    }

    /// Whether a block belongs to a loop; every block belongs to the function.
    #[must_use]
    pub fn contains(&self, around: Option<LoopId>, block: BlockId) -> bool {
        let Some(around) = around else { return true };
        let mut id = self.innermost(block);
        while let Some(inner) = id {
            if inner == around {
                return true;
            }
            id = self.loops[inner.index()].parent;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn nested_loops_know_their_parents_and_exits() {
        let function = parse(
            "function k {\nb0:\n  v0: b1 = const.1\n  jump b1\nb1:\n  jump b2\n\
             b2:\n  branch v0 b3 b5\nb3:\n  branch v0 b2 b4\nb4:\n  branch v0 b1 b5\nb5:\n  return\n",
        )
        .unwrap();
        let loops = Loops::new(&function).unwrap();
        let inner = loops.innermost(BlockId(3)).unwrap();
        let outer = loops.innermost(BlockId(4)).unwrap();
        assert_eq!(loops.loops[inner.index()].parent, Some(outer));
        assert_eq!(loops.loops[inner.index()].exits, [BlockId(5), BlockId(4)]);
        assert_eq!(loops.loops[outer.index()].exits, [BlockId(5)]);
        assert!(
            loops.contains(Some(outer), BlockId(2)) && !loops.contains(Some(outer), BlockId(5))
        );
    }

    #[test]
    fn a_loop_with_two_entries_is_irreducible() {
        let function = parse(
            "function k {\nb0:\n  v0: b1 = const.1\n  branch v0 b1 b2\nb1:\n  jump b2\nb2:\n  jump b1\n",
        )
        .unwrap();
        assert!(Loops::new(&function).is_err());
    }
}
