//! Instructions at the end of a block, for passes that expand operations where they
//! stand.

use crate::ir::{BlockId, Function, Instruction, Op, Type, Value};

/// Appends to `block`; what it writes came from the PTX at `offset`. Each pass adds
/// its own expansions.
pub(super) struct Writer<'f> {
    pub(super) function: &'f mut Function,
    pub(super) block: BlockId,
    pub(super) offset: u32,
}

impl Writer<'_> {
    pub(super) fn push(&mut self, op: Op, arguments: &[Value], results: &[Value]) {
        self.function[self.block].instructions.push(Instruction {
            op,
            arguments: arguments.into(),
            results: results.into(),
            offset: self.offset,
        });
    }

    /// An operation with one result, which is new.
    pub(super) fn emit(&mut self, op: Op, arguments: &[Value], ty: Type) -> Value {
        let result = self.function.value(ty);
        self.push(op, arguments, &[result]);
        result
    }

    pub(super) fn constant(&mut self, ty: Type, bits: u64) -> Value {
        self.emit(Op::Const(bits), &[], ty)
    }
}
