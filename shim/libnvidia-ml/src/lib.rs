//! libnvidia-ml.so.1: NVIDIA's management interface for the GPUs that our
//! libcuda.so.1 offers.
//!
//! Vulkan says which devices there are, the kernel how they fare: sysfs, hwmon
//! and the DRM clients of `/proc`. What neither knows is `NVML_ERROR_NOT_SUPPORTED`,
//! the answer that NVML's callers expect of a device without that sensor.

mod api;
mod arguments;
mod core;
mod exports;
mod library;
