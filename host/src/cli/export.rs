//! `host export`: documents out of a table.

use std::fs::File as Output;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use super::logs;
use super::show::counted;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::transfer::{self, Layout, TransferError};

/// Writes the documents of a table out, as they are stored.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host export --store sqlite:app.db --table users > users.jsonl
  host export --store sqlite:app.db --table users --array users.json",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// The table
    #[arg(long, value_name = "TABLE", env = "HOST_TABLE")]
    table: String,

    /// Write one JSON array instead of one document a line
    #[arg(long)]
    array: bool,

    /// The file; standard output without it
    file: Option<PathBuf>,
}

impl Arguments {
    pub fn run(self, settings: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(settings, Missing::Refuse)?;
        // Before a file is made for it.
        store.table(&self.table)?;
        let output: Box<dyn Write> = match &self.file {
            None => Box::new(io::stdout().lock()),
            Some(path) => Box::new(Output::create(path).map_err(|error| {
                CommandError::new(format!("{} cannot be written: {error}", path.display()))
            })?),
        };
        let layout = if self.array {
            Layout::Array
        } else {
            Layout::Lines
        };
        let mut output = BufWriter::with_capacity(1 << 20, output);
        match transfer::export(store.as_ref(), &self.table, layout, &mut output) {
            Ok(count) => {
                if self.file.is_some() {
                    logs::say(&format!(
                        "{} exported from `{}`",
                        counted(count, "document"),
                        self.table
                    ));
                }
                Ok(Ending::Done)
            }
            // Whoever reads has seen enough: `| head`.
            Err(TransferError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                // Nothing of the buffer is wanted any more.
                let _ = output.into_parts();
                Ok(Ending::Done)
            }
            Err(error) => Err(error.into()),
        }
    }
}
