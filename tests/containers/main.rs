//! Stock programs in real containers: each engine, runtime and route of pumice,
//! with images made of stock packages. To be run by `tests/run`, which installs
//! pumice and the engines first.

#![allow(clippy::print_stdout, reason = "figures belong in a test's output")]

mod device_list;
mod management;
mod ollama;
mod same_view;
mod untouched;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let trials = [
        device_list::trials(),
        management::trials(),
        ollama::trials(),
        same_view::trials(),
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
