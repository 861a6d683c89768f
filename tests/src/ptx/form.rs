//! The table's rows, and the kernels that they stand for.
//!
//! A row is `mnemonic : outputs = inputs ; options`. Braces in the mnemonic give
//! alternatives. An operand is a type's word, `pred`, `#` and an immediate, or a
//! letter that stands for a type in the mnemonic: `T` the last, `D` the one
//! before it, `W` the last at twice its width. Outputs with `|` between them are
//! a pair. Options are those of [`Check`], a word of [`Domain`] for float
//! operands, `sm=` for the architecture that the instruction needs, and `group=`
//! for a case apart from the opcode's other forms, so that these keep the
//! recording that they have.
//!
//! Each form becomes a kernel whose threads each apply the instruction to their
//! own element of the inputs.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::case::{Argument, Buffer, Case, Kernel, Shape};
use super::check::Check;
use super::input::{self, Domain};
use super::scalar::Scalar;

/// Threads, and elements of each buffer, of a form's kernel.
pub const THREADS: usize = 80;
/// The architecture of forms that ask for none.
const BASE_SM: u32 = 61;

/// An operand of an instruction.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A register of a type.
    Typed(Scalar),
    /// A predicate.
    Predicate,
    /// A literal.
    Immediate(String),
}

/// One instruction form.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    /// Opcode, modifiers and types, as written.
    pub mnemonic: String,
    outputs: Vec<Operand>,
    inputs: Vec<Operand>,
    check: Check,
    domain: Domain,
    sm: u32,
    group: String,
}

/// The forms of a table's text; comments start with `//`.
///
/// # Panics
/// If a row is not one.
#[must_use]
pub fn forms(table: &str) -> Vec<Form> {
    let rows = table
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default().trim());
    rows.filter(|row| !row.is_empty()).flat_map(row).collect()
}

fn row(row: &str) -> Vec<Form> {
    let (mnemonic, rest) = row
        .split_once(" : ")
        .unwrap_or_else(|| panic!("no `:` in `{row}`"));
    let (operands, options) = rest.split_once(';').unwrap_or((rest, ""));
    let (outputs, inputs) = operands
        .split_once('=')
        .unwrap_or_else(|| panic!("no `=` in `{row}`"));
    let form = |mnemonic: String| {
        let read = |words: &str, separator| -> Vec<Operand> {
            let words = words
                .split(separator)
                .map(str::trim)
                .filter(|word| !word.is_empty());
            words.map(|word| operand(&mnemonic, word)).collect()
        };
        let mut form = Form {
            outputs: read(outputs, '|'),
            inputs: read(inputs, ' '),
            mnemonic: mnemonic.clone(),
            check: Check::EXACT,
            domain: Domain::All,
            sm: BASE_SM,
            group: String::new(),
        };
        options
            .split_whitespace()
            .for_each(|word| form.option(word));
        form
    };
    alternatives(mnemonic).into_iter().map(form).collect()
}

impl Form {
    fn option(&mut self, word: &str) {
        if let Some(check) = self.check.with(word) {
            self.check = check;
        } else if let Some(domain) = Domain::from_word(word) {
            self.domain = domain;
        } else if let Some(sm) = word.strip_prefix("sm=") {
            self.sm = sm.parse().expect("an architecture's number");
        } else if let Some(group) = word.strip_prefix("group=") {
            self.group = format!("-{group}");
        } else {
            panic!("`{word}` is no option of `{}`", self.mnemonic);
        }
    }

    fn opcode(&self) -> &str {
        self.mnemonic.split('.').next().unwrap_or_default()
    }

    /// The kernel and its PTX.
    fn kernel(&self, number: usize) -> (Kernel, String) {
        let name = format!("f{number}_{}", self.mnemonic.replace(['.', ':'], "_"));
        let mut body = Body::default();
        let mut arguments = Vec::new();
        let mut operands = Vec::new();
        for output in &self.outputs {
            let ty = element(output);
            operands.push(body.register(output));
            let buffer = Buffer {
                ty,
                values: vec![0; THREADS],
            };
            arguments.push(Argument::Out {
                buffer,
                check: self.check,
                expected: None,
            });
        }
        let pair = operands.join("|");
        let mut operands = vec![pair];
        for (seed, input) in self.inputs.iter().enumerate() {
            if let Operand::Immediate(literal) = input {
                operands.push(literal.clone());
                continue;
            }
            let ty = element(input);
            let domain = match ty.is_float() {
                true => self.domain,
                false => Domain::All,
            };
            let mut values = input::values(ty, domain, seed as u64, THREADS);
            if *input == Operand::Predicate {
                values = input::values(ty, Domain::Random, seed as u64, THREADS);
                values.iter_mut().for_each(|value| *value &= 1);
            }
            let register = body.register(input);
            body.load(arguments.len(), input, &register);
            operands.push(register);
            arguments.push(Argument::In(Buffer { ty, values }));
        }
        body.line(&format!("{} {};", self.mnemonic, operands.join(", ")));
        for (at, output) in self.outputs.iter().enumerate() {
            body.store(at, output);
        }
        let text = entry(&name, arguments.len(), &body.text);
        let kernel = Kernel {
            name,
            shapes: vec![one_block(THREADS)],
            arguments,
        };
        (kernel, text)
    }
}

/// One block of so many threads.
#[must_use]
pub fn one_block(threads: usize) -> Shape {
    Shape {
        grid: [1; 3],
        block: [threads as u32, 1, 1],
        shared: 0,
    }
}

/// A kernel with so many pointer parameters, `p0` and on; `%thread` is the
/// thread's number.
#[must_use]
pub fn entry(name: &str, parameters: usize, body: &str) -> String {
    let parameters: Vec<_> = (0..parameters)
        .map(|at| format!(".param .u64 p{at}"))
        .collect();
    format!(
        ".visible .entry {name}({})\n{{\n    .reg .b32 %thread;\n    .reg .b64 %base;\n    \
         mov.u32 %thread, %tid.x;\n{body}    ret;\n}}\n",
        parameters.join(", ")
    )
}

/// The head of a module for an architecture.
#[must_use]
pub fn head(sm: u32) -> String {
    // The oldest PTX that knows all that the table uses there.
    let version = match sm {
        ..70 => "6.5",
        70..90 => "7.8",
        _ => "8.0",
    };
    format!(".version {version}\n.target sm_{sm}\n.address_size 64\n\n")
}

/// The lines of a kernel being written.
#[derive(Default)]
struct Body {
    text: String,
    registers: usize,
}

impl Body {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "    {line}");
    }

    fn register(&mut self, operand: &Operand) -> String {
        let name = format!("%v{}", self.registers);
        self.registers += 1;
        match operand {
            Operand::Predicate => self.line(&format!(".reg .pred {name};")),
            _ => self.line(&format!(".reg .{} {name};", element(operand).register())),
        }
        name
    }

    /// The address of the thread's element of a parameter, in a new register.
    fn address(&mut self, parameter: usize, bytes: usize) -> String {
        let name = format!("%a{parameter}");
        self.line(&format!(".reg .b64 {name};"));
        self.line(&format!("ld.param.u64 %base, [p{parameter}];"));
        self.line("cvta.to.global.u64 %base, %base;");
        self.line(&format!("mad.wide.u32 {name}, %thread, {bytes}, %base;"));
        name
    }

    fn load(&mut self, parameter: usize, operand: &Operand, register: &str) {
        let ty = element(operand);
        let address = self.address(parameter, ty.bytes());
        match operand {
            Operand::Predicate => {
                self.line(&format!(".reg .b32 %w{parameter};"));
                self.line(&format!("ld.global.u32 %w{parameter}, [{address}];"));
                self.line(&format!("setp.ne.u32 {register}, %w{parameter}, 0;"));
            }
            _ => self.line(&format!(
                "ld.global.{} {register}, [{address}];",
                ty.moved()
            )),
        }
    }

    /// Stores an output; its register has the parameter's number.
    fn store(&mut self, parameter: usize, operand: &Operand) {
        let ty = element(operand);
        let address = self.address(parameter, ty.bytes());
        match operand {
            Operand::Predicate => {
                self.line(&format!(".reg .b32 %w{parameter};"));
                self.line(&format!("selp.u32 %w{parameter}, 1, 0, %v{parameter};"));
                self.line(&format!("st.global.u32 [{address}], %w{parameter};"));
            }
            _ => {
                let moved = ty.moved();
                self.line(&format!("st.global.{moved} [{address}], %v{parameter};"));
            }
        }
    }
}

/// The type of a buffer's elements for an operand.
fn element(operand: &Operand) -> Scalar {
    match operand {
        Operand::Typed(ty) => *ty,
        _ => Scalar::U32,
    }
}

fn operand(mnemonic: &str, word: &str) -> Operand {
    let types: Vec<Scalar> = mnemonic.split('.').filter_map(Scalar::from_word).collect();
    let named = |from_end: usize| {
        let at = types.len().checked_sub(from_end);
        *at.and_then(|at| types.get(at))
            .unwrap_or_else(|| panic!("`{mnemonic}` has no type for `{word}`"))
    };
    match word {
        "pred" => Operand::Predicate,
        // Of `and.pred` and the like the letter means a predicate.
        "T" if mnemonic.ends_with(".pred") => Operand::Predicate,
        "T" => Operand::Typed(named(1)),
        "D" => Operand::Typed(named(2)),
        "W" => Operand::Typed(named(1).wide().expect("a type with a wider one")),
        _ => match word.strip_prefix('#') {
            Some(literal) => Operand::Immediate(literal.to_owned()),
            None => Operand::Typed(
                Scalar::from_word(word).unwrap_or_else(|| panic!("`{word}` is no operand")),
            ),
        },
    }
}

/// Every way to choose from the braces.
#[must_use]
pub fn alternatives(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else {
        return vec![pattern.to_owned()];
    };
    let (choices, after) = rest.split_once('}').expect("a brace that closes");
    let choices = choices.split(',').map(str::trim);
    let with = |choice| {
        let joined = format!("{before}{choice}{after}");
        // An empty choice leaves no empty word behind.
        alternatives(&joined.replace("..", "."))
    };
    choices.flat_map(with).collect()
}

/// One case for each opcode and architecture.
#[must_use]
pub fn cases(table: &str) -> Vec<Case> {
    let mut groups: BTreeMap<(String, u32), Vec<Form>> = BTreeMap::new();
    for form in forms(table) {
        let key = (form.opcode().to_owned() + &form.group, form.sm);
        groups.entry(key).or_default().push(form);
    }
    let case = |((opcode, sm), forms): ((String, u32), Vec<Form>)| {
        let kernels = forms.iter().enumerate().map(|(at, form)| form.kernel(at));
        case(&opcode, sm, kernels)
    };
    groups.into_iter().map(case).collect()
}

/// The case of an opcode's kernels, each with its text.
pub(super) fn case(opcode: &str, sm: u32, written: impl Iterator<Item = (Kernel, String)>) -> Case {
    let name = match sm {
        BASE_SM => format!("form-{opcode}"),
        _ => format!("form-{opcode}-sm{sm}"),
    };
    let (kernels, texts): (Vec<_>, Vec<_>) = written.unzip();
    Case {
        name,
        text: head(sm) + &texts.join("\n"),
        kernels,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_give_every_combination() {
        assert_eq!(
            alternatives("a{,.b}.{c,d}"),
            ["a.c", "a.d", "a.b.c", "a.b.d"]
        );
        assert_eq!(alternatives("add.{rn,}.f32"), ["add.rn.f32", "add.f32"]);
    }

    #[test]
    fn letters_stand_for_the_types_of_the_mnemonic() {
        let form = &forms("mad.wide.s16 : W = T T W ; sm=70")[0];
        let typed = |word| Operand::Typed(Scalar::from_word(word).unwrap());
        assert_eq!(form.outputs, [typed("s32")]);
        assert_eq!(form.inputs, [typed("s16"), typed("s16"), typed("s32")]);
        assert_eq!(form.sm, 70);
        let form = &forms("setp.lt.and.f32 : pred|pred = T T pred")[0];
        assert_eq!(form.outputs, [Operand::Predicate, Operand::Predicate]);
        assert_eq!(form.inputs.last(), Some(&Operand::Predicate));
    }
}
