//! Who uses a device: the DRM clients that processes hold open, as the kernel
//! describes them in `/proc/PID/fdinfo` (Documentation/gpu/drm-usage-stats.rst).
//!
//! A process sees the clients of the processes that it may trace, in its own PID
//! namespace: in a container that is the container, for a user the user's own.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

use identity::PciAddress;

/// Which device's clients are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The device's PCI address, where it has one.
    pub pci: Option<PciAddress>,
    /// The minor number of its render node, where it has one.
    pub render_minor: Option<u32>,
}

/// How long an engine worked for a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Nanoseconds, or cycles if `available` is set.
    pub busy: u64,
    /// Cycles that went by, where the driver counts cycles.
    pub available: Option<u64>,
    /// How many engines of this name there are.
    pub capacity: u32,
}

/// One client: an open file of a process, or several that share a context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The process.
    pub pid: u32,
    /// What the process used, by the engine's name.
    pub engines: BTreeMap<String, Work>,
    /// Bytes of device memory that it holds, if the driver says.
    pub memory: Option<u64>,
}

/// What an engine does, by the names that drivers give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Draws, and on many devices computes too.
    Graphics,
    /// Computes only.
    Compute,
    /// Encodes video, or does so among other things.
    Encode,
    /// Decodes video.
    Decode,
    /// Copies.
    Copy,
}

impl Engine {
    /// amdgpu: `gfx compute dma enc enc_1 dec jpeg`; i915: `render copy video
    /// video-enhance compute`; xe: `rcs bcs vcs vecs ccs`; others: `gpu`, `fragment`…
    pub fn of(name: &str) -> Self {
        match name {
            "compute" | "ccs" => Self::Compute,
            "dma" | "copy" | "bcs" => Self::Copy,
            "video" | "vcs" | "jpeg" => Self::Decode,
            "video-enhance" | "vecs" => Self::Encode,
            _ if name.starts_with("dec") => Self::Decode,
            _ if name.starts_with("enc") => Self::Encode,
            _ => Self::Graphics,
        }
    }
}

/// A process on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process.
    pub pid: u32,
    /// Whether it computes; else it draws.
    pub computes: bool,
    /// Bytes of device memory that it holds, if the driver says.
    pub memory: Option<u64>,
}

/// The clients of the device `node` that are visible in `proc`.
pub fn clients(proc: &Path, node: Node) -> Vec<Client> {
    let mut seen = HashSet::new();
    let mut clients = Vec::new();
    for pid in processes(proc) {
        let directory = proc.join(pid.to_string());
        for file in drm_files(&directory) {
            let Ok(text) = fs::read_to_string(directory.join("fdinfo").join(&file.descriptor))
            else {
                continue; // The process or the file is gone.
            };
            let info = Info::parse(&text);
            if info.is_of(node, &file) && seen.insert((pid, info.client)) {
                clients.push(Client { pid, ..info.usage });
            }
        }
    }
    clients
}

/// The processes that ever made the device `node` work. Those that only opened
/// it, as every program does that looks for devices, are not listed.
pub fn running(proc: &Path, node: Node) -> Vec<Process> {
    let mut running: BTreeMap<u32, Process> = BTreeMap::new();
    for client in clients(proc, node) {
        let mut worked = client
            .engines
            .iter()
            .filter(|(_, work)| work.busy > 0)
            .peekable();
        if worked.peek().is_none() {
            continue;
        }
        let computes = worked.any(|(name, _)| Engine::of(name) == Engine::Compute);
        let process = running.entry(client.pid).or_insert(Process {
            pid: client.pid,
            computes: false,
            memory: None,
        });
        process.computes |= computes;
        process.memory = match (process.memory, client.memory) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
    }
    for process in running.values_mut() {
        process.computes |= uses_cuda(proc, process.pid);
    }
    running.into_values().collect()
}

/// Whether a process has the CUDA driver loaded: then what it does on an engine
/// that also draws is computing.
fn uses_cuda(proc: &Path, pid: u32) -> bool {
    let maps = fs::read_to_string(proc.join(pid.to_string()).join("maps")).unwrap_or_default();
    maps.contains("/libcuda.so")
}

fn processes(proc: &Path) -> Vec<u32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// An open file below `/dev/dri`.
struct DrmFile {
    descriptor: String,
    render_minor: Option<u32>,
}

fn drm_files(process: &Path) -> Vec<DrmFile> {
    let entries = fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten();
    entries
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let node = target.to_str()?.strip_prefix("/dev/dri/")?.to_owned();
            Some(DrmFile {
                descriptor: entry.file_name().into_string().ok()?,
                render_minor: node
                    .strip_prefix("renderD")
                    .and_then(|minor| minor.parse().ok()),
            })
        })
        .collect()
}

/// What one file under `fdinfo` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Info {
    client: Option<u64>,
    pci: Option<PciAddress>,
    usage: Client,
}

impl Info {
    fn parse(text: &str) -> Self {
        let mut info = Self::default();
        let mut memory = Memory::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let Some(key) = key.strip_prefix("drm-") else {
                continue;
            };
            info.take(key, value.trim());
            memory.take(key, value.trim());
        }
        info.usage.memory = memory.device();
        info
    }

    fn take(&mut self, key: &str, value: &str) {
        let number = || value.split_whitespace().next()?.parse::<u64>().ok();
        if key == "client-id" {
            self.client = number();
        } else if key == "pdev" {
            self.pci = PciAddress::parse(value);
        } else if let Some(name) = key.strip_prefix("engine-capacity-") {
            self.work(name).capacity = number().and_then(|n| n.try_into().ok()).unwrap_or(1);
        } else if let Some(name) = key
            .strip_prefix("engine-")
            .or_else(|| key.strip_prefix("cycles-"))
        {
            self.work(name).busy = number().unwrap_or(0);
        } else if let Some(name) = key.strip_prefix("total-cycles-") {
            self.work(name).available = number();
        }
    }

    fn work(&mut self, name: &str) -> &mut Work {
        self.usage.engines.entry(name.to_owned()).or_insert(Work {
            capacity: 1,
            ..Work::default()
        })
    }

    fn is_of(&self, node: Node, file: &DrmFile) -> bool {
        match (self.pci, node.pci) {
            (Some(a), Some(b)) => a.triple() == b.triple(),
            _ => node.render_minor.is_some() && file.render_minor == node.render_minor,
        }
    }
}

/// Memory by region, by the key that says best what is held: `resident`, else
/// `memory` (its older name), else `total`.
#[derive(Default)]
struct Memory {
    regions: BTreeMap<String, (u8, u64)>,
}

impl Memory {
    fn take(&mut self, key: &str, value: &str) {
        let ranks = [("total-", 0), ("memory-", 1), ("resident-", 2)];
        let Some((region, rank)) = ranks
            .iter()
            .find_map(|(prefix, rank)| Some((key.strip_prefix(prefix)?, *rank)))
        else {
            return;
        };
        let Some(bytes) = bytes(value) else {
            return;
        };
        let entry = self
            .regions
            .entry(region.to_owned())
            .or_insert((rank, bytes));
        if entry.0 <= rank {
            *entry = (rank, bytes);
        }
    }

    /// Bytes in the device's own memory (`vram`, `vram0`, `local0`), or where it
    /// has none, in the machine's.
    fn device(&self) -> Option<u64> {
        let own = |region: &str| region.starts_with("vram") || region.starts_with("local");
        let sum = |own_memory: bool| {
            let mut sizes = self
                .regions
                .iter()
                .filter(|(region, _)| own(region) == own_memory)
                .peekable();
            sizes.peek()?;
            Some(sizes.fold(0, |sum: u64, (_, (_, bytes))| sum.saturating_add(*bytes)))
        };
        sum(true).or_else(|| sum(false))
    }
}

/// A size with its unit: `1024 KiB`. No unit means bytes.
fn bytes(value: &str) -> Option<u64> {
    let mut words = value.split_whitespace();
    let number: u64 = words.next()?.parse().ok()?;
    let unit = match words.next() {
        None => 1,
        Some("KiB") => 1 << 10,
        Some("MiB") => 1 << 20,
        Some(_) => return None,
    };
    number.checked_mul(unit)
}

#[cfg(test)]
pub mod fixture {
    //! A `/proc` with processes that hold render nodes open.

    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    /// Gives process `pid` the open file `descriptor` of `node`.
    pub fn open(proc: &Path, pid: u32, descriptor: u32, node: &str, info: &str) {
        let process = proc.join(pid.to_string());
        fs::create_dir_all(process.join("fd")).unwrap();
        fs::create_dir_all(process.join("fdinfo")).unwrap();
        symlink(node, process.join("fd").join(descriptor.to_string())).unwrap();
        fs::write(process.join("fdinfo").join(descriptor.to_string()), info).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AMDGPU: &str = "pos:\t0\nflags:\t02100002\nmnt_id:\t28\nino:\t1021\n\
        drm-driver:\tamdgpu\ndrm-client-id:\t43\ndrm-pdev:\t0000:03:00.0\npasid:\t32778\n\
        drm-total-cpu:\t0\ndrm-shared-cpu:\t0\ndrm-total-gtt:\t28 MiB\ndrm-resident-gtt:\t28 MiB\n\
        drm-total-vram:\t4096 MiB\ndrm-resident-vram:\t3072 MiB\ndrm-memory-vram:\t3145728 KiB\n\
        drm-memory-gtt: \t28672 KiB\namd-requested-vram:\t4194304 KiB\n\
        drm-engine-gfx:\t0 ns\ndrm-engine-compute:\t7532108436 ns\n";

    const I915: &str = "drm-driver: i915\ndrm-client-id: 7\ndrm-pdev: 0000:00:02.0\n\
        drm-total-system0: 256 MiB\ndrm-resident-system0: 128 MiB\n\
        drm-engine-render: 9288864723 ns\ndrm-engine-copy: 2035071108 ns\ndrm-engine-video: 0 ns\n\
        drm-engine-capacity-video: 2\n";

    const XE: &str = "drm-driver:\txe\ndrm-client-id:\t9\ndrm-pdev:\t0000:03:00.0\n\
        drm-total-vram0:\t1048576 KiB\ndrm-resident-vram0:\t524288 KiB\n\
        drm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\n\
        drm-cycles-ccs:\t100\ndrm-total-cycles-ccs:\t7655176764\ndrm-engine-capacity-ccs:\t4\n";

    fn gpu(bus: u8) -> Node {
        Node {
            pci: Some(PciAddress {
                domain: 0,
                bus,
                device: 0,
                function: 0,
            }),
            render_minor: Some(128),
        }
    }

    #[test]
    fn a_client_of_amdgpu() {
        let info = Info::parse(AMDGPU);
        assert_eq!(info.client, Some(43));
        assert_eq!(info.pci, PciAddress::parse("03:00.0"));
        assert_eq!(info.usage.memory, Some(3072 << 20));
        assert_eq!(info.usage.engines["compute"].busy, 7_532_108_436);
        assert_eq!(
            info.usage.engines["gfx"],
            Work {
                busy: 0,
                available: None,
                capacity: 1
            }
        );
        assert_eq!(info.usage.engines.len(), 2);
    }

    #[test]
    fn a_client_of_an_integrated_gpu_holds_the_machines_memory() {
        let usage = Info::parse(I915).usage;
        assert_eq!(usage.memory, Some(128 << 20));
        assert_eq!(
            usage.engines["video"],
            Work {
                busy: 0,
                available: None,
                capacity: 2
            }
        );
    }

    #[test]
    fn a_client_of_xe_counts_cycles() {
        let usage = Info::parse(XE).usage;
        assert_eq!(usage.memory, Some(512 << 20));
        assert_eq!(
            usage.engines["ccs"],
            Work {
                busy: 100,
                available: Some(7_655_176_764),
                capacity: 4
            }
        );
    }

    #[test]
    fn a_client_is_counted_once_however_often_it_is_open() {
        let root = tempfile::tempdir().unwrap();
        let proc = root.path();
        fixture::open(proc, 100, 5, "/dev/dri/renderD128", AMDGPU);
        fixture::open(proc, 100, 6, "/dev/dri/renderD128", AMDGPU);
        fixture::open(proc, 100, 7, "/dev/dri/card0", AMDGPU);
        fixture::open(proc, 100, 8, "/dev/null", AMDGPU);
        fixture::open(proc, 200, 3, "/dev/dri/renderD129", I915);
        assert_eq!(clients(proc, gpu(3)).len(), 1);
        assert_eq!(clients(proc, gpu(4)), []);
        let integrated = Node {
            pci: PciAddress::parse("00:02.0"),
            render_minor: Some(129),
        };
        assert_eq!(clients(proc, integrated)[0].pid, 200);
    }

    #[test]
    fn a_device_without_a_pci_address_is_known_by_its_render_node() {
        let root = tempfile::tempdir().unwrap();
        let mali = "drm-driver: panthor\ndrm-client-id: 3\ndrm-engine-panthor: 5 ns\n";
        fixture::open(root.path(), 9, 4, "/dev/dri/renderD128", mali);
        let node = |minor| Node {
            pci: None,
            render_minor: Some(minor),
        };
        assert_eq!(running(root.path(), node(128)).len(), 1);
        assert_eq!(running(root.path(), node(129)), []);
        assert_eq!(
            running(
                root.path(),
                Node {
                    pci: None,
                    render_minor: None
                }
            ),
            []
        );
    }

    #[test]
    fn processes_compute_or_draw_and_idle_ones_are_left_out() {
        let root = tempfile::tempdir().unwrap();
        let proc = root.path();
        let drawing = AMDGPU
            .replace("compute:\t7532108436", "compute:\t0")
            .replace("gfx:\t0", "gfx:\t9");
        let idle = AMDGPU.replace("compute:\t7532108436", "compute:\t0");
        fixture::open(proc, 100, 5, "/dev/dri/renderD128", AMDGPU);
        fixture::open(proc, 101, 5, "/dev/dri/renderD128", &drawing);
        fixture::open(proc, 102, 5, "/dev/dri/renderD128", &idle);
        fixture::open(proc, 103, 5, "/dev/dri/renderD128", &drawing);
        fs::write(
            proc.join("103/maps"),
            "7f00-7f01 r-xp 0 00:00 1 /usr/lib/x86_64-linux-gnu/libcuda.so.1\n",
        )
        .unwrap();
        let memory = Some(3072 << 20);
        assert_eq!(
            running(proc, gpu(3)),
            [
                Process {
                    pid: 100,
                    computes: true,
                    memory
                },
                Process {
                    pid: 101,
                    computes: false,
                    memory
                },
                Process {
                    pid: 103,
                    computes: true,
                    memory
                },
            ]
        );
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("5"), Some(5));
        assert_eq!(bytes("5 KiB"), Some(5 << 10));
        assert_eq!(bytes("5 MiB"), Some(5 << 20));
        for text in ["", "x", "5 GB", "18446744073709551615 KiB"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
