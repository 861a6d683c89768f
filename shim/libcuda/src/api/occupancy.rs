//! Driver API manual, "Occupancy".

use std::sync::Arc;

use abi::cuda::CUoccupancyB2DSize;
use abi::{CUerror, CUresult, Out};

use crate::core::attributes::Multiprocessor;
use crate::core::callback;
use crate::core::context::Owned;
use crate::core::function::Function;
use crate::core::occupancy;

/// `CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE`.
const FLAGS: u32 = 0x1;

pub fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
    blocks: Out<i32>,
    function: Arc<Function>,
    block_size: i32,
    dynamic_shared: usize,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the block is empty.
    let block_size = u32::try_from(block_size).ok().filter(|&size| size > 0);
    let block_size = block_size.ok_or(CUerror::INVALID_VALUE)?;
    let active = occupancy::active_blocks(&function, block_size, dynamic_shared as u64)?;
    blocks.write(active.cast_signed());
    Ok(())
}

pub fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    blocks: Out<i32>,
    function: Arc<Function>,
    block_size: i32,
    dynamic_shared: usize,
    flags: u32,
) -> CUresult {
    check_flags(flags)?;
    cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks, function, block_size, dynamic_shared)
}

/// CUDA_ERROR_INVALID_VALUE if a flag is unknown.
fn check_flags(flags: u32) -> CUresult {
    if flags & !FLAGS != 0 {
        Err(CUerror::INVALID_VALUE)
    } else {
        Ok(())
    }
}

pub fn cuOccupancyMaxPotentialBlockSize(
    grid_size: Out<i32>,
    block_size: Out<i32>,
    function: Arc<Function>,
    shared_of_block: CUoccupancyB2DSize,
    dynamic_shared: usize,
    limit: i32,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the limit is negative.
    let limit = u32::try_from(limit).map_err(|_| CUerror::INVALID_VALUE)?;
    let shared = |block| match shared_of_block {
        Some(shared_of_block) => callback::shared_of_block(shared_of_block, block),
        None => dynamic_shared as u64,
    };
    let (grid, block) = occupancy::best_block(&function, limit, shared)?;
    grid_size.write(grid.cast_signed());
    block_size.write(block.cast_signed());
    Ok(())
}

pub fn cuOccupancyMaxPotentialBlockSizeWithFlags(
    grid_size: Out<i32>,
    block_size: Out<i32>,
    function: Arc<Function>,
    shared_of_block: CUoccupancyB2DSize,
    dynamic_shared: usize,
    limit: i32,
    flags: u32,
) -> CUresult {
    check_flags(flags)?;
    let shared = shared_of_block;
    cuOccupancyMaxPotentialBlockSize(
        grid_size,
        block_size,
        function,
        shared,
        dynamic_shared,
        limit,
    )
}

pub fn cuOccupancyAvailableDynamicSMemPerBlock(
    bytes: Out<usize>,
    function: Arc<Function>,
    blocks: i32,
    block_size: i32,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there are no blocks or they are empty.
    let blocks = u64::try_from(blocks).ok().filter(|&blocks| blocks > 0);
    let blocks = blocks.ok_or(CUerror::INVALID_VALUE)?;
    if block_size <= 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    let traits = function.module()?.resources()?.device.traits();
    let all = u64::from(Multiprocessor::of(traits.persona).shared_memory);
    let most = u64::from(traits.shared_memory_optin().unsigned_abs());
    let available = (all / blocks)
        .min(most)
        .saturating_sub(function.shared_bytes());
    bytes.write(usize::try_from(available).unwrap_or(usize::MAX));
    Ok(())
}
