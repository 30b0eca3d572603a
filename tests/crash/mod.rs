//! Processes that are killed: at every operation on a file, and at random moments. What they leave is sound and
//! whole, and whoever goes on comes to the end that a run comes to which nobody killed.
//!
//! The processes are forked from one that has loaded the plugin, so that there can be a thousand of them; they
//! are the library that the binary is a thin shell around. The last one, which goes on, is now and then the
//! binary itself.

mod power;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use host::engine::undo::undo;
use host::engine::{self, Job, Migrate, Nobody, Observer, Pace, Progress, RunError, Stage, Task};
use host::ledger::RunId;
use host::ledger::undo::decode;
use host::plugin::{Compiler, Limits, Plugin, Secrets};
use host::stages::Stages;
use host::store::StoreError;
use host::store::sqlite::SqliteStore;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use serde_json::json;

use crate::common::vfs::{self, Fault, alone};
use crate::common::{EDIT, Lab, SCRIPTED_GRANTS, STORE, Tables, guest, scripted, stage};
use crate::pipelines::{hands_on, pipeline};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// It came to its end.
    Done,
    /// It told that the disk is full.
    Full,
    Killed,
}

/// On a busy machine, too, batches are cut by their size alone.
const UNCUT: Duration = Duration::from_secs(3600);

const DONE: i32 = 0;
const FULL: i32 = 1;
const BROKEN: i32 = 2;

/// Starts a process that does this.
fn start(work: impl FnOnce() -> i32) -> Pid {
    // SAFETY: this process has three threads. The one of the test harness waits for the test, and the one that
    // counts the plugins' time takes no lock; the allocator is made for being forked.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(BROKEN);
            // SAFETY: it ends the process. What would be done at a regular exit is the parent's to do.
            unsafe { nix::libc::_exit(status) }
        }
    }
}

/// Waits for a process that was started here.
fn wait(process: Pid) -> Ended {
    match waitpid(process, None).unwrap() {
        WaitStatus::Exited(_, DONE) => Ended::Done,
        WaitStatus::Exited(_, FULL) => Ended::Full,
        WaitStatus::Signaled(_, Signal::SIGKILL, _) => Ended::Killed,
        other => panic!("{other:?}"),
    }
}

fn status<T>(done: Result<T, RunError>) -> i32 {
    match done {
        Ok(_) => DONE,
        Err(RunError::Store(StoreError::Full)) => FULL,
        Err(error) => {
            eprintln!("{error}");
            BROKEN
        }
    }
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Run,
    /// A run of two plugins.
    Pipeline,
    Undo,
}

impl Work {
    fn stages(self, [first, second]: &[Plugin; 2]) -> Stages<Stage<'_>> {
        let alone = Stages::one(stage(first));
        match self {
            Self::Pipeline => Stages::new(vec![stage(first), stage(second)]).unwrap_or(alone),
            Self::Run | Self::Undo => alone,
        }
    }

    /// Does it in this process.
    fn here(
        self,
        lab: &Lab,
        plugins: &[Plugin; 2],
        batch: usize,
        observer: &mut dyn Observer,
    ) -> i32 {
        let store = SqliteStore::open(
            &lab.path("app.db"),
            Duration::from_secs(60),
            BTreeMap::new(),
        )
        .unwrap();
        let stop = AtomicBool::new(false);
        match self {
            Self::Run | Self::Pipeline => status(engine::run(
                &Job {
                    store: &store,
                    stages: self.stages(plugins),
                    task: Task::Migrate(Migrate::default()),
                    secrets: &Secrets::default(),
                    dry_run: false,
                    wait: false,
                    pace: Pace {
                        batch_size: batch,
                        max_lock: UNCUT,
                        workers: Some(2),
                        ..Pace::default()
                    },
                    stop: &stop,
                },
                observer,
            )),
            Self::Undo => status(undo(&store, RunId(1), UNCUT, &stop, |_| {
                observer.advanced(Progress {
                    looked_at: 0,
                    counters: &host::ledger::Counters::default(),
                });
            })),
        }
    }

    /// Has the real binary do it, to its end.
    fn by_binary(self, lab: &Lab, batch: usize) {
        let batch = batch.to_string();
        let ran = match self {
            Self::Run => lab.host(&scripted(&["--batch-size", &batch, "--max-lock", "1h"])),
            Self::Pipeline => lab.host(&pipeline(&["--batch-size", &batch, "--max-lock", "1h"])),
            Self::Undo => lab.host(&["undo", "1", "--store", STORE]),
        };
        assert!([0, 3].contains(&ran.status()), "{ran}");
    }
}

/// Looks at the store after each batch.
struct AfterBatches<'a> {
    lab: &'a Lab,
    states: Vec<Tables>,
}

impl Observer for AfterBatches<'_> {
    fn advanced(&mut self, _progress: Progress<'_>) {
        self.states.push(state(self.lab));
    }
}

/// Everything that a store holds but for times: the documents of all tables, the runs with their counters, the
/// quarantine, and what the undo log says, however it is cut into batches.
fn state(lab: &Lab) -> Tables {
    let mut tables = lab.everything();
    if tables.remove("_host_undo").is_some() {
        let database = lab.database();
        let mut logs = database
            .prepare("SELECT log FROM _host_undo ORDER BY number")
            .unwrap();
        let entries = logs
            .query_map([], |row| row.get::<_, Vec<u8>>(0))
            .unwrap()
            .flat_map(|log| decode(&log.unwrap()).unwrap())
            .map(|entry| vec![format!("{entry:?}")])
            .collect();
        tables.insert("_host_undo".into(), entries);
        let runs = lab.column(
            r#"SELECT concat_ws(' ', run, migration, "table", plugin, parameters, checkpoint, trail, until, counters,
                "by", request, state, stages) FROM _host_runs"#,
            &[],
        );
        tables.insert("_host_runs".into(), vec![runs]);
    }
    tables
}

/// Copies what a process has left, and looks at it. The store itself stays as it was left, for the next process.
fn look(lab: &Lab) -> Tables {
    let copy = Lab::new();
    for ending in ["", "-wal", "-journal"] {
        let name = format!("app.db{ending}");
        if lab.path(&name).exists() {
            fs::copy(lab.path(&name), copy.path(&name)).unwrap();
        }
    }
    assert_eq!(copy.value("PRAGMA integrity_check"), "ok");
    state(&copy)
}

/// Puts a store in the place of what is there.
fn put(lab: &Lab, bytes: &[u8]) {
    for ending in ["-wal", "-shm", "-journal"] {
        let path = lab.path(&format!("app.db{ending}"));
        if path.exists() {
            fs::remove_file(path).unwrap();
        }
    }
    lab.write("app.db", bytes);
}

/// A document for each way of writing, the ledger's included.
fn every_way_of_writing(mode: &str) -> Lab {
    let lab = Lab::with_things([
        ("a", EDIT),
        (
            "b",
            r#"{"do":{"changes":[{"insert":{"table":"others","id":null,"body":"{}"}},{"edit":[{"table":"others","id":"x"},[{"set":{"at":"/k","value":"2.50"}}]]},{"delete":{"table":"others","id":"y"}}]}}"#,
        ),
        ("c", r#"{"do":"delete"}"#),
        (
            "d",
            r#"{"do":{"fail":{"code":"asked","message":"no","at":null}}}"#,
        ),
        ("e", r#"{"do":{"skip":"not today"}}"#),
        (
            "f",
            r#"{"n":1.0,"do":{"replace":"{\"n\":1,\"new\":true}"}}"#,
        ),
        ("g", EDIT),
        // What a run adds to its own table it leaves alone.
        (
            "h",
            r#"{"do":{"changes":[{"insert":{"table":"things","id":"z","body":"{\"do\":\"delete\"}"}}]}}"#,
        ),
        // It is inserted once, or its second insertion fails.
        (
            "i",
            r#"{"do":{"insert-new":{"table":"others","seed":"i","body":"{\"m\":1.0}"}}}"#,
        ),
        (
            "j",
            r#"{"j":1,"do":{"edit":[{"rename":{"from":"/j","to":"/k"}}]}}"#,
        ),
        // What the second stage of a pipeline goes on with, or fails at.
        (
            "k",
            hands_on(&json!({"edit": [{"set": {"at": "/m", "value": "2"}}]})).as_str(),
        ),
        ("l", hands_on(&json!("trap")).as_str()),
    ]);
    lab.put("others", [("x", r#"{"k":1}"#), ("y", "{}")]);
    lab.database()
        .pragma_update(None, "journal_mode", mode)
        .unwrap();
    lab
}

/// Lets a fault happen at the first operation on a file, at the second one, and so on until a process meets
/// none; each time what is left must be whole, and whoever goes on must come to the same end.
fn at_every_operation(plugins: &[Plugin; 2], mode: &str, work: Work, fault: Fault) {
    const BATCH: usize = 3;
    let lab = every_way_of_writing(mode);
    if work == Work::Undo {
        Work::Run.by_binary(&lab, BATCH);
    }
    let bytes = fs::read(lab.path("app.db")).unwrap();

    let mut after = AfterBatches {
        lab: &lab,
        states: vec![look(&lab)],
    };
    assert_eq!(work.here(&lab, plugins, BATCH, &mut after), DONE);
    let mut whole = after.states;
    whole.push(look(&lab));
    put(&lab, &bytes);
    work.by_binary(&lab, BATCH);
    let undisturbed = state(&lab);
    assert_eq!(whole.last(), Some(&undisturbed));

    let (mut at, mut met) = (0, 0);
    loop {
        at += 1;
        put(&lab, &bytes);
        let ended = wait(start(|| {
            vfs::arm(fault, at);
            work.here(&lab, plugins, BATCH, &mut Nobody)
        }));
        let left = look(&lab);
        assert!(
            whole.contains(&left),
            "{mode} {work:?} {fault:?} at {at}: {left:#?}"
        );
        assert!(ended != Ended::Done || left == undisturbed);
        if ended == Ended::Done {
            break;
        }
        assert_eq!(ended == Ended::Full, fault == Fault::Full);
        if left == undisturbed {
            // All was done and noted. The same command would begin anew.
            continue;
        }
        met += 1;
        if at % 25 == 0 {
            work.by_binary(&lab, BATCH);
        } else {
            let process = start(|| work.here(&lab, plugins, BATCH, &mut Nobody));
            assert_eq!(wait(process), Ended::Done);
        }
        assert_eq!(
            state(&lab),
            undisturbed,
            "{mode} {work:?} {fault:?} at {at}"
        );
    }
    // There is a transaction for each batch, and one for the end.
    assert!(met > 50, "{mode} {work:?} {fault:?} {met} of {at}");
}

fn load() -> [Plugin; 2] {
    ["scripted", "filtered"].map(|name| {
        Plugin::load(
            guest(name).as_ref(),
            &Limits::default(),
            &Compiler::unbounded(),
        )
        .unwrap()
    })
}

#[test]
fn a_process_that_is_killed_at_any_operation_on_a_file_leaves_whole_batches_in_wal_mode() {
    alone(
        "crash::a_process_that_is_killed_at_any_operation_on_a_file_leaves_whole_batches_in_wal_mode",
        || killed_at_every_operation("wal"),
    );
}

#[test]
fn a_process_that_is_killed_at_any_operation_on_a_file_leaves_whole_batches_with_a_journal() {
    alone(
        "crash::a_process_that_is_killed_at_any_operation_on_a_file_leaves_whole_batches_with_a_journal",
        || killed_at_every_operation("delete"),
    );
}

fn killed_at_every_operation(mode: &str) {
    let plugins = load();
    for work in [Work::Run, Work::Undo] {
        for fault in [Fault::Killed, Fault::Torn] {
            at_every_operation(&plugins, mode, work, fault);
        }
    }
    at_every_operation(&plugins, mode, Work::Pipeline, Fault::Killed);
}

#[test]
fn a_disk_that_is_full_at_any_operation_leaves_whole_batches() {
    alone(
        "crash::a_disk_that_is_full_at_any_operation_leaves_whole_batches",
        || {
            let plugins = load();
            for mode in ["wal", "delete"] {
                for work in [Work::Run, Work::Undo] {
                    at_every_operation(&plugins, mode, work, Fault::Full);
                }
            }
        },
    );
}

/// A disk of its own for a lab's database; it is given back when the test ends.
struct Disk<'a> {
    lab: &'a Lab,
}

impl<'a> Disk<'a> {
    /// Mounts a file system in memory; None where this user may not.
    fn of(lab: &'a Lab, kibibytes: usize) -> Option<Self> {
        let folder = lab.path("disk");
        fs::create_dir(&folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={kibibytes}k"), "tmpfs"])
            .arg(&folder)
            .output();
        match mounted {
            Ok(ran) if ran.status.success() => Some(Self { lab }),
            Ok(ran) => {
                println!("skipped: {}", String::from_utf8_lossy(&ran.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: mount: {error}");
                None
            }
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.lab.path("disk").join(name)
    }

    /// Fills the disk, but for so much.
    fn fill_but(&self, bytes: usize) {
        let mut ballast = fs::File::create(self.path("ballast")).unwrap();
        let block = [0; 1024];
        let mut size = 0;
        while ballast.write_all(&block).is_ok() {
            size += block.len();
        }
        let size = size.saturating_sub(bytes);
        ballast.set_len(u64::try_from(size).unwrap()).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        let gone = Command::new("umount").arg(self.lab.path("disk")).status();
        assert!(gone.unwrap().success() || thread::panicking());
    }
}

#[test]
fn a_full_disk_is_told_and_the_same_command_goes_on_when_there_is_room() {
    const TOLD: &str = "\
------- stderr -------
error: the disk that holds disk/app.db is full; nothing of the transaction in hand was kept
hint: make room there, and run the same command again: it goes on from where it was
[exit status: 1]";
    for mode in ["wal", "delete"] {
        let undisturbed = a_while(mode);
        let bytes = fs::read(undisturbed.path("app.db")).unwrap();
        undisturbed.run_scripted(&["--batch-size", "10"]);
        let undisturbed = look(&undisturbed);
        for room in [0, 16, 48].map(|kibibytes| kibibytes * 1024) {
            let lab = Lab::new();
            let Some(disk) = Disk::of(&lab, 2_000) else {
                return;
            };
            fs::write(disk.path("app.db"), &bytes).unwrap();
            disk.fill_but(room);
            let run = || {
                lab.host(
                    &[
                        &["run", guest("scripted"), "--store", "sqlite:disk/app.db"],
                        SCRIPTED_GRANTS,
                        &["--batch-size", "10"],
                    ]
                    .concat(),
                )
            };
            let ran = run();
            assert_eq!(ran.to_string(), TOLD, "{mode} {room}");
            disk.make_room();
            let copy = Lab::new();
            for ending in ["", "-wal", "-journal"] {
                let name = format!("app.db{ending}");
                if disk.path(&name).exists() {
                    fs::copy(disk.path(&name), copy.path(&name)).unwrap();
                }
            }
            assert_eq!(copy.value("PRAGMA integrity_check"), "ok");
            assert_eq!(run().status(), 3);
            put(&copy, &fs::read(disk.path("app.db")).unwrap());
            assert_eq!(look(&copy), undisturbed, "{mode} {room}");
        }
    }
}

/// Documents enough that a run takes a while, whatever the machine; it may be cut anywhere and makes the same
/// batches.
fn a_while(mode: &str) -> Lab {
    let things: Vec<_> = (0..200)
        .map(|number| {
            let wish = match number % 10 {
                0 => r#"{"insert-new":{"table":"others","seed":"SEED","body":"{}"}}"#
                    .replace("SEED", &number.to_string()),
                1 => r#"{"edit":[{"rename":{"from":"/old","to":"/new"}}]}"#.to_owned(),
                2 => r#""delete""#.to_owned(),
                3 => r#"{"fail":{"code":"asked","message":"no","at":null}}"#.to_owned(),
                4 => r#"{"skip":"not today"}"#.to_owned(),
                _ => r#"{"edit":[{"set":{"at":"/n","value":"1"}}]}"#.to_owned(),
            };
            (
                format!("t{number:03}"),
                format!(r#"{{"old":1.0,"do":{wish}}}"#),
            )
        })
        .collect();
    let lab = Lab::with_things(things.iter().map(|(id, body)| (id.as_str(), body.as_str())));
    lab.database()
        .pragma_update(None, "journal_mode", mode)
        .unwrap();
    lab
}

/// An application that has the database open, and with it the memory that the processes share in WAL mode.
struct Application(Pid);

impl Application {
    fn beside(lab: &Lab) -> Self {
        let ready = lab.path("ready");
        let process = start(|| {
            let database = lab.database();
            let count: i64 = database
                .query_row("SELECT count(*) FROM things", [], |row| row.get(0))
                .unwrap();
            fs::write(&ready, count.to_string()).unwrap();
            loop {
                thread::park();
            }
        });
        while !ready.exists() {
            thread::yield_now();
        }
        fs::remove_file(ready).unwrap();
        Self(process)
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGKILL).unwrap();
        wait(self.0);
    }
}

/// How often a process is to be killed before its work is done, and how often of that after it has come further.
const KILLS: usize = 300;
const KILLS_ON_THE_WAY: usize = 150;

#[test]
fn processes_that_are_killed_at_hundreds_of_moments_come_to_the_same_end() {
    alone(
        "crash::processes_that_are_killed_at_hundreds_of_moments_come_to_the_same_end",
        || {
            const BATCH: usize = 3;
            let plugin = load();
            let mut moments = fastrand::Rng::with_seed(3);
            // Begins anywhere, and finds by itself how long processes take on this machine.
            let mut reach = Duration::from_millis(20);
            let (mut kills, mut on_the_way) = (0, 0);
            for (mode, beside) in [("wal", false), ("delete", false), ("wal", true)] {
                let lab = a_while(mode);
                let mut bytes = fs::read(lab.path("app.db")).unwrap();
                for work in [Work::Run, Work::Undo] {
                    let mut after = AfterBatches {
                        lab: &lab,
                        states: vec![look(&lab)],
                    };
                    assert_eq!(work.here(&lab, &plugin, BATCH, &mut after), DONE);
                    let undisturbed = look(&lab);
                    let mut whole: BTreeSet<_> = after.states.into_iter().collect();
                    whole.insert(undisturbed.clone());
                    let done = fs::read(lab.path("app.db")).unwrap();

                    // Each kind of work gets its part of the kills.
                    let (kills_before, way_before) = (kills, on_the_way);
                    while kills - kills_before < KILLS / 6
                        || on_the_way - way_before < KILLS_ON_THE_WAY / 6
                    {
                        put(&lab, &bytes);
                        let application = beside.then(|| Application::beside(&lab));
                        let mut before = look(&lab);
                        while before != undisturbed {
                            let process = start(|| work.here(&lab, &plugin, BATCH, &mut Nobody));
                            thread::sleep(reach.mul_f64(moments.f64()));
                            // It may be over.
                            kill(process, Signal::SIGKILL).unwrap();
                            let ended = wait(process);
                            let left = look(&lab);
                            assert!(whole.contains(&left), "{mode} {work:?}: {left:#?}");
                            if ended == Ended::Done {
                                assert_eq!(left, undisturbed, "{mode} {work:?}");
                                reach = reach.mul_f64(0.8);
                            } else if left == before {
                                kills += 1;
                                reach = reach.mul_f64(1.2);
                            } else {
                                kills += 1;
                                on_the_way += 1;
                            }
                            before = left;
                        }
                        drop(application);
                    }
                    bytes = done;
                }
            }
            assert!(kills >= KILLS && on_the_way >= KILLS_ON_THE_WAY);
        },
    );
}
