//! Reads `ld.so.cache`, so that a library is found where the system's own
//! loader finds it (glibc, `dl-cache.h`, format 1.1).

use std::path::PathBuf;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// The libraries of one architecture that the cache lists, in its order.
#[derive(Debug, Default)]
pub struct LdCache {
    entries: Vec<(String, PathBuf)>,
}

impl LdCache {
    /// Parses a cache file. What cannot be understood is left out: a missing
    /// or damaged cache means that the default directories decide, as it does
    /// for the loader.
    pub fn parse(bytes: &[u8], flags: u32) -> LdCache {
        let entries = find_format(bytes)
            .map(|table| read_entries(table, flags))
            .unwrap_or_default();
        LdCache { entries }
    }

    /// The path of `soname`.
    pub fn find(&self, soname: &str) -> Option<&PathBuf> {
        self.entries
            .iter()
            .find(|(name, _)| name == soname)
            .map(|(_, path)| path)
    }
}

/// The format 1.1 part: the whole file, or what follows the old format's table.
fn find_format(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.starts_with(MAGIC) {
        return Some(bytes);
    }
    let old = bytes.strip_prefix(b"ld.so-1.7.0\0")?;
    let count = number(old, 0)? as usize;
    let end = count
        .checked_mul(12)?
        .checked_add(16)?
        .checked_next_multiple_of(8)?;
    bytes.get(end..).filter(|rest| rest.starts_with(MAGIC))
}

fn read_entries(table: &[u8], flags: u32) -> Vec<(String, PathBuf)> {
    let count = number(table, MAGIC.len()).unwrap_or(0) as usize;
    let listed = table.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY);
    listed
        .take(count)
        .filter_map(|entry| read_entry(table, entry, flags))
        .collect()
}

/// An entry of our architecture, unless it is for some CPU models only
/// (a non-zero hardware capability field).
fn read_entry(table: &[u8], entry: &[u8], flags: u32) -> Option<(String, PathBuf)> {
    let plain = entry.get(16..24)?.iter().all(|byte| *byte == 0);
    if !plain || number(entry, 0)? != flags {
        return None;
    }
    let name = string(table, number(entry, 4)? as usize)?;
    let path = string(table, number(entry, 8)? as usize)?;
    path.starts_with('/').then(|| (name, PathBuf::from(path)))
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(field.try_into().ok()?))
}

fn string(bytes: &[u8], at: usize) -> Option<String> {
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    String::from_utf8(rest[..end].to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::HOST;

    #[test]
    fn finds_the_c_library_of_this_host() {
        let cache = LdCache::parse(
            &std::fs::read("/etc/ld.so.cache").unwrap(),
            HOST.cache_flags,
        );
        assert!(cache.find("libc.so.6").unwrap().exists());
    }

    #[test]
    fn a_damaged_cache_is_an_empty_one_and_never_a_panic() {
        let whole = std::fs::read("/etc/ld.so.cache").unwrap();
        for length in 0..whole.len().min(4096) {
            let _ = LdCache::parse(&whole[..length], HOST.cache_flags);
        }
        let mut noisy = whole.clone();
        for at in (20..noisy.len()).step_by(3) {
            noisy[at] ^= 0xff;
        }
        let _ = LdCache::parse(&noisy, HOST.cache_flags);
        assert!(
            LdCache::parse(b"", HOST.cache_flags)
                .find("libc.so.6")
                .is_none()
        );
    }
}
