//! The options of `cuModuleLoadDataEx` and `cuLibraryLoadData` that have a meaning
//! here: where failures are described.
//!
//! A caller who gives a buffer for a log wants to know at the load what NVIDIA's
//! compiler would have said there. So the module's kernels are compiled then, and a
//! kernel that cannot be is described, although the load succeeds for the others.

use std::ffi::c_void;
use std::sync::Arc;

use abi::CUerror;
use abi::cuda::CUjit_option;

use crate::core::host_memory;
use crate::core::image::Failure;
use crate::core::module::Module;
use crate::handles::{HostPtr, InArray};

/// What the information log says of kernels that are not compiled at the load.
const LATER: &str = "the module is large, preserved or in no context: its kernels are compiled \
                     when they are asked for, and errors in them are logged then\n";

/// The logs that the caller has buffers for.
#[derive(Default)]
pub struct JitOptions {
    errors: Log,
    information: Log,
}

/// A buffer of the caller's.
#[derive(Default)]
struct Log {
    buffer: Option<HostPtr>,
    bytes: usize,
    /// Where the number of bytes written goes: the option's own value.
    written: Option<HostPtr>,
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
            let bytes = value as usize & u32::MAX as usize;
            let place = values.place(index);
            match *option {
                CUjit_option::ERROR_LOG_BUFFER => known.errors.buffer = Some(HostPtr(value)),
                CUjit_option::ERROR_LOG_BUFFER_SIZE_BYTES => known.errors.limit(bytes, place),
                CUjit_option::INFO_LOG_BUFFER => known.information.buffer = Some(HostPtr(value)),
                CUjit_option::INFO_LOG_BUFFER_SIZE_BYTES => known.information.limit(bytes, place),
                _ => {}
            }
        }
        Ok(known)
    }

    /// Describes an image that cannot be loaded.
    pub fn describe(&self, failure: &Failure) {
        self.errors.fill(&failure.message);
        self.information.fill("");
    }

    /// Describes the kernels of a loaded module that cannot be compiled; a library
    /// has no module where no context is current.
    pub fn describe_kernels(&self, module: impl FnOnce() -> Option<Arc<Module>>) {
        if !self.errors.is_there() && !self.information.is_there() {
            return;
        }
        let failures = module().and_then(|module| module.compile());
        self.information
            .fill(if failures.is_some() { "" } else { LATER });
        let failures = failures.into_iter().flatten();
        let lines = failures.map(|failure| failure.message + "\n");
        self.errors.fill(&lines.collect::<String>());
    }
}

impl Log {
    fn limit(&mut self, bytes: usize, written: HostPtr) {
        self.bytes = bytes;
        self.written = Some(written);
    }

    fn is_there(&self) -> bool {
        self.bytes > 0 && self.buffer.is_some_and(|buffer| !buffer.is_null())
    }

    /// Writes a text, as far as it fits, and its length with the NUL behind it; of
    /// no text that is 0.
    fn fill(&self, text: &str) {
        let Some(buffer) = self.buffer.filter(|_| self.is_there()) else {
            return;
        };
        let bytes = &text.as_bytes()[..text.len().min(self.bytes - 1)];
        host_memory::write(buffer, bytes);
        host_memory::write(host_memory::offset(buffer, bytes.len() as u64), &[0]);
        if let Some(written) = self.written {
            let len = match bytes.len() {
                0 => 0,
                len => len as u32 + 1,
            };
            host_memory::write(written, &len.to_ne_bytes());
        }
    }
}
