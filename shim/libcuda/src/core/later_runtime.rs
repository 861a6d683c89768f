//! A runtime library of a later CUDA release than the driver's finds no device and
//! says only that the driver is insufficient. This says why, once.

use std::sync::Once;

use abi::persona::{self, Persona};
use abi::trace;

use crate::api::version::driver_version;
use crate::process;

/// Such a runtime may show itself by asking for entry points of its own release.
pub fn asked_for(version: u32) {
    let driver = driver_version().unsigned_abs();
    if version / 1000 > driver / 1000 {
        explain(&format!(
            "this program's CUDA {} runtime finds no device, because",
            version / 1000
        ));
    }
}

/// A runtime library has begun its start-up. One that asks for nothing newer than
/// the driver gives up in silence, before `cuInit`: that is seen at the end.
pub fn begun() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| process::at_exit(at_exit));
}

extern "C" fn at_exit() {
    if !process::was_initialized() {
        explain(
            "this program's CUDA runtime never initialized the driver. If it is of a later release:",
        );
    }
}

fn explain(beginning: &str) {
    static EXPLAINED: Once = Once::new();
    let driver = driver_version() / 1000;
    EXPLAINED.call_once(|| {
        trace::log(format_args!(
            "{beginning} at compute capability {} the driver is one of CUDA {driver}.{}; use a build \
             for CUDA {driver}, or set {}=7.5",
            Persona::of_process(),
            driver_version() % 1000 / 10,
            persona::VARIABLE,
        ));
    });
}
