//! Driver API manual, "Library Management".

use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use abi::cuda::*;
use abi::{CUerror, CUresult, Out};

use crate::api::execution::write_parameter;
use crate::core::context;
use crate::core::device::Device;
use crate::core::image::{Failure, Image, Preserved};
use crate::core::jit_options::JitOptions;
use crate::core::library::{Kernel, Library};
use crate::core::module;
use crate::handles::{HostPtr, InArray, OutArray};

pub fn cuLibraryLoadData(
    library: Out<CUlibrary>,
    code: HostPtr,
    jit_options: InArray<CUjit_option>,
    jit_values: InArray<*mut c_void>,
    jit_count: u32,
    options: InArray<CUlibraryOption>,
    _values: InArray<*mut c_void>,
    count: u32,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there are options without arrays.
    let jit = JitOptions::read(jit_count, &jit_options, &jit_values)?;
    let options = options.with_len(count as usize)?;
    let preserved = options.contains(&CUlibraryOption::BINARY_IS_PRESERVED);
    let preserved = if preserved {
        Preserved::Yes
    } else {
        Preserved::No
    };
    create(library, Image::load_lazily(code, preserved), &jit)
}

pub fn cuLibraryLoadFromFile(
    library: Out<CUlibrary>,
    file: &CStr,
    jit_options: InArray<CUjit_option>,
    jit_values: InArray<*mut c_void>,
    jit_count: u32,
    _options: InArray<CUlibraryOption>,
    _values: InArray<*mut c_void>,
    _count: u32,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there are options without arrays.
    let jit = JitOptions::read(jit_count, &jit_options, &jit_values)?;
    create(library, read(file), &jit)
}

/// The library of an image, with what the options ask to be said of it.
fn create(
    library: Out<CUlibrary>,
    image: Result<Image, Failure>,
    options: &JitOptions,
) -> CUresult {
    let image = image.map_err(|failure| {
        options.describe(&failure);
        module::report(&failure)
    })?;
    let created = Library::create(image);
    // Without a context there is no device to compile for.
    options.describe_kernels(|| created.module().ok());
    library.write(created.handle());
    Ok(())
}

/// The image in a file.
pub fn read(file: &CStr) -> Result<Image, Failure> {
    let path = std::path::Path::new(OsStr::from_bytes(file.to_bytes()));
    let contents = std::fs::read(path).map_err(|error| {
        let message = format!("{}: {error}", path.display());
        // CUDA_ERROR_FILE_NOT_FOUND if the file cannot be read.
        Failure::new(CUerror::FILE_NOT_FOUND, message)
    })?;
    Image::of_file(contents)
}

pub fn cuLibraryUnload(library: Arc<Library>) -> CUresult {
    library.unload();
    Ok(())
}

pub fn cuLibraryGetKernel(kernel: Out<CUkernel>, library: Arc<Library>, name: &CStr) -> CUresult {
    // CUDA_ERROR_NOT_FOUND if the library has no such kernel, the empty name included.
    let name = name.to_str().map_err(|_| CUerror::NOT_FOUND)?;
    kernel.write(library.kernel(name)?.handle());
    Ok(())
}

pub fn cuLibraryGetKernelCount(count: Out<u32>, library: Arc<Library>) -> CUresult {
    count.write(u32::try_from(library.kernels()?.len()).unwrap_or(u32::MAX));
    Ok(())
}

pub fn cuLibraryEnumerateKernels(
    kernels: OutArray<CUkernel>,
    count: u32,
    library: Arc<Library>,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no array for the kernels asked for.
    let kernels = kernels.with_len(count as usize)?;
    let found = library.kernels()?;
    kernels.write(
        &found
            .iter()
            .map(|kernel| kernel.handle())
            .collect::<Vec<_>>(),
    );
    Ok(())
}

pub fn cuLibraryGetModule(module: Out<CUmodule>, library: Arc<Library>) -> CUresult {
    module.write(library.module()?.handle());
    Ok(())
}

pub fn cuKernelGetFunction(function: Out<CUfunction>, kernel: Arc<Kernel>) -> CUresult {
    let found = kernel.function()?;
    found.compile_ahead();
    function.write(found.handle());
    Ok(())
}

pub fn cuKernelGetLibrary(library: Out<CUlibrary>, kernel: Arc<Kernel>) -> CUresult {
    library.write(kernel.library()?.handle());
    Ok(())
}

pub fn cuLibraryGetGlobal(
    address: Option<Out<CUdeviceptr>>,
    bytes: Option<Out<usize>>,
    library: Arc<Library>,
    name: &CStr,
) -> CUresult {
    // CUDA_ERROR_NOT_FOUND if the library has no such variable.
    super::module::write_global(&*library.module()?, address, bytes, name)
}

pub fn cuKernelGetAttribute(
    value: Out<i32>,
    attribute: CUfunction_attribute,
    kernel: Arc<Kernel>,
    _device: &'static Device,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no such attribute.
    value.write(kernel.function()?.attribute(attribute)?);
    Ok(())
}

pub fn cuKernelSetAttribute(
    attribute: CUfunction_attribute,
    value: i32,
    kernel: Arc<Kernel>,
    _device: &'static Device,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if the attribute cannot be set to this.
    kernel.function()?.set_attribute(attribute, value)
}

pub fn cuKernelSetCacheConfig(
    kernel: Arc<Kernel>,
    config: CUfunc_cache,
    _device: &'static Device,
) -> CUresult {
    super::execution::cuFuncSetCacheConfig(kernel.function()?, config)
}

pub fn cuKernelGetName(name: Out<*const c_char>, kernel: Arc<Kernel>) -> CUresult {
    name.write(kernel.name().as_ptr());
    Ok(())
}

pub fn cuKernelGetParamInfo(
    kernel: Arc<Kernel>,
    index: usize,
    offset: Out<usize>,
    size: Option<Out<usize>>,
) -> CUresult {
    // CUDA_ERROR_INVALID_CONTEXT: NVIDIA's driver asks the context's function.
    context::current()?;
    write_parameter(kernel.entry(), index, offset, size)
}
