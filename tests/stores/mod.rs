//! SQLite as it is: every kind of key and column, and constraints that refuse one document and no other.

mod constraints;
mod lookups;
mod settings;

use insta::assert_snapshot;

use crate::common::{Lab, STORE};

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
