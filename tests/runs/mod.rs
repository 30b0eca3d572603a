//! What a run promises: it adds up, it can be ended and gone on with, it loses no one's update, and how its
//! work is cut into batches shows nowhere.

mod batches;
mod beside;
mod dry;
mod ended;
mod resumed;

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{EDIT, Lab, Report, STORE, Tables, guest};

/// How many of the things have been edited so far.
fn edited(lab: &Lab) -> usize {
    lab.value("SELECT count(*) FROM things WHERE json_extract(doc, '$.n') = 1")
        .parse()
        .unwrap()
}

/// A document for each kind of outcome.
fn one_of_each() -> Lab {
    let lab = Lab::with_things([
        (
            "changes",
            r#"{"do":{"changes":[{"edit":[{"table":"things","id":"changes"},[{"set":{"at":"/n","value":"1"}}]]},{"insert":{"table":"others","id":null,"body":"{\"m\":1.0}"}},{"edit":[{"table":"others","id":"x"},[{"set":{"at":"/k","value":"2.50"}}]]}]}}"#,
        ),
        ("delete", r#"{"do":"delete"}"#),
        ("edit", EDIT),
        (
            "elsewhere",
            r#"{"do":{"changes":[{"delete":{"table":"others","id":"y"}}]}}"#,
        ),
        (
            "fail",
            r#"{"do":{"fail":{"code":"asked","message":"as it wished","at":"/do"}}}"#,
        ),
        ("nothing", r#"{"n":5}"#),
        (
            "refused",
            r#"{"do":{"edit":[{"remove":{"at":"/nowhere"}}]}}"#,
        ),
        (
            "replace",
            r#"{"n":1.0,"do":{"replace":"{\"n\":1,\"new\":true}"}}"#,
        ),
        (
            "same",
            r#"{"n":1,"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#,
        ),
        ("skip", r#"{"do":{"skip":"not today"}}"#),
        ("trap", r#"{"do":"trap"}"#),
    ]);
    lab.put("others", [("x", r#"{"k":1}"#), ("y", "{}")]);
    lab
}

#[test]
fn a_report_says_just_what_the_documentation_says() {
    let lab = one_of_each();
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().counts(), [11, 4, 3, 3, 1]);
    let keys: BTreeSet<_> = report
        .json()
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "run",
        "migration",
        "table",
        "state",
        "dry_run",
        "total",
        "updated",
        "skipped",
        "failed",
        "inserted",
        "deleted",
        "conflicts",
        "skip_reasons",
        "errors",
        "seconds",
    ];
    assert!(keys.is_superset(&expected.into()), "{keys:?}");
    assert_eq!(
        keys.difference(&expected.into())
            .copied()
            .collect::<Vec<_>>(),
        ["warnings"]
    );
    assert_eq!(*report.get("run"), 1);
    assert_eq!(*report.get("migration"), "scripted");
    assert_eq!(*report.get("table"), "things");
    assert_eq!(*report.get("state"), "finished");
    assert_eq!(*report.get("dry_run"), false);
    assert_eq!(*report.get("inserted"), 1);
    assert_eq!(*report.get("conflicts"), 0);
    assert_eq!(
        *report.get("skip_reasons"),
        json!({"no wish": 1, "not today": 1, "unchanged": 1})
    );
    assert!(report.get("seconds").is_number());
    let failed = &report.get("errors")[0];
    assert_eq!(
        *failed,
        json!({"table": "things", "id": "fail", "code": "asked", "message": "as it wished", "at": "/do"})
    );
    assert_eq!(report.errors()[2].split_once(": ").unwrap().0, "trap trap");
}

#[test]
fn what_a_run_did_is_what_its_documents_asked_for() {
    let lab = one_of_each();
    lab.report_scripted(&[]);
    assert_eq!(lab.thing("changes")["n"], 1);
    assert_eq!(
        lab.column("SELECT doc FROM others ORDER BY doc", &[]),
        [r#"{"k":2.50}"#, r#"{"m":1.0}"#]
    );
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE _id = 'delete'"),
        "0"
    );
    // What a replacement does not change keeps its bytes: 1 is the number that 1.0 is.
    assert_eq!(lab.body("things", "replace"), r#"{"n":1.0,"new":true}"#);
    assert_eq!(
        lab.body("things", "same"),
        r#"{"n":1,"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#
    );
}

#[test]
fn a_run_is_shown_to_a_person() {
    let lab = one_of_each();
    let ran = lab.run_scripted(&[]);
    assert_eq!(ran.status(), 3);
    let text = ran.to_string();
    // The text of a trap is the Wasm engine's.
    let steady: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("things trap: "))
        .collect();
    assert_snapshot!(steady.join("\n"), @"
    scripted over `things`: run 1 finished in [TIME] s
              11 met the filter
               4 updated
               1 deleted
               3 skipped
                   1 no wish
                   1 not today
                   1 unchanged
               3 failed
               1 inserted
    First failures:
      things fail: as it wished (asked at /do)
      things refused: `/nowhere` does not resolve: the document has no value there (invalid-edit at /nowhere)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

/// Everything that a report counts.
fn counted(report: &Report) -> Vec<Value> {
    [
        "total",
        "updated",
        "skipped",
        "failed",
        "inserted",
        "deleted",
        "skip_reasons",
    ]
    .map(|name| report.get(name).clone())
    .into()
}

#[test]
fn a_second_run_changes_nothing_where_all_is_done() {
    let lab = Lab::with_things([
        (
            "a",
            r#"{"todo":"yes","do":{"edit":[{"remove":{"at":"/todo"}}]}}"#,
        ),
        ("b", "{}"),
    ]);
    assert_eq!(
        lab.report(guest("filtered"), &[]).adds_up().counts(),
        [1, 1, 0, 0, 0]
    );
    let before = lab.documents();
    let again = lab.report(guest("filtered"), &[]);
    assert_eq!(again.adds_up().counts(), [0, 0, 0, 0, 0]);
    assert_eq!(*again.get("run"), 2);
    assert_eq!(lab.documents(), before);
}

#[test]
fn failed_documents_are_kept_with_their_reason_and_tried_again() {
    let lab = Lab::with_things([
        ("a", EDIT),
        (
            "b",
            r#"{"do":{"fail":{"code":"asked","message":"not yet","at":null}}}"#,
        ),
    ]);
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [2, 1, 0, 1, 0]);
    let kept = lab.column(
        r#"SELECT "table" || ' ' || id || ' ' || code || ' ' || message FROM _host_quarantine"#,
        &[],
    );
    assert_eq!(kept, ["things b asked not yet"]);
    lab.put("things", [("b", EDIT)]);
    let again = lab.report_scripted(&[]);
    assert_eq!(again.adds_up().counts(), [2, 1, 1, 0, 0]);
    assert_eq!(lab.thing("b")["n"], 1);
}

#[test]
fn the_report_shows_the_first_hundred_failures_and_counts_all() {
    let lab = Lab::with_things([]);
    let fail = r#"{"do":{"fail":{"code":"asked","message":"no","at":null}}}"#;
    let ids: Vec<_> = (0..250).map(|number| format!("t{number:03}")).collect();
    lab.put("things", ids.iter().map(|id| (id.as_str(), fail)));
    let report = lab.report_scripted(&["--batch-size", "30"]);
    assert_eq!(report.adds_up().counts(), [250, 0, 0, 250, 0]);
    let expected: Vec<_> = ids[..100]
        .iter()
        .map(|id| format!("{id} asked: no"))
        .collect();
    assert_eq!(report.errors(), expected);
    assert_eq!(lab.value("SELECT count(*) FROM _host_quarantine"), "250");
}

#[test]
fn a_document_that_traps_or_never_comes_back_is_lost_alone() {
    let lab = Lab::with_things([
        ("a", EDIT),
        ("b", r#"{"do":"trap"}"#),
        ("c", EDIT),
        ("d", r#"{"do":"loop"}"#),
        ("e", EDIT),
    ]);
    let report = lab.report_scripted(&["--batch-size", "3"]);
    assert_eq!(report.adds_up().counts(), [5, 3, 0, 2, 0]);
    let codes: Vec<_> = report
        .errors()
        .iter()
        .map(|error| error.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes, ["b trap", "d limit"]);
    assert!(
        report.errors()[1].contains("document-time"),
        "{:?}",
        report.errors()
    );
    assert_eq!(edited(&lab), 3);
}

#[test]
fn a_plugin_that_takes_too_much_memory_is_told_the_limit() {
    let lab = Lab::with_things([("a", EDIT), ("b", r#"{"do":"hoard"}"#), ("c", EDIT)]);
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().counts(), [3, 2, 0, 1, 0]);
    assert_snapshot!(report.errors().join("\n"), @"b limit: the plugin used more than it may: the limit `instance-memory` is 256 MiB; --instance-memory raises it");
}

#[test]
fn what_a_plugin_logs_is_shown_and_steers_no_terminal() {
    let lab = Lab::with_things([("a", r#"{"do":{"log":"two\nlines and \u001b[2J"}}"#)]);
    let ran = lab.run_scripted(&["--format", "json"]);
    assert_eq!(ran.report().adds_up().counts(), [1, 0, 1, 0, 0]);
    assert_snapshot!(ran.stderr(), @r"plugin warning: two\u{a}lines and \u{1b}[2J  table=things  document=a");
}

#[test]
fn messages_of_documents_steer_no_terminal() {
    let lab = Lab::with_things([
        (
            "a\u{1b}[31m",
            r#"{"do":{"fail":{"code":"c\u001b]0;x","message":"m\u001b[2J\nm","at":"/\u001b"}}}"#,
        ),
        ("b", r#"{"do":{"skip":"s\u001b"}}"#),
    ]);
    let ran = lab.run_scripted(&[]);
    assert!(
        !ran.stdout().contains('\u{1b}') && !ran.stderr().contains('\u{1b}'),
        "{:?}",
        ran.stdout()
    );
    let ran = lab.run_scripted(&["--dry-run"]);
    assert!(!ran.stdout().contains('\u{1b}'), "{:?}", ran.stdout());
}

#[test]
fn parameters_and_secrets_reach_the_plugin_and_secrets_nobody_else() {
    let lab = Lab::with_things([
        ("number", r#"{"do":{"param":"n"}}"#),
        ("object", r#"{"do":{"param":"o"}}"#),
        ("text", r#"{"do":{"param":"t"}}"#),
        ("none", r#"{"do":{"param":"unknown"}}"#),
        ("secret", r#"{"do":{"secret":"other"}}"#),
    ]);
    let params = [
        "--param",
        "n=1.0",
        "--param",
        r#"o={"a": 1e3}"#,
        "--param",
        "t=copy",
    ];
    assert_eq!(lab.report_scripted(&params).number("updated"), 5);
    let answer = |id: &str| {
        lab.body("things", id)
            .split_once("\"answer\":")
            .unwrap()
            .1
            .trim_end_matches('}')
            .to_owned()
    };
    assert_eq!(answer("number"), "1.0");
    assert_eq!(answer("object"), r#"{"a": 1e3"#);
    assert_eq!(answer("text"), "\"copy\"");
    assert_eq!(answer("none"), "null");
    assert_eq!(answer("secret"), "null");

    let lab = Lab::with_things([
        ("a", r#"{"do":{"secret":"api-key"}}"#),
        ("b", r#"{"do":{"secret":"other"}}"#),
    ]);
    let run = [
        "run",
        guest("secretive"),
        "--store",
        STORE,
        "--allow",
        "secret:api-key",
    ];
    let ran = lab
        .host_with(
            &[
                ("HOST_SECRET_API_KEY", "hunter2"),
                ("HOST_SECRET_OTHER", "x"),
            ],
            &run,
        )
        .success();
    assert!(!ran.to_string().contains("hunter2"));
    assert_eq!(lab.thing("a")["answer"], "hunter2");
    assert_eq!(lab.thing("b")["answer"], Value::Null);
    let ledger: Tables = lab
        .everything()
        .into_iter()
        .filter(|(name, _)| name.starts_with("_host_"))
        .collect();
    assert!(!format!("{ledger:?}").contains("hunter2"));
}

#[test]
fn ids_of_the_hosts_making_are_the_same_for_the_same_document() {
    for others in [
        "_id TEXT PRIMARY KEY, doc JSON NOT NULL",
        "_id INTEGER PRIMARY KEY, doc JSON NOT NULL",
    ] {
        let lab = Lab::with_table(&format!(
            "CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL); CREATE TABLE others ({others})"
        ));
        lab.put("things", [
            ("a", r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{\"n\":1}"}},{"insert":{"table":"others","id":null,"body":"{\"n\":2}"}}]}}"#),
            ("b", r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{\"n\":3}"}}]}}"#),
            ("c", r#"{"do":{"insert-new":{"table":"others","seed":"x","body":"{}"}}}"#),
            ("d", r#"{"do":{"new-id":{"table":"others","seed":"x"}}}"#),
        ]);
        let first = lab.report_scripted(&["--batch-size", "1"]);
        assert_eq!(first.adds_up().counts(), [4, 4, 0, 0, 0]);
        assert_eq!(first.number("inserted"), 4);
        let others = lab.documents()["others"].clone();
        let made: Vec<_> = others
            .iter()
            .filter(|row| row[1] == "{}")
            .map(|row| json!(row[0]))
            .collect();
        assert_eq!(made, [lab.thing("d")["answer"].clone()]);
        // What the host named itself is known again; an id that the plugin gave is its own affair.
        let again = lab.report_scripted(&[]);
        assert_eq!(
            (again.number("inserted"), again.number("failed")),
            (0, 1),
            "{}",
            again.json()
        );
        assert_eq!(lab.documents()["others"], others);
    }
}

/// What one of seven things may ask for: about itself, about another one, and about other tables.
fn wish() -> impl Strategy<Value = String> {
    let id = || (0..9).prop_map(|number| format!("t{number}"));
    let set = |value: u8| json!([{"set": {"at": "/n", "value": value.to_string()}}]);
    prop_oneof![
        3 => any::<u8>().prop_map(move |value| json!({"edit": set(value)})),
        1 => Just(json!("delete")),
        1 => Just(json!("trap")),
        1 => Just(json!({"skip": "asked"})),
        1 => Just(json!({"fail": {"code": "asked", "message": "so", "at": null}})),
        1 => Just(json!({"edit": [{"remove": {"at": "/nowhere"}}]})),
        2 => (id(), any::<u8>()).prop_map(move |(id, value)| json!({"changes": [{"edit": [{"table": "things", "id": id}, set(value)]}]})),
        2 => (id(), proptest::sample::select(vec!["yes", "no"])).prop_map(|(id, todo)| json!({"changes": [{"edit": [{"table": "things", "id": id}, [{"set": {"at": "/todo", "value": format!("\"{todo}\"")}}]]}]})),
        1 => (id(), id()).prop_map(|(one, other)| json!({"changes": [{"delete": {"table": "things", "id": one}}, {"delete": {"table": "things", "id": other}}]})),
        2 => (id(), any::<u8>()).prop_map(move |(id, value)| json!({"changes": [{"insert": {"table": "things", "id": id, "body": json!({"todo": "yes", "do": {"edit": set(value)}}).to_string()}}]})),
        1 => Just(json!({"changes": [{"insert": {"table": "things", "id": null, "body": "{\"todo\":\"yes\",\"do\":\"delete\"}"}}]})),
    ]
    .prop_map(|wish| wish.to_string())
}
