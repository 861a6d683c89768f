//! The devices of the host. A device is one GPU with the Vulkan drivers that
//! serve it and the nodes that those drivers open; software rendering is a
//! device without nodes. Nothing here writes, opens a node or starts Vulkan.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::icd::{self, Icd, Support};
use crate::layout::Layout;
use crate::probe;

const DRM_MAJOR: u32 = 226;
const FIRST_RENDER_MINOR: u32 = 128;
/// The driver that stands for software rendering.
pub const SOFTWARE_DRIVER: &str = "lvp";
/// The name that asks for software rendering.
pub const SOFTWARE: &str = "software";

/// How a device is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A DRM render node.
    Drm,
    /// The character devices of NVIDIA's own kernel module.
    Nvidia,
    /// The CPU: no node at all.
    Software,
}

impl Kind {
    /// The name that `manifest.json` uses.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Drm => "drm",
            Kind::Nvidia => "nvidia",
            Kind::Software => "software",
        }
    }
}

/// A character device of the host that a container is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNode {
    /// Where it lies on the host.
    pub host_path: PathBuf,
    /// Where it is to lie in the container.
    pub path: PathBuf,
    pub major: u32,
    pub minor: u32,
    /// Permission bits.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// A device that can be given to a container.
#[derive(Debug, Clone)]
pub struct Device {
    pub kind: Kind,
    /// The PCI address, `0000:03:00.0`, of devices that have one.
    pub pci: Option<String>,
    /// CUDA's name of it, `GPU-…`, if a probe has recorded it.
    pub uuid: Option<String>,
    /// Vendor and device id as sysfs shows them, of PCI devices.
    pub id: Option<(String, String)>,
    pub kernel_driver: String,
    /// At least one.
    pub drivers: Vec<Icd>,
    pub nodes: Vec<DeviceNode>,
}

/// A device that is there but cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The PCI address or the node's name.
    pub name: String,
    /// What is wrong and what to do.
    pub reason: String,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Hardware in a stable order (by PCI address): the position is the index
    /// that names the device.
    pub hardware: Vec<Device>,
    pub software: Option<Device>,
    pub problems: Vec<Problem>,
}

impl Inventory {
    /// The device that `name` (an index, a PCI address, CUDA's UUID, `software`)
    /// means.
    pub fn named(&self, name: &str) -> Option<&Device> {
        if name == SOFTWARE {
            return self.software.as_ref();
        }
        match name.parse::<usize>() {
            Ok(index) => self.hardware.get(index),
            Err(_) => self.hardware.iter().find(|device| device.is_called(name)),
        }
    }
}

impl Device {
    /// Whether `name` is the PCI address or CUDA's name of this device.
    pub fn is_called(&self, name: &str) -> bool {
        let names = [&self.pci, &self.uuid];
        names
            .into_iter()
            .flatten()
            .any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Looks at the host.
pub fn discover(layout: &Layout) -> Inventory {
    let icds = icd::installed(layout);
    let mut inventory = Inventory::default();
    let nvidia = nvidia_devices(layout, &icds, &mut inventory.problems);
    for render_node in render_nodes(layout) {
        match drm_device(layout, &render_node, &icds) {
            // NVIDIA's module makes a render node too; the device is one.
            Ok(device)
                if nvidia
                    .iter()
                    .any(|other| other.pci.is_some() && other.pci == device.pci) => {}
            Ok(device) => inventory.hardware.push(device),
            Err(problem) => inventory.problems.push(problem),
        }
    }
    inventory.hardware.extend(nvidia);
    inventory.hardware.sort_by(|a, b| {
        (a.pci.is_none(), &a.pci, sort_key(a)).cmp(&(b.pci.is_none(), &b.pci, sort_key(b)))
    });
    inventory.software = software_device(&icds);
    let uuids = probe::recorded(layout);
    for device in &mut inventory.hardware {
        device.uuid = device.pci.as_ref().and_then(|pci| uuids.get(pci)).cloned();
    }
    inventory
}

fn sort_key(device: &Device) -> Option<(u32, u32)> {
    device.nodes.first().map(|node| (node.major, node.minor))
}

/// Names of the render nodes that the kernel or `/dev` knows. The kernel's list
/// is asked as well, so that a node that is missing from `/dev` is noticed.
fn render_nodes(layout: &Layout) -> Vec<String> {
    let dirs = [layout.sys.join("class/drm"), layout.dev.join("dri")];
    let mut names: Vec<String> = dirs
        .iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.strip_prefix("renderD")
                .is_some_and(|minor| minor.parse::<u32>().is_ok())
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn drm_device(layout: &Layout, name: &str, icds: &[Icd]) -> Result<Device, Problem> {
    let problem = |reason: String| Problem {
        name: name.to_owned(),
        reason,
    };
    let node = render_node(layout, name).map_err(problem)?;
    let sysfs = layout
        .sys
        .join(format!("dev/char/{DRM_MAJOR}:{}/device", node.minor));
    let kernel_driver = link_name(&sysfs.join("driver")).ok_or_else(|| {
        problem(format!(
            "{} shows no kernel driver for it: load the GPU's module",
            sysfs.display()
        ))
    })?;
    let drivers = drivers_for(&kernel_driver, icds).map_err(problem)?;
    let kind = if kernel_driver.starts_with("nvidia") {
        Kind::Nvidia
    } else {
        Kind::Drm
    };
    let id = word(&sysfs.join("vendor")).zip(word(&sysfs.join("device")));
    Ok(Device {
        kind,
        pci: pci_address(&sysfs),
        uuid: None,
        id,
        kernel_driver,
        drivers,
        nodes: vec![node],
    })
}

/// The render node `name` of `/dev/dri`, checked to be one: a card node, which
/// also sets display modes, is never given away.
fn render_node(layout: &Layout, name: &str) -> Result<DeviceNode, String> {
    let host_path = layout.dev.join("dri").join(name);
    let node = character_device(&host_path, Path::new("/dev/dri").join(name)).map_err(|error| match error {
        Some(error) => format!("the kernel has this device but {} cannot be read ({error}): check udev and permissions", host_path.display()),
        None => format!("{} is not a character device", host_path.display()),
    })?;
    if node.major != DRM_MAJOR || node.minor < FIRST_RENDER_MINOR {
        return Err(format!(
            "{} is device {}:{}, not a DRM render node",
            host_path.display(),
            node.major,
            node.minor
        ));
    }
    Ok(node)
}

fn character_device(host_path: &Path, path: PathBuf) -> Result<DeviceNode, Option<std::io::Error>> {
    let meta = fs::symlink_metadata(host_path).map_err(Some)?;
    if !meta.file_type().is_char_device() {
        return Err(None);
    }
    Ok(DeviceNode {
        host_path: host_path.to_owned(),
        path,
        major: rustix::fs::major(meta.rdev()),
        minor: rustix::fs::minor(meta.rdev()),
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
    })
}

fn drivers_for(kernel_driver: &str, icds: &[Icd]) -> Result<Vec<Icd>, String> {
    let names = match icd::serving(kernel_driver) {
        Support::Drivers(names) => names,
        Support::None(why) => {
            return Err(format!(
                "no Vulkan driver serves the kernel driver `{kernel_driver}`: {why}"
            ));
        }
        Support::Unknown => {
            return Err(format!(
                "no Vulkan driver is known for the kernel driver `{kernel_driver}`"
            ));
        }
    };
    let drivers: Vec<Icd> = names
        .iter()
        .filter_map(|name| icd::named(icds, name))
        .cloned()
        .collect();
    if drivers.is_empty() {
        let wanted = names.join("` or `");
        return Err(format!(
            "the Vulkan driver `{wanted}` for the kernel driver `{kernel_driver}` is not installed: install mesa-vulkan-drivers or the vendor's driver"
        ));
    }
    Ok(drivers)
}

/// The PCI address of a sysfs device: its own name, or its parent's for a
/// virtio device below a PCI one.
fn pci_address(sysfs: &Path) -> Option<String> {
    let device = fs::canonicalize(sysfs).ok()?;
    device
        .ancestors()
        .take(2)
        .filter_map(|dir| dir.file_name()?.to_str())
        .find(|name| is_pci_address(name))
        .map(str::to_owned)
}

/// Whether `name` has the form `0000:03:00.0`.
pub fn is_pci_address(name: &str) -> bool {
    let hex = |text: &str, length: usize| {
        text.len() >= length && text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let mut parts = name.splitn(3, ':');
    let (Some(domain), Some(bus), Some(slot)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let Some((device, function)) = slot.split_once('.') else {
        return false;
    };
    hex(domain, 4)
        && bus.len() == 2
        && hex(bus, 2)
        && device.len() == 2
        && hex(device, 2)
        && function.len() == 1
        && hex(function, 1)
}

fn link_name(link: &Path) -> Option<String> {
    fs::read_link(link)
        .ok()?
        .file_name()?
        .to_str()
        .map(str::to_owned)
}

fn word(file: &Path) -> Option<String> {
    fs::read_to_string(file)
        .ok()
        .map(|text| text.trim().to_owned())
}

/// The GPUs of nvidia.ko, which lists them below `/proc/driver/nvidia/gpus`.
fn nvidia_devices(layout: &Layout, icds: &[Icd], problems: &mut Vec<Problem>) -> Vec<Device> {
    let Ok(entries) = fs::read_dir(layout.proc_nvidia.join("gpus")) else {
        return Vec::new();
    };
    let mut devices = Vec::new();
    for entry in entries.flatten() {
        let Ok(pci) = entry.file_name().into_string() else {
            continue;
        };
        let built = nvidia_nodes(layout, &entry.path(), &pci)
            .and_then(|nodes| Ok((nodes, drivers_for("nvidia", icds)?)));
        match built {
            Ok((nodes, drivers)) => devices.push(Device {
                kind: Kind::Nvidia,
                pci: Some(pci.to_ascii_lowercase()),
                uuid: None,
                id: None,
                kernel_driver: "nvidia".into(),
                drivers,
                nodes,
            }),
            Err(reason) => problems.push(Problem { name: pci, reason }),
        }
    }
    devices
}

/// The GPU's own node, the control nodes that every client opens, and its
/// render node where the module made one.
fn nvidia_nodes(layout: &Layout, gpu: &Path, pci: &str) -> Result<Vec<DeviceNode>, String> {
    let information = fs::read_to_string(gpu.join("information"))
        .map_err(|error| format!("{}: {error}", gpu.display()))?;
    let minor = information
        .lines()
        .find_map(|line| line.strip_prefix("Device Minor:"))
        .and_then(|minor| minor.trim().parse::<u32>().ok())
        .ok_or_else(|| format!("{}/information names no device minor", gpu.display()))?;
    let mut nodes = Vec::new();
    for (name, required) in [
        (format!("nvidia{minor}"), true),
        ("nvidiactl".into(), true),
        ("nvidia-uvm".into(), false),
        ("nvidia-modeset".into(), false),
    ] {
        match character_device(&layout.dev.join(&name), Path::new("/dev").join(&name)) {
            Ok(node) => nodes.push(node),
            Err(_) if !required => {}
            Err(_) => {
                return Err(format!(
                    "{} is missing: run nvidia-modprobe",
                    layout.dev.join(name).display()
                ));
            }
        }
    }
    nodes.extend(nvidia_render_node(layout, pci));
    Ok(nodes)
}

fn nvidia_render_node(layout: &Layout, pci: &str) -> Option<DeviceNode> {
    let dir = layout
        .sys
        .join("bus/pci/devices")
        .join(pci.to_ascii_lowercase())
        .join("drm");
    let names = fs::read_dir(dir)
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let name = names.into_iter().find(|name| name.starts_with("renderD"))?;
    render_node(layout, &name).ok()
}

fn software_device(icds: &[Icd]) -> Option<Device> {
    let driver = icd::named(icds, SOFTWARE_DRIVER)?.clone();
    Some(Device {
        kind: Kind::Software,
        pci: None,
        uuid: None,
        id: None,
        kernel_driver: SOFTWARE.into(),
        drivers: vec![driver],
        nodes: Vec::new(),
    })
}
