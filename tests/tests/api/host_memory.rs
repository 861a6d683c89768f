//! Page-locked host memory: allocated by the driver, or registered with it.

use std::ffi::c_void;
use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUdevice_attribute, CUdeviceptr, CUpointer_attribute, CUstream};
use tests::context::Context;
use tests::memory::{PAGE, Pages, assert_bytes, pattern};

/// `CU_MEMHOSTALLOC_*`, and the same bits of `CU_MEMHOSTREGISTER_*`.
const PORTABLE: u32 = 1;
const DEVICE_MAP: u32 = 2;
const WRITE_COMBINED: u32 = 4;

fn allocate(context: &Context, bytes: usize, flags: u32) -> Result<*mut c_void, CUerror> {
    let mut pointer = null_mut();
    context
        .cuMemHostAlloc(&raw mut pointer, bytes, flags)
        .map(|()| pointer)
}

fn device_pointer(context: &Context, pointer: *mut c_void) -> Result<CUdeviceptr, CUerror> {
    let mut address = CUdeviceptr::NULL;
    context
        .cuMemHostGetDevicePointer_v2(&raw mut address, pointer, 0)
        .map(|()| address)
}

#[test]
fn memory_of_every_kind_takes_copies_both_ways() {
    let context = Context::primary();
    for flags in [
        0,
        PORTABLE,
        DEVICE_MAP,
        WRITE_COMBINED,
        PORTABLE | DEVICE_MAP,
        7,
    ] {
        let pointer = allocate(&context, 10_000, flags).unwrap();
        let bytes = pattern(10_000, flags.into());
        let device = context.upload(&bytes);
        context
            .cuMemcpyDtoH_v2(pointer, device.base, 10_000)
            .unwrap();
        let back = context.allocate(10_000);
        context.cuMemcpyHtoD_v2(back.base, pointer, 10_000).unwrap();
        assert_bytes(&back.read(), &bytes, format_args!("flags {flags}"));
        context.cuMemFreeHost(pointer).unwrap();
    }
}

#[test]
fn the_older_call_allocates_alike() {
    let context = Context::primary();
    let mut pointer = null_mut();
    context.cuMemAllocHost_v2(&raw mut pointer, 5000).unwrap();
    let device = context.upload(&pattern(5000, 1));
    context.cuMemcpyDtoH_v2(pointer, device.base, 5000).unwrap();
    let mut kind = 0_u32;
    let address = CUdeviceptr(pointer.addr());
    context
        .cuPointerGetAttribute(
            (&raw mut kind).cast(),
            CUpointer_attribute::MEMORY_TYPE,
            address,
        )
        .unwrap();
    assert_eq!(kind, 1);
    context.cuMemFreeHost(pointer).unwrap();
}

#[test]
fn allocation_checks_its_arguments() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(context.cuMemHostAlloc(null_mut(), 16, 0), invalid);
    assert_eq!(context.cuMemAllocHost_v2(null_mut(), 16), invalid);
    for flags in [8, 0x100, u32::MAX] {
        assert_eq!(
            allocate(&context, 16, flags).map(|_| ()),
            invalid,
            "{flags:#x}"
        );
    }
    for bytes in [1 << 50, 1 << 60, usize::MAX] {
        assert!(allocate(&context, bytes, 0).is_err(), "{bytes}");
    }
    context.assert_works();
}

#[test]
fn it_is_freed_once_and_by_its_first_byte() {
    let context = Context::primary();
    let pointer = allocate(&context, 4096, 0).unwrap();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(
        context.cuMemFreeHost(pointer.wrapping_byte_add(16)),
        invalid
    );
    assert_eq!(context.cuMemFreeHost(pointer), Ok(()));
    assert_eq!(context.cuMemFreeHost(pointer), invalid);
    let mut local = [0_u8; 64];
    assert_eq!(context.cuMemFreeHost(local.as_mut_ptr().cast()), invalid);
    context.assert_works();
}

#[test]
fn flags_are_reported() {
    let context = Context::primary();
    for flags in [PORTABLE, DEVICE_MAP, WRITE_COMBINED | DEVICE_MAP] {
        let pointer = allocate(&context, 64, flags).unwrap();
        let mut reported = 0;
        context
            .cuMemHostGetFlags(&raw mut reported, pointer)
            .unwrap();
        // With unified addressing all memory is portable and mapped, and may say so.
        assert_eq!(reported & flags, flags, "{flags:#x} in {reported:#x}");
        context.cuMemFreeHost(pointer).unwrap();
    }
    let mut reported = 0;
    let mut local = 0_u8;
    let unknown = context.cuMemHostGetFlags(&raw mut reported, (&raw mut local).cast());
    assert_eq!(unknown, Err(CUerror::INVALID_VALUE));
    let pinned = context.pinned(64);
    assert_eq!(
        context.cuMemHostGetFlags(null_mut(), pinned.as_void()),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn the_device_sees_it_in_one_piece() {
    let context = Context::primary();
    let pinned = context.pinned(4096);
    let first = device_pointer(&context, pinned.as_void()).unwrap();
    for offset in [1, 100, 4095] {
        let inside = pinned.as_void().wrapping_byte_add(offset);
        assert_eq!(
            device_pointer(&context, inside),
            Ok(CUdeviceptr(first.0 + offset))
        );
    }
}

#[test]
fn the_device_sees_it_at_the_host_s_address_where_it_says_so() {
    let context = Context::primary();
    let pinned = context.pinned(4096);
    let host = CUdeviceptr(pinned.as_void().addr());
    let device = device_pointer(&context, pinned.as_void()).unwrap();
    let can = CUdevice_attribute::CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM;
    let says_so = context.attribute(can) != 0;
    assert!(device == host || !says_so, "{device:?} for {host:?}");
}

#[test]
fn a_device_pointer_is_refused_where_there_is_none() {
    let context = Context::primary();
    let pinned = context.pinned(4096);
    let invalid = Err(CUerror::INVALID_VALUE);
    let mut address = CUdeviceptr::NULL;
    assert_eq!(
        context.cuMemHostGetDevicePointer_v2(&raw mut address, pinned.as_void(), 1),
        invalid
    );
    assert_eq!(
        context.cuMemHostGetDevicePointer_v2(null_mut(), pinned.as_void(), 0),
        invalid
    );
    assert_eq!(device_pointer(&context, null_mut()).map(|_| ()), invalid);
    let mut local = 0_u8;
    assert_eq!(
        device_pointer(&context, (&raw mut local).cast()).map(|_| ()),
        invalid
    );
}

#[test]
fn copies_past_its_end_are_refused() {
    let context = Context::primary();
    let pinned = context.pinned(4096);
    let address = device_pointer(&context, pinned.as_void()).unwrap();
    let device = context.allocate(1 << 16);
    // As a device address, it has the bounds of its allocation.
    let result = context.cuMemcpyDtoD_v2(device.base, address, 1 << 16);
    assert_eq!(result, Err(CUerror::INVALID_VALUE));
    context.assert_works();
}

#[test]
fn registered_memory_is_known_until_it_is_unregistered() {
    let context = Context::primary();
    let pages = Pages::new(3);
    let bytes = pattern(pages.len, 4);
    pages.write(&bytes);
    assert_eq!(
        context.cuMemHostRegister_v2(pages.as_void(), pages.len, PORTABLE | DEVICE_MAP),
        Ok(())
    );
    assert_bytes(
        &pages.read(),
        &bytes,
        format_args!("registering changes nothing"),
    );
    let address = device_pointer(&context, pages.as_void()).unwrap();
    let device = context.allocate(pages.len);
    context
        .cuMemcpyDtoD_v2(device.base, address, pages.len)
        .unwrap();
    assert_bytes(&device.read(), &bytes, format_args!("contents"));
    context
        .cuMemsetD8Async(address, 0x77, PAGE, CUstream::NULL)
        .unwrap();
    context.cuCtxSynchronize().unwrap();
    assert_eq!(pages.read()[..PAGE], [0x77; PAGE]);
    assert_eq!(context.cuMemHostUnregister(pages.as_void()), Ok(()));
    assert_eq!(
        device_pointer(&context, pages.as_void()),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        pages.read()[PAGE..],
        bytes[PAGE..],
        "the memory stays the program's"
    );
}

#[test]
fn memory_is_registered_once() {
    let context = Context::primary();
    let pages = Pages::new(4);
    context
        .cuMemHostRegister(pages.as_void(), pages.len, 0)
        .unwrap();
    let again = Err(CUerror::HOST_MEMORY_ALREADY_REGISTERED);
    assert_eq!(
        context.cuMemHostRegister_v2(pages.as_void(), pages.len, 0),
        again
    );
    let inside = pages.as_void().wrapping_byte_add(PAGE);
    assert_eq!(
        context.cuMemHostRegister_v2(inside, PAGE, 0),
        again,
        "a part of it overlaps"
    );
    assert_eq!(context.cuMemHostUnregister(pages.as_void()), Ok(()));
    assert_eq!(
        context.cuMemHostUnregister(pages.as_void()),
        Err(CUerror::HOST_MEMORY_NOT_REGISTERED)
    );
    assert_eq!(
        context.cuMemHostRegister_v2(pages.as_void(), pages.len, 0),
        Ok(())
    );
    assert_eq!(context.cuMemHostUnregister(pages.as_void()), Ok(()));
    context.assert_works();
}

#[test]
fn registration_checks_its_arguments() {
    let context = Context::primary();
    let pages = Pages::new(1);
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(context.cuMemHostRegister_v2(null_mut(), PAGE, 0), invalid);
    assert_eq!(context.cuMemHostRegister_v2(pages.as_void(), 0, 0), invalid);
    assert_eq!(
        context.cuMemHostRegister_v2(pages.as_void(), PAGE, 0x100),
        invalid
    );
    assert_eq!(context.cuMemHostUnregister(null_mut()), invalid);
    assert_eq!(
        context.cuMemHostUnregister(pages.as_void()),
        Err(CUerror::HOST_MEMORY_NOT_REGISTERED)
    );
    context.assert_works();
}

#[test]
fn memory_may_be_registered_from_any_byte_to_any_byte() {
    let context = Context::primary();
    let pages = Pages::new(3);
    let bytes = pattern(pages.len, 5);
    pages.write(&bytes);
    let part = pages.as_void().wrapping_byte_add(100);
    context.cuMemHostRegister_v2(part, 5000, 0).unwrap();
    let device = context.allocate(5000);
    context
        .cuMemcpyHtoDAsync_v2(device.base, part, 5000, CUstream::NULL)
        .unwrap();
    assert_bytes(&device.read(), &bytes[100..5100], format_args!("contents"));
    context.cuMemHostUnregister(part).unwrap();
}
