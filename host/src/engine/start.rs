//! What must be known and allowed before the first document is read.

use std::collections::BTreeMap;
use std::path::absolute;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::apply::Scope;
use super::error::RunError;
use super::refind::{Refound, refind};
use super::task::{self, Over, Plan};
use super::{Job, grants, journal, now};
use crate::ledger::{Counters, DocumentFailure, PluginFile, Run, RunState, SHOWN_FAILURES};
use crate::plugin::world::lock;
use crate::plugin::{Fixed, Plugin, SharedReader, Work, World};
use crate::store::{Kind, Mark, StoreError, Table, Writer};

/// How often a process that waits for another looks whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// A run that can begin, or go on.
pub(super) struct Started<'p> {
    pub scope: Scope,
    /// What the plugin is called for.
    pub work: Work<'p>,
    /// Where the documents come from.
    pub over: Over,
    /// Its reader is [`Started::reader`].
    pub world: World,
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
    let manifest = &job.plugin.manifest;
    let missing = grants::missing(manifest, &job.granted);
    if !missing.is_empty() {
        return Err(RunError::NotGranted {
            migration: manifest.name.clone(),
            missing,
        });
    }
    let table = job.store.table(&task::table(job)?)?;
    let (writable, readable) = tables(job, &table)?;
    // A lookup must not see more of a batch's own writes in small batches than in large ones.
    let one_by_one = readable
        .values()
        .any(|read| writable.values().any(|written| written.name == read.name));
    let secrets = job
        .secrets
        .only(&manifest.secrets)
        .map_err(|name| RunError::NoSecret { name: name.into() })?;
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
        work,
        filter,
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
            migration: manifest.name.clone(),
            version: manifest.version,
            table: table.name.clone(),
            plugin: file(job.plugin),
            earlier_plugins: Vec::new(),
            reverts,
            parameters: parameters.clone(),
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
    run.hand_over(file(job.plugin), manifest.version);
    let filter = filter.null_is_missing(table.kind == Kind::Row);
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
    let known = writable
        .iter()
        .chain(&readable)
        .map(|(name, table)| (name.clone(), Arc::clone(table)))
        .collect();
    let world = World {
        fixed: Arc::new(Fixed {
            migration: manifest.name.clone(),
            now: run.now,
            parameters,
            secrets,
            known,
            readable,
        }),
        reader: Some(Arc::clone(&reader)),
    };
    Ok(Started {
        work,
        over,
        side_by_side: !one_by_one && job.store.reads_beside_writes()?,
        scope: Scope {
            migration: manifest.name.clone(),
            table,
            writable,
            filter,
            limits: job.plugin.limits().clone(),
        },
        world,
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

type Tables = BTreeMap<String, Arc<Table>>;

/// The tables that the migration may write and read, by the names that it uses.
fn tables(job: &Job<'_>, own: &Arc<Table>) -> Result<(Tables, Tables), StoreError> {
    let manifest = &job.plugin.manifest;
    let mut writable = Tables::from([
        (manifest.table.clone(), Arc::clone(own)),
        (own.name.clone(), Arc::clone(own)),
    ]);
    for name in &manifest.writes {
        if !writable.contains_key(name) {
            writable.insert(name.clone(), job.store.table(name)?);
        }
    }
    let mut readable = Tables::new();
    for name in &manifest.reads {
        let found = match writable.get(name) {
            Some(known) => Arc::clone(known),
            None => job.store.table(name)?,
        };
        readable.insert(name.clone(), found);
    }
    Ok((writable, readable))
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
        migration: run.migration.clone(),
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
