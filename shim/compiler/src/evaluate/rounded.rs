//! Arithmetic that is correctly rounded in every mode, by the software floats
//! that rustc itself folds constants with.

use rustc_apfloat::ieee::{Double, Half, Single};
use rustc_apfloat::{Float, FloatConvert, Round, Status};

use super::to_f64;
use crate::ir::{Rounding, Type};

/// An operation on operands of one type, whose bits are given.
pub(super) type Operation = fn(Type, Rounding, &[u64]) -> u64;

const fn round(rounding: Rounding) -> Round {
    match rounding {
        Rounding::Nearest => Round::NearestTiesToEven,
        Rounding::Away => Round::NearestTiesToAway,
        Rounding::Zero | Rounding::Odd => Round::TowardZero,
        Rounding::Down => Round::TowardNegative,
        Rounding::Up => Round::TowardPositive,
    }
}

/// Evaluates an expression in which `$float` is the software float of a type.
macro_rules! in_type {
    ($ty:expr, $float:ident => $body:expr) => {
        match $ty {
            Type::F16 => {
                type $float = Half;
                $body
            }
            Type::F32 => {
                type $float = Single;
                $body
            }
            _ => {
                type $float = Double;
                $body
            }
        }
    };
}

fn bits(float: impl Float) -> u64 {
    float.to_bits() as u64
}

fn operand(values: &[u64], index: usize) -> u128 {
    u128::from(values.get(index).copied().unwrap_or(0))
}

macro_rules! binary {
    ($($(#[$meta:meta])* $name:ident = $method:ident;)*) => { $(
        $(#[$meta])*
        pub(super) fn $name(ty: Type, rounding: Rounding, values: &[u64]) -> u64 {
            in_type!(ty, F => {
                let [a, b] = [0, 1].map(|index| F::from_bits(operand(values, index)));
                bits(a.$method(b, round(rounding)).value)
            })
        }
    )* };
}

binary! {
    /// `a + b`
    add = add_r;
    /// `a - b`
    subtract = sub_r;
    /// `a × b`
    multiply = mul_r;
    /// `a ÷ b`
    divide = div_r;
}

/// `a × b + c`, rounded once.
pub(super) fn multiply_add(ty: Type, rounding: Rounding, values: &[u64]) -> u64 {
    in_type!(ty, F => {
        let [a, b, c] = [0, 1, 2].map(|index| F::from_bits(operand(values, index)));
        let sum = a.mul_add_r(b, c, round(rounding));
        bits(sum.value) | odd(rounding, sum.status)
    })
}

/// The last bit of a result that is rounded to odd.
fn odd(rounding: Rounding, status: Status) -> u64 {
    u64::from(rounding == Rounding::Odd && status.contains(Status::INEXACT))
}

/// `1 ÷ a`
pub(super) fn reciprocal(ty: Type, rounding: Rounding, values: &[u64]) -> u64 {
    let one = of_integer(ty, Rounding::Nearest, 1);
    divide(ty, rounding, &[one, operand(values, 0) as u64])
}

/// The square root. An f64 root and the sign of its error decide all roundings.
pub(super) fn square_root(ty: Type, rounding: Rounding, values: &[u64]) -> u64 {
    let value = to_f64(ty, operand(values, 0) as u64);
    let root = value.sqrt();
    if !root.is_normal() || !root.is_finite() {
        return convert(Type::F64, ty, Rounding::Nearest, root.to_bits());
    }
    // Squares of tiny roots lose their error below the subnormals.
    let scale = if value < 1e-200 { 2f64.powi(200) } else { 1.0 };
    let (scaled, square) = (root * scale, value * scale * scale);
    let error = (-scaled).mul_add(scaled, square);
    let root = match (ty, rounding) {
        _ if error == 0.0 => root,
        (Type::F64, Rounding::Nearest | Rounding::Away) => root,
        (Type::F64, Rounding::Up) if error > 0.0 => root.next_up(),
        (Type::F64, Rounding::Zero | Rounding::Down) if error < 0.0 => root.next_down(),
        (Type::F64, _) => root,
        // To odd: what is then rounded to a shorter type is rounded once.
        _ if root.to_bits() & 1 == 1 => root,
        _ if error > 0.0 => root.next_up(),
        _ => root.next_down(),
    };
    convert(Type::F64, ty, rounding, root.to_bits())
}

/// A float of one type as one of another, or of the same.
pub(super) fn convert(from: Type, to: Type, rounding: Rounding, value: u64) -> u64 {
    if from == to {
        return value;
    }
    let (round, mut inexact) = (round(rounding), false);
    in_type!(from, F => in_type!(to, T => {
        let value = F::from_bits(u128::from(value));
        let converted: T = value.convert_r(round, &mut inexact).value;
        bits(converted)
    }))
}

/// An integer as a float.
pub(super) fn of_integer(ty: Type, rounding: Rounding, value: i128) -> u64 {
    in_type!(ty, F => {
        let float = F::from_i128_r(value, round(rounding));
        bits(float.value) | odd(rounding, float.status)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values around every edge of f32.
    fn floats() -> Vec<f32> {
        let positive = [
            0.0,
            1e-45,
            1.1754942e-38,
            f32::MIN_POSITIVE,
            0.1,
            1.0,
            1.0000001,
            3.0,
            16777216.0,
            1e20,
            f32::MAX,
            f32::INFINITY,
        ];
        positive.iter().flat_map(|&v| [v, -v]).collect()
    }

    fn same(ours: u64, theirs: f32, what: &str) {
        let ours = f32::from_bits(ours as u32);
        let equal = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
        assert!(equal, "{what}: {ours:e} but {theirs:e}");
    }

    #[test]
    fn rounding_to_nearest_agrees_with_the_host() {
        let nearest = Rounding::Nearest;
        for a in floats() {
            let values = [u64::from(a.to_bits())];
            same(square_root(Type::F32, nearest, &values), a.sqrt(), "root");
            same(
                reciprocal(Type::F32, nearest, &values),
                1.0 / a,
                "reciprocal",
            );
            for b in floats() {
                let values = [a, b].map(|v| u64::from(v.to_bits()));
                same(add(Type::F32, nearest, &values), a + b, "sum");
                same(subtract(Type::F32, nearest, &values), a - b, "difference");
                same(multiply(Type::F32, nearest, &values), a * b, "product");
                same(divide(Type::F32, nearest, &values), a / b, "quotient");
            }
        }
    }

    #[test]
    fn directed_results_enclose_the_exact_one() {
        let operations: [(Operation, bool); 5] = [
            (add, true),
            (subtract, true),
            (multiply, false),
            (divide, false),
            (square_root, false),
        ];
        for ty in [Type::F16, Type::F32, Type::F64] {
            let [one, three] = [1, 3].map(|v| of_integer(ty, Rounding::Nearest, v));
            for (operation, far) in operations {
                // The least subnormal is far below the last place of 3.
                let second = if far { 1 } else { one + 1 };
                let at = |rounding| operation(ty, rounding, &[three, second]);
                let (down, up) = (at(Rounding::Down), at(Rounding::Up));
                assert_eq!(down + 1, up, "{ty}: inexact results are neighbours");
                assert_eq!(at(Rounding::Zero), down);
                assert!([down, up].contains(&at(Rounding::Nearest)));
            }
        }
    }

    #[test]
    fn exact_results_do_not_depend_on_the_rounding() {
        for &rounding in Rounding::ALL {
            for root in [1.0f64, 3.0, 1024.0, 2f64.powi(-500)] {
                let square = (root * root).to_bits();
                assert_eq!(square_root(Type::F64, rounding, &[square]), root.to_bits());
            }
            let sixteen = of_integer(Type::F16, rounding, 16);
            assert_eq!(sixteen, 0x4C00);
        }
    }

    #[test]
    fn integers_and_narrowing_round_as_asked() {
        let cases = [
            (Rounding::Down, 16_777_216f32),
            (Rounding::Up, 16_777_218.0),
            (Rounding::Nearest, 16_777_216.0),
        ];
        for (rounding, expected) in cases {
            same(
                of_integer(Type::F32, rounding, 16_777_217),
                expected,
                "integer",
            );
            let double = 16_777_217f64.to_bits();
            same(
                convert(Type::F64, Type::F32, rounding, double),
                expected,
                "double",
            );
        }
    }
}
