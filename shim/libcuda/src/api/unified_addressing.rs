//! Driver API manual, "Unified Addressing".

use std::sync::atomic::Ordering;

use abi::cuda::*;
use abi::{CUerror, CUresult};

use crate::core::{context, host_memory, memory, pointer_attributes};
use crate::handles::{HostPtr, InArray};

pub fn cuPointerGetAttribute(
    data: HostPtr,
    attribute: CUpointer_attribute,
    address: CUdeviceptr,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no place, no such attribute, or the
    // driver does not know the address.
    if data.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    let device = context::current()?.device();
    let found = memory::find_unified(device, address).ok_or(CUerror::INVALID_VALUE)?;
    let value = pointer_attributes::of(&found, attribute).ok_or(CUerror::INVALID_VALUE)?;
    value.write(data);
    Ok(())
}

pub fn cuPointerGetAttributes(
    count: u32,
    attributes: InArray<CUpointer_attribute>,
    data: InArray<*mut std::ffi::c_void>,
    address: CUdeviceptr,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if an array is missing or an attribute unknown.
    let attributes = attributes.with_len(count as usize)?;
    let places = data.with_len(count as usize)?;
    let device = context::current()?.device();
    let found = memory::find_unified(device, address);
    for (attribute, place) in attributes.iter().zip(places) {
        // What an address does not have is 0.
        let value = match &found {
            Some(found) => pointer_attributes::of(found, *attribute),
            None => None,
        };
        let value = value.or_else(|| pointer_attributes::zero(*attribute));
        let place = HostPtr(place);
        if place.is_null() {
            return Err(CUerror::INVALID_VALUE);
        }
        value.ok_or(CUerror::INVALID_VALUE)?.write(place);
    }
    Ok(())
}

pub fn cuPointerSetAttribute(
    value: HostPtr,
    attribute: CUpointer_attribute,
    address: CUdeviceptr,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE unless the attribute can be set on the address.
    let device = context::current()?.device();
    let found = memory::find(device, address).ok_or(CUerror::INVALID_VALUE)?;
    if attribute != CUpointer_attribute::SYNC_MEMOPS {
        return Err(CUerror::INVALID_VALUE);
    }
    let flag = u32::from_ne_bytes(host_memory::head(value)?) != 0;
    found.block.sync_memops.store(flag, Ordering::Relaxed);
    Ok(())
}
