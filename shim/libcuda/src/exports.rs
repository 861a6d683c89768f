//! One C symbol for each row of the driver API's table, and the list of them that
//! `cuGetProcAddress` searches.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use abi::cuda::*;
use abi::trace::{self, Call};
use abi::{CUerror, CUresult};

use crate::handles::FromAbi;
use crate::{api, process};

/// What a null stream handle means to the caller: it was compiled with or without
/// `--default-stream per-thread`, and calls the symbol of that kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DefaultStream {
    Legacy,
    PerThread,
}

thread_local! {
    static DEFAULT_STREAM: Cell<DefaultStream> = const { Cell::new(DefaultStream::Legacy) };
}

/// The default stream of the entry point that this thread is in.
pub fn default_stream() -> DefaultStream {
    DEFAULT_STREAM.get()
}

/// Whether an entry point may be called before `cuInit`.
macro_rules! needs_driver {
    (initialization) => {
        false
    };
    (version) => {
        false
    };
    (error) => {
        false
    };
    (entry_point) => {
        false
    };
    ($module:ident) => {
        true
    };
}

/// One symbol: `$symbol` calls `api::$module::$body` with its arguments converted.
macro_rules! symbol {
    ($module:ident $symbol:ident = $body:ident $stream:ident ($($arg:ident: $ty:ty),*)) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol($($arg: $ty),*) -> CUresult {
            enter(
                stringify!($symbol),
                needs_driver!($module),
                DefaultStream::$stream,
                |_call| { $(_call.argument(stringify!($arg), &$arg);)* },
                // SAFETY: the C caller keeps the contract of this entry point,
                // which is what the conversions of its arguments rely on.
                || api::$module::$body($(unsafe { FromAbi::from_abi($arg) }?),*),
            )
        }
    };
}

macro_rules! export {
    (
        $(mod $module:ident {$(
            [$since:literal] fn $name:ident $args:tt
            $(also [$also_since:literal] $also:ident)?
            $(per_thread [$per_thread_since:literal] $per_thread:ident)?;
        )*})*
        unsupported { $([$stub_since:literal] $stub:ident;)* }
        debugger { functions { $($function:ident;)* } data { $($datum:ident;)* } }
    ) => {
        $($(
            symbol!($module $name = $name Legacy $args);
            $(symbol!($module $also = $name Legacy $args);)?
            $(symbol!($module $per_thread = $name PerThread $args);)?
        )*)*
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $stub() -> CUresult {
                static LOGGED: AtomicBool = AtomicBool::new(false);
                unsupported(stringify!($stub), &LOGGED)
            }
        )*
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $function() -> CUresult {
                Err(CUerror::NOT_SUPPORTED)
            }
        )*
        $(
            /// A debugger reads and writes this word; nothing here does.
            #[unsafe(no_mangle)]
            static mut $datum: u64 = 0;
        )*

        /// Every function of the table, in its order.
        pub static ENTRY_POINTS: &[EntryPoint] = &[
            $($(
                EntryPoint::new(stringify!($name), $since, $name as *const c_void),
                $(EntryPoint::new(stringify!($also), $also_since, $also as *const c_void),)?
                $(EntryPoint::new(
                    stringify!($per_thread),
                    $per_thread_since,
                    $per_thread as *const c_void,
                ),)?
            )*)*
            $(EntryPoint::new(stringify!($stub), $stub_since, $stub as *const c_void),)*
        ];
    };
}

abi::driver_api!(export);

/// A function of the driver API.
pub struct EntryPoint {
    /// The symbol's name.
    pub name: &'static str,
    /// The `CUDA_VERSION` that introduced it.
    pub since: u32,
    address: *const c_void,
}

// SAFETY: `address` is a function's address, which never changes.
unsafe impl Sync for EntryPoint {}

impl EntryPoint {
    const fn new(name: &'static str, since: u32, address: *const c_void) -> Self {
        Self {
            name,
            since,
            address,
        }
    }

    /// Where the function lies.
    pub fn address(&self) -> Address {
        self.address.cast_mut()
    }
}

/// The prologue and epilogue of every entry point: the trace line, the state of
/// the driver, the meaning of the null stream, and the wall that no panic passes.
fn enter(
    name: &'static str,
    needs_driver: bool,
    default_stream: DefaultStream,
    arguments: impl FnOnce(&mut Call),
    body: impl FnOnce() -> CUresult,
) -> CUresult {
    if !trace::enabled() {
        return guard(name, needs_driver, default_stream, body);
    }
    let mut call = Call::enter(name);
    arguments(&mut call);
    let result = guard(name, needs_driver, default_stream, body);
    call.exit(&Status(result));
    result
}

/// The prologue of a slot of an export table, which has no row in the API's table.
pub fn enter_slot(name: &'static str, body: impl FnOnce() -> CUresult) -> CUresult {
    enter(name, true, DefaultStream::Legacy, |_| {}, body)
}

fn guard(
    name: &'static str,
    needs_driver: bool,
    default_stream: DefaultStream,
    body: impl FnOnce() -> CUresult,
) -> CUresult {
    process::check_state(needs_driver)?;
    let outer = DEFAULT_STREAM.replace(default_stream);
    let result = catch_unwind(AssertUnwindSafe(body));
    DEFAULT_STREAM.set(outer);
    result.unwrap_or_else(|_| {
        trace::log(format_args!(
            "{name} failed inside pumice (the message above says where); \
             please report it with the output of PUMICE_TRACE=1"
        ));
        Err(CUerror::UNKNOWN)
    })
}

fn unsupported(name: &'static str, logged: &AtomicBool) -> CUresult {
    if !logged.swap(true, Ordering::Relaxed) {
        trace::log(format_args!(
            "{name} is not supported: returning CUDA_ERROR_NOT_SUPPORTED"
        ));
    }
    enter(
        name,
        false,
        DefaultStream::Legacy,
        |_| {},
        || Err(CUerror::NOT_SUPPORTED),
    )
}

struct Status(CUresult);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(()) => f.write_str("CUDA_SUCCESS"),
            Err(error) => error.fmt(f),
        }
    }
}
