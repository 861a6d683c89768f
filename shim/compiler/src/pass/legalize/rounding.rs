//! Rounding to zero, minus or plus infinity, which SPIR-V cannot ask for.
//!
//! An f32 operation is done in f64, where its result is exact or *odd*: an
//! inexact one whose last bit is set stands between its neighbours, so rounding
//! it once more to fewer digits is as good as rounding the exact result. The last
//! step is integer arithmetic, which no device does differently. Sums of f64 are
//! the nearest one, stepped by the sign of its error; [`super::double`] does the
//! rest of f64.

use super::Writer;
use crate::ir::{
    Condition, FloatCondition, FloatMode, Function, Instruction, IntegerConversion, Op, Rounding,
    Signedness, Type, Value,
};
use Signedness::{Signed, Unsigned};
use Type::{B1, B32, B64, F64};

pub(super) const NEAREST: FloatMode = FloatMode::NEAREST;
/// Bits of an f64 behind the point.
const DIGITS: u64 = 52;
/// What is added to an f64's exponent.
const BIAS: u64 = 1023;

/// How a float type lays out its bits.
pub(super) struct Format {
    /// Bits behind the point.
    digits: u64,
    /// What is added to the exponent.
    bias: u64,
    /// Its bits, which are those of the exponent.
    pub(super) infinity: u64,
}

pub(super) const fn format(ty: Type) -> Format {
    match ty {
        Type::F16 => Format {
            digits: 10,
            bias: 15,
            infinity: 0x7C00,
        },
        F64 => Format {
            digits: DIGITS,
            bias: BIAS,
            infinity: 0x7FF0 << 48,
        },
        _ => Format {
            digits: 23,
            bias: 127,
            infinity: 0x7F80_0000,
        },
    }
}

impl Writer<'_> {
    /// The expansion of an operation with a directed rounding; `None` where it
    /// rounds to nearest or has none.
    pub(super) fn directed(&mut self, i: &Instruction, ty: Type) -> Option<Value> {
        if matches!(i.op, Op::FCompare(_) | Op::FloatToInteger(_)) {
            return None;
        }
        let mode = i.op.float_mode()?;
        if matches!(mode.rounding, Rounding::Nearest | Rounding::Away) {
            return None;
        }
        match i.op {
            Op::IntegerToFloat(conversion) => self.integer_to_float(i.arguments[0], ty, conversion),
            Op::FAdd(_) | Op::FSub(_) if ty == F64 => {
                let b = self.addend(i.op, i.arguments[1], F64);
                Some(self.directed_sum(i.arguments[0], b, mode.rounding))
            }
            Op::FloatConvert(_) => {
                let value = self.widened(i.arguments[0]);
                let narrow = self.narrow(value, ty, mode.rounding);
                // Of conversions to f16 `.ftz` means nothing.
                Some(self.flushed(narrow, ty, mode.flush && ty == Type::F32))
            }
            _ if ty == Type::F32 => {
                let operands: Vec<Value> = i
                    .arguments
                    .iter()
                    .map(|&a| {
                        let a = self.flushed(a, ty, mode.flush);
                        self.widened(a)
                    })
                    .collect();
                let odd = self.odd(i.op, &operands, mode.rounding);
                let narrow = self.narrow(odd, ty, mode.rounding);
                Some(self.flushed(narrow, ty, mode.flush))
            }
            _ if ty == F64 => self.directed_f64(i, mode.rounding),
            _ => None,
        }
    }

    pub(super) fn flushed(&mut self, value: Value, ty: Type, flush: bool) -> Value {
        match flush {
            true => self.emit(Op::Flush, &[value], ty),
            false => value,
        }
    }

    /// A float as an f64, which holds it exactly.
    fn widened(&mut self, value: Value) -> Value {
        match self.function.ty(value) {
            F64 => value,
            _ => self.emit(Op::FloatConvert(NEAREST), &[value], F64),
        }
    }

    fn addend(&mut self, op: Op, value: Value, ty: Type) -> Value {
        match op {
            Op::FSub(_) => self.emit(Op::FNeg, &[value], ty),
            _ => value,
        }
    }

    fn f64(&mut self, op: Op, a: Value, b: Value) -> Value {
        self.emit(op, &[a, b], F64)
    }

    /// The nearest sum and what it lacks.
    fn two_sum(&mut self, a: Value, b: Value) -> [Value; 2] {
        let (add, sub) = (Op::FAdd(NEAREST), Op::FSub(NEAREST));
        let sum = self.f64(add, a, b);
        let from_b = self.f64(sub, sum, a);
        let from_a = self.f64(sub, sum, from_b);
        let error_a = self.f64(sub, a, from_a);
        let error_b = self.f64(sub, b, from_b);
        [sum, self.f64(add, error_a, error_b)]
    }

    /// The result of an operation on f32 values, as an f64 that is exact or odd.
    pub(super) fn odd(&mut self, op: Op, v: &[Value], rounding: Rounding) -> Value {
        let (mul, sub) = (Op::FMul(NEAREST), Op::FSub(NEAREST));
        match op {
            // Two times 24 digits.
            Op::FMul(_) => self.f64(mul, v[0], v[1]),
            Op::Fma(_) => {
                let product = self.f64(mul, v[0], v[1]);
                self.odd_sum(product, v[2], rounding)
            }
            Op::SquareRoot(accuracy) => {
                let accuracy = accuracy.nearest();
                let root = self.emit(Op::SquareRoot(accuracy), &[v[0]], F64);
                // 26 digits, whose square is exact.
                let root = self.cut(root, 27);
                let square = self.f64(mul, root, root);
                let rest = self.f64(sub, v[0], square);
                self.toward(root, rest)
            }
            Op::FDiv(accuracy) => self.odd_quotient(v[0], v[1], accuracy.nearest()),
            Op::Reciprocal(accuracy) => {
                let one = self.constant(F64, 1f64.to_bits());
                self.odd_quotient(one, v[0], accuracy.nearest())
            }
            _ => {
                let b = self.addend(op, v[1], F64);
                self.odd_sum(v[0], b, rounding)
            }
        }
    }

    fn odd_sum(&mut self, a: Value, b: Value, rounding: Rounding) -> Value {
        let [sum, error] = self.two_sum(a, b);
        let sum = self.signed_zero(sum, a, b, rounding);
        let bits = self.emit(Op::Bitcast, &[sum], B64);
        let one = self.constant(B64, 1);
        let last = self.emit(Op::And, &[bits, one], B64);
        let zero = self.constant(B64, 0);
        let even = self.compare(Condition::Eq, Unsigned, last, zero);
        let stepped = self.toward(sum, error);
        self.emit(Op::Select, &[even, stepped, sum], F64)
    }

    fn odd_quotient(&mut self, a: Value, b: Value, accuracy: crate::ir::Accuracy) -> Value {
        let quotient = self.emit(Op::FDiv(accuracy), &[a, b], F64);
        // 29 digits, whose product with the divisor's 24 is exact.
        let quotient = self.cut(quotient, 24);
        let product = self.f64(Op::FMul(NEAREST), quotient, b);
        let rest = self.f64(Op::FSub(NEAREST), a, product);
        // Of the quotient's sign if the divisor's is taken into account.
        let positive = self.constant(F64, 1f64.to_bits());
        let sign = self.emit(Op::CopySign, &[b, positive], F64);
        let rest = self.f64(Op::FMul(NEAREST), rest, sign);
        self.toward(quotient, rest)
    }

    /// An f64 without its last bits.
    fn cut(&mut self, value: Value, bits: u32) -> Value {
        let mask = self.constant(B64, u64::MAX << bits);
        let value = self.emit(Op::Bitcast, &[value], B64);
        let value = self.emit(Op::And, &[value, mask], B64);
        self.emit(Op::Bitcast, &[value], F64)
    }

    /// The neighbour of an f64 in the direction of an error's sign; itself if the
    /// error is zero or NaN.
    fn toward(&mut self, value: Value, error: Value) -> Value {
        let zero = self.constant(F64, 0);
        let up = self.float_compare(FloatCondition::Gt, error, zero);
        let down = self.float_compare(FloatCondition::Lt, error, zero);
        self.step(value, up, down)
    }

    /// The next f64 above or below.
    fn step(&mut self, value: Value, up: Value, down: Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[value], B64);
        let (zero, one) = (self.constant(B64, 0), self.constant(B64, 1));
        let negative = self.compare(Condition::Lt, Signed, bits, zero);
        let [grows, shrinks] = [(down, up), (up, down)].map(|(if_negative, if_positive)| {
            self.emit(Op::Select, &[negative, if_negative, if_positive], B1)
        });
        let more = self.emit(Op::Select, &[grows, one, zero], B64);
        let less = self.emit(Op::Select, &[shrinks, one, zero], B64);
        let bits = self.emit(Op::Add, &[bits, more], B64);
        let bits = self.emit(Op::Sub, &[bits, less], B64);
        self.emit(Op::Bitcast, &[bits], F64)
    }

    /// Rounded down, a sum that vanishes is -0 unless both operands are +0.
    fn signed_zero(&mut self, sum: Value, a: Value, b: Value, rounding: Rounding) -> Value {
        if rounding != Rounding::Down {
            return sum;
        }
        let [a, b, bits] = [a, b, sum].map(|v| self.emit(Op::Bitcast, &[v], B64));
        let either = self.emit(Op::Or, &[a, b], B64);
        let sign = self.constant(B64, 1 << 63);
        let sign = self.emit(Op::And, &[either, sign], B64);
        let signed = self.emit(Op::Or, &[bits, sign], B64);
        let signed = self.emit(Op::Bitcast, &[signed], F64);
        let zero = self.constant(F64, 0);
        let vanishes = self.float_compare(FloatCondition::Eq, sum, zero);
        self.emit(Op::Select, &[vanishes, signed, sum], F64)
    }

    /// A sum of f64.
    fn directed_sum(&mut self, a: Value, b: Value, rounding: Rounding) -> Value {
        let [sum, error] = self.two_sum(a, b);
        let sum = self.signed_zero(sum, a, b, rounding);
        let zero = self.constant(F64, 0);
        let above = self.float_compare(FloatCondition::Gt, error, zero);
        let below = self.float_compare(FloatCondition::Lt, error, zero);
        let positive = self.float_compare(FloatCondition::Gt, sum, zero);
        let no = self.constant(B1, 0);
        let (up, down) = match rounding {
            Rounding::Up => (above, no),
            Rounding::Down => (no, below),
            _ => {
                let up = self.emit(Op::Select, &[positive, no, above], B1);
                (up, self.emit(Op::Select, &[positive, below, no], B1))
            }
        };
        let stepped = self.step(sum, up, down);
        self.finite_sum([a, b], stepped, rounding)
    }

    /// Finite operands whose sum is beyond the greatest f64 give that one where
    /// the rounding leads away from infinity.
    fn finite_sum(&mut self, operands: [Value; 2], sum: Value, rounding: Rounding) -> Value {
        let infinity = self.constant(F64, f64::INFINITY.to_bits());
        let least = self.constant(F64, f64::NEG_INFINITY.to_bits());
        let finite = operands.map(|operand| {
            let magnitude = self.emit(Op::FAbs, &[operand], F64);
            self.float_compare(FloatCondition::Lt, magnitude, infinity)
        });
        let finite = self.emit(Op::And, &finite, B1);
        let mut sum = sum;
        for (rounding_away, bound, most) in [
            (Rounding::Up, infinity, f64::MAX),
            (Rounding::Down, least, f64::MIN),
        ] {
            if rounding == rounding_away {
                continue;
            }
            let is_bound = self.float_compare(FloatCondition::Eq, sum, bound);
            let overflows = self.emit(Op::And, &[finite, is_bound], B1);
            let most = self.constant(F64, most.to_bits());
            sum = self.emit(Op::Select, &[overflows, most, sum], F64);
        }
        sum
    }

    /// An f64 that is exact or odd as a narrower float.
    fn narrow(&mut self, value: Value, ty: Type, rounding: Rounding) -> Value {
        let format = format(ty);
        let bits = self.emit(Op::Bitcast, &[value], B64);
        let zero = self.constant(B64, 0);
        let negative = self.compare(Condition::Lt, Signed, bits, zero);
        let mask = self.constant(B64, u64::MAX >> 1);
        let magnitude = self.emit(Op::And, &[bits, mask], B64);
        let away = match rounding {
            Rounding::Up => self.emit(Op::Not, &[negative], B1),
            Rounding::Down => negative,
            _ => self.constant(B1, 0),
        };
        let rounded = self.rounded_magnitude(magnitude, &format, away, rounding);
        // Beyond the greatest: that, or infinity.
        let infinity = self.constant(B64, format.infinity);
        let greatest = self.constant(B64, format.infinity - 1);
        let wide_infinity = self.constant(B64, f64::INFINITY.to_bits());
        let is_infinite = self.compare(Condition::Eq, Unsigned, magnitude, wide_infinity);
        let reaches = self.emit(Op::Or, &[is_infinite, away], B1);
        let most = self.emit(Op::Select, &[reaches, infinity, greatest], B64);
        let rounded = self.emit(Op::Min(Unsigned), &[rounded, most], B64);
        let nan = self.constant(B64, ty.mask() >> 1);
        let is_nan = self.compare(Condition::Gt, Unsigned, magnitude, wide_infinity);
        let sign = self.constant(B64, 1 << (ty.bits() - 1));
        let signed = self.emit(Op::Or, &[rounded, sign], B64);
        let rounded = self.emit(Op::Select, &[negative, signed, rounded], B64);
        let rounded = self.emit(Op::Select, &[is_nan, nan, rounded], B64);
        let narrow = self.emit(Op::Truncate, &[rounded], ty.as_bits());
        self.emit(Op::Bitcast, &[narrow], ty)
    }

    /// The bits of a positive f64 in a narrower format, one more where digits are
    /// lost and the rounding leads away from zero. May lie beyond infinity.
    fn rounded_magnitude(
        &mut self,
        magnitude: Value,
        format: &Format,
        away: Value,
        rounding: Rounding,
    ) -> Value {
        let (zero, one) = (self.constant(B64, 0), self.constant(B64, 1));
        let dropped = DIGITS - format.digits;
        let digits = self.constant(B32, DIGITS);
        let exponent = self.emit(Op::Shr(Unsigned), &[magnitude, digits], B64);
        // The exponent of the least normal number of the format.
        let least = self.constant(B64, BIAS + 1 - format.bias);
        let normal = self.compare(Condition::Ge, Unsigned, exponent, least);
        // A normal number keeps its exponent, with another bias, in front.
        let rebias = self.constant(B64, (BIAS - format.bias) << DIGITS);
        let rebiased = self.emit(Op::Sub, &[magnitude, rebias], B64);
        // A subnormal one has the digits alone, the hidden one among them.
        let fraction = self.constant(B64, (1 << DIGITS) - 1);
        let fraction = self.emit(Op::And, &[magnitude, fraction], B64);
        let hidden = self.constant(B64, 1 << DIGITS);
        let with_hidden = self.emit(Op::Or, &[fraction, hidden], B64);
        let has_hidden = self.compare(Condition::Ne, Unsigned, exponent, zero);
        let fraction = self.emit(Op::Select, &[has_hidden, with_hidden, fraction], B64);
        let below = self.emit(Op::Sub, &[least, exponent], B64);
        let all = self.constant(B64, DIGITS + 3 - dropped);
        let below = self.emit(Op::Min(Unsigned), &[below, all], B64);
        let below = self.emit(Op::Select, &[normal, zero, below], B64);
        let shift = self.constant(B64, dropped);
        let shift = self.emit(Op::Add, &[shift, below], B64);
        let shift = self.emit(Op::Truncate, &[shift], B32);
        let value = self.emit(Op::Select, &[normal, rebiased, fraction], B64);
        let unit = self.emit(Op::Shl, &[one, shift], B64);
        let rest = self.emit(Op::Sub, &[unit, one], B64);
        let bias = self.emit(Op::Select, &[away, rest, zero], B64);
        let lost = self.emit(Op::And, &[value, rest], B64);
        let value = self.emit(Op::Add, &[value, bias], B64);
        let rounded = self.emit(Op::Shr(Unsigned), &[value, shift], B64);
        if rounding != Rounding::Odd {
            return rounded;
        }
        let inexact = self.compare(Condition::Ne, Unsigned, lost, zero);
        let last = self.emit(Op::Select, &[inexact, one, zero], B64);
        self.emit(Op::Or, &[rounded, last], B64)
    }

    fn integer_to_float(
        &mut self,
        value: Value,
        ty: Type,
        conversion: IntegerConversion,
    ) -> Option<Value> {
        let rounding = conversion.mode.rounding;
        let convert = Op::IntegerToFloat(IntegerConversion {
            mode: NEAREST,
            ..conversion
        });
        if self.function.ty(value).bits() < 64 {
            let exact = self.emit(convert, &[value], F64);
            return Some(match ty {
                F64 => exact,
                _ => self.narrow(exact, ty, rounding),
            });
        }
        // Two exact halves, the upper one with the sign.
        let high = self.emit(Op::Extract(1), &[value], B32);
        let high = self.emit(convert, &[high], F64);
        let scale = self.constant(F64, 4_294_967_296f64.to_bits());
        let high = self.f64(Op::FMul(NEAREST), high, scale);
        let low = self.emit(Op::Extract(0), &[value], B32);
        let unsigned = Op::IntegerToFloat(IntegerConversion {
            signedness: Unsigned,
            mode: NEAREST,
        });
        let low = self.emit(unsigned, &[low], F64);
        Some(match ty {
            F64 => self.directed_sum(high, low, rounding),
            _ => {
                let odd = self.odd_sum(high, low, Rounding::Nearest);
                self.narrow(odd, ty, rounding)
            }
        })
    }

    /// A product and sum of f64 that rounds once, of sums and products that round
    /// each (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums").
    /// Where the parts would overflow or vanish it is rounded twice.
    fn fused(&mut self, [a, b, c]: [Value; 3]) -> Value {
        let (add, mul) = (Op::FAdd(NEAREST), Op::FMul(NEAREST));
        let product = self.f64(mul, a, b);
        let plain = self.f64(add, product, c);
        let low = self.lost_of_product(a, b, product);
        let [upper, rest] = self.two_sum(c, low);
        let [sum, lost] = self.two_sum(product, upper);
        let odd = self.odd_sum(rest, lost, Rounding::Nearest);
        let fused = self.f64(add, sum, odd);
        let most = self.constant(F64, 2f64.powi(900).to_bits());
        let least = self.constant(F64, 2f64.powi(-900).to_bits());
        let mut safe = {
            let magnitude = self.emit(Op::FAbs, &[product], F64);
            self.float_compare(FloatCondition::Gt, magnitude, least)
        };
        for value in [a, b, c, product] {
            let magnitude = self.emit(Op::FAbs, &[value], F64);
            let fits = self.float_compare(FloatCondition::Lt, magnitude, most);
            safe = self.emit(Op::And, &[safe, fits], B1);
        }
        self.emit(Op::Select, &[safe, fused, plain], F64)
    }

    /// What the nearest product lacks, by halves of the factors' digits (Dekker).
    fn lost_of_product(&mut self, a: Value, b: Value, product: Value) -> Value {
        let (add, sub, mul) = (Op::FAdd(NEAREST), Op::FSub(NEAREST), Op::FMul(NEAREST));
        let [[ah, al], [bh, bl]] = [a, b].map(|value| {
            // To the nearest, so that no half has more than 26 digits.
            let bits = self.emit(Op::Bitcast, &[value], B64);
            let unit = self.constant(B64, 1 << 26);
            let bits = self.emit(Op::Add, &[bits, unit], B64);
            let nearest = self.emit(Op::Bitcast, &[bits], F64);
            let high = self.cut(nearest, 27);
            [high, self.f64(sub, value, high)]
        });
        let mut lost = {
            let high = self.f64(mul, ah, bh);
            self.f64(sub, high, product)
        };
        for (x, y) in [(ah, bl), (al, bh), (al, bl)] {
            let part = self.f64(mul, x, y);
            lost = self.f64(add, lost, part);
        }
        lost
    }
}

/// Replaces fused products and sums of f32 by ones that round once on every device.
pub fn emulate_fused_f32(function: &mut Function) {
    rewrite_fused(function, Type::F32, |writer, op, operands| {
        let wide = operands.map(|operand| writer.widened(operand));
        let odd = writer.odd(op, &wide, Rounding::Nearest);
        writer.emit(Op::FloatConvert(NEAREST), &[odd], Type::F32)
    });
}

/// Replaces fused products and sums of f64, for devices that round them twice.
pub fn emulate_fused_f64(function: &mut Function) {
    rewrite_fused(function, F64, |writer, _, operands| writer.fused(operands));
}

fn rewrite_fused(
    function: &mut Function,
    ty: Type,
    expand: impl Fn(&mut Writer<'_>, Op, [Value; 3]) -> Value,
) {
    super::rewrite(function, |writer, i| {
        let [a, b, c] = i.arguments[..] else {
            return None;
        };
        let is_fused = matches!(i.op, Op::Fma(mode) if mode.rounding == Rounding::Nearest);
        (is_fused && writer.function.ty(a) == ty).then(|| expand(writer, i.op, [a, b, c]))
    });
}
