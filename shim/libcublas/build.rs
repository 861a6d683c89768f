//! Names the library as programs look it up.

fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libpumice-preload.so");
    println!("cargo:rerun-if-changed=build.rs");
}
