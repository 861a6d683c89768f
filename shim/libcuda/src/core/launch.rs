//! Launches: a kernel's parameters, its grid as dispatches, its pipeline's variant.

use std::sync::Arc;

use abi::{CUerror, CUresult};
use compiler::back::spirv::layout;
use compiler::front::Function as Entry;

use crate::core::compiled::{Compiled, Shape};
use crate::core::context::Resources;
use crate::core::function::Function;
use crate::core::host_memory;
use crate::core::kernel_times;
use crate::core::stream::Stream;
use crate::error::cuda_error;
use crate::handles::HostPtr;

/// `CU_LAUNCH_PARAM_END`, `CU_LAUNCH_PARAM_BUFFER_POINTER` and `..._BUFFER_SIZE`.
const PARAM_END: usize = 0;
const PARAM_BUFFER_POINTER: usize = 1;
const PARAM_BUFFER_SIZE: usize = 2;
/// The most parameters that a kernel may have, in bytes.
const MAX_PARAMETERS: usize = 4096;

/// A launch as the caller describes it.
pub struct Launch {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    /// Dynamic shared memory of a block, in bytes.
    pub shared_bytes: u32,
    /// `kernelParams`: a pointer to each parameter.
    pub parameters: HostPtr,
    /// `extra`: a list of keys and values.
    pub extra: HostPtr,
}

impl Launch {
    /// Adds the launch to a stream.
    ///
    /// # Errors
    /// `INVALID_VALUE` if parameters are missing; the status of a kernel that does
    /// not compile or of a device that failed.
    pub fn run(&self, function: &Arc<Function>, stream: &Arc<Stream>) -> CUresult {
        let resources = stream.resources()?;
        resources.flush_prints();
        let compiled = function.compiled()?;
        let shape = Shape::new(self.block, self.shared_bytes, &compiled);
        let pipeline = compiled.pipeline(&resources, shape)?;
        let parameters = Parameters::read(self, function.entry())?;
        let record = compiled.launch_record(&resources, &parameters.bytes, self.threads())?;
        let mut push = Push::new(self.grid, &compiled, record.as_ref());
        if !compiled.kernel().parameters_in_memory {
            push.append(&parameters.bytes);
        }
        let most = resources
            .vulkan
            .physical()
            .limits()
            .workgroup_count_accepted[0];
        stream.record(|recorder| {
            kernel_times::around(&function.entry().name, recorder, |recorder| {
                for (base, count) in slices(self.grid[0], most) {
                    push.set_base(base);
                    let groups = [count, self.grid[1], self.grid[2]];
                    recorder.dispatch(&pipeline, push.bytes(), groups)?;
                }
                Ok(())
            })?;
            if let Some(record) = record {
                record.keep(recorder);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn threads(&self) -> u64 {
        self.grid
            .iter()
            .chain(&self.block)
            .map(|&d| u64::from(d))
            .product()
    }
}

/// The x dimension of a grid in parts that one dispatch takes: first block, count.
fn slices(blocks: u32, most: u32) -> impl Iterator<Item = (u32, u32)> {
    (0..blocks.div_ceil(most)).map(move |n| (n * most, most.min(blocks - n * most)))
}

/// A kernel's parameters in CUDA's layout.
struct Parameters {
    bytes: Vec<u8>,
}

impl Parameters {
    fn read(launch: &Launch, entry: &Entry) -> Result<Self, CUerror> {
        let len = entry.parameter_bytes() as usize;
        let mut bytes = vec![0; len];
        if !launch.extra.is_null() {
            copy_buffer(launch.extra, &mut bytes)?;
        } else if len > 0 {
            copy_each(launch.parameters, entry, &mut bytes)?;
        }
        Ok(Self { bytes })
    }
}

/// `kernelParams`: one pointer a parameter, in order.
fn copy_each(pointers: HostPtr, entry: &Entry, bytes: &mut [u8]) -> CUresult {
    // CUDA_ERROR_INVALID_VALUE if there are no pointers.
    if pointers.is_null() {
        return Err(CUerror::INVALID_VALUE);
    }
    for (index, parameter) in entry.parameters.iter().enumerate() {
        let source = host_memory::pointer_at(pointers, index);
        let start = parameter.offset as usize;
        let end = start + parameter.variable.size() as usize;
        host_memory::read(
            source,
            bytes.get_mut(start..end).ok_or(CUerror::INVALID_VALUE)?,
        )?;
    }
    Ok(())
}

/// `extra`: the buffer that the list names.
fn copy_buffer(extra: HostPtr, bytes: &mut [u8]) -> CUresult {
    let (mut buffer, mut size) = (None, None);
    let mut index = 0;
    loop {
        let key = host_memory::pointer_at(extra, index);
        let value = || host_memory::pointer_at(extra, index + 1);
        match key.0 as usize {
            PARAM_END => break,
            PARAM_BUFFER_POINTER => buffer = Some(value()),
            PARAM_BUFFER_SIZE => size = Some(host_memory::pointer_at(value(), 0).0 as usize),
            // CUDA_ERROR_INVALID_VALUE if there is no such key.
            _ => return Err(CUerror::INVALID_VALUE),
        }
        index += 2;
    }
    // CUDA_ERROR_INVALID_VALUE if buffer or size is missing or does not fit.
    let (Some(buffer), Some(size)) = (buffer, size) else {
        return Err(CUerror::INVALID_VALUE);
    };
    if size < bytes.len() || size > MAX_PARAMETERS {
        return Err(CUerror::INVALID_VALUE);
    }
    host_memory::read(buffer, bytes)
}

/// Push constants: the header of [`layout`], then parameters if they fit.
struct Push {
    bytes: [u8; 256],
    len: usize,
}

impl Push {
    fn new(grid: [u32; 3], compiled: &Compiled, record: Option<&LaunchRecord>) -> Self {
        let mut push = Self {
            bytes: [0; 256],
            len: layout::HEADER_BYTES as usize,
        };
        for (index, blocks) in grid.into_iter().enumerate() {
            push.set(
                layout::GRID_SIZE as usize + 4 * index,
                &blocks.to_le_bytes(),
            );
        }
        push.set(
            layout::MODULE_ADDRESS as usize,
            &compiled.module_record().to_le_bytes(),
        );
        let record = record.map_or(0, LaunchRecord::address);
        push.set(layout::LAUNCH_ADDRESS as usize, &record.to_le_bytes());
        push
    }

    fn set(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    fn set_base(&mut self, base: u32) {
        self.set(layout::GRID_BASE as usize, &base.to_le_bytes());
    }

    /// Adds parameters; push constants come in words.
    fn append(&mut self, parameters: &[u8]) {
        self.set(self.len, parameters);
        self.len = (self.len + parameters.len()).next_multiple_of(4);
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// What a launch needs in memory: parameters that do not fit into push constants,
/// and local memory.
pub struct LaunchRecord {
    slice: vulkan::Slice,
    scratch: Option<Arc<vulkan::Allocation>>,
}

impl LaunchRecord {
    /// Writes a record with `parameters` and `scratch` bytes of local memory.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn write(resources: &Resources, parameters: &[u8], scratch: u64) -> Result<Self, CUerror> {
        let failed = |error: vulkan::Error| resources.note_failure(cuda_error(&error));
        let scratch = (scratch > 0)
            .then(|| {
                resources
                    .vulkan
                    .allocate(scratch, vulkan::Placement::Device)
            })
            .transpose()
            .map_err(failed)?;
        let start = layout::LAUNCH_PARAMETERS as usize;
        let slice = resources
            .records
            .take((start + parameters.len()) as u64)
            .map_err(failed)?;
        let mapped = slice.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
        let mapped = HostPtr(mapped.as_ptr().cast());
        let address = scratch
            .as_ref()
            .map_or(0, |scratch| scratch.device_address());
        let place = |offset: usize| host_memory::offset(mapped, offset as u64);
        host_memory::write(
            place(layout::LAUNCH_SCRATCH as usize),
            &address.to_le_bytes(),
        );
        host_memory::write(place(start), parameters);
        Ok(Self { slice, scratch })
    }

    fn address(&self) -> u64 {
        self.slice.device_address()
    }

    /// Keeps the record's memory until the commands are done.
    fn keep(self, recorder: &mut vulkan::Recorder) {
        recorder.keep(self.slice.allocation().clone());
        if let Some(scratch) = self.scratch {
            recorder.keep(scratch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_grid_is_cut_into_what_a_dispatch_takes() {
        let cut = |blocks, most| slices(blocks, most).collect::<Vec<_>>();
        assert_eq!(cut(1, 65535), [(0, 1)]);
        assert_eq!(cut(65535, 65535), [(0, 65535)]);
        assert_eq!(cut(65536, 65535), [(0, 65535), (65535, 1)]);
        assert_eq!(cut(10, 4), [(0, 4), (4, 4), (8, 2)]);
    }
}
