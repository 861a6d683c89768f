//! The management library under test, loaded as a program loads it: by `dlopen`.
//!
//! As in [`crate::driver`] the functions come from the table that generates
//! pumice's exports, nothing here links to pumice, and the functions are typed
//! as safe because handing them what they must refuse is what the tests are for.

use std::ffi::{CStr, c_char, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use abi::nvml::*;
use abi::nvmlReturn_t;
use libloading::Library;

use crate::process;
use crate::target::{Target, built_library, target};

/// Seconds after which a process that has opened the library is killed.
const PROCESS_LIMIT_SECONDS: u32 = 120;

macro_rules! entry_type {
    (($($argument:ident: $ty:ty),*)) => { extern "C" fn($($ty),*) -> nvmlReturn_t };
}

macro_rules! method {
    ($name:ident ($($argument:ident: $ty:ty),*)) => {
        pub fn $name(&self, $($argument: $ty),*) -> nvmlReturn_t {
            (self.table.$name)($($argument),*)
        }
    };
}

macro_rules! import {
    (
        $(mod $module:ident: $when:ident { $(fn $name:ident $arguments:tt $(also $also:ident)*;)* })*
        text { $text:ident }
        unsupported { $($stub:ident;)* }
    ) => {
        /// The entry points that the library exports.
        #[allow(non_snake_case, reason = "NVIDIA's names")]
        struct Table {
            $($($name: entry_type!($arguments), $($also: entry_type!($arguments),)*)*)*
            $text: extern "C" fn(u32) -> *const c_char,
        }

        impl Table {
            fn load(library: &Library) -> Self {
                Self {
                    $($(
                        $name: symbol(library, stringify!($name)),
                        $($also: symbol(library, stringify!($also)),)*
                    )*)*
                    $text: symbol(library, stringify!($text)),
                }
            }
        }

        #[allow(non_snake_case, missing_docs, reason = "NVIDIA's names; their manual describes them")]
        impl Nvml {
            $($(method!($name $arguments); $(method!($also $arguments);)*)*)*

            /// The text of a status.
            #[must_use]
            pub fn $text(&self, status: u32) -> String {
                let text = (self.table.$text)(status);
                // SAFETY: the library's strings are NUL-terminated and live as long as it.
                unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
            }
        }

        /// The entry points that the table gives a meaning, with the condition
        /// under which they may be called.
        pub const IMPLEMENTED: &[(&str, &str)] = &[
            $($(
                (stringify!($name), stringify!($when)),
                $((stringify!($also), stringify!($when)),)*
            )*)*
            (stringify!($text), "always"),
        ];

        /// The entry points that answer `NVML_ERROR_NOT_SUPPORTED`.
        pub const UNSUPPORTED: &[&str] = &[$(stringify!($stub),)*];
    };
}

/// A loaded `libnvidia-ml.so.1`; each method is the entry point of its name.
pub struct Nvml {
    table: Table,
    library: Library,
}

abi::nvml_api!(import);

impl Nvml {
    fn load(path: &Path) -> Self {
        // SAFETY: the libraries under test run no code at load time that could
        // upset this process.
        let library = unsafe { Library::new(path) }
            .unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
        Self {
            table: Table::load(&library),
            library,
        }
    }

    /// Calls an exported function with null and zero for every argument.
    pub fn call_with_nulls(&self, name: &str) -> nvmlReturn_t {
        type Nulls = extern "C" fn(usize, usize, usize, usize, usize, usize) -> nvmlReturn_t;
        let function: Nulls = symbol(&self.library, name);
        function(0, 0, 0, 0, 0, 0)
    }
}

fn symbol<T: Copy>(library: &Library, name: &str) -> T {
    // SAFETY: the table gives each symbol the signature of NVIDIA's header.
    let symbol = unsafe { library.get::<T>(name.as_bytes()) };
    *symbol.unwrap_or_else(|error| panic!("{name} is not exported: {error}"))
}

/// Where pumice's library was built.
#[must_use]
pub fn built() -> PathBuf {
    built_library("libnvidia-ml", "libnvidia_ml.so")
}

/// The library that `TARGET` names, loaded but not initialized.
///
/// # Panics
/// If it cannot be loaded.
#[must_use]
pub fn nvml() -> &'static Nvml {
    static NVML: OnceLock<Nvml> = OnceLock::new();
    NVML.get_or_init(|| {
        process::limit_seconds(PROCESS_LIMIT_SECONDS);
        match target() {
            Target::Pumice => Nvml::load(&built()),
            Target::Nvidia => Nvml::load(Path::new("libnvidia-ml.so.1")),
        }
    })
}

/// The same, initialized.
///
/// # Panics
/// If it cannot be initialized.
#[must_use]
pub fn initialized() -> &'static Nvml {
    let nvml = nvml();
    nvml.nvmlInit_v2().expect("the machine has a device");
    nvml
}

/// The first device.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn first_device(nvml: &Nvml) -> nvmlDevice_t {
    let mut device = nvmlDevice_t::NULL;
    nvml.nvmlDeviceGetHandleByIndex_v2(0, &raw mut device)
        .expect("the machine has a device");
    device
}

/// What a call wrote into a buffer of `length` characters, up to the NUL.
pub fn text(
    length: usize,
    fill: impl FnOnce(*mut c_char, u32) -> nvmlReturn_t,
) -> Result<String, abi::NvmlError> {
    let mut buffer = vec![0x7f_u8; length.max(1)];
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    fill(buffer.as_mut_ptr().cast(), length)?;
    let end = buffer.iter().position(|&byte| byte == 0);
    let text = &buffer[..end.unwrap_or(buffer.len())];
    Ok(String::from_utf8_lossy(text).into_owned())
}
