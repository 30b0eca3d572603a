//! Applying migrations, one after the other, until one cannot be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::claim::Claim;
use super::error::OrderError;
use super::folder::{Migration, Work};
use super::plan::Entry;
use super::standing::{By, Known, State};
use crate::engine::{
    self, Grant, Job, Migrate, Observer, Pace, Report, RunError, Stage, Task, by, now, others,
};
use crate::ledger::RunState;
use crate::ledger::order::{Event, Record};
use crate::plugin::{Described, Plugin, PluginError, Secrets};
use crate::stages::Stages;
use crate::store::structure::Change;
use crate::store::{Store, in_transaction};

/// How migrations are applied, and taken back by their own `revert`.
pub struct How<'a> {
    /// Where the documents are.
    pub store: &'a dyn Store,
    /// Loads a plugin.
    pub load: &'a dyn Fn(&Path) -> Result<Plugin, PluginError>,
    /// What a plugin is let do beyond its own table.
    pub granted: &'a dyn Fn(&Described) -> BTreeSet<Grant>,
    /// The secrets that there are.
    pub secrets: &'a Secrets,
    /// The parameters of a migration, by its name: names and JSON texts.
    pub parameters: &'a dyn Fn(&str) -> BTreeMap<String, String>,
    /// How runs go.
    pub pace: Pace,
    /// Goes on behind a migration of which documents failed.
    pub allow_failures: bool,
    /// Gives an unfinished run up and begins a new one.
    pub restart: bool,
    /// Waits for another process, instead of refusing.
    pub wait: bool,
    /// Ends after the batch in hand once it is set.
    pub stop: &'a AtomicBool,
}

/// Told what is applied.
pub trait Watch {
    /// A migration begins: who watches its run.
    fn begins(&mut self, name: &str) -> Box<dyn Observer + '_>;

    /// A migration ended. Its observer is gone by then.
    fn done(&mut self, done: &Done);
}

/// What became of a migration.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// Its plugin did this, for this task.
    Run(Box<Report>, Task),
    /// Its steps were made.
    Steps {
        /// The migration.
        name: String,
        /// What they did.
        steps: Vec<String>,
    },
    /// Another process has applied it meanwhile.
    ByAnother {
        /// The migration.
        name: String,
    },
}

/// How going up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was due is applied.
    There,
    /// Documents failed: behind that migration nothing was done, unless that was allowed.
    Failures,
    /// It was told to end, or a run was ended.
    Interrupted,
}

impl How<'_> {
    /// Applies migrations in the order given. The next call goes on with the one at which this one stopped.
    ///
    /// # Errors
    /// If one could not be applied. Those before it are.
    pub fn up(
        &self,
        claim: &mut Claim,
        due: &[&Entry],
        watch: &mut dyn Watch,
    ) -> Result<Ended, OrderError> {
        let mut ended = Ended::There;
        for entry in due {
            let Some(migration) = &entry.migration else {
                continue;
            };
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Ended::Interrupted);
            }
            claim.renew()?;
            let done = match &migration.work {
                Work::Steps(steps) => self.make(claim, migration, steps)?,
                Work::Plugin(plugin) => {
                    if self.failed_in_pipeline(claim, migration)? {
                        ended = Ended::Failures;
                        continue;
                    }
                    self.run(claim, migration, plugin, watch)?
                }
            };
            watch.done(&done);
            match &done {
                Done::Run(report, _)
                    if matches!(report.state, RunState::Interrupted | RunState::Cancelled) =>
                {
                    return Ok(Ended::Interrupted);
                }
                Done::Run(report, _) if report.counters.failed > 0 => {
                    ended = Ended::Failures;
                    if !self.allow_failures {
                        return Ok(ended);
                    }
                }
                _ => {}
            }
        }
        Ok(ended)
    }

    /// Whether documents are left that failed in a pipeline, of which the migration is but a stage.
    ///
    /// # Errors
    /// If they are, unless failures are allowed: they are tried again through all of its stages, or not at all.
    fn failed_in_pipeline(
        &self,
        claim: &mut Claim,
        migration: &Migration,
    ) -> Result<bool, OrderError> {
        let known = known(claim)?;
        let standing = known.standing(&migration.name, migration.table());
        let (State::FailuresLeft, Some(By::Run(id))) = (standing.state, standing.by) else {
            return Ok(false);
        };
        let mut runs = known.in_effect(&migration.name, migration.table());
        match runs.find(|run| run.id == Some(id) && run.stages.are_several()) {
            None => Ok(false),
            Some(_) if self.allow_failures => Ok(true),
            Some(run) => Err(OrderError::Standing {
                name: migration.name.clone(),
                why: format!(
                    "has documents that failed in run {id} of `{}`: `host retry {id}` tries them again through all of it",
                    run.name()
                ),
            }),
        }
    }

    /// Has a plugin do its work, or what is left of it.
    fn run(
        &self,
        claim: &mut Claim,
        migration: &Migration,
        described: &Described,
        watch: &mut dyn Watch,
    ) -> Result<Done, OrderError> {
        let plugin = (self.load)(&migration.path)?;
        if plugin.sha256 != migration.sha256 {
            return Err(OrderError::Exchanged {
                path: migration.path.clone(),
            });
        }
        loop {
            let standing = known(claim)?.standing(&migration.name, migration.table());
            let task = match (standing.state, standing.by) {
                (State::Applied, _) => {
                    return Ok(Done::ByAnother {
                        name: migration.name.clone(),
                    });
                }
                (State::FailuresLeft, Some(By::Run(run))) => Task::Retry(run),
                _ => Task::Migrate(Migrate {
                    table: None,
                    restart: self.restart,
                    once: true,
                }),
            };
            let job = self.job(&plugin, described, task);
            match engine::run(&job, watch.begins(&migration.name).as_mut()) {
                // Another process was at it, and is done.
                Err(RunError::Applied { .. }) => {}
                Err(error) => return Err(error.into()),
                Ok(report) => return Ok(Done::Run(Box::new(report), job.task)),
            }
        }
    }

    pub(super) fn job<'a>(
        &'a self,
        plugin: &'a Plugin,
        described: &Described,
        task: Task,
    ) -> Job<'a> {
        Job {
            store: self.store,
            stages: Stages::one(Stage {
                plugin,
                parameters: (self.parameters)(&plugin.manifest.name),
                granted: (self.granted)(described),
            }),
            task,
            secrets: self.secrets,
            dry_run: false,
            wait: self.wait,
            pace: self.pace.clone(),
            stop: self.stop,
        }
    }

    /// Makes steps, and their record with them, in one transaction.
    fn make(
        &self,
        claim: &mut Claim,
        migration: &Migration,
        steps: &[Change],
    ) -> Result<Done, OrderError> {
        let name = migration.name.clone();
        let began = Instant::now();
        let made = in_transaction(claim.ledger(), |writer| -> Result<_, OrderError> {
            let known = Known::new(writer.runs()?, writer.records()?);
            if known.standing(&name, None).state.is_done() {
                return Ok(false);
            }
            let mut way_back = Vec::new();
            for step in steps {
                if let Change::DropTable { name, .. } = step
                    && let Some(error) = others(writer, name)?
                {
                    return Err(error.into());
                }
                way_back.push(writer.change(step)?);
            }
            writer.save_record(&mut Record {
                number: None,
                event: Event::Applied,
                migration: name.clone(),
                version: migration.version,
                sha256: migration.sha256.clone(),
                at: now(),
                took: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                by: by(),
                why: None,
                way_back,
            })?;
            Ok(true)
        })?;
        Ok(if made {
            Done::Steps {
                name,
                steps: steps.iter().map(ToString::to_string).collect(),
            }
        } else {
            Done::ByAnother { name }
        })
    }
}

/// What the ledger tells by now.
fn known(claim: &mut Claim) -> Result<Known, OrderError> {
    let ledger = claim.ledger();
    Ok(Known::new(ledger.runs()?, ledger.records()?))
}
