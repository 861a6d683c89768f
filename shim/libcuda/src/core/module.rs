//! Modules: an image in one context, with its variables in device memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use abi::cuda::{CUdeviceptr, CUfunction, CUmodule};
use abi::{CUerror, trace};
use compiler::front::ast::{Initializer, Symbol, Variable};
use compiler::front::words::{Linkage, StateSpace};

use crate::core::compilation::Thread;
use crate::core::context::{self, Owned, Resources};
use crate::core::copy::{self, Extent, Mode, Place, Side};
use crate::core::function::Function;
use crate::core::image::{Failure, Image, Preserved};
use crate::core::memory::{self, Block, Located};
use crate::handles::{FUNCTIONS, HostPtr, MODULES};

/// A module.
pub struct Module {
    handle: usize,
    image: Arc<Image>,
    resources: Weak<Resources>,
    functions: Mutex<HashMap<String, Arc<Function>>>,
    globals: Mutex<Option<Globals>>,
}

/// The variables of a module by their place in its index.
type Globals = HashMap<usize, Arc<Block>>;

/// Loads the image at an address of the program into the current context.
///
/// # Errors
/// As [`Image::load`]; the log says more.
pub fn load(image: HostPtr) -> Result<Arc<Module>, CUerror> {
    let resources = context::current_resources()?;
    let image = Image::load(image, Preserved::No).map_err(|failure| report(&failure))?;
    Ok(Module::create(&resources, Arc::new(image)))
}

/// Logs why an image cannot be used.
pub fn report(failure: &Failure) -> CUerror {
    trace::log(format_args!("{failure}: returning {}", failure.status));
    failure.status
}

impl Owned for Module {
    fn owner(&self) -> &Weak<Resources> {
        &self.resources
    }
}

impl Module {
    /// An image's module in a context.
    pub fn create(resources: &Arc<Resources>, image: Arc<Image>) -> Arc<Self> {
        let module = MODULES.insert_with(|handle| Self {
            handle,
            image,
            resources: Arc::downgrade(resources),
            functions: Mutex::default(),
            globals: Mutex::default(),
        });
        resources.adopt_module(module.clone());
        module
    }

    pub fn handle(&self) -> CUmodule {
        CUmodule(self.handle)
    }

    pub fn image(&self) -> &Arc<Image> {
        &self.image
    }

    /// The kernel of a name.
    ///
    /// # Errors
    /// `NOT_FOUND` if the module has no such kernel.
    pub fn function(self: &Arc<Self>, name: &str) -> Result<Arc<Function>, CUerror> {
        let index = &self.image.source()?.index;
        let mut functions = self.lock_functions();
        if let Some(function) = functions.get(name) {
            return Ok(function.clone());
        }
        let entry = index.function(name).filter(|function| function.is_entry);
        let entry = entry.ok_or(CUerror::NOT_FOUND)?.clone();
        let function = Function::create(self, entry);
        functions.insert(name.to_owned(), function.clone());
        Ok(function)
    }

    /// Every kernel in the order of the text.
    ///
    /// # Errors
    /// As [`Self::function`].
    pub fn functions(self: &Arc<Self>) -> Result<Vec<Arc<Function>>, CUerror> {
        let entries = self.image.source()?.index.entries();
        entries.map(|entry| self.function(&entry.name)).collect()
    }

    /// Compiles every kernel now, and says which cannot be; `None` if the text was not
    /// looked at when it was loaded, and so is left for later.
    pub fn compile(self: &Arc<Self>) -> Option<Vec<Failure>> {
        if !self.image.is_checked() {
            return None;
        }
        if let Err(failure) = self.image.readable() {
            return Some(vec![failure.clone()]);
        }
        let functions = self.functions().unwrap_or_default();
        let translated = functions
            .iter()
            .map(|function| function.translated(Thread::Loading));
        Some(translated.filter_map(Result::err).collect())
    }

    /// Address and size in bytes of a variable in global or constant memory.
    ///
    /// # Errors
    /// `NOT_FOUND` if the module has no such symbol, `INVALID_VALUE` if it is a
    /// function's; `OUT_OF_MEMORY`.
    pub fn global(&self, name: &str) -> Result<(CUdeviceptr, u64), CUerror> {
        let index = &self.image.source()?.index;
        let place = match index.symbol(name) {
            Some(Symbol::Module(place)) => place,
            Some(_) => return Err(CUerror::INVALID_VALUE),
            None => return Err(CUerror::NOT_FOUND),
        };
        let mut globals = self.globals.lock().unwrap_or_else(PoisonError::into_inner);
        if globals.is_none() {
            *globals = Some(self.allocate_globals()?);
        }
        let block = globals.as_ref().and_then(|globals| globals.get(&place));
        block
            .map(|block| (block.device_address(), block.size))
            .ok_or(CUerror::NOT_FOUND)
    }

    fn allocate_globals(&self) -> Result<Globals, CUerror> {
        let resources = self.resources()?;
        let source = self.image.source()?;
        let variables = source
            .index
            .variables
            .iter()
            .enumerate()
            .filter(|(_, v)| has_memory(v));
        let globals = variables
            .map(|(place, variable)| Ok((place, memory::allocate(&resources, variable.size())?)))
            .collect::<Result<Globals, CUerror>>()?;
        for (place, block) in &globals {
            let variable = &source.index.variables[*place];
            let resolve = |name: &str| source.index.symbol(name);
            let initializer = compiler::front::initializer(&source.text, variable, resolve);
            let initializer = initializer.map_err(|error| report(&error.into()))?;
            initialize(
                &resources,
                block,
                &contents(block.size, &initializer, &globals)?,
            )?;
        }
        Ok(globals)
    }

    /// Forgets the module's kernels, and frees its variables.
    pub fn release(&self, forget: impl Fn(CUfunction)) {
        for (_, function) in self.lock_functions().drain() {
            forget(function.handle());
        }
        let globals = self
            .globals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let context = self.resources.upgrade().map(|resources| resources.context);
        let context = context.and_then(|handle| crate::handles::CONTEXTS.get(handle.0));
        for block in globals.into_iter().flatten().map(|(_, block)| block) {
            if let Some(context) = &context
                && let Err(error) = memory::free(context, block.device_address())
            {
                trace::note(format_args!("a variable of an unloaded module: {error}"));
            }
        }
    }

    /// `cuModuleUnload`.
    ///
    /// # Errors
    /// `CONTEXT_IS_DESTROYED` once the context is gone.
    pub fn unload(self: &Arc<Self>) -> Result<(), CUerror> {
        MODULES.remove(self.handle);
        let resources = self.resources()?;
        // Its formats are needed for what its kernels still print; a failure is
        // told by whoever waits for it.
        let _ = resources.synchronize();
        resources.disown_module(self);
        self.release(|function| {
            FUNCTIONS.remove(function.0);
        });
        Ok(())
    }

    fn lock_functions(&self) -> MutexGuard<'_, HashMap<String, Arc<Function>>> {
        self.functions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_memory(variable: &Variable) -> bool {
    let space = matches!(variable.space, StateSpace::Global | StateSpace::Const);
    space && variable.linkage != Linkage::Extern && variable.size() > 0
}

/// The bytes of a variable, with the addresses of other variables put in.
fn contents(size: u64, initializer: &Initializer, globals: &Globals) -> Result<Vec<u8>, CUerror> {
    let mut bytes = initializer.bytes.clone();
    bytes.resize(
        usize::try_from(size).map_err(|_| CUerror::OUT_OF_MEMORY)?,
        0,
    );
    for relocation in &initializer.relocations {
        let Symbol::Module(place) = relocation.symbol else {
            let message = "a variable is initialized with a function's address, \
                           which kernels here cannot call";
            return Err(report(&Failure::new(CUerror::NOT_SUPPORTED, message)));
        };
        let target = globals.get(&place).ok_or(CUerror::INVALID_PTX)?;
        let address = target.device_address().0 as u64;
        let address = address.wrapping_add_signed(relocation.addend).to_le_bytes();
        let start = usize::try_from(relocation.offset).map_err(|_| CUerror::INVALID_PTX)?;
        let len = (relocation.size as usize).min(address.len());
        let place = bytes
            .get_mut(start..start + len)
            .ok_or(CUerror::INVALID_PTX)?;
        place.copy_from_slice(&address[..len]);
    }
    Ok(bytes)
}

fn initialize(resources: &Resources, block: &Arc<Block>, bytes: &[u8]) -> Result<(), CUerror> {
    let stream = resources.legacy()?;
    let destination = Place::Device(Located {
        block: block.clone(),
        offset: 0,
    });
    let source = Place::Host(HostPtr(bytes.as_ptr().cast_mut().cast()));
    let extent = Extent::line(bytes.len() as u64);
    let (destination, source) = (Side::line(destination), Side::line(source));
    copy::copy(&stream, destination, source, extent, Mode::Synchronous)?;
    stream.synchronize()
}
