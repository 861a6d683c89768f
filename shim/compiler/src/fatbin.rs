//! The container that nvcc wraps device code in: a "fat binary" holds the same
//! kernels as PTX text and as machine code for several architectures.
//!
//! The module reads bytes and never follows pointers. A program hands its
//! driver a pointer to a [`Wrapper`] or to a header; the caller reads
//! [`WRAPPER_LEN`] or [`HEADER_LEN`] bytes, asks how long the rest is, and
//! comes back with a slice. Entries are decompressed only when they are asked
//! for, because one library carries hundreds of megabytes of text for
//! architectures that nobody selects.

use std::borrow::Cow;
use std::io::Read;

/// First word of the structure that a program registers: [`Wrapper`].
pub const WRAPPER_MAGIC: u32 = 0x4662_43B1;
/// Bytes of a wrapper.
pub const WRAPPER_LEN: usize = 24;
/// First word of a fat binary.
pub const MAGIC: u32 = 0xBA55_ED50;
/// Bytes of a fat binary's header.
pub const HEADER_LEN: usize = 16;

/// Bytes of the shortest entry header known; a header may be longer and says so.
const ENTRY_HEADER_LEN: usize = 64;
/// An upper bound for one entry's text, ten times what any stock library holds.
const MAX_UNCOMPRESSED_LEN: u64 = 1 << 30;
/// LZ4 cannot expand a byte of input to more than this many bytes of output.
const LZ4_MAX_RATIO: u64 = 255;

const FLAG_64_BIT: u64 = 0x1;
const FLAG_DEBUG: u64 = 0x2;
const FLAG_LZ4: u64 = 0x2000;
const FLAG_ZSTD: u64 = 0x8000;

const KIND_PTX: u16 = 1;
const KIND_ELF: u16 = 2;

/// What is wrong with a fat binary or one of its entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the structure does.
    #[error(
        "{what} at offset {offset} needs {needed} bytes but {available} are left: the fat binary is truncated"
    )]
    Truncated {
        what: &'static str,
        offset: usize,
        needed: u64,
        available: usize,
    },
    /// The first word is not the one this structure starts with.
    #[error("{what} starts with {found:#010x} instead of {expected:#010x}")]
    BadMagic {
        what: &'static str,
        found: u32,
        expected: u32,
    },
    /// A version of the container that nobody has described yet.
    #[error("fat binary {what} version {found} is not known; supported: {supported}")]
    UnknownVersion {
        what: &'static str,
        found: u32,
        supported: &'static str,
    },
    /// An entry whose own sizes contradict each other.
    #[error("fat binary entry at offset {offset}: {reason}")]
    BadEntry { offset: usize, reason: String },
    /// A payload that its decompressor rejects.
    #[error("fat binary entry at offset {offset}: {algorithm} data is corrupt: {reason}")]
    Decompress {
        offset: usize,
        algorithm: &'static str,
        reason: String,
    },
    /// PTX is ASCII; this entry is not text.
    #[error("fat binary entry at offset {offset}: the PTX is not text: {reason}")]
    NotText { offset: usize, reason: String },
}

/// What a pointer handed to a module loader points to, judged by its first four
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Image {
    /// A [`Wrapper`] around one or several fat binaries.
    Wrapper,
    /// A fat binary.
    Fatbin,
    /// Machine code in an ELF object.
    Elf,
    /// Anything else: NUL-terminated PTX text.
    Text,
}

impl Image {
    /// Classifies an image by its first word.
    #[must_use]
    pub fn detect(first_bytes: [u8; 4]) -> Self {
        match u32::from_le_bytes(first_bytes) {
            WRAPPER_MAGIC => Self::Wrapper,
            MAGIC => Self::Fatbin,
            _ if first_bytes == *b"\x7fELF" => Self::Elf,
            _ => Self::Text,
        }
    }
}

/// The structure that host code registers for each translation unit. Its
/// addresses are only meaningful to the process that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrapper {
    /// Version 1: the address of one fat binary.
    Single { header: u64 },
    /// Version 2: the address of a null-terminated array of addresses of fat
    /// binaries, made by device linking.
    List { headers: u64 },
}

impl Wrapper {
    /// Reads a wrapper.
    ///
    /// # Errors
    /// [`Error::BadMagic`] and [`Error::UnknownVersion`].
    pub fn parse(bytes: &[u8; WRAPPER_LEN]) -> Result<Self, Error> {
        let reader = Reader::new("wrapper", bytes, 0);
        expect_magic("fat binary wrapper", reader.u32(0)?, WRAPPER_MAGIC)?;
        match reader.u32(4)? {
            1 => Ok(Self::Single {
                header: reader.u64(8)?,
            }),
            2 => Ok(Self::List {
                headers: reader.u64(16)?,
            }),
            found => Err(Error::UnknownVersion {
                what: "wrapper",
                found,
                supported: "1 and 2",
            }),
        }
    }
}

/// Bytes of a whole fat binary, header included, so that a caller who holds
/// only a pointer learns how long a slice to make.
///
/// # Errors
/// [`Error::BadMagic`], [`Error::UnknownVersion`], and [`Error::BadEntry`] where
/// the size does not fit an address.
pub fn total_len(header: &[u8; HEADER_LEN]) -> Result<usize, Error> {
    let header = Header::parse(header, 0)?;
    header.total_len()
}

struct Header {
    header_len: usize,
    body_len: u64,
}

impl Header {
    fn parse(bytes: &[u8], offset: usize) -> Result<Self, Error> {
        let reader = Reader::new("fat binary header", bytes, offset);
        expect_magic("fat binary", reader.u32(0)?, MAGIC)?;
        let version = reader.u16(4)?;
        if version != 1 {
            return Err(Error::UnknownVersion {
                what: "header",
                found: u32::from(version),
                supported: "1",
            });
        }
        let header_len = usize::from(reader.u16(6)?);
        if header_len < HEADER_LEN {
            return Err(bad_entry(
                offset,
                format!("a header of {header_len} bytes is too short"),
            ));
        }
        Ok(Self {
            header_len,
            body_len: reader.u64(8)?,
        })
    }

    fn total_len(&self) -> Result<usize, Error> {
        usize::try_from(self.body_len)
            .ok()
            .and_then(|body| body.checked_add(self.header_len))
            .ok_or_else(|| {
                bad_entry(
                    0,
                    format!("a body of {} bytes exceeds an address", self.body_len),
                )
            })
    }
}

/// A fat binary: a sequence of [`Entry`]s.
#[derive(Debug, Clone, Copy)]
pub struct Fatbin<'a> {
    bytes: &'a [u8],
    first_entry: usize,
}

impl<'a> Fatbin<'a> {
    /// Reads the header of the fat binary that `bytes` starts with. Bytes after
    /// its end are ignored.
    ///
    /// # Errors
    /// [`Error::Truncated`] where `bytes` is shorter than the header says, and
    /// those of [`total_len`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let header = Header::parse(bytes, 0)?;
        let total_len = header.total_len()?;
        let bytes = bytes.get(..total_len).ok_or(Error::Truncated {
            what: "fat binary",
            offset: 0,
            needed: total_len as u64,
            available: bytes.len(),
        })?;
        Ok(Self {
            bytes,
            first_entry: header.header_len,
        })
    }

    /// The entries in file order, of every kind. After an error the walk ends,
    /// since the start of the next entry is unknown.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        Entries {
            bytes: self.bytes,
            offset: self.first_entry,
        }
    }

    /// The PTX entry for the highest architecture that is at most `max_sm`
    /// (61 for compute capability 6.1): host code chooses kernels by the
    /// capability the device reports, so a newer text would disagree with it.
    ///
    /// # Errors
    /// The walk's first error, even if a usable entry precedes it.
    pub fn best_ptx(&self, max_sm: u32) -> Result<Option<Entry<'a>>, Error> {
        let mut best: Option<Entry<'a>> = None;
        for entry in self.entries() {
            let entry = entry?;
            let usable = entry.kind == Kind::Ptx && entry.sm <= max_sm;
            if usable && best.as_ref().is_none_or(|best| best.sm < entry.sm) {
                best = Some(entry);
            }
        }
        Ok(best)
    }

    /// Bytes of this fat binary, header included.
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Fat binaries laid one after another, as in the ELF section `.nv_fatbin`.
/// Padding between them is skipped.
#[derive(Debug, Clone)]
pub struct Section<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Section<'a> {
    /// Walks the bytes of a section.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }
}

impl<'a> Iterator for Section<'a> {
    type Item = Result<Fatbin<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let magic = MAGIC.to_le_bytes();
        while self.bytes.get(self.offset..)?.len() >= HEADER_LEN {
            let rest = &self.bytes[self.offset..];
            if rest.starts_with(&magic) {
                let fatbin = Fatbin::parse(rest);
                self.offset = match &fatbin {
                    Ok(fatbin) => self.offset + fatbin.total_len(),
                    Err(_) => self.bytes.len(),
                };
                return Some(fatbin);
            }
            self.offset += 4;
        }
        None
    }
}

/// What an entry holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// PTX text.
    Ptx,
    /// Machine code.
    Elf,
    /// A kind that readers skip.
    Other(u16),
}

/// How an entry's payload is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Stored as it is.
    None,
    /// A raw LZ4 block.
    Lz4,
    /// A zstd frame.
    Zstd,
}

/// One variant of the kernels. Holding it costs nothing; [`Entry::contents`]
/// decompresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What the payload is.
    pub kind: Kind,
    /// The architecture: 61 for sm_61.
    pub sm: u32,
    /// The PTX ISA version (major, minor) of a PTX entry.
    pub ptx_version: (u16, u16),
    /// How the payload is packed.
    pub compression: Compression,
    /// Whether addresses in it have 64 bits.
    pub is_64_bit: bool,
    /// Whether it was compiled with device debugging.
    pub is_debug: bool,
    /// Bytes of the payload once unpacked.
    pub uncompressed_len: u64,
    /// Where the entry starts in its fat binary.
    pub offset: usize,
    payload: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The unpacked payload.
    ///
    /// # Errors
    /// [`Error::Decompress`] where the data is corrupt or its length is not the
    /// one that the entry declares.
    pub fn contents(&self) -> Result<Cow<'a, [u8]>, Error> {
        match self.compression {
            Compression::None => Ok(Cow::Borrowed(self.payload)),
            Compression::Lz4 => self.lz4().map(Cow::Owned),
            Compression::Zstd => self.zstd().map(Cow::Owned),
        }
    }

    /// The text of a PTX entry, without the zero padding that may follow it.
    ///
    /// # Errors
    /// Those of [`Entry::contents`], and [`Error::NotText`].
    pub fn text(&self) -> Result<String, Error> {
        let mut contents = self.contents()?.into_owned();
        let len = contents
            .iter()
            .position(|&byte| byte == 0)
            .unwrap_or(contents.len());
        contents.truncate(len);
        String::from_utf8(contents).map_err(|error| Error::NotText {
            offset: self.offset,
            reason: error.utf8_error().to_string(),
        })
    }

    fn lz4(&self) -> Result<Vec<u8>, Error> {
        let bound = (self.payload.len() as u64).saturating_mul(LZ4_MAX_RATIO);
        let len = self.plausible_len("LZ4", bound)?;
        let mut output = vec![0; len];
        let written = lz4_flex::block::decompress_into(self.payload, &mut output)
            .map_err(|error| self.corrupt("LZ4", error.to_string()))?;
        output.truncate(written);
        self.expect_len("LZ4", output, len)
    }

    fn zstd(&self) -> Result<Vec<u8>, Error> {
        let len = self.plausible_len("zstd", MAX_UNCOMPRESSED_LEN)?;
        let decoder = ruzstd::decoding::StreamingDecoder::new(self.payload)
            .map_err(|error| self.corrupt("zstd", error.to_string()))?;
        let mut output = Vec::new();
        // One byte more than declared tells a frame that is too long.
        decoder
            .take(len as u64 + 1)
            .read_to_end(&mut output)
            .map_err(|error| self.corrupt("zstd", error.to_string()))?;
        self.expect_len("zstd", output, len)
    }

    /// The declared length, unless no valid payload of this size can have it.
    fn plausible_len(&self, algorithm: &'static str, bound: u64) -> Result<usize, Error> {
        let len = self.uncompressed_len;
        usize::try_from(len)
            .ok()
            .filter(|_| len <= bound.min(MAX_UNCOMPRESSED_LEN))
            .ok_or_else(|| {
                let packed = self.payload.len();
                self.corrupt(
                    algorithm,
                    format!("{packed} bytes cannot unpack to {len} bytes"),
                )
            })
    }

    fn expect_len(
        &self,
        algorithm: &'static str,
        output: Vec<u8>,
        len: usize,
    ) -> Result<Vec<u8>, Error> {
        if output.len() == len {
            return Ok(output);
        }
        let reason = format!("unpacked to {} bytes instead of {len}", output.len());
        Err(self.corrupt(algorithm, reason))
    }

    fn corrupt(&self, algorithm: &'static str, reason: String) -> Error {
        Error::Decompress {
            offset: self.offset,
            algorithm,
            reason,
        }
    }
}

/// The walk over a fat binary's entries.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.offset..).filter(|r| !r.is_empty())?;
        match parse_entry(rest, self.offset) {
            Ok((entry, len)) => {
                self.offset += len;
                Some(Ok(entry))
            }
            Err(error) => {
                self.offset = self.bytes.len();
                Some(Err(error))
            }
        }
    }
}

/// Reads the entry that `bytes` starts with; returns it and the distance to the
/// next one.
fn parse_entry(bytes: &[u8], offset: usize) -> Result<(Entry<'_>, usize), Error> {
    let reader = Reader::new("entry header", bytes, offset);
    reader.need(ENTRY_HEADER_LEN as u64)?;
    let header_len = reader.u32(4)? as usize;
    if header_len < ENTRY_HEADER_LEN {
        let reason = format!("a header of {header_len} bytes is too short");
        return Err(bad_entry(offset, reason));
    }
    let padded_len = u64::from(reader.u32(8)?);
    let compressed_len = u64::from(reader.u32(16)?);
    let flags = reader.u64(40)?;
    let compression = compression(flags, offset)?;
    let payload_len = match compression {
        Compression::None => padded_len,
        _ if compressed_len == 0 => padded_len,
        _ => compressed_len,
    };
    let entry_len = header_len as u64 + padded_len.max(compressed_len);
    let entry_len = reader.need(entry_len)?;
    let payload = &bytes[header_len..][..payload_len as usize];
    let version = reader.u32(24)?;
    let entry = Entry {
        kind: kind(reader.u16(0)?),
        sm: reader.u32(28)?,
        ptx_version: ((version >> 16) as u16, version as u16),
        compression,
        is_64_bit: flags & FLAG_64_BIT != 0,
        is_debug: flags & FLAG_DEBUG != 0,
        uncompressed_len: match compression {
            Compression::None => payload_len,
            _ => reader.u64(56)?,
        },
        offset,
        payload,
    };
    Ok((entry, entry_len))
}

fn kind(word: u16) -> Kind {
    match word {
        KIND_PTX => Kind::Ptx,
        KIND_ELF => Kind::Elf,
        other => Kind::Other(other),
    }
}

fn compression(flags: u64, offset: usize) -> Result<Compression, Error> {
    match (flags & FLAG_LZ4 != 0, flags & FLAG_ZSTD != 0) {
        (false, false) => Ok(Compression::None),
        (true, false) => Ok(Compression::Lz4),
        (false, true) => Ok(Compression::Zstd),
        (true, true) => Err(bad_entry(
            offset,
            format!("flags {flags:#x} claim LZ4 and zstd at once"),
        )),
    }
}

fn expect_magic(what: &'static str, found: u32, expected: u32) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::BadMagic {
        what,
        found,
        expected,
    })
}

fn bad_entry(offset: usize, reason: String) -> Error {
    Error::BadEntry { offset, reason }
}

/// Little-endian fields of one structure; every read is checked.
struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn new(what: &'static str, bytes: &'a [u8], offset: usize) -> Self {
        Self {
            what,
            bytes,
            offset,
        }
    }

    /// Checks that `needed` bytes are there and returns the count as a size.
    fn need(&self, needed: u64) -> Result<usize, Error> {
        match usize::try_from(needed) {
            Ok(len) if len <= self.bytes.len() => Ok(len),
            _ => Err(Error::Truncated {
                what: self.what,
                offset: self.offset,
                needed,
                available: self.bytes.len(),
            }),
        }
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N], Error> {
        self.need((at + N) as u64)?;
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes[at..at + N]);
        Ok(array)
    }

    fn u16(&self, at: usize) -> Result<u16, Error> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(&self, at: usize) -> Result<u32, Error> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, Error> {
        self.array(at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
