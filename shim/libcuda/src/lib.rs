//! `libcuda.so.1`: the CUDA driver API on Vulkan.
//!
//! `exports` turns each row of the driver API's table into a C symbol, `api`
//! checks arguments as the manual documents, `core` holds the objects under the
//! manual's nouns and is the only room in which CUDA becomes Vulkan.

mod api;
mod core;
mod error;
mod exports;
mod handles;
mod process;
