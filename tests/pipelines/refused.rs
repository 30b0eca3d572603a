//! Plugins that cannot be stages of one pipeline are refused before anything is read.

use insta::assert_snapshot;

use super::{edit, hands_on, pipeline};
use crate::common::{Lab, Ran, SCRIPTED_GRANTS, STORE, guest, plugin};
use crate::hostile::guest::{Guest, Manifest};

/// A lab with the tables of the plugins below, and with documents that would be changed.
fn lab() -> Lab {
    let lab = Lab::with_things([("a", hands_on(&edit()).as_str())]);
    lab.sql(
        "CREATE TABLE users (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
         CREATE TABLE posts (_id TEXT PRIMARY KEY, doc JSON NOT NULL);",
    );
    lab.put("users", [("u", r#"{"name":"Ada King"}"#)]);
    lab
}

#[track_caller]
fn refused(lab: &Lab, arguments: &[&str]) -> Ran {
    let before = lab.everything();
    let ran = lab.host(&[&["run"], arguments, &["--store", STORE]].concat());
    assert_eq!(ran.status(), 2, "{ran}");
    assert_eq!(lab.everything(), before, "{ran}");
    ran
}

#[test]
fn what_cannot_be_one_pipeline_is_told() {
    let lab = lab();
    let split = plugin("split-name");
    assert_snapshot!(refused(&lab, &[split, plugin("instructor-role"), split]), @"
    ------- stderr -------
    error: `split-name` is given twice: a migration is one stage of a pipeline
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, &[split, plugin("status-enum")]), @"
    ------- stderr -------
    error: the plugins of a pipeline work on one table: `split-name` is for `users`, `status-enum` is for `posts`
    hint: run them one after the other, or name the table that all of them work on with --table
    [exit status: 2]
    ");
    let looks = [guest("filtered"), guest("self-reading")];
    assert_snapshot!(refused(&lab, &looks), @"
    ------- stderr -------
    error: `self-reading` looks into table `things`, which `filtered` writes: whether it finds what that one makes of other documents would depend on their order
    hint: run them one after the other
    [exit status: 2]
    ");
    // Its own table it may look into alone.
    let alone = lab.host(&["run", guest("self-reading"), "--store", STORE]);
    alone.success();
}

#[test]
fn plugins_stand_in_the_order_in_which_they_run_after_each_other() {
    let lab = lab();
    let put = |name: &str, run_after: &[&str]| {
        let guest = Guest {
            manifest: Manifest {
                name,
                run_after,
                table: "things",
                ..Manifest::default()
            },
            ..Guest::default()
        };
        lab.write(&format!("{name}.wasm"), guest.component());
    };
    put("first", &[]);
    put("second", &["first"]);
    assert_snapshot!(refused(&lab, &["second.wasm", "first.wasm"]), @"
    ------- stderr -------
    error: `second` runs after `first`, which stands behind it
    hint: give them in the other order
    [exit status: 2]
    ");
    lab.host(&["run", "first.wasm", "second.wasm", "--store", STORE])
        .success();
}

#[test]
fn whose_a_parameter_and_a_grant_is_must_be_said() {
    let lab = lab();
    let stages = [guest("scripted"), guest("filtered")];
    let with = |more: &[&'static str]| [&stages[..], SCRIPTED_GRANTS, more].concat();
    assert_snapshot!(refused(&lab, &with(&["--param", "phase=copy"])), @"
    ------- stderr -------
    error: whose is the parameter `phase`? There are several plugins
    hint: write --param scripted:phase=… or --param filtered:phase=…
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, &with(&["--param", "other:phase=copy"])), @"
    ------- stderr -------
    error: whose is the parameter `other:phase`? There is no migration `other` here
    hint: write --param scripted:phase=… or --param filtered:phase=…
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, &with(&["--param", "filtered:p=1", "--param", "filtered:p=2"])), @"
    ------- stderr -------
    error: the parameter `filtered:p` is given twice
    [exit status: 2]
    ");
    let both = |allow: &[&'static str]| {
        [
            &[guest("scripted"), plugin("link-primary-sites")][..],
            allow,
        ]
        .concat()
    };
    lab.sql("CREATE TABLE participants (_id TEXT PRIMARY KEY, doc JSON NOT NULL);");
    let table = ["--table", "things"];
    let ran = lab.host(
        &[
            &["run", "--store", STORE],
            &both(&["--allow", "scripted:read:facts"])[..],
            &table,
        ]
        .concat(),
    );
    // What is one stage's grant is not the other's.
    assert_eq!(ran.status(), 1, "{ran}");
    assert_snapshot!(ran, @r#"
    ------- stderr -------
    error: the migration `scripted` wants to write table `others`, which was not granted
    hint: if you want to let it: --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["write:others"]
    [exit status: 1]
    "#);
}

#[test]
fn what_several_stages_want_is_let_by_name() {
    let lab = lab();
    let put = |name: &str| {
        let guest = Guest {
            manifest: Manifest {
                name,
                table: "things",
                reads: &["facts"],
                ..Manifest::default()
            },
            ..Guest::default()
        };
        lab.write(&format!("{name}.wasm"), guest.component());
    };
    put("one");
    put("two");
    assert_snapshot!(refused(&lab, &["one.wasm", "two.wasm", "--allow", "read:facts"]), @"
    ------- stderr -------
    error: which plugin is let do it? Several want to read table `facts`
    hint: write --allow one:read:facts or --allow two:read:facts, or all of them
    [exit status: 2]
    ");
    let by_name = ["--allow", "one:read:facts", "--allow", "two:read:facts"];
    lab.host(
        &[
            &["run", "one.wasm", "two.wasm", "--store", STORE],
            &by_name[..],
        ]
        .concat(),
    )
    .success();
}

/// `--revert` and `host check` are of one plugin.
#[test]
fn a_pipeline_has_no_way_back_but_its_undo_log() {
    let lab = Lab::with_things([("a", hands_on(&edit()).as_str())]);
    let before = lab.documents();
    lab.host(&pipeline(&[])).success();
    let after = lab.everything();
    let revert = lab.host(
        &[
            &["undo", "1", "--revert", "--store", STORE],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    assert_snapshot!(revert, @"
    ------- stderr -------
    error: run 1 is of several plugins, `scripted+filtered`, and these have no `revert` together
    hint: `host undo 1` takes it back, from the undo log
    [exit status: 1]
    ");
    assert_eq!(lab.everything(), after);
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.documents(), before);
}
