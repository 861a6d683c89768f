//! Random control flow: kernels whose threads part, loop for different times
//! and meet again, on the device and on the interpreter. Each is run twice: as
//! it is, and made to look at its warp, which on narrow subgroups puts several
//! threads into an invocation.

use tests::kernel::{Argument, Computer, Launch};

/// A reproducible stream of numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Kernels of each seed, of which those with several entries to a loop are
/// thrown away.
const KERNELS: usize = 60;

/// Nodes that mix numbers into `%x`, read a table at a place that depends on
/// it, write to the thread's own words, count down, and go to one of two nodes
/// by a bit.
fn body(random: &mut Random, count: u64, look_at_warp: bool) -> String {
    let mut text = String::new();
    if look_at_warp {
        text += "mov.u32 %r9, %laneid; xor.b32 %x, %x, %r9; xor.b32 %x, %x, %r9;\n";
    }
    for n in 0..count {
        let target = |random: &mut Random| match random.below(4) {
            0 if n > 0 => random.below(n + 1),
            _ => (n + 1 + random.below(3)).min(count),
        };
        let (a, b) = (target(random), target(random));
        text += &format!(
            "n{n}: mad.lo.u32 %x, %x, {}, {}; sub.u32 %fuel, %fuel, 1; setp.eq.u32 %p1, %fuel, 0; @%p1 bra n{count};\n",
            1_664_525 + 2 * random.below(1000),
            random.below(1 << 20),
        );
        match random.below(4) {
            0 => {
                text += "and.b32 %r1, %x, 63; mad.wide.u32 %rd1, %r1, 4, %base; ld.global.u32 %r2, [%rd1]; add.u32 %x, %x, %r2;\n"
            }
            1 => text += "add.u32 %y, %y, %x; st.global.u32 [%at+4], %y;\n",
            2 => text += "shr.u32 %r3, %x, 7; @%p2 xor.b32 %y, %y, %r3; setp.lt.u32 %p2, %x, %y;\n",
            _ => text += "atom.global.add.u32 %r4, [%at+8], %x; add.u32 %y, %y, %r4;\n",
        }
        text += &format!(
            "bfe.u32 %r5, %x, {}, 1; setp.ne.u32 %p3, %r5, 0; @%p3 bra n{a}; bra n{b};\n",
            random.below(31),
        );
    }
    text + &format!(
        "n{count}: add.u32 %x, %x, %y; st.global.u32 [%at], %x; st.global.u32 [%at+12], %fuel;\n"
    )
}

fn kernel(body: &str) -> String {
    format!(
        ".version 8.4\n.target sm_61\n.address_size 64\n.entry k(.param .u64 p) {{\n\
         .reg .pred %p<4>; .reg .b32 %r<10>, %x, %y, %fuel, %t; .reg .b64 %rd<4>, %base, %at;\n\
         ld.param.u64 %base, [p]; mov.u32 %t, %tid.x; mad.wide.u32 %at, %t, 16, %base; add.u64 %at, %at, 256;\n\
         mul.lo.u32 %x, %t, 40503; mov.u32 %y, 0; mov.u32 %fuel, 60; setp.ne.u32 %p2, %t, 3;\n{body}ret; }}\n"
    )
}

fn check(look_at_warp: bool) {
    let computer = Computer::open();
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let threads = 70;
    let words = (0..64 + 4 * threads).map(|n: u32| {
        if n < 64 {
            n.wrapping_mul(0x9E37_79B9)
        } else {
            0
        }
    });
    let launch = Launch {
        grid: [1, 1, 1],
        block: [threads, 1, 1],
        dynamic_shared: 0,
        arguments: vec![Argument::Buffer(words.flat_map(u32::to_le_bytes).collect())],
    };
    let mut run = 0;
    for number in 0..KERNELS {
        let count = 2 + random.below(8);
        let text = kernel(&body(&mut random, count, look_at_warp));
        let source = compiler::ModuleSource::new(text.clone()).expect("PTX");
        match compiler::lower(&source, "k") {
            Err(error) if error.to_string().contains("irreducible") => continue,
            outcome => outcome.map(|_| ()).unwrap_or_else(|e| panic!("{e}")),
        }
        run += 1;
        let outcome = computer.run(&text, "k", &launch);
        outcome.assert_equal(&format!("kernel {number}: {text}"));
    }
    assert!(
        run > KERNELS / 3,
        "only {run} of {KERNELS} have reducible control flow"
    );
}

#[test]
fn threads_that_part_meet_again() {
    check(false);
}

#[test]
fn lanes_that_part_meet_again() {
    check(true);
}
