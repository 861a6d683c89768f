//! `PUMICE_TRACE`: every call across the libraries, one line each.
//!
//! `PUMICE_TRACE=1` writes to standard error, any other value names a file that
//! is appended to. A line holds the thread, the entry point with its arguments,
//! the result, what was written back and the time taken, and is never shortened.
//! Each line is one `write`, so that the lines of three libraries and of several
//! processes do not mix.

use std::cell::RefCell;
use std::ffi::{CStr, OsStr, OsString, c_char, c_void};
use std::fmt::{self, Debug, Write as _};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::time::Instant;

use crate::trace_switch;

enum Sink {
    Off,
    Stderr,
    File(File),
}

fn sink() -> &'static Sink {
    static SINK: OnceLock<Sink> = OnceLock::new();
    SINK.get_or_init(|| match setting() {
        None => Sink::Off,
        Some(value) if value.is_empty() || value == "0" => Sink::Off,
        Some(value) if value == "1" => Sink::Stderr,
        Some(path) => match File::options().append(true).create(true).open(&path) {
            Ok(file) => Sink::File(file),
            Err(error) => {
                log(format_args!(
                    "PUMICE_TRACE: cannot append to {}: {error}; tracing to standard error",
                    path.display()
                ));
                Sink::Stderr
            }
        },
    })
}

/// What the environment says, or else the switch of the container.
fn setting() -> Option<OsString> {
    std::env::var_os("PUMICE_TRACE").or_else(|| {
        let value = trace_switch::value()?;
        Some(OsStr::from_bytes(value.text().to_bytes()).to_owned())
    })
}

/// Whether calls are traced: read once per process from `PUMICE_TRACE`, or where
/// that is not set from the switch that `pumice trace` sets.
#[inline]
#[must_use]
pub fn enabled() -> bool {
    !matches!(sink(), Sink::Off)
}

/// Writes one diagnostic line to standard error, whatever the trace setting.
pub fn log(message: fmt::Arguments<'_>) {
    emit(&Sink::Stderr, &format!("pumice: {message}\n"));
}

/// Writes a line about something other than a call, when tracing is on.
pub fn note(message: fmt::Arguments<'_>) {
    if enabled() {
        emit(sink(), &format!("pumice: [{}] {message}\n", thread()));
    }
}

fn emit(sink: &Sink, line: &str) {
    // A closed or full trace sink must not change what the program computes.
    let _ = match sink {
        Sink::Off => Ok(()),
        Sink::Stderr => std::io::stderr().write_all(line.as_bytes()),
        Sink::File(file) => (&mut &*file).write_all(line.as_bytes()),
    };
}

fn thread() -> i32 {
    // SAFETY: gettid has no preconditions.
    unsafe { libc::gettid() }
}

thread_local! {
    static OUTPUTS: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Swaps the values noted so far; a thread that is ending notes none.
fn replace_outputs(outputs: String) -> String {
    OUTPUTS
        .try_with(|noted| noted.replace(outputs))
        .unwrap_or_default()
}

/// Notes a value that the current call writes back to its caller.
pub fn output<T: Debug + ?Sized>(value: &T) {
    if enabled() {
        let mut outputs = replace_outputs(String::new());
        let separator = if outputs.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(outputs, "{separator}{value:?}");
        replace_outputs(outputs);
    }
}

/// One traced call, from entry to exit.
pub struct Call {
    line: String,
    separator: &'static str,
    outer_outputs: String,
    start: Instant,
}

impl Call {
    /// Begins the line of a call to `name`.
    #[must_use]
    pub fn enter(name: &str) -> Self {
        let mut line = String::with_capacity(160);
        // Writing to a string cannot fail.
        let _ = write!(line, "pumice: [{}] {name}(", thread());
        let outer_outputs = replace_outputs(String::new());
        Self {
            line,
            separator: "",
            outer_outputs,
            start: Instant::now(),
        }
    }

    /// Adds one argument.
    pub fn argument(&mut self, name: &str, value: &dyn Argument) {
        self.line.push_str(self.separator);
        self.separator = ", ";
        self.line.push_str(name);
        self.line.push('=');
        value.show(&mut self.line);
    }

    /// Ends the line with the call's result and writes it.
    pub fn exit(mut self, result: &dyn fmt::Display) {
        let micros = self.start.elapsed().as_secs_f64() * 1e6;
        let outputs = replace_outputs(std::mem::take(&mut self.outer_outputs));
        // Writing to a string cannot fail.
        let _ = write!(self.line, ") = {result}");
        if !outputs.is_empty() {
            let _ = write!(self.line, " -> {outputs}");
        }
        let _ = writeln!(self.line, " {micros:.1} us");
        emit(sink(), &self.line);
    }
}

/// How an argument of an entry point looks in the trace.
pub trait Argument {
    /// Appends the value to `line`.
    fn show(&self, line: &mut String);
}

macro_rules! shown_as {
    ($format:literal: $($ty:ty),*) => {
        $(impl Argument for $ty {
            fn show(&self, line: &mut String) {
                // Writing to a string cannot fail.
                let _ = write!(line, $format, self);
            }
        })*
    };
}

shown_as!("{}": i32, u8, u16, u32, u64, i64, usize, f32, f64);

impl<T> Argument for *mut T {
    fn show(&self, line: &mut String) {
        let _ = write!(line, "{:p}", self.cast::<c_void>());
    }
}

/// Input pointers show their address; a C string its text.
impl<T: 'static> Argument for *const T {
    fn show(&self, line: &mut String) {
        let text = std::any::TypeId::of::<T>() == std::any::TypeId::of::<c_char>();
        if text && !self.is_null() {
            // SAFETY: a `const char *` argument of these interfaces is a
            // NUL-terminated string.
            let text = unsafe { CStr::from_ptr(self.cast()) };
            let _ = write!(line, "{text:?}");
        } else {
            let _ = write!(line, "{:p}", self.cast::<c_void>());
        }
    }
}

impl<T> Argument for Option<T> {
    fn show(&self, line: &mut String) {
        line.push_str(if self.is_some() { "set" } else { "null" });
    }
}
