//! Why a run could not be started, or could not go on.

use thiserror::Error;

use super::grants::{Grant, in_words};
use super::pipeline::PipelineError;
use crate::ledger::RunId;
use crate::ledger::undo::BadLog;
use crate::plugin::CallError;
use crate::store::StoreError;

/// Why a run ended before its table did. What earlier batches did stays done.
#[derive(Debug, Error)]
pub enum RunError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plugin broke its contract: no document is to blame.
    #[error(
        "{plugin} broke the interface's contract at a batch of {documents} documents that begins with `{first}`: {error}"
    )]
    Contract {
        /// Which plugin, in words.
        plugin: String,
        /// How many documents it was given.
        documents: usize,
        /// The first one's id.
        first: String,
        /// What it did.
        error: CallError,
    },
    /// The migration asks for what was not granted.
    #[error(
        "the migration `{migration}` wants {}, which was not granted",
        in_words(missing)
    )]
    NotGranted {
        /// Its name.
        migration: String,
        /// What it wants.
        missing: Vec<Grant>,
    },
    /// The plugins cannot be stages of one pipeline.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Several plugins have no way back together.
    #[error("run {run} is of several plugins, `{migration}`, and these have no `revert` together")]
    RevertOfSeveral {
        /// The run.
        run: RunId,
        /// Their migrations.
        migration: String,
    },
    /// A granted secret has no value.
    #[error("the secret `{name}` was granted, and has no value")]
    NoSecret {
        /// Its name.
        name: String,
    },
    /// Another process works on the table.
    #[error(
        "run {run} of `{migration}` is working on table `{table}` (process {process} on {machine})"
    )]
    Busy {
        /// Its run.
        run: RunId,
        /// Its migration.
        migration: String,
        /// The table.
        table: String,
        /// Where it runs.
        machine: String,
        /// Its process.
        process: u32,
    },
    /// Another process has gone on with the run, because this one gave no sign of life.
    #[error("another process has taken over run {run}")]
    TakenOver {
        /// The run.
        run: RunId,
    },
    /// A thread of the host ended before its work did.
    #[error("a worker of the host ended unexpectedly; nothing of the batch in hand was kept")]
    Lost,
    /// The undo log cannot be written, or read.
    #[error(transparent)]
    Undo(#[from] BadLog),
    /// The run is half undone.
    #[error("run {run} is being undone, and is not undone yet")]
    Undoing {
        /// The run.
        run: RunId,
    },
    /// The migration was to be run once, and a run of it has finished.
    #[error("run {run} of `{migration}` has finished already")]
    Applied {
        /// The run that has finished.
        run: RunId,
        /// The migration.
        migration: String,
    },
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(RunId),
    /// The run cannot be taken back as it stands.
    #[error("run {run} cannot be undone: {why}")]
    NotUndoable {
        /// The run.
        run: RunId,
        /// Why not.
        why: String,
    },
    /// The documents that failed in the run cannot be tried again as it stands.
    #[error("run {run} is {state}: there is nothing of it to try again")]
    NotRetryable {
        /// The run.
        run: RunId,
        /// Its state.
        state: &'static str,
    },
    /// The plugins are other migrations than the run's.
    #[error("run {run} is of the migration `{migration}`, and the plugin is `{plugin}`")]
    OtherMigration {
        /// The run.
        run: RunId,
        /// Its migration.
        migration: String,
        /// What the plugin is.
        plugin: String,
    },
    /// The plugin cannot take its own work back.
    #[error("the plugin of `{migration}` has no `revert`")]
    NoRevert {
        /// The migration.
        migration: String,
    },
    /// An earlier run cannot be gone on with, because nobody can tell any more where it stood.
    #[error(
        "run {run} of `{migration}` cannot be gone on with: of the documents that it handled last none is left in table `{table}`, and the rows may have been numbered anew"
    )]
    Adrift {
        /// The run.
        run: RunId,
        /// The migration.
        migration: String,
        /// The table.
        table: String,
    },
    /// The documents have no key but their rows' numbers, and these may be others by now.
    #[error(
        "run {run} of `{migration}` cannot go on: table `{table}` has no primary key, and by VACUUM or a change of the schema its rows may have been numbered anew"
    )]
    Renumbered {
        /// The run.
        run: RunId,
        /// The migration.
        migration: String,
        /// The table.
        table: String,
    },
    /// An earlier run of the migration did not come to its end, and cannot be gone on with as it was.
    #[error(
        "run {run} of `{migration}` over `{table}` is unfinished ({state}), and was made with {difference}"
    )]
    Unfinished {
        /// The earlier run.
        run: RunId,
        /// The migration.
        migration: String,
        /// The table.
        table: String,
        /// The earlier run's state.
        state: &'static str,
        /// What differs.
        difference: &'static str,
    },
}

impl RunError {
    /// A run that was undone cannot be undone.
    pub(super) fn undone(run: RunId) -> Self {
        Self::NotUndoable {
            run,
            why: "it was undone already".into(),
        }
    }
}
