//! What a document meets on its way through the stages, and what comes of it.

use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{at_stages, edit, fail, hands_on, pipeline, report, run};
use crate::common::{EDIT, Lab, Report, SCRIPTED_GRANTS, STORE, guest, plugin};

const USERS: &str = "CREATE TABLE users (_id TEXT PRIMARY KEY, doc JSON NOT NULL);";

/// Documents for all of the plugins below, for some, and for none.
fn users() -> Lab {
    let lab = Lab::with(USERS);
    lab.put(
        "users",
        [
            ("all", r#"{"name": "Ada King", "role": "teacher", "tier": "premium", "subscriptionStartDate": 1.50}"#),
            ("no-date", r#"{"name": "Grace Hopper", "tier": "premium"}"#),
            ("none", r#"{"role": "pupil"}"#),
            ("teacher", r#"{"role":  "teacher"}"#),
        ],
    );
    lab
}

fn plugins() -> [&'static str; 3] {
    ["split-name", "premium-since", "instructor-role"].map(plugin)
}

#[test]
fn real_plugins_come_to_what_they_come_to_one_after_the_other() {
    let one_by_one = users();
    for plugin in plugins() {
        one_by_one.run(plugin, &["--batch-size", "1"]);
    }
    let lab = users();
    let before = lab.documents();
    let ran = lab.host(&[&["run"], &plugins()[..], &["--store", STORE]].concat());
    assert_snapshot!(ran, @"
    split-name+premium-since+instructor-role over `users`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      users no-date: there is no /subscriptionStartDate (missing-field at /subscriptionStartDate, by premium-since)
    At split-name:
               1 handled
               1 updated
               0 failed
    At premium-since:
               2 handled
               1 updated
               1 failed
    At instructor-role:
               2 handled
               2 updated
               0 failed
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    // All of it but the document that failed at the second stage, of which the first one is taken back, too.
    one_by_one.put(
        "users",
        [("no-date", r#"{"name": "Grace Hopper", "tier": "premium"}"#)],
    );
    assert_eq!(lab.documents(), one_by_one.documents());
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.documents(), before);
}

#[test]
fn a_stage_sees_what_the_one_before_has_made_of_a_document() {
    let lab = Lab::with_things([
        ("handed-on", hands_on(&edit()).as_str()),
        // It would obey, but the first stage takes it out of its hands.
        (
            "kept-back",
            r#"{"todo":"yes","do":{"edit":[{"set":{"at":"/todo","value":"\"no\""}}]}}"#,
        ),
        ("first-only", EDIT),
        (
            "second-too",
            r#"{"todo":"yes","do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#,
        ),
    ]);
    let counted = report(&lab, &[]);
    assert_eq!(counted.adds_up().counts(), [4, 4, 0, 0, 0]);
    assert_eq!(at_stages(&counted), [[4, 4, 0, 0, 0], [2, 1, 1, 0, 0]]);
    assert_eq!(
        counted.get("stages")[1]["skip_reasons"],
        json!({"unchanged": 1})
    );
    let thing = lab.thing("handed-on");
    assert_eq!((&thing["n"], &thing["m"]), (&json!(1), &json!(2)));
    assert_eq!(lab.thing("kept-back")["todo"], "no");
    assert_eq!(
        lab.body("things", "first-only"),
        r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]},"n":1}"#
    );
}

/// The filter of each stage is pushed into the query: what neither is for is not looked at by any.
#[test]
fn a_document_that_no_stage_is_for_is_not_counted() {
    let lab = users();
    let ran = lab.host(
        &[
            &["run", plugin("instructor-role"), plugin("premium-since")],
            &["--store", STORE, "--format", "json"][..],
        ]
        .concat(),
    );
    let report = ran.report();
    assert_eq!(report.counts(), [3, 2, 0, 1, 0]);
    assert_eq!(at_stages(&report), [[2, 2, 0, 0, 0], [2, 1, 0, 1, 0]]);
}

#[test]
fn a_document_that_is_deleted_comes_to_no_further_stage() {
    let lab = Lab::with_things([
        ("a", r#"{"todo":"yes","do":"delete"}"#),
        ("b", hands_on(&json!("delete")).as_str()),
    ]);
    let before = lab.documents();
    let counted = report(&lab, &[]);
    assert_eq!(counted.adds_up().counts(), [2, 0, 0, 0, 2]);
    assert_eq!(at_stages(&counted), [[2, 1, 0, 0, 1], [1, 0, 0, 0, 1]]);
    assert_eq!(lab.value("SELECT count(*) FROM things"), "0");
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.documents(), before);
}

#[test]
fn what_all_stages_skip_is_skipped_and_what_they_take_back_is_unchanged() {
    let lab = Lab::with_things([
        ("a", r#"{"todo":"yes","do":{"skip":"not today"}}"#),
        ("b", EDIT),
        ("c", hands_on(&json!({"skip": "no"})).as_str()),
    ]);
    let counted = report(&lab, &[]);
    assert_eq!(counted.adds_up().counts(), [3, 2, 1, 0, 0]);
    assert_eq!(counted.get("skip_reasons"), &json!({"not today": 1}));
    assert_eq!(at_stages(&counted), [[3, 2, 1, 0, 0], [2, 0, 2, 0, 0]]);

    let body = r#"{"answer":1,"todo":"yes","do":{"param":"p"}}"#;
    let lab = Lab::with_things([("a", body)]);
    let counted = report(
        &lab,
        &["--param", "scripted:p=2", "--param", "filtered:p=1"],
    );
    assert_eq!(counted.adds_up().counts(), [1, 0, 1, 0, 0]);
    assert_eq!(counted.get("skip_reasons"), &json!({"unchanged": 1}));
    assert_eq!(at_stages(&counted), [[1, 1, 0, 0, 0]; 2]);
    assert_eq!(lab.body("things", "a"), body);
}

#[test]
fn the_changes_of_all_stages_add_up_in_order() {
    let change = |value: &str| json!([{"edit": [{"table": "others", "id": "x"}, [{"set": {"at": "/list/-", "value": value}}]]}]);
    let insert = |id: &str| json!({"insert": {"table": "others", "id": id, "body": "{}"}});
    let own = |edits: Value| json!({"edit": [{"table": "things", "id": "a"}, edits]});
    // The second stage is the one that may write others here; the first one writes things only.
    let second = json!({"changes": [insert("new"), change("2")[0], own(json!([{"set": {"at": "/second", "value": "true"}}]))]});
    let first = json!({"changes": [own(json!([
        {"set": {"at": "/first", "value": "true"}},
        {"set": {"at": "/do", "value": second.to_string()}},
    ]))]});
    let lab = Lab::with_things([(
        "a",
        json!({"todo": "yes", "do": first}).to_string().as_str(),
    )]);
    lab.put("others", [("x", r#"{"list":[1]}"#)]);
    let before = lab.documents();
    let ran = lab.host(
        &[
            &[
                "run",
                guest("filtered"),
                guest("scripted"),
                "--store",
                STORE,
                "--format",
                "json",
            ],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    let counted = ran.report();
    assert_eq!(counted.adds_up().counts(), [1, 1, 0, 0, 0]);
    assert_eq!(counted.number("inserted"), 1);
    let stages = counted.get("stages");
    assert_eq!(
        (&stages[0]["inserted"], &stages[1]["inserted"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(lab.body("others", "x"), r#"{"list":[1,2]}"#);
    let thing = lab.thing("a");
    assert_eq!(
        (&thing["first"], &thing["second"]),
        (&json!(true), &json!(true))
    );
    lab.host(&["undo", "1", "--store", STORE]).success();
    assert_eq!(lab.documents(), before);
}

/// One write and one entry of the undo log for each document, whatever the number of stages.
#[test]
fn a_document_is_written_once() {
    let lab = Lab::with_things([("a", hands_on(&edit()).as_str())]);
    lab.sql(
        "CREATE TABLE writes (n);
         CREATE TRIGGER counted AFTER UPDATE ON things BEGIN INSERT INTO writes VALUES (1); END;",
    );
    assert_eq!(report(&lab, &[]).number("updated"), 1);
    assert_eq!(lab.value("SELECT count(*) FROM writes"), "1");
    let undone = super::shown(&lab, &["undo", "1"]);
    assert_eq!(undone["restored"], 1);
}

#[test]
fn each_stage_has_its_own_grants_and_secrets() {
    let look = json!({"get": {"table": "facts", "ids": ["f"]}});
    let lab = Lab::with_things([
        ("a", hands_on(&look).as_str()),
        ("b", json!({"do": look}).to_string().as_str()),
    ]);
    lab.put("facts", [("f", r#"{"k":1}"#)]);
    let counted = report(&lab, &[]);
    assert_eq!(counted.errors(), ["a lookup-not-granted: facts"]);
    assert_eq!(counted.get("errors")[0]["migration"], "filtered");
    assert_eq!(lab.thing("b")["answer"], json!([{"k": 1}]));

    let ask = json!({"secret": "api-key"});
    let lab = Lab::with_things([("a", json!({"do": ask}).to_string().as_str())]);
    let ran = lab.host_with(
        &[("HOST_SECRET_API_KEY", "correct horse")],
        &[
            &[
                "run",
                guest("scripted"),
                guest("secretive"),
                "--store",
                STORE,
                "--allow",
                "secret:api-key",
            ],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    ran.success();
    // The first stage was told nothing; the second one was, and came last.
    assert_eq!(lab.thing("a")["answer"], "correct horse");
    let first_last = Lab::with_things([("a", json!({"do": ask}).to_string().as_str())]);
    first_last
        .host_with(
            &[("HOST_SECRET_API_KEY", "correct horse")],
            &[
                &[
                    "run",
                    guest("secretive"),
                    guest("scripted"),
                    "--store",
                    STORE,
                    "--allow",
                    "secretive:secret:api-key",
                ],
                SCRIPTED_GRANTS,
            ]
            .concat(),
        )
        .success();
    assert_eq!(first_last.thing("a")["answer"], Value::Null);
}

#[test]
fn a_stage_says_no_secret_of_another_one() {
    let leak = |text: &str| json!({"fail": {"code": "leak", "message": text, "at": null}});
    // What the first stage was told stands in the document; the second one says it.
    let lab = Lab::with_things([(
        "a",
        json!({"do": leak("it is correct horse")})
            .to_string()
            .as_str(),
    )]);
    let ran = lab.host_with(
        &[("HOST_SECRET_API_KEY", "correct horse")],
        &[
            &[
                "run",
                guest("scripted"),
                guest("secretive"),
                "--store",
                STORE,
                "--allow",
                "secret:api-key",
            ],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    );
    assert!(ran.stdout().contains("it is ***"), "{ran}");
    assert!(!ran.to_string().contains("horse"), "{ran}");
}

#[test]
fn each_stage_has_its_own_parameters() {
    let ask = |name: &str| json!({"param": name});
    let lab = Lab::with_things([
        ("a", json!({"do": ask("p")}).to_string().as_str()),
        (
            "b",
            json!({"todo": "yes", "do": ask("p")}).to_string().as_str(),
        ),
        (
            "c",
            json!({"todo": "yes", "do": ask("q")}).to_string().as_str(),
        ),
    ]);
    lab.write("host.toml", "[params.filtered]\np = \"settings\"\nq = 7\n");
    run(
        &lab,
        &["--param", "scripted:p=1", "--param", "filtered:p=2"],
    )
    .success();
    assert_eq!(lab.thing("a")["answer"], 1);
    assert_eq!(lab.thing("b")["answer"], 2);
    assert_eq!(lab.thing("c")["answer"], 7);
}

#[test]
fn each_stage_has_its_own_limits() {
    let both = json!([{"set": {"at": "/x", "value": "1"}}, {"set": {"at": "/y", "value": "1"}}]);
    let lab = Lab::with_things([
        ("first", json!({"do": {"edit": both}}).to_string().as_str()),
        ("second", hands_on(&json!({"edit": both})).as_str()),
    ]);
    // The first stage makes three edits of it.
    lab.write(
        "host.toml",
        "[limits]\ndocument-edits = 3\n[limits-of.filtered]\ndocument-edits = 1\n",
    );
    let counted = report(&lab, &[]);
    assert_eq!(
        counted.errors(),
        [
            "second limit: the plugin returned more than it may: 2 edits, and the limit `document-edits` is 1; --document-edits raises it"
        ]
    );
    assert_eq!(counted.get("errors")[0]["migration"], "filtered");
    // A flag is for all.
    assert_eq!(
        report(&lab, &["--document-edits", "9"]).counts(),
        [2, 1, 1, 0, 0]
    );
    lab.write("host.toml", "[limits-of.filtered]\ndocument-edit = 1\n");
    assert_eq!(run(&lab, &[]).status(), 1);
}

/// Ids are made from the migration's name, not from the run.
#[test]
fn ids_are_those_that_the_plugins_would_have_made_alone() {
    let make = json!({"insert-new": {"table": "others", "seed": "s", "body": "{}"}});
    let body = json!({"todo": "yes", "do": make}).to_string();
    let ids = |lab: &Lab| lab.column("SELECT _id FROM others ORDER BY 1", &[]);
    let alone = Lab::with_things([("a", body.as_str())]);
    alone.run_scripted(&[]).success();
    let lab = Lab::with_things([("a", body.as_str())]);
    // The second stage may not write others, so it is first here, and passes this document by.
    lab.put("things", [("a", json!({"do": make}).to_string().as_str())]);
    lab.host(
        &[
            &[
                "run",
                guest("filtered"),
                guest("scripted"),
                "--store",
                STORE,
            ],
            SCRIPTED_GRANTS,
        ]
        .concat(),
    )
    .success();
    assert_eq!(ids(&lab), ids(&alone));
    assert_eq!(ids(&lab).len(), 1);
}

#[test]
fn what_a_stage_logs_is_told_with_its_name_and_counted_there() {
    let line = |message: &str, then: Value| json!({"lines": {"level": "warn", "message": message, "then": then}});
    let second = line("from the second", json!({"skip": "said"}));
    let first = line(
        "from the first",
        json!({"edit": [
            {"set": {"at": "/todo", "value": "\"yes\""}},
            {"set": {"at": "/do", "value": second.to_string()}},
        ]}),
    );
    let lab = Lab::with_things([
        ("a", EDIT),
        ("b", json!({"do": first}).to_string().as_str()),
    ]);
    let counted = report(&lab, &["--log-format", "json"]);
    assert_eq!(
        counted.get("warnings"),
        &json!({"from the first": 1, "from the second": 1})
    );
    let stages = counted.get("stages");
    assert_eq!(stages[0]["warnings"], json!({"from the first": 1}));
    assert_eq!(stages[1]["warnings"], json!({"from the second": 1}));

    let lab = Lab::with_things([
        ("a", EDIT),
        ("b", json!({"do": first}).to_string().as_str()),
    ]);
    assert_snapshot!(run(&lab, &[]), @"
    scripted+filtered over `things`: run 1 finished in [TIME] s
               2 met the filter
               2 updated
               0 failed
    At scripted:
               2 handled
               2 updated
               0 failed
    The plugin warned 1 time: from the first
    At filtered:
               1 handled
               0 updated
               1 skipped
                   1 said
               0 failed
    The plugin warned 1 time: from the second
    ------- stderr -------
    plugin warning: from the first  migration=scripted  table=things  document=b
    plugin warning: from the second  migration=filtered  table=things  document=b
    [exit status: 0]
    ");
}

#[test]
fn a_dry_run_shows_the_whole_way_and_writes_nothing() {
    let lab = Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b", hands_on(&fail()).as_str()),
    ]);
    let before = lab.everything();
    let dry = report(&lab, &["--dry-run"]);
    assert_eq!(lab.everything(), before);
    let real = report(&lab, &[]);
    for name in ["total", "updated", "failed", "stages", "errors"] {
        assert_eq!(dry.get(name), real.get(name), "{name}");
    }
}

/// A document that was written by somebody else after it was read goes through all stages again.
#[test]
fn a_lost_race_goes_through_all_stages_again() {
    let look = json!({"get": {"table": "facts", "ids": []}});
    let lab = Lab::with_things([
        ("a", hands_on(&edit()).as_str()),
        ("b", json!({"do": {"find": {"table": "facts", "conditions": [{"at": "/k", "test": {"equals": "1"}}], "limit": 1}}}).to_string().as_str()),
        ("c", json!({"do": look}).to_string().as_str()),
    ]);
    let theirs = hands_on(&json!({"edit": [{"set": {"at": "/m", "value": "3"}}]}));
    let change = format!("UPDATE things SET doc = '{theirs}' WHERE _id = 'a'");
    let counted = lab.changed_meanwhile(&pipeline(&[]), &change).report();
    assert_eq!(counted.number("conflicts"), 1);
    assert_eq!(counted.counts(), [3, 3, 0, 0, 0]);
    assert_eq!(at_stages(&counted), [[3, 3, 0, 0, 0], [1, 1, 0, 0, 0]]);
    assert_eq!(
        (&lab.thing("a")["n"], &lab.thing("a")["m"]),
        (&json!(1), &json!(3))
    );
}

/// What documents may wish of a stage that may change itself only.
fn own_wish() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => (prop::sample::select(vec!["/n", "/m", "/list/-", "/todo"]), prop::sample::select(vec!["1", "1.0", "\"yes\"", "\"no\""]))
            .prop_map(|(at, value)| json!({"edit": [{"set": {"at": at, "value": value}}]})),
        1 => Just(json!({"replace": "{\"new\": 1.50,\"todo\":\"yes\"}"})),
        1 => Just(json!("delete")),
        1 => Just(json!({"skip": "no"})),
    ]
}

/// Documents, each of which both stages can do what it wishes.
fn document() -> impl Strategy<Value = Value> {
    let others = prop_oneof![
        Just(
            json!({"changes": [{"insert": {"table": "others", "id": null, "body": "{\"k\":1.0}"}}]})
        ),
        any::<u64>().prop_map(|seed| {
            json!({"insert-new": {"table": "others", "seed": seed.to_string(), "body": "{}"}})
        }),
    ];
    prop_oneof![
        3 => (own_wish(), prop::sample::select(vec!["yes", "no"]))
            .prop_map(|(wish, todo)| json!({"list": [], "todo": todo, "do": wish})),
        3 => (own_wish(), prop::sample::select(vec!["yes", "no"])).prop_map(|(wish, todo)| json!({
            "list": [], "todo": "yes", "do": {"edit": [
                {"set": {"at": "/do", "value": wish.to_string()}},
                {"set": {"at": "/todo", "value": format!("\"{todo}\"")}},
            ]},
        })),
        1 => others.prop_map(|wish| json!({"list": [], "todo": "no", "do": wish})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_pipeline_ends_as_its_plugins_do_one_after_the_other(
        documents in prop::collection::vec(document(), 1..40),
        scripted_first: bool,
        batch_size in 1_usize..50,
        workers in 1_usize..4,
        wal: bool,
    ) {
        let stages = if scripted_first {
            [guest("scripted"), guest("filtered")]
        } else {
            [guest("filtered"), guest("scripted")]
        };
        let lab = || {
            let lab = Lab::with_things([]);
            let documents: Vec<_> = documents
                .iter()
                .enumerate()
                .map(|(number, document)| (format!("t{number:02}"), document.to_string()))
                .collect();
            lab.put("things", documents.iter().map(|(id, body)| (id.as_str(), body.as_str())));
            if wal {
                lab.use_wal();
            }
            lab
        };
        let one_by_one = lab();
        for stage in stages {
            one_by_one.host(&[&["run", stage, "--store", STORE], SCRIPTED_GRANTS].concat()).success();
        }
        let together = lab();
        let before = together.documents();
        let (batch_size, workers) = (batch_size.to_string(), workers.to_string());
        let ran = together.host(&[
            &["run", stages[0], stages[1], "--store", STORE, "--format", "json"],
            &["--batch-size", batch_size.as_str(), "--workers", workers.as_str()][..],
            SCRIPTED_GRANTS,
        ].concat());
        let report: Report = ran.report();
        report.adds_up();
        prop_assert_eq!(together.documents(), one_by_one.documents());
        together.host(&["undo", "1", "--store", STORE]).success();
        prop_assert_eq!(together.documents(), before);
    }
}
