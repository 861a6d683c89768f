//! Whether a driver computes at all, found out before anyone relies on it.

use std::sync::Arc;

use serde::Serialize;

use crate::device::Device;
use crate::error::Error;

/// What the self-test saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Nanoseconds that the test took on the host.
    pub nanoseconds: u64,
}

/// Runs a small shader and checks what it wrote.
pub fn self_test(_device: &Arc<Device>) -> Result<Findings, Error> {
    Err(Error::FeatureNotPresent {
        feature: "self-test".into(),
    })
}
