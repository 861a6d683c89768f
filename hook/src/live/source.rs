//! Sources of mounts, taken from the host before the container is joined: each
//! is checked, cloned into a mount of its own that is attached nowhere, and made
//! read-only there.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::mount::{OpenTreeFlags, open_tree};

use super::LiveError;
use crate::assemble::is_roots_alone;
use crate::sys::set_mount_attributes;

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
/// For a device node, which is to be written and to stay a device.
const NODE: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;

const CLONE: OpenTreeFlags = OpenTreeFlags::OPEN_TREE_CLONE
    .union(OpenTreeFlags::OPEN_TREE_CLOEXEC)
    .union(OpenTreeFlags::AT_EMPTY_PATH);

/// A mount that is attached nowhere yet.
#[derive(Debug)]
pub struct Detached {
    pub tree: OwnedFd,
    pub is_dir: bool,
}

/// Clones the file or directory at `path`, which must be root's alone.
pub fn clone(path: &Path) -> Result<Detached, LiveError> {
    let failed = |reason: String| LiveError::Source {
        path: path.to_owned(),
        reason,
    };
    let opened = open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| failed(error.to_string()))?;
    let stat = fstat(&opened).map_err(|error| failed(error.to_string()))?;
    if !is_roots_alone(stat.st_uid, stat.st_mode) {
        return Err(failed(format!(
            "others than root can write it (owner {}, mode {:o})",
            stat.st_uid,
            stat.st_mode & 0o7777
        )));
    }
    let file_type = FileType::from_raw_mode(stat.st_mode);
    if !file_type.is_file() && !file_type.is_dir() {
        return Err(failed("it is neither a file nor a directory".into()));
    }
    let tree = detach(&opened, READ_ONLY).map_err(|error| failed(error.to_string()))?;
    Ok(Detached {
        tree,
        is_dir: file_type.is_dir(),
    })
}

/// Clones the device node at `path`, which must be the device given.
pub fn clone_node(path: &Path, major: u32, minor: u32) -> Result<Detached, LiveError> {
    let failed = |reason: String| LiveError::Source {
        path: path.to_owned(),
        reason,
    };
    let opened = open(
        path,
        OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| failed(error.to_string()))?;
    let stat = fstat(&opened).map_err(|error| failed(error.to_string()))?;
    let same = FileType::from_raw_mode(stat.st_mode).is_char_device()
        && stat.st_rdev == rustix::fs::makedev(major, minor);
    if !same {
        return Err(failed(format!(
            "it is no longer the device {major}:{minor}"
        )));
    }
    let tree = detach(&opened, NODE).map_err(|error| failed(error.to_string()))?;
    Ok(Detached {
        tree,
        is_dir: false,
    })
}

/// A file of the host that is to be filled once the image has been read, and a
/// read-only mount of it.
pub fn clone_scratch(path: &Path) -> Result<(File, Detached), LiveError> {
    let failed = |error: io::Error| LiveError::Source {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = open(
        path,
        OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| failed(error.into()))?;
    let tree = detach(&file, READ_ONLY).map_err(failed)?;
    Ok((
        File::from(file),
        Detached {
            tree,
            is_dir: false,
        },
    ))
}

/// A file with a name in a directory of root's, which goes when this value does:
/// the mount of it keeps what is in it. (One without a name cannot be mounted.)
#[derive(Debug)]
pub struct Scratch {
    pub path: PathBuf,
}

impl Scratch {
    pub fn create(dir: &Path) -> Result<Scratch, LiveError> {
        let path = dir.join(format!("preload-{}", std::process::id()));
        let failed = |error: io::Error| LiveError::Source {
            path: path.clone(),
            reason: error.to_string(),
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(dir)
            .map_err(failed)?;
        // A hook of the same number that was killed has left its own.
        let _ = fs::remove_file(&path);
        File::options()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path)
            .map_err(failed)?;
        Ok(Scratch { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nobody is left to tell, and the next hook removes it.
        let _ = fs::remove_file(&self.path);
    }
}

/// Another mount of what has been attached in the container: from here on the
/// host's files can no longer be named.
pub fn clone_again(attached: &Detached, path: &Path) -> Result<Detached, LiveError> {
    let tree = open_tree(&attached.tree, c"", CLONE).map_err(|error| LiveError::Source {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok(Detached {
        tree,
        is_dir: attached.is_dir,
    })
}

fn detach(file: impl AsFd, attributes: u64) -> io::Result<OwnedFd> {
    let tree = open_tree(file, c"", CLONE)?;
    // Links are not followed there either, where the kernel can be told so (5.14).
    match set_mount_attributes(&tree, attributes | libc::MOUNT_ATTR_NOSYMFOLLOW) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            set_mount_attributes(&tree, attributes)?
        }
        result => result?,
    }
    Ok(tree)
}
