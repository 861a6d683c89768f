//! `PUMICE_DEBUG=times`: how long the device was busy with each kernel, and how long
//! it stood between two launches of a stream, printed when the process ends.
//!
//! The clock is the queue's own: a timestamp before a launch and one after it. They
//! add a little to what is measured, so the sums are for comparing kernels with each
//! other and not for quoting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::trace;
use vulkan::Timestamp;

use crate::core::debug;

/// Launches whose timestamps are kept until somebody reads them.
const MOST_OPEN: usize = 4096;
/// A longer pause than this, in nanoseconds, is the program's own.
const LONGEST_GAP: u64 = 200_000;

static TIMES: Mutex<Times> = Mutex::new(Times {
    open: Vec::new(),
    last: None,
    sums: None,
    gaps: Sum { count: 0, total: 0 },
});

#[derive(Default)]
struct Times {
    open: Vec<Measured>,
    /// The end of the launch before the first of `open`.
    last: Option<Arc<Timestamp>>,
    sums: Option<HashMap<String, Sum>>,
    gaps: Sum,
}

struct Measured {
    kernel: String,
    start: Arc<Timestamp>,
    end: Arc<Timestamp>,
}

#[derive(Default, Clone, Copy)]
struct Sum {
    count: u64,
    /// Nanoseconds.
    total: u64,
}

/// Records `launch` between two timestamps if the flag asks for it.
///
/// # Errors
/// What `launch` returns, or that there are no timestamps.
pub fn around(
    kernel: &str,
    recorder: &mut vulkan::Recorder,
    launch: impl FnOnce(&mut vulkan::Recorder) -> Result<(), vulkan::Error>,
) -> Result<(), vulkan::Error> {
    if !debug::flags().times {
        return launch(recorder);
    }
    let (start, end) = (
        recorder.device().timestamp()?,
        recorder.device().timestamp()?,
    );
    recorder.timestamp(&start);
    launch(recorder)?;
    recorder.timestamp(&end);
    let mut times = lock();
    let kernel = kernel.to_owned();
    times.open.push(Measured { kernel, start, end });
    if times.open.len() >= MOST_OPEN {
        times.read();
    }
    Ok(())
}

/// Prints the sums, the longest first. The device must be idle.
pub fn print() {
    let mut times = lock();
    times.read();
    let Some(sums) = times.sums.take() else {
        return;
    };
    let mut rows: Vec<_> = sums.into_iter().collect();
    rows.sort_by_key(|(_, sum)| std::cmp::Reverse(sum.total));
    trace::log(format_args!(
        "device time: total ms, launches, us each, kernel"
    ));
    for (kernel, sum) in rows {
        print_row(&kernel, sum);
    }
    print_row("(between two launches)", times.gaps);
}

fn print_row(kernel: &str, sum: Sum) {
    let micros = |nanos: u64| std::time::Duration::from_nanos(nanos).as_secs_f64() * 1e6;
    trace::log(format_args!(
        "device time: {:10.3} {:8} {:10.2} {kernel}",
        micros(sum.total) / 1e3,
        sum.count,
        micros(sum.total / sum.count.max(1)),
    ));
}

fn lock() -> MutexGuard<'static, Times> {
    TIMES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Times {
    /// Adds up the launches that are done, and leaves the others.
    fn read(&mut self) {
        let done = |it: &Measured| matches!(it.end.since(&it.start), Ok(Some(_)));
        let count = self.open.iter().take_while(|it| done(it)).count();
        for it in self.open.drain(..count).collect::<Vec<_>>() {
            if let Some(last) = self.last.replace(it.end.clone())
                && let Ok(Some(gap)) = it.start.since(&last)
                && gap < LONGEST_GAP
            {
                self.gaps.add(gap);
            }
            if let Ok(Some(taken)) = it.end.since(&it.start) {
                let sums = self.sums.get_or_insert_default();
                sums.entry(it.kernel).or_default().add(taken);
            }
        }
    }
}

impl Sum {
    fn add(&mut self, nanos: u64) {
        self.count += 1;
        self.total += nanos;
    }
}
