//! `host new`: what it makes builds, passes its own tests, and is a plugin that the host runs.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use insta::assert_snapshot;

use crate::common::{Lab, checkout, go, tools};

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

/// Makes a project in this language, builds it, has it run its own tests, and migrates documents with it.
fn from_nothing_to_a_run(language: &str, tests: &mut Command) {
    let lab = Lab::new();
    lab.host(&["new", "fill-names", "--lang", language])
        .success();
    let built = lab.build("fill-names").success().stdout();
    let plugin = "fill-names/build/fill-names.wasm";
    assert!(
        built.starts_with(&format!("component  {plugin}\n")),
        "{built}"
    );
    assert!(
        built.contains("\nimports    migration:plugin/types@0.1.0, "),
        "{built}"
    );
    done(tests.current_dir(lab.path("fill-names")));
    lab.host(&["test", plugin, "fill-names/cases.jsonl"])
        .success();

    lab.sql("CREATE TABLE users (_id TEXT PRIMARY KEY, doc JSON NOT NULL)");
    lab.put(
        "users",
        [
            ("a", r#"{"email":"ada@example.org","credit":1.0}"#),
            ("b", r#"{"email":"nobody"}"#),
        ],
    );
    let report = lab.report(plugin, &[]);
    assert_eq!(report.adds_up().counts(), [2, 1, 0, 1, 0]);
    let body = lab.body("users", "a");
    assert!(
        body.starts_with(
            r#"{"email":"ada@example.org","credit":1.0,"displayName":"ada","updatedAt":"#
        ),
        "{body}"
    );
}

#[test]
fn rust_from_nothing_to_a_run() {
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| checkout().join("target"), PathBuf::from);
    from_nothing_to_a_run(
        "rust",
        Command::new(env!("CARGO"))
            .args(["test", "--target-dir"])
            .arg(target.join("scaffold")),
    );
}

#[test]
fn javascript_from_nothing_to_a_run() {
    from_nothing_to_a_run("js", Command::new("npm").arg("test"));
}

#[test]
fn typescript_from_nothing_to_a_run() {
    // Checks the types of the migration; then those of the SDK, too, which authors have no use for, and no others: what
    // lies in node_modules has faults of its own.
    let tests = "npm test && npx tsc --noEmit --strict --target es2022 --module nodenext --typeRoots src sdk/plugin-sdk/js/src/*.d.ts";
    from_nothing_to_a_run("ts", Command::new("sh").args(["-c", tests]));
}

#[test]
fn python_from_nothing_to_a_run() {
    let mut tests = Command::new("python3");
    from_nothing_to_a_run("python", tests.args(["-m", "unittest"]));
}

#[test]
fn go_from_nothing_to_a_run() {
    from_nothing_to_a_run("go", go().arg("test"));
}

#[test]
fn c_from_nothing_to_a_run() {
    from_nothing_to_a_run("c", Command::new("make").arg("test"));
}

#[test]
fn cpp_from_nothing_to_a_run() {
    from_nothing_to_a_run("cpp", Command::new("make").arg("test"));
}

#[test]
fn zig_from_nothing_to_a_run() {
    from_nothing_to_a_run(
        "zig",
        Command::new("make").arg("test").env("HOST_TOOLS", tools()),
    );
}

#[test]
fn what_to_do_next_is_told() {
    let lab = Lab::new();
    assert_snapshot!(lab.host(&["new", "fill-names", "--lang", "ts"]), @"
    ------- stderr -------
    made fill-names; next:
      cd fill-names
      npm install && npm test
      host build
      host test build/fill-names.wasm
      host run build/fill-names.wasm --store sqlite:app.db --dry-run
    [exit status: 0]
    ");
}

#[test]
fn a_project_that_does_not_compile_shows_why() {
    let lab = Lab::new();
    lab.host(&["new", "broken", "--lang", "js"]).success();
    lab.write(
        "broken/src/migration.js",
        "export default migration({\n  nam: 7;\n});\n",
    );
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1);
    let said = ran.stderr();
    assert!(said.contains("Expected \"}\" but found \";\""), "{said}");
    assert!(said.contains("src/migration.js:2:8"), "{said}");
    assert!(!lab.path("broken/build/broken.wasm").exists());
}

#[test]
fn a_project_in_c_that_does_not_compile_shows_why() {
    let lab = Lab::new();
    lab.host(&["new", "broken", "--lang", "c"]).success();
    lab.write(
        "broken/src/migration.c",
        "#include <migration.h>\nint nam = ;\n",
    );
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1);
    let said = ran.stderr();
    assert!(
        said.contains("migration.c:2:11: error: expected expression"),
        "{said}"
    );
    assert!(!lab.path("broken/build/broken.wasm").exists());
}

#[test]
fn a_project_that_is_no_migration_shows_why() {
    let lab = Lab::new();
    lab.host(&["new", "broken", "--lang", "js"]).success();
    lab.write(
        "broken/src/migration.js",
        "export default { table: \"users\" };\n",
    );
    let ran = lab.build("broken");
    assert_eq!(ran.status(), 1);
    assert!(
        ran.stderr()
            .contains("the project's default export is no migration"),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_missing_tool_is_named_with_how_to_get_it() {
    let lab = Lab::new();
    lab.host(&["new", "toolless", "--lang", "js"]).success();
    assert_snapshot!(lab.host_with(&[("PATH", "/nowhere")], &["build", "toolless"]), @"
    ------- stderr -------
    error: `node` is missing
    hint: install Node.js 20 or newer, with npm: https://nodejs.org; on Debian: apt-get install nodejs npm
    [exit status: 1]
    ");
    lab.host(&["new", "zigless", "--lang", "c"]).success();
    assert_snapshot!(lab.host_with(&[("PATH", "/nowhere")], &["build", "zigless"]), @"
    ------- stderr -------
    error: zig 0.17.0 is not on PATH, and `python3`, which installs it, is missing
    hint: install Python 3 with its module venv; on Debian: apt-get install python3-venv
    [exit status: 1]
    ");
}

#[test]
fn only_projects_are_built() {
    let lab = Lab::new();
    assert_snapshot!(lab.host(&["build", "."]), @"
    ------- stderr -------
    error: [FOLDER] is no plugin project: it has no plugin.toml
    hint: `host new NAME --lang LANGUAGE` makes one
    [exit status: 1]
    ");
    lab.write("plugin.toml", "language = \"js\"\n\nengin = \"quickjs\"\n");
    assert_snapshot!(lab.host(&["build"]), @r#"
    ------- stderr -------
    error: [FOLDER]/plugin.toml cannot be used: TOML parse error at line 3, column 1
      |
    3 | engin = "quickjs"
      | ^^^^^
    unknown field `engin`, expected one of `language`, `name`, `world`, `engine`, `sdk`, `tools`
    [exit status: 1]
    "#);
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
