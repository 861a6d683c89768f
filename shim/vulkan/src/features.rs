//! What a device can do beyond what every suitable device can: the switches
//! that a compiler for it asks about, and the chain of Vulkan structures that
//! queries them and later turns them on.

use ash::{ext, khr, nv, vk};
use serde::Serialize;

use crate::extensions::{
    Extensions, SHADER_BFLOAT16, SHADER_FMA, SHADER_UNTYPED_POINTERS, ShaderBfloat16Features,
    ShaderFmaFeatures, ShaderUntypedPointersFeatures,
};

/// An atomic operation's reach: through buffer addresses, in workgroup memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Atomics {
    pub buffer: bool,
    pub shared: bool,
}

/// A floating-point property by width.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Widths {
    pub f16: bool,
    pub f32: bool,
    pub f64: bool,
}

/// Which execution modes of SPIR-V's float controls an entry point may declare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FloatControls {
    pub denorm_preserve: Widths,
    pub denorm_flush_to_zero: Widths,
    pub rounding_rte: Widths,
    pub rounding_rtz: Widths,
    pub signed_zero_inf_nan_preserve: Widths,
    pub denorm_independence: Independence,
    pub rounding_independence: Independence,
}

/// Whether two widths of one entry point may declare different modes
/// (`VkShaderFloatControlsIndependence`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Independence {
    /// 32-bit apart; 16 and 64 bits together.
    Float32Only,
    All,
    #[default]
    None,
}

/// Integer dot products that the device executes faster than their expansion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DotProducts {
    pub packed_4x8_unsigned: bool,
    pub packed_4x8_signed: bool,
    pub packed_4x8_mixed: bool,
}

/// A component type of a cooperative matrix (`VkComponentTypeKHR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Component {
    F16,
    F32,
    F64,
    Bf16,
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    Other(i32),
}

/// One shape of `OpCooperativeMatrixMulAddKHR` at subgroup scope:
/// D (m×n) = A (m×k) · B (k×n) + C (m×n).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct CooperativeMatrix {
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub a: Component,
    pub b: Component,
    pub c: Component,
    pub result: Component,
    pub saturating: bool,
}

/// Everything optional that a compiler or an allocator may use. What every
/// suitable device has is not here: see [`crate::Unsuitable`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Features {
    pub int8: bool,
    pub int16: bool,
    pub float16: bool,
    pub float64: bool,
    /// 8-bit loads and stores in storage buffers and by address.
    pub storage_8bit: bool,
    /// 16-bit loads and stores in storage buffers and by address.
    pub storage_16bit: bool,
    pub push_constant_8bit: bool,
    pub push_constant_16bit: bool,
    pub scalar_block_layout: bool,
    pub int64_atomics: Atomics,
    /// Load, store and exchange.
    pub float32_atomics: Atomics,
    pub float32_atomic_add: Atomics,
    pub float64_atomic_add: Atomics,
    pub float16_atomic_add: Atomics,
    pub float32_atomic_min_max: Atomics,
    /// `VK_KHR_workgroup_memory_explicit_layout`.
    pub workgroup_explicit_layout: bool,
    pub workgroup_explicit_layout_scalar: bool,
    pub workgroup_explicit_layout_8bit: bool,
    pub workgroup_explicit_layout_16bit: bool,
    /// `VK_KHR_shader_untyped_pointers`.
    pub untyped_pointers: bool,
    pub maximal_reconvergence: bool,
    pub subgroup_uniform_control_flow: bool,
    /// Subgroup operations on 8, 16, 64-bit integers and 16-bit floats.
    pub subgroup_extended_types: bool,
    pub subgroup_rotate: bool,
    pub subgroup_size_control: bool,
    pub full_subgroups: bool,
    pub shader_clock_subgroup: bool,
    pub shader_clock_device: bool,
    /// `VK_KHR_shader_fma`: `OpFmaKHR`, by width.
    pub shader_fma: Widths,
    pub float_controls: FloatControls,
    /// `VK_KHR_shader_float_controls2`.
    pub float_controls2: bool,
    /// `VK_KHR_shader_bfloat16`: the type, dot products, matrices.
    pub bfloat16: bool,
    pub bfloat16_dot_product: bool,
    pub bfloat16_cooperative_matrix: bool,
    pub dot_product: DotProducts,
    /// Subgroup-scope shapes, as the device lists them; empty where none.
    pub cooperative_matrix: Vec<CooperativeMatrix>,
    /// `VK_NV_shader_sm_builtins`.
    pub sm_builtins: bool,
    /// `VK_EXT_external_memory_host`.
    pub external_memory_host: bool,
    /// `VK_EXT_memory_budget`.
    pub memory_budget: bool,
    pub sparse_buffer: bool,
    pub address_capture_replay: bool,
    pub host_query_reset: bool,
    /// Chains of availability and visibility operations may cross scopes.
    pub memory_model_chains: bool,
}

/// The Vulkan structures behind [`Features`]. One chain serves both the query
/// and device creation, so that what is reported is what is switched on.
#[derive(Clone, Copy, Default)]
pub(crate) struct FeatureChain {
    pub core: vk::PhysicalDeviceFeatures,
    pub v11: vk::PhysicalDeviceVulkan11Features<'static>,
    pub v12: vk::PhysicalDeviceVulkan12Features<'static>,
    pub v13: vk::PhysicalDeviceVulkan13Features<'static>,
    atomic_float: vk::PhysicalDeviceShaderAtomicFloatFeaturesEXT<'static>,
    atomic_float2: vk::PhysicalDeviceShaderAtomicFloat2FeaturesEXT<'static>,
    explicit_layout: vk::PhysicalDeviceWorkgroupMemoryExplicitLayoutFeaturesKHR<'static>,
    reconvergence: vk::PhysicalDeviceShaderMaximalReconvergenceFeaturesKHR<'static>,
    uniform_flow: vk::PhysicalDeviceShaderSubgroupUniformControlFlowFeaturesKHR<'static>,
    rotate: vk::PhysicalDeviceShaderSubgroupRotateFeaturesKHR<'static>,
    clock: vk::PhysicalDeviceShaderClockFeaturesKHR<'static>,
    float_controls2: vk::PhysicalDeviceShaderFloatControls2FeaturesKHR<'static>,
    matrix: vk::PhysicalDeviceCooperativeMatrixFeaturesKHR<'static>,
    sm_builtins: vk::PhysicalDeviceShaderSMBuiltinsFeaturesNV<'static>,
    fma: ShaderFmaFeatures,
    bfloat16: ShaderBfloat16Features,
    untyped: ShaderUntypedPointersFeatures,
}

impl FeatureChain {
    /// Links a structure for each offered extension and hands the head of the
    /// chain to `visit`; what it writes stays here.
    pub fn visit<R>(
        &mut self,
        offered: &Extensions,
        visit: impl FnOnce(&mut vk::PhysicalDeviceFeatures2<'_>) -> R,
    ) -> R {
        let mut chain = *self;
        let mut head = vk::PhysicalDeviceFeatures2::default()
            .features(chain.core)
            .push_next(&mut chain.v11)
            .push_next(&mut chain.v12)
            .push_next(&mut chain.v13);
        macro_rules! link {
            ($($extension:expr => $field:ident,)*) => {
                $(if offered.has($extension) { head = head.push_next(&mut chain.$field); })*
            };
        }
        link! {
            ext::shader_atomic_float::NAME => atomic_float,
            ext::shader_atomic_float2::NAME => atomic_float2,
            khr::workgroup_memory_explicit_layout::NAME => explicit_layout,
            khr::shader_maximal_reconvergence::NAME => reconvergence,
            khr::shader_subgroup_uniform_control_flow::NAME => uniform_flow,
            khr::shader_subgroup_rotate::NAME => rotate,
            khr::shader_clock::NAME => clock,
            khr::shader_float_controls2::NAME => float_controls2,
            khr::cooperative_matrix::NAME => matrix,
            nv::shader_sm_builtins::NAME => sm_builtins,
            SHADER_FMA => fma,
            SHADER_BFLOAT16 => bfloat16,
            SHADER_UNTYPED_POINTERS => untyped,
        }
        let result = visit(&mut head);
        chain.core = head.features;
        *self = chain.unlinked();
        result
    }

    /// A copy whose links are cut: they point into the frame that made them.
    fn unlinked(mut self) -> FeatureChain {
        macro_rules! cut {
            ($($field:ident)*) => { $(self.$field.p_next = std::ptr::null_mut();)* };
        }
        cut!(v11 v12 v13 atomic_float atomic_float2 explicit_layout reconvergence uniform_flow rotate
             clock float_controls2 matrix sm_builtins);
        self.fma.unlink();
        self.bfloat16.unlink();
        self.untyped.unlink();
        self
    }

    pub fn query(
        instance: &ash::Instance,
        device: vk::PhysicalDevice,
        offered: &Extensions,
    ) -> FeatureChain {
        let mut chain = FeatureChain::default();
        // SAFETY: the device is this instance's, and the chain holds only
        // structures of extensions that the device offers.
        chain.visit(offered, |head| unsafe {
            instance.get_physical_device_features2(device, head)
        });
        chain
    }

    /// The same features less those that cost speed and that nobody here uses.
    pub fn to_enable(mut self) -> FeatureChain {
        self.core.robust_buffer_access = vk::FALSE;
        self.v13.robust_image_access = vk::FALSE;
        self.v12.buffer_device_address_multi_device = vk::FALSE;
        self
    }

    pub fn summary(
        &self,
        offered: &Extensions,
        properties: &FloatAndDot<'_>,
        matrices: Vec<CooperativeMatrix>,
    ) -> Features {
        let on = |flag: vk::Bool32| flag == vk::TRUE;
        let atomics = |buffer, shared| Atomics {
            buffer: on(buffer),
            shared: on(shared),
        };
        let (v11, v12, v13) = (&self.v11, &self.v12, &self.v13);
        let (float, float2, layout) = (
            &self.atomic_float,
            &self.atomic_float2,
            &self.explicit_layout,
        );
        Features {
            int8: on(v12.shader_int8),
            int16: on(self.core.shader_int16),
            float16: on(v12.shader_float16),
            float64: on(self.core.shader_float64),
            storage_8bit: on(v12.storage_buffer8_bit_access),
            storage_16bit: on(v11.storage_buffer16_bit_access),
            push_constant_8bit: on(v12.storage_push_constant8),
            push_constant_16bit: on(v11.storage_push_constant16),
            scalar_block_layout: on(v12.scalar_block_layout),
            int64_atomics: atomics(
                v12.shader_buffer_int64_atomics,
                v12.shader_shared_int64_atomics,
            ),
            float32_atomics: atomics(
                float.shader_buffer_float32_atomics,
                float.shader_shared_float32_atomics,
            ),
            float32_atomic_add: atomics(
                float.shader_buffer_float32_atomic_add,
                float.shader_shared_float32_atomic_add,
            ),
            float64_atomic_add: atomics(
                float.shader_buffer_float64_atomic_add,
                float.shader_shared_float64_atomic_add,
            ),
            float16_atomic_add: atomics(
                float2.shader_buffer_float16_atomic_add,
                float2.shader_shared_float16_atomic_add,
            ),
            float32_atomic_min_max: atomics(
                float2.shader_buffer_float32_atomic_min_max,
                float2.shader_shared_float32_atomic_min_max,
            ),
            workgroup_explicit_layout: on(layout.workgroup_memory_explicit_layout),
            workgroup_explicit_layout_scalar: on(
                layout.workgroup_memory_explicit_layout_scalar_block_layout
            ),
            workgroup_explicit_layout_8bit: on(layout.workgroup_memory_explicit_layout8_bit_access),
            workgroup_explicit_layout_16bit: on(
                layout.workgroup_memory_explicit_layout16_bit_access
            ),
            untyped_pointers: on(self.untyped.shader_untyped_pointers),
            maximal_reconvergence: on(self.reconvergence.shader_maximal_reconvergence),
            subgroup_uniform_control_flow: on(self
                .uniform_flow
                .shader_subgroup_uniform_control_flow),
            subgroup_extended_types: on(v12.shader_subgroup_extended_types),
            subgroup_rotate: on(self.rotate.shader_subgroup_rotate),
            subgroup_size_control: on(v13.subgroup_size_control),
            full_subgroups: on(v13.compute_full_subgroups),
            shader_clock_subgroup: on(self.clock.shader_subgroup_clock),
            shader_clock_device: on(self.clock.shader_device_clock),
            shader_fma: Widths {
                f16: on(self.fma.shader_fma_float16),
                f32: on(self.fma.shader_fma_float32),
                f64: on(self.fma.shader_fma_float64),
            },
            float_controls: properties.float_controls(),
            float_controls2: on(self.float_controls2.shader_float_controls2),
            bfloat16: on(self.bfloat16.shader_bfloat16_type),
            bfloat16_dot_product: on(self.bfloat16.shader_bfloat16_dot_product),
            bfloat16_cooperative_matrix: on(self.bfloat16.shader_bfloat16_cooperative_matrix),
            dot_product: properties.dot_products(),
            cooperative_matrix: if on(self.matrix.cooperative_matrix) {
                matrices
            } else {
                Vec::new()
            },
            sm_builtins: on(self.sm_builtins.shader_sm_builtins),
            external_memory_host: offered.has(ext::external_memory_host::NAME),
            memory_budget: offered.has(ext::memory_budget::NAME),
            sparse_buffer: on(self.core.sparse_binding),
            address_capture_replay: on(v12.buffer_device_address_capture_replay),
            host_query_reset: on(v12.host_query_reset),
            memory_model_chains: on(v12.vulkan_memory_model_availability_visibility_chains),
        }
    }
}

/// The properties that [`Features`] draws on.
pub(crate) struct FloatAndDot<'a> {
    pub v12: &'a vk::PhysicalDeviceVulkan12Properties<'a>,
    pub v13: &'a vk::PhysicalDeviceVulkan13Properties<'a>,
}

impl FloatAndDot<'_> {
    fn float_controls(&self) -> FloatControls {
        let v12 = self.v12;
        let widths = |f16, f32, f64| Widths {
            f16: f16 != 0,
            f32: f32 != 0,
            f64: f64 != 0,
        };
        FloatControls {
            denorm_preserve: widths(
                v12.shader_denorm_preserve_float16,
                v12.shader_denorm_preserve_float32,
                v12.shader_denorm_preserve_float64,
            ),
            denorm_flush_to_zero: widths(
                v12.shader_denorm_flush_to_zero_float16,
                v12.shader_denorm_flush_to_zero_float32,
                v12.shader_denorm_flush_to_zero_float64,
            ),
            rounding_rte: widths(
                v12.shader_rounding_mode_rte_float16,
                v12.shader_rounding_mode_rte_float32,
                v12.shader_rounding_mode_rte_float64,
            ),
            rounding_rtz: widths(
                v12.shader_rounding_mode_rtz_float16,
                v12.shader_rounding_mode_rtz_float32,
                v12.shader_rounding_mode_rtz_float64,
            ),
            signed_zero_inf_nan_preserve: widths(
                v12.shader_signed_zero_inf_nan_preserve_float16,
                v12.shader_signed_zero_inf_nan_preserve_float32,
                v12.shader_signed_zero_inf_nan_preserve_float64,
            ),
            denorm_independence: Independence::from(v12.denorm_behavior_independence),
            rounding_independence: Independence::from(v12.rounding_mode_independence),
        }
    }

    fn dot_products(&self) -> DotProducts {
        let v13 = self.v13;
        DotProducts {
            packed_4x8_unsigned: v13.integer_dot_product4x8_bit_packed_unsigned_accelerated != 0,
            packed_4x8_signed: v13.integer_dot_product4x8_bit_packed_signed_accelerated != 0,
            packed_4x8_mixed: v13.integer_dot_product4x8_bit_packed_mixed_signedness_accelerated
                != 0,
        }
    }
}

impl From<vk::ShaderFloatControlsIndependence> for Independence {
    fn from(value: vk::ShaderFloatControlsIndependence) -> Independence {
        match value {
            vk::ShaderFloatControlsIndependence::ALL => Independence::All,
            vk::ShaderFloatControlsIndependence::TYPE_32_ONLY => Independence::Float32Only,
            _ => Independence::None,
        }
    }
}

impl From<vk::ComponentTypeKHR> for Component {
    fn from(value: vk::ComponentTypeKHR) -> Component {
        match value {
            vk::ComponentTypeKHR::FLOAT16 => Component::F16,
            vk::ComponentTypeKHR::FLOAT32 => Component::F32,
            vk::ComponentTypeKHR::FLOAT64 => Component::F64,
            vk::ComponentTypeKHR::SINT8 => Component::S8,
            vk::ComponentTypeKHR::SINT16 => Component::S16,
            vk::ComponentTypeKHR::SINT32 => Component::S32,
            vk::ComponentTypeKHR::SINT64 => Component::S64,
            vk::ComponentTypeKHR::UINT8 => Component::U8,
            vk::ComponentTypeKHR::UINT16 => Component::U16,
            vk::ComponentTypeKHR::UINT32 => Component::U32,
            vk::ComponentTypeKHR::UINT64 => Component::U64,
            // VK_COMPONENT_TYPE_BFLOAT16_KHR, younger than the published ash.
            other if other.as_raw() == 1_000_141_000 => Component::Bf16,
            other => Component::Other(other.as_raw()),
        }
    }
}

/// The subgroup-scope shapes of `VK_KHR_cooperative_matrix`.
pub(crate) fn cooperative_matrices(
    entry: &ash::Entry,
    instance: &ash::Instance,
    device: vk::PhysicalDevice,
    offered: &Extensions,
) -> Vec<CooperativeMatrix> {
    if !offered.has(khr::cooperative_matrix::NAME) {
        return Vec::new();
    }
    let functions = khr::cooperative_matrix::Instance::new(entry, instance);
    // SAFETY: the device is this instance's and offers the extension.
    let shapes = unsafe { functions.get_physical_device_cooperative_matrix_properties(device) };
    let at_subgroup =
        |shape: &&vk::CooperativeMatrixPropertiesKHR<'_>| shape.scope == vk::ScopeKHR::SUBGROUP;
    shapes
        .unwrap_or_default()
        .iter()
        .filter(at_subgroup)
        .map(CooperativeMatrix::from)
        .collect()
}

impl From<&vk::CooperativeMatrixPropertiesKHR<'_>> for CooperativeMatrix {
    fn from(shape: &vk::CooperativeMatrixPropertiesKHR<'_>) -> CooperativeMatrix {
        CooperativeMatrix {
            m: shape.m_size,
            n: shape.n_size,
            k: shape.k_size,
            a: shape.a_type.into(),
            b: shape.b_type.into(),
            c: shape.c_type.into(),
            result: shape.result_type.into(),
            saturating: shape.saturating_accumulation == vk::TRUE,
        }
    }
}
