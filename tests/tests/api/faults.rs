//! What programs hand over by mistake, and kernels that go wrong: the status, and
//! that everything else keeps working.

use std::ptr::null_mut;

use abi::CUerror;
use abi::cuda::{CUfunction, CUmodule, CUstream};
use tests::context::Context;
use tests::image::terminated;

/// The directives of a text, and a kernel `sound`, which writes 7 to its parameter.
const SOUND: &str = ".version 6.0\n.target sm_50\n.address_size 64\n\
    .visible .entry sound(.param .u64 place) {\n\
    .reg .b64 %rd<2>;\n.reg .b32 %r<2>;\n\
    ld.param.u64 %rd1, [place];\nmov.u32 %r1, 7;\n\
    st.global.u32 [%rd1], %r1;\nret;\n}\n";

/// A text with `sound` and a kernel `other` with this body.
fn with_body(body: &str) -> String {
    format!("{SOUND}.visible .entry other(.param .u64 place) {{\n{body}\n}}\n")
}

fn load(context: &Context, ptx: &str) -> Result<CUmodule, CUerror> {
    let mut module = CUmodule::NULL;
    let text = terminated(ptx);
    context
        .cuModuleLoadData(&raw mut module, text.as_ptr().cast())
        .map(|()| module)
}

/// Launches one thread of a kernel with one parameter.
fn launch(context: &Context, function: CUfunction, mut place: usize) -> Result<(), CUerror> {
    let mut parameters = [(&raw mut place).cast()];
    let stream = CUstream::NULL;
    let array = parameters.as_mut_ptr();
    context.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, array, null_mut())?;
    context.cuCtxSynchronize()
}

fn assert_sound(context: &Context, module: CUmodule) {
    let place = context.upload(&[0; 4]);
    launch(context, context.function(module, "sound"), place.base.0).unwrap();
    assert_eq!(place.read(), [7, 0, 0, 0]);
}

/// Loads a text and launches its kernel `other`: the first status that is no success.
fn status_of(context: &Context, ptx: &str) -> Result<(), CUerror> {
    let place = context.upload(&[0; 64]);
    let module = load(context, ptx)?;
    let function = context.function(module, "other");
    launch(context, function, place.base.0)
}

const MALFORMED: &[(&str, &str)] = &[
    ("no semicolon", "ret"),
    ("no register", "mov.u32 , 7;\nret;"),
    ("an undeclared register", "mov.u32 %r9, 7;\nret;"),
    ("a label that is nowhere", "bra NOWHERE;\nret;"),
    (
        "an operand too few",
        ".reg .b32 %r<2>;\nadd.u32 %r1, %r1;\nret;",
    ),
    (
        "an instruction that does not exist",
        "frobnicate.u32 7;\nret;",
    ),
    (
        "a type that does not exist",
        ".reg .b32 %r<2>;\nmov.u33 %r1, 7;\nret;",
    ),
    ("an open brace", "{ ret;"),
    (
        "a number as a target",
        ".reg .b32 %r<2>;\nmov.u32 7, %r1;\nret;",
    ),
];

#[test]
fn malformed_kernels_are_invalid_ptx() {
    let context = Context::primary();
    for (what, body) in MALFORMED {
        let status = status_of(&context, &with_body(body));
        assert_eq!(status, Err(CUerror::INVALID_PTX), "{what}");
        assert_sound(&context, load(&context, SOUND).unwrap());
    }
}

#[test]
fn text_that_is_cut_off_is_refused() {
    let context = Context::primary();
    let whole = with_body("ret;");
    let body = whole.find("other").unwrap();
    // The last line and the brace before it are needed.
    for end in [body, body + 4, body + 20, whole.len() - 3] {
        let status = load(&context, &whole[..end]).map(|_| ());
        assert_eq!(status, Err(CUerror::INVALID_PTX), "{:?}", &whole[body..end]);
    }
    context.assert_works();
}

#[test]
fn more_shared_memory_than_the_device_has_is_refused() {
    let context = Context::primary();
    for bytes in [1 << 19, 1 << 30] {
        let body = format!(
            ".shared .align 4 .b8 tile[{bytes}];\n.reg .b32 %r<3>;\n\
             mov.u32 %r1, tile;\nst.shared.u32 [%r1], 1;\nret;"
        );
        assert!(status_of(&context, &with_body(&body)).is_err(), "{bytes}");
        assert_sound(&context, load(&context, SOUND).unwrap());
    }
}

mod on_pumice {
    use super::*;
    use std::time::{Duration, Instant};
    use tests::process::in_child;
    use tests::target::require_pumice;

    /// What the compiler lacks, its status, and what the log must name beside the
    /// kernel.
    const LACKING: &[(&str, &str, &str)] = &[
        (
            "tensor memory",
            ".reg .b32 %r<2>;\ntcgen05.fence::before_thread_sync;\nret;",
            "tcgen05",
        ),
        (
            "surfaces",
            ".reg .b32 %r<2>;\n.reg .b64 %rd<2>;\n\
             suld.b.1d.b32.trap {%r1}, [%rd1, {%r1}];\nret;",
            "suld",
        ),
    ];

    #[test]
    fn a_kernel_that_cannot_be_compiled_fails_alone_and_the_log_names_it() {
        require_pumice();
        let answer = in_child(&[], || {
            let context = Context::primary();
            for (what, body, _) in LACKING {
                let module = load(&context, &with_body(body)).unwrap();
                let function = context.function(module, "other");
                for _ in 0..2 {
                    assert!(launch(&context, function, 0).is_err(), "{what}");
                }
                assert_sound(&context, module);
            }
            String::new()
        });
        for (what, _, named) in LACKING {
            let line = answer.stderr.lines().find(|line| line.contains(named));
            let line = line.unwrap_or_else(|| panic!("{what}: {}", answer.stderr));
            assert!(
                line.contains("`other`") && line.contains("line 1"),
                "{line}"
            );
        }
    }

    const ENDLESS: &str = ".reg .b64 %rd<2>;\n.reg .b32 %r<2>;\n.reg .pred %p<2>;\n\
        ld.param.u64 %rd1, [place];\n\
        AGAIN: ld.volatile.global.u32 %r1, [%rd1];\n\
        setp.eq.u32 %p1, %r1, 0;\n@%p1 bra AGAIN;\nret;";

    /// The limit of a wait in seconds, and by how much a process may take longer.
    const LIMIT: (&str, &str) = ("PUMICE_KERNEL_TIMEOUT", "1.5");
    const SLACK: Duration = Duration::from_secs(60);

    #[test]
    fn a_kernel_without_end_is_given_up_and_every_later_call_says_so() {
        require_pumice();
        let start = Instant::now();
        let answer = in_child(&[LIMIT], || {
            let context = Context::primary();
            let place = std::mem::ManuallyDrop::new(context.upload(&[0; 4]));
            let module = load(&context, &with_body(ENDLESS)).unwrap();
            let function = context.function(module, "other");
            let mut statuses = vec![launch(&context, function, place.base.0)];
            statuses.push(launch(&context, function, place.base.0));
            let mut stream = CUstream::NULL;
            statuses.push(context.cuStreamCreate(&raw mut stream, 0));
            statuses.push(context.cuMemsetD8_v2(place.base, 1, 4));
            statuses.push(context.cuCtxSynchronize());
            format!("{statuses:?}")
        });
        let timeout = "Err(CUDA_ERROR_LAUNCH_TIMEOUT)";
        assert_eq!(answer.value, format!("[{}]", [timeout; 5].join(", ")));
        assert!(answer.stderr.contains("PUMICE_KERNEL_TIMEOUT"));
        assert!(start.elapsed() < SLACK);
    }

    #[test]
    fn a_process_ends_although_its_kernel_does_not() {
        require_pumice();
        let start = Instant::now();
        in_child(&[LIMIT], || {
            let context = std::mem::ManuallyDrop::new(Context::primary());
            let place = std::mem::ManuallyDrop::new(context.upload(&[0; 4]));
            let module = load(&context, &with_body(ENDLESS)).unwrap();
            let function = context.function(module, "other");
            let mut address = place.base.0;
            let mut parameters = [(&raw mut address).cast()];
            let array = parameters.as_mut_ptr();
            let stream = CUstream::NULL;
            context
                .cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, array, null_mut())
                .unwrap();
            String::new()
        });
        assert!(start.elapsed() < SLACK);
    }
}
