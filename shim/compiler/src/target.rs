//! What the code is compiled for, as plain data: the driver fills it from a
//! device's properties, tests from nothing.

/// Products of matrices that a device's units compute, its lanes holding the elements
/// as PTX's fragments do but for the order of registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Matrices {
    /// 16 by 8 by 8 and 16 by 8 by 16, of f16, with sums of f16 and f32.
    pub halves: bool,
    /// 16 by 8 by 32, of 8-bit integers of either sign, with sums of 32 bits.
    pub bytes: bool,
}

/// A device's abilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// Invocations of a subgroup, as pipelines will require it.
    pub subgroup_size: u32,
    /// Bytes of push constants.
    pub push_constant_bytes: u32,
    /// `shaderFloat16`
    pub float16: bool,
    /// `shaderFloat64`
    pub float64: bool,
    /// Whether shared memory may be declared several times with explicit
    /// layouts of 8, 16 and 32 bits (`VK_KHR_workgroup_memory_explicit_layout`).
    pub explicit_shared_layout: bool,
    /// `shaderBufferInt64Atomics`
    pub int64_atomics: bool,
    /// `shaderSharedInt64Atomics`
    pub shared_int64_atomics: bool,
    /// `shaderBufferFloat32AtomicAdd`
    pub float32_atomic_add: bool,
    /// `shaderSharedFloat32AtomicAdd`
    pub shared_float32_atomic_add: bool,
    /// `shaderSignedZeroInfNanPreserveFloat32`
    pub preserve_special_values: bool,
    /// Whether GLSL's `fma` rounds once. Where it does not, that of f32 is computed
    /// in f64 and rounded, and that of f64 of sums and products that round each.
    pub fused_multiply_add: bool,
    /// Whether subnormal f32 operands and results survive.
    pub keeps_subnormals: bool,
    /// Whether f32 results shall be PTX's to the last bit wherever PTX says what they
    /// are, however long it takes: `.ftz` flushes, what has none does not, and a fused
    /// product and sum rounds once. Needs [`Self::float64`].
    pub exact: bool,
    /// `VK_KHR_shader_maximal_reconvergence`
    pub maximal_reconvergence: bool,
    /// `shaderSubgroupClock`
    pub subgroup_clock: bool,
    /// `VK_KHR_cooperative_matrix`, as far as its elements lie where PTX has them.
    pub matrices: Matrices,
    /// Whether shared memory lies in a buffer of the launcher rather than in
    /// workgroup variables: see [`crate::pass::place_shared`].
    pub shared_in_buffer: bool,
    /// Whether barriers stop waiting for a workgroup as soon as one of its
    /// invocations has ended, so that none may end before all do.
    pub barriers_need_all: bool,
}

impl Target {
    /// A GPU with subgroups as wide as a warp and everything that NVIDIA's and
    /// Mesa's desktop drivers offer.
    #[must_use]
    pub const fn wide() -> Self {
        Self {
            subgroup_size: 32,
            push_constant_bytes: 256,
            float16: true,
            float64: true,
            explicit_shared_layout: true,
            int64_atomics: true,
            shared_int64_atomics: true,
            float32_atomic_add: true,
            shared_float32_atomic_add: true,
            preserve_special_values: true,
            fused_multiply_add: true,
            keeps_subnormals: true,
            exact: false,
            // spirv-val before 2024 does not know it; drivers that have it say so.
            maximal_reconvergence: false,
            subgroup_clock: true,
            // Nor does it know these.
            matrices: Matrices {
                halves: false,
                bytes: false,
            },
            shared_in_buffer: false,
            barriers_need_all: false,
        }
    }

    /// lavapipe 25: eight lanes, no explicit layouts, products and sums rounded
    /// apart; an access to a workgroup variable becomes code for each lane.
    #[must_use]
    pub const fn lavapipe() -> Self {
        Self {
            subgroup_size: 8,
            explicit_shared_layout: false,
            fused_multiply_add: false,
            shared_in_buffer: true,
            barriers_need_all: true,
            ..Self::wide()
        }
    }
}
