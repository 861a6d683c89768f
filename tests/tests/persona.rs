//! The driver that stands before another one as a device of compute capability
//! 6.1, with pumice behind it as a device of 9.0.

use std::os::unix::fs::symlink;
use std::path::Path;

use abi::cuda::{CUdevice_attribute as Attribute, CUdeviceptr, CUmodule};
use tests::context::Context;
use tests::image::{Entry, Packing, Wrapper, fatbin, ptx_of};
use tests::memory::read;
use tests::process::in_child;
use tests::target::built_library;

/// The device's capability, and the architecture of the PTX that is loaded of
/// several: of a fat binary, and of a wrapper around one.
fn shown() -> String {
    let context = Context::primary();
    let major = context.attribute(Attribute::COMPUTE_CAPABILITY_MAJOR);
    let minor = context.attribute(Attribute::COMPUTE_CAPABILITY_MINOR);
    let binary = fatbin(&[50, 61, 90].map(|sm| Entry::ptx(sm, Packing::Lz4, &ptx_of(sm))));
    let wrapper = Wrapper::single(&binary);
    let loaded = [&binary[..], wrapper.as_bytes()].map(|image| architecture(&context, image));
    format!("{major}.{minor} {loaded:?}")
}

fn architecture(context: &Context, image: &[u8]) -> u32 {
    let mut module = CUmodule::NULL;
    let image = image.as_ptr().cast();
    context.cuModuleLoadData(&raw mut module, image).unwrap();
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = c"architecture".as_ptr();
    let global = context.cuModuleGetGlobal_v2(&raw mut address, &raw mut size, module, name);
    global.unwrap();
    u32::from_le_bytes(read(context, address, 4).try_into().unwrap())
}

/// What a program sees whose `libcuda.so.1` is `library`.
fn shown_by(library: &Path) -> String {
    let folder = tempfile::tempdir().unwrap();
    let behind = built_library("libcuda", "libcuda.so");
    symlink(library, folder.path().join("libcuda.so.1")).unwrap();
    symlink(behind, folder.path().join("libcuda-behind.so")).unwrap();
    let variables = [
        // So the driver under test is what the dynamic linker finds.
        ("TARGET", "nvidia"),
        ("LD_LIBRARY_PATH", folder.path().to_str().unwrap()),
        ("PUMICE_COMPUTE_CAPABILITY", "9.0"),
    ];
    in_child(&variables, shown).value
}

#[test]
fn the_driver_behind_is_a_device_of_6_1_and_loads_its_ptx() {
    let alone = shown_by(&built_library("libcuda", "libcuda.so"));
    assert_eq!(alone, "9.0 [90, 90]");
    let shown = shown_by(&built_library("persona", "libpersona.so"));
    assert_eq!(shown, "6.1 [61, 61]");
}
