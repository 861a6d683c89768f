//! Sizes and counts that a device allows, and its subgroups.

use ash::vk;
use serde::Serialize;

/// Limits of a device. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Largest workgroup in each dimension, in invocations.
    pub workgroup_size: [u32; 3],
    /// Largest workgroup in all, in invocations.
    pub workgroup_invocations: u32,
    /// Largest dispatch in each dimension, in workgroups, as reported.
    pub workgroup_count: [u32; 3],
    /// The same as the driver really takes it: lavapipe reports 65,535 and
    /// runs any number (measured on 22.3, 25.0 and 26.2).
    pub workgroup_count_accepted: [u32; 3],
    /// Workgroup memory as reported.
    pub shared_memory: u32,
    /// Workgroup memory as the driver really takes it: lavapipe reports
    /// 32 KiB and runs 99 KiB (measured on 22.3, 25.0 and 26.2).
    pub shared_memory_accepted: u32,
    pub push_constants: u32,
    /// Most that one `VkDeviceMemory` is guaranteed to hold;
    /// [`crate::Device::allocate`] goes beyond it where it can.
    pub memory_allocation: u64,
    /// Largest `VkBuffer`.
    pub buffer: u64,
    /// Most `VkDeviceMemory` objects at a time.
    pub memory_allocation_count: u32,
    /// Alignment of a pointer and length for [`crate::Device::import_host`];
    /// 0 where that is not offered.
    pub imported_host_pointer_alignment: u64,
    /// Sparse address space; 0 where there are no sparse buffers.
    pub sparse_address_space: u64,
    /// Nanoseconds per timestamp tick, in 1/1000 (the period is a float).
    pub timestamp_period_ps: u64,
}

/// What a subgroup is on a device, in compute shaders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Subgroup {
    /// The size where a pipeline asks for none.
    pub default_size: u32,
    pub min_size: u32,
    pub max_size: u32,
    /// Most subgroups in a workgroup whose size a pipeline has chosen.
    pub max_per_workgroup: u32,
    /// Whether a compute pipeline may ask for a size.
    pub size_selectable: bool,
    pub vote: bool,
    pub arithmetic: bool,
    pub ballot: bool,
    pub shuffle: bool,
    pub shuffle_relative: bool,
    pub clustered: bool,
    pub quad: bool,
}

/// What lavapipe was seen to run above what it reports.
const LAVAPIPE_SHARED_MEMORY: u32 = 99 * 1024;

impl Limits {
    pub(crate) fn new(
        limits: &vk::PhysicalDeviceLimits,
        memory_allocation: u64,
        v13: &vk::PhysicalDeviceVulkan13Properties<'_>,
        imported_host_pointer_alignment: u64,
        driver: vk::DriverId,
    ) -> Limits {
        let lavapipe = driver == vk::DriverId::MESA_LLVMPIPE;
        let shared_memory = limits.max_compute_shared_memory_size;
        Limits {
            workgroup_size: limits.max_compute_work_group_size,
            workgroup_invocations: limits.max_compute_work_group_invocations,
            workgroup_count: limits.max_compute_work_group_count,
            workgroup_count_accepted: if lavapipe {
                [u32::MAX; 3]
            } else {
                limits.max_compute_work_group_count
            },
            shared_memory,
            shared_memory_accepted: if lavapipe {
                shared_memory.max(LAVAPIPE_SHARED_MEMORY)
            } else {
                shared_memory
            },
            push_constants: limits.max_push_constants_size,
            memory_allocation,
            buffer: v13.max_buffer_size,
            memory_allocation_count: limits.max_memory_allocation_count,
            imported_host_pointer_alignment,
            sparse_address_space: limits.sparse_address_space_size,
            timestamp_period_ps: (f64::from(limits.timestamp_period) * 1000.0).round() as u64,
        }
    }
}

impl Subgroup {
    /// Whether a compute pipeline may ask for subgroups of `size` lanes.
    pub fn takes(&self, size: u32) -> bool {
        self.size_selectable
            && size.is_power_of_two()
            && (self.min_size..=self.max_size).contains(&size)
    }

    pub(crate) fn new(
        v11: &vk::PhysicalDeviceVulkan11Properties<'_>,
        v13: &vk::PhysicalDeviceVulkan13Properties<'_>,
    ) -> Subgroup {
        let in_compute = v11
            .subgroup_supported_stages
            .contains(vk::ShaderStageFlags::COMPUTE);
        let has = |feature| in_compute && v11.subgroup_supported_operations.contains(feature);
        Subgroup {
            default_size: v11.subgroup_size,
            min_size: if v13.min_subgroup_size == 0 {
                v11.subgroup_size
            } else {
                v13.min_subgroup_size
            },
            max_size: if v13.max_subgroup_size == 0 {
                v11.subgroup_size
            } else {
                v13.max_subgroup_size
            },
            max_per_workgroup: v13.max_compute_workgroup_subgroups,
            size_selectable: v13
                .required_subgroup_size_stages
                .contains(vk::ShaderStageFlags::COMPUTE),
            vote: has(vk::SubgroupFeatureFlags::VOTE),
            arithmetic: has(vk::SubgroupFeatureFlags::ARITHMETIC),
            ballot: has(vk::SubgroupFeatureFlags::BALLOT),
            shuffle: has(vk::SubgroupFeatureFlags::SHUFFLE),
            shuffle_relative: has(vk::SubgroupFeatureFlags::SHUFFLE_RELATIVE),
            clustered: has(vk::SubgroupFeatureFlags::CLUSTERED),
            quad: has(vk::SubgroupFeatureFlags::QUAD),
        }
    }
}
