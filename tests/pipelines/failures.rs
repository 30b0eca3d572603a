//! A document that fails at one stage fails as a whole, and no other does.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{at_stages, edit, fail, hands_on, pipeline, report, run, shown};
use crate::common::{EDIT, Lab, SCRIPTED_GRANTS, STORE, guest};

/// The command line that tries run 1's failed documents again.
fn retry(lab: &Lab, more: &[&str]) -> crate::common::Report {
    let retry = ["retry", "1", "--store", STORE, "--format", "json"];
    lab.host(&[&retry, SCRIPTED_GRANTS, more].concat()).report()
}

/// What run 1 counted at its stages.
fn counted(lab: &Lab) -> Vec<Value> {
    let shown = shown(lab, &["show", "1"]);
    let stages = shown["stages"].as_array().unwrap();
    let names = ["total", "updated", "skipped", "failed", "deleted"];
    stages
        .iter()
        .map(|stage| names.iter().map(|name| stage[*name].clone()).collect())
        .collect()
}

#[test]
fn whatever_the_second_stage_does_to_a_document_is_that_documents_failure_alone() {
    let written = json!({"do": {"changes": [
        {"insert": {"table": "others", "id": "late", "body": "{}"}},
        {"edit": [{"table": "things", "id": "g-first-writes"}, [
            {"set": {"at": "/todo", "value": "\"yes\""}},
            {"set": {"at": "/do", "value": "\"trap\""}},
        ]]},
    ]}});
    let lab = Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b-fails", hands_on(&fail()).as_str()),
        ("c-traps", hands_on(&json!("trap")).as_str()),
        ("d-loops", hands_on(&json!("loop")).as_str()),
        (
            "e-key",
            hands_on(&json!({"edit": [{"rename": {"from": "/none", "to": "/x"}}]})).as_str(),
        ),
        (
            "f-writes",
            hands_on(
                &json!({"changes": [{"insert": {"table": "others", "id": "f", "body": "{}"}}]}),
            )
            .as_str(),
        ),
        ("g-first-writes", written.to_string().as_str()),
        ("h", hands_on(&edit()).as_str()),
        (
            "i-first",
            json!({"todo": "yes", "do": "trap"}).to_string().as_str(),
        ),
    ]);
    let before = lab.documents();
    let limits = ["--batch-time", "1s", "--document-time", "500ms"];
    let counted = report(&lab, &limits);
    assert_eq!(counted.adds_up().counts(), [9, 2, 0, 7, 0]);
    assert_eq!(at_stages(&counted), [[3, 2, 0, 1, 0], [8, 2, 0, 6, 0]]);
    let failed: Vec<_> = counted.get("errors").as_array().unwrap().iter().collect();
    let of = |name: &str| -> Vec<&str> {
        failed
            .iter()
            .map(|error| error[name].as_str().unwrap())
            .collect()
    };
    assert_eq!(
        of("code"),
        [
            "asked",
            "trap",
            "limit",
            "invalid-edit",
            "not-granted",
            "trap",
            "trap"
        ]
    );
    assert_eq!(
        of("migration"),
        [
            "filtered", "filtered", "filtered", "filtered", "filtered", "filtered", "scripted"
        ]
    );
    // Nothing of what the first stage did to them is there, and what it did to others neither.
    let after = lab.documents();
    assert_eq!(after["others"], before["others"]);
    let left = |tables: &crate::common::Tables| -> Vec<Vec<String>> {
        let rows = tables["things"].iter();
        rows.filter(|row| row[0].len() > 1).cloned().collect()
    };
    assert_eq!(left(&after), left(&before));
    assert_eq!(
        (&lab.thing("a")["m"], &lab.thing("h")["m"]),
        (&json!(2), &json!(2))
    );
    assert_snapshot!(lab.host(&["quarantine", "1", "--store", STORE]), @"
    ID              MIGRATION  CODE          AT     MESSAGE
    b-fails         filtered   asked         -      not yet
    c-traps         filtered   trap          -      the plugin trapped: wasm trap: wasm `unreachable` instruction executed
    d-loops         filtered   limit         -      the plugin took longer than it may: the limit `document-time` is 500ms; --document-time raises it
    e-key           filtered   invalid-edit  /none  `/none` does not resolve: the document has no value there
    f-writes        filtered   not-granted   -      the migration does not declare that it writes table `others`
    g-first-writes  filtered   trap          -      the plugin trapped: wasm trap: wasm `unreachable` instruction executed
    i-first         scripted   trap          -      the plugin trapped: wasm trap: wasm `unreachable` instruction executed
    [exit status: 0]
    ");
    let line = lab
        .host(&["quarantine", "1", "--store", STORE, "--documents"])
        .stdout();
    assert!(
        line.lines()
            .next()
            .unwrap()
            .contains(r#""migration":"filtered""#),
        "{line}"
    );
}

#[test]
fn what_the_store_refuses_is_told_of_the_stage_that_wrote_last() {
    let set = |value: &str| json!({"edit": [{"set": {"at": "/n", "value": value}}]});
    let lab = Lab::with_things([("b", hands_on(&set("7")).as_str())]);
    lab.put("things", [("a", EDIT)]);
    lab.sql(
        "CREATE TRIGGER never BEFORE UPDATE ON things WHEN json_extract(new.doc, '$.n') = 7
         BEGIN SELECT raise(ABORT, 'seven is taken'); END;",
    );
    let counted = report(&lab, &[]);
    assert_eq!(counted.adds_up().counts(), [2, 1, 0, 1, 0]);
    assert_eq!(at_stages(&counted), [[1, 1, 0, 0, 0], [1, 0, 0, 1, 0]]);
    assert_eq!(counted.get("errors")[0]["migration"], "filtered");
    assert_eq!(lab.thing("b")["n"], Value::Null);
}

#[test]
fn failed_documents_are_tried_again_through_all_stages() {
    let lab = Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b", hands_on(&fail()).as_str()),
        ("c", json!({"do": fail()}).to_string().as_str()),
        ("d", hands_on(&json!("trap")).as_str()),
    ]);
    report(&lab, &[]);
    assert_eq!(
        counted(&lab),
        [json!([2, 1, 0, 1, 0]), json!([3, 1, 0, 2, 0])]
    );
    // One gets through, one fails at the other stage now, and one fails as it did.
    lab.put(
        "things",
        [
            ("b", hands_on(&edit()).as_str()),
            ("c", hands_on(&fail()).as_str()),
        ],
    );
    let dry = retry(&lab, &["--dry-run"]);
    let again = retry(&lab, &[]);
    assert_eq!(again.adds_up().counts(), [3, 1, 0, 2, 0]);
    assert_eq!(at_stages(&again), [[1, 1, 0, 0, 0], [3, 1, 0, 2, 0]]);
    assert_eq!(at_stages(&dry), at_stages(&again));
    assert_eq!(
        counted(&lab),
        [json!([2, 2, 0, 0, 0]), json!([4, 2, 0, 2, 0])]
    );
    assert_eq!(
        lab.column(
            "SELECT concat_ws(' ', id, code, migration) FROM _host_quarantine ORDER BY number",
            &[]
        ),
        ["c asked filtered", "d trap filtered"]
    );
    // It fails at the first stage by now.
    lab.put(
        "things",
        [("d", json!({"do": fail()}).to_string().as_str())],
    );
    retry(&lab, &["--batch-size", "1"]);
    assert_eq!(
        counted(&lab),
        [json!([3, 2, 0, 1, 0]), json!([3, 2, 0, 1, 0])]
    );
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.thing("b")["m"], Value::Null);
}

/// The mended plugin takes the place of the stage of its name; the others are those that worked on the run.
#[test]
fn a_mended_plugin_takes_the_place_of_its_stage() {
    let lab = Lab::with_things([
        ("a", hands_on(&fail()).as_str()),
        ("b", hands_on(&edit()).as_str()),
    ]);
    report(&lab, &[]);
    lab.put("things", [("a", hands_on(&edit()).as_str())]);
    let first = |lab: &Lab| shown(lab, &["show", "1"])["stages"][0].clone();
    let before = first(&lab)["plugin"].clone();
    // It is the first stage's migration, with a `revert`.
    let again = retry(&lab, &["--plugin", guest("reversible")]);
    assert_eq!(again.adds_up().counts(), [1, 1, 0, 0, 0]);
    let after = first(&lab);
    assert_eq!(after["earlier_plugins"], json!([before]));
    assert_ne!(after["plugin"], before);

    let other = lab.host(
        &[
            &[
                "retry",
                "1",
                "--store",
                STORE,
                "--plugin",
                guest("secretive"),
            ],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    assert_snapshot!(other, @"
    ------- stderr -------
    error: `secretive` is none of the run's migrations, which are `scripted+filtered`
    [exit status: 2]
    ");
}

#[test]
fn whoever_breaks_the_contract_is_named_and_nothing_is_written() {
    let lab = Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b", hands_on(&json!("one-too-few")).as_str()),
    ]);
    let before = lab.documents();
    assert_snapshot!(run(&lab, &[]), @r"
    ------- stderr -------
    error: the plugin of `filtered` broke the interface's contract at a batch of 2 documents that begins with `a`: the plugin returned 1 outcomes for 2 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
    assert_eq!(lab.documents(), before);
}

#[test]
fn so_many_failures_end_a_run_whatever_their_stage() {
    let lab = Lab::with_things([
        ("a", hands_on(&fail()).as_str()),
        ("b", json!({"do": fail()}).to_string().as_str()),
        ("c", hands_on(&edit()).as_str()),
    ]);
    let ran = run(
        &lab,
        &[
            "--max-failures",
            "1",
            "--batch-size",
            "1",
            "--format",
            "json",
        ],
    );
    assert_eq!(ran.status(), 1, "{ran}");
    assert_eq!(ran.report().counts(), [2, 0, 0, 2, 0]);
    // The same command goes on.
    let goes_on = lab.host(&pipeline(&["--format", "json"])).report();
    assert_eq!(goes_on.counts(), [3, 1, 0, 2, 0]);
    assert_eq!(at_stages(&goes_on), [[2, 1, 0, 1, 0], [2, 1, 0, 1, 0]]);
}
