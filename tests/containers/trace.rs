//! `pumice trace`, of a command that starts a container and of a container that
//! runs already.

use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use tests::container::engine::{Container, Engine, Route, Stack};
use tests::container::image::SID;
use tests::container::output::Output;

use crate::trial;

const LIMIT: Duration = Duration::from_secs(120);
const CALL: &str = "cuInit(Flags=0) = CUDA_SUCCESS";
const LIST_DEVICES: [&str; 2] = ["llama-server", "--list-devices"];

pub fn trials() -> Vec<Trial> {
    let podman = |runtime, route| Stack {
        engine: Engine::Podman,
        runtime,
        route,
    };
    let docker = Stack {
        engine: Engine::Docker,
        runtime: "pumice",
        route: Route::Runtime,
    };
    let stacks = [
        podman("crun", Route::Precreate),
        podman("runc", Route::Cdi),
        docker,
    ];
    stacks
        .into_iter()
        .flat_map(|stack| {
            [
                trial(
                    format!("{stack}: a new container's calls are traced"),
                    move || a_new_container(stack),
                ),
                trial(
                    format!("{stack}: a container that runs is traced from then on"),
                    move || one_that_runs(stack),
                ),
            ]
        })
        .collect()
}

fn a_new_container(stack: Stack) {
    let running = stack.start();
    let container = Container::new(SID, &LIST_DEVICES);
    let untraced = running.run(&container).expect_success();
    assert!(!untraced.stderr.contains(CALL), "{untraced}");
    let traced = Output::of(&behind_trace(&running.command(&container)), LIMIT);
    assert!(traced.expect_success().stderr.contains(CALL));
}

/// `pumice trace -- COMMAND`.
fn behind_trace(command: &Command) -> Command {
    let mut trace = Command::new("pumice");
    trace
        .args(["trace", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            trace.env(name, value);
        }
    }
    trace
}

fn one_that_runs(stack: Stack) {
    let running = stack.start();
    let name = format!("pumice-trace-{}", std::process::id());
    let client = |arguments: &[&str]| {
        let mut command = running.client();
        command.args(arguments);
        Output::of(&command, LIMIT)
    };
    let sleeper = Container::new(SID, &["sleep", "120"])
        .with_option("--detach")
        .with_option(format!("--name={name}"));
    running.run(&sleeper).expect_success();
    let calls = || {
        let exec = [&["exec", &*name], &LIST_DEVICES[..]].concat();
        client(&exec).expect_success().stderr.contains(CALL)
    };
    let inspect = ["container", "inspect", "--format={{.State.Pid}}", &name];
    let pid = client(&inspect).expect_success().stdout;
    let switch = |more: &[&str]| {
        let mut trace = Command::new("pumice");
        trace.args(["trace", "--pid", pid.trim()]).args(more);
        Output::of(&trace, LIMIT).expect_success();
    };
    let before = calls();
    switch(&[]);
    let traced = calls();
    switch(&["--stop"]);
    let after = calls();
    client(&["rm", "--force", &name]).expect_success();
    assert_eq!((before, traced, after), (false, true, false));
}
