//! Mutual exclusion without the standard library.

use core::cell::UnsafeCell;

use libc::{PTHREAD_MUTEX_INITIALIZER, pthread_mutex_lock, pthread_mutex_t, pthread_mutex_unlock};

/// A value that one thread at a time reaches.
pub struct Lock<T> {
    mutex: UnsafeCell<pthread_mutex_t>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one thread at a time, which `with` sees to.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> Self {
        Self {
            mutex: UnsafeCell::new(PTHREAD_MUTEX_INITIALIZER),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `action` while no other thread does. It must not take the same lock.
    pub fn with<R>(&self, action: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the mutex is initialized and, being in a static, never moves.
        unsafe { pthread_mutex_lock(self.mutex.get()) };
        // SAFETY: this thread holds the mutex, so there is no other reference.
        let result = action(unsafe { &mut *self.value.get() });
        // SAFETY: this thread locked it.
        unsafe { pthread_mutex_unlock(self.mutex.get()) };
        result
    }
}
