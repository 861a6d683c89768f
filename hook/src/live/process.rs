//! The container's first process, by its directory in `/proc`. The directory is
//! opened once: if the process ends and its number is given to another, the
//! descriptor does not follow.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, PROC_SUPER_MAGIC, Stat, fstat, fstatfs, openat};

use super::LiveError;

/// The longest file of `/proc` that is read.
const MAX_FILE: u64 = 1 << 20;

/// A container's process, known not to be one of the host's.
#[derive(Debug)]
pub struct Process {
    pid: i64,
    dir: OwnedFd,
}

impl Process {
    /// Opens the process and checks that it has a mount namespace apart from
    /// ours and from the host's first process.
    pub fn open(pid: i64) -> Result<Process, LiveError> {
        let refused = |reason: String| LiveError::Process { pid, reason };
        let proc = rustix::fs::open(
            "/proc",
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| refused(format!("/proc: {error}")))?;
        if fstatfs(&proc).map_or(true, |fs| fs.f_type != PROC_SUPER_MAGIC) {
            return Err(refused("/proc is not the kernel's".into()));
        }
        let open = |name: &str| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(&proc, name, flags, Mode::empty())
                .map_err(|error| refused(format!("/proc/{name}: {error}")))
        };
        let process = Process {
            pid,
            dir: open(&pid.to_string())?,
        };
        let own = Process {
            pid: i64::from(std::process::id()),
            dir: open(&std::process::id().to_string())?,
        };
        process.differs_from(&own, "this hook")?;
        process.differs_from(
            &Process {
                pid: 1,
                dir: open("1")?,
            },
            "the host's first process",
        )?;
        Ok(process)
    }

    fn differs_from(&self, other: &Process, whose: &str) -> Result<(), LiveError> {
        let same = match (self.mount_namespace(), other.mount_namespace()) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            // A process with privileges that we lack hides its namespaces, but
            // not its mounts, and no mount is in two namespaces.
            _ => self.first_mount()? == other.first_mount()?,
        };
        if same {
            return Err(self.refused(format!(
                "it has the mount namespace of {whose}: it is no container"
            )));
        }
        Ok(())
    }

    fn mount_namespace(&self) -> Result<(u64, u64), LiveError> {
        self.namespace("mnt")
            .map(|(_, stat)| (stat.st_dev, stat.st_ino))
    }

    /// The identifier of the first mount that the process sees.
    fn first_mount(&self) -> Result<u64, LiveError> {
        let mounts = self.read("mountinfo")?;
        let first = mounts.split(' ').next().and_then(|id| id.parse().ok());
        first.ok_or_else(|| self.refused("it sees no mounts".into()))
    }

    /// The namespace `kind` and its identity.
    pub fn namespace(&self, kind: &str) -> Result<(OwnedFd, Stat), LiveError> {
        let name = format!("ns/{kind}");
        let opened = openat(
            &self.dir,
            &name,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let opened = opened.and_then(|fd| fstat(&fd).map(|stat| (fd, stat)));
        opened.map_err(|error| self.refused(format!("{name}: {error}")))
    }

    /// Whether the process is in a user namespace that is not ours.
    pub fn has_own_user_namespace(&self) -> Result<bool, LiveError> {
        let (_, theirs) = self.namespace("user")?;
        let ours = rustix::fs::stat("/proc/self/ns/user")
            .map_err(|error| self.refused(format!("our user namespace: {error}")))?;
        Ok((theirs.st_dev, theirs.st_ino) != (ours.st_dev, ours.st_ino))
    }

    /// The contents of one of the process's files.
    pub fn read(&self, name: &str) -> Result<String, LiveError> {
        let failed = |error: std::io::Error| self.refused(format!("{name}: {error}"));
        let file = openat(
            &self.dir,
            name,
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .map_err(|error| failed(error.into()))?;
        let mut text = String::new();
        File::from(file)
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Ok(text)
    }

    fn refused(&self, reason: String) -> LiveError {
        LiveError::Process {
            pid: self.pid,
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pid: u32) -> String {
        Process::open(i64::from(pid)).unwrap_err().to_string()
    }

    #[test]
    fn processes_of_this_mount_namespace_are_refused() {
        assert!(refusal(std::process::id()).contains("mount namespace of this hook"));
        let mut sleeper = std::process::Command::new("sleep")
            .arg("10")
            .spawn()
            .unwrap();
        assert!(refusal(sleeper.id()).contains("mount namespace of this hook"));
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
    }

    #[test]
    fn the_first_process_of_the_host_is_refused() {
        assert!(refusal(1).contains("mount namespace of"), "{}", refusal(1));
    }

    #[test]
    fn a_process_that_is_gone_is_refused() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(refusal(pid).contains("/proc/"));
    }
}
