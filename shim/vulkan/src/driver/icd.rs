//! A driver without a loader: the interface between Vulkan's loader and an
//! installable client driver, from the loader's side.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::NonNull;

use ash::vk;

use super::linker::Loaded;
use crate::error::Error;

type Negotiate = unsafe extern "system" fn(version: *mut u32) -> vk::Result;
type GetInstanceProcAddr = unsafe extern "system" fn(
    instance: vk::Instance,
    name: *const c_char,
) -> vk::PFN_vkVoidFunction;

/// The interface version asked for: the newest that needs nothing of us
/// beyond this file.
const INTERFACE: u32 = 5;
/// The oldest with which `vk_icdGetInstanceProcAddr` is all there is.
const OLDEST_INTERFACE: u32 = 2;

/// Agrees on the interface with a loaded driver and takes its entry points.
pub(super) fn entry(driver: &str, library: Loaded) -> Result<ash::Entry, Error> {
    let error = |reason: String| Error::Driver {
        driver: driver.to_owned(),
        reason,
    };
    let symbol = |name: &CStr| {
        let missing = || error(format!("it does not export {}", name.to_string_lossy()));
        library.symbol(name).ok_or_else(missing)
    };
    let negotiate = symbol(c"vk_icdNegotiateLoaderICDInterfaceVersion")?;
    // SAFETY: the name fixes the function's type.
    let negotiate = unsafe { std::mem::transmute::<NonNull<c_void>, Negotiate>(negotiate) };
    let mut version = INTERFACE;
    // SAFETY: the call writes the version.
    let result = unsafe { negotiate(&mut version) };
    if result != vk::Result::SUCCESS || version < OLDEST_INTERFACE {
        return Err(error(format!(
            "it speaks interface version {version} only ({result:?})"
        )));
    }
    let get_instance_proc_addr = symbol(c"vk_icdGetInstanceProcAddr")?;
    // SAFETY: the name fixes the function's type.
    let get_instance_proc_addr = unsafe {
        std::mem::transmute::<NonNull<c_void>, GetInstanceProcAddr>(get_instance_proc_addr)
    };
    // SAFETY: this is the driver's own vkGetInstanceProcAddr, and the driver
    // is never unloaded.
    Ok(unsafe {
        ash::Entry::from_static_fn(ash::StaticFn {
            get_instance_proc_addr,
        })
    })
}
