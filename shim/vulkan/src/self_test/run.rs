//! Runs a test shader once.

use std::sync::Arc;
use std::time::Duration;

use super::shader::{ENTRY, PUSH_CONSTANTS};
use crate::device::Device;
use crate::error::Error;
use crate::memory::{Allocation, Placement};
use crate::pipeline::PipelineDescription;

/// No driver needs as long for shaders this small.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs one workgroup over `input` and answers with the `output` words that it
/// wrote, zero where it wrote none.
pub(super) fn run(
    device: &Arc<Device>,
    spirv: &[u32],
    input: &[u64],
    output: usize,
) -> Result<Vec<u64>, Error> {
    let description = PipelineDescription {
        spirv,
        entry: ENTRY,
        push_constant_size: PUSH_CONSTANTS,
        ..Default::default()
    };
    let pipeline = device.pipeline(&description)?;
    let memory = device.allocate(8 * (input.len() + output) as u64, Placement::Host)?;
    let mut words = input.to_vec();
    words.resize(input.len() + output, 0);
    write(device, &memory, &words)?;

    let output_address = memory.device_address() + 8 * input.len() as u64;
    let mut push = memory.device_address().to_ne_bytes().to_vec();
    push.extend(output_address.to_ne_bytes());
    let queues = device.queues();
    let queue = queues
        .first()
        .ok_or_else(|| failed(device, "the device has no queue"))?;
    let mut recorder = queue.recorder()?;
    recorder.dispatch(&pipeline, &push, [1; 3])?;
    recorder.keep(memory.clone());
    let timeline = device.timeline(0)?;
    queue.submit(recorder.finish()?, &[], (&timeline, 1))?;
    if !timeline.wait(1, Some(PATIENCE))? {
        return Err(failed(
            device,
            &format!("a small shader did not end in {PATIENCE:?}"),
        ));
    }
    read(device, &memory, &mut words)?;
    Ok(words.split_off(input.len()))
}

pub(super) fn failed(device: &Device, reason: &str) -> Error {
    Error::SelfTest {
        device: device.physical().name().to_owned(),
        reason: reason.to_owned(),
    }
}

fn write(device: &Device, memory: &Allocation, words: &[u64]) -> Result<(), Error> {
    let pointer = memory
        .host_ptr()
        .ok_or_else(|| failed(device, "host memory is not mapped"))?;
    // SAFETY: the allocation is mapped, aligned to 512, holds all the words,
    // and is not in use.
    unsafe { std::ptr::copy_nonoverlapping(words.as_ptr(), pointer.as_ptr().cast(), words.len()) }
    Ok(())
}

fn read(device: &Device, memory: &Allocation, words: &mut [u64]) -> Result<(), Error> {
    let pointer = memory
        .host_ptr()
        .ok_or_else(|| failed(device, "host memory is not mapped"))?;
    // SAFETY: as above; the device is done with it.
    unsafe {
        std::ptr::copy_nonoverlapping(pointer.as_ptr().cast(), words.as_mut_ptr(), words.len())
    }
    Ok(())
}
