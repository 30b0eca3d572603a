//! Failed documents are tried again: they alone, once, and as part of their run.

use std::fs;
use std::thread;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{Lab, Report, Running, SCRIPTED_GRANTS, STORE, guest, many_of, scripted};

const EDIT: &str = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#;
const FAIL: &str = r#"{"do":{"fail":{"code":"asked","message":"not yet","at":null}}}"#;

/// The command line that tries run 1's failed documents again.
fn retry<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["retry", "1", "--store", STORE], SCRIPTED_GRANTS, more].concat()
}

fn report(lab: &Lab, more: &[&str]) -> Report {
    lab.host(&retry(&[&["--format", "json"], more].concat()))
        .report()
}

/// What `host show` tells of run 1.
fn show(lab: &Lab) -> Value {
    let shown = lab
        .host(&["show", "1", "--store", STORE, "--format", "json"])
        .success();
    serde_json::from_str(&shown.stdout()).unwrap()
}

/// What run 1 counted: total, updated, skipped, failed, deleted.
fn counted(lab: &Lab) -> [u64; 5] {
    let shown = show(lab);
    ["total", "updated", "skipped", "failed", "deleted"].map(|name| shown[name].as_u64().unwrap())
}

fn quarantined(lab: &Lab) -> Vec<String> {
    lab.column(
        "SELECT id || ' ' || code FROM _host_quarantine ORDER BY number",
        &[],
    )
}

fn edited(lab: &Lab) -> usize {
    lab.value("SELECT count(*) FROM things WHERE json_extract(doc, '$.n') = 1")
        .parse()
        .unwrap()
}

/// Where the run stood is nobody's concern when documents are named.
#[test]
fn documents_are_tried_again_whatever_became_of_the_others() {
    let lab = Lab::with_things([("a", FAIL), ("b", EDIT), ("c", EDIT)]);
    assert_eq!(lab.report_scripted(&[]).counts(), [3, 2, 0, 1, 0]);
    lab.put("things", [("a", EDIT)]);
    lab.sql("DELETE FROM things WHERE _id = 'c'");
    assert_eq!(report(&lab, &[]).number("updated"), 1);
    assert_eq!(counted(&lab), [3, 3, 0, 0, 0]);
    assert_eq!(edited(&lab), 2);
}

#[test]
fn only_failed_documents_are_tried_again_and_each_is_counted_once() {
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things([
            ("a", EDIT),
            ("b", FAIL),
            ("c", FAIL),
            ("d", r#"{"do":"trap"}"#),
        ]);
        lab.report_scripted(&[]);
        assert_eq!(counted(&lab), [4, 1, 0, 3, 0]);
        // What has not failed is not tried again, whatever it wishes by now.
        lab.put("things", [("a", r#"{"do":"delete"}"#), ("b", EDIT)]);
        lab.put("things", [("new", r#"{"do":"delete"}"#)]);
        let again = report(&lab, &["--batch-size", batch_size]);
        assert_eq!(again.adds_up().counts(), [3, 1, 0, 2, 0]);
        assert_eq!(
            (again.number("run"), again.get("state")),
            (1, &json!("finished"))
        );
        assert_eq!(counted(&lab), [4, 2, 0, 2, 0]);
        assert_eq!(quarantined(&lab), ["c asked", "d trap"]);
        assert_eq!(lab.body("things", "a"), r#"{"do":"delete"}"#);
        assert_eq!(lab.value("SELECT count(*) FROM things"), "5");

        lab.put("things", [("c", r#"{"do":"delete"}"#)]);
        lab.put(
            "things",
            [(
                "d",
                r#"{"do":{"fail":{"code":"other","message":"no","at":null}}}"#,
            )],
        );
        assert_eq!(report(&lab, &[]).adds_up().counts(), [2, 0, 0, 1, 1]);
        assert_eq!(counted(&lab), [4, 2, 0, 1, 1]);
        assert_eq!(quarantined(&lab), ["d other"]);
    }
}

#[test]
fn a_retry_is_shown_to_a_person() {
    let lab = Lab::with_things([("a", EDIT), ("b", FAIL), ("c", FAIL)]);
    lab.run_scripted(&[]);
    lab.put("things", [("b", EDIT)]);
    assert_snapshot!(lab.host(&retry(&["--dry-run"])), @"
    things b
      + /n 1
    scripted over `things`: dry retry of run 1 finished in [TIME] s
               2 had failed
               1 would be updated
               1 failed
    First failures:
      things c: not yet (asked)
    Nothing was written. Next: the same command without --dry-run.
    [exit status: 3]
    ");
    assert_snapshot!(lab.host(&retry(&[])), @"
    scripted over `things`: retry of run 1 finished in [TIME] s
               2 had failed
               1 updated
               1 failed
    First failures:
      things c: not yet (asked)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    lab.put("things", [("c", EDIT)]);
    assert_snapshot!(lab.host(&retry(&[])), @"
    scripted over `things`: retry of run 1 finished in [TIME] s
               1 had failed
               1 updated
               0 failed
    [exit status: 0]
    ");
    // Nothing is left to be tried.
    assert_snapshot!(lab.host(&retry(&[])), @"
    scripted over `things`: retry of run 1 finished in [TIME] s
               0 had failed
               0 updated
               0 failed
    [exit status: 0]
    ");
}

#[test]
fn a_dry_retry_counts_what_the_retry_will_count_and_writes_nothing() {
    for batch_size in ["1", "1000"] {
        let lab = Lab::with_things([("a", FAIL), ("b", FAIL), ("c", FAIL), ("d", FAIL)]);
        lab.report_scripted(&[]);
        lab.put("things", [("a", EDIT), ("d", r#"{"do":"delete"}"#)]);
        lab.sql("DELETE FROM things WHERE _id = 'c'");
        let before = lab.everything();
        let dry = report(&lab, &["--dry-run", "--batch-size", batch_size]);
        assert_eq!(dry.adds_up().counts(), [4, 1, 1, 1, 1]);
        assert_eq!(lab.everything(), before);
        let real = report(&lab, &["--batch-size", batch_size]);
        assert_eq!(real.counts(), dry.counts());
        assert_eq!(real.get("skip_reasons"), dry.get("skip_reasons"));
        assert_eq!(real.errors(), dry.errors());
    }
}

#[test]
fn documents_that_are_gone_or_past_the_filter_leave_the_quarantine() {
    let fail = |todo: &str| FAIL.replacen('{', &format!(r#"{{"todo":"{todo}","#), 1);
    let lab = Lab::with_things([]);
    for id in ["a", "b", "c"] {
        lab.put("things", [(id, fail("yes").as_str())]);
    }
    lab.report(guest("filtered"), &[]);
    assert_eq!(counted(&lab), [3, 0, 0, 3, 0]);
    lab.sql("DELETE FROM things WHERE _id = 'a'");
    lab.put("things", [("b", fail("no").as_str())]);
    let again = report(&lab, &[]);
    assert_eq!(again.adds_up().counts(), [3, 0, 2, 1, 0]);
    assert_eq!(
        again.get("skip_reasons"),
        &json!({"not there any more": 1, "does not meet the filter any more": 1})
    );
    assert_eq!(counted(&lab), [3, 0, 2, 1, 0]);
    assert_eq!(quarantined(&lab), ["c asked"]);
}

#[test]
fn a_document_that_could_not_be_read_is_read_again() {
    let lab = Lab::with_things([("a", "{broken"), ("b", "{broken"), ("c", EDIT)]);
    lab.sql("CREATE TABLE keyless (_id TEXT PRIMARY KEY, doc JSON); INSERT INTO keyless VALUES (NULL, '{}')");
    lab.report_scripted(&[]);
    assert_eq!(quarantined(&lab), ["a invalid-json", "b invalid-json"]);
    lab.put("things", [("b", EDIT)]);
    assert_eq!(report(&lab, &[]).adds_up().counts(), [2, 1, 0, 1, 0]);
    assert_eq!(quarantined(&lab), ["a invalid-json"]);

    // Nobody can look for a document that has no key: it fails as it did.
    lab.report_scripted(&["--table", "keyless"]);
    let again = lab.host(
        &[
            &["retry", "2", "--store", STORE, "--format", "json"],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    assert_eq!(again.report().adds_up().counts(), [1, 0, 0, 1, 0]);
    assert_eq!(quarantined(&lab), ["a invalid-json", "(row 1) no-key"]);
}

#[test]
fn parameters_time_and_ids_are_those_of_the_run() {
    let insert = r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}}]}}"#;
    let make = |failing: bool| {
        let lab = Lab::with_things([("then", r#"{"do":"now"}"#)]);
        let wishes = [
            ("insert", insert),
            ("now", r#"{"do":"now"}"#),
            ("param", r#"{"do":{"param":"phase"}}"#),
        ];
        for (id, wish) in wishes {
            lab.put("things", [(id, if failing { FAIL } else { wish })]);
        }
        lab.report_scripted(&["--param", "phase=copy"]);
        lab.put("things", wishes);
        lab
    };
    let lab = make(true);
    assert_eq!(report(&lab, &[]).adds_up().counts(), [3, 3, 0, 0, 0]);
    assert_eq!(lab.thing("param")["answer"], "copy");
    assert_eq!(lab.thing("now")["answer"], lab.thing("then")["answer"]);
    let at_once = make(false);
    assert_eq!(lab.documents()["others"], at_once.documents()["others"]);
    assert_eq!(counted(&lab), counted(&at_once));
}

#[test]
fn a_mended_plugin_goes_on_with_the_run_and_the_ledger_knows_both() {
    let lab = Lab::with_things([("a", FAIL), ("b", FAIL)]);
    let plugin = fs::read(guest("scripted")).unwrap();
    lab.write("plugin.wasm", &plugin);
    // One more byte of metadata makes another plugin of it.
    lab.write("fixed.wasm", [&plugin[..], b"\0\x02\x01x"].concat());
    lab.run("plugin.wasm", SCRIPTED_GRANTS);
    let first = show(&lab)["plugin"].clone();
    lab.put("things", [("a", EDIT)]);
    assert_eq!(
        report(&lab, &["--plugin", "fixed.wasm"]).adds_up().counts(),
        [2, 1, 0, 1, 0]
    );
    let shown = show(&lab);
    assert_ne!(shown["plugin"], first);
    assert_eq!(shown["earlier_plugins"], json!([first]));
    assert_eq!(shown["state"], "finished");
    // From now on it is the one that is taken where none is given.
    fs::remove_file(lab.path("plugin.wasm")).unwrap();
    lab.put("things", [("b", EDIT)]);
    assert_eq!(report(&lab, &[]).adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(show(&lab)["earlier_plugins"], json!([first]));
}

#[test]
fn without_the_runs_plugin_another_must_be_given() {
    let lab = Lab::with_things([("a", FAIL)]);
    lab.write("plugin.wasm", fs::read(guest("scripted")).unwrap());
    lab.run("plugin.wasm", SCRIPTED_GRANTS);
    let before = lab.everything();
    lab.write("plugin.wasm", fs::read(guest("filtered")).unwrap());
    let changed = lab.host(&retry(&[]));
    assert_eq!(changed.status(), 1);
    assert!(
        changed
            .stderr()
            .contains("plugin.wasm has changed since it worked on the run: its SHA-256 was "),
        "{changed}"
    );
    fs::remove_file(lab.path("plugin.wasm")).unwrap();
    assert_snapshot!(lab.host(&retry(&[])), @"
    ------- stderr -------
    error: there is no plugin at [FOLDER]/plugin.wasm
    hint: give it, or a mended one, with --plugin FILE
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&retry(&["--plugin", guest("filtered")])), @"
    ------- stderr -------
    error: run 1 is of the migration `scripted`, and the plugin is `filtered`
    hint: give the plugin of the run's migration, or a mended one of the same name
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&["retry", "9", "--store", STORE]), @"
    ------- stderr -------
    error: there is no run 9
    hint: `host runs` lists them
    [exit status: 1]
    ");
    // What is not granted is not granted for a retry either.
    let plugin = [
        "retry",
        "1",
        "--store",
        STORE,
        "--plugin",
        guest("scripted"),
    ];
    assert_eq!(lab.host(&plugin).status(), 1);
    assert_eq!(lab.everything(), before);
}

#[test]
fn a_run_that_was_undone_has_nothing_to_try_again() {
    let lab = Lab::with_things([("a", FAIL), ("b", EDIT)]);
    lab.report_scripted(&[]);
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_snapshot!(lab.host(&retry(&[])), @"
    ------- stderr -------
    error: run 1 is undone: there is nothing of it to try again
    [exit status: 1]
    ");
}

#[test]
fn undo_takes_back_what_was_tried_again() {
    let lab = Lab::with_things([("a", EDIT), ("b", r#"{"n":1.0,"do":"trap"}"#), ("c", FAIL)]);
    lab.report_scripted(&[]);
    let mended = [
        ("b", r#"{ "n":1.50, "do":"delete"}"#),
        (
            "c",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":"o","body":"{}"}}]}}"#,
        ),
    ];
    lab.put("things", mended);
    assert_eq!(report(&lab, &[]).adds_up().counts(), [2, 1, 0, 0, 1]);
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.body("things", "a"), EDIT);
    for (id, body) in mended {
        assert_eq!(lab.body("things", id), body);
    }
    assert_eq!(lab.value("SELECT count(*) FROM others"), "0");
}

#[test]
fn documents_are_found_again_by_keys_of_every_kind() {
    for table in [
        "(id INTEGER PRIMARY KEY, n, do TEXT)",
        "(id INTEGER, n, do TEXT, PRIMARY KEY (id, do))",
        "(id INTEGER, n, do TEXT, PRIMARY KEY (do, id)) WITHOUT ROWID",
        "(id REAL PRIMARY KEY, n, do TEXT)",
        "(id BLOB PRIMARY KEY, n, do TEXT)",
    ] {
        let lab = Lab::with_table(&format!("CREATE TABLE things {table}"));
        let set = r#"{"edit":[{"set":{"at":"/n","value":"1"}}]}"#;
        for id in 1..=3 {
            lab.execute("INSERT INTO things VALUES (?1, 0, ?2)", &[&id, &set]);
        }
        // Refused for a while.
        lab.sql(
            "CREATE TRIGGER refused BEFORE UPDATE ON things WHEN new.id > 1
             BEGIN SELECT RAISE(ABORT, 'not yet'); END",
        );
        assert_eq!(
            lab.report_scripted(&[]).adds_up().counts(),
            [3, 1, 0, 2, 0],
            "{table}"
        );
        lab.sql("DROP TRIGGER refused");
        assert_eq!(
            report(&lab, &[]).adds_up().counts(),
            [2, 2, 0, 0, 0],
            "{table}"
        );
        assert_eq!(lab.value("SELECT sum(n) FROM things"), "3", "{table}");
        lab.host(&["undo", "1", "--store", STORE]).success();
        assert_eq!(lab.value("SELECT sum(n) FROM things"), "0", "{table}");
    }
}

#[test]
fn a_document_that_meets_the_filter_still_after_a_retry_is_not_changed_again() {
    let append = r#"{"todo":"yes","list":[],"do":{"edit":[{"set":{"at":"/list/-","value":"1"}}]}}"#;
    let leave = r#"{"todo":"yes","list":[1],"do":{"edit":[{"set":{"at":"/todo","value":"0"}}]}}"#;
    let fail = r#"{"todo":"yes","do":{"fail":{"code":"asked","message":"not yet","at":null}}}"#;
    let lab = Lab::with_things([("a", fail), ("b", leave), ("c", leave)]);
    let run = ["--on-error", "stop", "--batch-size", "1"];
    lab.run(guest("filtered"), &run);
    lab.put("things", [("a", append)]);
    let retried = lab.host(&["retry", "1", "--store", STORE, "--format", "json"]);
    assert_eq!(retried.report().counts(), [1, 1, 0, 0, 0]);
    // What is left of the run goes over the table once more.
    assert_eq!(lab.report(guest("filtered"), &[]).counts(), [3, 3, 0, 0, 0]);
    let lists = lab.column("SELECT doc ->> '$.list' FROM things", &[]);
    assert_eq!(lists, ["[1]", "[1]", "[1]"]);
}

#[test]
fn rows_that_may_have_been_numbered_anew_are_not_tried_again() {
    let lab = Lab::with_table("CREATE TABLE things (n, do TEXT)");
    let fail = r#"{"fail":{"code":"asked","message":"not yet","at":null}}"#;
    for _ in 0..2 {
        lab.execute("INSERT INTO things VALUES (0, ?1)", &[&fail]);
    }
    assert_eq!(lab.report_scripted(&[]).counts(), [2, 0, 0, 2, 0]);
    let set = r#"{"edit":[{"set":{"at":"/n","value":"1"}}]}"#;
    lab.execute("UPDATE things SET do = ?1 WHERE rowid = 1", &[&set]);
    assert_eq!(report(&lab, &[]).counts(), [2, 1, 0, 1, 0]);
    lab.sql("DELETE FROM things WHERE rowid = 1; VACUUM");
    let refused = lab.host(&retry(&[]));
    assert_eq!(refused.status(), 1);
    assert!(
        refused.stderr().contains("may have been numbered anew"),
        "{refused}"
    );
    assert_eq!(lab.value("SELECT sum(n) FROM things"), "0");
}

/// A lab in WAL mode with so many failed documents, which have been mended since.
fn mended(count: usize) -> Lab {
    let lab = many_of(&[FAIL], count);
    lab.report_scripted(&[]);
    lab.put_many(&[EDIT], count);
    lab
}

#[test]
fn a_killed_retry_is_gone_on_with_and_every_document_is_tried_once() {
    let count = 1_000;
    let lab = mended(count);
    // Documents that fail again are tried again by whoever comes next, and counted once all the same.
    lab.put("things", [("t00003", FAIL), ("t00500", r#"{"do":"trap"}"#)]);
    let mut kills = 0;
    loop {
        let before = edited(&lab);
        let mut running = lab.start(&retry(&["--batch-size", "3"]));
        while edited(&lab) < before + 150 && !running.is_over() {
            thread::yield_now();
        }
        if running.is_over() {
            assert_eq!(running.end(&lab).status(), 3);
            break;
        }
        running.kill();
        assert_eq!(running.end(&lab).status(), -1);
        kills += 1;
        let [total, updated, skipped, failed, deleted] = counted(&lab);
        assert_eq!((total, skipped, deleted), (1_000, 0, 0));
        assert_eq!(updated, u64::try_from(edited(&lab)).unwrap());
        assert_eq!(failed, u64::try_from(quarantined(&lab).len()).unwrap());
        // It is the retry that died, and not the run.
        assert_eq!(show(&lab)["state"], "finished");
    }
    assert!(kills >= 3, "{kills}");
    assert_eq!(lab.value("PRAGMA integrity_check"), "ok");
    assert_eq!(counted(&lab), [1_000, 998, 0, 2, 0]);
    let mut left = quarantined(&lab);
    left.sort();
    assert_eq!(left, ["t00003 asked", "t00500 trap"]);
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(edited(&lab), 0);
}

#[test]
fn a_retry_and_what_is_noted_of_it_are_written_together_or_not_at_all() {
    for noted in [
        r#"UPDATE ON "_host_runs" WHEN new."counters" <> old."counters""#,
        r#"DELETE ON "_host_quarantine""#,
        r#"UPDATE ON "_host_quarantine""#,
        r#"INSERT ON "_host_undo""#,
    ] {
        let lab = Lab::with_things([("a", FAIL), ("b", FAIL)]);
        lab.report_scripted(&[]);
        lab.put("things", [("a", EDIT)]);
        lab.sql(&format!(
            "CREATE TRIGGER refused BEFORE {noted} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ));
        let before = (lab.documents(), quarantined(&lab), counted(&lab));
        let ran = lab.host(&retry(&[]));
        assert_eq!(ran.status(), 1, "{noted}: {ran}");
        assert_eq!(
            (lab.documents(), quarantined(&lab), counted(&lab)),
            before,
            "{noted}"
        );
        lab.sql("DROP TRIGGER refused");
        assert_eq!(report(&lab, &[]).adds_up().counts(), [2, 1, 0, 1, 0]);
    }
}

/// A document that asks for the first fact whose `n` is 1.
const FIND: &str = r#"{"do":{"find":{"table":"facts","conditions":[{"at":"/n","test":{"equals":"1"}}],"limit":1}}}"#;

#[test]
fn no_change_of_others_is_lost_by_a_retry() {
    let failed = || {
        let lab = Lab::with_things([("a", FAIL), ("b", FAIL), ("c", FAIL)]);
        lab.report_scripted(&[]);
        lab.put("things", [("a", FIND), ("b", EDIT)]);
        lab.sql("DELETE FROM things WHERE _id = 'c'");
        lab
    };
    let changed = r#"UPDATE things SET doc = '{"user":1.0,"do":{"edit":[{"remove":{"at":"/do"}}]}}' WHERE _id = 'a'"#;
    let lab = failed();
    let again = lab.changed_meanwhile(&retry(&[]), changed).report();
    assert_eq!(again.adds_up().counts(), [3, 2, 1, 0, 0]);
    assert_eq!(again.number("conflicts"), 1);
    assert_eq!(lab.body("things", "a"), r#"{"user":1.0}"#);
    assert_eq!(lab.thing("b")["n"], 1);

    let lab = failed();
    let again = lab
        .changed_meanwhile(&retry(&[]), "DELETE FROM things WHERE _id = 'a'")
        .report();
    assert_eq!(again.adds_up().counts(), [3, 1, 2, 0, 0]);
    assert_eq!(lab.column("SELECT _id FROM things", &[]), ["b"]);
    assert!(quarantined(&lab).is_empty());

    // A document that comes back is tried, too.
    let lab = failed();
    let again = lab
        .changed_meanwhile(
            &retry(&[]),
            &format!("INSERT INTO things VALUES ('c', '{EDIT}')"),
        )
        .report();
    assert_eq!(again.adds_up().counts(), [3, 3, 0, 0, 0]);
    assert_eq!(lab.thing("c")["n"], 1);
}

/// Such a process was there and gone between this one's first look at the ledger and its first batch.
#[test]
fn a_retry_that_another_one_was_quicker_than_changes_nothing() {
    let lab = Lab::with_things([("a", FAIL), ("b", FAIL)]);
    lab.report_scripted(&[]);
    lab.put("things", [("a", FIND), ("b", EDIT)]);
    let before = lab.documents();
    let other = "DELETE FROM _host_quarantine;
                 UPDATE _host_runs SET counters = json_set(counters, '$.failed', 0, '$.skipped', 2)";
    let ran = lab.changed_meanwhile(&retry(&[]), other);
    assert_eq!(ran.status(), 1, "{ran}");
    assert_eq!(lab.documents(), before);
    assert_eq!(counted(&lab), [2, 0, 2, 0, 0]);
}

#[test]
fn documents_that_change_others_in_quarantine_give_the_same_in_batches_of_any_size() {
    let change = |id: &str, other: &str| {
        format!(
            r#"{{"id":"{id}","do":{{"changes":[{{"edit":[{{"table":"things","id":"{other}"}},[{{"set":{{"at":"/by","value":"\"{id}\""}}}}]]}}]}}}}"#
        )
    };
    let mut seen = Vec::new();
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things(["0", "a", "b", "c", "d"].map(|id| (id, FAIL)));
        lab.report_scripted(&[]);
        for (id, other) in [("a", "b"), ("b", "c"), ("d", "a")] {
            lab.put("things", [(id, change(id, other).as_str())]);
        }
        lab.put("things", [("c", EDIT)]);
        let again = report(&lab, &["--batch-size", batch_size]);
        assert_eq!(again.adds_up().counts(), [5, 4, 0, 1, 0]);
        assert_eq!(
            lab.thing("c"),
            json!({"do": {"edit": [{"set": {"at": "/n", "value": "1"}}]}, "by": "b", "n": 1})
        );
        assert_eq!(quarantined(&lab), ["0 asked"]);
        seen.push(lab.documents());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn an_unfinished_run_stays_unfinished_and_goes_on_with_the_mended_plugin() {
    let lab = Lab::with_things([("a", FAIL), ("b", FAIL), ("c", EDIT)]);
    let plugin = fs::read(guest("scripted")).unwrap();
    lab.write("fixed.wasm", [&plugin[..], b"\0\x02\x01x"].concat());
    let stop = ["--batch-size", "1", "--on-error", "stop"];
    assert_eq!(lab.run_scripted(&stop).status(), 1);
    assert_eq!(counted(&lab), [1, 0, 0, 1, 0]);
    lab.put("things", [("a", EDIT)]);
    let again = report(&lab, &["--plugin", "fixed.wasm"]);
    assert_eq!(again.adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(show(&lab)["state"], "interrupted");
    lab.put("things", [("b", EDIT)]);
    let rest = lab.report("fixed.wasm", SCRIPTED_GRANTS);
    assert_eq!(rest.number("run"), 1);
    assert_eq!(rest.adds_up().counts(), [3, 3, 0, 0, 0]);
}

/// Waits until the run's retry has edited something.
fn under_way(lab: &Lab, running: &mut Running) {
    while edited(lab) == 0 {
        assert!(!running.is_over(), "it ended before its time");
        thread::yield_now();
    }
}

#[test]
fn a_retry_keeps_others_from_the_table_and_can_be_watched_and_ended() {
    let lab = mended(1_000);
    let mut running = lab.start(&retry(&[
        "--batch-size",
        "5",
        "--rate",
        "20/s",
        "--lock-timeout",
        "60s",
        "--format",
        "json",
    ]));
    under_way(&lab, &mut running);
    assert_eq!(show(&lab)["state"], "retrying");
    for second in [&retry(&[]), &scripted(&[])] {
        let second = lab.host(second);
        assert_eq!(second.status(), 1);
        assert!(
            second
                .stderr()
                .contains("run 1 of `scripted` is working on table `things`"),
            "{second}"
        );
    }
    lab.host(&["cancel", "1", "--store", STORE]).success();
    let ended = running.end(&lab);
    assert_eq!(ended.status(), 1);
    assert_eq!(ended.report().get("state"), "cancelled");
    assert_eq!(show(&lab)["state"], "finished");
    let done = ended.report().number("updated");
    assert_eq!(
        report(&lab, &[]).adds_up().counts(),
        [1_000 - done, 1_000 - done, 0, 0, 0]
    );
    assert_eq!(counted(&lab), [1_000, 1_000, 0, 0, 0]);
}

#[test]
fn a_retry_ends_where_too_many_fail_again() {
    let lab = Lab::with_things([("a", FAIL), ("b", FAIL), ("c", FAIL)]);
    lab.report_scripted(&[]);
    let ran = lab.host(&retry(&[
        "--batch-size",
        "1",
        "--on-error",
        "stop",
        "--format",
        "json",
    ]));
    assert_eq!(ran.status(), 1);
    assert_eq!(ran.report().get("why"), "1 documents failed, and 0 may");
    assert_eq!(ran.report().number("total"), 1);
    // Those that were not tried come first now.
    assert_eq!(quarantined(&lab), ["b asked", "c asked", "a asked"]);
}
