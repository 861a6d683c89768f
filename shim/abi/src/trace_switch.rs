//! Tracing a container that runs already, whose environment nobody can change
//! any more: `pumice trace CONTAINER` writes the container's name into a file of
//! each driver directory, which containers see read-only, and a process that is
//! not told by `PUMICE_TRACE` looks there once.
//!
//! A line of the file is a mount namespace as the kernel names it, a space, and
//! the value that `PUMICE_TRACE` would have. A container's processes share a mount
//! namespace, and two containers never do. The preload library compiles this file
//! in by its path, so it uses the C library alone and does not panic.

use core::ffi::{CStr, c_char, c_int};

/// The file in a driver directory.
const FILE: &CStr = c"trace";
/// Where driver directories lie in a container; `PUMICE_DRIVERS` says otherwise.
const DRIVERS: &CStr = c"/usr/lib/pumice/drivers";
/// The longest file that is read; `pumice trace` writes no longer one.
const LONGEST: usize = 4096;

/// What `PUMICE_TRACE` would be, as C text.
pub struct Value([u8; LONGEST]);

impl Value {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// The value for this process's container, if it has one.
#[must_use]
pub fn value() -> Option<Value> {
    let mut name = [0; 64];
    let namespace = mount_namespace(&mut name)?;
    // SAFETY: the name is NUL-terminated.
    let variable = unsafe { libc::getenv(c"PUMICE_DRIVERS".as_ptr()) };
    let drivers = if variable.is_null() {
        DRIVERS.as_ptr()
    } else {
        variable.cast_const()
    };
    in_drivers(drivers, namespace)
}

/// The name of this process's mount namespace, in `name`.
fn mount_namespace(name: &mut [u8]) -> Option<&[u8]> {
    // SAFETY: `readlink` writes at most the given number of bytes to `name`.
    let len = unsafe {
        libc::readlink(
            c"/proc/self/ns/mnt".as_ptr(),
            name.as_mut_ptr().cast(),
            name.len(),
        )
    };
    name.get(..usize::try_from(len).ok()?)
}

/// What the first file of a directory below `drivers` says of `namespace`.
fn in_drivers(drivers: *const c_char, namespace: &[u8]) -> Option<Value> {
    // SAFETY: `drivers` is NUL-terminated: a constant or a variable's value.
    let listing = unsafe { libc::opendir(drivers) };
    if listing.is_null() {
        return None;
    }
    let found = core::iter::from_fn(|| {
        // SAFETY: `listing` is open, and used by this thread alone.
        let entry = unsafe { libc::readdir(listing) };
        // SAFETY: an entry that is not null is valid until the next one is read.
        unsafe { entry.as_ref() }.map(|entry| {
            // SAFETY: `listing` is open.
            let dir = unsafe { libc::dirfd(listing) };
            in_driver(dir, entry.d_name.as_ptr(), namespace)
        })
    })
    .flatten()
    .next();
    // SAFETY: it was opened above and is not used any more.
    unsafe { libc::closedir(listing) };
    found
}

/// What the file of the directory `driver` says.
fn in_driver(drivers: c_int, driver: *const c_char, namespace: &[u8]) -> Option<Value> {
    let dir = File::open(drivers, driver, libc::O_PATH | libc::O_DIRECTORY)?;
    let file = File::open(dir.0, FILE.as_ptr(), libc::O_RDONLY | libc::O_NOFOLLOW)?;
    let mut text = [0; LONGEST];
    // SAFETY: `read` writes at most the given number of bytes to `text`.
    let len = unsafe { libc::read(file.0, text.as_mut_ptr().cast(), text.len()) };
    let value = find(text.get(..usize::try_from(len).ok()?)?, namespace)?;
    let mut copy = [0; LONGEST];
    copy.get_mut(..value.len())?.copy_from_slice(value);
    Some(Value(copy))
}

/// An open file.
struct File(c_int);

impl File {
    fn open(dir: c_int, name: *const c_char, flags: c_int) -> Option<Self> {
        // `openat` as a function is younger than the oldest C library that must do.
        // SAFETY: `name` is NUL-terminated: an entry's name or a constant.
        let file = unsafe { libc::syscall(libc::SYS_openat, dir, name, flags | libc::O_CLOEXEC) };
        let file = c_int::try_from(file).ok()?;
        (file >= 0).then_some(Self(file))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: it was opened by `open` and given to nobody.
        unsafe { libc::close(self.0) };
    }
}

/// The value behind `namespace` in `text`.
fn find<'text>(text: &'text [u8], namespace: &[u8]) -> Option<&'text [u8]> {
    text.split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(namespace)?.strip_prefix(b" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_whole_namespace() {
        let text = b"mnt:[40] 1\nmnt:[402] /tmp/a b\n\nmnt:[7]\n";
        let found = |namespace: &str| {
            find(text, namespace.as_bytes()).map(|value| core::str::from_utf8(value).unwrap())
        };
        assert_eq!(found("mnt:[40]"), Some("1"));
        assert_eq!(found("mnt:[402]"), Some("/tmp/a b"));
        for absent in ["mnt:[4]", "mnt:[7]", "mnt:[402", "40]"] {
            assert_eq!(found(absent), None, "{absent}");
        }
    }

    #[test]
    fn this_process_is_told_by_the_file_of_any_driver() {
        let name = std::fs::read_link("/proc/self/ns/mnt").unwrap();
        let name = name.to_str().unwrap();
        let root = std::env::temp_dir().join(format!("trace-switch-{}", std::process::id()));
        for driver in ["a", "b"] {
            std::fs::create_dir_all(root.join(driver)).unwrap();
        }
        let drivers = std::ffi::CString::new(root.to_str().unwrap()).unwrap();
        let answer = || in_drivers(drivers.as_ptr(), name.as_bytes());
        assert!(answer().is_none());
        std::fs::write(root.join("a/trace"), "mnt:[1] 1\n").unwrap();
        assert!(answer().is_none());
        std::fs::write(root.join("b/trace"), format!("mnt:[1] 1\n{name} /t\n")).unwrap();
        assert_eq!(answer().unwrap().text(), c"/t");
        std::fs::remove_dir_all(&root).unwrap();
        assert!(answer().is_none());
    }
}
