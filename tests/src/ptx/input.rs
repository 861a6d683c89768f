//! Operands that lie on edges more often than not, the same in every run.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::scalar::Scalar;

/// Where floats of an operand are taken from, for instructions that are defined
/// or exact only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// Everywhere.
    All,
    /// Magnitudes from 2^-60 to 2^60, zeros, infinities, NaN.
    Moderate,
    /// From -150 to 150.
    Exponent,
    /// From -π to π.
    Angle,
    /// From -1 to 1, without a preference for edges: where sums are looked at, which one
    /// infinity would hide.
    Unit,
    /// 0, 1, 2, …
    Count,
    /// From 0 to 31.
    Lane,
    /// Any bits, without a preference for edges.
    Random,
}

impl Domain {
    /// Reads the word that case files and the table of forms use.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "edge" => Self::All,
            "moderate" => Self::Moderate,
            "exponent" => Self::Exponent,
            "angle" => Self::Angle,
            "unit" => Self::Unit,
            "count" => Self::Count,
            "lane" => Self::Lane,
            "random" => Self::Random,
            _ => return None,
        })
    }
}

/// A generator of numbers that depends on its seed alone (SplitMix64).
pub struct Random(u64);

impl Random {
    /// The generator for the operand with this number.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }

    /// A number between 0 and 1.
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// `count` values of a type; `seed` tells the operands of an instruction apart.
#[must_use]
pub fn values(ty: Scalar, domain: Domain, seed: u64, count: usize) -> Vec<u64> {
    let mut random = Random::new(seed + 1);
    let edges = edges(ty, domain);
    let next = |index: usize| -> u64 {
        let bits = match domain {
            Domain::Count => index as u64,
            Domain::Lane => random.bits() & 31,
            Domain::Random => random.bits(),
            Domain::Unit => anywhere(ty, domain, &mut random),
            // The first operand walks through the edges, so none is left out;
            // the others are drawn, three times in four among the edges.
            _ if seed == 0 && index < edges.len() => edges[index],
            _ if random.below(4) > 0 => edges[random.below(edges.len())],
            _ => anywhere(ty, domain, &mut random),
        };
        bits & ty.mask()
    };
    (0..count).map(next).collect()
}

fn anywhere(ty: Scalar, domain: Domain, random: &mut Random) -> u64 {
    let value = match domain {
        Domain::Moderate => {
            let magnitude = (random.unit() * 120.0 - 60.0).exp2();
            if random.bits() & 1 == 0 {
                magnitude
            } else {
                -magnitude
            }
        }
        Domain::Exponent => random.unit() * 300.0 - 150.0,
        Domain::Angle => (random.unit() * 2.0 - 1.0) * PI,
        Domain::Unit => random.unit() * 2.0 - 1.0,
        _ => return random.bits(),
    };
    from_f64(ty, value)
}

fn from_f64(ty: Scalar, value: f64) -> u64 {
    let narrow = match ty.bits {
        16 => compiler::ir::Type::F16,
        32 => compiler::ir::Type::F32,
        _ => compiler::ir::Type::F64,
    };
    compiler::evaluate::from_f64(narrow, value)
}

fn edges(ty: Scalar, domain: Domain) -> Vec<u64> {
    match (ty.class, domain) {
        ('f', Domain::All) => float_edges(ty),
        ('f', _) => limited_edges(ty, domain),
        ('h', _) => {
            let halves = float_edges(Scalar {
                class: 'f',
                bits: 16,
            });
            let pairs = halves.iter().zip(halves.iter().cycle().skip(5));
            pairs.map(|(low, high)| low | high << 16).collect()
        }
        _ => integer_edges(ty.bits),
    }
}

/// The ends of the ranges, the neighbours of powers of two that matter as shift
/// amounts and as widths of narrower types, and alternating bits.
fn integer_edges(bits: u32) -> Vec<u64> {
    let top = 1u64 << (bits - 1);
    let all = u64::MAX >> (64 - bits);
    let mut edges = vec![
        0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 255, 256, 257,
    ];
    edges.extend([
        top,
        top - 1,
        top + 1,
        all,
        all - 1,
        all - 30,
        all - 126,
        all - 127,
        all - 128,
    ]);
    edges.extend([
        0x5555_5555_5555_5555,
        0xAAAA_AAAA_AAAA_AAAA,
        0x1234_5678_9ABC_DEF0,
    ]);
    if bits > 16 {
        edges.extend([0x7FFF, 0x8000, 0xFFFF, 0x1_0000, all - 0x7FFF, all - 0x8000]);
    }
    if bits > 32 {
        edges.extend([
            0x7FFF_FFFF,
            0x8000_0000,
            0xFFFF_FFFF,
            1 << 32,
            1 << 33,
            !0x7FFF_FFFF,
        ]);
    }
    edges.iter_mut().for_each(|edge| *edge &= all);
    edges.dedup();
    edges
}

/// Zeros, subnormals, the ends of the normal range, infinities, NaN, ties and
/// values just outside of the integer types.
fn float_edges(ty: Scalar) -> Vec<u64> {
    let infinity = ty.infinity();
    let one = from_f64(ty, 1.0);
    let least_normal = match ty.bits {
        16 => 1 << 10,
        32 => 1 << 23,
        _ => 1u64 << 52,
    };
    let bits = [
        0,
        1,
        least_normal - 1,
        least_normal,
        least_normal + 1,
        one - 1,
        one,
        one + 1,
        infinity - 1,
        infinity,
    ];
    let plain = [
        0.1,
        0.5,
        0.75,
        1.5,
        2.5,
        3.0,
        3.5,
        100.0,
        127.5,
        255.0,
        255.5,
        256.0,
        32767.5,
        65504.0,
        65519.0,
        65520.0,
        16_777_216.0,
        16_777_218.0,
        2_147_483_520.0,
        2_147_483_648.0,
        4_294_967_040.0,
        4_294_967_296.0,
        2f64.powi(63),
        2f64.powi(64),
        1e-8,
        6.1e-5,
        PI,
    ];
    let positive = bits
        .into_iter()
        .chain(plain.iter().map(|&v| from_f64(ty, v)));
    let mut edges: Vec<u64> = positive.flat_map(|v| [v, v | ty.sign()]).collect();
    let nan = infinity | (least_normal >> 1);
    edges.extend([nan, nan | ty.sign() | 1]);
    edges
}

fn limited_edges(ty: Scalar, domain: Domain) -> Vec<u64> {
    let special = [0, ty.sign(), ty.infinity(), ty.infinity() | ty.sign()];
    let nan = ty.infinity() | ty.infinity() >> 1;
    let plain: &[f64] = match domain {
        Domain::Angle => &[1e-3, 0.5, FRAC_PI_4, 1.0, FRAC_PI_2, 2.0, 3.0, PI],
        Domain::Exponent => &[1.0, 0.5, 10.0, 23.5, 100.25, 126.0, 127.0, 128.0, 149.0],
        _ => &[
            1.0,
            0.5,
            0.1,
            3.0,
            1.000_000_1,
            0.999_999_9,
            1e10,
            1e-10,
            7e15,
        ],
    };
    let plain = plain
        .iter()
        .flat_map(|&v| [from_f64(ty, v), from_f64(ty, -v)]);
    special.into_iter().chain([nan]).chain(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_the_same_in_every_run_and_differ_by_operand() {
        let ty = Scalar::U32;
        assert_eq!(
            values(ty, Domain::All, 3, 64),
            values(ty, Domain::All, 3, 64)
        );
        assert_ne!(
            values(ty, Domain::All, 1, 64),
            values(ty, Domain::All, 2, 64)
        );
    }

    #[test]
    fn a_first_operand_meets_every_edge() {
        for word in ["u16", "s32", "b64", "f16", "f32", "f64", "f16x2"] {
            let ty = Scalar::from_word(word).unwrap();
            let edges = edges(ty, Domain::All);
            assert!(
                edges.len() <= super::super::form::THREADS,
                "{word}: {}",
                edges.len()
            );
            let drawn = values(ty, Domain::All, 0, edges.len());
            assert_eq!(drawn, edges, "{word}");
        }
    }
}
