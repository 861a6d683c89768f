//! The facts about an ELF file that decide whether it can be loaded: class and
//! machine, SONAME and dependences, symbol versions. Read through an open file
//! descriptor and never executed, so that it also serves for files of an image.

use std::fs::File;

use object::read::ReadCache;
use object::read::elf::{Dyn, FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, ReadRef, elf};

/// A file larger than this is not a library that anybody ships: reading it
/// would only cost memory.
const MAX_SIZE: u64 = 4 << 30;

/// Why a file is not a library that we can use.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("is larger than 4 GiB")]
    TooLarge,
    #[error("is not an ELF file")]
    NotElf,
    #[error("is a 32-bit ELF file")]
    Class32,
    #[error("is a malformed ELF file: a name of its dynamic section lies outside the string table")]
    NoString,
    #[error("is a malformed ELF file: {0}")]
    Malformed(#[from] object::read::Error),
}

/// Versions that a library needs of one of its dependences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionNeed {
    /// The dependence's SONAME.
    pub file: String,
    /// Version names, such as `GLIBC_2.34`.
    pub versions: Vec<String>,
}

/// What an ELF file says of itself. Only 64-bit files are described.
#[derive(Debug, Clone, Default)]
pub struct Elf {
    pub machine: u16,
    /// `PT_INTERP`, for programs.
    pub interpreter: Option<String>,
    pub soname: Option<String>,
    pub needed: Vec<String>,
    /// `DT_RUNPATH` or else `DT_RPATH`, split at the colons.
    pub runpath: Vec<String>,
    pub needs: Vec<VersionNeed>,
    /// Version definitions without the base one.
    pub defines: Vec<String>,
}

type Header = elf::FileHeader64<Endianness>;

/// Reads the facts of the ELF file behind `file`.
pub fn read(file: File) -> Result<Elf, ElfError> {
    if file.metadata()?.len() > MAX_SIZE {
        return Err(ElfError::TooLarge);
    }
    let cache = ReadCache::new(file);
    let data = &cache;
    let ident = data.read_bytes_at(0, 5).map_err(|()| ElfError::NotElf)?;
    match ident {
        [0x7f, b'E', b'L', b'F', elf::ELFCLASS64] => describe(data),
        [0x7f, b'E', b'L', b'F', _] => Err(ElfError::Class32),
        _ => Err(ElfError::NotElf),
    }
}

fn describe<'data>(data: impl ReadRef<'data>) -> Result<Elf, ElfError> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    let mut described = Elf {
        machine: header.e_machine(endian),
        ..Elf::default()
    };
    for segment in header.program_headers(endian, data)? {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            described.interpreter = Some(text(interpreter));
        }
    }
    read_sections(header, endian, data, &mut described)?;
    Ok(described)
}

fn read_sections<'data>(
    header: &Header,
    endian: Endianness,
    data: impl ReadRef<'data>,
    described: &mut Elf,
) -> Result<(), ElfError> {
    let sections = header.sections(endian, data)?;
    if let Some((entries, link)) = sections.dynamic(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        for entry in entries {
            read_dynamic(entry, endian, &strings, described)?;
        }
    }
    if let Some((mut needs, link)) = sections.gnu_verneed(endian, data)? {
        let strings = sections.strings(endian, data, link)?;
        while let Some((need, mut versions)) = needs.next()? {
            let mut entry = VersionNeed {
                file: text(need.file(endian, strings)?),
                versions: Vec::new(),
            };
            while let Some(version) = versions.next()? {
                entry.versions.push(text(version.name(endian, strings)?));
            }
            described.needs.push(entry);
        }
    }
    for section in sections.iter() {
        if let Some((mut definitions, link)) = section.gnu_verdef(endian, data)? {
            let strings = sections.strings(endian, data, link)?;
            while let Some((definition, mut names)) = definitions.next()? {
                let base = definition.vd_flags.get(endian) & elf::VER_FLG_BASE != 0;
                if let (false, Some(name)) = (base, names.next()?) {
                    described.defines.push(text(name.name(endian, strings)?));
                }
            }
        }
    }
    Ok(())
}

fn read_dynamic<'data, R: ReadRef<'data>>(
    entry: &elf::Dyn64<Endianness>,
    endian: Endianness,
    strings: &object::read::StringTable<'data, R>,
    described: &mut Elf,
) -> Result<(), ElfError> {
    let Some(tag) = entry.tag32(endian) else {
        return Ok(());
    };
    if !matches!(
        tag,
        elf::DT_NEEDED | elf::DT_SONAME | elf::DT_RUNPATH | elf::DT_RPATH
    ) {
        return Ok(());
    }
    let offset = entry.val32(endian);
    let Some(string) = offset.and_then(|offset| strings.get(offset).ok()) else {
        return Err(ElfError::NoString);
    };
    match tag {
        elf::DT_NEEDED => described.needed.push(text(string)),
        elf::DT_SONAME => described.soname = Some(text(string)),
        elf::DT_RPATH if !described.runpath.is_empty() => {}
        _ => described.runpath = paths(string),
    }
    Ok(())
}

fn paths(list: &[u8]) -> Vec<String> {
    text(list)
        .split(':')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The libraries that are one unit with the C library, and that are therefore
/// always the container's own: mixing two of them breaks every program.
pub fn is_libc_family(soname: &str) -> bool {
    let stem = soname.split(".so").next().unwrap_or(soname);
    soname.starts_with("ld-linux")
        || soname.starts_with("ld64.so")
        || soname.starts_with("linux-vdso")
        || stem.starts_with("libnss_")
        || matches!(
            stem,
            "libc"
                | "libm"
                | "libmvec"
                | "libpthread"
                | "libdl"
                | "librt"
                | "libresolv"
                | "libutil"
                | "libnsl"
                | "libanl"
                | "libBrokenLocale"
                | "libthread_db"
                | "libc_malloc_debug"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_the_running_test_program() {
        let facts = read(File::open("/proc/self/exe").unwrap()).unwrap();
        assert_eq!(facts.machine, crate::arch::HOST.machine);
        assert_eq!(
            facts.interpreter.as_deref(),
            Some(crate::arch::HOST.glibc_loader)
        );
        assert!(facts.needed.iter().any(|name| name == "libc.so.6"));
        let libc = facts
            .needs
            .iter()
            .find(|need| need.file == "libc.so.6")
            .unwrap();
        assert!(
            libc.versions
                .iter()
                .any(|version| version.starts_with("GLIBC_2."))
        );
    }

    #[test]
    fn refuses_what_is_not_elf() {
        assert!(matches!(
            read(File::open("/etc/passwd").unwrap()),
            Err(ElfError::NotElf)
        ));
        assert!(matches!(
            read(File::open("/dev/null").unwrap()),
            Err(ElfError::NotElf)
        ));
    }

    #[test]
    fn the_c_library_family_is_recognised_and_nothing_else_is() {
        for name in [
            "libc.so.6",
            "libm.so.6",
            "ld-linux-x86-64.so.2",
            "libnss_files.so.2",
            "libpthread.so.0",
        ] {
            assert!(is_libc_family(name), "{name}");
        }
        for name in [
            "libcuda.so.1",
            "libmd.so.0",
            "libdrm.so.2",
            "libstdc++.so.6",
            "libcap.so.2",
            "libLLVM-15.so.1",
        ] {
            assert!(!is_libc_family(name), "{name}");
        }
    }
}
