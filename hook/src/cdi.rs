//! The Container Device Interface: a specification file that engines read. It
//! holds the image-independent edits of each device, and one createRuntime hook
//! that does the rest in the container at hand.
//! (CDI specification, `SPEC.md`, versions 0.3.0 to 0.7.0.)

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::discover::{Device, DeviceNode, Inventory, SOFTWARE, discover};
use crate::edits::{self, ContainerEdits, Mount};
use crate::error::Error;
use crate::inject;
use crate::layout::Layout;
use crate::policy::{Devices, Policy, Software};
use crate::request::{Selection, names, select};

/// Versions of the format that our files can need, in order.
const VERSIONS: [&str; 4] = ["0.3.0", "0.5.0", "0.6.0", "0.7.0"];

/// What to generate.
#[derive(Debug, Clone)]
pub struct Options {
    /// `vendor/class`.
    pub kind: String,
    /// The newest version that the engine reads; without it, the lowest that
    /// can express everything.
    pub version: Option<String>,
    /// The program that the hook starts.
    pub program: PathBuf,
}

/// The specification for this host, as text.
pub fn generate(layout: &Layout, policy: &Policy, options: &Options) -> Result<String, Error> {
    if !is_kind(&options.kind) {
        return Err(Error::CdiKind(options.kind.clone()));
    }
    let inventory = discover(layout);
    let mut devices = Vec::new();
    for name in device_names(&inventory, &policy.devices) {
        let selection = if name == "all" {
            Selection::All
        } else {
            Selection::Names(vec![name.clone()])
        };
        let chosen = select(&selection, &inventory, &policy.devices)?;
        devices.push((name, device_edits(layout, &chosen)?));
    }
    if devices.is_empty() {
        let problems: Vec<String> = inventory
            .problems
            .iter()
            .map(|problem| format!("{}: {}", problem.name, problem.reason))
            .collect();
        return Err(Error::NoDevices(format!(
            "no GPU with a Vulkan driver and no lavapipe was found; {}",
            problems.join("; ")
        )));
    }
    let (version, groups) = version(&devices, options.version.as_deref())?;
    let listed: Vec<Value> = devices
        .iter()
        .map(|(name, edits)| json!({"name": name, "containerEdits": render(edits, groups)}))
        .collect();
    let mut common = render(&edits::for_every_image(layout), groups);
    common["hooks"] = json!([hook(layout, options)]);
    let spec = json!({"cdiVersion": version, "kind": options.kind, "devices": listed, "containerEdits": common});
    Ok(format!("{spec:#}\n"))
}

/// Every name that the specification lists: the allowed devices and `all`.
pub fn device_names(inventory: &Inventory, policy: &Devices) -> Vec<String> {
    let allowed = |name: &String| {
        (name != SOFTWARE || policy.software != Software::Never)
            && select(&Selection::Names(vec![name.clone()]), inventory, policy).is_ok()
    };
    let mut listed: Vec<String> = names(inventory).into_iter().filter(allowed).collect();
    if select(&Selection::All, inventory, policy).is_ok() {
        listed.push("all".into());
    }
    listed
}

fn device_edits(layout: &Layout, devices: &[&Device]) -> Result<ContainerEdits, Error> {
    Ok(edits::for_devices(
        devices,
        &inject::drivers(layout, devices)?,
    ))
}

/// The version to declare, and whether groups can be expressed in it. An engine
/// that reads no version with groups is better served without them: root and
/// world-accessible nodes still work.
fn version(
    devices: &[(String, ContainerEdits)],
    limit: Option<&str>,
) -> Result<(&'static str, bool), Error> {
    let groups = devices
        .iter()
        .any(|(_, edits)| !edits.additional_gids.is_empty());
    let digits = devices
        .iter()
        .any(|(name, _)| name.starts_with(|first: char| first.is_ascii_digit()));
    let moved = devices
        .iter()
        .flat_map(|(_, edits)| &edits.device_nodes)
        .any(|node| node.path != node.host_path);
    let without_groups = if digits || moved { "0.5.0" } else { "0.3.0" };
    let reads = |version: &str| limit.is_none_or(|limit| position(limit) >= position(version));
    if groups && reads("0.7.0") {
        return Ok(("0.7.0", true));
    }
    if reads(without_groups) {
        return Ok((without_groups, false));
    }
    let limit = limit.unwrap_or_default().to_owned();
    Err(Error::CdiVersion {
        limit,
        needed: without_groups.into(),
        what: "the names of the devices".into(),
    })
}

/// The place of a version among those that matter here; a newer one is last.
fn position(version: &str) -> usize {
    let parts = |text: &str| {
        text.split('.')
            .map(|part| part.parse::<u32>().unwrap_or(0))
            .collect::<Vec<_>>()
    };
    VERSIONS
        .iter()
        .filter(|known| parts(known) <= parts(version))
        .count()
}

fn is_kind(kind: &str) -> bool {
    let word = |text: &str| {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        plain && text.starts_with(|first: char| first.is_ascii_alphabetic())
    };
    kind.split_once('/')
        .is_some_and(|(vendor, class)| word(vendor) && word(class))
}

fn render(edits: &ContainerEdits, groups: bool) -> Value {
    let mut rendered = json!({});
    if !edits.device_nodes.is_empty() {
        rendered["deviceNodes"] = edits.device_nodes.iter().map(device_node).collect();
    }
    if !edits.mounts.is_empty() {
        rendered["mounts"] = edits.mounts.iter().map(mount).collect();
    }
    if groups && !edits.additional_gids.is_empty() {
        rendered["additionalGids"] = json!(edits.additional_gids);
    }
    rendered
}

/// Major and minor are left to the engine, which looks at the node when the
/// container starts: they may have changed by then.
fn device_node(node: &DeviceNode) -> Value {
    let mut rendered = json!({"path": node.path, "fileMode": node.mode, "permissions": "rw", "uid": node.uid, "gid": node.gid});
    if node.path != node.host_path {
        rendered["hostPath"] = json!(node.host_path);
    }
    rendered
}

fn mount(mount: &Mount) -> Value {
    json!({"hostPath": mount.source, "containerPath": mount.destination, "options": ["bind", "ro", "nosuid", "nodev", "rprivate"]})
}

/// The environment is not empty on purpose: a runtime gives a hook without one
/// the container's, which is an attacker's text.
fn hook(layout: &Layout, options: &Options) -> Value {
    let mut args = vec!["pumice".to_owned()];
    args.extend(layout.options());
    args.extend(["hook".into(), "createRuntime".into()]);
    json!({"hookName": "createRuntime", "path": options.program, "args": args, "env": ["PUMICE_HOOK=cdi"], "timeout": 10})
}

/// Writes the specification in one step: an engine may be reading.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let what = || path.display().to_string();
    let dir = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(dir).map_err(Error::io(what()))?;
    let scratch = dir.join(format!(".pumice-{}", std::process::id()));
    let written = File::options()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&scratch)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&scratch, path));
    written.map_err(Error::io(what()))
}

/// Fails unless the file at `path` is what would be generated now.
pub fn validate(
    layout: &Layout,
    policy: &Policy,
    options: &Options,
    path: &Path,
) -> Result<(), Error> {
    let present = std::fs::read_to_string(path).map_err(Error::io(path.display().to_string()))?;
    if present == generate(layout, policy, options)? {
        Ok(())
    } else {
        Err(Error::CdiStale(path.to_owned()))
    }
}
