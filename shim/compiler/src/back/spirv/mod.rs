//! Structured IR to SPIR-V for Vulkan 1.3.
//!
//! One thread is one invocation. Global memory is reached through
//! `PhysicalStorageBuffer` pointers made from 64-bit addresses; shared memory
//! is a `Workgroup` array; parameters are push constants ([`layout`]). Phis are
//! written last, because the value that an edge passes may be computed in a
//! block that comes later.

mod arithmetic;
mod convert;
mod frame;
mod function;
pub mod layout;
mod matrix;
mod memory;
mod module;
mod thread;

pub use function::{ENTRY_POINT, Output, observes_warp, write};
pub use matrix::is_native;
pub use thread::scratch_stride;

/// What the back end cannot write, or not for this target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An operation without a translation.
    #[error("`{op}` is not supported on this device: {reason}")]
    Unsupported {
        /// The operation.
        op: String,
        /// What is missing.
        reason: &'static str,
        /// The byte of the PTX text it came from.
        offset: u32,
    },
}
