//! The same operation on the same values is done once.
//!
//! A value takes the place of an equal one that it dominates. It does not do so
//! behind the loop that it lies in: each thread would have to keep it from the
//! iteration that it left in, which costs more than doing the operation again.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::replace_uses;
use crate::cfg::Dominators;
use crate::ir::{Access, BlockId, Function, Instruction, Op, Order, Space, Type, Value};
use crate::loops::Loops;

/// Replaces values by equal ones that were computed before. A function with
/// irreducible control flow stays as it is.
pub fn eliminate_common_subexpressions(function: &mut Function) {
    let Ok(loops) = Loops::new(function) else {
        return;
    };
    let dominators = Dominators::new(function);
    let mut known: FxHashMap<Expression, (BlockId, usize)> = FxHashMap::default();
    let mut results: Vec<SmallVec<[Value; 1]>> = Vec::new();
    let mut replacement: Vec<_> = (0..function.values.len() as u32).map(Value).collect();
    for block in dominators.preorder() {
        let mut instructions = std::mem::take(&mut function[block].instructions);
        instructions.retain_mut(|i| {
            for argument in &mut i.arguments {
                *argument = replacement[argument.index()];
            }
            let Some(expression) = Expression::new(function, i) else {
                return true;
            };
            let place = known.entry(expression).or_insert((block, usize::MAX));
            let stands = place.1 != usize::MAX
                && dominators.dominates(place.0, block)
                && loops.contains(loops.innermost(place.0), block);
            if !stands {
                *place = (block, results.len());
                results.push(i.results.clone());
                return true;
            }
            for (&result, &equal) in i.results.iter().zip(&results[place.1]) {
                replacement[result.index()] = equal;
            }
            false
        });
        function[block].instructions = instructions;
    }
    replace_uses(function, &replacement);
}

/// What is computed, from what.
#[derive(PartialEq, Eq, Hash)]
struct Expression {
    op: Op,
    types: SmallVec<[Type; 1]>,
    arguments: SmallVec<[Value; 4]>,
}

impl Expression {
    /// The expression that an instruction computes; `None` where computing it
    /// again may give something else.
    fn new(function: &Function, i: &Instruction) -> Option<Self> {
        let changes = |a: &Access| !is_constant(a.space, a.order);
        if i.op.has_effect() || i.op.access().is_some_and(changes) {
            return None;
        }
        let mut arguments = i.arguments.clone();
        if is_commutative(&i.op) {
            arguments.sort_unstable();
        }
        Some(Self {
            op: i.op,
            types: i
                .results
                .iter()
                .map(|&result| function.ty(result))
                .collect(),
            arguments,
        })
    }
}

/// Whether nobody writes to memory while a kernel reads it like this.
fn is_constant(space: Space, order: Order) -> bool {
    matches!(space, Space::Constant | Space::Parameter) || order == Order::ReadOnly
}

const fn is_commutative(op: &Op) -> bool {
    matches!(
        op,
        Op::Add | Op::Mul | Op::MulHigh(_) | Op::MulWide(_) | Op::And | Op::Or | Op::Xor
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn merged(body: &str) -> String {
        let mut function = parse(&format!("function k {{\n{body}}}\n")).unwrap();
        eliminate_common_subexpressions(&mut function);
        crate::verify::verify(&function).unwrap();
        function.to_string()
    }

    #[test]
    fn equal_operations_are_done_once_where_the_first_dominates() {
        let text = merged(
            "b0:\n  v0: b32 = special.tid.0\n  v1: b32 = special.ctaid.0\n  v2: b1 = icmp.lt.u v0, v1\n\
             \x20 v9: b64 = param.0\n  branch v2 b1 b2\n\
             b1:\n  v3: b32 = iadd v0, v1\n  store.global.weak.sys.0 v9, v3\n  v4: b32 = iadd v1, v0\n\
             \x20 store.global.weak.sys.4 v9, v4\n  jump b3\n\
             b2:\n  v5: b32 = iadd v0, v1\n  store.global.weak.sys.8 v9, v5\n  jump b3\n\
             b3:\n  v6: b32 = special.tid.0\n  store.global.weak.sys.12 v9, v6\n  return\n",
        );
        assert_eq!(text.matches("iadd").count(), 2, "{text}");
        assert!(
            text.contains("sys.4 v3, v4") && text.contains("sys.12 v3, v0"),
            "{text}"
        );
    }

    #[test]
    fn what_may_change_is_read_again() {
        let text = merged(
            "b0:\n  v0: b64 = param.0\n  v1: b32 = load.global.weak.sys.0 v0\n  v2: b32 = load.global.weak.sys.0 v0\n\
             \x20 v3: b32 = load.global.nc.sys.0 v0\n  v4: b32 = load.global.nc.sys.0 v0\n\
             \x20 store.global.weak.sys.0 v0, v1, v2, v3, v4\n  return\n",
        );
        assert_eq!(text.matches("load.global.weak").count(), 2, "{text}");
        assert_eq!(text.matches("load.global.nc").count(), 1, "{text}");
    }

    #[test]
    fn one_word_and_two_words_of_an_address_are_different_loads() {
        let text = merged(
            "b0:\n  v0: b64 = param.0\n  v1: b32 = load.global.nc.sys.0 v0\n\
             \x20 v2: b32, v3: b32 = load.global.nc.sys.0 v0\n  store.global.weak.sys.0 v0, v1, v2, v3\n  return\n",
        );
        assert_eq!(text.matches("load").count(), 2, "{text}");
    }

    #[test]
    fn who_votes_together_is_asked_each_time() {
        let text = merged(
            "b0:\n  v0: b64 = param.0\n  v1: b32 = activemask\n  v2: b32 = activemask\n  v3: b64 = clock\n\
             \x20 v4: b64 = clock\n  store.global.weak.sys.0 v0, v1, v2\n  store.global.weak.sys.8 v0, v3, v4\n  return\n",
        );
        assert_eq!(text.matches("activemask").count(), 2, "{text}");
        assert_eq!(text.matches("clock").count(), 2, "{text}");
    }

    #[test]
    fn a_loop_keeps_its_values_to_itself() {
        let text = merged(
            "b0:\n  v0: b32 = special.tid.0\n  v1: b32 = const.1\n  v9: b64 = param.0\n  jump b1\n\
             b1:\n  v2: b32 = iadd v0, v1\n  v3: b1 = icmp.lt.u v2, v1\n  branch v3 b1 b2\n\
             b2:\n  v4: b32 = iadd v0, v1\n  store.global.weak.sys.0 v9, v4\n  return\n",
        );
        assert_eq!(text.matches("iadd").count(), 2, "{text}");
    }
}
