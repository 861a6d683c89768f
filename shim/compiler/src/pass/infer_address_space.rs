//! Which memory a generic address points to.
//!
//! Almost every pointer is a kernel's parameter or comes from `cvta`, so the
//! space follows from where an address was computed from. What stays open is
//! global unless the kernel makes generic addresses of shared memory; then it is
//! left to [`super::split_generic`].

use crate::ir::{Function, Instruction, Op, Space, Type, Value};

/// What an address was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Not known yet.
    Unseen,
    /// Numbers: an index, or nothing that is an address.
    Number,
    /// A buffer, a variable, or local memory, which lies in global memory.
    Global,
    /// Shared memory.
    Shared,
    /// Memory told where to point, or control chose between spaces.
    Unknown,
}

impl Origin {
    /// The origin of a sum.
    fn plus(self, other: Self) -> Self {
        use Origin::{Global, Number, Shared, Unknown, Unseen};
        match (self, other) {
            (Shared, _) | (_, Shared) => Shared,
            (Global, _) | (_, Global) => Global,
            (Unknown, _) | (_, Unknown) => Unknown,
            (Number, _) | (_, Number) => Number,
            (Unseen, Unseen) => Unseen,
        }
    }

    /// The origin of one of two values.
    fn or(self, other: Self) -> Self {
        use Origin::{Number, Unknown, Unseen};
        match (self, other) {
            (Unseen, origin) | (origin, Unseen) => origin,
            (a, b) if a == b => a,
            // A null pointer is a number.
            (Number, origin) | (origin, Number) => origin,
            _ => Unknown,
        }
    }
}

/// Gives every generic access the space that its address points to, where that
/// is certain.
pub fn infer_address_space(function: &mut Function) {
    let mixes = function
        .blocks
        .iter()
        .flat_map(|block| &block.instructions)
        .any(|i| i.op == Op::ToGeneric(Space::Shared));
    let origins = if mixes { origins(function) } else { Vec::new() };
    let space = |address: Value| match origins.get(address.index()) {
        Some(Origin::Shared) => Space::Shared,
        Some(Origin::Unknown) => Space::Generic,
        _ => Space::Global,
    };
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let mut out = Vec::with_capacity(instructions.len());
        for mut i in instructions {
            resolve_test(&mut i, &space);
            if let Some(access) = i.op.access_mut()
                && access.space == Space::Generic
            {
                let found = space(i.arguments[0]);
                access.space = found;
                if found == Space::Shared {
                    let offset = function.value(Type::B64);
                    out.push(Instruction {
                        op: Op::FromGeneric(Space::Shared),
                        arguments: smallvec::smallvec![i.arguments[0]],
                        results: smallvec::smallvec![offset],
                        offset: i.offset,
                    });
                    i.arguments[0] = offset;
                }
            }
            out.push(i);
        }
        function[block].instructions = out;
    }
}

/// `isspacep` of an address whose space is certain.
fn resolve_test(i: &mut Instruction, space: &impl Fn(Value) -> Space) {
    let Op::IsSpace(asked) = i.op else { return };
    let found = space(i.arguments[0]);
    if found != Space::Generic && asked != Space::Local {
        let holds = (found == Space::Shared) == (asked == Space::Shared);
        i.op = Op::Const(u64::from(holds));
        i.arguments.clear();
    }
}

fn origins(function: &Function) -> Vec<Origin> {
    let mut origins = vec![Origin::Unseen; function.values.len()];
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for block in &function.blocks {
            for i in &block.instructions {
                let origin = origin(function, i, &origins);
                for result in &i.results {
                    let old = &mut origins[result.index()];
                    let new = old.or(origin);
                    changed |= *old != new;
                    *old = new;
                }
            }
            for edge in block.terminator.edges() {
                let parameters = &function[edge.block].parameters;
                for (parameter, argument) in parameters.iter().zip(&edge.arguments) {
                    let new = origins[parameter.index()].or(origins[argument.index()]);
                    changed |= origins[parameter.index()] != new;
                    origins[parameter.index()] = new;
                }
            }
        }
    }
    origins
}

fn origin(function: &Function, i: &Instruction, origins: &[Origin]) -> Origin {
    let of = |index: usize| origins[i.arguments[index].index()];
    let wide = i.results.iter().any(|&r| function.ty(r) == Type::B64);
    match i.op {
        Op::ToGeneric(Space::Shared) => Origin::Shared,
        Op::Parameter(_) | Op::Global(_) | Op::Scratch if wide => Origin::Global,
        Op::Load(_) | Op::Atomic(_) if wide => Origin::Unknown,
        Op::Add => of(0).plus(of(1)),
        Op::Sub => of(0),
        Op::And | Op::Bitcast if wide => of(0),
        Op::Select => of(1).or(of(2)),
        _ => Origin::Number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    const MIXED: &str = "function k {
b0:
  v0: b64 = const.16
  v1: b64 = togeneric.shared v0
  v2: b64 = iadd v1, v0
  v3: b32 = load.generic.weak.sys.0 v2
  v4: b64 = param.0
  v5: b32 = load.generic.weak.sys.0 v4
  v6: b64 = load.global.weak.sys.0 v4
  v7: b32 = load.generic.weak.sys.0 v6
  v8: b1 = isspace.shared v2
  v9: b1 = isspace.global v6
  return
";

    #[test]
    fn the_space_follows_the_pointer() {
        let mut function = parse(MIXED).unwrap();
        infer_address_space(&mut function);
        crate::verify::verify(&function).unwrap();
        let text = function.to_string();
        assert!(
            text.contains("v3: b32 = load.shared") || text.contains("load.shared.weak"),
            "{text}"
        );
        assert!(text.contains("load.global.weak.sys.0 v4"), "{text}");
        assert!(text.contains("load.generic.weak.sys.0 v6"), "{text}");
        assert!(
            text.contains("= const.1\n") && text.contains("isspace.global"),
            "{text}"
        );
    }

    #[test]
    fn without_shared_pointers_everything_is_global() {
        let text = MIXED
            .replace("togeneric.shared v0", "param.8")
            .replace("const.16", "param.16");
        let mut function = parse(&text).unwrap();
        infer_address_space(&mut function);
        assert!(!function.to_string().contains("generic"), "{function}");
    }
}
