//! The sets that events could be waited for in.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use abi::nvml::nvmlEventSet_t;

/// The live sets. Handles are never reused.
#[derive(Debug)]
pub struct EventSets {
    live: BTreeSet<nvmlEventSet_t>,
    next: usize,
}

static SETS: Mutex<EventSets> = Mutex::new(EventSets {
    live: BTreeSet::new(),
    next: 0x20_0000,
});

impl EventSets {
    fn lock() -> MutexGuard<'static, Self> {
        SETS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a set.
    pub fn create() -> nvmlEventSet_t {
        let mut sets = Self::lock();
        let set = nvmlEventSet_t(sets.next);
        sets.next += 0x10;
        sets.live.insert(set);
        set
    }

    /// Whether a handle names a set.
    pub fn contains(set: nvmlEventSet_t) -> bool {
        Self::lock().live.contains(&set)
    }

    /// Ends a set; false if there is none.
    pub fn remove(set: nvmlEventSet_t) -> bool {
        Self::lock().live.remove(&set)
    }
}
