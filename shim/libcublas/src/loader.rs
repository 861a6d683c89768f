//! `dlopen` and `dlsym`, where the process has them.
//!
//! Until glibc 2.34 they lie in libdl, which not every process loads, and a
//! reference to their newest version would keep the library out of older
//! containers. So the references are weak and to the first version.

use core::arch::global_asm;
use core::ffi::{CStr, c_char, c_int, c_void};

#[cfg(target_arch = "x86_64")]
macro_rules! first_version {
    () => {
        "GLIBC_2.2.5"
    };
}
#[cfg(target_arch = "aarch64")]
macro_rules! first_version {
    () => {
        "GLIBC_2.17"
    };
}

global_asm!(
    ".weak dlopen",
    ".weak dlsym",
    concat!(".symver dlopen, dlopen@", first_version!()),
    concat!(".symver dlsym, dlsym@", first_version!()),
    ".pushsection .data.rel.pumice_loader, \"aw\"",
    ".balign 8",
    ".hidden pumice_dlopen",
    ".globl pumice_dlopen",
    "pumice_dlopen: .8byte dlopen",
    ".hidden pumice_dlsym",
    ".globl pumice_dlsym",
    "pumice_dlsym: .8byte dlsym",
    ".popsection",
);

// What the compiler makes of copies would refer to a younger `memcpy`.
#[cfg(target_arch = "x86_64")]
global_asm!(".symver memcpy, memcpy@GLIBC_2.2.5");

type Open = unsafe extern "C" fn(*const c_char, c_int) -> *mut c_void;
type Find = unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut c_void;

unsafe extern "C" {
    static pumice_dlopen: Option<Open>;
    static pumice_dlsym: Option<Find>;
}

/// A library that is never closed.
#[derive(Clone, Copy)]
pub struct Library(*mut c_void);

impl Library {
    /// Opens a library, or finds the one of that name that is loaded.
    pub fn open(name: &CStr) -> Option<Self> {
        // SAFETY: the linker fills the word in before any code runs.
        let open = unsafe { pumice_dlopen }?;
        // SAFETY: the name is NUL-terminated.
        let library = unsafe { open(name.as_ptr(), libc::RTLD_NOW) };
        (!library.is_null()).then_some(Self(library))
    }

    /// The address of one of its symbols.
    pub fn symbol(self, name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the linker fills the word in before any code runs.
        let find = unsafe { pumice_dlsym }?;
        // SAFETY: the library is open and the name NUL-terminated.
        let address = unsafe { find(self.0, name.as_ptr()) };
        (!address.is_null()).then_some(address)
    }
}
