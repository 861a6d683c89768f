//! Makes the linker look into the driver behind for every name that is not
//! replaced: the library needs it by a name of its own, for which an empty library
//! stands in while it is linked.

use std::path::PathBuf;
use std::process::Command;

/// As in `src/lib.rs`.
const BEHIND: &str = "libcuda-behind.so";

fn main() {
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("Cargo names a folder"));
    let stand_in = folder.join(BEHIND);
    let linked = Command::new("cc")
        .args(["-shared", "-nostdlib", "-x", "c", "/dev/null"])
        .arg(format!("-Wl,-soname,{BEHIND}"))
        .arg("-o")
        .arg(&stand_in)
        .status();
    assert!(
        linked.is_ok_and(|status| status.success()),
        "cc cannot link {}",
        stand_in.display()
    );
    println!("cargo:rustc-cdylib-link-arg=-Wl,--no-as-needed");
    println!("cargo:rustc-cdylib-link-arg={}", stand_in.display());
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    println!("cargo:rerun-if-changed=build.rs");
}
