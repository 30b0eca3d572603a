//! Attacks before the first document: while a component is loaded, instantiated, and asked what it is.

use insta::assert_snapshot;

use super::bounds;
use super::guest::{Guest, Manifest, SHORT};
use crate::common::{Lab, Ran};

fn describe(describe: &str) -> Guest<'_> {
    Guest {
        describe,
        ..Guest::default()
    }
}

/// A component with something more in it.
fn component(component: &str) -> Guest<'_> {
    Guest {
        component,
        ..Guest::default()
    }
}

/// So many core instances of a module.
fn instances(module: &str, count: usize) -> String {
    format!(
        "(core module $bomb {module}) {}",
        "(core instance (instantiate $bomb))".repeat(count)
    )
}

#[test]
fn a_loop_without_an_end_in_describe() {
    assert_snapshot!(describe("(loop $forever (br $forever))").is_refused(SHORT), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it
    [exit status: 1]
    ");
}

#[test]
fn a_loop_without_an_end_in_a_start_function() {
    let start = "(core module $start (func $start (loop $forever (br $forever))) (start $start))
                 (core instance (instantiate $start))";
    assert_snapshot!(component(start).is_refused(SHORT), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it
    [exit status: 1]
    ");
}

#[test]
fn recursion_without_an_end_in_describe() {
    let guest = Guest {
        module: "(func $deep (result i32) (i32.add (call $deep) (i32.const 1)))",
        ..describe("(drop (call $deep))")
    };
    assert_snapshot!(guest.is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin used more than it may: the limit `stack` is 512 KiB; --stack raises it
    [exit status: 1]
    ");
    assert_snapshot!(guest.is_refused(&["--stack", "4MiB"]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin used more than it may: the limit `stack` is 4 MiB; --stack raises it
    [exit status: 1]
    ");
}

#[test]
fn a_memory_that_begins_with_four_gigabytes() {
    let guest = Guest {
        memory: "65536",
        ..Guest::default()
    };
    assert_snapshot!(guest.is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin used more than it may: the limit `instance-memory` is 32 MiB; --instance-memory raises it
    [exit status: 1]
    ");
}

#[test]
fn memories_that_are_too_much_together() {
    assert_snapshot!(component(&instances("(memory 1024)", 50)).is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin used more than it may: the limit `instance-memory` is 32 MiB; --instance-memory raises it
    [exit status: 1]
    ");
}

#[test]
fn a_table_of_gigabytes() {
    assert_snapshot!(component(&instances("(table 200000000 funcref)", 1)).is_refused(&[]), @"
    ------- stderr -------
    error: hostile.wasm asks for more than an instance can have: a table that large, and the limit `instance-memory` is 32 MiB; --instance-memory raises it
    [exit status: 1]
    ");
}

#[test]
fn more_instances_than_there_may_be() {
    assert_snapshot!(component(&instances("", 100)).is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin used more than it may: the limit `instance-parts` is 100; --instance-parts raises it
    [exit status: 1]
    ");
    assert_snapshot!(component(&instances("(memory 1)", 100)).is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin used more than it may: the limit `instance-parts` is 100; --instance-parts raises it
    [exit status: 1]
    ");
    // Beyond a thousand, it is no component.
    assert_snapshot!(component(&instances("", 1000)).is_refused(&[]), @"
    ------- stderr -------
    error: hostile.wasm is no valid component: instances count exceeds limit of 1000 (at offset 0x461)
    [exit status: 1]
    ");
}

#[test]
fn a_manifest_that_is_nowhere() {
    assert_snapshot!(describe("(return (i32.const 0xfffffff0))").is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin trapped: pointer out of bounds of memory
    [exit status: 1]
    ");
    assert_snapshot!(describe("(return (i32.const 33))").is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin trapped: return pointer not aligned
    [exit status: 1]
    ");
}

#[test]
fn a_name_of_four_gigabytes() {
    assert_snapshot!(describe("(i32.store (i32.const 36) (i32.const -1))").is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin trapped: string pointer/length out of bounds of memory
    [exit status: 1]
    ");
}

#[test]
fn a_manifest_that_names_a_thousand_tables_and_one() {
    let guest = Guest {
        manifest: Manifest {
            reads: &["t"; 1001],
            ..Manifest::default()
        },
        ..Guest::default()
    };
    assert_snapshot!(guest.is_refused(&[]), @"
    ------- stderr -------
    error: the plugin's manifest cannot be used: it names 1001 things, and the limit `manifest-items` is 1000; --manifest-items raises it
    [exit status: 1]
    ");
}

#[test]
fn a_name_that_steers_the_terminal() {
    let guest = Guest {
        manifest: Manifest {
            name: "\u{1b}[2Jx",
            ..Manifest::default()
        },
        ..Guest::default()
    };
    assert_snapshot!(guest.is_refused(&[]), @r"
    ------- stderr -------
    error: the plugin's manifest cannot be used: `\u{1b}[2Jx` is no name of a migration: names are lower-case words joined by hyphens
    [exit status: 1]
    ");
}

#[test]
fn texts_that_steer_the_terminal_when_they_are_asked_for() {
    let guest = Guest {
        manifest: Manifest {
            description: "\u{1b}]0;owned\u{7}\u{202e}harmless",
            table: "a\u{1b}[1A\nallowed",
            reads: &["b\r\u{9b}2K"],
            secrets: &["\u{8}\u{8}"],
            ..Manifest::default()
        },
        ..Guest::default()
    };
    let lab = Lab::new();
    let ran = bounds::host(&lab, &[], &["inspect", guest.put_into(&lab)]).success();
    let lines = ran.stdout();
    let texts: Vec<_> = lines
        .lines()
        .filter(|line| {
            !line.starts_with("imports") && !line.starts_with("sha256") && !line.starts_with("size")
        })
        .collect();
    assert_snapshot!(texts.join("\n"), @r"
    migration    hostile
    description  \u{1b}]0;owned\u{7}\u{202e}harmless
    version      1
    runs after   -
    table        a\u{1b}[1A\u{a}allowed
    filter       every document
    reads        b\u{d}\u{9b}2K
    writes       -
    secrets      \u{8}\u{8}
    needs        --allow read:b\u{d}\u{9b}2K --allow secret:\u{8}\u{8}
    granted      not by host.toml: read:b\u{d}\u{9b}2K, secret:\u{8}\u{8}
    taken back   by the undo log
    interface    0.1.0
    ");
    assert_snapshot!(guest.is_refused(&[]), @r#"
    ------- stderr -------
    error: the migration `hostile` wants to read table `b\u{d}\u{9b}2K` and to see the secret `\u{8}\u{8}`, which was not granted
    hint: if you want to let it: --allow read:b\u{d}\u{9b}2K --allow secret:\u{8}\u{8}
    hint: or, for these bytes only, in host.toml:
      [grants.hostile]
      sha256 = "[SHA-256]"
      allow = ["read:b\U0000000D\U0000009B2K", "secret:\U00000008\U00000008"]
    [exit status: 1]
    "#);
    let no_secret = Guest {
        manifest: Manifest {
            secrets: &[],
            ..guest.manifest.clone()
        },
        ..guest
    };
    assert_snapshot!(no_secret.is_refused(&["--allow", "read:b\r\u{9b}2K"]), @r"
    ------- stderr -------
    error: there is no table `a\u{1b}[1A\u{a}allowed`
    hint: the store has facts, others, things
    [exit status: 1]
    ");
}

#[test]
fn what_no_plugin_is_given() {
    for (import, refused) in [
        ("wasi:http/outgoing-handler@0.2.0", "(instance)"),
        ("wasi:filesystem/raw@0.2.0", "(instance)"),
        ("wasi:filesystem/types@0.3.0", "(instance)"),
        ("wasi:sockets/raw@0.2.0", "(instance)"),
        ("env", "(func)"),
    ] {
        let import_text = format!("(import \"{import}\" {refused})");
        let ran = component(&import_text).is_refused(&[]).to_string();
        assert_eq!(
            ran.replace(import, "[IMPORT]"),
            "------- stderr -------\n\
             error: hostile.wasm imports what no plugin is given: [IMPORT]\n\
             hint: build it without what needs these; plugins have no network and no files\n\
             [exit status: 1]"
        );
    }
}

#[test]
fn functions_that_its_interfaces_do_not_have() {
    for (import, function) in [
        ("wasi:filesystem/types@0.2.0", "open-anything"),
        ("wasi:sockets/tcp@0.2.0", "connect-anywhere"),
        ("wasi:cli/environment@0.2.0", "set-anything"),
    ] {
        let import_text =
            format!("(import \"{import}\" (instance (export \"{function}\" (func))))");
        let ran = component(&import_text).is_refused(&[]).to_string();
        assert_eq!(
            ran.replace(import, "[IMPORT]")
                .replace(function, "[FUNCTION]"),
            "------- stderr -------\n\
             error: hostile.wasm does not fit the interface: component imports instance `[IMPORT]`, but a matching implementation was not found in the linker: instance export `[FUNCTION]` has the wrong type: function implementation is missing\n\
             [exit status: 1]"
        );
    }
}

#[test]
fn a_flood_of_imports() {
    let imports: String = (0..20_000)
        .map(|number| format!("(import \"flood-{number}\" (func))"))
        .collect();
    let ran = component(&imports).is_refused(&[]);
    assert_snapshot!(shortened(&ran), @"
    ------- stderr -------
    error: hostile.wasm imports what no plugin is given: flood-0, flood-1, flood-2, flood-3, flood-4, flood-5, flood-6, flood-7, flood-8, flood-9, flood-10, flood-11, flood-12, flood-13, flood-14, flood-1 […] ood-459, flood-460, flood-461, flood-462, flood-463, flood-464, flood-465, flood-466, and 19533 more
    hint: build it without what needs these; plugins have no network and no files
    [exit status: 1]
    ");
}

/// What was shown, with the lines that are too long for a test cut in the middle.
fn shortened(ran: &Ran) -> String {
    let short = |line: &str| match line.char_indices().nth(200) {
        None => line.to_owned(),
        Some((at, _)) => format!("{} […] {}", &line[..at], &line[line.len() - 100..]),
    };
    ran.to_string()
        .lines()
        .map(short)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn a_wait_when_it_is_asked_what_it_is() {
    let guest = Guest {
        component: "(import \"wasi:io/poll@0.2.0\" (instance $poll
              (export \"pollable\" (type $own (sub resource)))
              (export \"poll\" (func (param \"in\" (list (borrow $own))) (result (list u32))))))
            (alias export $poll \"pollable\" (type $pollable))
            (import \"wasi:clocks/monotonic-clock@0.2.0\" (instance $clock
              (alias outer 1 $pollable (type $outer))
              (export \"pollable\" (type $pollable (eq $outer)))
              (export \"subscribe-duration\" (func (param \"when\" u64) (result (own $pollable))))))
            (core module $pages (memory (export \"memory\") 1)
              (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
            (core instance $pages (instantiate $pages))
            (core func $wait (canon lower (func $poll \"poll\")
              (memory $pages \"memory\") (realloc (func $pages \"realloc\"))))
            (core func $subscribe (canon lower (func $clock \"subscribe-duration\")))
            (core module $sleeper
              (import \"wasi\" \"memory\" (memory 1))
              (import \"wasi\" \"poll\" (func $poll (param i32 i32 i32)))
              (import \"wasi\" \"subscribe\" (func $subscribe (param i64) (result i32)))
              (func (export \"sleep\")
                (i32.store (i32.const 0) (call $subscribe (i64.const 3600000000000)))
                (call $poll (i32.const 0) (i32.const 1) (i32.const 16))))
            (core instance $sleeper (instantiate $sleeper (with \"wasi\" (instance
              (export \"memory\" (memory $pages \"memory\"))
              (export \"poll\" (func $wait))
              (export \"subscribe\" (func $subscribe))))))",
        imports: "(import \"sleeper\" \"sleep\" (func $sleep))",
        with: "(with \"sleeper\" (instance $sleeper))",
        ..describe("(call $sleep)")
    };
    assert_snapshot!(guest.is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin trapped: the plugin tried to wait, and plugins cannot
    [exit status: 1]
    ");
}

#[test]
fn an_end_of_the_process() {
    let guest = Guest {
        component: "(import \"wasi:cli/exit@0.2.0\" (instance $cli (export \"exit\" (func (param \"status\" (result))))))
                    (core func $exit (canon lower (func $cli \"exit\")))",
        imports: "(import \"cli\" \"exit\" (func $exit (param i32)))",
        with: "(with \"cli\" (instance (export \"exit\" (func $exit))))",
        ..describe("(call $exit (i32.const 0))")
    };
    assert_snapshot!(guest.is_refused(&[]), @"
    ------- stderr -------
    error: the plugin failed when asked for its manifest: the plugin trapped: Exited with i32 exit status 0
    [exit status: 1]
    ");
}

#[test]
fn no_room_for_a_document() {
    // Nothing is healthy here: it is how documents come in.
    let guest = Guest {
        realloc: "(loop $forever (br $forever))",
        ..Guest::default()
    };
    let lab = Lab::with_things([("a", "{}"), ("z", "{}")]);
    let before = lab.documents();
    let ran = guest.runs_in(&lab, SHORT);
    assert_eq!(lab.documents(), before);
    assert_snapshot!(ran, @"
    hostile over `things`: run 1 finished in [TIME] s
               2 met the filter
               0 updated
               2 failed
    First failures:
      things a: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
      things z: the plugin took longer than it may: the limit `document-time` is 50ms; --document-time raises it (limit)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    let guest = Guest {
        realloc: "(return (i32.const -8))",
        ..Guest::default()
    };
    let ran = guest.runs_in(&lab, &["--restart"]);
    assert_eq!(lab.documents(), before);
    assert_snapshot!(ran, @"
    hostile over `things`: run 2 finished in [TIME] s
               2 met the filter
               0 updated
               2 failed
    First failures:
      things a: the plugin trapped: realloc return: beyond end of memory (trap)
      things z: the plugin trapped: realloc return: beyond end of memory (trap)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 2` tries them again.
    [exit status: 3]
    ");
}
