//! `host import`: documents into a table.

use std::fs::File as Input;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::logs;
use super::progress::rate;
use super::show::counted;
use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::{File, LogFormat};
use crate::store::Address;
use crate::transfer;

/// Brings documents into a table, all of them or none.
///
/// The file holds one JSON object a line, or one JSON array of objects. A table that does not exist is made
/// as a document table, and so is a database.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host import --store sqlite:app.db --table users users.jsonl --key _id
  host import --store sqlite:app.db --table movies movies.json
  generate-users | host import --store sqlite:app.db --table users -",
    help_template = HELP
)]
pub(super) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// The table
    #[arg(long, value_name = "TABLE", env = "HOST_TABLE")]
    table: String,

    /// The field that holds a document's key; without it keys are counted up
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,

    /// The file; - for standard input
    file: PathBuf,
}

impl Arguments {
    pub fn run(self, settings: &File) -> Result<Ending, CommandError> {
        let mut input: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(io::stdin().lock())
        } else {
            let opened = Input::open(&self.file).map_err(|error| {
                CommandError::new(format!("{} cannot be read: {error}", self.file.display()))
            })?;
            Box::new(BufReader::with_capacity(1 << 20, opened))
        };
        let Address::Sqlite(path) = self.store.address(settings)?;
        let made = !path.exists();
        let store = self.store.open(settings, Missing::Make)?;
        let bar = bar();
        let imported = transfer::import(
            store.as_ref(),
            &self.table,
            self.key.as_deref(),
            input.as_mut(),
            |count| bar.set_position(count),
        );
        bar.finish_and_clear();
        drop(store);
        if imported.is_err() && made {
            // The database was made for what could not be imported.
            for ending in ["", "-wal", "-shm"] {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                let _: io::Result<()> = std::fs::remove_file(name);
            }
        }
        let count = imported?;
        logs::say(&format!(
            "{} imported into `{}`",
            counted(count, "document"),
            self.table
        ));
        Ok(Ending::Done)
    }
}

fn bar() -> ProgressBar {
    let target = if io::stderr().is_terminal() && logs::format() == LogFormat::Text {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = ProgressStyle::with_template("{spinner} {human_pos} documents  {rate}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .with_key("rate", rate);
    ProgressBar::with_draw_target(None, target).with_style(style)
}
