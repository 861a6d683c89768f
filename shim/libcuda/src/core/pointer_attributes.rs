//! What `cuPointerGetAttribute` answers about an address.

use std::sync::atomic::Ordering;

use abi::cuda::{CUmemorytype, CUpointer_attribute as Attribute};

use crate::core::host_memory;
use crate::core::memory::{Kind, Located};
use crate::handles::HostPtr;

/// A value as wide as its attribute is in C.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    Word(u32),
    Long(u64),
    Flag(bool),
}

impl Value {
    /// Writes the value to the caller's place.
    pub fn write(self, place: HostPtr) {
        abi::trace::output(&self);
        match self {
            Self::Word(word) => host_memory::write(place, &word.to_ne_bytes()),
            Self::Long(long) => host_memory::write(place, &long.to_ne_bytes()),
            // NVIDIA's runtime reads a whole word.
            Self::Flag(flag) => host_memory::write(place, &u32::from(flag).to_ne_bytes()),
        }
    }
}

/// The value of an attribute of a known address; `None` if the address has none.
pub fn of(found: &Located, attribute: Attribute) -> Option<Value> {
    let block = &found.block;
    let device_address = block.device_address().0 as u64;
    let memory = match block.kind {
        Kind::Device => CUmemorytype::DEVICE,
        Kind::Host(_) | Kind::Registered(_) => CUmemorytype::HOST,
    };
    Some(match attribute {
        Attribute::CONTEXT => Value::Long(block.context.0 as u64),
        Attribute::MEMORY_TYPE => Value::Word(memory.0),
        Attribute::DEVICE_POINTER => Value::Long(device_address + found.offset),
        Attribute::HOST_POINTER => Value::Long(block.host?.address() + found.offset),
        Attribute::SYNC_MEMOPS => Value::Flag(block.sync_memops.load(Ordering::Relaxed)),
        Attribute::IS_GPU_DIRECT_RDMA_CAPABLE => Value::Flag(false),
        Attribute::BUFFER_ID => Value::Long(block.id),
        Attribute::IS_MANAGED | Attribute::IS_LEGACY_CUDA_IPC_CAPABLE => Value::Flag(false),
        Attribute::DEVICE_ORDINAL => Value::Word(block.device.ordinal().cast_unsigned()),
        Attribute::RANGE_START_ADDR => Value::Long(device_address),
        Attribute::RANGE_SIZE => Value::Long(block.size),
        Attribute::MAPPED => Value::Flag(true),
        Attribute::ALLOWED_HANDLE_TYPES => Value::Long(0),
        // CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE.
        Attribute::ACCESS_FLAGS => Value::Word(3),
        Attribute::MEMPOOL_HANDLE => Value::Long(0),
        Attribute::MAPPING_SIZE => Value::Long(block.size),
        Attribute::MAPPING_BASE_ADDR => Value::Long(device_address),
        Attribute::MEMORY_BLOCK_ID => Value::Long(block.id),
        _ => return None,
    })
}

/// What an attribute is for an address that the driver does not know.
pub fn zero(attribute: Attribute) -> Option<Value> {
    Some(match attribute {
        Attribute::CONTEXT
        | Attribute::DEVICE_POINTER
        | Attribute::HOST_POINTER
        | Attribute::BUFFER_ID
        | Attribute::RANGE_START_ADDR
        | Attribute::RANGE_SIZE
        | Attribute::ALLOWED_HANDLE_TYPES
        | Attribute::MEMPOOL_HANDLE
        | Attribute::MAPPING_SIZE
        | Attribute::MAPPING_BASE_ADDR
        | Attribute::MEMORY_BLOCK_ID => Value::Long(0),
        Attribute::MEMORY_TYPE | Attribute::ACCESS_FLAGS => Value::Word(0),
        // CU_DEVICE_INVALID.
        Attribute::DEVICE_ORDINAL => Value::Word((-2_i32).cast_unsigned()),
        Attribute::SYNC_MEMOPS
        | Attribute::IS_MANAGED
        | Attribute::IS_LEGACY_CUDA_IPC_CAPABLE
        | Attribute::MAPPED
        | Attribute::IS_GPU_DIRECT_RDMA_CAPABLE => Value::Flag(false),
        _ => return None,
    })
}
