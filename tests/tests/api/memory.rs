//! Device memory: allocating, freeing, and asking about it.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUdevice_attribute, CUdeviceptr};
use proptest::prelude::*;
use tests::context::Context;
use tests::memory::{assert_bytes, pattern, read};

fn allocate(context: &Context, bytes: usize) -> Result<CUdeviceptr, CUerror> {
    let mut address = CUdeviceptr::NULL;
    context
        .cuMemAlloc_v2(&raw mut address, bytes)
        .map(|()| address)
}

fn address_range(context: &Context, address: CUdeviceptr) -> Result<(CUdeviceptr, usize), CUerror> {
    let (mut base, mut size) = (CUdeviceptr::NULL, 0);
    context
        .cuMemGetAddressRange_v2(&raw mut base, &raw mut size, address)
        .map(|()| (base, size))
}

fn info(context: &Context) -> (usize, usize) {
    let (mut free, mut total) = (0, 0);
    context
        .cuMemGetInfo_v2(&raw mut free, &raw mut total)
        .unwrap();
    (free, total)
}

#[test]
fn an_allocation_keeps_what_is_written() {
    let context = Context::primary();
    for len in [1, 3, 255, 256, 257, 4095, 65_537, 1 << 20, (4 << 20) + 1] {
        let bytes = pattern(len, len as u64);
        assert_bytes(
            &context.upload(&bytes).read(),
            &bytes,
            format_args!("{len} bytes"),
        );
    }
}

#[test]
fn allocations_are_aligned_for_any_type() {
    let context = Context::primary();
    let allocations: Vec<_> = [1, 2, 7, 100, 511, 1000]
        .map(|len| context.allocate(len))
        .into();
    for allocation in &allocations {
        assert_eq!(allocation.base.0 % 256, 0, "{:?}", allocation.base);
    }
}

#[test]
fn allocations_do_not_overlap() {
    let context = Context::primary();
    let allocations: Vec<_> = (0..64)
        .map(|index| context.allocate(1 + index * 37))
        .collect();
    for (index, allocation) in allocations.iter().enumerate() {
        context
            .cuMemsetD8_v2(allocation.base, index as u8, allocation.len)
            .unwrap();
    }
    for (index, allocation) in allocations.iter().enumerate() {
        assert_bytes(
            &allocation.read(),
            &vec![index as u8; allocation.len],
            format_args!("contents"),
        );
    }
}

#[test]
fn an_allocation_of_nothing_is_refused() {
    let context = Context::primary();
    assert_eq!(allocate(&context, 0), Err(CUerror::INVALID_VALUE));
    assert_eq!(
        context.cuMemAlloc_v2(null_mut(), 16),
        Err(CUerror::INVALID_VALUE)
    );
    context.assert_works();
}

#[test]
fn an_allocation_beyond_the_device_is_out_of_memory() {
    let context = Context::primary();
    let (_, total) = info(&context);
    for bytes in [total + 1, total * 2, 1 << 50, 1 << 60] {
        assert_eq!(
            allocate(&context, bytes),
            Err(CUerror::OUT_OF_MEMORY),
            "{bytes}"
        );
        context.assert_works();
    }
    for bytes in [1 << 63, usize::MAX, usize::MAX - 4096] {
        assert!(allocate(&context, bytes).is_err(), "{bytes}");
        context.assert_works();
    }
}

#[test]
fn an_allocation_is_freed_once() {
    let context = Context::primary();
    let address = allocate(&context, 4096).unwrap();
    assert_eq!(context.cuMemFree_v2(address), Ok(()));
    assert_eq!(context.cuMemFree_v2(address), Err(CUerror::INVALID_VALUE));
    context.assert_works();
}

#[test]
fn only_the_base_of_an_allocation_frees_it() {
    let context = Context::primary();
    let allocation = context.upload(&pattern(4096, 1));
    for offset in [1, 16, 256, 4095, 4096] {
        assert_eq!(
            context.cuMemFree_v2(allocation.at(offset)),
            Err(CUerror::INVALID_VALUE),
            "{offset}"
        );
    }
    assert_bytes(
        &allocation.read(),
        &pattern(4096, 1),
        format_args!("contents"),
    );
}

#[test]
fn memory_that_cuda_did_not_allocate_is_not_freed() {
    let context = Context::primary();
    let local = [0_u8; 64];
    let pinned = context.pinned(4096);
    assert_eq!(
        context.cuMemFree_v2(CUdeviceptr(local.as_ptr() as usize)),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuMemFree_v2(CUdeviceptr(usize::MAX)),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuMemFree_v2(CUdeviceptr(0x10)),
        Err(CUerror::INVALID_VALUE)
    );
    pinned.write(&[1]);
    context.assert_works();
}

#[test]
fn freeing_nothing_does_nothing() {
    let context = Context::primary();
    assert_eq!(context.cuMemFree_v2(CUdeviceptr::NULL), Ok(()));
}

#[test]
fn every_address_inside_an_allocation_leads_to_its_range() {
    let context = Context::primary();
    let allocation = context.allocate(10_000);
    for offset in [0, 1, 255, 5000, 9999] {
        assert_eq!(
            address_range(&context, allocation.at(offset)),
            Ok((allocation.base, 10_000)),
            "{offset}"
        );
    }
}

#[test]
fn each_part_of_a_range_is_optional() {
    let context = Context::primary();
    let allocation = context.allocate(1000);
    let (mut base, mut size) = (CUdeviceptr::NULL, 0);
    assert_eq!(
        context.cuMemGetAddressRange_v2(&raw mut base, null_mut(), allocation.at(5)),
        Ok(())
    );
    assert_eq!(
        context.cuMemGetAddressRange_v2(null_mut(), &raw mut size, allocation.at(5)),
        Ok(())
    );
    assert_eq!((base, size), (allocation.base, 1000));
}

#[test]
fn an_address_outside_every_allocation_has_no_range() {
    let context = Context::primary();
    let freed = allocate(&context, 1 << 20).unwrap();
    context.cuMemFree_v2(freed).unwrap();
    let local = 0_u8;
    for address in [
        freed,
        CUdeviceptr::NULL,
        CUdeviceptr(&raw const local as usize),
        CUdeviceptr(usize::MAX),
    ] {
        assert_eq!(
            address_range(&context, address),
            Err(CUerror::NOT_FOUND),
            "{address:?}"
        );
    }
}

#[test]
fn free_memory_is_at_most_the_total() {
    let context = Context::primary();
    let (free, total) = info(&context);
    assert!(0 < free && free <= total, "{free} of {total}");
    assert_eq!(info(&context).1, total, "the total is constant");
    let mut size = 0;
    // Not in the manual, but what NVIDIA's driver 580.159 does.
    assert_eq!(context.cuMemGetInfo_v2(null_mut(), &raw mut size), Ok(()));
    assert_eq!(size, total);
    assert_eq!(context.cuMemGetInfo_v2(&raw mut size, null_mut()), Ok(()));
}

#[test]
fn an_allocation_lowers_the_free_memory() {
    const LEN: usize = 256 << 20;
    let context = Context::primary();
    // Other processes allocate and free at the same time: the drop must show in
    // most of a few attempts.
    let shows = |_: &i32| {
        let (before, _) = info(&context);
        let _allocation = context.allocate(LEN);
        let (after, _) = info(&context);
        after + LEN / 2 < before && after + 2 * LEN > before
    };
    let shown = (0..7).filter(shows).count();
    assert!(
        shown >= 4,
        "256 MiB show in the free memory {shown} times of 7"
    );
}

/// Writes and reads 64 bytes at each place, some of them across 4 GiB.
fn check_far_places(context: &Context, base: CUdeviceptr, len: usize) {
    let places = [
        0,
        (1 << 31) - 32,
        (1 << 32) - 32,
        (1 << 32) + 12345,
        len - 64,
    ];
    for (index, place) in places.into_iter().enumerate() {
        let (at, bytes) = (CUdeviceptr(base.0 + place), pattern(64, index as u64));
        context
            .cuMemcpyHtoD_v2(at, bytes.as_ptr().cast(), 64)
            .unwrap();
        assert_bytes(
            &read(context, at, 64),
            &bytes,
            format_args!("at {place:#x}"),
        );
    }
    let (from, to) = (
        CUdeviceptr(base.0 + (1 << 32) - 32),
        CUdeviceptr(base.0 + 100),
    );
    context.cuMemcpyDtoD_v2(to, from, 64).unwrap();
    assert_bytes(
        &read(context, to, 64),
        &pattern(64, 2),
        format_args!("copied across 4 GiB"),
    );
    context.cuMemsetD8_v2(from, 0x44, 64).unwrap();
    assert_bytes(
        &read(context, from, 64),
        &[0x44; 64],
        format_args!("set across 4 GiB"),
    );
    let mut byte = 0_u8;
    let beyond = context.cuMemcpyDtoH_v2((&raw mut byte).cast(), CUdeviceptr(base.0 + len), 1);
    assert_eq!(beyond, Err(CUerror::INVALID_VALUE));
}

#[test]
fn an_allocation_of_more_than_4_gib_is_one_range() {
    const LEN: usize = (5 << 30) + 4096;
    let context = Context::primary();
    let (free, _) = info(&context);
    match allocate(&context, LEN) {
        Ok(base) => {
            assert_eq!(
                address_range(&context, CUdeviceptr(base.0 + LEN - 1)),
                Ok((base, LEN))
            );
            check_far_places(&context, base, LEN);
            context.cuMemFree_v2(base).unwrap();
        }
        Err(error) => assert!(
            error == CUerror::OUT_OF_MEMORY && free < LEN,
            "{error} with {free} bytes free"
        ),
    }
    context.assert_works();
}

#[test]
fn freed_memory_can_be_allocated_again() {
    let context = Context::primary();
    let (free, _) = info(&context);
    let len = (free / 8).min(1 << 30);
    for _ in 0..32 {
        drop(context.allocate(len));
    }
    context.assert_works();
}

#[test]
fn running_out_of_memory_breaks_nothing() {
    let context = Context::primary();
    let kept = context.upload(&pattern(10_000, 2));
    let (_, total) = info(&context);
    let mut allocations = Vec::new();
    // Addresses are taken, not touched: a software device has the host's memory.
    let refused = (0..80).find_map(|_| match allocate(&context, total / 64) {
        Ok(address) => {
            allocations.push(address);
            None
        }
        Err(error) => Some(error),
    });
    for address in &allocations {
        context.cuMemFree_v2(*address).unwrap();
    }
    assert_eq!(
        refused,
        Some(CUerror::OUT_OF_MEMORY),
        "{} allocations",
        allocations.len()
    );
    assert_bytes(&kept.read(), &pattern(10_000, 2), format_args!("contents"));
    context.assert_works();
}

fn allocate_pitch(
    context: &Context,
    width: usize,
    height: usize,
    element: u32,
) -> Result<(CUdeviceptr, usize), CUerror> {
    let (mut address, mut pitch) = (CUdeviceptr::NULL, 0);
    let result =
        context.cuMemAllocPitch_v2(&raw mut address, &raw mut pitch, width, height, element);
    result.map(|()| (address, pitch))
}

#[test]
fn rows_of_a_pitched_allocation_are_aligned() {
    let context = Context::primary();
    let alignment = context.attribute(CUdevice_attribute::TEXTURE_PITCH_ALIGNMENT) as usize;
    for (width, height) in [(1, 1), (33, 7), (512, 3), (513, 2), (4096, 10)] {
        for element in [4, 8, 16] {
            let (address, pitch) = allocate_pitch(&context, width, height, element).unwrap();
            assert!(
                pitch >= width && pitch % alignment == 0,
                "{width} bytes: pitch {pitch}"
            );
            let (base, size) = address_range(&context, address).unwrap();
            assert_eq!(base, address);
            assert!(
                size >= pitch * height,
                "{size} bytes for {height} rows of {pitch}"
            );
            context.cuMemFree_v2(address).unwrap();
        }
    }
}

#[test]
fn a_pitched_allocation_checks_its_arguments() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    for element in [0, 1, 2, 3, 5, 12, 32] {
        assert_eq!(
            allocate_pitch(&context, 64, 4, element).map(|_| ()),
            invalid,
            "{element} bytes an element"
        );
    }
    assert_eq!(allocate_pitch(&context, 0, 4, 4).map(|_| ()), invalid);
    assert_eq!(allocate_pitch(&context, 64, 0, 4).map(|_| ()), invalid);
    let (mut address, mut pitch) = (CUdeviceptr::NULL, 0);
    assert_eq!(
        context.cuMemAllocPitch_v2(null_mut(), &raw mut pitch, 64, 4, 4),
        invalid
    );
    assert_eq!(
        context.cuMemAllocPitch_v2(&raw mut address, null_mut(), 64, 4, 4),
        invalid
    );
    context.assert_works();
}

#[test]
fn a_pitched_allocation_too_large_for_the_device_is_refused() {
    let context = Context::primary();
    for (width, height) in [
        (1 << 20, 1 << 40),
        (1 << 30, 1 << 40),
        (512, usize::MAX / 256),
    ] {
        assert!(
            allocate_pitch(&context, width, height, 4).is_err(),
            "{width} x {height}"
        );
    }
    context.assert_works();
}

#[derive(Debug, Clone)]
enum Step {
    Allocate(usize),
    Free(usize),
    Fill(usize, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (1_usize..200_000).prop_map(Step::Allocate),
        2 => any::<usize>().prop_map(Step::Free),
        3 => (any::<usize>(), any::<u8>()).prop_map(|(which, value)| Step::Fill(which, value)),
    ];
    prop::collection::vec(step, 1..60)
}

/// What the driver holds after any sequence of steps is what a list of byte
/// vectors holds after the same.
fn check_steps(context: &Context, steps: &[Step]) {
    let mut model: Vec<(CUdeviceptr, Vec<u8>)> = Vec::new();
    for step in steps {
        match *step {
            Step::Allocate(len) => {
                let address = allocate(context, len).unwrap();
                context.cuMemsetD8_v2(address, 0x11, len).unwrap();
                model.push((address, vec![0x11; len]));
            }
            Step::Free(which) if !model.is_empty() => {
                let (address, _) = model.swap_remove(which % model.len());
                context.cuMemFree_v2(address).unwrap();
            }
            Step::Fill(which, value) if !model.is_empty() => {
                let index = which % model.len();
                let (address, bytes) = &mut model[index];
                bytes.fill(value);
                context.cuMemsetD8_v2(*address, value, bytes.len()).unwrap();
            }
            Step::Free(_) | Step::Fill(..) => {}
        }
    }
    for (address, bytes) in model {
        assert_eq!(address_range(context, address), Ok((address, bytes.len())));
        assert_eq!(read(context, address, bytes.len()), bytes);
        context.cuMemFree_v2(address).unwrap();
    }
}

#[test]
fn any_sequence_of_allocations_behaves_like_a_list_of_vectors() {
    let context = Context::primary();
    super::property(40, &steps(), |steps| check_steps(&context, &steps));
}
