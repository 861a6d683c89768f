//! Ollama's search for GPUs, step by step, in the image that has the same
//! llama-server and the same kind of libggml-cuda.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use tests::container::engine::{Container, Engine, Route, Stack};
use tests::container::image::SID;
use tests::container::output::Output;
use tests::container::repository;
use tests::container::vulkaninfo::Device;

use crate::trial;

const STACK: Stack = Stack {
    engine: Engine::Podman,
    runtime: "crun",
    route: Route::Precreate,
};
/// Ollama gives each library folder this long.
const FOLDER_LIMIT: Duration = Duration::from_secs(30);
/// Ollama gives its own probe this long.
const PROBE_LIMIT: Duration = Duration::from_secs(15);
/// Debian's folder of ggml's back ends.
const BACKENDS: &str = "/usr/lib/x86_64-linux-gnu/ggml/backends0";

pub fn trials() -> Vec<Trial> {
    vec![trial(
        format!("{STACK}: Ollama's search for GPUs succeeds within its limits"),
        search,
    )]
}

fn search() {
    let device = Device::first();
    // First pass: a server that only starts, the device list, and the probe.
    let server = run(&["sh", "-c", START_SERVER], &[]);
    assert!(
        server
            .stderr
            .contains("ggml_cuda_init: found 1 CUDA devices"),
        "{server}"
    );
    let architectures = listed_architectures(&server);
    let list = run(
        &["llama-server", "--list-devices", "--offline", "--verbose"],
        &[],
    );
    assert!(
        list.stdout.contains(&format!("CUDA0: {} (", device.name)),
        "{list}"
    );
    let probe = run_probe(&[]);
    assert!(
        probe.stdout.contains(&format!("name={}", device.name)),
        "{probe}"
    );
    let capability: u32 = value(&probe, "compute")
        .replace('.', "")
        .parse::<u32>()
        .expect("MAJOR.MINOR")
        * 10;
    assert!(
        architectures.contains(&capability),
        "{capability} is not among {architectures:?}: Ollama would skip the device"
    );
    assert!(
        value(&probe, "nvml_driver")
            .split('.')
            .next()
            .and_then(|major| major.parse().ok())
            >= Some(570),
        "{probe}"
    );

    // Second pass: each device by itself.
    let second = run(
        &["llama-server", "--list-devices", "--offline", "--verbose"],
        &["CUDA_VISIBLE_DEVICES=0", "GGML_CUDA_INIT=1"],
    );
    assert!(second.stdout.contains("CUDA0: "), "{second}");
    let hidden = run(
        &["llama-server", "--list-devices", "--offline", "--verbose"],
        &["CUDA_VISIBLE_DEVICES=-1"],
    );
    assert!(!hidden.stdout.contains("CUDA0: "), "{hidden}");

    let folder = server.elapsed + list.elapsed + probe.elapsed;
    println!(
        "first pass {folder:?} (limit {FOLDER_LIMIT:?}), of it the probe {:?} (limit {PROBE_LIMIT:?})",
        probe.elapsed
    );
    println!("second pass {:?} (limit {FOLDER_LIMIT:?})", second.elapsed);
    assert!(folder < FOLDER_LIMIT && probe.elapsed < PROBE_LIMIT && second.elapsed < FOLDER_LIMIT);
}

/// Ollama starts llama-server without a model and ends it once it has printed
/// its system information.
const START_SERVER: &str = "
llama-server --port 18080 --host 127.0.0.1 --no-webui --offline --verbose >/tmp/out 2>/tmp/err &
for attempt in $(seq 300); do grep -q system_info: /tmp/out /tmp/err && break; sleep 0.1; done
kill $!; wait $!; cat /tmp/out /tmp/err >&2; grep -q system_info: /tmp/out /tmp/err";

/// The list in `CUDA : ARCHS = 500,610,…`.
fn listed_architectures(server: &Output) -> Vec<u32> {
    let list = server
        .stderr
        .split_once("ARCHS = ")
        .map_or("", |(_, rest)| rest);
    let end = list
        .find(|c: char| !c.is_ascii_digit() && c != ',')
        .unwrap_or(list.len());
    let architectures: Vec<u32> = list[..end]
        .split(',')
        .filter_map(|number| number.parse().ok())
        .collect();
    assert!(!architectures.is_empty(), "no architectures in {server}");
    architectures
}

/// The probe as Ollama's own: a program of its own process that opens ggml's
/// libraries, libcuda and NVML. Compiled here, run in the image.
fn run_probe(environment: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder for the probe");
    let program = folder.path().join("ollama-probe");
    let mut compile = Command::new("gcc");
    compile
        .args(["-O1", "-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(repository().join("tests/containers/ollama_probe.c"));
    Output::of(compile.arg("-ldl"), Duration::from_secs(60)).expect_success();
    let container = Container::new(SID, &["/probe/ollama-probe", BACKENDS]).with_option(format!(
        "--volume={}:/probe:ro",
        Path::new(folder.path()).display()
    ));
    run_container(container, environment)
}

fn value<'output>(output: &'output Output, key: &str) -> &'output str {
    let line = output
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {key} in {output}"))
}

fn run(command: &[&str], environment: &[&str]) -> Output {
    run_container(Container::new(SID, command), environment)
}

fn run_container(container: Container, environment: &[&str]) -> Output {
    let container = environment.iter().fold(container, |container, assignment| {
        container.with_environment(assignment)
    });
    STACK.start().run(&container).expect_success()
}
