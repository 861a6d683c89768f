//! Driver API manual, "Module Management".

use std::ffi::CStr;
use std::sync::Arc;

use abi::cuda::*;
use abi::{CUerror, CUresult, Out};

use crate::core::context;
use crate::core::image::{Image, Preserved};
use crate::core::jit_options::JitOptions;
use crate::core::module::{self, Module};
use crate::handles::{HostPtr, InArray, OutArray};

pub fn cuModuleLoad(module: Out<CUmodule>, file: &CStr) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_FILE_NOT_FOUND if there is no such file.
    let image = super::library::read(file).map_err(|failure| module::report(&failure))?;
    module.write(Module::create(&resources, Arc::new(image)).handle());
    Ok(())
}

pub fn cuModuleLoadData(module: Out<CUmodule>, image: HostPtr) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if image is null.
    module.write(module::load(image)?.handle());
    Ok(())
}

pub fn cuModuleLoadDataEx(
    module: Out<CUmodule>,
    image: HostPtr,
    count: u32,
    options: InArray<CUjit_option>,
    values: InArray<*mut std::ffi::c_void>,
) -> CUresult {
    let resources = context::current_resources()?;
    // CUDA_ERROR_INVALID_VALUE if there are options without arrays.
    let options = JitOptions::read(count, &options, &values)?;
    let image = Image::load(image, Preserved::No).map_err(|failure| {
        options.describe(&failure);
        module::report(&failure)
    })?;
    let loaded = Module::create(&resources, Arc::new(image));
    options.describe_kernels(|| Some(loaded.clone()));
    module.write(loaded.handle());
    Ok(())
}

pub fn cuModuleLoadFatBinary(module: Out<CUmodule>, fatbin: HostPtr) -> CUresult {
    cuModuleLoadData(module, fatbin)
}

pub fn cuModuleUnload(module: Arc<Module>) -> CUresult {
    module.unload()
}

pub fn cuModuleGetLoadingMode(mode: Out<CUmoduleLoadingMode>) -> CUresult {
    mode.write(CUmoduleLoadingMode::LAZY_LOADING);
    Ok(())
}

pub fn cuModuleGetFunction(
    function: Out<CUfunction>,
    module: Arc<Module>,
    name: &CStr,
) -> CUresult {
    // CUDA_ERROR_NOT_FOUND if the module has no such kernel.
    let name = symbol(name)?;
    let found = module.function(name)?;
    found.compile_ahead();
    function.write(found.handle());
    Ok(())
}

/// A name as PTX has them: text, so that another is no symbol's.
pub fn symbol(name: &CStr) -> Result<&str, CUerror> {
    // CUDA_ERROR_INVALID_VALUE if the name is empty.
    if name.is_empty() {
        return Err(CUerror::INVALID_VALUE);
    }
    name.to_str().map_err(|_| CUerror::NOT_FOUND)
}

pub fn cuModuleGetFunctionCount(count: Out<u32>, module: Arc<Module>) -> CUresult {
    let kernels = module.image().source()?.index.entries().count();
    count.write(u32::try_from(kernels).unwrap_or(u32::MAX));
    Ok(())
}

pub fn cuModuleEnumerateFunctions(
    functions: OutArray<CUfunction>,
    count: u32,
    module: Arc<Module>,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there is no array for the functions asked for.
    let functions = functions.with_len(count as usize)?;
    let found = module.functions()?;
    functions.write(
        &found
            .iter()
            .map(|function| function.handle())
            .collect::<Vec<_>>(),
    );
    Ok(())
}

pub fn cuModuleGetGlobal_v2(
    address: Option<Out<CUdeviceptr>>,
    bytes: Option<Out<usize>>,
    module: Arc<Module>,
    name: &CStr,
) -> CUresult {
    write_global(&module, address, bytes, name)
}

/// Address and size of a variable, each where the caller wants it.
pub fn write_global(
    module: &Module,
    address: Option<Out<CUdeviceptr>>,
    bytes: Option<Out<usize>>,
    name: &CStr,
) -> CUresult {
    // CUDA_ERROR_NOT_FOUND if the module has no such variable.
    let name = symbol(name)?;
    let (start, size) = module.global(name)?;
    if let Some(address) = address {
        address.write(start);
    }
    if let Some(bytes) = bytes {
        bytes.write(usize::try_from(size).unwrap_or(usize::MAX));
    }
    Ok(())
}
