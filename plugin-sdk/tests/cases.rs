//! Cases tried natively: what a component would do, and what is said of cases that do not hold.

// A test fails by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use plugin_sdk::prelude::*;
use plugin_sdk::testing::{cases, json, reversible_cases};

/// Does what the document's `do` says.
struct Obedient;

impl Migration for Obedient {
    fn manifest() -> Manifest {
        Manifest::new("obedient", "things")
            .only_if(at("/do").present())
            .reads("facts")
            .writes("others")
            .secret("key")
    }

    fn transform(thing: &Document, context: &Context) -> Result<Outcome, Failure> {
        Ok(match thing.require("/do")? {
            "edit" => Edits::new().set("/n", json!(1)).into(),
            "delete" => Outcome::delete(),
            "skip" => Outcome::skip("told so"),
            "panic" => panic!("told so"),
            "know" => {
                context.info("looks");
                let fact = context.get("facts", "f1")?;
                Edits::new()
                    .set("/fact", fact.map(|fact| fact.id().to_owned()))
                    .set("/now", context.now())
                    .set("/param", context.param::<String>("p")?)
                    .set("/secret", context.secret("key"))
                    .into()
            }
            "change" => Changes::new()
                .edit("others", "o1", Edits::new().set("/n", 2))
                .delete("others", "o2")
                .into(),
            other => return Err(Failure::new("unknown", other).at("/do")),
        })
    }
}

impl Revert for Obedient {
    fn revert(_: &Document, _: &Context) -> Result<Outcome, Failure> {
        Ok(Edits::new().remove("/do").into())
    }
}

/// A file of cases, gone with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, cases: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{name}-{}.jsonl", std::process::id()));
        fs::write(&path, cases).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What is said of cases that do not hold, without where they are.
fn wrong(name: &str, text: &str) -> String {
    let file = File::new(name, text);
    let said = catch_unwind(AssertUnwindSafe(|| cases::<Obedient>(&file.0))).unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    said.replace(file.0.to_str().unwrap(), "FILE")
}

#[test]
fn every_outcome_can_be_expected() {
    let file = File::new(
        "outcomes",
        r#"
        {"document": {"do": "edit", "x": 1.0}, "expect": {"document": {"do": "edit", "x": 1.0, "n": 1}, "logs": []}}
        {"document": {"do": "delete"}, "expect": {"document": null}}
        {"document": {"do": "skip"}, "expect": {"skip": "told so"}}
        {"document": {"do": "what"}, "expect": {"fail": {"code": "unknown", "message": "what", "at": "/do"}}}
        {"document": {}, "expect": {"passed_over": true}}
        {"document": {"do": "change"}, "tables": {"others": {"o1": {"n": 1}, "o2": {}}}, "expect": {"tables": {"others": {"o1": {"n": 2}, "o2": null}}}}
        {"document": {"do": "change"}, "expect": {"fail": {"code": "unknown-document"}}}
        {"documents": {}, "expect": {}}
        {"documents": {"b": {"do": "edit"}, "a": {"do": "panic"}, "c": {}}, "expect": {"a": {"fail": {"code": "trap"}}, "b": {"document": {"do": "edit", "n": 1}}, "c": {"passed_over": true}}}
        {"document": {"do": "know"}, "tables": {"facts": {"f1": {}}}, "now": 5, "params": {"p": "v"}, "secrets": {"key": "s", "other": "x"}, "expect": {"document": {"do": "know", "fact": "f1", "now": 5, "param": "v", "secret": "s"}, "logs": [{"info": "looks"}]}}
        {"document": {"do": "edit"}, "revert": true, "expect": {"document": {}}}
        {"document": {"do": "forever"}, "expect": {"fail": {"code": "limit"}}}
        "#,
    );
    reversible_cases::<Obedient>(&file.0);
}

#[test]
fn cases_that_do_not_hold_are_told_together() {
    let said = wrong(
        "wrong",
        r#"{"name": "one", "document": {"do": "edit"}, "expect": {"document": {"do": "edit", "n": 1.0}}}
{"document": {"do": "skip"}, "expect": {"skip": true}}

{"name": "two", "document": {"do": "skip"}}"#,
    );
    assert_eq!(
        said,
        "cases that do not hold:\n\n\
         FILE:1 one\n  1: the document\n    - {\"do\": \"edit\", \"n\": 1.0}\n    + {\"do\": \"edit\",\"n\": 1}\n\n\
         FILE:4 two\n  it expects nothing; came out: {\"skip\": \"told so\"}\n"
    );
}

#[test]
fn what_cannot_be_tried_is_told() {
    let said = wrong("revert", r#"{"document": {}, "revert": true}"#);
    assert_eq!(said, "FILE:1 calls `revert`: use `reversible_cases`");
    let said = wrong("unknown", r#"{"document": {}, "oops": true}"#);
    assert!(said.starts_with("FILE:1: unknown field `oops`"), "{said}");
}
