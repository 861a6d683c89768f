//! Atomic operations: native where the device has them, loops over a compare and
//! exchange where it has not.

use rspirv::dr::Operand;
use rspirv::spirv::{self, MemorySemantics, Word};

use crate::back::spirv::Error;
use crate::back::spirv::function::FunctionWriter;
use crate::ir::{Atomic, AtomicOp, Condition, Instruction, Signedness, Space, Type};

/// Where an atomic operation happens and how it orders memory, as ids.
struct Place {
    pointer: Word,
    scope: Word,
    semantics: Word,
}

impl FunctionWriter<'_> {
    pub(in crate::back::spirv) fn atomic(
        &mut self,
        i: &Instruction,
        atomic: &Atomic,
    ) -> Result<(), Error> {
        let ty = self.type_of(i.results[0]);
        let bits = ty.as_bits();
        if ty.bits() < 32 {
            return Err(self.unsupported("atomics of less than 32 bits"));
        }
        let shared = atomic.access.space == Space::Shared;
        if ty.bits() == 64 && !self.has_int64_atomics(shared) {
            return Err(self.unsupported("64-bit atomics in this memory"));
        }
        if ty.bits() == 64 {
            self.module.capability(spirv::Capability::Int64Atomics);
        }
        let native = self.native_float_add(atomic, ty, shared);
        let element = if native { ty } else { bits };
        let pointer = match atomic.access.space {
            Space::Shared => {
                let byte = self.narrow_address(i.arguments[0], &atomic.access);
                self.shared_pointer(bits, 1, byte)
            }
            Space::Global => {
                let base = self.value(i.arguments[0]);
                self.physical_pointer(element, 1, base, atomic.access.offset)
            }
            _ => return Err(self.unsupported("atomics in this address space")),
        };
        let operands: Vec<_> = i.arguments[1..].iter().map(|&v| self.value(v)).collect();
        let scope = self.scope(atomic.access.scope);
        let semantics = self.semantics(atomic.access.order, true, true);
        let place = Place {
            pointer,
            scope,
            semantics,
        };
        let id = if native {
            self.module.extension("SPV_EXT_shader_atomic_float_add");
            self.module
                .capability(spirv::Capability::AtomicFloat32AddEXT);
            self.emit(
                spirv::Op::AtomicFAddEXT,
                ty,
                &[pointer, scope, semantics, operands[0]],
            )
        } else {
            self.integer_atomic(atomic.op, ty, &place, &operands)?
        };
        self.define(i.results[0], id);
        Ok(())
    }

    /// Whether 64-bit words of this memory are updated at once. Shared memory that
    /// is declared only as an array of 32-bit words has none.
    fn has_int64_atomics(&self, shared: bool) -> bool {
        match shared {
            true => self.target.shared_int64_atomics && self.target.explicit_shared_layout,
            false => self.target.int64_atomics,
        }
    }

    /// Whether a float addition needs no loop. Shared memory is words here, and
    /// a float atomic needs floats.
    fn native_float_add(&self, atomic: &Atomic, ty: Type, shared: bool) -> bool {
        atomic.op == AtomicOp::FloatAdd
            && ty == Type::F32
            && !shared
            && self.target.float32_atomic_add
    }

    fn integer_atomic(
        &mut self,
        op: AtomicOp,
        ty: Type,
        place: &Place,
        operands: &[Word],
    ) -> Result<Word, Error> {
        use spirv::Op as S;
        let bits = ty.as_bits();
        let simple = match op {
            AtomicOp::Add => S::AtomicIAdd,
            AtomicOp::And => S::AtomicAnd,
            AtomicOp::Or => S::AtomicOr,
            AtomicOp::Xor => S::AtomicXor,
            AtomicOp::SignedMin => S::AtomicSMin,
            AtomicOp::SignedMax => S::AtomicSMax,
            AtomicOp::UnsignedMin => S::AtomicUMin,
            AtomicOp::UnsignedMax => S::AtomicUMax,
            AtomicOp::Exchange => S::AtomicExchange,
            AtomicOp::CompareExchange => {
                let ids = operands
                    .iter()
                    .map(|&id| self.as_bits(ty, id))
                    .collect::<Vec<_>>();
                let old = self.compare_exchange(bits, place, ids[0], ids[1]);
                return Ok(self.as_float(ty, old));
            }
            _ => return self.atomic_loop(op, ty, place, operands[0]),
        };
        let operand = self.as_bits(ty, operands[0]);
        let ids = [place.pointer, place.scope, place.semantics, operand];
        let old = self.emit(simple, bits, &ids);
        Ok(self.as_float(ty, old))
    }

    fn compare_exchange(&mut self, bits: Type, place: &Place, expected: Word, new: Word) -> Word {
        // The semantics of failure may not release.
        let failure = self.module.u32(MemorySemantics::RELAXED.bits());
        let ids = [
            place.pointer,
            place.scope,
            place.semantics,
            failure,
            new,
            expected,
        ];
        self.emit(spirv::Op::AtomicCompareExchange, bits, &ids)
    }

    /// An operation that the device lacks: compute, and exchange if nothing
    /// came between, else again.
    fn atomic_loop(
        &mut self,
        op: AtomicOp,
        ty: Type,
        place: &Place,
        operand: Word,
    ) -> Result<Word, Error> {
        let bits = ty.as_bits();
        let relaxed = self.module.u32(MemorySemantics::RELAXED.bits());
        let start = self.emit(
            spirv::Op::AtomicLoad,
            bits,
            &[place.pointer, place.scope, relaxed],
        );
        let [header, body, continuing, merge] = [(); 4].map(|()| self.module.id());
        let before = self.label();
        self.continue_in(header);
        let old = self.module.id();
        let (phi, spirv_type) = (self.module.id(), self.module.ty(bits));
        let sources = [start, before, old, continuing]
            .map(Operand::IdRef)
            .to_vec();
        self.emit_phi(phi, spirv_type, sources);
        let merge_operands = vec![
            Operand::IdRef(merge),
            Operand::IdRef(continuing),
            Operand::LoopControl(spirv::LoopControl::NONE),
        ];
        self.effect(spirv::Op::LoopMerge, merge_operands);
        self.continue_in(body);
        let new = self.updated(op, ty, phi, operand)?;
        let found = self.compare_exchange(bits, place, phi, new);
        self.copy_to(old, spirv_type, found);
        let done = self.emit(spirv::Op::IEqual, Type::B1, &[found, phi]);
        let branch = [done, merge, continuing].map(Operand::IdRef).to_vec();
        self.terminate(spirv::Op::BranchConditional, branch);
        self.start(continuing);
        self.terminate(spirv::Op::Branch, vec![Operand::IdRef(header)]);
        self.start(merge);
        Ok(self.as_float(ty, phi))
    }

    /// What an atomic operation leaves in memory.
    fn updated(&mut self, op: AtomicOp, ty: Type, old: Word, operand: Word) -> Result<Word, Error> {
        use spirv::{GlslStd450Op, Op as S};
        let bits = ty.as_bits();
        let value = self.as_float(ty, old);
        let (zero, one) = (self.module.constant(bits, 0), self.module.constant(bits, 1));
        let new = match op {
            AtomicOp::FloatAdd => self.emit(S::FAdd, ty, &[value, operand]),
            AtomicOp::FloatMin => self.glsl(GlslStd450Op::NMin, ty, &[value, operand]),
            AtomicOp::FloatMax => self.glsl(GlslStd450Op::NMax, ty, &[value, operand]),
            AtomicOp::Increment => {
                let wraps = self.compare(Condition::Ge, Signedness::Unsigned, &[old, operand]);
                let next = self.emit(S::IAdd, bits, &[old, one]);
                self.emit(S::Select, bits, &[wraps, zero, next])
            }
            AtomicOp::Decrement => {
                let is_zero = self.emit(S::IEqual, Type::B1, &[old, zero]);
                let beyond = self.compare(Condition::Gt, Signedness::Unsigned, &[old, operand]);
                let wraps = self.emit(S::LogicalOr, Type::B1, &[is_zero, beyond]);
                let next = self.emit(S::ISub, bits, &[old, one]);
                self.emit(S::Select, bits, &[wraps, operand, next])
            }
            _ => return Err(self.unsupported("this atomic operation")),
        };
        Ok(self.as_bits(ty, new))
    }
}
