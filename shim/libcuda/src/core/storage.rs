//! Context-local storage: values that libraries above the driver hang on a
//! context, by key, with a destructor each (export table `c693336e`).

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use abi::cuda::CUcontext;

/// Called with (context, key, value) when the context goes.
pub type Destructor = Option<unsafe extern "C" fn(CUcontext, usize, usize)>;

struct Entry {
    value: usize,
    destructor: Destructor,
}

/// The values of one context.
#[derive(Default)]
pub struct Storage {
    entries: Mutex<HashMap<usize, Entry>>,
}

impl Storage {
    /// Stores a value; an older one of the same key is dropped unnoticed, as its
    /// owner replaces it.
    pub fn put(&self, key: *mut c_void, value: *mut c_void, destructor: Destructor) {
        let entry = Entry {
            value: value as usize,
            destructor,
        };
        self.lock().insert(key as usize, entry);
    }

    /// The value of a key.
    pub fn get(&self, key: *mut c_void) -> Option<*mut c_void> {
        self.lock()
            .get(&(key as usize))
            .map(|entry| entry.value as *mut c_void)
    }

    /// Forgets a key without its destructor.
    pub fn delete(&self, key: *mut c_void) {
        self.lock().remove(&(key as usize));
    }

    /// Runs and forgets every destructor, outside of the lock: they call the
    /// driver.
    pub fn destroy(&self, context: CUcontext) {
        let entries = std::mem::take(&mut *self.lock());
        for (key, entry) in entries {
            if let Some(destructor) = entry.destructor {
                // SAFETY: whoever stored the value promised that its destructor
                // may be called with it when the context goes.
                unsafe { destructor(context, key, entry.value) }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<usize, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
