//! Stock programs in real containers: each engine, runtime and route of pumice,
//! with images made of stock packages. To be run by `tests/run`, which installs
//! pumice and the engines first.

#![allow(clippy::print_stdout, reason = "figures belong in a test's output")]

mod containerd;
mod device_list;
mod generation;
mod management;
mod ollama;
mod rootless;
mod same_view;
mod systemd;
mod trace;
mod untouched;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = [
        containerd::trials(),
        device_list::trials(),
        generation::trials(),
        management::trials(),
        ollama::trials(),
        rootless::trials(),
        same_view::trials(),
        systemd::trials(),
        trace::trials(),
        untouched::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit()
}

/// A test that fails by panicking.
fn trial(name: String, check: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        check();
        Ok(())
    })
}

/// Shows the lines in which the two differ, and the first place where their order does: a view
/// has a hundred lines.
#[track_caller]
fn assert_same_lines(expected: &str, actual: &str) {
    let only_in = |one: &str, other: &str, sign| -> String {
        let missing = one
            .lines()
            .filter(|line| !other.lines().any(|known| known == *line));
        missing.map(|line| format!("{sign} {line}\n")).collect()
    };
    let differences = only_in(expected, actual, '-') + &only_in(actual, expected, '+');
    let first = expected
        .lines()
        .zip(actual.lines())
        .find(|(one, other)| one != other);
    assert!(
        expected == actual,
        "expected (-) and actual (+) differ, first in {first:#?}:\n{differences}"
    );
}
