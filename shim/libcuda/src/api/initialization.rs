//! Driver API manual, "Initialization".

use abi::{CUerror, CUresult};

use crate::process;

pub fn cuInit(flags: u32) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if flags is not 0.
    if flags != 0 {
        return Err(CUerror::INVALID_VALUE);
    }
    process::initialize()
}
