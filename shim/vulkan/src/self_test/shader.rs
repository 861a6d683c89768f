//! Test shaders, assembled by hand: one workgroup, a pointer to read and one
//! to write in the push constants, 64-bit words on both sides.

use rspirv::binary::Assemble;
use rspirv::dr::{Builder, InsertPoint, Instruction, Operand};
use rspirv::spirv::{
    AddressingModel, BuiltIn, Capability, CooperativeMatrixUse, Decoration, ExecutionMode,
    ExecutionModel, FunctionControl, MemoryAccess, MemoryModel, MemorySemantics, Op, Scope,
    SelectionControl, StorageClass, Word,
};

/// The entry point of every test shader.
pub(super) const ENTRY: &str = "main";
/// Bytes of push constants: the two pointers.
pub(super) const PUSH_CONSTANTS: u32 = 16;

/// The types that test shaders compute in.
pub(super) struct Types {
    pub boolean: Word,
    pub u32: Word,
    pub u64: Word,
    pub i32: Word,
    pub f32: Word,
    pub mask: Word,
}

/// A compute shader under construction, inside its one function.
pub(super) struct Shader {
    builder: Builder,
    pub types: Types,
    function: Word,
    interface: Vec<Word>,
    glsl: Word,
    word_pointer: Word,
    counter_pointer: Word,
    workgroup: u32,
    /// Device address of the words to read.
    pub input: Word,
    /// Device address of the words to write.
    pub output: Word,
    /// `LocalInvocationIndex`.
    pub index: Word,
}

/// What every test shader declares.
const CAPABILITIES: [Capability; 5] = [
    Capability::Shader,
    Capability::Int64,
    Capability::PhysicalStorageBufferAddresses,
    Capability::VulkanMemoryModel,
    Capability::VulkanMemoryModelDeviceScope,
];

impl Shader {
    /// Opens a shader whose one workgroup has `workgroup` invocations.
    pub fn new(workgroup: u32, capabilities: &[Capability]) -> Shader {
        let mut builder = Builder::new();
        builder.set_version(1, 5);
        for &capability in CAPABILITIES.iter().chain(capabilities) {
            builder.capability(capability);
        }
        let glsl = builder.ext_inst_import("GLSL.std.450");
        builder.memory_model(
            AddressingModel::PhysicalStorageBuffer64,
            MemoryModel::Vulkan,
        );
        let word = builder.type_int(32, 0);
        let types = Types {
            boolean: builder.type_bool(),
            u32: word,
            u64: builder.type_int(64, 0),
            i32: builder.type_int(32, 1),
            f32: builder.type_float(32, None),
            mask: builder.type_vector(word, 4),
        };
        let word_pointer =
            builder.type_pointer(None, StorageClass::PhysicalStorageBuffer, types.u64);
        let counter_pointer =
            builder.type_pointer(None, StorageClass::PhysicalStorageBuffer, types.u32);
        let mut shader = Shader {
            function: 0,
            interface: Vec::new(),
            input: 0,
            output: 0,
            index: 0,
            builder,
            types,
            glsl,
            word_pointer,
            counter_pointer,
            workgroup,
        };
        shader.begin();
        shader
    }

    fn begin(&mut self) {
        let push = self.push_constants();
        let index_pointer = self
            .builder
            .type_pointer(None, StorageClass::Input, self.types.u32);
        let index = self.global(index_pointer, StorageClass::Input);
        let builtin = Operand::BuiltIn(BuiltIn::LocalInvocationIndex);
        self.builder.decorate(index, Decoration::BuiltIn, [builtin]);

        let void = self.builder.type_void();
        let signature = self.builder.type_function(void, []);
        let function = self
            .builder
            .begin_function(void, None, FunctionControl::NONE, signature);
        self.function = function.expect("the first function");
        self.builder
            .begin_block(None)
            .expect("a block in the function");

        let member_pointer =
            self.builder
                .type_pointer(None, StorageClass::PushConstant, self.types.u64);
        let [first, second] = [0, 1].map(|member| self.constant(member));
        let input = self.op(Op::AccessChain, member_pointer, &[push, first]);
        let output = self.op(Op::AccessChain, member_pointer, &[push, second]);
        self.input = self.op(Op::Load, self.types.u64, &[input]);
        self.output = self.op(Op::Load, self.types.u64, &[output]);
        self.index = self.op(Op::Load, self.types.u32, &[index]);
    }

    fn push_constants(&mut self) -> Word {
        let block = self.builder.type_struct([self.types.u64, self.types.u64]);
        self.builder.decorate(block, Decoration::Block, []);
        for (member, offset) in [(0, 0), (1, 8)] {
            self.builder.member_decorate(
                block,
                member,
                Decoration::Offset,
                [Operand::LiteralBit32(offset)],
            );
        }
        let pointer = self
            .builder
            .type_pointer(None, StorageClass::PushConstant, block);
        self.global(pointer, StorageClass::PushConstant)
    }

    /// A variable of the module, wherever the builder stands.
    fn global(&mut self, pointer: Word, class: StorageClass) -> Word {
        let variable = self.builder.id();
        let operands = vec![Operand::StorageClass(class)];
        let instruction = Instruction::new(Op::Variable, Some(pointer), Some(variable), operands);
        self.builder
            .module_mut()
            .types_global_values
            .push(instruction);
        self.interface.push(variable);
        variable
    }

    /// A workgroup array of `u32`, as long as the workgroup.
    pub fn shared_array(&mut self) -> Word {
        let length = self.constant(self.workgroup);
        let array = self.builder.type_array(self.types.u32, length);
        let pointer = self
            .builder
            .type_pointer(None, StorageClass::Workgroup, array);
        self.global(pointer, StorageClass::Workgroup)
    }

    /// A type that only some shaders need.
    pub fn float(&mut self, width: u32) -> Word {
        self.builder.type_float(width, None)
    }

    /// An integer type that only some shaders need.
    pub fn integer(&mut self, width: u32) -> Word {
        self.builder.type_int(width, 0)
    }

    pub fn extension(&mut self, name: &str) {
        self.builder.extension(name);
    }

    /// The type of a matrix that a subgroup holds together.
    pub fn matrix(
        &mut self,
        component: Word,
        [rows, columns]: [u32; 2],
        used: CooperativeMatrixUse,
    ) -> Word {
        let scope = self.scope(Scope::Subgroup);
        let [rows, columns, used] = [rows, columns, used as u32].map(|n| self.constant(n));
        self.builder
            .type_cooperative_matrix_khr(component, scope, rows, columns, used)
    }

    pub fn null(&mut self, ty: Word) -> Word {
        self.builder.constant_null(ty)
    }

    pub fn element_of(&mut self, composite: Word, ty: Word, index: u32) -> Word {
        let operands = vec![Operand::IdRef(composite), Operand::LiteralBit32(index)];
        self.instruction(Op::CompositeExtract, ty, operands)
    }

    /// A matrix in which the invocation has these elements.
    pub fn matrix_of(&mut self, ty: Word, elements: &[Word]) -> Word {
        let null = self.null(ty);
        (0..).zip(elements).fold(null, |matrix, (index, &element)| {
            let operands = vec![
                Operand::IdRef(element),
                Operand::IdRef(matrix),
                Operand::LiteralBit32(index),
            ];
            self.instruction(Op::CompositeInsert, ty, operands)
        })
    }

    pub fn vector(&mut self, element: Word, count: u32) -> Word {
        self.builder.type_vector(element, count)
    }

    pub fn constant(&mut self, value: u32) -> Word {
        self.builder.constant_bit32(self.types.u32, value)
    }

    fn constant64(&mut self, value: u64) -> Word {
        self.builder.constant_bit64(self.types.u64, value)
    }

    pub fn float_constant(&mut self, value: f32) -> Word {
        self.builder.constant_bit32(self.types.f32, value.to_bits())
    }

    /// An instruction whose operands are all results of others.
    pub fn op(&mut self, op: Op, result_type: Word, operands: &[Word]) -> Word {
        let operands = operands.iter().map(|&id| Operand::IdRef(id)).collect();
        self.instruction(op, result_type, operands)
    }

    pub fn instruction(&mut self, op: Op, result_type: Word, operands: Vec<Operand>) -> Word {
        let id = self.builder.id();
        self.push(Instruction::new(op, Some(result_type), Some(id), operands));
        id
    }

    fn push(&mut self, instruction: Instruction) {
        self.builder
            .insert_into_block(InsertPoint::End, instruction)
            .expect("a block is open");
    }

    /// An instruction of GLSL.std.450.
    pub fn glsl(
        &mut self,
        instruction: rspirv::spirv::GlslStd450Op,
        result_type: Word,
        operands: &[Word],
    ) -> Word {
        let mut all = vec![
            Operand::IdRef(self.glsl),
            Operand::LiteralExtInstInteger(instruction as u32),
        ];
        all.extend(operands.iter().map(|&id| Operand::IdRef(id)));
        self.instruction(Op::ExtInst, result_type, all)
    }

    /// Forbids that the operation is fused with another.
    pub fn no_contraction(&mut self, result: Word) {
        self.builder.decorate(result, Decoration::NoContraction, []);
    }

    pub fn scope(&mut self, scope: Scope) -> Word {
        self.constant(scope as u32)
    }

    /// `base + 8 * index`.
    pub fn word_at(&mut self, base: Word, index: Word) -> Word {
        let (u64, eight) = (self.types.u64, self.constant64(8));
        let index = self.op(Op::UConvert, u64, &[index]);
        let offset = self.op(Op::IMul, u64, &[index, eight]);
        self.op(Op::IAdd, u64, &[base, offset])
    }

    pub fn load(&mut self, address: Word) -> Word {
        let pointer = self.op(Op::ConvertUToPtr, self.word_pointer, &[address]);
        let operands = vec![
            Operand::IdRef(pointer),
            Operand::MemoryAccess(MemoryAccess::ALIGNED),
            Operand::LiteralBit32(8),
        ];
        self.instruction(Op::Load, self.types.u64, operands)
    }

    pub fn store(&mut self, address: Word, value: Word) {
        let pointer = self.op(Op::ConvertUToPtr, self.word_pointer, &[address]);
        let operands = vec![
            Operand::IdRef(pointer),
            Operand::IdRef(value),
            Operand::MemoryAccess(MemoryAccess::ALIGNED),
            Operand::LiteralBit32(8),
        ];
        self.push(Instruction::new(Op::Store, None, None, operands));
    }

    /// Adds 1 to the `u32` at an address, for all invocations to see.
    pub fn count(&mut self, address: Word) {
        let pointer = self.op(Op::ConvertUToPtr, self.counter_pointer, &[address]);
        let (device, relaxed, one) = (
            self.scope(Scope::Device),
            self.constant(0),
            self.constant(1),
        );
        self.op(
            Op::AtomicIAdd,
            self.types.u32,
            &[pointer, device, relaxed, one],
        );
    }

    /// The element of a workgroup array.
    fn element(&mut self, array: Word, index: Word) -> Word {
        let pointer = self
            .builder
            .type_pointer(None, StorageClass::Workgroup, self.types.u32);
        self.op(Op::AccessChain, pointer, &[array, index])
    }

    pub fn load_shared(&mut self, array: Word, index: Word) -> Word {
        let operands = vec![
            Operand::IdRef(self.element(array, index)),
            Operand::MemoryAccess(MemoryAccess::NON_PRIVATE_POINTER),
        ];
        self.instruction(Op::Load, self.types.u32, operands)
    }

    pub fn store_shared(&mut self, array: Word, index: Word, value: Word) {
        let element = self.element(array, index);
        let operands = vec![
            Operand::IdRef(element),
            Operand::IdRef(value),
            Operand::MemoryAccess(MemoryAccess::NON_PRIVATE_POINTER),
        ];
        self.push(Instruction::new(Op::Store, None, None, operands));
    }

    /// A barrier of the workgroup that orders its memory. Under the Vulkan memory
    /// model that takes non-private accesses, made available and visible here: a
    /// driver that takes the model at its word leaves others where they are.
    pub fn barrier(&mut self) {
        let semantics = MemorySemantics::ACQUIRE_RELEASE
            | MemorySemantics::WORKGROUP_MEMORY
            | MemorySemantics::MAKE_AVAILABLE
            | MemorySemantics::MAKE_VISIBLE;
        let (workgroup, semantics) = (
            self.scope(Scope::Workgroup),
            self.constant(semantics.bits()),
        );
        self.builder
            .control_barrier(workgroup, workgroup, semantics)
            .expect("a block is open");
    }

    /// Ends the invocations for which `condition` holds.
    pub fn return_if(&mut self, condition: Word) {
        let (ends, goes_on) = (self.builder.id(), self.builder.id());
        self.builder
            .selection_merge(goes_on, SelectionControl::NONE)
            .expect("a block is open");
        self.builder
            .branch_conditional(condition, ends, goes_on, [])
            .expect("a block is open");
        self.builder
            .begin_block(Some(ends))
            .expect("no block is open");
        self.builder.ret().expect("a block is open");
        self.builder
            .begin_block(Some(goes_on))
            .expect("no block is open");
    }

    pub fn finish(mut self) -> Vec<u32> {
        self.builder.ret().expect("a block is open");
        self.builder.end_function().expect("a function is open");
        self.builder.entry_point(
            ExecutionModel::GLCompute,
            self.function,
            ENTRY,
            &self.interface,
        );
        self.builder.execution_mode(
            self.function,
            ExecutionMode::LocalSize,
            [self.workgroup, 1, 1],
        );
        self.builder.module().assemble()
    }
}

/// Fails the test unless `spirv-val` (of SPIRV-Tools) accepts the module.
#[cfg(test)]
pub(super) fn assert_valid(spirv: &[u32]) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("shader.spv");
    let bytes: Vec<u8> = spirv.iter().flat_map(|word| word.to_le_bytes()).collect();
    std::fs::write(&path, bytes).expect("written");
    let output = std::process::Command::new("spirv-val")
        .args(["--target-env", "vulkan1.3"])
        .arg(path)
        .output()
        .expect("spirv-val of SPIRV-Tools is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
