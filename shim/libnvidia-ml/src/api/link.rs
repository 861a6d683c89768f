//! The PCI Express link.

use std::sync::Arc;

use abi::nvml::nvmlBusType_t;
use abi::{NvmlError, Out, nvmlReturn_t};

use super::{OrUnsupported, sysfs};
use crate::core::device::Device;
use crate::core::link::Link;
use crate::core::sysfs::Directory;

pub fn nvmlDeviceGetBusType(device: Arc<Device>, type_: Out<nvmlBusType_t>) -> nvmlReturn_t {
    let linked = device
        .kernel()
        .directory()
        .and_then(Link::of_device)
        .is_some();
    type_.write(match (device.identity().synthetic_pci, linked) {
        (true, _) => nvmlBusType_t::UNKNOWN,
        (false, true) => nvmlBusType_t::PCIE,
        (false, false) => nvmlBusType_t::PCI,
    });
    Ok(())
}

pub fn nvmlDeviceGetCurrPcieLinkGeneration(
    device: Arc<Device>,
    currLinkGen: Out<u32>,
) -> nvmlReturn_t {
    currLinkGen.write(
        link(&device, Link::current)?
            .generation()
            .or_unsupported()?,
    );
    Ok(())
}

pub fn nvmlDeviceGetCurrPcieLinkWidth(
    device: Arc<Device>,
    currLinkWidth: Out<u32>,
) -> nvmlReturn_t {
    currLinkWidth.write(link(&device, Link::current)?.width);
    Ok(())
}

/// The best of device and slot together.
pub fn nvmlDeviceGetMaxPcieLinkGeneration(
    device: Arc<Device>,
    maxLinkGen: Out<u32>,
) -> nvmlReturn_t {
    maxLinkGen.write(
        link(&device, Link::of_slot)?
            .generation()
            .or_unsupported()?,
    );
    Ok(())
}

/// The best of the device, whatever the slot.
pub fn nvmlDeviceGetGpuMaxPcieLinkGeneration(
    device: Arc<Device>,
    maxLinkGenDevice: Out<u32>,
) -> nvmlReturn_t {
    maxLinkGenDevice.write(
        link(&device, Link::of_device)?
            .generation()
            .or_unsupported()?,
    );
    Ok(())
}

pub fn nvmlDeviceGetMaxPcieLinkWidth(device: Arc<Device>, maxLinkWidth: Out<u32>) -> nvmlReturn_t {
    maxLinkWidth.write(link(&device, Link::of_slot)?.width);
    Ok(())
}

/// Megabits per second and lane.
pub fn nvmlDeviceGetPcieSpeed(device: Arc<Device>, pcieSpeed: Out<u32>) -> nvmlReturn_t {
    pcieSpeed.write(link(&device, Link::current)?.megatransfers);
    Ok(())
}

/// amdgpu counts them; other drivers do not.
pub fn nvmlDeviceGetPcieReplayCounter(device: Arc<Device>, value: Out<u32>) -> nvmlReturn_t {
    value.write(
        sysfs(&device)?
            .number("pcie_replay_count")
            .or_unsupported()?,
    );
    Ok(())
}

fn link(device: &Device, state: impl Fn(&Directory) -> Option<Link>) -> Result<Link, NvmlError> {
    state(sysfs(device)?).or_unsupported()
}
