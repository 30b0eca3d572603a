//! `host test`: a plugin tried on its author's cases, without a database.

use std::fs;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{Lab, Ran, checkout, guest, plugin, without_figures};
use crate::hostile::guest::Guest;

/// Tries a plugin on cases that are lines of a file.
fn test(lab: &Lab, plugin: &str, cases: &[Value], more: &[&str]) -> Ran {
    let lines: Vec<_> = cases.iter().map(Value::to_string).collect();
    lab.write("cases.jsonl", lines.join("\n"));
    lab.host(&[&["test", plugin], more].concat())
}

fn scripted(cases: &[Value]) -> Ran {
    test(&Lab::new(), guest("scripted"), cases, &[])
}

/// An edit that sets `n`.
fn set(value: &str) -> Value {
    json!({"edit": [{"set": {"at": "/n", "value": value}}]})
}

#[test]
fn every_outcome_can_be_expected() {
    let insert =
        json!({"changes": [{"insert": {"table": "others", "id": "o1", "body": "{\"n\":1}"}}]});
    let both = json!({"changes": [
        {"edit": [{"table": "things", "id": "7"}, [{"remove": {"at": "/x"}}]]},
        {"delete": {"table": "others", "id": "o2"}},
    ]});
    let cases = [
        json!({"name": "edited", "document": {"do": set("1.0")}, "expect": {"document": {"do": set("1.0"), "n": 1}}}),
        json!({"name": "replaced", "document": {"do": {"replace": "[1]"}}, "expect": {"document": [1]}, "again": "changes"}),
        json!({"name": "deleted", "document": {"do": "delete"}, "expect": {"document": null}}),
        json!({"name": "skipped", "document": {}, "expect": {"skip": "no wish"}}),
        json!({"name": "unchanged", "document": {"do": {"edit": []}}, "expect": {"skip": "unchanged"}}),
        json!({"name": "failed", "document": {"do": {"fail": {"code": "c", "message": "m", "at": "/x"}}},
            "expect": {"fail": {"code": "c", "message": "m", "at": "/x"}}}),
        json!({"name": "refused", "document": {"do": {"edit": [{"remove": {"at": "/x"}}]}}, "expect": {"fail": {"code": "invalid-edit"}}}),
        json!({"name": "trapped", "document": {"do": "trap"}, "expect": {"fail": {"code": "trap"}}}),
        json!({"name": "out of memory", "document": {"do": "hoard"}, "expect": {"fail": {"code": "limit"}}}),
        json!({"name": "inserted", "document": {"do": insert}, "expect": {"tables": {"others": {"o1": {"n": 1}}}}, "again": "changes"}),
        json!({"name": "several", "id": "7", "document": {"x": 1, "do": both}, "tables": {"others": {"o2": {}}},
            "expect": {"document": {"do": both}, "tables": {"others": {"o2": null}}}, "again": "changes"}),
        json!({"name": "not declared", "document": {"do": {"changes": [{"delete": {"table": "secret", "id": "1"}}]}},
            "expect": {"fail": {"code": "not-granted"}}}),
    ];
    let ran = scripted(&cases);
    // 1.0 is not 1.
    assert_eq!(ran.status(), 3);
    assert_snapshot!(without_figures(ran), @r#"
    FAIL edited [N] [N] [N] of json-depth
          at cases.jsonl:1
          1: the document is not what was expected:
            - {"do":{"edit":[{"set":{"at":"/n","value":"1.0"}}]},"n":1}
            + {"do":{"edit":[{"set":{"at":"/n","value":"1.0"}}]},"n":1.0}
    ok replaced [N] [N] [N] of json-depth
    ok deleted [N] [N] [N] of instance-memory
    ok skipped [N] [N] [N] of name-bytes
    ok unchanged [N] [N] [N] of instance-memory
    ok failed [N] [N] [N] of instance-memory
    ok refused [N] [N] [N] of instance-memory
    ok trapped [N] [N] [N] of instance-memory
    ok out of memory [N] [N] [N] of instance-memory
    ok inserted [N] [N] [N] of json-depth
    ok several [N] [N] [N] of name-bytes
    ok not declared [N] [N] [N] of name-bytes
    12 cases: 11 hold, 1 do not
    [exit status: 3]
    "#);
}

#[test]
fn the_world_of_a_case_is_what_it_says() {
    let facts =
        r#""tables": {"facts": {"f9": {"n": 2}, "f1": {"n": 1}, "f8": {"n": 3}, "f7": {"n": 2}}}"#;
    let get = r#"{"get": {"table": "facts", "ids": ["f1", "f2"]}}"#;
    let find = r#"{"find": {"table": "facts", "conditions": [{"at": "/n", "test": {"at-least": "2"}}], "limit": 2}}"#;
    let id = r#"{"new-id": {"table": "others", "seed": "s"}}"#;
    // A document that asks for something, and has the answer.
    let asks = |name: &str, more: &str, wish: &str, answer: &str| {
        format!(
            r#"{{"name": "{name}", {more} "document": {{"do": {wish}}}, "expect": {{"document": {{"do": {wish}, "answer": {answer}}}}}}}"#
        )
    };
    let facts = &format!("{facts},");
    let cases = [
        asks("get", facts, get, r#"[{"n": 1}, null]"#),
        asks("find", facts, find, r#"["f7", "f8"]"#),
        asks("an empty table", "", find, "[]"),
        asks("parameter", r#""params": {"p": [1.0, "x"]},"#, r#"{"param": "p"}"#, r#"[1.0, "x"]"#),
        asks("no parameter", "", r#"{"param": "p"}"#, "null"),
        asks("a secret that is not declared", r#""secrets": {"k": "v"},"#, r#"{"secret": "k"}"#, "null"),
        asks("now", r#""now": 1714521600000,"#, "\"now\"", "1714521600000"),
        asks("some time", "", "\"now\"", "1700000000000"),
        asks("new id", "", id, "\"25617ba1-1d62-5e4f-aab4-4950415f5d0e\""),
        asks("another id", "", id, "\"25617ba1\""),
        r#"{"name": "log", "document": {"do": {"log": "odd"}}, "expect": {"skip": "logged", "logs": [{"warn": "odd"}]}}"#.into(),
        r#"{"name": "another log", "document": {"do": {"log": "odd"}}, "expect": {"skip": "logged", "logs": []}}"#.into(),
    ];
    let lab = Lab::new();
    lab.write("cases.jsonl", cases.join("\n"));
    assert_snapshot!(without_figures(lab.host(&["test", guest("scripted")])), @r#"
    ok get [N] [N] [N] of json-depth
    ok find [N] [N] [N] of json-depth
    ok an empty table [N] [N] [N] of json-depth
    ok parameter [N] [N] [N] of json-depth
    ok no parameter [N] [N] [N] of json-depth
    ok a secret that is not declared [N] [N] [N] of json-depth
    ok now [N] [N] [N] of json-depth
    ok some time [N] [N] [N] of json-depth
    ok new id [N] [N] [N] of json-depth
    FAIL another id [N] [N] [N] of json-depth
          at cases.jsonl:10
          1: the document is not what was expected:
            - /answer "25617ba1"
            + /answer "25617ba1-1d62-5e4f-aab4-4950415f5d0e"
    ok log [N] [N] [N] of name-bytes
    FAIL another log [N] [N] [N] of name-bytes
          at cases.jsonl:12
          1: the log is not what was expected:
            - []
            + [{"warn": "odd"}]
    12 cases: 10 hold, 2 do not
    [exit status: 3]
    "#);
    let secret = r#"{"document": {"do": {"secret": "api-key"}}, "secrets": {"api-key": "v"}, "expect": {"document": {"do": {"secret": "api-key"}, "answer": "v"}}}"#;
    lab.write("cases.jsonl", secret);
    lab.host(&["test", guest("secretive")]).success();
}

#[test]
fn a_batch_has_many_documents_or_none() {
    let cases = [
        json!({"name": "none", "documents": {}, "expect": {}}),
        json!({"name": "three", "documents": {"b": {"do": set("1")}, "a": {"do": "trap"}, "c": {}},
            "expect": {"a": {"fail": {"code": "trap"}}, "b": {"document": {"do": set("1"), "n": 1}}, "c": {"skip": true}}}),
        json!({"name": "one too few", "documents": {"a": {"do": "one-too-few"}, "b": {}}, "expect": {"a": {"skip": true}, "b": {"skip": true}}}),
    ];
    assert_snapshot!(without_figures(scripted(&cases)), @"
    ok none [N] [N] [N] of instance-memory
    ok three [N] [N] [N] of json-depth
    FAIL one too few
          at cases.jsonl:3
          the plugin broke the interface's contract at a batch of 2 documents that begins with `a`: the plugin returned 1 outcomes for 2 documents; it must return one for each
    3 cases: 2 hold, 1 do not
    [exit status: 3]
    ");
}

#[test]
fn a_filter_passes_over_and_a_revert_takes_back() {
    let lab = Lab::new();
    lab.write(
        "cases.jsonl",
        r#"{"name": "done", "document": {"recipeTitle": "x"}, "expect": {"passed_over": true}}
           {"name": "to do", "document": {"title": "x"}, "expect": {"document": {"title": "x", "recipeTitle": "x"}}}
           {"name": "back", "document": {"recipeTitle": "x"}, "revert": true, "expect": {"document": {"title": "x"}}}"#,
    );
    lab.host(&["test", plugin("rename-recipe-title")]).success();
    let none = [json!({"name": "back", "document": {}, "revert": true, "expect": {"skip": true}})];
    assert_snapshot!(without_figures(scripted(&none)), @"
    FAIL back
          at cases.jsonl:1
          the plugin has no `revert`
    1 case: 0 hold, 1 do not
    [exit status: 3]
    ");
}

#[test]
fn what_depends_on_its_neighbours_is_found() {
    // Its reason is as long as there are documents before it.
    let guest = Guest {
        attack: "(call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 32801) (local.get $place))".into(),
        ..Guest::default()
    };
    let lab = Lab::new();
    let plugin = guest.put_into(&lab);
    let cases = [
        json!({"name": "first", "document": {}, "expect": {"document": {"done": true}}}),
        json!({"name": "second", "id": "x", "document": {}, "expect": {"skip": ""}}),
    ];
    assert_snapshot!(without_figures(test(&lab, plugin, &cases, &[])), @r#"
    ok first [N] [N] [N] of json-depth
    FAIL second [N] [N] [N] of instance-memory
          at cases.jsonl:2
          x: not deterministic: at first skipped ""; in a batch with others skipped "d"
    2 cases: 1 hold, 1 do not
    [exit status: 3]
    "#);
}

#[test]
fn what_depends_on_others_of_its_case_is_found() {
    let guest = Guest {
        attack: "(call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 32801) (local.get $place))".into(),
        ..Guest::default()
    };
    let lab = Lab::new();
    let plugin = guest.put_into(&lab);
    let cases = [json!({"name": "two", "documents": {"a": {}, "x": {}},
        "expect": {"a": {"document": {"done": true}}, "x": {"skip": "d"}}})];
    assert_snapshot!(without_figures(test(&lab, plugin, &cases, &[])), @r#"
    FAIL two [N] [N] [N] of json-depth
          at cases.jsonl:1
          x: not deterministic: at first skipped "d"; alone skipped ""
    1 case: 0 hold, 1 do not
    [exit status: 3]
    "#);
}

#[test]
fn what_is_logged_depends_on_no_neighbours_either() {
    // It says something about the first document of a batch only.
    let talking = Guest {
        attack: "(if (i32.eqz (local.get $place)) (then
                   (call $emit (i32.const 2) (i32.const 32801) (i32.const 4) (i32.const 1) (i32.const 0))))"
            .into(),
        ..Guest::default()
    };
    let lab = Lab::new();
    let plugin = talking.put_into(&lab);
    let case = |name| json!({"name": name, "id": "x", "document": {}, "expect": {"skip": ""}});
    assert_snapshot!(without_figures(test(&lab, plugin, &[case("first"), case("second")], &[])), @r#"
    ok first [N] [N] [N] of log-line-bytes
    FAIL second [N] [N] [N] of log-line-bytes
          at cases.jsonl:2
          x: not deterministic: at first skipped "", logged "done"; in a batch with others skipped ""
    2 cases: 1 hold, 1 do not
    [exit status: 3]
    "#);
}

#[test]
fn of_what_is_long_the_beginning_is_shown() {
    let wordy = Guest {
        attack: "(memory.fill (i32.const 41000) (i32.const 0x64) (i32.const 1000))
                 (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 41000)
                   (i32.mul (local.get $place) (i32.const 400)))"
            .into(),
        ..Guest::default()
    };
    let lab = Lab::new();
    let plugin = wordy.put_into(&lab);
    let cases = [json!({"name": "two", "documents": {"a": {}, "x": {}},
        "expect": {"a": {"document": {"done": true}}, "x": {"skip": true}}})];
    let ran = test(&lab, plugin, &cases, &[]).stdout();
    let shown = format!(
        "at first skipped \"{}…; alone",
        "d".repeat(300 - "skipped \"".len())
    );
    assert!(ran.contains(&shown), "{ran}");
}

#[test]
fn a_migration_rests_on_its_own_result_unless_the_case_says_otherwise() {
    let append = json!({"edit": [{"set": {"at": "/list/-", "value": "1"}}]});
    let document = json!({"do": append, "list": []});
    let expect = json!({"document": {"do": append, "list": [1]}});
    let cases = [
        json!({"name": "should rest", "document": document, "expect": expect}),
        json!({"name": "may change", "document": document, "expect": expect, "again": "changes"}),
        json!({"name": "should change", "document": {"do": set("1")}, "expect": {"document": {"do": set("1"), "n": 1}}, "again": "changes"}),
    ];
    assert_snapshot!(without_figures(scripted(&cases)), @"
    FAIL should rest [N] [N] [N] of json-depth
          at cases.jsonl:1
          1: applied to its own result it changes again
            things 1
              - /list [1]
              + /list [1,1]
    ok may change [N] [N] [N] of json-depth
    FAIL should change [N] [N] [N] of json-depth
          at cases.jsonl:3
          the case says that it changes again, but applied to its own result it rests
    3 cases: 1 hold, 2 do not
    [exit status: 3]
    ");
}

#[test]
fn the_cases_of_the_examples_hold() {
    // They are tried natively by the examples' own tests: both see the same.
    let lab = Lab::new();
    let mut tried = 0;
    for example in fs::read_dir(checkout().join("plugins")).unwrap() {
        let example = example.unwrap();
        let cases = example.path().join("cases.jsonl");
        if cases.is_file() {
            let component = plugin(example.file_name().to_str().unwrap());
            lab.host(&["test", component, cases.to_str().unwrap()])
                .success();
            tried += 1;
        }
    }
    assert!(tried >= 4);
}

#[test]
fn what_came_out_is_written_into_the_cases() {
    let lab = Lab::new();
    lab.write(
        "cases/a.json",
        "{\n  \"name\": \"pretty\",\n  \"document\": {\"email\": \"ada@example.org\"}\n}\n",
    );
    lab.write(
        "cases/b.jsonl",
        "{\"document\": {\"email\":  \"x\"}, \"expect\": {\"skip\": true}}\n\n{\"document\": {\"displayName\": 1}, \"expect\": {\"passed_over\": true}}\n",
    );
    lab.write("cases/notes.md", "no case");
    let backfill = plugin("backfill-display-names");
    assert_snapshot!(without_figures(lab.host(&["test", backfill])), @r#"
    FAIL pretty [N] [N] [N] of json-depth
          at cases/a.json:1
          it expects nothing yet; --update writes what came out:
          + {"document": {"email": "ada@example.org","displayName": "ada","updatedAt": 1700000000000}}
    FAIL cases/b.jsonl:1 [N] [N] [N] of message-bytes
          1: the outcome is not what was expected:
            - {"skip": true}
            + {"fail": {"code": "no-name", "message": "email has nothing before an @ to make a display name of", "at": "/email"}}
    ok cases/b.jsonl:3
    3 cases: 1 hold, 2 do not
    [exit status: 3]
    "#);
    assert_snapshot!(without_figures(lab.host(&["test", backfill, "--update"])), @"
    wrote pretty [N] [N] [N] of json-depth
    wrote cases/b.jsonl:1 [N] [N] [N] of message-bytes
    ok cases/b.jsonl:3
    3 cases: all hold
    [exit status: 0]
    ");
    assert_snapshot!(lab.read("cases/a.json"), @r#"
    {
      "name": "pretty",
      "document": {"email": "ada@example.org"},
      "expect": {"document": {"email": "ada@example.org","displayName": "ada","updatedAt": 1700000000000}}
    }
    "#);
    assert_snapshot!(lab.read("cases/b.jsonl"), @r#"
    {"document": {"email":  "x"}, "expect": {"fail": {"code": "no-name", "message": "email has nothing before an @ to make a display name of", "at": "/email"}}}

    {"document": {"displayName": 1}, "expect": {"passed_over": true}}
    "#);
    assert_eq!(lab.host(&["test", backfill, "cases/a.json"]).status(), 0);
    let ran = lab.host(&["test", backfill, "--format", "json"]).success();
    let report: Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(
        (&report["total"], &report["holding"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(report["cases"][2]["name"], "cases/b.jsonl:3");
}

#[test]
fn cases_that_cannot_be_read_are_named_with_their_line() {
    let lab = Lab::new();
    let plugin = plugin("backfill-display-names");
    assert_snapshot!(lab.host(&["test", plugin]), @r#"
    ------- stderr -------
    error: there are no cases here: neither `cases.jsonl` nor a folder `cases`
    hint: write one, such as {"document": {"email": "a@b"}}, and --update adds what comes out; or name the file
    [exit status: 2]
    "#);
    assert_snapshot!(lab.host(&["test", plugin, "absent.jsonl"]), @"
    ------- stderr -------
    error: absent.jsonl cannot be read: No such file or directory (os error 2)
    hint: docs/testing.md says how cases are written
    [exit status: 1]
    ");
    lab.write("cases.jsonl", "\n");
    assert_snapshot!(lab.host(&["test", plugin]), @"
    ------- stderr -------
    error: cases.jsonl holds no cases
    hint: docs/testing.md says how cases are written
    [exit status: 1]
    ");
    lab.write(
        "cases.jsonl",
        "{\"document\": {}}\n{\"document\": {}, \"expekt\": {}}\n",
    );
    assert_snapshot!(lab.host(&["test", plugin, "--update"]), @"
    ------- stderr -------
    error: cases.jsonl:2: unknown field `expekt`, expected one of `name`, `document`, `id`, `documents`, `tables`, `params`, `secrets`, `now`, `revert`, `expect`, `again`
    hint: docs/testing.md says how cases are written
    [exit status: 1]
    ");
    assert_eq!(
        lab.read("cases.jsonl"),
        "{\"document\": {}}\n{\"document\": {}, \"expekt\": {}}\n"
    );
}
