//! Attempts to learn what a plugin must not know: whether it counts, what was before, what else there is.

use insta::assert_snapshot;

use super::bounds;
use super::guest::{Guest, Manifest, attack, bytes};
use crate::common::{Lab, scripted};

#[test]
fn what_an_earlier_batch_left_in_memory_globals_and_tables() {
    let guest = Guest {
        module: "(global $kept (mut i32) (i32.const 0))
                 (table $table 1 100000 funcref)
                 (func $some) (elem declare func $some)
                 (data (i32.const 40000) \"new instance!\")",
        // Looks at what it has marked, in the last page that it gets and in the first.
        ..attack(
            "(local.set $at (i32.mul (memory.grow (i32.const 100)) (i32.const 65536)))
             (local.set $i (i32.or (i32.load8_u (i32.add (local.get $at) (i32.const 6553599))) (i32.load (local.get $at))))
             (local.set $i (i32.or (local.get $i) (i32.or (global.get $kept) (i32.load (i32.const 50000)))))
             (drop (table.grow $table (ref.null func) (i32.const 10000)))
             (local.set $i (i32.or (local.get $i) (i32.eqz (ref.is_null (table.get $table (i32.const 10000))))))
             (local.set $i (i32.or (local.get $i) (i32.eqz (ref.is_null (table.get $table (i32.const 0))))))
             (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (select (i32.const 3) (i32.const 13) (local.get $i)))
             (memory.fill (local.get $at) (i32.const 1) (i32.const 6553600))
             (i32.store (i32.const 50000) (i32.const 1))
             (global.set $kept (i32.const 1))
             (table.fill $table (i32.const 0) (ref.func $some) (i32.const 10001))",
        )
    };
    let lab = Lab::with_things([("x1", "{}"), ("x2", "{}"), ("x3", "{}"), ("x4", "{}")]);
    assert_snapshot!(guest.runs_in(&lab, &["--batch-size", "1", "--workers", "1"]), @"
    hostile over `things`: run 1 finished in [TIME] s
               4 met the filter
               0 updated
               4 skipped
                   4 new instance!
               0 failed
    [exit status: 0]
    ");
    // Within a batch it can be told, which shows that it looks.
    let ran = guest.runs_in(&lab, &["--restart"]);
    assert!(ran.stdout().contains("3 new\n"), "{ran}");
}

/// What a plugin says at each of five documents: where in its batch it stood.
fn places(more: &[&str]) -> Vec<String> {
    let guest = Guest {
        module: "(data (i32.const 40000) \"abcdefghij\")",
        ..attack(
            "(i32.store (local.get $outcome) (i32.const 5))
             (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40000) (i32.const 1))
             (call $put (i32.add (local.get $outcome) (i32.const 12)) (i32.add (i32.const 40000) (local.get $place)) (i32.const 1))",
        )
    };
    let lab = Lab::with_things([
        ("x1", "{}"),
        ("x2", "{}"),
        ("x3", "{}"),
        ("x4", "{}"),
        ("x5", "{}"),
    ]);
    let ran = guest.runs_in(&lab, &[&["--batch-size", "3"], more].concat());
    let told = ran.stdout();
    told.lines()
        .filter(|line| line.starts_with("  things x"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_batches_of_a_dry_run() {
    let real = places(&[]);
    assert_snapshot!(real.join("\n"), @"
      things x1: a (a)
      things x2: b (a)
      things x3: c (a)
      things x4: a (a)
      things x5: b (a)
    ");
    assert_eq!(places(&["--dry-run"]), real);
}

#[test]
fn what_a_dry_run_answers() {
    let asked = [
        ("new", r#"{"do":{"new-id":{"table":"others","seed":"s"}}}"#),
        ("param", r#"{"do":{"param":"greeting"}}"#),
        ("secret", r#"{"do":{"secret":"API_KEY"}}"#),
        ("get", r#"{"do":{"get":{"table":"facts","ids":["f","g"]}}}"#),
        (
            "ledger",
            r#"{"do":{"get":{"table":"_host_runs","ids":["1"]}}}"#,
        ),
        (
            "find",
            r#"{"do":{"find":{"table":"facts","conditions":[],"limit":9}}}"#,
        ),
    ];
    let lab = Lab::with_things(asked);
    lab.put("facts", [("f", "{}")]);
    let dry = bounds::host(
        &lab,
        &[],
        &scripted(&["--dry-run", "--param", "greeting=hello"]),
    );
    let dry = dry.stdout();
    bounds::host(&lab, &[], &scripted(&["--param", "greeting=hello"]));
    let mut answers = Vec::new();
    for (id, _) in asked {
        let answer = lab.thing(id);
        let answer = answer.get("answer").map_or("-".into(), ToString::to_string);
        // A dry run shows what it would write just below the document's name.
        let shown = dry
            .split_once(&format!("things {id}\n"))
            .and_then(|(_, rest)| rest.lines().next())
            .and_then(|line| line.trim().strip_prefix("+ /answer "))
            .unwrap_or("-");
        assert_eq!(shown, answer, "{id}: {dry}");
        answers.push(format!("{id} {answer}"));
    }
    assert_snapshot!(answers.join("\n"), @r#"
    new "25617ba1-1d62-5e4f-aab4-4950415f5d0e"
    param "hello"
    secret null
    get [{},null]
    ledger -
    find ["f"]
    "#);
}

#[test]
fn the_time_in_a_dry_run() {
    let now = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis()
    };
    let lab = Lab::with_things([("x", r#"{"do":"now"}"#)]);
    let before = now();
    let dry = bounds::host(&lab, &[], &scripted(&["--dry-run"])).stdout();
    let line = dry
        .lines()
        .find_map(|line| line.trim().strip_prefix("+ /answer "));
    let told: u128 = line.unwrap().parse().unwrap();
    assert!((before..=now()).contains(&told), "{before} {dry}");
}

/// How a lookup in a table is answered that was not granted: as a reason to skip.
fn answer(table: &str) -> String {
    let name = format!("(data (i32.const 40000) \"{}\")", bytes(table.as_bytes()));
    let length = table.len();
    let text = format!(
        "(call $get-many (i32.const 40000) (i32.const {length}) (i32.const 1048576) (i32.const 1) (i32.const 50000))
         (if (i32.ne (i32.load8_u (i32.const 50000)) (i32.const 1)) (then unreachable))
         (i32.store8 (i32.const 40200) (i32.add (i32.load8_u (i32.const 50004)) (i32.const 0x30)))
         (i32.store8 (i32.const 40201) (i32.const 0x20))
         (memory.copy (i32.const 40202) (i32.load (i32.const 50008)) (i32.load (i32.const 50012)))
         (call $put (i32.add (local.get $outcome) (i32.const 4)) (i32.const 40200) (i32.add (i32.load (i32.const 50012)) (i32.const 2)))"
    );
    let guest = Guest {
        manifest: Manifest {
            reads: &["facts"],
            ..Manifest::default()
        },
        memory: "64",
        module: &name,
        ..attack(&text)
    };
    let lab = Lab::with_things([("a", "{}"), ("x", "{}"), ("z", "{}")]);
    lab.put("others", [("", "{}")]);
    let ran = guest.attacks_in(&lab, &["--allow", "read:facts"]);
    ran.to_string().replace(table, "TABLE")
}

#[test]
fn names_of_tables_that_were_not_granted() {
    let absent = answer("absent");
    assert_snapshot!(absent, @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 skipped
                   1 0 TABLE
               0 failed
    [exit status: 0]
    ");
    for there in ["others", "_host_runs", "sqlite_schema", "FACTS"] {
        assert_eq!(answer(there), absent, "{there}");
    }
}

/// How a change of a table is refused that was not declared.
fn refusal(table: &str) -> String {
    let guest = super::documents::deletes(table, "a");
    let ran = guest.attacks(&[]);
    ran.to_string().replace(table, "TABLE")
}

#[test]
fn names_of_tables_that_are_not_written() {
    let absent = refusal("absent");
    assert_snapshot!(absent, @"
    hostile over `things`: run 1 finished in [TIME] s
               3 met the filter
               2 updated
               1 failed
    First failures:
      things x: the migration does not declare that it writes table `TABLE` (not-granted)
    The failed documents are as they were. Next: mend them or the plugin; then `host retry 1` tries them again.
    [exit status: 3]
    ");
    for there in ["others", "facts", "_host_runs", "sqlite_schema"] {
        assert_eq!(refusal(there), absent, "{there}");
    }
}
