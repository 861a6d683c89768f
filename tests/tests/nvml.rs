//! The management library, by its C interface.
//!
//! The tests run on pumice and on NVIDIA's library alike (`TARGET`); what only
//! pumice promises lies in the module `on_pumice`.

use std::ffi::{CString, c_char, c_void};
use std::fs;
use std::path::Path;
use std::ptr::{null, null_mut};

use abi::NvmlError;
use abi::cuda::CUuuid;
use abi::nvml::*;
use tests::driver::{driver, text_at};
use tests::nvml::{Nvml, first_device, initialized, nvml, text};
use tests::process::{in_child, in_fork};

fn count(nvml: &Nvml) -> u32 {
    let mut count = u32::MAX;
    nvml.nvmlDeviceGetCount_v2(&raw mut count).unwrap();
    count
}

fn uuid(nvml: &Nvml, device: nvmlDevice_t) -> String {
    text(96, |buffer, length| {
        nvml.nvmlDeviceGetUUID(device, buffer, length)
    })
    .unwrap()
}

fn name(nvml: &Nvml, device: nvmlDevice_t, length: usize) -> Result<String, NvmlError> {
    text(length, |buffer, length| {
        nvml.nvmlDeviceGetName(device, buffer, length)
    })
}

fn pci(nvml: &Nvml, device: nvmlDevice_t) -> nvmlPciInfo_t {
    let mut info = nvmlPciInfo_t::default();
    nvml.nvmlDeviceGetPciInfo_v3(device, &raw mut info).unwrap();
    info
}

fn by_uuid(nvml: &Nvml, uuid: &str) -> Result<nvmlDevice_t, NvmlError> {
    let mut device = nvmlDevice_t::NULL;
    let uuid = CString::new(uuid).unwrap();
    nvml.nvmlDeviceGetHandleByUUID(uuid.as_ptr(), &raw mut device)
        .map(|()| device)
}

fn by_pci(nvml: &Nvml, address: &str) -> Result<nvmlDevice_t, NvmlError> {
    let mut device = nvmlDevice_t::NULL;
    let address = CString::new(address).unwrap();
    nvml.nvmlDeviceGetHandleByPciBusId_v2(address.as_ptr(), &raw mut device)
        .map(|()| device)
}

#[test]
fn nothing_works_before_init_but_the_librarys_version() {
    let nvml = nvml();
    let version = text(80, |buffer, length| {
        nvml.nvmlSystemGetNVMLVersion(buffer, length)
    })
    .unwrap();
    assert!(version.split('.').count() >= 3, "{version}");
    let (mut number, mut cuda, mut device) = (0, 0, nvmlDevice_t::NULL);
    let mut release = [0; 80];
    assert_eq!(nvml.nvmlShutdown(), Err(NvmlError::UNINITIALIZED));
    for result in [
        nvml.nvmlDeviceGetCount_v2(&raw mut number),
        nvml.nvmlDeviceGetHandleByIndex_v2(0, &raw mut device),
        nvml.nvmlSystemGetDriverVersion(release.as_mut_ptr(), 80),
        nvml.nvmlSystemGetCudaDriverVersion_v2(&raw mut cuda),
        nvml.nvmlUnitGetCount(&raw mut number),
        nvml.nvmlGetExcludedDeviceCount(&raw mut number),
    ] {
        assert_eq!(result, Err(NvmlError::UNINITIALIZED));
    }
}

#[test]
fn each_init_needs_its_shutdown() {
    let nvml = initialized();
    nvml.nvmlInit().unwrap();
    nvml.nvmlInitWithFlags(0).unwrap();
    let device = first_device(nvml);
    nvml.nvmlShutdown().unwrap();
    nvml.nvmlShutdown().unwrap();
    assert_eq!(count(nvml).min(1), 1);
    nvml.nvmlShutdown().unwrap();
    assert_eq!(nvml.nvmlShutdown(), Err(NvmlError::UNINITIALIZED));
    assert_eq!(name(nvml, device, 96), Err(NvmlError::UNINITIALIZED));
    nvml.nvmlInit_v2().unwrap();
    assert!(name(nvml, first_device(nvml), 96).is_ok());
}

#[test]
fn a_child_forked_before_init_finds_the_devices() {
    let nvml = nvml();
    assert_eq!(
        in_fork(|| i32::from(nvml.nvmlInit_v2().is_err() || count(nvml) == 0)),
        0
    );
}

#[test]
fn a_child_forked_after_init_has_to_initialize_for_itself() {
    let nvml = initialized();
    let mut number = 0;
    let status = in_fork(|| match nvml.nvmlDeviceGetCount_v2(&raw mut number) {
        Err(NvmlError::UNINITIALIZED) => 0,
        _ => 1,
    });
    assert_eq!(status, 0);
    assert!(count(nvml) > 0, "the parent goes on");
}

#[test]
fn threads_may_use_the_library_at_the_same_time() {
    let names: Vec<_> = std::thread::scope(|scope| {
        let use_it = || {
            let nvml = initialized();
            let name = name(nvml, first_device(nvml), 96).unwrap();
            nvml.nvmlShutdown().unwrap();
            name
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(use_it)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(names.windows(2).all(|pair| pair[0] == pair[1]), "{names:?}");
    assert_eq!(nvml().nvmlShutdown(), Err(NvmlError::UNINITIALIZED));
}

#[test]
fn the_driver_tells_its_versions() {
    let nvml = initialized();
    let release = text(80, |buffer, length| {
        nvml.nvmlSystemGetDriverVersion(buffer, length)
    })
    .unwrap();
    let major: u32 = release.split('.').next().unwrap().parse().unwrap();
    assert!(major >= 535, "{release}");
    let (mut first, mut second) = (0, 0);
    nvml.nvmlSystemGetCudaDriverVersion(&raw mut first).unwrap();
    nvml.nvmlSystemGetCudaDriverVersion_v2(&raw mut second)
        .unwrap();
    assert_eq!(first, second);
    assert!(second >= 12000 && second % 10 == 0, "{second}");
}

#[test]
fn a_device_is_found_by_its_index_uuid_and_address() {
    let nvml = initialized();
    for wanted in 0..count(nvml) {
        let mut device = nvmlDevice_t::NULL;
        nvml.nvmlDeviceGetHandleByIndex_v2(wanted, &raw mut device)
            .unwrap();
        assert!(!device.is_null());
        let mut index = u32::MAX;
        nvml.nvmlDeviceGetIndex(device, &raw mut index).unwrap();
        assert_eq!(index, wanted);
        assert_eq!(by_uuid(nvml, &uuid(nvml, device)), Ok(device));
        let info = pci(nvml, device);
        let address = |text: Vec<u8>| String::from_utf8(text).unwrap();
        for text in [
            address(info.busId.to_bytes()),
            address(info.busIdLegacy.to_bytes()),
        ] {
            assert_eq!(by_pci(nvml, &text), Ok(device), "{text}");
            assert_eq!(by_pci(nvml, &text.to_lowercase()), Ok(device), "{text}");
        }
    }
}

#[test]
fn what_names_no_device_is_refused() {
    let nvml = initialized();
    let mut device = nvmlDevice_t::NULL;
    let beyond = nvml.nvmlDeviceGetHandleByIndex_v2(count(nvml), &raw mut device);
    assert_eq!(beyond, Err(NvmlError::INVALID_ARGUMENT));
    let known = uuid(nvml, first_device(nvml));
    assert_eq!(
        by_uuid(nvml, &known.to_uppercase()),
        Err(NvmlError::NOT_FOUND),
        "letters have a case"
    );
    assert_eq!(
        by_uuid(nvml, &known[..12]),
        Err(NvmlError::NOT_FOUND),
        "a prefix is not enough"
    );
    assert_eq!(
        by_uuid(nvml, "GPU-00000000-0000-0000-0000-000000000000"),
        Err(NvmlError::NOT_FOUND)
    );
    assert!(
        by_uuid(nvml, known.trim_start_matches("GPU-")).is_ok(),
        "the prefix may be left out"
    );
    assert_eq!(by_pci(nvml, "00000000:ee:00.0"), Err(NvmlError::NOT_FOUND));
}

#[test]
fn null_places_are_refused() {
    let nvml = initialized();
    let device = first_device(nvml);
    let mut found = nvmlDevice_t::NULL;
    for result in [
        nvml.nvmlDeviceGetCount_v2(null_mut()),
        nvml.nvmlDeviceGetHandleByIndex_v2(0, null_mut()),
        nvml.nvmlDeviceGetHandleByUUID(null(), &raw mut found),
        nvml.nvmlDeviceGetHandleByPciBusId_v2(null(), &raw mut found),
        nvml.nvmlDeviceGetName(device, null_mut(), 96),
        nvml.nvmlDeviceGetMemoryInfo(device, null_mut()),
        nvml.nvmlDeviceGetPciInfo_v3(device, null_mut()),
        nvml.nvmlDeviceGetIndex(device, null_mut()),
        nvml.nvmlSystemGetDriverVersion(null_mut(), 80),
        nvml.nvmlDeviceGetName(nvmlDevice_t::NULL, null_mut(), 96),
    ] {
        assert_eq!(result, Err(NvmlError::INVALID_ARGUMENT));
    }
}

#[test]
fn a_string_is_written_whole_or_not_at_all() {
    let nvml = initialized();
    let device = first_device(nvml);
    let whole = name(nvml, device, 96).unwrap();
    assert!(!whole.is_empty());
    assert_eq!(name(nvml, device, whole.len() + 1), Ok(whole.clone()));
    for length in [0, 1, whole.len()] {
        assert_eq!(
            name(nvml, device, length),
            Err(NvmlError::INSUFFICIENT_SIZE),
            "{length}"
        );
    }
}

#[test]
fn a_processs_name_is_shortened() {
    let nvml = initialized();
    let me = std::process::id();
    let named = |length| {
        text(length, |buffer, length| {
            nvml.nvmlSystemGetProcessName(me, buffer, length)
        })
    };
    let whole = named(4096).unwrap();
    assert!(!whole.is_empty());
    assert_eq!(named(4), Ok(whole[..3].to_owned()));
    let nobody = text(80, |buffer, length| {
        nvml.nvmlSystemGetProcessName(0x7fff_fff0, buffer, length)
    });
    assert_eq!(nobody, Err(NvmlError::NOT_FOUND));
}

#[test]
fn every_version_of_the_address_says_the_same_and_writes_no_more_than_its_own() {
    let nvml = initialized();
    let device = first_device(nvml);
    let whole = pci(nvml, device);
    assert_eq!(
        format!(
            "{:08X}:{:02X}:{:02X}.0",
            whole.domain, whole.bus, whole.device
        )
        .as_bytes(),
        whole.busId.to_bytes()
    );
    let mut room = [0xaaaa_aaaa_u32; 24];
    let words = |room: &[u32; 24]| room[4..9].to_vec();
    let expected = [
        whole.domain,
        whole.bus,
        whole.device,
        whole.pciDeviceId,
        whole.pciSubSystemId,
    ];
    nvml.nvmlDeviceGetPciInfo(device, room.as_mut_ptr().cast())
        .unwrap();
    assert_eq!(words(&room)[..4], expected[..4]);
    assert_eq!(room[8], 0xaaaa_aaaa);
    nvml.nvmlDeviceGetPciInfo_v2(device, room.as_mut_ptr().cast())
        .unwrap();
    assert_eq!(words(&room), expected);
    assert_eq!(room[9], 0xaaaa_aaaa);
    nvml.nvmlDeviceGetPciInfo_v3(device, room.as_mut_ptr().cast())
        .unwrap();
    assert_eq!(room[17], 0xaaaa_aaaa);
    let mut extended = nvmlPciInfoExt_v1_t {
        version: struct_version::<nvmlPciInfoExt_v1_t>(1),
        ..Default::default()
    };
    nvml.nvmlDeviceGetPciInfoExt(device, &raw mut extended)
        .unwrap();
    assert_eq!(extended.busId, whole.busId);
    assert_eq!(extended.pciDeviceId, whole.pciDeviceId);
}

#[test]
fn memory_adds_up() {
    let nvml = initialized();
    let device = first_device(nvml);
    let mut first = nvmlMemory_t::default();
    nvml.nvmlDeviceGetMemoryInfo(device, &raw mut first)
        .unwrap();
    assert!(first.total >= 256 << 20, "{first:?}");
    assert_eq!(first.free + first.used, first.total);
    let mut second = nvmlMemory_v2_t {
        version: struct_version::<nvmlMemory_v2_t>(2),
        ..Default::default()
    };
    nvml.nvmlDeviceGetMemoryInfo_v2(device, &raw mut second)
        .unwrap();
    assert_eq!(second.total, first.total);
    assert_eq!(second.free + second.used + second.reserved, second.total);
}

#[test]
fn a_structure_of_an_unknown_version_is_refused() {
    let nvml = initialized();
    let device = first_device(nvml);
    for version in [0, 1, struct_version::<nvmlMemory_v2_t>(3)] {
        let mut memory = nvmlMemory_v2_t {
            version,
            ..Default::default()
        };
        let refused = nvml.nvmlDeviceGetMemoryInfo_v2(device, &raw mut memory);
        assert_eq!(refused, Err(NvmlError::FUNCTION_NOT_FOUND));
        let mut temperature = nvmlTemperature_v1_t {
            version,
            ..Default::default()
        };
        let refused = nvml.nvmlDeviceGetTemperatureV(device, &raw mut temperature);
        assert_eq!(refused, Err(NvmlError::ARGUMENT_VERSION_MISMATCH));
        let mut branch = nvmlSystemDriverBranchInfo_v1_t {
            version,
            ..Default::default()
        };
        let refused = nvml.nvmlSystemGetDriverBranch(&raw mut branch, 80);
        assert_eq!(refused, Err(NvmlError::ARGUMENT_VERSION_MISMATCH));
    }
}

#[test]
fn both_temperature_calls_agree() {
    let nvml = initialized();
    let device = first_device(nvml);
    let mut degrees = 0;
    let old =
        nvml.nvmlDeviceGetTemperature(device, nvmlTemperatureSensors_t::GPU, &raw mut degrees);
    let mut new = nvmlTemperature_v1_t {
        version: struct_version::<nvmlTemperature_v1_t>(1),
        ..Default::default()
    };
    assert_eq!(nvml.nvmlDeviceGetTemperatureV(device, &raw mut new), old);
    if old.is_ok() {
        assert!(
            (new.temperature - degrees.cast_signed()).abs() <= 10,
            "{degrees} {new:?}"
        );
    }
    let unknown =
        nvml.nvmlDeviceGetTemperature(device, nvmlTemperatureSensors_t(77), &raw mut degrees);
    assert_eq!(unknown, Err(NvmlError::INVALID_ARGUMENT));
}

#[test]
fn statuses_have_texts() {
    let nvml = nvml();
    for (status, words) in [
        (0, "Success"),
        (1, "Uninitialized"),
        (3, "Not Supported"),
        (999, "Unknown Error"),
    ] {
        assert_eq!(nvml.nvmlErrorString(status), words);
    }
    assert_eq!(nvml.nvmlErrorString(4711), "Unknown Error");
}

#[test]
fn an_event_set_waits_for_as_long_as_it_is_told() {
    let nvml = initialized();
    let (mut set, mut data) = (nvmlEventSet_t::NULL, nvmlEventData_t::default());
    nvml.nvmlEventSetCreate(&raw mut set).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(
        nvml.nvmlEventSetWait_v2(set, &raw mut data, 30),
        Err(NvmlError::TIMEOUT)
    );
    assert!(start.elapsed().as_millis() >= 25);
    nvml.nvmlEventSetFree(set).unwrap();
}

#[test]
fn there_are_no_units_and_no_excluded_devices() {
    let nvml = initialized();
    let mut number = u32::MAX;
    nvml.nvmlUnitGetCount(&raw mut number).unwrap();
    assert_eq!(number, 0);
    let mut unit = nvmlUnit_t::NULL;
    assert_eq!(
        nvml.nvmlUnitGetHandleByIndex(0, &raw mut unit),
        Err(NvmlError::INVALID_ARGUMENT)
    );
    let mut room = [0_u8; 512];
    nvml.nvmlGetExcludedDeviceCount(&raw mut number).unwrap();
    assert_eq!(number, 0);
    let info = room.as_mut_ptr().cast::<c_void>();
    assert_eq!(
        nvml.nvmlGetExcludedDeviceInfoByIndex(0, info),
        Err(NvmlError::INVALID_ARGUMENT)
    );
}

#[test]
fn fields_are_answered_one_by_one() {
    let nvml = initialized();
    let device = first_device(nvml);
    let field = |id| nvmlFieldValue_t {
        fieldId: id,
        scopeId: 0,
        timestamp: 0,
        latencyUsec: 0,
        valueType: nvmlValueType_t(99),
        nvmlReturn: 4711,
        value: nvmlValue_t(0),
    };
    let mut fields = [
        field(nvmlFieldId_t(0xffff)),
        field(nvmlFieldId_t::POWER_INSTANT),
    ];
    nvml.nvmlDeviceGetFieldValues(device, 2, fields.as_mut_ptr())
        .unwrap();
    assert_ne!(fields[0].nvmlReturn, 0, "no such field");
    let mut power = 0;
    let measured = nvml.nvmlDeviceGetPowerUsage(device, &raw mut power);
    assert_eq!(fields[1].nvmlReturn == 0, measured.is_ok());
    for count in [0, -1] {
        let refused = nvml.nvmlDeviceGetFieldValues(device, count, fields.as_mut_ptr());
        assert_eq!(refused, Err(NvmlError::INVALID_ARGUMENT));
    }
}

#[test]
fn a_query_for_processes_tells_how_many_there_are() {
    let nvml = initialized();
    let mut count = 0;
    let result = nvml.nvmlDeviceGetComputeRunningProcesses_v3(
        first_device(nvml),
        &raw mut count,
        null_mut(),
    );
    match result {
        Ok(()) => assert_eq!(count, 0),
        Err(NvmlError::INSUFFICIENT_SIZE) => assert!(count > 0),
        Err(error) => assert_eq!(error, NvmlError::NOT_SUPPORTED),
    }
}

/// The UUIDs of all devices, whatever `CUDA_VISIBLE_DEVICES` says.
fn all_uuids() -> String {
    let nvml = initialized();
    let devices = (0..count(nvml)).map(|index| {
        let mut device = nvmlDevice_t::NULL;
        nvml.nvmlDeviceGetHandleByIndex_v2(index, &raw mut device)
            .unwrap();
        uuid(nvml, device)
    });
    devices.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_list_is_whole_although_cuda_sees_less() {
    let whole = in_child(&[("CUDA_VISIBLE_DEVICES", "")], all_uuids).value;
    assert!(whole.starts_with("GPU-"), "{whole}");
    assert_eq!(in_child(&[], all_uuids).value, whole);
}

/// Programs match the devices of one library against those of the other.
#[test]
fn the_driver_api_names_the_devices_alike() {
    let (nvml, driver) = (initialized(), driver());
    driver.cuInit(0).unwrap();
    let (mut ordinals, mut release) = (0, 0);
    driver.cuDeviceGetCount(&raw mut ordinals).unwrap();
    assert!(ordinals > 0);
    for ordinal in 0..ordinals {
        let mut bytes = CUuuid::default();
        driver.cuDeviceGetUuid_v2(&raw mut bytes, ordinal).unwrap();
        let device = by_uuid(nvml, &bytes.to_string()).unwrap();
        let of_driver = |fill: &dyn Fn(*mut c_char, i32) -> abi::CUresult| {
            let mut buffer = [0 as c_char; 256];
            fill(buffer.as_mut_ptr(), 256).unwrap();
            text_at(buffer.as_ptr())
        };
        let called = of_driver(&|buffer, length| driver.cuDeviceGetName(buffer, length, ordinal));
        assert_eq!(name(nvml, device, 96), Ok(called));
        let address =
            of_driver(&|buffer, length| driver.cuDeviceGetPCIBusId(buffer, length, ordinal));
        assert_eq!(pci(nvml, device).busIdLegacy.to_bytes(), address.as_bytes());
        let (mut major, mut minor, mut total) = ((0, 0), (0, 0), 0);
        driver
            .cuDeviceComputeCapability(&raw mut major.0, &raw mut minor.0, ordinal)
            .unwrap();
        nvml.nvmlDeviceGetCudaComputeCapability(device, &raw mut major.1, &raw mut minor.1)
            .unwrap();
        assert_eq!((major.0, minor.0), (major.1, minor.1));
        driver.cuDeviceTotalMem_v2(&raw mut total, ordinal).unwrap();
        let mut memory = nvmlMemory_t::default();
        nvml.nvmlDeviceGetMemoryInfo(device, &raw mut memory)
            .unwrap();
        // NVIDIA's library counts what the driver keeps for itself.
        assert!(total as u64 <= memory.total, "{total} {memory:?}");
    }
    let mut other = 0;
    driver.cuDriverGetVersion(&raw mut release).unwrap();
    nvml.nvmlSystemGetCudaDriverVersion_v2(&raw mut other)
        .unwrap();
    assert_eq!(release, other);
}

mod on_pumice {
    use std::collections::BTreeSet;

    use tests::elf::SharedLibrary;
    use tests::nvml::{IMPLEMENTED, UNSUPPORTED, built};
    use tests::target::require_pumice;

    use super::*;

    fn names_of_a_real_library() -> BTreeSet<String> {
        include_str!("../symbols/libnvidia-ml-580.txt")
            .lines()
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn the_exports_are_those_of_a_real_library() {
        require_pumice();
        assert_eq!(
            SharedLibrary::read(&built()).exports,
            names_of_a_real_library()
        );
    }

    #[test]
    fn the_table_lists_each_name_once() {
        require_pumice();
        let names: Vec<_> = IMPLEMENTED
            .iter()
            .map(|(name, _)| *name)
            .chain(UNSUPPORTED.iter().copied())
            .collect();
        assert_eq!(names.len(), names_of_a_real_library().len());
        assert_eq!(
            names
                .iter()
                .map(|&name| name.to_owned())
                .collect::<BTreeSet<_>>(),
            names_of_a_real_library()
        );
    }

    #[test]
    fn the_library_has_its_name_and_finds_vulkan_at_run_time() {
        require_pumice();
        let library = SharedLibrary::read(&built());
        assert_eq!(library.soname.as_deref(), Some("libnvidia-ml.so.1"));
        assert!(
            library.needed.iter().all(|name| !name.contains("vulkan")),
            "{:?}",
            library.needed
        );
    }

    #[test]
    fn every_function_waits_for_init_and_then_refuses_nulls() {
        require_pumice();
        let nvml = nvml();
        for (name, when) in IMPLEMENTED {
            if *when == "initialized" {
                assert_eq!(
                    nvml.call_with_nulls(name),
                    Err(NvmlError::UNINITIALIZED),
                    "{name}"
                );
            }
        }
        nvml.nvmlInit_v2().unwrap();
        for (name, when) in IMPLEMENTED {
            if *when == "initialized" {
                assert_eq!(
                    nvml.call_with_nulls(name),
                    Err(NvmlError::INVALID_ARGUMENT),
                    "{name}"
                );
            }
        }
        for name in UNSUPPORTED {
            assert_eq!(
                nvml.call_with_nulls(name),
                Err(NvmlError::NOT_SUPPORTED),
                "{name}"
            );
        }
    }

    #[test]
    fn handles_that_nobody_gave_out_are_refused() {
        require_pumice();
        let nvml = initialized();
        let mut index = 0;
        for handle in [1, 0x1000, 0xdead_beef, usize::MAX, first_device(nvml).0 + 1] {
            let refused = nvml.nvmlDeviceGetIndex(nvmlDevice_t(handle), &raw mut index);
            assert_eq!(refused, Err(NvmlError::INVALID_ARGUMENT), "{handle:#x}");
            assert_eq!(
                nvml.nvmlEventSetFree(nvmlEventSet_t(handle)),
                Err(NvmlError::INVALID_ARGUMENT)
            );
        }
        let mut set = nvmlEventSet_t::NULL;
        nvml.nvmlEventSetCreate(&raw mut set).unwrap();
        nvml.nvmlEventSetFree(set).unwrap();
        assert_eq!(nvml.nvmlEventSetFree(set), Err(NvmlError::INVALID_ARGUMENT));
    }

    #[test]
    fn loading_the_library_loads_no_driver() {
        require_pumice();
        let _ = nvml();
        let maps = || fs::read_to_string("/proc/self/maps").unwrap();
        assert!(
            !maps().contains("libvulkan"),
            "a driver was loaded before nvmlInit"
        );
        let _ = initialized();
        assert!(
            maps().contains("libvulkan"),
            "this test no longer sees a driver being loaded"
        );
    }

    #[test]
    fn without_a_device_only_an_init_that_allows_it_succeeds() {
        require_pumice();
        let nowhere = [
            ("VK_DRIVER_FILES", "/nonexistent"),
            ("VK_ICD_FILENAMES", "/nonexistent"),
            ("PUMICE_DRIVERS", "/nonexistent"),
        ];
        let answer = in_child(&nowhere, || {
            let nvml = nvml();
            let refused = nvml.nvmlInit_v2();
            let allowed = nvml.nvmlInitWithFlags(1);
            format!("{refused:?} {allowed:?} {}", count(nvml))
        });
        assert_eq!(answer.value, "Err(NVML_ERROR_DRIVER_NOT_LOADED) Ok(()) 0");
        assert!(
            answer.stderr.contains("pumice: no GPU for NVML"),
            "{}",
            answer.stderr
        );
    }

    /// Capability, architecture, CUDA version and NVML version.
    fn persona() -> String {
        let nvml = initialized();
        let device = first_device(nvml);
        let (mut major, mut minor, mut cuda) = (0, 0, 0);
        let mut architecture = nvmlDeviceArchitecture_t::UNKNOWN;
        nvml.nvmlDeviceGetCudaComputeCapability(device, &raw mut major, &raw mut minor)
            .unwrap();
        nvml.nvmlDeviceGetArchitecture(device, &raw mut architecture)
            .unwrap();
        nvml.nvmlSystemGetCudaDriverVersion_v2(&raw mut cuda)
            .unwrap();
        let version = text(80, |buffer, length| {
            nvml.nvmlSystemGetNVMLVersion(buffer, length)
        })
        .unwrap();
        format!(
            "{major}.{minor} {architecture:?} {cuda} {}",
            version.split('.').next().unwrap()
        )
    }

    #[test]
    fn the_persona_decides_capability_and_cuda_version() {
        require_pumice();
        let with = |value| in_child(&[("PUMICE_COMPUTE_CAPABILITY", value)], persona);
        assert_eq!(with("6.1").value, "6.1 PASCAL 12090 12");
        assert_eq!(with("7.0").value, "7.0 VOLTA 12090 12");
        assert_eq!(with("7.5").value, "7.5 TURING 13000 13");
        assert_eq!(with("8.9").value, "8.9 ADA 13000 13");
        let confused = with("fast");
        assert_eq!(confused.value, "6.1 PASCAL 12090 12");
        assert!(
            confused.stderr.contains("PUMICE_COMPUTE_CAPABILITY=fast"),
            "{}",
            confused.stderr
        );
    }

    #[test]
    fn a_software_device_has_no_sensors_and_says_so() {
        require_pumice();
        let nvml = initialized();
        let device = first_device(nvml);
        let mut number = 0;
        let mut rates = nvmlUtilization_t::default();
        for result in [
            nvml.nvmlDeviceGetPowerUsage(device, &raw mut number),
            nvml.nvmlDeviceGetFanSpeed(device, &raw mut number),
            nvml.nvmlDeviceGetClockInfo(device, nvmlClockType_t::SM, &raw mut number),
            nvml.nvmlDeviceGetCurrPcieLinkWidth(device, &raw mut number),
            nvml.nvmlDeviceGetUtilizationRates(device, &raw mut rates),
        ] {
            assert_eq!(result, Err(NvmlError::NOT_SUPPORTED));
        }
        let mut bus = nvmlBusType_t::PCIE;
        nvml.nvmlDeviceGetBusType(device, &raw mut bus).unwrap();
        assert_eq!(bus, nvmlBusType_t::UNKNOWN);
        assert_eq!(
            pci(nvml, device).domain,
            0xffff,
            "an address that no device has"
        );
    }

    #[test]
    fn calls_are_traced() {
        require_pumice();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trace");
        let trace = file.to_str().unwrap();
        let _ = in_child(&[("PUMICE_TRACE", trace)], || {
            let nvml = initialized();
            let _ = nvml.call_with_nulls("nvmlDeviceGetSerial");
            name(nvml, first_device(nvml), 96).unwrap()
        });
        let lines = read(&file);
        for part in [
            "nvmlInit_v2() = NVML_SUCCESS",
            "nvmlDeviceGetSerial() = NVML_ERROR_NOT_SUPPORTED",
            "nvmlDeviceGetHandleByIndex_v2(index=0, device=0x",
            "length=96) = NVML_SUCCESS -> \"llvmpipe",
        ] {
            assert!(lines.contains(part), "{part} is not in\n{lines}");
        }
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }
}
