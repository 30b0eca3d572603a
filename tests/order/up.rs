//! Scenarios D1 to D8: going up.

use serde_json::json;

use super::{
    FIRST, HEAL, Plugin, SECOND, SKIP, THIRD, TRAP, dev, json, names, put, put_steps, refused,
    runs, team,
};
use crate::common::{STORE, guest};

/// Four migrations whose order is neither that of their names nor that of their versions.
const FOUR: [Plugin<'_>; 4] = [
    Plugin {
        name: "a-last",
        version: 1,
        run_after: &["c-third", "b-second"],
        member: "four",
        at_x: SKIP,
        table: "things",
    },
    Plugin {
        name: "b-second",
        version: 2,
        run_after: &[],
        member: "twos",
        at_x: SKIP,
        table: "things",
    },
    Plugin {
        name: "c-third",
        version: 2,
        run_after: &[],
        member: "tree",
        at_x: SKIP,
        table: "things",
    },
    Plugin {
        name: "d-first",
        version: 1,
        run_after: &[],
        member: "ones",
        at_x: SKIP,
        table: "things",
    },
];

#[test]
fn all_that_is_pending_is_applied_in_order_and_once() {
    let lab = team(&FOUR);
    let plan = json(&lab, &["plan"]);
    let order = ["d-first", "b-second", "c-third", "a-last"];
    assert_eq!(names(&plan, "due"), order);
    assert_eq!(plan["version"], json!(null));
    // A plan writes nothing, the ledger included.
    assert_eq!(
        lab.value("SELECT count(*) FROM sqlite_schema WHERE name LIKE '_host_%'"),
        "0"
    );

    let ran = dev(&lab, &["up"]).success();
    assert_eq!(runs(&lab), order);
    assert!(
        ran.stdout()
            .ends_with("4 migrations applied; the schema version is 2.\n"),
        "{ran}"
    );
    // What each document has was added in that order.
    assert_eq!(
        lab.body("things", "b"),
        r#"{"n":1.0,"ones":true,"twos":true,"tree":true,"four":true}"#
    );

    let before = lab.documents();
    let ran = dev(&lab, &["up"]).success();
    assert_eq!(
        ran.stdout(),
        "Nothing was applied; the schema version is 2.\n"
    );
    assert_eq!((runs(&lab).len(), lab.documents()), (4, before));
    let status = json(&lab, &["status"]);
    assert_eq!(names(&status, "applied"), order);
    assert_eq!(
        (names(&status, "pending").len(), &status["version"]),
        (0, &json!(2))
    );
}

#[test]
fn one_comes_with_what_it_needs_and_others_later() {
    let lab = team(&FOUR);
    dev(&lab, &["up", "a-last"]).success();
    assert_eq!(runs(&lab), ["b-second", "c-third", "a-last"]);
    // What was passed over then has come late by now.
    refused(
        &lab,
        &["up"],
        1,
        "`d-first` (version 1) came late: `c-third` (version 2) is applied already",
    );
    dev(&lab, &["up", "d-first"]).success();
    assert_eq!(runs(&lab).len(), 4);
}

#[test]
fn a_target_is_a_version_or_a_name() {
    let lab = team(&FOUR);
    put(
        &lab,
        &Plugin {
            name: "e-next",
            version: 3,
            member: "five",
            ..Plugin::default()
        },
    );
    dev(&lab, &["up", "--to", "b-second"]).success();
    assert_eq!(runs(&lab), ["d-first", "b-second"]);
    // `a-last` has version 1, and needs one of version 2.
    dev(&lab, &["up", "--to", "1"]).success();
    assert_eq!(runs(&lab), ["d-first", "b-second", "c-third", "a-last"]);
    dev(&lab, &["up", "--to", "2"]).success();
    assert_eq!(runs(&lab).len(), 4);
    dev(&lab, &["up", "--to", "3"]).success();
    assert_eq!(runs(&lab).len(), 5);
    refused(
        &lab,
        &["up", "--to", "nothing"],
        1,
        "there is no migration `nothing`",
    );
    refused(&lab, &["up", "--to", "No Name"], 2, "lower-case words");
}

#[test]
fn it_ends_at_the_first_whose_documents_fail_and_goes_on_with_it() {
    let lab = team(&[]);
    let second = |at_x| Plugin {
        name: "second",
        version: 2,
        member: "twos",
        at_x,
        ..Plugin::default()
    };
    put(&lab, &Plugin::default());
    put(&lab, &second(TRAP));
    put(&lab, &THIRD);
    lab.put("things", [("x", "{}")]);

    let ran = dev(&lab, &["up"]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert_eq!(runs(&lab), ["first", "second"]);
    assert!(ran.stdout().contains("Left: second, third."), "{ran}");
    let status = json(&lab, &["status"]);
    assert_eq!(names(&status, "failures_left"), ["second"]);
    assert_eq!(
        (names(&status, "pending"), &status["version"]),
        (vec!["third"], &json!(1))
    );

    // Nothing was mended: the document is tried again, and fails again.
    assert_eq!(dev(&lab, &["up"]).status(), 3);
    assert_eq!(runs(&lab), ["first", "second"]);

    put(&lab, &second(HEAL));
    let ran = dev(&lab, &["up"]).success();
    assert!(ran.stdout().contains("retry of run 2 finished"), "{ran}");
    assert_eq!(runs(&lab), ["first", "second", "third"]);
    assert_eq!(lab.body("things", "x"), r#"{"twos":true}"#);
    assert_eq!(json(&lab, &["status"])["version"], json!(3));
    // The bytes that mended it are those that are applied.
    dev(&lab, &["verify"]).success();
}

#[test]
fn failures_may_be_allowed_and_are_told_as_long_as_they_last() {
    let lab = team(&[
        Plugin {
            at_x: TRAP,
            ..Plugin::default()
        },
        SECOND,
    ]);
    lab.put("things", [("x", "{}")]);
    let ran = dev(&lab, &["up", "--allow-failures"]);
    assert_eq!(ran.status(), 3, "{ran}");
    assert_eq!(runs(&lab), ["first", "second"]);
    let status = json(&lab, &["status"]);
    assert_eq!(names(&status, "failures_left"), ["first"]);
    assert_eq!(status["version"], json!(2));
    lab.sql("DELETE FROM things WHERE _id = 'x'");
    dev(&lab, &["up"]).success();
    assert_eq!(
        names(&json(&lab, &["status"]), "applied"),
        ["first", "second"]
    );
}

#[test]
fn an_unfinished_run_goes_on_and_with_other_bytes_begins_anew_on_demand() {
    let lab = team(&[Plugin {
        at_x: TRAP,
        ..Plugin::default()
    }]);
    lab.put("things", [("x", "{}"), ("z", "{}")]);
    let ran = dev(&lab, &["up", "--batch-size", "1", "--on-error", "stop"]);
    assert_eq!(ran.status(), 1, "{ran}");
    assert_eq!(names(&json(&lab, &["status"]), "unfinished"), ["first"]);

    let ran = dev(&lab, &["up"]);
    assert_eq!((ran.status(), runs(&lab).len()), (3, 1), "{ran}");
    assert_eq!(lab.body("things", "z"), r#"{"done":true}"#);

    let lab = team(&[Plugin {
        at_x: TRAP,
        ..Plugin::default()
    }]);
    lab.put("things", [("x", "{}"), ("z", "{}")]);
    dev(&lab, &["up", "--batch-size", "1", "--on-error", "stop"]);
    put(
        &lab,
        &Plugin {
            at_x: HEAL,
            ..Plugin::default()
        },
    );
    let ran = dev(&lab, &["up"]);
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(
        ran.stderr().contains("was made with other plugin bytes"),
        "{ran}"
    );
    dev(&lab, &["up", "--restart"]).success();
    assert_eq!(names(&json(&lab, &["status"]), "applied"), ["first"]);
    assert_eq!(lab.body("things", "x"), r#"{"done":true}"#);
}

#[test]
fn nothing_runs_where_there_is_no_order() {
    let lab = team(&[
        Plugin {
            name: "lonely",
            run_after: &["nobody", "none"],
            ..Plugin::default()
        },
        Plugin {
            name: "fine",
            ..Plugin::default()
        },
    ]);
    refused(
        &lab,
        &["up"],
        1,
        "`lonely` runs after `nobody`, which is neither in the folder nor applied\n  `lonely` runs after `none`",
    );

    let lab = team(&[
        Plugin {
            name: "aa",
            run_after: &["bb"],
            ..Plugin::default()
        },
        Plugin {
            name: "bb",
            run_after: &["cc"],
            ..Plugin::default()
        },
        Plugin {
            name: "cc",
            run_after: &["aa"],
            ..Plugin::default()
        },
        Plugin {
            name: "fine",
            ..Plugin::default()
        },
    ]);
    refused(
        &lab,
        &["up"],
        1,
        "`aa` runs after `bb`, `bb` runs after `cc`, `cc` runs after `aa`: a circle has no beginning",
    );

    let lab = team(&[FIRST]);
    put_steps(&lab, "first", "version = 4");
    refused(
        &lab,
        &["up"],
        1,
        "`first` is in two files: first.toml, first.wasm",
    );
}

#[test]
fn changed_bytes_of_what_was_applied_are_refused_until_they_are_accepted() {
    let lab = team(&[FIRST]);
    dev(&lab, &["up"]).success();
    put(
        &lab,
        &Plugin {
            at_x: HEAL,
            ..Plugin::default()
        },
    );
    put(&lab, &SECOND);
    refused(&lab, &["up"], 1, "`first` was applied with other bytes");
    assert!(dev(&lab, &["plan"]).stdout().contains("applied, changed"));
    let gate = dev(&lab, &["verify", "--unchanged"]);
    assert_eq!(
        (gate.status(), gate.stdout().as_str()),
        (4, "no: changed since they were applied: `first`\n")
    );

    refused(&lab, &["repair", "first"], 2, "--accept");
    refused(
        &lab,
        &["repair", "second", "--accept"],
        1,
        "`second` is pending: there is nothing to accept",
    );
    dev(
        &lab,
        &["repair", "first", "--accept", "--why", "a newer compiler"],
    )
    .success();
    refused(
        &lab,
        &["repair", "first", "--accept"],
        1,
        "`first` has the bytes that were applied",
    );
    dev(&lab, &["verify", "--unchanged"]).success();
    dev(&lab, &["up"]).success();
    assert_eq!(runs(&lab), ["first", "second"]);
    let history = json(&lab, &["history"]);
    let accepted = &history.as_array().unwrap()[1];
    assert_eq!(accepted["event"], "accepted");
    assert_eq!(accepted["why"], "a newer compiler");
    // The file that was applied has become another one, too.
    put(&lab, &Plugin::default());
    refused(&lab, &["up"], 1, "`first` was applied with other bytes");
}

#[test]
fn what_came_late_is_applied_on_demand() {
    let lab = team(&[FIRST, THIRD]);
    dev(&lab, &["up"]).success();
    put(&lab, &SECOND);
    // Of the same version as the last one: two people were at it at the same time.
    put(
        &lab,
        &Plugin {
            name: "also-third",
            version: 3,
            member: "also",
            ..Plugin::default()
        },
    );
    refused(&lab, &["up"], 1, "`second` (version 2) came late");
    assert!(dev(&lab, &["plan"]).stdout().contains("pending, late"));
    dev(&lab, &["up", "--out-of-order"]).success();
    assert_eq!(runs(&lab), ["first", "third", "second", "also-third"]);
}

#[test]
fn what_came_late_is_told_by_what_runs_after_it_or_is_gone() {
    // Of one version: only that the other runs after it tells.
    let lab = team(&[
        Plugin {
            table: "others",
            ..Plugin::default()
        },
        Plugin {
            name: "second",
            run_after: &["first"],
            member: "twos",
            ..Plugin::default()
        },
    ]);
    dev(&lab, &["up"]).success();
    lab.host(&["undo", "1", "--store", STORE]).success();
    refused(
        &lab,
        &["up"],
        1,
        "`first` (version 1) came late: `second` (version 1) is applied already",
    );

    let third = Plugin {
        name: "third",
        version: 3,
        ..Plugin::default()
    };
    let lab = team(&[third]);
    dev(&lab, &["up"]).success();
    std::fs::remove_file(lab.path("migrations/third.wasm")).unwrap();
    put(&lab, &Plugin::default());
    refused(
        &lab,
        &["up"],
        1,
        "`first` (version 1) came late: `third` (version 3) is applied already",
    );
}

#[test]
fn what_is_gone_is_told_as_it_was_applied_and_not_once_it_was_taken_back() {
    let plugin = |name, member| Plugin {
        name,
        member,
        ..Plugin::default()
    };
    let lab = team(&[plugin("z-first", "ones")]);
    dev(&lab, &["up"]).success();
    put(&lab, &plugin("a-second", "twos"));
    put(&lab, &plugin("b-third", "tree"));
    dev(&lab, &["up", "a-second"]).success();
    dev(&lab, &["up", "b-third"]).success();
    dev(&lab, &["down"]).success();
    for name in ["z-first", "a-second", "b-third"] {
        std::fs::remove_file(lab.path(&format!("migrations/{name}.wasm"))).unwrap();
    }
    let plan = json(&lab, &["plan"]);
    let missing = plan["migrations"].as_array().unwrap();
    let missing: Vec<_> = missing.iter().map(|known| &known["name"]).collect();
    assert_eq!(missing, ["z-first", "a-second"]);
}

#[test]
fn what_is_half_taken_back_is_told_before_a_baseline() {
    let lab = team(&[FIRST]);
    dev(&lab, &["baseline", "1"]).success();
    lab.run("migrations/first.wasm", &[]).success();
    // As it is while the run is taken back.
    lab.sql("UPDATE _host_runs SET state = 'undoing'");
    refused(&lab, &["baseline", "1"], 1, "`first` is half undone");
}

#[test]
fn what_is_gone_from_the_folder_is_missing_and_may_be_run_after() {
    let lab = team(&[FIRST]);
    dev(&lab, &["up"]).success();
    std::fs::remove_file(lab.path("migrations/first.wasm")).unwrap();
    put(
        &lab,
        &Plugin {
            name: "second",
            version: 2,
            run_after: &["first"],
            member: "twos",
            ..Plugin::default()
        },
    );
    let plan = json(&lab, &["plan"]);
    assert_eq!(names(&plan, "due"), ["second"]);
    assert_eq!(
        (&plan["migrations"][0]["missing"], &plan["version"]),
        (&json!(true), &json!(1))
    );
    dev(&lab, &["up"]).success();
}

#[test]
fn a_run_by_hand_counts() {
    let lab = team(&[FIRST]);
    lab.run("migrations/first.wasm", &["--limit", "1"])
        .success();
    assert_eq!(names(&json(&lab, &["status"]), "unfinished"), ["first"]);
    dev(&lab, &["up"]).success();
    assert_eq!(runs(&lab), ["first"]);

    let lab = team(&[FIRST]);
    // Over another table it is somebody's own idea.
    lab.run("migrations/first.wasm", &["--table", "others"])
        .success();
    assert_eq!(names(&json(&lab, &["status"]), "pending"), ["first"]);
    lab.run("migrations/first.wasm", &[]).success();
    assert_eq!(names(&json(&lab, &["status"]), "applied"), ["first"]);
    lab.host(&["undo", "2", "--store", STORE]).success();
    assert_eq!(names(&json(&lab, &["status"]), "pending"), ["first"]);
}

#[test]
fn grants_are_looked_at_before_anything_runs_and_parameters_come_from_the_settings() {
    let lab = team(&[FIRST]);
    std::fs::copy(guest("scripted"), lab.path("migrations/scripted.wasm")).unwrap();
    refused(&lab, &["up"], 1, "`scripted` wants to read table `facts`");
    let settings = lab.read("host.toml");
    lab.write(
        "host.toml",
        format!("{settings}[run]\nallow = [\"read:facts\", \"write:others\"]\n[params.scripted]\nphase = \"copy\"\nmost = 5\n"),
    );
    dev(&lab, &["up"]).success();
    // Grants that were kept for these bytes do as well.
    dev(&lab, &["down"]).success();
    let inspected = lab.host(&["inspect", guest("scripted"), "--format", "json"]);
    let sha256 = inspected
        .report()
        .get("sha256")
        .as_str()
        .unwrap()
        .to_owned();
    lab.write(
        "host.toml",
        format!("{settings}[params.scripted]\nphase = \"copy\"\nmost = 5\n[grants.scripted]\nsha256 = \"{sha256}\"\nallow = [\"read:facts\", \"write:others\"]\n"),
    );
    dev(&lab, &["up"]).success();
    let history = json(&lab, &["history", "--migration", "scripted"]);
    assert_eq!(
        history[0]["parameters"],
        json!({"phase": "copy", "most": 5})
    );
}

#[test]
fn a_copy_is_made_before_anything_is_applied() {
    let lab = team(&[FIRST]);
    let before = lab.documents();
    dev(&lab, &["up", "--backup", "before.db"]).success();
    assert_ne!(lab.documents(), before);
    let restore = ["restore", "before.db", "--replace"];
    dev(&lab, &restore).success();
    assert_eq!(lab.documents(), before);
    // It is not written over.
    let ran = dev(&lab, &["up", "--backup", "before.db"]);
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(ran.stderr().contains("before.db"), "{ran}");
    assert_eq!(lab.documents(), before);
    // Nothing to apply, nothing to go back to.
    dev(&lab, &["up"]).success();
    dev(&lab, &["up", "--backup", "again.db"]).success();
    assert!(!lab.path("again.db").exists());
}

#[test]
fn a_migration_without_data_work_has_its_place_and_two_hundred_have_theirs() {
    let lab = team(&[Plugin {
        name: "m100-data",
        version: 101,
        run_after: &["m099"],
        ..Plugin::default()
    }]);
    for number in 0_u32..200 {
        // Each runs after the one before, and versions and names say the same.
        let after = match number {
            0 | 100 => String::new(),
            101 => "run-after = [\"m100-data\"]".into(),
            _ => format!("run-after = [\"m{:03}\"]", number - 1),
        };
        put_steps(
            &lab,
            &format!("m{number:03}"),
            &format!("version = {}\n{after}", number + 1),
        );
    }
    let plan = json(&lab, &["plan"]);
    let due = names(&plan, "due");
    assert_eq!(due.len(), 201);
    assert!(due.is_sorted(), "{due:?}");
    dev(&lab, &["up"]).success();
    let history = json(&lab, &["history"]);
    let mut applied: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|happened| happened["migration"].as_str().unwrap())
        .collect();
    applied.sort_unstable();
    assert_eq!(applied, due);
    assert_eq!(json(&lab, &["status"])["version"], json!(200));
    assert_eq!(lab.body("things", "a"), r#"{"done":true}"#);
}

#[test]
fn the_history_tells_who_did_what_when_with_what_and_how_it_ended() {
    let lab = team(&[Plugin {
        at_x: TRAP,
        ..Plugin::default()
    }]);
    put_steps(&lab, "second", "version = 2\ndescription = \"by the DBA\"");
    lab.put("things", [("x", "{}")]);
    let mut command = lab.command(&["up", "--env", "dev", "--allow-failures"]);
    let ran = lab.ran(command.env("USER", "ada").output().unwrap());
    assert_eq!(ran.status(), 3, "{ran}");
    let history = json(&lab, &["history"]);
    let [steps, run] = &history.as_array().unwrap()[..] else {
        panic!("{history}")
    };
    for (member, expected) in [
        ("event", json!("run")),
        ("migration", json!("first")),
        ("version", json!(1)),
        ("state", json!("finished")),
        ("total", json!(3)),
        ("updated", json!(2)),
        ("failed", json!(1)),
        ("parameters", json!({})),
    ] {
        assert_eq!(run[member], expected, "{member} of {run}");
    }
    assert!(run["by"].as_str().unwrap().starts_with("ada@"), "{run}");
    let inspected = lab.host(&["inspect", "migrations/first.wasm", "--format", "json"]);
    assert_eq!(run["plugin"], *inspected.report().get("sha256"));
    assert_eq!(
        (&steps["event"], &steps["migration"]),
        (&json!("applied"), &json!("second"))
    );
    assert!(steps["by"].as_str().unwrap().starts_with("ada@"), "{steps}");
    let text = dev(&lab, &["history"]).success().stdout();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("WHEN"), "{text}");
    assert!(
        lines[1].contains("second") && lines[2].contains("run 1 finished"),
        "{text}"
    );
}

#[test]
fn what_was_accepted_holds_until_it_is_applied_anew() {
    let lab = team(&[FIRST]);
    dev(&lab, &["up"]).success();
    // The new one says that it is of another version.
    put(
        &lab,
        &Plugin {
            version: 5,
            ..Plugin::default()
        },
    );
    dev(&lab, &["repair", "first", "--accept"]).success();
    assert_eq!(json(&lab, &["status"])["version"], 5);
    dev(&lab, &["down"]).success();
    put(
        &lab,
        &Plugin {
            version: 2,
            ..Plugin::default()
        },
    );
    dev(&lab, &["up"]).success();
    dev(&lab, &["verify"]).success();
    assert_eq!(json(&lab, &["status"])["version"], 2);
}
