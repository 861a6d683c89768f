//! `bar.red`: a barrier that counts predicates. SPIR-V's barrier only waits, so
//! the threads count in a word of shared memory that the kernel gets for it.

use crate::ir::{
    Access, Atomic, AtomicOp, BarrierOp, BlockId, Condition, Function, Instruction,
    IntegerComparison, Op, Order, Scope, Signedness, Space, Type, Value,
};

/// Replaces reductions over the whole block. Where dynamic shared memory leaves
/// no room behind the static one they stay, and the back end refuses them.
pub fn lower_barrier_reduction(function: &mut Function) {
    let reduces = |i: &Instruction| {
        matches!(
            i.op,
            Op::Barrier(BarrierOp::All | BarrierOp::Any | BarrierOp::Count)
        )
    };
    let mut instructions = function.blocks.iter().flat_map(|b| &b.instructions);
    if function.dynamic_shared || !instructions.any(reduces) {
        return;
    }
    let known = function.constants();
    let counter = function.shared_bytes.next_multiple_of(4);
    function.shared_bytes = counter + 4;
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

struct Writer<'f> {
    function: &'f mut Function,
    block: BlockId,
    offset: u32,
}

impl Writer<'_> {
    fn push(&mut self, op: Op, arguments: &[Value], results: &[Value]) {
        self.function[self.block].instructions.push(Instruction {
            op,
            arguments: arguments.into(),
            results: results.into(),
            offset: self.offset,
        });
    }

    fn emit(&mut self, op: Op, arguments: &[Value], ty: Type) -> Value {
        let result = self.function.value(ty);
        self.push(op, arguments, &[result]);
        result
    }
}

/// Clears the counter, counts, and reads it, with barriers around each step:
/// the first keeps an earlier reduction's readers apart from this clearing.
fn expand(function: &mut Function, block: BlockId, i: &Instruction, op: BarrierOp, counter: u32) {
    let mut writer = Writer {
        function,
        block,
        offset: i.offset,
    };
    let mut counted = i.arguments[0];
    if op == BarrierOp::All {
        counted = writer.emit(Op::Not, &[counted], Type::B1);
    }
    let address = writer.emit(Op::Const(u64::from(counter)), &[], Type::B64);
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
    fn dynamic_shared_memory_leaves_no_room() {
        let text = REDUCTION.replace("shared 6", "shared 6 dynamic");
        let mut function = parse(&text).unwrap();
        lower_barrier_reduction(&mut function);
        assert_eq!(function.to_string(), text);
    }
}
