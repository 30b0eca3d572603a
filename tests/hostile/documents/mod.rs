//! Attacks at one document, between two that are healthy.

mod answers;
mod exhaustion;
mod floods;

use insta::assert_snapshot;

use super::bounds;
use super::guest::{Guest, attack, bytes};
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
