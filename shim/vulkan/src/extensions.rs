//! The device extensions that this crate knows, and structures of those that
//! are younger than the published ash.

use std::collections::BTreeSet;
use std::ffi::{CStr, c_void};

use ash::{amd, arm, ext, khr, nv, vk};

/// Extensions that are switched on wherever a device offers them.
pub(crate) const WANTED: &[&CStr] = &[
    ext::external_memory_host::NAME,
    ext::memory_budget::NAME,
    ext::pci_bus_info::NAME,
    ext::physical_device_drm::NAME,
    ext::shader_atomic_float::NAME,
    ext::shader_atomic_float2::NAME,
    khr::cooperative_matrix::NAME,
    khr::shader_clock::NAME,
    khr::shader_float_controls2::NAME,
    khr::shader_maximal_reconvergence::NAME,
    khr::shader_subgroup_rotate::NAME,
    khr::shader_subgroup_uniform_control_flow::NAME,
    khr::workgroup_memory_explicit_layout::NAME,
    khr::external_memory::NAME,
    nv::shader_sm_builtins::NAME,
    amd::shader_core_properties::NAME,
    amd::shader_core_properties2::NAME,
    arm::shader_core_builtins::NAME,
    SHADER_BFLOAT16,
    SHADER_FMA,
    SHADER_UNTYPED_POINTERS,
];

pub(crate) const SHADER_BFLOAT16: &CStr = c"VK_KHR_shader_bfloat16";
pub(crate) const SHADER_FMA: &CStr = c"VK_KHR_shader_fma";
pub(crate) const SHADER_UNTYPED_POINTERS: &CStr = c"VK_KHR_shader_untyped_pointers";

/// The extensions that a device offers, of those in [`WANTED`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions(BTreeSet<&'static CStr>);

impl Extensions {
    pub fn of(offered: &[vk::ExtensionProperties]) -> Extensions {
        let offered: BTreeSet<&CStr> = offered
            .iter()
            .filter_map(|e| e.extension_name_as_c_str().ok())
            .collect();
        Extensions(
            WANTED
                .iter()
                .copied()
                .filter(|name| offered.contains(name))
                .collect(),
        )
    }

    pub fn has(&self, name: &CStr) -> bool {
        self.0.contains(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &'static CStr> + '_ {
        self.0.iter().copied()
    }
}

macro_rules! feature_struct {
    ($(#[$doc:meta])* $name:ident = $s_type:literal { $($field:ident),* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $name {
            s_type: vk::StructureType,
            p_next: *mut c_void,
            $(pub $field: vk::Bool32,)*
        }

        impl Default for $name {
            fn default() -> $name {
                $name {
                    s_type: vk::StructureType::from_raw($s_type),
                    p_next: std::ptr::null_mut(),
                    $($field: vk::FALSE,)*
                }
            }
        }

        impl $name {
            /// Cuts the link to the rest of a chain.
            pub fn unlink(&mut self) {
                self.p_next = std::ptr::null_mut();
            }
        }

        // SAFETY: the layout is the registry's: sType, pNext, then the fields.
        unsafe impl vk::ExtendsPhysicalDeviceFeatures2 for $name {}
        // SAFETY: as above.
        unsafe impl vk::ExtendsDeviceCreateInfo for $name {}
        // SAFETY: `p_next` is written and read only while a chain is linked,
        // under an exclusive borrow.
        unsafe impl Send for $name {}
        // SAFETY: as above.
        unsafe impl Sync for $name {}
    };
}

feature_struct!(
    /// `VkPhysicalDeviceShaderFmaFeaturesKHR`.
    ShaderFmaFeatures = 1_000_579_000 { shader_fma_float16, shader_fma_float32, shader_fma_float64 }
);
feature_struct!(
    /// `VkPhysicalDeviceShaderBfloat16FeaturesKHR`.
    ShaderBfloat16Features = 1_000_141_000 {
        shader_bfloat16_type,
        shader_bfloat16_dot_product,
        shader_bfloat16_cooperative_matrix
    }
);
feature_struct!(
    /// `VkPhysicalDeviceShaderUntypedPointersFeaturesKHR`.
    ShaderUntypedPointersFeatures = 1_000_387_000 { shader_untyped_pointers }
);
