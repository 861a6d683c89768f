//! Occupancy: how many blocks of a kernel fit on a multiprocessor, by the limits of
//! the compute capability that the device claims.

use abi::CUerror;

use crate::core::attributes::Multiprocessor;
use crate::core::context::Owned;
use crate::core::function::Function;

/// A warp's registers are given out in units of this many.
const REGISTER_UNIT: u32 = 256;
/// Lanes of a warp.
const WARP: u32 = 32;

/// Blocks of `block_size` threads with `dynamic_shared` bytes each that a
/// multiprocessor holds at a time.
///
/// # Errors
/// `INVALID_HANDLE` once the function's module is unloaded.
pub fn active_blocks(
    function: &Function,
    block_size: u32,
    dynamic_shared: u64,
) -> Result<u32, CUerror> {
    let device = function.module()?.resources()?.device;
    let traits = device.traits();
    let multiprocessor = Multiprocessor::of(traits.persona);
    // `.maxntid` forbids a launch, but NVIDIA's driver counts such blocks all the same.
    if block_size > traits.max_threads_per_block().unsigned_abs() {
        return Ok(0);
    }
    let warps = block_size.div_ceil(WARP);
    // No launch may ask for more, unless the program raises the function's limit.
    if dynamic_shared > function.max_dynamic_shared()? {
        return Ok(0);
    }
    let shared = function.shared_bytes() + dynamic_shared;
    let registers = (function.registers() * WARP).next_multiple_of(REGISTER_UNIT);
    let by_threads = multiprocessor.threads / (warps * WARP);
    let by_registers = multiprocessor.registers / registers / warps;
    let by_shared = u64::from(multiprocessor.shared_memory).checked_div(shared);
    let by_shared = by_shared.map_or(u32::MAX, |blocks| u32::try_from(blocks).unwrap_or(u32::MAX));
    Ok(multiprocessor
        .blocks
        .min(by_threads)
        .min(by_registers)
        .min(by_shared))
}

/// The block size with the most threads on a multiprocessor, the larger of equals,
/// and how many blocks fill the device.
///
/// # Errors
/// `INVALID_HANDLE` once the function's module is unloaded.
pub fn best_block(
    function: &Function,
    limit: u32,
    dynamic_shared: impl Fn(u32) -> u64,
) -> Result<(u32, u32), CUerror> {
    let device = function.module()?.resources()?.device;
    // A block is suggested in order to be launched.
    let exact = function.entry().limits.exact_block();
    let exact = exact.map_or(u32::MAX, |block| {
        block.into_iter().fold(1, u32::saturating_mul)
    });
    let most = function
        .max_threads()?
        .min(exact)
        .min(if limit == 0 { u32::MAX } else { limit });
    let mut best = (0, 0, 0);
    for block in (1..=most.div_ceil(WARP))
        .rev()
        .map(|warps| (warps * WARP).min(most))
    {
        let blocks = active_blocks(function, block, dynamic_shared(block))?;
        if blocks * block > best.0 {
            best = (blocks * block, block, blocks);
        }
    }
    let (_, block, blocks) = best;
    Ok((blocks * device.traits().compute_units.max(1), block))
}
