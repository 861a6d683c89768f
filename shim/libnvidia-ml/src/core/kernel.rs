//! A device as the kernel knows it: its directory in sysfs, its sensors, its
//! clients. A software device has none of them.

use std::path::{Path, PathBuf};

use identity::PciAddress;

use super::client::{self, Node, Process};
use super::hwmon::Hwmon;
use super::sysfs::Directory;
use super::utilization::{self, Clients, Sample, Shares};

/// What the kernel says of one device.
#[derive(Debug)]
pub struct Kernel {
    directory: Option<Directory>,
    hwmon: Option<Hwmon>,
    node: Node,
    clients: Clients,
    proc: PathBuf,
}

/// Device memory that the kernel driver accounts for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// All there is.
    pub total: u64,
    /// What all processes together hold.
    pub used: u64,
}

/// What may be plugged into a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Display {
    /// Whether a display is connected.
    pub connected: bool,
    /// Whether one shows a picture.
    pub active: bool,
}

impl Kernel {
    /// Finds the device of a PCI function or of a render node (major, minor).
    pub fn find(pci: Option<PciAddress>, render: Option<(u32, u32)>) -> Self {
        Self::find_in(Path::new("/sys"), Path::new("/proc"), pci, render)
    }

    fn find_in(
        sys: &Path,
        proc: &Path,
        pci: Option<PciAddress>,
        render: Option<(u32, u32)>,
    ) -> Self {
        let by_node =
            |(major, minor)| Directory::open(sys.join(format!("dev/char/{major}:{minor}/device")));
        let by_address = |at: PciAddress| {
            let (domain, bus, device) = at.triple();
            let name = format!("{domain:04x}:{bus:02x}:{device:02x}.{:x}", at.function);
            Directory::open(sys.join("bus/pci/devices").join(name))
        };
        let directory = render
            .and_then(by_node)
            .or_else(|| pci.and_then(by_address));
        Self {
            hwmon: directory.as_ref().and_then(Hwmon::of),
            directory,
            node: Node {
                pci,
                render_minor: render.map(|(_, minor)| minor),
            },
            clients: Clients::default(),
            proc: proc.to_owned(),
        }
    }

    /// The device's directory in sysfs.
    pub fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    /// The device's sensors.
    pub fn hwmon(&self) -> Option<&Hwmon> {
        self.hwmon.as_ref()
    }

    /// The number of the device's render node, counted from the first.
    pub fn minor(&self) -> Option<u32> {
        self.node.render_minor?.checked_sub(128)
    }

    /// The processes that use the device; `None` if it has no DRM clients.
    pub fn processes(&self) -> Option<Vec<Process>> {
        self.node.render_minor?;
        Some(client::running(&self.proc, self.node))
    }

    /// What each process used of the device since this was last asked.
    pub fn samples(&self) -> Option<Vec<Sample>> {
        self.node.render_minor?;
        self.clients.samples(&self.proc, self.node)
    }

    /// How busy the shaders are, in percent.
    pub fn shader_utilization(&self) -> Option<u32> {
        let gauge = self.directory().and_then(utilization::gauge);
        gauge.or_else(|| {
            self.samples()
                .map(|samples| utilization::total(&samples))
                .map(|Shares { shader, .. }| shader)
        })
    }

    /// How busy the memory's controller is, in percent.
    pub fn memory_utilization(&self) -> Option<u32> {
        self.directory().and_then(utilization::memory_gauge)
    }

    /// The device's own memory (amdgpu's `mem_info_vram_*`).
    pub fn video_memory(&self) -> Option<Usage> {
        self.usage("mem_info_vram")
    }

    /// The part of it that the processor reaches (amdgpu's `mem_info_vis_vram_*`).
    pub fn visible_memory(&self) -> Option<Usage> {
        self.usage("mem_info_vis_vram")
    }

    fn usage(&self, name: &str) -> Option<Usage> {
        let directory = self.directory()?;
        let total = directory
            .number(&format!("{name}_total"))
            .filter(|&total| total > 0)?;
        Some(Usage {
            total,
            used: directory.number(&format!("{name}_used"))?,
        })
    }

    /// The state of the device's connectors; without one, nothing is connected.
    pub fn display(&self) -> Display {
        let cards = self
            .directory()
            .and_then(|device| device.directory("drm"))
            .map(|drm| drm.directories("card"));
        let connectors = cards
            .unwrap_or_default()
            .into_iter()
            .flat_map(|card| card.directories("card"));
        connectors.fold(
            Display {
                connected: false,
                active: false,
            },
            |display, connector| Display {
                connected: display.connected
                    || connector.text("status").as_deref() == Some("connected"),
                active: display.active || connector.text("enabled").as_deref() == Some("enabled"),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::client::fixture;
    use super::super::sysfs;
    use super::*;

    #[test]
    fn a_device_is_found_by_its_node_and_by_its_address() {
        let (root, _) = sysfs::fixture::directory(&[
            ("devices/pci0000:00/0000:03:00.0/vendor", "0x1002\n"),
            (
                "devices/pci0000:00/0000:03:00.0/hwmon/hwmon1/temp1_input",
                "40000\n",
            ),
            ("bus/pci/devices/x", ""),
            ("dev/char/x", ""),
            (
                "devices/pci0000:00/0000:03:00.0/drm/renderD129/dev",
                "226:129\n",
            ),
        ]);
        let sys = root.path();
        let device = sys.join("devices/pci0000:00/0000:03:00.0");
        symlink(&device, sys.join("bus/pci/devices/0000:03:00.0")).unwrap();
        symlink(&device, device.join("drm/renderD129/device")).unwrap();
        symlink(device.join("drm/renderD129"), sys.join("dev/char/226:129")).unwrap();
        let pci = PciAddress::parse("0000:03:00.0");
        for (pci, render) in [
            (pci, None),
            (None, Some((226, 129))),
            (pci, Some((226, 129))),
        ] {
            let kernel = Kernel::find_in(sys, Path::new("/nonexistent"), pci, render);
            assert_eq!(
                kernel.directory().unwrap().hexadecimal("vendor"),
                Some(0x1002)
            );
            assert!(kernel.hwmon().is_some());
            assert_eq!(kernel.minor(), render.map(|_| 1));
        }
    }

    #[test]
    fn a_software_device_is_unknown_to_the_kernel() {
        let kernel = Kernel::find(None, None);
        assert_eq!((kernel.directory(), kernel.minor()), (None, None));
        assert_eq!(
            (kernel.processes(), kernel.shader_utilization()),
            (None, None)
        );
        assert_eq!(
            kernel.display(),
            Display {
                connected: false,
                active: false
            }
        );
    }

    #[test]
    fn amdgpu_tells_of_memory_gauges_and_connectors() {
        let (root, _) = sysfs::fixture::directory(&[
            (
                "bus/pci/devices/0000:03:00.0/mem_info_vram_total",
                "25753026560\n",
            ),
            (
                "bus/pci/devices/0000:03:00.0/mem_info_vram_used",
                "1073741824\n",
            ),
            ("bus/pci/devices/0000:03:00.0/gpu_busy_percent", "99\n"),
            (
                "bus/pci/devices/0000:03:00.0/drm/card1/card1-DP-1/status",
                "connected\n",
            ),
            (
                "bus/pci/devices/0000:03:00.0/drm/card1/card1-DP-1/enabled",
                "disabled\n",
            ),
            (
                "bus/pci/devices/0000:03:00.0/drm/card1/card1-DP-2/status",
                "disconnected\n",
            ),
        ]);
        let kernel = Kernel::find_in(
            root.path(),
            Path::new("/nonexistent"),
            PciAddress::parse("03:00.0"),
            None,
        );
        assert_eq!(
            kernel.video_memory(),
            Some(Usage {
                total: 25_753_026_560,
                used: 1 << 30
            })
        );
        assert_eq!(kernel.visible_memory(), None);
        assert_eq!(
            (kernel.shader_utilization(), kernel.memory_utilization()),
            (Some(99), None)
        );
        assert_eq!(
            kernel.display(),
            Display {
                connected: true,
                active: false
            }
        );
    }

    #[test]
    fn clients_say_how_busy_a_device_without_a_gauge_is() {
        let root = tempfile::tempdir().unwrap();
        fixture::open(
            root.path(),
            7,
            3,
            "/dev/dri/renderD128",
            "drm-client-id: 1\ndrm-engine-render: 9 ns\n",
        );
        let kernel = Kernel::find_in(
            Path::new("/nonexistent"),
            root.path(),
            None,
            Some((226, 128)),
        );
        assert_eq!(kernel.shader_utilization(), Some(0));
        assert_eq!(kernel.processes().unwrap().len(), 1);
    }
}
