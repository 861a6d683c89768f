//! Gives a reducible control-flow graph the structure that SPIR-V demands:
//! every selection and loop has one merge block, loops one latch, and control
//! leaves a construct only to where the rules allow.
//!
//! # How
//! A *region* is the body of a loop, or the whole function; inner loops count
//! as single nodes of it, so a region has no cycles. A node is written together
//! with everything it dominates: its own code, then its branch with the nodes
//! that only one edge enters inside the arms, then the nodes where edges meet
//! (*merges*), one after another. An edge to a merge becomes falling through
//! to the end of the current arm. Where control may fall through to a merge
//! that it is not on its way to, the merge is put under a *guard*: a predicate
//! that is true if an edge to it was taken. A loop that is left to several
//! places records which, and branches after its own merge.
//!
//! No block is ever duplicated, so barriers and warp operations stay where they
//! are, and the threads of a selection meet where its arms first can.
//!
//! Values follow: block parameters become variables, and a value whose
//! definition no longer dominates a use gets merged in by [`crate::ssa`].

use std::collections::BTreeSet;

use crate::cfg::{immediate_dominators, reverse_postorder};
use crate::ir::{
    BlockId, Condition, Edge, Function, Instruction, IntegerComparison, Merge, Op, Signedness,
    Terminator, Type, Value,
};
use crate::loops::{Irreducible, LoopId, Loops};
use crate::ssa::{Variable, Variables, repair};

/// Selections nested deeper than this would exhaust the stack here or in a
/// driver.
const MAX_DEPTH: usize = 500;

/// Why a function cannot be structured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructurizeError {
    /// A loop has more than one entry.
    #[error("irreducible control flow: {0}")]
    Irreducible(#[from] Irreducible),
    /// Too many selections inside each other.
    #[error("control flow is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}

/// Structures a function without switches. Every block that heads a construct
/// gets its [`Merge`].
///
/// # Errors
/// [`StructurizeError`].
pub fn structurize(function: &mut Function) -> Result<(), StructurizeError> {
    join_returns(function);
    let loops = Loops::new(function)?;
    let regions = Regions::new(function, &loops);
    let mut writer = Writer::new(function, &loops, &regions);
    writer.root()?;
    let mut structured = writer.finish();
    repair(&mut structured);
    super::eliminate_dead_code(&mut structured);
    *function = structured;
    Ok(())
}

/// Makes all threads end in one block, so that an early return is an edge to
/// the end like any other.
fn join_returns(function: &mut Function) {
    let returns = |function: &Function, block: BlockId| {
        matches!(function[block].terminator, Terminator::Return)
    };
    let all: Vec<_> = function
        .block_ids()
        .filter(|&b| returns(function, b))
        .collect();
    if all.len() < 2 {
        return;
    }
    let end = function.block();
    function[end].terminator = Terminator::Return;
    for block in all {
        function[block].terminator = Terminator::Jump(Edge::to(end));
    }
}

/// A node of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Block(BlockId),
    Loop(LoopId),
}

/// One region: its nodes in topological order and their dominator tree.
#[derive(Debug, Default)]
struct Region {
    nodes: Vec<Node>,
    /// Nodes dominated directly, in topological order.
    children: Vec<Vec<usize>>,
    /// How many edges enter each node.
    entering: Vec<usize>,
}

/// Where an edge leads, seen from a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Back to the header of the region's loop.
    Continue,
    /// Out of the region's loop.
    Exit(BlockId),
    /// To a node of the region.
    Node(usize),
}

struct Regions<'f> {
    loops: &'f Loops,
    /// One for each loop, and the function's at the end.
    regions: Vec<Region>,
    /// The place of each block, and of each loop, in its region.
    block_place: Vec<usize>,
    loop_place: Vec<usize>,
}

impl<'f> Regions<'f> {
    fn new(function: &Function, loops: &'f Loops) -> Self {
        let count = loops.loops.len();
        let mut this = Self {
            loops,
            regions: (0..=count).map(|_| Region::default()).collect(),
            block_place: vec![usize::MAX; function.blocks.len()],
            loop_place: vec![usize::MAX; count],
        };
        // A reverse postorder of the blocks gives one of each region, with an
        // inner loop at its header's place.
        for block in reverse_postorder(function) {
            this.place(block);
        }
        for index in 0..this.regions.len() {
            this.build_tree(function, index);
        }
        this
    }

    fn place(&mut self, block: BlockId) {
        let inner = self.loops.innermost(block);
        if let Some(id) = inner
            && self.loops.loops[id.index()].header == block
        {
            let region = self.index(self.loops.loops[id.index()].parent);
            self.loop_place[id.index()] = self.regions[region].nodes.len();
            self.regions[region].nodes.push(Node::Loop(id));
        }
        let region = self.index(inner);
        self.block_place[block.index()] = self.regions[region].nodes.len();
        self.regions[region].nodes.push(Node::Block(block));
    }

    /// The region of a loop, or of the function.
    fn index(&self, around: Option<LoopId>) -> usize {
        around.map_or(self.regions.len() - 1, LoopId::index)
    }

    /// The loop of a region.
    fn around(&self, region: usize) -> Option<LoopId> {
        (region < self.loops.loops.len()).then_some(LoopId(region as u32))
    }

    fn target(&self, region: usize, block: BlockId) -> Target {
        let around = self.around(region);
        if let Some(id) = around {
            if self.loops.loops[id.index()].header == block {
                return Target::Continue;
            }
            if !self.loops.contains(around, block) {
                return Target::Exit(block);
            }
        }
        let mut inner = self.loops.innermost(block);
        if inner == around {
            return Target::Node(self.block_place[block.index()]);
        }
        while let Some(id) = inner {
            let parent = self.loops.loops[id.index()].parent;
            if parent == around {
                return Target::Node(self.loop_place[id.index()]);
            }
            inner = parent;
        }
        Target::Exit(block)
    }

    fn build_tree(&mut self, function: &Function, region: usize) {
        let nodes = &self.regions[region].nodes;
        let mut edges = vec![Vec::new(); nodes.len()];
        let mut entering = vec![0; nodes.len()];
        for (from, node) in nodes.iter().enumerate() {
            let targets: Vec<BlockId> = match *node {
                Node::Block(block) => {
                    let edges = function[block].terminator.edges();
                    edges.iter().map(|edge| edge.block).collect()
                }
                Node::Loop(id) => self.loops.loops[id.index()].exits.clone(),
            };
            for target in targets {
                if let Target::Node(to) = self.target(region, target) {
                    edges[from].push(to);
                    entering[to] += 1;
                }
            }
        }
        let order: Vec<usize> = (0..nodes.len()).collect();
        let idom = immediate_dominators(&order, &edges);
        let mut children = vec![Vec::new(); nodes.len()];
        for (node, parent) in idom.iter().enumerate().skip(1) {
            if let Some(parent) = parent {
                children[*parent].push(node);
            }
        }
        let region = &mut self.regions[region];
        region.children = children;
        region.entering = entering;
    }
}

/// The loop that is being written.
struct Open {
    region: usize,
    merge: BlockId,
    continuing: BlockId,
}

/// The nodes of the current region that control may be on its way to when it
/// falls out of what was written last.
type Pending = BTreeSet<usize>;

struct Writer<'f> {
    old: &'f Function,
    loops: &'f Loops,
    regions: &'f Regions<'f>,
    new: Function,
    variables: Variables,
    /// What each old block parameter became.
    alias: Vec<Value>,
    /// The block being written; `None` where control has left.
    current: Option<BlockId>,
    open: Vec<Open>,
    depth: usize,
}

type Written<T> = Result<T, StructurizeError>;

impl<'f> Writer<'f> {
    fn new(old: &'f Function, loops: &'f Loops, regions: &'f Regions<'f>) -> Self {
        let mut new = Function {
            blocks: Vec::new(),
            ..old.clone()
        };
        let entry = new.block();
        Self {
            old,
            loops,
            regions,
            alias: (0..old.values.len() as u32).map(Value).collect(),
            new,
            variables: Variables::default(),
            current: Some(entry),
            open: Vec::new(),
            depth: 0,
        }
    }

    fn root(&mut self) -> Written<()> {
        let root = self.regions.regions.len() - 1;
        self.open.push(Open {
            region: root,
            merge: Function::ENTRY,
            continuing: Function::ENTRY,
        });
        self.sequence(0)?;
        Ok(())
    }

    fn finish(self) -> Function {
        let mut new = self.new;
        self.variables.finish(&mut new);
        new
    }

    fn region(&self) -> usize {
        self.open[self.open.len() - 1].region
    }

    fn node_flag(&self, node: usize) -> Variable {
        // Flags of different regions never live at once in one block's scope,
        // but inner and outer do: number them by the block they lead to.
        let block = match self.regions.regions[self.region()].nodes[node] {
            Node::Block(block) => block,
            Node::Loop(id) => self.loops.loops[id.index()].header,
        };
        let is_loop = matches!(
            self.regions.regions[self.region()].nodes[node],
            Node::Loop(_)
        );
        Variable((self.old.values.len() + 2 * block.index() + usize::from(is_loop)) as u32)
    }

    fn selector(&self, id: LoopId) -> Variable {
        Variable((self.old.values.len() + 2 * self.old.blocks.len() + id.index()) as u32)
    }

    fn emit(&mut self, op: Op, arguments: &[Value], ty: Type) -> Value {
        let result = self.new.value(ty);
        if let Some(block) = self.current {
            self.new[block].instructions.push(Instruction {
                op,
                arguments: arguments.into(),
                results: smallvec::smallvec![result],
                offset: 0,
            });
        }
        result
    }

    fn write(&mut self, variable: Variable, value: Value) {
        if let Some(block) = self.current {
            self.variables.write(block, variable, value);
        }
    }

    fn write_constant(&mut self, variable: Variable, ty: Type, bits: u64) {
        let value = self.emit(Op::Const(bits), &[], ty);
        self.write(variable, value);
    }

    fn read(&mut self, variable: Variable, ty: Type) -> Value {
        let block = self.current.unwrap_or(Function::ENTRY);
        self.variables.read(&mut self.new, block, variable, ty)
    }

    /// Ends the current block with a jump; control is gone afterwards.
    fn leave_to(&mut self, block: BlockId) {
        if let Some(current) = self.current.take() {
            self.new[current].terminator = Terminator::Jump(Edge::to(block));
        }
    }

    /// Writes a node and all it dominates; says where control may want to go
    /// when it falls out at the end.
    fn sequence(&mut self, node: usize) -> Written<Pending> {
        let mut node = node;
        let regions = self.regions;
        'node: loop {
            let region = &regions.regions[self.region()];
            let merges: Vec<usize> = self.merges(region, node);
            let mut pending = self.node(region, node, &merges)?;
            for (index, &merge) in merges.iter().enumerate() {
                let only = pending.len() == 1 && pending.contains(&merge);
                if only && index + 1 == merges.len() {
                    node = merge;
                    continue 'node;
                }
                if !pending.remove(&merge) {
                    continue;
                }
                let after = match only {
                    true => self.sequence(merge)?,
                    false => self.guarded(merge)?,
                };
                pending.extend(after);
            }
            return Ok(pending);
        }
    }

    /// The children of a node that do not go into an arm of its branch.
    fn merges(&self, region: &Region, node: usize) -> Vec<usize> {
        let branches = match region.nodes[node] {
            Node::Block(block) => self.old[block].terminator.edges().len() > 1,
            Node::Loop(id) => self.loops.loops[id.index()].exits.len() > 1,
        };
        let children = region.children[node].iter().copied();
        children
            .filter(|&child| !branches || region.entering[child] > 1)
            .collect()
    }

    /// A merge that not everything falling through is on its way to.
    fn guarded(&mut self, merge: usize) -> Written<Pending> {
        let flag = self.node_flag(merge);
        let condition = self.read(flag, Type::B1);
        let Some(header) = self.current else {
            return Ok(Pending::new());
        };
        let (then, end) = (self.new.block(), self.new.block());
        self.new[header].merge = Some(Merge::Selection(end));
        self.new[header].terminator = Terminator::Branch {
            condition,
            then: Edge::to(then),
            otherwise: Edge::to(end),
        };
        self.current = Some(then);
        let pending = self.nested(|writer| writer.sequence(merge))?;
        self.leave_to(end);
        self.current = Some(end);
        Ok(pending)
    }

    fn nested<T>(&mut self, write: impl FnOnce(&mut Self) -> Written<T>) -> Written<T> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(StructurizeError::TooDeep);
        }
        let outcome = write(self);
        self.depth -= 1;
        outcome
    }

    /// Writes a node's own code and its branch.
    fn node(&mut self, region: &Region, node: usize, merges: &[usize]) -> Written<Pending> {
        match region.nodes[node] {
            Node::Block(block) => {
                self.copy(block);
                self.clear_flags(merges);
                self.terminator(block, merges)
            }
            Node::Loop(id) => {
                self.whole_loop(id)?;
                self.clear_flags(merges);
                self.loop_exits(id, merges)
            }
        }
    }

    fn clear_flags(&mut self, merges: &[usize]) {
        for &merge in merges {
            let flag = self.node_flag(merge);
            self.write_constant(flag, Type::B1, 0);
        }
    }

    fn copy(&mut self, block: BlockId) {
        let Some(current) = self.current else { return };
        for &parameter in &self.old[block].parameters {
            let ty = self.old.ty(parameter);
            let value = self.read(Variable(parameter.0), ty);
            self.alias[parameter.index()] = value;
        }
        for instruction in &self.old[block].instructions {
            let mut instruction = instruction.clone();
            for argument in &mut instruction.arguments {
                *argument = self.alias[argument.index()];
            }
            self.new[current].instructions.push(instruction);
        }
    }

    fn terminator(&mut self, block: BlockId, merges: &[usize]) -> Written<Pending> {
        let old = self.old;
        match &old[block].terminator {
            Terminator::Jump(edge) => self.edge(edge, merges),
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.alias[condition.index()];
                self.branch(
                    condition,
                    |writer| writer.edge(then, merges),
                    |writer| writer.edge(otherwise, merges),
                )
            }
            Terminator::Return => {
                if let Some(current) = self.current.take() {
                    self.new[current].terminator = Terminator::Return;
                }
                Ok(Pending::new())
            }
            Terminator::Switch { .. } | Terminator::Unreachable => {
                self.current = None;
                Ok(Pending::new())
            }
        }
    }

    /// A selection; each arm writes itself.
    fn branch(
        &mut self,
        condition: Value,
        then: impl FnOnce(&mut Self) -> Written<Pending>,
        otherwise: impl FnOnce(&mut Self) -> Written<Pending>,
    ) -> Written<Pending> {
        let Some(header) = self.current else {
            return Ok(Pending::new());
        };
        let blocks = [self.new.block(), self.new.block()];
        let end = self.new.block();
        self.new[header].merge = Some(Merge::Selection(end));
        self.new[header].terminator = Terminator::Branch {
            condition,
            then: Edge::to(blocks[0]),
            otherwise: Edge::to(blocks[1]),
        };
        self.current = Some(blocks[0]);
        let mut pending = self.nested(then)?;
        let mut falls_through = self.current.is_some();
        self.leave_to(end);
        self.current = Some(blocks[1]);
        pending.extend(self.nested(otherwise)?);
        falls_through |= self.current.is_some();
        self.leave_to(end);
        self.current = falls_through.then_some(end);
        Ok(pending)
    }

    fn edge(&mut self, edge: &Edge, merges: &[usize]) -> Written<Pending> {
        let parameters = &self.old[edge.block].parameters;
        for (parameter, argument) in parameters.iter().zip(&edge.arguments) {
            let value = self.alias[argument.index()];
            self.write(Variable(parameter.0), value);
        }
        self.go(edge.block, merges)
    }

    /// Control goes to an old block, whose parameters are written already.
    fn go(&mut self, block: BlockId, merges: &[usize]) -> Written<Pending> {
        let region = self.region();
        match self.regions.target(region, block) {
            Target::Continue => {
                let continuing = self.open[self.open.len() - 1].continuing;
                self.leave_to(continuing);
                Ok(Pending::new())
            }
            Target::Exit(block) => {
                self.exit(block);
                Ok(Pending::new())
            }
            Target::Node(node) => {
                let inside = self.regions.regions[region].entering[node] == 1;
                if inside && !merges.contains(&node) {
                    return self.sequence(node);
                }
                let flag = self.node_flag(node);
                self.write_constant(flag, Type::B1, 1);
                Ok(Pending::from([node]))
            }
        }
    }

    /// Leaves the loop of the region, recording where to.
    fn exit(&mut self, block: BlockId) {
        let merge = self.open[self.open.len() - 1].merge;
        if let Some(id) = self.regions.around(self.region()) {
            let exits = &self.loops.loops[id.index()].exits;
            if exits.len() > 1 {
                let index = exits.iter().position(|&exit| exit == block).unwrap_or(0);
                let selector = self.selector(id);
                self.write_constant(selector, Type::B32, index as u64);
            }
        }
        self.leave_to(merge);
    }

    /// Writes a loop; afterwards the current block is its merge.
    fn whole_loop(&mut self, id: LoopId) -> Written<()> {
        if self.current.is_none() {
            return Ok(());
        }
        let [header, body, continuing, merge] = [(); 4].map(|()| self.new.block());
        self.leave_to(header);
        self.new[header].merge = Some(Merge::Loop { merge, continuing });
        self.new[header].terminator = Terminator::Jump(Edge::to(body));
        self.new[continuing].terminator = Terminator::Jump(Edge::to(header));
        self.current = Some(body);
        self.open.push(Open {
            region: id.index(),
            merge,
            continuing,
        });
        self.nested(|writer| writer.sequence(0))?;
        self.open.pop();
        self.current = Some(merge);
        Ok(())
    }

    /// Goes on where the loop was left to.
    fn loop_exits(&mut self, id: LoopId, merges: &[usize]) -> Written<Pending> {
        let loops = self.loops;
        let exits = &loops.loops[id.index()].exits;
        if exits.is_empty() {
            self.current = None;
            return Ok(Pending::new());
        }
        self.choose_exit(id, exits, 0, merges)
    }

    fn choose_exit(
        &mut self,
        id: LoopId,
        exits: &[BlockId],
        index: usize,
        merges: &[usize],
    ) -> Written<Pending> {
        if index + 1 == exits.len() {
            return self.go(exits[index], merges);
        }
        let selector = self.selector(id);
        let selector = self.read(selector, Type::B32);
        let number = self.emit(Op::Const(index as u64), &[], Type::B32);
        let comparison = IntegerComparison {
            condition: Condition::Eq,
            signedness: Signedness::Unsigned,
        };
        let taken = self.emit(Op::Compare(comparison), &[selector, number], Type::B1);
        self.branch(
            taken,
            |writer| writer.go(exits[index], merges),
            |writer| writer.choose_exit(id, exits, index + 1, merges),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interpreter::{Launch, Memory, run};
    use crate::ir::parse;
    use crate::verify::verify;

    /// A reproducible stream of numbers.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % bound
        }
    }

    /// A function of `count` nodes that each mix their number into a value,
    /// count down, and go to one of two others by a bit of the value. Values
    /// cross blocks both as parameters and by dominance.
    fn random_function(random: &mut Random, count: u64) -> String {
        let mut text = String::from(
            "function k parameters 16 {\nentry:\n  va: b64 = param.0\n  vs: b32 = param.8\n\
             \x20 vf: b32 = const.40\n  v1: b32 = const.1\n  v0: b32 = const.0\n  jump n0(vs, vf)\n",
        );
        for n in 0..count {
            // Forward to anything later, back to anything before: irreducible
            // results are thrown away by the caller.
            let mut target = || match random.below(4) {
                0 if n > 0 => random.below(n + 1),
                _ => (n + 1 + random.below(3)).min(count),
            };
            let (a, b) = (target(), target());
            let name = |t: u64| {
                if t == count {
                    "end".to_owned()
                } else {
                    format!("n{t}")
                }
            };
            let edge = |t: u64| format!("{}(vx{n}, vd{n})", name(t));
            text += &format!(
                "n{n}(vi{n}: b32, vc{n}: b32):\n  vk{n}: b32 = const.{}\n  vm{n}: b32 = const.{}\n\
                 \x20 vp{n}: b32 = imul vi{n}, vk{n}\n  vx{n}: b32 = iadd vp{n}, vm{n}\n\
                 \x20 vd{n}: b32 = isub vc{n}, v1\n  vz{n}: b1 = icmp.eq.u vd{n}, v0\n\
                 \x20 branch vz{n} end(vx{n}, vd{n}) m{n}\n\
                 m{n}:\n  vh{n}: b32 = const.{}\n  vb{n}: b32 = shr.u vx{n}, vh{n}\n  vg{n}: b32 = and vb{n}, v1\n\
                 \x20 vy{n}: b1 = icmp.eq.u vg{n}, v0\n  branch vy{n} {} {}\n",
                1_664_525 + 2 * n,
                1_013_904_223 + n,
                random.below(32),
                edge(a),
                edge(b),
            );
        }
        text + "end(ve: b32, vl: b32):\n  store.global.weak.sys.0 va, ve, vl\n  return\n}\n"
    }

    fn result(function: &Function, seed: u32) -> Vec<u8> {
        let mut memory = Memory::default();
        let address = memory.allocate(vec![0; 8]);
        let mut parameters = address.to_le_bytes().to_vec();
        parameters.extend(seed.to_le_bytes());
        parameters.resize(16, 0);
        let launch = Launch {
            grid: [1; 3],
            block: [1; 3],
            dynamic_shared_bytes: 0,
            parameters: &parameters,
            globals: &Default::default(),
            max_steps: 100_000,
        };
        run(function, &launch, &mut memory).unwrap();
        memory.read(address, 8).unwrap().to_vec()
    }

    #[test]
    fn random_graphs_keep_their_meaning() {
        let mut random = Random(0x9E37_79B9_7F4A_7C15);
        let (mut structured, mut loops) = (0, 0);
        for _ in 0..600 {
            let count = 2 + random.below(11);
            let text = random_function(&mut random, count);
            let original = parse(&text).unwrap();
            verify(&original).unwrap();
            let mut function = original.clone();
            match structurize(&mut function) {
                Err(StructurizeError::Irreducible(_)) => continue,
                outcome => outcome.unwrap(),
            }
            verify(&function).unwrap();
            assert_structured(&function);
            structured += 1;
            loops += usize::from(
                function
                    .blocks
                    .iter()
                    .any(|b| matches!(b.merge, Some(Merge::Loop { .. }))),
            );
            for seed in [1, 7, 0xDEAD_BEEF, 12345] {
                assert_eq!(
                    result(&function, seed),
                    result(&original, seed),
                    "{text}\n{function}"
                );
            }
        }
        assert!(
            structured > 200 && loops > 50,
            "{structured} structured, {loops} with loops"
        );
    }

    /// Every branch heads a construct, no block ends two, and loops have one
    /// back edge, from their continue block.
    fn assert_structured(function: &Function) {
        let mut merges = std::collections::HashSet::new();
        for id in function.block_ids() {
            let block = &function[id];
            let branches = block.terminator.edges().len() > 1;
            assert_eq!(
                branches,
                matches!(block.merge, Some(Merge::Selection(_))),
                "{id} of {function}"
            );
            match block.merge {
                Some(Merge::Selection(merge)) => assert!(merges.insert(merge), "{merge} ends two"),
                Some(Merge::Loop { merge, continuing }) => {
                    assert!(merges.insert(merge) && merges.insert(continuing));
                    let back = &function[continuing].terminator;
                    assert!(matches!(back, Terminator::Jump(edge) if edge.block == id));
                }
                None => {}
            }
        }
    }

    #[test]
    fn two_early_returns_become_one_end() {
        let mut function = parse(
            "function k {\nb0:\n  v0: b32 = special.tid.0\n  v1: b32 = const.4\n\
             \x20 v2: b1 = icmp.lt.u v0, v1\n  branch v2 b1 b2\nb1:\n  return\nb2:\n  v3: b32 = const.0\n\
             \x20 bar.sync v3, v3\n  return\n",
        )
        .unwrap();
        structurize(&mut function).unwrap();
        let returns = function
            .blocks
            .iter()
            .filter(|b| b.terminator == Terminator::Return);
        assert_eq!(returns.count(), 1, "{function}");
        let barriers = function.blocks.iter().flat_map(|b| &b.instructions);
        assert_eq!(
            barriers.filter(|i| matches!(i.op, Op::Barrier(_))).count(),
            1
        );
    }
}
