//! Compilation off the caller's thread: it starts when a kernel's handle is asked
//! for, on at most as many threads as there are processors, and a launch finds it
//! done or waits for its own kernel.
//!
//! What is asked for is not always launched: a runtime of CUDA 11 asks for every
//! kernel that a program holds when it starts. So compilation runs ahead while few
//! handles are unused, and beyond that a kernel waits for its first launch.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use abi::trace;

use crate::core::function::Function;

/// Handles that were asked for and not launched, beyond which nothing is compiled
/// ahead. Stock programs ask for a kernel right before its first launch.
const MOST_UNUSED: usize = 32;
/// As much as a program's main thread has.
const STACK: usize = 8 << 20;
/// A thread without work ends after this time.
const IDLE: Duration = Duration::from_secs(2);
/// How long a process that exits waits for kernels that are being compiled.
const EXIT_GRACE: Duration = Duration::from_secs(2);

static UNUSED: AtomicUsize = AtomicUsize::new(0);
static POOL: Pool = Pool {
    state: Mutex::new(State {
        waiting: VecDeque::new(),
        threads: 0,
        stopped: false,
    }),
    changed: Condvar::new(),
};

/// Who compiles a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thread {
    /// The one that launches it.
    Launching,
    /// The one that loads its module and asks what is wrong with it.
    Loading,
    /// One of the pool; so many kernels wait behind it.
    Pool { waiting: usize },
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Launching => Ok(()),
            Self::Loading => f.write_str(", at the load of its module"),
            Self::Pool { waiting } => write!(f, ", ahead of its launch; {waiting} wait"),
        }
    }
}

/// A kernel's part in the count of unused handles.
#[derive(Default)]
pub struct Ahead {
    counted: AtomicBool,
    used: AtomicBool,
}

impl Ahead {
    /// The kernel's handle was asked for.
    pub fn ask(&self, function: &Arc<Function>) {
        if self.used.load(Ordering::Relaxed) || self.counted.swap(true, Ordering::Relaxed) {
            return;
        }
        if UNUSED.fetch_add(1, Ordering::Relaxed) < MOST_UNUSED {
            POOL.add(function);
        } else {
            POOL.lock().waiting.clear();
        }
    }

    /// The kernel is launched.
    pub fn used(&self) {
        self.used.store(true, Ordering::Relaxed);
        if self.counted.swap(false, Ordering::Relaxed) {
            UNUSED.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.used();
    }
}

/// Ends the threads, once they have compiled what they are at: a process that exits
/// must not have them.
pub fn stop() {
    let mut state = POOL.lock();
    state.stopped = true;
    state.waiting.clear();
    POOL.changed.notify_all();
    let ended = POOL
        .changed
        .wait_timeout_while(state, EXIT_GRACE, |state| state.threads > 0);
    drop(ended.unwrap_or_else(PoisonError::into_inner));
}

struct Pool {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    waiting: VecDeque<Weak<Function>>,
    threads: usize,
    stopped: bool,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, function: &Arc<Function>) {
        let mut state = self.lock();
        if state.stopped {
            return;
        }
        state.waiting.push_back(Arc::downgrade(function));
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        if state.threads < most.min(state.waiting.len()) {
            let thread = std::thread::Builder::new()
                .name("pumice-compile".into())
                .stack_size(STACK);
            match thread.spawn(|| self.run()) {
                Ok(_) => state.threads += 1,
                // The launch compiles the kernel.
                Err(error) => trace::note(format_args!("no thread to compile on: {error}")),
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    fn run(&self) {
        while let Some((function, waiting)) = self.next() {
            if let Some(function) = function.upgrade() {
                // Whoever launches the kernel gets its failure.
                let _ = function.translated(Thread::Pool { waiting });
            }
        }
    }

    /// The next kernel, and how many wait; `None` ends the thread.
    fn next(&self) -> Option<(Weak<Function>, usize)> {
        let state = self.lock();
        let idle = |state: &mut State| state.waiting.is_empty() && !state.stopped;
        let waited = self.changed.wait_timeout_while(state, IDLE, idle);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let next = state.waiting.pop_front();
        if next.is_none() {
            state.threads -= 1;
            self.changed.notify_all();
        }
        Some((next?, state.waiting.len()))
    }
}
