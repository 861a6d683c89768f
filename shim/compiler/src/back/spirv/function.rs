//! The body of a kernel: blocks, phis, terminators, the entry point.

use rspirv::dr::{Block, Function as SpirvFunction, Instruction, Operand};
use rspirv::spirv::{self, Word};

use super::Error;
use super::layout::specialization;
use super::memory::Memory;
use super::module::ModuleWriter;
use crate::cfg::reverse_postorder;
use crate::ir::{self, BlockId, Function, Merge, Op, Terminator, Type, Value};
use crate::target::Target;

/// The name of every entry point.
pub const ENTRY_POINT: &str = "main";

/// A compiled kernel and what its launch must provide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The module.
    pub words: Vec<u32>,
    /// Whether the kernel sees its warp: the workgroup is then one-dimensional,
    /// whole warps, and the subgroup as wide as a warp.
    pub observes_warp: bool,
    /// Whether parameters lie in the launch record.
    pub parameters_in_memory: bool,
}

/// Writes a structured, legalized function.
///
/// # Errors
/// Where an operation has no translation for the target.
pub fn write(function: &Function, target: &Target) -> Result<Output, Error> {
    let mut writer = FunctionWriter::new(function, target);
    writer.body()?;
    writer.phis();
    writer.entry_point();
    Ok(Output {
        observes_warp: writer.observes_warp,
        parameters_in_memory: writer.memory.parameters_in_memory,
        words: writer.module.assemble(),
    })
}

pub(super) struct FunctionWriter<'f> {
    pub(super) function: &'f Function,
    pub(super) target: &'f Target,
    pub(super) module: ModuleWriter,
    pub(super) memory: Memory,
    /// The id of each value.
    values: Vec<Word>,
    /// The constants among the values.
    constants: Vec<Option<u64>>,
    /// The label of each IR block, and of the SPIR-V block where it ends.
    labels: Vec<Word>,
    ends: Vec<Word>,
    /// Where each IR block starts among the written ones.
    starts: Vec<Option<usize>>,
    blocks: Vec<Block>,
    /// Variables of the function, declared in its first block.
    pub(super) locals: Vec<Instruction>,
    pub(super) observes_warp: bool,
    /// The address of the block's part of the buffer with shared memory, a
    /// parameter of the body.
    pub(super) shared_base: Option<Word>,
    /// The instruction being written, for errors.
    current: Option<(Op, u32)>,
}

impl<'f> FunctionWriter<'f> {
    fn new(function: &'f Function, target: &'f Target) -> Self {
        let mut module = ModuleWriter::new();
        let memory = Memory::new(function, target);
        // Instructions choose the ids of their results: only what a phi may read
        // before it is written needs one now.
        let mut values = vec![0; function.values.len()];
        let parameters = function.blocks.iter().flat_map(|block| &block.parameters);
        parameters.for_each(|parameter| values[parameter.index()] = module.id());
        let labels: Vec<_> = function.blocks.iter().map(|_| module.id()).collect();
        Self {
            function,
            target,
            memory,
            values,
            constants: vec![None; function.values.len()],
            ends: labels.clone(),
            starts: vec![None; labels.len()],
            labels,
            blocks: Vec::new(),
            locals: Vec::new(),
            observes_warp: observes_warp(function),
            shared_base: None,
            current: None,
            module,
        }
    }

    fn body(&mut self) -> Result<(), Error> {
        let mut order = reverse_postorder(self.function);
        let mut written = vec![false; self.function.blocks.len()];
        order.iter().for_each(|block| written[block.index()] = true);
        self.find_constants();
        for &block in &order {
            self.block(block)?;
        }
        // Merge blocks that nothing reaches must still be there.
        let merges: Vec<BlockId> = order.iter().flat_map(|&b| self.merge_blocks(b)).collect();
        order.clear();
        for merge in merges {
            if !std::mem::replace(&mut written[merge.index()], true) {
                self.unreached(merge);
            }
        }
        Ok(())
    }

    fn merge_blocks(&self, block: BlockId) -> Vec<BlockId> {
        match self.function[block].merge {
            Some(Merge::Selection(merge)) => vec![merge],
            Some(Merge::Loop { merge, continuing }) => vec![merge, continuing],
            None => vec![],
        }
    }

    /// A block that control never reaches. A continue block must lead back even
    /// then.
    fn unreached(&mut self, block: BlockId) {
        self.begin(self.labels[block.index()]);
        let back = match &self.function[block].terminator {
            Terminator::Jump(edge) => self.blocks_continuing(block, edge.block),
            _ => None,
        };
        match back {
            Some(header) => self.terminate(spirv::Op::Branch, vec![Operand::IdRef(header)]),
            None => self.terminate(spirv::Op::Unreachable, vec![]),
        }
    }

    fn blocks_continuing(&self, block: BlockId, header: BlockId) -> Option<Word> {
        match self.function[header].merge {
            Some(Merge::Loop { continuing, .. }) if continuing == block => {
                Some(self.labels[header.index()])
            }
            _ => None,
        }
    }

    fn find_constants(&mut self) {
        let function = self.function;
        for instruction in function.blocks.iter().flat_map(|b| &b.instructions) {
            if let (Op::Const(bits), [result]) = (instruction.op, instruction.results.as_slice()) {
                self.constants[result.index()] = Some(bits);
                self.values[result.index()] = self.module.constant(function.ty(*result), bits);
            }
        }
    }

    fn begin(&mut self, label: Word) {
        let mut block = Block::new();
        block.label = Some(Instruction::new(
            spirv::Op::Label,
            None,
            Some(label),
            vec![],
        ));
        self.blocks.push(block);
    }

    fn block(&mut self, id: BlockId) -> Result<(), Error> {
        let function = self.function;
        self.starts[id.index()] = Some(self.blocks.len());
        self.begin(self.labels[id.index()]);
        for instruction in &function[id].instructions {
            self.current = Some((instruction.op, instruction.offset));
            self.instruction(instruction)?;
        }
        self.ends[id.index()] = self.label();
        self.merge(id);
        self.terminator(id);
        Ok(())
    }

    /// The label of the block being written.
    pub(super) fn label(&self) -> Word {
        let label = self.blocks.last().and_then(|b| b.label.as_ref());
        label.and_then(|l| l.result_id).unwrap_or(0)
    }

    /// Ends the current block with a branch to a new one, which becomes current.
    pub(super) fn continue_in(&mut self, label: Word) {
        self.terminate(spirv::Op::Branch, vec![Operand::IdRef(label)]);
        self.begin(label);
    }

    /// Starts a block after the current one was terminated by hand.
    pub(super) fn start(&mut self, label: Word) {
        self.begin(label);
    }

    pub(super) fn terminate(&mut self, op: spirv::Op, operands: Vec<Operand>) {
        self.effect(op, operands);
    }

    fn merge(&mut self, id: BlockId) {
        match self.function[id].merge {
            Some(Merge::Selection(merge)) => {
                let operands = vec![
                    Operand::IdRef(self.labels[merge.index()]),
                    Operand::SelectionControl(spirv::SelectionControl::NONE),
                ];
                self.effect(spirv::Op::SelectionMerge, operands);
            }
            Some(Merge::Loop { merge, continuing }) => {
                let operands = vec![
                    Operand::IdRef(self.labels[merge.index()]),
                    Operand::IdRef(self.labels[continuing.index()]),
                    Operand::LoopControl(spirv::LoopControl::NONE),
                ];
                self.effect(spirv::Op::LoopMerge, operands);
            }
            None => {}
        }
    }

    fn terminator(&mut self, id: BlockId) {
        let label = |block: BlockId| Operand::IdRef(self.labels[block.index()]);
        let (op, operands) = match &self.function[id].terminator {
            Terminator::Jump(edge) => (spirv::Op::Branch, vec![label(edge.block)]),
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => {
                let condition = Operand::IdRef(self.values[condition.index()]);
                let operands = vec![condition, label(then.block), label(otherwise.block)];
                (spirv::Op::BranchConditional, operands)
            }
            Terminator::Return => (spirv::Op::Return, vec![]),
            Terminator::Switch { .. } | Terminator::Unreachable => (spirv::Op::Unreachable, vec![]),
        };
        self.terminate(op, operands);
    }

    /// Writes the phis at the head of their blocks, now that every value and
    /// the last label of every block is known.
    fn phis(&mut self) {
        let predecessors = crate::ssa::predecessor_edges(self.function);
        let function = self.function;
        for id in function.block_ids() {
            let Some(start) = self.starts[id.index()] else {
                continue;
            };
            let mut phis = Vec::new();
            for (index, &parameter) in function[id].parameters.iter().enumerate() {
                let ty = self.module.ty(function.ty(parameter));
                let mut operands = Vec::new();
                for &(from, edge) in &predecessors[id.index()] {
                    if self.starts[from.index()].is_none() {
                        continue;
                    }
                    let argument = function[from].terminator.edges()[edge].arguments[index];
                    operands.push(Operand::IdRef(self.values[argument.index()]));
                    operands.push(Operand::IdRef(self.ends[from.index()]));
                }
                let result = Some(self.values[parameter.index()]);
                phis.push(Instruction::new(spirv::Op::Phi, Some(ty), result, operands));
            }
            self.blocks[start].instructions.splice(0..0, phis);
        }
    }

    fn entry_point(&mut self) {
        if let Some(first) = self.blocks.first_mut() {
            first.instructions.splice(0..0, self.locals.drain(..));
        }
        let main = match self.frame() {
            None => {
                let main = self.module.id();
                self.finish_function(main, None);
                main
            }
            Some(frame) => {
                let body = self.module.id();
                self.finish_function(body, self.shared_base);
                self.write_frame(&frame, body)
            }
        };
        self.module.name(main, &self.function.name);
        let mut operands = vec![
            Operand::ExecutionModel(spirv::ExecutionModel::GLCompute),
            Operand::IdRef(main),
            Operand::LiteralString(ENTRY_POINT.to_owned()),
        ];
        operands.extend(self.module.interface.iter().map(|&id| Operand::IdRef(id)));
        let entry = Instruction::new(spirv::Op::EntryPoint, None, None, operands);
        self.module.module.entry_points.push(entry);
        self.execution_modes(main);
    }

    /// Makes the blocks written so far a function, with a 64-bit parameter or
    /// without.
    pub(super) fn finish_function(&mut self, id: Word, parameter: Option<Word>) {
        let void = self.module.void();
        let address = self.module.ty(Type::B64);
        let parameters: Vec<Word> = parameter.iter().map(|_| address).collect();
        let function_type = self.module.function_type(&parameters);
        let mut function = SpirvFunction::new();
        function.def = Some(Instruction::new(
            spirv::Op::Function,
            Some(void),
            Some(id),
            vec![
                Operand::FunctionControl(spirv::FunctionControl::NONE),
                Operand::IdRef(function_type),
            ],
        ));
        let declare = |id| {
            Instruction::new(
                spirv::Op::FunctionParameter,
                Some(address),
                Some(id),
                vec![],
            )
        };
        function.parameters = parameter.into_iter().map(declare).collect();
        function.blocks = std::mem::take(&mut self.blocks);
        function.end = Some(Instruction::new(spirv::Op::FunctionEnd, None, None, vec![]));
        self.module.module.functions.push(function);
    }

    fn execution_modes(&mut self, main: Word) {
        let sizes = [
            specialization::WORKGROUP_X,
            specialization::WORKGROUP_Y,
            specialization::WORKGROUP_Z,
        ];
        let sizes = sizes.map(|id| Operand::IdRef(self.module.specialization(id, 1)));
        let mut operands = vec![
            Operand::IdRef(main),
            Operand::ExecutionMode(spirv::ExecutionMode::LocalSizeId),
        ];
        operands.extend(sizes);
        self.execution_mode(spirv::Op::ExecutionModeId, operands);
        if self.target.preserve_special_values {
            self.module
                .capability(spirv::Capability::SignedZeroInfNanPreserve);
            let mode = spirv::ExecutionMode::SignedZeroInfNanPreserve;
            let operands = vec![
                Operand::IdRef(main),
                Operand::ExecutionMode(mode),
                Operand::LiteralBit32(32),
            ];
            self.execution_mode(spirv::Op::ExecutionMode, operands);
        }
        if self.observes_warp && self.target.maximal_reconvergence {
            self.module.extension("SPV_KHR_maximal_reconvergence");
            let mode = spirv::ExecutionMode::MaximallyReconvergesKHR;
            let operands = vec![Operand::IdRef(main), Operand::ExecutionMode(mode)];
            self.execution_mode(spirv::Op::ExecutionMode, operands);
        }
    }

    fn execution_mode(&mut self, op: spirv::Op, operands: Vec<Operand>) {
        let instruction = Instruction::new(op, None, None, operands);
        self.module.module.execution_modes.push(instruction);
    }

    fn instruction(&mut self, i: &ir::Instruction) -> Result<(), Error> {
        match i.op {
            Op::Const(_) => Ok(()),
            Op::Load(access) => self.load(i, &access),
            Op::Store(access) => self.store(i, &access),
            Op::Atomic(atomic) => self.atomic(i, &atomic),
            Op::Fence(scope) => {
                self.fence(scope);
                Ok(())
            }
            Op::Parameter(offset) => self.parameter(i, offset),
            Op::Global(number) => {
                self.global(i, number);
                Ok(())
            }
            Op::Special(special) => self.special(i, special),
            Op::Scratch => {
                self.scratch(i);
                Ok(())
            }
            Op::SharedBase => {
                let base = self.module.id();
                self.define(i.results[0], base);
                self.shared_base = Some(base);
                Ok(())
            }
            Op::Clock => self.clock(i),
            Op::Barrier(op) => self.barrier(i, op),
            Op::Shuffle(mode) => {
                self.shuffle(i, mode);
                Ok(())
            }
            Op::Vote(mode) => {
                self.vote(i, mode);
                Ok(())
            }
            Op::Reduce(op) => {
                self.reduce(i, op);
                Ok(())
            }
            Op::MatrixProduct(product) => self.matrix_product(i, product),
            Op::ActiveMask => {
                self.active_mask(i);
                Ok(())
            }
            Op::SubgroupShuffle => {
                self.subgroup_shuffle(i);
                Ok(())
            }
            Op::SubgroupBallot => {
                let predicate = self.value(i.arguments[0]);
                let id = self.ballot(predicate);
                self.define(i.results[0], id);
                Ok(())
            }
            Op::SafeAddress => {
                self.safe_address(i);
                Ok(())
            }
            Op::WarpBarrier => {
                self.warp_barrier();
                Ok(())
            }
            Op::Sleep => Ok(()),
            Op::PrintBuffer => {
                self.print_buffer(i);
                Ok(())
            }
            Op::Trap(reason) => {
                self.trap(reason);
                Ok(())
            }
            _ => self.pure(i),
        }
    }

    /// An error about the instruction being written.
    pub(super) fn unsupported(&self, reason: &'static str) -> Error {
        let (op, offset) = self.current.unwrap_or((Op::ActiveMask, 0));
        Error::Unsupported {
            op: op.to_string(),
            reason,
            offset,
        }
    }

    /// The id of a value.
    pub(super) fn value(&self, value: Value) -> Word {
        self.values[value.index()]
    }

    /// The constant that a value is.
    pub(super) fn known(&self, value: Value) -> Option<u64> {
        self.constants[value.index()]
    }

    pub(super) fn type_of(&self, value: Value) -> Type {
        self.function.ty(value)
    }

    /// Adds an instruction to the current block.
    pub(super) fn push_instruction(&mut self, instruction: Instruction) {
        if let Some(block) = self.blocks.last_mut() {
            block.instructions.push(instruction);
        }
    }

    /// Writes an instruction without a result.
    pub(super) fn effect(&mut self, op: spirv::Op, operands: Vec<Operand>) {
        self.push_instruction(Instruction::new(op, None, None, operands));
    }

    /// Writes an instruction with a result of a SPIR-V type and any operands.
    pub(super) fn emit_operands(
        &mut self,
        op: spirv::Op,
        ty: Word,
        operands: Vec<Operand>,
    ) -> Word {
        let id = self.module.id();
        self.push_instruction(Instruction::new(op, Some(ty), Some(id), operands));
        id
    }

    /// Writes an instruction whose result has a chosen id.
    pub(super) fn emit_with_id(
        &mut self,
        op: spirv::Op,
        id: Word,
        ty: Type,
        operands: Vec<Operand>,
    ) {
        let ty = self.module.ty(ty);
        self.push_instruction(Instruction::new(op, Some(ty), Some(id), operands));
    }

    /// Writes an instruction over ids.
    pub(super) fn emit(&mut self, op: spirv::Op, ty: Type, ids: &[Word]) -> Word {
        let ty = self.module.ty(ty);
        self.emit_typed(op, ty, ids)
    }

    /// The same with a SPIR-V type.
    pub(super) fn emit_typed(&mut self, op: spirv::Op, ty: Word, ids: &[Word]) -> Word {
        let operands = ids.iter().map(|&id| Operand::IdRef(id)).collect();
        self.emit_operands(op, ty, operands)
    }

    /// Writes an instruction of GLSL.std.450.
    pub(super) fn glsl(&mut self, op: spirv::GlslStd450Op, ty: Type, ids: &[Word]) -> Word {
        let ty = self.module.ty(ty);
        let mut operands = vec![
            Operand::IdRef(self.module.glsl()),
            Operand::LiteralExtInstInteger(op as u32),
        ];
        operands.extend(ids.iter().map(|&id| Operand::IdRef(id)));
        self.emit_operands(spirv::Op::ExtInst, ty, operands)
    }

    /// Says which id an IR value is.
    pub(super) fn define(&mut self, value: Value, id: Word) {
        self.values[value.index()] = id;
    }
}

/// Whether a kernel can tell how threads form warps.
#[must_use]
pub fn observes_warp(function: &Function) -> bool {
    use crate::front::words::SpecialRegister as R;
    const WARP: u64 = 32;
    let constants = function.constants();
    let mut instructions = function.blocks.iter().flat_map(|block| &block.instructions);
    instructions.any(|instruction| match instruction.op {
        Op::Special(special) => matches!(
            special.register,
            R::Laneid
                | R::Warpid
                | R::Nwarpid
                | R::LanemaskEq
                | R::LanemaskLt
                | R::LanemaskLe
                | R::LanemaskGt
                | R::LanemaskGe
        ),
        Op::Load(access) | Op::Store(access) => {
            access.space == ir::Space::Shared && access.order == ir::Order::Volatile
        }
        // A barrier of as many threads as a warp has is the warp's.
        Op::Barrier(_) => {
            let count = instruction.arguments.last();
            count.is_some_and(|count| constants[count.index()] == Some(WARP))
        }
        op => op.is_convergent(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_gone_take_no_ids() {
        let mut function = ir::parse("function k {\nb0:\n  return\n}\n").unwrap();
        let bound = |function: &Function| write(function, &Target::wide()).unwrap().words[3];
        let before = bound(&function);
        function.values.extend([Type::B32; 1000]);
        assert_eq!(bound(&function), before);
    }
}
