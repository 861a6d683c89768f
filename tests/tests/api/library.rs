//! Libraries: modules that are loaded once for every context.

use std::ffi::CString;
use std::fs;
use std::ptr::{null, null_mut};

use abi::CUerror;
use abi::cuda::{
    CUdeviceptr, CUfunction, CUfunction_attribute as Attribute, CUkernel, CUlibrary, CUmodule,
};
use tests::context::{Context, initialized};
use tests::driver::{Driver, text_at};
use tests::image::{self, Entry, Packing, fatbin, terminated};
use tests::memory::{assert_bytes, read};

fn load(driver: &Driver, image: &[u8]) -> Result<CUlibrary, CUerror> {
    let mut library = CUlibrary::NULL;
    let code = image.as_ptr().cast();
    let none = null_mut();
    driver
        .cuLibraryLoadData(
            &raw mut library,
            code,
            null_mut(),
            null_mut(),
            0,
            null_mut(),
            none,
            0,
        )
        .map(|()| library)
}

fn stock(driver: &Driver) -> CUlibrary {
    load(driver, &terminated(image::PTX)).unwrap()
}

fn kernel(driver: &Driver, library: CUlibrary, name: &str) -> Result<CUkernel, CUerror> {
    let (mut kernel, name) = (CUkernel::NULL, CString::new(name).unwrap());
    driver
        .cuLibraryGetKernel(&raw mut kernel, library, name.as_ptr())
        .map(|()| kernel)
}

fn global(
    driver: &Driver,
    library: CUlibrary,
    name: &str,
) -> Result<(CUdeviceptr, usize), CUerror> {
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = CString::new(name).unwrap();
    driver
        .cuLibraryGetGlobal(&raw mut address, &raw mut size, library, name.as_ptr())
        .map(|()| (address, size))
}

fn function(driver: &Driver, kernel: CUkernel) -> Result<CUfunction, CUerror> {
    let mut function = CUfunction::NULL;
    driver
        .cuKernelGetFunction(&raw mut function, kernel)
        .map(|()| function)
}

fn attribute(driver: &Driver, kernel: CUkernel, attribute: Attribute) -> Result<i32, CUerror> {
    let mut value = i32::MIN;
    driver
        .cuKernelGetAttribute(&raw mut value, attribute, kernel, 0)
        .map(|()| value)
}

#[test]
fn a_library_needs_no_context() {
    let driver = initialized();
    let library = stock(driver);
    let kernel = kernel(driver, library, "fill").unwrap();
    assert!(!kernel.is_null());
    assert_eq!(driver.cuLibraryUnload(library), Ok(()));
}

#[test]
fn a_fat_binary_is_a_library_too() {
    let driver = initialized();
    let image = fatbin(&[Entry::elf(35), Entry::ptx(50, Packing::Zstd, image::PTX)]);
    let library = load(driver, &image).unwrap();
    assert!(kernel(driver, library, "reverse").is_ok());
    driver.cuLibraryUnload(library).unwrap();
}

#[test]
fn kernels_are_found_counted_and_enumerated() {
    let driver = initialized();
    let library = stock(driver);
    let mut count = 0;
    driver
        .cuLibraryGetKernelCount(&raw mut count, library)
        .unwrap();
    assert_eq!(count, 4);
    let mut kernels = [CUkernel::NULL; 4];
    driver
        .cuLibraryEnumerateKernels(kernels.as_mut_ptr(), 4, library)
        .unwrap();
    let mut names: Vec<_> = kernels
        .iter()
        .map(|&kernel| {
            let mut name = null();
            driver.cuKernelGetName(&raw mut name, kernel).unwrap();
            text_at(name)
        })
        .collect();
    for (name, &enumerated) in names.iter().zip(&kernels) {
        assert_eq!(kernel(driver, library, name), Ok(enumerated), "{name}");
    }
    names.sort_unstable();
    assert_eq!(names, ["aligned", "exact", "fill", "reverse"]);
}

#[test]
fn what_is_not_there_is_not_found() {
    let context = Context::primary();
    let library = stock(&context);
    for name in ["absent", "twice", "odd"] {
        assert_eq!(
            kernel(&context, library, name).map(|_| ()),
            Err(CUerror::NOT_FOUND),
            "{name:?}"
        );
    }
    // Unlike in a module, where an empty name is INVALID_VALUE.
    assert_eq!(
        kernel(&context, library, "").map(|_| ()),
        Err(CUerror::NOT_FOUND)
    );
    assert!(global(&context, library, "").is_err());
    assert_eq!(
        global(&context, library, "absent").map(|_| ()),
        Err(CUerror::NOT_FOUND)
    );
    assert!(global(&context, library, "fill").is_err());
}

#[test]
fn arguments_are_checked() {
    let context = Context::primary();
    let (library, mut kernel) = (stock(&context), CUkernel::NULL);
    let invalid = Err(CUerror::INVALID_VALUE);
    let name = c"fill".as_ptr();
    assert_eq!(
        context.cuLibraryGetKernel(null_mut(), library, name),
        invalid
    );
    assert_eq!(
        context.cuLibraryGetKernel(&raw mut kernel, library, null()),
        invalid
    );
    assert!(
        context
            .cuLibraryGetKernel(&raw mut kernel, CUlibrary::NULL, name)
            .is_err()
    );
    assert!(context.cuLibraryUnload(CUlibrary::NULL).is_err());
    let code = terminated(image::PTX);
    let without_place = context.cuLibraryLoadData(
        null_mut(),
        code.as_ptr().cast(),
        null_mut(),
        null_mut(),
        0,
        null_mut(),
        null_mut(),
        0,
    );
    assert_eq!(without_place, invalid);
    context.assert_works();
}

#[test]
fn a_kernel_becomes_a_function_of_the_current_context() {
    let context = Context::primary();
    let library = stock(&context);
    let fill = kernel(&context, library, "fill").unwrap();
    let first = function(&context, fill).unwrap();
    assert_eq!(
        function(&context, fill),
        Ok(first),
        "the same one in the same context"
    );
    let mut name = null();
    context.cuFuncGetName(&raw mut name, first).unwrap();
    assert_eq!(text_at(name), "fill");
    let other = Context::create(0);
    assert_ne!(function(&other, fill), Ok(first), "another one in another");
}

#[test]
fn without_a_context_there_is_no_function_and_no_variable() {
    let driver = initialized();
    let library = stock(driver);
    let fill = kernel(driver, library, "fill").unwrap();
    assert_eq!(
        function(driver, fill).map(|_| ()),
        Err(CUerror::INVALID_CONTEXT)
    );
    assert_eq!(
        global(driver, library, "odd").map(|_| ()),
        Err(CUerror::INVALID_CONTEXT)
    );
    let (mut offset, mut size) = (0, 0);
    assert_eq!(
        driver.cuKernelGetParamInfo(fill, 1, &raw mut offset, &raw mut size),
        Err(CUerror::INVALID_CONTEXT),
        "nor do parameters have a layout"
    );
}

#[test]
fn each_context_has_variables_of_its_own() {
    let first = Context::create(0);
    let library = stock(&first);
    let (address, size) = global(&first, library, "odd").unwrap();
    assert_bytes(
        &read(&first, address, size),
        &[7, 8, 9],
        format_args!("contents"),
    );
    first.cuMemsetD8_v2(address, 0, size).unwrap();
    let second = Context::create(0);
    let (other, size) = global(&second, library, "odd").unwrap();
    assert_ne!(other, address);
    assert_bytes(
        &read(&second, other, size),
        &[7, 8, 9],
        format_args!("contents"),
    );
    drop(second);
    assert_bytes(
        &read(&first, address, size),
        &[0, 0, 0],
        format_args!("contents"),
    );
}

#[test]
fn a_library_is_a_module_in_the_current_context() {
    let context = Context::primary();
    let (library, mut module) = (stock(&context), CUmodule::NULL);
    context
        .cuLibraryGetModule(&raw mut module, library)
        .unwrap();
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = c"odd".as_ptr();
    context
        .cuModuleGetGlobal_v2(&raw mut address, &raw mut size, module, name)
        .unwrap();
    assert_eq!(global(&context, library, "odd"), Ok((address, size)));
    let fill = kernel(&context, library, "fill").unwrap();
    let mut of_module = CUfunction::NULL;
    context
        .cuModuleGetFunction(&raw mut of_module, module, c"fill".as_ptr())
        .unwrap();
    assert_eq!(function(&context, fill), Ok(of_module));
}

#[test]
fn a_kernel_knows_its_library_and_parameters() {
    let context = Context::primary();
    let library = stock(&context);
    let fill = kernel(&context, library, "fill").unwrap();
    let mut of = CUlibrary::NULL;
    context.cuKernelGetLibrary(&raw mut of, fill).unwrap();
    assert_eq!(of, library);
    let (mut offset, mut size) = (0, 0);
    context
        .cuKernelGetParamInfo(fill, 1, &raw mut offset, &raw mut size)
        .unwrap();
    assert_eq!((offset, size), (8, 4));
    let beyond = context.cuKernelGetParamInfo(fill, 2, &raw mut offset, &raw mut size);
    assert_eq!(beyond, Err(CUerror::INVALID_VALUE));
}

#[test]
fn attributes_are_read_and_set_for_a_device() {
    let context = Context::primary();
    let library = stock(&context);
    let reverse = kernel(&context, library, "reverse").unwrap();
    assert_eq!(
        attribute(&context, reverse, Attribute::MAX_THREADS_PER_BLOCK),
        Ok(128)
    );
    assert_eq!(
        attribute(&context, reverse, Attribute::SHARED_SIZE_BYTES),
        Ok(1536)
    );
    let dynamic = Attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES;
    assert_eq!(
        context.cuKernelSetAttribute(dynamic, 4096, reverse, 0),
        Ok(())
    );
    assert_eq!(attribute(&context, reverse, dynamic), Ok(4096));
    let refused = context.cuKernelSetAttribute(Attribute::NUM_REGS, 32, reverse, 0);
    assert_eq!(refused, Err(CUerror::INVALID_VALUE));
    assert!(
        context
            .cuKernelSetAttribute(dynamic, 4096, reverse, 1000)
            .is_err()
    );
}

#[test]
fn a_library_is_loaded_from_a_file() {
    let driver = initialized();
    let path = std::env::temp_dir().join(format!("pumice-library-{}.ptx", std::process::id()));
    fs::write(&path, image::PTX).unwrap();
    let (name, mut library) = (
        CString::new(path.to_str().unwrap()).unwrap(),
        CUlibrary::NULL,
    );
    let from_file = |library: *mut CUlibrary| {
        driver.cuLibraryLoadFromFile(
            library,
            name.as_ptr(),
            null_mut(),
            null_mut(),
            0,
            null_mut(),
            null_mut(),
            0,
        )
    };
    let loaded = from_file(&raw mut library);
    fs::remove_file(&path).unwrap();
    assert_eq!(loaded, Ok(()));
    assert!(kernel(driver, library, "fill").is_ok());
    assert_eq!(from_file(&raw mut library), Err(CUerror::FILE_NOT_FOUND));
}

#[test]
fn an_image_without_code_for_the_device_has_no_kernel() {
    let context = Context::primary();
    let image = fatbin(&[Entry::elf(35)]);
    // Libraries are loaded lazily; modules fail at once.
    let library = load(&context, &image).unwrap();
    assert!(kernel(&context, library, "fill").is_err());
    context.cuLibraryUnload(library).unwrap();
    context.assert_works();
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn handles_of_an_unloaded_library_are_refused() {
        require_pumice();
        let context = Context::primary();
        let library = stock(&context);
        let fill = kernel(&context, library, "fill").unwrap();
        let of_context = function(&context, fill).unwrap();
        context.cuLibraryUnload(library).unwrap();
        assert_eq!(
            context.cuLibraryUnload(library),
            Err(CUerror::INVALID_HANDLE)
        );
        assert!(kernel(&context, library, "fill").is_err());
        assert!(function(&context, fill).is_err());
        assert!(attribute(&context, fill, Attribute::NUM_REGS).is_err());
        let mut value = 0;
        assert!(
            context
                .cuFuncGetAttribute(&raw mut value, Attribute::NUM_REGS, of_context)
                .is_err()
        );
        context.assert_works();
    }

    /// The status comes from our reading of the image.
    #[test]
    fn what_a_library_lacks_code_for_is_no_binary_for_the_device() {
        require_pumice();
        let context = Context::primary();
        let library = load(&context, &fatbin(&[Entry::elf(35)])).unwrap();
        let missing = CUerror::NO_BINARY_FOR_GPU;
        assert_eq!(kernel(&context, library, "fill"), Err(missing));
        assert_eq!(global(&context, library, "odd"), Err(missing));
        context.cuLibraryUnload(library).unwrap();
        context.assert_works();
    }
}
