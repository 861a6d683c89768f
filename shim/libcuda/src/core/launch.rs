//! Launches: a kernel's parameters, its grid as dispatches, its pipeline's variant.

use std::sync::Arc;

use abi::{CUerror, CUresult};
use compiler::back::spirv::layout;
use compiler::front::Function as Entry;

use crate::core::compiled::{Compiled, Shape};
use crate::core::context::{Owned, Resources};
use crate::core::function::Function;
use crate::core::host_memory;
use crate::core::image::Failure;
use crate::core::kernel_times;
use crate::core::module::report;
use crate::core::stream::Stream;
use crate::error::cuda_error;
use crate::handles::HostPtr;

/// `CU_LAUNCH_PARAM_END`, `CU_LAUNCH_PARAM_BUFFER_POINTER` and `..._BUFFER_SIZE`.
const PARAM_END: usize = 0;
const PARAM_BUFFER_POINTER: usize = 1;
const PARAM_BUFFER_SIZE: usize = 2;
/// The most parameters that a kernel may have, in bytes.
const MAX_PARAMETERS: usize = 4096;
/// Local memory of a launch in bytes, unless the device's threads need more at a
/// time. A grid that needs more runs in parts.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Threads that a multiprocessor runs at a time.
const RESIDENT_THREADS: u64 = 2048;
/// Blocks of a part that needs local memory: a thread computes its block's number
/// in 32 bits, see [`Part::first_number`].
const SCRATCH_BLOCKS: u64 = 1 << 15;

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
        let parameters = Parameters::read(self, function.entry())?;
        let compiled = function.compiled()?;
        let shape = Shape::new(self.block, self.shared_bytes, &compiled);
        let pipeline = compiled.pipeline(&resources, shape)?;
        let most = resources
            .vulkan
            .physical()
            .limits()
            .workgroup_count_accepted[0];
        let scratch = self.scratch(&resources, stream, &compiled)?;
        let blocks = scratch.as_ref().map_or(u64::MAX, |scratch| scratch.blocks);
        let parts = Part::of_grid(self.grid, most, blocks).collect::<Vec<_>>();
        let records = parts
            .iter()
            .map(|part| compiled.launch_record(&resources, &parameters.bytes, &scratch, part))
            .collect::<Result<Vec<_>, CUerror>>()?;
        stream.record_launch(compiled.name(), |recorder| {
            kernel_times::around(&function.entry().name, recorder, |recorder| {
                for (number, (part, record)) in parts.iter().zip(&records).enumerate() {
                    if number > 0 && scratch.is_some() {
                        recorder.barrier();
                    }
                    let mut push = Push::new(self.grid, &compiled, record.as_ref());
                    if !compiled.kernel().parameters_in_memory {
                        push.append(&parameters.bytes);
                    }
                    push.set_base(part.first[0]);
                    let base = [0, part.first[1], part.first[2]];
                    recorder.dispatch_from(&pipeline, push.bytes(), base, part.blocks)?;
                }
                Ok(())
            })?;
            for record in records.iter().flatten() {
                recorder.keep(record.slice.allocation().clone());
            }
            if let Some(scratch) = scratch {
                recorder.keep(scratch.memory);
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Local memory for as many blocks as a dispatch will have.
    fn scratch(
        &self,
        resources: &Resources,
        stream: &Stream,
        compiled: &Compiled,
    ) -> Result<Option<Scratch>, CUerror> {
        let thread = u64::from(compiled.kernel().scratch_bytes);
        let block = thread * self.block.iter().map(|&d| u64::from(d)).product::<u64>();
        if block == 0 {
            return Ok(None);
        }
        let units = u64::from(resources.device.traits().compute_units);
        let most = (units * RESIDENT_THREADS * thread).max(SCRATCH_BYTES);
        let grid = self.grid.iter().map(|&d| u64::from(d));
        let grid = grid.fold(1, u64::saturating_mul).min(SCRATCH_BLOCKS);
        let mut blocks = (most / block).clamp(1, grid);
        loop {
            match stream.scratch(resources, blocks * block) {
                Ok(memory) => {
                    return Ok(Some(Scratch {
                        memory,
                        blocks,
                        block,
                    }));
                }
                // Fewer at a time take longer, and do as well.
                Err(_) if blocks > 1 => blocks /= 2,
                Err(error) => return Err(resources.note_failure(cuda_error(&error))),
            }
        }
    }
}

/// Local memory that a stream's launches use one after another.
pub struct Scratch {
    memory: Arc<vulkan::Allocation>,
    /// Blocks that it is enough for.
    blocks: u64,
    /// Bytes of a block.
    block: u64,
}

/// A part of a grid that one dispatch takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    first: [u32; 3],
    blocks: [u32; 3],
}

impl Part {
    /// The parts of a grid, where a dispatch takes `most_x` blocks in x and `most`
    /// in all.
    fn of_grid(grid: [u32; 3], most_x: u32, most: u64) -> impl Iterator<Item = Self> {
        let fit = |wanted: u32, room: u64| u64::from(wanted).min(room.max(1)) as u32;
        let x = fit(grid[0].min(most_x), most);
        let y = fit(grid[1], most / u64::from(x));
        let z = fit(grid[2], most / (u64::from(x) * u64::from(y)));
        let size = [x, y, z];
        let steps = [0, 1, 2].map(|d| grid[d].div_ceil(size[d]));
        let firsts = (0..steps[2]).flat_map(move |z| {
            (0..steps[1]).flat_map(move |y| (0..steps[0]).map(move |x| [x, y, z]))
        });
        firsts.map(move |step| {
            let first = [0, 1, 2].map(|d| step[d] * size[d]);
            let blocks = [0, 1, 2].map(|d| size[d].min(grid[d] - first[d]));
            Self { first, blocks }
        })
    }

    /// The number that a thread of the part's first block takes its block for when
    /// it looks for its local memory: numbers in y and z start at the grid's, and
    /// in x at the part's.
    fn first_number(&self) -> u64 {
        let [_, y, z] = self.first.map(u64::from);
        let [width, height, _] = self.blocks.map(u64::from);
        (z * height + y) * width
    }
}

/// A kernel's parameters in CUDA's layout.
struct Parameters {
    bytes: Vec<u8>,
}

impl Parameters {
    fn read(launch: &Launch, entry: &Entry) -> Result<Self, CUerror> {
        let len = entry.parameter_bytes() as usize;
        let mut bytes = vec![0; len];
        let copied = match launch.extra.is_null() {
            false => copy_buffer(launch.extra, &mut bytes),
            true if len > 0 => copy_each(launch.parameters, entry, &mut bytes),
            true => Ok(()),
        };
        copied.map_err(|why| refused(entry, &why))?;
        Ok(Self { bytes })
    }
}

/// `kernelParams`: one pointer a parameter, in order.
fn copy_each(pointers: HostPtr, entry: &Entry, bytes: &mut [u8]) -> Result<(), String> {
    // CUDA_ERROR_INVALID_VALUE if there are no pointers.
    if pointers.is_null() {
        return Err(format!(
            "kernelParams is null, the kernel takes {} parameters",
            entry.parameters.len()
        ));
    }
    for (index, parameter) in entry.parameters.iter().enumerate() {
        let source = host_memory::pointer_at(pointers, index);
        let start = parameter.offset as usize;
        let end = start + parameter.variable.size() as usize;
        let place = bytes.get_mut(start..end);
        let copied = place.map(|place| host_memory::read(source, place));
        // CUDA_ERROR_INVALID_VALUE if one of them is null.
        if !matches!(copied, Some(Ok(()))) {
            return Err(format!("kernelParams[{index}] is null"));
        }
    }
    Ok(())
}

/// `extra`: the buffer that the list names.
fn copy_buffer(extra: HostPtr, bytes: &mut [u8]) -> Result<(), String> {
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
            key => return Err(format!("extra has no key {key}")),
        }
        index += 2;
    }
    // CUDA_ERROR_INVALID_VALUE if buffer or size is missing or does not fit.
    let (Some(buffer), Some(size)) = (buffer, size) else {
        return Err("extra names no buffer, or no size of it".to_owned());
    };
    if size < bytes.len() || size > MAX_PARAMETERS {
        let needed = bytes.len();
        return Err(format!(
            "the parameters are {size} bytes, the kernel takes {needed}"
        ));
    }
    host_memory::read(buffer, bytes).map_err(|_| "the buffer of extra is null".to_owned())
}

/// Says why a launch is refused: the status is `INVALID_VALUE`.
pub fn refused(entry: &Entry, why: &str) -> CUerror {
    let message = format!("a launch of kernel `{}`: {why}", entry.name);
    report(&Failure::new(CUerror::INVALID_VALUE, message))
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

/// What a dispatch needs in memory: parameters that do not fit into push constants,
/// and where local memory is.
pub struct LaunchRecord {
    slice: vulkan::Slice,
}

impl LaunchRecord {
    /// Writes the record of a part of a launch.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn write(
        resources: &Resources,
        parameters: &[u8],
        scratch: &Option<Scratch>,
        part: &Part,
    ) -> Result<Self, CUerror> {
        let start = layout::LAUNCH_PARAMETERS as usize;
        let slice = resources
            .records
            .take((start + parameters.len()) as u64)
            .map_err(|error| resources.note_failure(cuda_error(&error)))?;
        let mapped = slice.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
        let mapped = HostPtr(mapped.as_ptr().cast());
        let address = scratch.as_ref().map_or(0, |scratch| {
            let before = part.first_number() * scratch.block;
            scratch.memory.device_address().wrapping_sub(before)
        });
        let place = |offset: usize| host_memory::offset(mapped, offset as u64);
        host_memory::write(
            place(layout::LAUNCH_SCRATCH as usize),
            &address.to_le_bytes(),
        );
        host_memory::write(place(start), parameters);
        Ok(Self { slice })
    }

    fn address(&self) -> u64 {
        self.slice.device_address()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(grid: [u32; 3], most_x: u32, most: u64) -> Vec<([u32; 3], [u32; 3])> {
        let parts = Part::of_grid(grid, most_x, most);
        parts.map(|part| (part.first, part.blocks)).collect()
    }

    #[test]
    fn a_large_grid_is_cut_into_what_a_dispatch_takes() {
        let cut = |blocks, most| {
            let parts = parts([blocks, 7, 9], most, u64::MAX);
            let in_x = |(first, blocks): ([u32; 3], [u32; 3])| {
                assert_eq!((&first[1..], &blocks[1..]), (&[0, 0][..], &[7, 9][..]));
                (first[0], blocks[0])
            };
            parts.into_iter().map(in_x).collect::<Vec<_>>()
        };
        assert_eq!(cut(1, 65535), [(0, 1)]);
        assert_eq!(cut(65535, 65535), [(0, 65535)]);
        assert_eq!(cut(65536, 65535), [(0, 65535), (65535, 1)]);
        assert_eq!(cut(10, 4), [(0, 4), (4, 4), (8, 2)]);
    }

    #[test]
    fn parts_cover_each_block_once_and_none_is_larger_than_allowed() {
        for grid in [[1, 1, 1], [7, 5, 3], [1, 40, 1], [3, 1, 50], [64, 64, 2]] {
            for most in [1, 2, 7, 16, 100, 5000] {
                let mut seen = std::collections::HashSet::new();
                for (first, blocks) in parts(grid, 48, most) {
                    let count = blocks.iter().map(|&d| u64::from(d)).product::<u64>();
                    assert!(count <= most && blocks[0] <= 48, "{grid:?} by {most}");
                    for (z, y, x) in (0..blocks[2]).flat_map(|z| {
                        (0..blocks[1]).flat_map(move |y| (0..blocks[0]).map(move |x| (z, y, x)))
                    }) {
                        assert!(seen.insert([first[0] + x, first[1] + y, first[2] + z]));
                    }
                }
                assert_eq!(
                    seen.len() as u32,
                    grid.iter().product::<u32>(),
                    "{grid:?} by {most}"
                );
            }
        }
    }

    #[test]
    fn numbers_of_blocks_with_local_memory_fit_a_word() {
        for grid in [
            [1, 65535, 65535],
            [32768, 65535, 65535],
            [181, 65535, 65535],
        ] {
            let [x, y, z] = grid;
            let part = Part::of_grid(grid, x, SCRATCH_BLOCKS).next().unwrap();
            let last = Part {
                first: [0, y - 1, z - 1],
                ..part
            };
            let end =
                last.first_number() + part.blocks.iter().map(|&d| u64::from(d)).product::<u64>();
            assert!(end <= 1 << 32, "{grid:?}: {end}");
        }
    }
}
