//! The one error type of this crate. A caller maps its variants to its own
//! API's codes, so each Vulkan result that callers treat differently has a
//! variant, and the rest arrive as [`Error::Call`].

use std::fmt;
use std::path::PathBuf;

use ash::vk;

use crate::suitability::Unsuitable;

/// What failed, on what, and where there is one, what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("no Vulkan driver: {searched}")]
    NoDriver { searched: String },
    #[error("driver manifest {path}: {reason}", path = path.display())]
    Manifest { path: PathBuf, reason: String },
    #[error("Vulkan driver {driver}: {reason}")]
    Driver { driver: String, reason: String },
    #[error(transparent)]
    Unsuitable(#[from] Unsuitable),
    #[error("{call}: out of host memory")]
    OutOfHostMemory { call: &'static str },
    #[error("out of device memory: {what}")]
    OutOfDeviceMemory { what: String },
    #[error("{call}: the device is lost")]
    DeviceLost { call: &'static str },
    #[error("the device does not offer {feature}")]
    FeatureNotPresent { feature: String },
    #[error("invalid argument: {what}")]
    InvalidArgument { what: String },
    #[error("pipeline cache {path}: {reason}", path = path.display())]
    Cache { path: PathBuf, reason: String },
    #[error("self-test of {device} failed: {reason}")]
    SelfTest { device: String, reason: String },
    #[error("{call}: {result}")]
    Call {
        call: &'static str,
        result: ResultCode,
    },
}

/// A `VkResult` that has no variant of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ResultCode(pub i32);

impl fmt::Display for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VkResult {:?} ({})",
            vk::Result::from_raw(self.0),
            self.0
        )
    }
}

impl fmt::Debug for ResultCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Narrows the result of `call` to the variant a caller tells apart.
    pub(crate) fn of(call: &'static str, result: vk::Result) -> Error {
        match result {
            vk::Result::ERROR_OUT_OF_HOST_MEMORY => Error::OutOfHostMemory { call },
            vk::Result::ERROR_OUT_OF_DEVICE_MEMORY => Error::OutOfDeviceMemory {
                what: call.to_owned(),
            },
            vk::Result::ERROR_DEVICE_LOST => Error::DeviceLost { call },
            vk::Result::ERROR_FEATURE_NOT_PRESENT | vk::Result::ERROR_EXTENSION_NOT_PRESENT => {
                Error::FeatureNotPresent {
                    feature: format!("what {call} asked for"),
                }
            }
            other => Error::Call {
                call,
                result: ResultCode(other.as_raw()),
            },
        }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Error {
        Error::InvalidArgument { what: what.into() }
    }

    /// Whether freeing memory might make the same call succeed.
    pub fn is_out_of_memory(&self) -> bool {
        matches!(
            self,
            Error::OutOfHostMemory { .. } | Error::OutOfDeviceMemory { .. }
        )
    }
}

/// `result.at("vkAllocateMemory")?`: names the call that a result came from.
pub(crate) trait At<T> {
    fn at(self, call: &'static str) -> Result<T, Error>;
}

impl<T> At<T> for Result<T, vk::Result> {
    fn at(self, call: &'static str) -> Result<T, Error> {
        self.map_err(|result| Error::of(call, result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_callers_tell_apart_have_their_own_variant() {
        let lost = Error::of("vkQueueSubmit2", vk::Result::ERROR_DEVICE_LOST);
        assert_eq!(
            lost,
            Error::DeviceLost {
                call: "vkQueueSubmit2"
            }
        );
        assert!(
            Error::of("vkAllocateMemory", vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)
                .is_out_of_memory()
        );
        let other = Error::of("vkCreateDevice", vk::Result::ERROR_TOO_MANY_OBJECTS);
        assert_eq!(
            other.to_string(),
            "vkCreateDevice: VkResult ERROR_TOO_MANY_OBJECTS (-10)"
        );
    }
}
