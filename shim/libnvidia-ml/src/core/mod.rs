//! The devices, and what the kernel tells of them.

pub mod client;
pub mod clock;
pub mod device;
pub mod event;
pub mod hwmon;
pub mod kernel;
pub mod link;
pub mod rate;
pub mod sysfs;
pub mod utilization;
