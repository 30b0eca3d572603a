//! Files that cannot be brought in, or written.

use std::fs;

use insta::assert_snapshot;

use super::refused;
use crate::common::{Lab, Ran, STORE};

/// Imports a file that must be refused: neither a table nor a database comes of it.
#[track_caller]
fn import_refused(content: impl AsRef<[u8]>, more: &[&str]) -> Ran {
    let lab = Lab::new();
    lab.write("in.json", content);
    let import = [
        &["import", "--store", STORE, "--table", "users", "in.json"],
        more,
    ]
    .concat();
    let ran = lab.host(&import);
    assert_eq!(ran.status(), 1, "{ran}");
    let left: Vec<_> = fs::read_dir(lab.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["in.json"], "{ran}");
    ran
}

#[test]
fn a_refused_import_leaves_no_table_behind() {
    let lab = Lab::with_things([]);
    let tables = lab.everything();
    for input in [
        "{\"_id\":1}\n{oops}\n",
        "[{\"_id\":1}, {\"_id\":1}]",
        "[{\"_id\":1}",
        "{\"_id\":null}",
        "oops",
    ] {
        let import = [
            "import", "--store", STORE, "--table", "users", "--key", "_id", "-",
        ];
        let ran = lab.host_fed(input.as_bytes(), &import);
        assert_eq!(ran.status(), 1, "{ran}");
        assert_eq!(lab.everything(), tables, "{ran}");
    }
}

#[test]
fn imports_tell_the_line_and_leave_nothing_behind() {
    assert_snapshot!(import_refused("{\"_id\":1}\n\n{\"_id\":2,}\n", &["--key", "_id"]), @"
    ------- stderr -------
    error: line 3: not valid JSON: key must be a string at line 1 column 10
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("{\"_id\":1}\n{\"id\":2}\n", &["--key", "_id"]), @"
    ------- stderr -------
    error: line 2: it has no `_id` to be its key
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("{\"_id\":\"a\"}\n{\"_id\":\"b\"}\n{\"_id\":\"a\"}\n", &["--key", "_id"]), @"
    ------- stderr -------
    error: line 3: document `a`: the database refuses it: UNIQUE constraint failed: users._id
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("{\"_id\":[1]}\n", &["--key", "_id"]), @"
    ------- stderr -------
    error: line 1: its `_id` is neither a string nor an integer, and cannot be its key
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("{\"_id\":1}\n[2]\n", &[]), @"
    ------- stderr -------
    error: line 2: a document is a JSON object
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("_id,name\n1,Ada\n", &[]), @"
    ------- stderr -------
    error: the beginning: expected a JSON object on each line, or a JSON array of objects
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("{\"n\":1} {\"n\":2}\n", &[]), @"
    ------- stderr -------
    error: line 1: not valid JSON: trailing characters at line 1 column 9
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused(b"{\"n\":1}\n{\"n\":\"\xff\"}\n", &[]), @"
    ------- stderr -------
    error: line 2: not UTF-8: invalid utf-8 sequence of 1 bytes from index 6
    hint: no document was imported
    [exit status: 1]
    ");
}

#[test]
fn imports_of_arrays_tell_the_element_and_leave_nothing_behind() {
    assert_snapshot!(import_refused("[{\"_id\":1},\n{\"_id\":2", &["--key", "_id"]), @"
    ------- stderr -------
    error: element 2: not valid JSON: EOF while parsing an object at line 2 column 8
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("[{\"_id\":1}, 5]", &[]), @"
    ------- stderr -------
    error: element 2: a document is a JSON object
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("[{\"_id\":1}, {\"_id\":1}]", &["--key", "_id"]), @"
    ------- stderr -------
    error: element 2: document `1`: the database refuses it: UNIQUE constraint failed: users._id
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(import_refused("[{\"_id\":1}] trailing", &[]), @"
    ------- stderr -------
    error: element 2: not valid JSON: trailing characters at line 1 column 13
    hint: no document was imported
    [exit status: 1]
    ");
}

#[test]
fn an_import_that_fails_leaves_a_table_that_was_there_as_it_was() {
    let lab = Lab::with_things([("a", r#"{"n":1}"#)]);
    lab.write("in.jsonl", "{\"_id\":\"b\"}\n{\"_id\":\"a\"}\n");
    let ran = refused(
        &lab,
        &[
            "import", "--store", STORE, "--table", "things", "in.jsonl", "--key", "_id", "--append",
        ],
    );
    assert_snapshot!(ran, @"
    ------- stderr -------
    error: line 2: document `a`: the database refuses it: UNIQUE constraint failed: things._id
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(refused(&lab, &["import", "--store", STORE, "--table", "things", "gone.jsonl"]), @"
    ------- stderr -------
    error: gone.jsonl cannot be read: No such file or directory (os error 2)
    [exit status: 1]
    ");
}

#[test]
fn an_export_to_where_nothing_can_be_written() {
    let lab = Lab::with_things([("a", "{}")]);
    assert_snapshot!(refused(&lab, &["export", "--store", STORE, "--table", "things", "no/such/folder.jsonl"]), @"
    ------- stderr -------
    error: no/such/folder.jsonl cannot be written: No such file or directory (os error 2)
    [exit status: 1]
    ");
}
