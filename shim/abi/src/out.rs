//! Where an entry point writes what it returns.

use std::ffi::c_char;
use std::fmt::Debug;

use crate::trace;

/// A required pointer argument was null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NullPointer;

/// The caller's place for one value; it may be uninitialised until written.
#[derive(Debug)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Takes a caller's pointer.
    ///
    /// # Errors
    /// [`NullPointer`] if `pointer` is null.
    ///
    /// # Safety
    /// A pointer that is not null must be valid for writing one `T`.
    pub unsafe fn from_ptr(pointer: *mut T) -> Result<Self, NullPointer> {
        if pointer.is_null() {
            Err(NullPointer)
        } else {
            Ok(Self(pointer))
        }
    }

    /// Writes the value; the trace shows it.
    pub fn write(self, value: T)
    where
        T: Debug,
    {
        trace::output(&value);
        // SAFETY: `from_ptr`'s caller promised a writable, non-null pointer;
        // C callers may hand one that is not aligned.
        unsafe { self.0.write_unaligned(value) }
    }
}

/// A value of the caller's that is read and then replaced, such as a count or a
/// structure whose first word says which version of it the caller knows.
#[derive(Debug)]
pub struct InOut<T>(Out<T>);

impl<T> InOut<T> {
    /// Takes a caller's pointer.
    ///
    /// # Errors
    /// [`NullPointer`] if `pointer` is null.
    ///
    /// # Safety
    /// A pointer that is not null must be valid for reading and writing one `T`.
    pub unsafe fn from_ptr(pointer: *mut T) -> Result<Self, NullPointer> {
        // SAFETY: the caller's promise covers writing.
        unsafe { Out::from_ptr(pointer) }.map(Self)
    }

    /// The value as the caller left it.
    #[must_use]
    pub fn read(&self) -> T
    where
        T: Copy,
    {
        // SAFETY: `from_ptr`'s caller promised a readable, non-null pointer;
        // C callers may hand one that is not aligned.
        unsafe { self.0.0.read_unaligned() }
    }

    /// Replaces the value; the trace shows it.
    pub fn write(self, value: T)
    where
        T: Debug,
    {
        self.0.write(value);
    }
}

/// The caller's place for `len` values of type `T`.
#[derive(Debug)]
pub struct OutSlice<T> {
    pointer: *mut T,
    len: usize,
}

impl<T: Copy + Debug> OutSlice<T> {
    /// Takes a caller's array.
    ///
    /// # Errors
    /// [`NullPointer`] if `pointer` is null although `len` is not 0.
    ///
    /// # Safety
    /// A pointer that is not null must be valid for writing `len` values.
    pub unsafe fn from_raw_parts(pointer: *mut T, len: usize) -> Result<Self, NullPointer> {
        if pointer.is_null() && len != 0 {
            Err(NullPointer)
        } else {
            Ok(Self { pointer, len })
        }
    }

    /// The number of values that fit.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no value fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Writes as many of `values` as fit.
    pub fn write(self, values: &[T]) {
        let count = values.len().min(self.len);
        trace::output(&&values[..count]);
        // SAFETY: the caller of `from_raw_parts` promised room for `len` values.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.pointer, count) }
    }
}

impl OutSlice<c_char> {
    /// Writes `text` as a C string, shortened to what fits with its NUL.
    ///
    /// Returns whether all of it fitted.
    pub fn write_str(self, text: &str) -> bool {
        trace::output(&text);
        let Some(room) = self.len.checked_sub(1) else {
            return false;
        };
        let count = text.len().min(room);
        // SAFETY: `count + 1 <= len` bytes are written, which the caller of
        // `from_raw_parts` promised; source and destination cannot overlap
        // because `text` is ours.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), self.pointer, count);
            self.pointer.add(count).write(0);
        }
        count == text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_null_place_is_refused() {
        // SAFETY: null is allowed.
        assert!(unsafe { Out::<u32>::from_ptr(std::ptr::null_mut()) }.is_err());
    }

    #[test]
    fn a_string_is_shortened_to_its_buffer_and_terminated() {
        let mut buffer = [1 as c_char; 8];
        // SAFETY: the buffer holds eight values.
        let out = unsafe { OutSlice::from_raw_parts(buffer.as_mut_ptr(), 4) }.unwrap();
        assert!(!out.write_str("lavapipe"));
        assert_eq!(buffer.map(|c| c as u8), *b"lav\0\x01\x01\x01\x01");
    }
}
