//! `PUMICE_KERNEL_TIMEOUT`: seconds without progress after which a wait for a kernel
//! gives up, for drivers that let a kernel run for ever.
//!
//! Drivers of GPUs end such kernels themselves where they can, and report a lost
//! device. lavapipe does not, and there a first launch takes as long as LLVM does:
//! so there is no limit unless the user sets one.

use std::sync::OnceLock;
use std::time::Duration;

use abi::trace;

use crate::core::in_flight::Kernels;

const VARIABLE: &str = "PUMICE_KERNEL_TIMEOUT";

/// How long a wait may last without progress; `None` for ever.
pub fn limit() -> Option<Duration> {
    static LIMIT: OnceLock<Option<Duration>> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let text = std::env::var(VARIABLE)
            .ok()
            .filter(|text| !text.is_empty())?;
        let limit = parse(&text);
        if limit.is_none() {
            trace::log(format_args!(
                "{VARIABLE}={text} is no number of seconds: there is no limit"
            ));
        }
        limit.filter(|limit| !limit.is_zero())
    })
}

/// Says that a wait was given up, and what the device was at.
pub fn report(limit: Option<Duration>, kernels: &Kernels) {
    trace::log(format_args!(
        "no work was finished in {} seconds ({VARIABLE}), {kernels} was running: \
         the context is given up, returning CUDA_ERROR_LAUNCH_TIMEOUT",
        limit.unwrap_or_default().as_secs_f64()
    ));
}

/// Says what the device was at when its driver lost it.
pub fn report_loss(kernels: &Kernels) {
    trace::log(format_args!(
        "the device is lost, {kernels} was running: every later call of its context fails"
    ));
}

fn parse(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.trim().parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_of_seconds() {
        assert_eq!(parse("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(parse(" 20 "), Some(Duration::from_secs(20)));
        assert_eq!(parse("0"), Some(Duration::ZERO));
        for text in ["soon", "-1", "1e400", "NaN", ""] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
