//! Where compiled kernels and what was learnt about devices are kept between
//! processes: CUDA's own variables say where, and whether at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The cache's directory, which need not exist; `None` if caching is switched off
/// (`CUDA_CACHE_DISABLE=1`) or there is no place for it.
///
/// `CUDA_CACHE_PATH` names it as for NVIDIA's driver; the default follows the XDG
/// base directories, in a folder of our own.
pub fn directory() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if variable("CUDA_CACHE_DISABLE").is_some_and(|value| value != "0") {
        return None;
    }
    if let Some(path) = variable("CUDA_CACHE_PATH") {
        return Some(PathBuf::from(path).join("pumice"));
    }
    let home = || Some(PathBuf::from(variable("HOME")?).join(".cache"));
    Some(
        variable("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(home)?
            .join("pumice"),
    )
}

/// The file with what was learnt of a device: it names the device, its driver and
/// this version of pumice, so that an update of either is learnt about anew.
pub fn device_record(what: &str, physical: &vulkan::PhysicalDevice) -> Option<PathBuf> {
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let driver = physical.driver();
    let name = format!(
        "{what}-{}-{}-{}-{:x}-{}",
        env!("CARGO_PKG_VERSION"),
        hex(&physical.device_uuid()),
        hex(&driver.uuid),
        driver.version,
        driver
            .info
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_"),
    );
    Some(directory()?.join(name))
}

/// Writes a file so that other processes see all of it or nothing.
///
/// # Errors
/// What the file system says.
pub fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)?;
    let unique = format!(
        ".{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let temporary = directory.join(unique);
    let written = std::fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(contents))
        .and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // What failed to be written may also fail to be removed.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}
