//! Driver API manual, "Driver Entry Point Access".

use std::ffi::{CStr, c_void};

use abi::cuda::{CUdriverProcAddressQueryResult as QueryResult, CUuuid};
use abi::{CUerror, CUresult, Out};

use crate::api::version::driver_version;
use crate::core::{entry_point, export_table, later_runtime};
use crate::exports::DefaultStream;
use crate::handles::In;

/// `CU_GET_PROC_ADDRESS_LEGACY_STREAM`.
const LEGACY_STREAM: u64 = 1;
/// `CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM`.
const PER_THREAD_DEFAULT_STREAM: u64 = 2;

pub fn cuGetProcAddress_v2(
    symbol: &CStr,
    function: Out<*mut c_void>,
    version: i32,
    flags: u64,
    status: Option<Out<QueryResult>>,
) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if a flag is unknown or both are given.
    let stream = match flags {
        0 | LEGACY_STREAM => DefaultStream::Legacy,
        PER_THREAD_DEFAULT_STREAM => DefaultStream::PerThread,
        _ => return Err(CUerror::INVALID_VALUE),
    };
    // CUDA_ERROR_INVALID_VALUE if version is not one.
    let version = u32::try_from(version).map_err(|_| CUerror::INVALID_VALUE)?;
    later_runtime::asked_for(version);
    // CUDA_ERROR_INVALID_VALUE if version is later than the driver's own.
    if version > driver_version().unsigned_abs() {
        return Err(CUerror::INVALID_VALUE);
    }
    let found = entry_point::find(&symbol.to_string_lossy(), version, stream);
    function.write(found.address.unwrap_or(std::ptr::null_mut()));
    match status {
        // A caller that asks for the status learns from it alone.
        Some(status) => status.write(found.status),
        // CUDA_ERROR_NOT_FOUND if the symbol is unknown or newer than version.
        None if found.address.is_none() => return Err(CUerror::NOT_FOUND),
        None => {}
    }
    Ok(())
}

/// As version 2, without the status.
pub fn cuGetProcAddress(
    symbol: &CStr,
    function: Out<*mut c_void>,
    version: i32,
    flags: u64,
) -> CUresult {
    cuGetProcAddress_v2(symbol, function, version, flags, None)
}

pub fn cuGetExportTable(table: Out<*const c_void>, id: In<CUuuid>) -> CUresult {
    // An unknown table is refused; which ones there are is nowhere documented.
    let found = export_table::find(id.0);
    if found.is_none() {
        // The first table that every runtime asks for is one that is refused.
        later_runtime::begun();
    }
    abi::trace::note(format_args!(
        "export table {}: {}",
        id.0,
        if found.is_some() { "known" } else { "refused" }
    ));
    table.write(found.ok_or(CUerror::INVALID_VALUE)?);
    Ok(())
}
