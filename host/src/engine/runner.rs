//! The loop that joins reading, transforming and writing.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::apply::{self, Effect, Verdict};
use super::courtesy::Courtesy;
use super::error::RunError;
use super::observer::{Observer, Progress};
use super::report::Report;
use super::settle;
use super::sink::{Dry, Real, Sink};
use super::source::{Again, Batch, Clock, InTurn, Lap, SideBySide, Source, in_snapshot};
use super::start::{Started, others, start};
use super::transform::transform;
use super::{ATTEMPTS, Failures, Job, now};
use crate::ledger::{
    Checkpoint, DocumentFailure, Lease, Request, Run, RunId, RunState, SHOWN_FAILURES, lease, undo,
};
use crate::plugin::world::lock;
use crate::plugin::{Level, LogLine};
use crate::store::{Mark, Range, StoreError, Writer};

/// How many bytes of bodies a batch has at the most, but for a single larger document.
const BATCH_BYTES: usize = 4 << 20;

/// How many documents the first batch has; later ones grow and shrink by the time that they hold the lock.
const FIRST_BATCH: usize = 500;

/// How many further laps there are at the most while others keep writing.
const LAPS: u32 = 10;

/// How long a run waits at a time while it rests or is paused, before it looks around.
const GLANCE: Duration = Duration::from_millis(100);

/// From how many documents on a share of failures is judged.
const JUDGED_FROM: u64 = 100;

pub(super) struct Runner<'a> {
    job: &'a Job<'a>,
    started: Started,
    clock: Clock,
    /// How many documents the next batch should have.
    size: AtomicUsize,
    /// The first failures.
    failures: Vec<DocumentFailure>,
    advised: HashSet<String>,
    began: Instant,
    courtesy: Courtesy,
    /// How long the last batch held the lock.
    held: Duration,
    /// When the run's working time was last added up.
    counted_until: Instant,
    /// Documents that this process has handled.
    handled: u64,
    looked_at: u64,
    /// How long earlier processes worked on the run, and this one until [`Runner::counted_until`].
    worked_before: u64,
    /// The run has changed other documents of its table than the one at hand. Reading ahead is in vain.
    changes_own: bool,
    /// Triggers or foreign keys change more than the documents at hand. Reading ahead would read too early.
    rippled: bool,
    /// The run has added documents to its own table.
    inserted_here: bool,
    /// Why it ended before its end, where nobody asked for it.
    why: Option<String>,
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
enum Purpose {
    /// The table, or what was added at its end: the checkpoint moves.
    Forward,
    /// The whole table once more, for documents that came to meet the filter behind the checkpoint. What
    /// is skipped again or has failed in this run is not counted again.
    Sweep,
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
        if let Some(writer) = &mut started.writer {
            clock.seen(writer.mark()?);
        }
        let failures = std::mem::take(&mut started.failures);
        let worked_before = started.run.pace.worked;
        Ok(Self {
            job,
            started,
            clock,
            size: AtomicUsize::new(size),
            failures,
            advised: HashSet::new(),
            began: Instant::now(),
            courtesy: Courtesy::new(Instant::now()),
            held: Duration::ZERO,
            counted_until: Instant::now(),
            handled: 0,
            looked_at: 0,
            worked_before,
            changes_own: false,
            rippled: false,
            inserted_here: false,
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
            Ok(state) => Ok(Report::of(
                &self.started.run,
                state,
                self.job.dry_run,
                self.failures,
                self.began.elapsed(),
                self.why,
            )),
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    fn laps(&mut self, observer: &mut dyn Observer) -> Result<RunState, RunError> {
        self.count(observer)?;
        let mut purpose = Purpose::Forward;
        for lap in 0..=LAPS {
            let seen = self.clock.now();
            let before = self.started.run.counters.total;
            let mut after = match purpose {
                Purpose::Forward => self.started.run.checkpoint.clone(),
                Purpose::Sweep => None,
            };
            loop {
                match self.lap(purpose, after, observer)? {
                    Ended::With(state) => return Ok(state),
                    Ended::There => break,
                    Ended::Cut(place) => after = place,
                }
            }
            let found = self.started.run.counters.total - before;
            match self.next_lap(purpose, seen, found, lap)? {
                Some(next) => purpose = next,
                None => break,
            }
        }
        Ok(if self.job.pace.sample.is_some() {
            RunState::Sampled
        } else {
            RunState::Finished
        })
    }

    /// Whether there may be more to do: documents that others have inserted, or changed, meanwhile.
    fn next_lap(
        &mut self,
        purpose: Purpose,
        seen: Mark,
        found: u64,
        lap: u32,
    ) -> Result<Option<Purpose>, RunError> {
        let Some(writer) = &mut self.started.writer else {
            return Ok(None);
        };
        // What the run itself adds to its table is none of its business: it might never end.
        if self.job.pace.sample.is_some() || self.inserted_here {
            return Ok(None);
        }
        let mark = writer.mark()?;
        if mark == seen {
            return Ok(None);
        }
        self.clock.seen(mark);
        let table = &self.started.scope.table;
        let end = lock(&self.started.reader).end_of(table)?;
        if purpose == Purpose::Forward && end != self.started.run.until {
            let more = match &self.started.run.until {
                None => end.is_some(),
                Some(until) => {
                    let behind = Range {
                        after: Some(&until.place),
                        until: None,
                    };
                    lock(&self.started.reader).count(table, behind)? > 0
                }
            };
            if more {
                self.started.run.until = end;
                return Ok(Some(Purpose::Forward));
            }
        }
        // Without a filter nothing tells a document that was done from one that was not.
        let sweep = !self.started.filter.clauses().is_empty()
            && (purpose == Purpose::Forward || found > 0)
            && lap < LAPS;
        if sweep {
            self.started.run.until = end;
        }
        Ok(sweep.then_some(Purpose::Sweep))
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
        let table = Arc::clone(&self.started.scope.table);
        let filter = self.started.filter.clone();
        let world = self.started.world.clone();
        let reader = Arc::clone(&self.started.reader);
        let size = AtomicUsize::new(self.size.load(Ordering::Relaxed));
        let clock = std::mem::take(&mut self.clock);
        let lap = Lap {
            store: self.job.store,
            plugin: self.job.plugin,
            table: &table,
            filter: &filter,
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
        let ended = if self.started.side_by_side && !self.changes_own && !self.rippled {
            std::thread::scope(|scope| {
                let workers = self.job.pace.workers.max(1);
                let mut source = SideBySide::start(scope, &lap, &world, workers)?;
                self.drain(&mut source, &lap, purpose, observer)
            })
        } else {
            self.drain(
                &mut InTurn::new(&lap, world, reader),
                &lap,
                purpose,
                observer,
            )
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
        loop {
            if self.job.stop.load(Ordering::Relaxed) {
                return Ok(Ended::With(RunState::Interrupted));
            }
            let Some(batch) = source.next()? else {
                // Not the table's end, but the user's.
                let limited = lap.limited.load(Ordering::Relaxed) && !self.at_end(lap)?;
                return Ok(if limited {
                    Ended::With(RunState::Limited)
                } else {
                    Ended::There
                });
            };
            self.looked_at += batch.looked_at;
            self.started.run.pace.looked_at += batch.looked_at;
            for advice in &batch.advice {
                if self.advised.insert(advice.message.clone()) {
                    observer.advised(advice);
                }
            }
            let before = self.started.run.counters.total;
            let mut written = (None, None);
            match self.started.writer.take() {
                None => self.tally(batch, observer)?,
                Some(mut writer) => {
                    let result = self.write(writer.as_mut(), lap, batch, purpose, observer);
                    self.started.writer = Some(writer);
                    written = result?;
                }
            }
            let (request, cut) = written;
            let done = self.started.run.counters.total - before;
            self.handled += done;
            observer.advanced(Progress {
                looked_at: self.looked_at,
                counters: &self.started.run.counters,
            });
            if let Some(why) = self.too_many_failures() {
                self.why = Some(why);
                return Ok(Ended::With(RunState::Interrupted));
            }
            if let Some(state) = self.heed(request, observer)? {
                return Ok(Ended::With(state));
            }
            self.rest(done)?;
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
        Ok(lock(&self.started.reader).count(lap.table, range)? == 0)
    }

    /// Why the failures are too many, if they are.
    fn too_many_failures(&self) -> Option<String> {
        let counters = &self.started.run.counters;
        match self.job.pace.failures {
            Failures::Quarantine => None,
            Failures::Number(most) => (counters.failed > most)
                .then(|| format!("{} documents failed, and {most} may", counters.failed)),
            Failures::Share(most) => {
                // Counts are far below 2^53.
                #[expect(clippy::cast_precision_loss)]
                let share = counters.failed as f64 / counters.total.max(1) as f64;
                (counters.total >= JUDGED_FROM && share > most).then(|| {
                    format!(
                        "{} of {} documents failed, and {}% may",
                        counters.failed,
                        counters.total,
                        most * 100.0
                    )
                })
            }
        }
    }

    /// Does what another process asks for.
    fn heed(
        &mut self,
        request: Option<Request>,
        observer: &mut dyn Observer,
    ) -> Result<Option<RunState>, RunError> {
        match request {
            None => Ok(None),
            Some(Request::Cancel) => Ok(Some(RunState::Cancelled)),
            Some(Request::Pause) => {
                observer.paused(true);
                self.save(RunState::Paused)?;
                let mut renewed = Instant::now();
                let ended = loop {
                    if self.job.stop.load(Ordering::Relaxed) {
                        break Some(RunState::Interrupted);
                    }
                    match self.request()? {
                        None => break None,
                        Some(Request::Cancel) => break Some(RunState::Cancelled),
                        Some(Request::Pause) => std::thread::sleep(GLANCE),
                    }
                    if renewed.elapsed() >= lease::RENEWAL {
                        self.save(RunState::Paused)?;
                        renewed = Instant::now();
                    }
                };
                // Time in which it rested is no work.
                self.worked_before = self.started.run.pace.worked;
                self.counted_until = Instant::now();
                if ended.is_none() {
                    self.save(RunState::Running)?;
                }
                observer.paused(false);
                Ok(ended)
            }
        }
    }

    fn request(&mut self) -> Result<Option<Request>, RunError> {
        match (&mut self.started.writer, self.started.run.id) {
            (Some(writer), Some(id)) => Ok(writer.request(id)?),
            _ => Ok(None),
        }
    }

    /// Rests between batches, as long as the user wants and as other writers need.
    fn rest(&mut self, done: u64) -> Result<(), RunError> {
        let mut rest = self.job.pace.pause;
        if !self.job.dry_run {
            rest = rest.max(self.courtesy.rest(Instant::now(), self.held));
        }
        if let Some(rate) = self.job.pace.rate {
            // Counts are far below 2^53.
            #[expect(clippy::cast_precision_loss)]
            let due =
                Duration::try_from_secs_f64(self.handled as f64 / rate).unwrap_or(Duration::MAX);
            rest = rest.max(due.saturating_sub(self.began.elapsed()));
        }
        if done == 0 {
            return Ok(());
        }
        let until = Instant::now().checked_add(rest);
        let mut renewed = Instant::now();
        while !self.job.stop.load(Ordering::Relaxed) {
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            // Whoever asks for a pause or an end must not wait for a slow rate.
            if left.is_zero() || (left > GLANCE && self.request()?.is_some()) {
                return Ok(());
            }
            std::thread::sleep(left.min(GLANCE));
            if renewed.elapsed() >= lease::RENEWAL {
                self.save(RunState::Running)?;
                renewed = Instant::now();
            }
        }
        Ok(())
    }

    /// Counts what a batch would do.
    fn tally(&mut self, batch: Batch, observer: &mut dyn Observer) -> Result<(), RunError> {
        for line in &batch.log {
            observer.logged(line);
        }
        let reader = Arc::clone(&self.started.reader);
        lock(&reader).begin()?;
        let mut run = self.started.run.clone();
        let mut failures = Vec::new();
        let mut sink = Dry::new(&reader, observer);
        self.apply(&mut sink, batch, Purpose::Forward, &mut run, &mut failures)?;
        lock(&reader).end()?;
        self.remember(run, failures);
        Ok(())
    }

    /// Writes a batch, its undo log, its counters and its checkpoint in one transaction. Returns what others
    /// ask for, and where the batch was cut if it was.
    fn write(
        &mut self,
        writer: &mut dyn Writer,
        lap: &Lap<'_>,
        mut batch: Batch,
        purpose: Purpose,
        observer: &mut dyn Observer,
    ) -> Result<(Option<Request>, Option<Checkpoint>), RunError> {
        let mut conflicts = 0;
        let mut attempt = 0;
        let last = batch.last.clone();
        loop {
            writer.begin()?;
            let done = self.attempt(writer, lap, &mut batch, purpose, &mut conflicts, attempt);
            match done {
                Ok(Some(written)) => {
                    let held = writer.commit()?;
                    let request = written.request;
                    let mut cut = written.applied.cut.clone();
                    if cut.is_none() && written.rippled && !self.rippled {
                        // What was read ahead may have been changed by it.
                        cut.clone_from(&last);
                    }
                    for line in self.written(lap, held, written) {
                        observer.logged(&line);
                    }
                    return Ok((request, cut));
                }
                Ok(None) => {
                    // What was lost is transformed again without the lock.
                    writer.rollback()?;
                    self.again(&mut batch)?;
                    attempt += 1;
                }
                Err(error) => {
                    writer.rollback()?;
                    return Err(error);
                }
            }
        }
    }

    /// Tries to write a batch within the transaction in hand. None: some of it was lost to another
    /// writer.
    fn attempt(
        &mut self,
        writer: &mut dyn Writer,
        lap: &Lap<'_>,
        batch: &mut Batch,
        purpose: Purpose,
        conflicts: &mut u64,
        attempt: u32,
    ) -> Result<Option<Written>, RunError> {
        let mut run = self.started.run.clone();
        self.claim(writer, &mut run)?;
        let request = match run.id {
            Some(id) => writer.request(id)?,
            None => None,
        };
        let mark = writer.mark()?;
        if lap.clock.now() != mark {
            self.courtesy.others_wrote(Instant::now());
        }
        lap.clock.seen(mark);
        if batch.read != mark {
            let lost = settle::compare(writer, lap.table, &self.started.filter, batch)?;
            *conflicts += lost.documents;
            batch.read = mark;
            let world = self.started.world.clone();
            let holds = batch.asked.is_empty()
                || in_snapshot(&world, || {
                    Ok(settle::answers_hold(
                        batch,
                        &world,
                        self.job.plugin.limits(),
                    ))
                })?;
            if !holds {
                batch.again = Again::All;
            } else {
                batch.again = Again::Some(lost.again);
            }
            if batch.again != Again::Some(Vec::new()) {
                if attempt < ATTEMPTS {
                    return Ok(None);
                }
                self.again(batch)?;
            }
        }
        if purpose == Purpose::Sweep {
            self.leave_failed(writer, batch, run.id)?;
        }
        run.state = RunState::Running;
        run.counters.conflicts += *conflicts;
        let log = std::mem::take(&mut batch.log);
        for line in log.iter().filter(|line| line.level == Level::Warn) {
            run.counters.warn(&line.message);
        }
        let batch = std::mem::replace(batch, Batch::empty(mark));
        let mut failures = Vec::new();
        let mut sink = Real::new(writer);
        let applied = self.apply(&mut sink, batch, purpose, &mut run, &mut failures)?;
        let rippled = sink.has_rippled();
        let entries = sink.into_undo();
        self.add_up(&mut run);
        writer.save_run(&mut run)?;
        if let Some(id) = run.id {
            for failure in &failures {
                writer.quarantine(id, failure)?;
            }
            if !entries.is_empty() {
                writer.save_undo(id, &undo::encode(&entries)?)?;
            }
        }
        Ok(Some(Written {
            run,
            failures,
            applied,
            request,
            log,
            rippled,
        }))
    }

    /// Makes sure that this process, and no other, works on the table.
    fn claim(&self, writer: &mut dyn Writer, run: &mut Run) -> Result<(), RunError> {
        match (run.id, &run.lease) {
            // Its claim may have ended while a plugin took its time, and another may have taken over.
            (Some(id), Some(_)) => {
                let held = writer.run(id)?.and_then(|run| run.lease);
                if held.is_none_or(|lease| lease.holder != crate::ledger::Holder::this()) {
                    return Err(RunError::TakenOver { run: id });
                }
            }
            _ => {
                if let Some(error) = others(writer, &self.started.scope.table.name)? {
                    return Err(error);
                }
            }
        }
        run.lease = Some(Lease::new(now()));
        Ok(())
    }

    /// Takes out of a sweep's batch what has failed in this run already.
    fn leave_failed(
        &self,
        writer: &mut dyn Writer,
        batch: &mut Batch,
        run: Option<RunId>,
    ) -> Result<(), RunError> {
        let (Some(run), true) = (run, self.started.run.counters.failed > 0) else {
            return Ok(());
        };
        let table = &self.started.scope.table.name;
        let mut left = Batch::empty(batch.read);
        let documents = std::mem::take(&mut batch.documents);
        let outcomes = std::mem::take(&mut batch.outcomes);
        for (document, outcome) in documents.into_iter().zip(outcomes) {
            if !writer.is_quarantined(run, table, &document.id)? {
                left.documents.push(document);
                left.outcomes.push(outcome);
            }
        }
        for (_, row) in std::mem::take(&mut batch.unreadable) {
            if !writer.is_quarantined(run, table, &row.id)? {
                left.unreadable.push((left.documents.len(), row));
            }
        }
        batch.documents = left.documents;
        batch.outcomes = left.outcomes;
        batch.unreadable = left.unreadable;
        Ok(())
    }

    /// Has what was lost transformed again, in a snapshot of its own.
    fn again(&self, batch: &mut Batch) -> Result<(), RunError> {
        let world = &self.started.world;
        let again = std::mem::take(&mut batch.again);
        let documents: Vec<_> = match &again {
            Again::All => std::mem::take(&mut batch.documents),
            Again::Some(indexes) => indexes
                .iter()
                .filter_map(|index| batch.documents.get(*index).cloned())
                .collect(),
        };
        let answer = in_snapshot(world, || transform(self.job.plugin, world, &documents))?;
        match again {
            Again::All => {
                batch.documents = documents;
                batch.outcomes = answer.outcomes;
                batch.asked = answer.asked;
                batch.log = answer.log;
            }
            Again::Some(indexes) => {
                for (index, outcome) in indexes.into_iter().zip(answer.outcomes) {
                    if let Some(place) = batch.outcomes.get_mut(index) {
                        *place = outcome;
                    }
                }
                batch.asked.extend(answer.asked);
                batch.log.extend(answer.log);
            }
        }
        Ok(())
    }

    /// Carries a batch's outcomes out, and counts them.
    ///
    /// It ends behind a document that changes others of its table: they may stand further on, in this batch
    /// or in those that were read ahead, and what is read must not depend on the size of batches.
    fn apply(
        &self,
        sink: &mut dyn Sink,
        mut batch: Batch,
        purpose: Purpose,
        run: &mut Run,
        failures: &mut Vec<DocumentFailure>,
    ) -> Result<Applied, RunError> {
        let scope = &self.started.scope;
        let mut unreadable = std::mem::take(&mut batch.unreadable).into_iter().peekable();
        let mut previous: Option<Checkpoint> = None;
        let mut count = |effect: Effect, id: &str, run: &mut Run| {
            let counters = &mut run.counters;
            counters.inserted += effect.inserted;
            match effect.verdict {
                // It was counted when the run came by for the first time.
                Verdict::Skipped(_) if purpose == Purpose::Sweep => return,
                Verdict::Skipped(reason) => counters.skip(&reason),
                Verdict::Updated => counters.updated += 1,
                Verdict::Deleted => counters.deleted += 1,
                Verdict::Failed(failure) => {
                    counters.failed += 1;
                    failures.push(DocumentFailure {
                        table: scope.table.name.clone(),
                        id: id.to_owned(),
                        failure,
                    });
                }
            }
            counters.total += 1;
        };
        let documents = std::mem::take(&mut batch.documents);
        let outcomes = std::mem::take(&mut batch.outcomes);
        for (index, (document, outcome)) in documents.into_iter().zip(outcomes).enumerate() {
            while let Some((_, row)) = unreadable.next_if(|(before, _)| *before <= index) {
                count(Effect::failed(row.failure), &row.id, run);
            }
            // The first document was compared with the store when the transaction began.
            if let (true, Some(cut)) = (sink.has_rippled(), &previous)
                && !sink.is_still(&scope.table, &document)?
            {
                return Ok(cut_at(cut.clone(), purpose, run, false));
            }
            let effect = apply::carry_out(scope, sink, &document, outcome)?;
            let (changes_own, inserted) = (effect.changes_own, effect.inserted > 0);
            count(effect, &document.id, run);
            let here = Checkpoint {
                place: document.place,
                id: document.id,
            };
            if changes_own && !self.job.dry_run {
                return Ok(cut_at(here, purpose, run, inserted));
            }
            previous = Some(here);
        }
        for (_, row) in unreadable {
            count(Effect::failed(row.failure), &row.id, run);
        }
        if batch.last.is_some() && purpose == Purpose::Forward {
            run.checkpoint = batch.last;
        }
        Ok(Applied::default())
    }

    /// Takes over what a batch has become, once it is committed.
    fn written(&mut self, lap: &Lap<'_>, held: Duration, written: Written) -> Vec<LogLine> {
        let cut = written.applied.cut.is_some();
        self.changes_own |= cut;
        self.rippled |= written.rippled;
        self.inserted_here |= written.applied.inserted;
        self.remember(written.run, written.failures);
        self.held = held;
        let pace = &mut self.started.run.pace;
        let milliseconds = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
        pace.longest_lock = pace.longest_lock.max(milliseconds);
        if !self.started.one_by_one {
            let size = lap.size.load(Ordering::Relaxed);
            let pace = &self.job.pace;
            // What is read behind a cut is read for nothing: the next batch begins small.
            let most = self.courtesy.max_lock(Instant::now(), pace.max_lock);
            let next = if cut {
                1
            } else {
                next_size(size, held, most, pace.batch_size)
            };
            lap.size.store(next, Ordering::Relaxed);
        }
        written.log
    }

    fn remember(&mut self, run: Run, failures: Vec<DocumentFailure>) {
        self.started.run = run;
        let room = SHOWN_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(failures.into_iter().take(room));
    }

    /// Adds the time since it was last added up to the run's.
    fn add_up(&self, run: &mut Run) {
        let worked = self.counted_until.elapsed().as_millis();
        run.pace.worked = self
            .worked_before
            .saturating_add(u64::try_from(worked).unwrap_or(u64::MAX));
    }

    /// Writes the run down in a transaction of its own.
    fn save(&mut self, state: RunState) -> Result<(), RunError> {
        let Some(writer) = &mut self.started.writer else {
            return Ok(());
        };
        let mut run = self.started.run.clone();
        run.state = state;
        run.lease = Some(Lease::new(now()));
        writer.begin()?;
        writer.save_run(&mut run)?;
        writer.commit()?;
        self.started.run = run;
        Ok(())
    }

    /// Writes down how the run ended, and gives the table free.
    fn close(&mut self, state: RunState) -> Result<(), RunError> {
        let mut run = self.started.run.clone();
        self.add_up(&mut run);
        let Some(writer) = &mut self.started.writer else {
            return Ok(());
        };
        run.state = state;
        run.lease = None;
        run.ended = (!state.goes_on()).then(now);
        writer.begin()?;
        writer.save_run(&mut run)?;
        if let Some(id) = run.id {
            writer.set_request(id, None)?;
        }
        writer.commit()?;
        self.started.run = run;
        Ok(())
    }

    /// Writes down that the run could not go on, if it has begun. If even that fails, the ledger keeps
    /// it as running, and the next run goes on with it all the same.
    fn give_up(&mut self) {
        if let (Some(writer), true) = (&mut self.started.writer, self.started.run.id.is_some()) {
            let mut run = self.started.run.clone();
            run.state = RunState::Failed;
            run.lease = None;
            let _: Result<(), StoreError> = writer.begin().and_then(|()| {
                writer.save_run(&mut run)?;
                writer.commit().map(|_| ())
            });
        }
    }
}

/// Ends a batch behind a document.
fn cut_at(place: Checkpoint, purpose: Purpose, run: &mut Run, inserted: bool) -> Applied {
    if purpose == Purpose::Forward {
        run.checkpoint = Some(place.clone());
    }
    Applied {
        cut: Some(place),
        inserted,
    }
}

/// How many documents the next batch should have, so that it holds the lock about as long as it may.
///
/// It grows by half at the most, since the next documents may be heavier, and shrinks at once.
fn next_size(size: usize, held: Duration, most: Duration, limit: usize) -> usize {
    /// The part of the time that is aimed at: what is measured scatters.
    const AIM: f64 = 0.7;
    let factor = (most.as_secs_f64() * AIM / held.as_secs_f64().max(1e-6)).clamp(0.1, 1.5);
    // Sizes are far below 2^53, and the factor is neither negative nor large.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss
    )]
    let next = (size as f64 * factor).ceil() as usize;
    next.clamp(1, limit.max(1))
}

/// What a transaction holds that has not been committed yet.
struct Written {
    run: Run,
    failures: Vec<DocumentFailure>,
    applied: Applied,
    request: Option<Request>,
    log: Vec<LogLine>,
    /// Triggers or foreign keys have changed more than the documents at hand.
    rippled: bool,
}

/// What carrying a batch out came to.
#[derive(Debug, Default)]
struct Applied {
    /// Where it ended, if it did before its last document.
    cut: Option<Checkpoint>,
    /// Documents were added to the run's own table.
    inserted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_slowly_and_shrink_at_once() {
        let most = Duration::from_millis(50);
        let next = |size, held| next_size(size, Duration::from_millis(held), most, 5_000);
        assert_eq!(next(1_000, 1), 1_500);
        assert_eq!(next(4_000, 1), 5_000);
        assert_eq!(next(1_000, 350), 100);
        assert_eq!(next(1, 10_000), 1);
        assert_eq!(next(1_000, 35), 1_000);
    }
}
