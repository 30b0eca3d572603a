//! Runs that are gone on with, whatever became of the table meanwhile.

use insta::assert_snapshot;

use super::edited;
use crate::common::{Lab, Report, SCRIPTED_GRANTS, STORE, guest, many};

#[test]
fn a_limited_run_is_gone_on_with_until_the_table_ends() {
    for batch_size in ["1", "2", "1000"] {
        let lab = many(10);
        let run =
            |more: &[&str]| lab.report_scripted(&[&["--batch-size", batch_size], more].concat());
        let first = run(&["--limit", "3"]);
        assert_eq!((first.number("total"), edited(&lab)), (3, 3));
        assert_eq!(*first.get("state"), "limited");
        let second = run(&["--limit", "4"]);
        assert_eq!(
            (second.number("total"), second.get("run")),
            (7, first.get("run"))
        );
        let last = run(&[]);
        assert_eq!(last.adds_up().counts(), [10, 10, 0, 0, 0]);
        assert_eq!(*last.get("state"), "finished");
        assert_eq!(edited(&lab), 10);
        // A new run begins, which looks at everything again.
        assert_eq!(*run(&["--limit", "0"]).get("run"), 2);
    }
}

/// Row numbers are no names: VACUUM may give new ones where they are not the table's own key.
#[test]
fn a_run_is_gone_on_with_after_its_rows_were_numbered_anew() {
    for columns in [
        "_id TEXT PRIMARY KEY, doc JSON NOT NULL",
        "doc JSON NOT NULL, _id TEXT PRIMARY KEY",
    ] {
        let lab = Lab::with_table(&format!("CREATE TABLE things ({columns})"));
        let script = r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}}]}}"#;
        for number in 0..30 {
            lab.execute(
                "INSERT INTO things (rowid, _id, doc) VALUES (?1, ?2, ?3)",
                &[&(number * 10), &format!("t{:02}", 29 - number), &script],
            );
        }
        let first = lab.report_scripted(&["--limit", "10", "--batch-size", "4"]);
        assert_eq!(first.number("inserted"), 10);
        // What VACUUM may do, dumping and restoring does.
        lab.sql(&format!(
            "DELETE FROM things WHERE rowid IN (0, 20, 40);
             ALTER TABLE things RENAME TO dumped;
             CREATE TABLE things ({columns});
             INSERT INTO things (_id, doc) SELECT _id, doc FROM dumped ORDER BY rowid;
             DROP TABLE dumped;"
        ));
        assert_eq!(lab.value("SELECT max(rowid) FROM things"), "27");
        let last = lab.report_scripted(&["--batch-size", "4"]);
        assert_eq!(last.adds_up().counts(), [30, 30, 0, 0, 0]);
        assert_eq!(last.number("inserted"), 30);
        assert_eq!(lab.value("SELECT count(*) FROM others"), "30");
    }
}

/// What VACUUM may do, dumping and restoring does: the rows get numbers without gaps, in the same order.
fn number_anew(lab: &Lab) {
    lab.sql(
        "ALTER TABLE things RENAME TO dumped;
         CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         INSERT INTO things (_id, doc) SELECT _id, doc FROM dumped ORDER BY rowid;
         DROP TABLE dumped;",
    );
}

/// A lab with a hundred things that cannot be migrated twice, of which a run has done sixty.
fn sixty_of_a_hundred(guest: &str) -> Lab {
    let lab = Lab::with_things([]);
    let body = r#"{"todo":"yes","old":1,"do":{"edit":[{"rename":{"from":"/old","to":"/new"}},{"remove":{"at":"/todo"}}]}}"#;
    let ids: Vec<_> = (0..100).map(|number| format!("t{number:02}")).collect();
    lab.put("things", ids.iter().map(|id| (id.as_str(), body)));
    // One in ten is left alone, and as many fail.
    lab.sql(
        r#"UPDATE things SET doc = '{"todo":"yes","do":{"skip":"asked"}}' WHERE _id LIKE '%4';
           UPDATE things SET doc = '{"todo":"yes","do":{"fail":{"code":"asked","message":"no","at":null}}}' WHERE _id LIKE '%7';"#,
    );
    let report = lab.report(guest, &[SCRIPTED_GRANTS, &["--limit", "60"]].concat());
    assert_eq!(report.counts(), [60, 48, 6, 6, 0]);
    lab
}

fn rest(lab: &Lab, guest: &str) -> Report {
    lab.report(guest, SCRIPTED_GRANTS)
}

#[test]
fn a_run_is_gone_on_with_from_the_last_document_that_is_left() {
    for gone in [
        "_id = 't59'",
        // The last that is left has failed, or was skipped.
        "_id > 't57' AND _id < 't60'",
        "_id > 't54' AND _id < 't60'",
        "_id < 't20' OR _id > 't40' AND _id < 't60'",
    ] {
        for anew in [true, false] {
            let lab = sixty_of_a_hundred(guest("scripted"));
            lab.sql(&format!("DELETE FROM things WHERE {gone}"));
            if anew {
                number_anew(&lab);
            }
            let report = rest(&lab, guest("scripted"));
            assert_eq!(report.counts(), [100, 80, 10, 10, 0], "{gone} {anew}");
            assert_eq!(
                lab.value("SELECT count(*) FROM things WHERE doc LIKE '%\"old\":%'"),
                "0"
            );
            assert_eq!(lab.value("SELECT count(*) FROM _host_quarantine"), "10");
        }
    }
}

#[test]
fn documents_that_were_deleted_and_inserted_again_do_not_lead_a_run_astray() {
    let lab = sixty_of_a_hundred(guest("scripted"));
    // This gives it a place at the end of the table.
    lab.sql(r#"REPLACE INTO things VALUES ('t59', '{"do":{"skip":"new"}}')"#);
    let report = rest(&lab, guest("scripted"));
    assert_eq!(report.counts(), [101, 80, 11, 10, 0]);
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE doc LIKE '%\"old\":%'"),
        "0"
    );
}

#[test]
fn a_run_of_whose_last_documents_none_is_left_is_gone_on_with_where_nothing_has_moved() {
    let lab = sixty_of_a_hundred(guest("scripted"));
    lab.sql("DELETE FROM things WHERE _id < 't60'");
    let report = rest(&lab, guest("scripted"));
    assert_eq!(report.counts(), [100, 80, 10, 10, 0]);
}

#[test]
fn a_run_of_whose_last_documents_none_is_left_is_refused_where_the_others_have_moved() {
    let lab = sixty_of_a_hundred(guest("scripted"));
    lab.sql("DELETE FROM things WHERE _id > 't10' AND _id < 't60'");
    number_anew(&lab);
    let before = lab.everything();
    assert_snapshot!(lab.run_scripted(&[]), @"
    ------- stderr -------
    error: run 1 of `scripted` cannot be gone on with: of the documents that it handled last none is left in table `things`, and the rows may have been numbered anew
    hint: `host undo 1` takes back what it did; then the same command begins anew
    hint: or begin anew with --restart, which goes over all documents, those that are done included
    [exit status: 1]
    ");
    assert_eq!(lab.everything(), before);

    // As it is told: what is left of what the run did is taken back, and all is done.
    assert_eq!(lab.host(&["undo", "1", "--store", STORE]).status(), 3);
    let report = lab.report_scripted(&[]);
    assert_eq!(
        (report.number("run"), report.counts()),
        (2, [51, 41, 5, 5, 0])
    );
}

/// A lab with ten rows that have no key but their numbers, of which a run has done six, and with VACUUM over it.
fn vacuumed_without_a_key(guest: &str) -> Lab {
    let lab = Lab::with_table("CREATE TABLE things (todo TEXT, n INTEGER, do TEXT)");
    for number in 0..10 {
        lab.execute(
            r#"INSERT INTO things VALUES ('yes', ?1, '{"edit":[{"set":{"at":"/n","value":"99"}},{"set":{"at":"/todo","value":"\"no\""}}]}')"#,
            &[&number],
        );
    }
    assert_eq!(
        lab.report(guest, &[SCRIPTED_GRANTS, &["--limit", "4"]].concat())
            .number("updated"),
        4
    );
    // Others may write, and what the ledger's tables did to the schema is known.
    lab.sql("DELETE FROM things WHERE rowid = 1");
    assert_eq!(
        lab.report(guest, &[SCRIPTED_GRANTS, &["--limit", "2"]].concat())
            .number("updated"),
        6
    );
    lab.sql("VACUUM");
    assert_eq!(lab.value("SELECT max(rowid) FROM things"), "9");
    lab
}

#[test]
fn rows_without_a_key_that_were_numbered_anew_are_not_taken_for_others() {
    let lab = vacuumed_without_a_key(guest("scripted"));
    let before = lab.everything();
    assert_snapshot!(lab.run_scripted(&[]), @"
    ------- stderr -------
    error: run 1 of `scripted` cannot go on: table `things` has no primary key, and by VACUUM or a change of the schema its rows may have been numbered anew
    hint: begin anew with --restart, which goes over all documents, those that are done included
    [exit status: 1]
    ");
    assert_eq!(lab.everything(), before);

    let lab = vacuumed_without_a_key(guest("filtered"));
    let report = rest(&lab, guest("filtered"));
    assert_eq!(report.counts(), [10, 10, 0, 0, 0]);
    assert_eq!(lab.value("SELECT count(*) FROM things WHERE n = 99"), "9");
}

#[test]
fn a_run_whose_place_is_lost_finds_what_is_to_be_done_by_its_filter() {
    let lab = sixty_of_a_hundred(guest("filtered"));
    lab.sql("DELETE FROM things WHERE _id > 't10' AND _id < 't60'");
    number_anew(&lab);
    let report = rest(&lab, guest("filtered"));
    // One that was skipped is still there, and is counted once; five are gone, and so is what was told of them.
    assert_eq!(report.counts(), [95, 80, 5, 10, 0]);
    assert_eq!(report.number("run"), 1);
    assert_eq!(
        lab.value("SELECT count(*) FROM things WHERE doc LIKE '%\"old\":%'"),
        "0"
    );
}
