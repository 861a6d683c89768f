//! The driver's pipeline cache, and its file. The file carries a checksum of
//! its own: drivers trust what they are given, so a damaged blob must not
//! reach them.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use ash::vk;

use crate::device::Device;
use crate::error::{At, Error};

/// The device's `VkPipelineCache`. Pipelines are made under the shared lock,
/// merging takes the exclusive one.
pub(crate) struct PipelineCache(RwLock<vk::PipelineCache>);

const MAGIC: &[u8; 8] = b"PUMICEVK";
/// Magic, checksum (4 bytes), length (8 bytes), then the driver's blob.
const HEADER: usize = 20;
/// `VkPipelineCacheHeaderVersionOne`: size, version, vendor, device, UUID.
const DRIVER_HEADER: usize = 32;

impl PipelineCache {
    pub fn new(device: &ash::Device) -> Result<PipelineCache, Error> {
        Ok(PipelineCache(RwLock::new(create(device, &[])?)))
    }

    pub fn shared(&self) -> RwLockReadGuard<'_, vk::PipelineCache> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn destroy(&self, device: &ash::Device) {
        // SAFETY: called when the device is dropped: no pipeline is being made.
        unsafe { device.destroy_pipeline_cache(*self.shared(), None) }
    }
}

fn create(device: &ash::Device, blob: &[u8]) -> Result<vk::PipelineCache, Error> {
    let info = vk::PipelineCacheCreateInfo::default().initial_data(blob);
    // SAFETY: the device is live; the blob is empty or was checked.
    unsafe { device.create_pipeline_cache(&info, None) }.at("vkCreatePipelineCache")
}

impl Device {
    /// Adds the pipelines of a file written by [`Device::store_pipeline_cache`]:
    /// `false` where there is no such file, or where it is of another device
    /// or driver version. A damaged file is an error, and nothing is added.
    pub fn load_pipeline_cache(&self, path: &Path) -> Result<bool, Error> {
        let failed = |reason: String| Error::Cache {
            path: path.to_owned(),
            reason,
        };
        let file = match fs::read(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error.to_string())),
        };
        let blob = unwrap(&file).map_err(|reason| failed(reason.to_owned()))?;
        if !self.is_our_blob(blob) {
            return Ok(false);
        }
        let loaded = create(self.raw(), blob)?;
        let cache = self
            .pipeline_cache()
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // SAFETY: both caches are live, and the lock makes the target ours.
        let merged = unsafe { self.raw().merge_pipeline_caches(*cache, &[loaded]) }
            .at("vkMergePipelineCaches");
        // SAFETY: `loaded` is ours alone.
        unsafe { self.raw().destroy_pipeline_cache(loaded, None) };
        merged.map(|()| true)
    }

    /// Writes all pipelines made so far, replacing the file in one step. Where they
    /// take more than `limit` bytes the file is removed, to begin again from nothing.
    pub fn store_pipeline_cache(&self, path: &Path, limit: u64) -> Result<(), Error> {
        let cache = self.pipeline_cache().shared();
        // SAFETY: the cache is live.
        let blob =
            unsafe { self.raw().get_pipeline_cache_data(*cache) }.at("vkGetPipelineCacheData")?;
        let failed = |reason: String| Error::Cache {
            path: path.to_owned(),
            reason,
        };
        if blob.len() as u64 > limit {
            let _ = fs::remove_file(path);
            let reason = format!("{} bytes of pipelines, more than {limit}", blob.len());
            return Err(failed(reason));
        }
        replace(path, &wrap(&blob)).map_err(|error| failed(error.to_string()))
    }

    /// Whether the blob was written by this driver for this device.
    fn is_our_blob(&self, blob: &[u8]) -> bool {
        let physical = self.physical();
        let mut expected = Vec::with_capacity(DRIVER_HEADER);
        let version = vk::PipelineCacheHeaderVersion::ONE.as_raw() as u32;
        for word in [
            DRIVER_HEADER as u32,
            version,
            physical.vendor_id(),
            physical.device_id(),
        ] {
            expected.extend(word.to_le_bytes());
        }
        expected.extend(physical.pipeline_cache_uuid());
        blob.starts_with(&expected)
    }
}

fn wrap(blob: &[u8]) -> Vec<u8> {
    let mut file = Vec::with_capacity(HEADER + blob.len());
    file.extend(MAGIC);
    file.extend(crc32fast::hash(blob).to_le_bytes());
    file.extend((blob.len() as u64).to_le_bytes());
    file.extend(blob);
    file
}

fn unwrap(file: &[u8]) -> Result<&[u8], &'static str> {
    let (header, blob) = file
        .split_at_checked(HEADER)
        .ok_or("shorter than its header")?;
    if !header.starts_with(MAGIC) {
        return Err("not a pipeline cache");
    }
    if header[12..] != (blob.len() as u64).to_le_bytes() {
        return Err("of another length than its header says");
    }
    if header[8..12] != crc32fast::hash(blob).to_le_bytes() {
        return Err("damaged: its checksum does not match");
    }
    Ok(blob)
}

/// Writes a file beside `path` and renames it, so that a reader sees the old
/// or the new one, whole.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let written = fs::File::create(&beside).and_then(|mut file| file.write_all(contents));
    let result = written.and_then(|()| fs::rename(&beside, path));
    if result.is_err() {
        let _ = fs::remove_file(&beside);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapped_blob_comes_back() {
        assert_eq!(unwrap(&wrap(b"blob")), Ok(&b"blob"[..]));
        assert_eq!(unwrap(&wrap(b"")), Ok(&b""[..]));
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_noticed() {
        let file = wrap(b"a driver's blob");
        for index in 0..file.len() {
            let mut damaged = file.clone();
            damaged[index] ^= 0x40;
            assert!(unwrap(&damaged).is_err(), "byte {index}");
            assert!(unwrap(&file[..index]).is_err(), "cut at {index}");
        }
    }
}
