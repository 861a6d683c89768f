//! One C symbol for each row of cuBLAS' table. None has a meaning yet: each says
//! so and returns `CUBLAS_STATUS_NOT_SUPPORTED`, or zero where it has no status.
//!
//! Arguments need no declaration: on the platforms that are supported the caller
//! removes them.

use core::ffi::c_char;
use core::sync::atomic::AtomicBool;

use crate::report;
use crate::status::{NOT_SUPPORTED, Status, describe};

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
            const NAME: &core::ffi::CStr = match core::ffi::CStr::from_bytes_with_nul(
                concat!(stringify!($name), "\0").as_bytes(),
            ) {
                Ok(name) => name,
                Err(_) => c"",
            };
            report::unsupported(NAME, &LOGGED);
            $value
        }
    };
}

macro_rules! export {
    (
        status { $($status:ident;)* }
        value { $($ty:ty { $($value:ident;)* })* }
        text { $name:ident; $string:ident; }
    ) => {
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
