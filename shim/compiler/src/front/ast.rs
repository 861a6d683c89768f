//! What the text says, with every name resolved: registers, variables, labels
//! and functions are indices. Types of operands are still PTX's relaxed ones;
//! the translation to IR makes them agree.

use smallvec::SmallVec;

use super::isa::Opcode;
use super::words::{Linkage, ModifierSet, SpecialRegister, StateSpace, Type};

/// A variable of any state space but registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name as written.
    pub name: String,
    /// Where it lives.
    pub space: StateSpace,
    /// The element type.
    pub ty: Type,
    /// Elements of `ty`: 1 for a scalar, 4 for `.v4`, the product of all
    /// dimensions for an array. `None` for an array without a size
    /// (`.extern .shared x[]`), whose bytes the launch provides.
    pub count: Option<u64>,
    /// Alignment in bytes, a power of two.
    pub align: u32,
    /// How far it is visible.
    pub linkage: Linkage,
    /// Bytes of the text that hold its initializer, after `=`; read it with
    /// [`crate::front::initializer`].
    pub initializer: Option<(usize, usize)>,
}

impl Variable {
    /// Bytes of the variable; 0 for an array without a size.
    #[must_use]
    pub fn size(&self) -> u64 {
        let count = self.count.unwrap_or(0);
        count.saturating_mul(u64::from(self.ty.bytes()))
    }
}

/// Which variable an operand names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symbol {
    /// A variable of the module, by its place in `ModuleIndex::variables`.
    Module(usize),
    /// A parameter of the function.
    Parameter(usize),
    /// A value that the function returns.
    Return(usize),
    /// A variable declared in the body, by its place in `Body::variables`.
    Body(usize),
    /// A function, by its place in `ModuleIndex::functions`.
    Function(usize),
}

/// A register by its place in `Body::registers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Register(pub u32);

/// A label by its place in `Body::labels`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label(pub u32);

/// A literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Immediate {
    /// An integer; the low bits are the value at any width.
    Integer(i128),
    /// The bits of an f32.
    F32(u32),
    /// The bits of an f64.
    F64(u64),
}

/// What an address in brackets starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// The value of a register.
    Register(Register),
    /// The address of a variable.
    Symbol(Symbol),
    /// Nothing: the offset is the address.
    Absolute,
}

/// One operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// A register.
    Register(Register),
    /// A predicate register, negated.
    NotRegister(Register),
    /// Two destinations, `d|p`; either may be `_`.
    Pair(Option<Register>, Option<Register>),
    /// A destination that is thrown away, `_`.
    Sink,
    /// A literal.
    Immediate(Immediate),
    /// A special register and its component (0 for x).
    Special(SpecialRegister, usize),
    /// The address of a variable or function, plus bytes.
    Symbol(Symbol, i64),
    /// The memory at an address, plus bytes.
    Memory(Base, i64),
    /// Several operands in braces.
    Vector(Vec<Operand>),
    /// A label.
    Label(Label),
    /// A branch table by its place in `Body::branch_tables`.
    BranchTable(usize),
}

/// Whom a call calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Callee {
    /// A function of the module.
    Function(usize),
    /// An address in a register.
    Indirect(Register),
}

/// The parts of a `call`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where returned values go: registers or `.param` variables.
    pub returns: Vec<Operand>,
    /// Whom it calls.
    pub callee: Callee,
    /// What it passes.
    pub arguments: Vec<Operand>,
}

/// `@p` or `@!p` before an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// The predicate.
    pub predicate: Register,
    /// Whether the instruction runs where the predicate is false.
    pub negated: bool,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The predicate, if any.
    pub guard: Option<Guard>,
    /// The opcode.
    pub opcode: Opcode,
    /// The words after the opcode that are no types.
    pub modifiers: ModifierSet,
    /// The types after the opcode, in order.
    pub types: SmallVec<[Type; 2]>,
    /// The operands, of the kinds and in the number that the opcode takes.
    pub operands: SmallVec<[Operand; 4]>,
    /// The parts of a `call`, which has no other operands.
    pub call: Option<Box<Call>>,
    /// The byte of the text where it starts.
    pub offset: usize,
}

/// A declared register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterDeclaration {
    /// Its type.
    pub ty: Type,
}

/// A function's body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// Registers of all scopes.
    pub registers: Vec<RegisterDeclaration>,
    /// Variables of all scopes: `.local`, `.shared`, and `.param` of calls.
    pub variables: Vec<Variable>,
    /// For each label the instruction it stands before; equal to the number of
    /// instructions for a label at the end.
    pub labels: Vec<usize>,
    /// The targets of each `.branchtargets`.
    pub branch_tables: Vec<Vec<Label>>,
    /// The instructions of all scopes in order.
    pub instructions: Vec<Instruction>,
}

/// The relocation of an initializer: the address of a symbol is added to the
/// bytes already there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// Byte of the variable.
    pub offset: u64,
    /// Bytes that the address takes.
    pub size: u32,
    /// The variable or function whose address is meant.
    pub symbol: Symbol,
    /// Bytes added to the address.
    pub addend: i64,
    /// Whether the generic address is meant rather than the one in the
    /// symbol's own state space.
    pub generic: bool,
}

/// The bytes that a variable starts with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Initializer {
    /// The bytes; shorter than the variable where the rest is zero.
    pub bytes: Vec<u8>,
    /// The addresses in it.
    pub relocations: Vec<Relocation>,
}
