//! PTX cases as tests: `interpreter::…` on the compiler's interpreter,
//! `device::…` on the CUDA driver that `TARGET` names. `README.md` explains.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use tests::context::Context;
use tests::ptx::recording::{self, Recording};
use tests::ptx::{Case, device, directive, form, interpreted, memory_form, table};
use tests::target::{Target, target};

mod expectations;
mod properties;
mod provenance;

/// The compute capability that pumice has, by the variable that tells it: cases for
/// later architectures run where it names one.
fn pumice_sm() -> u32 {
    let asked = std::env::var("PUMICE_COMPUTE_CAPABILITY").ok();
    let digits = asked.map(|asked| asked.replace('.', ""));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(61)
}

/// A test that is no case.
type Check = fn() -> Result<(), String>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let modules = std::env::var_os("PTX_MODULES").map(PathBuf::from);
    for case in cases() {
        if let Some(directory) = &modules {
            let path = directory.join(format!("{}.ptx", case.name));
            std::fs::write(&path, &case.text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        let (name, sm) = (case.name.clone(), case.sm());
        if target() == Target::Nvidia || sm <= pumice_sm() {
            let case = case.clone();
            let trial = move || Ok(on_device(&case)?);
            trials.push(Trial::test(format!("device::{name}"), trial));
        }
        if target() == Target::Pumice {
            let lowered = case.clone();
            let trial = move || Ok(properties::passes_keep_the_meaning_of(&lowered)?);
            trials.push(Trial::test(format!("lowered::{name}"), trial));
            let exact = case.clone();
            let trial = move || Ok(properties::exact_results_need_no_subnormals(&exact)?);
            trials.push(Trial::test(format!("exact::{name}"), trial));
            let trial = move || Ok(on_interpreter(&case)?);
            trials.push(Trial::test(format!("interpreter::{name}"), trial));
        }
    }
    let checks: [(&str, Check); 4] = [
        ("every_stock_form_is_in_a_case", stock_forms),
        (
            "lowered::random_kernels",
            properties::passes_keep_the_meaning_of_random_kernels,
        ),
        (
            "device::random_kernels",
            properties::a_device_computes_random_kernels,
        ),
        ("damaged_text_never_panics", || {
            properties::damaged_text_never_panics(&cases())
        }),
    ];
    for (name, check) in checks {
        trials.push(Trial::test(name, move || check().map_err(Failed::from)));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The cases written by hand and those of the tables.
fn cases() -> Vec<Case> {
    let directory = recording::cases_directory();
    let entries = std::fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<_> = paths
        .filter(|p| p.extension().is_some_and(|e| e == "ptx"))
        .collect();
    paths.sort();
    let mut cases: Vec<Case> = paths.iter().map(|path| directive::read(path)).collect();
    cases.extend(form::cases(table::FORMS));
    cases.extend(memory_form::cases(table::MEMORY_FORMS));
    cases
}

fn blesses() -> bool {
    std::env::var_os("BLESS").is_some_and(|value| value == "1")
}

fn on_interpreter(case: &Case) -> Result<(), String> {
    let outputs = interpreted::run(case)?;
    recording::compare_with_text(case, &outputs)?;
    let recorded = Recording::read(case);
    if blesses() && !recorded.as_ref().is_some_and(Recording::is_of_a_device) {
        let recording = Recording::interpreted(outputs);
        return recording.write(case).map_err(|error| error.to_string());
    }
    let recorded = recorded.ok_or("nothing is recorded: run with BLESS=1")?;
    recording::compare(case, &outputs, &[&recorded.outputs])
        .map_err(|report| format!("recorded from {}\n{report}", recorded.source))
}

fn on_device(case: &Case) -> Result<(), String> {
    let context = Context::primary();
    let ran = device::run(&context, case)?;
    let (case, outputs) = (&case.without(&ran.refused), ran.outputs);
    expectations::check(&context, case, &ran.refused)?;
    recording::compare_with_text(case, &outputs)?;
    if blesses() && target() == Target::Nvidia {
        let source = provenance::of(&context);
        let recording = Recording { source, outputs };
        return recording.write(case).map_err(|error| error.to_string());
    }
    let recorded = Recording::read(case).ok_or("nothing is recorded: run with BLESS=1")?;
    let exact = recording::compare(case, &outputs, &[&recorded.outputs]);
    if exact.is_ok() || target() == Target::Nvidia || asks_for_exact_results() {
        return exact.map_err(|report| format!("recorded from {}\n{report}", recorded.source));
    }
    // The device may keep subnormals where the kernel flushes them, and flush
    // them where it does not.
    let kept = interpreted::run(&case.unflushed())?;
    let mut flushed = interpreted::run(&case.flushed())?;
    flush_results(case, &mut flushed);
    let references = [&recorded.outputs, &kept, &flushed];
    recording::compare(case, &outputs, &references)
        .map_err(|report| format!("recorded from {}\n{report}", recorded.source))
}

/// Whether the driver under test was asked for the recorded bits.
fn asks_for_exact_results() -> bool {
    std::env::var("PUMICE_EXACT").is_ok_and(|value| value == "1")
}

/// Replaces subnormal results by zeros.
fn flush_results(case: &Case, outputs: &mut tests::ptx::Outputs) {
    for kernel in &case.kernels {
        for (_, buffer, ..) in kernel.outputs() {
            let of_kernel = format!("{} ", kernel.name);
            for (_, values) in outputs
                .iter_mut()
                .filter(|(name, _)| name.starts_with(&of_kernel))
            {
                values
                    .iter_mut()
                    .for_each(|value| *value = buffer.ty.flushed(*value));
            }
        }
    }
}

/// Every instruction of the stock libraries' sm_50 and sm_61 kernels must occur
/// in some case.
fn stock_forms() -> Result<(), String> {
    let texts: Vec<String> = cases().into_iter().map(|case| case.text).collect();
    let words: BTreeSet<&str> = texts
        .iter()
        .flat_map(|text| text.split(|c: char| c.is_whitespace() || ";{},()".contains(c)))
        .collect();
    let stock = include_str!("stock_forms.txt");
    let missing: Vec<_> = stock.lines().filter(|form| !words.contains(form)).collect();
    match missing.as_slice() {
        [] => Ok(()),
        missing => Err(format!(
            "{} forms are in no case: {}",
            missing.len(),
            missing.join(" ")
        )),
    }
}
