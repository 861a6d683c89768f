//! Where local memory lies: in a variable of the invocation, which drivers keep
//! in registers if they can; or, where its address becomes a generic pointer,
//! in a buffer in global memory.

use super::eliminate_dead_code;
use crate::ir::{Function, Instruction, Op, Space, Type};

/// Moves local accesses to global memory where something takes a generic
/// address of local memory, and drops memory that is only written.
pub fn place_local(function: &mut Function) {
    let instructions = || function.blocks.iter().flat_map(|block| &block.instructions);
    let is_local = |i: &Instruction| i.op.access().is_some_and(|a| a.space == Space::Local);
    if instructions().any(|i| i.op == Op::Scratch) {
        move_to_global(function);
    } else if !instructions().any(|i| is_local(i) && !i.results.is_empty()) {
        for block in &mut function.blocks {
            block.instructions.retain(|i| !is_local(i));
        }
        function.local_bytes = 0;
        eliminate_dead_code(function);
    }
}

fn move_to_global(function: &mut Function) {
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let mut out = Vec::with_capacity(instructions.len());
        for mut i in instructions {
            if let Some(access) = i.op.access_mut()
                && access.space == Space::Local
            {
                access.space = Space::Global;
                let base = function.value(Type::B64);
                let sum = function.value(Type::B64);
                let mut address = i.arguments[0];
                if function.ty(address) == Type::B32 {
                    let wide = function.value(Type::B64);
                    out.push(instruction(&i, Op::ZeroExtend, &[address], wide));
                    address = wide;
                }
                out.push(instruction(&i, Op::Scratch, &[], base));
                out.push(instruction(&i, Op::Add, &[base, address], sum));
                i.arguments[0] = sum;
            }
            out.push(i);
        }
        function[block].instructions = out;
    }
}

fn instruction(
    like: &Instruction,
    op: Op,
    arguments: &[crate::ir::Value],
    result: crate::ir::Value,
) -> Instruction {
    Instruction {
        op,
        arguments: arguments.into(),
        results: smallvec::smallvec![result],
        offset: like.offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn memory_that_is_only_written_goes_away() {
        let mut function = parse(
            "function k local 8 {\nb0:\n  v0: b64 = const.0\n  store.local.weak.sys.0 v0, v0\n  return\n",
        )
        .unwrap();
        place_local(&mut function);
        assert_eq!(function.to_string(), "function k {\nb0:\n  return\n}\n");
    }

    #[test]
    fn a_generic_address_moves_every_access_to_global_memory() {
        let mut function = parse(
            "function k local 8 {\nb0:\n  v0: b64 = const.0\n  v1: b64 = scratch\n\
             \x20 store.generic.weak.sys.0 v1, v0\n  v2: b64 = load.local.weak.sys.0 v0\n\
             \x20 store.global.weak.sys.0 v2, v2\n  return\n",
        )
        .unwrap();
        place_local(&mut function);
        crate::verify::verify(&function).unwrap();
        assert!(!function.to_string().contains(".local"), "{function}");
    }
}
