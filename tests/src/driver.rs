//! The CUDA driver under test, loaded as a program loads it: by `dlopen`.
//!
//! The functions come from the table that also generates pumice's exports, but
//! nothing here links to pumice. They are typed as safe although CUDA's are not:
//! handing a driver null, freed and foreign pointers is what the tests are for,
//! and the reason for each such call stands in the test's name.

#![allow(
    clippy::not_unsafe_ptr_arg_deref,
    reason = "the tests hand drivers any pointer: see above"
)]

use std::ffi::{c_char, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

use abi::CUresult;
use abi::cuda::*;
use libloading::Library;

use crate::process;
use crate::target::{Target, built_library, target};

/// Seconds after which a process that has opened the driver is killed: no test
/// waits for ever, whatever the driver does.
const PROCESS_LIMIT_SECONDS: u32 = 300;

macro_rules! entry_type {
    (($($argument:ident: $ty:ty),* $(,)?)) => { extern "C" fn($($ty),*) -> CUresult };
}

macro_rules! method {
    ($name:ident ($($argument:ident: $ty:ty),* $(,)?)) => {
        #[allow(clippy::too_many_arguments, reason = "NVIDIA's signature")]
        pub fn $name(&self, $($argument: $ty),*) -> CUresult {
            let Some(function) = self.table.$name else {
                panic!("{} does not export {}", self.path.display(), stringify!($name));
            };
            function($($argument),*)
        }
    };
}

macro_rules! import {
    (
        $(mod $module:ident { $(
            [$since:literal] fn $name:ident $arguments:tt
            $(also [$also_since:literal] $also:ident)?
            $(per_thread [$per_thread_since:literal] $per_thread:ident)?;
        )* })*
        unsupported { $([$stub_since:literal] $stub:ident;)* }
        debugger { functions { $($debug_function:ident;)* } data { $($debug_data:ident;)* } }
    ) => {
        /// The entry points that the library exports.
        #[allow(non_snake_case, reason = "NVIDIA's names")]
        struct Table {
            $($(
                $name: Option<entry_type!($arguments)>,
                $($also: Option<entry_type!($arguments)>,)?
                $($per_thread: Option<entry_type!($arguments)>,)?
            )*)*
        }

        impl Table {
            fn load(library: &Library) -> Self {
                Self {
                    $($(
                        $name: symbol(library, stringify!($name)),
                        $($also: symbol(library, stringify!($also)),)?
                        $($per_thread: symbol(library, stringify!($per_thread)),)?
                    )*)*
                }
            }
        }

        #[allow(non_snake_case, missing_docs, reason = "NVIDIA's names; their manual describes them")]
        impl Driver {
            $($(
                method!($name $arguments);
                $(method!($also $arguments);)?
                $(method!($per_thread $arguments);)?
            )*)*
        }

        /// The entry points that the table gives a meaning: symbol and the CUDA
        /// version that introduced it.
        pub const IMPLEMENTED: &[(&str, i32)] = &[
            $($(
                (stringify!($name), $since),
                $((stringify!($also), $also_since),)?
                $((stringify!($per_thread), $per_thread_since),)?
            )*)*
        ];

        /// The entry points that answer `CUDA_ERROR_NOT_SUPPORTED` for now.
        pub const UNSUPPORTED: &[(&str, i32)] = &[$((stringify!($stub), $stub_since),)*];

        /// What a debugger looks up.
        pub const DEBUGGER: &[&str] = &[
            $(stringify!($debug_function),)* $(stringify!($debug_data),)*
        ];
    };
}

/// A loaded `libcuda.so.1`; each method is the entry point of its name.
pub struct Driver {
    table: Table,
    library: Library,
    path: PathBuf,
}

abi::driver_api!(import);

impl Driver {
    fn load(path: PathBuf) -> Self {
        // SAFETY: the libraries under test run no code at load time that could
        // upset this process; `on_pumice` tests check that of pumice's.
        let library = unsafe { Library::new(&path) }
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
        Self {
            table: Table::load(&library),
            library,
            path,
        }
    }

    /// The address of an exported symbol, as `dlsym` gives it.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<*mut c_void> {
        // SAFETY: the address is only compared, or called by `Self::call_stub`.
        unsafe { self.library.get::<*mut c_void>(name.as_bytes()) }
            .ok()
            .map(|symbol| *symbol)
    }

    /// Calls an exported function that takes no argument, or ignores what it takes.
    ///
    /// # Panics
    /// If the library does not export it.
    pub fn call_without_arguments(&self, name: &str) -> CUresult {
        let function: extern "C" fn() -> CUresult =
            symbol(&self.library, name).unwrap_or_else(|| panic!("{name} is not exported"));
        function()
    }

    /// Where the library was loaded from.
    ///
    /// # Panics
    /// If the system cannot say.
    #[must_use]
    pub fn loaded_from(&self) -> PathBuf {
        let address = self.address("cuInit").expect("a driver exports cuInit");
        process::file_of(address.expose_provenance()).expect("a loaded function lies in a file")
    }
}

fn symbol<T: Copy>(library: &Library, name: &str) -> Option<T> {
    // SAFETY: the table gives each symbol the signature of NVIDIA's header.
    unsafe { library.get::<T>(name.as_bytes()) }
        .ok()
        .map(|symbol| *symbol)
}

/// The driver that `TARGET` names, loaded but not initialized.
///
/// # Panics
/// If it cannot be loaded.
#[must_use]
pub fn driver() -> &'static Driver {
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    DRIVER.get_or_init(|| {
        process::limit_seconds(PROCESS_LIMIT_SECONDS);
        match target() {
            Target::Pumice => Driver::load(built_library("libcuda", "libcuda.so")),
            Target::Nvidia => Driver::load(PathBuf::from("libcuda.so.1")),
        }
    })
}

/// A function whose address the driver handed out, such as a slot of an export
/// table or an answer of `cuGetProcAddress`.
///
/// `F` is the `extern "C"` function type that the slot is documented to have.
///
/// # Panics
/// If the address is null or `F` is not a function pointer.
#[must_use]
pub fn function_at<F: Copy>(address: *const c_void) -> F {
    assert!(!address.is_null());
    assert_eq!(size_of::<F>(), size_of::<*const c_void>());
    // SAFETY: the caller names the type of the function at this address.
    unsafe { std::mem::transmute_copy(&address) }
}

/// The word at `index` in a table of words that the driver handed out.
///
/// # Panics
/// If the table is null.
#[must_use]
pub fn word_at(table: *const c_void, index: usize) -> usize {
    assert!(!table.is_null());
    // SAFETY: the caller stays within the size that the table states.
    unsafe { table.cast::<usize>().add(index).read() }
}

/// The text of a C string that the driver handed out.
///
/// # Panics
/// If it is null or not UTF-8.
#[must_use]
pub fn text_at(string: *const c_char) -> String {
    assert!(!string.is_null());
    // SAFETY: the driver's strings are NUL-terminated and live as long as it.
    let text = unsafe { std::ffi::CStr::from_ptr(string) };
    text.to_str()
        .expect("the driver's text is ASCII")
        .to_owned()
}
