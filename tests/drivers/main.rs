//! Compiled kernels through the compilers of real GPUs, with no GPU there:
//! `mesa-drm-shim` answers for the kernel's driver, and Mesa's own drivers make
//! machine code that nothing executes.
//!
//! By default the kernels are those of the PTX cases. `KERNELS` may name PTX files
//! instead, separated by colons, and `KERNELS_EVERY` takes each n-th kernel of them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use compiler::back::spirv::layout::specialization;
use compiler::{CompiledKernel, ModuleSource};
use libtest_mimic::{Arguments, Failed, Trial};
use tests::ptx::recording;

/// A GPU that the shim can play: its name here, the library, the variables it reads.
struct Gpu {
    name: &'static str,
    shim: &'static str,
    variables: &'static [(&'static str, &'static str)],
}

/// One of each generation whose machine code differs.
const GPUS: &[Gpu] = &[
    Gpu {
        name: "radv, RDNA 1 (Navi 10)",
        shim: "libamdgpu_noop_drm_shim.so",
        variables: &[("AMDGPU_GPU_ID", "navi10")],
    },
    Gpu {
        name: "radv, RDNA 2 (Navi 21)",
        shim: "libamdgpu_noop_drm_shim.so",
        variables: &[("AMDGPU_GPU_ID", "navi21")],
    },
    Gpu {
        name: "radv, RDNA 3 (Navi 31)",
        shim: "libamdgpu_noop_drm_shim.so",
        variables: &[("AMDGPU_GPU_ID", "navi31")],
    },
];

/// Mesa before 26 has no NVK that runs on the shim.
const NVK: &[Gpu] = &[
    Gpu {
        name: "nvk, Turing (TU104)",
        shim: "libnouveau_noop_drm_shim.so",
        variables: &[
            ("NOUVEAU_CHIPSET", "0x164"),
            ("NVK_I_WANT_A_BROKEN_VULKAN_DRIVER", "1"),
        ],
    },
    Gpu {
        name: "nvk, Ampere (GA104)",
        shim: "libnouveau_noop_drm_shim.so",
        variables: &[
            ("NOUVEAU_CHIPSET", "0x174"),
            ("NVK_I_WANT_A_BROKEN_VULKAN_DRIVER", "1"),
        ],
    },
];

/// Set in the process that the shim is preloaded into.
const CHILD: &str = "PUMICE_TESTS_UNDER_DRM_SHIM";

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return compile_everything();
    }
    let arguments = Arguments::from_args();
    let nvk = if std::env::var_os("TEST_NVK").is_some() {
        NVK
    } else {
        &[]
    };
    let gpus = GPUS.iter().chain(nvk);
    let trials = gpus.map(|gpu| Trial::test(gpu.name, || under_shim(gpu)));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Runs this program again with the shim in front of the kernel.
fn under_shim(gpu: &Gpu) -> Result<(), Failed> {
    let program = std::env::current_exe()?;
    let output = Command::new(program)
        .env(CHILD, "1")
        .env("LD_PRELOAD", gpu.shim)
        .env("MESA_SHADER_CACHE_DISABLE", "true")
        .envs(gpu.variables.iter().copied())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    eprint!("{}: {said}", gpu.name);
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}\n{said}{errors}", gpu.name, output.status).into())
}

/// What came of one kernel.
struct Made {
    name: String,
    taken: Duration,
    error: Option<String>,
}

fn compile_everything() -> ExitCode {
    let device = match open() {
        Ok(device) => device,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::FAILURE;
        }
    };
    let every = std::env::var("KERNELS_EVERY").map_or(1, |n| n.parse().unwrap_or(1));
    let kernels = files().into_iter().flat_map(|path| kernels_of(&path));
    let made: Vec<Made> = kernels
        .step_by(every)
        .filter_map(|(source, name)| make(&device, &source, name))
        .collect();
    report(device.physical().name(), &made)
}

fn report(device: &str, made: &[Made]) -> ExitCode {
    let mut taken: Vec<_> = made.iter().map(|it| it.taken).collect();
    taken.sort();
    let failed: Vec<_> = made.iter().filter(|it| it.error.is_some()).collect();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{device}: {} of {} kernels, median {:?}, longest {:?}",
        made.len() - failed.len(),
        made.len(),
        taken.get(taken.len() / 2).copied().unwrap_or_default(),
        taken.last().copied().unwrap_or_default(),
    );
    for it in &failed {
        let _ = writeln!(
            out,
            "{}: {}",
            it.name,
            it.error.as_deref().unwrap_or_default()
        );
    }
    if failed.is_empty() && !made.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn open() -> Result<std::sync::Arc<vulkan::Device>, String> {
    let found = vulkan::enumerate_all();
    let hardware = |device: &&vulkan::PhysicalDevice| device.kind() != vulkan::Kind::Cpu;
    let device = found.devices.iter().find(hardware);
    let device = device.ok_or("the shim shows no device: is mesa-drm-shim installed?")?;
    vulkan::Device::open(device).map_err(|error| error.to_string())
}

fn files() -> Vec<PathBuf> {
    if let Some(list) = std::env::var_os("KERNELS") {
        return std::env::split_paths(&list).collect();
    }
    let directory = recording::cases_directory();
    let entries = std::fs::read_dir(&directory);
    let entries = entries.unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "ptx"))
        .collect();
    paths.sort();
    paths
}

/// The entries of a PTX file, each with the module that it is of.
fn kernels_of(path: &Path) -> Vec<(std::rc::Rc<ModuleSource>, String)> {
    let text = std::fs::read_to_string(path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let source = ModuleSource::new(text);
    let source = source.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let source = std::rc::Rc::new(source);
    let entries = source.index.functions.iter();
    let entries = entries.filter(|function| function.is_entry);
    entries
        .map(|function| (source.clone(), function.name.clone()))
        .collect()
}

/// What the hardware of these drivers does; nothing runs here that could measure it.
const UNMEASURED: target::Measured = target::Measured {
    fused_multiply_add: true,
    keeps_subnormals: true,
    matrices: compiler::Matrices {
        halves: false,
        bytes: false,
    },
};

/// Compiles a kernel for the device; `None` where our own compiler refuses it, which
/// other tests count.
fn make(
    device: &std::sync::Arc<vulkan::Device>,
    source: &ModuleSource,
    name: String,
) -> Option<Made> {
    let target = target::of(device.physical(), UNMEASURED);
    let kernel = compiler::compile(source, &name, &target).ok()?;
    let specialization = specialization();
    let start = Instant::now();
    let mut description = description(&kernel, &specialization);
    if !device.physical().subgroup().size_selectable {
        description.subgroup_size = None;
    }
    let pipeline = device.pipeline(&description);
    Some(Made {
        name,
        taken: start.elapsed(),
        error: pipeline.err().map(|error| error.to_string()),
    })
}

/// Blocks of 128 threads and 4 KiB of shared memory.
fn specialization() -> [(u32, u32); 7] {
    [
        (specialization::WORKGROUP_X, 128),
        (specialization::WORKGROUP_Y, 1),
        (specialization::WORKGROUP_Z, 1),
        (specialization::BLOCK_X, 128),
        (specialization::BLOCK_Y, 1),
        (specialization::BLOCK_Z, 1),
        (specialization::SHARED_WORDS, 1024),
    ]
}

fn description<'a>(
    kernel: &'a CompiledKernel,
    specialization: &'a [(u32, u32)],
) -> vulkan::PipelineDescription<'a> {
    vulkan::PipelineDescription {
        spirv: &kernel.spirv,
        entry: kernel.entry_point,
        push_constant_size: kernel.push_constant_bytes,
        specialization,
        subgroup_size: kernel.subgroup_size,
        full_subgroups: kernel.subgroup_size.is_some(),
        dispatch_base: false,
    }
}
