//! A run beside an application that writes at every wrong moment, in processes that die: no update is lost, every
//! document is migrated once, and undo gives back what nobody has changed since. Whether all that is so is told by
//! a model of what the application did; and the model tells when it is not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use host::engine::undo::{UndoReport, undo};
use host::engine::{
    self, Job, MAX_LOCK, Migrate, Nobody, Observer, Pace, Progress, Report, RunError, Stage, Task,
};
use host::ledger::{Counters, RunId, RunState};
use host::plugin::{Compiler, Limits, Plugin, Secrets};
use host::stages::Stages;
use host::store::Store;
use host::store::sqlite::SqliteStore;
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::common::vfs::alone;
use crate::common::{Lab, guest, plugin, stage};

mod store;

use store::{DEAD, Death, Disturbed, Lie};

/// The migration goes over all things.
static UNFILTERED: LazyLock<Plugin> = LazyLock::new(|| load("scripted"));

/// The migration goes over the things whose `todo` is yes.
static FILTERED: LazyLock<Plugin> = LazyLock::new(|| load("filtered"));

/// The migration is for none of the things.
static BYSTANDER: LazyLock<Plugin> = LazyLock::new(|| load_file(plugin("instructor-role")));

fn load(name: &str) -> Plugin {
    load_file(guest(name))
}

fn load_file(path: &str) -> Plugin {
    Plugin::load(path.as_ref(), &Limits::default(), &Compiler::unbounded()).unwrap()
}

/// How many things there are at first.
const THINGS: usize = 12;

/// What the application does to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    /// Counts a visit up.
    Visit(usize),
    Delete(usize),
    /// Adds a thing, while there is still one that waits for the run. What is added to a table that was
    /// gone over to its end is nobody's.
    Add,
    /// Lets a thing meet the filter, likewise.
    Ask(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let thing = || 0..THINGS + 3;
    prop_oneof![
        4 => thing().prop_map(Edit::Visit),
        1 => thing().prop_map(Edit::Delete),
        1 => Just(Edit::Add),
        1 => thing().prop_map(Edit::Ask),
    ]
}

/// A thing as it is before the run. It can be migrated once: then it has `new` and no `old`.
fn body(number: usize, asks: bool) -> String {
    let wish = if number % 6 == 5 {
        json!("delete")
    } else {
        json!({"edit": [{"rename": {"from": "/old", "to": "/new"}}, {"set": {"at": "/todo", "value": "\"no\""}}]})
    };
    json!({"visits": 0, "old": number, "todo": if asks { "yes" } else { "no" }, "do": wish})
        .to_string()
}

/// Whether a thing meets the filter from the beginning.
fn asks(number: usize) -> bool {
    number % 4 != 3
}

fn id(number: usize) -> String {
    format!("t{number:02}")
}

/// What the application knows of a thing.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    visits: u64,
    /// It met the filter at some time.
    asked: bool,
    /// It was visited when it had been migrated.
    visited_after: bool,
    /// It was deleted, and whether it had been migrated then.
    deleted: Option<bool>,
}

/// The application, and all that it knows.
struct Application {
    database: Connection,
    filtered: bool,
    /// What it still has to do, at each moment that is given to it.
    moments: std::vec::IntoIter<Vec<Edit>>,
    things: BTreeMap<String, Known>,
}

impl Application {
    fn new(lab: &Lab, filtered: bool, moments: Vec<Vec<Edit>>) -> Self {
        let mut things = BTreeMap::new();
        for number in 0..THINGS {
            let asked = asks(number);
            lab.put(
                "things",
                [(id(number).as_str(), body(number, asked).as_str())],
            );
            things.insert(
                id(number),
                Known {
                    asked,
                    ..Known::default()
                },
            );
        }
        Self {
            database: lab.database(),
            filtered,
            moments: moments.into_iter(),
            things,
        }
    }

    /// Takes a moment for what is to be done next.
    fn act(&mut self) {
        let Some(edits) = self.moments.next().filter(|edits| !edits.is_empty()) else {
            return;
        };
        self.database.execute_batch("BEGIN IMMEDIATE").unwrap();
        for edit in edits {
            match edit {
                Edit::Visit(number) => self.visit(&id(number)),
                Edit::Delete(number) => self.delete(&id(number)),
                Edit::Add => self.add(),
                Edit::Ask(number) => self.ask(&id(number)),
            }
        }
        self.database.execute_batch("COMMIT").unwrap();
    }

    /// Whether a thing that was there from the beginning still waits for the run.
    fn some_wait(&self) -> bool {
        self.database
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM things WHERE _id < ?1 AND doc ->> '$.old' IS NOT NULL
                    AND (doc ->> '$.todo' = 'yes' OR NOT ?2))",
                (id(THINGS), self.filtered),
                |row| row.get(0),
            )
            .unwrap()
    }

    fn visit(&mut self, id: &str) {
        let migrated = self.database.query_row(
            "UPDATE things SET doc = json_set(doc, '$.visits', (doc ->> '$.visits') + 1)
             WHERE _id = ?1 RETURNING doc ->> '$.old' IS NULL",
            [id],
            |row| row.get::<_, bool>(0),
        );
        if let (Ok(migrated), Some(known)) = (migrated, self.things.get_mut(id)) {
            known.visits += 1;
            known.visited_after |= migrated;
        }
    }

    fn delete(&mut self, id: &str) {
        let migrated = self.database.query_row(
            "DELETE FROM things WHERE _id = ?1 RETURNING doc ->> '$.old' IS NULL",
            [id],
            |row| row.get::<_, bool>(0),
        );
        if let (Ok(migrated), Some(known)) = (migrated, self.things.get_mut(id)) {
            known.deleted = Some(migrated);
        }
    }

    fn add(&mut self) {
        if self.some_wait() {
            let number = self.things.len();
            self.database
                .execute(
                    "INSERT INTO things VALUES (?1, ?2)",
                    [id(number), body(number, true)],
                )
                .unwrap();
            let known = Known {
                asked: true,
                ..Known::default()
            };
            self.things.insert(id(number), known);
        }
    }

    fn ask(&mut self, id: &str) {
        if self.some_wait() {
            let asked = self
                .database
                .execute(
                    "UPDATE things SET doc = json_set(doc, '$.todo', 'yes')
                     WHERE _id = ?1 AND doc ->> '$.old' IS NOT NULL",
                    [id],
                )
                .unwrap();
            if let (1, Some(known)) = (asked, self.things.get_mut(id)) {
                known.asked = true;
            }
        }
    }
}

/// Tells what is not so.
macro_rules! must {
    ($holds:expr, $($otherwise:tt)*) => {
        if !$holds {
            return Err(format!($($otherwise)*));
        }
    };
}

impl Application {
    /// Whether the run had to do with a thing.
    fn handled(&self, known: Known) -> bool {
        (known.asked || !self.filtered) && known.deleted != Some(false)
    }

    /// Everything that the run must have done, and nothing else.
    fn check_run(&self, lab: &Lab, counters: &Counters) -> Result<(), String> {
        let (mut updated, mut deleted) = (0, 0);
        for (number, (id, known)) in self.things.iter().enumerate() {
            let found = thing(lab, id);
            let handled = self.handled(*known);
            let goes = number % 6 == 5;
            updated += u64::from(handled && !goes);
            deleted += u64::from(handled && goes);
            if known.deleted.is_some() {
                must!(found.is_none(), "{id} was deleted, and is there again");
            } else if handled && goes {
                must!(found.is_none(), "{id} was not migrated");
            } else {
                let found = found.ok_or_else(|| format!("{id} is gone"))?;
                known.check_visits(id, &found)?;
                if handled {
                    must!(found.get("old").is_none(), "{id} was not migrated");
                    must!(found["new"] == number, "{id} was migrated wrongly");
                } else {
                    must!(found["old"] == number, "{id} was migrated uncalled");
                }
            }
        }
        let counted = [
            counters.updated,
            counters.deleted,
            counters.failed,
            counters.total,
        ];
        let expected = [updated, deleted, 0, updated + deleted];
        must!(
            counted == expected,
            "counted {counted:?}, and {expected:?} were handled"
        );
        Ok(())
    }

    /// All that nobody has changed since is what it was before the run.
    fn check_undo(&self, lab: &Lab, undone: &UndoReport) -> Result<(), String> {
        let mut left = 0;
        for (number, (id, known)) in self.things.iter().enumerate() {
            let found = thing(lab, id);
            if known.deleted.is_some() {
                must!(found.is_none(), "{id} was deleted, and is there again");
                left += u64::from(known.deleted == Some(true));
                continue;
            }
            let found = found.ok_or_else(|| format!("{id} was not given back"))?;
            known.check_visits(id, &found)?;
            if known.visited_after {
                left += 1;
                must!(found["new"] == number, "{id} was changed since, and undone");
            } else {
                must!(found["old"] == number, "{id} was not undone");
                must!(found.get("new").is_none(), "{id} was half undone");
            }
            if known.visits == 0 && number < THINGS && known.asked == asks(number) {
                let bytes = lab.body("things", id);
                must!(bytes == body(number, known.asked), "{id} has other bytes");
            }
        }
        must!(
            undone.left_alone == left,
            "{} left alone, and {left} were changed since",
            undone.left_alone
        );
        Ok(())
    }
}

impl Known {
    fn check_visits(&self, id: &str, found: &Value) -> Result<(), String> {
        must!(
            found["visits"] == self.visits,
            "an update of {id} was lost: {} visits, and {} were made",
            found["visits"],
            self.visits
        );
        Ok(())
    }
}

fn thing(lab: &Lab, id: &str) -> Option<Value> {
    let bodies = lab.column("SELECT doc FROM things WHERE _id = ?1", &[&id]);
    let body = bodies.first()?;
    Some(serde_json::from_str(body).unwrap())
}

/// How a run goes, process by process.
#[derive(Debug, Clone)]
struct Course {
    filtered: bool,
    /// Behind the plugin comes another one, for which it leaves nothing to do.
    pipeline: bool,
    wal: bool,
    batch_size: usize,
    workers: usize,
    moments: Vec<Vec<Edit>>,
    /// How each process but the last ends.
    ends: Vec<End>,
    lie: Option<Lie>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Dies(Death),
    /// It is told to end after so many batches.
    Stops(u64),
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        (0..5_u64).prop_map(|commit| End::Dies(Death::Before(commit))),
        (0..5_u64).prop_map(|commit| End::Dies(Death::After(commit))),
        (1..4_u64).prop_map(End::Stops),
    ]
}

fn course() -> impl Strategy<Value = Course> {
    let moments = proptest::collection::vec(proptest::collection::vec(edit(), 0..4), 0..16);
    let ends = proptest::collection::vec(end(), 0..4);
    (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        1..8_usize,
        1..4_usize,
        moments,
        ends,
    )
        .prop_map(
            |(filtered, pipeline, wal, batch_size, workers, moments, ends)| Course {
                filtered,
                pipeline,
                wal,
                batch_size,
                workers,
                moments,
                ends,
                lie: None,
            },
        )
}

/// Tells a run to end after so many batches.
struct Stopper<'a> {
    left: u64,
    stop: &'a AtomicBool,
}

impl Observer for Stopper<'_> {
    fn advanced(&mut self, _progress: Progress<'_>) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Course {
    fn open(&self, lab: &Lab) -> SqliteStore {
        SqliteStore::open(
            &lab.path("app.db"),
            Duration::from_secs(60),
            BTreeMap::new(),
        )
        .unwrap()
    }

    /// Runs processes until one has come to the end of the table, and undoes what they did. What is not as it
    /// must be is told.
    fn take(&self) -> Result<(), String> {
        let lab = Lab::with_things([]);
        let mode = if self.wal { "wal" } else { "delete" };
        lab.database()
            .pragma_update(None, "journal_mode", mode)
            .unwrap();
        let application = Arc::new(Mutex::new(Application::new(
            &lab,
            self.filtered,
            self.moments.clone(),
        )));
        let mut ends = self.ends.iter().copied();
        let run = loop {
            self.process(&lab, &application, ends.next())?;
            // A process that died may have done all that there was to do.
            let run = self.open(&lab).writer().unwrap().run(RunId(1)).unwrap();
            if let Some(run) = run.filter(|run| run.state == RunState::Finished) {
                break run;
            }
        };
        let application = Arc::into_inner(application).unwrap().into_inner().unwrap();
        application.check_run(&lab, &run.counters)?;
        let store = Disturbed::new(self.open(&lab), || {}, None, None);
        let undone = undo(&store, RunId(1), MAX_LOCK, &AtomicBool::new(false), |_| {})
            .map_err(|error| error.to_string())?;
        check_disk(&store)?;
        application.check_undo(&lab, &undone)
    }

    fn process(
        &self,
        lab: &Lab,
        application: &Arc<Mutex<Application>>,
        end: Option<End>,
    ) -> Result<(), String> {
        let acting = Arc::clone(application);
        let death = match end {
            Some(End::Dies(death)) => Some(death),
            _ => None,
        };
        let store = Disturbed::new(
            self.open(lab),
            move || acting.lock().unwrap().act(),
            death,
            self.lie,
        );
        let stop = AtomicBool::new(false);
        let mut observer: Box<dyn Observer> = match end {
            Some(End::Stops(left)) => Box::new(Stopper { left, stop: &stop }),
            _ => Box::new(Nobody),
        };
        let (plugin, behind): (&Plugin, &Plugin) = if self.filtered {
            (&FILTERED, &BYSTANDER)
        } else {
            (&UNFILTERED, &FILTERED)
        };
        let stages = match self.pipeline {
            true => Stages::new(vec![stage(plugin), stage(behind)]).unwrap(),
            false => Stages::one(stage(plugin)),
        };
        let pace = Pace {
            batch_size: self.batch_size,
            workers: Some(self.workers),
            ..Pace::default()
        };
        match migrate(&store, stages, pace, &stop, observer.as_mut()) {
            Ok(_) => check_disk(&store),
            Err(error) if error.to_string().contains(DEAD) => Ok(()),
            Err(error) => Err(format!("a process failed: {error}")),
        }
    }
}

/// Whoever was told that something has ended can rely on it.
fn check_disk(store: &Disturbed) -> Result<(), String> {
    must!(store.is_on_disk(), "what has ended is not on the disk");
    Ok(())
}

/// Runs a migration, or several, over things.
fn migrate(
    store: &dyn Store,
    stages: Stages<Stage<'_>>,
    pace: Pace,
    stop: &AtomicBool,
    observer: &mut dyn Observer,
) -> Result<Report, RunError> {
    engine::run(
        &Job {
            store,
            stages,
            task: Task::Migrate(Migrate {
                table: Some("things".into()),
                ..Migrate::default()
            }),
            secrets: &Secrets::default(),
            dry_run: false,
            wait: false,
            pace,
            stop,
        },
        observer,
    )
}

#[test]
fn what_comes_back_while_a_sweep_finds_nothing_is_found_by_the_next() {
    let body = r#"{"todo":"yes","list":[],"do":{"edit":[{"set":{"at":"/list/-","value":"1"}},{"set":{"at":"/todo","value":"\"no\""}}]}}"#;
    let lab = Lab::with_things([("a", body), ("b", body)]);
    lab.use_wal();
    let database = Mutex::new((lab.database(), 0));
    let application = move || {
        let (database, acts) = &mut *database.lock().unwrap();
        let sql = match *acts {
            // Something else, so that there is a sweep; and once more, within it.
            0 | 1 => "INSERT INTO others (_id, doc) VALUES (random(), '{}')",
            // Behind the next one, which has read the table by now.
            2 => "UPDATE things SET doc = json_set(doc, '$.todo', 'yes') WHERE _id = 'a'",
            _ => return,
        };
        let left = "SELECT 1 FROM things WHERE doc ->> '$.todo' = 'yes'";
        if *acts == 0 || !database.prepare(left).unwrap().exists([]).unwrap() {
            database.execute_batch(sql).unwrap();
            *acts += 1;
        }
    };
    let sqlite = SqliteStore::open(
        &lab.path("app.db"),
        Duration::from_secs(60),
        BTreeMap::new(),
    )
    .unwrap();
    let store = Disturbed::new(sqlite, application, None, None);
    let stop = AtomicBool::new(false);
    let stages = Stages::one(stage(&FILTERED));
    let report = migrate(&store, stages, Pace::default(), &stop, &mut Nobody).unwrap();
    assert_eq!(report.counters.total, 3);
    let lists = lab.column("SELECT doc ->> '$.list' FROM things ORDER BY _id", &[]);
    assert_eq!(lists, ["[1,1]", "[1]"]);
}

#[test]
fn beside_any_writer_and_in_any_processes_everything_is_done_once() {
    alone(
        "races::beside_any_writer_and_in_any_processes_everything_is_done_once",
        || {
            let config = ProptestConfig {
                cases: 200,
                failure_persistence: None,
                ..ProptestConfig::default()
            };
            proptest!(config, |(course in course())| {
                course.take().map_err(TestCaseError::fail)?;
            });
        },
    );
}

/// A course in which the application visits a thing at every moment.
fn disturbed(lie: Lie, ends: Vec<End>) -> Course {
    Course {
        filtered: false,
        pipeline: true,
        wal: true,
        batch_size: 4,
        workers: 1,
        moments: (0..THINGS)
            .cycle()
            .take(60)
            .map(|number| vec![Edit::Visit(number)])
            .collect(),
        ends,
        lie: Some(lie),
    }
}

/// What these tests find is found only because they look for it: a store that does not compare, or does not keep
/// together what belongs together, does not get past them.
#[test]
fn a_store_that_lies_is_found_out() {
    let told = |lie, ends: &[End]| {
        let course = disturbed(lie, ends.to_vec());
        let honest = Course {
            lie: None,
            ..course.clone()
        };
        assert_eq!(honest.take(), Ok(()));
        course.take().unwrap_err()
    };
    for lie in [Lie::NothingChanged, Lie::NobodyWrote] {
        let told = told(lie, &[]);
        assert!(told.contains(" was lost: "), "{lie:?}: {told}");
    }
    let apart = told(Lie::CommitsApart, &[End::Dies(Death::After(2))]);
    assert!(apart.starts_with("counted "), "{apart}");
    let never = told(Lie::NeverOnDisk, &[]);
    assert_eq!(never, "what has ended is not on the disk");
    let no_undo = told(Lie::NoUndo, &[]);
    assert!(no_undo.ends_with("was not given back"), "{no_undo}");
}
