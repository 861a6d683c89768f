//! Launching kernels.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use abi::cuda::{
    CU_STREAM_PER_THREAD, CUdevice_attribute, CUdeviceptr, CUfunction, CUfunction_attribute,
    CUkernel, CUlaunchConfig, CUlibrary, CUmodule, CUstream,
};
use abi::{CUerror, CUresult};
use tests::context::{Context, NON_BLOCKING};
use tests::image::{LAUNCHED, terminated};
use tests::memory::{Allocation, assert_bytes, pattern, read};
use tests::process::in_child;

/// A grid or a block.
type Dim3 = (u32, u32, u32);

/// How a kernel is launched.
#[derive(Clone, Copy)]
struct Launch {
    grid: Dim3,
    block: Dim3,
    shared: u32,
    stream: CUstream,
}

fn over(grid: Dim3, block: Dim3) -> Launch {
    Launch {
        grid,
        block,
        shared: 0,
        stream: CUstream::NULL,
    }
}

impl Launch {
    fn run(
        self,
        context: &Context,
        function: CUfunction,
        parameters: &mut [*mut c_void],
    ) -> CUresult {
        let parameters = if parameters.is_empty() {
            null_mut()
        } else {
            parameters.as_mut_ptr()
        };
        self.run_with(context, function, parameters, null_mut())
    }

    fn run_with(
        self,
        context: &Context,
        function: CUfunction,
        parameters: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> CUresult {
        let (grid, block) = (self.grid, self.block);
        context.cuLaunchKernel(
            function,
            grid.0,
            grid.1,
            grid.2,
            block.0,
            block.1,
            block.2,
            self.shared,
            self.stream,
            parameters,
            extra,
        )
    }

    fn threads(self) -> usize {
        [
            self.grid.0,
            self.grid.1,
            self.grid.2,
            self.block.0,
            self.block.1,
            self.block.2,
        ]
        .map(|count| count as usize)
        .iter()
        .product()
    }
}

fn module(context: &Context) -> CUmodule {
    context.module(&terminated(LAUNCHED))
}

/// The address of a value that is passed to a kernel.
fn argument<T>(value: &mut T) -> *mut c_void {
    std::ptr::from_mut(value).cast()
}

/// What `enumerate` writes.
fn enumeration(threads: usize) -> Vec<u8> {
    (0..threads as u32)
        .flat_map(|index| (3 * index).to_le_bytes())
        .collect()
}

fn check_enumeration(context: &Context, enumerate: CUfunction, launch: Launch) {
    let threads = launch.threads();
    let target = context.upload(&vec![0xEE; threads * 4 + 64]);
    let mut address = target.base;
    launch
        .run(context, enumerate, &mut [argument(&mut address)])
        .unwrap();
    context.cuCtxSynchronize().unwrap();
    let what = format_args!("grid {:?}, block {:?}", launch.grid, launch.block);
    let written = target.read();
    assert_bytes(&written[..threads * 4], &enumeration(threads), what);
    assert_bytes(&written[threads * 4..], &[0xEE; 64], what);
}

#[test]
fn every_thread_of_the_grid_runs_once_with_its_indices() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    for (grid, block) in [
        ((1, 1, 1), (1, 1, 1)),
        ((1, 1, 1), (31, 1, 1)),
        ((3, 1, 1), (33, 1, 1)),
        ((2, 2, 2), (40, 1, 1)),
        ((2, 1, 1), (1023, 1, 1)),
        ((4, 1, 1), (1024, 1, 1)),
        ((3, 5, 7), (5, 3, 7)),
        ((1, 1, 1), (8, 8, 16)),
        ((1, 1, 1), (1, 1, 64)),
        ((1000, 1, 1), (32, 1, 1)),
        ((1, 300, 1), (16, 1, 1)),
        ((1, 1, 300), (16, 1, 1)),
    ] {
        check_enumeration(&context, enumerate, over(grid, block));
    }
}

#[test]
fn grids_reach_the_limits_that_the_device_reports() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    for grid in [(70_000, 1, 1), (1, 65_535, 1), (1, 1, 65_535)] {
        check_enumeration(&context, enumerate, over(grid, (1, 1, 1)));
    }
}

#[test]
fn parameters_arrive_at_their_offsets() {
    let context = Context::primary();
    let function = context.function(module(&context), "parameters");
    let target = context.upload(&[0; 16]);
    let (mut address, mut byte, mut half) = (target.base, 0xA5_u8, 0x1234_u16);
    let (mut word, mut float) = (0x0123_4567_89AB_CDEF_u64, 1.5_f32);
    let mut parameters = [
        argument(&mut address),
        argument(&mut byte),
        argument(&mut half),
        argument(&mut word),
        argument(&mut float),
    ];
    over((1, 1, 1), (1, 1, 1))
        .run(&context, function, &mut parameters)
        .unwrap();
    let mut expected = vec![0xA5, 0, 0x34, 0x12];
    expected.extend_from_slice(&1.5_f32.to_le_bytes());
    expected.extend_from_slice(&0x0123_4567_89AB_CDEF_u64.to_le_bytes());
    assert_bytes(&target.read(), &expected, format_args!("parameters"));
}

/// `CU_LAUNCH_PARAM_BUFFER_POINTER`, `_BUFFER_SIZE` and `_END`.
fn packed(buffer: &mut [u8], size: &mut usize) -> [*mut c_void; 5] {
    let key = std::ptr::without_provenance_mut;
    [
        key(1),
        buffer.as_mut_ptr().cast(),
        key(2),
        argument(size),
        key(0),
    ]
}

#[test]
fn parameters_may_come_in_one_buffer() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    let target = context.allocate(64 * 4);
    let (mut buffer, mut size) = (target.base.0.to_le_bytes(), 8);
    let mut extra = packed(&mut buffer, &mut size);
    let launch = over((2, 1, 1), (32, 1, 1));
    assert_eq!(
        launch.run_with(&context, enumerate, null_mut(), extra.as_mut_ptr()),
        Ok(())
    );
    assert_bytes(
        &target.read(),
        &enumeration(64),
        format_args!("by a buffer"),
    );
    let mut address = target.base;
    let mut both = [argument(&mut address)];
    let refused = launch.run_with(&context, enumerate, both.as_mut_ptr(), extra.as_mut_ptr());
    assert_eq!(refused, Err(CUerror::INVALID_VALUE), "by both ways at once");
}

#[test]
fn parameters_are_taken_at_the_call() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    let (first, second) = (context.upload(&[0; 256]), context.upload(&[0; 256]));
    let mut address = first.base;
    let launch = Launch {
        stream: context.stream(NON_BLOCKING),
        ..over((2, 1, 1), (32, 1, 1))
    };
    launch
        .run(&context, enumerate, &mut [argument(&mut address)])
        .unwrap();
    address = second.base;
    launch
        .run(&context, enumerate, &mut [argument(&mut address)])
        .unwrap();
    address = CUdeviceptr::NULL;
    context.cuCtxSynchronize().unwrap();
    assert!(address.is_null());
    assert_bytes(
        &first.read(),
        &enumeration(64),
        format_args!("the first launch"),
    );
    assert_bytes(
        &second.read(),
        &enumeration(64),
        format_args!("the second launch"),
    );
}

fn launches(context: &Context, module: CUmodule) -> u32 {
    let (mut address, mut size) = (CUdeviceptr::NULL, 0);
    let name = c"launches".as_ptr();
    context
        .cuModuleGetGlobal_v2(&raw mut address, &raw mut size, module, name)
        .unwrap();
    u32::from_le_bytes(read(context, address, size).try_into().unwrap())
}

#[test]
fn kernels_share_the_variables_of_their_module() {
    let context = Context::primary();
    let (first, second) = (module(&context), module(&context));
    let count = context.function(first, "count");
    for _ in 0..10 {
        over((3, 1, 1), (40, 1, 1))
            .run(&context, count, &mut [])
            .unwrap();
    }
    assert_eq!(launches(&context, first), 5 + 10 * 3 * 40);
    assert_eq!(
        launches(&context, second),
        5,
        "another load has variables of its own"
    );
}

#[test]
fn dynamic_shared_memory_is_as_large_as_asked_for() {
    let context = Context::primary();
    let reverse = context.function(module(&context), "reverse_dynamic");
    for threads in [32_u32, 33, 100, 1024] {
        let bytes = pattern(threads as usize * 4, threads.into());
        let target = context.upload(&bytes);
        let mut address = target.base;
        let launch = Launch {
            shared: threads * 4,
            ..over((1, 1, 1), (threads, 1, 1))
        };
        launch
            .run(&context, reverse, &mut [argument(&mut address)])
            .unwrap();
        let reversed: Vec<u8> = bytes.chunks_exact(4).rev().flatten().copied().collect();
        assert_bytes(&target.read(), &reversed, format_args!("{threads} threads"));
    }
}

#[test]
fn a_launch_keeps_its_place_in_its_stream() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    for stream in [
        CUstream::NULL,
        CU_STREAM_PER_THREAD,
        context.stream(0),
        context.stream(NON_BLOCKING),
    ] {
        let (device, target) = (context.allocate(4096), context.pinned(4096));
        let mut address = device.base;
        let launch = Launch {
            stream,
            ..over((4, 1, 1), (128, 1, 1))
        };
        context
            .cuMemsetD8Async(device.base, 0xFF, 4096, stream)
            .unwrap();
        launch
            .run(&context, enumerate, &mut [argument(&mut address)])
            .unwrap();
        context
            .cuMemcpyDtoHAsync_v2(target.as_void(), device.base, 4096, stream)
            .unwrap();
        context
            .cuMemsetD8Async(device.base, 0, 4096, stream)
            .unwrap();
        context.cuStreamSynchronize(stream).unwrap();
        let mut expected = vec![0xFF; 4096];
        expected[..2048].copy_from_slice(&enumeration(512));
        assert_bytes(&target.read(), &expected, format_args!("{stream:?}"));
    }
}

#[test]
fn the_extended_call_launches_alike() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    let target = context.allocate(64 * 4);
    let mut address = target.base;
    let config = CUlaunchConfig {
        gridDimX: 2,
        gridDimY: 1,
        gridDimZ: 1,
        blockDimX: 32,
        blockDimY: 1,
        blockDimZ: 1,
        sharedMemBytes: 0,
        hStream: CUstream::NULL,
        attrs: null_mut(),
        numAttrs: 0,
    };
    let mut parameters = [argument(&mut address)];
    context
        .cuLaunchKernelEx(
            &raw const config,
            enumerate,
            parameters.as_mut_ptr(),
            null_mut(),
        )
        .unwrap();
    assert_bytes(
        &target.read(),
        &enumeration(64),
        format_args!("by a configuration"),
    );
    let unconfigured =
        context.cuLaunchKernelEx(null(), enumerate, parameters.as_mut_ptr(), null_mut());
    assert_eq!(unconfigured, Err(CUerror::INVALID_VALUE));
}

#[test]
fn a_kernel_of_a_library_is_launched_like_a_function() {
    let context = Context::primary();
    let (mut library, mut kernel) = (CUlibrary::NULL, CUkernel::NULL);
    let (code, none) = (terminated(LAUNCHED), null_mut());
    context
        .cuLibraryLoadData(
            &raw mut library,
            code.as_ptr().cast(),
            none,
            null_mut(),
            0,
            null_mut(),
            null_mut(),
            0,
        )
        .unwrap();
    context
        .cuLibraryGetKernel(&raw mut kernel, library, c"enumerate".as_ptr())
        .unwrap();
    check_enumeration(&context, CUfunction(kernel.0), over((2, 1, 1), (48, 1, 1)));
}

/// A kernel whose threads write 4 KiB of local memory by generic addresses, read it
/// back and count themselves if they find what they wrote. Which memory an address
/// is of depends on a parameter, so that no compiler keeps it in registers.
const LOCAL: &str = ".version 6.0
.target sm_50
.address_size 64
.visible .entry local(.param .u64 counter, .param .u64 elsewhere, .param .u32 which) {
    .local .align 8 .b8 depot[4096];
    .reg .pred %p<4>;
    .reg .b32 %r<20>;
    .reg .b64 %rd<9>;
    ld.param.u64 %rd1, [counter];
    ld.param.u64 %rd2, [elsewhere];
    ld.param.u32 %r1, [which];
    mov.u64 %rd3, depot;
    cvta.local.u64 %rd4, %rd3;
    setp.ne.u32 %p1, %r1, 0;
    selp.b64 %rd5, %rd2, %rd4, %p1;
    mov.u32 %r2, %ctaid.x;
    mov.u32 %r3, %ctaid.y;
    mov.u32 %r4, %ctaid.z;
    mov.u32 %r5, %tid.x;
    mad.lo.u32 %r6, %r4, 7919, %r3;
    mad.lo.u32 %r6, %r6, 104729, %r2;
    mad.lo.u32 %r6, %r6, 64, %r5;
    mov.u32 %r7, 0;
WRITE:
    mul.wide.u32 %rd6, %r7, 256;
    add.u64 %rd6, %rd5, %rd6;
    add.u32 %r8, %r6, %r7;
    st.u32 [%rd6], %r8;
    add.u32 %r7, %r7, 1;
    setp.lt.u32 %p2, %r7, 16;
    @%p2 bra WRITE;
    mov.u32 %r7, 0;
    mov.u32 %r9, 0;
READ:
    mul.wide.u32 %rd6, %r7, 256;
    add.u64 %rd6, %rd5, %rd6;
    add.u32 %r8, %r6, %r7;
    ld.u32 %r10, [%rd6];
    xor.b32 %r10, %r10, %r8;
    or.b32 %r9, %r9, %r10;
    add.u32 %r7, %r7, 1;
    setp.lt.u32 %p2, %r7, 16;
    @%p2 bra READ;
    setp.ne.u32 %p3, %r9, 0;
    @%p3 bra DONE;
    atom.global.add.u32 %r11, [%rd1], 1;
DONE:
    ret;
}
";

#[test]
fn threads_have_local_memory_of_their_own_however_large_the_grid() {
    let context = Context::primary();
    let function = context.function(context.module(&terminated(LOCAL)), "local");
    for grid in [
        (1 << 20, 1, 1),
        (1, 60_000, 1),
        (3, 50, 200),
        (1, 2, 65_535),
    ] {
        let counter = context.upload(&[0; 4]);
        let launch = over(grid, (3, 1, 1));
        let (mut place, mut elsewhere, mut which) = (counter.base, CUdeviceptr::NULL, 0_u32);
        let mut parameters = [
            argument(&mut place),
            argument(&mut elsewhere),
            argument(&mut which),
        ];
        launch.run(&context, function, &mut parameters).unwrap();
        context.cuCtxSynchronize().unwrap();
        let threads = launch.threads() as u32;
        assert_eq!(counter.read(), threads.to_le_bytes(), "{grid:?}");
    }
}

#[test]
fn a_shape_that_no_device_has_is_refused() {
    let context = Context::primary();
    let enumerate = context.function(module(&context), "enumerate");
    let mut address = CUdeviceptr::NULL;
    let one = (1, 1, 1);
    for (grid, block) in [
        ((0, 1, 1), one),
        ((1, 0, 1), one),
        ((1, 1, 0), one),
        (one, (0, 1, 1)),
        (one, (1, 0, 1)),
        (one, (1, 1, 0)),
        (one, (1025, 1, 1)),
        (one, (1024, 2, 1)),
        (one, (1, 1, 65)),
        (one, (33, 32, 1)),
        ((1, 65_536, 1), one),
        ((1, 1, 65_536), one),
        ((u32::MAX, 1, 1), one),
    ] {
        let result = over(grid, block).run(&context, enumerate, &mut [argument(&mut address)]);
        assert_eq!(
            result,
            Err(CUerror::INVALID_VALUE),
            "grid {grid:?}, block {block:?}"
        );
    }
    context.assert_works();
}

#[test]
fn more_shared_memory_than_allowed_is_refused() {
    let context = Context::primary();
    let reverse = context.function(module(&context), "reverse_dynamic");
    let target: Allocation = context.allocate(4096);
    let mut address = target.base;
    let most = context.attribute(CUdevice_attribute::MAX_SHARED_MEMORY_PER_BLOCK_OPTIN) as u32;
    let default = context.attribute(CUdevice_attribute::MAX_SHARED_MEMORY_PER_BLOCK) as u32;
    let mut launch = |shared| {
        let launch = Launch {
            shared,
            ..over((1, 1, 1), (32, 1, 1))
        };
        launch.run(&context, reverse, &mut [argument(&mut address)])
    };
    assert_eq!(launch(default), Ok(()));
    for shared in [default + 1, most + 1, u32::MAX] {
        assert_eq!(launch(shared), Err(CUerror::INVALID_VALUE), "{shared}");
    }
    let attribute = CUfunction_attribute::MAX_DYNAMIC_SHARED_SIZE_BYTES;
    context
        .cuFuncSetAttribute(reverse, attribute, most as i32)
        .unwrap();
    assert_eq!(launch(most), Ok(()));
    context.cuCtxSynchronize().unwrap();
    context.assert_works();
}

#[test]
fn a_launch_of_nothing_is_refused() {
    let context = Context::primary();
    let result = over((1, 1, 1), (1, 1, 1)).run(&context, CUfunction::NULL, &mut []);
    assert_eq!(result, Err(CUerror::INVALID_HANDLE));
    let enumerate = context.function(module(&context), "enumerate");
    let without = over((1, 1, 1), (1, 1, 1)).run(&context, enumerate, &mut []);
    assert_eq!(
        without,
        Err(CUerror::INVALID_VALUE),
        "the kernel has a parameter"
    );
    context.assert_works();
}

#[test]
fn launches_from_many_threads_all_run() {
    let context = Context::primary();
    let module = module(&context);
    let count = context.function(module, "count");
    let (driver, handle) = (context.driver(), context.handle);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(move || {
                driver.cuCtxSetCurrent(handle).unwrap();
                for _ in 0..50 {
                    let stream = CU_STREAM_PER_THREAD;
                    driver
                        .cuLaunchKernel(count, 1, 1, 1, 32, 1, 1, 0, stream, null_mut(), null_mut())
                        .unwrap();
                }
                driver.cuStreamSynchronize(CU_STREAM_PER_THREAD).unwrap();
            });
        }
    });
    assert_eq!(launches(&context, module), 5 + 4 * 50 * 32);
}

#[test]
fn a_trap_ends_the_context_and_every_later_call_says_so() {
    let answer = in_child(&[], || {
        let context = Context::primary();
        let trapped = context.function(module(&context), "trapped");
        over((1, 1, 1), (1, 1, 1))
            .run(&context, trapped, &mut [])
            .unwrap();
        let (seen, mut address) = (context.cuCtxSynchronize(), CUdeviceptr::NULL);
        assert_eq!(context.cuCtxSynchronize(), seen, "the error stays");
        assert_eq!(context.cuMemAlloc_v2(&raw mut address, 16), seen);
        format!("{seen:?}")
    });
    assert_eq!(answer.value, "Err(CUDA_ERROR_LAUNCH_FAILED)");
}

mod on_pumice {
    use super::*;
    use tests::target::require_pumice;

    #[test]
    fn a_trap_is_told_with_its_kernel_and_its_line() {
        require_pumice();
        let answer = in_child(&[], || {
            let context = Context::primary();
            let trapped = context.function(module(&context), "trapped");
            let launched = over((1, 1, 1), (1, 1, 1)).run(&context, trapped, &mut []);
            format!("{:?}", launched.and_then(|()| context.cuCtxSynchronize()))
        });
        assert_eq!(answer.value, "Err(CUDA_ERROR_LAUNCH_FAILED)");
        let line = LAUNCHED.lines().position(|line| line.contains("trap;"));
        let place = format!("line {}: trap;", line.unwrap() + 1);
        let mut lines = answer.stderr.lines();
        let told = lines.any(|line| line.contains("`trapped`") && line.contains(&place));
        assert!(told, "{}", answer.stderr);
    }
}
