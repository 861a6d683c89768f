//! How many independent execution units a device has. Vulkan has no such
//! property; each vendor's extension is asked in turn.

use std::sync::OnceLock;

use ash::vk;

/// What the vendors' extensions answered, where they were offered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct VendorCounts {
    /// `VK_NV_shader_sm_builtins`.
    pub nvidia_sms: Option<u32>,
    /// `VK_AMD_shader_core_properties2`.
    pub amd_active: Option<u32>,
    /// `VK_AMD_shader_core_properties`: engines × arrays × units.
    pub amd_total: Option<u32>,
    /// `VK_ARM_shader_core_builtins`.
    pub arm_cores: Option<u32>,
}

/// Stands in where no extension tells: enough that a program which sizes its
/// grid by it fills a small GPU, and no more than a small GPU has.
const UNKNOWN: u32 = 16;

impl VendorCounts {
    pub fn units(&self, driver: vk::DriverId) -> u32 {
        if driver == vk::DriverId::MESA_LLVMPIPE {
            return lavapipe_threads();
        }
        [
            self.nvidia_sms,
            self.amd_active,
            self.amd_total,
            self.arm_cores,
        ]
        .into_iter()
        .flatten()
        .find(|&count| count > 0)
        .unwrap_or(UNKNOWN)
    }
}

/// lavapipe's worker threads, by its own rule: `LP_NUM_THREADS`, or the CPUs
/// in the affinity mask; at most 32. Read once: the driver too reads it once.
fn lavapipe_threads() -> u32 {
    static THREADS: OnceLock<u32> = OnceLock::new();
    *THREADS.get_or_init(|| {
        threads(
            std::env::var("LP_NUM_THREADS").ok().as_deref(),
            affinity_cpus(),
        )
    })
}

fn threads(variable: Option<&str>, cpus: u32) -> u32 {
    variable
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(cpus)
        .clamp(1, 32)
}

fn affinity_cpus() -> u32 {
    // SAFETY: an all-zero cpu_set_t is an empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is as large as the size given, and the call writes only it.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) };
    if result != 0 {
        return std::thread::available_parallelism()
            .map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    }
    // SAFETY: `set` was filled by the call above.
    u32::try_from(unsafe { libc::CPU_COUNT(&set) }).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lavapipe_has_its_worker_threads() {
        assert_eq!(threads(None, 2), 2);
        assert_eq!(threads(None, 128), 32);
        assert_eq!(threads(Some("4"), 2), 4);
        assert_eq!(threads(Some("0"), 2), 1);
        assert_eq!(threads(Some("many"), 2), 2);
    }

    #[test]
    fn the_most_exact_extension_wins() {
        let counts = VendorCounts {
            amd_active: Some(60),
            amd_total: Some(64),
            ..Default::default()
        };
        assert_eq!(counts.units(vk::DriverId::MESA_RADV), 60);
        assert_eq!(
            VendorCounts::default().units(vk::DriverId::INTEL_OPEN_SOURCE_MESA),
            UNKNOWN
        );
    }
}
