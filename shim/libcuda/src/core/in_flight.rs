//! Which kernels a stream's batches hold: when a device is lost or given up, the log
//! names those that it was at.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Batches beyond which those that are done are forgotten.
const KEPT: usize = 64;

/// The batches of one timeline, the oldest first.
#[derive(Default)]
pub struct InFlight(Mutex<VecDeque<Batch>>);

struct Batch {
    /// What the timeline is at when the batch is done.
    value: u64,
    kernels: Kernels,
}

/// The kernels of a batch in the order of their launches, each once in a row.
#[derive(Clone, Default)]
pub struct Kernels(Vec<Arc<str>>);

impl Kernels {
    pub fn add(&mut self, kernel: &Arc<str>) {
        if self.0.last().is_none_or(|last| !Arc::ptr_eq(last, kernel)) {
            self.0.push(kernel.clone());
        }
    }
}

impl fmt::Display for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("no kernel"),
            [one] => write!(f, "kernel `{one}`"),
            several => write!(f, "one of the kernels `{}`", several.join("`, `")),
        }
    }
}

impl InFlight {
    /// Takes note of a batch; `reached` is asked only where there are many.
    pub fn add(&self, value: u64, kernels: Kernels, reached: impl FnOnce() -> u64) {
        if kernels.0.is_empty() {
            return;
        }
        let mut batches = self.lock();
        batches.push_back(Batch { value, kernels });
        if batches.len() > KEPT {
            let reached = reached();
            batches.retain(|batch| batch.value > reached);
        }
    }

    /// The kernels of the first batch with any that is not done.
    pub fn first_after(&self, reached: u64) -> Kernels {
        let batches = self.lock();
        let first = batches.iter().find(|batch| batch.value > reached);
        first.map_or_else(Kernels::default, |batch| batch.kernels.clone())
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Batch>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernels(names: &[&str]) -> Kernels {
        let mut kernels = Kernels::default();
        for name in names {
            kernels.add(&Arc::from(*name));
        }
        kernels
    }

    #[test]
    fn the_first_unfinished_batch_is_named() {
        let batches = InFlight::default();
        batches.add(1, kernels(&["a"]), || 0);
        batches.add(2, kernels(&[]), || 0);
        batches.add(3, kernels(&["b", "c"]), || 0);
        let named = |reached| batches.first_after(reached).to_string();
        assert_eq!(named(0), "kernel `a`");
        assert_eq!(named(1), "one of the kernels `b`, `c`");
        assert_eq!(named(3), "no kernel");
    }

    #[test]
    fn a_kernel_launched_again_and_again_is_named_once() {
        let (name, mut kernels) = (Arc::from("a"), Kernels::default());
        (0..3).for_each(|_| kernels.add(&name));
        assert_eq!(kernels.to_string(), "kernel `a`");
    }

    #[test]
    fn what_is_done_is_forgotten_once_there_are_many() {
        let batches = InFlight::default();
        for value in 1..=1000 {
            batches.add(value, kernels(&["a"]), || value - 2);
        }
        assert!(batches.lock().len() <= KEPT);
        assert_eq!(batches.first_after(998).to_string(), "kernel `a`");
    }
}
