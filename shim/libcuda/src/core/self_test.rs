//! Whether a device computes what its driver says, before any program sees it.
//!
//! CUDA is preferred over back ends that work, so a device that computes wrongly
//! does harm: it is not listed. A device that passed once, with this driver and
//! this version of pumice, is not tested again where the cache can be written.

use abi::trace;

use crate::core::cache;

/// Tests a device unless the cache knows that it passed.
///
/// # Errors
/// Why the device must not be used.
pub fn pass(
    physical: &vulkan::PhysicalDevice,
    open: impl FnOnce() -> Result<std::sync::Arc<vulkan::Device>, vulkan::Error>,
) -> Result<(), vulkan::Error> {
    let record = cache::device_record("self-test", physical);
    if record.as_ref().is_some_and(|record| record.exists()) {
        return Ok(());
    }
    let findings = vulkan::self_test(&open()?)?;
    trace::note(format_args!(
        "self-test of {} passed in {:.1} ms",
        physical.name(),
        findings.duration.as_secs_f64() * 1e3
    ));
    if let Some(record) = record {
        // Without the record the next process tests again.
        let _ = cache::write(&record, b"passed\n");
    }
    Ok(())
}
