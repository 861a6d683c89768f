//! A shared library as the dynamic linker sees it: its names, what it needs,
//! what it would run when it is loaded.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object::{Endianness, Object as _, ObjectSymbol as _, elf};

/// What a library says of itself.
#[derive(Debug, Default)]
pub struct SharedLibrary {
    /// Names that it defines for others.
    pub exports: BTreeSet<String>,
    /// `DT_SONAME`.
    pub soname: Option<String>,
    /// `DT_NEEDED`.
    pub needed: Vec<String>,
    /// Bytes of `DT_INIT_ARRAY`, and 8 for a `DT_INIT`: what runs at load time.
    pub constructors: u64,
    /// Symbol versions that it needs of others, such as `GLIBC_2.34`.
    pub version_needs: BTreeSet<String>,
    /// Whether it defines symbol versions.
    pub versioned: bool,
    /// Whether it has thread-local storage.
    pub thread_local: bool,
}

impl SharedLibrary {
    /// Reads the library at `path`.
    ///
    /// # Panics
    /// If it is not a 64-bit ELF file.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let image = fs::read(path)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()));
        let file = object::File::parse(&*image).expect("a shared library is an ELF file");
        let definitions = file
            .dynamic_symbols()
            .filter(object::ObjectSymbol::is_definition);
        let mut library = Self {
            exports: definitions
                .map(|symbol| symbol.name().expect("names are UTF-8").to_owned())
                .collect(),
            ..Self::default()
        };
        library
            .read_dynamic(&image)
            .expect("the dynamic section is well-formed");
        library
    }

    fn read_dynamic(&mut self, image: &[u8]) -> object::Result<()> {
        let header = elf::FileHeader64::<Endianness>::parse(image)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, image)?;
        self.thread_local = segments
            .iter()
            .any(|segment| segment.p_type(endian) == elf::PT_TLS);
        let sections = header.sections(endian, image)?;
        if let Some((mut needs, link)) = sections.gnu_verneed(endian, image)? {
            let strings = sections.strings(endian, image, link)?;
            while let Some((_, mut versions)) = needs.next()? {
                while let Some(version) = versions.next()? {
                    self.version_needs
                        .insert(text(version.name(endian, strings)?));
                }
            }
        }
        let Some((entries, link)) = sections.dynamic(endian, image)? else {
            return Ok(());
        };
        let strings = sections.strings(endian, image, link)?;
        for entry in entries {
            match entry.tag32(endian) {
                Some(elf::DT_SONAME) => self.soname = Some(text(entry.string(endian, strings)?)),
                Some(elf::DT_NEEDED) => self.needed.push(text(entry.string(endian, strings)?)),
                Some(elf::DT_INIT_ARRAYSZ) => self.constructors += entry.d_val.get(endian),
                Some(elf::DT_INIT) => self.constructors += 8,
                Some(elf::DT_VERDEF) => self.versioned = true,
                _ => {}
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
