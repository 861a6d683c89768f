//! The intermediate representation.
//!
//! # What a function is
//! A [`Function`] is one kernel after all calls were inlined: a control-flow
//! graph of [`Block`]s over SSA [`Value`]s. Every value is defined once, by an
//! instruction or as a parameter of a block; a [`Edge`] that enters a block
//! passes one argument for each of its parameters, and that is the only form of
//! phi. Terminators are part of a block rather than its last instruction, so a
//! block cannot be forgotten open.
//!
//! # Whose view it is
//! One *thread's*. The code says what a CUDA thread does; how threads map to
//! invocations, and what happens to those that are masked out, is decided by
//! the passes and the back end for a target. Operations that look across
//! threads ([`Op::is_convergent`]) must not be duplicated, moved into or out of
//! a condition, or merged.
//!
//! # Types
//! A value is a predicate (`b1`), bits of 8 to 64 (`b8 b16 b32 b64`) or a float
//! (`f16 f32 f64`). Bits carry no sign: signedness belongs to the operation
//! (`idiv.s`), as in PTX's machine and in SPIR-V. PTX lets a float live in an
//! integer register; here an explicit `bitcast` stands for it, and most of them
//! fold away. Vectors exist only where memory is accessed: a load has up to
//! eight results, a store as many value operands. Packed halves are two `f16`
//! values, concatenated where PTX wants them in one register.
//!
//! # Addresses
//! Addresses are `b64` bits (`b32` is accepted for shared and local memory) with
//! the state space on the access ([`Access`]), which also has a constant byte
//! offset. A shared or local address is an offset in the block's or thread's
//! own memory. A *generic* address is a global one, or a shared one plus
//! [`SHARED_WINDOW`]. Variables of the module are numbers ([`Op::Global`]) that
//! a launch maps to addresses, so compiled code does not depend on where a
//! module was loaded.
//!
//! # Arithmetic is PTX's
//! Shifts clamp (an amount of the width or more gives 0 or the sign), division
//! by zero gives all ones, conversions to integers saturate and map NaN to a
//! constant, minimum and maximum return the operand that is a number. The back end adds
//! what SPIR-V leaves undefined. Floating-point operations carry their rounding
//! and flush mode ([`FloatMode`]).
//!
//! # Text
//! Every function prints ([`std::fmt::Display`]) and reads back ([`parse`]), so
//! passes are tested from text to text.

mod matrix;
mod op;
mod text;

pub use matrix::{FactorType, MatrixProduct, MatrixShape, Position, SumType};
pub use op::{
    Access, Accuracy, Atomic, AtomicOp, BarrierOp, Condition, Division, Dot2, FloatComparison,
    FloatCondition, FloatMode, Half, IntegerComparison, IntegerConversion, MatchKind, Op, Order,
    PermuteMode, ReduceOp, Rounding, Scope, ShuffleMode, Signedness, Signs, Space, Special,
    VoteMode,
};
pub use text::{ParseError, parse};

use smallvec::SmallVec;

/// Where shared memory lies in the generic address space: above every address
/// that a 48-bit or 52-bit device uses.
pub const SHARED_WINDOW: u64 = 1 << 56;

crate::words::words! {
    /// The type of a value.
    pub enum Type {
        B1 = "b1", B8 = "b8", B16 = "b16", B32 = "b32", B64 = "b64",
        F16 = "f16", F32 = "f32", F64 = "f64",
    }
}

impl Type {
    /// Bits of a value.
    #[must_use]
    pub const fn bits(self) -> u32 {
        match self {
            Self::B1 => 1,
            Self::B8 => 8,
            Self::B16 | Self::F16 => 16,
            Self::B32 | Self::F32 => 32,
            Self::B64 | Self::F64 => 64,
        }
    }

    /// Bytes of a value in memory; a predicate has none.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        self.bits() / 8
    }

    /// Whether the type is a float.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// The type of as many plain bits.
    #[must_use]
    pub const fn as_bits(self) -> Self {
        match self {
            Self::F16 => Self::B16,
            Self::F32 => Self::B32,
            Self::F64 => Self::B64,
            bits => bits,
        }
    }

    /// The type of plain bits with this width; `None` where there is none.
    #[must_use]
    pub const fn of_bits(bits: u32) -> Option<Self> {
        match bits {
            1 => Some(Self::B1),
            8 => Some(Self::B8),
            16 => Some(Self::B16),
            32 => Some(Self::B32),
            64 => Some(Self::B64),
            _ => None,
        }
    }

    /// The bits that a value of this type has, all set.
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits())
    }
}

/// An SSA value, by its place in [`Function::values`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub u32);

impl Value {
    /// The place in [`Function::values`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A block, by its place in [`Function::blocks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockId(pub u32);

impl BlockId {
    /// The place in [`Function::blocks`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operation with its operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// What it does.
    pub op: Op,
    /// The values it reads.
    pub arguments: SmallVec<[Value; 4]>,
    /// The values it defines.
    pub results: SmallVec<[Value; 1]>,
    /// The byte of the PTX text it came from, for messages.
    pub offset: u32,
}

/// A way into a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// Where to.
    pub block: BlockId,
    /// One value for each of the block's parameters.
    pub arguments: SmallVec<[Value; 2]>,
}

impl Edge {
    /// An edge to a block without parameters.
    #[must_use]
    pub fn to(block: BlockId) -> Self {
        let arguments = SmallVec::new();
        Self { block, arguments }
    }
}

/// How a block ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terminator {
    /// Goes on in one block.
    Jump(Edge),
    /// Goes on in one of two blocks.
    Branch {
        /// A predicate.
        condition: Value,
        /// Where to if it holds.
        then: Edge,
        /// Where to if not.
        otherwise: Edge,
    },
    /// Goes on in the block of the selector's place in the list, or in the last
    /// one where it is beyond the list's end. The list is not empty.
    Switch {
        /// A `b32`.
        selector: Value,
        /// The targets.
        targets: Vec<Edge>,
    },
    /// The thread ends.
    Return,
    /// Control never comes here.
    Unreachable,
}

impl Terminator {
    /// The edges in order.
    #[must_use]
    pub fn edges(&self) -> SmallVec<[&Edge; 2]> {
        match self {
            Self::Jump(edge) => smallvec::smallvec![edge],
            Self::Branch {
                then, otherwise, ..
            } => smallvec::smallvec![then, otherwise],
            Self::Switch { targets, .. } => targets.iter().collect(),
            Self::Return | Self::Unreachable => SmallVec::new(),
        }
    }

    /// The edges in order, to change.
    pub fn edges_mut(&mut self) -> SmallVec<[&mut Edge; 2]> {
        match self {
            Self::Jump(edge) => smallvec::smallvec![edge],
            Self::Branch {
                then, otherwise, ..
            } => smallvec::smallvec![then, otherwise],
            Self::Switch { targets, .. } => targets.iter_mut().collect(),
            Self::Return | Self::Unreachable => SmallVec::new(),
        }
    }

    /// The value that decides where control goes.
    #[must_use]
    pub const fn condition(&self) -> Option<Value> {
        match self {
            Self::Branch { condition, .. } => Some(*condition),
            Self::Switch { selector, .. } => Some(*selector),
            _ => None,
        }
    }

    /// Calls `visit` on every value that the terminator reads.
    pub fn for_each_value_mut(&mut self, mut visit: impl FnMut(&mut Value)) {
        match self {
            Self::Branch { condition, .. } => visit(condition),
            Self::Switch { selector, .. } => visit(selector),
            _ => {}
        }
        for edge in self.edges_mut() {
            edge.arguments.iter_mut().for_each(&mut visit);
        }
    }

    /// Calls `visit` on every value that the terminator reads.
    pub fn for_each_value(&self, mut visit: impl FnMut(Value)) {
        self.condition().into_iter().for_each(&mut visit);
        for edge in self.edges() {
            edge.arguments.iter().copied().for_each(&mut visit);
        }
    }
}

/// Where a structured construct that this block heads ends. Present after
/// the structurizer and only then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// A selection and the block where its arms meet.
    Selection(BlockId),
    /// A loop: where it is left to, and the block with the only back edge.
    Loop {
        /// The block after the loop.
        merge: BlockId,
        /// The block that goes back to the header.
        continuing: BlockId,
    },
}

/// A straight run of instructions.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Values that the entering edges provide.
    pub parameters: Vec<Value>,
    /// What the block does.
    pub instructions: Vec<Instruction>,
    /// The construct that it heads.
    pub merge: Option<Merge>,
    /// How it ends.
    pub terminator: Terminator,
}

impl Block {
    /// Says where the blocks lie that it leads to and that end its construct:
    /// each at `places` of what it was.
    pub(crate) fn renumber(&mut self, places: &[BlockId]) {
        for edge in self.terminator.edges_mut() {
            edge.block = places[edge.block.index()];
        }
        self.merge = self.merge.map(|merge| match merge {
            Merge::Selection(merge) => Merge::Selection(places[merge.index()]),
            Merge::Loop { merge, continuing } => Merge::Loop {
                merge: places[merge.index()],
                continuing: places[continuing.index()],
            },
        });
    }
}

impl Default for Block {
    fn default() -> Self {
        Self {
            parameters: Vec::new(),
            instructions: Vec::new(),
            merge: None,
            terminator: Terminator::Unreachable,
        }
    }
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Function {
    /// The kernel's name.
    pub name: String,
    /// The type of each value.
    pub values: Vec<Type>,
    /// The blocks; control enters at the first, which has no parameters.
    pub blocks: Vec<Block>,
    /// Bytes of the parameter buffer.
    pub parameter_bytes: u32,
    /// Bytes of shared memory with a fixed size; dynamic shared memory follows,
    /// aligned to 16.
    pub shared_bytes: u32,
    /// Whether dynamic shared memory is used.
    pub dynamic_shared: bool,
    /// Bytes of local memory a thread.
    pub local_bytes: u32,
    /// The names of the module's variables that [`Op::Global`] numbers.
    pub globals: Vec<String>,
}

impl Function {
    /// The block where control enters.
    pub const ENTRY: BlockId = BlockId(0);

    /// Makes a value.
    pub fn value(&mut self, ty: Type) -> Value {
        self.values.push(ty);
        Value(self.values.len() as u32 - 1)
    }

    /// Makes a block without a way in.
    pub fn block(&mut self) -> BlockId {
        self.blocks.push(Block::default());
        BlockId(self.blocks.len() as u32 - 1)
    }

    /// The type of a value.
    #[must_use]
    pub fn ty(&self, value: Value) -> Type {
        self.values[value.index()]
    }

    /// For each value the bits of the constant that it is.
    #[must_use]
    pub fn constants(&self) -> Vec<Option<u64>> {
        let mut constants = vec![None; self.values.len()];
        for instruction in self.blocks.iter().flat_map(|block| &block.instructions) {
            if let (Op::Const(bits), [result]) = (instruction.op, instruction.results.as_slice()) {
                constants[result.index()] = Some(bits);
            }
        }
        constants
    }

    /// All block numbers.
    pub fn block_ids(&self) -> impl DoubleEndedIterator<Item = BlockId> + use<> {
        (0..self.blocks.len() as u32).map(BlockId)
    }
}

impl std::ops::Index<BlockId> for Function {
    type Output = Block;

    fn index(&self, block: BlockId) -> &Block {
        &self.blocks[block.index()]
    }
}

impl std::ops::IndexMut<BlockId> for Function {
    fn index_mut(&mut self, block: BlockId) -> &mut Block {
        &mut self.blocks[block.index()]
    }
}
