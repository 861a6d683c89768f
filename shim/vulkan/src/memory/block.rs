//! Memory with buffers bound over all of it, at adjacent device addresses.

use std::ptr::NonNull;
use std::sync::OnceLock;

use ash::vk;

use super::kinds::MemoryKind;
use crate::error::{At, Error};

/// What a buffer of ours is for: shaders reach it by address, commands copy
/// and fill it, dispatches read their size from it.
pub(crate) const USAGE: vk::BufferUsageFlags = vk::BufferUsageFlags::from_raw(
    vk::BufferUsageFlags::STORAGE_BUFFER.as_raw()
        | vk::BufferUsageFlags::INDIRECT_BUFFER.as_raw()
        | vk::BufferUsageFlags::TRANSFER_SRC.as_raw()
        | vk::BufferUsageFlags::TRANSFER_DST.as_raw()
        | vk::BufferUsageFlags::SHADER_DEVICE_ADDRESS.as_raw(),
);

/// Owns memory and buffers without owning the device: whoever owns the block
/// destroys it, once, before the device.
pub(crate) struct Block {
    pub address: u64,
    pub size: u64,
    pub kind: MemoryKind,
    memories: Vec<vk::DeviceMemory>,
    pieces: Vec<Piece>,
    mapped: OnceLock<Option<Mapped>>,
    imported: bool,
}

/// A buffer that covers part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub buffer: vk::Buffer,
    /// Of the piece in the block.
    pub offset: u64,
    pub size: u64,
}

/// A host pointer to a block's first byte.
#[derive(Clone, Copy)]
struct Mapped(NonNull<u8>);

// SAFETY: the pointer is to memory that lives as long as the block; access to
// that memory is the callers' to order, as with any device memory.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

/// Part of a block, as a range of one of its buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub buffer: vk::Buffer,
    pub offset: u64,
    pub size: u64,
}

impl Block {
    /// A block under construction: [`Block::destroy`] it if that fails.
    pub fn empty(size: u64, kind: MemoryKind) -> Block {
        Block {
            address: 0,
            size,
            kind,
            memories: Vec::new(),
            pieces: Vec::new(),
            mapped: OnceLock::new(),
            imported: false,
        }
    }

    pub fn add_memory(
        &mut self,
        device: &ash::Device,
        info: vk::MemoryAllocateInfo<'_>,
        capture_replay: bool,
    ) -> Result<vk::DeviceMemory, Error> {
        let mut flags = vk::MemoryAllocateFlags::DEVICE_ADDRESS;
        if capture_replay {
            flags |= vk::MemoryAllocateFlags::DEVICE_ADDRESS_CAPTURE_REPLAY;
        }
        let mut flags_info = vk::MemoryAllocateFlagsInfo::default().flags(flags);
        let info = info
            .memory_type_index(self.kind.type_index)
            .push_next(&mut flags_info);
        // SAFETY: the device is live; the type index is one of its own.
        let memory = unsafe { device.allocate_memory(&info, None) }.at("vkAllocateMemory")?;
        self.memories.push(memory);
        Ok(memory)
    }

    pub fn add_buffer(
        &mut self,
        device: &ash::Device,
        info: vk::BufferCreateInfo<'_>,
        offset: u64,
    ) -> Result<vk::Buffer, Error> {
        let info = info.usage(USAGE).sharing_mode(vk::SharingMode::EXCLUSIVE);
        // SAFETY: the device is live; the sizes are checked by the caller.
        let buffer = unsafe { device.create_buffer(&info, None) }.at("vkCreateBuffer")?;
        self.pieces.push(Piece {
            buffer,
            offset,
            size: info.size,
        });
        Ok(buffer)
    }

    /// Checks that the pieces' addresses follow one another without a gap and
    /// takes the first for the block's; `false` where they do not.
    pub fn take_address(&mut self, device: &ash::Device) -> bool {
        let address = |piece: &Piece| {
            let info = vk::BufferDeviceAddressInfo::default().buffer(piece.buffer);
            // SAFETY: the buffer was made for addresses and its memory is bound.
            unsafe { device.get_buffer_device_address(&info) }
        };
        let Some(first) = self.pieces.first().map(address) else {
            return false;
        };
        self.address = first;
        first != 0
            && self
                .pieces
                .iter()
                .all(|piece| address(piece) == first.wrapping_add(piece.offset))
    }

    /// The host's pointer to the first byte; mapped at the first call. `None`
    /// where the host cannot see the memory as one range.
    pub fn host_ptr(&self, device: &ash::Device) -> Option<NonNull<u8>> {
        let mapped = self.mapped.get_or_init(|| {
            let [memory] = self.memories[..] else {
                return None;
            };
            if self.kind.host == super::HostAccess::None {
                return None;
            }
            let flags = vk::MemoryMapFlags::empty();
            // SAFETY: the memory is host visible, live, and mapped here only,
            // under the `OnceLock`.
            let pointer = unsafe { device.map_memory(memory, 0, vk::WHOLE_SIZE, flags) }.ok()?;
            NonNull::new(pointer.cast()).map(Mapped)
        });
        mapped.map(|mapped| mapped.0)
    }

    /// Memory that the host owned before the device saw it.
    pub fn imported(size: u64, kind: MemoryKind, pointer: NonNull<u8>) -> Block {
        Block {
            mapped: OnceLock::from(Some(Mapped(pointer))),
            imported: true,
            ..Block::empty(size, kind)
        }
    }

    pub fn is_imported(&self) -> bool {
        self.imported
    }

    /// The ranges of buffers that make up `offset .. offset + size`.
    pub fn spans(&self, offset: u64, size: u64) -> impl Iterator<Item = Span> + '_ {
        let end = offset + size;
        let first = self
            .pieces
            .partition_point(|piece| piece.offset + piece.size <= offset);
        self.pieces[first..]
            .iter()
            .take_while(move |piece| piece.offset < end)
            .map(move |piece| {
                let start = offset.max(piece.offset);
                let stop = end.min(piece.offset + piece.size);
                Span {
                    buffer: piece.buffer,
                    offset: start - piece.offset,
                    size: stop - start,
                }
            })
    }

    pub fn destroy(&mut self, device: &ash::Device) {
        for piece in self.pieces.drain(..) {
            // SAFETY: the owner gives the block up, so nothing uses its buffers.
            unsafe { device.destroy_buffer(piece.buffer, None) }
        }
        for memory in self.memories.drain(..) {
            // SAFETY: as above; freeing unmaps.
            unsafe { device.free_memory(memory, None) }
        }
    }
}
