//! Timestamps written by queues: slots of query pools, used again when their
//! owner is gone.

use std::sync::{Arc, Mutex};

use ash::vk;

use crate::device::Device;
use crate::error::{At, Error};
use crate::sync::lock;

/// One point in a queue's time. Record it once; for another point take
/// another timestamp (slots are recycled, so that is cheap).
pub struct Timestamp {
    device: Arc<Device>,
    slot: Slot,
}

/// A query of a pool.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub pool: vk::QueryPool,
    pub query: u32,
}

/// All query pools of a device, and the slots nobody owns.
#[derive(Default)]
pub(crate) struct TimestampSlots(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    pools: Vec<vk::QueryPool>,
    free: Vec<Slot>,
}

const POOL_QUERIES: u32 = 256;

impl Device {
    /// A timestamp to record.
    pub fn timestamp(self: &Arc<Self>) -> Result<Arc<Timestamp>, Error> {
        let slot = self.timestamps().take(self.raw())?;
        // SAFETY: the slot is ours alone and no pending command names it.
        unsafe { self.raw().reset_query_pool(slot.pool, slot.query, 1) };
        Ok(Arc::new(Timestamp {
            device: self.clone(),
            slot,
        }))
    }
}

impl TimestampSlots {
    fn take(&self, device: &ash::Device) -> Result<Slot, Error> {
        let mut slots = lock(&self.0);
        if slots.free.is_empty() {
            let info = vk::QueryPoolCreateInfo::default()
                .query_type(vk::QueryType::TIMESTAMP)
                .query_count(POOL_QUERIES);
            // SAFETY: the device is live.
            let pool = unsafe { device.create_query_pool(&info, None) }.at("vkCreateQueryPool")?;
            slots.pools.push(pool);
            slots
                .free
                .extend((0..POOL_QUERIES).rev().map(|query| Slot { pool, query }));
        }
        slots.free.pop().ok_or(Error::OutOfHostMemory {
            call: "vkCreateQueryPool",
        })
    }

    fn give_back(&self, slot: Slot) {
        lock(&self.0).free.push(slot);
    }

    pub fn destroy(&self, device: &ash::Device) {
        for pool in lock(&self.0).pools.drain(..) {
            // SAFETY: called when the device is dropped: no timestamp is left.
            unsafe { device.destroy_query_pool(pool, None) }
        }
    }
}

impl Timestamp {
    /// Nanoseconds on the queue's clock, once the queue has passed the point;
    /// only differences mean something, and [`Timestamp::since`] takes them
    /// across a wrap of the device's counter.
    pub fn nanoseconds(&self) -> Result<Option<u64>, Error> {
        Ok(self.ticks()?.map(|ticks| self.device.nanoseconds(ticks)))
    }

    /// Nanoseconds from `earlier` to this point, once both are passed.
    pub fn since(&self, earlier: &Timestamp) -> Result<Option<u64>, Error> {
        let (Some(from), Some(to)) = (earlier.ticks()?, self.ticks()?) else {
            return Ok(None);
        };
        Ok(Some(self.device.nanoseconds(to.wrapping_sub(from))))
    }

    fn ticks(&self) -> Result<Option<u64>, Error> {
        let mut result = [[0u64; 2]];
        let flags = vk::QueryResultFlags::TYPE_64 | vk::QueryResultFlags::WITH_AVAILABILITY;
        // SAFETY: the slot is ours and was reset when it was taken.
        let status = unsafe {
            self.device.raw().get_query_pool_results(
                self.slot.pool,
                self.slot.query,
                &mut result,
                flags,
            )
        };
        match status {
            Ok(()) | Err(vk::Result::NOT_READY) => {}
            Err(error) => return Err(Error::of("vkGetQueryPoolResults", error)),
        }
        let [[ticks, available]] = result;
        Ok((available != 0).then_some(ticks))
    }

    pub(crate) fn slot(&self) -> Slot {
        self.slot
    }
}

impl Drop for Timestamp {
    fn drop(&mut self) {
        self.device.timestamps().give_back(self.slot);
    }
}
