//! The reader on fat binaries that are whole, cut off and corrupt.

use super::*;

const TEXT: &str = ".version 8.4\n.target sm_61\n.address_size 64\n";

/// An entry of a made-up fat binary.
struct Sample {
    kind: u16,
    sm: u32,
    flags: u64,
    payload: Vec<u8>,
    uncompressed_len: u64,
}

impl Sample {
    fn stored(sm: u32, text: &str) -> Self {
        Self {
            kind: KIND_PTX,
            sm,
            flags: FLAG_64_BIT,
            payload: text.as_bytes().to_vec(),
            uncompressed_len: 0,
        }
    }

    fn packed(sm: u32, text: &str, compression: Compression) -> Self {
        let (flag, payload) = match compression {
            Compression::Lz4 => (FLAG_LZ4, lz4_flex::block::compress(text.as_bytes())),
            _ => (
                FLAG_ZSTD,
                ruzstd::encoding::compress_to_vec(
                    text.as_bytes(),
                    ruzstd::encoding::CompressionLevel::Fastest,
                ),
            ),
        };
        Self {
            flags: FLAG_64_BIT | flag,
            payload,
            uncompressed_len: text.len() as u64,
            ..Self::stored(sm, "")
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        let compressed = self.flags & (FLAG_LZ4 | FLAG_ZSTD) != 0;
        let padded = self.payload.len().next_multiple_of(8);
        let mut header = [0u8; ENTRY_HEADER_LEN];
        header[0..2].copy_from_slice(&self.kind.to_le_bytes());
        header[2..4].copy_from_slice(&0x0101u16.to_le_bytes());
        header[4..8].copy_from_slice(&(ENTRY_HEADER_LEN as u32).to_le_bytes());
        header[8..12].copy_from_slice(&(padded as u32).to_le_bytes());
        let compressed_len = if compressed { self.payload.len() } else { 0 };
        header[16..20].copy_from_slice(&(compressed_len as u32).to_le_bytes());
        header[24..28].copy_from_slice(&0x0008_0004u32.to_le_bytes());
        header[28..32].copy_from_slice(&self.sm.to_le_bytes());
        header[40..48].copy_from_slice(&self.flags.to_le_bytes());
        header[56..64].copy_from_slice(&self.uncompressed_len.to_le_bytes());
        out.extend(header);
        out.extend(&self.payload);
        out.resize(out.len() + padded - self.payload.len(), 0);
    }
}

fn fatbin(samples: &[Sample]) -> Vec<u8> {
    let mut body = Vec::new();
    samples.iter().for_each(|sample| sample.write(&mut body));
    let mut bytes = MAGIC.to_le_bytes().to_vec();
    bytes.extend(1u16.to_le_bytes());
    bytes.extend((HEADER_LEN as u16).to_le_bytes());
    bytes.extend((body.len() as u64).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn every_compression() -> Vec<u8> {
    fatbin(&[
        Sample::stored(50, TEXT),
        Sample::packed(61, TEXT, Compression::Lz4),
        Sample::packed(75, TEXT, Compression::Zstd),
    ])
}

fn read_all(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let fatbin = Fatbin::parse(bytes)?;
    fatbin.entries().map(|entry| entry?.text()).collect()
}

#[test]
fn entries_of_every_compression_hold_the_same_text() {
    assert_eq!(read_all(&every_compression()).unwrap(), [TEXT; 3]);
}

#[test]
fn entry_headers_are_read_in_full() {
    let bytes = every_compression();
    let entry = Fatbin::parse(&bytes).unwrap().entries().nth(1).unwrap();
    let entry = entry.unwrap();
    assert_eq!((entry.kind, entry.sm), (Kind::Ptx, 61));
    assert_eq!(entry.ptx_version, (8, 4));
    assert_eq!(entry.compression, Compression::Lz4);
    assert_eq!(entry.uncompressed_len, TEXT.len() as u64);
    assert!(entry.is_64_bit && !entry.is_debug);
}

#[test]
fn best_ptx_is_the_highest_at_or_below_the_capability() {
    let bytes = every_compression();
    let fatbin = Fatbin::parse(&bytes).unwrap();
    let sm = |max| fatbin.best_ptx(max).unwrap().map(|entry| entry.sm);
    assert_eq!(
        [sm(49), sm(50), sm(70), sm(90)],
        [None, Some(50), Some(61), Some(75)]
    );
}

#[test]
fn machine_code_and_unknown_kinds_are_walked_but_never_chosen() {
    let elf = Sample {
        kind: KIND_ELF,
        ..Sample::stored(60, "code")
    };
    let other = Sample {
        kind: 77,
        ..Sample::stored(61, "?")
    };
    let bytes = fatbin(&[elf, other, Sample::stored(52, TEXT)]);
    let fatbin = Fatbin::parse(&bytes).unwrap();
    assert_eq!(fatbin.entries().count(), 3);
    assert_eq!(fatbin.best_ptx(90).unwrap().unwrap().sm, 52);
}

#[test]
fn a_section_holds_several_fat_binaries_with_padding_between() {
    let mut bytes = every_compression();
    bytes.extend([0; 24]);
    bytes.extend(fatbin(&[Sample::stored(61, TEXT)]));
    let counts: Vec<_> = Section::new(&bytes)
        .map(|fatbin| fatbin.unwrap().entries().count())
        .collect();
    assert_eq!(counts, [3, 1]);
}

#[test]
fn total_len_lets_a_caller_make_the_slice() {
    let bytes = every_compression();
    let header = bytes[..HEADER_LEN].try_into().unwrap();
    assert_eq!(total_len(header), Ok(bytes.len()));
}

#[test]
fn images_are_told_apart_by_their_first_word() {
    let detect = |word: u32| Image::detect(word.to_le_bytes());
    assert_eq!(detect(WRAPPER_MAGIC), Image::Wrapper);
    assert_eq!(detect(MAGIC), Image::Fatbin);
    assert_eq!(Image::detect(*b"\x7fELF"), Image::Elf);
    assert_eq!(Image::detect(*b"//\n\0"), Image::Text);
}

#[test]
fn wrappers_of_both_versions_give_their_address() {
    let wrapper = |version: u32| {
        let mut bytes = [0; WRAPPER_LEN];
        bytes[..4].copy_from_slice(&WRAPPER_MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        bytes[8..16].copy_from_slice(&0x1000u64.to_le_bytes());
        bytes[16..].copy_from_slice(&0x2000u64.to_le_bytes());
        Wrapper::parse(&bytes)
    };
    assert_eq!(wrapper(1), Ok(Wrapper::Single { header: 0x1000 }));
    assert_eq!(wrapper(2), Ok(Wrapper::List { headers: 0x2000 }));
    assert!(matches!(wrapper(3), Err(Error::UnknownVersion { .. })));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = every_compression();
    for len in 0..bytes.len() {
        assert!(read_all(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_body_cut_with_a_matching_header_is_still_an_error_or_shorter() {
    let bytes = every_compression();
    for len in HEADER_LEN..bytes.len() {
        let mut cut = bytes[..len].to_vec();
        cut[8..16].copy_from_slice(&((len - HEADER_LEN) as u64).to_le_bytes());
        if let Ok(texts) = read_all(&cut) {
            assert!(texts.len() < 3 && texts.iter().all(|text| text == TEXT));
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let bytes = every_compression();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut corrupt = bytes.clone();
            corrupt[at] ^= flip;
            // The outcome may be text or an error; only returning matters.
            let _ = read_all(&corrupt);
            let _ = Section::new(&corrupt).count();
        }
    }
}

#[test]
fn an_absurd_uncompressed_length_is_refused_before_memory_is_taken() {
    for compression in [Compression::Lz4, Compression::Zstd] {
        let mut sample = Sample::packed(61, TEXT, compression);
        sample.uncompressed_len = u64::MAX;
        let error = read_all(&fatbin(&[sample])).unwrap_err();
        assert!(error.to_string().contains("cannot unpack"), "{error}");
    }
}

#[test]
fn a_length_other_than_declared_is_corrupt() {
    for compression in [Compression::Lz4, Compression::Zstd] {
        for delta in [-1i64, 1] {
            let mut sample = Sample::packed(61, TEXT, compression);
            sample.uncompressed_len = sample.uncompressed_len.wrapping_add_signed(delta);
            let error = read_all(&fatbin(&[sample])).unwrap_err();
            assert!(matches!(error, Error::Decompress { .. }), "{error}");
        }
    }
}

#[test]
fn zero_padding_after_the_text_is_dropped() {
    let padded = format!("{TEXT}\0\0\0\0");
    let bytes = fatbin(&[Sample::stored(61, &padded)]);
    assert_eq!(read_all(&bytes).unwrap(), [TEXT]);
}
