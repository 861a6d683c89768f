//! Kernels: control flow, shared memory, barriers, atomics, warps.

use compiler::{ModuleSource, compile};
use tests::kernel::{Argument, Computer, Launch};

fn words(count: u32, value: impl Fn(u32) -> u32) -> Argument {
    Argument::Buffer((0..count).flat_map(|n| value(n).to_le_bytes()).collect())
}

fn module(rest: &str) -> String {
    format!(".version 8.4\n.target sm_61\n.address_size 64\n{rest}")
}

/// A kernel over one buffer: `%at` is the address of the thread's word, `%n`
/// the thread's number in the grid, `%t` in the block.
fn kernel(declarations: &str, body: &str) -> String {
    module(&format!(
        ".entry k(.param .u64 p) {{ .reg .pred %p<9>; .reg .b32 %r<30>, %n, %t, %size; .reg .b64 %rd<9>, %base, %at;\n\
         .reg .f32 %f<9>; {declarations}\n\
         ld.param.u64 %base, [p]; mov.u32 %t, %tid.x; mov.u32 %n, %ctaid.x; mov.u32 %size, %ntid.x;\n\
         mad.lo.u32 %n, %n, %size, %t; mad.wide.u32 %at, %n, 4, %base;\n{body}\nret; }}\n"
    ))
}

fn launch(blocks: u32, threads: u32, argument: Argument) -> Launch {
    Launch {
        grid: [blocks, 1, 1],
        block: [threads, 1, 1],
        dynamic_shared: 0,
        arguments: vec![argument],
    }
}

fn check(what: &str, text: &str, launch: &Launch) {
    Computer::open().run(text, "k", launch).assert_equal(what);
}

#[test]
fn vectors_add_with_a_bound() {
    let text = module(
        ".visible .entry k(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n) {
        .reg .pred %p<2>; .reg .f32 %f<4>; .reg .b32 %r<6>; .reg .b64 %rd<11>;
        ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b]; ld.param.u64 %rd3, [c]; ld.param.u32 %r2, [n];
        mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mov.u32 %r5, %tid.x; mad.lo.s32 %r1, %r3, %r4, %r5;
        setp.ge.s32 %p1, %r1, %r2; @%p1 bra $L__BB0_2;
        cvta.to.global.u64 %rd4, %rd1; mul.wide.s32 %rd5, %r1, 4; add.s64 %rd6, %rd4, %rd5;
        cvta.to.global.u64 %rd7, %rd2; add.s64 %rd8, %rd7, %rd5;
        ld.global.f32 %f1, [%rd8]; ld.global.f32 %f2, [%rd6]; add.f32 %f3, %f2, %f1;
        cvta.to.global.u64 %rd9, %rd3; add.s64 %rd10, %rd9, %rd5; st.global.f32 [%rd10], %f3;
        $L__BB0_2: ret; }",
    );
    let floats = |scale: f32| words(1000, |n| (n as f32 * scale).to_bits());
    let launch = Launch {
        grid: [8, 1, 1],
        block: [128, 1, 1],
        dynamic_shared: 0,
        arguments: vec![
            floats(0.5),
            floats(3.0),
            words(1024, |_| 0),
            Argument::U32(1000),
        ],
    };
    check("vector add", &text, &launch);
}

/// Devices take as little as 128 bytes with a launch; whatever the limit of this one,
/// parameters also come from memory.
#[test]
fn parameters_come_from_memory_where_the_device_takes_few() {
    let text = module(
        ".entry k(.param .u64 p, .param .u32 a, .param .f32 b, .param .u32 c) {
        .reg .b32 %r<9>; .reg .b64 %rd<5>; .reg .f32 %f<2>;
        ld.param.u64 %rd1, [p]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; add.s64 %rd1, %rd1, %rd2;
        and.b32 %r2, %r1, 1; mul.wide.u32 %rd3, %r2, 8; mov.u64 %rd4, a; add.s64 %rd4, %rd4, %rd3;
        ld.param.u32 %r3, [%rd4]; ld.param.f32 %f1, [b]; cvt.rzi.u32.f32 %r4, %f1;
        mad.lo.u32 %r5, %r1, %r3, %r4; st.global.u32 [%rd1], %r5; ret; }",
    );
    let mut launch = launch(1, 40, words(40, |_| 0));
    let others = [
        Argument::U32(1000),
        Argument::F32(7.0),
        Argument::U32(50_000),
    ];
    launch.arguments.extend(others);
    let mut computer = Computer::open();
    computer.target.push_constant_bytes = compiler::back::spirv::layout::HEADER_BYTES;
    let source = ModuleSource::new(text.clone()).unwrap();
    let kernel = compile(&source, "k", &computer.target).unwrap();
    assert!(kernel.parameters_in_memory);
    let outcome = computer.run(&text, "k", &launch);
    outcome.assert_equal("parameters in memory");
}

#[test]
fn three_dimensions_count_right() {
    let text = module(
        ".entry k(.param .u64 p) { .reg .b32 %r<20>; .reg .b64 %rd<4>;
        ld.param.u64 %rd1, [p];
        mov.u32 %r1, %tid.x; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.z;
        mov.u32 %r4, %ntid.x; mov.u32 %r5, %ntid.y; mov.u32 %r6, %ntid.z;
        mov.u32 %r7, %ctaid.x; mov.u32 %r8, %ctaid.y; mov.u32 %r9, %ctaid.z;
        mov.u32 %r10, %nctaid.x; mov.u32 %r11, %nctaid.y;
        mad.lo.u32 %r12, %r3, %r5, %r2; mad.lo.u32 %r12, %r12, %r4, %r1;
        mad.lo.u32 %r13, %r9, %r11, %r8; mad.lo.u32 %r13, %r13, %r10, %r7;
        mul.lo.u32 %r14, %r4, %r5; mul.lo.u32 %r14, %r14, %r6; mad.lo.u32 %r15, %r13, %r14, %r12;
        mad.wide.u32 %rd2, %r15, 4, %rd1; shl.b32 %r16, %r13, 16; or.b32 %r16, %r16, %r12;
        st.global.u32 [%rd2], %r16; ret; }",
    );
    let launch = Launch {
        grid: [3, 2, 2],
        block: [5, 7, 3],
        dynamic_shared: 0,
        arguments: vec![words(12 * 105, |_| 0)],
    };
    check("dimensions", &text, &launch);
}

#[test]
fn a_transpose_goes_through_shared_memory() {
    let body = "mov.u32 %r1, tile; and.b32 %r2, %t, 15; shr.u32 %r3, %t, 4;
        ld.global.u32 %r4, [%at]; mad.lo.u32 %r5, %r3, 17, %r2; mad.lo.u32 %r5, %r5, 4, %r1;
        st.shared.u32 [%r5], %r4; bar.sync 0;
        mad.lo.u32 %r6, %r2, 17, %r3; mad.lo.u32 %r6, %r6, 4, %r1; ld.shared.u32 %r7, [%r6];
        st.global.u32 [%at], %r7;";
    let text = kernel(".shared .align 4 .b8 tile[1088];", body);
    check("transpose", &text, &launch(4, 256, words(1024, |n| n * 7)));
}

#[test]
fn narrow_shared_stores_leave_their_neighbours_alone() {
    let body = "mov.u32 %r1, s; add.u32 %r2, %r1, %t; cvt.u16.u32 %h, %n; st.shared.u8 [%r2], %h;
        mad.lo.u32 %r3, %t, 2, %r1; st.shared.u16 [%r3+256], %h; bar.sync 0;
        and.b32 %r4, %t, 63; shl.b32 %r4, %r4, 2; add.u32 %r5, %r1, %r4; ld.shared.u32 %r6, [%r5];
        ld.shared.v2.u16 {%h1, %h2}, [%r5+256]; mov.b32 %r7, {%h1, %h2}; xor.b32 %r6, %r6, %r7;
        ld.shared.s8 %h1, [%r2]; cvt.s32.s16 %r8, %h1; add.u32 %r6, %r6, %r8; st.global.u32 [%at], %r6;";
    let text = kernel(".shared .align 8 .b8 s[768]; .reg .b16 %h, %h1, %h2;", body);
    check("narrow stores", &text, &launch(2, 256, words(512, |_| 0)));
}

#[test]
fn dynamic_shared_memory_follows_static() {
    let text = module(
        ".extern .shared .align 16 .b8 dynamic[];
        .entry k(.param .u64 p) { .reg .b32 %r<9>; .reg .b64 %rd<9>; .shared .align 4 .b8 fixed[20];
        ld.param.u64 %rd1, [p]; mov.u32 %r1, %tid.x; mad.wide.u32 %rd2, %r1, 4, %rd1;
        mov.u32 %r2, dynamic; mad.lo.u32 %r3, %r1, 4, %r2; st.shared.u32 [%r3], %r1;
        mov.u32 %r4, fixed; st.shared.u32 [%r4+16], %r2; bar.sync 0;
        xor.b32 %r5, %r1, 31; mad.lo.u32 %r5, %r5, 4, %r2; ld.shared.u32 %r6, [%r5];
        ld.shared.u32 %r7, [%r4+16]; mad.lo.u32 %r6, %r7, 1000, %r6; st.global.u32 [%rd2], %r6; ret; }",
    );
    let launch = Launch {
        dynamic_shared: 128,
        ..launch(1, 32, words(32, |_| 0))
    };
    check("dynamic shared memory", &text, &launch);
}

#[test]
fn nested_loops_with_three_exits_and_lane_dependent_trips() {
    let body = "mov.u32 %r1, 0; mov.u32 %r2, 0; and.b32 %r0, %n, 15;
        outer: mov.u32 %r3, 0;
        inner: mad.lo.u32 %r2, %r2, 3, %r3; add.u32 %r3, %r3, 1; and.b32 %r4, %r2, 127;
          setp.gt.u32 %p1, %r4, 100; @%p1 bra far;
          setp.eq.u32 %p2, %r3, %r0; @%p2 bra next;
          setp.gt.u32 %p3, %r3, 12; @%p3 bra out; bra inner;
        next: add.u32 %r1, %r1, 1; setp.lt.u32 %p4, %r1, 3; @%p4 bra outer;
          add.u32 %r2, %r2, 1000; bra store;
        out: add.u32 %r2, %r2, 2000; bra store;
        far: add.u32 %r2, %r2, 4000;
        store: st.global.u32 [%at], %r2;";
    check(
        "loops",
        &kernel("", body),
        &launch(3, 40, words(120, |_| 0)),
    );
}

#[test]
fn shortcut_conditions_share_their_targets() {
    let body = "and.b32 %r1, %n, 1; and.b32 %r2, %n, 2; and.b32 %r3, %n, 4; mov.u32 %r4, 0;
        setp.eq.u32 %p1, %r1, 0; @%p1 bra else; setp.eq.u32 %p2, %r2, 0; @%p2 bra else;
        or.b32 %r4, %r4, 1; setp.ne.u32 %p3, %r3, 0; @%p3 bra both; bra done;
        else: or.b32 %r4, %r4, 2; setp.ne.u32 %p3, %r3, 0; @!%p3 bra done;
        both: or.b32 %r4, %r4, 8;
        done: st.global.u32 [%at], %r4;";
    check(
        "conditions",
        &kernel("", body),
        &launch(1, 64, words(64, |_| 9)),
    );
}

#[test]
fn inactive_lanes_touch_no_memory() {
    // The address of threads above 7 is null plus their number: only a guard
    // keeps them from it.
    let body = "setp.lt.u32 %p1, %t, 8; selp.b64 %rd1, %at, 4096, %p1; mov.u32 %r1, 5;
        @%p1 ld.global.u32 %r1, [%rd1]; add.u32 %r1, %r1, 100; @%p1 st.global.u32 [%rd1], %r1;
        setp.eq.u32 %p2, %t, 3; @%p2 atom.global.add.u32 %r2, [%rd1], 7;";
    check(
        "guards",
        &kernel("", body),
        &launch(1, 64, words(64, |n| n)),
    );
}

#[test]
fn atomics_of_every_operation_add_up() {
    let body = "and.b32 %r1, %n, 7; add.u32 %r2, %n, 100;
        red.global.add.u32 [%base], 1; red.global.max.u32 [%base+4], %n; red.global.min.s32 [%base+8], %n;
        red.global.or.b32 [%base+12], %r1; red.global.xor.b32 [%base+16], %n; red.global.and.b32 [%base+20], %r2;
        atom.global.inc.u32 %r3, [%base+24], 9; atom.global.dec.u32 %r3, [%base+28], 6;
        mov.f32 %f1, 0f3F000000; red.global.add.f32 [%base+32], %f1; red.global.add.u64 [%base+40], 4294967297;
        mov.u32 %r5, s; setp.eq.u32 %p1, %t, 0; @%p1 st.shared.u32 [%r5], 0; bar.sync 0;
        red.shared.add.u32 [%r5], %r1; bar.sync 0; ld.shared.u32 %r6, [%r5]; @%p1 red.global.add.u32 [%base+48], %r6;
        again: ld.volatile.global.u32 %r7, [%base+52]; add.u32 %r8, %r7, 3;
        atom.global.cas.b32 %r9, [%base+52], %r7, %r8; setp.ne.u32 %p2, %r9, %r7; @%p2 bra again;";
    let start = |n| {
        if n == 2 {
            0x7FFF_FFFF
        } else {
            [0, 0, 0, 0, 0, 0xFFFF_FFFF][(n as usize).min(5) * usize::from(n <= 5)]
        }
    };
    check(
        "atomics",
        &kernel(".shared .b32 s;", body),
        &launch(4, 64, words(64, start)),
    );
}

#[test]
fn local_memory_is_private_and_its_generic_address_works() {
    let body = "mov.u64 %rd1, depot; mov.u32 %r1, 0;
        fill: mad.wide.u32 %rd2, %r1, 4, %rd1; mad.lo.u32 %r2, %r1, %r1, %n; st.local.u32 [%rd2], %r2;
        add.u32 %r1, %r1, 1; setp.lt.u32 %p1, %r1, 8; @%p1 bra fill;
        and.b32 %r3, %n, 7; mad.wide.u32 %rd3, %r3, 4, %rd1; ld.local.u32 %r4, [%rd3]; st.global.u32 [%at], %r4;";
    let text = kernel(".local .align 8 .b8 depot[32];", body);
    check("local", &text, &launch(2, 64, words(128, |_| 0)));
    let generic = text.replace(
        "ld.local.u32 %r4, [%rd3]",
        "cvta.local.u64 %rd4, %rd3; ld.u32 %r4, [%rd4]",
    );
    check("generic local", &generic, &launch(2, 64, words(128, |_| 0)));
}

#[test]
fn a_generic_address_of_shared_memory_is_shared() {
    let body = "mov.u64 %rd1, s; cvta.shared.u64 %rd2, %rd1; mad.wide.u32 %rd3, %t, 4, %rd2; st.u32 [%rd3], %n;
        bar.sync 0; xor.b32 %r1, %t, 31; mad.wide.u32 %rd4, %r1, 4, %rd2; ld.u32 %r2, [%rd4+0];
        st.u32 [%at], %r2;";
    check(
        "generic shared",
        &kernel(".shared .b32 s[32];", body),
        &launch(2, 32, words(64, |_| 0)),
    );
}

#[test]
fn functions_are_inlined_with_their_parameters() {
    let text = module(
        ".func (.param .b32 out) mix(.param .b32 x, .param .b32 y) { .reg .b32 %a, %b; .reg .pred %p;
          ld.param.u32 %a, [x]; ld.param.u32 %b, [y]; setp.gt.u32 %p, %a, %b; @%p bra more;
          sub.u32 %a, %b, %a; st.param.b32 [out], %a; ret;
          more: mul.lo.u32 %a, %a, %b; st.param.b32 [out], %a; ret; }
        .entry k(.param .u64 p) { .reg .b32 %r<9>; .reg .b64 %rd<4>;
          ld.param.u64 %rd1, [p]; mov.u32 %r1, %tid.x; mad.wide.u32 %rd2, %r1, 4, %rd1;
          { .param .b32 a0; .param .b32 a1; .param .b32 r0; st.param.b32 [a0], %r1; st.param.b32 [a1], 9;
            call.uni (r0), mix, (a0, a1); ld.param.b32 %r2, [r0]; }
          { .param .b32 a0; .param .b32 a1; .param .b32 r0; st.param.b32 [a0], %r2; st.param.b32 [a1], %r1;
            call (r0), mix, (a0, a1); ld.param.b32 %r3, [r0]; }
          st.global.u32 [%rd2], %r3; ret; }",
    );
    check("calls", &text, &launch(1, 32, words(32, |_| 0)));
}

#[test]
fn a_branch_table_takes_each_way() {
    let body = "and.b32 %r1, %n, 3; table: .branchtargets one, two, three, two; brx.idx %r1, table;
        one: mov.u32 %r2, 10; bra end; two: mov.u32 %r2, 20; bra end; three: mov.u32 %r2, 30;
        end: st.global.u32 [%at], %r2;";
    check(
        "branch table",
        &kernel("", body),
        &launch(1, 32, words(32, |_| 0)),
    );
}

#[test]
fn vectors_move_between_memories() {
    let body = "mul.wide.u32 %rd1, %n, 16; add.u64 %rd1, %base, %rd1; ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1];
        mov.u32 %r5, s; mad.lo.u32 %r6, %t, 16, %r5; st.shared.v4.u32 [%r6], {%r4, %r3, %r2, %r1}; bar.sync 0;
        xor.b32 %r7, %t, 1; mad.lo.u32 %r7, %r7, 16, %r5; ld.shared.v2.u64 {%rd2, %rd3}, [%r7];
        ld.shared.v2.f32 {%f1, %f2}, [%r7+8]; mov.b32 %r8, %f2; cvt.u32.u64 %r9, %rd2; xor.b32 %r9, %r9, %r8;
        bar.sync 0; st.global.v2.u64 [%rd1], {%rd3, %rd2}; st.global.u32 [%rd1+4], %r9;";
    check(
        "vectors",
        &kernel(".shared .align 16 .b8 s[1024];", body),
        &launch(2, 64, words(512, |n| n * 3)),
    );
}

#[test]
fn shuffles_of_every_mode_match_the_warp() {
    let body = "mov.u32 %r1, %n; mul.lo.u32 %r1, %r1, 2654435761; mov.u32 %r9, 0;
        shfl.sync.bfly.b32 %r2|%p1, %r1, 5, 31, -1; xor.b32 %r9, %r9, %r2; @%p1 add.u32 %r9, %r9, 1;
        shfl.sync.up.b32 %r3|%p2, %r1, 3, 0, -1; mad.lo.u32 %r9, %r9, 31, %r3; @%p2 add.u32 %r9, %r9, 1;
        shfl.sync.down.b32 %r4|%p3, %r1, 9, 31, -1; mad.lo.u32 %r9, %r9, 31, %r4; @%p3 add.u32 %r9, %r9, 1;
        shfl.sync.idx.b32 %r5|%p4, %r1, 11, 31, -1; mad.lo.u32 %r9, %r9, 31, %r5; @%p4 add.u32 %r9, %r9, 1;
        shfl.sync.bfly.b32 %r6|%p5, %r1, 4, 6175, -1; mad.lo.u32 %r9, %r9, 31, %r6; @%p5 add.u32 %r9, %r9, 1;
        shfl.sync.down.b32 %r7|%p6, %r1, 3, 6175, -1; mad.lo.u32 %r9, %r9, 31, %r7; @%p6 add.u32 %r9, %r9, 1;
        st.global.u32 [%at], %r9;";
    check(
        "shuffles",
        &kernel("", body),
        &launch(2, 96, words(192, |_| 0)),
    );
}

#[test]
fn barriers_count_predicates_over_the_block() {
    let body = "setp.gt.u32 %p1, %t, 50; setp.lt.u32 %p2, %t, 200; mov.u32 %r3, 0; mov.u32 %r4, 0;
        again: bar.red.popc.u32 %r1, 0, %p1; bar.red.and.pred %p3, 0, %p2; bar.red.or.pred %p4, 0, %p1;
        selp.u32 %r2, 1, 0, %p3; selp.u32 %r5, 2, 0, %p4; add.u32 %r2, %r2, %r5; mad.lo.u32 %r3, %r3, 31, %r1;
        mad.lo.u32 %r3, %r3, 31, %r2; setp.gt.u32 %p1, %t, 90; add.u32 %r4, %r4, 1;
        setp.lt.u32 %p5, %r4, 3; @%p5 bra again; st.global.u32 [%at], %r3;";
    check(
        "reductions by barrier",
        &kernel("", body),
        &launch(2, 96, words(192, |_| 0)),
    );
    let watched = format!("mov.u32 %r9, %laneid; add.u32 %t, %t, %r9; sub.u32 %t, %t, %r9; {body}");
    check(
        "reductions by barrier",
        &kernel("", &watched),
        &launch(2, 96, words(192, |_| 0)),
    );
}

#[test]
fn votes_count_the_threads_of_odd_blocks() {
    let body = "mov.u32 %r0, %laneid; setp.gt.u32 %p1, %n, 20; and.b32 %r1, %n, 1; setp.eq.u32 %p2, %r1, 1;
        vote.sync.ballot.b32 %r2, %p2, -1; vote.sync.any.pred %p3, %p1, -1; vote.sync.all.pred %p4, %p1, -1;
        selp.u32 %r3, 1, 0, %p3; selp.u32 %r4, 2, 0, %p4; add.u32 %r3, %r3, %r4; mov.u32 %r5, %lanemask_lt;
        activemask.b32 %r6; xor.b32 %r2, %r2, %r5; mad.lo.u32 %r2, %r2, 31, %r6; mad.lo.u32 %r2, %r2, 31, %r3;
        setp.lt.u32 %p5, %r0, 10; @!%p5 bra end; activemask.b32 %r7; xor.b32 %r2, %r2, %r7;
        end: st.global.u32 [%at], %r2;";
    for threads in [1, 31, 33, 40, 1023] {
        check(
            "votes",
            &kernel("", body),
            &launch(1, threads, words(threads, |_| 0)),
        );
    }
}

#[test]
fn a_block_reduction_with_shuffles_and_shared_memory() {
    let steps: String = [16, 8, 4, 2, 1]
        .iter()
        .map(|n| format!("shfl.sync.down.b32 %r2, %r1, {n}, 31, -1; add.s32 %r1, %r1, %r2;\n"))
        .collect();
    let body = format!(
        "ld.global.u32 %r1, [%at]; {steps} and.b32 %r3, %t, 31; setp.ne.u32 %p1, %r3, 0; shr.u32 %r4, %t, 5;
         mov.u32 %r5, s; mad.lo.u32 %r6, %r4, 4, %r5; @%p1 bra skip; st.shared.u32 [%r6], %r1; skip: bar.sync 0;
         setp.gt.u32 %p2, %t, 7; @%p2 bra done; mad.lo.u32 %r7, %t, 4, %r5; ld.shared.u32 %r1, [%r7];
         shfl.sync.bfly.b32 %r2, %r1, 4, 7, 255; add.s32 %r1, %r1, %r2; shfl.sync.bfly.b32 %r2, %r1, 2, 7, 255;
         add.s32 %r1, %r1, %r2; shfl.sync.bfly.b32 %r2, %r1, 1, 7, 255; add.s32 %r1, %r1, %r2;
         st.global.u32 [%at], %r1; done:"
    );
    let text = kernel(".shared .align 4 .b8 s[32];", &body);
    check("block reduction", &text, &launch(2, 256, words(512, |n| n)));
}
