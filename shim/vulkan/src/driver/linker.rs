//! The dynamic linker: loading by path, what is loaded, where it would look.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_uint, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;

/// A loaded library. It is never unloaded: drivers start threads and register
/// exit handlers.
#[derive(Clone, Copy)]
pub(super) struct Loaded(NonNull<c_void>);

impl Loaded {
    /// Loads the library at `path`; its names stay out of the global scope.
    pub fn open(path: &Path) -> Result<Loaded, String> {
        let path = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| "a path with a NUL".to_owned())?;
        // SAFETY: loading runs the library's constructors: those of a Vulkan
        // driver and of what it links against are made for that.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        NonNull::new(handle).map(Loaded).ok_or_else(last_error)
    }

    /// The library that answers to `soname` in this process, if one does.
    pub fn find(soname: &str) -> Option<Loaded> {
        let soname = CString::new(soname).ok()?;
        // SAFETY: RTLD_NOLOAD loads nothing.
        let handle = unsafe { libc::dlopen(soname.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        NonNull::new(handle).map(Loaded)
    }

    pub fn symbol(self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the handle is of a loaded library.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }

    /// The file that the library was loaded from.
    pub fn path(self) -> Option<PathBuf> {
        let mut map: *const LinkMap = std::ptr::null();
        // SAFETY: the handle is of a loaded library, and the request writes
        // one pointer.
        let result =
            unsafe { libc::dlinfo(self.0.as_ptr(), RTLD_DI_LINKMAP, (&raw mut map).cast()) };
        if result != 0 || map.is_null() {
            return None;
        }
        // SAFETY: the map and its name live as long as the library.
        let name = unsafe { CStr::from_ptr((*map).name) };
        Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
    }
}

/// The public head of `struct link_map`.
#[repr(C)]
struct LinkMap {
    address: usize,
    name: *const c_char,
}

const RTLD_DI_LINKMAP: c_int = 2;
const RTLD_DI_SERINFO: c_int = 4;
const RTLD_DI_SERINFOSIZE: c_int = 5;
/// A directory that the linker was built with.
const LA_SER_DEFAULT: c_uint = 0x40;

/// `Dl_serinfo`, without its array.
#[repr(C)]
#[derive(Default)]
struct SearchHead {
    size: usize,
    count: c_uint,
}

/// `Dl_serpath`.
#[repr(C)]
#[derive(Clone, Copy)]
struct SearchPath {
    name: *const c_char,
    flags: c_uint,
}

/// Where the linker looks for a library by name.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// `LD_LIBRARY_PATH` and run paths.
    first: Vec<PathBuf>,
    cache: Vec<u8>,
    /// The linker's own directories.
    last: Vec<PathBuf>,
}

impl Search {
    pub fn new() -> Search {
        let (last, first) = directories()
            .into_iter()
            .partition(|(_, flags)| flags & LA_SER_DEFAULT != 0);
        let paths = |list: Vec<(PathBuf, c_uint)>| list.into_iter().map(|(path, _)| path).collect();
        Search {
            first: paths(first),
            cache: std::fs::read("/etc/ld.so.cache").unwrap_or_default(),
            last: paths(last),
        }
    }

    /// The file that the linker would load for `soname`.
    pub fn find(&self, soname: &str) -> Option<PathBuf> {
        let inside = |directories: &[PathBuf]| {
            directories
                .iter()
                .map(|directory| directory.join(soname))
                .find(|path| path.is_file())
        };
        inside(&self.first)
            .or_else(|| cached(&self.cache, soname).filter(|path| path.is_file()))
            .or_else(|| inside(&self.last))
    }
}

/// The program's search path, with the linker's flags for each directory.
fn directories() -> Vec<(PathBuf, c_uint)> {
    // SAFETY: a null name is the program itself; nothing is loaded.
    let program = unsafe { libc::dlopen(std::ptr::null(), libc::RTLD_LAZY) };
    if program.is_null() {
        return Vec::new();
    }
    let mut head = SearchHead::default();
    // SAFETY: the handle is the program's, and the request writes the head.
    if unsafe { libc::dlinfo(program, RTLD_DI_SERINFOSIZE, (&raw mut head).cast()) } != 0 {
        return Vec::new();
    }
    let words = head.size.div_ceil(size_of::<u64>());
    let mut buffer = vec![0u64; words.max(2)];
    let info = buffer.as_mut_ptr().cast::<SearchHead>();
    // SAFETY: the buffer is as large as the linker asked, aligned for its
    // pointers, and starts with the head that it filled; it writes the array.
    unsafe {
        info.write(SearchHead {
            size: head.size,
            count: head.count,
        });
        if libc::dlinfo(program, RTLD_DI_SERINFO, info.cast()) != 0 {
            return Vec::new();
        }
    }
    // SAFETY: `count` entries follow the head, in the buffer.
    let entries = unsafe {
        let first = info.add(1).cast::<SearchPath>();
        std::slice::from_raw_parts(first, head.count as usize)
    };
    let path = |entry: &SearchPath| {
        // SAFETY: the names lie in the buffer, each ended by a NUL.
        let name = unsafe { CStr::from_ptr(entry.name) };
        (
            PathBuf::from(OsStr::from_bytes(name.to_bytes())),
            entry.flags,
        )
    };
    entries.iter().map(path).collect()
}

/// Magic and version of `/etc/ld.so.cache` since glibc 2.2.
const CACHE_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const CACHE_HEADER: usize = 48;
const CACHE_ENTRY: usize = 24;

/// The cache's flags for libraries of this machine.
const CACHE_FLAGS: u32 = if cfg!(target_arch = "aarch64") {
    0x0a03
} else {
    0x0303
};

/// Looks `soname` up in the bytes of `/etc/ld.so.cache`, leaving out variants
/// for certain processors.
fn cached(cache: &[u8], soname: &str) -> Option<PathBuf> {
    let start = cache
        .windows(CACHE_MAGIC.len())
        .position(|window| window == CACHE_MAGIC)?;
    let cache = &cache[start..];
    let word = |at: usize| Some(u32::from_ne_bytes(cache.get(at..at + 4)?.try_into().ok()?));
    let text = |at: usize| cache.get(at..)?.split(|&byte| byte == 0).next();
    let count = word(20)? as usize;
    for entry in (0..count).map(|n| CACHE_HEADER + n * CACHE_ENTRY) {
        let ours = word(entry)? == CACHE_FLAGS && word(entry + 16)? == 0 && word(entry + 20)? == 0;
        if ours && text(word(entry + 4)? as usize)? == soname.as_bytes() {
            return Some(PathBuf::from(OsStr::from_bytes(text(
                word(entry + 8)? as usize
            )?)));
        }
    }
    None
}

fn last_error() -> String {
    // SAFETY: the message is ours until the next call on this thread.
    let message = unsafe { libc::dlerror() };
    if message.is_null() {
        return "unknown error of the dynamic linker".into();
    }
    // SAFETY: a message is a C string.
    unsafe { CStr::from_ptr(message) }
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_c_library_is_loaded_and_has_a_path() {
        let path = Loaded::find("libc.so.6")
            .expect("loaded")
            .path()
            .expect("a path");
        assert!(path.is_file(), "{path:?}");
    }

    #[test]
    fn the_search_finds_what_the_linker_loads() {
        let loaded = Loaded::find("libc.so.6")
            .expect("loaded")
            .path()
            .expect("a path");
        let found = Search::new().find("libc.so.6").expect("found");
        assert_eq!(
            found.canonicalize().expect("real"),
            loaded.canonicalize().expect("real")
        );
        assert_eq!(Search::new().find("libnonexistent.so.0"), None);
    }

    #[test]
    fn the_cache_agrees_with_the_directories() {
        let search = Search::new();
        let by_cache = cached(&search.cache, "libc.so.6").expect("in the cache");
        let by_directory = Search {
            cache: Vec::new(),
            ..search
        }
        .find("libc.so.6")
        .expect("in a directory");
        assert_eq!(
            by_cache.canonicalize().expect("real"),
            by_directory.canonicalize().expect("real")
        );
    }

    #[test]
    fn a_cut_cache_finds_nothing_and_does_not_panic() {
        let cache = std::fs::read("/etc/ld.so.cache").expect("a cache");
        for end in (0..cache.len().min(4000)).chain([cache.len() - 1]) {
            let _ = cached(&cache[..end], "libnonexistent.so.0");
        }
    }
}
