//! Undo gives back what was there, byte for byte, and leaves what others have changed since.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use host::engine::undo::undo as undo_run;
use host::ledger::RunId;
use host::store::sqlite::SqliteStore;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{Lab, STORE, scripted};

const EDIT: &str = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#;

const UNDO: &[&str] = &["undo", "1", "--store", STORE, "--format", "json"];

/// What the undo of run 1 says.
fn undo(lab: &Lab) -> Value {
    serde_json::from_str(&lab.host(UNDO).stdout()).unwrap()
}

/// Documents that are edited, replaced, deleted, and that change and insert others.
fn every_kind_of_change() -> Lab {
    let lab = Lab::with_things([
        ("delete", r#"{ "n" : 1.50, "do":"delete" }"#),
        (
            "edit",
            r#"{"big":9223372036854775808, "é":"\u00e9","do":{"edit":[{"set":{"at":"/é","value":"\"€\""}},{"remove":{"at":"/big"}}]}}"#,
        ),
        (
            "replace",
            r#"{"n":6.10,"do":{"replace":"{\"n\":6.1,\"all\":\"new\"}"}}"#,
        ),
        (
            "changes",
            r#"{"do":{"changes":[
                {"edit":[{"table":"things","id":"changes"},[{"set":{"at":"/n","value":"1"}}]]},
                {"edit":[{"table":"things","id":"changes"},[{"set":{"at":"/n","value":"2"}}]]},
                {"insert":{"table":"others","id":"new","body":"{}"}},
                {"edit":[{"table":"others","id":"new"},[{"set":{"at":"/n","value":"3"}}]]},
                {"delete":{"table":"others","id":"old"}}]}}"#,
        ),
        ("skip", r#"{"do":{"skip":"no"}}"#),
    ]);
    lab.put("others", [("old", r#"{"n": 1e2}"#), ("bystander", "{}")]);
    lab
}

#[test]
fn undo_restores_every_kind_of_change_byte_for_byte() {
    for batch_size in ["1", "1000"] {
        let lab = every_kind_of_change();
        let before = lab.documents();
        let report = lab.report_scripted(&["--batch-size", batch_size]);
        assert_eq!(report.adds_up().counts(), [5, 3, 1, 0, 1]);
        assert_ne!(lab.documents(), before);
        let undone = undo(&lab);
        assert_eq!(undone["state"], "undone");
        assert_eq!(undone["left_alone"], 0, "{undone}");
        let ordered = |lab: &Lab| {
            ["things", "others"].map(|table| {
                lab.column(&format!("SELECT _id || doc FROM {table} ORDER BY _id"), &[])
            })
        };
        let lab_before = every_kind_of_change();
        assert_eq!(ordered(&lab), ordered(&lab_before));
        // What is undone is not undone again, and the migration can be run anew.
        let again = lab.host(UNDO);
        assert_eq!(again.status(), 1);
        assert!(again.stderr().contains("it was undone already"), "{again}");
        let anew = lab.report_scripted(&[]);
        assert_eq!(anew.counts(), [5, 3, 1, 0, 1]);
    }
}

#[test]
fn rows_come_back_with_their_types() {
    let set = r#"{"edit":[{"set":{"at":"/r","value":"2"}},{"set":{"at":"/t","value":"null"}},{"set":{"at":"/b","value":"\"x\""}},{"set":{"at":"/n","value":"true"}}]}"#;
    let lab = Lab::with_table(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, r REAL, t TEXT, b BLOB, n, g AS (t || '!'), do TEXT);
         INSERT INTO things (id, r, t, b, n) VALUES
            (1, 1.0, 'a', x'00ff', NULL), (2, 0.1, '2', x'', 7), (3, 1e300, '', NULL, 'x'), (4, -0.0, 'd', 1, 9e999);",
    );
    lab.execute("UPDATE things SET do = ?1 WHERE id < 3", &[&set]);
    lab.execute("UPDATE things SET do = '\"delete\"' WHERE id >= 3", &[]);
    let contents = || {
        lab.column(
            "SELECT concat_ws(' ', id, quote(r), typeof(r), quote(t), quote(b), quote(n), typeof(n), g, do)
             FROM things ORDER BY id",
            &[],
        )
    };
    let before = contents();
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [4, 2, 0, 0, 2]);
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE t IS NULL"),
        "2"
    );
    assert_eq!(undo(&lab)["left_alone"], 0);
    assert_eq!(contents(), before);
}

#[test]
fn what_was_changed_since_is_left_alone_and_reported() {
    let lab = every_kind_of_change();
    lab.report_scripted(&[]);
    lab.put("things", [("replace", r#"{"mine":1}"#)]);
    lab.put("things", [("delete", r#"{"another":1}"#)]);
    lab.sql("DELETE FROM things WHERE _id = 'edit'");
    let ran = lab.host(&["undo", "1", "--store", STORE]);
    assert_snapshot!(ran, @r"
    run 1 undone: 4 changes taken back
    3 changes left alone:
      things replace: it was changed since, and is left as it is (changed-since)
      things edit: it was deleted since, and stays so (changed-since)
      things delete: another document has its key now, and is left as it is (changed-since)
    [exit status: 3]
    ");
    assert_eq!(lab.thing("replace"), json!({"mine": 1}));
    assert_eq!(lab.thing("delete"), json!({"another": 1}));
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE _id = 'edit'"),
        "0"
    );
    assert_eq!(lab.body("others", "old"), r#"{"n": 1e2}"#);
}

#[test]
fn a_run_whose_undo_log_was_forgotten_cannot_be_undone() {
    let lab = every_kind_of_change();
    lab.report_scripted(&[]);
    let changed = lab.documents();
    lab.host(&["undo", "1", "--store", STORE, "--forget"])
        .success();
    assert_snapshot!(lab.host(&["undo", "1", "--store", STORE]), @r"
    ------- stderr -------
    error: run 1 cannot be undone: its undo log was forgotten
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&["undo", "2", "--store", STORE]), @r"
    ------- stderr -------
    error: there is no run 2
    hint: `host runs` lists them
    [exit status: 1]
    ");
    assert_eq!(lab.documents(), changed);
}

/// How many batches' undo logs each run has, by the runs' numbers.
fn undo_logs(lab: &Lab) -> Vec<String> {
    lab.column(
        "SELECT run || ' ' || (SELECT count(*) FROM _host_undo AS undo WHERE undo.run = runs.run)
         FROM _host_runs AS runs ORDER BY run",
        &[],
    )
}

#[test]
fn undo_logs_are_forgotten_when_they_are_old_enough() {
    let lab = Lab::with_things([("a", EDIT), ("b", EDIT), ("c", EDIT)]);
    lab.report_scripted(&["--batch-size", "1"]);
    lab.sql("UPDATE things SET doc = json_remove(doc, '$.n')");
    lab.report_scripted(&[]);
    lab.sql("UPDATE things SET doc = json_remove(doc, '$.n')");
    // This one can be gone on with, and taken back as long as it can.
    lab.report_scripted(&["--limit", "1"]);
    assert_eq!(undo_logs(&lab), ["1 3", "2 1", "3 1"]);
    let forget = |age: &str| lab.host(&["undo", "--forget", "--older-than", age, "--store", STORE]);
    assert_snapshot!(forget("30d"), @"
    ------- stderr -------
    no undo log was old enough to be forgotten
    [exit status: 0]
    ");
    assert_eq!(undo_logs(&lab), ["1 3", "2 1", "3 1"]);
    // Run 2 ended just now, run 1 a day ago.
    lab.sql("UPDATE _host_runs SET ended = ended - 86400000 WHERE run = 1");
    assert_snapshot!(forget("23h"), @"
    ------- stderr -------
    forgot how to undo run 1 (3 batches of its undo log)
    [exit status: 0]
    ");
    assert_eq!(undo_logs(&lab), ["1 0", "2 1", "3 1"]);
    assert_snapshot!(forget("0s"), @"
    ------- stderr -------
    forgot how to undo run 2 (1 batch of its undo log)
    [exit status: 0]
    ");
    assert_eq!(undo_logs(&lab), ["1 0", "2 0", "3 1"]);
    for run in ["1", "2"] {
        let ran = lab.host(&["undo", run, "--store", STORE]);
        assert!(ran.stderr().contains("its undo log was forgotten"), "{ran}");
    }
    lab.host(&["undo", "3", "--store", STORE]).success();
}

#[test]
fn a_run_frees_old_undo_logs_where_it_is_told_how_old() {
    let lab = Lab::with_things([("a", EDIT)]);
    let again = |variables: &[(&str, &str)], more: &[&str]| {
        lab.sql("UPDATE things SET doc = json_remove(doc, '$.n')");
        lab.sql("UPDATE _host_runs SET ended = ended - 86400000");
        lab.host_with(variables, &scripted(more)).success()
    };
    lab.report_scripted(&[]);
    again(&[], &[]);
    again(&[], &["--keep-undo", "30d"]);
    assert_eq!(undo_logs(&lab), ["1 1", "2 1", "3 1"]);
    let dry = again(&[], &["--keep-undo", "36h", "--dry-run"]);
    assert_eq!(undo_logs(&lab), ["1 1", "2 1", "3 1"], "{dry}");
    let told = again(&[], &["--keep-undo", "36h"]);
    assert_snapshot!(told, @"
    scripted over `things`: run 4 finished in [TIME] s
               1 met the filter
               1 updated
               0 failed
    ------- stderr -------
    forgot how to undo runs 1, 2, 3 (3 batches of their undo logs), older than 1day 12h
    [exit status: 0]
    ");
    assert_eq!(undo_logs(&lab), ["1 0", "2 0", "3 0", "4 1"]);
    again(&[("HOST_KEEP_UNDO", "12h")], &[]);
    assert_eq!(undo_logs(&lab)[3..], ["4 0", "5 1"]);
    lab.write("host.toml", "[run]\nkeep-undo = \"12h\"\n");
    again(&[], &[]);
    assert_eq!(undo_logs(&lab)[4..], ["5 0", "6 1"]);
    again(&[], &["--keep-undo", "30d"]);
    assert_eq!(undo_logs(&lab)[5..], ["6 1", "7 1"]);
}

#[test]
fn a_run_whose_undo_log_was_forgotten_by_half_is_not_undone_by_half() {
    let ids: Vec<_> = (0..40).map(|number| format!("t{number:02}")).collect();
    let lab = Lab::with_things(ids.iter().map(|id| (id.as_str(), EDIT)));
    lab.report_scripted(&["--batch-size", "1"]);
    // Killing a process meets the moment between two transactions by luck only.
    lab.sql(
        "CREATE TRIGGER refused BEFORE DELETE ON _host_undo WHEN old.number = 30
         BEGIN SELECT RAISE(ABORT, 'refused'); END",
    );
    let forget = || lab.host(&["undo", "1", "--store", STORE, "--forget"]);
    assert_eq!(forget().status(), 1);
    let left: u64 = lab
        .value("SELECT count(*) FROM _host_undo")
        .parse()
        .unwrap();
    assert!(0 < left && left < 40, "{left}");
    let before = lab.documents();
    let ran = lab.host(UNDO);
    assert!(ran.stderr().contains("its undo log was forgotten"), "{ran}");
    assert_eq!(lab.documents(), before);
    lab.sql("DROP TRIGGER refused");
    forget().success();
    assert_eq!(undo_logs(&lab), ["1 0"]);
}

#[test]
fn what_is_half_undone_or_worked_on_keeps_its_undo_log() {
    let lab = Lab::with_things([("a", EDIT), ("b", EDIT)]);
    lab.report_scripted(&["--batch-size", "1"]);
    lab.sql("UPDATE _host_runs SET state = 'undoing'");
    let forget = || lab.host(&["undo", "1", "--store", STORE, "--forget"]);
    assert_snapshot!(forget(), @"
    ------- stderr -------
    error: run 1 is being undone, and is not undone yet
    hint: finish that first: host undo 1, with --revert if it was begun so
    [exit status: 1]
    ");
    lab.host(&["undo", "--forget", "--older-than", "0s", "--store", STORE])
        .success();
    assert_eq!(undo_logs(&lab), ["1 2"]);
    lab.sql(
        r#"UPDATE _host_runs SET state = 'running', lease = '{"holder":{"machine":"elsewhere","process":1,"since":1},"until":9000000000000}'"#,
    );
    assert_snapshot!(forget(), @"
    ------- stderr -------
    error: run 1 of `scripted` is working on table `things` (process 1 on elsewhere)
    hint: wait for it with --wait, look at it with `host show`, or end it with `host cancel`
    [exit status: 1]
    ");
    assert_eq!(undo_logs(&lab), ["1 2"]);
}

#[test]
fn forgetting_wants_a_run_or_an_age() {
    let lab = Lab::with_things([]);
    for wrong in [
        &["undo", "--forget"][..],
        &["undo", "--older-than", "30d"],
        &["undo", "1", "--forget", "--older-than", "30d"],
        &["undo", "1", "--forget", "--revert"],
        &["undo", "1", "--restart"],
    ] {
        let ran = lab.host(&[wrong, &["--store", STORE]].concat());
        assert_eq!(ran.status(), 2, "{ran}");
    }
}

/// A step of a document's life: what the migration does with it, and what the application does afterwards.
fn wish() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#""delete""#.to_owned()),
        Just(r#"{"skip":"no"}"#.to_owned()),
        (any::<i32>(), "[a-c]{1,2}").prop_map(|(value, field)| {
            format!(r#"{{"edit":[{{"set":{{"at":"/{field}","value":"{value}.0"}}}}]}}"#)
        }),
        any::<u16>().prop_map(|value| format!(r#"{{"replace":"{{\"r\":{value}}}"}}"#)),
        any::<u8>().prop_map(|id| {
            format!(
                r#"{{"changes":[{{"insert":{{"table":"others","id":"o{id}","body":"{{}}"}}}}]}}"#
            )
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn undo_gives_the_old_store_back_however_it_was_cut_into_batches(
        wishes in proptest::collection::vec(wish(), 1..30),
        batch_size in 1_usize..12,
        workers in 1_usize..4,
    ) {
        let documents: Vec<_> = wishes
            .iter()
            .enumerate()
            .map(|(number, wish)| (format!("t{number:02}"), format!(r#"{{ "k" : 1.0,"do":{wish}}}"#)))
            .collect();
        let lab = Lab::with_things(documents.iter().map(|(id, body)| (id.as_str(), body.as_str())));
        lab.use_wal();
        let contents = || lab.column("SELECT _id || doc FROM things ORDER BY _id", &[]);
        let before = contents();
        let (batch_size, workers) = (batch_size.to_string(), workers.to_string());
        lab.report_scripted(&["--batch-size", &batch_size, "--workers", &workers]);
        prop_assert_eq!(&undo(&lab)["left_alone"], 0);
        prop_assert_eq!(contents(), before);
        prop_assert_eq!(lab.value("SELECT count(*) FROM others"), "0");
    }
}

#[test]
fn a_batch_that_would_hold_the_lock_for_too_long_is_undone_in_parts() {
    const THINGS: usize = 350;
    let documents: Vec<_> = (0..THINGS).map(|n| format!("t{n:03}")).collect();
    let lab = Lab::with_things(documents.iter().map(|id| (id.as_str(), EDIT)));
    lab.use_wal();
    let contents = || lab.column("SELECT _id || doc FROM things ORDER BY _id", &[]);
    let before = contents();
    for (run, max_lock, most) in [(1, Duration::MAX, THINGS), (2, Duration::ZERO, 100)] {
        // All of it is one batch.
        lab.report_scripted(&["--batch-size", "1000", "--max-lock", "1h"]);
        assert_eq!(lab.value("SELECT count(*) FROM _host_undo"), "1");
        let store = SqliteStore::open(
            &lab.path("app.db"),
            Duration::from_secs(60),
            BTreeMap::new(),
        );
        let mut seen = vec![0];
        let run = RunId(run);
        let report = undo_run(
            &store.unwrap(),
            run,
            max_lock,
            &AtomicBool::new(false),
            |done| {
                seen.push(done as usize);
            },
        );
        assert_eq!(report.unwrap().restored, THINGS as u64);
        let parts: Vec<_> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(parts.iter().max(), Some(&most), "{parts:?}");
        assert_eq!(contents(), before);
    }
}

#[test]
fn bodies_that_are_stored_otherwise_than_they_were_written_come_back_too() {
    let set = r#"{"n":1.50,"do":{"edit":[{"set":{"at":"/list","value":"[ 1, 2 ]"}}]}}"#;
    let binary = Lab::with_table("CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSONB NOT NULL)");
    binary.execute("INSERT INTO things VALUES ('a', jsonb(?1))", &[&set]);
    let triggered = Lab::with_things([("a", set)]);
    triggered.sql(
        "CREATE TRIGGER stamp AFTER UPDATE OF doc ON things WHEN json_extract(new.doc, '$.stamp') IS NULL
         BEGIN UPDATE things SET doc = json_set(new.doc, '$.stamp', 1) WHERE _id = new._id; END",
    );
    for lab in [binary, triggered] {
        let contents = || lab.value("SELECT hex(doc) FROM things");
        let before = contents();
        assert_eq!(lab.report_scripted(&[]).number("updated"), 1);
        lab.sql("DROP TRIGGER IF EXISTS stamp");
        assert_eq!(undo(&lab)["left_alone"], 0);
        assert_eq!(contents(), before);
    }
}
