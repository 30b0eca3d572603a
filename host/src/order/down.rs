//! Taking migrations back, the last one first.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::claim::Claim;
use super::error::OrderError;
use super::folder::Migration;
use super::plan::{Entry, Plan};
use super::standing::{By, Known, State};
use super::up::{Ended, How, Watch};
use crate::engine::undo::{UndoReport, undo};
use crate::engine::{self, MAX_LOCK, Report, RunError, Task, by, now};
use crate::ledger::order::{Event, Record};
use crate::ledger::{Run, RunState};
use crate::plugin::Described;
use crate::store::in_transaction;
use crate::store::structure::WayBack;

/// What was taken back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undone {
    /// A run, by its undo log.
    Run {
        /// The migration.
        name: String,
        /// What was done.
        report: UndoReport,
    },
    /// A run, by the plugin's own `revert`.
    Reverted(Box<Report>, Task),
    /// Steps.
    Steps {
        /// The migration.
        name: String,
    },
}

impl Undone {
    /// How many documents were left as they are.
    #[must_use]
    pub fn left(&self) -> u64 {
        match self {
            Self::Run { report, .. } => report.left_alone,
            Self::Reverted(report, _) => report.counters.failed,
            Self::Steps { .. } => 0,
        }
    }

    /// Whether it was ended before its end.
    fn is_cut_off(&self) -> bool {
        match self {
            Self::Run { report, .. } => report.state != RunState::Undone,
            Self::Reverted(report, _) => report.state != RunState::Finished,
            Self::Steps { .. } => false,
        }
    }
}

impl Plan {
    /// The migrations that were applied last, the last one first: those that are half applied included.
    ///
    /// # Errors
    /// If one of them has no way back, or another one that stays runs after it.
    pub fn last(&self, count: usize) -> Result<Vec<&Entry>, OrderError> {
        let mut applied: Vec<(usize, &Entry)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.standing.state != State::Pending)
            .collect();
        applied.sort_by_key(|(index, entry)| std::cmp::Reverse((entry.standing.began, *index)));
        let (last, stay) = applied.split_at(count.min(applied.len()));
        let after = self.dependents();
        for (_, entry) in last {
            may_be_taken_back(entry)?;
            let needs = after.get(entry.name.as_str()).and_then(|names| {
                stay.iter()
                    .find(|(_, other)| names.contains(other.name.as_str()))
            });
            if let Some((_, other)) = needs {
                return Err(OrderError::NoWayBack {
                    name: entry.name.clone(),
                    why: format!("`{}` runs after it, and is applied", other.name),
                });
            }
        }
        Ok(last.iter().map(|(_, entry)| *entry).collect())
    }
}

/// Whether a plugin's own `revert` takes a migration back, because the undo log of a run is gone.
#[must_use]
pub fn reverts(known: &Known, entry: &Entry) -> bool {
    in_effect(known, entry).any(|run| run.undo_forgotten)
}

/// The runs of a migration that are to be taken back, the last one first: what earlier ones changed lies under it.
fn in_effect<'k>(known: &'k Known, entry: &Entry) -> impl Iterator<Item = &'k Run> {
    let table = entry.migration.as_ref().and_then(Migration::table);
    known.in_effect(&entry.name, table)
}

impl How<'_> {
    /// Takes migrations back in the order given. The next call goes on with the one at which this one stopped.
    ///
    /// `revert` prefers the plugins' own way back; where the undo log is gone there is no other.
    ///
    /// # Errors
    /// If one cannot be taken back. Those before it are.
    pub fn down(
        &self,
        claim: &mut Claim,
        last: &[&Entry],
        revert: bool,
        watch: &mut dyn Watch,
        show: &mut dyn FnMut(&Undone),
    ) -> Result<Ended, OrderError> {
        let mut ended = Ended::There;
        go_together(claim, last)?;
        for entry in last {
            claim.renew()?;
            let ledger = claim.ledger();
            let known = Known::new(ledger.runs()?, ledger.records()?);
            if let Some(By::Steps(record)) = &entry.standing.by {
                show(&unmake(claim, record)?);
                continue;
            }
            for run in in_effect(&known, entry) {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok(Ended::Interrupted);
                }
                let undone = self.take_back(entry, run, revert, watch)?;
                show(&undone);
                if undone.is_cut_off() {
                    return Ok(Ended::Interrupted);
                }
                if undone.left() > 0 {
                    ended = Ended::Failures;
                    if !self.allow_failures {
                        return Ok(ended);
                    }
                }
            }
        }
        Ok(ended)
    }

    fn take_back(
        &self,
        entry: &Entry,
        run: &Run,
        revert: bool,
        watch: &mut dyn Watch,
    ) -> Result<Undone, OrderError> {
        let name = entry.name.clone();
        let Some(id) = run.id else {
            return Err(OrderError::NoWayBack {
                name,
                why: "its run has no number".into(),
            });
        };
        if !revert && !run.undo_forgotten {
            let report = undo(self.store, id, MAX_LOCK, self.stop, |_| {})?;
            return Ok(Undone::Run { name, report });
        }
        let Some(stage) = run.stages.only() else {
            return Err(OrderError::NoWayBack {
                name,
                why: format!(
                    "run {id} is of several plugins, `{}`, and goes back by its undo log only",
                    run.name()
                ),
            });
        };
        let path = match (&entry.migration, &stage.plugin.path) {
            (Some(migration), _) => migration.path.clone(),
            (None, Some(path)) => path.into(),
            (None, None) => {
                return Err(OrderError::NoWayBack {
                    name,
                    why: "nobody knows where its plugin is".into(),
                });
            }
        };
        self.revert(
            Path::new(&path),
            name,
            Task::Revert {
                run: id,
                restart: self.restart,
            },
            watch,
        )
    }

    fn revert(
        &self,
        path: &Path,
        name: String,
        task: Task,
        watch: &mut dyn Watch,
    ) -> Result<Undone, OrderError> {
        let plugin = (self.load)(path)?;
        let job = self.job(&plugin, &Described::from(&plugin), task);
        let report = engine::run(&job, watch.begins(&name).as_mut());
        match report {
            Err(RunError::NoRevert { .. }) => Err(OrderError::NoWayBack {
                name,
                why: "its undo log was forgotten, and its plugin has no `revert`".into(),
            }),
            Err(error) => Err(error.into()),
            Ok(report) => Ok(Undone::Reverted(Box::new(report), job.task)),
        }
    }
}

/// Refuses to take back a part of what one run has done: the stages of a pipeline go back together.
fn go_together(claim: &mut Claim, last: &[&Entry]) -> Result<(), OrderError> {
    let ledger = claim.ledger();
    let known = Known::new(ledger.runs()?, ledger.records()?);
    for entry in last {
        let table = entry.migration.as_ref().and_then(Migration::table);
        for run in known.in_effect(&entry.name, table) {
            let mut stages = run.stages.iter().map(|stage| stage.migration.as_str());
            let stays = stages.find(|name| last.iter().all(|entry| entry.name != *name));
            if let (Some(other), Some(id)) = (stays, run.id) {
                return Err(OrderError::NoWayBack {
                    name: entry.name.clone(),
                    why: format!(
                        "run {id} has applied it together with `{other}`; they go back together, by `host down` with both or by `host undo {id}`"
                    ),
                });
            }
        }
    }
    Ok(())
}

/// Refuses what surely has no way back.
fn may_be_taken_back(entry: &Entry) -> Result<(), OrderError> {
    let why = match &entry.standing.by {
        Some(By::Baseline) => {
            "the store was there already when the host came, and nobody knows what was before"
                .into()
        }
        Some(By::Steps(record)) => {
            let none = record.way_back.iter().find_map(|way| match way {
                WayBack::None { why } => Some(why.clone()),
                _ => None,
            });
            match none {
                Some(why) => why,
                None => return Ok(()),
            }
        }
        Some(By::Run(_)) | None => return Ok(()),
    };
    Err(OrderError::NoWayBack {
        name: entry.name.clone(),
        why,
    })
}

/// Takes steps back, the last one first, and writes that down, in one transaction.
fn unmake(claim: &mut Claim, made: &Record) -> Result<Undone, OrderError> {
    let name = made.migration.clone();
    in_transaction(claim.ledger(), |writer| -> Result<_, OrderError> {
        let known = Known::new(writer.runs()?, writer.records()?);
        // Another may have been here.
        if known.standing(&name, None).by != Some(By::Steps(made.clone())) {
            return Err(OrderError::Standing {
                name: name.clone(),
                why: "was taken back by another process".into(),
            });
        }
        for way in made.way_back.iter().rev() {
            writer.change_back(way)?;
        }
        writer.save_record(&mut Record {
            number: None,
            event: Event::TakenBack,
            at: now(),
            took: 0,
            by: by(),
            why: None,
            way_back: Vec::new(),
            ..made.clone()
        })?;
        Ok(())
    })?;
    Ok(Undone::Steps { name })
}
