//! The switch that our libraries look at in a container: the file `trace` in each
//! driver directory. Every container that uses a driver sees its file, so a line
//! names the container that it is for, by its mount namespace, which a process
//! can see of itself and which no other container has.
//!
//! The format is that of `shim/abi/src/trace_switch.rs`, which reads it.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::TraceError;
use crate::layout::Layout;
use crate::live::LiveError;
use crate::live::process::Process;

/// The file in a driver directory.
pub const FILE: &str = "trace";
/// The longest value of a line.
pub const MAX_VALUE: usize = 255;
/// The libraries read no longer file.
const MAX_FILE: usize = 4096;

/// A mount namespace, as the kernel names it in `/proc/PID/ns/mnt`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Namespace(String);

impl Namespace {
    pub fn of(process: &Process) -> Result<Namespace, LiveError> {
        let (_, stat) = process.namespace("mnt")?;
        Ok(Namespace(format!("mnt:[{}]", stat.st_ino)))
    }
}

/// The lines: which containers are traced, and where to.
type Lines = BTreeMap<Namespace, String>;

/// Has the processes in `namespace` traced to `value`.
pub fn set(layout: &Layout, namespace: &Namespace, value: &str) -> Result<(), TraceError> {
    change(layout, |lines| {
        lines.insert(namespace.clone(), value.to_owned());
    })
}

/// Has them not traced any more.
pub fn remove(layout: &Layout, namespace: &Namespace) -> Result<(), TraceError> {
    change(layout, |lines| {
        lines.remove(namespace);
    })
}

/// Changes the lines in every driver directory, and drops those of containers
/// that are gone: the kernel gives their numbers to others.
fn change(layout: &Layout, change: impl Fn(&mut Lines)) -> Result<(), TraceError> {
    let alive = namespaces_in_use();
    for dir in driver_dirs(layout)? {
        let path = dir.join(FILE);
        let failed = |source| TraceError::Switch {
            path: path.clone(),
            source,
        };
        let mut lines = read(&path).map_err(failed)?;
        lines.retain(|namespace, _| alive.contains(&namespace.0));
        change(&mut lines);
        write(&path, &lines)?;
    }
    Ok(())
}

/// The directories of all drivers, and those of replaced ones, which containers
/// that run may still have.
fn driver_dirs(layout: &Layout) -> Result<Vec<PathBuf>, TraceError> {
    let drivers = layout.drivers_dir();
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| TraceError::Switch { path, source }
    };
    let mut dirs = Vec::new();
    for parent in [drivers.clone(), drivers.join(".retired")] {
        let entries = match fs::read_dir(&parent) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.map_err(failed(&parent))?,
        };
        for entry in entries {
            let path = entry.map_err(failed(&parent))?.path();
            if path.join(crate::manifest::FILE).is_file() {
                dirs.push(path);
            }
        }
    }
    Ok(dirs)
}

fn read(path: &Path) -> std::io::Result<Lines> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let line = |line: &str| {
        let (namespace, value) = line.split_once(' ')?;
        Some((Namespace(namespace.to_owned()), value.to_owned()))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Replaces the file in one step; without lines it goes.
fn write(path: &Path, lines: &Lines) -> Result<(), TraceError> {
    let failed = |source| TraceError::Switch {
        path: path.to_owned(),
        source,
    };
    if lines.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        };
    }
    let text: String = lines
        .iter()
        .map(|(namespace, value)| format!("{} {value}\n", namespace.0))
        .collect();
    if text.len() > MAX_FILE {
        return Err(TraceError::TooMany(lines.len() - 1));
    }
    let scratch = path.with_extension(format!("new-{}", std::process::id()));
    fs::write(&scratch, text)
        .and_then(|()| fs::rename(&scratch, path))
        .map_err(failed)
}

/// The mount namespaces of all processes.
fn namespaces_in_use() -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let namespace = |process: fs::DirEntry| fs::read_link(process.path().join("ns/mnt")).ok();
    processes
        .filter_map(namespace)
        .map(|name| name.display().to_string())
        .collect()
}
