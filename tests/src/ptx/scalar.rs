//! The types of operands and of buffers' elements.

use std::fmt;

/// A PTX type that a case reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scalar {
    /// `b` bits, `u` unsigned, `s` signed, `f` float, `h` two packed halves,
    /// `g` one bf16 or two packed ones.
    pub class: char,
    /// 8, 16, 32 or 64.
    pub bits: u32,
}

impl Scalar {
    /// 32 unsigned bits.
    pub const U32: Self = Self::new('u', 32);

    const fn new(class: char, bits: u32) -> Self {
        Self { class, bits }
    }

    /// Reads PTX's word for a type, without the dot.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "f16x2" => return Some(Self::new('h', 32)),
            "bf16" => return Some(Self::new('g', 16)),
            "bf16x2" => return Some(Self::new('g', 32)),
            _ => {}
        }
        let class = word
            .chars()
            .next()
            .filter(|class| "busf".contains(*class))?;
        let bits = word[1..].parse().ok()?;
        let known = matches!(bits, 8 | 16 | 32 | 64) && (class, bits) != ('f', 8);
        known.then_some(Self::new(class, bits))
    }

    /// Bytes of a value.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.bits as usize / 8
    }

    /// All bits that a value has, set.
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }

    /// Whether values are floats.
    #[must_use]
    pub const fn is_float(self) -> bool {
        matches!(self.class, 'f' | 'h')
    }

    /// The type that a register for such values is declared with: bytes live in
    /// 16 bits or more.
    #[must_use]
    pub fn register(self) -> String {
        match (self.class, self.bits) {
            ('f', 32 | 64) => self.to_string(),
            (_, 8) => "b16".to_owned(),
            _ => format!("b{}", self.bits),
        }
    }

    /// The type that loads and stores move such values as.
    #[must_use]
    pub fn moved(self) -> String {
        match self.class {
            's' if self.bits < 32 => self.to_string(),
            'f' if self.bits > 16 => self.to_string(),
            _ if self.bits == 8 => "u8".to_owned(),
            _ => format!("b{}", self.bits),
        }
    }

    /// The type of twice the width.
    #[must_use]
    pub fn wide(self) -> Option<Self> {
        (self.bits < 64).then_some(Self::new(self.class, 2 * self.bits))
    }

    /// The parts that are compared: the halves of a packed pair, else the value.
    #[must_use]
    pub fn parts(self, bits: u64) -> Vec<(Self, u64)> {
        match self.class {
            'h' => vec![
                (Self::new('f', 16), bits & 0xFFFF),
                (Self::new('f', 16), bits >> 16),
            ],
            _ => vec![(self, bits)],
        }
    }

    /// Bits of the mantissa that a float stores.
    const fn mantissa_bits(self) -> u32 {
        match self.bits {
            16 if self.class == 'g' => 7,
            16 => 10,
            32 => 23,
            _ => 52,
        }
    }

    /// The bits of positive infinity.
    #[must_use]
    pub const fn infinity(self) -> u64 {
        (self.mask() >> 1) & !((1 << self.mantissa_bits()) - 1)
    }

    /// The sign bit.
    #[must_use]
    pub const fn sign(self) -> u64 {
        1 << (self.bits - 1)
    }

    /// Whether a float is not a number.
    #[must_use]
    pub const fn is_nan(self, bits: u64) -> bool {
        bits & !self.sign() & self.mask() > self.infinity()
    }

    /// Whether a float is not zero but has the exponent of zero.
    #[must_use]
    pub const fn is_subnormal(self, bits: u64) -> bool {
        let magnitude = bits & !self.sign() & self.mask();
        magnitude != 0 && magnitude >> self.mantissa_bits() == 0
    }

    /// The value with subnormals as zeros of their sign.
    #[must_use]
    pub fn flushed(self, bits: u64) -> u64 {
        match self.class {
            'h' => Self::both_flushed(Self::new('f', 16), bits),
            'g' if self.bits == 32 => Self::both_flushed(Self::new('g', 16), bits),
            'f' | 'g' if self.is_subnormal(bits) => bits & self.sign(),
            _ => bits,
        }
    }

    fn both_flushed(half: Self, bits: u64) -> u64 {
        half.flushed(bits & 0xFFFF) | half.flushed(bits >> 16) << 16
    }

    /// A float as an f64 of the same value.
    #[must_use]
    pub fn to_f64(self, bits: u64) -> f64 {
        let ty = match self.bits {
            16 => compiler::ir::Type::F16,
            32 => compiler::ir::Type::F32,
            _ => compiler::ir::Type::F64,
        };
        compiler::evaluate::to_f64(ty, bits)
    }

    /// A float's place in the order of all floats: neighbours differ by one, and
    /// the zeros are the same.
    #[must_use]
    pub const fn ordinal(self, bits: u64) -> i128 {
        let magnitude = (bits & !self.sign() & self.mask()) as i128;
        if bits & self.sign() != 0 {
            -magnitude
        } else {
            magnitude
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class {
            'h' => f.write_str("f16x2"),
            'g' => f.write_str(if self.bits == 16 { "bf16" } else { "bf16x2" }),
            class => write!(f, "{class}{}", self.bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_and_print() {
        for word in [
            "b8", "u16", "s32", "f16", "f16x2", "bf16", "bf16x2", "f64", "b64",
        ] {
            assert_eq!(Scalar::from_word(word).unwrap().to_string(), word);
        }
        for word in ["f8", "pred", "u12", "x32", "rn"] {
            assert_eq!(Scalar::from_word(word), None, "{word}");
        }
    }

    #[test]
    fn floats_are_told_apart_by_their_bits() {
        let f32 = Scalar::from_word("f32").unwrap();
        let bits = |value: f32| u64::from(value.to_bits());
        assert_eq!(f32.infinity(), bits(f32::INFINITY));
        assert!(f32.is_nan(bits(f32::NAN)) && !f32.is_nan(bits(f32::NEG_INFINITY)));
        assert!(f32.is_subnormal(bits(-1e-45)) && !f32.is_subnormal(bits(0.0)));
        assert!(!f32.is_subnormal(bits(f32::MIN_POSITIVE)));
        assert_eq!(f32.flushed(bits(-1e-45)), bits(-0.0));
        let pair = Scalar::from_word("bf16x2").unwrap();
        assert_eq!(pair.flushed(0x8001_0080), 0x8000_0080);
        assert_eq!(f32.ordinal(bits(-0.0)), 0);
        assert_eq!(f32.ordinal(bits(1e-45)) - f32.ordinal(bits(-1e-45)), 2);
    }
}
