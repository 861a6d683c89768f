//! A device as the compiler sees it.

use std::sync::{Arc, OnceLock};

use abi::trace;
use compiler::{Matrices, Target};
use target::Measured;

use crate::core::cache;

const EXACT: &str = "PUMICE_EXACT";

/// What kernels are compiled for on this device.
///
/// # Errors
/// The device's failure in the probe of its arithmetic.
pub fn of(device: &Arc<vulkan::Device>) -> Result<Target, vulkan::Error> {
    let target = target::of(device.physical(), measured(device)?);
    let exact = wants_exact_results();
    if exact && !target.float64 {
        trace::log(format_args!(
            "{EXACT}=1: {} cannot compute in f64, so results are as near as it computes them",
            device.physical().name()
        ));
    }
    Ok(Target {
        exact: exact && target.float64,
        ..target
    })
}

/// Whether `PUMICE_EXACT` asks for results to the last bit.
fn wants_exact_results() -> bool {
    static EXACT_RESULTS: OnceLock<bool> = OnceLock::new();
    *EXACT_RESULTS.get_or_init(|| {
        let text = std::env::var(EXACT).unwrap_or_default();
        let known = parse(&text);
        if known.is_none() {
            trace::log(format_args!(
                "{EXACT}={text} is neither 0 nor 1: results are as the device computes them"
            ));
        }
        known.unwrap_or_default()
    })
}

fn parse(text: &str) -> Option<bool> {
    match text.trim() {
        "" | "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// How the device computes where Vulkan leaves it open: measured once, and remembered
/// where the cache can be written.
fn measured(device: &Arc<vulkan::Device>) -> Result<Measured, vulkan::Error> {
    let record = cache::device_record("arithmetic", device.physical());
    let text = record
        .as_ref()
        .and_then(|record| std::fs::read_to_string(record).ok());
    if let Some(known) = text.as_deref().and_then(read) {
        return Ok(known);
    }
    let measured = Measured::of(device)?;
    if let Some(record) = record {
        // Without the record the next process measures again.
        let _ = cache::write(&record, write(measured).as_bytes());
    }
    Ok(measured)
}

fn write(measured: Measured) -> String {
    let fma = if measured.fused_multiply_add {
        "fused"
    } else {
        "apart"
    };
    let subnormals = if measured.keeps_subnormals {
        "kept"
    } else {
        "flushed"
    };
    let offered = |has: bool| if has { "ordered" } else { "none" };
    let (halves, bytes) = (measured.matrices.halves, measured.matrices.bytes);
    let (halves, bytes) = (offered(halves), offered(bytes));
    format!("fma {fma}\nsubnormals {subnormals}\nmatrices of halves {halves}, of bytes {bytes}\n")
}

/// The record of a device, if it is whole.
fn read(record: &str) -> Option<Measured> {
    every()
        .into_iter()
        .find(|&measured| write(measured) == record)
}

/// All that may be measured.
fn every() -> Vec<Measured> {
    let answer = |number: u32, bit: u32| number >> bit & 1 != 0;
    let measured = |number| Measured {
        fused_multiply_add: answer(number, 0),
        keeps_subnormals: answer(number, 1),
        matrices: Matrices {
            halves: answer(number, 2),
            bytes: answer(number, 3),
        },
    };
    (0..16).map(measured).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_and_nothing_else_does() {
        for measured in every() {
            let record = write(measured);
            assert_eq!(read(&record), Some(measured));
            assert_eq!(read(&record[1..]), None);
            assert_eq!(read(&record[..record.len() - 1]), None);
        }
    }

    #[test]
    fn exact_results_are_asked_for_by_1() {
        let asked = ["", "0", "1", " 1 ", "yes"].map(parse);
        assert_eq!(
            asked,
            [Some(false), Some(false), Some(true), Some(true), None]
        );
    }
}
