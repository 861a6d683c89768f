//! ELF files for fake hosts and images, made by the system's own linker: which
//! symbol versions they define and need is up to each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the C compiler on `source`; the result is kept for later tests.
fn compile(name: &str, source: &str, args: &[&str]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("elf");
    fs::create_dir_all(&dir).unwrap();
    let output = dir.join(name);
    if output.exists() {
        return output;
    }
    let scratch = tempfile::tempdir_in(&dir).unwrap();
    fs::write(scratch.path().join("source.c"), source).unwrap();
    let status = Command::new("cc")
        .current_dir(scratch.path())
        .args(["-o", "out", "source.c"])
        .args(args)
        .status()
        .expect("a C compiler");
    assert!(status.success(), "cc {args:?}");
    fs::rename(scratch.path().join("out"), &output).unwrap();
    output
}

/// A C library that defines `GLIBC_2.2.5` and every minor version up to `newest`.
pub fn libc(newest: u32) -> PathBuf {
    let versions: Vec<u32> = [14, 17, 28, 31, 34, 36, 38, 41]
        .into_iter()
        .filter(|minor| *minor <= newest)
        .collect();
    let mut script = "GLIBC_2.2.5 { global: f2; };\n".to_owned();
    let mut source = "void f2(void) {}\n".to_owned();
    for minor in &versions {
        script += &format!("GLIBC_2.{minor} {{ global: f{minor}; }};\n");
        source += &format!("void f{minor}(void) {{}}\n");
    }
    let map = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("libc-{newest}.map"));
    fs::write(&map, script).unwrap();
    let script = format!("-Wl,--version-script={}", map.display());
    compile(
        &format!("libc-{newest}"),
        &source,
        &[
            "-shared",
            "-fPIC",
            "-nostdlib",
            "-Wl,-soname,libc.so.6",
            &script,
        ],
    )
}

/// A library that needs `GLIBC_2.needs` of the C library, and `other` if that
/// is given.
pub fn library(soname: &str, needs: u32, other: Option<&Path>) -> PathBuf {
    let libc = libc(41);
    let mut args = vec!["-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed"];
    let soname_arg = format!("-Wl,-soname,{soname}");
    args.push(&soname_arg);
    args.push(libc.to_str().unwrap());
    args.extend(other.and_then(Path::to_str));
    compile(
        &format!("{soname}-{needs}"),
        &format!("void f{needs}(void); void call(void) {{ f{needs}(); }}"),
        &args,
    )
}

/// A program whose loader is `loader`.
pub fn program(loader: &str) -> PathBuf {
    let name = format!("program-{}", loader.rsplit('/').next().unwrap());
    compile(
        &name,
        "void _start(void) {}",
        &[
            "-nostdlib",
            "-pie",
            "-Wl,--export-dynamic",
            &format!("-Wl,--dynamic-linker={loader}"),
        ],
    )
}

/// A static program that shows what a container looks like from inside: for each
/// argument its type, size or device number, and what opening it gives.
pub fn view() -> PathBuf {
    compile("view", include_str!("view.c"), &["-static"])
}

/// The same file with the ELF class of a 32-bit system.
pub fn as_32_bit(file: &Path) -> Vec<u8> {
    let mut bytes = fs::read(file).unwrap();
    bytes[4] = 1;
    bytes
}
