//! Going down: the last migrations are taken back, by the undo log or by their own `revert`.

use std::fs;

use serde_json::json;

use super::{FIRST, Plugin, SECOND, THIRD, dev, json, names, put, put_steps, refused, runs, team};
use crate::common::guest;

#[test]
fn the_last_ones_are_taken_back_and_can_be_applied_again() {
    let lab = team(&[FIRST, SECOND, THIRD]);
    let at_first = lab.documents();
    let ran = dev(&lab, &["down"]).success();
    assert_eq!(ran.stdout(), "No migration is applied.\n");
    assert_eq!(lab.documents(), at_first);
    dev(&lab, &["up"]).success();
    let ran = dev(&lab, &["down", "2"]).success();
    assert_eq!(
        ran.stdout(),
        "third: run 3 undone: 2 changes taken back\nsecond: run 2 undone: 2 changes taken back\nThe schema version is 1.\n"
    );
    assert_eq!(lab.body("things", "b"), r#"{"n":1.0,"done":true}"#);
    assert_eq!(
        names(&json(&lab, &["status"]), "pending"),
        ["second", "third"]
    );
    // Their files need not be there.
    fs::remove_file(lab.path("migrations/first.wasm")).unwrap();
    dev(&lab, &["down", "9"]).success();
    assert_eq!(lab.documents(), at_first);
    dev(&lab, &["up"]).success();
    assert_eq!(runs(&lab), ["first", "second", "third", "second", "third"]);
}

#[test]
fn what_was_applied_by_several_runs_is_taken_back_whole_and_unfinished_ones_as_well() {
    let lab = team(&[FIRST]);
    let at_first = lab.documents();
    lab.run("migrations/first.wasm", &["--sample", "50%"])
        .success();
    dev(&lab, &["up"]).success();
    assert_eq!(runs(&lab).len(), 2);
    dev(&lab, &["down"]).success();
    assert_eq!(lab.documents(), at_first);

    lab.run("migrations/first.wasm", &["--limit", "1"])
        .success();
    dev(&lab, &["down"]).success();
    assert_eq!(lab.documents(), at_first);
    assert_eq!(names(&json(&lab, &["status"]), "pending"), ["first"]);
}

#[test]
fn later_edits_are_left_alone_and_what_lies_before_stays() {
    let lab = team(&[FIRST, SECOND]);
    dev(&lab, &["up"]).success();
    lab.put("things", [("a", r#"{"mine":true}"#)]);
    let ran = dev(&lab, &["down", "2"]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert!(ran.stdout().contains("1 change left alone"), "{ran}");
    assert_eq!(names(&json(&lab, &["status"]), "applied"), ["first"]);
    let ran = dev(&lab, &["down", "--allow-failures"]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert_eq!(
        (lab.body("things", "a"), lab.body("things", "b")),
        (r#"{"mine":true}"#.into(), r#"{"n":1.0}"#.into())
    );
}

#[test]
fn a_plugin_takes_its_own_work_back_where_the_undo_log_is_gone() {
    const ALLOW: [&str; 2] = ["--allow", "read:facts,write:others"];
    let body = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]},"undo":{"edit":[{"remove":{"at":"/n"}}]}}"#;
    for forgotten in [true, false] {
        let lab = team(&[]);
        lab.sql("DELETE FROM things");
        lab.put("things", [("r", body)]);
        fs::copy(guest("reversible"), lab.path("migrations/scripted.wasm")).unwrap();
        dev(&lab, &[&["up"], &ALLOW[..]].concat()).success();
        assert_ne!(lab.body("things", "r"), body);
        let down = if forgotten {
            let told = dev(&lab, &["down", "--forget", "scripted"]).success();
            assert!(told.stderr().contains("forgot how to undo run 1"), "{told}");
            vec!["down"]
        } else {
            vec!["down", "--revert"]
        };
        let ran = dev(&lab, &[&down, &ALLOW[..]].concat()).success();
        assert!(
            ran.stdout().contains("run 2, which takes run 1 back"),
            "{ran}"
        );
        assert_eq!(lab.body("things", "r"), body);
        assert_eq!(names(&json(&lab, &["status"]), "pending"), ["scripted"]);
    }
}

#[test]
fn a_plugin_that_takes_its_work_back_has_its_secrets() {
    let body = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]},"undo":{"secret":"api-key"}}"#;
    let lab = team(&[]);
    lab.sql("DELETE FROM things");
    lab.put("things", [("s", body)]);
    fs::copy(guest("secretive"), lab.path("migrations/secretive.wasm")).unwrap();
    let with_secret = |command| {
        let allowed = [command, "--env", "dev", "--allow", "secret:api-key"];
        lab.host_with(&[("HOST_SECRET_API_KEY", "sk-live-4242")], &allowed)
    };
    with_secret("up").success();
    dev(&lab, &["down", "--forget", "secretive"]).success();
    // It is the undo log that needs none, and that is gone.
    refused(
        &lab,
        &["down", "--allow", "secret:api-key"],
        1,
        "HOST_SECRET_API_KEY that holds it is not set",
    );
    with_secret("down").success();
    assert_eq!(lab.thing("s")["answer"], "sk-live-4242");
}

#[test]
fn what_others_run_after_stays() {
    let lab = team(&[FIRST]);
    dev(&lab, &["up"]).success();
    // Somebody has the first one run after the second, and accepts that.
    put_steps(&lab, "zero", "version = 0");
    put(
        &lab,
        &Plugin {
            run_after: &["zero"],
            ..Plugin::default()
        },
    );
    dev(&lab, &["repair", "first", "--accept"]).success();
    dev(&lab, &["up", "zero"]).success();
    refused(
        &lab,
        &["down"],
        1,
        "`zero` cannot be taken back: `first` runs after it, and is applied",
    );
    dev(&lab, &["down", "2"]).success();
    assert_eq!(json(&lab, &["status"])["version"], json!(null));
}

#[test]
fn what_cannot_be_taken_back_is_refused_before_anything_is() {
    let lab = team(&[Plugin {
        name: "second",
        version: 2,
        ..Plugin::default()
    }]);
    put_steps(
        &lab,
        "first",
        "version = 1\n[[steps]]\ndrop-table = { name = \"facts\", keep = false }",
    );
    dev(&lab, &["up"]).success();
    refused(
        &lab,
        &["down", "2"],
        1,
        "`first` cannot be taken back: table `facts` was dropped with `keep = false`",
    );
    dev(&lab, &["down"]).success();
    refused(
        &lab,
        &["down", "--forget", "nobody"],
        1,
        "`nobody` was never applied",
    );
}
