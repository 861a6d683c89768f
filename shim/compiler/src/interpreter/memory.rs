//! Plain bytes behind made-up addresses.

use std::collections::BTreeMap;

/// Where the first buffer lies: an address that no 32-bit arithmetic yields.
const FIRST_ADDRESS: u64 = 0x7F00_0000_0000;
/// Buffers start at a multiple of this, as `cuMemAlloc` guarantees.
const ALIGN: u64 = 256;
/// Bytes that no buffer has between two buffers, so that a small overrun is
/// noticed.
const GUARD: u64 = 4096;

/// An access that touches a byte outside every buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes at {address:#x} are in no buffer")]
pub struct OutOfBounds {
    /// The first byte.
    pub address: u64,
    /// How many.
    pub bytes: u64,
}

/// Global memory: buffers, and constants that kernels only read.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    buffers: BTreeMap<u64, Buffer>,
    /// The address after the last buffer.
    end: u64,
}

#[derive(Debug, Clone)]
struct Buffer {
    bytes: Vec<u8>,
    constant: bool,
}

impl Memory {
    /// Makes a buffer that holds `bytes` and returns its address.
    pub fn allocate(&mut self, bytes: Vec<u8>) -> u64 {
        self.place(bytes, false)
    }

    /// Makes a buffer that kernels cannot write and returns its address.
    pub fn allocate_constant(&mut self, bytes: Vec<u8>) -> u64 {
        self.place(bytes, true)
    }

    fn place(&mut self, bytes: Vec<u8>, constant: bool) -> u64 {
        let address = self.end.max(FIRST_ADDRESS).next_multiple_of(ALIGN);
        self.end = address + bytes.len() as u64 + GUARD;
        self.buffers.insert(address, Buffer { bytes, constant });
        address
    }

    /// The bytes from an address.
    ///
    /// # Errors
    /// If any of them lies outside the buffer at that address.
    pub fn read(&self, address: u64, bytes: u64) -> Result<&[u8], OutOfBounds> {
        let outside = OutOfBounds { address, bytes };
        let (start, buffer) = self.buffers.range(..=address).next_back().ok_or(outside)?;
        let range = range(address - start, bytes, buffer.bytes.len()).ok_or(outside)?;
        Ok(&buffer.bytes[range])
    }

    /// The bytes from an address, to change.
    ///
    /// # Errors
    /// If any of them lies outside the buffer at that address.
    pub fn write(&mut self, address: u64, bytes: u64) -> Result<&mut [u8], OutOfBounds> {
        let outside = OutOfBounds { address, bytes };
        let mut before = self.buffers.range_mut(..=address);
        let (start, buffer) = before.next_back().ok_or(outside)?;
        let range = range(address - start, bytes, buffer.bytes.len()).ok_or(outside)?;
        Ok(&mut buffer.bytes[range])
    }

    /// Whether kernels only read what lies at an address.
    #[must_use]
    pub fn is_constant(&self, address: u64) -> bool {
        let before = self.buffers.range(..=address).next_back();
        before.is_some_and(|(_, buffer)| buffer.constant)
    }
}

/// The range of `bytes` from `start` if it lies within `len`.
pub(super) fn range(start: u64, bytes: u64, len: usize) -> Option<std::ops::Range<usize>> {
    let end = start.checked_add(bytes)?;
    (end <= len as u64).then_some(start as usize..end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_ends_with_its_buffer() {
        let mut memory = Memory::default();
        let first = memory.allocate(vec![1, 2, 3, 4]);
        let second = memory.allocate(vec![5; 8]);
        assert_eq!(memory.read(first, 4), Ok(&[1, 2, 3, 4][..]));
        assert_eq!(memory.read(second + 4, 4), Ok(&[5; 4][..]));
        for (address, bytes) in [
            (first, 5),
            (first + 4, 1),
            (first - 1, 1),
            (u64::MAX, 8),
            (0, 1),
        ] {
            let outside = OutOfBounds { address, bytes };
            assert_eq!(memory.read(address, bytes), Err(outside));
            assert_eq!(memory.write(address, bytes), Err(outside));
        }
    }
}
