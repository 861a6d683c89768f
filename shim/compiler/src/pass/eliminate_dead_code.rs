//! Instructions whose results nobody reads, and parameters that only feed
//! themselves.

use super::retain_parameters;
use crate::ir::{Function, Value};

/// Removes instructions without effect whose results are unused, and unused
/// block parameters with the arguments passed for them.
pub fn eliminate_dead_code(function: &mut Function) {
    let live = live_values(function);
    for block in &mut function.blocks {
        block.instructions.retain(|instruction| {
            instruction.op.has_effect() || instruction.results.iter().any(|r| live[r.index()])
        });
    }
    retain_parameters(function, |parameter| live[parameter.index()]);
}

/// What defines a value.
#[derive(Clone, Copy)]
enum Definition {
    /// Nothing that was found.
    None,
    /// (block, instruction)
    Instruction(usize, usize),
    /// (block, position)
    Parameter(usize, usize),
}

fn live_values(function: &Function) -> Vec<bool> {
    let definitions = definitions(function);
    let predecessors = crate::ssa::predecessor_edges(function);
    let mut live = vec![false; function.values.len()];
    let mut work: Vec<Value> = Vec::new();
    for block in &function.blocks {
        work.extend(block.terminator.condition());
        let effects = block.instructions.iter().filter(|i| i.op.has_effect());
        effects.for_each(|i| work.extend(&i.arguments));
    }
    while let Some(value) = work.pop() {
        if std::mem::replace(&mut live[value.index()], true) {
            continue;
        }
        match definitions[value.index()] {
            Definition::Instruction(block, index) => {
                work.extend(&function.blocks[block].instructions[index].arguments);
            }
            Definition::Parameter(block, position) => {
                for &(from, edge) in &predecessors[block] {
                    work.push(function[from].terminator.edges()[edge].arguments[position]);
                }
            }
            Definition::None => {}
        }
    }
    live
}

fn definitions(function: &Function) -> Vec<Definition> {
    let mut definitions = vec![Definition::None; function.values.len()];
    for (block_index, block) in function.blocks.iter().enumerate() {
        for (index, parameter) in block.parameters.iter().enumerate() {
            definitions[parameter.index()] = Definition::Parameter(block_index, index);
        }
        for (index, instruction) in block.instructions.iter().enumerate() {
            for result in &instruction.results {
                definitions[result.index()] = Definition::Instruction(block_index, index);
            }
        }
    }
    definitions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn a_counter_that_nothing_reads_goes_away_and_effects_stay() {
        let mut function = parse(
            "function k {
b0:
  v0: b32 = const.1
  v1: b64 = const.8
  v5: b1 = const.1
  jump b1(v0)
b1(v2: b32):
  v3: b32 = iadd v2, v0
  v4: b1 = vote.any v5, v0
  store.global.weak.sys.0 v1, v0
  branch v5 b1(v3) b2
b2:
  return
",
        )
        .unwrap();
        eliminate_dead_code(&mut function);
        let text = function.to_string();
        assert!(!text.contains("iadd") && text.contains("b1:\n"), "{text}");
        assert!(text.contains("vote") && text.contains("store"), "{text}");
    }
}
