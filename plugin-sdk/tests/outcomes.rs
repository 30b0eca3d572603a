//! What outcomes do to the tables of a test, and how they are counted.

// A test fails by panicking.
#![allow(clippy::unwrap_used)]

use plugin_sdk::prelude::*;
use plugin_sdk::testing::{Report, Run, Store, json};

/// Does what the document's `do` says.
struct Obedient;

impl Migration for Obedient {
    fn manifest() -> Manifest {
        Manifest::new("obedient", "things").writes("others")
    }

    fn transform(thing: &Document, context: &Context) -> Result<Outcome, Failure> {
        let id = thing.id();
        Ok(match thing.require("/do")? {
            "edit" => Edits::new().set("/done", context.now_text()).into(),
            "nothing" => Edits::new().set("/do", "nothing").into(),
            "bad pointer" => Edits::new().set("/a/b", 1).into(),
            "replace" => Outcome::replace(json!({"do": "replaced"})),
            "delete" => Outcome::delete(),
            "skip" => Outcome::skip("told so"),
            "insert" => Changes::new().insert("others", json!({"of": id})).into(),
            "insert twice" => Changes::new()
                .insert("others", json!({"of": id, "n": 1}))
                .insert("others", json!({"of": id, "n": 2}))
                .into(),
            "insert taken" => Changes::new()
                .delete("things", id)
                .insert_as("others", "taken", json!({}))
                .into(),
            "move" => Changes::new()
                .insert_as(
                    "others",
                    context.new_id("others", id),
                    thing.edited(Edits::new())?,
                )
                .delete("things", id)
                .into(),
            "edit other" => Changes::new()
                .edit("others", "taken", Edits::new().set("/by", id))
                .into(),
            "delete twice" => Changes::new()
                .delete("things", id)
                .delete("things", id)
                .into(),
            "delete none" => Changes::new().delete("others", "none").into(),
            "edit none" => Changes::new().edit("others", "none", Edits::new()).into(),
            "secretly" => Changes::new().delete("secrets", "1").into(),
            other => return Err(Failure::new("unknown", other).at("/do")),
        })
    }
}

fn obey(what: &str) -> (Store, Report) {
    let mut store = Store::new()
        .with("things", [("t1", json!({"do": what}))])
        .with("others", [("taken", json!({"n": 0}))])
        .with("secrets", [(1, json!({}))]);
    let before = store.clone();
    let report = Run::new().migrate::<Obedient>(&mut store);
    assert_eq!(report.total, 1);
    assert_eq!(
        report.updated + report.skipped + report.failed + report.deleted,
        1,
        "{what}"
    );
    if report.failed + report.skipped > 0 {
        assert_eq!(store, before, "{what}");
    }
    (store, report)
}

#[track_caller]
fn fails(what: &str, code: &str) {
    let (_, report) = obey(what);
    assert_eq!(report.failed, 1, "{what}");
    assert_eq!(report.errors[0].code, code);
    assert_eq!(
        (&*report.errors[0].table, &*report.errors[0].id),
        ("things", "t1")
    );
}

#[test]
fn edits_replacements_and_deletions() {
    let (store, report) = obey("edit");
    assert_eq!(report.updated, 1);
    let done = &store.get("things", "t1").unwrap()["done"];
    assert_eq!(done, "1970-01-01T00:00:00.000Z");

    let (store, report) = obey("replace");
    assert_eq!(report.updated, 1);
    assert_eq!(store.get("things", "t1"), Some(json!({"do": "replaced"})));

    let (store, report) = obey("delete");
    assert_eq!((report.deleted, report.updated), (1, 0));
    assert_eq!(store.len("things"), 0);
}

#[test]
fn what_changes_nothing_is_skipped() {
    assert_eq!(obey("nothing").1.skip_reasons["unchanged"], 1);
    assert_eq!(obey("skip").1.skip_reasons["told so"], 1);
}

#[test]
fn insertions_and_changes_of_others() {
    let (mut store, report) = obey("insert twice");
    assert_eq!((report.updated, report.inserted), (1, 2));
    assert_eq!(store.len("others"), 3);

    let again = Run::new().migrate::<Obedient>(&mut store);
    assert_eq!((again.updated, again.inserted), (0, 0));
    assert_eq!(again.skip_reasons["unchanged"], 1);
    assert_eq!(store.len("others"), 3);

    let (store, report) = obey("edit other");
    assert_eq!(report.updated, 1);
    assert_eq!(store.get("others", "taken").unwrap()["by"], "t1");

    let (store, report) = obey("move");
    assert_eq!((report.deleted, report.inserted), (1, 1));
    assert_eq!((store.len("things"), store.len("others")), (0, 2));
}

#[test]
fn what_cannot_be_done_is_the_documents_failure_and_does_nothing_else() {
    fails("bad pointer", "invalid-edit");
    fails("insert taken", "duplicate-id");
    fails("edit none", "unknown-document");
    fails("delete none", "unknown-document");
    fails("delete twice", "deleted-document");
    fails("secretly", "not-granted");
    fails("something else", "unknown");
}

/// Says what it was given.
struct Settings;

impl Migration for Settings {
    fn manifest() -> Manifest {
        Manifest::new("settings", "things").secret("key")
    }

    fn transform(_: &Document, context: &Context) -> Result<Outcome, Failure> {
        Ok(Edits::new()
            .set("/now", context.now())
            .set("/limit", context.param::<u32>("limit")?)
            .set("/key", context.secret("key"))
            .set("/undeclared", context.secret("undeclared"))
            .into())
    }
}

#[test]
fn time_parameters_and_secrets() {
    let things = || Store::new().with("things", [(1, json!({}))]);
    let run = Run::new()
        .now(1_700_000_000_000)
        .secret("key", "k")
        .secret("undeclared", "u");

    let mut store = things();
    run.clone()
        .param("limit", 3)
        .migrate::<Settings>(&mut store);
    assert_eq!(
        store.get("things", "1"),
        Some(json!({"now": 1_700_000_000_000_u64, "limit": 3, "key": "k", "undeclared": null}))
    );

    let report = run
        .param("limit", "many")
        .migrate::<Settings>(&mut things());
    assert_eq!(report.errors[0].code, "invalid-parameter");
    assert!(report.errors[0].message.contains("limit"));
}

#[test]
#[should_panic(expected = "the store has no table things")]
fn a_test_without_the_table_fails() {
    Run::new().migrate::<Settings>(&mut Store::new());
}
