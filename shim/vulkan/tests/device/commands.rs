use proptest::prelude::*;
use vulkan::{Allocation, Error, Pattern, Placement, Rows};

use crate::rig::{Rig, bytes, set_bytes};
use std::sync::Arc;

const SIZE: usize = 4096;

fn pattern() -> impl Strategy<Value = Pattern> {
    prop_oneof![
        any::<u8>().prop_map(Pattern::U8),
        any::<u16>().prop_map(Pattern::U16),
        any::<u32>().prop_map(Pattern::U32),
    ]
}

fn pattern_bytes(pattern: Pattern) -> Vec<u8> {
    match pattern {
        Pattern::U8(value) => vec![value],
        Pattern::U16(value) => value.to_le_bytes().to_vec(),
        Pattern::U32(value) => value.to_le_bytes().to_vec(),
    }
}

fn fill(target: &mut [u8], pattern: Pattern) {
    target
        .iter_mut()
        .zip(pattern_bytes(pattern).into_iter().cycle())
        .for_each(|(byte, value)| *byte = value);
}

fn noise(seed: u64) -> Vec<u8> {
    (0..SIZE as u64)
        .map(|n| (n.wrapping_mul(seed | 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

/// An offset and a length inside `SIZE`, often short.
fn range() -> impl Strategy<Value = (usize, usize)> {
    (0..SIZE, prop_oneof![0..16usize, 0..SIZE])
        .prop_map(|(start, len)| (start, len.min(SIZE - start)))
}

/// A pitch, a width and a number of rows that fit.
fn grid() -> impl Strategy<Value = (usize, usize, usize, usize)> {
    (1..200usize, 0..64usize, 0..20usize, 0..64usize)
        .prop_map(|(width, gap, rows, start)| (start, width + gap, width, rows))
}

fn memory(rig: &Rig, contents: &[u8]) -> Arc<Allocation> {
    let memory = rig
        .device
        .allocate(SIZE as u64, Placement::Host)
        .expect("memory");
    set_bytes(&memory, 0, contents);
    memory
}

#[test]
fn fills_agree_with_the_cpu() {
    let rig = Rig::new();
    proptest!(ProptestConfig::with_cases(300), |(pattern in pattern(), (start, len) in range(), seed: u64)| {
        let mut expected = noise(seed);
        let memory = memory(&rig, &expected);
        fill(&mut expected[start..start + len], pattern);
        let slice = memory.slice(start as u64, len as u64).expect("inside");
        rig.run(|recorder| recorder.fill(&slice, pattern).expect("a fill"));
        prop_assert!(bytes(&memory, 0, SIZE) == expected);
    });
}

#[test]
fn row_fills_agree_with_the_cpu() {
    let rig = Rig::new();
    proptest!(ProptestConfig::with_cases(200), |(pattern in pattern(), (start, pitch, width, rows) in grid(), seed: u64)| {
        let mut expected = noise(seed);
        let memory = memory(&rig, &expected);
        let rows = rows.min((SIZE - start - width) / pitch + 1);
        for row in 0..rows {
            fill(&mut expected[start + row * pitch..][..width], pattern);
        }
        let slice = memory.slice(start as u64, (SIZE - start) as u64).expect("inside");
        let target = Rows { slice, pitch: pitch as u64 };
        rig.run(|recorder| recorder.fill_rows(&target, width as u64, rows as u64, pattern).expect("a fill"));
        prop_assert!(bytes(&memory, 0, SIZE) == expected);
    });
}

#[test]
fn copies_agree_with_the_cpu() {
    let rig = Rig::new();
    proptest!(ProptestConfig::with_cases(200), |((from, len) in range(), to in 0..SIZE, seeds: (u64, u64))| {
        let (source, mut expected) = (noise(seeds.0), noise(seeds.1));
        let (src, dst) = (memory(&rig, &source), memory(&rig, &expected));
        let len = len.min(SIZE - to);
        expected[to..to + len].copy_from_slice(&source[from..from + len]);
        let part = |memory: &Arc<Allocation>, at: usize| memory.slice(at as u64, len as u64).expect("inside");
        rig.run(|recorder| recorder.copy(&part(&dst, to), &part(&src, from)).expect("a copy"));
        prop_assert!(bytes(&dst, 0, SIZE) == expected);
    });
}

#[test]
fn row_copies_agree_with_the_cpu() {
    let rig = Rig::new();
    proptest!(ProptestConfig::with_cases(200), |((to, pitch, width, rows) in grid(), from in 0..64usize, gap in 0..64usize, seeds: (u64, u64))| {
        let (source, mut expected) = (noise(seeds.0), noise(seeds.1));
        let (src, dst) = (memory(&rig, &source), memory(&rig, &expected));
        let source_pitch = width + gap;
        let fit = |start: usize, pitch: usize| (SIZE - start - width) / pitch + 1;
        let rows = rows.min(fit(to, pitch)).min(fit(from, source_pitch));
        for row in 0..rows {
            let line = &source[from + row * source_pitch..][..width];
            expected[to + row * pitch..][..width].copy_from_slice(line);
        }
        let rest = |memory: &Arc<Allocation>, at: usize| memory.slice(at as u64, (SIZE - at) as u64).expect("inside");
        let target = Rows { slice: rest(&dst, to), pitch: pitch as u64 };
        let origin = Rows { slice: rest(&src, from), pitch: source_pitch as u64 };
        rig.run(|recorder| recorder.copy_rows(&target, &origin, width as u64, rows as u64).expect("a copy"));
        prop_assert!(bytes(&dst, 0, SIZE) == expected);
    });
}

#[test]
fn ten_thousand_rows_are_copied() {
    let rig = Rig::new();
    let rows = 10_000u64;
    let [source, target] = [8, 12].map(|pitch| {
        rig.device
            .allocate(rows * pitch, Placement::Host)
            .expect("memory")
    });
    let numbered: Vec<_> = (0..80_000)
        .map(|index| (index / 8 * 3 + index % 8) as u8)
        .collect();
    set_bytes(&source, 0, &numbered);
    set_bytes(&target, 0, &vec![0xff; 120_000]);
    let to = Rows {
        slice: target.whole(),
        pitch: 12,
    };
    let from = Rows {
        slice: source.whole(),
        pitch: 8,
    };
    rig.run(|recorder| recorder.copy_rows(&to, &from, 7, rows).expect("a copy"));
    let (source, target) = (bytes(&source, 0, 80_000), bytes(&target, 0, 120_000));
    for (line, origin) in target.chunks(12).zip(source.chunks(8)) {
        assert_eq!((&line[..7], &line[7..]), (&origin[..7], &[0xff; 5][..]));
    }
}

#[test]
fn what_does_not_fit_is_refused_when_recorded() {
    let rig = Rig::new();
    let memory = rig.device.allocate(1000, Placement::Host).expect("memory");
    let [small, large] = [10, 20].map(|len| memory.slice(0, len).expect("inside"));
    let rows = |pitch| Rows {
        slice: memory.whole(),
        pitch,
    };
    let mut recorder = rig.queue.recorder().expect("a recorder");
    let results = [
        recorder.copy(&small, &large),
        recorder.copy_rows(&rows(100), &rows(100), 50, 11),
        recorder.copy_rows(&rows(10), &rows(100), 50, 2),
        recorder.copy_rows(&rows(u64::MAX), &rows(100), 50, 3),
        recorder.fill_rows(&rows(100), 101, 2, Pattern::U8(0)),
        recorder.fill_rows(&rows(100), 100, 11, Pattern::U8(0)),
    ];
    for (index, result) in results.into_iter().enumerate() {
        assert!(
            matches!(result, Err(Error::InvalidArgument { .. })),
            "{index}: {result:?}"
        );
    }
}

#[test]
fn timestamps_follow_the_order_of_work() {
    let rig = Rig::new();
    let memory = rig
        .device
        .allocate(64 << 20, Placement::Device)
        .expect("memory");
    let stamps: Vec<_> = (0..300)
        .map(|_| rig.device.timestamp().expect("a timestamp"))
        .collect();
    assert_eq!(stamps[0].nanoseconds(), Ok(None), "nothing has run");
    rig.run(|recorder| {
        for stamp in &stamps[..3] {
            recorder.timestamp(stamp);
            recorder.barrier();
            recorder
                .fill(&memory.whole(), Pattern::U32(3))
                .expect("a fill");
            recorder.barrier();
        }
        stamps[3..]
            .iter()
            .for_each(|stamp| recorder.timestamp(stamp));
    });
    let times: Vec<_> = stamps
        .iter()
        .map(|stamp| stamp.nanoseconds().expect("no loss").expect("it has run"))
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    let fill = stamps[2]
        .since(&stamps[1])
        .expect("no loss")
        .expect("both have run");
    assert_eq!(fill, times[2] - times[1]);
    assert!(
        (10_000..10_000_000_000).contains(&fill),
        "64 MiB in {fill} ns"
    );
}

#[test]
fn timestamp_slots_are_used_again() {
    let rig = Rig::new();
    let mut last = 0;
    for _ in 0..600 {
        let stamp = rig.device.timestamp().expect("a timestamp");
        assert_eq!(
            stamp.nanoseconds(),
            Ok(None),
            "a fresh timestamp remembers nothing"
        );
        rig.run(|recorder| recorder.timestamp(&stamp));
        let time = stamp.nanoseconds().expect("no loss").expect("it has run");
        assert!(time >= last);
        last = time;
    }
}
