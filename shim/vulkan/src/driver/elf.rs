//! What an ELF library on disk offers: version definitions, and for libraries
//! that have none the names of their symbols.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use memmap2::Mmap;
use object::Endianness;
use object::elf::{FileHeader64, VER_FLG_BASE};
use object::read::elf::{FileHeader, SectionTable, Sym};

type Header = FileHeader64<Endianness>;

/// A 64-bit library's dynamic interface. The file is mapped: some are large,
/// and little of them is read.
pub(super) struct Library {
    data: Mmap,
}

impl Library {
    pub fn open(path: &Path) -> Option<Library> {
        let file = File::open(path).ok()?;
        // SAFETY: the file is a library, which nobody changes in place: every
        // program that uses it has it mapped as well.
        let data = unsafe { Mmap::map(&file) }.ok()?;
        Some(Library { data })
    }

    /// The names of the versions that the library defines; empty for a library
    /// without versions. `None` for what is no 64-bit ELF file.
    pub fn defines(&self) -> Option<BTreeSet<String>> {
        self.with_sections(|sections, endian, data| {
            let mut names = BTreeSet::new();
            let Some((mut definitions, strings)) = sections.gnu_verdef(endian, data).ok()? else {
                return Some(names);
            };
            let strings = sections.strings(endian, data, strings).ok()?;
            while let Some((definition, mut auxiliary)) = definitions.next().ok()? {
                if definition.vd_flags.get(endian) & VER_FLG_BASE != 0 {
                    continue;
                }
                if let Some(first) = auxiliary.next().ok()? {
                    names.insert(text(first.name(endian, strings).ok()?));
                }
            }
            Some(names)
        })
    }

    /// The versions that the library needs of the library called `soname`.
    pub fn needs_of(&self, soname: &str) -> Option<BTreeSet<String>> {
        self.with_sections(|sections, endian, data| {
            let mut names = BTreeSet::new();
            let Some((mut needs, strings)) = sections.gnu_verneed(endian, data).ok()? else {
                return Some(names);
            };
            let strings = sections.strings(endian, data, strings).ok()?;
            while let Some((need, mut auxiliary)) = needs.next().ok()? {
                if need.file(endian, strings).ok()? != soname.as_bytes() {
                    continue;
                }
                while let Some(version) = auxiliary.next().ok()? {
                    names.insert(text(version.name(endian, strings).ok()?));
                }
            }
            Some(names)
        })
    }

    /// The names of the symbols that the library exports.
    pub fn exports(&self) -> Option<BTreeSet<String>> {
        self.with_sections(|sections, endian, data| {
            let symbols = sections
                .symbols(endian, data, object::elf::SHT_DYNSYM)
                .ok()?;
            let strings = symbols.strings();
            let exported = symbols
                .iter()
                .filter(|symbol| !symbol.is_undefined(endian) && !symbol.is_local());
            Some(
                exported
                    .filter_map(|symbol| symbol.name(endian, strings).ok())
                    .map(text)
                    .collect(),
            )
        })
    }

    fn with_sections<'a, T>(
        &'a self,
        read: impl FnOnce(&SectionTable<'a, Header, &'a [u8]>, Endianness, &'a [u8]) -> Option<T>,
    ) -> Option<T> {
        let data: &[u8] = &self.data;
        let header = Header::parse(data).ok()?;
        let endian = header.endian().ok()?;
        read(&header.sections(endian, data).ok()?, endian, data)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
