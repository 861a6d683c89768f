//! `CUDA_VISIBLE_DEVICES` and `CUDA_DEVICE_ORDER`, each form in a process of its own.

use abi::cuda::CUuuid;
use tests::context::initialized;
use tests::driver::driver;
use tests::process::in_child;

/// `cuInit`'s status and the UUIDs of the devices that are left.
fn visible() -> String {
    let driver = driver();
    if let Err(error) = driver.cuInit(0) {
        return error.to_string();
    }
    let mut count = 0;
    driver.cuDeviceGetCount(&raw mut count).unwrap();
    let uuids: Vec<String> = (0..count).map(uuid).collect();
    uuids.join(" ")
}

fn uuid(device: i32) -> String {
    let mut uuid = CUuuid::default();
    initialized()
        .cuDeviceGetUuid_v2(&raw mut uuid, device)
        .unwrap();
    uuid.to_string()
}

/// Every device of the machine.
fn all() -> Vec<String> {
    in_child(&[], visible)
        .value
        .split(' ')
        .map(str::to_owned)
        .collect()
}

/// What a process sees whose list is `value`.
fn with_list(value: &str) -> String {
    in_child(&[("CUDA_VISIBLE_DEVICES", value)], visible).value
}

const NONE: &str = "CUDA_ERROR_NO_DEVICE";
/// What NVIDIA's driver 580.159 answers to a list or an order that makes no sense.
const INVALID: &str = "CUDA_ERROR_INVALID_DEVICE";

#[test]
fn without_a_list_every_device_is_visible() {
    let devices = all();
    assert!(devices[0].starts_with("GPU-"), "{devices:?}");
}

#[test]
fn an_index_selects_its_device() {
    let first = all().remove(0);
    for list in ["0", " 0", "0 ", "+0", "0,", "00"] {
        assert_eq!(with_list(list), first, "{list:?}");
    }
}

#[test]
fn an_index_is_read_as_far_as_it_is_a_number() {
    let first = all().remove(0);
    for list in ["0gpu", "0x"] {
        assert_eq!(with_list(list), first, "{list:?}");
    }
}

#[test]
fn the_list_ends_at_the_first_entry_that_names_no_device() {
    let first = all().remove(0);
    for list in ["0,-1", "0,-1,0", "0,1000", "0,1000,0", "0,gpu", "0,,0"] {
        assert_eq!(with_list(list), first, "{list:?}");
    }
    for list in [
        "-1",
        "-1,0",
        "1000",
        "1000,0",
        "",
        ",0",
        "none",
        "NoDevFiles",
        "gpu0",
    ] {
        assert_eq!(with_list(list), NONE, "{list:?}");
    }
}

#[test]
fn a_repeated_device_makes_the_list_invalid() {
    let first = all().remove(0);
    for list in ["0,0", "0,00", &format!("{first},{first}")] {
        assert_eq!(with_list(list), INVALID, "{list:?}");
    }
}

#[test]
fn a_uuid_or_a_prefix_that_only_one_device_has_selects_it() {
    let devices = all();
    let first = &devices[0];
    assert_eq!(with_list(first), *first);
    for len in [12, 20, first.len() - 1] {
        assert_eq!(with_list(&first[..len]), *first, "{:?}", &first[..len]);
    }
    assert_eq!(with_list("GPU-"), NONE, "no prefix names no device");
    assert_eq!(
        with_list(&format!("{first}0")),
        *first,
        "what follows a UUID is ignored"
    );
}

#[test]
fn an_unknown_uuid_names_no_device() {
    let first = all().remove(0);
    let unknown = "GPU-00000000-0000-0000-0000-000000000000";
    for list in [unknown, "GPU-zz", "MIG-0", &format!("{unknown},{first}")] {
        assert_eq!(with_list(list), NONE, "{list:?}");
    }
    assert_eq!(with_list(&format!("{first},{unknown}")), first);
}

#[test]
fn the_order_of_devices_may_be_chosen() {
    let mut sorted = all();
    sorted.sort();
    for order in ["FASTEST_FIRST", "PCI_BUS_ID"] {
        let answer = in_child(&[("CUDA_DEVICE_ORDER", order)], visible).value;
        let mut devices: Vec<&str> = answer.split(' ').collect();
        devices.sort_unstable();
        assert_eq!(devices, sorted, "{order:?}");
    }
    let answer = in_child(&[("CUDA_DEVICE_ORDER", "banana")], visible).value;
    assert_eq!(answer, INVALID);
}
