//! What a pure operation computes, in Rust. One definition serves constant
//! folding and the interpreter, and through it every differential test.

mod rounded;

use smallvec::SmallVec;

use crate::ir::{
    AtomicOp, Condition, FloatCondition, FloatMode, Half, Op, PermuteMode, Rounding, Signedness,
    Type,
};

/// Bits of a value and its type.
pub type Operand = (Type, u64);

/// The results of an operation on these operands; `None` where it depends on
/// more than them.
///
/// Where PTX allows an error (`.approx`, `.full`), this is the result of an f64
/// computation rounded once more, or the correctly rounded one.
#[must_use]
pub fn evaluate(op: &Op, results: &[Type], operands: &[Operand]) -> Option<SmallVec<[u64; 2]>> {
    let bits: SmallVec<[u64; 4]> = operands.iter().map(|&(_, bits)| bits).collect();
    let ty = operands.first().map_or(Type::B1, |&(ty, _)| ty);
    match (op, bits.as_slice()) {
        (Op::AddCarry, &[a, b, c]) => {
            let sum = a + b + c;
            return Some(SmallVec::from_slice(&[sum & 0xFFFF_FFFF, sum >> 32]));
        }
        (Op::SubBorrow, &[a, b, c]) => {
            let difference = a.wrapping_sub(b).wrapping_sub(c);
            return Some(SmallVec::from_slice(&[
                difference & 0xFFFF_FFFF,
                difference >> 63,
            ]));
        }
        _ => {}
    }
    let &result = results.first()?;
    let value = if is_float_operation(op) {
        float(op, result, ty, &bits)?
    } else {
        integer(op, result, ty, &bits, operands)?
    };
    Some(smallvec::smallvec![value & result.mask()])
}

/// The bits as a signed number.
#[must_use]
pub fn signed(ty: Type, bits: u64) -> i64 {
    let shift = 64 - ty.bits();
    (bits << shift) as i64 >> shift
}

fn extend(ty: Type, bits: u64, signedness: Signedness) -> i128 {
    match signedness {
        Signedness::Signed => i128::from(signed(ty, bits)),
        Signedness::Unsigned => i128::from(bits & ty.mask()),
    }
}

const fn is_float_operation(op: &Op) -> bool {
    matches!(
        op,
        Op::FAdd(_)
            | Op::FSub(_)
            | Op::FMul(_)
            | Op::Fma(_)
            | Op::FDiv(_)
            | Op::Reciprocal(_)
            | Op::SquareRoot(_)
            | Op::ReciprocalRoot(_)
            | Op::Sine(_)
            | Op::Cosine(_)
            | Op::Exp2(_)
            | Op::Log2(_)
            | Op::Tanh(_)
            | Op::FMin(_)
            | Op::FMax(_)
            | Op::FNeg
            | Op::FAbs
            | Op::CopySign
            | Op::Saturate
            | Op::Flush
            | Op::FCompare(_)
            | Op::FloatToInteger(_)
            | Op::IntegerToFloat(_)
            | Op::FloatConvert(_)
            | Op::RoundToIntegral(_)
    )
}

fn integer(op: &Op, result: Type, ty: Type, v: &[u64], operands: &[Operand]) -> Option<u64> {
    let width = ty.bits();
    let two =
        |sign: Signedness| Some((extend(ty, *v.first()?, sign), extend(ty, *v.get(1)?, sign)));
    let at = |index: usize| v.get(index).copied();
    Some(match *op {
        Op::Const(bits) => bits,
        Op::Bitcast | Op::Truncate | Op::ZeroExtend => at(0)?,
        Op::SignExtend => signed(ty, at(0)?) as u64,
        Op::Concat => operands.iter().rev().fold(0, |bits, &(piece, value)| {
            bits.unbounded_shl(piece.bits()) | value
        }),
        Op::Extract(index) => at(0)?.unbounded_shr(index * result.bits()),
        Op::Select => return at(if at(0)? != 0 { 1 } else { 2 }),
        Op::Add => at(0)?.wrapping_add(at(1)?),
        Op::Sub => at(0)?.wrapping_sub(at(1)?),
        Op::Mul => at(0)?.wrapping_mul(at(1)?),
        Op::MulHigh(sign) => {
            let (a, b) = two(sign)?;
            match sign {
                Signedness::Signed => (a.wrapping_mul(b) >> width) as u64,
                Signedness::Unsigned => ((a as u128).wrapping_mul(b as u128) >> width) as u64,
            }
        }
        Op::MulWide(sign) => two(sign).map(|(a, b)| a.wrapping_mul(b) as u64)?,
        Op::Div(sign) => match two(sign)? {
            (_, 0) => u64::MAX,
            (a, b) => (a / b) as u64,
        },
        Op::Rem(sign) => match two(sign)? {
            (_, 0) => u64::MAX,
            (a, b) => (a % b) as u64,
        },
        Op::And => at(0)? & at(1)?,
        Op::Or => at(0)? | at(1)?,
        Op::Xor => at(0)? ^ at(1)?,
        Op::Not => !at(0)?,
        Op::Neg => at(0)?.wrapping_neg(),
        Op::Abs => signed(ty, at(0)?).unsigned_abs(),
        Op::Min(sign) => two(sign).map(|(a, b)| a.min(b) as u64)?,
        Op::Max(sign) => two(sign).map(|(a, b)| a.max(b) as u64)?,
        Op::Shl => match at(1)? {
            amount if amount >= u64::from(width) => 0,
            amount => at(0)? << amount,
        },
        Op::Shr(sign) => shift_right(ty, at(0)?, at(1)?, sign),
        Op::FunnelLeft => ((at(1)? << 32 | at(0)?) << (at(2)? & 31)) >> 32,
        Op::FunnelRight => (at(1)? << 32 | at(0)?) >> (at(2)? & 31),
        Op::PopCount => u64::from(at(0)?.count_ones()),
        Op::LeadingZeros => u64::from(at(0)?.leading_zeros() - (64 - width)),
        Op::ReverseBits => at(0)?.reverse_bits() >> (64 - width),
        Op::FindHighBit(sign) => {
            let value = signed(ty, at(0)?);
            let bits = match sign {
                Signedness::Signed if value < 0 => !value as u64,
                _ => at(0)?,
            };
            u64::from(63u32.wrapping_sub(bits.leading_zeros()))
        }
        Op::ExtractBits(sign) => {
            let [position, length] = [at(1)?, at(2)?].map(|bits| bit_count(ty, bits));
            extract_bits(ty, at(0)?, position, length, sign)
        }
        Op::InsertBits => {
            let [position, length] = [at(2)?, at(3)?].map(|bits| bit_count(ty, bits));
            insert_bits(ty, at(0)?, at(1)?, position, length)
        }
        Op::Permute(mode) => u64::from(permute(mode, at(0)?, at(1)?, at(2)?)),
        Op::Dot4(signs) => {
            let sum = (0..4)
                .map(|i| byte(at(0), i, signs.a) * byte(at(1), i, signs.b))
                .sum::<i64>();
            at(2)?.wrapping_add(sum as u64)
        }
        Op::Dot2(dot) => {
            let first = if dot.half == Half::High { 2 } else { 0 };
            let half =
                |i: u32| extend(Type::B16, at(0).unwrap_or(0) >> (16 * i), dot.signs.a) as i64;
            let sum = (0..2)
                .map(|i| half(i) * byte(at(1), first + i, dot.signs.b))
                .sum::<i64>();
            at(2)?.wrapping_add(sum as u64)
        }
        Op::Compare(comparison) => {
            let (a, b) = two(comparison.signedness)?;
            u64::from(match comparison.condition {
                Condition::Eq => a == b,
                Condition::Ne => a != b,
                Condition::Lt => a < b,
                Condition::Le => a <= b,
                Condition::Gt => a > b,
                Condition::Ge => a >= b,
            })
        }
        _ => return None,
    })
}

fn byte(value: Option<u64>, index: u32, sign: Signedness) -> i64 {
    extend(Type::B8, value.unwrap_or(0) >> (8 * index), sign) as i64
}

fn shift_right(ty: Type, value: u64, amount: u64, sign: Signedness) -> u64 {
    let amount = amount.min(u64::from(ty.bits())) as u32;
    (extend(ty, value, sign) >> amount) as u64
}

/// What NVIDIA reads of the position or length of a bit field: PTX leaves open
/// what values above 255 do, and the 64-bit forms take them as they are.
fn bit_count(ty: Type, bits: u64) -> u64 {
    match ty {
        Type::B64 => bits,
        _ => bits & 255,
    }
}

fn extract_bits(ty: Type, value: u64, position: u64, length: u64, sign: Signedness) -> u64 {
    if length == 0 {
        return 0;
    }
    let field = shift_right(ty, value, position, sign);
    if position + length >= u64::from(ty.bits()) || length >= 64 {
        return field;
    }
    let shift = 64 - length as u32;
    match sign {
        Signedness::Signed => ((field << shift) as i64 >> shift) as u64,
        Signedness::Unsigned => (field << shift) >> shift,
    }
}

fn insert_bits(ty: Type, field: u64, base: u64, position: u64, length: u64) -> u64 {
    let ones = 1u128
        .checked_shl(length as u32)
        .map_or(u128::MAX, |one| one - 1);
    let mask = ones.checked_shl(position as u32).unwrap_or(0) as u64 & ty.mask();
    let field = u128::from(field).checked_shl(position as u32).unwrap_or(0) as u64;
    (field & mask) | (base & !mask)
}

fn permute(mode: PermuteMode, low: u64, high: u64, selector: u64) -> u32 {
    let bytes = (high << 32 | low).to_le_bytes();
    let pick = |index: u64| bytes[(index & 7) as usize];
    let s = selector & 3;
    let picked: [u8; 4] = std::array::from_fn(|i| {
        let i = i as u64;
        match mode {
            PermuteMode::Index => {
                let nibble = selector >> (4 * i) & 15;
                let byte = pick(nibble);
                if nibble & 8 != 0 {
                    (byte as i8 >> 7) as u8
                } else {
                    byte
                }
            }
            PermuteMode::Forward4 => pick(s + i),
            PermuteMode::Backward4 => pick(s.wrapping_sub(i)),
            PermuteMode::Replicate8 => pick(s),
            PermuteMode::EdgeClampLeft => pick(s.max(i)),
            PermuteMode::EdgeClampRight => pick(s.min(i)),
            PermuteMode::Replicate16 => pick((s & 1) * 2 + (i & 1)),
        }
    });
    u32::from_le_bytes(picked)
}

/// A float of any of the three types, as an f64 that holds it exactly.
#[must_use]
pub fn to_f64(ty: Type, bits: u64) -> f64 {
    match ty {
        Type::F16 => half_to_f64(bits as u16),
        Type::F32 => f64::from(f32::from_bits(bits as u32)),
        _ => f64::from_bits(bits),
    }
}

/// The nearest float of a type; ties to even.
#[must_use]
pub fn from_f64(ty: Type, value: f64) -> u64 {
    match ty {
        Type::F16 => u64::from(f64_to_half(value)),
        Type::F32 => u64::from((value as f32).to_bits()),
        _ => value.to_bits(),
    }
}

fn half_to_f64(bits: u16) -> f64 {
    let sign = if bits >> 15 != 0 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 0x3FF));
    match exponent {
        31 if bits & 0x3FF != 0 => f64::NAN,
        31 => sign * f64::INFINITY,
        0 => sign * fraction * 2f64.powi(-24),
        _ => sign * (1024.0 + fraction) * 2f64.powi(exponent - 25),
    }
}

fn f64_to_half(value: f64) -> u16 {
    let sign = (value.to_bits() >> 48) as u16 & 0x8000;
    let magnitude = value.abs();
    if magnitude.is_nan() {
        return 0x7FFF;
    }
    // The distance of halves around the value; below 2^-14 it is fixed.
    let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(-14);
    let unit = 2f64.powi(exponent - 10);
    let steps = (magnitude / unit).round_ties_even();
    if magnitude.is_infinite() || steps * unit >= 65536.0 {
        return sign | 0x7C00;
    }
    // Counting steps from the start of the binade adds its exponent by itself.
    let base = if exponent == -14 && steps < 1024.0 {
        0
    } else {
        ((exponent + 15) as u16) << 10
    };
    let offset = if base == 0 { steps } else { steps - 1024.0 };
    sign | (base + offset as u16)
}

fn flush(ty: Type, mode: FloatMode, bits: u64) -> u64 {
    if mode.flush {
        flush_subnormal(ty, bits)
    } else {
        bits
    }
}

/// Conversions flush their f32 side alone, and not even that where the other one
/// is f16: a subnormal rounded up gives the least f16 on NVIDIA.
fn flush_single(ty: Type, other: Type, mode: FloatMode, bits: u64) -> u64 {
    if ty == Type::F32 && other != Type::F16 {
        flush(ty, mode, bits)
    } else {
        bits
    }
}

fn flush_subnormal(ty: Type, bits: u64) -> u64 {
    let (sign, exponent) = match ty {
        Type::F16 => (0x8000, 0x7C00),
        Type::F32 => (0x8000_0000, 0x7F80_0000),
        _ => (1 << 63, 0x7FF0 << 48),
    };
    if bits & exponent == 0 {
        bits & sign
    } else {
        bits
    }
}

fn float(op: &Op, result: Type, ty: Type, v: &[u64]) -> Option<u64> {
    let at = |index: usize| v.get(index).copied();
    let sign = 1u64 << (ty.bits() - 1);
    // Of an operation that need not be exact, the f64 result rounded once more.
    let approximate = |mode: FloatMode, f: &dyn Fn(&[f64]) -> f64| -> u64 {
        let values: SmallVec<[f64; 3]> =
            v.iter().map(|&b| to_f64(ty, flush(ty, mode, b))).collect();
        flush(result, mode, from_f64(result, f(&values)))
    };
    let rounded = |mode: FloatMode, f: rounded::Operation| -> u64 {
        let values: SmallVec<[u64; 3]> = v.iter().map(|&b| flush(ty, mode, b)).collect();
        flush(result, mode, f(ty, mode.rounding, &values))
    };
    Some(match *op {
        Op::FAdd(mode) => rounded(mode, rounded::add),
        Op::FSub(mode) => rounded(mode, rounded::subtract),
        Op::FMul(mode) => rounded(mode, rounded::multiply),
        Op::Fma(mode) => rounded(mode, rounded::multiply_add),
        Op::FDiv(accuracy) => rounded(accuracy.mode, rounded::divide),
        Op::Reciprocal(accuracy) => rounded(accuracy.mode, rounded::reciprocal),
        Op::SquareRoot(accuracy) => rounded(accuracy.mode, rounded::square_root),
        Op::ReciprocalRoot(a) => approximate(a.mode, &|v| 1.0 / v[0].sqrt()),
        Op::Sine(a) => approximate(a.mode, &|v| v[0].sin()),
        Op::Cosine(a) => approximate(a.mode, &|v| v[0].cos()),
        Op::Exp2(a) => approximate(a.mode, &|v| v[0].exp2()),
        Op::Log2(a) => approximate(a.mode, &|v| v[0].log2()),
        Op::Tanh(a) => approximate(a.mode, &|v| v[0].tanh()),
        Op::FMin(mode) => approximate(mode, &|v| minimum(v[0], v[1])),
        Op::FMax(mode) => approximate(mode, &|v| -minimum(-v[0], -v[1])),
        Op::FNeg => at(0)? ^ sign,
        Op::FAbs => at(0)? & !sign,
        Op::CopySign => (at(0)? & sign) | (at(1)? & !sign),
        Op::Saturate => {
            let value = to_f64(ty, at(0)?);
            from_f64(
                ty,
                if value.is_nan() {
                    0.0
                } else {
                    value.clamp(0.0, 1.0) + 0.0
                },
            )
        }
        Op::Flush => flush_subnormal(ty, at(0)?),
        Op::FCompare(comparison) => {
            let value = |i| Some(to_f64(ty, flush(ty, comparison.mode, at(i)?)));
            u64::from(compare(comparison.condition, value(0)?, value(1)?))
        }
        Op::FloatToInteger(conversion) => {
            let value = to_f64(ty, flush(ty, conversion.mode, at(0)?));
            if value.is_nan() {
                return Some(integer_of_nan(ty, result));
            }
            to_integer(
                result,
                conversion.signedness,
                round(conversion.mode.rounding, value),
            )
        }
        Op::IntegerToFloat(conversion) => {
            let value = extend(ty, at(0)?, conversion.signedness);
            rounded::of_integer(result, conversion.mode.rounding, value)
        }
        Op::FloatConvert(mode) => {
            let value = flush_single(ty, result, mode, at(0)?);
            let converted = rounded::convert(ty, result, mode.rounding, value);
            flush_single(result, ty, mode, converted)
        }
        Op::RoundToIntegral(rounding) => from_f64(ty, round(rounding, to_f64(ty, at(0)?))),
        _ => return None,
    })
}

/// The lesser operand; a number rather than NaN, -0 rather than +0.
fn minimum(a: f64, b: f64) -> f64 {
    match (a.is_nan(), b.is_nan()) {
        (true, _) => b,
        (_, true) => a,
        _ if a == b => {
            if a.is_sign_negative() {
                a
            } else {
                b
            }
        }
        _ => a.min(b),
    }
}

fn compare(condition: FloatCondition, a: f64, b: f64) -> bool {
    let unordered = a.is_nan() || b.is_nan();
    match condition {
        FloatCondition::Eq => a == b,
        FloatCondition::Ne => !unordered && a != b,
        FloatCondition::Lt => a < b,
        FloatCondition::Le => a <= b,
        FloatCondition::Gt => a > b,
        FloatCondition::Ge => a >= b,
        FloatCondition::Equ => unordered || a == b,
        FloatCondition::Neu => unordered || a != b,
        FloatCondition::Ltu => unordered || a < b,
        FloatCondition::Leu => unordered || a <= b,
        FloatCondition::Gtu => unordered || a > b,
        FloatCondition::Geu => unordered || a >= b,
        FloatCondition::Num => !unordered,
        FloatCondition::Nan => unordered,
    }
}

fn round(rounding: Rounding, value: f64) -> f64 {
    match rounding {
        Rounding::Nearest => value.round_ties_even(),
        Rounding::Away => value.round(),
        Rounding::Zero | Rounding::Odd => value.trunc(),
        Rounding::Down => value.floor(),
        Rounding::Up => value.ceil(),
    }
}

/// The integer that NaN becomes: 0, but the highest bit alone from f64 and to 64
/// bits.
#[must_use]
pub const fn integer_of_nan(from: Type, to: Type) -> u64 {
    match from.bits() == 64 || to.bits() == 64 {
        true => 1 << (to.bits() - 1),
        false => 0,
    }
}

/// A whole number as an integer of this type: Rust's casts saturate, as PTX's
/// conversions do.
fn to_integer(ty: Type, signedness: Signedness, value: f64) -> u64 {
    let bits = ty.bits();
    match signedness {
        Signedness::Signed => {
            let most = i64::MAX >> (64 - bits);
            (value as i64).clamp(-most - 1, most) as u64
        }
        Signedness::Unsigned => (value as u64).min(ty.mask()),
    }
}

/// The value that an atomic operation leaves in memory.
#[must_use]
pub fn atomic(op: AtomicOp, ty: Type, old: u64, operands: &[u64]) -> Option<u64> {
    let a = *operands.first()?;
    let by = |op: &Op| evaluate(op, &[ty], &[(ty, old), (ty, a)]).map(|r| r[0]);
    Some(match op {
        AtomicOp::Add => by(&Op::Add)?,
        AtomicOp::FloatAdd => by(&Op::FAdd(FloatMode::NEAREST))?,
        AtomicOp::FloatMin => by(&Op::FMin(FloatMode::NEAREST))?,
        AtomicOp::FloatMax => by(&Op::FMax(FloatMode::NEAREST))?,
        AtomicOp::And => old & a,
        AtomicOp::Or => old | a,
        AtomicOp::Xor => old ^ a,
        AtomicOp::SignedMin => by(&Op::Min(Signedness::Signed))?,
        AtomicOp::SignedMax => by(&Op::Max(Signedness::Signed))?,
        AtomicOp::UnsignedMin => old.min(a),
        AtomicOp::UnsignedMax => old.max(a),
        AtomicOp::Increment => {
            if old >= a {
                0
            } else {
                old + 1
            }
        }
        AtomicOp::Decrement => {
            if old == 0 || old > a {
                a
            } else {
                old - 1
            }
        }
        AtomicOp::Exchange => a,
        AtomicOp::CompareExchange => {
            let new = *operands.get(1)?;
            if old == a { new } else { old }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Type::{B16, B32, B64, F16, F32};

    fn run(op: &str, result: Type, operands: &[Operand]) -> u64 {
        evaluate(&Op::from_text(op).unwrap(), &[result], operands).unwrap()[0]
    }

    #[test]
    fn integer_operations_have_ptx_semantics() {
        let m1 = 0xFFFF_FFFF;
        let cases: &[(&str, Type, &[Operand], u64)] = &[
            ("idiv.s", B32, &[(B32, 0x8000_0000), (B32, m1)], 0x8000_0000),
            ("idiv.u", B32, &[(B32, 7), (B32, 0)], m1),
            (
                "irem.s",
                B32,
                &[(B32, u64::from((-7i32).cast_unsigned())), (B32, 3)],
                m1,
            ),
            ("irem.u", B32, &[(B32, 7), (B32, 0)], m1),
            ("shl", B32, &[(B32, 1), (B32, 32)], 0),
            ("shr.s", B32, &[(B32, 0x8000_0000), (B32, 99)], m1),
            ("shr.u", B16, &[(B16, 0x8000), (B32, 15)], 1),
            ("imulhi.s", B32, &[(B32, m1), (B32, m1)], 0),
            (
                "imulhi.u",
                B64,
                &[(B64, u64::MAX), (B64, u64::MAX)],
                u64::MAX - 1,
            ),
            ("imulwide.s", B64, &[(B32, m1), (B32, 2)], u64::MAX - 1),
            ("bfe.s", B32, &[(B32, 0xF0), (B32, 4), (B32, 4)], m1),
            (
                "bfe.u",
                B32,
                &[(B32, 0xF000_0000), (B32, 28), (B32, 9)],
                0xF,
            ),
            ("bfe.s", B32, &[(B32, 0x8000_0000), (B32, 40), (B32, 4)], m1),
            ("bfe.u", B32, &[(B32, 5), (B32, 0), (B32, 0)], 0),
            (
                "bfi",
                B32,
                &[(B32, 0xAB), (B32, m1), (B32, 8), (B32, 8)],
                0xFFFF_ABFF,
            ),
            ("bfi", B32, &[(B32, 0xAB), (B32, 7), (B32, 32), (B32, 8)], 7),
            ("bfind.u", B32, &[(B32, 0)], m1),
            ("bfind.s", B32, &[(B32, m1)], m1),
            ("bfind.s", B32, &[(B32, 0xFFFF_0000)], 15),
            ("clz", B32, &[(B32, 0)], 32),
            ("brev", B32, &[(B32, 1)], 0x8000_0000),
            (
                "prmt.idx",
                B32,
                &[(B32, 0x3322_1180), (B32, 0x7766_5544), (B32, 0x5480)],
                0x5544_FF80,
            ),
            (
                "prmt.b4e",
                B32,
                &[(B32, 0x3322_1100), (B32, 0x7766_5544), (B32, 1)],
                0x6677_0011,
            ),
            (
                "dp4a.s.s",
                B32,
                &[(B32, 0xFF01_0203), (B32, 0x0101_0101), (B32, 10)],
                15,
            ),
            (
                "dp4a.u.s",
                B32,
                &[(B32, 0xFF00_0000), (B32, 0xFF00_0000), (B32, 0)],
                u64::from((-255i32).cast_unsigned()),
            ),
            (
                "funnell",
                B32,
                &[(B32, 0x8000_0000), (B32, 1), (B32, 33)],
                3,
            ),
            ("concat", B64, &[(B32, 1), (B32, 2)], 0x2_0000_0001),
            ("extract.1", B16, &[(B32, 0x0007_0001)], 7),
        ];
        for (op, result, operands, expected) in cases {
            let got = run(op, *result, operands);
            assert_eq!(got, *expected, "{op} {operands:x?} gave {got:#x}");
        }
    }

    #[test]
    fn conversions_saturate_and_map_nan_to_a_constant() {
        let f = |value: f32| (F32, u64::from(value.to_bits()));
        let cases = [
            ("ftoi.s.rz.sub", B32, f(3e9), 0x7FFF_FFFF),
            ("ftoi.s.rz.sub", B32, f(-3e9), 0x8000_0000),
            ("ftoi.u.rz.sub", B32, f(-1.0), 0),
            ("ftoi.s.rn.sub", B32, f(2.5), 2),
            (
                "ftoi.s.rm.sub",
                B32,
                f(-2.5),
                u64::from((-3i32).cast_unsigned()),
            ),
            ("ftoi.s.rz.sub", B32, f(f32::NAN), 0),
            ("ftoi.u.rz.sub", B64, f(f32::NAN), 1 << 63),
            (
                "ftoi.s.rz.sub",
                B16,
                (Type::F64, f64::NAN.to_bits()),
                0x8000,
            ),
            ("ftoi.s.rz.sub", Type::B8, f(200.0), 127),
        ];
        for (op, result, operand, expected) in cases {
            assert_eq!(run(op, result, &[operand]), expected, "{op} {operand:?}");
        }
    }

    #[test]
    fn halves_round_to_nearest_even_in_every_binade() {
        for bits in 0..=u16::MAX {
            let value = half_to_f64(bits);
            if !value.is_nan() {
                assert_eq!(f64_to_half(value), bits, "{bits:#x} {value}");
            }
        }
        let cases = [
            (65519.0, 0x7BFF),
            (65520.0, 0x7C00),
            (1.0 + 2f64.powi(-11), 0x3C00),
            (2f64.powi(-25), 0),
            (1.5 * 2f64.powi(-24), 2),
            (2047.9, 0x6800),
        ];
        for (value, expected) in cases {
            assert_eq!(f64_to_half(value), expected, "{value}");
        }
        assert_eq!(run("ftof.rn.sub", F16, &[(F32, 0x3F80_0000)]), 0x3C00);
    }

    #[test]
    fn a_fused_product_and_sum_rounds_once() {
        // The host's own fused operation is the reference.
        let values = [
            1.0f32,
            -1.0,
            1.0 + f32::EPSILON,
            3.1e-20,
            7e30,
            1e-45,
            -0.0,
            16777217.0,
            0.1,
        ];
        for a in values {
            for b in values {
                for c in values {
                    let operands = [a, b, c].map(|v| (F32, u64::from(v.to_bits())));
                    let expected = a.mul_add(b, c).to_bits();
                    assert_eq!(
                        run("fma.rn.sub", F32, &operands),
                        u64::from(expected),
                        "{a} {b} {c}"
                    );
                }
            }
        }
    }

    #[test]
    fn minimum_prefers_numbers_and_orders_zeros() {
        let bits = |v: f32| (F32, u64::from(v.to_bits()));
        assert_eq!(
            run("fmin.rn.sub", F32, &[bits(f32::NAN), bits(2.0)]),
            bits(2.0).1
        );
        assert_eq!(
            run("fmin.rn.sub", F32, &[bits(0.0), bits(-0.0)]),
            bits(-0.0).1
        );
        assert_eq!(
            run("fmax.rn.sub", F32, &[bits(-0.0), bits(0.0)]),
            bits(0.0).1
        );
    }
}
