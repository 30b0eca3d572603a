//! Tables and indexes as migrations. Scenarios B7 to B9, and D8.

use serde_json::json;

use super::{FIRST, dev, json, put_steps, refused, team};
use crate::common::{Lab, guest, plugin};

/// The schema but for the host's own tables, and the names of these without their numbers.
fn schema(lab: &Lab) -> Vec<String> {
    lab.column(
        "SELECT type || ' ' || name || ': ' || replace(sql, '\"', '') FROM sqlite_schema
         WHERE sql IS NOT NULL AND name NOT LIKE '~_host~_%' ESCAPE '~' ORDER BY type, name",
        &[],
    )
}

fn kept(lab: &Lab) -> Vec<String> {
    lab.column(
        "SELECT name FROM sqlite_schema WHERE name LIKE '~_host~_kept~_%' ESCAPE '~'",
        &[],
    )
}

#[test]
fn a_renamed_table_is_copied_once_and_the_old_one_goes_and_comes_back() {
    let lab = team(&[]);
    lab.sql(
        "CREATE TABLE oldTable (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         INSERT INTO oldTable VALUES
             ('a', '{\"_id\":\"a\", \"price\":1.0, \"_creationTime\":5.5, \"n\":1e3}'), ('b', '{\"n\":2}');
         CREATE INDEX by_n ON oldTable (json_extract(doc, '$.n'));
         CREATE TRIGGER no_delete BEFORE DELETE ON oldTable BEGIN SELECT raise(ABORT, 'no'); END;",
    );
    put_steps(
        &lab,
        "make-new-table",
        "version = 1\n[[steps]]\ncreate-table = { name = \"newTable\" }",
    );
    std::fs::copy(
        plugin("rename-table"),
        lab.path("migrations/rename-table.wasm"),
    )
    .unwrap();
    put_steps(
        &lab,
        "drop-old-table",
        "version = 3\nrun-after = [\"rename-table\"]\n[[steps]]\ndrop-table = { name = \"oldtable\" }",
    );
    // The plugin has version 1, too, and needs the table.
    let up = ["up", "--allow", "write:newTable"];
    dev(&lab, &["up", "make-new-table"]).success();
    let (before, structure) = (lab.documents(), schema(&lab));
    dev(&lab, &[&up[..], &["--to", "rename-table"]].concat()).success();
    let copies = lab.column("SELECT doc FROM newTable ORDER BY doc", &[]);
    assert_eq!(copies, [r#"{"n":2}"#, r#"{"price":1.0, "n":1e3}"#]);
    // By hand, once more: nothing is copied twice.
    lab.run(
        "migrations/rename-table.wasm",
        &["--allow", "write:newTable"],
    )
    .success();
    assert_eq!(lab.value("SELECT count(*) FROM newTable"), "2");

    // It can be exported before it goes.
    dev(&lab, &["export", "--table", "oldTable"]).success();
    dev(&lab, &up).success();
    assert!(!lab.documents().contains_key("oldTable"));
    assert_eq!(
        (kept(&lab).len(), schema(&lab).len()),
        (1, structure.len() - 3)
    );
    // The name is free, and so are those of its parts.
    lab.sql("CREATE TABLE oldTable (x); CREATE INDEX by_n ON oldTable (x)");
    refused(
        &lab,
        &["down"],
        1,
        "bringing table `oldTable` back failed: there is already another table or index with this name",
    );
    lab.sql("DROP TABLE oldTable");
    dev(&lab, &["down"]).success();
    assert_eq!((schema(&lab), kept(&lab).len()), (structure.clone(), 0));
    dev(&lab, &["down"]).success();
    assert_eq!((lab.documents(), schema(&lab)), (before, structure));
}

#[test]
fn a_table_that_refers_to_others_holds_on_to_nothing_while_it_is_gone() {
    let lab = team(&[]);
    lab.sql(
        "CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT);
         CREATE TABLE pets (name TEXT, owner INT REFERENCES owners ON DELETE CASCADE, mother INT, weight REAL,
             loud TEXT AS (upper(name)), raw BLOB);
         INSERT INTO owners VALUES (1, 'ada'), (2, 'grace');
         INSERT INTO pets (rowid, name, owner, weight, raw) VALUES (7, 'rex', 1, 1.0, x'00ff'), (9, 'tom', 2, 2.5, NULL);
         CREATE INDEX pets_by_owner ON pets (owner);",
    );
    let query = "SELECT concat_ws('|', rowid, name, owner, typeof(weight), weight, loud, typeof(raw), hex(raw)) FROM pets ORDER BY rowid";
    let (rows, structure) = (lab.column(query, &[]), schema(&lab));
    put_steps(
        &lab,
        "no-pets",
        "version = 1\n[[steps]]\ndrop-table = { name = \"pets\" }",
    );
    dev(&lab, &["up"]).success();
    dev(&lab, &["down"]).success();
    assert_eq!(
        (lab.column(query, &[]), schema(&lab), kept(&lab).len()),
        (rows, structure, 0)
    );

    dev(&lab, &["up"]).success();
    // The application may delete what the pets referred to; then those cannot come back.
    lab.sql("PRAGMA foreign_keys = ON; DELETE FROM owners WHERE id = 2");
    refused(
        &lab,
        &["down"],
        1,
        "bringing table `pets` back failed: FOREIGN KEY constraint failed",
    );
    lab.sql("INSERT INTO owners VALUES (2, 'grace')");
    dev(&lab, &["down"]).success();
    assert_eq!(lab.value("SELECT count(*) FROM pets"), "2");
}

#[test]
fn a_table_that_others_need_stays() {
    let lab = team(&[]);
    put_steps(
        &lab,
        "drop",
        "version = 1\n[[steps]]\ndrop-table = { name = \"things\" }",
    );
    for (others, told) in [
        (
            "CREATE VIEW seen AS SELECT doc FROM things",
            "view `seen` needs it",
        ),
        (
            "CREATE TABLE refers (id REFERENCES things)",
            "table `refers` needs it",
        ),
        (
            "CREATE TRIGGER copies AFTER INSERT ON others BEGIN INSERT INTO things VALUES (new._id, new.doc); END",
            "trigger `copies` needs it",
        ),
    ] {
        lab.sql(others);
        let before = lab.documents();
        let ran = dev(&lab, &["up"]);
        assert_eq!(ran.status(), 1, "{ran}");
        let told = format!("dropping table `things` failed: {told}");
        assert!(ran.stderr().contains(&told), "{told}: {ran}");
        assert_eq!(lab.documents(), before);
        let words: Vec<_> = others.split(' ').collect();
        lab.sql(&format!("DROP {} {}", words[1], words[2]));
    }
    dev(&lab, &["up"]).success();
}

#[test]
fn what_was_dropped_is_freed_on_demand() {
    let lab = team(&[]);
    lab.put_many(&["{}"], 7_000);
    put_steps(
        &lab,
        "drop",
        "version = 1\n[[steps]]\ndrop-table = { name = \"things\" }\n[[steps]]\ndrop-table = { name = \"facts\" }",
    );
    dev(&lab, &["up"]).success();
    assert_eq!(kept(&lab).len(), 2);
    // It is too young.
    dev(&lab, &["undo", "--forget", "--older-than", "30d"]).success();
    assert_eq!(kept(&lab).len(), 2);
    let ran = dev(&lab, &["down", "--forget", "drop"]).success();
    assert_eq!(
        ran.stderr(),
        "forgot how to take drop back (7,002 documents that it had dropped)\n"
    );
    assert!(kept(&lab).is_empty());
    refused(
        &lab,
        &["down"],
        1,
        "`drop` cannot be taken back: what was kept of its tables was freed",
    );

    let lab = team(&[]);
    put_steps(
        &lab,
        "drop",
        "version = 1\n[[steps]]\ndrop-table = { name = \"things\" }",
    );
    dev(&lab, &["up", "--keep-undo", "0s"]).success();
    assert!(kept(&lab).is_empty());
}

#[test]
fn what_others_have_dropped_is_not_freed_with_it() {
    let lab = team(&[]);
    for (name, version, table) in [("first", 1, "facts"), ("second", 2, "others")] {
        let drop = format!("version = {version}\n[[steps]]\ndrop-table = {{ name = \"{table}\" }}");
        put_steps(&lab, name, &drop);
    }
    dev(&lab, &["up"]).success();
    dev(&lab, &["down", "--forget", "first"]).success();
    assert_eq!(kept(&lab).len(), 1);
    dev(&lab, &["down"]).success();
    assert!(lab.documents().contains_key("others"));
}

#[test]
fn a_table_that_a_run_works_on_is_not_dropped() {
    let lab = team(&[FIRST]);
    lab.run("migrations/first.wasm", &["--limit", "1"])
        .success();
    std::fs::remove_file(lab.path("migrations/first.wasm")).unwrap();
    lab.sql(
        r#"UPDATE _host_runs SET state = 'running', lease = '{"holder":{"machine":"elsewhere","process":1,"since":1},"until":9000000000000}'"#,
    );
    put_steps(
        &lab,
        "drop",
        "version = 2\n[[steps]]\ndrop-table = { name = \"things\" }",
    );
    refused(
        &lab,
        &["up"],
        1,
        "run 1 of `first` is working on table `things`",
    );
}

#[test]
fn an_index_is_made_for_lookups_and_taken_away() {
    let lab = team(&[]);
    let document = r#"{"do":{"find":{"table":"facts","conditions":[{"at":"/k","test":{"equals":"1"}}],"limit":1}}}"#;
    let warned = |lab: &Lab| {
        let ran = lab.run(
            guest("scripted"),
            &["--dry-run", "--allow", "read:facts,write:others"],
        );
        assert!([0, 3].contains(&ran.status()), "{ran}");
        ran.stderr()
            .contains("each lookup in `facts` goes over the whole table")
    };
    lab.put("things", [("f", document)]);
    lab.put("facts", [("x", r#"{"k":1}"#)]);
    let structure = schema(&lab);
    put_steps(
        &lab,
        "index-facts",
        "version = 1\n[[steps]]\ncreate-index = { name = \"facts_by_k\", table = \"facts\", on = [\"/k\"], unique = true }",
    );
    put_steps(
        &lab,
        "no-index",
        "version = 2\n[[steps]]\ndrop-index = { name = \"facts_by_k\" }",
    );
    assert!(warned(&lab));
    dev(&lab, &["up", "--to", "1"]).success();
    assert!(!warned(&lab));
    let indexed = schema(&lab);
    dev(&lab, &["up"]).success();
    assert_eq!(schema(&lab), structure);
    dev(&lab, &["down"]).success();
    assert_eq!(schema(&lab), indexed);
    dev(&lab, &["down"]).success();
    assert_eq!(schema(&lab), structure);

    lab.put("facts", [("y", r#"{"k":1}"#)]);
    refused(
        &lab,
        &["up"],
        1,
        "creating index `facts_by_k` failed: UNIQUE constraint failed",
    );
}

#[test]
fn rows_have_columns_and_indexes_on_them() {
    let lab = team(&[]);
    put_steps(
        &lab,
        "log",
        "version = 1
[[steps]]
create-table = { name = \"log\", columns = [\"id INTEGER PRIMARY KEY\", \"said TEXT NOT NULL\"] }
[[steps]]
create-index = { name = \"log_said\", table = \"log\", on = [\"/said\", \"/id\"] }
[[steps]]
create-table = { name = \"counted\", key = \"counted\" }",
    );
    dev(&lab, &["up"]).success();
    lab.sql("INSERT INTO log VALUES (1, 'x'); INSERT INTO counted (doc) VALUES ('{}')");
    assert_eq!(
        lab.value("SELECT count(*) FROM pragma_index_info('log_said')"),
        "2"
    );
    refused(
        &lab,
        &["down"],
        1,
        "taking table `counted` away again failed: it holds documents by now",
    );
    lab.sql("DELETE FROM counted; DELETE FROM log");
    dev(&lab, &["down"]).success();
    assert_eq!(lab.documents().len(), 3);
}

#[test]
fn steps_are_made_together_or_not_at_all() {
    let lab = team(&[]);
    for (step, told) in [
        (
            "create-table = { name = \"others\" }",
            "there is a table `others` already",
        ),
        ("create-table = { name = \"_host_mine\" }", "out of reach"),
        (
            "create-table = { name = \"x\", columns = [\"a INT); DROP TABLE things; --\"] }",
            "creating table `x` failed",
        ),
        (
            "create-table = { name = \"x\", columns = [\"a INT\"], key = \"text\" }",
            "`key` is for document tables",
        ),
        (
            "drop-table = { name = \"nothing\" }",
            "dropping table `nothing` failed: there is no such table",
        ),
        ("drop-table = { name = \"_host_runs\" }", "out of reach"),
        (
            "drop-index = { name = \"nothing\" }",
            "there is no such index",
        ),
        (
            "drop-index = { name = \"sqlite_autoindex_things_1\" }",
            "out of reach",
        ),
        (
            "create-index = { name = \"i\", table = \"nothing\", on = [\"/a\"] }",
            "there is no table `nothing`",
        ),
        (
            "create-index = { name = \"i\", table = \"things\", on = [] }",
            "`on` names nothing",
        ),
        (
            "create-index = { name = \"i\", table = \"things\", on = [\"a\"] }",
            "creating index `i` failed",
        ),
        (
            "create-index = { name = \"i\", table = \"things\", on = [\"/a/0\"] }",
            "SQLite has no path for `/a/0`",
        ),
    ] {
        put_steps(
            &lab,
            "bad",
            &format!(
                "version = 1\n[[steps]]\ncreate-table = {{ name = \"fine\" }}\n[[steps]]\n{step}"
            ),
        );
        let before = (lab.documents(), schema(&lab));
        let ran = dev(&lab, &["up"]);
        assert_eq!(ran.status(), 1, "{step}: {ran}");
        assert!(ran.stderr().contains(told), "{told}: {ran}");
        assert_eq!((lab.documents(), schema(&lab)), before, "{step}");
        assert_eq!(json(&lab, &["history"]), json!([]));
    }
}
