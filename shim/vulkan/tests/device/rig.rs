//! What every test here needs: an open device, a queue, a way to run commands
//! to their end, and the bytes of an allocation.

use std::ptr::NonNull;
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

/// Bytes of a mapped allocation. Nothing may write them on the device
/// meanwhile.
pub fn bytes(allocation: &Allocation, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let source = pointer(allocation, offset, len).as_ptr();
    // SAFETY: the range is mapped, and `bytes` is as long.
    unsafe { source.copy_to_nonoverlapping(bytes.as_mut_ptr(), len) };
    bytes
}

/// Writes bytes of a mapped allocation. Nothing may use them on the device
/// meanwhile.
pub fn set_bytes(allocation: &Allocation, offset: u64, bytes: &[u8]) {
    let target = pointer(allocation, offset, bytes.len()).as_ptr();
    // SAFETY: the range is mapped and as long as `bytes`.
    unsafe { target.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
}

fn pointer(allocation: &Allocation, offset: u64, len: usize) -> NonNull<u8> {
    assert!(offset + len as u64 <= allocation.size());
    let pointer = allocation.host_ptr().expect("mapped memory");
    // SAFETY: the offset lies in the mapping.
    unsafe { pointer.add(usize::try_from(offset).expect("an offset in memory")) }
}
