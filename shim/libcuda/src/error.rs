//! The one place where an inner error becomes a CUDA status.
//!
//! A status is a number: what the error had to say goes to the log here, or it is
//! lost.

use abi::CUerror;
use abi::trace;

/// The status of a Vulkan failure.
pub fn cuda_error(error: &vulkan::Error) -> CUerror {
    let status = match error {
        // Running out of memory is an answer, not a surprise: programs probe.
        vulkan::Error::OutOfHostMemory { .. } | vulkan::Error::OutOfDeviceMemory { .. } => {
            trace::note(format_args!("{error}"));
            return CUerror::OUT_OF_MEMORY;
        }
        vulkan::Error::DeviceLost { .. } => CUerror::LAUNCH_FAILED,
        vulkan::Error::FeatureNotPresent { .. } => CUerror::NOT_SUPPORTED,
        vulkan::Error::NoDriver { .. } | vulkan::Error::Unsuitable(_) => CUerror::NO_DEVICE,
        vulkan::Error::InvalidArgument { .. } => CUerror::INVALID_VALUE,
        _ => CUerror::UNKNOWN,
    };
    trace::log(format_args!("{error}: returning {status}"));
    status
}
