//! `printf` and failed assertions: threads write down addresses and arguments in
//! the print buffer ([`layout::print`]), and the host makes lines of them.
//!
//! Code for an architecture that a kernel does not support prints a line and
//! traps. Where the line is known here, the trap says which one it is, and the
//! kernel needs neither buffer nor local memory for it.

mod facts;

use smallvec::SmallVec;

use super::writer::Writer;
use crate::back::spirv::layout::{fault, print as buffer};
use crate::front::words::SpecialRegister;
use crate::ir::{
    Access, Atomic, AtomicOp, Function, Instruction, Op, Order, Scope, Space, Special, Type, Value,
};
use crate::print::{self, Message};
use Type::{B32, B64};
use facts::Facts;
pub use facts::Texts;

/// Arguments that are copied where their format is not known here: as many bytes
/// as 32 arguments may have, which is all that CUDA takes.
const MOST_ARGUMENTS: u64 = 256;

/// Why a `printf` cannot be written down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("printf with {what} is not supported")]
pub struct PrintError {
    what: &'static str,
    /// The byte of the PTX text it came from.
    pub offset: u32,
}

/// Replaces prints and assertions; the result is what the kernel's traps say.
///
/// # Errors
/// Where it is not known how long a line's arguments are, or how many, although
/// that is asked for.
pub fn lower_print(function: &mut Function, texts: Texts<'_>) -> Result<Vec<Message>, PrintError> {
    let mut instructions = function.blocks.iter().flat_map(|block| &block.instructions);
    if !instructions.any(|i| matches!(i.op, Op::Print | Op::Assert)) {
        return Ok(Vec::new());
    }
    let facts = Facts::new(function, texts);
    let mut messages = Vec::new();
    for block in &mut function.blocks {
        say_at_trap(&mut block.instructions, &facts, &mut messages);
    }
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let mut writer = Writer {
            function,
            block,
            offset: 0,
        };
        for i in instructions {
            writer.offset = i.offset;
            match i.op {
                Op::Print => writer.print(&i, &facts)?,
                Op::Assert => writer.assert(&i),
                _ => writer.function[block].instructions.push(i),
            }
        }
    }
    Ok(messages)
}

/// Joins a print and the trap behind it, if what is printed is known.
fn say_at_trap(instructions: &mut [Instruction], facts: &Facts<'_>, messages: &mut Vec<Message>) {
    let trap = instructions
        .iter()
        .position(|i| i.op == Op::Trap(fault::TRAP));
    let before = &instructions[..trap.unwrap_or(0)];
    let prints = before.iter().enumerate().filter(|(_, i)| i.op == Op::Print);
    let prints: SmallVec<[usize; 2]> = prints.map(|(at, _)| at).collect();
    let (Some(trap), &[print]) = (trap, prints.as_slice()) else {
        return;
    };
    let Some(message) = facts.message(&before[..print], &before[print]) else {
        return;
    };
    let number = messages.iter().position(|known| *known == message);
    let number = number.unwrap_or_else(|| {
        messages.push(message);
        messages.len() - 1
    });
    instructions[trap].op = Op::Trap(fault::MESSAGES + number as u32);
    instructions[print].op = Op::Const(0);
    instructions[print].arguments.clear();
}

impl Writer<'_> {
    fn words_of(&mut self, value: Value) -> [Value; 2] {
        [0, 1].map(|word| self.emit(Op::Extract(word), &[value], B32))
    }

    fn print(&mut self, i: &Instruction, facts: &Facts<'_>) -> Result<(), PrintError> {
        let unsupported = |what| PrintError {
            what,
            offset: i.offset,
        };
        let (format, arguments) = (i.arguments[0], i.arguments[1]);
        let place = facts.local_place(arguments);
        let formats = facts.formats(format);
        let bytes = match (&formats, place) {
            (Some(formats), _) => {
                let lengths = formats
                    .iter()
                    .map(|format| print::arguments(format).1 as u64);
                lengths.max().unwrap_or(0)
            }
            (None, Some(place)) => u64::from(self.function.local_bytes)
                .saturating_sub(place)
                .min(MOST_ARGUMENTS),
            (None, None) => {
                return Err(unsupported("a format and arguments computed on the device"));
            }
        };
        if bytes > MOST_ARGUMENTS {
            return Err(unsupported("more than 32 arguments"));
        }
        let mut body: Vec<Value> = self.words_of(format).into();
        for word in 0..bytes.div_ceil(4) {
            body.push(self.argument_word(arguments, place, 4 * word));
        }
        self.record(buffer::LINE, &body);
        let result = i.results[0];
        let counts = formats.map(|formats| {
            let counts = formats
                .iter()
                .map(|format| print::arguments(format).0.len());
            counts.collect::<Vec<_>>()
        });
        match counts.as_deref() {
            Some([first, others @ ..]) if others.iter().all(|count| count == first) => {
                self.push(Op::Const(*first as u64), &[], &[result]);
            }
            _ if !facts.is_used(result) => self.push(Op::Const(0), &[], &[result]),
            _ => return Err(unsupported("a result that depends on which format it has")),
        }
        Ok(())
    }

    fn argument_word(&mut self, arguments: Value, place: Option<u64>, at: u64) -> Value {
        let (address, space, offset) = match place {
            Some(place) => (self.constant(B64, 0), Space::Local, place + at),
            None => (arguments, Space::Generic, at),
        };
        let access = Access {
            offset: offset.cast_signed(),
            ..Access::weak(space)
        };
        self.emit(Op::Load(access), &[address], B32)
    }

    /// The line that says which assertion failed, and where; then the fault.
    fn assert(&mut self, i: &Instruction) {
        let [text, file, function] = [0, 1, 3].map(|index| self.words_of(i.arguments[index]));
        let mut body = [text, file, function].concat();
        body.push(i.arguments[2]);
        for register in [SpecialRegister::Ctaid, SpecialRegister::Tid] {
            for component in 0..3 {
                let special = Special {
                    register,
                    component,
                };
                body.push(self.emit(Op::Special(special), &[], B32));
            }
        }
        self.record(buffer::ASSERTION, &body);
        self.push(Op::Trap(fault::ASSERT), &[], &[]);
    }

    /// Takes the words of a record and fills them, the head last.
    fn record(&mut self, kind: u32, body: &[Value]) {
        let words = body.len() as u32 + 2;
        let base = self.emit(Op::PrintBuffer, &[], B64);
        let count = self.constant(B32, u64::from(words));
        let add = Atomic {
            op: AtomicOp::Add,
            access: Access {
                order: Order::Relaxed,
                scope: Scope::Device,
                ..at(buffer::NEXT)
            },
        };
        let next = self.emit(Op::Atomic(add), &[base, count], B32);
        let mask = self.emit(Op::Load(at(buffer::MASK)), &[base], B32);
        let index = self.emit(Op::And, &[next, mask], B32);
        let index = self.emit(Op::ZeroExtend, &[index], B64);
        let two = self.constant(B32, 2);
        let byte = self.emit(Op::Shl, &[index, two], B64);
        let start = self.emit(Op::Add, &[base, byte], B64);
        for (word, &value) in (1..).zip(body.iter().chain([&count])) {
            let access = at(buffer::RING + 4 * word);
            self.push(Op::Store(access), &[start, value], &[]);
        }
        let head = self.constant(B32, u64::from(kind << buffer::KIND_SHIFT | words));
        let access = Access {
            order: Order::Release,
            ..at(buffer::RING)
        };
        self.push(Op::Store(access), &[start, head], &[]);
    }
}

/// A word of the buffer, so many bytes from where the address points.
fn at(offset: u32) -> Access {
    Access {
        offset: i64::from(offset),
        ..Access::weak(Space::Global)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn texts(name: &str) -> Option<Vec<u8>> {
        let text = match name {
            "format" => "%s is %d\n\0",
            "name" => "answer\0",
            "plain" => "plain\n\0",
            _ => return None,
        };
        Some(text.as_bytes().to_vec())
    }

    fn lowered(body: &str) -> (String, Vec<Message>) {
        let text =
            format!("function k local 16 global format global name global plain {{\n{body}}}\n");
        let mut function = parse(&text).unwrap();
        let messages = lower_print(&mut function, &texts).unwrap();
        crate::verify::verify(&function).unwrap();
        (function.to_string(), messages)
    }

    const ANSWER: &str = "b0:\n  v0: b64 = global.0\n  v1: b64 = global.1\n  v2: b64 = scratch\n\
                          \x20 v3: b64 = const.0\n  v4: b32 = const.42\n\
                          \x20 store.local.weak.sys.0 v3, v1\n  store.local.weak.sys.8 v3, v4\n\
                          \x20 v5: b32 = print v0, v2\n";

    #[test]
    fn what_is_said_before_a_trap_is_known_to_the_host() {
        let (text, messages) = lowered(&format!("{ANSWER}  trap.1\n  return\n"));
        assert_eq!(
            messages,
            [Message {
                format: b"%s is %d\n".to_vec(),
                arguments: [1u64.to_le_bytes().as_slice(), &42u32.to_le_bytes()].concat(),
                texts: vec![b"answer".to_vec()],
            }]
        );
        assert!(text.contains("trap.3") && !text.contains("print"), "{text}");
    }

    #[test]
    fn a_line_is_written_down_with_its_arguments_and_counts_them() {
        let (text, messages) = lowered(&format!(
            "{ANSWER}  store.global.weak.sys.0 v0, v5\n  return\n"
        ));
        assert!(messages.is_empty());
        // Head, format, pointer, number, and the words again.
        assert!(text.contains("= const.16777223\n"), "{text}");
        assert_eq!(text.matches("load.local").count(), 3, "{text}");
        assert_eq!(text.matches("store.global").count(), 8, "{text}");
        assert!(text.contains("v5: b32 = const.2\n"), "{text}");
    }

    #[test]
    fn a_choice_of_formats_copies_what_the_longer_one_needs() {
        let body = "b0:\n  v0: b64 = global.0\n  v1: b64 = global.2\n  v2: b64 = scratch\n\
                    \x20 v3: b1 = const.1\n  v4: b64 = select v3, v0, v1\n  v5: b32 = print v4, v2\n  return\n";
        let (text, _) = lowered(body);
        assert_eq!(text.matches("load.local").count(), 3, "{text}");
        let mut used = parse(&format!(
            "function k local 16 global format global name global plain {{\n{}}}\n",
            body.replace("  return", "  store.global.weak.sys.0 v0, v5\n  return")
        ))
        .unwrap();
        let error = lower_print(&mut used, &texts).unwrap_err();
        assert!(error.to_string().contains("which format"), "{error}");
    }
}
