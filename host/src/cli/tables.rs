//! `host tables`: what a store holds.

use std::io::{self, Write as _};

use super::show::{columns, count, safe, write_json};
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;

/// Lists the tables of a store: kind, key and number of documents.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host tables --store sqlite:app.db
  host tables --store sqlite:app.db --format json",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// How to show the list
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,
}

/// How a result is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// For scripts
    Json,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let tables = self.store.open(file, Missing::Refuse)?.tables()?;
        let mut stdout = io::stdout().lock();
        if self.format == Format::Json {
            write_json(&mut stdout, &tables)?;
            return Ok(Ending::Done);
        }
        let titles = ["TABLE", "KIND", "KEY", "DOCUMENTS"].map(str::to_owned);
        let mut rows = vec![titles.to_vec()];
        for table in tables {
            let kind = match (&table.document, &table.unusable) {
                (Some(column), _) => format!("{} in {}", table.kind, safe(column)),
                (None, Some(why)) => format!("{} ({why})", table.kind),
                (None, None) => table.kind.to_owned(),
            };
            rows.push(vec![
                safe(&table.table).into_owned(),
                kind,
                safe(&table.key.join(", ")).into_owned(),
                table.documents.map_or("-".into(), count),
            ]);
        }
        stdout.write_all(columns(&rows, &[3]).as_bytes())?;
        Ok(Ending::Done)
    }
}
