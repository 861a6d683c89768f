//! A `libcuda.so.1` that stands before another one, `libcuda-behind.so`, and makes
//! it the device that pumice shows by default: compute capability 6.1, and of each
//! fat binary the PTX for it. So NVIDIA's driver runs the very kernels that pumice
//! runs, and what differs then is not the choice of kernels.
//!
//! What is not replaced is found in the library behind by the dynamic linker.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::OnceLock;

use compiler::fatbin::{self, Fatbin, Image, Wrapper};
use libloading::Library;

/// As in `build.rs`.
const BEHIND: &str = "libcuda-behind.so";
const MAJOR: c_int = 6;
const MINOR: c_int = 1;
/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`.
const ATTRIBUTES: [(c_int, c_int); 2] = [(75, MAJOR), (76, MINOR)];

const SUCCESS: c_uint = 0;
/// `CUDA_ERROR_NO_BINARY_FOR_GPU`.
const NO_BINARY_FOR_GPU: c_uint = 209;

type Address = *mut c_void;
type Options = *mut c_void;

/// The function of this name in the driver behind.
fn behind<F: Copy>(name: &CStr) -> F {
    static DRIVER: OnceLock<Library> = OnceLock::new();
    // SAFETY: a CUDA driver does nothing when it is loaded, and is loaded already.
    let driver = DRIVER.get_or_init(|| unsafe { Library::new(BEHIND) }.expect(BEHIND));
    // SAFETY: the callers name functions of the driver API with their types.
    let found = unsafe { driver.get::<F>(name.to_bytes_with_nul()) };
    *found.unwrap_or_else(|error| panic!("{BEHIND}: {error}"))
}

/// The bytes of a fat binary.
///
/// # Safety
/// `header` is the address of one that is not changed.
unsafe fn fat_binary(header: *const c_void) -> Result<Fatbin<'static>, fatbin::Error> {
    // SAFETY: a fat binary has a header.
    let length = fatbin::total_len(unsafe { &*header.cast() })?;
    // SAFETY: the header says how much follows it.
    Fatbin::parse(unsafe { std::slice::from_raw_parts(header.cast(), length) })
}

/// The fat binaries of an image; `None` if it is text or an ELF object.
///
/// # Safety
/// `image` is one that `cuModuleLoadData` takes.
unsafe fn fat_binaries(image: *const c_void) -> Option<Vec<*const c_void>> {
    // SAFETY: every image has four bytes.
    match Image::detect(unsafe { *image.cast() }) {
        Image::Fatbin => Some(vec![image]),
        Image::Wrapper => {
            // SAFETY: the magic word says that it is a wrapper.
            match Wrapper::parse(unsafe { &*image.cast() }).ok()? {
                Wrapper::Single { header } => Some(vec![header as *const c_void]),
                // SAFETY: a list ends with a null pointer.
                Wrapper::List { headers } => Some(unsafe { listed(headers as *const _) }),
            }
        }
        Image::Elf | Image::Text => None,
    }
}

/// # Safety
/// `list` is an array that ends with a null pointer.
unsafe fn listed(list: *const *const c_void) -> Vec<*const c_void> {
    // SAFETY: as the caller says.
    let entries = (0..).map(|index| unsafe { *list.add(index) });
    entries.take_while(|entry| !entry.is_null()).collect()
}

/// What the driver behind shall load for an image: text for 6.1, or the image as it
/// is where that is no fat binary. The text stays for as long as the process, since
/// drivers may read it late.
///
/// # Safety
/// As [`fat_binaries`].
unsafe fn image_for_driver(image: *const c_void) -> Option<*const c_void> {
    // SAFETY: as the caller says.
    let Some(headers) = (unsafe { fat_binaries(image) }) else {
        return Some(image);
    };
    headers.into_iter().find_map(|header| {
        // SAFETY: it was found in an image.
        let binary = unsafe { fat_binary(header) }.ok()?;
        let entry = binary.best_ptx((10 * MAJOR + MINOR) as u32).ok()??;
        let text = entry.text().ok()?;
        let text = CString::new(text.trim_end_matches('\0')).ok()?;
        Some(text.into_raw().cast_const().cast())
    })
}

/// # Safety
/// As the driver API says of the function of this name; so it is with all below.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(
    value: *mut c_int,
    attribute: c_int,
    device: c_int,
) -> c_uint {
    type F = extern "C" fn(*mut c_int, c_int, c_int) -> c_uint;
    let status = behind::<F>(c"cuDeviceGetAttribute")(value, attribute, device);
    let replaced = ATTRIBUTES.iter().find(|(number, _)| *number == attribute);
    if let (SUCCESS, Some(&(_, reported))) = (status, replaced) {
        // SAFETY: the driver took the place for a result.
        unsafe { *value = reported };
    }
    status
}

/// # Safety
/// See [`cuDeviceGetAttribute`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceComputeCapability(
    major: *mut c_int,
    minor: *mut c_int,
    device: c_int,
) -> c_uint {
    type F = extern "C" fn(*mut c_int, *mut c_int, c_int) -> c_uint;
    let status = behind::<F>(c"cuDeviceComputeCapability")(major, minor, device);
    if status == SUCCESS {
        // SAFETY: the driver took the places for results.
        unsafe { (*major, *minor) = (MAJOR, MINOR) };
    }
    status
}

/// # Safety
/// See [`cuDeviceGetAttribute`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLibraryLoadData(
    library: *mut Address,
    code: *const c_void,
    jit_options: Options,
    jit_values: Options,
    jit_count: c_uint,
    options: Options,
    values: Options,
    count: c_uint,
) -> c_uint {
    type F = extern "C" fn(
        *mut Address,
        *const c_void,
        Options,
        Options,
        c_uint,
        Options,
        Options,
        c_uint,
    ) -> c_uint;
    // SAFETY: as the caller says.
    let Some(code) = (unsafe { image_for_driver(code) }) else {
        return NO_BINARY_FOR_GPU;
    };
    let load = behind::<F>(c"cuLibraryLoadData");
    load(
        library,
        code,
        jit_options,
        jit_values,
        jit_count,
        options,
        values,
        count,
    )
}

/// # Safety
/// See [`cuDeviceGetAttribute`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Address, image: *const c_void) -> c_uint {
    // SAFETY: as the caller says; no options are read where there are none.
    unsafe { cuModuleLoadDataEx(module, image, 0, std::ptr::null_mut(), std::ptr::null_mut()) }
}

/// # Safety
/// See [`cuDeviceGetAttribute`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadFatBinary(
    module: *mut Address,
    image: *const c_void,
) -> c_uint {
    // SAFETY: as the caller says.
    unsafe { cuModuleLoadData(module, image) }
}

/// # Safety
/// See [`cuDeviceGetAttribute`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Address,
    image: *const c_void,
    count: c_uint,
    options: Options,
    values: Options,
) -> c_uint {
    type F = extern "C" fn(*mut Address, *const c_void, c_uint, Options, Options) -> c_uint;
    // SAFETY: as the caller says.
    let Some(image) = (unsafe { image_for_driver(image) }) else {
        return NO_BINARY_FOR_GPU;
    };
    behind::<F>(c"cuModuleLoadDataEx")(module, image, count, options, values)
}

/// What this library has under a name that the driver is asked for.
fn replaced(name: &CStr) -> Option<Address> {
    Some(match name.to_bytes() {
        b"cuDeviceGetAttribute" => cuDeviceGetAttribute as Address,
        b"cuDeviceComputeCapability" => cuDeviceComputeCapability as Address,
        b"cuLibraryLoadData" => cuLibraryLoadData as Address,
        b"cuModuleLoadData" => cuModuleLoadData as Address,
        b"cuModuleLoadDataEx" => cuModuleLoadDataEx as Address,
        b"cuModuleLoadFatBinary" => cuModuleLoadFatBinary as Address,
        b"cuGetProcAddress" | b"cuGetProcAddress_v2" => cuGetProcAddress_v2 as Address,
        _ => return None,
    })
}

/// # Safety
/// See [`cuDeviceGetAttribute`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetProcAddress_v2(
    symbol: *const c_char,
    function: *mut Address,
    version: c_int,
    flags: u64,
    found: *mut c_int,
) -> c_uint {
    type F = extern "C" fn(*const c_char, *mut Address, c_int, u64, *mut c_int) -> c_uint;
    let status = behind::<F>(c"cuGetProcAddress_v2")(symbol, function, version, flags, found);
    if status == SUCCESS {
        // SAFETY: the driver has read the name and taken the place for a result.
        unsafe { replaced(CStr::from_ptr(symbol)).map(|ours| *function = ours) };
    }
    status
}
