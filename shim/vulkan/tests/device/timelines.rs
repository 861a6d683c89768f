use std::thread;
use std::time::Duration;

use vulkan::{Pattern, Placement};

use crate::rig::{Rig, bytes, set_bytes};

#[test]
fn the_host_signals_across_threads() {
    let rig = Rig::new();
    let timeline = rig.device.timeline(5).expect("a timeline");
    assert_eq!(timeline.value(), Ok(5));
    assert_eq!(timeline.wait(5, Some(Duration::ZERO)), Ok(true));
    assert_eq!(timeline.wait(6, Some(Duration::from_millis(5))), Ok(false));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| timeline.wait(7, None));
        timeline.signal(6).expect("it grows");
        thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished(), "6 is not 7");
        timeline.signal(7).expect("it grows");
        assert_eq!(waiter.join().expect("no panic"), Ok(true));
    });
}

#[test]
fn work_waits_for_the_host() {
    let rig = Rig::new();
    let gate = rig.device.timeline(0).expect("a timeline");
    let memory = rig.device.allocate(64, Placement::Host).expect("memory");
    set_bytes(&memory, 0, &[0; 64]);
    let mut recorder = rig.queue.recorder().expect("a recorder");
    recorder
        .fill(&memory.whole(), Pattern::U8(1))
        .expect("a fill");
    let commands = recorder.finish().expect("commands");
    rig.queue
        .submit(commands, &[(&gate, 1)], (&rig.timeline, 1))
        .expect("submitted");
    assert_eq!(
        rig.timeline.wait(1, Some(Duration::from_millis(50))),
        Ok(false)
    );
    gate.signal(1).expect("it grows");
    assert_eq!(rig.timeline.wait(1, None), Ok(true));
    assert_eq!(bytes(&memory, 0, 64), [1; 64]);
}

#[test]
fn a_chain_of_submissions_runs_in_order_and_recycles_its_buffers() {
    let rig = Rig::new();
    let [memory, copy] =
        [(); 2].map(|()| rig.device.allocate(256, Placement::Host).expect("memory"));
    let relay = rig.device.timeline(0).expect("a timeline");
    for step in 1..=500u64 {
        let mut recorder = rig.queue.recorder().expect("a recorder");
        recorder
            .copy(&copy.whole(), &memory.whole())
            .expect("a copy");
        recorder.barrier();
        recorder
            .fill(&memory.whole(), Pattern::U8(step as u8))
            .expect("a fill");
        let commands = recorder.finish().expect("commands");
        rig.queue
            .submit(commands, &[(&relay, step - 1)], (&relay, step))
            .expect("submitted");
    }
    rig.queue
        .submit_signal(&[(&relay, 500)], (&rig.timeline, 1))
        .expect("submitted");
    assert_eq!(rig.timeline.wait(1, None), Ok(true));
    assert_eq!(bytes(&memory, 0, 256), [500u64 as u8; 256]);
    assert_eq!(bytes(&copy, 0, 256), [499u64 as u8; 256]);
}

#[test]
fn threads_record_and_submit_side_by_side() {
    let rig = Rig::new();
    thread::scope(|scope| {
        for thread in 0..4u8 {
            let rig = &rig;
            scope.spawn(move || {
                let own = rig.device.timeline(0).expect("a timeline");
                let memory = rig.device.allocate(4096, Placement::Host).expect("memory");
                for value in 1..=50u64 {
                    let mut recorder = rig.queue.recorder().expect("a recorder");
                    let pattern = Pattern::U16(u16::from(thread) << 8 | value as u16);
                    recorder.fill(&memory.whole(), pattern).expect("a fill");
                    let commands = recorder.finish().expect("commands");
                    rig.queue
                        .submit(commands, &[], (&own, value))
                        .expect("submitted");
                    assert_eq!(own.wait(value, None), Ok(true));
                    assert!(
                        bytes(&memory, 0, 4096)
                            .chunks(2)
                            .all(|pair| pair == [value as u8, thread])
                    );
                }
            });
        }
    });
}

#[test]
fn memory_in_use_outlives_its_last_owner() {
    let rig = Rig::new();
    let gate = rig.device.timeline(0).expect("a timeline");
    let source = rig
        .device
        .allocate(2 << 20, Placement::Host)
        .expect("memory");
    set_bytes(&source, 0, &vec![7; 2 << 20]);
    let target = rig
        .device
        .allocate(2 << 20, Placement::Host)
        .expect("memory");
    let mut recorder = rig.queue.recorder().expect("a recorder");
    recorder
        .copy(&target.whole(), &source.whole())
        .expect("a copy");
    let commands = recorder.finish().expect("commands");
    rig.queue
        .submit(commands, &[(&gate, 1)], (&rig.timeline, 1))
        .expect("submitted");
    let weak = std::sync::Arc::downgrade(&source);
    drop(source);
    rig.device.collect();
    assert!(
        weak.upgrade().is_some(),
        "the pending copy holds its source"
    );
    gate.signal(1).expect("it grows");
    assert_eq!(rig.timeline.wait(1, None), Ok(true));
    assert!(bytes(&target, 0, 2 << 20).iter().all(|&byte| byte == 7));
    assert!(
        weak.upgrade().is_none(),
        "the copy is done and let go of it"
    );
}
