//! Barriers of part of a block, and arrivals without waiting: SPIR-V's barrier is
//! one, and of all invocations.
//!
//! Each of the 16 barriers gets two words of shared memory: how many threads have
//! arrived, and how often it has opened. A warp arrives as a whole, as PTX counts;
//! whoever completes the count opens the barrier; the others look until it is open.
//! That rests on warps of a running block getting their turns, which every GPU's
//! scheduler gives them.
//!
//! Where a device runs one subgroup until it comes to a barrier, a barrier is what
//! gives way to the others, and no longer waits for them: so there the looking is
//! between barriers, and the barriers of the whole block count their threads too,
//! those that ended included.

use super::displace_entry;
use super::writer::Writer;
use crate::front::words::SpecialRegister as R;
use crate::ir::{
    Access, Atomic, AtomicOp, BarrierOp, BlockId, Condition, Edge, Function, Instruction, Op,
    Order, Scope, Space, Terminator, Type, Value,
};
use Type::B32;

/// Threads of a warp.
const WARP: u64 = 32;
/// The barriers that a block has.
const BARRIERS: i64 = 16;
/// Where the words lie, from the first: arrived, opened, ended.
const OPENED: i64 = 4 * BARRIERS;
const ENDED: i64 = 2 * OPENED;
/// Bytes of the words, in vectors of four.
const BYTES: u32 = ENDED as u32 + 16;
/// What may lie behind the words at the end of dynamic shared memory: the counter
/// of [`super::lower_barrier_reduction`].
const BEHIND: u32 = 16;

/// Replaces barriers with a count of threads; with `gives_way` also the others of
/// such a function. Stays away from functions that use one barrier both ways, and
/// from the barriers of a single warp, which the back end writes.
pub fn lower_partial_barrier(function: &mut Function, gives_way: bool) {
    let known = function.constants();
    let kind = |i: &Instruction| kind(i, &known);
    let instructions = || function.blocks.iter().flat_map(|block| &block.instructions);
    let numbers = |wanted: Kind| {
        let barriers = instructions().filter(move |i| kind(i) == Some(wanted));
        barriers.filter_map(|i| known[i.arguments[0].index()])
    };
    let mut both_ways = numbers(Kind::Whole).filter(|n| numbers(Kind::Part).any(|m| *n == m));
    let has_part = instructions().any(|i| kind(i) == Some(Kind::Part));
    if !has_part || both_ways.next().is_some() {
        return;
    }
    let place = Place::make(function);
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let end = std::mem::replace(&mut function[block].terminator, Terminator::Unreachable);
        let mut expansion = Expansion {
            writer: Writer {
                function,
                block,
                offset: 0,
            },
            place,
            gives_way,
        };
        for i in instructions {
            expansion.writer.offset = i.offset;
            match kind(&i) {
                Some(Kind::Part) => expansion.part(&i),
                Some(Kind::Whole) if gives_way => expansion.whole(&i),
                _ => {
                    let block = expansion.writer.block;
                    expansion.writer.function[block].instructions.push(i);
                }
            }
        }
        if gives_way && end == Terminator::Return {
            expansion.end();
        }
        let last = expansion.writer.block;
        function[last].terminator = end;
    }
    clear(function, place);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Whole,
    Part,
}

/// What kind of barrier an instruction is, if it is one that this pass replaces.
fn kind(i: &Instruction, known: &[Option<u64>]) -> Option<Kind> {
    let Op::Barrier(op @ (BarrierOp::Sync | BarrierOp::Arrive)) = i.op else {
        return None;
    };
    match known[i.arguments[1].index()] {
        Some(0) => (op == BarrierOp::Sync).then_some(Kind::Whole),
        Some(WARP) if op == BarrierOp::Sync => None,
        _ => Some(Kind::Part),
    }
}

/// Where the words lie.
#[derive(Clone, Copy)]
enum Place {
    /// At this byte of shared memory.
    At(u32),
    /// So many bytes before its end.
    BeforeEnd(u32),
}

impl Place {
    fn make(function: &mut Function) -> Self {
        if function.dynamic_shared {
            function.shared_bytes += BYTES + BEHIND;
            return Self::BeforeEnd(BYTES + BEHIND);
        }
        let at = function.shared_bytes.next_multiple_of(16);
        function.shared_bytes = at + BYTES;
        Self::At(at)
    }

    /// The address of the first word.
    fn address(self, writer: &mut Writer<'_>) -> Value {
        match self {
            Self::At(at) => writer.constant(B32, u64::from(at)),
            Self::BeforeEnd(bytes) => {
                let end = writer.special(R::TotalSharedSize, 0);
                let bytes = writer.constant(B32, u64::from(bytes));
                writer.emit(Op::Sub, &[end, bytes], B32)
            }
        }
    }
}

struct Expansion<'f> {
    writer: Writer<'f>,
    place: Place,
    gives_way: bool,
}

impl Expansion<'_> {
    /// A barrier of so many threads as it says.
    fn part(&mut self, i: &Instruction) {
        let (number, count) = (i.arguments[0], i.arguments[1]);
        let waits = i.op == Op::Barrier(BarrierOp::Sync);
        let words = self.words(number);
        let [lead, last, done] = [(); 3].map(|()| self.writer.function.block());
        self.writer.push(Op::Fence(Scope::Block), &[], &[]);
        let opened = self.read(words, OPENED);
        // The warp has read before its first thread arrives for all of it.
        let here = self.writer.emit(Op::ActiveMask, &[], B32);
        self.writer.push(Op::WarpBarrier, &[here], &[]);
        let below = self.writer.special(R::LanemaskLt, 0);
        let below = self.writer.emit(Op::And, &[below, here], B32);
        let zero = self.writer.constant(B32, 0);
        let leads = self.writer.compare_unsigned(Condition::Eq, below, zero);
        let wait = if waits {
            self.writer.function.block()
        } else {
            done
        };
        self.branch(leads, lead, wait);
        self.writer.block = lead;
        let warp = self.writer.constant(B32, WARP);
        let before = self.atomic(AtomicOp::Add, 0, &[words, warp]);
        let arrived = self.writer.emit(Op::Add, &[before, warp], B32);
        let complete = self.writer.compare_unsigned(Condition::Ge, arrived, count);
        self.branch(complete, last, wait);
        self.writer.block = last;
        let zero = self.writer.constant(B32, 0);
        self.atomic(AtomicOp::Exchange, 0, &[words, zero]);
        let one = self.writer.constant(B32, 1);
        self.atomic(AtomicOp::Add, OPENED, &[words, one]);
        self.jump(wait);
        if waits {
            self.writer.block = wait;
            let again = self.unless_opened(words, opened, done);
            self.writer.block = again;
            self.give_way(wait);
        }
        self.writer.block = done;
        self.writer.push(Op::Fence(Scope::Block), &[], &[]);
        let here = self.writer.emit(Op::ActiveMask, &[], B32);
        self.writer.push(Op::WarpBarrier, &[here], &[]);
    }

    /// A barrier of all threads that have not ended, where nothing else runs between
    /// two barriers: whoever finds it complete opens it.
    fn whole(&mut self, i: &Instruction) {
        let words = self.words(i.arguments[0]);
        let [last, first, done] = [(); 3].map(|()| self.writer.function.block());
        let way = self.writer.function.block();
        let wait = self.writer.function.block();
        self.writer.push(Op::Fence(Scope::Block), &[], &[]);
        let opened = self.read(words, OPENED);
        let one = self.writer.constant(B32, 1);
        self.atomic(AtomicOp::Add, 0, &[words, one]);
        self.jump(wait);
        self.writer.block = wait;
        let check = self.unless_opened(words, opened, done);
        self.writer.block = check;
        let arrived = self.read(words, 0);
        let base = self.place.address(&mut self.writer);
        let ended = self.read(base, ENDED);
        let sum = self.writer.emit(Op::Add, &[arrived, ended], B32);
        let threads = self.threads();
        let complete = self.writer.compare_unsigned(Condition::Ge, sum, threads);
        self.branch(complete, last, way);
        self.writer.block = last;
        let one = self.writer.constant(B32, 1);
        let next = self.writer.emit(Op::Add, &[opened, one], B32);
        let exchange = [words, opened, next];
        let before = self.atomic(AtomicOp::CompareExchange, OPENED, &exchange);
        let is_first = self.writer.compare_unsigned(Condition::Eq, before, opened);
        self.branch(is_first, first, wait);
        self.writer.block = first;
        let zero = self.writer.constant(B32, 0);
        self.atomic(AtomicOp::Exchange, 0, &[words, zero]);
        self.jump(wait);
        self.writer.block = way;
        self.give_way(wait);
        self.writer.block = done;
        self.writer.push(Op::Fence(Scope::Block), &[], &[]);
    }

    /// A thread ends.
    fn end(&mut self) {
        let base = self.place.address(&mut self.writer);
        let one = self.writer.constant(B32, 1);
        self.atomic(AtomicOp::Add, ENDED, &[base, one]);
    }

    /// Goes to `done` if the barrier has opened since; the block where it has not.
    fn unless_opened(&mut self, words: Value, opened: Value, done: BlockId) -> BlockId {
        let again = self.writer.function.block();
        let now = self.read(words, OPENED);
        let same = self.writer.compare_unsigned(Condition::Eq, now, opened);
        self.branch(same, again, done);
        again
    }

    /// Lets others have their turn, and goes back.
    fn give_way(&mut self, to: BlockId) {
        if self.gives_way {
            let zero = self.writer.constant(B32, 0);
            self.writer
                .push(Op::Barrier(BarrierOp::Sync), &[zero, zero], &[]);
        }
        self.jump(to);
    }

    /// The address of a barrier's words.
    fn words(&mut self, number: Value) -> Value {
        let base = self.place.address(&mut self.writer);
        let mask = self.writer.constant(B32, BARRIERS as u64 - 1);
        let number = self.writer.emit(Op::And, &[number, mask], B32);
        let two = self.writer.constant(B32, 2);
        let offset = self.writer.emit(Op::Shl, &[number, two], B32);
        self.writer.emit(Op::Add, &[base, offset], B32)
    }

    fn atomic(&mut self, op: AtomicOp, offset: i64, arguments: &[Value]) -> Value {
        let atomic = Atomic {
            op,
            access: Access {
                offset,
                order: Order::AcquireRelease,
                scope: Scope::Block,
                ..Access::weak(Space::Shared)
            },
        };
        self.writer.emit(Op::Atomic(atomic), arguments, B32)
    }

    fn read(&mut self, address: Value, offset: i64) -> Value {
        let zero = self.writer.constant(B32, 0);
        self.atomic(AtomicOp::Or, offset, &[address, zero])
    }

    fn threads(&mut self) -> Value {
        let [x, y, z] = [0, 1, 2].map(|c| self.writer.special(R::Ntid, c));
        let plane = self.writer.emit(Op::Mul, &[x, y], B32);
        self.writer.emit(Op::Mul, &[plane, z], B32)
    }

    fn branch(&mut self, condition: Value, then: BlockId, otherwise: BlockId) {
        let (then, otherwise) = (Edge::to(then), Edge::to(otherwise));
        self.writer.function[self.writer.block].terminator = Terminator::Branch {
            condition,
            then,
            otherwise,
        };
    }

    fn jump(&mut self, to: BlockId) {
        self.writer.function[self.writer.block].terminator = Terminator::Jump(Edge::to(to));
    }
}

/// The first thread clears the words before any other does anything.
fn clear(function: &mut Function, place: Place) {
    let body = displace_entry(function);
    let [clears, ready] = [(); 2].map(|()| function.block());
    let mut writer = Writer {
        function,
        block: Function::ENTRY,
        offset: 0,
    };
    let [x, y, z] = [0, 1, 2].map(|component| writer.special(R::Tid, component));
    let plane = writer.emit(Op::Or, &[x, y], B32);
    let any = writer.emit(Op::Or, &[plane, z], B32);
    let zero = writer.constant(B32, 0);
    let is_first = writer.compare_unsigned(Condition::Eq, any, zero);
    writer.function[Function::ENTRY].terminator = Terminator::Branch {
        condition: is_first,
        then: Edge::to(clears),
        otherwise: Edge::to(ready),
    };
    writer.block = clears;
    let address = place.address(&mut writer);
    for offset in (0..BYTES).step_by(16) {
        let access = Access {
            offset: i64::from(offset),
            ..Access::weak(Space::Shared)
        };
        writer.push(Op::Store(access), &[address, zero, zero, zero, zero], &[]);
    }
    writer.function[clears].terminator = Terminator::Jump(Edge::to(ready));
    writer.block = ready;
    writer.push(Op::Barrier(BarrierOp::Sync), &[zero, zero], &[]);
    writer.function[ready].terminator = Terminator::Jump(Edge::to(body));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    fn lowered(memory: &str, body: &str, gives_way: bool) -> (Function, String) {
        let text = format!("function k {memory} {{\nb0:\n{body}  return\n}}\n");
        let mut function = parse(&text).unwrap();
        lower_partial_barrier(&mut function, gives_way);
        crate::verify::verify(&function).unwrap();
        let text = function.to_string();
        (function, text)
    }

    /// Barrier 1 of 64 threads, and barrier 0 of all.
    const BODY: &str = "  v0: b32 = const.0\n  v1: b32 = const.1\n  v2: b32 = const.64\n\
                        \x20 bar.arrive v1, v2\n  bar.sync v1, v2\n  bar.sync v0, v0\n";

    #[test]
    fn threads_look_until_enough_have_arrived() {
        let (function, text) = lowered("shared 8", BODY, false);
        assert_eq!(function.shared_bytes, 16 + BYTES);
        assert!(!text.contains("bar.arrive"), "{text}");
        // What clears the words, and the barrier of the whole block.
        assert_eq!(text.matches("bar.sync").count(), 2, "{text}");
        assert_eq!(text.matches("atomic.add.shared").count(), 4, "{text}");
    }

    #[test]
    fn where_barriers_give_way_all_of_them_count() {
        let (_, text) = lowered("shared 8", BODY, true);
        // What clears the words, and one way around for each that waits.
        assert_eq!(text.matches("bar.sync").count(), 3, "{text}");
        assert_eq!(text.matches("atomic.cas.shared").count(), 1, "{text}");
        let ended = format!(".{ENDED} ");
        assert_eq!(text.matches(&ended).count(), 3, "{text}");
    }

    #[test]
    fn the_words_lie_behind_dynamic_memory_and_leave_room_for_the_counter() {
        let (function, text) = lowered("shared 16 dynamic", BODY, false);
        assert_eq!(function.shared_bytes, 16 + BYTES + BEHIND);
        assert!(text.contains("special.total_smem_size"), "{text}");
    }

    #[test]
    fn a_barrier_of_a_part_and_of_all_stays() {
        let body = BODY.replace("bar.sync v0, v0", "bar.sync v1, v0");
        let (_, text) = lowered("shared 8", &body, true);
        assert!(text.contains("bar.arrive"), "{text}");
    }

    #[test]
    fn barriers_of_all_alone_and_of_a_warp_stay() {
        let body =
            "  v0: b32 = const.0\n  v1: b32 = const.32\n  bar.sync v0, v0\n  bar.sync v0, v1\n";
        let (function, text) = lowered("shared 8", body, true);
        assert_eq!(function.shared_bytes, 8);
        assert_eq!(text.matches("bar.sync").count(), 2, "{text}");
    }
}
