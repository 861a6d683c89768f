//! CUDA's status codes, their names and what they mean.

use std::ffi::CStr;
use std::fmt;
use std::num::NonZeroU32;

use crate::{CUresult, NullPointer};

/// A status other than success: a `CUresult` that is not `CUDA_SUCCESS`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct CUerror(NonZeroU32);

/// `CUDA_SUCCESS` as C sees it.
pub const CUDA_SUCCESS: u32 = 0;

macro_rules! statuses {
    ($($name:ident = $number:literal: $symbol:literal, $description:literal;)*) => {
        #[allow(missing_docs, reason = "each is described in its row")]
        impl CUerror {
            $(pub const $name: Self = Self(NonZeroU32::new($number).unwrap());)*
        }

        /// Name and description of a status; `None` if CUDA has no such status.
        #[must_use]
        pub fn describe(status: u32) -> Option<(&'static CStr, &'static CStr)> {
            match status {
                CUDA_SUCCESS => Some((c"CUDA_SUCCESS", c"no error")),
                $($number => Some(($symbol, $description)),)*
                _ => None,
            }
        }
    };
}

statuses! {
    INVALID_VALUE = 1: c"CUDA_ERROR_INVALID_VALUE", c"invalid argument";
    OUT_OF_MEMORY = 2: c"CUDA_ERROR_OUT_OF_MEMORY", c"out of memory";
    NOT_INITIALIZED = 3: c"CUDA_ERROR_NOT_INITIALIZED", c"the driver is not initialized: call cuInit first";
    DEINITIALIZED = 4: c"CUDA_ERROR_DEINITIALIZED", c"the driver is shutting down";
    PROFILER_DISABLED = 5: c"CUDA_ERROR_PROFILER_DISABLED", c"the profiler is disabled";
    PROFILER_NOT_INITIALIZED = 6: c"CUDA_ERROR_PROFILER_NOT_INITIALIZED", c"profiler not initialized";
    PROFILER_ALREADY_STARTED = 7: c"CUDA_ERROR_PROFILER_ALREADY_STARTED", c"profiler already started";
    PROFILER_ALREADY_STOPPED = 8: c"CUDA_ERROR_PROFILER_ALREADY_STOPPED", c"profiler already stopped";
    STUB_LIBRARY = 34: c"CUDA_ERROR_STUB_LIBRARY", c"the loaded libcuda is a stub";
    CALL_REQUIRES_NEWER_DRIVER = 36: c"CUDA_ERROR_CALL_REQUIRES_NEWER_DRIVER", c"the call needs a newer driver";
    DEVICE_UNAVAILABLE = 46: c"CUDA_ERROR_DEVICE_UNAVAILABLE", c"the device is busy or unavailable";
    NO_DEVICE = 100: c"CUDA_ERROR_NO_DEVICE", c"no CUDA-capable device is detected";
    INVALID_DEVICE = 101: c"CUDA_ERROR_INVALID_DEVICE", c"invalid device ordinal";
    DEVICE_NOT_LICENSED = 102: c"CUDA_ERROR_DEVICE_NOT_LICENSED", c"device not licensed";
    INVALID_IMAGE = 200: c"CUDA_ERROR_INVALID_IMAGE", c"the image is not a valid module";
    INVALID_CONTEXT = 201: c"CUDA_ERROR_INVALID_CONTEXT", c"invalid device context";
    CONTEXT_ALREADY_CURRENT = 202: c"CUDA_ERROR_CONTEXT_ALREADY_CURRENT", c"context already current";
    MAP_FAILED = 205: c"CUDA_ERROR_MAP_FAILED", c"map failed";
    UNMAP_FAILED = 206: c"CUDA_ERROR_UNMAP_FAILED", c"unmap failed";
    ARRAY_IS_MAPPED = 207: c"CUDA_ERROR_ARRAY_IS_MAPPED", c"array is mapped";
    ALREADY_MAPPED = 208: c"CUDA_ERROR_ALREADY_MAPPED", c"already mapped";
    NO_BINARY_FOR_GPU = 209: c"CUDA_ERROR_NO_BINARY_FOR_GPU", c"the module holds no code for this device";
    ALREADY_ACQUIRED = 210: c"CUDA_ERROR_ALREADY_ACQUIRED", c"already acquired";
    NOT_MAPPED = 211: c"CUDA_ERROR_NOT_MAPPED", c"not mapped";
    NOT_MAPPED_AS_ARRAY = 212: c"CUDA_ERROR_NOT_MAPPED_AS_ARRAY", c"not mapped as array";
    NOT_MAPPED_AS_POINTER = 213: c"CUDA_ERROR_NOT_MAPPED_AS_POINTER", c"not mapped as pointer";
    ECC_UNCORRECTABLE = 214: c"CUDA_ERROR_ECC_UNCORRECTABLE", c"ecc uncorrectable";
    UNSUPPORTED_LIMIT = 215: c"CUDA_ERROR_UNSUPPORTED_LIMIT", c"the device does not support this limit";
    CONTEXT_ALREADY_IN_USE = 216: c"CUDA_ERROR_CONTEXT_ALREADY_IN_USE", c"context already in use";
    PEER_ACCESS_UNSUPPORTED = 217: c"CUDA_ERROR_PEER_ACCESS_UNSUPPORTED", c"peer access is not supported between these devices";
    INVALID_PTX = 218: c"CUDA_ERROR_INVALID_PTX", c"the PTX could not be compiled";
    INVALID_GRAPHICS_CONTEXT = 219: c"CUDA_ERROR_INVALID_GRAPHICS_CONTEXT", c"invalid graphics context";
    NVLINK_UNCORRECTABLE = 220: c"CUDA_ERROR_NVLINK_UNCORRECTABLE", c"nvlink uncorrectable";
    JIT_COMPILER_NOT_FOUND = 221: c"CUDA_ERROR_JIT_COMPILER_NOT_FOUND", c"the PTX compiler is missing";
    UNSUPPORTED_PTX_VERSION = 222: c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION", c"the PTX is of an unsupported version";
    JIT_COMPILATION_DISABLED = 223: c"CUDA_ERROR_JIT_COMPILATION_DISABLED", c"jit compilation disabled";
    UNSUPPORTED_EXEC_AFFINITY = 224: c"CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY", c"unsupported exec affinity";
    UNSUPPORTED_DEVSIDE_SYNC = 225: c"CUDA_ERROR_UNSUPPORTED_DEVSIDE_SYNC", c"unsupported devside sync";
    CONTAINED = 226: c"CUDA_ERROR_CONTAINED", c"contained";
    INVALID_SOURCE = 300: c"CUDA_ERROR_INVALID_SOURCE", c"the source is invalid";
    FILE_NOT_FOUND = 301: c"CUDA_ERROR_FILE_NOT_FOUND", c"file not found";
    SHARED_OBJECT_SYMBOL_NOT_FOUND = 302: c"CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND", c"shared object symbol not found";
    SHARED_OBJECT_INIT_FAILED = 303: c"CUDA_ERROR_SHARED_OBJECT_INIT_FAILED", c"shared object init failed";
    OPERATING_SYSTEM = 304: c"CUDA_ERROR_OPERATING_SYSTEM", c"a call to the operating system failed";
    INVALID_HANDLE = 400: c"CUDA_ERROR_INVALID_HANDLE", c"invalid resource handle";
    ILLEGAL_STATE = 401: c"CUDA_ERROR_ILLEGAL_STATE", c"the resource is not in a state for this operation";
    LOSSY_QUERY = 402: c"CUDA_ERROR_LOSSY_QUERY", c"lossy query";
    NOT_FOUND = 500: c"CUDA_ERROR_NOT_FOUND", c"named symbol not found";
    NOT_READY = 600: c"CUDA_ERROR_NOT_READY", c"the device is not ready: work is still running";
    ILLEGAL_ADDRESS = 700: c"CUDA_ERROR_ILLEGAL_ADDRESS", c"an illegal memory access was encountered";
    LAUNCH_OUT_OF_RESOURCES = 701: c"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", c"the launch needs more resources than the device has";
    LAUNCH_TIMEOUT = 702: c"CUDA_ERROR_LAUNCH_TIMEOUT", c"the launch timed out and was ended";
    LAUNCH_INCOMPATIBLE_TEXTURING = 703: c"CUDA_ERROR_LAUNCH_INCOMPATIBLE_TEXTURING", c"launch incompatible texturing";
    PEER_ACCESS_ALREADY_ENABLED = 704: c"CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED", c"peer access is already enabled";
    PEER_ACCESS_NOT_ENABLED = 705: c"CUDA_ERROR_PEER_ACCESS_NOT_ENABLED", c"peer access is not enabled";
    PRIMARY_CONTEXT_ACTIVE = 708: c"CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE", c"the primary context is already active";
    CONTEXT_IS_DESTROYED = 709: c"CUDA_ERROR_CONTEXT_IS_DESTROYED", c"the context was destroyed";
    ASSERT = 710: c"CUDA_ERROR_ASSERT", c"an assertion failed in a kernel";
    TOO_MANY_PEERS = 711: c"CUDA_ERROR_TOO_MANY_PEERS", c"too many peers";
    HOST_MEMORY_ALREADY_REGISTERED = 712: c"CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED", c"part of the host memory is already registered";
    HOST_MEMORY_NOT_REGISTERED = 713: c"CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED", c"the host memory is not registered";
    HARDWARE_STACK_ERROR = 714: c"CUDA_ERROR_HARDWARE_STACK_ERROR", c"hardware stack error";
    ILLEGAL_INSTRUCTION = 715: c"CUDA_ERROR_ILLEGAL_INSTRUCTION", c"a kernel executed an illegal instruction";
    MISALIGNED_ADDRESS = 716: c"CUDA_ERROR_MISALIGNED_ADDRESS", c"misaligned address";
    INVALID_ADDRESS_SPACE = 717: c"CUDA_ERROR_INVALID_ADDRESS_SPACE", c"invalid address space";
    INVALID_PC = 718: c"CUDA_ERROR_INVALID_PC", c"invalid pc";
    LAUNCH_FAILED = 719: c"CUDA_ERROR_LAUNCH_FAILED", c"a kernel failed: the context cannot be used any more";
    COOPERATIVE_LAUNCH_TOO_LARGE = 720: c"CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE", c"too many blocks for a cooperative launch";
    TENSOR_MEMORY_LEAK = 721: c"CUDA_ERROR_TENSOR_MEMORY_LEAK", c"tensor memory leak";
    NOT_PERMITTED = 800: c"CUDA_ERROR_NOT_PERMITTED", c"operation not permitted";
    NOT_SUPPORTED = 801: c"CUDA_ERROR_NOT_SUPPORTED", c"operation not supported";
    SYSTEM_NOT_READY = 802: c"CUDA_ERROR_SYSTEM_NOT_READY", c"system not ready";
    SYSTEM_DRIVER_MISMATCH = 803: c"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", c"system driver mismatch";
    COMPAT_NOT_SUPPORTED_ON_DEVICE = 804: c"CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE", c"compat not supported on device";
    MPS_CONNECTION_FAILED = 805: c"CUDA_ERROR_MPS_CONNECTION_FAILED", c"mps connection failed";
    MPS_RPC_FAILURE = 806: c"CUDA_ERROR_MPS_RPC_FAILURE", c"mps rpc failure";
    MPS_SERVER_NOT_READY = 807: c"CUDA_ERROR_MPS_SERVER_NOT_READY", c"mps server not ready";
    MPS_MAX_CLIENTS_REACHED = 808: c"CUDA_ERROR_MPS_MAX_CLIENTS_REACHED", c"mps max clients reached";
    MPS_MAX_CONNECTIONS_REACHED = 809: c"CUDA_ERROR_MPS_MAX_CONNECTIONS_REACHED", c"mps max connections reached";
    MPS_CLIENT_TERMINATED = 810: c"CUDA_ERROR_MPS_CLIENT_TERMINATED", c"mps client terminated";
    CDP_NOT_SUPPORTED = 811: c"CUDA_ERROR_CDP_NOT_SUPPORTED", c"cdp not supported";
    CDP_VERSION_MISMATCH = 812: c"CUDA_ERROR_CDP_VERSION_MISMATCH", c"cdp version mismatch";
    STREAM_CAPTURE_UNSUPPORTED = 900: c"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", c"not permitted while the stream is captured";
    STREAM_CAPTURE_INVALIDATED = 901: c"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED", c"stream capture invalidated";
    STREAM_CAPTURE_MERGE = 902: c"CUDA_ERROR_STREAM_CAPTURE_MERGE", c"stream capture merge";
    STREAM_CAPTURE_UNMATCHED = 903: c"CUDA_ERROR_STREAM_CAPTURE_UNMATCHED", c"stream capture unmatched";
    STREAM_CAPTURE_UNJOINED = 904: c"CUDA_ERROR_STREAM_CAPTURE_UNJOINED", c"stream capture unjoined";
    STREAM_CAPTURE_ISOLATION = 905: c"CUDA_ERROR_STREAM_CAPTURE_ISOLATION", c"stream capture isolation";
    STREAM_CAPTURE_IMPLICIT = 906: c"CUDA_ERROR_STREAM_CAPTURE_IMPLICIT", c"stream capture implicit";
    CAPTURED_EVENT = 907: c"CUDA_ERROR_CAPTURED_EVENT", c"captured event";
    STREAM_CAPTURE_WRONG_THREAD = 908: c"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD", c"stream capture wrong thread";
    TIMEOUT = 909: c"CUDA_ERROR_TIMEOUT", c"timeout";
    GRAPH_EXEC_UPDATE_FAILURE = 910: c"CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE", c"graph exec update failure";
    EXTERNAL_DEVICE = 911: c"CUDA_ERROR_EXTERNAL_DEVICE", c"external device";
    INVALID_CLUSTER_SIZE = 912: c"CUDA_ERROR_INVALID_CLUSTER_SIZE", c"invalid cluster size";
    FUNCTION_NOT_LOADED = 913: c"CUDA_ERROR_FUNCTION_NOT_LOADED", c"function not loaded";
    INVALID_RESOURCE_TYPE = 914: c"CUDA_ERROR_INVALID_RESOURCE_TYPE", c"invalid resource type";
    INVALID_RESOURCE_CONFIGURATION = 915: c"CUDA_ERROR_INVALID_RESOURCE_CONFIGURATION", c"invalid resource configuration";
    KEY_ROTATION = 916: c"CUDA_ERROR_KEY_ROTATION", c"key rotation";
    UNKNOWN = 999: c"CUDA_ERROR_UNKNOWN", c"unknown error";
}

impl CUerror {
    /// The number C sees.
    #[must_use]
    pub fn code(self) -> u32 {
        self.0.get()
    }

    /// The error of a status that a callback or another library returned.
    #[must_use]
    pub fn from_code(status: u32) -> Option<Self> {
        NonZeroU32::new(status).map(Self)
    }
}

impl fmt::Display for CUerror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match describe(self.code()) {
            Some((name, _)) => f.write_str(&name.to_string_lossy()),
            None => write!(f, "CUresult({})", self.code()),
        }
    }
}

impl fmt::Debug for CUerror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for CUerror {}

/// The driver API's answer to a null pointer where a value is required.
impl From<NullPointer> for CUerror {
    fn from(_: NullPointer) -> Self {
        Self::INVALID_VALUE
    }
}

/// The number C sees for a result.
#[must_use]
pub fn status(result: CUresult) -> u32 {
    result.map_or_else(CUerror::code, |()| CUDA_SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_the_numbers_of_the_c_enumeration() {
        assert_eq!(status(Ok(())), 0);
        assert_eq!(status(Err(CUerror::NO_DEVICE)), 100);
        // SAFETY: `CUresult` is transparent over a non-zero u32 with a niche.
        let seen = unsafe { std::mem::transmute::<CUresult, u32>(Err(CUerror::UNKNOWN)) };
        assert_eq!(seen, 999);
    }
}
