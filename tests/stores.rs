//! SQLite as it is: every kind of key and column, and constraints that refuse one document and no other.

use insta::assert_snapshot;

use crate::common::{Lab, SCRIPTED_GRANTS, STORE, guest};

/// A script that sets the field `name`.
const RENAME: &str = r#"{"edit":[{"set":{"at":"/name","value":"\"new\""}}]}"#;

/// A script that sets a field to a JSON text.
fn set(field: &str, value: &str) -> String {
    let value = serde_json::Value::from(value);
    format!(r#"{{"edit":[{{"set":{{"at":"/{field}","value":{value}}}}}]}}"#)
}

#[test]
fn rows_are_reached_by_whatever_key_their_table_has() {
    for (kind, columns, key) in [
        ("integer", "k INTEGER PRIMARY KEY", "k"),
        ("descending integer", "k INTEGER PRIMARY KEY DESC", "k"),
        ("text", "k TEXT PRIMARY KEY", "k"),
        (
            "text of mixed case",
            "k TEXT COLLATE NOCASE PRIMARY KEY",
            "k",
        ),
        ("no type", "k PRIMARY KEY", "k"),
        ("none", "k TEXT", "rowid"),
        ("unique column", "k TEXT UNIQUE", "rowid"),
    ] {
        for without_rowid in [false, true] {
            if without_rowid && (key == "rowid") {
                continue;
            }
            let ending = if without_rowid { " WITHOUT ROWID" } else { "" };
            let lab = Lab::with_table(&format!(
                "CREATE TABLE things ({columns}, name TEXT, do TEXT){ending}"
            ));
            for number in [-5_i64, 0, 7, 1 << 40, 9, 10, 11] {
                let value: Box<dyn rusqlite::ToSql> = match kind {
                    "integer" | "descending integer" => Box::new(number),
                    _ => Box::new(format!(
                        "{}{number}",
                        if number % 2 == 0 { 'K' } else { 'k' }
                    )),
                };
                lab.execute(
                    "INSERT INTO things VALUES (?1, 'old', ?2)",
                    &[&value, &RENAME],
                );
            }
            let report = lab.report_scripted(&["--batch-size", "2"]);
            assert_eq!(
                report.adds_up().counts(),
                [7, 7, 0, 0, 0],
                "{kind}{ending}: {}",
                report.json()
            );
            assert_eq!(
                lab.value("SELECT count(*) FROM things WHERE name = 'new'"),
                "7",
                "{kind}{ending}"
            );
        }
    }
}

#[test]
fn keys_of_several_columns_are_arrays_of_their_values() {
    for ending in ["", " WITHOUT ROWID"] {
        let lab = Lab::with_table(&format!(
            "CREATE TABLE things (a TEXT, name TEXT, b INTEGER, do TEXT, PRIMARY KEY (b, a)){ending};
             CREATE TABLE others (a INTEGER, b TEXT, n INTEGER, PRIMARY KEY (a, b)){ending};
             INSERT INTO others VALUES (1, 'x', 0);"
        ));
        let wish = |script: &str, a: &str, b: i64| {
            lab.execute(
                "INSERT INTO things VALUES (?1, 'old', ?2, ?3)",
                &[&a, &b, &script],
            )
        };
        for number in 0..5 {
            wish(RENAME, &format!("a\"{number}"), 5 - number);
        }
        wish(
            r#"{"changes":[{"edit":[{"table":"others","id":"[1,\"x\"]"},[{"set":{"at":"/n","value":"5"}}]]},{"insert":{"table":"others","id":"[2,\"y\"]","body":"{\"n\":6}"}}]}"#,
            "w",
            9,
        );
        wish(
            r#"{"fail":{"code":"asked","message":"for","at":null}}"#,
            "x",
            10,
        );
        wish(
            r#"{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}}]}"#,
            "y",
            11,
        );
        wish(r#"{"edit":[{"set":{"at":"/b","value":"13"}}]}"#, "z", 12);
        wish(r#""delete""#, "z", 13);
        let report = lab.report_scripted(&["--batch-size", "3"]);
        assert_eq!(
            report.adds_up().counts(),
            [10, 6, 0, 3, 1],
            "{}",
            report.json()
        );
        assert_eq!(
            report.errors(),
            [
                "[10,\"x\"] asked: for",
                "[11,\"y\"] no-id: table `others` has a key of several columns, so its new documents need an id",
                "[12,\"z\"] key-changed: `b` is the document's key, and a key never changes; move a document by an insert and a delete",
            ]
        );
        assert_eq!(
            lab.value("SELECT count(*) FROM things WHERE name = 'new'"),
            "5"
        );
        assert_eq!(
            lab.documents()["others"],
            [["1", "x", "5"], ["2", "y", "6"]]
        );
    }
}

#[test]
fn generated_columns_are_read_and_never_written() {
    let lab = Lab::with_table(
        "CREATE TABLE things (
            id INTEGER PRIMARY KEY, name TEXT, do TEXT,
            upper_name TEXT AS (upper(name)) STORED, length INTEGER AS (length(name)) VIRTUAL)",
    );
    for script in [RENAME, &set("upper_name", r#""X""#), &set("length", "9")] {
        lab.execute(
            "INSERT INTO things (name, do) VALUES ('old', ?1)",
            &[&script],
        );
    }
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().counts(), [3, 1, 0, 2, 0]);
    assert_snapshot!(report.errors().join("\n"), @"
    2 generated-column: column `upper_name` is generated and cannot be set
    3 generated-column: column `length` is generated and cannot be set
    ");
    assert_eq!(
        lab.column("SELECT name || upper_name || length FROM things", &[]),
        ["newNEW3", "oldOLD3", "oldOLD3"]
    );
    let export = lab
        .host(&["export", "--store", STORE, "--table", "things"])
        .success()
        .stdout();
    assert!(
        export
            .lines()
            .next()
            .unwrap()
            .ends_with(r#""upper_name":"NEW","length":3}"#),
        "{export}"
    );
}

#[test]
fn binary_json_stays_binary_and_keeps_the_spelling_of_numbers() {
    let lab = Lab::with_table(
        "CREATE TABLE things (_id TEXT PRIMARY KEY, doc BLOB NOT NULL);
         CREATE TABLE others (_id TEXT PRIMARY KEY, doc BLOB NOT NULL);
         INSERT INTO others VALUES ('there', jsonb('{\"n\":1}'))",
    );
    let body = r#"{"n":1.0,"m":6.10,"big":9223372036854775808,"e":1e3,"s":"\u0041","do":{"changes":[{"edit":[{"table":"things","id":"a"},[{"set":{"at":"/x","value":"2.50"}}]]},{"edit":[{"table":"others","id":"there"},[{"set":{"at":"/m","value":"1e2"}}]]},{"insert":{"table":"others","id":"new","body":"{\"n\":1.00}"}}]}}"#;
    lab.execute("INSERT INTO things VALUES ('a', jsonb(?1))", &[&body]);
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.column("SELECT DISTINCT typeof(doc) FROM (SELECT doc FROM things UNION ALL SELECT doc FROM others)", &[]), ["blob"]);
    let expected = body.replace("]}}", r#"]},"x":2.50}"#);
    assert_eq!(lab.value("SELECT json(doc) FROM things"), expected);
    assert_eq!(
        lab.column("SELECT json(doc) FROM others ORDER BY _id", &[]),
        [r#"{"n":1.00}"#, r#"{"n":1,"m":1e2}"#]
    );
    let export = lab
        .host(&["export", "--store", STORE, "--table", "things"])
        .success()
        .stdout();
    assert_eq!(export, format!("{expected}\n"));
}

#[test]
fn names_are_quoted_whatever_they_contain() {
    let table = r#"odd "table"; DROP TABLE others; -- 桌"#;
    let lab = Lab::with_table(&format!(
        r#"CREATE TABLE "{}" ("select" TEXT PRIMARY KEY, "a b" TEXT, "c""d" TEXT, "e/f~g" TEXT, "ключ" TEXT, "rowid" TEXT, do TEXT)"#,
        table.replace('"', "\"\"")
    ));
    let scripts = [
        set("a b", "1"),
        set(r#"c\"d"#, "2"),
        set("e~1f~0g", "3"),
        set("ключ", "4"),
        set("rowid", "5"),
    ];
    for (number, script) in scripts.iter().enumerate() {
        let insert = format!(
            "INSERT INTO \"{}\" (\"select\", do) VALUES (?1, ?2)",
            table.replace('"', "\"\"")
        );
        lab.execute(&insert, &[&format!("'{number}\""), script]);
    }
    let report = lab.report_scripted(&["--table", table, "--batch-size", "2"]);
    assert_eq!(
        report.adds_up().counts(),
        [5, 5, 0, 0, 0],
        "{}",
        report.json()
    );
    let rows = &lab.documents()[table];
    let values: Vec<_> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| row[index + 1].as_str())
        .collect();
    assert_eq!(values, ["1", "2", "3", "4", "5"]);
    lab.host(&["export", "--store", STORE, "--table", table])
        .success();
    assert!(
        lab.documents().contains_key("others"),
        "a name is no statement"
    );
}

#[test]
fn what_holds_no_documents_of_its_own_is_refused() {
    let lab = Lab::with_table(
        "CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON);
         CREATE VIEW seen AS SELECT * FROM things;
         CREATE VIRTUAL TABLE words USING fts5(word);",
    );
    let before = lab.everything();
    assert_snapshot!(lab.run_scripted(&["--table", "seen"]), @"
    ------- stderr -------
    error: `seen` cannot be migrated: it is a view, and views hold no documents of their own
    [exit status: 1]
    ");
    assert_snapshot!(lab.run_scripted(&["--table", "words"]), @"
    ------- stderr -------
    error: `words` cannot be migrated: it is a virtual table; what it holds is made by an extension
    [exit status: 1]
    ");
    assert_snapshot!(lab.run_scripted(&["--table", "words_data"]), @"
    ------- stderr -------
    error: `words_data` cannot be migrated: it is a shadow table
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&["export", "--store", STORE, "--table", "seen"]), @"
    ------- stderr -------
    error: `seen` cannot be migrated: it is a view, and views hold no documents of their own
    [exit status: 1]
    ");
    assert_eq!(lab.everything(), before);
}

#[test]
fn every_type_of_sqlite_comes_out_as_json_and_goes_in_again() {
    let lab = Lab::with_table("CREATE TABLE things (id INTEGER PRIMARY KEY, v, copy, do TEXT)");
    let copy =
        r#"{"edit":[{"rename":{"from":"/v","to":"/copy"}},{"set":{"at":"/v","value":"null"}}]}"#;
    for value in [
        "NULL",
        "1",
        "-9223372036854775808",
        "9223372036854775807",
        "1.0",
        "0.1",
        "1e300",
        "-0.0",
        "1e999",
        "'text'",
        "''",
        "'1'",
        "'\u{1f600} \"\u{7}'",
        "x''",
        "x'00ff'",
    ] {
        lab.execute(
            &format!("INSERT INTO things (v, do) VALUES ({value}, ?1)"),
            &[&copy],
        );
    }
    let shown = |column| lab.column(&format!("SELECT {column} FROM things"), &[]);
    let before = shown("v");
    let types = shown("typeof(v)");
    let export = lab
        .host(&["export", "--store", STORE, "--table", "things"])
        .success()
        .stdout();
    let values: Vec<_> = export
        .lines()
        .map(|line| {
            line.split("\"v\":")
                .nth(1)
                .unwrap()
                .split(",\"copy\"")
                .next()
                .unwrap()
        })
        .collect();
    assert_snapshot!(values.join("\n"), @r#"
    null
    1
    -9223372036854775808
    9223372036854775807
    1.0
    0.1
    1e+300
    -0.0
    {"$float":"AAAAAAAA8H8="}
    "text"
    ""
    "1"
    "😀 \"\u0007"
    {"$bytes":""}
    {"$bytes":"AP8="}
    "#);
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().number("failed"), 0, "{}", report.json());
    assert_eq!(shown("copy"), before);
    assert_eq!(shown("typeof(copy)"), types);
    assert!(shown("v").iter().all(|value| value == "NULL"));
}

#[test]
fn rows_keep_the_columns_that_no_edit_names_to_the_bit() {
    let lab = Lab::with_table(
        "CREATE TABLE things (id INTEGER PRIMARY KEY, real REAL, text TEXT, bytes BLOB, any, name TEXT, do TEXT)",
    );
    lab.execute(
        "INSERT INTO things VALUES (1, 1e999, '1.0', x'0001', 2.0, 'old', ?1)",
        &[&RENAME],
    );
    lab.execute(
        "INSERT INTO things VALUES (2, 0.1, CAST(x'31' AS TEXT), NULL, '2', 'old', ?1)",
        &[&RENAME],
    );
    let before = lab.documents();
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [2, 2, 0, 0, 0]);
    let mut expected = before;
    for row in expected.get_mut("things").unwrap() {
        row[5] = "new".into();
    }
    assert_eq!(lab.documents(), expected);
}

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

#[test]
fn settings_say_which_columns_hold_key_and_document() {
    let lab = Lab::with_table(
        "CREATE TABLE things (pk INTEGER PRIMARY KEY, _id TEXT UNIQUE, doc TEXT, seen INTEGER DEFAULT 0)",
    );
    lab.execute(
        "INSERT INTO things (_id, doc) VALUES ('a', ?1)",
        &[&r#"{"do":{"edit":[{"set":{"at":"/n","value":"1.0"}}]}}"#],
    );
    lab.execute(
        "INSERT INTO things (_id, doc) VALUES ('b', ?1)",
        &[&r#"{"do":{"fail":{"code":"asked","message":"for","at":null}}}"#],
    );
    lab.write(
        "host.toml",
        "[tables.things]\nkey = \"_id\"\ndocument = \"doc\"\n",
    );
    let report = lab.report_scripted(&[]);
    assert_eq!(
        report.adds_up().counts(),
        [2, 1, 0, 1, 0],
        "{}",
        report.json()
    );
    assert_eq!(report.errors(), ["b asked: for"]);
    assert_eq!(
        lab.documents()["things"][0],
        [
            "1",
            "a",
            r#"{"do":{"edit":[{"set":{"at":"/n","value":"1.0"}}]},"n":1.0}"#,
            "0"
        ]
    );
    assert_snapshot!(lab.host(&["tables", "--store", STORE]), @"
    TABLE   KIND             KEY  DOCUMENTS
    facts   document in doc  _id          0
    others  document in doc  _id          0
    things  document in doc  _id          2
    [exit status: 0]
    ");
}

#[test]
fn settings_make_rows_of_what_looks_like_documents() {
    let lab = Lab::with_things([("a", r#"{"n":1}"#)]);
    let export = ["export", "--store", STORE, "--table", "things"];
    assert_eq!(lab.host(&export).success().stdout(), "{\"n\":1}\n");
    lab.write("host.toml", "[tables.things]\nkind = \"row\"\n");
    assert_eq!(
        lab.host(&export).success().stdout(),
        "{\"_id\":\"a\",\"doc\":\"{\\\"n\\\":1}\"}\n"
    );
}

#[test]
fn the_journal_mode_stays_what_it_was() {
    for mode in ["delete", "wal", "truncate"] {
        let lab = Lab::with_things((0..20).map(|number| {
            (
                ["a", "b", "c", "d"][number % 4],
                r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#,
            )
        }));
        lab.database()
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        assert_eq!(
            lab.report_scripted(&["--batch-size", "3"])
                .adds_up()
                .counts(),
            [4, 4, 0, 0, 0],
            "{mode}"
        );
        let kept = lab.value("PRAGMA journal_mode");
        // What is not WAL is chosen by each connection for itself.
        assert_eq!(kept == "wal", mode == "wal");
        assert_eq!(lab.value("PRAGMA integrity_check"), "ok");
    }
}

#[test]
fn a_document_that_cannot_be_read_fails_alone() {
    let good = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#;
    let lab = Lab::with_things([
        ("a", good),
        ("b", "{broken"),
        ("c", good),
        ("d", ""),
        ("e", "[1,2]"),
        ("g", good),
    ]);
    lab.sql("INSERT INTO things VALUES ('f', CAST(x'7b2261223a22ff227d' AS TEXT)), ('h', x'00'), ('i', 5), (NULL, '{}');");
    let report = lab.report_scripted(&["--batch-size", "2"]);
    assert_eq!(report.adds_up().number("updated"), 3);
    assert_snapshot!(report.errors().join("\n"), @"
    b invalid-json: the document is not valid JSON: key must be a string at line 1 column 2
    d invalid-json: the document is not valid JSON: EOF while parsing a value at line 1 column 0
    e no-script: trailing characters at line 1 column 4
    f invalid-text: the document is not UTF-8: invalid utf-8 sequence of 1 bytes from index 6
    h no-script: invalid type: null, expected struct Body at line 1 column 4
    i invalid-json: the document is a number, not JSON text
    (row 10) no-key: its key is NULL
    ");
    for id in ["a", "c", "g"] {
        assert_eq!(lab.thing(id)["n"], 1);
    }
    assert_eq!(lab.body("things", "b"), "{broken");
}

#[test]
fn a_row_that_is_no_text_fails_alone() {
    let lab = Lab::with_table("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT, do TEXT)");
    lab.execute("INSERT INTO things VALUES (1, 'old', ?1)", &[&RENAME]);
    lab.execute(
        "INSERT INTO things VALUES (2, CAST(x'ff' AS TEXT), ?1)",
        &[&RENAME],
    );
    lab.execute("INSERT INTO things VALUES (3, 'old', ?1)", &[&RENAME]);
    let report = lab.report_scripted(&[]);
    assert_eq!(report.adds_up().counts(), [3, 2, 0, 1, 0]);
    assert_snapshot!(report.errors().join("\n"), @"2 invalid-text: the text in column `name` is not UTF-8: invalid utf-8 sequence of 1 bytes from index 0");
    assert_eq!(
        lab.column("SELECT hex(name) FROM things", &[]),
        ["6E6577", "FF", "6E6577"]
    );
}

#[test]
fn a_broken_document_stops_no_filter_and_no_lookup_of_others() {
    for index in [
        "",
        "CREATE INDEX by_todo ON things (json_extract(doc, '$.other'));",
    ] {
        let lab = Lab::with_things([
            ("a", r#"{"todo":"yes","do":"delete"}"#),
            ("b", r#"{"todo":"no"}"#),
        ]);
        lab.sql(index);
        lab.put("facts", [("x", "{broken"), ("y", r#"{"n":1}"#)]);
        if index.is_empty() {
            lab.put("things", [("broken", "{broken")]);
        }
        let report = lab.report(guest("filtered"), &[]);
        let failed = u64::from(index.is_empty());
        assert_eq!(report.adds_up().counts(), [1 + failed, 0, 0, failed, 1]);
    }
}

#[test]
fn lookups_answer_by_id_and_by_condition() {
    for (kind, facts) in [
        (
            "documents",
            "CREATE TABLE facts (_id TEXT PRIMARY KEY, doc JSON); INSERT INTO facts VALUES ('1', '{\"n\":1, \"t\":\"a\"}'), ('2', '{\"n\":2.0}'), ('3', '{\"n\":3}');",
        ),
        (
            "rows",
            "CREATE TABLE facts (id INTEGER PRIMARY KEY, n REAL, t TEXT); INSERT INTO facts VALUES (1, 1, 'a'), (2, 2, NULL), (3, 3, NULL);",
        ),
    ] {
        for index in [
            "",
            "CREATE INDEX i ON facts (json_extract(doc, '$.n'))",
            "CREATE INDEX i ON facts (n)",
        ] {
            if index.contains("(n)") != (kind == "rows") && !index.is_empty() {
                continue;
            }
            let lab = Lab::with_table(&format!(
                "CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON); {facts} {index}"
            ));
            let find = |conditions: &str| {
                format!(
                    r#"{{"do":{{"find":{{"table":"facts","conditions":[{conditions}],"limit":2}}}}}}"#
                )
            };
            lab.put("things", [
                ("get", r#"{"do":{"get":{"table":"facts","ids":["3","9","1","3"]}}}"#),
                ("all", find("").as_str()),
                ("two", find(r#"{"at":"/n","test":{"equals":"2"}}"#).as_str()),
                ("least", find(r#"{"at":"/n","test":{"at-least":"2"}}"#).as_str()),
                ("none", find(r#"{"at":"/n","test":{"equals":"\"2\""}}"#).as_str()),
                ("one-of", find(r#"{"at":"/n","test":{"one-of":["3","1.0"]}},{"at":"/t","test":{"not-equals":"\"a\""}}"#).as_str()),
            ]);
            let report = lab.report_scripted(&[]);
            assert_eq!(
                report.adds_up().counts(),
                [6, 6, 0, 0, 0],
                "{}",
                report.json()
            );
            let answer = |id| lab.thing(id)["answer"].clone();
            let get = answer("get");
            assert_eq!(get[0], get[3]);
            assert_eq!(
                (get[0]["n"].as_f64(), get[1].is_null(), get[2]["t"].as_str()),
                (Some(3.0), true, Some("a"))
            );
            for (id, found) in [
                ("all", &["1", "2"][..]),
                ("two", &["2"]),
                ("least", &["2", "3"]),
                ("none", &[]),
                ("one-of", &["3"]),
            ] {
                assert_eq!(answer(id), serde_json::json!(found), "{kind} {index} {id}");
            }
        }
    }
}

#[test]
fn a_lookup_that_scans_a_whole_table_is_warned_of_once() {
    let facts = "CREATE TABLE facts (id INTEGER PRIMARY KEY, \"the name\" TEXT, n INTEGER)";
    let lab = Lab::with_table(&format!(
        "CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON); {facts}"
    ));
    let find = r#"{"do":{"find":{"table":"facts","conditions":[{"at":"/n","test":{"at-least":"2"}},{"at":"/the name","test":{"equals":"\"x\""}}],"limit":2}}}"#;
    lab.put("things", [("a", find), ("b", find), ("c", find)]);
    let ran = lab.run_scripted(&["--batch-size", "1", "--format", "json"]);
    assert_snapshot!(ran.stderr(), @r#"
    warning: each lookup in `facts` goes over the whole table: no index serves its conditions
    hint: CREATE INDEX "facts_by_the name_n" ON "facts" ("the name", "n");
    "#);
    let (_, index) = ran
        .stderr()
        .split_once("hint: ")
        .map(|(before, after)| (before.to_owned(), after.to_owned()))
        .unwrap();
    lab.sql(&index);
    let again = lab.run_scripted(&["--format", "json"]);
    assert_eq!((again.stderr().as_str(), again.status()), ("", 0));
}

#[test]
fn a_plugin_that_names_a_table_by_another_case_finds_it() {
    let lab = Lab::with_table("CREATE TABLE THINGS (_id TEXT PRIMARY KEY, doc JSON)");
    lab.put("things", [("a", r#"{"do":{"changes":[{"edit":[{"table":"things","id":"a"},[{"set":{"at":"/n","value":"1"}}]]}]}}"#)]);
    assert_eq!(lab.report_scripted(&[]).adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.thing("a")["n"], 1);
    let grants = [SCRIPTED_GRANTS, &["--table", "tHiNgS"]].concat();
    assert_eq!(lab.report(guest("scripted"), &grants).counts()[0], 1);
}
