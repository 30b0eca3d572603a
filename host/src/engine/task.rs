//! Which run a job works on, which function of the plugin it calls, and where its documents come from.

use std::collections::BTreeMap;

use migration_document::Filter;

use super::error::RunError;
use super::{Job, Migrate, Task};
use crate::ledger::{QuarantinePart, Run, RunId, RunState};
use crate::plugin::Work;
use crate::store::Writer;

/// Where documents come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The table, in laps.
    Table,
    /// The quarantine of this run, in which so many documents are.
    Quarantine {
        run: RunId,
        part: QuarantinePart,
        documents: u64,
    },
    /// The undo log of this run, which is taken back.
    UndoLog(RunId),
}

/// What a job comes to, once its task and the ledger are known.
pub(super) struct Plan<'p> {
    /// The run that goes on; None where a new one begins.
    pub earlier: Option<Run>,
    pub parameters: BTreeMap<String, String>,
    /// The run that a new one takes back.
    pub reverts: Option<RunId>,
    pub work: Work<'p>,
    /// Which documents the work is for.
    pub filter: Filter,
    pub over: Over,
}

/// The name of the table that a job works on.
pub(super) fn table(job: &Job<'_>) -> Result<String, RunError> {
    match &job.task {
        Task::Migrate(Migrate {
            table: Some(table), ..
        }) => Ok(table.clone()),
        Task::Migrate(_) => Ok(job.plugin.manifest.table.clone()),
        Task::Retry(run) | Task::Revert { run, .. } => {
            Ok(record(job.store.writer()?.as_mut(), *run)?.table)
        }
    }
}

/// Plans a job over a table that nobody else works on. `writer` is None in a dry run.
pub(super) fn plan<'p>(
    job: &Job<'p>,
    table: &str,
    writer: Option<&mut Box<dyn Writer>>,
) -> Result<Plan<'p>, RunError> {
    match &job.task {
        Task::Migrate(migrate) => {
            let earlier = match writer {
                Some(writer) => {
                    once(job, writer.as_mut(), table)?;
                    writer.newest_run(&job.plugin.manifest.name, table)?
                }
                None => None,
            };
            Ok(Plan {
                earlier: resumable(job, earlier, &migrate.parameters, migrate.restart)?,
                parameters: migrate.parameters.clone(),
                reverts: None,
                work: job.plugin.forth(),
                filter: job.plugin.filter.clone(),
                over: Over::Table,
            })
        }
        Task::Retry(run) => retry(job, *run),
        Task::Revert { run, restart } => revert(job, *run, *restart, writer.is_none()),
    }
}

/// Refuses a new run of what is to be run once and has finished. Within the transaction that writes the run down
/// the answer is one that stays true.
pub(super) fn once(job: &Job<'_>, ledger: &mut dyn Writer, table: &str) -> Result<(), RunError> {
    let Task::Migrate(Migrate { once: true, .. }) = job.task else {
        return Ok(());
    };
    let migration = &job.plugin.manifest.name;
    match ledger.newest_run(migration, table)? {
        Some(Run {
            id: Some(run),
            state: RunState::Finished,
            ..
        }) => Err(RunError::Applied {
            run,
            migration: migration.clone(),
        }),
        _ => Ok(()),
    }
}

fn record(ledger: &mut dyn Writer, run: RunId) -> Result<Run, RunError> {
    ledger.run(run)?.ok_or(RunError::NoRun(run))
}

fn retry<'p>(job: &Job<'p>, run: RunId) -> Result<Plan<'p>, RunError> {
    let mut ledger = job.store.writer()?;
    let record = record(ledger.as_mut(), run)?;
    same_migration(job, &record)?;
    if matches!(record.state, RunState::Undoing | RunState::Undone) {
        return Err(RunError::NotRetryable {
            run,
            state: record.state.name(),
        });
    }
    // A document that fails in a run that takes another back is still to be taken back.
    let (work, filter) = match record.reverts {
        None => (job.plugin.forth(), job.plugin.filter.clone()),
        Some(_) => (back(job)?, Filter::default()),
    };
    let (until, documents) = ledger.last_quarantined(run)?.unwrap_or_default();
    Ok(Plan {
        parameters: record.parameters.clone(),
        reverts: record.reverts,
        earlier: Some(record),
        work,
        filter,
        over: Over::Quarantine {
            run,
            part: QuarantinePart {
                after: i64::MIN,
                until,
            },
            documents,
        },
    })
}

fn revert<'p>(
    job: &Job<'p>,
    run: RunId,
    restart: bool,
    dry_run: bool,
) -> Result<Plan<'p>, RunError> {
    let mut ledger = job.store.writer()?;
    let record = record(ledger.as_mut(), run)?;
    same_migration(job, &record)?;
    let work = back(job)?;
    if record.state == RunState::Undone {
        return Err(RunError::undone(run));
    }
    if let Some(other) = record.reverts {
        return Err(RunError::NotUndoable {
            run,
            why: format!("it has taken run {other} back by `revert`; run the migration again"),
        });
    }
    let earlier = match (record.state, dry_run) {
        // What was begun otherwise, or was undone since, is none to go on with.
        (RunState::Undoing, false) => ledger.newest_revert(run)?,
        _ => None,
    };
    Ok(Plan {
        earlier: resumable(job, earlier, &record.parameters, restart)?,
        parameters: record.parameters,
        reverts: Some(run),
        work,
        filter: Filter::default(),
        over: if record.undo_forgotten {
            Over::Table
        } else {
            Over::UndoLog(run)
        },
    })
}

/// The plugin's own way back.
fn back<'p>(job: &Job<'p>) -> Result<Work<'p>, RunError> {
    job.plugin.back().ok_or_else(|| RunError::NoRevert {
        migration: job.plugin.manifest.name.clone(),
    })
}

/// Refuses a plugin that is another migration than the run's.
fn same_migration(job: &Job<'_>, run: &Run) -> Result<(), RunError> {
    match run.id {
        Some(id) if run.migration != job.plugin.manifest.name => Err(RunError::OtherMigration {
            run: id,
            migration: run.migration.clone(),
            plugin: job.plugin.manifest.name.clone(),
        }),
        _ => Ok(()),
    }
}

/// The earlier run that this one goes on with; None where it begins anew.
fn resumable(
    job: &Job<'_>,
    earlier: Option<Run>,
    parameters: &BTreeMap<String, String>,
    restart: bool,
) -> Result<Option<Run>, RunError> {
    let Some(earlier) = earlier else {
        return Ok(None);
    };
    if let (RunState::Undoing, Some(run)) = (earlier.state, earlier.id) {
        return Err(RunError::Undoing { run });
    }
    if !earlier.state.goes_on() || restart {
        return Ok(None);
    }
    let difference = if earlier.plugin.sha256 != job.plugin.sha256 {
        "other plugin bytes"
    } else if earlier.parameters != *parameters {
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
