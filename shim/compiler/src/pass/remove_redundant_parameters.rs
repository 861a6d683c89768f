//! A block parameter that receives the same value on every way in is that value.

use super::{replace_uses, retain_parameters};
use crate::cfg::reverse_postorder;
use crate::ir::{Function, Value};
use crate::ssa::predecessor_edges;

/// Removes parameters that stand for one other value, until none is left.
pub fn remove_redundant_parameters(function: &mut Function) {
    let predecessors = predecessor_edges(function);
    let order = reverse_postorder(function);
    let mut replacement: Vec<_> = (0..function.values.len() as u32).map(Value).collect();
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for &block in &order {
            for (index, &parameter) in function[block].parameters.iter().enumerate() {
                if replacement[parameter.index()] != parameter {
                    continue;
                }
                let incoming = predecessors[block.index()].iter().map(|&(from, edge)| {
                    let edges = function[from].terminator.edges();
                    resolve(&replacement, edges[edge].arguments[index])
                });
                if let Some(value) = only_value(incoming, parameter) {
                    replacement[parameter.index()] = value;
                    changed = true;
                }
            }
        }
    }
    for index in 0..replacement.len() {
        replacement[index] = resolve(&replacement, Value(index as u32));
    }
    retain_parameters(function, |p| replacement[p.index()] == p);
    replace_uses(function, &replacement);
}

fn resolve(replacement: &[Value], mut value: Value) -> Value {
    while replacement[value.index()] != value {
        value = replacement[value.index()];
    }
    value
}

/// The only value beside the parameter itself, if there is exactly one.
fn only_value(incoming: impl Iterator<Item = Value>, parameter: Value) -> Option<Value> {
    let mut only = None;
    for value in incoming.filter(|&value| value != parameter) {
        match only {
            None => only = Some(value),
            Some(seen) if seen == value => {}
            Some(_) => return None,
        }
    }
    only
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn a_value_passed_around_a_loop_unchanged_needs_no_parameter() {
        let mut function = parse(
            "function k {\nb0:\n  v0: b32 = const.1\n  v1: b1 = const.1\n  jump b1(v0, v0)\n\
             b1(v2: b32, v3: b32):\n  v4: b32 = iadd v2, v3\n  branch v1 b1(v2, v4) b2(v2)\n\
             b2(v5: b32):\n  v6: b32 = iadd v5, v3\n  return\n",
        )
        .unwrap();
        remove_redundant_parameters(&mut function);
        assert_eq!(
            function.to_string(),
            "function k {\nb0:\n  v0: b32 = const.1\n  v1: b1 = const.1\n  jump b1(v0)\n\
             b1(v3: b32):\n  v4: b32 = iadd v0, v3\n  branch v1 b1(v4) b2\n\
             b2:\n  v6: b32 = iadd v0, v3\n  return\n}\n"
        );
    }
}
