//! The private tables that `cuGetExportTable` hands out.
//!
//! The runtime library asks for six of them before it admits that a device exists
//! and refuses to start without; what it does with each slot was measured. A slot
//! that nobody was seen to use logs its number and returns `NOT_SUPPORTED`. The
//! tables are static, because two of their addresses enter the integrity answer.

use std::cell::UnsafeCell;
use std::ffi::c_void;

use abi::cuda::*;
use abi::{CUerror, CUresult, Out, trace};

use crate::core::context;
use crate::core::integrity::{self, Identity, Question};
use crate::core::module;
use crate::core::storage::Destructor;
use crate::handles::{CONTEXTS, FromAbi, HostPtr};
use crate::process;

/// A table: its size in bytes where it has one, then functions.
#[repr(transparent)]
pub struct Table<const N: usize>([*const c_void; N]);

// SAFETY: a table holds a size and addresses of functions, which never change.
unsafe impl<const N: usize> Sync for Table<N> {}

macro_rules! unknown_slots {
    ($table:literal: $($name:ident = $slot:literal),* $(,)?) => {
        $(extern "C" fn $name() -> CUresult {
            trace::log(format_args!(
                "export table {}: slot {} is unknown here, returning CUDA_ERROR_NOT_SUPPORTED",
                $table, $slot
            ));
            Err(CUerror::NOT_SUPPORTED)
        })*
    };
}

macro_rules! table {
    ($(#[$doc:meta])* $name:ident [$len:literal] sized { $($slot:expr),* $(,)? }) => {
        $(#[$doc])*
        static $name: Table<$len> =
            Table([std::ptr::without_provenance(8 * $len), $($slot as *const c_void),*]);
    };
    ($(#[$doc:meta])* $name:ident [$len:literal] { $($slot:expr),* $(,)? }) => {
        $(#[$doc])*
        static $name: Table<$len> = Table([$($slot as *const c_void),*]);
    };
}

unknown_slots!("6bd5fb6c": runtime_3 = 3, runtime_4 = 4, runtime_5 = 5, runtime_9 = 9,
    runtime_10 = 10, runtime_11 = 11);
unknown_slots!("a094798c": hooks_1 = 1, hooks_3 = 3, hooks_4 = 4, hooks_5 = 5);
unknown_slots!("42d85a81": tls_1 = 1, tls_2 = 2, tls_3 = 3);
unknown_slots!("c693336e": storage_3 = 3);
unknown_slots!("263e8860": checks_1 = 1);
unknown_slots!("d4082055": integrity_2 = 2);
unknown_slots!("21318c60": library_slot = "of the cuBLAS and cuFFT interface");

table! {
    /// What the runtime library loads modules and finds contexts with.
    RUNTIME [13] sized {
        load_module, primary_context, runtime_3, runtime_4, runtime_5, load_module_with_variables,
        module_destroyed, load_fatbin, runtime_9, runtime_10, runtime_11, load_compiler,
    }
}

table! {
    /// Where profilers put their hooks.
    TOOLS_HOOKS [7] sized { hooks_1, first_hooks, hooks_3, hooks_4, hooks_5, second_hooks }
}

table! {
    /// A profiler's thread-local storage; only the size is read.
    TOOLS_TLS [4] sized { tls_1, tls_2, tls_3 }
}

table! {
    /// Context-local storage; it has no size.
    STORAGE [4] { storage_put, storage_delete, storage_get, storage_3 }
}

table! {
    /// Whether a context is a wrapper around another.
    CONTEXT_CHECKS [4] sized { checks_1, is_wrapped, is_checked }
}

table! {
    /// Whether this is a driver that the runtime knows.
    INTEGRITY [3] sized { integrity_answer, integrity_2 }
}

/// Asked for by runtimes since 13.4, which read its presence and size only.
static LIBRARY_INTERFACE: Table<52> = {
    let mut table = [library_slot as *const c_void; 52];
    table[0] = std::ptr::without_provenance(8 * 52);
    Table(table)
};

/// A table's UUID and how to find its address.
type Entry = (&'static str, fn() -> *const c_void);

const TABLES: &[Entry] = &[
    ("6bd5fb6c-5bf4-e74a-8987-d93912fd9df9", || address(&RUNTIME)),
    ("a094798c-2e74-2e74-93f2-0800200c0a66", || {
        address(&TOOLS_HOOKS)
    }),
    ("42d85a81-23f6-cb47-8298-f6e78a3aecdc", || {
        address(&TOOLS_TLS)
    }),
    ("c693336e-1121-df11-a8c3-68f355d89593", || address(&STORAGE)),
    ("263e8860-7cd2-6143-92f6-bbd5006dfa7e", || {
        address(&CONTEXT_CHECKS)
    }),
    ("d4082055-bde6-704b-8d34-ba123c66e1f2", || {
        address(&INTEGRITY)
    }),
    ("21318c60-9714-3248-8ca6-41ff7324c8f2", || {
        address(&LIBRARY_INTERFACE)
    }),
];

fn address<const N: usize>(table: &'static Table<N>) -> *const c_void {
    std::ptr::from_ref(table).cast()
}

/// The table of a UUID, if there is one.
///
/// `f8cff951-2146-8b4e-b9e2-fb469e7c0dd9`, which the runtime asks for first, must
/// be refused: with it, the runtime skips its own start-up.
pub fn find(id: CUuuid) -> Option<*const c_void> {
    let id = id.to_string();
    let id = id.trim_start_matches("GPU-");
    let (_, table) = TABLES.iter().find(|(uuid, _)| *uuid == id)?;
    Some(table())
}

/// Runs a slot's body behind the same wall as an entry point.
fn slot(name: &'static str, body: impl FnOnce() -> CUresult) -> CUresult {
    crate::exports::enter_slot(name, body)
}

/// Slot 1: loads a module from a fat binary's wrapper.
unsafe extern "C" fn load_module(module: *mut CUmodule, image: *const c_void) -> CUresult {
    slot("export table 6bd5fb6c, slot 1: load module", || {
        // SAFETY: the runtime hands a place for the handle.
        let module = unsafe { Out::<CUmodule>::from_abi(module) }?;
        module.write(module::load(HostPtr(image.cast_mut()))?.handle());
        Ok(())
    })
}

/// Slot 2: the primary context's handle, without retaining it.
unsafe extern "C" fn primary_context(context: *mut CUcontext, device: CUdevice) -> CUresult {
    slot("export table 6bd5fb6c, slot 2: primary context", || {
        // SAFETY: the runtime hands a place for the handle.
        let out = unsafe { Out::<CUcontext>::from_abi(context) }?;
        out.write(
            process::devices()?
                .get(device)?
                .primary_context()
                .context
                .handle(),
        );
        Ok(())
    })
}

/// Slot 6: as slot 1, with lists of host variables, which must be empty.
unsafe extern "C" fn load_module_with_variables(
    module: *mut CUmodule,
    image: *const c_void,
    first: *const c_void,
    second: *const c_void,
    count: u32,
) -> CUresult {
    if !first.is_null() || !second.is_null() || count != 0 {
        return Err(CUerror::NOT_SUPPORTED);
    }
    // SAFETY: the arguments are the caller's, unchanged.
    unsafe { load_module(module, image) }
}

/// Slot 7: told that a module goes.
extern "C" fn module_destroyed(_: usize) {}

/// Slot 8: as slot 6, from a fat binary's header, with the arguments swapped.
unsafe extern "C" fn load_fatbin(
    image: *const c_void,
    module: *mut CUmodule,
    first: *const c_void,
    second: *const c_void,
    count: u32,
) -> CUresult {
    // SAFETY: the arguments are the caller's, reordered.
    unsafe { load_module_with_variables(module, image, first, second, count) }
}

/// Slot 12: loads the PTX compiler, which is part of this library.
extern "C" fn load_compiler() -> CUresult {
    slot("export table 6bd5fb6c, slot 12: load compiler", || Ok(()))
}

/// Words that a profiler would fill with its callbacks; all zero means none.
#[repr(transparent)]
struct Hooks<const N: usize>(UnsafeCell<[u32; N]>);

// SAFETY: nothing here touches the words; the runtime reads them.
unsafe impl<const N: usize> Sync for Hooks<N> {}

static FIRST_HOOKS: Hooks<1024> = Hooks(UnsafeCell::new([0; 1024]));
static SECOND_HOOKS: Hooks<14> = Hooks(UnsafeCell::new([0; 14]));

unsafe fn hand_hooks<const N: usize>(
    hooks: &'static Hooks<N>,
    pointer: *mut *mut c_void,
    words: *mut usize,
) {
    // SAFETY: the runtime hands places for a pointer and a count.
    unsafe {
        pointer.write(hooks.0.get().cast());
        words.write(N);
    }
}

unsafe extern "C" fn first_hooks(pointer: *mut *mut c_void, words: *mut usize) {
    // SAFETY: the arguments are the caller's, unchanged.
    unsafe { hand_hooks(&FIRST_HOOKS, pointer, words) }
}

unsafe extern "C" fn second_hooks(pointer: *mut *mut c_void, words: *mut usize) {
    // SAFETY: the arguments are the caller's, unchanged.
    unsafe { hand_hooks(&SECOND_HOOKS, pointer, words) }
}

/// The context of a handle, null for the current one.
fn context_of(handle: CUcontext) -> Result<std::sync::Arc<context::Context>, CUerror> {
    if handle.is_null() {
        return context::current();
    }
    CONTEXTS.get(handle.0).ok_or(CUerror::INVALID_CONTEXT)
}

unsafe extern "C" fn storage_put(
    context: CUcontext,
    key: *mut c_void,
    value: *mut c_void,
    destructor: Destructor,
) -> CUresult {
    slot("export table c693336e, slot 0: put", || {
        context_of(context)?
            .resources()?
            .storage
            .put(key, value, destructor);
        Ok(())
    })
}

unsafe extern "C" fn storage_delete(context: CUcontext, key: *mut c_void) -> CUresult {
    slot("export table c693336e, slot 1: delete", || {
        context_of(context)?.resources()?.storage.delete(key);
        Ok(())
    })
}

/// An absent key is `INVALID_HANDLE`: the runtime then makes its state for the
/// context.
unsafe extern "C" fn storage_get(
    value: *mut *mut c_void,
    context: CUcontext,
    key: *mut c_void,
) -> CUresult {
    slot("export table c693336e, slot 2: get", || {
        // SAFETY: the runtime hands a place for the value.
        let out = unsafe { Out::<*mut c_void>::from_abi(value) }?;
        let context = context_of(context)?;
        // A primary context that was never active holds nothing yet.
        let resources = context.resources().map_err(|_| CUerror::INVALID_HANDLE)?;
        out.write(resources.storage.get(key).ok_or(CUerror::INVALID_HANDLE)?);
        Ok(())
    })
}

unsafe extern "C" fn is_wrapped(_: CUcontext, flag: *mut u32, _: *mut *mut c_void) -> CUresult {
    slot(
        "export table 263e8860, slot 2: is the context wrapped",
        || {
            // SAFETY: the runtime hands a place for the flag.
            unsafe { Out::<u32>::from_abi(flag) }?.write(0);
            Ok(())
        },
    )
}

extern "C" fn is_checked() -> u32 {
    0
}

unsafe extern "C" fn integrity_answer(version: u32, seconds: u64, result: *mut u64) -> CUresult {
    slot("export table d4082055, slot 1: integrity", || {
        // SAFETY: the runtime hands a place for two words.
        let out = unsafe { Out::<[u64; 2]>::from_abi(result.cast()) }?;
        let devices = process::devices()?
            .iter()
            .map(|device| device.integrity_identity());
        out.write(integrity::answer(
            &question(version, seconds),
            &devices.collect::<Vec<_>>(),
        ));
        Ok(())
    })
}

fn question(version: u32, seconds: u64) -> Question {
    // SAFETY: pthread_self has no preconditions.
    let thread = unsafe { libc::pthread_self() };
    Question {
        driver_version: crate::api::version::driver_version().unsigned_abs(),
        version,
        process: std::process::id(),
        thread: thread as u32,
        runtime_table: address(&RUNTIME) as u64,
        integrity_table: address(&INTEGRITY) as u64,
        integrity_function: INTEGRITY.0[1] as u64,
        seconds,
    }
}

impl crate::core::device::Device {
    fn integrity_identity(&self) -> Identity {
        let identity = self.identity();
        let (domain, bus, device) = identity.pci.triple();
        Identity {
            uuid: identity.uuid,
            pci_domain: domain.cast_signed(),
            pci_bus: bus.into(),
            pci_device: device.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(text: &str) -> CUuuid {
        let digits = text.replace('-', "");
        let bytes =
            std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap());
        CUuuid { bytes }
    }

    #[test]
    fn the_tables_the_runtime_needs_are_there_and_its_shortcut_is_refused() {
        for (text, _) in TABLES {
            assert!(find(uuid(text)).is_some(), "{text}");
        }
        assert!(find(uuid("f8cff951-2146-8b4e-b9e2-fb469e7c0dd9")).is_none());
    }

    #[test]
    fn a_table_begins_with_its_size_in_bytes() {
        assert_eq!(RUNTIME.0[0] as usize, 13 * 8);
        assert_eq!(INTEGRITY.0[0] as usize, 3 * 8);
        assert_eq!(LIBRARY_INTERFACE.0[0] as usize, 52 * 8);
    }
}
