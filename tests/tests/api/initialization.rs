//! Initialization and version management, from the first call to after the last.

use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicUsize, Ordering};

use abi::CUerror;
use abi::cuda::{CUcontext, CUdeviceptr, CUmodule, CUstream};
use tests::context::{Context, initialized};
use tests::driver::{Driver, driver};
use tests::memory::{Allocation, assert_bytes};
use tests::process::{at_exit, in_child, in_fork, write_line};

#[test]
fn every_flag_of_init_is_reserved() {
    let driver = driver();
    for flags in [1, 2, u32::MAX] {
        assert_eq!(driver.cuInit(flags), Err(CUerror::INVALID_VALUE));
    }
    assert_eq!(
        driver.cuInit(0),
        Ok(()),
        "a refused call does not spoil the next"
    );
}

#[test]
fn init_may_be_repeated() {
    let driver = driver();
    for _ in 0..3 {
        assert_eq!(driver.cuInit(0), Ok(()));
    }
    let mut count = 0;
    driver.cuDeviceGetCount(&raw mut count).unwrap();
    assert!(count >= 1);
}

#[test]
fn threads_may_initialize_at_the_same_time() {
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| driver().cuInit(0))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

/// Each entry point that needs the driver, called with arguments that would
/// otherwise do.
fn calls_before_init(driver: &Driver) -> Vec<(&'static str, abi::CUresult)> {
    let (mut int, mut size, mut address) = (0, 0, CUdeviceptr::NULL);
    let (mut context, mut module, mut stream) = (CUcontext::NULL, CUmodule::NULL, CUstream::NULL);
    vec![
        ("cuDeviceGet", driver.cuDeviceGet(&raw mut int, 0)),
        ("cuDeviceGetCount", driver.cuDeviceGetCount(&raw mut int)),
        (
            "cuDeviceTotalMem_v2",
            driver.cuDeviceTotalMem_v2(&raw mut size, 0),
        ),
        (
            "cuDevicePrimaryCtxRetain",
            driver.cuDevicePrimaryCtxRetain(&raw mut context, 0),
        ),
        (
            "cuCtxCreate_v2",
            driver.cuCtxCreate_v2(&raw mut context, 0, 0),
        ),
        ("cuCtxGetCurrent", driver.cuCtxGetCurrent(&raw mut context)),
        ("cuCtxSetCurrent", driver.cuCtxSetCurrent(CUcontext::NULL)),
        ("cuCtxSynchronize", driver.cuCtxSynchronize()),
        ("cuMemAlloc_v2", driver.cuMemAlloc_v2(&raw mut address, 16)),
        (
            "cuMemGetInfo_v2",
            driver.cuMemGetInfo_v2(&raw mut size, &raw mut size),
        ),
        ("cuStreamCreate", driver.cuStreamCreate(&raw mut stream, 0)),
        (
            "cuModuleLoadData",
            driver.cuModuleLoadData(&raw mut module, c"".as_ptr().cast()),
        ),
    ]
}

#[test]
fn before_init_every_call_but_a_few_is_refused() {
    for (name, result) in calls_before_init(driver()) {
        assert_eq!(result, Err(CUerror::NOT_INITIALIZED), "{name}");
    }
    assert_eq!(driver().cuInit(0), Ok(()));
}

#[test]
fn before_init_versions_errors_and_entry_points_can_be_asked_for() {
    let driver = driver();
    let mut version = 0;
    assert_eq!(driver.cuDriverGetVersion(&raw mut version), Ok(()));
    assert!(version >= 12000, "{version}");
    let mut name = null();
    assert_eq!(
        driver.cuGetErrorName(CUerror::NO_DEVICE.code(), &raw mut name),
        Ok(())
    );
    let mut function = null_mut();
    let found = driver.cuGetProcAddress_v2(
        c"cuInit".as_ptr(),
        &raw mut function,
        version,
        0,
        null_mut(),
    );
    assert_eq!(found, Ok(()));
    assert!(!function.is_null());
}

#[test]
fn the_version_needs_a_place_to_be_written() {
    assert_eq!(
        driver().cuDriverGetVersion(null_mut()),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn a_fork_before_init_leaves_both_processes_a_working_driver() {
    let driver = driver();
    let mut version = 0;
    driver.cuDriverGetVersion(&raw mut version).unwrap();
    let child = in_fork(|| {
        Context::primary().assert_works();
        7
    });
    assert_eq!(child, 7);
    Context::primary().assert_works();
}

#[test]
fn a_fork_after_init_leaves_the_child_without_the_driver() {
    let context = Context::primary();
    let allocation = context.upload(&[7; 4096]);
    let refused = in_fork(|| {
        let (driver, mut count, mut address) = (driver(), 0, CUdeviceptr::NULL);
        let mut current = CUcontext::NULL;
        let results = [
            driver.cuDeviceGetCount(&raw mut count),
            driver.cuMemAlloc_v2(&raw mut address, 16),
            driver.cuCtxGetCurrent(&raw mut current),
            driver.cuMemFree_v2(allocation.base),
            driver.cuInit(0),
        ];
        results
            .iter()
            .filter(|&&result| result == Err(CUerror::NOT_INITIALIZED))
            .count() as i32
    });
    assert_eq!(
        refused, 5,
        "each call of the child says that the driver is not initialized"
    );
    assert_bytes(
        &allocation.read(),
        &[7; 4096],
        format_args!("the parent's memory"),
    );
    context.assert_works();
}

/// The allocation that [`after_exit`] tries to free.
static LEFT_OVER: AtomicUsize = AtomicUsize::new(0);

extern "C" fn after_exit() {
    let (driver, mut count, mut context) = (driver(), 0, CUcontext::NULL);
    let left_over = CUdeviceptr(LEFT_OVER.load(Ordering::Relaxed));
    for (name, result) in [
        ("cuMemFree", driver.cuMemFree_v2(left_over)),
        ("cuDeviceGetCount", driver.cuDeviceGetCount(&raw mut count)),
        ("cuCtxGetCurrent", driver.cuCtxGetCurrent(&raw mut context)),
        ("cuCtxSynchronize", driver.cuCtxSynchronize()),
        ("cuInit", driver.cuInit(0)),
    ] {
        write_line(&format!("after-exit {name} {result:?}"));
    }
}

#[test]
fn after_the_exit_handlers_every_call_says_deinitialized() {
    let answer = in_child(&[], || {
        // Registered before the driver registers its own: so it runs after that.
        at_exit(after_exit);
        let context = Context::primary();
        let allocation = context.allocate(4096);
        LEFT_OVER.store(allocation.base.0, Ordering::Relaxed);
        std::mem::forget((context, allocation));
        String::new()
    });
    let lines: Vec<&str> = answer
        .stdout
        .lines()
        .filter(|line| line.contains("after-exit "))
        .collect();
    assert_eq!(lines.len(), 5, "{}", answer.stdout);
    for line in lines {
        assert!(line.ends_with("Err(CUDA_ERROR_DEINITIALIZED)"), "{line}");
    }
}

#[test]
fn a_process_may_exit_with_everything_still_allocated() {
    in_child(&[], || {
        let context = Context::create(0);
        let stream = context.stream(1);
        let allocation = Allocation::new(context.driver(), 1 << 20);
        context
            .cuMemsetD8Async(allocation.base, 1, 1 << 20, stream)
            .unwrap();
        std::mem::forget((context, allocation));
        String::new()
    });
}

#[test]
fn a_thread_may_end_with_its_context_current() {
    let context = Context::primary();
    let handle = context.handle;
    std::thread::spawn(move || driver().cuCtxPushCurrent_v2(handle).unwrap())
        .join()
        .unwrap();
    context.assert_works();
}

mod on_pumice {
    use super::*;
    use std::fs;
    use tests::target::require_pumice;

    fn tasks() -> usize {
        fs::read_dir("/proc/self/task").unwrap().count()
    }

    #[test]
    fn loading_the_library_starts_nothing() {
        require_pumice();
        let before = tasks();
        let _ = driver();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        assert!(
            !maps.contains("libvulkan"),
            "a Vulkan driver was opened by a constructor"
        );
        assert_eq!(tasks(), before, "a constructor started a thread");
    }

    #[test]
    fn the_version_is_that_of_the_persona() {
        require_pumice();
        for (capability, expected) in [("", 12090), ("6.1", 12090), ("7.5", 13000)] {
            let answer = in_child(&[("PUMICE_COMPUTE_CAPABILITY", capability)], || {
                let mut version = 0;
                initialized().cuDriverGetVersion(&raw mut version).unwrap();
                version.to_string()
            });
            assert_eq!(answer.value, expected.to_string(), "persona {capability:?}");
        }
    }

    #[test]
    fn a_version_asked_before_init_is_the_version_after_it() {
        require_pumice();
        for capability in ["", "7.5"] {
            let answer = in_child(&[("PUMICE_COMPUTE_CAPABILITY", capability)], || {
                let (mut before, mut after) = (0, 0);
                driver().cuDriverGetVersion(&raw mut before).unwrap();
                initialized().cuDriverGetVersion(&raw mut after).unwrap();
                format!("{}", after - before)
            });
            assert_eq!(answer.value, "0");
        }
    }
}
