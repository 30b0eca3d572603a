//! A migration checked against the documents of a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use migration_document::{Failure, Filter};

use super::super::apply::Verdict;
use super::super::error::RunError;
use super::super::observer::{Observer, Progress};
use super::super::report::Report;
use super::super::runner::BATCH_BYTES;
use super::super::sample::Sample;
use super::super::source::{Clock, Lap, Pages};
use super::super::start::{Started, start};
use super::super::{Job, Pace};
use super::report::{Checked, Finding, Held, Property};
use super::{Done, OwnedChange, Trial, Way};
use crate::ledger::{self, Counters, DocumentFailure, Run, RunState, Tally};
use crate::plugin::world::lock;
use crate::plugin::{Gauge, Plugin, SharedReader};
use crate::stages::Stages;
use crate::store::{Document, Range, Table, Unreadable};

/// How many documents a batch has where nothing else is said. Each is called about three times.
pub const BATCH_SIZE: usize = 500;

/// How many documents are named that break something, and how many changes for each.
const NAMED: usize = 20;

/// Which documents are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Those of a share of the table; None: all.
    Share(Option<Sample>),
    /// Those of a share in which there are about so many of the table's documents.
    About(u64),
}

/// Checks the migration of a job's first stage on the documents of a store, or a part of them. Nothing is written,
/// whatever the job says.
///
/// # Errors
/// If it cannot begin, as a run could not, or not go on.
pub fn check(job: &Job<'_>, part: Part, observer: &mut dyn Observer) -> Result<Checked, RunError> {
    let job = &Job {
        stages: Stages::one(job.stages.first().clone()),
        task: job.task.clone(),
        dry_run: true,
        pace: Pace {
            sample: None,
            limit: None,
            ..job.pace.clone()
        },
        ..*job
    };
    let Started {
        scope,
        stages,
        reader,
        run,
        one_by_one,
        ..
    } = start(job)?;
    let sample = match part {
        Part::Share(share) => share,
        Part::About(wanted) => Some(Sample::about(wanted, count(&reader, &scope.table)?)),
    };
    let to_look_at = if observer.wants_count() {
        Some(count(&reader, &scope.table)?)
    } else {
        None
    };
    observer.started(to_look_at);
    let size = AtomicUsize::new(if one_by_one { 1 } else { job.pace.batch_size });
    let clock = Clock::default();
    let lap = Lap {
        store: job.store,
        stages: &stages,
        scope: &scope,
        sample,
        after: None,
        until: run.until.clone(),
        size: &size,
        bytes: BATCH_BYTES,
        left: None,
        limited: AtomicBool::new(false),
        clock: &clock,
    };
    let trial = Trial::new(
        Arc::clone(&scope),
        Arc::clone(&stages.first().fixed),
        Arc::clone(&reader),
    );
    let mut check = Check::new(job.stages.first().plugin, &trial, &scope.filter);
    let mut pages = Pages::new(&lap);
    let mut interrupted = false;
    let mut looked_at = 0;
    while let Some(read) = pages.next(&reader)? {
        // The page's snapshot is still open: all that is compared is of one moment.
        for (_, row) in read.page.unreadable {
            check.unreadable(row);
        }
        check.batch(read.page.documents)?;
        lock(&reader).end()?;
        looked_at += read.page.looked_at;
        observer.advanced(Progress {
            looked_at,
            counters: &check.counters,
        });
        if job.stop.load(Ordering::Relaxed) {
            interrupted = true;
            break;
        }
    }
    let state = match (interrupted, sample) {
        (true, _) => RunState::Interrupted,
        (false, Some(_)) => RunState::Sampled,
        (false, None) => RunState::Finished,
    };
    Ok(check.report(&run, state))
}

fn count(reader: &SharedReader, table: &Table) -> Result<u64, RunError> {
    let all = Range {
        after: None,
        until: None,
    };
    Ok(lock(reader).count(table, all)?)
}

struct Check<'a> {
    plugin: &'a Plugin,
    trial: &'a Trial,
    filter: &'a Filter,
    /// Measures the calls as a run makes them, and all others.
    first: Gauge,
    others: Gauge,
    counters: Counters,
    failures: BTreeMap<String, u64>,
    errors: Vec<DocumentFailure>,
    held: Vec<Held>,
    findings: Vec<Finding>,
    began: Instant,
}

impl<'a> Check<'a> {
    fn new(plugin: &'a Plugin, trial: &'a Trial, filter: &'a Filter) -> Self {
        let held = |property| Held {
            property,
            checked: 0,
            broken: 0,
        };
        let mut properties = vec![held(Property::Deterministic), held(Property::Idempotent)];
        if plugin.back().is_some() {
            properties.push(held(Property::Reversible));
        }
        Self {
            plugin,
            trial,
            filter,
            first: Gauge::default(),
            others: Gauge::default(),
            counters: Counters::default(),
            failures: BTreeMap::new(),
            errors: Vec::new(),
            held: properties,
            findings: Vec::new(),
            began: Instant::now(),
        }
    }

    /// Checks the documents of a batch, each property on a store in which nothing else was done.
    fn batch(&mut self, documents: Vec<Document>) -> Result<(), RunError> {
        let Self {
            plugin,
            trial,
            filter,
            ..
        } = *self;
        let way = Way {
            work: plugin.forth(),
            filter,
        };
        let told = trial.tell(way.measured_by(&self.first), &documents)?;
        let differing = trial.differing(way.measured_by(&self.others), &documents, &told)?;
        self.checked(Property::Deterministic, documents.len());
        for differs in differing {
            if let Some(document) = documents.get(differs.place) {
                self.found(
                    Property::Deterministic,
                    &document.id,
                    differs.problem,
                    Vec::new(),
                );
            }
        }
        let done = trial.carry_out(way.measured_by(&self.others), documents, told)?;
        for done in &done {
            self.count(done);
        }
        let changed = |done: &&Done| matches!(done.verdict, Verdict::Updated | Verdict::Deleted);
        let changed = done.iter().filter(changed).count();
        self.checked(Property::Idempotent, changed);
        let again = trial.again(way.measured_by(&self.others), &done)?;
        for (done, again) in done.iter().zip(again) {
            if let Some((problem, changes)) = again.problem() {
                self.found(Property::Idempotent, &done.document.id, problem, changes);
            }
        }
        if let Some(work) = plugin.back() {
            let back = Way {
                work,
                filter: &Filter::default(),
            };
            self.checked(Property::Reversible, changed);
            for one in trial.unreverted(back.measured_by(&self.others), &done)? {
                let changes = one.change.into_iter().collect();
                self.found_in(
                    Property::Reversible,
                    one.table,
                    one.id,
                    one.problem,
                    changes,
                );
            }
        }
        trial.forget();
        Ok(())
    }

    fn unreadable(&mut self, row: Unreadable) {
        self.counters.total += 1;
        self.fail(row.id, row.failure);
    }

    fn count(&mut self, done: &Done) {
        self.counters.total += 1;
        self.counters.inserted += done.inserted;
        match &done.verdict {
            Verdict::Skipped(reason) => self.counters.skip(reason),
            Verdict::Updated => self.counters.updated += 1,
            Verdict::Deleted => self.counters.deleted += 1,
            Verdict::Failed(failure) => self.fail(done.document.id.to_string(), failure.clone()),
        }
    }

    fn fail(&mut self, id: String, failure: Failure) {
        self.counters.failed += 1;
        ledger::count(&mut self.failures, &failure.code, 1);
        if self.errors.len() < NAMED {
            let failed = DocumentFailure {
                table: self.trial.scope.table.name.clone(),
                id,
                migration: None,
                failure,
            };
            self.errors.push(failed);
        }
    }

    fn checked(&mut self, property: Property, documents: usize) {
        for held in self
            .held
            .iter_mut()
            .filter(|held| held.property == property)
        {
            held.checked += documents as u64;
        }
    }

    fn found(&mut self, property: Property, id: &str, problem: String, changes: Vec<OwnedChange>) {
        let table = self.trial.scope.table.name.clone();
        self.found_in(property, table, id.into(), problem, changes);
    }

    fn found_in(
        &mut self,
        property: Property,
        table: String,
        id: String,
        problem: String,
        mut changes: Vec<OwnedChange>,
    ) {
        changes.truncate(NAMED);
        let secrets = self.trial.secrets();
        let changes = changes
            .into_iter()
            .map(|change| change.cleaned(secrets))
            .collect();
        for held in self
            .held
            .iter_mut()
            .filter(|held| held.property == property)
        {
            held.broken += 1;
        }
        if self.findings.len() < NAMED {
            self.findings.push(Finding {
                property,
                table,
                id,
                problem,
                changes,
            });
        }
    }

    fn report(self, run: &Run, state: RunState) -> Checked {
        let first = self.first.read();
        let mut usage = first.usage;
        usage.join(&self.others.read().usage);
        let documents = u32::try_from(first.documents).unwrap_or(u32::MAX).max(1);
        Checked {
            report: Report::of(
                run,
                Tally {
                    run: self.counters,
                    stages: Vec::new(),
                },
                state,
                true,
                self.errors,
                self.began.elapsed(),
                None,
            ),
            failures: self.failures,
            properties: self.held,
            findings: self.findings,
            limits: usage.of(self.plugin.limits()),
            per_document: first.time / documents,
        }
    }
}
