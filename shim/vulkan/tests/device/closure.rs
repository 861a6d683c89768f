//! Driver closures, opened by a child process: `vulkan-probe`.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

use serde_json::{Value, json};

const PROBE: &str = env!("CARGO_BIN_EXE_vulkan-probe");

/// Never part of a closure: they belong to the process.
const C_LIBRARY: [&str; 7] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libresolv.so.2",
    "ld-linux",
];

/// The libraries that `ldd` lists for a file, by name and path, dependencies
/// after their users.
fn dependencies(file: &Path) -> Vec<(String, PathBuf)> {
    let output = Command::new("ldd").arg(file).output().expect("ldd runs");
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let path = if words.next() == Some("=>") {
                words.next()?
            } else {
                name
            };
            let name = Path::new(name).file_name()?.to_str()?.to_owned();
            path.starts_with('/').then(|| (name, PathBuf::from(path)))
        })
        .collect()
}

fn is_c_library(name: &str) -> bool {
    C_LIBRARY.iter().any(|family| name.starts_with(family))
}

/// What `objdump -p` says of a library.
#[derive(Default)]
struct Dynamic {
    needed: Vec<String>,
    defines: Vec<String>,
    /// Versions needed of the C library's family.
    needs: Vec<String>,
}

impl Dynamic {
    fn of(file: &Path) -> Dynamic {
        let output = Command::new("objdump")
            .arg("-p")
            .arg(file)
            .output()
            .expect("objdump runs");
        let mut dynamic = Dynamic::default();
        let (mut section, mut from) = (String::new(), String::new());
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                ["NEEDED", name] => dynamic.needed.push(name.to_owned()),
                ["Version", kind] => section = kind.to_owned(),
                ["required", "from", name] => from = name.trim_end_matches(':').to_owned(),
                [_, flags, _, name] if section == "definitions:" && flags != "0x01" => {
                    dynamic.defines.push(name.to_owned());
                }
                [_, _, _, name] if section == "References:" && is_c_library(&from) => {
                    dynamic.needs.push(name.to_owned());
                }
                _ => {}
            }
        }
        dynamic
    }
}

/// lavapipe's library: what the system's own driver manifest names.
fn lavapipe() -> PathBuf {
    let manifests = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
    let files = manifests
        .iter()
        .filter_map(|directory| fs::read_dir(directory).ok())
        .flatten()
        .flatten();
    let manifest = files
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("lvp_icd"))
        })
        .expect("lavapipe is installed");
    let manifest: Value =
        serde_json::from_slice(&fs::read(manifest).expect("readable")).expect("JSON");
    let library = PathBuf::from(manifest["ICD"]["library_path"].as_str().expect("a path"));
    if library.is_absolute() {
        return library;
    }
    let found = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ];
    found
        .iter()
        .map(|directory| Path::new(directory).join(&library))
        .find(|path| path.exists())
        .expect("a file")
}

/// Lays lavapipe's closure out below `root`, as the host's side would, and
/// returns its manifest.
fn lay_out(root: &Path) -> Value {
    let directory = root.join("lvp");
    fs::create_dir_all(&directory).expect("a directory");
    let icd = lavapipe();
    let mut libraries = dependencies(&icd);
    libraries.retain(|(name, _)| !is_c_library(name));
    libraries.reverse();
    let icd_name = icd
        .file_name()
        .expect("a name")
        .to_str()
        .expect("text")
        .to_owned();
    libraries.push((icd_name.clone(), icd));
    let entries: Vec<_> = sorted(libraries)
        .into_iter()
        .map(|(name, path)| {
            place(&path, &directory.join(&name));
            let Dynamic { needs, defines, .. } = Dynamic::of(&path);
            json!({ "file": name, "soname": name, "needs": needs, "defines": defines })
        })
        .collect();
    let manifest = json!({ "version": 1, "driver": "lvp", "kind": "software", "icd": icd_name,
                           "apiVersion": "1.4.0", "libraries": entries });
    write_manifest(root, &manifest);
    manifest
}

fn write_manifest(root: &Path, manifest: &Value) {
    fs::write(root.join("lvp/manifest.json"), manifest.to_string()).expect("written");
}

/// Leaves first: every library after those that it depends on.
fn sorted(libraries: Vec<(String, PathBuf)>) -> Vec<(String, PathBuf)> {
    let mut waiting: Vec<_> = libraries
        .into_iter()
        .map(|(name, path)| {
            let needed = Dynamic::of(&path).needed;
            ((name, path), needed)
        })
        .collect();
    let mut done: Vec<(String, PathBuf)> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|((own, _), needed)| {
            needed.iter().all(|name| {
                name == own || is_c_library(name) || done.iter().any(|it| it.0 == *name)
            })
        });
        done.push(
            waiting
                .remove(ready.expect("no cycle among the libraries"))
                .0,
        );
    }
    done
}

/// A copy, never a link: tests damage these files.
fn place(from: &Path, to: &Path) {
    fs::copy(from, to).expect("copied");
}

fn probe(drivers: &Path) -> Command {
    let mut command = Command::new(PROBE);
    command
        .arg("--json")
        .env_clear()
        .env("PUMICE_DRIVERS", drivers)
        .env("PUMICE_DEBUG", "vk");
    command
}

/// The probe's document, and what it wrote to standard error.
fn outcome(output: io::Result<Output>) -> (Value, String) {
    let output = output.expect("it runs");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}{log}", String::from_utf8_lossy(&output.stdout))
    });
    (document, log)
}

#[test]
fn a_closure_is_driven_without_loader_or_environment() {
    let root = tempfile::tempdir().expect("a directory");
    lay_out(root.path());
    let (document, log) = outcome(probe(root.path()).output());
    let device = &document["devices"][0];
    assert_eq!(device["source"], "lvp", "{document:#}");
    assert_eq!(
        (&device["error"], &device["unsuitable"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(document["failures"], json!([]));
    assert!(
        log.contains("driver") && !log.contains("libvulkan.so.1"),
        "{log}"
    );
}

/// A root with nothing but the probe, its own libraries and the closure: what
/// an image that has none of the driver's libraries is.
#[test]
fn a_closure_is_enough_in_a_root_that_has_nothing_else() {
    let root = tempfile::tempdir().expect("a directory");
    lay_out(&root.path().join("drivers"));
    place(Path::new(PROBE), &root.path().join("probe"));
    for (name, path) in dependencies(Path::new(PROBE)) {
        let inside = root.path().join(path.strip_prefix("/").expect("absolute"));
        fs::create_dir_all(inside.parent().expect("a directory")).expect("a directory");
        place(&path, &inside);
        // The rest of the C library, which any image has.
        let beside = |file: &&&str| name == "libc.so.6" && path.with_file_name(file).exists();
        for file in C_LIBRARY
            .iter()
            .filter(beside)
            .filter(|file| **file != name)
        {
            let inside = inside.with_file_name(file);
            if !inside.exists() {
                place(&path.with_file_name(file), &inside);
            }
        }
    }
    let (document, log) = outcome(in_root(root.path()).output());
    assert_eq!(document["devices"][0]["source"], "lvp", "{document:#}{log}");
    assert_eq!(document["devices"][0]["error"], Value::Null);
    let own = log
        .lines()
        .filter(|line| line.contains(" from /drivers/lvp/"))
        .count();
    assert!(own > 10, "the libraries come from the closure: {log}");
}

/// The probe, its root changed to `root`.
fn in_root(root: &Path) -> Command {
    let path = CString::new(root.as_os_str().as_bytes()).expect("a path");
    let mut command = Command::new("/probe");
    command
        .arg("--json")
        .env_clear()
        .env("PUMICE_DRIVERS", "/drivers")
        .env("PUMICE_DEBUG", "vk");
    // SAFETY: the closure calls nothing but system calls.
    unsafe {
        command.pre_exec(move || {
            // Root of a user namespace may change its root, as root itself may.
            if libc::geteuid() != 0 && libc::unshare(libc::CLONE_NEWUSER) != 0 {
                return Err(io::Error::last_os_error());
            }
            if libc::chroot(path.as_ptr()) != 0 || libc::chdir(c"/".as_ptr()) != 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(())
        });
    }
    command
}

/// The one failure that the probe reports, where it finds no device.
fn failure(root: &Path) -> String {
    let (document, log) = outcome(probe(root).output());
    assert_eq!(document["devices"], json!([]), "{log}");
    let failures = document["failures"].as_array().expect("a list");
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures[0].as_str().expect("text").to_owned()
}

#[test]
fn what_is_wrong_with_a_closure_is_said_in_one_clear_error() {
    let root = tempfile::tempdir().expect("a directory");
    let manifest = lay_out(root.path());

    fs::write(root.path().join("lvp/manifest.json"), "{\"version\": 1,").expect("written");
    let message = failure(root.path());
    assert!(
        message.contains("lvp/manifest.json") && message.contains("EOF"),
        "{message}"
    );

    let mut too_new = manifest.clone();
    too_new["libraries"][0]["needs"] = json!(["GLIBC_2.2.5", "GLIBC_2.99"]);
    write_manifest(root.path(), &too_new);
    let message = failure(root.path());
    assert!(
        message.contains("driver lvp") && message.contains("GLIBC_2.99"),
        "{message}"
    );

    let mut no_driver = manifest.clone();
    no_driver["icd"] = json!("libz.so.1");
    no_driver["libraries"] = json!([{ "file": "libz.so.1", "soname": "libz.so.1" }]);
    write_manifest(root.path(), &no_driver);
    let message = failure(root.path());
    assert!(
        message.contains("does not export vk_icdNegotiateLoaderICDInterfaceVersion"),
        "{message}"
    );

    write_manifest(root.path(), &manifest);
    let icd = manifest["icd"].as_str().expect("a name");
    fs::write(root.path().join("lvp").join(icd), b"not a library").expect("written");
    let message = failure(root.path());
    assert!(
        message.contains(icd) && message.contains("too short"),
        "{message}"
    );
}

#[test]
fn a_broken_driver_does_not_hide_one_that_works() {
    let root = tempfile::tempdir().expect("a directory");
    lay_out(root.path());
    fs::create_dir(root.path().join("broken")).expect("a directory");
    fs::write(root.path().join("broken/manifest.json"), "[]").expect("written");
    let (document, _) = outcome(probe(root.path()).output());
    assert_eq!(document["devices"][0]["source"], "lvp");
    assert_eq!(document["failures"].as_array().expect("a list").len(), 1);
}

#[test]
fn one_device_by_two_drivers_is_listed_once() {
    let root = tempfile::tempdir().expect("a directory");
    let manifest = lay_out(root.path());
    let second = root.path().join("second");
    fs::create_dir(&second).expect("a directory");
    for entry in fs::read_dir(root.path().join("lvp"))
        .expect("a directory")
        .flatten()
    {
        fs::hard_link(entry.path(), second.join(entry.file_name())).expect("linked");
    }
    fs::remove_file(second.join("manifest.json")).expect("removed");
    fs::write(second.join("manifest.json"), manifest.to_string()).expect("written");
    let (document, log) = outcome(probe(root.path()).output());
    assert_eq!(document["devices"].as_array().expect("a list").len(), 1);
    assert!(log.contains("second driver's view"), "{log}");
}

/// A library that is called `libz.so.1` and has nothing in it.
fn hollow_libz(directory: &Path) -> PathBuf {
    let (source, library) = (directory.join("empty.c"), directory.join("libz.so.1"));
    fs::write(&source, "").expect("written");
    let compiled = Command::new("cc")
        .args(["-shared", "-Wl,-soname,libz.so.1", "-o"])
        .args([&library, &source])
        .status()
        .expect("the C compiler that links Rust programs");
    assert!(compiled.success());
    library
}

#[test]
fn a_loaded_library_that_lacks_what_the_driver_needs_is_named() {
    let root = tempfile::tempdir().expect("a directory");
    lay_out(root.path());
    let hollow = hollow_libz(root.path());
    let (document, log) = outcome(probe(root.path()).env("LD_PRELOAD", &hollow).output());
    let failure = document["failures"][0].as_str().expect("a failure");
    assert!(
        failure.contains(hollow.to_str().expect("text")) && failure.contains("lacks ZLIB_"),
        "{failure}{log}"
    );
}

#[test]
fn an_older_library_on_the_search_path_is_passed_over() {
    let root = tempfile::tempdir().expect("a directory");
    lay_out(root.path());
    let beside = tempfile::tempdir().expect("a directory");
    hollow_libz(beside.path());
    let (document, log) = outcome(
        probe(root.path())
            .env("LD_LIBRARY_PATH", beside.path())
            .output(),
    );
    assert_eq!(document["devices"][0]["source"], "lvp", "{document:#}{log}");
    let own = root.path().join("lvp/libz.so.1");
    assert!(
        log.contains(&format!("libz.so.1 from {}", own.display())),
        "{log}"
    );
}
