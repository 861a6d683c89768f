//! The private tables that NVIDIA's own runtime asks the driver for.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use abi::cuda::{CUcontext, CUuuid};
use abi::{CUerror, CUresult};
use tests::context::{Context, initialized};
use tests::driver::{Driver, driver, function_at, word_at};

const RUNTIME_INTERFACE: &str = "6bd5fb6c-5bf4-e74a-8987-d93912fd9df9";
const TOOLS_HOOKS: &str = "a094798c-2e74-2e74-93f2-0800200c0a66";
const TOOLS_STORAGE: &str = "42d85a81-23f6-cb47-8298-f6e78a3aecdc";
const LIBRARY_INTERFACE: &str = "21318c60-9714-3248-8ca6-41ff7324c8f2";
const CONTEXT_STORAGE: &str = "c693336e-1121-df11-a8c3-68f355d89593";
const CONTEXT_CHECKS: &str = "263e8860-7cd2-6143-92f6-bbd5006dfa7e";
const INTEGRITY: &str = "d4082055-bde6-704b-8d34-ba123c66e1f2";
const REFUSED: &str = "f8cff951-2146-8b4e-b9e2-fb469e7c0dd9";

/// The sixteen bytes in printed order.
fn uuid(text: &str) -> CUuuid {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |index: usize| {
        let pair = std::str::from_utf8(&digits[2 * index..2 * index + 2]).unwrap();
        u8::from_str_radix(pair, 16).unwrap()
    };
    CUuuid {
        bytes: std::array::from_fn(byte),
    }
}

fn table(driver: &Driver, id: &str) -> Result<*const c_void, CUerror> {
    let (id, mut table) = (uuid(id), null());
    driver
        .cuGetExportTable(&raw mut table, &raw const id)
        .map(|()| table)
}

fn slot<F: Copy>(driver: &Driver, id: &str, index: usize) -> F {
    let address = word_at(table(driver, id).unwrap(), index);
    function_at(std::ptr::with_exposed_provenance(address))
}

#[test]
fn the_tables_are_there_before_init_and_state_their_size() {
    let driver = driver();
    for (id, words) in [
        (RUNTIME_INTERFACE, 13),
        (TOOLS_HOOKS, 7),
        (TOOLS_STORAGE, 3),
    ] {
        assert_holds(driver, id, words);
    }
}

/// A table begins with its size in bytes.
fn assert_holds(driver: &Driver, id: &str, words: usize) {
    let table = table(driver, id).unwrap();
    let size = word_at(table, 0);
    assert!(size >= words * size_of::<usize>(), "{id}: {size} bytes");
}

#[test]
fn a_table_has_one_address() {
    let driver = driver();
    for id in [
        RUNTIME_INTERFACE,
        TOOLS_HOOKS,
        CONTEXT_STORAGE,
        CONTEXT_CHECKS,
        INTEGRITY,
    ] {
        assert_eq!(table(driver, id), table(driver, id), "{id}");
    }
}

#[test]
fn a_table_that_does_not_exist_is_refused() {
    let driver = driver();
    let id = "00000000-0000-0000-0000-000000000000";
    assert!(table(driver, id).is_err(), "{id}");
}

#[test]
fn the_primary_context_is_known_before_it_is_retained() {
    let driver = initialized();
    let get: extern "C" fn(*mut CUcontext, i32) -> CUresult = slot(driver, RUNTIME_INTERFACE, 2);
    let (mut context, mut flags, mut active) = (CUcontext::NULL, 9, 9);
    assert_eq!(get(&raw mut context, 0), Ok(()));
    driver
        .cuDevicePrimaryCtxGetState(0, &raw mut flags, &raw mut active)
        .unwrap();
    assert_eq!((flags, active), (0, 0), "asking does not activate it");
    let primary = Context::primary();
    assert_eq!(context, primary.handle);
}

#[test]
fn the_tools_hooks_are_arrays_of_zeros() {
    let driver = initialized();
    for (index, words) in [(2, 1024), (6, 14)] {
        let get: extern "C" fn(*mut *const c_void, *mut usize) -> CUresult =
            slot(driver, TOOLS_HOOKS, index);
        let (mut array, mut count) = (null(), 0);
        let _ = get(&raw mut array, &raw mut count);
        assert!(count >= words, "slot {index}: {count}");
        assert!(
            (0..words / 2).all(|word| word_at(array, word) == 0),
            "slot {index}"
        );
    }
}

type Destructor = extern "C" fn(CUcontext, *mut c_void, *mut c_void);
type Put = extern "C" fn(CUcontext, *mut c_void, *mut c_void, Option<Destructor>) -> CUresult;
type Delete = extern "C" fn(CUcontext, *mut c_void) -> CUresult;
type Get = extern "C" fn(*mut *mut c_void, CUcontext, *mut c_void) -> CUresult;

/// Context-local storage by its three functions.
struct Storage {
    put: Put,
    delete: Delete,
    get: Get,
}

impl Storage {
    fn new(driver: &Driver) -> Self {
        Self {
            put: slot(driver, CONTEXT_STORAGE, 0),
            delete: slot(driver, CONTEXT_STORAGE, 1),
            get: slot(driver, CONTEXT_STORAGE, 2),
        }
    }

    fn put(
        &self,
        context: CUcontext,
        key: usize,
        value: usize,
        destructor: Option<Destructor>,
    ) -> CUresult {
        (self.put)(context, pointer(key), pointer(value), destructor)
    }

    fn delete(&self, context: CUcontext, key: usize) -> CUresult {
        (self.delete)(context, pointer(key))
    }

    fn get(&self, context: CUcontext, key: usize) -> Result<usize, CUerror> {
        let mut value = null_mut();
        (self.get)(&raw mut value, context, pointer(key)).map(|()| value.addr())
    }
}

fn pointer(number: usize) -> *mut c_void {
    std::ptr::without_provenance_mut(number)
}

#[test]
fn storage_keeps_a_value_for_a_context_and_a_key() {
    let context = Context::create(0);
    let storage = Storage::new(&context);
    assert_eq!(
        storage.get(context.handle, 0x1000),
        Err(CUerror::INVALID_HANDLE)
    );
    assert_eq!(storage.put(context.handle, 0x1000, 7, None), Ok(()));
    assert_eq!(storage.get(context.handle, 0x1000), Ok(7));
    assert_eq!(
        storage.get(CUcontext::NULL, 0x1000),
        Ok(7),
        "none means the current one"
    );
    assert_eq!(
        storage.get(context.handle, 0x2000),
        Err(CUerror::INVALID_HANDLE)
    );
    assert_eq!(storage.delete(context.handle, 0x1000), Ok(()));
    assert_eq!(
        storage.get(context.handle, 0x1000),
        Err(CUerror::INVALID_HANDLE)
    );
}

#[test]
fn contexts_do_not_share_their_storage() {
    let first = Context::create(0);
    let storage = Storage::new(&first);
    storage.put(first.handle, 0x1000, 1, None).unwrap();
    let second = Context::create(0);
    assert_eq!(
        storage.get(second.handle, 0x1000),
        Err(CUerror::INVALID_HANDLE)
    );
    storage.put(second.handle, 0x1000, 2, None).unwrap();
    assert_eq!(
        (
            storage.get(first.handle, 0x1000),
            storage.get(second.handle, 0x1000)
        ),
        (Ok(1), Ok(2))
    );
}

#[test]
fn without_a_context_there_is_no_storage() {
    let driver = initialized();
    let storage = Storage::new(driver);
    assert_eq!(
        storage.get(CUcontext::NULL, 0x1000),
        Err(CUerror::INVALID_CONTEXT)
    );
}

static DESTROYED_KEY: AtomicUsize = AtomicUsize::new(0);
static DESTROYED_VALUE: AtomicUsize = AtomicUsize::new(0);

extern "C" fn note_destruction(_: CUcontext, key: *mut c_void, value: *mut c_void) {
    DESTROYED_KEY.store(key.addr(), Ordering::SeqCst);
    DESTROYED_VALUE.store(value.addr(), Ordering::SeqCst);
    // The driver holds no lock of its own while it calls: so this returns.
    let mut version = 0;
    let _ = driver().cuDriverGetVersion(&raw mut version);
    let mut context = CUcontext::NULL;
    let _ = driver().cuCtxGetCurrent(&raw mut context);
}

#[test]
fn destroying_a_context_runs_the_destructors_of_its_storage() {
    let context = Context::create(0);
    let storage = Storage::new(&context);
    storage
        .put(context.handle, 0x3000, 42, Some(note_destruction))
        .unwrap();
    assert_eq!(DESTROYED_KEY.load(Ordering::SeqCst), 0);
    drop(context);
    assert_eq!(DESTROYED_KEY.load(Ordering::SeqCst), 0x3000);
    assert_eq!(DESTROYED_VALUE.load(Ordering::SeqCst), 42);
}

#[test]
fn resetting_the_primary_context_runs_them_too() {
    let context = Context::primary();
    let storage = Storage::new(&context);
    storage
        .put(context.handle, 0x4000, 43, Some(note_destruction))
        .unwrap();
    context.cuDevicePrimaryCtxReset_v2(0).unwrap();
    assert_eq!(DESTROYED_KEY.load(Ordering::SeqCst), 0x4000);
    assert_eq!(DESTROYED_VALUE.load(Ordering::SeqCst), 43);
}

#[test]
fn no_context_is_under_a_tool_s_control() {
    let context = Context::primary();
    let check: extern "C" fn(CUcontext, *mut u32, *mut *const c_void) -> CUresult =
        slot(&context, CONTEXT_CHECKS, 2);
    let (mut flag, mut out) = (9, null());
    assert_eq!(check(context.handle, &raw mut flag, &raw mut out), Ok(()));
    assert_eq!(flag, 0);
}

#[test]
fn the_integrity_answer_of_round_versions_is_a_constant() {
    let driver = initialized();
    let answer: extern "C" fn(u32, u64, *mut u64) -> CUresult = slot(driver, INTEGRITY, 1);
    for (version, expected) in [
        (12090, [0x3341_181C_03CB_675C, 0x8ED3_83AA_1F4C_D1E8]),
        (12091, [0x1841_181C_03CB_675C, 0x8ED3_83AA_1F4C_D1E8]),
    ] {
        let mut out = [0_u64; 2];
        assert_eq!(answer(version, 0x682b_9cee, out.as_mut_ptr()), Ok(()));
        assert_eq!(out, expected, "{version}");
    }
}

#[test]
fn the_integrity_answer_depends_on_the_time_it_is_asked_for() {
    let driver = initialized();
    let answer: extern "C" fn(u32, u64, *mut u64) -> CUresult = slot(driver, INTEGRITY, 1);
    let ask = |seconds| {
        let mut out = [0_u64; 2];
        answer(12092, seconds, out.as_mut_ptr()).unwrap();
        out
    };
    assert_eq!(ask(1000), ask(1000));
    assert_ne!(ask(1000), ask(1001));
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// What NVIDIA's driver does without a place has not been seen.
    #[test]
    fn asking_for_a_table_checks_its_arguments() {
        require_pumice();
        let driver = driver();
        let (id, mut place) = (uuid(INTEGRITY), null());
        assert_eq!(
            driver.cuGetExportTable(null_mut(), &raw const id),
            Err(CUerror::INVALID_VALUE)
        );
        assert_eq!(
            driver.cuGetExportTable(&raw mut place, null()),
            Err(CUerror::INVALID_VALUE)
        );
    }

    /// Which other tables there are, and how long, is the driver's own affair.
    #[test]
    fn the_tables_are_those_that_a_runtime_needs() {
        require_pumice();
        let driver = driver();
        for (id, words) in [
            (TOOLS_STORAGE, 4),
            (LIBRARY_INTERFACE, 52),
            (CONTEXT_CHECKS, 4),
            (INTEGRITY, 3),
        ] {
            assert_holds(driver, id, words);
        }
        assert!(table(driver, CONTEXT_STORAGE).is_ok());
        assert!(table(driver, REFUSED).is_err(), "a runtime does without");
    }
}
