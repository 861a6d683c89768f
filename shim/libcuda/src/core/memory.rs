//! Device and host memory: which addresses exist, and whose they are.
//!
//! Every allocation is one flat range of device addresses. Two interval maps
//! answer every question about an address: one of device addresses for each
//! device, and one of the host addresses of memory that the driver allocated or
//! registered.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use abi::CUerror;
use abi::cuda::{CUcontext, CUdeviceptr};

use crate::core::context::{Context, Resources};
use crate::core::device::Device;
use crate::error::cuda_error;
use crate::handles::HostPtr;
use crate::process;

/// What an allocation is to the program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `cuMemAlloc`.
    Device,
    /// `cuMemHostAlloc`, with its flags.
    Host(u32),
    /// `cuMemHostRegister`, with its flags.
    Registered(u32),
}

/// One allocation.
pub struct Block {
    pub kind: Kind,
    pub context: CUcontext,
    pub device: &'static Device,
    /// `CU_POINTER_ATTRIBUTE_BUFFER_ID`: unique in the life of the process.
    pub id: u64,
    /// The size that the program asked for, in bytes.
    pub size: u64,
    /// `CU_POINTER_ATTRIBUTE_SYNC_MEMOPS`: copies of this memory are synchronous,
    /// which those that matter to peers are here anyway.
    pub sync_memops: AtomicBool,
    /// Where the memory lies for the host, if it is the program's to use there.
    pub host: Option<HostPtr>,
    /// How far the program's memory begins behind the allocation's start.
    offset: u64,
    allocation: Arc<vulkan::Allocation>,
}

impl Block {
    /// Where the memory lies for the device.
    pub fn device_address(&self) -> CUdeviceptr {
        CUdeviceptr((self.allocation.device_address() + self.offset) as usize)
    }

    /// `len` bytes from `offset`, for a command.
    ///
    /// # Errors
    /// `INVALID_VALUE` if they are not all in the allocation.
    pub fn slice(&self, offset: u64, len: u64) -> Result<vulkan::Slice, CUerror> {
        self.allocation
            .slice(self.offset + offset, len)
            .map_err(|error| cuda_error(&error))
    }

    /// The same bytes for the processor, if it can reach them, and how.
    pub fn mapped(&self) -> Option<(HostPtr, vulkan::HostAccess)> {
        let start = self.allocation.host_ptr()?;
        let offset = usize::try_from(self.offset).ok()?;
        let address = start.as_ptr().wrapping_add(offset);
        Some((HostPtr(address.cast()), self.allocation.host_access()))
    }
}

/// A block and a place in it.
pub struct Located {
    pub block: Arc<Block>,
    pub offset: u64,
}

impl Located {
    /// How many bytes of the block are left from here.
    pub fn remaining(&self) -> u64 {
        self.block.size - self.offset
    }
}

/// Disjoint ranges of addresses.
#[derive(Default)]
pub struct AddressMap(RwLock<BTreeMap<u64, Arc<Block>>>);

impl AddressMap {
    const fn new() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }

    fn insert(&self, start: u64, block: Arc<Block>) {
        self.write().insert(start, block);
    }

    fn find(&self, address: u64) -> Option<Located> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let (start, block) = map.range(..=address).next_back()?;
        let offset = address - start;
        (offset < block.size).then(|| Located {
            block: block.clone(),
            offset,
        })
    }

    fn overlaps(&self, start: u64, size: u64) -> bool {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let last = map.range(..start.saturating_add(size)).next_back();
        last.is_some_and(|(address, block)| address + block.size > start)
    }

    /// Takes out the block that starts at an address and passes the test.
    fn remove(&self, start: u64, wanted: impl FnOnce(&Block) -> bool) -> Option<Arc<Block>> {
        let mut map = self.write();
        if !map.get(&start).is_some_and(|block| wanted(block)) {
            return None;
        }
        map.remove(&start)
    }

    fn remove_all_of(&self, context: CUcontext) -> Vec<Arc<Block>> {
        let mut removed = Vec::new();
        self.write().retain(|_, block| {
            let keep = block.context != context;
            if !keep {
                removed.push(block.clone());
            }
            keep
        });
        removed
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<u64, Arc<Block>>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

static HOST: AddressMap = AddressMap::new();

/// Allocates `size` bytes of device memory.
///
/// # Errors
/// `OUT_OF_MEMORY`.
pub fn allocate(resources: &Resources, size: u64) -> Result<Arc<Block>, CUerror> {
    let allocation = place(resources, size, vulkan::Placement::Device)?;
    Ok(publish(resources, Kind::Device, allocation, 0, size, None))
}

/// Allocates `size` bytes of host memory that the device reaches.
///
/// # Errors
/// `OUT_OF_MEMORY`.
pub fn allocate_host(resources: &Resources, size: u64, flags: u32) -> Result<Arc<Block>, CUerror> {
    let allocation = place(resources, size, vulkan::Placement::Host)?;
    let host = allocation.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
    let host = HostPtr(host.as_ptr().cast());
    Ok(publish(
        resources,
        Kind::Host(flags),
        allocation,
        0,
        size,
        Some(host),
    ))
}

/// Makes the program's own memory reachable for the device.
///
/// # Errors
/// `HOST_MEMORY_ALREADY_REGISTERED`; `NOT_SUPPORTED` where the device imports no
/// host memory.
pub fn register_host(
    resources: &Resources,
    host: HostPtr,
    size: u64,
    flags: u32,
) -> Result<Arc<Block>, CUerror> {
    if HOST.overlaps(host.address(), size) {
        return Err(CUerror::HOST_MEMORY_ALREADY_REGISTERED);
    }
    let limits = resources.vulkan.physical().limits();
    let page = limits.imported_host_pointer_alignment.max(1);
    let start = host.address() / page * page;
    let end = (host.address() + size).next_multiple_of(page);
    let allocation = super::host_memory::import(&resources.vulkan, start, end - start)?;
    let offset = host.address() - start;
    let kind = Kind::Registered(flags);
    Ok(publish(
        resources,
        kind,
        allocation,
        offset,
        size,
        Some(host),
    ))
}

fn place(
    resources: &Resources,
    size: u64,
    placement: vulkan::Placement,
) -> Result<Arc<vulkan::Allocation>, CUerror> {
    let allocation = resources.vulkan.allocate(size, placement);
    allocation.map_err(|error| resources.note_failure(cuda_error(&error)))
}

fn publish(
    resources: &Resources,
    kind: Kind,
    allocation: Arc<vulkan::Allocation>,
    offset: u64,
    size: u64,
    host: Option<HostPtr>,
) -> Arc<Block> {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    let (context, device) = (resources.context, resources.device);
    let block = Arc::new(Block {
        kind,
        context,
        device,
        id,
        sync_memops: AtomicBool::new(false),
        size,
        host,
        offset,
        allocation,
    });
    device
        .addresses
        .insert(block.device_address().0 as u64, block.clone());
    if let Some(host) = host {
        HOST.insert(host.address(), block.clone());
    }
    block
}

/// Frees device memory. Work in flight may still use it by raw pointers, so the
/// context is drained first, as CUDA does.
///
/// # Errors
/// `INVALID_VALUE` if no allocation of the device starts at the address.
pub fn free(context: &Context, address: CUdeviceptr) -> Result<(), CUerror> {
    let is_device = |block: &Block| block.kind == Kind::Device;
    let block = address_maps(context.device())
        .find_map(|map| map.remove(address.0 as u64, is_device))
        .ok_or(CUerror::INVALID_VALUE)?;
    drain_owner(&block)
}

/// Frees memory of `cuMemHostAlloc`.
///
/// # Errors
/// `INVALID_VALUE` if no such allocation starts at the address.
pub fn free_host(host: HostPtr) -> Result<(), CUerror> {
    let block = HOST
        .remove(host.address(), |block| matches!(block.kind, Kind::Host(_)))
        .ok_or(CUerror::INVALID_VALUE)?;
    forget_device_range(&block);
    drain_owner(&block)
}

/// Ends a registration of `cuMemHostRegister`.
///
/// # Errors
/// `HOST_MEMORY_NOT_REGISTERED` if no registration starts at the address.
pub fn unregister_host(host: HostPtr) -> Result<(), CUerror> {
    let block = HOST
        .remove(host.address(), |block| {
            matches!(block.kind, Kind::Registered(_))
        })
        .ok_or(CUerror::HOST_MEMORY_NOT_REGISTERED)?;
    forget_device_range(&block);
    drain_owner(&block)
}

/// Frees everything that a context allocated; its work is done already.
pub fn free_all_of(context: CUcontext) {
    HOST.remove_all_of(context);
    for device in process::devices()
        .into_iter()
        .flat_map(|devices| devices.iter())
    {
        device.addresses.remove_all_of(context);
    }
}

fn forget_device_range(block: &Arc<Block>) {
    let same = |other: &Block| other.id == block.id;
    block
        .device
        .addresses
        .remove(block.device_address().0 as u64, same);
}

fn drain_owner(block: &Block) -> Result<(), CUerror> {
    let Some(context) = crate::handles::CONTEXTS.get(block.context.0) else {
        return Ok(());
    };
    context.resources()?.synchronize()
}

/// The device's own addresses first: two devices may use the same numbers.
fn address_maps(first: &'static Device) -> impl Iterator<Item = &'static AddressMap> {
    let others = process::devices()
        .into_iter()
        .flat_map(|devices| devices.iter());
    let others = others.filter(move |device| !std::ptr::eq(*device, first));
    std::iter::once(&first.addresses).chain(others.map(|device| &device.addresses))
}

/// What a device address lies in, seen from `device`.
pub fn find(device: &'static Device, address: CUdeviceptr) -> Option<Located> {
    address_maps(device).find_map(|map| map.find(address.0 as u64))
}

/// What a host address lies in, if the driver knows the memory.
pub fn find_host(host: HostPtr) -> Option<Located> {
    HOST.find(host.address())
}

/// What an address lies in that may be a device's or the host's.
pub fn find_unified(device: &'static Device, address: CUdeviceptr) -> Option<Located> {
    find(device, address).or_else(|| HOST.find(address.0 as u64))
}

/// How much of a text is read from the device at once, in bytes.
const TEXT_PIECE: u64 = 256;
/// The longest text that is read, in bytes.
const MAX_TEXT: usize = 1 << 16;

/// The text at a device address, without the NUL at its end; `None` if there is
/// no memory, or no NUL in it. The work before must be done.
pub fn text(resources: &Resources, address: CUdeviceptr) -> Option<Vec<u8>> {
    let located = find(resources.device, address)?;
    let mut text = Vec::new();
    while text.len() < MAX_TEXT {
        let offset = located.offset + text.len() as u64;
        let len = TEXT_PIECE.min(located.block.size.checked_sub(offset)?);
        let piece = bytes(resources, &located.block, offset, len)?;
        let end = piece.iter().position(|&byte| byte == 0);
        text.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
        if end.is_some() {
            return Some(text);
        }
        if len == 0 {
            return None;
        }
    }
    None
}

/// Bytes of a block, also after a kernel has failed.
fn bytes(resources: &Resources, block: &Block, offset: u64, len: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).ok()?];
    if let Some((mapped, _)) = block.mapped() {
        let place = super::host_memory::offset(mapped, offset);
        super::host_memory::read(place, &mut bytes).ok()?;
        return Some(bytes);
    }
    let staged = resources.staging.take(len).ok()?;
    let from = block.slice(offset, len).ok()?;
    let stream = resources.legacy().ok()?;
    stream
        .record(|recorder| recorder.copy(&staged, &from))
        .ok()?;
    stream.flush().ok()?.reach(resources).ok()?;
    let place = HostPtr(staged.host_ptr()?.as_ptr().cast());
    super::host_memory::read(place, &mut bytes).ok()?;
    Some(bytes)
}
