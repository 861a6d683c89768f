//! The message before a deliberate crash.
//!
//! Code for an architecture that a kernel does not support prints a line and
//! traps. Nothing is left to run after the trap, so the driver can print the
//! line itself once it sees the fault; the kernel then needs no print buffer
//! and no local memory for the arguments.

use crate::ir::{Function, Op};

/// Removes prints that a trap follows in the same block.
pub fn lower_print(function: &mut Function) {
    for block in &mut function.blocks {
        let Some(trap) = block.instructions.iter().position(|i| i.op == Op::Trap) else {
            continue;
        };
        for instruction in &mut block.instructions[..trap] {
            if instruction.op == Op::Print {
                instruction.op = Op::Const(0);
                instruction.arguments.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn only_a_print_before_a_trap_goes() {
        let mut function = parse(
            "function k {\nb0:\n  v0: b64 = const.1\n  v1: b32 = print v0, v0\n  jump b1\n\
             b1:\n  v2: b32 = print v0, v0\n  trap\n  return\n",
        )
        .unwrap();
        lower_print(&mut function);
        let prints = |block: usize| {
            let instructions = &function.blocks[block].instructions;
            instructions.iter().filter(|i| i.op == Op::Print).count()
        };
        assert_eq!((prints(0), prints(1)), (1, 0));
    }
}
