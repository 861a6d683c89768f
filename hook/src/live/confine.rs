//! What a process gives up: inherited descriptors and new privileges at once,
//! and everything that mounting does not need before the image is looked at.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::LiveError;
use super::process::Process;

/// What mounting and making nodes in a container needs.
const KEPT: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::FOWNER);
const MAX_MEMORY: u64 = 1 << 30;
const MAX_FILES: u64 = 512;

/// The first thing that a hook does: no working directory that someone else
/// chose, no inherited descriptors for its children, no new privileges, and
/// nobody may trace it or read its memory.
pub fn harden() -> io::Result<()> {
    std::env::set_current_dir("/")?;
    crate::sys::close_inherited_on_exec()?;
    set_no_new_privs(true)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

/// Dies with the process that waits for this one.
pub fn die_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// The namespaces to join, opened while that is possible.
#[derive(Debug)]
pub struct Namespaces {
    user: Option<OwnedFd>,
    mount: OwnedFd,
}

impl Namespaces {
    pub fn of(process: &Process) -> Result<Namespaces, LiveError> {
        let user = if process.has_own_user_namespace()? {
            Some(process.namespace("user")?.0)
        } else {
            None
        };
        Ok(Namespaces {
            user,
            mount: process.namespace("mnt")?.0,
        })
    }

    /// Whether the container has a user namespace of its own.
    pub fn have_users(&self) -> bool {
        self.user.is_some()
    }

    /// Joins them: the user namespace first, since it owns the other, and root
    /// there, since nobody else may change the container's files.
    pub fn join(&self) -> Result<(), LiveError> {
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error: rustix::io::Errno| LiveError::Join(format!("{what}: {error}"))
        };
        if let Some(user) = &self.user {
            move_into_link_name_space(user.as_fd(), Some(LinkNameSpaceType::User))
                .map_err(failed("user namespace"))?;
        }
        move_into_link_name_space(self.mount.as_fd(), Some(LinkNameSpaceType::Mount))
            .map_err(failed("mount namespace"))?;
        if self.user.is_some() {
            // A namespace may forbid changing groups; the host's have no meaning in it.
            let _ = set_thread_groups(&[]);
            let root = rustix::process::Gid::ROOT;
            set_thread_res_gid(root, root, root).map_err(failed("group 0"))?;
            let root = rustix::process::Uid::ROOT;
            set_thread_res_uid(root, root, root).map_err(failed("user 0"))?;
        }
        harden()
            .and_then(|()| die_with_parent())
            .map_err(|error| LiveError::Join(error.to_string()))
    }
}

/// Gives up all that mounting does not need: capabilities, memory, files, core
/// dumps, and all other system calls.
pub fn confine() -> Result<(), LiveError> {
    let failed = |error: io::Error| LiveError::Confine(error.to_string());
    drop_capabilities().map_err(failed)?;
    limit_resources().map_err(failed)?;
    super::seccomp::install().map_err(LiveError::Confine)
}

fn drop_capabilities() -> io::Result<()> {
    // The first number that this kernel does not know is the end of its list.
    let numbers = 0..u64::BITS;
    let capabilities = numbers.map(|number| CapabilitySet::from_bits_retain(1 << number));
    for capability in capabilities {
        if remove_capability_from_bounding_set(capability).is_err() {
            break;
        }
    }
    let sets = CapabilitySets {
        effective: KEPT,
        permitted: KEPT,
        inheritable: CapabilitySet::empty(),
    };
    Ok(set_capabilities(None, sets)?)
}

fn limit_resources() -> io::Result<()> {
    for (resource, limit) in [
        (Resource::As, MAX_MEMORY),
        (Resource::Nofile, MAX_FILES),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
    ] {
        setrlimit(
            resource,
            Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            },
        )?;
    }
    Ok(())
}
