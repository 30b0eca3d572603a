//! Answers that are none.

use insta::assert_snapshot;

use super::replaces;
use crate::common::Lab;
use crate::hostile::guest::{Guest, attack};

#[test]
fn pointers_into_nowhere() {
    assert_snapshot!(attack("(call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const -16) (i32.const 64))").attacks(&[]), @"
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
fn a_list_of_edits_that_lies_beside_its_place() {
    let guest = attack(
        "(i32.store (local.get $outcome) (i32.const 1))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 32769) (i32.const 1))",
    );
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: list pointer is not aligned (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn an_outcome_that_there_is_not() {
    assert_snapshot!(attack("(i32.store (local.get $outcome) (i32.const 77))").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: unexpected discriminant: 77 (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn bytes_that_are_no_text() {
    let guest = attack(
        "(i32.store (i32.const 40000) (i32.const -1))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (i32.const 4))",
    );
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: invalid utf-8 sequence of 1 bytes from index 0 (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

/// Returns so many outcomes, whatever it was given. Nothing may be done.
#[track_caller]
fn returns(outcomes: usize) -> String {
    let answer = format!(
        "(call $put (i32.const 16) (call $allocate (i32.const {})) (i32.const {outcomes}))",
        32 * outcomes
    );
    let guest = Guest {
        answer: &answer,
        ..Guest::default()
    };
    let lab = Lab::with_things([("a", "{}"), ("z", "{}")]);
    let before = lab.documents();
    let room = ["--instance-memory", "64MiB", "--returned-bytes", "128MiB"];
    let ran = guest.runs_in(&lab, &room);
    assert_eq!(lab.documents(), before, "{ran}");
    ran.to_string()
}

#[test]
fn a_million_outcomes_for_two_documents() {
    assert_snapshot!(returns(1_000_000), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 2 documents that begins with `a`: the plugin returned 1000000 outcomes for 2 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
}

#[test]
fn no_outcomes_at_all() {
    assert_snapshot!(returns(0), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 2 documents that begins with `a`: the plugin returned 0 outcomes for 2 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
}

#[test]
fn json_nested_too_deep() {
    let deep = format!("{}{}", "[".repeat(129), "]".repeat(129));
    assert_snapshot!(replaces(&deep).attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: a value nested 129 deep, and the limit `json-depth` is 128; --json-depth raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    // A level for each byte of a few megabytes.
    let guest = attack(
        "(local.set $at (i32.mul (memory.grow (i32.const 100)) (i32.const 65536)))
         (memory.fill (local.get $at) (i32.const 0x5b) (i32.const 3000000))
         (memory.fill (i32.add (local.get $at) (i32.const 3000000)) (i32.const 0x5d) (i32.const 3000000))
         (i32.store (local.get $outcome) (i32.const 2))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $at) (i32.const 6000000))",
    );
    assert_snapshot!(guest.attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: a value nested 3000000 deep, and the limit `json-depth` is 128; --json-depth raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    // Where it may be, it is written: the host itself has no trouble with it.
    let lab = Lab::with_things([("x", "{}")]);
    guest.runs_in(&lab, &["--json-depth", "3000000"]).success();
    assert_eq!(lab.body("things", "x").len(), 6_000_000);
}

#[test]
fn bodies_that_are_no_json() {
    assert_snapshot!(replaces("{").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the new body is not valid JSON: EOF while parsing an object at line 1 column 1 (invalid-value)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(replaces("{\"a\":\"\0\"}").attacks(&[]), @r"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the new body is not valid JSON: control character (\u0000-\u001F) found while parsing a string at line 1 column 6 (invalid-value)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(replaces("{\"a\":\"b\"}\0{}").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the new body is not valid JSON: trailing characters at line 1 column 10 (invalid-value)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_surrogate_alone_and_an_escaped_nul() {
    let lab = Lab::with_things([("x1", "{}"), ("x2", "{}")]);
    let body = r#"{"a":"\ud800","b":"\u0000"}"#;
    let ran = replaces(body).runs_in(&lab, &[]);
    assert_snapshot!(ran, @"
    hostile over `things`: run 1 finished in [TIME] s
               2 met the filter
               2 updated
               0 failed
    [exit status: 0]
    ");
    let bodies = lab.column("SELECT doc FROM things", &[]);
    assert_snapshot!(bodies.join("\n"), @r#"
    {"a":"\ud800","b":"\u0000"}
    {"a":"\ud800","b":"\u0000"}
    "#);
}
