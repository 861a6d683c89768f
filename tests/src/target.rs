//! Which driver is under test, and where its library lies.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The driver that `TARGET` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// `TARGET=pumice`, the default: the library that this workspace builds.
    Pumice,
    /// `TARGET=nvidia`: the `libcuda.so.1` that the system's NVIDIA driver installed.
    Nvidia,
}

/// Reads `TARGET`.
///
/// # Panics
/// If it names no driver that the tests know.
#[must_use]
pub fn target() -> Target {
    match std::env::var("TARGET").as_deref() {
        Err(_) | Ok("" | "pumice") => Target::Pumice,
        Ok("nvidia") => Target::Nvidia,
        Ok(other) => panic!("TARGET={other}: expected pumice or nvidia"),
    }
}

/// Opens every test of what only pumice promises: its personas, its device, and
/// defined answers where CUDA leaves the behaviour undefined.
///
/// Such tests lie in modules named `on_pumice`; a run against NVIDIA's driver
/// filters those out, so that its summary counts them as not run.
///
/// # Panics
/// If another driver is under test.
pub fn require_pumice() {
    assert_eq!(
        target(),
        Target::Pumice,
        "this test asks for what only pumice promises: filter `on_pumice` out"
    );
}

/// A library that `cargo build` made in the profile of the running test.
///
/// It lies beside the directory of the test's executable, or in it where
/// somebody carried both to another machine.
///
/// # Panics
/// If the library is missing, or older than a source file that it is made of:
/// Cargo does not build a `cdylib` for another package's tests.
#[must_use]
pub fn built_library(package: &str, file_name: &str) -> PathBuf {
    let executable = std::env::current_exe().expect("a process knows its executable");
    let directory = executable
        .parent()
        .expect("an executable lies in a directory");
    let places = [directory.parent().unwrap_or(directory), directory];
    let Some(library) = places
        .iter()
        .map(|place| place.join(file_name))
        .find(|path| path.exists())
    else {
        panic!(
            "{file_name} is in neither of {places:?}: run `cargo build -p {package}` in the same profile"
        );
    };
    if let Some(source) = newer_source(&library) {
        panic!(
            "{} is older than {}: run `cargo build -p {package}` in the same profile",
            library.display(),
            source.display()
        );
    }
    library
}

/// A source file that changed after the library was built, by the list that
/// Cargo leaves beside it. Without the list there is nothing to compare.
fn newer_source(library: &Path) -> Option<PathBuf> {
    let list = fs::read_to_string(library.with_extension("d")).ok()?;
    let built = modified(library)?;
    sources(&list)
        .into_iter()
        .find(|source| modified(source).is_none_or(|time| time > built))
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// The prerequisites in a Makefile rule; spaces inside names are escaped.
fn sources(rule: &str) -> Vec<PathBuf> {
    let Some((_, names)) = rule.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let unescaped = names.replace("\\ ", "\0");
    unescaped
        .split_whitespace()
        .map(|name| PathBuf::from(name.replace('\0', " ")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_lists_its_sources_with_spaces_in_names() {
        let rule = "/t/libcuda.so: /a/b.rs /with\\ space/c.rs\n";
        assert_eq!(
            sources(rule),
            [Path::new("/a/b.rs"), Path::new("/with space/c.rs")]
        );
    }

    #[test]
    fn a_library_older_than_its_source_is_stale() {
        let directory = std::env::temp_dir().join(format!("pumice-stale-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (library, source) = (directory.join("libx.so"), directory.join("x.rs"));
        fs::write(&library, "").unwrap();
        fs::write(&source, "").unwrap();
        fs::write(
            directory.join("libx.d"),
            format!("{}: {}\n", library.display(), source.display()),
        )
        .unwrap();
        let age = |path: &Path, seconds| {
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options()
                .write(true)
                .open(path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        age(&library, 2000);
        age(&source, 1000);
        assert_eq!(newer_source(&library), None);
        age(&source, 3000);
        assert_eq!(newer_source(&library), Some(source));
        fs::remove_dir_all(&directory).unwrap();
    }
}
