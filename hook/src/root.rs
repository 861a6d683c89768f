//! A container's root filesystem for reading: every path is resolved by the
//! kernel inside it (openat2(2), RESOLVE_IN_ROOT), so that no link of an image
//! leads out, also not while it is being changed.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat, fstat, openat2};
use rustix::io::Errno;

use crate::error::Error;

/// How often a resolution that a rename has disturbed is tried again.
const ATTEMPTS: usize = 32;

/// A root filesystem that is not the host's.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// Its own path, as the kernel tells it.
    at: PathBuf,
}

/// A regular file in it.
#[derive(Debug)]
pub struct Found {
    /// Where it lies, without links.
    pub path: PathBuf,
    pub size: u64,
    pub file: File,
}

impl Root {
    /// Opens the root filesystem at `path`.
    pub fn open(path: &Path) -> Result<Root, Error> {
        let failed = |error: Errno| {
            Error::io(format!(
                "the container's root filesystem {}",
                path.display()
            ))(error.into())
        };
        let fd = rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed)?;
        Root::from_fd(fd)
    }

    /// The root filesystem behind a descriptor.
    pub fn from_fd(fd: OwnedFd) -> Result<Root, Error> {
        let failed = |error: std::io::Error| Error::io("the container's root filesystem")(error);
        let identity = |stat: Stat| (stat.st_dev, stat.st_ino);
        let theirs = fstat(&fd).map_err(|error| failed(error.into()))?;
        let ours = rustix::fs::stat("/").map_err(|error| failed(error.into()))?;
        if identity(theirs) == identity(ours) {
            return Err(Error::HostRoot);
        }
        let at = own_path(&fd).map_err(failed)?;
        Ok(Root { fd, at })
    }

    /// What `path` resolves to, without opening it.
    pub fn resolve(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        self.openat2(path, OFlags::PATH)
    }

    /// The same for a path whose last component may be a link.
    pub fn resolve_nofollow(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        self.openat2(path, OFlags::PATH | OFlags::NOFOLLOW)
    }

    /// The regular file that `path` resolves to. Its type is judged before it is
    /// opened for reading, for an image may have a FIFO or a device at any name;
    /// should it be swapped in between, the open file is another one and unused.
    pub fn regular_file(&self, path: &Path) -> Option<Found> {
        let handle = self.resolve(path).ok()?;
        let stat = fstat(&handle).ok()?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return None;
        }
        let inside = self.inside(&handle)?;
        let file = self
            .openat2(
                &inside,
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK,
            )
            .ok()?;
        let opened = fstat(&file).ok()?;
        let same = (opened.st_dev, opened.st_ino) == (stat.st_dev, stat.st_ino);
        same.then_some(Found {
            path: inside,
            size: u64::try_from(stat.st_size).ok()?,
            file: file.into(),
        })
    }

    /// The directory that `path` resolves to, without links.
    pub fn directory(&self, path: &Path) -> Option<PathBuf> {
        let handle = self.openat2(path, OFlags::PATH | OFlags::DIRECTORY).ok()?;
        self.inside(&handle)
    }

    /// The directory `path`, opened for reading its entries.
    pub fn open_directory(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        self.openat2(path, OFlags::RDONLY | OFlags::DIRECTORY)
    }

    fn inside(&self, handle: &OwnedFd) -> Option<PathBuf> {
        let path = own_path(handle).ok()?;
        Some(Path::new("/").join(path.strip_prefix(&self.at).ok()?))
    }

    fn openat2(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mut attempts = 0;
        loop {
            match openat2(
                &self.fd,
                path,
                flags | OFlags::CLOEXEC,
                Mode::empty(),
                resolve,
            ) {
                Err(Errno::AGAIN) if attempts < ATTEMPTS => attempts += 1,
                result => return result,
            }
        }
    }
}

/// The path that the kernel gives an open file.
fn own_path(fd: &OwnedFd) -> std::io::Result<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, Root) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "inside").unwrap();
        let root = Root::open(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn links_never_lead_out() {
        let (dir, root) = root();
        symlink("/etc/passwd", dir.path().join("absolute")).unwrap();
        symlink("../../../../../../etc/passwd", dir.path().join("relative")).unwrap();
        symlink("/proc/self/root/etc/passwd", dir.path().join("magic")).unwrap();
        for name in ["absolute", "relative"] {
            assert_eq!(
                root.regular_file(Path::new(name)).unwrap().path,
                Path::new("/etc/passwd"),
                "{name}"
            );
        }
        assert!(root.regular_file(Path::new("magic")).is_none());
    }

    #[test]
    fn a_fifo_is_not_waited_for() {
        let (dir, root) = root();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            dir.path().join("fifo"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        assert!(root.regular_file(Path::new("/fifo")).is_none());
    }

    #[test]
    fn the_hosts_root_is_refused() {
        assert!(matches!(Root::open(Path::new("/")), Err(Error::HostRoot)));
        assert!(matches!(
            Root::open(Path::new("/usr/..")),
            Err(Error::HostRoot)
        ));
    }
}
