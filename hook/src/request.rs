//! Whether a container asks for a device, and for which. Decided from the
//! configuration alone, before anything of the host is read: a container that
//! did not ask costs nothing more.

use serde::{Deserialize, Serialize};

use crate::discover::{Device, Inventory, SOFTWARE};
use crate::layout::CONTAINER_DRIVERS;
use crate::policy::{Devices, Environment, Policy, Software};
use crate::spec::{Hook, Spec};

/// The kind of our CDI devices, and the annotation's key.
pub const CDI_KIND: &str = "pumice/gpu";
const VISIBLE_DEVICES: &str = "NVIDIA_VISIBLE_DEVICES";
/// Annotations that Kubernetes' runtimes put on each container.
const KUBERNETES: [&str; 2] = ["io.kubernetes.cri", "io.kubernetes.pod"];

/// By which door a container came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Route {
    /// A hook that sees every container of the engine.
    EveryContainer,
    /// `--runtime=pumice`.
    Runtime,
    /// Docker's hook, which is there because of `--gpus`.
    DockerGpus,
}

/// Who asked, and therefore what a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The user by name: a CDI device, `--gpus`, the annotation, or the variable
    /// where the policy says so. Fails the container.
    Explicit,
    /// The environment, which may be the image's own. Never fails a container.
    Environment,
}

/// What a container asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub source: Source,
    pub devices: Selection,
}

/// Which devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Every hardware device that is allowed.
    All,
    /// By name.
    Names(Vec<String>),
    /// The libraries without a device (`NVIDIA_VISIBLE_DEVICES=none`).
    None,
    /// The drivers that CDI has already put into the configuration.
    Injected(Vec<String>),
}

/// Why a request cannot be met.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SelectError {
    #[error("no GPU with a Vulkan driver was found{}: install the GPU's Vulkan driver, or ask for software rendering by the name pumice/gpu=software", list(.0))]
    NoHardware(Vec<String>),
    #[error("there is no device `{name}`; there are: {}{}", present.join(", "), list(problems))]
    Unknown {
        name: String,
        present: Vec<String>,
        problems: Vec<String>,
    },
    #[error("the device `{0}` is not allowed by the policy ([devices] allow)")]
    NotAllowed(String),
    #[error(
        "software rendering is not allowed here: the policy says `software = \"never\"`, or the request came by the environment"
    )]
    SoftwareNotAllowed,
    #[error("software rendering needs lavapipe: install mesa-vulkan-drivers")]
    NoSoftware,
}

fn list(problems: &[String]) -> String {
    problems
        .iter()
        .map(|problem| format!(" ({problem})"))
        .collect()
}

/// What the container of `spec` asks for, if anything.
pub fn request(spec: &Spec, policy: &Policy, route: Route) -> Option<Request> {
    injected(spec)
        .or_else(|| annotated(spec, policy))
        .or_else(|| from_environment(spec, policy, route))
}

/// CDI leaves its driver directories among the mounts; what is still missing is
/// the part that depends on the image.
fn injected(spec: &Spec) -> Option<Request> {
    let drivers: Vec<String> = spec
        .mount_destinations()
        .filter(|destination| destination.parent() == Some(CONTAINER_DRIVERS.as_ref()))
        .filter_map(|destination| destination.file_name()?.to_str().map(str::to_owned))
        .collect();
    (!drivers.is_empty()).then_some(Request {
        source: Source::Explicit,
        devices: Selection::Injected(drivers),
    })
}

fn annotated(spec: &Spec, policy: &Policy) -> Option<Request> {
    let value = spec
        .annotation(CDI_KIND)
        .filter(|_| policy.triggers.annotation)?;
    Some(Request {
        source: Source::Explicit,
        devices: parse(value)?,
    })
}

fn from_environment(spec: &Spec, policy: &Policy, route: Route) -> Option<Request> {
    let value = spec.env(VISIBLE_DEVICES)?;
    let triggers = &policy.triggers;
    let meaning = match route {
        Route::DockerGpus => Environment::Require,
        // Another driver's hook is there for this container: one of the two must yield.
        Route::EveryContainer if spec.has_hook(|hook: Hook<'_>| hook.is_nvidias()) => return None,
        _ if KUBERNETES
            .iter()
            .any(|prefix| spec.has_annotation_prefix(prefix)) =>
        {
            triggers.kubernetes_environment
        }
        Route::Runtime => triggers.runtime_environment,
        Route::EveryContainer => triggers.environment,
    };
    let source = match meaning {
        Environment::Off => return None,
        Environment::Try => Source::Environment,
        Environment::Require => Source::Explicit,
    };
    let devices = parse(value)?;
    // The variable selects among hardware and never asks for another kind, unless
    // it is Docker that has just written it there.
    let names_software =
        matches!(&devices, Selection::Names(names) if names.iter().any(|name| name == SOFTWARE));
    (route == Route::DockerGpus || !names_software).then_some(Request { source, devices })
}

/// The list's meaning as NVIDIA's runtime defines it: `void` or nothing leaves
/// the container alone, and one of `all`, `none`, `void` decides for the list.
fn parse(value: &str) -> Option<Selection> {
    let names: Vec<&str> = value
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(strip_kind)
        .collect();
    if names.is_empty() || names.contains(&"void") {
        return None;
    }
    Some(if names.contains(&"none") {
        Selection::None
    } else if names.contains(&"all") {
        Selection::All
    } else {
        Selection::Names(names.into_iter().map(str::to_owned).collect())
    })
}

fn strip_kind(name: &str) -> &str {
    name.strip_prefix(CDI_KIND)
        .and_then(|rest| rest.strip_prefix('='))
        .unwrap_or(name)
}

/// The devices that `selection` means, of those that the policy allows.
pub fn select<'inventory>(
    selection: &Selection,
    inventory: &'inventory Inventory,
    policy: &Devices,
) -> Result<Vec<&'inventory Device>, SelectError> {
    match selection {
        Selection::None | Selection::Injected(_) => Ok(Vec::new()),
        Selection::All => all(inventory, policy),
        Selection::Names(names) => {
            let mut devices: Vec<&Device> = Vec::new();
            for name in names {
                let device = named(name, inventory, policy)?;
                if !devices.iter().any(|other| std::ptr::eq(*other, device)) {
                    devices.push(device);
                }
            }
            Ok(devices)
        }
    }
}

fn all<'inventory>(
    inventory: &'inventory Inventory,
    policy: &Devices,
) -> Result<Vec<&'inventory Device>, SelectError> {
    let allowed: Vec<&Device> = inventory
        .hardware
        .iter()
        .enumerate()
        .filter(|(index, device)| is_allowed(*index, device, policy))
        .map(|(_, device)| device)
        .collect();
    if !allowed.is_empty() {
        return Ok(allowed);
    }
    match (policy.software, &inventory.software) {
        (Software::Fallback, Some(device)) => Ok(vec![device]),
        (Software::Fallback, None) => Err(SelectError::NoSoftware),
        _ => Err(SelectError::NoHardware(problems(inventory))),
    }
}

fn named<'inventory>(
    name: &str,
    inventory: &'inventory Inventory,
    policy: &Devices,
) -> Result<&'inventory Device, SelectError> {
    if name == SOFTWARE {
        return match policy.software {
            Software::Never => Err(SelectError::SoftwareNotAllowed),
            _ => inventory.software.as_ref().ok_or(SelectError::NoSoftware),
        };
    }
    let device = inventory.named(name).ok_or_else(|| SelectError::Unknown {
        name: name.to_owned(),
        present: names(inventory),
        problems: problems(inventory),
    })?;
    let index = inventory
        .hardware
        .iter()
        .position(|other| std::ptr::eq(other, device));
    match index {
        Some(index) if is_allowed(index, device, policy) => Ok(device),
        _ => Err(SelectError::NotAllowed(name.to_owned())),
    }
}

fn is_allowed(index: usize, device: &Device, policy: &Devices) -> bool {
    let index = index.to_string();
    let allows = |name: &String| name == "all" || *name == index || device.is_called(name);
    policy.allow.iter().any(allows)
}

/// Every name that a device of `inventory` has.
pub fn names(inventory: &Inventory) -> Vec<String> {
    let hardware = inventory
        .hardware
        .iter()
        .enumerate()
        .flat_map(|(index, device)| {
            [
                Some(index.to_string()),
                device.pci.clone(),
                device.uuid.clone(),
            ]
        });
    hardware
        .flatten()
        .chain(inventory.software.as_ref().map(|_| SOFTWARE.to_owned()))
        .collect()
}

fn problems(inventory: &Inventory) -> Vec<String> {
    inventory
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.name, problem.reason))
        .collect()
}
