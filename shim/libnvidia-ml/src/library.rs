//! The library's state in a process: how often it is initialized, and with
//! which devices.
//!
//! Nothing happens before `nvmlInit`, so that a process may fork before it. A
//! child forked later starts without the library, as with NVIDIA's, and finds
//! the devices anew: Vulkan's objects belong to the parent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use abi::{NvmlError, nvmlReturn_t};

use crate::core::device::Devices;

struct State {
    /// The process that the rest belongs to.
    process: u32,
    /// Initializations that are not yet shut down.
    users: u32,
    /// Kept across shutdowns: the devices of a process do not change.
    devices: Option<Arc<Devices>>,
}

static STATE: Mutex<State> = Mutex::new(State {
    process: 0,
    users: 0,
    devices: None,
});

fn state() -> MutexGuard<'static, State> {
    let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    if state.process != process {
        // The parent's Vulkan objects must not be destroyed from its child.
        std::mem::forget(state.devices.take());
        state.process = process;
        state.users = 0;
    }
    state
}

/// Counts one more user, and finds the devices for the first.
///
/// # Errors
/// `DRIVER_NOT_LOADED` if there is no device, unless `without_devices` allows it;
/// the log says why.
pub fn initialize(without_devices: bool) -> nvmlReturn_t {
    let mut state = state();
    let known = state.devices.take().filter(|devices| !devices.is_empty());
    let found = state
        .devices
        .insert(known.unwrap_or_else(|| Arc::new(Devices::find())));
    if found.is_empty() && !without_devices {
        found.explain_absence();
        return Err(NvmlError::DRIVER_NOT_LOADED);
    }
    state.users += 1;
    Ok(())
}

/// Counts one user less.
///
/// # Errors
/// `UNINITIALIZED` if there is none.
pub fn shutdown() -> nvmlReturn_t {
    let mut state = state();
    state.users = state.users.checked_sub(1).ok_or(NvmlError::UNINITIALIZED)?;
    Ok(())
}

/// The devices, while the library is initialized.
///
/// # Errors
/// `UNINITIALIZED`.
pub fn devices() -> Result<Arc<Devices>, NvmlError> {
    let state = state();
    if state.users == 0 {
        return Err(NvmlError::UNINITIALIZED);
    }
    state.devices.clone().ok_or(NvmlError::UNINITIALIZED)
}
