//! Errors of the front end: where in the text, which instruction, what is wrong.

use std::fmt;

/// What the front end rejects, without the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The text does not follow PTX's grammar.
    #[error("expected {expected}, found {found}")]
    Unexpected { expected: String, found: String },
    /// No such opcode in the PTX ISA.
    #[error("unknown instruction `{0}`")]
    UnknownInstruction(String),
    /// A `.word` that this opcode does not take, or does in a later PTX ISA.
    #[error("`{opcode}` takes no modifier `.{word}`")]
    UnknownModifier { opcode: &'static str, word: String },
    /// Too few or too many types after the opcode.
    #[error("`{opcode}` takes {expected} types, found {found}")]
    TypeCount {
        opcode: &'static str,
        expected: String,
        found: usize,
    },
    /// Too few or too many operands.
    #[error("`{opcode}` takes {expected} operands, found {found}")]
    OperandCount {
        opcode: &'static str,
        expected: String,
        found: usize,
    },
    /// An operand of a kind that this place does not take.
    #[error("operand {position} of `{opcode}` must be {expected}")]
    OperandKind {
        opcode: &'static str,
        position: usize,
        expected: &'static str,
    },
    /// A register, variable, label or function that nothing declares.
    #[error("unknown symbol `{0}`")]
    UnknownSymbol(String),
    /// A name that one scope declares more than once.
    #[error("`{0}` is declared already")]
    Redeclared(String),
    /// A number that does not fit where it stands.
    #[error("number `{0}` is out of range")]
    NumberRange(String),
    /// A PTX version or address size that this compiler does not read.
    #[error("{0}")]
    Version(String),
    /// Valid PTX that this compiler does not translate: an instruction, recursion,
    /// a call through a pointer.
    #[error("{0}")]
    Unsupported(String),
}

impl Reason {
    /// Whether no assembler takes the text. Otherwise the text may be right, and a
    /// kernel without it can still be compiled.
    #[must_use]
    pub fn is_malformed(&self) -> bool {
        !matches!(
            self,
            Self::Version(_) | Self::Unsupported(_) | Self::UnknownModifier { .. }
        )
    }
}

/// An error and its place, in the words that `ptxas` users know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// The source line, trimmed.
    pub source_line: String,
    /// What is wrong.
    pub reason: Reason,
}

impl Error {
    /// Places `reason` at byte `offset` of `text`.
    #[must_use]
    pub fn at(text: &str, offset: usize, reason: Reason) -> Self {
        let offset = offset.min(text.len());
        let before = &text.as_bytes()[..offset];
        let line_start = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |i| i + 1);
        let rest = text.get(line_start..).unwrap_or_default();
        Self {
            line: before.iter().filter(|&&b| b == b'\n').count() + 1,
            column: offset - line_start + 1,
            source_line: rest.lines().next().unwrap_or_default().trim().to_owned(),
            reason,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, .. } = self;
        write!(f, "line {line}, column {column}: {}", self.reason)?;
        write!(f, ": {}", self.source_line)
    }
}
