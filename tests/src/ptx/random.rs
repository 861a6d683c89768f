//! Random kernels: structured control flow around integer arithmetic, with
//! lane-dependent loops that are left to several places, and shared memory.

use std::fmt::Write;

use proptest::prelude::*;

use super::case::{Argument, Buffer, Case, Kernel, Shape};
use super::check::Check;
use super::input::{self, Domain};
use super::scalar::Scalar;

/// Registers that a program works on.
const REGISTERS: usize = 6;
/// Threads of a block: the last warp is not full.
const THREADS: usize = 40;

/// An instruction of three sources; `{d}`, `{a}`, `{b}`, `{c}` are registers.
const INSTRUCTIONS: &[&str] = &[
    "add.u32 {d}, {a}, {b};",
    "sub.u32 {d}, {a}, {b};",
    "mul.lo.u32 {d}, {a}, {b};",
    "mul.hi.s32 {d}, {a}, {b};",
    "mul.hi.u32 {d}, {a}, {b};",
    "mad.lo.u32 {d}, {a}, {b}, {c};",
    "and.b32 {d}, {a}, {b};",
    "or.b32 {d}, {a}, {b};",
    "xor.b32 {d}, {a}, {b};",
    "not.b32 {d}, {a};",
    "shl.b32 {d}, {a}, {b};",
    "shr.u32 {d}, {a}, {b};",
    "shr.s32 {d}, {a}, 7;",
    "shf.l.wrap.b32 {d}, {a}, {b}, {c};",
    "min.s32 {d}, {a}, {b};",
    "max.u32 {d}, {a}, {b};",
    "abs.s32 {d}, {a};",
    "neg.s32 {d}, {a};",
    "popc.b32 {d}, {a};",
    "clz.b32 {d}, {a};",
    "brev.b32 {d}, {a};",
    "bfind.s32 {d}, {a};",
    "bfe.s32 {d}, {a}, {b}, {c};",
    "bfe.u32 {d}, {a}, 5, 9;",
    "bfi.b32 {d}, {a}, {b}, {c}, 11;",
    "prmt.b32 {d}, {a}, {b}, {c};",
    "prmt.b32 {d}, {a}, {b}, 0x6420;",
    "lop3.b32 {d}, {a}, {b}, {c}, 0xD8;",
    "dp4a.s32.u32 {d}, {a}, {b}, {c};",
    "or.b32 %t0, {b}, 1; div.u32 {d}, {a}, %t0;",
    "or.b32 %t0, {b}, 1; rem.s32 {d}, {a}, %t0;",
    "setp.lt.s32 %q, {a}, {b}; selp.u32 {d}, {b}, {c}, %q;",
    "setp.ne.u32 %q, {a}, {b}; @%q add.u32 {d}, {d}, {c};",
    "add.cc.u32 %t0, {a}, {b}; addc.u32 {d}, {c}, 0;",
    "mul.wide.s32 %w0, {a}, {b}; shr.u64 %w0, %w0, 13; cvt.u32.u64 {d}, %w0;",
    "cvt.u64.u32 %w0, {a}; mul.lo.u64 %w0, %w0, %w0; cvt.u32.u64 {d}, %w0;",
    "cvt.s32.s8 {d}, {a};",
    "cvt.u32.u16 {d}, {a};",
    "cvt.rn.f32.s32 %g0, {a}; cvt.rn.f32.u32 %g1, {b}; add.f32 %g0, %g0, %g1; cvt.rzi.s32.f32 {d}, %g0;",
    "cvt.rn.f32.s32 %g0, {a}; mul.f32 %g0, %g0, 0f3F000000; cvt.rni.s32.f32 {d}, %g0;",
    "and.b32 %t0, {a}, 31; mad.lo.u32 %t0, %t0, 4, %scratch; st.local.u32 [%t0], {b}; ld.local.u32 {d}, [%t0];",
];

/// A piece of a program.
#[derive(Debug, Clone)]
pub enum Statement {
    /// An instruction of [`INSTRUCTIONS`] and its registers.
    Instruction(usize, [usize; 4]),
    /// One of two ways, by a comparison of registers.
    If([usize; 2], Vec<Statement>, Vec<Statement>),
    /// A loop that turns as often as the low bits of a register say.
    Loop(usize, Vec<Statement>),
    /// Leaves so many loops where two registers compare; the thread ends where
    /// there are fewer.
    Leave(usize, [usize; 2]),
}

/// Programs of bounded depth and size.
pub fn program() -> impl Strategy<Value = Vec<Statement>> {
    let register = || 0..REGISTERS;
    let instruction = (
        0..INSTRUCTIONS.len(),
        [register(), register(), register(), register()],
    )
        .prop_map(|(which, registers)| Statement::Instruction(which, registers));
    let leave = (1usize..4, [register(), register()]).prop_map(|(n, by)| Statement::Leave(n, by));
    let leaf = prop_oneof![8 => instruction, 1 => leave];
    let statement = leaf.prop_recursive(4, 48, 6, move |inner| {
        let body = || prop::collection::vec(inner.clone(), 1..6);
        prop_oneof![
            4 => inner.clone(),
            2 => ([register(), register()], body(), body())
                .prop_map(|(by, then, otherwise)| Statement::If(by, then, otherwise)),
            2 => (register(), body()).prop_map(|(by, body)| Statement::Loop(by, body)),
        ]
    });
    prop::collection::vec(statement, 1..10)
}

/// The case that runs a program in two blocks.
#[must_use]
pub fn case(program: &[Statement]) -> Case {
    let mut writer = Writer::default();
    writer.statements(program);
    let count = 2 * THREADS;
    let ty = Scalar::U32;
    let mut body = String::new();
    for register in 0..REGISTERS {
        let _ = writeln!(
            body,
            "\tld.global.u32 %r{register}, [%in+{}];",
            4 * register
        );
    }
    body.push_str(&writer.text);
    body.push_str("END:\n");
    for register in 0..REGISTERS {
        let _ = writeln!(
            body,
            "\tst.global.u32 [%out+{}], %r{register};",
            4 * register
        );
    }
    let text = format!(
        ".version 6.5\n.target sm_61\n.address_size 64\n\n\
         .visible .entry random(.param .u64 p0, .param .u64 p1)\n{{\n\
         \t.local .align 4 .b8 scratch[128];\n\
         \t.reg .pred %q, %p<{}>;\n\t.reg .b32 %r<{REGISTERS}>, %t<4>, %n<{}>, %thread, %scratch;\n\
         \t.reg .b64 %w<2>, %in, %out;\n\t.reg .f32 %g<2>;\n\
         \tmov.u32 %t0, %ctaid.x;\n\tmov.u32 %t1, %ntid.x;\n\tmov.u32 %t2, %tid.x;\n\
         \tmad.lo.u32 %thread, %t0, %t1, %t2;\n\tmov.u32 %scratch, scratch;\n\
         \tld.param.u64 %out, [p0];\n\tld.param.u64 %in, [p1];\n\
         \tmad.wide.u32 %out, %thread, {stride}, %out;\n\
         \tmad.wide.u32 %in, %thread, {stride}, %in;\n{body}\tret;\n}}\n",
        writer.names + 1,
        writer.names + 1,
        stride = 4 * REGISTERS,
    );
    let output = Argument::Out {
        buffer: Buffer {
            ty,
            values: vec![0; count * REGISTERS],
        },
        check: Check::EXACT,
        expected: None,
    };
    let values = input::values(ty, Domain::All, 7, count * REGISTERS);
    Case {
        name: "random".to_owned(),
        text,
        kernels: vec![Kernel {
            name: "random".to_owned(),
            shapes: vec![Shape {
                grid: [2, 1, 1],
                block: [THREADS as u32, 1, 1],
                shared: 0,
            }],
            arguments: vec![output, Argument::In(Buffer { ty, values })],
        }],
    }
}

/// Writes statements as PTX.
#[derive(Default)]
struct Writer {
    text: String,
    /// Names given so far, to labels, predicates and counters alike.
    names: usize,
    /// The loops around this place.
    loops: Vec<usize>,
}

impl Writer {
    fn name(&mut self) -> usize {
        self.names += 1;
        self.names
    }

    fn line(&mut self, line: &str) {
        let _ = writeln!(self.text, "\t{line}");
    }

    fn label(&mut self, label: &str) {
        let _ = writeln!(self.text, "{label}:");
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement) {
        let n = self.name();
        match statement {
            Statement::Instruction(which, [d, a, b, c]) => {
                let mut line = INSTRUCTIONS[*which].to_owned();
                for (letter, register) in [("{d}", d), ("{a}", a), ("{b}", b), ("{c}", c)] {
                    line = line.replace(letter, &format!("%r{register}"));
                }
                self.line(&line);
            }
            Statement::If([a, b], then, otherwise) => {
                self.line(&format!("setp.gt.s32 %p{n}, %r{a}, %r{b};"));
                self.line(&format!("@%p{n} bra THEN{n};"));
                self.statements(otherwise);
                self.line(&format!("bra JOIN{n};"));
                self.label(&format!("THEN{n}"));
                self.statements(then);
                self.label(&format!("JOIN{n}"));
            }
            Statement::Loop(by, body) => {
                self.line(&format!("and.b32 %n{n}, %r{by}, 3;"));
                self.label(&format!("LOOP{n}"));
                self.loops.push(n);
                self.statements(body);
                self.loops.pop();
                self.line(&format!("setp.eq.u32 %p{n}, %n{n}, 0;"));
                self.line(&format!("sub.u32 %n{n}, %n{n}, 1;"));
                self.line(&format!("@!%p{n} bra LOOP{n};"));
                self.label(&format!("AFTER{n}"));
            }
            Statement::Leave(levels, [a, b]) => {
                let target = match self.loops.len().checked_sub(*levels) {
                    Some(at) => format!("AFTER{}", self.loops[at]),
                    None => "END".to_owned(),
                };
                self.line(&format!("setp.lt.u32 %p{n}, %r{a}, %r{b};"));
                self.line(&format!("@%p{n} bra {target};"));
            }
        }
    }
}
