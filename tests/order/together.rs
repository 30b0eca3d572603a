//! Several processes at once, on one machine and on several: one works, the others wait or say so.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use host::engine::{self, Job, Migrate, Observer, Pace, RunError, Stage, Task};
use host::plugin::{Compiler, Limits, Plugin as Loaded, Secrets};
use host::stages::Stages;
use host::store::sqlite::SqliteStore;
use serde_json::json;

use super::{FIRST, SECOND, THIRD, dev, json, names, put_steps, refused, runs, team};
use crate::common::{Lab, Running};

fn start(lab: &Lab, arguments: &[&str]) -> Running {
    lab.start(&[arguments, &["--env", "dev"]].concat())
}

/// A team with three migrations and enough things for them to take a while, if they are made to.
fn busy() -> Lab {
    let lab = team(&[FIRST, SECOND, THIRD]);
    put_steps(
        &lab,
        "fourth",
        "version = 4\n[[steps]]\ncreate-table = { name = \"made\" }",
    );
    lab.put_many(&["{}"], 60);
    lab
}

const SLOW: &[&str] = &["up", "--batch-size", "5", "--pause", "100ms", "-vv"];

#[test]
fn a_second_process_is_refused_while_the_first_one_works() {
    let lab = busy();
    let mut first = start(&lab, SLOW);
    first.until_it_says("batch committed");
    let busy = "another process works on the migrations of this store";
    for (command, told) in [
        (&["up"][..], busy),
        (&["down"], busy),
        (&["baseline", "4"], "`first` is running"),
    ] {
        let ran = dev(&lab, command);
        assert_eq!(ran.status(), 1, "{command:?} {ran}");
        assert!(ran.stderr().contains(told), "{command:?} {ran}");
    }
    // It can be looked at.
    dev(&lab, &["status"]).success();
    dev(&lab, &["plan"]).success();
    first.end(&lab).success();
    assert_eq!(runs(&lab), ["first", "second", "third"]);
}

#[test]
fn processes_that_wait_apply_nothing_twice() {
    let lab = busy();
    let all: Vec<_> = (0..4)
        .map(|_| {
            start(
                &lab,
                &["up", "--batch-size", "5", "--pause", "5ms", "--wait"],
            )
        })
        .collect();
    for running in all {
        running.end(&lab).success();
    }
    assert_eq!(runs(&lab), ["first", "second", "third"]);
    let history = json(&lab, &["history"]);
    assert_eq!(history.as_array().unwrap().len(), 4);
    assert_eq!(json(&lab, &["status"])["version"], json!(4));
}

#[test]
fn a_run_by_hand_and_the_order_do_not_apply_twice() {
    let lab = busy();
    let mut by_hand = lab.start(&[
        "run",
        "migrations/first.wasm",
        "--env",
        "dev",
        "--batch-size",
        "5",
        "--pause",
        "100ms",
        "-vv",
    ]);
    by_hand.until_it_says("batch committed");
    let up = start(&lab, &["up", "--wait"]);
    by_hand.end(&lab).success();
    up.end(&lab).success();
    assert_eq!(runs(&lab), ["first", "second", "third"]);
}

/// Has another process apply the first migration, once a run of this one has looked and not yet begun.
struct Meanwhile<'a>(&'a Lab);

impl Observer for Meanwhile<'_> {
    fn started(&mut self, _to_look_at: Option<u64>) {
        self.0.run("migrations/first.wasm", &[]).success();
    }
}

#[test]
fn what_another_process_has_applied_meanwhile_is_not_begun() {
    for things in [true, false] {
        let lab = team(&[FIRST]);
        if !things {
            lab.sql("DELETE FROM things");
        }
        let store = SqliteStore::open(
            &lab.path("app.db"),
            Duration::from_secs(60),
            BTreeMap::new(),
        )
        .unwrap();
        let path = lab.path("migrations/first.wasm");
        let plugin = Loaded::load(&path, &Limits::default(), &Compiler::unbounded()).unwrap();
        let job = Job {
            store: &store,
            stages: Stages::one(Stage {
                plugin: &plugin,
                parameters: BTreeMap::new(),
                granted: Default::default(),
            }),
            task: Task::Migrate(Migrate {
                once: true,
                ..Migrate::default()
            }),
            secrets: &Secrets::default(),
            dry_run: false,
            wait: false,
            pace: Pace::default(),
            stop: &AtomicBool::new(false),
        };
        let run = engine::run(&job, &mut Meanwhile(&lab));
        assert!(matches!(run, Err(RunError::Applied { .. })), "{run:?}");
        assert_eq!(runs(&lab), ["first"]);
    }
}

#[test]
fn a_claim_from_elsewhere_holds_until_it_ends() {
    let lab = busy();
    dev(&lab, &["up", "first"]).success();
    let claim = |until: &str| {
        lab.sql(&format!(
            "INSERT OR REPLACE INTO _host_meta VALUES ('order-lease',
                json_object('holder', json_object('machine', 'elsewhere', 'process', 7, 'since', 1), 'until', {until}))"
        ));
    };
    claim("unixepoch() * 1000 + 600000");
    refused(
        &lab,
        &["up"],
        1,
        "another process works on the migrations of this store (process 7 on elsewhere)",
    );
    claim("unixepoch() * 1000 - 1");
    dev(&lab, &["up", "second"]).success();
    // Its own claim has ended, but it works on a run.
    claim("unixepoch() * 1000 - 1");
    lab.sql(
        "UPDATE _host_runs SET lease = json_object('holder', json_object('machine', 'elsewhere', 'process', 7, 'since', 1),
            'until', unixepoch() * 1000 + 600000) WHERE migration = 'first'",
    );
    refused(&lab, &["up"], 1, "process 7 on elsewhere");
}

#[cfg(unix)]
#[test]
fn what_a_killed_process_has_claimed_is_free() {
    let lab = busy();
    let mut first = start(&lab, SLOW);
    first.until_it_says("begins");
    first.kill();
    let status = json(&lab, &["status"]);
    assert_eq!(status["version"], json!(null));
    dev(&lab, &["up"]).success();
    assert_eq!(names(&json(&lab, &["status"]), "applied").len(), 4);
    assert_eq!(runs(&lab), ["first", "second", "third"]);
}
