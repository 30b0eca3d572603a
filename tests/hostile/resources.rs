//! Attacks on the machine's time and memory, where they are less plain than a loop.

use insta::assert_snapshot;

use super::guest::{Guest, Manifest, SHORT, attack};
use crate::common::{Lab, Ran};

/// What is said of the document that attacks.
fn failure(ran: &Ran) -> String {
    let told = ran.stdout();
    let line = told.lines().find(|line| line.starts_with("  things x"));
    format!("{}\n[exit status: {}]", line.unwrap_or(&told), ran.status())
}

#[test]
fn memories_that_grow_in_turns() {
    let grow: String = (1..=8)
        .map(|number| {
            format!("(if (i32.eq (memory.grow $m{number} (i32.const 160)) (i32.const -1)) (then unreachable))")
        })
        .collect();
    let memories: String = (1..=8)
        .map(|number| format!("(memory $m{number} 0)"))
        .collect();
    let guest = Guest {
        module: &memories,
        ..attack(&grow)
    };
    // Each of them stays below the limit.
    assert_snapshot!(failure(&guest.attacks(&[])), @"
      things x: the plugin used more than it may: the limit `instance-memory` is 32 MiB; --instance-memory raises it (limit)
    [exit status: 3]
    ");
}

#[test]
fn tables_that_grow_in_turns() {
    let grow: String = (1..=8)
        .map(|number| {
            format!("(if (i32.eq (table.grow $t{number} (ref.null func) (i32.const 1000000)) (i32.const -1)) (then unreachable))")
        })
        .collect();
    let tables: String = (1..=8)
        .map(|number| format!("(table $t{number} 0 funcref)"))
        .collect();
    let guest = Guest {
        module: &tables,
        ..attack(&grow)
    };
    assert_snapshot!(failure(&guest.attacks(&[])), @"
      things x: the plugin used more than it may: the limit `instance-memory` is 32 MiB; --instance-memory raises it (limit)
    [exit status: 3]
    ");
}

#[test]
fn a_table_as_large_as_the_memory_may_be() {
    let guest = Guest {
        module: "(table $table 0 funcref)",
        ..attack(
            "(if (i32.eq (table.grow $table (ref.null func) (i32.const 2000000)) (i32.const -1)) (then unreachable))
             (call $heal (local.get $outcome))",
        )
    };
    let lab = Lab::with_things([("x", "{}")]);
    // No other limit than the one that has a name.
    guest.runs_in(&lab, &[]).success();
    assert_eq!(lab.body("things", "x"), "{\"done\":true}");
}

#[test]
fn fills_of_the_whole_memory_without_an_end() {
    let guest = Guest {
        memory: "400",
        ..attack(
            "(loop $forever
               (memory.fill (i32.const 1048576) (local.get $i) (i32.const 20000000))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br $forever))",
        )
    };
    assert_snapshot!(failure(&guest.attacks(SHORT)), @"
      things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    [exit status: 3]
    ");
}

#[test]
fn a_loop_without_an_end_where_an_answer_is_put() {
    let guest = Guest {
        manifest: Manifest {
            reads: &["facts"],
            ..Manifest::default()
        },
        module: "(data (i32.const 40000) \"facts\") (data (i32.const 40008) \"f\")",
        realloc: "(if (i32.load (i32.const 60000)) (then (loop $forever (br $forever))))",
        ..attack(
            "(call $put (i32.const 40100) (i32.const 40008) (i32.const 1))
             (i32.store (i32.const 60000) (i32.const 1))
             (call $get-many (i32.const 40000) (i32.const 5) (i32.const 40100) (i32.const 1) (i32.const 50000))",
        )
    };
    let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
    lab.put("facts", [("f", "{}")]);
    let ran = guest.attacks_in(&lab, &[&["--allow", "read:facts"], SHORT].concat());
    assert_snapshot!(failure(&ran), @"
      things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    [exit status: 3]
    ");
}

#[test]
fn a_loop_without_an_end_behind_the_answer() {
    let guest = Guest {
        module: "(func (export \"after\") (param i32) (if (i32.load (i32.const 60000)) (then (loop $forever (br $forever)))))",
        lift: "(post-return (func $main \"after\"))",
        ..attack("(i32.store (i32.const 60000) (i32.const 1))")
    };
    assert_snapshot!(failure(&guest.attacks(SHORT)), @"
      things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    [exit status: 3]
    ");
}

#[test]
fn a_lookup_over_a_large_table_that_finds_nothing() {
    // One condition, `/n` = 1; no document has it, and no index tells so.
    let guest = Guest {
        manifest: Manifest {
            reads: &["facts"],
            ..Manifest::default()
        },
        module: "(data (i32.const 40000) \"facts\") (data (i32.const 40008) \"/n\") (data (i32.const 40016) \"1\")",
        ..attack(
            "(call $put (i32.const 40100) (i32.const 40008) (i32.const 2))
             (i32.store (i32.const 40108) (i32.const 2))
             (call $put (i32.const 40112) (i32.const 40016) (i32.const 1))
             (call $put (i32.const 40200) (i32.const 40100) (i32.const 1))
             (call $find-many (i32.const 40000) (i32.const 5) (i32.const 40200) (i32.const 1) (i32.const 1) (i32.const 50000))
             unreachable",
        )
    };
    let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
    lab.sql(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2000000)
         INSERT INTO facts SELECT n, '{\"n\":0}' FROM numbers",
    );
    let ran = guest.heals_in(&lab, &[&["--allow", "read:facts"], SHORT].concat());
    assert_snapshot!(failure(&ran), @"
      things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    [exit status: 3]
    ");
}

#[test]
fn a_lookup_of_a_large_document_again_and_again() {
    let guest = Guest {
        manifest: Manifest {
            reads: &["facts"],
            ..Manifest::default()
        },
        memory: "64",
        module: "(data (i32.const 40000) \"facts\") (data (i32.const 40008) \"f\")",
        ..attack(
            "(loop $more
               (call $put (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 8))) (i32.const 40008) (i32.const 1))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $more (i32.lt_u (local.get $i) (i32.const 1000))))
             (call $get-many (i32.const 40000) (i32.const 5) (i32.const 1048576) (i32.const 1000) (i32.const 50000))
             (if (i32.ne (i32.load8_u (i32.const 50000)) (i32.const 1)) (then unreachable))
             (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.load (i32.const 50008)) (i32.load (i32.const 50012)))",
        )
    };
    let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
    let large = format!("\"{}\"", "f".repeat(1_000_000));
    lab.put("facts", [("f", large.as_str())]);
    // A thousand times a megabyte; what is asked for is never read as a whole.
    assert_snapshot!(guest.attacks_in(&lab, &["--allow", "read:facts"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 skipped
                   1 the limit `lookup-bytes` is 8 MiB; --lookup-bytes raises it
               0 failed
    [exit status: 0]
    ");
}
