//! Loads and stores in every space, width and vector length.
//!
//! A load's kernel takes the thread's bytes from global memory, brings them to
//! the space, and loads them as the mnemonic says: shared memory from the
//! neighbour's place after a barrier, local memory from a place that depends on
//! the thread. A store's kernel does the reverse. What arrives is looked at as
//! plain bits, extended to 32 where the type is shorter.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::case::{Argument, Buffer, Case, Kernel};
use super::check::Check;
use super::form::{alternatives, case, entry, one_block};
use super::input::{self, Domain};
use super::scalar::Scalar;

/// Threads of a kernel: enough for every element size to have each alignment.
const THREADS: usize = 32;

/// A load or store.
struct MemoryForm {
    mnemonic: String,
    space: Space,
    elements: usize,
    ty: Scalar,
}

#[derive(Clone, Copy, PartialEq)]
enum Space {
    Global,
    Shared,
    Local,
    Parameter,
}

/// The cases of a table: one for loads, one for stores, for each architecture.
///
/// # Panics
/// If a row is not one.
#[must_use]
pub fn cases(table: &str) -> Vec<Case> {
    let mut groups: BTreeMap<(String, u32), Vec<MemoryForm>> = BTreeMap::new();
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (pattern, option) = row.split_once(" ; ").unwrap_or((row, "sm=61"));
        let sm = option
            .trim_start_matches("sm=")
            .parse()
            .expect("an architecture");
        for mnemonic in alternatives(pattern) {
            let opcode = mnemonic.split('.').next().unwrap_or_default().to_owned();
            groups
                .entry((opcode, sm))
                .or_default()
                .push(MemoryForm::new(mnemonic));
        }
    }
    let case = |((opcode, sm), forms): ((String, u32), Vec<MemoryForm>)| {
        let kernels = forms.iter().enumerate().map(|(at, form)| form.kernel(at));
        case(&opcode, sm, kernels)
    };
    groups.into_iter().map(case).collect()
}

impl MemoryForm {
    fn new(mnemonic: String) -> Self {
        let has = |word| mnemonic.split('.').any(|part| part == word);
        let space = match () {
            () if has("shared") => Space::Shared,
            () if has("local") => Space::Local,
            () if has("param") => Space::Parameter,
            () => Space::Global,
        };
        let elements = match () {
            () if has("v4") => 4,
            () if has("v2") => 2,
            () => 1,
        };
        let ty = mnemonic.rsplit('.').next().and_then(Scalar::from_word);
        let ty = ty.unwrap_or_else(|| panic!("`{mnemonic}` ends with no type"));
        Self {
            mnemonic,
            space,
            elements,
            ty,
        }
    }

    const fn bytes(&self) -> usize {
        self.ty.bytes() * self.elements
    }

    /// Bits without a sign as wide as an element that was loaded.
    fn loaded(&self) -> Scalar {
        let word = if self.ty.bits < 64 { "b32" } else { "b64" };
        Scalar::from_word(word).expect("a type")
    }

    /// The register type of an element: a float's own, else at least 32 bits.
    fn register(&self) -> String {
        match self.ty.class {
            'f' => self.ty.to_string(),
            _ => self.loaded().to_string(),
        }
    }

    fn kernel(&self, number: usize) -> (Kernel, String) {
        let name = format!("f{number}_{}", self.mnemonic.replace(['.', ':'], "_"));
        let loads = !self.mnemonic.starts_with("st");
        let mut values = input::values(self.ty, Domain::All, 0, THREADS * self.elements);
        let (ty, out) = match loads {
            true => (self.ty, self.loaded()),
            false => (
                self.loaded(),
                Scalar {
                    class: 'b',
                    bits: self.ty.bits,
                },
            ),
        };
        values.iter_mut().for_each(|value| *value &= ty.mask());
        let output = Argument::Out {
            buffer: Buffer {
                ty: out,
                values: vec![0; THREADS * self.elements],
            },
            check: Check::EXACT,
            expected: None,
        };
        let input = match self.space {
            Space::Parameter => {
                let bytes = Buffer { ty, values }.bytes();
                Argument::Value(bytes[..self.bytes()].to_vec())
            }
            _ => Argument::In(Buffer { ty, values }),
        };
        let body = if loads { self.load() } else { self.store() };
        let mut text = entry(&name, 2, &body);
        if self.space == Space::Parameter {
            let own = format!(".param .align 16 .b8 p1[{}]", self.bytes());
            text = text.replace(".param .u64 p1", &own);
        }
        let kernel = Kernel {
            name,
            shapes: vec![one_block(THREADS)],
            arguments: vec![output, input],
        };
        (kernel, text)
    }

    fn list(&self) -> String {
        let names: Vec<_> = (0..self.elements).map(|at| format!("%e{at}")).collect();
        match self.elements {
            1 => names[0].clone(),
            _ => format!("{{{}}}", names.join(", ")),
        }
    }

    fn prologue(&self) -> Body {
        let mut body = Body(String::new());
        body.line(".reg .b64 %in, %out, %own; .reg .b32 %place, %byte;");
        body.line(&format!(".reg .{} %e<4>;", self.register()));
        body.line("ld.param.u64 %out, [p0]; cvta.to.global.u64 %out, %out;");
        if self.space != Space::Parameter {
            body.line("ld.param.u64 %in, [p1]; cvta.to.global.u64 %in, %in;");
        }
        match self.space {
            Space::Shared => {
                body.line(&format!(
                    ".shared .align 16 .b8 tile{}[4096];",
                    self.suffix()
                ));
            }
            Space::Local => {
                body.line(".local .align 16 .b8 place[128];");
                body.line("and.b32 %place, %thread, 3; mul.lo.u32 %place, %place, 32;");
                body.line(
                    "cvt.u64.u32 %own, %place; mov.u64 %base, place; add.u64 %own, %own, %base;",
                );
            }
            Space::Global | Space::Parameter => {}
        }
        body
    }

    /// A name that is unique in the module, since `.shared` variables of several
    /// entries must not collide with some compilers.
    fn suffix(&self) -> String {
        self.mnemonic.replace(['.', ':'], "_")
    }

    /// Puts the address of a thread's place in shared memory into `%own`.
    fn shared_place(&self, body: &mut Body, thread: &str) {
        body.line(&format!("mul.lo.u32 %place, {thread}, {};", self.bytes()));
        body.line(&format!(
            "cvt.u64.u32 %own, %place; mov.u64 %base, tile{};",
            self.suffix()
        ));
        body.line("add.u64 %own, %own, %base;");
    }

    fn load(&self) -> String {
        let mut body = self.prologue();
        let bytes = self.bytes();
        let address = match self.space {
            Space::Parameter => "p1",
            Space::Global => {
                body.line(&format!("mad.wide.u32 %own, %thread, {bytes}, %in;"));
                "%own"
            }
            Space::Shared | Space::Local => {
                let word = if self.space == Space::Shared {
                    "shared"
                } else {
                    "local"
                };
                if self.space == Space::Shared {
                    self.shared_place(&mut body, "%thread");
                }
                body.line(&format!("mad.wide.u32 %in, %thread, {bytes}, %in;"));
                for at in 0..bytes {
                    body.line(&format!(
                        "ld.global.u8 %byte, [%in+{at}]; st.{word}.u8 [%own+{at}], %byte;"
                    ));
                }
                if self.space == Space::Shared {
                    body.line("bar.sync 0; xor.b32 %byte, %thread, 1;");
                    self.shared_place(&mut body, "%byte");
                }
                "%own"
            }
        };
        body.line(&format!("{} {}, [{address}];", self.mnemonic, self.list()));
        let size = self.loaded().bytes();
        body.line(&format!(
            "mad.wide.u32 %out, %thread, {}, %out;",
            size * self.elements
        ));
        let moved = if self.ty.class == 'f' {
            self.ty
        } else {
            self.loaded()
        };
        for at in 0..self.elements {
            body.line(&format!("st.global.{moved} [%out+{}], %e{at};", at * size));
        }
        body.0
    }

    fn store(&self) -> String {
        let mut body = self.prologue();
        let (bytes, size) = (self.bytes(), self.loaded().bytes());
        let moved = if self.ty.class == 'f' {
            self.ty
        } else {
            self.loaded()
        };
        body.line(&format!(
            "mad.wide.u32 %in, %thread, {}, %in;",
            size * self.elements
        ));
        for at in 0..self.elements {
            body.line(&format!("ld.global.{moved} %e{at}, [%in+{}];", at * size));
        }
        body.line(&format!("mad.wide.u32 %out, %thread, {bytes}, %out;"));
        let address = match self.space {
            Space::Shared => {
                self.shared_place(&mut body, "%thread");
                "%own"
            }
            Space::Local => "%own",
            _ => "%out",
        };
        body.line(&format!("{} [{address}], {};", self.mnemonic, self.list()));
        if matches!(self.space, Space::Shared | Space::Local) {
            let word = if self.space == Space::Shared {
                "shared"
            } else {
                "local"
            };
            if self.space == Space::Shared {
                // The neighbour's bytes, so that they really went to memory.
                body.line("bar.sync 0; xor.b32 %byte, %thread, 1;");
                self.shared_place(&mut body, "%byte");
            }
            for at in 0..bytes {
                body.line(&format!(
                    "ld.{word}.u8 %byte, [%own+{at}]; st.global.u8 [%out+{at}], %byte;"
                ));
            }
        }
        body.0
    }
}

struct Body(String);

impl Body {
    fn line(&mut self, line: &str) {
        let _ = writeln!(self.0, "    {line}");
    }
}
