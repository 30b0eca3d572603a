use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::model::Failure;

fn file(text: &str) -> CaseFile {
    CaseFile::of(Path::new("cases.jsonl"), text.into()).unwrap()
}

fn case(text: &str) -> Case {
    file(text).cases.remove(0)
}

/// What is wrong with a file of this name and text.
fn wrong(name: &str, text: &str) -> String {
    CaseFile::of(Path::new(name), text.into())
        .unwrap_err()
        .to_string()
}

fn became(fate: Fate) -> Vec<Named<Actual>> {
    let actual = Actual {
        fate,
        tables: BTreeMap::new(),
        log: Vec::new(),
    };
    vec![(ID.into(), actual)]
}

fn body(text: &str) -> Fate {
    Fate::Document(Some(text.into()))
}

/// What differs from a case's expectation, each with what was expected and what was found.
fn differs(expect: &str, came_out: &[Named<Actual>]) -> Vec<(String, String, String)> {
    let case = case(&format!("{{\"document\": {{}}, \"expect\": {expect}}}"));
    case.mismatches(came_out)
        .into_iter()
        .map(|found| (found.what, found.expected, found.found))
        .collect()
}

#[test]
fn a_case_is_read_as_it_is_spelled() {
    let read = case(
        r#"{"name": "n", "id": "u1", "document": {"a" : 1.0, "b":"\u00e9"}, "tables": {"sites": {"s2": {}, "s1": [1e3]}},
            "params": {"n": 1.0}, "secrets": {"K": "s"}, "now": 7, "revert": true, "again": "changes",
            "expect": {"document": null, "logs": [{"warn": "w"}]}}"#
            .replace('\n', "")
            .as_str(),
    );
    assert_eq!(
        read,
        Case {
            name: Some("n".into()),
            line: 1,
            documents: vec![("u1".into(), r#"{"a" : 1.0, "b":"\u00e9"}"#.into())],
            is_batch: false,
            tables: vec![(
                "sites".into(),
                vec![("s2".into(), "{}".into()), ("s1".into(), "[1e3]".into())]
            )],
            params: vec![("n".into(), "1.0".into())],
            secrets: vec![("K".into(), "s".into())],
            now: 7,
            revert: true,
            expect: Some(vec![(
                "u1".into(),
                Expected {
                    fate: ExpectedFate::Document(None),
                    tables: Vec::new(),
                    log: Some(vec![Line {
                        level: "warn",
                        message: "w".into()
                    }]),
                }
            )]),
            changes_again: true,
        }
    );
    let read = case(r#"{"documents": {"b": 1, "a": null}}"#);
    let ids: Vec<_> = read.documents.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!((ids, read.now), (vec!["b", "a"], NOW));
    assert!(
        case(r#"{"documents": {}, "expect": {}}"#)
            .documents
            .is_empty()
    );
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    let good = r#"{"document": {}}"#;
    for (text, expected) in [
        (
            r#"{"document": {}, "expekt": {}}"#,
            "unknown field `expekt`",
        ),
        (
            r#"{"document": {}, "documents": {}}"#,
            "it has both `document` and `documents`",
        ),
        (
            r#"{"name": "x"}"#,
            "it has neither `document` nor `documents`",
        ),
        (
            r#"{"documents": {}, "id": "x"}"#,
            "`documents` name their ids themselves; `id` goes with `document`",
        ),
        (
            r#"{"documents": {"a": 1, "a": 2}}"#,
            "`a` stands here twice",
        ),
        (
            r#"{"document": {}, "expect": {}}"#,
            "it needs one of `document`, `tables`, `skip`, `passed_over` and `fail`",
        ),
        (
            r#"{"document": {}, "expect": {"skip": "a", "fail": {"code": "b"}}}"#,
            "a document cannot have `skip` and `fail` at once",
        ),
        (
            r#"{"document": {}, "expect": {"skip": 1}}"#,
            "expected a reason, or true for any",
        ),
        (
            r#"{"document": {}, "expect": {"fail": {"kode": "b"}}}"#,
            "unknown field `kode`",
        ),
        (
            r#"{"documents": {"a": 1}, "expect": {}}"#,
            "it does not say what is expected of document `a`",
        ),
        (
            r#"{"documents": {}, "expect": {"a": {"skip": true}}}"#,
            "it has no document `a` of which to expect anything",
        ),
        (r#"{"document": {"#, "EOF while parsing"),
    ] {
        let found = wrong("c.jsonl", &format!("{good}\n\n{text}\n{good}"));
        assert!(found.starts_with("c.jsonl:3: "), "{found}");
        assert!(found.contains(expected), "{found}");
    }
    let pretty =
        "{\n  \"document\": {},\n  \"expect\": {\n    \"skip\": true,\n    \"oops\": 1\n  }\n}";
    let found = wrong("c.json", pretty);
    assert!(
        found.starts_with("c.json:5: unknown field `oops`"),
        "{found}"
    );
}

#[test]
fn documents_differ_by_more_than_white_space_and_escapes() {
    let expect = r#"{"document": {"a": 1.0, "b": "\u00e9\"x"}}"#;
    assert_eq!(
        differs(expect, &became(body("{\"a\":1.0,\n\"b\":\"é\\\"x\"}"))),
        []
    );
    for other in [
        r#"{"a":1,"b":"é\"x"}"#,
        r#"{"b":"é\"x","a":1.0}"#,
        r#"{"a":1.0,"b":"é \"x"}"#,
    ] {
        let found = differs(expect, &became(body(other)));
        assert_eq!(found.len(), 1, "{other}");
        assert_eq!(
            (found[0].0.as_str(), found[0].2.as_str()),
            ("the document", other)
        );
    }
    assert_eq!(plain(r#""\ud800" "#), r#""\ud800""#);
}

#[test]
fn only_what_a_failure_says_is_compared() {
    let failed = |at: Option<&str>| {
        became(Fate::Failed(Failure {
            code: "c".into(),
            message: "m".into(),
            at: at.map(str::to_owned),
        }))
    };
    for (expect, at, holds) in [
        (r#"{"fail": {}}"#, Some("/a"), true),
        (r#"{"fail": {"code": "c"}}"#, Some("/a"), true),
        (
            r#"{"fail": {"code": "c", "message": "m", "at": "/a"}}"#,
            Some("/a"),
            true,
        ),
        (r#"{"fail": {"code": "c", "at": null}}"#, None, true),
        (r#"{"fail": {"code": "c", "at": null}}"#, Some("/a"), false),
        (r#"{"fail": {"code": "c", "at": "/a"}}"#, None, false),
        (r#"{"fail": {"code": "d"}}"#, None, false),
        (r#"{"fail": {"code": "c", "message": "n"}}"#, None, false),
        (r#"{"skip": true}"#, None, false),
    ] {
        assert_eq!(differs(expect, &failed(at)).is_empty(), holds, "{expect}");
    }
    let skipped = became(Fate::Skipped("why".into()));
    assert_eq!(differs(r#"{"skip": true}"#, &skipped), []);
    assert_eq!(differs(r#"{"skip": "why"}"#, &skipped), []);
    assert_eq!(
        differs(r#"{"skip": "other"}"#, &skipped),
        [(
            "the outcome".into(),
            r#"{"skip": "other"}"#.into(),
            r#"{"skip": "why"}"#.into()
        )]
    );
    assert_eq!(
        differs(r#"{"passed_over": true}"#, &became(Fate::PassedOver)),
        []
    );
    assert_eq!(
        differs(r#"{"document": null}"#, &became(Fate::Document(None))),
        []
    );
    assert_eq!(
        differs(r#"{"document": null}"#, &became(body("null"))).len(),
        1
    );
}

#[test]
fn other_documents_are_all_compared() {
    let mut came_out = became(Fate::Kept);
    let sites = [("s1", Some("{\"n\": 2}")), ("s2", None), ("s3", Some("3"))];
    let sites = sites.map(|(id, body)| (id.to_owned(), body.map(str::to_owned)));
    came_out[0].1.tables.insert("sites".into(), sites.into());
    let whole = r#"{"tables": {"sites": {"s1": {"n":2}, "s2": null, "s3": 3}}}"#;
    assert_eq!(differs(whole, &came_out), []);
    let some = r#"{"tables": {"sites": {"s1": {"n":1}, "s2": null}, "others": {"o": 1}}}"#;
    let differing: Vec<_> = differs(some, &came_out)
        .into_iter()
        .map(|(what, ..)| what)
        .collect();
    assert_eq!(differing, ["sites s1", "others o", "sites s3"]);
    // Its own document was not changed.
    assert_eq!(differs(r#"{"skip": true}"#, &came_out).len(), 4);
}

#[test]
fn the_log_is_compared_where_it_is_expected() {
    let mut came_out = became(body("1"));
    came_out[0].1.log.push(Line {
        level: "info",
        message: "said".into(),
    });
    assert_eq!(differs(r#"{"document": 1}"#, &came_out), []);
    assert_eq!(
        differs(r#"{"document": 1, "logs": [{"info": "said"}]}"#, &came_out),
        []
    );
    assert_eq!(
        differs(r#"{"document": 1, "logs": []}"#, &came_out),
        [(
            "the log".into(),
            "[]".into(),
            r#"[{"info": "said"}]"#.into()
        )]
    );
}

#[test]
fn what_came_out_is_written_where_it_was_expected_and_read_again() {
    let text = "{\"document\":  {\"n\": 1.0}, \"expect\": {\"skip\": true}}\n\n{\"documents\": {\"b\": 1, \"a\": 2}}\n{\"document\": 3, \"expect\": {\"document\": 3, \"logs\": []}}\n";
    let file = file(text);
    let one = |id: &str, fate| (id.to_owned(), became(fate).remove(0).1);
    let mut others = became(Fate::Kept);
    others[0]
        .1
        .tables
        .insert("t".into(), [("x".into(), None)].into());
    let failure = Failure {
        code: "c".into(),
        message: "a \"b\"".into(),
        at: Some("/x".into()),
    };
    let came_out = [
        Some(became(body("{\"n\": 2.0}"))),
        Some(vec![
            one("b", Fate::PassedOver),
            one("a", Fate::Failed(failure)),
        ]),
        Some(others),
    ];
    let updated = file.updated(&came_out).unwrap();
    assert_eq!(
        updated,
        "{\"document\":  {\"n\": 1.0}, \"expect\": {\"document\": {\"n\": 2.0}}}\n\n\
         {\"documents\": {\"b\": 1, \"a\": 2},\"expect\": {\"b\": {\"passed_over\": true}, \"a\": {\"fail\": {\"code\": \"c\", \"message\": \"a \\\"b\\\"\", \"at\": \"/x\"}}}}\n\
         {\"document\": 3, \"expect\": {\"tables\": {\"t\": {\"x\": null}}, \"logs\": []}}\n"
    );
    let again = self::file(&updated);
    for (case, came_out) in again.cases.iter().zip(&came_out) {
        assert_eq!(case.mismatches(came_out.as_ref().unwrap()), []);
    }
    assert_eq!(file.updated(&[None, None, None]).unwrap(), text);
}
