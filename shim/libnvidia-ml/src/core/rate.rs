//! Rates of counters that only ever grow: energy into power.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long to watch a counter that was not read before. NVML's own sample
/// period is between a sixth of a second and a second; a tool that asks once and
/// exits should not wait longer than this.
pub const FIRST_PERIOD: Duration = Duration::from_millis(100);

/// Readings closer together than this say little: counters advance in steps.
const SHORTEST_PERIOD: Duration = Duration::from_millis(20);

/// Readings older than this say nothing about now.
const LONGEST_PERIOD: Duration = Duration::from_secs(5);

/// The readings of one thing, and what was last computed from two of them.
#[derive(Debug)]
pub struct Rate<T, R> {
    last: Mutex<Option<Reading<T, R>>>,
}

#[derive(Debug)]
struct Reading<T, R> {
    at: Instant,
    value: T,
    rate: Option<R>,
}

impl<T, R> Default for Rate<T, R> {
    fn default() -> Self {
        Self {
            last: Mutex::new(None),
        }
    }
}

impl<T, R: Clone> Rate<T, R> {
    /// Reads now and compares with the reading before: `compare` is given that
    /// one, the new one, and the time between them. Waits [`FIRST_PERIOD`] where there was none.
    pub fn measure(
        &self,
        read: impl Fn() -> Option<T>,
        compare: impl Fn(T, &T, Duration) -> R,
    ) -> Option<R> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match last.take() {
            Some(reading) if reading.at.elapsed() <= LONGEST_PERIOD => reading,
            _ => Self::first(&read)?,
        };
        if before.at.elapsed() < SHORTEST_PERIOD
            && let Some(rate) = before.rate.clone()
        {
            *last = Some(before);
            return Some(rate);
        }
        if before.at.elapsed() < SHORTEST_PERIOD {
            thread::sleep(FIRST_PERIOD);
        }
        let (at, value) = (Instant::now(), read()?);
        let rate = compare(before.value, &value, at - before.at);
        *last = Some(Reading {
            at,
            value,
            rate: Some(rate.clone()),
        });
        Some(rate)
    }

    fn first(read: impl Fn() -> Option<T>) -> Option<Reading<T, R>> {
        Some(Reading {
            at: Instant::now(),
            value: read()?,
            rate: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn the_first_measurement_watches_the_counter_for_a_while() {
        let counter = Cell::new(100);
        let read = || Some(counter.replace(counter.get() + 7));
        let rate = Rate::default();
        let compare = |before: i32, after: &i32, period: Duration| {
            assert!(period >= FIRST_PERIOD);
            after - before
        };
        assert_eq!(rate.measure(read, compare), Some(7));
        // At once again: the same answer, without another reading.
        assert_eq!(rate.measure(read, |_, _, _| unreachable!()), Some(7));
        assert_eq!(counter.get(), 114);
    }

    #[test]
    fn what_cannot_be_read_has_no_rate() {
        let rate = Rate::<i32, i32>::default();
        assert_eq!(rate.measure(|| None, |_, _, _| 0), None);
    }
}
