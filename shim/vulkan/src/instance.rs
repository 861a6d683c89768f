//! A Vulkan instance: one per driver when the driver is driven directly, one
//! for all when the system's loader is used.

use std::ffi::CStr;
use std::sync::Arc;

use ash::vk;

use crate::error::{At, Error};

/// Owns a `VkInstance`, and names the driver it belongs to.
pub(crate) struct Instance {
    raw: ash::Instance,
    /// Kept so that the driver's library outlives the instance.
    entry: ash::Entry,
    driver: String,
}

impl Instance {
    pub fn new(entry: ash::Entry, driver: &str, layers: &[&CStr]) -> Result<Arc<Instance>, Error> {
        let application = vk::ApplicationInfo::default()
            .application_name(c"pumice")
            .engine_name(c"pumice")
            .api_version(vk::API_VERSION_1_3);
        let layers: Vec<_> = layers.iter().map(|layer| layer.as_ptr()).collect();
        let info = vk::InstanceCreateInfo::default()
            .application_info(&application)
            .enabled_layer_names(&layers);
        // SAFETY: `info` and all it points to live across the call.
        let raw = unsafe { entry.create_instance(&info, None) }.at("vkCreateInstance")?;
        Ok(Arc::new(Instance {
            raw,
            entry: entry,
            driver: driver.to_owned(),
        }))
    }

    pub fn entry(&self) -> &ash::Entry {
        &self.entry
    }

    pub fn raw(&self) -> &ash::Instance {
        &self.raw
    }

    /// The directory name of the driver's closure, or `system loader`.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    pub fn physical_devices(&self) -> Result<Vec<vk::PhysicalDevice>, Error> {
        // SAFETY: the instance is live.
        unsafe { self.raw.enumerate_physical_devices() }.at("vkEnumeratePhysicalDevices")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: every device holds an `Arc` of its instance, so none is left.
        unsafe { self.raw.destroy_instance(None) }
    }
}
