//! Copies: boxes of bytes between the device's memory and the host's.
//!
//! The device copies whatever it can reach: its own memory, and host memory that
//! the driver allocated or registered. The program's pageable memory goes through
//! staging memory; where the device's memory is mapped and its stream idle, the
//! processor copies by itself.

use std::sync::Arc;

use abi::{CUerror, CUresult};

use crate::core::context::{Owned, Resources};
use crate::core::host_memory;
use crate::core::memory::{self, Located};
use crate::core::stream::Stream;
use crate::handles::HostPtr;

/// Pageable memory is staged in pieces of at most this many bytes.
const PIECE: u64 = 32 << 20;

/// Whether an entry point may return before its copy is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    Synchronous,
    Asynchronous,
}

/// Where one side of a copy begins.
pub enum Place {
    /// In an allocation.
    Device(Located),
    /// In the program's memory.
    Host(HostPtr),
}

/// One side of a copy: where it begins, and how far apart its rows and its layers
/// are, in bytes.
pub struct Side {
    pub place: Place,
    pub row_pitch: u64,
    pub layer_pitch: u64,
}

impl Side {
    /// A side without rows: `len` bytes.
    pub fn line(place: Place) -> Self {
        Self {
            place,
            row_pitch: 0,
            layer_pitch: 0,
        }
    }

    /// Memory that the driver knows is the device's to copy, if all of it is.
    fn resolve(self, extent: Extent) -> Result<Self, CUerror> {
        let span = self.span(extent).ok_or(CUerror::INVALID_VALUE)?;
        let place = match self.place {
            Place::Device(located) if located.remaining() < span => {
                return Err(CUerror::INVALID_VALUE);
            }
            Place::Host(host) => match memory::find_host(host) {
                Some(located) if located.remaining() >= span => Place::Device(located),
                _ => Place::Host(host),
            },
            place => place,
        };
        Ok(Self { place, ..self })
    }

    /// How many bytes lie between the first and the last one copied.
    fn span(&self, extent: Extent) -> Option<u64> {
        let layers = self.layer_pitch.checked_mul(extent.depth - 1)?;
        let rows = self.row_pitch.checked_mul(extent.height - 1)?;
        layers.checked_add(rows)?.checked_add(extent.width)
    }

    fn offset(&self, x: u64, y: u64, z: u64) -> u64 {
        z * self.layer_pitch + y * self.row_pitch + x
    }
}

/// The size of a copy: bytes in a row, rows in a layer, layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub width: u64,
    pub height: u64,
    pub depth: u64,
}

impl Extent {
    /// `len` bytes in one row.
    pub fn line(len: u64) -> Self {
        Self {
            width: len,
            height: 1,
            depth: 1,
        }
    }

    fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0 || self.depth == 0
    }

    /// The same bytes in fewer rows: rows that touch are one row.
    fn joined(mut self, sides: [&Side; 2]) -> Self {
        let rows_touch = sides.iter().all(|side| side.row_pitch == self.width);
        let layers_touch = sides
            .iter()
            .all(|side| side.layer_pitch == side.row_pitch * self.height);
        if self.depth > 1 && layers_touch {
            self.height *= self.depth;
            self.depth = 1;
        }
        if self.height > 1 && rows_touch && self.depth == 1 {
            self.width *= self.height;
            self.height = 1;
        }
        self
    }

    /// Cuts the copy into rectangles of at most `limit` bytes (or one byte wide).
    fn pieces(self, limit: u64) -> impl Iterator<Item = Piece> {
        let width_step = self.width.min(limit);
        let rows_step = if width_step < self.width {
            1
        } else {
            (limit / self.width).max(1)
        };
        let layers = 0..self.depth;
        layers.flat_map(move |z| {
            steps(self.height, rows_step).flat_map(move |(y, rows)| {
                steps(self.width, width_step).map(move |(x, width)| Piece {
                    x,
                    y,
                    z,
                    width,
                    rows,
                })
            })
        })
    }
}

/// A rectangle of a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    x: u64,
    y: u64,
    z: u64,
    width: u64,
    rows: u64,
}

/// `0..total` in steps, each with its length.
fn steps(total: u64, step: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..total.div_ceil(step)).map(move |n| (n * step, step.min(total - n * step)))
}

/// Copies `extent` from `source` to `destination` in the order of `stream`.
///
/// # Errors
/// `INVALID_VALUE` if either side leaves its allocation; `OUT_OF_MEMORY`; the
/// status of a device that failed.
pub fn copy(
    stream: &Arc<Stream>,
    destination: Side,
    source: Side,
    extent: Extent,
    mode: Mode,
) -> CUresult {
    if extent.is_empty() {
        return Ok(());
    }
    let (destination, source) = (destination.resolve(extent)?, source.resolve(extent)?);
    let extent = extent.joined([&destination, &source]);
    let copy = Copy {
        resources: stream.resources()?,
        stream,
        extent,
        mode,
    };
    match (&destination.place, &source.place) {
        (Place::Device(to), Place::Device(from)) => copy.on_device(&destination, to, &source, from),
        (Place::Device(to), Place::Host(from)) => copy.upload(&destination, to, &source, *from),
        (Place::Host(to), Place::Device(from)) => copy.download(&destination, *to, &source, from),
        (Place::Host(to), Place::Host(from)) => copy.on_host((&destination, *to), (&source, *from)),
    }
}

struct Copy<'a> {
    resources: Arc<Resources>,
    stream: &'a Arc<Stream>,
    extent: Extent,
    mode: Mode,
}

impl Copy<'_> {
    fn on_device(
        &self,
        destination: &Side,
        to: &Located,
        source: &Side,
        from: &Located,
    ) -> CUresult {
        for layer in 0..self.extent.depth {
            let piece = Piece {
                x: 0,
                y: 0,
                z: layer,
                width: self.extent.width,
                rows: self.extent.height,
            };
            let to = window(destination, to, piece)?;
            let from = window(source, from, piece)?;
            self.record(&to, destination.row_pitch, &from, source.row_pitch, piece)?;
        }
        let host_side = [to, from].iter().any(|side| side.block.host.is_some());
        if self.mode == Mode::Synchronous && host_side {
            return self.stream.synchronize();
        }
        Ok(())
    }

    fn upload(&self, destination: &Side, to: &Located, source: &Side, from: HostPtr) -> CUresult {
        if let Some((mapped, _)) = to.block.mapped()
            && self.may_touch_now()?
        {
            let mapped = host_memory::offset(mapped, to.offset);
            self.rows((destination, mapped), (source, from));
            return Ok(());
        }
        for piece in self.extent.pieces(PIECE) {
            let staged = self.stage(piece)?;
            let from = host_memory::offset(from, source.offset(piece.x, piece.y, piece.z));
            copy_rows((staged.1, piece.width), (from, source.row_pitch), piece);
            let to = window(destination, to, piece)?;
            self.record(&to, destination.row_pitch, &staged.0, piece.width, piece)?;
        }
        Ok(())
    }

    fn download(&self, destination: &Side, to: HostPtr, source: &Side, from: &Located) -> CUresult {
        // Pageable memory: the copy is done when the call returns, also the
        // asynchronous one ("API synchronization behavior" in the manual).
        if let Some((mapped, vulkan::HostAccess::Cached)) = from.block.mapped() {
            self.stream.synchronize()?;
            let mapped = host_memory::offset(mapped, from.offset);
            self.rows((destination, to), (source, mapped));
            return Ok(());
        }
        for piece in self.extent.pieces(PIECE) {
            let staged = self.stage(piece)?;
            let from = window(source, from, piece)?;
            self.record(&staged.0, piece.width, &from, source.row_pitch, piece)?;
            self.stream.synchronize()?;
            let to = host_memory::offset(to, destination.offset(piece.x, piece.y, piece.z));
            copy_rows((to, destination.row_pitch), (staged.1, piece.width), piece);
        }
        Ok(())
    }

    fn on_host(&self, destination: (&Side, HostPtr), source: (&Side, HostPtr)) -> CUresult {
        self.stream.synchronize()?;
        self.rows(destination, source);
        Ok(())
    }

    /// Whether the processor may write the destination without overtaking the
    /// stream. A synchronous copy may wait for that.
    fn may_touch_now(&self) -> Result<bool, CUerror> {
        match self.mode {
            Mode::Synchronous => self.stream.synchronize().map(|()| true),
            Mode::Asynchronous => self.stream.is_idle(),
        }
    }

    fn rows(&self, destination: (&Side, HostPtr), source: (&Side, HostPtr)) {
        for piece in self.extent.pieces(u64::MAX) {
            let at = |(side, base): (&Side, HostPtr)| {
                (
                    host_memory::offset(base, side.offset(piece.x, piece.y, piece.z)),
                    side.row_pitch,
                )
            };
            copy_rows(at(destination), at(source), piece);
        }
    }

    fn stage(&self, piece: Piece) -> Result<(vulkan::Slice, HostPtr), CUerror> {
        let slice = self.resources.staging.take(piece.width * piece.rows);
        let slice = slice.map_err(|error| crate::error::cuda_error(&error))?;
        let mapped = slice.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
        Ok((slice, HostPtr(mapped.as_ptr().cast())))
    }

    fn record(
        &self,
        to: &vulkan::Slice,
        to_pitch: u64,
        from: &vulkan::Slice,
        from_pitch: u64,
        piece: Piece,
    ) -> CUresult {
        self.stream
            .record(|recorder| {
                if piece.rows == 1 {
                    return recorder.copy(to, from);
                }
                let to = vulkan::Rows {
                    slice: to.clone(),
                    pitch: to_pitch,
                };
                let from = vulkan::Rows {
                    slice: from.clone(),
                    pitch: from_pitch,
                };
                recorder.copy_rows(&to, &from, piece.width, piece.rows)
            })
            .map(|_| ())
    }
}

/// The part of an allocation that holds a rectangle of a side.
fn window(side: &Side, located: &Located, piece: Piece) -> Result<vulkan::Slice, CUerror> {
    let start = located.offset + side.offset(piece.x, piece.y, piece.z);
    let len = side.row_pitch * (piece.rows - 1) + piece.width;
    located.block.slice(start, len)
}

fn copy_rows(destination: (HostPtr, u64), source: (HostPtr, u64), piece: Piece) {
    for row in 0..piece.rows {
        let to = host_memory::offset(destination.0, row * destination.1);
        let from = host_memory::offset(source.0, row * source.1);
        host_memory::copy(to, from, piece.width as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(row_pitch: u64, layer_pitch: u64) -> Side {
        Side {
            place: Place::Host(HostPtr(std::ptr::null_mut())),
            row_pitch,
            layer_pitch,
        }
    }

    #[test]
    fn rows_that_touch_are_joined() {
        let extent = Extent {
            width: 8,
            height: 4,
            depth: 2,
        };
        let tight = side(8, 32);
        assert_eq!(extent.joined([&tight, &side(8, 32)]), Extent::line(64));
        let padded = extent.joined([&tight, &side(16, 64)]);
        assert_eq!(
            padded,
            Extent {
                width: 8,
                height: 8,
                depth: 1
            }
        );
        assert_eq!(extent.joined([&tight, &side(16, 100)]), extent);
    }

    #[test]
    fn pieces_cover_a_copy_once_and_stay_within_the_limit() {
        for (width, height, depth, limit) in [
            (10, 3, 2, 4),
            (10, 3, 2, 25),
            (10, 3, 2, u64::MAX),
            (1, 1, 1, 1),
            (7, 9, 1, 14),
        ] {
            let extent = Extent {
                width,
                height,
                depth,
            };
            let mut seen = vec![0; (width * height * depth) as usize];
            for piece in extent.pieces(limit) {
                assert!(piece.width * piece.rows <= limit);
                for y in piece.y..piece.y + piece.rows {
                    for x in piece.x..piece.x + piece.width {
                        seen[((piece.z * height + y) * width + x) as usize] += 1;
                    }
                }
            }
            assert!(
                seen.iter().all(|&count| count == 1),
                "{extent:?} in pieces of {limit}"
            );
        }
    }

    #[test]
    fn a_span_that_overflows_is_refused() {
        let extent = Extent {
            width: 8,
            height: 1 << 40,
            depth: 1 << 40,
        };
        assert_eq!(side(1 << 30, 1 << 60).span(extent), None);
    }
}
