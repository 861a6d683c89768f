//! The C side of pumice: the types of NVIDIA's driver, management and BLAS
//! interfaces, one table for each that lists every entry point, and the call
//! trace that all three libraries share.
//!
//! Names and layouts follow NVIDIA's headers; everything here is plain data.

pub mod cuda;
mod driver_api;
pub mod error;
pub mod identity;
pub mod out;
pub mod persona;
pub mod trace;

pub use error::CUerror;
pub use out::{NullPointer, Out, OutSlice};

/// What a driver entry point hands back to C: 0 for success, else a [`CUerror`].
///
/// `Result<(), CUerror>` has the layout of `CUresult` (a 32-bit enumeration),
/// because `CUerror` is a transparent non-zero integer.
pub type CUresult = Result<(), CUerror>;

const _: () = assert!(size_of::<CUresult>() == size_of::<u32>());
