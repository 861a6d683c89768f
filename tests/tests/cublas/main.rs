//! A cuBLAS by its C interface, against sums in f64.
//!
//! `CUBLAS=libcublas.so.12 TARGET=nvidia` judges NVIDIA's own by the same tests.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "sizes are a few hundred"
)]

mod arguments;
mod batch;
mod handle;
mod matrix;
mod product;
mod threads;
mod triangular;
