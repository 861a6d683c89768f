//! The options of `cuModuleLoadDataEx` and `cuLibraryLoadData` that have a meaning
//! here: where a failure is described.

use std::ffi::c_void;

use abi::CUerror;
use abi::cuda::CUjit_option;

use crate::core::host_memory;
use crate::handles::{HostPtr, InArray};

/// The buffer for the compiler's errors.
#[derive(Default)]
pub struct JitOptions {
    error_log: Option<HostPtr>,
    error_log_bytes: usize,
    /// Where the number of bytes written goes: the option's own value.
    error_log_written: Option<HostPtr>,
}

impl JitOptions {
    /// Reads `count` options and their values. Options that tune NVIDIA's
    /// compiler are accepted and have no effect.
    ///
    /// # Errors
    /// `INVALID_VALUE` if there are options without arrays.
    pub fn read(
        count: u32,
        options: &InArray<CUjit_option>,
        values: &InArray<*mut c_void>,
    ) -> Result<Self, CUerror> {
        let options = options.with_len(count as usize)?;
        let read = values.with_len(count as usize)?;
        let mut known = Self::default();
        for (index, (option, value)) in options.iter().zip(read).enumerate() {
            match *option {
                CUjit_option::ERROR_LOG_BUFFER => known.error_log = Some(HostPtr(value)),
                CUjit_option::ERROR_LOG_BUFFER_SIZE_BYTES => {
                    known.error_log_bytes = value as usize & u32::MAX as usize;
                    known.error_log_written = Some(values.place(index));
                }
                _ => {}
            }
        }
        Ok(known)
    }

    /// Describes a failure in the caller's buffer, as far as it fits.
    pub fn fill_error_log(&self, message: &str) {
        let Some(buffer) = self.error_log.filter(|buffer| !buffer.is_null()) else {
            return;
        };
        let Some(room) = self.error_log_bytes.checked_sub(1) else {
            return;
        };
        let bytes = &message.as_bytes()[..message.len().min(room)];
        host_memory::write(buffer, bytes);
        host_memory::write(host_memory::offset(buffer, bytes.len() as u64), &[0]);
        if let Some(written) = self.error_log_written {
            let len = if bytes.is_empty() {
                0
            } else {
                bytes.len() as u32 + 1
            };
            host_memory::write(written, &len.to_ne_bytes());
        }
    }
}
