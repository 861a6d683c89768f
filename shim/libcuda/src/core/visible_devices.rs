//! `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`: which devices a process sees,
//! and in which order (CUDA programming guide, "CUDA Environment Variables").

use abi::cuda::CUuuid;

/// The devices that a process sees, as indices into all devices.
///
/// `value` is the variable's text, `None` if it is not set. Entries are indices or
/// UUIDs, which may be shortened while they stay unique. The list ends at the
/// first entry that names no device; an entry that repeats an earlier one makes
/// the whole list empty.
pub fn select(value: Option<&str>, uuids: &[CUuuid]) -> Vec<usize> {
    let Some(value) = value else {
        return (0..uuids.len()).collect();
    };
    let chosen = value
        .split(',')
        .map_while(|entry| resolve(entry.trim(), uuids))
        .collect::<Vec<_>>();
    let repeated = (1..chosen.len()).any(|n| chosen[..n].contains(&chosen[n]));
    if repeated { Vec::new() } else { chosen }
}

fn resolve(entry: &str, uuids: &[CUuuid]) -> Option<usize> {
    if entry.starts_with("GPU-") {
        return by_uuid(entry, uuids);
    }
    // The runtime reads a number as C's `strtol` does: what follows it is ignored.
    let digits = entry.len() - entry.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let index = entry[..digits].parse::<usize>().ok()?;
    (index < uuids.len()).then_some(index)
}

fn by_uuid(entry: &str, uuids: &[CUuuid]) -> Option<usize> {
    let entry = entry.to_ascii_lowercase();
    let matches = |uuid: &CUuuid| uuid.to_string().to_ascii_lowercase().starts_with(&entry);
    let mut found = uuids.iter().enumerate().filter(|(_, uuid)| matches(uuid));
    let (index, _) = found.next()?;
    found.next().is_none().then_some(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uuid(first: u8) -> CUuuid {
        let mut uuid = CUuuid { bytes: [0x11; 16] };
        uuid.bytes[0] = first;
        uuid
    }

    #[test]
    fn the_variable_selects_as_the_guide_says() {
        let uuids = [uuid(0xaa), uuid(0xab), uuid(0xcd)];
        let first = uuids[0].to_string();
        let cases: [(Option<&str>, &[usize]); 14] = [
            (None, &[0, 1, 2]),
            (Some(""), &[]),
            (Some("-1"), &[]),
            (Some("0"), &[0]),
            (Some("2,0"), &[2, 0]),
            (Some(" 1 , 2 "), &[1, 2]),
            (Some("1,-1,2"), &[1]),
            (Some("0,7,1"), &[0]),
            (Some("0,0"), &[]),
            (Some("NoDevFiles"), &[]),
            (Some(&first), &[0]),
            (Some("GPU-CD"), &[2]),
            (Some("GPU-a"), &[]),
            (Some("GPU-ab1111,0"), &[1, 0]),
        ];
        for (value, expected) in cases {
            assert_eq!(select(value, &uuids), expected, "{value:?}");
        }
    }
}
