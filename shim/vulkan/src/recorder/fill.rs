//! Fills of any pattern, alignment and length. Vulkan fills whole aligned
//! words; the bytes at a ragged end are copied, one each, from a table.

use ash::vk;

use super::{Recorder, Rows};
use crate::error::Error;
use crate::memory::{Slice, Span};

/// What a fill repeats. Its bytes are laid down from the first byte of the
/// range on, whatever the alignment of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    U8(u8),
    U16(u16),
    U32(u32),
}

/// Rows up to which each is filled by commands of its own.
const FEW_ROWS: u64 = 4;

impl Pattern {
    fn size(self) -> u64 {
        match self {
            Pattern::U8(_) => 1,
            Pattern::U16(_) => 2,
            Pattern::U32(_) => 4,
        }
    }

    /// The first four bytes of the repetition, which repeats every four.
    fn bytes(self) -> [u8; 4] {
        match self {
            Pattern::U8(value) => [value; 4],
            Pattern::U16(value) => {
                let [low, high] = value.to_le_bytes();
                [low, high, low, high]
            }
            Pattern::U32(value) => value.to_le_bytes(),
        }
    }

    fn byte(self, position: u64) -> u8 {
        self.bytes()[(position % 4) as usize]
    }

    /// The word whose first byte is at `position` of the repetition.
    fn word(self, position: u64) -> u32 {
        u32::from_le_bytes([0, 1, 2, 3].map(|n| self.byte(position + n)))
    }
}

/// How one span is filled: bytes, then words, then bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    head: u64,
    words: u64,
    tail: u64,
}

impl Cut {
    fn of(offset: u64, size: u64) -> Cut {
        let head = (offset.wrapping_neg() % 4).min(size);
        let tail = (size - head) % 4;
        Cut {
            head,
            words: size - head - tail,
            tail,
        }
    }
}

impl Recorder {
    /// Repeats `pattern` over `dst`.
    pub fn fill(&mut self, dst: &Slice, pattern: Pattern) -> Result<(), Error> {
        let mut position = 0;
        for span in dst.spans() {
            self.fill_span(span, pattern, position)?;
            position += span.size;
        }
        self.keep_slice(dst);
        Ok(())
    }

    fn fill_span(&mut self, span: Span, pattern: Pattern, position: u64) -> Result<(), Error> {
        let Cut { head, words, tail } = Cut::of(span.offset, span.size);
        if words > 0 {
            let word = pattern.word(position + head);
            let raw = self.device.raw();
            // SAFETY: the command buffer is ours and recording; offset and
            // size are multiples of 4 inside the buffer, which is kept.
            unsafe {
                raw.cmd_fill_buffer(self.buffer, span.buffer, span.offset + head, words, word)
            }
        }
        let ragged = (0..head).chain(span.size - tail..span.size);
        let regions: Vec<_> = ragged
            .map(|n| vk::BufferCopy {
                src_offset: u64::from(pattern.byte(position + n)),
                dst_offset: span.offset + n,
                size: 1,
            })
            .collect();
        if !regions.is_empty() {
            let table = self.device.pools().byte_table(&self.device)?;
            self.copy_regions(span.buffer, table, &regions);
        }
        Ok(())
    }

    /// Fills `rows` rows of `width` bytes, the pattern starting anew in each.
    pub fn fill_rows(
        &mut self,
        dst: &Rows,
        width: u64,
        rows: u64,
        pattern: Pattern,
    ) -> Result<(), Error> {
        if width == 0 || rows == 0 {
            return Ok(());
        }
        let extent = dst.written_extent(width, rows)?;
        if dst.pitch == width && width.is_multiple_of(pattern.size()) {
            return self.fill(&extent, pattern);
        }
        if rows <= FEW_ROWS {
            return (0..rows).try_for_each(|row| self.fill(&dst.row(row, width)?, pattern));
        }
        // Many rows: one is filled, and one command copies it to the others.
        self.fill(&dst.row(0, width)?, pattern)?;
        self.barrier();
        let first = Rows {
            slice: dst.slice.clone(),
            pitch: 0,
        };
        let rest = Rows {
            slice: dst.slice.slice(dst.pitch, extent.len() - dst.pitch)?,
            pitch: dst.pitch,
        };
        self.copy_rows(&rest, &first, width, rows - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_carry_on_where_ragged_bytes_end() {
        assert_eq!(Pattern::U32(0x4433_2211).word(1), 0x1144_3322);
        assert_eq!(Pattern::U16(0x2211).word(3), 0x1122_1122);
        assert_eq!(Pattern::U8(0xab).word(7), 0xabab_abab);
    }

    #[test]
    fn a_span_is_cut_at_word_boundaries() {
        assert_eq!(
            Cut::of(3, 10),
            Cut {
                head: 1,
                words: 8,
                tail: 1
            }
        );
        assert_eq!(
            Cut::of(1, 2),
            Cut {
                head: 2,
                words: 0,
                tail: 0
            }
        );
        assert_eq!(
            Cut::of(8, 7),
            Cut {
                head: 0,
                words: 4,
                tail: 3
            }
        );
        assert_eq!(
            Cut::of(2, 2),
            Cut {
                head: 2,
                words: 0,
                tail: 0
            }
        );
    }
}
