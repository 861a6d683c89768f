//! A device as the compiler sees it.

use std::sync::Arc;

use compiler::Target;

use crate::core::cache;

/// What kernels are compiled for on this device.
///
/// # Errors
/// The device's failure in the probe of its arithmetic.
pub fn of(device: &Arc<vulkan::Device>) -> Result<Target, vulkan::Error> {
    let physical = device.physical();
    let (features, subgroup) = (physical.features(), physical.subgroup());
    let wide = (subgroup.min_size..=subgroup.max_size).contains(&WARP);
    Ok(Target {
        subgroup_size: if wide { WARP } else { subgroup.default_size },
        push_constant_bytes: physical.limits().push_constants,
        float16: features.float16,
        float64: features.float64,
        explicit_shared_layout: features.workgroup_explicit_layout_8bit
            && features.workgroup_explicit_layout_16bit,
        int64_atomics: features.int64_atomics.buffer && features.int64_atomics.shared,
        float32_atomic_add: features.float32_atomic_add.buffer,
        shared_float32_atomic_add: features.float32_atomic_add.shared,
        preserve_special_values: features.float_controls.signed_zero_inf_nan_preserve.f32,
        fused_multiply_add: fuses(device)?,
        maximal_reconvergence: features.maximal_reconvergence,
        subgroup_clock: features.shader_clock_subgroup,
    })
}

/// Lanes of a warp.
const WARP: u32 = 32;

/// Whether the device's fma rounds once: Mesa's answer changed with its version,
/// so it is measured, and remembered where the cache can be written.
fn fuses(device: &Arc<vulkan::Device>) -> Result<bool, vulkan::Error> {
    let record = cache::device_record("fma", device.physical());
    let known = record
        .as_ref()
        .and_then(|record| std::fs::read(record).ok());
    match known.as_deref() {
        Some(b"fused\n") => return Ok(true),
        Some(b"apart\n") => return Ok(false),
        _ => {}
    }
    let fused = vulkan::probe_arithmetic(device)?.fma32_fused;
    if let Some(record) = record {
        // Without the record the next process measures again.
        let _ = cache::write(&record, if fused { b"fused\n" } else { b"apart\n" });
    }
    Ok(fused)
}
