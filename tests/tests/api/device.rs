//! Device management.

use std::ffi::{CString, c_char};
use std::ptr::{null, null_mut};

use abi::CUerror;
use abi::cuda::{CUdevice, CUdevice_attribute as Attribute, CUdevprop, CUuuid};
use tests::context::{Context, initialized};
use tests::driver::Driver;
use tests::process::in_child;

fn count(driver: &Driver) -> i32 {
    let mut count = -1;
    driver.cuDeviceGetCount(&raw mut count).unwrap();
    count
}

fn attribute(driver: &Driver, attribute: Attribute) -> i32 {
    let mut value = i32::MIN;
    driver
        .cuDeviceGetAttribute(&raw mut value, attribute, 0)
        .unwrap();
    value
}

fn uuid(driver: &Driver) -> CUuuid {
    let mut uuid = CUuuid::default();
    driver.cuDeviceGetUuid_v2(&raw mut uuid, 0).unwrap();
    uuid
}

/// What a call that fills a buffer of `len` characters wrote, up to the NUL.
fn text(len: usize, fill: impl Fn(*mut c_char, i32) -> abi::CUresult) -> (abi::CUresult, String) {
    let mut buffer = vec![0x7F_u8; len.max(1)];
    let result = fill(buffer.as_mut_ptr().cast(), len as i32);
    let end = buffer
        .iter()
        .position(|&byte| byte == 0)
        .unwrap_or(buffer.len());
    (result, String::from_utf8_lossy(&buffer[..end]).into_owned())
}

fn name(driver: &Driver, len: usize) -> (abi::CUresult, String) {
    text(len, |buffer, len| driver.cuDeviceGetName(buffer, len, 0))
}

fn pci_bus_id(driver: &Driver, len: usize) -> (abi::CUresult, String) {
    text(len, |buffer, len| {
        driver.cuDeviceGetPCIBusId(buffer, len, 0)
    })
}

#[test]
fn ordinals_run_from_zero_to_the_count() {
    let driver = initialized();
    let count = count(driver);
    assert!(count >= 1);
    for ordinal in 0..count {
        let mut device: CUdevice = -1;
        assert_eq!(driver.cuDeviceGet(&raw mut device, ordinal), Ok(()));
        assert_eq!(device, ordinal);
    }
    for ordinal in [-1, count, count + 1, i32::MAX, i32::MIN] {
        let mut device: CUdevice = -1;
        assert_eq!(
            driver.cuDeviceGet(&raw mut device, ordinal),
            Err(CUerror::INVALID_DEVICE),
            "{ordinal}"
        );
    }
}

#[test]
fn results_need_a_place_to_be_written() {
    let driver = initialized();
    let invalid = Err(CUerror::INVALID_VALUE);
    assert_eq!(driver.cuDeviceGet(null_mut(), 0), invalid);
    assert_eq!(driver.cuDeviceGetCount(null_mut()), invalid);
    assert_eq!(driver.cuDeviceGetName(null_mut(), 64, 0), invalid);
    assert_eq!(driver.cuDeviceGetUuid(null_mut(), 0), invalid);
    assert_eq!(driver.cuDeviceGetUuid_v2(null_mut(), 0), invalid);
    assert_eq!(driver.cuDeviceTotalMem_v2(null_mut(), 0), invalid);
    assert_eq!(
        driver.cuDeviceGetAttribute(null_mut(), Attribute::WARP_SIZE, 0),
        invalid
    );
    assert_eq!(driver.cuDeviceGetPCIBusId(null_mut(), 20, 0), invalid);
    assert_eq!(
        driver.cuDeviceGetByPCIBusId(null_mut(), c"0000:00:00.0".as_ptr()),
        invalid
    );
    assert_eq!(driver.cuDeviceGetProperties(null_mut(), 0), invalid);
}

#[test]
fn a_device_that_does_not_exist_is_refused_by_every_query() {
    let driver = initialized();
    let invalid = Err(CUerror::INVALID_DEVICE);
    for device in [-1, count(driver), 1000] {
        let (mut int, mut other, mut size) = (0, 0, 0_usize);
        let mut uuid = CUuuid::default();
        let mut properties = CUdevprop::default();
        let mut buffer = [0 as c_char; 64];
        assert_eq!(
            driver.cuDeviceGetName(buffer.as_mut_ptr(), 64, device),
            invalid
        );
        assert_eq!(driver.cuDeviceGetUuid_v2(&raw mut uuid, device), invalid);
        assert_eq!(driver.cuDeviceTotalMem_v2(&raw mut size, device), invalid);
        assert_eq!(
            driver.cuDeviceGetAttribute(&raw mut int, Attribute::WARP_SIZE, device),
            invalid
        );
        assert_eq!(
            driver.cuDeviceGetPCIBusId(buffer.as_mut_ptr(), 64, device),
            invalid
        );
        assert_eq!(
            driver.cuDeviceGetProperties(&raw mut properties, device),
            invalid
        );
        assert_eq!(
            driver.cuDeviceComputeCapability(&raw mut int, &raw mut other, device),
            invalid
        );
    }
}

#[test]
fn the_name_is_cut_to_its_buffer_and_terminated() {
    let driver = initialized();
    let (result, full) = name(driver, 256);
    assert_eq!(result, Ok(()));
    assert!(full.len() > 3, "{full:?}");
    let (result, cut) = name(driver, 4);
    assert_eq!(result, Ok(()));
    assert_eq!(cut, full[..3]);
}

#[test]
fn an_attribute_that_does_not_exist_is_refused() {
    let driver = initialized();
    for number in [0, 100_000, u32::MAX] {
        let mut value = 0;
        let result = driver.cuDeviceGetAttribute(&raw mut value, Attribute(number), 0);
        assert_eq!(result, Err(CUerror::INVALID_VALUE), "{number}");
    }
}

#[test]
fn every_attribute_since_the_first_has_an_answer() {
    let driver = initialized();
    // 104, 105 and 135 are Windows'; from 139 on, attributes are newer than the
    // oldest driver that the tests run on.
    for number in 1..=138 {
        let mut value = i32::MIN;
        let result = driver.cuDeviceGetAttribute(&raw mut value, Attribute(number), 0);
        assert_eq!(
            result,
            Ok(()),
            "attribute {number}, {:?}",
            Attribute(number)
        );
        assert_ne!(
            value,
            i32::MIN,
            "attribute {number}, {:?}",
            Attribute(number)
        );
    }
}

#[test]
fn what_every_cuda_device_has_in_common() {
    let driver = initialized();
    for (which, expected) in [
        (Attribute::WARP_SIZE, 32),
        (Attribute::MAX_THREADS_PER_BLOCK, 1024),
        (Attribute::MAX_BLOCK_DIM_X, 1024),
        (Attribute::MAX_BLOCK_DIM_Y, 1024),
        (Attribute::MAX_BLOCK_DIM_Z, 64),
        (Attribute::MAX_GRID_DIM_X, i32::MAX),
        (Attribute::MAX_GRID_DIM_Y, 65535),
        (Attribute::MAX_GRID_DIM_Z, 65535),
        (Attribute::TOTAL_CONSTANT_MEMORY, 65536),
        (Attribute::MAX_SHARED_MEMORY_PER_BLOCK, 49152),
        (Attribute::MAX_REGISTERS_PER_BLOCK, 65536),
        (Attribute::UNIFIED_ADDRESSING, 1),
        (Attribute::CAN_MAP_HOST_MEMORY, 1),
        (Attribute::STREAM_PRIORITIES_SUPPORTED, 1),
        (Attribute::COMPUTE_MODE, 0),
        (Attribute::TCC_DRIVER, 0),
    ] {
        assert_eq!(attribute(driver, which), expected, "{which:?}");
    }
}

#[test]
fn attributes_agree_with_one_another() {
    let driver = initialized();
    assert!(attribute(driver, Attribute::MULTIPROCESSOR_COUNT) >= 1);
    assert!(attribute(driver, Attribute::CLOCK_RATE) > 0);
    let (block, multiprocessor, optin) = (
        attribute(driver, Attribute::MAX_SHARED_MEMORY_PER_BLOCK),
        attribute(driver, Attribute::MAX_SHARED_MEMORY_PER_MULTIPROCESSOR),
        attribute(driver, Attribute::MAX_SHARED_MEMORY_PER_BLOCK_OPTIN),
    );
    assert!(
        block <= optin && optin <= multiprocessor,
        "{block} {optin} {multiprocessor}"
    );
    let threads = attribute(driver, Attribute::MAX_THREADS_PER_MULTIPROCESSOR);
    assert!(threads >= 1024 && threads % 32 == 0, "{threads}");
    let alignment = attribute(driver, Attribute::TEXTURE_PITCH_ALIGNMENT);
    assert!(
        alignment > 0 && alignment & (alignment - 1) == 0,
        "{alignment}"
    );
}

#[test]
fn the_compute_capability_is_the_same_by_both_ways_of_asking() {
    let driver = initialized();
    let (mut major, mut minor) = (0, 0);
    driver
        .cuDeviceComputeCapability(&raw mut major, &raw mut minor, 0)
        .unwrap();
    assert_eq!(
        major,
        attribute(driver, Attribute::COMPUTE_CAPABILITY_MAJOR)
    );
    assert_eq!(
        minor,
        attribute(driver, Attribute::COMPUTE_CAPABILITY_MINOR)
    );
    assert!(major >= 5, "{major}.{minor}");
}

#[test]
fn the_oldest_properties_agree_with_the_attributes() {
    let driver = initialized();
    let mut properties = CUdevprop::default();
    driver
        .cuDeviceGetProperties(&raw mut properties, 0)
        .unwrap();
    assert_eq!(properties.maxThreadsPerBlock, 1024);
    assert_eq!(properties.maxThreadsDim, [1024, 1024, 64]);
    assert_eq!(properties.maxGridSize, [i32::MAX, 65535, 65535]);
    assert_eq!(properties.SIMDWidth, 32);
    assert_eq!(
        properties.sharedMemPerBlock,
        attribute(driver, Attribute::MAX_SHARED_MEMORY_PER_BLOCK)
    );
    assert_eq!(
        properties.totalConstantMemory,
        attribute(driver, Attribute::TOTAL_CONSTANT_MEMORY)
    );
    assert_eq!(
        properties.clockRate,
        attribute(driver, Attribute::CLOCK_RATE)
    );
    assert_eq!(properties.memPitch, attribute(driver, Attribute::MAX_PITCH));
}

#[test]
fn total_memory_is_what_a_context_reports() {
    let context = Context::primary();
    let (mut of_device, mut free, mut total) = (0, 0, 0);
    context.cuDeviceTotalMem_v2(&raw mut of_device, 0).unwrap();
    context
        .cuMemGetInfo_v2(&raw mut free, &raw mut total)
        .unwrap();
    assert_eq!(of_device, total);
}

#[test]
fn the_uuid_is_the_same_by_both_versions_and_in_every_process() {
    let driver = initialized();
    let mut first = CUuuid::default();
    driver.cuDeviceGetUuid(&raw mut first, 0).unwrap();
    assert_eq!(first, uuid(driver));
    assert_ne!(first, CUuuid::default());
    let answer = in_child(&[], || uuid(initialized()).to_string());
    assert_eq!(answer.value, uuid(driver).to_string());
}

#[test]
fn the_pci_bus_id_spells_the_pci_attributes() {
    let driver = initialized();
    let (result, id) = pci_bus_id(driver, 64);
    assert_eq!(result, Ok(()));
    let expected = format!(
        "{:04X}:{:02X}:{:02X}.0",
        attribute(driver, Attribute::PCI_DOMAIN_ID),
        attribute(driver, Attribute::PCI_BUS_ID),
        attribute(driver, Attribute::PCI_DEVICE_ID)
    );
    assert_eq!(id.to_uppercase(), expected);
    assert_eq!(
        pci_bus_id(driver, 13).1.to_uppercase(),
        expected,
        "13 characters are enough"
    );
}

#[test]
fn a_device_is_found_by_every_spelling_of_its_pci_bus_id() {
    let driver = initialized();
    let (_, id) = pci_bus_id(driver, 64);
    let without_function = id.split('.').next().unwrap();
    for spelling in [
        id.as_str(),
        without_function,
        &id.to_lowercase(),
        &id.to_uppercase(),
    ] {
        let (spelling, mut device) = (CString::new(spelling).unwrap(), -1);
        assert_eq!(
            driver.cuDeviceGetByPCIBusId(&raw mut device, spelling.as_ptr()),
            Ok(()),
            "{spelling:?}"
        );
        assert_eq!(device, 0);
    }
}

#[test]
fn a_pci_bus_id_without_a_device_is_refused() {
    let driver = initialized();
    for id in [c"", c"not an id", c"zz:zz.z"] {
        let mut device = -1;
        assert_eq!(
            driver.cuDeviceGetByPCIBusId(&raw mut device, id.as_ptr()),
            Err(CUerror::INVALID_VALUE),
            "{id:?}"
        );
    }
    let mut device = -1;
    let absent = driver.cuDeviceGetByPCIBusId(&raw mut device, c"7fff:fe:1e.0".as_ptr());
    assert_eq!(absent, Err(CUerror::INVALID_DEVICE));
    assert_eq!(
        driver.cuDeviceGetByPCIBusId(&raw mut device, null()),
        Err(CUerror::INVALID_VALUE)
    );
}

#[test]
fn peers_are_asked_for_among_existing_devices() {
    let driver = initialized();
    let mut access = -1;
    let absent = count(driver);
    assert_eq!(
        driver.cuDeviceCanAccessPeer(&raw mut access, 0, absent),
        Err(CUerror::INVALID_DEVICE)
    );
    assert_eq!(
        driver.cuDeviceCanAccessPeer(&raw mut access, absent, 0),
        Err(CUerror::INVALID_DEVICE)
    );
    assert_eq!(
        driver.cuDeviceCanAccessPeer(null_mut(), 0, 0),
        Err(CUerror::INVALID_VALUE)
    );
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    fn persona() -> String {
        let driver = initialized();
        let (mut major, mut minor) = (0, 0);
        driver
            .cuDeviceComputeCapability(&raw mut major, &raw mut minor, 0)
            .unwrap();
        format!("{major}.{minor}")
    }

    #[test]
    fn the_persona_is_6_1_unless_another_is_asked_for() {
        require_pumice();
        for (asked, expected) in [("", "6.1"), ("6.1", "6.1"), ("7.5", "7.5")] {
            let answer = in_child(&[("PUMICE_COMPUTE_CAPABILITY", asked)], persona);
            assert_eq!(answer.value, expected, "asked for {asked:?}");
        }
    }

    #[test]
    fn a_persona_that_is_not_a_capability_is_reported_and_ignored() {
        require_pumice();
        for asked in ["banana", "6", "6.", "99.9", "-1.0"] {
            let answer = in_child(&[("PUMICE_COMPUTE_CAPABILITY", asked)], persona);
            assert_eq!(answer.value, "6.1", "asked for {asked:?}");
            assert!(
                answer.stderr.contains("PUMICE_COMPUTE_CAPABILITY"),
                "{}",
                answer.stderr
            );
        }
    }

    #[test]
    fn what_is_absent_is_not_claimed() {
        require_pumice();
        let driver = initialized();
        for which in [
            Attribute::VIRTUAL_ADDRESS_MANAGEMENT_SUPPORTED,
            Attribute::COOPERATIVE_LAUNCH,
            Attribute::MEMORY_POOLS_SUPPORTED,
            Attribute::MULTICAST_SUPPORTED,
            Attribute::CLUSTER_LAUNCH,
        ] {
            assert_eq!(attribute(driver, which), 0, "{which:?}");
        }
    }

    #[test]
    fn a_software_device_is_not_an_integrated_gpu() {
        require_pumice();
        let driver = initialized();
        let (_, name) = name(driver, 256);
        if name.contains("llvmpipe") {
            assert_eq!(attribute(driver, Attribute::INTEGRATED), 0);
        }
    }
}
