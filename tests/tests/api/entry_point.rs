//! Driver entry point access: which function answers to a name and a version.

use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};

use abi::CUerror;
use abi::cuda::CUdriverProcAddressQueryResult as Query;
use tests::driver::{Driver, IMPLEMENTED, UNSUPPORTED, driver};
use tests::target::{Target, target};

const DEFAULT: u64 = 0;
const LEGACY_STREAM: u64 = 1;
const PER_THREAD_STREAM: u64 = 2;

/// What [`find`] presets the status to.
const UNTOUCHED: Query = Query(9);

/// Names, and a version before each.
const BEFORE: [(&str, i32); 3] = [
    ("cuGetErrorName", 5000),
    ("cuGetProcAddress", 11000),
    ("cuLibraryLoadData", 11080),
];

/// A function's address and the query's status.
fn find(
    driver: &Driver,
    name: &str,
    version: i32,
    flags: u64,
) -> (abi::CUresult, *mut c_void, Query) {
    let (mut address, mut status) = (std::ptr::dangling_mut(), UNTOUCHED);
    let symbol = CString::new(name).unwrap();
    let result = driver.cuGetProcAddress_v2(
        symbol.as_ptr(),
        &raw mut address,
        version,
        flags,
        &raw mut status,
    );
    (result, address, status)
}

fn assert_is(name: &str, version: i32, flags: u64, export: &str) {
    let driver = driver();
    let (result, address, status) = find(driver, name, version, flags);
    assert_eq!(
        (result, status),
        (Ok(()), Query::SUCCESS),
        "{name} {version} {flags}"
    );
    assert_eq!(
        Some(address),
        driver.address(export),
        "{name} {version} {flags} is not {export}"
    );
}

/// The name that is asked for: without the version and the variant of a symbol.
fn base(symbol: &str) -> &str {
    let symbol = symbol.trim_end_matches("_ptsz").trim_end_matches("_ptds");
    match symbol.rsplit_once("_v") {
        Some((base, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => symbol,
    }
}

#[test]
fn the_library_is_the_one_that_target_names() {
    let path = driver().loaded_from();
    let bytes = std::fs::read(&path).unwrap();
    let ours = bytes.windows(12).any(|window| window == b"PUMICE_TRACE");
    assert_eq!(ours, target() == Target::Pumice, "{}", path.display());
}

#[test]
fn every_entry_point_of_the_table_is_exported() {
    let driver = driver();
    let all = IMPLEMENTED.iter().chain(UNSUPPORTED);
    let missing: Vec<_> = all
        .map(|&(name, _)| name)
        .filter(|name| driver.address(name).is_none())
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn a_symbol_answers_to_its_base_name_at_the_version_that_introduced_it() {
    for (name, version, export) in [
        ("cuInit", 2000, "cuInit"),
        ("cuDeviceGetCount", 12000, "cuDeviceGetCount"),
        ("cuMemAlloc", 3020, "cuMemAlloc_v2"),
        ("cuMemAlloc", 12000, "cuMemAlloc_v2"),
        ("cuMemAlloc", 2000, "cuMemAlloc"),
        ("cuMemcpyHtoD", 3020, "cuMemcpyHtoD_v2"),
        (
            "cuDevicePrimaryCtxRelease",
            7000,
            "cuDevicePrimaryCtxRelease",
        ),
        (
            "cuDevicePrimaryCtxRelease",
            11000,
            "cuDevicePrimaryCtxRelease_v2",
        ),
        ("cuDeviceGetUuid", 9020, "cuDeviceGetUuid"),
        ("cuDeviceGetUuid", 11040, "cuDeviceGetUuid_v2"),
        ("cuCtxCreate", 3020, "cuCtxCreate_v2"),
        ("cuCtxCreate", 11040, "cuCtxCreate_v3"),
        ("cuGetProcAddress", 11030, "cuGetProcAddress"),
        ("cuGetProcAddress", 12000, "cuGetProcAddress_v2"),
        ("cuEventDestroy", 4000, "cuEventDestroy_v2"),
        ("cuMemGetInfo", 12000, "cuMemGetInfo_v2"),
        ("cuStreamGetCaptureInfo", 11030, "cuStreamGetCaptureInfo_v2"),
        ("cuStreamGetCaptureInfo", 12030, "cuStreamGetCaptureInfo_v3"),
    ] {
        assert_is(name, version, DEFAULT, export);
        assert_is(name, version, LEGACY_STREAM, export);
    }
}

#[test]
fn the_per_thread_variant_is_chosen_by_a_flag() {
    for (name, version, export) in [
        ("cuMemcpy", 7000, "cuMemcpy_ptds"),
        ("cuMemcpyHtoD", 12000, "cuMemcpyHtoD_v2_ptds"),
        ("cuMemcpyAsync", 12000, "cuMemcpyAsync_ptsz"),
        ("cuMemcpyHtoDAsync", 12000, "cuMemcpyHtoDAsync_v2_ptsz"),
        ("cuStreamSynchronize", 7000, "cuStreamSynchronize_ptsz"),
        ("cuLaunchKernel", 12000, "cuLaunchKernel_ptsz"),
        ("cuEventRecord", 12000, "cuEventRecord_ptsz"),
        ("cuMemsetD2D32", 12000, "cuMemsetD2D32_v2_ptds"),
        // Without such a variant, the only one.
        ("cuInit", 12000, "cuInit"),
        ("cuMemAlloc", 12000, "cuMemAlloc_v2"),
        ("cuStreamCreate", 12000, "cuStreamCreate"),
    ] {
        assert_is(name, version, PER_THREAD_STREAM, export);
    }
}

#[test]
fn a_version_newer_than_the_driver_is_refused() {
    let driver = driver();
    for name in ["cuMemAlloc", "cuInit"] {
        for version in [13_990, 99_000, i32::MAX] {
            let (result, _, status) = find(driver, name, version, DEFAULT);
            assert_eq!(result, Err(CUerror::INVALID_VALUE), "{name} {version}");
            assert_eq!(status, UNTOUCHED, "{name} {version}");
        }
    }
}

#[test]
fn an_unknown_name_is_not_found() {
    for name in [
        "cuDoesNotExist",
        "",
        "cuinit",
        "cuInit ",
        "malloc",
        "cuMemAlloc_v9",
    ] {
        let (result, address, status) = find(driver(), name, 12000, DEFAULT);
        // The manual has CUDA_ERROR_NOT_FOUND; NVIDIA's driver leaves it to the status.
        assert_eq!(result, Ok(()), "{name:?}");
        assert_eq!(status, Query::SYMBOL_NOT_FOUND, "{name:?}");
        assert!(address.is_null(), "{name:?}");
    }
}

#[test]
fn a_symbol_is_not_found_by_versions_before_it() {
    for (name, version) in BEFORE {
        let (result, address, status) = find(driver(), name, version, DEFAULT);
        assert_eq!(result, Ok(()), "{name} {version}");
        assert_eq!(status, Query::VERSION_NOT_SUFFICIENT, "{name} {version}");
        assert!(address.is_null(), "{name} {version}");
    }
}

#[test]
fn the_status_is_optional() {
    let (driver, mut address) = (driver(), null_mut());
    let found =
        driver.cuGetProcAddress_v2(c"cuInit".as_ptr(), &raw mut address, 12000, 0, null_mut());
    assert_eq!((found, Some(address)), (Ok(()), driver.address("cuInit")));
}

#[test]
fn the_older_call_finds_the_same() {
    let (driver, mut address) = (driver(), null_mut());
    let found = driver.cuGetProcAddress(c"cuMemAlloc".as_ptr(), &raw mut address, 12000, 0);
    assert_eq!(
        (found, Some(address)),
        (Ok(()), driver.address("cuMemAlloc_v2"))
    );
}

/// The symbols that a program can ask the driver for: it takes no version above its own.
fn askable<'a>(
    symbols: &'a [(&'static str, i32)],
) -> impl Iterator<Item = (&'static str, i32)> + use<'a> {
    let mut version = 0;
    driver().cuDriverGetVersion(&raw mut version).unwrap();
    let askable = symbols.iter().filter(move |(_, since)| *since <= version);
    askable.copied()
}

fn assert_callable(symbols: &[(&'static str, i32)]) {
    let mut version = 0;
    driver().cuDriverGetVersion(&raw mut version).unwrap();
    for (symbol, _) in askable(symbols) {
        for flags in [DEFAULT, LEGACY_STREAM, PER_THREAD_STREAM] {
            let (result, address, status) = find(driver(), base(symbol), version, flags);
            assert_eq!(
                (result, status),
                (Ok(()), Query::SUCCESS),
                "{symbol} as {} {version}",
                base(symbol)
            );
            assert!(!address.is_null(), "{symbol}");
        }
    }
}

#[test]
fn every_implemented_name_has_a_callable_answer() {
    assert_callable(IMPLEMENTED);
}

#[test]
fn each_symbol_is_found_at_exactly_its_own_version() {
    let driver = driver();
    for (symbol, since) in askable(IMPLEMENTED) {
        if symbol.ends_with("_ptsz") || symbol.ends_with("_ptds") {
            continue;
        }
        let (_, address, _) = find(driver, base(symbol), since, DEFAULT);
        assert_eq!(Some(address), driver.address(symbol), "{symbol} at {since}");
    }
}

mod on_pumice {
    use super::*;
    use tests::process::in_child;
    use tests::target::require_pumice;

    /// NVIDIA's driver does not find all that it exports, such as `cuEGLApiInit`.
    #[test]
    fn every_stub_has_a_callable_answer() {
        require_pumice();
        assert_callable(UNSUPPORTED);
    }

    /// NVIDIA's driver crashes on one of these.
    #[test]
    fn arguments_are_checked() {
        require_pumice();
        let (driver, mut address) = (driver(), null_mut());
        let name = c"cuInit".as_ptr();
        let invalid = Err(CUerror::INVALID_VALUE);
        assert_eq!(
            driver.cuGetProcAddress_v2(null(), &raw mut address, 12000, 0, null_mut()),
            invalid
        );
        assert_eq!(
            driver.cuGetProcAddress_v2(name, null_mut(), 12000, 0, null_mut()),
            invalid
        );
        for flags in [3, 4, 0x100, u64::MAX] {
            let result =
                driver.cuGetProcAddress_v2(name, &raw mut address, 12000, flags, null_mut());
            assert_eq!(result, invalid, "{flags:#x}");
        }
    }

    /// The manual's status; what NVIDIA's driver returns has not been seen.
    #[test]
    fn without_a_status_what_is_not_found_is_an_error() {
        require_pumice();
        let driver = driver();
        for (name, version) in BEFORE.into_iter().chain([("cuDoesNotExist", 12000)]) {
            let (symbol, mut address) = (CString::new(name).unwrap(), std::ptr::dangling_mut());
            let symbol = symbol.as_ptr();
            let place = &raw mut address;
            let found = driver.cuGetProcAddress_v2(symbol, place, version, 0, null_mut());
            assert_eq!(found, Err(CUerror::NOT_FOUND), "{name}");
            assert!(address.is_null(), "{name}");
            let found = driver.cuGetProcAddress(symbol, &raw mut address, version, 0);
            assert_eq!(found, Err(CUerror::NOT_FOUND), "{name}");
        }
    }

    #[test]
    fn what_has_no_meaning_yet_says_so_and_logs_its_name() {
        require_pumice();
        let answer = in_child(&[], || {
            let driver = tests::context::initialized();
            let results = [
                "cuGraphCreate",
                "cuMemCreate",
                "cuTexObjectCreate",
                "cuLinkCreate_v2",
            ]
            .map(|name| driver.call_without_arguments(name));
            assert_eq!(results, [Err(CUerror::NOT_SUPPORTED); 4]);
            String::new()
        });
        for name in [
            "cuGraphCreate",
            "cuMemCreate",
            "cuTexObjectCreate",
            "cuLinkCreate_v2",
        ] {
            assert!(answer.stderr.contains(name), "{name} in {}", answer.stderr);
        }
    }

    #[test]
    fn every_stub_is_not_supported() {
        require_pumice();
        let driver = tests::context::initialized();
        for &(name, _) in UNSUPPORTED {
            assert_eq!(
                driver.call_without_arguments(name),
                Err(CUerror::NOT_SUPPORTED),
                "{name}"
            );
        }
        tests::context::Context::primary().assert_works();
    }
}
