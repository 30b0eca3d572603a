//! Tables that no plugin gets at, whatever is granted and however it spells them.

use insta::assert_snapshot;

use super::bounds;
use super::guest::{Guest, Manifest};
use crate::common::{Lab, STORE, plugin};

/// A store with one table of every kind: the host's own, SQLite's, a view, a virtual table and its shadows.
fn lab() -> Lab {
    let lab = Lab::with_things([("a", "{}")]);
    lab.sql(
        "CREATE TABLE counters (id INTEGER PRIMARY KEY AUTOINCREMENT, n);
         INSERT INTO counters (n) VALUES (1);
         CREATE VIEW seen AS SELECT * FROM things;
         CREATE TRIGGER of_seen INSTEAD OF UPDATE ON seen BEGIN DELETE FROM things; END;
         CREATE VIRTUAL TABLE searched USING fts5(text);
         CREATE TABLE users (_id TEXT PRIMARY KEY, doc JSON NOT NULL);",
    );
    // A run, so that there is a ledger.
    lab.host(&["run", Guest::default().put_into(&lab), "--store", STORE])
        .success();
    lab
}

/// Names of tables that are out of reach.
const NAMES: &[&str] = &[
    "_host_runs",
    "_HOST_runs",
    "sqlite_schema",
    "SQLITE_MASTER",
    "sqlite_sequence",
    "pragma_table_list",
    "seen",
    "searched",
    "searched_data",
    "main._host_runs",
    "temp.things",
    "other.things",
    "users\"; DROP TABLE users; --",
    "users'; DROP TABLE users; --",
    "\"users\"",
    "[users]",
    "users\0",
    "users ",
    "",
];

/// How a run is refused whose table, or another one, has each of the names. Nothing may have changed.
fn refusals(manifest: for<'t> fn(&'t [&'t str; 1]) -> Manifest<'t>, grant: &str) -> String {
    let lab = lab();
    let before = lab.everything();
    let mut told = Vec::new();
    for name in NAMES {
        let tables = [*name];
        let guest = Guest {
            manifest: manifest(&tables),
            ..Guest::default()
        };
        let allow = format!("{grant}:{name}");
        let mut arguments = vec!["run", guest.put_into(&lab), "--store", STORE];
        // A command line cannot name what is empty or has a NUL, so it cannot be granted either.
        if grant != "own" && !name.is_empty() && !name.contains('\0') {
            arguments.extend(["--allow", &allow]);
        }
        let ran = bounds::host(&lab, &[], &arguments);
        assert_eq!(ran.status(), 1, "{name}: {ran}");
        assert_eq!(lab.everything(), before, "{name}: {ran}");
        told.push(ran.stderr().lines().next().unwrap().to_owned());
    }
    told.join("\n")
}

#[test]
fn as_the_table_that_is_migrated() {
    fn manifest<'t>(tables: &'t [&'t str; 1]) -> Manifest<'t> {
        Manifest {
            table: tables[0],
            ..Manifest::default()
        }
    }
    assert_snapshot!(refusals(manifest, "own"), @r#"
    error: `_host_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `_HOST_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_schema` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `SQLITE_MASTER` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_sequence` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: there is no table `pragma_table_list`
    error: `seen` cannot be migrated: it is a view, and views hold no documents of their own
    error: `searched` cannot be migrated: it is a virtual table; what it holds is made by an extension
    error: `searched_data` cannot be migrated: it is a shadow table
    error: there is no table `main._host_runs`
    error: there is no table `temp.things`
    error: there is no table `other.things`
    error: there is no table `users"; DROP TABLE users; --`
    error: there is no table `users'; DROP TABLE users; --`
    error: there is no table `"users"`
    error: there is no table `[users]`
    error: there is no table `users\u{0}`
    error: there is no table `users `
    error: the plugin's manifest cannot be used: it names no table
    "#);
}

#[test]
fn as_tables_that_are_read() {
    fn manifest<'t>(tables: &'t [&'t str; 1]) -> Manifest<'t> {
        Manifest {
            reads: tables,
            ..Manifest::default()
        }
    }
    assert_snapshot!(refusals(manifest, "read"), @r#"
    error: `_host_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `_HOST_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_schema` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `SQLITE_MASTER` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_sequence` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: there is no table `pragma_table_list`
    error: `seen` cannot be migrated: it is a view, and views hold no documents of their own
    error: `searched` cannot be migrated: it is a virtual table; what it holds is made by an extension
    error: `searched_data` cannot be migrated: it is a shadow table
    error: there is no table `main._host_runs`
    error: there is no table `temp.things`
    error: there is no table `other.things`
    error: there is no table `users"; DROP TABLE users; --`
    error: there is no table `users'; DROP TABLE users; --`
    error: there is no table `"users"`
    error: there is no table `[users]`
    error: the migration `hostile` wants to read table `users\u{0}`, which was not granted
    error: there is no table `users `
    error: the migration `hostile` wants to read table ``, which was not granted
    "#);
}

#[test]
fn as_tables_that_are_written() {
    fn manifest<'t>(tables: &'t [&'t str; 1]) -> Manifest<'t> {
        Manifest {
            writes: tables,
            ..Manifest::default()
        }
    }
    assert_snapshot!(refusals(manifest, "write"), @r#"
    error: `_host_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `_HOST_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_schema` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `SQLITE_MASTER` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_sequence` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: there is no table `pragma_table_list`
    error: `seen` cannot be migrated: it is a view, and views hold no documents of their own
    error: `searched` cannot be migrated: it is a virtual table; what it holds is made by an extension
    error: `searched_data` cannot be migrated: it is a shadow table
    error: there is no table `main._host_runs`
    error: there is no table `temp.things`
    error: there is no table `other.things`
    error: there is no table `users"; DROP TABLE users; --`
    error: there is no table `users'; DROP TABLE users; --`
    error: there is no table `"users"`
    error: there is no table `[users]`
    error: the migration `hostile` wants to write table `users\u{0}`, which was not granted
    error: there is no table `users `
    error: the migration `hostile` wants to write table ``, which was not granted
    "#);
}

#[test]
fn as_tables_that_the_user_names() {
    let lab = lab();
    let before = lab.everything();
    let mut told = Vec::new();
    for name in NAMES.iter().filter(|name| !name.contains('\0')) {
        let ran = bounds::host(
            &lab,
            &[],
            &[
                "run",
                plugin("split-name"),
                "--store",
                STORE,
                "--table",
                name,
            ],
        );
        assert_eq!(ran.status(), 1, "{name}: {ran}");
        assert_eq!(lab.everything(), before, "{name}: {ran}");
        told.push(ran.stderr().lines().next().unwrap().to_owned());
    }
    assert_snapshot!(told.join("\n"), @r#"
    error: `_host_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `_HOST_runs` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_schema` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `SQLITE_MASTER` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: `sqlite_sequence` cannot be migrated: tables whose names begin with `_host_` or `sqlite_` are out of reach
    error: there is no table `pragma_table_list`
    error: `seen` cannot be migrated: it is a view, and views hold no documents of their own
    error: `searched` cannot be migrated: it is a virtual table; what it holds is made by an extension
    error: `searched_data` cannot be migrated: it is a shadow table
    error: there is no table `main._host_runs`
    error: there is no table `temp.things`
    error: there is no table `other.things`
    error: there is no table `users"; DROP TABLE users; --`
    error: there is no table `users'; DROP TABLE users; --`
    error: there is no table `"users"`
    error: there is no table `[users]`
    error: there is no table `users `
    error: there is no table ``
    "#);
}
