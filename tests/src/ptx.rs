//! PTX cases: kernels with their launches, inputs and expected outputs, which
//! run on the compiler's interpreter and on a CUDA driver alike.
//!
//! `tests/ptx/README.md` explains the files and the table of instruction forms.

pub mod case;
pub mod check;
pub mod device;
pub mod directive;
pub mod form;
pub mod input;
pub mod interpreted;
pub mod memory_form;
pub mod random;
pub mod recording;
pub mod scalar;
pub mod table;

pub use case::{Argument, Buffer, Case, Outputs, Shape};
pub use check::Check;
pub use scalar::Scalar;
