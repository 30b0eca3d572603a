//! Stores and tables that cannot be used.

use std::fs;

use insta::assert_snapshot;

use super::refused;
use crate::common::{Lab, SCRIPTED_GRANTS, STORE, guest, scripted};

#[test]
fn a_table_that_is_not_there() {
    let lab = Lab::with_table("CREATE TABLE Things (_id TEXT PRIMARY KEY, doc JSON);");
    let table = |name| scripted(&["--table", name]);
    assert_snapshot!(refused(&lab, &table("missing")), @"
    ------- stderr -------
    error: there is no table `missing`
    hint: the store has facts, others, Things
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &table("_host_runs")), @"
    ------- stderr -------
    error: `_host_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    [exit status: 1]
    ");
    lab.sql("DROP TABLE others");
    assert_snapshot!(refused(&lab, &table("Things")), @"
    ------- stderr -------
    error: there is no table `others`
    hint: the store has facts, Things
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &["export", "--store", STORE, "--table", "thing"]), @"
    ------- stderr -------
    error: there is no table `thing`
    hint: the store has facts, Things
    [exit status: 1]
    ");
}

#[test]
fn a_store_that_is_not_there() {
    let lab = Lab::new();
    let run = |store| {
        [
            &["run", guest("scripted"), "--store", store],
            SCRIPTED_GRANTS,
        ]
        .concat()
    };
    assert_snapshot!(refused(&lab, &run("sqlite:gone.db")), @"
    ------- stderr -------
    error: there is no store at gone.db
    hint: check the path; `host import` makes a new database, the other commands want one that exists
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &run("sqlite:no/such/folder.db")), @"
    ------- stderr -------
    error: there is no store at no/such/folder.db
    hint: check the path; `host import` makes a new database, the other commands want one that exists
    [exit status: 1]
    ");
    assert!(fs::read_dir(lab.path("")).unwrap().next().is_none());
    assert_snapshot!(refused(&lab, &["tables", "--store", "app.db"]), @"
    ------- stderr -------
    error: `app.db` is no address of a store
    hint: write the kind of store before it: sqlite:app.db
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &["tables", "--store", "postgres://localhost/app"]), @"
    ------- stderr -------
    error: `postgres://localhost/app` is no address of a store
    hint: this version of the host speaks SQLite only: sqlite:PATH
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &["tables"]), @"
    ------- stderr -------
    error: no store was named
    hint: name it with --store sqlite:app.db, with HOST_STORE, or with `store` in host.toml; or an environment of host.toml with --env
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, &["tables", "--store", "sqlite:."]), @"
    ------- stderr -------
    error: there is no store at .
    hint: check the path; `host import` makes a new database, the other commands want one that exists
    [exit status: 1]
    ");
}

#[test]
fn a_store_that_is_no_database() {
    let lab = Lab::new();
    lab.write("app.db", "_id,name\n1,Ada\n".repeat(100));
    assert_snapshot!(refused(&lab, &["tables", "--store", STORE]), @"
    ------- stderr -------
    error: app.db is not a SQLite database
    hint: check the path; an encrypted database looks like this, too
    [exit status: 1]
    ");
    assert_eq!(
        refused(&lab, &scripted(&[])).stderr(),
        refused(&lab, &["tables", "--store", STORE]).stderr()
    );
}

/// A database whose table takes many pages.
fn many_pages() -> Lab {
    let documents: Vec<_> = (0..500)
        .map(|number| {
            (
                format!("id{number:04}"),
                format!(
                    r#"{{"do":{{"edit":[{{"set":{{"at":"/n","value":"1"}}}}]}},"pad":"{}"}}"#,
                    "x".repeat(300)
                ),
            )
        })
        .collect();
    Lab::with_things(
        documents
            .iter()
            .map(|(id, body)| (id.as_str(), body.as_str())),
    )
}

#[test]
fn a_database_with_a_damaged_page_in_the_middle() {
    let lab = many_pages();
    let mut bytes = fs::read(lab.path("app.db")).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xff);
    lab.write("app.db", &bytes);
    assert_snapshot!(refused(&lab, &scripted(&[])), @"
    ------- stderr -------
    error: the database is damaged: database disk image is malformed
    hint: restore a backup; `sqlite3 FILE 'PRAGMA integrity_check'` tells what is left
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &["export", "--store", STORE, "--table", "things", "out.jsonl"]), @"
    ------- stderr -------
    error: the database is damaged: database disk image is malformed
    hint: restore a backup; `sqlite3 FILE 'PRAGMA integrity_check'` tells what is left
    [exit status: 1]
    ");
}

#[test]
fn a_database_that_was_cut_off() {
    let lab = many_pages();
    let bytes = fs::read(lab.path("app.db")).unwrap();
    lab.write("app.db", &bytes[..bytes.len() / 2]);
    assert_snapshot!(refused(&lab, &scripted(&[])), @"
    ------- stderr -------
    error: the database is damaged: database disk image is malformed
    hint: restore a backup; `sqlite3 FILE 'PRAGMA integrity_check'` tells what is left
    [exit status: 1]
    ");
}

#[test]
fn a_database_that_someone_else_has_locked() {
    let lab = Lab::with_things([("a", r#"{"do":"delete"}"#)]);
    let run = scripted(&["--lock-timeout", "200ms"]);
    let before = lab.everything();
    let mut messages = Vec::new();
    for mode in ["delete", "wal"] {
        let other = lab.database();
        other.pragma_update(None, "journal_mode", mode).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        // The file must not be looked at here: closing it would give up this process's locks on it.
        let ran = lab.host(&run);
        other.execute_batch("ROLLBACK").unwrap();
        assert_eq!(ran.status(), 1, "{mode}: {ran}");
        assert_eq!(lab.everything(), before);
        messages.push(ran.to_string());
    }
    let [delete, wal] = messages.try_into().unwrap();
    assert_eq!(delete, wal);
    assert_snapshot!(wal, @"
    ------- stderr -------
    error: the database is locked by another process, and stayed so for the whole lock timeout
    hint: find the process that keeps a transaction open, or wait longer with --lock-timeout 60s
    [exit status: 1]
    ");
    assert_eq!(lab.run_scripted(&[]).status(), 0);
}

#[test]
fn a_database_that_cannot_be_written() {
    let lab = Lab::with_things([("a", r#"{"do":"delete"}"#)]);
    // A file format that SQLite reads, and does not write (https://www.sqlite.org/fileformat.html, 1.3.4): it
    // holds for root, too, whom no file mode keeps from writing.
    let mut bytes = fs::read(lab.path("app.db")).unwrap();
    bytes[18] = 3;
    lab.write("app.db", &bytes);
    assert_snapshot!(refused(&lab, &scripted(&[])), @"
    ------- stderr -------
    error: the database cannot be written: attempt to write a readonly database
    hint: check who may write the file and its folder; SQLite writes beside the file, too
    [exit status: 1]
    ");
    // What writes nothing can be done.
    assert_eq!(lab.run_scripted(&["--dry-run"]).status(), 0);
    lab.host(&["tables", "--store", STORE]).success();
}
