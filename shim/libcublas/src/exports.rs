//! One C symbol for each row of cuBLAS' table: a call of the function of that name
//! in `api`, or a stub that says so and returns `CUBLAS_STATUS_NOT_SUPPORTED`, or
//! zero where it has no status.
//!
//! A stub's arguments need no declaration: on the platforms that are supported the
//! caller removes them.

use core::ffi::{c_char, c_void};
use core::sync::atomic::AtomicBool;

use crate::api;
use crate::cublas::*;
use crate::report::{self, Call};
use crate::status::{NOT_SUPPORTED, SUCCESS, Status, describe};

/// A single-precision complex number, returned by value.
#[derive(Clone, Copy, Default)]
#[repr(C)]
#[allow(non_camel_case_types, reason = "NVIDIA's name")]
struct cuComplex {
    x: f32,
    y: f32,
}

/// A double-precision complex number, returned by value.
#[derive(Clone, Copy, Default)]
#[repr(C)]
#[allow(non_camel_case_types, reason = "NVIDIA's name")]
struct cuDoubleComplex {
    x: f64,
    y: f64,
}

macro_rules! stub {
    ($name:ident, $ty:ty, $value:expr) => {
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> $ty {
            static LOGGED: AtomicBool = AtomicBool::new(false);
            report::unsupported(report::name(concat!(stringify!($name), "\0")), &LOGGED);
            $value
        }
    };
}

macro_rules! implement {
    ($module:ident $name:ident ($($argument:ident: $ty:ty),*)) => {
        #[unsafe(no_mangle)]
        #[allow(non_snake_case, reason = "NVIDIA's names")]
        extern "C" fn $name($($argument: $ty),*) -> Status {
            let call = Call::enter(report::name(concat!(stringify!($name), "\0")));
            let status = match api::$module::$name($($argument),*) {
                Ok(()) => SUCCESS,
                Err(status) => status,
            };
            if let Some(mut call) = call {
                $(call.argument(stringify!($argument), $argument);)*
                call.exit(status);
            }
            status
        }
    };
}

macro_rules! export {
    (
        implemented { $(mod $module:ident { $(fn $function:ident $arguments:tt;)* })* }
        status { $($status:ident;)* }
        value { $($ty:ty { $($value:ident;)* })* }
        text { $name:ident; $string:ident; }
    ) => {
        $($(implement!($module $function $arguments);)*)*
        $(stub!($status, Status, NOT_SUPPORTED);)*
        $($(stub!($value, $ty, <$ty>::default());)*)*

        /// The name of a status.
        #[unsafe(no_mangle)]
        extern "C" fn $name(status: Status) -> *const c_char {
            describe(status).0.as_ptr()
        }

        /// What a status means.
        #[unsafe(no_mangle)]
        extern "C" fn $string(status: Status) -> *const c_char {
            describe(status).1.as_ptr()
        }
    };
}

crate::cublas_api!(export);
