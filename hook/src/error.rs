//! The one error that every command ends in.

use std::path::PathBuf;

use crate::assemble::AssembleError;
use crate::elf::ElfError;
use crate::image::ImageError;
use crate::live::LiveError;
use crate::probe::ProbeError;
use crate::request::SelectError;
use crate::spec::SpecError;
use crate::trace::TraceError;

/// Why a command failed: what, on what, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Policy(String),
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error("the container's configuration ({from}) cannot be used: {source}")]
    Spec { from: String, source: SpecError },
    #[error("the container's configuration names no root filesystem (root.path)")]
    NoRoot,
    #[error("the container's root filesystem {} is relative: only the runtime knows the bundle", .0.display())]
    RelativeRoot(PathBuf),
    #[error(
        "the container's root filesystem is the host's own: nothing is mounted over the host's files"
    )]
    HostRoot,
    #[error("{} is missing ({source}): install pumice completely", path.display())]
    NotInstalled {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} {source}: install pumice again", path.display())]
    Library { path: PathBuf, source: ElfError },
    #[error("the Vulkan driver `{driver}` is not assembled in {}: run `pumice cdi generate` again", dir.display())]
    DriverMissing { driver: String, dir: PathBuf },
    #[error("none of the runtimes {} was found: install runc or crun, or name one in the policy ([runtime] runtimes)", .0.join(", "))]
    NoRuntime(Vec<String>),
    #[error("there is nothing to describe: {0}")]
    NoDevices(String),
    #[error("CDI {limit} cannot express {what}: it needs {needed}; leave --cdi-version away")]
    CdiVersion {
        limit: String,
        needed: String,
        what: String,
    },
    #[error("`{0}` is not a CDI kind, which has the form vendor/class")]
    CdiKind(String),
    #[error("{} is out of date: run `pumice cdi generate --output {}`", .0.display(), .0.display())]
    CdiStale(PathBuf),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error("problems found: {0}")]
    Unwell(usize),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Trace(#[from] TraceError),
    #[error("{what}: {source}")]
    Io {
        what: String,
        source: std::io::Error,
    },
}

impl Error {
    /// An I/O error with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Error {
        let what = what.into();
        move |source| Error::Io { what, source }
    }
}
