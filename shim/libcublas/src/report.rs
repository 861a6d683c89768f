//! What the library tells: one line for each function that is missing, one for
//! each failure of the driver's, and with `PUMICE_TRACE` one for each call, in the
//! form of the other libraries' trace.
//!
//! Each line is one `writev`, so that lines of several processes do not mix.
//! Nothing is allocated.

use core::ffi::{CStr, c_char, c_int};
use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use crate::status::{Status, describe};
use crate::trace_switch;

/// A name as a C string, from text that ends in NUL.
pub const fn name(text: &str) -> &CStr {
    match CStr::from_bytes_with_nul(text.as_bytes()) {
        Ok(name) => name,
        Err(_) => c"",
    }
}

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
            decimal(thread().into(), &mut digits),
            b"] ",
            name.to_bytes(),
            b"() = CUBLAS_STATUS_NOT_SUPPORTED\n",
        ];
        write(sink, &parts);
    }
}

/// Says something about the library as a whole.
pub fn note(text: &[u8]) {
    write(libc::STDERR_FILENO, &[b"pumice: cuBLAS: ", text, b"\n"]);
}

/// Says that the driver lacks a function that this library needs.
pub fn missing_symbol(name: &CStr) {
    let parts: [&[u8]; 3] = [
        b"pumice: cuBLAS: libcuda.so.1 lacks ",
        name.to_bytes(),
        b", which a driver for CUDA 12 has\n",
    ];
    write(libc::STDERR_FILENO, &parts);
}

/// Says which call of the driver's failed, and how.
pub fn driver_failed(name: &CStr, result: u32) {
    let mut digits = [0; 20];
    let parts: [&[u8]; 5] = [
        b"pumice: cuBLAS: ",
        name.to_bytes(),
        b" returned CUresult ",
        decimal(result.into(), &mut digits),
        b"\n",
    ];
    write(libc::STDERR_FILENO, &parts);
}

/// Says that matrices of these types are not multiplied: once, for programs try
/// several.
pub fn unsupported_types(types: [(&str, u32); 4]) {
    static LOGGED: AtomicBool = AtomicBool::new(false);
    if LOGGED.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut line = Line::new();
    line.text("pumice: cuBLAS: no product for");
    for (name, value) in types {
        line.text(" ");
        line.text(name);
        line.text("=");
        line.decimal(value.into());
    }
    line.text("\n");
    write(libc::STDERR_FILENO, &[line.bytes()]);
}

/// The line of a call in the trace.
pub struct Call {
    line: Line,
    first: bool,
    start: u64,
}

impl Call {
    /// Begins the line, if calls are traced.
    pub fn enter(name: &CStr) -> Option<Self> {
        if sink() < 0 {
            return None;
        }
        let mut line = Line::new();
        line.text("pumice: [");
        line.decimal(thread().into());
        line.text("] ");
        line.append(name.to_bytes());
        line.text("(");
        let start = microseconds();
        Some(Self {
            line,
            first: true,
            start,
        })
    }

    /// Adds an argument.
    pub fn argument(&mut self, name: &str, value: impl Argument) {
        self.line.text(if self.first { "" } else { ", " });
        self.first = false;
        self.line.text(name);
        self.line.text("=");
        value.show(&mut self.line);
    }

    /// Ends the line with the call's status and writes it.
    pub fn exit(mut self, status: Status) {
        let elapsed = microseconds().wrapping_sub(self.start);
        self.line.text(") = ");
        self.line.append(describe(status).0.to_bytes());
        self.line.text(" ");
        self.line.decimal(elapsed);
        self.line.text(" us\n");
        write(sink(), &[self.line.bytes()]);
    }
}

/// How an argument looks in the trace.
pub trait Argument {
    /// Appends the value.
    fn show(self, line: &mut Line);
}

impl Argument for i64 {
    fn show(self, line: &mut Line) {
        line.text(if self < 0 { "-" } else { "" });
        line.decimal(self.unsigned_abs());
    }
}

impl Argument for i32 {
    fn show(self, line: &mut Line) {
        i64::from(self).show(line);
    }
}

impl Argument for u32 {
    fn show(self, line: &mut Line) {
        line.decimal(self.into());
    }
}

impl Argument for usize {
    fn show(self, line: &mut Line) {
        line.decimal(self as u64);
    }
}

impl<T> Argument for *const T {
    fn show(self, line: &mut Line) {
        line.hexadecimal(self.addr() as u64);
    }
}

impl<T> Argument for *mut T {
    fn show(self, line: &mut Line) {
        self.cast_const().show(line);
    }
}

/// Bytes of a line: the call with the most arguments, each as long as it gets,
/// takes less.
const LONGEST: usize = 1536;

/// A line that is being made.
pub struct Line {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Line {
    fn new() -> Self {
        Self {
            bytes: [0; LONGEST],
            len: 0,
        }
    }

    fn text(&mut self, text: &str) {
        self.append(text.as_bytes());
    }

    fn append(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes.iter_mut().skip(self.len).zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }

    fn decimal(&mut self, number: u64) {
        self.append(decimal(number, &mut [0; 20]));
    }

    fn hexadecimal(&mut self, number: u64) {
        self.text("0x");
        let digits = (67 - (number | 1).leading_zeros()) / 4;
        for digit in (0..digits).rev() {
            let value = (number >> (4 * digit) & 15) as u8;
            self.append(&[value + if value < 10 { b'0' } else { b'a' - 10 }]);
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// The time. `clock_gettime` is younger than the oldest C library that must do.
fn microseconds() -> u64 {
    let mut time = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: the structure is a place to write; no time zone is asked for.
    unsafe { libc::gettimeofday(&raw mut time, core::ptr::null_mut()) };
    (time.tv_sec as u64)
        .wrapping_mul(1_000_000)
        .wrapping_add(time.tv_usec as u64)
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
        return trace_switch::value().map_or(OFF, |value| sink_of(value.text()));
    }
    // SAFETY: `getenv` answers a NUL-terminated string, used before the
    // environment could change.
    sink_of(unsafe { CStr::from_ptr(value) })
}

fn sink_of(value: &CStr) -> c_int {
    match value.to_bytes() {
        b"" | b"0" => OFF,
        b"1" => libc::STDERR_FILENO,
        _ => open_append(value.as_ptr()),
    }
}

fn open_append(path: *const c_char) -> c_int {
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_CLOEXEC;
    // SAFETY: the path is NUL-terminated.
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
fn decimal(mut number: u64, room: &mut [u8; 20]) -> &[u8] {
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
        for number in [0, 7, 10, 4711, u64::MAX] {
            let mut room = [0; 20];
            assert_eq!(decimal(number, &mut room), number.to_string().as_bytes());
        }
    }

    fn shown(value: impl Argument) -> String {
        let mut line = Line::new();
        value.show(&mut line);
        String::from_utf8(line.bytes().to_vec()).unwrap()
    }

    #[test]
    fn arguments_are_shown_as_numbers_and_addresses() {
        assert_eq!(shown(-7), "-7");
        assert_eq!(shown(i64::MIN), i64::MIN.to_string());
        for address in [0, 1, 15, 16, 0x1f00, usize::MAX] {
            let pointer = core::ptr::without_provenance::<u8>(address);
            assert_eq!(shown(pointer), format!("{address:#x}"));
        }
    }
}
