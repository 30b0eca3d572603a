//! Snapshots of Convex, in, migrated, and out.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use host::convex::{ConvexId, TableNumber};
use insta::assert_snapshot;
use migration_document::id::new_id;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::common::process::{alone, inherited, measured};
use crate::common::{Lab, Ran, STORE, plugin};

/// The entries of an archive, in their order.
type Entries = Vec<(String, Vec<u8>)>;

fn pack(path: &Path, entries: impl IntoIterator<Item: Borrow<(String, Vec<u8>)>>) {
    let mut archive = ZipWriter::new(File::create(path).unwrap());
    for entry in entries {
        let (name, content) = entry.borrow();
        archive
            .start_file(name.as_str(), SimpleFileOptions::default())
            .unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap();
}

fn unpack(path: &Path) -> Entries {
    let mut archive = ZipArchive::new(File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.name().unwrap().into_owned(), content)
        })
        .collect()
}

fn id(table: u32, seed: &str) -> String {
    ConvexId::new(TableNumber(table), new_id("test", "table", seed)).to_string()
}

/// A document of the current encoding with a value of every type.
fn current(table: u32, seed: usize) -> String {
    format!(
        r#"{{"_creationTime":17000000000{seed:02}.25,"_id":"{}","big":9223372036854775807,"bytes":{{"$bytes":"AAE="}},"email":"ada{seed}@example.com","float":42.0,"inf":{{"$float":"AAAAAAAA8H8="}},"int":42,"list":[1,1.0,"1",null],"minus":-0.0,"name":"Ada \u00e9 é","nan":{{"$float":"AAAAAAAA+H8="}},"tiny":2.2250738585072014e-308,"yes":true}}"#,
        id(table, &seed.to_string())
    )
}

/// The same in the legacy encoding. `name` and `odd` can be of several types there.
fn legacy(table: u32, seed: usize) -> String {
    format!(
        r#"{{"_creationTime":17000000000{seed:02}.25,"_id":"{}","big":"9223372036854775807","bytes":"AAE=","email":"ada{seed}@example.com","float":42.0,"inf":"-Infinity","int":"42","name":"NaN","odd":{odd}}}"#,
        id(table, &seed.to_string()),
        odd = if seed.is_multiple_of(2) {
            "\"7\""
        } else {
            "[\"7\",\"AA==\",\"NaN\"]"
        }
    )
}

const LEGACY_SHAPE: &str = r#"{"_creationTime": normalfloat64, "_id": id<10002>, "big": int64, "bytes": bytes, "displayName"?: string, "email": string, "float": normalfloat64, "inf": inf | -inf, "int": int64, "name": string, "odd": unknown, "updatedAt"?: normalfloat64}"#;

fn lines(documents: impl Iterator<Item = String>) -> Vec<u8> {
    documents.map(|line| line + "\n").collect::<String>().into()
}

/// A snapshot with `size` documents in each table.
fn snapshot(size: usize) -> Entries {
    let shape = serde_json::to_string(LEGACY_SHAPE).unwrap() + "\n";
    let contexts = (0..size)
        .filter(|seed| !seed.is_multiple_of(2))
        .map(|seed| {
            format!(
                r#"{{"{}":{{"odd":["int64","bytes",{{"$float64NaN":"AAAAAAAA+H8="}}]}}}}"#,
                id(10_002, &seed.to_string())
            )
        });
    let schema = [shape.into_bytes(), lines(contexts)].concat();
    let uniform = b"\"uniform\"\n".to_vec();
    let file = id(540, "file");
    let stored = format!(
        r#"{{"_creationTime":1700000000000.0,"_id":"{file}","contentType":"image/png","internalId":"5f0c","sha256":null,"size":3.0}}"#
    );
    let mut entries = vec![
        ("README.md".into(), b"# A snapshot\n".to_vec()),
        (
            "_tables/documents.jsonl".into(),
            b"{\"name\":\"users\",\"id\":10001}\n{\"name\":\"old\",\"id\":10002}\n{\"name\":\"empty\",\"id\":10007}\n".to_vec(),
        ),
        (
            "_components/mail/_tables/documents.jsonl".into(),
            b"{\"name\":\"outbox\",\"id\":10001}\n".to_vec(),
        ),
        ("empty/documents.jsonl".into(), Vec::new()),
        ("empty/generated_schema.jsonl".into(), uniform.clone()),
        (
            "users/documents.jsonl".into(),
            lines((0..size).map(|seed| current(10_001, seed))),
        ),
        ("users/generated_schema.jsonl".into(), uniform.clone()),
        (
            "old/documents.jsonl".into(),
            lines((0..size).map(|seed| legacy(10_002, seed))),
        ),
        ("old/generated_schema.jsonl".into(), schema),
        (
            "_components/mail/outbox/documents.jsonl".into(),
            lines((0..size).map(|seed| current(10_001, seed + size))),
        ),
        ("_components/mail/outbox/generated_schema.jsonl".into(), uniform),
        ("_storage/documents.jsonl".into(), lines([stored].into_iter())),
    ];
    // Longer than what is kept in one part.
    let picture = (0..2_500_000_u32).map(|byte| (byte % 251) as u8).collect();
    entries.push((format!("_storage/{file}.png"), picture));
    entries
}

fn host(lab: &Lab, command: &str, more: &[&str]) -> Ran {
    lab.host(&[&[command, "--store", STORE], more].concat())
}

fn imported(entries: &Entries) -> Lab {
    let lab = Lab::new();
    pack(&lab.path("in.zip"), entries);
    host(&lab, "import", &["in.zip"]).success();
    lab
}

fn exported(lab: &Lab) -> Entries {
    host(lab, "export", &["out.zip"]).success();
    unpack(&lab.path("out.zip"))
}

#[track_caller]
fn assert_same(one: &Entries, other: &Entries) {
    let names = |entries: &Entries| {
        entries
            .iter()
            .map(|entry| entry.0.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(one), names(other));
    for ((name, one), (_, other)) in one.iter().zip(other) {
        assert!(
            one == other,
            "{name}:\n{}\n{}",
            String::from_utf8_lossy(one),
            String::from_utf8_lossy(other)
        );
    }
}

#[test]
fn a_snapshot_comes_out_as_it_went_in() {
    let entries = snapshot(9);
    let lab = imported(&entries);
    assert_snapshot!(host(&lab, "tables", &[]), @"
    TABLE        KIND             KEY  DOCUMENTS
    _storage     document in doc  _id          1
    empty        document in doc  _id          0
    mail/outbox  document in doc  _id          9
    old          document in doc  _id          9
    users        document in doc  _id          9
    [exit status: 0]
    ");
    assert_same(&exported(&lab), &entries);
}

#[test]
fn types_of_the_legacy_encoding_are_told_in_the_store() {
    let lab = imported(&snapshot(2));
    assert_snapshot!(lab.body("old", &id(10_002, "1")).replace(&id(10_002, "1"), "ID"), @r#"{"_creationTime":1700000000001.25,"_id":"ID","big":9223372036854775807,"bytes":{"$bytes":"AAE="},"email":"ada1@example.com","float":42.0,"inf":{"$float":"AAAAAAAA8P8="},"int":42,"name":"NaN","odd":[7,{"$bytes":"AA=="},{"$float":"AAAAAAAA+H8="}]}"#);
}

#[test]
fn what_no_migration_touched_comes_out_byte_for_byte() {
    let entries = snapshot(9);
    let lab = imported(&entries);
    let ran = lab.run(plugin("backfill-display-names"), &[]).success();
    assert!(ran.stderr().is_empty(), "{ran}");
    let migrated = exported(&lab);
    let by_name: BTreeMap<_, _> = migrated.iter().cloned().collect();
    for (name, content) in &entries {
        if name == "users/documents.jsonl" {
            let text = String::from_utf8(by_name[name].clone()).unwrap();
            for (seed, line) in text.lines().enumerate() {
                let before = current(10_001, seed);
                let untouched = before.strip_suffix('}').unwrap();
                let added = line.strip_prefix(untouched).unwrap();
                assert!(
                    added.starts_with(&format!(",\"displayName\":\"ada{seed}\",\"updatedAt\":"))
                );
            }
        } else {
            assert!(by_name[name] == *content, "{name}");
        }
    }
    // And once more the whole way round.
    let again = Lab::new();
    pack(&again.path("in.zip"), &migrated);
    host(&again, "import", &["in.zip"]).success();
    assert_same(&exported(&again), &migrated);
    assert_eq!(again.documents(), lab.documents());
}

/// 200,000 documents in twelve tables of the root, every second of them in the legacy encoding, and what else a
/// snapshot has. One entry after the other, because all of them are large.
fn large_snapshot() -> impl Iterator<Item = (String, Vec<u8>)> {
    const NAMES: [&str; 12] = [
        "users", "recipes", "posts", "messages", "threads", "teams", "rooms", "tags", "files",
        "likes", "visits", "mails",
    ];
    let mut entries = snapshot(0);
    entries.retain(|(name, _)| {
        !["users", "old", "empty", "_tables"]
            .iter()
            .any(|table| name.starts_with(table))
    });
    let number = |place: usize| 20_001 + u32::try_from(place).unwrap();
    let listed = NAMES.iter().enumerate();
    let list =
        listed.map(|(place, name)| format!("{{\"name\":\"{name}\",\"id\":{}}}", number(place)));
    entries.insert(1, ("_tables/documents.jsonl".into(), lines(list)));
    let tables = NAMES
        .into_iter()
        .enumerate()
        .flat_map(move |(place, name)| {
            let with = |document: String| {
                let rest = document.strip_suffix('}').unwrap();
                format!("{rest},\"status\":\"draft\",\"title\":\"Soup\"}}")
            };
            let seeds = 0..200_000 / NAMES.len() + 1;
            let (documents, schema) = if place.is_multiple_of(2) {
                let documents = seeds.map(|seed| with(current(number(place), seed)));
                (lines(documents), b"\"uniform\"\n".to_vec())
            } else {
                // Values of one type only: contexts of single documents are tested elsewhere.
                let documents = seeds.map(|seed| with(legacy(number(place), 2 * seed)));
                let shape = LEGACY_SHAPE.replace("10002", &number(place).to_string()).replace(
                "\"updatedAt\"",
                "\"recipeTitle\"?: string, \"status\": string, \"title\": string, \"updatedAt\"",
            );
                let schema = serde_json::to_string(&shape).unwrap() + "\n";
                (lines(documents), schema.into_bytes())
            };
            [
                (format!("{name}/documents.jsonl"), documents),
                (format!("{name}/generated_schema.jsonl"), schema),
            ]
        });
    entries.into_iter().chain(tables)
}

#[test]
fn a_large_snapshot_is_migrated_three_times_and_goes_the_whole_way_round() {
    let entries = large_snapshot().collect();
    let lab = imported(&entries);
    assert_same(&exported(&lab), &entries);
    for name in [
        "backfill-display-names",
        "rename-recipe-title",
        "status-enum",
    ] {
        lab.run(plugin(name), &[]).success();
    }
    let migrated = exported(&lab);
    let touched: Vec<_> = entries
        .iter()
        .zip(&migrated)
        .filter(|(before, after)| before != after)
        .map(|(before, _)| before.0.as_str())
        .collect();
    assert_eq!(
        touched,
        [
            "users/documents.jsonl",
            "recipes/documents.jsonl",
            "posts/documents.jsonl"
        ]
    );
    let again = Lab::new();
    pack(&again.path("in.zip"), &migrated);
    host(&again, "import", &["in.zip"]).success();
    assert!(again.documents() == lab.documents());
}

/// Runs `host`, which must not need more memory for 200,000 documents than for a few.
#[track_caller]
fn in_little_memory(lab: &Lab, command: &str, more: &[&str]) {
    const MOST: usize = 150_000_000;
    // What this process ever had counts for those that it starts.
    assert!(inherited() < MOST);
    let (output, used) = measured(lab.command(&[&[command, "--store", STORE], more].concat()));
    lab.ran(output).success();
    assert!(used.memory < MOST, "{command} {more:?} took {used:?}");
}

#[test]
#[cfg(unix)]
fn large_stores_go_in_and_out_in_little_memory() {
    let body = || {
        let lab = Lab::new();
        pack(&lab.path("in.zip"), large_snapshot());
        in_little_memory(&lab, "import", &["in.zip"]);
        in_little_memory(&lab, "export", &["out.zip"]);
        in_little_memory(&lab, "export", &["--table", "users", "users.csv.gz"]);
        // A component's table cannot be the name of a file.
        lab.sql("DROP TABLE \"mail/outbox\"");
        in_little_memory(&lab, "export", &["dump"]);
        let again = Lab::new();
        std::fs::rename(lab.path("dump"), again.path("dump")).unwrap();
        in_little_memory(&again, "import", &["dump", "--key", "_id"]);
        assert!(again.documents() == lab.documents());
    };
    alone("convex::large_stores_go_in_and_out_in_little_memory", body);
}

#[test]
fn a_legacy_table_changes_its_encoding_only_where_types_would_be_lost() {
    let lab = imported(&snapshot(3));
    let encoding = |lab: &Lab| {
        let entries: BTreeMap<_, _> = exported(lab).into_iter().collect();
        let schema = &entries["old/generated_schema.jsonl"];
        (schema.starts_with(b"\"uniform\""), entries)
    };
    // The shape knows a field of that name and type.
    lab.sql("UPDATE old SET doc = json_set(doc, '$.displayName', 'Ada')");
    assert!(!encoding(&lab).0);
    // This one it does not.
    lab.sql("UPDATE old SET doc = replace(doc, '\"odd\":\"7\"', '\"odd\":7')");
    let (current, entries) = encoding(&lab);
    assert!(current);
    let text = String::from_utf8(entries["old/documents.jsonl"].clone()).unwrap();
    assert!(text.contains("\"int\":42,"), "{text}");
    let again = Lab::new();
    pack(&again.path("in.zip"), entries);
    host(&again, "import", &["in.zip"]).success();
    assert_eq!(again.documents()["old"], lab.documents()["old"]);
}

#[test]
fn a_table_without_a_word_about_its_encoding_has_strings_and_floats() {
    let mut entries = snapshot(2);
    entries.retain(|(name, _)| name != "old/generated_schema.jsonl");
    let lab = imported(&entries);
    assert!(lab.body("old", &id(10_002, "0")).contains(r#""int":"42""#));
    assert_same(&exported(&lab), &entries);
    lab.sql("UPDATE old SET doc = json_set(doc, '$.int', 42)");
    let names: Vec<_> = exported(&lab).into_iter().map(|entry| entry.0).collect();
    assert!(
        names.contains(&"old/generated_schema.jsonl".to_owned()),
        "{names:?}"
    );
}

#[test]
fn a_snapshot_that_was_unpacked_and_packed_again_is_taken() {
    let entries = snapshot(2)
        .into_iter()
        .map(|(name, content)| (format!("snapshot_17/{name}"), content))
        .collect();
    let lab = imported(&entries);
    assert_eq!(lab.documents()["users"].len(), 2);
    assert_same(&exported(&lab), &entries);
}

#[test]
fn documents_without_an_id_get_one() {
    let mut entries = snapshot(0);
    entries[5].1 = b"{\"n\":1}\n{\"n\":2}\n".to_vec();
    let lab = imported(&entries);
    let rows = lab.documents()["users"].clone();
    assert_eq!(rows.len(), 2);
    for row in &rows {
        let id: ConvexId = row[0].parse().unwrap();
        assert_eq!(id.table, TableNumber(10_001));
    }
    let out: BTreeMap<_, _> = exported(&lab).into_iter().collect();
    let text = String::from_utf8(out["users/documents.jsonl"].clone()).unwrap();
    assert_eq!(
        text.lines().next().unwrap(),
        format!("{{\"_id\":\"{}\",\"n\":1}}", rows[0][0])
    );
}

#[test]
fn new_documents_get_ids_of_their_table() {
    let lab = imported(&snapshot(0));
    lab.write("things.jsonl", "");
    lab.write("others.jsonl", "");
    lab.write("facts.jsonl", "");
    for table in ["things.jsonl", "others.jsonl", "facts.jsonl"] {
        host(&lab, "import", &[table, "--key", "_id"]).success();
    }
    lab.put(
        "things",
        [(
            "a",
            r#"{"do":{"changes":[{"insert":{"table":"others","body":"{\"n\":1}"}}]}}"#,
        )],
    );
    let ran = lab.run_scripted(&[]);
    assert_eq!(ran.status(), 0, "{ran}");
    let others = lab.documents()["others"].clone();
    let id: ConvexId = others[0][0].parse().unwrap();
    assert!(id.table.0 > 10_007, "{}", id.table);
    lab.sql("DELETE FROM things");
    let out: BTreeMap<_, _> = exported(&lab).into_iter().collect();
    let tables = String::from_utf8(out["_tables/documents.jsonl"].clone()).unwrap();
    assert!(
        tables.contains(&format!("{{\"name\":\"others\",\"id\":{}}}", id.table)),
        "{tables}"
    );
    assert_eq!(
        String::from_utf8_lossy(&out["others/documents.jsonl"]),
        format!("{{\"_id\":\"{}\",\"n\":1}}\n", others[0][0])
    );
    assert_eq!(out["others/generated_schema.jsonl"], b"\"uniform\"\n");
}

#[test]
fn a_table_that_is_gone_has_no_entry() {
    let lab = imported(&snapshot(2));
    lab.sql("DROP TABLE old");
    let out: BTreeMap<_, _> = exported(&lab).into_iter().collect();
    assert!(out.keys().all(|name| !name.starts_with("old/")));
    assert_eq!(
        String::from_utf8_lossy(&out["_tables/documents.jsonl"]),
        "{\"name\":\"users\",\"id\":10001}\n{\"name\":\"empty\",\"id\":10007}\n"
    );
}

#[test]
fn any_store_goes_to_convex() {
    let lab = Lab::with(
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, price REAL, picture BLOB); INSERT INTO rows VALUES (7, 6.5, x'0001')",
    );
    let out: BTreeMap<_, _> = exported(&lab).into_iter().collect();
    assert_eq!(
        String::from_utf8_lossy(&out["_tables/documents.jsonl"]),
        "{\"name\":\"rows\",\"id\":10001}\n"
    );
    assert_eq!(
        String::from_utf8_lossy(&out["rows/documents.jsonl"]),
        "{\"id\":7,\"price\":6.5,\"picture\":{\"$bytes\":\"AAE=\"}}\n"
    );
}

fn refused(lab: &Lab, more: &[&str]) -> Ran {
    let ran = host(lab, "import", more);
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(!lab.path("app.db").exists(), "{ran}");
    ran
}

/// Imports a snapshot of which an entry was changed; nothing comes of it.
fn spoilt(name: &str, content: impl Into<Vec<u8>>) -> Ran {
    let lab = Lab::new();
    let mut entries = snapshot(2);
    entries.retain(|(other, _)| other != name);
    entries.push((name.into(), content.into()));
    pack(&lab.path("in.zip"), &entries);
    refused(&lab, &["in.zip"])
}

#[test]
fn archives_that_are_none_are_refused() {
    let lab = Lab::new();
    lab.write("in.zip", "PK, but not really");
    assert_snapshot!(refused(&lab, &["in.zip"]), @"
    ------- stderr -------
    error: the archive cannot be used: invalid Zip archive: Could not find EOCD
    hint: it is no ZIP archive, or a damaged one; no document was imported
    [exit status: 1]
    ");
    pack(&lab.path("whole.zip"), snapshot(2));
    let whole = std::fs::read(lab.path("whole.zip")).unwrap();
    lab.write("in.zip", &whole[..whole.len() / 2]);
    assert_snapshot!(refused(&lab, &["in.zip"]), @"
    ------- stderr -------
    error: the archive cannot be used: invalid Zip archive: Could not find EOCD
    hint: it is no ZIP archive, or a damaged one; no document was imported
    [exit status: 1]
    ");
    pack(
        &lab.path("in.zip"),
        vec![("notes.txt".into(), b"hello".to_vec())],
    );
    assert_snapshot!(refused(&lab, &["in.zip"]), @"
    ------- stderr -------
    error: the snapshot cannot be taken: it has no TABLE/documents.jsonl, as snapshots of Convex have
    [exit status: 1]
    ");
    // One byte of the contents is another.
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    lab.write("in.zip", &damaged);
    let ran = refused(&lab, &["in.zip"]);
    assert!(ran.stderr().starts_with("error: "), "{ran}");
}

#[test]
fn entries_that_climb_out_are_refused() {
    for name in ["../../users/documents.jsonl", "/etc/cron.d/x", "a\\..\\b"] {
        let ran = spoilt(name, "x");
        assert_eq!(
            ran.stderr().lines().next().unwrap(),
            format!(
                "error: the snapshot cannot be taken: the entry `{name}` has a name that leads out of the archive"
            )
        );
    }
}

#[test]
fn bombs_are_refused() {
    let lab = Lab::new();
    let mut entries = snapshot(0);
    entries.push(("_storage/zeros".into(), vec![0; 64 << 20]));
    pack(&lab.path("in.zip"), &entries);
    assert_snapshot!(refused(&lab, &["in.zip", "--max-unpacked", "32MiB"]), @"
    ------- stderr -------
    error: the snapshot would take more than 32.0 MiB when unpacked
    hint: if you trust it, raise the limit with --max-unpacked SIZE; no document was imported
    [exit status: 1]
    ");
    host(&lab, "import", &["in.zip", "--max-unpacked", "80MiB"]).success();
    // One that says less of itself than it comes to.
    let lab = Lab::new();
    pack(&lab.path("in.zip"), &entries);
    let mut bytes = std::fs::read(lab.path("in.zip")).unwrap();
    let honest = (64_u32 << 20).to_le_bytes();
    let places: Vec<_> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..at + 4] == honest)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + 4].copy_from_slice(&9_u32.to_le_bytes());
    }
    lab.write("in.zip", &bytes);
    let ran = refused(&lab, &["in.zip", "--max-unpacked", "32MiB"]);
    assert!(ran.stderr().starts_with("error: "), "{ran}");
}

#[test]
fn documents_that_convex_would_not_take_are_told() {
    let users = "users/documents.jsonl";
    let one = current(10_001, 0);
    let mut wrong = id(10_001, "0");
    wrong.replace_range(
        3..4,
        if wrong.as_bytes()[3] == b'a' {
            "b"
        } else {
            "a"
        },
    );
    assert_snapshot!(spoilt(users, one.replace(&id(10_001, "0"), &wrong)).stderr().replace(&wrong, "ID"), @"
    error: users/documents.jsonl, line 1: its `_id`: the checksum of the id `ID` is wrong
    hint: no document was imported
    ");
    assert_snapshot!(spoilt(users, one.replace(&id(10_001, "0"), "user-1")), @"
    ------- stderr -------
    error: users/documents.jsonl, line 1: its `_id`: `user-1` is not spelled like an id of Convex
    hint: no document was imported
    [exit status: 1]
    ");
    let other = id(10_002, "0");
    assert_snapshot!(spoilt(users, one.replace(&id(10_001, "0"), &other)).stderr().replace(&other, "ID"), @"
    error: users/documents.jsonl, line 1: its `_id` `ID` is one of table number 10002, and `users` has the number 10001
    hint: no document was imported
    ");
    let twice = format!("{one}\n{one}\n");
    assert_snapshot!(spoilt(users, twice).stderr().replace(&id(10_001, "0"), "ID"), @"
    error: users/documents.jsonl, line 2: document `ID`: the database refuses it: UNIQUE constraint failed: users._id
    hint: no document was imported
    ");
    assert_snapshot!(spoilt(users, "{\"_id\":7}\n"), @"
    ------- stderr -------
    error: users/documents.jsonl, line 1: its `_id` is 7, and no string
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(spoilt(users, "{\"a\":\n"), @"
    ------- stderr -------
    error: users/documents.jsonl, line 1: not valid JSON: EOF while parsing a value at line 1 column 5
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(spoilt("old/generated_schema.jsonl", "\"{\\\"a\\\": int65}\"\n"), @"
    ------- stderr -------
    error: the snapshot cannot be taken: `old/generated_schema.jsonl`: not the shape of a table, from `int65}` on
    [exit status: 1]
    ");
    assert_snapshot!(spoilt("old/generated_schema.jsonl", "\"{\\\"email\\\": int64}\"\n"), @r#"
    ------- stderr -------
    error: old/documents.jsonl, line 1: `"ada0@example.com"` should be an int64
    hint: no document was imported
    [exit status: 1]
    "#);
    assert_snapshot!(spoilt("_tables/documents.jsonl", "{\"name\":\"users\"}\n"), @"
    ------- stderr -------
    error: _tables/documents.jsonl, line 1: missing field `id` at line 1 column 16
    hint: no document was imported
    [exit status: 1]
    ");
    assert_snapshot!(spoilt("again/users/documents.jsonl", ""), @"
    ------- stderr -------
    error: the snapshot cannot be taken: `users` is there twice, the second time as `again/users/documents.jsonl`
    [exit status: 1]
    ");
}

#[test]
fn a_second_snapshot_takes_the_place_of_the_first_or_nothing() {
    let entries = snapshot(2);
    let lab = imported(&entries);
    let before = lab.everything();
    let ran = host(&lab, "import", &["in.zip"]);
    assert_eq!(ran.status(), 1);
    assert_eq!(lab.everything(), before);
    let more = snapshot(5);
    pack(&lab.path("in.zip"), &more);
    host(&lab, "import", &["in.zip", "--replace"]).success();
    assert_same(&exported(&lab), &more);
}

#[test]
fn stores_that_convex_would_not_take_are_told() {
    let refused = |lab: &Lab| {
        let ran = host(lab, "export", &["out.zip"]);
        assert!(!lab.path("out.zip").exists());
        ran
    };
    let lab = Lab::with_things([("a", "{\"_id\":\"a\"}")]);
    assert_snapshot!(refused(&lab), @"
    ------- stderr -------
    error: document `a` of table `things`: `a` is not spelled like an id of Convex
    [exit status: 1]
    ");
    let lab = Lab::with("CREATE TABLE \"two words\" (id INTEGER PRIMARY KEY)");
    assert_snapshot!(refused(&lab), @"
    ------- stderr -------
    error: table `two words`: Convex takes no such name for a table
    [exit status: 1]
    ");
    let lab = imported(&snapshot(1));
    lab.put("users", [("mine", "{}")]);
    assert_snapshot!(refused(&lab), @"
    ------- stderr -------
    error: document `mine` of table `users`: `mine` is not spelled like an id of Convex
    [exit status: 1]
    ");
}

#[test]
fn an_archive_that_lies_about_its_size_is_a_bomb_all_the_same() {
    let mut entries = snapshot(0);
    entries.push(("_storage/blank".into(), vec![0; 5_000_000]));
    let lab = Lab::new();
    pack(&lab.path("in.zip"), &entries);
    let mut bytes = std::fs::read(lab.path("in.zip")).unwrap();
    // What it announces stands before each entry and in the list at the end.
    let size = 5_000_000_u32.to_le_bytes();
    let places: Vec<_> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..*at + 4] == size)
        .collect();
    assert_eq!(places.len(), 2);
    for at in places {
        bytes[at..at + 4].copy_from_slice(&5_u32.to_le_bytes());
    }
    lab.write("in.zip", bytes);
    let ran = host(&lab, "import", &["in.zip", "--max-unpacked", "4MiB"]);
    assert_eq!(ran.status(), 1, "{ran}");
    let told = "larger than its declared uncompressed size";
    assert!(ran.stderr().contains(told), "{ran}");
    assert!(!lab.path("app.db").exists());
}

#[test]
fn what_tells_an_encoding_has_to_fit_into_memory() {
    let mut entries = snapshot(0);
    for (name, content) in &mut entries {
        if name == "old/generated_schema.jsonl" {
            content.resize(65 << 20, b' ');
        }
    }
    let lab = Lab::new();
    pack(&lab.path("in.zip"), &entries);
    let ran = host(&lab, "import", &["in.zip"]);
    assert_eq!(ran.status(), 1, "{ran}");
    let told = "`old/generated_schema.jsonl` is longer than 64.0 MiB";
    assert!(ran.stderr().contains(told), "{ran}");
}

#[test]
fn a_document_with_another_tables_id_does_not_go_out() {
    let lab = imported(&snapshot(1));
    let stranger = id(10_002, "stranger");
    lab.put("users", [(stranger.as_str(), "{}")]);
    let ran = host(&lab, "export", &["out.zip"]);
    assert_eq!(ran.status(), 1, "{ran}");
    let told = "its id is one of table number 10002";
    assert!(ran.stderr().contains(told), "{ran}");
    assert!(!lab.path("out.zip").exists());
}
