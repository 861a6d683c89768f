//! What pumice refuses for now, by `expectations.txt`: an entry that no longer
//! holds fails its case as an unlisted refusal does.

use std::ffi::c_char;

use tests::context::Context;
use tests::driver::text_at;
use tests::ptx::Case;
use tests::target::{Target, target};

/// Checks the kernels that were refused, and those of `ran` that were not,
/// against the list for this device.
pub fn check(context: &Context, ran: &Case, refused: &[String]) -> Result<(), String> {
    let device = device_name(context);
    let listed: Vec<&str> = match target() {
        Target::Pumice => entries(include_str!("expectations.txt"), &device),
        Target::Nvidia => Vec::new(),
    };
    let is_listed = |name: &str| listed.iter().any(|pattern| matches(pattern, name));
    let unlisted = refused.iter().filter(|name| !is_listed(name));
    let unlisted: Vec<_> = unlisted.map(String::as_str).collect();
    if !unlisted.is_empty() {
        return Err(format!("not supported: {}", unlisted.join(" ")));
    }
    let running = ran.kernels.iter().map(|kernel| kernel.name.as_str());
    let running: Vec<_> = running.filter(|name| is_listed(name)).collect();
    match running.as_slice() {
        [] => Ok(()),
        running => Err(format!(
            "now supported, so take them out of expectations.txt: {}",
            running.join(" ")
        )),
    }
}

/// The kernels that are listed for a device.
fn entries<'t>(list: &'t str, device: &str) -> Vec<&'t str> {
    let lines = list
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &'t str| {
        let mut words = line.split_whitespace();
        let (prefix, kernel) = (words.next()?, words.next()?);
        (prefix == "*" || device.starts_with(prefix)).then_some(kernel)
    };
    lines.filter_map(entry).collect()
}

/// Whether a name has the pattern's pieces between its `*` in order, from its
/// beginning to its end.
fn matches(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn device_name(context: &Context) -> String {
    let mut name: [c_char; 256] = [0; 256];
    context
        .cuDeviceGetName(name.as_mut_ptr(), 256, context.device)
        .unwrap();
    text_at(name.as_ptr())
}
