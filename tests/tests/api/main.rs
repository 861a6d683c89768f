//! The driver API, one module for each chapter of its manual.
//!
//! The tests state what the manual says. They run on pumice and on NVIDIA's
//! driver alike (`TARGET`); what only pumice promises lies in modules named
//! `on_pumice`.

mod compilation;
mod context;
mod copy;
mod copy_pitched;
mod device;
mod diagnostics;
mod entry_point;
mod error;
mod event;
mod exact;
mod execution;
mod export_table;
mod fat_binary;
mod faults;
mod host_memory;
mod initialization;
mod jit_log;
mod launch;
mod library;
mod memory;
mod memset;
mod module;
mod occupancy;
mod peer;
mod primary_context;
mod profiler;
mod stream;
mod stream_order;
mod threads;
mod unified_addressing;
mod visible_devices;

use abi::cuda::CUfunction;
use tests::context::Context;
use tests::image::{self, terminated};

/// A kernel of the image that most tests load.
fn function(context: &Context, name: &str) -> CUfunction {
    context.function(context.module(&terminated(image::PTX)), name)
}

/// Checks a property of `cases` values from `strategy`, the same ones in every run.
fn property<S: proptest::strategy::Strategy>(cases: u32, strategy: &S, check: impl Fn(S::Value)) {
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, rng).run(strategy, |value| {
        check(value);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
