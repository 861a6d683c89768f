//! Temperatures, power and fans: the kernel's `hwmon` interface
//! (Documentation/hwmon/sysfs-interface.rst).

use std::time::Duration;

use super::rate::Rate;
use super::sysfs::Directory;

/// The sensors of one device.
#[derive(Debug)]
pub struct Hwmon {
    directory: Directory,
    energy: Rate<u64, u64>,
}

/// Where a temperature is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The processor's die.
    Die,
    /// Device memory.
    Memory,
}

/// A limit of a temperature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Where the device keeps itself below, if it can.
    Maximum,
    /// Where the device slows itself down.
    Critical,
    /// Where the device is switched off.
    Emergency,
}

impl Hwmon {
    /// The sensors of the device in `device`, if it has any.
    pub fn of(device: &Directory) -> Option<Self> {
        let directory = device
            .directory("hwmon")?
            .directories("hwmon")
            .into_iter()
            .next()?;
        Some(Self {
            directory,
            energy: Rate::default(),
        })
    }

    /// Degrees Celsius.
    pub fn temperature(&self, place: Place) -> Option<i32> {
        let sensor = self.sensor(place)?;
        Some(
            self.directory
                .number::<i32>(&format!("{sensor}_input"))?
                .div_euclid(1000),
        )
    }

    /// Degrees Celsius.
    pub fn threshold(&self, place: Place, threshold: Threshold) -> Option<u32> {
        let sensor = self.sensor(place)?;
        let suffix = match threshold {
            Threshold::Maximum => "max",
            Threshold::Critical => "crit",
            Threshold::Emergency => "emergency",
        };
        let degrees = self
            .directory
            .number::<i32>(&format!("{sensor}_{suffix}"))?
            / 1000;
        u32::try_from(degrees).ok()
    }

    /// The sensor of a place: memory is labelled (`mem` by amdgpu, `vram` by xe);
    /// the die is the first that is anything else (`edge`, `pkg`, or no label).
    fn sensor(&self, place: Place) -> Option<String> {
        (1..=8).map(|n| format!("temp{n}")).find(|sensor| {
            let label = self
                .directory
                .text(&format!("{sensor}_label"))
                .unwrap_or_default();
            let memory = label.starts_with("mem") || label.starts_with("vram");
            memory == (place == Place::Memory) && self.has(&format!("{sensor}_input"))
        })
    }

    /// Milliwatts that the device draws: as measured, or by its energy counter.
    pub fn power(&self) -> Option<u32> {
        let measured = self
            .milli("power1_average")
            .or_else(|| self.milli("power1_input"));
        measured.or_else(|| {
            let microjoules = || self.directory.number::<u64>("energy1_input");
            let milliwatts = self.energy.measure(microjoules, milliwatts)?;
            u32::try_from(milliwatts).ok()
        })
    }

    /// Milliwatts that the device may draw.
    pub fn power_limit(&self) -> Option<u32> {
        self.milli("power1_cap")
            .or_else(|| self.milli("power1_max"))
    }

    /// Milliwatts that the device may draw unless told otherwise.
    pub fn power_limit_default(&self) -> Option<u32> {
        self.milli("power1_cap_default")
            .or_else(|| self.milli("power1_rated_max"))
    }

    /// The least and most milliwatts that may be set as limit.
    pub fn power_limit_range(&self) -> Option<(u32, u32)> {
        Some((self.milli("power1_cap_min")?, self.milli("power1_cap_max")?))
    }

    /// Millijoules since the driver was loaded.
    pub fn energy(&self) -> Option<u64> {
        Some(self.directory.number::<u64>("energy1_input")? / 1000)
    }

    /// The number of fans.
    pub fn fans(&self) -> u32 {
        (1..=8)
            .map(|fan| u32::from(self.has(&format!("fan{fan}_input"))))
            .sum()
    }

    /// A fan's speed in percent of its highest; the first fan is 0.
    pub fn fan_percent(&self, fan: u32) -> Option<u32> {
        let n = fan + 1;
        let of = |value: u32, most: u32| value.saturating_mul(100).checked_div(most);
        let duty = self.directory.number::<u32>(&format!("pwm{n}"));
        duty.and_then(|duty| of(duty, 255)).or_else(|| {
            of(
                self.fan_rpm(fan)?,
                self.directory.number(&format!("fan{n}_max"))?,
            )
        })
    }

    /// A fan's revolutions per minute.
    pub fn fan_rpm(&self, fan: u32) -> Option<u32> {
        self.directory.number(&format!("fan{}_input", fan + 1))
    }

    /// A frequency in MHz by its label (`sclk`, `mclk`).
    pub fn frequency(&self, label: &str) -> Option<u32> {
        let sensor = (1..=4).map(|n| format!("freq{n}")).find(|sensor| {
            self.directory.text(&format!("{sensor}_label")).as_deref() == Some(label)
        })?;
        let hertz = self.directory.number::<u64>(&format!("{sensor}_input"))?;
        u32::try_from(hertz / 1_000_000).ok()
    }

    /// An attribute in millionths as thousandths.
    fn milli(&self, name: &str) -> Option<u32> {
        u32::try_from(self.directory.number::<u64>(name)? / 1000).ok()
    }

    fn has(&self, name: &str) -> bool {
        self.directory.path().join(name).exists()
    }
}

/// Power by two readings of an energy counter in microjoules.
fn milliwatts(before: u64, after: &u64, period: Duration) -> u64 {
    let microjoules = u128::from(after.wrapping_sub(before));
    let microseconds = period.as_micros().max(1);
    u64::try_from(microjoules * 1000 / microseconds).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::sysfs::fixture;
    use super::*;

    const AMDGPU: &[(&str, &str)] = &[
        ("hwmon/hwmon4/name", "amdgpu\n"),
        ("hwmon/hwmon4/temp1_label", "edge\n"),
        ("hwmon/hwmon4/temp1_input", "52999\n"),
        ("hwmon/hwmon4/temp1_crit", "100000\n"),
        ("hwmon/hwmon4/temp1_emergency", "105000\n"),
        ("hwmon/hwmon4/temp2_label", "junction\n"),
        ("hwmon/hwmon4/temp2_input", "61000\n"),
        ("hwmon/hwmon4/temp3_label", "mem\n"),
        ("hwmon/hwmon4/temp3_input", "70000\n"),
        ("hwmon/hwmon4/temp3_crit", "108000\n"),
        ("hwmon/hwmon4/power1_average", "33000000\n"),
        ("hwmon/hwmon4/power1_cap", "300000000\n"),
        ("hwmon/hwmon4/power1_cap_default", "327000000\n"),
        ("hwmon/hwmon4/power1_cap_min", "0\n"),
        ("hwmon/hwmon4/power1_cap_max", "376000000\n"),
        ("hwmon/hwmon4/fan1_input", "1225\n"),
        ("hwmon/hwmon4/pwm1", "102\n"),
        ("hwmon/hwmon4/freq1_label", "sclk\n"),
        ("hwmon/hwmon4/freq1_input", "2371000000\n"),
        ("hwmon/hwmon4/freq2_label", "mclk\n"),
        ("hwmon/hwmon4/freq2_input", "1249000000\n"),
    ];

    /// Intel's xe driver: energy instead of power, `pkg` and `vram`.
    const XE: &[(&str, &str)] = &[
        ("hwmon/hwmon2/name", "xe\n"),
        ("hwmon/hwmon2/temp2_label", "pkg\n"),
        ("hwmon/hwmon2/temp2_input", "44000\n"),
        ("hwmon/hwmon2/temp3_label", "vram\n"),
        ("hwmon/hwmon2/temp3_input", "48000\n"),
        ("hwmon/hwmon2/power1_max", "190000000\n"),
        ("hwmon/hwmon2/power1_rated_max", "190000000\n"),
        ("hwmon/hwmon2/energy1_input", "123456789\n"),
        ("hwmon/hwmon2/fan1_input", "900\n"),
        ("hwmon/hwmon2/fan2_input", "910\n"),
    ];

    #[test]
    fn the_sensors_of_amdgpu() {
        let (_root, device) = fixture::directory(AMDGPU);
        let hwmon = Hwmon::of(&device).unwrap();
        assert_eq!(hwmon.temperature(Place::Die), Some(52));
        assert_eq!(hwmon.temperature(Place::Memory), Some(70));
        assert_eq!(hwmon.threshold(Place::Die, Threshold::Emergency), Some(105));
        assert_eq!(
            hwmon.threshold(Place::Memory, Threshold::Critical),
            Some(108)
        );
        assert_eq!(hwmon.threshold(Place::Die, Threshold::Maximum), None);
        assert_eq!(hwmon.power(), Some(33_000));
        assert_eq!(hwmon.power_limit(), Some(300_000));
        assert_eq!(hwmon.power_limit_default(), Some(327_000));
        assert_eq!(hwmon.power_limit_range(), Some((0, 376_000)));
        assert_eq!(
            (hwmon.fans(), hwmon.fan_percent(0), hwmon.fan_rpm(0)),
            (1, Some(40), Some(1225))
        );
        assert_eq!(
            (hwmon.frequency("sclk"), hwmon.frequency("mclk")),
            (Some(2371), Some(1249))
        );
        assert_eq!(hwmon.energy(), None);
    }

    #[test]
    fn the_sensors_of_xe() {
        let (_root, device) = fixture::directory(XE);
        let hwmon = Hwmon::of(&device).unwrap();
        assert_eq!(hwmon.temperature(Place::Die), Some(44));
        assert_eq!(hwmon.temperature(Place::Memory), Some(48));
        assert_eq!(hwmon.energy(), Some(123_456));
        // The counter of the fixture stands still.
        assert_eq!(hwmon.power(), Some(0));
        assert_eq!(hwmon.power_limit(), Some(190_000));
        assert_eq!(hwmon.power_limit_range(), None);
        assert_eq!(
            (hwmon.fans(), hwmon.fan_percent(0), hwmon.fan_rpm(1)),
            (2, None, Some(910))
        );
    }

    #[test]
    fn power_is_energy_by_time() {
        assert_eq!(
            milliwatts(1_000_000, &4_000_000, Duration::from_millis(100)),
            30_000
        );
    }

    #[test]
    fn a_device_without_sensors_has_no_hwmon() {
        let (_root, device) = fixture::directory(&[("vendor", "0x8086\n")]);
        assert!(Hwmon::of(&device).is_none());
    }
}
