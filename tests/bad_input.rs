//! What cannot be done is refused with a message that tells what to do next, and the store stays what it was.

use std::fs;

use insta::assert_snapshot;

use crate::common::{Lab, Ran, SCRIPTED_GRANTS, STORE, guest, scripted};

/// Runs a command that must fail, and must leave every byte of the database as it was.
#[track_caller]
fn refused(lab: &Lab, arguments: &[&str]) -> Ran {
    let database = || fs::read(lab.path("app.db")).ok();
    let before = database();
    let ran = lab.host(arguments);
    assert!(matches!(ran.status(), 1 | 2), "{ran}");
    assert!(database() == before, "the database has changed:\n{ran}");
    ran
}

/// Tries to run a component, given as text, over a sound store.
#[track_caller]
fn refused_component(component: &str) -> Ran {
    let lab = Lab::with_things([("a", "{}")]);
    lab.write("plugin.wasm", wat::parse_str(component).unwrap());
    refused(&lab, &["run", "plugin.wasm", "--store", STORE])
}

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
fn a_plugin_that_is_not_there() {
    let lab = Lab::with_things([("a", "{}")]);
    assert_snapshot!(refused(&lab, &["run", "gone.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: there is no plugin at gone.wasm
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_is_a_folder() {
    let lab = Lab::with_things([("a", "{}")]);
    fs::create_dir(lab.path("folder.wasm")).unwrap();
    assert_snapshot!(refused(&lab, &["run", "folder.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: folder.wasm cannot be read: Is a directory (os error 21)
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_is_not_wasm() {
    let lab = Lab::with_things([("a", "{}")]);
    lab.write("plugin.wasm", "#!/bin/sh\necho no\n");
    assert_snapshot!(refused(&lab, &["run", "plugin.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: plugin.wasm is not WebAssembly
    hint: give the component's file, which ends in .wasm
    [exit status: 1]
    ");
    lab.write("plugin.wasm", "");
    assert_snapshot!(refused(&lab, &["run", "plugin.wasm", "--store", STORE]), @"
    ------- stderr -------
    error: plugin.wasm is not WebAssembly
    hint: give the component's file, which ends in .wasm
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_is_a_core_module() {
    assert_snapshot!(refused_component("(module (func (export \"transform\")))"), @"
    ------- stderr -------
    error: plugin.wasm is a core WebAssembly module, not a component
    hint: build it as a component: in Rust, --target wasm32-unknown-unknown with the linker wasm-component-ld, as the project that `host new` makes does
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_was_cut_off() {
    let lab = Lab::with_things([("a", "{}")]);
    let whole = fs::read(guest("scripted")).unwrap();
    lab.write("plugin.wasm", &whole[..whole.len() / 2]);
    let ran = refused(&lab, &["run", "plugin.wasm", "--store", STORE]);
    assert!(
        ran.stderr()
            .starts_with("error: plugin.wasm is no valid component: "),
        "{ran}"
    );
}

#[test]
fn a_component_of_another_world() {
    assert_snapshot!(refused_component("(component)"), @"
    ------- stderr -------
    error: plugin.wasm is a component, but no migration: it does not export `migration:plugin/transform`; it exports nothing
    hint: a migration exports the interface of wit/migration.wit; `host new` makes one that does
    [exit status: 1]
    ");
    assert_snapshot!(refused_component("(component (instance $i) (export \"wasi:cli/run@0.2.0\" (instance $i)))"), @"
    ------- stderr -------
    error: plugin.wasm is a component, but no migration: it does not export `migration:plugin/transform`; it exports wasi:cli/run@0.2.0
    hint: a migration exports the interface of wit/migration.wit; `host new` makes one that does
    [exit status: 1]
    ");
}

#[test]
fn a_component_of_interface_version_0_2() {
    assert_snapshot!(refused_component("(component (instance $i) (export \"migration:plugin/transform@0.2.0\" (instance $i)))"), @"
    ------- stderr -------
    error: plugin.wasm was made for interface version 0.2.0, and this host speaks 0.1
    hint: build the plugin with the SDK of this host, or get a host that speaks its version
    [exit status: 1]
    ");
    assert_snapshot!(refused_component(
        "(component
            (import \"migration:plugin/context@0.2.0\" (instance))
            (instance $i)
            (export \"migration:plugin/transform@0.1.0\" (instance $i)))"
    ), @"
    ------- stderr -------
    error: plugin.wasm was made for interface version 0.2.0, and this host speaks 0.1
    hint: build the plugin with the SDK of this host, or get a host that speaks its version
    [exit status: 1]
    ");
}

#[test]
fn a_component_that_lacks_the_functions_of_the_interface() {
    assert_snapshot!(refused_component("(component (instance $i) (export \"migration:plugin/transform@0.1.0\" (instance $i)))"), @"
    ------- stderr -------
    error: plugin.wasm does not fit the interface: instance export `migration:plugin/transform@0.1.0` does not have export `describe`
    [exit status: 1]
    ");
}

#[test]
fn a_component_that_imports_what_no_plugin_is_given() {
    assert_snapshot!(refused_component(
        "(component
            (import \"wasi:http/types@0.2.0\" (instance))
            (import \"my:own/thing\" (instance))
            (instance $i)
            (export \"migration:plugin/transform@0.1.0\" (instance $i)))"
    ), @"
    ------- stderr -------
    error: plugin.wasm imports what no plugin is given: wasi:http/types@0.2.0, my:own/thing
    hint: build it without what needs these; plugins have no network and no files
    [exit status: 1]
    ");
}

#[test]
fn a_manifest_that_cannot_be_used() {
    let lab = Lab::with_things([("a", "{}")]);
    assert_snapshot!(refused(&lab, &["run", guest("bad-name"), "--store", STORE]), @"
    ------- stderr -------
    error: the plugin's manifest cannot be used: `Bad Name` is no name of a migration: names are lower-case words joined by hyphens
    [exit status: 1]
    ");
}

#[test]
fn a_plugin_that_traps_when_asked_what_it_is() {
    let lab = Lab::with_things([("a", "{}")]);
    let ran = refused(&lab, &["run", guest("silent"), "--store", STORE]);
    let expected = "error: the plugin failed when asked for its manifest: the plugin trapped: ";
    assert!(ran.stderr().starts_with(expected), "{ran}");
}

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

#[test]
fn a_parameter_without_a_value() {
    let lab = Lab::with_things([("a", "{}")]);
    let ran = refused(&lab, &scripted(&["--param", "phase"]));
    assert_eq!(ran.status(), 2);
    assert_snapshot!(ran, @"
    ------- stderr -------
    error: invalid value 'phase' for '--param <NAME=VALUE>': expected NAME=VALUE

    For more information, try '--help'.
    [exit status: 2]
    ");
    assert_eq!(refused(&lab, &scripted(&["--param", "=x"])).status(), 2);
    assert_snapshot!(refused(&lab, &scripted(&["--param", "a=1", "--param", "a=2"])), @"
    ------- stderr -------
    error: the parameter `a` is given twice
    [exit status: 2]
    ");
}

#[test]
fn what_was_not_granted_is_named_with_its_flag() {
    let lab = Lab::with_things([("a", "{}")]);
    let run = ["run", guest("scripted"), "--store", STORE];
    assert_snapshot!(refused(&lab, &run), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to read table `facts` and to write table `others`, which was not granted
    hint: if you want to let it: --allow read:facts --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts", "write:others"]
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &[&run[..], &["--allow", "read:facts"]].concat()), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to write table `others`, which was not granted
    hint: if you want to let it: --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["write:others"]
    [exit status: 1]
    "#);
    // A dry run is no way around it.
    assert_snapshot!(refused(&lab, &[&run[..], &["--allow", "write:others", "--dry-run"]].concat()), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to read table `facts`, which was not granted
    hint: if you want to let it: --allow read:facts
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts"]
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &["run", guest("secretive"), "--store", STORE]), @r#"
    ------- stderr -------
    error: the migration `secretive` wants to see the secret `api-key`, which was not granted
    hint: if you want to let it: --allow secret:api-key
    hint: or, for these bytes only, in host.toml:
      [grants.secretive]
      sha256 = "[SHA-256]"
      allow = ["secret:api-key"]
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &["run", guest("secretive"), "--store", STORE, "--allow", "secret:api-key"]), @"
    ------- stderr -------
    error: the secret `api-key` was granted, but the environment variable HOST_SECRET_API_KEY that holds it is not set
    hint: set HOST_SECRET_API_KEY in the environment of this command, or say where the secret is: --secret-file api-key=FILE, --secret-stdin api-key, or [secrets] in the settings file
    [exit status: 1]
    ");
}

#[test]
fn a_grant_that_is_none() {
    let lab = Lab::with_things([("a", "{}")]);
    for grant in ["others", "read:", "delete:others"] {
        let ran = refused(
            &lab,
            &["run", guest("scripted"), "--store", STORE, "--allow", grant],
        );
        assert_eq!(ran.status(), 2, "{ran}");
    }
    assert_snapshot!(refused(&lab, &["run", guest("scripted"), "--store", STORE, "--allow", "others"]), @"
    ------- stderr -------
    error: invalid value 'others' for '--allow <read:TABLE|write:TABLE|secret:NAME>': `others` is no grant: write read:TABLE, write:TABLE or secret:NAME

    For more information, try '--help'.
    [exit status: 2]
    ");
}

#[test]
fn numbers_and_times_out_of_range_are_wrong_usage() {
    let lab = Lab::with_things([("a", "{}")]);
    for (flag, value) in [
        ("--batch-size", "0"),
        ("--batch-size", "many"),
        ("--limit", "-1"),
        ("--lock-timeout", "5"),
        ("--format", "yaml"),
    ] {
        let ran = refused(
            &lab,
            &["run", guest("scripted"), "--store", STORE, flag, value],
        );
        assert_eq!(ran.status(), 2, "{flag} {value}: {ran}");
    }
    assert_snapshot!(refused(&lab, &["run", guest("scripted"), "--store", STORE, "--batch-size", "0"]), @"
    ------- stderr -------
    error: invalid value '0' for '--batch-size <N>': expected a number from 1 on

    For more information, try '--help'.
    [exit status: 2]
    ");
}

#[test]
fn an_unknown_key_in_the_settings_file_is_named_with_its_line() {
    let lab = Lab::with_things([("a", "{}")]);
    lab.write(
        "host.toml",
        "store = \"sqlite:app.db\"\n\n[run]\nbatchsize = 5\n",
    );
    assert_snapshot!(refused(&lab, &["tables"]), @"
    ------- stderr -------
    error: host.toml cannot be used: TOML parse error at line 4, column 1
      |
    4 | batchsize = 5
      | ^^^^^^^^^
    unknown field `batchsize`, expected one of `batch-size`, `max-lock`, `workers`, `keep-undo`, `allow`
    [exit status: 1]
    ");
    lab.write(
        "host.toml",
        "[tables.things]\nkey = \"_id\"\ndocument = \"body\"\n",
    );
    assert_snapshot!(refused(&lab, &["export", "--store", STORE, "--table", "things"]), @r#"
    ------- stderr -------
    error: the settings of table `things` do not fit it: `document = "body"` names no column; the columns are _id, doc
    hint: mend [tables] in host.toml
    [exit status: 1]
    "#);
    lab.write("host.toml", "[run]\nallow = [\"others\"]\n");
    assert_snapshot!(refused(&lab, &["run", guest("scripted"), "--store", STORE]), @r#"
    ------- stderr -------
    error: host.toml cannot be used: TOML parse error at line 2, column 9
      |
    2 | allow = ["others"]
      |         ^^^^^^^^^^
    `others` is no grant: write read:TABLE, write:TABLE or secret:NAME
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &["tables", "--config", "other.toml"]), @"
    ------- stderr -------
    error: the settings file other.toml cannot be read: No such file or directory (os error 2)
    [exit status: 1]
    ");
}

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
