//! The log: for people and for machines, with the plugin's own lines, each once and with its document.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{Lab, Ran, STORE, guest, many_of, scripted};

const EDIT: &str = r#"{"do":{"edit":[{"set":{"at":"/n","value":"1"}}]}}"#;
const FAIL: &str = r#"{"do":{"fail":{"code":"asked","message":"as it\nwished","at":"/do"}}}"#;

/// A document that asks for lines of the log.
fn lines(lines: &Value) -> String {
    json!({"do": {"lines": lines}}).to_string()
}

/// Standard error as JSON, line by line, without the times.
fn events(ran: &Ran) -> Vec<Value> {
    ran.stderr()
        .lines()
        .map(|line| {
            let mut event: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("no JSON: {line}: {error}"));
            let time = event.as_object_mut().unwrap().remove("timestamp").unwrap();
            assert!(humantime(time.as_str().unwrap()), "{time}");
            event
        })
        .collect()
}

/// Whether a text is a moment as RFC 3339 writes it.
fn humantime(text: &str) -> bool {
    text.len() > 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T'
}

fn find<'e>(events: &'e [Value], message: &str) -> &'e Value {
    let found: Vec<_> = events
        .iter()
        .filter(|event| event["message"] == message)
        .collect();
    assert_eq!(found.len(), 1, "{message}: {events:#?}");
    found[0]
}

/// The lines of standard error that begin so.
fn beginning(ran: &Ran, start: &str) -> Vec<String> {
    ran.stderr()
        .lines()
        .filter(|line| line.starts_with(start))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_machine_reads_one_object_a_line_and_the_report_alone() {
    let warn = lines(&json!({"level": "warn", "message": "look \u{1b}[2J\u{9b}"}));
    let lab = Lab::with_things([("a", EDIT), ("b", FAIL), ("c", &warn)]);
    let ran = lab.run_scripted(&["--format", "json", "--log-format", "json", "-vv"]);
    let report = ran.report();
    assert_eq!(report.adds_up().counts(), [3, 1, 1, 1, 0]);
    assert!(!ran.stderr().contains(['\u{1b}', '\u{9b}']));
    let events = events(&ran);

    let began = find(&events, "begins");
    assert_eq!(began["level"], "INFO");
    assert_eq!(began["target"], "host::run");
    assert_eq!(began["documents"], 3);
    let span = json!({"name": "run", "migration": "scripted", "table": "things", "dry_run": false});
    assert_eq!(began["span"], span);

    let committed = find(&events, "batch committed");
    assert_eq!(committed["level"], "DEBUG");
    assert_eq!(committed["documents"], 3);
    assert!(committed["held_ms"].is_u64());

    let failed = find(&events, "a document failed");
    for (field, value) in [
        ("level", "INFO"),
        ("table", "things"),
        ("document", "b"),
        ("code", "asked"),
        ("at", "/do"),
        ("reason", "as it\nwished"),
    ] {
        assert_eq!(failed[field], value, "{failed}");
    }
    assert_eq!(failed["span"]["run"], 1);

    let said = find(&events, "look \u{1b}[2J\u{9b}");
    for (field, value) in [
        ("level", "WARN"),
        ("target", "plugin"),
        ("table", "things"),
        ("document", "c"),
    ] {
        assert_eq!(said[field], value, "{said}");
    }
    assert_eq!(said["span"]["migration"], "scripted");

    let ended = find(&events, "ended");
    assert_eq!(ended["state"], "finished");
    for counter in ["total", "updated", "skipped", "failed", "conflicts"] {
        assert_eq!(ended[counter], *report.get(counter), "{counter}");
    }
}

#[test]
fn an_error_is_an_event_for_machines() {
    let lab = Lab::new();
    let ran = lab.host(&["runs", "--store", "app.db", "--log-format", "json"]);
    assert_eq!(ran.status(), 1);
    let events = events(&ran);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["level"], "ERROR");
    assert_eq!(
        events[0]["hint"],
        "write the kind of store before it: sqlite:app.db"
    );
}

#[test]
fn people_see_what_the_plugin_says_and_no_more() {
    let say = |level: &str| lines(&json!({"level": level, "message": format!("a {level}")}));
    let levels = ["debug", "info", "warn", "error"].map(|level| (level, say(level)));
    let lab = Lab::with_things(levels.iter().map(|(id, body)| (*id, body.as_str())));
    lab.put("things", [("fail", FAIL)]);
    assert_snapshot!(lab.run_scripted(&["--format", "json"]).stderr(), @"
    plugin info: a info  table=things  document=info
    plugin warning: a warn  table=things  document=warn
    plugin error: a error  table=things  document=error
    ");
    let loud = lab.run_scripted(&["-v"]);
    assert_eq!(beginning(&loud, "info: begins").len(), 1);
    assert_eq!(
        beginning(&loud, "info: a document failed"),
        [
            r#"info: a document failed  table=things  document=fail  code=asked  at=/do  reason="as it\u{a}wished""#
        ]
    );
    assert!(beginning(&loud, "debug:").is_empty());
    assert_eq!(
        beginning(&lab.run_scripted(&["-vv"]), "plugin debug: a debug").len(),
        1
    );
}

#[test]
fn what_is_logged_is_said_by_flag_or_environment_or_file() {
    let said = lines(&json!({"level": "info", "message": "hello"}));
    let lab = Lab::with_things([("a", said.as_str())]);
    let quiet = |ran: Ran| assert_eq!(ran.success().stderr(), "");
    quiet(lab.run_scripted(&["--log-level", "off"]));
    quiet(lab.host_with(&[("HOST_LOG", "warn")], &scripted(&[])));
    lab.write(
        "host.toml",
        "log-level = \"warn,plugin=error\"\nlog-format = \"json\"\n",
    );
    quiet(lab.run_scripted(&[]));
    // A flag stands over the file, and the file's format holds.
    let ran = lab.run_scripted(&["--log-level", "error,plugin=info"]);
    let events = events(&ran.success());
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["message"], "hello");
    assert!(
        !beginning(
            &lab.host_with(&[("HOST_LOG_FORMAT", "text")], &scripted(&["-v"])),
            "info: "
        )
        .is_empty()
    );

    let wrong = lab.run_scripted(&["--log-level", "plugin=loud", "--log-format", "text"]);
    assert_snapshot!(wrong, @"
    ------- stderr -------
    error: `plugin=loud` does not say what to log
    hint: say off, error, warn, info, debug or trace, or one for each target: warn,plugin=debug
    [exit status: 2]
    ");
}

#[test]
fn a_flood_of_lines_is_not_shown_but_counted() {
    let said = lines(&json!({"level": "warn", "message": "again", "times": 500}));
    let lab = Lab::with_things([("a", said.as_str()), ("b", FAIL), ("c", FAIL)]);
    let ran = lab.run_scripted(&["--log-rate", "0", "-v", "--format", "json"]);
    assert_eq!(*ran.report().get("warnings"), json!({"again": 500}));
    assert_snapshot!(beginning(&ran, "plugin").join("\n"), @"plugin warning: 500 more lines of the plugin's log are not shown: the limit `log-rate` is 0/s; --log-rate raises it");
    assert_snapshot!(beginning(&ran, "info: 2").join("\n"), @"info: 2 more failures are not shown here: the limit `log-rate` is 0/s; --log-rate raises it");

    let ran = lab.run_scripted(&["--log-format", "json"]);
    let shown = events(&ran)
        .iter()
        .filter(|event| event["message"] == "again")
        .count();
    assert!((20..500).contains(&shown), "{shown}");
    assert!(
        ran.stderr()
            .contains(&format!("{} more lines", 500 - shown))
    );
}

#[test]
fn what_a_document_may_log_does_not_depend_on_its_batch() {
    let body = |id: &str| lines(&json!({"level": "warn", "message": id, "times": 30}));
    let ids = ["a", "b", "c", "d", "e"];
    let bodies = ids.map(|id| (id, body(id)));
    for batch_size in ["1", "2", "5"] {
        let lab = Lab::with_things(bodies.iter().map(|(id, body)| (*id, body.as_str())));
        let limits = [
            "--batch-size",
            batch_size,
            "--log-lines",
            "10",
            "--log-rate",
            "1000",
        ];
        let ran = lab.run_scripted(&[&limits[..], &["--format", "json"]].concat());
        let report = ran.report();
        assert_eq!(report.adds_up().counts(), [5, 0, 5, 0, 0]);
        assert_eq!(
            *report.get("warnings"),
            json!({"a": 10, "b": 10, "c": 10, "d": 10, "e": 10}),
            "batches of {batch_size}"
        );
        let dropped = "plugin warning: 100 more lines of the plugin's log were dropped: \
                       the limit `log-lines` is 10; --log-lines raises it";
        let mut said = said(&ran);
        assert_eq!(said.pop().as_deref(), Some(dropped));
        let each = ids.map(|id| format!("plugin warning: {id}  table=things  document={id}"));
        assert_eq!(said, each.map(|line| vec![line; 10]).concat());
    }
}

#[test]
fn lines_about_no_document_are_shown_and_not_counted() {
    let said = lines(&json!({"level": "warn", "message": "about none", "about-none": true}));
    let lab = Lab::with_things([("a", said.as_str())]);
    let ran = lab.run_scripted(&["--format", "json"]);
    assert_eq!(*ran.report().get("warnings"), json!({}));
    assert_eq!(ran.stderr(), "plugin warning: about none\n");
}

/// What was said about which document, in order.
fn said(ran: &Ran) -> Vec<String> {
    beginning(ran, "plugin warning: ")
}

#[test]
fn a_line_counts_once_where_a_document_cuts_its_batch() {
    let warn = |then: &Value| lines(&json!({"level": "warn", "message": "odd", "then": then}));
    // It changes another document of its table, which ends its batch: the others are transformed again.
    let cuts = warn(&json!({"changes": [
        {"edit": [{"table": "things", "id": "d"}, [{"set": {"at": "/n", "value": "2"}}]]}
    ]}));
    let skips = warn(&Value::Null);
    for (batch_size, mode) in [
        ("1000", "wal"),
        ("1000", "delete"),
        ("2", "wal"),
        ("1", "wal"),
    ] {
        let lab = Lab::with_things([
            ("a", skips.as_str()),
            ("b", &cuts),
            ("c", &skips),
            ("d", &skips),
        ]);
        lab.database()
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        let ran = lab.run_scripted(&["--batch-size", batch_size, "--format", "json"]);
        let report = ran.report();
        assert_eq!(report.adds_up().counts(), [4, 1, 3, 0, 0]);
        assert_eq!(
            *report.get("warnings"),
            json!({"odd": 4}),
            "{batch_size} {mode}"
        );
        let each = ["a", "b", "c", "d"]
            .map(|id| format!("plugin warning: odd  table=things  document={id}"));
        assert_eq!(said(&ran), each, "{batch_size} {mode}");
    }
}

#[test]
fn a_line_counts_once_where_a_document_was_lost_to_another_writer() {
    let warn = |message: &str| lines(&json!({"level": "warn", "message": message}));
    let (old, new, gone, same) = (warn("old"), warn("new"), warn("gone"), warn("same"));
    // Its lookup goes over the whole table, which is told when the batch has been transformed.
    let find = r#"{"do":{"find":{"table":"facts","conditions":[{"at":"/n","test":{"equals":"1"}}],"limit":1}}}"#;
    for lookup in [false, true] {
        let lab = Lab::with_things([("a", find), ("b", gone.as_str()), ("c", &old), ("d", &same)]);
        let mut change = format!(
            "UPDATE things SET doc = '{new}' WHERE _id = 'c'; DELETE FROM things WHERE _id = 'b';"
        );
        if lookup {
            // The answer changes, too: then all are transformed again.
            change += "INSERT INTO facts VALUES ('f', '{\"n\":1}');";
        }
        let ran = lab.changed_meanwhile(&scripted(&[]), &change);
        let report = ran.report();
        assert_eq!(report.number("conflicts"), 2);
        assert_eq!(*report.get("warnings"), json!({"new": 1, "same": 1}));
        assert_eq!(
            said(&ran),
            [
                "plugin warning: new  table=things  document=c",
                "plugin warning: same  table=things  document=d"
            ]
        );
    }
}

/// Documents that meet the filter of the filtered guest, and that it skips.
fn skipped(count: usize) -> Lab {
    many_of(&[r#"{"todo":"yes"}"#], count)
}

#[test]
fn a_sweep_writes_nothing_where_nothing_counts() {
    // More than are read ahead: the page behind the end is read when the host knows of the change.
    const BATCHES: usize = 15;
    let lab = skipped(10 * BATCHES);
    let run = ["run", guest("filtered"), "--store", STORE];
    let batches = ["--batch-size", "10", "--max-lock", "60s", "-vv"];
    // Something changes while the run goes on, so that it goes over the table once more.
    let ran = lab.changed_after(
        &[&run[..], &batches].concat(),
        "info: begins",
        "INSERT INTO others VALUES ('o', '{}')",
    );
    assert_eq!(ran.report().adds_up().counts(), [150, 0, 150, 0, 0]);
    // Once forward, and nothing more: the page behind the end and the whole sweep are passed over.
    let committed = beginning(&ran, "debug: batch committed");
    assert_eq!(committed.len(), BATCHES);
    let passed_over = beginning(&ran, "debug: batch passed over");
    assert_eq!(passed_over.len(), 1 + BATCHES + 1);
}

#[test]
fn a_sweep_beside_a_writer_counts_every_document_once() {
    let lab = skipped(200);
    let over = AtomicBool::new(false);
    let report = thread::scope(|scope| {
        scope.spawn(|| {
            let database = lab.database();
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let id = format!("t{:05}", number * 7 % 200);
                database
                    .execute(
                        "UPDATE things SET doc = json_set(doc, '$.visits', ?1) WHERE _id = ?2",
                        (number, id),
                    )
                    .unwrap();
                // Else the host rarely gets its turn.
                thread::sleep(Duration::from_millis(1));
            }
        });
        let limits = ["--batch-size", "20", "--lock-timeout", "60s"];
        let report = lab.report(guest("filtered"), &limits);
        over.store(true, Ordering::Relaxed);
        report
    });
    assert_eq!(report.adds_up().counts(), [200, 0, 200, 0, 0]);
}
