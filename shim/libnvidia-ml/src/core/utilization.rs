//! How busy a device is: by the driver's own gauge, or by what its clients used
//! between two readings.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::client::{self, Client, Engine, Node};
use super::rate::Rate;
use super::sysfs::Directory;

/// Shares of a period, in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Of the engine that computed or drew most.
    pub shader: u32,
    /// Of the encoders.
    pub encode: u32,
    /// Of the decoders.
    pub decode: u32,
}

/// What one process used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The process.
    pub pid: u32,
    /// Microseconds since 1970.
    pub timestamp: u64,
    /// What it used.
    pub shares: Shares,
}

/// The driver's gauge (amdgpu's `gpu_busy_percent`).
pub fn gauge(device: &Directory) -> Option<u32> {
    device.number("gpu_busy_percent")
}

/// The driver's gauge of the memory's controller (amdgpu's `mem_busy_percent`).
pub fn memory_gauge(device: &Directory) -> Option<u32> {
    device.number("mem_busy_percent")
}

/// The readings of a device's clients.
#[derive(Debug, Default)]
pub struct Clients {
    rate: Rate<Vec<Client>, Vec<Sample>>,
}

impl Clients {
    /// What each visible process used of the device since the last reading.
    ///
    /// `None` if the device's driver does not say what its clients use. Where it
    /// does there is at least one client: this process, which has the device open.
    pub fn samples(&self, proc: &Path, node: Node) -> Option<Vec<Sample>> {
        self.rate.measure(
            || described(client::clients(proc, node)),
            |before, after, period| compare(&before, after, period),
        )
    }
}

fn described(clients: Vec<Client>) -> Option<Vec<Client>> {
    clients
        .iter()
        .any(|client| !client.engines.is_empty())
        .then_some(clients)
}

/// The shares of all processes together.
pub fn total(samples: &[Sample]) -> Shares {
    samples
        .iter()
        .fold(Shares::default(), |sum, sample| Shares {
            shader: (sum.shader + sample.shares.shader).min(100),
            encode: (sum.encode + sample.shares.encode).min(100),
            decode: (sum.decode + sample.shares.decode).min(100),
        })
}

fn compare(before: &[Client], after: &[Client], period: Duration) -> Vec<Sample> {
    let timestamp = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_micros();
    let timestamp = u64::try_from(timestamp).unwrap_or(u64::MAX);
    let (before, after) = (by_process(before), by_process(after));
    let sample = |(&pid, engines): (&u32, &Engines)| Sample {
        pid,
        timestamp,
        shares: shares(before.get(&pid), engines, period),
    };
    after.iter().map(sample).collect()
}

/// For each engine: busy time, time or cycles available (0: wall clock), engines.
type Engines = HashMap<String, (u64, u64, u32)>;

fn by_process(clients: &[Client]) -> BTreeMap<u32, Engines> {
    let mut processes: BTreeMap<u32, Engines> = BTreeMap::new();
    for client in clients {
        let engines = processes.entry(client.pid).or_default();
        for (name, work) in &client.engines {
            let sum = engines
                .entry(name.clone())
                .or_insert((0, 0, work.capacity.max(1)));
            sum.0 = sum.0.saturating_add(work.busy);
            sum.1 = sum.1.max(work.available.unwrap_or(0));
        }
    }
    processes
}

fn shares(before: Option<&Engines>, after: &Engines, period: Duration) -> Shares {
    let mut shares = Shares::default();
    for (name, &(busy, available, capacity)) in after {
        // A process that is new since the last reading began at 0.
        let old = before
            .and_then(|engines| engines.get(name))
            .copied()
            .unwrap_or((0, available, capacity));
        let used = u128::from(busy.saturating_sub(old.0));
        let span = match available {
            0 => period.as_nanos(),
            cycles => u128::from(cycles.saturating_sub(old.1)),
        };
        let percent = (used * 100)
            .checked_div(span * u128::from(capacity))
            .unwrap_or(0)
            .min(100);
        let percent = u32::try_from(percent).unwrap_or(100);
        let place = match Engine::of(name) {
            Engine::Graphics | Engine::Compute => &mut shares.shader,
            Engine::Encode => &mut shares.encode,
            Engine::Decode => &mut shares.decode,
            Engine::Copy => continue,
        };
        *place = (*place).max(percent);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::super::client::{Work, fixture};
    use super::super::sysfs;
    use super::*;

    fn client(pid: u32, engines: &[(&str, u64, Option<u64>, u32)]) -> Client {
        let work = |&(name, busy, available, capacity): &(&str, u64, Option<u64>, u32)| {
            (
                name.to_owned(),
                Work {
                    busy,
                    available,
                    capacity,
                },
            )
        };
        Client {
            pid,
            engines: engines.iter().map(work).collect(),
            memory: None,
        }
    }

    #[test]
    fn a_process_used_what_its_engines_gained_in_the_period() {
        let before = vec![client(1, &[("gfx", 1_000, None, 1), ("dec", 0, None, 1)])];
        let after = vec![
            client(
                1,
                &[
                    ("gfx", 50_001_000, None, 1),
                    ("dec", 25_000_000, None, 1),
                    ("dma", 99_000_000, None, 1),
                ],
            ),
            client(2, &[("compute", 60_000_000, None, 1)]),
        ];
        let samples = compare(&before, &after, Duration::from_millis(100));
        assert_eq!(samples.len(), 2);
        assert_eq!(
            samples[0].shares,
            Shares {
                shader: 50,
                encode: 0,
                decode: 25
            }
        );
        assert_eq!(samples[1].shares.shader, 60);
        assert_eq!(
            total(&samples),
            Shares {
                shader: 100,
                encode: 0,
                decode: 25
            }
        );
    }

    #[test]
    fn cycles_are_compared_with_cycles_and_shared_between_engines() {
        let before = vec![client(1, &[("ccs", 100, Some(1_000), 4)])];
        let after = vec![client(1, &[("ccs", 2_100, Some(2_000), 4)])];
        assert_eq!(
            compare(&before, &after, Duration::from_secs(1))[0]
                .shares
                .shader,
            50
        );
    }

    #[test]
    fn clients_that_go_leave_no_negative_share() {
        let before = vec![client(1, &[("gfx", 5_000, None, 1)])];
        let after = vec![client(1, &[("gfx", 1_000, None, 1)])];
        assert_eq!(
            compare(&before, &after, Duration::from_millis(1))[0].shares,
            Shares::default()
        );
    }

    #[test]
    fn an_idle_device_is_idle() {
        let root = tempfile::tempdir().unwrap();
        let info = "drm-client-id: 7\ndrm-engine-render: 500 ns\n";
        fixture::open(root.path(), 12, 3, "/dev/dri/renderD128", info);
        let node = Node {
            pci: None,
            render_minor: Some(128),
        };
        let samples = Clients::default().samples(root.path(), node).unwrap();
        assert_eq!((samples.len(), total(&samples)), (1, Shares::default()));
    }

    #[test]
    fn a_driver_that_does_not_describe_its_clients_has_no_shares() {
        let root = tempfile::tempdir().unwrap();
        fixture::open(
            root.path(),
            12,
            3,
            "/dev/dri/renderD128",
            "drm-driver: nouveau\n",
        );
        let node = Node {
            pci: None,
            render_minor: Some(128),
        };
        assert_eq!(Clients::default().samples(root.path(), node), None);
    }

    #[test]
    fn amdgpu_has_gauges() {
        let (_root, device) =
            sysfs::fixture::directory(&[("gpu_busy_percent", "37\n"), ("mem_busy_percent", "5\n")]);
        assert_eq!((gauge(&device), memory_gauge(&device)), (Some(37), Some(5)));
    }
}
