//! Accesses by an address that points to shared or to other memory, as it
//! happens: a branch on the address, and one access for each.
//!
//! Runs behind [`super::infer_address_space`], which leaves few of them, and
//! behind [`super::place_local`], so that local memory is global.

use super::writer::Writer;
use crate::ir::{
    BlockId, Condition, Edge, Function, Instruction, IntegerComparison, Op, Signedness, Space,
    Terminator, Type, Value,
};
use Type::{B1, B64};

/// Replaces every access to generic memory, and questions about its space.
pub fn split_generic(function: &mut Function) {
    let mut instructions = function.blocks.iter().flat_map(|block| &block.instructions);
    let has_local = instructions.any(|i| i.op == Op::Scratch);
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let end = std::mem::replace(&mut function[block].terminator, Terminator::Unreachable);
        let mut at = block;
        for i in instructions {
            let mut writer = Writer {
                function,
                block: at,
                offset: i.offset,
            };
            match i.op {
                Op::IsSpace(space) => writer.test(i, space, has_local),
                op if op.access().is_some_and(|a| a.space == Space::Generic) => {
                    at = writer.split(&i);
                }
                _ => function[at].instructions.push(i),
            }
        }
        function[at].terminator = end;
    }
}

impl Writer<'_> {
    /// Whether an address is local is a question of the thread's own scratch.
    fn test(&mut self, i: Instruction, space: Space, has_local: bool) {
        let address = i.arguments[0];
        match space {
            Space::Local if !has_local => self.push(Op::Const(0), &[], &i.results),
            Space::Local => {
                let test = self.in_scratch();
                let offset = self.offset_in_scratch(address);
                let bytes = u64::from(self.function.local_bytes);
                let bytes = self.emit(Op::Const(bytes), &[], B64);
                self.push(test, &[offset, bytes], &i.results);
            }
            Space::Global => {
                let shared = self.emit(Op::IsSpace(Space::Shared), &[address], B1);
                self.push(Op::Not, &[shared], &i.results);
            }
            _ => self.function[self.block].instructions.push(i),
        }
    }

    const fn in_scratch(&self) -> Op {
        Op::Compare(IntegerComparison {
            condition: Condition::Lt,
            signedness: Signedness::Unsigned,
        })
    }

    fn offset_in_scratch(&mut self, address: Value) -> Value {
        let base = self.emit(Op::Scratch, &[], B64);
        self.emit(Op::Sub, &[address, base], B64)
    }

    /// One access for each memory; the block where both ways meet.
    fn split(&mut self, i: &Instruction) -> BlockId {
        let address = i.arguments[0];
        let is_shared = self.emit(Op::IsSpace(Space::Shared), &[address], B1);
        let arms = [self.function.block(), self.function.block()];
        let end = self.function.block();
        self.function[self.block].terminator = Terminator::Branch {
            condition: is_shared,
            then: Edge::to(arms[0]),
            otherwise: Edge::to(arms[1]),
        };
        for (arm, space) in arms.into_iter().zip([Space::Shared, Space::Global]) {
            self.block = arm;
            let mut access = i.clone();
            if let Some(it) = access.op.access_mut() {
                it.space = space;
            }
            if space == Space::Shared {
                access.arguments[0] = self.emit(Op::FromGeneric(space), &[address], B64);
            }
            for result in &mut access.results {
                *result = self.function.value(self.function.ty(*result));
            }
            let arguments = access.results.iter().copied().collect();
            self.function[arm].instructions.push(access);
            let edge = Edge {
                block: end,
                arguments,
            };
            self.function[arm].terminator = Terminator::Jump(edge);
        }
        self.function[end].parameters = i.results.to_vec();
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn both_memories_are_accessed_on_their_own_way() {
        let mut function = parse(
            "function k local 8 {\nb0:\n  v0: b64 = param.0\n  v1: b64 = load.global.weak.sys.0 v0\n\
             \x20 v2: b32 = load.generic.weak.sys.4 v1\n  store.generic.volatile.sys.0 v1, v2\n\
             \x20 v3: b1 = isspace.local v1\n  v4: b64 = scratch\n  return\n",
        )
        .unwrap();
        split_generic(&mut function);
        crate::verify::verify(&function).unwrap();
        let text = function.to_string();
        assert!(
            !text.contains(".generic.") && !text.contains("isspace.local"),
            "{text}"
        );
        assert_eq!(text.matches("isspace.shared").count(), 2, "{text}");
        assert!(text.contains("load.shared.weak.sys.4"), "{text}");
        assert!(text.contains("store.global.volatile.sys.0"), "{text}");
    }
}
