//! Targets in the container's root filesystem. A path is resolved from the
//! root's descriptor and may meet neither a link nor another mount: below a
//! user's volume nothing is created, and a mount there could appear on the host.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstat, mkdirat, openat2, statx,
};
use rustix::io::Errno;
use rustix::mount::{MoveMountFlags, move_mount};

use super::LiveError;
use super::source::Detached;

/// The container's root filesystem before the runtime changes into it.
#[derive(Debug)]
pub struct Rootfs {
    fd: OwnedFd,
}

const STRICT: ResolveFlags = ResolveFlags::IN_ROOT
    .union(ResolveFlags::NO_XDEV)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_SYMLINKS);

impl Rootfs {
    /// Opens the root at `path` in the mount namespace that has been joined.
    pub fn open(path: &Path) -> Result<Rootfs, LiveError> {
        let failed = |reason: String| LiveError::Target {
            path: path.to_owned(),
            reason,
        };
        let root = rustix::fs::open(
            "/",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| failed(error.to_string()))?;
        let resolve =
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let fd = openat2(
            &root,
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
        .map_err(|error| failed(error.to_string()))?;
        let identity = |fd: &OwnedFd| {
            fstat(fd)
                .map(|stat| (stat.st_dev, stat.st_ino))
                .map_err(|error| failed(error.to_string()))
        };
        if identity(&fd)? == identity(&root)? {
            return Err(crate::Error::HostRoot.into());
        }
        Ok(Rootfs { fd })
    }

    /// The descriptor, for reading the image.
    pub fn try_clone(&self) -> Result<OwnedFd, LiveError> {
        self.fd.try_clone().map_err(|error| LiveError::Target {
            path: "/".into(),
            reason: error.to_string(),
        })
    }

    /// Fails if mounts below the root would be seen elsewhere: a shared root
    /// hands them to the host, where they outlive the container.
    pub fn check_not_shared(&self, mountinfo: &str) -> Result<(), LiveError> {
        check_not_shared(&self.fd, Path::new("/"), mountinfo)
    }

    /// The file or directory to mount on: an existing one, or a new one.
    pub fn mount_point(&self, path: &Path, is_dir: bool) -> Result<OwnedFd, LiveError> {
        if is_dir {
            return self.directory(path);
        }
        let (parent, name) = (
            path.parent().unwrap_or(Path::new("/")),
            path.file_name().unwrap_or_default(),
        );
        let parent = self.directory(parent)?;
        let existing = openat2(
            &parent,
            name,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            STRICT,
        );
        match existing {
            Ok(file)
                if fstat(&file)
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file()) =>
            {
                Ok(file)
            }
            Ok(_) => Err(refused(path, Errno::LOOP)),
            Err(Errno::NOENT) => {
                let flags = OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::RDONLY
                    | OFlags::CLOEXEC;
                openat2(&parent, name, flags, Mode::from_raw_mode(0o644), STRICT)
                    .map_err(|error| refused(path, error))
            }
            Err(error) => Err(refused(path, error)),
        }
    }

    /// The directory at `path`, made where it is missing.
    pub fn directory(&self, path: &Path) -> Result<OwnedFd, LiveError> {
        self.walk(&self.fd, path, path)
    }

    /// The directory `path` below the container's own `/dev`, which is the one
    /// mount of the runtime's that is entered. `options` are those of the mount
    /// at /dev in the configuration.
    pub fn device_directory(
        &self,
        path: &Path,
        dev_is_runtimes: bool,
    ) -> Result<OwnedFd, LiveError> {
        if !dev_is_runtimes {
            return Err(LiveError::Target {
                path: path.to_owned(),
                reason: "/dev is not the runtime's own".into(),
            });
        }
        let resolve = STRICT.difference(ResolveFlags::NO_XDEV);
        let dev = openat2(
            &self.fd,
            "dev",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
        .map_err(|error| refused(path, error))?;
        let below = path
            .strip_prefix("/dev")
            .map_err(|_| refused(path, Errno::INVAL))?;
        self.walk(&dev, below, path)
    }

    fn walk(&self, start: &OwnedFd, below: &Path, path: &Path) -> Result<OwnedFd, LiveError> {
        let mut dir = start.try_clone().map_err(|error| LiveError::Target {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        for component in below.components() {
            let name: PathBuf = match component {
                Component::RootDir => continue,
                Component::Normal(name) => name.into(),
                _ => return Err(refused(path, Errno::INVAL)),
            };
            dir = enter(&dir, &name).map_err(|error| refused(path, error))?;
        }
        Ok(dir)
    }
}

fn enter(dir: &OwnedFd, name: &Path) -> rustix::io::Result<OwnedFd> {
    let open = || {
        openat2(
            dir,
            name,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            STRICT,
        )
    };
    match open() {
        Err(Errno::NOENT) => match mkdirat(dir, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => open(),
            Err(error) => Err(error),
        },
        opened => opened,
    }
}

/// Attaches `source` at `target`.
pub fn attach(source: &Detached, target: &OwnedFd, path: &Path) -> Result<(), LiveError> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(&source.tree, c"", target, c"", flags).map_err(|error| refused(path, error))
}

/// Fails if the mount that `file` lies on passes new mounts on to others.
pub fn check_not_shared(file: impl AsFd, path: &Path, mountinfo: &str) -> Result<(), LiveError> {
    let failed = |reason: String| LiveError::Target {
        path: path.to_owned(),
        reason,
    };
    let stat = statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
        .map_err(|error| failed(error.to_string()))?;
    let id = stat.stx_mnt_id.to_string();
    let line = mountinfo
        .lines()
        .find(|line| line.split(' ').next() == Some(&id))
        .ok_or_else(|| failed("its mount is not in the container".into()))?;
    let shared = line
        .split(" - ")
        .next()
        .unwrap_or_default()
        .split(' ')
        .any(|field| field.starts_with("shared:"));
    if shared {
        return Err(failed("its mount is shared with the host, where what is mounted here would appear: start the container without shared propagation, or use CDI or the precreate hook".into()));
    }
    Ok(())
}

/// What an error of the kernel's means for a path that we chose.
fn refused(path: &Path, error: Errno) -> LiveError {
    let reason = match error {
        Errno::XDEV => "it lies under a mount of the container's (a volume): remove that mount, or use CDI or the precreate hook".into(),
        Errno::LOOP => "a link or a special file is in its place".into(),
        Errno::NOTDIR => "a link or a file is in the place of one of its directories".into(),
        Errno::ROFS => "the root filesystem is read-only: use CDI or the precreate hook".into(),
        other => other.to_string(),
    };
    LiveError::Target {
        path: path.to_owned(),
        reason,
    }
}
