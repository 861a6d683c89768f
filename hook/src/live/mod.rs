//! The live route: an OCI hook that changes a container which exists already,
//! from outside. It is the last resort, for engines whose only door it is, and
//! it runs as root on text that an attacker may have written; so it does as
//! little as possible, in this order:
//!
//! 1. [`run`], in the engine's process: refuses every stage but two, reads the
//!    state and the configuration, and ends at once if nothing is asked for.
//! 2. [`sealed`]: a sealed copy of this program is started with an empty
//!    environment and a deadline.
//! 3. [`worker`], in that copy: checks the container's process, collects
//!    everything of the host (drivers, detached mounts, the cgroup's rule), then
//!    joins the container, gives up every privilege that it no longer needs, and
//!    only then looks at the image.

mod cgroup;
mod confine;
pub mod process;
pub mod sealed;
mod seccomp;
mod source;
mod state;
mod target;
pub mod worker;

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::configuration::Host;
use crate::request::{Request, Route, Source, request};
use crate::spec::{MAX_SIZE, Spec, SpecError};

pub use state::State;

/// Why the live route did not serve a container.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error(
        "the stage {0} runs inside the container or too late: configure this hook for createRuntime (podman, CRI-O, CDI) or prestart (Docker) only"
    )]
    Stage(String),
    #[error("the container's state on stdin cannot be used: {0}")]
    State(String),
    #[error("the container's process {pid} cannot be used: {reason}")]
    Process { pid: i64, reason: String },
    #[error(
        "this host uses cgroup v2, where a hook cannot let a container use a device: give the device by CDI (`pumice cdi generate --output /etc/cdi/pumice.json`, then --device pumice/gpu=all), by podman's precreate hook or by --runtime=pumice"
    )]
    CgroupV2,
    #[error("the container's cgroup cannot be given the device: {0}")]
    Cgroup(String),
    #[error("{} cannot be used as a mount source: {reason}", path.display())]
    Source { path: PathBuf, reason: String },
    #[error("{} cannot be placed in the container: {reason}", path.display())]
    Target { path: PathBuf, reason: String },
    #[error("the container's namespaces cannot be joined: {0}")]
    Join(String),
    #[error("privileges cannot be given up: {0}")]
    Confine(String),
    #[error("a sealed copy of pumice cannot be started: {0}")]
    Sealed(String),
    #[error("the hook did not finish within {0} seconds")]
    Deadline(u64),
    /// The copy has said why already.
    #[error("the container was not changed as asked")]
    Reported,
    #[error(transparent)]
    Host(#[from] Box<crate::Error>),
}

impl From<crate::Error> for LiveError {
    fn from(error: crate::Error) -> Self {
        LiveError::Host(Box::new(error))
    }
}

/// The largest state that is read.
const MAX_STATE: u64 = 1 << 20;

/// What a stage's name means to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// One of the two that run beside the runtime, before the container's start.
    Served,
    /// Another stage of the OCI specification.
    Refused,
    /// No stage that we know: perhaps a newer specification's.
    Unknown,
}

/// Classifies a stage by its name in the OCI specification.
pub fn stage(name: &str) -> Stage {
    match name {
        "prestart" | "createRuntime" => Stage::Served,
        "createContainer" | "startContainer" | "poststart" | "poststop" => Stage::Refused,
        _ => Stage::Unknown,
    }
}

/// Everything that the sealed copy is told.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    state: State,
    route: Route,
    /// The container's root filesystem on the host.
    root: PathBuf,
    /// An empty file for the merged list of preloaded libraries.
    scratch: PathBuf,
    /// `config.json`, unchanged.
    config: String,
}

/// Serves the container whose state comes from `input`, if it asks for that.
pub fn run(host: &Host, name: &str, route: Route, input: impl Read) -> Result<(), LiveError> {
    match stage(name) {
        Stage::Served => {}
        Stage::Refused => return Err(LiveError::Stage(name.to_owned())),
        Stage::Unknown => {
            host.log.note(&format!(
                "the hook stage `{name}` is unknown to this version of pumice: nothing is done"
            ));
            return Ok(());
        }
    }
    confine::harden().map_err(|error| LiveError::Confine(error.to_string()))?;
    let state = State::read(input)?;
    let config = read_config(&state)?;
    let spec = Spec::parse(&config).map_err(bad_config)?;
    let Some(request) = request(&spec, &host.policy, route) else {
        return Ok(());
    };
    let checked = host.check_policy().map_err(LiveError::from);
    let served = checked.and_then(|()| root(&state, &spec)).and_then(|root| {
        let config = String::from_utf8(config)
            .map_err(|_| LiveError::State("config.json is not UTF-8".into()))?;
        let scratch = source::Scratch::create(&host.layout.run_dir)?;
        sealed::run(
            &host.layout,
            &Order {
                state,
                route,
                root,
                scratch: scratch.path.clone(),
                config,
            },
        )
    });
    forgive(host, &request, served)
}

/// A request that may be the image's own never fails a container.
fn forgive(host: &Host, request: &Request, served: Result<(), LiveError>) -> Result<(), LiveError> {
    match served {
        Err(error) if request.source == Source::Environment => {
            host.log.note(&format!(
                "NVIDIA_VISIBLE_DEVICES is set but the container gets no GPU: {error}"
            ));
            Ok(())
        }
        served => served,
    }
}

fn bad_config(source: SpecError) -> LiveError {
    LiveError::from(crate::Error::Spec {
        from: "the bundle's config.json".into(),
        source,
    })
}

fn read_config(state: &State) -> Result<Vec<u8>, LiveError> {
    let path = state.bundle.join("config.json");
    let what = format!(
        "the bundle's configuration {}, which tells what the container asks for",
        path.display()
    );
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut text))
        .map_err(|error| LiveError::from(crate::Error::io(what)(error)))?;
    Ok(text)
}

/// Where the root filesystem lies on the host, without links: crun says so in
/// the state, for other runtimes the configuration does.
fn root(state: &State, spec: &Spec) -> Result<PathBuf, LiveError> {
    let path = match &state.root {
        Some(root) => root.clone(),
        None => state.bundle.join(spec.root().ok_or(crate::Error::NoRoot)?),
    };
    let root = std::fs::canonicalize(&path)
        .map_err(|error| LiveError::from(crate::Error::io(path.display().to_string())(error)))?;
    if root.parent().is_none() {
        return Err(crate::Error::HostRoot.into());
    }
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_stages_beside_the_runtime_are_served() {
        assert_eq!(stage("prestart"), Stage::Served);
        assert_eq!(stage("createRuntime"), Stage::Served);
        for name in ["createContainer", "startContainer", "poststart", "poststop"] {
            assert_eq!(stage(name), Stage::Refused, "{name}");
        }
        assert_eq!(stage("postcheckpoint"), Stage::Unknown);
    }
}
