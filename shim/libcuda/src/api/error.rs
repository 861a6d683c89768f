//! Driver API manual, "Error Handling".

use std::ffi::c_char;

use abi::error::describe;
use abi::{CUerror, CUresult, Out};

pub fn cuGetErrorString(error: u32, string: Out<*const c_char>) -> CUresult {
    text_of(error, string, |(_, description)| description.as_ptr())
}

pub fn cuGetErrorName(error: u32, string: Out<*const c_char>) -> CUresult {
    text_of(error, string, |(name, _)| name.as_ptr())
}

type Texts = (&'static std::ffi::CStr, &'static std::ffi::CStr);

fn text_of(error: u32, string: Out<*const c_char>, choose: fn(Texts) -> *const c_char) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE and a null string if there is no such status.
    let texts = describe(error);
    string.write(texts.map_or(std::ptr::null(), choose));
    texts.map(|_| ()).ok_or(CUerror::INVALID_VALUE)
}
