//! The interpreter against what the PTX manual says, in kernels whose results
//! can be told by thinking.

use std::collections::BTreeMap;

use super::{Error, Fault, Launch, Memory, Outcome, run};
use crate::ModuleSource;
use crate::ir::{Function, Space, parse};
use crate::translate::translate;

/// A kernel around `body`, in which `%out` points to global memory, `%me` is
/// the thread's linear number and `%mine` the address of its word.
fn kernel(declarations: &str, body: &str) -> Function {
    let text = format!(
        ".version 7.0\n.target sm_70\n.address_size 64\n{declarations}
         .visible .entry k(.param .u64 out) {{
           .reg .pred %p<9>; .reg .b32 %r<30>, %me; .reg .b64 %rd<9>, %out, %mine; .reg .f32 %f<9>;
           ld.param.u64 %out, [out];
           mov.u32 %me, %ctaid.x; mov.u32 %r29, %ntid.x;
           mov.u32 %r28, %tid.x; mad.lo.u32 %me, %me, %r29, %r28;
           mul.wide.u32 %mine, %me, 4; add.s64 %mine, %mine, %out;
           {body}
           ret; }}"
    );
    let source = ModuleSource::new(text).unwrap();
    translate(&source, "k").unwrap()
}

struct Ran {
    words: Vec<u32>,
    outcome: Outcome,
}

/// Runs a kernel of [`kernel`] over `words` zeros.
fn launch(function: &Function, grid: u32, block: [u32; 3], words: usize) -> Result<Ran, Error> {
    let mut memory = Memory::default();
    let out = memory.allocate(vec![0; 4 * words]);
    let launch = Launch {
        grid: [grid, 1, 1],
        block,
        dynamic_shared_bytes: 0,
        parameters: &out.to_le_bytes(),
        globals: &BTreeMap::new(),
        max_steps: 100_000,
    };
    let outcome = run(function, &launch, &mut memory)?;
    let bytes = memory.read(out, 4 * words as u64).unwrap();
    let words = bytes
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    Ok(Ran { words, outcome })
}

/// What threads of one block leave in their words.
fn words(body: &str, threads: u32) -> Vec<u32> {
    let function = kernel("", body);
    let ran = launch(&function, 1, [threads, 1, 1], threads as usize);
    ran.unwrap_or_else(|error| panic!("{error}\n{function}"))
        .words
}

fn fault(body: &str) -> Fault {
    match launch(&kernel("", body), 1, [32, 1, 1], 32) {
        Err(Error::Thread { fault, .. }) => fault,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the kernel ran"),
    }
}

#[test]
fn every_thread_of_every_block_runs_once() {
    let body = "atom.global.add.u32 %r1, [%mine], 1;";
    for threads in [1, 31, 32, 33, 40, 1023] {
        let ran = launch(&kernel("", body), 3, [threads, 1, 1], 3 * threads as usize).unwrap();
        assert!(ran.words.iter().all(|&count| count == 1), "{threads}");
    }
}

#[test]
fn threads_are_numbered_x_first() {
    let body = "mov.u32 %r1, %tid.z; mov.u32 %r2, %tid.y; mov.u32 %r3, %tid.x;
                mad.lo.u32 %r4, %r1, 7, %r2; mad.lo.u32 %r4, %r4, 5, %r3;
                mov.u32 %r5, %warpid; mov.u32 %r6, %laneid; mad.lo.u32 %r5, %r5, 32, %r6;
                mul.wide.u32 %rd1, %r4, 4; add.s64 %rd1, %rd1, %out; st.global.u32 [%rd1], %r5;";
    let ran = launch(&kernel("", body), 1, [5, 7, 3], 105).unwrap();
    assert_eq!(ran.words, (0..105).collect::<Vec<_>>());
}

#[test]
fn threads_that_leave_a_loop_early_wait_for_the_others() {
    // Each lane turns as often as its number says; then all vote.
    let body = "mov.u32 %r1, 0;
        L: setp.ge.u32 %p1, %r1, %me; @%p1 bra E; add.u32 %r1, %r1, 1; bra L;
        E: activemask.b32 %r2; add.u32 %r2, %r2, %r1; st.global.u32 [%mine], %r2;";
    let expected: Vec<u32> = (0..32).map(|lane| u32::MAX.wrapping_add(lane)).collect();
    assert_eq!(words(body, 32), expected);
}

#[test]
fn a_warp_operation_waits_for_the_members_of_its_mask() {
    // Both arms shuffle among themselves; 8 lanes of one arm have left.
    let body = "setp.lt.u32 %p1, %me, 16; @!%p1 bra HIGH;
          setp.lt.u32 %p2, %me, 8; @%p2 ret;
          shfl.sync.bfly.b32 %r1|%p3, %me, 1, 31, 0x0000FF00; bra OUT;
        HIGH: shfl.sync.down.b32 %r1|%p3, %me, 4, 0x101f, 0xFFFF0000;
        OUT: st.global.u32 [%mine], %r1;";
    let expected = (0..32).map(|lane| match lane {
        0..8 => 0,
        8..16 => lane ^ 1,
        28..32 => lane,
        _ => lane + 4,
    });
    assert_eq!(words(body, 32), expected.collect::<Vec<_>>());
}

#[test]
fn members_may_come_to_a_shuffle_one_by_one() {
    let body = "and.b32 %r1, %me, 3; setp.eq.u32 %p1, %r1, 0; @%p1 bra JOIN;
          add.u32 %r1, %r1, 100;
        JOIN: shfl.sync.idx.b32 %r2, %r1, 5, 31, -1; st.global.u32 [%mine], %r2;";
    assert_eq!(words(body, 32), [101; 32]);
}

#[test]
fn shuffles_stay_within_their_segment_and_say_so() {
    let body = "shfl.sync.up.b32 %r1|%p1, %me, 1, 0x1800, -1; selp.u32 %r2, 100, 0, %p1;
                add.u32 %r1, %r1, %r2; st.global.u32 [%mine], %r1;";
    let expected = (0..32).map(|lane| if lane % 8 == 0 { lane } else { 99 + lane });
    assert_eq!(words(body, 32), expected.collect::<Vec<_>>());
}

#[test]
fn a_vote_of_old_code_counts_who_came() {
    // Half the warp is elsewhere although the mask names it.
    let body = "setp.lt.u32 %p1, %me, 16; @!%p1 bra HIGH;
          setp.ne.u32 %p2, %me, 0; vote.sync.ballot.b32 %r1, %p2, -1; bra OUT;
        HIGH: mov.u32 %r1, 7;
        OUT: bar.sync 0; st.global.u32 [%mine], %r1;";
    let expected = (0..32).map(|lane| if lane < 16 { 0xFFFE } else { 7 });
    assert_eq!(words(body, 32), expected.collect::<Vec<_>>());
}

#[test]
fn match_and_reductions_look_at_members_alone() {
    let body = "shr.u32 %r1, %me, 4; match.any.sync.b32 %r2, %r1, -1;
                redux.sync.max.u32 %r3, %me, -1; add.u32 %r2, %r2, %r3;
                match.all.sync.b32 %r4|%p1, %r1, -1; add.u32 %r2, %r2, %r4;
                st.global.u32 [%mine], %r2;";
    let expected = (0..32).map(|lane| {
        if lane < 16 {
            0xFFFF + 31
        } else {
            0xFFFF_0000 + 31
        }
    });
    assert_eq!(words(body, 32), expected.collect::<Vec<_>>());
}

#[test]
fn shared_memory_is_exchanged_across_a_barrier() {
    let declarations = ".shared .align 4 .b32 tile[64];";
    let body = "mov.u32 %r1, tile; mad.lo.u32 %r2, %me, 4, %r1; st.shared.u32 [%r2], %me;
                bar.sync 0;
                xor.b32 %r3, %me, 63; mad.lo.u32 %r3, %r3, 4, %r1; ld.shared.u32 %r4, [%r3];
                st.global.u32 [%mine], %r4;";
    let ran = launch(&kernel(declarations, body), 1, [64, 1, 1], 64).unwrap();
    assert_eq!(ran.words, (0..64).rev().collect::<Vec<_>>());
}

#[test]
fn a_barrier_does_not_wait_for_the_dead() {
    let body = "setp.ge.u32 %p1, %me, 40; @%p1 ret;
                setp.lt.u32 %p2, %me, 9; bar.red.popc.u32 %r1, 0, %p2;
                bar.red.and.pred %p3, 1, %p2; selp.u32 %r2, 1000, 0, %p3; add.u32 %r1, %r1, %r2;
                st.global.u32 [%mine], %r1;";
    let expected = (0..64).map(|thread| if thread < 40 { 9 } else { 0 });
    assert_eq!(words(body, 64), expected.collect::<Vec<_>>());
}

#[test]
fn a_warp_may_arrive_without_waiting() {
    // The second warp's store happens before the first one's load.
    let declarations = ".shared .align 4 .b32 word;";
    let body = "setp.ge.u32 %p1, %me, 32; @%p1 bra SECOND;
          bar.sync 1, 64; ld.shared.u32 %r1, [word]; st.global.u32 [%mine], %r1; ret;
        SECOND: mov.u32 %r1, 5; st.shared.u32 [word], %r1; bar.arrive 1, 64;";
    let ran = launch(&kernel(declarations, body), 1, [64, 1, 1], 64).unwrap();
    assert_eq!(ran.words[..32], [5; 32]);
}

#[test]
fn a_generic_address_finds_its_memory() {
    let declarations = ".shared .align 4 .b32 word;";
    let body = ".local .align 4 .b32 own[2];
        st.shared.u32 [word], 7;
        mov.u64 %rd1, own; st.local.u32 [own+4], %me; cvta.local.u64 %rd1, %rd1;
        mov.u64 %rd2, word; cvta.shared.u64 %rd2, %rd2;
        ld.u32 %r1, [%rd1+4]; ld.u32 %r2, [%rd2]; mad.lo.u32 %r1, %r2, 100, %r1;
        isspacep.shared %p1, %rd2; @!%p1 trap; isspacep.shared %p1, %rd1; @%p1 trap;
        isspacep.global %p1, %out; @!%p1 trap;
        st.u32 [%mine], %r1;";
    let ran = launch(&kernel(declarations, body), 1, [4, 1, 1], 4).unwrap();
    assert_eq!(ran.words, [700, 701, 702, 703]);
}

#[test]
fn what_has_no_meaning_is_a_fault() {
    let store = |address: &str| fault(&format!("{address} st.global.u32 [%rd1], 1;"));
    assert!(matches!(
        store("add.s64 %rd1, %out, 128;"),
        Fault::OutOfBounds(_)
    ));
    assert!(matches!(store("mov.u64 %rd1, 0;"), Fault::OutOfBounds(_)));
    assert!(matches!(
        store("add.s64 %rd1, %out, 2;"),
        Fault::Misaligned { bytes: 4, .. }
    ));
    assert_eq!(fault("trap;"), Fault::Trap);
    let outsider = fault("shfl.sync.idx.b32 %r1, %me, 0, 31, 1; st.global.u32 [%mine], %r1;");
    assert_eq!(outsider, Fault::NotAMember { lane: 1, mask: 1 });
    let beyond = ".local .b32 own; mov.u64 %rd1, own; ld.local.u32 %r1, [%rd1+4]; st.global.u32 [%mine], %r1;";
    assert!(matches!(fault(beyond), Fault::OutOfBounds(_)));
}

#[test]
fn constants_are_not_written() {
    let text = "function k global table {\nb0:\n  v0: b64 = global.0\n  v1: b32 = load.const.weak.sys.0 v0\n  store.global.weak.sys.0 v0, v1\n  return\n}\n";
    let function = parse(text).unwrap();
    let mut memory = Memory::default();
    let table = memory.allocate_constant(vec![1; 4]);
    let launch = |globals| Launch {
        grid: [1; 3],
        block: [1; 3],
        dynamic_shared_bytes: 0,
        parameters: &[],
        globals,
        max_steps: 100,
    };
    let fault = |globals, memory: &mut _| match run(&function, &launch(globals), memory) {
        Err(Error::Thread { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let named = BTreeMap::from([("table".to_owned(), table)]);
    assert_eq!(fault(&named, &mut memory), Fault::ReadOnly(Space::Constant));
    let unnamed = BTreeMap::new();
    assert_eq!(fault(&unnamed, &mut memory), Fault::MissingVariable(0));
}

#[test]
fn a_launch_that_cannot_end_is_given_up() {
    let forever = kernel("", "L: bra L;");
    assert!(matches!(
        launch(&forever, 1, [1; 3], 1),
        Err(Error::StepLimit(100_000))
    ));
    let apart = kernel(
        "",
        "setp.eq.u32 %p1, %me, 0; @%p1 bra ONE; bar.sync 0; ret; ONE: bar.sync 1;",
    );
    assert!(matches!(
        launch(&apart, 1, [2, 1, 1], 2),
        Err(Error::Deadlock([0, 0, 0]))
    ));
}

#[test]
fn impossible_launches_are_refused() {
    let function = kernel("", "");
    for block in [[0, 1, 1], [1025, 1, 1], [u32::MAX; 3]] {
        assert!(matches!(
            launch(&function, 1, block, 1),
            Err(Error::LaunchSize { .. })
        ));
    }
    assert!(matches!(
        launch(&function, 0, [1; 3], 1),
        Err(Error::LaunchSize { .. })
    ));
    let missing = parse("function k {\nb0:\n  v0: b32 = param.64\n  return\n}\n").unwrap();
    assert!(matches!(
        launch(&missing, 1, [1; 3], 1),
        Err(Error::Thread {
            fault: Fault::MissingParameter(64),
            ..
        })
    ));
}

#[test]
fn formats_are_noted() {
    let declarations = ".extern .func (.param .b32 r) vprintf (.param .b64 f, .param .b64 a);";
    let body = ".local .align 8 .b8 depot[8]; .reg .b64 %own; mov.u64 %own, depot;
        st.local.u32 [depot], 0x00642520; cvta.local.u64 %own, %own;
        { .param .b64 a; st.param.b64 [a], %own; .param .b64 b; st.param.b64 [b], 0; .param .b32 c;
          call.uni (c), vprintf, (a, b); ld.param.b32 %r1, [c]; }
        st.global.u32 [%mine], %r1;";
    let ran = launch(&kernel(declarations, body), 1, [2, 1, 1], 2).unwrap();
    assert_eq!(ran.outcome.printed, [b" %d", b" %d"]);
    assert_eq!(ran.words, [1, 1]);
}
