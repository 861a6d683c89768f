//! The devices, in the order and under the names that libcuda gives them.
//!
//! NVML knows nothing of `CUDA_VISIBLE_DEVICES`: the list is always whole.

use std::sync::Arc;

use abi::nvml::nvmlDevice_t;
use abi::trace;
use identity::{Identity, Kind};

use super::kernel::Kernel;

/// One device.
pub struct Device {
    index: u32,
    identity: Identity,
    physical: vulkan::PhysicalDevice,
    kernel: Kernel,
}

/// Device memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// What the driver API says there is.
    pub total: u64,
    /// What could be allocated.
    pub free: u64,
}

impl Device {
    fn new(index: u32, identity: Identity, physical: vulkan::PhysicalDevice) -> Self {
        let pci = (!identity.synthetic_pci).then_some(identity.pci);
        Self {
            index,
            kernel: Kernel::find(pci, render_node(&physical)),
            identity,
            physical,
        }
    }

    /// The place in the list, from 0.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Name, UUID and PCI address.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What the kernel says of the device.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// PCI's numbers of the vendor and the device.
    pub fn pci_ids(&self) -> (u32, u32) {
        (self.physical.vendor_id(), self.physical.device_id())
    }

    /// The handle that C programs hold.
    pub fn handle(&self) -> nvmlDevice_t {
        nvmlDevice_t(FIRST_HANDLE + HANDLE_STEP * self.index as usize)
    }

    /// The device's memory. Where the kernel accounts for a GPU's own memory,
    /// what other processes hold counts as used; else Vulkan's budget says what
    /// is left to this process.
    pub fn memory(&self) -> Memory {
        let budget = self.physical.memory_budget();
        let accounted = self
            .kernel
            .video_memory()
            .filter(|_| self.identity.kind == Kind::Discrete);
        let free = accounted.map_or(budget.free, |usage| usage.total.saturating_sub(usage.used));
        Memory {
            total: budget.total,
            free: free.min(budget.total),
        }
    }
}

/// Handles look like addresses, and are none.
const FIRST_HANDLE: usize = 0x10_0000;
const HANDLE_STEP: usize = 0x10;

fn render_node(physical: &vulkan::PhysicalDevice) -> Option<(u32, u32)> {
    let node = physical.drm()?.render?;
    Some((node.major.try_into().ok()?, node.minor.try_into().ok()?))
}

/// The devices of a process.
pub struct Devices {
    devices: Vec<Arc<Device>>,
    /// Why there are not more.
    refusals: Vec<String>,
}

impl Devices {
    /// Asks every Vulkan driver for its devices. None is opened.
    pub fn find() -> Self {
        let found = vulkan::enumerate_all();
        let mut refusals: Vec<_> = found.failures.iter().map(ToString::to_string).collect();
        let mut suitable = Vec::new();
        for physical in found.devices {
            match physical.suitability() {
                Ok(()) => suitable.push(physical),
                Err(reason) => refusals.push(reason.to_string()),
            }
        }
        for refusal in &refusals {
            trace::note(format_args!("{refusal}"));
        }
        let devices = (0..).zip(identity::of(&suitable)).map(|(index, identity)| {
            let physical = suitable[identity.index].clone();
            Arc::new(Device::new(index, identity, physical))
        });
        Self {
            devices: devices.collect(),
            refusals,
        }
    }

    /// The number of devices.
    pub fn len(&self) -> u32 {
        u32::try_from(self.devices.len()).unwrap_or(u32::MAX)
    }

    /// Whether there is no device.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// Says why there is no device.
    pub fn explain_absence(&self) {
        trace::log(format_args!(
            "no GPU for NVML: no Vulkan driver here offers a suitable device"
        ));
        for refusal in &self.refusals {
            trace::log(format_args!("{refusal}"));
        }
    }

    /// The device at a place in the list.
    pub fn get(&self, index: u32) -> Option<Arc<Device>> {
        self.devices.get(index as usize).cloned()
    }

    /// The device that a handle names.
    pub fn by_handle(&self, handle: nvmlDevice_t) -> Option<Arc<Device>> {
        self.find_by(|device| device.handle() == handle)
    }

    /// The first device that `matches`.
    pub fn find_by(&self, matches: impl Fn(&Device) -> bool) -> Option<Arc<Device>> {
        self.devices.iter().find(|device| matches(device)).cloned()
    }
}
