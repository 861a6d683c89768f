//! What a Vulkan device is called as a CUDA device: its place in the list, its
//! name, UUID and PCI address.
//!
//! The driver API and NVML must agree on all of these, byte for byte: programs
//! match the devices of one against those of the other, and the runtime hashes
//! UUID and PCI address. So both ask [`of`], with the whole list of suitable
//! devices, before `CUDA_VISIBLE_DEVICES` hides any. A room of its own, because
//! `abi` knows nothing of Vulkan and `vulkan` nothing of CUDA.
#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::fmt;

use abi::cuda::CUuuid;

/// What sort of device this is, in the order in which CUDA lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that a virtual machine's host lends.
    Virtual,
    /// A GPU that shares the processor's memory.
    Integrated,
    /// No GPU: Vulkan on the processor.
    Software,
}

impl Kind {
    fn of(kind: vulkan::Kind) -> Self {
        match kind {
            vulkan::Kind::Discrete => Self::Discrete,
            vulkan::Kind::Integrated => Self::Integrated,
            // CUDA has no word for another kind; a GPU that is lent comes closest.
            vulkan::Kind::Virtual | vulkan::Kind::Other => Self::Virtual,
            vulkan::Kind::Cpu => Self::Software,
        }
    }
}

/// A PCI function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PciAddress {
    /// PCI domain (segment); wider than 16 bits behind some host bridges.
    pub domain: u32,
    /// Bus in the domain.
    pub bus: u8,
    /// Device (slot) on the bus.
    pub device: u8,
    /// Function of the device; CUDA and NVML have no word for it and print 0.
    pub function: u8,
}

/// As `cuDeviceGetPCIBusId` prints it.
impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:04X}:{:02X}:{:02X}.0",
            self.domain, self.bus, self.device
        )
    }
}

impl PciAddress {
    /// The address as Vulkan has it; none if a number is not one of PCI's.
    fn of(address: vulkan::PciAddress) -> Option<Self> {
        Some(Self {
            domain: address.domain,
            bus: address.bus.try_into().ok()?,
            device: address.device.try_into().ok()?,
            function: address.function.try_into().ok()?,
        })
    }

    /// Reads `domain:bus:device.function` or `bus:device.function`, where
    /// `.function` may be absent; hexadecimal in either case. The function is
    /// not part of a CUDA or NVML address and reads as 0.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (text, function) = text.rsplit_once('.').unwrap_or((text, "0"));
        hexadecimal(function, 1)?;
        let mut fields = text.rsplit(':');
        let (device, bus) = (fields.next()?, fields.next()?);
        let domain = fields.next().unwrap_or("0");
        if fields.next().is_some() {
            return None;
        }
        Some(Self {
            domain: hexadecimal(domain, 8)?,
            bus: hexadecimal(bus, 2)?.try_into().ok()?,
            device: hexadecimal(device, 2)?.try_into().ok()?,
            function: 0,
        })
    }

    /// What the address is to CUDA and NVML, which ignore the function.
    #[must_use]
    pub fn triple(self) -> (u32, u8, u8) {
        (self.domain, self.bus, self.device)
    }
}

fn hexadecimal(digits: &str, longest: usize) -> Option<u32> {
    let valid =
        (1..=longest).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    valid
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}

/// What Vulkan and the kernel say of one device.
#[derive(Clone, Copy, Debug)]
struct Facts<'a> {
    /// `VkPhysicalDeviceProperties::deviceName`.
    name: &'a str,
    /// `VkPhysicalDeviceProperties::vendorID`.
    vendor_id: u32,
    /// `VkPhysicalDeviceProperties::deviceID`.
    device_id: u32,
    /// `VkPhysicalDeviceIDProperties::deviceUUID`.
    device_uuid: [u8; 16],
    /// From `VK_EXT_pci_bus_info` or the DRM node.
    pci: Option<PciAddress>,
    /// From `VkPhysicalDeviceProperties::deviceType`.
    kind: Kind,
}

impl<'a> From<&'a vulkan::PhysicalDevice> for Facts<'a> {
    fn from(device: &'a vulkan::PhysicalDevice) -> Self {
        Facts {
            name: device.name(),
            vendor_id: device.vendor_id(),
            device_id: device.device_id(),
            device_uuid: device.device_uuid(),
            pci: device.pci().and_then(PciAddress::of),
            kind: Kind::of(device.kind()),
        }
    }
}

/// One CUDA device, as every interface names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Which of the devices handed to [`of`] this is.
    pub index: usize,
    /// The device's name.
    pub name: String,
    /// Unique on the host, the same in each process.
    pub uuid: CUuuid,
    /// Where the device is; made up if `synthetic_pci`.
    pub pci: PciAddress,
    /// Whether the device has no PCI address, so that `pci` names no real one.
    pub synthetic_pci: bool,
    /// What sort of device this is.
    pub kind: Kind,
}

/// Where devices without a PCI address are put: the highest domain that CUDA's
/// four digits can print, far from the domains that firmware hands out.
const SYNTHETIC_DOMAIN: u32 = 0xffff;

/// Orders the devices as CUDA and NVML list them (GPUs before the processor,
/// then by PCI address, then as found) and gives each its identity.
///
/// A GPU that two Vulkan drivers offer is one CUDA device: the first is taken.
#[must_use]
pub fn of(devices: &[vulkan::PhysicalDevice]) -> Vec<Identity> {
    let facts: Vec<Facts<'_>> = devices.iter().map(Facts::from).collect();
    identify(&facts)
}

fn identify(found: &[Facts<'_>]) -> Vec<Identity> {
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&index| {
        let facts = &found[index];
        (facts.kind, facts.pci.is_none(), facts.pci, index)
    });
    let mut addresses = HashSet::new();
    order.retain(|&index| {
        found[index]
            .pci
            .is_none_or(|address| addresses.insert(address))
    });
    let mut taken: HashSet<_> = addresses.into_iter().map(PciAddress::triple).collect();
    let mut uuids = HashSet::new();
    order
        .into_iter()
        .map(|index| {
            let facts = &found[index];
            Identity {
                index,
                name: facts.name.to_owned(),
                uuid: uuid(facts, &mut uuids),
                pci: facts.pci.unwrap_or_else(|| synthetic_address(&mut taken)),
                synthetic_pci: facts.pci.is_none(),
                kind: facts.kind,
            }
        })
        .collect()
}

fn synthetic_address(taken: &mut HashSet<(u32, u8, u8)>) -> PciAddress {
    let slots = (0..=u8::MAX).flat_map(|bus| (0..32).map(move |device| (bus, device)));
    for (bus, device) in slots {
        if taken.insert((SYNTHETIC_DOMAIN, bus, device)) {
            return PciAddress {
                domain: SYNTHETIC_DOMAIN,
                bus,
                device,
                function: 0,
            };
        }
    }
    // More devices than one PCI domain can hold: they share its last slot.
    PciAddress {
        domain: SYNTHETIC_DOMAIN,
        bus: u8::MAX,
        device: 31,
        function: 0,
    }
}

/// Vulkan's UUID where it tells devices apart; else one made from what the
/// device is and how many like it came before.
///
/// A software driver's own UUID is its version string, so that an update of the
/// driver would make the device another one: it is not used.
fn uuid(facts: &Facts<'_>, taken: &mut HashSet<CUuuid>) -> CUuuid {
    let own = CUuuid {
        bytes: facts.device_uuid,
    };
    let real = facts.kind != Kind::Software && own != CUuuid::default();
    if real && taken.insert(own) {
        return own;
    }
    let mut ordinal = 0;
    loop {
        let made = derived_uuid(facts, ordinal);
        if taken.insert(made) {
            return made;
        }
        ordinal += 1;
    }
}

/// A UUID of version 8 (RFC 9562: contents up to the application), by FNV-1a,
/// whose result is the same in every build, unlike the standard hasher's.
fn derived_uuid(facts: &Facts<'_>, ordinal: u32) -> CUuuid {
    let (domain, bus, device) = facts.pci.unwrap_or_default().triple();
    let words = [
        facts.vendor_id,
        facts.device_id,
        domain,
        bus.into(),
        device.into(),
        ordinal,
    ];
    let hash = words
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .fold(FNV_OFFSET, |hash, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(FNV_PRIME)
        });
    let mut bytes = hash.to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    CUuuid { bytes }
}

const FNV_OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const FNV_PRIME: u128 = 0x0100_0000_0000_0000_0000_013b;

#[cfg(test)]
mod tests {
    use super::*;

    const LAVAPIPE: Facts<'_> = Facts {
        name: "llvmpipe (LLVM 19.1.7, 256 bits)",
        vendor_id: 0x10005,
        device_id: 0,
        device_uuid: *b"mesa25.0.7-2~bp\0",
        pci: None,
        kind: Kind::Software,
    };

    fn gpu(bus: u8) -> Facts<'static> {
        Facts {
            name: "AMD Radeon RX 7900 XTX (RADV NAVI31)",
            vendor_id: 0x1002,
            device_id: 0x744c,
            device_uuid: [bus; 16],
            pci: Some(PciAddress {
                domain: 0,
                bus,
                device: 0,
                function: 0,
            }),
            kind: Kind::Discrete,
        }
    }

    #[test]
    fn gpus_come_before_the_processor_in_pci_order() {
        let igpu = Facts {
            kind: Kind::Integrated,
            ..gpu(0)
        };
        let list = identify(&[LAVAPIPE, igpu, gpu(9), gpu(3)]);
        assert_eq!(
            list.iter().map(|d| d.index).collect::<Vec<_>>(),
            [3, 2, 1, 0]
        );
    }

    #[test]
    fn a_gpu_that_two_drivers_offer_is_one_device() {
        let list = identify(&[
            gpu(3),
            Facts {
                device_uuid: [7; 16],
                ..gpu(3)
            },
            LAVAPIPE,
            LAVAPIPE,
        ]);
        assert_eq!(list.iter().map(|d| d.index).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn functions_of_one_slot_are_two_devices() {
        let mut second = gpu(3);
        second.pci.as_mut().unwrap().function = 1;
        second.device_uuid = [4; 16];
        assert_eq!(identify(&[gpu(3), second]).len(), 2);
    }

    #[test]
    fn a_gpu_keeps_its_own_uuid_and_address() {
        let list = identify(&[gpu(3)]);
        assert_eq!(list[0].uuid.bytes, [3; 16]);
        assert_eq!(list[0].pci.to_string(), "0000:03:00.0");
        assert!(!list[0].synthetic_pci);
    }

    #[test]
    fn identities_are_unique_where_vulkan_repeats_itself() {
        let nameless = Facts {
            device_uuid: [0; 16],
            pci: None,
            ..gpu(1)
        };
        let list = identify(&[
            nameless,
            nameless,
            gpu(1),
            Facts {
                device_uuid: [1; 16],
                ..gpu(2)
            },
            LAVAPIPE,
            LAVAPIPE,
        ]);
        assert_eq!(list.len(), 6);
        assert_eq!(list.iter().map(|d| d.uuid).collect::<HashSet<_>>().len(), 6);
        assert_eq!(list.iter().map(|d| d.pci).collect::<HashSet<_>>().len(), 6);
    }

    #[test]
    fn a_software_device_is_the_same_after_an_update_of_its_driver() {
        let updated = Facts {
            name: "llvmpipe (LLVM 21.1.0, 512 bits)",
            device_uuid: [9; 16],
            ..LAVAPIPE
        };
        let (before, after) = (&identify(&[LAVAPIPE])[0], &identify(&[gpu(1), updated])[1]);
        assert_eq!((before.uuid, before.pci), (after.uuid, after.pci));
        // Programs may have stored it: a change here is a change for them.
        assert_eq!(
            before.uuid.to_string(),
            "GPU-2a46673b-9c52-8546-beca-81f5a78c7bd1"
        );
        assert_eq!(before.pci.to_string(), "FFFF:00:00.0");
    }

    #[test]
    fn a_synthetic_address_avoids_the_real_ones() {
        let mut high = gpu(0);
        high.pci.as_mut().unwrap().domain = SYNTHETIC_DOMAIN;
        let list = identify(&[high, LAVAPIPE]);
        assert_eq!(list[1].pci.to_string(), "FFFF:00:01.0");
    }

    #[test]
    fn addresses_read_in_every_form_that_cuda_and_nvml_print() {
        let address = PciAddress {
            domain: 0x1a,
            bus: 0x3b,
            device: 0x1f,
            function: 0,
        };
        for text in [
            "001A:3B:1F.0",
            "1a:3b:1f.0",
            "0000001A:3B:1F.0",
            "001a:3b:1f",
            "1a:3b:1f.7",
        ] {
            assert_eq!(PciAddress::parse(text), Some(address), "{text}");
        }
        assert_eq!(
            PciAddress::parse("3b:00.0").map(PciAddress::triple),
            Some((0, 0x3b, 0))
        );
        for text in [
            "",
            "3b",
            ":3b:00.0",
            "0:0:0:0.0",
            "0000:3b:00.",
            "0000:3g:00.0",
            "+0:3b:00.0",
            "0:100:0.0",
        ] {
            assert_eq!(PciAddress::parse(text), None, "{text}");
        }
    }
}
