//! Several threads at once.

use std::thread;

use abi::cublas::*;
use tests::context::Context;
use tests::cublas::{Handle, SUCCESS, cublas};

use crate::matrix::{Element, Matrix};

/// Squares a matrix of ones on a handle, and compares.
fn square(context: &Context, handle: cublasHandle_t, size: usize) {
    let ones = Matrix::random(Element::F32, size, size, 0, 1).filled(1.0);
    let (from, to) = (ones.upload(context), ones.upload(context));
    let (one, zero) = (1.0_f32, 0.0_f32);
    let order = size as i32;
    let status = cublas().cublasSgemm_v2(
        handle,
        CUBLAS_OP_N,
        CUBLAS_OP_N,
        order,
        order,
        order,
        &raw const one,
        from.base.0 as *const f32,
        order,
        from.base.0 as *const f32,
        order,
        &raw const zero,
        to.base.0 as *mut f32,
        order,
    );
    assert_eq!(status, SUCCESS);
    context.cuCtxSynchronize().unwrap();
    let result = ones.download(&to.read());
    for column in 0..size {
        assert_eq!(result.at(column / 2, column), size as f64);
    }
}

#[test]
fn threads_with_handles_of_their_own_do_not_disturb_each_other() {
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let context = Context::primary();
                for round in 0..8 {
                    let handle = Handle::new();
                    square(&context, handle.0, 20 + thread + round);
                }
            });
        }
    });
}

#[test]
fn threads_may_share_a_handle() {
    let context = Context::primary();
    let handle = Handle::new();
    let shared = handle.0 as usize;
    thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                let context = Context::primary();
                for round in 0..8 {
                    square(&context, shared as cublasHandle_t, 30 + thread + round);
                }
            });
        }
    });
    drop(context);
}
