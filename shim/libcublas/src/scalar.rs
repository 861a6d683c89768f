//! Alpha and beta: on the host or on the device, f32 or f16.

use core::ffi::c_void;

use crate::status::{INVALID_VALUE, Result};

/// The type of alpha and beta, which the compute type decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ScalarType {
    F32,
    F16,
}

/// Alpha or beta.
#[derive(Clone, Copy)]
pub enum Scalar {
    /// Its value.
    Host(f32),
    /// Its address.
    Device(u64),
}

impl Scalar {
    /// Takes a scalar as a program passes it.
    ///
    /// # Errors
    /// `INVALID_VALUE` for a null pointer.
    pub fn take(pointer: *const c_void, on_device: bool, of: ScalarType) -> Result<Self> {
        if pointer.is_null() {
            return Err(INVALID_VALUE);
        }
        if on_device {
            return Ok(Self::Device(pointer.addr() as u64));
        }
        Ok(Self::Host(match of {
            // SAFETY: the caller passes the address of a float.
            ScalarType::F32 => unsafe { pointer.cast::<f32>().read_unaligned() },
            // SAFETY: the caller passes the address of a half.
            ScalarType::F16 => half(unsafe { pointer.cast::<u16>().read_unaligned() }),
        }))
    }

    /// Its address for a kernel, zero if it lies on the host.
    pub fn address(self) -> u64 {
        match self {
            Self::Host(_) => 0,
            Self::Device(address) => address,
        }
    }

    /// Its value for a kernel, if it lies on the host.
    pub fn value(self) -> f32 {
        match self {
            Self::Host(value) => value,
            Self::Device(_) => 0.0,
        }
    }
}

/// The value of an f16.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = (u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let magnitude = match exponent {
        // Below the normal numbers: steps of 2^-24.
        0 => fraction as f32 * f32::from_bits(103 << 23),
        31 => f32::from_bits(255 << 23 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(magnitude.to_bits() | u32::from(bits >> 15) << 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_f16_has_its_value() {
        let cases = [
            (0x0000, 0.0),
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 1365.0 / 4096.0),
            (0x7BFF, 65504.0),
            (0x0400, 0.5_f32.powi(14)),
            (0x0001, 0.5_f32.powi(24)),
            (0x03FF, 1023.0 * 0.5_f32.powi(24)),
            (0x7C00, f32::INFINITY),
            (0xFC00, f32::NEG_INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x8000).is_sign_negative());
        assert!(half(0x7E00).is_nan());
    }

    #[test]
    fn a_scalar_is_read_where_it_lies() {
        let value = 1.5_f32;
        let pointer = (&raw const value).cast();
        let host = Scalar::take(pointer, false, ScalarType::F32).unwrap();
        assert_eq!((host.value(), host.address()), (1.5, 0));
        let device = Scalar::take(pointer, true, ScalarType::F32).unwrap();
        assert_eq!(device.address(), pointer.addr() as u64);
        assert_eq!(
            Scalar::take(core::ptr::null(), true, ScalarType::F16).err(),
            Some(INVALID_VALUE)
        );
    }
}
