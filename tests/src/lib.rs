//! What tests that cross rooms have in common.
//!
//! The API tests judge a CUDA driver through its C interface and nothing else,
//! so that the same binary runs on pumice and on NVIDIA's driver. They share
//! the loader of the driver under test, processes of their own, contexts and
//! buffers, and the images they load; `unsafe` stays in those modules. The
//! container tests share [`container`].

pub mod callback;
pub mod container;
pub mod context;
pub mod cublas;
pub mod driver;
pub mod elf;
pub mod image;
pub mod kernel;
pub mod memory;
pub mod nvml;
pub mod preload;
pub mod process;
pub mod ptx;
pub mod target;
