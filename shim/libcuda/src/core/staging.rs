//! Mapped memory that lives as long as the commands that use it: what copies go
//! through when the program's own memory is out of the device's reach, and the
//! records of launches.

use std::sync::{Arc, Mutex, PoisonError};

/// Blocks of this size are cut into pieces; larger pieces get a block of their own.
const BLOCK: u64 = 8 << 20;
/// Pieces begin at multiples of this many bytes, so that copies stay aligned.
const ALIGNMENT: u64 = 256;

/// Mapped memory of a context in one placement.
pub struct Staging {
    device: Arc<vulkan::Device>,
    placement: vulkan::Placement,
    blocks: Mutex<Vec<Block>>,
}

struct Block {
    allocation: Arc<vulkan::Allocation>,
    used: u64,
}

impl Staging {
    pub fn new(device: Arc<vulkan::Device>, placement: vulkan::Placement) -> Self {
        Self {
            device,
            placement,
            blocks: Mutex::default(),
        }
    }

    /// `len` bytes of mapped memory, the caller's until it drops the slice and
    /// every command that was recorded with it is done.
    ///
    /// # Errors
    /// Out of memory.
    pub fn take(&self, len: u64) -> Result<vulkan::Slice, vulkan::Error> {
        if len > BLOCK {
            return self.device.allocate(len, self.placement)?.slice(0, len);
        }
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        for block in blocks.iter_mut() {
            // Nobody but this list holds the block: all that was cut is done with.
            if Arc::strong_count(&block.allocation) == 1 {
                block.used = 0;
            }
            if block.used + len <= BLOCK {
                return block.cut(len);
            }
        }
        let allocation = self.device.allocate(BLOCK, self.placement)?;
        let mut block = Block {
            allocation,
            used: 0,
        };
        let slice = block.cut(len);
        blocks.push(block);
        slice
    }
}

impl Block {
    fn cut(&mut self, len: u64) -> Result<vulkan::Slice, vulkan::Error> {
        let slice = self.allocation.slice(self.used, len)?;
        self.used = (self.used + len).next_multiple_of(ALIGNMENT);
        Ok(slice)
    }
}
