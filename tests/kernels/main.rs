//! PTX on a device, against the compiler's interpreter: each instruction with
//! edge values, then kernels.

mod instructions;
mod programs;
mod random;
