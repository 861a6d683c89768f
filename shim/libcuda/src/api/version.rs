//! Driver API manual, "Version Management".

use std::sync::Once;

use abi::persona::{self, Persona};
use abi::{CUresult, Out};

/// The CUDA version of the driver, as 1000 · major + 10 · minor.
pub fn driver_version() -> i32 {
    Persona::of_process().cuda_version()
}

pub fn cuDriverGetVersion(version: Out<i32>) -> CUresult {
    version.write(driver_version());
    Ok(())
}

/// Says, once, why a runtime of a later CUDA release than the driver's finds no
/// device: it only reports that the driver is insufficient. Such a runtime shows
/// itself by asking for entry points of its own release, `asked`.
pub fn explain_later_runtime(asked: u32) {
    static EXPLAINED: Once = Once::new();
    let driver = driver_version().unsigned_abs();
    if asked / 1000 > driver / 1000 {
        EXPLAINED.call_once(|| {
            abi::trace::log(format_args!(
                "this program's CUDA {} runtime finds no device, because at compute capability {} the driver is \
                 one of CUDA {}.{}; use a build for CUDA {}, or set {}=7.5",
                asked / 1000,
                Persona::of_process(),
                driver / 1000,
                driver % 1000 / 10,
                driver / 1000,
                persona::VARIABLE,
            ));
        });
    }
}
