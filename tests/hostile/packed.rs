//! Attacks by what is returned in one piece (the interface `packed`).

use insta::assert_snapshot;

use super::guest::{Guest, bytes};
use crate::common::Lab;

/// The interface `packed`, with a `transform` that returns this whatever it is given.
fn packed(text: &str, numbers: &[u8]) -> String {
    packed_of("(list u8)", text, numbers)
}

/// The same with other numbers than the interface's.
fn packed_of(list: &str, text: &str, numbers: &[u8]) -> String {
    let pack = [64, text.len(), 1024, numbers.len()]
        .iter()
        .flat_map(|number| u32::try_from(*number).unwrap().to_le_bytes())
        .collect::<Vec<_>>();
    let [pack, text, numbers] = [&pack, text.as_bytes(), numbers].map(bytes);
    format!(
        r#"
        (core module $pack
          (memory (export "memory") 1)
          (data (i32.const 16) "{pack}")
          (data (i32.const 64) "{text}")
          (data (i32.const 1024) "{numbers}")
          (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 32768))
          (func (export "transform") (param i32 i32 i32 i32) (result i32) (i32.const 16)))
        (core instance $pack (instantiate $pack))
        (type $pack (record (field "text" string) (field "numbers" {list})))
        (func $pack (param "documents" $pack) (result $pack)
          (canon lift (core func $pack "transform")
            (memory $pack "memory") (realloc (func $pack "realloc"))))
        (component $packed
          (type $record (record (field "text" string) (field "numbers" {list})))
          (import "pack" (type $pack (eq $record)))
          (import "transform" (func $transform (param "documents" $pack) (result $pack)))
          (export $named "pack" (type $pack))
          (export "transform" (func $transform)
            (func (param "documents" $named) (result $named))))
        (instance $packed (instantiate $packed
          (with "pack" (type $pack)) (with "transform" (func $pack))))
        (export "migration:plugin/packed@0.1.0" (instance $packed))"#
    )
}

fn guest(component: &str) -> Guest<'_> {
    Guest {
        component,
        ..Guest::default()
    }
}

#[test]
fn what_is_returned_in_one_piece_is_taken() {
    let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
    // skip("one"), replace("{\"b\":1}"), delete
    let component = packed("one{\"b\":1}", &[0, 3, 2, 7, 3]);
    let ran = guest(&component).runs_in(&lab, &[]);
    assert_eq!(ran.status(), 0, "{ran}");
    let expected = Lab::with_things([("a", "{}"), ("x", "{\"b\":1}")]);
    assert_eq!(lab.documents(), expected.documents(), "{ran}");
}

#[test]
fn another_number_of_outcomes() {
    assert_snapshot!(guest(&packed("", &[3, 3])).is_refused(&[]), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 3 documents that begins with `a`: the plugin returned 2 outcomes for 3 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
    assert_snapshot!(guest(&packed("", &[])).is_refused(&[]), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 3 documents that begins with `a`: the plugin returned 0 outcomes for 3 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
}

#[test]
fn what_does_not_follow_the_format() {
    assert_snapshot!(guest(&packed("", &[3, 3, 6])).is_refused(&[]), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 3 documents that begins with `a`: what the plugin returned in one piece is no list of outcomes: its numbers and its text do not fit together
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
    for (text, numbers) in [
        // Text that belongs to nothing, and that is not there.
        ("x", &[3, 3, 3][..]),
        ("x", &[3, 3, 0, 2]),
        // It ends within a character.
        ("é", &[3, 0, 1, 0, 1]),
        // Numbers without an end, and of more than 32 bits.
        ("", &[3, 3, 0x83]),
        ("", &[3, 3, 0x83, 0x80, 0x80, 0x80, 0x10]),
        // More edits than numbers.
        ("", &[3, 3, 1, 9, 1, 0]),
        // Neither none nor one.
        ("", &[3, 3, 5, 0, 0, 2]),
    ] {
        let ran = guest(&packed(text, numbers)).is_refused(&[]);
        assert!(ran.stderr().contains("its numbers and its text"), "{ran}");
    }
}

#[test]
fn a_list_that_no_memory_holds() {
    let lab = Lab::with_things([("a", "{}"), ("x", "{}")]);
    let component = packed("", &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    let ran = guest(&component).runs_in(&lab, &["--format", "json"]);
    assert_eq!(ran.status(), 3, "{ran}");
    let report = serde_json::from_str::<serde_json::Value>(&ran.stdout()).unwrap();
    for failure in report["errors"].as_array().unwrap() {
        assert_eq!(failure["code"], "limit");
        let message = failure["message"].as_str().unwrap();
        assert!(
            message.contains("the limit `returned-bytes` is"),
            "{message}"
        );
    }
    assert_eq!(report["failed"], 2, "{ran}");
    let store = Lab::with_things([("a", "{}"), ("x", "{}")]);
    assert_eq!(lab.documents(), store.documents());
}

#[test]
fn functions_of_another_shape() {
    assert_snapshot!(guest(&packed_of("(list u32)", "", &[])).is_refused(&[]), @"
    ------- stderr -------
    error: hostile.wasm does not fit the interface: its `packed`: failed to convert function to given type: type mismatch with parameters: type mismatch for field numbers: expected `u8` found `u32`
    [exit status: 1]
    ");
    let revert = r#"
        (core module $revert (func (export "revert")))
        (core instance $revert (instantiate $revert))
        (func $revert (canon lift (core func $revert "revert")))
        (instance $revert (export "revert" (func $revert)))
        (export "migration:plugin/revert@0.1.0" (instance $revert))"#;
    assert_snapshot!(guest(revert).is_refused(&[]), @"
    ------- stderr -------
    error: hostile.wasm does not fit the interface: its `revert`: failed to convert function to given type: type mismatch with parameters: expected 1-tuple, found 0-tuple
    [exit status: 1]
    ");
}
