//! What the library tells: one line for each function that is missing, and with
//! `PUMICE_TRACE` one for each call, in the form of the other libraries' trace.
//!
//! Each line is one `writev`, so that lines of several processes do not mix.
//! Nothing is allocated.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// Says that `name` is not supported: once where it is called, always in the trace.
pub fn unsupported(name: &CStr, logged: &AtomicBool) {
    if !logged.swap(true, Ordering::Relaxed) {
        let parts: [&[u8]; 3] = [
            b"pumice: ",
            name.to_bytes(),
            b": not supported yet, returning CUBLAS_STATUS_NOT_SUPPORTED\n",
        ];
        write(libc::STDERR_FILENO, &parts);
    }
    let sink = sink();
    if sink >= 0 {
        let mut digits = [0; 20];
        let parts: [&[u8]; 5] = [
            b"pumice: [",
            decimal(thread(), &mut digits),
            b"] ",
            name.to_bytes(),
            b"() = CUBLAS_STATUS_NOT_SUPPORTED\n",
        ];
        write(sink, &parts);
    }
}

const UNKNOWN: c_int = -2;
const OFF: c_int = -1;

/// The file descriptor of the trace, negative if calls are not traced.
fn sink() -> c_int {
    static SINK: AtomicI32 = AtomicI32::new(UNKNOWN);
    let known = SINK.load(Ordering::Acquire);
    if known != UNKNOWN {
        return known;
    }
    let opened = open_sink();
    match SINK.compare_exchange(UNKNOWN, opened, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => opened,
        // Another thread was faster: its file is the trace.
        Err(theirs) => {
            if opened > libc::STDERR_FILENO {
                // SAFETY: the descriptor was opened here and given to nobody.
                unsafe { libc::close(opened) };
            }
            theirs
        }
    }
}

fn open_sink() -> c_int {
    // SAFETY: the name is NUL-terminated.
    let value = unsafe { libc::getenv(c"PUMICE_TRACE".as_ptr()) };
    if value.is_null() {
        return OFF;
    }
    // SAFETY: `getenv` answers a NUL-terminated string, used before the
    // environment could change.
    match unsafe { CStr::from_ptr(value) }.to_bytes() {
        b"" | b"0" => OFF,
        b"1" => libc::STDERR_FILENO,
        _ => open_append(value),
    }
}

fn open_append(path: *const c_char) -> c_int {
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: the path is the NUL-terminated value of the environment.
    let file = unsafe { libc::open(path, flags, 0o666) };
    if file < 0 { libc::STDERR_FILENO } else { file }
}

fn thread() -> u32 {
    // `gettid` as a function is younger than the oldest C library that must do.
    // SAFETY: the system call has no preconditions.
    let id = unsafe { libc::syscall(libc::SYS_gettid) };
    u32::try_from(id).unwrap_or(0)
}

fn write<const N: usize>(file: c_int, parts: &[&[u8]; N]) {
    let vectors = parts.map(|part| libc::iovec {
        iov_base: part.as_ptr().cast_mut().cast(),
        iov_len: part.len(),
    });
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a handful of parts"
    )]
    let count = N as c_int;
    // A closed or full sink must not change what the program computes.
    // SAFETY: each vector is a live slice, only read.
    let _ = unsafe { libc::writev(file, vectors.as_ptr(), count) };
}

/// The digits of `number`, at the end of `room`.
fn decimal(mut number: u32, room: &mut [u8; 20]) -> &[u8] {
    let mut first = room.len();
    for (index, place) in room.iter_mut().enumerate().rev() {
        *place = b'0' + (number % 10) as u8;
        first = index;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    room.get(first..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 7, 10, 4711, u32::MAX] {
            let mut room = [0; 20];
            assert_eq!(decimal(number, &mut room), number.to_string().as_bytes());
        }
    }
}
