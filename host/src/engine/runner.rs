//! The loop that joins reading, transforming and writing.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::courtesy::Courtesy;
use super::error::RunError;
use super::journal::Journal;
use super::observer::{Observer, Progress};
use super::refind::{Refound, Step, step_back};
use super::report::Report;
use super::retry::Quarantined;
use super::revert::{self, Logged};
use super::side_by_side::{SideBySide, workers};
use super::source::{Clock, InTurn, Lap, Source};
use super::start::{Started, start};
use super::task::{Over, once};
use super::{Job, Task, now};
use crate::ledger::{
    Checkpoint, Counters, DocumentFailure, Lease, Run, RunState, SHOWN_FAILURES, Tally,
};
use crate::plugin::world::lock;
use crate::store::{Mark, Range, StoreError, in_transaction};

/// How many bytes of bodies a batch has at the most, but for a single larger document.
pub(super) const BATCH_BYTES: usize = 4 << 20;

/// How many documents the first batch has; later ones grow and shrink by the time that they hold the lock.
const FIRST_BATCH: usize = 500;

/// How many further laps there are at the most while others keep writing.
const LAPS: u32 = 10;

/// How many sweeps in a row may find nothing while others write. What they wrote may lie behind the sweep, but where
/// they never rest there is no sweep that could tell.
const SWEEPS_IN_VAIN: u32 = 3;

pub(super) struct Runner<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) started: Started<'a>,
    pub(super) clock: Clock,
    /// How many documents the next batch should have.
    pub(super) size: AtomicUsize,
    /// What became of documents that were tried again. They are counted in the run, too.
    pub(super) tried: Tally,
    /// The first failures.
    pub(super) failures: Vec<DocumentFailure>,
    pub(super) advised: HashSet<String>,
    pub(super) began: Instant,
    pub(super) courtesy: Courtesy,
    pub(super) journal: Journal,
    /// When the claim to the table was written down last.
    pub(super) renewed: Instant,
    /// How long the last batch held the lock.
    pub(super) held: Duration,
    /// When the run's working time was last added up.
    pub(super) counted_until: Instant,
    /// Documents that this process has handled.
    pub(super) handled: u64,
    pub(super) looked_at: u64,
    /// How long earlier processes worked on the run, and this one until [`Runner::counted_until`].
    pub(super) worked_before: u64,
    /// The run has changed other documents of its table than the one at hand. Reading ahead is in vain.
    pub(super) changes_own: bool,
    /// Triggers or foreign keys change more than the documents at hand. Reading ahead would read too early.
    pub(super) rippled: bool,
    /// Why it ended before its end, where nobody asked for it.
    pub(super) why: Option<String>,
}

/// How a lap ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ended {
    /// It went over all of its part.
    There,
    /// A document has changed others of its table, which may have been read already: the rest of the part
    /// must be read anew, from this place on.
    Cut(Option<Checkpoint>),
    /// The run is over for now.
    With(RunState),
}

/// What a lap is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The table, or what was added at its end: the checkpoint moves.
    Forward,
    /// The whole table once more, for documents that came to meet the filter behind the checkpoint. What
    /// is skipped again or has failed in this run is not counted again.
    Sweep,
    /// Failed documents, once more: they are counted already.
    Again,
    /// The documents of a run that is taken back.
    Back,
}

impl Purpose {
    /// Whether the ledger names the documents.
    pub fn has_names(self) -> bool {
        matches!(self, Self::Again | Self::Back)
    }
}

impl<'a> Runner<'a> {
    pub fn start(job: &'a Job<'a>) -> Result<Self, RunError> {
        let mut started = start(job)?;
        let size = if started.one_by_one {
            1
        } else {
            job.pace.batch_size.clamp(1, FIRST_BATCH)
        };
        let clock = Clock::default();
        if let Some(mark) = started.mark {
            clock.seen(mark);
        }
        let failures = std::mem::take(&mut started.failures);
        let worked_before = started.run.pace.worked;
        let table = &started.scope.table.name;
        let journal = Journal::new(table, job.stages.first().plugin.limits(), Instant::now());
        Ok(Self {
            job,
            started,
            clock,
            size: AtomicUsize::new(size),
            tried: Tally::default(),
            failures,
            advised: HashSet::new(),
            began: Instant::now(),
            courtesy: Courtesy::default(),
            journal,
            renewed: Instant::now(),
            held: Duration::ZERO,
            counted_until: Instant::now(),
            handled: 0,
            looked_at: 0,
            worked_before,
            changes_own: false,
            rippled: false,
            why: None,
        })
    }

    /// Runs to the end, or to where it must stop.
    pub fn run(mut self, observer: &mut dyn Observer) -> Result<Report, RunError> {
        let ended = self.laps(observer).and_then(|state| {
            self.close(state)?;
            Ok(state)
        });
        match ended {
            Ok(state) => {
                let report = Report::of(
                    &self.started.run,
                    self.counted(),
                    state,
                    self.job.dry_run,
                    self.failures,
                    self.began.elapsed(),
                    self.why,
                );
                self.journal.ended(&report);
                Ok(report)
            }
            // The record is another process's by now.
            Err(
                error @ (RunError::TakenOver { .. }
                | RunError::Busy { .. }
                | RunError::Applied { .. }),
            ) => Err(error),
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// What was counted of the documents that this job is about.
    pub(super) fn counters(&self) -> &Counters {
        match self.started.over {
            Over::Quarantine { .. } => &self.tried.run,
            Over::Table | Over::UndoLog(_) => &self.started.run.counters,
        }
    }

    /// The same, and what was counted at each stage.
    fn counted(&self) -> Tally {
        match self.started.over {
            Over::Quarantine { .. } => self.tried.clone(),
            Over::Table | Over::UndoLog(_) => self.started.run.tally(),
        }
    }

    /// How the run stands while this process works on it, or has done so. Trying its failed documents again
    /// changes nothing about how far it has come.
    pub(super) fn standing(&self, state: RunState) -> RunState {
        match self.started.over {
            Over::Quarantine { .. } => self.started.run.state,
            Over::Table | Over::UndoLog(_) => state,
        }
    }

    fn laps(&mut self, observer: &mut dyn Observer) -> Result<RunState, RunError> {
        match self.started.over {
            Over::Table => self.over_table(observer),
            Over::Quarantine { documents, .. } => {
                self.journal.began(&self.started.run, Some(documents));
                observer.started(Some(documents));
                self.over_names(Purpose::Again, observer)
            }
            Over::UndoLog(_) => {
                self.journal.began(&self.started.run, None);
                observer.started(None);
                self.over_names(Purpose::Back, observer)
            }
        }
    }

    /// Goes over documents that the ledger names.
    fn over_names(
        &mut self,
        purpose: Purpose,
        observer: &mut dyn Observer,
    ) -> Result<RunState, RunError> {
        loop {
            match self.lap(purpose, None, observer)? {
                Ended::With(state) => return Ok(state),
                Ended::There => return Ok(RunState::Finished),
                // What is left is named by the ledger.
                Ended::Cut(_) => {}
            }
        }
    }

    fn over_table(&mut self, observer: &mut dyn Observer) -> Result<RunState, RunError> {
        self.count(observer)?;
        let mut purpose = Purpose::Forward;
        let mut unswept = false;
        let mut in_vain = 0;
        // What others did between an earlier process and this one has been seen by nobody.
        let mut seen = self.started.run.id.is_none().then(|| self.clock.now());
        for lap in 0..=LAPS {
            let before = self.started.run.counters.total;
            let mut after = self
                .started
                .run
                .checkpoint
                .clone()
                .filter(|_| purpose == Purpose::Forward);
            loop {
                match self.lap(purpose, after, observer)? {
                    Ended::With(state) => return Ok(state),
                    Ended::There => break,
                    Ended::Cut(place) => after = place,
                }
            }
            let found = self.started.run.counters.total - before;
            // What others wrote in one lap may lie behind the next one, too.
            let mark = self.mark()?;
            let wrote = mark != seen;
            unswept = if purpose == Purpose::Forward {
                unswept || wrote
            } else {
                in_vain = if found > 0 { 0 } else { in_vain + 1 };
                wrote && in_vain < SWEEPS_IN_VAIN
            };
            match self.next_lap(purpose, wrote, unswept && lap < LAPS)? {
                Some(next) => purpose = next,
                None => break,
            }
            seen = mark;
        }
        Ok(if self.job.pace.sample.is_some() {
            RunState::Sampled
        } else {
            RunState::Finished
        })
    }

    /// The state that the store is in; None where nothing is written.
    fn mark(&mut self) -> Result<Option<Mark>, RunError> {
        let Some(writer) = &mut self.started.writer else {
            return Ok(None);
        };
        let mark = writer.mark()?;
        self.clock.seen(mark);
        Ok(Some(mark))
    }

    /// What there may be to do still: documents that others have added, or, if a sweep is due, changed.
    fn next_lap(
        &mut self,
        purpose: Purpose,
        wrote: bool,
        sweep: bool,
    ) -> Result<Option<Purpose>, RunError> {
        // What the run itself adds to its table is none of its business: it might never end.
        if self.job.dry_run || self.job.pace.sample.is_some() || self.started.run.trail.added_here {
            return Ok(None);
        }
        let table = &self.started.scope.table;
        let reader = &self.started.reader;
        let end = lock(reader).end_of(table)?;
        let run = &mut self.started.run;
        let tells = run.trail.tells_done(&self.started.scope.filter);
        if purpose == Purpose::Forward && wrote && end != run.until {
            // Documents that were added may stand where others stood that are gone.
            if !tells && step_back(reader, table, run)? == Step::Back {
                self.started.refound = Refound::SomeFailedBehind;
            }
            let behind = if tells { &run.until } else { &run.checkpoint };
            let range = Range {
                after: behind.as_ref().map(|point| &point.place),
                until: None,
            };
            if lock(reader).count(table, range)? > 0 {
                run.until = end;
                return Ok(Some(Purpose::Forward));
            }
        }
        if sweep && tells {
            run.until = end;
            return Ok(Some(Purpose::Sweep));
        }
        Ok(None)
    }

    /// Counts what is to be looked at, for those who watch.
    fn count(&mut self, observer: &mut dyn Observer) -> Result<(), RunError> {
        let run = &mut self.started.run;
        let wanted = observer.wants_count() || !self.job.dry_run;
        if wanted && run.pace.to_look_at.is_none() {
            // Nobody needs it exact, and without bounds the store can count faster.
            let range = Range {
                after: run.checkpoint.as_ref().map(|point| &point.place),
                until: None,
            };
            let counted = match run.until {
                Some(_) => lock(&self.started.reader).count(&self.started.scope.table, range)?,
                None => 0,
            };
            run.pace.to_look_at = Some(run.pace.looked_at + counted);
        }
        let left = run
            .pace
            .to_look_at
            .map(|all| all.saturating_sub(run.pace.looked_at));
        self.journal.began(run, left);
        observer.started(left);
        Ok(())
    }

    /// Goes over a part of the table.
    fn lap(
        &mut self,
        purpose: Purpose,
        after: Option<Checkpoint>,
        observer: &mut dyn Observer,
    ) -> Result<Ended, RunError> {
        let scope = Arc::clone(&self.started.scope);
        let stages = Arc::clone(&self.started.stages);
        let reader = Arc::clone(&self.started.reader);
        let size = AtomicUsize::new(self.size.load(Ordering::Relaxed));
        let clock = std::mem::take(&mut self.clock);
        let lap = Lap {
            store: self.job.store,
            stages: &stages,
            scope: &scope,
            sample: self.job.pace.sample,
            after,
            until: self.started.run.until.clone(),
            size: &size,
            bytes: BATCH_BYTES,
            left: self
                .job
                .pace
                .limit
                .map(|limit| limit.saturating_sub(self.handled)),
            limited: AtomicBool::new(false),
            clock: &clock,
        };
        let ended = match self.started.over {
            Over::Quarantine { run, part, .. } => {
                let mut source = Quarantined {
                    lap: &lap,
                    reader,
                    // Not the writer, which is busy with batches: and a dry run has none.
                    ledger: self.job.store.writer()?,
                    run,
                    part,
                };
                self.drain(&mut source, &lap, purpose, observer)
            }
            Over::UndoLog(run) => {
                let mut source = Logged {
                    lap: &lap,
                    reader,
                    ledger: self.job.store.writer()?,
                    run,
                    part: None,
                    ids: VecDeque::new(),
                };
                self.drain(&mut source, &lap, purpose, observer)
            }
            Over::Table if self.started.side_by_side && !self.changes_own && !self.rippled => {
                std::thread::scope(|threads| {
                    let workers = workers(self.job.pace.workers);
                    let mut source = SideBySide::start(threads, &lap, reader, workers)?;
                    self.drain(&mut source, &lap, purpose, observer)
                })
            }
            Over::Table => self.drain(&mut InTurn::new(&lap, reader), &lap, purpose, observer),
        };
        self.size = size;
        self.clock = clock;
        ended
    }

    /// Writes every batch of a source.
    fn drain(
        &mut self,
        source: &mut dyn Source,
        lap: &Lap<'_>,
        purpose: Purpose,
        observer: &mut dyn Observer,
    ) -> Result<Ended, RunError> {
        if let Some(writer) = &mut self.started.writer {
            writer.commit_ahead()?;
        }
        loop {
            if self.job.stop.load(Ordering::Relaxed) {
                return Ok(Ended::With(RunState::Interrupted));
            }
            let Some(mut batch) = source.next()? else {
                // Not the table's end, but the user's.
                let limited = lap.limited.load(Ordering::Relaxed) && !self.at_end(lap)?;
                return Ok(if limited {
                    Ended::With(RunState::Limited)
                } else {
                    Ended::There
                });
            };
            self.looked_at += batch.looked_at;
            // A run has looked at its failed documents already.
            if purpose != Purpose::Again {
                self.started.run.pace.looked_at += batch.looked_at;
            }
            for advice in &batch.advice {
                if self.advised.insert(advice.message.clone()) {
                    self.journal.advised(advice);
                }
            }
            let before = self.counters().total;
            let mut written = (None, None);
            match self.started.writer.take() {
                None => self.tally(&mut batch, purpose, observer)?,
                Some(mut writer) => {
                    let result = self.write(writer.as_mut(), lap, &mut batch, purpose);
                    self.started.writer = Some(writer);
                    written = result?;
                }
            }
            source.take_back(batch);
            let (request, cut) = written;
            let done = self.counters().total - before;
            self.handled += done;
            observer.advanced(Progress {
                looked_at: self.looked_at,
                counters: self.counters(),
            });
            if let Some(why) = self.too_many_failures() {
                self.why = Some(why);
                return Ok(Ended::With(RunState::Interrupted));
            }
            if let Some(state) = self.heed(request)? {
                return Ok(Ended::With(state));
            }
            self.rest(done, source)?;
            if cut.is_some() {
                return Ok(Ended::Cut(cut));
            }
        }
    }

    /// Whether nothing is left behind the checkpoint.
    fn at_end(&self, lap: &Lap<'_>) -> Result<bool, RunError> {
        let Some(until) = &lap.until else {
            return Ok(true);
        };
        let Some(checkpoint) = &self.started.run.checkpoint else {
            return Ok(false);
        };
        let range = Range {
            after: Some(&checkpoint.place),
            until: Some(&until.place),
        };
        Ok(lock(&self.started.reader).count(lap.table(), range)? == 0)
    }

    pub(super) fn remember(&mut self, run: Run, failures: Vec<DocumentFailure>) {
        self.started.run = run;
        let room = SHOWN_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(failures.into_iter().take(room));
    }

    /// Adds the time since it was last added up to the run's.
    pub(super) fn add_up(&self, run: &mut Run) {
        let worked = self.counted_until.elapsed().as_millis();
        run.pace.worked = self
            .worked_before
            .saturating_add(u64::try_from(worked).unwrap_or(u64::MAX));
    }

    /// Writes the run down in a transaction of its own.
    pub(super) fn save(&mut self, state: RunState) -> Result<(), RunError> {
        let standing = self.standing(state);
        let Some(writer) = &mut self.started.writer else {
            return Ok(());
        };
        let mut run = self.started.run.clone();
        run.state = standing;
        run.lease = Some(Lease::new(now()));
        in_transaction(writer.as_mut(), |writer| writer.save_run(&mut run))?;
        if state == RunState::Running {
            writer.commit_ahead()?;
        } else {
            writer.make_durable()?;
        }
        self.started.run = run;
        self.renewed = Instant::now();
        Ok(())
    }

    /// Writes down how the run ended, and gives the table free.
    fn close(&mut self, state: RunState) -> Result<(), RunError> {
        let untouched = self.started.run.lease.is_none();
        if untouched && matches!(self.started.over, Over::Quarantine { .. }) {
            // Nothing was tried, so there is nothing to write down.
            return Ok(());
        }
        let mut run = self.started.run.clone();
        self.add_up(&mut run);
        let standing = self.standing(state);
        let Some(writer) = &mut self.started.writer else {
            return Ok(());
        };
        run.state = standing;
        run.lease = None;
        run.ended = (!standing.goes_on()).then(now);
        in_transaction(writer.as_mut(), |writer| -> Result<_, RunError> {
            if run.id.is_none() {
                once(self.job, writer, &run.table)?;
            }
            writer.save_run(&mut run)?;
            if let (Task::Revert { run, .. }, RunState::Finished) = (&self.job.task, state) {
                revert::end(writer, *run)?;
            }
            if let Some(id) = run.id {
                writer.set_request(id, None)?;
            }
            Ok(())
        })?;
        writer.make_durable()?;
        self.started.run = run;
        Ok(())
    }

    /// Writes down that the run could not go on, if it has begun. If even that fails, the ledger keeps
    /// it as running, and the next run goes on with it all the same.
    fn give_up(&mut self) {
        let standing = self.standing(RunState::Failed);
        if let (Some(writer), true) = (&mut self.started.writer, self.started.run.id.is_some()) {
            let mut run = self.started.run.clone();
            run.state = standing;
            run.lease = None;
            let _: Result<(), StoreError> =
                in_transaction(writer.as_mut(), |writer| writer.save_run(&mut run))
                    .and_then(|()| writer.make_durable());
        }
    }
}
