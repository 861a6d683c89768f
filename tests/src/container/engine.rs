//! Container engines as an administrator drives them: podman with either
//! runtime, and Docker; with pumice by each of its routes, or without it.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::dockerd::Dockerd;
use super::image::Image;
use super::output::Output;
use super::{cache, repository};

/// How long a container may work unless a test says otherwise.
const LIMIT: Duration = Duration::from_secs(120);

/// How pumice gets into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// Not at all: the engine has never heard of pumice.
    None,
    /// podman's `precreate` hook edits the configuration.
    Precreate,
    /// A CDI device and the hook that its specification names.
    Cdi,
    /// The hook that enters the container being created (cgroup v1 only).
    Live,
    /// Docker's `--runtime=pumice`.
    Runtime,
    /// Docker's `--gpus`, which calls the live hook.
    Gpus,
}

/// An engine, a runtime and a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack {
    pub engine: Engine,
    pub runtime: &'static str,
    pub route: Route,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Podman,
    Docker,
}

/// Every stack that gives a container the GPU.
pub const STACKS: &[Stack] = &[
    Stack {
        engine: Engine::Podman,
        runtime: "crun",
        route: Route::Precreate,
    },
    Stack {
        engine: Engine::Podman,
        runtime: "runc",
        route: Route::Precreate,
    },
    Stack {
        engine: Engine::Podman,
        runtime: "crun",
        route: Route::Cdi,
    },
    Stack {
        engine: Engine::Podman,
        runtime: "runc",
        route: Route::Cdi,
    },
    Stack {
        engine: Engine::Podman,
        runtime: "crun",
        route: Route::Live,
    },
    Stack {
        engine: Engine::Podman,
        runtime: "runc",
        route: Route::Live,
    },
    Stack {
        engine: Engine::Docker,
        runtime: "pumice",
        route: Route::Runtime,
    },
    Stack {
        engine: Engine::Docker,
        runtime: "runc",
        route: Route::Gpus,
    },
];

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.engine {
            Engine::Podman => "podman",
            Engine::Docker => "docker",
        };
        let route = match self.route {
            Route::None => "without pumice",
            Route::Precreate => "precreate",
            Route::Cdi => "cdi",
            Route::Live => "live hook",
            Route::Runtime => "runtime",
            Route::Gpus => "gpus",
        };
        write!(f, "{engine}, {}, {route}", self.runtime)
    }
}

/// A container to be run once.
#[derive(Debug, Clone)]
pub struct Container {
    pub image: Image,
    /// Whether it asks for a GPU in the way of the stack's route.
    pub asks: bool,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Options of the engine's `run`, such as `--volume=…`.
    pub options: Vec<String>,
    pub command: Vec<String>,
    /// How long it may work.
    pub limit: Duration,
}

impl Container {
    /// A container of `image` that asks for a GPU and runs `command`.
    pub fn new(image: Image, command: &[&str]) -> Container {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Container {
            image,
            asks: true,
            environment: Vec::new(),
            options: Vec::new(),
            command,
            limit: LIMIT,
        }
    }

    /// The same without asking.
    pub fn that_does_not_ask(self) -> Container {
        Container {
            asks: false,
            ..self
        }
    }

    pub fn with_environment(mut self, assignment: &str) -> Container {
        self.environment.push(assignment.to_owned());
        self
    }

    pub fn with_limit(self, limit: Duration) -> Container {
        Container { limit, ..self }
    }

    pub fn with_option(mut self, option: impl Into<String>) -> Container {
        self.options.push(option.into());
        self
    }
}

/// A stack that is ready to run containers.
pub struct Running {
    stack: Stack,
    dockerd: Option<Dockerd>,
    hooks: Option<tempfile::TempDir>,
}

impl Stack {
    pub fn start(self) -> Running {
        let dockerd =
            (self.engine == Engine::Docker).then(|| Dockerd::start(self.route == Route::Gpus));
        let hooks = (self.engine == Engine::Podman)
            .then(|| tempfile::tempdir().expect("a folder without hooks"));
        Running {
            stack: self,
            dockerd,
            hooks,
        }
    }
}

impl Running {
    /// Runs `container` to its end and removes it.
    pub fn run(&self, container: &Container) -> Output {
        let mut output = Output::of(&self.command(container), container.limit);
        if !output.success {
            output.log = logged();
        }
        output
    }

    /// The command line that runs `container`.
    pub fn command(&self, container: &Container) -> Command {
        let image = container.image.in_storage(&|| self.client());
        let mut command = self.client();
        command.args(["run", "--rm", "--pull=never", "--network=none"]);
        if container.asks {
            command.args(self.ask());
        }
        match self.stack.engine {
            // podman's own defaults are above what an unprivileged build machine allows.
            Engine::Podman => {
                command.args(["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"])
            }
            Engine::Docker => command.arg(format!("--runtime={}", self.stack.runtime)),
        };
        command.args(
            container
                .environment
                .iter()
                .map(|assignment| format!("--env={assignment}")),
        );
        command
            .args(&container.options)
            .arg(image)
            .args(&container.command);
        command
    }

    /// The engine's client.
    pub fn client(&self) -> Command {
        match &self.dockerd {
            Some(dockerd) => dockerd.client(),
            None => self.podman(),
        }
    }

    fn podman(&self) -> Command {
        let mut command = Command::new("podman");
        command
            .arg(format!("--root={}", cache().join("podman").display()))
            .args(["--cgroup-manager=cgroupfs", "--events-backend=none"])
            .arg(format!("--hooks-dir={}", self.hooks_dir().display()))
            .arg(format!("--runtime={}", self.stack.runtime));
        command
    }

    /// The folder of `manifests` that the route needs; an empty one where podman
    /// is to know of no hook.
    fn hooks_dir(&self) -> PathBuf {
        match self.stack.route {
            Route::Precreate => repository().join("manifests/podman/precreate"),
            Route::Live => repository().join("manifests/podman/live"),
            _ => self
                .hooks
                .as_ref()
                .expect("podman has one")
                .path()
                .to_owned(),
        }
    }

    /// How a user of this route asks for a GPU. Docker's two ways have no names
    /// for software rendering: there the policy says that `all` may mean it.
    fn ask(&self) -> &'static [&'static str] {
        match self.stack.route {
            Route::None => &[],
            Route::Precreate | Route::Live => &["--annotation=pumice/gpu=software"],
            Route::Cdi => &["--device=pumice/gpu=software"],
            Route::Runtime => &["--env=NVIDIA_VISIBLE_DEVICES=all"],
            Route::Gpus => &["--gpus=all"],
        }
    }
}

/// The file that `tests/containers/install` has pumice log to.
const LOG: &str = "/run/pumice.log";
/// Lines of it that are shown: other containers' are among them.
const LINES: usize = 20;

/// What pumice logged last.
fn logged() -> String {
    let log = std::fs::read_to_string(LOG).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    last.iter().map(|line| format!("{line}\n")).collect()
}
