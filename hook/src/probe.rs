//! What Vulkan itself says of the host's devices, by `vulkan-probe`, which uses
//! them as the shims in a container do. Slow (it tests each device), so it is
//! asked when drivers are assembled and by the doctor, never by a hook.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::layout::Layout;

/// How long the probe may take; lavapipe compiles its tests.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

/// A device as `vulkan-probe --json` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Device {
    pub name: String,
    pub api_version: String,
    /// 32 hexadecimal digits.
    pub device_uuid: String,
    /// `0000:03:00.0`, of devices that have one.
    pub pci: Option<String>,
    /// Why it cannot be used.
    pub unsuitable: Option<String>,
    /// What failed when it was used.
    pub error: Option<String>,
}

#[derive(Deserialize)]
struct Report {
    devices: Vec<Device>,
}

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("{}: {source}: install pumice again", path.display())]
    NotInstalled {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} gave no report within {} seconds: run it by hand", .0.display(), DEADLINE.as_secs())]
    NoReport(PathBuf),
}

/// Asks for the devices of the assembled drivers.
pub fn devices(layout: &Layout) -> Result<Vec<Device>, ProbeError> {
    let path = layout.library_dir.join("vulkan-probe");
    let started = Command::new(&path)
        .arg("--json")
        .env("PUMICE_DRIVERS", layout.drivers_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let child = started.map_err(|source| ProbeError::NotInstalled {
        path: path.clone(),
        source,
    })?;
    let report = output_in_time(child).and_then(|text| serde_json::from_str::<Report>(&text).ok());
    report
        .map(|report| report.devices)
        .ok_or(ProbeError::NoReport(path))
}

/// What a program prints, unless it takes too long.
fn output_in_time(mut child: Child) -> Option<String> {
    let mut output = child.stdout.take()?;
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        output.read_to_string(&mut text).map(|_| text)
    });
    let start = Instant::now();
    while !reader.is_finished() {
        if start.elapsed() > DEADLINE {
            // It may have ended by itself in this moment.
            let _ = child.kill();
        }
        std::thread::sleep(PAUSE);
    }
    // The report counts, not the status, which says that a device is unusable.
    let _ = child.wait();
    reader.join().ok()?.ok()
}

/// CUDA's names of the devices, by PCI address.
pub type Uuids = BTreeMap<String, String>;

/// The names that the last probe of this host recorded.
pub fn recorded(layout: &Layout) -> Uuids {
    let text = fs::read(layout.uuids()).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Records the names, for `NVIDIA_VISIBLE_DEVICES=GPU-…`.
pub fn record(layout: &Layout, devices: &[Device]) -> std::io::Result<()> {
    let named = devices
        .iter()
        .filter_map(|device| Some((device.pci.clone()?, cuda_name(&device.device_uuid)?)));
    let text = serde_json::to_string_pretty(&named.collect::<Uuids>())?;
    let scratch = layout.uuids().with_extension("new");
    fs::write(&scratch, text + "\n")?;
    fs::rename(scratch, layout.uuids())
}

/// `GPU-` and the UUID in its usual groups, as nvidia-smi prints it.
fn cuda_name(uuid: &str) -> Option<String> {
    let plain = uuid.len() == 32 && uuid.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| {
        format!(
            "GPU-{}-{}-{}-{}-{}",
            &uuid[..8],
            &uuid[8..12],
            &uuid[12..16],
            &uuid[16..20],
            &uuid[20..]
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_written_as_cuda_does() {
        let name = cuda_name("6d65736132352e302e372d327e627000");
        assert_eq!(
            name.as_deref(),
            Some("GPU-6d657361-3235-2e30-2e37-2d327e627000")
        );
        assert_eq!(cuda_name("6d65"), None);
    }
}
