//! What cannot be done is refused with a message that tells what to do next, and the store stays what it was.

mod imports;
mod outcomes;
mod plugins;
mod stores;

use std::fs;

use insta::assert_snapshot;

use crate::common::{Lab, Ran, STORE, guest, scripted};

/// Runs a command that must fail, and must leave every byte of the database as it was.
#[track_caller]
fn refused(lab: &Lab, arguments: &[&str]) -> Ran {
    let database = || fs::read(lab.path("app.db")).ok();
    let before = database();
    let ran = lab.host(arguments);
    assert!(matches!(ran.status(), 1 | 2), "{ran}");
    assert!(database() == before, "the database has changed:\n{ran}");
    ran
}

#[test]
fn a_parameter_without_a_value() {
    let lab = Lab::with_things([("a", "{}")]);
    let ran = refused(&lab, &scripted(&["--param", "phase"]));
    assert_eq!(ran.status(), 2);
    assert_snapshot!(ran, @"
    ------- stderr -------
    error: invalid value 'phase' for '--param <NAME=VALUE>': expected NAME=VALUE

    For more information, try '--help'.
    [exit status: 2]
    ");
    assert_eq!(refused(&lab, &scripted(&["--param", "=x"])).status(), 2);
    assert_snapshot!(refused(&lab, &scripted(&["--param", "a=1", "--param", "a=2"])), @"
    ------- stderr -------
    error: the parameter `a` is given twice
    [exit status: 2]
    ");
}

#[test]
fn what_was_not_granted_is_named_with_its_flag() {
    let lab = Lab::with_things([("a", "{}")]);
    let run = ["run", guest("scripted"), "--store", STORE];
    assert_snapshot!(refused(&lab, &run), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to read table `facts` and to write table `others`, which was not granted
    hint: if you want to let it: --allow read:facts --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts", "write:others"]
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &[&run[..], &["--allow", "read:facts"]].concat()), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to write table `others`, which was not granted
    hint: if you want to let it: --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["write:others"]
    [exit status: 1]
    "#);
    // A dry run is no way around it.
    assert_snapshot!(refused(&lab, &[&run[..], &["--allow", "write:others", "--dry-run"]].concat()), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to read table `facts`, which was not granted
    hint: if you want to let it: --allow read:facts
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts"]
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &["run", guest("secretive"), "--store", STORE]), @r#"
    ------- stderr -------
    error: the migration `secretive` wants to see the secret `api-key`, which was not granted
    hint: if you want to let it: --allow secret:api-key
    hint: or, for these bytes only, in host.toml:
      [grants.secretive]
      sha256 = "[SHA-256]"
      allow = ["secret:api-key"]
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &["run", guest("secretive"), "--store", STORE, "--allow", "secret:api-key"]), @"
    ------- stderr -------
    error: the secret `api-key` was granted, but the environment variable HOST_SECRET_API_KEY that holds it is not set
    hint: set HOST_SECRET_API_KEY in the environment of this command, or say where the secret is: --secret-file api-key=FILE, --secret-stdin api-key, or [secrets] in the settings file
    [exit status: 1]
    ");
}

#[test]
fn a_grant_that_is_none() {
    let lab = Lab::with_things([("a", "{}")]);
    for grant in ["others", "read:", "delete:others"] {
        let ran = refused(
            &lab,
            &["run", guest("scripted"), "--store", STORE, "--allow", grant],
        );
        assert_eq!(ran.status(), 2, "{ran}");
    }
    assert_snapshot!(refused(&lab, &["run", guest("scripted"), "--store", STORE, "--allow", "others"]), @"
    ------- stderr -------
    error: invalid value 'others' for '--allow <read:TABLE|write:TABLE|secret:NAME>': `others` is no grant: write read:TABLE, write:TABLE or secret:NAME

    For more information, try '--help'.
    [exit status: 2]
    ");
}

#[test]
fn numbers_and_times_out_of_range_are_wrong_usage() {
    let lab = Lab::with_things([("a", "{}")]);
    for (flag, value) in [
        ("--batch-size", "0"),
        ("--batch-size", "many"),
        ("--limit", "-1"),
        ("--lock-timeout", "5"),
        ("--format", "yaml"),
    ] {
        let ran = refused(
            &lab,
            &["run", guest("scripted"), "--store", STORE, flag, value],
        );
        assert_eq!(ran.status(), 2, "{flag} {value}: {ran}");
    }
    assert_snapshot!(refused(&lab, &["run", guest("scripted"), "--store", STORE, "--batch-size", "0"]), @"
    ------- stderr -------
    error: invalid value '0' for '--batch-size <N>': expected a number from 1 on

    For more information, try '--help'.
    [exit status: 2]
    ");
}

#[test]
fn an_unknown_key_in_the_settings_file_is_named_with_its_line() {
    let lab = Lab::with_things([("a", "{}")]);
    lab.write(
        "host.toml",
        "store = \"sqlite:app.db\"\n\n[run]\nbatchsize = 5\n",
    );
    assert_snapshot!(refused(&lab, &["tables"]), @"
    ------- stderr -------
    error: host.toml cannot be used: TOML parse error at line 4, column 1
      |
    4 | batchsize = 5
      | ^^^^^^^^^
    unknown field `batchsize`, expected one of `batch-size`, `max-lock`, `workers`, `keep-undo`, `allow`
    [exit status: 1]
    ");
    lab.write(
        "host.toml",
        "[tables.things]\nkey = \"_id\"\ndocument = \"body\"\n",
    );
    assert_snapshot!(refused(&lab, &["export", "--store", STORE, "--table", "things"]), @r#"
    ------- stderr -------
    error: the settings of table `things` do not fit it: `document = "body"` names no column; the columns are _id, doc
    hint: mend [tables] in host.toml
    [exit status: 1]
    "#);
    lab.write("host.toml", "[run]\nallow = [\"others\"]\n");
    assert_snapshot!(refused(&lab, &["run", guest("scripted"), "--store", STORE]), @r#"
    ------- stderr -------
    error: host.toml cannot be used: TOML parse error at line 2, column 9
      |
    2 | allow = ["others"]
      |         ^^^^^^^^^^
    `others` is no grant: write read:TABLE, write:TABLE or secret:NAME
    [exit status: 1]
    "#);
    assert_snapshot!(refused(&lab, &["tables", "--config", "other.toml"]), @"
    ------- stderr -------
    error: the settings file other.toml cannot be read: No such file or directory (os error 2)
    [exit status: 1]
    ");
}
