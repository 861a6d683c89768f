//! What holds for the repository as a whole, and for the libraries it builds.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::driver::{DEBUGGER, IMPLEMENTED, UNSUPPORTED};
use tests::elf::SharedLibrary;
use tests::target::built_library;

/// No source file is longer, so that each can be read in one go.
const MOST_LINES: usize = 800;

/// The files and rooms that may hold unsafe code, and what for. A path that ends
/// in a slash is a room.
const UNSAFE: &[(&str, &str)] = &[
    ("hook/src/sys.rs", "system calls that no library offers"),
    (
        "shim/abi/",
        "the caller's places for results, and the layout of results",
    ),
    ("shim/vulkan/", "the only room that calls Vulkan"),
    ("shim/libcuda/src/exports.rs", "the C entry points"),
    (
        "shim/libcuda/src/handles.rs",
        "arguments of the C entry points",
    ),
    ("shim/libcuda/src/process.rs", "handlers of fork and exit"),
    (
        "shim/libcuda/src/core/callback.rs",
        "calls of the program's functions",
    ),
    (
        "shim/libcuda/src/core/export_table.rs",
        "the C entry points of the private tables",
    ),
    ("shim/libcuda/src/core/stdio.rs", "C's formats and streams"),
    (
        "shim/libcuda/src/core/host_memory.rs",
        "the one reader and writer of the caller's memory",
    ),
    (
        "shim/libcuda/src/core/storage.rs",
        "calls of the program's destructors",
    ),
    (
        "shim/libnvidia-ml/src/arguments.rs",
        "arguments of the C entry points",
    ),
    ("shim/libnvidia-ml/src/exports.rs", "the C entry points"),
    (
        "shim/libcublas/",
        "the C entry points, and libcuda's by dlopen",
    ),
    ("tests/persona/src/lib.rs", "the C entry points"),
    ("tests/src/kernel.rs", "the bytes of mapped device memory"),
    (
        "tests/src/callback.rs",
        "functions that a driver calls back",
    ),
    ("tests/src/cublas.rs", "the loader of the cuBLAS under test"),
    ("tests/src/driver.rs", "the loader of the driver under test"),
    (
        "tests/src/image.rs",
        "the structure that points to fat binaries",
    ),
    ("tests/src/memory.rs", "host memory that a device writes"),
    (
        "tests/src/nvml.rs",
        "the loader of the management library under test",
    ),
    ("tests/src/process.rs", "fork, exit handlers and limits"),
    ("tests/tests/preload.rs", "calls of the preload library"),
];

/// What marks work as done that is not. Written in two halves, so that this file
/// does not hold what it looks for.
const FORBIDDEN: &[(&str, &str)] = &[
    ("todo", "!("),
    ("unimplemented", "!("),
    ("dbg", "!("),
    ("#[", "ignore"),
    ("FIX", "ME"),
    ("XX", "X:"),
];

fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package
        .parent()
        .expect("the package lies in the workspace")
        .to_owned()
}

/// Every file below a directory with one of the extensions, by its path from the root.
fn files(extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root(), extensions, &mut found);
    assert!(
        found.len() > 3,
        "the repository has more files than {found:?}"
    );
    found.sort();
    found
}

fn collect(directory: &Path, extensions: &[&str], found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir()
            && !["target", "out", "node_modules", "shared"].contains(&name.as_str())
            && name != ".git"
        {
            collect(&path, extensions, found);
        } else if kind.is_file() && extensions.iter().any(|extension| name.ends_with(extension)) {
            let place = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            found.push((place, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Fails with all that is wrong, one a line.
#[track_caller]
fn assert_none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

fn listed_symbols(file: &str) -> BTreeSet<String> {
    let list = fs::read_to_string(root().join("tests/symbols").join(file)).unwrap();
    list.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_same_names(actual: &BTreeSet<String>, expected: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(actual).collect();
    let surplus: Vec<_> = actual.difference(expected).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing: {missing:?}; surplus: {surplus:?}"
    );
}

#[test]
fn libcuda_exports_what_a_driver_580_exports() {
    let library = SharedLibrary::read(&built_library("libcuda", "libcuda.so"));
    assert_same_names(&library.exports, &listed_symbols("libcuda-580.txt"));
    assert_eq!(library.soname.as_deref(), Some("libcuda.so.1"));
}

#[test]
fn the_table_of_the_driver_api_lists_each_symbol_once() {
    let names = IMPLEMENTED
        .iter()
        .chain(UNSUPPORTED)
        .map(|&(name, _)| name)
        .chain(DEBUGGER.iter().copied());
    let names: Vec<String> = names.map(str::to_owned).collect();
    let unique: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(
        names.len(),
        unique.len(),
        "a symbol stands twice in the table"
    );
    assert_same_names(&unique, &listed_symbols("libcuda-580.txt"));
}

#[test]
fn symbol_lists_name_each_symbol_once() {
    for file in [
        "libcublas-13.txt",
        "libcuda-580.txt",
        "libnvidia-ml-580.txt",
    ] {
        let list = fs::read_to_string(root().join("tests/symbols").join(file)).unwrap();
        assert_eq!(listed_symbols(file).len(), list.lines().count(), "{file}");
    }
}

#[test]
fn no_file_is_too_long_to_read() {
    let sources = files(&[".rs", ".c", ".cu", ".py", ".mjs", ".md", ".ptx"]);
    let long = sources
        .iter()
        .filter(|(_, text)| text.lines().count() > MOST_LINES);
    let long: Vec<_> = long
        .map(|(path, text)| format!("{path}: {} lines", text.lines().count()))
        .collect();
    assert_none(&long, "files of more than 800 lines");
}

/// The lines of a file that are code, without what follows `//`.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(line))
}

fn holds_unsafe_code(text: &str) -> bool {
    const KEYWORD: &str = "unsafe";
    code(text).any(|line| {
        let mut words =
            line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '{' && c != '(');
        let blocks = line.contains(&format!("{KEYWORD} {{"));
        let items = ["fn", "impl", "trait", "extern"].map(|item| format!("{KEYWORD} {item} "));
        let types = line.contains(&format!(": {KEYWORD} extern"))
            || line.contains(&format!("<{KEYWORD} extern"));
        let attributes = words.any(|word| word == format!("{KEYWORD}(no_mangle"));
        blocks || attributes || (!types && items.iter().any(|item| line.contains(item)))
    })
}

#[test]
fn unsafe_code_is_where_it_is_expected() {
    let sources = files(&[".rs"]);
    let with: Vec<&str> = sources
        .iter()
        .filter(|(_, text)| holds_unsafe_code(text))
        .map(|(path, _)| path.as_str())
        .collect();
    let is_listed = |path: &str| {
        UNSAFE
            .iter()
            .any(|(place, _)| path == *place || (place.ends_with('/') && path.starts_with(place)))
    };
    let surprises: Vec<_> = with
        .iter()
        .filter(|path| !is_listed(path))
        .map(|path| (*path).to_owned())
        .collect();
    assert_none(
        &surprises,
        "unsafe code outside the files that are listed for it",
    );
}

#[test]
fn every_place_for_unsafe_code_is_used() {
    let sources = files(&[".rs"]);
    let is_used = |place: &str| {
        let mut below = sources.iter().filter(|(path, _)| path.starts_with(place));
        below.any(|(_, text)| holds_unsafe_code(text))
    };
    let unused: Vec<_> = UNSAFE
        .iter()
        .filter(|(place, _)| !is_used(place))
        .map(|(place, _)| (*place).to_owned())
        .collect();
    assert_none(&unused, "places listed for unsafe code that hold none");
}

#[test]
fn nothing_is_left_for_later_without_saying_so() {
    let mut wrong = Vec::new();
    for (path, text) in files(&[".rs", ".c", ".cu"]) {
        for (number, line) in text.lines().enumerate() {
            let found = FORBIDDEN
                .iter()
                .find(|(first, second)| line.contains(&format!("{first}{second}")));
            if let Some((first, second)) = found {
                wrong.push(format!("{path}:{}: {first}{second}", number + 1));
            }
        }
    }
    assert_none(&wrong, "work that is not done");
}

#[test]
fn every_room_has_a_code_map() {
    let manifests = files(&["Cargo.toml"]);
    let rooms = manifests
        .iter()
        .filter_map(|(path, _)| path.strip_suffix("/Cargo.toml"));
    let without: Vec<_> = rooms
        .filter(|room| !root().join(room).join("README.md").exists())
        .map(str::to_owned)
        .collect();
    assert_none(&without, "rooms without a README.md");
}

/// The targets of `[text](target)` in Markdown.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for (path, text) in files(&[".md"]) {
        let directory = root().join(&path).parent().unwrap().to_owned();
        for link in links(&text) {
            let file = link.split('#').next().unwrap_or(link);
            let elsewhere = link.contains("://") || link.starts_with("mailto:") || file.is_empty();
            if !elsewhere && !directory.join(file).exists() {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    assert_none(&broken, "links that lead nowhere");
}

#[test]
fn the_scanners_of_this_file_find_what_they_look_for() {
    let block = format!("let x = {} {{ y }};", "unsafe");
    assert!(holds_unsafe_code(&block));
    assert!(holds_unsafe_code(&format!("pub {} fn f() {{}}", "unsafe")));
    assert!(holds_unsafe_code(&format!("#[{}(no_mangle)]", "unsafe")));
    assert!(!holds_unsafe_code(&format!(
        "// an {} {{ block }}",
        "unsafe"
    )));
    assert!(!holds_unsafe_code(&format!(
        "type F = Option<{} extern \"C\" fn()>;",
        "unsafe"
    )));
    let found: Vec<_> = links("see [a](b.md) and [c](../d#e)").collect();
    assert_eq!(found, ["b.md", "../d#e"]);
}
