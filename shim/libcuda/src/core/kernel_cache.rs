//! Compiled kernels on disk, so that a process does not compile what another has.
//!
//! A kernel's file is named by a digest of all that its code depends on, and begins
//! with a digest of what follows: a file that was cut off, or written by somebody
//! else, is compiled anew. Files appear whole (`cache::write`), so processes need
//! not wait for one another. Beyond `CUDA_CACHE_MAXSIZE` the oldest files go.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use abi::trace;
use compiler::{CompiledKernel, Target};

use crate::core::cache;

/// What the files of this version begin with.
const MAGIC: &[u8; 8] = b"pumiceK1";
/// `CUDA_CACHE_MAXSIZE` where it is not set, in bytes.
const DEFAULT_LIMIT: u64 = 1 << 30;
/// The cache's size is looked at once in so many kernels written.
const SWEEP_INTERVAL: u32 = 64;

/// Where a kernel lies in the cache.
pub struct Entry(PathBuf);

impl Entry {
    /// The place of a kernel of the module with this digest; `None` if caching is
    /// switched off.
    pub fn of(module: &blake3::Hash, kernel: &str, target: &Target) -> Option<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(env!("COMPILER_VERSION").as_bytes());
        hasher.update(module.as_bytes());
        hasher.update(kernel.as_bytes());
        hasher.update(format!("{target:?}").as_bytes());
        let name = hasher.finalize().to_hex();
        // Two levels, as in other caches, keep the folders small.
        Some(Self(
            cache::directory()?
                .join("kernels")
                .join(&name[..2])
                .join(&name[2..]),
        ))
    }

    /// The stored kernel, if there is one and it is whole.
    pub fn load(&self) -> Option<CompiledKernel> {
        let contents = std::fs::read(&self.0).ok()?;
        let kernel = decode(&contents);
        if kernel.is_none() {
            trace::note(format_args!(
                "cache: {} is not whole and is made anew",
                self.0.display()
            ));
        }
        kernel
    }

    /// Stores a kernel. A cache that cannot be written is no failure.
    pub fn store(&self, kernel: &CompiledKernel) {
        static WRITTEN: AtomicU32 = AtomicU32::new(0);
        let Some(contents) = encode(kernel) else {
            return;
        };
        if let Err(error) = cache::write(&self.0, &contents) {
            trace::note(format_args!("cache: {}: {error}", self.0.display()));
            return;
        }
        if WRITTEN.fetch_add(1, Ordering::Relaxed) % SWEEP_INTERVAL == SWEEP_INTERVAL - 1
            && let Some(kernels) = self.0.ancestors().nth(2)
        {
            sweep(kernels, limit());
        }
    }
}

/// The bytes that each of the caches may take.
pub fn limit() -> u64 {
    let text = std::env::var("CUDA_CACHE_MAXSIZE").ok();
    text.and_then(|text| text.trim().parse().ok())
        .unwrap_or(DEFAULT_LIMIT)
}

fn encode(kernel: &CompiledKernel) -> Option<Vec<u8>> {
    let payload = postcard::to_stdvec(kernel).ok()?;
    let digest = blake3::hash(&payload);
    Some([MAGIC.as_slice(), digest.as_bytes(), &payload].concat())
}

fn decode(contents: &[u8]) -> Option<CompiledKernel> {
    let (digest, payload) = contents
        .strip_prefix(MAGIC)?
        .split_at_checked(blake3::OUT_LEN)?;
    let whole = blake3::hash(payload).as_bytes() == digest;
    whole.then(|| postcard::from_bytes(payload).ok())?
}

/// Removes the files that were written first until the rest is within the limit.
/// Other processes may do the same at the same time: a file that is gone is fine.
fn sweep(kernels: &Path, limit: u64) {
    let mut files = files_below(kernels);
    let mut total = files.iter().map(|(_, len, _)| len).sum::<u64>();
    files.sort();
    for (_, len, path) in files {
        if total <= limit {
            break;
        }
        // Whoever else removed it has made the room as well.
        let _ = std::fs::remove_file(path);
        total -= len;
    }
}

fn files_below(directory: &Path) -> Vec<(SystemTime, u64, PathBuf)> {
    let folders = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten());
    let described = files.flatten().filter_map(|file| {
        let metadata = file.metadata().ok()?;
        Some((metadata.modified().ok()?, metadata.len(), file.path()))
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel() -> CompiledKernel {
        CompiledKernel {
            spirv: (0..100).collect(),
            entry_point: "main",
            push_constant_bytes: 60,
            parameter_bytes: 28,
            parameters_in_memory: false,
            shared_bytes: 4096,
            dynamic_shared: true,
            shared_in_buffer: true,
            scratch_bytes: 16,
            subgroup_size: Some(8),
            lanes_per_invocation: 4,
            variables: vec!["table".into()],
            prints: true,
            messages: Vec::new(),
            traps: vec!["line 7: trap;".to_owned()],
        }
    }

    #[test]
    fn what_is_stored_reads_back_and_nothing_else_does() {
        let contents = encode(&kernel()).unwrap();
        assert_eq!(decode(&contents), Some(kernel()));
        for index in 0..contents.len() {
            let mut changed = contents.clone();
            changed[index] ^= 0x10;
            assert_eq!(decode(&changed), None, "byte {index}");
            assert_eq!(decode(&contents[..index]), None, "cut at {index}");
        }
    }

    #[test]
    fn a_sweep_leaves_the_newest_within_the_limit() {
        let root = tempfile::tempdir().unwrap();
        for (age, name) in [(30, "aa/1"), (20, "bb/2"), (10, "aa/3")] {
            let path = root.path().join(name);
            cache::write(&path, &[0; 100]).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age);
            std::fs::File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        sweep(root.path(), 250);
        let left = |name: &str| root.path().join(name).exists();
        assert_eq!(
            [left("aa/1"), left("bb/2"), left("aa/3")],
            [false, true, true]
        );
    }
}
