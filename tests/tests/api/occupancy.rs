//! Occupancy: how many blocks of a kernel a multiprocessor holds.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUdevice_attribute, CUfunction, CUkernel, CUlibrary};
use tests::context::Context;
use tests::image::{self, terminated};

use super::function;

fn blocks(
    context: &Context,
    function: CUfunction,
    threads: i32,
    shared: usize,
) -> Result<i32, CUerror> {
    let mut blocks = -1;
    context
        .cuOccupancyMaxActiveBlocksPerMultiprocessor(&raw mut blocks, function, threads, shared)
        .map(|()| blocks)
}

/// Grid size and block size of the highest occupancy.
fn best(context: &Context, function: CUfunction, limit: i32) -> (i32, i32) {
    let (mut grid, mut block) = (-1, -1);
    context
        .cuOccupancyMaxPotentialBlockSize(&raw mut grid, &raw mut block, function, None, 0, limit)
        .unwrap();
    (grid, block)
}

#[test]
fn a_multiprocessor_holds_no_more_threads_than_it_has() {
    let context = Context::primary();
    let function = function(&context, "fill");
    let threads_of_multiprocessor =
        context.attribute(CUdevice_attribute::MAX_THREADS_PER_MULTIPROCESSOR);
    for threads in [1, 32, 33, 64, 128, 256, 512, 1024] {
        let blocks = blocks(&context, function, threads, 0).unwrap();
        assert!(blocks >= 1, "{threads} threads");
        assert!(
            blocks * threads <= threads_of_multiprocessor,
            "{blocks} blocks of {threads} threads"
        );
    }
}

#[test]
fn more_shared_memory_leaves_room_for_fewer_blocks() {
    let context = Context::primary();
    let function = function(&context, "reverse");
    let counts: Vec<_> = [0, 1024, 8192, 16_384, 32_768, 40_000]
        .map(|shared| blocks(&context, function, 128, shared).unwrap())
        .into();
    assert!(
        counts.is_sorted_by(|more, fewer| more >= fewer),
        "{counts:?}"
    );
    assert!(counts[0] > *counts.last().unwrap(), "{counts:?}");
    assert!(*counts.last().unwrap() >= 1, "{counts:?}");
}

#[test]
fn what_does_not_fit_has_no_block() {
    let context = Context::primary();
    let function = function(&context, "reverse");
    let (mut shared, most) = (
        0,
        context.attribute(CUdevice_attribute::MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
    );
    assert_eq!(
        blocks(&context, function, 128, most as usize + 1),
        Ok(0),
        "more shared memory than there is"
    );
    context
        .cuOccupancyAvailableDynamicSMemPerBlock(&raw mut shared, function, 1, 128)
        .unwrap();
    assert!(shared > 0);
}

#[test]
fn blocks_above_the_directive_s_size_are_counted_all_the_same() {
    let context = Context::primary();
    let function = function(&context, "reverse");
    for threads in [129, 256] {
        assert!(
            blocks(&context, function, threads, 0).unwrap() >= 1,
            "{threads} threads where .maxntid allows 128"
        );
    }
}

#[test]
fn arguments_are_checked() {
    let context = Context::primary();
    let function = function(&context, "fill");
    let invalid = Err(CUerror::INVALID_VALUE);
    for threads in [0, -1, i32::MIN] {
        assert_eq!(
            blocks(&context, function, threads, 0).map(|_| ()),
            invalid,
            "{threads}"
        );
    }
    let (mut grid, mut block) = (0, 0);
    assert_eq!(
        context.cuOccupancyMaxActiveBlocksPerMultiprocessor(null_mut(), function, 32, 0),
        invalid
    );
    assert_eq!(
        context.cuOccupancyMaxPotentialBlockSize(null_mut(), &raw mut block, function, None, 0, 0),
        invalid
    );
    assert_eq!(
        context.cuOccupancyMaxPotentialBlockSize(&raw mut grid, null_mut(), function, None, 0, 0),
        invalid
    );
    assert!(blocks(&context, CUfunction::NULL, 32, 0).is_err());
    context.assert_works();
}

#[test]
fn flags_are_default_or_disable_the_cache_override() {
    let context = Context::primary();
    let (function, mut blocks) = (function(&context, "fill"), 0);
    for flags in [0, 1] {
        let result = context.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
            &raw mut blocks,
            function,
            256,
            0,
            flags,
        );
        assert_eq!(result, Ok(()), "{flags}");
        assert!(blocks >= 1);
    }
    let result = context.cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        &raw mut blocks,
        function,
        256,
        0,
        0x100,
    );
    assert_eq!(result, Err(CUerror::INVALID_VALUE));
}

#[test]
fn the_suggested_block_can_be_launched() {
    let context = Context::primary();
    for (name, most) in [("fill", 1024), ("reverse", 128)] {
        let (grid, block) = best(&context, function(&context, name), 0);
        assert!(
            (1..=most).contains(&block) && block % 32 == 0,
            "{name}: {block} threads"
        );
        let count = context.attribute(CUdevice_attribute::MULTIPROCESSOR_COUNT);
        assert!(
            grid >= count && grid % count == 0,
            "{name}: {grid} blocks on {count} multiprocessors"
        );
    }
}

#[test]
fn the_suggested_block_obeys_the_limit() {
    let context = Context::primary();
    let function = function(&context, "fill");
    for limit in [32, 100, 256] {
        let (_, block) = best(&context, function, limit);
        assert!(
            (1..=limit).contains(&block),
            "{block} threads, at most {limit}"
        );
    }
}

extern "C" fn bytes_per_thread(threads: i32) -> usize {
    threads as usize * 128
}

#[test]
fn shared_memory_may_depend_on_the_block() {
    let context = Context::primary();
    let (mut grid, mut block) = (0, 0);
    context
        .cuOccupancyMaxPotentialBlockSizeWithFlags(
            &raw mut grid,
            &raw mut block,
            function(&context, "fill"),
            Some(bytes_per_thread),
            0,
            0,
            0,
        )
        .unwrap();
    assert!(
        (32..=48 * 1024 / 128).contains(&block),
        "{block} threads would need {} bytes",
        block * 128
    );
}

#[test]
fn available_shared_memory_shrinks_with_the_number_of_blocks() {
    let context = Context::primary();
    let function = function(&context, "fill");
    let available: Vec<_> = [1, 2, 4]
        .map(|blocks| {
            let mut bytes = 0;
            context
                .cuOccupancyAvailableDynamicSMemPerBlock(&raw mut bytes, function, blocks, 128)
                .unwrap();
            bytes
        })
        .into();
    assert!(
        available.is_sorted_by(|more, less| more >= less),
        "{available:?}"
    );
    assert!(available[0] >= 48 * 1024, "{available:?}");
}

#[test]
fn a_kernel_of_a_library_is_taken_for_a_function() {
    let context = Context::primary();
    let (mut library, mut kernel) = (CUlibrary::NULL, CUkernel::NULL);
    let code = terminated(image::PTX);
    context
        .cuLibraryLoadData(
            &raw mut library,
            code.as_ptr().cast(),
            null_mut(),
            null_mut(),
            0,
            null_mut(),
            null_mut(),
            0,
        )
        .unwrap();
    context
        .cuLibraryGetKernel(&raw mut kernel, library, c"fill".as_ptr())
        .unwrap();
    let of_kernel = blocks(&context, CUfunction(kernel.0), 256, 0);
    assert_eq!(
        of_kernel,
        blocks(&context, function(&context, "fill"), 256, 0)
    );
}
