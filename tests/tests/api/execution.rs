//! Kernels as the driver describes them, before any is launched.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{
    CUdevice_attribute, CUfunc_cache, CUfunction, CUfunction_attribute as Attribute,
    CUfunctionLoadingState, CUmodule, CUstream,
};
use tests::context::Context;
use tests::image::{self, terminated};

use super::function;

fn get(context: &Context, function: CUfunction, attribute: Attribute) -> i32 {
    let mut value = i32::MIN;
    context
        .cuFuncGetAttribute(&raw mut value, attribute, function)
        .unwrap();
    value
}

fn parameter(
    context: &Context,
    function: CUfunction,
    index: usize,
) -> Result<(usize, usize), CUerror> {
    let (mut offset, mut size) = (usize::MAX, usize::MAX);
    context
        .cuFuncGetParamInfo(function, index, &raw mut offset, &raw mut size)
        .map(|()| (offset, size))
}

#[test]
fn the_largest_block_is_that_of_the_directives() {
    let context = Context::primary();
    for (name, threads) in [
        ("fill", 1024),
        ("reverse", 128),
        // `.reqntid` fixes what a launch must ask for, and lowers nothing.
        ("exact", 1024),
        ("aligned", 1024),
    ] {
        let function = function(&context, name);
        assert_eq!(
            get(&context, function, Attribute::MAX_THREADS_PER_BLOCK),
            threads,
            "{name}"
        );
    }
}

#[test]
fn static_shared_memory_is_what_the_kernel_declares() {
    let context = Context::primary();
    for (name, bytes) in [("fill", 0), ("reverse", 1536), ("exact", 0)] {
        let function = function(&context, name);
        assert_eq!(
            get(&context, function, Attribute::SHARED_SIZE_BYTES),
            bytes,
            "{name}"
        );
    }
}

#[test]
fn resources_are_plausible() {
    let context = Context::primary();
    for name in ["fill", "reverse", "exact", "aligned"] {
        let function = function(&context, name);
        assert!(
            (1..=255).contains(&get(&context, function, Attribute::NUM_REGS)),
            "{name}"
        );
        assert_eq!(
            get(&context, function, Attribute::LOCAL_SIZE_BYTES),
            0,
            "{name}"
        );
        assert!(
            (0..=65_536).contains(&get(&context, function, Attribute::CONST_SIZE_BYTES)),
            "{name}"
        );
        assert_eq!(
            get(&context, function, Attribute::CACHE_MODE_CA),
            0,
            "{name}"
        );
    }
}

#[test]
fn versions_are_those_of_the_code() {
    let context = Context::primary();
    let function = function(&context, "fill");
    assert_eq!(
        get(&context, function, Attribute::PTX_VERSION),
        50,
        "the image's target"
    );
    let major = context.attribute(CUdevice_attribute::COMPUTE_CAPABILITY_MAJOR);
    let minor = context.attribute(CUdevice_attribute::COMPUTE_CAPABILITY_MINOR);
    let binary = get(&context, function, Attribute::BINARY_VERSION);
    assert!((50..=major * 10 + minor).contains(&binary), "{binary}");
}

#[test]
fn dynamic_shared_memory_begins_at_what_the_static_leaves_and_may_be_changed() {
    let context = Context::primary();
    let (function, dynamic) = (
        function(&context, "reverse"),
        Attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES,
    );
    let limit = context.attribute(CUdevice_attribute::MAX_SHARED_MEMORY_PER_BLOCK);
    assert_eq!(get(&context, function, dynamic), limit - 1536);
    for bytes in [0, 1024, limit - 1536] {
        assert_eq!(
            context.cuFuncSetAttribute(function, dynamic, bytes),
            Ok(()),
            "{bytes}"
        );
        assert_eq!(get(&context, function, dynamic), bytes);
    }
    let most = context.attribute(CUdevice_attribute::MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) - 1536;
    assert_eq!(context.cuFuncSetAttribute(function, dynamic, most), Ok(()));
    for bytes in [most + 1, i32::MAX, -1] {
        assert_eq!(
            context.cuFuncSetAttribute(function, dynamic, bytes),
            Err(CUerror::INVALID_VALUE),
            "{bytes}"
        );
    }
    assert_eq!(
        get(&context, function, dynamic),
        most,
        "a refused change changes nothing"
    );
}

#[test]
fn the_preferred_carveout_is_a_percentage() {
    let context = Context::primary();
    let (function, carveout) = (
        function(&context, "fill"),
        Attribute::PREFERRED_SHARED_MEMORY_CARVEOUT,
    );
    assert_eq!(
        get(&context, function, carveout),
        -1,
        "the driver's default"
    );
    for value in [0, 50, 100, -1] {
        assert_eq!(
            context.cuFuncSetAttribute(function, carveout, value),
            Ok(()),
            "{value}"
        );
        assert_eq!(get(&context, function, carveout), value);
    }
    for value in [101, -2] {
        assert_eq!(
            context.cuFuncSetAttribute(function, carveout, value),
            Err(CUerror::INVALID_VALUE),
            "{value}"
        );
    }
}

#[test]
fn attributes_that_describe_the_code_cannot_be_set() {
    let context = Context::primary();
    let function = function(&context, "fill");
    for attribute in [
        Attribute::MAX_THREADS_PER_BLOCK,
        Attribute::SHARED_SIZE_BYTES,
        Attribute::NUM_REGS,
        Attribute::PTX_VERSION,
        Attribute(1000),
    ] {
        let result = context.cuFuncSetAttribute(function, attribute, 1);
        assert_eq!(result, Err(CUerror::INVALID_VALUE), "{attribute:?}");
    }
}

#[test]
fn attributes_check_their_arguments() {
    let context = Context::primary();
    let (function, mut value) = (function(&context, "fill"), 0);
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(
        context.cuFuncGetAttribute(null_mut(), Attribute::NUM_REGS, function),
        invalid
    );
    assert_eq!(
        context.cuFuncGetAttribute(&raw mut value, Attribute(1000), function),
        invalid
    );
    let none = context.cuFuncGetAttribute(&raw mut value, Attribute::NUM_REGS, CUfunction::NULL);
    assert_eq!(none, Err(CUerror::INVALID_HANDLE));
    context.assert_works();
}

#[test]
fn parameters_lie_at_their_aligned_offsets() {
    let context = Context::primary();
    let aligned = function(&context, "aligned");
    let found: Vec<_> = (0..5)
        .map(|index| parameter(&context, aligned, index).unwrap())
        .collect();
    assert_eq!(found, [(0, 1), (2, 2), (8, 8), (16, 4), (32, 48)]);
    assert_eq!(parameter(&context, aligned, 5), Err(CUerror::INVALID_VALUE));
    assert_eq!(
        parameter(&context, function(&context, "exact"), 0),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn the_size_of_a_parameter_is_optional() {
    let context = Context::primary();
    let (fill, mut offset, mut size) = (function(&context, "fill"), 9, 9);
    assert_eq!(
        context.cuFuncGetParamInfo(fill, 1, &raw mut offset, null_mut()),
        Ok(())
    );
    assert_eq!(offset, 8);
    assert_eq!(
        context.cuFuncGetParamInfo(fill, 1, null_mut(), &raw mut size),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn a_function_knows_its_module() {
    let context = Context::primary();
    let module = context.module(&terminated(image::PTX));
    let (mut function, mut of) = (CUfunction::NULL, CUmodule::NULL);
    context
        .cuModuleGetFunction(&raw mut function, module, c"fill".as_ptr())
        .unwrap();
    context.cuFuncGetModule(&raw mut of, function).unwrap();
    assert_eq!(of, module);
    assert_eq!(
        context.cuFuncGetModule(null_mut(), function),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn a_function_is_loaded_when_it_is_asked_for() {
    let context = Context::primary();
    let (function, mut state) = (function(&context, "fill"), CUfunctionLoadingState(9));
    context.cuFuncIsLoaded(&raw mut state, function).unwrap();
    assert!(state.0 <= CUfunctionLoadingState::LOADED.0);
    context.cuFuncLoad(function).unwrap();
    context.cuFuncIsLoaded(&raw mut state, function).unwrap();
    assert_eq!(state, CUfunctionLoadingState::LOADED);
}

#[test]
fn a_cache_preference_is_taken() {
    let context = Context::primary();
    let function = function(&context, "fill");
    for preference in [
        CUfunc_cache::PREFER_NONE,
        CUfunc_cache::PREFER_SHARED,
        CUfunc_cache::PREFER_L1,
    ] {
        assert_eq!(context.cuFuncSetCacheConfig(function, preference), Ok(()));
    }
    assert_eq!(
        context.cuFuncSetCacheConfig(function, CUfunc_cache(1000)),
        Err(CUerror::INVALID_VALUE)
    );
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_handle_that_names_no_function_is_refused() {
        require_pumice();
        let context = Context::primary();
        let mut value = 0;
        for function in [
            CUfunction(1),
            CUfunction(0xdead_beef),
            CUfunction(usize::MAX),
        ] {
            let result = context.cuFuncGetAttribute(&raw mut value, Attribute::NUM_REGS, function);
            assert_eq!(result, Err(CUerror::INVALID_HANDLE), "{function:?}");
        }
        context.assert_works();
    }

    /// The status of this refusal is nowhere documented.
    #[test]
    fn a_block_other_than_the_required_one_is_refused() {
        require_pumice();
        let context = Context::primary();
        let function = function(&context, "exact");
        let launch = |x, y, z| {
            let none = null_mut();
            context.cuLaunchKernel(
                function,
                1,
                1,
                1,
                x,
                y,
                z,
                0,
                CUstream::NULL,
                none,
                null_mut(),
            )
        };
        for (x, y, z) in [(64, 1, 1), (4, 4, 1), (8, 8, 2), (8, 4, 2), (16, 8, 1)] {
            assert_eq!(launch(x, y, z), Err(CUerror::INVALID_VALUE), "{x} {y} {z}");
        }
        assert_eq!(launch(8, 8, 1), Ok(()));
        context.assert_works();
    }
}
