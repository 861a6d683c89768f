//! Declarations of variables, which look alike in a module, in a parameter list
//! and in a body; and initializers, which are read only when somebody asks.

use super::ast::{Immediate, Initializer, Relocation, Symbol, Variable};
use super::error::{Error, Reason};
use super::token::{Cursor, Token};
use super::words::{Linkage, StateSpace, Type};

/// Reads a variable after its state space: `.align 4 .b8 name[16] = {…}`. The
/// terminator (`;`, `,` or `)`) is left.
///
/// # Errors
/// Where the text is no declaration.
pub fn variable(
    cursor: &mut Cursor<'_>,
    space: StateSpace,
    linkage: Linkage,
) -> Result<Variable, Error> {
    let prefix = Prefix::parse(cursor)?;
    prefix.declare(cursor, space, linkage)
}

/// Reads the rest of a declaration statement, which may name several variables,
/// and its semicolon.
///
/// # Errors
/// Where the text is no declaration.
pub fn variables(
    cursor: &mut Cursor<'_>,
    space: StateSpace,
    linkage: Linkage,
) -> Result<Vec<Variable>, Error> {
    let prefix = Prefix::parse(cursor)?;
    let mut variables = vec![prefix.declare(cursor, space, linkage)?];
    while cursor.accept(Token::Comma) {
        variables.push(prefix.declare(cursor, space, linkage)?);
    }
    cursor.expect(Token::Semicolon, "`;` after a declaration")?;
    Ok(variables)
}

/// What stands before the name: alignment, vector size, type.
struct Prefix {
    align: Option<u32>,
    lanes: u64,
    ty: Type,
}

impl Prefix {
    fn parse(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let (mut align, mut lanes, mut ty) = (None, 1, None);
        while let Some(word) = cursor.dotted() {
            match word {
                "align" => {
                    cursor.advance();
                    align = Some(alignment(cursor)?);
                }
                "v2" | "v4" | "v8" => {
                    lanes = u64::from(word.as_bytes()[1] - b'0');
                    cursor.advance();
                }
                "attribute" => {
                    cursor.advance();
                    skip_parentheses(cursor)?;
                }
                "ptr" => {
                    cursor.advance();
                    skip_pointer_attributes(cursor)?;
                }
                _ => {
                    let parsed = Type::from_word(word);
                    ty = Some(parsed.ok_or_else(|| cursor.unexpected("a type"))?);
                    cursor.advance();
                }
            }
        }
        let ty = ty.ok_or_else(|| cursor.unexpected("a type"))?;
        Ok(Self { align, lanes, ty })
    }

    fn declare(
        &self,
        cursor: &mut Cursor<'_>,
        space: StateSpace,
        linkage: Linkage,
    ) -> Result<Variable, Error> {
        let name = cursor.expect(Token::Name, "a name")?.to_owned();
        let mut count = Some(self.lanes);
        while cursor.accept(Token::LeftBracket) {
            if cursor.accept(Token::RightBracket) {
                count = None;
                continue;
            }
            let here = cursor.clone();
            let dimension = cursor.integer()?;
            cursor.expect(Token::RightBracket, "`]`")?;
            count = count
                .map(|count| array_size(&here, count, dimension))
                .transpose()?;
        }
        let initializer = match cursor.accept(Token::Equal) {
            true => Some(skip_initializer(cursor)?),
            false => None,
        };
        let natural = self.ty.bytes() * self.lanes as u32;
        Ok(Variable {
            name,
            space,
            ty: self.ty,
            count,
            align: self.align.unwrap_or(natural).max(1),
            linkage,
            initializer,
        })
    }
}

/// An array's element count after one more dimension; more than 2^40 elements
/// exceed every device.
fn array_size(here: &Cursor<'_>, count: u64, dimension: i128) -> Result<u64, Error> {
    u64::try_from(dimension)
        .ok()
        .and_then(|dimension| count.checked_mul(dimension))
        .filter(|&count| count <= 1 << 40)
        .ok_or_else(|| here.error(Reason::NumberRange(dimension.to_string())))
}

fn alignment(cursor: &mut Cursor<'_>) -> Result<u32, Error> {
    let here = cursor.clone();
    let align = cursor.u32()?;
    if align.is_power_of_two() && align <= 1 << 20 {
        return Ok(align);
    }
    Err(here.error(Reason::NumberRange(align.to_string())))
}

/// `.ptr .global .align 8` on a parameter describes what it points to.
fn skip_pointer_attributes(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    if cursor.dotted().and_then(StateSpace::from_word).is_some() {
        cursor.advance();
    }
    if cursor.accept_dotted("align") {
        alignment(cursor)?;
    }
    Ok(())
}

/// Skips `( … )`.
pub fn skip_parentheses(cursor: &mut Cursor<'_>) -> Result<(), Error> {
    cursor.expect(Token::LeftParenthesis, "`(`")?;
    while !cursor.accept(Token::RightParenthesis) {
        if cursor.peek().is_none() {
            return Err(cursor.unexpected("`)`"));
        }
        cursor.advance();
    }
    Ok(())
}

/// Skips to the `;` or top-level `,` after an initializer without reading
/// numbers: stock modules hold tables of thousands.
fn skip_initializer(cursor: &mut Cursor<'_>) -> Result<(usize, usize), Error> {
    let start = cursor.offset();
    let bytes = cursor.text().as_bytes();
    let mut depth = 0usize;
    for (index, &byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'{' | b'(' => depth += 1,
            b'}' | b')' => depth = depth.saturating_sub(1),
            b';' | b',' if depth == 0 => {
                *cursor = Cursor::new(cursor.text(), index);
                return Ok((start, index));
            }
            b';' => break,
            _ => {}
        }
    }
    Err(cursor.unexpected("an initializer that ends with `;`"))
}

/// Reads the initializer of `variable`; `resolve` finds the symbols it names.
///
/// # Errors
/// Where the text is no initializer, names an unknown symbol, or holds more
/// elements than the variable.
pub fn initializer(
    text: &str,
    variable: &Variable,
    resolve: impl Fn(&str) -> Option<Symbol>,
) -> Result<Initializer, Error> {
    let Some((start, end)) = variable.initializer else {
        return Ok(Initializer::default());
    };
    let text = text.get(..end).unwrap_or_default();
    let mut reader = InitializerReader {
        cursor: Cursor::new(text, start),
        ty: variable.ty,
        size: variable.size(),
        resolve,
        initializer: Initializer::default(),
    };
    reader.elements()?;
    if !reader.cursor.at_end() {
        return Err(reader.cursor.unexpected("the end of the initializer"));
    }
    Ok(reader.initializer)
}

struct InitializerReader<'t, R> {
    cursor: Cursor<'t>,
    ty: Type,
    size: u64,
    resolve: R,
    initializer: Initializer,
}

impl<R: Fn(&str) -> Option<Symbol>> InitializerReader<'_, R> {
    /// Reads one element, or elements in braces nested to any depth.
    fn elements(&mut self) -> Result<(), Error> {
        let mut depth = 0usize;
        loop {
            while self.cursor.accept(Token::LeftBrace) {
                depth += 1;
            }
            if !(depth > 0 && self.cursor.peek() == Some(Token::RightBrace)) {
                self.element()?;
            }
            while depth > 0 && self.cursor.accept(Token::RightBrace) {
                depth -= 1;
            }
            if depth == 0 {
                return Ok(());
            }
            if self.cursor.peek() != Some(Token::LeftBrace) {
                self.cursor.expect(Token::Comma, "`,` or `}`")?;
            }
        }
    }

    fn element(&mut self) -> Result<(), Error> {
        let here = self.cursor.clone();
        match self.cursor.peek() {
            Some(Token::Name) => self.address()?,
            _ => {
                let value = immediate(&mut self.cursor)?;
                let bytes = self.ty.bytes() as usize;
                let bits = element_bits(value, self.ty);
                self.initializer
                    .bytes
                    .extend(&bits.to_le_bytes()[..bytes.min(16)]);
            }
        }
        if self.initializer.bytes.len() as u64 > self.size {
            let elements = format!("an initializer of {} bytes", self.size);
            return Err(here.unexpected(&elements));
        }
        Ok(())
    }

    /// `name`, `name+8`, `generic(name)`, `generic(name)+8`, `0xFF(name)` is
    /// not supported.
    fn address(&mut self) -> Result<(), Error> {
        let generic = self.cursor.slice() == "generic";
        if generic {
            self.cursor.advance();
            self.cursor.expect(Token::LeftParenthesis, "`(`")?;
        }
        let here = self.cursor.clone();
        let name = self.cursor.expect(Token::Name, "a symbol")?;
        let symbol = (self.resolve)(name)
            .ok_or_else(|| here.error(Reason::UnknownSymbol(name.to_owned())))?;
        let mut addend = self.addend()?;
        if generic {
            self.cursor.expect(Token::RightParenthesis, "`)`")?;
            addend += self.addend()?;
        }
        let size = self.ty.bytes();
        self.initializer.relocations.push(Relocation {
            offset: self.initializer.bytes.len() as u64,
            size,
            symbol,
            addend,
            generic,
        });
        let len = self.initializer.bytes.len() + size as usize;
        self.initializer.bytes.resize(len, 0);
        Ok(())
    }

    fn addend(&mut self) -> Result<i64, Error> {
        match self.cursor.peek() {
            Some(Token::Plus) => {
                self.cursor.advance();
                Ok(self.cursor.integer()? as i64)
            }
            Some(Token::Minus) => Ok(self.cursor.integer()? as i64),
            _ => Ok(0),
        }
    }
}

/// The bits of an initializer's element: literals convert to the element type.
fn element_bits(value: Immediate, ty: Type) -> u128 {
    match (value, ty) {
        (Immediate::F64(bits), Type::F32) => u128::from((f64::from_bits(bits) as f32).to_bits()),
        (Immediate::F32(bits), Type::F64) => u128::from(f64::from(f32::from_bits(bits)).to_bits()),
        (Immediate::F32(bits), _) => u128::from(bits),
        (Immediate::F64(bits), _) => u128::from(bits),
        (Immediate::Integer(value), Type::F32) => u128::from((value as f32).to_bits()),
        (Immediate::Integer(value), Type::F64) => u128::from((value as f64).to_bits()),
        (Immediate::Integer(value), _) => value as u128,
    }
}

/// Reads a literal, with an optional sign or complement.
pub fn immediate(cursor: &mut Cursor<'_>) -> Result<Immediate, Error> {
    if cursor.accept(Token::Tilde) {
        return Ok(Immediate::Integer(!cursor.integer()?));
    }
    let negative = cursor.accept(Token::Minus);
    let slice = cursor.slice();
    let bits = |skip| u64::from_str_radix(slice.get(skip..).unwrap_or_default(), 16);
    let value = match cursor.peek() {
        Some(Token::Integer) => {
            let value = cursor.integer()?;
            return Ok(Immediate::Integer(if negative { -value } else { value }));
        }
        Some(Token::F32Bits) => bits(2).ok().map(|b| Immediate::F32(b as u32)),
        Some(Token::F64Bits) => bits(2).ok().map(Immediate::F64),
        Some(Token::Decimal) => slice
            .parse::<f64>()
            .ok()
            .map(|v| Immediate::F64(v.to_bits())),
        _ => None,
    };
    let value = value.ok_or_else(|| cursor.unexpected("a literal"))?;
    cursor.advance();
    Ok(match value {
        Immediate::F32(b) if negative => Immediate::F32(b ^ 1 << 31),
        Immediate::F64(b) if negative => Immediate::F64(b ^ 1 << 63),
        value => value,
    })
}
