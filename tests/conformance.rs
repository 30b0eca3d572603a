//! The same cases in every language, through the real binary; and the table of them in `docs/languages.md`.
//!
//! `HOST_UPDATE_DOCS=1 cargo xtask test -- conformance` writes the table.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::thread;

use serde_json::Value;

use crate::common::{Lab, checkout, conformance_plugin};

/// Where the table begins and ends.
const BEGIN: &str = "<!-- conformance: written by the tests -->\n";
const END: &str = "<!-- conformance ends -->\n";

/// How many plugins are tried at a time.
const WORKERS: usize = 2;

fn folder() -> PathBuf {
    checkout().join("tests/conformance")
}

/// The languages that there is a plugin in.
fn languages() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("plugin.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// How each case came out in a language: `yes`, the code where any failure is right, or what is wrong.
fn cells(language: &str) -> BTreeMap<String, String> {
    let cases = folder().join("cases.jsonl");
    let expected = expected(&fs::read_to_string(&cases).unwrap());
    let ran = Lab::new().host(&[
        "test",
        conformance_plugin(language),
        cases.to_str().unwrap(),
        "--format",
        "json",
        // A leak is to come to the end of its memory before that of its time, on a busy machine too.
        "--document-time",
        "3s",
    ]);
    let report: Value = serde_json::from_str(&ran.stdout())
        .unwrap_or_else(|error| panic!("{language}: {error}\n{ran}"));
    let cells: BTreeMap<_, _> = report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            let name = case["name"].as_str().unwrap().to_owned();
            let cell = cell(case, &expected[&name]);
            (name, cell)
        })
        .collect();
    assert_eq!(cells.len(), expected.len(), "{language}");
    cells
}

/// What each case expects, by name.
fn expected(cases: &str) -> BTreeMap<String, Value> {
    cases
        .lines()
        .map(|line| {
            let mut case: Value = serde_json::from_str(line).unwrap();
            let name = case["name"].as_str().unwrap().to_owned();
            (name, case["expect"].take())
        })
        .collect()
}

fn cell(case: &Value, expected: &Value) -> String {
    if case["holds"] != true {
        return format!("no: {} {}", case["mismatches"], case["problems"]);
    }
    let any_failure = expected["fail"]
        .as_object()
        .is_some_and(serde_json::Map::is_empty);
    if !any_failure {
        return "yes".into();
    }
    let found: Value = serde_json::from_str(case["found"].as_str().unwrap()).unwrap();
    format!("`{}`", found["fail"]["code"].as_str().unwrap())
}

/// A table of the cases in their order, with a column for each language.
fn table(columns: &[(String, BTreeMap<String, String>)]) -> String {
    let mut table = String::from("| case |");
    for (language, _) in columns {
        table += &format!(" {language} |");
    }
    table += "\n|---|";
    table += &"---|".repeat(columns.len());
    table.push('\n');
    for line in fs::read_to_string(folder().join("cases.jsonl"))
        .unwrap()
        .lines()
    {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        table += &format!("| {name} |");
        for (_, cells) in columns {
            table += &format!(" {} |", cells[name].replace('|', "\\|"));
        }
        table.push('\n');
    }
    table
}

#[test]
fn every_language_answers_as_the_documentation_says() {
    let languages = languages();
    let mut columns: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for some in languages.chunks(WORKERS) {
        let tried: Vec<_> = some
            .iter()
            .map(|language| {
                let language = language.clone();
                thread::spawn(move || (cells(&language), language))
            })
            .collect();
        columns.extend(tried.into_iter().map(|tried| {
            let (cells, language) = tried.join().unwrap();
            (language, cells)
        }));
    }
    let path = checkout().join("docs/languages.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (documented, after) = rest.split_once(END).unwrap();
    let table = table(&columns);
    if env::var_os("HOST_UPDATE_DOCS").is_some() {
        fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert_eq!(
        table, documented,
        "docs/languages.md is out of date: HOST_UPDATE_DOCS=1 cargo xtask test -- conformance writes it"
    );
}
