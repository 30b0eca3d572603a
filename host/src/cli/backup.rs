//! `host backup` and `host restore`: whole copies of a store.

use std::path::PathBuf;

use bytesize::ByteSize;

use super::bar::Bar;
use super::logs;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::store::Address;
use crate::store::sqlite::backup;

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
        let bar = Bar::of_pages();
        store
            .back_up(&self.file, self.replace, &mut |copied| bar.pages(copied))
            .map_err(|error| self.store.error(settings, error))?;
        drop(bar);
        logs::say(&format!(
            "{} written and checked: {}",
            self.file.display(),
            ByteSize(self.file.metadata()?.len())
        ));
        Ok(Ending::Done)
    }
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
