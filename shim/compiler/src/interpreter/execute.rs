//! What single instructions do to the lanes of a warp.

use smallvec::SmallVec;

use super::block::LaneFault;
use super::matrix;
use super::memory::range;
use super::warp::{LANES, Mask, Warp, lanes};
use super::{Fault, Launch, MAX_SHARED_BYTES, Memory, OutOfBounds, Outcome};
use crate::back::spirv::layout::print;
use crate::evaluate::{self, evaluate};
use crate::front::words::SpecialRegister;
use crate::ir::{
    Access, Atomic, Function, Instruction, MatchKind, Op, ReduceOp, SHARED_WINDOW, ShuffleMode,
    Signedness, Space, Special, Type, Value, VoteMode,
};

/// Where threads' local memory lies in the generic address space: above the
/// window of shared memory.
const LOCAL_WINDOW: u64 = SHARED_WINDOW << 1;
/// Bytes between two threads' local memory that belong to neither.
const LOCAL_GUARD: u64 = 4096;
/// What local memory holds before its thread has written it.
const UNWRITTEN: u8 = 0x5A;
/// The longest format that is read.
const MAX_FORMAT: u64 = 1 << 16;

/// Words of the print buffer's ring.
const PRINT_WORDS: u32 = 1024;

/// What an instruction may touch.
pub(super) struct Machine<'m> {
    pub(super) function: &'m Function,
    pub(super) launch: &'m Launch<'m>,
    /// The block's place in the grid.
    pub(super) block: [u32; 3],
    pub(super) shared: &'m mut [u8],
    pub(super) memory: &'m mut Memory,
    pub(super) outcome: &'m mut Outcome,
    pub(super) warp: &'m mut Warp,
}

/// Memory that an address was found to mean.
enum Target {
    Global(u64),
    Shared(u64),
    Local(u64),
    Parameter(u64),
}

impl Machine<'_> {
    /// Executes an instruction for some lanes, one after another.
    pub(super) fn execute(&mut self, i: &Instruction, group: Mask) -> Result<(), LaneFault> {
        for lane in lanes(group) {
            let results = self.lane(i, lane, group).map_err(|fault| (lane, fault))?;
            for (&value, bits) in i.results.iter().zip(results) {
                let mask = self.function.ty(value).mask();
                self.warp.values[value.index()][lane] = bits & mask;
            }
        }
        Ok(())
    }

    fn lane(
        &mut self,
        i: &Instruction,
        lane: usize,
        group: Mask,
    ) -> Result<SmallVec<[u64; 2]>, Fault> {
        let argument = |warp: &Warp, index: usize| warp.value(i.arguments[index], lane);
        let one = |value| Ok(smallvec::smallvec![value]);
        let none = Ok(SmallVec::new());
        match i.op {
            Op::Special(special) => one(self.special(special, lane)?),
            Op::Parameter(at) => {
                let bytes = self.function.ty(i.results[0]).bytes();
                one(little_endian(
                    self.parameter(u64::from(at), u64::from(bytes))?,
                ))
            }
            Op::Global(number) => one(self.global(number)?),
            Op::Scratch => one(self.scratch(lane)),
            Op::ToGeneric(Space::Shared) => one(argument(self.warp, 0).wrapping_add(SHARED_WINDOW)),
            Op::FromGeneric(Space::Shared) => {
                one(argument(self.warp, 0).wrapping_sub(SHARED_WINDOW))
            }
            Op::ToGeneric(_) | Op::FromGeneric(_) => one(argument(self.warp, 0)),
            Op::IsSpace(space) => {
                let address = argument(self.warp, 0);
                one(u64::from(self.is_in(space, address)))
            }
            Op::Load(access) => self.load(i, access, lane),
            Op::Store(access) => self.store(i, access, lane).and(none),
            Op::Atomic(atomic) => one(self.atomic(i, atomic, lane)?),
            Op::Fence(_) | Op::Sleep => none,
            Op::ActiveMask => one(u64::from(group)),
            Op::Clock => one(self.outcome.steps),
            Op::Print => one(self.print(argument(self.warp, 0), lane)?),
            Op::PrintBuffer => one(self.print_buffer()),
            Op::Assert | Op::Trap(_) => Err(Fault::Trap),
            _ => self.pure(i, lane),
        }
    }

    /// An operation that depends on its operands alone.
    fn pure(&self, i: &Instruction, lane: usize) -> Result<SmallVec<[u64; 2]>, Fault> {
        let typed = |value: &Value| (self.function.ty(*value), self.warp.value(*value, lane));
        let operands: SmallVec<[_; 4]> = i.arguments.iter().map(typed).collect();
        let results: SmallVec<[_; 2]> = i.results.iter().map(|&v| self.function.ty(v)).collect();
        evaluate(&i.op, &results, &operands).ok_or(Fault::Unsupported)
    }

    /// The thread's number in its block and its place in each dimension.
    fn thread(&self, lane: usize) -> (u32, [u32; 3]) {
        let linear = self.warp.first_thread + lane as u32;
        let [x, y, _] = self.launch.block;
        (linear, [linear % x, linear / x % y, linear / x / y])
    }

    fn special(&self, special: Special, lane: usize) -> Result<u64, Fault> {
        use SpecialRegister as R;
        let (linear, thread) = self.thread(lane);
        let component = special.component as usize;
        let of =
            |dimensions: [u32; 3]| dimensions.get(component).copied().ok_or(Fault::Unsupported);
        let threads: u32 = self.launch.block.iter().product();
        let bit = 1u32 << lane;
        let dynamic = self.launch.dynamic_shared_bytes;
        Ok(u64::from(match special.register {
            R::Tid => of(thread)?,
            R::Ntid => of(self.launch.block)?,
            R::Ctaid => of(self.block)?,
            R::Nctaid => of(self.launch.grid)?,
            R::Laneid => lane as u32,
            R::Warpid => linear / LANES as u32,
            R::Nwarpid => threads.div_ceil(LANES as u32),
            R::Smid | R::Gridid => 0,
            R::Nsmid => 1,
            R::LanemaskEq => bit,
            R::LanemaskLt => bit - 1,
            R::LanemaskLe => bit | (bit - 1),
            R::LanemaskGt => !(bit | (bit - 1)),
            R::LanemaskGe => !(bit - 1),
            R::DynamicSharedSize => dynamic,
            R::TotalSharedSize | R::AggregateSharedSize => self.function.shared_bytes + dynamic,
            R::WarpSize => LANES as u32,
            R::Envreg0 | R::Envreg1 | R::Envreg2 | R::Envreg3 => 0,
            _ => return Err(Fault::Unsupported),
        }))
    }

    fn parameter(&self, at: u64, bytes: u64) -> Result<&[u8], Fault> {
        let parameters = self.launch.parameters;
        let range = range(at, bytes, parameters.len());
        range
            .map(|range| &parameters[range])
            .ok_or(Fault::MissingParameter(at))
    }

    fn global(&self, number: u32) -> Result<u64, Fault> {
        let name = self.function.globals.get(number as usize);
        let address = name.and_then(|name| self.launch.globals.get(name));
        address.copied().ok_or(Fault::MissingVariable(number))
    }

    /// The generic address of a thread's local memory.
    fn scratch(&self, lane: usize) -> u64 {
        let (thread, _) = self.thread(lane);
        let stride = u64::from(self.function.local_bytes).next_multiple_of(256) + LOCAL_GUARD;
        LOCAL_WINDOW + u64::from(thread) * stride
    }

    fn is_in(&self, space: Space, address: u64) -> bool {
        let shared = is_shared(address);
        let local = address >= LOCAL_WINDOW;
        match space {
            Space::Shared => shared,
            Space::Local => local,
            Space::Constant => self.memory.is_constant(address),
            Space::Global => !shared && !local && !self.memory.is_constant(address),
            Space::Generic | Space::Parameter => false,
        }
    }

    /// Finds what an access means and checks that it is aligned.
    fn target(
        &self,
        i: &Instruction,
        access: Access,
        bytes: u64,
        lane: usize,
    ) -> Result<Target, Fault> {
        let pointer = i.arguments[0];
        let mask = self.function.ty(pointer).mask();
        let address = self
            .warp
            .value(pointer, lane)
            .wrapping_add_signed(access.offset)
            & mask;
        if bytes.is_power_of_two() && !address.is_multiple_of(bytes) {
            return Err(Fault::Misaligned { address, bytes });
        }
        Ok(match access.space {
            Space::Shared => Target::Shared(address),
            Space::Generic if is_shared(address) => Target::Shared(address - SHARED_WINDOW),
            Space::Local => Target::Local(address),
            Space::Parameter => Target::Parameter(address),
            _ if address >= LOCAL_WINDOW => Target::Local(address.wrapping_sub(self.scratch(lane))),
            _ => Target::Global(address),
        })
    }

    fn read(&mut self, target: &Target, bytes: u64, lane: usize) -> Result<&[u8], Fault> {
        match *target {
            Target::Global(address) => Ok(self.memory.read(address, bytes)?),
            Target::Parameter(at) => self.parameter(at, bytes),
            Target::Shared(_) | Target::Local(_) => Ok(self.own(target, bytes, lane)?),
        }
    }

    fn write(&mut self, target: &Target, bytes: u64, lane: usize) -> Result<&mut [u8], Fault> {
        match *target {
            Target::Global(address) if self.memory.is_constant(address) => {
                self.memory.read(address, bytes)?;
                Err(Fault::ReadOnly(Space::Constant))
            }
            Target::Global(address) => Ok(self.memory.write(address, bytes)?),
            Target::Parameter(_) => Err(Fault::ReadOnly(Space::Parameter)),
            Target::Shared(_) | Target::Local(_) => Ok(self.own(target, bytes, lane)?),
        }
    }

    /// Bytes of the block's or the thread's own memory.
    fn own(&mut self, target: &Target, bytes: u64, lane: usize) -> Result<&mut [u8], OutOfBounds> {
        let local_bytes = self.function.local_bytes as usize;
        let (address, memory) = match *target {
            Target::Shared(address) => (address, &mut *self.shared),
            Target::Local(address) | Target::Global(address) | Target::Parameter(address) => {
                let local = &mut self.warp.local;
                local.resize(local_bytes * LANES, UNWRITTEN);
                (address, &mut local[lane * local_bytes..][..local_bytes])
            }
        };
        match range(address, bytes, memory.len()) {
            Some(range) => Ok(&mut memory[range]),
            None => Err(OutOfBounds { address, bytes }),
        }
    }

    fn load(
        &mut self,
        i: &Instruction,
        access: Access,
        lane: usize,
    ) -> Result<SmallVec<[u64; 2]>, Fault> {
        let size = self.function.ty(i.results[0]).bytes() as usize;
        let bytes = (size * i.results.len()) as u64;
        let target = self.target(i, access, bytes, lane)?;
        let loaded = self.read(&target, bytes, lane)?;
        Ok(loaded.chunks(size).map(little_endian).collect())
    }

    fn store(&mut self, i: &Instruction, access: Access, lane: usize) -> Result<(), Fault> {
        let mut bytes: SmallVec<[u8; 16]> = SmallVec::new();
        for &value in &i.arguments[1..] {
            let size = self.function.ty(value).bytes() as usize;
            bytes.extend_from_slice(&self.warp.value(value, lane).to_le_bytes()[..size]);
        }
        let target = self.target(i, access, bytes.len() as u64, lane)?;
        if access.space == Space::Constant {
            return Err(Fault::ReadOnly(Space::Constant));
        }
        self.write(&target, bytes.len() as u64, lane)?
            .copy_from_slice(&bytes);
        Ok(())
    }

    fn atomic(&mut self, i: &Instruction, atomic: Atomic, lane: usize) -> Result<u64, Fault> {
        let ty = self.function.ty(i.results[0]);
        let bytes = u64::from(ty.bytes());
        let operands = i.arguments[1..].iter().map(|&v| self.warp.value(v, lane));
        let operands: SmallVec<[u64; 2]> = operands.collect();
        let target = self.target(i, atomic.access, bytes, lane)?;
        let memory = self.write(&target, bytes, lane)?;
        let old = little_endian(memory);
        let new = evaluate::atomic(atomic.op, ty, old, &operands).ok_or(Fault::Unsupported)?;
        memory.copy_from_slice(&new.to_le_bytes()[..bytes as usize]);
        Ok(old)
    }

    /// The buffer for prints, made when it is first asked for.
    fn print_buffer(&mut self) -> u64 {
        let (memory, outcome) = (&mut *self.memory, &mut *self.outcome);
        *outcome.print_buffer.get_or_insert_with(|| {
            let words = PRINT_WORDS + print::MAX_RECORD_WORDS;
            let mut bytes = vec![0; (print::RING + 4 * words) as usize];
            let mask = print::MASK as usize;
            bytes[mask..mask + 4].copy_from_slice(&(PRINT_WORDS - 1).to_le_bytes());
            memory.allocate(bytes)
        })
    }

    /// Notes a format; the result is the number of its conversions.
    fn print(&mut self, format: u64, lane: usize) -> Result<u64, Fault> {
        let mut text = Vec::new();
        for at in 0..MAX_FORMAT {
            let address = format.wrapping_add(at);
            let target = match address {
                local if local >= LOCAL_WINDOW => {
                    Target::Local(local.wrapping_sub(self.scratch(lane)))
                }
                shared if is_shared(shared) => Target::Shared(shared - SHARED_WINDOW),
                global => Target::Global(global),
            };
            match self.read(&target, 1, lane)?[0] {
                0 => break,
                byte => text.push(byte),
            }
        }
        let escaped = text.windows(2).filter(|pair| pair == b"%%").count();
        let percents = text.iter().filter(|&&byte| byte == b'%').count();
        self.outcome.printed.push(text);
        Ok(percents.saturating_sub(2 * escaped) as u64)
    }
}

const fn is_shared(address: u64) -> bool {
    address >= SHARED_WINDOW && address < SHARED_WINDOW + MAX_SHARED_BYTES
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |bits, &byte| bits << 8 | u64::from(byte))
}

/// Does an operation of a warp for the lanes that take part.
pub(super) fn warp_operation(warp: &mut Warp, function: &Function, i: &Instruction, members: Mask) {
    if let Op::MatrixProduct(product) = i.op {
        return matrix::multiply(warp, i, product);
    }
    let value = |lane: usize| warp.value(i.arguments[0], lane);
    let results: Vec<(usize, [u64; 2])> = match i.op {
        Op::Shuffle(mode) => lanes(members)
            .map(|lane| (lane, shuffle(warp, i, mode, members, lane)))
            .collect(),
        Op::Vote(mode) => {
            let ballot = warp.holds(i.arguments[0], members);
            let result = u64::from(match mode {
                VoteMode::Ballot => ballot,
                VoteMode::All => u32::from(ballot == members),
                VoteMode::Any => u32::from(ballot != 0),
                VoteMode::Uniform => u32::from(ballot == members || ballot == 0),
            });
            lanes(members).map(|lane| (lane, [result, 0])).collect()
        }
        Op::Match(kind) => {
            let same = |lane: usize| {
                let equal = |&other: &usize| value(other) == value(lane);
                lanes(members)
                    .filter(equal)
                    .fold(0, |mask, other| mask | 1 << other)
            };
            let answer = |lane: usize| match kind {
                MatchKind::Any => [same(lane), 0],
                MatchKind::All if same(lane) == u64::from(members) => [u64::from(members), 1],
                MatchKind::All => [0, 0],
            };
            lanes(members).map(|lane| (lane, answer(lane))).collect()
        }
        Op::Reduce(op) => {
            let reduced = lanes(members)
                .map(value)
                .reduce(|a, b| reduce(op, a, b))
                .unwrap_or(0);
            lanes(members).map(|lane| (lane, [reduced, 0])).collect()
        }
        _ => Vec::new(),
    };
    for (lane, bits) in results {
        for (&result, bits) in i.results.iter().zip(bits) {
            warp.values[result.index()][lane] = bits & function.ty(result).mask();
        }
    }
}

/// The value that a lane gets and whether its source was in range. A lane that
/// takes no part as a source gives nothing: the asking lane keeps its own.
fn shuffle(
    warp: &Warp,
    i: &Instruction,
    mode: ShuffleMode,
    members: Mask,
    lane: usize,
) -> [u64; 2] {
    let [own, operand, control] = [0, 1, 2].map(|index| warp.value(i.arguments[index], lane));
    let (by, clamp, segment) = (operand & 31, control & 31, control >> 8 & 31);
    let here = lane as u64;
    let least = here & segment;
    let most = least | clamp & !segment;
    let (source, in_range) = match mode {
        ShuffleMode::Up => (
            here.wrapping_sub(by),
            here as i64 - by as i64 >= most as i64,
        ),
        ShuffleMode::Down => (here + by, here + by <= most),
        ShuffleMode::Butterfly => (here ^ by, here ^ by <= most),
        ShuffleMode::Index => {
            let source = least | by & !segment;
            (source, source <= most)
        }
    };
    match in_range && members >> (source & 31) & 1 != 0 {
        true => [warp.value(i.arguments[0], source as usize & 31), 1],
        false => [own, u64::from(in_range)],
    }
}

fn reduce(op: ReduceOp, a: u64, b: u64) -> u64 {
    let op = match op {
        ReduceOp::Add => Op::Add,
        ReduceOp::And => Op::And,
        ReduceOp::Or => Op::Or,
        ReduceOp::Xor => Op::Xor,
        ReduceOp::SignedMin => Op::Min(Signedness::Signed),
        ReduceOp::SignedMax => Op::Max(Signedness::Signed),
        ReduceOp::UnsignedMin => Op::Min(Signedness::Unsigned),
        ReduceOp::UnsignedMax => Op::Max(Signedness::Unsigned),
    };
    let operands = [(Type::B32, a), (Type::B32, b)];
    evaluate(&op, &[Type::B32], &operands).map_or(0, |results| results[0])
}
