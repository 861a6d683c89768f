//! Runs PTX kernels on a Vulkan device and on the compiler's interpreter, over
//! equal buffers, and gives back what each wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use compiler::back::spirv::layout::{self, specialization};
use compiler::interpreter::{self, Memory};
use compiler::translate::translate;
use compiler::{CompiledKernel, ModuleSource, Target, compile};
use vulkan::{Allocation, Device, PipelineDescription, Placement};

/// Steps after which the interpreter calls a launch endless.
const STEPS: u64 = 50_000_000;

/// One launch: the shape, the buffers by their first bytes, and numbers.
#[derive(Clone, Debug)]
pub struct Launch {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared: u32,
    pub arguments: Vec<Argument>,
}

impl Launch {
    fn buffers(&self) -> impl Iterator<Item = &[u8]> {
        self.arguments.iter().filter_map(|argument| match argument {
            Argument::Buffer(bytes) => Some(bytes.as_slice()),
            _ => None,
        })
    }
}

/// A kernel's argument.
#[derive(Clone, Debug)]
pub enum Argument {
    /// The address of a buffer that starts with these bytes.
    Buffer(Vec<u8>),
    U32(u32),
    F32(f32),
}

/// The first suitable Vulkan device and what the compiler may use of it.
pub struct Computer {
    pub device: Arc<Device>,
    pub target: Target,
}

impl Computer {
    /// Opens the device; fails the test where there is none.
    pub fn open() -> Self {
        let devices = vulkan::enumerate().expect("a Vulkan driver");
        let physical = devices.first().expect("a suitable Vulkan device");
        let device = Device::open(physical).expect("the device opens");
        let measured = target::Measured::of(&device).expect("the device computes");
        let target = target::of(physical, measured);
        Self { device, target }
    }

    /// Runs a launch on the device and on the interpreter. Returns the buffers
    /// that each left, in the order of the arguments.
    pub fn run(&self, text: &str, kernel: &str, launch: &Launch) -> Outcome {
        let source = ModuleSource::new(text.to_owned()).unwrap_or_else(|e| panic!("{e}"));
        let compiled = compile(&source, kernel, &self.target).unwrap_or_else(|e| panic!("{e}"));
        let buffers = self.upload(launch);
        let addresses: Vec<_> = buffers.iter().map(|(b, _)| b.device_address()).collect();
        self.dispatch(&compiled, launch, &parameters(launch, &addresses));
        let device = buffers.iter().map(|(b, len)| download(b, *len));
        Outcome {
            device: device.collect(),
            expected: interpret(&source, kernel, launch),
        }
    }

    /// The launch's buffers on the device, with their lengths.
    fn upload(&self, launch: &Launch) -> Vec<(Arc<Allocation>, usize)> {
        let buffers = launch.buffers();
        buffers
            .map(|bytes| (self.buffer(bytes), bytes.len()))
            .collect()
    }

    /// An allocation that the host sees, holding these bytes.
    fn buffer(&self, bytes: &[u8]) -> Arc<Allocation> {
        let size = bytes.len().max(4) as u64;
        let buffer = self.device.allocate(size, Placement::Host).expect("memory");
        let pointer = buffer.host_ptr().expect("host memory is mapped");
        // SAFETY: the allocation is mapped and at least as long as the bytes,
        // and no dispatch uses it yet.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), pointer.as_ptr(), bytes.len()) };
        buffer
    }

    fn dispatch(&self, kernel: &CompiledKernel, launch: &Launch, parameters: &[u8]) {
        let [x, y, z] = launch.block;
        let threads = x * y * z;
        let group = match kernel.subgroup_size {
            Some(_) => [
                threads.next_multiple_of(32) / kernel.lanes_per_invocation,
                1,
                1,
            ],
            None => launch.block,
        };
        let shared = kernel.shared_bytes + launch.dynamic_shared;
        let pipeline = self.device.pipeline(&PipelineDescription {
            spirv: &kernel.spirv,
            entry: kernel.entry_point,
            push_constant_size: kernel.push_constant_bytes,
            specialization: &[
                (specialization::WORKGROUP_X, group[0]),
                (specialization::WORKGROUP_Y, group[1]),
                (specialization::WORKGROUP_Z, group[2]),
                (specialization::BLOCK_X, x),
                (specialization::BLOCK_Y, y),
                (specialization::BLOCK_Z, z),
                (
                    specialization::SHARED_WORDS,
                    shared.next_multiple_of(16).max(16) / 4,
                ),
            ],
            subgroup_size: kernel.subgroup_size,
            full_subgroups: kernel.subgroup_size.is_some(),
            dispatch_base: false,
        });
        let pipeline = pipeline.expect("a pipeline");
        let fault = self.buffer(&[0; 4]);
        let shared = self.buffer(&vec![0; layout::SHARED_BUFFER_BYTES as usize]);
        let mut record = [0; 8 * layout::RECORD_VARIABLES as usize];
        for (word, buffer) in [
            (layout::RECORD_FAULT, &fault),
            (layout::RECORD_SHARED, &shared),
        ] {
            let place = 8 * word as usize;
            record[place..place + 8].copy_from_slice(&buffer.device_address().to_le_bytes());
        }
        let module = self.buffer(&record);
        let blocks = launch.grid.iter().product::<u32>();
        let scratch_bytes = u64::from(kernel.scratch_bytes) * u64::from(threads * blocks);
        let scratch = self.buffer(&vec![0; scratch_bytes as usize]);
        let mut record = vec![0; layout::LAUNCH_PARAMETERS as usize];
        record[..8].copy_from_slice(&scratch.device_address().to_le_bytes());
        record.extend(parameters);
        let record = self.buffer(&record);
        let mut push = 0u32.to_le_bytes().to_vec();
        push.extend(launch.grid.iter().flat_map(|d| d.to_le_bytes()));
        push.extend(module.device_address().to_le_bytes());
        push.extend(record.device_address().to_le_bytes());
        if !kernel.parameters_in_memory {
            push.extend(parameters);
        }
        push.resize(kernel.push_constant_bytes as usize, 0);
        let queue = &self.device.queues()[0];
        let timeline = self.device.timeline(0).expect("a timeline");
        let mut recorder = queue.recorder().expect("a recorder");
        recorder
            .dispatch(&pipeline, &push, launch.grid)
            .expect("a dispatch");
        recorder.barrier();
        let commands = recorder.finish().expect("commands");
        queue
            .submit(commands, &[], (&timeline, 1))
            .expect("a submission");
        timeline.wait(1, None).expect("the device finishes");
        assert_eq!(download(&fault, 4), [0; 4], "the kernel trapped");
    }
}

/// What the device and the interpreter left in each buffer.
pub struct Outcome {
    pub device: Vec<Vec<u8>>,
    pub expected: Vec<Vec<u8>>,
}

impl Outcome {
    /// Fails where any byte differs.
    pub fn assert_equal(&self, what: &str) {
        for (index, (device, expected)) in self.device.iter().zip(&self.expected).enumerate() {
            let differs = device.iter().zip(expected).position(|(a, b)| a != b);
            if let Some(at) = differs {
                let word = at / 4 * 4;
                panic!(
                    "{what}: buffer {index} differs at byte {at}: device {:x?}, expected {:x?}",
                    &device[word..(word + 16).min(device.len())],
                    &expected[word..(word + 16).min(expected.len())],
                );
            }
        }
    }
}

fn download(buffer: &Allocation, len: usize) -> Vec<u8> {
    let pointer = buffer.host_ptr().expect("host memory is mapped");
    // SAFETY: the allocation is mapped and at least `len` bytes long, and the
    // device is done with it.
    unsafe { std::slice::from_raw_parts(pointer.as_ptr(), len) }.to_vec()
}

/// What the interpreter leaves in each buffer.
fn interpret(source: &ModuleSource, kernel: &str, launch: &Launch) -> Vec<Vec<u8>> {
    let function = translate(source, kernel).unwrap_or_else(|e| panic!("{e}"));
    let mut memory = Memory::default();
    let addresses: Vec<_> = launch
        .buffers()
        .map(|bytes| memory.allocate(bytes.to_vec()))
        .collect();
    let shape = interpreter::Launch {
        grid: launch.grid,
        block: launch.block,
        parameters: &parameters(launch, &addresses),
        dynamic_shared_bytes: launch.dynamic_shared,
        globals: &BTreeMap::new(),
        max_steps: STEPS,
    };
    interpreter::run(&function, &shape, &mut memory).unwrap_or_else(|e| panic!("{e}"));
    let lengths = launch.buffers().map(<[u8]>::len);
    let buffers = addresses.iter().zip(lengths).map(|(&address, len)| {
        let bytes = memory.read(address, len as u64);
        bytes.expect("the buffer is there").to_vec()
    });
    buffers.collect()
}

/// The parameter buffer: every argument at a multiple of its size.
fn parameters(launch: &Launch, addresses: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut addresses = addresses.iter();
    for argument in &launch.arguments {
        match argument {
            Argument::Buffer(_) => {
                bytes.resize(bytes.len().next_multiple_of(8), 0);
                bytes.extend(addresses.next().expect("an address a buffer").to_le_bytes());
            }
            Argument::U32(value) => bytes.extend(value.to_le_bytes()),
            Argument::F32(value) => bytes.extend(value.to_le_bytes()),
        }
    }
    bytes
}
