//! The CUDA driver, by the C symbols of `libcuda.so.1`: opened when cuBLAS is
//! first used, never before.
//!
//! The signatures stand here and not in the table of the driver API because that
//! needs the standard library, and these are few.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};

use crate::loader::Library;
use crate::lock::Lock;
use crate::report;
use crate::status::{
    ALLOC_FAILED, ARCH_MISMATCH, EXECUTION_FAILED, NOT_INITIALIZED, Result, Status,
};

macro_rules! import {
    ($(fn $name:ident($($ty:ty),* $(,)?);)*) => {
        /// The entry points that are used here.
        #[derive(Clone, Copy)]
        #[allow(non_snake_case, reason = "NVIDIA's names")]
        pub struct Driver {
            $($name: unsafe extern "C" fn($($ty),*) -> u32,)*
        }

        impl Driver {
            fn load(library: Library) -> core::result::Result<Self, &'static CStr> {
                Ok(Self {
                    $($name: {
                        const NAME: &CStr = report::name(concat!(stringify!($name), "\0"));
                        let address = library.symbol(NAME).ok_or(NAME)?;
                        // SAFETY: the symbol has the signature of NVIDIA's header.
                        unsafe {
                            core::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C" fn($($ty),*) -> u32,
                            >(address)
                        }
                    },)*
                })
            }
        }
    };
}

/// A context of the driver's, as a number.
pub type Context = usize;

import! {
    fn cuInit(c_uint);
    fn cuDeviceGet(*mut c_int, c_int);
    fn cuDevicePrimaryCtxRetain(*mut Context, c_int);
    fn cuCtxGetCurrent(*mut Context);
    fn cuCtxSetCurrent(Context);
    fn cuLibraryLoadData(
        *mut usize, *const c_void,
        *mut c_uint, *mut *mut c_void, c_uint,
        *mut c_uint, *mut *mut c_void, c_uint,
    );
    fn cuLibraryGetKernel(*mut usize, usize, *const c_char);
    fn cuKernelGetFunction(*mut usize, usize);
    fn cuLaunchKernel(
        usize,
        c_uint, c_uint, c_uint,
        c_uint, c_uint, c_uint,
        c_uint, *mut c_void, *mut *mut c_void, *mut *mut c_void,
    );
}

/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: u32 = 2;
/// `CUDA_ERROR_NO_BINARY_FOR_GPU`.
const NO_BINARY_FOR_GPU: u32 = 209;

/// What cuBLAS calls a failure of the driver's, if it is not of memory.
fn checked(name: &'static CStr, result: u32, otherwise: Status) -> Result {
    if result == 0 {
        return Ok(());
    }
    report::driver_failed(name, result);
    Err(match result {
        OUT_OF_MEMORY => ALLOC_FAILED,
        NO_BINARY_FOR_GPU => ARCH_MISMATCH,
        _ => otherwise,
    })
}

/// The driver, opened by the first caller.
///
/// # Errors
/// `NOT_INITIALIZED` if there is none.
pub fn driver() -> Result<Driver> {
    static DRIVER: Lock<Option<Driver>> = Lock::new(None);
    DRIVER.with(|driver| match driver {
        Some(driver) => Ok(*driver),
        None => Ok(*driver.insert(open()?)),
    })
}

fn open() -> Result<Driver> {
    let Some(library) = Library::open(c"libcuda.so.1") else {
        report::note(b"cannot open libcuda.so.1, which cuBLAS needs: is this container meant to have a CUDA device?");
        return Err(NOT_INITIALIZED);
    };
    Driver::load(library).map_err(|name| {
        report::missing_symbol(name);
        NOT_INITIALIZED
    })
}

impl Driver {
    /// The calling thread's context. A thread that has none gets `preferred`, or
    /// if that is zero the primary context of the first device, as the runtime
    /// would give it.
    ///
    /// # Errors
    /// `NOT_INITIALIZED` if the driver refuses.
    pub fn current_context(&self, preferred: Context) -> Result<Context> {
        let mut context = 0;
        // SAFETY: the pointer is to a local, as in all calls below.
        let result = unsafe { (self.cuCtxGetCurrent)(&raw mut context) };
        if result == 0 && context != 0 {
            return Ok(context);
        }
        let context = match preferred {
            0 => self.primary_context()?,
            _ => preferred,
        };
        // SAFETY: a context of the driver's, which it checks.
        let result = unsafe { (self.cuCtxSetCurrent)(context) };
        checked(c"cuCtxSetCurrent", result, NOT_INITIALIZED)?;
        Ok(context)
    }

    fn primary_context(&self) -> Result<Context> {
        let (mut device, mut context) = (0, 0);
        // SAFETY: it has no preconditions.
        checked(c"cuInit", unsafe { (self.cuInit)(0) }, NOT_INITIALIZED)?;
        // SAFETY: as above.
        let result = unsafe { (self.cuDeviceGet)(&raw mut device, 0) };
        checked(c"cuDeviceGet", result, NOT_INITIALIZED)?;
        // SAFETY: as above. The context stays retained, as by the runtime.
        let result = unsafe { (self.cuDevicePrimaryCtxRetain)(&raw mut context, device) };
        checked(c"cuDevicePrimaryCtxRetain", result, NOT_INITIALIZED)?;
        Ok(context)
    }

    fn load_kernel(&self, kernel: &Kernel) -> Result<usize> {
        let (mut library, mut handle) = (0, 0);
        let none = core::ptr::null_mut;
        // SAFETY: the text is NUL-terminated PTX, and there are no options.
        let result = unsafe {
            (self.cuLibraryLoadData)(
                &raw mut library,
                kernel.text.as_ptr().cast(),
                none(),
                none().cast(),
                0,
                none(),
                none().cast(),
                0,
            )
        };
        checked(c"cuLibraryLoadData", result, EXECUTION_FAILED)?;
        // SAFETY: as above.
        let result =
            unsafe { (self.cuLibraryGetKernel)(&raw mut handle, library, kernel.name.as_ptr()) };
        checked(c"cuLibraryGetKernel", result, EXECUTION_FAILED)?;
        Ok(handle)
    }

    /// Launches a kernel whose one parameter is the structure `parameters`.
    ///
    /// # Errors
    /// `EXECUTION_FAILED` and others if the driver refuses.
    pub fn launch<T>(
        &self,
        kernel: &'static Kernel,
        grid: [u32; 3],
        stream: *mut c_void,
        parameters: &T,
    ) -> Result {
        let handle = kernel.handle(self)?;
        let mut function = 0;
        // SAFETY: the handle is the driver's.
        let result = unsafe { (self.cuKernelGetFunction)(&raw mut function, handle) };
        checked(c"cuKernelGetFunction", result, EXECUTION_FAILED)?;
        let mut pointers = [core::ptr::from_ref(parameters).cast_mut().cast()];
        let [x, y, z] = grid;
        // SAFETY: the kernel has one parameter, of the structure's layout, and the
        // driver copies it before it returns.
        let result = unsafe {
            (self.cuLaunchKernel)(
                function,
                x,
                y,
                z,
                kernel.threads,
                1,
                1,
                0,
                stream,
                pointers.as_mut_ptr(),
                core::ptr::null_mut(),
            )
        };
        checked(c"cuLaunchKernel", result, EXECUTION_FAILED)
    }
}

/// A kernel of this library's. A library of the driver's belongs to no context, so
/// it is loaded once in a process.
pub struct Kernel {
    name: &'static CStr,
    text: &'static CStr,
    threads: u32,
    handle: Lock<Option<usize>>,
}

impl Kernel {
    /// The kernel `name` of a PTX text, for blocks of `threads` threads.
    pub const fn new(name: &'static CStr, text: &'static CStr, threads: u32) -> Self {
        Self {
            name,
            text,
            threads,
            handle: Lock::new(None),
        }
    }

    fn handle(&self, driver: &Driver) -> Result<usize> {
        self.handle.with(|handle| match handle {
            Some(handle) => Ok(*handle),
            None => Ok(*handle.insert(driver.load_kernel(self)?)),
        })
    }
}
