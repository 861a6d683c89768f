//! Which devices can carry the work at all. A device that lacks something
//! here is refused with a message that names the device, its driver's version
//! and what is missing: half-working is worse than absent.

use ash::vk;

use crate::features::FeatureChain;
use crate::limits::Subgroup;
use crate::physical_device::Driver;

/// Why a device is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{device} ({driver}) cannot be used: {}", missing.join(", "))]
pub struct Unsuitable {
    /// The device's name.
    pub device: String,
    /// The driver's name and version.
    pub driver: String,
    /// What is missing or wrong, one phrase each.
    pub missing: Vec<String>,
}

/// The oldest Mesa whose lavapipe computes correctly: 22.3 ends every
/// invocation after 65,535 loop iterations, silently.
const LAVAPIPE_OLDEST_MESA: u32 = 25;

pub(crate) struct Candidate<'a> {
    pub device: &'a str,
    pub driver: &'a Driver,
    pub api_version: u32,
    pub features: &'a FeatureChain,
    pub subgroup: &'a Subgroup,
    pub compute_queue: bool,
}

impl Candidate<'_> {
    pub fn judge(&self) -> Result<(), Unsuitable> {
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Unsuitable {
            device: self.device.to_owned(),
            driver: format!("{} {}", self.driver.name, self.driver.info),
            missing,
        })
    }

    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.api_version < vk::API_VERSION_1_3 {
            let (major, minor) = (
                vk::api_version_major(self.api_version),
                vk::api_version_minor(self.api_version),
            );
            missing.push(format!(
                "Vulkan 1.3 or newer is needed, the device has {major}.{minor}"
            ));
            return missing;
        }
        missing.extend(self.old_lavapipe());
        let absent = self.required().into_iter().filter(|(_, present)| !present);
        missing.extend(absent.map(|(name, _)| format!("it lacks {name}")));
        missing
    }

    fn old_lavapipe(&self) -> Option<String> {
        if self.driver.id != vk::DriverId::MESA_LLVMPIPE.as_raw() {
            return None;
        }
        let version = mesa_version(&self.driver.info);
        if version.is_some_and(|(major, _)| major >= LAVAPIPE_OLDEST_MESA) {
            return None;
        }
        let found = version.map_or("an unknown version".to_owned(), |(a, b)| {
            format!("Mesa {a}.{b}")
        });
        Some(format!(
            "lavapipe of {found} gives wrong results in loops; Mesa {LAVAPIPE_OLDEST_MESA} or newer is needed \
             (Debian bookworm: mesa-vulkan-drivers from bookworm-backports)"
        ))
    }

    fn required(&self) -> Vec<(&'static str, bool)> {
        let (core, v12, v13) = (&self.features.core, &self.features.v12, &self.features.v13);
        let on = |flag: vk::Bool32| flag == vk::TRUE;
        vec![
            ("bufferDeviceAddress", on(v12.buffer_device_address)),
            ("timelineSemaphore", on(v12.timeline_semaphore)),
            ("hostQueryReset", on(v12.host_query_reset)),
            ("vulkanMemoryModel", on(v12.vulkan_memory_model)),
            (
                "vulkanMemoryModelDeviceScope",
                on(v12.vulkan_memory_model_device_scope),
            ),
            ("synchronization2", on(v13.synchronization2)),
            ("maintenance4", on(v13.maintenance4)),
            ("shaderInt64", on(core.shader_int64)),
            (
                "subgroup vote operations in compute shaders",
                self.subgroup.vote,
            ),
            (
                "subgroup ballot operations in compute shaders",
                self.subgroup.ballot,
            ),
            (
                "subgroup shuffle operations in compute shaders",
                self.subgroup.shuffle,
            ),
            ("a compute queue", self.compute_queue),
        ]
    }
}

/// Major and minor of a Mesa driver's info text, `Mesa 25.0.7-2~bpo12+1 (…)`.
fn mesa_version(info: &str) -> Option<(u32, u32)> {
    let version = info.split("Mesa ").nth(1)?;
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(info: &str) -> Driver {
        Driver {
            id: vk::DriverId::MESA_LLVMPIPE.as_raw(),
            name: "llvmpipe".into(),
            info: info.into(),
            version: 1,
            uuid: [0; 16],
            conformance: [1, 3, 1, 1],
        }
    }

    fn whole() -> (FeatureChain, Subgroup) {
        let mut features = FeatureChain::default();
        features.core.shader_int64 = vk::TRUE;
        features.v12.buffer_device_address = vk::TRUE;
        features.v12.timeline_semaphore = vk::TRUE;
        features.v12.host_query_reset = vk::TRUE;
        features.v12.vulkan_memory_model = vk::TRUE;
        features.v12.vulkan_memory_model_device_scope = vk::TRUE;
        features.v13.synchronization2 = vk::TRUE;
        features.v13.maintenance4 = vk::TRUE;
        let subgroup = Subgroup {
            default_size: 8,
            min_size: 8,
            max_size: 8,
            max_per_workgroup: 128,
            size_selectable: true,
            vote: true,
            arithmetic: true,
            ballot: true,
            shuffle: true,
            shuffle_relative: true,
            clustered: true,
            quad: true,
        };
        (features, subgroup)
    }

    fn judge(
        info: &str,
        api_version: u32,
        features: &FeatureChain,
        subgroup: &Subgroup,
    ) -> Result<(), String> {
        let driver = driver(info);
        let candidate = Candidate {
            device: "llvmpipe",
            driver: &driver,
            api_version,
            features,
            subgroup,
            compute_queue: true,
        };
        candidate
            .judge()
            .map_err(|unsuitable| unsuitable.to_string())
    }

    #[test]
    fn a_device_with_everything_is_suitable() {
        let (features, subgroup) = whole();
        let info = "Mesa 25.0.7-2~bpo12+1 (LLVM 15.0.6)";
        assert_eq!(
            judge(info, vk::API_VERSION_1_3, &features, &subgroup),
            Ok(())
        );
    }

    #[test]
    fn an_old_lavapipe_is_refused_by_name_and_version() {
        let (features, subgroup) = whole();
        let message = judge(
            "Mesa 22.3.6 (LLVM 15.0.6)",
            vk::API_VERSION_1_3,
            &features,
            &subgroup,
        )
        .unwrap_err();
        assert!(
            message.contains("llvmpipe (llvmpipe Mesa 22.3.6 (LLVM 15.0.6))"),
            "{message}"
        );
        assert!(message.contains("Mesa 25 or newer"), "{message}");
    }

    #[test]
    fn everything_that_is_missing_is_named() {
        let (mut features, mut subgroup) = whole();
        features.v12.buffer_device_address = vk::FALSE;
        subgroup.shuffle = false;
        let message = judge("Mesa 26.1.0", vk::API_VERSION_1_3, &features, &subgroup).unwrap_err();
        assert!(
            message.contains("bufferDeviceAddress") && message.contains("shuffle"),
            "{message}"
        );
    }

    #[test]
    fn an_old_api_is_refused_before_its_features_are_read() {
        let (features, subgroup) = whole();
        let message = judge("Mesa 26.1.0", vk::API_VERSION_1_2, &features, &subgroup).unwrap_err();
        assert!(
            message.contains("Vulkan 1.3 or newer is needed, the device has 1.2"),
            "{message}"
        );
    }
}
