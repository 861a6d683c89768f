//! Buffers on the device and on the host, and what to fill them with.

use std::ffi::c_void;

use abi::cuda::{CUdeviceptr, CUstream};

use crate::driver::Driver;

/// `len` bytes that differ from place to place and from seed to seed.
#[must_use]
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    let mut next = || {
        // One step of xorshift64*.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 56) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Compares bytes; a failure shows the first place that differs, not megabytes.
///
/// # Panics
/// If they differ.
#[track_caller]
pub fn assert_bytes(actual: &[u8], expected: &[u8], what: std::fmt::Arguments<'_>) {
    assert_eq!(actual.len(), expected.len(), "{what}: the lengths differ");
    let Some(place) = actual
        .iter()
        .zip(expected)
        .position(|(actual, expected)| actual != expected)
    else {
        return;
    };
    let wrong = actual
        .iter()
        .zip(expected)
        .filter(|(actual, expected)| actual != expected)
        .count();
    let end = actual.len().min(place + 16);
    panic!(
        "{what}: {wrong} of {} bytes differ, first at {place}: {:02x?} instead of {:02x?}",
        actual.len(),
        &actual[place..end],
        &expected[place..end]
    );
}

/// Device memory, freed when dropped.
pub struct Allocation {
    driver: &'static Driver,
    /// The address of the first byte.
    pub base: CUdeviceptr,
    /// The number of bytes that were asked for.
    pub len: usize,
}

impl Allocation {
    /// Allocates `len` bytes in the current context.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn new(driver: &'static Driver, len: usize) -> Self {
        let mut base = CUdeviceptr::NULL;
        driver.cuMemAlloc_v2(&raw mut base, len).unwrap();
        Self { driver, base, len }
    }

    /// The address `offset` bytes after the first.
    #[must_use]
    pub fn at(&self, offset: usize) -> CUdeviceptr {
        CUdeviceptr(self.base.0 + offset)
    }

    /// Copies from the host to the beginning of the allocation.
    ///
    /// # Panics
    /// If the driver refuses.
    pub fn write(&self, bytes: &[u8]) {
        self.driver
            .cuMemcpyHtoD_v2(self.base, bytes.as_ptr().cast(), bytes.len())
            .unwrap();
        // A copy from pageable memory returns once the bytes are staged: a stream
        // that does not wait for the default one would overtake them.
        self.driver.cuStreamSynchronize(CUstream::NULL).unwrap();
    }

    /// The whole contents.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        read(self.driver, self.base, self.len)
    }
}

impl Drop for Allocation {
    /// The status is not looked at: the test may have freed it.
    fn drop(&mut self) {
        let _ = self.driver.cuMemFree_v2(self.base);
    }
}

/// `len` bytes of device memory at `address`.
///
/// # Panics
/// If the driver refuses.
#[must_use]
pub fn read(driver: &Driver, address: CUdeviceptr, len: usize) -> Vec<u8> {
    let mut bytes = vec![0xEE; len];
    driver
        .cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), address, len)
        .unwrap();
    bytes
}

/// The address of host memory as CUDA's unified calls take it.
#[must_use]
pub fn unified(pointer: *const u8) -> CUdeviceptr {
    CUdeviceptr(pointer as usize)
}

/// Page-locked host memory of the driver's, freed when dropped.
pub struct Pinned {
    driver: &'static Driver,
    /// The first byte.
    pub pointer: *mut u8,
    /// The number of bytes.
    pub len: usize,
}

impl Pinned {
    /// Allocates `len` bytes and clears them.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn new(driver: &'static Driver, len: usize) -> Self {
        let mut pointer: *mut c_void = std::ptr::null_mut();
        driver.cuMemHostAlloc(&raw mut pointer, len, 0).unwrap();
        let pinned = Self {
            driver,
            pointer: pointer.cast(),
            len,
        };
        pinned.write(&vec![0; len]);
        pinned
    }
}

impl Drop for Pinned {
    /// The status is not looked at: the test may have freed it.
    fn drop(&mut self) {
        let _ = self.driver.cuMemFreeHost(self.as_void());
    }
}

/// Whole pages of ordinary memory, such as a program registers with CUDA.
pub struct Pages {
    /// The first byte, at the start of a page.
    pub pointer: *mut u8,
    /// The number of bytes, whole pages.
    pub len: usize,
}

/// Bytes of a page on the machines that the tests run on.
pub const PAGE: usize = 4096;

impl Pages {
    /// Maps `count` cleared pages.
    ///
    /// # Panics
    /// If the system refuses.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let len = count * PAGE;
        // SAFETY: a new private mapping aliases nothing.
        let pointer = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(
            pointer,
            libc::MAP_FAILED,
            "mmap: {}",
            std::io::Error::last_os_error()
        );
        Self {
            pointer: pointer.cast(),
            len,
        }
    }

    /// Makes the pages from `first` on unreadable, so that whoever reads past
    /// the end of an image is killed for it.
    ///
    /// # Panics
    /// If the system refuses.
    pub fn forbid_from(&self, first: usize) {
        // SAFETY: the range lies inside this mapping.
        let status = unsafe {
            libc::mprotect(
                self.pointer.add(first * PAGE).cast(),
                self.len - first * PAGE,
                libc::PROT_NONE,
            )
        };
        assert_eq!(status, 0, "mprotect: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: this is the mapping that `new` made.
        unsafe { libc::munmap(self.as_void(), self.len) };
    }
}

/// What pinned memory and pages are alike in: bytes that a device may write.
macro_rules! host_memory {
    ($($kind:ident)*) => {$(
        impl $kind {
            /// The pointer as the driver takes it.
            #[must_use]
            pub fn as_void(&self) -> *mut c_void {
                self.pointer.cast()
            }

            /// The bytes as they are now, every one read anew.
            #[must_use]
            pub fn read(&self) -> Vec<u8> {
                // SAFETY: the value owns `len` bytes at `pointer`.
                let byte = |index| unsafe { self.pointer.add(index).read_volatile() };
                (0..self.len).map(byte).collect()
            }

            /// Writes at the beginning.
            ///
            /// # Panics
            /// If `bytes` does not fit.
            pub fn write(&self, bytes: &[u8]) {
                assert!(bytes.len() <= self.len);
                // SAFETY: the value owns at least `bytes.len()` bytes at `pointer`.
                unsafe {
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.pointer, bytes.len());
                }
            }
        }
    )*};
}

host_memory!(Pinned Pages);
