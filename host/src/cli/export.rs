//! `host export`: documents out of a store.

use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::bar::Bar;
use super::logs;
use super::show::{counted, safe};
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::draft::Draft;
use crate::store::Store;
use crate::transfer::{self, Format, Moved, Output, TransferError, snapshot};

/// Writes documents out, as they are stored: of a table, or of the whole store.
///
/// Without --table a whole store is written: as a snapshot of Convex, or into a folder with a file for each table. A file is
/// compressed where its name ends in .gz or .zst.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host export --store sqlite:app.db --table users > users.jsonl
  host export --store sqlite:app.db --table users users.csv.gz
  host export --store sqlite:app.db snapshot.zip               a snapshot for Convex
  host export --store sqlite:app.db dump/                      a file for each table",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// The table
    #[arg(long, value_name = "TABLE", env = "HOST_TABLE")]
    table: Option<String>,

    /// The format [default: told by the file's name; else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// The file or folder; standard output without it
    file: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, settings: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(settings, Missing::Refuse)?;
        let named = self.file.as_deref().and_then(Format::of_path);
        let format = self.format.or(named).unwrap_or(Format::Jsonl);
        let moved = match (&self.table, &self.file) {
            (Some(table), file) => one(store.as_ref(), table, format, file.as_deref())?,
            (None, Some(file)) if format == Format::Convex => snapshot(store.as_ref(), file)?,
            (None, Some(folder)) if named.is_none() => {
                transfer::export_folder(store.as_ref(), folder, format)
                    .map_err(|error| written(error, folder))?
            }
            (None, _) => {
                return Err(CommandError::usage("one file or stream holds one table").hint(
                    "name it with --table, or name a folder or a .zip to write the whole store to",
                ));
            }
        };
        if self.file.is_some() {
            for moved in moved {
                logs::say(&format!(
                    "{} exported from `{}`",
                    counted(moved.documents, "document"),
                    safe(&moved.table)
                ));
            }
        }
        Ok(Ending::Done)
    }
}

/// Names what could not be written.
fn written(error: TransferError, path: &Path) -> CommandError {
    match error {
        TransferError::Io(error) => unwritable(path, &error),
        error => error.into(),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> CommandError {
    CommandError::new(format!("{} cannot be written: {error}", path.display()))
}

fn one(
    store: &dyn Store,
    table: &str,
    format: Format,
    file: Option<&Path>,
) -> Result<Vec<Moved>, CommandError> {
    // Before a file is made for it.
    store.table(table)?;
    let mut output = match file {
        None => Output::new(io::stdout()),
        Some(path) => Output::create(path).map_err(|error| unwritable(path, &error))?,
    };
    let exported = transfer::export(store, table, format, &mut output)
        .and_then(|count| Ok((count, output.flush()?)));
    match exported {
        Ok((documents, ())) => {
            output.finish()?;
            Ok(vec![Moved {
                table: table.into(),
                documents,
            }])
        }
        // Whoever reads has seen enough: `| head`.
        Err(TransferError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            output.give_up();
            Ok(Vec::new())
        }
        Err(error) => {
            output.give_up();
            Err(error.into())
        }
    }
}

fn snapshot(store: &dyn Store, path: &Path) -> Result<Vec<Moved>, CommandError> {
    let draft = Draft::create(path).map_err(|error| unwritable(path, &error))?;
    let bar = Bar::of_input(None);
    let mut archive = BufWriter::with_capacity(1 << 20, draft);
    let moved = snapshot::export(store, &mut archive, &mut |count| bar.documents(count, None))?;
    archive
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
        .and_then(Draft::finish)
        .map_err(|error| unwritable(path, &error))?;
    Ok(moved)
}
