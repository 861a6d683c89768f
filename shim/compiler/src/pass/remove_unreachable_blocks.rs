//! Blocks that no way leads to, and the numbering that follows from it.

use crate::cfg::reverse_postorder;
use crate::ir::{BlockId, Function};

/// Removes unreachable blocks and numbers the others in reverse postorder, so
/// that a walk over the blocks sees definitions before uses but for loops.
pub fn remove_unreachable_blocks(function: &mut Function) {
    let order = reverse_postorder(function);
    let mut place = vec![BlockId(u32::MAX); function.blocks.len()];
    for (new, old) in order.iter().enumerate() {
        place[old.index()] = BlockId(new as u32);
    }
    let mut old_blocks = std::mem::take(&mut function.blocks);
    for old in order {
        let mut block = std::mem::take(&mut old_blocks[old.index()]);
        block.renumber(&place);
        function.blocks.push(block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn what_is_left_is_numbered_in_reverse_postorder() {
        let mut function =
            parse("function k {\nb0:\n  jump b3\nb1:\n  return\nb2:\n  jump b1\nb3:\n  jump b1\n")
                .unwrap();
        remove_unreachable_blocks(&mut function);
        assert_eq!(
            function.to_string(),
            "function k {\nb0:\n  jump b1\nb1:\n  jump b2\nb2:\n  return\n}\n"
        );
    }
}
