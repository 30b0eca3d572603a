//! `host run`: a migration over a table, or several in one go.

use std::path::PathBuf;
use std::time::Duration;

use super::cache::CacheArguments;
use super::consent::GrantArguments;
use super::job::{carry_out, secrets_of, stages};
use super::order::require::RequireArguments;
use super::pace::{PaceArguments, PartArguments};
use super::parameters::ParameterArguments;
use super::secrets::SecretArguments;
use super::tables::Format;
use super::undo::free_old;
use super::{CommandError, Ending, HELP, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::pipeline::check_manifests;
use crate::engine::{Job, Migrate, Pace, RunError, Task};
use crate::plugin::LimitSettings;
use crate::stages::Stages;

/// Runs a migration over its table, or several as a pipeline.
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
  host run a.wasm b.wasm --store sqlite:app.db            each document through both, in one go
  host run a.wasm b.wasm --store sqlite:app.db --param a:phase=copy --allow b:read:sites
  host run plugin.wasm --store sqlite:app.db --format json | jq .failed",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The plugin, a WebAssembly component; several are a pipeline, which each document goes through in this order
    #[arg(required = true, value_name = "PLUGIN")]
    plugins: Vec<PathBuf>,

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
        let paths =
            Stages::new(self.plugins).ok_or_else(|| CommandError::usage("no plugin was named"))?;
        let plugins = paths.try_map(|path| self.cache.load(&path, &self.limits, file))?;
        let manifests = plugins.each().map(|plugin| &plugin.manifest);
        check_manifests(&manifests, self.table.is_none()).map_err(RunError::from)?;
        if !self.dry_run {
            self.require.check_plugins(file, &self.store, &plugins)?;
        }
        let store = self.store.open(file, Missing::Refuse)?;
        let stages = stages(&plugins, self.parameters, &self.grants, file)?;
        let secrets = self.secrets.read(secrets_of(&plugins), file)?;
        let stop = stop_on_signals()?;
        let job = Job {
            store: store.as_ref(),
            stages,
            task: Task::Migrate(Migrate {
                table: self.table,
                restart: self.restart,
                once: false,
            }),
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
