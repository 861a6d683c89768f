//! What a thread knows of its place, and what it does together with others.

use rspirv::dr::{Instruction as SpirvInstruction, Operand};
use rspirv::spirv::{self, BuiltIn, GroupOperation, Word};

use super::Error;
use super::function::FunctionWriter;
use super::layout::{self, specialization};
use crate::front::words::SpecialRegister as R;
use crate::ir::{
    BarrierOp, Condition, Function, Instruction, ReduceOp, ShuffleMode, Signedness, Special, Type,
    VoteMode,
};

/// Bytes of the scratch buffer for each thread.
#[must_use]
pub fn scratch_stride(function: &Function) -> u32 {
    function.local_bytes.next_multiple_of(16)
}

/// Lanes of a warp.
const WARP: u32 = 32;
/// The clamp operand of a `shfl` that no segment divides.
const WHOLE_WARP: u64 = 31;

impl FunctionWriter<'_> {
    pub(super) fn special(&mut self, i: &Instruction, special: Special) -> Result<(), Error> {
        let c = special.component;
        let id = match special.register {
            R::Tid => self.thread_index(c),
            R::Ntid => self.block_size(c),
            R::Ctaid => self.block_index(c),
            R::Nctaid => self.push_constant(layout::GRID_SIZE + 4 * c),
            R::Laneid => self.lane(),
            R::Warpid => self.input(BuiltIn::SubgroupId),
            R::Nwarpid => self.input(BuiltIn::NumSubgroups),
            R::LanemaskEq | R::LanemaskLt | R::LanemaskLe | R::LanemaskGt | R::LanemaskGe => {
                self.lane_mask(special.register)
            }
            R::DynamicSharedSize => self.shared_size(self.function.shared_bytes),
            R::TotalSharedSize | R::AggregateSharedSize => self.shared_size(0),
            // One multiprocessor and one grid: the program may not tell more.
            R::Smid | R::Gridid | R::Envreg0 | R::Envreg1 | R::Envreg2 | R::Envreg3 => {
                self.module.u32(0)
            }
            R::Nsmid => self.module.u32(1),
            _ => return Err(self.unsupported("this special register")),
        };
        let ty = self.type_of(i.results[0]);
        let id = match ty {
            Type::B32 => id,
            _ => self.emit(spirv::Op::UConvert, ty, &[id]),
        };
        self.define(i.results[0], id);
        Ok(())
    }

    pub(super) fn input(&mut self, builtin: BuiltIn) -> Word {
        self.module.capability(spirv::Capability::GroupNonUniform);
        let ty = self.module.ty(Type::B32);
        let variable = self.module.builtin(builtin, ty);
        self.emit(spirv::Op::Load, Type::B32, &[variable])
    }

    fn input_component(&mut self, builtin: BuiltIn, component: u32) -> Word {
        let vector = self.module.vector(Type::B32, 3);
        let variable = self.module.builtin(builtin, vector);
        let loaded = self.emit_typed(spirv::Op::Load, vector, &[variable]);
        let ty = self.module.ty(Type::B32);
        let operands = vec![Operand::IdRef(loaded), Operand::LiteralBit32(component)];
        self.emit_operands(spirv::Op::CompositeExtract, ty, operands)
    }

    fn block_size(&mut self, component: u32) -> Word {
        let ids = [
            specialization::BLOCK_X,
            specialization::BLOCK_Y,
            specialization::BLOCK_Z,
        ];
        self.module
            .specialization(ids[component.min(2) as usize], 1)
    }

    fn block_index(&mut self, component: u32) -> Word {
        let index = self.input_component(BuiltIn::WorkgroupId, component);
        if component > 0 {
            return index;
        }
        let base = self.push_constant(layout::GRID_BASE);
        self.emit(spirv::Op::IAdd, Type::B32, &[index, base])
    }

    /// Where warps cannot be seen the device's own numbering does. Where they
    /// can, a thread's number is its subgroup's and its place in that: only
    /// this makes a subgroup a warp on every driver.
    fn thread_index(&mut self, component: u32) -> Word {
        if !self.observes_warp {
            return self.input_component(BuiltIn::LocalInvocationId, component);
        }
        let mut number = self.thread_number();
        for dimension in 0..component {
            let size = self.block_size(dimension);
            number = self.emit(spirv::Op::UDiv, Type::B32, &[number, size]);
        }
        if component == 2 {
            return number;
        }
        let size = self.block_size(component);
        self.emit(spirv::Op::UMod, Type::B32, &[number, size])
    }

    /// The thread's number in its block.
    fn thread_number(&mut self) -> Word {
        let warp = self.input(BuiltIn::SubgroupId);
        let width = self.module.u32(WARP);
        let first = self.emit(spirv::Op::IMul, Type::B32, &[warp, width]);
        let lane = self.lane();
        self.emit(spirv::Op::IAdd, Type::B32, &[first, lane])
    }

    /// The thread's number in its block, however it is numbered.
    fn linear_thread(&mut self) -> Word {
        if self.observes_warp {
            return self.thread_number();
        }
        let [x, y, z] = [0, 1, 2].map(|c| self.input_component(BuiltIn::LocalInvocationId, c));
        let [width, height] = [0, 1].map(|c| self.block_size(c));
        self.linear([x, y, z], [width, height])
    }

    /// `(z * height + y) * width + x`
    fn linear(&mut self, [x, y, z]: [Word; 3], [width, height]: [Word; 2]) -> Word {
        let planes = self.emit(spirv::Op::IMul, Type::B32, &[z, height]);
        let rows = self.emit(spirv::Op::IAdd, Type::B32, &[planes, y]);
        let cells = self.emit(spirv::Op::IMul, Type::B32, &[rows, width]);
        self.emit(spirv::Op::IAdd, Type::B32, &[cells, x])
    }

    /// The address of this thread's part of the scratch buffer.
    pub(super) fn scratch(&mut self, i: &Instruction) {
        let block = [0, 1, 2].map(|c| self.input_component(BuiltIn::WorkgroupId, c));
        let grid = [0, 1].map(|c| self.input_component(BuiltIn::NumWorkgroups, c));
        let block = self.linear(block, grid);
        let [x, y, z] = [0, 1, 2].map(|c| self.block_size(c));
        let threads = self.emit(spirv::Op::IMul, Type::B32, &[x, y]);
        let threads = self.emit(spirv::Op::IMul, Type::B32, &[threads, z]);
        let thread = self.linear_thread();
        let [block, threads, thread] =
            [block, threads, thread].map(|id| self.emit(spirv::Op::UConvert, Type::B64, &[id]));
        let first = self.emit(spirv::Op::IMul, Type::B64, &[block, threads]);
        let number = self.emit(spirv::Op::IAdd, Type::B64, &[first, thread]);
        let stride = self
            .module
            .constant(Type::B64, u64::from(scratch_stride(self.function)));
        let offset = self.emit(spirv::Op::IMul, Type::B64, &[number, stride]);
        let base = self.scratch_base();
        let id = self.emit(spirv::Op::IAdd, Type::B64, &[base, offset]);
        self.define(i.results[0], id);
    }

    fn lane(&mut self) -> Word {
        self.input(BuiltIn::SubgroupLocalInvocationId)
    }

    fn lane_mask(&mut self, register: R) -> Word {
        let lane = self.lane();
        let one = self.module.u32(1);
        let bit = self.emit(spirv::Op::ShiftLeftLogical, Type::B32, &[one, lane]);
        let below = self.emit(spirv::Op::ISub, Type::B32, &[bit, one]);
        let upto = self.emit(spirv::Op::BitwiseOr, Type::B32, &[bit, below]);
        match register {
            R::LanemaskEq => bit,
            R::LanemaskLt => below,
            R::LanemaskLe => upto,
            R::LanemaskGe => self.emit(spirv::Op::Not, Type::B32, &[below]),
            _ => self.emit(spirv::Op::Not, Type::B32, &[upto]),
        }
    }

    /// Bytes of shared memory beyond the first `without`.
    fn shared_size(&mut self, without: u32) -> Word {
        let words = self.module.specialization(specialization::SHARED_WORDS, 4);
        let (four, without) = (self.module.u32(4), self.module.u32(without));
        let bytes = self.emit(spirv::Op::IMul, Type::B32, &[words, four]);
        self.emit(spirv::Op::ISub, Type::B32, &[bytes, without])
    }

    pub(super) fn clock(&mut self, i: &Instruction) -> Result<(), Error> {
        if !self.target.subgroup_clock {
            return Err(self.unsupported("a clock"));
        }
        self.module.extension("SPV_KHR_shader_clock");
        self.module.capability(spirv::Capability::ShaderClockKHR);
        let scope = self.module.u32(spirv::Scope::Subgroup as u32);
        let ty = self.module.ty(Type::B64);
        let operands = vec![Operand::IdScope(scope)];
        let id = self.emit_operands(spirv::Op::ReadClockKHR, ty, operands);
        self.define(i.results[0], id);
        Ok(())
    }

    pub(super) fn barrier(&mut self, i: &Instruction, op: BarrierOp) -> Result<(), Error> {
        let count = self.known(i.arguments[i.arguments.len() - 1]);
        // Threads come in whole warps: as many as one has are one.
        if op == BarrierOp::Sync && count == Some(u64::from(WARP)) {
            self.warp_barrier();
            return Ok(());
        }
        if op != BarrierOp::Sync || count != Some(0) {
            return Err(self.unsupported("a barrier of part of a block"));
        }
        self.control_barrier(spirv::Scope::Workgroup);
        Ok(())
    }

    pub(super) fn control_barrier(&mut self, scope: spirv::Scope) {
        let scope = self.module.u32(scope as u32);
        let semantics = self.full_semantics();
        let operands = [scope, scope, semantics].map(Operand::IdRef).to_vec();
        self.effect(spirv::Op::ControlBarrier, operands);
    }

    pub(super) fn warp_barrier(&mut self) {
        self.control_barrier(spirv::Scope::Subgroup);
    }

    fn subgroup(&mut self) -> Word {
        self.module.u32(spirv::Scope::Subgroup as u32)
    }

    /// `shfl`: the lane to read follows from the mode, the lane operand and the
    /// clamp; out of range a thread keeps its own value.
    pub(super) fn shuffle(&mut self, i: &Instruction, mode: ShuffleMode) {
        let [value, operand, control] = [0, 1, 2].map(|n| self.value(i.arguments[n]));
        self.module
            .capability(spirv::Capability::GroupNonUniformShuffle);
        let whole_warp = self.known(i.arguments[2]) == Some(WHOLE_WARP);
        if whole_warp && matches!(mode, ShuffleMode::Butterfly | ShuffleMode::Index) {
            return self.shuffle_in_range(i, mode, value, operand);
        }
        let ty = self.type_of(i.results[0]);
        let (source, in_range) = self.source_lane(mode, operand, control);
        let read = self.read_lane(spirv::Op::GroupNonUniformShuffle, ty, value, source);
        let id = self.emit(spirv::Op::Select, ty, &[in_range, read, value]);
        self.define(i.results[0], id);
        self.define(i.results[1], in_range);
    }

    /// A shuffle that no lane of the warp can leave: the modes that reductions and
    /// broadcasts use, which drivers know by these forms.
    fn shuffle_in_range(&mut self, i: &Instruction, mode: ShuffleMode, value: Word, operand: Word) {
        let ty = self.type_of(i.results[0]);
        let lanes = self.module.u32(31);
        let operand = self.emit(spirv::Op::BitwiseAnd, Type::B32, &[operand, lanes]);
        let op = match mode {
            ShuffleMode::Butterfly => spirv::Op::GroupNonUniformShuffleXor,
            _ => spirv::Op::GroupNonUniformShuffle,
        };
        let read = self.read_lane(op, ty, value, operand);
        self.define(i.results[0], read);
        let always = self.module.constant(Type::B1, 1);
        self.define(i.results[1], always);
    }

    fn read_lane(&mut self, op: spirv::Op, ty: Type, value: Word, lane: Word) -> Word {
        let scope = self.subgroup();
        self.emit(op, ty, &[scope, value, lane])
    }

    fn source_lane(&mut self, mode: ShuffleMode, operand: Word, control: Word) -> (Word, Word) {
        use spirv::Op as S;
        let ty = Type::B32;
        let lane = self.lane();
        let (five, eight) = (self.module.u32(31), self.module.u32(8));
        let operand = self.emit(S::BitwiseAnd, ty, &[operand, five]);
        let clamp = self.emit(S::BitwiseAnd, ty, &[control, five]);
        let mask = self.emit(S::ShiftRightLogical, ty, &[control, eight]);
        let mask = self.emit(S::BitwiseAnd, ty, &[mask, five]);
        let outside = self.emit(S::Not, ty, &[mask]);
        let least = self.emit(S::BitwiseAnd, ty, &[lane, mask]);
        let most = self.emit(S::BitwiseAnd, ty, &[clamp, outside]);
        let most = self.emit(S::BitwiseOr, ty, &[least, most]);
        let source = match mode {
            ShuffleMode::Up => self.emit(S::ISub, ty, &[lane, operand]),
            ShuffleMode::Down => self.emit(S::IAdd, ty, &[lane, operand]),
            ShuffleMode::Butterfly => self.emit(S::BitwiseXor, ty, &[lane, operand]),
            ShuffleMode::Index => {
                let inside = self.emit(S::BitwiseAnd, ty, &[operand, outside]);
                self.emit(S::BitwiseOr, ty, &[least, inside])
            }
        };
        let condition = match mode {
            ShuffleMode::Up => Condition::Ge,
            _ => Condition::Le,
        };
        let in_range = self.compare(condition, Signedness::Signed, &[source, most]);
        let source = self.emit(S::Select, ty, &[in_range, source, lane]);
        (source, in_range)
    }

    /// The value of another invocation, whose place in the subgroup is in range.
    pub(super) fn subgroup_shuffle(&mut self, i: &Instruction) {
        let [value, source] = [0, 1].map(|n| self.value(i.arguments[n]));
        let ty = self.type_of(i.results[0]);
        self.module
            .capability(spirv::Capability::GroupNonUniformShuffle);
        let id = self.read_lane(spirv::Op::GroupNonUniformShuffle, ty, value, source);
        self.define(i.results[0], id);
    }

    pub(super) fn ballot(&mut self, predicate: Word) -> Word {
        self.module
            .capability(spirv::Capability::GroupNonUniformBallot);
        let vector = self.module.vector(Type::B32, 4);
        let scope = self.subgroup();
        let ballot = self.emit_typed(
            spirv::Op::GroupNonUniformBallot,
            vector,
            &[scope, predicate],
        );
        let ty = self.module.ty(Type::B32);
        let operands = vec![Operand::IdRef(ballot), Operand::LiteralBit32(0)];
        self.emit_operands(spirv::Op::CompositeExtract, ty, operands)
    }

    pub(super) fn active_mask(&mut self, i: &Instruction) {
        let yes = self.module.constant(Type::B1, 1);
        let id = self.ballot(yes);
        self.define(i.results[0], id);
    }

    /// Votes are ballots under the member mask, so that a mask narrower than
    /// the active lanes is honoured.
    pub(super) fn vote(&mut self, i: &Instruction, mode: VoteMode) {
        use spirv::Op as S;
        let [predicate, mask] = [0, 1].map(|n| self.value(i.arguments[n]));
        let yes = self.ballot(predicate);
        let yes = self.emit(S::BitwiseAnd, Type::B32, &[yes, mask]);
        let zero = self.module.u32(0);
        let id = match mode {
            VoteMode::Ballot => yes,
            VoteMode::Any => self.emit(S::INotEqual, Type::B1, &[yes, zero]),
            VoteMode::All | VoteMode::Uniform => {
                let no = self.emit(S::LogicalNot, Type::B1, &[predicate]);
                let no = self.ballot(no);
                let no = self.emit(S::BitwiseAnd, Type::B32, &[no, mask]);
                let all = self.emit(S::IEqual, Type::B1, &[no, zero]);
                match mode {
                    VoteMode::All => all,
                    _ => {
                        let none = self.emit(S::IEqual, Type::B1, &[yes, zero]);
                        self.emit(S::LogicalOr, Type::B1, &[all, none])
                    }
                }
            }
        };
        self.define(i.results[0], id);
    }

    pub(super) fn reduce(&mut self, i: &Instruction, op: ReduceOp) {
        use spirv::Op as S;
        self.module
            .capability(spirv::Capability::GroupNonUniformArithmetic);
        let op = match op {
            ReduceOp::Add => S::GroupNonUniformIAdd,
            ReduceOp::SignedMin => S::GroupNonUniformSMin,
            ReduceOp::SignedMax => S::GroupNonUniformSMax,
            ReduceOp::UnsignedMin => S::GroupNonUniformUMin,
            ReduceOp::UnsignedMax => S::GroupNonUniformUMax,
            ReduceOp::And => S::GroupNonUniformBitwiseAnd,
            ReduceOp::Or => S::GroupNonUniformBitwiseOr,
            ReduceOp::Xor => S::GroupNonUniformBitwiseXor,
        };
        let operands = vec![
            Operand::IdScope(self.subgroup()),
            Operand::GroupOperation(GroupOperation::Reduce),
            Operand::IdRef(self.value(i.arguments[0])),
        ];
        let ty = self.module.ty(Type::B32);
        let id = self.emit_operands(op, ty, operands);
        self.define(i.results[0], id);
    }

    /// Writes a phi with a chosen id.
    pub(super) fn emit_phi(&mut self, id: Word, ty: Word, sources: Vec<Operand>) {
        self.push_instruction(SpirvInstruction::new(
            spirv::Op::Phi,
            Some(ty),
            Some(id),
            sources,
        ));
    }

    /// Gives a value a second, chosen id.
    pub(super) fn copy_to(&mut self, id: Word, ty: Word, value: Word) {
        let operands = vec![Operand::IdRef(value)];
        self.push_instruction(SpirvInstruction::new(
            spirv::Op::CopyObject,
            Some(ty),
            Some(id),
            operands,
        ));
    }
}
