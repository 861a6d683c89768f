//! Assembles a Vulkan driver's closure into one directory, which is what a
//! container mounts. The files are hard links where the file system allows,
//! else copies. A directory is rebuilt when one of its sources has changed, and
//! appears at its place in one step.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::closure::{ClosureError, Library, closure};
use crate::discover::Kind;
use crate::icd::Icd;
use crate::layout::Layout;
use crate::manifest::{self, Manifest};

/// Why a driver directory could not be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    #[error("the libraries of the Vulkan driver `{driver}` cannot be collected: {source}")]
    Closure {
        driver: String,
        source: ClosureError,
    },
    #[error("{} is writable by others than root (owner {uid}, mode {mode:o}): what a container is given must be root's alone", path.display())]
    Writable { path: PathBuf, uid: u32, mode: u32 },
    #[error("the Vulkan driver `{driver}` is not assembled in {} or out of date there, and this user cannot write it ({source}): run `sudo pumice assemble` once", dir.display())]
    NotWritable {
        driver: String,
        dir: PathBuf,
        source: std::io::Error,
    },
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> AssembleError + '_ {
    move |source| AssembleError::Io {
        path: path.to_owned(),
        source,
    }
}

/// A driver directory that is ready to be mounted.
#[derive(Debug, Clone)]
pub struct Assembled {
    pub dir: PathBuf,
    pub manifest: Manifest,
}

/// What a directory was made of; it lies beside the manifest.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sources {
    kind: String,
    stamps: Vec<Stamp>,
}

const LD_CACHE: &str = "/etc/ld.so.cache";
const SOURCES: &str = "sources.json";

/// The identity of a source file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stamp {
    path: PathBuf,
    dev: u64,
    ino: u64,
    mtime_ns: i128,
    size: u64,
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Stamp> {
        let meta = fs::metadata(path)?;
        let mtime_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Ok(Stamp {
            path: path.to_owned(),
            dev: meta.dev(),
            ino: meta.ino(),
            mtime_ns,
            size: meta.len(),
        })
    }

    fn is_current(&self) -> bool {
        Stamp::of(&self.path).is_ok_and(|now| now == *self)
    }
}

/// The directory of `icd`, assembled if it is missing or out of date.
pub fn assemble(layout: &Layout, icd: &Icd, kind: Kind) -> Result<Assembled, AssembleError> {
    let dir = layout.drivers_dir().join(&icd.driver);
    if let Some(current) = current(layout, icd, kind) {
        return Ok(current);
    }
    let not_writable = |source| AssembleError::NotWritable {
        driver: icd.driver.clone(),
        dir: layout.drivers_dir(),
        source,
    };
    let lock = match open_store(layout) {
        Ok(lock) => lock,
        // A user who cannot write can still see that no library has changed.
        Err(error) => return unchanged(layout, icd, kind)?.ok_or_else(|| not_writable(error)),
    };
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| not_writable(error.into()))?;
    match current(layout, icd, kind) {
        Some(current) => Ok(current),
        None => rebuild(layout, icd, kind, &dir),
    }
}

/// What is assembled in `dir` already, whether or not it is up to date.
pub fn assembled(dir: &Path) -> Option<Assembled> {
    let manifest: Manifest =
        serde_json::from_slice(&fs::read(dir.join(manifest::FILE)).ok()?).ok()?;
    (manifest.version == manifest::VERSION).then(|| Assembled {
        dir: dir.to_owned(),
        manifest,
    })
}

/// What is assembled for `icd`, if it is up to date.
pub fn current(layout: &Layout, icd: &Icd, kind: Kind) -> Option<Assembled> {
    let dir = layout.drivers_dir().join(&icd.driver);
    let sources = recorded(&dir)?;
    let same_icd = sources.kind == kind.name()
        && sources
            .stamps
            .first()
            .is_some_and(|stamp| stamp.path == icd.json);
    (same_icd && sources.stamps.iter().all(Stamp::is_current))
        .then(|| assembled(&dir))
        .flatten()
}

/// Creates the store where needed and opens the lock file in it.
fn open_store(layout: &Layout) -> std::io::Result<File> {
    let dir = layout.drivers_dir();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(&dir)?;
    File::options()
        .create(true)
        .append(true)
        .open(dir.join(".lock"))
}

fn rebuild(layout: &Layout, icd: &Icd, kind: Kind, dir: &Path) -> Result<Assembled, AssembleError> {
    let libraries = collect(layout, icd)?;
    let sources = sources(layout, icd, kind, &libraries)?;
    let scratch = layout.drivers_dir().join(format!(".new-{}", icd.driver));
    remove_dir(&scratch)?;
    fs::DirBuilder::new()
        .mode(0o755)
        .create(&scratch)
        .map_err(io(&scratch))?;
    write_json(&scratch.join(SOURCES), &sources)?;
    if let Some(same) = confirm(layout, &scratch, dir, &sources)? {
        return Ok(same);
    }
    for library in &libraries {
        place(&library.path, &scratch.join(&library.file))?;
    }
    let manifest = describe(icd, kind, &libraries);
    write_json(&scratch.join(manifest::FILE), &manifest)?;
    publish(layout, &scratch, dir)?;
    Ok(Assembled {
        dir: dir.to_owned(),
        manifest,
    })
}

/// Where the loader's cache alone has changed, which every installation of a
/// package does, the directory stays: containers that run keep theirs.
fn confirm(
    layout: &Layout,
    scratch: &Path,
    dir: &Path,
    sources: &Sources,
) -> Result<Option<Assembled>, AssembleError> {
    let Some(same) = same_files(layout, dir, sources) else {
        return Ok(None);
    };
    fs::rename(scratch.join(SOURCES), dir.join(SOURCES)).map_err(io(dir))?;
    remove_dir(scratch)?;
    Ok(Some(same))
}

/// What is assembled for `icd` if only the loader's cache has changed since.
fn unchanged(layout: &Layout, icd: &Icd, kind: Kind) -> Result<Option<Assembled>, AssembleError> {
    let sources = sources(layout, icd, kind, &collect(layout, icd)?)?;
    Ok(same_files(
        layout,
        &layout.drivers_dir().join(&icd.driver),
        &sources,
    ))
}

/// What is in `dir` if it was made of the files of `sources`.
fn same_files(layout: &Layout, dir: &Path, sources: &Sources) -> Option<Assembled> {
    let cache = layout.host(LD_CACHE);
    let files = |sources: &Sources| {
        let stamps = sources.stamps.iter().filter(|stamp| stamp.path != cache);
        stamps.cloned().collect::<Vec<_>>()
    };
    let old = recorded(dir)?;
    let same = old.kind == sources.kind && files(&old) == files(sources);
    same.then(|| assembled(dir)).flatten()
}

fn collect(layout: &Layout, icd: &Icd) -> Result<Vec<Library>, AssembleError> {
    closure(layout, icd).map_err(|source| AssembleError::Closure {
        driver: icd.driver.clone(),
        source,
    })
}

fn recorded(dir: &Path) -> Option<Sources> {
    serde_json::from_slice(&fs::read(dir.join(SOURCES)).ok()?).ok()
}

fn describe(icd: &Icd, kind: Kind, libraries: &[Library]) -> Manifest {
    Manifest {
        version: manifest::VERSION,
        driver: icd.driver.clone(),
        kind: kind.name().into(),
        icd: libraries
            .last()
            .map(|library| library.file.clone())
            .unwrap_or_default(),
        api_version: icd.api_version.clone(),
        libraries: libraries.iter().map(Library::describe).collect(),
    }
}

/// The manifest comes first: `current` recognises the driver by it. The
/// loader's cache is a source, for it decides which files the names mean.
fn sources(
    layout: &Layout,
    icd: &Icd,
    kind: Kind,
    libraries: &[Library],
) -> Result<Sources, AssembleError> {
    let mut stamps = vec![Stamp::of(&icd.json).map_err(io(&icd.json))?];
    for library in libraries {
        stamps.push(Stamp::of(&library.path).map_err(io(&library.path))?);
    }
    stamps.extend(Stamp::of(&layout.host(LD_CACHE)).ok());
    Ok(Sources {
        kind: kind.name().into(),
        stamps,
    })
}

/// Links or copies `source` to `target`, once it is known to be root's.
fn place(source: &Path, target: &Path) -> Result<(), AssembleError> {
    let file = fs::canonicalize(source).map_err(io(source))?;
    check_owner(&file)?;
    if fs::hard_link(&file, target).is_ok() {
        return Ok(());
    }
    fs::copy(&file, target).map_err(io(target))?;
    fs::set_permissions(target, fs::Permissions::from_mode(0o644)).map_err(io(target))
}

/// Fails unless `file` is a regular file that only root can write.
pub fn check_owner(file: &Path) -> Result<(), AssembleError> {
    let meta = fs::metadata(file).map_err(io(file))?;
    if !meta.is_file() || !is_roots_alone(meta.uid(), meta.mode()) {
        return Err(AssembleError::Writable {
            path: file.to_owned(),
            uid: meta.uid(),
            mode: meta.mode() & 0o7777,
        });
    }
    Ok(())
}

/// Whether a file of this owner and mode is root's alone. In a rootless
/// engine's user namespace the host's root appears as the overflow user.
pub fn is_roots_alone(uid: u32, mode: u32) -> bool {
    let owner = uid == 0 || Some(uid) == hosts_root_here();
    owner && mode & 0o022 == 0
}

/// The user that stands for the host's root where it is not mapped.
fn hosts_root_here() -> Option<u32> {
    let map = fs::read_to_string("/proc/self/uid_map").ok()?;
    let maps_root = map
        .lines()
        .any(|line| line.split_whitespace().nth(1) == Some("0"));
    let overflow = fs::read_to_string("/proc/sys/kernel/overflowuid").ok()?;
    if maps_root {
        None
    } else {
        overflow.trim().parse().ok()
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), AssembleError> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    File::create_new(path)
        .and_then(|mut file| file.write_all(&text))
        .map_err(io(path))
}

/// Puts `scratch` in the place of `dir`. The old directory is kept until the
/// next boot: a container that runs with it still opens files by name.
fn publish(layout: &Layout, scratch: &Path, dir: &Path) -> Result<(), AssembleError> {
    let rename = |flags| renameat_with(CWD, scratch, CWD, dir, flags);
    if rename(RenameFlags::NOREPLACE).is_ok() {
        return Ok(());
    }
    match rename(RenameFlags::EXCHANGE) {
        Ok(()) => retire(layout, scratch),
        // A lower layer's directory on an overlay cannot be moved, so not kept either.
        Err(Errno::XDEV) => {
            remove_dir(dir)?;
            rename(RenameFlags::NOREPLACE).map_err(|error| io(dir)(error.into()))
        }
        Err(error) => Err(io(dir)(error.into())),
    }
}

/// Keeps the directory `old` under a name of this boot's, and those of no other.
fn retire(layout: &Layout, old: &Path) -> Result<(), AssembleError> {
    let retired = layout.drivers_dir().join(".retired");
    fs::create_dir_all(&retired).map_err(io(&retired))?;
    let boot = boot_id();
    discard_older_boots(&retired, &boot);
    let name = old
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let place = (0..)
        .map(|count| retired.join(format!("{boot}{name}-{count}")))
        .find(|place| !place.exists());
    place.map_or(Ok(()), |place| fs::rename(old, &place).map_err(io(&place)))
}

fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn discard_older_boots(retired: &Path, boot: &str) {
    let Ok(entries) = fs::read_dir(retired) else {
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| !entry.file_name().to_string_lossy().starts_with(boot))
    {
        // What cannot be removed now is tried again at the next rebuild.
        let _ = fs::remove_dir_all(entry.path());
    }
}

fn remove_dir(dir: &Path) -> Result<(), AssembleError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(dir)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::icd;

    /// A host whose only driver is a copy of a small real library.
    fn host() -> (tempfile::TempDir, Layout) {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::under(dir.path());
        let icd_dir = dir.path().join("usr/share/vulkan/icd.d");
        fs::create_dir_all(&icd_dir).unwrap();
        fs::create_dir_all(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join(&LD_CACHE[1..]), "one").unwrap();
        fs::copy(
            fs::canonicalize("/proc/self/exe").unwrap(),
            dir.path().join("libvulkan_lvp.so"),
        )
        .unwrap();
        for (needed, from) in needed_files() {
            fs::create_dir_all(dir.path().join("usr/lib")).unwrap();
            fs::copy(from, dir.path().join("usr/lib").join(needed)).unwrap();
        }
        fs::write(
            icd_dir.join("lvp.json"),
            r#"{"ICD":{"library_path":"/libvulkan_lvp.so","api_version":"1.4.0"}}"#,
        )
        .unwrap();
        (dir, layout)
    }

    /// What the test program itself needs apart from the C library.
    fn needed_files() -> Vec<(String, PathBuf)> {
        let program = Icd {
            driver: "x".into(),
            json: "/x".into(),
            library: std::env::current_exe().unwrap(),
            api_version: String::new(),
        };
        let mut libraries = closure(&Layout::default(), &program).unwrap();
        libraries.pop();
        libraries
            .into_iter()
            .map(|library| (library.file, library.path))
            .collect()
    }

    fn only_icd(layout: &Layout) -> Icd {
        icd::installed(layout).remove(0)
    }

    #[test]
    fn a_directory_is_used_until_a_source_changes_and_the_old_one_is_kept() {
        let (root, layout) = host();
        let first = assemble(&layout, &only_icd(&layout), Kind::Software).unwrap();
        let inode = fs::metadata(&first.dir).unwrap().ino();
        assert_eq!(first.manifest.icd, "libvulkan_lvp.so");
        assert_eq!(
            fs::metadata(
                assemble(&layout, &only_icd(&layout), Kind::Software)
                    .unwrap()
                    .dir
            )
            .unwrap()
            .ino(),
            inode
        );

        let library = root.path().join("libvulkan_lvp.so");
        fs::rename(&library, root.path().join("old")).unwrap();
        fs::copy(root.path().join("old"), &library).unwrap();
        assert!(current(&layout, &only_icd(&layout), Kind::Software).is_none());
        let second = assemble(&layout, &only_icd(&layout), Kind::Software).unwrap();
        assert_ne!(fs::metadata(&second.dir).unwrap().ino(), inode);
        let retired: Vec<_> = fs::read_dir(layout.drivers_dir().join(".retired"))
            .unwrap()
            .flatten()
            .collect();
        assert_eq!(retired.len(), 1);
        assert_eq!(retired[0].metadata().unwrap().ino(), inode);
        assert!(retired[0].path().join("libvulkan_lvp.so").exists());
    }

    #[test]
    fn a_new_loader_cache_alone_keeps_the_directory() {
        let (root, layout) = host();
        let first = assemble(&layout, &only_icd(&layout), Kind::Software).unwrap();
        let inode = fs::metadata(&first.dir).unwrap().ino();
        fs::write(root.path().join(&LD_CACHE[1..]), "another").unwrap();
        assert!(current(&layout, &only_icd(&layout), Kind::Software).is_none());
        let second = assemble(&layout, &only_icd(&layout), Kind::Software).unwrap();
        assert_eq!(fs::metadata(&second.dir).unwrap().ino(), inode);
        assert!(current(&layout, &only_icd(&layout), Kind::Software).is_some());
        assert!(!layout.drivers_dir().join(".retired").exists());
    }

    #[test]
    fn a_library_that_others_can_write_is_refused() {
        let (root, layout) = host();
        fs::set_permissions(
            root.path().join("libvulkan_lvp.so"),
            fs::Permissions::from_mode(0o666),
        )
        .unwrap();
        let error = assemble(&layout, &only_icd(&layout), Kind::Software).unwrap_err();
        assert!(
            matches!(error, AssembleError::Writable { mode: 0o666, .. }),
            "{error}"
        );
        assert!(!layout.drivers_dir().join("lvp").exists());
    }

    #[test]
    fn a_missing_dependence_is_named() {
        let (root, layout) = host();
        let (needed, _) = needed_files().remove(0);
        fs::remove_file(root.path().join("usr/lib").join(&needed)).unwrap();
        let error = assemble(&layout, &only_icd(&layout), Kind::Software)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&needed) && error.contains("reinstall"),
            "{error}"
        );
    }

    #[test]
    fn two_processes_at_once_make_one_directory() {
        let (_root, layout) = host();
        let icd = only_icd(&layout);
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| assemble(&layout, &icd, Kind::Software).unwrap().manifest))
                .collect();
            for one in all {
                assert_eq!(one.join().unwrap().icd, "libvulkan_lvp.so");
            }
        });
        assert!(!layout.drivers_dir().join(".retired").exists());
    }
}
