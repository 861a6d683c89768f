//! What an image is made of, as far as it decides where our libraries go and
//! whether they can be loaded: its C library, its library directory, the driver
//! libraries that it brings itself. Everything is resolved inside the image's
//! root by file descriptor, parsed, and never executed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use pathrs::Root;
use pathrs::flags::OpenFlags;
use rustix::fs::{Dir, FileType, fstat};

use crate::arch::HOST;
use crate::elf::{self, Elf, ElfError, is_libc_family};
use crate::ldcache::LdCache;
use crate::spec::Spec;

/// The directory that CUDA images search before all others, by LD_LIBRARY_PATH
/// or by their ld.so.conf.
const NVIDIA_DIR: &str = "/usr/local/nvidia/lib64";
/// The names that a program may open our driver libraries by; each is the file
/// of its `.so.1` on the host.
pub const SHIMS: [&str; 4] = ["libcuda.so.1", "libcuda.so", "libnvidia-ml.so.1", "libnvidia-ml.so"];
const MAX_CACHE: u64 = 16 << 20;

/// Why an image cannot be given a device.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the image's C library is musl, and the Vulkan drivers and the CUDA driver library need glibc: use an image based on Debian, Ubuntu, Fedora or another glibc distribution")]
    Musl,
    #[error("the program {0} is linked against musl, and the CUDA driver library needs glibc: use a build of it for glibc")]
    MuslProgram(String),
    #[error("the image is for another machine: its {} {reason}", path.display())]
    Foreign { path: PathBuf, reason: String },
    #[error("the image has no C library (libc.so.6 in {}): a program without one cannot load the CUDA driver library", HOST.library_dirs().join(", "))]
    NoLibc,
    #[error("the image's glibc {image} is too old: {by} needs {need}; use an image with a newer distribution release, or run on a host with an older one")]
    OldGlibc { image: String, need: String, by: String },
    #[error("{} lies on the container's mount {}: the CUDA driver library cannot be placed there; remove that mount", path.display(), mount.display())]
    Covered { path: PathBuf, mount: PathBuf },
    #[error("the container's root filesystem cannot be read: {0}")]
    Root(std::io::Error),
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
    let reader = Reader { root, at: own_path(root.as_ref()).map_err(ImageError::Root)? };
    let mut image = Image { can_preload: true, ..Image::default() };
    let library_dir = find_c_library(&reader, &mut image)?;
    check_program(&reader, spec, &mut image)?;
    image.place(&reader, spec, &library_dir)?;
    Ok(image)
}

impl Image {
    /// Fails unless the image's glibc has every version of `needs`, which are
    /// pairs of a version name and who needs it.
    pub fn check<'needs>(&self, needs: impl IntoIterator<Item = (&'needs str, &'needs str)>) -> Result<(), ImageError> {
        let newest = self.glibc.iter().filter_map(|name| glibc_version(name)).max().unwrap_or_default();
        let missing = needs.into_iter().filter(|(need, _)| !self.satisfies(need, &newest));
        match missing.max_by_key(|(need, _)| glibc_version(need)) {
            None => Ok(()),
            Some((need, by)) => {
                let image = newest.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
                Err(ImageError::OldGlibc { image, need: need.to_owned(), by: by.to_owned() })
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

    fn place(&mut self, reader: &Reader<'_>, spec: &Spec, library_dir: &Path) -> Result<(), ImageError> {
        for name in SHIMS {
            let path = library_dir.join(name);
            if let Some(mount) = spec.mount_above(&path) {
                return Err(ImageError::Covered { path, mount });
            }
        }
        let cache = LdCache::parse(&reader.read("/etc/ld.so.cache".as_ref(), MAX_CACHE).unwrap_or_default(), HOST.cache_flags);
        for name in SHIMS {
            let listed = library_path(spec).map(|dir| dir.join(name));
            let default = HOST.library_dirs().into_iter().map(|dir| Path::new(&dir).join(name));
            for path in listed.chain(cache.find(name).cloned()).chain(default) {
                self.take_over(reader, spec, name, &path);
            }
            self.add(name, &library_dir.join(name), reader);
        }
        if nvidia_dir_is_free(reader, spec) {
            for name in SHIMS {
                self.placements.push(Placement { shim: shim(name), destination: Path::new(NVIDIA_DIR).join(name) });
            }
        }
        Ok(())
    }

    /// Puts ours over the image's own library at `path`, if there is one.
    fn take_over(&mut self, reader: &Reader<'_>, spec: &Spec, name: &'static str, path: &Path) {
        let Some(found) = reader.regular_file(path) else { return };
        if let Some(mount) = spec.mount_above(path).or_else(|| spec.mount_above(&found.path)) {
            self.notes.push(format!("{} on the container's mount {} still wins over ours", path.display(), mount.display()));
            return;
        }
        if found.path.file_name().is_none_or(|file| is_libc_family(&file.to_string_lossy())) {
            self.notes.push(format!("{} is a link to {}: it is left alone", path.display(), found.path.display()));
            return;
        }
        if found.size > 0 && !self.holds(&found.path) {
            self.notes.push(format!("the image's own {} ({}) gives way to ours", path.display(), found.path.display()));
        }
        self.push(name, found.path);
    }

    /// Adds the new file `path`, unless the name is taken already.
    fn add(&mut self, name: &'static str, path: &Path, reader: &Reader<'_>) {
        if reader.regular_file(path).is_none() {
            self.push(name, path.to_owned());
        }
    }

    fn push(&mut self, name: &str, destination: PathBuf) {
        if !self.holds(&destination) {
            self.placements.push(Placement { shim: shim(name), destination });
        }
    }

    fn holds(&self, destination: &Path) -> bool {
        self.placements.iter().any(|placement| placement.destination == destination)
    }
}

/// The library on the host that serves `name`.
fn shim(name: &str) -> &'static str {
    if name.starts_with("libcuda") { "libcuda.so.1" } else { "libnvidia-ml.so.1" }
}

/// The absolute directories of the container's LD_LIBRARY_PATH.
fn library_path(spec: &Spec) -> impl Iterator<Item = PathBuf> {
    spec.env("LD_LIBRARY_PATH").unwrap_or_default().split([':', ';']).filter(|dir| dir.starts_with('/')).map(PathBuf::from)
}

/// The components of `GLIBC_2.34`; other names have no order.
fn glibc_version(name: &str) -> Option<Vec<u32>> {
    name.strip_prefix("GLIBC_")?.split('.').map(|part| part.parse().ok()).collect()
}

/// The image's library directory, from where its C library lies.
fn find_c_library(reader: &Reader<'_>, image: &mut Image) -> Result<PathBuf, ImageError> {
    let mut foreign = None;
    for dir in HOST.library_dirs() {
        let path = Path::new(&dir).join("libc.so.6");
        match reader.elf(&path) {
            Some(Ok(elf)) if elf.machine == HOST.machine => {
                image.glibc = elf.defines;
                return library_dir(reader, &path).ok_or(ImageError::NoLibc);
            }
            Some(Ok(_)) => foreign = Some((path, "is for another CPU architecture".to_owned())),
            Some(Err(error)) => foreign = Some((path, error.to_string())),
            None => {}
        }
    }
    if reader.regular_file(HOST.musl_loader.as_ref()).is_some() {
        return Err(ImageError::Musl);
    }
    Err(foreign.map_or(ImageError::NoLibc, |(path, reason)| ImageError::Foreign { path, reason }))
}

/// Debian's multiarch directory where the image has it (an older release keeps
/// libc.so.6 in /lib and everything else below /usr), else libc.so.6's own.
fn library_dir(reader: &Reader<'_>, libc: &Path) -> Option<PathBuf> {
    let multiarch = PathBuf::from(format!("/usr/lib/{}", HOST.multiarch));
    let debian = libc.parent()?.ends_with(HOST.multiarch);
    debian.then(|| reader.directory(&multiarch)).flatten().or_else(|| reader.directory(libc.parent()?))
}

/// A program of another C library or ELF class dies of, or complains about, a
/// preloaded library of ours.
fn check_program(reader: &Reader<'_>, spec: &Spec, image: &mut Image) -> Result<(), ImageError> {
    let Some((path, program)) = program(reader, spec) else { return Ok(()) };
    match program {
        Ok(elf) if elf.interpreter.as_deref().is_some_and(|loader| loader.contains("ld-musl")) => {
            Err(ImageError::MuslProgram(path.display().to_string()))
        }
        Err(ElfError::Class32) => {
            image.can_preload = false;
            image.notes.push(format!("{} is a 32-bit program: nothing is preloaded into it", path.display()));
            Ok(())
        }
        _ => Ok(()),
    }
}

fn program(reader: &Reader<'_>, spec: &Spec) -> Option<(PathBuf, Result<Elf, ElfError>)> {
    let name = spec.program()?;
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![PathBuf::from(name)]
    } else {
        spec.env("PATH").unwrap_or("/usr/bin:/bin").split(':').map(|dir| Path::new(dir).join(name)).collect()
    };
    candidates.into_iter().filter(|path| path.is_absolute()).find_map(|path| Some((path.clone(), reader.elf(&path)?)))
}

/// Whether `/usr/local/nvidia/lib64` is absent, or empty, or holds only the
/// empty files that an earlier start of this container left, with no link and
/// no mount on the way to it.
fn nvidia_dir_is_free(reader: &Reader<'_>, spec: &Spec) -> bool {
    let dir = Path::new(NVIDIA_DIR);
    if spec.mount_above(dir).is_some() || spec.mount_destinations().any(|mount| mount.starts_with(dir)) {
        return false;
    }
    let mut path = PathBuf::from("/");
    for component in dir.components().skip(1) {
        path.push(component);
        match reader.root.resolve_nofollow(&path) {
            Err(_) => return true,
            Ok(handle) if fstat(&handle).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir()) => {}
            Ok(_) => return false,
        }
    }
    reader.is_vacant(dir)
}

/// A regular file of the image.
struct Found {
    /// Where it lies in the image, without links.
    path: PathBuf,
    size: u64,
    file: File,
}

/// Reads an image inside its root.
struct Reader<'root> {
    root: &'root Root,
    /// The root's own path, as the kernel tells it.
    at: PathBuf,
}

impl Reader<'_> {
    /// The regular file that `path` resolves to. Its type is judged before it is
    /// opened for reading: an image may have a FIFO or a device at any name.
    fn regular_file(&self, path: &Path) -> Option<Found> {
        let handle = self.root.resolve(path).ok()?;
        let stat = fstat(&handle).ok()?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return None;
        }
        let inside = self.inside(&handle)?;
        Some(Found { path: inside, size: u64::try_from(stat.st_size).ok()?, file: handle.reopen(OpenFlags::O_RDONLY).ok()? })
    }

    /// The directory that `path` resolves to.
    fn directory(&self, path: &Path) -> Option<PathBuf> {
        let handle = self.root.resolve(path).ok()?;
        let stat = fstat(&handle).ok()?;
        FileType::from_raw_mode(stat.st_mode).is_dir().then(|| self.inside(&handle)).flatten()
    }

    fn inside(&self, handle: &pathrs::Handle) -> Option<PathBuf> {
        let path = own_path(handle).ok()?;
        let inside = path.strip_prefix(&self.at).ok()?;
        Some(Path::new("/").join(inside))
    }

    fn elf(&self, path: &Path) -> Option<Result<Elf, ElfError>> {
        Some(elf::read(self.regular_file(path)?.file))
    }

    /// At most `limit` bytes of a file.
    fn read(&self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.regular_file(path)?.file.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn is_vacant(&self, dir: &Path) -> bool {
        let opened = self.root.open_subpath(dir, OpenFlags::O_RDONLY | OpenFlags::O_DIRECTORY);
        let Some(mut entries) = opened.ok().and_then(|dir| Dir::read_from(dir).ok()) else { return false };
        entries.all(|entry| {
            let Ok(entry) = entry else { return false };
            let name = entry.file_name().to_string_lossy();
            name == "." || name == ".." || self.regular_file(&dir.join(&*name)).is_some_and(|found| found.size == 0 && SHIMS.contains(&&*name))
        })
    }
}

/// The path that the kernel gives an open file.
fn own_path(fd: impl std::os::fd::AsFd) -> std::io::Result<PathBuf> {
    use std::os::fd::AsRawFd;
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()))
}
