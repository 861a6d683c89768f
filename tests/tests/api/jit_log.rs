//! The compiler's logs of a load: what is written to the caller's buffers.

use std::ffi::c_void;
use std::ptr::null_mut;

use abi::cuda::{CUjit_option, CUlibrary, CUmodule};
use abi::{CUerror, CUresult};
use tests::context::Context;
use tests::driver::Driver;
use tests::image::{self, terminated};

const MALFORMED: &str =
    ".version 6.0\n.target sm_50\n.address_size 64\n.visible .entry broken( { ret; }";
/// Written into the buffers beforehand, so that what is left alone is seen.
const UNTOUCHED: u8 = 0xEE;
const OPTIONS: [CUjit_option; 4] = [
    CUjit_option::ERROR_LOG_BUFFER,
    CUjit_option::ERROR_LOG_BUFFER_SIZE_BYTES,
    CUjit_option::INFO_LOG_BUFFER,
    CUjit_option::INFO_LOG_BUFFER_SIZE_BYTES,
];

/// A buffer of the caller's and the size that the driver left in its option.
struct Log {
    bytes: Vec<u8>,
    size: usize,
}

impl Log {
    fn text(&self) -> String {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap();
        String::from_utf8(self.bytes[..end].to_vec()).unwrap()
    }
}

struct Loaded {
    result: CUresult,
    errors: Log,
    information: Log,
}

/// Calls `load` with buffers of `room` bytes for errors and for information.
fn with_logs(
    room: usize,
    load: impl FnOnce(&mut [CUjit_option], &mut [*mut c_void]) -> CUresult,
) -> Loaded {
    let mut buffers = [0, 1].map(|_| vec![UNTOUCHED; room + 16]);
    let size = std::ptr::without_provenance_mut(room);
    let [errors, information] = buffers
        .each_mut()
        .map(|buffer| buffer.as_mut_ptr().cast::<c_void>());
    let mut values = [errors, size, information, size];
    let result = load(&mut OPTIONS.clone(), &mut values);
    let mut logs = buffers.into_iter().zip([values[1], values[3]]);
    let mut log = || {
        let (bytes, size) = logs.next().unwrap();
        let size = size.addr() & u32::MAX as usize;
        Log { bytes, size }
    };
    Loaded {
        result,
        errors: log(),
        information: log(),
    }
}

/// Loads a module with logs.
fn load(driver: &Driver, ptx: &str, room: usize, module: &mut CUmodule) -> Loaded {
    let text = terminated(ptx);
    with_logs(room, |options, values| {
        let (image, count) = (text.as_ptr().cast(), options.len() as u32);
        let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
        driver.cuModuleLoadDataEx(module, image, count, options, values)
    })
}

/// Loads a library with logs.
fn load_library(driver: &Driver, ptx: &str, library: &mut CUlibrary) -> Loaded {
    let text = terminated(ptx);
    with_logs(4096, |options, values| {
        let (image, count) = (text.as_ptr().cast(), options.len() as u32);
        let (options, values) = (options.as_mut_ptr(), values.as_mut_ptr());
        let (more, more_values) = (null_mut(), null_mut());
        driver.cuLibraryLoadData(library, image, options, values, count, more, more_values, 0)
    })
}

/// Text that is malformed in its fourth line: in a signature, and in a body.
fn malformed() -> [String; 2] {
    let in_body = MALFORMED.replace("broken( {", "broken() { mov.u32 %r1, 7;");
    [MALFORMED.to_owned(), in_body]
}

#[test]
fn the_error_log_says_what_is_wrong_and_where() {
    let context = Context::primary();
    for ptx in malformed() {
        let ptx = &ptx;
        let loaded = load(&context, ptx, 4096, &mut { CUmodule::NULL });
        assert_eq!(loaded.result, Err(CUerror::INVALID_PTX), "{ptx}");
        let text = loaded.errors.text();
        assert!(text.contains("line 4"), "{text:?}");
        assert!(loaded.errors.size >= text.len(), "{}", loaded.errors.size);
    }
    context.assert_works();
}

#[test]
fn logs_stay_inside_their_buffers() {
    logs_stay_inside(&[1, 8, 40]);
}

fn logs_stay_inside(rooms: &[usize]) {
    let context = Context::primary();
    for &room in rooms {
        let ptx = ".version 6.0\n.target sm_50\n}{";
        let loaded = load(&context, ptx, room, &mut { CUmodule::NULL });
        assert_eq!(loaded.result, Err(CUerror::INVALID_PTX), "{room}");
        for log in [loaded.errors, loaded.information] {
            assert_eq!(log.bytes[room..], [UNTOUCHED; 16], "{room}");
            assert!(log.size <= room);
        }
    }
    context.assert_works();
}

#[test]
fn nothing_is_wrong_with_a_module_that_is_right() {
    let context = Context::primary();
    let mut module = CUmodule::NULL;
    let loaded = load(&context, image::PTX, 4096, &mut module);
    assert_eq!(loaded.result, Ok(()));
    assert_eq!(loaded.errors.size, 0);
    context.cuModuleUnload(module).unwrap();
}

mod on_pumice {
    use super::*;
    use crate::faults::{LACKING, assert_sound, status_of_other, with_body};
    use abi::cuda::CUcontext;
    use tests::process::in_child;
    use tests::target::require_pumice;

    /// NVIDIA's driver ends an empty log in a buffer of no bytes.
    #[test]
    fn a_buffer_of_no_bytes_stays_as_it_is() {
        require_pumice();
        logs_stay_inside(&[0]);
    }

    /// NVIDIA's driver looks at a library's text when a kernel is asked for.
    #[test]
    fn malformed_text_fails_the_load_of_its_library() {
        require_pumice();
        let context = Context::primary();
        for ptx in malformed() {
            let loaded = load_library(&context, &ptx, &mut { CUlibrary::NULL });
            assert_eq!(loaded.result, Err(CUerror::INVALID_PTX), "{ptx}");
            let text = loaded.errors.text();
            assert!(text.contains("line 4"), "{text:?}");
        }
        context.assert_works();
    }

    #[test]
    fn a_kernel_that_cannot_be_compiled_is_in_the_log_of_its_module_which_loads() {
        require_pumice();
        let context = Context::primary();
        for lacking in LACKING {
            let (what, mut module) = (lacking.what, CUmodule::NULL);
            let loaded = load(&context, &lacking.module(), 4096, &mut module);
            assert_eq!(loaded.result, Ok(()), "{what}");
            lacking.assert_told(&loaded.errors.text());
            assert_eq!(loaded.errors.size, loaded.errors.text().len() + 1);
            assert_eq!(loaded.information.size, 0, "{what}");
            let status = status_of_other(&context, module);
            assert_eq!(status, Err(lacking.status), "{what}");
            assert_sound(&context, module);
        }
    }

    #[test]
    fn a_version_to_come_is_told_with_the_newest_that_is_known() {
        require_pumice();
        let answer = in_child(&[], || {
            let context = Context::primary();
            let ptx = ".version 99.0\n.target sm_50\n.address_size 64\n";
            let loaded = load(&context, ptx, 4096, &mut { CUmodule::NULL });
            assert_eq!(loaded.result, Err(CUerror::UNSUPPORTED_PTX_VERSION));
            context.assert_works();
            loaded.errors.text()
        });
        for text in [&answer.value, &answer.stderr] {
            let told = text.contains("line 1") && text.contains("PTX version 99.0 is newer than");
            assert!(told, "{text}");
        }
    }

    #[test]
    fn a_library_tells_the_same_where_a_context_is_current() {
        require_pumice();
        let context = Context::primary();
        for lacking in LACKING {
            let mut library = CUlibrary::NULL;
            let loaded = load_library(&context, &lacking.module(), &mut library);
            assert_eq!(loaded.result, Ok(()), "{}", lacking.what);
            lacking.assert_told(&loaded.errors.text());
            let mut module = CUmodule::NULL;
            context
                .cuLibraryGetModule(&raw mut module, library)
                .unwrap();
            assert_sound(&context, module);
            context.cuLibraryUnload(library).unwrap();
        }
    }

    #[test]
    fn without_a_context_the_information_log_says_that_errors_come_later() {
        require_pumice();
        let context = Context::primary();
        context.cuCtxSetCurrent(CUcontext::NULL).unwrap();
        let mut library = CUlibrary::NULL;
        let loaded = load_library(&context, &LACKING[0].module(), &mut library);
        context.cuCtxSetCurrent(context.handle).unwrap();
        assert_eq!((loaded.result, loaded.errors.size), (Ok(()), 0));
        let text = loaded.information.text();
        assert!(text.contains("when they are asked for"), "{text:?}");
    }

    #[test]
    fn every_kernel_that_cannot_be_compiled_has_its_line() {
        require_pumice();
        let context = Context::primary();
        let lacking = LACKING[0].body;
        let third = format!(".visible .entry third() {{\n{lacking}\n}}\n");
        let mut module = CUmodule::NULL;
        let loaded = load(&context, &(with_body(lacking) + &third), 4096, &mut module);
        let text = loaded.errors.text();
        let named = |kernel: &str| text.lines().filter(|line| line.contains(kernel)).count();
        assert_eq!((named("`other`"), named("`third`")), (1, 1), "{text}");
        assert_sound(&context, module);
    }
}
