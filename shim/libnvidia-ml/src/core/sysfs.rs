//! Directories of sysfs: one small file for each fact.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A directory of attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, links resolved, if there is one.
    pub fn open(path: impl AsRef<Path>) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        path.is_dir().then_some(Self(path))
    }

    /// The directory's path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A directory below.
    pub fn directory(&self, name: &str) -> Option<Self> {
        Self::open(self.0.join(name))
    }

    /// The directory above.
    pub fn parent(&self) -> Option<Self> {
        self.0.parent().map(|path| Self(path.to_owned()))
    }

    /// The directories below whose names start with `prefix`, by name.
    pub fn directories(&self, prefix: &str) -> Vec<Self> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut paths: Vec<_> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect();
        paths.sort();
        paths.into_iter().map(Self).collect()
    }

    /// An attribute without the white space around it.
    pub fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name))
            .ok()
            .map(|text| text.trim().to_owned())
    }

    /// A decimal attribute.
    pub fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// A hexadecimal attribute, as PCI ids are: `0x1002`.
    pub fn hexadecimal(&self, name: &str) -> Option<u32> {
        u32::from_str_radix(self.text(name)?.strip_prefix("0x")?, 16).ok()
    }
}

#[cfg(test)]
pub mod fixture {
    //! Directories like the kernel's, for tests.

    use std::fs;

    use super::Directory;

    /// A directory that holds `files`, by path and contents. It is removed when
    /// the first value is dropped.
    pub fn directory(files: &[(&str, &str)]) -> (tempfile::TempDir, Directory) {
        let root = tempfile::tempdir().unwrap();
        for (path, contents) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let directory = Directory::open(root.path()).unwrap();
        (root, directory)
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::directory;

    #[test]
    fn attributes_are_read_without_their_line_end() {
        let (_root, sysfs) =
            directory(&[("vendor", "0x1002\n"), ("irq", "41\n"), ("drm/card1/x", "")]);
        assert_eq!(sysfs.hexadecimal("vendor"), Some(0x1002));
        assert_eq!(sysfs.number::<u32>("irq"), Some(41));
        assert_eq!(sysfs.number::<u32>("vendor"), None);
        assert_eq!(sysfs.text("absent"), None);
        let cards = sysfs.directory("drm").unwrap().directories("card");
        assert_eq!(cards.len(), 1);
        assert!(cards[0].path().ends_with("drm/card1"));
    }
}
