//! One file for each chapter of the driver API manual: argument checks only.
//!
//! A function here has the entry point's name and its arguments in checked form
//! (`handles::FromAbi`), tests the documented conditions, each named before its
//! test, and calls `core`. Nothing in these files holds state.

#![forbid(unsafe_code)]
#![allow(
    clippy::needless_pass_by_value,
    clippy::too_many_arguments,
    reason = "arguments are the manual's, in the form in which they were converted"
)]
#![allow(non_snake_case, reason = "the functions bear the entry points' names")]

pub mod context;
pub mod copy;
pub mod device;
pub mod entry_point;
pub mod error;
pub mod event;
pub mod execution;
pub mod initialization;
pub mod library;
pub mod memory;
pub mod memset;
pub mod module;
pub mod occupancy;
pub mod peer;
pub mod primary_context;
pub mod profiler;
pub mod stream;
pub mod unified_addressing;
pub mod version;
