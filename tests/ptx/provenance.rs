//! Which device and driver gave a recording, and when.

use std::ffi::c_char;
use std::time::{SystemTime, UNIX_EPOCH};

use tests::context::Context;
use tests::driver::text_at;
use tests::nvml::nvml;

/// Device, driver and date in words.
pub fn of(context: &Context) -> String {
    let mut name: [c_char; 256] = [0; 256];
    context
        .cuDeviceGetName(name.as_mut_ptr(), 256, context.device)
        .unwrap();
    let mut version: [c_char; 96] = [0; 96];
    let nvml = nvml();
    nvml.nvmlInit_v2().unwrap();
    nvml.nvmlSystemGetDriverVersion(version.as_mut_ptr(), 96)
        .unwrap();
    let (device, driver) = (text_at(name.as_ptr()), text_at(version.as_ptr()));
    format!("{device}, driver {driver}, {}", today())
}

/// Today's date in the Gregorian calendar, by the days since 1970.
fn today() -> String {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (year, month, day) = civil(elapsed.as_secs() / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

fn civil(mut days: u64) -> (u64, u64, u64) {
    let leap =
        |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}
