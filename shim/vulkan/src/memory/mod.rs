//! Device memory as flat ranges of device addresses.
//!
//! A [`block::Block`] is memory with buffers bound over all of it; the
//! [`ladder`] makes blocks of any size; [`pool`] cuts small allocations out of
//! larger blocks; an [`Allocation`] is what a caller owns.

mod allocation;
mod block;
mod kinds;
mod ladder;
mod pool;

pub use allocation::{Allocation, HostAccess, Placement, Slice};
pub(crate) use block::Span;
pub(crate) use pool::Pools;
