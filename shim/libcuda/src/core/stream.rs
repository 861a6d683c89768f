//! Streams: work in order, recorded into batches of Vulkan commands.
//!
//! A stream's operations go into an open batch, which is submitted when nothing of
//! the stream is in flight, when it has grown, when it has waited for a moment, or
//! when someone waits for it. The stream's timeline reaches `n` when its `n`th
//! batch is done. Between two operations of one stream stands a full memory
//! barrier, because kernels reach memory by raw pointers and hide what they touch;
//! between streams there is none but what events and the default streams ask for.
//!
//! A batch that waits for something no queue has been given yet (a host function,
//! or work behind one) is held here until it has: a queue that got it would stand
//! still, and with it every other stream on that queue.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use abi::cuda::*;
use abi::{CUerror, CUresult};

use crate::core::callback::Callbacks;
use crate::core::context::{self, Context, Owned, Resources};
use crate::core::in_flight::{InFlight, Kernels};
use crate::core::{host_memory, watchdog};
use crate::error::cuda_error;
use crate::exports::{DefaultStream, default_stream};
use crate::handles::{HostPtr, STREAMS};

/// A batch is submitted at this many operations, so that the device starts early.
const BATCH_OPERATIONS: u32 = 64;
/// While nothing is in flight a batch is submitted sooner: the first at one
/// operation, each that follows without a pause at twice as many, up to these. A
/// submission costs as much as recording dozens of launches, and a device that
/// outruns the program would else get one a launch.
const IDLE_OPERATIONS: u32 = 16;

/// How a stream relates to the legacy default stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The legacy default stream: waits for every blocking stream and they for it.
    Legacy,
    /// A thread's default stream, which is a blocking stream.
    PerThread,
    /// Created without `CU_STREAM_NON_BLOCKING`.
    Blocking,
    /// Created with `CU_STREAM_NON_BLOCKING`.
    NonBlocking,
}

/// A timeline, and how far its signals are on their way: what is launched comes
/// without anybody's doing.
pub struct Line {
    timeline: Arc<vulkan::Timeline>,
    launched: AtomicU64,
    /// How far the timeline was when it was last looked at.
    seen: AtomicU64,
    kernels: InFlight,
}

impl Line {
    pub fn new(device: &Arc<vulkan::Device>) -> Result<Arc<Self>, vulkan::Error> {
        Ok(Arc::new(Self {
            timeline: device.timeline(0)?,
            launched: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            kernels: InFlight::default(),
        }))
    }

    /// How far the timeline is.
    ///
    /// # Errors
    /// The status of a device that failed.
    fn value(&self, resources: &Resources) -> Result<u64, CUerror> {
        let value = self.timeline.value();
        let value = value.map_err(|error| self.failed(resources, &error))?;
        self.seen.store(value, Ordering::Relaxed);
        Ok(value)
    }

    /// The status of a device that failed; the log says what it was at.
    fn failed(&self, resources: &Resources, error: &vulkan::Error) -> CUerror {
        if matches!(error, vulkan::Error::DeviceLost { .. }) {
            watchdog::report_loss(&self.at());
        }
        resources.note_failure(cuda_error(error))
    }

    /// The kernels that the device has not finished.
    fn at(&self) -> Kernels {
        self.kernels.first_after(self.seen.load(Ordering::Relaxed))
    }

    /// Moves the timeline from the host.
    pub fn signal(&self, value: u64) -> Result<(), vulkan::Error> {
        self.timeline.signal(value)?;
        self.launched.store(value, Ordering::Release);
        Ok(())
    }
}

/// A moment in a stream: its timeline has reached it when it is at `value`.
#[derive(Clone)]
pub struct Point {
    line: Arc<Line>,
    value: u64,
}

impl Point {
    pub fn new(line: Arc<Line>, value: u64) -> Self {
        Self { line, value }
    }

    /// Whether a queue may wait for this point.
    fn is_launched(&self) -> bool {
        self.line.launched.load(Ordering::Acquire) >= self.value
    }

    /// Whether the work before this point is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn is_reached(&self, resources: &Resources) -> Result<bool, CUerror> {
        Ok(self.line.value(resources)? >= self.value)
    }

    /// Waits until the work before this point is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn wait(&self, resources: &Resources) -> CUresult {
        self.reach(resources)?;
        resources.flush_prints();
        resources.check_fault()
    }

    /// Waits without looking at what kernels left: the device may have faulted.
    ///
    /// # Errors
    /// The status of a device that is lost.
    pub fn reach(&self, resources: &Resources) -> CUresult {
        if resources.has_timed_out() {
            return Err(CUerror::LAUNCH_TIMEOUT);
        }
        loop {
            let before = self.line.value(resources)?;
            let limit = watchdog::limit();
            let reached = self.line.timeline.wait(self.value, limit);
            if reached.map_err(|error| self.line.failed(resources, &error))? {
                return Ok(());
            }
            if self.line.value(resources)? == before {
                watchdog::report(limit, &self.line.at());
                return Err(resources.note_failure(CUerror::LAUNCH_TIMEOUT));
            }
        }
    }
}

/// An ordered queue of work.
pub struct Stream {
    handle: usize,
    id: u64,
    kind: Kind,
    priority: i32,
    resources: Weak<Resources>,
    queue: vulkan::Queue,
    line: Arc<Line>,
    callbacks: Callbacks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The commands recorded since the last batch was closed.
    batch: Option<Batch>,
    /// Closed batches that wait for something that is not launched.
    held: VecDeque<Closed>,
    /// The value that the last closed batch signals.
    closed: u64,
    /// What the next batch has to wait for.
    waits: Vec<Point>,
    /// The value of the legacy stream that a blocking stream waits for already.
    ordered_after_legacy: u64,
    /// Operations at which the next batch is submitted if nothing is in flight.
    idle_operations: u32,
    /// Local memory of kernels, which the stream's launches use one after another.
    scratch: Option<Arc<vulkan::Allocation>>,
}

struct Batch {
    recorder: vulkan::Recorder,
    operations: u32,
    kernels: Kernels,
    waits: Vec<Point>,
}

struct Closed {
    commands: vulkan::Commands,
    waits: Vec<Point>,
    value: u64,
}

impl Owned for Stream {
    fn owner(&self) -> &Weak<Resources> {
        &self.resources
    }
}

impl Stream {
    /// A new stream of a context.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY` if Vulkan has no memory for it.
    pub fn create(
        resources: &Arc<Resources>,
        kind: Kind,
        priority: i32,
    ) -> Result<Arc<Self>, CUerror> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let vulkan = &resources.vulkan;
        let line = Line::new(vulkan).map_err(|error| cuda_error(&error))?;
        let callbacks = Callbacks::new(vulkan).map_err(|error| cuda_error(&error))?;
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let stream = STREAMS.insert_with(|handle| Self {
            handle,
            id,
            kind,
            priority,
            resources: Arc::downgrade(resources),
            queue: queue_of(vulkan, id),
            line,
            callbacks,
            state: Mutex::default(),
        });
        resources.adopt_stream(&stream);
        Ok(stream)
    }

    /// The stream of a handle: a created one, or a default stream of the current
    /// context.
    ///
    /// # Errors
    /// `INVALID_HANDLE` for an unknown handle; as [`context::current_resources`]
    /// for a default stream.
    pub fn from_handle(handle: CUstream) -> Result<Arc<Self>, CUerror> {
        match (handle, default_stream()) {
            (CUstream::NULL, DefaultStream::Legacy) | (CU_STREAM_LEGACY, _) => {
                context::current_resources()?.legacy()
            }
            (CUstream::NULL, DefaultStream::PerThread) | (CU_STREAM_PER_THREAD, _) => per_thread(),
            _ => STREAMS.get(handle.0).ok_or(CUerror::INVALID_HANDLE),
        }
    }

    /// The default stream of the entry point that the thread is in.
    ///
    /// # Errors
    /// As [`Self::from_handle`].
    pub fn default() -> Result<Arc<Self>, CUerror> {
        Self::from_handle(CUstream::NULL)
    }

    pub fn handle(&self) -> CUstream {
        CUstream(self.handle)
    }

    /// `cuStreamGetId`: unique in the life of the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn priority(&self) -> i32 {
        self.priority
    }

    /// Adds one operation to the stream and says at which point it is done.
    ///
    /// # Errors
    /// What `operation` returns, or the status of a device that failed.
    pub fn record(
        &self,
        operation: impl FnOnce(&mut vulkan::Recorder) -> Result<(), vulkan::Error>,
    ) -> Result<Point, CUerror> {
        self.add(operation, |_| ())
    }

    /// As [`Self::record`], for the launch of a kernel.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub fn record_launch(
        &self,
        kernel: &Arc<str>,
        operation: impl FnOnce(&mut vulkan::Recorder) -> Result<(), vulkan::Error>,
    ) -> Result<Point, CUerror> {
        self.add(operation, |batch| batch.kernels.add(kernel))
    }

    fn add(
        &self,
        operation: impl FnOnce(&mut vulkan::Recorder) -> Result<(), vulkan::Error>,
        note: impl FnOnce(&mut Batch),
    ) -> Result<Point, CUerror> {
        let resources = self.resources()?;
        self.order_with_default_streams(&resources)?;
        let mut state = self.lock();
        self.begin(&resources, &mut state)?;
        let batch = self.open_batch(&resources, &mut state)?;
        batch.recorder.barrier();
        operation(&mut batch.recorder).map_err(|e| resources.note_failure(cuda_error(&e)))?;
        batch.operations += 1;
        note(batch);
        let point = Point::new(self.line.clone(), state.closed + 1);
        self.close_if_due(&resources, &mut state)?;
        Ok(point)
    }

    /// The end of the stream's work so far, which may not be submitted yet.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn end(&self) -> Result<Point, CUerror> {
        let resources = self.resources()?;
        self.order_with_default_streams(&resources)?;
        let mut state = self.lock();
        self.begin(&resources, &mut state)?;
        let open = u64::from(state.batch.is_some());
        Ok(Point::new(self.line.clone(), state.closed + open))
    }

    /// Closes what is recorded and submits it as soon as it can be; the stream's
    /// work so far is done at the point returned.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn flush(&self) -> Result<Point, CUerror> {
        let resources = self.resources()?;
        let mut state = self.lock();
        self.begin(&resources, &mut state)?;
        self.close(&resources, &mut state)?;
        state.idle_operations = 1;
        Ok(Point::new(self.line.clone(), state.closed))
    }

    /// At least `bytes` of device memory for the next operation alone: what it
    /// records must keep it.
    ///
    /// # Errors
    /// Out of memory.
    pub fn scratch(
        &self,
        resources: &Resources,
        bytes: u64,
    ) -> Result<Arc<vulkan::Allocation>, vulkan::Error> {
        let mut state = self.lock();
        if let Some(scratch) = state.scratch.as_ref().filter(|it| it.size() >= bytes) {
            return Ok(scratch.clone());
        }
        state.scratch = None;
        let scratch = resources
            .vulkan
            .allocate(bytes, vulkan::Placement::Device)?;
        state.scratch = Some(scratch.clone());
        Ok(scratch)
    }

    /// Submits what is recorded, if anything is.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn flush_recorded(&self) -> CUresult {
        let recorded = self.lock().batch.is_some();
        if recorded {
            self.flush().map(|_| ())
        } else {
            Ok(())
        }
    }

    /// Submits batches that were held, as far as what they wait for is launched;
    /// says whether there were any.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn release(&self, resources: &Resources) -> Result<bool, CUerror> {
        let mut state = self.lock();
        let before = state.held.len();
        self.submit_launched(resources, &mut state)?;
        Ok(state.held.len() < before)
    }

    /// Waits until the stream's work is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn synchronize(&self) -> CUresult {
        let resources = self.resources()?;
        self.join_blocking_streams(&resources)?;
        self.flush()?.wait(&resources)
    }

    /// Whether the stream's work is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn is_idle(&self) -> Result<bool, CUerror> {
        let resources = self.resources()?;
        self.join_blocking_streams(&resources)?;
        self.flush()?.is_reached(&resources)
    }

    /// Makes the stream's later work wait for a point of another stream.
    pub fn wait_for(&self, point: Point) {
        self.lock().waits.push(point);
    }

    /// Calls `callback` when the stream's work so far is done, and holds its later
    /// work until it has returned.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn call_back(&self, callback: impl FnOnce(CUresult) + Send + 'static) -> CUresult {
        let resources = self.resources()?;
        self.order_with_default_streams(&resources)?;
        let before = self.flush()?;
        let after = self
            .callbacks
            .enqueue(before, Arc::downgrade(&resources), callback);
        self.wait_for(after);
        Ok(())
    }

    /// The legacy default stream waits for the blocking streams, and they for it
    /// (driver API manual, "Stream synchronization behavior").
    fn order_with_default_streams(&self, resources: &Arc<Resources>) -> CUresult {
        if !matches!(self.kind, Kind::Blocking | Kind::PerThread) {
            return self.join_blocking_streams(resources);
        }
        let Some(point) = resources.legacy()?.unfinished(resources)? else {
            return Ok(());
        };
        let mut state = self.lock();
        if state.ordered_after_legacy < point.value {
            state.ordered_after_legacy = point.value;
            state.waits.push(point);
        }
        Ok(())
    }

    fn join_blocking_streams(&self, resources: &Arc<Resources>) -> CUresult {
        if self.kind != Kind::Legacy {
            return Ok(());
        }
        let streams = resources.streams();
        let blocking =
            |stream: &&Arc<Self>| matches!(stream.kind, Kind::Blocking | Kind::PerThread);
        for stream in streams.iter().filter(blocking) {
            if let Some(point) = stream.unfinished(resources)? {
                self.wait_for(point);
            }
        }
        Ok(())
    }

    /// Where the stream's work ends, if any of it is left.
    fn unfinished(&self, resources: &Resources) -> Result<Option<Point>, CUerror> {
        let untouched = {
            let state = self.lock();
            state.batch.is_none() && state.waits.is_empty() && state.closed == 0
        };
        if untouched {
            return Ok(None);
        }
        let point = self.flush()?;
        Ok(if point.is_reached(resources)? {
            None
        } else {
            Some(point)
        })
    }

    /// Begins a batch for what was asked to be waited for: what is recorded already
    /// must not wait for it.
    fn begin(&self, resources: &Resources, state: &mut State) -> CUresult {
        if state.waits.is_empty() {
            return Ok(());
        }
        self.close(resources, state)?;
        self.open_batch(resources, state).map(|_| ())
    }

    fn open_batch<'a>(
        &self,
        resources: &Resources,
        state: &'a mut State,
    ) -> Result<&'a mut Batch, CUerror> {
        if state.batch.is_none() {
            let recorder = self.queue.recorder();
            let recorder = recorder.map_err(|e| resources.note_failure(cuda_error(&e)))?;
            let waits = std::mem::take(&mut state.waits);
            state.batch = Some(Batch {
                recorder,
                operations: 0,
                kernels: Kernels::default(),
                waits,
            });
        }
        state.batch.as_mut().ok_or(CUerror::UNKNOWN)
    }

    fn close_if_due(&self, resources: &Resources, state: &mut State) -> CUresult {
        let operations = state.batch.as_ref().map_or(0, |batch| batch.operations);
        let last = Point::new(self.line.clone(), state.closed);
        let enough = operations >= state.idle_operations;
        if operations >= BATCH_OPERATIONS || enough && last.is_reached(resources)? {
            self.close(resources, state)?;
            state.idle_operations = (2 * state.idle_operations).clamp(2, IDLE_OPERATIONS);
        } else if operations == 1 {
            // Later ones go with it.
            resources.device.submit_soon(&self.resources);
        }
        Ok(())
    }

    fn close(&self, resources: &Resources, state: &mut State) -> CUresult {
        let Some(batch) = state.batch.take() else {
            return Ok(());
        };
        let commands = batch.recorder.finish();
        let commands = commands.map_err(|error| resources.note_failure(cuda_error(&error)))?;
        state.closed += 1;
        let reached = || self.line.value(resources).unwrap_or_default();
        self.line.kernels.add(state.closed, batch.kernels, reached);
        state.held.push_back(Closed {
            commands,
            waits: batch.waits,
            value: state.closed,
        });
        self.submit_launched(resources, state)
    }

    fn submit_launched(&self, resources: &Resources, state: &mut State) -> CUresult {
        while state
            .held
            .front()
            .is_some_and(|batch| batch.waits.iter().all(Point::is_launched))
        {
            let Some(batch) = state.held.pop_front() else {
                break;
            };
            let waits = batch
                .waits
                .iter()
                .map(|point| (&point.line.timeline, point.value));
            let waits = waits.collect::<Vec<_>>();
            self.queue
                .submit(batch.commands, &waits, (&self.line.timeline, batch.value))
                .map_err(|error| resources.note_failure(cuda_error(&error)))?;
            self.line.launched.store(batch.value, Ordering::Release);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Streams are spread over the device's queues in the order of their creation.
fn queue_of(device: &Arc<vulkan::Device>, id: u64) -> vulkan::Queue {
    let mut queues = device.queues();
    let index = usize::try_from(id).unwrap_or(0) % queues.len();
    queues.swap_remove(index)
}

thread_local! {
    /// This thread's default streams, by the id of their context.
    static PER_THREAD: std::cell::RefCell<HashMap<u64, Arc<Stream>>> = Default::default();
}

fn per_thread() -> Result<Arc<Stream>, CUerror> {
    let context: Arc<Context> = context::current()?;
    let resources = context.resources()?;
    let key = context.id();
    // A thread that is ending has no default stream any more.
    let known = PER_THREAD.try_with(|streams| streams.borrow().get(&key).cloned());
    let known = known.map_err(|_| CUerror::DEINITIALIZED)?;
    if let Some(stream) = known.filter(|stream| stream.is_of(&resources)) {
        return Ok(stream);
    }
    let stream = Stream::create(&resources, Kind::PerThread, 0)?;
    PER_THREAD.with_borrow_mut(|streams| streams.insert(key, stream.clone()));
    Ok(stream)
}

thread_local! {
    static CAPTURE_MODE: std::cell::Cell<u32> =
        const { std::cell::Cell::new(CUstreamCaptureMode::GLOBAL.0) };
}

/// Swaps the calling thread's capture mode with the one at `mode`.
///
/// # Errors
/// `INVALID_VALUE` if there is no such mode.
pub fn exchange_capture_mode(mode: HostPtr) -> CUresult {
    let new = u32::from_ne_bytes(host_memory::head(mode)?);
    if new > CUstreamCaptureMode::RELAXED.0 {
        return Err(CUerror::INVALID_VALUE);
    }
    host_memory::write(mode, &CAPTURE_MODE.replace(new).to_ne_bytes());
    Ok(())
}
