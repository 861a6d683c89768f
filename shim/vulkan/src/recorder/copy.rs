//! Copies. A slice may lie in several buffers; a copy is cut where either
//! side's buffer ends.

use ash::vk;

use super::Recorder;
use crate::error::Error;
use crate::memory::{Slice, Span};

/// Rows of a two-dimensional range: row `i` starts `i * pitch` bytes into the
/// slice.
#[derive(Clone)]
pub struct Rows {
    pub slice: Slice,
    pub pitch: u64,
}

/// Regions that one command may carry; more rows take more commands.
const REGIONS: u64 = 4096;

impl Rows {
    /// The bytes from the first row's first to the last row's last.
    pub(super) fn extent(&self, width: u64, rows: u64) -> Result<Slice, Error> {
        let extent = rows
            .checked_sub(1)
            .and_then(|last| last.checked_mul(self.pitch)?.checked_add(width));
        match extent {
            Some(extent) => self.slice.slice(0, extent),
            None => Err(Error::invalid(format!(
                "{rows} rows of pitch {}",
                self.pitch
            ))),
        }
    }

    /// The same for rows that are written, of which two must not overlap.
    pub(super) fn written_extent(&self, width: u64, rows: u64) -> Result<Slice, Error> {
        if rows > 1 && self.pitch < width {
            return Err(Error::invalid(format!(
                "rows of {width} bytes at a pitch of {}",
                self.pitch
            )));
        }
        self.extent(width, rows)
    }

    pub(super) fn row(&self, index: u64, width: u64) -> Result<Slice, Error> {
        self.slice.slice(index * self.pitch, width)
    }
}

impl Recorder {
    /// Copies `src` to `dst`, which must be of the same length and must not
    /// overlap it. Any alignment.
    pub fn copy(&mut self, dst: &Slice, src: &Slice) -> Result<(), Error> {
        if dst.len() != src.len() {
            return Err(Error::invalid(format!(
                "a copy of {} bytes to {}",
                src.len(),
                dst.len()
            )));
        }
        for (to, from) in paired(dst.spans(), src.spans()) {
            let region = vk::BufferCopy {
                src_offset: from.offset,
                dst_offset: to.offset,
                size: to.size,
            };
            self.copy_regions(to.buffer, from.buffer, &[region]);
        }
        self.keep_slice(dst);
        self.keep_slice(src);
        Ok(())
    }

    /// Copies `rows` rows of `width` bytes. The rows of `dst` must not overlap
    /// one another or `src`; a pitch of 0 in `src` repeats its first row.
    pub fn copy_rows(
        &mut self,
        dst: &Rows,
        src: &Rows,
        width: u64,
        rows: u64,
    ) -> Result<(), Error> {
        if width == 0 || rows == 0 {
            return Ok(());
        }
        let (to, from) = (dst.written_extent(width, rows)?, src.extent(width, rows)?);
        if dst.pitch == width && src.pitch == width {
            return self.copy(&to, &from);
        }
        match (sole(to.spans()), sole(from.spans())) {
            (Some(to), Some(from)) => {
                self.copy_rows_within(to, dst.pitch, from, src.pitch, width, rows)
            }
            _ => (0..rows)
                .try_for_each(|row| self.copy(&dst.row(row, width)?, &src.row(row, width)?))?,
        }
        self.keep_slice(&to);
        self.keep_slice(&from);
        Ok(())
    }

    /// The usual case: each side lies in one buffer.
    fn copy_rows_within(
        &mut self,
        to: Span,
        to_pitch: u64,
        from: Span,
        from_pitch: u64,
        size: u64,
        rows: u64,
    ) {
        let region = |row| vk::BufferCopy {
            src_offset: from.offset + row * from_pitch,
            dst_offset: to.offset + row * to_pitch,
            size,
        };
        for first in (0..rows).step_by(REGIONS as usize) {
            let regions: Vec<_> = (first..rows.min(first + REGIONS)).map(region).collect();
            self.copy_regions(to.buffer, from.buffer, &regions);
        }
    }

    pub(super) fn copy_regions(
        &mut self,
        dst: vk::Buffer,
        src: vk::Buffer,
        regions: &[vk::BufferCopy],
    ) {
        // SAFETY: the command buffer is ours and recording; the regions lie in
        // the buffers, which are kept until the commands are done.
        unsafe {
            self.device
                .raw()
                .cmd_copy_buffer(self.buffer, src, dst, regions)
        }
    }
}

fn sole(mut spans: impl Iterator<Item = Span>) -> Option<Span> {
    let first = spans.next()?;
    spans.next().is_none().then_some(first)
}

/// Cuts two sequences of spans of the same total at each other's ends.
fn paired(
    left: impl Iterator<Item = Span>,
    right: impl Iterator<Item = Span>,
) -> impl Iterator<Item = (Span, Span)> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    let (mut left_done, mut right_done) = (0, 0);
    std::iter::from_fn(move || {
        let (l, r) = (*left.peek()?, *right.peek()?);
        let size = (l.size - left_done).min(r.size - right_done);
        let pair = (
            Span {
                buffer: l.buffer,
                offset: l.offset + left_done,
                size,
            },
            Span {
                buffer: r.buffer,
                offset: r.offset + right_done,
                size,
            },
        );
        (left_done, right_done) = (left_done + size, right_done + size);
        if left_done == l.size {
            (left_done, _) = (0, left.next());
        }
        if right_done == r.size {
            (right_done, _) = (0, right.next());
        }
        Some(pair)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(sizes: &[u64]) -> Vec<Span> {
        sizes
            .iter()
            .map(|&size| Span {
                buffer: vk::Buffer::null(),
                offset: 100,
                size,
            })
            .collect()
    }

    #[test]
    fn spans_are_cut_at_each_others_ends() {
        let pairs: Vec<_> = paired(spans(&[10, 5]).into_iter(), spans(&[3, 12]).into_iter())
            .map(|(l, r)| (l.offset, r.offset, l.size))
            .collect();
        assert_eq!(pairs, [(100, 100, 3), (103, 100, 7), (100, 107, 5)]);
    }
}
