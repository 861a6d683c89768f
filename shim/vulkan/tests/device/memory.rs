use std::sync::Arc;

use vulkan::{Allocation, Error, HostAccess, Pattern, Placement};

use crate::rig::{Rig, bytes, set_bytes};

const GIB: u64 = 1 << 30;

/// Fills the first and last bytes of an allocation on the device and reads
/// them back through host memory.
fn check_ends(rig: &Rig, allocation: &Arc<Allocation>) {
    let len = allocation.size().min(5);
    let last = allocation.size() - len;
    let back = rig
        .device
        .allocate(2 * len, Placement::Host)
        .expect("host memory");
    let part = |offset| allocation.slice(offset, len).expect("inside");
    let half = |offset| back.slice(offset, len).expect("inside");
    rig.run(|recorder| {
        recorder.fill(&part(0), Pattern::U8(0x5a)).expect("a fill");
        recorder.barrier();
        recorder.copy(&half(0), &part(0)).expect("a copy");
        recorder.barrier();
        recorder
            .fill(&part(last), Pattern::U8(0xa5))
            .expect("a fill");
        recorder.barrier();
        recorder.copy(&half(len), &part(last)).expect("a copy");
    });
    let len = len as usize;
    assert_eq!(bytes(&back, 0, len), vec![0x5a; len]);
    assert_eq!(bytes(&back, len as u64, len), vec![0xa5; len]);
}

#[test]
fn every_size_in_every_placement_is_one_aligned_range() {
    let rig = Rig::new();
    for placement in [Placement::Device, Placement::Host, Placement::Upload] {
        for size in [1, 511, 512, 513, 1 << 20, (1 << 20) + 1, (64 << 20) - 3] {
            let allocation = rig.device.allocate(size, placement).expect("memory");
            assert_eq!(allocation.size(), size);
            assert_eq!(allocation.device_address() % 512, 0, "{size} bytes");
            check_ends(&rig, &allocation);
            if placement != Placement::Device {
                assert_ne!(allocation.host_access(), HostAccess::None);
                assert!(allocation.host_ptr().is_some());
            }
        }
    }
}

#[test]
fn allocations_above_the_drivers_limits_are_one_range() {
    let rig = Rig::new();
    for size in [3 * GIB, 4 * GIB, 5 * GIB + 12345, 9 * GIB] {
        let allocation = rig
            .device
            .allocate(size, Placement::Device)
            .expect("memory");
        check_ends(&rig, &allocation);
    }
}

#[test]
fn copies_and_fills_cross_the_boundaries_of_buffers() {
    let rig = Rig::new();
    let large = rig
        .device
        .allocate(9 * GIB, Placement::Device)
        .expect("memory");
    let len = 1 << 16;
    let [source, back] =
        [(); 2].map(|()| rig.device.allocate(len, Placement::Host).expect("memory"));
    let numbered: Vec<_> = (0..len)
        .map(|index| (index * 7 + index / 251) as u8)
        .collect();
    set_bytes(&source, 0, &numbered);
    // Buffers of the driver end at multiples of a GiB, wherever that is.
    for boundary in (1..9).map(|n| n * GIB) {
        let across = large.slice(boundary - 12345, len).expect("inside");
        rig.run(|recorder| {
            recorder.copy(&across, &source.whole()).expect("a copy");
            recorder.barrier();
            recorder.copy(&back.whole(), &across).expect("a copy");
        });
        assert!(
            bytes(&back, 0, len as usize) == bytes(&source, 0, len as usize),
            "at {boundary:#x}"
        );
        rig.run(|recorder| {
            recorder
                .fill(&across, Pattern::U32(0x0403_0201))
                .expect("a fill");
            recorder.barrier();
            recorder.copy(&back.whole(), &across).expect("a copy");
        });
        let filled = bytes(&back, 0, len as usize);
        assert!(
            filled
                .iter()
                .enumerate()
                .all(|(n, &byte)| byte as usize == n % 4 + 1),
            "at {boundary:#x}"
        );
    }
}

#[test]
fn copies_run_from_one_end_of_a_large_range_to_the_other() {
    let rig = Rig::new();
    let large = rig
        .device
        .allocate(6 * GIB, Placement::Device)
        .expect("memory");
    let back = rig.device.allocate(4096, Placement::Host).expect("memory");
    let [low, high] = [7, 6 * GIB - 4096].map(|offset| large.slice(offset, 4096).expect("inside"));
    rig.run(|recorder| {
        recorder.fill(&low, Pattern::U16(0xbeef)).expect("a fill");
        recorder.barrier();
        recorder.copy(&high, &low).expect("a copy");
        recorder.barrier();
        recorder.copy(&back.whole(), &high).expect("a copy");
    });
    assert!(
        bytes(&back, 0, 4096)
            .chunks(2)
            .all(|pair| pair == [0xef, 0xbe])
    );
}

#[test]
fn small_allocations_do_not_overlap_and_are_used_again() {
    let rig = Rig::new();
    let sizes = (0..2000u64).map(|n| 1 + n * 37 % 4000);
    let mut live: Vec<_> = sizes
        .map(|size| {
            rig.device
                .allocate(size, Placement::Device)
                .expect("memory")
        })
        .collect();
    let mut ranges: Vec<_> = live
        .iter()
        .map(|it| (it.device_address(), it.size()))
        .collect();
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:x?} overlap");
    }
    let before = rig.device.memory_budget().free;
    for round in 0..20_000usize {
        let index = round * 7919 % live.len();
        let size = live[index].size();
        drop(live.swap_remove(index));
        live.push(
            rig.device
                .allocate(size, Placement::Device)
                .expect("memory"),
        );
    }
    let after = rig.device.memory_budget().free;
    assert!(
        before.abs_diff(after) < 1 << 30,
        "{before} free, then {after}"
    );
}

#[test]
fn what_cannot_fit_is_out_of_memory_and_nothing_else_breaks() {
    let rig = Rig::new();
    for size in [
        1 << 60,
        u64::MAX,
        u64::MAX - 511,
        rig.device.physical().memory_total() + 1,
    ] {
        for placement in [Placement::Device, Placement::Host, Placement::Upload] {
            let error = rig
                .device
                .allocate(size, placement)
                .expect_err("far too much");
            assert!(
                matches!(error, Error::OutOfDeviceMemory { .. }),
                "{size}: {error}"
            );
        }
    }
    let none = rig
        .device
        .allocate(0, Placement::Device)
        .expect_err("nothing");
    assert!(matches!(none, Error::InvalidArgument { .. }), "{none}");
    check_ends(
        &rig,
        &rig.device
            .allocate(1 << 22, Placement::Device)
            .expect("memory"),
    );
}

#[test]
fn memory_runs_out_once_and_comes_back() {
    let rig = Rig::new();
    let total = rig.device.memory_budget().total;
    let chunk = total / 7;
    let mut live = Vec::new();
    let error = loop {
        match rig.device.allocate(chunk, Placement::Device) {
            Ok(allocation) => live.push(allocation),
            Err(error) => break error,
        }
        assert!(live.len() <= 7, "more memory than there is");
    };
    assert!(matches!(error, Error::OutOfDeviceMemory { .. }), "{error}");
    check_ends(
        &rig,
        &rig.device
            .allocate(1000, Placement::Host)
            .expect("small memory"),
    );
    let got = live.len();
    drop(live);
    let again: Vec<_> = (0..got)
        .map(|_| {
            rig.device
                .allocate(chunk, Placement::Device)
                .expect("it came back")
        })
        .collect();
    check_ends(&rig, &again[0]);
}

#[test]
fn the_budget_follows_allocations() {
    let rig = Rig::new();
    let before = rig.device.memory_budget();
    assert!(before.free <= before.total && before.total == rig.device.physical().memory_total());
    let held = rig
        .device
        .allocate(before.free / 4 * 3, Placement::Device)
        .expect("memory");
    let during = rig.device.memory_budget();
    assert!(
        during.free <= before.free - held.size() + (1 << 30),
        "{before:?}, then {during:?}"
    );
    drop(held);
    let after = rig.device.memory_budget();
    assert!(
        after.free.abs_diff(before.free) < 1 << 30,
        "{before:?}, then {after:?}"
    );
}

#[test]
fn slices_stay_inside() {
    let rig = Rig::new();
    let allocation = rig.device.allocate(1000, Placement::Host).expect("memory");
    assert_eq!(allocation.slice(1000, 0).expect("the end").len(), 0);
    for (offset, len) in [
        (0, 1001),
        (1000, 1),
        (1001, 0),
        (u64::MAX, 1),
        (1, u64::MAX),
    ] {
        assert!(matches!(
            allocation.slice(offset, len),
            Err(Error::InvalidArgument { .. })
        ));
    }
    let part = allocation.slice(100, 200).expect("inside");
    assert_eq!(
        part.slice(50, 150).expect("inside").device_address(),
        allocation.device_address() + 150
    );
    assert!(part.slice(50, 151).is_err());
}
