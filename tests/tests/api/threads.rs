//! Many threads at once.

use std::sync::Barrier;
use std::thread;

use abi::CUerror;
use abi::cuda::CUdeviceptr;
use tests::context::{Context, NON_BLOCKING};
use tests::driver::Driver;
use tests::memory::{assert_bytes, pattern, read};

/// Runs `body` in two threads that start it together, with the context current.
fn race<T: Send>(context: &Context, body: impl Fn(&'static Driver) -> T + Sync) -> [T; 2] {
    let (barrier, driver, handle) = (Barrier::new(2), context.driver(), context.handle);
    let run = || {
        driver.cuCtxSetCurrent(handle).unwrap();
        barrier.wait();
        body(driver)
    };
    thread::scope(|scope| {
        let threads = [scope.spawn(run), scope.spawn(run)];
        threads.map(|thread| thread.join().unwrap())
    })
}

#[test]
fn threads_allocate_copy_and_free_without_disturbing_each_other() {
    let context = Context::primary();
    let (driver, handle) = (context.driver(), context.handle);
    thread::scope(|scope| {
        for seed in 0..6 {
            scope.spawn(move || {
                driver.cuCtxSetCurrent(handle).unwrap();
                for round in 0..40 {
                    let bytes = pattern(
                        1 + (seed * 997 + round * 131) % 50_000,
                        (seed * 100 + round) as u64,
                    );
                    let mut address = CUdeviceptr::NULL;
                    driver.cuMemAlloc_v2(&raw mut address, bytes.len()).unwrap();
                    driver
                        .cuMemcpyHtoD_v2(address, bytes.as_ptr().cast(), bytes.len())
                        .unwrap();
                    assert_eq!(read(driver, address, bytes.len()), bytes);
                    driver.cuMemFree_v2(address).unwrap();
                }
            });
        }
    });
    context.assert_works();
}

#[test]
fn threads_share_a_stream() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let device = context.allocate(8 * 64);
    let (driver, handle, base) = (context.driver(), context.handle, device.base);
    thread::scope(|scope| {
        for index in 0..8_usize {
            scope.spawn(move || {
                driver.cuCtxSetCurrent(handle).unwrap();
                for value in 0..100 {
                    let at = CUdeviceptr(base.0 + index * 64);
                    driver.cuMemsetD8Async(at, value, 64, stream).unwrap();
                }
                driver.cuStreamSynchronize(stream).unwrap();
            });
        }
    });
    assert_bytes(&device.read(), &[99; 8 * 64], format_args!("contents"));
}

#[test]
fn threads_make_and_destroy_contexts() {
    let context = Context::primary();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    Context::create(0).assert_works();
                }
            });
        }
    });
    context.assert_works();
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// CUDA leaves a second free of one pointer undefined; NVIDIA's driver crashes.
    #[test]
    fn of_two_threads_that_free_one_pointer_one_succeeds() {
        require_pumice();
        let context = Context::primary();
        for _ in 0..100 {
            let mut address = CUdeviceptr::NULL;
            context.cuMemAlloc_v2(&raw mut address, 4096).unwrap();
            let mut results = race(&context, |driver| driver.cuMemFree_v2(address));
            results.sort_by_key(|result| result.is_err());
            assert_eq!(results, [Ok(()), Err(CUerror::INVALID_VALUE)]);
        }
        context.assert_works();
    }

    /// CUDA leaves a second free of one pointer undefined; NVIDIA's driver crashes.
    #[test]
    fn of_two_threads_that_free_one_host_pointer_one_succeeds() {
        require_pumice();
        let context = Context::primary();
        for _ in 0..100 {
            let mut pointer = std::ptr::null_mut();
            context.cuMemHostAlloc(&raw mut pointer, 4096, 0).unwrap();
            let address = pointer.addr();
            let free = |driver: &Driver| {
                driver.cuMemFreeHost(std::ptr::with_exposed_provenance_mut(address))
            };
            let mut results = race(&context, free);
            results.sort_by_key(|result| result.is_err());
            assert_eq!(results, [Ok(()), Err(CUerror::INVALID_VALUE)]);
        }
        context.assert_works();
    }

    /// CUDA leaves this undefined; NVIDIA's driver never returned within five minutes.
    #[test]
    fn one_thread_may_free_while_another_copies() {
        require_pumice();
        let context = Context::primary();
        for _ in 0..50 {
            let device = context.upload(&[5; 4096]);
            let base = device.base;
            let results = race(&context, |driver| {
                let mut bytes = [0_u8; 4096];
                let copied = driver.cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), base, 4096);
                let freed = driver.cuMemFree_v2(base);
                (copied, copied.is_err() || bytes == [5; 4096], freed)
            });
            assert!(results.iter().all(|(_, right, _)| *right), "{results:?}");
            assert_eq!(
                results.iter().filter(|(_, _, freed)| freed.is_ok()).count(),
                1,
                "{results:?}"
            );
            std::mem::forget(device);
        }
        context.assert_works();
    }
}
