//! What changes in a container, as plain data with CDI's words. It comes in two
//! parts: what holds for every image, and what depends on the image. Every
//! route renders the same edits, so that a container looks the same by each.

use std::path::{Path, PathBuf};

use crate::assemble::Assembled;
use crate::discover::{Device, DeviceNode};
use crate::image::Image;
use crate::layout::{CONTAINER_DIR, CONTAINER_DRIVERS, Layout, PRELOAD};

/// A read-only bind mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// On the host.
    pub source: PathBuf,
    /// In the container.
    pub destination: PathBuf,
}

/// The changes to a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerEdits {
    pub device_nodes: Vec<DeviceNode>,
    pub mounts: Vec<Mount>,
    /// Host groups that may use the nodes.
    pub additional_gids: Vec<u32>,
    /// A library of the container to be preloaded into its programs.
    pub preload: Option<PathBuf>,
}

impl ContainerEdits {
    /// Both parts together.
    pub fn and(mut self, other: ContainerEdits) -> ContainerEdits {
        self.device_nodes.extend(other.device_nodes);
        self.mounts.extend(other.mounts);
        self.additional_gids.extend(other.additional_gids);
        self.preload = self.preload.or(other.preload);
        self
    }
}

/// The part for every image that belongs to `devices`: their nodes and groups,
/// and the directory of each of their drivers, which lies on no search path.
pub fn for_devices(devices: &[&Device], drivers: &[Assembled]) -> ContainerEdits {
    let mut edits = ContainerEdits::default();
    for node in devices.iter().flat_map(|device| &device.nodes) {
        if !edits.device_nodes.contains(node) {
            edits.device_nodes.push(node.clone());
        }
        let everybody_may = node.mode & 0o006 == 0o006;
        // Group 0 owns much else than the node.
        if !everybody_may && node.gid != 0 && !edits.additional_gids.contains(&node.gid) {
            edits.additional_gids.push(node.gid);
        }
    }
    edits.mounts = drivers.iter().map(driver_mount).collect();
    edits
}

fn driver_mount(driver: &Assembled) -> Mount {
    Mount {
        source: driver.dir.clone(),
        destination: Path::new(CONTAINER_DRIVERS).join(&driver.manifest.driver),
    }
}

/// The part for every image that no device changes: the preload library, in
/// its private place.
pub fn for_every_image(layout: &Layout) -> ContainerEdits {
    let mount = Mount {
        source: layout.library_dir.join(PRELOAD),
        destination: preload_path(),
    };
    ContainerEdits {
        mounts: vec![mount],
        ..ContainerEdits::default()
    }
}

/// The part that depends on the image: the driver libraries where its loader
/// finds them, and whether anything is preloaded.
pub fn for_image(layout: &Layout, image: &Image) -> ContainerEdits {
    let mounts = image.placements.iter().map(|placement| Mount {
        source: layout.library_dir.join(placement.shim),
        destination: placement.destination.clone(),
    });
    ContainerEdits {
        mounts: mounts.collect(),
        preload: image.can_preload.then(preload_path),
        ..ContainerEdits::default()
    }
}

/// Where the preload library lies in a container.
pub fn preload_path() -> PathBuf {
    Path::new(CONTAINER_DIR).join(PRELOAD)
}
