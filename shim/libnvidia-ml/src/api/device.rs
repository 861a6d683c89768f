//! Devices: which there are, and what never changes about one.

use std::ffi::CStr;
use std::fs;
use std::sync::Arc;

use abi::cuda::CUuuid;
use abi::nvml::*;
use abi::persona::Persona;
use abi::{InOut, NvmlError, Out, nvmlReturn_t};
use identity::{Kind, PciAddress};

use super::{OrUnsupported, sysfs};
use crate::arguments::{Buffer, In, check_version};
use crate::core::device::Device;
use crate::library;

pub fn nvmlDeviceGetCount_v2(deviceCount: Out<u32>) -> nvmlReturn_t {
    deviceCount.write(library::devices()?.len());
    Ok(())
}

pub fn nvmlDeviceGetHandleByIndex_v2(index: u32, device: Out<nvmlDevice_t>) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if index is not below the count.
    let found = library::devices()?
        .get(index)
        .ok_or(NvmlError::INVALID_ARGUMENT)?;
    device.write(found.handle());
    Ok(())
}

pub fn nvmlDeviceGetHandleBySerial(_serial: &CStr, _device: Out<nvmlDevice_t>) -> nvmlReturn_t {
    // NVML_ERROR_NOT_FOUND if no device has the serial number: none has one.
    Err(NvmlError::NOT_FOUND)
}

/// With or without the `GPU-` in front.
pub fn nvmlDeviceGetHandleByUUID(uuid: &CStr, device: Out<nvmlDevice_t>) -> nvmlReturn_t {
    let wanted = uuid.to_bytes();
    find(device, |known| {
        let text = known.identity().uuid.to_string();
        wanted == text.as_bytes() || wanted == text.trim_start_matches("GPU-").as_bytes()
    })
}

pub fn nvmlDeviceGetHandleByUUIDV(
    uuid: In<nvmlUUID_v1_t>,
    device: Out<nvmlDevice_t>,
) -> nvmlReturn_t {
    let In(uuid) = uuid;
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH if the version is not supported.
    check_version::<nvmlUUID_v1_t>(uuid.version, 1)?;
    match nvmlUUIDType_t(uuid.type_) {
        nvmlUUIDType_t::ASCII => {
            let text = uuid.value.to_bytes();
            find(device, |known| {
                text == known.identity().uuid.to_string().as_bytes()
            })
        }
        nvmlUUIDType_t::BINARY => {
            let wanted = uuid.bytes().map(|bytes| CUuuid { bytes });
            find(device, |known| wanted == Some(known.identity().uuid))
        }
        // NVML_ERROR_INVALID_ARGUMENT if the type is none of these.
        _ => Err(NvmlError::INVALID_ARGUMENT),
    }
}

pub fn nvmlDeviceGetHandleByPciBusId_v2(
    pciBusId: &CStr,
    device: Out<nvmlDevice_t>,
) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if pciBusId is not an address.
    let text = pciBusId.to_str().map_err(|_| NvmlError::INVALID_ARGUMENT)?;
    let address = PciAddress::parse(text).ok_or(NvmlError::INVALID_ARGUMENT)?;
    find(device, |known| {
        known.identity().pci.triple() == address.triple()
    })
}

/// NVML_ERROR_NOT_FOUND if no device matches.
fn find(device: Out<nvmlDevice_t>, matches: impl Fn(&Device) -> bool) -> nvmlReturn_t {
    let found = library::devices()?
        .find_by(matches)
        .ok_or(NvmlError::NOT_FOUND)?;
    device.write(found.handle());
    Ok(())
}

pub fn nvmlDeviceGetName(device: Arc<Device>, name: Buffer, length: u32) -> nvmlReturn_t {
    name.write(length, &device.identity().name)
}

pub fn nvmlDeviceGetUUID(device: Arc<Device>, uuid: Buffer, length: u32) -> nvmlReturn_t {
    uuid.write(length, &device.identity().uuid.to_string())
}

pub fn nvmlDeviceGetIndex(device: Arc<Device>, index: Out<u32>) -> nvmlReturn_t {
    index.write(device.index());
    Ok(())
}

/// The number of the render node, from 0; of a device without one, its index.
pub fn nvmlDeviceGetMinorNumber(device: Arc<Device>, minorNumber: Out<u32>) -> nvmlReturn_t {
    minorNumber.write(device.kernel().minor().unwrap_or(device.index()));
    Ok(())
}

/// Vendor number of NVIDIA, whose devices have a brand here.
const NVIDIA: u32 = 0x10de;

pub fn nvmlDeviceGetBrand(device: Arc<Device>, type_: Out<nvmlBrandType_t>) -> nvmlReturn_t {
    let (vendor, _) = device.pci_ids();
    type_.write(if vendor == NVIDIA {
        nvmlBrandType_t::NVIDIA
    } else {
        nvmlBrandType_t::UNKNOWN
    });
    Ok(())
}

/// The architecture that the reported compute capability belongs to.
pub fn nvmlDeviceGetArchitecture(
    _device: Arc<Device>,
    arch: Out<nvmlDeviceArchitecture_t>,
) -> nvmlReturn_t {
    let persona = Persona::of_process();
    arch.write(match (persona.major, persona.minor) {
        (5, _) => nvmlDeviceArchitecture_t::MAXWELL,
        (6, _) => nvmlDeviceArchitecture_t::PASCAL,
        (7, 0..=4) => nvmlDeviceArchitecture_t::VOLTA,
        (7, _) => nvmlDeviceArchitecture_t::TURING,
        (8, 9) => nvmlDeviceArchitecture_t::ADA,
        (8, _) => nvmlDeviceArchitecture_t::AMPERE,
        (9, _) => nvmlDeviceArchitecture_t::HOPPER,
        (10.., _) => nvmlDeviceArchitecture_t::BLACKWELL,
        _ => nvmlDeviceArchitecture_t::UNKNOWN,
    });
    Ok(())
}

pub fn nvmlDeviceGetCudaComputeCapability(
    _device: Arc<Device>,
    major: Out<i32>,
    minor: Out<i32>,
) -> nvmlReturn_t {
    let persona = Persona::of_process();
    major.write(persona.major.cast_signed());
    minor.write(persona.minor.cast_signed());
    Ok(())
}

pub fn nvmlDeviceGetPciInfo(device: Arc<Device>, pci: Out<nvmlPciInfo_v1_t>) -> nvmlReturn_t {
    let info = pci_info(&device);
    pci.write(nvmlPciInfo_v1_t {
        busId: info.busIdLegacy,
        domain: info.domain,
        bus: info.bus,
        device: info.device,
        pciDeviceId: info.pciDeviceId,
    });
    Ok(())
}

pub fn nvmlDeviceGetPciInfo_v2(device: Arc<Device>, pci: Out<nvmlPciInfo_v2_t>) -> nvmlReturn_t {
    let info = pci_info(&device);
    pci.write(nvmlPciInfo_v2_t {
        busId: info.busIdLegacy,
        domain: info.domain,
        bus: info.bus,
        device: info.device,
        pciDeviceId: info.pciDeviceId,
        pciSubSystemId: info.pciSubSystemId,
    });
    Ok(())
}

pub fn nvmlDeviceGetPciInfo_v3(device: Arc<Device>, pci: Out<nvmlPciInfo_t>) -> nvmlReturn_t {
    pci.write(pci_info(&device));
    Ok(())
}

pub fn nvmlDeviceGetPciInfoExt(
    device: Arc<Device>,
    pci: InOut<nvmlPciInfoExt_v1_t>,
) -> nvmlReturn_t {
    let version = pci.read().version;
    // NVML_ERROR_ARGUMENT_VERSION_MISMATCH if the version is not supported.
    check_version::<nvmlPciInfoExt_v1_t>(version, 1)?;
    let info = pci_info(&device);
    let class = device
        .kernel()
        .directory()
        .and_then(|sysfs| sysfs.hexadecimal("class"))
        .unwrap_or(0);
    pci.write(nvmlPciInfoExt_v1_t {
        version,
        domain: info.domain,
        bus: info.bus,
        device: info.device,
        pciDeviceId: info.pciDeviceId,
        pciSubSystemId: info.pciSubSystemId,
        baseClass: class >> 16 & 0xff,
        subClass: class >> 8 & 0xff,
        busId: info.busId,
    });
    Ok(())
}

fn pci_info(device: &Device) -> nvmlPciInfo_t {
    let pci = device.identity().pci;
    let (domain, bus, slot) = pci.triple();
    // A Vulkan vendor number above 16 bits is Khronos', not PCI's.
    let (vendor, id) = device.pci_ids();
    let subsystem = |name| {
        device
            .kernel()
            .directory()
            .and_then(|sysfs| sysfs.hexadecimal(name))
            .unwrap_or(0)
    };
    nvmlPciInfo_t {
        busIdLegacy: Text::new(&pci.to_string()),
        domain,
        bus: bus.into(),
        device: slot.into(),
        pciDeviceId: (id & 0xffff) << 16 | vendor & 0xffff,
        pciSubSystemId: subsystem("subsystem_device") << 16 | subsystem("subsystem_vendor"),
        busId: Text::new(&format!("{domain:08X}:{bus:02X}:{slot:02X}.0")),
    }
}

/// A number that differs between boards: the PCI address.
pub fn nvmlDeviceGetBoardId(device: Arc<Device>, boardId: Out<u32>) -> nvmlReturn_t {
    let (domain, bus, slot) = device.identity().pci.triple();
    boardId.write(domain << 16 | u32::from(bus) << 8 | u32::from(slot));
    Ok(())
}

/// No board here is known to carry two devices.
pub fn nvmlDeviceGetMultiGpuBoard(_device: Arc<Device>, multiGpuBool: Out<u32>) -> nvmlReturn_t {
    multiGpuBool.write(0);
    Ok(())
}

pub fn nvmlDeviceOnSameBoard(
    device1: Arc<Device>,
    device2: Arc<Device>,
    onSameBoard: Out<i32>,
) -> nvmlReturn_t {
    onSameBoard.write(i32::from(device1.index() == device2.index()));
    Ok(())
}

/// Peer access is not offered, neither here nor by our driver API.
pub fn nvmlDeviceGetP2PStatus(
    _device1: Arc<Device>,
    _device2: Arc<Device>,
    p2pIndex: nvmlGpuP2PCapsIndex_t,
    p2pStatus: Out<nvmlGpuP2PStatus_t>,
) -> nvmlReturn_t {
    // NVML_ERROR_INVALID_ARGUMENT if p2pIndex is invalid.
    if p2pIndex > nvmlGpuP2PCapsIndex_t::PROP {
        return Err(NvmlError::INVALID_ARGUMENT);
    }
    p2pStatus.write(nvmlGpuP2PStatus_t::NOT_SUPPORTED);
    Ok(())
}

pub fn nvmlDeviceGetIrqNum(device: Arc<Device>, irqNum: Out<u32>) -> nvmlReturn_t {
    irqNum.write(sysfs(&device)?.number("irq").or_unsupported()?);
    Ok(())
}

/// amdgpu tells it; other drivers do not.
pub fn nvmlDeviceGetVbiosVersion(
    device: Arc<Device>,
    version: Buffer,
    length: u32,
) -> nvmlReturn_t {
    version.write(
        length,
        &sysfs(&device)?.text("vbios_version").or_unsupported()?,
    )
}

/// A GPU in a virtual machine is lent as a whole unless Vulkan says otherwise.
pub fn nvmlDeviceGetVirtualizationMode(
    device: Arc<Device>,
    pVirtualMode: Out<nvmlGpuVirtualizationMode_t>,
) -> nvmlReturn_t {
    pVirtualMode.write(match device.identity().kind {
        Kind::Virtual => nvmlGpuVirtualizationMode_t::VGPU,
        Kind::Discrete | Kind::Integrated if in_virtual_machine() => {
            nvmlGpuVirtualizationMode_t::PASSTHROUGH
        }
        _ => nvmlGpuVirtualizationMode_t::NONE,
    });
    Ok(())
}

/// Whether the processor says that a hypervisor runs this machine.
fn in_virtual_machine() -> bool {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processors.lines().any(|line| {
        line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor")
    })
}

/// No device is partitioned.
pub fn nvmlDeviceIsMigDeviceHandle(_device: Arc<Device>, isMigDevice: Out<u32>) -> nvmlReturn_t {
    isMigDevice.write(0);
    Ok(())
}

/// No device can be partitioned.
pub fn nvmlDeviceGetMaxMigDeviceCount(_device: Arc<Device>, count: Out<u32>) -> nvmlReturn_t {
    count.write(0);
    Ok(())
}

/// Any number of processes may use a device; it cannot be set otherwise.
pub fn nvmlDeviceGetComputeMode(
    _device: Arc<Device>,
    mode: Out<nvmlComputeMode_t>,
) -> nvmlReturn_t {
    mode.write(nvmlComputeMode_t::DEFAULT);
    Ok(())
}

/// The kernel's drivers stay loaded when their last client leaves.
pub fn nvmlDeviceGetPersistenceMode(
    _device: Arc<Device>,
    mode: Out<nvmlEnableState_t>,
) -> nvmlReturn_t {
    mode.write(nvmlEnableState_t::ENABLED);
    Ok(())
}

/// Whether a display is connected.
pub fn nvmlDeviceGetDisplayMode(
    device: Arc<Device>,
    display: Out<nvmlEnableState_t>,
) -> nvmlReturn_t {
    display.write(state(device.kernel().display().connected));
    Ok(())
}

/// Whether a display shows a picture.
pub fn nvmlDeviceGetDisplayActive(
    device: Arc<Device>,
    isActive: Out<nvmlEnableState_t>,
) -> nvmlReturn_t {
    isActive.write(state(device.kernel().display().active));
    Ok(())
}

fn state(on: bool) -> nvmlEnableState_t {
    if on {
        nvmlEnableState_t::ENABLED
    } else {
        nvmlEnableState_t::DISABLED
    }
}
