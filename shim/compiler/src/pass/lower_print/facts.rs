//! What is known of a kernel's values without running it: addresses of texts,
//! places in local memory, what was stored there.

use smallvec::SmallVec;

use crate::ir::{Function, Instruction, Op, Space, Type, Value};
use crate::print::{self, Argument, Message};

/// The bytes that a variable of the module starts with, by its name.
pub type Texts<'t> = &'t dyn Fn(&str) -> Option<Vec<u8>>;

/// How many values are looked at to find where one comes from.
const MAX_STEPS: usize = 64;

/// Where each value comes from.
pub(super) struct Facts<'t> {
    definitions: Vec<Option<(Op, SmallVec<[Value; 4]>)>>,
    /// Of a block's parameter, what edges pass for it.
    passed: Vec<SmallVec<[Value; 2]>>,
    used: Vec<bool>,
    types: Vec<Type>,
    globals: Vec<String>,
    texts: Texts<'t>,
}

impl<'t> Facts<'t> {
    pub(super) fn new(function: &Function, texts: Texts<'t>) -> Self {
        let count = function.values.len();
        let mut facts = Self {
            definitions: vec![None; count],
            passed: vec![SmallVec::new(); count],
            used: vec![false; count],
            types: function.values.clone(),
            globals: function.globals.clone(),
            texts,
        };
        for block in &function.blocks {
            for i in &block.instructions {
                for argument in &i.arguments {
                    facts.used[argument.index()] = true;
                }
                if let [result] = i.results.as_slice() {
                    facts.definitions[result.index()] = Some((i.op, i.arguments.clone()));
                }
            }
            block
                .terminator
                .for_each_value(|value| facts.used[value.index()] = true);
            for edge in block.terminator.edges() {
                let parameters = &function[edge.block].parameters;
                for (parameter, &argument) in parameters.iter().zip(&edge.arguments) {
                    facts.passed[parameter.index()].push(argument);
                }
            }
        }
        facts
    }

    /// Whether anything reads a value.
    pub(super) fn is_used(&self, value: Value) -> bool {
        self.used[value.index()]
    }

    fn definition(&self, value: Value) -> Option<(Op, &[Value])> {
        let definition = self.definitions[value.index()].as_ref();
        definition.map(|(op, arguments)| (*op, arguments.as_slice()))
    }

    fn constant(&self, value: Value) -> Option<u64> {
        match self.definition(value)? {
            (Op::Const(bits), _) => Some(bits),
            _ => None,
        }
    }

    /// A value as an operation without operands plus a constant.
    fn root(&self, mut value: Value) -> Option<(Op, u64)> {
        let mut offset = 0u64;
        for _ in 0..MAX_STEPS {
            match self.definition(value)? {
                (Op::Add, &[a, b]) => {
                    let (base, bytes) = match (self.constant(a), self.constant(b)) {
                        (_, Some(bytes)) => (a, bytes),
                        (Some(bytes), _) => (b, bytes),
                        _ => return None,
                    };
                    offset = offset.wrapping_add(bytes);
                    value = base;
                }
                (Op::Const(bits), _) => return Some((Op::Const(0), offset.wrapping_add(bits))),
                (op, []) => return Some((op, offset)),
                _ => return None,
            }
        }
        None
    }

    /// The byte of local memory that a generic address is of.
    pub(super) fn local_place(&self, address: Value) -> Option<u64> {
        match self.root(address)? {
            (Op::Scratch, offset) => Some(offset),
            _ => None,
        }
    }

    /// The text at an address in a variable, without the NUL at its end.
    fn text(&self, address: Value) -> Option<Vec<u8>> {
        let (Op::Global(number), offset) = self.root(address)? else {
            return None;
        };
        let bytes = (self.texts)(self.globals.get(number as usize)?)?;
        let text = bytes.get(usize::try_from(offset).ok()?..)?;
        let end = text.iter().position(|&byte| byte == 0)?;
        Some(text[..end].to_vec())
    }

    /// Every text whose address a value may be.
    pub(super) fn formats(&self, address: Value) -> Option<Vec<Vec<u8>>> {
        let (mut found, mut seen, mut work) = (Vec::new(), Vec::new(), vec![address]);
        while let Some(value) = work.pop() {
            if seen.contains(&value) {
                continue;
            }
            seen.push(value);
            if seen.len() > MAX_STEPS {
                return None;
            }
            let passed = &self.passed[value.index()];
            match self.definition(value) {
                Some((Op::Select, &[_, a, b])) => work.extend([a, b]),
                None if !passed.is_empty() => work.extend(passed.iter().copied()),
                _ => found.push(self.text(value)?),
            }
        }
        Some(found)
    }

    /// The line that a print makes, if the instructions before it in its block
    /// tell all of its arguments.
    pub(super) fn message(&self, before: &[Instruction], print: &Instruction) -> Option<Message> {
        let format = self.text(print.arguments[0])?;
        let (places, bytes) = print::arguments(&format);
        let mut message = Message {
            format,
            arguments: vec![0; bytes],
            texts: Vec::new(),
        };
        for (at, argument) in places {
            let place = self.local_place(print.arguments[1])? + at as u64;
            let value = self.stored(before, place, argument.bytes() as u64)?;
            let bits = match argument {
                Argument::Text => {
                    message.texts.push(self.text(value)?);
                    message.texts.len() as u64
                }
                _ => self.constant(value)?,
            };
            let bytes = &bits.to_le_bytes()[..argument.bytes()];
            message.arguments[at..at + argument.bytes()].copy_from_slice(bytes);
        }
        Some(message)
    }

    /// What was last stored at a place in local memory.
    fn stored(&self, before: &[Instruction], place: u64, bytes: u64) -> Option<Value> {
        for i in before.iter().rev() {
            let Op::Store(access) = i.op else { continue };
            if access.space == Space::Generic {
                return None;
            }
            if access.space != Space::Local {
                continue;
            }
            let base = self.constant(i.arguments[0])?;
            let mut at = base.wrapping_add_signed(access.offset);
            for &value in &i.arguments[1..] {
                let end = at + u64::from(self.types[value.index()].bytes());
                if (at, end) == (place, place + bytes) {
                    return Some(value);
                }
                if at < place + bytes && place < end {
                    return None;
                }
                at = end;
            }
        }
        None
    }
}
