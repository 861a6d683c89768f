//! What a kernel means: a reference interpreter of the IR, thread by thread.
//!
//! It is the oracle of passes and back ends where no recording of a device
//! exists, so it prefers plainness to speed and an error to a guess: an access
//! outside every buffer, a misaligned one, a store to constants, a trap, a block
//! whose threads wait for each other for ever are all [`Error`]s that name the
//! thread and the operation. Input that the verifier accepts never panics it.
//!
//! # What runs when
//! Blocks run one after another, the warps of a block in turn. Each thread has
//! its own place in the code. Of a warp's threads those at the earliest place
//! run together until they branch, where "earliest" is an order of the blocks
//! that puts a whole loop before what follows it (module `order`); so threads
//! that parted meet again where their ways join, as on hardware, and
//! [`Op::ActiveMask`](crate::ir::Op::ActiveMask) answers what one expects.
//!
//! An operation of a warp waits until every living thread of its member mask
//! has come to it. Code from before Volta names all lanes although some are
//! elsewhere: where nothing else in the block can go on, the operation is done
//! for those that came. A block barrier counts warps, as CUDA does: threads that
//! have exited do not hold up the others.
//!
//! # Addresses
//! [`Memory`] hands out made-up 64-bit addresses of global memory. Shared memory
//! lies in the generic space at [`SHARED_WINDOW`](crate::ir::SHARED_WINDOW),
//! each thread's local memory at an address of its own that only this thread
//! may use. Shared and local memory start with a pattern rather than zeros.

mod block;
mod error;
mod execute;
mod matrix;
mod memory;
mod order;
mod warp;

use std::collections::BTreeMap;

pub use error::{Error, Fault};
pub use memory::{Memory, OutOfBounds};

use crate::ir::Function;
use crate::verify::verify;
use block::Block;

/// The most threads of a block.
const MAX_THREADS: u32 = 1024;
/// The most bytes of shared memory of a block.
const MAX_SHARED_BYTES: u64 = 1 << 20;
/// The most bytes of local memory of a thread, as in CUDA.
const MAX_LOCAL_BYTES: u32 = 512 << 10;

/// The most bytes of values of a block's threads.
const MAX_VALUE_BYTES: u64 = 4 << 30;

/// How a kernel is launched.
#[derive(Debug, Clone)]
pub struct Launch<'l> {
    /// Blocks in x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y and z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub dynamic_shared_bytes: u32,
    /// The parameter buffer.
    pub parameters: &'l [u8],
    /// The addresses of the module's variables by name.
    pub globals: &'l BTreeMap<String, u64>,
    /// Instructions after which the launch is given up; one instruction of
    /// several threads that run together counts once.
    pub max_steps: u64,
}

/// What a launch did besides writing memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Instructions that were run.
    pub steps: u64,
    /// The format of each `vprintf`, in order.
    pub printed: Vec<Vec<u8>>,
    /// Where lowered code writes down what it prints, once it has.
    pub print_buffer: Option<u64>,
}

/// Runs a kernel to its end.
///
/// # Errors
/// Where the function is not valid, the launch exceeds a limit, or a thread does
/// what has no meaning.
pub fn run(
    function: &Function,
    launch: &Launch<'_>,
    memory: &mut Memory,
) -> Result<Outcome, Error> {
    verify(function)?;
    check(function, launch)?;
    let order = order::ranks(function);
    let mut outcome = Outcome::default();
    let [x, y, z] = launch.grid;
    for z in 0..z {
        for y in 0..y {
            for x in 0..x {
                let mut block = Block::new(function, launch, &order, [x, y, z]);
                block.run(memory, &mut outcome)?;
            }
        }
    }
    Ok(outcome)
}

fn check(function: &Function, launch: &Launch<'_>) -> Result<(), Error> {
    let sizes = launch.block.iter().map(|&n| u64::from(n));
    let threads = sizes.fold(1, u64::saturating_mul);
    if threads == 0 || threads > u64::from(MAX_THREADS) || launch.grid.contains(&0) {
        return Err(Error::LaunchSize {
            grid: launch.grid,
            block: launch.block,
        });
    }
    let shared = u64::from(function.shared_bytes) + u64::from(launch.dynamic_shared_bytes);
    let lanes = threads.next_multiple_of(warp::LANES as u64);
    let values = lanes.saturating_mul(8 * function.values.len() as u64);
    if values > MAX_VALUE_BYTES {
        return Err(Error::ValuesSize(values));
    }
    if shared > MAX_SHARED_BYTES || function.local_bytes > MAX_LOCAL_BYTES {
        return Err(Error::MemorySize {
            shared,
            local: function.local_bytes,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
