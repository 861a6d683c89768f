//! A module's table of contents: its directives, variables and functions with
//! everything that attribute queries ask for. Bodies are skipped, so that
//! loading a module of ten megabytes takes milliseconds; a body is parsed when
//! its kernel is compiled.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::ast::{Symbol, Variable};
use super::declaration;
use super::error::{Error, Reason};
use super::token::{Cursor, Token};
use super::words::{Linkage, StateSpace};

/// The newest PTX ISA version whose text this front end reads.
pub const NEWEST_VERSION: (u32, u32) = (9, 9);

/// A module without its bodies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ModuleIndex {
    /// `.version` (major, minor).
    pub version: (u32, u32),
    /// The architecture of `.target`: 61 for sm_61.
    pub sm: u32,
    /// Bits of an address: 64.
    pub address_bits: u32,
    /// Variables of module scope.
    pub variables: Vec<Variable>,
    /// Functions and kernels, declared or defined.
    pub functions: Vec<Function>,
    names: FxHashMap<String, Symbol>,
}

/// A formal parameter and its place in the parameter buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, type, size and alignment.
    pub variable: Variable,
    /// Bytes from the start of the buffer.
    pub offset: u64,
}

/// Limits that a kernel declares; 0 where it declares none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// `.maxntid`: the most threads of a block in each dimension.
    pub maxntid: [u32; 3],
    /// `.reqntid`: the exact block size.
    pub reqntid: [u32; 3],
    /// `.minnctapersm`
    pub minnctapersm: u32,
    /// `.maxnreg`
    pub maxnreg: u32,
}

impl Limits {
    /// The most threads that a block may have by `.maxntid`, if declared.
    #[must_use]
    pub fn max_threads(&self) -> Option<u32> {
        declared(self.maxntid).map(|block| block.into_iter().fold(1, u32::saturating_mul))
    }

    /// The only block that a launch may have, by `.reqntid`, if declared.
    #[must_use]
    pub fn exact_block(&self) -> Option<[u32; 3]> {
        declared(self.reqntid)
    }
}

/// A directive's dimensions, those left out as 1; `None` without the directive.
fn declared(dimensions: [u32; 3]) -> Option<[u32; 3]> {
    (dimensions[0] != 0).then(|| dimensions.map(|dimension| dimension.max(1)))
}

/// A kernel (`.entry`) or function (`.func`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The name as written.
    pub name: String,
    /// Whether it is a kernel.
    pub is_entry: bool,
    /// How far it is visible.
    pub linkage: Linkage,
    /// What a `.func` returns.
    pub returns: Vec<Parameter>,
    /// Formal parameters.
    pub parameters: Vec<Parameter>,
    /// Declared limits.
    pub limits: Limits,
    /// Where the body lies in the text, from `{` to after `}`; absent in a
    /// declaration.
    pub body: Option<Range<usize>>,
    /// `.shared` and `.local` variables that the body declares.
    pub body_variables: Vec<Variable>,
}

impl Function {
    /// Bytes of the parameter buffer.
    #[must_use]
    pub fn parameter_bytes(&self) -> u64 {
        let end = |p: &Parameter| p.offset + p.variable.size();
        self.parameters.last().map_or(0, end)
    }

    /// Bytes of `.local` variables a thread.
    #[must_use]
    pub fn local_bytes(&self) -> u64 {
        let locals = self
            .body_variables
            .iter()
            .filter(|v| v.space == StateSpace::Local);
        locals.fold(0, |end, v| align_up(end, v.align) + v.size())
    }
}

/// `offset` rounded up to a multiple of `align`.
#[must_use]
pub fn align_up(offset: u64, align: u32) -> u64 {
    offset.next_multiple_of(u64::from(align.max(1)))
}

impl ModuleIndex {
    /// The variable or function of module scope with this name.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        self.names.get(name).copied()
    }

    /// The function or kernel with this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        match self.symbol(name) {
            Some(Symbol::Function(index)) => self.functions.get(index),
            _ => None,
        }
    }

    /// The variable of module scope with this name.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        match self.symbol(name) {
            Some(Symbol::Module(index)) => self.variables.get(index),
            _ => None,
        }
    }

    /// The kernels in the order of the text.
    pub fn entries(&self) -> impl Iterator<Item = &Function> {
        self.functions.iter().filter(|f| f.is_entry)
    }
}

/// Reads a module's directives, declarations and function headers.
///
/// # Errors
/// Where the text is not PTX, is PTX of an unknown version or for 32-bit
/// addresses, or ends early.
pub fn index(text: &str) -> Result<ModuleIndex, Error> {
    let mut reader = Reader {
        cursor: Cursor::new(text, 0),
        index: ModuleIndex {
            address_bits: 64,
            ..ModuleIndex::default()
        },
    };
    while !reader.cursor.at_end() {
        reader.directive()?;
    }
    reader.check_header()?;
    Ok(reader.index)
}

struct Reader<'t> {
    cursor: Cursor<'t>,
    index: ModuleIndex,
}

impl Reader<'_> {
    fn directive(&mut self) -> Result<(), Error> {
        let Some(word) = self.cursor.dotted() else {
            return Err(self.cursor.unexpected("a directive"));
        };
        match word {
            "version" => self.version(),
            "target" => self.target(),
            "address_size" => self.address_size(),
            "file" | "loc" => {
                self.cursor.skip_line();
                Ok(())
            }
            "pragma" | "alias" => self.cursor.skip_statement(),
            "section" => self.skip_section(),
            _ => self.declaration(),
        }
    }

    fn version(&mut self) -> Result<(), Error> {
        self.cursor.advance();
        let here = self.cursor.clone();
        let number = self
            .cursor
            .expect(Token::Decimal, "a version such as 8.4")?;
        let version = number
            .split_once('.')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
            .ok_or_else(|| here.unexpected("a version such as 8.4"))?;
        if version > NEWEST_VERSION {
            let (major, minor) = NEWEST_VERSION;
            return Err(here.error(Reason::Version(format!(
                "PTX version {number} is newer than {major}.{minor}, the newest known"
            ))));
        }
        self.index.version = version;
        Ok(())
    }

    fn target(&mut self) -> Result<(), Error> {
        self.cursor.advance();
        loop {
            let here = self.cursor.clone();
            let name = self.cursor.expect(Token::Name, "a target such as sm_61")?;
            if let Some(sm) = name.strip_prefix("sm_") {
                let digits = sm.trim_end_matches(|c: char| c.is_ascii_lowercase());
                self.index.sm = digits
                    .parse()
                    .map_err(|_| here.unexpected("a target such as sm_61"))?;
            }
            if !self.cursor.accept(Token::Comma) {
                return Ok(());
            }
        }
    }

    fn address_size(&mut self) -> Result<(), Error> {
        self.cursor.advance();
        let here = self.cursor.clone();
        self.index.address_bits = self.cursor.u32()?;
        if self.index.address_bits == 64 {
            return Ok(());
        }
        let bits = self.index.address_bits;
        Err(here.error(Reason::Version(format!(
            "addresses of {bits} bits are not supported, only of 64"
        ))))
    }

    fn skip_section(&mut self) -> Result<(), Error> {
        while self.cursor.peek() != Some(Token::LeftBrace) {
            if self.cursor.peek().is_none() {
                return Err(self.cursor.unexpected("`{`"));
            }
            self.cursor.advance();
        }
        let text = self.cursor.text();
        let body = scan_body(text, self.cursor.offset())?;
        self.cursor = Cursor::new(text, body.end);
        Ok(())
    }

    fn declaration(&mut self) -> Result<(), Error> {
        let mut linkage = Linkage::Internal;
        loop {
            let Some(word) = self.cursor.dotted() else {
                return Err(self.cursor.unexpected("a declaration"));
            };
            if let Some(found) = Linkage::from_word(word) {
                linkage = found;
                self.cursor.advance();
            } else if word == "entry" || word == "func" {
                self.cursor.advance();
                return self.function(word == "entry", linkage);
            } else if let Some(space) = StateSpace::from_word(word) {
                self.cursor.advance();
                return self.variables(space, linkage);
            } else {
                return Err(self.cursor.unexpected("a directive"));
            }
        }
    }

    fn variables(&mut self, space: StateSpace, linkage: Linkage) -> Result<(), Error> {
        let here = self.cursor.clone();
        for variable in declaration::variables(&mut self.cursor, space, linkage)? {
            let symbol = Symbol::Module(self.index.variables.len());
            match self.index.names.insert(variable.name.clone(), symbol) {
                // A declaration may precede the definition.
                Some(Symbol::Module(earlier))
                    if self.index.variables[earlier].linkage == Linkage::Extern =>
                {
                    self.index
                        .names
                        .insert(variable.name.clone(), Symbol::Module(earlier));
                    self.index.variables[earlier] = variable;
                }
                Some(earlier @ Symbol::Module(_)) if linkage == Linkage::Extern => {
                    self.index.names.insert(variable.name, earlier);
                }
                Some(_) => return Err(here.error(Reason::Redeclared(variable.name))),
                None => self.index.variables.push(variable),
            }
        }
        Ok(())
    }

    fn function(&mut self, is_entry: bool, linkage: Linkage) -> Result<(), Error> {
        let returns = self.parameters()?;
        let here = self.cursor.clone();
        let name = self
            .cursor
            .expect(Token::Name, "a function's name")?
            .to_owned();
        let parameters = self.parameters()?;
        let limits = self.limits()?;
        let body = self.body()?;
        let (body, body_variables) = match body {
            Some(body) => (Some(body.start..body.end), body.variables),
            None => (None, Vec::new()),
        };
        self.define(
            Function {
                name,
                is_entry,
                linkage,
                returns,
                parameters,
                limits,
                body,
                body_variables,
            },
            &here,
        )
    }

    /// Adds a function; a definition replaces an earlier declaration.
    fn define(&mut self, function: Function, here: &Cursor<'_>) -> Result<(), Error> {
        match self.index.names.get(&function.name) {
            Some(&Symbol::Function(earlier)) => {
                let slot = &mut self.index.functions[earlier];
                match (slot.body.is_some(), function.body.is_some()) {
                    (true, true) => {
                        return Err(here.error(Reason::Redeclared(function.name)));
                    }
                    (false, true) => *slot = function,
                    (_, false) => {}
                }
            }
            Some(_) => return Err(here.error(Reason::Redeclared(function.name))),
            None => {
                let symbol = Symbol::Function(self.index.functions.len());
                self.index.names.insert(function.name.clone(), symbol);
                self.index.functions.push(function);
            }
        }
        Ok(())
    }

    /// A parenthesized list of parameters; absent is empty.
    fn parameters(&mut self) -> Result<Vec<Parameter>, Error> {
        let mut parameters = Vec::new();
        let mut end = 0u64;
        if !self.cursor.accept(Token::LeftParenthesis) {
            return Ok(parameters);
        }
        while !self.cursor.accept(Token::RightParenthesis) {
            if !parameters.is_empty() {
                self.cursor.expect(Token::Comma, "`,` or `)`")?;
            }
            let space = self.cursor.dotted().and_then(StateSpace::from_word);
            let space = space.ok_or_else(|| self.cursor.unexpected("`.param`"))?;
            self.cursor.advance();
            let variable = declaration::variable(&mut self.cursor, space, Linkage::Internal)?;
            let offset = align_up(end, variable.align);
            end = offset.saturating_add(variable.size());
            parameters.push(Parameter { variable, offset });
        }
        Ok(parameters)
    }

    fn limits(&mut self) -> Result<Limits, Error> {
        let mut limits = Limits::default();
        while let Some(word) = self.cursor.dotted() {
            self.cursor.advance();
            match word {
                "maxntid" => limits.maxntid = self.dimensions()?,
                "reqntid" => limits.reqntid = self.dimensions()?,
                "minnctapersm" => limits.minnctapersm = self.cursor.u32()?,
                "maxnreg" => limits.maxnreg = self.cursor.u32()?,
                "reqnctapercluster" => {
                    self.dimensions()?;
                }
                "maxnctapersm" | "maxclusterrank" | "abi_preserve" | "abi_preserve_control" => {
                    self.cursor.u32()?;
                }
                "noreturn" | "explicitcluster" | "blocksareclusters" => {}
                "pragma" => self.cursor.skip_statement()?,
                "attribute" => declaration::skip_parentheses(&mut self.cursor)?,
                _ => return Err(self.cursor.unexpected("a performance directive")),
            }
        }
        Ok(limits)
    }

    fn dimensions(&mut self) -> Result<[u32; 3], Error> {
        let mut dimensions = [1; 3];
        for (index, dimension) in dimensions.iter_mut().enumerate() {
            if index > 0 && !self.cursor.accept(Token::Comma) {
                break;
            }
            *dimension = self.cursor.u32()?;
        }
        Ok(dimensions)
    }

    fn body(&mut self) -> Result<Option<SkippedBody>, Error> {
        match self.cursor.peek() {
            Some(Token::LeftBrace) => {
                let text = self.cursor.text();
                let body = scan_body(text, self.cursor.offset())?;
                self.cursor = Cursor::new(text, body.end);
                Ok(Some(body))
            }
            Some(Token::Semicolon) => {
                self.cursor.advance();
                Ok(None)
            }
            _ => Err(self.cursor.unexpected("`{` or `;`")),
        }
    }

    fn check_header(&self) -> Result<(), Error> {
        let missing = match (self.index.version, self.index.sm) {
            ((0, 0), _) => "`.version`",
            (_, 0) => "`.target`",
            _ => return Ok(()),
        };
        Err(self.cursor.unexpected(missing))
    }
}

struct SkippedBody {
    start: usize,
    end: usize,
    variables: Vec<Variable>,
}

/// Finds the end of the body that starts with `{` at `start`, and the `.shared`
/// and `.local` declarations in it: a statement is looked at only where its
/// first byte is a dot.
fn scan_body(text: &str, start: usize) -> Result<SkippedBody, Error> {
    let bytes = text.as_bytes();
    let mut variables = Vec::new();
    let mut depth = 0usize;
    let mut at = start;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&b| SEPARATOR[b as usize]))
    {
        at += found;
        match bytes[at] {
            b'{' => depth += 1,
            b'}' if depth <= 1 => {
                let end = at + 1;
                return Ok(SkippedBody {
                    start,
                    end,
                    variables,
                });
            }
            b'}' => depth -= 1,
            b'"' => {
                at = skip_string(bytes, at);
                continue;
            }
            // A declaration may follow a comment: look there too.
            b'/' => at = skip_comment(bytes, at) - 1,
            _ => {}
        }
        at += 1;
        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        if bytes.get(at) == Some(&b'.') {
            at = body_directive(text, at, &mut variables)?;
        }
    }
    Err(Cursor::new(text, bytes.len()).unexpected("`}` at the end of a body"))
}

/// The bytes that end a statement or start a comment or string.
static SEPARATOR: [bool; 256] = {
    let mut table = [false; 256];
    let separators = b"{};:/\"";
    let mut index = 0;
    while index < separators.len() {
        table[separators[index] as usize] = true;
        index += 1;
    }
    table
};

fn skip_string(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

fn skip_comment(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let len = match rest.get(1) {
        Some(b'/') => rest.iter().position(|&b| b == b'\n'),
        Some(b'*') => rest[2..].windows(2).position(|w| w == b"*/").map(|i| i + 4),
        _ => Some(1),
    };
    at + len.unwrap_or(rest.len())
}

/// Reads the directive at `at` where it declares memory; returns where to scan on.
fn body_directive(text: &str, at: usize, variables: &mut Vec<Variable>) -> Result<usize, Error> {
    let rest = &text.as_bytes()[at..];
    let space = match rest {
        _ if rest.starts_with(b".shared") => StateSpace::Shared,
        _ if rest.starts_with(b".local") => StateSpace::Local,
        _ => return Ok(at),
    };
    let mut cursor = Cursor::new(text, at);
    cursor.advance();
    variables.extend(declaration::variables(
        &mut cursor,
        space,
        Linkage::Internal,
    )?);
    // The scan looks at what follows a separator, so it resumes at the `;`.
    let end = cursor.offset();
    let semicolon = text.as_bytes()[at..end].iter().rposition(|&b| b == b';');
    Ok(semicolon.map_or(end, |i| at + i))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = ".version 8.4\n.target sm_61\n.address_size 64\n";

    fn indexed(rest: &str) -> ModuleIndex {
        index(&format!("{HEADER}{rest}")).unwrap()
    }

    fn rejected(text: &str) -> Error {
        index(text).unwrap_err()
    }

    #[test]
    fn parameters_are_laid_out_by_their_alignment() {
        let index = indexed(
            ".visible .entry k(.param .u8 a, .param .u64 .ptr .global .align 16 b,
               .param .align 8 .b8 c[12], .param .v2 .f32 d) { ret; }",
        );
        let k = index.function("k").unwrap();
        let layout: Vec<_> = k
            .parameters
            .iter()
            .map(|p| (p.offset, p.variable.size(), p.variable.align))
            .collect();
        assert_eq!(layout, [(0, 1, 1), (8, 8, 8), (16, 12, 8), (32, 8, 8)]);
        assert_eq!(k.parameter_bytes(), 40);
        assert!(k.is_entry && k.linkage == Linkage::Visible);
    }

    #[test]
    fn limits_are_read_in_any_order() {
        let index = indexed(".entry k() .minnctapersm 2 .maxntid 128, 2, 1 .maxnreg 64 { }");
        let limits = index.function("k").unwrap().limits;
        assert_eq!(limits.max_threads(), Some(256));
        assert_eq!((limits.minnctapersm, limits.maxnreg), (2, 64));
        assert_eq!(limits.exact_block(), None);
    }

    #[test]
    fn a_required_block_is_no_upper_limit() {
        let index = indexed(".entry k() .reqntid 64, 2 { }");
        let limits = index.function("k").unwrap().limits;
        assert_eq!(limits.exact_block(), Some([64, 2, 1]));
        assert_eq!(limits.max_threads(), None);
    }

    #[test]
    fn memory_declared_in_bodies_is_found_without_parsing_them() {
        let index = indexed(
            ".entry k() { // } {\n .reg .b32 %r<2>; .shared .align 16 .b8 s[64];
               // demoted variable
               .shared .b8 d[4]; { .local .align 8 .b8 l[40]; } /* .shared .b8 no[1]; } */
               .pragma \"no}unroll\"; @garbage? $$ ; }
             .entry after() { ret; }",
        );
        let k = index.function("k").unwrap();
        let names: Vec<_> = k
            .body_variables
            .iter()
            .map(|v| (&*v.name, v.size()))
            .collect();
        assert_eq!(names, [("s", 64), ("d", 4), ("l", 40)]);
        assert_eq!(k.local_bytes(), 40);
        assert!(index.function("after").is_some());
    }

    #[test]
    fn a_definition_replaces_its_declaration() {
        let index = indexed(".func f(.param .b32 a); .func f(.param .b32 a) { ret; }");
        assert_eq!(index.functions.len(), 1);
        assert!(index.function("f").unwrap().body.is_some());
    }

    #[test]
    fn an_extern_variable_and_its_definition_are_one() {
        let index = indexed(".extern .global .u32 x; .visible .global .u32 x = 7;");
        assert_eq!(index.variables.len(), 1);
        assert_eq!(index.variable("x").unwrap().linkage, Linkage::Visible);
    }

    #[test]
    fn an_extern_shared_array_has_no_size() {
        let index = indexed(".extern .shared .align 16 .b8 dynamic[];");
        let variable = index.variable("dynamic").unwrap();
        assert_eq!((variable.count, variable.align), (None, 16));
    }

    #[test]
    fn debug_sections_are_skipped() {
        let index = indexed(
            ".file 1 \"a.cu\", 1, 2\n.section .debug_str { info: .b8 1,2 }\n.entry k() { }",
        );
        assert_eq!(index.entries().count(), 1);
    }

    #[test]
    fn initializers_hold_numbers_addresses_and_strings_of_bytes() {
        let text = format!(
            "{HEADER}.global .u32 a[4] = {{1, -1, 0x10}};
             .global .u64 b[2] = {{generic(a)+4, a}};
             .global .f32 c = 0f3F800000; .global .b16 d[2][2] = {{{{1,2}},{{3,4}}}};"
        );
        let index = index(&text).unwrap();
        let read = |name: &str| {
            let variable = index.variable(name).unwrap();
            declaration::initializer(&text, variable, |name| index.symbol(name)).unwrap()
        };
        assert_eq!(
            read("a").bytes,
            [1, 0, 0, 0, 255, 255, 255, 255, 16, 0, 0, 0]
        );
        assert_eq!(read("c").bytes, 1f32.to_le_bytes());
        assert_eq!(read("d").bytes, [1, 0, 2, 0, 3, 0, 4, 0]);
        let relocations = read("b").relocations;
        assert_eq!(relocations.len(), 2);
        assert_eq!(
            (
                relocations[0].offset,
                relocations[0].addend,
                relocations[0].generic
            ),
            (0, 4, true)
        );
        assert_eq!((relocations[1].offset, relocations[1].generic), (8, false));
    }

    #[test]
    fn an_initializer_longer_than_its_variable_is_refused() {
        let text = format!("{HEADER}.global .u8 a[2] = {{1, 2, 3}};");
        let index = index(&text).unwrap();
        let variable = index.variable("a").unwrap();
        assert!(declaration::initializer(&text, variable, |_| None).is_err());
    }

    #[test]
    fn what_is_no_module_is_refused_with_its_place() {
        let cases = [
            ("", "expected `.version`"),
            ("hello", "line 1, column 1: expected a directive"),
            (".version 99.0", "newer than"),
            (".version 8.0 .target sm_61 .address_size 32", "32 bits"),
            (".version 8.0 .target sm_61 .entry k() {", "`}` at the end"),
            (
                ".version 8.0 .target sm_61 .global .u32 x[",
                "expected an integer",
            ),
            (
                ".version 8.0 .target sm_61 .global .u32 x; .global .u32 x;",
                "declared already",
            ),
            (
                ".version 8.0 .target sm_61 .global .b8 x[99999999999999];",
                "out of range",
            ),
        ];
        for (text, expected) in cases {
            let message = rejected(text).to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn every_truncation_returns() {
        let text = format!(
            "{HEADER}.global .u64 b[2] = {{generic(b)+4, 7}};
             .entry k(.param .u64 p) .maxntid 1 {{ .shared .b8 s[4]; /* x */ {{ ret; }} }}"
        );
        for len in 0..text.len() {
            if let Ok(index) = index(&text[..len]) {
                assert!(index.function("k").is_none(), "{len}");
            }
        }
    }
}
