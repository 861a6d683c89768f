//! A Vulkan device as the compiler sees it. A room of its own, because `compiler`
//! knows nothing of Vulkan and `vulkan` nothing of kernels, and because the driver is
//! not the only one who asks: tests compile for GPUs that are not there.
#![forbid(unsafe_code)]

use std::sync::Arc;

use compiler::{Matrices, Target};

/// Lanes of a warp.
const WARP: u32 = 32;

/// What of a device's arithmetic cannot be read anywhere, because Mesa's answers
/// changed with its version: it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Whether `fma` rounds once.
    pub fused_multiply_add: bool,
    /// Whether subnormal f32 operands and results survive.
    pub keeps_subnormals: bool,
    /// Which matrices' elements lie where the compiler expects them.
    pub matrices: Matrices,
}

impl Measured {
    /// Measures a device.
    ///
    /// # Errors
    /// The device's failure in a probe.
    pub fn of(device: &Arc<vulkan::Device>) -> Result<Self, vulkan::Error> {
        let arithmetic = vulkan::probe_arithmetic(device)?;
        let matrices = vulkan::probe_matrices(device)?;
        Ok(Self {
            fused_multiply_add: arithmetic.fma32_fused,
            keeps_subnormals: arithmetic.denormals32_kept,
            matrices: Matrices {
                halves: matrices.halves,
                bytes: matrices.bytes,
            },
        })
    }
}

/// What kernels are compiled for on this device.
#[must_use]
pub fn of(physical: &vulkan::PhysicalDevice, measured: Measured) -> Target {
    let (features, subgroup) = (physical.features(), physical.subgroup());
    let wide = (subgroup.min_size..=subgroup.max_size).contains(&WARP);
    Target {
        subgroup_size: if wide { WARP } else { subgroup.default_size },
        push_constant_bytes: physical.limits().push_constants,
        float16: features.float16,
        float64: features.float64,
        explicit_shared_layout: features.workgroup_explicit_layout_8bit
            && features.workgroup_explicit_layout_16bit,
        int64_atomics: features.int64_atomics.buffer,
        shared_int64_atomics: features.int64_atomics.shared,
        float32_atomic_add: features.float32_atomic_add.buffer,
        shared_float32_atomic_add: features.float32_atomic_add.shared,
        preserve_special_values: features.float_controls.signed_zero_inf_nan_preserve.f32,
        fused_multiply_add: measured.fused_multiply_add,
        keeps_subnormals: measured.keeps_subnormals,
        exact: false,
        maximal_reconvergence: features.maximal_reconvergence,
        subgroup_clock: features.shader_clock_subgroup,
        matrices: measured.matrices,
        shared_in_buffer: physical.is_lavapipe(),
        barriers_need_all: physical.is_lavapipe(),
    }
}
