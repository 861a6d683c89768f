//! The parts of a SPIR-V module outside of function bodies: types, constants
//! and variables, each declared once however often it is asked for.

use rspirv::binary::Assemble;
use rspirv::dr::{Instruction, Module, ModuleHeader, Operand};
use rspirv::spirv::{self, Word};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::ir::Type;

/// A declaration that may be shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Declaration(spirv::Op, Option<Word>, Vec<Word>),
    Pointer(spirv::StorageClass, Word),
    Builtin(spirv::BuiltIn),
}

/// A module under construction.
#[derive(Debug)]
pub struct ModuleWriter {
    /// What was written so far.
    pub module: Module,
    next: Word,
    known: FxHashMap<Key, Word>,
    capabilities: FxHashSet<spirv::Capability>,
    extensions: FxHashSet<&'static str>,
    /// Global variables, which the entry point lists.
    pub interface: Vec<Word>,
    glsl: Word,
}

impl ModuleWriter {
    /// A module for Vulkan 1.3 with 64-bit addresses.
    #[must_use]
    pub fn new() -> Self {
        let mut this = Self {
            module: Module::new(),
            next: 1,
            known: FxHashMap::default(),
            capabilities: FxHashSet::default(),
            extensions: FxHashSet::default(),
            interface: Vec::new(),
            glsl: 0,
        };
        this.glsl = this.id();
        let name = Operand::LiteralString("GLSL.std.450".to_owned());
        let import = Instruction::new(spirv::Op::ExtInstImport, None, Some(this.glsl), vec![name]);
        this.module.ext_inst_imports.push(import);
        this.module.memory_model = Some(Instruction::new(
            spirv::Op::MemoryModel,
            None,
            None,
            vec![
                Operand::AddressingModel(spirv::AddressingModel::PhysicalStorageBuffer64),
                Operand::MemoryModel(spirv::MemoryModel::Vulkan),
            ],
        ));
        for capability in [
            spirv::Capability::Shader,
            spirv::Capability::PhysicalStorageBufferAddresses,
            spirv::Capability::VulkanMemoryModel,
            spirv::Capability::VulkanMemoryModelDeviceScope,
        ] {
            this.capability(capability);
        }
        this
    }

    /// A fresh id.
    pub fn id(&mut self) -> Word {
        self.next += 1;
        self.next - 1
    }

    /// The id of the instruction set GLSL.std.450.
    #[must_use]
    pub const fn glsl(&self) -> Word {
        self.glsl
    }

    /// Declares a capability.
    pub fn capability(&mut self, capability: spirv::Capability) {
        if self.capabilities.insert(capability) {
            let operands = vec![Operand::Capability(capability)];
            let instruction = Instruction::new(spirv::Op::Capability, None, None, operands);
            self.module.capabilities.push(instruction);
        }
    }

    /// Declares an extension.
    pub fn extension(&mut self, name: &'static str) {
        if self.extensions.insert(name) {
            let operands = vec![Operand::LiteralString(name.to_owned())];
            let instruction = Instruction::new(spirv::Op::Extension, None, None, operands);
            self.module.extensions.push(instruction);
        }
    }

    /// Adds an annotation.
    pub fn decorate(&mut self, id: Word, decoration: spirv::Decoration, literals: &[u32]) {
        let mut operands = vec![Operand::IdRef(id), Operand::Decoration(decoration)];
        operands.extend(literals.iter().map(|&l| Operand::LiteralBit32(l)));
        let instruction = Instruction::new(spirv::Op::Decorate, None, None, operands);
        self.module.annotations.push(instruction);
    }

    fn decorate_member(
        &mut self,
        id: Word,
        member: u32,
        decoration: spirv::Decoration,
        literal: u32,
    ) {
        let operands = vec![
            Operand::IdRef(id),
            Operand::LiteralBit32(member),
            Operand::Decoration(decoration),
            Operand::LiteralBit32(literal),
        ];
        let instruction = Instruction::new(spirv::Op::MemberDecorate, None, None, operands);
        self.module.annotations.push(instruction);
    }

    /// Names an id for people who read a disassembly.
    pub fn name(&mut self, id: Word, name: &str) {
        let operands = vec![Operand::IdRef(id), Operand::LiteralString(name.to_owned())];
        let instruction = Instruction::new(spirv::Op::Name, None, None, operands);
        self.module.debug_names.push(instruction);
    }

    fn declare(&mut self, op: spirv::Op, ty: Option<Word>, operands: Vec<Operand>) -> Word {
        let id = self.id();
        let instruction = Instruction::new(op, ty, Some(id), operands);
        self.module.types_global_values.push(instruction);
        id
    }

    /// A declaration whose operands are all words, shared with equal ones.
    fn shared(
        &mut self,
        op: spirv::Op,
        ty: Option<Word>,
        words: Vec<Word>,
        operand: impl Fn(Word) -> Operand,
    ) -> Word {
        let key = Key::Declaration(op, ty, words);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let Key::Declaration(_, _, words) = &key else {
            return 0;
        };
        let operands = words.iter().copied().map(operand).collect();
        let id = self.declare(op, ty, operands);
        self.known.insert(key, id);
        id
    }

    /// `void`
    pub fn void(&mut self) -> Word {
        self.shared(spirv::Op::TypeVoid, None, Vec::new(), Operand::LiteralBit32)
    }

    /// The type of functions with these parameters that return nothing.
    pub fn function_type(&mut self, parameters: &[Word]) -> Word {
        let words = [&[self.void()], parameters].concat();
        self.shared(spirv::Op::TypeFunction, None, words, Operand::IdRef)
    }

    /// The SPIR-V type of an IR type.
    pub fn ty(&mut self, ty: Type) -> Word {
        let (op, words) = match ty {
            Type::B1 => (spirv::Op::TypeBool, vec![]),
            float if float.is_float() => (spirv::Op::TypeFloat, vec![float.bits()]),
            bits => (spirv::Op::TypeInt, vec![bits.bits(), 0]),
        };
        match ty {
            Type::B8 => self.capability(spirv::Capability::Int8),
            Type::B16 => self.capability(spirv::Capability::Int16),
            Type::B64 => self.capability(spirv::Capability::Int64),
            Type::F16 => self.capability(spirv::Capability::Float16),
            Type::F64 => self.capability(spirv::Capability::Float64),
            _ => {}
        }
        self.shared(op, None, words, Operand::LiteralBit32)
    }

    /// A vector; of one component it is the component's type.
    pub fn vector(&mut self, ty: Type, count: u32) -> Word {
        let component = self.ty(ty);
        if count == 1 {
            return component;
        }
        let key = Key::Declaration(spirv::Op::TypeVector, None, vec![component, count]);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let operands = vec![Operand::IdRef(component), Operand::LiteralBit32(count)];
        let id = self.declare(spirv::Op::TypeVector, None, operands);
        self.known.insert(key, id);
        id
    }

    /// The type of a matrix that invocations hold together; the ids of its scope,
    /// rows, columns and use.
    pub fn cooperative_matrix(&mut self, component: Word, words: [Word; 4]) -> Word {
        let words = [&[component], words.as_slice()].concat();
        let op = spirv::Op::TypeCooperativeMatrixKHR;
        self.shared(op, None, words, Operand::IdRef)
    }

    /// Zeros of any type.
    pub fn null(&mut self, ty: Word) -> Word {
        let op = spirv::Op::ConstantNull;
        self.shared(op, Some(ty), Vec::new(), Operand::IdRef)
    }

    /// A pointer type.
    pub fn pointer(&mut self, class: spirv::StorageClass, to: Word) -> Word {
        let key = Key::Pointer(class, to);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let operands = vec![Operand::StorageClass(class), Operand::IdRef(to)];
        let id = self.declare(spirv::Op::TypePointer, None, operands);
        self.known.insert(key, id);
        id
    }

    /// A constant.
    pub fn constant(&mut self, ty: Type, bits: u64) -> Word {
        let id = self.ty(ty);
        if ty == Type::B1 {
            let op = if bits == 0 {
                spirv::Op::ConstantFalse
            } else {
                spirv::Op::ConstantTrue
            };
            return self.shared(op, Some(id), Vec::new(), Operand::IdRef);
        }
        let words = match ty.bits() {
            64 => vec![bits as u32, (bits >> 32) as u32],
            _ => vec![bits as u32],
        };
        self.shared(spirv::Op::Constant, Some(id), words, Operand::LiteralBit32)
    }

    /// A 32-bit constant.
    pub fn u32(&mut self, value: u32) -> Word {
        self.constant(Type::B32, u64::from(value))
    }

    /// A 32-bit specialization constant. The same id twice is one constant.
    pub fn specialization(&mut self, id: u32, default: u32) -> Word {
        let ty = self.ty(Type::B32);
        let key = Key::Declaration(spirv::Op::SpecConstant, Some(ty), vec![id]);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let word = self.declare(
            spirv::Op::SpecConstant,
            Some(ty),
            vec![Operand::LiteralBit32(default)],
        );
        self.decorate(word, spirv::Decoration::SpecId, &[id]);
        self.known.insert(key, word);
        word
    }

    /// A constant expression of 32 bits over specialization constants.
    pub fn specialization_operation(&mut self, op: spirv::Op, a: Word, b: Word) -> Word {
        let ty = self.ty(Type::B32);
        let key = Key::Declaration(op, Some(ty), vec![a, b]);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let operands = vec![
            Operand::LiteralSpecConstantOpInteger(op),
            Operand::IdRef(a),
            Operand::IdRef(b),
        ];
        let id = self.declare(spirv::Op::SpecConstantOp, Some(ty), operands);
        self.known.insert(key, id);
        id
    }

    /// An array type, with a stride where its memory has an explicit layout.
    /// Each call makes a type of its own, since decorations belong to types.
    pub fn array(&mut self, element: Word, length: Word, stride: Option<u32>) -> Word {
        let operands = vec![Operand::IdRef(element), Operand::IdRef(length)];
        let id = self.declare(spirv::Op::TypeArray, None, operands);
        if let Some(stride) = stride {
            self.decorate(id, spirv::Decoration::ArrayStride, &[stride]);
        }
        id
    }

    /// A block with these members at these offsets.
    pub fn block(&mut self, members: &[(Word, u32)]) -> Word {
        let operands = members.iter().map(|&(ty, _)| Operand::IdRef(ty)).collect();
        let id = self.declare(spirv::Op::TypeStruct, None, operands);
        self.decorate(id, spirv::Decoration::Block, &[]);
        for (index, &(_, offset)) in members.iter().enumerate() {
            self.decorate_member(id, index as u32, spirv::Decoration::Offset, offset);
        }
        id
    }

    /// A variable of the module.
    pub fn variable(&mut self, class: spirv::StorageClass, ty: Word) -> Word {
        let pointer = self.pointer(class, ty);
        let operands = vec![Operand::StorageClass(class)];
        let id = self.declare(spirv::Op::Variable, Some(pointer), operands);
        self.interface.push(id);
        id
    }

    /// The input variable of a built-in, of the type `ty`.
    pub fn builtin(&mut self, builtin: spirv::BuiltIn, ty: Word) -> Word {
        let key = Key::Builtin(builtin);
        if let Some(&id) = self.known.get(&key) {
            return id;
        }
        let id = self.variable(spirv::StorageClass::Input, ty);
        let operands = vec![
            Operand::IdRef(id),
            Operand::Decoration(spirv::Decoration::BuiltIn),
            Operand::BuiltIn(builtin),
        ];
        let decoration = Instruction::new(spirv::Op::Decorate, None, None, operands);
        self.module.annotations.push(decoration);
        self.known.insert(key, id);
        id
    }

    /// The words of the module.
    #[must_use]
    pub fn assemble(mut self) -> Vec<u32> {
        let mut header = ModuleHeader::new(self.next);
        header.set_version(1, 6);
        self.module.header = Some(header);
        self.module.assemble()
    }
}

impl Default for ModuleWriter {
    fn default() -> Self {
        Self::new()
    }
}
