//! Every other command, and what all of them share: help, settings, exit status.

use insta::assert_snapshot;
use migration_document::json;
use proptest::prelude::*;
use serde_json::Value;

use crate::common::{Lab, Report, SCRIPTED_GRANTS, STORE, guest, plugin, scripted};

/// The subcommands, as the help lists them.
fn subcommands(lab: &Lab) -> Vec<String> {
    let help = lab.host(&["--help"]).success().stdout();
    let listed = help
        .split_once("Commands:\n")
        .unwrap()
        .1
        .split("\n\n")
        .next()
        .unwrap();
    // A description may go on in further lines, which are indented more.
    let names = listed.lines().filter(|line| !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_help_of_every_command_begins_with_examples() {
    let lab = Lab::new();
    let mut tree = format!("$ host --help\n{}", lab.host(&["--help"]).success());
    for command in subcommands(&lab) {
        if command == "help" {
            continue;
        }
        let help = lab.host(&[&command, "--help"]).success();
        let text = help.stdout();
        let (examples, usage) = (text.find("Examples:"), text.find("Usage:"));
        assert!(examples.is_some() && examples < usage, "{command}: {text}");
        tree.push_str(&format!("\n\n$ host {command} --help\n{help}"));
    }
    insta::with_settings!({ snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/snapshots"), prepend_module_to_snapshot => false }, {
        assert_snapshot!("help", tree);
    });
}

#[test]
fn without_a_command_or_with_a_wrong_one_the_usage_is_wrong() {
    let lab = Lab::new();
    assert_eq!(lab.host(&[]).status(), 2);
    assert_snapshot!(lab.host(&["rum"]), @"
    ------- stderr -------
    error: unrecognized subcommand 'rum'

      tip: some similar subcommands exist: 'runs', 'run', 'resume'

    Usage: host [OPTIONS] <COMMAND>

    For more information, try '--help'.
    [exit status: 2]
    ");
    assert_snapshot!(lab.host(&["run"]), @"
    ------- stderr -------
    error: the following required arguments were not provided:
      <PLUGIN>...

    Usage: host run <PLUGIN>...

    For more information, try '--help'.
    [exit status: 2]
    ");
    assert_eq!(lab.host(&["run", "--unknown"]).status(), 2);
    assert_eq!(
        lab.host(&["--version"]).success().stdout(),
        format!("host {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_plugin_tells_what_it_is_and_what_it_wants() {
    let lab = Lab::new();
    let ran = lab.host(&["inspect", guest("secretive")]).success();
    let text = ran.to_string();
    let steady: Vec<_> = text
        .lines()
        .map(|line| {
            if line.starts_with("size") {
                "size         [SIZE]"
            } else {
                line
            }
        })
        .collect();
    assert_snapshot!(steady.join("\n"), @"
    migration    secretive
    description  Obeys its documents, and knows a secret
    version      0
    runs after   -
    table        things
    filter       every document
    reads        -
    writes       -
    secrets      api-key
    needs        --allow secret:api-key
    granted      not by host.toml: secret:api-key
    taken back   by the undo log, or by its own `revert`
    interface    0.1.0
    imports      migration:plugin/types@0.1.0, migration:plugin/lookup@0.1.0, migration:plugin/context@0.1.0, migration:plugin/log@0.1.0
    size         [SIZE]
    sha256       [SHA-256]
    [exit status: 0]
    ");

    let report: Value = serde_json::from_str(
        &lab.host(&["inspect", plugin("premium-since"), "--format", "json"])
            .success()
            .stdout(),
    )
    .unwrap();
    assert_eq!(report["name"], "premium-since");
    assert_eq!(report["table"], "users");
    assert_eq!(report["interface"], "0.1.0");
    assert_eq!(
        report["filter"],
        serde_json::json!(["/tier = \"premium\"", "/premiumSince is missing"])
    );
    assert_eq!(report["allow"], serde_json::json!([]));
    let bytes = std::fs::read(plugin("premium-since")).unwrap();
    assert_eq!(report["size"], bytes.len());
    assert_eq!(report["sha256"].as_str().unwrap().len(), 64);
    let imports: Vec<_> = report["imports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|import| import.as_str().unwrap())
        .collect();
    assert!(
        imports
            .iter()
            .all(|import| import.starts_with("migration:plugin/")),
        "{imports:?}"
    );

    let report: Value = serde_json::from_str(
        &lab.host(&["inspect", guest("scripted"), "--format", "json"])
            .success()
            .stdout(),
    )
    .unwrap();
    assert_eq!(
        report["allow"],
        serde_json::json!(["read:facts", "write:others"])
    );
}

/// Besides, no store is named, and none is looked for.
#[test]
fn inspecting_reports_why_a_plugin_cannot_be_used() {
    let lab = Lab::new();
    assert_snapshot!(lab.host(&["inspect", guest("bad-name")]), @"
    ------- stderr -------
    error: the plugin's manifest cannot be used: `Bad Name` is no name of a migration: names are lower-case words joined by hyphens
    [exit status: 1]
    ");
    assert_eq!(lab.host(&["inspect", "gone.wasm"]).status(), 1);
}

#[test]
fn tables_are_listed_with_kind_key_and_number_of_documents() {
    let lab = Lab::with(
        "CREATE TABLE users (_id TEXT PRIMARY KEY, doc JSON); INSERT INTO users VALUES ('a', '{}'), ('b', '{}');
         CREATE TABLE lines (a INTEGER, b INTEGER, n REAL, PRIMARY KEY (a, b)) WITHOUT ROWID;
         CREATE TABLE log (message TEXT, at INTEGER);
         CREATE VIEW seen AS SELECT * FROM users;
         CREATE TABLE \"odd name\" (id INTEGER PRIMARY KEY, \"the\nbody\" JSON);
         INSERT INTO log SELECT 'x', value FROM generate_series(1, 1234);".replace("SELECT 'x', value FROM generate_series(1, 1234)", "WITH RECURSIVE n(v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM n WHERE v < 1234) SELECT 'x', v FROM n").as_str(),
    );
    assert_snapshot!(lab.host(&["tables", "--store", STORE]), @r"
    TABLE     KIND                                                           KEY    DOCUMENTS
    lines     row                                                            a, b           0
    log       row                                                            rowid      1,234
    odd name  document in the\u{a}body                                       id             0
    seen      view (it is a view, and views hold no documents of their own)                 -
    users     document in doc                                                _id            2
    [exit status: 0]
    ");
    assert_snapshot!(lab.host(&["tables", "--store", STORE, "--format", "json"]), @r#"
    [{"table":"lines","kind":"row","key":["a","b"],"documents":0},{"table":"log","kind":"row","key":["rowid"],"documents":1234},{"table":"odd name","kind":"document","key":["id"],"document":"the\nbody","documents":0},{"table":"seen","kind":"view","key":[],"documents":null,"unusable":"it is a view, and views hold no documents of their own"},{"table":"users","kind":"document","key":["_id"],"document":"doc","documents":2}]
    [exit status: 0]
    "#);
    // The host's own tables are no one's business.
    lab.sql("CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON); CREATE TABLE others (_id TEXT PRIMARY KEY, doc JSON); CREATE TABLE facts (_id TEXT PRIMARY KEY, doc JSON);");
    lab.run_scripted(&[]).success();
    assert!(
        !lab.host(&["tables", "--store", STORE])
            .success()
            .stdout()
            .contains("_host_")
    );
}

#[test]
fn an_empty_store_has_no_tables() {
    let lab = Lab::with("PRAGMA user_version = 1");
    assert_snapshot!(lab.host(&["tables", "--store", STORE]), @"
    TABLE  KIND  KEY  DOCUMENTS
    [exit status: 0]
    ");
    assert_eq!(
        lab.host(&["tables", "--store", STORE, "--format", "json"])
            .success()
            .stdout(),
        "[]\n"
    );
}

fn import(lab: &Lab, input: &str, more: &[&str]) -> String {
    lab.host_fed(
        input.as_bytes(),
        &[&["import", "--store", STORE, "--table", "users", "-"], more].concat(),
    )
    .success()
    .stderr()
}

fn export(lab: &Lab, more: &[&str]) -> String {
    lab.host(&[&["export", "--store", STORE, "--table", "users"], more].concat())
        .success()
        .stdout()
}

#[test]
fn documents_come_out_as_they_went_in() {
    let lines = "{\"_id\":\"b\", \"n\":1.0,\"big\":18446744073709551616}\n{\"_id\":\"a\",\"z\":1e3,\"a\":\"\\u0041\\/\",\"a b\":[ ]}\n";
    let array = format!("[\n{}\n]\n", lines.trim_end().replace('\n', ",\n"));
    for input in [
        lines,
        &array,
        &lines.replace('\n', "\r\n"),
        &format!("\n\n  {}", lines.replace('\n', "\n\n")),
    ] {
        let lab = Lab::new();
        assert_eq!(
            import(&lab, input, &["--key", "_id"]),
            "2 documents imported into `users`\n",
            "{input}"
        );
        assert_eq!(export(&lab, &[]), lines, "{input}");
        assert_eq!(export(&lab, &["--format", "json"]), array);
        assert_eq!(lab.column("SELECT _id FROM users", &[]).len(), 2);
        let ran = lab
            .host(&["export", "--store", STORE, "--table", "users", "out.jsonl"])
            .success();
        assert_snapshot_once(&ran.to_string());
        assert_eq!(lab.read("out.jsonl"), lines);
    }
}

fn assert_snapshot_once(shown: &str) {
    insta::allow_duplicates! {
        assert_snapshot!(shown, @"
        ------- stderr -------
        2 documents exported from `users`
        [exit status: 0]
        ");
    }
}

#[test]
fn documents_without_a_key_are_counted() {
    let lab = Lab::new();
    import(&lab, "{\"n\":1}\n{\"n\":2}\n", &[]);
    import(&lab, "[{\"n\":3}]", &["--append"]);
    assert_eq!(
        lab.documents()["users"],
        [
            ["1", r#"{"n":1}"#],
            ["2", r#"{"n":2}"#],
            ["3", r#"{"n":3}"#]
        ]
    );
}

#[test]
fn nothing_is_a_table_without_documents() {
    for input in ["", "\n \n", "[]", "[ ]\n"] {
        let lab = Lab::new();
        assert_eq!(
            import(&lab, input, &["--key", "_id"]),
            "0 documents imported into `users`\n"
        );
        assert_eq!(export(&lab, &[]), "");
        assert_eq!(export(&lab, &["--format", "json"]), "[\n]\n");
    }
}

#[test]
fn documents_become_rows_where_the_table_has_rows() {
    let lab = Lab::with(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT, n REAL, b BLOB, other DEFAULT 'x')",
    );
    import(
        &lab,
        r#"[{"id":7,"name":"Ada","n":1.5,"b":{"$bytes":"AAE="}},{"name":null,"id":9}]"#,
        &[],
    );
    assert_eq!(
        lab.documents()["users"],
        [
            ["7", "Ada", "1.5 (real)", "[00, 01] (blob)", "x"],
            ["9", "NULL", "NULL", "NULL", "x"]
        ]
    );
    assert_eq!(
        export(&lab, &[]),
        "{\"id\":7,\"name\":\"Ada\",\"n\":1.5,\"b\":{\"$bytes\":\"AAE=\"},\"other\":\"x\"}\n{\"id\":9,\"name\":null,\"n\":null,\"b\":null,\"other\":\"x\"}\n"
    );
}

#[test]
fn an_export_whose_reader_has_seen_enough_ends_quietly() {
    let lab = Lab::new();
    let lines: String = (0..20_000)
        .map(|number| format!("{{\"n\":{number},\"pad\":\"{}\"}}\n", "x".repeat(50)))
        .collect();
    import(&lab, &lines, &[]);
    let mut child = lab
        .command(&["export", "--store", STORE, "--table", "users"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

/// Numbers, strings and blanks as few programs write them, and many must read them.
fn odd_value() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "1.0",
        "6.10",
        "-0",
        "-0.0",
        "0e0",
        "1e400",
        "1E+2",
        "9223372036854775808",
        "18446744073709551616",
        "0.1000000000000000055511151231257827",
        "123456789012345678901234567890",
        "true",
        "null",
        r#""""#,
        r#""\u0041\/\b""#,
        r#""\ud83d\ude00""#,
        r#""\u0000""#,
        r#""é😀""#,
        r#"" \"quoted\\ ""#,
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let blank = || proptest::sample::select(vec!["", " ", "  ", "\t", " \t "]);
        prop_oneof![
            (proptest::collection::vec(inner.clone(), 0..4), blank()).prop_map(
                |(values, blank)| format!("[{blank}{}{blank}]", values.join(&format!("{blank},")))
            ),
            (
                proptest::collection::vec((odd_name(), inner), 0..4),
                blank()
            )
                .prop_map(|(members, blank)| object(&members, blank)),
        ]
    })
}

fn odd_name() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        "a", "b", "a b", "a/b", "m~n", "", "0", r"\u0061b", "é", r#"q\"q"#, "d", "e",
    ])
    .prop_map(str::to_owned)
}

fn object(members: &[(String, String)], blank: &str) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{blank}\"{name}\"{blank}:{blank}{value}"))
        .collect();
    format!("{{{}{blank}}}", members.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_no_edit_names_keeps_its_bytes_through_import_run_and_export(
        bodies in proptest::collection::vec(
            (proptest::collection::vec((odd_name(), odd_value()), 0..6), proptest::sample::select(vec!["", " ", " \t"])),
            20,
        ),
    ) {
        const EDIT: &str = r#"{"edit":[{"set":{"at":"/added","value":"1.50"}},{"remove":{"at":"/do"}}]}"#;
        let lab = Lab::with_table("CREATE TABLE things (_id INTEGER PRIMARY KEY, doc JSON NOT NULL)");
        let mut lines = String::new();
        for (members, blank) in &bodies {
            let mut members = members.clone();
            members.insert(members.len() / 2, ("do".into(), EDIT.into()));
            lines.push_str(&object(&members, blank));
            lines.push('\n');
        }
        let ran = lab.host_fed(lines.as_bytes(), &["import", "--store", STORE, "--table", "things", "-"]);
        prop_assert_eq!(ran.status(), 0, "{}", ran);
        let export = || lab.host(&["export", "--store", STORE, "--table", "things"]).success().stdout();
        prop_assert_eq!(export(), lines.clone());

        let report = lab.report_scripted(&[]);
        prop_assert_eq!(report.adds_up().counts(), [20, 20, 0, 0, 0], "{}", report.json());
        for (before, after) in lines.lines().zip(export().lines()) {
            let mut expected = json::members(before).unwrap();
            expected.retain(|(name, _)| name != "do");
            expected.push(("added".into(), "1.50"));
            prop_assert_eq!(json::members(after).unwrap(), expected, "{} became {}", before, after);
        }
    }
}

#[test]
fn deep_nesting_is_no_danger() {
    let lab = Lab::with_table("CREATE TABLE things (_id INTEGER PRIMARY KEY, doc JSON NOT NULL)");
    for depth in [100, 900] {
        let line = format!(
            "{{\"deep\":{}1.0{}}}\n",
            "[".repeat(depth),
            "]".repeat(depth)
        );
        let ran = lab.host_fed(
            line.as_bytes(),
            &[
                "import", "--store", STORE, "--table", "things", "--append", "-",
            ],
        );
        assert_eq!(ran.status(), 0, "{ran}");
    }
    // Deeper than SQLite itself reads: it is refused or kept, but never brings the process down.
    let deeper = format!(
        "{{\"deep\":{}1.0{}}}\n",
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    let ran = lab.host_fed(
        deeper.as_bytes(),
        &[
            "import", "--store", STORE, "--table", "things", "--append", "-",
        ],
    );
    assert!((0..=1).contains(&ran.status()), "{}", ran.status());
    let ran = lab.run_scripted(&[]);
    assert!((0..=3).contains(&ran.status()), "{ran}");
}

#[test]
fn a_flag_stands_over_the_environment_that_over_the_file_and_that_over_the_default() {
    let lab = Lab::with_things([("a", "{}"), ("b", "{}")]);
    std::fs::copy(lab.path("app.db"), lab.path("environment.db")).unwrap();
    std::fs::copy(lab.path("app.db"), lab.path("file.db")).unwrap();
    let (flag, environment, file) = (
        "sqlite:app.db",
        ("HOST_STORE", "sqlite:environment.db"),
        "store = \"sqlite:file.db\"\n",
    );
    let made_runs = |name: &str| {
        let database = rusqlite::Connection::open(lab.path(name)).unwrap();
        database.prepare("SELECT 1 FROM _host_runs").is_ok()
    };
    let run = ["run", guest("scripted"), "--allow", SCRIPTED_GRANTS[1]];
    lab.write("host.toml", file);
    lab.host_with(&[environment], &[&run[..], &["--store", flag]].concat())
        .success();
    assert_eq!(
        (
            made_runs("app.db"),
            made_runs("environment.db"),
            made_runs("file.db")
        ),
        (true, false, false)
    );
    lab.host_with(&[environment], &run).success();
    assert_eq!(
        (made_runs("environment.db"), made_runs("file.db")),
        (true, false)
    );
    lab.host(&run).success();
    assert!(made_runs("file.db"));
}

#[test]
fn every_setting_can_come_from_the_environment_or_the_file() {
    let lab = Lab::with_things([("a", r#"{"do":{"skip":"x"}}"#)]);
    lab.sql("CREATE TABLE elsewhere (_id TEXT PRIMARY KEY, doc JSON); INSERT INTO elsewhere VALUES ('z', '{}'), ('y', '{}')");
    let variables = [
        ("HOST_STORE", STORE),
        ("HOST_TABLE", "elsewhere"),
        ("HOST_ALLOW", "read:facts,write:others"),
        ("HOST_FORMAT", "json"),
        ("HOST_BATCH_SIZE", "1"),
        ("HOST_LOCK_TIMEOUT", "1s"),
    ];
    let ran = lab.host_with(&variables, &["run", guest("scripted")]);
    let report: Report = ran.report();
    assert_eq!(
        (report.adds_up().number("total"), report.get("table")),
        (2, &Value::from("elsewhere"))
    );
    assert_eq!(
        lab.host_with(&[("HOST_BATCH_SIZE", "0")], &scripted(&[]))
            .status(),
        2
    );

    lab.write("settings.toml", "store = \"sqlite:app.db\"\nlock-timeout = \"1s\"\n[run]\nbatch-size = 1\nallow = [\"read:facts\", \"write:others\"]\n");
    lab.host(&["run", guest("scripted"), "--config", "settings.toml"])
        .success();
    lab.host_with(
        &[("HOST_CONFIG", "settings.toml")],
        &["run", guest("scripted")],
    )
    .success();
    // A flag's grants stand in place of the file's, not beside them.
    let ran = lab.host(&[
        "run",
        guest("scripted"),
        "--config",
        "settings.toml",
        "--allow",
        "read:facts",
    ]);
    assert_eq!(ran.status(), 1, "{ran}");
}

#[test]
fn shells_get_their_completions() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.host(&["completions", shell]).success().stdout();
        for command in subcommands(&lab) {
            assert!(script.contains(&command), "{shell} lacks {command}");
        }
    }
    let script = lab.host(&["completions", "bash"]).success().stdout();
    lab.write("completions.bash", script);
    let checked = std::process::Command::new("bash")
        .arg("-n")
        .arg(lab.path("completions.bash"))
        .status()
        .unwrap();
    assert!(checked.success());
}
