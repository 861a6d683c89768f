//! From IR to what a device reads.

pub mod spirv;
