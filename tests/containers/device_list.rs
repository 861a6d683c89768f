//! What stock programs print when they list their CUDA devices.

use libtest_mimic::Trial;
use tests::container::engine::{Container, Engine, Route, STACKS, Stack};
use tests::container::image::{Image, SID, TRIXIE};
use tests::container::output::Output;
use tests::container::vulkaninfo::Device;

use crate::trial;

/// A stock program and what makes it find a device.
struct Program {
    name: &'static str,
    image: Image,
    command: &'static [&'static str],
}

const LLAMA_SERVER: Program = Program {
    name: "llama-server",
    image: SID,
    command: &["llama-server", "--verbose", "--list-devices"],
};
const CUDA12: Program = Program {
    name: "CUDA 12 build",
    image: TRIXIE,
    command: &["node", LIST_DEVICES, "cuda12"],
};
const CUDA13: Program = Program {
    name: "CUDA 13 build",
    image: TRIXIE,
    command: &["node", LIST_DEVICES, "cuda13"],
};
const NODE_LLAMA_CPP: Program = Program {
    name: "node-llama-cpp",
    image: TRIXIE,
    command: &["node", LIST_DEVICES],
};
const LIST_DEVICES: &str = "/opt/list-devices/list-devices.mjs";

const PODMAN: Stack = Stack {
    engine: Engine::Podman,
    runtime: "crun",
    route: Route::Precreate,
};
const COMPUTE_CAPABILITY: &str = "PUMICE_COMPUTE_CAPABILITY";

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for &stack in STACKS {
        for program in [LLAMA_SERVER, CUDA12] {
            trials.push(trial(
                format!("{stack}: {} finds the device", program.name),
                move || finds_the_device(stack, &program, &[]),
            ));
        }
    }
    for (engine, runtime) in [
        (Engine::Podman, "crun"),
        (Engine::Podman, "runc"),
        (Engine::Docker, "runc"),
    ] {
        let stack = Stack {
            engine,
            runtime,
            route: Route::None,
        };
        for program in [LLAMA_SERVER, CUDA12, CUDA13] {
            trials.push(trial(
                format!("{stack}: {} finds no device", program.name),
                move || finds_none(stack, &program),
            ));
        }
    }
    trials.push(trial(
        format!("{PODMAN}: the CUDA 13 build finds the device at compute capability 7.5"),
        || {
            finds_the_device(PODMAN, &CUDA13, &[&format!("{COMPUTE_CAPABILITY}=7.5")]);
        },
    ));
    trials.push(trial(
        format!("{PODMAN}: the CUDA 13 build finds none by default and the log says why"),
        cuda_13_is_told_why,
    ));
    trials.push(trial(
        format!("{PODMAN}: node-llama-cpp falls back to its CUDA 12 build"),
        || {
            finds_the_device(PODMAN, &NODE_LLAMA_CPP, &[]);
        },
    ));
    trials
}

fn finds_the_device(stack: Stack, program: &Program, environment: &[&str]) {
    assert_device(&run(stack, program, environment).expect_success());
}

/// The one device that is listed is Vulkan's, by name and memory.
#[track_caller]
pub fn assert_device(output: &Output) {
    let device = Device::first();
    let listed = listed_devices(output);
    assert_eq!(listed.len(), 1, "{output}");
    assert!(
        output
            .stderr
            .contains("ggml_cuda_init: found 1 CUDA devices"),
        "{output}"
    );
    assert!(
        listed[0].starts_with(&format!("CUDA0: {} (", device.name)),
        "{} is not in {output}",
        device.name
    );
    assert_eq!(
        total_mebibytes(listed[0]),
        device.heap_size >> 20,
        "{output}"
    );
}

fn finds_none(stack: Stack, program: &Program) {
    assert_none(&run(stack, program, &[]).expect_success());
}

/// The program ran and listed nothing.
#[track_caller]
pub fn assert_none(output: &Output) {
    assert_eq!(listed_devices(output), Vec::<&str>::new(), "{output}");
    assert!(output.stdout.contains("(none)"), "{output}");
}

/// At 6.1 the driver is a CUDA 12 driver, which libcudart 13 refuses; silence
/// would leave the user alone with that.
fn cuda_13_is_told_why() {
    let output = run(PODMAN, &CUDA13, &[]).expect_success();
    assert_eq!(listed_devices(&output), Vec::<&str>::new(), "{output}");
    let explained = output
        .stderr
        .lines()
        .any(|line| line.contains("pumice: ") && line.contains(COMPUTE_CAPABILITY));
    assert!(
        explained,
        "no line of pumice's names {COMPUTE_CAPABILITY}: {output}"
    );
}

fn run(stack: Stack, program: &Program, environment: &[&str]) -> Output {
    let container = environment.iter().fold(
        Container::new(program.image, program.command),
        |container, assignment| container.with_environment(assignment),
    );
    stack.start().run(&container)
}

/// The lines `CUDA0: NAME (TOTAL MiB, FREE MiB free)`.
fn listed_devices(output: &Output) -> Vec<&str> {
    output
        .stdout
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("CUDA"))
        .collect()
}

fn total_mebibytes(line: &str) -> u64 {
    let total = line
        .rsplit_once('(')
        .and_then(|(_, memory)| memory.split_once(" MiB,")?.0.parse().ok());
    total.unwrap_or_else(|| panic!("no memory in {line}"))
}
