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
pub fn with_body(body: &str) -> String {
    format!("{SOUND}.visible .entry other(.param .u64 place) {{\n{body}\n}}\n")
}

/// Loads a text.
pub fn load(context: &Context, ptx: &str) -> Result<CUmodule, CUerror> {
    let mut module = CUmodule::NULL;
    let text = terminated(ptx);
    context
        .cuModuleLoadData(&raw mut module, text.as_ptr().cast())
        .map(|()| module)
}

/// Launches one thread of a kernel with one parameter.
/// Launches a kernel on one address: the first status that is no success.
pub fn launch(context: &Context, function: CUfunction, mut place: usize) -> Result<(), CUerror> {
    let mut parameters = [(&raw mut place).cast()];
    let stream = CUstream::NULL;
    let array = parameters.as_mut_ptr();
    context.cuLaunchKernel(function, 1, 1, 1, 1, 1, 1, 0, stream, array, null_mut())?;
    context.cuCtxSynchronize()
}

/// Checks that the kernel `sound` of a module computes.
pub fn assert_sound(context: &Context, module: CUmodule) {
    let place = context.upload(&[0; 4]);
    launch(context, context.function(module, "sound"), place.base.0).unwrap();
    assert_eq!(place.read(), [7, 0, 0, 0]);
}

/// Launches a module's kernel `other`.
pub fn status_of_other(context: &Context, module: CUmodule) -> Result<(), CUerror> {
    let place = context.upload(&[0; 64]);
    launch(context, context.function(module, "other"), place.base.0)
}

/// Loads a text and launches its kernel `other`: the first status that is no success.
fn status_of(context: &Context, ptx: &str) -> Result<(), CUerror> {
    status_of_other(context, load(context, ptx)?)
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
    ("an open brace", "{ ret;"),
    (
        "a number as a target",
        ".reg .b32 %r<2>;\nmov.u32 7, %r1;\nret;",
    ),
];

/// Refused as well, though perhaps not before its launch: PTX may come to have it.
const UNKNOWN_TYPE: (&str, &str) = (
    "a type that does not exist",
    ".reg .b32 %r<2>;\nmov.u33 %r1, 7;\nret;",
);

/// A kernel that pumice does not compile, though it is right.
pub struct Lacking {
    pub what: &'static str,
    /// What stands before the kernel `other`, and its body.
    before: &'static str,
    pub body: &'static str,
    /// What a launch returns.
    pub status: CUerror,
    /// What the log says, with the line.
    told: &'static str,
    line: u32,
}

impl Lacking {
    /// A text with `sound` and this as `other`.
    pub fn module(&self) -> String {
        let kernel = with_body(self.body);
        kernel.replacen(SOUND, &format!("{SOUND}{}", self.before), 1)
    }

    /// Checks that a line of a log names the kernel, the reason and the place.
    pub fn assert_told(&self, log: &str) {
        let place = format!("line {}", self.line);
        let told = |line: &str| {
            line.contains("`other`") && line.contains(self.told) && line.contains(&place)
        };
        assert!(log.lines().any(told), "{}: {log}", self.what);
    }
}

const fn lacking(what: &'static str, body: &'static str, told: &'static str, line: u32) -> Lacking {
    Lacking {
        what,
        before: "",
        body,
        status: CUerror::NOT_SUPPORTED,
        told,
        line,
    }
}

/// One for each stage that can refuse a kernel: its parser, the translation, the
/// structurizer, the back end, the device's limits.
pub const LACKING: &[Lacking] = &[
    lacking(
        "tensor memory",
        "tcgen05.fence::before_thread_sync;\nret;",
        "`tcgen05`",
        13,
    ),
    lacking(
        "surfaces",
        ".reg .b32 %r<2>;\n.reg .b64 %rd<2>;\n\
         suld.b.1d.b32.trap {%r1}, [%rd1, {%r1}];\nret;",
        "`suld`",
        15,
    ),
    Lacking {
        status: CUerror::INVALID_PTX,
        ..lacking(
            "a word that PTX may come to have",
            ".reg .b32 %r<2>;\nadd.tomorrow.u32 %r1, %r1, %r1;\nret;",
            "`.tomorrow`",
            14,
        )
    },
    lacking(
        "saturating sums of matrices",
        ".reg .b32 %r<3>;\n\
         mma.sync.aligned.m8n8k16.row.col.satfinite.s32.s8.s8.s32 \
         {%r1,%r2}, {%r1}, {%r1}, {%r1,%r2};\nret;",
        "`mma.",
        14,
    ),
    Lacking {
        before: ".func again() {\ncall again;\nret;\n}\n",
        ..lacking(
            "recursion",
            "call again;\nret;",
            "recursion through `again`",
            13,
        )
    },
    Lacking {
        before: ".func called() {\nret;\n}\n",
        ..lacking(
            "calls through a pointer",
            ".reg .b64 %rd<2>;\nmov.u64 %rd1, called;\n\
             proto: .callprototype _ ();\ncall %rd1, (), proto;\nret;",
            "indirect call",
            17,
        )
    },
    lacking(
        "a loop with two entries",
        ".reg .b32 %r<2>;\n.reg .pred %p<2>;\nmov.u32 %r1, %tid.x;\n\
         setp.eq.u32 %p1, %r1, 0;\n@%p1 bra SECOND;\n\
         FIRST: add.u32 %r1, %r1, 1;\nSECOND: add.u32 %r1, %r1, 2;\n\
         setp.lt.u32 %p1, %r1, 9;\n@%p1 bra FIRST;\nret;",
        "irreducible",
        19,
    ),
    lacking(
        "a barrier of some threads that is also one of all",
        "bar.sync 1, 64;\nbar.sync 1;\nret;",
        "a barrier of part of a block",
        13,
    ),
    lacking(
        "a reduction over some threads",
        ".reg .b32 %r<2>;\n.reg .pred %p<2>;\nmov.u32 %r1, %tid.x;\n\
         setp.eq.u32 %p1, %r1, 0;\nbar.red.popc.u32 %r1, 1, 64, %p1;\nret;",
        "a barrier of part of a block",
        17,
    ),
    Lacking {
        status: CUerror::LAUNCH_OUT_OF_RESOURCES,
        ..lacking(
            "shared memory",
            ".shared .align 4 .b8 tile[16777216];\n.reg .b32 %r<3>;\n\
             mov.u32 %r1, tile;\nst.shared.u32 [%r1], 1;\nret;",
            "16777216 bytes of shared memory",
            12,
        )
    },
];

#[test]
fn malformed_kernels_are_invalid_ptx() {
    let context = Context::primary();
    for (what, body) in MALFORMED.iter().chain([&UNKNOWN_TYPE]) {
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
    use tests::process::{in_child, is_child};
    use tests::target::require_pumice;

    #[test]
    fn a_kernel_that_cannot_be_compiled_fails_alone_and_the_log_names_it() {
        require_pumice();
        let answer = in_child(&[], || {
            let context = Context::primary();
            for lacking in LACKING {
                let module = load(&context, &lacking.module()).unwrap();
                for _ in 0..2 {
                    let status = status_of_other(&context, module);
                    assert_eq!(status, Err(lacking.status), "{}", lacking.what);
                }
                assert_sound(&context, module);
            }
            String::new()
        });
        for lacking in LACKING {
            lacking.assert_told(&answer.stderr);
        }
    }

    #[test]
    fn malformed_text_is_refused_when_it_is_loaded_and_the_log_says_where() {
        require_pumice();
        let answer = in_child(&[], || {
            let context = Context::primary();
            for (what, body) in MALFORMED {
                let refused = load(&context, &with_body(body)).map(|_| ());
                assert_eq!(refused, Err(CUerror::INVALID_PTX), "{what}");
            }
            String::new()
        });
        let lines = answer.stderr.lines();
        let told = lines.filter(|line| line.contains("line 1") && line.contains("INVALID_PTX"));
        assert_eq!(told.count(), MALFORMED.len(), "{}", answer.stderr);
    }

    /// A launch of `other` that is refused, and what the log says of it.
    struct Refused {
        grid: u32,
        block: u32,
        shared: u32,
        /// What `kernelParams` is: none, one null, one.
        parameters: Option<Option<usize>>,
        told: &'static str,
    }

    const fn refused(grid: u32, block: u32, shared: u32, told: &'static str) -> Refused {
        Refused {
            grid,
            block,
            shared,
            parameters: Some(Some(0)),
            told,
        }
    }

    const REFUSED: &[Refused] = &[
        refused(0, 1, 0, "the grid [0, 1, 1] of blocks [1, 1, 1] is empty"),
        refused(1, 0, 0, "the grid [1, 1, 1] of blocks [0, 1, 1] is empty"),
        refused(1, 2000, 0, "no grid [1, 1, 1] of blocks [2000, 1, 1]"),
        refused(1, 1, 1 << 20, "1048576 bytes of dynamic shared memory"),
        Refused {
            parameters: None,
            ..refused(1, 1, 0, "kernelParams is null, the kernel takes 1")
        },
        Refused {
            parameters: Some(None),
            ..refused(1, 1, 0, "kernelParams[0] is null")
        },
    ];

    #[test]
    fn a_launch_that_is_refused_is_told_with_its_kernel() {
        require_pumice();
        let answer = in_child(&[], || {
            let context = Context::primary();
            let module = load(&context, &with_body("ret;")).unwrap();
            let function = context.function(module, "other");
            for case in REFUSED {
                let mut place = 0_usize;
                let given = case.parameters.flatten().map(|_| (&raw mut place).cast());
                let mut pointers = [given.unwrap_or(null_mut())];
                let array = match case.parameters {
                    Some(_) => pointers.as_mut_ptr(),
                    None => null_mut(),
                };
                let (grid, block, shared) = (case.grid, case.block, case.shared);
                let (stream, extra) = (CUstream::NULL, null_mut());
                let result = context.cuLaunchKernel(
                    function, grid, 1, 1, block, 1, 1, shared, stream, array, extra,
                );
                assert_eq!(result, Err(CUerror::INVALID_VALUE), "{}", case.told);
                assert_sound(&context, module);
            }
            String::new()
        });
        for case in REFUSED {
            let mut lines = answer.stderr.lines();
            let told = |line: &str| line.contains("`other`") && line.contains(case.told);
            assert!(lines.any(told), "{}\n{}", case.told, answer.stderr);
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
        let mut lines = answer.stderr.lines();
        let told =
            lines.any(|line| line.contains("PUMICE_KERNEL_TIMEOUT") && line.contains("`other`"));
        assert!(told, "{}", answer.stderr);
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

    #[test]
    fn other_processes_compute_while_a_kernel_does_not_end() {
        require_pumice();
        let endless = || {
            in_child(&[LIMIT], || {
                let context = std::mem::ManuallyDrop::new(Context::primary());
                let place = std::mem::ManuallyDrop::new(context.upload(&[0; 4]));
                let module = load(&context, &with_body(ENDLESS)).unwrap();
                let function = context.function(module, "other");
                format!("{:?}", launch(&context, function, place.base.0))
            })
        };
        if is_child() {
            endless();
        }
        let name = std::thread::current().name().unwrap_or("main").to_owned();
        let thread = std::thread::Builder::new().name(name);
        std::thread::scope(|scope| {
            let endless = thread.spawn_scoped(scope, endless).unwrap();
            let context = Context::primary();
            let module = load(&context, SOUND).unwrap();
            let mut computed = 0;
            while !endless.is_finished() {
                assert_sound(&context, module);
                computed += 1;
            }
            assert!(computed > 1, "{computed}");
            let answer = endless.join().unwrap();
            assert_eq!(answer.value, "Err(CUDA_ERROR_LAUNCH_TIMEOUT)");
        });
    }
}
