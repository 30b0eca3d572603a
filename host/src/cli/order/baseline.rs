//! `host baseline`: for a store that is at a version already.

use super::FolderArguments;
use crate::cli::{CommandError, Ending, HELP, StoreArguments, logs};
use crate::config::File;
use crate::order::mark::Mark;
use crate::order::plan::Point;

/// Records that a store has all migrations up to one, without running any.
///
/// For stores that were brought to where they are by other means.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host baseline 12 --store sqlite:app.db            it is at version 12
  host baseline split-name --why \"by the old script\"
  host baseline split-name --forget                 it was not, after all",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    /// The last migration that the store has, or its version
    point: Point,

    #[command(flatten)]
    store: StoreArguments,

    /// Why; for the history
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,

    /// Takes back what was recorded of this one migration
    #[arg(long, conflicts_with = "why")]
    forget: bool,

    #[command(flatten)]
    folder: FolderArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let migrations = self
            .folder
            .read(file)
            .map_err(|error| self.store.order_error(file, error))?;
        let recorded = match (&self.point, self.forget) {
            (Point::Name(name), true) => self
                .store
                .mark(file, &migrations, |plan| Mark::forget_baseline(plan, name))?,
            (Point::Version(_), true) => {
                return Err(CommandError::usage(
                    "--forget needs the name of one migration",
                ));
            }
            (point, false) => self.store.mark(file, &migrations, |plan| {
                Mark::baseline(plan, point.clone(), self.why.as_deref())
            })?,
        };
        let state = if self.forget {
            "pending again"
        } else {
            "recorded as applied"
        };
        logs::say(&format!("{state}: {}", recorded.join(", ")));
        Ok(Ending::Done)
    }
}
