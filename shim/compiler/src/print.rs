//! What `printf` prints: formats cut into pieces, and lines that are known when
//! their kernel is compiled.
//!
//! A kernel passes the address of its format and the address of the arguments,
//! which lie there as C promotes them, each aligned to its size. Both who writes
//! them down on the device and who prints them on the host read the format here.

use serde::{Deserialize, Serialize};

/// A stretch of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'f> {
    /// Printed as it is.
    Text(&'f [u8]),
    /// Replaced by an argument.
    Conversion(Conversion<'f>),
}

/// A conversion of a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion<'f> {
    /// Flags, width and precision as written; a `*` is an argument of its own.
    pub shape: &'f [u8],
    /// The letter at the end.
    pub letter: u8,
    /// What the argument is.
    pub argument: Argument,
}

/// The kinds of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// A character or an integer of 32 bits.
    Word,
    /// An integer of 64 bits.
    Long,
    /// A double.
    Float,
    /// An address.
    Pointer,
    /// The address of a text that ends with NUL.
    Text,
}

impl Argument {
    /// Bytes of the argument, which is aligned to them.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Word => 4,
            _ => 8,
        }
    }
}

impl Conversion<'_> {
    /// The widths and precisions that are arguments, which come before the value.
    #[must_use]
    pub fn stars(&self) -> usize {
        self.shape.iter().filter(|&&byte| byte == b'*').count()
    }

    /// All arguments in order.
    pub fn arguments(&self) -> impl Iterator<Item = Argument> + use<> {
        std::iter::repeat_n(Argument::Word, self.stars()).chain([self.argument])
    }
}

/// Cuts a format into its pieces. What is no conversion is text.
#[must_use]
pub fn pieces(format: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = format;
    while !rest.is_empty() {
        let text = rest.iter().position(|&byte| byte == b'%');
        let (text, after) = rest.split_at(text.unwrap_or(rest.len()));
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
        let (piece, len) = conversion(rest);
        pieces.push(piece);
        rest = &rest[len..];
    }
    pieces
}

/// Reads what follows a `%`; the length counts it.
fn conversion(text: &[u8]) -> (Piece<'_>, usize) {
    let run = |from: usize, bytes: &[u8]| {
        let within = text[from..].iter().take_while(|byte| bytes.contains(byte));
        from + within.count()
    };
    let shape_end = run(1, b"#0- +123456789.*");
    let size_end = run(shape_end, b"hlLjzt");
    let Some(&letter) = text.get(size_end) else {
        return (Piece::Text(text), text.len());
    };
    let len = size_end + 1;
    let long = text[shape_end..size_end]
        .iter()
        .any(|size| b"ljzt".contains(size));
    let argument = match letter {
        b'd' | b'i' | b'o' | b'u' | b'x' | b'X' if long => Argument::Long,
        b'd' | b'i' | b'o' | b'u' | b'x' | b'X' | b'c' => Argument::Word,
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => Argument::Float,
        b'p' => Argument::Pointer,
        b's' => Argument::Text,
        b'%' => return (Piece::Text(&text[size_end..len]), len),
        _ => return (Piece::Text(&text[..len]), len),
    };
    let shape = &text[1..shape_end];
    let conversion = Conversion {
        shape,
        letter,
        argument,
    };
    (Piece::Conversion(conversion), len)
}

/// Where each argument of a format lies among the arguments, and the bytes of
/// all.
#[must_use]
pub fn arguments(format: &[u8]) -> (Vec<(usize, Argument)>, usize) {
    let mut end = 0usize;
    let mut places = Vec::new();
    for piece in pieces(format) {
        let Piece::Conversion(conversion) = piece else {
            continue;
        };
        for argument in conversion.arguments() {
            let at = end.next_multiple_of(argument.bytes());
            places.push((at, argument));
            end = at + argument.bytes();
        }
    }
    (places, end)
}

/// A line that is known when its kernel is compiled: what the kernel says before
/// it traps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The format.
    pub format: Vec<u8>,
    /// The arguments; the address of a text is its number in `texts`, from 1.
    pub arguments: Vec<u8>,
    /// The texts among the arguments.
    pub texts: Vec<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(format: &str) -> Vec<(char, Argument)> {
        let conversion = |piece: Piece<'_>| match piece {
            Piece::Conversion(c) => Some((char::from(c.letter), c.argument)),
            Piece::Text(_) => None,
        };
        pieces(format.as_bytes())
            .into_iter()
            .filter_map(conversion)
            .collect()
    }

    #[test]
    fn a_size_decides_how_long_an_integer_is() {
        use Argument::{Float, Long, Pointer, Text, Word};
        assert_eq!(
            letters("%d %hhd %hu %ld %llx %zu %c"),
            [
                ('d', Word),
                ('d', Word),
                ('u', Word),
                ('d', Long),
                ('x', Long),
                ('u', Long),
                ('c', Word)
            ]
        );
        assert_eq!(
            letters("%-5.2e|%s|%p|%+.3Lf"),
            [('e', Float), ('s', Text), ('p', Pointer), ('f', Float)]
        );
    }

    #[test]
    fn what_is_no_conversion_is_text() {
        assert_eq!(
            pieces(b"100%% of %y%"),
            [
                Piece::Text(b"100"),
                Piece::Text(b"%"),
                Piece::Text(b" of "),
                Piece::Text(b"%y"),
                Piece::Text(b"%")
            ]
        );
        assert_eq!(arguments(b"%%%% %"), (vec![], 0));
    }

    #[test]
    fn arguments_are_aligned_to_their_size() {
        let (places, bytes) = arguments(b"%d %lld %*d %s %c");
        let at: Vec<_> = places.iter().map(|(at, _)| *at).collect();
        assert_eq!((at, bytes), (vec![0, 8, 16, 20, 24, 32], 36));
    }
}
