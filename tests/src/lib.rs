//! What tests that cross rooms have in common.

pub mod container;
