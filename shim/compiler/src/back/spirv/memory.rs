//! Loads, stores and fences in every state space.

mod atomic;
mod order;
mod shared;

use rspirv::dr::{Instruction as SpirvInstruction, Operand};
use rspirv::spirv::{self, MemoryAccess, MemorySemantics, StorageClass, Word};
use rustc_hash::FxHashMap;

use super::Error;
use super::function::FunctionWriter;
use super::layout;
use crate::ir::{Access, Function, Instruction, Order, Space, Type, Value};
use crate::target::Target;

/// The variables that stand for a kernel's memories, made when first used.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) parameters_in_memory: bool,
    parameter_words: u32,
    explicit_shared_layout: bool,
    local_words: u32,
    push_constants: Option<Word>,
    local: Option<Word>,
    /// Shared memory by element type and components.
    shared: FxHashMap<(Type, u32), Word>,
}

impl Memory {
    pub(super) fn new(function: &Function, target: &Target) -> Self {
        let bytes = function.parameter_bytes;
        Self {
            parameters_in_memory: layout::HEADER_BYTES + bytes > target.push_constant_bytes,
            parameter_words: bytes.div_ceil(4),
            explicit_shared_layout: target.explicit_shared_layout,
            local_words: function.local_bytes.div_ceil(4),
            push_constants: None,
            local: None,
            shared: FxHashMap::default(),
        }
    }
}

impl FunctionWriter<'_> {
    fn word_pointer(&mut self, class: StorageClass) -> Word {
        let word = self.module.ty(Type::B32);
        self.module.pointer(class, word)
    }

    /// The push constant block: an array of words.
    fn push_constants(&mut self) -> Word {
        if let Some(id) = self.memory.push_constants {
            return id;
        }
        let inline = if self.memory.parameters_in_memory {
            0
        } else {
            self.memory.parameter_words
        };
        let word = self.module.ty(Type::B32);
        let length = self.module.u32(layout::HEADER_BYTES / 4 + inline);
        let array = self.module.array(word, length, Some(4));
        let block = self.module.block(&[(array, 0)]);
        let id = self.module.variable(StorageClass::PushConstant, block);
        self.memory.push_constants = Some(id);
        id
    }

    /// A word of the push constants; `index` is an id.
    fn push_constant_at(&mut self, index: Word) -> Word {
        let block = self.push_constants();
        let pointer = self.word_pointer(StorageClass::PushConstant);
        let zero = self.module.u32(0);
        let pointer = self.emit_typed(spirv::Op::AccessChain, pointer, &[block, zero, index]);
        self.emit(spirv::Op::Load, Type::B32, &[pointer])
    }

    /// The word of the push constants at a byte offset.
    pub(super) fn push_constant(&mut self, byte: u32) -> Word {
        let index = self.module.u32(byte / 4);
        self.push_constant_at(index)
    }

    pub(super) fn push_constant_address(&mut self, byte: u32) -> Word {
        let words = [self.push_constant(byte), self.push_constant(byte + 4)];
        self.concat(Type::B64, Type::B32, &words)
    }

    /// A value that lies somewhere in words: `word` reads the word at an index.
    fn from_words(
        &mut self,
        ty: Type,
        byte: u32,
        mut word: impl FnMut(&mut Self, u32) -> Word,
    ) -> Word {
        let bits = ty.as_bits();
        let id = match ty.bits() {
            64 => {
                let words = [word(self, byte / 4), word(self, byte / 4 + 1)];
                self.concat(Type::B64, Type::B32, &words)
            }
            32 => word(self, byte / 4),
            narrow => {
                let whole = word(self, byte / 4);
                self.extract(bits, Type::B32, whole, byte % 4 / (narrow / 8))
            }
        };
        self.as_float(ty, id)
    }

    fn as_float(&mut self, ty: Type, id: Word) -> Word {
        match ty.is_float() {
            true => self.emit(spirv::Op::Bitcast, ty, &[id]),
            false => id,
        }
    }

    fn as_bits(&mut self, ty: Type, id: Word) -> Word {
        match ty.is_float() {
            true => self.emit(spirv::Op::Bitcast, ty.as_bits(), &[id]),
            false => id,
        }
    }

    pub(super) fn parameter(&mut self, i: &Instruction, offset: u32) -> Result<(), Error> {
        let ty = self.type_of(i.results[0]);
        if !offset.is_multiple_of(ty.bytes().clamp(1, 4)) {
            return Err(self.unsupported("a parameter at an odd place"));
        }
        let id = if self.memory.parameters_in_memory {
            let base = self.push_constant_address(layout::LAUNCH_ADDRESS);
            let at = layout::LAUNCH_PARAMETERS + offset;
            self.load_physical(ty, base, i64::from(at), ty.bytes())
        } else {
            self.from_words(ty, layout::HEADER_BYTES + offset, |w, index| {
                w.push_constant(4 * index)
            })
        };
        self.define(i.results[0], id);
        Ok(())
    }

    pub(super) fn load_physical(&mut self, ty: Type, base: Word, offset: i64, align: u32) -> Word {
        let pointer = self.physical_pointer(ty, 1, base, offset);
        let spirv_type = self.module.ty(ty);
        self.load_operands(spirv_type, pointer, MemoryAccess::ALIGNED, align)
    }

    pub(super) fn global(&mut self, i: &Instruction, number: u32) {
        let record = self.push_constant_address(layout::MODULE_ADDRESS);
        let at = 8 * (layout::RECORD_VARIABLES + number);
        let id = self.load_physical(Type::B64, record, i64::from(at), 8);
        self.define(i.results[0], id);
    }

    /// An address that may be read: the module record's, which every launch has
    /// and which is at least as long as any access.
    pub(super) fn safe_address(&mut self, i: &Instruction) {
        let id = self.push_constant_address(layout::MODULE_ADDRESS);
        self.define(i.results[0], id);
    }

    /// The address of the scratch buffer.
    pub(super) fn scratch_base(&mut self) -> Word {
        let record = self.push_constant_address(layout::LAUNCH_ADDRESS);
        self.load_physical(Type::B64, record, i64::from(layout::LAUNCH_SCRATCH), 8)
    }

    pub(super) fn print_buffer(&mut self, i: &Instruction) {
        let record = self.push_constant_address(layout::MODULE_ADDRESS);
        let at = i64::from(8 * layout::RECORD_PRINT);
        let id = self.load_physical(Type::B64, record, at, 8);
        self.define(i.results[0], id);
    }

    /// Sets the context's fault word. The translation ends the thread after it.
    pub(super) fn trap(&mut self, reason: u32) {
        let record = self.push_constant_address(layout::MODULE_ADDRESS);
        let at = i64::from(8 * layout::RECORD_FAULT);
        let address = self.load_physical(Type::B64, record, at, 8);
        let pointer = self.physical_pointer(Type::B32, 1, address, 0);
        let mut value = self.module.u32(reason);
        if let Some(message) = reason.checked_sub(layout::fault::MESSAGES) {
            let at = i64::from(8 * layout::RECORD_MESSAGES);
            let first = self.load_physical(Type::B32, record, at, 4);
            let message = self.module.u32(message);
            value = self.emit(spirv::Op::IAdd, Type::B32, &[first, message]);
        }
        let device = self.module.u32(spirv::Scope::Device as u32);
        let relaxed = self.module.u32(MemorySemantics::RELAXED.bits());
        let operands = [pointer, device, relaxed, value]
            .map(Operand::IdRef)
            .to_vec();
        self.effect(spirv::Op::AtomicStore, operands);
    }

    pub(super) fn physical_pointer(
        &mut self,
        ty: Type,
        count: u32,
        base: Word,
        offset: i64,
    ) -> Word {
        let address = self.offset_by(Type::B64, base, offset);
        match ty.bits() {
            8 => self
                .module
                .capability(spirv::Capability::StorageBuffer8BitAccess),
            16 => self
                .module
                .capability(spirv::Capability::StorageBuffer16BitAccess),
            _ => {}
        }
        let element = self.module.vector(ty, count);
        let pointer = self
            .module
            .pointer(StorageClass::PhysicalStorageBuffer, element);
        self.emit_typed(spirv::Op::ConvertUToPtr, pointer, &[address])
    }

    fn offset_by(&mut self, ty: Type, base: Word, offset: i64) -> Word {
        if offset == 0 {
            return base;
        }
        let offset = self.module.constant(ty, offset as u64 & ty.mask());
        self.emit(spirv::Op::IAdd, ty, &[base, offset])
    }

    pub(super) fn load_operands(
        &mut self,
        ty: Word,
        pointer: Word,
        access: MemoryAccess,
        align: u32,
    ) -> Word {
        let mut operands = vec![Operand::IdRef(pointer), Operand::MemoryAccess(access)];
        if access.contains(MemoryAccess::ALIGNED) {
            operands.push(Operand::LiteralBit32(align));
        }
        self.emit_operands(spirv::Op::Load, ty, operands)
    }

    pub(super) fn load(&mut self, i: &Instruction, access: &Access) -> Result<(), Error> {
        let ty = self.type_of(i.results[0]);
        let ids = match access.space {
            Space::Global | Space::Constant => self.load_global(i, access, ty)?,
            Space::Shared => self.load_shared(i.arguments[0], access, ty, i.results.len())?,
            Space::Local => self.load_local(i.arguments[0], access, ty, i.results.len())?,
            Space::Parameter => self.load_parameter(i.arguments[0], access, ty, i.results.len()),
            Space::Generic => return Err(self.unsupported("its address space is unknown")),
        };
        for (&result, id) in i.results.iter().zip(ids) {
            self.define(result, id);
        }
        Ok(())
    }

    fn load_global(
        &mut self,
        i: &Instruction,
        access: &Access,
        ty: Type,
    ) -> Result<Vec<Word>, Error> {
        let base = self.value(i.arguments[0]);
        let count = self.component_count(i.results.len())?;
        if is_atomic(access) && count == 1 && ty.bits() >= 32 {
            let bits = ty.as_bits();
            let pointer = self.physical_pointer(bits, 1, base, access.offset);
            let id = self.load_atomic(bits, pointer, access);
            return Ok(vec![self.as_float(ty, id)]);
        }
        let pointer = self.physical_pointer(ty, count, base, access.offset);
        let mode = memory_access(access);
        let vector = self.module.vector(ty, count);
        let loaded = self.load_operands(vector, pointer, mode, ty.bytes() * count);
        Ok(self.components(ty, loaded, count))
    }

    fn load_atomic(&mut self, bits: Type, pointer: Word, access: &Access) -> Word {
        if bits == Type::B64 {
            self.module.capability(spirv::Capability::Int64Atomics);
        }
        let scope = self.scope(access.scope);
        let semantics = self.semantics(access.order, true, false);
        self.emit(spirv::Op::AtomicLoad, bits, &[pointer, scope, semantics])
    }

    /// Components of a vector of one to four.
    fn component_count(&self, count: usize) -> Result<u32, Error> {
        match count {
            1..=4 => Ok(count as u32),
            _ => Err(self.unsupported("a vector of more than four")),
        }
    }

    fn components(&mut self, ty: Type, vector: Word, count: u32) -> Vec<Word> {
        if count == 1 {
            return vec![vector];
        }
        let ty = self.module.ty(ty);
        let extract = |index| {
            let operands = vec![Operand::IdRef(vector), Operand::LiteralBit32(index)];
            self.emit_operands(spirv::Op::CompositeExtract, ty, operands)
        };
        (0..count).map(extract).collect()
    }

    fn load_parameter(
        &mut self,
        address: Value,
        access: &Access,
        ty: Type,
        count: usize,
    ) -> Vec<Word> {
        let base = self.value(address);
        if self.memory.parameters_in_memory {
            let record = self.push_constant_address(layout::LAUNCH_ADDRESS);
            let base = self.emit(spirv::Op::IAdd, Type::B64, &[record, base]);
            let start = i64::from(layout::LAUNCH_PARAMETERS) + access.offset;
            let at = |index: usize| start + index as i64 * i64::from(ty.bytes());
            return (0..count)
                .map(|n| self.load_physical(ty, base, at(n), ty.bytes()))
                .collect();
        }
        let start = access.offset + i64::from(layout::HEADER_BYTES);
        let base = self.narrow(address, base);
        let byte = self.offset_by(Type::B32, base, start);
        self.values_in_words(ty, byte, count as u32, |w, index| w.push_constant_at(index))
    }

    /// An address of shared or local memory as 32 bits.
    fn narrow(&mut self, address: Value, id: Word) -> Word {
        match self.type_of(address) {
            Type::B64 => self.emit(spirv::Op::UConvert, Type::B32, &[id]),
            _ => id,
        }
    }

    /// `count` values one after another from a byte (an id) of an array of words.
    fn values_in_words(
        &mut self,
        ty: Type,
        byte: Word,
        count: u32,
        word: impl Fn(&mut Self, Word) -> Word,
    ) -> Vec<Word> {
        let offsets = (0..count).map(|index| i64::from(index * ty.bytes()));
        offsets
            .map(|offset| {
                let byte = self.offset_by(Type::B32, byte, offset);
                self.from_word_array(ty, byte, &word)
            })
            .collect()
    }

    /// A value at a byte (an id) of an array of words.
    fn from_word_array(
        &mut self,
        ty: Type,
        byte: Word,
        word: impl Fn(&mut Self, Word) -> Word,
    ) -> Word {
        let two = self.module.u32(2);
        let index = self.emit(spirv::Op::ShiftRightLogical, Type::B32, &[byte, two]);
        let first = word(self, index);
        let id = match ty.bits() {
            64 => {
                let next = self.offset_by(Type::B32, index, 1);
                let words = [first, word(self, next)];
                self.concat(Type::B64, Type::B32, &words)
            }
            32 => first,
            _ => {
                let amount = self.bit_in_word(byte);
                let word = self.emit(spirv::Op::ShiftRightLogical, Type::B32, &[first, amount]);
                self.emit(spirv::Op::UConvert, ty.as_bits(), &[word])
            }
        };
        self.as_float(ty, id)
    }

    /// How far a byte lies from the low end of its word, in bits.
    fn bit_in_word(&mut self, byte: Word) -> Word {
        let (three, eight) = (self.module.u32(3), self.module.u32(8));
        let place = self.emit(spirv::Op::BitwiseAnd, Type::B32, &[byte, three]);
        self.emit(spirv::Op::IMul, Type::B32, &[place, eight])
    }

    /// The byte that an access to shared or local memory starts at.
    fn narrow_address(&mut self, address: Value, access: &Access) -> Word {
        let base = self.value(address);
        let base = self.narrow(address, base);
        self.offset_by(Type::B32, base, access.offset)
    }

    /// Local memory as an array of words that only this thread has.
    fn local_pointer(&mut self, index: Word) -> Word {
        let variable = match self.memory.local {
            Some(id) => id,
            None => {
                let word = self.module.ty(Type::B32);
                let length = self.module.u32(self.memory.local_words.max(1));
                let array = self.module.array(word, length, None);
                let pointer = self.module.pointer(StorageClass::Function, array);
                let id = self.module.id();
                let class = vec![Operand::StorageClass(StorageClass::Function)];
                let declaration =
                    SpirvInstruction::new(spirv::Op::Variable, Some(pointer), Some(id), class);
                self.locals.push(declaration);
                self.memory.local = Some(id);
                id
            }
        };
        let pointer = self.word_pointer(StorageClass::Function);
        self.emit_typed(spirv::Op::AccessChain, pointer, &[variable, index])
    }

    fn load_local(
        &mut self,
        address: Value,
        access: &Access,
        ty: Type,
        count: usize,
    ) -> Result<Vec<Word>, Error> {
        let count = self.component_count(count)?;
        let byte = self.narrow_address(address, access);
        Ok(self.values_in_words(ty, byte, count, |w, index| {
            let pointer = w.local_pointer(index);
            w.emit(spirv::Op::Load, Type::B32, &[pointer])
        }))
    }

    pub(super) fn store(&mut self, i: &Instruction, access: &Access) -> Result<(), Error> {
        let (address, values) = (i.arguments[0], &i.arguments[1..]);
        let ty = self.type_of(values[0]);
        match access.space {
            Space::Global => self.store_global(address, values, access, ty),
            Space::Shared => self.store_shared(address, values, access, ty),
            Space::Local => {
                let byte = self.narrow_address(address, access);
                for (index, &value) in values.iter().enumerate() {
                    let byte =
                        self.offset_by(Type::B32, byte, index as i64 * i64::from(ty.bytes()));
                    self.store_local(byte, value, ty);
                }
                Ok(())
            }
            _ => Err(self.unsupported("its address space cannot be written")),
        }
    }

    fn store_global(
        &mut self,
        address: Value,
        values: &[Value],
        access: &Access,
        ty: Type,
    ) -> Result<(), Error> {
        let base = self.value(address);
        let count = self.component_count(values.len())?;
        if is_atomic(access) && count == 1 && ty.bits() >= 32 {
            let bits = ty.as_bits();
            let pointer = self.physical_pointer(bits, 1, base, access.offset);
            let value = self.value(values[0]);
            let value = self.as_bits(ty, value);
            self.store_atomic(bits, pointer, value, access);
            return Ok(());
        }
        let pointer = self.physical_pointer(ty, count, base, access.offset);
        let ids: Vec<_> = values.iter().map(|&v| self.value(v)).collect();
        let value = self.vector_of(ty, &ids);
        self.store_operands(pointer, value, memory_access(access), ty.bytes() * count);
        Ok(())
    }

    fn vector_of(&mut self, ty: Type, ids: &[Word]) -> Word {
        if ids.len() == 1 {
            return ids[0];
        }
        let vector = self.module.vector(ty, ids.len() as u32);
        self.emit_typed(spirv::Op::CompositeConstruct, vector, ids)
    }

    fn store_atomic(&mut self, bits: Type, pointer: Word, value: Word, access: &Access) {
        if bits == Type::B64 {
            self.module.capability(spirv::Capability::Int64Atomics);
        }
        let scope = self.scope(access.scope);
        let semantics = self.semantics(access.order, false, true);
        let operands = [pointer, scope, semantics, value]
            .map(Operand::IdRef)
            .to_vec();
        self.effect(spirv::Op::AtomicStore, operands);
    }

    fn store_operands(&mut self, pointer: Word, value: Word, access: MemoryAccess, align: u32) {
        let mut operands = vec![
            Operand::IdRef(pointer),
            Operand::IdRef(value),
            Operand::MemoryAccess(access),
        ];
        if access.contains(MemoryAccess::ALIGNED) {
            operands.push(Operand::LiteralBit32(align));
        }
        self.effect(spirv::Op::Store, operands);
    }

    /// The bits of a word that a narrow value takes, and the value there.
    fn piece_in_word(&mut self, byte: Word, id: Word, ty: Type) -> (Word, Word) {
        let amount = self.bit_in_word(byte);
        let ones = self.module.constant(Type::B32, ty.mask());
        let mask = self.emit(spirv::Op::ShiftLeftLogical, Type::B32, &[ones, amount]);
        let value = self.emit(spirv::Op::UConvert, Type::B32, &[id]);
        let value = self.emit(spirv::Op::ShiftLeftLogical, Type::B32, &[value, amount]);
        (mask, value)
    }

    fn store_local(&mut self, byte: Word, value: Value, ty: Type) {
        let id = self.value(value);
        let id = self.as_bits(ty, id);
        let two = self.module.u32(2);
        let index = self.emit(spirv::Op::ShiftRightLogical, Type::B32, &[byte, two]);
        let pointer = self.local_pointer(index);
        match ty.bits() {
            64 => {
                let next = self.offset_by(Type::B32, index, 1);
                let pointers = [pointer, self.local_pointer(next)];
                for (word, pointer) in pointers.into_iter().enumerate() {
                    let piece = self.extract(Type::B32, Type::B64, id, word as u32);
                    self.effect(
                        spirv::Op::Store,
                        vec![Operand::IdRef(pointer), Operand::IdRef(piece)],
                    );
                }
            }
            32 => self.effect(
                spirv::Op::Store,
                vec![Operand::IdRef(pointer), Operand::IdRef(id)],
            ),
            _ => {
                let (mask, piece) = self.piece_in_word(byte, id, ty);
                let keep = self.emit(spirv::Op::Not, Type::B32, &[mask]);
                let old = self.emit(spirv::Op::Load, Type::B32, &[pointer]);
                let old = self.emit(spirv::Op::BitwiseAnd, Type::B32, &[old, keep]);
                let new = self.emit(spirv::Op::BitwiseOr, Type::B32, &[old, piece]);
                self.effect(
                    spirv::Op::Store,
                    vec![Operand::IdRef(pointer), Operand::IdRef(new)],
                );
            }
        }
    }
}

/// Whether an access takes part in synchronization between threads.
const fn is_atomic(access: &Access) -> bool {
    matches!(
        access.order,
        Order::Relaxed
            | Order::Acquire
            | Order::Release
            | Order::AcquireRelease
            | Order::SequentiallyConsistent
    )
}

/// The memory operands of an ordinary access. What other threads may touch must
/// be marked non-private under the Vulkan memory model.
fn memory_access(access: &Access) -> MemoryAccess {
    let mut mode = MemoryAccess::ALIGNED;
    if access.space != Space::Constant && access.order != Order::ReadOnly {
        mode |= MemoryAccess::NON_PRIVATE_POINTER;
    }
    if !matches!(access.order, Order::Weak | Order::ReadOnly) {
        mode |= MemoryAccess::VOLATILE;
    }
    mode
}
