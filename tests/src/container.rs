//! Container engines and the images they run, as the container tests and the
//! benchmarks drive them, and the Vulkan device that everything is compared with.

pub mod containerd;
pub mod dockerd;
pub mod engine;
pub mod image;
pub mod output;
pub mod rootfs;
pub mod vulkaninfo;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this package lies in a room of the repository")
}

/// Where images and the engines' storage are kept between runs: `$PUMICE_CACHE`,
/// by default `~/.cache/pumice`.
pub fn cache() -> PathBuf {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("PUMICE_CACHE")
        .or_else(|| {
            Some(
                variable("XDG_CACHE_HOME")
                    .or_else(|| Some(variable("HOME")?.join(".cache")))?
                    .join("pumice"),
            )
        })
        .expect("PUMICE_CACHE or HOME must be set")
}
