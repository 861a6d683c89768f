//! Whether a driver computes what it says, found out before anyone relies on
//! it: [`self_test`] when a device is taken into use, cheap; the rest
//! ([`Arithmetic`], [`exits_past_barriers`]) when a compiler asks.

mod arithmetic;
mod convergence;
mod matrices;
mod run;
mod shader;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rspirv::dr::Operand;
use rspirv::spirv::{Capability, GroupOperation, Op, Scope};
use serde::Serialize;

pub use arithmetic::{Accuracy, Arithmetic, probe_arithmetic};
pub use convergence::exits_past_barriers;
pub use matrices::{OrderedMatrices, probe_matrices};

use crate::device::Device;
use crate::error::Error;
use run::{failed, run};
use shader::Shader;

/// What the self-test saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Lanes of a subgroup that a ballot counted.
    pub subgroup_size: u32,
    /// How long the test took, most of it compilation.
    pub duration: Duration,
}

const INVOCATIONS: u32 = 64;
/// Words that each invocation writes.
const WORDS: u32 = 4;
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Runs a small shader that reads and writes by device address, and checks
/// every word: 64-bit arithmetic, workgroup memory across a barrier, a ballot,
/// a shuffle, an atomic.
pub fn self_test(device: &Arc<Device>) -> Result<Findings, Error> {
    let start = Instant::now();
    let input: Vec<u64> = (1..=u64::from(INVOCATIONS))
        .map(|n| n.wrapping_mul(FACTOR) | 1)
        .collect();
    let words = run(
        device,
        &shader(),
        &input,
        (INVOCATIONS * WORDS + 1) as usize,
    )?;
    let subgroup_size = check(&words, &input).map_err(|reason| failed(device, &reason))?;
    Ok(Findings {
        subgroup_size,
        duration: start.elapsed(),
    })
}

fn shader() -> Vec<u32> {
    let capabilities = [
        Capability::GroupNonUniformBallot,
        Capability::GroupNonUniformShuffle,
    ];
    let mut shader = Shader::new(INVOCATIONS, &capabilities);
    let (u32, u64, index) = (shader.types.u32, shader.types.u64, shader.index);
    let array = shader.shared_array();
    let source = shader.word_at(shader.input, index);
    let value = shader.load(source);
    let low = shader.op(Op::UConvert, u32, &[value]);

    shader.store_shared(array, index, low);
    shader.barrier();
    let last = shader.constant(INVOCATIONS - 1);
    let mirrored = shader.op(Op::ISub, u32, &[last, index]);
    let opposite = shader.load_shared(array, mirrored);
    let opposite = shader.op(Op::UConvert, u64, &[opposite]);
    let product = shader.op(Op::IMul, u64, &[opposite, value]);

    let (subgroup, one) = (shader.scope(Scope::Subgroup), shader.constant(1));
    let neighbour = shader.op(Op::GroupNonUniformShuffleXor, u32, &[subgroup, index, one]);
    let its_value = shader.op(Op::GroupNonUniformShuffleXor, u32, &[subgroup, low, one]);
    let never = shader.constant(u32::MAX);
    let always = shader.op(Op::INotEqual, shader.types.boolean, &[index, never]);
    let ballot = shader.op(
        Op::GroupNonUniformBallot,
        shader.types.mask,
        &[subgroup, always],
    );
    let count = vec![
        Operand::IdScope(subgroup),
        Operand::GroupOperation(GroupOperation::Reduce),
        Operand::IdRef(ballot),
    ];
    let lanes = shader.instruction(Op::GroupNonUniformBallotBitCount, u32, count);

    let words = shader.constant(WORDS);
    let mut place = shader.op(Op::IMul, u32, &[index, words]);
    for result in [product, neighbour, its_value, lanes] {
        let wide = if result == product {
            product
        } else {
            shader.op(Op::UConvert, u64, &[result])
        };
        let address = shader.word_at(shader.output, place);
        shader.store(address, wide);
        place = shader.op(Op::IAdd, u32, &[place, one]);
    }
    let end = shader.constant(INVOCATIONS * WORDS);
    let counter = shader.word_at(shader.output, end);
    shader.count(counter);
    shader.finish()
}

/// Compares what was written with what should have been; the subgroup's size,
/// or the first difference.
fn check(words: &[u64], input: &[u64]) -> Result<u32, String> {
    let (results, counter) = words.split_at(input.len() * WORDS as usize);
    if counter != [u64::from(INVOCATIONS)] {
        return Err(format!(
            "{INVOCATIONS} atomic additions of 1 made {counter:?}"
        ));
    }
    let low = |index: usize| input[index] & u64::from(u32::MAX);
    let lanes = results[3];
    for (index, result) in results.chunks_exact(WORDS as usize).enumerate() {
        let &[product, neighbour, its_value, count] = result else {
            continue;
        };
        let expected = low(input.len() - 1 - index).wrapping_mul(input[index]);
        if product != expected {
            return Err(format!(
                "invocation {index} multiplied to {product:#x}, not {expected:#x}"
            ));
        }
        let from = usize::try_from(neighbour)
            .ok()
            .filter(|&from| from < input.len() && from != index);
        if from.is_none_or(|from| low(from) != its_value) {
            return Err(format!(
                "invocation {index} was shuffled {its_value:#x} from {neighbour}"
            ));
        }
        if count != lanes || lanes == 0 || lanes > 128 {
            return Err(format!(
                "invocation {index} counted {count} lanes, the first {lanes}"
            ));
        }
    }
    u32::try_from(lanes).map_err(|_| "no lanes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(input: &[u64]) -> Vec<u64> {
        let low = |index: usize| input[index] & u64::from(u32::MAX);
        let mut words: Vec<u64> = (0..input.len())
            .flat_map(|n| {
                let product = low(input.len() - 1 - n).wrapping_mul(input[n]);
                [product, (n ^ 1) as u64, low(n ^ 1), 8]
            })
            .collect();
        words.push(u64::from(INVOCATIONS));
        words
    }

    #[test]
    fn any_wrong_word_fails_the_check() {
        let input: Vec<u64> = (1..=64u64).map(|n| n.wrapping_mul(FACTOR) | 1).collect();
        let words = right(&input);
        assert_eq!(check(&words, &input), Ok(8));
        for index in 0..words.len() {
            let mut wrong = words.clone();
            wrong[index] ^= 2;
            assert!(check(&wrong, &input).is_err(), "word {index}");
        }
        assert!(check(&vec![0; words.len()], &input).is_err());
    }

    #[test]
    fn the_shader_is_valid() {
        shader::assert_valid(&shader());
    }
}
