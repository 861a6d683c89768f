//! What an image is made of, as far as it decides where our libraries go and
//! whether they can be loaded: its C library, its library directory, the driver
//! libraries that it brings itself. Everything is resolved inside the image's
//! root by file descriptor, parsed, and never executed.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, fstat};

use crate::arch::HOST;
use crate::elf::{self, Elf, ElfError, is_libc_family};
use crate::ldcache::LdCache;
use crate::root::Root;
use crate::spec::Spec;

/// The directory that CUDA images search before all others, by LD_LIBRARY_PATH
/// or by their ld.so.conf.
const NVIDIA_DIR: &str = "/usr/local/nvidia/lib64";
/// The names that a program may open our driver libraries by; each is the file
/// of its `.so.1` on the host.
pub const SHIMS: [&str; 4] = [
    "libcuda.so.1",
    "libcuda.so",
    "libnvidia-ml.so.1",
    "libnvidia-ml.so",
];
/// The files on the host that stand behind those names.
pub const SHIM_FILES: [&str; 2] = ["libcuda.so.1", "libnvidia-ml.so.1"];
const MAX_PRELOAD_LIST: u64 = 64 << 10;
const MAX_CACHE: u64 = 16 << 20;

/// Why an image cannot be given a device.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error(
        "the image's C library is musl, and the Vulkan drivers and the CUDA driver library need glibc: use an image based on Debian, Ubuntu, Fedora or another glibc distribution"
    )]
    Musl,
    #[error(
        "the program {0} is linked against musl, and the CUDA driver library needs glibc: use a build of it for glibc"
    )]
    MuslProgram(String),
    #[error("the image is for another machine: its {} {reason}", path.display())]
    Foreign { path: PathBuf, reason: String },
    #[error("the image has no C library (libc.so.6 in {}): a program without one cannot load the CUDA driver library", HOST.library_dirs().join(", "))]
    NoLibc,
    #[error(
        "the image's glibc {image} is too old: {by} needs {need}; use an image with a newer distribution release, or run on a host with an older one"
    )]
    OldGlibc {
        image: String,
        need: String,
        by: String,
    },
    #[error("{} lies on the container's mount {}: the CUDA driver library cannot be placed there; remove that mount", path.display(), mount.display())]
    Covered { path: PathBuf, mount: PathBuf },
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// One of our driver libraries and the place that it is to take in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// File name of the library on the host: `libcuda.so.1` or `libnvidia-ml.so.1`.
    pub shim: &'static str,
    /// A path without links: an existing regular file, or a new name in an
    /// existing directory (or in `/usr/local/nvidia/lib64`).
    pub destination: PathBuf,
}

/// What was found out about an image.
#[derive(Debug, Clone, Default)]
pub struct Image {
    pub placements: Vec<Placement>,
    /// Version names that its libc.so.6 defines.
    pub glibc: Vec<String>,
    /// What an administrator may want to know: which of the image's own files
    /// give way to ours, and which still win.
    pub notes: Vec<String>,
    /// Whether a library can be preloaded: the program is of our ELF class.
    pub can_preload: bool,
}

/// Looks at the image below `root`, whose container is configured by `spec`.
pub fn inspect(root: &Root, spec: &Spec) -> Result<Image, ImageError> {
    let mut image = Image {
        can_preload: true,
        ..Image::default()
    };
    let library_dir = find_c_library(root, spec, &mut image)?;
    check_program(root, spec, &mut image)?;
    image.place(root, spec, &library_dir)?;
    Ok(image)
}

impl Image {
    /// Fails unless the image's glibc has every version of `needs`, which are
    /// pairs of a version name and who needs it.
    pub fn check<'needs>(
        &self,
        needs: impl IntoIterator<Item = (&'needs str, &'needs str)>,
    ) -> Result<(), ImageError> {
        let newest = self
            .glibc
            .iter()
            .filter_map(|name| glibc_version(name))
            .max()
            .unwrap_or_default();
        let missing = needs
            .into_iter()
            .filter(|(need, _)| !self.satisfies(need, &newest));
        match missing.max_by_key(|(need, _)| glibc_version(need)) {
            None => Ok(()),
            Some((need, by)) => {
                let image = newest
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(".");
                Err(ImageError::OldGlibc {
                    image,
                    need: need.to_owned(),
                    by: by.to_owned(),
                })
            }
        }
    }

    fn satisfies(&self, need: &str, newest: &Vec<u32>) -> bool {
        match glibc_version(need) {
            Some(version) => version <= *newest,
            // GLIBC_ABI_DT_RELR and its like have no order.
            None => self.glibc.iter().any(|defined| defined == need),
        }
    }

    fn place(&mut self, root: &Root, spec: &Spec, library_dir: &Path) -> Result<(), ImageError> {
        for name in SHIMS {
            let path = library_dir.join(name);
            if let Some(mount) = spec.mount_above(&path) {
                return Err(ImageError::Covered { path, mount });
            }
        }
        let cache = LdCache::parse(
            &read_at(root, Path::new("/etc/ld.so.cache"), MAX_CACHE).unwrap_or_default(),
            HOST.cache_flags,
        );
        for name in SHIMS {
            let listed = library_path(spec).map(|dir| dir.join(name));
            let default = HOST
                .library_dirs()
                .into_iter()
                .map(|dir| Path::new(&dir).join(name));
            for path in listed.chain(cache.find(name).cloned()).chain(default) {
                self.take_over(root, spec, name, &path);
            }
            self.add(name, &library_dir.join(name), root);
        }
        if nvidia_dir_is_free(root, spec) {
            for name in SHIMS {
                self.placements.push(Placement {
                    shim: shim(name),
                    destination: Path::new(NVIDIA_DIR).join(name),
                });
            }
        }
        Ok(())
    }

    /// Puts ours over the image's own library at `path`, if there is one.
    fn take_over(&mut self, root: &Root, spec: &Spec, name: &'static str, path: &Path) {
        let Some(found) = root.regular_file(path) else {
            return;
        };
        if let Some(mount) = spec
            .mount_above(path)
            .or_else(|| spec.mount_above(&found.path))
        {
            self.notes.push(format!(
                "{} on the container's mount {} still wins over ours",
                path.display(),
                mount.display()
            ));
            return;
        }
        if found
            .path
            .file_name()
            .is_none_or(|file| is_libc_family(&file.to_string_lossy()))
        {
            self.notes.push(format!(
                "{} is a link to {}: it is left alone",
                path.display(),
                found.path.display()
            ));
            return;
        }
        if found.size > 0 && !self.holds(&found.path) {
            self.notes.push(format!(
                "the image's own {} ({}) gives way to ours",
                path.display(),
                found.path.display()
            ));
        }
        self.push(name, found.path);
    }

    /// Adds the new file `path`, unless the name is taken already.
    fn add(&mut self, name: &'static str, path: &Path, root: &Root) {
        if root.regular_file(path).is_none() {
            self.push(name, path.to_owned());
        }
    }

    fn push(&mut self, name: &str, destination: PathBuf) {
        if !self.holds(&destination) {
            self.placements.push(Placement {
                shim: shim(name),
                destination,
            });
        }
    }

    fn holds(&self, destination: &Path) -> bool {
        self.placements
            .iter()
            .any(|placement| placement.destination == destination)
    }
}

/// The image's list of preloaded libraries at `path`, and where it lies without
/// links; an empty one where there is none.
pub fn preload_list(root: &Root, path: &Path) -> Result<(PathBuf, String), ImageError> {
    let Some(found) = root.regular_file(path) else {
        return Ok((path.to_owned(), String::new()));
    };
    let mut list = Vec::new();
    found
        .file
        .take(MAX_PRELOAD_LIST)
        .read_to_end(&mut list)
        .map_err(|source| ImageError::Io {
            path: path.to_owned(),
            source,
        })?;
    Ok((found.path, String::from_utf8_lossy(&list).into_owned()))
}

/// The library on the host that serves `name`.
fn shim(name: &str) -> &'static str {
    SHIM_FILES[usize::from(!name.starts_with("libcuda"))]
}

/// The absolute directories of the container's LD_LIBRARY_PATH.
fn library_path(spec: &Spec) -> impl Iterator<Item = PathBuf> {
    spec.env("LD_LIBRARY_PATH")
        .unwrap_or_default()
        .split([':', ';'])
        .filter(|dir| dir.starts_with('/'))
        .map(PathBuf::from)
}

/// The components of `GLIBC_2.34`; other names have no order.
pub fn glibc_version(name: &str) -> Option<Vec<u32>> {
    name.strip_prefix("GLIBC_")?
        .split('.')
        .map(|part| part.parse().ok())
        .collect()
}

/// The image's library directory, from where its C library lies.
fn find_c_library(root: &Root, spec: &Spec, image: &mut Image) -> Result<PathBuf, ImageError> {
    let mut foreign = None;
    let mut covered = None;
    for dir in HOST.library_dirs() {
        let path = Path::new(&dir).join("libc.so.6");
        if let Some(mount) = spec.mount_above(&path) {
            covered.get_or_insert(ImageError::Covered { path, mount });
            continue;
        }
        match elf_at(root, &path) {
            Some(Ok(elf)) if elf.machine == HOST.machine => {
                image.glibc = elf.defines;
                return library_dir(root, &path).ok_or(ImageError::NoLibc);
            }
            Some(Ok(_)) => foreign = Some((path, "is for another CPU architecture".to_owned())),
            Some(Err(error)) => foreign = Some((path, error.to_string())),
            None => {}
        }
    }
    if let Some(error) = covered {
        return Err(error);
    }
    if root.regular_file(HOST.musl_loader.as_ref()).is_some() {
        return Err(ImageError::Musl);
    }
    Err(
        foreign.map_or(ImageError::NoLibc, |(path, reason)| ImageError::Foreign {
            path,
            reason,
        }),
    )
}

/// Debian's multiarch directory where the image has it (an older release keeps
/// libc.so.6 in /lib and everything else below /usr), else libc.so.6's own.
fn library_dir(root: &Root, libc: &Path) -> Option<PathBuf> {
    let multiarch = PathBuf::from(format!("/usr/lib/{}", HOST.multiarch));
    let debian = libc.parent()?.ends_with(HOST.multiarch);
    debian
        .then(|| root.directory(&multiarch))
        .flatten()
        .or_else(|| root.directory(libc.parent()?))
}

/// A program of another C library or ELF class dies of, or complains about, a
/// preloaded library of ours.
fn check_program(root: &Root, spec: &Spec, image: &mut Image) -> Result<(), ImageError> {
    let Some((path, program)) = program(root, spec) else {
        return Ok(());
    };
    match program {
        Ok(elf)
            if elf
                .interpreter
                .as_deref()
                .is_some_and(|loader| loader.contains("ld-musl")) =>
        {
            Err(ImageError::MuslProgram(path.display().to_string()))
        }
        Err(ElfError::Class32) => {
            image.can_preload = false;
            image.notes.push(format!(
                "{} is a 32-bit program: nothing is preloaded into it",
                path.display()
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn program(root: &Root, spec: &Spec) -> Option<(PathBuf, Result<Elf, ElfError>)> {
    let name = spec.program()?;
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        spec.env("PATH")
            .unwrap_or("/usr/bin:/bin")
            .split(':')
            .map(|dir| Path::new(dir).join(name))
            .collect()
    };
    candidates
        .into_iter()
        .filter(|path| path.is_absolute())
        .find_map(|path| Some((path.clone(), elf_at(root, &path)?)))
}

/// Whether `/usr/local/nvidia/lib64` is absent, or empty, or holds only the
/// empty files that an earlier start of this container left, with no link and
/// no mount on the way to it.
fn nvidia_dir_is_free(root: &Root, spec: &Spec) -> bool {
    let dir = Path::new(NVIDIA_DIR);
    if spec.mount_above(dir).is_some()
        || spec
            .mount_destinations()
            .any(|mount| mount.starts_with(dir))
    {
        return false;
    }
    let mut path = PathBuf::from("/");
    for component in dir.components().skip(1) {
        path.push(component);
        match root.resolve_nofollow(&path) {
            Err(_) => return true,
            Ok(handle)
                if fstat(&handle)
                    .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()) => {}
            Ok(_) => return false,
        }
    }
    is_vacant(root, dir)
}

fn elf_at(root: &Root, path: &Path) -> Option<Result<Elf, ElfError>> {
    Some(elf::read(root.regular_file(path)?.file))
}

/// At most `limit` bytes of a file.
fn read_at(root: &Root, path: &Path, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    root.regular_file(path)?
        .file
        .take(limit)
        .read_to_end(&mut bytes)
        .ok()?;
    Some(bytes)
}

fn is_vacant(root: &Root, dir: &Path) -> bool {
    let opened = root
        .open_directory(dir)
        .ok()
        .and_then(|dir| Dir::read_from(dir).ok());
    let Some(mut entries) = opened else {
        return false;
    };
    entries.all(|entry| {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name().to_string_lossy();
        name == "."
            || name == ".."
            || root
                .regular_file(&dir.join(&*name))
                .is_some_and(|found| found.size == 0 && SHIMS.contains(&&*name))
    })
}
