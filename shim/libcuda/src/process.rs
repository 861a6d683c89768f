//! The driver's state in a process: not initialized, initialized, shut down.
//!
//! Nothing happens before `cuInit`, so that a process may fork before it. After a
//! fork the child has no driver: Vulkan's threads and queues stay with the parent.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, OnceLock};

use abi::{CUerror, CUresult, trace};

use crate::core::device::Devices;
use crate::core::{compilation, kernel_times};

const FRESH: u8 = 0;
const READY: u8 = 1;
const FORKED: u8 = 2;
const FINISHED: u8 = 3;

static STATE: AtomicU8 = AtomicU8::new(FRESH);
static DEVICES: OnceLock<Devices> = OnceLock::new();

/// Finds the devices, once per process.
///
/// # Errors
/// `NO_DEVICE` if there is none the process may use; the log says why.
/// `NOT_INITIALIZED` in a child forked after initialization.
pub fn initialize() -> CUresult {
    static INITIALIZING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = INITIALIZING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    match STATE.load(Ordering::Acquire) {
        READY => return Ok(()),
        FORKED => return Err(CUerror::NOT_INITIALIZED),
        FINISHED => return Err(CUerror::DEINITIALIZED),
        _ => {}
    }
    let devices = Devices::find()?;
    // The only other writer of DEVICES waits for INITIALIZING.
    let _ = DEVICES.set(devices);
    // SAFETY: the handler only stores to an atomic.
    unsafe { libc::pthread_atfork(None, None, Some(forked)) };
    finish_before_exit_handlers_so_far();
    STATE.store(READY, Ordering::Release);
    Ok(())
}

/// Whether the calling thread is the process's first.
pub fn is_main_thread() -> bool {
    // SAFETY: gettid and getpid have no preconditions.
    unsafe { libc::gettid() == libc::getpid() }
}

/// Whether an entry point may do its work now.
///
/// # Errors
/// `DEINITIALIZED` after the process's exit handlers have run; `NOT_INITIALIZED`
/// if the entry point needs the driver and `cuInit` has not succeeded here.
pub fn check_state(needs_driver: bool) -> CUresult {
    match STATE.load(Ordering::Acquire) {
        READY => Ok(()),
        FINISHED => Err(CUerror::DEINITIALIZED),
        _ if needs_driver => Err(CUerror::NOT_INITIALIZED),
        _ => Ok(()),
    }
}

/// The devices that the process sees.
///
/// # Errors
/// `NOT_INITIALIZED` before `cuInit`.
pub fn devices() -> Result<&'static Devices, CUerror> {
    DEVICES.get().ok_or(CUerror::NOT_INITIALIZED)
}

extern "C" fn forked() {
    STATE.store(FORKED, Ordering::Release);
}

/// Shuts the driver down when the process exits, before the exit handlers that are
/// registered already: those of Vulkan drivers, behind which no call to them is
/// safe. As with NVIDIA's driver, a program's own static destructors find it gone.
pub fn finish_before_exit_handlers_so_far() {
    at_exit(finish);
}

/// Registers an exit handler, which must be safe to run at any time and repeatedly.
pub fn at_exit(handler: extern "C" fn()) {
    // SAFETY: the handler is safe to run, and stays while the process lives: this
    // library is never unloaded once it has threads or handlers.
    let refused = unsafe { libc::atexit(handler) } != 0;
    if refused {
        trace::log(format_args!(
            "no memory for an exit handler: the process may crash at its end"
        ));
    }
}

/// Whether `cuInit` has succeeded in this process.
pub fn was_initialized() -> bool {
    DEVICES.get().is_some()
}

extern "C" fn finish() {
    if STATE.swap(FINISHED, Ordering::AcqRel) == READY
        && let Some(devices) = DEVICES.get()
    {
        compilation::stop();
        devices.finish();
        kernel_times::print();
    }
}
