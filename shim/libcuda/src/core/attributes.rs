//! What a device answers to `cuDeviceGetAttribute`.
//!
//! Sizes of the programming model follow the compute capability that the device
//! claims (CUDA programming guide, "Technical Specifications per Compute
//! Capability"), within what the Vulkan device can do; capabilities that programs
//! branch on are those we have. Texture and surface limits stay 0: there are none.

use abi::cuda::CUdevice_attribute as Attribute;
use abi::persona::Persona;
use identity::{Identity, Kind};

/// What the attributes of one device follow from.
pub struct Traits {
    pub persona: Persona,
    pub identity: Identity,
    pub compute_units: u32,
    /// In bytes, for one block.
    pub shared_memory: u32,
    pub workgroup_invocations: u32,
    pub imports_host_memory: bool,
}

/// Per-multiprocessor limits of a compute capability.
pub struct Multiprocessor {
    pub threads: u32,
    pub blocks: u32,
    pub registers: u32,
    /// In bytes.
    pub shared_memory: u32,
}

impl Multiprocessor {
    /// The multiprocessor of a compute capability.
    pub fn of(persona: Persona) -> Self {
        let (threads, blocks, shared_kib) = match (persona.major, persona.minor) {
            (5, 0) => (2048, 32, 64),
            (5, 2) | (6, 1) => (2048, 32, 96),
            (5 | 6, _) => (2048, 32, 64),
            (7, 0 | 2) => (2048, 32, 96),
            (7, _) => (1024, 16, 64),
            (8, 0) => (2048, 32, 164),
            (8, 7) => (1536, 16, 164),
            (8, 9) => (1536, 24, 100),
            (8, _) => (1536, 16, 100),
            (9, _) | (10, _) => (2048, 32, 228),
            _ => (1536, 24, 100),
        };
        Self {
            threads,
            blocks,
            registers: 65536,
            shared_memory: shared_kib * 1024,
        }
    }
}

/// In kHz. Vulkan tells no clock, and programs divide by this one.
const NOMINAL_CLOCK_RATE: i32 = 1_000_000;
/// Every grid is launched in as many dispatches as the device needs.
const MAX_GRID: [i32; 3] = [i32::MAX, 65535, 65535];
/// A block's dimensions, whatever its shape as a Vulkan workgroup.
const MAX_BLOCK: [i32; 3] = [1024, 1024, 64];
/// What `cuMemAllocPitch` and 2D copies accept, in bytes.
pub const MAX_PITCH: i32 = i32::MAX;
/// Rows that `cuMemAllocPitch` makes begin at multiples of this, in bytes.
pub const PITCH_ALIGNMENT: u64 = 512;

impl Traits {
    /// Threads in a block.
    pub fn max_threads_per_block(&self) -> i32 {
        number(self.workgroup_invocations.min(1024))
    }

    /// Static and dynamic shared memory of a block by default, in bytes.
    pub fn shared_memory_per_block(&self) -> i32 {
        number(self.shared_memory.min(48 << 10))
    }

    /// Shared memory of a block that asks for more, in bytes.
    pub fn shared_memory_optin(&self) -> i32 {
        let most = Multiprocessor::of(self.persona).shared_memory;
        let most = if self.persona.major < 7 {
            most.min(48 << 10)
        } else {
            most
        };
        number(self.shared_memory.min(most))
    }

    /// Whether a launch's grid and block are within the device's limits.
    pub fn allows(&self, grid: [u32; 3], block: [u32; 3]) -> bool {
        let within = |value: u32, most: i32| value <= most.unsigned_abs();
        let grid = grid
            .iter()
            .zip(MAX_GRID)
            .all(|(&blocks, most)| within(blocks, most));
        let block = (0..3).all(|d| within(block[d], self.max_block(d)));
        grid && block
    }

    fn max_block(&self, dimension: usize) -> i32 {
        // A block is a workgroup of one dimension, so that only its volume counts.
        MAX_BLOCK[dimension].min(self.max_threads_per_block())
    }

    /// The value of an attribute; `None` if CUDA has no such attribute.
    pub fn attribute(&self, attribute: Attribute) -> Option<i32> {
        if attribute.0 == 0 || attribute > Attribute::HOST_MEMORY_POOLS_SUPPORTED {
            return None;
        }
        let multiprocessor = Multiprocessor::of(self.persona);
        let (domain, bus, device) = self.identity.pci.triple();
        Some(match attribute {
            Attribute::MAX_THREADS_PER_BLOCK => self.max_threads_per_block(),
            Attribute::MAX_BLOCK_DIM_X => self.max_block(0),
            Attribute::MAX_BLOCK_DIM_Y => self.max_block(1),
            Attribute::MAX_BLOCK_DIM_Z => self.max_block(2),
            Attribute::MAX_GRID_DIM_X => MAX_GRID[0],
            Attribute::MAX_GRID_DIM_Y => MAX_GRID[1],
            Attribute::MAX_GRID_DIM_Z => MAX_GRID[2],
            Attribute::MAX_SHARED_MEMORY_PER_BLOCK => self.shared_memory_per_block(),
            Attribute::MAX_SHARED_MEMORY_PER_BLOCK_OPTIN => self.shared_memory_optin(),
            Attribute::RESERVED_SHARED_MEMORY_PER_BLOCK => 0,
            Attribute::TOTAL_CONSTANT_MEMORY => 64 << 10,
            Attribute::WARP_SIZE => 32,
            Attribute::MAX_PITCH => MAX_PITCH,
            Attribute::MAX_REGISTERS_PER_BLOCK | Attribute::MAX_REGISTERS_PER_MULTIPROCESSOR => {
                number(multiprocessor.registers)
            }
            Attribute::CLOCK_RATE => NOMINAL_CLOCK_RATE,
            Attribute::TEXTURE_ALIGNMENT | Attribute::SURFACE_ALIGNMENT => 512,
            Attribute::TEXTURE_PITCH_ALIGNMENT => 32,
            Attribute::MULTIPROCESSOR_COUNT => number(self.compute_units),
            Attribute::INTEGRATED => i32::from(self.identity.kind == Kind::Integrated),
            Attribute::PCI_BUS_ID => i32::from(bus),
            Attribute::PCI_DEVICE_ID => i32::from(device),
            Attribute::PCI_DOMAIN_ID => number(domain),
            Attribute::COMPUTE_CAPABILITY_MAJOR => number(self.persona.major),
            Attribute::COMPUTE_CAPABILITY_MINOR => number(self.persona.minor),
            Attribute::MAX_THREADS_PER_MULTIPROCESSOR => number(multiprocessor.threads),
            Attribute::MAX_BLOCKS_PER_MULTIPROCESSOR => number(multiprocessor.blocks),
            Attribute::MAX_SHARED_MEMORY_PER_MULTIPROCESSOR => {
                number(multiprocessor.shared_memory).max(self.shared_memory_optin())
            }
            Attribute::SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO => 32,
            Attribute::GPU_OVERLAP
            | Attribute::ASYNC_ENGINE_COUNT
            | Attribute::CONCURRENT_KERNELS
            | Attribute::CAN_MAP_HOST_MEMORY
            | Attribute::UNIFIED_ADDRESSING
            | Attribute::STREAM_PRIORITIES_SUPPORTED
            | Attribute::GLOBAL_L1_CACHE_SUPPORTED
            | Attribute::LOCAL_L1_CACHE_SUPPORTED => 1,
            Attribute::HOST_REGISTER_SUPPORTED => i32::from(self.imports_host_memory),
            Attribute::NUMA_ID | Attribute::HOST_NUMA_ID => -1,
            // Managed and pooled memory, virtual memory management, cooperative
            // launch, textures, interoperation, RDMA, ECC: not here.
            _ => 0,
        })
    }
}

fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
