//! Documents in and out: formats, compressed files, whole stores.

use std::io::{Read as _, Write as _};

use insta::assert_snapshot;

use crate::common::{Lab, Ran, STORE};

fn host(lab: &Lab, command: &str, more: &[&str]) -> Ran {
    lab.host(&[&[command, "--store", STORE], more].concat())
}

fn refused(lab: &Lab, command: &str, more: &[&str]) -> Ran {
    let before = lab.path("app.db").exists().then(|| lab.everything());
    let ran = host(lab, command, more);
    assert!([1, 2].contains(&ran.status()), "{ran}");
    match before {
        Some(before) => assert_eq!(lab.everything(), before),
        None => assert!(!lab.path("app.db").exists(), "{ran}"),
    }
    ran
}

const LINES: &str = "{\"_id\":\"a\",\"n\":1.0}\n{\"_id\":\"b\",\"n\":[1, 2]}\n";

#[test]
fn a_file_names_its_table_and_its_format() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES);
    assert_snapshot!(host(&lab, "import", &["users.jsonl", "--key", "_id"]), @"
    ------- stderr -------
    2 documents imported into `users`
    [exit status: 0]
    ");
    assert_eq!(
        host(&lab, "export", &["--table", "users"])
            .success()
            .stdout(),
        LINES
    );
}

#[test]
fn compressed_files_are_told_by_their_bytes_and_made_by_their_names() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES);
    host(&lab, "import", &["users.jsonl", "--key", "_id"]).success();
    for name in ["out.jsonl.gz", "out.jsonl.zst"] {
        host(&lab, "export", &["--table", "users", name]).success();
        let packed = std::fs::read(lab.path(name)).unwrap();
        assert!(!packed.starts_with(b"{"), "{name}");
        let again = Lab::new();
        // Whatever the name says.
        again.write("users", &packed);
        host(&again, "import", &["users", "--key", "_id"]).success();
        let shown = host(&again, "export", &["--table", "users"]).success();
        assert_eq!(shown.stdout(), LINES, "{name}");
        let again = Lab::new();
        let import = [
            "import", "--store", STORE, "--table", "users", "--key", "_id", "-",
        ];
        again.host_fed(&packed, &import).success();
        let shown = host(&again, "export", &["--table", "users"]).success();
        assert_eq!(shown.stdout(), LINES, "{name}");
    }
}

#[test]
fn what_others_compressed_is_read() {
    let lab = Lab::new();
    let mut packed = Vec::new();
    // Two gzip streams, one behind the other, are one file.
    for line in LINES.split_inclusive('\n') {
        let mut encoder = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
        encoder.write_all(line.as_bytes()).unwrap();
        packed = encoder.finish().unwrap();
    }
    lab.write("users.jsonl.gz", &packed);
    host(&lab, "import", &["users.jsonl.gz", "--key", "_id"]).success();
    host(&lab, "export", &["--table", "users", "out.jsonl.gz"]).success();
    let out = std::fs::File::open(lab.path("out.jsonl.gz")).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(out)
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, LINES);
}

#[test]
fn a_compressed_file_that_is_cut_off_leaves_nothing_behind() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES.repeat(50).replace("\"_id\"", "\"id\""));
    host(&lab, "import", &["users.jsonl"]).success();
    for name in ["out.jsonl.gz", "out.jsonl.zst"] {
        host(&lab, "export", &["--table", "users", name]).success();
        let packed = std::fs::read(lab.path(name)).unwrap();
        let again = Lab::new();
        again.write(name, &packed[..packed.len() / 2]);
        let ran = refused(&again, "import", &[name]);
        assert!(ran.stderr().starts_with("error: "), "{ran}");
    }
}

#[test]
fn tables_with_documents_are_not_touched_unless_told() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES);
    lab.write("more.jsonl", "{\"_id\":\"c\"}\n");
    let more = ["more.jsonl", "--table", "users", "--key", "_id"];
    host(&lab, "import", &["users.jsonl", "--key", "_id"]).success();
    assert_snapshot!(refused(&lab, "import", &more), @"
    ------- stderr -------
    error: table `users` has documents already
    hint: --append adds to them, --replace takes them away first; no document was imported
    [exit status: 1]
    ");
    let with = |flag| [&more[..], &[flag]].concat();
    host(&lab, "import", &with("--append")).success();
    assert_eq!(lab.documents()["users"].len(), 3);
    host(&lab, "import", &with("--replace")).success();
    assert_eq!(lab.documents()["users"], [["c", "{\"_id\":\"c\"}"]]);
    let both = [&with("--append")[..], &["--replace"]].concat();
    assert_eq!(refused(&lab, "import", &both).status(), 2);
}

#[test]
fn replacing_fails_as_a_whole() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES);
    lab.write("bad.jsonl", "{\"_id\":\"c\"}\n{\"_id\":\"c\"}\n");
    host(&lab, "import", &["users.jsonl", "--key", "_id"]).success();
    let bad = ["bad.jsonl", "--table", "users", "--key", "_id", "--replace"];
    refused(&lab, "import", &bad);
    assert_eq!(lab.documents()["users"].len(), 2);
}

#[test]
fn comma_separated_values_are_texts_unless_told() {
    let lab = Lab::new();
    let csv = "\u{feff}_id,name,zip,age,tags\nu1,\"King, \"\"Ada\"\"\",00123,36,\"[\"\"a\"\"]\"\nu2,\"two\nlines\",,-1.50,true\n";
    lab.write("people.csv", csv);
    host(&lab, "import", &["people.csv", "--key", "_id"]).success();
    assert_snapshot!(host(&lab, "export", &["--table", "people"]), @r#"
    {"_id":"u1","name":"King, \"Ada\"","zip":"00123","age":"36","tags":"[\"a\"]"}
    {"_id":"u2","name":"two\nlines","age":"-1.50","tags":"true"}
    [exit status: 0]
    "#);
    let typed = ["people.csv", "--key", "_id", "--typed", "--replace"];
    host(&lab, "import", &typed).success();
    assert_snapshot!(host(&lab, "export", &["--table", "people"]), @r#"
    {"_id":"u1","name":"King, \"Ada\"","zip":"00123","age":36,"tags":["a"]}
    {"_id":"u2","name":"two\nlines","age":-1.50,"tags":true}
    [exit status: 0]
    "#);
    let out = host(&lab, "export", &["--table", "people", "--format", "csv"]).success();
    assert_eq!(out.stdout(), csv.trim_start_matches('\u{feff}'));
}

#[test]
fn comma_separated_values_have_all_fields_of_all_documents() {
    let lab = Lab::with_things([
        ("a", r#"{"n":1.0}"#),
        ("b", r#"{"s":"x","n":null,"o":{"p":[1, 2]}}"#),
        ("c", "{}"),
    ]);
    assert_snapshot!(host(&lab, "export", &["--table", "things", "--format", "csv"]), @r#"
    _id,n,s,o
    a,1.0,,
    b,,x,"{""p"":[1, 2]}"
    c,,,
    [exit status: 0]
    "#);
    let lab = Lab::with(
        "CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO rows VALUES (7, 'Ada'), (8, NULL)",
    );
    assert_snapshot!(host(&lab, "export", &["--table", "rows", "out.csv"]), @"
    ------- stderr -------
    2 documents exported from `rows`
    [exit status: 0]
    ");
    assert_eq!(lab.read("out.csv"), "id,name\n7,Ada\n8,\n");
}

#[test]
fn uneven_values_are_told_by_their_line() {
    let lab = Lab::new();
    for (csv, shown) in [
        (
            "a,b\n1,2\n1,2,3\n",
            "error: line 3: it has 3 values, and the first line 2 names\n",
        ),
        ("a,a\n1,2\n", "error: line 1: two fields are called `a`\n"),
        ("a,\n1,2\n", "error: line 1: a field has no name\n"),
    ] {
        lab.write("in.csv", csv);
        let ran = refused(&lab, "import", &["in.csv"]);
        assert_eq!(
            ran.stderr(),
            format!("{shown}hint: no document was imported\n")
        );
    }
}

#[test]
fn a_whole_store_goes_through_a_folder() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES);
    lab.write("rooms.json", "[{\"_id\":\"r\",\"of\":\"a\"}]");
    host(&lab, "import", &["users.jsonl", "--key", "_id"]).success();
    host(&lab, "import", &["rooms.json", "--key", "_id"]).success();
    for format in ["jsonl", "json", "csv"] {
        let folder = format!("dump-{format}");
        let out = host(&lab, "export", &[&folder, "--format", format]).success();
        assert_eq!(
            out.stderr(),
            "1 document exported from `rooms`\n2 documents exported from `users`\n"
        );
        let again = Lab::new();
        std::fs::rename(lab.path(&folder), again.path("dump")).unwrap();
        std::fs::write(again.path("dump/README.md"), "not a table").unwrap();
        host(&again, "import", &["dump", "--key", "_id", "--typed"]).success();
        assert_eq!(again.documents(), lab.documents(), "{format}");
    }
}

/// A database that keeps a rollback journal lets nobody in once its writer's cache is full.
#[test]
fn large_tables_come_in_one_after_the_other_whatever_the_journal() {
    for mode in ["delete", "wal"] {
        let lab = Lab::new();
        lab.database()
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        let text = "x".repeat(1 << 20);
        let large = (0..32).map(|id| format!("{{\"_id\":\"{id}\",\"text\":\"{text}\"}}\n"));
        lab.write("dump/a.jsonl", large.collect::<String>());
        lab.write("dump/b.jsonl", LINES);
        let ran = host(&lab, "import", &["dump", "--key", "_id"]).success();
        assert_eq!(
            ran.stderr(),
            "32 documents imported into `a`\n2 documents imported into `b`\n"
        );
        // A database that was there keeps the mode that somebody chose.
        assert_eq!(lab.value("PRAGMA journal_mode"), mode);
    }
}

#[test]
fn a_new_database_is_written_ahead_and_one_for_nothing_is_gone() {
    let lab = Lab::new();
    lab.write("users.jsonl", LINES);
    host(&lab, "import", &["users.jsonl", "--key", "_id"]).success();
    assert_eq!(lab.value("PRAGMA journal_mode"), "wal");

    let lab = Lab::new();
    let text = "x".repeat(1 << 20);
    lab.write(
        "users.jsonl",
        format!("{{\"text\":\"{text}\"}}\n").repeat(32) + "{oops}\n",
    );
    refused(&lab, "import", &["users.jsonl"]);
    let left: Vec<_> = std::fs::read_dir(lab.path("")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn one_bad_file_of_a_folder_keeps_all_out() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("dump")).unwrap();
    std::fs::write(lab.path("dump/a.jsonl"), LINES).unwrap();
    std::fs::write(lab.path("dump/b.jsonl"), "{\"_id\":1}\n{oops}\n").unwrap();
    assert_snapshot!(refused(&lab, "import", &["dump", "--key", "_id"]), @"
    ------- stderr -------
    error: b.jsonl, line 2: not valid JSON: key must be a string at line 1 column 2
    hint: no document was imported
    [exit status: 1]
    ");
    std::fs::write(lab.path("dump/b.jsonl"), "").unwrap();
    std::fs::write(lab.path("dump/b.csv"), "").unwrap();
    assert_snapshot!(refused(&lab, "import", &["dump", "--key", "_id"]), @"
    ------- stderr -------
    error: dump has two files for table `b`
    [exit status: 1]
    ");
    std::fs::create_dir(lab.path("empty")).unwrap();
    assert_snapshot!(refused(&lab, "import", &["empty"]), @"
    ------- stderr -------
    error: empty has no file that ends in .jsonl, .json or .csv, compressed or not
    [exit status: 1]
    ");
}

#[test]
fn exports_take_nothing_that_is_there() {
    let lab = Lab::with_things([("a", "{}")]);
    std::fs::create_dir(lab.path("dump")).unwrap();
    std::fs::write(lab.path("dump/precious"), "").unwrap();
    assert_snapshot!(refused(&lab, "export", &["dump"]), @"
    ------- stderr -------
    error: dump is not empty; nothing was written
    [exit status: 1]
    ");
    // A file gives way only to a whole one.
    lab.write("out.jsonl", "old");
    lab.sql("INSERT INTO things VALUES ('b', '{oops')");
    refused(&lab, "export", &["--table", "things", "out.jsonl"]);
    assert_eq!(lab.read("out.jsonl"), "old");
    let left = std::fs::read_dir(lab.path("")).unwrap();
    let partial = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("partial")
    });
    assert_eq!(partial.count(), 0);
}

#[cfg(unix)]
#[test]
fn a_file_that_gives_way_keeps_its_permissions_and_the_link_to_it() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let lab = Lab::with_things([("a", "{}")]);
    let mode = |name: &str| {
        let about = std::fs::metadata(lab.path(name)).unwrap();
        about.permissions().mode() & 0o777
    };
    for (name, export) in [
        ("private.jsonl", &["--table", "things", "link"][..]),
        ("private.zip", &["link", "--format", "convex"]),
    ] {
        lab.write(name, "old");
        std::fs::set_permissions(lab.path(name), PermissionsExt::from_mode(0o600)).unwrap();
        symlink(lab.path(name), lab.path("link")).unwrap();
        host(&lab, "export", export).success();
        assert_ne!(std::fs::read(lab.path(name)).unwrap(), b"old");
        assert_eq!(mode(name), 0o600);
        assert!(lab.path("link").is_symlink());
        // What must not be written does not give way either.
        std::fs::set_permissions(lab.path(name), PermissionsExt::from_mode(0o400)).unwrap();
        let before = std::fs::read(lab.path(name)).unwrap();
        let ran = refused(&lab, "export", export);
        assert!(ran.stderr().contains("link cannot be written"), "{ran}");
        assert_eq!(std::fs::read(lab.path(name)).unwrap(), before);
        std::fs::remove_file(lab.path("link")).unwrap();
    }
}

#[test]
fn what_a_file_or_a_stream_cannot_hold_is_wrong_usage() {
    let lab = Lab::with_things([("a", "{}")]);
    assert_snapshot!(refused(&lab, "export", &[]), @"
    ------- stderr -------
    error: one file or stream holds one table
    hint: name it with --table, or name a folder or a .zip to write the whole store to
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, "export", &["out.csv"]), @"
    ------- stderr -------
    error: one file or stream holds one table
    hint: name it with --table, or name a folder or a .zip to write the whole store to
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, "export", &["--table", "things", "out.zip"]), @"
    ------- stderr -------
    error: a snapshot of Convex is not of one table
    hint: leave --table out, or choose another --format
    [exit status: 2]
    ");
    assert_snapshot!(refused(&lab, "import", &["-"]), @"
    ------- stderr -------
    error: standard input has no name to tell the table by
    hint: name it with --table
    [exit status: 2]
    ");
}
