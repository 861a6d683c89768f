//! Where a kernel's shared variables lie. The driver's answers about static
//! shared memory and the compiled code come from this one layout.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::front::ast::{Symbol, Variable};
use crate::front::words::StateSpace;
use crate::front::{Function, ModuleIndex, align_up};

/// Dynamic shared memory starts at a multiple of this, the largest alignment
/// that an access needs.
const DYNAMIC_ALIGN: u32 = 16;

/// The offsets of a kernel's shared variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SharedLayout {
    /// Bytes of the variables with a size, and of the padding before dynamic
    /// shared memory where there is any.
    pub static_bytes: u64,
    /// Whether an array without a size is used.
    pub dynamic: bool,
    /// Offsets by name; a variable of a body has its function's number.
    offsets: FxHashMap<(Option<usize>, String), u64>,
}

impl SharedLayout {
    /// The offset of the variable that `name` means in a function.
    #[must_use]
    pub fn offset(&self, function: usize, name: &str) -> Option<u64> {
        let own = self.offsets.get(&(Some(function), name.to_owned()));
        own.or_else(|| self.offsets.get(&(None, name.to_owned())))
            .copied()
    }

    fn place(&mut self, function: Option<usize>, variable: &Variable) {
        let offset = align_up(self.static_bytes, variable.align);
        self.static_bytes = offset.saturating_add(variable.size());
        self.offsets
            .insert((function, variable.name.clone()), offset);
    }
}

/// Lays out the shared variables that a kernel and the functions it calls
/// declare or name.
#[must_use]
pub fn shared_layout(text: &str, index: &ModuleIndex, entry: &Function) -> SharedLayout {
    let reached = reached_functions(text, index, entry);
    let mut layout = SharedLayout::default();
    for &position in &reached {
        for variable in &index.functions[position].body_variables {
            if variable.space == StateSpace::Shared {
                layout.place(Some(position), variable);
            }
        }
    }
    let named = |variable: &&Variable| {
        variable.space == StateSpace::Shared
            && reached
                .iter()
                .any(|&f| names(text, &index.functions[f], &variable.name))
    };
    let (sized, unsized_): (Vec<_>, Vec<_>) = index
        .variables
        .iter()
        .filter(named)
        .partition(|v| v.count.is_some_and(|c| c > 0));
    sized
        .iter()
        .for_each(|variable| layout.place(None, variable));
    if !unsized_.is_empty() {
        layout.dynamic = true;
        layout.static_bytes = align_up(layout.static_bytes, DYNAMIC_ALIGN);
    }
    for variable in unsized_ {
        let key = (None, variable.name.clone());
        layout.offsets.insert(key, layout.static_bytes);
    }
    layout
}

/// The kernel and the functions with bodies that it may call, by their number.
fn reached_functions(text: &str, index: &ModuleIndex, entry: &Function) -> Vec<usize> {
    let callable: Vec<_> = index
        .functions
        .iter()
        .enumerate()
        .filter(|(_, f)| !f.is_entry && f.body.is_some())
        .collect();
    let Some(Symbol::Function(start)) = index.symbol(&entry.name) else {
        return Vec::new();
    };
    let mut reached = vec![start];
    let mut seen: FxHashSet<usize> = reached.iter().copied().collect();
    let mut next = 0;
    while let Some(&position) = reached.get(next) {
        next += 1;
        for &(callee, function) in &callable {
            if names(text, &index.functions[position], &function.name) && seen.insert(callee) {
                reached.push(callee);
            }
        }
    }
    reached
}

/// Whether a function's body contains a name as a whole word.
fn names(text: &str, function: &Function, name: &str) -> bool {
    let body = function.body.clone().and_then(|range| text.get(range));
    let body = body.unwrap_or_default();
    let is_word =
        |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || "_$%".contains(c));
    body.match_indices(name).any(|(at, _)| {
        let before = body[..at].chars().next_back();
        let after = body[at + name.len()..].chars().next();
        !is_word(before) && !is_word(after)
    })
}
