//! `manifest.json` of a driver closure: which libraries make up one Vulkan
//! driver, in load order. The host side writes it beside the libraries.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::Error;

/// A closure in its directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closure {
    pub directory: PathBuf,
    pub manifest: Manifest,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    version: u32,
    /// The driver's name, as messages call it.
    pub driver: String,
    /// File name of the library that is the driver.
    pub icd: String,
    /// Leaves first, the driver last.
    pub libraries: Vec<Library>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Library {
    pub file: String,
    pub soname: String,
    /// Version needs on the C library's family, which is never in a closure.
    #[serde(default)]
    pub needs: Vec<String>,
    /// ELF version definitions.
    #[serde(default)]
    pub defines: Vec<String>,
}

const FILE: &str = "manifest.json";
const VERSION: u32 = 1;

/// The closures below `root`, by name; a broken one is an error in its place.
pub(super) fn closures(root: &Path) -> Vec<Result<Closure, Error>> {
    let Ok(entries) = fs::read_dir(root) else {
        return Vec::new();
    };
    let mut directories: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    directories.retain(|directory| directory.join(FILE).exists());
    directories.sort();
    directories.into_iter().map(Closure::read).collect()
}

impl Closure {
    fn read(directory: PathBuf) -> Result<Closure, Error> {
        let path = directory.join(FILE);
        let manifest = fs::read(&path)
            .map_err(|error| error.to_string())
            .and_then(|bytes| {
                serde_json::from_slice::<Manifest>(&bytes).map_err(|error| error.to_string())
            })
            .and_then(Manifest::checked);
        match manifest {
            Ok(manifest) => Ok(Closure {
                directory,
                manifest,
            }),
            Err(reason) => Err(Error::Manifest { path, reason }),
        }
    }

    pub fn path_of(&self, library: &Library) -> PathBuf {
        self.directory.join(&library.file)
    }
}

impl Manifest {
    fn checked(self) -> Result<Manifest, String> {
        if self.version != VERSION {
            return Err(format!(
                "version {}; this is version {VERSION}'s reader",
                self.version
            ));
        }
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\0']);
        for library in &self.libraries {
            if !plain(&library.file) || !plain(&library.soname) {
                return Err(format!("{:?} is no file name", library.file));
            }
        }
        match self.libraries.last() {
            Some(last) if last.file == self.icd => Ok(self),
            _ => Err(format!(
                "the driver {:?} is not the last of its libraries",
                self.icd
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Closure, Error> {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join(FILE), text).expect("written");
        closures(directory.path().parent().expect("a parent"))
            .into_iter()
            .find(|closure| match closure {
                Ok(closure) => closure.directory == directory.path(),
                Err(Error::Manifest { path, .. }) => path.starts_with(directory.path()),
                Err(_) => false,
            })
            .expect("a manifest there")
    }

    #[test]
    fn a_manifest_is_read_with_its_directory() {
        let text = r#"{"version":1,"driver":"lvp","kind":"software","icd":"libvulkan_lvp.so",
            "apiVersion":"1.4.305","libraries":[
            {"file":"libz.so.1","soname":"libz.so.1","needs":["GLIBC_2.14"],"defines":["ZLIB_1.2.0"]},
            {"file":"libvulkan_lvp.so","soname":"libvulkan_lvp.so","needs":[],"defines":[]}]}"#;
        let closure = read(text).expect("a closure");
        assert_eq!(closure.manifest.driver, "lvp");
        assert_eq!(closure.manifest.libraries[0].defines, ["ZLIB_1.2.0"]);
        assert_eq!(
            closure.path_of(&closure.manifest.libraries[0]),
            closure.directory.join("libz.so.1")
        );
    }

    #[test]
    fn a_broken_manifest_is_an_error_that_names_the_file() {
        let last = r#"{"version":1,"driver":"x","icd":"a.so","libraries":[{"file":"b.so","soname":"b.so"}]}"#;
        let outside =
            r#"{"version":1,"driver":"x","icd":"/a","libraries":[{"file":"/a","soname":"a"}]}"#;
        let newer = r#"{"version":2,"driver":"x","icd":"a","libraries":[]}"#;
        for (text, expected) in [
            ("{\"version\":1,", "EOF"),
            (last, "not the last"),
            (outside, "is no file name"),
            (newer, "version 2"),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(
                message.contains(FILE) && message.contains(expected),
                "{message}"
            );
        }
    }

    #[test]
    fn no_directory_is_no_closure() {
        assert_eq!(closures(Path::new("/nonexistent/drivers")), []);
    }
}
