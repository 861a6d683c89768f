//! Replaces operations that SPIR-V does not have, or not at every width, by
//! ones it has. The result means the same to [`crate::evaluate`].

mod double;
mod rounding;
mod subnormals;

pub use rounding::{emulate_fused_f32, emulate_fused_f64};
pub use subnormals::{emulate_flushes, emulate_functions, emulate_subnormals};

use crate::ir::{
    Condition, Dot2, FloatComparison, FloatCondition, FloatMode, Function, Half, Instruction,
    IntegerComparison, Op, PermuteMode, Rounding, Signedness, Type, Value,
};
use Signedness::{Signed, Unsigned};
use Type::{B1, B8, B32, B64};

/// Replaces every operation that the back end does not write.
pub fn legalize(function: &mut Function) {
    each(function, |writer, i| {
        writer.instruction(i);
    });
}

/// Replaces the operations for which `expand` makes a value.
fn rewrite(
    function: &mut Function,
    expand: impl Fn(&mut Writer<'_>, &Instruction) -> Option<Value>,
) {
    each(function, |writer, i| {
        writer.offset = i.offset;
        match expand(writer, &i) {
            Some(value) => writer.name(value, i.results[0]),
            None => writer.out.push(i),
        }
    });
}

fn each(function: &mut Function, write: impl Fn(&mut Writer<'_>, Instruction)) {
    let known = function.constants();
    for block in function.block_ids() {
        let instructions = std::mem::take(&mut function[block].instructions);
        let mut writer = Writer {
            function,
            known: &known,
            offset: 0,
            out: Vec::with_capacity(instructions.len()),
        };
        for instruction in instructions {
            write(&mut writer, instruction);
        }
        let out = writer.out;
        function[block].instructions = out;
    }
}

struct Writer<'f> {
    function: &'f mut Function,
    known: &'f [Option<u64>],
    offset: u32,
    out: Vec<Instruction>,
}

impl Writer<'_> {
    fn instruction(&mut self, i: Instruction) {
        self.offset = i.offset;
        let a = i.arguments.clone();
        let Some(&result) = i.results.first() else {
            self.out.push(i);
            return;
        };
        let ty = self.function.ty(result);
        let value = match i.op {
            Op::ExtractBits(sign) => self.extract_bits(ty, a[0], a[1], a[2], sign),
            Op::InsertBits => self.insert_bits(ty, a[0], a[1], a[2], a[3]),
            Op::Permute(mode) if !self.is_shuffle(mode, a[2]) => {
                self.permute(mode, a[0], a[1], a[2])
            }
            Op::Dot2(dot) => self.dot2(dot, a[0], a[1], a[2]),
            Op::MulHigh(sign) => self.multiply_high(ty, a[0], a[1], sign),
            Op::FindHighBit(sign) if self.function.ty(a[0]) != B32 => {
                self.find_high_bit(a[0], sign)
            }
            Op::LeadingZeros => self.leading_zeros(a[0]),
            Op::PopCount if self.function.ty(a[0]) != B32 => self.pop_count(a[0]),
            Op::ReverseBits if ty != B32 => self.reverse_bits(ty, a[0]),
            Op::FunnelLeft | Op::FunnelRight => self.funnel(i.op, a[0], a[1], a[2]),
            Op::Abs => self.absolute(ty, a[0]),
            Op::Rem(sign) => self.remainder(ty, a[0], a[1], sign),
            Op::FAdd(mode) | Op::FSub(mode)
                if mode.rounding == Rounding::Zero && ty == Type::F32 =>
            {
                self.add_toward_zero(i.op, a[0], a[1], mode)
            }
            Op::AddCarry => return self.add_carry(&i, [a[0], a[1], a[2]]),
            Op::SubBorrow => return self.sub_borrow(&i, [a[0], a[1], a[2]]),
            _ => match self.directed(&i, ty) {
                Some(value) => value,
                None => {
                    self.out.push(i);
                    return;
                }
            },
        };
        self.name(value, result);
    }

    /// Gives a value the name that its users know: the last instruction is the
    /// one that defines it.
    fn name(&mut self, value: Value, result: Value) {
        match self.out.last_mut() {
            Some(last) if last.results.as_slice() == [value] => last.results[0] = result,
            _ => {
                // An operand or a constant came out: adding nothing renames it.
                let ty = self.function.ty(result);
                let zero = self.constant(ty, 0);
                self.push(Op::Or, &[value, zero], result);
            }
        }
    }

    fn push(&mut self, op: Op, arguments: &[Value], result: Value) {
        self.out.push(Instruction {
            op,
            arguments: arguments.into(),
            results: smallvec::smallvec![result],
            offset: self.offset,
        });
    }

    fn emit(&mut self, op: Op, arguments: &[Value], ty: Type) -> Value {
        let result = self.function.value(ty);
        self.push(op, arguments, result);
        result
    }

    fn constant(&mut self, ty: Type, bits: u64) -> Value {
        self.emit(Op::Const(bits & ty.mask()), &[], ty)
    }

    fn compare(&mut self, condition: Condition, sign: Signedness, a: Value, b: Value) -> Value {
        let comparison = IntegerComparison {
            condition,
            signedness: sign,
        };
        self.emit(Op::Compare(comparison), &[a, b], B1)
    }

    /// The position or length of a bit field, of which 32-bit forms read a byte.
    fn bit_count(&mut self, ty: Type, value: Value) -> Value {
        if ty == B64 {
            return value;
        }
        let mask = self.constant(B32, 255);
        self.emit(Op::And, &[value, mask], B32)
    }

    /// As many ones as `length` says, from bit 0.
    fn ones(&mut self, ty: Type, length: Value) -> Value {
        let all = self.constant(ty, u64::MAX);
        let above = self.emit(Op::Shl, &[all, length], ty);
        self.emit(Op::Not, &[above], ty)
    }

    fn extract_bits(
        &mut self,
        ty: Type,
        value: Value,
        position: Value,
        length: Value,
        sign: Signedness,
    ) -> Value {
        let position = self.bit_count(ty, position);
        let length = self.bit_count(ty, length);
        let field = self.emit(Op::Shr(sign), &[value, position], ty);
        if sign == Unsigned {
            let ones = self.ones(ty, length);
            return self.emit(Op::And, &[field, ones], ty);
        }
        // The sign that a shift to the top and back copies down; a length of 0
        // shifts everything out.
        let width = self.constant(B32, u64::from(ty.bits()));
        let length = self.emit(Op::Min(Unsigned), &[length, width], B32);
        let amount = self.emit(Op::Sub, &[width, length], B32);
        let field = self.emit(Op::Shl, &[field, amount], ty);
        self.emit(Op::Shr(Signed), &[field, amount], ty)
    }

    fn insert_bits(
        &mut self,
        ty: Type,
        field: Value,
        base: Value,
        position: Value,
        length: Value,
    ) -> Value {
        let position = self.bit_count(ty, position);
        let length = self.bit_count(ty, length);
        let ones = self.ones(ty, length);
        let mask = self.emit(Op::Shl, &[ones, position], ty);
        let field = self.emit(Op::Shl, &[field, position], ty);
        let field = self.emit(Op::And, &[field, mask], ty);
        let keep = self.emit(Op::Not, &[mask], ty);
        let base = self.emit(Op::And, &[base, keep], ty);
        self.emit(Op::Or, &[field, base], ty)
    }

    /// Whether the back end can write a permutation as a shuffle of bytes.
    fn is_shuffle(&self, mode: PermuteMode, selector: Value) -> bool {
        let known = self.known.get(selector.index()).copied().flatten();
        mode == PermuteMode::Index && known.is_some_and(|s| s & 0x8888 == 0)
    }

    fn permute(&mut self, mode: PermuteMode, low: Value, high: Value, selector: Value) -> Value {
        let pair = self.emit(Op::Concat, &[low, high], B64);
        let bytes: Vec<_> = (0..4)
            .map(|index| self.permuted_byte(mode, pair, selector, index))
            .collect();
        self.emit(Op::Concat, &bytes, B32)
    }

    fn permuted_byte(
        &mut self,
        mode: PermuteMode,
        pair: Value,
        selector: Value,
        index: u64,
    ) -> Value {
        let place = self.byte_place(mode, selector, index);
        let eight = self.constant(B32, 8);
        let amount = self.emit(Op::Mul, &[place, eight], B32);
        let shifted = self.emit(Op::Shr(Unsigned), &[pair, amount], B64);
        let byte = self.emit(Op::Truncate, &[shifted], B8);
        if mode != PermuteMode::Index {
            return byte;
        }
        let flag = self.constant(B32, 8 << (4 * index));
        let flag = self.emit(Op::And, &[selector, flag], B32);
        let zero = self.constant(B32, 0);
        let replicate = self.compare(Condition::Ne, Unsigned, flag, zero);
        let seven = self.constant(B32, 7);
        let sign = self.emit(Op::Shr(Signed), &[byte, seven], B8);
        self.emit(Op::Select, &[replicate, sign, byte], B8)
    }

    /// Which of the eight bytes goes to place `index`.
    fn byte_place(&mut self, mode: PermuteMode, selector: Value, index: u64) -> Value {
        let own = self.constant(B32, index);
        let (three, seven) = (self.constant(B32, 3), self.constant(B32, 7));
        let start = self.emit(Op::And, &[selector, three], B32);
        match mode {
            PermuteMode::Index => {
                let amount = self.constant(B32, 4 * index);
                let nibble = self.emit(Op::Shr(Unsigned), &[selector, amount], B32);
                self.emit(Op::And, &[nibble, seven], B32)
            }
            PermuteMode::Forward4 => self.emit(Op::Add, &[start, own], B32),
            PermuteMode::Backward4 => {
                let place = self.emit(Op::Sub, &[start, own], B32);
                self.emit(Op::And, &[place, seven], B32)
            }
            PermuteMode::Replicate8 => start,
            PermuteMode::EdgeClampLeft => self.emit(Op::Max(Unsigned), &[start, own], B32),
            PermuteMode::EdgeClampRight => self.emit(Op::Min(Unsigned), &[start, own], B32),
            PermuteMode::Replicate16 => {
                let (one, two) = (self.constant(B32, 1), self.constant(B32, 2));
                let half = self.emit(Op::And, &[selector, one], B32);
                let half = self.emit(Op::Mul, &[half, two], B32);
                let low = self.constant(B32, index & 1);
                self.emit(Op::Add, &[half, low], B32)
            }
        }
    }

    fn widen(&mut self, value: Value, ty: Type, sign: Signedness) -> Value {
        let op = match sign {
            Signed => Op::SignExtend,
            Unsigned => Op::ZeroExtend,
        };
        self.emit(op, &[value], ty)
    }

    fn dot2(&mut self, dot: Dot2, a: Value, b: Value, c: Value) -> Value {
        let first = if dot.half == Half::High { 2 } else { 0 };
        (0..2).fold(c, |sum, index| {
            let half = self.emit(Op::Extract(index), &[a], Type::B16);
            let half = self.widen(half, B32, dot.signs.a);
            let byte = self.emit(Op::Extract(first + index), &[b], B8);
            let byte = self.widen(byte, B32, dot.signs.b);
            let product = self.emit(Op::Mul, &[half, byte], B32);
            self.emit(Op::Add, &[sum, product], B32)
        })
    }

    fn multiply_high(&mut self, ty: Type, a: Value, b: Value, sign: Signedness) -> Value {
        if let Some(wide) = Type::of_bits(2 * ty.bits()) {
            let product = self.emit(Op::MulWide(sign), &[a, b], wide);
            return self.emit(Op::Extract(1), &[product], ty);
        }
        let high = self.multiply_high_words(a, b);
        if sign == Unsigned {
            return high;
        }
        // A negative factor was read as itself plus 2^64.
        let zero = self.constant(ty, 0);
        [(a, b), (b, a)]
            .into_iter()
            .fold(high, |high, (factor, other)| {
                let negative = self.compare(Condition::Lt, Signed, factor, zero);
                let excess = self.emit(Op::Select, &[negative, other, zero], ty);
                self.emit(Op::Sub, &[high, excess], ty)
            })
    }

    fn multiply_high_words(&mut self, a: Value, b: Value) -> Value {
        let words = [a, b].map(|v| [0, 1].map(|word| self.emit(Op::Extract(word), &[v], B32)));
        let mut product =
            |i: usize, j: usize| self.emit(Op::MulWide(Unsigned), &[words[0][i], words[1][j]], B64);
        let (low, cross, other, high) =
            (product(0, 0), product(0, 1), product(1, 0), product(1, 1));
        let amount = self.constant(B32, 32);
        let mut sum = self.emit(Op::Shr(Unsigned), &[low, amount], B64);
        let mut carry = high;
        for part in [cross, other] {
            let low = self.emit(Op::Truncate, &[part], B32);
            let low = self.emit(Op::ZeroExtend, &[low], B64);
            sum = self.emit(Op::Add, &[sum, low], B64);
            let high = self.emit(Op::Shr(Unsigned), &[part, amount], B64);
            carry = self.emit(Op::Add, &[carry, high], B64);
        }
        let sum = self.emit(Op::Shr(Unsigned), &[sum, amount], B64);
        self.emit(Op::Add, &[carry, sum], B64)
    }

    fn find_high_bit(&mut self, value: Value, sign: Signedness) -> Value {
        let ty = self.function.ty(value);
        if ty.bits() < 32 {
            let value = self.widen(value, B32, sign);
            return self.emit(Op::FindHighBit(sign), &[value], B32);
        }
        let value = match sign {
            Unsigned => value,
            Signed => {
                let amount = self.constant(B32, 63);
                let copies = self.emit(Op::Shr(Signed), &[value, amount], B64);
                self.emit(Op::Xor, &[value, copies], B64)
            }
        };
        let [low, high] = [0, 1].map(|word| {
            let word = self.emit(Op::Extract(word), &[value], B32);
            self.emit(Op::FindHighBit(Unsigned), &[word], B32)
        });
        let (none, bits) = (self.constant(B32, u64::MAX), self.constant(B32, 32));
        let found = self.compare(Condition::Ne, Unsigned, high, none);
        let high = self.emit(Op::Add, &[high, bits], B32);
        self.emit(Op::Select, &[found, high, low], B32)
    }

    fn leading_zeros(&mut self, value: Value) -> Value {
        let ty = self.function.ty(value);
        let place = match ty {
            B32 => self.emit(Op::FindHighBit(Unsigned), &[value], B32),
            _ => self.find_high_bit(value, Unsigned),
        };
        // No bit is place -1, which gives the width.
        let top = self.constant(B32, u64::from(ty.bits()) - 1);
        self.emit(Op::Sub, &[top, place], B32)
    }

    fn pop_count(&mut self, value: Value) -> Value {
        if self.function.ty(value).bits() < 32 {
            let value = self.widen(value, B32, Unsigned);
            return self.emit(Op::PopCount, &[value], B32);
        }
        let [low, high] = [0, 1].map(|word| {
            let word = self.emit(Op::Extract(word), &[value], B32);
            self.emit(Op::PopCount, &[word], B32)
        });
        self.emit(Op::Add, &[low, high], B32)
    }

    fn reverse_bits(&mut self, ty: Type, value: Value) -> Value {
        if ty.bits() < 32 {
            let value = self.widen(value, B32, Unsigned);
            let reversed = self.emit(Op::ReverseBits, &[value], B32);
            let amount = self.constant(B32, u64::from(32 - ty.bits()));
            let reversed = self.emit(Op::Shr(Unsigned), &[reversed, amount], B32);
            return self.emit(Op::Truncate, &[reversed], ty);
        }
        let [low, high] = [0, 1].map(|word| {
            let word = self.emit(Op::Extract(word), &[value], B32);
            self.emit(Op::ReverseBits, &[word], B32)
        });
        self.emit(Op::Concat, &[high, low], B64)
    }

    fn funnel(&mut self, op: Op, low: Value, high: Value, amount: Value) -> Value {
        let mask = self.constant(B32, 31);
        let amount = self.emit(Op::And, &[amount, mask], B32);
        let pair = self.emit(Op::Concat, &[low, high], B64);
        let (shift, word) = match op {
            Op::FunnelLeft => (Op::Shl, 1),
            _ => (Op::Shr(Unsigned), 0),
        };
        let pair = self.emit(shift, &[pair, amount], B64);
        self.emit(Op::Extract(word), &[pair], B32)
    }

    fn absolute(&mut self, ty: Type, value: Value) -> Value {
        let zero = self.constant(ty, 0);
        let negated = self.emit(Op::Neg, &[value], ty);
        let negative = self.compare(Condition::Lt, Signed, value, zero);
        self.emit(Op::Select, &[negative, negated, value], ty)
    }

    /// By the quotient: of a zero divisor it is all ones, and so is the remainder.
    fn remainder(&mut self, ty: Type, a: Value, b: Value, sign: Signedness) -> Value {
        let quotient = self.emit(Op::Div(sign), &[a, b], ty);
        let product = self.emit(Op::Mul, &[quotient, b], ty);
        let difference = self.emit(Op::Sub, &[a, product], ty);
        let zero = self.constant(ty, 0);
        let divides = self.compare(Condition::Ne, Unsigned, b, zero);
        self.emit(Op::Select, &[divides, difference, quotient], ty)
    }

    /// The nearest sum, and one step toward zero where its error says that it
    /// was rounded away.
    fn add_toward_zero(&mut self, op: Op, a: Value, b: Value, mode: FloatMode) -> Value {
        let ty = Type::F32;
        // The error of a sum may be subnormal where the sum is not.
        let flush = mode.flush;
        let mode = FloatMode::NEAREST;
        let [a, b] = [a, b].map(|operand| self.flushed(operand, ty, flush));
        let b = match op {
            Op::FSub(_) => self.emit(Op::FNeg, &[b], ty),
            _ => b,
        };
        let sum = self.emit(Op::FAdd(mode), &[a, b], ty);
        let from_b = self.emit(Op::FSub(mode), &[sum, a], ty);
        let from_a = self.emit(Op::FSub(mode), &[sum, from_b], ty);
        let error_a = self.emit(Op::FSub(mode), &[a, from_a], ty);
        let error_b = self.emit(Op::FSub(mode), &[b, from_b], ty);
        let error = self.emit(Op::FAdd(mode), &[error_a, error_b], ty);
        let zero = self.constant(ty, 0);
        let positive = self.float_compare(FloatCondition::Gt, sum, zero);
        let below = self.float_compare(FloatCondition::Lt, error, zero);
        let above = self.float_compare(FloatCondition::Gt, error, zero);
        let away = self.emit(Op::Select, &[positive, below, above], B1);
        // Where finite operands overflow the error is NaN; toward zero the sum
        // is the greatest float, which is one step below infinity.
        let [a, b] = [a, b].map(|operand| self.magnitude(operand));
        let greater = self.emit(Op::Max(Unsigned), &[a, b], B32);
        let infinity = self.constant(B32, u64::from(f32::INFINITY.to_bits()));
        let magnitude = self.magnitude(sum);
        let finite = self.compare(Condition::Lt, Unsigned, greater, infinity);
        let infinite = self.compare(Condition::Eq, Unsigned, magnitude, infinity);
        let overflows = self.emit(Op::And, &[finite, infinite], B1);
        let away = self.emit(Op::Or, &[away, overflows], B1);
        let bits = self.emit(Op::Bitcast, &[sum], B32);
        let one = self.constant(B32, 1);
        let step = self.emit(Op::Sub, &[bits, one], B32);
        let bits = self.emit(Op::Select, &[away, step, bits], B32);
        let sum = self.emit(Op::Bitcast, &[bits], ty);
        self.flushed(sum, ty, flush)
    }

    /// The bits of an f32 without its sign.
    fn magnitude(&mut self, value: Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[value], B32);
        let mask = self.constant(B32, 0x7FFF_FFFF);
        self.emit(Op::And, &[bits, mask], B32)
    }

    fn float_compare(&mut self, condition: FloatCondition, a: Value, b: Value) -> Value {
        let comparison = FloatComparison {
            condition,
            mode: FloatMode::NEAREST,
        };
        self.emit(Op::FCompare(comparison), &[a, b], B1)
    }

    fn add_carry(&mut self, i: &Instruction, [a, b, carry]: [Value; 3]) {
        let carry_in = self.emit(Op::ZeroExtend, &[carry], B32);
        let sum = self.emit(Op::Add, &[a, b], B32);
        let first = self.compare(Condition::Lt, Unsigned, sum, a);
        self.push(Op::Add, &[sum, carry_in], i.results[0]);
        let second = self.compare(Condition::Lt, Unsigned, i.results[0], carry_in);
        self.push(Op::Or, &[first, second], i.results[1]);
    }

    fn sub_borrow(&mut self, i: &Instruction, [a, b, borrow]: [Value; 3]) {
        let borrow_in = self.emit(Op::ZeroExtend, &[borrow], B32);
        let difference = self.emit(Op::Sub, &[a, b], B32);
        let first = self.compare(Condition::Lt, Unsigned, a, b);
        let second = self.compare(Condition::Lt, Unsigned, difference, borrow_in);
        self.push(Op::Sub, &[difference, borrow_in], i.results[0]);
        self.push(Op::Or, &[first, second], i.results[1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::evaluate;
    use smallvec::SmallVec;

    const EDGES: [u64; 11] = [
        0,
        7,
        31,
        32,
        33,
        63,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFFF,
        0x1234_5678_9ABC_DEF0,
        u64::MAX,
    ];

    /// Evaluates a block on known operands.
    pub(super) fn run(function: &Function, inputs: &[(Value, u64)]) -> Vec<u64> {
        let mut values = vec![0; function.values.len()];
        for &(value, bits) in inputs {
            values[value.index()] = bits;
        }
        for i in &function.blocks[0].instructions {
            let operands: Vec<_> = i
                .arguments
                .iter()
                .map(|&v| (function.ty(v), values[v.index()]))
                .collect();
            let types: Vec<_> = i.results.iter().map(|&r| function.ty(r)).collect();
            let Some(results) = evaluate(&i.op, &types, &operands) else {
                continue;
            };
            for (result, bits) in i.results.iter().zip(results) {
                values[result.index()] = bits;
            }
        }
        values
    }

    /// Checks that an operation and its expansion give the same on every
    /// combination of edge values.
    fn agrees(op: &str, arguments: &[Type], results: &[Type]) {
        let op = Op::from_text(op).unwrap();
        let mut function = Function::default();
        function.block();
        let inputs: Vec<_> = arguments.iter().map(|&ty| function.value(ty)).collect();
        let outputs: SmallVec<[Value; 1]> = results.iter().map(|&ty| function.value(ty)).collect();
        function.blocks[0].instructions.push(Instruction {
            op,
            arguments: inputs.iter().copied().collect(),
            results: outputs.clone(),
            offset: 0,
        });
        let original = function.clone();
        legalize(&mut function);
        let reads = |i: &Instruction| i.arguments.iter().any(|a| inputs.contains(a));
        let stays = |i: &Instruction| i.op == op && reads(i);
        assert!(!function.blocks[0].instructions.iter().any(stays), "{op}");
        for code in 0..EDGES.len().pow(arguments.len() as u32) {
            let bits: Vec<_> = (0..arguments.len() as u32)
                .map(|i| EDGES[code / EDGES.len().pow(i) % EDGES.len()])
                .zip(arguments)
                .map(|(bits, ty)| bits & ty.mask())
                .collect();
            let inputs: Vec<_> = inputs.iter().copied().zip(bits.iter().copied()).collect();
            let (expected, got) = (run(&original, &inputs), run(&function, &inputs));
            for output in &outputs {
                let (expected, got) = (expected[output.index()], got[output.index()]);
                assert_eq!(got, expected, "{op} {bits:x?}: {got:#x}, not {expected:#x}");
            }
        }
    }

    #[test]
    fn expansions_mean_what_they_replace() {
        use Type::B16;
        for ty in [B32, B64] {
            for sign in ["s", "u"] {
                agrees(&format!("bfe.{sign}"), &[ty, B32, B32], &[ty]);
                agrees(&format!("imulhi.{sign}"), &[ty, ty], &[ty]);
                agrees(&format!("irem.{sign}"), &[ty, ty], &[ty]);
            }
            agrees("iabs", &[ty], &[ty]);
            agrees("clz", &[ty], &[B32]);
        }
        agrees("bfi", &[B32, B32, B32, B32], &[B32]);
        agrees("bfi", &[B64, B64, B32, B32], &[B64]);
        for mode in ["idx", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"] {
            agrees(&format!("prmt.{mode}"), &[B32, B32, B32], &[B32]);
        }
        for ty in [B16, B64] {
            agrees("bfind.s", &[ty], &[B32]);
            agrees("bfind.u", &[ty], &[B32]);
            agrees("popc", &[ty], &[B32]);
            agrees("brev", &[ty], &[ty]);
        }
        agrees("dp2a.s.u.hi", &[B32, B32, B32], &[B32]);
        agrees("dp2a.u.s.lo", &[B32, B32, B32], &[B32]);
        agrees("funnell", &[B32, B32, B32], &[B32]);
        agrees("funnelr", &[B32, B32, B32], &[B32]);
        agrees("addc", &[B32, B32, B1], &[B32, B1]);
        agrees("subb", &[B32, B32, B1], &[B32, B1]);
    }

    #[test]
    fn a_sum_toward_zero_is_the_exact_one_cut_off() {
        let mut function = crate::ir::parse(
            "function k {\nb0:\n  v0: f32 = param.0\n  v1: f32 = param.4\n  v2: f32 = fadd.rz.ftz v0, v1\n  return\n",
        )
        .unwrap();
        let original = function.clone();
        legalize(&mut function);
        let values = [
            1.0f32,
            -1.0,
            9.536_743e-7,
            -9.536_743e-7,
            16777216.0,
            1.5,
            0.0,
            -3.25e7,
            1.25,
        ];
        for a in values {
            for b in values {
                let inputs = [
                    (Value(0), u64::from(a.to_bits())),
                    (Value(1), u64::from(b.to_bits())),
                ];
                let [expected, got] = [&original, &function].map(|f| run(f, &inputs)[2]);
                assert_eq!(got, expected, "{a} + {b}");
            }
        }
    }
}
