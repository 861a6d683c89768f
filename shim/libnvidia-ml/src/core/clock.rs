//! Clock frequencies, where the drivers of the kernel put them.

use super::hwmon::Hwmon;
use super::sysfs::Directory;

/// What a clock drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The shader processors.
    Shader,
    /// Device memory.
    Memory,
    /// The video codecs.
    Video,
}

impl Clock {
    /// amdgpu's name for it (Documentation/gpu/amdgpu/thermal.rst).
    fn amdgpu(self) -> &'static str {
        match self {
            Self::Shader => "sclk",
            Self::Memory => "mclk",
            Self::Video => "vclk",
        }
    }
}

/// The frequency now, in MHz.
pub fn current(device: &Directory, hwmon: Option<&Hwmon>, clock: Clock) -> Option<u32> {
    hwmon
        .and_then(|hwmon| hwmon.frequency(clock.amdgpu()))
        .or_else(|| {
            levels(device, clock)?
                .into_iter()
                .find(|level| level.active)
                .map(|level| level.mhz)
        })
        .or_else(|| {
            intel(
                device,
                clock,
                &["act_freq", "rps_act_freq_mhz", "gt_act_freq_mhz"],
            )
        })
}

/// The highest frequency, in MHz.
pub fn highest(device: &Directory, clock: Clock) -> Option<u32> {
    supported(device, clock)
        .and_then(|levels| levels.into_iter().max())
        .or_else(|| {
            intel(
                device,
                clock,
                &["rp0_freq", "rps_RP0_freq_mhz", "gt_RP0_freq_mhz"],
            )
        })
}

/// The frequencies that the device can be set to, in MHz, the highest first.
pub fn supported(device: &Directory, clock: Clock) -> Option<Vec<u32>> {
    let mut frequencies: Vec<_> = levels(device, clock)?
        .into_iter()
        .map(|level| level.mhz)
        .collect();
    frequencies.sort_unstable_by(|a, b| b.cmp(a));
    frequencies.dedup();
    (!frequencies.is_empty()).then_some(frequencies)
}

/// One line of amdgpu's `pp_dpm_*`: `1: 2304Mhz *`.
#[derive(Debug, PartialEq, Eq)]
struct Level {
    mhz: u32,
    active: bool,
}

fn levels(device: &Directory, clock: Clock) -> Option<Vec<Level>> {
    let text = device.text(&format!("pp_dpm_{}", clock.amdgpu()))?;
    Some(text.lines().filter_map(level).collect())
}

fn level(line: &str) -> Option<Level> {
    let (_, value) = line.split_once(':')?;
    let value = value.trim();
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    let unit = value[digits..].get(..3)?;
    let mhz = value[..digits].parse().ok()?;
    unit.eq_ignore_ascii_case("mhz").then_some(Level {
        mhz,
        active: value.ends_with('*'),
    })
}

/// Intel's drivers tell of the shader clock alone: xe below its first tile,
/// i915 below its card, newer versions by `gt`.
fn intel(device: &Directory, clock: Clock, names: &[&str]) -> Option<u32> {
    if clock != Clock::Shader {
        return None;
    }
    let cards = device
        .directory("drm")
        .map(|drm| drm.directories("card"))
        .unwrap_or_default();
    let i915 = cards
        .iter()
        .flat_map(|card| [card.directory("gt/gt0"), Some(card.clone())])
        .flatten();
    let mut places = device.directory("tile0/gt0/freq0").into_iter().chain(i915);
    places.find_map(|place| names.iter().find_map(|name| place.number(name)))
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::fixture;
    use super::*;

    #[test]
    fn the_clocks_of_amdgpu() {
        let (_root, device) = fixture::directory(&[
            ("pp_dpm_sclk", "0: 500Mhz\n1: 1940Mhz *\n2: 2304Mhz\n"),
            ("pp_dpm_mclk", "0: 96Mhz *\n1: 456Mhz\n2: 1249Mhz\n"),
            ("pp_dpm_vclk", "0: 32Mhz *\n1: 2400Mhz\n"),
            ("hwmon/hwmon0/freq1_label", "sclk\n"),
            ("hwmon/hwmon0/freq1_input", "1947000000\n"),
        ]);
        let hwmon = Hwmon::of(&device);
        assert_eq!(current(&device, hwmon.as_ref(), Clock::Shader), Some(1947));
        assert_eq!(current(&device, hwmon.as_ref(), Clock::Memory), Some(96));
        assert_eq!(current(&device, None, Clock::Video), Some(32));
        assert_eq!(highest(&device, Clock::Shader), Some(2304));
        assert_eq!(supported(&device, Clock::Memory), Some(vec![1249, 456, 96]));
    }

    #[test]
    fn the_clocks_of_i915_and_xe() {
        let (_root, old) = fixture::directory(&[
            ("drm/card0/gt_act_freq_mhz", "300\n"),
            ("drm/card0/gt_RP0_freq_mhz", "1200\n"),
            ("drm/renderD128/dev", "226:128\n"),
        ]);
        assert_eq!(current(&old, None, Clock::Shader), Some(300));
        assert_eq!(highest(&old, Clock::Shader), Some(1200));
        assert_eq!(current(&old, None, Clock::Memory), None);
        let (_root, new) = fixture::directory(&[
            ("tile0/gt0/freq0/act_freq", "2850\n"),
            ("tile0/gt0/freq0/rp0_freq", "2850\n"),
            ("drm/card1/dev", "226:1\n"),
        ]);
        assert_eq!(current(&new, None, Clock::Shader), Some(2850));
        assert_eq!(highest(&new, Clock::Shader), Some(2850));
        assert_eq!(supported(&new, Clock::Shader), None);
    }

    #[test]
    fn a_level_without_a_frequency_is_none() {
        for line in ["", "S: 19Mhz", "0:", "0: Mhz", "0: 8.0GT/s, x16 *"] {
            let known = (line == "S: 19Mhz").then_some(Level {
                mhz: 19,
                active: false,
            });
            assert_eq!(level(line), known, "{line}");
        }
    }
}
