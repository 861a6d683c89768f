//! One instruction at a time: every thread computes it on another combination
//! of edge values, and the device must agree with the interpreter.

use tests::kernel::{Argument, Computer, Launch};

/// Threads of each launch.
const THREADS: usize = 512;

/// An instruction with `{d}`, `{a}`, `{b}`, `{c}` for its operands, the type of
/// the result and those of the operands.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// Integer instructions, whose results are exact.
const INTEGER: &[Row] = &[
    ("add.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("add.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("add.s16 {d}, {a}, {b};", "u16", &["u16", "u16"]),
    ("add.sat.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("sub.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("sub.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("mul.lo.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("mul.lo.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("mul.hi.u32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("mul.hi.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("mul.hi.u64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("mul.hi.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("mul.wide.s32 {d}, {a}, {b};", "u64", &["u32", "u32"]),
    ("mul.wide.u32 {d}, {a}, {b};", "u64", &["u32", "u32"]),
    ("mul.wide.u16 {d}, {a}, {b};", "u32", &["u16", "u16"]),
    ("mul24.lo.u32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("mul24.hi.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    (
        "mad.lo.s32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "mad.wide.s32 {d}, {a}, {b}, {c};",
        "u64",
        &["u32", "u32", "u64"],
    ),
    (
        "add.cc.u32 %x, {a}, {b}; addc.u32 {d}, {a}, {b};",
        "u32",
        &["u32", "u32"],
    ),
    (
        "sub.cc.u32 %x, {a}, {b}; subc.u32 {d}, {a}, {b};",
        "u32",
        &["u32", "u32"],
    ),
    (
        "mad.lo.cc.u32 %x, {a}, {b}, {c}; madc.hi.u32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("div.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("div.u32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("div.u64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("div.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("rem.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("rem.u32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("rem.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("min.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("max.u32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("min.s64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("max.s16 {d}, {a}, {b};", "u16", &["u16", "u16"]),
    ("abs.s32 {d}, {a};", "u32", &["u32"]),
    ("abs.s64 {d}, {a};", "u64", &["u64"]),
    ("neg.s32 {d}, {a};", "u32", &["u32"]),
    ("neg.s64 {d}, {a};", "u64", &["u64"]),
    ("sad.s32 {d}, {a}, {b}, {c};", "u32", &["u32", "u32", "u32"]),
    (
        "dp4a.s32.s32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "dp4a.u32.s32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "dp4a.u32.u32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "dp4a.s32.u32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "dp2a.lo.s32.s32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "dp2a.hi.u32.s32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("and.b32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("or.b64 {d}, {a}, {b};", "u64", &["u64", "u64"]),
    ("xor.b16 {d}, {a}, {b};", "u16", &["u16", "u16"]),
    ("not.b32 {d}, {a};", "u32", &["u32"]),
    ("cnot.b32 {d}, {a};", "u32", &["u32"]),
    (
        "lop3.b32 {d}, {a}, {b}, {c}, 0xE8;",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "lop3.b32 {d}, {a}, {b}, {c}, 0x96;",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "lop3.b32 {d}, {a}, {b}, {c}, 0x1D;",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("shl.b32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("shl.b64 {d}, {a}, {b};", "u64", &["u64", "u32"]),
    ("shl.b16 {d}, {a}, {b};", "u16", &["u16", "u32"]),
    ("shr.u32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("shr.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    ("shr.s64 {d}, {a}, {b};", "u64", &["u64", "u32"]),
    ("shr.u64 {d}, {a}, {b};", "u64", &["u64", "u32"]),
    ("shr.s16 {d}, {a}, {b};", "u16", &["u16", "u32"]),
    (
        "shf.l.wrap.b32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "shf.r.wrap.b32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "shf.l.clamp.b32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "shf.r.clamp.b32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("popc.b32 {d}, {a};", "u32", &["u32"]),
    ("popc.b64 {d}, {a};", "u32", &["u64"]),
    ("clz.b32 {d}, {a};", "u32", &["u32"]),
    ("clz.b64 {d}, {a};", "u32", &["u64"]),
    ("brev.b32 {d}, {a};", "u32", &["u32"]),
    ("brev.b64 {d}, {a};", "u64", &["u64"]),
    ("bfind.u32 {d}, {a};", "u32", &["u32"]),
    ("bfind.s32 {d}, {a};", "u32", &["u32"]),
    ("bfind.s64 {d}, {a};", "u32", &["u64"]),
    ("bfind.shiftamt.u32 {d}, {a};", "u32", &["u32"]),
    ("bfe.u32 {d}, {a}, {b}, {c};", "u32", &["u32", "u32", "u32"]),
    ("bfe.s32 {d}, {a}, {b}, {c};", "u32", &["u32", "u32", "u32"]),
    ("bfe.u64 {d}, {a}, {b}, {c};", "u64", &["u64", "u32", "u32"]),
    ("bfe.s64 {d}, {a}, {b}, {c};", "u64", &["u64", "u32", "u32"]),
    (
        "bfi.b32 {d}, {a}, {b}, {c}, 8;",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "bfi.b64 {d}, {a}, {b}, {c}, 40;",
        "u64",
        &["u64", "u64", "u32"],
    ),
    ("bmsk.clamp.b32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    (
        "prmt.b32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("prmt.b32 {d}, {a}, {b}, 0x6240;", "u32", &["u32", "u32"]),
    ("prmt.b32 {d}, {a}, {b}, 0xBA98;", "u32", &["u32", "u32"]),
    (
        "prmt.b32.f4e {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "prmt.b32.rc16 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "vshr.u32.u32.u32.clamp.add {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    (
        "setp.lt.s32 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["u32", "u32"],
    ),
    (
        "setp.hi.u32 %p1|%p2, {a}, {b}; selp.b32 {d}, 1, 2, %p2;",
        "u32",
        &["u32", "u32"],
    ),
    (
        "setp.ge.u64 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["u64", "u64"],
    ),
    (
        "setp.ne.s16 %p1, {a}, {b}; @%p1 mov.u32 {d}, 7; @!%p1 mov.u32 {d}, 9;",
        "u32",
        &["u16", "u16"],
    ),
    (
        "setp.eq.and.s32 %p1, {a}, {b}, %p0; selp.b32 {d}, {a}, {c}, %p1;",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("set.gt.u32.s32 {d}, {a}, {b};", "u32", &["u32", "u32"]),
    (
        "slct.u32.s32 {d}, {a}, {b}, {c};",
        "u32",
        &["u32", "u32", "u32"],
    ),
    ("cvt.s64.s32 {d}, {a};", "u64", &["u32"]),
    ("cvt.u64.u32 {d}, {a};", "u64", &["u32"]),
    ("cvt.s32.s8 {d}, {a};", "u32", &["u32"]),
    ("cvt.u32.u8 {d}, {a};", "u32", &["u32"]),
    ("cvt.s16.s8 {d}, {a};", "u16", &["u16"]),
    ("cvt.u32.u16 {d}, {a};", "u32", &["u16"]),
    ("cvt.u16.u32 {d}, {a};", "u16", &["u32"]),
    ("cvt.sat.s8.s32 {d}, {a};", "u32", &["u32"]),
    ("cvt.sat.u8.s32 {d}, {a};", "u32", &["u32"]),
    ("cvt.sat.u16.s64 {d}, {a};", "u16", &["u64"]),
    (
        "mov.b32 {%h1, %h2}, {a}; mov.b32 {d}, {%h2, %h1};",
        "u32",
        &["u32"],
    ),
    (
        "mov.b64 {%x, %y}, {a}; mov.b64 {d}, {%y, %x};",
        "u64",
        &["u64"],
    ),
    (
        "testp.finite.f32 %p1, {a}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32"],
    ),
    (
        "testp.subnormal.f32 %p1, {a}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32"],
    ),
];

/// Floating-point instructions: operand values without subnormals, results
/// equal but for the sign of NaN and for results too small to be normal.
const FLOAT: &[Row] = &[
    ("add.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("add.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("add.sat.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("sub.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("mul.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    (
        "mul.f32 %f, {a}, {b}; add.f32 {d}, %f, {c};",
        "f32",
        &["f32", "f32", "f32"],
    ),
    (
        "fma.rn.f32 {d}, {a}, {b}, {c};",
        "f32",
        &["f32", "f32", "f32"],
    ),
    ("div.rn.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("rcp.rn.f32 {d}, {a};", "f32", &["f32"]),
    ("sqrt.rn.f32 {d}, {a};", "f32", &["f32"]),
    ("min.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("max.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("abs.f32 {d}, {a};", "f32", &["f32"]),
    ("neg.ftz.f32 {d}, {a};", "f32", &["f32"]),
    ("copysign.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("add.f64 {d}, {a}, {b};", "f64", &["f64", "f64"]),
    ("mul.f64 {d}, {a}, {b};", "f64", &["f64", "f64"]),
    ("div.rn.f64 {d}, {a}, {b};", "f64", &["f64", "f64"]),
    ("cvt.f32.f16 {d}, {a};", "f32", &["u16"]),
    ("cvt.f64.f32 {d}, {a};", "f64", &["f32"]),
    ("cvt.rn.f32.f64 {d}, {a};", "f32", &["f64"]),
    ("cvt.rn.f32.s32 {d}, {a};", "f32", &["u32"]),
    ("cvt.rn.f32.u64 {d}, {a};", "f32", &["u64"]),
    ("cvt.rn.f32.s16 {d}, {a};", "f32", &["u16"]),
    ("cvt.rn.f64.s32 {d}, {a};", "f64", &["u32"]),
    ("cvt.rzi.s32.f32 {d}, {a};", "u32", &["f32"]),
    ("cvt.rni.ftz.s32.f32 {d}, {a};", "u32", &["f32"]),
    ("cvt.rzi.u32.f32 {d}, {a};", "u32", &["f32"]),
    ("cvt.rzi.s64.f32 {d}, {a};", "u64", &["f32"]),
    ("cvt.rmi.f32.f32 {d}, {a};", "f32", &["f32"]),
    ("cvt.rpi.f32.f32 {d}, {a};", "f32", &["f32"]),
    ("cvt.rni.f32.f32 {d}, {a};", "f32", &["f32"]),
    ("cvt.rzi.f32.f32 {d}, {a};", "f32", &["f32"]),
    (
        "cvt.rn.bf16.f32 %h1, {a}; mov.b32 {d}, {%h1, %h1};",
        "u32",
        &["f32"],
    ),
    (
        "setp.lt.f32 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32", "f32"],
    ),
    (
        "setp.geu.f32 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32", "f32"],
    ),
    (
        "setp.ne.f32 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32", "f32"],
    ),
    (
        "setp.num.f32 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32", "f32"],
    ),
];

const WORDS: [u64; 18] = [
    0,
    1,
    2,
    3,
    7,
    8,
    31,
    32,
    33,
    63,
    64,
    0x7F,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    0x8000_0000_0000_0000,
    0xFEDC_BA98_7654_3210,
];

const FLOATS: [f64; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    -2.5,
    3.0,
    0.1,
    16_777_217.0,
    -1e10,
    3e9,
    1e30,
    -3e38,
    1e-20,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// The operand of a type for thread `n`: every combination of two operands
/// comes up, and of three most.
fn operand(ty: &str, place: usize, n: usize) -> u64 {
    let pick = |len: usize| (n / [1, len, 7][place] + place * (n / 97)) % len;
    match ty {
        "f32" => u64::from((FLOATS[pick(FLOATS.len())] as f32).to_bits()),
        "f64" => FLOATS[pick(FLOATS.len())].to_bits(),
        _ => WORDS[pick(WORDS.len())],
    }
}

fn register(ty: &str) -> &'static str {
    match ty {
        "u16" => "b16",
        "u32" => "b32",
        "u64" => "b64",
        "f32" => "f32",
        _ => "f64",
    }
}

/// A kernel that computes the row for one combination a thread.
fn kernel(row: &Row) -> String {
    let (template, result, operands) = row;
    let names = ["a", "b", "c"];
    let mut declarations = format!(".reg .{} %d;", register(result));
    let mut loads = String::new();
    for (index, ty) in operands.iter().enumerate() {
        let name = names[index];
        declarations += &format!(".reg .{} %{name};", register(ty));
        loads += &format!("ld.global.{ty} %{name}, [%at+{}];\n", 8 * (index + 1));
    }
    let body = ["d", "a", "b", "c"]
        .iter()
        .fold((*template).to_owned(), |text, name| {
            text.replace(&format!("{{{name}}}"), &format!("%{name}"))
        });
    format!(
        ".version 8.4\n.target sm_61\n.address_size 64\n.entry k(.param .u64 p) {{\n\
         .reg .pred %p<4>; .reg .b32 %x, %y, %t, %n, %size; .reg .b16 %h1, %h2; .reg .f32 %f;\n\
         .reg .b64 %base, %at; {declarations}\n\
         ld.param.u64 %base, [p]; mov.u32 %t, %tid.x; mov.u32 %n, %ctaid.x; mov.u32 %size, %ntid.x;\n\
         mad.lo.u32 %t, %n, %size, %t; mad.wide.u32 %at, %t, 32, %base;\n\
         setp.ne.s32 %p0, %t, 5;\n{loads}{body}\nst.global.{result} [%at], %d;\nret; }}\n"
    )
}

fn launch(row: &Row, operand: impl Fn(&str, usize, usize) -> u64) -> Launch {
    let mut bytes = Vec::new();
    for n in 0..THREADS {
        bytes.extend([0; 8]);
        for place in 0..3 {
            let ty = row.2.get(place).copied().unwrap_or("u32");
            bytes.extend(operand(ty, place, n).to_le_bytes());
        }
    }
    Launch {
        grid: [THREADS as u32 / 64, 1, 1],
        block: [64, 1, 1],
        dynamic_shared: 0,
        arguments: vec![Argument::Buffer(bytes)],
    }
}

/// Runs a row and returns each thread's operands and both results.
fn results(computer: &Computer, row: &Row) -> Vec<([u64; 3], u64, u64)> {
    results_of(computer, row, operand)
}

/// As [`results`], of other operands.
fn results_of(
    computer: &Computer,
    row: &Row,
    operand: impl Fn(&str, usize, usize) -> u64,
) -> Vec<([u64; 3], u64, u64)> {
    let outcome = computer.run(&kernel(row), "k", &launch(row, operand));
    let slots = |bytes: &[u8]| -> Vec<u64> {
        bytes
            .chunks(8)
            .map(|c| u64::from_le_bytes(c.try_into().expect("eight bytes")))
            .collect()
    };
    let (device, expected) = (slots(&outcome.device[0]), slots(&outcome.expected[0]));
    device
        .chunks(4)
        .zip(expected.chunks(4))
        .map(|(d, e)| ([d[1], d[2], d[3]], d[0], e[0]))
        .collect()
}

#[test]
fn integer_instructions_agree_with_the_interpreter() {
    let computer = Computer::open();
    let mut wrong = Vec::new();
    for row in INTEGER {
        let results = results(&computer, row);
        let differs = results
            .iter()
            .find(|(_, device, expected)| device != expected);
        if let Some((operands, device, expected)) = differs {
            wrong.push(format!(
                "{} of {operands:x?}: {device:#x}, not {expected:#x}",
                row.0
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        INTEGER.len(),
        wrong.join("\n")
    );
}

/// Whether two results of a type are the same number, or NaN, or both too small
/// to be normal.
fn same_float(ty: &str, device: u64, expected: u64) -> bool {
    let value = |bits: u64| match ty {
        "f32" => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    };
    let (device, expected) = (value(device), value(expected));
    let tiny = if ty == "f32" {
        f64::from(f32::MIN_POSITIVE)
    } else {
        f64::MIN_POSITIVE
    };
    device.to_bits() == expected.to_bits()
        || (device.is_nan() && expected.is_nan())
        || (device.abs() <= tiny && expected.abs() <= tiny)
}

#[test]
fn float_instructions_agree_with_the_interpreter() {
    let computer = Computer::open();
    let mut wrong = Vec::new();
    for row in FLOAT {
        // Where the device cannot fuse, the sum is rounded to f64 before it is
        // rounded to f32, which may miss by one unit.
        let rounds_twice = row.0.starts_with("fma.rn.f32") && !computer.target.fused_multiply_add;
        let same = |&(_, device, expected): &([u64; 3], u64, u64)| match row.1 {
            "f32" if rounds_twice && device.abs_diff(expected) == 1 => true,
            "f32" | "f64" => same_float(row.1, device, expected),
            _ => device == expected,
        };
        let results = results(&computer, row);
        if let Some((operands, device, expected)) = results.iter().find(|r| !same(r)) {
            wrong.push(format!(
                "{} of {operands:x?}: {device:#x}, not {expected:#x}",
                row.0
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        FLOAT.len(),
        wrong.join("\n")
    );
}

/// Subnormals, and what is rounded to one, among numbers that they count with.
const SUBNORMALS: [f32; 16] = [
    0.0,
    -0.0,
    1e-45,
    -1e-45,
    f32::MIN_POSITIVE,
    -f32::MIN_POSITIVE / 2.0,
    1.175_494_2e-38,
    3e-39,
    1e-20,
    -7e-23,
    1.0,
    -2.5,
    3e38,
    f32::INFINITY,
    f32::NAN,
    -126.5,
];

/// Operands whose product and sum, rounded to f64 first, lies in the middle of two
/// f32: 97 × 257 × 673 is 2^24 + 1.
const ROUNDED_TWICE: [f32; 3] = [24_929.0, 673.0 / 16_777_216.0, 1e-30];

/// The operands of thread `n` for exact results.
fn exact_operand(ty: &str, place: usize, n: usize) -> u64 {
    match (ty, n) {
        ("f32", 0) => u64::from(ROUNDED_TWICE[place].to_bits()),
        ("f32", _) => {
            let at = (n / [1, SUBNORMALS.len(), 7][place] + place * (n / 97)) % SUBNORMALS.len();
            u64::from(SUBNORMALS[at].to_bits())
        }
        _ => operand(ty, place, n),
    }
}

/// Instructions that flush, beside those of [`FLOAT`].
const FLUSHING: &[Row] = &[
    ("sub.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("mul.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("add.rz.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("mul.rp.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    (
        "fma.rn.ftz.f32 {d}, {a}, {b}, {c};",
        "f32",
        &["f32", "f32", "f32"],
    ),
    (
        "fma.rm.f32 {d}, {a}, {b}, {c};",
        "f32",
        &["f32", "f32", "f32"],
    ),
    ("div.rn.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("sqrt.rn.ftz.f32 {d}, {a};", "f32", &["f32"]),
    ("abs.ftz.f32 {d}, {a};", "f32", &["f32"]),
    ("min.ftz.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
    ("cvt.rpi.s32.f32 {d}, {a};", "u32", &["f32"]),
    ("cvt.rpi.ftz.s32.f32 {d}, {a};", "u32", &["f32"]),
    (
        "cvt.rp.f16.f32 %h1, {a}; cvt.f32.f16 {d}, %h1;",
        "f32",
        &["f32"],
    ),
    (
        "setp.lt.ftz.f32 %p1, {a}, {b}; selp.b32 {d}, 1, 0, %p1;",
        "u32",
        &["f32", "f32"],
    ),
];

#[test]
fn exact_results_agree_with_the_interpreter_to_the_last_bit() {
    let mut computer = Computer::open();
    let mut wrong = Vec::new();
    // As the device is, then as if it could neither keep subnormals nor fuse.
    let measured = computer.target.keeps_subnormals;
    for keeps_subnormals in [measured, false] {
        computer.target.exact = true;
        computer.target.keeps_subnormals = keeps_subnormals;
        computer.target.fused_multiply_add &= keeps_subnormals;
        for row in FLOAT.iter().chain(FLUSHING) {
            let same = |&(_, device, expected): &([u64; 3], u64, u64)| match row.1 {
                "f32" => {
                    let [d, e] = [device, expected].map(|bits| f32::from_bits(bits as u32));
                    device == expected || (d.is_nan() && e.is_nan())
                }
                "f64" => same_float(row.1, device, expected),
                _ => device == expected,
            };
            let results = results_of(&computer, row, exact_operand);
            if let Some((operands, device, expected)) = results.iter().find(|r| !same(r)) {
                wrong.push(format!(
                    "{} of {operands:x?}: {device:#x}, not {expected:#x}; kept: {keeps_subnormals}",
                    row.0
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Approximations with the error that PTX allows: relative, or absolute near 0.
const APPROXIMATE: &[(Row, f64)] = &[
    (
        ("div.approx.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
        3e-7,
    ),
    (
        ("div.full.f32 {d}, {a}, {b};", "f32", &["f32", "f32"]),
        3e-7,
    ),
    (("rcp.approx.ftz.f32 {d}, {a};", "f32", &["f32"]), 2e-7),
    (("sqrt.approx.f32 {d}, {a};", "f32", &["f32"]), 5e-7),
    (("rsqrt.approx.f32 {d}, {a};", "f32", &["f32"]), 5e-7),
    (("ex2.approx.ftz.f32 {d}, {a};", "f32", &["f32"]), 5e-7),
    (("lg2.approx.f32 {d}, {a};", "f32", &["f32"]), 5e-7),
];

#[test]
fn approximations_stay_within_ptx_bounds() {
    let computer = Computer::open();
    let mut wrong = Vec::new();
    for (row, bound) in APPROXIMATE {
        for (operands, device, expected) in results(&computer, row) {
            let [d, e] = [device, expected].map(|bits| f64::from(f32::from_bits(bits as u32)));
            let close =
                same_float("f32", device, expected) || (d - e).abs() <= bound * e.abs().max(1e-30);
            // Beyond 2^126 a quotient by `.approx` may be 0, and results as
            // large as that are not promised either.
            let extreme = e.abs() > 1e37
                || e.abs() < 1e-37
                || operands
                    .iter()
                    .any(|&o| (o & 0x7FFF_FFFF) as u32 > 0x7E80_0000);
            if !close && !extreme {
                wrong.push(format!("{} of {operands:x?}: {d:e}, not {e:e}", row.0));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} results:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
