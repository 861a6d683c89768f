//! Filling memory with a pattern.

use std::sync::Arc;

use abi::{CUerror, CUresult};

use crate::core::copy::Mode;
use crate::core::memory::Located;
use crate::core::stream::Stream;

/// Rows of `width` bytes, `pitch` bytes apart.
pub struct Area {
    pub start: Located,
    pub width: u64,
    pub rows: u64,
    pub pitch: u64,
}

/// Fills an area in the order of `stream`.
///
/// # Errors
/// `INVALID_VALUE` if the area leaves its allocation; the status of a device that
/// failed.
pub fn fill(stream: &Arc<Stream>, area: &Area, pattern: vulkan::Pattern, mode: Mode) -> CUresult {
    let span = area
        .pitch
        .checked_mul(area.rows - 1)
        .and_then(|rows| rows.checked_add(area.width));
    let span = span.filter(|&span| span <= area.start.remaining());
    let slice = area
        .start
        .block
        .slice(area.start.offset, span.ok_or(CUerror::INVALID_VALUE)?)?;
    stream.record(|recorder| {
        if area.rows == 1 {
            return recorder.fill(&slice, pattern);
        }
        let rows = vulkan::Rows {
            slice,
            pitch: area.pitch,
        };
        recorder.fill_rows(&rows, area.width, area.rows, pattern)
    })?;
    // Filling device memory does not hold the caller up, as documented; host
    // memory is filled when the call returns.
    let host = area.start.block.host.is_some();
    if host && mode == Mode::Synchronous {
        stream.synchronize()
    } else {
        Ok(())
    }
}
