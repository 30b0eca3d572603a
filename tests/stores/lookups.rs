//! Lookups.

use insta::assert_snapshot;

use crate::common::{Lab, SCRIPTED_GRANTS, guest};

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
