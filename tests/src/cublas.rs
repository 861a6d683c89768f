//! The cuBLAS under test: the preload library as it is installed, or the one that
//! `CUBLAS` names, on the driver that `TARGET` names.
//!
//! So the same tests judge pumice's cuBLAS on pumice's driver and on NVIDIA's, and
//! NVIDIA's own on NVIDIA's.

#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "the tests hand cuBLAS any pointer, as they do to drivers"
)]

use std::ffi::{CStr, c_char, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

use abi::cublas::*;
use libloading::Library;

use crate::driver::driver;
use crate::preload;

/// `CUBLAS_STATUS_SUCCESS`.
pub const SUCCESS: u32 = 0;
/// `CUBLAS_STATUS_NOT_INITIALIZED`.
pub const NOT_INITIALIZED: u32 = 1;
/// `CUBLAS_STATUS_INVALID_VALUE`.
pub const INVALID_VALUE: u32 = 7;
/// `CUBLAS_STATUS_NOT_SUPPORTED`.
pub const NOT_SUPPORTED: u32 = 15;

macro_rules! import {
    (
        implemented { $(mod $module:ident {
            $(fn $function:ident($($argument:ident: $ty:ty),*);)*
        })* }
        status { $($status:ident;)* }
        value { $($value_type:ty { $($value:ident;)* })* }
        text { $name:ident; $string:ident; }
    ) => {
        /// A loaded cuBLAS; each method is the entry point of its name.
        pub struct Cublas {
            library: Library,
        }

        #[allow(
            non_snake_case,
            missing_docs,
            clippy::too_many_arguments,
            reason = "NVIDIA's names and signatures; their manual describes them"
        )]
        impl Cublas {
            $($(pub fn $function(&self, $($argument: $ty),*) -> u32 {
                // SAFETY: the table gives each symbol the signature of NVIDIA's header.
                let function = unsafe {
                    self.library.get::<extern "C" fn($($ty),*) -> u32>(stringify!($function).as_bytes())
                };
                function.expect(stringify!($function))($($argument),*)
            })*)*

            pub fn $name(&self, status: u32) -> String {
                self.text(stringify!($name), status)
            }

            pub fn $string(&self, status: u32) -> String {
                self.text(stringify!($string), status)
            }
        }
    };
}

abi::cublas_api!(import);

impl Cublas {
    fn text(&self, name: &str, status: u32) -> String {
        // SAFETY: both functions take a status and return a string of the library's.
        let function = unsafe {
            self.library
                .get::<extern "C" fn(u32) -> *const c_char>(name.as_bytes())
        };
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(function.expect("cuBLAS has texts")(status)) };
        text.to_str().expect("the texts are ASCII").to_owned()
    }
}

/// The cuBLAS under test, with the driver under test loaded before it.
///
/// # Panics
/// If either cannot be loaded.
#[must_use]
pub fn cublas() -> &'static Cublas {
    static CUBLAS: OnceLock<Cublas> = OnceLock::new();
    CUBLAS.get_or_init(|| {
        let _ = driver();
        let path = match std::env::var_os("CUBLAS") {
            Some(path) => PathBuf::from(path),
            None => preload::built().to_owned(),
        };
        // SAFETY: pumice's runs nothing when it is loaded, and NVIDIA's nothing
        // that could upset this process.
        let library = unsafe { Library::new(&path) }
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
        Cublas { library }
    })
}

/// A handle that is destroyed when dropped.
pub struct Handle(pub cublasHandle_t);

impl Handle {
    /// Makes a handle of the current context.
    ///
    /// # Panics
    /// If cuBLAS refuses.
    #[must_use]
    pub fn new() -> Self {
        let mut handle = std::ptr::null_mut();
        assert_eq!(cublas().cublasCreate_v2(&raw mut handle), SUCCESS);
        Self(handle)
    }
}

impl Default for Handle {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Handle {
    /// The status is not looked at: the test may have destroyed it.
    fn drop(&mut self) {
        let _ = cublas().cublasDestroy_v2(self.0);
    }
}
