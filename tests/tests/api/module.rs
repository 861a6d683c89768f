//! Modules: loading them, and finding their kernels and variables.

use std::ffi::{CString, c_void};
use std::fs;
use std::ptr::{null, null_mut};

use abi::CUerror;
use abi::cuda::{CUdeviceptr, CUfunction, CUjit_option, CUmodule, CUmoduleLoadingMode};
use tests::context::Context;
use tests::driver::{Driver, text_at};
use tests::image::{self, terminated};
use tests::memory::read;

/// The kernels of [`image::PTX`].
const KERNELS: [&str; 4] = ["fill", "reverse", "exact", "aligned"];

const BROKEN_KERNEL: &str =
    ".version 6.0\n.target sm_50\n.address_size 64\n.visible .entry broken( { ret; }";
const BROKEN_VARIABLE: &str =
    ".version 6.0\n.target sm_50\n.address_size 64\n.visible .global .align 4 .u32 x[";
const WITHOUT_VERSION: &str = ".target sm_50\n.address_size 64\n";
const VERSION_IN_WORDS: &str = ".version six\n.target sm_50\n";

fn load(driver: &Driver, image: &[u8]) -> Result<CUmodule, CUerror> {
    let mut module = CUmodule::NULL;
    driver
        .cuModuleLoadData(&raw mut module, image.as_ptr().cast())
        .map(|()| module)
}

fn load_text(driver: &Driver, ptx: &str) -> Result<CUmodule, CUerror> {
    load(driver, &terminated(ptx))
}

fn function(driver: &Driver, module: CUmodule, name: &str) -> Result<CUfunction, CUerror> {
    let (mut function, name) = (CUfunction::NULL, CString::new(name).unwrap());
    driver
        .cuModuleGetFunction(&raw mut function, module, name.as_ptr())
        .map(|()| function)
}

fn global(driver: &Driver, module: CUmodule, name: &str) -> Result<(CUdeviceptr, usize), CUerror> {
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = CString::new(name).unwrap();
    driver
        .cuModuleGetGlobal_v2(&raw mut address, &raw mut size, module, name.as_ptr())
        .map(|()| (address, size))
}

/// The bytes of a variable.
fn contents(driver: &Driver, module: CUmodule, name: &str) -> Vec<u8> {
    let (address, size) = global(driver, module, name).unwrap();
    read(driver, address, size)
}

fn words(values: &[u64], bytes: usize) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes()[..bytes].to_vec())
        .collect()
}

#[test]
fn kernels_are_found_by_name() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let mut found: Vec<_> = KERNELS
        .iter()
        .map(|name| function(&context, module, name).unwrap())
        .collect();
    assert_eq!(
        function(&context, module, KERNELS[0]),
        Ok(found[0]),
        "a kernel has one handle"
    );
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), KERNELS.len());
    context.cuModuleUnload(module).unwrap();
}

#[test]
fn what_is_no_kernel_is_not_found() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    assert_eq!(
        function(&context, module, "").map(|_| ()),
        Err(CUerror::INVALID_VALUE)
    );
    for name in [
        "absent",
        "FILL",
        "fill ",
        "twice",
        "counters",
        "fill_param_0",
    ] {
        assert_eq!(
            function(&context, module, name).map(|_| ()),
            Err(CUerror::NOT_FOUND),
            "{name:?}"
        );
    }
    context.assert_works();
}

#[test]
fn finding_a_kernel_checks_its_arguments() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let (name, mut function) = (c"fill".as_ptr(), CUfunction::NULL);
    assert_eq!(
        context.cuModuleGetFunction(null_mut(), module, name),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuModuleGetFunction(&raw mut function, module, null()),
        Err(CUerror::INVALID_VALUE)
    );
    let without = context.cuModuleGetFunction(&raw mut function, CUmodule::NULL, name);
    assert_eq!(without, Err(CUerror::INVALID_HANDLE));
}

#[test]
fn kernels_are_counted_and_enumerated() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let mut count = 0;
    context
        .cuModuleGetFunctionCount(&raw mut count, module)
        .unwrap();
    assert_eq!(count as usize, KERNELS.len());
    let mut functions = [CUfunction::NULL; 4];
    context
        .cuModuleEnumerateFunctions(functions.as_mut_ptr(), 4, module)
        .unwrap();
    let mut names: Vec<_> = functions
        .iter()
        .map(|&function| function_name(&context, function))
        .collect();
    names.sort_unstable();
    let mut expected = KERNELS;
    expected.sort_unstable();
    assert_eq!(names, expected);
}

fn function_name(driver: &Driver, function: CUfunction) -> String {
    let mut name = null();
    driver.cuFuncGetName(&raw mut name, function).unwrap();
    text_at(name)
}

#[test]
fn fewer_kernels_are_enumerated_on_request() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let mut functions = [CUfunction::NULL; 4];
    context
        .cuModuleEnumerateFunctions(functions.as_mut_ptr(), 2, module)
        .unwrap();
    assert!(functions[..2].iter().all(|function| !function.is_null()));
    assert!(functions[2..].iter().all(|function| function.is_null()));
}

#[test]
fn variables_hold_their_initial_values() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    for (name, expected) in [
        ("counters", words(&[1, 2, 3, u32::MAX.into()], 4)),
        ("pi", std::f64::consts::PI.to_le_bytes().to_vec()),
        ("zeroed", vec![0; 1000]),
        ("odd", vec![7, 8, 9]),
        ("constants", words(&[0x0123_4567_89AB_CDEF, 0, u64::MAX], 8)),
    ] {
        assert_eq!(contents(&context, module, name), expected, "{name}");
    }
}

#[test]
fn a_variable_initialized_with_an_address_holds_the_device_s() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let (counters, _) = global(&context, module, "counters").unwrap();
    assert_eq!(
        contents(&context, module, "pointer"),
        words(&[counters.0 as u64], 8)
    );
}

#[test]
fn variables_are_aligned_as_declared() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    for (name, alignment) in [("counters", 4), ("pi", 8), ("zeroed", 16), ("constants", 8)] {
        let (address, _) = global(&context, module, name).unwrap();
        assert_eq!(address.0 % alignment, 0, "{name} at {address:?}");
    }
}

#[test]
fn variables_may_be_written() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    for name in ["counters", "zeroed", "constants"] {
        let (address, size) = global(&context, module, name).unwrap();
        context.cuMemsetD8_v2(address, 0x3C, size).unwrap();
        assert_eq!(contents(&context, module, name), vec![0x3C; size], "{name}");
    }
    assert_eq!(
        contents(&context, module, "odd"),
        [7, 8, 9],
        "their neighbours stay"
    );
}

#[test]
fn each_load_has_variables_of_its_own() {
    let context = Context::primary();
    let (first, second) = (
        context.module(&terminated(image::PTX)),
        context.module(&terminated(image::PTX)),
    );
    assert_ne!(first, second);
    let (address, size) = global(&context, first, "odd").unwrap();
    context.cuMemsetD8_v2(address, 0, size).unwrap();
    assert_eq!(contents(&context, first, "odd"), [0, 0, 0]);
    assert_eq!(contents(&context, second, "odd"), [7, 8, 9]);
    context.cuModuleUnload(first).unwrap();
    assert_eq!(contents(&context, second, "odd"), [7, 8, 9]);
}

#[test]
fn address_and_size_of_a_variable_are_each_optional() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = c"odd".as_ptr();
    assert_eq!(
        context.cuModuleGetGlobal_v2(&raw mut address, null_mut(), module, name),
        Ok(())
    );
    assert_eq!(
        context.cuModuleGetGlobal_v2(null_mut(), &raw mut size, module, name),
        Ok(())
    );
    assert_eq!(
        (Ok((address, size)), size),
        (global(&context, module, "odd"), 3)
    );
}

#[test]
fn what_is_no_variable_is_not_found() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    assert_eq!(
        global(&context, module, "").map(|_| ()),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        global(&context, module, "absent").map(|_| ()),
        Err(CUerror::NOT_FOUND)
    );
    // The module has the symbol, which is a kernel's.
    assert_eq!(
        global(&context, module, "fill").map(|_| ()),
        Err(CUerror::INVALID_VALUE)
    );
    // A kernel's own shared variable.
    assert!(global(&context, module, "tile").is_err());
    let mut size = 0;
    let unnamed = context.cuModuleGetGlobal_v2(null_mut(), &raw mut size, module, null());
    assert_eq!(unnamed, Err(CUerror::INVALID_VALUE));
}

#[test]
fn loading_checks_its_arguments() {
    let context = Context::primary();
    let text = terminated(image::PTX);
    let mut module = CUmodule::NULL;
    assert_eq!(
        context.cuModuleLoadData(null_mut(), text.as_ptr().cast()),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuModuleLoadData(&raw mut module, null()),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuModuleLoad(&raw mut module, null()),
        Err(CUerror::INVALID_VALUE)
    );
    assert_eq!(
        context.cuModuleUnload(CUmodule::NULL),
        Err(CUerror::INVALID_HANDLE)
    );
    context.assert_works();
}

#[test]
fn text_that_is_no_ptx_is_refused() {
    let context = Context::primary();
    for (ptx, status) in [
        ("hello", CUerror::INVALID_IMAGE),
        (BROKEN_KERNEL, CUerror::INVALID_PTX),
        (BROKEN_VARIABLE, CUerror::INVALID_PTX),
    ] {
        assert_eq!(load_text(&context, ptx).map(|_| ()), Err(status), "{ptx:?}");
        context.assert_works();
    }
    for ptx in [WITHOUT_VERSION, VERSION_IN_WORDS] {
        assert!(load_text(&context, ptx).is_err(), "{ptx:?}");
        context.assert_works();
    }
}

#[test]
fn ptx_of_a_version_to_come_is_refused_by_name() {
    let context = Context::primary();
    for version in ["99.0", "20.5"] {
        let ptx = format!(
            ".version {version}\n.target sm_50\n.address_size 64\n.visible .entry k() {{ ret; }}\n"
        );
        assert_eq!(
            load_text(&context, &ptx).map(|_| ()),
            Err(CUerror::UNSUPPORTED_PTX_VERSION),
            "{version}"
        );
    }
    context.assert_works();
}

#[test]
fn a_module_without_kernels_is_a_module() {
    let context = Context::primary();
    let module = load_text(&context, ".version 6.0\n.target sm_50\n.address_size 64\n").unwrap();
    let mut count = 9;
    context
        .cuModuleGetFunctionCount(&raw mut count, module)
        .unwrap();
    assert_eq!(count, 0);
    context.cuModuleUnload(module).unwrap();
}

#[test]
fn options_are_taken() {
    let context = Context::primary();
    let text = terminated(image::PTX);
    let mut options = [
        CUjit_option::MAX_REGISTERS,
        CUjit_option::OPTIMIZATION_LEVEL,
        CUjit_option::TARGET_FROM_CUCONTEXT,
    ];
    let mut values = [32, 3, 0].map(std::ptr::without_provenance_mut::<c_void>);
    let mut module = CUmodule::NULL;
    let load = |module: *mut CUmodule, count, options, values| {
        context.cuModuleLoadDataEx(module, text.as_ptr().cast(), count, options, values)
    };
    assert_eq!(
        load(
            &raw mut module,
            3,
            options.as_mut_ptr(),
            values.as_mut_ptr()
        ),
        Ok(())
    );
    context.cuModuleUnload(module).unwrap();
    assert_eq!(load(&raw mut module, 0, null_mut(), null_mut()), Ok(()));
    context.cuModuleUnload(module).unwrap();
    assert_eq!(
        load(&raw mut module, 3, null_mut(), null_mut()),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn a_module_is_loaded_from_a_file() {
    let context = Context::primary();
    let path = std::env::temp_dir().join(format!("pumice-module-{}.ptx", std::process::id()));
    fs::write(&path, image::PTX).unwrap();
    let (name, mut module) = (
        CString::new(path.to_str().unwrap()).unwrap(),
        CUmodule::NULL,
    );
    let result = context.cuModuleLoad(&raw mut module, name.as_ptr());
    fs::remove_file(&path).unwrap();
    assert_eq!(result, Ok(()));
    assert_eq!(contents(&context, module, "odd"), [7, 8, 9]);
    assert_eq!(
        context.cuModuleLoad(&raw mut module, name.as_ptr()),
        Err(CUerror::FILE_NOT_FOUND)
    );
}

#[test]
fn modules_are_loaded_lazily_or_eagerly() {
    let context = Context::primary();
    let mut mode = CUmoduleLoadingMode(9);
    context.cuModuleGetLoadingMode(&raw mut mode).unwrap();
    assert!(
        [
            CUmoduleLoadingMode::EAGER_LOADING,
            CUmoduleLoadingMode::LAZY_LOADING
        ]
        .contains(&mode),
        "{mode:?}"
    );
}

#[test]
fn a_module_belongs_to_the_context_it_was_loaded_in() {
    let first = Context::create(0);
    let module = first.module(&terminated(image::PTX));
    let second = Context::create(0);
    let other = second.module(&terminated(image::PTX));
    assert_ne!(global(&second, other, "odd"), global(&first, module, "odd"));
    drop(second);
    assert_eq!(contents(&first, module, "odd"), [7, 8, 9]);
}

#[test]
fn many_modules_are_loaded_and_unloaded() {
    let context = Context::primary();
    for _ in 0..100 {
        let module = context.module(&terminated(image::PTX));
        assert_eq!(contents(&context, module, "odd"), [7, 8, 9]);
        context.cuModuleUnload(module).unwrap();
    }
    context.assert_works();
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_handle_that_names_no_module_is_refused() {
        require_pumice();
        let context = Context::primary();
        let unloaded = context.module(&terminated(image::PTX));
        context.cuModuleUnload(unloaded).unwrap();
        for module in [
            unloaded,
            CUmodule(1),
            CUmodule(0xdead_beef),
            CUmodule(usize::MAX),
        ] {
            assert_eq!(
                function(&context, module, "fill").map(|_| ()),
                Err(CUerror::INVALID_HANDLE),
                "{module:?}"
            );
            assert_eq!(
                global(&context, module, "odd").map(|_| ()),
                Err(CUerror::INVALID_HANDLE),
                "{module:?}"
            );
            assert_eq!(
                context.cuModuleUnload(module),
                Err(CUerror::INVALID_HANDLE),
                "{module:?}"
            );
        }
        context.assert_works();
    }

    #[test]
    fn variables_of_an_unloaded_module_are_refused() {
        require_pumice();
        let context = Context::primary();
        let module = context.module(&terminated(image::PTX));
        let (address, size) = global(&context, module, "zeroed").unwrap();
        context.cuModuleUnload(module).unwrap();
        let mut bytes = vec![0_u8; size];
        let result = context.cuMemcpyDtoH_v2(bytes.as_mut_ptr().cast(), address, size);
        assert_eq!(result, Err(CUerror::INVALID_VALUE));
    }

    #[test]
    fn modules_are_loaded_lazily() {
        require_pumice();
        let context = Context::primary();
        let mut mode = CUmoduleLoadingMode(9);
        context.cuModuleGetLoadingMode(&raw mut mode).unwrap();
        assert_eq!(mode, CUmoduleLoadingMode::LAZY_LOADING);
    }

    /// NVIDIA's driver crashes.
    #[test]
    fn the_loading_mode_needs_a_place() {
        require_pumice();
        let context = Context::primary();
        assert_eq!(
            context.cuModuleGetLoadingMode(null_mut()),
            Err(CUerror::INVALID_VALUE)
        );
    }

    /// Which of the two statuses NVIDIA's driver gives has not been seen.
    #[test]
    fn ptx_is_known_by_its_version() {
        require_pumice();
        let context = Context::primary();
        for (ptx, status) in [
            ("", CUerror::INVALID_IMAGE),
            (WITHOUT_VERSION, CUerror::INVALID_IMAGE),
            (VERSION_IN_WORDS, CUerror::INVALID_PTX),
        ] {
            assert_eq!(load_text(&context, ptx).map(|_| ()), Err(status), "{ptx:?}");
        }
        context.assert_works();
    }

    #[test]
    fn machine_code_without_ptx_is_no_binary_for_this_device() {
        require_pumice();
        let context = Context::primary();
        let elf = fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(
            load(&context, &elf).map(|_| ()),
            Err(CUerror::NO_BINARY_FOR_GPU)
        );
        context.assert_works();
    }
}
