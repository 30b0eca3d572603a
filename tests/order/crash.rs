//! Processes that are killed between migrations and within them, at every operation on a file: nothing is applied
//! twice, and nothing is recorded that did not happen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use host::engine::{Nobody, Observer, Pace};
use host::order::claim::Claim;
use host::order::down::Undone;
use host::order::up::{Done, Ended, How, Watch};
use host::order::{Migration, Plan, State, Target, Work, folder};
use host::plugin::{Cache, Compiler, Described, Limits, Plugin as Loaded, PluginError, Secrets};
use host::store::Store as _;
use host::store::sqlite::SqliteStore;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::{FIRST, THIRD, put_steps, team};
use crate::common::vfs::{self, Fault, alone};
use crate::common::{Lab, Tables};

struct Quiet;

impl Watch for Quiet {
    fn begins(&mut self, _name: &str) -> Box<dyn Observer + '_> {
        Box::new(Nobody)
    }

    fn done(&mut self, _done: &Done) {}
}

/// Loads a plugin. It is compiled once, and before any process is forked: the compiler's threads stay behind.
fn load(lab: &Lab, path: &Path) -> Result<Loaded, PluginError> {
    let cache = Cache::open(&lab.path("compiled"), u64::MAX).unwrap();
    let compiler = Compiler::unbounded().with_cache(Some(cache));
    Loaded::load(path, &Limits::default(), &compiler)
}

/// Goes up to the end, or down to the beginning, in this process.
fn work(lab: &Lab, migrations: &[Migration], up: bool) {
    let store = SqliteStore::open(
        &lab.path("app.db"),
        Duration::from_secs(60),
        BTreeMap::new(),
    )
    .unwrap();
    let stop = AtomicBool::new(false);
    let how = How {
        store: &store,
        load: &|path| load(lab, path),
        granted: &|_| Default::default(),
        secrets: &Secrets::default(),
        parameters: &|_| BTreeMap::new(),
        pace: Pace {
            batch_size: 1,
            max_lock: Duration::from_secs(3600),
            workers: Some(1),
            ..Pace::default()
        },
        allow_failures: false,
        restart: false,
        wait: false,
        stop: &stop,
    };
    let mut claim = Claim::take(&store, false, &stop).unwrap();
    let plan = Plan::of(migrations.to_vec(), claim.ledger()).unwrap();
    let ended = if up {
        let due = plan.due(&Target::All, false).unwrap();
        how.up(&mut claim, &due, &mut Quiet).unwrap()
    } else {
        let last = plan.last(9).unwrap();
        let mut show = |_: &Undone| {};
        how.down(&mut claim, &last, false, &mut Quiet, &mut show)
            .unwrap()
    };
    assert_eq!(ended, Ended::There);
}

/// The documents and the schema: what a migration may change.
fn documents(lab: &Lab) -> (Tables, Vec<String>) {
    let parts = lab.column(
        "SELECT name FROM sqlite_schema WHERE name NOT LIKE '~_host~_%' ESCAPE '~' ORDER BY name",
        &[],
    );
    (lab.documents(), parts)
}

/// How the ledger says that each migration stands: those that are done, and whether one is begun.
fn told(lab: &Lab, migrations: &[Migration]) -> (Vec<String>, bool) {
    let store = SqliteStore::open(
        &lab.path("app.db"),
        Duration::from_secs(60),
        BTreeMap::new(),
    )
    .unwrap();
    let plan = Plan::of(migrations.to_vec(), store.writer().unwrap().as_mut()).unwrap();
    let names = |wanted: &dyn Fn(State) -> bool| -> Vec<String> {
        let found = plan
            .entries
            .iter()
            .filter(|entry| wanted(entry.standing.state));
        found.map(|entry| entry.name.clone()).collect()
    };
    let begun =
        names(&|state| matches!(state, State::Unfinished | State::Undoing | State::Running));
    assert!(begun.len() <= 1, "{begun:?}");
    (names(&|state| state == State::Applied), !begun.is_empty())
}

fn put(lab: &Lab, bytes: &[u8]) {
    for ending in ["-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(lab.path(&format!("app.db{ending}")));
    }
    lab.write("app.db", bytes);
}

/// Kills a process at the first operation on a file, the second, and so on.
fn killed_at_every_operation(mode: &str) {
    let lab = team(&[FIRST, THIRD]);
    put_steps(
        &lab,
        "second",
        "version = 2
[[steps]]
create-index = { name = \"by_done\", table = \"things\", on = [\"/done\"] }
[[steps]]
drop-table = { name = \"facts\" }
[[steps]]
create-table = { name = \"made\" }",
    );
    lab.put("facts", [("f", "{}")]);
    lab.database()
        .pragma_update(None, "journal_mode", mode)
        .unwrap();
    let migrations = folder::read(&lab.path("migrations"), |path| {
        load(&lab, path).map(|plugin| Described::from(&plugin))
    })
    .unwrap();
    assert!(matches!(migrations[1].work, Work::Steps(_)));
    let names: Vec<String> = migrations
        .iter()
        .map(|migration| migration.name.clone())
        .collect();

    let mut bytes = fs::read(lab.path("app.db")).unwrap();
    // What the store holds when so many are applied.
    let mut whole = vec![documents(&lab)];
    for count in 1..=names.len() {
        work(&lab, &migrations[..count], true);
        whole.push(documents(&lab));
    }
    for up in [true, false] {
        let end = if up { names.len() } else { 0 };
        let (mut at, mut between) = (0, 0);
        loop {
            at += 1;
            put(&lab, &bytes);
            // SAFETY: as in `crate::crash`.
            let killed = match unsafe { fork() }.unwrap() {
                ForkResult::Child => {
                    vfs::arm(Fault::Killed, at);
                    work(&lab, &migrations, up);
                    // SAFETY: it ends the process.
                    unsafe { nix::libc::_exit(0) }
                }
                ForkResult::Parent { child } => match waitpid(child, None).unwrap() {
                    WaitStatus::Signaled(..) => true,
                    WaitStatus::Exited(_, 0) => false,
                    other => panic!("{other:?}"),
                },
            };
            // What the ledger tells is what there is.
            let (applied, begun) = told(&lab, &migrations);
            assert_eq!(applied, names[..applied.len()], "{mode} {up} at {at}");
            if !begun {
                assert_eq!(documents(&lab), whole[applied.len()], "{mode} {up} at {at}");
                between += usize::from(applied.len() != end);
            }
            if !killed {
                assert_eq!((applied.len(), begun), (end, false));
                break;
            }
            work(&lab, &migrations, up);
            assert_eq!(told(&lab, &migrations), (names[..end].to_vec(), false));
            assert_eq!(documents(&lab), whole[end], "{mode} {up} at {at}");
            // Each has one run, or one record, and no more.
            let runs = lab.value("SELECT count(*) FROM _host_runs");
            let records = lab.value("SELECT count(*) FROM _host_order WHERE event = 'applied'");
            assert_eq!(
                (runs.as_str(), records.as_str()),
                ("2", "1"),
                "{mode} {up} at {at}"
            );
        }
        assert!(between > 20, "{mode} {up}: {between} of {at}");
        put(&lab, &bytes);
        work(&lab, &migrations, up);
        lab.sql("PRAGMA wal_checkpoint(TRUNCATE)");
        bytes = fs::read(lab.path("app.db")).unwrap();
    }
}

#[test]
fn what_is_killed_anywhere_goes_on_with_nothing_twice_in_wal_mode() {
    alone(
        "order::crash::what_is_killed_anywhere_goes_on_with_nothing_twice_in_wal_mode",
        || killed_at_every_operation("wal"),
    );
}

#[test]
fn what_is_killed_anywhere_goes_on_with_nothing_twice_with_a_journal() {
    alone(
        "order::crash::what_is_killed_anywhere_goes_on_with_nothing_twice_with_a_journal",
        || killed_at_every_operation("delete"),
    );
}
