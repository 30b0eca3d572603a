//! The next part of an undo log, worked out on a thread of its own while the writer takes back the one before it.
//!
//! What is worked out ahead comes from a snapshot, and the writer must not write by it what is not so any more. It is
//! used only where nobody can have changed the document since:
//!
//! - No other connection has written since before the snapshot ([`Mark`]).
//! - This one has written other documents only. Both parts are of one table and name each of its rows once, and no row
//!   is in both; the documents stand in these rows; and no trigger or foreign key has changed a document besides.
//!
//! Everything else is looked at anew by the writer, within its transaction.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use crate::ledger::undo::{BadLog, Entry, Taken, decode, hash};
use crate::store::{Document, Mark, Place, Reader, Store, StoreError};

/// How to take one change back.
pub(super) struct Step {
    pub entry: Entry,
    /// The document as it is, and the body that it gets.
    pub ready: Option<(Document, String)>,
}

impl Step {
    /// One of which nothing is known yet.
    pub fn new(entry: Entry) -> Self {
        Self { entry, ready: None }
    }
}

/// The rows of one table, from the first to the last.
struct Rows {
    table: String,
    first: i64,
    last: i64,
}

impl Rows {
    /// Those that a part of an undo log has given new bodies; None where it did anything else, or any row is in it twice.
    fn of<'e>(entries: impl IntoIterator<Item = &'e Entry>) -> Option<Self> {
        let mut rows: Option<Self> = None;
        for entry in entries {
            let (Taken::Updated { .. }, Some(Place::Row(row))) = (&entry.change, &entry.place)
            else {
                return None;
            };
            match &mut rows {
                None => {
                    rows = Some(Self {
                        table: entry.table.clone(),
                        first: *row,
                        last: *row,
                    });
                }
                Some(rows) if rows.table == entry.table && rows.last < *row => rows.last = *row,
                Some(_) => return None,
            }
        }
        rows
    }

    fn are_others_than(&self, those: &Self) -> bool {
        self.table == those.table && (self.last < those.first || those.last < self.first)
    }
}

/// What is to be worked out.
struct Asked {
    log: Vec<u8>,
    /// What is changed meanwhile; None: anything.
    busy: Option<Rows>,
    /// Steps that were taken, which are dropped where they were made: that is quicker.
    taken: Vec<Step>,
}

/// What was worked out.
struct Told {
    log: Vec<u8>,
    steps: Result<Vec<Step>, BadLog>,
}

/// A thread that works parts out.
pub(super) struct Ahead {
    ask: SyncSender<Asked>,
    told: Receiver<Told>,
    waiting: Option<Waiting>,
    taken: Vec<Step>,
}

struct Waiting {
    number: i64,
    mark: Mark,
}

impl Ahead {
    /// Starts one; None where there is none to be had, or readers and a writer would wait for each other.
    pub fn start<'scope>(
        store: &'scope dyn Store,
        scope: &'scope Scope<'scope, '_>,
    ) -> Option<Self> {
        if !store.reads_beside_writes().unwrap_or(false) {
            return None;
        }
        let mut reader = store.reader().ok()?;
        let (ask, asked) = sync_channel::<Asked>(1);
        let (tell, told) = sync_channel(1);
        std::thread::Builder::new()
            .name("ahead".into())
            .spawn_scoped(scope, move || {
                for Asked { log, busy, taken } in asked {
                    drop(taken);
                    let steps =
                        decode(&log).map(|entries| work_out(store, reader.as_mut(), entries, busy));
                    if tell.send(Told { log, steps }).is_err() {
                        return;
                    }
                }
            })
            .ok()?;
        Some(Self {
            ask,
            told,
            waiting: None,
            taken: Vec::new(),
        })
    }

    /// The steps of this part, if they were asked for, and the log is still the same. Nothing is ready in them unless
    /// it was worked out since `mark`.
    pub fn take(
        &mut self,
        number: i64,
        log: &[u8],
        mark: Mark,
    ) -> Option<Result<Vec<Step>, BadLog>> {
        let waiting = self.waiting.take_if(|waiting| waiting.number == number)?;
        let Told { log: of, mut steps } = self.told.recv().ok()?;
        if of != log {
            return None;
        }
        if waiting.mark != mark
            && let Ok(steps) = &mut steps
        {
            steps.iter_mut().for_each(|step| step.ready = None);
        }
        Some(steps)
    }

    /// Whether none is being worked out.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_none()
    }

    /// Has a part worked out while these steps are taken.
    pub fn ask(&mut self, number: i64, log: Vec<u8>, mark: Mark, meanwhile: &[Step]) {
        let asked = Asked {
            log,
            busy: Rows::of(meanwhile.iter().map(|step| &step.entry)),
            taken: std::mem::take(&mut self.taken),
        };
        if self.ask.send(asked).is_ok() {
            self.waiting = Some(Waiting { number, mark });
        }
    }

    /// Takes back what is of no more use.
    pub fn give_back(&mut self, taken: Vec<Step>) {
        self.taken = taken;
    }
}

/// What can be told of these entries beforehand, while these rows are changed.
fn work_out(
    store: &dyn Store,
    reader: &mut dyn Reader,
    entries: Vec<Entry>,
    busy: Option<Rows>,
) -> Vec<Step> {
    let table = busy
        .zip(Rows::of(&entries))
        .filter(|(busy, rows)| rows.are_others_than(busy))
        .and_then(|(_, rows)| store.table(&rows.table).ok());
    let mut steps: Vec<_> = entries.into_iter().map(Step::new).collect();
    if let Some(table) = table {
        let wanted: Vec<_> = steps
            .iter()
            .map(|step| (&*step.entry.id, step.entry.place.as_ref()))
            .collect();
        // What cannot be read here is the writer's.
        let found = snapshot(reader, |reader| reader.find_again(&table, &wanted));
        for (step, found) in steps.iter_mut().zip(found.into_iter().flatten()) {
            step.ready = found.and_then(|found| ready(&step.entry, found));
        }
    }
    steps
}

/// Reads in one snapshot.
fn snapshot<T>(
    reader: &mut dyn Reader,
    read: impl FnOnce(&mut dyn Reader) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    reader.begin()?;
    let read = read(reader);
    reader.end()?;
    read
}

/// The document that an entry is about, if it is what the run left, and what it was before.
fn ready(entry: &Entry, found: Document) -> Option<(Document, String)> {
    let Taken::Updated { delta, now } = &entry.change else {
        return None;
    };
    if hash(&found.body) != *now || entry.place.as_ref() != Some(&found.place) {
        return None;
    }
    let before = delta.apply(&found.body)?;
    Some((found, before))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::ledger::undo::{Delta, Log};
    use crate::store::Writer;
    use crate::store::sqlite::SqliteStore;

    fn updated(table: &str, row: i64) -> Entry {
        Entry {
            table: table.into(),
            id: row.to_string(),
            place: Some(Place::Row(row)),
            change: Taken::Updated {
                delta: Delta::back("a", "b"),
                now: hash("a"),
            },
        }
    }

    fn rows(entries: &[Entry]) -> Option<(i64, i64)> {
        Rows::of(entries).map(|rows| (rows.first, rows.last))
    }

    #[test]
    fn rows_that_are_in_a_part_once_are_known() {
        let part = [updated("t", 3), updated("t", 4), updated("t", 9)];
        assert_eq!(rows(&part), Some((3, 9)));
        assert_eq!(rows(&[]), None);
        assert_eq!(rows(&[updated("t", 3), updated("t", 3)]), None);
        assert_eq!(rows(&[updated("t", 3), updated("t", 2)]), None);
        assert_eq!(rows(&[updated("t", 3), updated("u", 4)]), None);
        let inserted = Entry {
            change: Taken::Inserted { now: 0 },
            ..updated("t", 5)
        };
        assert_eq!(rows(&[updated("t", 3), inserted]), None);
        let somewhere = Entry {
            place: None,
            ..updated("t", 5)
        };
        assert_eq!(rows(&[somewhere]), None);
    }

    #[test]
    fn parts_that_share_no_row_are_told_from_others() {
        let of = |table: &str, first, last| Rows {
            table: table.into(),
            first,
            last,
        };
        let part = of("t", 10, 20);
        assert!(part.are_others_than(&of("t", 1, 9)));
        assert!(part.are_others_than(&of("t", 21, 30)));
        assert!(!part.are_others_than(&of("t", 1, 10)));
        assert!(!part.are_others_than(&of("t", 20, 30)));
        assert!(!part.are_others_than(&of("t", 12, 15)));
        assert!(!part.are_others_than(&of("u", 1, 9)));
    }

    /// A database with five things that a run has changed from `{"n":1}` to `{"n":2}`.
    fn changed() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        execute(
            &path,
            r#"PRAGMA journal_mode = WAL;
               CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
               INSERT INTO things SELECT value, '{"n":2}' FROM json_each('["1", "2", "3", "4", "5"]')"#,
        );
        (folder, path)
    }

    /// Does something as an application would.
    fn execute(path: &Path, sql: &str) {
        let application = rusqlite::Connection::open(path).unwrap();
        application.execute_batch(sql).unwrap();
    }

    fn entries(rows: impl IntoIterator<Item = i64>) -> Vec<Entry> {
        let change = || Taken::Updated {
            delta: Delta::back(r#"{"n":1}"#, r#"{"n":2}"#),
            now: hash(r#"{"n":2}"#),
        };
        rows.into_iter()
            .map(|row| Entry {
                change: change(),
                ..updated("things", row)
            })
            .collect()
    }

    /// Which of the first two things are ready, if the others are changed meanwhile and this is done at the begin and
    /// at the end.
    fn are_ready(
        meanwhile: &[i64],
        before: impl FnOnce(&Path),
        after: impl FnOnce(&Path),
    ) -> Vec<bool> {
        let (_folder, path) = changed();
        let store = SqliteStore::open(&path, Duration::ZERO, BTreeMap::new()).unwrap();
        let mut writer: Box<dyn Writer> = store.writer().unwrap();
        let log = Log::of(&entries([1, 2])).finish().unwrap().unwrap();
        let meanwhile: Vec<_> = entries(meanwhile.iter().copied())
            .into_iter()
            .map(Step::new)
            .collect();
        before(&path);
        thread::scope(|scope| {
            let mut ahead = Ahead::start(&store, scope).unwrap();
            let mark = writer.mark().unwrap();
            ahead.ask(7, log.clone(), mark, &meanwhile);
            assert!(!ahead.is_idle());
            after(&path);
            let mark = writer.mark().unwrap();
            assert!(ahead.take(8, &log, mark).is_none());
            let steps = ahead.take(7, &log, mark).unwrap().unwrap();
            assert!(ahead.is_idle());
            for (document, before) in steps.iter().filter_map(|step| step.ready.as_ref()) {
                assert_eq!((&*document.body, &**before), (r#"{"n":2}"#, r#"{"n":1}"#));
            }
            steps.iter().map(|step| step.ready.is_some()).collect()
        })
    }

    #[test]
    fn what_nobody_can_have_changed_is_ready() {
        assert_eq!(are_ready(&[3, 5], |_| (), |_| ()), [true, true]);
        let change =
            |path: &Path| execute(path, r#"UPDATE things SET doc = '{"n":4}' WHERE _id = '2'"#);
        assert_eq!(are_ready(&[3, 5], change, |_| ()), [true, false]);
    }

    #[test]
    fn nothing_is_ready_that_somebody_may_have_changed() {
        // Another connection writes, if only something else.
        let change = |path: &Path| execute(path, "UPDATE things SET doc = '{}' WHERE _id = '5'");
        assert_eq!(are_ready(&[3, 5], |_| (), change), [false, false]);
        // The part before has the same rows, or nobody knows which.
        assert_eq!(are_ready(&[2, 3], |_| (), |_| ()), [false, false]);
        assert_eq!(are_ready(&[3, 3], |_| (), |_| ()), [false, false]);
        assert_eq!(are_ready(&[], |_| (), |_| ()), [false, false]);
    }

    #[test]
    fn a_document_that_stands_elsewhere_is_not_ready() {
        let (_folder, path) = changed();
        let store = SqliteStore::open(&path, Duration::ZERO, BTreeMap::new()).unwrap();
        let table = store.table("things").unwrap();
        let mut reader = store.reader().unwrap();
        for (place, expected) in [(Place::Row(1), true), (Place::Row(9), false)] {
            let [entry] = entries([1]).try_into().unwrap();
            let entry = Entry {
                place: Some(place),
                ..entry
            };
            let wanted = [("1", entry.place.as_ref())];
            let [found] = reader
                .find_again(&table, &wanted)
                .unwrap()
                .try_into()
                .unwrap();
            assert_eq!(ready(&entry, found.unwrap()).is_some(), expected);
        }
    }
}
