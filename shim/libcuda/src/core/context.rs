//! Contexts: what a device holds for a program, and the stack of current ones that
//! every thread has.
//!
//! A context outlives its contents: the primary context of a device keeps its
//! handle while it is inactive, and a destroyed context answers
//! `CONTEXT_IS_DESTROYED` to threads that still have it current. Everything that
//! can be destroyed is therefore in [`Resources`].

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};

use abi::cuda::*;
use abi::{CUerror, CUresult, trace};
use compiler::CompiledKernel;
use compiler::back::spirv::layout::{self, fault};
use compiler::print::Message;

use crate::core::device::Device;
use crate::core::host_memory;
use crate::core::memory;
use crate::core::module::Module;
use crate::core::print::{self, PrintBuffer};
use crate::core::staging::Staging;
use crate::core::stdio;
use crate::core::storage::Storage;
use crate::core::stream::{self, Point, Stream};
use crate::error::cuda_error;
use crate::handles::{CONTEXTS, EVENTS, FUNCTIONS, HostPtr, MODULES, STREAMS};
use crate::process;

/// `CU_CTX_*` flags that a context may have.
pub const FLAGS_MASK: u32 = 0xff;
/// `CU_CTX_SCHED_MASK`: at most one of these.
pub const SCHED_MASK: u32 = 0x07;

/// A context of one device.
pub struct Context {
    handle: usize,
    device: &'static Device,
    id: u64,
    flags: AtomicU32,
    limits: Mutex<Limits>,
    cache_config: AtomicU32,
    resources: RwLock<Option<Arc<Resources>>>,
}

/// What a kernel's trap says.
enum Trap {
    /// The program's own words.
    Says(Message),
    /// The kernel and the line of a trap without words.
    At(String),
}

/// What belongs to a context and ends with it.
pub trait Owned {
    /// What the context owns, without keeping it.
    fn owner(&self) -> &Weak<Resources>;

    /// What the context owns.
    ///
    /// # Errors
    /// `CONTEXT_IS_DESTROYED` once the context is gone.
    fn resources(&self) -> Result<Arc<Resources>, CUerror> {
        let resources = self.owner().upgrade();
        resources.ok_or(CUerror::CONTEXT_IS_DESTROYED)
    }

    /// Whether the context owns these.
    fn is_of(&self, resources: &Resources) -> bool {
        std::ptr::eq(self.owner().as_ptr(), resources)
    }
}

/// What a context owns while it is alive.
pub struct Resources {
    /// The context's handle.
    pub context: CUcontext,
    pub device: &'static Device,
    pub vulkan: Arc<vulkan::Device>,
    pub staging: Staging,
    /// What kernels read at their start lies near them: every thread of a launch
    /// reads it, across the bus if it were the host's.
    pub records: Staging,
    pub storage: Storage,
    /// The status that every later call returns after the device failed; 0 before.
    fault: AtomicU32,
    /// A word that a kernel sets when it traps.
    trap: Arc<vulkan::Allocation>,
    /// What kernels print, once there is one that does.
    prints: OnceLock<PrintBuffer>,
    /// What kernels' traps say, by the fault word's number.
    traps: Mutex<Vec<Trap>>,
    /// Where blocks' shared memory lies on devices that keep it in a buffer.
    shared: OnceLock<Arc<vulkan::Allocation>>,
    legacy: Mutex<Option<Arc<Stream>>>,
    streams: Mutex<Vec<Weak<Stream>>>,
    /// Streams that were destroyed before their work was done.
    departing: Mutex<Vec<(Arc<Stream>, Point)>>,
    modules: Mutex<Vec<Arc<Module>>>,
}

/// `cuCtxSetLimit`'s values.
#[derive(Clone, Copy)]
pub struct Limits {
    pub stack_size: usize,
    pub printf_fifo_size: usize,
    pub malloc_heap_size: usize,
    pub dev_runtime_sync_depth: usize,
    pub dev_runtime_pending_launch_count: usize,
    pub max_l2_fetch_granularity: usize,
    pub persisting_l2_cache_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stack_size: 1024,
            printf_fifo_size: 1 << 20,
            malloc_heap_size: 8 << 20,
            dev_runtime_sync_depth: 2,
            dev_runtime_pending_launch_count: 2048,
            max_l2_fetch_granularity: 64,
            persisting_l2_cache_size: 0,
        }
    }
}

impl Context {
    fn inactive(device: &'static Device, flags: u32) -> Arc<Self> {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        CONTEXTS.insert_with(|handle| Self {
            handle,
            device,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            flags: AtomicU32::new(flags),
            limits: Mutex::default(),
            cache_config: AtomicU32::new(CUfunc_cache::PREFER_NONE.0),
            resources: RwLock::new(None),
        })
    }

    /// A new context on `device`; not current to any thread yet.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY` or the status of a device that cannot be opened.
    pub fn create(device: &'static Device, flags: u32) -> Result<Arc<Self>, CUerror> {
        let context = Self::inactive(device, flags);
        context.activate().inspect_err(|_| {
            CONTEXTS.remove(context.handle);
        })?;
        Ok(context)
    }

    /// The primary context of `device`, inactive until it is retained.
    pub fn primary(device: &'static Device) -> Arc<Self> {
        Self::inactive(device, 0)
    }

    /// Gives the context what it owns, unless it has it.
    pub fn activate(&self) -> CUresult {
        let mut resources = self
            .resources
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if resources.is_none() {
            *resources = Some(Resources::new(self)?);
        }
        Ok(())
    }

    /// Takes away what the context owns: waits for its work, runs the destructors
    /// of its local storage, frees its memory.
    ///
    /// # Errors
    /// The status of a device that failed; the context is gone all the same.
    pub fn deactivate(&self) -> CUresult {
        let Some(resources) = self.try_resources() else {
            return Ok(());
        };
        let result = resources.synchronize();
        // Libraries above the driver free their own objects here, so the context
        // still works for them.
        resources.storage.destroy(self.handle());
        *self
            .resources
            .write()
            .unwrap_or_else(PoisonError::into_inner) = None;
        if resources.has_timed_out() {
            resources.abandon();
        } else {
            resources.release();
        }
        result
    }

    /// Destroys a created context.
    ///
    /// # Errors
    /// As [`Self::deactivate`].
    pub fn destroy(&self) -> CUresult {
        CONTEXTS.remove(self.handle);
        remove_current(self);
        self.deactivate()
    }

    /// What C calls this context.
    pub fn handle(&self) -> CUcontext {
        CUcontext(self.handle)
    }

    /// `cuCtxGetId`: unique in the life of the process.
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn device(&self) -> &'static Device {
        self.device
    }

    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    pub fn set_flags(&self, flags: u32) {
        self.flags.store(flags, Ordering::Relaxed);
    }

    /// Whether the context has resources.
    pub fn is_active(&self) -> bool {
        self.try_resources().is_some()
    }

    fn try_resources(&self) -> Option<Arc<Resources>> {
        self.resources
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What the context owns.
    ///
    /// # Errors
    /// `CONTEXT_IS_DESTROYED` if it was destroyed or is an inactive primary
    /// context; after a device failure, that failure again.
    pub fn resources(&self) -> Result<Arc<Resources>, CUerror> {
        let resources = self.try_resources().ok_or(CUerror::CONTEXT_IS_DESTROYED)?;
        resources.check_fault()?;
        Ok(resources)
    }

    pub fn limits(&self) -> Limits {
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn change_limits(&self, change: impl FnOnce(&mut Limits)) {
        change(&mut self.limits.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub fn cache_config(&self) -> CUfunc_cache {
        CUfunc_cache(self.cache_config.load(Ordering::Relaxed))
    }

    pub fn set_cache_config(&self, config: CUfunc_cache) {
        self.cache_config.store(config.0, Ordering::Relaxed);
    }
}

impl Resources {
    fn new(context: &Context) -> Result<Arc<Self>, CUerror> {
        let vulkan = context.device.open()?;
        let trap = vulkan.allocate(size_of::<u32>() as u64, vulkan::Placement::Host);
        let trap = trap.map_err(|error| cuda_error(&error))?;
        host_memory::write(mapped(&trap)?, &0_u32.to_ne_bytes());
        let resources = Arc::new(Self {
            context: context.handle(),
            device: context.device,
            staging: Staging::new(vulkan.clone(), vulkan::Placement::Host),
            records: Staging::new(vulkan.clone(), vulkan::Placement::Upload),
            storage: Storage::default(),
            vulkan,
            fault: AtomicU32::new(0),
            trap,
            prints: OnceLock::new(),
            traps: Mutex::default(),
            shared: OnceLock::new(),
            legacy: Mutex::default(),
            streams: Mutex::default(),
            departing: Mutex::default(),
            modules: Mutex::default(),
        });
        let legacy = Stream::create(&resources, stream::Kind::Legacy, 0)?;
        *resources
            .legacy
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(legacy);
        Ok(resources)
    }

    /// The legacy default stream.
    ///
    /// # Errors
    /// `CONTEXT_IS_DESTROYED` while the context is going.
    pub fn legacy(&self) -> Result<Arc<Stream>, CUerror> {
        let legacy = self.legacy.lock().unwrap_or_else(PoisonError::into_inner);
        legacy.clone().ok_or(CUerror::CONTEXT_IS_DESTROYED)
    }

    /// Makes a stream known to the context.
    pub fn adopt_stream(&self, stream: &Arc<Stream>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(Arc::downgrade(stream));
    }

    /// Keeps a destroyed stream until its work is done.
    pub fn let_depart(&self, stream: Arc<Stream>, end: Point) {
        let mut departing = self
            .departing
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        departing.retain(|(_, end)| !end.is_reached(self).unwrap_or(true));
        departing.push((stream, end));
    }

    /// Every stream of the context, also destroyed ones that have work left.
    pub fn streams(&self) -> Vec<Arc<Stream>> {
        let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.iter().filter_map(Weak::upgrade).collect()
    }

    /// Submits the batches of all streams that waited for a host function.
    pub fn release_held(&self) {
        // A batch that is released may be what another stream's waits for.
        while self
            .streams()
            .iter()
            .any(|stream| stream.release(self) == Ok(true))
        {}
    }

    /// Makes a module known to the context, which unloads it when it goes.
    pub fn adopt_module(&self, module: Arc<Module>) {
        self.modules
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(module);
    }

    /// Lets a module go before its context.
    pub fn disown_module(&self, module: &Arc<Module>) {
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        modules.retain(|other| !Arc::ptr_eq(other, module));
    }

    /// Waits until all work of the context is done.
    ///
    /// # Errors
    /// The status of a device that failed.
    pub fn synchronize(&self) -> CUresult {
        let points = self
            .streams()
            .iter()
            .map(|stream| stream.flush())
            .collect::<Vec<_>>();
        for point in points {
            point?.wait(self)?;
        }
        Ok(())
    }

    /// Notes a Vulkan failure: one that loses the device is returned by every
    /// later call of the context, as CUDA does.
    pub fn note_failure(&self, error: CUerror) -> CUerror {
        let sticky = [
            CUerror::LAUNCH_FAILED,
            CUerror::ASSERT,
            CUerror::LAUNCH_TIMEOUT,
        ];
        if sticky.contains(&error) {
            self.fault.store(error.code(), Ordering::Release);
        }
        error
    }

    /// The device address of the word that a kernel sets when it traps.
    pub fn trap_address(&self) -> u64 {
        self.trap.device_address()
    }

    /// Whether a kernel was given up that may still run.
    pub fn has_timed_out(&self) -> bool {
        self.fault.load(Ordering::Acquire) == CUerror::LAUNCH_TIMEOUT.code()
    }

    /// The device address of the buffer for shared memory that all kernels of the
    /// context share, as `layout::RECORD_SHARED` describes it.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn shared_buffer(&self) -> Result<u64, CUerror> {
        if let Some(buffer) = self.shared.get() {
            return Ok(buffer.device_address());
        }
        let bytes = u64::from(layout::SHARED_BUFFER_BYTES);
        let buffer = self.vulkan.allocate(bytes, vulkan::Placement::Host);
        let buffer = buffer.map_err(|error| self.note_failure(cuda_error(&error)))?;
        host_memory::write(mapped(&buffer)?, &[0; layout::SHARED_FIRST_SLOT as usize]);
        // Whoever comes second uses the first one's.
        Ok(self.shared.get_or_init(|| buffer).device_address())
    }

    /// Whether the context still works: a kernel that trapped ends it, as does a
    /// lost device.
    ///
    /// # Errors
    /// The status that ended it.
    pub fn check_fault(&self) -> CUresult {
        let trapped = host_memory::word(mapped(&self.trap)?);
        if trapped != 0 && self.fault.load(Ordering::Acquire) == 0 {
            self.note_trap(trapped);
        }
        CUerror::from_code(self.fault.load(Ordering::Acquire)).map_or(Ok(()), Err)
    }

    /// Ends the context for the reason that a kernel gave, and says what the kernel
    /// said.
    fn note_trap(&self, reason: u32) {
        self.note_failure(match reason {
            fault::ASSERT => CUerror::ASSERT,
            _ => CUerror::LAUNCH_FAILED,
        });
        self.flush_prints();
        let traps = self.traps.lock().unwrap_or_else(PoisonError::into_inner);
        let number = reason.checked_sub(fault::MESSAGES);
        match number.and_then(|number| traps.get(number as usize)) {
            Some(Trap::Says(message)) => stdio::write(&print::message(message)),
            Some(Trap::At(place)) => trace::log(format_args!(
                "{place}: every later call of its context returns {}",
                CUerror::LAUNCH_FAILED
            )),
            // An assertion has told of itself.
            None => {}
        }
    }

    /// Makes what a kernel's traps say known; the number by which the first is told.
    pub fn adopt_traps(&self, name: &str, kernel: &CompiledKernel) -> u32 {
        let mut known = self.traps.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.len() as u32 + fault::MESSAGES;
        known.extend(kernel.messages.iter().cloned().map(Trap::Says));
        let places = kernel.traps.iter();
        known.extend(
            places.map(|place| Trap::At(format!("kernel `{name}` executed `trap`, at: {place}"))),
        );
        first
    }

    /// The device address of the print buffer, which is made now unless it has
    /// been.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn print_buffer(&self) -> Result<u64, CUerror> {
        if self.prints.get().is_none() {
            let limits = CONTEXTS
                .get(self.context.0)
                .map_or_else(Limits::default, |context| context.limits());
            let buffer = PrintBuffer::new(&self.vulkan, limits.printf_fifo_size)?;
            // Another thread's may have come first; then this one goes.
            let _ = self.prints.set(buffer);
        }
        let buffer = self.prints.get().ok_or(CUerror::OUT_OF_MEMORY)?;
        Ok(buffer.device_address())
    }

    /// Whether a kernel that prints was launched, so that the buffer's size stays.
    pub fn has_print_buffer(&self) -> bool {
        self.prints.get().is_some()
    }

    /// Prints what kernels have written down.
    pub fn flush_prints(&self) {
        if let Some(prints) = self.prints.get() {
            prints.flush(&|address| memory::text(self, CUdeviceptr(address as usize)));
        }
    }

    /// Frees what is left when the context goes.
    fn release(&self) {
        self.departing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        STREAMS.retain(|stream| !stream.is_of(self));
        EVENTS.retain(|event| !event.is_of(self));
        *self.legacy.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let modules =
            std::mem::take(&mut *self.modules.lock().unwrap_or_else(PoisonError::into_inner));
        for module in modules {
            MODULES.remove(module.handle().0);
            module.release(|function| {
                FUNCTIONS.remove(function.0);
            });
        }
        memory::free_all_of(self.context);
    }

    /// Forgets what the context owns without freeing it: a kernel that was given up
    /// may still run, and write to it.
    fn abandon(self: &Arc<Self>) {
        STREAMS.retain(|stream| !stream.is_of(self));
        EVENTS.retain(|event| !event.is_of(self));
        std::mem::forget(self.clone());
    }
}

/// Where an allocation of host memory lies for the host.
fn mapped(allocation: &vulkan::Allocation) -> Result<HostPtr, CUerror> {
    let start = allocation.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
    Ok(HostPtr(start.as_ptr().cast()))
}

thread_local! {
    /// Programs call the driver from static destructors, when the main thread's
    /// storage is gone already: the stack is therefore never dropped by itself.
    static STACK: RefCell<ManuallyDrop<Vec<Arc<Context>>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
    static CLEANER: Cleaner = const { Cleaner };
}

/// Empties the stack of a thread that ends before the process does.
struct Cleaner;

impl Drop for Cleaner {
    fn drop(&mut self) {
        if !process::is_main_thread() {
            let contexts = STACK.with_borrow_mut(|stack| std::mem::take(&mut **stack));
            drop(contexts);
        }
    }
}

/// Changes the calling thread's stack, which is emptied when the thread ends.
fn change_stack<R>(change: impl FnOnce(&mut Vec<Arc<Context>>) -> R) -> R {
    // In a thread that is ending there is nothing left to arrange.
    let _ = CLEANER.try_with(|_| ());
    STACK.with_borrow_mut(|stack| change(stack))
}

/// The context that is current to the calling thread.
///
/// # Errors
/// `INVALID_CONTEXT` if there is none.
pub fn current() -> Result<Arc<Context>, CUerror> {
    try_current().ok_or(CUerror::INVALID_CONTEXT)
}

/// The context that is current to the calling thread, if any.
pub fn try_current() -> Option<Arc<Context>> {
    STACK.with_borrow(|stack| stack.last().cloned())
}

/// What the current context owns.
///
/// # Errors
/// `INVALID_CONTEXT` if no context is current; else as [`Context::resources`].
pub fn current_resources() -> Result<Arc<Resources>, CUerror> {
    current()?.resources()
}

/// Pushes a context onto the calling thread's stack.
pub fn push(context: Arc<Context>) {
    change_stack(|stack| stack.push(context));
}

/// Pops the current context of the calling thread.
///
/// # Errors
/// `INVALID_CONTEXT` if there is none.
pub fn pop() -> Result<Arc<Context>, CUerror> {
    change_stack(Vec::pop).ok_or(CUerror::INVALID_CONTEXT)
}

/// Replaces the top of the calling thread's stack; `None` pops it.
pub fn set_current(context: Option<Arc<Context>>) {
    change_stack(|stack| {
        stack.pop();
        stack.extend(context);
    });
}

/// A context that its own thread destroys stops being current there.
fn remove_current(context: &Context) {
    change_stack(|stack| {
        if stack
            .last()
            .is_some_and(|top| std::ptr::eq(&raw const **top, context))
        {
            stack.pop();
        }
    });
}
