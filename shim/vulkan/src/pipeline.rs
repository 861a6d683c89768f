//! Compute pipelines.

use std::ffi::CString;
use std::sync::Arc;

use ash::vk;

use crate::device::Device;
use crate::error::{At, Error};

/// What a pipeline is made of.
#[derive(Clone, Debug, Default)]
pub struct PipelineDescription<'a> {
    /// A SPIR-V module. It must be valid: drivers do not check.
    pub spirv: &'a [u32],
    /// The entry point's name.
    pub entry: &'a str,
    /// Size of the push constants, in bytes; a multiple of 4.
    pub push_constant_size: u32,
    /// Specialization constants: id, and the bits of a 32-bit value.
    pub specialization: &'a [(u32, u32)],
    /// The subgroup size that the shader was made for, where it matters.
    pub subgroup_size: Option<u32>,
    /// Demands that every workgroup is made of whole subgroups.
    pub full_subgroups: bool,
    /// Allows dispatches that begin at another workgroup than 0.
    pub dispatch_base: bool,
}

/// A compiled kernel. What it does with the addresses that it is given is
/// beyond this crate's knowledge: a shader can write anywhere on its device.
pub struct Pipeline {
    device: Arc<Device>,
    pipeline: vk::Pipeline,
    layout: vk::PipelineLayout,
    push_constant_size: u32,
    dispatch_base: bool,
}

impl Device {
    /// Compiles a pipeline; what the driver's cache knows is not compiled
    /// again. May be called from many threads at once.
    pub fn pipeline(
        self: &Arc<Self>,
        description: &PipelineDescription<'_>,
    ) -> Result<Arc<Pipeline>, Error> {
        let entry = CString::new(description.entry)
            .map_err(|_| Error::invalid("an entry point with a NUL"))?;
        let layout = self.pipeline_layout(description.push_constant_size)?;
        let compiled = self.compile(description, &entry, layout);
        if compiled.is_err() {
            // SAFETY: the layout is ours alone.
            unsafe { self.raw().destroy_pipeline_layout(layout, None) }
        }
        let (pipeline, push_constant_size) = (compiled?, description.push_constant_size);
        Ok(Arc::new(Pipeline {
            device: self.clone(),
            pipeline,
            layout,
            push_constant_size,
            dispatch_base: description.dispatch_base,
        }))
    }

    fn pipeline_layout(&self, size: u32) -> Result<vk::PipelineLayout, Error> {
        let most = self.physical().limits().push_constants;
        if size > most || !size.is_multiple_of(4) {
            return Err(Error::invalid(format!(
                "{size} bytes of push constants; the device has {most}"
            )));
        }
        let ranges = [vk::PushConstantRange {
            stage_flags: vk::ShaderStageFlags::COMPUTE,
            offset: 0,
            size,
        }];
        let ranges = if size == 0 { &[][..] } else { &ranges };
        let info = vk::PipelineLayoutCreateInfo::default().push_constant_ranges(ranges);
        // SAFETY: the device is live; the range is within its limits.
        unsafe { self.raw().create_pipeline_layout(&info, None) }.at("vkCreatePipelineLayout")
    }

    fn compile(
        &self,
        description: &PipelineDescription<'_>,
        entry: &CString,
        layout: vk::PipelineLayout,
    ) -> Result<vk::Pipeline, Error> {
        self.check_subgroup(description)?;
        let info = vk::ShaderModuleCreateInfo::default().code(description.spirv);
        // SAFETY: the caller's module is valid SPIR-V.
        let module =
            unsafe { self.raw().create_shader_module(&info, None) }.at("vkCreateShaderModule")?;
        let result = self.compile_stage(description, entry, layout, module);
        // SAFETY: a pipeline does not need its module.
        unsafe { self.raw().destroy_shader_module(module, None) };
        result
    }

    fn compile_stage(
        &self,
        description: &PipelineDescription<'_>,
        entry: &CString,
        layout: vk::PipelineLayout,
        module: vk::ShaderModule,
    ) -> Result<vk::Pipeline, Error> {
        let entries: Vec<_> = (0..)
            .zip(description.specialization)
            .map(|(n, &(constant_id, _))| vk::SpecializationMapEntry {
                constant_id,
                offset: n * 4,
                size: 4,
            })
            .collect();
        let data: Vec<u8> = description
            .specialization
            .iter()
            .flat_map(|(_, bits)| bits.to_ne_bytes())
            .collect();
        let specialization = vk::SpecializationInfo::default()
            .map_entries(&entries)
            .data(&data);
        let mut flags = vk::PipelineShaderStageCreateFlags::empty();
        if description.full_subgroups {
            flags |= vk::PipelineShaderStageCreateFlags::REQUIRE_FULL_SUBGROUPS;
        }
        let mut size = vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo::default();
        let mut stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(entry)
            .flags(flags)
            .specialization_info(&specialization);
        if let Some(subgroup_size) = description.subgroup_size {
            size = size.required_subgroup_size(subgroup_size);
            stage = stage.push_next(&mut size);
        }
        let flags = match description.dispatch_base {
            true => vk::PipelineCreateFlags::DISPATCH_BASE,
            false => vk::PipelineCreateFlags::empty(),
        };
        let info = [vk::ComputePipelineCreateInfo::default()
            .flags(flags)
            .stage(stage)
            .layout(layout)];
        let cache = self.pipeline_cache().shared();
        // SAFETY: module, layout and cache are live; the cache is locked for
        // shared use.
        match unsafe { self.raw().create_compute_pipelines(*cache, &info, None) } {
            Ok(pipelines) => Ok(pipelines[0]),
            Err((_, result)) => Err(Error::of("vkCreateComputePipelines", result)),
        }
    }

    fn check_subgroup(&self, description: &PipelineDescription<'_>) -> Result<(), Error> {
        let (subgroup, features) = (self.physical().subgroup(), self.physical().features());
        if description.full_subgroups && !features.full_subgroups {
            return Err(Error::FeatureNotPresent {
                feature: "workgroups of full subgroups".into(),
            });
        }
        match description.subgroup_size {
            Some(size) if !subgroup.takes(size) => Err(Error::FeatureNotPresent {
                feature: format!("subgroups of {size} lanes"),
            }),
            _ => Ok(()),
        }
    }
}

impl Pipeline {
    pub fn device(&self) -> &Arc<Device> {
        &self.device
    }

    pub(crate) fn check_push(&self, push: &[u8]) -> Result<(), Error> {
        let most = self.push_constant_size as usize;
        if push.len() > most || !push.len().is_multiple_of(4) {
            return Err(Error::invalid(format!(
                "{} bytes of push constants to a pipeline with {most}",
                push.len()
            )));
        }
        Ok(())
    }

    pub(crate) fn check_base(&self, base: [u32; 3]) -> Result<(), Error> {
        if base != [0; 3] && !self.dispatch_base {
            return Err(Error::invalid(
                "a dispatch that begins behind workgroup 0, of a pipeline made without",
            ));
        }
        Ok(())
    }

    pub(crate) fn raw(&self) -> vk::Pipeline {
        self.pipeline
    }

    pub(crate) fn layout(&self) -> vk::PipelineLayout {
        self.layout
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // SAFETY: pending commands hold the pipeline, so none names it now.
        unsafe {
            self.device.raw().destroy_pipeline(self.pipeline, None);
            self.device.raw().destroy_pipeline_layout(self.layout, None);
        }
    }
}
