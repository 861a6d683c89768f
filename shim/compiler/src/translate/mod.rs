//! Typed PTX to IR: control flow, predicates, calls. What single instructions
//! mean is in the submodules, one a chapter of the PTX manual.
//!
//! Registers become variables of [`crate::ssa`]; a predicated instruction
//! becomes a select of its old and new destination where it has no effect, and
//! a branch around it where it has one. Calls are inlined: a function is
//! translated again at each call, in a frame of its own.

mod arithmetic;
mod bits;
mod call;
mod compare;
mod convert;
mod half;
mod matrix;
mod memory;
mod narrow_atomic;
mod operand;
mod shared;
mod warp;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::back::spirv::layout::fault;
use crate::front::ast::{self, Body, Call, Callee, Guard, Operand, Symbol};
use crate::front::isa::Opcode;
use crate::front::words::{Modifier, StateSpace};
use crate::front::{self, ModuleIndex, Reason};
use crate::ir::{BlockId, Edge, Function, Instruction, Op, Special, Terminator, Type, Value};
use crate::pass;
use crate::source::ModuleSource;
use crate::ssa::{Variable, Variables};

pub use shared::{SharedLayout, shared_layout};

/// Calls nested deeper than this are taken for recursion through declarations.
const MAX_CALL_DEPTH: usize = 64;
/// Inlining stops here: no kernel of this size would compile on a device.
const MAX_INSTRUCTIONS: usize = 4 << 20;

/// Translates one kernel and everything it calls.
///
/// # Errors
/// Where the kernel does not exist or parse, recurses, calls through a pointer,
/// or uses an instruction that has no translation yet; the error names it.
pub fn translate(source: &ModuleSource, kernel: &str) -> Result<Function, front::Error> {
    let index = &source.index;
    let entry = index
        .function(kernel)
        .filter(|f| f.is_entry && f.body.is_some());
    let Some(entry) = entry else {
        let reason = Reason::UnknownSymbol(kernel.to_owned());
        return Err(front::Error::at(&source.text, 0, reason));
    };
    let layout = shared_layout(&source.text, index, entry);
    let mut translator = Translator::new(source, entry, layout);
    translator.kernel(entry)?;
    Ok(translator.finish())
}

/// One function being translated: the kernel, or a call of it.
struct Frame {
    body: Body,
    function: usize,
    /// The first of the frame's register variables.
    first_variable: u32,
    /// The block of each label, once it was asked for.
    labels: Vec<Option<BlockId>>,
    /// Offsets in local memory of the body's `.local` variables.
    local_offsets: FxHashMap<usize, u64>,
    /// `.param` variables of the body and the frame, cut into the pieces that
    /// are written and read.
    slots: FxHashMap<Slot, (Variable, Type)>,
    /// Where `ret` goes; `None` in the kernel itself.
    return_block: Option<BlockId>,
}

/// A piece of a `.param` variable: which one, and the byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Slot {
    symbol: Symbol,
    offset: i64,
}

struct Translator<'s> {
    text: &'s str,
    index: &'s ModuleIndex,
    layout: SharedLayout,
    function: Function,
    variables: Variables,
    next_variable: u32,
    block: BlockId,
    /// Whether the current block has its terminator.
    closed: bool,
    frames: Vec<Frame>,
    /// The predicate under which destinations are written.
    select: Option<Value>,
    offset: usize,
    constants: FxHashMap<(BlockId, Type, u64), Value>,
    globals: FxHashMap<Symbol, u32>,
    instructions: usize,
}

type Translated<T = ()> = Result<T, front::Error>;

impl<'s> Translator<'s> {
    fn new(source: &'s ModuleSource, entry: &front::Function, layout: SharedLayout) -> Self {
        let mut function = Function {
            name: entry.name.clone(),
            parameter_bytes: entry.parameter_bytes() as u32,
            shared_bytes: layout.static_bytes as u32,
            dynamic_shared: layout.dynamic,
            ..Function::default()
        };
        function.block();
        let block = function.block();
        function[Function::ENTRY].terminator = Terminator::Jump(Edge::to(block));
        Self {
            text: &source.text,
            index: &source.index,
            layout,
            function,
            variables: Variables::default(),
            next_variable: 0,
            block,
            closed: false,
            frames: Vec::new(),
            select: None,
            offset: 0,
            constants: FxHashMap::default(),
            globals: FxHashMap::default(),
            instructions: 0,
        }
    }

    fn finish(self) -> Function {
        let mut function = self.function;
        self.variables.finish(&mut function);
        pass::remove_unreachable_blocks(&mut function);
        pass::eliminate_dead_code(&mut function);
        function
    }

    fn kernel(&mut self, entry: &front::Function) -> Translated {
        let position = match self.index.symbol(&entry.name) {
            Some(Symbol::Function(position)) => position,
            _ => 0,
        };
        self.enter(position, None)?;
        self.statements()?;
        Ok(())
    }

    /// Starts a frame for a function of the module.
    fn enter(&mut self, position: usize, return_block: Option<BlockId>) -> Translated {
        let body = front::body(self.text, self.index, &self.index.functions[position])?;
        let labels = vec![None; body.labels.len()];
        let first_variable = self.next_variable;
        // One more for the carry flag.
        self.next_variable += body.registers.len() as u32 + 1;
        let mut local_offsets = FxHashMap::default();
        for (index, variable) in body.variables.iter().enumerate() {
            if variable.space == StateSpace::Local {
                let bytes = u64::from(self.function.local_bytes);
                let offset = front::align_up(bytes, variable.align);
                local_offsets.insert(index, offset);
                let end = offset.saturating_add(variable.size());
                self.function.local_bytes = u32::try_from(end)
                    .map_err(|_| self.unsupported("local memory of 4 GiB or more"))?;
            }
        }
        self.frames.push(Frame {
            body,
            function: position,
            first_variable,
            labels,
            local_offsets,
            slots: FxHashMap::default(),
            return_block,
        });
        Ok(())
    }

    fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Translates the statements of the current frame and leaves it.
    fn statements(&mut self) -> Translated<Frame> {
        let instructions = std::mem::take(&mut self.frame().body.instructions);
        let mut labels_at: FxHashMap<usize, Vec<u32>> = FxHashMap::default();
        for (label, &at) in self.frame().body.labels.iter().enumerate() {
            labels_at.entry(at).or_default().push(label as u32);
        }
        for (at, instruction) in instructions.iter().enumerate() {
            self.place_labels(labels_at.get(&at));
            self.open_after_jump();
            self.offset = instruction.offset;
            self.instruction(instruction)?;
        }
        self.place_labels(labels_at.get(&instructions.len()));
        self.return_from_frame();
        let depth = self.frames.len() - 1;
        Ok(self.frames.remove(depth))
    }

    fn place_labels(&mut self, labels: Option<&Vec<u32>>) {
        for &label in labels.into_iter().flatten() {
            let block = self.label_block(ast::Label(label));
            self.jump(block);
            self.switch_to(block);
        }
    }

    /// Code after a jump that no label precedes is unreachable; it still needs
    /// a block.
    fn open_after_jump(&mut self) {
        if self.closed {
            let block = self.function.block();
            self.switch_to(block);
        }
    }

    fn label_block(&mut self, label: ast::Label) -> BlockId {
        if let Some(block) = self.frame().labels[label.0 as usize] {
            return block;
        }
        let block = self.function.block();
        self.frame().labels[label.0 as usize] = Some(block);
        block
    }

    fn switch_to(&mut self, block: BlockId) {
        self.block = block;
        self.closed = false;
    }

    fn terminate(&mut self, terminator: Terminator) {
        if !self.closed {
            self.function[self.block].terminator = terminator;
            self.closed = true;
        }
    }

    fn jump(&mut self, block: BlockId) {
        self.terminate(Terminator::Jump(Edge::to(block)));
    }

    fn branch(&mut self, condition: Value, then: BlockId, otherwise: BlockId) {
        self.terminate(Terminator::Branch {
            condition,
            then: Edge::to(then),
            otherwise: Edge::to(otherwise),
        });
    }

    fn return_from_frame(&mut self) {
        match self.frame().return_block {
            Some(block) => self.jump(block),
            None => self.terminate(Terminator::Return),
        }
    }

    fn instruction(&mut self, instruction: &ast::Instruction) -> Translated {
        self.instructions += 1;
        if self.instructions > MAX_INSTRUCTIONS {
            return Err(self.unsupported("a kernel of this size"));
        }
        let Some(guard) = instruction.guard else {
            return self.unguarded(instruction);
        };
        let condition = self.guard(guard);
        match instruction.opcode {
            Opcode::Bra => self.conditional_branch(condition, instruction),
            opcode if has_effect(opcode) => self.branch_around(condition, instruction),
            _ => {
                self.select = Some(condition);
                let outcome = self.unguarded(instruction);
                self.select = None;
                outcome
            }
        }
    }

    fn guard(&mut self, guard: Guard) -> Value {
        let value = self.read_register(guard.predicate);
        match guard.negated {
            true => self.emit(Op::Not, &[value], Type::B1),
            false => value,
        }
    }

    fn conditional_branch(&mut self, condition: Value, bra: &ast::Instruction) -> Translated {
        let target = self.branch_target(bra)?;
        let next = self.function.block();
        self.branch(condition, target, next);
        self.switch_to(next);
        Ok(())
    }

    fn branch_around(&mut self, condition: Value, instruction: &ast::Instruction) -> Translated {
        let (then, next) = (self.function.block(), self.function.block());
        self.branch(condition, then, next);
        self.switch_to(then);
        self.unguarded(instruction)?;
        self.jump(next);
        self.switch_to(next);
        Ok(())
    }

    fn branch_target(&mut self, instruction: &ast::Instruction) -> Translated<BlockId> {
        match instruction.operands.first() {
            Some(&Operand::Label(label)) => Ok(self.label_block(label)),
            _ => Err(self.unsupported("a branch to this operand")),
        }
    }

    /// Translates an instruction as if it had no guard: one call an opcode.
    fn unguarded(&mut self, i: &ast::Instruction) -> Translated {
        use Opcode as O;
        match i.opcode {
            O::Bra => {
                let target = self.branch_target(i)?;
                self.jump(target);
                Ok(())
            }
            O::Brx => self.brx(i),
            O::Call => self.call(i),
            O::Ret => {
                self.return_from_frame();
                Ok(())
            }
            O::Exit => {
                self.terminate(Terminator::Return);
                Ok(())
            }
            O::Trap => {
                self.effect(Op::Trap(fault::TRAP), &[]);
                self.terminate(Terminator::Return);
                Ok(())
            }
            O::Add | O::Sub | O::Mul | O::Mad | O::Fma | O::Div | O::Rem => self.arithmetic(i),
            O::Addc | O::Subc | O::Madc => self.extended(i),
            O::Mul24 | O::Mad24 => self.multiply_24(i),
            O::Min | O::Max => self.extremum(i),
            O::Abs | O::Neg | O::Copysign => self.sign(i),
            O::Sad => self.absolute_difference_sum(i),
            O::Dp4a | O::Dp2a => self.dot_product(i),
            O::Rcp | O::Sqrt | O::Rsqrt | O::Sin | O::Cos | O::Ex2 | O::Lg2 | O::Tanh => {
                self.transcendental(i)
            }
            O::And | O::Or | O::Xor | O::Not | O::Cnot => self.logic(i),
            O::Lop3 => self.lop3(i),
            O::Shl | O::Shr => self.shift(i),
            O::Shf => self.funnel_shift(i),
            O::Popc | O::Clz | O::Brev | O::Bfind => self.count_bits(i),
            O::Bfe | O::Bfi | O::Bmsk | O::Szext => self.bit_field(i),
            O::Prmt => self.permute(i),
            O::Vshr | O::Vshl => self.video_shift(i),
            O::Setp => self.setp(i),
            O::Set => self.set(i),
            O::Selp => self.selp(i),
            O::Slct => self.slct(i),
            O::Testp => self.testp(i),
            O::Mov => self.mov(i),
            O::Cvt => self.cvt(i),
            O::Cvta => self.cvta(i),
            O::Isspacep => self.isspacep(i),
            O::Ld | O::Ldu => self.load(i),
            O::St => self.store(i),
            O::Atom => self.atomic(i),
            O::Red => self.reduction(i),
            O::Membar | O::Fence => self.fence(i),
            O::Cp => self.asynchronous_copy(i),
            O::Bar | O::Barrier => self.barrier(i),
            O::Shfl => self.shuffle(i),
            O::Vote => self.vote(i),
            O::Match => self.match_lanes(i),
            O::Redux => self.warp_reduce(i),
            O::Activemask => self.active_mask(i),
            O::Mma => self.matrix_product(i),
            O::Ldmatrix => self.load_matrix(i),
            O::Stmatrix => self.store_matrix(i),
            O::Movmatrix => self.transpose_matrix(i),
            O::Nanosleep => self.sleep(i),
            // Hints without a result: nothing of theirs can be observed.
            O::Griddepcontrol | O::Prefetch | O::Prefetchu | O::Discard | O::Pmevent => Ok(()),
            _ => Err(self.unsupported_instruction(i)),
        }
    }

    fn brx(&mut self, i: &ast::Instruction) -> Translated {
        let selector = self.source(&i.operands[0], Type::B32)?;
        let Operand::BranchTable(table) = i.operands[1] else {
            return Err(self.unsupported("brx without a branch table"));
        };
        let labels = self.frame().body.branch_tables[table].clone();
        let targets = labels
            .into_iter()
            .map(|label| Edge::to(self.label_block(label)))
            .collect();
        self.terminate(Terminator::Switch { selector, targets });
        Ok(())
    }

    fn call(&mut self, i: &ast::Instruction) -> Translated {
        let Some(call) = i.call.as_deref() else {
            return Err(self.unsupported("a call without a callee"));
        };
        let Callee::Function(position) = call.callee else {
            return Err(self.unsupported("a call through a pointer"));
        };
        let callee = &self.index.functions[position];
        if callee.body.is_none() {
            return self.builtin(&callee.name, call);
        }
        if self.frames.iter().any(|frame| frame.function == position) {
            let name = &callee.name;
            return Err(self.unsupported(&format!("recursion through `{name}`")));
        }
        if self.frames.len() >= MAX_CALL_DEPTH {
            return Err(self.unsupported("calls nested this deep"));
        }
        self.inline(position, call)
    }

    fn inline(&mut self, position: usize, call: &Call) -> Translated {
        let callee = &self.index.functions[position];
        let after = self.function.block();
        let arguments = self.read_arguments(&callee.parameters, &call.arguments)?;
        self.enter(position, Some(after))?;
        self.write_arguments(&callee.parameters, arguments)?;
        let frame = self.statements()?;
        self.switch_to(after);
        self.write_returned(&frame, callee, call)
    }

    /// Functions that the driver provides.
    fn builtin(&mut self, name: &str, call: &Call) -> Translated {
        match name {
            "vprintf" => {
                let format = self.argument(call, 0, Type::B64)?;
                let arguments = self.argument(call, 1, Type::B64)?;
                let printed = self.emit(Op::Print, &[format, arguments], Type::B32);
                match call.returns.first() {
                    Some(destination) => self.write_piece(destination, 0, printed),
                    None => Ok(()),
                }
            }
            "__assertfail" => {
                let [text, file] = [0, 1].map(|index| self.argument(call, index, Type::B64));
                let line = self.argument(call, 2, Type::B32)?;
                let function = self.argument(call, 3, Type::B64)?;
                self.effect(Op::Assert, &[text?, file?, line, function]);
                self.terminate(Terminator::Return);
                Ok(())
            }
            _ => Err(self.unsupported(&format!("a call of `{name}`, which has no body"))),
        }
    }

    /// Adds an instruction with one result.
    fn emit(&mut self, op: Op, arguments: &[Value], ty: Type) -> Value {
        let result = self.function.value(ty);
        self.push(op, arguments, smallvec::smallvec![result]);
        result
    }

    /// Adds an instruction with two results.
    fn emit_pair(&mut self, op: Op, arguments: &[Value], types: [Type; 2]) -> [Value; 2] {
        let results = types.map(|ty| self.function.value(ty));
        self.push(op, arguments, SmallVec::from_slice(&results));
        results
    }

    /// Adds an instruction without a result.
    fn effect(&mut self, op: Op, arguments: &[Value]) {
        self.push(op, arguments, SmallVec::new());
    }

    fn push(&mut self, op: Op, arguments: &[Value], results: SmallVec<[Value; 1]>) {
        let offset = self.offset as u32;
        self.function[self.block].instructions.push(Instruction {
            op,
            arguments: SmallVec::from_slice(arguments),
            results,
            offset,
        });
    }

    /// A constant of the current block.
    fn constant(&mut self, ty: Type, bits: u64) -> Value {
        let key = (self.block, ty, bits & ty.mask());
        if let Some(&value) = self.constants.get(&key) {
            return value;
        }
        let value = self.emit(Op::Const(key.2), &[], ty);
        self.constants.insert(key, value);
        value
    }

    fn special(&mut self, register: front::words::SpecialRegister, component: usize) -> Value {
        let special = Special {
            register,
            component: component as u32,
        };
        self.emit(Op::Special(special), &[], Type::B32)
    }

    fn unsupported(&self, what: &str) -> front::Error {
        let reason = Reason::Unsupported(format!("{what} is not supported"));
        front::Error::at(self.text, self.offset, reason)
    }

    fn unsupported_instruction(&self, i: &ast::Instruction) -> front::Error {
        let mut name = i.opcode.form().name.to_owned();
        for modifier in i.modifiers.iter() {
            name.push('.');
            name.push_str(modifier.word());
        }
        for ty in &i.types {
            name.push('.');
            name.push_str(ty.word());
        }
        self.unsupported(&format!("`{name}`"))
    }
}

/// Whether a predicated instruction must not run where its guard is false, not
/// even with its result thrown away.
fn has_effect(opcode: Opcode) -> bool {
    use Opcode as O;
    matches!(
        opcode,
        O::Ld
            | O::Ldu
            | O::St
            | O::Atom
            | O::Red
            | O::Call
            | O::Ret
            | O::Exit
            | O::Trap
            | O::Bar
            | O::Barrier
            | O::Brx
            | O::Shfl
            | O::Vote
            | O::Match
            | O::Redux
            | O::Activemask
            | O::Membar
            | O::Fence
            | O::Cp
            | O::Nanosleep
            | O::Mma
            | O::Ldmatrix
            | O::Stmatrix
            | O::Movmatrix
            | O::Wmma
    )
}

/// Whether the instruction has this modifier.
fn has(i: &ast::Instruction, modifier: Modifier) -> bool {
    i.modifiers.has(modifier)
}
