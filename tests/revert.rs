//! Taking a run back by the plugin's own `revert`: over the run's documents, and with the promises of a run.

use std::fs;
use std::thread;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{Lab, Report, SCRIPTED_GRANTS, STORE, guest, many_of, plugin};

/// Edits that set `n`, and a way back that removes it, if it is there.
const THING: &str =
    r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]},"undo":{"edit":[{"remove":{"at":"/n"}}]}}"#;
const MIGRATED: &str = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]},"undo":{"edit":[{"remove":{"at":"/n"}}]},"n":1}"#;

/// The command line that has the plugin take run 1 back.
fn revert<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [
        &["undo", "1", "--store", STORE, "--revert"],
        SCRIPTED_GRANTS,
        more,
    ]
    .concat()
}

fn report(lab: &Lab, more: &[&str]) -> Report {
    lab.host(&revert(&[&["--format", "json"], more].concat()))
        .report()
}

fn migrate(lab: &Lab, more: &[&str]) -> Report {
    lab.report(guest("reversible"), &[SCRIPTED_GRANTS, more].concat())
}

fn show(lab: &Lab, run: &str) -> Value {
    let shown = lab
        .host(&["show", run, "--store", STORE, "--format", "json"])
        .success();
    serde_json::from_str(&shown.stdout()).unwrap()
}

fn state(lab: &Lab, run: &str) -> Value {
    show(lab, run)["state"].clone()
}

/// How many things have been migrated, and not been taken back.
fn migrated(lab: &Lab) -> usize {
    lab.value("SELECT count(*) FROM things WHERE json_extract(doc, '$.n') = 1")
        .parse()
        .unwrap()
}

fn undo_log(lab: &Lab, run: &str) -> String {
    lab.value(&format!(
        "SELECT count(*) FROM _host_undo WHERE run = {run}"
    ))
}

#[test]
fn revert_is_given_the_documents_of_the_run_and_no_others() {
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things([
            ("a", THING),
            ("b", THING),
            ("skipped", r#"{"undo":"delete"}"#),
        ]);
        migrate(&lab, &[]);
        // Where undo would leave it alone, a plugin knows what to do.
        lab.put(
            "things",
            [("b", &*MIGRATED.replacen('{', r#"{"user":1.0,"#, 1))],
        );
        // It looks as if the run had been there, but it was not.
        lab.put("things", [("new", MIGRATED)]);
        let reverted = report(&lab, &["--batch-size", batch_size]);
        assert_eq!(reverted.adds_up().counts(), [2, 2, 0, 0, 0]);
        assert_eq!(
            (reverted.number("run"), reverted.get("state")),
            (2, &json!("finished"))
        );
        assert_eq!(lab.body("things", "a"), THING);
        assert_eq!(
            lab.body("things", "b"),
            THING.replacen('{', r#"{"user":1.0,"#, 1)
        );
        assert_eq!(lab.body("things", "new"), MIGRATED);
        assert_eq!(lab.body("things", "skipped"), r#"{"undo":"delete"}"#);
        assert_eq!(
            (state(&lab, "1"), undo_log(&lab, "1")),
            (json!("undone"), "0".into())
        );
        assert_eq!(
            (show(&lab, "2")["reverts"].clone(), state(&lab, "2")),
            (json!(1), json!("finished"))
        );

        let again = lab.host(&revert(&[]));
        assert_eq!(again.status(), 1);
        assert!(
            again
                .stderr()
                .contains("run 1 cannot be undone: it was undone already"),
            "{again}"
        );
        // A run that takes another back is none that the migration goes on with, or is run again for.
        let anew = migrate(&lab, &[]);
        assert_eq!(anew.number("run"), 3);
        assert_eq!(anew.adds_up().counts(), [4, 2, 2, 0, 0]);
    }
}

#[test]
fn a_revert_is_shown_to_a_person() {
    let lab = Lab::with_things([
        ("a", THING),
        (
            "b",
            &*THING.replace(
                r#""undo":{"edit":[{"remove":{"at":"/n"}}]}"#,
                r#""undo":{"skip":"never was"}"#,
            ),
        ),
    ]);
    migrate(&lab, &[]);
    let before = lab.everything();
    assert_snapshot!(lab.host(&revert(&["--dry-run"])), @"
    things a
      - /n 1
    scripted over `things`: dry revert of run 1 finished in [TIME] s
               2 given to `revert`
               1 would be updated
               1 skipped
                   1 never was
               0 failed
    Nothing was written. Next: the same command without --dry-run.
    [exit status: 0]
    ");
    assert_eq!(lab.everything(), before);
    assert_snapshot!(lab.host(&revert(&[])), @"
    scripted over `things`: run 2, which takes run 1 back, finished in [TIME] s
               2 given to `revert`
               1 updated
               1 skipped
                   1 never was
               0 failed
    [exit status: 0]
    ");
    let shown = lab
        .host(&["show", "2", "--store", STORE])
        .success()
        .stdout();
    assert!(
        shown.contains("scripted over `things`, taking run 1 back"),
        "{shown}"
    );
}

#[test]
fn a_plugin_without_revert_says_so_and_a_later_one_of_the_migration_may_have_it() {
    let lab = Lab::with_things([("a", THING)]);
    lab.report_scripted(&[]);
    let before = lab.everything();
    assert_snapshot!(lab.host(&revert(&[])), @"
    ------- stderr -------
    error: the plugin of `scripted` has no `revert`
    hint: without --revert the host takes the run back by itself, from the undo log; a plugin that has a `revert` is given with --plugin
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&revert(&["--plugin", guest("filtered")])), @"
    ------- stderr -------
    error: run 1 is of the migration `scripted`, and the plugin is `filtered`
    hint: give the plugin of the run's migration, or a mended one of the same name
    [exit status: 1]
    ");
    assert_snapshot!(lab.host(&["undo", "1", "--store", STORE, "--plugin", guest("reversible")]), @"
    ------- stderr -------
    error: --plugin, --dry-run and --wait go with --revert: the undo log needs no plugin
    [exit status: 2]
    ");
    assert_eq!(lab.everything(), before);
    assert_eq!(
        report(&lab, &["--plugin", guest("reversible")])
            .adds_up()
            .counts(),
        [1, 1, 0, 0, 0]
    );
    assert_eq!(lab.body("things", "a"), THING);
}

#[test]
fn what_new_code_wrote_under_the_new_name_is_kept_under_the_old_one() {
    let lab = Lab::with("CREATE TABLE recipes (_id TEXT PRIMARY KEY, doc JSON NOT NULL)");
    lab.put(
        "recipes",
        [
            ("soup", r#"{"title":"Soup"}"#),
            ("stew", r#"{"title":"Stew"}"#),
        ],
    );
    lab.run(plugin("rename-recipe-title"), &[]).success();
    lab.put(
        "recipes",
        [(
            "stew",
            r#"{"title":"Stew","recipeTitle":"Goulash","n":1.0}"#,
        )],
    );
    lab.host(&["undo", "1", "--store", STORE, "--revert"])
        .success();
    assert_eq!(lab.body("recipes", "soup"), r#"{"title":"Soup"}"#);
    assert_eq!(
        lab.body("recipes", "stew"),
        r#"{"title":"Goulash","n":1.0}"#
    );
}

#[test]
fn documents_that_changed_others_only_are_documents_of_the_run() {
    let lab = Lab::with_things([(
        "a",
        r#"{"do":{"changes":[{"insert":{"table":"others","id":"o","body":"{}"}}]},"undo":{"changes":[{"delete":{"table":"others","id":"o"}}]}}"#,
    )]);
    assert_eq!(migrate(&lab, &[]).number("inserted"), 1);
    assert_eq!(report(&lab, &[]).adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.value("SELECT count(*) FROM others"), "0");
    assert_eq!(
        (state(&lab, "1"), undo_log(&lab, "1")),
        (json!("undone"), "0".into())
    );

    // And undo by the log counts changes only.
    migrate(&lab, &[]);
    let undone = lab.host(&["undo", "3", "--store", STORE]).success();
    assert!(undone.stdout().contains("1 change taken back"), "{undone}");
}

#[test]
fn a_document_that_cannot_be_taken_back_is_put_aside_and_tried_again() {
    let fails = THING.replace(
        r#""undo":{"edit":[{"remove":{"at":"/n"}}]}"#,
        r#""undo":{"fail":{"code":"asked","message":"not yet","at":null}}"#,
    );
    let lab = Lab::with_things([("a", THING), ("b", &fails)]);
    migrate(&lab, &[]);
    assert_eq!(report(&lab, &[]).adds_up().counts(), [2, 1, 0, 1, 0]);
    assert_eq!(state(&lab, "1"), "undone");
    assert_snapshot!(lab.host(&["quarantine", "2", "--store", STORE]), @"
    ID  CODE   AT  MESSAGE
    b   asked  -   not yet
    [exit status: 0]
    ");
    lab.put("things", [("b", MIGRATED)]);
    let again = lab.host(
        &[
            &["retry", "2", "--store", STORE, "--format", "json"],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    assert_eq!(again.report().adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(lab.body("things", "b"), THING);
    assert_eq!(show(&lab, "2")["failed"], 0);
}

#[test]
fn documents_that_the_run_deleted_come_back_from_the_undo_log() {
    let lab = Lab::with_things([
        ("a", THING),
        ("b", r#"{"do":"delete", "n":1.50}"#),
        ("c", THING),
    ]);
    migrate(&lab, &[]);
    assert_snapshot!(lab.host(&revert(&[])), @"
    scripted over `things`: run 2, which takes run 1 back, finished in [TIME] s
               2 given to `revert`
               2 updated
               0 failed
    ------- stderr -------
    documents that run 1 deleted are not there to be given to `revert`; its undo log has them
    Next: host undo 1 brings them back.
    [exit status: 3]
    ");
    assert_eq!(state(&lab, "1"), "undoing");
    // The migration is not run over what is half undone.
    assert_eq!(lab.run(guest("reversible"), SCRIPTED_GRANTS).status(), 1);
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.body("things", "b"), r#"{"do":"delete", "n":1.50}"#);
    assert_eq!((migrated(&lab), state(&lab, "1")), (0, json!("undone")));
}

#[test]
fn without_its_undo_log_a_run_is_taken_back_over_all_of_the_table() {
    let lab = Lab::with_things([("a", THING), ("b", THING)]);
    migrate(&lab, &[]);
    lab.host(&["undo", "1", "--store", STORE, "--forget"])
        .success();
    lab.put("things", [("new", MIGRATED), ("other", "{}")]);
    assert_snapshot!(lab.host(&revert(&["--batch-size", "2"])), @"
    scripted over `things`: run 2, which takes run 1 back, finished in [TIME] s
               4 given to `revert`
               3 updated
               1 skipped
                   1 no wish
               0 failed
    ------- stderr -------
    the undo log of run 1 was forgotten, so its documents are not known: going over all of `things`
    [exit status: 0]
    ");
    assert_eq!((migrated(&lab), state(&lab, "1")), (0, json!("undone")));
    // The revert itself has an undo log.
    lab.host(&["undo", "2", "--store", STORE]).success();
    assert_eq!(migrated(&lab), 3);
}

#[test]
fn a_revert_can_be_undone_and_is_not_reverted() {
    let lab = Lab::with_things([("a", THING), ("b", THING)]);
    migrate(&lab, &[]);
    let after = lab.documents();
    report(&lab, &[]);
    assert_snapshot!(lab.host(&["undo", "2", "--store", STORE, "--revert", "--allow", "read:facts,write:others"]), @"
    ------- stderr -------
    error: run 2 cannot be undone: it has taken run 1 back by `revert`; run the migration again
    [exit status: 1]
    ");
    lab.host(&["undo", "2", "--store", STORE]).success();
    assert_eq!(lab.documents(), after);
}

#[test]
fn parameters_are_those_of_the_run() {
    let lab = Lab::with_things([(
        "a",
        r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]},"undo":{"param":"phase"}}"#,
    )]);
    migrate(&lab, &["--param", "phase=copy"]);
    report(&lab, &[]);
    assert_eq!(lab.thing("a")["answer"], "copy");
}

/// A lab in WAL mode with so many migrated documents.
fn many(count: usize) -> Lab {
    let lab = many_of(&[THING], count);
    migrate(&lab, &[]);
    assert_eq!(migrated(&lab), count);
    lab
}

/// Starts the revert of run 1 in small batches, and kills it when it has done some; returns whether it was over
/// before.
fn killed_after(lab: &Lab, documents: usize) -> bool {
    let before = migrated(lab);
    let mut running = lab.start(&revert(&["--batch-size", "3"]));
    while migrated(lab) + documents > before && !running.is_over() {
        thread::yield_now();
    }
    let over = running.is_over();
    running.kill();
    running.end(lab);
    over
}

#[test]
fn a_killed_revert_is_gone_on_with_and_every_document_is_taken_back_once() {
    for forgotten in [false, true] {
        let lab = many(1_000);
        let ids = |number: usize| format!("t{number:05}");
        // Its way back is one that would be seen if it was gone twice.
        for number in [0, 333, 999] {
            lab.put("things", [(&*ids(number), r#"{"n":0,"undo":{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}}]}}"#)]);
        }
        if forgotten {
            lab.host(&["undo", "1", "--store", STORE, "--forget"])
                .success();
        }
        let mut kills = 0;
        while !killed_after(&lab, 150) {
            kills += 1;
            assert_eq!(state(&lab, "1"), "undoing");
            let shown = show(&lab, "2");
            assert_eq!(shown["state"], "died");
            let done = 997 - u64::try_from(migrated(&lab)).unwrap();
            let inserted = shown["inserted"].as_u64().unwrap();
            assert_eq!(shown["updated"], json!(done + inserted));
        }
        assert!(kills >= 3, "{kills}");
        assert_eq!(lab.value("PRAGMA integrity_check"), "ok");
        let shown = show(&lab, "2");
        assert_eq!(
            (&shown["total"], &shown["updated"], &shown["inserted"]),
            (&json!(1_000), &json!(1_000), &json!(3))
        );
        assert_eq!((migrated(&lab), state(&lab, "1")), (0, json!("undone")));
        assert_eq!(lab.body("things", "t00001"), THING);
        // The undo log of the revert is whole.
        lab.host(&["undo", "2", "--store", STORE]).success();
        assert_eq!(
            (migrated(&lab), lab.value("SELECT count(*) FROM others")),
            (997, "0".into())
        );
    }
}

#[test]
fn what_is_left_of_a_killed_revert_can_be_undone_by_the_log() {
    let lab = many(500);
    assert!(!killed_after(&lab, 100));
    // The migration neither begins anew in the middle of it, nor takes it for a run of its own.
    let left = migrated(&lab);
    let refused = lab.run(guest("reversible"), SCRIPTED_GRANTS);
    assert!(
        refused
            .stderr()
            .contains("run 1 is being undone, and is not undone yet"),
        "{refused}"
    );
    assert_eq!(migrated(&lab), left);
    let ran = lab.host(&["undo", "1", "--store", STORE]).success();
    assert!(ran.stdout().contains("run 1 undone"), "{ran}");
    assert_eq!((migrated(&lab), state(&lab, "1")), (0, json!("undone")));
    assert_eq!(migrate(&lab, &[]).number("run"), 3);
}

#[test]
fn another_plugin_does_not_go_on_with_a_revert_unless_it_begins_anew() {
    let lab = many(500);
    assert!(!killed_after(&lab, 100));
    let other = [&fs::read(guest("reversible")).unwrap()[..], b"\0\x02\x01x"].concat();
    lab.write("other.wasm", other);
    assert_snapshot!(lab.host(&revert(&["--plugin", "other.wasm"])), @"
    ------- stderr -------
    error: run 2 of `scripted` over `things` is unfinished (running), and was made with other plugin bytes
    hint: go on with the same plugin and parameters, or begin anew with --restart; what the unfinished run changed stays changed
    [exit status: 1]
    ");
    // The one that it was begun with is taken by itself.
    assert!(!killed_after(&lab, 100));
    let left = u64::try_from(migrated(&lab)).unwrap();
    let anew = report(&lab, &["--plugin", "other.wasm", "--restart"]);
    assert_eq!(anew.adds_up().counts(), [left, left, 0, 0, 0]);
    assert_eq!(anew.number("run"), 3);
    assert_eq!((migrated(&lab), state(&lab, "1")), (0, json!("undone")));
}

#[test]
fn a_revert_and_what_is_noted_of_it_are_written_together_or_not_at_all() {
    for noted in [
        r#"UPDATE ON "_host_runs" WHEN new."state" = 'undoing'"#,
        r#"INSERT ON "_host_runs""#,
        r#"INSERT ON "_host_quarantine""#,
        r#"INSERT ON "_host_undo""#,
        r#"DELETE ON "_host_undo""#,
    ] {
        let fails = THING.replace(
            r#""undo":{"edit":[{"remove":{"at":"/n"}}]}"#,
            r#""undo":"trap""#,
        );
        let lab = Lab::with_things([("a", THING), ("b", &fails)]);
        migrate(&lab, &[]);
        lab.sql(&format!(
            "CREATE TRIGGER refused BEFORE {noted} BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ));
        let before = (
            lab.documents(),
            undo_log(&lab, "1"),
            undo_log(&lab, "2"),
            state(&lab, "1"),
        );
        let ran = lab.host(&revert(&[]));
        assert_eq!(ran.status(), 1, "{noted}: {ran}");
        assert_eq!(
            (
                lab.documents(),
                undo_log(&lab, "1"),
                undo_log(&lab, "2"),
                state(&lab, "1")
            ),
            before,
            "{noted}"
        );
        lab.sql("DROP TRIGGER refused");
        assert_eq!(report(&lab, &[]).adds_up().counts(), [2, 1, 0, 1, 0]);
    }
}

#[test]
fn no_change_of_others_is_lost_by_a_revert() {
    let find = r#""undo":{"find":{"table":"facts","conditions":[{"at":"/n","test":{"equals":"1"}}],"limit":1}}"#;
    let finds = THING.replace(r#""undo":{"edit":[{"remove":{"at":"/n"}}]}"#, find);
    for forgotten in [false, true] {
        let lab = Lab::with_things([("a", &*finds), ("b", THING)]);
        migrate(&lab, &[]);
        if forgotten {
            lab.host(&["undo", "1", "--store", STORE, "--forget"])
                .success();
        }
        let changed = format!(
            "UPDATE things SET doc = '{}' WHERE _id = 'a'",
            MIGRATED.replacen('{', r#"{"user":1.0,"#, 1)
        );
        let reverted = lab.changed_meanwhile(&revert(&[]), &changed).report();
        assert_eq!(reverted.adds_up().counts(), [2, 2, 0, 0, 0]);
        assert_eq!(reverted.number("conflicts"), 1);
        assert_eq!(
            lab.body("things", "a"),
            THING.replacen('{', r#"{"user":1.0,"#, 1)
        );
        assert_eq!(lab.body("things", "b"), THING);
    }
}

#[test]
fn documents_whose_way_back_changes_others_of_the_run_give_the_same_in_batches_of_any_size() {
    let thing = |id: &str, other: &str| {
        format!(
            r#"{{"id":"{id}","do":{{"edit":[{{"set":{{"at":"/n","value":"1"}}}}]}},"undo":{{"changes":[{{"edit":[{{"table":"things","id":"{id}"}},[{{"remove":{{"at":"/n"}}}}]]}},{{"edit":[{{"table":"things","id":"{other}"}},[{{"set":{{"at":"/by","value":"\"{id}\""}}}}]]}}]}}}}"#
        )
    };
    let mut seen = Vec::new();
    for batch_size in ["1", "2", "1000"] {
        let lab = Lab::with_things([]);
        for (id, other) in [("a", "c"), ("b", "a"), ("c", "b"), ("d", "a")] {
            lab.put("things", [(id, thing(id, other).as_str())]);
        }
        migrate(&lab, &[]);
        let reverted = report(&lab, &["--batch-size", batch_size]);
        assert_eq!(reverted.adds_up().counts(), [4, 4, 0, 0, 0]);
        assert_eq!((migrated(&lab), state(&lab, "1")), (0, json!("undone")));
        seen.push(lab.documents());
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}
