//! More than may be, of whatever it is.

use insta::assert_snapshot;

use super::replaces;
use crate::common::Lab;
use crate::hostile::guest::{Guest, Manifest, SHORT, attack};

#[test]
fn more_edits_than_may_be() {
    let guest = attack(
        "(local.set $at (call $allocate (i32.const 20020)))
         (loop $more
           (memory.copy (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 20))) (i32.const 32768) (i32.const 20))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $i) (i32.const 1001))))
         (i32.store (local.get $outcome) (i32.const 1))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $at) (i32.const 1001))",
    );
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: 1001 edits, and the limit `document-edits` is 1000; --document-edits raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

/// Inserts so many documents without ids into `things`. One takes 36 bytes.
fn inserts(count: usize) -> String {
    format!(
        "(local.set $at (call $allocate (i32.const {})))
         (loop $more
           (call $put (i32.add (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 4)) (i32.const 40000) (i32.const 6))
           (call $put (i32.add (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 32))) (i32.const 24)) (i32.const 40008) (i32.const 2))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $i) (i32.const {count}))))
         (i32.store (local.get $outcome) (i32.const 4))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $at) (i32.const {count}))",
        32 * count
    )
}

#[test]
fn a_flood_of_insertions() {
    let guest = |attack| Guest {
        module: "(data (i32.const 40000) \"things\\00\\00{}\")",
        attack,
        ..Guest::default()
    };
    assert_snapshot!(guest(inserts(10_001).into()).attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: 10001 changes, and the limit `document-changes` is 10000; --document-changes raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(guest(inserts(3).into()).attacks(&["--document-insertions", "2"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: 3 insertions, and the limit `document-insertions` is 2; --document-insertions raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_flood_of_log_lines_of_megabytes() {
    let guest = attack(
        "(local.set $at (i32.mul (memory.grow (i32.const 160)) (i32.const 65536)))
         (memory.fill (local.get $at) (i32.const 0x21) (i32.const 10000000))
         (loop $more
           (call $emit (i32.const 3) (local.get $at) (i32.const 10000000) (i32.const 0) (i32.const 0))
           (br $more))",
    );
    assert_snapshot!(guest.attacks(SHORT), @"
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
fn a_flood_of_lookups() {
    let guest = Guest {
        manifest: Manifest {
            reads: &["facts"],
            ..Manifest::default()
        },
        memory: "64",
        module: "(data (i32.const 40000) \"facts\")",
        // Ids of no bytes, which nobody has.
        ..attack(
            "(loop $more
               (call $get-many (i32.const 40000) (i32.const 5) (i32.const 100000) (i32.const 1000) (i32.const 50000))
               (br $more))",
        )
    };
    let allow = ["--allow", "read:facts"];
    assert_snapshot!(guest.attacks(&[&allow[..], SHORT].concat()), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    let once = Guest {
        attack: "(call $get-many (i32.const 40000) (i32.const 5) (i32.const 100000) (i32.const 1000) (i32.const 50000))
                 (if (i32.ne (i32.load8_u (i32.const 50000)) (i32.const 1)) (then (call $heal (local.get $outcome)) (return)))
                 (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.load (i32.const 50008)) (i32.load (i32.const 50012)))".into(),
        ..guest
    };
    assert_snapshot!(once.attacks(&[&allow[..], &["--lookups", "999"]].concat()), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 skipped
                   1 the limit `lookups` is 999; --lookups raises it
               0 failed
    [exit status: 0]
    ");
}

#[test]
fn a_replacement_that_changes_a_hundred_thousand_values() {
    let values = |value: &str| format!("[{}]", vec![value; 100_000].join(","));
    let lab = Lab::with_things([("a", "{}"), ("x", &values("1")), ("z", "{}")]);
    // However many there are, the document is gone over once.
    let within = ["--edit-work", "201000B"];
    replaces(&values("2")).heals_in(&lab, &within).success();
    assert_eq!(lab.body("things", "x"), values("2"));
}

#[test]
fn a_thousand_edits_of_the_same_place_in_a_large_document() {
    let guest = attack(
        "(local.set $at (call $allocate (i32.const 20000)))
         (loop $more
           (memory.copy (i32.add (local.get $at) (i32.mul (local.get $i) (i32.const 20))) (i32.const 32768) (i32.const 20))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $i) (i32.const 1000))))
         (i32.store (local.get $outcome) (i32.const 1))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $at) (i32.const 1000))",
    );
    let body = format!("{{\"a\":\"{}\"}}", "a".repeat(1_000_000));
    let lab = Lab::with_things([("a", "{}"), ("x", &body), ("z", "{}")]);
    assert_snapshot!(guest.attacks_in(&lab, &["--edit-work", "100MiB"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: 1000 edits of a body of 1000008 bytes would go over more text than they may, and the limit `edit-work` is 100 MiB; --edit-work raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_key_that_stands_a_hundred_thousand_times() {
    let body = format!("{{{}\"b\":1}}", "\"a\":1,".repeat(100_000));
    let lab = Lab::with_things([("x", body.as_str())]);
    // It sets what stands last and hides the others, and it ends.
    replaces("{\"b\":1}").runs_in(&lab, &[]).success();
    assert_eq!(lab.body("things", "x"), "{\"b\":1}");
}

#[test]
fn a_lookup_that_goes_over_a_table_ten_thousand_times() {
    let guest = Guest {
        manifest: Manifest {
            reads: &["facts"],
            ..Manifest::default()
        },
        memory: "64",
        // One condition, `/n` = 1, and a list of queries that all are this one.
        module: "(data (i32.const 40000) \"facts\") (data (i32.const 40008) \"/n\") (data (i32.const 40016) \"1\")",
        ..attack(
            "(call $put (i32.const 40100) (i32.const 40008) (i32.const 2))
             (i32.store (i32.const 40108) (i32.const 2))
             (call $put (i32.const 40112) (i32.const 40016) (i32.const 1))
             (loop $more
               (call $put (i32.add (i32.const 1048576) (i32.mul (local.get $i) (i32.const 8))) (i32.const 40100) (i32.const 1))
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $more (i32.lt_u (local.get $i) (i32.const 10000))))
             (call $find-many (i32.const 40000) (i32.const 5) (i32.const 1048576) (i32.const 10000) (i32.const 1) (i32.const 50000))
             unreachable",
        )
    };
    let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
    lab.sql(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 20000)
         INSERT INTO facts SELECT n, '{\"n\":0}' FROM numbers",
    );
    let ran = guest.attacks_in(&lab, &[&["--allow", "read:facts"], SHORT].concat());
    let failed = ran.stdout();
    let failed = failed.lines().find(|line| line.starts_with("  things"));
    assert_snapshot!(failed.unwrap(), @"  things x: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)");
}
