//! Expected outputs: what a device gave, or the interpreter where none has been
//! asked yet; and the comparison with them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::case::{Argument, Case, Kernel, Outputs, output_name};
use super::scalar::Scalar;

/// Mismatches of one buffer that are shown.
const SHOWN: usize = 4;
/// The source that anything else may replace.
const INTERPRETER: &str = "interpreter";

/// The expected outputs of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Whose they are: device, driver, date.
    pub source: String,
    /// The elements.
    pub outputs: Outputs,
}

impl Recording {
    /// What the interpreter says.
    #[must_use]
    pub fn interpreted(outputs: Outputs) -> Self {
        Self {
            source: INTERPRETER.to_owned(),
            outputs,
        }
    }

    /// Whether a device gave the outputs.
    #[must_use]
    pub fn is_of_a_device(&self) -> bool {
        self.source != INTERPRETER
    }

    /// The recording of a case, if there is one.
    ///
    /// # Panics
    /// If its file cannot be understood.
    #[must_use]
    pub fn read(case: &Case) -> Option<Self> {
        let path = path(&directory(), case);
        let text = std::fs::read_to_string(&path).ok()?;
        let recording = Self::parse(&text);
        Some(recording.unwrap_or_else(|| panic!("{} is damaged", path.display())))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let source = lines.next()?.strip_prefix("source: ")?.to_owned();
        let mut outputs = Outputs::new();
        for line in lines {
            let (name, rest) = line.split_once(": ")?;
            let (width, digits) = rest.split_once(' ')?;
            let width: usize = width.parse().ok()?;
            let value = |chunk: &[u8]| {
                let digits = std::str::from_utf8(chunk).ok()?;
                u64::from_str_radix(digits, 16).ok()
            };
            let values = digits.as_bytes().chunks(width).map(value);
            outputs.insert(name.to_owned(), values.collect::<Option<_>>()?);
        }
        Some(Self { source, outputs })
    }

    /// Writes the recording of a case.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, case: &Case) -> std::io::Result<()> {
        let directory = directory();
        std::fs::create_dir_all(&directory)?;
        std::fs::write(path(&directory, case), self.print(case))
    }

    fn print(&self, case: &Case) -> String {
        let mut text = format!("source: {}\n", self.source);
        for_each_output(case, |name, _, _, _| {
            let values = self.outputs.get(name).map_or(&[][..], Vec::as_slice);
            // As many digits as the largest element needs.
            let most = values.iter().max().copied().unwrap_or(0);
            let width = (1..=16)
                .find(|&digits| most >> (4 * digits - 1) < 2)
                .unwrap_or(16);
            let _ = write!(text, "{name}: {width} ");
            for value in values {
                let _ = write!(text, "{value:0width$x}");
            }
            text.push('\n');
        });
        text
    }
}

/// Where recordings lie: `PTX_RECORDED`, or `recorded` beside the case files.
fn directory() -> PathBuf {
    match std::env::var_os("PTX_RECORDED") {
        Some(directory) => directory.into(),
        None => cases_directory().join("recorded"),
    }
}

/// Where the case files lie: beside this package's sources, or under `tests` of
/// the directory in which a carried binary runs.
#[must_use]
pub fn cases_directory() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("ptx");
    if built.is_dir() {
        return built;
    }
    PathBuf::from("tests/ptx")
}

fn path(directory: &Path, case: &Case) -> PathBuf {
    directory.join(format!("{}.txt", case.name))
}

/// Calls `visit` with the name, element type, kernel and argument of every
/// looked-at buffer after every launch.
fn for_each_output(case: &Case, mut visit: impl FnMut(&str, Scalar, &Kernel, usize)) {
    for kernel in &case.kernels {
        for shape in 0..kernel.shapes.len() {
            for (argument, buffer, ..) in kernel.outputs() {
                visit(
                    &output_name(kernel, shape, argument),
                    buffer.ty,
                    kernel,
                    argument,
                );
            }
        }
    }
}

/// Compares outputs with what the case's own text says.
///
/// # Errors
/// The differing elements.
pub fn compare_with_text(case: &Case, got: &Outputs) -> Result<(), String> {
    let mut expected = Outputs::new();
    for kernel in &case.kernels {
        for shape in 0..kernel.shapes.len() {
            for (argument, _, _, values) in kernel.outputs() {
                let name = output_name(kernel, shape, argument);
                let own = values.or(got.get(&name)).cloned();
                expected.insert(name, own.unwrap_or_default());
            }
        }
    }
    compare(case, got, &[&expected])
}

/// Compares outputs with references: an element must be as good as that of one
/// of them.
///
/// # Errors
/// The differing elements, with the inputs of the same number.
pub fn compare(case: &Case, got: &Outputs, references: &[&Outputs]) -> Result<(), String> {
    let mut report = String::new();
    for_each_output(case, |name, ty, kernel, argument| {
        let none = Vec::new();
        let got = got.get(name).unwrap_or(&none);
        let references: Vec<_> = references
            .iter()
            .map(|r| r.get(name).unwrap_or(&none))
            .collect();
        if let Some(reference) = references.iter().find(|r| r.len() != got.len()) {
            let (got, expected) = (got.len(), reference.len());
            let _ = writeln!(report, "{name}: {got} elements, {expected} expected");
            return;
        }
        let check = kernel.outputs().find(|o| o.0 == argument).map(|o| o.2);
        let accepted = |at: usize| {
            let accepts = |r: &&Vec<u64>| check.is_some_and(|c| c.accepts(ty, got[at], r[at]));
            references.iter().any(accepts)
        };
        let wrong: Vec<usize> = (0..got.len()).filter(|&at| !accepted(at)).collect();
        if wrong.is_empty() {
            return;
        }
        let _ = writeln!(
            report,
            "{name}: {} of {} elements differ",
            wrong.len(),
            got.len()
        );
        for &at in wrong.iter().take(SHOWN) {
            let expected = references[0][at];
            let _ = writeln!(
                report,
                "  [{at}] {}, expected {}{}",
                show(ty, got[at]),
                show(ty, expected),
                inputs(kernel, at, got.len())
            );
        }
    });
    if report.is_empty() {
        Ok(())
    } else {
        Err(report)
    }
}

fn show(ty: Scalar, bits: u64) -> String {
    let width = 2 * ty.bytes();
    match ty.class {
        'f' => format!("{bits:#0w$x} ({:e})", ty.to_f64(bits), w = width + 2),
        _ => format!("{bits:#0w$x}", w = width + 2),
    }
}

/// The inputs of a form's thread.
fn inputs(kernel: &Kernel, at: usize, len: usize) -> String {
    let mut text = String::new();
    for argument in &kernel.arguments {
        if let Argument::In(buffer) = argument
            && buffer.values.len() == len
        {
            let separator = if text.is_empty() { " of " } else { ", " };
            let _ = write!(text, "{separator}{}", show(buffer.ty, buffer.values[at]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptx::directive;

    fn case() -> Case {
        directive::parse(
            "sample",
            "// launch: block=1\n// in: u32[2] = 1 2\n// out: f32[2] ulp=1 = 1.0 2.0\n.entry k() {}",
        )
    }

    fn outputs(values: [f32; 2]) -> Outputs {
        let bits = values.map(|v| u64::from(v.to_bits()));
        Outputs::from([("k 1".to_owned(), bits.to_vec())])
    }

    #[test]
    fn recordings_read_back() {
        let recording = Recording {
            source: "a device, driver 1.2, 2026-01-01".to_owned(),
            outputs: outputs([1.0, -0.0]),
        };
        let text = recording.print(&case());
        assert_eq!(Recording::parse(&text), Some(recording), "{text}");
    }

    #[test]
    fn a_difference_is_shown_with_its_inputs() {
        let got = outputs([1.0, 3.0]);
        let report = compare_with_text(&case(), &got).unwrap_err();
        assert!(
            report.contains("1 of 2") && report.contains("[1]"),
            "{report}"
        );
        assert!(report.contains("of 0x00000002"), "{report}");
        assert!(compare_with_text(&case(), &outputs([1.0, 2.000_000_2])).is_ok());
        assert!(compare(&case(), &got, &[&outputs([1.0, 2.0]), &outputs([9.0, 3.0])]).is_ok());
        assert!(compare(&case(), &Outputs::new(), &[&got]).is_err());
    }
}
