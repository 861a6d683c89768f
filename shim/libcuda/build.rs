//! Names the library as programs look it up, and gives the compiler a version that
//! changes with every change of its source: kernels in the cache are those of one
//! version.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    // Threads and exit handlers of ours outlive a program's dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
    let source = Path::new("../compiler/src");
    println!("cargo:rerun-if-changed={}", source.display());
    let mut files = files_below(source);
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let contents = std::fs::read(&file).expect("a source file can be read");
        (file, contents).hash(&mut hasher);
    }
    println!("cargo:rustc-env=COMPILER_VERSION={:016x}", hasher.finish());
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a source directory can be listed");
    let paths = entries.map(|entry| entry.expect("an entry can be read").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
