//! PTX to SPIR-V: everything between the text that nvcc wrote and the words a
//! Vulkan driver accepts.
//!
//! The library is a pure function of its input. It does no I/O, has never
//! heard of Vulkan objects or of CUDA's API, and returns an error rather than
//! panicking on any input.

#![forbid(unsafe_code)]

pub mod back;
pub mod cfg;
mod compile;
pub mod divergence;
pub mod evaluate;
pub mod fatbin;
pub mod front;
pub mod interpreter;
pub mod ir;
pub mod loops;
pub mod pass;
pub mod print;
mod source;
pub mod ssa;
pub mod target;
pub mod translate;
pub mod verify;
mod words;

pub use compile::{CompiledKernel, Error, compile, lower};
pub use source::ModuleSource;
pub use target::{Matrices, Target};
