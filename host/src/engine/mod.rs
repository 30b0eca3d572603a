//! Running a migration over a table: read a batch, have it transformed, write it in one transaction,
//! and again until the table ends.
//!
//! The order within a batch is what keeps the promises:
//!
//! 1. The writer's clock is read, then a snapshot is. Lookups are answered within a snapshot, too.
//! 2. The plugin transforms the batch. No lock is held.
//! 3. A transaction begins, which holds the write lock from its first moment. If anyone has written since
//!    the clock was read, each document is compared with what was read, and each lookup is asked again.
//!    What has changed is transformed again, with the lock given back; only after [`ATTEMPTS`] lost races
//!    does the plugin run under the lock.
//! 4. Changes, undo log, quarantine, counters and checkpoint commit together.
//!
//! The documents come from the table, or the ledger names them: failed ones that are tried again, and those of
//! a run that its plugin takes back.
//!
//! Several plugins are a pipeline (`pipeline.rs`): at step 2 each is a stage that is given what the one before has made
//! of the document (`course.rs`), and all else is as with one.
//!
//! Where the store allows it and the migration does not look into what it writes, later batches are read and
//! transformed while earlier ones are written (`source.rs`). Documents that were inserted while the run
//! went on are gone over in further laps.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod ahead;
mod apply;
mod between;
mod count;
mod course;
mod courtesy;
pub mod error;
pub mod forget;
pub mod grants;
mod intent;
pub mod journal;
pub mod judge;
mod line;
mod named;
pub mod observer;
pub mod pipeline;
mod refind;
pub mod report;
mod retry;
mod revert;
mod runner;
pub mod sample;
mod settle;
mod side_by_side;
mod sink;
mod source;
mod start;
mod task;
mod transform;
pub mod trial;
pub mod undo;
mod write;

pub use apply::UNCHANGED;
pub use error::RunError;
pub use grants::Grant;
pub use observer::{Change, Nobody, Observer, Progress};
pub use pipeline::Stage;
pub use report::{Report, StageReport};
pub use sample::Sample;
pub(crate) use start::{by, others};

use crate::ledger::RunId;
use crate::plugin::Secrets;
use crate::stages::Stages;
use crate::store::Store;

/// How often a batch that lost a race is taken back and tried again before it is settled under the lock.
pub const ATTEMPTS: u32 = 3;

/// How many documents a batch has at the most where nothing else is said.
pub const BATCH_SIZE: usize = 3_000;

/// How long a batch may hold the write lock where nothing else is said.
pub const MAX_LOCK: Duration = Duration::from_millis(50);

/// What is to be run, and how.
pub struct Job<'a> {
    /// Where the documents are.
    pub store: &'a dyn Store,
    /// The plugins that each document goes through, in order.
    pub stages: Stages<Stage<'a>>,
    /// What they are to do.
    pub task: Task,
    /// The secrets that there are. Only what is granted reaches a plugin.
    pub secrets: &'a Secrets,
    /// Changes nothing, the ledger included, and tells what would happen.
    pub dry_run: bool,
    /// Waits for another process that works on the table, instead of refusing.
    pub wait: bool,
    /// How it goes.
    pub pace: Pace,
    /// Ends the run after the batch in hand once it is set.
    pub stop: &'a AtomicBool,
}

/// What plugins are to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Their migrations: an unfinished run goes on, or a new one begins.
    Migrate(Migrate),
    /// The failed documents of this run, again: with the run's parameters, at its time, and as part of it.
    Retry(RunId),
    /// The way back from this run, by the plugin's own `revert` and with the run's parameters. It is a run of
    /// its own; an unfinished one goes on.
    Revert {
        /// The run.
        run: RunId,
        /// Gives an unfinished one up and begins a new one.
        restart: bool,
    },
}

/// What a migration is to be run with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrate {
    /// The table to run over instead of the manifest's.
    pub table: Option<String>,
    /// Gives an unfinished run up and begins a new one.
    pub restart: bool,
    /// Begins no new run where one has finished, in another process meanwhile for instance.
    pub once: bool,
}

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Documents in one transaction, at the most.
    pub batch_size: usize,
    /// How long a batch should hold the write lock at the most; batches are sized by it while the run goes
    /// on. What one document takes is not bounded by it.
    pub max_lock: Duration,
    /// Threads that read and transform, where that may be done side by side, besides the one that writes, which
    /// helps them while it waits. None: one less than there are cores, and 8 at the most.
    pub workers: Option<usize>,
    /// Ends after so many documents.
    pub limit: Option<u64>,
    /// Does only a fixed part of the documents.
    pub sample: Option<Sample>,
    /// Documents in a second, at the most.
    pub rate: Option<f64>,
    /// A rest after each batch.
    pub pause: Duration,
    /// What to do when documents fail.
    pub failures: Failures,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            batch_size: BATCH_SIZE,
            max_lock: MAX_LOCK,
            workers: None,
            limit: None,
            sample: None,
            rate: None,
            pause: Duration::ZERO,
            failures: Failures::Quarantine,
        }
    }
}

/// When failures end a run. It can be gone on with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Failures {
    /// They never do.
    Quarantine,
    /// Once there are more than so many.
    Number(u64),
    /// Once there are more than this part of the documents that were done, from the hundredth on.
    Share(f64),
}

/// Runs a migration.
///
/// # Errors
/// If it cannot be started, or not go on. What earlier batches did stays done, and the same job goes on
/// behind them.
pub fn run(job: &Job<'_>, observer: &mut dyn Observer) -> Result<Report, RunError> {
    let _told = journal::span(job).entered();
    runner::Runner::start(job)?.run(observer)
}

/// The time, in milliseconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
