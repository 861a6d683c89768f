//! Blocks whose size is no multiple of a warp.
//!
//! Where warps can be seen a workgroup is whole warps, so that the last one may
//! have invocations without a thread. They end before they do anything, which
//! also keeps them out of votes.

use super::displace_entry;
use super::writer::Writer;
use crate::front::words::SpecialRegister as R;
use crate::ir::{BlockId, Condition, Edge, Function, Op, Terminator, Type};

/// Makes invocations beyond the block's threads return at once. The comparison
/// is between specialization constants and folds away for whole warps.
pub fn retire_surplus_threads(function: &mut Function) {
    let body = displace_entry(function);
    let mut writer = Writer {
        function,
        block: Function::ENTRY,
        offset: 0,
    };
    let number = {
        let warp = writer.special(R::Warpid, 0);
        let width = writer.emit(Op::Const(32), &[], Type::B32);
        let first = writer.emit(Op::Mul, &[warp, width], Type::B32);
        let lane = writer.special(R::Laneid, 0);
        writer.emit(Op::Add, &[first, lane], Type::B32)
    };
    let threads = {
        let [x, y, z] = [0, 1, 2].map(|c| writer.special(R::Ntid, c));
        let plane = writer.emit(Op::Mul, &[x, y], Type::B32);
        writer.emit(Op::Mul, &[plane, z], Type::B32)
    };
    let condition = writer.compare_unsigned(Condition::Lt, number, threads);
    let end: BlockId = function.block();
    function[end].terminator = Terminator::Return;
    function[Function::ENTRY].terminator = Terminator::Branch {
        condition,
        then: Edge::to(body),
        otherwise: Edge::to(end),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn the_old_entry_runs_for_threads_of_the_block_only() {
        let mut function =
            parse("function k {\nb0:\n  v0: b32 = const.0\n  bar.sync v0, v0\n  return\n").unwrap();
        retire_surplus_threads(&mut function);
        crate::verify::verify(&function).unwrap();
        let entry = &function.blocks[0];
        assert!(entry.instructions.iter().all(|i| !i.op.is_convergent()));
        assert_eq!(entry.terminator.edges()[0].block, BlockId(1));
    }
}
