//! Cases written by hand: PTX with directives in its comments, which
//! `tests/ptx/README.md` explains.

use std::path::Path;

use super::case::{Argument, Buffer, Case, Kernel, Shape};
use super::check::Check;
use super::input::{self, Domain};
use super::scalar::Scalar;

/// Reads a case file.
///
/// # Panics
/// If it cannot be read or a directive is not understood: the message names the
/// file and the line.
#[must_use]
pub fn read(path: &Path) -> Case {
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    parse(&name, &text)
}

/// Reads a case's text.
///
/// # Panics
/// If a directive is not understood.
#[must_use]
pub fn parse(name: &str, text: &str) -> Case {
    let mut kernels: Vec<Kernel> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let Some((word, rest)) = directive(line) else {
            continue;
        };
        let fail = |what: &str| -> ! { panic!("{name}.ptx:{}: {what}: `{line}`", number + 1) };
        if word == "kernel" || kernels.is_empty() {
            let named = if word == "kernel" {
                rest.to_owned()
            } else {
                only_entry(text)
            };
            kernels.push(Kernel {
                name: named,
                shapes: Vec::new(),
                arguments: Vec::new(),
            });
        }
        let last = kernels.len() - 1;
        let kernel = &mut kernels[last];
        match word {
            "launch" => kernel
                .shapes
                .push(shape(rest).unwrap_or_else(|| fail("not a launch"))),
            "in" | "out" | "inout" | "value" => {
                let seed = kernel.arguments.len() as u64;
                let argument = argument(word, rest, seed);
                kernel
                    .arguments
                    .push(argument.unwrap_or_else(|| fail("not an argument")));
            }
            _ => {}
        }
    }
    Case {
        name: name.to_owned(),
        text: text.to_owned(),
        kernels,
    }
}

/// The directive of a comment line and what follows the colon.
fn directive(line: &str) -> Option<(&str, &str)> {
    let (word, rest) = line.strip_prefix("// ")?.split_once(": ")?;
    let known = ["kernel", "launch", "in", "out", "inout", "value"];
    known.contains(&word).then_some((word, rest.trim()))
}

fn only_entry(text: &str) -> String {
    let after = text.split(".entry").nth(1).unwrap_or_default().trim_start();
    let end = after.find(|c: char| c == '(' || c.is_whitespace());
    after[..end.unwrap_or(after.len())].to_owned()
}

fn shape(text: &str) -> Option<Shape> {
    let mut shape = Shape {
        grid: [1; 3],
        block: [1; 3],
        shared: 0,
    };
    for word in text.split_whitespace() {
        match word.split_once('=')? {
            ("grid", size) => shape.grid = dimensions(size)?,
            ("block", size) => shape.block = dimensions(size)?,
            ("shared", bytes) => shape.shared = bytes.parse().ok()?,
            _ => return None,
        }
    }
    Some(shape)
}

fn dimensions(text: &str) -> Option<[u32; 3]> {
    let mut dimensions = [1; 3];
    for (index, number) in text.split('x').enumerate() {
        *dimensions.get_mut(index)? = number.parse().ok()?;
    }
    Some(dimensions)
}

/// `u32[64] edge`, `f32[3] ulp=2 = 1.0 2.0 3.0`, `u64 = 7`.
fn argument(word: &str, text: &str, seed: u64) -> Option<Argument> {
    let (declared, values) = match text.split_once(" = ") {
        Some((declared, values)) => (declared, Some(values)),
        None => (text, None),
    };
    let mut words = declared.split_whitespace();
    let (ty, count) = element(words.next()?)?;
    let mut check = Check::EXACT;
    let mut domain = None;
    for word in words {
        match (check.with(word), Domain::from_word(word)) {
            (Some(with), _) => check = with,
            (None, Some(found)) => domain = Some(found),
            (None, None) => return None,
        }
    }
    let written = match values {
        Some(values) => Some(numbers(ty, values).filter(|v| v.len() == count)?),
        None => None,
    };
    let generated = domain.map(|domain| input::values(ty, domain, seed, count));
    let zeros = || vec![0; count];
    Some(match word {
        "in" => Argument::In(Buffer {
            ty,
            values: written.or(generated)?,
        }),
        "out" => Argument::Out {
            buffer: Buffer {
                ty,
                values: generated.unwrap_or_else(zeros),
            },
            check,
            expected: written,
        },
        "inout" => Argument::Out {
            buffer: Buffer {
                ty,
                values: written.or(generated)?,
            },
            check,
            expected: None,
        },
        _ => {
            let values = written?;
            Argument::Value(Buffer { ty, values }.bytes())
        }
    })
}

fn element(text: &str) -> Option<(Scalar, usize)> {
    match text.split_once('[') {
        Some((ty, count)) => {
            let count = count.strip_suffix(']')?.parse().ok()?;
            Some((Scalar::from_word(ty)?, count))
        }
        None => Some((Scalar::from_word(text)?, 1)),
    }
}

/// Numbers, ranges `0..8` without their end, and repetitions `7*32`.
fn numbers(ty: Scalar, text: &str) -> Option<Vec<u64>> {
    let mut values = Vec::new();
    for word in text.split_whitespace() {
        if let Some((from, to)) = word.split_once("..") {
            let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            values.extend((from..to).map(|value| value & ty.mask()));
        } else if let Some((value, times)) = word.split_once('*') {
            let value = number(ty, value)?;
            values.extend(std::iter::repeat_n(value, times.parse().ok()?));
        } else {
            values.push(number(ty, word)?);
        }
    }
    Some(values)
}

fn number(ty: Scalar, word: &str) -> Option<u64> {
    if let Some(digits) = word.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok();
    }
    if ty.class == 'f' {
        let value: f64 = word.parse().ok()?;
        let narrow = match ty.bits {
            16 => compiler::ir::Type::F16,
            32 => compiler::ir::Type::F32,
            _ => compiler::ir::Type::F64,
        };
        return Some(compiler::evaluate::from_f64(narrow, value));
    }
    let value: i128 = word.parse().ok()?;
    Some(value as u64 & ty.mask())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_describe_kernels() {
        let case = parse(
            "sample",
            "// What it is about: words.\n// launch: grid=2 block=5x7x3 shared=64\n// launch: block=31\n\
             // in: u32[3] = 7 0..2\n// out: f32[4] ulp=2 = 1.5*2 -0.5 0x7f800000\n// value: s16 = -1\n\
             .version 6.0\n.target sm_53\n.visible .entry k(.param .u64 a) { ret; }\n",
        );
        let kernel = &case.kernels[0];
        assert_eq!((kernel.name.as_str(), case.sm()), ("k", 53));
        assert_eq!(kernel.shapes[0].block, [5, 7, 3]);
        assert_eq!(
            (kernel.shapes[0].shared, kernel.shapes[1].block[0]),
            (64, 31)
        );
        let Argument::In(buffer) = &kernel.arguments[0] else {
            panic!("an input");
        };
        assert_eq!(buffer.values, [7, 0, 1]);
        let Argument::Out {
            check, expected, ..
        } = &kernel.arguments[1]
        else {
            panic!("an output");
        };
        assert_eq!(check.ulp, 2);
        let bits = [1.5f32, 1.5, -0.5, f32::INFINITY].map(|v| u64::from(v.to_bits()));
        assert_eq!(expected.as_deref(), Some(&bits[..]));
        assert_eq!(kernel.arguments[2], Argument::Value(vec![0xFF, 0xFF]));
    }
}
