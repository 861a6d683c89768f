//! Events: their flags, their state, and the time between them.

use std::ptr::null_mut;
use std::time::{Duration, Instant};

use abi::CUerror;
use abi::cuda::{CUevent, CUstream};
use tests::callback::{Gate, Log};
use tests::context::{Context, NON_BLOCKING};

const BLOCKING_SYNC: u32 = 1;
const DISABLE_TIMING: u32 = 2;
const INTERPROCESS: u32 = 4;

fn elapsed(context: &Context, start: CUevent, end: CUevent) -> Result<f32, CUerror> {
    let mut milliseconds = f32::NAN;
    context
        .cuEventElapsedTime(&raw mut milliseconds, start, end)
        .map(|()| milliseconds)
}

fn recorded(context: &Context, stream: CUstream) -> CUevent {
    let event = context.event(0);
    context.cuEventRecord(event, stream).unwrap();
    event
}

/// Enqueues a host function that takes `delay`.
fn enqueue_delay(context: &Context, stream: CUstream, delay: Duration) {
    let (function, data) = Log::default().host_function(0, delay);
    context.cuLaunchHostFunc(stream, function, data).unwrap();
}

#[test]
fn events_of_every_kind_are_made_and_destroyed() {
    let context = Context::primary();
    for flags in [
        0,
        BLOCKING_SYNC,
        DISABLE_TIMING,
        BLOCKING_SYNC | DISABLE_TIMING,
    ] {
        let event = context.event(flags);
        assert!(!event.is_null());
        assert_eq!(context.cuEventRecord(event, CUstream::NULL), Ok(()));
        assert_eq!(context.cuEventSynchronize(event), Ok(()));
        assert_eq!(context.cuEventQuery(event), Ok(()));
        assert_eq!(context.cuEventDestroy_v2(event), Ok(()));
    }
    let event = context.event(0);
    assert_eq!(
        context.cuEventDestroy(event),
        Ok(()),
        "the older symbol is the same function"
    );
}

#[test]
fn creation_checks_its_arguments() {
    let context = Context::primary();
    let mut event = CUevent::NULL;
    for flags in [INTERPROCESS, 8, 0x100, u32::MAX] {
        assert_eq!(
            context.cuEventCreate(&raw mut event, flags),
            Err(CUerror::INVALID_VALUE),
            "{flags:#x}"
        );
    }
    assert_eq!(
        context.cuEventCreate(null_mut(), 0),
        Err(CUerror::INVALID_VALUE)
    );
    context.assert_works();
}

#[test]
fn an_event_that_was_never_recorded_is_complete() {
    let context = Context::primary();
    let event = context.event(0);
    assert_eq!(context.cuEventQuery(event), Ok(()));
    assert_eq!(context.cuEventSynchronize(event), Ok(()));
}

#[test]
fn an_event_is_complete_when_the_work_before_it_is() {
    let context = Context::primary();
    let (stream, gate) = (context.stream(NON_BLOCKING), Gate::default());
    let before = recorded(&context, stream);
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    let after = recorded(&context, stream);
    assert_eq!(context.cuEventSynchronize(before), Ok(()));
    assert_eq!(context.cuEventQuery(after), Err(CUerror::NOT_READY));
    gate.open();
    assert_eq!(context.cuEventSynchronize(after), Ok(()));
}

#[test]
fn times_between_events_are_those_of_the_work_between_them() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let start_of_wait = Instant::now();
    let start = recorded(&context, stream);
    enqueue_delay(&context, stream, Duration::from_millis(60));
    let end = recorded(&context, stream);
    context.cuEventSynchronize(end).unwrap();
    let wall = start_of_wait.elapsed().as_secs_f32() * 1e3;
    let measured = elapsed(&context, start, end).unwrap();
    assert!(
        (55.0..=wall + 5.0).contains(&measured),
        "{measured} ms of {wall} ms"
    );
}

#[test]
fn times_grow_along_a_stream() {
    let context = Context::primary();
    let (stream, device) = (context.stream(NON_BLOCKING), context.allocate(1 << 20));
    let events: Vec<_> = (0..20)
        .map(|value| {
            context
                .cuMemsetD8Async(device.base, value, 1 << 20, stream)
                .unwrap();
            recorded(&context, stream)
        })
        .collect();
    context.cuStreamSynchronize(stream).unwrap();
    let times: Vec<_> = events
        .iter()
        .map(|&event| elapsed(&context, events[0], event).unwrap())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(times[0], 0.0);
    assert!(
        *times.last().unwrap() > 0.0,
        "setting 20 MiB takes time: {times:?}"
    );
}

#[test]
fn time_runs_backwards_from_a_later_event_to_an_earlier_one() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let first = recorded(&context, stream);
    enqueue_delay(&context, stream, Duration::from_millis(20));
    let second = recorded(&context, stream);
    context.cuEventSynchronize(second).unwrap();
    let (forth, back) = (
        elapsed(&context, first, second).unwrap(),
        elapsed(&context, second, first).unwrap(),
    );
    assert!(
        (forth + back).abs() < 0.01 && forth > 15.0,
        "{forth} and {back}"
    );
}

#[test]
fn times_between_streams_are_of_one_clock() {
    let context = Context::primary();
    let (one, two) = (context.stream(NON_BLOCKING), context.stream(NON_BLOCKING));
    let first = recorded(&context, one);
    context.cuEventSynchronize(first).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    let second = recorded(&context, two);
    context.cuEventSynchronize(second).unwrap();
    let between = elapsed(&context, first, second).unwrap();
    assert!((25.0..5000.0).contains(&between), "{between} ms");
}

#[test]
fn the_newer_call_measures_the_same() {
    let context = Context::primary();
    let (first, second) = (
        recorded(&context, CUstream::NULL),
        recorded(&context, CUstream::NULL),
    );
    context.cuEventSynchronize(second).unwrap();
    let mut newer = f32::NAN;
    context
        .cuEventElapsedTime_v2(&raw mut newer, first, second)
        .unwrap();
    assert_eq!(newer, elapsed(&context, first, second).unwrap());
}

#[test]
fn a_time_needs_two_complete_events_that_measure() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let done = recorded(&context, stream);
    context.cuEventSynchronize(done).unwrap();
    let invalid = Err(CUerror::INVALID_HANDLE);
    let never = context.event(0);
    assert_eq!(elapsed(&context, done, never), invalid, "never recorded");
    assert_eq!(elapsed(&context, never, done), invalid, "never recorded");
    let untimed = context.event(DISABLE_TIMING);
    context.cuEventRecord(untimed, stream).unwrap();
    context.cuEventSynchronize(untimed).unwrap();
    assert_eq!(elapsed(&context, done, untimed), invalid, "without timing");
    assert_eq!(
        context.cuEventElapsedTime(null_mut(), done, done),
        Err(CUerror::INVALID_HANDLE),
        "NVIDIA's driver says so of a missing place too"
    );
    assert_eq!(elapsed(&context, CUevent::NULL, done), invalid);
}

#[test]
fn a_time_that_has_not_ended_is_not_ready() {
    let context = Context::primary();
    let (stream, gate) = (context.stream(NON_BLOCKING), Gate::default());
    let start = recorded(&context, stream);
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    let end = recorded(&context, stream);
    assert_eq!(elapsed(&context, start, end), Err(CUerror::NOT_READY));
    gate.open();
    context.cuEventSynchronize(end).unwrap();
    assert!(elapsed(&context, start, end).is_ok());
}

#[test]
fn recording_again_replaces_the_earlier_record() {
    let context = Context::primary();
    let stream = context.stream(NON_BLOCKING);
    let (start, end) = (recorded(&context, stream), recorded(&context, stream));
    context.cuEventSynchronize(end).unwrap();
    let short = elapsed(&context, start, end).unwrap();
    enqueue_delay(&context, stream, Duration::from_millis(30));
    context.cuEventRecordWithFlags(end, stream, 0).unwrap();
    context.cuEventSynchronize(end).unwrap();
    let long = elapsed(&context, start, end).unwrap();
    assert!(long > short + 25.0, "{short} ms, then {long} ms");
}

#[test]
fn recording_checks_its_arguments() {
    let context = Context::primary();
    let event = context.event(0);
    assert_eq!(
        context.cuEventRecord(CUevent::NULL, CUstream::NULL),
        Err(CUerror::INVALID_HANDLE)
    );
    assert_eq!(
        context.cuEventRecordWithFlags(event, CUstream::NULL, 0x100),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuEventQuery(CUevent::NULL),
        Err(CUerror::INVALID_HANDLE)
    );
    assert_eq!(
        context.cuEventSynchronize(CUevent::NULL),
        Err(CUerror::INVALID_HANDLE)
    );
    assert_eq!(
        context.cuEventDestroy_v2(CUevent::NULL),
        Err(CUerror::INVALID_HANDLE)
    );
    context.assert_works();
}

#[test]
fn an_event_is_recorded_in_streams_of_its_own_context() {
    let first = Context::create(0);
    let event = first.event(0);
    let second = Context::create(0);
    let stream = second.stream(0);
    assert_eq!(
        second.cuEventRecord(event, stream),
        Err(CUerror::INVALID_HANDLE)
    );
    assert_eq!(
        second.cuStreamWaitEvent(stream, event, 0),
        Ok(()),
        "but it may be waited for anywhere"
    );
    drop(second);
    first.assert_works();
}

#[test]
fn a_stream_is_idle_once_its_last_event_is_complete() {
    let context = Context::primary();
    let (stream, device) = (context.stream(NON_BLOCKING), context.allocate(1 << 16));
    for round in 0..50 {
        context
            .cuMemsetD8Async(device.base, round, 1 << 16, stream)
            .unwrap();
        if round % 2 == 0 {
            enqueue_delay(&context, stream, Duration::ZERO);
        }
        let last = recorded(&context, stream);
        context.cuEventSynchronize(last).unwrap();
        assert_eq!(context.cuStreamQuery(stream), Ok(()), "round {round}");
    }
}

#[test]
fn an_event_may_be_destroyed_before_it_completes() {
    let context = Context::primary();
    let (stream, gate) = (context.stream(NON_BLOCKING), Gate::default());
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    let event = recorded(&context, stream);
    assert_eq!(context.cuEventDestroy_v2(event), Ok(()));
    gate.open();
    assert_eq!(context.cuStreamSynchronize(stream), Ok(()));
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_handle_that_names_no_event_is_refused() {
        require_pumice();
        let context = Context::primary();
        let (stream, destroyed) = (context.stream(0), context.event(0));
        context.cuEventDestroy_v2(destroyed).unwrap();
        for event in [
            destroyed,
            CUevent(1),
            CUevent(0xdead_beef),
            CUevent(usize::MAX),
        ] {
            for result in [
                context.cuEventRecord(event, stream),
                context.cuEventQuery(event),
                context.cuEventSynchronize(event),
                context.cuEventDestroy_v2(event),
                context.cuStreamWaitEvent(stream, event, 0),
                elapsed(&context, event, event).map(|_| ()),
            ] {
                assert_eq!(result, Err(CUerror::INVALID_HANDLE), "{event:?}");
            }
        }
        context.assert_works();
    }
}
