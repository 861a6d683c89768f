//! Compiled kernels: SPIR-V, the pipelines made of it, and the memory that every
//! launch of the kernel shares.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use abi::{CUerror, trace};
use compiler::CompiledKernel;
use compiler::back::spirv::layout::{self, specialization};

use crate::core::context::Resources;
use crate::core::launch::{LaunchRecord, Part, Scratch};
use crate::core::pipeline_cache;
use crate::error::cuda_error;
use crate::handles::HostPtr;

/// Lanes of a warp.
const WARP: u32 = 32;
/// Dynamic shared memory is rounded up to a multiple of this many bytes, so that
/// sizes which differ a little share a pipeline.
const SHARED_CLASS: u32 = 1024;

/// A kernel, compiled for a device.
pub struct Compiled {
    name: Arc<str>,
    kernel: Arc<CompiledKernel>,
    /// The addresses that all launches share: see `layout`.
    record: Arc<vulkan::Allocation>,
    pipelines: Mutex<HashMap<Shape, Arc<vulkan::Pipeline>>>,
}

/// What a pipeline is specialized for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    block: [u32; 3],
    /// Shared memory in words, static and dynamic.
    shared_words: u32,
}

impl Shape {
    pub fn new(block: [u32; 3], dynamic_shared: u32, compiled: &Compiled) -> Self {
        let dynamic = dynamic_shared.next_multiple_of(SHARED_CLASS);
        let bytes = compiled.kernel.shared_bytes + dynamic;
        Self {
            block,
            shared_words: bytes.div_ceil(16) * 4,
        }
    }

    /// The workgroup: a kernel that observes its warp runs whole warps in one
    /// dimension, several threads an invocation where subgroups are narrow.
    fn workgroup(self, kernel: &CompiledKernel) -> [u32; 3] {
        match kernel.subgroup_size {
            None => self.block,
            Some(_) => [
                self.block.iter().product::<u32>().next_multiple_of(WARP)
                    / kernel.lanes_per_invocation,
                1,
                1,
            ],
        }
    }
}

impl Compiled {
    /// Joins a compiled kernel with the addresses of what it names.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn new(
        resources: &Resources,
        name: &str,
        kernel: Arc<CompiledKernel>,
        variables: &[u64],
    ) -> Result<Self, CUerror> {
        let words = layout::RECORD_VARIABLES as usize + variables.len();
        let record = resources
            .vulkan
            .allocate(8 * words as u64, vulkan::Placement::Upload);
        let record = record.map_err(|error| resources.note_failure(cuda_error(&error)))?;
        let mapped = record.host_ptr().ok_or(CUerror::OUT_OF_MEMORY)?;
        let mapped = HostPtr(mapped.as_ptr().cast());
        let mut contents = vec![0; words];
        contents[layout::RECORD_FAULT as usize] = resources.trap_address();
        if kernel.prints {
            contents[layout::RECORD_PRINT as usize] = resources.print_buffer()?;
        }
        let messages = resources.adopt_traps(name, &kernel);
        contents[layout::RECORD_MESSAGES as usize] = u64::from(messages);
        if kernel.shared_in_buffer {
            contents[layout::RECORD_SHARED as usize] = resources.shared_buffer()?;
        }
        contents[layout::RECORD_VARIABLES as usize..].copy_from_slice(variables);
        let bytes = contents
            .iter()
            .flat_map(|word: &u64| word.to_le_bytes())
            .collect::<Vec<_>>();
        crate::core::host_memory::write(mapped, &bytes);
        Ok(Self {
            name: name.into(),
            kernel,
            record,
            pipelines: Mutex::default(),
        })
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn kernel(&self) -> &CompiledKernel {
        &self.kernel
    }

    /// The device address of what all launches share.
    pub fn module_record(&self) -> u64 {
        self.record.device_address()
    }

    /// What a dispatch needs in memory, if anything.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`.
    pub fn launch_record(
        &self,
        resources: &Resources,
        parameters: &[u8],
        scratch: &Option<Scratch>,
        part: &Part,
    ) -> Result<Option<LaunchRecord>, CUerror> {
        if !self.kernel.parameters_in_memory && scratch.is_none() {
            return Ok(None);
        }
        let parameters = if self.kernel.parameters_in_memory {
            parameters
        } else {
            &[]
        };
        LaunchRecord::write(resources, parameters, scratch, part).map(Some)
    }

    /// The pipeline for a shape, made at its first launch.
    ///
    /// # Errors
    /// The status of a driver that cannot make it.
    pub fn pipeline(
        &self,
        resources: &Resources,
        shape: Shape,
    ) -> Result<Arc<vulkan::Pipeline>, CUerror> {
        let mut pipelines = self
            .pipelines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = pipelines.get(&shape) {
            return Ok(pipeline.clone());
        }
        let pipeline = self.make_pipeline(resources, shape)?;
        pipelines.insert(shape, pipeline.clone());
        Ok(pipeline)
    }

    fn make_pipeline(
        &self,
        resources: &Resources,
        shape: Shape,
    ) -> Result<Arc<vulkan::Pipeline>, CUerror> {
        let start = std::time::Instant::now();
        let workgroup = shape.workgroup(&self.kernel);
        let specialization = [
            (specialization::WORKGROUP_X, workgroup[0]),
            (specialization::WORKGROUP_Y, workgroup[1]),
            (specialization::WORKGROUP_Z, workgroup[2]),
            (specialization::BLOCK_X, shape.block[0]),
            (specialization::BLOCK_Y, shape.block[1]),
            (specialization::BLOCK_Z, shape.block[2]),
            (specialization::SHARED_WORDS, shape.shared_words.max(4)),
        ];
        pipeline_cache::load(resources.device, &resources.vulkan);
        let physical = resources.vulkan.physical();
        let observes_warp = self.kernel.subgroup_size.is_some();
        let selectable = physical.subgroup().size_selectable;
        let pipeline = resources.vulkan.pipeline(&vulkan::PipelineDescription {
            spirv: &self.kernel.spirv,
            entry: self.kernel.entry_point,
            push_constant_size: self.kernel.push_constant_bytes,
            specialization: &specialization,
            subgroup_size: self.kernel.subgroup_size.filter(|_| selectable),
            full_subgroups: observes_warp && physical.features().full_subgroups,
            // Such launches run in parts.
            dispatch_base: self.kernel.scratch_bytes > 0,
        });
        pipeline_cache::note_new(resources.device, &resources.vulkan);
        trace::note(format_args!(
            "kernel {}: pipeline for blocks of {:?} in {:.1} ms",
            self.name,
            shape.block,
            start.elapsed().as_secs_f64() * 1e3
        ));
        pipeline.map_err(|error| resources.note_failure(cuda_error(&error)))
    }
}
