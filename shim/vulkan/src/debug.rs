//! `PUMICE_DEBUG`: what this crate prints about its own work, to standard
//! error, each line prefixed `pumice: `. No logging crate: this code is loaded
//! into strangers' processes.

use std::sync::OnceLock;

/// The flags of `PUMICE_DEBUG` that this crate reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// `vk`: libraries, drivers, allocation decisions.
    pub vk: bool,
    /// `vk-loader`: the system's Vulkan loader, for its validation layers.
    pub vk_loader: bool,
}

pub(crate) fn flags() -> Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    *FLAGS.get_or_init(|| Flags::parse(&std::env::var("PUMICE_DEBUG").unwrap_or_default()))
}

impl Flags {
    fn parse(list: &str) -> Flags {
        let has = |name| list.split(',').any(|flag| flag.trim() == name);
        Flags {
            vk: has("vk"),
            vk_loader: has("vk-loader"),
        }
    }
}

/// Prints a line under `PUMICE_DEBUG=vk`; its arguments are not evaluated
/// otherwise.
macro_rules! trace {
    ($($arg:tt)*) => {
        if $crate::debug::flags().vk { eprintln!("pumice: vk: {}", format_args!($($arg)*)) }
    };
}
pub(crate) use trace;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_a_comma_list_of_whole_words() {
        assert_eq!(Flags::parse(""), Flags::default());
        assert_eq!(
            Flags::parse("ptx, vk"),
            Flags {
                vk: true,
                vk_loader: false
            }
        );
        assert_eq!(
            Flags::parse("vk-loader"),
            Flags {
                vk: false,
                vk_loader: true
            }
        );
    }
}
