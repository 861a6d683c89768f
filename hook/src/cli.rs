//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::layout::Layout;

/// Gives containers the GPU's Vulkan driver and a CUDA driver on top of it.
#[derive(Debug, Parser)]
#[command(name = "pumice", version)]
pub struct Cli {
    #[command(flatten)]
    pub paths: Paths,
    #[command(subcommand)]
    pub command: Command,
}

/// Other places than the usual ones, for tests and unusual installations.
#[derive(Debug, Clone, Args)]
pub struct Paths {
    /// Look for the host's devices, drivers and our own files below this directory
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    host_root: PathBuf,
    /// The directory of libcuda.so.1 and the other libraries of pumice
    #[arg(long, value_name = "DIR", hide = true)]
    library_dir: Option<PathBuf>,
    /// The directory below which drivers are assembled
    #[arg(long, value_name = "DIR", hide = true)]
    state_dir: Option<PathBuf>,
    /// The directory for files that live as long as a hook
    #[arg(long, value_name = "DIR", hide = true)]
    run_dir: Option<PathBuf>,
    /// The policy file
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
    /// The directory that stands for /dev
    #[arg(long, value_name = "DIR", hide = true)]
    dev: Option<PathBuf>,
    /// The directory that stands for /sys
    #[arg(long, value_name = "DIR", hide = true)]
    sys: Option<PathBuf>,
}

impl Paths {
    /// The host's layout with the chosen places.
    pub fn layout(self) -> Layout {
        // An engine reads these paths from another working directory.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        let mut layout = Layout::under(&absolute(self.host_root));
        let chosen = [
            (&mut layout.library_dir, self.library_dir),
            (&mut layout.state_dir, self.state_dir),
            (&mut layout.run_dir, self.run_dir),
            (&mut layout.config, self.config),
            (&mut layout.dev, self.dev),
            (&mut layout.sys, self.sys),
        ];
        for (place, choice) in chosen {
            if let Some(choice) = choice {
                *place = absolute(choice);
            }
        }
        layout
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// podman's precreate hook: reads config.json on stdin, writes it to stdout
    Precreate,
    /// Wrap runc or crun: `create` and `run` have their configuration edited
    #[command(disable_help_flag = true)]
    Runtime {
        /// The runtime's own arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
    /// The Container Device Interface specification of this host
    #[command(subcommand)]
    Cdi(Cdi),
    /// An OCI hook, which reads the container's state on stdin
    Hook {
        /// createRuntime or prestart
        stage: String,
    },
    /// The second half of a hook; for its own use
    #[command(name = crate::live::sealed::COMMAND, hide = true)]
    EnterContainer,
    /// Assemble the driver directories of all devices ahead of time
    Assemble,
    /// Say what is present, what is missing and what to do
    Doctor,
    /// Show each call of CUDA, NVML and cuBLAS: its arguments, result and time
    Trace(Trace),
}

/// A command runs beside pumice's libraries; `podman run`, `docker exec` and the
/// like have the process in the container traced. Of a container that runs
/// already, the processes are traced that start from now on.
#[derive(Debug, Args)]
#[command(
    override_usage = "pumice trace [--output FILE] -- COMMAND...\n       pumice trace [--output FILE | --stop] CONTAINER"
)]
#[group(id = "traced", required = true, args = ["container", "pid", "command"])]
pub struct Trace {
    /// Write to this file instead of standard error; the traced process opens it,
    /// so for a container the path is one in there
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Let new processes of the container run untraced again
    #[arg(long, conflicts_with_all = ["output", "command"])]
    pub stop: bool,
    /// Name the container by the number of one of its processes
    #[arg(long)]
    pub pid: Option<i64>,
    /// The name or id of a container of podman's or Docker's
    pub container: Option<String>,
    /// The command to run
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, Subcommand)]
pub enum Cdi {
    /// Describe this host's devices
    Generate {
        #[command(flatten)]
        options: CdiOptions,
        /// Write to this file instead of stdout
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Name the devices
    List,
    /// Check that a specification is what would be generated now
    Validate {
        #[command(flatten)]
        options: CdiOptions,
        #[arg(default_value = "/etc/cdi/pumice.json")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct CdiOptions {
    /// The devices' kind; nvidia.com/gpu serves Docker's --gpus
    #[arg(long, default_value = crate::request::CDI_KIND, value_name = "VENDOR/CLASS")]
    kind: String,
    /// The newest CDI version that the engine reads; groups of device nodes need 0.7.0
    #[arg(long, value_name = "VERSION")]
    cdi_version: Option<String>,
    /// The pumice program that the hook starts
    #[arg(long, value_name = "FILE")]
    hook_path: Option<PathBuf>,
}

impl CdiOptions {
    /// With the hook's program filled in: this one, unless another was named.
    pub fn resolve(self) -> crate::cdi::Options {
        let program = self
            .hook_path
            .or_else(|| std::env::current_exe().ok())
            .unwrap_or_else(|| "/usr/bin/pumice".into());
        crate::cdi::Options {
            kind: self.kind,
            version: self.cdi_version,
            program,
        }
    }
}
