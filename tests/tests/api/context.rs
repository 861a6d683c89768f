//! Context management: creation, the stack of each thread, flags and limits.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUcontext, CUdeviceptr, CUfunc_cache, CUlimit, CUsharedconfig, CUstream};
use tests::context::{Context, initialized};
use tests::driver::Driver;
use tests::memory::assert_bytes;

const SCHEDULE_MASK: u32 = 7;

fn create(driver: &Driver, flags: u32) -> CUcontext {
    let mut context = CUcontext::NULL;
    driver.cuCtxCreate_v2(&raw mut context, flags, 0).unwrap();
    assert!(!context.is_null());
    context
}

fn current(driver: &Driver) -> CUcontext {
    let mut context = CUcontext(usize::MAX);
    driver.cuCtxGetCurrent(&raw mut context).unwrap();
    context
}

fn pop(driver: &Driver) -> Result<CUcontext, CUerror> {
    let mut context = CUcontext(usize::MAX);
    driver
        .cuCtxPopCurrent_v2(&raw mut context)
        .map(|()| context)
}

#[test]
fn a_created_context_is_current_and_works() {
    let context = Context::create(0);
    assert_eq!(current(&context), context.handle);
    let mut device = -1;
    context.cuCtxGetDevice(&raw mut device).unwrap();
    assert_eq!(device, 0);
    context.assert_works();
}

#[test]
fn a_created_context_is_not_the_primary_one() {
    let primary = Context::primary();
    let created = Context::create(0);
    assert_ne!(primary.handle, created.handle);
    created.assert_works();
}

#[test]
fn without_a_context_work_is_refused() {
    let driver = initialized();
    assert_eq!(current(driver), CUcontext::NULL);
    let invalid = Err(CUerror::INVALID_CONTEXT);
    let (mut int, mut size, mut address) = (0, 0, CUdeviceptr::NULL);
    let (mut stream, mut flags) = (CUstream::NULL, 0);
    assert_eq!(driver.cuCtxGetDevice(&raw mut int), invalid);
    assert_eq!(driver.cuCtxGetFlags(&raw mut flags), invalid);
    assert_eq!(driver.cuCtxSynchronize(), invalid);
    assert_eq!(
        driver.cuCtxGetLimit(&raw mut size, CUlimit::STACK_SIZE),
        invalid
    );
    assert_eq!(driver.cuMemAlloc_v2(&raw mut address, 16), invalid);
    assert_eq!(
        driver.cuMemGetInfo_v2(&raw mut size, &raw mut size),
        invalid
    );
    assert_eq!(driver.cuStreamCreate(&raw mut stream, 0), invalid);
    assert_eq!(driver.cuMemsetD8_v2(CUdeviceptr(4096), 0, 1), invalid);
    assert_eq!(driver.cuCtxPopCurrent_v2(null_mut()), invalid);
}

#[test]
fn contexts_stack_in_each_thread() {
    let driver = initialized();
    let (first, second) = (create(driver, 0), create(driver, 0));
    assert_ne!(first, second);
    assert_eq!(current(driver), second);
    driver.cuCtxPushCurrent_v2(first).unwrap();
    assert_eq!(current(driver), first);
    assert_eq!(pop(driver), Ok(first));
    assert_eq!(pop(driver), Ok(second));
    assert_eq!(
        pop(driver),
        Ok(first),
        "creating the second pushed it above the first"
    );
    assert_eq!(current(driver), CUcontext::NULL);
    assert_eq!(pop(driver), Err(CUerror::INVALID_CONTEXT));
    driver.cuCtxDestroy_v2(first).unwrap();
    driver.cuCtxDestroy_v2(second).unwrap();
}

#[test]
fn the_same_context_may_be_pushed_twice() {
    let context = Context::create(0);
    context.cuCtxPushCurrent_v2(context.handle).unwrap();
    assert_eq!(pop(&context), Ok(context.handle));
    assert_eq!(current(&context), context.handle);
}

#[test]
fn the_popped_handle_need_not_be_taken() {
    let driver = initialized();
    let context = create(driver, 0);
    assert_eq!(driver.cuCtxPopCurrent_v2(null_mut()), Ok(()));
    assert_eq!(current(driver), CUcontext::NULL);
    driver.cuCtxDestroy_v2(context).unwrap();
}

#[test]
fn setting_the_current_context_replaces_the_top_of_the_stack() {
    let driver = initialized();
    let (first, second) = (create(driver, 0), create(driver, 0));
    driver.cuCtxSetCurrent(first).unwrap();
    assert_eq!(pop(driver), Ok(first), "in place of the second");
    assert_eq!(pop(driver), Ok(first));
    driver.cuCtxSetCurrent(second).unwrap();
    assert_eq!(pop(driver), Ok(second), "an empty stack grows by one");
    driver.cuCtxDestroy_v2(first).unwrap();
    driver.cuCtxDestroy_v2(second).unwrap();
}

#[test]
fn setting_none_pops_the_stack() {
    let driver = initialized();
    let (first, second) = (create(driver, 0), create(driver, 0));
    assert_eq!(driver.cuCtxSetCurrent(CUcontext::NULL), Ok(()));
    assert_eq!(current(driver), first);
    assert_eq!(driver.cuCtxSetCurrent(CUcontext::NULL), Ok(()));
    assert_eq!(current(driver), CUcontext::NULL);
    assert_eq!(
        driver.cuCtxSetCurrent(CUcontext::NULL),
        Ok(()),
        "an empty stack stays as it is"
    );
    driver.cuCtxDestroy_v2(first).unwrap();
    driver.cuCtxDestroy_v2(second).unwrap();
}

#[test]
fn destroying_the_current_context_pops_it() {
    let driver = initialized();
    let (first, second) = (create(driver, 0), create(driver, 0));
    assert_eq!(driver.cuCtxDestroy_v2(second), Ok(()));
    assert_eq!(current(driver), first);
    assert_eq!(driver.cuCtxDestroy_v2(first), Ok(()));
    assert_eq!(current(driver), CUcontext::NULL);
}

#[test]
fn destroying_a_context_frees_what_it_allocated() {
    let driver = initialized();
    let context = create(driver, 0);
    let mut address = CUdeviceptr::NULL;
    driver.cuMemAlloc_v2(&raw mut address, 4096).unwrap();
    driver.cuCtxDestroy_v2(context).unwrap();
    let other = Context::create(0);
    let mut byte = 0_u8;
    let read = other.cuMemcpyDtoH_v2((&raw mut byte).cast(), address, 1);
    assert_eq!(read, Err(CUerror::INVALID_VALUE));
    other.assert_works();
}

#[test]
fn a_context_destroyed_by_another_thread_is_reported_to_those_who_hold_it() {
    let context = Context::create(0);
    let (driver, handle) = (context.driver(), context.handle);
    std::thread::spawn(move || driver.cuCtxDestroy_v2(handle).unwrap())
        .join()
        .unwrap();
    let mut address = CUdeviceptr::NULL;
    assert_eq!(
        context.cuMemAlloc_v2(&raw mut address, 16),
        Err(CUerror::CONTEXT_IS_DESTROYED)
    );
    assert_eq!(
        context.cuCtxSynchronize(),
        Err(CUerror::CONTEXT_IS_DESTROYED)
    );
    context.cuCtxSetCurrent(CUcontext::NULL).unwrap();
    std::mem::forget(context);
    Context::create(0).assert_works();
}

#[test]
fn memory_of_one_context_is_reachable_from_another() {
    let first = Context::create(0);
    let bytes = tests::memory::pattern(5000, 3);
    let allocation = first.upload(&bytes);
    let second = Context::create(0);
    assert_bytes(
        &tests::memory::read(&second, allocation.base, 5000),
        &bytes,
        format_args!("contents"),
    );
    drop(second);
    assert_bytes(&allocation.read(), &bytes, format_args!("contents"));
}

#[test]
fn flags_are_reported_as_they_were_given() {
    for flags in [0, 1, 2, 4] {
        let context = Context::create(flags);
        let mut reported = u32::MAX;
        context.cuCtxGetFlags(&raw mut reported).unwrap();
        assert_eq!(reported & SCHEDULE_MASK, flags);
    }
}

#[test]
fn flags_that_do_not_exist_are_refused() {
    let driver = initialized();
    for flags in [3, 5, 6, 7, 0x1_0000, u32::MAX] {
        let mut context = CUcontext::NULL;
        let result = driver.cuCtxCreate_v2(&raw mut context, flags, 0);
        assert_eq!(result, Err(CUerror::INVALID_VALUE), "{flags:#x}");
    }
    assert_eq!(
        current(driver),
        CUcontext::NULL,
        "a refused creation pushes nothing"
    );
}

#[test]
fn creation_checks_its_arguments() {
    let driver = initialized();
    let mut context = CUcontext::NULL;
    assert_eq!(
        driver.cuCtxCreate_v2(null_mut(), 0, 0),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        driver.cuCtxCreate_v2(&raw mut context, 0, -1),
        Err(CUerror::INVALID_DEVICE)
    );
    assert_eq!(
        driver.cuCtxCreate_v2(&raw mut context, 0, 1000),
        Err(CUerror::INVALID_DEVICE)
    );
    Context::create(0).assert_works();
}

#[test]
fn newer_forms_of_creation_make_the_same_context() {
    let driver = initialized();
    let mut context = CUcontext::NULL;
    driver
        .cuCtxCreate_v3(&raw mut context, null_mut(), 0, 0, 0)
        .unwrap();
    assert_eq!(current(driver), context);
    driver.cuCtxDestroy_v2(context).unwrap();
    driver
        .cuCtxCreate_v4(&raw mut context, null_mut(), 0, 0)
        .unwrap();
    assert_eq!(current(driver), context);
    driver.cuCtxDestroy(context).unwrap();
}

#[test]
fn results_need_a_place_to_be_written() {
    let context = Context::create(0);
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(context.cuCtxGetCurrent(null_mut()), invalid);
    assert_eq!(context.cuCtxGetDevice(null_mut()), invalid);
    assert_eq!(context.cuCtxGetFlags(null_mut()), invalid);
    assert_eq!(
        context.cuCtxGetLimit(null_mut(), CUlimit::STACK_SIZE),
        invalid
    );
    assert_eq!(
        context.cuCtxGetApiVersion(context.handle, null_mut()),
        invalid
    );
    assert_eq!(context.cuCtxGetCacheConfig(null_mut()), invalid);
    assert_eq!(context.cuCtxGetSharedMemConfig(null_mut()), invalid);
    assert_eq!(context.cuCtxGetId(context.handle, null_mut()), invalid);
}

#[test]
fn no_context_can_be_neither_pushed_nor_destroyed() {
    let context = Context::create(0);
    assert!(context.cuCtxPushCurrent_v2(CUcontext::NULL).is_err());
    assert!(context.cuCtxDestroy_v2(CUcontext::NULL).is_err());
    assert_eq!(current(&context), context.handle);
}

#[test]
fn each_context_has_an_id_of_its_own() {
    let (first, second) = (Context::create(0), Context::create(0));
    let id = |handle| {
        let mut id = 0;
        first.cuCtxGetId(handle, &raw mut id).unwrap();
        id
    };
    assert_ne!(id(first.handle), id(second.handle));
    assert_eq!(
        id(CUcontext::NULL),
        id(second.handle),
        "none means the current one"
    );
}

#[test]
fn the_api_version_is_that_of_the_creating_call() {
    let context = Context::create(0);
    let (mut explicit, mut current) = (0, 0);
    context
        .cuCtxGetApiVersion(context.handle, &raw mut explicit)
        .unwrap();
    context
        .cuCtxGetApiVersion(CUcontext::NULL, &raw mut current)
        .unwrap();
    assert_eq!(explicit, current);
    assert!((3010..=14000).contains(&explicit), "{explicit}");
}

fn limit(driver: &Driver, limit: CUlimit) -> usize {
    let mut value = usize::MAX;
    driver.cuCtxGetLimit(&raw mut value, limit).unwrap();
    value
}

#[test]
fn limits_begin_at_cuda_s_defaults() {
    let context = Context::create(0);
    assert_eq!(limit(&context, CUlimit::STACK_SIZE), 1024);
    assert_eq!(limit(&context, CUlimit::MALLOC_HEAP_SIZE), 8 << 20);
    assert!(limit(&context, CUlimit::PRINTF_FIFO_SIZE) >= 1 << 20);
}

#[test]
fn a_limit_is_at_least_what_was_set() {
    let context = Context::create(0);
    for (which, value) in [
        (CUlimit::STACK_SIZE, 4096),
        (CUlimit::PRINTF_FIFO_SIZE, 2 << 20),
        (CUlimit::MALLOC_HEAP_SIZE, 16 << 20),
    ] {
        assert_eq!(context.cuCtxSetLimit(which, value), Ok(()), "{which:?}");
        assert!(limit(&context, which) >= value, "{which:?}");
    }
    context.assert_works();
}

#[test]
fn limits_belong_to_their_context() {
    let first = Context::create(0);
    first.cuCtxSetLimit(CUlimit::STACK_SIZE, 4096).unwrap();
    let second = Context::create(0);
    assert_eq!(limit(&second, CUlimit::STACK_SIZE), 1024);
}

#[test]
fn a_limit_that_does_not_exist_is_refused() {
    let context = Context::create(0);
    for number in [1000, u32::MAX] {
        let mut value = 0;
        assert!(
            context
                .cuCtxGetLimit(&raw mut value, CUlimit(number))
                .is_err()
        );
        assert!(context.cuCtxSetLimit(CUlimit(number), 1).is_err());
    }
}

#[test]
fn preferences_are_kept_or_ignored_but_never_refused() {
    let context = Context::create(0);
    for preference in [
        CUfunc_cache::PREFER_SHARED,
        CUfunc_cache::PREFER_L1,
        CUfunc_cache::PREFER_NONE,
    ] {
        assert_eq!(context.cuCtxSetCacheConfig(preference), Ok(()));
        let mut reported = CUfunc_cache(99);
        context.cuCtxGetCacheConfig(&raw mut reported).unwrap();
        assert!(reported.0 <= CUfunc_cache::PREFER_EQUAL.0);
    }
    assert_eq!(
        context.cuCtxSetSharedMemConfig(CUsharedconfig::DEFAULT_BANK_SIZE),
        Ok(())
    );
    let mut reported = CUsharedconfig(99);
    context.cuCtxGetSharedMemConfig(&raw mut reported).unwrap();
    assert!(reported.0 <= CUsharedconfig::EIGHT_BYTE_BANK_SIZE.0);
}

#[test]
fn higher_stream_priorities_are_lower_numbers() {
    let context = Context::create(0);
    let (mut least, mut greatest) = (-99, 99);
    context
        .cuCtxGetStreamPriorityRange(&raw mut least, &raw mut greatest)
        .unwrap();
    assert!(greatest <= 0 && 0 <= least, "{greatest}..={least}");
    assert_eq!(
        context.cuCtxGetStreamPriorityRange(null_mut(), null_mut()),
        Ok(()),
        "both are optional"
    );
}

#[test]
fn an_idle_context_synchronizes_at_once() {
    let context = Context::create(0);
    assert_eq!(context.cuCtxSynchronize(), Ok(()));
    assert_eq!(context.cuCtxSynchronize_v2(context.handle), Ok(()));
}

#[test]
fn contexts_may_be_made_and_destroyed_many_times() {
    // NVIDIA's driver takes seconds for one.
    for _ in 0..6 {
        let context = Context::create(0);
        let _left_to_the_context = context.event(0);
        let _left_to_the_context = context.stream(0);
    }
    Context::create(0).assert_works();
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_handle_that_names_no_context_is_refused() {
        require_pumice();
        let context = Context::create(0);
        let destroyed = create(&context, 0);
        context.cuCtxDestroy_v2(destroyed).unwrap();
        for handle in [
            destroyed,
            CUcontext(1),
            CUcontext(0xdead_beef),
            CUcontext(usize::MAX),
        ] {
            let (mut version, mut id) = (0, 0);
            assert!(context.cuCtxPushCurrent_v2(handle).is_err(), "{handle:?}");
            assert!(context.cuCtxSetCurrent(handle).is_err(), "{handle:?}");
            assert!(context.cuCtxDestroy_v2(handle).is_err(), "{handle:?}");
            assert!(
                context
                    .cuCtxGetApiVersion(handle, &raw mut version)
                    .is_err(),
                "{handle:?}"
            );
            assert!(
                context.cuCtxGetId(handle, &raw mut id).is_err(),
                "{handle:?}"
            );
        }
        assert_eq!(current(&context), context.handle);
        context.assert_works();
    }

    #[test]
    fn a_popped_context_that_was_destroyed_meanwhile_leaves_a_working_thread() {
        require_pumice();
        let context = Context::create(0);
        let (driver, handle) = (context.driver(), context.handle);
        std::thread::spawn(move || driver.cuCtxDestroy_v2(handle).unwrap())
            .join()
            .unwrap();
        assert_eq!(pop(&context), Ok(handle));
        assert_eq!(current(&context), CUcontext::NULL);
        std::mem::forget(context);
    }
}
