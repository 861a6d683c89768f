//! Products, fused sums, quotients and roots of f64 with a directed rounding, by
//! integers: no wider float holds them, and what the nearest result lacks cannot
//! be had where it overflows or vanishes.
//!
//! A number is taken apart into sign, exponent and digits; the digits of the
//! result are computed one place further than any rounding looks, with the last
//! bit set for whatever lies behind it (*jammed*), and put together again.
//! Quotients and roots start from the device's own, which only has to be near.

use super::Writer;
use super::rounding::NEAREST;
use crate::ir::{Accuracy, Condition, IntegerConversion, Op, Rounding, Signedness, Type, Value};
use crate::ir::{FloatMode, Instruction};
use Signedness::{Signed, Unsigned};
use Type::{B1, B32, B64, F64};

const INFINITY: u64 = f64::INFINITY.to_bits();
const SIGN: u64 = 1 << 63;
/// Bits of an f64 behind the point.
const DIGITS: u64 = 52;
/// Bits of a word below the digits of an f64 whose first one is the topmost.
const SPARE: u64 = 11;
/// An f64 is its digits as an integer, times two to its exponent field less this.
const UNIT: u64 = 1023 + DIGITS;
/// How far the device's quotients and roots may lie from the exact ones, in units
/// of twice their last place.
const SLACK: u64 = 8;

/// `digits` times two to the `exponent`. The topmost of the 64 digits is set
/// unless the number is zero.
#[derive(Clone, Copy)]
struct Number {
    negative: Value,
    exponent: Value,
    digits: Value,
}

/// The words of an integer of 128 bits, the lower one first.
type Wide = [Value; 2];

impl Writer<'_> {
    /// The expansion of a product, fused sum, quotient or root of f64; `None` for
    /// other operations.
    pub(super) fn directed_f64(&mut self, i: &Instruction, rounding: Rounding) -> Option<Value> {
        let v = &i.arguments;
        Some(match i.op {
            Op::FMul(_) => self.directed_product(v[0], v[1], rounding),
            Op::Fma(_) => self.directed_fused([v[0], v[1], v[2]], rounding),
            Op::FDiv(accuracy) => self.directed_quotient(v[0], v[1], accuracy, rounding),
            Op::Reciprocal(accuracy) => {
                let one = self.constant(F64, 1f64.to_bits());
                self.directed_quotient(one, v[0], accuracy, rounding)
            }
            Op::SquareRoot(accuracy) => self.directed_root(v[0], accuracy, rounding),
            _ => return None,
        })
    }

    fn directed_product(&mut self, a: Value, b: Value, rounding: Rounding) -> Value {
        let plain = self.emit(Op::FMul(NEAREST), &[a, b], F64);
        let finite = self.are_finite(&[a, b]);
        let (a, b) = (self.number(a), self.number(b));
        let negative = self.emit(Op::Xor, &[a.negative, b.negative], B1);
        let exponent = self.emit(Op::Add, &[a.exponent, b.exponent], B32);
        let product = self.product(a.digits, b.digits);
        let product = self.number_of_wide(negative, exponent, product);
        let product = self.rounded(product, rounding);
        self.emit(Op::Select, &[finite, product, plain], F64)
    }

    fn directed_fused(&mut self, [a, b, c]: [Value; 3], rounding: Rounding) -> Value {
        let finite = self.are_finite(&[a, b, c]);
        // Finite factors have a finite product, whatever its nearest f64 is.
        let plain = self.emit(Op::FMul(NEAREST), &[a, b], F64);
        let factors_finite = self.are_finite(&[a, b]);
        let zero = self.constant(F64, 0);
        let plain = self.emit(Op::Select, &[factors_finite, zero, plain], F64);
        let plain = self.emit(Op::FAdd(NEAREST), &[plain, c], F64);
        let [a, b, c] = [a, b, c].map(|value| self.number(value));
        let sum = self.fused_number(a, b, c, rounding);
        let sum = self.rounded(sum, rounding);
        self.emit(Op::Select, &[finite, sum, plain], F64)
    }

    fn fused_number(&mut self, a: Number, b: Number, c: Number, rounding: Rounding) -> Number {
        let negative = self.emit(Op::Xor, &[a.negative, b.negative], B1);
        // Both are shifted two places down, where digits of f64 have none, so that
        // sums have room.
        let product = self.product(a.digits, b.digits);
        let product = self.shifted_right(product, 2);
        let exponent = self.emit(Op::Add, &[a.exponent, b.exponent], B32);
        let exponent = self.plus(exponent, 2);
        let zero = self.constant(B64, 0);
        let addend = self.shifted_right([zero, c.digits], 2);
        let addend_exponent = self.plus(c.exponent, 2u64.wrapping_sub(64));
        // A zero goes along with whatever the other's exponent is.
        let [no_product, no_addend] =
            [product[1], addend[1]].map(|high| self.compare(Condition::Eq, Unsigned, high, zero));
        let of_product = [no_product, addend_exponent, exponent];
        let of_addend = [no_addend, exponent, addend_exponent];
        let exponent = self.emit(Op::Select, &of_product, B32);
        let addend_exponent = self.emit(Op::Select, &of_addend, B32);
        let swap = self.compare(Condition::Lt, Signed, exponent, addend_exponent);
        let mut either = |x, y, ty| self.emit(Op::Select, &[swap, x, y], ty);
        let upper = [0, 1].map(|word| either(addend[word], product[word], B64));
        let lower = [0, 1].map(|word| either(product[word], addend[word], B64));
        let top = either(addend_exponent, exponent, B32);
        let bottom = either(exponent, addend_exponent, B32);
        let sign = either(c.negative, negative, B1);
        let distance = self.emit(Op::Sub, &[top, bottom], B32);
        let lower = self.jammed_right(lower, distance);
        let differ = self.emit(Op::Xor, &[negative, c.negative], B1);
        let lower = self.negated_if(differ, lower);
        let sum = self.wide_sum(upper, lower);
        let turned = self.compare(Condition::Lt, Signed, sum[1], zero);
        let sum = self.negated_if(turned, sum);
        let sign = self.emit(Op::Xor, &[sign, turned], B1);
        // What vanishes has the sign that both had, or the rounding's.
        let either_word = self.emit(Op::Or, &sum, B64);
        let vanishes = self.compare(Condition::Eq, Unsigned, either_word, zero);
        let down = self.constant(B1, u64::from(rounding == Rounding::Down));
        let of_zero = self.emit(Op::Select, &[differ, down, negative], B1);
        let sign = self.emit(Op::Select, &[vanishes, of_zero, sign], B1);
        self.number_of_wide(sign, top, sum)
    }

    fn directed_quotient(
        &mut self,
        a: Value,
        b: Value,
        accuracy: Accuracy,
        rounding: Rounding,
    ) -> Value {
        let nearest = Op::FDiv(accuracy.nearest());
        let plain = self.emit(nearest, &[a, b], F64);
        let finite = self.are_finite(&[a, b]);
        let (a, b) = (self.number(a), self.number(b));
        let zero = self.constant(B64, 0);
        let [has_a, has_b] =
            [a.digits, b.digits].map(|digits| self.compare(Condition::Ne, Unsigned, digits, zero));
        let [x, y] = [a.digits, b.digits].map(|digits| self.above_spare(digits));
        let [near_x, near_y] = [x, y].map(|digits| self.from_one_to_two(digits));
        let near = self.emit(nearest, &[near_x, near_y], F64);
        let mut quotient = self.digits_below(near);
        let mut rest = {
            let dividend = self.shift(Op::Shl, x, DIGITS + 1);
            let product = self.emit(Op::Mul, &[quotient, y], B64);
            self.emit(Op::Sub, &[dividend, product], B64)
        };
        for place in (0..4).rev() {
            let step = self.shift(Op::Shl, y, place);
            (quotient, rest) = self.step_if_it_fits(quotient, rest, place, step);
        }
        let negative = self.emit(Op::Xor, &[a.negative, b.negative], B1);
        let exponent = self.emit(Op::Sub, &[a.exponent, b.exponent], B32);
        let exponent = self.plus(exponent, 0u64.wrapping_sub(DIGITS + 1));
        let quotient = self.normalized(negative, exponent, quotient);
        let quotient = self.jammed(quotient, rest);
        let quotient = self.rounded(quotient, rounding);
        let mut ordinary = finite;
        for has in [has_a, has_b] {
            ordinary = self.emit(Op::And, &[ordinary, has], B1);
        }
        self.emit(Op::Select, &[ordinary, quotient, plain], F64)
    }

    fn directed_root(&mut self, value: Value, accuracy: Accuracy, rounding: Rounding) -> Value {
        let nearest = Op::SquareRoot(accuracy.nearest());
        let plain = self.emit(nearest, &[value], F64);
        let number = self.number(value);
        // An even exponent, and a digit more where it was odd.
        let one = self.constant(B32, 1);
        let exponent = self.plus(number.exponent, SPARE);
        let odd = self.emit(Op::And, &[exponent, one], B32);
        let digits = self.above_spare(number.digits);
        let near = self.from_one_to_two(digits);
        let doubled = self.emit(Op::FAdd(NEAREST), &[near, near], F64);
        let is_odd = self.compare(Condition::Eq, Unsigned, odd, one);
        let near = self.emit(Op::Select, &[is_odd, doubled, near], F64);
        let near = self.emit(nearest, &[near], F64);
        let mut root = self.digits_below(near);
        let mut rest = {
            let digits = self.emit(Op::Shl, &[digits, odd], B64);
            let digits = self.shift(Op::Shl, digits, DIGITS + 2);
            let square = self.emit(Op::Mul, &[root, root], B64);
            self.emit(Op::Sub, &[digits, square], B64)
        };
        for place in (0..4).rev() {
            // The square grows by twice the product, and the step's own square.
            let product = self.shift(Op::Shl, root, place + 1);
            let square = self.constant(B64, 1 << (2 * place));
            let step = self.emit(Op::Add, &[product, square], B64);
            (root, rest) = self.step_if_it_fits(root, rest, place, step);
        }
        let exponent = self.emit(Op::Sub, &[exponent, odd], B32);
        let exponent = self.plus(exponent, 0u64.wrapping_sub(DIGITS + 2));
        let exponent = self.emit(Op::Shr(Signed), &[exponent, one], B32);
        let root = self.normalized(number.negative, exponent, root);
        let root = self.jammed(root, rest);
        let root = self.rounded(root, rounding);
        // Of what is not positive and finite the device's root is right.
        let bits = self.emit(Op::Bitcast, &[value], B64);
        let bits = self.plus(bits, u64::MAX);
        let most = self.constant(B64, INFINITY - 1);
        let ordinary = self.compare(Condition::Lt, Unsigned, bits, most);
        self.emit(Op::Select, &[ordinary, root, plain], F64)
    }

    /// One step of a long division: the digit at `place` of the result.
    fn step_if_it_fits(
        &mut self,
        result: Value,
        rest: Value,
        place: u64,
        step: Value,
    ) -> (Value, Value) {
        let fits = self.compare(Condition::Ge, Unsigned, rest, step);
        let less = self.emit(Op::Sub, &[rest, step], B64);
        let more = self.plus(result, 1 << place);
        (
            self.emit(Op::Select, &[fits, more, result], B64),
            self.emit(Op::Select, &[fits, less, rest], B64),
        )
    }

    /// A float below 2 in units of 2 to the -53, less what it may be too much.
    fn digits_below(&mut self, near: Value) -> Value {
        let scale = self.constant(F64, 2f64.powi(DIGITS as i32 + 1).to_bits());
        let scaled = self.emit(Op::FMul(NEAREST), &[near, scale], F64);
        let toward_zero = Op::FloatToInteger(IntegerConversion {
            signedness: Signed,
            mode: FloatMode {
                rounding: Rounding::Zero,
                ..NEAREST
            },
        });
        let digits = self.emit(toward_zero, &[scaled], B64);
        self.plus(digits, 0u64.wrapping_sub(SLACK))
    }

    /// The 53 digits of a number, the last of them one.
    fn above_spare(&mut self, digits: Value) -> Value {
        self.shift(Op::Shr(Unsigned), digits, SPARE)
    }

    /// 53 digits as a float with the point behind the first.
    fn from_one_to_two(&mut self, digits: Value) -> Value {
        let bits = self.plus(digits, 1022 << DIGITS);
        self.emit(Op::Bitcast, &[bits], F64)
    }

    fn plus(&mut self, value: Value, addend: u64) -> Value {
        let ty = self.function.ty(value);
        let addend = self.constant(ty, addend);
        self.emit(Op::Add, &[value, addend], ty)
    }

    fn shift(&mut self, op: Op, value: Value, amount: u64) -> Value {
        let amount = self.constant(B32, amount);
        self.emit(op, &[value, amount], B64)
    }

    /// Whether no operand is infinite or NaN.
    fn are_finite(&mut self, values: &[Value]) -> Value {
        let infinity = self.constant(B64, INFINITY);
        let mask = self.constant(B64, !SIGN);
        let yes = self.constant(B1, 1);
        values.iter().fold(yes, |all, &value| {
            let bits = self.emit(Op::Bitcast, &[value], B64);
            let magnitude = self.emit(Op::And, &[bits, mask], B64);
            let finite = self.compare(Condition::Lt, Unsigned, magnitude, infinity);
            self.emit(Op::And, &[all, finite], B1)
        })
    }

    /// A finite f64 taken apart.
    fn number(&mut self, value: Value) -> Number {
        let bits = self.emit(Op::Bitcast, &[value], B64);
        let zero = self.constant(B64, 0);
        let negative = self.compare(Condition::Lt, Signed, bits, zero);
        let exponent = self.shift(Op::Shr(Unsigned), bits, DIGITS);
        let field = self.constant(B64, 0x7FF);
        let exponent = self.emit(Op::And, &[exponent, field], B64);
        let normal = self.compare(Condition::Ne, Unsigned, exponent, zero);
        let fraction = self.constant(B64, (1 << DIGITS) - 1);
        let fraction = self.emit(Op::And, &[bits, fraction], B64);
        let first = self.constant(B64, 1 << DIGITS);
        let whole = self.emit(Op::Or, &[fraction, first], B64);
        let digits = self.emit(Op::Select, &[normal, whole, fraction], B64);
        let one = self.constant(B64, 1);
        let exponent = self.emit(Op::Max(Unsigned), &[exponent, one], B64);
        let exponent = self.emit(Op::Truncate, &[exponent], B32);
        let exponent = self.plus(exponent, 0u64.wrapping_sub(UNIT));
        self.normalized(negative, exponent, digits)
    }

    /// A number by any digits.
    fn normalized(&mut self, negative: Value, exponent: Value, digits: Value) -> Number {
        let zeros = self.leading_zeros(digits);
        Number {
            negative,
            exponent: self.emit(Op::Sub, &[exponent, zeros], B32),
            digits: self.emit(Op::Shl, &[digits, zeros], B64),
        }
    }

    /// A number by 128 digits, of which the lower ones are jammed.
    fn number_of_wide(&mut self, negative: Value, exponent: Value, wide: Wide) -> Number {
        let [low, high] = wide;
        let zero = self.constant(B64, 0);
        let no_high = self.compare(Condition::Eq, Unsigned, high, zero);
        let upper = self.emit(Op::Select, &[no_high, low, high], B64);
        let lower = self.emit(Op::Select, &[no_high, zero, low], B64);
        let above = self.plus(exponent, 64);
        let exponent = self.emit(Op::Select, &[no_high, exponent, above], B32);
        let zeros = self.leading_zeros(upper);
        let number = self.normalized(negative, exponent, upper);
        let width = self.constant(B32, 64);
        let amount = self.emit(Op::Sub, &[width, zeros], B32);
        let moved = self.emit(Op::Shr(Unsigned), &[lower, amount], B64);
        let digits = self.emit(Op::Or, &[number.digits, moved], B64);
        let rest = self.emit(Op::Shl, &[lower, zeros], B64);
        self.jammed(Number { digits, ..number }, rest)
    }

    /// A number that more follows than its digits say, if `rest` is not zero.
    fn jammed(&mut self, number: Number, rest: Value) -> Number {
        let digits = self.with_last_bit(number.digits, rest);
        Number { digits, ..number }
    }

    fn with_last_bit(&mut self, value: Value, rest: Value) -> Value {
        let zero = self.constant(B64, 0);
        let inexact = self.compare(Condition::Ne, Unsigned, rest, zero);
        let last = self.emit(Op::ZeroExtend, &[inexact], B64);
        self.emit(Op::Or, &[value, last], B64)
    }

    fn product(&mut self, a: Value, b: Value) -> Wide {
        let low = self.emit(Op::Mul, &[a, b], B64);
        [low, self.multiply_high_words(a, b)]
    }

    /// By 1 to 63 places.
    fn shifted_right(&mut self, [low, high]: Wide, places: u64) -> Wide {
        let low = self.shift(Op::Shr(Unsigned), low, places);
        let moved = self.shift(Op::Shl, high, 64 - places);
        let low = self.emit(Op::Or, &[low, moved], B64);
        [low, self.shift(Op::Shr(Unsigned), high, places)]
    }

    /// By any number of places; what leaves is jammed.
    fn jammed_right(&mut self, [low, high]: Wide, places: Value) -> Wide {
        let most = self.constant(B32, 127);
        let places = self.emit(Op::Min(Unsigned), &[places, most], B32);
        let (zero, width) = (self.constant(B64, 0), self.constant(B32, 64));
        let far = self.compare(Condition::Ge, Unsigned, places, width);
        let gone = self.emit(Op::Select, &[far, low, zero], B64);
        let low = self.emit(Op::Select, &[far, high, low], B64);
        let high = self.emit(Op::Select, &[far, zero, high], B64);
        let within = self.constant(B32, 63);
        let places = self.emit(Op::And, &[places, within], B32);
        let rest = self.emit(Op::Sub, &[width, places], B32);
        let lost = self.emit(Op::Shl, &[low, rest], B64);
        let lost = self.emit(Op::Or, &[lost, gone], B64);
        let low = self.emit(Op::Shr(Unsigned), &[low, places], B64);
        let moved = self.emit(Op::Shl, &[high, rest], B64);
        let low = self.emit(Op::Or, &[low, moved], B64);
        let high = self.emit(Op::Shr(Unsigned), &[high, places], B64);
        [self.with_last_bit(low, lost), high]
    }

    fn negated_if(&mut self, condition: Value, [low, high]: Wide) -> Wide {
        let zero = self.constant(B64, 0);
        let borrows = self.compare(Condition::Ne, Unsigned, low, zero);
        let borrow = self.emit(Op::ZeroExtend, &[borrows], B64);
        let minus_low = self.emit(Op::Neg, &[low], B64);
        let minus_high = self.emit(Op::Neg, &[high], B64);
        let minus_high = self.emit(Op::Sub, &[minus_high, borrow], B64);
        [
            self.emit(Op::Select, &[condition, minus_low, low], B64),
            self.emit(Op::Select, &[condition, minus_high, high], B64),
        ]
    }

    fn wide_sum(&mut self, [a_low, a_high]: Wide, [b_low, b_high]: Wide) -> Wide {
        let low = self.emit(Op::Add, &[a_low, b_low], B64);
        let carries = self.compare(Condition::Lt, Unsigned, low, a_low);
        let carry = self.emit(Op::ZeroExtend, &[carries], B64);
        let high = self.emit(Op::Add, &[a_high, b_high], B64);
        [low, self.emit(Op::Add, &[high, carry], B64)]
    }

    /// The f64 of a number, rounded.
    fn rounded(&mut self, number: Number, rounding: Rounding) -> Value {
        let Number {
            negative,
            exponent,
            digits,
        } = number;
        let away = match rounding {
            Rounding::Up => self.emit(Op::Not, &[negative], B1),
            Rounding::Down => negative,
            _ => self.constant(B1, 0),
        };
        // Subnormal numbers have no field of their own, and fewer digits.
        let field = self.plus(exponent, UNIT + SPARE);
        let one = self.constant(B32, 1);
        let least = self.emit(Op::Max(Signed), &[field, one], B32);
        let missing = self.emit(Op::Sub, &[least, field], B32);
        let spare = self.constant(B32, SPARE);
        let dropped = self.emit(Op::Add, &[missing, spare], B32);
        let kept = self.emit(Op::Shr(Unsigned), &[digits, dropped], B64);
        let back = self.emit(Op::Shl, &[kept, dropped], B64);
        let inexact = self.compare(Condition::Ne, Unsigned, back, digits);
        let up = self.emit(Op::And, &[inexact, away], B1);
        let up = self.emit(Op::ZeroExtend, &[up], B64);
        let kept = self.emit(Op::Add, &[kept, up], B64);
        // The first digit adds one to the field, and so does a carry.
        let below = self.emit(Op::Sub, &[least, one], B32);
        let below = self.emit(Op::ZeroExtend, &[below], B64);
        let below = self.shift(Op::Shl, below, DIGITS);
        let bits = self.emit(Op::Add, &[below, kept], B64);
        let (infinity, greatest) = (
            self.constant(B64, INFINITY),
            self.constant(B64, INFINITY - 1),
        );
        let most = self.emit(Op::Select, &[away, infinity, greatest], B64);
        let bits = self.emit(Op::Min(Unsigned), &[bits, most], B64);
        let zero = self.constant(B64, 0);
        let vanishes = self.compare(Condition::Eq, Unsigned, digits, zero);
        let bits = self.emit(Op::Select, &[vanishes, zero, bits], B64);
        let sign = self.constant(B64, SIGN);
        let signed = self.emit(Op::Or, &[bits, sign], B64);
        let bits = self.emit(Op::Select, &[negative, signed, bits], B64);
        self.emit(Op::Bitcast, &[bits], F64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::run;
    use super::*;
    use crate::ir::{Function, parse};

    /// Where rounding, overflow and the loss of digits begin and end.
    const EDGES: &[u64] = &[
        0,
        1,
        2,
        0x000F_FFFF_FFFF_FFFF,
        0x0010_0000_0000_0000,
        0x0010_0000_0000_0001,
        0x0034_5678_9ABC_DEF1,
        0x1FF0_0000_0000_0000,
        0x2000_0000_0000_0001,
        0x3CA0_0000_0000_0000,
        0x3CB0_0000_0000_0001,
        0x3FD5_5555_5555_5555,
        0x3FEF_FFFF_FFFF_FFFF,
        0x3FF0_0000_0000_0000,
        0x3FF0_0000_0000_0001,
        0x3FFF_FFFF_FFFF_FFFF,
        0x4008_0000_0000_0000,
        0x4340_0000_0000_0001,
        0x5FEF_FFFF_FFFF_FFFF,
        0x6000_0000_0000_0000,
        0x7FEF_FFFF_FFFF_FFFE,
        0x7FEF_FFFF_FFFF_FFFF,
        INFINITY,
        0x7FF8_0000_0000_0000,
    ];

    struct Check {
        original: Function,
        expanded: Function,
        operands: usize,
    }

    impl Check {
        fn new(op: &str, operands: usize) -> Self {
            let names: Vec<_> = (0..operands).map(|n| format!("v{n}")).collect();
            let parameters: String = (0..operands)
                .map(|n| format!("  v{n}: f64 = param.{}\n", 8 * n))
                .collect();
            let names = names.join(", ");
            let text =
                format!("function k {{\nb0:\n{parameters}  v9: f64 = {op} {names}\n  return\n}}\n");
            let original = parse(&text).unwrap();
            let mut expanded = original.clone();
            super::super::legalize(&mut expanded);
            crate::verify::verify(&expanded).unwrap();
            Self {
                original,
                expanded,
                operands,
            }
        }

        fn agrees(&self, operands: &[u64]) {
            let inputs: Vec<_> = (0..).map(Value).zip(operands.iter().copied()).collect();
            let [expected, got] = [&self.original, &self.expanded]
                .map(|function| f64::from_bits(run(function, &inputs)[self.operands]));
            let same = expected.to_bits() == got.to_bits() || expected.is_nan() && got.is_nan();
            let op = &self.original.blocks[0].instructions[self.operands].op;
            assert!(
                same,
                "{op} {operands:x?}: {:#x}, not {:#x}",
                got.to_bits(),
                expected.to_bits()
            );
        }
    }

    const OPERATIONS: &[(&str, usize)] = &[
        ("fmul.R.sub", 2),
        ("fma.R.sub", 3),
        ("fdiv.exact.R.sub", 2),
        ("frcp.exact.R.sub", 1),
        ("fsqrt.exact.R.sub", 1),
    ];

    fn each_operation(mut test: impl FnMut(&Check)) {
        for (op, operands) in OPERATIONS {
            for rounding in ["rz", "rm", "rp"] {
                test(&Check::new(&op.replace('R', rounding), *operands));
            }
        }
    }

    #[test]
    fn edges_round_as_the_exact_result_does() {
        let signed: Vec<u64> = EDGES.iter().flat_map(|&bits| [bits, bits | SIGN]).collect();
        let some: Vec<u64> = EDGES.iter().copied().step_by(3).collect();
        each_operation(|check| {
            let operands = check.operands as u32;
            // Of three operands only the last has every edge and sign.
            let few = if operands == 3 { &some } else { &signed };
            for code in 0..few.len().pow(operands - 1) * signed.len() {
                let mut values = vec![signed[code % signed.len()]];
                values.extend(
                    (0..operands - 1)
                        .map(|place| few[code / signed.len() / few.len().pow(place) % few.len()]),
                );
                values.reverse();
                check.agrees(&values);
            }
        });
    }

    #[test]
    fn random_numbers_round_as_the_exact_result_does() {
        let mut state = 0x9E37_79B9_7F4A_7C15u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        each_operation(|check| {
            for round in 0..400 {
                let mut values: Vec<_> = (0..check.operands).map(|_| random()).collect();
                match round % 4 {
                    // Any exponents, exponents around 1, few digits.
                    0 => {}
                    1 => values.iter_mut().for_each(|bits| {
                        *bits = *bits & !(0x7F0 << DIGITS) | 0x3F0 << DIGITS;
                    }),
                    2 => values.iter_mut().for_each(|bits| *bits &= u64::MAX << 40),
                    // The third operand nearly undoes the product of the others.
                    _ if check.operands == 3 => {
                        let product = -f64::from_bits(values[0]) * f64::from_bits(values[1]);
                        values[2] = product.to_bits().wrapping_add(random() % 3);
                    }
                    _ => {}
                }
                check.agrees(&values);
            }
        });
    }
}
