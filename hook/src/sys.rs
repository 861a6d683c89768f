//! The two system calls that no library offers by a safe function. The only
//! unsafe code of this crate.
#![allow(
    unsafe_code,
    reason = "raw system calls; each block says why it is sound"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// Sets attributes of the mount tree `tree`, which is not attached anywhere yet
/// (`mount_setattr(2)`): `attributes` is a set of `MOUNT_ATTR_*`. Its
/// propagation becomes private.
pub fn set_mount_attributes(tree: impl AsFd, attributes: u64) -> io::Result<()> {
    let attr = libc::mount_attr {
        attr_set: attributes,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is an empty C string, and `attr` is a mount_attr of the
    // size given that lives until the call returns; the kernel writes to neither.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Marks every descriptor from 3 on to be closed by the next exec: what an
/// engine left open is not ours to hand on.
pub fn close_inherited_on_exec() -> io::Result<()> {
    // SAFETY: the flag only changes descriptor flags; no descriptor is closed
    // here, so none that Rust owns becomes invalid.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
