//! `PUMICE_DEBUG`: a comma list of stages whose results are printed to standard
//! error. `vk` and `vk-loader` belong to the room `vulkan`, the rest to this one.

use std::sync::OnceLock;

use abi::trace;

/// Every flag there is, in any room.
const KNOWN: &[&str] = &["ptx", "ir", "spirv", "perf", "times", "vk", "vk-loader"];

/// The flags that this room reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// The PTX that is chosen from an image.
    pub ptx: bool,
    /// The lowered and structured representation of a kernel.
    pub ir: bool,
    /// Where a kernel's SPIR-V is put: `/tmp/pumice-<pid>-<kernel>.spv`.
    pub spirv: bool,
    /// How long compilation takes.
    pub perf: bool,
    /// How long the device spends in each kernel.
    pub times: bool,
}

/// The process's flags, read once; a flag that does not exist is reported.
pub fn flags() -> Flags {
    static FLAGS: OnceLock<Flags> = OnceLock::new();
    *FLAGS.get_or_init(|| {
        let list = std::env::var("PUMICE_DEBUG").unwrap_or_default();
        let (flags, unknown) = parse(&list);
        if !unknown.is_empty() {
            trace::log(format_args!(
                "PUMICE_DEBUG: {} is not known; known are {}",
                unknown.join(", "),
                KNOWN.join(", ")
            ));
        }
        flags
    })
}

fn parse(list: &str) -> (Flags, Vec<&str>) {
    let words = list
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let words = words.collect::<Vec<_>>();
    let has = |flag| words.contains(&flag);
    let flags = Flags {
        ptx: has("ptx"),
        ir: has("ir"),
        spirv: has("spirv"),
        perf: has("perf"),
        times: has("times"),
    };
    (
        flags,
        words
            .iter()
            .copied()
            .filter(|word| !KNOWN.contains(word))
            .collect(),
    )
}

/// Prints what a stage made, whole.
pub fn dump(what: &str, kernel: &str, text: &dyn std::fmt::Display) {
    trace::log(format_args!("{what} of {kernel}:\n{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_does_not_exist_is_told_apart() {
        let (flags, unknown) = parse("ir, banana,vk,,perf");
        assert_eq!(
            flags,
            Flags {
                ir: true,
                perf: true,
                ..Flags::default()
            }
        );
        assert_eq!(unknown, ["banana"]);
    }
}
