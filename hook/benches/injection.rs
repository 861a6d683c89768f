//! What pumice costs a container's start, by each route: the time from starting
//! the program to its end, as an engine sees it. Prints p50 and p99 in
//! milliseconds; `cargo bench -p pumice [RUNS]`, 200 runs by default, as root.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

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

/// What the engines hand over is some 20 KiB: the rest is mounts and a seccomp
/// profile.
fn like_an_engines(mut config: Value) -> Value {
    let calls: Vec<String> = (0..400)
        .map(|number| format!("system_call_{number}"))
        .collect();
    config["linux"] = json!({"seccomp": {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": calls, "action": "SCMP_ACT_ALLOW"}]}});
    config
}

fn not_asking(host: &Host) -> Value {
    let mut config = asks(host, "void", &[]);
    config["annotations"] = json!({"pumice/gpu": "void"});
    like_an_engines(config)
}

/// Times `once`, which must succeed, and prints a line.
fn measure(name: &str, runs: usize, mut once: impl FnMut() -> (Output, Duration)) {
    let mut times: Vec<Duration> = (0..runs)
        .map(|_| {
            let (output, elapsed) = once();
            assert!(
                output.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            elapsed
        })
        .collect();
    times.sort();
    let at = |percent: usize| {
        times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1e3
    };
    report(&format!(
        "{name:<44} p50 {:7.2} ms   p99 {:7.2} ms   {runs} runs",
        at(50),
        at(99)
    ));
}

#[allow(clippy::print_stdout, reason = "this is a benchmark's result")]
fn report(line: &str) {
    println!("{line}");
}

fn timed(command: &mut Command, input: &[u8]) -> (Output, Duration) {
    let start = Instant::now();
    let output = run(command, input);
    (output, start.elapsed())
}

fn main() {
    let runs = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .next()
        .unwrap_or(200);
    let host = Host::new("icd radeon 2.36\ndrm renderD128 amdgpu 0000:03:00.0");
    debian(&host);
    let quiet = not_asking(&host).to_string();
    let asking = like_an_engines(asks(&host, "0", &[])).to_string();

    measure("a process that does nothing (/bin/true)", runs, || {
        timed(&mut Command::new("/bin/true"), b"")
    });
    measure("precreate, not asked", runs, || {
        timed(host.pumice().arg("precreate"), quiet.as_bytes())
    });
    measure("precreate, injection", runs, || {
        timed(host.pumice().arg("precreate"), asking.as_bytes())
    });

    std::fs::create_dir_all(host.path("etc/pumice")).unwrap();
    std::fs::write(
        host.path("etc/pumice/config.toml"),
        "[runtime]\nruntimes = [\"/bin/true\"]\n",
    )
    .unwrap();
    let bundle = host.path("wrapped");
    std::fs::create_dir_all(&bundle).unwrap();
    for (name, config) in [
        ("runtime wrapper with /bin/true, not asked", &quiet),
        ("runtime wrapper with /bin/true, injection", &asking),
    ] {
        measure(name, runs, || {
            std::fs::write(bundle.join("config.json"), config).unwrap();
            timed(
                host.pumice()
                    .args(["runtime", "create", "--bundle"])
                    .arg(&bundle)
                    .arg("x"),
                b"",
            )
        });
    }
    for (name, device) in [
        ("live hook, not asked", "void"),
        ("live hook, injection", "software"),
    ] {
        measure(name, runs, || {
            let container =
                StandIn::start(&host, &like_an_engines(asks(&host, device, &[])), &[], "");
            timed(
                host.pumice().args(["hook", "createRuntime"]),
                container.state().to_string().as_bytes(),
            )
        });
    }
    measure("cdi generate", runs, || {
        timed(host.pumice().args(["cdi", "generate"]), b"")
    });
}
