//! How far a result may lie from the expected one.

use std::fmt;

use super::scalar::Scalar;

/// What counts as equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Check {
    /// Floats may be this many floats away.
    pub ulp: u32,
    /// Floats may differ by this much.
    pub absolute: f64,
    /// Floats are compared as bits: no NaN equals another.
    pub bits: bool,
}

impl Check {
    /// Equal bits, save that one NaN is as good as another.
    pub const EXACT: Self = Self {
        ulp: 0,
        absolute: 0.0,
        bits: false,
    };

    /// Reads `ulp=2`, `absolute=1e-6` or `bits` into the check; `None` for any
    /// other word.
    #[must_use]
    pub fn with(mut self, word: &str) -> Option<Self> {
        match word.split_once('=') {
            Some(("ulp", value)) => self.ulp = value.parse().ok()?,
            Some(("absolute", value)) => self.absolute = value.parse().ok()?,
            None if word == "bits" => self.bits = true,
            _ => return None,
        }
        Some(self)
    }

    /// Whether a value is as good as the expected one.
    #[must_use]
    pub fn accepts(&self, ty: Scalar, got: u64, expected: u64) -> bool {
        if self.bits || !ty.is_float() {
            return got == expected;
        }
        let mut parts = ty.parts(got).into_iter().zip(ty.parts(expected));
        parts.all(|((part, got), (_, expected))| self.accepts_float(part, got, expected))
    }

    fn accepts_float(&self, ty: Scalar, got: u64, expected: u64) -> bool {
        if got == expected {
            return true;
        }
        if ty.is_nan(got) || ty.is_nan(expected) {
            return ty.is_nan(got) && ty.is_nan(expected);
        }
        let exact = self.ulp == 0 && self.absolute == 0.0;
        let apart = (ty.ordinal(got) - ty.ordinal(expected)).unsigned_abs();
        let difference = (ty.to_f64(got) - ty.to_f64(expected)).abs();
        !exact && (apart <= u128::from(self.ulp) || difference <= self.absolute)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.bits, self.ulp, self.absolute) {
            (true, ..) => write!(f, "the same bits"),
            (_, 0, 0.0) => write!(f, "exact"),
            (_, ulp, absolute) => write!(f, "within {ulp} ulp or {absolute:e}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(check: Check, got: f32, expected: f32) -> bool {
        let ty = Scalar::from_word("f32").unwrap();
        check.accepts(ty, u64::from(got.to_bits()), u64::from(expected.to_bits()))
    }

    #[test]
    fn exact_tells_zeros_apart_but_not_nans() {
        assert!(!f32s(Check::EXACT, 0.0, -0.0));
        assert!(f32s(Check::EXACT, f32::NAN, -f32::NAN));
        assert!(!f32s(Check::EXACT, f32::NAN, 1.0));
        assert!(!f32s(Check::EXACT, 1.0, 1.000_000_1));
        let bits = Check::EXACT.with("bits").unwrap();
        assert!(!f32s(bits, f32::NAN, -f32::NAN));
    }

    #[test]
    fn tolerances_are_counted_in_floats_or_by_difference() {
        let two = Check::EXACT.with("ulp=2").unwrap();
        assert!(f32s(two, 1.0, 1.000_000_2) && !f32s(two, 1.0, 1.000_001));
        assert!(!f32s(two, f32::MAX, 1.0) && f32s(two, f32::INFINITY, f32::MAX));
        let near = Check::EXACT.with("absolute=1e-3").unwrap();
        assert!(f32s(near, 1e-4, -1e-4) && !f32s(near, 0.01, 0.0));
        assert_eq!(Check::EXACT.with("exactly"), None);
    }
}
