//! What products cost: on the driver that `TARGET` names, by the cuBLAS that
//! `CUBLAS` names, else by pumice's. Prints a table. Run by
//! `cargo build --release -p libcuda && cargo bench -p tests --bench cublas [-- RUNS]`.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::ffi::c_void;
use std::time::Instant;

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, SUCCESS, cublas};

/// Products of each row unless the command line says otherwise.
const RUNS: usize = 20;

/// A product `C(m×n) = A'(m×k) B(k×n)`, as programs multiply weights.
struct Row {
    name: &'static str,
    factors: cudaDataType,
    sizes: [i32; 3],
}

const fn row(name: &'static str, factors: cudaDataType, sizes: [i32; 3]) -> Row {
    Row {
        name,
        factors,
        sizes,
    }
}

const ROWS: [Row; 6] = [
    row("f32", CUDA_R_32F, [256, 256, 256]),
    row("f32", CUDA_R_32F, [512, 512, 512]),
    row("f16", CUDA_R_16F, [512, 512, 512]),
    row("bf16", CUDA_R_16BF, [512, 512, 512]),
    row("f32, narrow", CUDA_R_32F, [2048, 16, 2048]),
    row("f32", CUDA_R_32F, [2048, 2048, 2048]),
];

fn main() {
    // Cargo adds --bench.
    let runs = std::env::args().find_map(|argument| argument.parse().ok());
    let (context, handle) = (Context::primary(), Handle::new());
    println!("type         m × n × k           first ms   median ms   GFLOP/s");
    for row in &ROWS {
        let (first, mut times) = measure(&context, &handle, row, runs.unwrap_or(RUNS));
        times.sort_by(f64::total_cmp);
        let (median, [m, n, k]) = (times[times.len() / 2], row.sizes);
        println!(
            "{:12} {:19} {first:8.2} {median:11.3} {:9.1}",
            row.name,
            format!("{m} × {n} × {k}"),
            2e-6 * f64::from(m) * f64::from(n) * f64::from(k) / median
        );
    }
}

/// Milliseconds of the first product and of each of `runs` after it, from the call
/// to the end of its work.
fn measure(context: &Context, handle: &Handle, row: &Row, runs: usize) -> (f64, Vec<f64>) {
    let [m, n, k] = row.sizes;
    let bytes = |rows: i32, columns: i32| 4 * (rows * columns) as usize;
    let places = [bytes(k, m), bytes(k, n), bytes(m, n)].map(|size| {
        let place = context.allocate(size);
        context.cuMemsetD8_v2(place.base, 0, size).unwrap();
        place
    });
    let [a, b, c] = places
        .each_ref()
        .map(|place| std::ptr::with_exposed_provenance_mut::<c_void>(place.base.0));
    let (one, zero) = (1.0_f32, 0.0_f32);
    let multiply = || {
        let start = Instant::now();
        let status = cublas().cublasGemmEx(
            handle.0,
            CUBLAS_OP_T,
            CUBLAS_OP_N,
            m,
            n,
            k,
            (&raw const one).cast(),
            a,
            row.factors,
            k,
            b,
            row.factors,
            k,
            (&raw const zero).cast(),
            c,
            CUDA_R_32F,
            m,
            CUBLAS_COMPUTE_32F,
            CUBLAS_GEMM_DEFAULT,
        );
        assert_eq!(status, SUCCESS);
        context.cuCtxSynchronize().unwrap();
        start.elapsed().as_secs_f64() * 1e3
    };
    (multiply(), (0..runs).map(|_| multiply()).collect())
}
