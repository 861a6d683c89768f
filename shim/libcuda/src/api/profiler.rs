//! Driver API manual, "Profiler Control": there is no profiler to start or stop.

use abi::CUresult;

use crate::core::context;

pub fn cuProfilerStart() -> CUresult {
    context::current().map(|_| ())
}

pub fn cuProfilerStop() -> CUresult {
    context::current().map(|_| ())
}
