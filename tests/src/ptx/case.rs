//! A case: a module, its kernels, and what they are launched with.

use std::collections::BTreeMap;

use super::check::Check;
use super::scalar::Scalar;

/// The size of a launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Blocks in x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block in x, y and z.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
}

/// Elements in global memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// Their type.
    pub ty: Scalar,
    /// What they are before the launch.
    pub values: Vec<u64>,
}

impl Buffer {
    /// The elements as memory holds them.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let bytes = |value: &u64| value.to_le_bytes()[..self.ty.bytes()].to_vec();
        self.values.iter().flat_map(bytes).collect()
    }

    /// The elements that memory holds.
    #[must_use]
    pub fn read(ty: Scalar, bytes: &[u8]) -> Vec<u64> {
        let value = |chunk: &[u8]| {
            let bytes = chunk.iter().rev();
            bytes.fold(0u64, |bits, &byte| bits << 8 | u64::from(byte))
        };
        bytes.chunks(ty.bytes()).map(value).collect()
    }
}

/// What a kernel is passed for one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// The address of elements that the kernel reads.
    In(Buffer),
    /// The address of elements that are looked at afterwards.
    Out {
        /// What they are before the launch.
        buffer: Buffer,
        /// How the result is compared.
        check: Check,
        /// What the case's own text says it must be.
        expected: Option<Vec<u64>>,
    },
    /// Bytes, passed by value.
    Value(Vec<u8>),
}

/// One kernel and its launches.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    /// The name of the entry.
    pub name: String,
    /// Its launches; each starts with fresh buffers.
    pub shapes: Vec<Shape>,
    /// Its arguments in order.
    pub arguments: Vec<Argument>,
}

/// A module and its kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The name of the file, or the opcode of a table's forms.
    pub name: String,
    /// The PTX.
    pub text: String,
    /// What is launched.
    pub kernels: Vec<Kernel>,
}

/// The elements of each looked-at buffer, by the name of [`output_name`].
pub type Outputs = BTreeMap<String, Vec<u64>>;

/// What recordings call the buffer of an argument after a launch.
#[must_use]
pub fn output_name(kernel: &Kernel, shape: usize, argument: usize) -> String {
    match kernel.shapes.len() {
        0 | 1 => format!("{} {argument}", kernel.name),
        _ => format!("{} {argument} launch {shape}", kernel.name),
    }
}

impl Kernel {
    /// The buffers that are looked at: the argument's place, elements, check.
    pub fn outputs(&self) -> impl Iterator<Item = (usize, &Buffer, Check, Option<&Vec<u64>>)> {
        self.arguments
            .iter()
            .enumerate()
            .filter_map(|(at, argument)| match argument {
                Argument::Out {
                    buffer,
                    check,
                    expected,
                } => Some((at, buffer, *check, expected.as_ref())),
                _ => None,
            })
    }
}

impl Case {
    /// The compute capability that the module asks for, such as 61.
    #[must_use]
    pub fn sm(&self) -> u32 {
        let target = self.text.split(".target").nth(1).unwrap_or_default();
        let digits = target.trim_start().trim_start_matches("sm_");
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits[..end].parse().unwrap_or(0)
    }

    /// The case without the kernels of these names.
    #[must_use]
    pub fn without(&self, kernels: &[String]) -> Self {
        let mut case = self.clone();
        case.kernels
            .retain(|kernel| !kernels.contains(&kernel.name));
        case
    }

    /// The case with every subnormal float of its inputs replaced by zero: what
    /// a device computes that flushes them.
    #[must_use]
    pub fn flushed(&self) -> Self {
        let mut case = self.clone();
        for kernel in &mut case.kernels {
            for argument in &mut kernel.arguments {
                if let Argument::In(Buffer { ty, values }) = argument {
                    values
                        .iter_mut()
                        .for_each(|value| *value = ty.flushed(*value));
                }
            }
        }
        case
    }

    /// The case without `.ftz`: what a device computes that keeps subnormals.
    #[must_use]
    pub fn unflushed(&self) -> Self {
        Self {
            text: self.text.replace(".ftz", ""),
            ..self.clone()
        }
    }
}
