//! Images as compilers pack them: fat binaries and the structures around them.

use std::ffi::CString;
use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUdevice_attribute, CUdeviceptr, CUlibrary, CUmodule};
use proptest::prelude::*;
use tests::context::Context;
use tests::image::{self, Entry, FATBIN_HEADER, Packing, Wrapper, fatbin, ptx_of};
use tests::memory::{PAGE, Pages, read};

const PACKINGS: [Packing; 3] = [Packing::Plain, Packing::Lz4, Packing::Zstd];

fn load(context: &Context, image: &[u8]) -> Result<CUmodule, CUerror> {
    let mut module = CUmodule::NULL;
    context
        .cuModuleLoadData(&raw mut module, image.as_ptr().cast())
        .map(|()| module)
}

fn word(context: &Context, module: CUmodule, name: &str) -> Result<u32, CUerror> {
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = CString::new(name).unwrap();
    context.cuModuleGetGlobal_v2(&raw mut address, &raw mut size, module, name.as_ptr())?;
    let bytes = read(context, address, 4);
    Ok(u32::from_le_bytes(bytes.try_into().unwrap()))
}

/// Loads an image and reads which architecture's PTX the driver chose.
fn chosen(context: &Context, image: &[u8]) -> Result<u32, CUerror> {
    let module = load(context, image)?;
    let architecture = word(context, module, "architecture");
    context.cuModuleUnload(module).unwrap();
    architecture
}

/// The device's compute capability as PTX targets spell it.
fn capability(context: &Context) -> u32 {
    let major = context.attribute(CUdevice_attribute::COMPUTE_CAPABILITY_MAJOR);
    let minor = context.attribute(CUdevice_attribute::COMPUTE_CAPABILITY_MINOR);
    (major * 10 + minor) as u32
}

fn entry(sm: u32, packing: Packing) -> Entry {
    Entry::ptx(sm, packing, &ptx_of(sm))
}

#[test]
fn a_fat_binary_is_loaded_whatever_packs_its_entries() {
    let context = Context::primary();
    for packing in PACKINGS {
        let image = fatbin(&[entry(50, packing)]);
        assert_eq!(chosen(&context, &image), Ok(50), "{packing:?}");
    }
}

#[test]
fn large_entries_are_unpacked_whole() {
    let context = Context::primary();
    let kernels: String = (0..2000)
        .map(|index| format!(".visible .entry kernel_{index}() {{ ret; }}\n"))
        .collect();
    for packing in PACKINGS {
        let image = fatbin(&[Entry::ptx(50, packing, &(ptx_of(50) + &kernels))]);
        let module = load(&context, &image).unwrap();
        let mut count = 0;
        context
            .cuModuleGetFunctionCount(&raw mut count, module)
            .unwrap();
        assert_eq!(count, 2001, "{packing:?}");
        context.cuModuleUnload(module).unwrap();
    }
}

/// What a compiled program's start-up code hands over: the runtime passes it on to
/// `cuLibraryLoadData`.
#[test]
fn the_structure_around_a_fat_binary_leads_to_it() {
    let context = Context::primary();
    for packing in PACKINGS {
        let image = fatbin(&[entry(50, packing)]);
        let (mut library, wrapper) = (CUlibrary::NULL, Wrapper::single(&image));
        context
            .cuLibraryLoadData(
                &raw mut library,
                wrapper.as_bytes().as_ptr().cast(),
                null_mut(),
                null_mut(),
                0,
                null_mut(),
                null_mut(),
                0,
            )
            .unwrap();
        let mut module = CUmodule::NULL;
        context
            .cuLibraryGetModule(&raw mut module, library)
            .unwrap();
        assert_eq!(
            word(&context, module, "architecture"),
            Ok(50),
            "{packing:?}"
        );
        context.cuLibraryUnload(library).unwrap();
    }
}

#[test]
fn the_older_call_loads_a_fat_binary() {
    let context = Context::primary();
    let image = fatbin(&[entry(50, Packing::Plain)]);
    let mut module = CUmodule::NULL;
    assert_eq!(
        context.cuModuleLoadFatBinary(&raw mut module, image.as_ptr().cast()),
        Ok(())
    );
    assert_eq!(word(&context, module, "architecture"), Ok(50));
    context.cuModuleUnload(module).unwrap();
}

#[test]
fn the_newest_ptx_that_the_device_can_run_is_chosen() {
    let context = Context::primary();
    let capability = capability(&context);
    let all = [50, 52, 60, 61, 70, 75, 80, 90];
    let best = |list: &[u32]| {
        list.iter()
            .copied()
            .filter(|&sm| sm <= capability)
            .max()
            .unwrap()
    };
    for list in [
        &all[..],
        &[90, 50],
        &[50, 90],
        &[61, 60, 52, 50],
        &[75, 61, 50],
        &[50, 80, 60],
    ] {
        let entries: Vec<_> = list.iter().map(|&sm| entry(sm, Packing::Plain)).collect();
        assert_eq!(
            chosen(&context, &fatbin(&entries)),
            Ok(best(list)),
            "{list:?} on {capability}"
        );
    }
}

#[test]
fn machine_code_for_other_devices_is_passed_over() {
    let context = Context::primary();
    let image = fatbin(&[Entry::elf(35), entry(50, Packing::Zstd), Entry::elf(37)]);
    assert_eq!(chosen(&context, &image), Ok(50));
}

#[test]
fn without_ptx_for_the_device_there_is_no_binary() {
    let context = Context::primary();
    let too_new = Entry::ptx(capability(&context) + 100, Packing::Plain, &ptx_of(50));
    for entries in [vec![Entry::elf(35)], vec![too_new], vec![]] {
        let image = fatbin(&entries);
        assert_eq!(
            chosen(&context, &image),
            Err(CUerror::NO_BINARY_FOR_GPU),
            "{} entries",
            entries.len()
        );
    }
    context.assert_works();
}

/// A buffer that holds an image with zeros behind it, so that a driver which
/// believes a corrupt length still reads the test's own memory.
fn padded(image: &[u8]) -> Vec<u8> {
    let mut bytes = image.to_vec();
    bytes.resize(image.len() + (1 << 20), 0);
    bytes
}

/// Loads what may be corrupt: any status will do, the process must survive it.
fn load_corrupt(context: &Context, image: &[u8]) {
    if let Ok(module) = load(context, &padded(image)) {
        // A module that loads may hold kernels or none, but it unloads.
        let _ = word(context, module, "architecture");
        context.cuModuleUnload(module).unwrap();
    }
}

fn samples() -> Vec<Vec<u8>> {
    PACKINGS
        .iter()
        .map(|&packing| fatbin(&[entry(50, packing), entry(61, packing), Entry::elf(90)]))
        .collect()
}

#[test]
fn a_magic_number_that_is_not_one_is_refused() {
    let context = Context::primary();
    for place in 0..4 {
        let mut image = fatbin(&[entry(50, Packing::Plain)]);
        image[place] ^= 0x55;
        assert!(load(&context, &padded(&image)).is_err(), "byte {place}");
    }
    context.assert_works();
}

#[test]
fn text_is_not_read_past_its_end() {
    let context = Context::primary();
    let text = image::terminated(&ptx_of(50));
    let pages = Pages::new(2);
    let start = PAGE - text.len();
    pages.write(&[vec![0; start], text].concat());
    pages.forbid_from(1);
    let mut module = CUmodule::NULL;
    let place = pages.as_void().wrapping_byte_add(start);
    assert_eq!(context.cuModuleLoadData(&raw mut module, place), Ok(()));
    assert_eq!(word(&context, module, "architecture"), Ok(50));
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    /// NVIDIA's driver refuses it where a module is loaded, as INVALID_IMAGE.
    #[test]
    fn a_module_is_loaded_from_the_structure_as_well() {
        require_pumice();
        let context = Context::primary();
        let image = fatbin(&[entry(50, Packing::Plain)]);
        let wrapper = Wrapper::single(&image);
        assert_eq!(chosen(&context, wrapper.as_bytes()), Ok(50));
        let mut module = CUmodule::NULL;
        let place = wrapper.as_bytes().as_ptr().cast();
        context
            .cuModuleLoadFatBinary(&raw mut module, place)
            .unwrap();
        assert_eq!(word(&context, module, "architecture"), Ok(50));
        context.cuModuleUnload(module).unwrap();
    }

    #[test]
    fn a_list_of_fat_binaries_is_searched_until_one_has_code() {
        require_pumice();
        let context = Context::primary();
        let (machine_code, ptx) = (
            fatbin(&[Entry::elf(35)]),
            fatbin(&[entry(50, Packing::Zstd)]),
        );
        for list in [
            vec![ptx.as_slice()],
            vec![&ptx, &machine_code],
            vec![&machine_code, &ptx],
        ] {
            assert_eq!(
                chosen(&context, Wrapper::list(&list).as_bytes()),
                Ok(50),
                "{} of them",
                list.len()
            );
        }
        let nothing = Wrapper::list(&[&machine_code, &machine_code]);
        assert_eq!(
            chosen(&context, nothing.as_bytes()),
            Err(CUerror::NO_BINARY_FOR_GPU)
        );
    }

    #[test]
    fn sizes_that_no_process_can_hold_are_refused() {
        require_pumice();
        let context = Context::primary();
        for stated in [1_u64 << 40, 1 << 62, u64::MAX, u64::MAX - 15] {
            let mut image = fatbin(&[entry(50, Packing::Plain)]);
            image[8..16].copy_from_slice(&stated.to_le_bytes());
            assert!(load(&context, &padded(&image)).is_err(), "{stated:#x}");
        }
        context.assert_works();
    }

    #[test]
    fn a_structure_that_points_nowhere_is_refused() {
        require_pumice();
        let context = Context::primary();
        let image = fatbin(&[entry(50, Packing::Plain)]);
        let mut wrapper = Wrapper::single(&image).as_bytes().to_vec();
        for pointer in [0_u64, 0x10, u64::MAX - 4096, 1 << 63] {
            wrapper[8..16].copy_from_slice(&pointer.to_le_bytes());
            assert!(load(&context, &wrapper).is_err(), "{pointer:#x}");
        }
        context.assert_works();
    }

    /// What NVIDIA's driver makes of this is nowhere documented.
    #[test]
    fn entries_of_an_unknown_kind_are_passed_over() {
        require_pumice();
        let context = Context::primary();
        let unknown = Entry {
            kind: 0x40,
            ..entry(50, Packing::Plain)
        };
        let image = fatbin(&[unknown, entry(50, Packing::Plain)]);
        assert_eq!(chosen(&context, &image), Ok(50));
    }

    /// NVIDIA's driver crashes on some of these, or never returns.
    #[test]
    fn every_single_corrupt_byte_of_the_headers_is_survived() {
        require_pumice();
        let context = Context::primary();
        for sample in samples() {
            // The total size at 8..16 is the only thing that bounds the image.
            for place in (0..8).chain(FATBIN_HEADER..FATBIN_HEADER + 64) {
                for value in [0x00, 0x7F, 0xFF] {
                    let mut image = sample.clone();
                    image[place] = value;
                    load_corrupt(&context, &image);
                }
            }
        }
        context.assert_works();
    }

    /// NVIDIA's driver crashes on some of these, or never returns.
    #[test]
    fn any_corrupt_bytes_are_survived() {
        require_pumice();
        let context = Context::primary();
        let samples = samples();
        let change = (FATBIN_HEADER..4000_usize, any::<u8>());
        let changes = (0..samples.len(), prop::collection::vec(change, 1..8));
        super::super::property(400, &changes, |(sample, changes)| {
            let mut image = samples[sample].clone();
            for (place, value) in changes {
                let place = FATBIN_HEADER + (place - FATBIN_HEADER) % (image.len() - FATBIN_HEADER);
                image[place] = value;
            }
            load_corrupt(&context, &image);
        });
        context.assert_works();
    }

    /// NVIDIA's driver crashes on some of these, or never returns.
    #[test]
    fn an_image_that_states_fewer_bytes_than_its_entries_need_is_survived() {
        require_pumice();
        let context = Context::primary();
        for sample in samples() {
            let whole = sample.len() - FATBIN_HEADER;
            for stated in (0..whole).step_by(7).chain([whole - 1]) {
                let mut image = sample.clone();
                image[8..16].copy_from_slice(&(stated as u64).to_le_bytes());
                load_corrupt(&context, &image);
            }
        }
        context.assert_works();
    }

    /// What NVIDIA's driver makes of this is nowhere documented.
    #[test]
    fn an_image_is_not_read_past_the_bytes_it_states() {
        require_pumice();
        let context = Context::primary();
        for packing in PACKINGS {
            let image = fatbin(&[entry(50, packing)]);
            let pages = Pages::new(image.len().div_ceil(PAGE) + 1);
            let readable = pages.len - PAGE;
            let start = readable - image.len();
            pages.write(&[vec![0; start], image.clone()].concat());
            pages.forbid_from(readable / PAGE);
            let mut module = CUmodule::NULL;
            let place = pages.as_void().wrapping_byte_add(start);
            assert_eq!(
                context.cuModuleLoadData(&raw mut module, place),
                Ok(()),
                "{packing:?}"
            );
            assert_eq!(word(&context, module, "architecture"), Ok(50));
        }
    }
}
