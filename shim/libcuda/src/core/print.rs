//! What kernels print: the buffer in which threads write it down, and the lines
//! that the host makes of it where CUDA says that it does.
//!
//! The compiler's `layout::print` is the contract. Texts stay on the device: the
//! host reads a format, and what `%s` names, when it makes the line.

use std::ffi::CString;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use abi::CUerror;
use compiler::back::spirv::layout::print as layout;
use compiler::print::{self, Argument as Kind, Conversion, Message, Piece};

use crate::core::host_memory;
use crate::core::stdio::{self, Argument};
use crate::error::cuda_error;
use crate::handles::HostPtr;

/// The least words of a ring.
const MIN_WORDS: usize = 1024;
/// The most words of a ring: a record's place is counted in 32 bits.
const MAX_WORDS: usize = 1 << 28;

/// What text is printed in place of one that cannot be read.
const UNREADABLE: &str = "(unreadable)";

/// Reads the text at a device address, which ends with NUL.
pub type Texts<'t> = &'t dyn Fn(u64) -> Option<Vec<u8>>;

/// The print buffer of a context.
pub struct PrintBuffer {
    allocation: Arc<vulkan::Allocation>,
    /// Words of the ring, a power of two.
    words: u32,
    /// Words that were taken and are printed.
    printed: Mutex<u32>,
}

/// A record that a thread wrote.
struct Record {
    kind: u32,
    body: Vec<u32>,
}

impl PrintBuffer {
    /// A buffer of about so many bytes.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn new(device: &Arc<vulkan::Device>, bytes: usize) -> Result<Self, CUerror> {
        let words = (bytes / 4).clamp(MIN_WORDS, MAX_WORDS).next_power_of_two() as u32;
        let size = u64::from(layout::RING) + 4 * u64::from(words + layout::MAX_RECORD_WORDS);
        let allocation = device.allocate(size, vulkan::Placement::Host);
        let allocation = allocation.map_err(|error| cuda_error(&error))?;
        let this = Self {
            allocation,
            words,
            printed: Mutex::new(0),
        };
        let start = this.place(0)?;
        host_memory::write(start, &vec![0; size as usize]);
        host_memory::write(this.place(layout::MASK)?, &(words - 1).to_ne_bytes());
        Ok(this)
    }

    /// Where kernels find the buffer.
    pub fn device_address(&self) -> u64 {
        self.allocation.device_address()
    }

    fn place(&self, byte: u32) -> Result<HostPtr, CUerror> {
        let start = self.allocation.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
        let start = HostPtr(start.as_ptr().cast());
        Ok(host_memory::offset(start, u64::from(byte)))
    }

    /// A word of the ring, or of what lies behind it.
    fn word(&self, index: u32) -> u32 {
        let place = self.place(layout::RING + 4 * index);
        place.map_or(0, host_memory::word)
    }

    /// Prints what was written down since the last time.
    pub fn flush(&self, texts: Texts<'_>) {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.place(layout::NEXT).map_or(*printed, host_memory::word);
        if next == *printed {
            return;
        }
        let taken = next.wrapping_sub(*printed);
        let first = match taken > self.words {
            // The oldest lines were overwritten, as CUDA says.
            true => self.oldest(next),
            false => *printed,
        };
        let mut at = first;
        while at != next {
            let Some((record, words)) = self.record(at, next.wrapping_sub(at)) else {
                // Not written yet: a kernel is still at it.
                break;
            };
            record.print(texts);
            at = at.wrapping_add(words);
        }
        *printed = at;
    }

    /// Where the oldest whole record starts, found from the end: each record ends
    /// with its length.
    fn oldest(&self, next: u32) -> u32 {
        let mut start = next;
        while let Some(words) = self.length_before(start) {
            let earlier = start.wrapping_sub(words);
            if next.wrapping_sub(earlier) > self.words {
                break;
            }
            start = earlier;
        }
        start
    }

    /// The words of the record that ends at a place. One that began before the
    /// ring's end ends behind it; which of the two it was, its head tells.
    fn length_before(&self, end: u32) -> Option<u32> {
        let index = end & (self.words - 1);
        let ends = match index {
            0 => [self.words, self.words],
            _ => [self.words + index, index],
        };
        let length = |end: u32| {
            let words = self.word(end - 1);
            let start = end.checked_sub(words)?;
            let is_one = start < self.words && self.head(start).1 == words;
            (is_length(words) && is_one).then_some(words)
        };
        let near = |end: &u32| *end <= self.words + layout::MAX_RECORD_WORDS;
        ends.into_iter().filter(near).find_map(length)
    }

    /// The kind and the words of the record whose head lies at an index.
    fn head(&self, index: u32) -> (u32, u32) {
        let head = self.word(index);
        let words = head & ((1 << layout::KIND_SHIFT) - 1);
        (head >> layout::KIND_SHIFT, words)
    }

    /// Takes the record at a place, if it is whole; and its words.
    fn record(&self, at: u32, available: u32) -> Option<(Record, u32)> {
        let index = at & (self.words - 1);
        let (kind, words) = self.head(index);
        let whole = is_length(words) && words <= available;
        if !whole || self.word(index + words - 1) != words {
            return None;
        }
        let body = (1..words - 1).map(|word| self.word(index + word)).collect();
        let place = self.place(layout::RING + 4 * index).ok()?;
        // What is printed must not look like a record that is whole.
        host_memory::write(place, &vec![0; 4 * words as usize]);
        Some((Record { kind, body }, words))
    }
}

fn is_length(words: u32) -> bool {
    (2..=layout::MAX_RECORD_WORDS).contains(&words)
}

impl Record {
    fn address(&self, word: usize) -> u64 {
        u64::from(self.word(word)) | u64::from(self.word(word + 1)) << 32
    }

    fn word(&self, index: usize) -> u32 {
        self.body.get(index).copied().unwrap_or(0)
    }

    fn print(&self, texts: Texts<'_>) {
        match self.kind {
            layout::LINE => stdio::write(&self.line(texts)),
            layout::ASSERTION => write_error(&self.assertion(texts)),
            _ => {}
        }
    }

    fn line(&self, texts: Texts<'_>) -> Vec<u8> {
        let Some(format) = texts(self.address(0)) else {
            return UNREADABLE.into();
        };
        let words = self.body.get(2..).unwrap_or_default();
        let arguments: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        line(&format, &arguments, texts)
    }

    fn assertion(&self, texts: Texts<'_>) -> Vec<u8> {
        let [text, file, function] = [0, 2, 4].map(|word| {
            let text = texts(self.address(word));
            String::from_utf8_lossy(&text.unwrap_or_else(|| UNREADABLE.into())).into_owned()
        });
        let [line, bx, by, bz, x, y, z] = std::array::from_fn(|index| self.word(6 + index));
        format!(
            "{file}:{line}: {function}: block: [{bx},{by},{bz}], thread: [{x},{y},{z}] \
             Assertion `{text}` failed.\n"
        )
        .into_bytes()
    }
}

/// What a kernel says before it traps.
pub fn message(message: &Message) -> Vec<u8> {
    let text = |number: u64| {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        message.texts.get(place).cloned()
    };
    line(&message.format, &message.arguments, &text)
}

/// Writes to the standard error stream.
pub fn write_error(line: &[u8]) {
    // A program without such a stream does not hear of it.
    let _ = std::io::stderr().write_all(line);
}

/// A format with its arguments put in.
fn line(format: &[u8], arguments: &[u8], texts: Texts<'_>) -> Vec<u8> {
    let mut line = Vec::new();
    let mut places = print::arguments(format).0.into_iter();
    let mut next = || {
        let (at, argument) = places.next()?;
        let given = arguments.get(at..at + argument.bytes())?;
        let mut bytes = [0; 8];
        bytes[..given.len()].copy_from_slice(given);
        Some(u64::from_le_bytes(bytes))
    };
    for piece in print::pieces(format) {
        match piece {
            Piece::Text(text) => line.extend_from_slice(text),
            Piece::Conversion(conversion) => {
                let mut shape = Vec::new();
                for &byte in conversion.shape {
                    match byte {
                        b'*' => star(&mut shape, next().unwrap_or(0) as u32),
                        byte => shape.push(byte),
                    }
                }
                line.extend(converted(&shape, conversion, next().unwrap_or(0), texts));
            }
        }
    }
    line
}

/// Puts in a width or a precision that was an argument. A negative precision is
/// none; a negative width has the sign that asks for the left side.
fn star(shape: &mut Vec<u8>, value: u32) {
    let value = value.cast_signed();
    match shape.last() {
        Some(b'.') if value < 0 => {
            shape.pop();
        }
        _ => shape.extend_from_slice(value.to_string().as_bytes()),
    }
}

fn converted(shape: &[u8], conversion: Conversion<'_>, bits: u64, texts: Texts<'_>) -> Vec<u8> {
    let size: &[u8] = match conversion.argument {
        Kind::Long => b"ll",
        _ => b"",
    };
    let spelled = [b"%", shape, size, &[conversion.letter]].concat();
    // A conversion has no NUL, and a text ends at its first.
    let spelled = CString::new(spelled).unwrap_or_default();
    let text = match conversion.argument {
        Kind::Text if bits == 0 => Some(b"(null)".to_vec()),
        Kind::Text => texts(bits),
        _ => None,
    };
    let text = CString::new(text.unwrap_or_else(|| UNREADABLE.into())).unwrap_or_default();
    let argument = match conversion.argument {
        Kind::Word => Argument::Word(bits as u32),
        Kind::Long | Kind::Pointer => Argument::Long(bits),
        Kind::Float => Argument::Float(f64::from_bits(bits)),
        Kind::Text => Argument::Text(&text),
    };
    stdio::format(&spelled, argument)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(format: &str, arguments: &[&[u8]]) -> String {
        let texts = |address: u64| (address == 7).then(|| b"seven".to_vec());
        String::from_utf8(line(format.as_bytes(), &arguments.concat(), &texts)).unwrap()
    }

    #[test]
    fn arguments_look_as_c_prints_them() {
        let [five, half, long] =
            [5u64, 2.5f64.to_bits(), (-5_000_000_000i64).cast_unsigned()].map(u64::to_le_bytes);
        assert_eq!(said("%d|%5d|%-3d|%x", &[&five[..4]; 4]), "5|    5|5  |5");
        assert_eq!(said("%lld %.3f", &[&long, &half]), "-5000000000 2.500");
        assert_eq!(
            said("%e %g %08.2f", &[half.as_slice(); 3]),
            "2.500000e+00 2.5 00002.50"
        );
        assert_eq!(
            said("%c%%%p", &[&[b'x', 0, 0, 0, 0, 0, 0, 0], &five]),
            "x%0x5"
        );
    }

    #[test]
    fn texts_are_read_where_they_lie() {
        let [seven, eight] = [7u64, 8].map(u64::to_le_bytes);
        assert_eq!(
            said("%s|%7s|%.2s", &[seven.as_slice(); 3]),
            "seven|  seven|se"
        );
        assert_eq!(said("%s %s", &[&eight, &[0; 8]]), "(unreadable) (null)");
    }

    #[test]
    fn widths_and_precisions_may_be_arguments() {
        let word = |value: i32| value.to_le_bytes();
        let half = 2.5f64.to_bits().to_le_bytes();
        assert_eq!(said("%*d|", &[&word(5), &word(3)]), "    3|");
        assert_eq!(said("%*d|", &[&word(-5), &word(3)]), "3    |");
        assert_eq!(said("%.*f", &[&word(1), &[0; 4], &half]), "2.5");
        assert_eq!(said("%.*f", &[&word(-1), &[0; 4], &half]), "2.500000");
    }

    #[test]
    fn a_message_has_its_texts_with_it() {
        let known = Message {
            format: b"%s is %d\n".to_vec(),
            arguments: [1u64.to_le_bytes().as_slice(), &42u32.to_le_bytes()].concat(),
            texts: vec![b"answer".to_vec()],
        };
        assert_eq!(message(&known), b"answer is 42\n");
    }
}
