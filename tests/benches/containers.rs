//! What pumice costs: the start of a container by each route, and a process that
//! never calls CUDA but has the preload library in it. Prints a table. Run by
//! `tests/containers/benchmark [RUNS]`; all rows of one table are measured in turn,
//! so that the machine's other work is on each of them.
#![allow(clippy::print_stdout, reason = "a benchmark's result is its output")]

use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tests::container::engine::{Container, Engine, Route, Running, Stack};
use tests::container::image::SID;

/// Containers started by each row unless the command line says otherwise.
const RUNS: usize = 50;
/// Processes started by each row.
const PROCESSES: usize = 1000;
const PRELOAD: &str = "/usr/lib/pumice/libpumice-preload.so";

/// A row of a table.
struct Row {
    name: String,
    times: Vec<Duration>,
}

impl Row {
    fn new(name: impl Into<String>) -> Row {
        Row {
            name: name.into(),
            times: Vec::new(),
        }
    }

    /// The time below which `percent` of all runs stayed, in milliseconds.
    fn percentile(&self, percent: usize) -> f64 {
        let last = self.times.len() - 1;
        self.times[(self.times.len() * percent / 100).min(last)].as_secs_f64() * 1e3
    }
}

fn main() {
    // Cargo adds --bench.
    let runs = std::env::args().find_map(|argument| argument.parse().ok());
    containers(runs.unwrap_or(RUNS));
    processes(PROCESSES);
}

fn containers(runs: usize) {
    for (engine, runtimes) in [
        (Engine::Podman, &["crun", "runc"][..]),
        (Engine::Docker, &["runc"]),
    ] {
        for &runtime in runtimes {
            let mut rows = rows_of(engine, runtime);
            for run in 0..=runs {
                for (row, running, container) in &mut rows {
                    let output = running.run(container).expect_success();
                    // The first one imports the image and fills caches.
                    if run > 0 {
                        row.times.push(output.elapsed);
                    }
                }
            }
            print_table(
                &format!("start to end of a container that runs true, {runtime}"),
                rows.into_iter().map(|(row, ..)| row),
            );
        }
    }
}

/// The routes of one engine and runtime, the first without pumice. Each route is
/// one running stack: a storage folder serves one dockerd at a time.
fn rows_of(engine: Engine, runtime: &'static str) -> Vec<(Row, Rc<Running>, Container)> {
    let routes: &[(Route, &[bool])] = match engine {
        Engine::Podman => &[
            (Route::None, &[false]),
            (Route::Precreate, &[false, true]),
            (Route::Cdi, &[true]),
            (Route::Live, &[false, true]),
        ],
        // Without --gpus, dockerd does not call pumice.
        Engine::Docker => &[(Route::Gpus, &[false, true])],
    };
    let mut rows = Vec::new();
    for &(route, asking) in routes {
        let stack = Stack {
            engine,
            runtime,
            route,
        };
        let running = Rc::new(stack.start());
        for &asks in asking {
            let name = format!("{stack}, {}", if asks { "asks" } else { "does not ask" });
            let container = Container {
                asks,
                ..Container::new(SID, &["true"])
            };
            rows.push((Row::new(name), Rc::clone(&running), container));
        }
    }
    rows
}

fn processes(runs: usize) {
    let mut rows = [
        Row::new("without LD_PRELOAD"),
        Row::new(format!("LD_PRELOAD={PRELOAD}")),
    ];
    for run in 0..=runs {
        for (row, preload) in rows.iter_mut().zip([None, Some(PRELOAD)]) {
            let mut command = Command::new("/bin/true");
            command.envs(preload.map(|library| ("LD_PRELOAD", library)));
            let started = Instant::now();
            assert!(command.status().is_ok_and(|status| status.success()));
            if run > 0 {
                row.times.push(started.elapsed());
            }
        }
    }
    print_table("/bin/true", rows);
}

/// Prints the rows with their distance from the first.
fn print_table(title: &str, rows: impl IntoIterator<Item = Row>) {
    println!("\n{title}");
    println!(
        "  {:<60} {:>5} {:>10} {:>10} {:>10}",
        "", "n", "p50 ms", "p99 ms", "+p50 ms"
    );
    let mut first = None;
    for mut row in rows {
        row.times.sort();
        let median = row.percentile(50);
        let base = *first.get_or_insert(median);
        println!(
            "  {:<60} {:>5} {:>10.2} {:>10.2} {:>+10.2}",
            row.name,
            row.times.len(),
            median,
            row.percentile(99),
            median - base
        );
    }
}
