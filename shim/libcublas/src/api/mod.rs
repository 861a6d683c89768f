//! The functions that have a meaning, one module for each `mod` of the table:
//! argument checks only.

pub mod gemm;
pub mod handle;
pub mod trsm;

use crate::status::{INVALID_VALUE, Result};

/// A dimension, an increment or a count: INVALID_VALUE if it is negative.
fn count(value: i32) -> Result<u32> {
    u32::try_from(value).map_err(|_| INVALID_VALUE)
}

/// INVALID_VALUE unless the condition holds.
fn require(condition: bool) -> Result {
    if condition {
        Ok(())
    } else {
        Err(INVALID_VALUE)
    }
}
