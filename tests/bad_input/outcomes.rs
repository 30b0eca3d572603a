//! Outcomes that cannot be carried out.

use insta::assert_snapshot;

use crate::common::{Lab, Ran};

/// Runs the scripted guest over one document, which must fail alone and stay what it was.
#[track_caller]
fn document_refused(lab: &Lab) -> Ran {
    let before = lab.documents();
    let ran = lab.run_scripted(&[]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert_eq!(lab.documents(), before, "{ran}");
    ran
}

#[test]
fn a_plugin_that_returns_too_few_or_too_many_outcomes() {
    let run = |script| {
        let wish = format!(r#"{{"do":"{script}"}}"#);
        let lab = Lab::with_things([("a", r#"{"do":"delete"}"#), ("b", &wish)]);
        let before = lab.documents();
        let ran = lab.run_scripted(&[]);
        assert_eq!(ran.status(), 1, "{ran}");
        assert_eq!(lab.documents(), before);
        ran
    };
    assert_snapshot!(run("one-too-few"), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 2 documents that begins with `a`: the plugin returned 1 outcomes for 2 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
    assert_snapshot!(run("one-too-many"), @"
    ------- stderr -------
    error: the plugin broke the interface's contract at a batch of 2 documents that begins with `a`: the plugin returned 3 outcomes for 2 documents; it must return one for each
    hint: mend the plugin; no document of this batch was changed
    [exit status: 1]
    ");
}

#[test]
fn earlier_batches_stay_done_when_a_plugin_breaks_its_contract() {
    let lab = Lab::with_things([
        ("a", r#"{"do":"delete"}"#),
        ("b", r#"{"do":"one-too-few"}"#),
    ]);
    let ran = lab.run_scripted(&["--batch-size", "1"]);
    assert_eq!(ran.status(), 1, "{ran}");
    assert_eq!(lab.column("SELECT _id FROM things", &[]), ["b"]);
    // Once the plugin's answer is mended, the same command goes on.
    lab.put("things", [("b", r#"{"do":"delete"}"#)]);
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().counts(), [2, 0, 0, 0, 2]);
}

#[test]
fn an_edit_whose_value_is_no_json() {
    let lab = Lab::with_things([(
        "a",
        r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}},{"set":{"at":"/m","value":"{oops"}}]}}"#,
    )]);
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               1 met the filter
               0 updated
               1 failed
    First failures:
      things a: the value to set at `/m` is not valid JSON: key must be a string at line 1 column 2 (invalid-value at /m)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_replacement_that_is_no_json() {
    let lab = Lab::with_things([("a", r#"{"do":{"replace":"{\"a\":01}"}}"#)]);
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               1 met the filter
               0 updated
               1 failed
    First failures:
      things a: the new body is not valid JSON: invalid number at line 1 column 7 (invalid-value)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn edits_whose_pointer_does_not_resolve() {
    let lab = Lab::with_things([
        (
            "a",
            r#"{"do":{"edit":[{"set":{"at":"/address/city","value":"1"}}]}}"#,
        ),
        ("b", r#"{"do":{"edit":[{"remove":{"at":"/nowhere"}}]}}"#),
        (
            "c",
            r#"{"do":{"edit":[{"rename":{"from":"/nowhere","to":"/n"}}]}}"#,
        ),
        (
            "d",
            r#"{"do":{"edit":[{"set":{"at":"no-slash","value":"1"}}]}}"#,
        ),
        (
            "e",
            r#"{"list":[1,2],"do":{"edit":[{"set":{"at":"/list/7","value":"1"}}]}}"#,
        ),
        (
            "f",
            r#"{"n":1,"do":{"edit":[{"set":{"at":"/n/deeper","value":"1"}}]}}"#,
        ),
    ]);
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               6 met the filter
               0 updated
               6 failed
    First failures:
      things a: `/address/city` does not resolve: there is no object or array to hold it (invalid-edit at /address/city)
      things b: `/nowhere` does not resolve: the document has no value there (invalid-edit at /nowhere)
      things c: `/nowhere` does not resolve: the document has no value there (invalid-edit at /nowhere)
      things d: `no-slash` is no JSON Pointer: it must be empty or begin with `/`, and `~` stand only in `~0` and `~1` (invalid-edit at no-slash)
      things e: `/list/7` does not resolve: the document has no value there (invalid-edit at /list/7)
      things f: `/n/deeper` does not resolve: there is no object or array to hold it (invalid-edit at /n/deeper)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_body_that_is_no_object_where_rows_need_one() {
    let lab = Lab::with_table(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, do TEXT);
        INSERT INTO things VALUES (1, 'a', '{\"replace\":\"[1]\"}');",
    );
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               1 met the filter
               0 updated
               1 failed
    First failures:
      things 1: the document of a row table is an object with a field for each column (not-a-row)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_row_table_without_the_column() {
    let lab = Lab::with_table("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, do TEXT); CREATE TABLE others (id INTEGER PRIMARY KEY, name TEXT, n INT);
        INSERT INTO things VALUES
            (1, 'a', '{\"edit\":[{\"set\":{\"at\":\"/nick\",\"value\":\"1\"}}]}'),
            (2, 'b', '{\"edit\":[{\"remove\":{\"at\":\"/name\"}}]}'),
            (3, 'c', '{\"changes\":[{\"insert\":{\"table\":\"others\",\"id\":\"9\",\"body\":\"{\\\"nick\\\":1}\"}}]}');");
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               3 met the filter
               0 updated
               3 failed
    First failures:
      things 1: table `things` has no column `nick` (unknown-column at /nick)
      things 2: `name` is a column of a row table and cannot be removed; set it to null (cannot-remove-column at /name)
      things 3: table `others` has no column `nick` (unknown-column at /nick)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_duplicate_insert() {
    let lab = Lab::with_things([
        (
            "a",
            r#"{"do":{"changes":[{"edit":[{"table":"things","id":"a"},[{"set":{"at":"/n","value":"1"}}]]},{"insert":{"table":"others","id":"taken","body":"{}"}}]}}"#,
        ),
        (
            "b",
            r#"{"do":{"changes":[{"insert":{"table":"things","id":"a","body":"{}"}}]}}"#,
        ),
        (
            "c",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":"twice","body":"{}"}},{"insert":{"table":"others","id":"twice","body":"{}"}}]}}"#,
        ),
    ]);
    lab.put("others", [("taken", "{}")]);
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               3 met the filter
               0 updated
               3 failed
    First failures:
      things a: the database refuses it: UNIQUE constraint failed: others._id (duplicate-id)
      things b: the database refuses it: UNIQUE constraint failed: things._id (duplicate-id)
      things c: the database refuses it: UNIQUE constraint failed: others._id (duplicate-id)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn changes_of_documents_that_do_not_exist() {
    let lab = Lab::with_things([
        (
            "a",
            r#"{"do":{"changes":[{"edit":[{"table":"others","id":"nobody"},[{"set":{"at":"/n","value":"1"}}]]}]}}"#,
        ),
        (
            "b",
            r#"{"do":{"changes":[{"delete":{"table":"others","id":"nobody"}}]}}"#,
        ),
        (
            "c",
            r#"{"do":{"changes":[{"replace":[{"table":"others","id":"nobody"},"{}"]}]}}"#,
        ),
        (
            "d",
            r#"{"do":{"changes":[{"delete":{"table":"things","id":"d"}},{"edit":[{"table":"things","id":"d"},[]]}]}}"#,
        ),
    ]);
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               4 met the filter
               0 updated
               4 failed
    First failures:
      things a: table `others` has no document `nobody` to change (unknown-document)
      things b: table `others` has no document `nobody` to change (unknown-document)
      things c: table `others` has no document `nobody` to change (unknown-document)
      things d: an earlier change of the same outcome deleted the document (deleted-document)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn a_change_of_the_documents_key() {
    let lab = Lab::with_things([(
        "a",
        r#"{"_id":"a","do":{"edit":[{"set":{"at":"/_id","value":"\"b\""}}]}}"#,
    )]);
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               1 met the filter
               0 updated
               1 failed
    First failures:
      things a: `_id` is the document's key, and a key never changes; move a document by an insert and a delete (key-changed at /_id)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    let lab = Lab::with_table("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, do TEXT);
        INSERT INTO things VALUES (1, 'a', '{\"edit\":[{\"set\":{\"at\":\"/id\",\"value\":\"2\"}}]}')");
    assert_snapshot!(document_refused(&lab), @"
    scripted over `things`: run 1 finished in [TIME] s
               1 met the filter
               0 updated
               1 failed
    First failures:
      things 1: `id` is the document's key, and a key never changes; move a document by an insert and a delete (key-changed at /id)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn tables_that_were_not_declared_do_not_exist_for_the_plugin() {
    let lab = Lab::with_things([
        (
            "a",
            r#"{"do":{"changes":[{"insert":{"table":"private","id":"x","body":"{}"}}]}}"#,
        ),
        ("b", r#"{"do":{"get":{"table":"private","ids":["1"]}}}"#),
        (
            "c",
            r#"{"do":{"find":{"table":"no-such-table","conditions":[],"limit":1}}}"#,
        ),
        (
            "d",
            r#"{"do":{"changes":[{"delete":{"table":"_host_runs","id":"1"}}]}}"#,
        ),
    ]);
    lab.sql("CREATE TABLE private (_id TEXT PRIMARY KEY, doc JSON); INSERT INTO private VALUES ('1', '{}')");
    // Granting it changes nothing as long as the manifest does not ask for it.
    let before = lab.documents();
    let ran = lab.run_scripted(&["--allow", "write:private", "--allow", "read:private"]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert_eq!(lab.documents(), before);
    assert_snapshot!(ran, @"
    scripted over `things`: run 1 finished in [TIME] s
               4 met the filter
               0 updated
               4 failed
    First failures:
      things a: the migration does not declare that it writes table `private` (not-granted)
      things b: private (lookup-not-granted)
      things c: no-such-table (lookup-not-granted)
      things d: the migration does not declare that it writes table `_host_runs` (not-granted)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
}
