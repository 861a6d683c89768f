//! Driver API manual, "Memory Management": allocation and queries.

use std::ffi::c_void;

use abi::cuda::CUdeviceptr;
use abi::{CUerror, CUresult, Out};

use crate::core::attributes::PITCH_ALIGNMENT;
use crate::core::context;
use crate::core::memory::{self, Kind};
use crate::handles::HostPtr;

/// `CU_MEMHOSTALLOC_PORTABLE | DEVICEMAP | WRITECOMBINED`.
const HOST_ALLOC_FLAGS: u32 = 0x7;
/// `CU_MEMHOSTREGISTER_PORTABLE | DEVICEMAP | IOMEMORY | READ_ONLY`.
const HOST_REGISTER_FLAGS: u32 = 0xf;
/// `CU_MEMHOSTREGISTER_IOMEMORY`.
const HOST_REGISTER_IO_MEMORY: u32 = 0x4;

pub fn cuMemGetInfo_v2(free: Option<Out<usize>>, total: Option<Out<usize>>) -> CUresult {
    // Either place may be null, though the manual does not say so.
    let budget = context::current_resources()?.vulkan.memory_budget();
    for (place, bytes) in [(free, budget.free.min(budget.total)), (total, budget.total)] {
        if let Some(place) = place {
            place.write(usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }
    Ok(())
}

pub fn cuMemAlloc_v2(address: Out<CUdeviceptr>, bytesize: usize) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if bytesize is 0.
    if bytesize == 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    address.write(memory::allocate(&resources, bytesize as u64)?.device_address());
    Ok(())
}

pub fn cuMemAllocPitch_v2(
    address: Out<CUdeviceptr>,
    pitch: Out<usize>,
    width: usize,
    height: usize,
    element_size: u32,
) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if there is nothing to allocate, or an element is
    // not of 4, 8 or 16 bytes.
    if width == 0 || height == 0 || !matches!(element_size, 4 | 8 | 16) {
        return Err(CUerror::INVALID_VALUE);
    }
    let row = (width as u64).checked_next_multiple_of(PITCH_ALIGNMENT);
    let size = row
        .and_then(|row| row.checked_mul(height as u64))
        .ok_or(CUerror::OUT_OF_MEMORY)?;
    let block = memory::allocate(&resources, size)?;
    address.write(block.device_address());
    pitch.write(usize::try_from(size / height as u64).unwrap_or(usize::MAX));
    Ok(())
}

pub fn cuMemFree_v2(address: CUdeviceptr) -> CUresult {
    let context = context::current()?;
    context.resources()?;
    // Null is nobody's memory, and freeing it is allowed.
    if address.is_null() {
        return Ok(());
    }
    // CUDA_ERROR_INVALID_VALUE if no allocation starts there.
    memory::free(&context, address)
}

pub fn cuMemGetAddressRange_v2(
    base: Option<Out<CUdeviceptr>>,
    size: Option<Out<usize>>,
    address: CUdeviceptr,
) -> CUresult {
    let context = context::current()?;
    // CUDA_ERROR_NOT_FOUND if the address is in no allocation.
    let found = memory::find(context.device(), address).ok_or(CUerror::NOT_FOUND)?;
    if let Some(base) = base {
        base.write(found.block.device_address());
    }
    if let Some(size) = size {
        size.write(usize::try_from(found.block.size).unwrap_or(usize::MAX));
    }
    Ok(())
}

pub fn cuMemAllocHost_v2(pointer: Out<*mut c_void>, bytesize: usize) -> CUresult {
    cuMemHostAlloc(pointer, bytesize, 0)
}

pub fn cuMemHostAlloc(pointer: Out<*mut c_void>, bytesize: usize, flags: u32) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if bytesize is 0 or a flag is unknown.
    if bytesize == 0 || flags & !HOST_ALLOC_FLAGS != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    let block = memory::allocate_host(&resources, bytesize as u64, flags)?;
    pointer.write(block.host.ok_or(CUerror::OUT_OF_MEMORY)?.0);
    Ok(())
}

pub fn cuMemFreeHost(pointer: HostPtr) -> CUresult {
    context::current_resources()?;
    // Null is nobody's memory, and freeing it is allowed.
    if pointer.is_null() {
        return Ok(());
    }
    // CUDA_ERROR_INVALID_VALUE if no allocation of host memory starts there.
    memory::free_host(pointer)
}

pub fn cuMemHostGetDevicePointer_v2(
    address: Out<CUdeviceptr>,
    pointer: HostPtr,
    flags: u32,
) -> CUresult {
    context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if flags is not 0 or the memory is not the driver's.
    if flags != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    let found = memory::find_host(pointer).ok_or(CUerror::INVALID_VALUE)?;
    address.write(CUdeviceptr(
        found.block.device_address().0 + found.offset as usize,
    ));
    Ok(())
}

pub fn cuMemHostGetFlags(flags: Out<u32>, pointer: HostPtr) -> CUresult {
    context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if the memory is not of cuMemHostAlloc.
    match memory::find_host(pointer).map(|found| found.block.kind) {
        Some(Kind::Host(asked)) => {
            flags.write(asked | 0x2);
            Ok(())
        }
        _ => Err(CUerror::INVALID_VALUE),
    }
}

pub fn cuMemHostRegister_v2(pointer: HostPtr, bytesize: usize, flags: u32) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if there is nothing to register or a flag is unknown.
    if pointer.is_null() || bytesize == 0 || flags & !HOST_REGISTER_FLAGS != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    // CUDA_ERROR_NOT_SUPPORTED for the memory of another device.
    if flags & HOST_REGISTER_IO_MEMORY != 0 {
        return Err(CUerror::NOT_SUPPORTED);
    }
    memory::register_host(&resources, pointer, bytesize as u64, flags).map(|_| ())
}

pub fn cuMemHostUnregister(pointer: HostPtr) -> CUresult {
    context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if pointer is null.
    if pointer.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    // CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED if the memory is not registered.
    memory::unregister_host(pointer)
}
