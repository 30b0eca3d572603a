//! Several plugins in one run: each document is read once, goes through them in order, and is written once.

mod failures;
mod record;
mod refused;
mod resumed;
mod stages;

use serde_json::{Value, json};

use crate::common::{Lab, Ran, Report, SCRIPTED_GRANTS, STORE, guest};

/// The command line that runs the scripted guest and, behind it, the one that obeys where `todo` is yes.
pub fn pipeline<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [
        &[
            "run",
            guest("scripted"),
            guest("filtered"),
            "--store",
            STORE,
        ],
        SCRIPTED_GRANTS,
        more,
    ]
    .concat()
}

fn run(lab: &Lab, more: &[&str]) -> Ran {
    lab.host(&pipeline(more))
}

fn report(lab: &Lab, more: &[&str]) -> Report {
    run(lab, &[&["--format", "json"], more].concat()).report()
}

/// What a report counted at each stage: total, updated, skipped, failed, deleted.
fn at_stages(report: &Report) -> Vec<[u64; 5]> {
    let stages = report.get("stages").as_array().unwrap();
    let count = |stage: &Value, name: &str| stage[name].as_u64().unwrap();
    let counts = stages.iter().map(|stage| {
        ["total", "updated", "skipped", "failed", "deleted"].map(|name| count(stage, name))
    });
    counts.collect()
}

/// A document that the first stage gives `"n":1`, and that then wishes this of the second one.
pub fn hands_on(wish: &Value) -> String {
    let edits = json!([
        {"set": {"at": "/n", "value": "1"}},
        {"set": {"at": "/todo", "value": "\"yes\""}},
        {"set": {"at": "/do", "value": wish.to_string()}},
    ]);
    json!({"do": {"edit": edits}}).to_string()
}

/// The wish that the document gets `"m":2`.
fn edit() -> Value {
    json!({"edit": [{"set": {"at": "/m", "value": "2"}}]})
}

/// The wish that the document fails.
fn fail() -> Value {
    json!({"fail": {"code": "asked", "message": "not yet", "at": null}})
}

/// What `host` shows as JSON.
fn shown(lab: &Lab, arguments: &[&str]) -> Value {
    let ran = lab.host(&[arguments, &["--store", STORE, "--format", "json"]].concat());
    serde_json::from_str(&ran.stdout()).unwrap_or_else(|error| panic!("{error}: {ran}"))
}
