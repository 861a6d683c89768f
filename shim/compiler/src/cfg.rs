//! Facts about a control-flow graph: orders and dominators.

use crate::ir::{BlockId, Function};

/// Blocks that control can reach, each before those that it leads to unless the
/// edge closes a loop.
#[must_use]
pub fn reverse_postorder(function: &Function) -> Vec<BlockId> {
    let mut visited = vec![false; function.blocks.len()];
    let mut postorder = Vec::with_capacity(function.blocks.len());
    let mut stack = vec![(Function::ENTRY, 0usize)];
    visited[0] = true;
    while let Some((block, next)) = stack.pop() {
        let edges = function[block].terminator.edges();
        match edges.get(next) {
            Some(edge) => {
                stack.push((block, next + 1));
                if !std::mem::replace(&mut visited[edge.block.index()], true) {
                    stack.push((edge.block, 0));
                }
            }
            None => postorder.push(block),
        }
    }
    postorder.reverse();
    postorder
}

/// For each block the blocks that lead to it, one entry an edge.
#[must_use]
pub fn predecessors(function: &Function) -> Vec<Vec<BlockId>> {
    let mut predecessors = vec![Vec::new(); function.blocks.len()];
    for from in function.block_ids() {
        for edge in function[from].terminator.edges() {
            predecessors[edge.block.index()].push(from);
        }
    }
    predecessors
}

/// The dominator tree of the reachable blocks.
#[derive(Debug)]
pub struct Dominators {
    /// The immediate dominator; the entry's is itself, an unreachable block has
    /// none.
    idom: Vec<Option<BlockId>>,
    /// When a walk of the tree enters and leaves each block.
    enter: Vec<u32>,
    leave: Vec<u32>,
}

impl Dominators {
    /// Computes the tree by the method of Cooper, Harvey and Kennedy.
    #[must_use]
    pub fn new(function: &Function) -> Self {
        let order = reverse_postorder(function);
        let edges: Vec<_> = function
            .block_ids()
            .map(|b| {
                let edges = function[b].terminator.edges();
                edges.iter().map(|e| e.block.index()).collect::<Vec<_>>()
            })
            .collect();
        let order: Vec<_> = order.iter().map(|b| b.index()).collect();
        let idom = immediate_dominators(&order, &edges);
        let (enter, leave) = number_tree(&order, &idom);
        Self {
            idom: idom
                .into_iter()
                .map(|i| i.map(|i| BlockId(i as u32)))
                .collect(),
            enter,
            leave,
        }
    }

    /// The immediate dominator of a reachable block other than the entry.
    #[must_use]
    pub fn immediate(&self, block: BlockId) -> Option<BlockId> {
        self.idom[block.index()].filter(|&idom| idom != block)
    }

    /// The reachable blocks, each followed by all that it dominates.
    #[must_use]
    pub fn preorder(&self) -> Vec<BlockId> {
        let reached = |block: &BlockId| self.idom[block.index()].is_some();
        let blocks = (0..self.idom.len() as u32).map(BlockId);
        let mut order: Vec<_> = blocks.filter(reached).collect();
        order.sort_unstable_by_key(|block| self.enter[block.index()]);
        order
    }

    /// Whether every way to `below` passes `above`; a block dominates itself.
    #[must_use]
    pub fn dominates(&self, above: BlockId, below: BlockId) -> bool {
        let (above, below) = (above.index(), below.index());
        self.idom[above].is_some()
            && self.idom[below].is_some()
            && self.enter[above] <= self.enter[below]
            && self.leave[below] <= self.leave[above]
    }
}

/// Immediate dominators in any graph: `order` is a reverse postorder that
/// starts with the root, `edges` the successors of each node. Nodes outside
/// `order` get none.
#[must_use]
pub fn immediate_dominators(order: &[usize], edges: &[Vec<usize>]) -> Vec<Option<usize>> {
    let mut place = vec![usize::MAX; edges.len()];
    for (index, &node) in order.iter().enumerate() {
        place[node] = index;
    }
    let mut predecessors = vec![Vec::new(); edges.len()];
    for &node in order {
        for &to in &edges[node] {
            predecessors[to].push(node);
        }
    }
    let mut idom: Vec<Option<usize>> = vec![None; edges.len()];
    let Some(&root) = order.first() else {
        return idom;
    };
    idom[root] = Some(root);
    let mut changed = true;
    while changed {
        changed = false;
        for &node in &order[1..] {
            let known = predecessors[node].iter().filter(|&&p| idom[p].is_some());
            let new = known.copied().reduce(|a, b| intersect(&idom, &place, a, b));
            if new.is_some() && idom[node] != new {
                idom[node] = new;
                changed = true;
            }
        }
    }
    idom
}

fn intersect(idom: &[Option<usize>], place: &[usize], mut a: usize, mut b: usize) -> usize {
    while a != b {
        while place[a] > place[b] {
            a = idom[a].unwrap_or(b);
        }
        while place[b] > place[a] {
            b = idom[b].unwrap_or(a);
        }
    }
    a
}

/// Numbers the tree so that an ancestor's interval encloses its descendants'.
fn number_tree(order: &[usize], idom: &[Option<usize>]) -> (Vec<u32>, Vec<u32>) {
    let mut children = vec![Vec::new(); idom.len()];
    for &node in order.iter().skip(1) {
        if let Some(parent) = idom[node] {
            children[parent].push(node);
        }
    }
    let (mut enter, mut leave) = (vec![0; idom.len()], vec![0; idom.len()]);
    let mut clock = 0;
    let mut stack: Vec<_> = order
        .first()
        .map(|&root| (root, 0usize))
        .into_iter()
        .collect();
    while let Some((node, next)) = stack.pop() {
        if next == 0 {
            clock += 1;
            enter[node] = clock;
        }
        match children[node].get(next) {
            Some(&child) => {
                stack.push((node, next + 1));
                stack.push((child, 0));
            }
            None => {
                clock += 1;
                leave[node] = clock;
            }
        }
    }
    (enter, leave)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn diamond_in_loop() -> Function {
        parse(
            "function k {\nb0:\n  v0: b1 = const.1\n  jump b1\nb1:\n  branch v0 b2 b3\n\
             b2:\n  jump b4\nb3:\n  jump b4\nb4:\n  branch v0 b1 b5\nb5:\n  return\nb6:\n  jump b5\n",
        )
        .unwrap()
    }

    #[test]
    fn unreachable_blocks_are_in_no_order_and_no_tree() {
        let function = diamond_in_loop();
        let order = reverse_postorder(&function);
        assert_eq!(order.len(), 6);
        assert_eq!(order[0], Function::ENTRY);
        let dominators = Dominators::new(&function);
        assert_eq!(dominators.immediate(BlockId(6)), None);
        assert!(!dominators.dominates(BlockId(6), BlockId(5)));
    }

    #[test]
    fn a_merge_is_dominated_by_its_fork() {
        let dominators = Dominators::new(&diamond_in_loop());
        assert_eq!(dominators.immediate(BlockId(4)), Some(BlockId(1)));
        assert!(dominators.dominates(BlockId(1), BlockId(5)));
        assert!(dominators.dominates(BlockId(4), BlockId(4)));
        assert!(!dominators.dominates(BlockId(2), BlockId(4)));
    }
}
