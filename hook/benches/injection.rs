//! What pumice costs a container's start, by each route: the time from starting
//! the program to its end, as an engine sees it, and the processor's time in it,
//! which other work on the machine changes less. All rows are measured in turn.
//! As root, on the program as it is installed:
//! `RUSTFLAGS='-C target-feature=+crt-static' cargo bench -p pumice --profile hook
//! --target x86_64-unknown-linux-gnu [-- RUNS]`, 200 runs by default.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

#[path = "../tests/hook/container.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod container;
#[path = "../tests/hook/elf.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod elf;
#[path = "../tests/hook/host.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod host;

use container::{StandIn, asks, debian};
use host::{Host, run};

/// Of each row, unless the command line says otherwise.
const RUNS: usize = 200;

/// One run of a program: how long it took, and for how long a processor worked.
struct Run {
    elapsed: Duration,
    processor: Duration,
}

/// A row of the table: what is measured, and its runs so far.
struct Row<'host> {
    name: &'static str,
    once: Box<dyn Fn() -> Run + 'host>,
    runs: Vec<Run>,
}

impl<'host> Row<'host> {
    fn new(name: &'static str, once: impl Fn() -> Run + 'host) -> Row<'host> {
        Row {
            name,
            once: Box::new(once),
            runs: Vec::new(),
        }
    }

    /// The time below which `percent` of all runs stayed, in milliseconds.
    fn percentile(&self, percent: usize, time: impl Fn(&Run) -> Duration) -> f64 {
        let mut times: Vec<Duration> = self.runs.iter().map(time).collect();
        times.sort();
        times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
    }
}

fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok());
    let count = count.unwrap_or(RUNS);
    let host = Host::new("icd radeon 2.36\ndrm renderD128 amdgpu 0000:03:00.0");
    debian(&host);
    wrap_nothing(&host);
    let mut rows = rows(&host);
    for run in 0..=count {
        for row in &mut rows {
            let result = (row.once)();
            // The first run assembles drivers and fills caches.
            if run > 0 {
                row.runs.push(result);
            }
        }
    }
    print_table(&rows);
}

fn rows(host: &Host) -> Vec<Row<'_>> {
    let precreate = |device| {
        let config = configuration(host, device).to_string();
        move || timed(host.pumice().arg("precreate"), config.as_bytes())
    };
    let runtime = |device| {
        let config = configuration(host, device).to_string();
        move || wrapped(host, &host.path("wrapped"), &config)
    };
    let live = |device| {
        let config = configuration(host, device);
        move || {
            let container = StandIn::start(host, &config, &[], "");
            let state = container.state().to_string();
            timed(
                host.pumice().args(["hook", "createRuntime"]),
                state.as_bytes(),
            )
        }
    };
    vec![
        Row::new("a process that does nothing (/bin/true)", || {
            timed(&mut Command::new("/bin/true"), b"")
        }),
        Row::new("precreate, not asked", precreate("void")),
        Row::new("precreate, injection", precreate("0")),
        Row::new("runtime wrapper of /bin/true, not asked", runtime("void")),
        Row::new("runtime wrapper of /bin/true, injection", runtime("0")),
        Row::new("live hook, not asked", live("void")),
        Row::new("live hook, injection", live("software")),
        Row::new("cdi generate", || {
            timed(host.pumice().args(["cdi", "generate"]), b"")
        }),
    ]
}

/// What the engines hand over is some 20 KiB: the rest is mounts and a seccomp
/// profile.
fn configuration(host: &Host, device: &str) -> Value {
    let calls: Vec<String> = (0..400)
        .map(|number| format!("system_call_{number}"))
        .collect();
    let mut config = asks(host, device, &[]);
    config["linux"] = json!({"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}]}});
    config
}

/// The runtime that is wrapped does nothing.
fn wrap_nothing(host: &Host) {
    std::fs::create_dir_all(host.path("etc/pumice")).unwrap();
    std::fs::create_dir_all(host.path("wrapped")).unwrap();
    let policy = "[runtime]\nruntimes = [\"/bin/true\"]\n";
    std::fs::write(host.path("etc/pumice/config.toml"), policy).unwrap();
}

fn wrapped(host: &Host, bundle: &Path, config: &str) -> Run {
    std::fs::write(bundle.join("config.json"), config).unwrap();
    let mut command = host.pumice();
    command
        .args(["runtime", "create", "--bundle"])
        .arg(bundle)
        .arg("x");
    timed(&mut command, b"")
}

/// Times a command, which must succeed.
fn timed(command: &mut Command, input: &[u8]) -> Run {
    let (before, start) = (processor_of_children(), Instant::now());
    let output = run(command, input);
    let elapsed = start.elapsed();
    succeeded(command, &output);
    Run {
        elapsed,
        processor: processor_of_children().saturating_sub(before),
    }
}

fn succeeded(command: &Command, output: &Output) {
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The processor's time in all children that have been waited for.
fn processor_of_children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    let sum = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(sum.num_microseconds()).unwrap_or_default())
}

/// Prints each row with its ratio to the first: a figure that is alike on a busy
/// machine and on a quiet one.
fn print_table(rows: &[Row<'_>]) {
    println!(
        "{:<42} {:>5} {:>9} {:>9} {:>10} {:>8} {:>8}",
        "", "n", "p50 ms", "p99 ms", "CPU p50 ms", "x true", "CPU x"
    );
    let medians = |row: &Row<'_>| {
        (
            row.percentile(50, |run| run.elapsed),
            row.percentile(50, |run| run.processor),
        )
    };
    let (base, processor_base) = medians(&rows[0]);
    for row in rows {
        let (median, processor) = medians(row);
        println!(
            "{:<42} {:>5} {:>9.2} {:>9.2} {:>10.2} {:>8.1} {:>8.1}",
            row.name,
            row.runs.len(),
            median,
            row.percentile(99, |run| run.elapsed),
            processor,
            median / base,
            processor / processor_base
        );
    }
}
