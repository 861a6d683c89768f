//! The words of PTX text. Comments and white space separate tokens and are
//! gone after this module.

use logos::Logos;

use super::error::{Error, Reason};

/// A token's kind; its text is the cursor's slice.
#[derive(Logos, Debug, Clone, Copy, PartialEq, Eq)]
#[logos(skip r"[ \t\r\n\x0c]+")]
#[logos(skip(r"//[^\n]*", allow_greedy = true))]
#[logos(skip r"/\*([^*]|\*+[^*/])*\*+/")]
pub enum Token {
    /// A name: `%r1`, `$L__BB0_2`, `add`, `_`.
    #[regex(r"[A-Za-z_$%][A-Za-z0-9_$]*")]
    Name,
    /// A directive, type or modifier with its dot: `.entry`, `.L2::128B`.
    #[regex(r"\.[A-Za-z0-9_]+(::[A-Za-z0-9_]+)*")]
    Dotted,
    /// An integer literal.
    #[regex(r"0[xX][0-9a-fA-F]+U?")]
    #[regex(r"0[bB][01]+U?")]
    #[regex(r"[0-9]+U?")]
    Integer,
    /// A decimal floating-point literal.
    #[regex(r"[0-9]+\.[0-9]*([eE][+-]?[0-9]+)?")]
    #[regex(r"[0-9]+[eE][+-]?[0-9]+")]
    Decimal,
    /// The bits of an f32: `0f3F800000`.
    #[regex(r"0[fF][0-9a-fA-F]{8}")]
    F32Bits,
    /// The bits of an f64: `0d3FF0000000000000`.
    #[regex(r"0[dD][0-9a-fA-F]{16}")]
    F64Bits,
    #[regex(r#""([^"\\]|\\.)*""#)]
    String,
    #[token(",")]
    Comma,
    #[token(";")]
    Semicolon,
    #[token(":")]
    Colon,
    #[token("(")]
    LeftParenthesis,
    #[token(")")]
    RightParenthesis,
    #[token("[")]
    LeftBracket,
    #[token("]")]
    RightBracket,
    #[token("{")]
    LeftBrace,
    #[token("}")]
    RightBrace,
    #[token("<")]
    Less,
    #[token(">")]
    Greater,
    #[token("+")]
    Plus,
    #[token("-")]
    Minus,
    #[token("!")]
    Not,
    #[token("~")]
    Tilde,
    #[token("=")]
    Equal,
    #[token("@")]
    At,
    #[token("|")]
    Bar,
    #[token("*")]
    Star,
}

/// A reader of tokens with one token of look-ahead.
#[derive(Debug, Clone)]
pub struct Cursor<'t> {
    text: &'t str,
    /// Where the lexer's slice starts in `text`.
    base: usize,
    lexer: logos::Lexer<'t, Token>,
    token: Option<Result<Token, ()>>,
    start: usize,
    end: usize,
}

impl<'t> Cursor<'t> {
    /// Starts at byte `offset` of `text`; an offset past the end reads nothing.
    #[must_use]
    pub fn new(text: &'t str, offset: usize) -> Self {
        let mut cursor = Self {
            text,
            base: offset,
            lexer: Token::lexer(text.get(offset..).unwrap_or_default()),
            token: None,
            start: offset,
            end: offset,
        };
        cursor.advance();
        cursor
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// The byte offset of the current token.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.start
    }

    /// The current token's kind; `None` at the end or on a byte that starts no
    /// token.
    #[must_use]
    pub fn peek(&self) -> Option<Token> {
        self.token.and_then(Result::ok)
    }

    /// Whether no token is left.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.token.is_none()
    }

    /// The current token's text.
    #[must_use]
    pub fn slice(&self) -> &'t str {
        self.text.get(self.start..self.end).unwrap_or_default()
    }

    /// Goes on to the next token.
    pub fn advance(&mut self) {
        self.token = self.lexer.next();
        let span = self.lexer.span();
        self.start = self.base + span.start;
        self.end = self.base + span.end;
    }

    /// Takes the current token where it is of this kind.
    pub fn accept(&mut self, token: Token) -> bool {
        let found = self.peek() == Some(token);
        if found {
            self.advance();
        }
        found
    }

    /// Takes a token of this kind and returns its text.
    ///
    /// # Errors
    /// [`Reason::Unexpected`] where another token stands here.
    pub fn expect(&mut self, token: Token, expected: &str) -> Result<&'t str, Error> {
        if self.peek() != Some(token) {
            return Err(self.unexpected(expected));
        }
        let slice = self.slice();
        self.advance();
        Ok(slice)
    }

    /// Takes the current token where it is this dotted word (given without dot).
    pub fn accept_dotted(&mut self, word: &str) -> bool {
        let found = self.dotted() == Some(word);
        if found {
            self.advance();
        }
        found
    }

    /// The current dotted word without its dot.
    #[must_use]
    pub fn dotted(&self) -> Option<&'t str> {
        match self.peek() {
            Some(Token::Dotted) => self.slice().get(1..),
            _ => None,
        }
    }

    /// Skips to the end of the line: debug directives end there rather than
    /// with a semicolon.
    pub fn skip_line(&mut self) {
        let rest = self.text.get(self.start..).unwrap_or_default();
        let len = rest.find('\n').unwrap_or(rest.len());
        *self = Self::new(self.text, self.start + len);
    }

    /// Skips a statement and its semicolon.
    ///
    /// # Errors
    /// [`Reason::Unexpected`] where the text ends first.
    pub fn skip_statement(&mut self) -> Result<(), Error> {
        while !self.accept(Token::Semicolon) {
            if self.peek().is_none() {
                return Err(self.unexpected("`;`"));
            }
            self.advance();
        }
        Ok(())
    }

    /// An error at the current token.
    #[must_use]
    pub fn error(&self, reason: Reason) -> Error {
        Error::at(self.text, self.start, reason)
    }

    /// The error "expected X, found the current token".
    #[must_use]
    pub fn unexpected(&self, expected: &str) -> Error {
        let found = match self.token {
            None => "the end of the text".to_owned(),
            Some(_) => format!("`{}`", self.slice()),
        };
        self.error(Reason::Unexpected {
            expected: expected.to_owned(),
            found,
        })
    }

    /// Takes an integer literal, with an optional minus sign.
    ///
    /// # Errors
    /// [`Reason::NumberRange`] beyond 64 bits, [`Reason::Unexpected`] where no
    /// integer stands here.
    pub fn integer(&mut self) -> Result<i128, Error> {
        let negative = self.accept(Token::Minus);
        if self.peek() != Some(Token::Integer) {
            return Err(self.unexpected("an integer"));
        }
        let slice = self.slice();
        let value = integer_literal(slice)
            .ok_or_else(|| self.error(Reason::NumberRange(slice.to_owned())))?;
        self.advance();
        Ok(if negative {
            -i128::from(value)
        } else {
            i128::from(value)
        })
    }

    /// Takes an integer that must fit 32 bits unsigned.
    ///
    /// # Errors
    /// Those of [`Cursor::integer`].
    pub fn u32(&mut self) -> Result<u32, Error> {
        let here = self.clone();
        let value = self.integer()?;
        u32::try_from(value).map_err(|_| here.error(Reason::NumberRange(value.to_string())))
    }
}

/// The value of an integer literal in PTX's four radices.
fn integer_literal(slice: &str) -> Option<u64> {
    let digits = slice.strip_suffix('U').unwrap_or(slice);
    let parse = |digits, radix| u64::from_str_radix(digits, radix).ok();
    match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => parse(&digits[2..], 16),
        [b'0', b'b' | b'B', ..] => parse(&digits[2..], 2),
        [b'0', _, ..] => parse(&digits[1..], 8),
        _ => parse(digits, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Token, &str)> {
        let mut cursor = Cursor::new(text, 0);
        let mut tokens = Vec::new();
        while let Some(token) = cursor.peek() {
            tokens.push((token, cursor.slice()));
            cursor.advance();
        }
        assert!(cursor.at_end(), "stopped at {:?}", cursor.slice());
        tokens
    }

    #[test]
    fn an_instruction_is_words_dots_and_punctuation() {
        use Token::*;
        assert_eq!(
            tokens("@!%p1 ld.L2::128B.f32 %f1, [%rd2+-8]; // end"),
            [
                (At, "@"),
                (Not, "!"),
                (Name, "%p1"),
                (Name, "ld"),
                (Dotted, ".L2::128B"),
                (Dotted, ".f32"),
                (Name, "%f1"),
                (Comma, ","),
                (LeftBracket, "["),
                (Name, "%rd2"),
                (Plus, "+"),
                (Minus, "-"),
                (Integer, "8"),
                (RightBracket, "]"),
                (Semicolon, ";"),
            ]
        );
    }

    #[test]
    fn literals_keep_their_radix_and_kind() {
        let cases = [
            ("42", 42),
            ("0x2aU", 42),
            ("052", 42),
            ("0b101010", 42),
            ("0", 0),
            ("18446744073709551615", i128::from(u64::MAX)),
        ];
        for (text, value) in cases {
            assert_eq!(Cursor::new(text, 0).integer(), Ok(value), "{text}");
        }
        assert_eq!(Cursor::new("-7", 0).integer(), Ok(-7));
        assert_eq!(Cursor::new("0f3F800000", 0).peek(), Some(Token::F32Bits));
        assert_eq!(
            Cursor::new("0d3FF0000000000000", 0).peek(),
            Some(Token::F64Bits)
        );
        assert_eq!(Cursor::new("8.4", 0).peek(), Some(Token::Decimal));
    }

    #[test]
    fn comments_of_both_kinds_vanish() {
        assert_eq!(tokens("/* a ** b */ ret // c\n;").len(), 2);
    }

    #[test]
    fn an_unterminated_comment_or_string_is_no_token() {
        for text in ["/* never", "\"never", "#"] {
            let cursor = Cursor::new(text, 0);
            assert!(!cursor.at_end() && cursor.peek().is_none(), "{text}");
        }
    }

    #[test]
    fn numbers_beyond_64_bits_are_out_of_range() {
        let error = Cursor::new("18446744073709551616", 0).integer();
        assert!(matches!(error.unwrap_err().reason, Reason::NumberRange(_)));
    }
}
