//! A device as the compiler sees it.

use std::sync::Arc;

use compiler::Target;

use crate::core::cache;

/// What kernels are compiled for on this device.
///
/// # Errors
/// The device's failure in the probe of its arithmetic.
pub fn of(device: &Arc<vulkan::Device>) -> Result<Target, vulkan::Error> {
    Ok(target::of(device.physical(), fuses(device)?))
}

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
