//! The types of the CUDA driver API: handles, enumerations and structures.

#![allow(
    non_camel_case_types,
    reason = "NVIDIA's names, so that they can be found"
)]

use std::ffi::{c_char, c_void};
use std::fmt;

use crate::trace::Argument;

macro_rules! enumerations {
    ($($(#[$doc:meta])* $name:ident { $($value:ident = $number:literal),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            #[repr(transparent)]
            pub struct $name(pub u32);

            #[allow(missing_docs, non_upper_case_globals, reason = "NVIDIA's names speak for themselves")]
            impl $name {
                $(pub const $value: Self = Self($number);)*
            }

            /// The value's name, or its number if it has none here.
            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    match self.0 {
                        $($number => f.write_str(stringify!($value)),)*
                        number => write!(f, "{number}"),
                    }
                }
            }

            impl Argument for $name {
                fn show(&self, line: &mut String) {
                    line.push_str(&format!("{self:?}"));
                }
            }
        )*
    };
}

macro_rules! handles {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
            #[repr(transparent)]
            pub struct $name(pub usize);

            impl $name {
                /// The handle that names nothing, or the default.
                pub const NULL: Self = Self(0);

                /// Whether this is [`Self::NULL`].
                #[must_use]
                pub fn is_null(self) -> bool {
                    self == Self::NULL
                }
            }

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{:#x}", self.0)
                }
            }

            impl Argument for $name {
                fn show(&self, line: &mut String) {
                    line.push_str(&format!("{self:?}"));
                }
            }
        )*
    };
}

pub(crate) use {enumerations, handles};

handles! {
    /// A context of one device.
    CUcontext
    /// A loaded module.
    CUmodule
    /// A kernel of a module, in one context.
    CUfunction
    /// A library: a module for every context.
    CUlibrary
    /// A kernel of a library.
    CUkernel
    /// An ordered queue of work.
    CUstream
    /// A point in a stream.
    CUevent
    /// A graph of work.
    CUgraph
    /// A node of a graph.
    CUgraphNode
    /// An array of texels.
    CUarray
    /// An address on a device.
    CUdeviceptr
}

/// `CU_STREAM_LEGACY`: the default stream that waits for all blocking streams.
pub const CU_STREAM_LEGACY: CUstream = CUstream(1);
/// `CU_STREAM_PER_THREAD`: the calling thread's default stream.
pub const CU_STREAM_PER_THREAD: CUstream = CUstream(2);

/// The ordinal of a device in the list the process sees.
pub type CUdevice = i32;

/// A universally unique identifier, 16 raw bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(C)]
pub struct CUuuid {
    /// The bytes in the order in which they are printed.
    pub bytes: [u8; 16],
}

/// `GPU-` and the bytes in the usual grouping, as nvidia-smi prints it.
impl fmt::Display for CUuuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GPU")?;
        for (index, byte) in self.bytes.iter().enumerate() {
            let separator = if matches!(index, 0 | 4 | 6 | 8 | 10) {
                "-"
            } else {
                ""
            };
            write!(f, "{separator}{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CUuuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

enumerations! {
    /// cuDeviceGetAttribute: what is asked of a device.
    CUdevice_attribute {
        MAX_THREADS_PER_BLOCK = 1, MAX_BLOCK_DIM_X = 2, MAX_BLOCK_DIM_Y = 3, MAX_BLOCK_DIM_Z = 4,
        MAX_GRID_DIM_X = 5, MAX_GRID_DIM_Y = 6, MAX_GRID_DIM_Z = 7, MAX_SHARED_MEMORY_PER_BLOCK = 8,
        TOTAL_CONSTANT_MEMORY = 9, WARP_SIZE = 10, MAX_PITCH = 11, MAX_REGISTERS_PER_BLOCK = 12,
        CLOCK_RATE = 13, TEXTURE_ALIGNMENT = 14, GPU_OVERLAP = 15, MULTIPROCESSOR_COUNT = 16,
        KERNEL_EXEC_TIMEOUT = 17, INTEGRATED = 18, CAN_MAP_HOST_MEMORY = 19, COMPUTE_MODE = 20,
        MAXIMUM_TEXTURE1D_WIDTH = 21, MAXIMUM_TEXTURE2D_WIDTH = 22, MAXIMUM_TEXTURE2D_HEIGHT = 23,
        MAXIMUM_TEXTURE3D_WIDTH = 24, MAXIMUM_TEXTURE3D_HEIGHT = 25, MAXIMUM_TEXTURE3D_DEPTH = 26,
        MAXIMUM_TEXTURE2D_LAYERED_WIDTH = 27, MAXIMUM_TEXTURE2D_LAYERED_HEIGHT = 28,
        MAXIMUM_TEXTURE2D_LAYERED_LAYERS = 29, SURFACE_ALIGNMENT = 30, CONCURRENT_KERNELS = 31,
        ECC_ENABLED = 32, PCI_BUS_ID = 33, PCI_DEVICE_ID = 34, TCC_DRIVER = 35,
        MEMORY_CLOCK_RATE = 36, GLOBAL_MEMORY_BUS_WIDTH = 37, L2_CACHE_SIZE = 38,
        MAX_THREADS_PER_MULTIPROCESSOR = 39, ASYNC_ENGINE_COUNT = 40, UNIFIED_ADDRESSING = 41,
        MAXIMUM_TEXTURE1D_LAYERED_WIDTH = 42, MAXIMUM_TEXTURE1D_LAYERED_LAYERS = 43,
        CAN_TEX2D_GATHER = 44, MAXIMUM_TEXTURE2D_GATHER_WIDTH = 45,
        MAXIMUM_TEXTURE2D_GATHER_HEIGHT = 46, MAXIMUM_TEXTURE3D_WIDTH_ALTERNATE = 47,
        MAXIMUM_TEXTURE3D_HEIGHT_ALTERNATE = 48, MAXIMUM_TEXTURE3D_DEPTH_ALTERNATE = 49,
        PCI_DOMAIN_ID = 50, TEXTURE_PITCH_ALIGNMENT = 51, MAXIMUM_TEXTURECUBEMAP_WIDTH = 52,
        MAXIMUM_TEXTURECUBEMAP_LAYERED_WIDTH = 53, MAXIMUM_TEXTURECUBEMAP_LAYERED_LAYERS = 54,
        MAXIMUM_SURFACE1D_WIDTH = 55, MAXIMUM_SURFACE2D_WIDTH = 56, MAXIMUM_SURFACE2D_HEIGHT = 57,
        MAXIMUM_SURFACE3D_WIDTH = 58, MAXIMUM_SURFACE3D_HEIGHT = 59, MAXIMUM_SURFACE3D_DEPTH = 60,
        MAXIMUM_SURFACE1D_LAYERED_WIDTH = 61, MAXIMUM_SURFACE1D_LAYERED_LAYERS = 62,
        MAXIMUM_SURFACE2D_LAYERED_WIDTH = 63, MAXIMUM_SURFACE2D_LAYERED_HEIGHT = 64,
        MAXIMUM_SURFACE2D_LAYERED_LAYERS = 65, MAXIMUM_SURFACECUBEMAP_WIDTH = 66,
        MAXIMUM_SURFACECUBEMAP_LAYERED_WIDTH = 67, MAXIMUM_SURFACECUBEMAP_LAYERED_LAYERS = 68,
        MAXIMUM_TEXTURE1D_LINEAR_WIDTH = 69, MAXIMUM_TEXTURE2D_LINEAR_WIDTH = 70,
        MAXIMUM_TEXTURE2D_LINEAR_HEIGHT = 71, MAXIMUM_TEXTURE2D_LINEAR_PITCH = 72,
        MAXIMUM_TEXTURE2D_MIPMAPPED_WIDTH = 73, MAXIMUM_TEXTURE2D_MIPMAPPED_HEIGHT = 74,
        COMPUTE_CAPABILITY_MAJOR = 75, COMPUTE_CAPABILITY_MINOR = 76,
        MAXIMUM_TEXTURE1D_MIPMAPPED_WIDTH = 77, STREAM_PRIORITIES_SUPPORTED = 78,
        GLOBAL_L1_CACHE_SUPPORTED = 79, LOCAL_L1_CACHE_SUPPORTED = 80,
        MAX_SHARED_MEMORY_PER_MULTIPROCESSOR = 81, MAX_REGISTERS_PER_MULTIPROCESSOR = 82,
        MANAGED_MEMORY = 83, MULTI_GPU_BOARD = 84, MULTI_GPU_BOARD_GROUP_ID = 85,
        HOST_NATIVE_ATOMIC_SUPPORTED = 86, SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO = 87,
        PAGEABLE_MEMORY_ACCESS = 88, CONCURRENT_MANAGED_ACCESS = 89,
        COMPUTE_PREEMPTION_SUPPORTED = 90, CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM = 91,
        CAN_USE_STREAM_MEM_OPS_V1 = 92, CAN_USE_64_BIT_STREAM_MEM_OPS_V1 = 93,
        CAN_USE_STREAM_WAIT_VALUE_NOR_V1 = 94, COOPERATIVE_LAUNCH = 95,
        COOPERATIVE_MULTI_DEVICE_LAUNCH = 96, MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97,
        CAN_FLUSH_REMOTE_WRITES = 98, HOST_REGISTER_SUPPORTED = 99,
        PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES = 100,
        DIRECT_MANAGED_MEM_ACCESS_FROM_HOST = 101, VIRTUAL_ADDRESS_MANAGEMENT_SUPPORTED = 102,
        HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED = 103, HANDLE_TYPE_WIN32_HANDLE_SUPPORTED = 104,
        HANDLE_TYPE_WIN32_KMT_HANDLE_SUPPORTED = 105, MAX_BLOCKS_PER_MULTIPROCESSOR = 106,
        GENERIC_COMPRESSION_SUPPORTED = 107, MAX_PERSISTING_L2_CACHE_SIZE = 108,
        MAX_ACCESS_POLICY_WINDOW_SIZE = 109, GPU_DIRECT_RDMA_WITH_CUDA_VMM_SUPPORTED = 110,
        RESERVED_SHARED_MEMORY_PER_BLOCK = 111, SPARSE_CUDA_ARRAY_SUPPORTED = 112,
        READ_ONLY_HOST_REGISTER_SUPPORTED = 113, TIMELINE_SEMAPHORE_INTEROP_SUPPORTED = 114,
        MEMORY_POOLS_SUPPORTED = 115, GPU_DIRECT_RDMA_SUPPORTED = 116,
        GPU_DIRECT_RDMA_FLUSH_WRITES_OPTIONS = 117, GPU_DIRECT_RDMA_WRITES_ORDERING = 118,
        MEMPOOL_SUPPORTED_HANDLE_TYPES = 119, CLUSTER_LAUNCH = 120,
        DEFERRED_MAPPING_CUDA_ARRAY_SUPPORTED = 121, CAN_USE_64_BIT_STREAM_MEM_OPS = 122,
        CAN_USE_STREAM_WAIT_VALUE_NOR = 123, DMA_BUF_SUPPORTED = 124, IPC_EVENT_SUPPORTED = 125,
        MEM_SYNC_DOMAIN_COUNT = 126, TENSOR_MAP_ACCESS_SUPPORTED = 127,
        HANDLE_TYPE_FABRIC_SUPPORTED = 128, UNIFIED_FUNCTION_POINTERS = 129, NUMA_CONFIG = 130,
        NUMA_ID = 131, MULTICAST_SUPPORTED = 132, MPS_ENABLED = 133, HOST_NUMA_ID = 134,
        D3D12_CIG_SUPPORTED = 135, MEM_DECOMPRESS_ALGORITHM_MASK = 136,
        MEM_DECOMPRESS_MAXIMUM_LENGTH = 137, VULKAN_CIG_SUPPORTED = 138, GPU_PCI_DEVICE_ID = 139,
        GPU_PCI_SUBSYSTEM_ID = 140, HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED = 141,
        HOST_NUMA_MEMORY_POOLS_SUPPORTED = 142, HOST_NUMA_MULTINODE_IPC_SUPPORTED = 143,
        HOST_MEMORY_POOLS_SUPPORTED = 144, HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED = 145,
        HOST_ALLOC_DMA_BUF_SUPPORTED = 146, ONLY_PARTIAL_HOST_NATIVE_ATOMIC_SUPPORTED = 147,
    }
    /// cuFuncGetAttribute: what is asked of a kernel.
    CUfunction_attribute {
        MAX_THREADS_PER_BLOCK = 0, SHARED_SIZE_BYTES = 1, CONST_SIZE_BYTES = 2,
        LOCAL_SIZE_BYTES = 3, NUM_REGS = 4, PTX_VERSION = 5, BINARY_VERSION = 6, CACHE_MODE_CA = 7,
        MAX_DYNAMIC_SHARED_SIZE_BYTES = 8, PREFERRED_SHARED_MEMORY_CARVEOUT = 9,
        CLUSTER_SIZE_MUST_BE_SET = 10, REQUIRED_CLUSTER_WIDTH = 11, REQUIRED_CLUSTER_HEIGHT = 12,
        REQUIRED_CLUSTER_DEPTH = 13, NON_PORTABLE_CLUSTER_SIZE_ALLOWED = 14,
        CLUSTER_SCHEDULING_POLICY_PREFERENCE = 15,
    }
    /// cuPointerGetAttribute: what is asked of an address.
    CUpointer_attribute {
        CONTEXT = 1, MEMORY_TYPE = 2, DEVICE_POINTER = 3, HOST_POINTER = 4, P2P_TOKENS = 5,
        SYNC_MEMOPS = 6, BUFFER_ID = 7, IS_MANAGED = 8, DEVICE_ORDINAL = 9,
        IS_LEGACY_CUDA_IPC_CAPABLE = 10, RANGE_START_ADDR = 11, RANGE_SIZE = 12, MAPPED = 13,
        ALLOWED_HANDLE_TYPES = 14, IS_GPU_DIRECT_RDMA_CAPABLE = 15, ACCESS_FLAGS = 16,
        MEMPOOL_HANDLE = 17, MAPPING_SIZE = 18, MAPPING_BASE_ADDR = 19, MEMORY_BLOCK_ID = 20,
        IS_HW_DECOMPRESS_CAPABLE = 21,
    }
    /// cuCtxSetLimit: a limit of a context.
    CUlimit {
        STACK_SIZE = 0, PRINTF_FIFO_SIZE = 1, MALLOC_HEAP_SIZE = 2, DEV_RUNTIME_SYNC_DEPTH = 3,
        DEV_RUNTIME_PENDING_LAUNCH_COUNT = 4, MAX_L2_FETCH_GRANULARITY = 5,
        PERSISTING_L2_CACHE_SIZE = 6, SHMEM_SIZE = 7, CIG_ENABLED = 8,
        CIG_SHMEM_FALLBACK_ENABLED = 9,
    }
    /// cuModuleLoadDataEx: an option of the compiler.
    CUjit_option {
        MAX_REGISTERS = 0, THREADS_PER_BLOCK = 1, WALL_TIME = 2, INFO_LOG_BUFFER = 3,
        INFO_LOG_BUFFER_SIZE_BYTES = 4, ERROR_LOG_BUFFER = 5, ERROR_LOG_BUFFER_SIZE_BYTES = 6,
        OPTIMIZATION_LEVEL = 7, TARGET_FROM_CUCONTEXT = 8, TARGET = 9, FALLBACK_STRATEGY = 10,
        GENERATE_DEBUG_INFO = 11, LOG_VERBOSE = 12, GENERATE_LINE_INFO = 13, CACHE_MODE = 14,
        NEW_SM3X_OPT = 15, FAST_COMPILE = 16, GLOBAL_SYMBOL_NAMES = 17,
        GLOBAL_SYMBOL_ADDRESSES = 18, GLOBAL_SYMBOL_COUNT = 19, LTO = 20, FTZ = 21, PREC_DIV = 22,
        PREC_SQRT = 23, FMA = 24, REFERENCED_KERNEL_NAMES = 25, REFERENCED_KERNEL_COUNT = 26,
        REFERENCED_VARIABLE_NAMES = 27, REFERENCED_VARIABLE_COUNT = 28,
        OPTIMIZE_UNUSED_DEVICE_VARIABLES = 29, POSITION_INDEPENDENT_CODE = 30, MIN_CTA_PER_SM = 31,
        MAX_THREADS_PER_BLOCK = 32, OVERRIDE_DIRECTIVE_VALUES = 33, SPLIT_COMPILE = 34,
    }
    /// Where one side of a copy lies.
    CUmemorytype {
        HOST = 1, DEVICE = 2, ARRAY = 3, UNIFIED = 4,
    }
    /// cuDeviceGetP2PAttribute: what is asked of two devices.
    CUdevice_P2PAttribute {
        PERFORMANCE_RANK = 1, ACCESS_SUPPORTED = 2, NATIVE_ATOMIC_SUPPORTED = 3,
        ACCESS_ACCESS_SUPPORTED = 4, ONLY_PARTIAL_NATIVE_ATOMIC_SUPPORTED = 5,
    }
    /// Preference between shared memory and L1 cache.
    CUfunc_cache {
        PREFER_NONE = 0, PREFER_SHARED = 1, PREFER_L1 = 2, PREFER_EQUAL = 3,
    }
    /// Width of the shared-memory banks.
    CUsharedconfig {
        DEFAULT_BANK_SIZE = 0, FOUR_BYTE_BANK_SIZE = 1, EIGHT_BYTE_BANK_SIZE = 2,
    }
    /// cuLaunchKernelEx: an attribute of a launch.
    CUlaunchAttributeID {
        IGNORE = 0, ACCESS_POLICY_WINDOW = 1, COOPERATIVE = 2, SYNCHRONIZATION_POLICY = 3,
        CLUSTER_DIMENSION = 4, CLUSTER_SCHEDULING_POLICY_PREFERENCE = 5,
        PROGRAMMATIC_STREAM_SERIALIZATION = 6, PROGRAMMATIC_EVENT = 7, PRIORITY = 8,
        MEM_SYNC_DOMAIN_MAP = 9, MEM_SYNC_DOMAIN = 10, PREFERRED_CLUSTER_DIMENSION = 11,
        LAUNCH_COMPLETION_EVENT = 12, DEVICE_UPDATABLE_KERNEL_NODE = 13,
        PREFERRED_SHARED_MEMORY_CARVEOUT = 14, NVLINK_UTIL_CENTRIC_SCHEDULING = 16,
    }
    /// cuGetProcAddress: why a symbol is or is not returned.
    CUdriverProcAddressQueryResult {
        SUCCESS = 0, SYMBOL_NOT_FOUND = 1, VERSION_NOT_SUFFICIENT = 2,
    }
    /// Whether a stream is being captured into a graph.
    CUstreamCaptureStatus {
        NONE = 0, ACTIVE = 1, INVALIDATED = 2,
    }
    /// What a capturing thread may not call.
    CUstreamCaptureMode {
        GLOBAL = 0, THREAD_LOCAL = 1, RELAXED = 2,
    }
    /// cuModuleGetLoadingMode: when kernels are loaded.
    CUmoduleLoadingMode {
        EAGER_LOADING = 1, LAZY_LOADING = 2,
    }
    /// Kinds of execution affinity.
    CUexecAffinityType {
        SM_COUNT = 0,
    }
    /// cuFuncIsLoaded: whether a kernel is ready.
    CUfunctionLoadingState {
        UNLOADED = 0, LOADED = 1,
    }
    /// Element format of an array.
    CUarray_format {
        UNSIGNED_INT8 = 1, UNSIGNED_INT16 = 2, UNSIGNED_INT32 = 3, SIGNED_INT8 = 8,
        SIGNED_INT16 = 9, SIGNED_INT32 = 10, HALF = 16, FLOAT = 32, NV12 = 176, UNORM_INT8X1 = 192,
        UNORM_INT8X2 = 193, UNORM_INT8X4 = 194, UNORM_INT16X1 = 195, UNORM_INT16X2 = 196,
        UNORM_INT16X4 = 197, SNORM_INT8X1 = 198, SNORM_INT8X2 = 199, SNORM_INT8X4 = 200,
        SNORM_INT16X1 = 201, SNORM_INT16X2 = 202, SNORM_INT16X4 = 203, BC1_UNORM = 145,
        BC1_UNORM_SRGB = 146, BC2_UNORM = 147, BC2_UNORM_SRGB = 148, BC3_UNORM = 149,
        BC3_UNORM_SRGB = 150, BC4_UNORM = 151, BC4_SNORM = 152, BC5_UNORM = 153, BC5_SNORM = 154,
        BC6H_UF16 = 155, BC6H_SF16 = 156, BC7_UNORM = 157, BC7_UNORM_SRGB = 158, P010 = 159,
        P016 = 161, NV16 = 162, P210 = 163, P216 = 164, YUY2 = 165, Y210 = 166, Y216 = 167,
        AYUV = 168, Y410 = 169, Y416 = 177, Y444_PLANAR8 = 178, Y444_PLANAR10 = 179,
        YUV444_8bit_SemiPlanar = 180, YUV444_16bit_SemiPlanar = 181, UNORM_INT_101010_2 = 80,
    }
    /// cuLibraryLoadData: an option of a library.
    CUlibraryOption {
        HOST_UNIVERSAL_FUNCTION_AND_DATA_TABLE = 0, BINARY_IS_PRESERVED = 1,
    }
    /// Who may use a device.
    CUcomputemode {
        DEFAULT = 0, PROHIBITED = 2, EXCLUSIVE_PROCESS = 3,
    }
}

/// `cuStreamAddCallback`'s callback: (stream, status, user data).
pub type CUstreamCallback = Option<unsafe extern "C" fn(CUstream, u32, *mut c_void)>;
/// `cuLaunchHostFunc`'s callback: (user data).
pub type CUhostFn = Option<unsafe extern "C" fn(*mut c_void)>;
/// Dynamic shared memory in bytes for a block size.
pub type CUoccupancyB2DSize = Option<unsafe extern "C" fn(i32) -> usize>;

/// `cuMemcpy2D`: one rectangle of bytes, from source to destination.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, non_snake_case, reason = "NVIDIA's field names")]
pub struct CUDA_MEMCPY2D {
    pub srcXInBytes: usize,
    pub srcY: usize,
    pub srcMemoryType: CUmemorytype,
    pub srcHost: *const c_void,
    pub srcDevice: CUdeviceptr,
    pub srcArray: CUarray,
    pub srcPitch: usize,
    pub dstXInBytes: usize,
    pub dstY: usize,
    pub dstMemoryType: CUmemorytype,
    pub dstHost: *mut c_void,
    pub dstDevice: CUdeviceptr,
    pub dstArray: CUarray,
    pub dstPitch: usize,
    pub WidthInBytes: usize,
    pub Height: usize,
}

/// `cuMemcpy3D`: one box of bytes, from source to destination.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, non_snake_case, reason = "NVIDIA's field names")]
pub struct CUDA_MEMCPY3D {
    pub srcXInBytes: usize,
    pub srcY: usize,
    pub srcZ: usize,
    pub srcLOD: usize,
    pub srcMemoryType: CUmemorytype,
    pub srcHost: *const c_void,
    pub srcDevice: CUdeviceptr,
    pub srcArray: CUarray,
    pub reserved0: *mut c_void,
    pub srcPitch: usize,
    pub srcHeight: usize,
    pub dstXInBytes: usize,
    pub dstY: usize,
    pub dstZ: usize,
    pub dstLOD: usize,
    pub dstMemoryType: CUmemorytype,
    pub dstHost: *mut c_void,
    pub dstDevice: CUdeviceptr,
    pub dstArray: CUarray,
    pub reserved1: *mut c_void,
    pub dstPitch: usize,
    pub dstHeight: usize,
    pub WidthInBytes: usize,
    pub Height: usize,
    pub Depth: usize,
}

/// `cuDeviceGetProperties`: the properties of CUDA 1.0.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
#[allow(missing_docs, non_snake_case, reason = "NVIDIA's field names")]
pub struct CUdevprop {
    pub maxThreadsPerBlock: i32,
    pub maxThreadsDim: [i32; 3],
    pub maxGridSize: [i32; 3],
    pub sharedMemPerBlock: i32,
    pub totalConstantMemory: i32,
    pub SIMDWidth: i32,
    pub memPitch: i32,
    pub regsPerBlock: i32,
    pub clockRate: i32,
    pub textureAlign: i32,
}

/// One attribute of a launch; the value's meaning depends on `id`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "NVIDIA's field names")]
pub struct CUlaunchAttribute {
    pub id: CUlaunchAttributeID,
    pub pad: u32,
    pub value: [u64; 8],
}

/// `cuLaunchKernelEx`: grid, block, shared memory, stream and attributes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, non_snake_case, reason = "NVIDIA's field names")]
pub struct CUlaunchConfig {
    pub gridDimX: u32,
    pub gridDimY: u32,
    pub gridDimZ: u32,
    pub blockDimX: u32,
    pub blockDimY: u32,
    pub blockDimZ: u32,
    pub sharedMemBytes: u32,
    pub hStream: CUstream,
    pub attrs: *mut CUlaunchAttribute,
    pub numAttrs: u32,
}

/// `cuCtxCreate_v3`: how many multiprocessors a context may use.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "NVIDIA's field names")]
pub struct CUexecAffinityParam {
    pub type_: CUexecAffinityType,
    pub sm_count: u32,
}

/// `cuCtxCreate_v4`: execution affinity and graphics interoperation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, non_snake_case, reason = "NVIDIA's field names")]
pub struct CUctxCreateParams {
    pub execAffinityParams: *mut CUexecAffinityParam,
    pub numExecAffinityParams: i32,
    pub cigParams: *mut c_void,
}

/// Ports and type of an edge of a graph.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[allow(missing_docs, reason = "NVIDIA's field names")]
pub struct CUgraphEdgeData {
    pub from_port: u8,
    pub to_port: u8,
    pub type_: u8,
    pub reserved: [u8; 5],
}

/// The address of an exported function, as handed to `cuGetProcAddress`'s caller.
pub type Address = *mut c_void;

/// A NUL-terminated string that lives as long as the library.
pub type StaticStr = *const c_char;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_size_of_the_c_header() {
        assert_eq!(size_of::<CUDA_MEMCPY2D>(), 128);
        assert_eq!(size_of::<CUDA_MEMCPY3D>(), 200);
        assert_eq!(size_of::<CUdevprop>(), 56);
        assert_eq!(size_of::<CUlaunchAttribute>(), 72);
        assert_eq!(size_of::<CUlaunchConfig>(), 56);
    }

    #[test]
    fn a_uuid_prints_as_nvidia_smi_prints_it() {
        let uuid = CUuuid {
            bytes: std::array::from_fn(|i| i as u8),
        };
        assert_eq!(uuid.to_string(), "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
