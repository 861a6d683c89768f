//! Setting memory, by every entry point, against the same loops over byte vectors.

use abi::cuda::{CUdeviceptr, CUstream};
use abi::{CUerror, CUresult};
use proptest::prelude::*;
use tests::context::{Context, NON_BLOCKING};
use tests::memory::{Allocation, assert_bytes, pattern};

/// Sets `count` elements of `value` at an address, on a stream.
type Set = fn(&Context, CUdeviceptr, u32, usize, CUstream) -> CUresult;
/// Sets rows: address, pitch, value, width in elements, height.
type SetRows = fn(&Context, CUdeviceptr, usize, u32, (usize, usize), CUstream) -> CUresult;

/// Element size in bytes, and the entry point.
const SETS: &[(usize, Set)] = &[
    (1, |c, at, v, n, _| c.cuMemsetD8_v2(at, v as u8, n)),
    (2, |c, at, v, n, _| c.cuMemsetD16_v2(at, v as u16, n)),
    (4, |c, at, v, n, _| c.cuMemsetD32_v2(at, v, n)),
    (1, |c, at, v, n, stream| {
        c.cuMemsetD8Async(at, v as u8, n, stream)
    }),
    (2, |c, at, v, n, stream| {
        c.cuMemsetD16Async(at, v as u16, n, stream)
    }),
    (4, |c, at, v, n, stream| {
        c.cuMemsetD32Async(at, v, n, stream)
    }),
];

const SET_ROWS: &[(usize, SetRows)] = &[
    (1, |c, at, pitch, v, (w, h), _| {
        c.cuMemsetD2D8_v2(at, pitch, v as u8, w, h)
    }),
    (2, |c, at, pitch, v, (w, h), _| {
        c.cuMemsetD2D16_v2(at, pitch, v as u16, w, h)
    }),
    (4, |c, at, pitch, v, (w, h), _| {
        c.cuMemsetD2D32_v2(at, pitch, v, w, h)
    }),
    (1, |c, at, pitch, v, (w, h), stream| {
        c.cuMemsetD2D8Async(at, pitch, v as u8, w, h, stream)
    }),
    (2, |c, at, pitch, v, (w, h), stream| {
        c.cuMemsetD2D16Async(at, pitch, v as u16, w, h, stream)
    }),
    (4, |c, at, pitch, v, (w, h), stream| {
        c.cuMemsetD2D32Async(at, pitch, v, w, h, stream)
    }),
];

const VALUE: u32 = 0xDEAD_BEEF;

/// The oracle.
fn fill(bytes: &mut [u8], element: usize, value: u32) {
    for place in bytes.chunks_exact_mut(element) {
        place.copy_from_slice(&value.to_le_bytes()[..element]);
    }
}

fn filled(context: &Context, len: usize) -> Allocation {
    context.upload(&vec![0x5A; len])
}

#[test]
fn every_count_and_offset_is_set_and_nothing_beside_it() {
    let context = Context::primary();
    for &(element, set) in SETS {
        for count in [
            1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 255, 256, 257, 16_385, 100_003,
        ] {
            for offset in [0, 1, 2, 3, 5] {
                let (start, len) = (offset * element, count * element);
                let device = filled(&context, start + len + 16);
                set(&context, device.at(start), VALUE, count, CUstream::NULL).unwrap();
                let mut expected = vec![0x5A; start + len + 16];
                fill(&mut expected[start..start + len], element, VALUE);
                assert_bytes(
                    &device.read(),
                    &expected,
                    format_args!("{count} elements of {element} bytes at {offset}"),
                );
            }
        }
    }
}

#[test]
fn values_of_every_kind_are_set() {
    let context = Context::primary();
    let device = filled(&context, 64);
    for value in [
        0,
        1,
        0x0101_0101,
        0x8000_0000,
        u32::MAX,
        0x00FF_00FF,
        0x1234_5678,
    ] {
        for &(element, set) in SETS {
            set(&context, device.base, value, 64 / element, CUstream::NULL).unwrap();
            let mut expected = vec![0; 64];
            fill(&mut expected, element, value);
            assert_bytes(
                &device.read(),
                &expected,
                format_args!("{value:#x} in {element} bytes"),
            );
        }
    }
}

#[test]
fn rows_are_set_and_the_gaps_between_them_stay() {
    let context = Context::primary();
    let stream = context.stream(0);
    let shape = (
        0..SET_ROWS.len(),
        1_usize..70,
        1_usize..9,
        0_usize..30,
        0_usize..7,
        any::<u32>(),
    );
    super::property(
        150,
        &shape,
        |(call, width, height, slack, offset, value)| {
            let (element, set) = SET_ROWS[call];
            // Two and four byte elements need rows of whole elements; bytes need nothing.
            let (pitch, start) = ((width + slack) * element, offset * element);
            let mut expected = pattern(start + pitch * height + 16, 9);
            let device = context.upload(&expected);
            set(
                &context,
                device.at(start),
                pitch,
                value,
                (width, height),
                stream,
            )
            .unwrap();
            context.cuStreamSynchronize(stream).unwrap();
            for row in 0..height {
                let from = start + row * pitch;
                fill(&mut expected[from..from + width * element], element, value);
            }
            assert_bytes(
                &device.read(),
                &expected,
                format_args!("{width} x {height} of {element} bytes, pitch {pitch}"),
            );
        },
    );
}

#[test]
fn nothing_is_set_at_once() {
    let context = Context::primary();
    let device = filled(&context, 64);
    for &(_, set) in SETS {
        assert_eq!(set(&context, device.base, VALUE, 0, CUstream::NULL), Ok(()));
    }
    for &(_, set) in SET_ROWS {
        assert_eq!(
            set(&context, device.base, 64, VALUE, (0, 4), CUstream::NULL),
            Ok(())
        );
        assert_eq!(
            set(&context, device.base, 64, VALUE, (4, 0), CUstream::NULL),
            Ok(())
        );
    }
    assert_bytes(&device.read(), &[0x5A; 64], format_args!("contents"));
}

#[test]
fn an_address_between_two_elements_is_refused() {
    let context = Context::primary();
    let device = filled(&context, 256);
    for &(element, set) in SETS {
        for offset in 1..element {
            let result = set(&context, device.at(offset), VALUE, 4, CUstream::NULL);
            assert_eq!(
                result,
                Err(CUerror::INVALID_VALUE),
                "{element} bytes at {offset}"
            );
        }
    }
    for &(element, set) in SET_ROWS {
        for offset in 1..element {
            let result = set(
                &context,
                device.at(offset),
                64,
                VALUE,
                (4, 2),
                CUstream::NULL,
            );
            assert_eq!(
                result,
                Err(CUerror::INVALID_VALUE),
                "rows of {element} bytes at {offset}"
            );
        }
    }
    assert_bytes(&device.read(), &[0x5A; 256], format_args!("contents"));
}

#[test]
fn rows_that_split_an_element_are_refused() {
    let context = Context::primary();
    let device = filled(&context, 256);
    for &(element, set) in SET_ROWS {
        for slack in 1..element {
            let result = set(
                &context,
                device.base,
                16 + slack,
                VALUE,
                (4, 2),
                CUstream::NULL,
            );
            assert_eq!(
                result,
                Err(CUerror::INVALID_VALUE),
                "{element} bytes, pitch {}",
                16 + slack
            );
        }
    }
}

#[test]
fn setting_past_the_end_of_an_allocation_is_refused_and_writes_nothing() {
    const LEN: usize = 4096;
    let context = Context::primary();
    let device = filled(&context, LEN);
    let invalid = Err(CUerror::INVALID_VALUE);
    for &(element, set) in SETS {
        let count = LEN / element;
        assert_eq!(
            set(&context, device.base, VALUE, count + 1, CUstream::NULL),
            invalid
        );
        assert_eq!(
            set(&context, device.at(element), VALUE, count, CUstream::NULL),
            invalid
        );
        assert!(set(&context, device.base, VALUE, 1 << 60, CUstream::NULL).is_err());
    }
    for &(element, set) in SET_ROWS {
        let width = 64 / element;
        assert_eq!(
            set(
                &context,
                device.base,
                64,
                VALUE,
                (width, 65),
                CUstream::NULL
            ),
            invalid
        );
        assert_eq!(
            set(
                &context,
                device.base,
                128,
                VALUE,
                (width, 64),
                CUstream::NULL
            ),
            invalid
        );
    }
    assert_bytes(&device.read(), &[0x5A; LEN], format_args!("contents"));
    context.assert_works();
}

#[test]
fn an_address_that_is_not_the_device_s_is_refused() {
    let context = Context::primary();
    for &(_, set) in SETS {
        for address in [
            CUdeviceptr::NULL,
            CUdeviceptr(0x10),
            CUdeviceptr(usize::MAX & !15),
        ] {
            let result = set(&context, address, VALUE, 4, CUstream::NULL);
            assert_eq!(result, Err(CUerror::INVALID_VALUE), "{address:?}");
        }
    }
    context.assert_works();
}

#[test]
fn sets_and_copies_in_one_stream_keep_their_order() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let (device, target) = (context.allocate(4096), context.pinned(100));
    for value in 0..100 {
        context
            .cuMemsetD8Async(device.base, value, 4096, stream)
            .unwrap();
        let place = target.pointer.wrapping_add(value.into());
        context
            .cuMemcpyDtoHAsync_v2(place.cast(), device.at(value.into()), 1, stream)
            .unwrap();
    }
    context.cuStreamSynchronize(stream).unwrap();
    assert_bytes(
        &target.read(),
        &(0..100).collect::<Vec<u8>>(),
        format_args!("contents"),
    );
}

#[test]
fn pinned_host_memory_is_set_too() {
    let context = Context::primary();
    let pinned = context.pinned(4096);
    let mut address = CUdeviceptr::NULL;
    context
        .cuMemHostGetDevicePointer_v2(&raw mut address, pinned.as_void(), 0)
        .unwrap();
    context.cuMemsetD32_v2(address, VALUE, 1024).unwrap();
    context.cuCtxSynchronize().unwrap();
    let mut expected = vec![0; 4096];
    fill(&mut expected, 4, VALUE);
    assert_bytes(&pinned.read(), &expected, format_args!("contents"));
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// NVIDIA's driver takes some of these: the size in bytes wraps around.
    #[test]
    fn sizes_that_overflow_are_refused() {
        const LEN: usize = 4096;
        require_pumice();
        let context = Context::primary();
        let device = filled(&context, LEN);
        for &(_, set) in SETS {
            assert!(set(&context, device.base, VALUE, usize::MAX, CUstream::NULL).is_err());
        }
        for &(element, set) in SET_ROWS {
            let width = 64 / element;
            for (pitch, rows) in [(1 << 60, 3), (64, usize::MAX)] {
                let size = (width, rows);
                let result = set(&context, device.base, pitch, VALUE, size, CUstream::NULL);
                assert!(result.is_err(), "{rows} rows of {pitch} bytes");
            }
        }
        assert_bytes(&device.read(), &[0x5A; LEN], format_args!("contents"));
        context.assert_works();
    }
}
