//! The Vulkan device as `vulkaninfo`, a program of the Vulkan SDK, describes it.

use std::process::Command;
use std::time::Duration;

use super::output::Output;

/// A Vulkan device.
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    pub name: String,
    /// Size of its first memory heap in bytes.
    pub heap_size: u64,
}

impl Device {
    /// The first device that the machine's Vulkan loader lists.
    pub fn first() -> Device {
        let output =
            Output::of(&Command::new("vulkaninfo"), Duration::from_secs(60)).expect_success();
        Device::parse(&output.stdout).unwrap_or_else(|| panic!("no device in {output}"))
    }

    fn parse(text: &str) -> Option<Device> {
        let name = text
            .lines()
            .find_map(|line| line_value(line, "deviceName"))?;
        let heaps = &text[text.find("memoryHeaps[0]")?..];
        let size = heaps.lines().find_map(|line| line_value(line, "size"))?;
        Some(Device {
            name: name.to_owned(),
            heap_size: size.split(' ').next()?.parse().ok()?,
        })
    }
}

/// The value in a line `key = value`.
fn line_value<'line>(line: &'line str, key: &str) -> Option<&'line str> {
    let (found, value) = line.split_once('=')?;
    (found.trim() == key).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_first_heap_are_read() {
        let text = "\tdeviceName        = llvmpipe (LLVM 19.1.7, 256 bits)\nVkPhysicalDeviceMemoryProperties:\n\
                    memoryHeaps: count = 1\n\tmemoryHeaps[0]:\n\t\tsize   = 25276510208 (0x5e298f000) (23.54 GiB)\n";
        let expected = Device {
            name: "llvmpipe (LLVM 19.1.7, 256 bits)".into(),
            heap_size: 25_276_510_208,
        };
        assert_eq!(Device::parse(text), Some(expected));
    }
}
