//! Pipelines beside the order: what a run of several has applied is applied, and goes back as a whole.

use serde_json::json;

use super::{Plugin, dev, json, names, refused, team};
use crate::common::{Lab, STORE};

fn three() -> Lab {
    let plugin = |name, version, member| Plugin {
        name,
        version,
        member,
        ..Plugin::default()
    };
    team(&[
        plugin("first", 1, "ones"),
        plugin("second", 2, "twos"),
        plugin("third", 3, "tree"),
    ])
}

/// Runs the first two in one go.
fn run_two(lab: &Lab) -> i32 {
    let files = ["migrations/first.wasm", "migrations/second.wasm"];
    lab.host(&[&["run"], &files[..], &["--store", STORE]].concat())
        .status()
}

#[test]
fn each_stage_is_applied_by_the_run_and_not_applied_again() {
    let lab = three();
    assert_eq!(run_two(&lab), 0);
    let status = json(&lab, &["status"]);
    assert_eq!(names(&status, "pending"), ["third"]);
    assert_eq!(status["version"], 2);
    let plan = json(&lab, &["plan"]);
    let states: Vec<_> = plan["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["state"].as_str().unwrap(), entry["run"].clone()))
        .collect();
    assert_eq!(
        states,
        [
            ("applied", json!(1)),
            ("applied", json!(1)),
            ("pending", json!(null))
        ]
    );
    dev(&lab, &["verify", "--applied", "second", "--no-failures"]).success();
    dev(&lab, &["up"]).success();
    assert_eq!(
        lab.body("things", "a"),
        r#"{"ones":true,"twos":true,"tree":true}"#
    );
    assert_eq!(lab.value("SELECT count(*) FROM _host_runs"), "2");
}

#[test]
fn other_bytes_of_one_stage_are_told() {
    let lab = three();
    run_two(&lab);
    let other = Plugin {
        name: "second",
        version: 2,
        member: "dose",
        ..Plugin::default()
    };
    super::put(&lab, &other);
    refused(&lab, &["up"], 1, "`second` was applied with other bytes");
}

#[test]
fn the_stages_of_a_run_go_back_together() {
    let lab = three();
    let before = lab.documents();
    run_two(&lab);
    refused(
        &lab,
        &["down"],
        1,
        "`second` cannot be taken back: run 1 has applied it together with `first`",
    );
    refused(&lab, &["down", "2", "--revert"], 1, "is of several plugins");
    refused(
        &lab,
        &["down", "--forget", "first"],
        1,
        "`host undo 1 --forget` frees that",
    );
    dev(&lab, &["down", "2"]).success();
    assert_eq!(lab.documents(), before);
    assert_eq!(names(&json(&lab, &["status"]), "pending").len(), 3);
}

#[test]
fn documents_that_failed_in_a_pipeline_are_left_to_it() {
    let lab = three();
    lab.put("things", [("x", "{}")]);
    let trap = Plugin {
        name: "second",
        version: 2,
        member: "twos",
        at_x: super::TRAP,
        ..Plugin::default()
    };
    super::put(&lab, &trap);
    assert_eq!(run_two(&lab), 3);
    refused(
        &lab,
        &["up"],
        1,
        "`first` has documents that failed in run 1 of `first+second`: `host retry 1` tries them again",
    );
    let ran = dev(&lab, &["up", "--allow-failures"]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert_eq!(
        names(&json(&lab, &["status"]), "pending"),
        Vec::<&str>::new()
    );

    let heal = Plugin {
        at_x: super::HEAL,
        ..trap
    };
    super::put(&lab, &heal);
    let retry = ["retry", "1", "--plugin", "migrations/second.wasm"];
    dev(&lab, &retry).success();
    dev(&lab, &["verify", "--applied", "first", "--no-failures"]).success();
}
