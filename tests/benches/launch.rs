//! What `cuLaunchKernel` costs the calling thread, on the driver that `TARGET`
//! names: an empty kernel with 100 bytes of parameters, launched many times, each
//! call timed. Prints a table. Run by
//! `cargo build --release -p libcuda && cargo bench -p tests --bench launch [-- ROUNDS]`,
//! or carry the program and `libcuda.so` to another machine and run it there.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::ffi::c_void;
use std::ptr::null_mut;
use std::time::Instant;

use abi::cuda::{CUfunction, CUlaunchConfig, CUstream};
use tests::context::{Context, NON_BLOCKING};
use tests::image::terminated;

/// Rounds of each row unless the command line says otherwise.
const ROUNDS: usize = 300;
/// Launches of a round, after which the stream is waited for: few enough that no
/// driver's queue is full.
const LAUNCHES: usize = 100;

/// Two empty kernels with 100 bytes of parameters, as stock kernels have, and one
/// whose parameters fit no push constants.
const PTX: &str = ".version 6.0
.target sm_50
.address_size 64
.visible .entry empty(
    .param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d, .param .u64 e, .param .u64 f,
    .param .u64 g, .param .u64 h, .param .u64 i, .param .u64 j, .param .u64 k, .param .u64 l,
    .param .u32 m
) { ret; }
.visible .entry other(
    .param .u64 a, .param .u64 b, .param .u64 c, .param .u64 d, .param .u64 e, .param .u64 f,
    .param .u64 g, .param .u64 h, .param .u64 i, .param .u64 j, .param .u64 k, .param .u64 l,
    .param .u32 m
) { ret; }
.visible .entry bare() { ret; }
.visible .entry large(.param .align 8 .b8 all[2048]) { ret; }
";

/// One way to launch, timed call by call.
struct Row<'a> {
    name: &'static str,
    launch: Box<dyn FnMut(usize) + 'a>,
}

fn main() {
    // Cargo adds --bench.
    let rounds = std::env::args().find_map(|argument| argument.parse().ok());
    let context = Context::primary();
    println!("{}", context.loaded_from().display());
    println!("                                 nanoseconds a call");
    println!("launch                             p50    p90    p99     mean, with submission");
    for row in rows(&context) {
        measure(&context, row, rounds.unwrap_or(ROUNDS));
    }
}

fn rows(context: &Context) -> Vec<Row<'_>> {
    let module = context.module(&terminated(PTX));
    let function = |name| context.function(module, name);
    let (empty, other) = (function("empty"), function("other"));
    let (bare, large) = (function("bare"), function("large"));
    let stream = context.stream(NON_BLOCKING);
    let blocking = context.stream(0);
    let row = |name, launch| Row { name, launch };
    vec![
        row("100 bytes, stream", plain(context, empty, stream)),
        row(
            "100 bytes, blocking stream",
            plain(context, empty, blocking),
        ),
        row(
            "100 bytes, default stream",
            plain(context, empty, CUstream::NULL),
        ),
        row("no parameters, stream", plain(context, bare, stream)),
        row("2048 bytes, stream", plain(context, large, stream)),
        row("100 bytes, two kernels in turn", {
            let mut calls = [plain(context, empty, stream), plain(context, other, stream)];
            Box::new(move |turn| calls[turn % 2](turn))
        }),
        row("100 bytes, two blocks in turn", {
            let mut calls = [64, 128].map(|block| sized(context, empty, stream, block));
            Box::new(move |turn| calls[turn % 2](turn))
        }),
        row(
            "100 bytes, cuLaunchKernelEx",
            extended(context, empty, stream),
        ),
    ]
}

fn plain<'a>(
    context: &'a Context,
    function: CUfunction,
    stream: CUstream,
) -> Box<dyn FnMut(usize) + 'a> {
    sized(context, function, stream, 64)
}

/// `cuLaunchKernel` with one block of `block` threads.
fn sized<'a>(
    context: &'a Context,
    function: CUfunction,
    stream: CUstream,
    block: u32,
) -> Box<dyn FnMut(usize) + 'a> {
    let mut values = vec![0_u64; 256];
    Box::new(move |_| {
        let mut parameters = parameters(&mut values);
        let array = parameters.as_mut_ptr();
        context
            .cuLaunchKernel(function, 1, 1, 1, block, 1, 1, 0, stream, array, null_mut())
            .unwrap();
    })
}

fn extended<'a>(
    context: &'a Context,
    function: CUfunction,
    stream: CUstream,
) -> Box<dyn FnMut(usize) + 'a> {
    let mut values = vec![0_u64; 256];
    let config = CUlaunchConfig {
        gridDimX: 1,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: 64,
        blockDimY: 1,
        blockDimZ: 1,
        sharedMemBytes: 0,
        hStream: stream,
        attrs: null_mut(),
        numAttrs: 0,
    };
    Box::new(move |_| {
        let mut parameters = parameters(&mut values);
        let array = parameters.as_mut_ptr();
        context
            .cuLaunchKernelEx(&raw const config, function, array, null_mut())
            .unwrap();
    })
}

/// Pointers to the values of up to 13 parameters; the first may be all of them.
fn parameters(values: &mut [u64]) -> [*mut c_void; 13] {
    let start = values.as_mut_ptr();
    std::array::from_fn(|index| start.wrapping_add(index).cast())
}

/// Times each launch of a row, and all of them with the time that the thread spends
/// elsewhere in the driver: submission, in as far as a launch does it.
fn measure(context: &Context, mut row: Row<'_>, rounds: usize) {
    let mut round = |times: &mut Vec<f64>| {
        for turn in 0..LAUNCHES {
            let start = Instant::now();
            (row.launch)(turn);
            times.push(start.elapsed().as_secs_f64() * 1e9);
        }
        context.cuCtxSynchronize().unwrap();
    };
    // The first launches compile.
    round(&mut Vec::new());
    let mut times = Vec::with_capacity(rounds * LAUNCHES);
    for _ in 0..rounds {
        round(&mut times);
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let part = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!(
        "{:31} {:6.0} {:6.0} {:6.0} {mean:8.0}",
        row.name,
        part(50),
        part(90),
        part(99)
    );
}
