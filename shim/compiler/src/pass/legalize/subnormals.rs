//! Subnormals as PTX wants them: zeros where an instruction has `.ftz`, numbers
//! where it has not, whatever the device makes of them.
//!
//! A device that flushes does so in every f32 operation, but not in integer ones,
//! and f64 holds every f32 as a normal number. So what could meet a subnormal is
//! computed in f64, and the ways there and back are integer arithmetic.

use super::Writer;
use super::rounding::{NEAREST, format};
use crate::ir::{
    Accuracy, Condition, FloatCondition, FloatMode, Function, Instruction, IntegerConversion, Op,
    Rounding, Signedness, Type, Value,
};
use Signedness::{Signed, Unsigned};
use Type::{B1, B32, B64, F16, F32, F64};

/// The sign of an f32.
const SIGN: u64 = 1 << 31;
/// The least normal f32.
const LEAST_NORMAL: u64 = 1 << 23;

/// Replaces operations that flush by ones that do not, with zeros for the subnormals
/// among their operands and results.
pub fn emulate_flushes(function: &mut Function) {
    super::rewrite(function, |writer, i| writer.with_flushes(i));
}

/// Replaces operations on f32 that would lose subnormals on a device that flushes
/// them; none of the operations flushes by itself any more.
pub fn emulate_subnormals(function: &mut Function) {
    super::rewrite(function, |writer, i| {
        let result = writer.function.ty(*i.results.first()?);
        let operand = writer.function.ty(*i.arguments.first()?);
        (result == F32 || operand == F32).then(|| writer.with_subnormals(i, operand, result))?
    });
}

/// Replaces functions that also devices which keep subnormals in arithmetic compute
/// otherwise: those of f32 that lose them, and minima of zeros with different signs.
pub fn emulate_functions(function: &mut Function) {
    super::rewrite(function, |writer, i| match i.op {
        Op::FMin(_) => Some(writer.extremum(Condition::Lt, [i.arguments[0], i.arguments[1]])),
        Op::FMax(_) => Some(writer.extremum(Condition::Gt, [i.arguments[0], i.arguments[1]])),
        _ => writer.transcendental(i),
    });
}

impl Writer<'_> {
    fn with_flushes(&mut self, i: &Instruction) -> Option<Value> {
        if i.op == Op::Flush {
            return Some(self.without_subnormal(i.arguments[0]));
        }
        let mode = i.op.float_mode().filter(|mode| mode.flush)?;
        let op = i.op.in_float_mode(FloatMode {
            flush: false,
            ..mode
        });
        let result = self.function.ty(i.results[0]);
        let operands: Vec<_> = i
            .arguments
            .iter()
            .map(|&a| match flushes(&op, self.function.ty(a), result) {
                true => self.without_subnormal(a),
                false => a,
            })
            .collect();
        let operand = self.function.ty(operands[0]);
        let value = self.emit(op, &operands, result);
        Some(match flushes(&op, result, operand) {
            true => self.without_subnormal(value),
            false => value,
        })
    }

    /// A float, or a zero of its sign for a subnormal.
    fn without_subnormal(&mut self, value: Value) -> Value {
        let ty = self.function.ty(value);
        let bits = self.emit(Op::Bitcast, &[value], ty.as_bits());
        let is_subnormal = self.has_no_exponent(bits, ty);
        let sign = self.masked(bits, 1 << (ty.bits() - 1));
        let bits = self.emit(Op::Select, &[is_subnormal, sign, bits], ty.as_bits());
        self.emit(Op::Bitcast, &[bits], ty)
    }

    fn masked(&mut self, bits: Value, mask: u64) -> Value {
        let ty = self.function.ty(bits);
        let mask = self.constant(ty, mask);
        self.emit(Op::And, &[bits, mask], ty)
    }

    /// Whether a float is a subnormal or zero, by its bits.
    fn has_no_exponent(&mut self, bits: Value, ty: Type) -> Value {
        let exponent = self.masked(bits, format(ty).infinity);
        let zero = self.constant(ty.as_bits(), 0);
        self.compare(Condition::Eq, Unsigned, exponent, zero)
    }

    fn with_subnormals(&mut self, i: &Instruction, operand: Type, result: Type) -> Option<Value> {
        let a = &i.arguments;
        Some(match i.op {
            Op::FAdd(_) | Op::FSub(_) | Op::FMul(_) => self.in_f64(i.op, a),
            // Each of their results is as far from the middle of two f32 as can be
            // told in f64, so that rounding twice is rounding once.
            Op::FDiv(_) | Op::Reciprocal(_) | Op::SquareRoot(_) => self.in_f64(i.op, a),
            Op::ReciprocalRoot(_) | Op::Saturate => self.in_f64(i.op, a),
            Op::Fma(_) => {
                let wide: Vec<_> = a.iter().map(|&a| self.wide(a)).collect();
                let odd = self.odd(i.op, &wide, Rounding::Nearest);
                self.nearest_f32(odd)
            }
            Op::FCompare(_) => {
                let wide = [self.wide(a[0]), self.wide(a[1])];
                self.emit(i.op, &wide, B1)
            }
            Op::FNeg => self.with_bits(a[0], |w, bits| {
                let sign = w.constant(B32, SIGN);
                w.emit(Op::Xor, &[bits, sign], B32)
            }),
            Op::FAbs => self.with_bits(a[0], |w, bits| w.masked(bits, SIGN - 1)),
            Op::FloatConvert(_) if result == F64 => self.wide(a[0]),
            Op::FloatConvert(_) if operand == F64 => self.nearest_f32(a[0]),
            Op::FloatConvert(_) | Op::FloatToInteger(_) | Op::RoundToIntegral(_)
                if operand == F32 =>
            {
                let raised = self.raised(a[0]);
                self.emit(i.op, &[raised], result)
            }
            _ => return None,
        })
    }

    /// The float that comes first, -0 before +0, any number before NaN: as integers,
    /// which are in the floats' order once the negative ones are turned around.
    fn extremum(&mut self, first: Condition, [a, b]: [Value; 2]) -> Value {
        let ty = self.function.ty(a);
        let bits = [a, b].map(|v| self.emit(Op::Bitcast, &[v], ty.as_bits()));
        let keys = bits.map(|bits| {
            let width = self.constant(B32, u64::from(ty.bits()) - 1);
            let signs = self.emit(Op::Shr(Signed), &[bits, width], ty.as_bits());
            let turned = self.masked(signs, ty.mask() >> 1);
            self.emit(Op::Xor, &[bits, turned], ty.as_bits())
        });
        let [a_is_nan, b_is_nan] = bits.map(|bits| {
            let magnitude = self.masked(bits, ty.mask() >> 1);
            let infinity = self.constant(ty.as_bits(), format(ty).infinity);
            self.compare(Condition::Gt, Unsigned, magnitude, infinity)
        });
        let a_first = self.compare(first, Signed, keys[0], keys[1]);
        let a_first = self.emit(Op::Or, &[a_first, b_is_nan], B1);
        let a_counts = self.emit(Op::Not, &[a_is_nan], B1);
        let a_first = self.emit(Op::And, &[a_first, a_counts], B1);
        self.emit(Op::Select, &[a_first, a, b], ty)
    }

    fn transcendental(&mut self, i: &Instruction) -> Option<Value> {
        let &[argument] = i.arguments.as_slice() else {
            return None;
        };
        if self.function.ty(argument) != F32 {
            return None;
        }
        match i.op {
            Op::Sine(_) | Op::Tanh(_) => Some(self.itself_near_zero(i.op, argument)),
            Op::Exp2(accuracy) => Some(self.deep_power(accuracy, argument)),
            Op::Log2(accuracy) => Some(self.deep_logarithm(accuracy, argument)),
            _ => None,
        }
    }

    /// An operation on f32, done in f64 and rounded to the nearest.
    fn in_f64(&mut self, op: Op, operands: &[Value]) -> Value {
        let wide: Vec<_> = operands.iter().map(|&a| self.wide(a)).collect();
        let value = self.emit(op, &wide, F64);
        self.nearest_f32(value)
    }

    /// What integer arithmetic makes of an f32.
    fn with_bits(&mut self, value: Value, change: impl Fn(&mut Self, Value) -> Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[value], B32);
        let bits = change(self, bits);
        self.emit(Op::Bitcast, &[bits], F32)
    }

    /// An f32 as an f64. A subnormal is a number of 2^-149.
    fn wide(&mut self, value: Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[value], B32);
        let is_subnormal = self.has_no_exponent(bits, F32);
        let normal = self.emit(Op::FloatConvert(NEAREST), &[value], F64);
        let count = self.masked(bits, LEAST_NORMAL - 1);
        let count = self.emit(Op::IntegerToFloat(UNSIGNED), &[count], F64);
        let unit = self.f64_constant(2f64.powi(-149));
        let magnitude = self.emit(Op::FMul(NEAREST), &[count, unit], F64);
        let magnitude = self.emit(Op::Bitcast, &[magnitude], B64);
        let sign = self.masked(bits, SIGN);
        let zero = self.constant(B32, 0);
        let sign = self.emit(Op::Concat, &[zero, sign], B64);
        let subnormal = self.emit(Op::Or, &[magnitude, sign], B64);
        let subnormal = self.emit(Op::Bitcast, &[subnormal], F64);
        self.emit(Op::Select, &[is_subnormal, subnormal, normal], F64)
    }

    /// The f32 next to an f64, ties to even.
    fn nearest_f32(&mut self, value: Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[value], B64);
        let magnitude = self.masked(bits, u64::MAX >> 1);
        let least = self.constant(B64, 2f64.powi(-126).to_bits());
        let is_small = self.compare(Condition::Lt, Unsigned, magnitude, least);
        // Counted in 2^-149: what rounds up to the least normal number has its bits.
        let magnitude = self.emit(Op::Bitcast, &[magnitude], F64);
        let units = self.f64_constant(2f64.powi(149));
        let count = self.emit(Op::FMul(NEAREST), &[magnitude, units], F64);
        let count = self.emit(Op::FloatToInteger(UNSIGNED), &[count], B32);
        let high = self.emit(Op::Extract(1), &[bits], B32);
        let sign = self.masked(high, SIGN);
        let small = self.emit(Op::Or, &[count, sign], B32);
        let normal = self.emit(Op::FloatConvert(NEAREST), &[value], F32);
        let normal = self.emit(Op::Bitcast, &[normal], B32);
        let bits = self.emit(Op::Select, &[is_small, small, normal], B32);
        self.emit(Op::Bitcast, &[bits], F32)
    }

    /// An f32, or the least normal one of its sign for a subnormal: to an integer or
    /// a half they round alike.
    fn raised(&mut self, value: Value) -> Value {
        self.with_bits(value, |w, bits| {
            let small = w.has_no_exponent(bits, F32);
            let (zero, least) = (w.constant(B32, 0), w.constant(B32, LEAST_NORMAL));
            let fraction = w.masked(bits, LEAST_NORMAL - 1);
            let some = w.compare(Condition::Ne, Unsigned, fraction, zero);
            let is_subnormal = w.emit(Op::And, &[small, some], B1);
            let sign = w.masked(bits, SIGN);
            let least = w.emit(Op::Or, &[sign, least], B32);
            w.emit(Op::Select, &[is_subnormal, least, bits], B32)
        })
    }

    /// A function that is its argument near zero.
    fn itself_near_zero(&mut self, op: Op, argument: Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[argument], B32);
        let is_subnormal = self.has_no_exponent(bits, F32);
        let value = self.emit(op, &[argument], F32);
        self.emit(Op::Select, &[is_subnormal, argument, value], F32)
    }

    /// A power of two, of far below zero by one that is normal.
    fn deep_power(&mut self, accuracy: Accuracy, exponent: Value) -> Value {
        let [limit, moved] = [-100f32, 64.0].map(|v| self.constant(F32, u64::from(v.to_bits())));
        let is_deep = self.float_compare(FloatCondition::Lt, exponent, limit);
        let moved = self.emit(Op::FAdd(NEAREST), &[exponent, moved], F32);
        let exponent = self.emit(Op::Select, &[is_deep, moved, exponent], F32);
        let power = self.emit(Op::Exp2(accuracy), &[exponent], F32);
        let power = self.emit(Op::FloatConvert(NEAREST), &[power], F64);
        let [scale, one] = [2f64.powi(-64), 1.0].map(|v| self.f64_constant(v));
        let scale = self.emit(Op::Select, &[is_deep, scale, one], F64);
        let power = self.emit(Op::FMul(NEAREST), &[power, scale], F64);
        self.nearest_f32(power)
    }

    /// A logarithm, of a subnormal by that of 2^64 times it.
    fn deep_logarithm(&mut self, accuracy: Accuracy, argument: Value) -> Value {
        let bits = self.emit(Op::Bitcast, &[argument], B32);
        let is_subnormal = self.has_no_exponent(bits, F32);
        let wide = self.wide(argument);
        let scale = self.f64_constant(2f64.powi(64));
        let wide = self.emit(Op::FMul(NEAREST), &[wide, scale], F64);
        let scaled = self.emit(Op::FloatConvert(NEAREST), &[wide], F32);
        let argument = self.emit(Op::Select, &[is_subnormal, scaled, argument], F32);
        let logarithm = self.emit(Op::Log2(accuracy), &[argument], F32);
        let less = self.constant(F32, u64::from(64f32.to_bits()));
        let less = self.emit(Op::FSub(NEAREST), &[logarithm, less], F32);
        self.emit(Op::Select, &[is_subnormal, less, logarithm], F32)
    }

    fn f64_constant(&mut self, value: f64) -> Value {
        self.constant(F64, value.to_bits())
    }
}

const UNSIGNED: IntegerConversion = IntegerConversion {
    signedness: Unsigned,
    mode: NEAREST,
};

/// Whether an operation that flushes does so with an operand or result of type `ty`,
/// where the other side has type `other`: of conversions only the f32 side, and not
/// even that where the other one is f16.
fn flushes(op: &Op, ty: Type, other: Type) -> bool {
    match op {
        Op::FloatConvert(_) => ty == F32 && other != F16,
        _ => matches!(ty, F16 | F32),
    }
}
