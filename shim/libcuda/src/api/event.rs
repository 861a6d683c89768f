//! Driver API manual, "Event Management".

use std::sync::Arc;

use abi::cuda::CUevent;
use abi::{CUerror, CUresult, Out};

use crate::core::context;
use crate::core::event::{DISABLE_TIMING, Event, INTERPROCESS};
use crate::core::stream::Stream;
use crate::handles::EVENTS;

/// `CU_EVENT_BLOCKING_SYNC | DISABLE_TIMING | INTERPROCESS`.
const FLAGS: u32 = 0x7;

pub fn cuEventCreate(event: Out<CUevent>, flags: u32) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown, or an event for several
    // processes is to keep time.
    if flags & !FLAGS != 0 || flags & (INTERPROCESS | DISABLE_TIMING) == INTERPROCESS {
        return Err(CUerror::INVALID_VALUE);
    }
    // CUDA_ERROR_NOT_SUPPORTED: events do not leave their process here.
    if flags & INTERPROCESS != 0 {
        return Err(CUerror::NOT_SUPPORTED);
    }
    event.write(Event::create(&resources, flags).handle());
    Ok(())
}

pub fn cuEventRecord(event: Arc<Event>, stream: Arc<Stream>) -> CUresult {
    // CUDA_ERROR_INVALID_HANDLE if event and stream are of different contexts.
    event.record(&stream)
}

pub fn cuEventRecordWithFlags(event: Arc<Event>, stream: Arc<Stream>, flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown.
    // CU_EVENT_RECORD_EXTERNAL matters to captured graphs only.
    if flags > 1 {
        return Err(CUerror::INVALID_VALUE);
    }
    event.record(&stream)
}

pub fn cuEventQuery(event: Arc<Event>) -> CUresult {
    // CUDA_ERROR_NOT_READY if the work before the event is not done.
    if event.is_reached()? {
        Ok(())
    } else {
        Err(CUerror::NOT_READY)
    }
}

pub fn cuEventSynchronize(event: Arc<Event>) -> CUresult {
    event.synchronize()
}

pub fn cuEventDestroy_v2(event: CUevent) -> CUresult {
    // CUDA_ERROR_INVALID_HANDLE if there is no such event.
    EVENTS
        .remove(event.0)
        .map(|_| ())
        .ok_or(CUerror::INVALID_HANDLE)
}

pub fn cuEventElapsedTime(
    milliseconds: Option<Out<f32>>,
    start: Arc<Event>,
    end: Arc<Event>,
) -> CUresult {
    // CUDA_ERROR_INVALID_HANDLE if an event was not recorded or keeps no time, and
    // on NVIDIA's driver if there is no place; CUDA_ERROR_NOT_READY if an event is
    // not reached.
    let milliseconds = milliseconds.ok_or(CUerror::INVALID_HANDLE)?;
    let nanoseconds = end.nanoseconds_since(&start)?;
    milliseconds.write((nanoseconds as f64 / 1e6) as f32);
    Ok(())
}

pub fn cuEventElapsedTime_v2(
    milliseconds: Option<Out<f32>>,
    start: Arc<Event>,
    end: Arc<Event>,
) -> CUresult {
    cuEventElapsedTime(milliseconds, start, end)
}
