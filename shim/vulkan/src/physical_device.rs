//! A device as a driver reports it, before it is opened: identity, limits,
//! features, and whether it is fit for use. Everything is read once, when
//! devices are enumerated.

use std::cmp::Reverse;
use std::ffi::CStr;
use std::fmt;
use std::sync::Arc;

use ash::{amd, arm, ext, nv, vk};
use serde::Serialize;

use crate::compute_units::VendorCounts;
use crate::error::{At, Error};
use crate::extensions::Extensions;
use crate::features::{self, FeatureChain, Features, FloatAndDot};
use crate::host_memory;
use crate::instance::Instance;
use crate::limits::{Limits, Subgroup};
use crate::suitability::{Candidate, Unsuitable};

/// A device of a driver. A clone is another reference to the same device.
#[derive(Clone)]
pub struct PhysicalDevice(Arc<Inner>);

struct Inner {
    instance: Arc<Instance>,
    handle: vk::PhysicalDevice,
    identity: Identity,
    limits: Limits,
    subgroup: Subgroup,
    features: Features,
    chain: FeatureChain,
    extensions: Extensions,
    memory: vk::PhysicalDeviceMemoryProperties,
    queue_families: Vec<vk::QueueFamilyProperties>,
    compute_units: u32,
    memory_total: u64,
    suitability: Result<(), Unsuitable>,
    pipeline_cache_uuid: [u8; 16],
}

struct Identity {
    name: String,
    kind: Kind,
    driver: Driver,
    api_version: u32,
    vendor_id: u32,
    device_id: u32,
    device_uuid: [u8; 16],
    pci: Option<PciAddress>,
    drm: Option<Drm>,
}

/// `VkPhysicalDeviceType`, in the order in which devices are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Kind {
    Discrete,
    Integrated,
    Virtual,
    Other,
    Cpu,
}

/// Which driver answers for a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Driver {
    /// `VkDriverId`.
    pub id: i32,
    pub name: String,
    /// Free text that holds the version as people know it.
    pub info: String,
    /// `driverVersion`, in the vendor's own packing.
    pub version: u32,
    pub uuid: [u8; 16],
    /// Version of the conformance test suite that it passed.
    pub conformance: [u8; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PciAddress {
    pub domain: u32,
    pub bus: u32,
    pub device: u32,
    pub function: u32,
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04x}:{:02x}:{:02x}.{:x}",
            self.domain, self.bus, self.device, self.function
        )
    }
}

/// Numbers of a device's kernel nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Drm {
    pub primary: Option<NodeNumber>,
    pub render: Option<NodeNumber>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NodeNumber {
    pub major: i64,
    pub minor: i64,
}

/// Device memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryBudget {
    pub total: u64,
    /// What this process could still allocate.
    pub free: u64,
}

impl PhysicalDevice {
    pub(crate) fn new(
        instance: &Arc<Instance>,
        handle: vk::PhysicalDevice,
    ) -> Result<PhysicalDevice, Error> {
        let raw = instance.raw();
        // SAFETY: the handle is this instance's, here and in the calls below.
        let offered = unsafe { raw.enumerate_device_extension_properties(handle) }
            .at("vkEnumerateDeviceExtensionProperties")?;
        let extensions = Extensions::of(&offered);
        // SAFETY: as above.
        let core = unsafe { raw.get_physical_device_properties(handle) };
        let properties = Properties::query(raw, handle, &core, &extensions);
        let chain = if core.api_version >= vk::API_VERSION_1_3 {
            FeatureChain::query(raw, handle, &extensions)
        } else {
            FeatureChain::default()
        };
        // SAFETY: as above.
        let memory = unsafe { raw.get_physical_device_memory_properties(handle) };
        // SAFETY: as above.
        let queue_families = unsafe { raw.get_physical_device_queue_family_properties(handle) };

        let identity = properties.identity(&core);
        let subgroup = Subgroup::new(&properties.v11, &properties.v13);
        let candidate = Candidate {
            device: &identity.name,
            driver: &identity.driver,
            api_version: core.api_version,
            features: &chain,
            subgroup: &subgroup,
            compute_queue: queue_families
                .iter()
                .any(|f| f.queue_flags.contains(vk::QueueFlags::COMPUTE)),
        };
        let suitability = candidate.judge();
        let matrices = features::cooperative_matrices(instance.entry(), raw, handle, &extensions);
        let float_and_dot = FloatAndDot {
            v12: &properties.v12,
            v13: &properties.v13,
        };
        Ok(PhysicalDevice(Arc::new(Inner {
            limits: properties.limits(&core),
            compute_units: properties.counts.units(properties.v12.driver_id),
            memory_total: memory_total(&memory, identity.kind),
            features: chain.summary(&extensions, &float_and_dot, matrices),
            instance: instance.clone(),
            handle,
            identity,
            subgroup,
            chain,
            extensions,
            memory,
            queue_families,
            suitability,
            pipeline_cache_uuid: core.pipeline_cache_uuid,
        })))
    }

    pub fn name(&self) -> &str {
        &self.0.identity.name
    }

    pub fn kind(&self) -> Kind {
        self.0.identity.kind
    }

    pub fn driver(&self) -> &Driver {
        &self.0.identity.driver
    }

    /// Whether this is Mesa's CPU device, whose addresses are host pointers.
    pub fn is_lavapipe(&self) -> bool {
        self.driver().id == vk::DriverId::MESA_LLVMPIPE.as_raw()
    }

    /// Where the driver came from: the name of its closure's directory, or
    /// `system loader`.
    pub fn driver_source(&self) -> &str {
        self.0.instance.driver()
    }

    /// Major, minor, patch.
    pub fn api_version(&self) -> (u32, u32, u32) {
        let version = self.0.identity.api_version;
        (
            vk::api_version_major(version),
            vk::api_version_minor(version),
            vk::api_version_patch(version),
        )
    }

    pub fn vendor_id(&self) -> u32 {
        self.0.identity.vendor_id
    }

    pub fn device_id(&self) -> u32 {
        self.0.identity.device_id
    }

    pub fn device_uuid(&self) -> [u8; 16] {
        self.0.identity.device_uuid
    }

    /// `VK_EXT_pci_bus_info`; `None` where there is no bus.
    pub fn pci(&self) -> Option<PciAddress> {
        self.0.identity.pci
    }

    /// `VK_EXT_physical_device_drm`; `None` where there is no kernel node.
    pub fn drm(&self) -> Option<Drm> {
        self.0.identity.drm
    }

    /// Streaming multiprocessors, compute units, cores: what the vendor counts.
    /// Constant in a process.
    pub fn compute_units(&self) -> u32 {
        self.0.compute_units
    }

    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub fn subgroup(&self) -> &Subgroup {
        &self.0.subgroup
    }

    pub fn features(&self) -> &Features {
        &self.0.features
    }

    /// Bytes of device-local memory; on a CPU, what this process may use.
    pub fn memory_total(&self) -> u64 {
        self.0.memory_total
    }

    /// Total and free memory, without opening the device.
    pub fn memory_budget(&self) -> MemoryBudget {
        self.heap_budget(largest_local_heap(&self.0.memory))
    }

    /// The same where `heap` is the one that device memory is taken from.
    pub(crate) fn heap_budget(&self, heap: usize) -> MemoryBudget {
        let total = self.memory_total();
        let free = if self.kind() == Kind::Cpu {
            host_memory::available()
        } else {
            self.heap_free(heap)
        };
        MemoryBudget {
            total,
            free: free.unwrap_or(total).min(total),
        }
    }

    fn heap_free(&self, heap: usize) -> Option<u64> {
        if !self.features().memory_budget {
            return None;
        }
        let mut budget = vk::PhysicalDeviceMemoryBudgetPropertiesEXT::default();
        let mut head = vk::PhysicalDeviceMemoryProperties2::default().push_next(&mut budget);
        let instance = self.instance().raw();
        // SAFETY: the device is this instance's and offers the extension.
        unsafe { instance.get_physical_device_memory_properties2(self.handle(), &mut head) };
        Some(budget.heap_budget[heap].saturating_sub(budget.heap_usage[heap]))
    }

    /// Whether [`crate::Device::open`] would accept the device, and if not why.
    pub fn suitability(&self) -> Result<(), Unsuitable> {
        self.0.suitability.clone()
    }

    pub(crate) fn pipeline_cache_uuid(&self) -> [u8; 16] {
        self.0.pipeline_cache_uuid
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.0.instance
    }

    pub(crate) fn handle(&self) -> vk::PhysicalDevice {
        self.0.handle
    }

    pub(crate) fn chain(&self) -> &FeatureChain {
        &self.0.chain
    }

    pub(crate) fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    pub(crate) fn memory(&self) -> &vk::PhysicalDeviceMemoryProperties {
        &self.0.memory
    }

    pub(crate) fn queue_families(&self) -> &[vk::QueueFamilyProperties] {
        &self.0.queue_families
    }

    /// Real GPUs before CPUs, each kind by PCI address; the rest in the
    /// drivers' order (the sort is stable).
    pub(crate) fn sort_key(&self) -> (Kind, Reverse<bool>, Option<PciAddress>) {
        (self.kind(), Reverse(self.pci().is_some()), self.pci())
    }

    /// Two drivers' views of one device: the same bus address, or where there
    /// is none the same UUIDs.
    pub(crate) fn same_device(&self, other: &PhysicalDevice) -> bool {
        match (self.pci(), other.pci()) {
            (Some(mine), Some(its)) => mine == its,
            (None, None) => {
                self.device_uuid() == other.device_uuid()
                    && self.driver().uuid == other.driver().uuid
            }
            _ => false,
        }
    }
}

impl fmt::Debug for PhysicalDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PhysicalDevice")
            .field("name", &self.name())
            .field("driver", self.driver())
            .finish()
    }
}

/// Property structures of one device, read in one call.
struct Properties {
    v11: vk::PhysicalDeviceVulkan11Properties<'static>,
    v12: vk::PhysicalDeviceVulkan12Properties<'static>,
    v13: vk::PhysicalDeviceVulkan13Properties<'static>,
    pci: Option<PciAddress>,
    drm: Option<Drm>,
    host_pointer_alignment: u64,
    counts: VendorCounts,
}

impl Properties {
    fn query(
        instance: &ash::Instance,
        handle: vk::PhysicalDevice,
        core: &vk::PhysicalDeviceProperties,
        offered: &Extensions,
    ) -> Properties {
        let mut v11 = vk::PhysicalDeviceVulkan11Properties::default();
        let mut v12 = vk::PhysicalDeviceVulkan12Properties::default();
        let mut v13 = vk::PhysicalDeviceVulkan13Properties::default();
        let mut pci = vk::PhysicalDevicePCIBusInfoPropertiesEXT::default();
        let mut drm = vk::PhysicalDeviceDrmPropertiesEXT::default();
        let mut host = vk::PhysicalDeviceExternalMemoryHostPropertiesEXT::default();
        let mut sm = vk::PhysicalDeviceShaderSMBuiltinsPropertiesNV::default();
        let mut amd1 = vk::PhysicalDeviceShaderCorePropertiesAMD::default();
        let mut amd2 = vk::PhysicalDeviceShaderCoreProperties2AMD::default();
        let mut arm1 = vk::PhysicalDeviceShaderCoreBuiltinsPropertiesARM::default();
        let mut head = vk::PhysicalDeviceProperties2::default();
        if core.api_version >= vk::API_VERSION_1_2 {
            head = head.push_next(&mut v11).push_next(&mut v12);
        }
        if core.api_version >= vk::API_VERSION_1_3 {
            head = head.push_next(&mut v13);
        }
        macro_rules! link {
            ($($extension:expr => $structure:ident,)*) => {
                $(if offered.has($extension) { head = head.push_next(&mut $structure); })*
            };
        }
        link! {
            ext::pci_bus_info::NAME => pci,
            ext::physical_device_drm::NAME => drm,
            ext::external_memory_host::NAME => host,
            nv::shader_sm_builtins::NAME => sm,
            amd::shader_core_properties::NAME => amd1,
            amd::shader_core_properties2::NAME => amd2,
            arm::shader_core_builtins::NAME => arm1,
        }
        // SAFETY: the chain holds structures of the device's version and of
        // extensions that it offers, all alive across the call.
        unsafe { instance.get_physical_device_properties2(handle, &mut head) };

        let has = |name: &CStr| offered.has(name);
        let cut = std::ptr::null_mut();
        Properties {
            pci: has(ext::pci_bus_info::NAME).then(|| pci_address(&pci)),
            drm: has(ext::physical_device_drm::NAME)
                .then(|| drm_numbers(&drm))
                .flatten(),
            host_pointer_alignment: host.min_imported_host_pointer_alignment,
            counts: VendorCounts {
                nvidia_sms: has(nv::shader_sm_builtins::NAME).then_some(sm.shader_sm_count),
                amd_active: has(amd::shader_core_properties2::NAME)
                    .then_some(amd2.active_compute_unit_count),
                amd_total: has(amd::shader_core_properties::NAME).then_some(
                    amd1.shader_engine_count
                        * amd1.shader_arrays_per_engine_count
                        * amd1.compute_units_per_shader_array,
                ),
                arm_cores: has(arm::shader_core_builtins::NAME).then_some(arm1.shader_core_count),
            },
            v11: vk::PhysicalDeviceVulkan11Properties {
                p_next: cut,
                _marker: Default::default(),
                ..v11
            },
            v12: vk::PhysicalDeviceVulkan12Properties {
                p_next: cut,
                _marker: Default::default(),
                ..v12
            },
            v13: vk::PhysicalDeviceVulkan13Properties {
                p_next: cut,
                _marker: Default::default(),
                ..v13
            },
        }
    }

    fn identity(&self, core: &vk::PhysicalDeviceProperties) -> Identity {
        let conformance = self.v12.conformance_version;
        Identity {
            name: text(core.device_name_as_c_str()),
            kind: Kind::from(core.device_type),
            driver: Driver {
                id: self.v12.driver_id.as_raw(),
                name: text(self.v12.driver_name_as_c_str()),
                info: text(self.v12.driver_info_as_c_str()),
                version: core.driver_version,
                uuid: self.v11.driver_uuid,
                conformance: [
                    conformance.major,
                    conformance.minor,
                    conformance.subminor,
                    conformance.patch,
                ],
            },
            api_version: core.api_version,
            vendor_id: core.vendor_id,
            device_id: core.device_id,
            device_uuid: self.v11.device_uuid,
            pci: self.pci,
            drm: self.drm,
        }
    }

    fn limits(&self, core: &vk::PhysicalDeviceProperties) -> Limits {
        Limits::new(
            &core.limits,
            self.v11.max_memory_allocation_size,
            &self.v13,
            self.host_pointer_alignment,
            self.v12.driver_id,
        )
    }
}

fn text<E>(name: Result<&CStr, E>) -> String {
    name.map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn pci_address(info: &vk::PhysicalDevicePCIBusInfoPropertiesEXT<'_>) -> PciAddress {
    PciAddress {
        domain: info.pci_domain,
        bus: info.pci_bus,
        device: info.pci_device,
        function: info.pci_function,
    }
}

fn drm_numbers(info: &vk::PhysicalDeviceDrmPropertiesEXT<'_>) -> Option<Drm> {
    let primary = NodeNumber {
        major: info.primary_major,
        minor: info.primary_minor,
    };
    let render = NodeNumber {
        major: info.render_major,
        minor: info.render_minor,
    };
    let drm = Drm {
        primary: (info.has_primary == vk::TRUE).then_some(primary),
        render: (info.has_render == vk::TRUE).then_some(render),
    };
    (drm.primary.is_some() || drm.render.is_some()).then_some(drm)
}

impl From<vk::PhysicalDeviceType> for Kind {
    fn from(value: vk::PhysicalDeviceType) -> Kind {
        match value {
            vk::PhysicalDeviceType::DISCRETE_GPU => Kind::Discrete,
            vk::PhysicalDeviceType::INTEGRATED_GPU => Kind::Integrated,
            vk::PhysicalDeviceType::VIRTUAL_GPU => Kind::Virtual,
            vk::PhysicalDeviceType::CPU => Kind::Cpu,
            _ => Kind::Other,
        }
    }
}

/// The heap that holds the device's memory.
fn largest_local_heap(memory: &vk::PhysicalDeviceMemoryProperties) -> usize {
    let heaps = memory.memory_heaps_as_slice();
    let local = (0..heaps.len()).filter(|&heap| {
        heaps[heap]
            .flags
            .contains(vk::MemoryHeapFlags::DEVICE_LOCAL)
    });
    local.max_by_key(|&heap| heaps[heap].size).unwrap_or(0)
}

fn memory_total(memory: &vk::PhysicalDeviceMemoryProperties, kind: Kind) -> u64 {
    let heap = memory.memory_heaps[largest_local_heap(memory)].size;
    match (kind, host_memory::limit()) {
        (Kind::Cpu, Some(limit)) => heap.min(limit),
        _ => heap,
    }
}
