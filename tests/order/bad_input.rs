//! What cannot be used is told with what is wrong and where, and nothing is applied.

use std::fs;

use super::{FIRST, dev, put_steps, refused, team};
use crate::common::Lab;

#[test]
fn a_folder_that_is_none() {
    let lab = team(&[]);
    fs::remove_dir(lab.path("migrations")).unwrap();
    for command in [&["plan"][..], &["up"], &["baseline", "1"], &["verify"]] {
        refused(
            &lab,
            command,
            1,
            "the folder of migrations migrations cannot be read",
        );
    }
    // These tell of the store.
    dev(&lab, &["status"]).success();
    dev(&lab, &["history"]).success();
    refused(
        &lab,
        &["status", "--migrations", "elsewhere"],
        1,
        "the folder of migrations elsewhere cannot be read",
    );
    refused(
        &lab,
        &["up", "--migrations", "host.toml"],
        1,
        "the folder of migrations host.toml cannot be read",
    );
}

#[test]
fn a_file_that_is_no_migration() {
    let lab = team(&[FIRST]);
    lab.write("migrations/README.md", "not looked at");
    lab.write("migrations/.hidden.wasm", "not looked at");
    fs::create_dir(lab.path("migrations/split-name")).unwrap();
    lab.write("migrations/broken.wasm", "no component");
    refused(
        &lab,
        &["up"],
        1,
        "migrations/broken.wasm is not WebAssembly",
    );
    fs::remove_file(lab.path("migrations/broken.wasm")).unwrap();
    lab.write(
        "migrations/broken.wasm",
        wat::parse_str("(module)").unwrap(),
    );
    refused(&lab, &["up"], 1, "migrations/broken.wasm");
    fs::remove_file(lab.path("migrations/broken.wasm")).unwrap();
    for (text, told) in [
        ("version = 2\nrunafter = []", "runafter"),
        (
            "version = 2\n[[steps]]\ndrop-tables = { name = \"x\" }",
            "drop-tables",
        ),
        ("version = \"two\"", "line 1"),
        ("name = \"b\"", "missing field `version`"),
        ("version = 2\nname = \"B\"", "`B` is no name of a migration"),
        ("version = ", "line 1"),
    ] {
        put_steps(&lab, "bad", text);
        refused(&lab, &["up"], 1, "migrations/bad.toml cannot be used");
        refused(&lab, &["plan"], 1, told);
    }
    fs::write(lab.path("migrations/bad.toml"), b"\xff").unwrap();
    refused(&lab, &["up"], 1, "migrations/bad.toml cannot be read");
}

#[test]
fn settings_that_name_no_store_or_two() {
    let lab = team(&[FIRST]);
    let before = lab.everything();
    let told = |arguments: &[&str], status: i32, message: &str| {
        let ran = lab.host(arguments);
        assert_eq!(ran.status(), status, "{ran}");
        assert!(ran.stderr().contains(message), "{message}\n---\n{ran}");
        assert_eq!(lab.everything(), before);
    };
    told(
        &["up", "--env", "test"],
        1,
        "there is no environment `test` in the settings file",
    );
    told(
        &["up", "--env", "test"],
        1,
        "hint: the settings file has dev, prod",
    );
    told(&["up"], 2, "an environment of host.toml with --env");
    told(
        &["up", "--env", "dev", "--store", "sqlite:prod.db"],
        2,
        "two stores are named: sqlite:prod.db, and that of environment `dev`",
    );
    let ran = lab.host_with(
        &[("HOST_ENV", "dev"), ("HOST_STORE", "sqlite:prod.db")],
        &["up"],
    );
    assert_eq!(ran.status(), 2, "{ran}");
    told(
        &["up", "--env", "dev", "--require", "test"],
        1,
        "there is no environment `test`",
    );
    let settings = lab.read("host.toml");
    for (more, message) in [
        ("[env.test]\nstores = \"sqlite:x.db\"", "stores"),
        ("[env.test]\nrequire = \"dev\"", "missing field `store`"),
        ("[environment.test]\nstore = \"sqlite:x.db\"", "environment"),
        ("migration = \"m\"", "migration"),
    ] {
        lab.write("host.toml", format!("{more}\n{settings}"));
        told(&["up", "--env", "dev"], 1, message);
        told(&["plan", "--env", "dev"], 1, "host.toml cannot be used");
    }
}

#[test]
fn an_environment_is_chosen_by_a_variable_and_the_folder_by_the_settings() {
    let lab = team(&[FIRST]);
    fs::rename(lab.path("migrations"), lab.path("changes")).unwrap();
    let settings = lab.read("host.toml");
    lab.write("host.toml", format!("migrations = \"changes\"\n{settings}"));
    lab.host_with(&[("HOST_ENV", "dev")], &["up"]).success();
    assert_eq!(lab.body("things", "a"), r#"{"done":true}"#);
}

#[test]
fn a_ledger_of_an_earlier_development_build_is_told() {
    let lab = Lab::with(
        "CREATE TABLE _host_meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID; INSERT INTO _host_meta VALUES ('version', 1)",
    );
    let ran = lab.host(&["runs", "--store", "sqlite:app.db"]);
    assert_eq!(ran.status(), 1);
    assert!(
        ran.stderr()
            .contains("the store's ledger has version 1, of an earlier development build"),
        "{ran}"
    );
}
