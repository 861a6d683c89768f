//! Images that modules are loaded from: PTX text, and the fat binaries in which
//! a compiler packs it.
//!
//! The packing is written down here a second time, apart from the reader under
//! test, from the format that stock libraries show.

/// PTX with globals, constants and kernels whose directives the tests read back.
///
/// Compute capability 5.0 is the oldest that a current driver still compiles.
pub const PTX: &str = include_str!("image.ptx");

/// PTX of kernels to launch: what each writes shows how it was launched.
pub const LAUNCHED: &str = include_str!("launch.ptx");

/// PTX with one global, `architecture`, that holds `sm`.
#[must_use]
pub fn ptx_of(sm: u32) -> String {
    // The oldest PTX that knows the architecture.
    let version = match sm {
        0..=75 => "6.3",
        76..=86 => "7.0",
        _ => "8.0",
    };
    format!(
        ".version {version}\n.target sm_{sm}\n.address_size 64\n\
         .visible .global .align 4 .u32 architecture = {sm};\n\
         .visible .entry probe() {{ ret; }}\n"
    )
}

/// PTX text as a C caller hands it over.
#[must_use]
pub fn terminated(ptx: &str) -> Vec<u8> {
    let mut bytes = ptx.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// How an entry's payload is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// A raw LZ4 block.
    Lz4,
    /// A zstd frame.
    Zstd,
}

/// One entry of a fat binary.
#[derive(Debug, Clone)]
pub struct Entry {
    /// 1 for PTX, 2 for an ELF object with machine code.
    pub kind: u16,
    /// The architecture, such as 61.
    pub sm: u32,
    /// How the payload is packed.
    pub packing: Packing,
    /// The payload before packing.
    pub payload: Vec<u8>,
}

impl Entry {
    /// Bytes of an entry's header without the compiler's options.
    const HEADER: u32 = 64;

    /// PTX for an architecture.
    #[must_use]
    pub fn ptx(sm: u32, packing: Packing, text: &str) -> Self {
        Self {
            kind: 1,
            sm,
            packing,
            payload: terminated(text),
        }
    }

    /// The version that the entry's header states: of PTX its own, of an ELF object
    /// the version of its form. Major in the upper half, minor in the lower.
    fn version(&self) -> u32 {
        const ELF_FORM: u32 = 0x0001_0007;
        let text = String::from_utf8_lossy(&self.payload);
        let stated = text.split_once(".version ").map_or("", |(_, rest)| rest);
        let stated = stated.split_whitespace().next().unwrap_or_default();
        let (major, minor) = stated.split_once('.').unwrap_or_default();
        match (major.parse::<u32>(), minor.parse::<u32>()) {
            (Ok(major), Ok(minor)) => major << 16 | minor,
            _ => ELF_FORM,
        }
    }

    /// Behind the header of PTX: where the compiler's options begin, their length,
    /// and the options, of which there are none.
    fn options(&self) -> &'static [u32] {
        const END: u32 = Entry::HEADER + 8;
        if self.kind == 2 { &[] } else { &[END, 0, 0, 0] }
    }

    /// Machine code for an architecture: an ELF header and nothing that runs.
    #[must_use]
    pub fn elf(sm: u32) -> Self {
        let mut payload = b"\x7fELF\x02\x01\x01".to_vec();
        payload.resize(512, 0);
        Self {
            kind: 2,
            sm,
            packing: Packing::Plain,
            payload,
        }
    }

    fn flags(&self) -> u64 {
        const WIDE: u64 = 0x1;
        const LINUX: u64 = 0x10;
        let packing = match self.packing {
            Packing::Plain => 0,
            Packing::Lz4 => 0x2000,
            Packing::Zstd => 0x8000,
        };
        WIDE | LINUX | packing
    }

    fn packed(&self) -> Vec<u8> {
        match self.packing {
            Packing::Plain => self.payload.clone(),
            Packing::Lz4 => lz4_flex::block::compress(&self.payload),
            Packing::Zstd => {
                zstd::bulk::compress(&self.payload, 3).expect("zstd compresses any bytes")
            }
        }
    }

    fn write(&self, image: &mut Vec<u8>) {
        let mut payload = self.packed();
        let compressed = if self.packing == Packing::Plain {
            0
        } else {
            payload.len() as u32
        };
        payload.resize(payload.len().next_multiple_of(8), 0);
        let uncompressed = if compressed == 0 {
            0
        } else {
            self.payload.len() as u64
        };
        let options = self.options();
        let place_of_options = if options.is_empty() { 0 } else { Self::HEADER };
        image.extend_from_slice(&self.kind.to_le_bytes());
        image.extend_from_slice(&0x0101_u16.to_le_bytes());
        for word in [
            Self::HEADER + size_of_val(options) as u32,
            payload.len() as u32,
            0,
            compressed,
            place_of_options,
            self.version(),
            self.sm,
            0,
            0,
        ] {
            image.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.flags(), 0, uncompressed] {
            image.extend_from_slice(&word.to_le_bytes());
        }
        for word in options {
            image.extend_from_slice(&word.to_le_bytes());
        }
        image.extend_from_slice(&payload);
    }
}

/// Bytes of a fat binary's own header.
pub const FATBIN_HEADER: usize = 16;

/// A fat binary: its header and its entries.
#[must_use]
pub fn fatbin(entries: &[Entry]) -> Vec<u8> {
    let mut body = Vec::new();
    for entry in entries {
        entry.write(&mut body);
    }
    let mut image = 0xBA55_ED50_u32.to_le_bytes().to_vec();
    image.extend_from_slice(&1_u16.to_le_bytes());
    image.extend_from_slice(&(FATBIN_HEADER as u16).to_le_bytes());
    image.extend_from_slice(&(body.len() as u64).to_le_bytes());
    image.extend_from_slice(&body);
    image
}

/// The structure that a compiled program hands to its driver: it points to fat
/// binaries. It borrows them, since a driver reads them through its addresses.
pub struct Wrapper<'a> {
    words: Vec<u64>,
    list: Vec<u64>,
    images: Vec<&'a [u8]>,
}

impl<'a> Wrapper<'a> {
    /// Version 1: one fat binary.
    #[must_use]
    pub fn single(image: &'a [u8]) -> Self {
        Self {
            words: vec![magic(1), image.as_ptr() as u64, 0],
            list: Vec::new(),
            images: vec![image],
        }
    }

    /// Version 2: what device linking makes, a null-terminated list of them.
    #[must_use]
    pub fn list(images: &[&'a [u8]]) -> Self {
        let mut list: Vec<u64> = images.iter().map(|image| image.as_ptr() as u64).collect();
        list.push(0);
        let words = vec![magic(2), images[0].as_ptr() as u64, list.as_ptr() as u64];
        Self {
            words,
            list,
            images: images.to_vec(),
        }
    }

    /// The bytes of the structure itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        debug_assert!(self.images.len() + 1 >= self.list.len());
        let len = size_of_val(self.words.as_slice());
        // SAFETY: any `u64` is eight initialized bytes.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast(), len) }
    }
}

fn magic(version: u64) -> u64 {
    0x4662_43B1 | version << 32
}
