//! Time, stack and memory until there is none.

use insta::assert_snapshot;

use crate::hostile::guest::{Guest, SHORT, attack};

#[test]
fn a_loop_without_an_end() {
    assert_snapshot!(attack("(loop $forever (br $forever))").attacks(SHORT), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_trap() {
    assert_snapshot!(attack("unreachable").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: wasm trap: wasm `unreachable` instruction executed (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn recursion_without_an_end() {
    let guest = Guest {
        module: "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))",
        ..attack("(drop (call $deep))")
    };
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin used more than it may: the limit `stack` is 512 KiB; --stack raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    // The host's own threads have less stack than that.
    let ran = guest.attacks(&["--stack", "16MiB"]);
    assert!(
        ran.stdout().contains("the limit `stack` is 16 MiB"),
        "{ran}"
    );
}

#[test]
fn memory_until_there_is_none() {
    let grow = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 160)) (i32.const -1)))) unreachable";
    assert_snapshot!(attack(grow).attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin used more than it may: the limit `instance-memory` is 32 MiB; --instance-memory raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn tables_until_there_is_no_room() {
    let guest = Guest {
        module: "(table $table 0 funcref)",
        ..attack(
            "(loop $more (br_if $more
                (i32.ne (table.grow $table (ref.null func) (i32.const 100000)) (i32.const -1))))
             unreachable",
        )
    };
    assert_snapshot!(guest.attacks(&["--instance-memory", "4MiB"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin used more than it may: the limit `instance-memory` is 4 MiB; --instance-memory raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_text_of_four_gigabytes() {
    assert_snapshot!(attack("(call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 0) (i32.const -1))").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: string pointer/length out of bounds of memory (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_text_of_more_than_may_be_returned() {
    let guest = attack(
        "(drop (memory.grow (i32.const 320)))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 0) (i32.const 20000000))",
    );
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin used more than it may: the limit `returned-bytes` is 16 MiB; --returned-bytes raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_wait() {
    let guest = Guest {
        component: "(import \"wasi:io/poll@0.2.0\" (instance $poll
              (export \"pollable\" (type $own (sub resource)))
              (export \"[method]pollable.block\" (func (param \"self\" (borrow $own))))))
            (alias export $poll \"pollable\" (type $pollable))
            (import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $clock
              (alias outer 1 $pollable (type $outer))
              (export \"pollable\" (type $pollable (eq $outer)))
              (export \"subscribe-duration\" (func (param \"when\" u64) (result (own $pollable))))))
            (core func $block (canon lower (func $poll \"[method]pollable.block\")))
            (core func $subscribe (canon lower (func $clock \"subscribe-duration\")))",
        imports: "(import \"wasi\" \"block\" (func $block (param i32)))
                  (import \"wasi\" \"subscribe\" (func $subscribe (param i64) (result i32)))",
        with: "(with \"wasi\" (instance (export \"block\" (func $block)) (export \"subscribe\" (func $subscribe))))",
        ..attack("(call $block (call $subscribe (i64.const 3600000000000)))")
    };
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: the plugin tried to wait, and plugins cannot (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}
