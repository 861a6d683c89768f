//! Functions that a driver calls back from its own threads.

use std::ffi::c_void;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use abi::cuda::{CUhostFn, CUstream, CUstreamCallback};

/// The longest that a gate holds a stream back.
const GATE_LIMIT: Duration = Duration::from_secs(20);

/// Holds a stream back: work enqueued behind [`Gate::function`] cannot begin
/// until the gate opens. It opens by itself when dropped, and after 20 seconds.
#[derive(Default)]
pub struct Gate {
    state: Arc<GateState>,
}

#[derive(Default)]
struct GateState {
    progress: Mutex<Progress>,
    changed: Condvar,
}

#[derive(Default)]
struct Progress {
    reached: bool,
    open: bool,
}

impl Gate {
    /// The host function to enqueue, and its user data. Enqueue it once.
    #[must_use]
    pub fn function(&self) -> (CUhostFn, *mut c_void) {
        (
            Some(wait_at_gate),
            Arc::into_raw(Arc::clone(&self.state)).cast_mut().cast(),
        )
    }

    /// Lets the stream go on.
    pub fn open(&self) {
        self.state.update(|progress| progress.open = true);
    }

    /// Waits until the stream has reached the gate; whether it did in time.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.state.wait(|progress| progress.reached)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

impl GateState {
    fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn wait(&self, done: impl Fn(&Progress) -> bool) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .changed
            .wait_timeout_while(progress, GATE_LIMIT, |progress| !done(progress));
        let (_progress, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out()
    }
}

unsafe extern "C" fn wait_at_gate(state: *mut c_void) {
    // SAFETY: `Gate::function` made the pointer by `Arc::into_raw`, for one call.
    let state = unsafe { Arc::from_raw(state.cast::<GateState>()) };
    state.update(|progress| progress.reached = true);
    state.wait(|progress| progress.open);
}

/// What callbacks saw, in the order in which they ran.
#[derive(Clone, Default)]
pub struct Log {
    calls: Arc<Mutex<Vec<Call>>>,
}

/// One callback's call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The label that was enqueued.
    pub label: u32,
    /// Stream and status, which a stream callback is told.
    pub stream: Option<(CUstream, u32)>,
}

struct Note {
    label: u32,
    delay: Duration,
    log: Log,
}

impl Log {
    /// A host function that notes `label`, after sleeping for `delay`. Enqueue it once.
    #[must_use]
    pub fn host_function(&self, label: u32, delay: Duration) -> (CUhostFn, *mut c_void) {
        (Some(note_host_function), self.note(label, delay))
    }

    /// A stream callback that notes `label`. Enqueue it once.
    #[must_use]
    pub fn stream_callback(&self, label: u32) -> (CUstreamCallback, *mut c_void) {
        (Some(note_stream_callback), self.note(label, Duration::ZERO))
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The labels of the calls so far.
    #[must_use]
    pub fn labels(&self) -> Vec<u32> {
        self.calls().iter().map(|call| call.label).collect()
    }

    fn note(&self, label: u32, delay: Duration) -> *mut c_void {
        Box::into_raw(Box::new(Note {
            label,
            delay,
            log: self.clone(),
        }))
        .cast()
    }
}

fn write_note(note: *mut c_void, stream: Option<(CUstream, u32)>) {
    // SAFETY: `Log::note` made the pointer by `Box::into_raw`, for one call.
    let note = unsafe { Box::from_raw(note.cast::<Note>()) };
    std::thread::sleep(note.delay);
    let mut calls = note
        .log
        .calls
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    calls.push(Call {
        label: note.label,
        stream,
    });
}

unsafe extern "C" fn note_host_function(note: *mut c_void) {
    write_note(note, None);
}

unsafe extern "C" fn note_stream_callback(stream: CUstream, status: u32, note: *mut c_void) {
    write_note(note, Some((stream, status)));
}
