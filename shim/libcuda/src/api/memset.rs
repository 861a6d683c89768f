//! Driver API manual, "Memory Management": filling memory.

use std::sync::Arc;

use abi::cuda::CUdeviceptr;
use abi::{CUerror, CUresult};
use vulkan::Pattern;

use crate::core::context;
use crate::core::copy::Mode;
use crate::core::fill::{self, Area};
use crate::core::memory;
use crate::core::stream::Stream;

/// Bytes of one element.
fn width(pattern: Pattern) -> u64 {
    match pattern {
        Pattern::U8(_) => 1,
        Pattern::U16(_) => 2,
        Pattern::U32(_) => 4,
    }
}

fn line(
    stream: &Arc<Stream>,
    address: CUdeviceptr,
    pattern: Pattern,
    count: usize,
    mode: Mode,
) -> CUresult {
    rectangle(stream, (address, 0), pattern, (count, 1), mode)
}

/// Fills `columns` elements of each of `rows` rows, `pitch` bytes apart.
fn rectangle(
    stream: &Arc<Stream>,
    (address, pitch): (CUdeviceptr, usize),
    pattern: Pattern,
    (columns, rows): (usize, usize),
    mode: Mode,
) -> CUresult {
    let element = width(pattern);
    // CUDA_ERROR_INVALID_VALUE if address or pitch is not a multiple of the element.
    if !(address.0 as u64).is_multiple_of(element)
        || rows > 1 && !(pitch as u64).is_multiple_of(element)
    {
        return Err(CUerror::INVALID_VALUE);
    }
    if columns == 0 || rows == 0 {
        return Ok(());
    }
    let width = (columns as u64)
        .checked_mul(element)
        .ok_or(CUerror::INVALID_VALUE)?;
    // CUDA_ERROR_INVALID_VALUE if rows overlap.
    if rows > 1 && (pitch as u64) < width {
        return Err(CUerror::INVALID_VALUE);
    }
    let device = context::current()?.device();
    // CUDA_ERROR_INVALID_VALUE if the area is not in one allocation.
    let start = memory::find_unified(device, address).ok_or(CUerror::INVALID_VALUE)?;
    fill::fill(
        stream,
        &Area {
            start,
            width,
            rows: rows as u64,
            pitch: pitch as u64,
        },
        pattern,
        mode,
    )
}

pub fn cuMemsetD8_v2(address: CUdeviceptr, value: u8, count: usize) -> CUresult {
    line(
        &Stream::default()?,
        address,
        Pattern::U8(value),
        count,
        Mode::Synchronous,
    )
}

pub fn cuMemsetD16_v2(address: CUdeviceptr, value: u16, count: usize) -> CUresult {
    line(
        &Stream::default()?,
        address,
        Pattern::U16(value),
        count,
        Mode::Synchronous,
    )
}

pub fn cuMemsetD32_v2(address: CUdeviceptr, value: u32, count: usize) -> CUresult {
    line(
        &Stream::default()?,
        address,
        Pattern::U32(value),
        count,
        Mode::Synchronous,
    )
}

pub fn cuMemsetD2D8_v2(
    address: CUdeviceptr,
    pitch: usize,
    value: u8,
    columns: usize,
    rows: usize,
) -> CUresult {
    let (stream, area) = (Stream::default()?, (columns, rows));
    rectangle(
        &stream,
        (address, pitch),
        Pattern::U8(value),
        area,
        Mode::Synchronous,
    )
}

pub fn cuMemsetD2D16_v2(
    address: CUdeviceptr,
    pitch: usize,
    value: u16,
    columns: usize,
    rows: usize,
) -> CUresult {
    let (stream, area) = (Stream::default()?, (columns, rows));
    rectangle(
        &stream,
        (address, pitch),
        Pattern::U16(value),
        area,
        Mode::Synchronous,
    )
}

pub fn cuMemsetD2D32_v2(
    address: CUdeviceptr,
    pitch: usize,
    value: u32,
    columns: usize,
    rows: usize,
) -> CUresult {
    let (stream, area) = (Stream::default()?, (columns, rows));
    rectangle(
        &stream,
        (address, pitch),
        Pattern::U32(value),
        area,
        Mode::Synchronous,
    )
}

pub fn cuMemsetD8Async(
    address: CUdeviceptr,
    value: u8,
    count: usize,
    stream: Arc<Stream>,
) -> CUresult {
    line(
        &stream,
        address,
        Pattern::U8(value),
        count,
        Mode::Asynchronous,
    )
}

pub fn cuMemsetD16Async(
    address: CUdeviceptr,
    value: u16,
    count: usize,
    stream: Arc<Stream>,
) -> CUresult {
    line(
        &stream,
        address,
        Pattern::U16(value),
        count,
        Mode::Asynchronous,
    )
}

pub fn cuMemsetD32Async(
    address: CUdeviceptr,
    value: u32,
    count: usize,
    stream: Arc<Stream>,
) -> CUresult {
    line(
        &stream,
        address,
        Pattern::U32(value),
        count,
        Mode::Asynchronous,
    )
}

pub fn cuMemsetD2D8Async(
    address: CUdeviceptr,
    pitch: usize,
    value: u8,
    columns: usize,
    rows: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let area = (columns, rows);
    rectangle(
        &stream,
        (address, pitch),
        Pattern::U8(value),
        area,
        Mode::Asynchronous,
    )
}

pub fn cuMemsetD2D16Async(
    address: CUdeviceptr,
    pitch: usize,
    value: u16,
    columns: usize,
    rows: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let area = (columns, rows);
    rectangle(
        &stream,
        (address, pitch),
        Pattern::U16(value),
        area,
        Mode::Asynchronous,
    )
}

pub fn cuMemsetD2D32Async(
    address: CUdeviceptr,
    pitch: usize,
    value: u32,
    columns: usize,
    rows: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let area = (columns, rows);
    rectangle(
        &stream,
        (address, pitch),
        Pattern::U32(value),
        area,
        Mode::Asynchronous,
    )
}
