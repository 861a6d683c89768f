//! What every test here needs: an open device, a queue, a way to run commands
//! to their end, and the bytes of an allocation.

use std::slice;
use std::sync::Arc;

use vulkan::{Allocation, Device, Queue, Recorder, Timeline};

pub struct Rig {
    pub device: Arc<Device>,
    pub queue: Queue,
    pub timeline: Arc<Timeline>,
}

impl Rig {
    /// The first device that can be used.
    pub fn new() -> Rig {
        let devices = vulkan::enumerate().expect("drivers that work");
        let usable = devices.iter().find(|device| device.suitability().is_ok());
        let device = Device::open(usable.expect("a usable device")).expect("it opens");
        let queue = device.queues().swap_remove(0);
        let timeline = device.timeline(0).expect("a timeline");
        Rig {
            device,
            queue,
            timeline,
        }
    }

    /// Records, submits, and waits until all is done.
    pub fn run(&self, record: impl FnOnce(&mut Recorder)) {
        let mut recorder = self.queue.recorder().expect("a recorder");
        record(&mut recorder);
        let value = self.timeline.value().expect("a value") + 1;
        let commands = recorder.finish().expect("commands");
        self.queue
            .submit(commands, &[], (&self.timeline, value))
            .expect("submitted");
        assert!(self.timeline.wait(value, None).expect("no loss"));
    }
}

/// The bytes of a mapped allocation. Nothing may run on the device meanwhile.
pub fn bytes(allocation: &Allocation, offset: u64, len: usize) -> &mut [u8] {
    assert!(offset + len as u64 <= allocation.size());
    let pointer = allocation.host_ptr().expect("mapped memory");
    // SAFETY: the range lies in the mapping, which lives as long as the
    // borrow of the allocation; each test uses one such slice at a time.
    unsafe { slice::from_raw_parts_mut(pointer.as_ptr().add(offset as usize), len) }
}
