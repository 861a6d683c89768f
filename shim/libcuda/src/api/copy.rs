//! Driver API manual, "Memory Management": copies.

use std::sync::Arc;

use abi::cuda::*;
use abi::{CUerror, CUresult};

use crate::core::attributes::MAX_PITCH;
use crate::core::context::{self, Context};
use crate::core::copy::{self, Extent, Mode, Place, Side};
use crate::core::memory;
use crate::core::stream::Stream;
use crate::handles::{HostPtr, In};

/// An address in device memory, or in host memory that the driver knows.
fn device_place(address: CUdeviceptr) -> Result<Place, CUerror> {
    let device = context::current()?.device();
    // CUDA_ERROR_INVALID_VALUE if the address is in no allocation.
    memory::find_unified(device, address)
        .map(Place::Device)
        .ok_or(CUerror::INVALID_VALUE)
}

fn host_place(pointer: HostPtr) -> Result<Place, CUerror> {
    // CUDA_ERROR_INVALID_VALUE if the pointer is null.
    if pointer.is_null() {
        Err(CUerror::INVALID_VALUE)
    } else {
        Ok(Place::Host(pointer))
    }
}

/// An address of either kind: what the driver does not know is the program's.
fn unified_place(address: CUdeviceptr) -> Result<Place, CUerror> {
    match device_place(address) {
        Err(CUerror::INVALID_VALUE) => host_place(HostPtr(address.0 as *mut _)),
        place => place,
    }
}

fn line(
    stream: &Arc<Stream>,
    destination: Result<Place, CUerror>,
    source: Result<Place, CUerror>,
    len: usize,
    mode: Mode,
) -> CUresult {
    // Nothing to copy needs no valid address.
    if len == 0 {
        return Ok(());
    }
    let (destination, source) = (Side::line(destination?), Side::line(source?));
    copy::copy(stream, destination, source, Extent::line(len as u64), mode)
}

pub fn cuMemcpy(destination: CUdeviceptr, source: CUdeviceptr, len: usize) -> CUresult {
    let (to, from) = (unified_place(destination), unified_place(source));
    line(&Stream::default()?, to, from, len, Mode::Synchronous)
}

pub fn cuMemcpyPeer(
    destination: CUdeviceptr,
    _destination_context: Arc<Context>,
    source: CUdeviceptr,
    _source_context: Arc<Context>,
    len: usize,
) -> CUresult {
    let (to, from) = (device_place(destination), device_place(source));
    line(&Stream::default()?, to, from, len, Mode::Synchronous)
}

pub fn cuMemcpyHtoD_v2(destination: CUdeviceptr, source: HostPtr, len: usize) -> CUresult {
    let (to, from) = (device_place(destination), host_place(source));
    line(&Stream::default()?, to, from, len, Mode::Synchronous)
}

pub fn cuMemcpyDtoH_v2(destination: HostPtr, source: CUdeviceptr, len: usize) -> CUresult {
    let (to, from) = (host_place(destination), device_place(source));
    line(&Stream::default()?, to, from, len, Mode::Synchronous)
}

pub fn cuMemcpyDtoD_v2(destination: CUdeviceptr, source: CUdeviceptr, len: usize) -> CUresult {
    let (to, from) = (device_place(destination), device_place(source));
    line(&Stream::default()?, to, from, len, Mode::Asynchronous)
}

pub fn cuMemcpyAsync(
    destination: CUdeviceptr,
    source: CUdeviceptr,
    len: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let (to, from) = (unified_place(destination), unified_place(source));
    line(&stream, to, from, len, Mode::Asynchronous)
}

pub fn cuMemcpyPeerAsync(
    destination: CUdeviceptr,
    _destination_context: Arc<Context>,
    source: CUdeviceptr,
    _source_context: Arc<Context>,
    len: usize,
    stream: Arc<Stream>,
) -> CUresult {
    cuMemcpyDtoDAsync_v2(destination, source, len, stream)
}

pub fn cuMemcpyHtoDAsync_v2(
    destination: CUdeviceptr,
    source: HostPtr,
    len: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let (to, from) = (device_place(destination), host_place(source));
    line(&stream, to, from, len, Mode::Asynchronous)
}

pub fn cuMemcpyDtoHAsync_v2(
    destination: HostPtr,
    source: CUdeviceptr,
    len: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let (to, from) = (host_place(destination), device_place(source));
    line(&stream, to, from, len, Mode::Asynchronous)
}

pub fn cuMemcpyDtoDAsync_v2(
    destination: CUdeviceptr,
    source: CUdeviceptr,
    len: usize,
    stream: Arc<Stream>,
) -> CUresult {
    let (to, from) = (device_place(destination), device_place(source));
    line(&stream, to, from, len, Mode::Asynchronous)
}

pub fn cuMemcpy2D_v2(copy: In<CUDA_MEMCPY2D>) -> CUresult {
    rectangle(&copy.0, &Stream::default()?, Mode::Synchronous)
}

/// As `cuMemcpy2D`: no pitch is too odd here.
pub fn cuMemcpy2DUnaligned_v2(copy: In<CUDA_MEMCPY2D>) -> CUresult {
    cuMemcpy2D_v2(copy)
}

pub fn cuMemcpy2DAsync_v2(copy: In<CUDA_MEMCPY2D>, stream: Arc<Stream>) -> CUresult {
    rectangle(&copy.0, &stream, Mode::Asynchronous)
}

pub fn cuMemcpy3D_v2(copy: In<CUDA_MEMCPY3D>) -> CUresult {
    cuboid(&copy.0, &Stream::default()?, Mode::Synchronous)
}

pub fn cuMemcpy3DAsync_v2(copy: In<CUDA_MEMCPY3D>, stream: Arc<Stream>) -> CUresult {
    cuboid(&copy.0, &stream, Mode::Asynchronous)
}

/// One side of a 2D or 3D copy, as the structures describe it.
struct Description {
    memory: CUmemorytype,
    host: HostPtr,
    device: CUdeviceptr,
    x: usize,
    y: usize,
    z: usize,
    pitch: usize,
    height: usize,
}

impl Description {
    fn side(&self, extent: Extent) -> Result<Side, CUerror> {
        let row_pitch = if self.pitch == 0 {
            extent.width
        } else {
            self.pitch as u64
        };
        // CUDA_ERROR_INVALID_VALUE if rows overlap, or the pitch is above the limit.
        if extent.height > 1 && row_pitch < extent.width || row_pitch > MAX_PITCH as u64 {
            return Err(CUerror::INVALID_VALUE);
        }
        let rows = if self.height == 0 {
            extent.height
        } else {
            self.height as u64
        };
        // CUDA_ERROR_INVALID_VALUE if layers overlap.
        if extent.depth > 1 && rows < extent.height {
            return Err(CUerror::INVALID_VALUE);
        }
        let layer_pitch = row_pitch.checked_mul(rows).ok_or(CUerror::INVALID_VALUE)?;
        let offset = self
            .offset(row_pitch, layer_pitch)
            .ok_or(CUerror::INVALID_VALUE)?;
        Ok(Side {
            place: self.place(offset)?,
            row_pitch,
            layer_pitch,
        })
    }

    fn offset(&self, row_pitch: u64, layer_pitch: u64) -> Option<u64> {
        let layers = layer_pitch.checked_mul(self.z as u64)?;
        let rows = row_pitch.checked_mul(self.y as u64)?;
        layers.checked_add(rows)?.checked_add(self.x as u64)
    }

    fn place(&self, offset: u64) -> Result<Place, CUerror> {
        let offset = usize::try_from(offset).map_err(|_| CUerror::INVALID_VALUE)?;
        let moved = |address: CUdeviceptr| CUdeviceptr(address.0.wrapping_add(offset));
        match self.memory {
            CUmemorytype::HOST => {
                host_place(self.host)?;
                host_place(crate::core::host_memory::offset(self.host, offset as u64))
            }
            CUmemorytype::DEVICE => device_place(moved(self.device)),
            CUmemorytype::UNIFIED => unified_place(moved(self.device)),
            // CUDA_ERROR_NOT_SUPPORTED: there are no arrays here.
            CUmemorytype::ARRAY => Err(CUerror::NOT_SUPPORTED),
            // CUDA_ERROR_INVALID_VALUE if there is no such kind of memory.
            _ => Err(CUerror::INVALID_VALUE),
        }
    }
}

fn run(
    destination: &Description,
    source: &Description,
    extent: Extent,
    stream: &Arc<Stream>,
    mode: Mode,
) -> CUresult {
    if extent.width == 0 || extent.height == 0 || extent.depth == 0 {
        return Ok(());
    }
    copy::copy(
        stream,
        destination.side(extent)?,
        source.side(extent)?,
        extent,
        mode,
    )
}

fn rectangle(copy: &CUDA_MEMCPY2D, stream: &Arc<Stream>, mode: Mode) -> CUresult {
    let source = Description {
        memory: copy.srcMemoryType,
        host: HostPtr(copy.srcHost.cast_mut()),
        device: copy.srcDevice,
        x: copy.srcXInBytes,
        y: copy.srcY,
        z: 0,
        pitch: copy.srcPitch,
        height: 0,
    };
    let destination = Description {
        memory: copy.dstMemoryType,
        host: HostPtr(copy.dstHost),
        device: copy.dstDevice,
        x: copy.dstXInBytes,
        y: copy.dstY,
        z: 0,
        pitch: copy.dstPitch,
        height: 0,
    };
    let extent = Extent {
        width: copy.WidthInBytes as u64,
        height: copy.Height as u64,
        depth: 1,
    };
    run(&destination, &source, extent, stream, mode)
}

fn cuboid(copy: &CUDA_MEMCPY3D, stream: &Arc<Stream>, mode: Mode) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a mipmap level is named or a reserved field set.
    let reserved = copy.reserved0.is_null() && copy.reserved1.is_null();
    if copy.srcLOD != 0 || copy.dstLOD != 0 || !reserved {
        return Err(CUerror::INVALID_VALUE);
    }
    let source = Description {
        memory: copy.srcMemoryType,
        host: HostPtr(copy.srcHost.cast_mut()),
        device: copy.srcDevice,
        x: copy.srcXInBytes,
        y: copy.srcY,
        z: copy.srcZ,
        pitch: copy.srcPitch,
        height: copy.srcHeight,
    };
    let destination = Description {
        memory: copy.dstMemoryType,
        host: HostPtr(copy.dstHost),
        device: copy.dstDevice,
        x: copy.dstXInBytes,
        y: copy.dstY,
        z: copy.dstZ,
        pitch: copy.dstPitch,
        height: copy.dstHeight,
    };
    let extent = Extent {
        width: copy.WidthInBytes as u64,
        height: copy.Height as u64,
        depth: copy.Depth as u64,
    };
    run(&destination, &source, extent, stream, mode)
}
