//! From drivers on disk to devices.

use ash::vk;

use crate::error::Error;
use crate::instance::Instance;
use crate::physical_device::PhysicalDevice;

/// All that was found, and all that went wrong on the way.
#[derive(Debug, Default)]
pub struct Enumeration {
    /// Real GPUs before CPUs; a device that two drivers offer is listed once.
    pub devices: Vec<PhysicalDevice>,
    /// Drivers that could not be used.
    pub failures: Vec<Error>,
}

/// The devices of every driver. An error only where there is no device and a
/// driver failed; [`enumerate_all`] tells of failures beside devices too.
///
/// Nothing of this crate runs before the first call, and a process may fork
/// until then.
pub fn enumerate() -> Result<Vec<PhysicalDevice>, Error> {
    let mut found = enumerate_all();
    if found.devices.is_empty() && !found.failures.is_empty() {
        return Err(found.failures.swap_remove(0));
    }
    Ok(found.devices)
}

/// The devices of every driver, and the drivers that failed.
pub fn enumerate_all() -> Enumeration {
    let mut found = Enumeration::default();
    found.add(system_loader());
    found.devices.sort_by_key(PhysicalDevice::sort_key);
    found
}

impl Enumeration {
    fn add(&mut self, devices: Result<Vec<PhysicalDevice>, Error>) {
        match devices {
            Ok(devices) => devices
                .into_iter()
                .for_each(|device| self.add_device(device)),
            Err(error) => self.failures.push(error),
        }
    }

    fn add_device(&mut self, device: PhysicalDevice) {
        match self
            .devices
            .iter_mut()
            .find(|known| known.same_device(&device))
        {
            // Of two drivers of one device, one that can be used wins.
            Some(known) if known.suitability().is_err() && device.suitability().is_ok() => {
                *known = device
            }
            Some(_) => {}
            None => self.devices.push(device),
        }
    }
}

fn devices_of(entry: ash::Entry, driver: &str) -> Result<Vec<PhysicalDevice>, Error> {
    let instance = Instance::new(entry, driver, &[])?;
    let handles: Vec<vk::PhysicalDevice> = instance.physical_devices()?;
    handles
        .into_iter()
        .map(|handle| PhysicalDevice::new(&instance, handle))
        .collect()
}

fn system_loader() -> Result<Vec<PhysicalDevice>, Error> {
    // SAFETY: the library is the system's Vulkan loader, whose initializers
    // are harmless.
    let entry = unsafe { ash::Entry::load() }.map_err(|error| Error::NoDriver {
        searched: format!("libvulkan.so.1 cannot be loaded: {error}"),
    })?;
    devices_of(entry, "system loader")
}
