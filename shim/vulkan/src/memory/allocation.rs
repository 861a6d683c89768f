//! What a caller owns: one flat range of device addresses.

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;

use serde::Serialize;

use super::block::{Block, Span};
use super::pool::Backing;
use crate::device::Device;
use crate::error::Error;

/// Where memory should lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Placement {
    /// The device's own memory.
    Device,
    /// The host's: mapped, coherent, cached; the device reaches it by address.
    Host,
    /// For the host to write and the device to read: the device's own memory
    /// where the host can map it, else the host's, uncached.
    Upload,
}

/// How the host reaches an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum HostAccess {
    /// Not at all.
    None,
    /// Mapped and coherent; writes combine, reads are slow.
    WriteCombined,
    /// Mapped, coherent and cached.
    Cached,
}

/// A range of device addresses, freed when the last reference goes. Recorded
/// commands hold a reference until they are done; shaders that reach it by
/// address do not.
pub struct Allocation {
    device: Arc<Device>,
    size: u64,
    backing: Backing,
}

/// Part of an allocation, which it holds alive.
#[derive(Clone)]
pub struct Slice {
    allocation: Arc<Allocation>,
    offset: u64,
    len: u64,
}

impl Device {
    /// Allocates `size` bytes at adjacent device addresses, the first a
    /// multiple of 512. Beyond the driver's limits for one allocation or one
    /// buffer it is still one range (see the module `ladder`); where the
    /// device cannot do that either, or has no room,
    /// [`Error::OutOfDeviceMemory`], and everything else works on.
    pub fn allocate(
        self: &Arc<Self>,
        size: u64,
        placement: Placement,
    ) -> Result<Arc<Allocation>, Error> {
        let backing = self.pools().allocate(self, size, placement)?;
        Ok(Arc::new(Allocation {
            device: self.clone(),
            size,
            backing,
        }))
    }

    /// Makes host memory visible to the device (`VK_EXT_external_memory_host`).
    /// Pointer and length must be multiples of
    /// [`crate::Limits::imported_host_pointer_alignment`].
    ///
    /// # Safety
    /// `ptr .. ptr + len` must be mapped, readable and writable, until the
    /// allocation and all commands that use it are gone.
    pub unsafe fn import_host(
        self: &Arc<Self>,
        ptr: NonNull<u8>,
        len: u64,
    ) -> Result<Arc<Allocation>, Error> {
        // SAFETY: the caller's promise, passed on.
        let backing = unsafe { self.pools().import_host(self, ptr, len) }?;
        Ok(Arc::new(Allocation {
            device: self.clone(),
            size: len,
            backing,
        }))
    }
}

impl Allocation {
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// The first byte's address on the device. On lavapipe it is the host's
    /// pointer too.
    pub fn device_address(&self) -> u64 {
        self.block().address + self.backing.offset()
    }

    /// Bytes, as asked for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The first byte's address on the host, where the memory is one mapped
    /// range. The mapping lasts as long as the allocation.
    pub fn host_ptr(&self) -> Option<NonNull<u8>> {
        let base = self.block().host_ptr(self.device.raw())?;
        let offset = usize::try_from(self.backing.offset()).ok()?;
        // SAFETY: the offset lies within the block, which is mapped whole.
        Some(unsafe { base.add(offset) })
    }

    /// How the host reaches the memory where [`Allocation::host_ptr`] has a
    /// pointer.
    pub fn host_access(&self) -> HostAccess {
        self.block().kind.host
    }

    /// All of it.
    pub fn whole(self: &Arc<Self>) -> Slice {
        Slice {
            allocation: self.clone(),
            offset: 0,
            len: self.size,
        }
    }

    /// `offset .. offset + len`, which must lie inside.
    pub fn slice(self: &Arc<Self>, offset: u64, len: u64) -> Result<Slice, Error> {
        if offset.checked_add(len).is_none_or(|end| end > self.size) {
            let size = self.size;
            return Err(Error::invalid(format!(
                "{len} bytes at {offset} of an allocation of {size}"
            )));
        }
        Ok(Slice {
            allocation: self.clone(),
            offset,
            len,
        })
    }

    fn block(&self) -> &Block {
        self.backing.block()
    }
}

impl fmt::Debug for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Allocation")
            .field(
                "device_address",
                &format_args!("{:#x}", self.device_address()),
            )
            .field("size", &self.size)
            .finish()
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        self.device
            .pools()
            .free(self.device.raw(), &mut self.backing);
    }
}

impl Slice {
    pub fn allocation(&self) -> &Arc<Allocation> {
        &self.allocation
    }

    pub fn device_address(&self) -> u64 {
        self.allocation.device_address() + self.offset
    }

    /// Of the slice in its allocation.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn host_ptr(&self) -> Option<NonNull<u8>> {
        let offset = usize::try_from(self.offset).ok()?;
        // SAFETY: a slice lies within its allocation.
        self.allocation
            .host_ptr()
            .map(|base| unsafe { base.add(offset) })
    }

    /// A part of this part.
    pub fn slice(&self, offset: u64, len: u64) -> Result<Slice, Error> {
        if offset.checked_add(len).is_none_or(|end| end > self.len) {
            return Err(Error::invalid(format!(
                "{len} bytes at {offset} of a slice of {}",
                self.len
            )));
        }
        Ok(Slice {
            allocation: self.allocation.clone(),
            offset: self.offset + offset,
            len,
        })
    }

    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> + '_ {
        self.allocation
            .block()
            .spans(self.allocation.backing.offset() + self.offset, self.len)
    }
}
