//! Every kernel through every stage: how many pass, what stops the others, how
//! long it takes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use compiler::ModuleSource;
use compiler::pass;
use compiler::translate::translate;
use compiler::verify::verify;

use crate::Outcome;
use crate::library;

#[derive(Default)]
struct Census {
    passed: usize,
    failures: BTreeMap<String, Vec<String>>,
    times: Vec<Duration>,
}

/// Runs the census over PTX files, or over the PTX for `sm` inside libraries.
pub fn run(files: &[PathBuf], sm: Option<u32>) -> Outcome {
    let mut census = Census::default();
    for file in files {
        census.file(file, sm)?;
    }
    census.report(&mut std::io::stdout().lock())?;
    match census.failures.len() {
        0 => Ok(()),
        causes => Err(format!("{causes} causes of failure").into()),
    }
}

impl Census {
    fn file(&mut self, file: &Path, sm: Option<u32>) -> Outcome {
        let Some(sm) = sm else {
            return self.module(std::fs::read_to_string(file)?);
        };
        let bytes = std::fs::read(file)?;
        library::for_each_fatbin(&bytes, |_, fatbin| {
            for entry in fatbin.entries() {
                let entry = entry?;
                if library::is_ptx_for(&entry, sm) {
                    self.module(entry.text()?)?;
                }
            }
            Ok(())
        })
    }

    fn module(&mut self, text: String) -> Outcome {
        let source = ModuleSource::new(text)?;
        for entry in source.index.entries() {
            let start = Instant::now();
            let outcome = kernel(&source, &entry.name);
            self.times.push(start.elapsed());
            match outcome {
                Ok(()) => self.passed += 1,
                Err(cause) => {
                    let kernels = self.failures.entry(cause).or_default();
                    kernels.push(entry.name.clone());
                }
            }
        }
        Ok(())
    }

    fn report(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        self.times.sort_unstable();
        let total: Duration = self.times.iter().sum();
        let at = |share: usize| self.times.get(self.times.len() * share / 100);
        writeln!(
            out,
            "{} of {} kernels; total {total:?}, median {:?}, p99 {:?}, slowest {:?}",
            self.passed,
            self.times.len(),
            at(50).copied().unwrap_or_default(),
            at(99).copied().unwrap_or_default(),
            self.times.last().copied().unwrap_or_default(),
        )?;
        for (cause, kernels) in &self.failures {
            writeln!(out, "{}\t{cause}\t{}", kernels.len(), kernels[0])?;
        }
        Ok(())
    }
}

/// Compiles one kernel; the error is its cause without the place, so that
/// equal causes group.
fn kernel(source: &ModuleSource, name: &str) -> Result<(), String> {
    let function = translate(source, name).map_err(|error| error.reason.to_string())?;
    verify(&function).map_err(|error| error.what)?;
    let mut function = function;
    pass::lower_switch(&mut function);
    pass::structurize(&mut function).map_err(|error| error.to_string())?;
    verify(&function).map_err(|error| error.what)
}
