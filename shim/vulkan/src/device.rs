//! An open device: the owner of everything that is created on it.

use std::ffi::CStr;
use std::fmt;
use std::sync::{Arc, Mutex};

use ash::{ext, vk};

use crate::cache::PipelineCache;
use crate::debug::trace;
use crate::error::{At, Error};
use crate::memory::Pools;
use crate::physical_device::{Kind, MemoryBudget, PhysicalDevice};
use crate::queue::{Family, QueueState, Retired};
use crate::recorder::CommandSlots;
use crate::timestamp::TimestampSlots;

/// A device that is open. Shared by all threads; whatever is created on it
/// holds it open.
pub struct Device {
    families: Vec<Family>,
    queues: Vec<Mutex<QueueState>>,
    retired: Mutex<Vec<Retired>>,
    command_slots: CommandSlots,
    timestamps: TimestampSlots,
    pools: Pools,
    pipeline_cache: PipelineCache,
    host_import: Option<ext::external_memory_host::Device>,
    /// Fields are dropped in this order: the device, then its instance.
    raw: Raw,
    physical: PhysicalDevice,
}

/// Owns the `VkDevice`, also while [`Device::open`] may still fail.
struct Raw(ash::Device);

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: everything that was created on the device is destroyed.
        unsafe { self.0.destroy_device(None) }
    }
}

/// More queues than this are not asked for: each costs its driver memory, and
/// no more run at a time on the devices measured.
const QUEUES: u32 = 8;

impl Device {
    /// Opens a suitable device, with every feature that it reported switched
    /// on, and all the queues of its best family for compute.
    pub fn open(physical: &PhysicalDevice) -> Result<Arc<Device>, Error> {
        physical.suitability()?;
        let families = Family::choose(physical.queue_families(), QUEUES);
        let raw = Raw(create(physical, &families)?);
        trace!(
            "{}: open, {} queues",
            physical.name(),
            families.iter().map(|f| f.count).sum::<u32>()
        );
        let queues = families.iter().enumerate().flat_map(|(index, family)| {
            let raw = &raw.0;
            (0..family.count).map(move |n| {
                // SAFETY: the device was created with `count` queues of this family.
                Mutex::new(QueueState::new(
                    unsafe { raw.get_device_queue(family.index, n) },
                    index,
                ))
            })
        });
        let queues = queues.collect();
        let pools = Pools::new(physical, &raw.0)?;
        let host_import = physical
            .features()
            .external_memory_host
            .then(|| ext::external_memory_host::Device::new(physical.instance().raw(), &raw.0));
        Ok(Arc::new(Device {
            pools,
            pipeline_cache: PipelineCache::new(&raw.0)?,
            command_slots: CommandSlots::default(),
            timestamps: TimestampSlots::default(),
            physical: physical.clone(),
            raw,
            families,
            queues,
            retired: Mutex::default(),
            host_import,
        }))
    }

    pub fn physical(&self) -> &PhysicalDevice {
        &self.physical
    }

    /// Total and free memory: the driver's own account
    /// (`VK_EXT_memory_budget`), or on a CPU the host's.
    pub fn memory_budget(&self) -> MemoryBudget {
        let budget = self.physical.heap_budget(self.pools.device_heap());
        let left = match self.physical.kind() {
            Kind::Cpu => self.pools.host_free(),
            _ => self.pools.untaken(),
        };
        MemoryBudget {
            free: budget.free.min(left),
            ..budget
        }
    }

    /// Waits until all queues are idle.
    pub fn wait_idle(&self) -> Result<(), Error> {
        let _all: Vec<_> = self.queues.iter().map(crate::sync::lock).collect();
        // SAFETY: every queue's lock is held, as the call demands.
        unsafe { self.raw().device_wait_idle() }.at("vkDeviceWaitIdle")
    }

    /// A timestamp's ticks in nanoseconds.
    pub(crate) fn nanoseconds(&self, ticks: u64) -> u64 {
        let bits = self.families[0].timestamp_bits;
        let ticks = if bits >= 64 {
            ticks
        } else {
            ticks & ((1 << bits) - 1)
        };
        let picoseconds =
            u128::from(ticks) * u128::from(self.physical.limits().timestamp_period_ps);
        u64::try_from(picoseconds / 1000).unwrap_or(u64::MAX)
    }

    pub(crate) fn raw(&self) -> &ash::Device {
        &self.raw.0
    }

    pub(crate) fn families(&self) -> &[Family] {
        &self.families
    }

    pub(crate) fn retired(&self) -> &Mutex<Vec<Retired>> {
        &self.retired
    }

    pub(crate) fn queue_states(&self) -> &[Mutex<QueueState>] {
        &self.queues
    }

    pub(crate) fn command_slots(&self) -> &CommandSlots {
        &self.command_slots
    }

    pub(crate) fn timestamps(&self) -> &TimestampSlots {
        &self.timestamps
    }

    pub(crate) fn pools(&self) -> &Pools {
        &self.pools
    }

    pub(crate) fn pipeline_cache(&self) -> &PipelineCache {
        &self.pipeline_cache
    }

    pub(crate) fn host_import(&self) -> Option<&ext::external_memory_host::Device> {
        self.host_import.as_ref()
    }
}

fn create(physical: &PhysicalDevice, families: &[Family]) -> Result<ash::Device, Error> {
    let priorities = [1.0; QUEUES as usize];
    let queues: Vec<_> = families
        .iter()
        .map(|family| {
            vk::DeviceQueueCreateInfo::default()
                .queue_family_index(family.index)
                .queue_priorities(&priorities[..family.count as usize])
        })
        .collect();
    let extensions: Vec<_> = physical.extensions().iter().map(CStr::as_ptr).collect();
    let instance = physical.instance().raw();
    physical
        .chain()
        .to_enable()
        .visit(physical.extensions(), |features| {
            let info = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .push_next(features);
            // SAFETY: the handle is this instance's; the extensions and features
            // are those that the device reported; all pointers live across the call.
            unsafe { instance.create_device(physical.handle(), &info, None) }.at("vkCreateDevice")
        })
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("name", &self.physical.name())
            .finish()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let raw = &self.raw.0;
        // SAFETY: everything that is created on a device holds it, so nobody
        // else uses it now. A lost device cannot be waited for; its objects
        // may be destroyed all the same.
        let _ = unsafe { raw.device_wait_idle() };
        for retired in crate::sync::lock(&self.retired).drain(..) {
            // SAFETY: as above.
            unsafe { raw.destroy_semaphore(retired.semaphore, None) }
        }
        self.command_slots.destroy(raw);
        self.pools.destroy(raw);
        self.timestamps.destroy(raw);
        self.pipeline_cache.destroy(raw);
    }
}
