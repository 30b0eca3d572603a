//! Runs beside others who write.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::edited;
use crate::common::{EDIT, Lab, Report, STORE, guest, many, many_of, scripted};

#[test]
fn documents_that_others_add_at_the_end_are_migrated_by_the_same_run() {
    let lab = many(4);
    lab.report_scripted(&["--limit", "2"]);
    lab.put("things", [("t99999", EDIT)]);
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [5, 5, 0, 0, 0]);
    assert_eq!(lab.thing("t99999")["n"], 1);
}

/// Else a migration whose new documents insert new documents would never come to its end.
#[test]
fn documents_that_a_run_itself_adds_at_the_end_wait_for_the_next_one() {
    for batch_size in ["1", "1000"] {
        let lab = Lab::with_things([
            (
                "a",
                r#"{"do":{"changes":[{"insert":{"table":"things","id":"z","body":"{\"do\":\"delete\"}"}}]}}"#,
            ),
            ("b", EDIT),
        ]);
        let report = lab.report_scripted(&["--batch-size", batch_size]);
        assert_eq!(report.adds_up().counts(), [2, 2, 0, 0, 0], "{batch_size}");
        assert_eq!(lab.thing("z")["do"], "delete");
    }
}

#[test]
fn no_update_of_a_concurrent_writer_is_lost() {
    for mode in ["wal", "delete"] {
        let lab = many(900);
        lab.database()
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        let over = AtomicBool::new(false);
        let (report, updates) = thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let database = lab.database();
                let mut updates = vec![0_u64; 900];
                let mut round = 0;
                while !over.load(Ordering::Relaxed) {
                    // Most updates meet what the run has read and not yet written.
                    let front = edited(&lab);
                    round += 1;
                    let at = (front + round * 7 % 23) % 900;
                    let changed = database
                        .execute("UPDATE things SET doc = json_set(doc, '$.visits', coalesce(json_extract(doc, '$.visits'), 0) + 1) WHERE _id = ?1", [format!("t{at:05}")])
                        .unwrap();
                    assert_eq!(changed, 1);
                    updates[at] += 1;
                    // SQLite has no queue for its lock: without a pause the run would seldom get it.
                    thread::sleep(Duration::from_millis(2));
                }
                updates
            });
            let report = lab.report_scripted(&[
                "--batch-size",
                "20",
                "--lock-timeout",
                "60s",
                // Else politeness would make batches of single documents.
                "--max-lock",
                "10s",
            ]);
            over.store(true, Ordering::Relaxed);
            (report, writer.join().unwrap())
        });
        assert_eq!(report.adds_up().counts(), [900, 900, 0, 0, 0], "{mode}");
        assert!(updates.iter().sum::<u64>() > 0);
        for (number, updates) in updates.into_iter().enumerate() {
            let thing = lab.thing(&format!("t{number:05}"));
            assert_eq!(thing["n"], 1, "{mode} {number}");
            assert_eq!(
                thing["visits"].as_u64().unwrap_or(0),
                updates,
                "{mode} {number}"
            );
        }
    }
}

/// Changes the database while the scripted guest runs, between reading and writing.
fn changed_meanwhile(lab: &Lab, change: &str) -> Report {
    lab.changed_meanwhile(&scripted(&[]), change).report()
}

/// A document that asks for the first fact whose `n` is 1.
const FIND: &str = r#"{"do":{"find":{"table":"facts","conditions":[{"at":"/n","test":{"equals":"1"}}],"limit":1}}}"#;

#[test]
fn a_document_that_changed_between_reading_and_writing_is_transformed_again() {
    let lab = Lab::with_things([("a", FIND), ("b", EDIT)]);
    let report = changed_meanwhile(
        &lab,
        r#"UPDATE things SET doc = '{"user":1.0,"do":{"edit":[{"remove":{"at":"/do"}}]}}' WHERE _id = 'a'"#,
    );
    assert_eq!(report.adds_up().counts(), [2, 2, 0, 0, 0]);
    assert_eq!(report.number("conflicts"), 1);
    assert_eq!(lab.body("things", "a"), r#"{"user":1.0}"#);
    assert_eq!(lab.thing("b")["n"], 1);
}

#[test]
fn a_document_that_went_between_reading_and_writing_stays_gone() {
    let lab = Lab::with_things([("a", FIND), ("b", EDIT)]);
    let report = changed_meanwhile(&lab, "DELETE FROM things WHERE _id = 'a'");
    assert_eq!(report.adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.column("SELECT _id FROM things", &[]), ["b"]);
}

#[test]
fn a_document_that_broke_between_reading_and_writing_fails_alone() {
    let lab = Lab::with_things([("a", FIND), ("b", EDIT)]);
    let report = changed_meanwhile(&lab, "UPDATE things SET doc = '{broken' WHERE _id = 'a'");
    assert_eq!(report.adds_up().counts(), [2, 1, 0, 1, 0]);
    assert_eq!(lab.body("things", "a"), "{broken");
    assert_eq!(lab.thing("b")["n"], 1);
}

#[test]
fn what_was_looked_up_is_looked_up_again_when_it_has_changed() {
    let lab = Lab::with_things([("a", FIND)]);
    lab.put("facts", [("1", r#"{"n":2}"#)]);
    let report = changed_meanwhile(&lab, r#"INSERT INTO facts VALUES ('0', '{"n":1}')"#);
    assert_eq!(report.adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.thing("a")["answer"], json!(["0"]));
}

#[test]
fn documents_that_meet_the_filter_still_are_changed_once() {
    let append = r#"{"todo":"yes","list":[],"do":{"edit":[{"set":{"at":"/list/-","value":"1"}}]}}"#;
    let set = r#"{"todo":"yes","list":[],"do":{"edit":[{"set":{"at":"/list/-","value":"1"}},{"set":{"at":"/todo","value":"\"no\""}}]}}"#;
    for (bodies, swept) in [
        ([append, append], false),
        ([set, append], false),
        ([set, set], true),
    ] {
        let lab = many_of(&bodies, 40);
        lab.put("things", [("t00000", r#"{"todo":"later"}"#)]);
        let run = ["run", guest("filtered"), "--store", STORE];
        let batches = ["--batch-size", "10", "--max-lock", "60s", "-v"];
        // Behind the run by the time that it is written: a sweep finds it, if there is one.
        let change = format!(
            "UPDATE things SET doc = '{}' WHERE _id = 't00000'",
            bodies[0]
        );
        let ran = lab.changed_after(&[&run[..], &batches].concat(), "info: begins", &change);
        let report = ran.report();
        let lists = lab.column("SELECT doc ->> '$.list' FROM things ORDER BY _id", &[]);
        // It may have been read late enough all the same.
        assert!(lists[0] == "[1]" || lists[0] == "[]" && !swept, "{lists:?}");
        let done = 39 + u64::from(lists[0] == "[1]");
        assert_eq!(report.adds_up().counts(), [done, done, 0, 0, 0]);
        assert!(lists[1..].iter().all(|list| list == "[1]"), "{lists:?}");
    }
}
