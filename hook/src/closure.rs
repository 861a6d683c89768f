//! The libraries that a Vulkan driver needs, found as the host's own loader
//! finds them, without running it: RUNPATH, `ld.so.cache`, the default
//! directories. The C library's family is left out; it is always the container's.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::arch::HOST;
use crate::elf::{self, Elf, ElfError, is_libc_family};
use crate::icd::Icd;
use crate::layout::Layout;
use crate::ldcache::LdCache;
use crate::manifest;

/// More libraries than any driver has: a cycle or a mistake.
const MAX_LIBRARIES: usize = 256;

/// Why a closure could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError {
    #[error(
        "{needed_by} needs {soname}, which is in none of the host's library directories: reinstall the package that {needed_by} came from"
    )]
    NotFound { soname: String, needed_by: String },
    #[error("{} {source}", path.display())]
    Elf { path: PathBuf, source: ElfError },
    #[error("{} needs more than {MAX_LIBRARIES} libraries", .0.display())]
    TooLarge(PathBuf),
}

/// A library of a closure.
#[derive(Debug, Clone)]
pub struct Library {
    /// The name that it gets in the driver directory: what others ask for.
    pub file: String,
    /// Where it lies on the host.
    pub path: PathBuf,
    pub elf: Elf,
}

impl Library {
    /// Its entry in `manifest.json`.
    pub fn describe(&self) -> manifest::Library {
        manifest::Library {
            file: self.file.clone(),
            soname: self.elf.soname.clone().unwrap_or_else(|| self.file.clone()),
            needs: libc_needs(&self.elf),
            defines: self.elf.defines.clone(),
        }
    }
}

/// The symbol versions that a library needs of the C library's family, each once.
pub fn libc_needs(elf: &Elf) -> Vec<String> {
    let of_libc = elf.needs.iter().filter(|need| is_libc_family(&need.file));
    let mut versions: Vec<String> = of_libc
        .flat_map(|need| need.versions.iter().cloned())
        .collect();
    versions.sort();
    versions.dedup();
    versions
}

/// The closure of `icd`, leaves first and the driver itself last.
pub fn closure(layout: &Layout, icd: &Icd) -> Result<Vec<Library>, ClosureError> {
    let cache = fs::read(layout.host("/etc/ld.so.cache")).unwrap_or_default();
    let mut walk = Walk {
        layout,
        cache: LdCache::parse(&cache, HOST.cache_flags),
        seen: HashSet::new(),
        found: Vec::new(),
    };
    let icd_name = icd.library.display().to_string();
    let path = walk.locate_icd(icd)?;
    for extra in companions(&path, &icd.driver) {
        walk.visit(&file_name(&extra), extra)?;
    }
    walk.visit(&file_name(Path::new(&icd_name)), path)?;
    Ok(walk.found)
}

struct Walk<'layout> {
    layout: &'layout Layout,
    cache: LdCache,
    seen: HashSet<String>,
    found: Vec<Library>,
}

impl Walk<'_> {
    fn locate_icd(&self, icd: &Icd) -> Result<PathBuf, ClosureError> {
        if icd.library.is_absolute() {
            return Ok(if icd.library.starts_with(&self.layout.host_root) {
                icd.library.clone()
            } else {
                self.layout.host(&icd.library)
            });
        }
        let soname = icd.library.display().to_string();
        self.locate(&soname, &[])
            .ok_or_else(|| ClosureError::NotFound {
                soname,
                needed_by: icd.json.display().to_string(),
            })
    }

    /// Adds `path` under the name `file`, after everything that it needs.
    fn visit(&mut self, file: &str, path: PathBuf) -> Result<(), ClosureError> {
        if !self.seen.insert(file.to_owned()) {
            return Ok(());
        }
        if self.seen.len() > MAX_LIBRARIES {
            return Err(ClosureError::TooLarge(path));
        }
        let elf = read(&path)?;
        let search = search_path(&elf, &path);
        for soname in elf.needed.iter().filter(|soname| !is_libc_family(soname)) {
            let dependence =
                self.locate(soname, &search)
                    .ok_or_else(|| ClosureError::NotFound {
                        soname: soname.clone(),
                        needed_by: path.display().to_string(),
                    })?;
            self.visit(soname, dependence)?;
        }
        self.found.push(Library {
            file: file.to_owned(),
            path,
            elf,
        });
        Ok(())
    }

    /// Where the host's loader would find `soname`: the first place that holds
    /// a library of this machine.
    fn locate(&self, soname: &str, search: &[PathBuf]) -> Option<PathBuf> {
        let cached = self.cache.find(soname).map(|path| self.layout.host(path));
        let named = search.iter().map(|dir| dir.join(soname));
        let default = HOST
            .library_dirs()
            .into_iter()
            .map(|dir| self.layout.host(dir).join(soname));
        named
            .chain(cached)
            .chain(default)
            .find(|path| is_loadable(path))
    }
}

fn is_loadable(path: &Path) -> bool {
    path.is_file() && read(path).is_ok_and(|elf| elf.machine == HOST.machine)
}

fn read(path: &Path) -> Result<Elf, ClosureError> {
    let opened = File::open(path).map_err(ElfError::Io).and_then(elf::read);
    opened.map_err(|source| ClosureError::Elf {
        path: path.to_owned(),
        source,
    })
}

fn search_path(elf: &Elf, path: &Path) -> Vec<PathBuf> {
    let origin = path
        .parent()
        .unwrap_or(Path::new("/"))
        .display()
        .to_string();
    elf.runpath
        .iter()
        .map(|dir| {
            PathBuf::from(
                dir.replace("${ORIGIN}", &origin)
                    .replace("$ORIGIN", &origin),
            )
        })
        .collect()
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Libraries that NVIDIA's driver opens by name when it runs, and that no ELF
/// header therefore mentions. They bear the driver's own version.
fn companions(icd: &Path, driver: &str) -> Vec<PathBuf> {
    const STEMS: [&str; 6] = [
        "libnvidia-glvkspirv",
        "libnvidia-gpucomp",
        "libnvidia-allocator",
        "libnvidia-rtcore",
        "libnvidia-cbl",
        "libnvidia-tls",
    ];
    if driver != "nvidia" {
        return Vec::new();
    }
    let Ok(versioned) = fs::canonicalize(icd) else {
        return Vec::new();
    };
    let Some((dir, version)) = versioned.parent().zip(
        versioned
            .to_str()
            .and_then(|path| path.split(".so.").last()),
    ) else {
        return Vec::new();
    };
    STEMS
        .iter()
        .map(|stem| dir.join(format!("{stem}.so.{version}")))
        .filter(|path| path.is_file())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The running test program stands in for a driver: its closure is small,
    /// and every machine has it.
    fn closure_of(library: &Path) -> Result<Vec<Library>, ClosureError> {
        let icd = Icd {
            driver: "x".into(),
            json: "/x.json".into(),
            library: library.to_owned(),
            api_version: String::new(),
        };
        closure(&Layout::default(), &icd)
    }

    #[test]
    fn leaves_come_first_and_the_c_library_never() {
        let libraries = closure_of(&std::env::current_exe().unwrap()).unwrap();
        assert!(
            libraries
                .iter()
                .all(|library| !is_libc_family(&library.file))
        );
        for (at, library) in libraries.iter().enumerate() {
            for needed in library
                .elf
                .needed
                .iter()
                .filter(|soname| !is_libc_family(soname))
            {
                let position = libraries.iter().position(|other| &other.file == needed);
                assert!(
                    position.is_some_and(|position| position < at),
                    "{needed} before {}",
                    library.file
                );
            }
        }
    }

    #[test]
    fn a_file_that_is_no_library_is_named() {
        let error = closure_of(Path::new("/etc/passwd"))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "/etc/passwd is not an ELF file");
    }
}
