//! The sealed copy's work.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Uid, chownat, fstat, makedev, mknodat, openat,
};
use rustix::io::Errno;

use super::confine::{Namespaces, confine, die_with_parent, harden};
use super::process::Process;
use super::source::{self, Detached};
use super::target::{Rootfs, attach, check_not_shared};
use super::{LiveError, Order, cgroup, sealed};
use crate::configuration::Host;
use crate::discover::DeviceNode;
use crate::edits::{ContainerEdits, Mount, preload_path};
use crate::image::{self, SHIM_FILES};
use crate::inject;
use crate::log::Log;
use crate::request::{Selection, request};
use crate::root::Root;
use crate::spec::Spec;

const PRELOAD_LIST: &str = "/etc/ld.so.preload";

/// Carries out the order on stdin. Only a sealed copy may.
pub fn run(host: &Host, input: impl Read) -> Result<(), LiveError> {
    die_with_parent()
        .and_then(|()| harden())
        .map_err(|error| LiveError::Confine(error.to_string()))?;
    if !sealed::is_sealed() {
        return Err(LiveError::Sealed(
            "this sub-command is for the hook's own use".into(),
        ));
    }
    let order: Order =
        serde_json::from_reader(input).map_err(|error| LiveError::State(error.to_string()))?;
    let spec = Spec::parse(order.config.as_bytes()).map_err(super::bad_config)?;
    let Some(request) = request(&spec, &host.policy, order.route) else {
        return Ok(());
    };
    host.check_policy()?;
    let process = Process::open(order.state.pid)?;
    let namespaces = Namespaces::of(&process)?;
    let host_part = inject::host_part(&host.layout, &host.policy, &request.devices)?;
    // What CDI has injected is there already; only the image's part is missing.
    let injected = matches!(request.devices, Selection::Injected(_));
    let for_every_image = if injected {
        ContainerEdits::default()
    } else {
        host_part.edits.clone()
    };
    let mut supplies = Supplies::collect(host, &for_every_image, &namespaces, &order.scratch)?;
    cgroup::allow(&process, &for_every_image.device_nodes)?;
    namespaces.join()?;
    confine()?;
    let rootfs = Rootfs::open(&order.root)?;
    let mountinfo = std::fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| LiveError::Join(error.to_string()))?;
    rootfs.check_not_shared(&mountinfo)?;
    let root = Root::from_fd(rootfs.try_clone()?)?;
    let (for_image, image) = inject::image_part(&host.layout, &host_part, &root, &spec)?;
    let mut place = Place {
        rootfs: &rootfs,
        spec: &spec,
        mountinfo: &mountinfo,
        log: &host.log,
    };
    place.devices(&supplies.nodes)?;
    place.mounts(&mut supplies.mounts, &for_every_image.and(for_image))?;
    if image.can_preload {
        place.preload_list(&root, supplies.preload_list)?;
    }
    for note in &image.notes {
        host.log.note(note);
    }
    Ok(())
}

/// A device node, and the mount of it for containers that cannot make one.
#[derive(Debug)]
struct Node {
    node: DeviceNode,
    mount: Option<Detached>,
}

/// Everything of the host that the container may get, taken before it is joined.
#[derive(Debug)]
struct Supplies {
    nodes: Vec<Node>,
    /// By the source's path: which of them go where depends on the image.
    mounts: HashMap<PathBuf, Supply>,
    preload_list: (File, Detached),
}

/// A detached mount, and whether it has found its place.
#[derive(Debug)]
struct Supply {
    detached: Detached,
    attached: bool,
}

impl Supplies {
    fn collect(
        host: &Host,
        edits: &ContainerEdits,
        namespaces: &Namespaces,
        scratch: &Path,
    ) -> Result<Supplies, LiveError> {
        let mut nodes = Vec::new();
        for node in &edits.device_nodes {
            let mount = namespaces
                .have_users()
                .then(|| source::clone_node(&node.host_path, node.major, node.minor))
                .transpose()?;
            nodes.push(Node {
                node: node.clone(),
                mount,
            });
        }
        let shims = SHIM_FILES
            .iter()
            .map(|name| host.layout.library_dir.join(name));
        let mut mounts = HashMap::new();
        for path in edits
            .mounts
            .iter()
            .map(|mount| mount.source.clone())
            .chain(shims)
        {
            let detached = source::clone(&path)?;
            mounts.insert(
                path,
                Supply {
                    detached,
                    attached: false,
                },
            );
        }
        Ok(Supplies {
            nodes,
            mounts,
            preload_list: source::clone_scratch(scratch)?,
        })
    }
}

/// Puts things into the container's root filesystem.
struct Place<'container> {
    rootfs: &'container Rootfs,
    spec: &'container Spec,
    mountinfo: &'container str,
    log: &'container Log,
}

impl Place<'_> {
    fn devices(&mut self, nodes: &[Node]) -> Result<(), LiveError> {
        nodes.iter().try_for_each(|node| self.device(node))
    }

    fn device(&self, Node { node, mount }: &Node) -> Result<(), LiveError> {
        let (Some(parent), Some(name)) = (node.path.parent(), node.path.file_name()) else {
            return Ok(());
        };
        let failed = |error: Errno| LiveError::Target {
            path: node.path.clone(),
            reason: error.to_string(),
        };
        let dir = self
            .rootfs
            .device_directory(parent, self.spec.dev_is_the_runtimes())?;
        match openat(
            &dir,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            // A privileged container has all of the host's nodes.
            Ok(existing) if is_device(&existing, node) => return Ok(()),
            Ok(_) => {
                return Err(LiveError::Target {
                    path: node.path.clone(),
                    reason: "another file is in its place".into(),
                });
            }
            Err(Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
        match mount {
            Some(mount) => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let target =
                    openat(&dir, name, flags, Mode::from_raw_mode(0o644)).map_err(failed)?;
                check_not_shared(&target, &node.path, self.mountinfo)?;
                attach(mount, &target, &node.path)
            }
            None => make_node(&dir, Path::new(name), node).map_err(failed),
        }
    }

    fn mounts(
        &mut self,
        supplies: &mut HashMap<PathBuf, Supply>,
        edits: &ContainerEdits,
    ) -> Result<(), LiveError> {
        // All targets are found, or made, before anything is mounted.
        let mut targets = Vec::new();
        for mount in &edits.mounts {
            if let Some(supply) = supplies.get(&mount.source) {
                targets.push((
                    mount,
                    self.rootfs
                        .mount_point(&mount.destination, supply.detached.is_dir)?,
                ));
            }
        }
        for (mount, target) in targets {
            if let Some(supply) = supplies.get_mut(&mount.source) {
                supply.attach(&target, mount)?;
            }
        }
        Ok(())
    }

    /// The image's own preload list with our library at its end: the
    /// environment of a container that exists cannot be changed any more.
    fn preload_list(
        &self,
        root: &Root,
        (mut file, mount): (File, Detached),
    ) -> Result<(), LiveError> {
        let path = Path::new(PRELOAD_LIST);
        if let Some(volume) = self.spec.mount_above(path) {
            self.log.note(&format!(
                "{} lies on the container's mount {}: nothing is preloaded",
                path.display(),
                volume.display()
            ));
            return Ok(());
        }
        let (place, list) = image::preload_list(root, path).map_err(crate::Error::from)?;
        let failed = |error: std::io::Error| LiveError::Target {
            path: place.clone(),
            reason: error.to_string(),
        };
        file.write_all(merged(&list, &preload_path().display().to_string()).as_bytes())
            .map_err(failed)?;
        attach(&mount, &self.rootfs.mount_point(&place, false)?, &place)
    }
}

impl Supply {
    /// Attaches the mount; a second time, a clone of what has been attached.
    fn attach(&mut self, target: &OwnedFd, mount: &Mount) -> Result<(), LiveError> {
        if self.attached {
            self.detached = source::clone_again(&self.detached, &mount.source)?;
        }
        attach(&self.detached, target, &mount.destination)?;
        self.attached = true;
        Ok(())
    }
}

/// The list with `library` as its last entry, once (ld.so(8)).
fn merged(list: &str, library: &str) -> String {
    let entries = list
        .split(|separator: char| separator.is_whitespace() || separator == ':')
        .filter(|entry| !entry.is_empty());
    let mut lines: Vec<&str> = entries.filter(|entry| *entry != library).collect();
    lines.push(library);
    lines.join("\n") + "\n"
}

fn is_device(file: &OwnedFd, node: &DeviceNode) -> bool {
    let same = |stat: rustix::fs::Stat| {
        FileType::from_raw_mode(stat.st_mode).is_char_device()
            && stat.st_rdev == makedev(node.major, node.minor)
    };
    fstat(file).is_ok_and(same)
}

/// Makes the node. Everybody in the container may use it: the groups of a
/// process cannot be changed from outside, and the device's rule is the
/// container's alone.
fn make_node(dir: &OwnedFd, name: &Path, node: &DeviceNode) -> rustix::io::Result<()> {
    let mode = Mode::from_raw_mode(node.mode | 0o006);
    let umask = rustix::process::umask(Mode::empty());
    let made = mknodat(
        dir,
        name,
        FileType::CharacterDevice,
        mode,
        makedev(node.major, node.minor),
    );
    rustix::process::umask(umask);
    made?;
    let (uid, gid) = (Uid::from_raw(node.uid), Gid::from_raw(node.gid));
    chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_preload_list_is_kept_and_ours_is_in_it_once() {
        assert_eq!(merged("", "/p.so"), "/p.so\n");
        assert_eq!(
            merged("/a.so /b.so:/c.so\n", "/p.so"),
            "/a.so\n/b.so\n/c.so\n/p.so\n"
        );
        assert_eq!(merged("/p.so\n/a.so", "/p.so"), "/a.so\n/p.so\n");
    }
}
