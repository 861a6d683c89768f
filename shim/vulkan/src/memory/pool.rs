//! Small allocations cut out of larger blocks: drivers allow few memory
//! objects (4,096) and take long to make one.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use ash::vk;

use super::Placement;
use super::block::{Block, USAGE};
use super::kinds::{MemoryKind, MemoryKinds};
use super::ladder::Ladder;
use crate::debug::trace;
use crate::device::Device;
use crate::error::Error;
use crate::host_memory;
use crate::physical_device::{Kind, PhysicalDevice};
use crate::sync::lock;

/// Every allocation starts at a multiple of this.
const ALIGNMENT: u64 = 512;
/// Up to this size an allocation shares a block with others.
const LARGEST_SHARED: u64 = 2 << 20;
/// Size of a shared block.
const SHARED_BLOCK: u64 = 64 << 20;
/// From this size on a CPU's free memory is looked up before allocating.
const WORTH_A_LOOK: u64 = 64 << 20;

/// The memory of one device.
pub(crate) struct Pools {
    kinds: MemoryKinds,
    heaps: Vec<u64>,
    is_cpu: bool,
    ladder: Ladder,
    shared: Mutex<Vec<SharedBlock>>,
    byte_table: Mutex<Option<Block>>,
    /// Bytes of the device's heap that blocks hold.
    allocated: AtomicU64,
    /// On a CPU: the most host memory that was ever seen available.
    most_available: AtomicU64,
}

/// A block that several allocations share.
struct SharedBlock {
    block: Arc<Block>,
    free: FreeRanges,
}

/// What an allocation stands on.
pub(crate) enum Backing {
    Own(Block),
    Shared {
        block: Arc<Block>,
        offset: u64,
        size: u64,
    },
}

impl Backing {
    pub fn block(&self) -> &Block {
        match self {
            Backing::Own(block) => block,
            Backing::Shared { block, .. } => block,
        }
    }

    /// Of the allocation in its block.
    pub fn offset(&self) -> u64 {
        match self {
            Backing::Own(_) => 0,
            Backing::Shared { offset, .. } => *offset,
        }
    }
}

impl Pools {
    pub fn new(physical: &PhysicalDevice, device: &ash::Device) -> Result<Pools, Error> {
        let info = vk::BufferCreateInfo::default()
            .size(SHARED_BLOCK)
            .usage(USAGE);
        let mut requirements = vk::MemoryRequirements2::default();
        let query = vk::DeviceBufferMemoryRequirements::default().create_info(&info);
        // SAFETY: the device is live and has Vulkan 1.3.
        unsafe { device.get_device_buffer_memory_requirements(&query, &mut requirements) };
        let allowed = requirements.memory_requirements.memory_type_bits;
        let kinds = MemoryKinds::choose(physical.memory(), allowed).ok_or_else(|| {
            Error::FeatureNotPresent {
                feature: "memory that the host can map".into(),
            }
        })?;
        trace!("{}: memory types {kinds:?}", physical.name());
        Ok(Pools {
            kinds,
            heaps: physical
                .memory()
                .memory_heaps_as_slice()
                .iter()
                .map(|heap| heap.size)
                .collect(),
            is_cpu: physical.kind() == Kind::Cpu,
            ladder: Ladder::new(physical),
            shared: Mutex::default(),
            byte_table: Mutex::default(),
            allocated: AtomicU64::new(0),
            most_available: AtomicU64::new(0),
        })
    }

    /// The heap of [`Placement::Device`].
    pub fn device_heap(&self) -> usize {
        self.kinds.of(Placement::Device).heap
    }

    /// What of the device's heap is not taken here.
    pub fn untaken(&self) -> u64 {
        self.heaps[self.device_heap()].saturating_sub(self.allocated.load(Ordering::Relaxed))
    }

    /// On a CPU, what could still be allocated and also touched. Memory that
    /// is allocated and not touched yet counts as available with the host, so
    /// allocations are taken off the most that was ever available.
    pub fn host_free(&self) -> u64 {
        let Some(now) = host_memory::available() else {
            return self.untaken();
        };
        let most = self
            .most_available
            .fetch_max(now, Ordering::Relaxed)
            .max(now);
        let allocated = self.allocated.load(Ordering::Relaxed);
        now.min(most.saturating_sub(allocated)).min(self.untaken())
    }

    pub fn allocate(
        &self,
        device: &Device,
        size: u64,
        placement: Placement,
    ) -> Result<Backing, Error> {
        if size == 0 {
            return Err(Error::invalid("an allocation of 0 bytes"));
        }
        let rounded = size
            .checked_next_multiple_of(ALIGNMENT)
            .ok_or_else(|| out_of_memory(size))?;
        let kind = self.kinds.of(placement);
        let attempt = |kind| match rounded <= LARGEST_SHARED {
            // Where there is no room for a shared block there may be for this.
            true => self
                .allocate_shared(device, rounded, kind)
                .or_else(|_| self.new_block(device, rounded, kind).map(Backing::Own)),
            false => self.new_block(device, rounded, kind).map(Backing::Own),
        };
        let mut result = attempt(kind);
        if matches!(&result, Err(error) if error.is_out_of_memory()) {
            // What is done but not yet taken back may be enough.
            device.collect();
            self.drop_empty_blocks(device.raw());
            result = attempt(kind);
        }
        let host = self.kinds.of(Placement::Host);
        if placement == Placement::Upload && kind != host && result.is_err() {
            result = attempt(host);
        }
        result
    }

    fn allocate_shared(
        &self,
        device: &Device,
        size: u64,
        kind: MemoryKind,
    ) -> Result<Backing, Error> {
        let mut shared = lock(&self.shared);
        let fitting = shared.iter_mut().filter(|shared| shared.block.kind == kind);
        for SharedBlock { block, free } in fitting {
            if let Some(offset) = free.take(size) {
                return Ok(Backing::Shared {
                    block: block.clone(),
                    offset,
                    size,
                });
            }
        }
        let block = Arc::new(self.new_block(device, SHARED_BLOCK, kind)?);
        let mut free = FreeRanges::new(SHARED_BLOCK);
        let offset = free.take(size).ok_or_else(|| out_of_memory(size))?;
        shared.push(SharedBlock {
            block: block.clone(),
            free,
        });
        Ok(Backing::Shared {
            block,
            offset,
            size,
        })
    }

    fn new_block(&self, device: &Device, size: u64, kind: MemoryKind) -> Result<Block, Error> {
        self.check_room(size, kind)?;
        let block = self.ladder.block(device, size, kind)?;
        if !block.address.is_multiple_of(ALIGNMENT) {
            return Err(self.misaligned(device.raw(), block));
        }
        if block.kind.heap == self.device_heap() {
            self.allocated.fetch_add(block.size, Ordering::Relaxed);
        }
        Ok(block)
    }

    fn misaligned(&self, device: &ash::Device, mut block: Block) -> Error {
        let what = format!(
            "the driver gave address {:#x}, no multiple of {ALIGNMENT}",
            block.address
        );
        block.destroy(device);
        Error::FeatureNotPresent { feature: what }
    }

    /// Refuses what cannot fit. Drivers do too, except one on a CPU: there
    /// memory is promised without being there, and the process would be
    /// killed when it is touched.
    fn check_room(&self, size: u64, kind: MemoryKind) -> Result<(), Error> {
        let too_large = match self.is_cpu {
            false => size > self.heaps[kind.heap],
            true if size < WORTH_A_LOOK => size > self.untaken(),
            true => size > self.host_free(),
        };
        if too_large {
            Err(out_of_memory(size))
        } else {
            Ok(())
        }
    }

    /// # Safety
    /// As for [`Device::import_host`].
    pub unsafe fn import_host(
        &self,
        device: &Device,
        ptr: NonNull<u8>,
        len: u64,
    ) -> Result<Backing, Error> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.ladder.import_host(device, ptr, len) }.map(Backing::Own)
    }

    pub fn free(&self, device: &ash::Device, backing: &mut Backing) {
        match backing {
            Backing::Own(block) => self.destroy_block(device, block),
            Backing::Shared {
                block,
                offset,
                size,
            } => {
                let mut shared = lock(&self.shared);
                if let Some(owner) = shared
                    .iter_mut()
                    .find(|owner| Arc::ptr_eq(&owner.block, block))
                {
                    owner.free.give_back(*offset, *size);
                }
            }
        }
    }

    fn destroy_block(&self, device: &ash::Device, block: &mut Block) {
        if block.kind.heap == self.device_heap() && !block.is_imported() {
            self.allocated.fetch_sub(block.size, Ordering::Relaxed);
        }
        block.destroy(device);
    }

    /// Gives the driver back the shared blocks that nobody uses.
    fn drop_empty_blocks(&self, device: &ash::Device) {
        let mut shared = lock(&self.shared);
        for mut owner in shared.extract_if(.., |owner| owner.free.is_whole(owner.block.size)) {
            if let Some(block) = Arc::get_mut(&mut owner.block) {
                self.destroy_block(device, block);
            }
        }
    }

    /// A buffer whose byte `i` is `i`, 256 in all: the source of single bytes,
    /// which no command can write but a copy.
    pub fn byte_table(&self, device: &Device) -> Result<vk::Buffer, Error> {
        let mut table = lock(&self.byte_table);
        if table.is_none() {
            *table = Some(self.new_byte_table(device)?);
        }
        let span = table.as_ref().and_then(|block| block.spans(0, 256).next());
        span.map(|span| span.buffer)
            .ok_or_else(|| out_of_memory(256))
    }

    fn new_byte_table(&self, device: &Device) -> Result<Block, Error> {
        let block = self.new_block(device, ALIGNMENT, self.kinds.of(Placement::Host))?;
        let Some(pointer) = block.host_ptr(device.raw()) else {
            return Err(Error::FeatureNotPresent {
                feature: "a mapping of host memory".into(),
            });
        };
        for byte in 0..=u8::MAX {
            // SAFETY: the block holds at least 256 bytes, mapped, and nobody
            // else knows it yet.
            unsafe { pointer.add(usize::from(byte)).write(byte) }
        }
        Ok(block)
    }

    /// Called when the device is dropped: no allocation is left.
    pub fn destroy(&self, device: &ash::Device) {
        self.drop_empty_blocks(device);
        if let Some(mut table) = lock(&self.byte_table).take() {
            self.destroy_block(device, &mut table);
        }
    }
}

fn out_of_memory(size: u64) -> Error {
    Error::OutOfDeviceMemory {
        what: format!("no room for {size} bytes"),
    }
}

/// The free ranges of a block: first fit, neighbours joined.
struct FreeRanges(BTreeMap<u64, u64>);

impl FreeRanges {
    fn new(size: u64) -> FreeRanges {
        FreeRanges(BTreeMap::from([(0, size)]))
    }

    fn take(&mut self, size: u64) -> Option<u64> {
        let (&offset, &len) = self.0.iter().find(|&(_, &len)| len >= size)?;
        self.0.remove(&offset);
        if len > size {
            self.0.insert(offset + size, len - size);
        }
        Some(offset)
    }

    fn give_back(&mut self, mut offset: u64, mut size: u64) {
        if let Some((&before, &len)) = self.0.range(..offset).next_back()
            && before + len == offset
        {
            self.0.remove(&before);
            (offset, size) = (before, len + size);
        }
        if let Some(len) = self.0.remove(&(offset + size)) {
            size += len;
        }
        self.0.insert(offset, size);
    }

    fn is_whole(&self, size: u64) -> bool {
        self.0.get(&0) == Some(&size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ranges_join_their_neighbours() {
        let mut free = FreeRanges::new(4096);
        let offsets: Vec<_> = (0..4).map(|_| free.take(1024).expect("room")).collect();
        assert_eq!(offsets, [0, 1024, 2048, 3072]);
        assert_eq!(free.take(1), None);
        free.give_back(1024, 1024);
        free.give_back(3072, 1024);
        assert_eq!(free.take(2048), None);
        free.give_back(2048, 1024);
        assert_eq!(free.take(3072), Some(1024));
        free.give_back(1024, 3072);
        free.give_back(0, 1024);
        assert!(free.is_whole(4096));
    }
}
