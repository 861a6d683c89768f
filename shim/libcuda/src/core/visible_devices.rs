//! `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`: which devices a process sees,
//! and in which order (CUDA programming guide, "CUDA Environment Variables").

use abi::CUerror;
use abi::cuda::CUuuid;

/// The devices that a process sees, as indices into all devices.
///
/// `value` is the variable's text, `None` if it is not set. Entries are indices or
/// UUIDs, which may be shortened while they stay unique. The list ends at the
/// first entry that names no device.
///
/// # Errors
/// `INVALID_DEVICE` if an entry repeats an earlier one, as NVIDIA's driver does.
pub fn select(value: Option<&str>, uuids: &[CUuuid]) -> Result<Vec<usize>, CUerror> {
    let Some(value) = value else {
        return Ok((0..uuids.len()).collect());
    };
    let entries = value.split(',');
    let chosen = entries
        .map_while(|entry| resolve(entry.trim(), uuids))
        .collect::<Vec<_>>();
    let repeated = (1..chosen.len()).any(|n| chosen[..n].contains(&chosen[n]));
    if repeated {
        Err(CUerror::INVALID_DEVICE)
    } else {
        Ok(chosen)
    }
}

/// Whether devices are to be listed by PCI address, by `CUDA_DEVICE_ORDER`.
///
/// # Errors
/// `INVALID_DEVICE` for a value that names no order, as NVIDIA's driver does.
pub fn by_pci_address(order: Option<&str>) -> Result<bool, CUerror> {
    match order {
        None | Some("FASTEST_FIRST") => Ok(false),
        Some("PCI_BUS_ID") => Ok(true),
        Some(_) => Err(CUerror::INVALID_DEVICE),
    }
}

fn resolve(entry: &str, uuids: &[CUuuid]) -> Option<usize> {
    if let Some(prefix) = entry.strip_prefix(UUID_PREFIX) {
        return by_uuid(prefix, uuids);
    }
    // NVIDIA's driver reads a number as C's `strtol` does: a sign may stand before
    // it, and what follows it is ignored.
    let number = entry.strip_prefix('+').unwrap_or(entry);
    let digits = number.len()
        - number
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .len();
    let index = number[..digits].parse::<usize>().ok()?;
    (index < uuids.len()).then_some(index)
}

const UUID_PREFIX: &str = "GPU-";

/// The only device whose UUID begins so; characters behind a whole UUID are
/// ignored, and no characters name no device.
fn by_uuid(prefix: &str, uuids: &[CUuuid]) -> Option<usize> {
    let matches = |uuid: &CUuuid| {
        let text = uuid.to_string();
        let digits = text.trim_start_matches(UUID_PREFIX);
        let len = prefix.len().min(digits.len());
        prefix
            .get(..len)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(&digits[..len]))
    };
    let mut found = uuids.iter().enumerate().filter(|(_, uuid)| matches(uuid));
    let (index, _) = found.next().filter(|_| !prefix.is_empty())?;
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
        let longer = format!("{first}0");
        let cases: [(Option<&str>, &[usize]); 16] = [
            (None, &[0, 1, 2]),
            (Some(""), &[]),
            (Some("-1"), &[]),
            (Some("0"), &[0]),
            (Some("+1"), &[1]),
            (Some("2,0"), &[2, 0]),
            (Some(" 1 , 2 "), &[1, 2]),
            (Some("1,-1,2"), &[1]),
            (Some("0,7,1"), &[0]),
            (Some("NoDevFiles"), &[]),
            (Some(&first), &[0]),
            (Some(&longer), &[0]),
            (Some("GPU-CD"), &[2]),
            (Some("GPU-a"), &[]),
            (Some("GPU-"), &[]),
            (Some("GPU-ab1111,0"), &[1, 0]),
        ];
        for (value, expected) in cases {
            assert_eq!(select(value, &uuids), Ok(expected.to_vec()), "{value:?}");
        }
        assert_eq!(select(Some("0,0"), &uuids), Err(CUerror::INVALID_DEVICE));
    }

    #[test]
    fn an_order_that_does_not_exist_is_refused() {
        assert_eq!(by_pci_address(None), Ok(false));
        assert_eq!(by_pci_address(Some("PCI_BUS_ID")), Ok(true));
        assert_eq!(by_pci_address(Some("banana")), Err(CUerror::INVALID_DEVICE));
    }
}
