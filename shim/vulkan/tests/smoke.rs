//! The life of an ordinary program on whatever device there is.

use std::slice;

use vulkan::{Device, Pattern, Placement};

#[test]
fn a_fill_reaches_host_memory() {
    let device = Device::open(&vulkan::enumerate().expect("devices")[0]).expect("a device");
    let queue = &device.queues()[0];
    let memory = device.allocate(1 << 20, Placement::Host).expect("memory");
    let timeline = device.timeline(0).expect("a timeline");
    let mut recorder = queue.recorder().expect("a recorder");
    recorder
        .fill(
            &memory.slice(3, 1001).expect("inside"),
            Pattern::U32(0x0403_0201),
        )
        .expect("a fill");
    queue
        .submit(recorder.finish().expect("commands"), &[], (&timeline, 1))
        .expect("submitted");
    assert!(timeline.wait(1, None).expect("no loss"));
    let pointer = memory.host_ptr().expect("mapped");
    // SAFETY: the allocation is mapped and as large, and the device is done.
    let bytes = unsafe { slice::from_raw_parts(pointer.as_ptr(), 1 << 20) };
    for (index, byte) in bytes[3..1004].iter().enumerate() {
        assert_eq!(usize::from(*byte), index % 4 + 1);
    }
    assert_eq!((memory.device_address() % 512, bytes[1004]), (0, 0));
}
