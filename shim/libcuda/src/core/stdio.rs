//! C's own formats and its stream `stdout`: what a kernel prints looks like what
//! the program prints, and stands in order between its lines.

use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    static stdout: *mut libc::FILE;
}

/// An argument of a conversion.
#[derive(Clone, Copy)]
pub enum Argument<'a> {
    Word(u32),
    Long(u64),
    Float(f64),
    Text(&'a CStr),
}

/// Formats one argument.
///
/// `conversion` has one conversion, whose letter and size are the argument's.
pub fn format(conversion: &CStr, argument: Argument<'_>) -> Vec<u8> {
    let mut buffer = vec![0; 128];
    loop {
        let len = print(&mut buffer, conversion, argument);
        let len = usize::try_from(len).unwrap_or(0);
        if len < buffer.len() {
            buffer.truncate(len);
            return buffer;
        }
        buffer.resize(len + 1, 0);
    }
}

fn print(buffer: &mut [u8], conversion: &CStr, argument: Argument<'_>) -> c_int {
    let (to, len, format) = (
        buffer.as_mut_ptr().cast::<c_char>(),
        buffer.len(),
        conversion.as_ptr(),
    );
    // SAFETY: the buffer has `len` bytes; the caller's format has one conversion,
    // for an argument of this type.
    unsafe {
        match argument {
            Argument::Word(value) => libc::snprintf(to, len, format, value),
            Argument::Long(value) => libc::snprintf(to, len, format, value),
            Argument::Float(value) => libc::snprintf(to, len, format, value),
            Argument::Text(text) => libc::snprintf(to, len, format, text.as_ptr()),
        }
    }
}

/// Writes to `stdout` as `fwrite` does: whether it is flushed is the program's
/// affair.
pub fn write(bytes: &[u8]) {
    // SAFETY: the stream lives as long as the process; C locks it.
    unsafe {
        libc::fwrite(bytes.as_ptr().cast(), 1, bytes.len(), stdout);
    }
}
