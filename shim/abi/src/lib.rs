//! The C side of pumice: the types of NVIDIA's driver, management and BLAS
//! interfaces, one table for each that lists every entry point, and the call
//! trace that all three libraries share.
//!
//! Names and layouts follow NVIDIA's headers; everything here is plain data.

pub mod cublas;
mod cublas_api;
pub mod cuda;
mod driver_api;
pub mod error;
pub mod nvml;
mod nvml_api;
pub mod nvml_error;
pub mod out;
pub mod persona;
pub mod trace;
mod trace_switch;

pub use error::CUerror;
pub use nvml_error::NvmlError;
pub use out::{InOut, NullPointer, Out, OutSlice};

/// What a driver entry point hands back to C: 0 for success, else a [`CUerror`].
///
/// `Result<(), CUerror>` has the layout of `CUresult` (a 32-bit enumeration),
/// because `CUerror` is a transparent non-zero integer.
pub type CUresult = Result<(), CUerror>;

/// What an NVML entry point hands back to C: 0 for success, else an [`NvmlError`].
#[allow(
    non_camel_case_types,
    reason = "NVIDIA's name, so that it can be found"
)]
pub type nvmlReturn_t = Result<(), NvmlError>;

const _: () = assert!(size_of::<nvmlReturn_t>() == size_of::<u32>());
const _: () = assert!(size_of::<CUresult>() == size_of::<u32>());
