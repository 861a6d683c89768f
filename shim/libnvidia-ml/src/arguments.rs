//! From what C hands over to what Rust can rely on: null checks, the caller's
//! buffers, and handles that are looked up, never followed.

use std::ffi::{CStr, c_char, c_void};
use std::fmt::Debug;
use std::sync::Arc;

use abi::nvml::*;
use abi::{InOut, NvmlError, Out, OutSlice, nvmlReturn_t};

use crate::core::device::Device;
use crate::library;

/// An argument of an entry point in the form in which `api` receives it.
pub trait FromAbi<A>: Sized {
    /// Converts the argument.
    ///
    /// # Errors
    /// The documented status of a missing or unknown argument.
    ///
    /// # Safety
    /// `argument` must be what the entry point's C declaration asks for.
    unsafe fn from_abi(argument: A) -> Result<Self, NvmlError>;
}

macro_rules! unchanged {
    ($($ty:ty),* $(,)?) => {
        $(impl FromAbi<$ty> for $ty {
            unsafe fn from_abi(argument: $ty) -> Result<Self, NvmlError> {
                Ok(argument)
            }
        })*
    };
}

unchanged!(
    u32,
    u64,
    i32,
    nvmlEventSet_t,
    nvmlTemperatureSensors_t,
    nvmlTemperatureThresholds_t,
    nvmlClockType_t,
    nvmlClockId_t,
    nvmlGpuP2PCapsIndex_t,
);

/// NVML_ERROR_INVALID_ARGUMENT if the device is invalid.
impl FromAbi<nvmlDevice_t> for Arc<Device> {
    unsafe fn from_abi(argument: nvmlDevice_t) -> Result<Self, NvmlError> {
        library::devices()?
            .by_handle(argument)
            .ok_or(NvmlError::INVALID_ARGUMENT)
    }
}

impl<T> FromAbi<*mut T> for Out<T> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, NvmlError> {
        // SAFETY: the declaration asks for a place of this type.
        Ok(unsafe { Out::from_ptr(argument) }?)
    }
}

impl<T> FromAbi<*mut T> for InOut<T> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, NvmlError> {
        // SAFETY: the declaration asks for an initialized value of this type.
        Ok(unsafe { InOut::from_ptr(argument) }?)
    }
}

/// A structure that the caller hands in, copied out of its memory.
pub struct In<T>(pub T);

impl<T: Copy> FromAbi<*const T> for In<T> {
    unsafe fn from_abi(argument: *const T) -> Result<Self, NvmlError> {
        if argument.is_null() {
            return Err(NvmlError::INVALID_ARGUMENT);
        }
        // SAFETY: the declaration asks for a readable structure of this type.
        Ok(Self(unsafe { argument.read_unaligned() }))
    }
}

impl FromAbi<*const c_char> for &CStr {
    unsafe fn from_abi(argument: *const c_char) -> Result<Self, NvmlError> {
        if argument.is_null() {
            return Err(NvmlError::INVALID_ARGUMENT);
        }
        // SAFETY: the declaration asks for a NUL-terminated string, which lives
        // as long as the call; the borrow does not leave it.
        Ok(unsafe { CStr::from_ptr(argument) })
    }
}

/// A place for structures that are never written, because there are none.
pub struct Unused;

impl FromAbi<*mut c_void> for Unused {
    unsafe fn from_abi(_: *mut c_void) -> Result<Self, NvmlError> {
        Ok(Self)
    }
}

/// An array that the caller provides; its length is another argument.
pub struct Array<T>(*mut T);

impl<T> FromAbi<*mut T> for Array<T> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, NvmlError> {
        Ok(Self(argument))
    }
}

impl<T: Copy + Debug> Array<T> {
    /// Answers a query of the form "tell how many, then fill my array": `count`
    /// says how many values fit, and then how many there are.
    ///
    /// # Errors
    /// As for [`Self::fill`].
    pub fn answer(self, count: InOut<u32>, values: &[T]) -> nvmlReturn_t {
        let capacity = count.read();
        count.write(u32::try_from(values.len()).unwrap_or(u32::MAX));
        self.fill(capacity, values)
    }

    /// Writes all of the values, or none.
    ///
    /// # Errors
    /// `INSUFFICIENT_SIZE` if the array, of `capacity` values, is too small;
    /// `INVALID_ARGUMENT` if it is null although `capacity` is not 0.
    pub fn fill(self, capacity: u32, values: &[T]) -> nvmlReturn_t {
        if values.len() > capacity as usize {
            return Err(NvmlError::INSUFFICIENT_SIZE);
        }
        // SAFETY: the C declaration asks for an array of `capacity` values.
        unsafe { OutSlice::from_raw_parts(self.0, values.len()) }?.write(values);
        Ok(())
    }

    /// Replaces each of `len` values.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the array is null although `len` is not 0.
    pub fn map(self, len: u32, answer: impl Fn(T) -> T) -> nvmlReturn_t {
        for index in 0..len as usize {
            // SAFETY: the C declaration asks for an array of `len` initialized
            // values; offsetting null by 0 is allowed, and null is refused then.
            let place = unsafe {
                InOut::from_ptr(if self.0.is_null() {
                    self.0
                } else {
                    self.0.add(index)
                })
            }?;
            let value = place.read();
            place.write(answer(value));
        }
        Ok(())
    }
}

impl Array<nvmlProcessDetail_v1_t> {
    /// The array that a list names; its length is the list's own.
    pub fn of_list(list: &nvmlProcessDetailList_v1_t) -> Self {
        Self(list.procArray)
    }
}

/// A buffer for a string; its size in bytes is another argument.
pub type Buffer = Array<c_char>;

impl Buffer {
    /// Whether there is no buffer.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Writes the whole string, or nothing.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the buffer is null; `INSUFFICIENT_SIZE` if `text`
    /// and its NUL are longer than `length`.
    pub fn write(self, length: u32, text: &str) -> nvmlReturn_t {
        // NVML_ERROR_INVALID_ARGUMENT if the buffer is null.
        if self.is_null() {
            return Err(NvmlError::INVALID_ARGUMENT);
        }
        // NVML_ERROR_INSUFFICIENT_SIZE if length is too small.
        if text.len() >= length as usize {
            return Err(NvmlError::INSUFFICIENT_SIZE);
        }
        self.write_shortened(length, text)
    }

    /// Writes as much of the string as fits.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` if the buffer is null although `length` is not 0.
    pub fn write_shortened(self, length: u32, text: &str) -> nvmlReturn_t {
        // SAFETY: the C declaration asks for a buffer of `length` bytes.
        unsafe { OutSlice::from_raw_parts(self.0, length as usize) }?.write_str(text);
        Ok(())
    }
}

/// Refuses a structure of a version that is not `T`'s.
///
/// # Errors
/// `ARGUMENT_VERSION_MISMATCH`.
pub fn check_version<T>(word: u32, version: u32) -> nvmlReturn_t {
    if word == struct_version::<T>(version) {
        Ok(())
    } else {
        Err(NvmlError::ARGUMENT_VERSION_MISMATCH)
    }
}
