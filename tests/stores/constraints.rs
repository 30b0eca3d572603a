//! What the database itself demands: constraints, references, triggers.

use insta::assert_snapshot;

use super::{RENAME, set};
use crate::common::Lab;

/// A table in which each row says what is to be done with it; each is refused by a constraint, but for the
/// first and the last.
fn constrained(more_sql: &str, scripts: &[&str]) -> (Lab, String) {
    let lab = Lab::with_table(more_sql);
    let good = set("n", "1");
    for script in [&[good.as_str()], scripts, &[good.as_str()]].concat() {
        lab.execute(
            "INSERT INTO things (name, do) VALUES ('old' || (SELECT count(*) FROM things), ?1)",
            &[&script],
        );
    }
    let total = u64::try_from(scripts.len() + 2).unwrap();
    let before = lab.documents();
    let report = lab.report_scripted(&[]);
    assert_eq!(
        report.adds_up().counts(),
        [total, 2, 0, total - 2, 0],
        "{}",
        report.json()
    );
    assert_eq!(
        lab.column("SELECT rowid FROM things WHERE n = 1", &[]),
        ["1".to_owned(), total.to_string()]
    );
    lab.sql("UPDATE things SET n = NULL WHERE n = 1");
    assert_eq!(
        lab.documents(),
        before,
        "only the two sound documents have changed"
    );
    let errors = report.errors().join("\n");
    (lab, errors)
}

#[test]
fn a_constraint_refuses_its_document_alone() {
    let (_, errors) = constrained(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, n INTEGER CHECK (n < 100), do TEXT);
         CREATE TRIGGER no_nine BEFORE UPDATE ON things WHEN new.n = 9 BEGIN SELECT RAISE(ABORT, 'nine is taken'); END;
         CREATE TRIGGER no_eight BEFORE UPDATE ON things WHEN new.n = 8 BEGIN SELECT RAISE(IGNORE); END;",
        &[&set("n", "100"), &set("name", "null"), &set("name", r#""old0""#), &set("n", "9"), &set("n", "8")],
    );
    assert_snapshot!(errors, @"
    2 check: the database refuses it: CHECK constraint failed: n < 100
    3 required: column `name` may not be NULL
    4 unique: the database refuses it: UNIQUE constraint failed: things.name
    5 trigger: the database refuses it: nine is taken
    6 not-written: the database did not write it; a trigger of the table may have kept it from being written
    ");
}

#[test]
fn a_strict_table_refuses_a_value_of_another_type() {
    let (_, errors) = constrained(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, b BLOB, r REAL, do TEXT) STRICT",
        &[
            &set("n", r#""many""#),
            &set("n", "1.5"),
            &set("b", "1"),
            &set("r", r#""x""#),
            &set("n", r#"{"$bytes":"AA=="}"#),
        ],
    );
    assert_snapshot!(errors, @"
    2 type: the database refuses it: cannot store TEXT value in INTEGER column things.n
    3 type: the database refuses it: cannot store REAL value in INTEGER column things.n
    4 type: the database refuses it: cannot store INT value in BLOB column things.b
    5 type: the database refuses it: cannot store TEXT value in REAL column things.r
    6 type: the database refuses it: cannot store BLOB value in INTEGER column things.n
    ");
}

#[test]
fn values_that_no_column_can_hold_are_refused() {
    let (_, errors) = constrained(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, n, do TEXT)",
        &[
            &set("n", "[1]"),
            &set("n", r#"{"a":1}"#),
            &set("n", r#"{"$bytes":"not base64!"}"#),
            &set("n", "9223372036854775808"),
            &set("n", "1e400"),
        ],
    );
    assert_snapshot!(errors, @r#"
    2 not-a-scalar: column `n` cannot hold an array; a column holds a scalar
    3 not-a-scalar: column `n` cannot hold an object; a column holds a scalar, or bytes as {"$bytes": base64}
    4 not-a-scalar: column `n` cannot hold an object; a column holds a scalar, or bytes as {"$bytes": base64}
    5 not-a-scalar: column `n` cannot hold an integer beyond 2^63 - 1
    6 invalid-json: the value of `n` cannot be read: number out of range at line 1 column 5
    "#);
}

#[test]
fn a_reference_to_nothing_is_refused_whenever_the_database_would_check_it() {
    for deferral in ["", " DEFERRABLE INITIALLY DEFERRED"] {
        let (lab, errors) = constrained(
            &format!(
                "CREATE TABLE sites (id INTEGER PRIMARY KEY); INSERT INTO sites VALUES (7);
                 CREATE TABLE others (id INTEGER PRIMARY KEY, site INTEGER REFERENCES sites (id){deferral});
                 CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, n INTEGER, site INTEGER REFERENCES sites (id){deferral}, do TEXT);"
            ),
            &[
                &set("site", "8"),
                r#"{"changes":[{"edit":[{"table":"things","id":"3"},[{"set":{"at":"/n","value":"1"}}]]},{"insert":{"table":"others","id":"1","body":"{\"site\":9}"}}]}"#,
            ],
        );
        assert_eq!(
            errors,
            "2 foreign-key: the database refuses it: FOREIGN KEY constraint failed\n3 foreign-key: the database refuses it: FOREIGN KEY constraint failed",
            "{deferral}"
        );
        assert_eq!(
            lab.column("SELECT * FROM pragma_foreign_key_check", &[]),
            [""; 0]
        );
    }
}

#[test]
fn a_deferred_reference_may_be_met_by_a_later_change_of_the_same_outcome() {
    let lab = Lab::with_table(
        "CREATE TABLE others (id INTEGER PRIMARY KEY, n INTEGER, m INTEGER);
         CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, other INTEGER REFERENCES others (id) DEFERRABLE INITIALLY DEFERRED, do TEXT);",
    );
    lab.execute("INSERT INTO things VALUES (1, 'a', NULL, ?1)", &[&r#"{"changes":[{"edit":[{"table":"things","id":"1"},[{"set":{"at":"/other","value":"5"}}]]},{"insert":{"table":"others","id":"5","body":"{}"}}]}"#]);
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.value("SELECT other FROM things"), "5");
}

#[test]
fn what_was_an_orphan_before_harms_only_who_touches_it() {
    let lab = Lab::with_table(
        "CREATE TABLE sites (id INTEGER PRIMARY KEY); CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, site INTEGER REFERENCES sites (id) DEFERRABLE INITIALLY DEFERRED, do TEXT);",
    );
    let database = lab.database();
    database.pragma_update(None, "foreign_keys", false).unwrap();
    for (site, script) in [
        ("8", RENAME.to_owned()),
        ("8", set("site", "9")),
        ("NULL", RENAME.to_owned()),
    ] {
        database
            .execute(
                &format!("INSERT INTO things (name, site, do) VALUES ('old', {site}, ?1)"),
                [script],
            )
            .unwrap();
    }
    let report = lab.report_scripted(&[]);
    assert_eq!(
        report.adds_up().counts(),
        [3, 2, 0, 1, 0],
        "{}",
        report.json()
    );
    assert_eq!(
        lab.column("SELECT name FROM things", &[]),
        ["new", "old", "new"]
    );
}

#[test]
fn triggers_do_their_work_within_the_batch() {
    let lab = Lab::with_things([("a", r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#)]);
    lab.sql("CREATE TABLE audit (id TEXT, was TEXT); CREATE TRIGGER audited AFTER UPDATE ON things BEGIN INSERT INTO audit VALUES (old._id, old.doc); END;");
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(
        lab.documents()["audit"],
        [["a", r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#]]
    );
}
