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
/// `INVALID_VALUE` if the pointer is null.
pub fn bytes<'a>(image: HostPtr, len: usize) -> Result<&'a [u8], CUerror> {
    if image.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    // SAFETY: the entry points that load images document that the program hands a
    // complete one, whose own header says how long it is; the borrow is dropped
    // before the call returns unless the program promised to preserve the image.
    Ok(unsafe { std::slice::from_raw_parts(image.0.cast(), len) })
}

/// A NUL-terminated text that the program hands to be loaded.
///
/// # Errors
/// `INVALID_VALUE` if the pointer is null; `INVALID_PTX` if it is not text.
pub fn text<'a>(image: HostPtr) -> Result<&'a str, CUerror> {
    if image.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    // SAFETY: an image that is not binary is documented to be NUL-terminated text.
    let text = unsafe { std::ffi::CStr::from_ptr(image.0.cast()) };
    text.to_str().map_err(|_| CUerror::INVALID_PTX)
}

/// The entries of an array of pointers that ends with null.
pub fn null_terminated(array: HostPtr) -> Vec<HostPtr> {
    let pointers = (0..).map(|index| {
        // SAFETY: the list in a fat binary's wrapper ends with null, and nothing
        // behind that is read.
        HostPtr(unsafe { array.0.cast::<*mut std::ffi::c_void>().add(index).read() })
    });
    pointers.take_while(|pointer| !pointer.is_null()).collect()
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
