use std::fs;
use std::sync::Arc;

use rspirv::binary::Assemble;
use rspirv::dr::{Builder, Operand};
use rspirv::spirv::{
    AddressingModel, BuiltIn, Capability, Decoration, ExecutionMode, ExecutionModel,
    FunctionControl, MemoryAccess, MemoryModel, StorageClass,
};
use vulkan::{Error, Pipeline, PipelineDescription, Placement};

use crate::rig::{Rig, bytes, set_bytes};

/// `words[WorkgroupId.x * local_size + LocalInvocationIndex] += FACTOR * addend`
/// where FACTOR is specialization constant 7 (1 unless set), the workgroup has
/// 32 invocations, and the push constants are the address of `words` (u64) and
/// `addend` (u32).
fn add_shader() -> Vec<u32> {
    let mut b = Builder::new();
    b.set_version(1, 5);
    for capability in [
        Capability::Shader,
        Capability::Int64,
        Capability::PhysicalStorageBufferAddresses,
        Capability::VulkanMemoryModel,
        Capability::VulkanMemoryModelDeviceScope,
    ] {
        b.capability(capability);
    }
    b.memory_model(
        AddressingModel::PhysicalStorageBuffer64,
        MemoryModel::Vulkan,
    );
    let (void, word, wide) = (b.type_void(), b.type_int(32, 0), b.type_int(64, 0));
    let triple = b.type_vector(word, 3);
    let factor = b.spec_constant_bit32(word, 1);
    b.decorate(factor, Decoration::SpecId, [Operand::LiteralBit32(7)]);
    let block = b.type_struct([wide, word]);
    b.decorate(block, Decoration::Block, []);
    b.member_decorate(block, 0, Decoration::Offset, [Operand::LiteralBit32(0)]);
    b.member_decorate(block, 1, Decoration::Offset, [Operand::LiteralBit32(8)]);
    let pointer = |b: &mut Builder, class, to| b.type_pointer(None, class, to);
    let block_pointer = pointer(&mut b, StorageClass::PushConstant, block);
    let push = b.variable(block_pointer, None, StorageClass::PushConstant, None);
    let triple_pointer = pointer(&mut b, StorageClass::Input, triple);
    let group = b.variable(triple_pointer, None, StorageClass::Input, None);
    b.decorate(
        group,
        Decoration::BuiltIn,
        [Operand::BuiltIn(BuiltIn::WorkgroupId)],
    );
    let word_input = pointer(&mut b, StorageClass::Input, word);
    let local = b.variable(word_input, None, StorageClass::Input, None);
    b.decorate(
        local,
        Decoration::BuiltIn,
        [Operand::BuiltIn(BuiltIn::LocalInvocationIndex)],
    );
    let global = pointer(&mut b, StorageClass::PhysicalStorageBuffer, word);
    let wide_push = pointer(&mut b, StorageClass::PushConstant, wide);
    let word_push = pointer(&mut b, StorageClass::PushConstant, word);
    let [zero, one, four, size] = [0, 1, 4, 32].map(|value| b.constant_bit32(word, value));
    let signature = b.type_function(void, []);
    let main = b
        .begin_function(void, None, FunctionControl::NONE, signature)
        .unwrap();
    b.begin_block(None).unwrap();
    let base = b.access_chain(wide_push, None, push, [zero]).unwrap();
    let base = b.load(wide, None, base, None, []).unwrap();
    let addend = b.access_chain(word_push, None, push, [one]).unwrap();
    let addend = b.load(word, None, addend, None, []).unwrap();
    let groups = b.load(triple, None, group, None, []).unwrap();
    let number = b.composite_extract(word, None, groups, [0]).unwrap();
    let lane = b.load(word, None, local, None, []).unwrap();
    let first = b.i_mul(word, None, number, size).unwrap();
    let index = b.i_add(word, None, first, lane).unwrap();
    let offset = b.i_mul(word, None, index, four).unwrap();
    let offset = b.u_convert(wide, None, offset).unwrap();
    let address = b.i_add(wide, None, base, offset).unwrap();
    let place = b.convert_u_to_ptr(global, None, address).unwrap();
    let aligned = || (Some(MemoryAccess::ALIGNED), [Operand::LiteralBit32(4)]);
    let (access, alignment) = aligned();
    let old = b.load(word, None, place, access, alignment).unwrap();
    let product = b.i_mul(word, None, addend, factor).unwrap();
    let sum = b.i_add(word, None, old, product).unwrap();
    let (access, alignment) = aligned();
    b.store(place, sum, access, alignment).unwrap();
    b.ret().unwrap();
    b.end_function().unwrap();
    b.entry_point(ExecutionModel::GLCompute, main, "add", [push, group, local]);
    b.execution_mode(main, ExecutionMode::LocalSize, [32, 1, 1]);
    b.module().assemble()
}

fn description(spirv: &[u32]) -> PipelineDescription<'_> {
    PipelineDescription {
        spirv,
        entry: "add",
        push_constant_size: 12,
        ..Default::default()
    }
}

fn push(address: u64, addend: u32) -> Vec<u8> {
    [address.to_ne_bytes().as_slice(), &addend.to_ne_bytes()].concat()
}

/// Runs `pipeline` over 10 workgroups and answers with what each word grew by,
/// which must be the same for all.
fn growth(rig: &Rig, pipeline: &Arc<Pipeline>, addend: u32) -> u32 {
    let memory = rig
        .device
        .allocate(4 * 320, Placement::Host)
        .expect("memory");
    set_bytes(&memory, 0, &[0; 4 * 320]);
    let push = push(memory.device_address(), addend);
    rig.run(|recorder| {
        for _ in 0..3 {
            recorder
                .dispatch(pipeline, &push, [10, 1, 1])
                .expect("a dispatch");
            recorder.barrier();
        }
    });
    let words: Vec<_> = bytes(&memory, 0, 4 * 320)
        .chunks(4)
        .map(|word| u32::from_ne_bytes(word.try_into().unwrap()))
        .collect();
    assert!(words.iter().all(|&word| word == words[0]), "{words:?}");
    words[0]
}

#[test]
fn a_kernel_reaches_memory_by_address() {
    let rig = Rig::new();
    let spirv = add_shader();
    let pipeline = rig
        .device
        .pipeline(&description(&spirv))
        .expect("a pipeline");
    assert_eq!(growth(&rig, &pipeline, 5), 15);
}

#[test]
fn specialization_constants_and_subgroup_sizes_are_applied() {
    let rig = Rig::new();
    let spirv = add_shader();
    let special = PipelineDescription {
        specialization: &[(7, 11)],
        ..description(&spirv)
    };
    assert_eq!(
        growth(&rig, &rig.device.pipeline(&special).expect("a pipeline"), 2),
        66
    );

    let subgroup = rig.device.physical().subgroup();
    let exact = PipelineDescription {
        subgroup_size: subgroup.size_selectable.then_some(subgroup.default_size),
        full_subgroups: rig.device.physical().features().full_subgroups,
        ..description(&spirv)
    };
    assert_eq!(
        growth(&rig, &rig.device.pipeline(&exact).expect("a pipeline"), 1),
        3
    );
    let odd = PipelineDescription {
        subgroup_size: Some(subgroup.max_size * 2),
        ..description(&spirv)
    };
    assert!(matches!(
        rig.device.pipeline(&odd),
        Err(Error::FeatureNotPresent { .. })
    ));
}

#[test]
fn grids_beyond_what_lavapipe_reports_run() {
    let rig = Rig::new();
    let groups = 100_000u32;
    let most = rig.device.physical().limits().workgroup_count_accepted[0];
    assert!(most >= 65_535);
    if most < groups {
        return;
    }
    let spirv = add_shader();
    let pipeline = rig
        .device
        .pipeline(&description(&spirv))
        .expect("a pipeline");
    let len = 4 * 32 * u64::from(groups);
    let memory = rig.device.allocate(len, Placement::Host).expect("memory");
    set_bytes(&memory, 0, &vec![0; len as usize]);
    let push = push(memory.device_address(), 1);
    rig.run(|recorder| {
        recorder
            .dispatch(&pipeline, &push, [groups, 1, 1])
            .expect("a dispatch")
    });
    assert!(
        bytes(&memory, 0, len as usize)
            .chunks(4)
            .all(|word| word == 1u32.to_ne_bytes())
    );
}

#[test]
fn what_a_pipeline_cannot_take_is_refused() {
    let rig = Rig::new();
    let spirv = add_shader();
    let pipeline = rig
        .device
        .pipeline(&description(&spirv))
        .expect("a pipeline");
    let mut recorder = rig.queue.recorder().expect("a recorder");
    for push in [&[0u8; 16][..], &[0u8; 10]] {
        let refused = recorder.dispatch(&pipeline, push, [1; 3]);
        assert!(
            matches!(refused, Err(Error::InvalidArgument { .. })),
            "{refused:?}"
        );
    }
    let most = rig.device.physical().limits().push_constants;
    for size in [most + 4, 6] {
        let wide = PipelineDescription {
            push_constant_size: size,
            ..description(&spirv)
        };
        assert!(matches!(
            rig.device.pipeline(&wide),
            Err(Error::InvalidArgument { .. })
        ));
    }
    let nul = PipelineDescription {
        entry: "a\0b",
        ..description(&spirv)
    };
    assert!(matches!(
        rig.device.pipeline(&nul),
        Err(Error::InvalidArgument { .. })
    ));
}

#[test]
fn a_pipeline_cache_survives_its_file_and_refuses_a_damaged_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pipelines");
    let spirv = add_shader();
    let rig = Rig::new();
    assert_eq!(
        rig.device.load_pipeline_cache(&path),
        Ok(false),
        "there is no file yet"
    );
    rig.device
        .pipeline(&description(&spirv))
        .expect("a pipeline");
    rig.device
        .store_pipeline_cache(&path, u64::MAX)
        .expect("stored");
    assert_eq!(
        fs::read_dir(directory.path()).expect("a directory").count(),
        1,
        "no file is left over"
    );

    let other = Rig::new();
    assert_eq!(other.device.load_pipeline_cache(&path), Ok(true));
    assert_eq!(
        growth(
            &other,
            &other
                .device
                .pipeline(&description(&spirv))
                .expect("a pipeline"),
            4
        ),
        12
    );

    let whole = fs::read(&path).expect("a file");
    for damage in [
        whole[..whole.len() - 1].to_vec(),
        Vec::new(),
        vec![0; whole.len()],
        {
            let mut flipped = whole.clone();
            flipped[whole.len() - 1] ^= 1;
            flipped
        },
    ] {
        fs::write(&path, damage).expect("written");
        let refused = rig.device.load_pipeline_cache(&path);
        assert!(matches!(refused, Err(Error::Cache { .. })), "{refused:?}");
    }
    let unwritable = directory.path().join("missing").join("pipelines");
    assert!(matches!(
        rig.device.store_pipeline_cache(&unwritable, u64::MAX),
        Err(Error::Cache { .. })
    ));
    assert_eq!(
        growth(
            &rig,
            &rig.device
                .pipeline(&description(&spirv))
                .expect("a pipeline"),
            1
        ),
        3
    );
}

#[test]
fn the_self_test_and_the_probes_agree_with_the_device() {
    let rig = Rig::new();
    let physical = rig.device.physical();
    let findings = vulkan::self_test(&rig.device).expect("a sane driver");
    let subgroup = physical.subgroup();
    assert!(
        (subgroup.min_size..=subgroup.max_size).contains(&findings.subgroup_size),
        "{findings:?}"
    );

    let arithmetic = vulkan::probe_arithmetic(&rig.device).expect("a sane driver");
    assert!(!arithmetic.contracts_against_orders, "{arithmetic:?}");
    let accuracy = arithmetic.accuracy;
    // Bounds of the Vulkan specification's "Precision of Operations".
    assert!(
        accuracy.division_ulp <= 2.5 && accuracy.reciprocal_ulp <= 2.5,
        "{accuracy:?}"
    );
    assert!(
        accuracy.sin_absolute <= 0.0005 && accuracy.cos_absolute <= 0.0005,
        "{accuracy:?}"
    );
    assert!(accuracy.inverse_sqrt_relative <= 3e-7, "{accuracy:?}");

    if physical.is_lavapipe() {
        // Its compiler drops a conversion there and back; the probe must not
        // be fooled by that.
        assert_eq!(arithmetic.half_conversion_rounds_to_nearest, Some(true));
    }

    let exits = vulkan::exits_past_barriers(&rig.device).expect("the probe ends");
    if physical.is_lavapipe() {
        assert!(
            !exits,
            "lavapipe's barriers end with the first invocation that leaves"
        );
    }
}
