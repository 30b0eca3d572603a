//! `host new`: what it makes builds, passes its own tests, and is a plugin that the host runs.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::json;

use crate::common::{Lab, checkout};

#[track_caller]
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_new_project_builds_passes_its_tests_and_runs() {
    let lab = Lab::new();
    let ran = lab
        .host(&["new", "fill-display-names", "--lang", "rust"])
        .success();
    assert_snapshot!(ran, @"
    ------- stderr -------
    made fill-display-names; next:
      cd fill-display-names
      cargo test
      host build
      host run build/fill-display-names.wasm --store sqlite:app.db --dry-run
    [exit status: 0]
    ");
    let project = lab.path("fill-display-names");
    assert!(
        lab.read("fill-display-names/README.md")
            .contains("host build  ")
    );

    // Its own tests, natively.
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from);
    let tested = done(
        Command::new(env!("CARGO"))
            .args(["test", "--target-dir"])
            .arg(target.join("scaffold"))
            .current_dir(&project),
    );
    assert!(tested.contains("test result: ok. 2 passed"), "{tested}");

    let built = lab.build("fill-display-names").success().stdout();
    assert!(
        built.starts_with("component  fill-display-names/build/fill-display-names.wasm\n"),
        "{built}"
    );
    assert!(
        built.contains("\nimports    migration:plugin/types@0.1.0, "),
        "{built}"
    );
    let plugin = "fill-display-names/build/fill-display-names.wasm";
    let inspected = lab
        .host(&["inspect", plugin, "--format", "json"])
        .success()
        .stdout();
    let inspected: serde_json::Value = serde_json::from_str(&inspected).unwrap();
    assert_eq!(
        (&inspected["name"], &inspected["table"]),
        (&json!("fill-display-names"), &json!("users"))
    );

    lab.sql("CREATE TABLE users (_id TEXT PRIMARY KEY, doc JSON NOT NULL)");
    lab.put(
        "users",
        [
            ("a", r#"{"email":"ada@example.org"}"#),
            ("b", r#"{"email":"nobody"}"#),
        ],
    );
    let report = lab.report(plugin, &[]);
    assert_eq!(report.adds_up().counts(), [2, 1, 0, 1, 0]);
    assert!(lab.body("users", "a").contains(r#""displayName":"ada""#));
}

#[test]
fn a_project_is_made_only_where_there_is_none() {
    let lab = Lab::new();
    lab.host(&["new", "twice"]).success();
    lab.write("twice/src/lib.rs", "// mine");
    assert_snapshot!(lab.host(&["new", "twice"]), @"
    ------- stderr -------
    error: ./twice exists already; nothing was changed
    [exit status: 1]
    ");
    assert_eq!(lab.read("twice/src/lib.rs"), "// mine");
    assert_snapshot!(lab.host(&["new", "Not A Name"]), @"
    ------- stderr -------
    error: `Not A Name` is no name for a project: write lower-case words joined by hyphens, beginning with a letter
    [exit status: 1]
    ");
    assert_eq!(lab.host(&["new", "../outside"]).status(), 1);
    assert_eq!(lab.host(&["new", "x", "--lang", "cobol"]).status(), 2);
    lab.host(&["new", "elsewhere", "--within", "some/folder"])
        .success();
    assert!(lab.path("some/folder/elsewhere/Cargo.toml").is_file());
}
