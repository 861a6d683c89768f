//! What an address says about itself.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use abi::CUerror;
use abi::cuda::{CUdeviceptr, CUpointer_attribute as Attribute};
use tests::context::Context;
use tests::memory::assert_bytes;

const HOST: u32 = 1;
const DEVICE: u32 = 2;

fn get<T: Default>(
    context: &Context,
    attribute: Attribute,
    address: CUdeviceptr,
) -> Result<T, CUerror> {
    let mut value = T::default();
    context
        .cuPointerGetAttribute((&raw mut value).cast(), attribute, address)
        .map(|()| value)
}

fn pageable() -> (Box<u64>, CUdeviceptr) {
    let word = Box::new(1);
    let address = CUdeviceptr((&raw const *word).addr());
    (word, address)
}

#[test]
fn device_memory_says_where_it_lies() {
    let context = Context::primary();
    let allocation = context.allocate(10_000);
    for offset in [0, 1, 9_999] {
        let at = allocation.at(offset);
        assert_eq!(get(&context, Attribute::MEMORY_TYPE, at), Ok(DEVICE));
        assert_eq!(get(&context, Attribute::CONTEXT, at), Ok(context.handle));
        assert_eq!(get(&context, Attribute::DEVICE_POINTER, at), Ok(at));
        assert_eq!(
            get(&context, Attribute::RANGE_START_ADDR, at),
            Ok(allocation.base)
        );
        assert_eq!(get(&context, Attribute::RANGE_SIZE, at), Ok(10_000_usize));
        assert_eq!(get(&context, Attribute::DEVICE_ORDINAL, at), Ok(0_i32));
        assert_eq!(get(&context, Attribute::IS_MANAGED, at), Ok(0_u32));
        assert_eq!(get(&context, Attribute::MAPPED, at), Ok(1_u32));
        assert_eq!(
            get::<usize>(&context, Attribute::HOST_POINTER, at),
            Err(CUerror::INVALID_VALUE)
        );
    }
}

#[test]
fn pinned_memory_is_the_host_s_and_the_device_s() {
    let context = Context::primary();
    let pinned = context.pinned(4096);
    let at = CUdeviceptr(pinned.as_void().addr() + 100);
    assert_eq!(get(&context, Attribute::MEMORY_TYPE, at), Ok(HOST));
    assert_eq!(get(&context, Attribute::HOST_POINTER, at), Ok(at));
    let mut device = CUdeviceptr::NULL;
    context
        .cuMemHostGetDevicePointer_v2(&raw mut device, pinned.as_void(), 0)
        .unwrap();
    let device = CUdeviceptr(device.0 + 100);
    assert_eq!(get(&context, Attribute::DEVICE_POINTER, at), Ok(device));
    assert_eq!(get(&context, Attribute::CONTEXT, at), Ok(context.handle));
    assert_eq!(get(&context, Attribute::IS_MANAGED, at), Ok(0_u32));
}

#[test]
fn an_address_that_cuda_does_not_know_has_no_attribute() {
    let context = Context::primary();
    let (_word, pageable) = pageable();
    for address in [
        pageable,
        CUdeviceptr::NULL,
        CUdeviceptr(0x10),
        CUdeviceptr(usize::MAX),
    ] {
        for attribute in [
            Attribute::MEMORY_TYPE,
            Attribute::CONTEXT,
            Attribute::DEVICE_POINTER,
            Attribute::BUFFER_ID,
        ] {
            let result = get::<u64>(&context, attribute, address);
            assert_eq!(
                result,
                Err(CUerror::INVALID_VALUE),
                "{attribute:?} of {address:?}"
            );
        }
    }
}

#[test]
fn the_end_of_an_allocation_is_outside_it() {
    let context = Context::primary();
    let allocation = context.allocate(4096);
    let address = allocation.at(4096);
    if let Ok(start) = get::<CUdeviceptr>(&context, Attribute::RANGE_START_ADDR, address) {
        assert_ne!(start, allocation.base, "a neighbour may begin here");
    }
}

#[test]
fn freed_memory_is_forgotten() {
    let context = Context::primary();
    let mut address = CUdeviceptr::NULL;
    context.cuMemAlloc_v2(&raw mut address, 8 << 20).unwrap();
    context.cuMemFree_v2(address).unwrap();
    assert_eq!(
        get::<u32>(&context, Attribute::MEMORY_TYPE, address),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn each_allocation_has_an_id_that_is_never_used_again() {
    let context = Context::primary();
    let mut seen = Vec::new();
    for _ in 0..20 {
        let allocation = context.allocate(4096);
        let id: u64 = get(&context, Attribute::BUFFER_ID, allocation.base).unwrap();
        assert_eq!(
            get(&context, Attribute::BUFFER_ID, allocation.at(17)),
            Ok(id)
        );
        assert!(!seen.contains(&id), "{id} names two allocations");
        seen.push(id);
    }
}

#[test]
fn an_attribute_that_does_not_exist_is_refused() {
    let context = Context::primary();
    let allocation = context.allocate(64);
    for number in [0, 1000, u32::MAX] {
        let result = get::<u64>(&context, Attribute(number), allocation.base);
        assert_eq!(result, Err(CUerror::INVALID_VALUE), "{number}");
    }
    let result = context.cuPointerGetAttribute(null_mut(), Attribute::MEMORY_TYPE, allocation.base);
    assert_eq!(result, Err(CUerror::INVALID_VALUE));
}

/// Memory type, device pointer and range size by one call.
fn several(context: &Context, address: CUdeviceptr) -> (u32, CUdeviceptr, usize) {
    let (mut kind, mut pointer, mut size) = (77_u32, CUdeviceptr(77), 77_usize);
    let mut attributes = [
        Attribute::MEMORY_TYPE,
        Attribute::DEVICE_POINTER,
        Attribute::RANGE_SIZE,
    ];
    let mut places: [*mut c_void; 3] = [
        (&raw mut kind).cast(),
        (&raw mut pointer).cast(),
        (&raw mut size).cast(),
    ];
    context
        .cuPointerGetAttributes(3, attributes.as_mut_ptr(), places.as_mut_ptr(), address)
        .unwrap();
    (kind, pointer, size)
}

#[test]
fn several_attributes_are_asked_for_at_once() {
    let context = Context::primary();
    let allocation = context.allocate(1000);
    assert_eq!(
        several(&context, allocation.at(5)),
        (DEVICE, allocation.at(5), 1000)
    );
}

#[test]
fn asking_for_several_gives_zero_for_what_does_not_apply() {
    let context = Context::primary();
    let allocation = context.allocate(1000);
    let (mut kind, mut host) = (77_u32, 77_usize);
    let mut attributes = [Attribute::HOST_POINTER, Attribute::MEMORY_TYPE];
    let mut places: [*mut c_void; 2] = [(&raw mut host).cast(), (&raw mut kind).cast()];
    let result = context.cuPointerGetAttributes(
        2,
        attributes.as_mut_ptr(),
        places.as_mut_ptr(),
        allocation.base,
    );
    assert_eq!((result, host, kind), (Ok(()), 0, DEVICE));
}

#[test]
fn yes_and_no_are_written_as_whole_words() {
    let context = Context::primary();
    let allocation = context.allocate(1000);
    for (attribute, expected) in [(Attribute::IS_MANAGED, 0), (Attribute::SYNC_MEMOPS, 0)] {
        let mut word = u32::MAX;
        let place: *mut c_void = (&raw mut word).cast();
        context
            .cuPointerGetAttribute(place, attribute, allocation.base)
            .unwrap();
        assert_eq!(word, expected, "{attribute:?}");
    }
}

#[test]
fn asking_for_several_of_an_unknown_address_gives_zeros() {
    let context = Context::primary();
    let (_word, address) = pageable();
    let (kind, pointer, _) = several(&context, address);
    // NVIDIA's driver leaves the place of the size untouched.
    assert_eq!((kind, pointer), (0, CUdeviceptr::NULL));
}

#[test]
fn asking_for_several_checks_its_arguments() {
    let context = Context::primary();
    let allocation = context.allocate(64);
    let mut kind = 0_u32;
    let mut attributes = [Attribute::MEMORY_TYPE];
    let mut places: [*mut c_void; 1] = [(&raw mut kind).cast()];
    let invalid = Err(CUerror::INVALID_VALUE);
    let base = allocation.base;
    assert_eq!(
        context.cuPointerGetAttributes(1, null_mut(), places.as_mut_ptr(), base),
        invalid
    );
    assert_eq!(
        context.cuPointerGetAttributes(1, attributes.as_mut_ptr(), null_mut(), base),
        invalid
    );
}

#[test]
fn synchronous_behaviour_may_be_asked_for() {
    let context = Context::primary();
    let allocation = context.upload(&[3; 64]);
    let on = 1_u32;
    let result = context.cuPointerSetAttribute(
        (&raw const on).cast(),
        Attribute::SYNC_MEMOPS,
        allocation.base,
    );
    assert_eq!(result, Ok(()));
    assert_eq!(
        get(&context, Attribute::SYNC_MEMOPS, allocation.base),
        Ok(1_u32)
    );
    assert_bytes(&allocation.read(), &[3; 64], format_args!("contents"));
}

#[test]
fn other_attributes_cannot_be_set() {
    let context = Context::primary();
    let allocation = context.allocate(64);
    let value = 1_u32;
    let (_word, pageable) = pageable();
    let set = |value: *const u32, attribute, address| {
        context.cuPointerSetAttribute(value.cast(), attribute, address)
    };
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(
        set(&raw const value, Attribute::MEMORY_TYPE, allocation.base),
        invalid
    );
    assert_eq!(
        set(&raw const value, Attribute::SYNC_MEMOPS, pageable),
        invalid
    );
    assert_eq!(
        set(null(), Attribute::SYNC_MEMOPS, allocation.base),
        invalid
    );
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// NVIDIA's driver leaves some places untouched.
    #[test]
    fn every_attribute_of_an_unknown_address_is_zero() {
        require_pumice();
        let context = Context::primary();
        let (_word, address) = pageable();
        assert_eq!(several(&context, address), (0, CUdeviceptr::NULL, 0));
    }
}
