//! The host's memory, for devices whose memory it is.

use std::fs;

/// Bytes that a process here may use in all: a control group's limit, where
/// there is one.
pub(crate) fn limit() -> Option<u64> {
    // cgroup v2, then v1; inside a container both show the container's own.
    let files = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| text.trim().parse().ok())
}

/// Bytes that could be used now without swapping: `MemAvailable`, less where a
/// control group leaves less.
pub(crate) fn available() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| mem_available(&text));
    let group = limit()
        .zip(group_usage())
        .map(|(limit, used)| limit.saturating_sub(used));
    [machine, group].into_iter().flatten().min()
}

fn group_usage() -> Option<u64> {
    let files = [
        "/sys/fs/cgroup/memory.current",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ];
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| text.trim().parse().ok())
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mem_available_is_read_in_bytes() {
        let text = "MemTotal:       24000000 kB\nMemFree: 1 kB\nMemAvailable:   23000000 kB\n";
        assert_eq!(mem_available(text), Some(23_000_000 * 1024));
        assert_eq!(mem_available("MemTotal: 1 kB\n"), None);
    }
}
