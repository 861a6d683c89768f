//! The one reader and writer of the program's own memory.

use std::sync::Arc;

use abi::CUerror;

use crate::error::cuda_error;
use crate::handles::HostPtr;

/// Copies between two places of host memory, which may overlap.
pub fn copy(destination: HostPtr, source: HostPtr, len: usize) {
    // SAFETY: the program handed both places to an entry point that documents
    // that it reads and writes `len` bytes there, or they are mapped allocations
    // whose bounds the caller of this function checked.
    unsafe { std::ptr::copy(source.0.cast::<u8>(), destination.0.cast::<u8>(), len) }
}

/// A place `offset` bytes behind another.
pub fn offset(base: HostPtr, offset: u64) -> HostPtr {
    HostPtr(base.0.wrapping_byte_add(offset as usize))
}

/// The first `N` bytes of an image that the program hands to be loaded.
///
/// # Errors
/// `INVALID_VALUE` if the pointer is null.
pub fn head<const N: usize>(image: HostPtr) -> Result<[u8; N], CUerror> {
    let bytes = bytes(image, N)?;
    Ok(std::array::from_fn(|index| bytes[index]))
}

/// `len` bytes of an image that the program hands to be loaded.
///
/// # Errors
/// `INVALID_VALUE` if the pointer is null; `INVALID_IMAGE` if there is no memory.
pub fn bytes<'a>(image: HostPtr, len: usize) -> Result<&'a [u8], CUerror> {
    if image.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    if !is_mapped(image, len) {
        return Err(CUerror::INVALID_IMAGE);
    }
    // SAFETY: the entry points that load images document that the program hands a
    // complete one, whose own header says how long it is; the borrow is dropped
    // before the call returns unless the program promised to preserve the image.
    Ok(unsafe { std::slice::from_raw_parts(image.0.cast(), len) })
}

/// Whether every page of a range exists: a corrupt image may point anywhere.
fn is_mapped(start: HostPtr, len: usize) -> bool {
    const PAGE: usize = 4096;
    const STEP: usize = 4096 * PAGE;
    let first = start.0 as usize / PAGE * PAGE;
    let Some(end) = (start.0 as usize).checked_add(len.max(1)) else {
        return false;
    };
    let mut residency = [0_u8; STEP / PAGE];
    (first..end).step_by(STEP).all(|address| {
        let len = STEP.min(end - address);
        // SAFETY: mincore reads no memory of the range, and writes a byte a page.
        unsafe { libc::mincore(address as *mut _, len, residency.as_mut_ptr()) == 0 }
    })
}

/// A NUL-terminated text that the program hands to be loaded.
///
/// # Errors
/// `INVALID_VALUE` if the pointer is null; `INVALID_PTX` if it is not text.
pub fn text<'a>(image: HostPtr) -> Result<&'a str, CUerror> {
    if image.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    bytes(image, 1)?;
    // SAFETY: an image that is not binary is documented to be NUL-terminated text.
    let text = unsafe { std::ffi::CStr::from_ptr(image.0.cast()) };
    text.to_str().map_err(|_| CUerror::INVALID_PTX)
}

/// The entries of an array of pointers that ends with null.
pub fn null_terminated(array: HostPtr) -> Vec<HostPtr> {
    let pointers = (0..).map_while(|index| {
        let entry = head(offset(array, index * size_of::<usize>() as u64)).ok()?;
        Some(HostPtr(usize::from_ne_bytes(entry) as *mut _))
    });
    pointers.take_while(|pointer| !pointer.is_null()).collect()
}

/// The pointer at a place of an array of pointers that the program handed to a
/// launch.
pub fn pointer_at(array: HostPtr, index: usize) -> HostPtr {
    // SAFETY: a launch documents its arrays of pointers to be as long as the
    // kernel has parameters, or to end with `CU_LAUNCH_PARAM_END`.
    HostPtr(unsafe { array.0.cast::<*mut std::ffi::c_void>().add(index).read() })
}

/// Reads a parameter that the program handed to a launch.
///
/// # Errors
/// `INVALID_VALUE` if the pointer is null.
pub fn read(source: HostPtr, bytes: &mut [u8]) -> Result<(), CUerror> {
    if source.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    copy(HostPtr(bytes.as_mut_ptr().cast()), source, bytes.len());
    Ok(())
}

/// A word of a mapped allocation that the device may write at any time.
pub fn word(place: HostPtr) -> u32 {
    // SAFETY: the caller's allocation is mapped, live and holds a word.
    unsafe { place.0.cast::<u32>().read_volatile() }
}

/// Writes bytes to a buffer of the program that is at least as long.
pub fn write(destination: HostPtr, bytes: &[u8]) {
    copy(
        destination,
        HostPtr(bytes.as_ptr().cast_mut().cast()),
        bytes.len(),
    );
}

/// Makes the program's pages an allocation of the device.
///
/// # Errors
/// `INVALID_VALUE` if the pages cannot be imported; `NOT_SUPPORTED` where the
/// device imports no host memory.
pub fn import(
    device: &Arc<vulkan::Device>,
    start: u64,
    len: u64,
) -> Result<Arc<vulkan::Allocation>, CUerror> {
    let pages = std::ptr::NonNull::new(start as *mut u8).ok_or(CUerror::INVALID_VALUE)?;
    // SAFETY: `cuMemHostRegister` documents that the program keeps the memory
    // until it unregisters it, which waits for the device.
    unsafe { device.import_host(pages, len) }.map_err(|error| cuda_error(&error))
}
