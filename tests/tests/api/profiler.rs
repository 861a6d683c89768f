//! Profiler control: without a profiler, calls that do nothing.

use abi::CUerror;
use tests::context::{Context, initialized};

#[test]
fn profiling_starts_and_stops() {
    let context = Context::primary();
    for _ in 0..2 {
        assert_eq!(context.cuProfilerStart(), Ok(()));
    }
    for _ in 0..2 {
        assert_eq!(context.cuProfilerStop(), Ok(()));
    }
    context.assert_works();
}

#[test]
fn profiling_needs_a_context() {
    let driver = initialized();
    assert_eq!(driver.cuProfilerStart(), Err(CUerror::INVALID_CONTEXT));
    assert_eq!(driver.cuProfilerStop(), Err(CUerror::INVALID_CONTEXT));
}
