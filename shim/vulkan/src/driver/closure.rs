//! Loads a driver closure into this process without disturbing the process's
//! own libraries: of each library one copy is used, the process's own where
//! it is good enough, since a second copy under the same name would be
//! ignored by the dynamic linker anyway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::elf;
use super::linker::{Loaded, Search};
use super::manifest::{Closure, Library};
use crate::debug::trace;
use crate::error::Error;

impl Closure {
    /// Loads every library in order, and answers with the driver itself.
    pub fn load(&self, search: &Search) -> Result<Loaded, Error> {
        self.check_c_library()?;
        for library in &self.manifest.libraries {
            if library.file != self.manifest.icd {
                self.load_library(library, search)?;
            }
        }
        let path = self.directory.join(&self.manifest.icd);
        trace!("{}: driver {}", self.manifest.driver, path.display());
        Loaded::open(&path).map_err(|reason| self.error(reason))
    }

    fn load_library(&self, library: &Library, search: &Search) -> Result<(), Error> {
        if let Some(loaded) = Loaded::find(&library.soname) {
            return self.check_loaded(library, loaded);
        }
        let own = self.path_of(library);
        if let Some(theirs) = search
            .find(&library.soname)
            .filter(|path| is_adequate(path, library, &own))
        {
            match Loaded::open(&theirs) {
                Ok(_) => {
                    trace!(
                        "{}: {} from {}",
                        self.manifest.driver,
                        library.soname,
                        theirs.display()
                    );
                    return Ok(());
                }
                Err(reason) => trace!("{}: {reason}", self.manifest.driver),
            }
        }
        trace!(
            "{}: {} from {}",
            self.manifest.driver,
            library.soname,
            own.display()
        );
        Loaded::open(&own)
            .map(|_| ())
            .map_err(|reason| self.error(reason))
    }

    /// A library that is loaded stays: it must have what the closure's other
    /// libraries really need of it.
    fn check_loaded(&self, library: &Library, loaded: Loaded) -> Result<(), Error> {
        let path = loaded
            .path()
            .unwrap_or_else(|| PathBuf::from(&library.soname));
        let missing = match elf::Library::open(&path).and_then(|file| file.defines()) {
            Some(defines) if library.defines.iter().all(|name| defines.contains(name)) => {
                BTreeSet::new()
            }
            Some(defines) => &self.needs_of(&library.soname) - &defines,
            // Not to be read where it was: the linker will judge.
            None => BTreeSet::new(),
        };
        if missing.is_empty() {
            trace!(
                "{}: {} is loaded, {}",
                self.manifest.driver,
                library.soname,
                path.display()
            );
            return Ok(());
        }
        let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
        Err(self.error(format!(
            "this process has loaded {}, which lacks {missing}; the driver needs a newer {}",
            path.display(),
            library.soname
        )))
    }

    /// The versions of `soname` that the closure's libraries need.
    fn needs_of(&self, soname: &str) -> BTreeSet<String> {
        let files = self
            .manifest
            .libraries
            .iter()
            .map(|library| self.path_of(library));
        files
            .filter_map(|path| elf::Library::open(&path)?.needs_of(soname))
            .flatten()
            .collect()
    }

    /// The C library is never part of a closure: it must be new enough here.
    fn check_c_library(&self) -> Result<(), Error> {
        let needs: BTreeSet<&str> = self
            .manifest
            .libraries
            .iter()
            .flat_map(|library| &library.needs)
            .map(String::as_str)
            .collect();
        let here = CLibrary::of_this_process();
        match needs.into_iter().rfind(|need| !here.has(need)) {
            None => Ok(()),
            Some(need) => {
                let (major, minor) = here.version;
                Err(self.error(format!(
                    "it needs {need} of the C library, and glibc here is {major}.{minor}; \
                     use an image with a newer glibc, or a driver built for an older one"
                )))
            }
        }
    }

    fn error(&self, reason: String) -> Error {
        Error::Driver {
            driver: self.manifest.driver.clone(),
            reason,
        }
    }
}

/// Whether the file at `path` can stand in for the closure's own copy: it
/// defines every version that ours does, or without versions every symbol.
fn is_adequate(path: &Path, library: &Library, own: &Path) -> bool {
    let Some(theirs) = elf::Library::open(path) else {
        return false;
    };
    let Some(defines) = theirs.defines() else {
        return false;
    };
    if !library.defines.is_empty() {
        return library.defines.iter().all(|name| defines.contains(name));
    }
    let exports = |file: &elf::Library| file.exports();
    match (
        exports(&theirs),
        elf::Library::open(own).as_ref().and_then(exports),
    ) {
        (Some(theirs), Some(ours)) => ours.is_subset(&theirs),
        _ => false,
    }
}

/// The glibc of this process.
struct CLibrary {
    version: (u32, u32),
    /// Names of `libc.so.6` and the linker, for needs that are no number.
    defines: BTreeSet<String>,
}

impl CLibrary {
    fn of_this_process() -> CLibrary {
        // SAFETY: the version is a static C string.
        let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
        let names = ["libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
        let defines = names
            .iter()
            .filter_map(|name| elf::Library::open(&Loaded::find(name)?.path()?)?.defines())
            .flatten()
            .collect();
        CLibrary {
            version: number(&version.to_string_lossy()).unwrap_or((0, 0)),
            defines,
        }
    }

    /// `GLIBC_2.38` by number, anything else (`GLIBC_ABI_DT_RELR`) by name.
    fn has(&self, need: &str) -> bool {
        let numbered = need.strip_prefix("GLIBC_").and_then(number);
        numbered.is_some_and(|version| version <= self.version) || self.defines.contains(need)
    }
}

/// Major and minor of `2.38` or `2.2.5`.
fn number(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_on_the_c_library_are_judged_by_number_or_name() {
        let here = CLibrary {
            version: (2, 36),
            defines: BTreeSet::from(["GLIBC_ABI_DT_RELR".to_owned()]),
        };
        assert!(here.has("GLIBC_2.2.5") && here.has("GLIBC_2.36") && here.has("GLIBC_ABI_DT_RELR"));
        assert!(!here.has("GLIBC_2.38") && !here.has("GLIBC_ABI_GNU_TLS"));
    }

    #[test]
    fn this_process_has_what_its_c_library_defines() {
        let here = CLibrary::of_this_process();
        assert!(
            here.version >= (2, 17) && here.defines.contains("GLIBC_2.2.5"),
            "{:?}",
            here.version
        );
    }

    #[test]
    fn a_copy_is_adequate_where_it_defines_all_that_ours_does() {
        let path = Loaded::find("libc.so.6")
            .expect("loaded")
            .path()
            .expect("a path");
        let library = |defines: &[&str]| Library {
            file: "libc.so.6".into(),
            soname: "libc.so.6".into(),
            needs: Vec::new(),
            defines: defines.iter().map(|&name| name.to_owned()).collect(),
        };
        assert!(is_adequate(&path, &library(&["GLIBC_2.2.5"]), &path));
        assert!(!is_adequate(
            &path,
            &library(&["GLIBC_2.2.5", "GLIBC_9.99"]),
            &path
        ));
        assert!(is_adequate(&path, &library(&[]), &path));
        assert!(!is_adequate(Path::new("/etc/passwd"), &library(&[]), &path));
    }
}
