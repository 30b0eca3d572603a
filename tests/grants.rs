//! What a plugin is let do beyond its own table: asked at a terminal, kept for its bytes, refused elsewhere.

use std::fs;

use insta::assert_snapshot;

use crate::common::terminal::Terminal;
use crate::common::{EDIT, Lab, STORE, guest, steady};
use crate::hostile::guest::{Guest, Manifest};

const RUN: &[&str] = &["run", "plugin.wasm", "--store", STORE];

/// A lab with a plugin that wants more than its table, and a document for it.
fn lab() -> Lab {
    let lab = Lab::with_things([("a", EDIT)]);
    fs::copy(guest("scripted"), lab.path("plugin.wasm")).unwrap();
    lab
}

/// Runs the plugin at a terminal, answers, and returns what stands there up to the run's beginning, and the status.
fn answered(lab: &Lab, keys: &str) -> (String, i32) {
    let mut terminal = Terminal::start(lab.command(RUN));
    terminal.until("or no [no]: ");
    terminal.types(keys);
    let (seen, _, status) = terminal.end();
    // The progress bar comes and goes.
    let seen = seen.split('\u{1b}').next().unwrap();
    (steady(seen, lab.path("").to_str().unwrap()), status)
}

fn is_done(lab: &Lab) -> bool {
    lab.thing("a")["n"] == 1
}

/// Changes the plugin's bytes, and nothing that they do: a section that nobody reads is added.
fn change_bytes(lab: &Lab) {
    let mut bytes = fs::read(lab.path("plugin.wasm")).unwrap();
    bytes.extend([0, 2, 1, b'x']);
    lab.write("plugin.wasm", bytes);
}

/// What the file keeps, without hashes.
fn kept(lab: &Lab) -> String {
    steady(&lab.read("host.toml"), "[FOLDER]")
}

#[test]
fn yes_is_kept_and_nobody_is_asked_again() {
    let lab = lab();
    lab.write(
        "host.toml",
        "# ours\nlog-level = \"warn\" # quiet\n\n[run]\nworkers = 1\n# batch-size = 5\n",
    );
    let (seen, status) = answered(&lab, "yes\r");
    assert_snapshot!(seen, @"
    This plugin wants more than its own table:

      file         plugin.wasm
      migration    scripted
      version      1
      description  Obeys its documents
      table        things
      sha256       [SHA-256]

    It wants
      - to read table `facts`
      - to write table `others`

    Let it? yes (kept in host.toml for these bytes), once, or no [no]: yes
    kept in host.toml
    ");
    assert_eq!(status, 0, "{seen}");
    assert!(is_done(&lab));
    assert_snapshot!(kept(&lab), @r#"
    # ours
    log-level = "warn" # quiet

    [run]
    workers = 1
    # batch-size = 5

    [grants.scripted]
    sha256 = "[SHA-256]"
    allow = ["read:facts", "write:others"]
    "#);

    lab.put("things", [("b", EDIT)]);
    lab.host(RUN).success();
    assert_eq!(lab.thing("b")["n"], 1);
}

#[test]
fn once_and_no_are_not_kept() {
    for keys in ["no\r", "\r", "\u{4}", "what?\rn\r"] {
        let lab = lab();
        let before = lab.everything();
        let (seen, status) = answered(&lab, keys);
        assert_eq!(status, 1, "{keys:?}: {seen}");
        assert!(
            seen.contains("error: the migration `scripted` wants to read table `facts` and"),
            "{seen}"
        );
        assert_eq!(lab.everything(), before);
        assert!(!lab.path("host.toml").exists());
    }
    let lab = lab();
    let (seen, status) = answered(&lab, "Once\r");
    assert_eq!(status, 0, "{seen}");
    assert!(is_done(&lab));
    assert!(!lab.path("host.toml").exists());
    assert_eq!(lab.host(RUN).status(), 1);
}

#[test]
fn other_bytes_are_asked_about_again() {
    let lab = lab();
    let (seen, status) = answered(&lab, "y\r");
    assert_eq!(status, 0, "{seen}");
    let file = lab.read("host.toml").replace("\"read:facts\", ", "");
    lab.write("host.toml", &file);
    change_bytes(&lab);

    let before = lab.everything();
    assert_snapshot!(lab.host(RUN), @r#"
    ------- stderr -------
    error: the plugin of `scripted` has changed since it was let do more: its SHA-256 was [SHA-256], and is [SHA-256]; it wants to read table `facts` and to write table `others`
    hint: if you want to let it: --allow read:facts --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts", "write:others"]
    [exit status: 1]
    "#);
    assert_eq!(lab.everything(), before);

    let (seen, status) = answered(&lab, "y\r");
    assert_snapshot!(seen, @"
    This plugin wants more than its own table:

      file         plugin.wasm
      migration    scripted
      version      1
      description  Obeys its documents
      table        things
      sha256       [SHA-256]

    Its bytes have changed. You have allowed this migration with the sha256
      [SHA-256]
      - to write table `others`

    It wants
      - to read table `facts` (new)
      - to write table `others`

    Let it? yes (kept in host.toml for these bytes), once, or no [no]: y
    kept in host.toml
    ");
    assert_eq!(status, 0, "{seen}");
    assert_snapshot!(kept(&lab), @r#"
    [grants.scripted]
    sha256 = "[SHA-256]"
    allow = ["read:facts", "write:others"]
    "#);
    assert_ne!(lab.read("host.toml"), file);
    lab.host(RUN).success();
}

#[test]
fn off_the_terminal_flags_or_the_file_must_say_it() {
    let lab = lab();
    let refused = lab.host(RUN);
    assert_snapshot!(refused, @r#"
    ------- stderr -------
    error: the migration `scripted` wants to read table `facts` and to write table `others`, which was not granted
    hint: if you want to let it: --allow read:facts --allow write:others
    hint: or, for these bytes only, in host.toml:
      [grants.scripted]
      sha256 = "[SHA-256]"
      allow = ["read:facts", "write:others"]
    [exit status: 1]
    "#);
    assert!(!is_done(&lab));
    // What the hint says is what must be written.
    let hint: String = refused
        .stderr()
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .flat_map(|line| [line, "\n"])
        .collect();
    lab.write("host.toml", hint);
    lab.host(RUN).success();
    assert!(is_done(&lab));

    // Grants by name are not bound to bytes.
    change_bytes(&lab);
    assert_eq!(lab.host(RUN).status(), 1);
    lab.write(
        "host.toml",
        "[run]\nallow = [\"read:facts\", \"write:others\"]\n",
    );
    lab.host(RUN).success();
}

#[test]
fn a_log_for_machines_is_no_place_to_ask() {
    let lab = lab();
    let mut terminal = Terminal::start(lab.command(&[RUN, &["--log-format", "json"]].concat()));
    // If it asked, this would be a no.
    terminal.types("\u{4}");
    let (seen, _, status) = terminal.end();
    assert_eq!(status, 1, "{seen}");
    assert!(!seen.contains("Let it?"), "{seen}");
    assert!(
        seen.contains(r#""message":"the migration `scripted` wants to read"#),
        "{seen}"
    );
}

#[test]
fn ctrl_c_is_no_answer() {
    let lab = lab();
    let before = lab.everything();
    let (seen, status) = answered(&lab, "y\u{3}");
    assert_eq!(status, -1, "{seen}");
    assert_eq!(lab.everything(), before);
    assert!(!lab.path("host.toml").exists());
}

#[test]
fn where_nothing_can_be_kept_it_holds_for_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = lab();
    lab.write("host.toml", "# ours\n");
    fs::set_permissions(lab.path("host.toml"), fs::Permissions::from_mode(0o444)).unwrap();
    let (seen, status) = answered(&lab, "yes\r");
    assert_eq!(status, 0, "{seen}");
    assert_snapshot!(seen.split_once("[no]: ").unwrap().1, @"
    yes
    warning: host.toml is read-only; the plugin is let do it this once, and asked about again
    ");
    assert!(is_done(&lab));
    assert_eq!(lab.read("host.toml"), "# ours\n");
}

#[test]
fn a_retry_asks_too() {
    let lab = Lab::with_things([("a", r#"{"do":"trap"}"#)]);
    assert_eq!(lab.run_scripted(&[]).status(), 3);
    lab.put("things", [("a", EDIT)]);
    let retry = ["retry", "1", "--store", STORE];
    assert_eq!(lab.host(&retry).status(), 1);
    let mut terminal = Terminal::start(lab.command(&retry));
    terminal.until("or no [no]: ");
    terminal.types("once\r");
    let (seen, _, status) = terminal.end();
    assert_eq!(status, 0, "{seen}");
    assert!(is_done(&lab));
}

#[test]
fn a_plugin_cannot_write_the_question() {
    let lab = lab();
    let plugin = Guest {
        manifest: Manifest {
            description: "\u{1b}[2J\nLet it? yes (kept",
            reads: &["x\u{1b}[8m\nNothing else", "\u{202e}y"],
            ..Manifest::default()
        },
        ..Guest::default()
    };
    lab.write("plugin.wasm", plugin.component());
    let (seen, status) = answered(&lab, "no\r");
    assert_eq!(status, 1);
    assert_snapshot!(seen, @r#"
    This plugin wants more than its own table:

      file         plugin.wasm
      migration    hostile
      version      1
      description  \u{1b}[2J\u{a}Let it? yes (kept
      table        things
      sha256       [SHA-256]

    It wants
      - to read table `x\u{1b}[8m\u{a}Nothing else`
      - to read table `\u{202e}y`

    Let it? yes (kept in host.toml for these bytes), once, or no [no]: no
    error: the migration `hostile` wants to read table `x\u{1b}[8m\u{a}Nothing else` and to read table `\u{202e}y`, which was not granted
    hint: if you want to let it: --allow read:x\u{1b}[8m\u{a}Nothing else --allow read:\u{202e}y
    hint: or, for these bytes only, in host.toml:
      [grants.hostile]
      sha256 = "[SHA-256]"
      allow = ["read:x\U0000001B[8m\U0000000ANothing else", "read:\U0000202Ey"]
    "#);
}

#[test]
fn a_long_description_does_not_push_the_question_away() {
    let lab = lab();
    let plugin = Guest {
        manifest: Manifest {
            description: &"harmless ".repeat(100),
            reads: &["facts"],
            ..Manifest::default()
        },
        ..Guest::default()
    };
    lab.write("plugin.wasm", plugin.component());
    let (seen, _) = answered(&lab, "no\r");
    let shown = seen.matches("harmless").count();
    assert!((40..50).contains(&shown), "{shown}: {seen}");
}

#[test]
fn a_yes_holds_for_what_was_asked_and_nothing_of_before() {
    let lab = lab();
    lab.write(
        "host.toml",
        "[grants.scripted]\nsha256 = \"00\"\nallow = [\"read:secrets\", \"read:facts\"]\n",
    );
    answered(&lab, "yes\r");
    let kept = kept(&lab);
    assert!(
        kept.ends_with("allow = [\"read:facts\", \"write:others\"]\n"),
        "{kept}"
    );
}

#[test]
fn flags_stand_in_the_place_of_what_the_file_lets_all_plugins_do() {
    let lab = lab();
    lab.write("host.toml", "[run]\nallow = [\"read:facts\"]\n");
    let ran = lab.host(&[RUN, &["--allow", "write:others"]].concat());
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(
        ran.stderr().contains("wants to read table `facts`, which"),
        "{ran}"
    );
}

#[test]
fn inspect_tells_what_the_file_grants() {
    let lab = lab();
    let granted = || {
        let ran = lab.host(&["inspect", "plugin.wasm"]).success().to_string();
        let line = ran.lines().find(|line| line.starts_with("granted "));
        line.unwrap().to_owned()
    };
    assert_snapshot!(granted(), @"granted      not by host.toml: read:facts, write:others");
    lab.write("host.toml", "[run]\nallow = [\"read:facts\"]\n");
    assert_snapshot!(granted(), @"granted      not by host.toml: write:others");
    let (seen, status) = answered(&lab, "y\r");
    assert_eq!(status, 0, "{seen}");
    assert_snapshot!(granted(), @"granted      by host.toml");
    let json = || {
        lab.host(&["inspect", "plugin.wasm", "--format", "json"])
            .report()
    };
    assert_eq!(json().get("granted"), true);
    change_bytes(&lab);
    assert_snapshot!(granted(), @"granted      not by host.toml, which is about other bytes (sha256 [SHA-256]): write:others");
    assert_eq!(json().get("granted"), false);
}
