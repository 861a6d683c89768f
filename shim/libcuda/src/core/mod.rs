//! The objects of the driver API under the manual's nouns: CUDA outward, Vulkan
//! inward.

pub mod attributes;
pub mod cache;
pub mod callback;
pub mod compiled;
pub mod context;
pub mod copy;
pub mod debug;
pub mod device;
pub mod entry_point;
pub mod event;
pub mod export_table;
pub mod fill;
pub mod function;
pub mod host_memory;
pub mod image;
pub mod integrity;
pub mod jit_options;
pub mod kernel_cache;
pub mod kernel_times;
pub mod later_runtime;
pub mod launch;
pub mod library;
pub mod memory;
pub mod module;
pub mod occupancy;
pub mod pointer_attributes;
pub mod print;
pub mod self_test;
pub mod staging;
pub mod stdio;
pub mod storage;
pub mod stream;
pub mod target;
pub mod visible_devices;
