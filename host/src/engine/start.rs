//! What must be known and allowed before the first document is read.

use std::collections::BTreeMap;
use std::path::absolute;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use migration_document::{Filter, Manifest};

use super::apply::{Rights, Scope};
use super::error::RunError;
use super::refind::{Refound, refind};
use super::task::{self, Over, Plan};
use super::{Job, Stage, grants, journal, now, pipeline, transform};
use crate::ledger::{self, Counters, DocumentFailure, PluginFile, Run, RunState, SHOWN_FAILURES};
use crate::plugin::world::lock;
use crate::plugin::{Fixed, Plugin, Secrets, SharedReader};
use crate::stages::Stages;
use crate::store::{Kind, Mark, Store, StoreError, Table, Writer};

/// How often a process that waits for another looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A run that can begin, or go on.
pub(super) struct Started<'p> {
    pub scope: Arc<Scope>,
    /// What the plugins are called for.
    pub stages: Arc<Stages<transform::Stage<'p>>>,
    /// Where the documents come from.
    pub over: Over,
    pub reader: SharedReader,
    /// None in a dry run.
    pub writer: Option<Box<dyn Writer>>,
    /// The state of the store before anything was read of the table; None in a dry run.
    pub mark: Option<Mark>,
    pub run: Run,
    /// What the ledger said of an earlier process's run before anything of it was mended.
    pub found: Option<(RunState, Counters)>,
    /// The first failures of a run that goes on.
    pub failures: Vec<DocumentFailure>,
    /// Batches may be read and transformed while others are written.
    pub side_by_side: bool,
    /// Documents must be transformed one by one.
    pub one_by_one: bool,
    /// How the place of an earlier process was found again.
    pub refound: Refound,
}

pub(super) fn start<'p>(job: &Job<'p>) -> Result<Started<'p>, RunError> {
    let manifests = job.stages.each().map(|stage| &stage.plugin.manifest);
    pipeline::check_manifests(&manifests, task::is_for_its_own_table(job))?;
    for stage in job.stages.iter() {
        let missing = grants::missing(&stage.plugin.manifest, &stage.granted);
        if !missing.is_empty() {
            return Err(RunError::NotGranted {
                migration: stage.name().into(),
                missing,
            });
        }
    }
    let table = job.store.table(&task::table(job)?)?;
    let tables = job
        .stages
        .each()
        .try_map(|stage| Tables::of(job.store, &stage.plugin.manifest, &table))?;
    pipeline::check_tables(&job.stages, &tables)?;
    // A lookup must not see more of a batch's own writes in small batches than in large ones.
    let one_by_one = tables.iter().any(Tables::looks_into_what_it_writes);
    let secrets = secrets(job)?;
    let reader: SharedReader = Arc::new(Mutex::new(job.store.reader()?));
    let mut writer = if job.dry_run {
        None
    } else {
        Some(job.store.writer()?)
    };
    let mut mark = None;
    if let Some(writer) = &mut writer {
        wait_for_others(job, writer.as_mut(), &table)?;
        mark = Some(writer.mark()?);
    }
    let Plan {
        earlier,
        parameters,
        reverts,
        works,
        over,
    } = task::plan(job, &table.name, writer.as_mut())?;
    let found = earlier
        .as_ref()
        .map(|earlier| (earlier.state, earlier.counters.clone()));
    let mut run = match earlier {
        // The claim was an earlier process's; this one makes its own with its first batch.
        Some(earlier) => Run {
            lease: None,
            ..earlier
        },
        None => Run {
            id: None,
            stages: job
                .stages
                .each()
                .zip(parameters.each())
                .map(|(stage, parameters)| {
                    let plugin = stage.plugin;
                    ledger::Stage {
                        migration: plugin.manifest.name.clone(),
                        version: plugin.manifest.version,
                        plugin: file(plugin),
                        earlier_plugins: Vec::new(),
                        parameters: parameters.clone(),
                        counters: Counters::default(),
                    }
                }),
            table: table.name.clone(),
            reverts,
            now: now(),
            state: RunState::Running,
            checkpoint: None,
            trail: Default::default(),
            until: lock(&reader).end_of(&table)?,
            counters: Default::default(),
            by: by(),
            ended: None,
            lease: None,
            pace: Default::default(),
            undo_forgotten: false,
        },
    };
    for (stage, given) in run.stages.iter_mut().zip(job.stages.iter()) {
        stage.hand_over(file(given.plugin), given.plugin.manifest.version);
    }
    let works = works.map(|(work, filter)| {
        let filter = filter.null_is_missing(table.kind == Kind::Row);
        (work, filter)
    });
    let filter = Filter::any_of(works.iter().map(|(_, filter)| filter.clone()).collect());
    let tells = run.trail.tells_done(&filter);
    let numbering = match &mut writer {
        Some(writer) => writer.numbering(&table)?,
        None => None,
    };
    let refound = match over {
        Over::Table => refind(&reader, &table, tells, numbering, &mut run)?,
        // The ledger names each of the documents.
        Over::Quarantine { .. } | Over::UndoLog(_) => Refound::Exactly,
    };
    let failures = match (&mut writer, run.id, over) {
        // These are tried again.
        (_, _, Over::Quarantine { .. }) => Vec::new(),
        (Some(writer), Some(id), _) => writer.quarantined(id, SHOWN_FAILURES)?,
        _ => Vec::new(),
    };
    let migrations = job.stages.each().zip(tables.each());
    let rights = migrations.map(|(stage, tables)| Rights {
        migration: stage.name().into(),
        writable: tables.writable.clone(),
        limits: stage.plugin.limits().clone(),
    });
    let given = job.stages.each().zip(tables).zip(parameters.zip(secrets));
    let seen = given.map(|((stage, tables), (parameters, secrets))| Fixed {
        migration: stage.name().into(),
        now: run.now,
        parameters,
        secrets,
        known: tables.known(),
        readable: tables.readable,
    });
    let stages = works
        .zip(seen)
        .map(|((work, filter), fixed)| transform::Stage {
            work,
            filter,
            fixed: Arc::new(fixed),
        });
    Ok(Started {
        stages: Arc::new(stages),
        over,
        side_by_side: !one_by_one && job.store.reads_beside_writes()?,
        scope: Arc::new(Scope {
            table,
            filter,
            rights,
        }),
        reader,
        writer,
        mark,
        run,
        found,
        failures,
        one_by_one,
        refound,
    })
}

/// The tables that a migration may use, by the names that it has for them.
pub(super) struct Tables {
    pub writable: BTreeMap<String, Arc<Table>>,
    pub readable: BTreeMap<String, Arc<Table>>,
}

impl Tables {
    fn of(store: &dyn Store, manifest: &Manifest, own: &Arc<Table>) -> Result<Self, StoreError> {
        let mut writable = BTreeMap::from([
            (manifest.table.clone(), Arc::clone(own)),
            (own.name.clone(), Arc::clone(own)),
        ]);
        for name in &manifest.writes {
            if !writable.contains_key(name) {
                writable.insert(name.clone(), store.table(name)?);
            }
        }
        let mut readable = BTreeMap::new();
        for name in &manifest.reads {
            let found = match writable.get(name) {
                Some(known) => Arc::clone(known),
                None => store.table(name)?,
            };
            readable.insert(name.clone(), found);
        }
        Ok(Self { writable, readable })
    }

    fn looks_into_what_it_writes(&self) -> bool {
        let mut read = self.readable.values();
        read.any(|read| {
            let mut written = self.writable.values();
            written.any(|written| written.name == read.name)
        })
    }

    /// Those whose keys are known.
    fn known(&self) -> BTreeMap<String, Arc<Table>> {
        self.writable
            .iter()
            .chain(&self.readable)
            .map(|(name, table)| (name.clone(), Arc::clone(table)))
            .collect()
    }
}

/// What of the secrets each stage is shown. What any of them is shown, all are wiped of.
fn secrets(job: &Job<'_>) -> Result<Stages<Secrets>, RunError> {
    let no_secret = |name: &str| RunError::NoSecret { name: name.into() };
    let only = |names: &[String]| job.secrets.only(names).map_err(no_secret);
    let names = |stage: &Stage<'_>| stage.plugin.manifest.secrets.clone();
    let all = only(&job.stages.iter().flat_map(names).collect::<Vec<_>>())?;
    job.stages.each().try_map(|stage| {
        let mut shown = only(&stage.plugin.manifest.secrets)?;
        shown.wipe_those_of(&all);
        Ok(shown)
    })
}

/// Refuses to begin while another process works on the table, or waits until it does not.
fn wait_for_others(job: &Job<'_>, writer: &mut dyn Writer, table: &Table) -> Result<(), RunError> {
    let mut told = false;
    loop {
        match others(writer, &table.name)? {
            None => return Ok(()),
            Some(other) if job.wait && !job.stop.load(Ordering::Relaxed) => {
                if !told {
                    journal::waits_for(&other);
                    told = true;
                }
                std::thread::sleep(LOOK_AGAIN);
            }
            Some(error) => return Err(error),
        }
    }
}

/// The other process that works on a table, as the error that it is.
pub(crate) fn others(writer: &mut dyn Writer, table: &str) -> Result<Option<RunError>, StoreError> {
    Ok(writer.claimed(table)?.iter().find_map(busy))
}

/// The other process that works on a run, as the error that it is.
pub(super) fn busy(run: &Run) -> Option<RunError> {
    let lease = run.lease.as_ref()?;
    lease.holds_against_this(now()).then_some(RunError::Busy {
        run: run.id?,
        migration: run.name(),
        table: run.table.clone(),
        machine: lease.holder.machine.clone(),
        process: lease.holder.process,
    })
}

/// The plugin's file, as the ledger keeps it.
fn file(plugin: &Plugin) -> PluginFile {
    PluginFile {
        sha256: plugin.sha256.clone(),
        path: absolute(&plugin.path)
            .ok()
            .and_then(|path| path.to_str().map(str::to_owned)),
    }
}

/// Who runs this process.
pub(crate) fn by() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .unwrap_or_else(|| "unknown".into());
    format!("{user}@{}", gethostname::gethostname().to_string_lossy())
}
