//! Targets for fuzzing: what stands between a plugin's answers and the store.
//!
//! A target takes bytes, makes something of them, and panics where a promise is broken. `cargo test` runs each over
//! its kept corpus and over bytes at random; `cargo xtask fuzz` runs them under libFuzzer, which finds its way by
//! what the bytes reach.

// A target fails by panicking.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod diff;
mod edits;
mod filter;
mod generate;
mod json;
mod outcome;
mod pack;

/// Something to be fuzzed.
pub struct Target {
    /// Its name, which its corpus has, too.
    pub name: &'static str,
    /// Panics where the bytes make it break a promise.
    pub run: fn(&[u8]),
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "diff",
        run: diff::run,
    },
    Target {
        name: "edits",
        run: edits::run,
    },
    Target {
        name: "filter",
        run: filter::run,
    },
    Target {
        name: "json",
        run: json::run,
    },
    Target {
        name: "outcome",
        run: outcome::run,
    },
    Target {
        name: "pack",
        run: pack::run,
    },
];

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::*;

    /// How many inputs at random each target gets here.
    const SHORT: u32 = 1_000;

    #[test]
    fn every_target_stands_its_corpus() {
        for target in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("corpus")
                .join(target.name);
            let mut seeds = 0;
            for seed in fs::read_dir(&folder).unwrap() {
                (target.run)(&fs::read(seed.unwrap().path()).unwrap());
                seeds += 1;
            }
            assert!(seeds > 0, "{} is empty", folder.display());
        }
    }

    #[test]
    fn every_target_stands_bytes_at_random() {
        for target in TARGETS {
            let mut runner = TestRunner::new(Config {
                cases: SHORT,
                failure_persistence: None,
                ..Config::default()
            });
            let bytes = proptest::collection::vec(any::<u8>(), 0..200);
            runner
                .run(&bytes, |bytes| {
                    (target.run)(&bytes);
                    Ok(())
                })
                .unwrap_or_else(|error| panic!("{}: {error}", target.name));
        }
    }
}
