//! A folder of 200 migrations.

use super::{Plugin, names, put, team};
use crate::common::Lab;

const COUNT: usize = 200;

/// The migrations in their order. Their names and their files have another one, so it is `run_after` that tells it:
/// each needs the one before it and one far back.
fn chain() -> Vec<String> {
    (0..COUNT)
        .map(|place| format!("m{:03}", place * 73 % COUNT))
        .collect()
}

fn chained() -> Lab {
    let lab = team(&[]);
    let order = chain();
    for (place, name) in order.iter().enumerate() {
        let before = [
            place.checked_sub(1),
            place.checked_sub(1).map(|last| last / 2),
        ];
        let run_after: Vec<_> = before
            .into_iter()
            .flatten()
            .map(|before| order[before].as_str())
            .collect();
        put(
            &lab,
            &Plugin {
                name,
                run_after: &run_after,
                ..Plugin::default()
            },
        );
    }
    lab
}

/// How long that takes is not tested; that nothing is compiled is what it takes.
#[test]
fn two_hundred_migrations_are_planned_without_compiling_any() {
    let lab = chained();
    let cached = |more: &[&str]| {
        let home = lab.path("home");
        let cache = [("XDG_CACHE_HOME", home.to_str().unwrap())];
        let plan = ["plan", "--env", "dev", "--format", "json"];
        lab.host_with(&cache, &[&plan, more].concat())
    };
    // With so little memory nothing is compiled.
    let starved = ["--compile-memory", "1MiB"];
    let ran = cached(&starved);
    assert_eq!(ran.status(), 1, "{ran}");
    assert!(ran.stderr().contains("compile-memory"), "{ran}");
    cached(&[]).success();
    let ran = cached(&starved).success();
    let plan = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(names(&plan, "due"), chain());
}
