//! Watching a run from outside, steering it, and keeping a second one away.

use std::thread;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{EDIT, Lab, Running, STORE, many, scripted};

/// What `host show 1` says, once the run is in the ledger.
fn show(lab: &Lab) -> Option<Value> {
    let ran = lab.host(&["show", "1", "--store", STORE, "--format", "json"]);
    (ran.status() == 0).then(|| serde_json::from_str(&ran.stdout()).unwrap())
}

/// Waits until the run says so of itself.
fn until(lab: &Lab, running: &mut Running, told: impl Fn(&Value) -> bool) -> Value {
    loop {
        assert!(!running.is_over(), "it ended before its time");
        if let Some(shown) = show(lab).filter(&told) {
            return shown;
        }
        thread::yield_now();
    }
}

/// A run of small batches that never ends by itself within a test's time.
fn slow(lab: &Lab) -> Running {
    lab.start(&scripted(&[
        "--batch-size",
        "5",
        "--rate",
        "20/s",
        "--lock-timeout",
        "60s",
        "--format",
        "json",
    ]))
}

#[test]
fn a_second_host_on_the_table_is_refused_and_a_cancelled_run_gives_it_free() {
    let lab = many(2_000);
    let mut running = slow(&lab);
    until(&lab, &mut running, |shown| shown["updated"] != json!(0));
    let second = lab.run_scripted(&[]);
    assert_eq!(second.status(), 1);
    assert!(
        second
            .stderr()
            .contains("run 1 of `scripted` is working on table `things`"),
        "{second}"
    );
    lab.host(&["cancel", "1", "--store", STORE]).success();
    let ended = running.end(&lab);
    assert_eq!(ended.status(), 1);
    assert_eq!(ended.report().get("state"), "cancelled");
    // A cancelled run is not gone on with: the next one is another.
    let next = lab.report_scripted(&[]);
    assert_eq!(next.number("run"), 2);
    assert_eq!(next.adds_up().number("total"), 2_000);
}

#[test]
fn a_paused_run_does_nothing_until_it_is_resumed() {
    let lab = many(2_000);
    let mut running = slow(&lab);
    until(&lab, &mut running, |shown| shown["updated"] != json!(0));
    lab.host(&["pause", "1", "--store", STORE]).success();
    let paused = until(&lab, &mut running, |shown| shown["state"] == "paused");
    let later = show(&lab).unwrap();
    assert_eq!(later["updated"], paused["updated"]);
    assert_eq!(paused["to_look_at"], 2_000);
    lab.host(&["resume", "1", "--store", STORE]).success();
    until(&lab, &mut running, |shown| {
        shown["updated"].as_u64() > paused["updated"].as_u64()
    });
    lab.host(&["cancel", "1", "--store", STORE]).success();
    assert_eq!(running.end(&lab).status(), 1);
}

#[test]
fn nobody_steers_a_run_that_nobody_works_on() {
    let lab = many(1);
    lab.report_scripted(&[]);
    assert_snapshot!(lab.host(&["pause", "1", "--store", STORE]), @r"
    ------- stderr -------
    error: no process works on run 1: it is finished
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&["cancel", "9", "--store", STORE]), @r"
    ------- stderr -------
    error: there is no run 9
    hint: `host runs` lists them
    [exit status: 1]
    ");
}

#[test]
fn a_run_that_was_killed_is_told_as_dead_and_gives_the_table_free() {
    let lab = many(2_000);
    let mut running = slow(&lab);
    until(&lab, &mut running, |shown| shown["updated"] != json!(0));
    running.kill();
    assert_eq!(running.end(&lab).status(), -1);
    assert_eq!(show(&lab).unwrap()["state"], "died");
    let report = lab.report_scripted(&[]);
    assert_eq!(report.number("run"), 1);
    assert_eq!(report.adds_up().counts(), [2_000, 2_000, 0, 0, 0]);
}

#[test]
fn a_sample_is_a_fixed_part_and_the_next_run_does_the_rest() {
    let lab = many(2_000);
    let dry = lab.report_scripted(&["--sample", "5%", "--dry-run"]);
    let sample = lab.report_scripted(&["--sample", "5%"]);
    assert_eq!(sample.get("state"), "sampled");
    assert_eq!(sample.counts(), dry.counts());
    let done = sample.adds_up().number("updated");
    assert!((60..140).contains(&done), "{done}");
    let rest = lab.report_scripted(&[]);
    assert_eq!(rest.number("total"), 2_000);
    assert_eq!(rest.number("updated"), 2_000 - done);
}

#[test]
fn too_many_failures_end_a_run_that_can_be_gone_on_with() {
    let fail = r#"{"do":{"fail":{"code":"no","message":"no","at":null}}}"#;
    let lab = Lab::with_things([("a", EDIT), ("b", fail), ("c", fail), ("d", EDIT)]);
    let ran = lab.run_scripted(&[
        "--batch-size",
        "1",
        "--max-failures",
        "1",
        "--format",
        "json",
    ]);
    assert_eq!(ran.status(), 1);
    let report = ran.report();
    assert_eq!(report.get("state"), "interrupted");
    assert_eq!(report.get("why"), "2 documents failed, and 1 may");
    assert_eq!(report.number("total"), 3);
    let rest = lab.report_scripted(&[]);
    assert_eq!((rest.number("run"), rest.number("total")), (1, 4));
    assert_snapshot!(lab.host(&["quarantine", "1", "--store", STORE]), @r"
    ID  CODE  AT  MESSAGE
    b   no    -   no
    c   no    -   no
    [exit status: 0]
    ");
    let lines = lab.host(&["quarantine", "1", "--store", STORE, "--documents"]);
    assert_eq!(lines.stdout().lines().count(), 2);
    assert!(
        lines.stdout().contains(&format!("\"document\":{fail}}}")),
        "{lines}"
    );
}

/// The trigger writes to rows that the host has read already; what it wrote must not be lost.
#[test]
fn what_a_trigger_writes_to_other_documents_is_not_overwritten() {
    for batch_size in ["1", "7", "1000"] {
        let lab = many(50);
        lab.sql(
            "CREATE TRIGGER ripple AFTER UPDATE OF doc ON things
             WHEN json_extract(new.doc, '$.n') = 1 AND json_extract(new.doc, '$.seen') IS NULL
             BEGIN
                UPDATE things SET doc = json_set(doc, '$.seen', 1)
                WHERE _id = (SELECT min(_id) FROM things WHERE _id > new._id);
             END",
        );
        let report = lab.report_scripted(&["--batch-size", batch_size]);
        assert_eq!(report.adds_up().counts(), [50, 50, 0, 0, 0]);
        assert_eq!(
            lab.value("SELECT count(*) FROM things WHERE json_extract(doc, '$.n') = 1"),
            "50"
        );
        // Each unseen document marks the next one, and a marked one marks none.
        assert_eq!(
            lab.value("SELECT count(*) FROM things WHERE json_extract(doc, '$.seen') = 1"),
            "25",
            "batches of {batch_size}"
        );
    }
}
