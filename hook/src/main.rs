//! The `pumice` command.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use pumice::cli::{Cdi, Cli, Command, Trace};
use pumice::configuration::Host;
use pumice::live::LiveError;
use pumice::request::Route;
use pumice::{Error, assemble, cdi, discover, doctor, live, precreate, probe, runtime, trace};

/// The name under which Docker looks for the hook behind `--gpus`.
const DOCKER_HOOK: &str = "nvidia-container-runtime-hook";

fn main() -> ExitCode {
    let (args, route) = arguments();
    let cli = Cli::parse_from(args);
    let layout = cli.paths.layout();
    let host = Host::load(layout);
    match run(&host, cli.command, route) {
        Ok(()) => ExitCode::SUCCESS,
        // The other process has said why.
        Err(Error::Live(LiveError::Reported)) => ExitCode::FAILURE,
        Err(error) => {
            host.log.error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// The arguments, with the sub-command that the program's own name stands for,
/// and the door by which a hook's containers come.
fn arguments() -> (Vec<OsString>, Route) {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let name = args
        .first()
        .map(Path::new)
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    match name {
        "pumice-runtime" => {
            args.insert(1, "runtime".into());
            (args, Route::Runtime)
        }
        // The stage comes last; options may come before it.
        DOCKER_HOOK => {
            args.insert(args.len().saturating_sub(1).max(1), "hook".into());
            (args, Route::DockerGpus)
        }
        _ => (args, Route::EveryContainer),
    }
}

fn run(host: &Host, command: Command, route: Route) -> Result<(), Error> {
    match command {
        Command::Precreate => {
            precreate::run(host, std::io::stdin().lock(), std::io::stdout().lock())
        }
        Command::Runtime { args } => Err(runtime::run(host, &args)),
        Command::Cdi(command) => host.check_policy().and_then(|()| run_cdi(host, command)),
        Command::Hook { stage } => Ok(live::run(host, &stage, route, std::io::stdin().lock())?),
        Command::EnterContainer => Ok(live::worker::run(host, std::io::stdin().lock())?),
        Command::Assemble => assemble_all(host),
        Command::Doctor => report(host),
        Command::Trace(options) => run_trace(host, &options),
    }
}

fn run_trace(host: &Host, options: &Trace) -> Result<(), Error> {
    let output = options.output.as_deref();
    let pid = match (&options.container, options.pid) {
        (Some(name), _) => trace::engine::process_of(name)?,
        (None, Some(pid)) => pid,
        (None, None) => return trace::run(&host.layout, &options.command, output),
    };
    trace::container(&host.layout, pid, output, options.stop)?;
    if options.stop {
        return Ok(());
    }
    let whose = options.container.as_deref().unwrap_or("the container");
    let place = match output {
        Some(path) => format!("to {} in there", path.display()),
        None => "to their standard error, which is in its log".to_owned(),
    };
    print(&format!(
        "processes that start in {whose} from now on write their calls {place}; those that run already do not\n"
    ))
}

fn run_cdi(host: &Host, command: Cdi) -> Result<(), Error> {
    match command {
        Cdi::Generate { options, output } => {
            let text = cdi::generate(&host.layout, &host.policy, &options.resolve())?;
            match output {
                Some(path) => cdi::write(&path, &text),
                None => print(&text),
            }
        }
        Cdi::List => {
            let inventory = discover::discover(&host.layout);
            let names = cdi::device_names(&inventory, &host.policy.devices);
            print(
                &names
                    .iter()
                    .map(|name| format!("{}={name}\n", pumice::request::CDI_KIND))
                    .collect::<String>(),
            )
        }
        Cdi::Validate { options, file } => {
            cdi::validate(&host.layout, &host.policy, &options.resolve(), &file)
        }
    }
}

fn print(text: &str) -> Result<(), Error> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(Error::io("stdout"))
}

/// Prints the doctor's findings; a problem among them is a failure.
fn report(host: &Host) -> Result<(), Error> {
    let findings = doctor::examine(host);
    print(
        &findings
            .iter()
            .map(|finding| format!("{finding}\n"))
            .collect::<String>(),
    )?;
    match findings
        .iter()
        .filter(|finding| finding.level == doctor::Level::Problem)
        .count()
    {
        0 => Ok(()),
        count => Err(Error::Unwell(count)),
    }
}

/// Assembles every driver, and records the devices' names for CUDA, which only
/// Vulkan knows.
fn assemble_all(host: &Host) -> Result<(), Error> {
    let inventory = discover::discover(&host.layout);
    for device in inventory.hardware.iter().chain(&inventory.software) {
        for icd in &device.drivers {
            let assembled = assemble::assemble(&host.layout, icd, device.kind)?;
            let libraries = assembled.manifest.libraries.len();
            print(&format!(
                "{}: {libraries} libraries\n",
                assembled.dir.display()
            ))?;
        }
    }
    if inventory.hardware.is_empty() {
        return Ok(());
    }
    let devices = probe::devices(&host.layout)?;
    probe::record(&host.layout, &devices)
        .map_err(Error::io(host.layout.uuids().display().to_string()))
}
