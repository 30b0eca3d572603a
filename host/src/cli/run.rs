//! `host run`: a migration over a table.

use std::path::PathBuf;
use std::time::Duration;

use super::cache::CacheArguments;
use super::consent::GrantArguments;
use super::job::carry_out;
use super::order::require::RequireArguments;
use super::pace::{PaceArguments, PartArguments};
use super::parameters::ParameterArguments;
use super::secrets::SecretArguments;
use super::tables::Format;
use super::undo::free_old;
use super::{CommandError, Ending, HELP, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::{Job, Migrate, Pace, Task};
use crate::plugin::{Described, LimitSettings};

/// Runs a migration over its table.
///
/// A run that was ended, or whose process died, goes on where it was. Documents that failed stay as they
/// are, and the next run tries them again.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host run plugin.wasm --store sqlite:app.db --dry-run    what would it do?
  host run plugin.wasm --store sqlite:app.db
  host run plugin.wasm --store sqlite:app.db --limit 10   only the first ten
  host run plugin.wasm --store sqlite:app.db --param phase=remove --allow read:sites
  host run plugin.wasm --store sqlite:app.db --format json | jq .failed",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The plugin, a WebAssembly component
    plugin: PathBuf,

    #[command(flatten)]
    store: StoreArguments,

    /// The table to run over, instead of the one that the plugin names
    #[arg(long, value_name = "TABLE", env = "HOST_TABLE")]
    table: Option<String>,

    #[command(flatten)]
    parameters: ParameterArguments,

    #[command(flatten)]
    grants: GrantArguments,

    #[command(flatten)]
    secrets: SecretArguments,

    #[command(flatten)]
    require: RequireArguments,

    /// Goes over the whole table and writes nothing
    #[arg(long)]
    dry_run: bool,

    /// Begins anew where an earlier run is unfinished
    #[arg(long)]
    restart: bool,

    /// Waits while another process works on the table, instead of refusing
    #[arg(long)]
    wait: bool,

    /// Frees the undo logs of runs that ended longer ago, such as 30d, once this one is done [default: never]
    #[arg(long, value_name = "TIME", env = "HOST_KEEP_UNDO", value_parser = humantime::parse_duration)]
    keep_undo: Option<Duration>,

    #[command(flatten)]
    part: PartArguments,

    #[command(flatten)]
    pace: PaceArguments,

    /// How to show the report; progress goes to standard error
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    limits: LimitSettings,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let parameters = self.parameters.read()?;
        let plugin = self.cache.load(&self.plugin, &self.limits, file)?;
        if !self.dry_run {
            let bytes = [(plugin.manifest.name.as_str(), plugin.sha256.as_str())];
            self.require.check(file, &self.store, bytes)?;
        }
        let store = self.store.open(file, Missing::Refuse)?;
        let granted = self.grants.granted(&Described::from(&plugin), file)?;
        let secrets = self.secrets.read(&plugin.manifest.secrets, file)?;
        let stop = stop_on_signals()?;
        let job = Job {
            store: store.as_ref(),
            plugin: &plugin,
            task: Task::Migrate(Migrate {
                table: self.table,
                parameters,
                restart: self.restart,
                once: false,
            }),
            granted,
            secrets: &secrets,
            dry_run: self.dry_run,
            wait: self.wait,
            pace: Pace {
                limit: self.part.limit,
                sample: self.part.sample,
                ..self.pace.pace(&file.run)
            },
            stop: &stop,
        };
        let (_, ending) = carry_out(&job, self.format, |error| self.store.error(file, error))?;
        if let (Some(age), false) = (self.keep_undo.or(file.run.keep_undo), self.dry_run) {
            free_old(store.as_ref(), age);
        }
        Ok(ending)
    }
}
