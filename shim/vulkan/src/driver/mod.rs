//! From drivers on disk to devices.
//!
//! Where the host's side has placed driver closures, each is loaded by
//! absolute path ([`closure`]) and driven directly ([`icd`]): no Vulkan loader,
//! no layers, none of its environment. Where there is none, the system's
//! loader is used; so it is under `PUMICE_DEBUG=vk-loader`, which switches the
//! validation layer on ([`validation`]).

mod closure;
mod elf;
mod icd;
mod linker;
mod manifest;
mod validation;

use std::path::PathBuf;

use crate::debug::{self, trace};
use crate::error::Error;
use crate::instance::Instance;
use crate::physical_device::{Kind, PhysicalDevice};
use linker::Search;
use manifest::Closure;
pub(crate) use validation::Messenger;

/// Where driver closures lie, unless `PUMICE_DRIVERS` says otherwise.
const CLOSURES: &str = "/usr/lib/pumice/drivers";

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
    let root =
        std::env::var_os("PUMICE_DRIVERS").map_or_else(|| PathBuf::from(CLOSURES), PathBuf::from);
    let closures = manifest::closures(&root);
    if debug::flags().vk_loader || closures.is_empty() {
        trace!(
            "no driver closures used from {}: the system's loader",
            root.display()
        );
        found.add(system_loader());
        found.leave_software_out();
    } else {
        let search = Search::new();
        closures
            .into_iter()
            .for_each(|closure| found.add(closure.and_then(|it| devices_of(&it, &search))));
    }
    found.devices.sort_by_key(PhysicalDevice::sort_key);
    found
}

impl Enumeration {
    fn add(&mut self, devices: Result<Vec<PhysicalDevice>, Error>) {
        match devices {
            Ok(devices) => devices
                .into_iter()
                .for_each(|device| self.add_device(device)),
            Err(error) => {
                trace!("{error}");
                self.failures.push(error);
            }
        }
    }

    /// A host's loader lists a CPU driver beside the GPUs, and a program that
    /// takes all devices would split its work over both. Where closures were
    /// placed, somebody has chosen, so all of them count.
    fn leave_software_out(&mut self) {
        let usable =
            |device: &PhysicalDevice| device.kind() != Kind::Cpu && device.suitability().is_ok();
        if self.devices.iter().any(usable) {
            self.devices.retain(|device| device.kind() != Kind::Cpu);
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
            Some(_) => trace!(
                "{}: a second driver's view of it is left out",
                device.name()
            ),
            None => self.devices.push(device),
        }
    }
}

fn devices_of(closure: &Closure, search: &Search) -> Result<Vec<PhysicalDevice>, Error> {
    let driver = &closure.manifest.driver;
    let library = closure.load(search)?;
    Instance::new(icd::entry(driver, library)?, driver)?.devices()
}

fn system_loader() -> Result<Vec<PhysicalDevice>, Error> {
    // SAFETY: the library is the system's Vulkan loader, whose constructors
    // are harmless.
    let entry = unsafe { ash::Entry::load() }.map_err(|error| Error::NoDriver {
        searched: format!("no driver closure, and libvulkan.so.1 cannot be loaded: {error}"),
    })?;
    let layers = match debug::flags().vk_loader {
        true => validation::layers(&entry),
        false => Vec::new(),
    };
    Instance::with_layers(entry, "system loader", &layers)?.devices()
}
