//! `host check`: whether a migration keeps what one promises, on the documents of a store.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{EDIT, Lab, Ran, SCRIPTED_GRANTS, STORE, guest, many, plugin, without_figures};
use crate::hostile::guest::Guest;

/// Checks a plugin on a lab's documents, and takes it that nothing was written.
#[track_caller]
fn check(lab: &Lab, plugin: &str, more: &[&str]) -> Ran {
    let before = lab.everything();
    let ran = lab.host(&[&["check", plugin, "--store", STORE], more].concat());
    assert_eq!(lab.everything(), before, "{ran}");
    ran
}

/// Checks one of the scripted guests, with everything granted that it asks for.
#[track_caller]
fn check_scripted(lab: &Lab, name: &str, more: &[&str]) -> Ran {
    check(lab, guest(name), &[SCRIPTED_GRANTS, more].concat())
}

/// What was found, without what was used.
fn findings(ran: &Ran) -> String {
    let text = without_figures(ran);
    let (found, rest) = text.split_once("The plugin took").unwrap();
    let status = rest.rsplit_once('\n').unwrap().1;
    format!("{found}{status}")
}

fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout()).unwrap()
}

#[test]
fn a_good_migration_keeps_everything() {
    let lab = Lab::with("CREATE TABLE recipes (_id TEXT PRIMARY KEY, doc JSON NOT NULL);");
    lab.put(
        "recipes",
        [
            ("a", r#"{"title":"x","n":1.0}"#),
            ("b", "{}"),
            ("c", r#"{"title":1}"#),
        ],
    );
    assert_snapshot!(without_figures(check(&lab, plugin("rename-recipe-title"), &[])), @"
    rename-recipe-title over `recipes`: check finished in [N]
               2 met the filter
               2 would be updated
               0 failed
    deterministic yes, of 2 checked
    idempotent yes, of 2 checked
    reversible yes, of 2 checked
    The plugin took [N] a document.
    LIMIT MOST USED OF
    instance-memory [N] [N] [N]
    batch-time [N] [N] [N]
    document-time [N] [N] [N]
    returned-bytes [N] [N] [N]
    document-edits 1 1,000 [N]
    json-size [N] [N] [N]
    json-depth 1 128 [N]
    id-bytes [N] [N] [N]
    Not used: document-changes, document-insertions, name-bytes, message-bytes, lookups, lookup-documents, lookup-bytes, log-lines, log-line-bytes
    Nothing was written.
    [exit status: 0]
    ");
    // As it was with a run that is not finished yet, whose parameters and bytes are others.
    lab.run(plugin("rename-recipe-title"), &["--limit", "1"])
        .success();
    assert_eq!(check(&lab, plugin("rename-recipe-title"), &[]).status(), 0);
}

#[test]
fn what_depends_on_the_batch_is_found() {
    // It counts its documents in memory, and gives the count for its reason.
    let counting = Guest {
        attack: "(i32.store (i32.const 40000) (i32.add (i32.load (i32.const 40000)) (i32.const 1)))
                 (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 32801)
                   (i32.load (i32.const 40000)))"
            .into(),
        ..Guest::default()
    };
    let lab = Lab::with_things([
        ("a", "{}"),
        ("x1", "{}"),
        ("x2", "{}"),
        ("x3", "{}"),
        ("z", "{}"),
    ]);
    let ran = check(&lab, counting.put_into(&lab), &[]);
    assert_snapshot!(findings(&ran), @r#"
    hostile over `things`: check finished in [N]
               5 met the filter
               2 would be updated
               3 skipped
                   1 d
                   1 do
                   1 don
               0 failed
    deterministic NO: 2 of 5 checked
    idempotent yes, of 2 checked
    First documents that break it:
      things x2: not deterministic: in one batch skipped "do"; in another skipped "d"; alone skipped "d"
      things x3: not deterministic: in one batch skipped "don"; in another skipped "d"; alone skipped "d"
    [exit status: 3]
    "#);
    // One at a time it looks steady, but for where neighbours are others.
    assert_eq!(ran.status(), 3);
}

#[test]
fn what_depends_on_a_neighbour_is_found() {
    // It minds only whether the document before it comes behind it in the table.
    let jealous = Guest {
        attack: "(local.set $i (i32.load8_u offset=1 (i32.load (local.get $document))))
                 (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 32801)
                   (i32.gt_u (i32.load (i32.const 40000)) (local.get $i)))
                 (i32.store (i32.const 40000) (local.get $i))"
            .into(),
        ..Guest::default()
    };
    let lab = Lab::with_things(["x1", "x2", "x3", "x4", "x5"].map(|id| (id, "{}")));
    assert_snapshot!(findings(&check(&lab, jealous.put_into(&lab), &[])), @r#"
    hostile over `things`: check finished in [N]
               5 met the filter
               0 would be updated
               5 skipped
                   5
               0 failed
    deterministic NO: 1 of 5 checked
    idempotent not seen: no document changed
    First documents that break it:
      things x1: not deterministic: in one batch skipped ""; in another skipped "d"; alone skipped ""
    [exit status: 3]
    "#);
}

#[test]
fn what_is_logged_depends_on_nothing_else_either() {
    // It says something about the first document of a batch only.
    let talking = Guest {
        attack: "(if (i32.eqz (local.get $place)) (then
                   (call $emit (i32.const 2) (i32.const 32801) (i32.const 4) (i32.const 1) (i32.const 0))))"
            .into(),
        ..Guest::default()
    };
    let lab = Lab::with_things([("x1", "{}"), ("x2", "{}")]);
    assert_snapshot!(findings(&check(&lab, talking.put_into(&lab), &[])), @r#"
    hostile over `things`: check finished in [N]
               2 met the filter
               0 would be updated
               2 skipped
                   2
               0 failed
    deterministic NO: 1 of 2 checked
    idempotent not seen: no document changed
    First documents that break it:
      things x2: not deterministic: in one batch skipped ""; in another skipped "", logged "done"; alone skipped "", logged "done"
    [exit status: 3]
    "#);
}

#[test]
fn what_does_not_rest_on_its_own_result_is_found() {
    let lab = Lab::with_things([
        (
            "again",
            r#"{"do":{"edit":[{"set":{"at":"/list/-","value":"1"}}]},"list":[]}"#,
        ),
        (
            "clash",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":"o","body":"{}"}}]}}"#,
        ),
        (
            "derived",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}}]}}"#,
        ),
        ("good", EDIT),
        ("none", "{}"),
    ]);
    assert_snapshot!(findings(&check_scripted(&lab, "scripted", &[])), @"
    scripted over `things`: check finished in [N]
               5 met the filter
               4 would be updated
               1 skipped
                   1 no wish
               0 failed
               2 would be inserted
    deterministic yes, of 5 checked
    idempotent NO: 2 of 4 checked
    First documents that break it:
      things again: not idempotent: applied to its own result it changes again
        things again
          - /list [1]
          + /list [1,1]
      things clash: not idempotent: applied to its own result it fails: table `others` has a document `o` already (duplicate-id)
    [exit status: 3]
    ");
}

#[test]
fn what_revert_does_not_give_back_is_found() {
    let set = |id, undo: &str| {
        let do_ = r#"{"edit":[{"set":{"at":"/n","value":"1"}}]}"#;
        (id, format!(r#"{{"do":{do_},"undo":{undo},"n":0}}"#))
    };
    let documents = [
        set("exact", r#"{"edit":[{"set":{"at":"/n","value":"0.0"}}]}"#),
        set("fails", r#"{"fail":{"code":"no-way","message":"no way back","at":null}}"#),
        set("other", r#"{"edit":[{"set":{"at":"/n","value":"2"}}]}"#),
        set("skips", r#"{"skip":"cannot"}"#),
        ("gone", r#"{"do":"delete"}"#.to_owned()),
        (
            "leaves",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":"o","body":"{}"}}]},"undo":{"skip":"x"}}"#.to_owned(),
        ),
    ];
    let lab = Lab::with_things(documents.iter().map(|(id, body)| (*id, body.as_str())));
    assert_snapshot!(findings(&check_scripted(&lab, "reversible", &[])), @"
    scripted over `things`: check finished in [N]
               6 met the filter
               5 would be updated
               1 would be deleted
               0 failed
               1 would be inserted
    deterministic yes, of 6 checked
    idempotent NO: 1 of 6 checked
    reversible NO: 5 of 6 checked
    First documents that break it:
      things leaves: not idempotent: applied to its own result it fails: table `others` has a document `o` already (duplicate-id)
      things gone: not reversible: the migration deletes it, and `revert` is given only what is there
      others o: not reversible: the migration inserts it, and `revert` leaves it
        others o (new)
          + {}
      things fails: not reversible: `revert` fails: no way back (no-way)
        things fails
          - /n 0
          + /n 1
      things other: not reversible: `revert` makes something else of it
        things other
          - /n 0
          + /n 2
      things skips: not reversible: `revert` skips it: cannot
        things skips
          - /n 0
          + /n 1
    [exit status: 3]
    ");
}

#[test]
fn what_was_done_last_is_reverted_first() {
    let sets = |forth: u8, back: u8| {
        let wish = |n| {
            format!(
                r#"{{"changes":[{{"edit":[{{"table":"others","id":"o"}},[{{"set":{{"at":"/n","value":"{n}"}}}}]]}}]}}"#
            )
        };
        format!(r#"{{"do":{},"undo":{}}}"#, wish(forth), wish(back))
    };
    let (a, b) = (sets(1, 0), sets(2, 1));
    let lab = Lab::with_things([("a", a.as_str()), ("b", b.as_str()), ("c", "{}")]);
    lab.put("others", [("o", r#"{"n":0}"#)]);
    let found = report(&check_scripted(&lab, "reversible", &["--format", "json"]));
    assert_eq!(
        found["properties"][2],
        json!({"property": "reversible", "checked": 2, "broken": 0}),
        "{found}"
    );
}

#[test]
fn failures_are_counted_by_code() {
    let lab = Lab::with_things([
        ("a", EDIT),
        ("b", r#"{"do":"trap"}"#),
        (
            "c",
            r#"{"do":{"fail":{"code":"odd","message":"odd one","at":"/x"}}}"#,
        ),
        (
            "d",
            r#"{"do":{"fail":{"code":"odd","message":"odd one","at":null}}}"#,
        ),
        (
            "e",
            r#"{"do":{"edit":[{"set":{"at":"/_id","value":"1"}}]}}"#,
        ),
    ]);
    lab.sql("INSERT INTO things VALUES ('f', '{')");
    assert_snapshot!(findings(&check_scripted(&lab, "scripted", &[])), @"
    scripted over `things`: check finished in [N]
               6 met the filter
               2 would be updated
               4 failed
    First failures:
      things f: the document is not valid JSON: EOF while parsing an object at line 1 column 1 (invalid-json)
      things b: the plugin trapped: wasm trap: wasm `unreachable` instruction executed (trap)
      things c: odd one (odd at /x)
      things d: odd one (odd)
    Failures by code:
               2 odd
               1 invalid-json
               1 trap
    deterministic yes, of 5 checked
    idempotent yes, of 2 checked
    [exit status: 3]
    ");
}

#[test]
fn a_plugin_that_makes_up_codes_fills_no_memory() {
    let documents: Vec<_> = (0..150)
        .map(|number| {
            let body =
                format!(r#"{{"do":{{"fail":{{"code":"c{number}","message":"m","at":null}}}}}}"#);
            (format!("t{number}"), body)
        })
        .collect();
    let lab = Lab::with_things(
        documents
            .iter()
            .map(|(id, body)| (id.as_str(), body.as_str())),
    );
    let ran = check_scripted(&lab, "scripted", &["--format", "json"]);
    let failures = report(&ran)["failures"].clone();
    assert_eq!(failures.as_object().unwrap().len(), 101);
    assert_eq!(failures["(others)"], 50);
    assert_eq!(report(&ran)["errors"].as_array().unwrap().len(), 20);
    let text = check_scripted(&lab, "scripted", &[]).stdout();
    assert!(text.contains("91 more codes"), "{text}");
}

#[test]
fn changes_of_other_documents_are_seen_as_a_run_makes_them() {
    // Each marks the other; neither overwrites what the other did, and both rest on the result.
    let marks = |own: &str, other: &str| {
        format!(
            r#"{{"do":{{"changes":[{{"edit":[{{"table":"things","id":"{other}"}},[{{"set":{{"at":"/by","value":"\"{own}\""}}}}]]}}]}}}}"#
        )
    };
    let (a, b) = (marks("a", "b"), marks("b", "a"));
    let lab = Lab::with_things([("a", a.as_str()), ("b", b.as_str())]);
    let found = report(&check_scripted(&lab, "scripted", &["--format", "json"]));
    assert_eq!(found["findings"], Value::Array(Vec::new()), "{found}");
    assert_eq!(found["updated"], 2);
}

#[test]
fn what_others_of_a_batch_have_changed_is_asked_about_again() {
    // After this `b` has another wish, and `c` does not meet the filter any more.
    let changes = r#"{"todo":"yes","do":{"changes":[
        {"edit":[{"table":"things","id":"b"},[{"set":{"at":"/do","value":"{\"skip\":\"changed\"}"}}]]},
        {"edit":[{"table":"things","id":"c"},[{"set":{"at":"/todo","value":"\"no\""}}]]}]}}"#;
    let edit = r#"{"todo":"yes","do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#;
    let lab = Lab::with_things([("a", changes), ("b", edit), ("c", edit)]);
    let found = report(&check_scripted(&lab, "filtered", &["--format", "json"]));
    assert_eq!(found["total"], 2, "{found}");
    assert_eq!(found["updated"], 1, "{found}");
    assert_eq!(found["skip_reasons"], json!({"changed": 1}), "{found}");
}

#[test]
fn what_earlier_batches_made_is_not_there() {
    let insert = r#"{"do":{"changes":[{"insert":{"table":"others","id":"o","body":"{}"}}]}}"#;
    let lab = Lab::with_things([("a", insert), ("b", insert)]);
    let counts = |size| {
        let more = ["--batch-size", size, "--format", "json"];
        let found = report(&check_scripted(&lab, "scripted", &more));
        ["updated", "failed"].map(|name| found[name].as_u64().unwrap())
    };
    assert_eq!(counts("2"), [1, 1]);
    assert_eq!(counts("1"), [2, 0]);
}

#[test]
fn of_many_changes_the_first_are_shown() {
    let append = |number| {
        format!(
            r#"{{"edit":[{{"table":"others","id":"o{number}"}},[{{"set":{{"at":"/list/-","value":"1"}}}}]]}}"#
        )
    };
    let changes: Vec<_> = (0..25).map(append).collect();
    let document = format!(r#"{{"do":{{"changes":[{}]}}}}"#, changes.join(","));
    let lab = Lab::with_things([("a", document.as_str())]);
    for number in 0..25 {
        lab.put(
            "others",
            [(format!("o{number}").as_str(), r#"{"list":[]}"#)],
        );
    }
    let found = report(&check_scripted(&lab, "scripted", &["--format", "json"]));
    let shown = found["findings"][0]["changes"].as_array().unwrap();
    assert_eq!(shown.len(), 20);
}

#[test]
fn secrets_are_wiped_from_what_is_found() {
    let lab = Lab::with_things([(
        "a",
        r#"{"list":["sk-live-4242"],"do":{"edit":[{"set":{"at":"/list/-","value":"1"}}]}}"#,
    )]);
    let secret = [("HOST_SECRET_API_KEY", "sk-live-4242")];
    let check = [
        "check",
        guest("secretive"),
        "--store",
        STORE,
        "--allow",
        "secret:api-key",
    ];
    for format in ["text", "json"] {
        let ran = lab.host_with(&secret, &[&check[..], &["--format", format]].concat());
        assert_eq!(ran.status(), 3, "{ran}");
        let said = ran.to_string();
        assert!(!said.contains("sk-live") && said.contains("***"), "{ran}");
    }
}

#[test]
fn lookups_see_what_the_migration_has_made() {
    // What is found afterwards is another answer, so it changes again.
    let find = r#"{"do":{"find":{"table":"things","conditions":[{"at":"/answer","test":"present"}],"limit":9}}}"#;
    let lab = Lab::with_things([("a", find)]);
    let ran = check(&lab, guest("self-reading"), &[]);
    assert_snapshot!(findings(&ran), @r#"
    self-reading over `things`: check finished in [N]
               1 met the filter
               1 would be updated
               0 failed
    deterministic yes, of 1 checked
    idempotent NO: 1 of 1 checked
    First documents that break it:
      things a: not idempotent: applied to its own result it changes again
        things a
          - /answer []
          + /answer ["a"]
    [exit status: 3]
    "#);
}

#[test]
fn ids_are_those_that_a_run_makes() {
    let lab = Lab::with_things([(
        "a",
        r#"{"do":{"insert-new":{"table":"others","seed":"s","body":"{}"}}}"#,
    )]);
    let found = report(&check_scripted(&lab, "scripted", &["--format", "json"]));
    lab.run_scripted(&[]).success();
    let id = lab.value("SELECT _id FROM others");
    let problem = found["findings"][0]["problem"].as_str().unwrap();
    assert!(
        problem.contains(&format!("`others` has a document `{id}` already")),
        "{problem}"
    );
}

#[test]
fn every_limit_on_calls_is_measured() {
    let lab = Lab::with_things([
        (
            "changes",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":"o","body":"{}"}},{"edit":[{"table":"things","id":"changes"},[{"set":{"at":"/n","value":"[[1]]"}}]]}]}}"#,
        ),
        ("edit", EDIT),
        (
            "fail",
            r#"{"do":{"fail":{"code":"c","message":"m","at":null}}}"#,
        ),
        ("get", r#"{"do":{"get":{"table":"facts","ids":["f"]}}}"#),
        ("log", r#"{"do":{"log":"w"}}"#),
    ]);
    lab.put("facts", [("f", "{}")]);
    let found = report(&check_scripted(&lab, "scripted", &["--format", "json"]));
    for limit in found["limits"].as_array().unwrap() {
        assert!(limit["used"].as_u64() > Some(0), "{limit}");
    }
    let used = |name: &str| {
        let limits = found["limits"].as_array().unwrap();
        let limit = limits.iter().find(|limit| limit["name"] == name).unwrap();
        limit["used"].as_u64().unwrap()
    };
    // `/n` and two brackets.
    assert_eq!(used("json-depth"), 3);
    assert_eq!(used("document-changes"), 2);
    assert_eq!(used("document-insertions"), 1);
    assert_eq!(used("lookups"), 1);
    assert_eq!(used("lookup-documents"), 1);
    assert_eq!(used("log-lines"), 1);
    assert_eq!(used("log-line-bytes"), 1);
    assert_eq!(used("name-bytes"), 6);
}

#[test]
fn a_limit_that_was_reached_is_used_up() {
    let lab = Lab::with_things([("a", EDIT), ("b", r#"{"do":"hoard"}"#)]);
    let ran = check_scripted(
        &lab,
        "scripted",
        &["--instance-memory", "40MiB", "--format", "json"],
    );
    let found = report(&ran);
    let memory = &found["limits"][0];
    assert_eq!(memory["name"], "instance-memory");
    assert_eq!(memory["used"], memory["limit"]);
    assert_eq!(found["failures"]["limit"], 1);
    assert_eq!(ran.status(), 3);
}

#[test]
fn a_part_of_the_documents_can_be_checked() {
    let lab = many(2_000);
    let total = |more: &[&str]| {
        let ran = check_scripted(&lab, "scripted", &[&["--format", "json"], more].concat());
        assert_eq!(ran.status(), 0, "{ran}");
        report(&ran)["total"].as_u64().unwrap()
    };
    assert_eq!(total(&[]), 2_000);
    assert_eq!(total(&["--batch-size", "7", "--sample", "5000"]), 2_000);
    let share = total(&["--sample", "10%"]);
    assert!((150..250).contains(&share), "{share}");
    let number = total(&["--sample", "200"]);
    assert!((150..250).contains(&number), "{number}");
    assert_snapshot!(check_scripted(&lab, "scripted", &["--sample", "many"]), @"
    ------- stderr -------
    error: invalid value 'many' for '--sample <PERCENT|N>': `many` is no share: write a percentage between 0 and 100, such as 1% or 0.5%, or a number of documents

    For more information, try '--help'.
    [exit status: 2]
    ");
}

#[test]
fn what_a_run_refuses_a_check_refuses() {
    let lab = Lab::with_things([]);
    assert_snapshot!(check(&lab, guest("scripted"), &[]), @r#"
    ------- stderr -------
    error: the migration `scripted` wants to read table `facts` and to write table `others`, which was not granted
    hint: if you want to let it: --allow read:facts --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts", "write:others"]
    [exit status: 1]
    "#);
    assert_snapshot!(check_scripted(&lab, "scripted", &["--table", "nothings"]), @"
    ------- stderr -------
    error: there is no table `nothings`
    hint: the store has facts, others, things
    [exit status: 1]
    ");
    assert_snapshot!(findings(&check_scripted(&lab, "scripted", &[])), @"
    scripted over `things`: check finished in [N]
               0 met the filter
               0 would be updated
               0 failed
    deterministic not seen: no document
    idempotent not seen: no document changed
    [exit status: 0]
    ");
}
