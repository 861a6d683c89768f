//! What runs around a kernel's body on devices that need it: the entry point
//! takes a slot of the buffer for shared memory, calls the body, and lets no
//! invocation end before all have come to the end.
//!
//! ```text
//! first invocation: ended = 0, slot = a free one        (others wait)
//! body(address of the slot)
//! ended += 1; the last one frees the slot
//! until ended = invocations: barrier
//! ```
//!
//! The last line is no valid use of barriers: invocations come to it any number
//! of times. Where a barrier is no more than giving way, it means that those
//! that returned early take part in the barriers of the others.

use rspirv::dr::Operand;
use rspirv::spirv::{self, BuiltIn, MemoryAccess, StorageClass, Word};

use super::function::FunctionWriter;
use super::layout::{self, specialization};
use crate::ir::{Op, Type};
use Type::{B1, B32, B64};

/// What a kernel needs around its body.
pub(super) struct Frame {
    /// Invocations of the workgroup that have come to the end.
    ended: Word,
    /// The slot that the workgroup has taken, if it needs one.
    slot: Option<Word>,
    /// Whether nobody may end before all have.
    drains: bool,
}

impl FunctionWriter<'_> {
    /// The frame that the function needs, if any. A function of one block has
    /// no way around its barriers.
    pub(super) fn frame(&mut self) -> Option<Frame> {
        let blocks = &self.function.blocks;
        let mut instructions = blocks.iter().flat_map(|block| &block.instructions);
        let waits = instructions.any(|i| matches!(i.op, Op::Barrier(_)));
        let drains = self.target.barriers_need_all && waits && blocks.len() > 1;
        if self.shared_base.is_none() && !drains {
            return None;
        }
        let word = self.module.ty(B32);
        let slot = self.shared_base;
        Some(Frame {
            ended: self.module.variable(StorageClass::Workgroup, word),
            slot: slot.map(|_| self.module.variable(StorageClass::Workgroup, word)),
            drains,
        })
    }

    /// Writes the entry point and returns its id.
    pub(super) fn write_frame(&mut self, frame: &Frame, body: Word) -> Word {
        let [entry, first, ready] = [(); 3].map(|()| self.module.id());
        self.start(entry);
        let buffer = frame.slot.map(|slot| (slot, self.shared_buffer()));
        let index = self.input(BuiltIn::LocalInvocationIndex);
        let zero = self.module.u32(0);
        let is_first = self.emit(spirv::Op::IEqual, B1, &[index, zero]);
        self.branch_if(is_first, first, ready);
        self.start(first);
        self.store_word(frame.ended, zero);
        if let Some((slot, buffer)) = buffer {
            let number = self.take_slot(buffer);
            self.store_word(slot, number);
        }
        self.continue_in(ready);
        self.control_barrier(spirv::Scope::Workgroup);
        let number = buffer.map(|(slot, buffer)| (buffer, self.load_word(slot)));
        let memory = number.map(|(buffer, number)| self.slot_memory(buffer, number));
        self.call(body, memory);
        let before = self.add_ended(frame.ended);
        let all = self.invocations();
        if let Some((buffer, number)) = number {
            self.free_slot_after([before, all], buffer, number);
        }
        if frame.drains {
            self.drain(frame.ended, all);
        }
        self.terminate(spirv::Op::Return, vec![]);
        let main = self.module.id();
        self.finish_function(main, None);
        main
    }

    fn shared_buffer(&mut self) -> Word {
        let record = self.push_constant_address(layout::MODULE_ADDRESS);
        self.load_physical(B64, record, i64::from(8 * layout::RECORD_SHARED), 8)
    }

    /// Takes the first slot that is free. There is one: no more workgroups run
    /// at a time than there are slots.
    fn take_slot(&mut self, buffer: Word) -> Word {
        let [header, body, again, taken] = [(); 4].map(|()| self.module.id());
        let (zero, one) = (self.module.u32(0), self.module.u32(1));
        let [number, next] = [(); 2].map(|()| self.module.id());
        let before = self.label();
        self.continue_in(header);
        let ty = self.module.ty(B32);
        let sources = [zero, before, next, again].map(Operand::IdRef).to_vec();
        self.emit_phi(number, ty, sources);
        self.loop_of(taken, again, body);
        self.start(body);
        let flag = self.flag(buffer, number);
        let [device, order] = self.atomic_place(spirv::Scope::Device);
        let old = self.emit(spirv::Op::AtomicExchange, B32, &[flag, device, order, one]);
        let was_free = self.emit(spirv::Op::IEqual, B1, &[old, zero]);
        let ways = [was_free, taken, again].map(Operand::IdRef).to_vec();
        self.terminate(spirv::Op::BranchConditional, ways);
        self.start(again);
        let last = self.module.u32(layout::SHARED_SLOTS - 1);
        let following = self.emit(spirv::Op::IAdd, B32, &[number, one]);
        let operands = [following, last].map(Operand::IdRef).to_vec();
        self.emit_with_id(spirv::Op::BitwiseAnd, next, B32, operands);
        self.terminate(spirv::Op::Branch, vec![Operand::IdRef(header)]);
        self.start(taken);
        number
    }

    /// Where a slot's flag lies.
    fn flag(&mut self, buffer: Word, number: Word) -> Word {
        let (number, four) = (self.widen(number), self.module.constant(B64, 4));
        let offset = self.emit(spirv::Op::IMul, B64, &[number, four]);
        let address = self.emit(spirv::Op::IAdd, B64, &[buffer, offset]);
        self.physical_pointer(B32, 1, address, 0)
    }

    fn slot_memory(&mut self, buffer: Word, number: Word) -> Word {
        let bytes = self
            .module
            .constant(B64, u64::from(layout::SHARED_SLOT_BYTES));
        let first = self
            .module
            .constant(B64, u64::from(layout::SHARED_FIRST_SLOT));
        let number = self.widen(number);
        let offset = self.emit(spirv::Op::IMul, B64, &[number, bytes]);
        let slots = self.emit(spirv::Op::IAdd, B64, &[buffer, first]);
        self.emit(spirv::Op::IAdd, B64, &[slots, offset])
    }

    /// Counts this invocation as ended; the count before.
    fn add_ended(&mut self, ended: Word) -> Word {
        let [scope, order] = self.atomic_place(spirv::Scope::Workgroup);
        let one = self.module.u32(1);
        self.emit(spirv::Op::AtomicIAdd, B32, &[ended, scope, order, one])
    }

    /// Frees the slot if the invocation is the last of `all` to end.
    fn free_slot_after(&mut self, [before, all]: [Word; 2], buffer: Word, number: Word) {
        let [last, after] = [(); 2].map(|()| self.module.id());
        let (zero, one) = (self.module.u32(0), self.module.u32(1));
        let count = self.emit(spirv::Op::IAdd, B32, &[before, one]);
        let is_last = self.emit(spirv::Op::IEqual, B1, &[count, all]);
        self.branch_if(is_last, last, after);
        self.start(last);
        let flag = self.flag(buffer, number);
        let [device, order] = self.atomic_place(spirv::Scope::Device);
        self.emit(spirv::Op::AtomicExchange, B32, &[flag, device, order, zero]);
        self.continue_in(after);
    }

    /// Gives way until all invocations have ended.
    fn drain(&mut self, ended: Word, all: Word) {
        let [header, body, waits, again, done] = [(); 5].map(|()| self.module.id());
        self.continue_in(header);
        self.loop_of(done, again, body);
        self.start(body);
        let [scope, order] = self.atomic_place(spirv::Scope::Workgroup);
        let (zero, add) = (self.module.u32(0), spirv::Op::AtomicIAdd);
        let count = self.emit(add, B32, &[ended, scope, order, zero]);
        let is_done = self.emit(spirv::Op::UGreaterThanEqual, B1, &[count, all]);
        let ways = [is_done, done, waits].map(Operand::IdRef).to_vec();
        self.terminate(spirv::Op::BranchConditional, ways);
        self.start(waits);
        self.control_barrier(spirv::Scope::Workgroup);
        self.continue_in(again);
        self.terminate(spirv::Op::Branch, vec![Operand::IdRef(header)]);
        self.start(done);
    }

    /// Invocations of the workgroup.
    fn invocations(&mut self) -> Word {
        let [x, y, z] = [
            specialization::WORKGROUP_X,
            specialization::WORKGROUP_Y,
            specialization::WORKGROUP_Z,
        ]
        .map(|id| self.module.specialization(id, 1));
        let plane = self.module.specialization_operation(spirv::Op::IMul, x, y);
        self.module
            .specialization_operation(spirv::Op::IMul, plane, z)
    }

    fn call(&mut self, body: Word, memory: Option<Word>) {
        let void = self.module.void();
        let operands = [Some(body), memory].into_iter().flatten();
        let operands = operands.map(Operand::IdRef).collect();
        self.emit_operands(spirv::Op::FunctionCall, void, operands);
    }

    fn loop_of(&mut self, merge: Word, continuing: Word, body: Word) {
        let operands = vec![
            Operand::IdRef(merge),
            Operand::IdRef(continuing),
            Operand::LoopControl(spirv::LoopControl::NONE),
        ];
        self.effect(spirv::Op::LoopMerge, operands);
        self.terminate(spirv::Op::Branch, vec![Operand::IdRef(body)]);
    }

    /// Ends the block with a selection that has no else arm.
    fn branch_if(&mut self, condition: Word, then: Word, after: Word) {
        let operands = vec![
            Operand::IdRef(after),
            Operand::SelectionControl(spirv::SelectionControl::NONE),
        ];
        self.effect(spirv::Op::SelectionMerge, operands);
        let ways = [condition, then, after].map(Operand::IdRef).to_vec();
        self.terminate(spirv::Op::BranchConditional, ways);
    }

    /// A scope and an order that makes everything before visible after.
    fn atomic_place(&mut self, scope: spirv::Scope) -> [Word; 2] {
        [self.module.u32(scope as u32), self.full_semantics()]
    }

    fn store_word(&mut self, variable: Word, value: Word) {
        let operands = vec![
            Operand::IdRef(variable),
            Operand::IdRef(value),
            Operand::MemoryAccess(MemoryAccess::NON_PRIVATE_POINTER),
        ];
        self.effect(spirv::Op::Store, operands);
    }

    fn load_word(&mut self, variable: Word) -> Word {
        let ty = self.module.ty(B32);
        self.load_operands(ty, variable, MemoryAccess::NON_PRIVATE_POINTER, 0)
    }

    fn widen(&mut self, number: Word) -> Word {
        self.emit(spirv::Op::UConvert, B64, &[number])
    }
}
