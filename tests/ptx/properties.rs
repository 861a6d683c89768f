//! What must hold for every kernel: passes keep its meaning, a device computes
//! what the interpreter does, and damaged text is refused without a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};

use compiler::ModuleSource;
use compiler::ir::{FloatMode, Function, Type};
use compiler::pass;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tests::context::Context;
use tests::ptx::input::Random;
use tests::ptx::{Case, Outputs, device, interpreted, random, recording};

/// Random kernels that go through the passes.
const LOWERED: u32 = 150;
/// Random kernels that a device runs.
const COMPUTED: u32 = 25;
/// Damaged texts a case.
const DAMAGED: u64 = 12;

type Pass = (&'static str, fn(&mut Function));

/// The passes on the way to a back end that keep a function's meaning for the
/// interpreter, in their order.
const PASSES: &[Pass] = &[
    ("simplify", pass::simplify),
    ("remove_unreachable_blocks", pass::remove_unreachable_blocks),
    ("eliminate_dead_code", pass::eliminate_dead_code),
    ("place_local", pass::place_local),
    ("infer_address_space", pass::infer_address_space),
    ("split_generic", pass::split_generic),
    ("lower_barrier_reduction", pass::lower_barrier_reduction),
    ("lower_matrix_product", |f| {
        pass::lower_matrix_product(f, |_| false)
    }),
    ("lower_match", pass::lower_match),
    ("legalize", pass::legalize),
    ("simplify again", pass::simplify),
    ("eliminate_dead_code again", pass::eliminate_dead_code),
    ("lower_partial_barrier", |f| {
        pass::lower_partial_barrier(f, false)
    }),
    ("lower_switch", pass::lower_switch),
    (
        "remove_unreachable_blocks again",
        pass::remove_unreachable_blocks,
    ),
    ("structurize", |f| {
        pass::structurize(f).expect("reducible control flow")
    }),
    (
        "eliminate_common_subexpressions",
        pass::eliminate_common_subexpressions,
    ),
];

/// What follows them where results shall be exact, on a device that flushes
/// subnormals and rounds a fused product and sum twice.
const EXACT: &[Pass] = &[
    ("emulate_flushes", pass::emulate_flushes),
    ("emulate_fused_f32", pass::emulate_fused_f32),
    ("emulate_subnormals", pass::emulate_subnormals),
    ("emulate_functions", pass::emulate_functions),
    ("a device that flushes", flush_everywhere),
];

/// Makes the interpreter a device that flushes the subnormals of each f32 operation.
fn flush_everywhere(function: &mut Function) {
    let types = &function.values;
    for block in &mut function.blocks {
        for i in &mut block.instructions {
            let mut values = i.arguments.iter().chain(&i.results);
            let is_f32 = values.any(|value| types[value.index()] == Type::F32);
            if let Some(mode) = i.op.float_mode().filter(|_| is_f32) {
                i.op = i.op.in_float_mode(FloatMode {
                    flush: true,
                    ..mode
                });
            }
        }
    }
}

/// A case means the same after the passes as before them.
pub fn passes_keep_the_meaning_of(case: &Case) -> Result<(), String> {
    same_after_each(case, PASSES)
}

/// A case means the same on a device that flushes, once it was made exact.
pub fn exact_results_need_no_subnormals(case: &Case) -> Result<(), String> {
    same_after_each(case, &[PASSES, EXACT].concat())
}

fn same_after_each(case: &Case, passes: &[Pass]) -> Result<(), String> {
    let expected = interpreted::run(case)?;
    if same_after(case, passes, &expected).is_ok() {
        return Ok(());
    }
    // Find the pass.
    for count in 1..=passes.len() {
        if let Err(report) = same_after(case, &passes[..count], &expected) {
            return Err(format!("after {}: {report}", passes[count - 1].0));
        }
    }
    Err("the passes disagree with themselves".to_owned())
}

fn same_after(case: &Case, passes: &[Pass], expected: &Outputs) -> Result<(), String> {
    let outputs = interpreted::run_with(case, |function| {
        passes.iter().for_each(|(_, pass)| pass(function));
    })?;
    recording::compare(case, &outputs, &[expected])
}

/// Random kernels mean the same after the passes.
pub fn passes_keep_the_meaning_of_random_kernels() -> Result<(), String> {
    check(LOWERED, &random::program(), |program| {
        let case = random::case(&program);
        passes_keep_the_meaning_of(&case).map_err(|report| format!("{report}\n{}", case.text))
    })
}

/// A device computes of random kernels what the interpreter does.
pub fn a_device_computes_random_kernels() -> Result<(), String> {
    let context = Context::primary();
    check(COMPUTED, &random::program(), |program| {
        let case = random::case(&program);
        let expected = interpreted::run(&case)?;
        let ran = device::run(&context, &case)?;
        if !ran.refused.is_empty() {
            return Err(format!("refused:\n{}", case.text));
        }
        recording::compare(&case, &ran.outputs, &[&expected])
            .map_err(|report| format!("{report}\n{}", case.text))
    })
}

/// Runs a check on the same values in every run.
fn check<S: Strategy>(
    cases: u32,
    strategy: &S,
    check: impl Fn(S::Value) -> Result<(), String>,
) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 300,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let fail = proptest::test_runner::TestCaseError::fail;
    TestRunner::new_with_rng(config, rng)
        .run(strategy, |value| check(value).map_err(fail))
        .map_err(|failure| failure.to_string())
}

/// Text that was cut, spliced or had words replaced either compiles or is
/// refused with an error.
pub fn damaged_text_never_panics(cases: &[Case]) -> Result<(), String> {
    let words: Vec<&str> = cases
        .iter()
        .flat_map(|c| c.text.split_whitespace())
        .collect();
    for (number, case) in cases.iter().enumerate() {
        let mut random = Random::new(number as u64);
        for _ in 0..DAMAGED {
            let text = damage(&case.text, &words, &mut random);
            let outcome = catch_unwind(AssertUnwindSafe(|| compile_all(&text)));
            outcome.map_err(|_| format!("a panic on this text:\n{text}"))?;
        }
    }
    Ok(())
}

fn compile_all(text: &str) {
    let Ok(source) = ModuleSource::new(text.to_owned()) else {
        return;
    };
    let kernels: Vec<String> = source
        .index
        .entries()
        .map(|entry| entry.name.clone())
        .collect();
    // A few are enough: tables hold hundreds that look alike.
    for kernel in kernels.iter().take(4) {
        let _ = compiler::lower(&source, kernel);
    }
}

fn damage(text: &str, words: &[&str], random: &mut Random) -> String {
    // A long module is mostly the same thing again.
    let most = text.len().min(6000);
    let end = (0..=most)
        .rev()
        .find(|&at| text.is_char_boundary(at))
        .unwrap_or(0);
    let mut pieces: Vec<&str> = text[..end]
        .split_inclusive(|c: char| !c.is_alphanumeric())
        .collect();
    for _ in 0..1 + random.below(4) {
        if pieces.is_empty() {
            break;
        }
        let at = random.below(pieces.len());
        match random.below(6) {
            0 => pieces.truncate(at),
            1 => drop(pieces.remove(at)),
            2 => pieces.insert(at, words[random.below(words.len())]),
            3 => pieces[at] = words[random.below(words.len())],
            4 => pieces.insert(
                at,
                [
                    "{",
                    "}",
                    "0xFFFFFFFFFFFFFFFFFF",
                    "-",
                    ";",
                    ",",
                    "é",
                    "[",
                    "\0",
                ][random.below(9)],
            ),
            _ => {
                let other = random.below(pieces.len());
                pieces.swap(at, other);
            }
        }
    }
    pieces.concat()
}
