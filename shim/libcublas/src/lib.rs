//! libpumice-preload.so: the entry points that must come before those of
//! NVIDIA's libraries, which would bring code for NVIDIA's processors.
//!
//! The dynamic linker loads this library into every process of a container, so
//! it is kept to what cannot disturb one: no constructor, no thread-local
//! storage, no dependence but the C library, of which only what every version
//! has. In the `preload` profile it is built without the standard library; the
//! other profiles are for checking and for unit tests.

#![cfg_attr(panic = "abort", no_std)]

#[allow(
    non_snake_case,
    clippy::too_many_arguments,
    reason = "NVIDIA's names and signatures"
)]
mod api;
#[allow(dead_code, reason = "the library does not use every enumerator")]
#[path = "../../abi/src/cublas.rs"]
mod cublas;
#[path = "../../abi/src/cublas_api.rs"]
mod cublas_api;
mod driver;
mod exports;
mod gemm;
mod handles;
mod loader;
mod lock;
mod report;
mod scalar;
mod status;
#[path = "../../abi/src/trace_switch.rs"]
mod trace_switch;
mod trsm;

/// Nothing here panics; a compiler that thinks otherwise needs an answer.
#[cfg(all(panic = "abort", not(test)))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: abort has no preconditions.
    unsafe { libc::abort() }
}
