//! Every kernel through the whole compiler: how many pass, what stops the
//! others, how long it takes, how large the result is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use compiler::{CompiledKernel, ModuleSource, Target, compile};

use crate::Outcome;
use crate::library;

/// What a census goes through.
pub struct Options {
    /// The architecture to take from libraries.
    pub sm: Option<u32>,
    /// The target to compile for.
    pub target: Target,
    /// Where SPIR-V goes, one file a kernel; `None` keeps none.
    pub out: Option<PathBuf>,
    /// Whether spirv-val checks every module.
    pub validate: bool,
    /// Only every n-th kernel.
    pub stride: usize,
}

struct Census {
    options: Options,
    seen: usize,
    passed: usize,
    failures: BTreeMap<String, Vec<String>>,
    times: Vec<Duration>,
    text_bytes: usize,
    spirv_bytes: usize,
}

/// Runs the census over PTX files, or over the PTX for one architecture inside
/// libraries.
pub fn run(files: &[PathBuf], options: Options) -> Outcome {
    if let Some(out) = &options.out {
        std::fs::create_dir_all(out)?;
    }
    let mut census = Census {
        options,
        seen: 0,
        passed: 0,
        failures: BTreeMap::new(),
        times: Vec::new(),
        text_bytes: 0,
        spirv_bytes: 0,
    };
    for file in files {
        census.file(file)?;
    }
    census.report(&mut std::io::stdout().lock())?;
    match census.failures.len() {
        0 => Ok(()),
        causes => Err(format!("{causes} causes of failure").into()),
    }
}

impl Census {
    fn file(&mut self, file: &Path) -> Outcome {
        let Some(sm) = self.options.sm else {
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
            self.seen += 1;
            if !(self.seen - 1).is_multiple_of(self.options.stride) {
                continue;
            }
            let start = Instant::now();
            let outcome = compile(&source, &entry.name, &self.options.target);
            self.times.push(start.elapsed());
            self.text_bytes += entry.body.as_ref().map_or(0, std::ops::Range::len);
            match outcome {
                Ok(kernel) => self.pass(&entry.name, &kernel)?,
                Err(error) => self.fail(cause(error), &entry.name),
            }
        }
        Ok(())
    }

    fn fail(&mut self, cause: String, kernel: &str) {
        self.failures
            .entry(cause)
            .or_default()
            .push(kernel.to_owned());
    }

    fn pass(&mut self, name: &str, kernel: &CompiledKernel) -> Outcome {
        self.spirv_bytes += 4 * kernel.spirv.len();
        let Some(out) = &self.options.out else {
            self.passed += 1;
            return Ok(());
        };
        let bytes: Vec<u8> = kernel.spirv.iter().flat_map(|w| w.to_le_bytes()).collect();
        let file = out.join(format!("{:05}.spv", self.seen));
        std::fs::write(&file, bytes)?;
        if self.options.validate
            && let Err(complaint) = validate(&file)?
        {
            self.fail(
                format!("spirv-val: {complaint}"),
                &format!("{name} {}", file.display()),
            );
            return Ok(());
        }
        self.passed += 1;
        Ok(())
    }

    fn report(&mut self, out: &mut impl Write) -> std::io::Result<()> {
        self.times.sort_unstable();
        let total: Duration = self.times.iter().sum();
        let at = |share: usize| self.times.get(self.times.len() * share / 100);
        writeln!(
            out,
            "{} of {} kernels; total {total:?}, median {:?}, p99 {:?}, slowest {:?}; {} bytes of PTX, {} bytes of SPIR-V",
            self.passed,
            self.times.len(),
            at(50).copied().unwrap_or_default(),
            at(99).copied().unwrap_or_default(),
            self.times.last().copied().unwrap_or_default(),
            self.text_bytes,
            self.spirv_bytes,
        )?;
        for (cause, kernels) in &self.failures {
            writeln!(out, "{}\t{cause}\t{}", kernels.len(), kernels[0])?;
        }
        Ok(())
    }
}

/// What spirv-val says about a file: its complaint without the ids, so that
/// equal ones group.
fn validate(file: &Path) -> std::io::Result<Result<(), String>> {
    let output = Command::new("spirv-val")
        .args(["--target-env", "vulkan1.3"])
        .arg(file)
        .output()?;
    if output.status.success() {
        return Ok(Ok(()));
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().next().unwrap_or_default();
    let message: String = line.chars().filter(|c| !c.is_ascii_digit()).collect();
    Ok(Err(message))
}

/// The cause of an error without its place, so that equal causes group.
fn cause(error: compiler::Error) -> String {
    match error {
        compiler::Error::Ptx { error, .. } => error.reason.to_string(),
        compiler::Error::Structure { error, .. } => error.to_string(),
        compiler::Error::Target { error, .. } => error.to_string(),
        compiler::Error::Internal(error) => error.what,
    }
}
