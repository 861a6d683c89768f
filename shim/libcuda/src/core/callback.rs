//! Functions of the program that run at a point of a stream.
//!
//! Each stream that is given one has a thread of its own for them, so that a
//! callback which waits for another stream's cannot hold that one up.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use abi::cuda::CUstream;
use abi::{CUerror, CUresult, trace};

use crate::core::context::Resources;
use crate::core::stream::{Line, Point};
use crate::handles::HostPtr;

type Function = Box<dyn FnOnce(CUresult) + Send>;

struct Task {
    before: Point,
    resources: Weak<Resources>,
    function: Function,
    value: u64,
}

/// Calls a function of `cuStreamAddCallback`.
pub fn of_stream(
    callback: unsafe extern "C" fn(CUstream, u32, *mut c_void),
    stream: CUstream,
    status: CUresult,
    user_data: HostPtr,
) {
    // SAFETY: the program asked for this call with these arguments.
    unsafe { callback(stream, abi::error::status(status), user_data.0) }
}

/// Calls a function of `cuLaunchHostFunc`.
pub fn of_host(function: unsafe extern "C" fn(*mut c_void), user_data: HostPtr) {
    // SAFETY: the program asked for this call with this argument.
    unsafe { function(user_data.0) }
}

/// The callbacks of one stream.
pub struct Callbacks {
    /// Reaches `n` when the `n`th callback has returned.
    line: Arc<Line>,
    enqueued: AtomicU64,
    tasks: Mutex<Option<Sender<Task>>>,
}

impl Callbacks {
    pub fn new(device: &Arc<vulkan::Device>) -> Result<Self, vulkan::Error> {
        Ok(Self {
            line: Line::new(device)?,
            enqueued: AtomicU64::new(0),
            tasks: Mutex::default(),
        })
    }

    /// Calls `function` once `before` is reached, with success or the status of a
    /// device that failed; the point returned is reached when it has returned.
    pub fn enqueue(
        &self,
        before: Point,
        resources: Weak<Resources>,
        function: impl FnOnce(CUresult) + Send + 'static,
    ) -> Point {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let value = self.enqueued.fetch_add(1, Ordering::Relaxed) + 1;
        let task = Task {
            before,
            resources,
            function: Box::new(function),
            value,
        };
        let sender = tasks.get_or_insert_with(|| self.start());
        // The thread ends only when this sender is dropped.
        let _ = sender.send(task);
        Point::new(self.line.clone(), value)
    }

    fn start(&self) -> Sender<Task> {
        let (sender, receiver) = channel();
        let line = self.line.clone();
        let name = std::thread::Builder::new().name("pumice-callback".into());
        if let Err(error) = name.spawn(move || run(&receiver, &line)) {
            trace::log(format_args!(
                "cannot start the thread of a stream's callbacks: {error}"
            ));
        }
        sender
    }
}

fn run(tasks: &Receiver<Task>, line: &Line) {
    for task in tasks {
        let resources = task.resources.upgrade();
        let reached = match &resources {
            Some(resources) => task.before.wait(resources),
            None => Err(CUerror::CONTEXT_IS_DESTROYED),
        };
        (task.function)(reached);
        if let Err(error) = line.signal(task.value) {
            trace::log(format_args!("a stream stays behind its callback: {error}"));
            return;
        }
        if let Some(resources) = resources {
            resources.release_held();
        }
    }
}

/// The dynamic shared memory in bytes that a program says a block size needs.
pub fn shared_of_block(shared: unsafe extern "C" fn(i32) -> usize, block: u32) -> u64 {
    // SAFETY: the program asked for these calls.
    unsafe { shared(block.cast_signed()) as u64 }
}
