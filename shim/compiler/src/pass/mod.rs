//! Transformations of a [`Function`](crate::ir::Function), each a verb that
//! leaves a valid function behind.

mod eliminate_common_subexpressions;
mod eliminate_dead_code;
mod infer_address_space;
mod legalize;
mod lower_barrier_reduction;
mod lower_match;
mod lower_matrix_product;
mod lower_partial_barrier;
mod lower_print;
mod lower_switch;
mod place_local;
mod place_shared;
mod remove_redundant_parameters;
mod remove_unreachable_blocks;
mod replicate;
mod retire_surplus_threads;
mod simplify;
mod split_generic;
mod structurize;
mod writer;

pub use eliminate_common_subexpressions::eliminate_common_subexpressions;
pub use eliminate_dead_code::eliminate_dead_code;
pub use infer_address_space::infer_address_space;
pub use legalize::{
    emulate_flushes, emulate_functions, emulate_fused_f32, emulate_fused_f64, emulate_subnormals,
    legalize,
};
pub use lower_barrier_reduction::lower_barrier_reduction;
pub use lower_match::lower_match;
pub use lower_matrix_product::lower_matrix_product;
pub use lower_partial_barrier::lower_partial_barrier;
pub use lower_print::{PrintError, lower_print};
pub use lower_switch::lower_switch;
pub use place_local::place_local;
pub use place_shared::place_shared;
pub use remove_redundant_parameters::remove_redundant_parameters;
pub use remove_unreachable_blocks::remove_unreachable_blocks;
pub use replicate::{ReplicateError, replicate};
pub use retire_surplus_threads::retire_surplus_threads;
pub use simplify::simplify;
pub use split_generic::split_generic;
pub use structurize::{StructurizeError, structurize};

use crate::ir::{BlockId, Function, Value};

/// Replaces every use of a value by what it stands for.
pub(crate) fn replace_uses(function: &mut Function, replacement: &[Value]) {
    for block in &mut function.blocks {
        for instruction in &mut block.instructions {
            for argument in &mut instruction.arguments {
                *argument = replacement[argument.index()];
            }
        }
        let replace = |value: &mut Value| *value = replacement[value.index()];
        block.terminator.for_each_value_mut(replace);
    }
}

/// Moves what the first block does to another one, so that something may come before
/// it; the other one.
pub(crate) fn displace_entry(function: &mut Function) -> BlockId {
    let body = function.block();
    let entry = std::mem::take(&mut function[Function::ENTRY]);
    function[body] = entry;
    for block in function.block_ids().filter(|&b| b != Function::ENTRY) {
        for edge in function[block].terminator.edges_mut() {
            if edge.block == Function::ENTRY {
                edge.block = body;
            }
        }
    }
    body
}

/// Removes the block parameters that `keep` refuses, and the arguments passed
/// for them.
pub(crate) fn retain_parameters(function: &mut Function, keep: impl Fn(Value) -> bool) {
    let kept: Vec<Vec<bool>> = function
        .blocks
        .iter()
        .map(|block| block.parameters.iter().map(|&p| keep(p)).collect())
        .collect();
    for (block, kept_here) in function.blocks.iter_mut().zip(&kept) {
        let mut keep = kept_here.iter();
        block.parameters.retain(|_| keep.next() == Some(&true));
        for edge in block.terminator.edges_mut() {
            let mut keep = kept[edge.block.index()].iter();
            edge.arguments.retain(|_| keep.next() == Some(&true));
        }
    }
}
