//! Shared memory as a part of global memory.
//!
//! lavapipe turns an access to a workgroup variable into branches for each lane
//! and a variable, and LLVM's coroutine passes take time in proportion to branches
//! times variables: minutes for a kernel with a thousand accesses. An access
//! through an address is one gather or scatter. There the launcher provides a
//! buffer, each workgroup takes a part of it for as long as it runs, and shared
//! addresses become offsets into that.

use crate::ir::{Function, Instruction, Op, Space, Type, Value};

/// Moves every access to shared memory into the part of the buffer at
/// [`Op::SharedBase`].
pub fn place_shared(function: &mut Function) {
    let is_shared = |i: &Instruction| i.op.access().is_some_and(|a| a.space == Space::Shared);
    let mut instructions = function.blocks.iter().flat_map(|b| &b.instructions);
    if !instructions.any(is_shared) {
        return;
    }
    let base = function.value(Type::B64);
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let mut writer = Writer {
            out: Vec::with_capacity(instructions.len()),
            function,
        };
        for mut i in instructions {
            if is_shared(&i) {
                writer.make_global(&mut i, base);
            }
            writer.out.push(i);
        }
        let out = writer.out;
        function[block].instructions = out;
    }
    let definition = Instruction {
        op: Op::SharedBase,
        arguments: smallvec::smallvec![],
        results: smallvec::smallvec![base],
        offset: 0,
    };
    function[Function::ENTRY].instructions.insert(0, definition);
}

struct Writer<'f> {
    function: &'f mut Function,
    out: Vec<Instruction>,
}

impl Writer<'_> {
    fn emit(&mut self, op: Op, arguments: &[Value], ty: Type, offset: u32) -> Value {
        let result = self.function.value(ty);
        self.out.push(Instruction {
            op,
            arguments: arguments.into(),
            results: smallvec::smallvec![result],
            offset,
        });
        result
    }

    /// Shared addresses wrap at 32 bits, so an access's offset is added before
    /// they are widened.
    fn make_global(&mut self, i: &mut Instruction, base: Value) {
        let Some(access) = i.op.access_mut() else {
            return;
        };
        let bytes = std::mem::take(&mut access.offset);
        access.space = Space::Global;
        let mut place = i.arguments[0];
        if self.function.ty(place) == Type::B64 {
            place = self.emit(Op::Truncate, &[place], Type::B32, i.offset);
        }
        if bytes != 0 {
            let bits = bytes as u64 & Type::B32.mask();
            let bytes = self.emit(Op::Const(bits), &[], Type::B32, i.offset);
            place = self.emit(Op::Add, &[place, bytes], Type::B32, i.offset);
        }
        let place = self.emit(Op::ZeroExtend, &[place], Type::B64, i.offset);
        i.arguments[0] = self.emit(Op::Add, &[base, place], Type::B64, i.offset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn a_shared_access_keeps_its_offset_within_32_bits() {
        let mut function = parse(
            "function k shared 64 {\nb0:\n  v0: b32 = special.tid.0\n\
             \x20 v1: f32 = load.shared.weak.sys.-8 v0\n\
             \x20 store.shared.weak.sys.0 v0, v1\n  return\n",
        )
        .unwrap();
        place_shared(&mut function);
        crate::verify::verify(&function).unwrap();
        let text = function.to_string();
        assert!(!text.contains(".shared."), "{text}");
        assert!(text.contains("= const.4294967288"), "{text}");
        assert_eq!(text.matches("sharedbase").count(), 1, "{text}");
    }

    #[test]
    fn a_function_without_shared_memory_stays_as_it_is() {
        let mut function = parse("function k {\nb0:\n  return\n").unwrap();
        let before = function.clone();
        place_shared(&mut function);
        assert_eq!(function, before);
    }
}
