//! Checks that a function is what the essay of [`crate::ir`] says. A failure
//! after a pass is that pass's bug, never the user's.

use crate::cfg::Dominators;
use crate::ir::{
    Access, AtomicOp, BarrierOp, Block, BlockId, Function, Instruction, MatrixProduct, Merge, Op,
    Space, Terminator, Type, Value, VoteMode,
};

/// What is wrong with a function, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the compiler made invalid IR of `{function}`: {block}: {what}")]
pub struct VerifyError {
    /// The function's name.
    pub function: String,
    /// The block.
    pub block: BlockId,
    /// The instruction or terminator and the rule that it breaks.
    pub what: String,
}

/// Checks a function.
///
/// # Errors
/// The first rule that is broken.
pub fn verify(function: &Function) -> Result<(), VerifyError> {
    let verifier = Verifier {
        function,
        definitions: definitions(function)?,
        dominators: Dominators::new(function),
    };
    function
        .block_ids()
        .try_for_each(|block| verifier.block(block))
}

/// Where a value is defined: the block, and the instruction's place plus one, 0
/// for a parameter.
type Definition = Option<(BlockId, usize)>;

fn error(function: &Function, block: BlockId, what: String) -> VerifyError {
    let function = function.name.clone();
    VerifyError {
        function,
        block,
        what,
    }
}

fn definitions(function: &Function) -> Result<Vec<Definition>, VerifyError> {
    let mut definitions: Vec<Definition> = vec![None; function.values.len()];
    for id in function.block_ids() {
        let block = &function[id];
        let parameters = block.parameters.iter().map(|&p| (p, 0));
        let results = block
            .instructions
            .iter()
            .enumerate()
            .flat_map(|(at, i)| i.results.iter().map(move |&r| (r, at + 1)));
        for (value, at) in parameters.chain(results) {
            let Some(slot) = definitions.get_mut(value.index()) else {
                return Err(error(function, id, format!("{value} has no type")));
            };
            if slot.replace((id, at)).is_some() {
                return Err(error(function, id, format!("{value} is defined twice")));
            }
        }
    }
    Ok(definitions)
}

struct Verifier<'f> {
    function: &'f Function,
    definitions: Vec<Definition>,
    dominators: Dominators,
}

impl Verifier<'_> {
    fn block(&self, id: BlockId) -> Result<(), VerifyError> {
        let block = &self.function[id];
        let fail = |what: String| Err(error(self.function, id, what));
        if id == Function::ENTRY && !block.parameters.is_empty() {
            return fail("the entry has parameters".to_owned());
        }
        for (at, instruction) in block.instructions.iter().enumerate() {
            for &argument in &instruction.arguments {
                if !self.is_visible(argument, id, at + 1) {
                    return fail(format!("{argument} does not reach `{}`", instruction.op));
                }
            }
            if let Err(rule) = signature(self.function, instruction) {
                return fail(format!("`{}` {rule}", instruction.op));
            }
        }
        self.terminator(id, block).or_else(fail)
    }

    fn terminator(&self, id: BlockId, block: &Block) -> Result<(), String> {
        let end = block.instructions.len() + 1;
        let mut unreached = None;
        block.terminator.for_each_value(|value| {
            if !self.is_visible(value, id, end) {
                unreached = Some(value);
            }
        });
        if let Some(value) = unreached {
            return Err(format!("{value} does not reach `{}`", block.terminator));
        }
        let wanted = match block.terminator {
            Terminator::Switch { .. } => Type::B32,
            _ => Type::B1,
        };
        if let Some(condition) = block.terminator.condition()
            && self.function.ty(condition) != wanted
        {
            return Err(format!("`{}` decides by another type", block.terminator));
        }
        for edge in block.terminator.edges() {
            let Some(target) = self.function.blocks.get(edge.block.index()) else {
                return Err(format!("{} does not exist", edge.block));
            };
            let types = |values: &[Value]| -> Vec<_> {
                values.iter().map(|&v| self.function.ty(v)).collect()
            };
            if types(&edge.arguments) != types(&target.parameters) {
                return Err(format!("`{edge}` does not match the parameters"));
            }
        }
        self.merge(block)
    }

    fn merge(&self, block: &Block) -> Result<(), String> {
        let blocks = self.function.blocks.len();
        let exists = |id: BlockId| id.index() < blocks;
        let valid = match block.merge {
            None => true,
            Some(Merge::Selection(merge)) => exists(merge),
            Some(Merge::Loop { merge, continuing }) => exists(merge) && exists(continuing),
        };
        if valid {
            Ok(())
        } else {
            Err("a merge block does not exist".to_owned())
        }
    }

    /// Whether a value's definition comes before this place on every way to it.
    /// In blocks that nothing reaches everything goes.
    fn is_visible(&self, value: Value, block: BlockId, at: usize) -> bool {
        let reached = block == Function::ENTRY || self.dominators.immediate(block).is_some();
        match self.definitions.get(value.index()).copied().flatten() {
            None => false,
            Some(_) if !reached => true,
            Some((defined, place)) if defined == block => place < at,
            Some((defined, _)) => self.dominators.dominates(defined, block),
        }
    }
}

type Rule = Result<(), &'static str>;

fn rule(holds: bool, rule: &'static str) -> Rule {
    if holds { Ok(()) } else { Err(rule) }
}

/// Checks an instruction's operands and results against its operation.
fn signature(function: &Function, i: &Instruction) -> Rule {
    let types =
        |values: &[Value]| -> Vec<Type> { values.iter().map(|&v| function.ty(v)).collect() };
    let (arguments, results) = (types(&i.arguments), types(&i.results));
    let (a, r) = (arguments.as_slice(), results.as_slice());
    use Type::{B1, B32, B64};
    match i.op {
        Op::Const(_) | Op::Special(_) | Op::Parameter(_) => {
            rule(a.is_empty() && r.len() == 1, "makes one value of nothing")
        }
        Op::Global(_)
        | Op::Scratch
        | Op::SharedBase
        | Op::SafeAddress
        | Op::PrintBuffer
        | Op::Clock => rule(a.is_empty() && r == [B64], "makes an address of nothing"),
        Op::Bitcast => unary(
            a,
            r,
            |a, r| a.bits() == r.bits() && a != r,
            "keeps the width",
        ),
        Op::Truncate => unary(
            a,
            r,
            |a, r| bits(a) && bits(r) && r != B1 && a.bits() > r.bits(),
            "narrows bits, and not to a predicate",
        ),
        Op::ZeroExtend | Op::SignExtend => unary(
            a,
            r,
            |a, r| bits(a) && bits(r) && a.bits() < r.bits(),
            "widens bits",
        ),
        Op::Extract(index) => unary(
            a,
            r,
            |a, r| bits(a) && bits(r) && (index + 1) * r.bits() <= a.bits(),
            "takes a piece of bits",
        ),
        Op::Concat => {
            let total: u32 = a.iter().map(|t| t.bits()).sum();
            let same = a.windows(2).all(|w| w[0] == w[1]) && a.iter().all(|&t| bits(t));
            rule(
                same && a.len() > 1 && r.len() == 1 && bits(r[0]) && r[0].bits() == total,
                "joins bits of one width",
            )
        }
        Op::Select => rule(
            matches!((a, r), ([B1, x, y], [z]) if x == y && y == z),
            "chooses between two of one type",
        ),
        Op::Add
        | Op::Sub
        | Op::Mul
        | Op::MulHigh(_)
        | Op::Div(_)
        | Op::Rem(_)
        | Op::And
        | Op::Or
        | Op::Xor
        | Op::Min(_)
        | Op::Max(_) => rule(same(a, r, 2) && bits(r[0]), "takes two of one type of bits"),
        Op::Not | Op::Neg | Op::Abs | Op::ReverseBits => {
            rule(same(a, r, 1) && bits(r[0]), "takes bits")
        }
        Op::MulWide(_) => rule(
            matches!((a, r), ([x, y], [z]) if x == y && bits(*x) && bits(*z) && z.bits() == 2 * x.bits()),
            "doubles the width",
        ),
        Op::Shl | Op::Shr(_) => rule(
            matches!((a, r), ([x, B32], [y]) if x == y && bits(*x)),
            "shifts bits by a b32",
        ),
        Op::FunnelLeft | Op::FunnelRight | Op::Permute(_) | Op::Dot4(_) | Op::Dot2(_) => {
            rule(a == [B32; 3] && r == [B32], "takes three b32")
        }
        Op::PopCount | Op::LeadingZeros | Op::FindHighBit(_) => {
            rule(matches!((a, r), ([x], [B32]) if bits(*x)), "counts bits")
        }
        Op::ExtractBits(_) => rule(
            matches!((a, r), ([x, B32, B32], [y]) if x == y && bits(*x)),
            "takes bits and two b32",
        ),
        Op::InsertBits => rule(
            matches!((a, r), ([x, y, B32, B32], [z]) if x == y && y == z && bits(*x)),
            "takes two of bits and two b32",
        ),
        Op::AddCarry | Op::SubBorrow => rule(
            a == [B32, B32, B1] && r == [B32, B1],
            "takes two b32 and a carry",
        ),
        Op::Compare(_) => rule(
            matches!((a, r), ([x, y], [B1]) if x == y && bits(*x)),
            "compares two of bits",
        ),
        Op::FCompare(_) => rule(
            matches!((a, r), ([x, y], [B1]) if x == y && x.is_float()),
            "compares two floats",
        ),
        Op::FAdd(_)
        | Op::FSub(_)
        | Op::FMul(_)
        | Op::FDiv(_)
        | Op::FMin(_)
        | Op::FMax(_)
        | Op::CopySign => rule(
            same(a, r, 2) && r[0].is_float(),
            "takes two floats of one type",
        ),
        Op::Fma(_) => rule(
            same(a, r, 3) && r[0].is_float(),
            "takes three floats of one type",
        ),
        Op::Reciprocal(_)
        | Op::SquareRoot(_)
        | Op::ReciprocalRoot(_)
        | Op::Sine(_)
        | Op::Cosine(_)
        | Op::Exp2(_)
        | Op::Log2(_)
        | Op::Tanh(_)
        | Op::FNeg
        | Op::FAbs
        | Op::Saturate
        | Op::Flush
        | Op::RoundToIntegral(_) => rule(same(a, r, 1) && r[0].is_float(), "takes a float"),
        Op::FloatToInteger(_) => unary(
            a,
            r,
            |a, r| a.is_float() && bits(r),
            "makes bits of a float",
        ),
        Op::IntegerToFloat(_) => unary(
            a,
            r,
            |a, r| bits(a) && r.is_float(),
            "makes a float of bits",
        ),
        Op::FloatConvert(_) => unary(
            a,
            r,
            |a, r| a.is_float() && r.is_float() && a != r,
            "changes a float's width",
        ),
        Op::ToGeneric(_) | Op::FromGeneric(_) => {
            rule(a == [B64] && r == [B64], "converts an address")
        }
        Op::IsSpace(_) => rule(a == [B64] && r == [B1], "tests an address"),
        Op::Load(access) => memory(&access, a).and(rule(
            a.len() == 1 && is_vector(r),
            "loads a vector of one type",
        )),
        Op::Store(access) => memory(&access, a).and(rule(
            r.is_empty() && is_vector(&a[1..]),
            "stores a vector of one type",
        )),
        Op::Atomic(atomic) => {
            let operands = if atomic.op == AtomicOp::CompareExchange {
                3
            } else {
                2
            };
            let one_type = r.len() == 1 && a.len() == operands && a[1..].iter().all(|t| *t == r[0]);
            memory(&atomic.access, a).and(rule(one_type, "takes an address and values of one type"))
        }
        Op::Shuffle(_) => rule(
            matches!((a, r), ([x, B32, B32, B32], [y, B1]) if x == y),
            "takes a value and three b32",
        ),
        Op::Vote(mode) => {
            let result = if mode == VoteMode::Ballot { B32 } else { B1 };
            rule(
                a == [B1, B32] && r == [result],
                "takes a predicate and a mask",
            )
        }
        Op::Match(_) => rule(
            matches!((a, r), ([_, B32], [B32] | [B32, B1])),
            "takes a value and a mask",
        ),
        Op::Reduce(_) => rule(a == [B32, B32] && r == [B32], "takes a value and a mask"),
        Op::MatrixProduct(product) => rule(
            matrices(product, a, r),
            "takes the registers of three matrices and a mask",
        ),
        Op::SubgroupShuffle => rule(
            matches!((a, r), ([x, B32], [y]) if x == y),
            "takes a value and a b32",
        ),
        Op::SubgroupBallot => rule(a == [B1] && r == [B32], "takes a predicate"),
        Op::ActiveMask => rule(a.is_empty() && r == [B32], "makes a mask"),
        Op::WarpBarrier | Op::Sleep => rule(a == [B32] && r.is_empty(), "takes a b32"),
        Op::Barrier(BarrierOp::Sync | BarrierOp::Arrive) => rule(
            a == [B32, B32] && r.is_empty(),
            "takes a number and a count",
        ),
        Op::Barrier(op) => {
            let result = if op == BarrierOp::Count { B32 } else { B1 };
            rule(
                a == [B1, B32, B32] && r == [result],
                "takes a predicate, a number and a count",
            )
        }
        Op::Print => rule(a == [B64, B64] && r == [B32], "takes two addresses"),
        Op::Assert => rule(
            a == [B64, B64, B32, B64] && r.is_empty(),
            "takes three addresses and a line",
        ),
        Op::Fence(_) | Op::Trap(_) => rule(a.is_empty() && r.is_empty(), "takes nothing"),
    }
}

fn matrices(product: MatrixProduct, arguments: &[Type], results: &[Type]) -> bool {
    let [a, b, sums] = product.registers().map(|count| count as usize);
    let ty = product.sum_register();
    let mut wanted = vec![Type::B32; a + b];
    wanted.extend(vec![ty; sums]);
    wanted.push(Type::B32);
    product.exists() && arguments == wanted && results == vec![ty; sums]
}

const fn bits(ty: Type) -> bool {
    !ty.is_float()
}

fn same(arguments: &[Type], results: &[Type], count: usize) -> bool {
    let one = results.len() == 1 && arguments.len() == count;
    one && arguments.iter().all(|ty| *ty == results[0])
}

fn unary(a: &[Type], r: &[Type], holds: impl Fn(Type, Type) -> bool, what: &'static str) -> Rule {
    rule(matches!((a, r), (&[a], &[r]) if holds(a, r)), what)
}

fn is_vector(types: &[Type]) -> bool {
    let len = matches!(types.len(), 1..=8);
    len && types.iter().all(|&ty| ty == types[0] && ty != Type::B1)
}

fn memory(access: &Access, arguments: &[Type]) -> Rule {
    let narrow = matches!(access.space, Space::Shared | Space::Local);
    let fits = match arguments.first() {
        Some(Type::B64) => true,
        Some(Type::B32) => narrow,
        _ => false,
    };
    rule(fits, "needs an address")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::parse;

    #[test]
    fn broken_rules_are_named() {
        let cases = [
            (
                "b0:\n  v0: b32 = iadd v1, v1\n  v1: b32 = const.1\n  return",
                "v1 does not reach `iadd`",
            ),
            (
                "b0:\n  v0: b32 = const.1\n  v0: b32 = const.1\n  return",
                "v0 is defined twice",
            ),
            (
                "b0:\n  v0: b32 = const.1\n  v1: f32 = iadd v0, v0\n  return",
                "`iadd` takes two",
            ),
            (
                "b0:\n  v0: b32 = const.1\n  v1: b1 = trunc v0\n  return",
                "`trunc` narrows bits, and not to a predicate",
            ),
            (
                "b0:\n  v0: b32 = const.1\n  jump b1(v0)\nb1:\n  return",
                "does not match the parameters",
            ),
            (
                "b0:\n  v0: b32 = const.1\n  branch v0 b1 b1\nb1:\n  return",
                "decides by another type",
            ),
            (
                "b0:\n  v0: b1 = const.1\n  branch v0 b1 b2\nb1:\n  v1: b32 = const.1\n  jump b2\n\
                 b2:\n  v2: b32 = iadd v1, v1\n  return",
                "v1 does not reach `iadd`",
            ),
            (
                "b0:\n  v0: b32 = const.1\n  v1: b32 = load.global.weak.sys.0 v0\n  return",
                "needs an address",
            ),
        ];
        for (body, expected) in cases {
            let function = parse(&format!("function k {{\n{body}\n}}\n")).unwrap();
            let message = verify(&function).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
