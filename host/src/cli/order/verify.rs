//! `host verify`: conditions that a deployment waits for.

use std::io::{self, Write as _};

use serde_json::json;

use super::FolderArguments;
use crate::cli::show::{safe, write_json};
use crate::cli::tables::Format;
use crate::cli::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::order::gate::Gate;

/// Tells whether a store is where it must be: exit status 0, or 4 and why not.
///
/// Without a condition all of --none-pending, --no-failures and --unchanged must hold.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host verify --env prod
  host verify --applied split-name --no-failures --env prod
  host verify --version 12 --store sqlite:app.db",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    store: StoreArguments,

    /// This migration is applied
    #[arg(long, value_name = "NAME")]
    applied: Vec<String>,

    /// The schema version is this one, or a later one
    #[arg(long, value_name = "N")]
    version: Option<u32>,

    /// No document is left that failed
    #[arg(long)]
    no_failures: bool,

    /// Every migration in the folder is applied
    #[arg(long)]
    none_pending: bool,

    /// Applied migrations have the bytes that were applied
    #[arg(long)]
    unchanged: bool,

    /// How to show it
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    folder: FolderArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let mut gate = Gate {
            applied: self.applied,
            version: self.version,
            no_failures: self.no_failures,
            none_pending: self.none_pending,
            unchanged: self.unchanged,
        };
        if gate == Gate::default() {
            gate.no_failures = true;
            gate.none_pending = true;
            gate.unchanged = true;
        }
        let store = self.store.open(file, Missing::Refuse)?;
        let migrations = if gate.none_pending || gate.unchanged {
            self.folder.read(file)?
        } else {
            self.folder.read_if_there(file)?
        };
        let plan = self
            .store
            .compare(file, migrations, store.writer()?.as_mut())?;
        let reasons = gate.reasons(&plan);
        let mut stdout = io::stdout().lock();
        match self.format {
            Format::Json => write_json(
                &mut stdout,
                &json!({
                    "holds": reasons.is_empty(),
                    "reasons": reasons,
                    "version": plan.version(),
                }),
            )?,
            Format::Text if reasons.is_empty() => writeln!(stdout, "ok")?,
            Format::Text => writeln!(stdout, "no: {}", safe(&reasons.join("; ")))?,
        }
        Ok(if reasons.is_empty() {
            Ending::Done
        } else {
            Ending::Shut
        })
    }
}
