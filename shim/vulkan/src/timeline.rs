//! Timeline semaphores: how work on queues, and the host, waits for work.

use std::sync::Arc;
use std::time::Duration;

use ash::vk;

use crate::device::Device;
use crate::error::{At, Error};

/// A 64-bit counter that only grows, signalled by queues or by the host.
pub struct Timeline {
    device: Arc<Device>,
    semaphore: vk::Semaphore,
}

impl Device {
    /// A timeline that starts at `value`.
    pub fn timeline(self: &Arc<Self>, value: u64) -> Result<Arc<Timeline>, Error> {
        let mut kind = vk::SemaphoreTypeCreateInfo::default()
            .semaphore_type(vk::SemaphoreType::TIMELINE)
            .initial_value(value);
        let info = vk::SemaphoreCreateInfo::default().push_next(&mut kind);
        // SAFETY: the device is live and has timeline semaphores switched on.
        let semaphore =
            unsafe { self.raw().create_semaphore(&info, None) }.at("vkCreateSemaphore")?;
        Ok(Arc::new(Timeline {
            device: self.clone(),
            semaphore,
        }))
    }
}

impl Timeline {
    /// The value reached so far.
    pub fn value(&self) -> Result<u64, Error> {
        // SAFETY: the semaphore is a live timeline of this device.
        unsafe {
            self.device
                .raw()
                .get_semaphore_counter_value(self.semaphore)
        }
        .at("vkGetSemaphoreCounterValue")
    }

    /// Waits until `value` is reached: `true`, or `false` when `timeout` ran
    /// out first. `None` waits without limit.
    pub fn wait(&self, value: u64, timeout: Option<Duration>) -> Result<bool, Error> {
        let timeout = timeout.map_or(u64::MAX, |t| {
            u64::try_from(t.as_nanos()).unwrap_or(u64::MAX)
        });
        let (semaphores, values) = ([self.semaphore], [value]);
        let info = vk::SemaphoreWaitInfo::default()
            .semaphores(&semaphores)
            .values(&values);
        // SAFETY: the semaphore is a live timeline of this device.
        match unsafe { self.device.raw().wait_semaphores(&info, timeout) } {
            Ok(()) => {
                self.device.collect();
                Ok(true)
            }
            Err(vk::Result::TIMEOUT) => Ok(false),
            Err(error) => Err(Error::of("vkWaitSemaphores", error)),
        }
    }

    /// Sets the value from the host; it must grow.
    pub fn signal(&self, value: u64) -> Result<(), Error> {
        let info = vk::SemaphoreSignalInfo::default()
            .semaphore(self.semaphore)
            .value(value);
        // SAFETY: the semaphore is a live timeline of this device.
        unsafe { self.device.raw().signal_semaphore(&info) }.at("vkSignalSemaphore")
    }

    pub(crate) fn raw(&self) -> vk::Semaphore {
        self.semaphore
    }
}

impl Drop for Timeline {
    fn drop(&mut self) {
        self.device.retire(self.semaphore);
    }
}
