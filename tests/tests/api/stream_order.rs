//! Which work waits for which: blocking and non-blocking streams, the legacy
//! and the per-thread default stream, and events between them.
//!
//! A gate holds one stream back; a memset on another stream then shows, by the
//! event behind it, whether it waited.

use std::time::{Duration, Instant};

use abi::CUerror;
use abi::cuda::{
    CU_STREAM_LEGACY, CU_STREAM_PER_THREAD, CUcontext, CUdeviceptr, CUevent, CUstream,
};
use tests::callback::Gate;
use tests::context::{Context, NON_BLOCKING};
use tests::driver::Driver;
use tests::memory::assert_bytes;

/// How long work that should not wait is given to finish.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long work that should wait is watched.
const WATCH: Duration = Duration::from_millis(100);

/// Whether the event completes within `limit`.
fn completes(driver: &Driver, event: CUevent, limit: Duration) -> bool {
    let start = Instant::now();
    loop {
        match driver.cuEventQuery(event) {
            Ok(()) => return true,
            Err(CUerror::NOT_READY) if start.elapsed() < limit => {
                std::thread::sleep(Duration::from_millis(1))
            }
            Err(CUerror::NOT_READY) => return false,
            Err(error) => panic!("cuEventQuery: {error}"),
        }
    }
}

/// Enqueues a memset and an event behind it.
fn enqueue(context: &Context, stream: CUstream, target: CUdeviceptr) -> CUevent {
    let event = context.event(0);
    context.cuMemsetD8Async(target, 1, 64, stream).unwrap();
    context.cuEventRecord(event, stream).unwrap();
    event
}

/// Holds `stream` back, and waits until the gate is reached.
fn hold(context: &Context, stream: CUstream) -> Gate {
    let gate = Gate::default();
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    assert!(gate.is_reached());
    gate
}

/// Checks whether work on `second` waits for earlier work on `first`.
fn check_order(first: fn(&Context) -> CUstream, second: fn(&Context) -> CUstream, waits: bool) {
    let context = Context::primary();
    let (first, second, target) = (first(&context), second(&context), context.allocate(64));
    let gate = hold(&context, first);
    let event = enqueue(&context, second, target.base);
    if waits {
        assert!(
            !completes(&context, event, WATCH),
            "{second:?} did not wait for {first:?}"
        );
        gate.open();
    }
    assert!(
        completes(&context, event, PATIENCE),
        "{second:?} waits for {first:?}"
    );
    gate.open();
    context.cuCtxSynchronize().unwrap();
}

fn blocking(context: &Context) -> CUstream {
    context.stream(0)
}

fn non_blocking(context: &Context) -> CUstream {
    context.stream(NON_BLOCKING)
}

fn null(_: &Context) -> CUstream {
    CUstream::NULL
}

fn legacy(_: &Context) -> CUstream {
    CU_STREAM_LEGACY
}

fn per_thread(_: &Context) -> CUstream {
    CU_STREAM_PER_THREAD
}

#[test]
fn created_streams_do_not_wait_for_each_other() {
    for first in [blocking, non_blocking] {
        for second in [blocking, non_blocking] {
            check_order(first, second, false);
        }
    }
}

#[test]
fn the_legacy_stream_waits_for_blocking_streams() {
    check_order(blocking, legacy, true);
    check_order(blocking, null, true);
}

#[test]
fn blocking_streams_wait_for_the_legacy_stream() {
    check_order(legacy, blocking, true);
    check_order(null, blocking, true);
}

#[test]
fn non_blocking_streams_and_the_legacy_stream_ignore_each_other() {
    check_order(non_blocking, legacy, false);
    check_order(legacy, non_blocking, false);
}

#[test]
fn the_per_thread_stream_is_a_blocking_stream() {
    check_order(per_thread, legacy, true);
    check_order(legacy, per_thread, true);
    check_order(per_thread, blocking, false);
    check_order(blocking, per_thread, false);
}

#[test]
fn the_two_names_of_the_legacy_stream_are_one_stream() {
    check_order(legacy, null, true);
    check_order(null, legacy, true);
}

#[test]
fn a_blocking_stream_waits_for_another_through_the_legacy_stream() {
    let context = Context::primary();
    let target = context.allocate(64);
    let (first, second) = (context.stream(0), context.stream(0));
    let gate = hold(&context, first);
    let between = enqueue(&context, CUstream::NULL, target.base);
    let after = enqueue(&context, second, target.base);
    assert!(!completes(&context, after, WATCH));
    gate.open();
    assert!(completes(&context, between, PATIENCE) && completes(&context, after, PATIENCE));
}

#[test]
fn each_thread_has_a_default_stream_of_its_own() {
    let context = Context::primary();
    let target = context.allocate(64);
    let (driver, handle, address) = (context.driver(), context.handle, target.base);
    let gate = hold(&context, CU_STREAM_PER_THREAD);
    let other = std::thread::spawn(move || {
        driver.cuCtxSetCurrent(handle).unwrap();
        driver
            .cuMemsetD8Async(address, 1, 64, CU_STREAM_PER_THREAD)
            .unwrap();
        driver.cuStreamSynchronize(CU_STREAM_PER_THREAD).unwrap();
    });
    other.join().unwrap();
    assert_eq!(
        context.cuStreamQuery(CU_STREAM_PER_THREAD),
        Err(CUerror::NOT_READY)
    );
    gate.open();
    context.cuStreamSynchronize(CU_STREAM_PER_THREAD).unwrap();
}

#[test]
fn per_thread_entry_points_use_the_thread_s_stream_for_null() {
    let context = Context::primary();
    let target = context.allocate(64);
    let gate = hold(&context, CU_STREAM_PER_THREAD);
    assert_eq!(
        context.cuStreamQuery_ptsz(CUstream::NULL),
        Err(CUerror::NOT_READY)
    );
    let event = context.event(0);
    context
        .cuMemsetD8Async_ptsz(target.base, 1, 64, CUstream::NULL)
        .unwrap();
    context.cuEventRecord_ptsz(event, CUstream::NULL).unwrap();
    assert!(!completes(&context, event, WATCH));
    gate.open();
    assert_eq!(context.cuStreamSynchronize_ptsz(CUstream::NULL), Ok(()));
    assert_eq!(context.cuEventQuery(event), Ok(()));
}

#[test]
fn a_stream_waits_for_an_event_of_another() {
    for (first, second) in [(NON_BLOCKING, NON_BLOCKING), (0, NON_BLOCKING), (0, 0)] {
        let context = Context::primary();
        let (first, second) = (context.stream(first), context.stream(second));
        let (target, done) = (context.allocate(64), context.event(2));
        let gate = hold(&context, first);
        context.cuEventRecord(done, first).unwrap();
        context.cuStreamWaitEvent(second, done, 0).unwrap();
        let after = enqueue(&context, second, target.base);
        assert!(!completes(&context, after, WATCH));
        gate.open();
        assert!(completes(&context, after, PATIENCE));
    }
}

#[test]
fn waiting_for_an_event_that_was_never_recorded_does_not_wait() {
    let context = Context::primary();
    let (stream, target) = (context.stream(NON_BLOCKING), context.allocate(64));
    context
        .cuStreamWaitEvent(stream, context.event(0), 0)
        .unwrap();
    let after = enqueue(&context, stream, target.base);
    assert!(completes(&context, after, PATIENCE));
}

#[test]
fn a_wait_is_for_the_record_before_it_not_for_later_ones() {
    let context = Context::primary();
    let (first, second, target) = (
        context.stream(NON_BLOCKING),
        context.stream(NON_BLOCKING),
        context.allocate(64),
    );
    let event = context.event(0);
    context.cuEventRecord(event, first).unwrap();
    context.cuStreamWaitEvent(second, event, 0).unwrap();
    let gate = hold(&context, first);
    context.cuEventRecord(event, first).unwrap();
    let after = enqueue(&context, second, target.base);
    assert!(
        completes(&context, after, PATIENCE),
        "the second record is not waited for"
    );
    assert_eq!(
        context.cuEventQuery(event),
        Err(CUerror::NOT_READY),
        "a query is about the latest record"
    );
    gate.open();
    context.cuCtxSynchronize().unwrap();
}

#[test]
fn an_event_may_be_destroyed_while_a_stream_waits_for_it() {
    let context = Context::primary();
    let (first, second, target) = (
        context.stream(NON_BLOCKING),
        context.stream(NON_BLOCKING),
        context.allocate(64),
    );
    let event = context.event(0);
    let gate = hold(&context, first);
    context.cuEventRecord(event, first).unwrap();
    context.cuStreamWaitEvent(second, event, 0).unwrap();
    assert_eq!(context.cuEventDestroy_v2(event), Ok(()));
    let after = enqueue(&context, second, target.base);
    assert!(!completes(&context, after, WATCH));
    gate.open();
    assert!(completes(&context, after, PATIENCE));
}

#[test]
fn waits_pass_data_between_streams() {
    let context = Context::primary();
    let streams: Vec<_> = (0..4).map(|_| context.stream(NON_BLOCKING)).collect();
    let buffers: Vec<_> = (0..4).map(|_| context.upload(&[0; 4096])).collect();
    let events: Vec<_> = (0..4).map(|_| context.event(2)).collect();
    for round in 1..=20_u8 {
        context
            .cuMemsetD8Async(buffers[0].base, round, 4096, streams[0])
            .unwrap();
        context.cuEventRecord(events[0], streams[0]).unwrap();
        for index in 1..4 {
            context
                .cuStreamWaitEvent(streams[index], events[index - 1], 0)
                .unwrap();
            context
                .cuMemcpyDtoDAsync_v2(
                    buffers[index].base,
                    buffers[index - 1].base,
                    4096,
                    streams[index],
                )
                .unwrap();
            context
                .cuEventRecord(events[index], streams[index])
                .unwrap();
        }
        context.cuStreamWaitEvent(streams[0], events[3], 0).unwrap();
    }
    context.cuCtxSynchronize().unwrap();
    assert_bytes(&buffers[3].read(), &[20; 4096], format_args!("contents"));
}

#[test]
fn synchronizing_the_context_waits_for_every_stream() {
    let context = Context::primary();
    let (stream, target) = (context.stream(NON_BLOCKING), context.upload(&[0; 64]));
    let gate = hold(&context, stream);
    let event = enqueue(&context, stream, target.base);
    let (driver, handle): (&'static Driver, CUcontext) = (context.driver(), context.handle);
    let waiting = std::thread::spawn(move || {
        driver.cuCtxSetCurrent(handle).unwrap();
        driver.cuCtxSynchronize().unwrap();
        driver.cuEventQuery(event)
    });
    std::thread::sleep(WATCH);
    assert!(!waiting.is_finished());
    gate.open();
    assert_eq!(waiting.join().unwrap(), Ok(()));
}

#[test]
fn synchronizing_an_event_waits_for_it_and_no_longer() {
    let context = Context::primary();
    let (stream, target) = (context.stream(NON_BLOCKING), context.allocate(64));
    let first = enqueue(&context, stream, target.base);
    let gate = Gate::default();
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    assert_eq!(
        context.cuEventSynchronize(first),
        Ok(()),
        "before the gate opens"
    );
    let second = enqueue(&context, stream, target.base);
    let driver = context.driver();
    let waiting = std::thread::spawn(move || driver.cuEventSynchronize(second));
    std::thread::sleep(WATCH);
    assert!(!waiting.is_finished());
    gate.open();
    assert_eq!(waiting.join().unwrap(), Ok(()));
}
