//! From variables that are assigned many times to values that are defined once.
//!
//! The method is that of Braun and others ("Simple and Efficient Construction
//! of Static Single Assignment Form"), with one change: nothing is resolved
//! while code is still being written. A read that its own block cannot answer
//! makes a block parameter; [`Variables::finish`] then finds what each way into
//! the block passes for it. That needs no knowledge of predecessors while
//! blocks come into being, and no recursion.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::cfg::Dominators;
use crate::ir::{BlockId, Edge, Function, Instruction, Op, Type, Value};
use crate::pass::remove_redundant_parameters;

/// A variable's number; its user chooses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variable(pub u32);

/// The assignments of variables while a function is written.
#[derive(Debug, Default)]
pub struct Variables {
    /// The value that each variable has at the end of each block, where known.
    current: Vec<FxHashMap<Variable, Value>>,
    /// Parameters that still need arguments, in the order of their making.
    pending: VecDeque<(BlockId, Variable, Type)>,
    /// What an unassigned variable reads as.
    undefined: FxHashMap<Type, Value>,
}

impl Variables {
    /// Assigns a variable in a block.
    pub fn write(&mut self, block: BlockId, variable: Variable, value: Value) {
        self.block(block).insert(variable, value);
    }

    /// The variable's value at this place of the block.
    pub fn read(
        &mut self,
        function: &mut Function,
        block: BlockId,
        variable: Variable,
        ty: Type,
    ) -> Value {
        if let Some(&value) = self.block(block).get(&variable) {
            return value;
        }
        if block == Function::ENTRY {
            return self.undefined(function, ty);
        }
        let value = function.value(ty);
        function[block].parameters.push(value);
        self.write(block, variable, value);
        self.pending.push_back((block, variable, ty));
        value
    }

    fn block(&mut self, block: BlockId) -> &mut FxHashMap<Variable, Value> {
        if self.current.len() <= block.index() {
            self.current
                .resize_with(block.index() + 1, FxHashMap::default);
        }
        &mut self.current[block.index()]
    }

    /// What a variable reads as that nothing was assigned to.
    pub fn undefined(&mut self, function: &mut Function, ty: Type) -> Value {
        *self
            .undefined
            .entry(ty)
            .or_insert_with(|| function.value(ty))
    }

    /// Gives every parameter that was made its arguments and removes those that
    /// turn out to be one value. Call it when all terminators stand.
    pub fn finish(mut self, function: &mut Function) {
        let predecessors = predecessor_edges(function);
        while let Some((block, variable, ty)) = self.pending.pop_front() {
            for &(from, edge) in &predecessors[block.index()] {
                let value = self.read_through(function, &predecessors, from, variable, ty);
                push_argument(function, from, edge, value);
            }
        }
        self.define_undefined(function);
        remove_redundant_parameters(function);
    }

    /// The variable's value at the end of a block, going up through blocks with
    /// one way in before making a parameter.
    fn read_through(
        &mut self,
        function: &mut Function,
        predecessors: &[Vec<(BlockId, usize)>],
        from: BlockId,
        variable: Variable,
        ty: Type,
    ) -> Value {
        let mut block = from;
        let mut passed = Vec::new();
        let value = loop {
            if let Some(&value) = self.block(block).get(&variable) {
                break value;
            }
            match predecessors[block.index()].as_slice() {
                [(above, _)] if *above != block && block != Function::ENTRY => {
                    passed.push(block);
                    block = *above;
                }
                _ => break self.read(function, block, variable, ty),
            }
            if passed.len() > function.blocks.len() {
                break self.undefined(function, ty);
            }
        };
        for block in passed {
            self.write(block, variable, value);
        }
        value
    }

    fn define_undefined(&mut self, function: &mut Function) {
        let mut values: Vec<_> = self.undefined.values().copied().collect();
        values.sort_unstable();
        for value in values {
            let zero = Instruction {
                op: Op::Const(0),
                arguments: smallvec::smallvec![],
                results: smallvec::smallvec![value],
                offset: 0,
            };
            function[Function::ENTRY].instructions.insert(0, zero);
        }
    }
}

/// For each block the ways into it: the block they leave and the edge's place
/// in its terminator.
#[must_use]
pub fn predecessor_edges(function: &Function) -> Vec<Vec<(BlockId, usize)>> {
    let mut predecessors = vec![Vec::new(); function.blocks.len()];
    for from in function.block_ids() {
        for (index, edge) in function[from].terminator.edges().iter().enumerate() {
            predecessors[edge.block.index()].push((from, index));
        }
    }
    predecessors
}

fn push_argument(function: &mut Function, from: BlockId, edge: usize, value: Value) {
    let mut edges = function[from].terminator.edges_mut();
    let edge: &mut Edge = edges[edge];
    edge.arguments.push(value);
}

/// Merges values into uses that their definitions no longer dominate. On ways
/// that do not pass the definition the value is zero; nothing reads it there.
pub fn repair(function: &mut Function) {
    let dominators = Dominators::new(function);
    let defined_in = defining_blocks(function);
    let mut variables = Variables::default();
    let mut uses = Vec::new();
    for block in function.block_ids() {
        let reached = block == Function::ENTRY || dominators.immediate(block).is_some();
        let strays = |value: Value| match defined_in[value.index()] {
            Some(defined) => reached && !dominators.dominates(defined, block),
            None => false,
        };
        let mut visit = |value: Value| {
            if strays(value) {
                uses.push((block, value));
            }
        };
        for instruction in &function[block].instructions {
            instruction.arguments.iter().copied().for_each(&mut visit);
        }
        function[block].terminator.for_each_value(&mut visit);
    }
    uses.sort_unstable();
    uses.dedup();
    for &(_, value) in &uses {
        if let Some(defined) = defined_in[value.index()] {
            variables.write(defined, Variable(value.0), value);
        }
    }
    for here in uses.chunk_by(|a, b| a.0 == b.0) {
        let block = here[0].0;
        let merged: FxHashMap<Value, Value> = here
            .iter()
            .map(|&(_, value)| {
                let ty = function.ty(value);
                let variable = Variable(value.0);
                (value, variables.read(function, block, variable, ty))
            })
            .collect();
        replace_in_block(function, block, &merged);
    }
    variables.finish(function);
}

fn replace_in_block(
    function: &mut Function,
    block: BlockId,
    replacement: &FxHashMap<Value, Value>,
) {
    let replace = |value: &mut Value| {
        if let Some(&new) = replacement.get(value) {
            *value = new;
        }
    };
    for instruction in &mut function[block].instructions {
        instruction.arguments.iter_mut().for_each(replace);
    }
    function[block].terminator.for_each_value_mut(replace);
}

/// The block that defines each value.
fn defining_blocks(function: &Function) -> Vec<Option<BlockId>> {
    let mut blocks = vec![None; function.values.len()];
    for block in function.block_ids() {
        let parameters = function[block].parameters.iter();
        let instructions = function[block].instructions.iter();
        let results = instructions.flat_map(|instruction| instruction.results.iter());
        for value in parameters.chain(results) {
            blocks[value.index()] = Some(block);
        }
    }
    blocks
}
