//! Whole copies of a store, and their way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use insta::assert_snapshot;
use rusqlite::Connection;

use crate::common::{EDIT, Lab, Ran, STORE, many_of, scripted};

fn back_up(lab: &Lab, more: &[&str]) -> Ran {
    lab.host(&[&["backup", "--store", STORE, "copy.db"], more].concat())
}

fn restore(lab: &Lab, more: &[&str]) -> Ran {
    lab.host(&[&["restore", "--store", STORE, "copy.db"], more].concat())
}

/// What the copy holds.
fn copied(lab: &Lab, query: &str) -> String {
    Connection::open(lab.path("copy.db"))
        .unwrap()
        .query_row(query, [], |row| row.get::<_, i64>(0))
        .unwrap()
        .to_string()
}

#[test]
fn a_copy_is_put_back() {
    let lab = many_of(&[EDIT], 3);
    let before = lab.everything();
    let ran = back_up(&lab, &[]).success();
    assert!(
        ran.stderr().starts_with("copy.db written and checked: "),
        "{ran}"
    );
    lab.run_scripted(&[]);
    assert_ne!(lab.everything(), before);
    assert_snapshot!(restore(&lab, &[]), @"
    ------- stderr -------
    error: app.db exists already; nothing was changed
    hint: --replace puts the new one in its place, unless both are the same file
    [exit status: 1]
    ");
    assert_ne!(lab.everything(), before);
    assert_snapshot!(restore(&lab, &["--replace"]), @"
    ------- stderr -------
    app.db restored from copy.db
    [exit status: 0]
    ");
    assert_eq!(lab.everything(), before);
    std::fs::remove_file(lab.path("app.db")).unwrap();
    restore(&lab, &[]).success();
    assert_eq!(lab.everything(), before);
}

#[test]
fn copies_take_the_place_of_nothing_unless_told() {
    let lab = Lab::with_things([("a", "{}")]);
    back_up(&lab, &[]).success();
    lab.put("things", [("b", "{}")]);
    assert_snapshot!(back_up(&lab, &[]), @"
    ------- stderr -------
    error: copy.db exists already; nothing was changed
    hint: --replace puts the new one in its place, unless both are the same file
    [exit status: 1]
    ");
    assert_eq!(copied(&lab, "SELECT count(*) FROM things"), "1");
    back_up(&lab, &["--replace"]).success();
    assert_eq!(copied(&lab, "SELECT count(*) FROM things"), "2");
    // The store itself is no place for its copy.
    let itself = ["backup", "--store", STORE, "./app.db", "--replace"];
    assert_eq!(lab.host(&itself).status(), 1);
    assert_eq!(lab.value("SELECT count(*) FROM things"), "2");
}

#[test]
fn what_is_no_copy_is_not_put_back() {
    let lab = Lab::with_things([("a", "{}")]);
    let before = lab.everything();
    lab.write(
        "copy.db",
        "no database, though it is long enough to have been one, for all that anybody knows",
    );
    assert_snapshot!(restore(&lab, &["--replace"]), @"
    ------- stderr -------
    error: copy.db is not a SQLite database
    hint: check the path; an encrypted database looks like this, too
    [exit status: 1]
    ");
    let whole = many_of(&["{}"], 2_000);
    back_up(&whole, &[]).success();
    let mut bytes = std::fs::read(whole.path("copy.db")).unwrap();
    bytes[40_000..60_000].fill(0x55);
    lab.write("copy.db", &bytes);
    let ran = restore(&lab, &["--replace"]);
    assert_eq!(ran.status(), 1);
    assert!(
        ran.stderr().starts_with("error: the database is damaged: "),
        "{ran}"
    );
    assert_eq!(lab.everything(), before);
    std::fs::remove_file(lab.path("copy.db")).unwrap();
    assert_snapshot!(restore(&lab, &["--replace"]), @"
    ------- stderr -------
    error: there is no store at copy.db
    hint: check the path; `host import` makes a new database, the other commands want one that exists
    [exit status: 1]
    ");
}

#[test]
fn a_copy_of_a_store_in_use_is_of_one_moment() {
    // More than is copied in one go: a copy that began anew with every change would never end.
    let body = format!("{{\"pad\":\"{}\"}}", "x".repeat(1_500));
    let lab = many_of(&[&body], 20_000);
    lab.use_wal();
    lab.sql("CREATE TABLE pairs (id INTEGER PRIMARY KEY, n)");
    lab.sql("INSERT INTO pairs VALUES (1, 0), (1000000, 0)");
    let (stop, written) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let writer = {
        let (database, stop, written) = (lab.database(), Arc::clone(&stop), Arc::clone(&written));
        std::thread::spawn(move || {
            database.busy_timeout(Duration::from_secs(10)).unwrap();
            while !stop.load(Ordering::Relaxed) {
                // Both rows have one number, in every transaction.
                database.execute("UPDATE pairs SET n = n + 1", []).unwrap();
                written.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    for _ in 0..3 {
        let before = written.load(Ordering::Relaxed);
        back_up(&lab, &["--replace"]).success();
        assert_eq!(copied(&lab, "SELECT max(n) - min(n) FROM pairs"), "0");
        assert_eq!(copied(&lab, "SELECT count(*) FROM things"), "20000");
        assert!(written.load(Ordering::Relaxed) > before);
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[test]
fn a_run_that_was_under_way_goes_on_in_the_copy() {
    let lab = many_of(&[EDIT], 300);
    lab.run_scripted(&["--limit", "100", "--batch-size", "50"]);
    back_up(&lab, &[]).success();
    let mut run = scripted(&[]);
    let store = run.iter().position(|argument| *argument == STORE).unwrap();
    run[store] = "sqlite:copy.db";
    let ran = lab.host(&run).success();
    assert_eq!(
        copied(&lab, "SELECT count(*) FROM things WHERE doc ->> 'n' = 1"),
        "300",
        "{ran}"
    );
    assert_eq!(copied(&lab, "SELECT count(*) FROM _host_runs"), "1");
}
