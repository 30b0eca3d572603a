//! The same comes out in batches of any size.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::{counted, edited, wish};
use crate::common::{EDIT, Lab, guest};

#[test]
fn a_change_of_a_later_document_of_the_same_batch_is_seen_by_it() {
    let lab = Lab::with_things([
        (
            "a",
            r#"{"do":{"changes":[{"replace":[{"table":"things","id":"c"},"{\"do\":{\"edit\":[{\"set\":{\"at\":\"/n\",\"value\":\"1\"}}]}}"]},{"delete":{"table":"things","id":"d"}}]}}"#,
        ),
        ("b", "{}"),
        ("c", r#"{"do":{"skip":"too early"}}"#),
        (
            "d",
            r#"{"do":{"fail":{"code":"gone","message":"already","at":null}}}"#,
        ),
        ("e", EDIT),
    ]);
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().counts(), [4, 3, 1, 0, 0]);
    assert_eq!(*report.get("skip_reasons"), json!({"no wish": 1}));
    assert_eq!(edited(&lab), 2);
}

#[test]
fn a_document_that_comes_to_meet_the_filter_by_an_earlier_one_is_migrated_in_the_same_run() {
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things([
            (
                "a",
                r#"{"todo":"yes","do":{"changes":[{"edit":[{"table":"things","id":"c"},[{"set":{"at":"/todo","value":"\"yes\""}}]]}]}}"#,
            ),
            ("b", r#"{"todo":"yes"}"#),
            ("c", r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#),
            ("d", r#"{"todo":"yes"}"#),
        ]);
        let report = lab.report(guest("filtered"), &["--batch-size", batch_size]);
        assert_eq!(
            report.adds_up().counts(),
            [4, 2, 2, 0, 0],
            "batches of {batch_size}"
        );
        assert_eq!(lab.thing("c")["n"], 1);
    }
}

#[test]
fn a_document_that_no_longer_meets_the_filter_by_an_earlier_one_is_left_alone() {
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things([
            (
                "a",
                r#"{"todo":"yes","do":{"changes":[{"edit":[{"table":"things","id":"c"},[{"remove":{"at":"/todo"}}]]}]}}"#,
            ),
            ("b", r#"{"todo":"yes"}"#),
            (
                "c",
                r#"{"todo":"yes","do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#,
            ),
        ]);
        let report = lab.report(guest("filtered"), &["--batch-size", batch_size]);
        assert_eq!(
            report.adds_up().counts(),
            [2, 1, 1, 0, 0],
            "batches of {batch_size}"
        );
        assert_eq!(lab.thing("c").get("n"), None);
    }
}

#[test]
fn a_document_that_an_earlier_one_inserts_is_treated_alike_in_batches_of_any_size() {
    let mut results = BTreeSet::new();
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_table(
            "CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL) WITHOUT ROWID",
        );
        lab.put("things", [
            ("a", r#"{"do":{"changes":[{"insert":{"table":"things","id":"b","body":"{\"do\":{\"edit\":[{\"set\":{\"at\":\"/n\",\"value\":\"1\"}}]}}"}}]}}"#),
            ("c", EDIT),
            ("d", EDIT),
        ]);
        let report = lab.report_scripted(&["--batch-size", batch_size]);
        report.adds_up();
        results.insert(format!("{:?} {:?}", counted(&report), lab.documents()));
    }
    assert_eq!(results.len(), 1, "{results:#?}");
}

#[test]
fn a_plugin_that_reads_what_it_writes_sees_the_same_in_batches_of_any_size() {
    let mut results = BTreeSet::new();
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things([
            ("a", EDIT),
            ("b", r#"{"do":{"get":{"table":"things","ids":["a","c"]}}}"#),
            (
                "c",
                r#"{"do":{"find":{"table":"things","conditions":[{"at":"/n","test":{"equals":"1"}}],"limit":10}}}"#,
            ),
            ("d", EDIT),
            (
                "e",
                r#"{"do":{"find":{"table":"things","conditions":[{"at":"/n","test":{"equals":"1"}}],"limit":10}}}"#,
            ),
        ]);
        let report = lab.report(
            guest("self-reading"),
            &["--allow", "read:things", "--batch-size", batch_size],
        );
        assert_eq!(report.adds_up().counts(), [5, 5, 0, 0, 0]);
        assert_eq!(lab.thing("b")["answer"][0]["n"], 1);
        assert_eq!(lab.thing("e")["answer"], json!(["a", "d"]));
        results.insert(format!("{:?}", lab.documents()));
    }
    assert_eq!(results.len(), 1, "{results:#?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn how_a_run_is_cut_into_batches_shows_nowhere(
        wishes in proptest::collection::vec((wish(), proptest::sample::select(vec!["yes", "no"])), 7),
        ending in proptest::sample::select(vec!["", " WITHOUT ROWID"]),
    ) {
        let mut results = Vec::new();
        for batch_size in ["1", "3", "1000"] {
            let lab = Lab::with(&format!("CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL){ending}"));
            let things: Vec<_> = wishes.iter().enumerate().map(|(number, (wish, todo))| (format!("t{}", number + 1), format!(r#"{{"todo":"{todo}","do":{wish}}}"#))).collect();
            lab.put("things", things.iter().map(|(id, body)| (id.as_str(), body.as_str())));
            let report = lab.report(guest("filtered"), &["--batch-size", batch_size]);
            report.adds_up();
            results.push((counted(&report), lab.documents()));
        }
        prop_assert_eq!(&results[0], &results[1]);
        prop_assert_eq!(&results[0], &results[2]);
    }
}
