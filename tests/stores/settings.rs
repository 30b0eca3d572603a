//! Tables as the settings file says that they are.

use insta::assert_snapshot;

use crate::common::{Lab, STORE};

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
