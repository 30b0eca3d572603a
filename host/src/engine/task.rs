//! Which run a job works on, which function of the plugin it calls, and where its documents come from.

use std::collections::BTreeMap;

use migration_document::Filter;

use super::error::RunError;
use super::{Job, Migrate, Stage, Task, pipeline};
use crate::ledger::{QuarantinePart, Run, RunId, RunState};
use crate::plugin::Work;
use crate::stages::Stages;
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
    /// Of each stage.
    pub parameters: Stages<BTreeMap<String, String>>,
    /// The run that a new one takes back.
    pub reverts: Option<RunId>,
    /// What each stage calls, and for which documents.
    pub works: Stages<(Work<'p>, Filter)>,
    pub over: Over,
}

/// Whether the plugins themselves say which table they work on.
pub(super) fn is_for_its_own_table(job: &Job<'_>) -> bool {
    matches!(&job.task, Task::Migrate(migrate) if migrate.table.is_none())
}

/// The name of the table that a job works on.
pub(super) fn table(job: &Job<'_>) -> Result<String, RunError> {
    match &job.task {
        Task::Migrate(Migrate {
            table: Some(table), ..
        }) => Ok(table.clone()),
        Task::Migrate(_) => Ok(job.stages.first().plugin.manifest.table.clone()),
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
            let parameters = job.stages.each().map(|stage| stage.parameters.clone());
            let earlier = match writer {
                Some(writer) => {
                    once(job, writer.as_mut(), table)?;
                    earlier(job, writer.as_mut(), table, &parameters, migrate.restart)?
                }
                None => None,
            };
            Ok(Plan {
                earlier,
                parameters,
                reverts: None,
                works: forth(job),
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
    for stage in job.stages.iter() {
        if let Some(Run {
            id: Some(run),
            state: RunState::Finished,
            ..
        }) = ledger.newest_run(stage.name(), table)?
        {
            return Err(RunError::Applied {
                run,
                migration: stage.name().into(),
            });
        }
    }
    Ok(())
}

/// What each stage calls to migrate.
fn forth<'p>(job: &Job<'p>) -> Stages<(Work<'p>, Filter)> {
    let stages = job.stages.each();
    stages.map(|stage| (stage.plugin.forth(), stage.plugin.filter.clone()))
}

/// The earlier run of the same stages that this one goes on with; None where it begins anew.
fn earlier(
    job: &Job<'_>,
    ledger: &mut dyn Writer,
    table: &str,
    parameters: &Stages<BTreeMap<String, String>>,
    restart: bool,
) -> Result<Option<Run>, RunError> {
    let mut newest: Vec<Run> = Vec::new();
    for stage in job.stages.iter() {
        let found = ledger.newest_run(stage.name(), table)?;
        newest.extend(found.filter(|found| newest.iter().all(|run| run.id != found.id)));
    }
    // One that is the newest of some of the stages only is none to go on with.
    let alone = newest.len() == 1;
    let mut goes_on = None;
    for run in newest {
        goes_on = resumable(job, run, alone, parameters, restart)?.or(goes_on);
    }
    Ok(goes_on)
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
    let works = match record.reverts {
        None => forth(job),
        Some(_) => back(job)?,
    };
    let (until, documents) = ledger.last_quarantined(run)?.unwrap_or_default();
    Ok(Plan {
        parameters: parameters(&record),
        reverts: record.reverts,
        earlier: Some(record),
        works,
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
    if record.stages.are_several() {
        return Err(RunError::RevertOfSeveral {
            run,
            migration: record.name(),
        });
    }
    same_migration(job, &record)?;
    let works = back(job)?;
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
    let parameters = parameters(&record);
    Ok(Plan {
        earlier: match earlier {
            Some(earlier) => resumable(job, earlier, true, &parameters, restart)?,
            None => None,
        },
        parameters,
        reverts: Some(run),
        works,
        over: if record.undo_forgotten {
            Over::Table
        } else {
            Over::UndoLog(run)
        },
    })
}

/// The parameters that a run was made with.
fn parameters(run: &Run) -> Stages<BTreeMap<String, String>> {
    run.stages.each().map(|stage| stage.parameters.clone())
}

/// The plugin's own way back.
fn back<'p>(job: &Job<'p>) -> Result<Stages<(Work<'p>, Filter)>, RunError> {
    job.stages.each().try_map(|stage| {
        let back = stage.plugin.back().ok_or_else(|| RunError::NoRevert {
            migration: stage.name().into(),
        })?;
        Ok((back, Filter::default()))
    })
}

/// Whether a run is of the same migrations, in the same order.
fn is_same(job: &Job<'_>, run: &Run) -> bool {
    let names = run.stages.iter().map(|stage| stage.migration.as_str());
    names.eq(job.stages.iter().map(Stage::name))
}

/// Refuses plugins that are other migrations than the run's.
fn same_migration(job: &Job<'_>, run: &Run) -> Result<(), RunError> {
    match run.id {
        Some(id) if !is_same(job, run) => Err(RunError::OtherMigration {
            run: id,
            migration: run.name(),
            plugin: pipeline::name(&job.stages),
        }),
        _ => Ok(()),
    }
}

/// An earlier run, if this one goes on with it; None where it begins anew. `newest` tells that none of its
/// migrations has been run since.
fn resumable(
    job: &Job<'_>,
    earlier: Run,
    newest: bool,
    given: &Stages<BTreeMap<String, String>>,
    restart: bool,
) -> Result<Option<Run>, RunError> {
    if let (RunState::Undoing, Some(run)) = (earlier.state, earlier.id) {
        return Err(RunError::Undoing { run });
    }
    if !earlier.state.goes_on() || restart {
        return Ok(None);
    }
    let other_bytes = || {
        let mut plugins = earlier.stages.iter().zip(job.stages.iter());
        plugins.any(|(stage, given)| stage.plugin.sha256 != given.plugin.sha256)
    };
    let difference = if !is_same(job, &earlier) {
        "other plugins"
    } else if !newest {
        "plugins of which one has been run by itself since"
    } else if other_bytes() {
        "other plugin bytes"
    } else if parameters(&earlier) != *given {
        "other parameters"
    } else {
        return Ok(Some(earlier));
    };
    match (earlier.state, earlier.id) {
        // It has done all that it was asked to do.
        (RunState::Limited, _) | (_, None) => Ok(None),
        (state, Some(run)) => Err(RunError::Unfinished {
            run,
            migration: earlier.name(),
            table: earlier.table,
            state: state.name(),
            difference,
        }),
    }
}
