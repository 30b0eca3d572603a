//! Running a migration over a table: read a batch, have it transformed, write it in one transaction,
//! and again until the table ends.
//!
//! The order within a batch is what keeps the promises:
//!
//! 1. A mark is taken, then a snapshot is read. Lookups are answered within the same snapshot.
//! 2. The plugin transforms the batch. No lock is held.
//! 3. A transaction begins, which holds the write lock from its first moment. If anyone has written since
//!    the mark, each document is compared with what was read. What has changed is transformed again, with
//!    the lock given back; only after [`ATTEMPTS`] lost races does the plugin run under the lock.
//! 4. Changes, quarantine, counters and checkpoint commit together.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use migration_document::{Filter, Outcome};

mod apply;
pub mod error;
pub mod grants;
pub mod observer;
pub mod report;
mod sink;
mod transform;

pub use apply::UNCHANGED;
pub use error::RunError;
pub use grants::Grant;
pub use observer::{Change, Nobody, Observer, Progress};
pub use report::Report;

use apply::{Effect, Scope, Verdict};
use sink::{Dry, Real, Sink};
use transform::Transformed;

use crate::ledger::{Checkpoint, DocumentFailure, Run, RunState, SHOWN_FAILURES};
use crate::plugin::world::lock;
use crate::plugin::{Level, LogLine, Plugin, SharedReader, World};
use crate::store::{
    Advice, Again, Budget, Document, Mark, Page, Place, Range, Store, StoreError, Table,
    Unreadable, Writer,
};

/// How often a batch that lost a race is taken back and tried again before it is settled under the lock.
pub const ATTEMPTS: u32 = 3;

/// How many documents a batch has where nothing else is said.
pub const BATCH_SIZE: usize = 1_000;

/// How many bytes of bodies a batch has at the most, but for a single larger document.
const BATCH_BYTES: usize = 8 << 20;

/// How many documents a sparse filter may pass over within one snapshot.
const LOOKED_AT: usize = 100_000;

/// What is to be run, and how.
pub struct Job<'a> {
    /// Where the documents are.
    pub store: &'a dyn Store,
    /// The migration.
    pub plugin: &'a Plugin,
    /// The table to run over instead of the manifest's.
    pub table: Option<String>,
    /// What the plugin is let do beyond its own table.
    pub granted: BTreeSet<Grant>,
    /// Parameters: names and JSON texts.
    pub parameters: BTreeMap<String, String>,
    /// Values of secrets, by name. Only what is granted reaches the plugin.
    pub secrets: &'a dyn Fn(&str) -> Result<String, RunError>,
    /// Changes nothing, the ledger included, and tells what would happen.
    pub dry_run: bool,
    /// Ends after so many documents.
    pub limit: Option<u64>,
    /// Documents in one transaction.
    pub batch_size: usize,
    /// Gives an unfinished run up and begins a new one.
    pub restart: bool,
    /// Ends the run after the batch in hand once it is set.
    pub stop: &'a AtomicBool,
}

/// Runs a migration.
///
/// # Errors
/// If it cannot be started, or not go on. What earlier batches did stays done, and the same job goes on
/// behind them.
pub fn run(job: &Job<'_>, observer: &mut dyn Observer) -> Result<Report, RunError> {
    let began = Instant::now();
    let mut runner = Runner::start(job)?;
    let ended = runner.go(observer);
    if ended.is_err() {
        runner.give_up();
    }
    let state = ended?;
    Ok(Report::of(
        &runner.run,
        state,
        job.dry_run,
        runner.failures,
        began.elapsed(),
    ))
}

struct Runner<'a> {
    job: &'a Job<'a>,
    scope: Scope,
    filter: &'a Filter,
    reader: SharedReader,
    /// None in a dry run.
    writer: Option<Box<dyn Writer>>,
    world: Arc<World>,
    /// The run as the ledger has it.
    run: Run,
    /// The first failures.
    failures: Vec<DocumentFailure>,
    batch_size: usize,
    advised: HashSet<String>,
}

/// Documents on their way from reading to writing.
struct Batch {
    documents: Vec<Document>,
    outcomes: Vec<Outcome>,
    unreadable: Vec<(usize, Unreadable)>,
    /// Taken before the documents were read.
    mark: Option<Mark>,
    /// The plugin looked other documents up; what it says may depend on them.
    looked_up: bool,
    /// What the plugin logged.
    log: Vec<LogLine>,
    /// How far the page went.
    last: Option<Checkpoint>,
}

impl<'a> Runner<'a> {
    fn start(job: &'a Job<'a>) -> Result<Self, RunError> {
        let manifest = &job.plugin.manifest;
        let missing = grants::missing(manifest, &job.granted);
        if !missing.is_empty() {
            return Err(RunError::NotGranted {
                migration: manifest.name.clone(),
                missing,
            });
        }
        let table = job
            .store
            .table(job.table.as_deref().unwrap_or(&manifest.table))?;
        let mut writable = BTreeMap::from([
            (manifest.table.clone(), Arc::clone(&table)),
            (table.name.clone(), Arc::clone(&table)),
        ]);
        for name in &manifest.writes {
            writable
                .entry(name.clone())
                .or_insert(job.store.table(name)?);
        }
        let mut readable = BTreeMap::new();
        for name in &manifest.reads {
            let found = match writable.get(name) {
                Some(known) => Arc::clone(known),
                None => job.store.table(name)?,
            };
            readable.insert(name.clone(), found);
        }
        // A lookup must not see more of a batch's own writes in small batches than in large ones.
        let reads_own_writes = readable
            .values()
            .any(|read| writable.values().any(|written| written.name == read.name));
        let mut secrets = BTreeMap::new();
        for name in &manifest.secrets {
            secrets.insert(name.clone(), (job.secrets)(name)?);
        }
        let reader: SharedReader = Arc::new(Mutex::new(job.store.reader()?));
        let mut writer = if job.dry_run {
            None
        } else {
            Some(job.store.writer()?)
        };
        let earlier = match &mut writer {
            Some(writer) => writer.newest_run(&manifest.name, &table.name)?,
            None => None,
        };
        let mut run = match resumable(job, earlier)? {
            Some(earlier) => earlier,
            None => Run {
                id: None,
                migration: manifest.name.clone(),
                table: table.name.clone(),
                plugin: job.plugin.sha256.clone(),
                parameters: job.parameters.clone(),
                now: now(),
                state: RunState::Running,
                checkpoint: None,
                until: lock(&reader).end_of(&table)?,
                counters: Default::default(),
            },
        };
        for point in [&mut run.checkpoint, &mut run.until].into_iter().flatten() {
            refind(&reader, &table, point)?;
        }
        let failures = match (&mut writer, run.id) {
            (Some(writer), Some(id)) => writer.quarantined(id, SHOWN_FAILURES)?,
            _ => Vec::new(),
        };
        let known = writable.iter().chain(&readable);
        let world = World {
            migration: manifest.name.clone(),
            now: run.now,
            parameters: job.parameters.clone(),
            secrets,
            known: known
                .map(|(name, table)| (name.clone(), Arc::clone(table)))
                .collect(),
            readable,
            reader: Some(Arc::clone(&reader)),
            looked_up: AtomicBool::new(false),
        };
        Ok(Self {
            job,
            scope: Scope {
                migration: manifest.name.clone(),
                table,
                writable,
            },
            filter: &job.plugin.filter,
            reader,
            writer,
            world: Arc::new(world),
            run,
            failures,
            batch_size: if reads_own_writes {
                1
            } else {
                job.batch_size.max(1)
            },
            advised: HashSet::new(),
        })
    }

    /// Goes over the table.
    fn go(&mut self, observer: &mut dyn Observer) -> Result<RunState, RunError> {
        observer.started(self.to_look_at(observer)?);
        let (mut looked_at, mut handled) = (0, 0);
        let mut after = self.run.checkpoint.clone();
        let state = loop {
            if self.job.stop.load(Ordering::Relaxed) {
                break RunState::Interrupted;
            }
            let left = self.job.limit.map(|limit| limit.saturating_sub(handled));
            if left == Some(0) {
                break RunState::Limited;
            }
            let (batch, page_looked_at, end) = self.read(after.as_ref(), left, observer)?;
            let last = batch.last.clone();
            let before = self.run.counters.total;
            let cut = match self.writer.take() {
                None => self.tally(batch, observer)?,
                Some(mut writer) => {
                    let written = self.write(writer.as_mut(), batch, observer);
                    self.writer = Some(writer);
                    written?
                }
            };
            handled += self.run.counters.total - before;
            looked_at += page_looked_at;
            observer.advanced(Progress {
                looked_at,
                counters: &self.run.counters,
            });
            match cut {
                // The rest of the page is read again: an earlier document has changed it.
                Some(cut) => after = Some(cut),
                None if end => break RunState::Finished,
                None => after = last.or(after),
            }
        };
        // An empty table, and a limit that was met, leave no batch to write the state with.
        if let Some(writer) = &mut self.writer {
            let mut run = self.run.clone();
            run.state = state;
            writer.begin()?;
            writer.save_run(&mut run)?;
            writer.commit()?;
            self.run = run;
        }
        Ok(state)
    }

    fn to_look_at(&self, observer: &dyn Observer) -> Result<Option<u64>, RunError> {
        if !observer.wants_count() {
            return Ok(None);
        }
        Ok(match &self.run.until {
            Some(_) => Some(
                lock(&self.reader)
                    .count(&self.scope.table, self.range(self.run.checkpoint.as_ref()))?,
            ),
            None => Some(0),
        })
    }

    fn range<'r>(&'r self, after: Option<&'r Checkpoint>) -> Range<'r> {
        Range {
            after: after.map(|point| &point.place),
            until: self.run.until.as_ref().map(|point| &point.place),
        }
    }

    /// Reads a page and has it transformed, in one snapshot.
    fn read(
        &mut self,
        after: Option<&Checkpoint>,
        left: Option<u64>,
        observer: &mut dyn Observer,
    ) -> Result<(Batch, u64, bool), RunError> {
        let mark = self
            .writer
            .as_mut()
            .map(|writer| writer.mark())
            .transpose()?;
        let left = left.map_or(usize::MAX, |left| {
            usize::try_from(left).unwrap_or(usize::MAX)
        });
        let budget = Budget {
            documents: self.batch_size.min(left),
            bytes: BATCH_BYTES,
            looked_at: LOOKED_AT,
        };
        let page = if self.run.until.is_some() {
            lock(&self.reader).begin()?;
            let range = self.range(after);
            lock(&self.reader).page(&self.scope.table, self.filter, range, budget)?
        } else {
            lock(&self.reader).begin()?;
            Page {
                end: true,
                ..Page::default()
            }
        };
        let (transformed, looked_up) = self.transform(&page.documents, observer)?;
        lock(&self.reader).end()?;
        let batch = Batch {
            documents: page.documents,
            outcomes: transformed.outcomes,
            log: transformed.log,
            unreadable: page.unreadable,
            mark,
            looked_up,
            last: page.last,
        };
        Ok((batch, page.looked_at, page.end))
    }

    /// Has documents transformed within the snapshot in hand.
    fn transform(
        &mut self,
        documents: &[Document],
        observer: &mut dyn Observer,
    ) -> Result<(Transformed, bool), RunError> {
        self.world.looked_up.store(false, Ordering::Relaxed);
        let transformed = transform::transform(self.job.plugin, &self.world, documents)?;
        let advice: Vec<Advice> = lock(&self.reader).take_advice();
        for advice in advice {
            if self.advised.insert(advice.message.clone()) {
                observer.advised(&advice);
            }
        }
        Ok((transformed, self.world.looked_up.load(Ordering::Relaxed)))
    }

    /// Counts what a batch would do.
    fn tally(
        &mut self,
        batch: Batch,
        observer: &mut dyn Observer,
    ) -> Result<Option<Checkpoint>, RunError> {
        let mut run = self.run.clone();
        let mut failures = Vec::new();
        count_warnings(&batch.log, &mut run);
        for line in &batch.log {
            observer.logged(line);
        }
        lock(&self.reader).begin()?;
        let reader = Arc::clone(&self.reader);
        let cut = self.apply(
            &mut Dry::new(&reader, observer),
            batch,
            &mut run,
            &mut failures,
        )?;
        lock(&self.reader).end()?;
        self.remember(run, failures);
        Ok(cut)
    }

    /// Writes a batch, its counters and its checkpoint in one transaction.
    fn write(
        &mut self,
        writer: &mut dyn Writer,
        mut batch: Batch,
        observer: &mut dyn Observer,
    ) -> Result<Option<Checkpoint>, RunError> {
        let mut conflicts = 0;
        let mut attempt = 0;
        let mut log = Vec::new();
        loop {
            writer.begin()?;
            let written = self
                .settle(writer, &mut batch, &mut conflicts, attempt, observer)
                .and_then(|settled| {
                    if !settled {
                        return Ok(None);
                    }
                    let batch = std::mem::replace(&mut batch, Batch::empty());
                    self.write_settled(writer, batch, conflicts, &mut log)
                        .map(Some)
                });
            match written {
                Ok(Some((run, failures, cut))) => {
                    writer.commit()?;
                    self.remember(run, failures);
                    for line in &log {
                        observer.logged(line);
                    }
                    return Ok(cut);
                }
                Ok(None) => {
                    // What was lost is transformed again without the lock.
                    writer.rollback()?;
                    self.again(&mut batch, observer)?;
                    attempt += 1;
                }
                Err(error) => {
                    writer.rollback()?;
                    return Err(error);
                }
            }
        }
    }

    fn write_settled(
        &mut self,
        writer: &mut dyn Writer,
        mut batch: Batch,
        conflicts: u64,
        log: &mut Vec<LogLine>,
    ) -> Result<(Run, Vec<DocumentFailure>, Option<Checkpoint>), RunError> {
        let mut run = self.run.clone();
        run.state = RunState::Running;
        run.counters.conflicts += conflicts;
        *log = std::mem::take(&mut batch.log);
        count_warnings(log, &mut run);
        let mut failures = Vec::new();
        let cut = self.apply(&mut Real::new(writer), batch, &mut run, &mut failures)?;
        writer.save_run(&mut run)?;
        if let Some(id) = run.id {
            for failure in &failures {
                writer.quarantine(id, failure)?;
            }
        }
        Ok((run, failures, cut))
    }

    /// Makes sure, under the write lock, that the batch still is what was read. False: some of it is
    /// not, and has to be transformed again.
    fn settle(
        &mut self,
        writer: &mut dyn Writer,
        batch: &mut Batch,
        conflicts: &mut u64,
        attempt: u32,
        observer: &mut dyn Observer,
    ) -> Result<bool, RunError> {
        let Some(mark) = batch.mark else {
            return Ok(true);
        };
        if !writer.changed_since(mark)? {
            return Ok(true);
        }
        let lost = self.lost(writer, batch, conflicts)?;
        batch.mark = Some(writer.mark()?);
        // What was looked up may have changed as well.
        if !lost && !batch.looked_up {
            return Ok(true);
        }
        if attempt < ATTEMPTS {
            return Ok(false);
        }
        self.again(batch, observer)?;
        Ok(true)
    }

    /// Replaces the documents that others have changed by what they are now, and takes out those that
    /// are gone or do not meet the filter any more. Tells whether there were any.
    fn lost(
        &self,
        writer: &mut dyn Writer,
        batch: &mut Batch,
        conflicts: &mut u64,
    ) -> Result<bool, RunError> {
        let mut kept = Batch {
            mark: batch.mark,
            looked_up: batch.looked_up,
            last: batch.last.take(),
            log: std::mem::take(&mut batch.log),
            ..Batch::empty()
        };
        let mut unreadable = std::mem::take(&mut batch.unreadable).into_iter().peekable();
        let mut lost = false;
        for (index, (document, outcome)) in batch
            .documents
            .drain(..)
            .zip(batch.outcomes.drain(..))
            .enumerate()
        {
            while let Some((_, row)) = unreadable.next_if(|(before, _)| *before <= index) {
                kept.unreadable.push((kept.documents.len(), row));
            }
            let again = writer.again(&self.scope.table, &document)?;
            if again != Again::Same {
                lost = true;
                *conflicts += 1;
            }
            match again {
                Again::Same => {
                    kept.documents.push(document);
                    kept.outcomes.push(outcome);
                }
                Again::Changed(now) => {
                    if self.filter.matches(&now.body).unwrap_or(true) {
                        kept.documents.push(now);
                        kept.outcomes.push(Outcome::Skip(String::new()));
                    }
                }
                Again::Unreadable(row) => kept.unreadable.push((kept.documents.len(), row)),
                Again::Gone => {}
            }
        }
        kept.unreadable
            .extend(unreadable.map(|(_, row)| (kept.documents.len(), row)));
        *batch = kept;
        Ok(lost)
    }

    /// Has a batch transformed again, in a snapshot of its own.
    fn again(&mut self, batch: &mut Batch, observer: &mut dyn Observer) -> Result<(), RunError> {
        lock(&self.reader).begin()?;
        let (transformed, looked_up) = self.transform(&batch.documents, observer)?;
        lock(&self.reader).end()?;
        batch.outcomes = transformed.outcomes;
        batch.log = transformed.log;
        batch.looked_up = looked_up;
        Ok(())
    }

    /// Carries a batch's outcomes out, and counts them. Returns where it ended if it did before its last
    /// document: at one that an earlier document of the batch has changed.
    fn apply(
        &self,
        sink: &mut dyn Sink,
        batch: Batch,
        run: &mut Run,
        failures: &mut Vec<DocumentFailure>,
    ) -> Result<Option<Checkpoint>, RunError> {
        let mut touched: HashSet<String> = HashSet::new();
        let mut unreadable = batch.unreadable.into_iter().peekable();
        let mut previous: Option<Checkpoint> = None;
        let mut count = |effect: Effect, id: &str, run: &mut Run| {
            run.counters.total += 1;
            run.counters.inserted += effect.inserted;
            match effect.verdict {
                Verdict::Skipped(reason) => run.counters.skip(&reason),
                Verdict::Updated => run.counters.updated += 1,
                Verdict::Deleted => run.counters.deleted += 1,
                Verdict::Failed(failure) => {
                    run.counters.failed += 1;
                    failures.push(DocumentFailure {
                        table: self.scope.table.name.clone(),
                        id: id.to_owned(),
                        failure,
                    });
                }
            }
        };
        let documents = batch.documents.into_iter().zip(batch.outcomes);
        for (index, (document, outcome)) in documents.enumerate() {
            while let Some((_, row)) = unreadable.next_if(|(before, _)| *before <= index) {
                count(Effect::failed(row.failure), &row.id, run);
            }
            if touched.contains(&document.id) {
                run.checkpoint.clone_from(&previous);
                return Ok(previous);
            }
            let mut effect = apply::carry_out(&self.scope, sink, &document, outcome)?;
            touched.extend(std::mem::take(&mut effect.touched));
            count(effect, &document.id, run);
            previous = Some(Checkpoint {
                place: document.place,
                id: document.id,
            });
        }
        for (_, row) in unreadable {
            count(Effect::failed(row.failure), &row.id, run);
        }
        if batch.last.is_some() {
            run.checkpoint = batch.last;
        }
        Ok(None)
    }

    /// Takes over what a batch has become.
    fn remember(&mut self, run: Run, failures: Vec<DocumentFailure>) {
        self.run = run;
        let room = SHOWN_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(failures.into_iter().take(room));
    }

    /// Writes down that the run could not go on, if it has begun. If even that fails, the ledger keeps
    /// it as running, and the next run goes on with it all the same.
    fn give_up(&mut self) {
        if let (Some(writer), true) = (&mut self.writer, self.run.id.is_some()) {
            let mut run = self.run.clone();
            run.state = RunState::Failed;
            let _: Result<(), StoreError> = writer.begin().and_then(|()| {
                writer.save_run(&mut run)?;
                writer.commit().map(|_| ())
            });
        }
    }
}

impl Batch {
    fn empty() -> Self {
        Self {
            documents: Vec::new(),
            outcomes: Vec::new(),
            unreadable: Vec::new(),
            mark: None,
            looked_up: false,
            log: Vec::new(),
            last: None,
        }
    }
}

fn count_warnings(log: &[LogLine], run: &mut Run) {
    for line in log.iter().filter(|line| line.level == Level::Warn) {
        run.counters.warn(&line.message);
    }
}

/// The earlier run that this one goes on with; None where it begins anew.
fn resumable(job: &Job<'_>, earlier: Option<Run>) -> Result<Option<Run>, RunError> {
    let Some(earlier) = earlier else {
        return Ok(None);
    };
    if earlier.state == RunState::Finished || job.restart {
        return Ok(None);
    }
    let difference = if earlier.plugin != job.plugin.sha256 {
        "other plugin bytes"
    } else if earlier.parameters != job.parameters {
        "other parameters"
    } else {
        return Ok(Some(earlier));
    };
    match (earlier.state, earlier.id) {
        // It has done all that it was asked to do.
        (RunState::Limited, _) | (_, None) => Ok(None),
        (state, Some(run)) => Err(RunError::Unfinished {
            run,
            migration: earlier.migration,
            table: earlier.table,
            state: state.name(),
            difference,
        }),
    }
}

/// Finds a checkpoint's place again, which VACUUM may have numbered anew. If its document is gone, the
/// place is taken as it was.
fn refind(reader: &SharedReader, table: &Table, point: &mut Checkpoint) -> Result<(), StoreError> {
    if matches!(point.place, Place::Row(_))
        && let Some(place) = lock(reader).place_of(table, &point.id)?
    {
        point.place = place;
    }
    Ok(())
}

/// The time, in milliseconds since the Unix epoch.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
