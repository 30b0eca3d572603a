//! Attacks at one document, between two that are healthy.

use insta::assert_snapshot;

use super::bounds;
use super::guest::{Guest, Manifest, SHORT, attack, bytes};
use crate::common::{Lab, STORE};

/// An attack with these texts at 1 MiB and every MiB from there on.
fn attack_with(texts: &[&str], attack: &str) -> Guest<'static> {
    let data: String = (1..)
        .zip(texts)
        .map(|(place, text)| {
            format!(
                "(data (i32.const {}) \"{}\")",
                place << 20,
                bytes(text.as_bytes())
            )
        })
        .collect();
    Guest {
        memory: "256",
        module: String::leak(data),
        attack: attack.to_owned().into(),
        ..Guest::default()
    }
}

/// The number of a text's place, for the attack's text.
fn put(field: usize, place: usize, text: &str) -> String {
    format!(
        "(call $put (i32.add (local.get $outcome) (i32.const {field})) (i32.const {}) (i32.const {}))",
        place << 20,
        text.len()
    )
}

fn outcome(number: usize) -> String {
    format!("(i32.store (local.get $outcome) (i32.const {number}))")
}

fn skips(reason: &str) -> Guest<'static> {
    attack_with(&[reason], &put(4, 1, reason))
}

fn replaces(body: &str) -> Guest<'static> {
    attack_with(&[body], &[outcome(2), put(4, 1, body)].concat())
}

fn fails(code: &str, message: &str) -> Guest<'static> {
    attack_with(
        &[code, message],
        &[outcome(5), put(4, 1, code), put(12, 2, message)].concat(),
    )
}

/// Deletes a document of a table.
pub fn deletes(table: &str, id: &str) -> Guest<'static> {
    let change = format!(
        "(i32.store (i32.const 40000) (i32.const 3))
         (call $put (i32.const 40004) (i32.const {}) (i32.const {}))
         (call $put (i32.const 40012) (i32.const {}) (i32.const {}))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (i32.const 1))",
        1 << 20,
        table.len(),
        2 << 20,
        id.len()
    );
    attack_with(&[table, id], &[outcome(4), change].concat())
}

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
fn texts_that_are_too_long() {
    assert_snapshot!(skips(&"r".repeat(1025)).attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: a reason of 1025 bytes, and the limit `name-bytes` is 1 KiB; --name-bytes raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(fails(&"c".repeat(1025), "").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: a code of 1025 bytes, and the limit `name-bytes` is 1 KiB; --name-bytes raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(fails("mine", "the fifteenth is the last").attacks(&["--message-bytes", "15B"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the fifteenth i… (cut: the limit `message-bytes` is 15 bytes; --message-bytes raises it) (mine)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(deletes(&"t".repeat(1025), "a").attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: a table's name of 1025 bytes, and the limit `name-bytes` is 1 KiB; --name-bytes raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(deletes("things", &"a".repeat(17_000)).attacks(&[]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin returned more than it may: an id or a pointer of 17000 bytes, and the limit `id-bytes` is 16 KiB; --id-bytes raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn texts_that_steer_the_terminal() {
    const STEERS: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\r\u{9b}2K\u{202e}\n[exit status: 0]";
    let lab = Lab::with_things([("a", "{}"), ("x\u{1b}[2J", "{}"), ("z", "{}")]);
    let ran = fails(STEERS, STEERS).attacks_in(&lab, &[]);
    assert_snapshot!(ran, @r"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x\u{1b}[2J: \u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0] (\u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0])
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(bounds::host(&lab, &[], &["quarantine", "1", "--store", STORE]), @r"
    ID          CODE                                                                    AT  MESSAGE
    x\u{1b}[2J  \u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0]  -   \u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0]
    [exit status: 0]
    ");
    for more in [&["-vv"][..], &["--format", "json", "-vv"]] {
        let ran = fails(STEERS, STEERS).attacks(more);
        let said = [ran.stdout(), ran.stderr()].concat();
        assert!(said.contains("owned"), "{said}");
        assert!(
            !said.contains(|character: char| character != '\n' && character.is_control()),
            "{said}"
        );
    }
    assert_snapshot!(skips(STEERS).attacks(&[]), @r"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 skipped
                   1 \u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0]
               0 failed
    [exit status: 0]
    ");
    assert_snapshot!(deletes(STEERS, STEERS).attacks(&[]), @r"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the migration does not declare that it writes table `\u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0]` (not-granted)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(deletes("things", STEERS).attacks(&[]), @r"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: table `things` has no document `\u{1b}]0;owned\u{7}\u{1b}[2J\u{d}\u{9b}2K\u{202e}\u{a}[exit status: 0]` to change (unknown-document)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_panic_whose_message_is_ten_megabytes() {
    let guest = attack(
        "(local.set $at (i32.mul (memory.grow (i32.const 160)) (i32.const 65536)))
         (memory.fill (local.get $at) (i32.const 0x21) (i32.const 10000000))
         (call $emit (i32.const 3) (local.get $at) (i32.const 10000000) (i32.const 0) (i32.const 0))
         unreachable",
    );
    assert_snapshot!(guest.attacks(&["--log-line-bytes", "10B"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the plugin trapped: !!!!!!!!!! (wasm trap: wasm `unreachable` instruction executed) (trap)
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
fn a_secret_that_was_not_granted() {
    let guest = Guest {
        module: "(data (i32.const 40000) \"API_KEY\")",
        ..attack(
            "(call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (i32.const 3))
             (call $secret (i32.const 40000) (i32.const 7) (i32.const 50000))
             (if (i32.load8_u (i32.const 50000)) (then
               (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.load (i32.const 50004)) (i32.load (i32.const 50008)))))",
        )
    };
    let lab = Lab::with_things([("a", "{}"), ("x", "{}")]);
    let arguments = ["run", guest.put_into(&lab), "--store", STORE];
    let secret = [("HOST_SECRET_API_KEY", "hunter2")];
    assert_snapshot!(bounds::host(&lab, &secret, &arguments), @"
    hostile over `things`: run 1 finished in [TIME] s
               2 met the filter
               1 updated
               1 skipped
                   1 API
               0 failed
    [exit status: 0]
    ");
    let granted = [&arguments[..], &["--allow", "secret:API_KEY"]].concat();
    assert_snapshot!(bounds::host(&lab, &secret, &granted), @"
    hostile over `things`: run 2 finished in [TIME] s
               2 met the filter
               0 updated
               2 skipped
                   1 API
                   1 unchanged
               0 failed
    [exit status: 0]
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

#[test]
fn a_trap_at_one_document_in_ten_thousand() {
    let lab = Lab::with_things([]);
    lab.sql(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
         INSERT INTO things SELECT iif(n = 7654, 'x', 'd') || n, '{}' FROM numbers",
    );
    assert_snapshot!(attack("unreachable").runs_in(&lab, &[]), @"
    hostile over `things`: run 1 finished in [TIME] s
          10,000 met the filter
           9,999 updated
               1 failed
    First failures:
      things x7654: the plugin trapped: wasm trap: wasm `unreachable` instruction executed (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    let bodies = "SELECT doc || ' ' || count(*) FROM things GROUP BY doc ORDER BY 1";
    assert_eq!(lab.column(bodies, &[]), ["{\"done\":true} 9999", "{} 1"]);
}

#[test]
fn what_an_earlier_batch_left_behind() {
    let guest = Guest {
        module: "(data (i32.const 40000) \"new instance!\")",
        ..attack(
            "(call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (i32.sub (i32.const 13) (i32.load (i32.const 50000))))
             (i32.store (i32.const 50000) (i32.const 10))",
        )
    };
    let lab = Lab::with_things([("x1", "{}"), ("x2", "{}"), ("x3", "{}")]);
    assert_snapshot!(guest.runs_in(&lab, &["--batch-size", "1"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               0 updated
               3 skipped
                   3 new instance!
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

#[test]
fn a_limit_that_the_settings_file_sets_and_a_flag_raises() {
    let lab = Lab::with_things([("x", "{}")]);
    lab.write("host.toml", "[limits]\nname-bytes = \"9B\"\n");
    let guest = skips("0123456789");
    let failed = guest.runs_in(&lab, &[]).to_string();
    let failed = failed.lines().find(|line| line.starts_with("  things"));
    assert_snapshot!(failed.unwrap(), @"  things x: the plugin returned more than it may: a reason of 10 bytes, and the limit `name-bytes` is 9 bytes; --name-bytes raises it (limit)");
    guest.runs_in(&lab, &["--name-bytes", "10B"]).success();
    lab.write("host.toml", "[limits]\nname-size = 9\n");
    let ran = guest.runs_in(&lab, &[]);
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(ran.stderr().contains("unknown field `name-size`"), "{ran}");
}
