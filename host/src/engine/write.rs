//! Writing a batch: one transaction with everything that belongs to it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::apply::{self, Effect, Verdict};
use super::count::{amend, count_parts, said, set_aside};
use super::error::RunError;
use super::intent::{Action, Intent};
use super::journal::{Committed, Said};
use super::named::{self, Named};
use super::observer::Observer;
use super::refind::Refound;
use super::runner::{Purpose, Runner};
use super::sink::{Dry, Real, Sink};
use super::source::{Again, Batch, Lap, in_snapshot};
use super::start::others;
use super::task::once;
use super::transform::transform;
use super::{ATTEMPTS, now, retry, revert, settle};
use crate::ledger::{
    Checkpoint, DocumentFailure, Holder, Lease, Request, Run, RunId, RunState, Tally, Trail, lease,
    trail,
};
use crate::plugin::Level;
use crate::plugin::world::lock;
use crate::store::{Document, Writer};

impl Runner<'_> {
    /// Counts what a batch would do.
    pub(super) fn tally(
        &mut self,
        batch: &mut Batch,
        purpose: Purpose,
        observer: &mut dyn Observer,
    ) -> Result<(), RunError> {
        let mut run = self.started.run.clone();
        let before = set_aside(purpose, &mut run);
        let dropped = batch.dropped();
        let reader = Arc::clone(&self.started.reader);
        lock(&reader).begin()?;
        let mut failures = Vec::new();
        let mut sink = Dry::new(&reader, observer);
        let applied = self.apply(&mut sink, batch, purpose, &mut run, &mut failures)?;
        lock(&reader).end()?;
        if let Some(tried) = amend(before, &mut run) {
            self.tried.add(&tried);
        }
        self.journal.failed(&failures);
        self.journal.said(&applied.said, dropped);
        self.remember(run, failures);
        Ok(())
    }

    /// Writes a batch, its undo log, its counters and its checkpoint in one transaction. Returns what others
    /// ask for, and where the batch was cut if it was.
    pub(super) fn write(
        &mut self,
        writer: &mut dyn Writer,
        lap: &Lap<'_>,
        batch: &mut Batch,
        purpose: Purpose,
    ) -> Result<(Option<Request>, Option<Checkpoint>), RunError> {
        // A sweep moves no checkpoint, and neither does a page behind the table's end.
        if (purpose == Purpose::Sweep || (batch.last.is_none() && !purpose.has_names()))
            && let Some(request) = self.pass_over(writer, batch)?
        {
            return Ok((request, None));
        }
        let mut conflicts = 0;
        let mut attempt = 0;
        let last = batch.last.clone();
        loop {
            let asked = Instant::now();
            writer.begin()?;
            self.journal.waited(asked.elapsed());
            let done = self.attempt(writer, lap, batch, purpose, &mut conflicts, attempt);
            match done {
                Ok(Attempt::Written(written)) => {
                    let held = writer.commit()?;
                    let request = written.request;
                    let mut cut = written.applied.cut.clone();
                    if cut.is_none() && written.rippled && !self.rippled {
                        // What was read ahead may have been changed by it.
                        cut.clone_from(&last);
                    }
                    self.written(lap, held, *written);
                    return Ok((request, cut));
                }
                Ok(Attempt::Nothing(request)) => {
                    writer.rollback()?;
                    self.started.run.counters.conflicts += conflicts;
                    self.journal.passed_over();
                    return Ok((request, None));
                }
                Ok(Attempt::Lost) => {
                    // What was lost is transformed again without the lock.
                    writer.rollback()?;
                    self.journal.lost(conflicts, attempt);
                    self.again(batch)?;
                    attempt += 1;
                }
                Err(error) => {
                    writer.rollback()?;
                    return Err(error);
                }
            }
        }
    }

    /// Passes over a batch that moves no checkpoint without a transaction, where it is sure that nothing is to
    /// be written: every document is skipped again, and nobody has written since it was read. What others ask
    /// for is looked up all the same.
    fn pass_over(
        &self,
        writer: &mut dyn Writer,
        batch: &Batch,
    ) -> Result<Option<Option<Request>>, RunError> {
        let skipped = |intent: &Intent| matches!(intent.action, Action::Skip(_));
        let (Some(id), true) = (self.started.run.id, self.holds_claim()) else {
            return Ok(None);
        };
        if !batch.intents.iter().all(skipped)
            || !batch.unreadable.is_empty()
            || writer.mark()? != batch.read
        {
            return Ok(None);
        }
        self.journal.passed_over();
        Ok(Some(writer.request(id)?))
    }

    /// Whether this process has claimed the table, and need not renew its claim yet.
    fn holds_claim(&self) -> bool {
        self.started.run.lease.is_some() && self.renewed.elapsed() < lease::RENEWAL
    }

    /// Tries to write a batch within the transaction in hand.
    fn attempt(
        &mut self,
        writer: &mut dyn Writer,
        lap: &Lap<'_>,
        batch: &mut Batch,
        purpose: Purpose,
        conflicts: &mut u64,
        attempt: u32,
    ) -> Result<Attempt, RunError> {
        let mut run = self.started.run.clone();
        self.claim(writer, &mut run)?;
        let request = match run.id {
            Some(id) => writer.request(id)?,
            None => None,
        };
        self.number(writer, &mut run)?;
        let mark = writer.mark()?;
        if lap.clock.now() != mark {
            self.courtesy.others_wrote(Instant::now());
        }
        lap.clock.seen(mark);
        if batch.read != mark {
            let mut lost = settle::compare(writer, lap.table(), lap.filter(), batch)?;
            if purpose.has_names() {
                named::recheck(writer, lap.table(), lap.filter(), batch, &mut lost)?;
            }
            *conflicts += lost.documents;
            batch.read = mark;
            let reader = &self.started.reader;
            let holds = batch.asides.iter().all(|aside| aside.asked.is_empty())
                || in_snapshot(reader, || {
                    Ok(settle::answers_hold(batch, lap.stages, reader))
                })?;
            if !holds {
                batch.again = Again::All;
            } else {
                batch.again = Again::Some(lost.again);
            }
            if batch.again != Again::Some(Vec::new()) {
                if attempt < ATTEMPTS {
                    return Ok(Attempt::Lost);
                }
                self.again(batch)?;
            }
        }
        let met_before = match purpose {
            Purpose::Forward => self.started.refound == Refound::SomeFailedBehind,
            Purpose::Sweep => true,
            Purpose::Again | Purpose::Back => false,
        };
        if met_before {
            self.leave_failed(writer, batch, run.id)?;
        }
        if let (None, Some(reverted)) = (run.id, run.reverts) {
            revert::begin(writer, reverted)?;
        }
        run.state = self.standing(RunState::Running);
        let before = set_aside(purpose, &mut run);
        run.counters.conflicts += *conflicts;
        let dropped = batch.dropped();
        let named = std::mem::take(&mut batch.named);
        let mut failures = Vec::new();
        let mut sink = Real::new(writer);
        let applied = self.apply(&mut sink, batch, purpose, &mut run, &mut failures)?;
        let rippled = sink.has_rippled();
        let way_back = sink.into_undo().finish()?;
        let counted = run.counters.total != self.started.run.counters.total;
        if purpose == Purpose::Sweep
            && !counted
            && way_back.is_none()
            && !rippled
            && self.holds_claim()
        {
            return Ok(Attempt::Nothing(request));
        }
        let tried = amend(before, &mut run);
        if let Named::Quarantine(listed) = &named {
            let handled = |failed: &&DocumentFailure| applied.handled.contains(&failed.id);
            let failed = listed.iter().map(|(_, failed)| failed).filter(handled);
            for migration in failed.filter_map(|failed| failed.migration.as_deref()) {
                run.forget_failure(migration);
            }
        }
        self.add_up(&mut run);
        writer.save_run(&mut run)?;
        if let Some(id) = run.id {
            if purpose != Purpose::Again {
                for failure in &failures {
                    writer.quarantine(id, failure)?;
                }
            }
            if let Some(log) = way_back.as_ref().filter(|_| !run.undo_forgotten) {
                writer.save_undo(id, log)?;
            }
        }
        match (named, run.reverts) {
            (Named::Quarantine(listed), _) => {
                retry::settle(writer, &listed, &applied.handled, &failures)?;
            }
            (Named::UndoLog(part), Some(reverted)) => {
                revert::settle(writer, reverted, part, &lap.table().name, &applied.handled)?;
            }
            (Named::UndoLog(_), None) | (Named::Nothing, _) => {}
        }
        Ok(Attempt::Written(Box::new(Written {
            run,
            tried,
            failures,
            applied,
            request,
            dropped,
            rippled,
        })))
    }

    /// Makes sure that this process, and no other, works on the table.
    fn claim(&self, writer: &mut dyn Writer, run: &mut Run) -> Result<(), RunError> {
        match (run.id, &run.lease) {
            // Its claim may have ended while a plugin took its time, and another may have taken over.
            (Some(id), Some(_)) => {
                let held = writer.run(id)?.and_then(|run| run.lease);
                if held.is_none_or(|lease| lease.holder != Holder::this()) {
                    return Err(RunError::TakenOver { run: id });
                }
            }
            _ => {
                if let Some(error) = others(writer, &self.started.scope.table.name)? {
                    return Err(error);
                }
                // Another may have gone on with it since this process looked, and be done by now.
                match run.id {
                    Some(id) => {
                        let found = writer.run(id)?.map(|run| (run.state, run.counters));
                        if found != self.started.found {
                            return Err(RunError::TakenOver { run: id });
                        }
                    }
                    None => once(self.job, writer, &self.started.scope.table.name)?,
                }
            }
        }
        run.lease = Some(Lease::new(now()));
        Ok(())
    }

    /// Makes sure that the rows have the numbers that they had, where these are the documents' only key.
    fn number(&self, writer: &mut dyn Writer, run: &mut Run) -> Result<(), RunError> {
        let table = &self.started.scope.table;
        if writer.numbering(table)?.is_none() {
            return Ok(());
        }
        let begun = run.id.is_some();
        if !begun {
            // The ledger's tables change the schema, too.
            writer.save_run(run)?;
        }
        let numbering = writer.numbering(table)?;
        if let (true, Some(id)) = (begun && run.trail.numbering != numbering, run.id) {
            return Err(RunError::Renumbered {
                run: id,
                migration: run.name(),
                table: run.table.clone(),
            });
        }
        run.trail.numbering = numbering;
        Ok(())
    }

    /// Takes out of a batch what has failed in this run already.
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
        let intents = std::mem::take(&mut batch.intents);
        let mut places = Vec::new();
        for (document, intent) in documents.into_iter().zip(intents) {
            let stays = !writer.is_quarantined(run, table, &document.id)?;
            places.push(stays.then_some(left.documents.len()));
            if stays {
                left.documents.push(document);
                left.intents.push(intent);
            }
        }
        batch.follow(&places);
        for (_, row) in std::mem::take(&mut batch.unreadable) {
            if !writer.is_quarantined(run, table, &row.id)? {
                left.unreadable.push((left.documents.len(), row));
            }
        }
        batch.documents = left.documents;
        batch.intents = left.intents;
        batch.unreadable = left.unreadable;
        Ok(())
    }

    /// Has what was lost transformed again, in a snapshot of its own.
    fn again(&self, batch: &mut Batch) -> Result<(), RunError> {
        let started = &self.started;
        let again = std::mem::take(&mut batch.again);
        let documents: Vec<_> = match &again {
            Again::All => std::mem::take(&mut batch.documents),
            Again::Some(indexes) => indexes
                .iter()
                .filter_map(|index| batch.documents.get(*index).cloned())
                .collect(),
        };
        let answer = in_snapshot(&started.reader, || {
            transform(&started.stages, &started.scope, &started.reader, &documents)
        })?;
        match again {
            Again::All => {
                batch.documents = documents;
                batch.intents = answer.intents;
                batch.asides = answer.asides;
            }
            Again::Some(indexes) => {
                for (aside, again) in batch.asides.iter_mut().zip(answer.asides) {
                    aside
                        .log
                        .append(again.log, |place| indexes.get(place).copied());
                    aside.asked.extend(again.asked);
                }
                for (index, intent) in indexes.into_iter().zip(answer.intents) {
                    if let Some(place) = batch.intents.get_mut(index) {
                        *place = intent;
                    }
                }
            }
        }
        Ok(())
    }

    /// Does what is to be done about a batch's documents, and counts it.
    ///
    /// It ends behind a document that changes others of its table: they may stand further on, in this batch
    /// or in those that were read ahead, and what is read must not depend on the size of batches.
    fn apply(
        &self,
        sink: &mut dyn Sink,
        batch: &mut Batch,
        purpose: Purpose,
        run: &mut Run,
        failures: &mut Vec<DocumentFailure>,
    ) -> Result<Applied, RunError> {
        let scope = &self.started.scope;
        let secrets = &self.started.stages.first().fixed.secrets;
        let mut unreadable = std::mem::take(&mut batch.unreadable).into_iter().peekable();
        let mut passed = Trail::default();
        let mut applied = Applied::default();
        if purpose.has_names() {
            for left in std::mem::take(&mut batch.left) {
                run.counters.total += 1;
                run.counters.skip(left.why);
                applied.handled.insert(left.id);
            }
        }
        let asides = std::mem::take(&mut batch.asides).into_iter();
        let mut logs: Vec<_> = asides.map(|aside| aside.log.by_document()).collect();
        for (stage, log) in run.stages.iter().zip(&mut logs) {
            while let Some(line) = log.next_about_none() {
                applied
                    .said
                    .push(said(line, run.stages.are_several().then_some(stage), None));
            }
        }
        // Tells whether it counts.
        let mut count = |effect: Effect, id: &str, run: &mut Run, applied: &mut Applied| {
            if purpose.has_names() {
                applied.handled.insert(id.to_owned());
            }
            let counters = &mut run.counters;
            counters.inserted += effect.inserted;
            // It was counted when the run came by for the first time.
            if purpose == Purpose::Sweep && matches!(effect.verdict, Verdict::Skipped(_)) {
                return false;
            }
            let failed_at = count_parts(&mut run.stages, &effect.parts);
            match effect.verdict {
                Verdict::Skipped(reason) => counters.skip(&reason),
                Verdict::Updated => counters.updated += 1,
                Verdict::Deleted => counters.deleted += 1,
                Verdict::Failed(failure) => {
                    counters.failed += 1;
                    failures.push(DocumentFailure {
                        table: scope.table.name.clone(),
                        id: id.to_owned(),
                        migration: failed_at,
                        failure: secrets.clean_failure(failure),
                    });
                }
            }
            counters.total += 1;
            true
        };
        let documents = batch.documents.as_slice();
        for (index, (document, intent)) in documents.iter().zip(&mut batch.intents).enumerate() {
            while let Some((_, row)) = unreadable.next_if(|(before, _)| *before <= index) {
                count(Effect::failed(row.failure), &row.id, run, &mut applied);
            }
            // The first document was compared with the store when the transaction began.
            if sink.has_rippled() && index > 0 && !sink.is_still(&scope.table, document)? {
                pass(&mut passed, documents.get(..index).unwrap_or_default());
                applied.cut = stand_behind(passed, purpose, run);
                return Ok(applied);
            }
            let effect = apply::carry_out(scope, sink, document, intent)?;
            let (changes_own, inserted) = (effect.changes_own, effect.inserted > 0);
            passed.stays |= effect.stays;
            let counts = count(effect, &document.id, run, &mut applied);
            let several = run.stages.are_several();
            for (stage, log) in run.stages.iter_mut().zip(&mut logs) {
                while let Some(line) = log.next_about(index) {
                    if !counts {
                        continue;
                    }
                    if line.level == Level::Warn {
                        run.counters.warn(&line.message);
                        if several {
                            stage.counters.warn(&line.message);
                        }
                    }
                    let stage = several.then_some(&*stage);
                    applied.said.push(said(line, stage, Some(&document.id)));
                }
            }
            passed.added_here |= changes_own && inserted;
            if changes_own && !self.job.dry_run {
                pass(&mut passed, documents.get(..=index).unwrap_or_default());
                applied.cut = stand_behind(passed, purpose, run);
                return Ok(applied);
            }
        }
        for (_, row) in unreadable {
            count(Effect::failed(row.failure), &row.id, run, &mut applied);
        }
        pass(&mut passed, documents);
        // What a sparse filter passes over moves the checkpoint, too.
        let last = batch.last.take();
        if let Some(last) = last.filter(|last| passed.newest() != Some(last)) {
            passed.pass(last);
        }
        stand_behind(passed, purpose, run);
        Ok(applied)
    }

    /// Takes over what a batch has become, once it is committed.
    fn written(&mut self, lap: &Lap<'_>, held: Duration, written: Written) {
        let cut = written.applied.cut.is_some();
        let documents = match &written.tried {
            Some(tried) => tried.run.total,
            None => written.run.counters.total - self.started.run.counters.total,
        };
        self.changes_own |= cut;
        self.rippled |= written.rippled;
        self.journal.numbered(&written.run);
        self.journal.failed(&written.failures);
        self.remember(written.run, written.failures);
        if let Some(tried) = written.tried {
            self.tried.add(&tried);
        }
        self.held = held;
        self.renewed = Instant::now();
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
        let committed = Committed {
            documents,
            held,
            next: lap.size.load(Ordering::Relaxed),
        };
        self.journal.committed(&committed);
        self.journal.said(&written.applied.said, written.dropped);
    }
}

/// Notes documents that were handled, as far as anybody remembers them.
fn pass(passed: &mut Trail, handled: &[Document]) {
    let forgotten = handled.len().saturating_sub(trail::KEPT);
    for document in handled.iter().skip(forgotten) {
        passed.pass(Checkpoint {
            place: document.place.clone(),
            id: document.id.to_string(),
        });
    }
}

/// Notes how far a batch has come, and returns it.
fn stand_behind(passed: Trail, purpose: Purpose, run: &mut Run) -> Option<Checkpoint> {
    let here = passed.newest().cloned();
    if purpose == Purpose::Forward && here.is_some() {
        run.checkpoint.clone_from(&here);
        run.trail.follow(passed);
    } else {
        // Its documents lie anywhere, or there are none.
        run.trail.learn(&passed);
    }
    here
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

/// What came of trying to write a batch.
enum Attempt {
    /// It may be committed.
    Written(Box<Written>),
    /// There was nothing to write after all. This is what others ask for.
    Nothing(Option<Request>),
    /// Some of it was lost to another writer.
    Lost,
}

/// What a transaction holds that has not been committed yet.
struct Written {
    run: Run,
    /// What was counted by itself.
    tried: Option<Tally>,
    failures: Vec<DocumentFailure>,
    applied: Applied,
    request: Option<Request>,
    /// Lines of the plugin's for which there was no room.
    dropped: u64,
    /// Triggers or foreign keys have changed more than the documents at hand.
    rippled: bool,
}

/// What carrying a batch out came to.
#[derive(Debug, Default)]
struct Applied {
    /// Where it ended, if it did before its last document.
    cut: Option<Checkpoint>,
    /// What the plugin said about what was carried out.
    said: Vec<Said>,
    /// Documents that need nothing more, where the ledger named them.
    handled: HashSet<String>,
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
