//! `host retry`: the failed documents of a run, again.

use super::job::LedgerJobArguments;
use super::order::require::RequireArguments;
use super::tables::Format;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::engine::{RunError, Task};
use crate::ledger::RunId;
use crate::plugin::Plugin;
use crate::stages::Stages;

/// Tries the documents again that failed in a run, and no others.
///
/// It is part of the run: its parameters, its time and its ids are the same, its counters and its undo log go
/// on. What succeeds, is gone, or does not meet the filter any more leaves the quarantine.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host retry 7 --store sqlite:app.db                       the documents were mended
  host retry 7 --store sqlite:app.db --plugin fixed.wasm   the plugin was
  host retry 7 --store sqlite:app.db --dry-run",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The run's number
    run: i64,

    #[command(flatten)]
    store: StoreArguments,

    /// How to show the report; progress goes to standard error
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    require: RequireArguments,

    #[command(flatten)]
    job: LedgerJobArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let id = RunId(self.run);
        let run = store.writer()?.run(id)?.ok_or(RunError::NoRun(id))?;
        let proven =
            |plugins: &Stages<Plugin>| self.require.check_plugins(file, &self.store, plugins);
        let (_, ending) = self.job.carry_out(
            file,
            (&self.store, store.as_ref()),
            &run,
            Task::Retry(id),
            proven,
            self.format,
        )?;
        Ok(ending)
    }
}
