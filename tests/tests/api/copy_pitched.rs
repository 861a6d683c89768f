//! Copies of rectangles and boxes, against the same loops over byte vectors.

use std::ptr::null;

use abi::cuda::{
    CUDA_MEMCPY2D, CUDA_MEMCPY3D, CUarray, CUdeviceptr, CUmemorytype as Place, CUstream,
};
use abi::{CUerror, CUresult};
use proptest::prelude::*;
use tests::context::{Context, NON_BLOCKING};
use tests::memory::{Allocation, Pinned, assert_bytes, pattern};

/// One side of a copy: a box inside rows of `pitch` bytes and planes of `rows` rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Side {
    x: usize,
    y: usize,
    z: usize,
    pitch: usize,
    rows: usize,
}

/// What is copied: `width` bytes of each of `height` rows of `depth` planes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    width: usize,
    height: usize,
    depth: usize,
}

impl Side {
    fn offset(&self, row: usize, plane: usize) -> usize {
        ((self.z + plane) * self.rows + self.y + row) * self.pitch + self.x
    }

    /// Bytes up to the end of the last row that the box touches, and a margin.
    fn len(&self, extent: Extent) -> usize {
        self.offset(extent.height.max(1) - 1, extent.depth.max(1) - 1) + extent.width + 40
    }
}

/// The oracle.
fn copy_rows(from: &[u8], source: Side, to: &mut [u8], target: Side, extent: Extent) {
    for plane in 0..extent.depth {
        for row in 0..extent.height {
            let (start, end) = (source.offset(row, plane), target.offset(row, plane));
            to[end..end + extent.width].copy_from_slice(&from[start..start + extent.width]);
        }
    }
}

/// Memory of one kind, and how a descriptor names it.
enum Buffer {
    Host(Vec<u8>),
    Pinned(Pinned),
    Device(Allocation),
    Unified(Allocation),
}

impl Buffer {
    fn new(context: &Context, kind: usize, bytes: &[u8]) -> Self {
        match kind {
            0 => Self::Host(bytes.to_vec()),
            1 => {
                let pinned = context.pinned(bytes.len());
                pinned.write(bytes);
                Self::Pinned(pinned)
            }
            2 => Self::Device(context.upload(bytes)),
            _ => Self::Unified(context.upload(bytes)),
        }
    }

    fn read(&self) -> Vec<u8> {
        match self {
            Self::Host(bytes) => bytes.clone(),
            Self::Pinned(pinned) => pinned.read(),
            Self::Device(allocation) | Self::Unified(allocation) => allocation.read(),
        }
    }

    /// Memory type, host pointer and device address of a descriptor.
    fn describe(&self) -> (Place, *mut u8, CUdeviceptr) {
        match self {
            Self::Host(bytes) => (Place::HOST, bytes.as_ptr().cast_mut(), CUdeviceptr::NULL),
            Self::Pinned(pinned) => (Place::HOST, pinned.pointer, CUdeviceptr::NULL),
            Self::Device(allocation) => (Place::DEVICE, std::ptr::null_mut(), allocation.base),
            Self::Unified(allocation) => (Place::UNIFIED, std::ptr::null_mut(), allocation.base),
        }
    }
}

fn rectangle(source: (&Buffer, Side), target: (&Buffer, Side), extent: Extent) -> CUDA_MEMCPY2D {
    let (from, to) = (source.0.describe(), target.0.describe());
    CUDA_MEMCPY2D {
        srcXInBytes: source.1.x,
        srcY: source.1.y,
        srcMemoryType: from.0,
        srcHost: from.1.cast(),
        srcDevice: from.2,
        srcArray: CUarray::NULL,
        srcPitch: source.1.pitch,
        dstXInBytes: target.1.x,
        dstY: target.1.y,
        dstMemoryType: to.0,
        dstHost: to.1.cast(),
        dstDevice: to.2,
        dstArray: CUarray::NULL,
        dstPitch: target.1.pitch,
        WidthInBytes: extent.width,
        Height: extent.height,
    }
}

fn cuboid(source: (&Buffer, Side), target: (&Buffer, Side), extent: Extent) -> CUDA_MEMCPY3D {
    let (from, to) = (source.0.describe(), target.0.describe());
    CUDA_MEMCPY3D {
        srcXInBytes: source.1.x,
        srcY: source.1.y,
        srcZ: source.1.z,
        srcLOD: 0,
        srcMemoryType: from.0,
        srcHost: from.1.cast(),
        srcDevice: from.2,
        srcArray: CUarray::NULL,
        reserved0: std::ptr::null_mut(),
        srcPitch: source.1.pitch,
        srcHeight: source.1.rows,
        dstXInBytes: target.1.x,
        dstY: target.1.y,
        dstZ: target.1.z,
        dstLOD: 0,
        dstMemoryType: to.0,
        dstHost: to.1.cast(),
        dstDevice: to.2,
        dstArray: CUarray::NULL,
        reserved1: std::ptr::null_mut(),
        dstPitch: target.1.pitch,
        dstHeight: target.1.rows,
        WidthInBytes: extent.width,
        Height: extent.height,
        Depth: extent.depth,
    }
}

/// Copies by `run` between fresh buffers of the given kinds and compares every
/// byte of the destination with the oracle's.
fn check(
    context: &Context,
    kinds: (usize, usize),
    (source, target, extent): (Side, Side, Extent),
    run: impl Fn((&Buffer, Side), (&Buffer, Side), Extent) -> CUresult,
) {
    let bytes = pattern(source.len(extent), 1);
    let mut expected = pattern(target.len(extent), 2);
    let from = Buffer::new(context, kinds.0, &bytes);
    let to = Buffer::new(context, kinds.1, &expected);
    run((&from, source), (&to, target), extent).unwrap();
    context.cuCtxSynchronize().unwrap();
    copy_rows(&bytes, source, &mut expected, target, extent);
    assert_bytes(
        &to.read(),
        &expected,
        format_args!("kinds {kinds:?}: {source:?} to {target:?}, {extent:?}"),
    );
}

/// Sides and extents of bounded size, the pitches of any alignment.
fn shapes(planes: bool) -> impl Strategy<Value = (Side, Side, Extent)> {
    let most = if planes { 4_usize } else { 1 };
    let extent = (1_usize..200, 1_usize..12, 1..=most);
    let side = move || (0_usize..20, 0_usize..4, 0..most, 0_usize..40, 0_usize..3);
    (extent, side(), side()).prop_map(move |((width, height, depth), source, target)| {
        let place = |(x, y, z, slack, rows)| Side {
            x,
            y,
            z,
            pitch: x + width + slack,
            rows: y + height + rows,
        };
        (
            place(source),
            place(target),
            Extent {
                width,
                height,
                depth,
            },
        )
    })
}

fn kinds() -> impl Strategy<Value = (usize, usize)> {
    (0..4_usize, 0..4_usize)
}

#[test]
fn any_rectangle_between_any_places_arrives() {
    let context = Context::primary();
    super::property(150, &(kinds(), shapes(false)), |(kinds, shape)| {
        check(&context, kinds, shape, |from, to, extent| {
            context.cuMemcpy2D_v2(&raw const *Box::new(rectangle(from, to, extent)))
        });
    });
}

#[test]
fn any_rectangle_of_any_alignment_arrives_by_the_unaligned_call() {
    let context = Context::primary();
    super::property(60, &(kinds(), shapes(false)), |(kinds, shape)| {
        check(&context, kinds, shape, |from, to, extent| {
            context.cuMemcpy2DUnaligned_v2(&raw const *Box::new(rectangle(from, to, extent)))
        });
    });
}

#[test]
fn any_rectangle_arrives_asynchronously() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    super::property(60, &(kinds(), shapes(false)), |(kinds, shape)| {
        check(&context, kinds, shape, |from, to, extent| {
            // The descriptor is read before the call returns.
            context.cuMemcpy2DAsync_v2(&raw const *Box::new(rectangle(from, to, extent)), stream)
        });
    });
}

#[test]
fn any_box_between_any_places_arrives() {
    let context = Context::primary();
    super::property(100, &(kinds(), shapes(true)), |(kinds, shape)| {
        check(&context, kinds, shape, |from, to, extent| {
            context.cuMemcpy3D_v2(&raw const *Box::new(cuboid(from, to, extent)))
        });
    });
}

#[test]
fn any_box_arrives_asynchronously() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    super::property(60, &(kinds(), shapes(true)), |(kinds, shape)| {
        check(&context, kinds, shape, |from, to, extent| {
            context.cuMemcpy3DAsync_v2(&raw const *Box::new(cuboid(from, to, extent)), stream)
        });
    });
}

const SIDE: Side = Side {
    x: 0,
    y: 0,
    z: 0,
    pitch: 64,
    rows: 8,
};

/// A copy of 8 rows of 64 bytes between two device buffers, changed by `change`.
fn changed_rectangle(context: &Context, change: impl FnOnce(&mut CUDA_MEMCPY2D)) -> CUresult {
    let (from, to) = (
        Buffer::new(context, 2, &[1; 512]),
        Buffer::new(context, 2, &[2; 512]),
    );
    let extent = Extent {
        width: 64,
        height: 8,
        depth: 1,
    };
    let mut copy = rectangle((&from, SIDE), (&to, SIDE), extent);
    change(&mut copy);
    let result = context.cuMemcpy2D_v2(&raw const copy);
    context.assert_works();
    result
}

/// The same with 4 planes of 2 rows.
fn changed_box(context: &Context, change: impl FnOnce(&mut CUDA_MEMCPY3D)) -> CUresult {
    let (from, to) = (
        Buffer::new(context, 2, &[1; 512]),
        Buffer::new(context, 2, &[2; 512]),
    );
    let extent = Extent {
        width: 64,
        height: 2,
        depth: 4,
    };
    let side = Side { rows: 2, ..SIDE };
    let mut copy = cuboid((&from, side), (&to, side), extent);
    change(&mut copy);
    let result = context.cuMemcpy3D_v2(&raw const copy);
    context.assert_works();
    result
}

#[test]
fn a_rectangle_of_nothing_is_copied_at_once() {
    let context = Context::primary();
    assert_eq!(
        changed_rectangle(&context, |copy| copy.WidthInBytes = 0),
        Ok(())
    );
    assert_eq!(changed_rectangle(&context, |copy| copy.Height = 0), Ok(()));
    assert_eq!(changed_box(&context, |copy| copy.Depth = 0), Ok(()));
    assert_eq!(changed_box(&context, |copy| copy.WidthInBytes = 0), Ok(()));
}

#[test]
fn a_rectangle_past_the_end_of_its_allocation_is_refused() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(changed_rectangle(&context, |copy| copy.Height = 9), invalid);
    assert_eq!(changed_rectangle(&context, |copy| copy.srcY = 1), invalid);
    assert_eq!(changed_rectangle(&context, |copy| copy.dstY = 1), invalid);
    assert_eq!(
        changed_rectangle(&context, |copy| copy.dstPitch = 128),
        invalid
    );
    assert_eq!(changed_box(&context, |copy| copy.Depth = 5), invalid);
    assert_eq!(changed_box(&context, |copy| copy.srcZ = 1), invalid);
    assert_eq!(changed_box(&context, |copy| copy.dstHeight = 4), invalid);
}

#[test]
fn rows_longer_than_their_pitch_are_refused() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(
        changed_rectangle(&context, |copy| copy.srcPitch = 63),
        invalid
    );
    assert_eq!(
        changed_rectangle(&context, |copy| copy.dstPitch = 32),
        invalid
    );
    assert_eq!(changed_box(&context, |copy| copy.srcPitch = 63), invalid);
}

#[test]
fn planes_lower_than_the_box_are_refused() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(changed_box(&context, |copy| copy.srcHeight = 1), invalid);
    assert_eq!(changed_box(&context, |copy| copy.dstHeight = 1), invalid);
}

#[test]
fn more_rows_than_memory_holds_are_refused() {
    let context = Context::primary();
    assert!(changed_rectangle(&context, |copy| copy.Height = usize::MAX).is_err());
}

#[test]
fn a_place_that_does_not_exist_is_refused() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(
        changed_rectangle(&context, |copy| copy.srcMemoryType = Place(0)),
        invalid
    );
    assert_eq!(
        changed_rectangle(&context, |copy| copy.dstMemoryType = Place(9)),
        invalid
    );
    assert_eq!(
        changed_rectangle(&context, |copy| copy.srcMemoryType = Place::HOST),
        invalid,
        "the host pointer is null"
    );
    assert_eq!(
        changed_rectangle(&context, |copy| copy.dstDevice = CUdeviceptr::NULL),
        invalid
    );
    assert!(
        changed_rectangle(&context, |copy| copy.srcMemoryType = Place::ARRAY).is_err(),
        "the array is null"
    );
    assert_eq!(
        changed_box(&context, |copy| copy.srcMemoryType = Place(0)),
        invalid
    );
}

#[test]
fn a_descriptor_must_not_be_null() {
    let context = Context::primary();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(context.cuMemcpy2D_v2(null()), invalid);
    assert_eq!(context.cuMemcpy2DUnaligned_v2(null()), invalid);
    assert_eq!(context.cuMemcpy3D_v2(null()), invalid);
    assert_eq!(context.cuMemcpy2DAsync_v2(null(), CUstream::NULL), invalid);
    assert_eq!(context.cuMemcpy3DAsync_v2(null(), CUstream::NULL), invalid);
    context.assert_works();
}

#[test]
fn a_refused_rectangle_writes_nothing() {
    let context = Context::primary();
    let (from, to) = (
        Buffer::new(&context, 2, &[1; 512]),
        Buffer::new(&context, 2, &[2; 512]),
    );
    let copy = rectangle(
        (&from, SIDE),
        (&to, SIDE),
        Extent {
            width: 64,
            height: 9,
            depth: 1,
        },
    );
    assert!(context.cuMemcpy2D_v2(&raw const copy).is_err());
    assert_bytes(&to.read(), &[2; 512], format_args!("contents"));
}

#[test]
fn pitched_allocations_take_rectangles() {
    let context = Context::primary();
    let (width, height) = (1000, 33);
    let (mut address, mut pitch) = (CUdeviceptr::NULL, 0);
    context
        .cuMemAllocPitch_v2(&raw mut address, &raw mut pitch, width, height, 4)
        .unwrap();
    let bytes = Buffer::Host(pattern(width * height, 3));
    let back = Buffer::Host(vec![0; width * height]);
    let packed = Side {
        pitch: width,
        rows: height,
        ..SIDE
    };
    let extent = Extent {
        width,
        height,
        depth: 1,
    };
    let mut there = rectangle((&bytes, packed), (&back, packed), extent);
    (there.dstMemoryType, there.dstDevice, there.dstPitch) = (Place::DEVICE, address, pitch);
    let mut again = rectangle((&bytes, packed), (&back, packed), extent);
    (again.srcMemoryType, again.srcDevice, again.srcPitch) = (Place::DEVICE, address, pitch);
    context.cuMemcpy2D_v2(&raw const there).unwrap();
    context.cuMemcpy2D_v2(&raw const again).unwrap();
    assert_bytes(&back.read(), &bytes.read(), format_args!("contents"));
    context.cuMemFree_v2(address).unwrap();
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// NVIDIA's driver lets an offset wrap around the address space.
    #[test]
    fn dimensions_whose_product_overflows_are_refused() {
        require_pumice();
        let context = Context::primary();
        assert!(changed_rectangle(&context, |copy| copy.srcY = usize::MAX / 32).is_err());
        assert!(changed_rectangle(&context, |copy| copy.WidthInBytes = 1 << 60).is_err());
        assert!(changed_rectangle(&context, |copy| copy.srcPitch = 1 << 60).is_err());
        assert!(changed_box(&context, |copy| copy.Depth = usize::MAX).is_err());
        assert!(changed_box(&context, |copy| copy.srcHeight = 1 << 60).is_err());
    }
}
