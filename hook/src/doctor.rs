//! `pumice doctor`: what is present on this host, what is missing, and what to
//! do about it. It reads and reports; it changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::assemble::{self, Assembled};
use crate::cdi;
use crate::configuration::Host;
use crate::discover::{Device, Inventory, discover};
use crate::elf;
use crate::image::glibc_version;
use crate::layout::PRELOAD;
use crate::policy::Software;
use crate::probe;
use crate::runtime::find_runtime;

/// How serious a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Good,
    /// Worth knowing; nothing to do unless it surprises.
    Note,
    /// Something does not work.
    Problem,
}

/// One line of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub level: Level,
    /// What was looked at, what was seen, and for problems what to do.
    pub text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mark = match self.level {
            Level::Good => "ok     ",
            Level::Note => "note   ",
            Level::Problem => "PROBLEM",
        };
        write!(f, "{mark} {}", self.text)
    }
}

fn good(text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Good,
        text: text.into(),
    }
}

fn note(text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Note,
        text: text.into(),
    }
}

fn problem(text: impl Into<String>) -> Finding {
    Finding {
        level: Level::Problem,
        text: text.into(),
    }
}

/// Looks at everything.
pub fn examine(host: &Host) -> Vec<Finding> {
    let inventory = discover(&host.layout);
    let mut findings = libraries(host);
    findings.extend(program());
    findings.extend(
        host.check_policy()
            .err()
            .map(|error| problem(error.to_string())),
    );
    findings.extend(kernel());
    findings.extend(devices(host, &inventory));
    let (drivers, all_current) = drivers(host, &inventory);
    findings.extend(drivers);
    findings.extend(vulkan(host));
    findings.extend(runtimes(host));
    findings.extend(engines(host, all_current));
    findings
}

fn libraries(host: &Host) -> Vec<Finding> {
    let examine = |name: &str| {
        let path = host.layout.library_dir.join(name);
        let opened = fs::File::open(&path).map_err(|error| error.to_string());
        let read = opened.and_then(|file| elf::read(file).map_err(|error| error.to_string()));
        match (read, assemble::check_owner(&path)) {
            (Ok(_), Ok(())) => good(path.display().to_string()),
            (Err(error), _) => {
                problem(format!("{}: {error}: install pumice again", path.display()))
            }
            (_, Err(error)) => problem(error.to_string()),
        }
    };
    ["libcuda.so.1", "libnvidia-ml.so.1", PRELOAD]
        .map(examine)
        .into()
}

/// A hook runs beside the files of an untrusted image: no loader may run first.
fn program() -> Option<Finding> {
    let linked = fs::File::open("/proc/self/exe")
        .ok()
        .and_then(|file| elf::read(file).ok())?
        .interpreter
        .is_some();
    linked.then(|| note("this pumice is dynamically linked: as a hook it is to be linked statically (target-feature=+crt-static)"))
}

/// The live route needs mount_setattr (5.12), the others openat2 (5.6).
fn kernel() -> Vec<Finding> {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy().into_owned();
    let version: Vec<u32> = release
        .split(['.', '-'])
        .map_while(|part| part.parse().ok())
        .take(2)
        .collect();
    let mut findings = vec![match version {
        version if version >= vec![5, 12] => good(format!("kernel {release}")),
        version if version >= vec![5, 6] => note(format!(
            "kernel {release}: the live hook needs 5.12; CDI, precreate and the runtime wrapper work"
        )),
        _ => problem(format!("kernel {release}: pumice needs 5.6 or later")),
    }];
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        findings.push(note("cgroup v2: devices are given by CDI, by podman's precreate hook or by --runtime=pumice; the live hook cannot"));
    }
    if fs::read_to_string("/proc/sys/vm/memfd_noexec").is_ok_and(|text| text.trim() == "2") {
        findings.push(note(
            "vm.memfd_noexec is 2: the live hook, which runs from sealed memory, cannot work here",
        ));
    }
    if fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1") {
        findings.push(note("SELinux is enforcing: if a container may not open the render node, container-selinux 2.213 or later is needed"));
    }
    findings
}

fn devices(host: &Host, inventory: &Inventory) -> Vec<Finding> {
    let mut findings: Vec<Finding> = inventory
        .hardware
        .iter()
        .enumerate()
        .map(|(index, device)| good(describe(index, device)))
        .collect();
    findings.extend(
        inventory
            .problems
            .iter()
            .map(|broken| problem(format!("{}: {}", broken.name, broken.reason))),
    );
    match (&inventory.software, host.policy.devices.software) {
        (Some(_), Software::Never) => findings.push(note(
            "software rendering is installed and the policy forbids it",
        )),
        (Some(_), Software::Named) => findings.push(note(
            "pumice/gpu=software: lavapipe, for those who ask for it by name",
        )),
        (Some(_), Software::Fallback) => findings.push(note(
            "pumice/gpu=software: lavapipe, also where no GPU is found",
        )),
        (None, _) => findings.push(note(
            "no software rendering: install mesa-vulkan-drivers to have pumice/gpu=software",
        )),
    }
    let software = inventory.software.is_some() && host.policy.devices.software != Software::Never;
    match (inventory.hardware.is_empty(), software) {
        (false, _) => {}
        (true, true) => findings.push(note("no GPU: containers that ask for all devices get none unless the policy says `software = \"fallback\"`")),
        (true, false) => findings.push(problem("no GPU with a Vulkan driver was found: install the GPU's Vulkan driver")),
    }
    findings
}

fn describe(index: usize, device: &Device) -> String {
    let name = device
        .pci
        .clone()
        .unwrap_or_else(|| device.kernel_driver.clone());
    let drivers: Vec<&str> = device
        .drivers
        .iter()
        .map(|icd| icd.driver.as_str())
        .collect();
    let nodes: Vec<String> = device
        .nodes
        .iter()
        .map(|node| node.host_path.display().to_string())
        .collect();
    let id = device
        .id
        .as_ref()
        .map(|(vendor, device)| format!(" {vendor}:{device}"))
        .unwrap_or_default();
    format!(
        "pumice/gpu={index}: {name}{id}, kernel driver {}, Vulkan driver {}, {}",
        device.kernel_driver,
        drivers.join(" and "),
        nodes.join(" ")
    )
}

/// The driver directories, and whether all are up to date.
fn drivers(host: &Host, inventory: &Inventory) -> (Vec<Finding>, bool) {
    let mut findings: Vec<Finding> = Vec::new();
    let mut all_current = true;
    for device in inventory.hardware.iter().chain(&inventory.software) {
        for icd in &device.drivers {
            let finding = match assemble::current(&host.layout, icd, device.kind) {
                Some(assembled) => good(describe_driver(&assembled)),
                None => {
                    all_current = false;
                    note(format!(
                        "the Vulkan driver `{}` is not assembled or out of date: the next container does it, or run `pumice assemble` as root",
                        icd.driver
                    ))
                }
            };
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    (findings, all_current)
}

fn describe_driver(assembled: &Assembled) -> String {
    let newest = assembled
        .manifest
        .needs()
        .filter_map(glibc_version)
        .max()
        .unwrap_or_default();
    let newest = newest
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(".");
    let manifest = &assembled.manifest;
    format!(
        "{}: Vulkan {}, {} libraries, for images with glibc {newest} or later",
        assembled.dir.display(),
        manifest.api_version,
        manifest.libraries.len()
    )
}

/// What Vulkan itself says.
fn vulkan(host: &Host) -> Vec<Finding> {
    match probe::devices(&host.layout) {
        Err(error) => vec![problem(error.to_string())],
        Ok(devices) if devices.is_empty() => {
            vec![problem("Vulkan finds no device: run vulkan-probe by hand")]
        }
        Ok(devices) => devices.iter().map(vulkan_device).collect(),
    }
}

fn vulkan_device(device: &probe::Device) -> Finding {
    match device.unsuitable.as_ref().or(device.error.as_ref()) {
        Some(reason) => problem(format!("Vulkan device {}: {reason}", device.name)),
        None => good(format!(
            "Vulkan device {}, Vulkan {}",
            device.name, device.api_version
        )),
    }
}

fn runtimes(host: &Host) -> Vec<Finding> {
    vec![match find_runtime(&host.policy.runtime.runtimes) {
        Ok(path) => good(format!("OCI runtime {}", path.display())),
        Err(error) => problem(error.to_string()),
    }]
}

/// Where engines look, and whether pumice is there.
fn engines(host: &Host, all_current: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for dir in [
        "/etc/containers/oci/hooks.d",
        "/usr/share/containers/oci/hooks.d",
    ] {
        findings.extend(
            files_naming(&host.layout.host(dir), "pumice")
                .into_iter()
                .map(|path| good(format!("podman hook {}", path.display()))),
        );
    }
    for dir in ["/etc/cdi", "/var/run/cdi"] {
        findings.extend(
            files_naming(&host.layout.host(dir), "\"pumice\"")
                .into_iter()
                .map(|path| specification(host, &path, all_current)),
        );
    }
    let daemon = host.layout.host("/etc/docker/daemon.json");
    if fs::read_to_string(&daemon).is_ok_and(|text| text.contains("pumice")) {
        findings.push(good(format!("Docker runtime in {}", daemon.display())));
    }
    findings.extend(docker_hook());
    if findings.is_empty() {
        findings.push(problem("no container engine is set up: run `pumice cdi generate --output /etc/cdi/pumice.json`, or install the files for podman or Docker"));
    }
    findings
}

/// The JSON files of `dir` that contain `word`.
fn files_naming(dir: &Path, word: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.contains(word)))
        .collect();
    files.sort();
    files
}

/// Whether a specification is what would be generated now, for its own kind,
/// version and program.
fn specification(host: &Host, path: &Path, all_current: bool) -> Finding {
    let parsed: Option<Value> = fs::read(path)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok());
    let text = |pointer: &str| {
        parsed
            .as_ref()
            .and_then(|spec| spec.pointer(pointer))
            .and_then(Value::as_str)
    };
    let (Some(kind), Some(version), Some(program)) = (
        text("/kind"),
        text("/cdiVersion"),
        text("/containerEdits/hooks/0/path"),
    ) else {
        return problem(format!(
            "{} is no CDI specification of pumice's: generate it again",
            path.display()
        ));
    };
    if !all_current {
        return note(format!(
            "CDI {kind} in {}: not compared, because a driver is to be assembled first",
            path.display()
        ));
    }
    let options = cdi::Options {
        kind: kind.to_owned(),
        version: Some(version.to_owned()),
        program: program.into(),
    };
    match cdi::validate(&host.layout, &host.policy, &options, path) {
        Ok(()) => good(format!("CDI {kind} in {}", path.display())),
        Err(error) => problem(error.to_string()),
    }
}

/// The name that dockerd looks for behind `--gpus`.
fn docker_hook() -> Option<Finding> {
    let path = std::env::var_os("PATH")?;
    let hook = std::env::split_paths(&path)
        .map(|dir| dir.join("nvidia-container-runtime-hook"))
        .find(|file| file.exists())?;
    let ours = fs::canonicalize(&hook).ok() == std::env::current_exe().ok();
    Some(match ours {
        true => good(format!("Docker --gpus: {}", hook.display())),
        false => note(format!(
            "{} is not pumice's: Docker's --gpus means NVIDIA's own driver here",
            hook.display()
        )),
    })
}
