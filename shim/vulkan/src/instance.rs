//! A Vulkan instance: one per driver when the driver is driven directly, one
//! for all when the system's loader is used.

use std::ffi::CStr;
use std::sync::Arc;

use ash::{ext, vk};

use crate::driver::Messenger;
use crate::error::{At, Error};
use crate::physical_device::PhysicalDevice;

/// Owns a `VkInstance`, and names the driver it belongs to.
pub(crate) struct Instance {
    raw: ash::Instance,
    entry: ash::Entry,
    driver: String,
    messenger: Option<Messenger>,
}

impl Instance {
    pub fn new(entry: ash::Entry, driver: &str) -> Result<Arc<Instance>, Error> {
        Instance::with_layers(entry, driver, &[])
    }

    /// An instance with layers, whose reports are printed.
    pub fn with_layers(
        entry: ash::Entry,
        driver: &str,
        layers: &[&CStr],
    ) -> Result<Arc<Instance>, Error> {
        let application = vk::ApplicationInfo::default()
            .application_name(c"pumice")
            .engine_name(c"pumice")
            .api_version(vk::API_VERSION_1_3);
        let layers: Vec<_> = layers.iter().map(|layer| layer.as_ptr()).collect();
        let debug_utils = [ext::debug_utils::NAME.as_ptr()];
        let extensions = if layers.is_empty() {
            &[][..]
        } else {
            &debug_utils
        };
        let info = vk::InstanceCreateInfo::default()
            .application_info(&application)
            .enabled_extension_names(extensions)
            .enabled_layer_names(&layers);
        // SAFETY: `info` and all it points to live across the call.
        let raw = unsafe { entry.create_instance(&info, None) }.at("vkCreateInstance")?;
        let messenger = if layers.is_empty() {
            None
        } else {
            Messenger::new(&entry, &raw)
        };
        Ok(Arc::new(Instance {
            raw,
            entry,
            driver: driver.to_owned(),
            messenger,
        }))
    }

    pub fn entry(&self) -> &ash::Entry {
        &self.entry
    }

    pub fn raw(&self) -> &ash::Instance {
        &self.raw
    }

    /// The name of the driver's closure, or `system loader`.
    pub fn driver(&self) -> &str {
        &self.driver
    }

    /// The instance's devices, in its order.
    pub fn devices(self: &Arc<Self>) -> Result<Vec<PhysicalDevice>, Error> {
        // SAFETY: the instance is live.
        let handles =
            unsafe { self.raw.enumerate_physical_devices() }.at("vkEnumeratePhysicalDevices")?;
        handles
            .into_iter()
            .map(|handle| PhysicalDevice::new(self, handle))
            .collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(messenger) = &self.messenger {
            messenger.destroy();
        }
        // SAFETY: every device holds an `Arc` of its instance, so none is left.
        unsafe { self.raw.destroy_instance(None) }
    }
}
