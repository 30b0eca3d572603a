//! The scenarios that this is built for, with the example plugins: SCENARIOS.md, by its numbers.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{Lab, Report, STORE, plugin};

/// The two ways in which a database can hold the same documents.
#[derive(Clone, Copy, Debug, PartialEq)]
enum As {
    Documents,
    Rows,
}

/// A table of documents, as the one or the other. Fields that a document lacks are NULL in a row.
fn fill(lab: &Lab, kind: As, table: &str, columns: &[&str], documents: &[(&str, Value)]) {
    let database = lab.database();
    let columns = columns.join(", ");
    let create = match kind {
        As::Documents => format!(
            "CREATE TABLE IF NOT EXISTS \"{table}\" (_id TEXT PRIMARY KEY, doc JSON NOT NULL)"
        ),
        As::Rows => {
            format!("CREATE TABLE IF NOT EXISTS \"{table}\" (_id TEXT PRIMARY KEY, {columns})")
        }
    };
    database.execute_batch(&create).unwrap();
    for (id, body) in documents {
        match kind {
            As::Documents => {
                let sql = format!("INSERT INTO \"{table}\" VALUES (?1, ?2)");
                database.execute(&sql, [*id, &body.to_string()]).unwrap();
            }
            As::Rows => {
                let names: Vec<_> = body
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(String::as_str)
                    .collect();
                let values: Vec<_> = names
                    .iter()
                    .map(|name| format!("'{}'", body[*name].as_str().unwrap()))
                    .collect();
                let sql = format!(
                    "INSERT INTO \"{table}\" (_id, {}) VALUES ('{id}', {})",
                    names.join(", "),
                    values.join(", ")
                );
                database.execute_batch(&sql).unwrap();
            }
        }
    }
}

/// A document, whichever way it is held, without the fields that are NULL.
fn document(lab: &Lab, table: &str, id: &str) -> Value {
    let export = lab
        .host(&["export", "--store", STORE, "--table", table])
        .success()
        .stdout();
    let ids = lab.column(&format!("SELECT _id FROM \"{table}\" ORDER BY rowid"), &[]);
    let position = ids.iter().position(|known| known == id).unwrap();
    let mut body: Value = serde_json::from_str(export.lines().nth(position).unwrap()).unwrap();
    let fields = body.as_object_mut().unwrap();
    fields.retain(|name, value| name != "_id" && !value.is_null());
    body
}

/// Five companies with three participants each; the last company has a site, but none named Primary.
fn companies(kind: As) -> Lab {
    let lab = Lab::new();
    let names = ["acme", "bolt", "cell", "dent", "echo"];
    let companies: Vec<_> = names
        .iter()
        .map(|name| (*name, json!({"name": name})))
        .collect();
    fill(&lab, kind, "companies", &["name TEXT"], &companies);
    let primary: Vec<_> = names[..4]
        .iter()
        .map(|name| {
            (
                format!("{name}-primary"),
                json!({"company_id": name, "name": "Primary"}),
            )
        })
        .collect();
    let sites: Vec<_> = primary
        .iter()
        .map(|(id, body)| (id.as_str(), body.clone()))
        .chain([("echo-depot", json!({"company_id": "echo", "name": "Depot"}))])
        .collect();
    fill(
        &lab,
        kind,
        "sites",
        &["company_id TEXT", "name TEXT"],
        &sites,
    );
    let participants: Vec<_> = (0..15)
        .map(|number| {
            (
                format!("p{number:02}"),
                json!({"company_id": names[number % 5], "name": format!("Participant {number}")}),
            )
        })
        .collect();
    let participants: Vec<_> = participants
        .iter()
        .map(|(id, body)| (id.as_str(), body.clone()))
        .collect();
    fill(
        &lab,
        kind,
        "participants",
        &[
            "company_id TEXT",
            "site_id TEXT",
            "name TEXT",
            "updated_at INTEGER",
        ],
        &participants,
    );
    lab
}

fn index_sites(lab: &Lab, kind: As) {
    lab.sql(match kind {
        As::Documents => "CREATE INDEX by_company ON sites (json_extract(doc, '$.company_id'), json_extract(doc, '$.name'))",
        As::Rows => "CREATE INDEX by_company ON sites (company_id, name)",
    });
}

fn link(lab: &Lab, more: &[&str]) -> Report {
    link_with("link-primary-sites", lab, more)
}

fn link_with(name: &str, lab: &Lab, more: &[&str]) -> Report {
    lab.report(plugin(name), &[&["--allow", "read:sites"], more].concat())
}

/// A1 and A2, with the plugin in one language or another.
fn optional_foreign_key(kind: As, name: &str) {
    let link = |lab: &Lab, more: &[&str]| link_with(name, lab, more);
    let lab = companies(kind);
    index_sites(&lab, kind);

    let first = link(&lab, &[]);
    assert_eq!(first.adds_up().counts(), [15, 12, 0, 3, 0]);
    let expected: Vec<_> = ["p04", "p09", "p14"]
        .map(|id| format!("{id} no-primary-site: Participant {id}: No Primary site"))
        .into();
    assert_eq!(first.errors(), expected);
    let linked = document(&lab, "participants", "p06");
    assert_eq!(linked["site_id"], "bolt-primary");
    assert!(linked["updated_at"].as_u64().unwrap() > 1_700_000_000_000);
    assert_eq!(
        document(&lab, "participants", "p04"),
        json!({"company_id": "echo", "name": "Participant 4"})
    );

    fill(
        &lab,
        kind,
        "sites",
        &["company_id TEXT", "name TEXT"],
        &[(
            "echo-primary",
            json!({"company_id": "echo", "name": "Primary"}),
        )],
    );
    let before = lab.documents();
    let second = link(&lab, &[]);
    assert_eq!(second.adds_up().counts(), [3, 3, 0, 0, 0]);
    assert_eq!(
        document(&lab, "participants", "p14")["site_id"],
        "echo-primary"
    );
    assert_eq!(document(&lab, "participants", "p06"), linked);
    let (mut after, mut before) = (lab.documents(), before);
    after
        .get_mut("participants")
        .unwrap()
        .retain(|row| !["p04", "p09", "p14"].contains(&row[0].as_str()));
    before
        .get_mut("participants")
        .unwrap()
        .retain(|row| !["p04", "p09", "p14"].contains(&row[0].as_str()));
    assert_eq!(after, before, "only the three that had failed have changed");

    let before = lab.documents();
    assert_eq!(link(&lab, &[]).adds_up().counts(), [0, 0, 0, 0, 0]);
    assert_eq!(lab.documents(), before);
}

#[test]
fn a1_a2_an_optional_foreign_key_is_filled_on_document_tables() {
    optional_foreign_key(As::Documents, "link-primary-sites");
}

/// A column of a row table is never missing; its filter asks for a missing field.
#[test]
fn a1_a2_an_optional_foreign_key_is_filled_on_row_tables() {
    optional_foreign_key(As::Rows, "link-primary-sites");
}

#[test]
fn a1_a2_an_optional_foreign_key_is_filled_by_a_plugin_in_go() {
    optional_foreign_key(As::Documents, "link-primary-sites-go");
    optional_foreign_key(As::Rows, "link-primary-sites-go");
}

#[test]
fn a2_an_empty_table_has_nothing_to_migrate() {
    let lab = companies(As::Documents);
    lab.sql("DELETE FROM participants");
    let report = link(&lab, &[]);
    assert_eq!(report.adds_up().counts(), [0, 0, 0, 0, 0]);
    assert_eq!(report.get("state"), "finished");
}

#[test]
fn a1_a_person_is_shown_the_failures_and_what_to_do_next() {
    let lab = companies(As::Documents);
    index_sites(&lab, As::Documents);
    assert_snapshot!(lab.run(plugin("link-primary-sites"), &["--allow", "read:sites"]), @"
    link-primary-sites over `participants`: run 1 finished in [TIME] s
              15 met the filter
              12 updated
               3 failed
    First failures:
      participants p04: Participant p04: No Primary site (no-primary-site)
      participants p09: Participant p09: No Primary site (no-primary-site)
      participants p14: Participant p14: No Primary site (no-primary-site)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    assert_snapshot!(lab.run(plugin("link-primary-sites"), &["--allow", "read:sites"]), @"
    link-primary-sites over `participants`: run 2 finished in [TIME] s
               3 met the filter
               0 updated
               3 failed
    First failures:
      participants p04: Participant p04: No Primary site (no-primary-site)
      participants p09: Participant p09: No Primary site (no-primary-site)
      participants p14: Participant p14: No Primary site (no-primary-site)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 2` tries them again.
    [exit status: 3]
    ");
}

#[test]
fn b9_lookups_without_an_index_are_warned_of_once_with_the_index_that_helps() {
    let lab = companies(As::Documents);
    let grant = ["--allow", "read:sites", "--format", "json"];
    let ran = lab.run(
        plugin("link-primary-sites"),
        &[&grant[..], &["--batch-size", "2"]].concat(),
    );
    let warnings = ran.stderr();
    assert_snapshot!(warnings, @r#"
    warning: each lookup in `sites` goes over the whole table: no index serves its conditions
    hint: CREATE INDEX "sites_by_company_id_name" ON "sites" (json_extract("doc", '$.company_id'), json_extract("doc", '$.name'));
    "#);
    // What it proposes is SQL, and silences it.
    let (_, index) = warnings.split_once("CREATE INDEX").unwrap();
    lab.sql(&format!("CREATE INDEX{index}"));
    let ran = lab.run(plugin("link-primary-sites"), &grant);
    assert_eq!(ran.report().counts(), [3, 0, 0, 3, 0]);
    assert_eq!(ran.stderr(), "");
}

#[test]
fn a3_unlinking_is_the_way_back() {
    let lab = companies(As::Documents);
    index_sites(&lab, As::Documents);
    let untouched = document(&lab, "participants", "p04");
    let before: Vec<_> = (0..15)
        .map(|number| document(&lab, "participants", &format!("p{number:02}")))
        .collect();
    link(&lab, &[]);
    let report = lab.report(plugin("unlink-sites"), &[]);
    assert_eq!(report.adds_up().counts(), [12, 12, 0, 0, 0]);
    for (number, before) in before.iter().enumerate() {
        let mut after = document(&lab, "participants", &format!("p{number:02}"));
        after.as_object_mut().unwrap().remove("updated_at");
        assert_eq!(after, *before);
    }
    assert_eq!(document(&lab, "participants", "p04"), untouched);
    // A1 again, as if it had never been.
    assert_eq!(link(&lab, &[]).adds_up().counts(), [15, 12, 0, 3, 0]);
}

#[test]
fn b1_display_names_are_made_of_email_addresses() {
    let lab = Lab::new();
    fill(
        &lab,
        As::Documents,
        "users",
        &[],
        &[
            ("a", json!({"email": "ada@example.org", "n": 1})),
            ("b", json!({"email": "nobody"})),
            ("c", json!({"email": "@example.org"})),
            ("d", json!({})),
            (
                "e",
                json!({"email": "grace@example.org", "displayName": "Grace"}),
            ),
        ],
    );
    let report = lab.report(plugin("backfill-display-names"), &[]);
    assert_eq!(report.adds_up().counts(), [4, 1, 0, 3, 0]);
    assert_snapshot!(report.errors().join("\n"), @"
    b no-name: email has nothing before an @ to make a display name of
    c no-name: email has nothing before an @ to make a display name of
    d invalid-document: missing field `email`
    ");
    let ada = document(&lab, "users", "a");
    assert_eq!(ada["displayName"], "ada");
    assert!(ada["updatedAt"].is_u64());
    assert_eq!(
        document(&lab, "users", "e"),
        json!({"email": "grace@example.org", "displayName": "Grace"})
    );
}

#[test]
fn b2_a_field_is_renamed_in_two_steps() {
    let lab = Lab::new();
    fill(
        &lab,
        As::Documents,
        "recipes",
        &[],
        &[("a", json!({"title": "Soup"})), ("b", json!({"n": 1}))],
    );
    lab.put("recipes", [("c", r#"{"title":6.10, "n":1}"#)]);
    assert_eq!(
        lab.report(plugin("rename-recipe-title"), &[])
            .adds_up()
            .counts(),
        [2, 2, 0, 0, 0]
    );
    assert_eq!(
        document(&lab, "recipes", "a"),
        json!({"title": "Soup", "recipeTitle": "Soup"})
    );
    assert_eq!(
        lab.report(plugin("drop-recipe-title"), &[])
            .adds_up()
            .counts(),
        [2, 2, 0, 0, 0]
    );
    assert_eq!(
        document(&lab, "recipes", "a"),
        json!({"recipeTitle": "Soup"})
    );
    assert_eq!(lab.body("recipes", "c"), r#"{"n":1, "recipeTitle":6.10}"#);
    assert_eq!(document(&lab, "recipes", "b"), json!({"n": 1}));
}

#[test]
fn b2_the_old_field_stays_until_it_was_copied() {
    let lab = Lab::new();
    fill(
        &lab,
        As::Documents,
        "recipes",
        &[],
        &[("a", json!({"title": "Soup"}))],
    );
    let report = lab.report(plugin("drop-recipe-title"), &[]);
    assert_eq!(report.adds_up().counts(), [1, 0, 0, 1, 0]);
    assert_eq!(document(&lab, "recipes", "a"), json!({"title": "Soup"}));
}

#[test]
fn b3_unknown_statuses_become_draft_and_are_told() {
    let lab = Lab::new();
    fill(
        &lab,
        As::Documents,
        "posts",
        &[],
        &[
            ("a", json!({"status": "published"})),
            ("b", json!({"status": "archived"})),
            ("c", json!({"status": "Published"})),
            ("d", json!({"status": 7})),
            ("e", json!({})),
        ],
    );
    let counted = json!({"unknown status became draft": 3});
    let dry = lab.report(plugin("status-enum"), &["--dry-run"]);
    let ran = lab.run(plugin("status-enum"), &["--format", "json"]);
    assert_eq!(ran.report().adds_up().counts(), [5, 5, 0, 0, 0]);
    assert_eq!(dry.get("warnings"), &counted);
    assert_eq!(ran.report().get("warnings"), &counted);
    // The SDK tells which document a line is about.
    for id in ["c", "d", "e"] {
        let line = format!("unknown status became draft  table=posts  document={id}\n");
        assert!(ran.stderr().contains(&line), "{ran}");
    }
    let status = |id| document(&lab, "posts", id)["statusEnum"].clone();
    assert_eq!(
        ["a", "b", "c", "d", "e"].map(status),
        ["published", "archived", "draft", "draft", "draft"]
    );
    assert!(
        ran.stderr().contains("unknown status became draft"),
        "{ran}"
    );
}

#[test]
fn b4_premium_users_are_found_by_an_index_on_their_tier() {
    let users: Vec<_> = (0..200)
        .map(|number| {
            let tier = if number % 20 == 0 { "premium" } else { "free" };
            (format!("u{number:03}"), json!({"tier": tier, "subscriptionStartDate": format!("2024-01-{:02}", number / 20 + 1)}))
        })
        .collect();
    let users: Vec<_> = users
        .iter()
        .map(|(id, body)| (id.as_str(), body.clone()))
        .collect();
    for index in [
        None,
        Some("CREATE INDEX by_tier ON users (json_extract(doc, '$.tier'))"),
        Some("CREATE INDEX by_tier ON users (doc ->> '$.tier')"),
    ] {
        let lab = Lab::new();
        fill(&lab, As::Documents, "users", &[], &users);
        lab.put(
            "users",
            [
                ("u020", r#"{"tier":"premium","premiumSince":"2020-01-01"}"#),
                ("u040", r#"{"tier":"premium"}"#),
            ],
        );
        if let Some(index) = index {
            lab.sql(index);
        }
        let report = lab.report(plugin("premium-since"), &["--batch-size", "3"]);
        assert_eq!(report.adds_up().counts(), [9, 8, 0, 1, 0], "{index:?}");
        assert_eq!(
            document(&lab, "users", "u060")["premiumSince"],
            "2024-01-04"
        );
        assert_eq!(
            document(&lab, "users", "u020"),
            json!({"tier": "premium", "premiumSince": "2020-01-01"})
        );
        assert_eq!(document(&lab, "users", "u001").get("premiumSince"), None);
    }
}

#[test]
fn b5_names_are_split_at_the_first_blank() {
    names_are_split("split-name");
}

#[test]
fn b5_names_are_split_by_a_plugin_in_python() {
    names_are_split("split-name-python");
}

fn names_are_split(name: &str) {
    let lab = Lab::new();
    fill(
        &lab,
        As::Documents,
        "users",
        &[],
        &[
            ("a", json!({"name": "Ada Lovelace"})),
            ("b", json!({"name": "Plato"})),
            ("c", json!({"name": "Ana Maria de Souza"})),
            ("d", json!({"name": "  Grace Hopper  "})),
            ("e", json!({"name": "   "})),
            ("f", json!({})),
        ],
    );
    let report = lab.report(plugin(name), &[]);
    assert_eq!(report.adds_up().counts(), [5, 4, 1, 0, 0]);
    assert_eq!(*report.get("skip_reasons"), json!({"no name": 1}));
    let names = |id| {
        let user = document(&lab, "users", id);
        [user["firstName"].clone(), user["lastName"].clone()]
    };
    assert_eq!(names("a"), ["Ada", "Lovelace"]);
    assert_eq!(names("b"), ["Plato", ""]);
    assert_eq!(names("c"), ["Ana", "Maria de Souza"]);
    assert_eq!(names("d"), ["Grace", "Hopper"]);
    assert_eq!(names("f"), [Value::Null, Value::Null]);
}

#[test]
fn b7_every_document_is_copied_and_none_twice() {
    let lab = Lab::new();
    fill(&lab, As::Documents, "newTable", &[], &[]);
    fill(&lab, As::Documents, "oldTable", &[], &[]);
    lab.put(
        "oldTable",
        [
            (
                "a",
                r#"{"_id":"a", "price":1.0, "_creationTime":5, "n":1e3}"#,
            ),
            ("b", r#"{"n":2}"#),
        ],
    );
    let old = lab.documents()["oldTable"].clone();
    let copy = |more: &[&str]| {
        lab.report(
            plugin("rename-table"),
            &[&["--allow", "write:newTable"], more].concat(),
        )
    };

    let first = copy(&[]);
    assert_eq!(first.adds_up().counts(), [2, 2, 0, 0, 0]);
    assert_eq!(first.number("inserted"), 2);
    let copies = || lab.column("SELECT doc FROM newTable ORDER BY doc", &[]);
    assert_eq!(copies(), [r#"{"n":2}"#, r#"{"price":1.0, "n":1e3}"#]);

    lab.put("oldTable", [("c", r#"{"n":3}"#)]);
    let second = copy(&["--batch-size", "1"]);
    assert_eq!(second.adds_up().counts(), [3, 1, 2, 0, 0]);
    assert_eq!(second.number("inserted"), 1);
    assert_eq!(copies().len(), 3);
    let mut now = lab.documents()["oldTable"].clone();
    now.retain(|row| row[0] != "c");
    assert_eq!(now, old);
}

#[test]
fn b10_the_report_says_how_many_became_instructors() {
    for kind in [As::Documents, As::Rows] {
        let lab = Lab::new();
        fill(
            &lab,
            kind,
            "users",
            &["role TEXT", "name TEXT"],
            &[
                ("a", json!({"role": "teacher", "name": "A"})),
                ("b", json!({"role": "student"})),
                ("c", json!({"role": "teacher"})),
                ("d", json!({"name": "D"})),
            ],
        );
        assert_eq!(
            lab.report(plugin("instructor-role"), &[])
                .adds_up()
                .counts(),
            [2, 2, 0, 0, 0]
        );
        assert_eq!(
            document(&lab, "users", "a"),
            json!({"role": "instructor", "name": "A"})
        );
        assert_eq!(document(&lab, "users", "b"), json!({"role": "student"}));
        assert_eq!(document(&lab, "users", "d"), json!({"name": "D"}));
    }
}

#[test]
fn c1_a_deprecated_field_goes_and_everything_else_stays_byte_for_byte() {
    let lab = Lab::new();
    fill(&lab, As::Documents, "userSettings", &[], &[]);
    lab.put(
        "userSettings",
        [
            (
                "a",
                r#"{"a": 1.0, "saveRegenerationHistory": true, "b" :[ 2 ]}"#,
            ),
            ("b", r#"{ "a":1.0 }"#),
        ],
    );
    assert_eq!(
        lab.report(plugin("drop-deprecated-field"), &[])
            .adds_up()
            .counts(),
        [1, 1, 0, 0, 0]
    );
    assert_eq!(lab.body("userSettings", "a"), r#"{"a": 1.0, "b" :[ 2 ]}"#);
    assert_eq!(lab.body("userSettings", "b"), r#"{ "a":1.0 }"#);
}

#[test]
fn c3_metadata_keeps_what_it_has_and_gains_a_version() {
    let lab = Lab::new();
    fill(
        &lab,
        As::Documents,
        "messages",
        &[],
        &[
            ("b", json!({})),
            ("c", json!({"migrated": true})),
            ("d", json!({"metadata": "text"})),
        ],
    );
    lab.put("messages", [("a", r#"{"metadata": {"tokens": 1e3}}"#)]);
    let report = lab.report(plugin("stamp-message-metadata"), &[]);
    assert_eq!(report.adds_up().counts(), [3, 2, 0, 1, 0]);
    assert!(
        lab.body("messages", "a")
            .starts_with(r#"{"metadata": {"tokens": 1e3,"#)
    );
    for id in ["a", "b"] {
        let message = document(&lab, "messages", id);
        assert_eq!(message["metadata"]["version"], "2.0");
        assert!(message["metadata"]["processedAt"].is_u64());
        assert_eq!(message["migrated"], true);
    }
    assert_eq!(document(&lab, "messages", "d"), json!({"metadata": "text"}));
}
