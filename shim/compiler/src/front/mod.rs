//! PTX text to a typed module.
//!
//! Reading happens twice. [`index`] reads headers and declarations and skips
//! bodies; it serves module loading and attribute queries. [`body`] parses one
//! function when a kernel that needs it is compiled. Both share the grammar of
//! tokens and declarations, so that they cannot disagree.
//!
//! Nothing here knows what an instruction does; it knows how it is spelled
//! ([`isa`]) and what its operands may be ([`ast`]).

pub mod ast;
mod body;
mod declaration;
mod error;
mod index;
pub mod isa;
mod token;
pub mod words;

pub use body::body;
pub use declaration::initializer;
pub use error::{Error, Reason};
pub use index::{Function, Limits, ModuleIndex, NEWEST_VERSION, Parameter, align_up, index};
