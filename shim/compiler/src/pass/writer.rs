//! Instructions at the end of a block, for passes that expand operations where they
//! stand.

use crate::front::words::SpecialRegister;
use crate::ir::{
    BlockId, Condition, Function, Instruction, IntegerComparison, Op, ShuffleMode, Signedness,
    Special, Type, Value,
};

/// The clamp of a shuffle within the whole warp.
const WARP_CLAMP: u64 = 31;

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

    /// A special register of 32 bits.
    pub(super) fn special(&mut self, register: SpecialRegister, component: u32) -> Value {
        let special = Special {
            register,
            component,
        };
        self.emit(Op::Special(special), &[], Type::B32)
    }

    /// A comparison of unsigned integers.
    pub(super) fn compare_unsigned(&mut self, condition: Condition, a: Value, b: Value) -> Value {
        let comparison = IntegerComparison {
            condition,
            signedness: Signedness::Unsigned,
        };
        self.emit(Op::Compare(comparison), &[a, b], Type::B1)
    }

    /// The 32 bits that a lane of the warp has.
    pub(super) fn of_lane(&mut self, value: Value, lane: Value, mask: Value) -> Value {
        let clamp = self.constant(Type::B32, WARP_CLAMP);
        let results = [Type::B32, Type::B1].map(|ty| self.function.value(ty));
        let arguments = [value, lane, clamp, mask];
        self.push(Op::Shuffle(ShuffleMode::Index), &arguments, &results);
        results[0]
    }
}
