//! A function's body: statements to typed instructions.
//!
//! Names have scopes (`{ … }` nests, and inline assembly relies on it); labels
//! may be used before they stand. A scope therefore keeps the labels it could
//! not resolve and hands them to its parent when it closes.

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::ast::{
    Base, Body, Call, Callee, Guard, Instruction, Label, Operand, Register, RegisterDeclaration,
    Symbol,
};
use super::declaration;
use super::error::{Error, Reason};
use super::index::{Function, ModuleIndex};
use super::isa::{self, Form, Opcode, Role};
use super::token::{Cursor, Token};
use super::words::{Linkage, Modifier, ModifierSet, SpecialRegister, StateSpace, Type};

/// More registers than this in one function is not PTX that any compiler wrote.
const MAX_REGISTERS: u32 = 1 << 22;

/// Parses the body of `function`, which [`super::index`] found in `text`. The
/// result is empty for a declaration without a body.
///
/// # Errors
/// Where a statement is not PTX, names something undeclared, or gives an opcode
/// modifiers or operands that it does not take.
pub fn body(text: &str, index: &ModuleIndex, function: &Function) -> Result<Body, Error> {
    let Some(range) = &function.body else {
        return Ok(Body::default());
    };
    let mut parser = Parser::new(
        text.get(..range.end).unwrap_or_default(),
        index,
        range.start,
    );
    parser.declare_parameters(function)?;
    parser.cursor.expect(Token::LeftBrace, "`{`")?;
    parser.statements()?;
    Ok(parser.body)
}

/// What a name of a scope means.
#[derive(Debug, Clone, Copy)]
enum Name {
    Register(Register),
    Symbol(Symbol),
    Label(Label),
    BranchTable(usize),
}

#[derive(Default)]
struct Scope<'t> {
    names: FxHashMap<&'t str, Name>,
    /// Registers declared as `%r<100>`: the prefix gives the first and the count.
    ranges: FxHashMap<&'t str, (u32, u32)>,
    /// Labels used but not placed in this scope: where they were first used.
    pending: FxHashMap<&'t str, (Label, usize)>,
}

struct Parser<'t> {
    cursor: Cursor<'t>,
    index: &'t ModuleIndex,
    scopes: Vec<Scope<'t>>,
    body: Body,
    /// For a label that a scope handed to its parent, which found it placed
    /// there under another number.
    forwarded: Vec<(Label, Label)>,
}

/// The position of a label that is used but not placed yet.
const UNPLACED: usize = usize::MAX;

impl<'t> Parser<'t> {
    fn new(text: &'t str, index: &'t ModuleIndex, start: usize) -> Self {
        Self {
            cursor: Cursor::new(text, start),
            index,
            scopes: vec![Scope::default()],
            body: Body::default(),
            forwarded: Vec::new(),
        }
    }

    fn declare_parameters(&mut self, function: &'t Function) -> Result<(), Error> {
        for (list, symbol) in [
            (
                &function.parameters,
                Symbol::Parameter as fn(usize) -> Symbol,
            ),
            (&function.returns, Symbol::Return),
        ] {
            for (index, parameter) in list.iter().enumerate() {
                let variable = &parameter.variable;
                let name = match variable.space {
                    StateSpace::Reg => Name::Register(self.new_registers(variable.ty, 1)?),
                    _ => Name::Symbol(symbol(index)),
                };
                self.declare(&variable.name, name)?;
            }
        }
        Ok(())
    }

    fn statements(&mut self) -> Result<(), Error> {
        while !self.scopes.is_empty() {
            match self.cursor.peek() {
                Some(Token::LeftBrace) => {
                    self.cursor.advance();
                    self.scopes.push(Scope::default());
                }
                Some(Token::RightBrace) => {
                    self.cursor.advance();
                    self.close_scope()?;
                }
                Some(Token::Dotted) => self.directive()?,
                Some(Token::Semicolon) => self.cursor.advance(),
                Some(Token::At) => self.instruction()?,
                Some(Token::Name) => self.labelled()?,
                _ => return Err(self.cursor.unexpected("a statement")),
            }
        }
        self.resolve_forwarded();
        Ok(())
    }

    fn close_scope(&mut self) -> Result<(), Error> {
        let Some(scope) = self.scopes.pop() else {
            return Ok(());
        };
        for (name, (label, offset)) in scope.pending {
            match self.scopes.last_mut() {
                Some(parent) => match parent.names.get(name) {
                    Some(&Name::Label(placed)) => self.forwarded.push((label, placed)),
                    _ => {
                        let (earlier, _) = *parent.pending.entry(name).or_insert((label, offset));
                        if earlier != label {
                            self.forwarded.push((label, earlier));
                        }
                    }
                },
                None => {
                    let reason = Reason::UnknownSymbol(name.to_owned());
                    return Err(Error::at(self.cursor.text(), offset, reason));
                }
            }
        }
        Ok(())
    }

    /// Gives labels that a scope forwarded the place of the label they became.
    /// Outer scopes close last, so the walk goes backwards.
    fn resolve_forwarded(&mut self) {
        for &(label, target) in self.forwarded.iter().rev() {
            self.body.labels[label.0 as usize] = self.body.labels[target.0 as usize];
        }
    }

    fn scope(&mut self) -> &mut Scope<'t> {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    fn declare(&mut self, name: &'t str, meaning: Name) -> Result<(), Error> {
        match self.scope().names.insert(name, meaning) {
            None => Ok(()),
            Some(_) => Err(self.cursor.error(Reason::Redeclared(name.to_owned()))),
        }
    }

    fn directive(&mut self) -> Result<(), Error> {
        let word = self.cursor.dotted().unwrap_or_default();
        match word {
            "reg" => self.registers(),
            "loc" | "file" => {
                self.cursor.skip_line();
                Ok(())
            }
            "pragma" => self.cursor.skip_statement(),
            _ => self.variables(),
        }
    }

    /// `.reg .b32 %r<10>, %x;`
    fn registers(&mut self) -> Result<(), Error> {
        self.cursor.advance();
        let ty = self.cursor.dotted().and_then(Type::from_word);
        let ty = ty.ok_or_else(|| self.cursor.unexpected("a type"))?;
        self.cursor.advance();
        loop {
            let name = self.cursor.expect(Token::Name, "a register's name")?;
            if self.cursor.accept(Token::Less) {
                let count = self.cursor.u32()?;
                self.cursor.expect(Token::Greater, "`>`")?;
                let first = self.new_registers(ty, count)?;
                self.scope().ranges.insert(name, (first.0, count));
            } else {
                let register = self.new_registers(ty, 1)?;
                self.declare(name, Name::Register(register))?;
            }
            if !self.cursor.accept(Token::Comma) {
                break;
            }
        }
        self.cursor.expect(Token::Semicolon, "`;`")?;
        Ok(())
    }

    fn new_registers(&mut self, ty: Type, count: u32) -> Result<Register, Error> {
        let first = self.body.registers.len() as u32;
        if count > MAX_REGISTERS - first.min(MAX_REGISTERS) {
            return Err(self.cursor.error(Reason::NumberRange(count.to_string())));
        }
        let len = (first + count) as usize;
        self.body.registers.resize(len, RegisterDeclaration { ty });
        Ok(Register(first))
    }

    fn variables(&mut self) -> Result<(), Error> {
        let word = self.cursor.dotted();
        let space = word.and_then(StateSpace::from_word);
        let space = space.ok_or_else(|| self.cursor.unexpected("a directive of a body"))?;
        self.cursor.advance();
        let names = self.cursor.clone();
        for variable in declaration::variables(&mut self.cursor, space, Linkage::Internal)? {
            let symbol = Symbol::Body(self.body.variables.len());
            let name = find_name(&names, &variable.name);
            self.declare(name, Name::Symbol(symbol))?;
            self.body.variables.push(variable);
        }
        Ok(())
    }

    /// A statement that starts with a name: a label or an instruction.
    fn labelled(&mut self) -> Result<(), Error> {
        let mut ahead = self.cursor.clone();
        let name = ahead.slice();
        ahead.advance();
        if !ahead.accept(Token::Colon) {
            return self.instruction();
        }
        self.cursor = ahead;
        match self.cursor.dotted() {
            Some("branchtargets") => self.branch_table(name),
            Some("callprototype" | "calltargets") => self.cursor.skip_statement(),
            _ => self.place_label(name),
        }
    }

    fn branch_table(&mut self, name: &'t str) -> Result<(), Error> {
        self.cursor.advance();
        let mut targets = vec![self.label()?];
        while self.cursor.accept(Token::Comma) {
            targets.push(self.label()?);
        }
        self.cursor.expect(Token::Semicolon, "`;`")?;
        let table = Name::BranchTable(self.body.branch_tables.len());
        self.body.branch_tables.push(targets);
        self.declare(name, table)
    }

    fn place_label(&mut self, name: &'t str) -> Result<(), Error> {
        let here = self.body.instructions.len();
        let pending = self.scope().pending.remove(name);
        let label = match pending {
            Some((label, _)) => label,
            None => self.new_label(),
        };
        self.body.labels[label.0 as usize] = here;
        self.declare(name, Name::Label(label))
    }

    fn new_label(&mut self) -> Label {
        self.body.labels.push(UNPLACED);
        Label(self.body.labels.len() as u32 - 1)
    }

    /// A label as an operand; it may stand later.
    fn label(&mut self) -> Result<Label, Error> {
        let offset = self.cursor.offset();
        let name = self.cursor.expect(Token::Name, "a label")?;
        let placed = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope| match scope.names.get(name) {
                Some(&Name::Label(label)) => Some(label),
                _ => None,
            });
        if let Some(label) = placed {
            return Ok(label);
        }
        if let Some(&(label, _)) = self.scope().pending.get(name) {
            return Ok(label);
        }
        let label = self.new_label();
        self.scope().pending.insert(name, (label, offset));
        Ok(label)
    }

    fn instruction(&mut self) -> Result<(), Error> {
        let offset = self.cursor.offset();
        let guard = self.guard()?;
        let here = self.cursor.clone();
        let name = self.cursor.expect(Token::Name, "an instruction")?;
        let Some(opcode) = Opcode::from_name(name) else {
            return Err(here.error(unknown_instruction(name)));
        };
        let mut instruction = Instruction {
            guard,
            opcode,
            modifiers: ModifierSet::default(),
            types: SmallVec::new(),
            operands: SmallVec::new(),
            call: None,
            offset,
        };
        self.suffixes(&mut instruction)?;
        if opcode == Opcode::Call {
            instruction.call = Some(Box::new(self.call()?));
        } else {
            self.operands(&mut instruction)?;
            self.check_operands(&instruction, &here)?;
        }
        self.cursor
            .expect(Token::Semicolon, "`;` after an instruction")?;
        self.body.instructions.push(instruction);
        Ok(())
    }

    fn guard(&mut self) -> Result<Option<Guard>, Error> {
        if !self.cursor.accept(Token::At) {
            return Ok(None);
        }
        let negated = self.cursor.accept(Token::Not);
        let predicate = self.register()?;
        Ok(Some(Guard { predicate, negated }))
    }

    /// The types and modifiers after an opcode.
    fn suffixes(&mut self, instruction: &mut Instruction) -> Result<(), Error> {
        let form = instruction.opcode.form();
        while let Some(word) = self.cursor.dotted() {
            if let Some(ty) = Type::from_word(word) {
                instruction.types.push(ty);
            } else {
                let known = Modifier::from_word(word).filter(|&m| form.modifiers.has(m));
                let modifier = known.ok_or_else(|| {
                    self.cursor.error(Reason::UnknownModifier {
                        opcode: form.name,
                        word: word.to_owned(),
                    })
                })?;
                instruction.modifiers = instruction.modifiers.with(modifier);
            }
            self.cursor.advance();
        }
        let (least, most) = form.types;
        let found = instruction.types.len();
        if (least..=most).contains(&found) {
            return Ok(());
        }
        let opcode = form.name;
        let expected = count_range(least, most);
        Err(self.cursor.error(Reason::TypeCount {
            opcode,
            expected,
            found,
        }))
    }

    fn operands(&mut self, instruction: &mut Instruction) -> Result<(), Error> {
        let form = instruction.opcode.form();
        if self.cursor.peek() == Some(Token::Semicolon) {
            return Ok(());
        }
        loop {
            let role = form.roles.get(instruction.operands.len());
            let operand = match role {
                Some(Role::Label) => self.label_operand()?,
                _ => self.operand()?,
            };
            instruction.operands.push(operand);
            if !self.cursor.accept(Token::Comma) {
                return Ok(());
            }
        }
    }

    /// Checks the operands' number and kinds against the opcode's row.
    fn check_operands(&self, instruction: &Instruction, here: &Cursor<'_>) -> Result<(), Error> {
        let form = instruction.opcode.form();
        let found = instruction.operands.len();
        if !(form.required..=form.roles.len()).contains(&found) {
            let expected = count_range(form.required, form.roles.len());
            let opcode = form.name;
            return Err(here.error(Reason::OperandCount {
                opcode,
                expected,
                found,
            }));
        }
        for (index, (operand, role)) in instruction.operands.iter().zip(form.roles).enumerate() {
            if let Err(expected) = role.check(operand) {
                return Err(here.error(operand_kind(form, index, expected)));
            }
        }
        Ok(())
    }

    fn label_operand(&mut self) -> Result<Operand, Error> {
        let name = self.cursor.slice();
        let table = self
            .scopes
            .iter()
            .rev()
            .find_map(|scope| match scope.names.get(name) {
                Some(&Name::BranchTable(table)) => Some(table),
                _ => None,
            });
        if let Some(table) = table {
            self.cursor.advance();
            return Ok(Operand::BranchTable(table));
        }
        self.label().map(Operand::Label)
    }

    /// `(returned), callee, (arguments), prototype`; all but the callee may be
    /// absent.
    fn call(&mut self) -> Result<Call, Error> {
        let returns = match self.cursor.peek() {
            Some(Token::LeftParenthesis) => {
                let returns = self.operand_list()?;
                self.cursor.expect(Token::Comma, "`,`")?;
                returns
            }
            _ => Vec::new(),
        };
        let callee = self.callee()?;
        let mut arguments = Vec::new();
        if self.cursor.accept(Token::Comma) {
            if self.cursor.peek() == Some(Token::LeftParenthesis) {
                arguments = self.operand_list()?;
            }
            if self.cursor.accept(Token::Comma) || self.cursor.peek() == Some(Token::Name) {
                self.cursor.expect(Token::Name, "a prototype")?;
            }
        }
        Ok(Call {
            returns,
            callee,
            arguments,
        })
    }

    fn callee(&mut self) -> Result<Callee, Error> {
        let here = self.cursor.clone();
        let name = self.cursor.expect(Token::Name, "a function's name")?;
        match self.lookup(name) {
            Some(Name::Register(register)) => Ok(Callee::Indirect(register)),
            Some(Name::Symbol(Symbol::Function(function))) => Ok(Callee::Function(function)),
            _ => Err(here.error(Reason::UnknownSymbol(name.to_owned()))),
        }
    }

    fn operand_list(&mut self) -> Result<Vec<Operand>, Error> {
        self.cursor.expect(Token::LeftParenthesis, "`(`")?;
        let mut operands = Vec::new();
        while !self.cursor.accept(Token::RightParenthesis) {
            if !operands.is_empty() {
                self.cursor.expect(Token::Comma, "`,` or `)`")?;
            }
            operands.push(self.operand()?);
        }
        Ok(operands)
    }

    fn operand(&mut self) -> Result<Operand, Error> {
        match self.cursor.peek() {
            Some(Token::LeftBracket) => self.memory(),
            Some(Token::LeftBrace) => self.vector(),
            Some(Token::Not) => {
                self.cursor.advance();
                self.register().map(Operand::NotRegister)
            }
            Some(Token::Name) => self.named(),
            _ => declaration::immediate(&mut self.cursor).map(Operand::Immediate),
        }
    }

    fn vector(&mut self) -> Result<Operand, Error> {
        self.cursor.advance();
        let mut elements = Vec::new();
        loop {
            if self.cursor.peek() == Some(Token::LeftBrace) {
                return Err(self.cursor.unexpected("an element of a vector"));
            }
            elements.push(self.operand()?);
            if !self.cursor.accept(Token::Comma) {
                break;
            }
        }
        self.cursor.expect(Token::RightBrace, "`}`")?;
        Ok(Operand::Vector(elements))
    }

    /// `[%rd1+8]`, `[name]`, `[16]`
    fn memory(&mut self) -> Result<Operand, Error> {
        self.cursor.advance();
        let base = match self.cursor.peek() {
            Some(Token::Name) => {
                let here = self.cursor.clone();
                let name = self.cursor.expect(Token::Name, "an address")?;
                match self.lookup(name) {
                    Some(Name::Register(register)) => Base::Register(register),
                    Some(Name::Symbol(symbol)) => Base::Symbol(symbol),
                    _ => return Err(here.error(Reason::UnknownSymbol(name.to_owned()))),
                }
            }
            _ => Base::Absolute,
        };
        let offset = match (self.cursor.peek(), base) {
            (Some(Token::RightBracket), _) => 0,
            (_, Base::Absolute) => self.cursor.integer()? as i64,
            _ => self.byte_offset()?,
        };
        self.cursor.expect(Token::RightBracket, "`]`")?;
        Ok(Operand::Memory(base, offset))
    }

    /// `+8`, `+-8`, `-8`
    fn byte_offset(&mut self) -> Result<i64, Error> {
        if !self.cursor.accept(Token::Plus) && self.cursor.peek() != Some(Token::Minus) {
            return Err(self.cursor.unexpected("`+` or `]`"));
        }
        Ok(self.cursor.integer()? as i64)
    }

    fn named(&mut self) -> Result<Operand, Error> {
        let name = self.cursor.slice();
        if name == "_" {
            return self.sink();
        }
        match self.lookup(name) {
            Some(Name::Register(register)) => {
                self.cursor.advance();
                self.pair_or_register(register)
            }
            Some(Name::Symbol(symbol)) => {
                self.cursor.advance();
                let offset = match self.cursor.peek() {
                    Some(Token::Plus | Token::Minus) => self.byte_offset()?,
                    _ => 0,
                };
                Ok(Operand::Symbol(symbol, offset))
            }
            _ => match SpecialRegister::from_word(name) {
                Some(special) => {
                    self.cursor.advance();
                    self.component().map(|c| Operand::Special(special, c))
                }
                None => Err(self.cursor.error(Reason::UnknownSymbol(name.to_owned()))),
            },
        }
    }

    fn sink(&mut self) -> Result<Operand, Error> {
        self.cursor.advance();
        match self.cursor.accept(Token::Bar) {
            true => Ok(Operand::Pair(None, Some(self.register()?))),
            false => Ok(Operand::Sink),
        }
    }

    fn pair_or_register(&mut self, register: Register) -> Result<Operand, Error> {
        if !self.cursor.accept(Token::Bar) {
            return Ok(Operand::Register(register));
        }
        if self.cursor.slice() == "_" {
            self.cursor.advance();
            return Ok(Operand::Pair(Some(register), None));
        }
        Ok(Operand::Pair(Some(register), Some(self.register()?)))
    }

    fn component(&mut self) -> Result<usize, Error> {
        let Some(word) = self.cursor.dotted() else {
            return Ok(0);
        };
        let component = ["x", "y", "z", "w"].iter().position(|&c| c == word);
        let component = component.ok_or_else(|| self.cursor.unexpected("a component"))?;
        self.cursor.advance();
        Ok(component)
    }

    fn register(&mut self) -> Result<Register, Error> {
        let here = self.cursor.clone();
        let name = self.cursor.expect(Token::Name, "a register")?;
        match self.lookup(name) {
            Some(Name::Register(register)) => Ok(register),
            _ => Err(here.error(Reason::UnknownSymbol(name.to_owned()))),
        }
    }

    fn lookup(&self, name: &str) -> Option<Name> {
        let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u32> = name.get(prefix.len()..).and_then(|n| n.parse().ok());
        let local = self.scopes.iter().rev().find_map(|scope| {
            if let Some(&(first, count)) = scope.ranges.get(prefix)
                && let Some(number) = number.filter(|&n| n < count)
            {
                return Some(Name::Register(Register(first + number)));
            }
            scope.names.get(name).copied()
        });
        local.or_else(|| self.index.symbol(name).map(Name::Symbol))
    }
}

/// The token with this text at or after the cursor, so that the name borrows
/// from the module's text.
fn find_name<'t>(from: &Cursor<'t>, name: &str) -> &'t str {
    let mut cursor = from.clone();
    while !cursor.at_end() {
        if cursor.peek() == Some(Token::Name) && cursor.slice() == name {
            return cursor.slice();
        }
        cursor.advance();
    }
    ""
}

fn count_range(least: usize, most: usize) -> String {
    match least == most {
        true => least.to_string(),
        false => format!("{least} to {most}"),
    }
}

fn unknown_instruction(name: &str) -> Reason {
    match isa::is_not_read(name) {
        true => Reason::Unsupported(format!("`{name}` is not supported")),
        false => Reason::UnknownInstruction(name.to_owned()),
    }
}

fn operand_kind(form: &Form, index: usize, expected: &'static str) -> Reason {
    Reason::OperandKind {
        opcode: form.name,
        position: index + 1,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use super::super::index::index;
    use super::*;

    /// Parses a kernel with this body.
    fn parse(statements: &str) -> Result<Body, Error> {
        let text = format!(
            ".version 8.4\n.target sm_61\n.address_size 64\n.global .u32 g;\n\
             .extern .func (.param .b32 r) f (.param .b64 a);\n\
             .entry k(.param .u64 p) {{\n.reg .pred %p<4>; .reg .b32 %r<9>, %x; .reg .f32 %f<9>;\n\
             .reg .b64 %rd<9>;\n{statements}\n}}"
        );
        let index = index(&text)?;
        body(&text, &index, &index.functions[1])
    }

    fn one(statement: &str) -> Instruction {
        let mut body = parse(statement).unwrap();
        assert_eq!(body.instructions.len(), 1);
        body.instructions.remove(0)
    }

    #[test]
    fn modifiers_may_stand_in_any_order() {
        let a = one("ld.global.volatile.v2.u32 {%r1, %r2}, [%rd1+-8];");
        let b = one("ld.v2.volatile.global.u32 {%r1, %r2}, [%rd1-8];");
        assert_eq!((a.modifiers, &a.operands), (b.modifiers, &b.operands));
        assert!(a.modifiers.has(Modifier::Volatile));
        assert_eq!(
            a.operands[1],
            Operand::Memory(Base::Register(Register(15 + 9)), -8)
        );
    }

    #[test]
    fn guards_pairs_and_sinks_are_read() {
        let setp = one("@!%p0 setp.lt.and.s32 %p1|%p2, %r1, 5, !%p3;");
        assert!(setp.guard.unwrap().negated);
        assert_eq!(
            setp.operands[0],
            Operand::Pair(Some(Register(1)), Some(Register(2)))
        );
        assert_eq!(setp.operands[3], Operand::NotRegister(Register(3)));
        let shfl = one("shfl.sync.bfly.b32 %r1|_, %r2, 16, 31, -1;");
        assert_eq!(shfl.operands[0], Operand::Pair(Some(Register(5)), None));
        assert_eq!(
            one("mov.b64 {_, %r1}, %rd0;").operands[0],
            Operand::Vector(vec![Operand::Sink, Operand::Register(Register(5))])
        );
    }

    #[test]
    fn special_registers_have_components() {
        let mov = one("mov.u32 %r1, %ctaid.y;");
        assert_eq!(mov.operands[1], Operand::Special(SpecialRegister::Ctaid, 1));
    }

    #[test]
    fn addresses_of_variables_are_symbols() {
        assert_eq!(
            one("mov.u64 %rd1, g+4;").operands[1],
            Operand::Symbol(Symbol::Module(0), 4)
        );
        let load = one("ld.param.u64 %rd1, [p];");
        assert_eq!(
            load.operands[1],
            Operand::Memory(Base::Symbol(Symbol::Parameter(0)), 0)
        );
    }

    #[test]
    fn labels_resolve_forward_backward_and_out_of_scopes() {
        let body = parse(
            "back: bra out; { bra inner; inner: bra back; bra out; } { bra inner; inner: ret; } out: ret;",
        )
        .unwrap();
        let targets: Vec<_> = body
            .instructions
            .iter()
            .filter_map(|i| match i.operands.first() {
                Some(Operand::Label(label)) => Some(body.labels[label.0 as usize]),
                _ => None,
            })
            .collect();
        assert_eq!(targets, [6, 2, 0, 6, 5]);
    }

    #[test]
    fn inner_scopes_hide_outer_registers() {
        let body = parse("{ .reg .f32 %x; mov.f32 %x, 0f00000000; } mov.u32 %x, 1;").unwrap();
        let written = |i: usize| match body.instructions[i].operands[0] {
            Operand::Register(register) => body.registers[register.0 as usize].ty,
            _ => Type::Pred,
        };
        assert_eq!((written(0), written(1)), (Type::F32, Type::B32));
    }

    #[test]
    fn calls_and_branch_tables_are_read() {
        let body = parse(
            "{ .param .b64 a0; .param .b32 r0; call.uni (r0), f, (a0); }
             t: .branchtargets one, two; brx.idx %r1, t; one: ret; two: exit;",
        )
        .unwrap();
        let call = body.instructions[0].call.as_ref().unwrap();
        assert_eq!(call.callee, Callee::Function(0));
        assert_eq!((call.returns.len(), call.arguments.len()), (1, 1));
        assert_eq!(body.branch_tables[0].len(), 2);
        assert_eq!(body.instructions[1].operands[1], Operand::BranchTable(0));
    }

    #[test]
    fn errors_name_the_line_the_column_and_the_instruction() {
        let cases = [
            ("frobnicate.u32 %r1;", "unknown instruction `frobnicate`"),
            (
                "add.sparkly.s32 %r1, %r2, %r3;",
                "`add` takes no modifier `.sparkly`",
            ),
            ("add %r1, %r2, %r3;", "`add` takes 1 types, found 0"),
            ("add.s32 %r1, %r2;", "`add` takes 3 operands, found 2"),
            (
                "add.s32 [%rd1], %r2, %r3;",
                "operand 1 of `add` must be a register",
            ),
            ("mov.u32 %r1, %r99;", "unknown symbol `%r99`"),
            ("bra nowhere;", "unknown symbol `nowhere`"),
            ("a: ret; a: ret;", "`a` is declared already"),
            ("mov.u32 %r1, 5 6;", "expected `;`"),
            ("mov.b64 %rd1, {{%r1}};", "an element of a vector"),
            (".reg .b32 %q<4294967295>;", "out of range"),
        ];
        for (statement, expected) in cases {
            let message = parse(statement).unwrap_err().to_string();
            assert!(message.contains(expected), "{statement}: {message}");
            assert!(message.starts_with("line 9, column "), "{message}");
        }
    }
}
