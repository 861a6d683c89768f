//! The state of 32 threads.

use crate::ir::{BlockId, Edge, Function, Value};

/// Threads of a warp.
pub(super) const LANES: usize = 32;

/// A set of lanes.
pub(super) type Mask = u32;

/// The lanes of a set, ascending.
pub(super) fn lanes(mask: Mask) -> impl Iterator<Item = usize> {
    (0..LANES).filter(move |lane| mask >> lane & 1 != 0)
}

/// Where a thread is in the code; earlier places compare less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The block's rank in the order of [`super::order`].
    pub(super) rank: u32,
    /// The block.
    pub(super) block: BlockId,
    /// The next instruction.
    pub(super) instruction: usize,
}

/// What a thread is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It can go on.
    Running,
    /// It has come to an operation of its warp.
    AtWarpOperation,
    /// It has come to a barrier of its block.
    AtBarrier,
    /// It has ended, or never was.
    Exited,
}

/// A warp.
#[derive(Debug)]
pub(super) struct Warp {
    /// The linear number in its block of the thread in lane 0.
    pub(super) first_thread: u32,
    /// Where each lane is.
    pub(super) places: [Place; LANES],
    /// What each lane is doing.
    pub(super) states: [State; LANES],
    /// Each value of the function, lane by lane.
    pub(super) values: Vec<[u64; LANES]>,
    /// Local memory, lane after lane; empty until it is used.
    pub(super) local: Vec<u8>,
}

impl Warp {
    /// The warp whose lane 0 is `first_thread`, in a block of `threads`.
    pub(super) fn new(function: &Function, ranks: &[u32], first_thread: u32, threads: u32) -> Self {
        let start = Place {
            rank: ranks[Function::ENTRY.index()],
            block: Function::ENTRY,
            instruction: 0,
        };
        let state = |lane: usize| match first_thread + (lane as u32) < threads {
            true => State::Running,
            false => State::Exited,
        };
        Self {
            first_thread,
            places: [start; LANES],
            states: std::array::from_fn(state),
            values: vec![[0; LANES]; function.values.len()],
            local: Vec::new(),
        }
    }

    /// The lanes in a state.
    pub(super) fn in_state(&self, state: State) -> Mask {
        (0..LANES).fold(0, |mask, lane| {
            mask | u32::from(self.states[lane] == state) << lane
        })
    }

    /// The lanes that have not ended.
    pub(super) fn live(&self) -> Mask {
        !self.in_state(State::Exited)
    }

    /// Those of `among` that are at a place.
    pub(super) fn at(&self, place: Place, among: Mask) -> Mask {
        lanes(among)
            .filter(|&lane| self.places[lane] == place)
            .fold(0, |mask, lane| mask | 1 << lane)
    }

    /// The lanes of `among` at the earliest place, and that place.
    pub(super) fn earliest(&self, among: Mask) -> Option<(Place, Mask)> {
        let place = lanes(among).map(|lane| self.places[lane]).min()?;
        Some((place, self.at(place, among)))
    }

    /// Puts lanes in a state at a place.
    pub(super) fn put(&mut self, mask: Mask, state: State, place: Place) {
        for lane in lanes(mask) {
            self.states[lane] = state;
            self.places[lane] = place;
        }
    }

    /// Lets lanes go on after the operation that they waited at.
    pub(super) fn proceed(&mut self, mask: Mask) {
        for lane in lanes(mask) {
            self.states[lane] = State::Running;
            self.places[lane].instruction += 1;
        }
    }

    /// Takes lanes along an edge.
    pub(super) fn follow(&mut self, function: &Function, ranks: &[u32], mask: Mask, edge: &Edge) {
        let passed: Vec<_> = edge
            .arguments
            .iter()
            .map(|&v| self.values[v.index()])
            .collect();
        for (parameter, passed) in function[edge.block].parameters.iter().zip(passed) {
            for lane in lanes(mask) {
                self.values[parameter.index()][lane] = passed[lane];
            }
        }
        let place = Place {
            rank: ranks[edge.block.index()],
            block: edge.block,
            instruction: 0,
        };
        self.put(mask, State::Running, place);
    }

    /// A value of a lane.
    pub(super) fn value(&self, value: Value, lane: usize) -> u64 {
        self.values[value.index()][lane]
    }

    /// The lanes of `among` where a predicate holds.
    pub(super) fn holds(&self, value: Value, among: Mask) -> Mask {
        lanes(among)
            .filter(|&lane| self.value(value, lane) & 1 != 0)
            .fold(0, |mask, lane| mask | 1 << lane)
    }
}
