//! From a request to the edits: the steps that every route shares.

use crate::assemble::{self, Assembled, assembled};
use crate::closure::libc_needs;
use crate::discover::{Device, discover};
use crate::edits::{self, ContainerEdits};
use crate::elf;
use crate::error::Error;
use crate::image::{self, Image};
use crate::layout::{Layout, PRELOAD};
use crate::policy::Policy;
use crate::request::{Selection, select};
use crate::root::Root;
use crate::spec::Spec;

/// What the host contributes, whatever the image is.
#[derive(Debug)]
pub struct HostPart {
    pub edits: ContainerEdits,
    /// Symbol versions of the C library that it needs, with who needs them.
    needs: Vec<(String, String)>,
}

/// Chooses the devices of `selection`, assembles their drivers and checks that
/// our own libraries are installed.
pub fn host_part(
    layout: &Layout,
    policy: &Policy,
    selection: &Selection,
) -> Result<HostPart, Error> {
    let mut needs = library_needs(layout)?;
    let (device_edits, drivers) = match selection {
        Selection::Injected(names) => (ContainerEdits::default(), injected(layout, names)?),
        Selection::None => (ContainerEdits::default(), Vec::new()),
        _ => {
            let inventory = discover(layout);
            let devices = select(selection, &inventory, &policy.devices)?;
            let drivers = drivers(layout, &devices)?;
            (edits::for_devices(&devices, &drivers), drivers)
        }
    };
    for driver in &drivers {
        let by = format!("the host's Vulkan driver `{}`", driver.manifest.driver);
        needs.extend(
            driver
                .manifest
                .needs()
                .map(|need| (need.to_owned(), by.clone())),
        );
    }
    Ok(HostPart {
        edits: edits::for_every_image(layout).and(device_edits),
        needs,
    })
}

/// The assembled drivers of `devices`, each once.
pub fn drivers(layout: &Layout, devices: &[&Device]) -> Result<Vec<Assembled>, Error> {
    let mut drivers: Vec<Assembled> = Vec::new();
    for device in devices {
        for icd in &device.drivers {
            if !drivers
                .iter()
                .any(|other| other.manifest.driver == icd.driver)
            {
                drivers.push(assemble::assemble(layout, icd, device.kind)?);
            }
        }
    }
    Ok(drivers)
}

fn injected(layout: &Layout, names: &[String]) -> Result<Vec<Assembled>, Error> {
    let missing = |name: &String| Error::DriverMissing {
        driver: name.clone(),
        dir: layout.drivers_dir(),
    };
    names
        .iter()
        .map(|name| assembled(&layout.drivers_dir().join(name)).ok_or_else(|| missing(name)))
        .collect()
}

/// The symbol versions that our own libraries need, once they are known to be
/// installed and root's alone.
fn library_needs(layout: &Layout) -> Result<Vec<(String, String)>, Error> {
    let mut needs = Vec::new();
    for name in ["libcuda.so.1", "libnvidia-ml.so.1", PRELOAD] {
        let path = layout.library_dir.join(name);
        let file = std::fs::File::open(&path).map_err(|source| Error::NotInstalled {
            path: path.clone(),
            source,
        })?;
        assemble::check_owner(&path)?;
        let elf = elf::read(file).map_err(|source| Error::Library {
            path: path.clone(),
            source,
        })?;
        needs.extend(
            libc_needs(&elf)
                .into_iter()
                .map(|need| (need, format!("pumice's {name}"))),
        );
    }
    Ok(needs)
}

/// The edits for the image below `root`, and what there is to say about it.
pub fn image_part(
    layout: &Layout,
    host: &HostPart,
    root: &Root,
    spec: &Spec,
) -> Result<(ContainerEdits, Image), Error> {
    let image = image::inspect(root, spec)?;
    image.check(
        host.needs
            .iter()
            .map(|(need, by)| (need.as_str(), by.as_str())),
    )?;
    Ok((edits::for_image(layout, &image), image))
}
