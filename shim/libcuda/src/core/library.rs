//! Libraries: an image for every context, and its kernels.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use abi::CUerror;
use abi::cuda::{CUkernel, CUlibrary};
use compiler::front::Function as Entry;

use crate::core::context::{self, Owned};
use crate::core::function::Function;
use crate::core::image::Image;
use crate::core::module::Module;
use crate::handles::{KERNELS, LIBRARIES};

/// A library.
pub struct Library {
    handle: usize,
    image: Arc<Image>,
    modules: Mutex<HashMap<u64, Arc<Module>>>,
    kernels: Mutex<HashMap<String, Arc<Kernel>>>,
}

/// A kernel of a library, which is a function in each context.
pub struct Kernel {
    handle: usize,
    library: Weak<Library>,
    name: CString,
    entry: Entry,
}

impl Library {
    pub fn create(image: Image) -> Arc<Self> {
        LIBRARIES.insert_with(|handle| Self {
            handle,
            image: Arc::new(image),
            modules: Mutex::default(),
            kernels: Mutex::default(),
        })
    }

    pub fn handle(&self) -> CUlibrary {
        CUlibrary(self.handle)
    }

    /// The library's module in the current context.
    ///
    /// # Errors
    /// `INVALID_CONTEXT` if no context is current.
    pub fn module(&self) -> Result<Arc<Module>, CUerror> {
        let context = context::current()?;
        let resources = context.resources()?;
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        // A context that was reset has lost its modules.
        modules.retain(|_, module| module.resources().is_ok());
        let module = modules
            .entry(context.id())
            .or_insert_with(|| Module::create(&resources, self.image.clone()));
        Ok(module.clone())
    }

    /// The kernel of a name.
    ///
    /// # Errors
    /// `NOT_FOUND` if the library has no such kernel.
    pub fn kernel(self: &Arc<Self>, name: &str) -> Result<Arc<Kernel>, CUerror> {
        let entry = self.image.source()?.index.function(name);
        let entry = entry
            .filter(|function| function.is_entry)
            .ok_or(CUerror::NOT_FOUND)?;
        let mut kernels = self.lock_kernels();
        let kernel = kernels.entry(name.to_owned()).or_insert_with(|| {
            let (library, entry) = (Arc::downgrade(self), entry.clone());
            // A PTX identifier holds no NUL.
            let name = CString::new(name).unwrap_or_default();
            KERNELS.insert_with(|handle| Kernel {
                handle,
                library,
                name,
                entry,
            })
        });
        Ok(kernel.clone())
    }

    /// Every kernel in the order of the text.
    ///
    /// # Errors
    /// The status of an image that cannot be used.
    pub fn kernels(self: &Arc<Self>) -> Result<Vec<Arc<Kernel>>, CUerror> {
        let entries = self.image.source()?.index.entries();
        entries.map(|entry| self.kernel(&entry.name)).collect()
    }

    /// `cuLibraryUnload`.
    pub fn unload(&self) {
        LIBRARIES.remove(self.handle);
        for (_, kernel) in self.lock_kernels().drain() {
            KERNELS.remove(kernel.handle);
        }
        let modules =
            std::mem::take(&mut *self.modules.lock().unwrap_or_else(PoisonError::into_inner));
        for module in modules.into_values() {
            // A context that is gone took its module along.
            let _ = module.unload();
        }
    }

    fn lock_kernels(&self) -> MutexGuard<'_, HashMap<String, Arc<Kernel>>> {
        self.kernels.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel {
    pub fn handle(&self) -> CUkernel {
        CUkernel(self.handle)
    }

    /// The library that the kernel is of.
    ///
    /// # Errors
    /// `INVALID_HANDLE` once the library is unloaded.
    pub fn library(&self) -> Result<Arc<Library>, CUerror> {
        self.library.upgrade().ok_or(CUerror::INVALID_HANDLE)
    }

    /// The kernel as a function of the current context.
    ///
    /// # Errors
    /// `INVALID_CONTEXT` if no context is current.
    pub fn function(&self) -> Result<Arc<Function>, CUerror> {
        self.library()?.module()?.function(&self.entry.name)
    }

    /// The name, which lives as long as the kernel.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// The kernel's directives.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }
}
