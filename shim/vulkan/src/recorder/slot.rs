//! Command buffers, each with a pool of its own, used again when their work
//! is done.

use std::any::Any;
use std::sync::{Arc, Mutex};

use ash::vk;

use crate::device::Device;
use crate::error::{At, Error};
use crate::memory::Allocation;
use crate::pipeline::Pipeline;
use crate::sync::lock;
use crate::timestamp::Timestamp;

/// A command buffer with the pool it alone uses, and what its commands name.
pub(crate) struct CommandSlot {
    pub family: usize,
    pool: vk::CommandPool,
    pub buffer: vk::CommandBuffer,
    kept: Vec<Kept>,
}

/// Held until the commands that use it are done.
pub(crate) enum Kept {
    Allocation(Arc<Allocation>),
    Pipeline(Arc<Pipeline>),
    Timestamp(Arc<Timestamp>),
    Other(Arc<dyn Any + Send + Sync>),
}

impl Kept {
    fn is_same(&self, other: &Kept) -> bool {
        match (self, other) {
            (Kept::Allocation(a), Kept::Allocation(b)) => Arc::ptr_eq(a, b),
            (Kept::Pipeline(a), Kept::Pipeline(b)) => Arc::ptr_eq(a, b),
            (Kept::Timestamp(a), Kept::Timestamp(b)) => Arc::ptr_eq(a, b),
            (Kept::Other(a), Kept::Other(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

/// Command buffers that nobody uses now.
#[derive(Default)]
pub(crate) struct CommandSlots(Mutex<Vec<CommandSlot>>);

impl CommandSlots {
    pub fn take(&self, device: &Device, family: usize) -> Result<CommandSlot, Error> {
        let mut slots = lock(&self.0);
        match slots.iter().rposition(|slot| slot.family == family) {
            Some(index) => Ok(slots.swap_remove(index)),
            None => CommandSlot::new(device, family),
        }
    }

    pub fn give_back(&self, mut slot: CommandSlot) {
        // Outside the lock: dropping the last reference may take others.
        slot.kept.clear();
        lock(&self.0).push(slot);
    }

    pub fn destroy(&self, device: &ash::Device) {
        for slot in lock(&self.0).drain(..) {
            // SAFETY: called when the device is dropped: nothing is pending.
            unsafe { device.destroy_command_pool(slot.pool, None) }
        }
    }
}

impl CommandSlot {
    /// Holds something until the commands are done. A thing named twice in a
    /// row is held once: launches of one kernel come in runs.
    pub fn keep(&mut self, it: Kept) {
        if self.kept.last().is_none_or(|last| !last.is_same(&it)) {
            self.kept.push(it);
        }
    }

    fn new(device: &Device, family: usize) -> Result<CommandSlot, Error> {
        let info = vk::CommandPoolCreateInfo::default()
            .flags(vk::CommandPoolCreateFlags::TRANSIENT)
            .queue_family_index(device.families()[family].index);
        // SAFETY: the device is live and was made with this family.
        let pool =
            unsafe { device.raw().create_command_pool(&info, None) }.at("vkCreateCommandPool")?;
        let info = vk::CommandBufferAllocateInfo::default()
            .command_pool(pool)
            .command_buffer_count(1);
        // SAFETY: the pool was made just now and is ours alone.
        let buffers = unsafe { device.raw().allocate_command_buffers(&info) };
        match buffers.at("vkAllocateCommandBuffers") {
            Ok(buffers) => Ok(CommandSlot {
                family,
                pool,
                buffer: buffers[0],
                kept: Vec::new(),
            }),
            Err(error) => {
                // SAFETY: the pool is ours alone and empty.
                unsafe { device.raw().destroy_command_pool(pool, None) };
                Err(error)
            }
        }
    }

    pub fn begin(&self, device: &ash::Device) -> Result<(), Error> {
        let info = vk::CommandBufferBeginInfo::default()
            .flags(vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT);
        // SAFETY: the slot is ours alone and its commands are not pending.
        unsafe {
            device
                .reset_command_pool(self.pool, vk::CommandPoolResetFlags::empty())
                .at("vkResetCommandPool")?;
            device
                .begin_command_buffer(self.buffer, &info)
                .at("vkBeginCommandBuffer")
        }
    }
}
