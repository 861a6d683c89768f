//! `pumice trace`: the calls of CUDA, NVML and cuBLAS, turned on from outside.
//!
//! A new command gets `PUMICE_TRACE` in its environment: a program of the host
//! beside our libraries, a container by its engine's own option. Of a container
//! that runs nobody can change the environment; the libraries look at a switch
//! instead (see [`switch`]), so that its processes are traced that start from
//! then on. The container is never entered, and nothing that it holds is opened.

pub mod engine;
pub mod switch;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::assemble::assembled;
use crate::error::Error;
use crate::layout::{CONTAINER_DRIVERS, Layout, PRELOAD};
use crate::live::process::Process;
use engine::Engine;

/// The variable that the libraries look at.
pub const VARIABLE: &str = "PUMICE_TRACE";

/// Why nothing is traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error(
        "`{0}` does not start a process in a container: trace its `run`, `create` or `exec`, with options before that written as --option=value"
    )]
    NoProcess(String),
    #[error("{program}: {source}")]
    Start {
        program: String,
        source: std::io::Error,
    },
    #[error(
        "neither podman nor Docker is there to ask for the container `{0}`: name one of its processes by --pid"
    )]
    NoEngine(String),
    #[error("no container `{name}` runs: {reasons}")]
    NoContainer { name: String, reasons: String },
    #[error("podman and Docker both have a container `{0}`: name one of its processes by --pid")]
    Ambiguous(String),
    #[error(
        "the container of process {0} has no driver of pumice's ({CONTAINER_DRIVERS}): it has not asked for a GPU, or not been served"
    )]
    NotServed(i64),
    #[error(
        "the path {} cannot be the trace of a container: it has to be absolute, in one line, and of at most {} bytes", .0.display(), switch::MAX_VALUE
    )]
    Path(PathBuf),
    #[error(
        "{}: {source}: a container that runs is traced by who may write there, usually root; anyone may run `pumice trace -- podman exec CONTAINER COMMAND`", path.display()
    )]
    Switch {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} containers are traced already: end some by `pumice trace --stop`")]
    TooMany(usize),
}

/// Where the lines go: a path for the traced process to open, or its standard error.
pub fn value(output: Option<&Path>) -> &OsStr {
    output.map_or(OsStr::new("1"), Path::as_os_str)
}

/// Runs `command`, whose first word is the program, with its calls traced. It
/// takes this process's place; so this only returns if that fails.
pub fn run(layout: &Layout, command: &[OsString], output: Option<&Path>) -> Result<(), Error> {
    let Some((program, args)) = command.split_first() else {
        return Ok(());
    };
    let error = match Engine::of(program) {
        Some(_) => Command::new(program)
            .args(engine::with_variable(program, args, value(output))?)
            .exec(),
        None => beside_libraries(layout, program, output)?.args(args).exec(),
    };
    Err(TraceError::Start {
        program: program.display().to_string(),
        source: error,
    }
    .into())
}

/// A program of the host that finds our libraries, as one in a container would.
fn beside_libraries(
    layout: &Layout,
    program: &OsStr,
    output: Option<&Path>,
) -> Result<Command, Error> {
    let library = layout.library_dir.join("libcuda.so.1");
    std::fs::metadata(&library).map_err(|source| Error::NotInstalled {
        path: library,
        source,
    })?;
    let drivers = layout.drivers_dir();
    let mut command = Command::new(program);
    command
        .env(VARIABLE, value(output))
        .env(
            "LD_LIBRARY_PATH",
            before(&layout.library_dir, "LD_LIBRARY_PATH"),
        )
        .env(
            "LD_PRELOAD",
            after("LD_PRELOAD", &layout.library_dir.join(PRELOAD)),
        );
    if std::env::var_os("PUMICE_DRIVERS").is_none() && holds_drivers(&drivers) {
        command.env("PUMICE_DRIVERS", drivers);
    }
    Ok(command)
}

fn before(path: &Path, variable: &str) -> OsString {
    let mut list = path.as_os_str().to_owned();
    if let Some(present) = present(variable) {
        list.push(":");
        list.push(present);
    }
    list
}

fn after(variable: &str, path: &Path) -> OsString {
    let mut list = present(variable).unwrap_or_default();
    if !list.is_empty() {
        list.push(":");
    }
    list.push(path);
    list
}

/// A variable's value, unless it is empty.
fn present(variable: &str) -> Option<OsString> {
    std::env::var_os(variable).filter(|value| !value.is_empty())
}

/// Without an assembled driver the libraries use the host's Vulkan loader.
fn holds_drivers(drivers: &Path) -> bool {
    let entries = std::fs::read_dir(drivers).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .any(|dir| assembled(&dir).is_some())
}

/// Has the container of process `pid` traced, or not any more: its processes
/// that start from now on.
pub fn container(
    layout: &Layout,
    pid: i64,
    output: Option<&Path>,
    stop: bool,
) -> Result<(), Error> {
    let process = Process::open(pid)?;
    let namespace = switch::Namespace::of(&process)?;
    if stop {
        return Ok(switch::remove(layout, &namespace)?);
    }
    if !is_served(&process.read("mountinfo")?) {
        return Err(TraceError::NotServed(pid).into());
    }
    let value = output.map_or(Ok("1"), |path| {
        in_container(path).ok_or_else(|| TraceError::Path(path.to_owned()))
    })?;
    Ok(switch::set(layout, &namespace, value)?)
}

/// Whether one of our driver directories is mounted, by the kernel's own account
/// of the process's mounts. A process that has not changed into the container's
/// root yet sees the whole path.
fn is_served(mountinfo: &str) -> bool {
    let drivers = CONTAINER_DRIVERS.trim_start_matches('/');
    let places = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let mut parents = places.filter_map(|place| Path::new(place).parent());
    parents.any(|parent| parent.ends_with(drivers))
}

/// The path as a line of the switch can hold it.
fn in_container(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let fits =
        path.is_absolute() && text.len() <= switch::MAX_VALUE && !text.contains(char::is_control);
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_served_container_has_a_driver_mounted() {
        let line = |place: &str| format!("9 8 0:1 / {place} ro,nosuid - ext4 /dev/sda1 rw\n");
        assert!(is_served(
            &(line("/") + &line("/usr/lib/pumice/drivers/lvp"))
        ));
        assert!(is_served(&line("/rootfs/usr/lib/pumice/drivers/lvp")));
        for place in [
            "/usr/lib/pumice/drivers",
            "/usr/lib/pumice/libpumice-preload.so",
            "/x",
        ] {
            assert!(!is_served(&line(place)), "{place}");
        }
    }

    #[test]
    fn only_a_path_in_one_line_is_a_containers_trace() {
        assert_eq!(in_container(Path::new("/tmp/a b")), Some("/tmp/a b"));
        let long = format!("/{}", "x".repeat(switch::MAX_VALUE));
        for path in ["trace", "", "/a\nmnt:[1] 1", &long] {
            assert_eq!(in_container(Path::new(path)), None, "{path:?}");
        }
    }
}
