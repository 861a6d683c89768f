//! Linear copies, by every entry point, against copies of byte vectors.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use abi::cuda::{CU_STREAM_LEGACY, CU_STREAM_PER_THREAD, CUdeviceptr, CUstream};
use abi::{CUerror, CUresult};
use proptest::prelude::*;
use tests::context::{Context, NON_BLOCKING};
use tests::memory::{Allocation, Pinned, assert_bytes, pattern, unified};

/// An entry point that copies `count` bytes between two addresses.
type Copy = fn(&Context, CUdeviceptr, CUdeviceptr, usize) -> CUresult;

fn host(address: CUdeviceptr) -> *mut c_void {
    std::ptr::without_provenance_mut(address.0)
}

/// Waits for the default stream, so that an asynchronous copy is done.
fn finish(context: &Context, result: CUresult) -> CUresult {
    result.and_then(|()| context.cuStreamSynchronize(CUstream::NULL))
}

const HOST_TO_DEVICE: &[(&str, Copy)] = &[
    ("cuMemcpyHtoD_v2", |c, to, from, n| {
        c.cuMemcpyHtoD_v2(to, host(from), n)
    }),
    ("cuMemcpyHtoD_v2_ptds", |c, to, from, n| {
        c.cuMemcpyHtoD_v2_ptds(to, host(from), n)
    }),
    ("cuMemcpyHtoDAsync_v2", |c, to, from, n| {
        finish(c, c.cuMemcpyHtoDAsync_v2(to, host(from), n, CUstream::NULL))
    }),
    ("cuMemcpy", |c, to, from, n| c.cuMemcpy(to, from, n)),
    ("cuMemcpyAsync", |c, to, from, n| {
        finish(c, c.cuMemcpyAsync(to, from, n, CUstream::NULL))
    }),
];

const DEVICE_TO_HOST: &[(&str, Copy)] = &[
    ("cuMemcpyDtoH_v2", |c, to, from, n| {
        c.cuMemcpyDtoH_v2(host(to), from, n)
    }),
    ("cuMemcpyDtoH_v2_ptds", |c, to, from, n| {
        c.cuMemcpyDtoH_v2_ptds(host(to), from, n)
    }),
    ("cuMemcpyDtoHAsync_v2", |c, to, from, n| {
        finish(c, c.cuMemcpyDtoHAsync_v2(host(to), from, n, CUstream::NULL))
    }),
    ("cuMemcpy", |c, to, from, n| c.cuMemcpy(to, from, n)),
    ("cuMemcpyAsync", |c, to, from, n| {
        finish(c, c.cuMemcpyAsync(to, from, n, CUstream::NULL))
    }),
];

const DEVICE_TO_DEVICE: &[(&str, Copy)] = &[
    ("cuMemcpyDtoD_v2", |c, to, from, n| {
        finish(c, c.cuMemcpyDtoD_v2(to, from, n))
    }),
    ("cuMemcpyDtoDAsync_v2", |c, to, from, n| {
        finish(c, c.cuMemcpyDtoDAsync_v2(to, from, n, CUstream::NULL))
    }),
    ("cuMemcpy", |c, to, from, n| {
        finish(c, c.cuMemcpy(to, from, n))
    }),
    ("cuMemcpy_ptds", |c, to, from, n| {
        c.cuMemcpy_ptds(to, from, n)
            .and_then(|()| c.cuStreamSynchronize(CU_STREAM_PER_THREAD))
    }),
    ("cuMemcpyAsync", |c, to, from, n| {
        finish(c, c.cuMemcpyAsync(to, from, n, CUstream::NULL))
    }),
    ("cuMemcpyPeer", |c, to, from, n| {
        finish(c, c.cuMemcpyPeer(to, c.handle, from, c.handle, n))
    }),
    ("cuMemcpyPeerAsync", |c, to, from, n| {
        finish(
            c,
            c.cuMemcpyPeerAsync(to, c.handle, from, c.handle, n, CUstream::NULL),
        )
    }),
];

/// Sizes around the borders at which a driver changes its method.
const SIZES: &[usize] = &[
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    15,
    16,
    17,
    63,
    64,
    255,
    256,
    257,
    4095,
    4096,
    65_535,
    65_536,
    65_537,
    1 << 20,
];

/// Offsets of source and destination, in bytes.
const OFFSETS: &[(usize, usize)] = &[(0, 0), (0, 1), (1, 0), (1, 1), (3, 2), (5, 9), (4, 0)];

/// A buffer that a copy is checked in.
trait Buffer {
    fn address(&self) -> CUdeviceptr;
    fn write(&self, bytes: &[u8]);
    fn read(&self) -> Vec<u8>;
}

impl Buffer for Allocation {
    fn address(&self) -> CUdeviceptr {
        self.base
    }

    fn write(&self, bytes: &[u8]) {
        self.write(bytes);
    }

    fn read(&self) -> Vec<u8> {
        self.read()
    }
}

impl Buffer for Pinned {
    fn address(&self) -> CUdeviceptr {
        unified(self.pointer)
    }

    fn write(&self, bytes: &[u8]) {
        self.write(bytes);
    }

    fn read(&self) -> Vec<u8> {
        self.read()
    }
}

/// Copies `len` bytes between buffers of `len + 32` bytes, at every offset, and
/// checks all of the destination: also what must stay.
fn check(
    context: &Context,
    copy: Copy,
    len: usize,
    source: (&[u8], CUdeviceptr),
    target: &dyn Buffer,
) {
    let (bytes, from) = source;
    for &(start, end) in OFFSETS {
        let mut expected = vec![0xA5; len + 32];
        target.write(&expected);
        let to = CUdeviceptr(target.address().0 + end);
        copy(context, to, CUdeviceptr(from.0 + start), len).unwrap();
        expected[end..end + len].copy_from_slice(&bytes[start..start + len]);
        let what = format_args!("{len} bytes from offset {start} to {end}");
        assert_bytes(&target.read(), &expected, what);
    }
}

#[test]
fn every_size_and_offset_arrives_on_the_device() {
    let context = Context::primary();
    for (name, copy) in HOST_TO_DEVICE {
        for &len in SIZES {
            let source = pattern(len + 32, len as u64);
            let target = context.allocate(len + 32);
            let address = unified(source.as_ptr());
            check(&context, *copy, len, (&source, address), &target);
        }
        eprintln!("{name}: right");
    }
}

#[test]
fn every_size_and_offset_comes_back_to_the_host() {
    let context = Context::primary();
    for (name, copy) in DEVICE_TO_HOST {
        for &len in SIZES {
            let source = pattern(len + 32, len as u64 + 1);
            let device = context.upload(&source);
            let target = context.pinned(len + 32);
            check(&context, *copy, len, (&source, device.base), &target);
        }
        eprintln!("{name}: right");
    }
}

#[test]
fn every_size_and_offset_moves_on_the_device() {
    let context = Context::primary();
    for (name, copy) in DEVICE_TO_DEVICE {
        for &len in SIZES {
            let source = pattern(len + 32, len as u64 + 2);
            let device = context.upload(&source);
            let target = context.allocate(len + 32);
            check(&context, *copy, len, (&source, device.base), &target);
        }
        eprintln!("{name}: right");
    }
}

#[test]
fn a_copy_inside_one_allocation_moves_between_its_parts() {
    let context = Context::primary();
    let mut bytes = pattern(10_000, 4);
    let device = context.upload(&bytes);
    context
        .cuMemcpyDtoD_v2(device.at(7001), device.at(13), 2999)
        .unwrap();
    bytes.copy_within(13..13 + 2999, 7001);
    assert_bytes(&device.read(), &bytes, format_args!("contents"));
}

#[test]
fn unified_copies_work_between_any_two_places() {
    let context = Context::primary();
    let bytes = pattern(5000, 5);
    let (pageable, pinned) = (bytes.clone(), context.pinned(5000));
    pinned.write(&bytes);
    let device = context.upload(&bytes);
    for source in [
        unified(pageable.as_ptr()),
        unified(pinned.pointer),
        device.base,
    ] {
        let (mut to_pageable, to_pinned) = (vec![0; 5000], context.pinned(5000));
        let to_device = context.allocate(5000);
        for target in [
            unified(to_pageable.as_mut_ptr()),
            unified(to_pinned.pointer),
            to_device.base,
        ] {
            context.cuMemcpy(target, source, 5000).unwrap();
            context.cuCtxSynchronize().unwrap();
        }
        assert_eq!(to_pageable, bytes);
        assert_bytes(&to_pinned.read(), &bytes, format_args!("contents"));
        assert_bytes(&to_device.read(), &bytes, format_args!("contents"));
    }
}

#[test]
fn asynchronous_copies_arrive_on_every_kind_of_stream() {
    let context = Context::primary();
    let bytes = pattern(100_001, 6);
    let (source, target) = (context.pinned(100_001), context.pinned(100_001));
    source.write(&bytes);
    let (first, second) = (context.allocate(100_001), context.allocate(100_001));
    let (blocking, non_blocking) = (context.stream(0), context.stream(NON_BLOCKING));
    for stream in [
        CUstream::NULL,
        CU_STREAM_LEGACY,
        CU_STREAM_PER_THREAD,
        blocking,
        non_blocking,
    ] {
        target.write(&[0; 100_001]);
        context
            .cuMemcpyHtoDAsync_v2(first.base, source.as_void(), 100_001, stream)
            .unwrap();
        context
            .cuMemcpyDtoDAsync_v2(second.base, first.base, 100_001, stream)
            .unwrap();
        context
            .cuMemcpyDtoHAsync_v2(target.as_void(), second.base, 100_001, stream)
            .unwrap();
        context.cuStreamSynchronize(stream).unwrap();
        assert_bytes(&target.read(), &bytes, format_args!("{stream:?}"));
    }
}

#[test]
fn many_copies_in_one_stream_keep_their_order() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let target = context.pinned(4);
    let values: Vec<_> = (0..500_u32)
        .map(|value| context.upload(&value.to_le_bytes()))
        .collect();
    let device = context.allocate(4);
    for value in &values {
        context
            .cuMemcpyDtoDAsync_v2(device.base, value.base, 4, stream)
            .unwrap();
    }
    context
        .cuMemcpyDtoHAsync_v2(target.as_void(), device.base, 4, stream)
        .unwrap();
    context.cuStreamSynchronize(stream).unwrap();
    assert_bytes(
        &target.read(),
        &499_u32.to_le_bytes(),
        format_args!("contents"),
    );
}

#[test]
fn a_copy_of_nothing_is_done_at_once() {
    let context = Context::primary();
    let device = context.upload(&[9; 64]);
    let mut host = [1_u8; 64];
    assert_eq!(
        context.cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), device.base, 0),
        Ok(())
    );
    assert_eq!(
        context.cuMemcpyHtoD_v2(device.base, host.as_ptr().cast(), 0),
        Ok(())
    );
    assert_eq!(
        context.cuMemcpyDtoD_v2(device.base, device.at(8), 0),
        Ok(())
    );
    assert_eq!(context.cuMemcpy(device.base, device.at(8), 0), Ok(()));
    assert_eq!((host, device.read()), ([1; 64], vec![9; 64]));
}

#[test]
fn a_copy_past_the_end_of_an_allocation_is_refused_and_writes_nothing() {
    const LEN: usize = 4096;
    let context = Context::primary();
    let (device, other) = (context.upload(&[7; LEN]), context.allocate(4 * LEN));
    let mut host = vec![1_u8; 4 * LEN];
    let invalid = Err(CUerror::INVALID_VALUE);
    for (offset, len) in [
        (0, LEN + 1),
        (1, LEN),
        (LEN - 1, 2),
        (0, 2 * LEN),
        (LEN / 2, LEN),
    ] {
        let at = device.at(offset);
        assert_eq!(
            context.cuMemcpyHtoD_v2(at, host.as_ptr().cast(), len),
            invalid,
            "{offset} {len}"
        );
        assert_eq!(
            context.cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), at, len),
            invalid,
            "{offset} {len}"
        );
        assert_eq!(
            context.cuMemcpyDtoD_v2(at, other.base, len),
            invalid,
            "{offset} {len}"
        );
        assert_eq!(
            context.cuMemcpyDtoD_v2(other.base, at, len),
            invalid,
            "{offset} {len}"
        );
    }
    assert_bytes(&device.read(), &[7; LEN], format_args!("contents"));
    assert!(host.iter().all(|&byte| byte == 1));
    context.assert_works();
}

#[test]
fn an_asynchronous_copy_past_the_end_of_an_allocation_is_refused() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let (device, host) = (context.upload(&[7; 4096]), context.pinned(8192));
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(
        context.cuMemcpyHtoDAsync_v2(device.base, host.as_void(), 4097, stream),
        invalid
    );
    assert_eq!(
        context.cuMemcpyDtoHAsync_v2(host.as_void(), device.at(1), 4096, stream),
        invalid
    );
    assert_eq!(
        context.cuMemcpyDtoDAsync_v2(device.at(4000), device.base, 200, stream),
        invalid
    );
    context.cuStreamSynchronize(stream).unwrap();
    assert_bytes(&device.read(), &[7; 4096], format_args!("contents"));
    context.assert_works();
}

#[test]
fn sizes_that_wrap_around_the_address_space_are_refused() {
    let context = Context::primary();
    let device = context.upload(&[7; 4096]);
    let mut host = vec![1_u8; 4096];
    for len in [
        1 << 60,
        usize::MAX,
        usize::MAX - device.base.0,
        0_usize.wrapping_sub(device.base.0),
    ] {
        assert!(
            context
                .cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), device.base, len)
                .is_err(),
            "{len}"
        );
        assert!(
            context
                .cuMemcpyHtoD_v2(device.base, host.as_ptr().cast(), len)
                .is_err(),
            "{len}"
        );
        assert!(
            context
                .cuMemcpyDtoD_v2(device.base, device.at(8), len)
                .is_err(),
            "{len}"
        );
    }
    assert_bytes(&device.read(), &[7; 4096], format_args!("contents"));
    context.assert_works();
}

#[test]
fn an_address_that_is_not_the_device_s_is_refused() {
    let context = Context::primary();
    let (mut host, device) = ([0_u8; 64], context.allocate(64));
    let freed = {
        let mut address = CUdeviceptr::NULL;
        context.cuMemAlloc_v2(&raw mut address, 1 << 20).unwrap();
        context.cuMemFree_v2(address).unwrap();
        address
    };
    let invalid = Err(CUerror::INVALID_VALUE);
    for address in [
        CUdeviceptr::NULL,
        CUdeviceptr(0x10),
        freed,
        CUdeviceptr(usize::MAX - 64),
    ] {
        assert_eq!(
            context.cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), address, 64),
            invalid,
            "{address:?}"
        );
        assert_eq!(
            context.cuMemcpyHtoD_v2(address, host.as_ptr().cast(), 64),
            invalid,
            "{address:?}"
        );
        assert_eq!(
            context.cuMemcpyDtoD_v2(device.base, address, 64),
            invalid,
            "{address:?}"
        );
        assert_eq!(
            context.cuMemcpyDtoD_v2(address, device.base, 64),
            invalid,
            "{address:?}"
        );
    }
    context.assert_works();
}

#[test]
fn the_host_s_side_of_a_copy_must_not_be_null() {
    let context = Context::primary();
    let device = context.allocate(64);
    assert_eq!(
        context.cuMemcpyDtoH_v2(null_mut(), device.base, 64),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuMemcpyHtoD_v2(device.base, null(), 64),
        Err(CUerror::INVALID_VALUE)
    );
    context.assert_works();
}

#[test]
fn one_allocation_is_not_a_way_into_its_neighbour() {
    let context = Context::primary();
    let allocations: Vec<_> = (0..16).map(|_| context.upload(&[5; 256])).collect();
    for allocation in &allocations {
        let mut host = [0_u8; 512];
        let read = context.cuMemcpyDtoH_v2(host.as_mut_ptr().cast(), allocation.base, 512);
        assert_eq!(read, Err(CUerror::INVALID_VALUE));
    }
}

#[test]
fn registered_and_ordinary_host_memory_copy_alike() {
    let context = Context::primary();
    let pages = tests::memory::Pages::new(4);
    let bytes = pattern(pages.len, 8);
    pages.write(&bytes);
    let device = context.allocate(pages.len);
    context
        .cuMemcpyHtoD_v2(device.base, pages.as_void(), pages.len)
        .unwrap();
    assert_bytes(&device.read(), &bytes, format_args!("contents"));
    context
        .cuMemHostRegister_v2(pages.as_void(), pages.len, 0)
        .unwrap();
    context.cuMemsetD8_v2(device.base, 0, device.len).unwrap();
    context
        .cuMemcpyHtoDAsync_v2(device.base, pages.as_void(), pages.len, CUstream::NULL)
        .unwrap();
    assert_bytes(&device.read(), &bytes, format_args!("contents"));
    context.cuMemHostUnregister(pages.as_void()).unwrap();
}

#[test]
fn any_sequence_of_copies_behaves_like_copies_of_slices() {
    const LEN: usize = 3000;
    let context = Context::primary();
    let step = (
        0..2_usize,
        0..2_usize,
        0..LEN,
        0..LEN,
        0..LEN,
        any::<bool>(),
    );
    super::property(60, &prop::collection::vec(step, 1..30), |steps| {
        let stream = context.stream(NON_BLOCKING);
        let mut model = [pattern(LEN, 1), pattern(LEN, 2)];
        let device = [context.upload(&model[0]), context.upload(&model[1])];
        for (from, to, source, target, len, wait) in steps {
            let len = len.min(LEN - source).min(LEN - target);
            if from == to && source.abs_diff(target) < len {
                continue; // CUDA leaves overlapping copies undefined.
            }
            context
                .cuMemcpyDtoDAsync_v2(device[to].at(target), device[from].at(source), len, stream)
                .unwrap();
            let moved = model[from][source..source + len].to_vec();
            model[to][target..target + len].copy_from_slice(&moved);
            if wait {
                context.cuStreamSynchronize(stream).unwrap();
            }
        }
        context.cuStreamSynchronize(stream).unwrap();
        assert_eq!([device[0].read(), device[1].read()], model);
        context.cuStreamDestroy_v2(stream).unwrap();
    });
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_stream_that_does_not_exist_is_refused() {
        require_pumice();
        let context = Context::primary();
        let (device, host) = (context.allocate(64), context.pinned(64));
        let destroyed = context.stream(0);
        context.cuStreamDestroy_v2(destroyed).unwrap();
        for stream in [
            destroyed,
            CUstream(3),
            CUstream(0xdead_beef),
            CUstream(usize::MAX),
        ] {
            for result in [
                context.cuMemcpyHtoDAsync_v2(device.base, host.as_void(), 64, stream),
                context.cuMemcpyDtoHAsync_v2(host.as_void(), device.base, 64, stream),
                context.cuMemcpyDtoDAsync_v2(device.base, device.at(32), 32, stream),
                context.cuMemsetD8Async(device.base, 0, 64, stream),
            ] {
                let known = [Err(CUerror::INVALID_HANDLE), Err(CUerror::INVALID_CONTEXT)];
                assert!(known.contains(&result), "{stream:?}: {result:?}");
            }
        }
        context.assert_works();
    }
}
