//! Folds what is known: constants, conversions that undo each other, offsets of
//! addresses, branches on constants. Constants move to the entry, one for each
//! type and value.

use rustc_hash::FxHashMap;

use super::replace_uses;
use crate::cfg::reverse_postorder;
use crate::evaluate::evaluate;
use crate::ir::{Edge, Function, Instruction, Op, Terminator, Type, Value};

/// Simplifies a function until nothing changes in one walk over it.
pub fn simplify(function: &mut Function) {
    let mut simplifier = Simplifier::new(function);
    for block in reverse_postorder(function) {
        let instructions = std::mem::take(&mut function[block].instructions);
        let mut kept = Vec::with_capacity(instructions.len());
        for mut instruction in instructions {
            if !simplifier.instruction(function, &mut instruction) {
                simplifier.define(&instruction);
                kept.push(instruction);
            }
        }
        function[block].instructions = kept;
        if simplifier.terminator(&mut function[block].terminator) {
            // What chose between ways is no construct any more.
            function[block].merge = None;
        }
    }
    simplifier.place_constants(function);
    let values = 0..function.values.len() as u32;
    let replacement: Vec<_> = values.map(|v| simplifier.resolve(Value(v))).collect();
    replace_uses(function, &replacement);
}

struct Simplifier {
    replacement: Vec<Value>,
    constants: FxHashMap<(Type, u64), Value>,
    /// The constant that a value is.
    known: Vec<Option<u64>>,
    /// The operation and operands that define a value with one result.
    definition: Vec<Option<(Op, Vec<Value>)>>,
}

impl Simplifier {
    fn new(function: &Function) -> Self {
        let count = function.values.len();
        Self {
            replacement: (0..count as u32).map(Value).collect(),
            constants: FxHashMap::default(),
            known: vec![None; count],
            definition: vec![None; count],
        }
    }

    fn resolve(&self, mut value: Value) -> Value {
        while self.replacement[value.index()] != value {
            value = self.replacement[value.index()];
        }
        value
    }

    fn define(&mut self, instruction: &Instruction) {
        if let [result] = instruction.results.as_slice() {
            let operands = instruction.arguments.to_vec();
            self.definition[result.index()] = Some((instruction.op, operands));
        }
    }

    fn definition(&self, value: Value) -> Option<(&Op, &[Value])> {
        let definition = self.definition[value.index()].as_ref();
        definition.map(|(op, operands)| (op, operands.as_slice()))
    }

    /// The value that is this constant.
    fn constant(&mut self, function: &mut Function, ty: Type, bits: u64) -> Value {
        if let Some(&value) = self.constants.get(&(ty, bits)) {
            return value;
        }
        let value = function.value(ty);
        self.replacement.push(value);
        self.known.push(Some(bits));
        self.definition.push(None);
        self.constants.insert((ty, bits), value);
        value
    }

    /// Simplifies one instruction; true where its result is another value.
    fn instruction(&mut self, function: &mut Function, i: &mut Instruction) -> bool {
        for argument in &mut i.arguments {
            *argument = self.resolve(*argument);
        }
        self.fold_offset(i);
        let &[result] = i.results.as_slice() else {
            return false;
        };
        let ty = function.ty(result);
        let value = match self.fold(function, i, ty) {
            Some(bits) => Some(self.constant(function, ty, bits)),
            None => self.identity(function, i, ty),
        };
        if let Some(value) = value {
            self.replacement[result.index()] = value;
        }
        value.is_some()
    }

    /// The constant that an operation on constants gives.
    fn fold(&self, function: &Function, i: &Instruction, ty: Type) -> Option<u64> {
        if i.op.has_effect() {
            return None;
        }
        let mut operands = Vec::with_capacity(i.arguments.len());
        for &argument in &i.arguments {
            operands.push((function.ty(argument), self.known[argument.index()]?));
        }
        if matches!(
            i.op,
            Op::Sine(_) | Op::Cosine(_) | Op::Exp2(_) | Op::Log2(_) | Op::Tanh(_)
        ) {
            // The device's own approximation must answer the same everywhere.
            return None;
        }
        evaluate(&i.op, &[ty], &operands).map(|results| results[0])
    }

    /// An existing value that an instruction's result equals.
    fn identity(&mut self, function: &mut Function, i: &Instruction, ty: Type) -> Option<Value> {
        let arguments = i.arguments.as_slice();
        let known = |index: usize| self.known[arguments.get(index)?.index()];
        let first = arguments.first().copied();
        match i.op {
            Op::Add | Op::Or | Op::Xor if known(1) == Some(0) => first,
            Op::Add | Op::Or | Op::Xor if known(0) == Some(0) => Some(arguments[1]),
            Op::Sub | Op::Shl | Op::Shr(_) if known(1) == Some(0) => first,
            Op::Mul if known(1) == Some(1) => first,
            Op::Mul if known(0) == Some(1) => Some(arguments[1]),
            Op::And if known(1) == Some(ty.mask()) => first,
            Op::And if known(0) == Some(ty.mask()) => Some(arguments[1]),
            Op::And | Op::Or if arguments[0] == arguments[1] => first,
            Op::Mul | Op::And if known(0) == Some(0) || known(1) == Some(0) => {
                Some(self.constant(function, ty, 0))
            }
            Op::Select if known(0).is_some() => {
                Some(arguments[if known(0) == Some(0) { 2 } else { 1 }])
            }
            Op::Select if arguments[1] == arguments[2] => Some(arguments[1]),
            Op::Bitcast | Op::Truncate | Op::Not | Op::Extract(_) | Op::Concat => {
                self.undo(function, i, ty)
            }
            _ => None,
        }
    }

    /// The value from which an operand was made by the inverse operation.
    fn undo(&self, function: &Function, i: &Instruction, ty: Type) -> Option<Value> {
        let (op, operands) = self.definition(i.arguments[0])?;
        let source = *operands.first()?;
        let same = function.ty(source) == ty;
        match (i.op, op) {
            (Op::Bitcast, Op::Bitcast) | (Op::Not, Op::Not) if same => Some(source),
            (Op::Truncate, Op::ZeroExtend | Op::SignExtend) if same => Some(source),
            (Op::Truncate, Op::Concat) if same => Some(source),
            (Op::Extract(0), Op::ZeroExtend | Op::SignExtend) if same => Some(source),
            (Op::Extract(index), Op::Concat) if same => operands.get(index as usize).copied(),
            (Op::Concat, Op::Extract(0)) if same => {
                let pieces = i.arguments.iter().enumerate();
                let all = pieces.map(|(index, &piece)| {
                    let piece = self.definition(piece)?;
                    (piece == (&Op::Extract(index as u32), &[source][..])).then_some(())
                });
                all.collect::<Option<Vec<_>>>().map(|_| source)
            }
            _ => None,
        }
    }

    /// Moves a constant that was added to an address into the access.
    fn fold_offset(&self, i: &mut Instruction) {
        while let Some(access) = i.op.access() {
            let Some((Op::Add, &[base, offset])) = self.definition(i.arguments[0]) else {
                return;
            };
            let Some(bytes) = self.known[offset.index()] else {
                return;
            };
            let Some(sum) = access.offset.checked_add(bytes as i64) else {
                return;
            };
            // Only small offsets: one that wraps a narrower address would not
            // be the same place.
            if sum.unsigned_abs() > i32::MAX as u64 {
                return;
            }
            i.arguments[0] = self.resolve(base);
            if let Some(access) = i.op.access_mut() {
                access.offset = sum;
            }
        }
    }

    /// Makes a branch that can only go one way a jump; true if it was one.
    fn terminator(&self, terminator: &mut Terminator) -> bool {
        let known = |value: Value| self.known[self.resolve(value).index()];
        let target: Option<Edge> = match terminator {
            Terminator::Branch {
                condition,
                then,
                otherwise,
            } => match known(*condition) {
                Some(0) => Some(otherwise.clone()),
                Some(_) => Some(then.clone()),
                None if then == otherwise => Some(then.clone()),
                None => None,
            },
            Terminator::Switch { selector, targets } => known(*selector)
                .and_then(|index| targets.get((index as usize).min(targets.len() - 1)))
                .cloned(),
            _ => None,
        };
        let folds = target.is_some();
        if let Some(edge) = target {
            *terminator = Terminator::Jump(edge);
        }
        folds
    }

    fn place_constants(&self, function: &mut Function) {
        let mut constants: Vec<_> = self.constants.iter().collect();
        constants.sort_unstable_by_key(|(_, value)| **value);
        let definitions = constants
            .into_iter()
            .map(|(&(_, bits), &value)| Instruction {
                op: Op::Const(bits),
                arguments: smallvec::smallvec![],
                results: smallvec::smallvec![value],
                offset: 0,
            });
        let definitions: Vec<_> = definitions.collect();
        function[Function::ENTRY]
            .instructions
            .splice(0..0, definitions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;
    use crate::pass::eliminate_dead_code;

    fn simplified(body: &str) -> String {
        let mut function = parse(&format!("function k {{\n{body}}}\n")).unwrap();
        simplify(&mut function);
        eliminate_dead_code(&mut function);
        crate::verify::verify(&function).unwrap();
        function.to_string()
    }

    #[test]
    fn constants_fold_and_gather_in_the_entry() {
        let text = simplified(
            "b0:\n  v0: b64 = param.0\n  jump b1\nb1:\n  v1: b32 = const.3\n  v2: b32 = const.4\n\
             \x20 v3: b32 = iadd v1, v2\n  store.global.weak.sys.0 v0, v3\n  return\n",
        );
        assert!(
            text.contains("b0:\n  v4: b32 = const.7") || text.contains("= const.7\n"),
            "{text}"
        );
        assert!(!text.contains("iadd"), "{text}");
    }

    #[test]
    fn offsets_move_into_accesses() {
        let text = simplified(
            "b0:\n  v0: b64 = param.0\n  v1: b64 = const.16\n  v2: b64 = iadd v0, v1\n\
             \x20 v3: b64 = iadd v2, v1\n  v4: f32 = load.global.weak.sys.-4 v3\n\
             \x20 store.global.weak.sys.0 v0, v4\n  return\n",
        );
        assert!(text.contains("load.global.weak.sys.28 v0"), "{text}");
    }

    #[test]
    fn what_was_joined_and_split_again_is_itself() {
        let text = simplified(
            "b0:\n  v0: b64 = param.0\n  v1: b32 = extract.0 v0\n  v2: b32 = extract.1 v0\n\
             \x20 v3: b64 = concat v1, v2\n  v4: f64 = bitcast v3\n  v5: b64 = bitcast v4\n\
             \x20 store.global.weak.sys.0 v5, v5\n  return\n",
        );
        assert!(text.contains("store.global.weak.sys.0 v0, v0"), "{text}");
    }

    #[test]
    fn a_branch_on_a_constant_is_a_jump() {
        let text = simplified(
            "b0:\n  v0: b1 = const.0\n  branch v0 b1 b2\nb1:\n  trap.1\n  return\nb2:\n  return\n",
        );
        assert!(text.contains("jump b2"), "{text}");
    }
}
