//! A device's PCI Express link, by the attributes of its PCI function
//! (Documentation/ABI/testing/sysfs-bus-pci).

use super::sysfs::Directory;

/// One state of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Megatransfers per second and lane.
    pub megatransfers: u32,
    /// The number of lanes.
    pub width: u32,
}

impl Link {
    /// The link as it runs now.
    pub fn current(device: &Directory) -> Option<Self> {
        Self::read(device, "current")
    }

    /// The best that the device itself can do.
    pub fn of_device(device: &Directory) -> Option<Self> {
        Self::read(device, "max")
    }

    /// The best that the device can do in the slot that it is in.
    pub fn of_slot(device: &Directory) -> Option<Self> {
        let own = Self::of_device(device)?;
        let port = device
            .parent()
            .and_then(|port| Self::of_device(&port))
            .unwrap_or(own);
        Some(Self {
            megatransfers: own.megatransfers.min(port.megatransfers),
            width: own.width.min(port.width),
        })
    }

    fn read(device: &Directory, which: &str) -> Option<Self> {
        let speed = device.text(&format!("{which}_link_speed"))?;
        let gigatransfers: f64 = speed.split_whitespace().next()?.parse().ok()?;
        let width = device.number(&format!("{which}_link_width"))?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the kernel prints between 2.5 and 64 GT/s"
        )]
        let megatransfers = (gigatransfers * 1000.0) as u32;
        // The kernel says 0 or 255 lanes where there is no link.
        (megatransfers > 0 && (1..=32).contains(&width)).then_some(Self {
            megatransfers,
            width,
        })
    }

    /// The generation of PCI Express whose speed this is.
    pub fn generation(self) -> Option<u32> {
        Some(match self.megatransfers {
            2_500 => 1,
            5_000 => 2,
            8_000 => 3,
            16_000 => 4,
            32_000 => 5,
            64_000 => 6,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::fixture;
    use super::*;

    #[test]
    fn a_link_runs_no_better_than_its_slot() {
        let (_root, port) = fixture::directory(&[
            ("max_link_speed", "8.0 GT/s PCIe\n"),
            ("max_link_width", "16\n"),
            ("0000:03:00.0/max_link_speed", "16.0 GT/s PCIe\n"),
            ("0000:03:00.0/max_link_width", "8\n"),
            ("0000:03:00.0/current_link_speed", "2.5 GT/s PCIe\n"),
            ("0000:03:00.0/current_link_width", "8\n"),
        ]);
        let device = port.directory("0000:03:00.0").unwrap();
        assert_eq!(
            Link::current(&device),
            Some(Link {
                megatransfers: 2500,
                width: 8
            })
        );
        assert_eq!(Link::of_device(&device).and_then(Link::generation), Some(4));
        assert_eq!(
            Link::of_slot(&device),
            Some(Link {
                megatransfers: 8000,
                width: 8
            })
        );
        assert_eq!(Link::of_slot(&port).and_then(Link::generation), Some(3));
    }

    #[test]
    fn a_device_on_the_root_complex_has_no_link() {
        let (_root, device) = fixture::directory(&[
            ("current_link_speed", "Unknown\n"),
            ("current_link_width", "0\n"),
            ("max_link_speed", "2.5 GT/s PCIe\n"),
            ("max_link_width", "255\n"),
        ]);
        assert_eq!(Link::current(&device), None);
        assert_eq!(Link::of_slot(&device), None);
    }
}
