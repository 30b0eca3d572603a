//! The SDKs' own test runners: they judge the conformance cases as the sandbox does, but for those that only the sandbox
//! can show.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::{Lab, checkout, tools};

/// Runs these cases with the native tests of a conformance plugin.
fn make(language: &str, lab: &Lab, cases: &Path) -> Output {
    Command::new("make")
        .arg("-C")
        .arg(checkout().join("tests/conformance").join(language))
        .arg("test")
        .arg(format!("BUILD={}", lab.path("build").display()))
        .arg(format!("CASES={}", cases.display()))
        .env("HOST_TOOLS", tools())
        .output()
        .unwrap()
}

#[track_caller]
fn cases_are_judged_natively(language: &str) {
    let lab = Lab::new();
    let output = make(
        language,
        &lab,
        &checkout().join("tests/conformance/cases.jsonl"),
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{output:?}");
    assert!(said.contains(" passed, 0 failed, "), "{said}");

    let wrong = [
        r#"{"name": "a", "document": {"do": "touch"}, "expect": {"document": {"do": "touch", "touched": 1}}}"#,
        r#"{"name": "b", "document": {"do": "touch", "n": 1.0}, "expect": {"document": {"do": "touch", "n": 1, "touched": true}}}"#,
        r#"{"name": "c", "document": {"do": "touch"}, "expect": {"passed_over": true}}"#,
        r#"{"name": "d", "document": {"do": "log"}, "expect": {"skip": true, "logs": [{"warn": "one"}]}}"#,
        r#"{"name": "e", "document": {"do": "fail"}, "expect": {"fail": {"code": "refused", "at": null}}}"#,
        r#"{"name": "f", "document": {"do": "delete"}, "expect": {"document": {}}}"#,
        r#"{"name": "g", "document": {"do": "changes"}, "tables": {"others": {"edited": {}, "replaced": {}, "deleted": {}}}, "expect": {"document": {"do": "changes", "done": true}}}"#,
        r#"{"name": "right", "document": {"do": "touch"}, "expect": {"document": {"do": "touch", "touched": true}}}"#,
    ];
    lab.write("wrong.jsonl", wrong.join("\n"));
    let output = make(language, &lab, &lab.path("wrong.jsonl"));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("1 passed, 7 failed, 0 skipped"), "{said}");
}

#[test]
fn c_judges_cases_natively() {
    cases_are_judged_natively("c");
}

#[test]
fn cpp_judges_cases_natively() {
    cases_are_judged_natively("cpp");
}

#[test]
fn zig_judges_cases_natively() {
    cases_are_judged_natively("zig");
}
