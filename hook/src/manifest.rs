//! `manifest.json` of a driver directory: what the shims read in a container to
//! load a Vulkan driver without the system's loader.

use serde::{Deserialize, Serialize};

/// The version of the format.
pub const VERSION: u32 = 1;
/// Its file name.
pub const FILE: &str = "manifest.json";

/// A Vulkan driver with everything that it needs apart from the C library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// Short name of the driver, also that of its directory.
    pub driver: String,
    /// `drm`, `nvidia` or `software`.
    pub kind: String,
    /// File name of the driver itself: the last of `libraries`.
    pub icd: String,
    #[serde(rename = "apiVersion")]
    pub api_version: String,
    /// In load order, leaves first.
    pub libraries: Vec<Library>,
}

/// One file of a driver directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    pub file: String,
    pub soname: String,
    /// Symbol versions that it needs of the C library's family.
    pub needs: Vec<String>,
    /// Symbol versions that it defines.
    pub defines: Vec<String>,
}

impl Manifest {
    /// Every symbol version that the driver needs of the C library's family.
    pub fn needs(&self) -> impl Iterator<Item = &str> {
        self.libraries
            .iter()
            .flat_map(|library| library.needs.iter().map(String::as_str))
    }
}
