//! The order in which a warp's threads catch up with each other.

use crate::cfg::{predecessors, reverse_postorder};
use crate::ir::Function;
use crate::loops::{LoopId, Loops};

/// Each block's rank: a block comes after those that lead to it and after every
/// block of a loop that it is an exit of, so that threads which have left the
/// loop wait for those that still turn. Of a graph with irreducible loops only
/// the first holds. Unreachable blocks come last.
pub(super) fn ranks(function: &Function) -> Vec<u32> {
    let order = match Loops::new(function) {
        Ok(loops) => ordered(function, &loops),
        Err(_) => reverse_postorder(function)
            .into_iter()
            .map(|block| block.index())
            .collect(),
    };
    let mut ranks = vec![u32::MAX; function.blocks.len()];
    for (rank, block) in order.into_iter().enumerate() {
        ranks[block] = rank as u32;
    }
    ranks
}

/// A reverse postorder of the graph with an edge from each block that goes back
/// to a loop's header to each of the loop's exits.
fn ordered(function: &Function, loops: &Loops) -> Vec<usize> {
    let mut next: Vec<Vec<usize>> = function
        .blocks
        .iter()
        .map(|block| {
            block
                .terminator
                .edges()
                .iter()
                .map(|e| e.block.index())
                .collect()
        })
        .collect();
    let predecessors = predecessors(function);
    for (index, found) in loops.loops.iter().enumerate() {
        let id = LoopId(index as u32);
        let latches = predecessors[found.header.index()].iter();
        for latch in latches.filter(|&&block| loops.contains(Some(id), block)) {
            next[latch.index()].extend(found.exits.iter().map(|exit| exit.index()));
        }
    }
    let mut visited = vec![false; next.len()];
    let mut postorder = Vec::with_capacity(next.len());
    let mut stack = vec![(Function::ENTRY.index(), 0usize)];
    visited[Function::ENTRY.index()] = true;
    while let Some((block, place)) = stack.pop() {
        match next[block].get(place) {
            Some(&to) => {
                stack.push((block, place + 1));
                if !std::mem::replace(&mut visited[to], true) {
                    stack.push((to, 0));
                }
            }
            None => postorder.push(block),
        }
    }
    postorder.reverse();
    postorder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn a_loop_comes_before_its_exits() {
        // The exit is the header's first way out, and the body leaves early too.
        let function = parse(
            "function k {\nb0:\n  v0: b1 = const.1\n  jump b1\nb1:\n  branch v0 b4 b2\n\
             b2:\n  branch v0 b3 b5\nb3:\n  jump b1\nb4:\n  jump b5\nb5:\n  return\n",
        )
        .unwrap();
        let ranks = ranks(&function);
        for body in [1, 2, 3] {
            assert!(
                ranks[body] < ranks[4] && ranks[body] < ranks[5],
                "{ranks:?}"
            );
        }
        assert!(ranks[4] < ranks[5]);
    }
}
