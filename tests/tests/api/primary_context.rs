//! Primary context management.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUcontext, CUdeviceptr, CUstream};
use tests::context::{Context, initialized};
use tests::driver::Driver;
use tests::memory::Allocation;

/// `CU_CTX_SCHED_SPIN`, `_YIELD`, `_BLOCKING_SYNC`, and the bits they lie in.
const SPIN: u32 = 1;
const YIELD: u32 = 2;
const BLOCKING_SYNC: u32 = 4;
const SCHEDULE_MASK: u32 = 7;

/// Flags and whether the primary context of device 0 is active.
fn state(driver: &Driver) -> (u32, bool) {
    let (mut flags, mut active) = (u32::MAX, -1);
    driver
        .cuDevicePrimaryCtxGetState(0, &raw mut flags, &raw mut active)
        .unwrap();
    assert!(active == 0 || active == 1, "{active}");
    (flags, active == 1)
}

fn retain(driver: &Driver) -> CUcontext {
    let mut context = CUcontext::NULL;
    driver
        .cuDevicePrimaryCtxRetain(&raw mut context, 0)
        .unwrap();
    context
}

fn current(driver: &Driver) -> CUcontext {
    let mut context = CUcontext(usize::MAX);
    driver.cuCtxGetCurrent(&raw mut context).unwrap();
    context
}

#[test]
fn it_is_inactive_with_no_flags_at_first() {
    assert_eq!(state(initialized()), (0, false));
}

#[test]
fn it_is_active_from_the_first_retain_to_the_last_release() {
    let driver = initialized();
    let first = retain(driver);
    assert!(!first.is_null());
    assert!(state(driver).1);
    assert_eq!(retain(driver), first, "a device has one primary context");
    assert_eq!(driver.cuDevicePrimaryCtxRelease_v2(0), Ok(()));
    assert!(state(driver).1, "one of two references is left");
    assert_eq!(driver.cuDevicePrimaryCtxRelease_v2(0), Ok(()));
    assert!(!state(driver).1);
}

#[test]
fn releasing_more_often_than_retaining_is_refused() {
    let driver = initialized();
    assert_eq!(
        driver.cuDevicePrimaryCtxRelease_v2(0),
        Err(CUerror::INVALID_CONTEXT)
    );
    retain(driver);
    assert_eq!(
        driver.cuDevicePrimaryCtxRelease(0),
        Ok(()),
        "the older symbol is the same function"
    );
    assert_eq!(
        driver.cuDevicePrimaryCtxRelease_v2(0),
        Err(CUerror::INVALID_CONTEXT)
    );
    Context::primary().assert_works();
}

#[test]
fn retaining_makes_nothing_current() {
    let driver = initialized();
    retain(driver);
    assert_eq!(current(driver), CUcontext::NULL);
    let mut address = CUdeviceptr::NULL;
    assert_eq!(
        driver.cuMemAlloc_v2(&raw mut address, 16),
        Err(CUerror::INVALID_CONTEXT)
    );
    driver.cuDevicePrimaryCtxRelease_v2(0).unwrap();
}

#[test]
fn it_works_again_after_the_last_release() {
    for _ in 0..3 {
        let context = Context::primary();
        context.assert_works();
    }
}

#[test]
fn each_thread_may_make_it_current() {
    let context = Context::primary();
    let (driver, handle) = (context.driver(), context.handle);
    let allocation = context.upload(&[1, 2, 3, 4]);
    let address = allocation.base;
    let seen = std::thread::spawn(move || {
        assert_eq!(
            current(driver),
            CUcontext::NULL,
            "a context is current to a thread"
        );
        driver.cuCtxSetCurrent(handle).unwrap();
        tests::memory::read(driver, address, 4)
    });
    assert_eq!(seen.join().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn scheduling_flags_are_kept_and_reported() {
    let driver = initialized();
    for flags in [SPIN, YIELD, BLOCKING_SYNC, 0] {
        assert_eq!(
            driver.cuDevicePrimaryCtxSetFlags_v2(0, flags),
            Ok(()),
            "{flags}"
        );
        assert_eq!(state(driver).0 & SCHEDULE_MASK, flags);
    }
}

#[test]
fn flags_set_before_activation_are_the_context_s() {
    let driver = initialized();
    driver
        .cuDevicePrimaryCtxSetFlags_v2(0, BLOCKING_SYNC)
        .unwrap();
    let context = Context::primary();
    let mut flags = u32::MAX;
    context.cuCtxGetFlags(&raw mut flags).unwrap();
    assert_eq!(flags & SCHEDULE_MASK, BLOCKING_SYNC);
}

#[test]
fn flags_may_change_while_it_is_active() {
    let context = Context::primary();
    assert_eq!(context.cuDevicePrimaryCtxSetFlags_v2(0, YIELD), Ok(()));
    assert_eq!(state(&context).0 & SCHEDULE_MASK, YIELD);
    assert_eq!(
        context.cuDevicePrimaryCtxSetFlags(0, 0),
        Err(CUerror::PRIMARY_CONTEXT_ACTIVE),
        "the first version of the call knew inactive contexts only"
    );
}

#[test]
fn flags_that_do_not_exist_are_refused() {
    let driver = initialized();
    for flags in [SPIN | YIELD, 7, 0x1_0000, u32::MAX] {
        let result = driver.cuDevicePrimaryCtxSetFlags_v2(0, flags);
        assert_eq!(result, Err(CUerror::INVALID_VALUE), "{flags:#x}");
    }
    assert_eq!(state(driver), (0, false));
}

#[test]
fn a_reset_ends_it_whoever_holds_it() {
    let context = Context::primary();
    retain(&context);
    let allocation = Allocation::new(context.driver(), 4096);
    assert_eq!(context.cuDevicePrimaryCtxReset_v2(0), Ok(()));
    assert!(!state(&context).1);
    let again = Context::primary();
    let mut byte = 0_u8;
    let read = again.cuMemcpyDtoH_v2((&raw mut byte).cast(), allocation.base, 1);
    assert_eq!(
        read,
        Err(CUerror::INVALID_VALUE),
        "a reset frees what the context allocated"
    );
    std::mem::forget(allocation);
    again.assert_works();
}

#[test]
fn a_reset_of_an_inactive_one_does_nothing() {
    let driver = initialized();
    assert_eq!(driver.cuDevicePrimaryCtxReset_v2(0), Ok(()));
    assert!(!state(driver).1);
    Context::primary().assert_works();
}

#[test]
fn the_last_release_frees_what_it_holds() {
    let driver = initialized();
    let context = Context::primary();
    let allocation = Allocation::new(driver, 4096);
    drop(context);
    let context = Context::primary();
    let mut byte = 0_u8;
    let read = context.cuMemcpyDtoH_v2((&raw mut byte).cast(), allocation.base, 1);
    assert_eq!(read, Err(CUerror::INVALID_VALUE));
    std::mem::forget(allocation);
}

#[test]
fn a_device_that_does_not_exist_has_none() {
    let driver = initialized();
    let invalid = Err(CUerror::INVALID_DEVICE);
    for device in [-1, 1000] {
        let (mut context, mut flags, mut active) = (CUcontext::NULL, 0, 0);
        assert_eq!(
            driver.cuDevicePrimaryCtxRetain(&raw mut context, device),
            invalid
        );
        assert_eq!(driver.cuDevicePrimaryCtxRelease_v2(device), invalid);
        assert_eq!(driver.cuDevicePrimaryCtxReset_v2(device), invalid);
        assert_eq!(driver.cuDevicePrimaryCtxSetFlags_v2(device, 0), invalid);
        assert_eq!(
            driver.cuDevicePrimaryCtxGetState(device, &raw mut flags, &raw mut active),
            invalid
        );
    }
}

#[test]
fn results_need_a_place_to_be_written() {
    let driver = initialized();
    let (mut flags, mut active) = (0, 0);
    assert_eq!(
        driver.cuDevicePrimaryCtxRetain(null_mut(), 0),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        driver.cuDevicePrimaryCtxGetState(0, null_mut(), &raw mut active),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        driver.cuDevicePrimaryCtxGetState(0, &raw mut flags, null_mut()),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(state(driver), (0, false), "a refused retain holds nothing");
}

mod on_pumice {
    use super::*;
    use tests::context::NON_BLOCKING;
    use tests::target::require_pumice;

    #[test]
    fn streams_and_events_of_a_reset_context_are_refused() {
        require_pumice();
        let context = Context::primary();
        let (stream, event) = (context.stream(NON_BLOCKING), context.event(0));
        context.cuDevicePrimaryCtxReset_v2(0).unwrap();
        let again = Context::primary();
        for result in [again.cuStreamSynchronize(stream), again.cuEventQuery(event)] {
            assert!(result.is_err(), "{result:?}");
        }
        assert!(again.cuEventRecord(event, CUstream::NULL).is_err());
        // Destroying what is gone may succeed; it must not harm what is there.
        let _ = again.cuStreamDestroy_v2(stream);
        let _ = again.cuEventDestroy_v2(event);
        again.assert_works();
    }

    #[test]
    fn a_thread_that_holds_a_reset_context_is_told_so() {
        require_pumice();
        let context = Context::primary();
        context.cuDevicePrimaryCtxReset_v2(0).unwrap();
        let mut address = CUdeviceptr::NULL;
        let result = context.cuMemAlloc_v2(&raw mut address, 16);
        let destroyed = [
            Err(CUerror::CONTEXT_IS_DESTROYED),
            Err(CUerror::INVALID_CONTEXT),
        ];
        assert!(destroyed.contains(&result), "{result:?}");
    }
}
