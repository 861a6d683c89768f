//! A current context, and the check that a driver still works.

use std::ffi::CString;
use std::ops::Deref;

use abi::cuda::{CUcontext, CUdevice, CUdevice_attribute, CUevent, CUfunction, CUmodule, CUstream};

use crate::driver::{Driver, driver};
use crate::memory::{Allocation, Pinned, pattern};

/// `CU_STREAM_NON_BLOCKING`.
pub const NON_BLOCKING: u32 = 1;

/// The initialized driver.
///
/// # Panics
/// If `cuInit` fails.
#[must_use]
pub fn initialized() -> &'static Driver {
    let driver = driver();
    driver.cuInit(0).unwrap();
    driver
}

/// A context of device 0 that is current to the calling thread; the driver's
/// entry points are its methods.
pub struct Context {
    driver: &'static Driver,
    /// The device the context belongs to.
    pub device: CUdevice,
    /// What CUDA calls it.
    pub handle: CUcontext,
    primary: bool,
}

impl Deref for Context {
    type Target = Driver;

    fn deref(&self) -> &Driver {
        self.driver
    }
}

impl Context {
    /// The device's primary context, retained and made current.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn primary() -> Self {
        let (driver, device) = first_device();
        let mut handle = CUcontext::NULL;
        driver
            .cuDevicePrimaryCtxRetain(&raw mut handle, device)
            .unwrap();
        driver.cuCtxSetCurrent(handle).unwrap();
        Self {
            driver,
            device,
            handle,
            primary: true,
        }
    }

    /// A context of its own, which `cuCtxCreate` makes current.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn create(flags: u32) -> Self {
        let (driver, device) = first_device();
        let mut handle = CUcontext::NULL;
        driver
            .cuCtxCreate_v2(&raw mut handle, flags, device)
            .unwrap();
        Self {
            driver,
            device,
            handle,
            primary: false,
        }
    }

    /// The driver, for threads that make the context current themselves.
    #[must_use]
    pub fn driver(&self) -> &'static Driver {
        self.driver
    }

    /// Allocates device memory; it is freed when dropped.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn allocate(&self, bytes: usize) -> Allocation {
        Allocation::new(self.driver, bytes)
    }

    /// Allocates device memory that holds `bytes`.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn upload(&self, bytes: &[u8]) -> Allocation {
        let allocation = self.allocate(bytes.len());
        allocation.write(bytes);
        allocation
    }

    /// Allocates page-locked host memory; it is freed when dropped.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn pinned(&self, bytes: usize) -> Pinned {
        Pinned::new(self.driver, bytes)
    }

    /// Creates a stream.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn stream(&self, flags: u32) -> CUstream {
        let mut stream = CUstream::NULL;
        self.cuStreamCreate(&raw mut stream, flags).unwrap();
        stream
    }

    /// Creates an event.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn event(&self, flags: u32) -> CUevent {
        let mut event = CUevent::NULL;
        self.cuEventCreate(&raw mut event, flags).unwrap();
        event
    }

    /// Loads a module.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn module(&self, image: &[u8]) -> CUmodule {
        let mut module = CUmodule::NULL;
        self.cuModuleLoadData(&raw mut module, image.as_ptr().cast())
            .unwrap();
        module
    }

    /// A kernel of a module.
    ///
    /// # Panics
    /// If the driver refuses.
    #[must_use]
    pub fn function(&self, module: CUmodule, name: &str) -> CUfunction {
        let (mut function, name) = (CUfunction::NULL, CString::new(name).unwrap());
        self.cuModuleGetFunction(&raw mut function, module, name.as_ptr())
            .unwrap();
        function
    }

    /// An attribute of the context's device.
    ///
    /// # Panics
    /// If the driver does not know it.
    #[must_use]
    pub fn attribute(&self, attribute: CUdevice_attribute) -> i32 {
        let mut value = i32::MIN;
        self.cuDeviceGetAttribute(&raw mut value, attribute, self.device)
            .unwrap();
        value
    }

    /// Checks that the driver still allocates, sets, copies and frees: what a
    /// refused call must leave intact.
    ///
    /// # Panics
    /// If it does not.
    pub fn assert_works(&self) {
        let bytes = pattern(3000, 7);
        let (first, second) = (self.upload(&bytes), self.allocate(3000));
        self.cuMemsetD8_v2(first.at(10), 0xAB, 20).unwrap();
        self.cuMemcpyDtoD_v2(second.base, first.base, 3000).unwrap();
        let mut expected = bytes;
        expected[10..30].fill(0xAB);
        assert_eq!(second.read(), expected);
    }
}

impl Drop for Context {
    /// The statuses are not looked at: a test that destroyed the context itself
    /// has checked what it wanted to.
    fn drop(&mut self) {
        let _ = if self.primary {
            let _ = self.driver.cuCtxSetCurrent(CUcontext::NULL);
            self.driver.cuDevicePrimaryCtxRelease_v2(self.device)
        } else {
            self.driver.cuCtxDestroy_v2(self.handle)
        };
    }
}

fn first_device() -> (&'static Driver, CUdevice) {
    let driver = initialized();
    let mut device = -1;
    driver.cuDeviceGet(&raw mut device, 0).unwrap();
    (driver, device)
}
