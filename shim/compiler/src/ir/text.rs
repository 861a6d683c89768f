//! The text form of a function: what `PUMICE_DEBUG=ir` shows, what tests are
//! written in, and what [`parse`] reads back.

use std::fmt;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Block, BlockId, Edge, Function, Instruction, Merge, Op, Terminator, Type, Value};

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "function {}", self.name)?;
        for (key, bytes) in [
            ("parameters", self.parameter_bytes),
            ("shared", self.shared_bytes),
            ("local", self.local_bytes),
        ] {
            if bytes > 0 {
                write!(f, " {key} {bytes}")?;
            }
        }
        if self.dynamic_shared {
            write!(f, " dynamic")?;
        }
        for global in &self.globals {
            write!(f, " global {global}")?;
        }
        writeln!(f, " {{")?;
        for block in self.block_ids() {
            self.write_block(f, block)?;
        }
        writeln!(f, "}}")
    }
}

impl Function {
    fn write_block(&self, f: &mut fmt::Formatter<'_>, id: BlockId) -> fmt::Result {
        let block = &self[id];
        write!(f, "{id}")?;
        if !block.parameters.is_empty() {
            write!(f, "(")?;
            self.write_typed(f, &block.parameters)?;
            write!(f, ")")?;
        }
        writeln!(f, ":")?;
        for instruction in &block.instructions {
            self.write_instruction(f, instruction)?;
        }
        match block.merge {
            Some(Merge::Selection(merge)) => writeln!(f, "  selection {merge}")?,
            Some(Merge::Loop { merge, continuing }) => {
                writeln!(f, "  loop {merge} {continuing}")?;
            }
            None => {}
        }
        writeln!(f, "  {}", block.terminator)
    }

    fn write_typed(&self, f: &mut fmt::Formatter<'_>, values: &[Value]) -> fmt::Result {
        for (index, &value) in values.iter().enumerate() {
            let separator = if index > 0 { ", " } else { "" };
            write!(f, "{separator}{value}: {}", self.ty(value))?;
        }
        Ok(())
    }

    fn write_instruction(
        &self,
        f: &mut fmt::Formatter<'_>,
        instruction: &Instruction,
    ) -> fmt::Result {
        write!(f, "  ")?;
        if !instruction.results.is_empty() {
            self.write_typed(f, &instruction.results)?;
            write!(f, " = ")?;
        }
        write!(f, "{}", instruction.op)?;
        for (index, argument) in instruction.arguments.iter().enumerate() {
            write!(f, "{} {argument}", if index > 0 { "," } else { "" })?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl fmt::Display for BlockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", self.0)
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.block)?;
        if self.arguments.is_empty() {
            return Ok(());
        }
        let arguments: Vec<_> = self.arguments.iter().map(Value::to_string).collect();
        write!(f, "({})", arguments.join(", "))
    }
}

impl fmt::Display for Terminator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Jump(edge) => write!(f, "jump {edge}"),
            Self::Branch {
                condition,
                then,
                otherwise,
            } => write!(f, "branch {condition} {then} {otherwise}"),
            Self::Switch { selector, targets } => {
                write!(f, "switch {selector}")?;
                targets.iter().try_for_each(|target| write!(f, " {target}"))
            }
            Self::Return => write!(f, "return"),
            Self::Unreachable => write!(f, "unreachable"),
        }
    }
}

/// What [`parse`] rejects: the line, from 1, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}: {source_line}")]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// Why.
    pub reason: &'static str,
    /// The line's text.
    pub source_line: String,
}

/// Reads a function as it prints. Values and blocks are numbered anew in the
/// order in which they appear; comments start with `//`.
///
/// # Errors
/// The first line that is not the text of a function.
pub fn parse(text: &str) -> Result<Function, ParseError> {
    let mut parser = Parser::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.split("//").next().unwrap_or_default();
        parser.line(line).map_err(|reason| ParseError {
            line: index + 1,
            reason,
            source_line: line.trim().to_owned(),
        })?;
    }
    parser.finish()
}

#[derive(Default)]
struct Parser<'t> {
    function: Function,
    values: FxHashMap<&'t str, Value>,
    blocks: FxHashMap<&'t str, BlockId>,
    /// Values used before the line that gives their type.
    untyped: Vec<Value>,
    current: Option<BlockId>,
    order: Vec<BlockId>,
}

type Parsed<T> = Result<T, &'static str>;

impl<'t> Parser<'t> {
    fn line(&mut self, line: &'t str) -> Parsed<()> {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed == "}" {
            return Ok(());
        }
        if let Some(header) = trimmed.strip_prefix("function ") {
            return self.header(header);
        }
        if !line.starts_with(' ') {
            return self.label(trimmed);
        }
        let block = self.current.ok_or("an instruction outside of a block")?;
        match self.terminator(trimmed)? {
            Some(Statement::Terminator(terminator)) => self.function[block].terminator = terminator,
            Some(Statement::Merge(merge)) => self.function[block].merge = Some(merge),
            None => {
                let instruction = self.instruction(trimmed)?;
                self.function[block].instructions.push(instruction);
            }
        }
        Ok(())
    }

    fn header(&mut self, header: &str) -> Parsed<()> {
        let mut words = header.trim_end_matches('{').split_whitespace();
        self.function.name = words.next().ok_or("a function without a name")?.to_owned();
        while let Some(key) = words.next() {
            if key == "dynamic" {
                self.function.dynamic_shared = true;
                continue;
            }
            let value = words.next().ok_or("an attribute without a value")?;
            let number = value.parse();
            match key {
                "parameters" => self.function.parameter_bytes = number.map_err(|_| "bytes")?,
                "shared" => self.function.shared_bytes = number.map_err(|_| "bytes")?,
                "local" => self.function.local_bytes = number.map_err(|_| "bytes")?,
                "global" => self.function.globals.push(value.to_owned()),
                _ => return Err("an unknown attribute of a function"),
            }
        }
        Ok(())
    }

    /// `b1(v0: b32):`
    fn label(&mut self, line: &'t str) -> Parsed<()> {
        let line = line.strip_suffix(':').ok_or("a label without a colon")?;
        let (name, parameters) = match line.split_once('(') {
            Some((name, rest)) => (name, rest.strip_suffix(')').ok_or("no `)`")?),
            None => (line, ""),
        };
        let block = self.block(name);
        let parameters = self.typed_values(parameters)?;
        self.function[block].parameters = parameters.to_vec();
        self.order.push(block);
        self.current = Some(block);
        Ok(())
    }

    fn block(&mut self, name: &'t str) -> BlockId {
        let function = &mut self.function;
        *self.blocks.entry(name).or_insert_with(|| function.block())
    }

    fn value(&mut self, name: &'t str) -> Parsed<Value> {
        if !name.starts_with('v') {
            return Err("expected a value");
        }
        let (function, untyped) = (&mut self.function, &mut self.untyped);
        Ok(*self.values.entry(name).or_insert_with(|| {
            let value = function.value(Type::B1);
            untyped.push(value);
            value
        }))
    }

    fn typed_values(&mut self, list: &'t str) -> Parsed<SmallVec<[Value; 1]>> {
        let mut values = SmallVec::new();
        for item in list.split(',').map(str::trim).filter(|i| !i.is_empty()) {
            let (name, ty) = item.split_once(':').ok_or("a value without a type")?;
            let ty = Type::from_word(ty.trim()).ok_or("an unknown type")?;
            let value = self.value(name.trim())?;
            self.function.values[value.index()] = ty;
            self.untyped.retain(|&untyped| untyped != value);
            values.push(value);
        }
        Ok(values)
    }

    fn instruction(&mut self, line: &'t str) -> Parsed<Instruction> {
        let (results, operation) = match line.split_once('=') {
            Some((results, operation)) => (self.typed_values(results)?, operation.trim()),
            None => (SmallVec::new(), line),
        };
        let (op, arguments) = operation.split_once(' ').unwrap_or((operation, ""));
        let op = Op::from_text(op).ok_or("an unknown operation")?;
        let arguments = arguments
            .split(',')
            .map(str::trim)
            .filter(|argument| !argument.is_empty())
            .map(|argument| self.value(argument))
            .collect::<Parsed<_>>()?;
        Ok(Instruction {
            op,
            arguments,
            results,
            offset: 0,
        })
    }

    fn terminator(&mut self, line: &'t str) -> Parsed<Option<Statement>> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let terminator = match word {
            "return" => Terminator::Return,
            "unreachable" => Terminator::Unreachable,
            "jump" => Terminator::Jump(self.edges(rest)?.pop().ok_or("a jump without a target")?),
            "branch" => self.branch(rest)?,
            "switch" => {
                let (selector, targets) = rest.split_once(' ').ok_or("a switch without targets")?;
                Terminator::Switch {
                    selector: self.value(selector)?,
                    targets: self.edges(targets)?,
                }
            }
            "selection" => {
                let merge = Merge::Selection(self.block(rest.trim()));
                return Ok(Some(Statement::Merge(merge)));
            }
            "loop" => {
                let (merge, continuing) = rest.split_once(' ').ok_or("a loop without blocks")?;
                let merge = self.block(merge);
                let continuing = self.block(continuing.trim());
                return Ok(Some(Statement::Merge(Merge::Loop { merge, continuing })));
            }
            _ => return Ok(None),
        };
        Ok(Some(Statement::Terminator(terminator)))
    }

    fn branch(&mut self, rest: &'t str) -> Parsed<Terminator> {
        let (condition, targets) = rest.split_once(' ').ok_or("a branch without targets")?;
        let condition = self.value(condition)?;
        let edges: [Edge; 2] = self
            .edges(targets)?
            .try_into()
            .map_err(|_| "a branch has two targets")?;
        let [then, otherwise] = edges;
        Ok(Terminator::Branch {
            condition,
            then,
            otherwise,
        })
    }

    /// `b1 b2(v1, v2) b3`
    fn edges(&mut self, mut rest: &'t str) -> Parsed<Vec<Edge>> {
        let mut edges = Vec::new();
        loop {
            rest = rest.trim_start();
            if rest.is_empty() {
                return Ok(edges);
            }
            let end = rest.find([' ', '(']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let mut edge = Edge::to(self.block(name));
            rest = tail;
            if let Some(list) = tail.strip_prefix('(') {
                let (list, tail) = list.split_once(')').ok_or("no `)`")?;
                for argument in list.split(',') {
                    edge.arguments.push(self.value(argument.trim())?);
                }
                rest = tail;
            }
            edges.push(edge);
        }
    }

    fn finish(self) -> Result<Function, ParseError> {
        let error = |reason| {
            Err(ParseError {
                line: 0,
                reason,
                source_line: self.function.name.clone(),
            })
        };
        if !self.untyped.is_empty() {
            return error("a value is used and never defined");
        }
        if self.order.len() != self.function.blocks.len() {
            return error("a block is named and never written");
        }
        Ok(in_order(self.function, &self.order))
    }
}

enum Statement {
    Terminator(Terminator),
    Merge(Merge),
}

/// Renumbers blocks so that they lie in the order of the text.
fn in_order(mut function: Function, order: &[BlockId]) -> Function {
    let mut place = vec![BlockId(0); order.len()];
    for (new, old) in order.iter().enumerate() {
        place[old.index()] = BlockId(new as u32);
    }
    let take = |old: &BlockId| std::mem::take(&mut function.blocks[old.index()]);
    let mut blocks: Vec<Block> = order.iter().map(take).collect();
    blocks.iter_mut().for_each(|block| block.renumber(&place));
    function.blocks = blocks;
    function
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\
function k parameters 16 shared 64 local 8 dynamic global table {
b0:
  v0: b32 = special.tid.0
  v1: b32 = const.7
  v2: b1 = icmp.lt.u v0, v1
  v3: b64 = param.8
  selection b2
  branch v2 b1 b2(v1)
b1:
  v4: f32, v5: f32 = load.global.nc.sys.-8 v3
  v6: f32 = fadd.rn.ftz v4, v5
  store.shared.weak.cta.4 v0, v6
  v7: b32, v8: b1 = shfl.bfly v0, v1, v1, v1
  v9: b32 = atomic.add.global.relaxed.gpu.0 v3, v1
  jump b2(v7)
b2(v10: b32):
  loop b4 b3
  switch v10 b3 b4
b3:
  jump b2(v1)
b4:
  return
}
";

    #[test]
    fn a_function_prints_as_it_was_read() {
        assert_eq!(parse(SAMPLE).unwrap().to_string(), SAMPLE);
    }

    #[test]
    fn what_is_no_function_is_refused_with_its_line() {
        let cases = [
            (
                "function k {\nb0:\n  v0: b32 = frob\n",
                3,
                "unknown operation",
            ),
            (
                "function k {\nb0:\n  v0: b99 = const.0\n",
                3,
                "unknown type",
            ),
            ("function k {\n  return\n", 2, "outside of a block"),
            ("function k {\nb0:\n  jump b1\n", 0, "never written"),
            ("function k {\nb0:\n  fence.gpu v0\n", 0, "never defined"),
            ("function k {\nb0:\n  branch v0 b0\n", 3, "two targets"),
        ];
        for (text, line, expected) in cases {
            let error = parse(text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.reason.contains(expected), "{error}");
        }
    }
}
