//! Runs that write nothing, and tell what would be.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::{counted, edited, one_of_each};
use crate::common::{Lab, Report, many};

#[test]
fn a_dry_run_shows_what_would_change() {
    let lab = one_of_each();
    let ran = lab.run_scripted(&["--dry-run"]);
    assert_eq!(ran.status(), 3);
    let text = ran.to_string();
    let steady: Vec<_> = text
        .lines()
        .filter(|line| !line.contains("things trap: "))
        .collect();
    assert_snapshot!(steady.join("\n"), @r#"
    things changes
      + /n 1
    others 0101542c-4a57-5697-8926-67ba3aaf6e18 (new)
      + {"m":1.0}
    others x
      - /k 1
      + /k 2.50
    things delete (deleted)
      - {"do":"delete"}
    things edit
      + /n 1
    … and 2 more
    scripted over `things`: dry run finished in [TIME] s
              11 met the filter
               4 would be updated
               1 would be deleted
               3 skipped
                   1 no wish
                   1 not today
                   1 unchanged
               3 failed
               1 would be inserted
    First failures:
      things fail: as it wished (asked at /do)
      things refused: `/nowhere` does not resolve: the document has no value there (invalid-edit at /nowhere)
    Nothing was written. Next: the same command without --dry-run.
    [exit status: 3]
    "#);
}

#[test]
fn a_dry_run_counts_what_the_run_will_count_and_writes_nothing() {
    for mode in ["delete", "wal"] {
        for batch_size in ["1", "1000"] {
            let lab = one_of_each();
            lab.database()
                .pragma_update(None, "journal_mode", mode)
                .unwrap();
            let bytes = fs::read(lab.path("app.db")).unwrap();
            let dry = lab.report_scripted(&["--dry-run", "--batch-size", batch_size]);
            assert!(
                fs::read(lab.path("app.db")).unwrap() == bytes,
                "the file has changed"
            );
            assert!(!lab.everything().contains_key("_host_runs"));
            assert_eq!(
                (dry.get("run"), dry.get("dry_run")),
                (&Value::Null, &json!(true))
            );
            let real = lab.report_scripted(&["--batch-size", batch_size]);
            assert_eq!(counted(&dry), counted(&real), "{mode} {batch_size}");
            assert_eq!(dry.errors(), real.errors());
        }
    }
}

#[test]
fn a_dry_run_finds_what_the_store_would_refuse() {
    let lab = Lab::with_table(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, n INTEGER NOT NULL, do TEXT)",
    );
    for script in [
        r#"{"edit":[{"set":{"at":"/n","value":"null"}}]}"#,
        r#"{"edit":[{"set":{"at":"/nick","value":"1"}}]}"#,
        r#"{"edit":[{"set":{"at":"/id","value":"9"}}]}"#,
        r#"{"changes":[{"insert":{"table":"things","id":"1","body":"{\"n\":1}"}}]}"#,
        r#"{"changes":[{"insert":{"table":"things","id":"7","body":"{\"n\":1}"}},{"insert":{"table":"things","id":"7","body":"{\"n\":1}"}}]}"#,
        r#"{"edit":[{"set":{"at":"/n","value":"1"}}]}"#,
    ] {
        lab.execute(
            "INSERT INTO things (name, n, do) VALUES ('a', 0, ?1)",
            &[&script],
        );
    }
    let dry = lab.report_scripted(&["--dry-run"]);
    let real = lab.report_scripted(&[]);
    assert_eq!(counted(&dry), counted(&real));
    assert_eq!(real.adds_up().counts(), [6, 1, 0, 5, 0]);
    let codes = |report: &Report| {
        report
            .errors()
            .iter()
            .map(|error| error.split(':').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&dry), codes(&real));
}

#[test]
fn a_limited_dry_run_looks_at_no_more() {
    let lab = many(10);
    let dry = lab.report_scripted(&["--dry-run", "--limit", "3"]);
    assert_eq!((dry.number("total"), edited(&lab)), (3, 0));
}
