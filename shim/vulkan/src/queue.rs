//! Queues: where recorded commands are handed to the device.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use ash::vk;

use crate::device::Device;
use crate::error::{At, Error};
use crate::recorder::{CommandSlot, Commands, Recorder};
use crate::sync::lock;
use crate::timeline::Timeline;

/// A queue of a device. A clone is another reference to the same queue.
#[derive(Clone)]
pub struct Queue {
    device: Arc<Device>,
    index: usize,
}

/// A queue family that a device was opened with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Family {
    pub index: u32,
    pub count: u32,
    pub timestamp_bits: u32,
    pub sparse: bool,
}

/// A queue's handle, and what its pending work holds alive.
pub(crate) struct QueueState {
    handle: vk::Queue,
    family: usize,
    pending: VecDeque<Submission>,
    /// How many submissions were taken out of `pending`.
    passed: u64,
}

/// Work that was handed over: done when `timeline` reaches `value`.
struct Submission {
    timeline: Arc<Timeline>,
    value: u64,
    _waits: Vec<Arc<Timeline>>,
    slot: Option<CommandSlot>,
}

impl QueueState {
    pub fn new(handle: vk::Queue, family: usize) -> QueueState {
        QueueState {
            handle,
            family,
            pending: VecDeque::new(),
            passed: 0,
        }
    }

    /// How many submissions there were.
    fn handed_over(&self) -> u64 {
        self.passed + self.pending.len() as u64
    }

    /// Removes the submissions at the front whose value is reached.
    fn take_done(&mut self) -> Vec<Submission> {
        let done = self
            .pending
            .iter()
            .take_while(|submission| submission.is_done())
            .count();
        self.passed += done as u64;
        self.pending.drain(..done).collect()
    }
}

impl Submission {
    fn is_done(&self) -> bool {
        // A lost device does no more work.
        self.timeline
            .value()
            .map_or(true, |value| value >= self.value)
    }
}

impl Family {
    /// The family with compute and without graphics, where there is one (its
    /// queues run beside a display's); else the first with compute.
    pub fn choose(families: &[vk::QueueFamilyProperties], most: u32) -> Vec<Family> {
        let compute = |f: &&(usize, &vk::QueueFamilyProperties)| {
            f.1.queue_flags.contains(vk::QueueFlags::COMPUTE)
        };
        let all: Vec<_> = families.iter().enumerate().collect();
        let candidates: Vec<_> = all.iter().filter(compute).collect();
        let apart = candidates
            .iter()
            .find(|f| !f.1.queue_flags.contains(vk::QueueFlags::GRAPHICS));
        let chosen = apart.or(candidates.first());
        chosen
            .map(|f| Family::new(f.0, f.1, most))
            .into_iter()
            .collect()
    }

    fn new(index: usize, properties: &vk::QueueFamilyProperties, most: u32) -> Family {
        Family {
            index: u32::try_from(index).unwrap_or(0),
            count: properties.queue_count.min(most),
            timestamp_bits: properties.timestamp_valid_bits,
            sparse: properties
                .queue_flags
                .contains(vk::QueueFlags::SPARSE_BINDING),
        }
    }
}

impl Device {
    /// The device's queues, at least one. All take every kind of command, and
    /// run beside each other where the device can. lavapipe has a single one,
    /// which does nothing while its oldest submission waits for a timeline.
    pub fn queues(self: &Arc<Self>) -> Vec<Queue> {
        (0..self.queue_states().len())
            .map(|index| Queue {
                device: self.clone(),
                index,
            })
            .collect()
    }

    /// Takes back the command buffers whose work is done, and lets go of what
    /// they kept alive. Recording and waiting do this by themselves.
    pub fn collect(&self) {
        for queue in self.queue_states() {
            let done = lock(queue).take_done();
            done.into_iter()
                .filter_map(|done| done.slot)
                .for_each(|slot| self.command_slots().give_back(slot));
        }
        self.destroy_retired();
    }

    /// Waits until all that was handed over is done: `true`, or `false` when
    /// `limit` ran out first.
    pub fn wait_done(&self, limit: Duration) -> Result<bool, Error> {
        let end = Instant::now() + limit;
        let last = |queue| {
            let state: MutexGuard<'_, QueueState> = lock(queue);
            let last = state.pending.back();
            last.map(|last| (last.timeline.clone(), last.value))
        };
        for (timeline, value) in self.queue_states().iter().filter_map(last) {
            let left = end.saturating_duration_since(Instant::now());
            if !timeline.wait(value, Some(left))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Destroys a semaphore as soon as no driver can touch it.
    ///
    /// Mesa's queues signal from threads of their own, and these touch the waits
    /// of a submission once more behind its signal: a semaphore that was destroyed
    /// at the signal crashed lavapipe 25.0.7. When a later submission is done, the
    /// thread has left the earlier one.
    pub(crate) fn retire(&self, semaphore: vk::Semaphore) {
        let marks = self.queue_states().iter();
        let marks = marks.map(|queue| lock(queue).handed_over()).collect();
        lock(self.retired()).push(Retired { semaphore, marks });
    }

    fn destroy_retired(&self) {
        let mut retired = lock(self.retired());
        if retired.is_empty() {
            return;
        }
        let passed: Vec<_> = self
            .queue_states()
            .iter()
            .map(|queue| lock(queue).passed)
            .collect();
        retired.retain(|it| {
            let left = it
                .marks
                .iter()
                .zip(&passed)
                .any(|(&mark, &passed)| passed <= mark && mark > 0);
            if !left {
                // SAFETY: the semaphore's owner is gone and no queue has it.
                unsafe { self.raw().destroy_semaphore(it.semaphore, None) }
            }
            left
        });
    }
}

/// A semaphore without an owner, and how many submissions each queue had had.
pub(crate) struct Retired {
    pub semaphore: vk::Semaphore,
    marks: Vec<u64>,
}

impl Device {
    /// Binds memory to a sparse buffer and waits until that is done.
    pub(crate) fn bind_sparse(
        &self,
        buffer: vk::Buffer,
        binds: &[vk::SparseMemoryBind],
    ) -> Result<(), Error> {
        let can = |state: &&Mutex<QueueState>| self.families()[lock(state).family].sparse;
        let Some(queue) = self.queue_states().iter().find(can) else {
            return Err(Error::FeatureNotPresent {
                feature: "a queue that binds sparse buffers".into(),
            });
        };
        let buffers = [vk::SparseBufferMemoryBindInfo::default()
            .buffer(buffer)
            .binds(binds)];
        let info = vk::BindSparseInfo::default().buffer_binds(&buffers);
        // SAFETY: the device is live.
        let fence = unsafe {
            self.raw()
                .create_fence(&vk::FenceCreateInfo::default(), None)
        }
        .at("vkCreateFence")?;
        let bound = {
            let state = lock(queue);
            // SAFETY: the queue's lock is held; buffer and memory are live.
            unsafe { self.raw().queue_bind_sparse(state.handle, &[info], fence) }
                .at("vkQueueBindSparse")
        };
        let waited = bound.and_then(|()| {
            // SAFETY: the fence is ours.
            unsafe { self.raw().wait_for_fences(&[fence], true, u64::MAX) }.at("vkWaitForFences")
        });
        // SAFETY: the fence is no longer pending.
        unsafe { self.raw().destroy_fence(fence, None) };
        waited
    }
}

impl Queue {
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    /// Starts recording commands for this queue.
    pub fn recorder(&self) -> Result<Recorder, Error> {
        let family = lock(self.state()).family;
        Recorder::new(&self.device, family)
    }

    /// Hands over `commands`, to start when every timeline of `waits` has
    /// reached its value; `signal`'s timeline gets its value when all is done
    /// and visible to the host.
    pub fn submit(
        &self,
        commands: Commands,
        waits: &[(&Arc<Timeline>, u64)],
        signal: (&Arc<Timeline>, u64),
    ) -> Result<(), Error> {
        self.hand_over(Some(commands), waits, signal)
    }

    /// Signals when `waits` and all that was submitted before are done.
    pub fn submit_signal(
        &self,
        waits: &[(&Arc<Timeline>, u64)],
        signal: (&Arc<Timeline>, u64),
    ) -> Result<(), Error> {
        self.hand_over(None, waits, signal)
    }

    fn hand_over(
        &self,
        commands: Option<Commands>,
        waits: &[(&Arc<Timeline>, u64)],
        signal: (&Arc<Timeline>, u64),
    ) -> Result<(), Error> {
        let buffers: Vec<_> = commands
            .iter()
            .map(|commands| {
                vk::CommandBufferSubmitInfo::default().command_buffer(commands.buffer())
            })
            .collect();
        let wait_infos: Vec<_> = waits.iter().map(|&wait| semaphore_at(wait)).collect();
        let signals = [semaphore_at(signal)];
        let submit = vk::SubmitInfo2::default()
            .wait_semaphore_infos(&wait_infos)
            .command_buffer_infos(&buffers)
            .signal_semaphore_infos(&signals);
        let mut state = lock(self.state());
        if commands
            .as_ref()
            .is_some_and(|commands| !commands.are_for(&self.device, state.family))
        {
            return Err(Error::invalid(
                "commands that were recorded for another queue family",
            ));
        }
        // SAFETY: the queue's lock is held; the command buffer is recorded and
        // ours; `pending` keeps all that the submission names alive until done.
        unsafe {
            self.device
                .raw()
                .queue_submit2(state.handle, &[submit], vk::Fence::null())
        }
        .at("vkQueueSubmit2")?;
        state.pending.push_back(Submission {
            timeline: signal.0.clone(),
            value: signal.1,
            _waits: waits.iter().map(|wait| wait.0.clone()).collect(),
            slot: commands.and_then(Commands::into_slot),
        });
        Ok(())
    }

    fn state(&self) -> &Mutex<QueueState> {
        &self.device.queue_states()[self.index]
    }
}

fn semaphore_at<'a>((timeline, value): (&Arc<Timeline>, u64)) -> vk::SemaphoreSubmitInfo<'a> {
    vk::SemaphoreSubmitInfo::default()
        .semaphore(timeline.raw())
        .value(value)
        .stage_mask(vk::PipelineStageFlags2::ALL_COMMANDS)
}
