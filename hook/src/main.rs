//! The `pumice` command.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use pumice::layout::Layout;
use pumice::log::Log;
use pumice::policy::Policy;
use pumice::{Error, assemble, discover, precreate};

/// Gives containers the GPU's Vulkan driver and a CUDA driver on top of it.
#[derive(Parser)]
#[command(name = "pumice", version)]
struct Cli {
    #[command(flatten)]
    paths: Paths,
    #[command(subcommand)]
    command: Command,
}

/// Other places than the usual ones, for tests and unusual installations.
#[derive(clap::Args)]
struct Paths {
    /// Look for the host's devices, drivers and our own files below this directory
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    host_root: PathBuf,
    /// The directory of libcuda.so.1 and the other libraries of pumice
    #[arg(long, value_name = "DIR", hide = true)]
    library_dir: Option<PathBuf>,
    /// The directory below which drivers are assembled
    #[arg(long, value_name = "DIR", hide = true)]
    state_dir: Option<PathBuf>,
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
    fn layout(self) -> Layout {
        let mut layout = Layout::under(&self.host_root);
        let chosen = [
            (&mut layout.library_dir, self.library_dir),
            (&mut layout.state_dir, self.state_dir),
            (&mut layout.config, self.config),
            (&mut layout.dev, self.dev),
            (&mut layout.sys, self.sys),
        ];
        for (place, choice) in chosen {
            if let Some(choice) = choice {
                *place = choice;
            }
        }
        layout
    }
}

#[derive(Subcommand)]
enum Command {
    /// podman's precreate hook: reads config.json on stdin, writes it to stdout
    Precreate,
    /// Assemble the driver directories of all devices ahead of time
    Assemble,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let layout = cli.paths.layout();
    let (log, policy) = match Policy::load(&layout.config) {
        Ok(policy) => (Log { file: policy.log.file.clone() }, policy),
        Err(error) => {
            Log::default().error(&error.to_string());
            return ExitCode::FAILURE;
        }
    };
    let outcome = match cli.command {
        Command::Precreate => precreate::run(&layout, &policy, &log, std::io::stdin().lock(), std::io::stdout().lock()),
        Command::Assemble => assemble_all(&layout, &log),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log.error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn assemble_all(layout: &Layout, log: &Log) -> Result<(), Error> {
    let inventory = discover::discover(layout);
    for device in inventory.hardware.iter().chain(&inventory.software) {
        for icd in &device.drivers {
            let assembled = assemble::assemble(layout, icd, device.kind)?;
            log.note(&format!("{}: {} libraries", assembled.dir.display(), assembled.manifest.libraries.len()));
        }
    }
    Ok(())
}
