//! Runs that are ended, by whomever, and gone on with.

use std::fs;
use std::thread;

use insta::assert_snapshot;

use super::{counted, edited, one_of_each};
use crate::common::{Lab, Running, guest, many, scripted};

/// Starts a run of one document a batch, and waits until it has done some.
fn well_under_way(lab: &Lab, more: &[&str]) -> Running {
    let mut running = lab.start(&scripted(
        &[
            &[
                "--batch-size",
                "1",
                "--lock-timeout",
                "60s",
                "--format",
                "json",
            ],
            more,
        ]
        .concat(),
    ));
    while edited(lab) == 0 {
        assert!(!running.is_over(), "the run was over before it had begun");
        thread::yield_now();
    }
    running
}

#[test]
fn ctrl_c_ends_a_run_after_the_batch_in_hand_and_the_same_command_finishes_it() {
    let count = 3_000;
    let lab = many(count);
    let running = well_under_way(&lab, &[]);
    // While this lock is held the run cannot come to its end.
    let lock = lab.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let before = edited(&lab);
    running.interrupt();
    lock.execute_batch("ROLLBACK").unwrap();
    let ran = running.end(&lab);
    assert_eq!(ran.status(), 1, "{ran}");
    let report = ran.report();
    assert_eq!(*report.get("state"), "interrupted", "{ran}");
    let done = edited(&lab);
    assert_eq!(report.number("updated"), u64::try_from(done).unwrap());
    assert!(before <= done && done < count, "{before} {done}");

    let last = lab.report_scripted(&[]);
    assert_eq!(last.adds_up().counts(), [3_000, 3_000, 0, 0, 0]);
    assert_eq!(last.get("run"), report.get("run"));
    assert_eq!(edited(&lab), count);
}

#[test]
fn a_second_ctrl_c_ends_a_run_at_once() {
    let lab = many(2_000);
    let mut running = well_under_way(&lab, &[]);
    let lock = lab.database();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Signals of one kind that come together count as one.
    while !running.is_over() {
        running.interrupt();
        thread::yield_now();
    }
    lock.execute_batch("ROLLBACK").unwrap();
    assert_eq!(running.end(&lab).status(), 130);
    assert_eq!(
        lab.report_scripted(&[]).adds_up().counts(),
        [2_000, 2_000, 0, 0, 0]
    );
}

#[test]
fn a_killed_run_is_gone_on_with_as_if_nothing_had_happened() {
    let answers = |lab: &Lab| {
        lab.column(
            "SELECT DISTINCT json_extract(doc, '$.answer') FROM things WHERE doc LIKE '%\"now\"%'",
            &[],
        )
        .len()
    };
    let fill = |lab: &Lab| {
        lab.put(
            "things",
            [
                ("t00500", r#"{"do":"now"}"#),
                ("t01400", r#"{"do":"now"}"#),
                (
                    "t01000",
                    r#"{"do":{"fail":{"code":"asked","message":"no","at":null}}}"#,
                ),
            ],
        );
        lab.put(
            "things",
            [(
                "t00700",
                r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}}]}}"#,
            )],
        );
    };
    let lab = many(1_500);
    fill(&lab);
    let mut kills = 0;
    let report = loop {
        let before = edited(&lab);
        let mut running = lab.start(&scripted(&["--batch-size", "3", "--format", "json"]));
        // Some kills meet the process between two batches, some within one.
        while edited(&lab) < before + 250 && !running.is_over() {
            thread::yield_now();
        }
        if running.is_over() {
            break running.end(&lab).report();
        }
        running.kill();
        assert_eq!(running.end(&lab).status(), -1);
        kills += 1;
    };
    assert!(kills >= 3, "{kills}");
    assert_eq!(lab.value("PRAGMA integrity_check"), "ok");

    let undisturbed = many(1_500);
    fill(&undisturbed);
    assert_eq!(counted(&report), counted(&undisturbed.report_scripted(&[])));
    assert_eq!(answers(&lab), 1, "the time of a run stands still");
    let without_answers = |lab: &Lab| {
        let mut tables = lab.documents();
        tables
            .get_mut("things")
            .unwrap()
            .retain(|row| !row[1].contains("now"));
        tables
    };
    assert_eq!(without_answers(&lab), without_answers(&undisturbed));
    assert_eq!(lab.value("SELECT count(*) FROM _host_quarantine"), "1");
}

/// Killing a process meets the moment between two transactions by luck only; a ledger that cannot be written meets
/// it always.
#[test]
fn a_batch_and_what_is_noted_of_it_are_written_together_or_not_at_all() {
    for noted in [
        r#"UPDATE ON "_host_runs" WHEN new."counters" <> old."counters""#,
        r#"INSERT ON "_host_quarantine""#,
        r#"INSERT ON "_host_undo""#,
    ] {
        let lab = one_of_each();
        // Makes the ledger.
        lab.report_scripted(&["--limit", "0"]);
        lab.sql(&format!(
            "CREATE TRIGGER refused BEFORE {noted} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ));
        let before = lab.documents();
        let ran = lab.run_scripted(&[]);
        assert_eq!(ran.status(), 1, "{noted}: {ran}");
        assert_eq!(lab.documents(), before, "{noted}: {ran}");

        lab.sql("DROP TRIGGER refused");
        assert_eq!(
            lab.report_scripted(&[]).adds_up().counts(),
            [11, 4, 3, 3, 1]
        );
    }
}

/// Leaves a run unfinished by killing it.
fn unfinished(more: &[&str]) -> Lab {
    let lab = many(1_000);
    let mut running = well_under_way(&lab, more);
    running.kill();
    running.end(&lab);
    lab
}

#[test]
fn an_unfinished_run_is_not_gone_on_with_under_other_parameters_or_by_another_plugin() {
    let lab = unfinished(&["--param", "phase=copy"]);
    let before = lab.everything();
    let ran = lab.run_scripted(&["--param", "phase=remove"]);
    assert_snapshot!(ran, @"
    ------- stderr -------
    error: run 1 of `scripted` over `things` is unfinished (running), and was made with other parameters
    hint: go on with the same plugin and parameters, or begin anew with --restart; what the unfinished run changed stays changed
    [exit status: 1]
    ");
    assert_eq!(lab.run_scripted(&[]).status(), 1);

    // The same plugin with one more byte of metadata is another one.
    let mut other = fs::read(guest("scripted")).unwrap();
    other.extend(b"\0\x02\x01x");
    lab.write("other.wasm", other);
    let grants = [
        "--allow",
        "read:facts,write:others",
        "--param",
        "phase=copy",
    ];
    assert_snapshot!(lab.run("other.wasm", &grants), @"
    ------- stderr -------
    error: run 1 of `scripted` over `things` is unfinished (running), and was made with other plugin bytes
    hint: go on with the same plugin and parameters, or begin anew with --restart; what the unfinished run changed stays changed
    [exit status: 1]
    ");
    assert_eq!(lab.everything(), before);

    let ran = lab.run(
        "other.wasm",
        &[&grants[..], &["--restart", "--format", "json"]].concat(),
    );
    let report = ran.report();
    assert_eq!(report.adds_up().number("total"), 1_000);
    assert_eq!(*report.get("run"), 2);
    assert_eq!(edited(&lab), 1_000);
}

#[test]
fn an_unfinished_run_is_gone_on_with_in_batches_of_another_size() {
    let lab = unfinished(&[]);
    let done = u64::try_from(edited(&lab)).unwrap();
    let report = lab.report_scripted(&["--batch-size", "77"]);
    assert_eq!(report.adds_up().counts(), [1_000, 1_000, 0, 0, 0], "{done}");
    assert_eq!(edited(&lab), 1_000);
}
