//! Blocks of any size. Up to the driver's limits a block is one memory object
//! and one buffer; above them these ways are tried, the one that worked last
//! first:
//!
//! 1. *oversized*: one memory object above the guaranteed size, with as many
//!    buffers as it takes bound one behind the other (lavapipe; any driver
//!    whose guarantee is lower than what it can do);
//! 2. *replayed*: several memory objects, each placed behind the one before
//!    by capture-replay addresses (drivers whose opaque addresses are plain);
//!    *replayed below* is for drivers that hand addresses out downwards: the
//!    first piece is placed so low that the others end where the driver would
//!    have put one of its own choice;
//! 3. *sparse*: one buffer bound to several memory objects (NVIDIA).
//!
//! Whatever the way, the block counts only if the addresses of its buffers
//! really follow one another.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use ash::vk;

use super::block::Block;
use super::kinds::{MemoryKind, MemoryKinds};
use crate::debug::trace;
use crate::device::Device;
use crate::error::{At, Error};
use crate::physical_device::PhysicalDevice;

pub(crate) struct Ladder {
    max_allocation: u64,
    max_buffer: u64,
    host_pointer_alignment: u64,
    memory: vk::PhysicalDeviceMemoryProperties,
    ways: Vec<Way>,
    /// Index in `ways` of the one that worked last.
    preferred: AtomicUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Oversized,
    Replayed,
    ReplayedBelow,
    Sparse,
}

/// Pieces of memory and buffers start at multiples of this: above any driver's
/// alignment or page size.
const PIECE_ALIGNMENT: u64 = 2 << 20;

impl Ladder {
    pub fn new(physical: &PhysicalDevice) -> Ladder {
        let (limits, features) = (physical.limits(), physical.features());
        let mut ways = vec![Way::Oversized];
        if features.address_capture_replay {
            ways.extend([Way::Replayed, Way::ReplayedBelow]);
        }
        if features.sparse_buffer {
            ways.push(Way::Sparse);
        }
        Ladder {
            max_allocation: limits.memory_allocation,
            max_buffer: limits.buffer,
            host_pointer_alignment: limits.imported_host_pointer_alignment,
            memory: *physical.memory(),
            ways,
            preferred: AtomicUsize::new(0),
        }
    }

    pub fn block(&self, device: &Device, size: u64, kind: MemoryKind) -> Result<Block, Error> {
        if size <= self.max_allocation.min(self.max_buffer) {
            return self.finish(device, Block::empty(size, kind), |block| {
                plain(device, block)
            });
        }
        let preferred = self.preferred.load(Ordering::Relaxed);
        let order = (0..self.ways.len()).map(|step| (preferred + step) % self.ways.len());
        let mut last = None;
        for index in order {
            let way = self.ways[index];
            match self.finish(device, Block::empty(size, kind), |block| {
                self.climb(device, block, way)
            }) {
                Ok(block) => {
                    trace!("{size} bytes: {way:?}, at {:#x}", block.address);
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(block);
                }
                Err(Error::DeviceLost { call }) => return Err(Error::DeviceLost { call }),
                Err(error) => {
                    trace!("{size} bytes: not {way:?}: {error}");
                    last = Some(error);
                }
            }
        }
        let why = last.map_or(String::new(), |error| format!(": {error}"));
        Err(Error::OutOfDeviceMemory {
            what: format!("no way to {size} adjacent bytes{why}"),
        })
    }

    /// Builds a block, checks its addresses, and destroys it where either
    /// fails.
    fn finish(
        &self,
        device: &Device,
        mut block: Block,
        build: impl FnOnce(&mut Block) -> Result<(), Error>,
    ) -> Result<Block, Error> {
        let built = build(&mut block).and_then(|()| match block.take_address(device.raw()) {
            true => Ok(()),
            false => Err(Error::OutOfDeviceMemory {
                what: "the addresses are not adjacent".into(),
            }),
        });
        match built {
            Ok(()) => Ok(block),
            Err(error) => {
                block.destroy(device.raw());
                Err(error)
            }
        }
    }

    fn climb(&self, device: &Device, block: &mut Block, way: Way) -> Result<(), Error> {
        match way {
            Way::Oversized => self.oversized(device.raw(), block),
            Way::Replayed => self.replayed(device.raw(), block, None),
            Way::ReplayedBelow => {
                let first = self.below_own_choice(device.raw(), block)?;
                self.replayed(device.raw(), block, Some(first))
            }
            Way::Sparse => self.sparse(device, block),
        }
    }

    fn oversized(&self, device: &ash::Device, block: &mut Block) -> Result<(), Error> {
        let size = block.size.next_multiple_of(PIECE_ALIGNMENT);
        let memory = block.add_memory(
            device,
            vk::MemoryAllocateInfo::default().allocation_size(size),
            false,
        )?;
        self.bind_pieces(
            device,
            block,
            memory,
            vk::ExternalMemoryHandleTypeFlags::empty(),
        )
    }

    /// Covers one memory object with buffers of the largest size allowed.
    fn bind_pieces(
        &self,
        device: &ash::Device,
        block: &mut Block,
        memory: vk::DeviceMemory,
        external: vk::ExternalMemoryHandleTypeFlags,
    ) -> Result<(), Error> {
        for (offset, size) in pieces(block.size, self.max_buffer) {
            let mut handles = vk::ExternalMemoryBufferCreateInfo::default().handle_types(external);
            let mut info = vk::BufferCreateInfo::default().size(size);
            if !external.is_empty() {
                info = info.push_next(&mut handles);
            }
            let buffer = block.add_buffer(device, info, offset)?;
            bind(device, buffer, memory, offset)?;
        }
        Ok(())
    }

    /// Places pieces one behind the other, the first at `next` where given.
    fn replayed(
        &self,
        device: &ash::Device,
        block: &mut Block,
        mut next: Option<Replay>,
    ) -> Result<(), Error> {
        for (offset, size) in self.replayed_pieces(block.size) {
            let (memory, buffer) = replayed_piece(device, block, (offset, size), next)?;
            next = Some(Replay::of(device, memory, buffer).moved(size));
        }
        Ok(())
    }

    fn replayed_pieces(&self, size: u64) -> impl Iterator<Item = (u64, u64)> + use<> {
        pieces(size, self.max_allocation.min(self.max_buffer))
    }

    /// Where a first piece must be for the last to end where the driver, left
    /// to itself, ends one.
    fn below_own_choice(&self, device: &ash::Device, block: &Block) -> Result<Replay, Error> {
        let first = self.replayed_pieces(block.size).next();
        let (_, size) = first.ok_or_else(|| Error::invalid("an empty block"))?;
        let mut trial = Block::empty(size, block.kind);
        let chosen = replayed_piece(device, &mut trial, (0, size), None)
            .map(|(memory, buffer)| Replay::of(device, memory, buffer));
        trial.destroy(device);
        let rest = block.size.next_multiple_of(PIECE_ALIGNMENT) - size;
        chosen.map(|chosen| chosen.moved(rest.wrapping_neg()))
    }

    fn sparse(&self, device: &Device, block: &mut Block) -> Result<(), Error> {
        if block.size > self.max_buffer {
            return Err(Error::FeatureNotPresent {
                feature: "so large a buffer".into(),
            });
        }
        let info = vk::BufferCreateInfo::default()
            .size(block.size)
            .flags(vk::BufferCreateFlags::SPARSE_BINDING);
        let buffer = block.add_buffer(device.raw(), info, 0)?;
        // SAFETY: the buffer was made just now.
        let needs = unsafe { device.raw().get_buffer_memory_requirements(buffer) };
        block.kind = MemoryKinds::same_heap(&self.memory, needs.memory_type_bits, block.kind)
            .ok_or_else(|| Error::FeatureNotPresent {
                feature: "sparse buffers in this heap".into(),
            })?;
        let alignment = needs.alignment.max(PIECE_ALIGNMENT);
        let largest = self.max_allocation / alignment * alignment;
        let mut binds = Vec::new();
        for (offset, size) in pieces_of(needs.size, largest) {
            let size = size.next_multiple_of(needs.alignment);
            let info = vk::MemoryAllocateInfo::default().allocation_size(size);
            let memory = block.add_memory(device.raw(), info, false)?;
            let size = size.min(needs.size - offset);
            binds.push(
                vk::SparseMemoryBind::default()
                    .resource_offset(offset)
                    .size(size)
                    .memory(memory),
            );
        }
        device.bind_sparse(buffer, &binds)
    }

    /// # Safety
    /// As for [`Device::import_host`].
    pub unsafe fn import_host(
        &self,
        device: &Device,
        ptr: NonNull<u8>,
        len: u64,
    ) -> Result<Block, Error> {
        let Some(functions) = device.host_import() else {
            return Err(Error::FeatureNotPresent {
                feature: "VK_EXT_external_memory_host".into(),
            });
        };
        let alignment = self.host_pointer_alignment;
        if len == 0
            || !len.is_multiple_of(alignment)
            || !(ptr.addr().get() as u64).is_multiple_of(alignment)
        {
            return Err(Error::invalid(format!(
                "{len} bytes at {ptr:p}: pointer and length must be multiples of {alignment}"
            )));
        }
        let handle = vk::ExternalMemoryHandleTypeFlags::HOST_ALLOCATION_EXT;
        let mut properties = vk::MemoryHostPointerPropertiesEXT::default();
        // SAFETY: the caller's promise: the range is mapped.
        unsafe {
            (functions.fp().get_memory_host_pointer_properties_ext)(
                device.raw().handle(),
                handle,
                ptr.as_ptr().cast(),
                &mut properties,
            )
        }
        .result()
        .at("vkGetMemoryHostPointerPropertiesEXT")?;
        let kind =
            MemoryKinds::of_import(&self.memory, properties.memory_type_bits).ok_or_else(|| {
                Error::FeatureNotPresent {
                    feature: format!("import of the memory at {ptr:p}"),
                }
            })?;
        self.finish(device, Block::imported(len, kind, ptr), |block| {
            let mut import = vk::ImportMemoryHostPointerInfoEXT::default()
                .handle_type(handle)
                .host_pointer(ptr.as_ptr().cast());
            let info = vk::MemoryAllocateInfo::default()
                .allocation_size(len)
                .push_next(&mut import);
            let memory = block.add_memory(device.raw(), info, false)?;
            self.bind_pieces(device.raw(), block, memory, handle)
        })
    }
}

/// Opaque addresses of a piece. Moving them by bytes is a guess about the
/// driver, which the addresses that come of it confirm or not.
#[derive(Clone, Copy)]
struct Replay {
    memory: u64,
    buffer: u64,
}

impl Replay {
    fn of(device: &ash::Device, memory: vk::DeviceMemory, buffer: vk::Buffer) -> Replay {
        let memory_info = vk::DeviceMemoryOpaqueCaptureAddressInfo::default().memory(memory);
        let buffer_info = vk::BufferDeviceAddressInfo::default().buffer(buffer);
        // SAFETY: both were made for capture and replay, and are bound.
        unsafe {
            Replay {
                memory: device.get_device_memory_opaque_capture_address(&memory_info),
                buffer: device.get_buffer_opaque_capture_address(&buffer_info),
            }
        }
    }

    /// `bytes` further, modulo 2^64. An address of 0 means that the driver
    /// needs none, and stays.
    fn moved(self, bytes: u64) -> Replay {
        let moved = |address: u64| match address {
            0 => 0,
            address => address.wrapping_add(bytes),
        };
        Replay {
            memory: moved(self.memory),
            buffer: moved(self.buffer),
        }
    }
}

/// Adds memory and a buffer made for capture and replay, placed `at`.
fn replayed_piece(
    device: &ash::Device,
    block: &mut Block,
    (offset, size): (u64, u64),
    at: Option<Replay>,
) -> Result<(vk::DeviceMemory, vk::Buffer), Error> {
    let at = at.unwrap_or(Replay {
        memory: 0,
        buffer: 0,
    });
    let mut memory_at =
        vk::MemoryOpaqueCaptureAddressAllocateInfo::default().opaque_capture_address(at.memory);
    let memory_info = vk::MemoryAllocateInfo::default()
        .allocation_size(size.next_multiple_of(PIECE_ALIGNMENT))
        .push_next(&mut memory_at);
    let mut buffer_at =
        vk::BufferOpaqueCaptureAddressCreateInfo::default().opaque_capture_address(at.buffer);
    let buffer_info = vk::BufferCreateInfo::default()
        .size(size)
        .flags(vk::BufferCreateFlags::DEVICE_ADDRESS_CAPTURE_REPLAY)
        .push_next(&mut buffer_at);
    let memory = block.add_memory(device, memory_info, true)?;
    let buffer = block.add_buffer(device, buffer_info, offset)?;
    bind(device, buffer, memory, 0)?;
    Ok((memory, buffer))
}

fn plain(device: &Device, block: &mut Block) -> Result<(), Error> {
    let device = device.raw();
    let buffer = block.add_buffer(device, vk::BufferCreateInfo::default().size(block.size), 0)?;
    // SAFETY: the buffer was made just now.
    let needs = unsafe { device.get_buffer_memory_requirements(buffer) };
    let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size);
    let memory = block.add_memory(device, info, false)?;
    bind(device, buffer, memory, 0)
}

fn bind(
    device: &ash::Device,
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    offset: u64,
) -> Result<(), Error> {
    // SAFETY: both are live and unbound; the memory is as large as the buffer
    // from `offset` on, and `offset` is a multiple of any alignment.
    unsafe { device.bind_buffer_memory(buffer, memory, offset) }.at("vkBindBufferMemory")
}

/// Offsets and sizes that cover `size`, no piece larger than `most`, every
/// offset a multiple of [`PIECE_ALIGNMENT`] and, where it can be, of a GiB.
fn pieces(size: u64, most: u64) -> impl Iterator<Item = (u64, u64)> {
    let unit = if most >= 1 << 30 {
        1 << 30
    } else {
        PIECE_ALIGNMENT
    };
    pieces_of(size, (most / unit * unit).max(PIECE_ALIGNMENT))
}

fn pieces_of(size: u64, piece: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..size.div_ceil(piece)).map(move |n| (n * piece, piece.min(size - n * piece)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::Placement;

    #[test]
    fn pieces_cover_the_size_without_gap_at_aligned_offsets() {
        for (size, most) in [
            (5 << 30, (4 << 30) - 1),
            ((9 << 30) + 512, (4 << 30) - (2 << 20)),
            (3 << 20, 1 << 20),
        ] {
            let mut end = 0;
            for (offset, len) in pieces(size, most) {
                assert_eq!(offset, end);
                assert!(offset.is_multiple_of(PIECE_ALIGNMENT) && len > 0);
                end = offset + len;
            }
            assert_eq!(end, size);
        }
    }

    /// What each way makes of 21 MiB and a bit, with limits so low that it
    /// takes several pieces; `None` where the device does not offer the way.
    fn forced(device: &Arc<Device>, way: Way) -> Option<Result<u64, Error>> {
        let ladder = Ladder {
            max_allocation: 4 << 20,
            max_buffer: if way == Way::Sparse { 1 << 30 } else { 4 << 20 },
            ..Ladder::new(device.physical())
        };
        if !ladder.ways.contains(&way) {
            return None;
        }
        let ladder = Ladder {
            ways: vec![way],
            ..ladder
        };
        let memory = device.physical().memory();
        let kinds = MemoryKinds::choose(memory, u32::MAX).expect("a memory type");
        let size = (21 << 20) + 512;
        Some(
            ladder
                .block(device, size, kinds.of(Placement::Device))
                .map(|mut block| {
                    let covered: u64 = block.spans(0, size).map(|span| span.size).sum();
                    assert_eq!(covered, size, "{way:?}");
                    let address = block.address;
                    block.destroy(device.raw());
                    address
                }),
        )
    }

    #[test]
    fn a_block_of_several_pieces_is_one_range_or_none() {
        let devices = crate::enumerate().expect("drivers that work");
        let usable = devices.iter().find(|device| device.suitability().is_ok());
        let device = Device::open(usable.expect("a usable device")).expect("it opens");
        for way in [
            Way::Oversized,
            Way::Replayed,
            Way::ReplayedBelow,
            Way::Sparse,
        ] {
            match forced(&device, way) {
                Some(Ok(address)) => assert_ne!(address, 0, "{way:?}"),
                // What a driver refuses, or places elsewhere, is not believed.
                Some(Err(error)) => assert!(error.is_out_of_memory(), "{way:?}: {error}"),
                None => assert_ne!(way, Way::Oversized),
            }
        }
        let oversized = forced(&device, Way::Oversized).expect("always tried");
        if device.physical().is_lavapipe() {
            assert!(oversized.is_ok(), "{oversized:?}");
        }
    }
}
