//! `host backup` and `host restore`: whole copies of a store.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;

use super::bar::Bar;
use super::logs;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::store::sqlite::backup;
use crate::store::{Address, Store, StoreError};

/// Writes a copy of a store while applications use it: whole, of one moment, and checked.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host backup --store sqlite:app.db before-the-migration.db
  host backup --store sqlite:app.db nightly.db --replace",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// Put the copy in the place of a file that is there
    #[arg(long)]
    replace: bool,

    /// The copy
    file: PathBuf,
}

impl Arguments {
    pub fn run(self, settings: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(settings, Missing::Refuse)?;
        back_up(store.as_ref(), &self.file, self.replace, |error| {
            self.store.error(settings, error)
        })?;
        Ok(Ending::Done)
    }
}

/// Writes a copy of a store, and tells so. What went wrong is put into words by `explain`.
pub(super) fn back_up(
    store: &dyn Store,
    file: &Path,
    replace: bool,
    explain: impl FnOnce(StoreError) -> CommandError,
) -> Result<(), CommandError> {
    let bar = Bar::of_pages();
    store
        .back_up(file, replace, &mut |copied| bar.pages(copied))
        .map_err(explain)?;
    drop(bar);
    logs::say(&format!(
        "{} written and checked: {}",
        file.display(),
        ByteSize(file.metadata()?.len())
    ));
    Ok(())
}

/// Puts a copy back: as a new database, or in the place of one, for whoever uses it all at once.
///
/// The copy is checked before anything is changed.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host restore --store sqlite:app.db before-the-migration.db --replace
  host restore --store sqlite:copy.db nightly.db",
    help_template = HELP
)]
pub(super) struct RestoreArguments {
    #[command(flatten)]
    store: StoreArguments,

    /// Put it in the place of a database that is there
    #[arg(long)]
    replace: bool,

    /// The copy
    file: PathBuf,
}

impl RestoreArguments {
    pub fn run(self, settings: &File) -> Result<Ending, CommandError> {
        let Address::Sqlite(path) = self.store.address(settings)?;
        let bar = Bar::of_pages();
        let timeout = self.store.timeout(settings);
        backup::restore(&self.file, &path, self.replace, timeout, &mut |copied| {
            bar.pages(copied);
        })
        .map_err(|error| self.store.error(settings, error))?;
        drop(bar);
        logs::say(&format!(
            "{} restored from {}",
            path.display(),
            self.file.display()
        ));
        Ok(Ending::Done)
    }
}
