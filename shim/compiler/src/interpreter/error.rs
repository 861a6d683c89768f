//! Why a launch failed, and which thread did it.

use crate::ir::Space;
use crate::verify::VerifyError;

use super::OutOfBounds;

/// A launch that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The function breaks a rule of the IR.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// No thread, no block, or too many threads.
    #[error("a grid of {grid:?} blocks of {block:?} threads cannot be launched")]
    LaunchSize {
        /// Blocks in each dimension.
        grid: [u32; 3],
        /// Threads of a block in each dimension.
        block: [u32; 3],
    },
    /// More shared or local memory than any device has.
    #[error("{shared} bytes of shared and {local} bytes of local memory cannot be had")]
    MemorySize {
        /// Bytes of a block.
        shared: u64,
        /// Bytes of a thread.
        local: u32,
    },
    /// A block whose threads together have too many values.
    #[error("the values of a block's threads take {0} bytes, more than can be interpreted")]
    ValuesSize(u64),
    /// A thread did what has no meaning.
    #[error("thread {thread} of block {block:?}: `{op}` (byte {offset} of the text): {fault}")]
    Thread {
        /// The block.
        block: [u32; 3],
        /// The thread's linear number in its block.
        thread: u32,
        /// The operation.
        op: String,
        /// The byte of the PTX text it came from.
        offset: u32,
        /// What it did.
        fault: Fault,
    },
    /// Every thread of a block waits for another.
    #[error("the threads of block {0:?} wait for each other")]
    Deadlock([u32; 3]),
    /// The launch went on for too long.
    #[error("the launch did not end within {0} instructions")]
    StepLimit(u64),
}

/// What a thread did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An access that touches a byte outside every buffer.
    #[error(transparent)]
    OutOfBounds(#[from] OutOfBounds),
    /// An access whose address is no multiple of its size.
    #[error("address {address:#x} is no multiple of {bytes}")]
    Misaligned {
        /// The address.
        address: u64,
        /// The size.
        bytes: u64,
    },
    /// A store to memory that is only read.
    #[error("the {0} space is only read")]
    ReadOnly(Space),
    /// A variable of the module that the launch does not know.
    #[error("the launch has no address for the variable number {0}")]
    MissingVariable(u32),
    /// A parameter beyond the end of the buffer.
    #[error("the parameter buffer ends before byte {0}")]
    MissingParameter(u64),
    /// A warp operation by a thread that its member mask leaves out.
    #[error("lane {lane} is not in the member mask {mask:#010x}")]
    NotAMember {
        /// The lane.
        lane: usize,
        /// The mask.
        mask: u32,
    },
    /// `trap`, or control in a place that was said to be unreachable.
    #[error("the kernel trapped")]
    Trap,
    /// Something that no launch here has, such as a cluster.
    #[error("this has no meaning in the interpreter")]
    Unsupported,
}
