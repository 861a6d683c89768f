//! Safe ownership of Vulkan objects, for compute: devices and what they can
//! do, memory as flat ranges of device addresses, command buffers, timelines,
//! pipelines. The only crate of the workspace that imports `ash`, and it knows
//! nothing of the API that is built on it.
//!
//! ```no_run
//! # fn main() -> Result<(), vulkan::Error> {
//! use vulkan::{Device, Pattern, Placement};
//! let device = Device::open(&vulkan::enumerate()?[0])?;
//! let queue = &device.queues()[0];
//! let memory = device.allocate(1 << 20, Placement::Host)?;
//! let timeline = device.timeline(0)?;
//! let mut recorder = queue.recorder()?;
//! recorder.fill(&memory.whole(), Pattern::U32(7))?;
//! queue.submit(recorder.finish()?, &[], (&timeline, 1))?;
//! timeline.wait(1, None)?;
//! # Ok(()) }
//! ```

mod cache;
mod compute_units;
mod debug;
mod device;
mod driver;
mod error;
mod extensions;
mod features;
mod host_memory;
mod instance;
mod limits;
mod memory;
mod physical_device;
mod pipeline;
mod queue;
mod recorder;
mod self_test;
mod suitability;
mod sync;
mod timeline;
mod timestamp;

pub use device::Device;
pub use driver::{Enumeration, enumerate, enumerate_all};
pub use error::{Error, ResultCode};
pub use features::{
    Atomics, Component, CooperativeMatrix, DotProducts, Features, FloatControls, Independence,
    Widths,
};
pub use limits::{Limits, Subgroup};
pub use memory::{Allocation, HostAccess, Placement, Slice};
pub use physical_device::{
    Driver, Drm, Kind, MemoryBudget, NodeNumber, PciAddress, PhysicalDevice,
};
pub use pipeline::{Pipeline, PipelineDescription};
pub use queue::Queue;
pub use recorder::{Commands, Pattern, Recorder, Rows};
pub use self_test::{
    Accuracy, Arithmetic, Findings, OrderedMatrices, exits_past_barriers, probe_arithmetic,
    probe_matrices, self_test,
};
pub use suitability::Unsuitable;
pub use timeline::Timeline;
pub use timestamp::Timestamp;
