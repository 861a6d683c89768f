//! The fat binaries inside an ELF file, as the linker left them.

use std::io::Write;
use std::path::Path;

use compiler::fatbin::{Entry, Fatbin, Kind, Section};
use object::{Object, ObjectSection};

use crate::Outcome;

/// The ELF sections that hold fat binaries; relocatable device code has its own.
const SECTIONS: [&str; 2] = [".nv_fatbin", "__nv_relfatbin"];

/// Calls `visit` on every fat binary of a library, with its ordinal.
pub fn for_each_fatbin(
    bytes: &[u8],
    mut visit: impl FnMut(usize, Fatbin<'_>) -> Outcome,
) -> Outcome {
    let elf = object::File::parse(bytes)?;
    let mut ordinal = 0;
    for section in SECTIONS.iter().filter_map(|name| elf.section_by_name(name)) {
        for fatbin in Section::new(section.data()?) {
            visit(ordinal, fatbin?)?;
            ordinal += 1;
        }
    }
    Ok(())
}

/// Prints one line an entry.
pub fn list(library: &Path) -> Outcome {
    let bytes = std::fs::read(library)?;
    let mut out = std::io::stdout().lock();
    for_each_fatbin(&bytes, |ordinal, fatbin| {
        for entry in fatbin.entries() {
            let entry = entry?;
            let (major, minor) = entry.ptx_version;
            writeln!(
                out,
                "{ordinal}\t{:?}\tsm_{}\tPTX {major}.{minor}\t{:?}\t{} bytes",
                entry.kind, entry.sm, entry.compression, entry.uncompressed_len
            )?;
        }
        Ok(())
    })
}

/// Writes the PTX of one architecture to `out/NNNN.ptx`, where NNNN is the fat
/// binary's ordinal.
pub fn extract(library: &Path, sm: u32, out: &Path) -> Outcome {
    let bytes = std::fs::read(library)?;
    std::fs::create_dir_all(out)?;
    for_each_fatbin(&bytes, |ordinal, fatbin| {
        for entry in fatbin.entries() {
            let entry = entry?;
            if is_ptx_for(&entry, sm) {
                std::fs::write(out.join(format!("{ordinal:04}.ptx")), entry.text()?)?;
            }
        }
        Ok(())
    })
}

/// Whether an entry is the text for exactly this architecture.
pub fn is_ptx_for(entry: &Entry<'_>, sm: u32) -> bool {
    entry.kind == Kind::Ptx && entry.sm == sm
}
