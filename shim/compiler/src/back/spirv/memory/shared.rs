//! Shared memory: vectors where its layout is explicit, words where it is not.

use rspirv::spirv::{self, MemoryAccess, MemorySemantics, StorageClass, Word};

use super::memory_access;
use crate::back::spirv::Error;
use crate::back::spirv::function::FunctionWriter;
use crate::back::spirv::layout;
use crate::ir::{Access, Order, Type, Value};

impl FunctionWriter<'_> {
    /// Shared memory as an array of vectors of integers.
    fn shared(&mut self, ty: Type, count: u32) -> Word {
        if let Some(&id) = self.memory.shared.get(&(ty, count)) {
            return id;
        }
        let words = self
            .module
            .specialization(layout::specialization::SHARED_WORDS, 4);
        let bytes = ty.bytes() * count;
        let length = match bytes {
            4 => words,
            1 | 2 => {
                let factor = self.module.u32(4 / bytes);
                self.module
                    .specialization_operation(spirv::Op::IMul, words, factor)
            }
            _ => {
                let divisor = self.module.u32(bytes / 4);
                self.module
                    .specialization_operation(spirv::Op::UDiv, words, divisor)
            }
        };
        let element = self.module.vector(ty, count);
        let id = if self.memory.explicit_shared_layout {
            self.explicit_shared(ty, element, length, bytes)
        } else {
            let array = self.module.array(element, length, None);
            self.module.variable(StorageClass::Workgroup, array)
        };
        self.memory.shared.insert((ty, count), id);
        id
    }

    fn explicit_shared(&mut self, ty: Type, element: Word, length: Word, bytes: u32) -> Word {
        use spirv::Capability as C;
        self.module
            .extension("SPV_KHR_workgroup_memory_explicit_layout");
        self.module.capability(C::WorkgroupMemoryExplicitLayoutKHR);
        match ty.bits() {
            8 => self
                .module
                .capability(C::WorkgroupMemoryExplicitLayout8BitAccessKHR),
            16 => self
                .module
                .capability(C::WorkgroupMemoryExplicitLayout16BitAccessKHR),
            _ => {}
        }
        let array = self.module.array(element, length, Some(bytes));
        let block = self.module.block(&[(array, 0)]);
        let id = self.module.variable(StorageClass::Workgroup, block);
        self.module.decorate(id, spirv::Decoration::Aliased, &[]);
        id
    }

    /// A pointer to an element of shared memory.
    pub(super) fn shared_pointer(&mut self, ty: Type, count: u32, byte: Word) -> Word {
        let variable = self.shared(ty, count);
        let shift = self.module.u32((ty.bytes() * count).trailing_zeros());
        let index = self.emit(spirv::Op::ShiftRightLogical, Type::B32, &[byte, shift]);
        let element = self.module.vector(ty, count);
        let pointer = self.module.pointer(StorageClass::Workgroup, element);
        let mut ids = vec![variable];
        if self.memory.explicit_shared_layout {
            ids.push(self.module.u32(0));
        }
        ids.push(index);
        self.emit_typed(spirv::Op::AccessChain, pointer, &ids)
    }

    pub(super) fn load_shared(
        &mut self,
        address: Value,
        access: &Access,
        ty: Type,
        count: usize,
    ) -> Result<Vec<Word>, Error> {
        let count = self.component_count(count)?;
        let byte = self.narrow_address(address, access);
        let mode = memory_access(access) & !MemoryAccess::ALIGNED;
        if self.memory.explicit_shared_layout {
            return Ok(self.load_shared_vector(byte, ty, count, mode));
        }
        Ok(self.values_in_words(ty, byte, count, |w, index| w.load_shared_word(index, mode)))
    }

    fn load_shared_word(&mut self, index: Word, mode: MemoryAccess) -> Word {
        let variable = self.shared(Type::B32, 1);
        let pointer = self.word_pointer(StorageClass::Workgroup);
        let pointer = self.emit_typed(spirv::Op::AccessChain, pointer, &[variable, index]);
        let word = self.module.ty(Type::B32);
        self.load_operands(word, pointer, mode, 4)
    }

    /// How a vector is seen in shared memory with an explicit layout: as one
    /// element of 1, 2, 4, 8 or 16 bytes, or one after another.
    fn shared_view(ty: Type, count: u32) -> (Type, u32, u32) {
        match (ty.bytes(), count) {
            (8, 1) => (Type::B32, 2, 1),
            (8, 2) => (Type::B32, 4, 1),
            (4, 2 | 4) => (Type::B32, count, 1),
            (8, count) => (Type::B32, 2, count),
            (_, count) => (ty.as_bits(), 1, count),
        }
    }

    fn load_shared_vector(
        &mut self,
        byte: Word,
        ty: Type,
        count: u32,
        mode: MemoryAccess,
    ) -> Vec<Word> {
        let (element, lanes, repeat) = Self::shared_view(ty, count);
        let vector = self.module.vector(element, lanes);
        let mut pieces = Vec::new();
        for index in 0..repeat {
            let byte = self.offset_by(Type::B32, byte, i64::from(index * element.bytes() * lanes));
            let pointer = self.shared_pointer(element, lanes, byte);
            let loaded = self.load_operands(vector, pointer, mode, 0);
            pieces.extend(self.components(element, loaded, lanes));
        }
        let words: Vec<_> = match ty.bytes() {
            8 => pieces
                .chunks(2)
                .map(|pair| self.concat(Type::B64, Type::B32, pair))
                .collect(),
            _ => pieces,
        };
        words.into_iter().map(|id| self.as_float(ty, id)).collect()
    }

    pub(super) fn store_shared(
        &mut self,
        address: Value,
        values: &[Value],
        access: &Access,
        ty: Type,
    ) -> Result<(), Error> {
        let count = self.component_count(values.len())?;
        let byte = self.narrow_address(address, access);
        let mode = memory_access(access) & !MemoryAccess::ALIGNED;
        let ids: Vec<_> = values.iter().map(|&v| self.value(v)).collect();
        let ids: Vec<_> = ids.into_iter().map(|id| self.as_bits(ty, id)).collect();
        if access.order == Order::Volatile {
            self.in_step(|w| w.store_shared_pieces(byte, &ids, ty, count, mode));
        } else {
            self.store_shared_pieces(byte, &ids, ty, count, mode);
        }
        Ok(())
    }

    /// A volatile store as programs from before Volta use it: the threads of a
    /// warp read what they need before any writes, and see what all wrote.
    fn in_step(&mut self, store: impl FnOnce(&mut Self)) {
        self.warp_barrier();
        store(self);
        self.warp_barrier();
    }

    fn store_shared_pieces(
        &mut self,
        byte: Word,
        ids: &[Word],
        ty: Type,
        count: u32,
        mode: MemoryAccess,
    ) {
        if self.memory.explicit_shared_layout {
            self.store_shared_vector(byte, ids, ty, count, mode);
            return;
        }
        for (index, &id) in ids.iter().enumerate() {
            let byte = self.offset_by(Type::B32, byte, index as i64 * i64::from(ty.bytes()));
            match ty.bits() {
                64 => {
                    for word in 0..2 {
                        let piece = self.extract(Type::B32, Type::B64, id, word);
                        let byte = self.offset_by(Type::B32, byte, i64::from(4 * word));
                        let pointer = self.shared_pointer(Type::B32, 1, byte);
                        self.store_operands(pointer, piece, mode, 0);
                    }
                }
                32 => {
                    let pointer = self.shared_pointer(Type::B32, 1, byte);
                    self.store_operands(pointer, id, mode, 0);
                }
                _ => self.store_shared_piece(byte, id, ty),
            }
        }
    }

    fn store_shared_vector(
        &mut self,
        byte: Word,
        ids: &[Word],
        ty: Type,
        count: u32,
        mode: MemoryAccess,
    ) {
        let (element, lanes, repeat) = Self::shared_view(ty, count);
        let pieces: Vec<_> = match ty.bytes() {
            8 => ids
                .iter()
                .flat_map(|&id| [0, 1].map(|word| self.extract(Type::B32, Type::B64, id, word)))
                .collect(),
            _ => ids.to_vec(),
        };
        for (index, chunk) in pieces
            .chunks(lanes as usize)
            .enumerate()
            .take(repeat as usize)
        {
            let step = index as i64 * i64::from(element.bytes() * lanes);
            let byte = self.offset_by(Type::B32, byte, step);
            let pointer = self.shared_pointer(element, lanes, byte);
            let value = self.vector_of(element, chunk);
            self.store_operands(pointer, value, mode, 0);
        }
    }

    /// Writes part of a shared word. Other threads may write its other parts at
    /// the same time, so the part is cleared and set by atomics that leave the
    /// rest alone.
    fn store_shared_piece(&mut self, byte: Word, id: Word, ty: Type) {
        let pointer = self.shared_pointer(Type::B32, 1, byte);
        let (mask, value) = self.piece_in_word(byte, id, ty);
        let keep = self.emit(spirv::Op::Not, Type::B32, &[mask]);
        let scope = self.module.u32(spirv::Scope::Workgroup as u32);
        let relaxed = self.module.u32(MemorySemantics::RELAXED.bits());
        self.emit(
            spirv::Op::AtomicAnd,
            Type::B32,
            &[pointer, scope, relaxed, keep],
        );
        self.emit(
            spirv::Op::AtomicOr,
            Type::B32,
            &[pointer, scope, relaxed, value],
        );
    }
}
