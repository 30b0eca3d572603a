//! `host repair`: other bytes of an applied migration are as good.

use super::FolderArguments;
use crate::cli::{CommandError, Ending, HELP, StoreArguments, logs};
use crate::config::File;
use crate::order::mark::Mark;

/// Accepts the bytes of an applied migration that have changed since.
///
/// Nothing runs. The new SHA-256 is recorded, with who accepted it and why.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host repair split-name --accept --why \"built with a newer compiler\" --env prod",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    /// The migration
    name: String,

    #[command(flatten)]
    store: StoreArguments,

    /// Records the SHA-256 of the file in the folder in the place of the one that was applied
    #[arg(long, required = true)]
    accept: bool,

    /// Why; for the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,

    #[command(flatten)]
    folder: FolderArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let migrations = self
            .folder
            .read(file)
            .map_err(|error| self.store.order_error(file, error))?;
        self.store.mark(file, &migrations, |plan| {
            Mark::accepted(plan, &self.name, self.why.as_deref())
        })?;
        logs::say(&format!("the new bytes of {} are accepted", self.name));
        Ok(Ending::Done)
    }
}
