//! Driver API manual, "Version Management".

use abi::persona::Persona;
use abi::{CUresult, Out};

/// The CUDA version of the driver, as 1000 · major + 10 · minor.
pub fn driver_version() -> i32 {
    Persona::of_process().cuda_version()
}

pub fn cuDriverGetVersion(version: Out<i32>) -> CUresult {
    version.write(driver_version());
    Ok(())
}
