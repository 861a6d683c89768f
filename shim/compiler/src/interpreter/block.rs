//! One block: its warps in turn, and what they wait for.

use std::collections::{BTreeMap, BTreeSet};

use super::execute::{Machine, warp_operation};
use super::warp::{LANES, Mask, Place, State, Warp, lanes};
use super::{Error, Fault, Launch, Memory, Outcome};
use crate::ir::{BarrierOp, Function, Instruction, Op, Terminator};

/// What shared memory holds before anybody has written it.
const UNWRITTEN: u8 = 0xA5;
/// How often a warp branches before the next one has its turn.
const TURN: usize = 256;

pub(super) struct Block<'b> {
    function: &'b Function,
    launch: &'b Launch<'b>,
    ranks: &'b [u32],
    id: [u32; 3],
    warps: Vec<Warp>,
    shared: Vec<u8>,
    /// Threads that have arrived at each barrier without waiting.
    arrived: BTreeMap<u32, u32>,
}

/// A fault and the lane.
pub(super) type LaneFault = (usize, Fault);

impl<'b> Block<'b> {
    pub(super) fn new(
        function: &'b Function,
        launch: &'b Launch<'b>,
        ranks: &'b [u32],
        id: [u32; 3],
    ) -> Self {
        let threads: u32 = launch.block.iter().product();
        let warps = (0..threads)
            .step_by(LANES)
            .map(|first| Warp::new(function, ranks, first, threads));
        let shared = function.shared_bytes + launch.dynamic_shared_bytes;
        Self {
            function,
            launch,
            ranks,
            id,
            warps: warps.collect(),
            shared: vec![UNWRITTEN; shared as usize],
            arrived: BTreeMap::new(),
        }
    }

    /// Runs every thread to its end.
    pub(super) fn run(&mut self, memory: &mut Memory, outcome: &mut Outcome) -> Result<(), Error> {
        loop {
            let mut moved = false;
            for warp in 0..self.warps.len() {
                moved |= self.turn(warp, memory, outcome)?;
            }
            moved |= self.open_barriers();
            if self.warps.iter().all(|warp| warp.live() == 0) {
                return Ok(());
            }
            if !moved && !self.force()? {
                return Err(Error::Deadlock(self.id));
            }
        }
    }

    /// Gives a warp its turn; says whether any of its threads went on.
    fn turn(
        &mut self,
        warp: usize,
        memory: &mut Memory,
        outcome: &mut Outcome,
    ) -> Result<bool, Error> {
        for turn in 0..TURN {
            let running = self.warps[warp].in_state(State::Running);
            let Some((place, group)) = self.warps[warp].earliest(running) else {
                if !self.meet(warp, false)? {
                    return Ok(turn > 0);
                }
                continue;
            };
            self.straight(warp, place, group, memory, outcome)?;
            self.meet(warp, false)?;
        }
        Ok(true)
    }

    /// Runs lanes at one place until they branch, wait, or meet others.
    fn straight(
        &mut self,
        warp: usize,
        mut place: Place,
        group: Mask,
        memory: &mut Memory,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        let block = &self.function[place.block];
        let others = self.warps[warp].in_state(State::Running) & !group;
        let start = place.instruction;
        for instruction in &block.instructions[start..] {
            let meets = place.instruction > start && self.warps[warp].at(place, others) != 0;
            let state = if meets {
                Some(State::Running)
            } else {
                waits(&instruction.op)
            };
            if let Some(state) = state {
                self.warps[warp].put(group, state, place);
                return Ok(());
            }
            self.count(outcome)?;
            self.instruction(warp, instruction, group, memory, outcome)?;
            place.instruction += 1;
        }
        self.count(outcome)?;
        self.terminator(warp, &block.terminator, group)
    }

    fn count(&self, outcome: &mut Outcome) -> Result<(), Error> {
        outcome.steps += 1;
        match outcome.steps > self.launch.max_steps {
            true => Err(Error::StepLimit(self.launch.max_steps)),
            false => Ok(()),
        }
    }

    fn instruction(
        &mut self,
        warp: usize,
        instruction: &Instruction,
        group: Mask,
        memory: &mut Memory,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        if let Op::Barrier(BarrierOp::Arrive) = instruction.op {
            self.arrive(warp, instruction, group);
            return Ok(());
        }
        let mut machine = Machine {
            function: self.function,
            launch: self.launch,
            block: self.id,
            shared: &mut self.shared,
            memory,
            outcome,
            warp: &mut self.warps[warp],
        };
        let done = machine.execute(instruction, group);
        done.map_err(|fault| self.error(warp, instruction, fault))
    }

    fn error(&self, warp: usize, instruction: &Instruction, (lane, fault): LaneFault) -> Error {
        Error::Thread {
            block: self.id,
            thread: self.warps[warp].first_thread + lane as u32,
            op: instruction.op.to_string(),
            offset: instruction.offset,
            fault,
        }
    }

    fn terminator(
        &mut self,
        warp: usize,
        terminator: &Terminator,
        group: Mask,
    ) -> Result<(), Error> {
        let (function, ranks) = (self.function, self.ranks);
        let warp_state = &mut self.warps[warp];
        match terminator {
            Terminator::Jump(edge) => warp_state.follow(function, ranks, group, edge),
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => {
                let taken = warp_state.holds(*condition, group);
                warp_state.follow(function, ranks, taken, then);
                warp_state.follow(function, ranks, group & !taken, otherwise);
            }
            Terminator::Switch { selector, targets } => {
                for lane in lanes(group) {
                    let chosen = warp_state.value(*selector, lane) as usize;
                    let edge = targets.get(chosen).or(targets.last());
                    if let Some(edge) = edge {
                        warp_state.follow(function, ranks, 1 << lane, edge);
                    }
                }
            }
            Terminator::Return => {
                lanes(group).for_each(|lane| warp_state.states[lane] = State::Exited);
            }
            Terminator::Unreachable => {
                return Err(Error::Thread {
                    block: self.id,
                    thread: warp_state.first_thread + group.trailing_zeros(),
                    op: terminator.to_string(),
                    offset: 0,
                    fault: Fault::Trap,
                });
            }
        }
        Ok(())
    }

    /// Does one warp operation whose members have all come, or, if `forced`, the
    /// earliest one for those that came. Says whether there was one.
    fn meet(&mut self, warp: usize, forced: bool) -> Result<bool, Error> {
        let state = &mut self.warps[warp];
        let mut waiting = state.in_state(State::AtWarpOperation);
        while let Some((place, together)) = state.earliest(waiting) {
            let function = self.function;
            let instruction = &function[place.block].instructions[place.instruction];
            let mask_of = |state: &Warp, lane| state.value(member_mask(instruction), lane) as Mask;
            let first = together.trailing_zeros() as usize;
            let mask = mask_of(state, first);
            let members = lanes(together)
                .filter(|&lane| mask_of(state, lane) == mask)
                .fold(0, |members, lane| members | 1 << lane);
            if members & !mask != 0 {
                let lane = (members & !mask).trailing_zeros() as usize;
                let fault = (lane, Fault::NotAMember { lane, mask });
                return Err(self.error(warp, instruction, fault));
            }
            if forced || mask & state.live() & !members == 0 {
                warp_operation(state, function, instruction, members);
                state.proceed(members);
                return Ok(true);
            }
            waiting &= !members;
        }
        Ok(false)
    }

    /// Lets one warp operation happen without the members that cannot come.
    fn force(&mut self) -> Result<bool, Error> {
        for warp in 0..self.warps.len() {
            if self.meet(warp, true)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The barrier that a lane has come to: its number and thread count.
    fn barrier_of(warp: &Warp, instruction: &Instruction, lane: usize) -> (u32, u32) {
        let operands = &instruction.arguments[instruction.arguments.len() - 2..];
        let [number, count] = [0, 1].map(|index| warp.value(operands[index], lane) as u32);
        (number, count)
    }

    fn arrive(&mut self, warp: usize, instruction: &Instruction, group: Mask) {
        let state = &self.warps[warp];
        for lane in lanes(group) {
            let (number, _) = Self::barrier_of(state, instruction, lane);
            *self.arrived.entry(number).or_default() += 1;
        }
        // Lanes that are no more count with their warp.
        if group == state.live() {
            let (number, _) =
                Self::barrier_of(state, instruction, group.trailing_zeros() as usize % LANES);
            *self.arrived.entry(number).or_default() += (!group).count_ones();
        }
    }

    fn instruction_at(&self, place: Place) -> &'b Instruction {
        &self.function[place.block].instructions[place.instruction]
    }

    /// The barriers that threads wait at.
    fn waited_for(&self) -> BTreeSet<(u32, u32)> {
        let mut barriers = BTreeSet::new();
        for warp in &self.warps {
            for lane in lanes(warp.in_state(State::AtBarrier)) {
                let instruction = self.instruction_at(warp.places[lane]);
                barriers.insert(Self::barrier_of(warp, instruction, lane));
            }
        }
        barriers
    }

    /// Lets threads past every barrier that enough have come to.
    fn open_barriers(&mut self) -> bool {
        let mut opened = false;
        for (number, count) in self.waited_for() {
            let waiting: Vec<Mask> = self
                .warps
                .iter()
                .map(|warp| self.waiting_at(warp, (number, count)))
                .collect();
            if self.is_complete(number, count, &waiting) {
                self.pass(&waiting);
                self.arrived.remove(&number);
                opened = true;
            }
        }
        opened
    }

    fn waiting_at(&self, warp: &Warp, barrier: (u32, u32)) -> Mask {
        lanes(warp.in_state(State::AtBarrier))
            .filter(|&lane| {
                let instruction = self.instruction_at(warp.places[lane]);
                Self::barrier_of(warp, instruction, lane) == barrier
            })
            .fold(0, |mask, lane| mask | 1 << lane)
    }

    fn is_complete(&self, number: u32, count: u32, waiting: &[Mask]) -> bool {
        let mut with_live = self.warps.iter().zip(waiting);
        if count == 0 {
            return with_live.all(|(warp, &waiting)| warp.live() == waiting);
        }
        let came: u32 = with_live
            .map(|(warp, &waiting)| match waiting {
                0 => 0,
                all if all == warp.live() => LANES as u32,
                some => some.count_ones(),
            })
            .sum();
        came + self.arrived.get(&number).copied().unwrap_or(0) >= count
    }

    /// Gives the waiting threads the barrier's result and lets them go on.
    fn pass(&mut self, waiting: &[Mask]) {
        let (mut all, mut count) = (true, 0);
        for (warp, &mask) in self.warps.iter().zip(waiting) {
            for lane in lanes(mask) {
                let instruction = self.instruction_at(warp.places[lane]);
                let holds = warp.value(instruction.arguments[0], lane) & 1 != 0;
                all &= holds;
                count += u64::from(holds);
            }
        }
        let function = self.function;
        for (warp, &mask) in self.warps.iter_mut().zip(waiting) {
            for lane in lanes(mask) {
                let place = warp.places[lane];
                let instruction = &function[place.block].instructions[place.instruction];
                let result = match instruction.op {
                    Op::Barrier(BarrierOp::All) => u64::from(all),
                    Op::Barrier(BarrierOp::Any) => u64::from(count > 0),
                    _ => count,
                };
                for value in &instruction.results {
                    warp.values[value.index()][lane] = result;
                }
            }
            warp.proceed(mask);
        }
    }
}

/// How a thread waits that comes to this operation.
const fn waits(op: &Op) -> Option<State> {
    match op {
        Op::Shuffle(_) | Op::Vote(_) | Op::Match(_) | Op::Reduce(_) => Some(State::AtWarpOperation),
        Op::MatrixProduct(_) | Op::WarpBarrier => Some(State::AtWarpOperation),
        Op::Barrier(BarrierOp::Arrive) => None,
        Op::Barrier(_) => Some(State::AtBarrier),
        _ => None,
    }
}

/// The member mask of a warp operation: its last operand.
fn member_mask(instruction: &Instruction) -> crate::ir::Value {
    instruction.arguments[instruction.arguments.len() - 1]
}
