//! Functions: kernels in one context, and what is known of them without compiling.

use std::ffi::CString;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use abi::cuda::{CUfunction, CUfunction_attribute as Attribute};
use abi::{CUerror, trace};
use compiler::front::words::StateSpace;
use compiler::front::{Function as Entry, align_up};
use compiler::{CompiledKernel, ModuleSource, Target};

use crate::core::compilation::{Ahead, Thread};
use crate::core::compiled::Compiled;
use crate::core::context::Owned;
use crate::core::device::Device;
use crate::core::image::Failure;
use crate::core::module::{Module, report};
use crate::core::{debug, kernel_cache};
use crate::handles::FUNCTIONS;

/// A kernel that is not compiled yet has no register count; this is the one that
/// occupancy is planned with where the kernel declares no limit.
const NOMINAL_REGISTERS: u32 = 32;

/// `max_dynamic_shared` before the program sets it.
const UNSET: i32 = -1;

/// A kernel of a module.
pub struct Function {
    handle: usize,
    module: Weak<Module>,
    name: CString,
    entry: Entry,
    max_dynamic_shared: AtomicI32,
    carveout: AtomicI32,
    /// The SPIR-V, which may be made ahead of the first launch.
    translated: OnceLock<Result<Arc<CompiledKernel>, Failure>>,
    compiled: OnceLock<Result<Arc<Compiled>, CUerror>>,
    ahead: Ahead,
}

impl Function {
    pub fn create(module: &Arc<Module>, entry: Entry) -> Arc<Self> {
        FUNCTIONS.insert_with(|handle| Self {
            handle,
            module: Arc::downgrade(module),
            // A PTX identifier holds no NUL.
            name: CString::new(entry.name.as_str()).unwrap_or_default(),
            entry,
            max_dynamic_shared: AtomicI32::new(UNSET),
            carveout: AtomicI32::new(-1),
            translated: OnceLock::new(),
            compiled: OnceLock::new(),
            ahead: Ahead::default(),
        })
    }

    pub fn handle(&self) -> CUfunction {
        CUfunction(self.handle)
    }

    /// The name, which lives as long as the function.
    pub fn name(&self) -> &std::ffi::CStr {
        &self.name
    }

    /// The kernel's directives.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The module that the kernel is of.
    ///
    /// # Errors
    /// `INVALID_HANDLE` once the module is unloaded.
    pub fn module(&self) -> Result<Arc<Module>, CUerror> {
        self.module.upgrade().ok_or(CUerror::INVALID_HANDLE)
    }

    /// The compiled kernel; compiles it now unless somebody has. A caller waits for
    /// this kernel alone.
    ///
    /// # Errors
    /// The status of a kernel that does not compile, whose reason the log gives
    /// once; it fails alone.
    pub fn compiled(&self) -> Result<Arc<Compiled>, CUerror> {
        self.compiled
            .get_or_init(|| self.compile().map(Arc::new))
            .clone()
    }

    /// Starts the kernel's compilation on another thread, as its handle was asked
    /// for.
    pub fn compile_ahead(self: &Arc<Self>) {
        if self.translated.get().is_none() {
            self.ahead.ask(self);
        }
    }

    /// The kernel's SPIR-V, from the cache or made now; `thread` says by whom.
    ///
    /// # Errors
    /// As [`Self::compiled`], in words.
    pub fn translated(&self, thread: Thread) -> Result<Arc<CompiledKernel>, Failure> {
        self.translated
            .get_or_init(|| self.translate(thread).map(Arc::new))
            .clone()
    }

    fn compile(&self) -> Result<Compiled, CUerror> {
        self.ahead.used();
        let translated = self.translated(Thread::Launching);
        let kernel = translated.map_err(|failure| failure.status)?;
        let module = self.module()?;
        let resources = module.resources()?;
        let address = |name: &String| Ok(module.global(name)?.0.0 as u64);
        let variables = kernel
            .variables
            .iter()
            .map(address)
            .collect::<Result<Vec<_>, CUerror>>()?;
        Compiled::new(&resources, &self.entry.name, kernel, &variables)
    }

    /// `LAUNCH_OUT_OF_RESOURCES` if a block has more shared memory of its own than
    /// the device.
    fn check_shared_memory(&self, device: &Device, source: &ModuleSource) -> Result<(), Failure> {
        let most = u64::from(device.traits().shared_memory_optin().unsigned_abs());
        let bytes = self.shared_bytes();
        if bytes <= most {
            return Ok(());
        }
        let message = format!(
            "kernel `{}` has {bytes} bytes of shared memory, the device {most}, at: {}",
            self.entry.name,
            source.line(self.entry.body.as_ref().map_or(0, |body| body.start))
        );
        Err(Failure::new(CUerror::LAUNCH_OUT_OF_RESOURCES, message))
    }

    fn translate(&self, thread: Thread) -> Result<CompiledKernel, Failure> {
        // A module that was unloaded meanwhile needs no words.
        let gone = |status| Failure::new(status, format!("kernel `{}`: {status}", self.entry.name));
        let module = self.module().map_err(gone)?;
        let device = module.resources().map_err(gone)?.device;
        let target = device.compiler_target().map_err(gone)?;
        let source = module.image().readable().map_err(Clone::clone)?;
        let translated = self
            .check_shared_memory(device, source)
            .and_then(|()| self.translate_for(&target, &module, source, thread));
        translated.inspect_err(|failure| _ = report(failure))
    }

    fn translate_for(
        &self,
        target: &Target,
        module: &Module,
        source: &ModuleSource,
        thread: Thread,
    ) -> Result<CompiledKernel, Failure> {
        let start = Instant::now();
        let entry = kernel_cache::Entry::of(module.image().digest()?, &self.entry.name, target);
        let cached = entry.as_ref().and_then(kernel_cache::Entry::load);
        let known = cached.is_some();
        let kernel = match cached {
            Some(kernel) => kernel,
            None => compiler::compile(source, &self.entry.name, target)?,
        };
        if let Some(entry) = entry.filter(|_| !known) {
            entry.store(&kernel);
        }
        self.say_how_long(&kernel, known, thread, start);
        self.dump(source, &kernel);
        Ok(kernel)
    }

    fn say_how_long(&self, kernel: &CompiledKernel, known: bool, thread: Thread, start: Instant) {
        let message = format!(
            "kernel {}: {} bytes of SPIR-V {} in {:.1} ms{thread}",
            self.entry.name,
            4 * kernel.spirv.len(),
            if known { "from the cache" } else { "compiled" },
            start.elapsed().as_secs_f64() * 1e3
        );
        if debug::flags().perf {
            trace::log(format_args!("{message}"));
        } else {
            trace::note(format_args!("{message}"));
        }
    }

    /// Prints what `PUMICE_DEBUG` asks for.
    fn dump(&self, source: &ModuleSource, kernel: &CompiledKernel) {
        let (flags, name) = (debug::flags(), &self.entry.name);
        if flags.ptx
            && let Some(body) = self.entry.body.clone()
        {
            debug::dump("PTX", name, &source.text.get(body).unwrap_or_default());
        }
        if flags.ir
            && let Ok(function) = compiler::lower(source, name)
        {
            debug::dump("IR", name, &function);
        }
        if flags.spirv {
            let path =
                std::env::temp_dir().join(format!("pumice-{}-{name:.80}.spv", std::process::id()));
            let bytes = kernel
                .spirv
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect::<Vec<_>>();
            match std::fs::write(&path, bytes) {
                Ok(()) => debug::dump("SPIR-V", name, &path.display()),
                Err(error) => trace::log(format_args!("{}: {error}", path.display())),
            }
        }
    }

    /// Static shared memory of a block, in bytes.
    pub fn shared_bytes(&self) -> u64 {
        let variables = self.entry.body_variables.iter();
        let shared = variables.filter(|variable| variable.space == StateSpace::Shared);
        shared.fold(0, |end, variable| {
            align_up(end, variable.align) + variable.size()
        })
    }

    /// Threads that a block may have by the device and `.maxntid`. `.reqntid`, which
    /// fixes a launch's block, does not count here on NVIDIA's driver either.
    ///
    /// # Errors
    /// As [`Self::module`].
    pub fn max_threads(&self) -> Result<u32, CUerror> {
        let device = self.module()?.resources()?.device;
        let most = device.traits().max_threads_per_block().unsigned_abs();
        Ok(self.entry.limits.max_threads().unwrap_or(most).min(most))
    }

    /// Dynamic shared memory that a launch may ask for, in bytes.
    ///
    /// # Errors
    /// As [`Self::module`].
    pub fn max_dynamic_shared(&self) -> Result<u64, CUerror> {
        let set = self.max_dynamic_shared.load(Ordering::Relaxed);
        if set != UNSET {
            return Ok(u64::from(set.unsigned_abs()));
        }
        let traits = self.module()?.resources()?.device.traits();
        let most = u64::from(traits.shared_memory_per_block().unsigned_abs());
        Ok(most.saturating_sub(self.shared_bytes()))
    }

    /// Registers of a thread, as far as they are known without compiling.
    pub fn registers(&self) -> u32 {
        match self.entry.limits.maxnreg {
            0 => NOMINAL_REGISTERS,
            limit => limit,
        }
    }

    /// `cuFuncGetAttribute`.
    ///
    /// # Errors
    /// `INVALID_VALUE` for an attribute that CUDA does not have.
    pub fn attribute(&self, attribute: Attribute) -> Result<i32, CUerror> {
        let module = self.module()?;
        let target = || {
            module
                .image()
                .source()
                .map(|source| i64::from(source.index.sm))
        };
        let value = match attribute {
            Attribute::MAX_THREADS_PER_BLOCK => i64::from(self.max_threads()?),
            Attribute::SHARED_SIZE_BYTES => self.shared_bytes().cast_signed(),
            Attribute::CONST_SIZE_BYTES => constant_bytes(&module)?.cast_signed(),
            Attribute::LOCAL_SIZE_BYTES => self.entry.local_bytes().cast_signed(),
            Attribute::NUM_REGS => i64::from(self.registers()),
            Attribute::PTX_VERSION | Attribute::BINARY_VERSION => target()?,
            Attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES => self.max_dynamic_shared()?.cast_signed(),
            Attribute::PREFERRED_SHARED_MEMORY_CARVEOUT => {
                i64::from(self.carveout.load(Ordering::Relaxed))
            }
            Attribute::CACHE_MODE_CA => 0,
            other if other <= Attribute::CLUSTER_SCHEDULING_POLICY_PREFERENCE => 0,
            _ => return Err(CUerror::INVALID_VALUE),
        };
        Ok(i32::try_from(value).unwrap_or(i32::MAX))
    }

    /// `cuFuncSetAttribute`.
    ///
    /// # Errors
    /// `INVALID_VALUE` for an attribute that cannot be set or a value out of range.
    pub fn set_attribute(&self, attribute: Attribute, value: i32) -> Result<(), CUerror> {
        match attribute {
            Attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES => self.raise_dynamic_shared(value),
            Attribute::PREFERRED_SHARED_MEMORY_CARVEOUT if (-1..=100).contains(&value) => {
                self.carveout.store(value, Ordering::Relaxed);
                Ok(())
            }
            _ => Err(CUerror::INVALID_VALUE),
        }
    }

    fn raise_dynamic_shared(&self, bytes: i32) -> Result<(), CUerror> {
        let most = i64::from(
            self.module()?
                .resources()?
                .device
                .traits()
                .shared_memory_optin(),
        );
        let wanted = i64::from(bytes) + self.shared_bytes().cast_signed();
        if bytes < 0 || wanted > most {
            return Err(CUerror::INVALID_VALUE);
        }
        self.max_dynamic_shared.store(bytes, Ordering::Relaxed);
        Ok(())
    }
}

/// Offset and size in bytes of a kernel's parameter in the parameter buffer.
pub fn parameter(entry: &Entry, index: usize) -> Option<(u64, u64)> {
    let parameter = entry.parameters.get(index)?;
    Some((parameter.offset, parameter.variable.size()))
}

/// Constant memory that the program declared in the module, in bytes.
fn constant_bytes(module: &Module) -> Result<u64, CUerror> {
    let variables = &module.image().source()?.index.variables;
    let constants = variables
        .iter()
        .filter(|variable| variable.space == StateSpace::Const);
    Ok(constants.fold(0, |end, variable| {
        align_up(end, variable.align) + variable.size()
    }))
}
