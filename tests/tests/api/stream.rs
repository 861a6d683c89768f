//! Streams: what they are made of, and what is asked of them.

use std::ptr::null_mut;
use std::time::Duration;

use abi::CUerror;
use abi::cuda::{
    CU_STREAM_LEGACY, CU_STREAM_PER_THREAD, CUcontext, CUdevice, CUevent, CUstream,
    CUstreamCaptureMode, CUstreamCaptureStatus,
};
use tests::callback::{Call, Gate, Log};
use tests::context::{Context, NON_BLOCKING};
use tests::memory::assert_bytes;

/// The three handles that name a stream without creating it.
const DEFAULT_STREAMS: [CUstream; 3] = [CUstream::NULL, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD];

fn flags(context: &Context, stream: CUstream) -> u32 {
    let mut flags = u32::MAX;
    context.cuStreamGetFlags(stream, &raw mut flags).unwrap();
    flags
}

fn priority(context: &Context, stream: CUstream) -> i32 {
    let mut priority = i32::MIN;
    context
        .cuStreamGetPriority(stream, &raw mut priority)
        .unwrap();
    priority
}

fn id(context: &Context, stream: CUstream) -> u64 {
    let mut id = u64::MAX;
    context.cuStreamGetId(stream, &raw mut id).unwrap();
    id
}

#[test]
fn a_stream_reports_the_flags_it_was_made_with() {
    let context = Context::primary();
    for asked in [0, NON_BLOCKING] {
        let stream = context.stream(asked);
        assert!(!DEFAULT_STREAMS.contains(&stream), "{stream:?}");
        assert_eq!(flags(&context, stream), asked);
        assert_eq!(context.cuStreamDestroy_v2(stream), Ok(()));
    }
    for stream in DEFAULT_STREAMS {
        assert_eq!(flags(&context, stream), 0, "{stream:?}");
    }
}

#[test]
fn creation_checks_its_arguments() {
    let context = Context::primary();
    let mut stream = CUstream::NULL;
    for flags in [2, 4, u32::MAX] {
        assert_eq!(
            context.cuStreamCreate(&raw mut stream, flags),
            Err(CUerror::INVALID_VALUE),
            "{flags}"
        );
        let result = context.cuStreamCreateWithPriority(&raw mut stream, flags, 0);
        assert_eq!(result, Err(CUerror::INVALID_VALUE), "{flags}");
    }
    assert_eq!(
        context.cuStreamCreate(null_mut(), 0),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuStreamCreateWithPriority(null_mut(), 0, 0),
        Err(CUerror::INVALID_VALUE)
    );
    context.assert_works();
}

#[test]
fn a_priority_is_kept_inside_the_device_s_range() {
    let context = Context::primary();
    let (mut least, mut greatest) = (0, 0);
    context
        .cuCtxGetStreamPriorityRange(&raw mut least, &raw mut greatest)
        .unwrap();
    for asked in [
        least,
        greatest,
        0,
        least + 10,
        greatest - 10,
        i32::MAX,
        i32::MIN,
    ] {
        let mut stream = CUstream::NULL;
        context
            .cuStreamCreateWithPriority(&raw mut stream, NON_BLOCKING, asked)
            .unwrap();
        assert_eq!(
            priority(&context, stream),
            asked.clamp(greatest, least),
            "asked for {asked}"
        );
        context.cuStreamDestroy_v2(stream).unwrap();
    }
    assert_eq!(priority(&context, CUstream::NULL), 0);
}

#[test]
fn a_stream_knows_its_context_and_device() {
    let context = Context::primary();
    let created = context.stream(0);
    for stream in [created, CUstream::NULL, CU_STREAM_PER_THREAD] {
        let (mut of, mut device): (CUcontext, CUdevice) = (CUcontext::NULL, -1);
        assert_eq!(context.cuStreamGetCtx(stream, &raw mut of), Ok(()));
        assert_eq!(context.cuStreamGetDevice(stream, &raw mut device), Ok(()));
        assert_eq!((of, device), (context.handle, 0), "{stream:?}");
    }
}

#[test]
fn ids_tell_streams_apart() {
    let context = Context::primary();
    let (first, second) = (context.stream(0), context.stream(NON_BLOCKING));
    assert_ne!(id(&context, first), id(&context, second));
    assert_ne!(id(&context, first), id(&context, CUstream::NULL));
    assert_eq!(id(&context, first), id(&context, first));
    assert_eq!(
        id(&context, CUstream::NULL),
        id(&context, CU_STREAM_LEGACY),
        "two names of one stream"
    );
}

#[test]
fn results_need_a_place_to_be_written() {
    let context = Context::primary();
    let stream = context.stream(0);
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(context.cuStreamGetFlags(stream, null_mut()), invalid);
    assert_eq!(context.cuStreamGetPriority(stream, null_mut()), invalid);
    assert_eq!(context.cuStreamGetId(stream, null_mut()), invalid);
    assert_eq!(context.cuStreamGetCtx(stream, null_mut()), invalid);
    assert_eq!(context.cuStreamIsCapturing(stream, null_mut()), invalid);
}

#[test]
fn an_idle_stream_is_ready() {
    let context = Context::primary();
    for stream in [
        CUstream::NULL,
        CU_STREAM_LEGACY,
        CU_STREAM_PER_THREAD,
        context.stream(0),
    ] {
        assert_eq!(context.cuStreamQuery(stream), Ok(()), "{stream:?}");
        assert_eq!(context.cuStreamSynchronize(stream), Ok(()), "{stream:?}");
    }
}

#[test]
fn no_stream_is_captured() {
    let context = Context::primary();
    for stream in [context.stream(0), CU_STREAM_PER_THREAD] {
        let mut status = CUstreamCaptureStatus(9);
        assert_eq!(context.cuStreamIsCapturing(stream, &raw mut status), Ok(()));
        assert_eq!(status, CUstreamCaptureStatus::NONE);
    }
}

#[test]
fn a_stream_that_is_not_captured_has_no_graph() {
    let context = Context::primary();
    let stream = context.stream(0);
    let (mut status, mut id) = (CUstreamCaptureStatus(9), 9);
    let none = context.cuStreamGetCaptureInfo_v2(
        stream,
        &raw mut status,
        &raw mut id,
        null_mut(),
        null_mut(),
        null_mut(),
    );
    assert_eq!((none, status), (Ok(()), CUstreamCaptureStatus::NONE));
    let without_place = context.cuStreamGetCaptureInfo_v2(
        stream,
        null_mut(),
        &raw mut id,
        null_mut(),
        null_mut(),
        null_mut(),
    );
    assert_eq!(without_place, Err(CUerror::INVALID_VALUE));
}

#[test]
fn a_thread_s_capture_mode_is_exchanged() {
    let context = Context::primary();
    let mut mode = CUstreamCaptureMode::RELAXED;
    context
        .cuThreadExchangeStreamCaptureMode(&raw mut mode)
        .unwrap();
    assert_eq!(mode, CUstreamCaptureMode::GLOBAL, "a thread's first mode");
    context
        .cuThreadExchangeStreamCaptureMode(&raw mut mode)
        .unwrap();
    assert_eq!(mode, CUstreamCaptureMode::RELAXED);
}

#[test]
fn default_streams_cannot_be_destroyed() {
    let context = Context::primary();
    for stream in DEFAULT_STREAMS {
        assert_eq!(
            context.cuStreamDestroy_v2(stream),
            Err(CUerror::INVALID_HANDLE),
            "{stream:?}"
        );
    }
    context.assert_works();
}

#[test]
fn work_that_waits_is_not_ready_and_is_done_after_synchronizing() {
    let context = Context::primary();
    for (stream, name) in [
        (context.stream(NON_BLOCKING), "non-blocking"),
        (context.stream(0), "blocking"),
        (CUstream::NULL, "legacy"),
        (CU_STREAM_PER_THREAD, "per-thread"),
    ] {
        let (gate, event) = (Gate::default(), context.event(0));
        let (function, data) = gate.function();
        context.cuLaunchHostFunc(stream, function, data).unwrap();
        context.cuEventRecord(event, stream).unwrap();
        assert!(
            gate.is_reached(),
            "{name}: a host function runs without being waited for"
        );
        assert_eq!(
            context.cuStreamQuery(stream),
            Err(CUerror::NOT_READY),
            "{name}"
        );
        assert_eq!(
            context.cuEventQuery(event),
            Err(CUerror::NOT_READY),
            "{name}"
        );
        gate.open();
        assert_eq!(context.cuStreamSynchronize(stream), Ok(()), "{name}");
        assert_eq!(context.cuStreamQuery(stream), Ok(()), "{name}");
        assert_eq!(context.cuEventQuery(event), Ok(()), "{name}");
    }
}

#[test]
fn host_functions_of_a_stream_run_in_order() {
    let context = Context::primary();
    let (stream, log) = (context.stream(NON_BLOCKING), Log::default());
    for label in 0..50 {
        let delay = Duration::from_millis(if label % 10 == 0 { 5 } else { 0 });
        let (function, data) = log.host_function(label, delay);
        context.cuLaunchHostFunc(stream, function, data).unwrap();
    }
    context.cuStreamSynchronize(stream).unwrap();
    assert_eq!(log.labels(), (0..50).collect::<Vec<_>>());
}

#[test]
fn stream_callbacks_are_told_their_stream_and_success() {
    let context = Context::primary();
    let (stream, log) = (context.stream(0), Log::default());
    for label in 0..10 {
        let (callback, data) = log.stream_callback(label);
        context
            .cuStreamAddCallback(stream, callback, data, 0)
            .unwrap();
    }
    context.cuStreamSynchronize(stream).unwrap();
    let expected: Vec<_> = (0..10)
        .map(|label| Call {
            label,
            stream: Some((stream, 0)),
        })
        .collect();
    assert_eq!(log.calls(), expected);
}

#[test]
fn host_functions_see_the_copies_before_them_and_precede_those_after() {
    let context = Context::primary();
    let (stream, gate) = (context.stream(NON_BLOCKING), Gate::default());
    let target = context.pinned(8);
    let (ones, twos) = (context.upload(&[1; 8]), context.upload(&[2; 8]));
    context
        .cuMemcpyDtoHAsync_v2(target.as_void(), ones.base, 8, stream)
        .unwrap();
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    context
        .cuMemcpyDtoHAsync_v2(target.as_void(), twos.base, 8, stream)
        .unwrap();
    assert!(gate.is_reached());
    assert_bytes(&target.read(), &[1; 8], format_args!("contents"));
    gate.open();
    context.cuStreamSynchronize(stream).unwrap();
    assert_bytes(&target.read(), &[2; 8], format_args!("contents"));
}

#[test]
fn callbacks_check_their_arguments() {
    let context = Context::primary();
    let (stream, log) = (context.stream(0), Log::default());
    let (callback, data) = log.stream_callback(1);
    assert_eq!(
        context.cuStreamAddCallback(stream, None, null_mut(), 0),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuStreamAddCallback(stream, callback, data, 1),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuLaunchHostFunc(stream, None, null_mut()),
        Err(CUerror::INVALID_VALUE)
    );
    context.cuStreamSynchronize(stream).unwrap();
    assert_eq!(log.calls(), []);
    context.assert_works();
}

#[test]
fn destroying_a_busy_stream_lets_its_work_finish() {
    let context = Context::primary();
    let (stream, gate, log) = (
        context.stream(NON_BLOCKING),
        Gate::default(),
        Log::default(),
    );
    let target = context.upload(&[0; 4096]);
    let (function, data) = gate.function();
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    context
        .cuMemsetD8Async(target.base, 3, 4096, stream)
        .unwrap();
    let (function, data) = log.host_function(1, Duration::ZERO);
    context.cuLaunchHostFunc(stream, function, data).unwrap();
    assert!(gate.is_reached());
    assert_eq!(
        context.cuStreamDestroy_v2(stream),
        Ok(()),
        "destroying does not wait"
    );
    gate.open();
    context.cuCtxSynchronize().unwrap();
    assert_eq!(log.labels(), [1]);
    assert_bytes(
        &target.read(),
        &[3; 4096],
        format_args!("the memset behind the gate"),
    );
}

#[test]
fn waiting_for_an_event_checks_its_arguments() {
    let context = Context::primary();
    let (stream, event) = (context.stream(0), context.event(0));
    assert_eq!(
        context.cuStreamWaitEvent(stream, event, 0x100),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuStreamWaitEvent(stream, CUevent::NULL, 0),
        Err(CUerror::INVALID_HANDLE)
    );
    context.assert_works();
}

#[test]
fn a_hundred_streams_work_side_by_side() {
    let context = Context::primary();
    let streams: Vec<_> = (0..100).map(|index| context.stream(index % 2)).collect();
    let device = context.allocate(100 * 64);
    for (index, &stream) in streams.iter().enumerate() {
        context
            .cuMemsetD8Async(device.at(index * 64), index as u8, 64, stream)
            .unwrap();
    }
    for &stream in &streams {
        context.cuStreamSynchronize(stream).unwrap();
        context.cuStreamDestroy_v2(stream).unwrap();
    }
    let expected: Vec<u8> = (0..100).flat_map(|index| [index; 64]).collect();
    assert_bytes(&device.read(), &expected, format_args!("contents"));
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_handle_that_names_no_stream_is_refused() {
        require_pumice();
        let context = Context::primary();
        let destroyed = context.stream(0);
        context.cuStreamDestroy_v2(destroyed).unwrap();
        let event = context.event(0);
        for stream in [
            destroyed,
            CUstream(3),
            CUstream(0xdead_beef),
            CUstream(usize::MAX),
        ] {
            let (mut flags, mut priority) = (0, 0);
            for result in [
                context.cuStreamQuery(stream),
                context.cuStreamSynchronize(stream),
                context.cuStreamDestroy_v2(stream),
                context.cuStreamGetFlags(stream, &raw mut flags),
                context.cuStreamGetPriority(stream, &raw mut priority),
                context.cuStreamWaitEvent(stream, event, 0),
                context.cuEventRecord(event, stream),
            ] {
                let known = [Err(CUerror::INVALID_HANDLE), Err(CUerror::INVALID_CONTEXT)];
                assert!(known.contains(&result), "{stream:?}: {result:?}");
            }
        }
        context.assert_works();
    }

    /// NVIDIA's driver crashes.
    #[test]
    fn a_capture_mode_needs_a_place() {
        require_pumice();
        let context = Context::primary();
        assert_eq!(
            context.cuThreadExchangeStreamCaptureMode(null_mut()),
            Err(CUerror::INVALID_VALUE)
        );
    }
}
