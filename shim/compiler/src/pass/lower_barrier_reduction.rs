//! `bar.red`: a barrier that counts predicates. SPIR-V's barrier only waits, so
//! the threads count in a word of shared memory that the kernel gets for it.

use super::writer::Writer;
use crate::front::words::SpecialRegister;
use crate::ir::{
    Access, Atomic, AtomicOp, BarrierOp, BlockId, Condition, Function, Instruction,
    IntegerComparison, Op, Order, Scope, Signedness, Space, Special, Type,
};

/// Bytes that the counter takes at the end of dynamic shared memory, which must
/// stay aligned.
const ROOM_BYTES: u32 = 16;

/// Replaces reductions over the whole block. Their counter lies behind static
/// shared memory, or behind all of it where there is dynamic one.
pub fn lower_barrier_reduction(function: &mut Function) {
    let reduces = |i: &Instruction| {
        matches!(
            i.op,
            Op::Barrier(BarrierOp::All | BarrierOp::Any | BarrierOp::Count)
        )
    };
    let mut instructions = function.blocks.iter().flat_map(|b| &b.instructions);
    if !instructions.any(reduces) {
        return;
    }
    let known = function.constants();
    let counter = match function.dynamic_shared {
        true => {
            function.shared_bytes += ROOM_BYTES;
            None
        }
        false => {
            let counter = function.shared_bytes.next_multiple_of(4);
            function.shared_bytes = counter + 4;
            Some(counter)
        }
    };
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        for i in instructions {
            let whole = |i: &Instruction| known[i.arguments[2].index()] == Some(0);
            match i.op {
                Op::Barrier(op) if reduces(&i) && whole(&i) => {
                    expand(function, block, &i, op, counter);
                }
                _ => function[block].instructions.push(i),
            }
        }
    }
}

/// Clears the counter, counts, and reads it, with barriers around each step:
/// the first keeps an earlier reduction's readers apart from this clearing.
fn expand(
    function: &mut Function,
    block: BlockId,
    i: &Instruction,
    op: BarrierOp,
    counter: Option<u32>,
) {
    let mut writer = Writer {
        function,
        block,
        offset: i.offset,
    };
    let mut counted = i.arguments[0];
    if op == BarrierOp::All {
        counted = writer.emit(Op::Not, &[counted], Type::B1);
    }
    let address = match counter {
        Some(counter) => writer.emit(Op::Const(u64::from(counter)), &[], Type::B32),
        None => {
            let special = Special {
                register: SpecialRegister::TotalSharedSize,
                component: 0,
            };
            let end = writer.emit(Op::Special(special), &[], Type::B32);
            let room = writer.emit(Op::Const(u64::from(ROOM_BYTES)), &[], Type::B32);
            writer.emit(Op::Sub, &[end, room], Type::B32)
        }
    };
    let zero = writer.emit(Op::Const(0), &[], Type::B32);
    let barrier = |writer: &mut Writer<'_>| {
        writer.push(Op::Barrier(BarrierOp::Sync), &[i.arguments[1], zero], &[]);
    };
    let access = Access::weak(Space::Shared);
    barrier(&mut writer);
    writer.push(Op::Store(access), &[address, zero], &[]);
    barrier(&mut writer);
    let one = writer.emit(Op::ZeroExtend, &[counted], Type::B32);
    let add = Atomic {
        op: AtomicOp::Add,
        access: Access {
            order: Order::Relaxed,
            scope: Scope::Block,
            ..access
        },
    };
    writer.emit(Op::Atomic(add), &[address, one], Type::B32);
    barrier(&mut writer);
    if op == BarrierOp::Count {
        writer.push(Op::Load(access), &[address], &i.results);
        return;
    }
    let count = writer.emit(Op::Load(access), &[address], Type::B32);
    let condition = match op {
        BarrierOp::All => Condition::Eq,
        _ => Condition::Ne,
    };
    let compare = Op::Compare(IntegerComparison {
        condition,
        signedness: Signedness::Unsigned,
    });
    writer.push(compare, &[count, zero], &i.results);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    const REDUCTION: &str = "function k shared 6 {\nb0:\n  v0: b1 = const.1\n  v1: b32 = const.0\n\
                             \x20 v2: b1 = bar.all v0, v1, v1\n  return\n}\n";

    #[test]
    fn the_counter_lies_behind_static_shared_memory() {
        let mut function = parse(REDUCTION).unwrap();
        lower_barrier_reduction(&mut function);
        crate::verify::verify(&function).unwrap();
        assert_eq!(function.shared_bytes, 12);
        let text = function.to_string();
        assert_eq!(text.matches("bar.sync").count(), 3, "{text}");
        assert!(!text.contains("bar.all"), "{text}");
    }

    #[test]
    fn behind_dynamic_shared_memory_the_counter_gets_room() {
        let text = REDUCTION.replace("shared 6", "shared 16 dynamic");
        let mut function = parse(&text).unwrap();
        lower_barrier_reduction(&mut function);
        crate::verify::verify(&function).unwrap();
        assert_eq!(function.shared_bytes, 32);
        let text = function.to_string();
        assert!(
            text.contains("special.total_smem_size") && !text.contains("bar.all"),
            "{text}"
        );
    }
}
