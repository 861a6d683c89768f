//! Whether invocations may leave a kernel while the others still meet at
//! barriers. SPIR-V leaves that undefined; GPUs do it, and lavapipe does not:
//! there the others never get past the next barrier, silently.

use std::sync::Arc;

use rspirv::spirv::Op;

use super::run::run;
use super::shader::Shader;
use crate::device::Device;
use crate::error::Error;

const INVOCATIONS: u32 = 128;
/// These leave at once: whole subgroups, and part of one.
const LEAVING: u32 = 40;
const STAYING: u32 = INVOCATIONS - LEAVING;
const ROUNDS: u32 = 7;

/// Whether barriers still hold among the invocations that stay when others of
/// the workgroup have left.
pub fn exits_past_barriers(device: &Arc<Device>) -> Result<bool, Error> {
    let words = run(device, &shader(), &[0], INVOCATIONS as usize)?;
    Ok(words == expected())
}

/// Every invocation that stays passes its number on to its neighbour, and
/// adds one, [`ROUNDS`] times.
fn shader() -> Vec<u32> {
    let mut shader = Shader::new(INVOCATIONS, &[]);
    let (u32, u64, index) = (shader.types.u32, shader.types.u64, shader.index);
    let array = shader.shared_array();
    let leaving = shader.constant(LEAVING);
    let leaves = shader.op(Op::ULessThan, shader.types.boolean, &[index, leaving]);
    shader.return_if(leaves);

    let (one, staying) = (shader.constant(1), shader.constant(STAYING));
    let own = shader.op(Op::ISub, u32, &[index, leaving]);
    let next = shader.op(Op::IAdd, u32, &[own, one]);
    let next = shader.op(Op::UMod, u32, &[next, staying]);
    let mut value = own;
    for _ in 0..ROUNDS {
        shader.store_shared(array, own, value);
        shader.barrier();
        let passed = shader.load_shared(array, next);
        value = shader.op(Op::IAdd, u32, &[passed, one]);
        shader.barrier();
    }
    let wide = shader.op(Op::UConvert, u64, &[value]);
    let address = shader.word_at(shader.output, index);
    shader.store(address, wide);
    shader.finish()
}

fn expected() -> Vec<u64> {
    let value = |n: u32| u64::from((n + ROUNDS) % STAYING + ROUNDS);
    (0..LEAVING)
        .map(|_| 0)
        .chain((0..STAYING).map(value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::self_test::shader::assert_valid;

    #[test]
    fn the_shader_is_valid() {
        assert_valid(&shader());
    }
}
