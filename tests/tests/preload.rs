//! The preload library: what it must not do to the processes that it enters, and
//! what those that call it are told.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_char};
use std::process::{Command, Output};

use libloading::Library;
use tests::elf::SharedLibrary;
use tests::preload::{NAMES, STUBS, built};
use tests::process::in_child;

fn names_of_a_real_library() -> BTreeSet<String> {
    include_str!("../symbols/libcublas-13.txt")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_exports_are_all_of_cublas_and_nothing_else() {
    let names = names_of_a_real_library();
    assert_eq!(NAMES.len(), names.len());
    assert_eq!(SharedLibrary::read(built()).exports, names);
}

#[test]
fn it_depends_on_any_c_library_and_on_nothing_else() {
    let library = SharedLibrary::read(built());
    assert_eq!(library.soname.as_deref(), Some("libpumice-preload.so"));
    assert_eq!(library.needed, ["libc.so.6"]);
    let oldest = if cfg!(target_arch = "x86_64") {
        "GLIBC_2.2.5"
    } else {
        "GLIBC_2.17"
    };
    assert_eq!(library.version_needs, BTreeSet::from([oldest.to_owned()]));
}

#[test]
fn nothing_runs_when_it_is_loaded() {
    let library = SharedLibrary::read(built());
    assert_eq!(library.constructors, 0);
    assert!(!library.thread_local);
}

#[test]
fn it_comes_before_a_library_whose_symbols_have_versions() {
    // The linker takes a definition without a version for any version.
    assert!(!SharedLibrary::read(built()).versioned);
}

fn preloaded(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .env("LD_PRELOAD", built())
        .output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

#[test]
fn a_process_that_does_not_call_it_does_not_notice() {
    let output = preloaded("/bin/sh", &["-c", "echo $((1 + 1)); cat /proc/self/maps"]);
    assert!(output.status.success());
    assert_eq!(output.stderr, b"");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("2\n"));
    assert!(text.contains("libpumice_preload"), "it was loaded");
    assert!(!text.contains("libcuda"), "and nothing with it");
}

fn library() -> Library {
    // SAFETY: the library runs nothing when it is loaded.
    unsafe { Library::new(built()) }.unwrap()
}

fn call(library: &Library, name: &str) -> u32 {
    // SAFETY: the stubs take no argument.
    let stub = unsafe { library.get::<extern "C" fn() -> u32>(name.as_bytes()) };
    stub.unwrap()()
}

/// `CUBLAS_STATUS_NOT_SUPPORTED`.
const NOT_SUPPORTED: u32 = 15;

#[test]
fn every_stub_with_a_status_says_that_it_is_not_supported() {
    let library = library();
    for name in STUBS {
        assert_eq!(call(&library, name), NOT_SUPPORTED, "{name}");
    }
}

#[test]
fn functions_without_a_status_return_zero() {
    let library = library();
    // SAFETY: the stubs take no argument.
    let dot = unsafe { library.get::<extern "C" fn() -> f32>(b"cublasSdot") }.unwrap();
    // SAFETY: as above.
    let norm = unsafe { library.get::<extern "C" fn() -> f64>(b"cublasDnrm2") }.unwrap();
    assert_eq!((dot().to_bits(), norm().to_bits()), (0, 0));
    assert_eq!(call(&library, "cublasIsamax"), 0);
}

#[test]
fn statuses_have_texts() {
    let library = library();
    let text = |name: &str, status| {
        // SAFETY: both functions take a status and return a string of the library's.
        let function =
            unsafe { library.get::<extern "C" fn(u32) -> *const c_char>(name.as_bytes()) };
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(function.unwrap()(status)) };
        text.to_str().unwrap().to_owned()
    };
    assert_eq!(
        text("cublasGetStatusName", NOT_SUPPORTED),
        "CUBLAS_STATUS_NOT_SUPPORTED"
    );
    assert_eq!(
        text("cublasGetStatusString", NOT_SUPPORTED),
        "not supported"
    );
    assert_eq!(text("cublasGetStatusName", 0), "CUBLAS_STATUS_SUCCESS");
}

#[test]
fn a_missing_function_is_reported_once_and_traced_always() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("trace");
    let answer = in_child(&[("PUMICE_TRACE", file.to_str().unwrap())], || {
        let library = library();
        for name in ["cublasDgemm_v2", "cublasDgemm_v2", "cublasHgemm"] {
            call(&library, name);
        }
        String::new()
    });
    let lines = |text: &str, part: &str| text.lines().filter(|line| line.contains(part)).count();
    let dgemm = "pumice: cublasDgemm_v2: not supported yet, returning CUBLAS_STATUS_NOT_SUPPORTED";
    assert_eq!(lines(&answer.stderr, dgemm), 1, "{}", answer.stderr);
    assert_eq!(
        lines(&answer.stderr, "pumice: cublasHgemm"),
        1,
        "{}",
        answer.stderr
    );
    let trace = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        lines(&trace, "] cublasDgemm_v2() = CUBLAS_STATUS_NOT_SUPPORTED"),
        2,
        "{trace}"
    );
}
