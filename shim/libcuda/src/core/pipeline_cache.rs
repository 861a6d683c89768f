//! What the driver keeps of the pipelines it made, on disk beside the kernels: one
//! file for each device and version of its driver.
//!
//! The file is read when the first pipeline is made. It is written when no pipeline
//! was made for a moment, because many programs are ended from outside, and when the
//! process exits; what other processes have written since is put into it first. The
//! room `vulkan` sees to whole and undamaged files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use abi::trace;

use crate::core::device::Device;
use crate::core::{cache, kernel_cache};

/// How long no pipeline must have been made before the file is written.
const PAUSE: Duration = Duration::from_secs(2);

/// A device's pipelines on disk.
#[derive(Default)]
pub struct PipelineCache {
    loaded: OnceLock<()>,
    /// Pipelines made in this process, and how many of them are in the file.
    made: AtomicU64,
    stored: AtomicU64,
    writing: AtomicBool,
    /// One thread writes at a time, and none once the process exits.
    closed: Mutex<bool>,
}

/// Reads a device's file, once in a process.
pub fn load(device: &'static Device, vulkan: &Arc<vulkan::Device>) {
    device.pipelines.loaded.get_or_init(|| {
        if let Some(path) = path(vulkan) {
            merge(vulkan, &path);
        }
    });
}

/// Takes note of a pipeline that was made, which will be written.
pub fn note_new(device: &'static Device, vulkan: &Arc<vulkan::Device>) {
    let pipelines = &device.pipelines;
    pipelines.made.fetch_add(1, Ordering::Relaxed);
    if path(vulkan).is_none() || pipelines.writing.swap(true, Ordering::AcqRel) {
        return;
    }
    let vulkan = Arc::downgrade(vulkan);
    let thread = std::thread::Builder::new().name("pumice-cache".into());
    let written_later = thread.spawn(move || {
        loop {
            let made = pipelines.made.load(Ordering::Relaxed);
            std::thread::sleep(PAUSE);
            if made == pipelines.made.load(Ordering::Relaxed) {
                break;
            }
        }
        pipelines.writing.store(false, Ordering::Release);
        if let Some(vulkan) = vulkan.upgrade() {
            store(device, &vulkan);
        }
    });
    if let Err(error) = written_later {
        trace::note(format_args!(
            "cache: pipelines are written at exit: {error}"
        ));
    }
}

/// Writes a device's file for the last time: the process exits, and no thread of
/// ours may call its driver from now on.
pub fn close(device: &Device, vulkan: &Arc<vulkan::Device>) {
    store(device, vulkan);
    *lock(&device.pipelines) = true;
}

/// Writes a device's file, unless nothing is new. A cache that cannot be written is
/// no failure.
fn store(device: &Device, vulkan: &Arc<vulkan::Device>) {
    let pipelines = &device.pipelines;
    let closed = lock(pipelines);
    let made = pipelines.made.load(Ordering::Relaxed);
    if *closed || pipelines.stored.swap(made, Ordering::Relaxed) == made {
        return;
    }
    if let Some(path) = path(vulkan) {
        merge(vulkan, &path);
        if let Err(error) = write(vulkan, &path) {
            trace::note(format_args!("cache: {}: {error}", path.display()));
        }
    }
}

fn write(vulkan: &vulkan::Device, path: &Path) -> Result<(), String> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(|error| error.to_string())?;
    let stored = vulkan.store_pipeline_cache(path, kernel_cache::limit());
    stored.map_err(|error| error.to_string())
}

fn lock(pipelines: &PipelineCache) -> MutexGuard<'_, bool> {
    let closed = pipelines.closed.lock();
    closed.unwrap_or_else(PoisonError::into_inner)
}

fn path(vulkan: &vulkan::Device) -> Option<PathBuf> {
    cache::device_record("pipelines", vulkan.physical())
}

/// Adds a file's pipelines to the device's; a damaged file is written anew.
fn merge(vulkan: &Arc<vulkan::Device>, path: &Path) {
    if let Err(error) = vulkan.load_pipeline_cache(path) {
        trace::note(format_args!("cache: {error}"));
    }
}
