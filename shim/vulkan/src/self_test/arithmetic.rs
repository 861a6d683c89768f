//! How a device's arithmetic behaves where the Vulkan specification leaves it
//! open. A compiler chooses its lowering by this.

use std::sync::Arc;

use rspirv::spirv::{Capability, GlslStd450Op, Op, Word};
use serde::Serialize;

use super::run::run;
use super::shader::Shader;
use crate::device::Device;
use crate::error::Error;

/// What [`probe_arithmetic`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Arithmetic {
    /// `Fma` of f32 rounds once.
    pub fma32_fused: bool,
    /// `Fma` of f64 rounds once; `None` without f64.
    pub fma64_fused: Option<bool>,
    /// A separate multiply and add, marked against it, were fused all the same.
    pub contracts_against_orders: bool,
    /// Denormal f32 operands and results survive an addition.
    pub denormals32_kept: bool,
    /// `FMax` and `FMin` of a number and a NaN give the number; `NMax` and
    /// `NMin` always do.
    pub max_prefers_number: bool,
    /// A shift by 32 or more clamps, as if every bit were shifted out; else it
    /// takes the amount modulo 32.
    pub shift_clamps: bool,
    /// `ConvertFToS` and `ConvertFToU` of what is out of range give the
    /// nearest, and of NaN zero.
    pub float_to_int_saturates: bool,
    /// `FConvert` to f16 rounds to the nearest even; `None` without f16.
    pub half_conversion_rounds_to_nearest: Option<bool>,
    pub accuracy: Accuracy,
}

/// The largest error seen over inputs that cover each operation's range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Accuracy {
    /// Relative, on [-126, 126].
    pub exp2_relative: f64,
    /// Absolute, on [0.5, 2].
    pub log2_absolute: f64,
    /// Relative, elsewhere.
    pub log2_relative: f64,
    /// Absolute, on [-π, π].
    pub sin_absolute: f64,
    /// Absolute, on [-π, π].
    pub cos_absolute: f64,
    /// Relative.
    pub inverse_sqrt_relative: f64,
    /// In units in the last place.
    pub sqrt_ulp: f64,
    /// In units in the last place.
    pub reciprocal_ulp: f64,
    /// In units in the last place.
    pub division_ulp: f64,
    /// Relative.
    pub tanh_relative: f64,
}

/// One invocation's operands, as bits: f32 or u32 in the low half, or f64.
type Operands = [u64; 3];

/// Results of every operation on one invocation's operands.
struct Results<'a>(&'a [u64]);

/// Operations in the order of a result row. `F64` and `F16` come only where
/// the device has the types.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Fma,
    MultiplyAdd,
    Add,
    Max,
    Min,
    ShiftLeft,
    ShiftRight,
    ToSigned,
    ToUnsigned,
    Exp2,
    Log2,
    Sin,
    Cos,
    InverseSqrt,
    Sqrt,
    Reciprocal,
    Division,
    Tanh,
    Fma64,
    Half,
}

const SLOTS: usize = Slot::Half as usize + 1;
const INVOCATIONS: usize = 128;

/// Runs every probe. Cheap on a GPU; some tens of milliseconds of compilation
/// on lavapipe: keep the answer with the driver's UUID and version.
pub fn probe_arithmetic(device: &Arc<Device>) -> Result<Arithmetic, Error> {
    let features = device.physical().features();
    let cases = cases();
    let input: Vec<u64> = cases.iter().flatten().copied().collect();
    let spirv = shader(features.float64, features.float16);
    let words = run(device, &spirv, &input, INVOCATIONS * SLOTS)?;
    let rows: Vec<_> = words.chunks_exact(SLOTS).map(Results).collect();
    Ok(judge(&cases, &rows, features.float64, features.float16))
}

/// Operands of the cases with names, then a sweep for accuracy.
fn cases() -> Vec<Operands> {
    let f = |value: f32| u64::from(value.to_bits());
    let denormal = 1u64 << 20;
    let mut cases = vec![[0u64; 3]; INVOCATIONS];
    cases[case::FMA] = [f(1.0 + f32::EPSILON), f(1.0 - f32::EPSILON), f(-1.0)];
    cases[case::FMA64] = [1.0 + f64::EPSILON, 1.0 - f64::EPSILON, -1.0].map(f64::to_bits);
    cases[case::DENORMAL] = [denormal, denormal, 0];
    cases[case::NAN] = [f(1.0), f(f32::NAN), 0];
    cases[case::SHIFT] = [u64::from(u32::MAX), 33, 0];
    cases[case::TOO_LARGE] = [f(3e19), 0, 0];
    cases[case::TOO_SMALL] = [f(-3e19), 0, 0];
    cases[case::NAN_TO_INT] = [f(f32::NAN), 0, 0];
    // Half way between two f16, the even one below; just above another middle.
    cases[case::HALF_TIE] = [f(1.0 + 1.0 / 2048.0), 0, 0];
    cases[case::HALF_ABOVE] = [f(1.0 + 3.0 / 4096.0), 0, 0];
    for (n, case) in cases[case::SWEEP..].iter_mut().enumerate() {
        *case = [f(sweep(n)), f(sweep(INVOCATIONS - case::SWEEP - n)), 0];
    }
    cases
}

/// Rows of the cases with names.
mod case {
    pub const FMA: usize = 0;
    pub const FMA64: usize = 1;
    pub const DENORMAL: usize = 2;
    pub const NAN: usize = 3;
    pub const SHIFT: usize = 4;
    pub const TOO_LARGE: usize = 5;
    pub const TOO_SMALL: usize = 6;
    pub const NAN_TO_INT: usize = 7;
    pub const HALF_TIE: usize = 8;
    pub const HALF_ABOVE: usize = 9;
    pub const SWEEP: usize = 10;
}

/// Positive numbers around 1 first, then over many magnitudes.
fn sweep(n: usize) -> f32 {
    let golden = (n as f32 * 0.618_034).fract();
    if n < 64 {
        0.02 + 3.1 * golden
    } else {
        (1.0 + golden) * (n as f32 - 90.0).exp2()
    }
}

fn shader(float64: bool, float16: bool) -> Vec<u32> {
    let mut capabilities = Vec::new();
    capabilities.extend(float64.then_some(Capability::Float64));
    capabilities.extend(float16.then_some(Capability::Float16));
    let mut shader = Shader::new(INVOCATIONS as u32, &capabilities);
    let (three, index) = (shader.constant(3), shader.index);
    let mut place = shader.op(Op::IMul, shader.types.u32, &[index, three]);
    let one = shader.constant(1);
    let operands = [(); 3].map(|()| {
        let address = shader.word_at(shader.input, place);
        place = shader.op(Op::IAdd, shader.types.u32, &[place, one]);
        shader.load(address)
    });
    let bits = operands.map(|word| shader.op(Op::UConvert, shader.types.u32, &[word]));
    let floats = bits.map(|word| shader.op(Op::Bitcast, shader.types.f32, &[word]));
    let results = basic(&mut shader, bits, floats);
    let functions = functions(&mut shader, floats);
    results
        .into_iter()
        .chain(functions)
        .for_each(|(slot, result)| store(&mut shader, slot, result));
    if float64 {
        let f64 = shader.float(64);
        let wide = operands.map(|word| shader.op(Op::Bitcast, f64, &[word]));
        let fma = shader.glsl(GlslStd450Op::Fma, f64, &wide);
        let fma = shader.op(Op::Bitcast, shader.types.u64, &[fma]);
        store_word(&mut shader, Slot::Fma64, fma);
    }
    if float16 {
        let f16 = shader.float(16);
        // As bits: a driver may take a conversion there and back for nothing.
        let half = shader.op(Op::FConvert, f16, &[floats[0]]);
        let pair = shader.vector(f16, 2);
        let halves = shader.op(Op::CompositeConstruct, pair, &[half, half]);
        let bits = shader.op(Op::Bitcast, shader.types.u32, &[halves]);
        let word = shader.op(Op::UConvert, shader.types.u64, &[bits]);
        store_word(&mut shader, Slot::Half, word);
    }
    shader.finish()
}

fn basic(shader: &mut Shader, [a, b, _]: [Word; 3], [x, y, z]: [Word; 3]) -> Vec<(Slot, Word)> {
    let (f32, u32, i32) = (shader.types.f32, shader.types.u32, shader.types.i32);
    let product = shader.op(Op::FMul, f32, &[x, y]);
    shader.no_contraction(product);
    let sum = shader.op(Op::FAdd, f32, &[product, z]);
    shader.no_contraction(sum);
    let signed = shader.op(Op::ConvertFToS, i32, &[x]);
    vec![
        (Slot::Fma, shader.glsl(GlslStd450Op::Fma, f32, &[x, y, z])),
        (Slot::MultiplyAdd, sum),
        (Slot::Add, shader.op(Op::FAdd, f32, &[x, y])),
        (Slot::Max, shader.glsl(GlslStd450Op::FMax, f32, &[x, y])),
        (Slot::Min, shader.glsl(GlslStd450Op::FMin, f32, &[x, y])),
        (
            Slot::ShiftLeft,
            shader.op(Op::ShiftLeftLogical, u32, &[a, b]),
        ),
        (
            Slot::ShiftRight,
            shader.op(Op::ShiftRightLogical, u32, &[a, b]),
        ),
        (Slot::ToSigned, signed),
        (Slot::ToUnsigned, shader.op(Op::ConvertFToU, u32, &[x])),
    ]
}

fn functions(shader: &mut Shader, [x, y, _]: [Word; 3]) -> Vec<(Slot, Word)> {
    let f32 = shader.types.f32;
    let one = shader.float_constant(1.0);
    let unary = [
        (Slot::Exp2, GlslStd450Op::Exp2),
        (Slot::Log2, GlslStd450Op::Log2),
        (Slot::Sin, GlslStd450Op::Sin),
        (Slot::Cos, GlslStd450Op::Cos),
        (Slot::InverseSqrt, GlslStd450Op::InverseSqrt),
        (Slot::Sqrt, GlslStd450Op::Sqrt),
        (Slot::Tanh, GlslStd450Op::Tanh),
    ];
    let mut results: Vec<_> = unary
        .into_iter()
        .map(|(slot, function)| (slot, shader.glsl(function, f32, &[x])))
        .collect();
    results.push((Slot::Reciprocal, shader.op(Op::FDiv, f32, &[one, x])));
    results.push((Slot::Division, shader.op(Op::FDiv, f32, &[y, x])));
    results
}

fn store(shader: &mut Shader, slot: Slot, result: Word) {
    let bits = match slot {
        Slot::ShiftLeft | Slot::ShiftRight | Slot::ToUnsigned => result,
        _ => shader.op(Op::Bitcast, shader.types.u32, &[result]),
    };
    let word = shader.op(Op::UConvert, shader.types.u64, &[bits]);
    store_word(shader, slot, word);
}

fn store_word(shader: &mut Shader, slot: Slot, word: Word) {
    let (row, column) = (shader.constant(SLOTS as u32), shader.constant(slot as u32));
    let place = shader.op(Op::IMul, shader.types.u32, &[shader.index, row]);
    let place = shader.op(Op::IAdd, shader.types.u32, &[place, column]);
    let address = shader.word_at(shader.output, place);
    shader.store(address, word);
}

impl Results<'_> {
    fn bits(&self, slot: Slot) -> u32 {
        (self.0[slot as usize] & u64::from(u32::MAX)) as u32
    }

    fn f32(&self, slot: Slot) -> f32 {
        f32::from_bits(self.bits(slot))
    }

    fn f64(&self, slot: Slot) -> f64 {
        f64::from_bits(self.0[slot as usize])
    }
}

fn judge(cases: &[Operands], rows: &[Results<'_>], float64: bool, float16: bool) -> Arithmetic {
    let fused = -f32::EPSILON * f32::EPSILON;
    let nan = &rows[case::NAN];
    let to_int = |case: usize, signed: i32, unsigned: u32| {
        let row = &rows[case];
        row.bits(Slot::ToSigned) == signed as u32 && row.bits(Slot::ToUnsigned) == unsigned
    };
    Arithmetic {
        fma32_fused: rows[case::FMA].f32(Slot::Fma) == fused,
        fma64_fused: float64
            .then(|| rows[case::FMA64].f64(Slot::Fma64) == -f64::EPSILON * f64::EPSILON),
        contracts_against_orders: rows[case::FMA].f32(Slot::MultiplyAdd) != 0.0,
        denormals32_kept: rows[case::DENORMAL].bits(Slot::Add) == 1 << 21,
        max_prefers_number: nan.f32(Slot::Max) == 1.0 && nan.f32(Slot::Min) == 1.0,
        shift_clamps: rows[case::SHIFT].bits(Slot::ShiftLeft) == 0
            && rows[case::SHIFT].bits(Slot::ShiftRight) == 0,
        float_to_int_saturates: to_int(case::TOO_LARGE, i32::MAX, u32::MAX)
            && to_int(case::TOO_SMALL, i32::MIN, 0)
            && to_int(case::NAN_TO_INT, 0, 0),
        half_conversion_rounds_to_nearest: float16.then(|| {
            let half = |case: usize| rows[case].bits(Slot::Half) & 0xffff;
            half(case::HALF_TIE) == 0x3c00 && half(case::HALF_ABOVE) == 0x3c01
        }),
        accuracy: Accuracy::of(&cases[case::SWEEP..], &rows[case::SWEEP..]),
    }
}

impl Accuracy {
    fn of(cases: &[Operands], rows: &[Results<'_>]) -> Accuracy {
        let mut seen = Accuracy::default();
        for (case, row) in cases.iter().zip(rows) {
            let [x, y, _] = case.map(|bits| f32::from_bits((bits & u64::from(u32::MAX)) as u32));
            seen.add(f64::from(x), f64::from(y), row);
        }
        seen
    }

    fn add(&mut self, x: f64, y: f64, row: &Results<'_>) {
        let got = |slot| f64::from(row.f32(slot));
        let raise = |worst: &mut f64, error: f64| {
            *worst = worst.max(if error.is_nan() { f64::INFINITY } else { error })
        };
        if x < 126.0 {
            raise(&mut self.exp2_relative, relative(got(Slot::Exp2), x.exp2()));
        }
        if (0.5..=2.0).contains(&x) {
            raise(&mut self.log2_absolute, (got(Slot::Log2) - x.log2()).abs());
        } else {
            raise(&mut self.log2_relative, relative(got(Slot::Log2), x.log2()));
        }
        if x <= std::f64::consts::PI {
            raise(&mut self.sin_absolute, (got(Slot::Sin) - x.sin()).abs());
            raise(&mut self.cos_absolute, (got(Slot::Cos) - x.cos()).abs());
        }
        raise(
            &mut self.inverse_sqrt_relative,
            relative(got(Slot::InverseSqrt), 1.0 / x.sqrt()),
        );
        raise(&mut self.sqrt_ulp, ulps(got(Slot::Sqrt), x.sqrt()));
        raise(
            &mut self.reciprocal_ulp,
            ulps(got(Slot::Reciprocal), 1.0 / x),
        );
        raise(&mut self.division_ulp, ulps(got(Slot::Division), y / x));
        raise(&mut self.tanh_relative, relative(got(Slot::Tanh), x.tanh()));
    }
}

fn relative(got: f64, right: f64) -> f64 {
    if got == right {
        0.0
    } else {
        ((got - right) / right).abs()
    }
}

/// The error in units of the last place of an f32 of the right magnitude.
fn ulps(got: f64, right: f64) -> f64 {
    let exponent = right.abs().log2().floor().max(-126.0);
    (got - right).abs() / (exponent - 23.0).exp2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::self_test::shader::assert_valid;

    #[test]
    fn the_shader_is_valid_with_and_without_optional_types() {
        for (float64, float16) in [(false, false), (true, false), (false, true), (true, true)] {
            assert_valid(&shader(float64, float16));
        }
    }

    #[test]
    fn errors_are_counted_in_units_of_the_last_place() {
        assert_eq!(ulps(1.0 + f64::from(f32::EPSILON), 1.0), 1.0);
        assert_eq!(ulps(3.0, 3.0 + f64::from(f32::EPSILON)), 0.5);
        assert_eq!(relative(0.0, 0.0), 0.0);
    }

    /// Results as an ideal device would give them, then one thing wrong.
    #[test]
    fn a_device_is_judged_by_its_results() {
        let cases = cases();
        let mut words = vec![0; INVOCATIONS * SLOTS];
        let mut set = |case: usize, slot: Slot, bits: u32| {
            words[case * SLOTS + slot as usize] = u64::from(bits);
        };
        set(
            case::FMA,
            Slot::Fma,
            (-f32::EPSILON * f32::EPSILON).to_bits(),
        );
        set(case::DENORMAL, Slot::Add, 1 << 21);
        for (case, signed, unsigned) in [
            (case::TOO_LARGE, i32::MAX, u32::MAX),
            (case::TOO_SMALL, i32::MIN, 0),
        ] {
            set(case, Slot::ToSigned, signed as u32);
            set(case, Slot::ToUnsigned, unsigned);
        }
        let judged = |words: &[u64]| {
            let rows: Vec<_> = words.chunks_exact(SLOTS).map(Results).collect();
            judge(&cases, &rows, false, false)
        };
        let ideal = judged(&words);
        assert!(ideal.fma32_fused && ideal.denormals32_kept && ideal.shift_clamps);
        assert!(ideal.float_to_int_saturates && !ideal.contracts_against_orders);
        assert_eq!(
            (ideal.fma64_fused, ideal.half_conversion_rounds_to_nearest),
            (None, None)
        );
        words[case::NAN_TO_INT * SLOTS + Slot::ToSigned as usize] = 0x8000_0000;
        words[case::FMA * SLOTS + Slot::MultiplyAdd as usize] = 1;
        let flawed = judged(&words);
        assert!(!flawed.float_to_int_saturates && flawed.contracts_against_orders);
    }
}
