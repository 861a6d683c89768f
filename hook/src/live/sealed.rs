//! Starts the copy of this program that enters the container. The copy lies in
//! sealed memory, so that nothing in the container can change the program on
//! the host through it; its environment is empty, so that no variable of an
//! image reaches a loader; and it is killed if it does not finish in time.

use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::{LiveError, Order};
use crate::layout::Layout;

/// How long the copy may take. No engine sets a timeout for its hooks, and a
/// hook that hangs would hang every start.
const DEADLINE_S: u64 = 5;
/// The sub-command that the copy runs.
pub const COMMAND: &str = "enter-container";

/// Has a sealed copy carry out `order` and waits for it.
pub fn run(layout: &Layout, order: &Order) -> Result<(), LiveError> {
    let failed = |error: std::io::Error| LiveError::Sealed(error.to_string());
    let program = copy().map_err(failed)?;
    let text = serde_json::to_vec(order).map_err(|error| LiveError::Sealed(error.to_string()))?;
    let mut input = memory("pumice-order").map_err(failed)?;
    input
        .write_all(&text)
        .and_then(|()| input.rewind())
        .map_err(failed)?;
    // Without a change of directory the library need not copy this process: it
    // is in "/" since `harden`.
    let child = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()))
        .arg0("pumice")
        .args(layout.options())
        .arg(COMMAND)
        .env_clear()
        .stdin(Stdio::from(input))
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    wait(child)
}

/// Whether this process runs from such a copy.
pub fn is_sealed() -> bool {
    let all = seals();
    File::open("/proc/self/exe")
        .is_ok_and(|program| fcntl_get_seals(&program).is_ok_and(|seals| seals.contains(all)))
}

fn seals() -> SealFlags {
    SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE
}

fn copy() -> std::io::Result<OwnedFd> {
    let mut source = File::open("/proc/self/exe")?;
    let mut copy = memory("pumice")?;
    std::io::copy(&mut source, &mut copy)?;
    fcntl_add_seals(&copy, seals())?;
    Ok(copy.into())
}

/// A file in memory. Kernels before 6.3 do not know the flag that says that it
/// is to be executable, which it is for them in any case.
fn memory(name: &str) -> std::io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match memfd_create(name, flags | MemfdFlags::EXEC) {
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    };
    Ok(File::from(made?))
}

fn wait(mut child: Child) -> Result<(), LiveError> {
    let failed = |error: std::io::Error| LiveError::Sealed(error.to_string());
    if !ends_in_time(&child).map_err(failed)? {
        child.kill().and_then(|()| child.wait()).map_err(failed)?;
        return Err(LiveError::Deadline(DEADLINE_S));
    }
    let status = child.wait().map_err(failed)?;
    match (status.success(), status.code()) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err(LiveError::Reported),
        (false, None) => Err(LiveError::Sealed(format!("it ended by {status}"))),
    }
}

fn ends_in_time(child: &Child) -> std::io::Result<bool> {
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Timespec {
        tv_sec: i64::try_from(DEADLINE_S).unwrap_or(i64::MAX),
        tv_nsec: 0,
    };
    Ok(poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&deadline))? > 0)
}
