//! From what C hands over to what Rust can rely on: null checks, and handles that
//! are keys into a registry of live objects, never addresses that are followed.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use abi::cuda::*;
use abi::{CUerror, Out, OutSlice};

use crate::core::context::Context;
use crate::core::device::Device;
use crate::core::event::Event;
use crate::core::function::Function;
use crate::core::library::{Kernel, Library};
use crate::core::module::Module;
use crate::core::stream::Stream;
use crate::process;

/// The live objects of one kind, by handle.
///
/// Handles are never reused, so a handle of a destroyed object names nothing.
pub struct Registry<T> {
    live: RwLock<BTreeMap<usize, Arc<T>>>,
}

impl<T> Registry<T> {
    const fn new() -> Self {
        Self {
            live: RwLock::new(BTreeMap::new()),
        }
    }

    /// Makes the object that `make` builds from its own handle known.
    pub fn insert_with(&self, make: impl FnOnce(usize) -> T) -> Arc<T> {
        // Aligned and above the small constants that CUDA gives a meaning.
        static NEXT: AtomicUsize = AtomicUsize::new(0x10_0000);
        let handle = NEXT.fetch_add(0x10, Ordering::Relaxed);
        let object = Arc::new(make(handle));
        self.write().insert(handle, object.clone());
        object
    }

    /// The object that a handle names.
    pub fn get(&self, handle: usize) -> Option<Arc<T>> {
        self.live
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&handle)
            .cloned()
    }

    /// Makes a handle name nothing; the object is the caller's to finish.
    pub fn remove(&self, handle: usize) -> Option<Arc<T>> {
        self.write().remove(&handle)
    }

    /// Makes the handles of all objects that fail the test name nothing.
    pub fn retain(&self, keep: impl Fn(&T) -> bool) {
        self.write().retain(|_, object| keep(object));
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<usize, Arc<T>>> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }
}

pub static CONTEXTS: Registry<Context> = Registry::new();
pub static STREAMS: Registry<Stream> = Registry::new();
pub static EVENTS: Registry<Event> = Registry::new();
pub static MODULES: Registry<Module> = Registry::new();
pub static FUNCTIONS: Registry<Function> = Registry::new();
pub static LIBRARIES: Registry<Library> = Registry::new();
pub static KERNELS: Registry<Kernel> = Registry::new();

/// An argument of an entry point in the form in which `api` receives it.
pub trait FromAbi<A>: Sized {
    /// Converts the argument.
    ///
    /// # Errors
    /// The documented status of a missing or unknown argument.
    ///
    /// # Safety
    /// `argument` must be what the entry point's C declaration asks for.
    unsafe fn from_abi(argument: A) -> Result<Self, CUerror>;
}

macro_rules! unchanged {
    ($($ty:ty),* $(,)?) => {
        $(impl FromAbi<$ty> for $ty {
            unsafe fn from_abi(argument: $ty) -> Result<Self, CUerror> {
                Ok(argument)
            }
        })*
    };
}

unchanged!(
    u8,
    u16,
    u32,
    u64,
    i32,
    usize,
    CUdeviceptr,
    CUcontext,
    CUstream,
    CUevent,
    CUdevice_attribute,
    CUfunction_attribute,
    CUpointer_attribute,
    CUlimit,
    CUfunc_cache,
    CUsharedconfig,
    CUdevice_P2PAttribute,
    CUexecAffinityType,
    CUarray_format,
    CUstreamCallback,
    CUhostFn,
    CUoccupancyB2DSize,
);

impl<T> FromAbi<*mut T> for Out<T> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, CUerror> {
        // SAFETY: the declaration asks for a place of this type.
        Ok(unsafe { Out::from_ptr(argument) }?)
    }
}

impl<T> FromAbi<*mut T> for Option<Out<T>> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, CUerror> {
        // SAFETY: the declaration asks for a place of this type.
        Ok(unsafe { Out::from_ptr(argument) }.ok())
    }
}

/// An array that the caller provides for results; its length is another argument.
pub struct OutArray<T>(*mut T);

impl<T: Copy + std::fmt::Debug> OutArray<T> {
    /// The array with the length that the other argument says.
    ///
    /// # Errors
    /// `INVALID_VALUE` if the array is null and its length is not 0.
    pub fn with_len(self, len: usize) -> Result<OutSlice<T>, CUerror> {
        // SAFETY: the C declaration asks for an array as long as that argument.
        Ok(unsafe { OutSlice::from_raw_parts(self.0, len) }?)
    }
}

impl<T> FromAbi<*mut T> for OutArray<T> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, CUerror> {
        Ok(Self(argument))
    }
}

/// An array that the caller hands in; its length is another argument.
pub struct InArray<T>(*const T);

impl<T: Copy> InArray<T> {
    /// A copy of the array with the length that the other argument says.
    ///
    /// # Errors
    /// `INVALID_VALUE` if the array is null and its length is not 0.
    pub fn with_len(&self, len: usize) -> Result<Vec<T>, CUerror> {
        if self.0.is_null() {
            return if len == 0 {
                Ok(Vec::new())
            } else {
                Err(CUerror::INVALID_VALUE)
            };
        }
        // SAFETY: the C declaration asks for an array as long as that argument.
        Ok((0..len)
            .map(|index| unsafe { self.0.add(index).read_unaligned() })
            .collect())
    }

    /// Where an element lies in the caller's memory.
    pub fn place(&self, index: usize) -> HostPtr {
        HostPtr(self.0.wrapping_add(index).cast_mut().cast())
    }

    /// Whether there is no array.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }
}

impl<T> FromAbi<*const T> for InArray<T> {
    unsafe fn from_abi(argument: *const T) -> Result<Self, CUerror> {
        Ok(Self(argument))
    }
}

impl<T> FromAbi<*mut T> for InArray<T> {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, CUerror> {
        Ok(Self(argument))
    }
}

/// A structure that the caller hands in, copied out of its memory.
pub struct In<T>(pub T);

impl<T: Copy> FromAbi<*const T> for In<T> {
    unsafe fn from_abi(argument: *const T) -> Result<Self, CUerror> {
        if argument.is_null() {
            return Err(CUerror::INVALID_VALUE);
        }
        // SAFETY: the declaration asks for a readable structure of this type.
        Ok(Self(unsafe { argument.read_unaligned() }))
    }
}

impl FromAbi<*const c_char> for &CStr {
    unsafe fn from_abi(argument: *const c_char) -> Result<Self, CUerror> {
        if argument.is_null() {
            return Err(CUerror::INVALID_VALUE);
        }
        // SAFETY: the declaration asks for a NUL-terminated string, which lives
        // as long as the call; the borrow does not leave it.
        Ok(unsafe { CStr::from_ptr(argument) })
    }
}

/// Memory of the caller; only `core::host_memory` looks inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostPtr(pub *mut c_void);

// SAFETY: the pointer is a number here; whoever follows it answers for that.
unsafe impl Send for HostPtr {}
// SAFETY: as above.
unsafe impl Sync for HostPtr {}

impl HostPtr {
    /// Whether the caller handed null.
    pub fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The address as a number.
    pub fn address(self) -> u64 {
        self.0 as u64
    }
}

impl<T> FromAbi<*mut T> for HostPtr {
    unsafe fn from_abi(argument: *mut T) -> Result<Self, CUerror> {
        Ok(Self(argument.cast()))
    }
}

impl<T> FromAbi<*const T> for HostPtr {
    unsafe fn from_abi(argument: *const T) -> Result<Self, CUerror> {
        Ok(Self(argument.cast_mut().cast()))
    }
}

impl FromAbi<CUdevice> for &'static Device {
    unsafe fn from_abi(argument: CUdevice) -> Result<Self, CUerror> {
        process::devices()?.get(argument)
    }
}

macro_rules! handle {
    ($handle:ident => $object:ident in $registry:ident, else $error:ident) => {
        impl FromAbi<$handle> for Arc<$object> {
            unsafe fn from_abi(argument: $handle) -> Result<Self, CUerror> {
                $registry.get(argument.0).ok_or(CUerror::$error)
            }
        }
    };
}

handle!(CUcontext => Context in CONTEXTS, else INVALID_CONTEXT);
handle!(CUevent => Event in EVENTS, else INVALID_HANDLE);
handle!(CUmodule => Module in MODULES, else INVALID_HANDLE);
handle!(CUlibrary => Library in LIBRARIES, else INVALID_HANDLE);
handle!(CUkernel => Kernel in KERNELS, else INVALID_HANDLE);

/// `cuCtxSetCurrent` and others accept null for "no context".
impl FromAbi<CUcontext> for Option<Arc<Context>> {
    unsafe fn from_abi(argument: CUcontext) -> Result<Self, CUerror> {
        if argument.is_null() {
            return Ok(None);
        }
        CONTEXTS
            .get(argument.0)
            .map(Some)
            .ok_or(CUerror::INVALID_CONTEXT)
    }
}

/// A function, or a kernel of a library, which stands for its function in the
/// current context (driver API manual, "Execution Control").
impl FromAbi<CUfunction> for Arc<Function> {
    unsafe fn from_abi(argument: CUfunction) -> Result<Self, CUerror> {
        if let Some(function) = FUNCTIONS.get(argument.0) {
            return Ok(function);
        }
        KERNELS
            .get(argument.0)
            .ok_or(CUerror::INVALID_HANDLE)?
            .function()
    }
}

/// A stream, or one of the current context's default streams.
impl FromAbi<CUstream> for Arc<Stream> {
    unsafe fn from_abi(argument: CUstream) -> Result<Self, CUerror> {
        Stream::from_handle(argument)
    }
}
