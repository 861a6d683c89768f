//! Driver API manual, "Stream Management".

use std::sync::Arc;

use abi::cuda::*;
use abi::{CUerror, CUresult, Out};

use crate::api::context::clamp_priority;
use crate::core::context::{self, Owned};
use crate::core::event::Event;
use crate::core::stream::{Kind, Stream};
use crate::handles::{HostPtr, STREAMS};

/// `CU_STREAM_NON_BLOCKING`.
const NON_BLOCKING: u32 = 1;

pub fn cuStreamCreate(stream: Out<CUstream>, flags: u32) -> CUresult {
    cuStreamCreateWithPriority(stream, flags, 0)
}

pub fn cuStreamCreateWithPriority(stream: Out<CUstream>, flags: u32, priority: i32) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown.
    let kind = match flags {
        0 => Kind::Blocking,
        NON_BLOCKING => Kind::NonBlocking,
        _ => return Err(CUerror::INVALID_VALUE),
    };
    // A priority outside of the range is brought into it, as documented.
    let created = Stream::create(&resources, kind, clamp_priority(priority))?;
    stream.write(created.handle());
    Ok(())
}

pub fn cuStreamGetPriority(stream: Arc<Stream>, priority: Out<i32>) -> CUresult {
    priority.write(stream.priority());
    Ok(())
}

pub fn cuStreamGetFlags(stream: Arc<Stream>, flags: Out<u32>) -> CUresult {
    flags.write(if stream.kind() == Kind::NonBlocking {
        NON_BLOCKING
    } else {
        0
    });
    Ok(())
}

pub fn cuStreamGetId(stream: Arc<Stream>, id: Out<u64>) -> CUresult {
    id.write(stream.id());
    Ok(())
}

pub fn cuStreamGetCtx(stream: Arc<Stream>, context: Out<CUcontext>) -> CUresult {
    context.write(stream.resources()?.context);
    Ok(())
}

pub fn cuStreamGetDevice(stream: Arc<Stream>, device: Out<CUdevice>) -> CUresult {
    device.write(stream.resources()?.device.ordinal());
    Ok(())
}

pub fn cuStreamWaitEvent(stream: Arc<Stream>, event: Arc<Event>, flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown.
    // CU_EVENT_WAIT_EXTERNAL matters to captured graphs only.
    if flags > 1 {
        return Err(CUerror::INVALID_VALUE);
    }
    if let Some(point) = event.point()? {
        stream.wait_for(point);
    }
    Ok(())
}

pub fn cuStreamAddCallback(
    stream: Arc<Stream>,
    callback: CUstreamCallback,
    user_data: HostPtr,
    flags: u32,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if flags is not 0 or there is no callback.
    if flags != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    let callback = callback.ok_or(CUerror::INVALID_VALUE)?;
    let handle = stream.handle();
    stream.call_back(move |status| {
        crate::core::callback::of_stream(callback, handle, status, user_data)
    })
}

pub fn cuStreamSynchronize(stream: Arc<Stream>) -> CUresult {
    stream.synchronize()
}

pub fn cuStreamQuery(stream: Arc<Stream>) -> CUresult {
    // CUDA_ERROR_NOT_READY if work is left.
    if stream.is_idle()? {
        Ok(())
    } else {
        Err(CUerror::NOT_READY)
    }
}

pub fn cuStreamDestroy_v2(stream: CUstream) -> CUresult {
    // CUDA_ERROR_INVALID_HANDLE for a default stream or an unknown one.
    let known = STREAMS.get(stream.0).ok_or(CUerror::INVALID_HANDLE)?;
    if matches!(known.kind(), Kind::Legacy | Kind::PerThread) {
        return Err(CUerror::INVALID_HANDLE);
    }
    STREAMS.remove(stream.0);
    // The stream's work is finished by the device after the handle is gone.
    let end = known.flush()?;
    known.resources()?.let_depart(known.clone(), end);
    Ok(())
}

pub fn cuStreamIsCapturing(_stream: Arc<Stream>, status: Out<CUstreamCaptureStatus>) -> CUresult {
    status.write(CUstreamCaptureStatus::NONE);
    Ok(())
}

pub fn cuStreamGetCaptureInfo_v2(
    _stream: Arc<Stream>,
    status: Out<CUstreamCaptureStatus>,
    _id: Option<Out<u64>>,
    _graph: Option<Out<CUgraph>>,
    _dependencies: Option<Out<*const CUgraphNode>>,
    _count: Option<Out<usize>>,
) -> CUresult {
    // The other places are written only for a stream that is being captured.
    status.write(CUstreamCaptureStatus::NONE);
    Ok(())
}

pub fn cuStreamGetCaptureInfo_v3(
    stream: Arc<Stream>,
    status: Out<CUstreamCaptureStatus>,
    id: Option<Out<u64>>,
    graph: Option<Out<CUgraph>>,
    dependencies: Option<Out<*const CUgraphNode>>,
    _edges: Option<Out<*const CUgraphEdgeData>>,
    count: Option<Out<usize>>,
) -> CUresult {
    cuStreamGetCaptureInfo_v2(stream, status, id, graph, dependencies, count)
}

pub fn cuThreadExchangeStreamCaptureMode(mode: HostPtr) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no mode.
    crate::core::stream::exchange_capture_mode(mode)
}
