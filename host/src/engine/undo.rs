//! Taking a run back: the road of a document, driven by the undo log, newest batch first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use migration_document::Failure;
use serde::Serialize;

use super::ahead::{Ahead, Step};
use super::courtesy::Courtesy;
use super::error::RunError;
use super::now;
use super::report::ReportedFailure;
use super::start::others;
use crate::ledger::undo::{Entry, Log, Taken, decode, hash};
use crate::ledger::{DocumentFailure, Lease, RunId, RunState, SHOWN_FAILURES};
use crate::store::{Format, Mark, Store, StoreError, Table, WriteError, Writer, in_transaction};

/// What undoing a run did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UndoReport {
    /// The run that was taken back.
    pub run: RunId,
    /// How it stands now: undone, or undoing where it was told to end before.
    pub state: RunState,
    /// Documents that are what they were before the run; each change of a document counts.
    pub restored: u64,
    /// Changes that were left alone, because the document was changed since, or cannot be put back.
    pub left_alone: u64,
    /// The first of them.
    pub errors: Vec<ReportedFailure>,
}

/// How many changes are taken back in one transaction at the least, where there are so many. What is left of a part of the undo log is
/// written anew each time.
const LEAST: usize = 100;

/// Takes a run back. What was changed by anyone since is left alone, and reported.
///
/// Each batch is taken back in one transaction, or in several if it would hold the write lock for longer than `max_lock`. They also
/// forget its part of the undo log. So a process that dies leaves the rest to the next one.
///
/// # Errors
/// If there is no such run, it is still being worked on, or the store fails.
pub fn undo(
    store: &dyn Store,
    run: RunId,
    max_lock: Duration,
    stop: &AtomicBool,
    mut progress: impl FnMut(u64),
) -> Result<UndoReport, RunError> {
    let mut writer = store.writer()?;
    let Some(mut record) = writer.run(run)? else {
        return Err(RunError::NoRun(run));
    };
    if let Some(error) = others(writer.as_mut(), &record.table)? {
        return Err(error);
    }
    match record.state {
        RunState::Undone => return Err(RunError::undone(run)),
        _ if record.undo_forgotten => {
            return Err(RunError::NotUndoable {
                run,
                why: "its undo log was forgotten".into(),
            });
        }
        _ => {}
    }
    let mut tables = Tables {
        store,
        known: BTreeMap::new(),
        moved: false,
    };
    let mut report = UndoReport {
        run,
        state: RunState::Undoing,
        restored: 0,
        left_alone: 0,
        errors: Vec::new(),
    };
    let mut courtesy = Courtesy::default();
    let mut seen = None;
    writer.commit_ahead()?;
    std::thread::scope(|scope| -> Result<_, RunError> {
        let mut ahead = Ahead::start(store, scope);
        while !stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let more = in_transaction(writer.as_mut(), |writer| -> Result<_, RunError> {
                let mark = writer.mark()?;
                if seen.replace(mark).is_some_and(|seen| seen != mark) {
                    courtesy.others_wrote(Instant::now());
                }
                claim(writer, &mut record)?;
                let Some((number, log)) = writer.newest_undo(run, None)? else {
                    record.state = RunState::Undone;
                    record.lease = None;
                    record.ended = Some(now());
                    writer.save_run(&mut record)?;
                    return Ok(false);
                };
                let begun = Instant::now();
                let steps = steps(&mut ahead, number, &log, mark)?;
                if let Some(ahead) = ahead.as_mut().filter(|ahead| ahead.is_idle())
                    && let Some((number, log)) = writer.newest_undo(run, Some(number))?
                {
                    ahead.ask(number, log, mark, &steps);
                }
                let mut left = steps.len();
                while let Some(step) = left.checked_sub(1).and_then(|last| steps.get(last)) {
                    if step.entry.change != Taken::OthersOnly {
                        match take_back(&mut tables, writer, step)? {
                            Ok(()) => report.restored += 1,
                            Err(failure) => {
                                report.left_alone += 1;
                                if report.errors.len() < SHOWN_FAILURES {
                                    report.errors.push(failure.into());
                                }
                            }
                        }
                    }
                    left -= 1;
                    if steps.len() - left >= LEAST
                        && begun.elapsed() >= courtesy.max_lock(begun, max_lock)
                    {
                        break;
                    }
                }
                let rest: Vec<_> = steps
                    .iter()
                    .take(left)
                    .map(|step| step.entry.clone())
                    .collect();
                leave(writer, number, &rest)?;
                if tables.moved {
                    ahead = None;
                }
                if let Some(ahead) = &mut ahead {
                    ahead.give_back(steps);
                }
                record.state = RunState::Undoing;
                writer.save_run(&mut record)?;
                Ok(true)
            })?;
            progress(report.restored + report.left_alone);
            if !more {
                report.state = RunState::Undone;
                break;
            }
            let done = Instant::now();
            let rest = courtesy.rest(done, done - asked, writer.may_have_company());
            writer.tidy_up(courtesy.expects_others(done), &mut || false)?;
            std::thread::sleep(rest.saturating_sub(done.elapsed()));
        }
        Ok(())
    })?;
    if report.state != RunState::Undone {
        record.lease = None;
        in_transaction(writer.as_mut(), |writer| writer.save_run(&mut record))?;
    }
    writer.make_durable()?;
    Ok(report)
}

/// The steps of a part, worked out ahead as far as that was possible.
fn steps(
    ahead: &mut Option<Ahead>,
    number: i64,
    log: &[u8],
    mark: Mark,
) -> Result<Vec<Step>, RunError> {
    let worked_out = ahead
        .as_mut()
        .and_then(|ahead| ahead.take(number, log, mark));
    match worked_out {
        Some(steps) => Ok(steps?),
        None => Ok(decode(log)?.into_iter().map(Step::new).collect()),
    }
}

/// The tables that an undo log names, each asked for once.
struct Tables<'a> {
    store: &'a dyn Store,
    /// None: it is not there any more.
    known: BTreeMap<String, Option<Arc<Table>>>,
    /// A document stands elsewhere than the undo log says.
    moved: bool,
}

impl Tables<'_> {
    fn get(&mut self, name: &str) -> Result<Option<Arc<Table>>, StoreError> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let found = match self.store.table(name) {
            Ok(table) => Some(table),
            Err(StoreError::NoSuchTable { .. }) => None,
            Err(error) => return Err(error),
        };
        self.known.insert(name.to_owned(), found.clone());
        Ok(found)
    }
}

/// Writes down what is left of a part of an undo log, within the transaction in hand.
pub(super) fn leave(writer: &mut dyn Writer, part: i64, entries: &[Entry]) -> Result<(), RunError> {
    match Log::of(entries).finish()? {
        Some(log) => writer.cut_undo(part, &log)?,
        None => writer.drop_undo(part)?,
    }
    Ok(())
}

/// Claims the run's table for this process.
fn claim(writer: &mut dyn Writer, record: &mut crate::ledger::Run) -> Result<(), RunError> {
    let held = match record.id {
        Some(id) => writer.run(id)?.and_then(|run| run.lease),
        None => None,
    };
    let now = now();
    if let (Some(lease), Some(id)) = (held, record.id)
        && lease.holds_against_this(now)
    {
        return Err(RunError::TakenOver { run: id });
    }
    record.lease = Some(Lease::new(now));
    Ok(())
}

/// Takes one change back, or says why it is left alone.
fn take_back(
    tables: &mut Tables<'_>,
    writer: &mut dyn Writer,
    step: &Step,
) -> Result<Result<(), DocumentFailure>, RunError> {
    let entry = &step.entry;
    let left = |code: &str, message: String| {
        Ok(Err(DocumentFailure {
            table: entry.table.clone(),
            id: entry.id.clone(),
            migration: None,
            failure: Failure {
                code: code.into(),
                message,
                at: None,
            },
        }))
    };
    let Some(table) = tables.get(&entry.table)? else {
        return left("no-table", "its table is not there any more".into());
    };
    // One statement, which does all or nothing by itself unless the refusal may come later.
    let saved = !writer.refuses_at_once();
    if saved {
        writer.save_point()?;
    }
    let written =
        change_back(writer, &table, step, &mut tables.moved).and_then(|done| match done {
            Ok(()) if saved => writer.release().map(Ok),
            done => Ok(done),
        });
    if saved && !matches!(written, Ok(Ok(()))) {
        writer.rewind()?;
    }
    match written {
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(why)) => left("changed-since", why.into()),
        Err(WriteError::Refused(failure)) => left(&failure.code, failure.message),
        Err(WriteError::Store(error)) => Err(error.into()),
    }
}

/// Writes what was there before. The inner error is a document that is not what the run left.
fn change_back(
    writer: &mut dyn Writer,
    table: &Table,
    step: &Step,
    moved: &mut bool,
) -> Result<Result<(), &'static str>, WriteError> {
    const CHANGED: &str = "it was changed since, and is left as it is";
    let entry = &step.entry;
    if let Some((found, before)) = &step.ready
        && !writer.has_rippled()
    {
        return writer.put_body_back(table, found, before).map(Ok);
    }
    let found = match writer.find_again(table, &entry.id, entry.place.as_ref()) {
        // Nobody can tell what it is now, so it is not what the run left.
        Err(StoreError::Unreadable { .. }) => return Ok(Err(CHANGED)),
        found => found?,
    };
    *moved |= found
        .as_ref()
        .is_some_and(|found| entry.place.as_ref() != Some(&found.place));
    match (&entry.change, found) {
        (Taken::Updated { delta, now }, Some(found)) if hash(&found.body) == *now => {
            match delta.apply(&found.body) {
                Some(before) => writer.put_body_back(table, &found, &before).map(Ok),
                None => Ok(Err(CHANGED)),
            }
        }
        (Taken::Inserted { now }, Some(found)) if hash(&found.body) == *now => {
            writer.delete(table, &found).map(Ok)
        }
        (Taken::Deleted { body, binary }, None) => {
            let format = if *binary {
                Format::Binary
            } else {
                Format::Plain
            };
            writer.put_back(table, &entry.id, body, format).map(Ok)
        }
        (Taken::Updated { .. } | Taken::Inserted { .. }, Some(_)) => Ok(Err(CHANGED)),
        // It is gone, as it was before the run.
        (Taken::Inserted { .. }, None) | (Taken::OthersOnly, _) => Ok(Ok(())),
        (Taken::Updated { .. }, None) => Ok(Err("it was deleted since, and stays so")),
        (Taken::Deleted { .. }, Some(_)) => Ok(Err(
            "another document has its key now, and is left as it is",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::undo::Delta;
    use crate::store::Place;
    use crate::store::sqlite::SqliteStore;

    /// A store with two things that a run has changed from `{"n":1}` to `{"n":2}`, and the application beside it.
    fn changed() -> (tempfile::TempDir, rusqlite::Connection, SqliteStore) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.db");
        let application = rusqlite::Connection::open(&path).unwrap();
        application
            .execute_batch(
                r#"CREATE TABLE things (_id TEXT PRIMARY KEY, doc JSON NOT NULL);
                   INSERT INTO things VALUES ('a', '{"n":2}'), ('b', '{"n":2}')"#,
            )
            .unwrap();
        let store = SqliteStore::open(&path, Duration::ZERO, BTreeMap::new()).unwrap();
        (folder, application, store)
    }

    fn tables(store: &SqliteStore) -> Tables<'_> {
        Tables {
            store,
            known: BTreeMap::new(),
            moved: false,
        }
    }

    fn entry(id: &str, place: Place) -> Entry {
        Entry {
            table: "things".into(),
            id: id.into(),
            place: Some(place),
            change: Taken::Updated {
                delta: Delta::back(r#"{"n":1}"#, r#"{"n":2}"#),
                now: hash(r#"{"n":2}"#),
            },
        }
    }

    /// A trigger is the database's own hand: no other connection has written.
    #[test]
    fn what_was_worked_out_ahead_is_not_believed_once_triggers_have_changed_documents() {
        let (_folder, application, store) = changed();
        application
            .execute_batch(
                r#"CREATE TRIGGER touch AFTER UPDATE ON things WHEN old._id = 'b'
                   BEGIN UPDATE things SET doc = '{"n":3}' WHERE _id = 'a'; END"#,
            )
            .unwrap();
        let mut tables = tables(&store);
        let mut writer = store.writer().unwrap();
        let table = store.table("things").unwrap();
        let [b, a] = ["b", "a"].map(|id| {
            let found = writer.current(&table, id).unwrap().unwrap();
            Step {
                entry: entry(id, found.place.clone()),
                ready: Some((found, r#"{"n":1}"#.into())),
            }
        });
        let writer = writer.as_mut();
        writer.begin().unwrap();
        assert!(take_back(&mut tables, writer, &b).unwrap().is_ok());
        let left = take_back(&mut tables, writer, &a).unwrap();
        assert_eq!(left.unwrap_err().failure.code, "changed-since");
        assert!(!tables.moved);
        writer.commit().unwrap();
        let bodies =
            application.query_row("SELECT group_concat(doc) FROM things", [], |row| row.get(0));
        assert_eq!(bodies, Ok(r#"{"n":3},{"n":1}"#.to_owned()));
    }

    #[test]
    fn a_document_that_stands_elsewhere_is_taken_note_of() {
        let (_folder, _application, store) = changed();
        let mut tables = tables(&store);
        let mut writer = store.writer().unwrap();
        let step = Step::new(entry("a", Place::Row(7)));
        let done = take_back(&mut tables, writer.as_mut(), &step).unwrap();
        assert!(done.is_ok() && tables.moved);
    }
}
