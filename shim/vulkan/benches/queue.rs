//! What an API built on this crate pays per operation, on the host. Run by
//! `cargo bench -p vulkan`; each line is the median of many runs.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use rspirv::binary::Assemble;
use rspirv::dr::Builder;
use rspirv::spirv::{
    AddressingModel, Capability, ExecutionMode, ExecutionModel, FunctionControl, MemoryModel,
};
use vulkan::{Device, Pattern, Pipeline, PipelineDescription, Placement, Queue, Timeline};

/// A kernel that does nothing.
fn empty_kernel() -> Vec<u32> {
    let mut builder = Builder::new();
    builder.set_version(1, 5);
    builder.capability(Capability::Shader);
    builder.memory_model(AddressingModel::Logical, MemoryModel::GLSL450);
    let void = builder.type_void();
    let signature = builder.type_function(void, []);
    let main = builder
        .begin_function(void, None, FunctionControl::NONE, signature)
        .expect("a function");
    builder.begin_block(None).expect("a block");
    builder.ret().expect("a return");
    builder.end_function().expect("an end");
    builder.entry_point(ExecutionModel::GLCompute, main, "main", []);
    builder.execution_mode(main, ExecutionMode::LocalSize, [32, 1, 1]);
    builder.module().assemble()
}

struct Bench {
    device: Arc<Device>,
    queue: Queue,
    timeline: Arc<Timeline>,
    pipeline: Arc<Pipeline>,
}

const DISPATCHES: u32 = 1000;

impl Bench {
    fn new() -> Result<Bench, vulkan::Error> {
        let devices = vulkan::enumerate()?;
        let physical = devices.iter().find(|device| device.suitability().is_ok());
        let device = Device::open(physical.expect("a usable device"))?;
        let pipeline = device.pipeline(&PipelineDescription {
            spirv: &empty_kernel(),
            entry: "main",
            push_constant_size: 128,
            ..Default::default()
        })?;
        Ok(Bench {
            queue: device.queues().swap_remove(0),
            timeline: device.timeline(0)?,
            pipeline,
            device,
        })
    }

    /// Nanoseconds to record a dispatch with its barrier, and to run it.
    fn dispatch(&self) -> Result<[u64; 2], vulkan::Error> {
        let start = Instant::now();
        let mut recorder = self.queue.recorder()?;
        for _ in 0..DISPATCHES {
            recorder.dispatch(&self.pipeline, &[0; 128], [1; 3])?;
            recorder.barrier();
        }
        let commands = recorder.finish()?;
        let recorded = start.elapsed();
        let value = self.timeline.value()? + 1;
        self.queue.submit(commands, &[], (&self.timeline, value))?;
        self.timeline.wait(value, None)?;
        let run = start.elapsed() - recorded;
        Ok([recorded, run].map(|time| nanoseconds(time) / u64::from(DISPATCHES)))
    }

    /// Nanoseconds from a recorder to the end of its one dispatch.
    fn round_trip(&self) -> Result<[u64; 2], vulkan::Error> {
        let start = Instant::now();
        let mut recorder = self.queue.recorder()?;
        recorder.dispatch(&self.pipeline, &[0; 128], [1; 3])?;
        let value = self.timeline.value()? + 1;
        self.queue
            .submit(recorder.finish()?, &[], (&self.timeline, value))?;
        let submitted = start.elapsed();
        self.timeline.wait(value, None)?;
        Ok([submitted, start.elapsed()].map(nanoseconds))
    }

    /// Nanoseconds to allocate and free.
    fn allocate(&self, size: u64) -> Result<[u64; 2], vulkan::Error> {
        let start = Instant::now();
        let allocation = self.device.allocate(size, Placement::Device)?;
        let allocated = start.elapsed();
        drop(allocation);
        Ok([allocated, start.elapsed() - allocated].map(nanoseconds))
    }

    /// Nanoseconds to fill 64 MiB, and the MB/s that makes.
    fn fill(&self) -> Result<[u64; 2], vulkan::Error> {
        let memory = self.device.allocate(64 << 20, Placement::Device)?;
        let mut recorder = self.queue.recorder()?;
        recorder.fill(&memory.whole(), Pattern::U32(1))?;
        let commands = recorder.finish()?;
        let value = self.timeline.value()? + 1;
        let start = Instant::now();
        self.queue.submit(commands, &[], (&self.timeline, value))?;
        self.timeline.wait(value, None)?;
        let time = nanoseconds(start.elapsed());
        Ok([time, (64 << 20) * 1000 / time.max(1)])
    }
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn medians(
    runs: usize,
    mut measure: impl FnMut() -> Result<[u64; 2], vulkan::Error>,
) -> Result<[u64; 2], vulkan::Error> {
    let mut samples = [Vec::new(), Vec::new()];
    for _ in 0..runs {
        let pair = measure()?;
        samples
            .iter_mut()
            .zip(pair)
            .for_each(|(all, one)| all.push(one));
    }
    Ok(samples.map(|mut all| {
        all.sort_unstable();
        all[all.len() / 2]
    }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bench = Bench::new()?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} ({})",
        bench.device.physical().name(),
        bench.device.physical().driver().info
    )?;
    let [record, run] = medians(100, || bench.dispatch())?;
    writeln!(
        out,
        "dispatch and barrier: {record} ns to record, {run} ns to run"
    )?;
    let [submit, wait] = medians(500, || bench.round_trip())?;
    writeln!(
        out,
        "one dispatch: submitted after {submit} ns, done after {wait} ns"
    )?;
    for size in [256, 64 << 10, 16 << 20, 1 << 30, 5 << 30] {
        let [allocate, free] = medians(50, || bench.allocate(size))?;
        writeln!(
            out,
            "{size} bytes: {allocate} ns to allocate, {free} ns to free"
        )?;
    }
    let [time, rate] = medians(20, || bench.fill())?;
    writeln!(out, "fill of 64 MiB: {time} ns, {rate} MB/s")?;
    Ok(())
}
