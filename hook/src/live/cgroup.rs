//! The device rule of a container that exists already. Under cgroup v1 it is a
//! line written to a file; under v2 it is a program that only the runtime knows,
//! and that it would put back.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::LiveError;
use super::process::Process;
use crate::discover::DeviceNode;

/// Lets the container of `process` read and write `nodes`.
pub fn allow(process: &Process, nodes: &[DeviceNode]) -> Result<(), LiveError> {
    if nodes.is_empty() {
        return Ok(());
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| LiveError::Cgroup(error.to_string()))?;
    let hierarchy = devices_hierarchy(&mounts).ok_or(LiveError::CgroupV2)?;
    let group = devices_group(&process.read("cgroup")?, &hierarchy)?;
    for node in nodes {
        let file = group.join("devices.allow");
        let rule = format!("c {}:{} rw", node.major, node.minor);
        fs::write(&file, rule)
            .map_err(|error| LiveError::Cgroup(format!("{}: {error}", file.display())))?;
    }
    Ok(())
}

/// A mounted cgroup hierarchy.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount_point: PathBuf,
    /// The cgroup that is mounted there.
    root: PathBuf,
}

/// The v1 hierarchy of the devices controller (proc(5), mountinfo).
fn devices_hierarchy(mountinfo: &str) -> Option<Hierarchy> {
    mountinfo.lines().find_map(|line| {
        let (mount, fs) = line.split_once(" - ")?;
        let fs: Vec<&str> = fs.split(' ').collect();
        let devices = fs.first() == Some(&"cgroup")
            && fs.last()?.split(',').any(|option| option == "devices");
        let mut fields = mount.split(' ').skip(3);
        devices.then_some(Hierarchy {
            root: fields.next()?.into(),
            mount_point: fields.next()?.into(),
        })
    })
}

/// The directory of the process's cgroup, which is never the root: a rule there
/// would hold for the whole host.
fn devices_group(cgroups: &str, hierarchy: &Hierarchy) -> Result<PathBuf, LiveError> {
    let line = cgroups.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields
            .next()?
            .split(',')
            .any(|controller| controller == "devices")
            .then(|| fields.next())
            .flatten()
    });
    let path = Path::new(line.ok_or_else(|| {
        LiveError::Cgroup("the process is in no cgroup of the devices controller".into())
    })?);
    let inside = path
        .strip_prefix(&hierarchy.root)
        .map_err(|_| LiveError::Cgroup(format!("{} is not visible here", path.display())))?;
    let plain = inside
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if inside.as_os_str().is_empty() || path == Path::new("/") || !plain {
        return Err(LiveError::Cgroup(
            "the process is in the root cgroup: the rule would hold for the whole host".into(),
        ));
    }
    Ok(hierarchy.mount_point.join(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n31 25 0:27 / /sys/fs/cgroup/devices rw,nosuid shared:9 - cgroup cgroup rw,devices";

    #[test]
    fn the_devices_controller_is_found_and_v2_has_none() {
        let found = devices_hierarchy(V1).unwrap();
        assert_eq!(
            found,
            Hierarchy {
                mount_point: "/sys/fs/cgroup/devices".into(),
                root: "/".into()
            }
        );
        assert_eq!(
            devices_hierarchy("24 23 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate"),
            None
        );
    }

    #[test]
    fn the_root_cgroup_is_never_written() {
        let hierarchy = devices_hierarchy(V1).unwrap();
        let group = devices_group("4:memory:/x\n3:devices:/machine/abc\n0::/", &hierarchy).unwrap();
        assert_eq!(group, Path::new("/sys/fs/cgroup/devices/machine/abc"));
        for cgroups in ["3:devices:/", "3:devices:/../..", "3:memory:/x", ""] {
            assert!(devices_group(cgroups, &hierarchy).is_err(), "{cgroups}");
        }
    }

    #[test]
    fn a_group_outside_what_is_mounted_is_refused() {
        let hierarchy = Hierarchy {
            mount_point: "/sys/fs/cgroup/devices".into(),
            root: "/docker/abc".into(),
        };
        assert!(devices_group("3:devices:/other/x", &hierarchy).is_err());
        assert!(devices_group("3:devices:/docker/abc", &hierarchy).is_err());
        assert_eq!(
            devices_group("3:devices:/docker/abc/x", &hierarchy).unwrap(),
            Path::new("/sys/fs/cgroup/devices/x")
        );
    }
}
