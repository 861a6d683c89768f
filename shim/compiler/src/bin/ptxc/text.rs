//! What the front end makes of PTX files.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use compiler::front::{self, Function};
use compiler::translate::translate;
use compiler::{ModuleSource, Target};

use crate::Outcome;

/// Prints one line a kernel.
pub fn index(file: &Path) -> Outcome {
    let text = std::fs::read_to_string(file)?;
    let start = Instant::now();
    let index = front::index(&text)?;
    let elapsed = start.elapsed();
    let mut out = std::io::stdout().lock();
    for function in index.entries() {
        print_function(&mut out, function)?;
    }
    writeln!(
        out,
        "sm_{}: {} functions, {} variables, {} bytes of text in {elapsed:?}",
        index.sm,
        index.functions.len(),
        index.variables.len(),
        text.len()
    )?;
    Ok(())
}

fn print_function(out: &mut impl Write, function: &Function) -> std::io::Result<()> {
    writeln!(
        out,
        "{}\tparameters {} bytes\tlocal {} bytes\tmaxntid {:?}",
        function.name,
        function.parameter_bytes(),
        function.local_bytes(),
        function.limits.maxntid
    )
}

/// Prints the IR of one kernel.
pub fn ir(file: &Path, kernel: &str, lowered: bool) -> Outcome {
    let source = ModuleSource::new(std::fs::read_to_string(file)?)?;
    let function = match lowered {
        true => compiler::lower(&source, kernel)?,
        false => translate(&source, kernel)?,
    };
    write!(std::io::stdout().lock(), "{function}")?;
    Ok(())
}

/// Compiles one kernel and writes its SPIR-V.
pub fn compile(file: &Path, kernel: &str, target: &Target, out: &Path) -> Outcome {
    let source = ModuleSource::new(std::fs::read_to_string(file)?)?;
    let compiled = compiler::compile(&source, kernel, target)?;
    let bytes: Vec<u8> = compiled
        .spirv
        .iter()
        .flat_map(|w| w.to_le_bytes())
        .collect();
    std::fs::write(out, bytes)?;
    Ok(())
}

/// Parses every body; fails if any does not parse.
pub fn parse(files: &[PathBuf]) -> Outcome {
    let mut totals = Totals::default();
    let start = Instant::now();
    for file in files {
        let text = std::fs::read_to_string(file)?;
        if let Err(error) = parse_text(&text, &mut totals) {
            totals.errors += 1;
            eprintln!("{}: {error}", file.display());
        }
    }
    let mut out = std::io::stdout().lock();
    let elapsed = start.elapsed();
    writeln!(out, "{totals:?} in {elapsed:?}")?;
    match totals.errors {
        0 => Ok(()),
        errors => Err(format!("{errors} of {} files do not parse", files.len()).into()),
    }
}

#[derive(Debug, Default)]
struct Totals {
    bytes: usize,
    functions: usize,
    instructions: usize,
    errors: usize,
}

fn parse_text(text: &str, totals: &mut Totals) -> Result<(), front::Error> {
    let index = front::index(text)?;
    totals.bytes += text.len();
    for function in &index.functions {
        let body = front::body(text, &index, function)?;
        totals.functions += 1;
        totals.instructions += body.instructions.len();
    }
    Ok(())
}
