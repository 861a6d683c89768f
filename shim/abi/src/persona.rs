//! Which NVIDIA device and driver we claim to be.
//!
//! The compute capability that a device reports decides which of a program's
//! kernels run, so it is one choice for the whole process, and the driver
//! version follows from it: see [`Persona::cuda_version`].

use std::fmt;
use std::sync::OnceLock;

use crate::trace;

/// The driver release whose symbols we export (`tests/symbols`).
pub const DRIVER_VERSION: &str = "580.159.04";

/// The environment variable that chooses the compute capability.
pub const VARIABLE: &str = "PUMICE_COMPUTE_CAPABILITY";

/// The capabilities of NVIDIA's devices for which stock libraries carry code.
const CAPABILITIES: &[(u32, u32)] = &[
    (5, 0),
    (5, 2),
    (5, 3),
    (6, 0),
    (6, 1),
    (6, 2),
    (7, 0),
    (7, 2),
    (7, 5),
    (8, 0),
    (8, 6),
    (8, 7),
    (8, 9),
    (9, 0),
    (10, 0),
    (10, 3),
    (11, 0),
    (12, 0),
    (12, 1),
];

/// A compute capability, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Persona {
    /// The number before the point.
    pub major: u32,
    /// The number after the point.
    pub minor: u32,
}

/// `major.minor`, as CUDA's documents write it.
impl fmt::Display for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Persona {
    /// 6.1: four-byte dot products, but nothing of tensor cores.
    pub const DEFAULT: Self = Self { major: 6, minor: 1 };

    /// The process's persona, by `PUMICE_COMPUTE_CAPABILITY`; read once.
    ///
    /// A value that names no capability is ignored, and a line says so.
    #[must_use]
    pub fn of_process() -> Self {
        static PERSONA: OnceLock<Persona> = OnceLock::new();
        *PERSONA.get_or_init(|| {
            let Some(value) = std::env::var_os(VARIABLE) else {
                return Self::DEFAULT;
            };
            value.to_str().and_then(Self::parse).unwrap_or_else(|| {
                trace::log(format_args!(
                    "{VARIABLE}={} is not a compute capability, using {}; known are {}",
                    value.display(),
                    Self::DEFAULT,
                    known()
                ));
                Self::DEFAULT
            })
        })
    }

    /// Reads `major.minor`.
    fn parse(text: &str) -> Option<Self> {
        CAPABILITIES
            .iter()
            .map(|&(major, minor)| Self { major, minor })
            .find(|persona| persona.to_string() == text.trim())
    }

    /// The CUDA version of the driver: 1000 × major + 10 × minor.
    ///
    /// CUDA 13 dropped the devices before 7.5. A CUDA 13 runtime aborts at its
    /// first launch on one of them, but finds no device at all under a driver
    /// of CUDA 12, which its callers are prepared for.
    #[must_use]
    pub fn cuda_version(self) -> i32 {
        if self >= (Self { major: 7, minor: 5 }) {
            13000
        } else {
            12090
        }
    }

    /// The version of NVML that comes with the driver.
    #[must_use]
    pub fn nvml_version(self) -> String {
        format!("{}.{DRIVER_VERSION}", self.cuda_version() / 1000)
    }
}

fn known() -> String {
    let list: Vec<_> = CAPABILITIES
        .iter()
        .map(|(major, minor)| format!("{major}.{minor}"))
        .collect();
    list.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_capabilities_that_stock_libraries_know_are_taken() {
        assert_eq!(Persona::parse("6.1"), Some(Persona::DEFAULT));
        assert_eq!(
            Persona::parse(" 12.0\n"),
            Some(Persona {
                major: 12,
                minor: 0
            })
        );
        for text in ["", "6", "61", "6.10", "6.1a", "7.3", "sm_61", "-6.1", "6,1"] {
            assert_eq!(Persona::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_driver_is_of_cuda_13_from_the_first_device_it_supports() {
        let version = |text| Persona::parse(text).unwrap().cuda_version();
        assert_eq!(
            ["5.0", "6.1", "7.2", "7.5", "9.0"].map(version),
            [12090, 12090, 12090, 13000, 13000]
        );
        assert_eq!(Persona::DEFAULT.nvml_version(), "12.580.159.04");
    }
}
