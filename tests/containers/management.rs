//! NVML's stock Python clients read the device.

use libtest_mimic::Trial;
use tests::container::engine::{Container, Engine, Route, Stack};
use tests::container::image::TRIXIE;
use tests::container::output::Output;
use tests::container::vulkaninfo::Device;

use crate::trial;

const STACK: Stack = Stack {
    engine: Engine::Podman,
    runtime: "crun",
    route: Route::Precreate,
};

const NVIDIA_ML_PY: &str = "
import pynvml
pynvml.nvmlInit()
assert pynvml.nvmlDeviceGetCount() == 1
device = pynvml.nvmlDeviceGetHandleByIndex(0)
assert pynvml.nvmlDeviceGetIndex(pynvml.nvmlDeviceGetHandleByUUID(pynvml.nvmlDeviceGetUUID(device))) == 0
print('name', pynvml.nvmlDeviceGetName(device))
print('memory', pynvml.nvmlDeviceGetMemoryInfo(device).total)
print('driver', pynvml.nvmlSystemGetDriverVersion())
pynvml.nvmlShutdown()
";

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            format!("{STACK}: nvidia-ml-py reads the device"),
            nvidia_ml_py,
        ),
        trial(format!("{STACK}: gpustat shows the device"), gpustat),
    ]
}

fn nvidia_ml_py() {
    let output = run(&["python3", "-c", NVIDIA_ML_PY]);
    let device = Device::first();
    for expected in [
        format!("name {}", device.name),
        format!("memory {}", device.heap_size),
        "driver 580.".into(),
    ] {
        assert!(
            output
                .stdout
                .lines()
                .any(|line| line.starts_with(&expected)),
            "{expected} is not in {output}"
        );
    }
}

fn gpustat() {
    let output = run(&["python3", "-m", "gpustat", "--no-color"]);
    let device = Device::first();
    assert!(
        output.stdout.contains(&device.name),
        "{} is not in {output}",
        device.name
    );
    assert!(
        output
            .stdout
            .contains(&format!("{} MB", device.heap_size >> 20)),
        "the memory's size is not in {output}"
    );
}

fn run(command: &[&str]) -> Output {
    STACK
        .start()
        .run(&Container::new(TRIXIE, command))
        .expect_success()
}
