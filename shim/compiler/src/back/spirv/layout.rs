//! The contract between compiled code and whoever launches it.
//!
//! Push constants: a header of [`HEADER_BYTES`], then the kernel's parameters
//! as CUDA lays them out, if they fit; else the parameters lie at
//! [`LAUNCH_ADDRESS`]. Word by word:
//!
//! | byte | what |
//! |---|---|
//! | 0 | first block of this dispatch in x: large grids take several |
//! | 4, 8, 12 | blocks of the grid in x, y, z |
//! | 16 | device address of the module record |
//! | 24 | device address of the launch record |
//!
//! The module record is an array of 64-bit addresses: [`RECORD_FAULT`],
//! [`RECORD_PRINT`], [`RECORD_MESSAGES`], [`RECORD_SHARED`], then from [`RECORD_VARIABLES`] the variables that the kernel
//! names, in the order of `CompiledKernel::variables`. The launch record holds
//! parameters that do not fit, from byte [`LAUNCH_PARAMETERS`], and before them
//! the address of local memory in [`LAUNCH_SCRATCH`].

/// Bytes of push constants before the parameters.
pub const HEADER_BYTES: u32 = 32;
/// The first block of this dispatch in x.
pub const GRID_BASE: u32 = 0;
/// The blocks of the grid: three words.
pub const GRID_SIZE: u32 = 4;
/// The address of the module record.
pub const MODULE_ADDRESS: u32 = 16;
/// The address of the launch record.
pub const LAUNCH_ADDRESS: u32 = 24;

/// The word of the module record with the address of a `u32` that a trap sets.
pub const RECORD_FAULT: u32 = 0;
/// The word of the module record with the address of the [`print`] buffer, where
/// `CompiledKernel::prints`.
pub const RECORD_PRINT: u32 = 1;
/// The word of the module record with the number of the kernel's first message:
/// what a trap for [`fault::MESSAGES`] sets.
pub const RECORD_MESSAGES: u32 = 2;
/// The word of the module record with the address of the buffer for shared
/// memory, where `CompiledKernel::shared_in_buffer`: [`SHARED_SLOTS`] words,
/// zero at first, that say which slots are taken, then from
/// [`SHARED_FIRST_SLOT`] as many slots of [`SHARED_SLOT_BYTES`].
pub const RECORD_SHARED: u32 = 3;
/// Slots of the buffer for shared memory: as many workgroups as run at a time.
/// lavapipe has at most 32 threads, and each runs one workgroup to its end. A
/// power of two.
pub const SHARED_SLOTS: u32 = 32;
/// The byte of the buffer for shared memory where the first slot starts.
pub const SHARED_FIRST_SLOT: u32 = 256;
/// Bytes of a slot: the most shared memory that a block may have on any compute
/// capability below 10, and a little, so that slots lie in different cache sets.
pub const SHARED_SLOT_BYTES: u32 = (228 << 10) + 256;
/// Bytes of the buffer for shared memory.
pub const SHARED_BUFFER_BYTES: u32 = SHARED_FIRST_SLOT + SHARED_SLOTS * SHARED_SLOT_BYTES;
/// The word of the module record with the first variable's address.
pub const RECORD_VARIABLES: u32 = 4;

/// The byte of the launch record with the address of local memory: each thread
/// has `CompiledKernel::scratch_bytes` of it, by its number in the dispatch.
pub const LAUNCH_SCRATCH: u32 = 0;
/// The byte of the launch record where parameters start.
pub const LAUNCH_PARAMETERS: u32 = 16;

/// Specialization constants by their id, all 32-bit.
pub mod specialization {
    /// Invocations of a workgroup in x: for a kernel that observes its warp the
    /// threads of the block rounded up to warps, else the block's x.
    pub const WORKGROUP_X: u32 = 0;
    /// Invocations of a workgroup in y: 1, or the block's y.
    pub const WORKGROUP_Y: u32 = 1;
    /// Invocations of a workgroup in z: 1, or the block's z.
    pub const WORKGROUP_Z: u32 = 2;
    /// Threads of a block in x.
    pub const BLOCK_X: u32 = 3;
    /// Threads of a block in y.
    pub const BLOCK_Y: u32 = 4;
    /// Threads of a block in z.
    pub const BLOCK_Z: u32 = 5;
    /// Words of shared memory, static and dynamic, a multiple of four.
    pub const SHARED_WORDS: u32 = 6;
}

/// What a trap sets the fault word to.
pub mod fault {
    /// A `trap` that has no number.
    pub const TRAP: u32 = 1;
    /// A failed assertion.
    pub const ASSERT: u32 = 2;
    /// The first of `CompiledKernel::messages` and then `traps`, for the compiler;
    /// the device counts from what the module record says.
    pub const MESSAGES: u32 = 3;
}

/// The print buffer: where kernels write down what the host prints.
///
/// It is a ring of words whose count is a power of two. A thread takes the words
/// of a record by adding their number to [`NEXT`](print::NEXT), and writes from
/// there on, also beyond the ring's end: [`MAX_RECORD_WORDS`](print::MAX_RECORD_WORDS)
/// more words lie behind it. A record is a head (its words, and above
/// [`KIND_SHIFT`](print::KIND_SHIFT) its kind), which is written last, the body,
/// and its words again, so that a full ring is read from its end.
pub mod print {
    /// The byte of the buffer with the words taken so far.
    pub const NEXT: u32 = 0;
    /// The byte of the buffer with the ring's words less one.
    pub const MASK: u32 = 4;
    /// The byte of the buffer where the ring starts.
    pub const RING: u32 = 16;
    /// The most words of a record.
    pub const MAX_RECORD_WORDS: u32 = 256;
    /// Where a head's kind starts.
    pub const KIND_SHIFT: u32 = 24;
    /// `printf`: the format's address in two words, the arguments' bytes.
    pub const LINE: u32 = 1;
    /// A failed assertion: its text's, its file's and its function's address in
    /// two words each, the line, the block's place and the thread's.
    pub const ASSERTION: u32 = 2;
}
