//! Conditions for deployments, environments, and stores that are at a version already. Scenario A6.

use serde_json::json;

use super::{
    FIRST, HEAL, Plugin, SECOND, THIRD, TRAP, dev, json, names, put, put_steps, refused, runs, team,
};
use crate::common::{Lab, Ran};

fn prod(lab: &Lab, arguments: &[&str]) -> Ran {
    lab.host(&[arguments, &["--env", "prod"]].concat())
}

#[test]
fn what_came_to_its_end_in_development_runs_in_production_from_the_same_files() {
    let lab = team(&[FIRST]);
    lab.put("things", [("x", "{}")]);
    put_steps(
        &lab,
        "indexed",
        "version = 2\n[[steps]]\ncreate-index = { name = \"by_done\", table = \"things\", on = [\"/done\"] }",
    );
    let before = std::fs::read(lab.path("prod.db")).unwrap();
    let refused = |arguments: &[&str]| {
        let ran = prod(&lab, arguments);
        assert_eq!(ran.status(), 4, "{ran}");
        assert_eq!(std::fs::read(lab.path("prod.db")).unwrap(), before, "{ran}");
        ran.stderr()
    };
    let told = refused(&["run", "migrations/first.wasm"]);
    assert!(
        told.contains("`first` has not come to its end in `dev` with these bytes"),
        "{told}"
    );
    prod(&lab, &["run", "migrations/first.wasm", "--dry-run"]).success();
    assert_eq!(std::fs::read(lab.path("prod.db")).unwrap(), before);

    // In development a document fails.
    put(
        &lab,
        &Plugin {
            at_x: TRAP,
            ..Plugin::default()
        },
    );
    assert_eq!(dev(&lab, &["up"]).status(), 3);
    // Whoever names no environment sees the same.
    let ran = lab.host(&["up", "--store", "sqlite:prod.db", "--require", "dev"]);
    assert_eq!(ran.status(), 4, "{ran}");
    assert!(
        ran.stderr().contains("`first`, `indexed` has not come to"),
        "{ran}"
    );

    put(
        &lab,
        &Plugin {
            at_x: HEAL,
            ..Plugin::default()
        },
    );
    dev(&lab, &["up"]).success();
    // Other bytes than those that came to their end.
    put(&lab, &Plugin::default());
    let ran = prod(&lab, &["up"]);
    assert!(
        ran.stderr().contains("`first` has not come to its end"),
        "{ran}"
    );
    put(
        &lab,
        &Plugin {
            at_x: HEAL,
            ..Plugin::default()
        },
    );
    let mut command = lab.command(&["up", "--env", "prod"]);
    lab.ran(command.env("USER", "deploy").output().unwrap())
        .success();
    let history = prod(&lab, &["history", "--format", "json"])
        .success()
        .stdout();
    let history: serde_json::Value = serde_json::from_str(&history).unwrap();
    let run = &history[1];
    assert!(run["by"].as_str().unwrap().starts_with("deploy@"), "{run}");
    assert_eq!(
        (&run["migration"], &run["state"], &run["updated"]),
        (&json!("first"), &json!("finished"), &json!(2))
    );
}

#[test]
fn a_plugin_that_was_mended_has_to_prove_itself_before_a_retry() {
    let lab = team(&[Plugin {
        at_x: TRAP,
        ..Plugin::default()
    }]);
    lab.put("things", [("x", "{}")]);
    std::fs::copy(lab.path("app.db"), lab.path("prod.db")).unwrap();
    let plugin = "migrations/first.wasm";
    let by_hand = lab.host(&["run", plugin, "--store", "sqlite:prod.db"]);
    assert_eq!(by_hand.status(), 3, "{by_hand}");
    put(
        &lab,
        &Plugin {
            at_x: HEAL,
            ..Plugin::default()
        },
    );
    let retry = ["retry", "1", "--plugin", plugin];
    let ran = prod(&lab, &retry);
    assert_eq!(ran.status(), 4, "{ran}");
    let told = "`first` has not come to its end in `dev` with these bytes";
    assert!(ran.stderr().contains(told), "{ran}");
    prod(&lab, &[&retry[..], &["--dry-run"]].concat()).success();
    dev(&lab, &["up"]).success();
    prod(&lab, &retry).success();
}

#[test]
fn what_is_half_done_or_was_written_otherwise_proves_nothing() {
    let lab = team(&[FIRST]);
    lab.run("migrations/first.wasm", &["--limit", "1"])
        .success();
    let shut = |migration: &str| {
        let ran = prod(&lab, &["up"]);
        assert_eq!(ran.status(), 4, "{ran}");
        let told = format!("error: `{migration}` has not come to its end in `dev`");
        assert!(ran.stderr().starts_with(&told), "{ran}");
    };
    shut("first");
    dev(&lab, &["up"]).success();
    put_steps(&lab, "later", "version = 2");
    dev(&lab, &["up"]).success();
    put_steps(&lab, "later", "version = 2\ndescription = \"Another\"");
    shut("later");
}

#[test]
fn a_gate_opens_or_says_in_one_line_why_not() {
    let lab = team(&[
        Plugin {
            at_x: TRAP,
            ..Plugin::default()
        },
        SECOND,
    ]);
    lab.put("things", [("x", "{}")]);
    let gate = |arguments: &[&str]| {
        let ran = dev(&lab, &[&["verify"], arguments].concat());
        assert_eq!(ran.stderr(), "", "{ran}");
        (ran.status(), ran.stdout())
    };
    let shut = |why: &str| (4, format!("no: {why}\n"));
    let open = || (0, "ok\n".to_owned());
    assert_eq!(gate(&[]), shut("not applied: `first`, `second`"));
    assert_eq!(gate(&["--applied", "second"]), shut("`second` is pending"));
    assert_eq!(
        gate(&["--applied", "nobody"]),
        shut("`nobody` is not known")
    );
    assert_eq!(
        gate(&["--version", "1"]),
        shut("there is no schema version yet, not 1")
    );
    assert_eq!(gate(&["--no-failures"]), open());
    assert_eq!(dev(&lab, &["up"]).status(), 3);
    assert_eq!(
        gate(&["--applied", "first"]),
        shut("`first` is applied but for 1 failed")
    );
    assert_eq!(
        gate(&["--applied", "first", "--no-failures"]),
        shut("documents failed in `first`")
    );
    assert_eq!(
        gate(&[]),
        shut("documents failed in `first`; not applied: `second`")
    );
    lab.sql("DELETE FROM things WHERE _id = 'x'");
    dev(&lab, &["up"]).success();
    assert_eq!(gate(&[]), open());
    assert_eq!(
        gate(&[
            "--applied",
            "first",
            "--applied",
            "second",
            "--version",
            "2"
        ]),
        open()
    );
    assert_eq!(
        gate(&["--version", "3"]),
        shut("the schema version is 2, not 3")
    );
    let told = json(&lab, &["verify", "--version", "3"]);
    assert_eq!(
        told,
        json!({"holds": false, "reasons": ["the schema version is 2, not 3"], "version": 2})
    );
}

#[test]
fn a_store_that_is_at_a_version_already_gets_only_what_follows() {
    let lab = team(&[FIRST, SECOND, THIRD]);
    refused(
        &lab,
        &["baseline", "fourth"],
        1,
        "there is no migration `fourth`",
    );
    dev(&lab, &["baseline", "2", "--why", "by the old script"]).success();
    let status = json(&lab, &["status"]);
    assert_eq!(
        (names(&status, "applied"), &status["version"]),
        (vec!["first", "second"], &json!(2))
    );
    dev(&lab, &["up"]).success();
    assert_eq!(runs(&lab), ["third"]);
    assert_eq!(lab.body("things", "a"), r#"{"tree":true}"#);
    refused(&lab, &["baseline", "2"], 1, "there is nothing to record");
    refused(
        &lab,
        &["down", "2"],
        1,
        "`second` cannot be taken back: the store was there already",
    );
    let history = json(&lab, &["history", "--migration", "second"]);
    assert_eq!(
        (&history[0]["event"], &history[0]["why"]),
        (&json!("baseline"), &json!("by the old script"))
    );

    refused(
        &lab,
        &["baseline", "third", "--forget"],
        1,
        "`third` was not recorded by a baseline",
    );
    dev(&lab, &["baseline", "second", "--forget"]).success();
    assert_eq!(names(&json(&lab, &["status"]), "pending"), ["second"]);
    dev(&lab, &["up", "second"]).success();
    assert_eq!(lab.body("things", "a"), r#"{"tree":true,"twos":true}"#);
}

#[test]
fn baselines_prove_nothing_and_half_applied_migrations_have_none() {
    let lab = team(&[FIRST]);
    dev(&lab, &["baseline", "1"]).success();
    let ran = prod(&lab, &["up"]);
    assert_eq!(ran.status(), 4, "{ran}");

    let lab = team(&[FIRST]);
    lab.run("migrations/first.wasm", &["--limit", "1"])
        .success();
    refused(
        &lab,
        &["baseline", "1"],
        1,
        "`first` is unfinished: go on with it, or take it back, first",
    );
}
