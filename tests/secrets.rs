//! Secrets: where they come from, and that nothing of them is left in what a plugin says.

use insta::assert_snapshot;

use crate::common::{Lab, Ran, STORE, guest};
use crate::hostile::guest::{Guest, Manifest};

/// As long as a key is, and spelled otherwise within JSON.
const SECRET: &str = "sk-\"live\"-4242424242";

/// Runs the plugin that [`Guest::put_into`] has put there.
const RUN: &[&str] = &[
    "run",
    "hostile.wasm",
    "--store",
    STORE,
    "--allow",
    "secret:KEY",
];

/// A plugin that asks for a secret and tells it, at each document in the way that its id says.
fn telltale() -> Guest<'static> {
    Guest {
        manifest: Manifest {
            secrets: &["KEY"],
            ..Manifest::default()
        },
        module: TEXTS,
        attack: TELL.into(),
        ..Guest::default()
    }
}

/// The secret's name, a table's, and a reason.
const TEXTS: &str = r#"(data (i32.const 40000) "KEY") (data (i32.const 40016) "things") (data (i32.const 40024) "told")"#;

const TELL: &str = "
    (local $way i32) (local $secret i32) (local $length i32)
    (call $secret (i32.const 40000) (i32.const 3) (i32.const 40032))
    (if (i32.eqz (i32.load8_u (i32.const 40032))) (then (return)))
    (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40024) (i32.const 4))
    (local.set $secret (i32.load (i32.const 40036)))
    (local.set $length (i32.load (i32.const 40040)))
    (local.set $way (i32.load8_u offset=1 (i32.load (local.get $document))))
    ;; A reason.
    (if (i32.eq (local.get $way) (i32.const 0x72)) (then
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $secret) (local.get $length))))
    ;; A code, a message, a pointer.
    (if (i32.eq (local.get $way) (i32.const 0x66)) (then
      (i32.store (local.get $outcome) (i32.const 5))
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $secret) (local.get $length))
      (call $put (i32.add (local.get $outcome) (i32.const 12)) (local.get $secret) (local.get $length))
      (i32.store offset=20 (local.get $outcome) (i32.const 1))
      (call $put (i32.add (local.get $outcome) (i32.const 24)) (local.get $secret) (local.get $length))))
    ;; A message, and a line, that are cut in its middle.
    (if (i32.eq (local.get $way) (i32.const 0x63)) (then
      (local.set $at (call $allocate (i32.const 5000)))
      (memory.fill (local.get $at) (i32.const 0x2d) (i32.const 5000))
      (memory.copy (i32.add (local.get $at) (i32.const 4086)) (local.get $secret) (local.get $length))
      (call $emit (i32.const 2) (local.get $at) (i32.const 5000) (i32.const 1) (local.get $place))
      (i32.store (local.get $outcome) (i32.const 5))
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (i32.const 3))
      (call $put (i32.add (local.get $outcome) (i32.const 12)) (local.get $at) (i32.const 5000))
      (i32.store offset=20 (local.get $outcome) (i32.const 0))))
    ;; Lines of every level, about a document and about none.
    (if (i32.eq (local.get $way) (i32.const 0x6c)) (then
      (loop $levels
        (call $emit (local.get $i) (local.get $secret) (local.get $length) (i32.const 1) (local.get $place))
        (call $emit (local.get $i) (local.get $secret) (local.get $length) (i32.const 0) (i32.const 0))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $levels (i32.lt_u (local.get $i) (i32.const 4))))))
    ;; A panic.
    (if (i32.eq (local.get $way) (i32.const 0x70)) (then
      (call $emit (i32.const 3) (local.get $secret) (local.get $length) (i32.const 1) (local.get $place))
      unreachable))
    ;; An edit that removes what is not there, and whose pointer is quoted.
    (if (i32.eq (local.get $way) (i32.const 0x65)) (then
      (local.set $at (call $allocate (i32.const 20)))
      (i32.store (local.get $at) (i32.const 1))
      (call $put (i32.add (local.get $at) (i32.const 4)) (local.get $secret) (local.get $length))
      (i32.store (local.get $outcome) (i32.const 1))
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $at) (i32.const 1))))
    ;; A new body that is no JSON.
    (if (i32.eq (local.get $way) (i32.const 0x62)) (then
      (i32.store (local.get $outcome) (i32.const 2))
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $secret) (local.get $length))))
    ;; A deletion in a table of that name, and one of a document of that name.
    (if (i32.or (i32.eq (local.get $way) (i32.const 0x74)) (i32.eq (local.get $way) (i32.const 0x64))) (then
      (local.set $at (call $allocate (i32.const 40)))
      (i32.store (local.get $at) (i32.const 3))
      (call $put (i32.add (local.get $at) (i32.const 4)) (local.get $secret) (local.get $length))
      (call $put (i32.add (local.get $at) (i32.const 12)) (local.get $secret) (local.get $length))
      (if (i32.eq (local.get $way) (i32.const 0x64)) (then
        (call $put (i32.add (local.get $at) (i32.const 4)) (i32.const 40016) (i32.const 6))))
      (i32.store (local.get $outcome) (i32.const 4))
      (call $put (i32.add (local.get $outcome) (i32.const 4)) (local.get $at) (i32.const 1))))
";

/// One document for each way to tell.
const WAYS: [&str; 9] = ["xr", "xf", "xc", "xl", "xp", "xe", "xb", "xt", "xd"];

fn lab() -> Lab {
    let lab = Lab::with_things(
        WAYS.map(|id| (id, "{}"))
            .into_iter()
            .chain([("a", "{}"), ("z", "{}")]),
    );
    telltale().put_into(&lab);
    lab
}

fn told(lab: &Lab, more: &[&str]) -> Ran {
    lab.host_with(&[("HOST_SECRET_KEY", SECRET)], &[RUN, more].concat())
}

/// Takes it that neither a secret nor half of one is there, however it is spelled.
#[track_caller]
fn holds_none(what: &str, bytes: &[u8]) {
    for trace in ["sk-", "live", "4242"] {
        let found = bytes
            .windows(trace.len())
            .position(|window| window == trace.as_bytes());
        assert_eq!(
            found,
            None,
            "{what} holds `{trace}`: {}",
            String::from_utf8_lossy(bytes)
        );
    }
}

#[test]
fn a_secret_is_in_nothing_that_a_plugin_says() {
    for more in [
        &["--log-level", "trace", "--log-rate", "1000"][..],
        &[
            "--log-format",
            "json",
            "--log-level",
            "trace",
            "--format",
            "json",
        ],
        &["--dry-run", "-v"],
        &["--batch-size", "1", "--format", "json"],
    ] {
        let lab = lab();
        let ran = told(&lab, more);
        assert_eq!(ran.status(), 3, "{ran}");
        holds_none("standard output", ran.stdout().as_bytes());
        holds_none("standard error", ran.stderr().as_bytes());
        for file in std::fs::read_dir(lab.path("")).unwrap() {
            let path = file.unwrap().path();
            holds_none(path.to_str().unwrap(), &std::fs::read(&path).unwrap());
        }
        if more.contains(&"--dry-run") {
            continue;
        }
        assert_eq!(lab.body("things", "a"), "{\"done\":true}");
        for command in ["quarantine", "show"] {
            let ran = lab.host(&[command, "1", "--store", STORE]).success();
            holds_none(command, ran.to_string().as_bytes());
        }
    }
}

#[test]
fn its_place_is_taken_by_its_name() {
    let lab = lab();
    assert_snapshot!(told(&lab, &["--log-level", "error"]), @"
    hostile over `things`: run 1 finished in [TIME] s
              11 met the filter
               2 updated
               2 skipped
                   1 [secret KEY]
                   1 told
               7 failed
    The plugin warned 1 time: ----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------…
    The plugin warned 1 time: [secret KEY]
    First failures:
      things xf: [secret KEY] ([secret KEY] at [secret KEY])
      things xc: ----------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------------… (KEY)
      things xp: the plugin trapped: [secret KEY] (wasm trap: wasm `unreachable` instruction executed) (trap)
      things xe: `[secret KEY]` is no JSON Pointer: it must be empty or begin with `/`, and `~` stand only in `~0` and `~1` (invalid-edit at [secret KEY])
      things xb: the new body is not valid JSON: expected value at line 1 column 1 (invalid-value)
      things xt: the migration does not declare that it writes table `[secret KEY]` (not-granted)
      things xd: table `things` has no document `[secret KEY]` to change (unknown-document)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    ------- stderr -------
    plugin error: [secret KEY]
    plugin error: [secret KEY]  table=things  document=xl
    [exit status: 3]
    ");
}

/// What a plugin writes is its purpose, and is only not shown.
#[test]
fn what_a_plugin_writes_is_data() {
    let lab = Lab::with_things([("a", r#"{"do":{"secret":"api-key"}}"#)]);
    let run = [
        "run",
        guest("secretive"),
        "--store",
        STORE,
        "--allow",
        "secret:api-key",
    ];
    let secret = [("HOST_SECRET_API_KEY", SECRET)];
    let ran = lab
        .host_with(&secret, &[&run[..], &["--dry-run"]].concat())
        .success();
    holds_none("a dry run", ran.to_string().as_bytes());
    assert!(
        ran.stdout().contains(r#"+ /answer "[secret api-key]""#),
        "{ran}"
    );
    lab.host_with(&secret, &run).success();
    assert_eq!(lab.thing("a")["answer"], SECRET);
}

#[test]
fn a_secret_that_was_not_granted_does_not_exist() {
    // It is in the environment, and another one was granted.
    let plugin = Guest {
        manifest: Manifest {
            secrets: &["OTHER"],
            ..Manifest::default()
        },
        module: TEXTS,
        attack: format!("{TELL} unreachable").into(),
        ..Guest::default()
    };
    let lab = Lab::with_things([("a", "{}"), ("xr", "{}"), ("z", "{}")]);
    plugin.put_into(&lab);
    let ran = lab.host_with(
        &[
            ("HOST_SECRET_KEY", SECRET),
            ("HOST_SECRET_OTHER", "another"),
        ],
        &[RUN, &["--allow", "secret:OTHER"]].concat(),
    );
    // Without a secret it returns before it comes to what would stop it.
    assert_eq!(ran.status(), 0, "{ran}");
    holds_none("the run", ran.to_string().as_bytes());
    assert_eq!(lab.body("things", "xr"), "{}");
}

#[test]
fn secrets_come_from_files_and_standard_input() {
    let lab = Lab::with_things([("a", r#"{"do":{"secret":"api-key"}}"#)]);
    let run = [
        "run",
        guest("secretive"),
        "--store",
        STORE,
        "--allow",
        "secret:api-key",
    ];
    let answer = |ran: Ran| {
        ran.success();
        let answer = lab.thing("a")["answer"].as_str().unwrap().to_owned();
        lab.put("things", [("a", r#"{"do":{"secret":"api-key"}}"#)]);
        answer
    };
    lab.write("key.txt", "of a file\n");
    let by_flag = ["--secret-file", "api-key=key.txt"];
    assert_eq!(
        answer(lab.host(&[&run[..], &by_flag].concat())),
        "of a file"
    );
    let by_stdin = [&run[..], &["--secret-stdin", "api-key"]].concat();
    assert_eq!(
        answer(lab.host_fed(b"of a pipe\r\n", &by_stdin)),
        "of a pipe"
    );
    lab.write("host.toml", "[secrets]\napi-key = { file = \"key.txt\" }\n");
    assert_eq!(answer(lab.host(&run)), "of a file");
    // A flag stands over the file, and that over the usual variable.
    assert_eq!(answer(lab.host_fed(b"of a pipe", &by_stdin)), "of a pipe");
    let usual = [("HOST_SECRET_API_KEY", "usual"), ("OTHER", "of another")];
    assert_eq!(answer(lab.host_with(&usual, &run)), "of a file");
    lab.write("host.toml", "[secrets]\napi-key = { env = \"OTHER\" }\n");
    assert_eq!(answer(lab.host_with(&usual, &run)), "of another");
}

#[test]
fn what_cannot_be_a_secret_is_refused() {
    let lab = Lab::with_things([("a", "{}")]);
    let refused = |more: &[&str]| {
        let before = lab.everything();
        let run = [
            "run",
            guest("secretive"),
            "--store",
            STORE,
            "--allow",
            "secret:api-key",
        ];
        let ran = lab.host_fed(b"", &[&run[..], more].concat());
        assert_eq!(lab.everything(), before);
        ran.to_string()
    };
    assert_snapshot!(refused(&["--secret-file", "api-key=none.txt"]), @"
    ------- stderr -------
    error: the secret `api-key` cannot be read from none.txt: No such file or directory (os error 2)
    [exit status: 1]
    ");
    assert_snapshot!(refused(&["--secret-stdin", "api-key"]), @"
    ------- stderr -------
    error: the secret `api-key` from standard input is empty
    [exit status: 1]
    ");
    assert_snapshot!(refused(&["--secret-stdin", "api-key", "--secret-file", "api-key=x"]), @"
    ------- stderr -------
    error: the secret `api-key` is given twice
    [exit status: 2]
    ");
    let given = refused(&["--secret-file", SECRET]);
    assert!(given.contains("NAME=FILE"), "{given}");
    holds_none("the error", given.as_bytes());
    lab.write("host.toml", format!("[secrets]\napi-key = '{SECRET}'\n"));
    let literal = refused(&[]);
    holds_none("the error", literal.as_bytes());
    assert_snapshot!(literal, @r#"
    ------- stderr -------
    error: host.toml: `api-key` in [secrets] does not say where the secret is
    hint: write api-key = { file = "PATH" } or api-key = { env = "VARIABLE" }; the secret itself does not belong there
    [exit status: 1]
    "#);
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_may_read_is_worth_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::with_things([("a", "{}")]);
    lab.write("key.txt", "abc");
    let run = [
        "run",
        guest("secretive"),
        "--store",
        STORE,
        "--allow",
        "secret:api-key",
        "--secret-file",
        "api-key=key.txt",
    ];
    let said = |mode| {
        std::fs::set_permissions(lab.path("key.txt"), std::fs::Permissions::from_mode(mode))
            .unwrap();
        lab.host(&run).success().stderr()
    };
    assert_snapshot!(said(0o644), @"
    warning: key.txt, which holds the secret `api-key`, can be read by all users of this machine
    warning: the secret `api-key` is shorter than 4 bytes, too short to be wiped from what the plugin says
    ");
    assert_snapshot!(said(0o640), @"warning: the secret `api-key` is shorter than 4 bytes, too short to be wiped from what the plugin says");
}
