//! Names the library as programs look it up, and in the profile that is
//! installed leaves out everything that would run when it is loaded.

use std::path::Path;

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libpumice-preload.so");
    if profile().as_deref() == Some("preload") {
        // Without the C compiler's start files there is no constructor at all.
        println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
        // A symbol that is missing must fail this build, not a container.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,defs");
    }
    println!("cargo:rerun-if-changed=build.rs");
}

/// The name of the profile: of `<profile>/build/<package>/out`, since Cargo's own
/// variable tells only debug from release.
fn profile() -> Option<String> {
    let out = std::env::var_os("OUT_DIR")?;
    let directory = Path::new(&out).ancestors().nth(3)?;
    Some(directory.file_name()?.to_str()?.to_owned())
}
