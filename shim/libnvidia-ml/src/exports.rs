//! One C symbol for each row of NVML's table.

use std::ffi::{c_char, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use abi::nvml::*;
use abi::nvml_error::describe;
use abi::trace::{self, Call};
use abi::{NvmlError, nvmlReturn_t};

use crate::arguments::FromAbi;
use crate::{api, library};

/// Whether an entry point may be called before `nvmlInit`.
macro_rules! needs_init {
    (always) => {
        false
    };
    (initialized) => {
        true
    };
}

/// One symbol: `$symbol` calls `api::$module::$body` with its arguments converted.
macro_rules! symbol {
    ($when:ident $module:ident $symbol:ident = $body:ident ($($arg:ident: $ty:ty),*)) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $symbol($($arg: $ty),*) -> nvmlReturn_t {
            enter(
                stringify!($symbol),
                needs_init!($when),
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
        $(mod $module:ident: $when:ident {$(fn $name:ident $args:tt $(also $also:ident)*;)*})*
        text { $text:ident }
        unsupported { $($stub:ident;)* }
    ) => {
        $($(
            symbol!($when $module $name = $name $args);
            $(symbol!($when $module $also = $name $args);)*
        )*)*
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $stub() -> nvmlReturn_t {
                enter(stringify!($stub), true, |_| {}, || Err(NvmlError::NOT_SUPPORTED))
            }
        )*
        /// What a status means; a string that lives as long as the library.
        #[unsafe(no_mangle)]
        extern "C" fn $text(status: u32) -> *const c_char {
            describe(status).as_ptr()
        }
    };
}

abi::nvml_api!(export);

/// The prologue and epilogue of every entry point: the trace line, the state of
/// the library, and the wall that no panic passes.
fn enter(
    name: &'static str,
    needs_init: bool,
    arguments: impl FnOnce(&mut Call),
    body: impl FnOnce() -> nvmlReturn_t,
) -> nvmlReturn_t {
    if !trace::enabled() {
        return guard(name, needs_init, body);
    }
    let mut call = Call::enter(name);
    arguments(&mut call);
    let result = guard(name, needs_init, body);
    call.exit(&Status(result));
    result
}

fn guard(
    name: &'static str,
    needs_init: bool,
    body: impl FnOnce() -> nvmlReturn_t,
) -> nvmlReturn_t {
    let checked = || {
        // NVML_ERROR_UNINITIALIZED if the library has not been initialized.
        if needs_init {
            library::devices()?;
        }
        body()
    };
    catch_unwind(AssertUnwindSafe(checked)).unwrap_or_else(|_| {
        trace::log(format_args!(
            "{name} failed inside pumice (the message above says where); \
             please report it with the output of PUMICE_TRACE=1"
        ));
        Err(NvmlError::UNKNOWN)
    })
}

struct Status(nvmlReturn_t);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(()) => f.write_str("NVML_SUCCESS"),
            Err(error) => error.fmt(f),
        }
    }
}
