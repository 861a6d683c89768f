//! `brx.idx` becomes comparisons: SPIR-V's switch would need its own kind of
//! structured construct, and branch tables are rare.

use crate::ir::{
    BlockId, Condition, Edge, Function, Instruction, IntegerComparison, Op, Signedness, Terminator,
    Type, Value,
};

/// Replaces every switch by a chain of branches.
pub fn lower_switch(function: &mut Function) {
    for block in function.block_ids() {
        if let Terminator::Switch { selector, targets } = &function[block].terminator {
            let (selector, targets) = (*selector, targets.clone());
            lower(function, block, selector, targets);
        }
    }
}

fn lower(function: &mut Function, block: BlockId, selector: Value, mut targets: Vec<Edge>) {
    let Some(last) = targets.pop() else { return };
    let mut block = block;
    for (index, then) in targets.into_iter().enumerate() {
        let equal = compare(function, block, selector, index as u64);
        let next = function.block();
        function[block].terminator = Terminator::Branch {
            condition: equal,
            then,
            otherwise: Edge::to(next),
        };
        block = next;
    }
    function[block].terminator = Terminator::Jump(last);
}

fn compare(function: &mut Function, block: BlockId, selector: Value, index: u64) -> Value {
    let number = function.value(Type::B32);
    let equal = function.value(Type::B1);
    let comparison = IntegerComparison {
        condition: Condition::Eq,
        signedness: Signedness::Unsigned,
    };
    function[block].instructions.extend([
        Instruction {
            op: Op::Const(index),
            arguments: smallvec::smallvec![],
            results: smallvec::smallvec![number],
            offset: 0,
        },
        Instruction {
            op: Op::Compare(comparison),
            arguments: smallvec::smallvec![selector, number],
            results: smallvec::smallvec![equal],
            offset: 0,
        },
    ]);
    equal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn the_last_target_takes_what_is_beyond_the_list() {
        let mut function = parse(
            "function k {\nb0:\n  v0: b32 = const.1\n  switch v0 b1 b2 b1\nb1:\n  return\nb2:\n  return\n",
        )
        .unwrap();
        lower_switch(&mut function);
        crate::verify::verify(&function).unwrap();
        let last = function.blocks.last().unwrap();
        assert_eq!(last.terminator, Terminator::Jump(Edge::to(BlockId(1))));
    }
}
