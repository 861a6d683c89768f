//! Driver API manual, "Device Management", with the deprecated calls.

use std::ffi::{CStr, c_char};

use abi::cuda::*;
use abi::{CUerror, CUresult, Out};
use identity::PciAddress;

use crate::core::attributes::MAX_PITCH;
use crate::core::device::Device;
use crate::handles::OutArray;
use crate::process;

pub fn cuDeviceGet(device: Out<CUdevice>, ordinal: i32) -> CUresult {
    // CUDA_ERROR_INVALID_DEVICE if there are not that many devices.
    device.write(process::devices()?.get(ordinal)?.ordinal());
    Ok(())
}

pub fn cuDeviceGetCount(count: Out<i32>) -> CUresult {
    let devices = process::devices()?.iter().count();
    count.write(i32::try_from(devices).unwrap_or(i32::MAX));
    Ok(())
}

pub fn cuDeviceGetName(name: OutArray<c_char>, len: i32, device: &'static Device) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if name is null or len is not positive.
    let name = name.with_len(positive(len)?)?;
    // A name that is longer than the caller's buffer is shortened, as documented.
    name.write_str(&device.identity().name);
    Ok(())
}

fn positive(len: i32) -> Result<usize, CUerror> {
    usize::try_from(len)
        .ok()
        .filter(|&len| len > 0)
        .ok_or(CUerror::INVALID_VALUE)
}

pub fn cuDeviceGetUuid(uuid: Out<CUuuid>, device: &'static Device) -> CUresult {
    uuid.write(device.identity().uuid);
    Ok(())
}

pub fn cuDeviceGetUuid_v2(uuid: Out<CUuuid>, device: &'static Device) -> CUresult {
    cuDeviceGetUuid(uuid, device)
}

pub fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: &'static Device) -> CUresult {
    bytes.write(usize::try_from(device.total_memory()).unwrap_or(usize::MAX));
    Ok(())
}

pub fn cuDeviceGetAttribute(
    value: Out<i32>,
    attribute: CUdevice_attribute,
    device: &'static Device,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such attribute.
    value.write(
        device
            .traits()
            .attribute(attribute)
            .ok_or(CUerror::INVALID_VALUE)?,
    );
    Ok(())
}

pub fn cuDeviceGetProperties(properties: Out<CUdevprop>, device: &'static Device) -> CUresult {
    let get = |attribute| device.traits().attribute(attribute).unwrap_or(0);
    use CUdevice_attribute as Attribute;
    properties.write(CUdevprop {
        maxThreadsPerBlock: get(Attribute::MAX_THREADS_PER_BLOCK),
        maxThreadsDim: [
            Attribute::MAX_BLOCK_DIM_X,
            Attribute::MAX_BLOCK_DIM_Y,
            Attribute::MAX_BLOCK_DIM_Z,
        ]
        .map(get),
        maxGridSize: [
            Attribute::MAX_GRID_DIM_X,
            Attribute::MAX_GRID_DIM_Y,
            Attribute::MAX_GRID_DIM_Z,
        ]
        .map(get),
        sharedMemPerBlock: get(Attribute::MAX_SHARED_MEMORY_PER_BLOCK),
        totalConstantMemory: get(Attribute::TOTAL_CONSTANT_MEMORY),
        SIMDWidth: get(Attribute::WARP_SIZE),
        memPitch: MAX_PITCH,
        regsPerBlock: get(Attribute::MAX_REGISTERS_PER_BLOCK),
        clockRate: get(Attribute::CLOCK_RATE),
        textureAlign: get(Attribute::TEXTURE_ALIGNMENT),
    });
    Ok(())
}

pub fn cuDeviceComputeCapability(
    major: Out<i32>,
    minor: Out<i32>,
    device: &'static Device,
) -> CUresult {
    let persona = device.traits().persona;
    major.write(persona.major.cast_signed());
    minor.write(persona.minor.cast_signed());
    Ok(())
}

pub fn cuDeviceGetByPCIBusId(device: Out<CUdevice>, id: &CStr) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the text is not a PCI address.
    let text = id.to_str().map_err(|_| CUerror::INVALID_VALUE)?;
    let address = PciAddress::parse(text)
        .ok_or(CUerror::INVALID_VALUE)?
        .triple();
    // CUDA_ERROR_INVALID_DEVICE if no device is there.
    let found = process::devices()?
        .iter()
        .find(|device| device.identity().pci.triple() == address);
    device.write(found.ok_or(CUerror::INVALID_DEVICE)?.ordinal());
    Ok(())
}

pub fn cuDeviceGetPCIBusId(id: OutArray<c_char>, len: i32, device: &'static Device) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the text does not fit.
    let id = id.with_len(positive(len)?)?;
    let whole = id.write_str(&device.identity().pci.to_string());
    if whole {
        Ok(())
    } else {
        Err(CUerror::INVALID_VALUE)
    }
}

pub fn cuDeviceGetExecAffinitySupport(
    supported: Out<i32>,
    kind: CUexecAffinityType,
    _device: &'static Device,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such kind of affinity.
    if kind != CUexecAffinityType::SM_COUNT {
        return Err(CUerror::INVALID_VALUE);
    }
    supported.write(0);
    Ok(())
}

pub fn cuDeviceGetTexture1DLinearMaxWidth(
    _width: Out<usize>,
    _format: CUarray_format,
    _channels: u32,
    _device: &'static Device,
) -> CUresult {
    // There are no textures here.
    Err(CUerror::NOT_SUPPORTED)
}
