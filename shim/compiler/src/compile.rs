//! The whole way from a kernel's name to words for a device.

use serde::{Deserialize, Serialize};

use crate::back::spirv;
use crate::back::spirv::layout::{self, fault};
use crate::front;
use crate::ir::{BlockId, Function, Op};
use crate::loops::Irreducible;
use crate::pass;
use crate::print::Message;
use crate::source::ModuleSource;
use crate::target::Target;
use crate::translate::translate;
use crate::verify::{VerifyError, verify};

/// A kernel that a device can run, and what its launch must provide. The
/// contract of push constants, records and specialization constants is
/// [`layout`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompiledKernel {
    /// The SPIR-V module.
    pub spirv: Vec<u32>,
    /// The name of its entry point, always the same.
    #[serde(skip, default = "entry_point")]
    pub entry_point: &'static str,
    /// Bytes of push constants that the kernel reads.
    pub push_constant_bytes: u32,
    /// Bytes of the kernel's parameters.
    pub parameter_bytes: u32,
    /// Whether the parameters lie in the launch record rather than in push
    /// constants.
    pub parameters_in_memory: bool,
    /// Bytes of shared memory with a fixed size; dynamic shared memory follows.
    pub shared_bytes: u32,
    /// Whether the kernel uses dynamic shared memory.
    pub dynamic_shared: bool,
    /// Whether shared memory lies in the buffer that the module record names.
    pub shared_in_buffer: bool,
    /// Bytes of local memory in the scratch buffer for each thread; 0 for none.
    pub scratch_bytes: u32,
    /// The subgroup size that the pipeline must require, and with it
    /// one-dimensional workgroups of whole warps; `None` where the kernel
    /// cannot tell and a workgroup has the block's shape.
    pub subgroup_size: Option<u32>,
    /// Threads that one invocation carries: where `subgroup_size` is given, a
    /// workgroup has the block's threads, rounded up to warps of 32, divided by
    /// this.
    pub lanes_per_invocation: u32,
    /// The module's variables whose addresses the module record lists.
    pub variables: Vec<String>,
    /// Whether the kernel writes to the print buffer.
    pub prints: bool,
    /// What the kernel says before it traps, by the numbers that it counts from
    /// [`layout::RECORD_MESSAGES`].
    pub messages: Vec<Message>,
    /// The PTX lines of its other traps, by the numbers that follow.
    pub traps: Vec<String>,
}

fn entry_point() -> &'static str {
    spirv::ENTRY_POINT
}

/// Why a kernel was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The PTX is wrong, or uses what the compiler lacks.
    #[error("kernel `{kernel}`: {error}")]
    Ptx {
        /// The kernel.
        kernel: String,
        /// Place and reason.
        error: front::Error,
    },
    /// The control flow has no structure.
    #[error("kernel `{kernel}`: {error}, at: {place}")]
    Structure {
        /// The kernel.
        kernel: String,
        /// The reason.
        error: pass::StructurizeError,
        /// The PTX line of an instruction in the loop, or of the kernel's first.
        place: String,
    },
    /// The target lacks something.
    #[error("kernel `{kernel}`: {error}, at: {place}")]
    Target {
        /// The kernel.
        kernel: String,
        /// What is missing.
        error: spirv::Error,
        /// The PTX line of the instruction.
        place: String,
    },
    /// The compiler made something invalid: its own fault.
    #[error(transparent)]
    Internal(#[from] VerifyError),
}

/// Compiles one kernel of a module for a target.
///
/// # Errors
/// [`Error`]; other kernels of the module are not affected.
pub fn compile(
    source: &ModuleSource,
    kernel: &str,
    target: &Target,
) -> Result<CompiledKernel, Error> {
    let Lowered {
        mut function,
        messages,
        traps,
    } = lower_for(source, kernel, Some(target))?;
    emulate_floats(&mut function, target);
    let observes_warp = spirv::observes_warp(&function);
    let lanes = match (observes_warp, target.subgroup_size) {
        (true, size @ (4 | 8 | 16)) => {
            let replicated = pass::replicate(&mut function, size);
            replicated.map_err(|error| replicate_error(source, kernel, error))?;
            pass::simplify(&mut function);
            pass::eliminate_dead_code(&mut function);
            verify(&function)?;
            32 / size
        }
        _ => 1,
    };
    if observes_warp && target.subgroup_size * lanes != 32 {
        let error = spirv::Error::Unsupported {
            op: "a warp".to_owned(),
            reason: "subgroups are wider than 32 or narrower than 4",
            offset: 0,
        };
        return Err(target_error(source, kernel, error));
    }
    if target.shared_in_buffer {
        pass::place_shared(&mut function);
    }
    pass::eliminate_common_subexpressions(&mut function);
    verify(&function)?;
    let output =
        spirv::write(&function, target).map_err(|error| target_error(source, kernel, error))?;
    let any = |op: Op| {
        function
            .blocks
            .iter()
            .flat_map(|b| &b.instructions)
            .any(|i| i.op == op)
    };
    let inline = if output.parameters_in_memory {
        0
    } else {
        function.parameter_bytes
    };
    Ok(CompiledKernel {
        entry_point: spirv::ENTRY_POINT,
        push_constant_bytes: (layout::HEADER_BYTES + inline).next_multiple_of(4),
        parameter_bytes: function.parameter_bytes,
        parameters_in_memory: output.parameters_in_memory,
        shared_bytes: function.shared_bytes,
        dynamic_shared: function.dynamic_shared,
        shared_in_buffer: any(Op::SharedBase),
        scratch_bytes: if any(Op::Scratch) {
            spirv::scratch_stride(&function)
        } else {
            0
        },
        subgroup_size: observes_warp.then_some(target.subgroup_size),
        lanes_per_invocation: lanes,
        prints: any(Op::PrintBuffer),
        messages,
        traps,
        variables: function.globals,
        spirv: output.words,
    })
}

/// Writes out what the device does otherwise than PTX: of f64 always, of f32 where
/// results shall be exact.
fn emulate_floats(function: &mut Function, target: &Target) {
    if target.exact {
        pass::emulate_flushes(function);
        if !target.fused_multiply_add {
            pass::emulate_fused_f32(function);
        }
        if !target.keeps_subnormals {
            pass::emulate_subnormals(function);
        }
        pass::emulate_functions(function);
    }
    if !target.fused_multiply_add {
        pass::emulate_fused_f64(function);
    }
}

/// A kernel as the back end reads it: translated, lowered, structured.
///
/// # Errors
/// All of [`Error`] but [`Error::Target`].
pub fn lower(source: &ModuleSource, kernel: &str) -> Result<Function, Error> {
    lower_for(source, kernel, None).map(|lowered| lowered.function)
}

/// A kernel before it is made for a target, and what its traps say.
struct Lowered {
    function: Function,
    messages: Vec<Message>,
    traps: Vec<String>,
}

fn lower_for(
    source: &ModuleSource,
    kernel: &str,
    target: Option<&Target>,
) -> Result<Lowered, Error> {
    let mut function = translate(source, kernel).map_err(|error| Error::Ptx {
        kernel: kernel.to_owned(),
        error,
    })?;
    verify(&function)?;
    pass::simplify(&mut function);
    let texts = |name: &str| source.initial_bytes(name);
    let messages = pass::lower_print(&mut function, &texts)
        .map_err(|error| unlowered(source, kernel, &error))?;
    let traps = number_traps(&mut function, fault::MESSAGES + messages.len() as u32);
    let traps = traps.iter().map(|&at| source.line(at as usize)).collect();
    pass::remove_unreachable_blocks(&mut function);
    pass::eliminate_dead_code(&mut function);
    pass::place_local(&mut function);
    pass::infer_address_space(&mut function);
    pass::split_generic(&mut function);
    pass::lower_barrier_reduction(&mut function);
    let is_native = |product| target.is_some_and(|target| spirv::is_native(product, target));
    pass::lower_matrix_product(&mut function, is_native);
    pass::lower_match(&mut function);
    pass::legalize(&mut function);
    pass::simplify(&mut function);
    pass::eliminate_dead_code(&mut function);
    if let Some(target) = target {
        pass::lower_partial_barrier(&mut function, target.barriers_need_all);
    }
    verify(&function)?;
    if spirv::observes_warp(&function) {
        pass::retire_surplus_threads(&mut function);
    }
    pass::lower_switch(&mut function);
    pass::remove_unreachable_blocks(&mut function);
    pass::structurize(&mut function)
        .map_err(|error| unstructured(source, kernel, &function, error))?;
    verify(&function)?;
    Ok(Lowered {
        function,
        messages,
        traps,
    })
}

/// Gives the traps that say nothing numbers from `first` on; the result is the byte of
/// the PTX text that each came from.
fn number_traps(function: &mut Function, first: u32) -> Vec<u32> {
    let mut offsets = Vec::new();
    for i in function.blocks.iter_mut().flat_map(|b| &mut b.instructions) {
        if i.op != Op::Trap(fault::TRAP) {
            continue;
        }
        let number = offsets.iter().position(|&known| known == i.offset);
        let number = number.unwrap_or_else(|| {
            offsets.push(i.offset);
            offsets.len() - 1
        });
        i.op = Op::Trap(first + number as u32);
    }
    offsets
}

fn unlowered(source: &ModuleSource, kernel: &str, error: &pass::PrintError) -> Error {
    let reason = front::Reason::Unsupported(error.to_string());
    Error::Ptx {
        kernel: kernel.to_owned(),
        error: front::Error::at(&source.text, error.offset as usize, reason),
    }
}

fn replicate_error(source: &ModuleSource, kernel: &str, error: pass::ReplicateError) -> Error {
    let pass::ReplicateError::Unsupported { op, offset } = error;
    let error = spirv::Error::Unsupported {
        op,
        reason: "subgroups are narrower than a warp",
        offset,
    };
    target_error(source, kernel, error)
}

fn unstructured(
    source: &ModuleSource,
    kernel: &str,
    function: &Function,
    error: pass::StructurizeError,
) -> Error {
    let header = match error {
        pass::StructurizeError::Irreducible(Irreducible(header)) => header,
        pass::StructurizeError::TooDeep => Function::ENTRY,
    };
    Error::Structure {
        kernel: kernel.to_owned(),
        error,
        place: source.line(offset_of(function, header) as usize),
    }
}

/// The byte of the PTX text that a block came from: that of its first instruction, or
/// of one after it.
fn offset_of(function: &Function, block: BlockId) -> u32 {
    let blocks = function.blocks.iter().skip(block.index());
    let mut offsets = blocks.flat_map(|b| &b.instructions).map(|i| i.offset);
    offsets.find(|&offset| offset != 0).unwrap_or_default()
}

fn target_error(source: &ModuleSource, kernel: &str, error: spirv::Error) -> Error {
    let spirv::Error::Unsupported { offset, .. } = error;
    Error::Target {
        kernel: kernel.to_owned(),
        error,
        place: source.line(offset as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::{Launch, Memory, run};

    /// Runs a PTX body over one buffer of u32, whose address is in %rd0, before
    /// and after lowering.
    fn run_body(body: &str, block: u32, words: usize) -> Vec<u32> {
        let text = format!(
            ".version 8.4\n.target sm_61\n.address_size 64\n.entry k(.param .u64 p) {{\n\
             .reg .pred %p<9>; .reg .b32 %r<20>; .reg .b64 %rd<9>; .shared .b32 s[64];\n\
             ld.param.u64 %rd0, [p]; mov.u32 %r0, %tid.x; mad.wide.u32 %rd1, %r0, 4, %rd0;\n{body}\nret; }}"
        );
        let source = ModuleSource::new(text).unwrap();
        let translated = translate(&source, "k").unwrap();
        let lowered = lower(&source, "k").unwrap();
        let [first, second] = [translated, lowered].map(|function| {
            let mut memory = Memory::default();
            let address = memory.allocate(vec![0; 4 * words]);
            let launch = Launch {
                grid: [1, 1, 1],
                block: [block, 1, 1],
                parameters: &address.to_le_bytes(),
                dynamic_shared_bytes: 0,
                globals: &Default::default(),
                max_steps: 1 << 17,
            };
            run(&function, &launch, &mut memory).unwrap();
            let bytes = memory.read(address, 4 * words as u64).unwrap();
            let word = |w: &[u8]| u32::from_le_bytes(w.try_into().unwrap());
            bytes.chunks(4).map(word).collect::<Vec<_>>()
        });
        assert_eq!(first, second, "lowering changed the meaning");
        first
    }

    #[test]
    fn a_shuffle_reduction_reaches_every_lane() {
        let steps: String = [16, 8, 4, 2, 1]
            .iter()
            .map(|n| format!("shfl.sync.bfly.b32 %r2, %r1, {n}, 31, -1; add.s32 %r1, %r1, %r2;\n"))
            .collect();
        let body = format!("mov.u32 %r1, %r0;\n{steps} st.global.u32 [%rd1], %r1;");
        assert_eq!(
            run_body(&body, 64, 64),
            [vec![496; 32], vec![1520; 32]].concat()
        );
    }

    #[test]
    fn a_barrier_orders_shared_memory() {
        let body =
            "mov.u32 %r1, s; shl.b32 %r2, %r0, 2; add.s32 %r2, %r1, %r2; st.shared.u32 [%r2], %r0;
                    bar.sync 0; xor.b32 %r3, %r0, 63; shl.b32 %r3, %r3, 2; add.s32 %r3, %r1, %r3;
                    ld.shared.u32 %r4, [%r3]; st.global.u32 [%rd1], %r4;";
        let expected: Vec<u32> = (0..64).rev().collect();
        assert_eq!(run_body(body, 64, 64), expected);
    }

    #[test]
    fn loops_with_several_exits_keep_their_meaning() {
        let body = "mov.u32 %r1, 0; mov.u32 %r2, 0;
            outer: mov.u32 %r3, 0;
            inner: add.u32 %r2, %r2, %r3; add.u32 %r3, %r3, 1;
              setp.gt.u32 %p1, %r2, 40; @%p1 bra far;
              setp.eq.u32 %p2, %r3, %r0; @%p2 bra next;
              setp.gt.u32 %p3, %r3, 6; @%p3 bra out;
              bra inner;
            next: add.u32 %r1, %r1, 1; setp.lt.u32 %p4, %r1, 3; @%p4 bra outer;
              add.u32 %r2, %r2, 1000; bra store;
            out: add.u32 %r2, %r2, 2000; bra store;
            far: add.u32 %r2, %r2, 4000;
            store: st.global.u32 [%rd1], %r2;";
        let model = |tid: u32| {
            let (mut outer, mut sum) = (0, 0);
            loop {
                let mut n = 0;
                loop {
                    sum += n;
                    n += 1;
                    if sum > 40 {
                        return sum + 4000;
                    }
                    if n == tid {
                        break;
                    }
                    if n > 6 {
                        return sum + 2000;
                    }
                }
                outer += 1;
                if outer >= 3 {
                    return sum + 1000;
                }
            }
        };
        let expected: Vec<u32> = (0..16).map(model).collect();
        assert_eq!(run_body(body, 16, 16), expected);
    }
}
