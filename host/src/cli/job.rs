//! What the commands share that have a plugin work on documents: `host run`, `host retry`, `host undo --revert`.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cache::CacheArguments;
use super::consent::GrantArguments;
use super::pace::PaceArguments;
use super::parameters::ParameterArguments;
use super::progress::Watcher;
use super::secrets::SecretArguments;
use super::show::{count, write_json};
use super::summary::summary;
use super::tables::Format;
use super::{CommandError, Ending, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::{self, Job, Report, RunError, Stage, Task};
use crate::ledger::{self, Run, RunState};
use crate::plugin::{Described, LimitSettings, Plugin, PluginError};
use crate::stages::Stages;
use crate::store::Store;

/// Flags for a plugin that works on documents of a run that is in the ledger.
#[derive(Debug, clap::Args)]
pub(super) struct LedgerJobArguments {
    /// The plugin; of a run of several those that are mended [default: the file that worked on the run last, if it still is the same]
    #[arg(long, value_name = "FILE")]
    pub plugin: Vec<PathBuf>,

    #[command(flatten)]
    pub grants: GrantArguments,

    #[command(flatten)]
    secrets: SecretArguments,

    /// Writes nothing, and shows what would become of the documents
    #[arg(long)]
    pub dry_run: bool,

    /// Waits while another process works on the table, instead of refusing
    #[arg(long)]
    pub wait: bool,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    pace: PaceArguments,

    #[command(flatten)]
    limits: LimitSettings,
}

impl LedgerJobArguments {
    /// How long a transaction should hold the write lock at the most.
    pub fn max_lock(&self, file: &File) -> Duration {
        self.pace.pace(&file.run).max_lock
    }

    /// Has the plugins do their task for a run, and shows the report. Unless nothing is written, `allowed` has its say
    /// about them first.
    pub fn carry_out(
        self,
        file: &File,
        (address, store): (&StoreArguments, &dyn Store),
        run: &Run,
        task: Task,
        allowed: impl FnOnce(&Stages<Plugin>) -> Result<(), CommandError>,
        format: Format,
    ) -> Result<(Report, Ending), CommandError> {
        let load = |path: &Path| self.cache.load(path, &self.limits, file);
        let plugins = plugins_of(run, &self.plugin, load)?;
        if !self.dry_run {
            allowed(&plugins)?;
        }
        // The run has its own.
        let parameters = ParameterArguments::default();
        let stages = stages(&plugins, parameters, &self.grants, file)?;
        let secrets = self.secrets.read(secrets_of(&plugins), file)?;
        let stop = stop_on_signals()?;
        let job = Job {
            store,
            stages,
            task,
            secrets: &secrets,
            dry_run: self.dry_run,
            wait: self.wait,
            pace: self.pace.pace(&file.run),
            stop: &stop,
        };
        carry_out(&job, format, |error| address.error(file, error))
    }
}

/// Plugins, each with what it is given. At a terminal the user is asked for what one wants besides.
pub(super) fn stages<'p>(
    plugins: &'p Stages<Plugin>,
    parameters: ParameterArguments,
    grants: &GrantArguments,
    file: &File,
) -> Result<Stages<Stage<'p>>, CommandError> {
    let names = plugins.each().map(|plugin| plugin.manifest.name.as_str());
    let parameters = parameters.read(&names, file)?;
    let described = plugins.each().map(Described::from);
    grants.check_whose(&described)?;
    let given = plugins.each().zip(described).zip(parameters);
    given.try_map(|((plugin, described), parameters)| {
        Ok(Stage {
            plugin,
            parameters,
            granted: grants.granted(&described, file)?,
        })
    })
}

/// The names of the secrets that plugins want.
pub(super) fn secrets_of(plugins: &Stages<Plugin>) -> impl Iterator<Item = &String> {
    plugins.iter().flat_map(|plugin| &plugin.manifest.secrets)
}

/// The plugins for a run: those that are given, and for the others those that worked on it last.
fn plugins_of(
    run: &Run,
    given: &[PathBuf],
    load: impl Fn(&Path) -> Result<Plugin, PluginError>,
) -> Result<Stages<Plugin>, CommandError> {
    let mut given = given
        .iter()
        .map(|path| load(path))
        .collect::<Result<Vec<_>, _>>()?;
    // Whether it is the run's migration the run itself tells.
    if run.stages.only().is_some() && given.len() == 1 {
        return Stages::new(given).ok_or_else(|| CommandError::usage("no plugin was named"));
    }
    let plugins = run.stages.each().try_map(|stage| {
        let mended = given
            .iter()
            .position(|plugin| plugin.manifest.name == stage.migration);
        match mended {
            Some(place) => Ok(given.swap_remove(place)),
            None => last_plugin(stage, &load),
        }
    })?;
    match given.first() {
        None => Ok(plugins),
        Some(other) => Err(CommandError::usage(format!(
            "`{}` is none of the run's migrations, which are `{}`",
            other.manifest.name,
            run.name()
        ))),
    }
}

/// The plugin that worked on a run last.
fn last_plugin(
    stage: &ledger::Stage,
    load: impl Fn(&Path) -> Result<Plugin, PluginError>,
) -> Result<Plugin, CommandError> {
    const HINT: &str = "give it, or a mended one, with --plugin FILE";
    let Some(path) = &stage.plugin.path else {
        return Err(
            CommandError::new("the ledger does not tell where the run's plugin is").hint(HINT),
        );
    };
    let plugin = load(Path::new(path)).map_err(|error| CommandError::from(error).hint(HINT))?;
    if plugin.sha256 == stage.plugin.sha256 {
        return Ok(plugin);
    }
    Err(CommandError::new(format!(
        "{path} has changed since it worked on the run: its SHA-256 was {}, and is {}",
        stage.plugin.sha256, plugin.sha256
    ))
    .hint(HINT))
}

/// Does a job, and shows its report. What ended it early is put into words by `explain`.
pub(super) fn carry_out(
    job: &Job<'_>,
    format: Format,
    explain: impl FnOnce(RunError) -> CommandError,
) -> Result<(Report, Ending), CommandError> {
    let mut watcher = Watcher::new(job.secrets);
    let report = engine::run(job, &mut watcher);
    let (changes, more_changes) = watcher.finish();
    let report = report.map_err(explain)?;
    let mut stdout = io::stdout().lock();
    match format {
        Format::Json => {
            write_json(&mut stdout, &report)?;
        }
        Format::Text => {
            for change in changes {
                writeln!(stdout, "{change}")?;
            }
            if more_changes > 0 {
                writeln!(stdout, "… and {} more", count(more_changes))?;
            }
            stdout.write_all(summary(&report, &job.task).as_bytes())?;
        }
    }
    let ending = match report.state {
        RunState::Interrupted | RunState::Cancelled => Ending::Interrupted,
        _ if report.counters.failed > 0 => Ending::SomeFailed,
        _ => Ending::Done,
    };
    Ok((report, ending))
}
