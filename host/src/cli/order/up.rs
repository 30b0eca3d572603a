//! `host up`: applies what is pending.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::require::RequireArguments;
use super::show::Shower;
use super::{FolderArguments, plugins};
use crate::cli::backup::back_up;
use crate::cli::consent::GrantArguments;
use crate::cli::pace::PaceArguments;
use crate::cli::secrets::SecretArguments;
use crate::cli::show::{counted, write_json};
use crate::cli::tables::Format;
use crate::cli::undo::free_old;
use crate::cli::{CommandError, Ending, HELP, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::order::claim::Claim;
use crate::order::plan::Point;
use crate::order::up::{Ended, How};
use crate::order::{Plan, State, Target};

/// Applies the migrations that are pending, in order.
///
/// It ends at the first that fails, or of which documents failed, and goes on there next time: with a run that is
/// unfinished, or with the documents that failed. Nothing is applied twice.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host up --store sqlite:app.db
  host up --env prod --require dev      only what came to its end in dev
  host up --to 12                       up to version 12
  host up split-name                    this one, and what it runs after",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    /// Only this migration, and what it runs after
    name: Option<String>,

    #[command(flatten)]
    store: StoreArguments,

    /// Ends behind this migration, or behind this version
    #[arg(long, value_name = "NAME|VERSION", conflicts_with = "name")]
    to: Option<Point>,

    /// Applies migrations, too, that came when later ones were applied
    #[arg(long)]
    out_of_order: bool,

    /// Goes on behind a migration of which documents failed
    #[arg(long)]
    allow_failures: bool,

    #[command(flatten)]
    require: RequireArguments,

    #[command(flatten)]
    grants: GrantArguments,

    #[command(flatten)]
    secrets: SecretArguments,

    /// Begins an unfinished run anew, as a plugin with other bytes must
    #[arg(long)]
    restart: bool,

    /// Waits while another process is at work, instead of refusing
    #[arg(long)]
    wait: bool,

    /// Writes a checked copy of the store to this file before anything is applied
    #[arg(long, value_name = "FILE")]
    backup: Option<PathBuf>,

    /// Frees what undoes migrations that ended longer ago, such as 30d, once this is done [default: never]
    #[arg(long, value_name = "TIME", env = "HOST_KEEP_UNDO", value_parser = humantime::parse_duration)]
    keep_undo: Option<Duration>,

    /// How to show what is done; progress goes to standard error
    #[arg(long, value_enum, default_value_t, env = "HOST_FORMAT")]
    format: Format,

    #[command(flatten)]
    folder: FolderArguments,

    #[command(flatten)]
    pace: PaceArguments,
}

impl Arguments {
    pub fn run(self, file: &File) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let migrations = self.folder.read(file)?;
        let explain = |error| self.store.order_error(file, error);
        let target = match (&self.name, &self.to) {
            (Some(name), _) => Target::Only(name.clone()),
            (None, Some(point)) => Target::To(point.clone()),
            (None, None) => Target::All,
        };
        // What is refused leaves the store as it is: so it is looked at before anything is claimed.
        let plan = Plan::of(migrations.clone(), store.writer()?.as_mut()).map_err(explain)?;
        let due = plan.due(&target, self.out_of_order).map_err(explain)?;
        let bytes = due
            .iter()
            .filter_map(|entry| entry.migration.as_ref())
            .map(|migration| (migration.name.as_str(), migration.sha256.as_str()));
        self.require.check(file, &self.store, bytes)?;
        let plugins = plugins(&due);
        let mut granted = BTreeMap::new();
        for plugin in &plugins {
            granted.insert(&plugin.sha256, self.grants.granted(plugin, file)?);
        }
        let names = plugins.iter().flat_map(|plugin| &plugin.manifest.secrets);
        let secrets = self.secrets.read(names, file)?;
        let mut shower = Shower::new(self.format, &secrets);
        if due.is_empty() {
            end(&mut shower, Some(Ended::There), &plan)?;
            return Ok(Ending::Done);
        }
        let stop = stop_on_signals()?;
        let how = How {
            store: store.as_ref(),
            load: &|path| self.folder.load(path, file),
            granted: &|plugin| granted.get(&plugin.sha256).cloned().unwrap_or_default(),
            secrets: &secrets,
            parameters: &|migration| file.parameters(migration),
            pace: self.pace.pace(&file.run),
            allow_failures: self.allow_failures,
            restart: self.restart,
            wait: self.wait,
            stop: &stop,
        };
        let mut claim = Claim::take(store.as_ref(), self.wait, &stop).map_err(explain)?;
        let plan = Plan::of(migrations.clone(), claim.ledger()).map_err(explain)?;
        let due = plan.due(&target, self.out_of_order).map_err(explain)?;
        if let Some(copy) = &self.backup {
            let explain = |error| self.store.error(file, error);
            back_up(store.as_ref(), copy, false, explain)?;
        }
        let ended = how.up(&mut claim, &due, &mut shower);
        let after = Plan::of(migrations, claim.ledger()).map_err(explain)?;
        end(&mut shower, ended.as_ref().ok().copied(), &after)?;
        let ended = ended.map_err(explain)?;
        drop(claim);
        if let Some(age) = self.keep_undo.or(file.run.keep_undo) {
            free_old(store.as_ref(), age);
        }
        Ok(match ended {
            Ended::There => Ending::Done,
            Ended::Failures => Ending::SomeFailed,
            Ended::Interrupted => Ending::Interrupted,
        })
    }
}

/// Shows what was done in all, and what is left.
fn end(shower: &mut Shower<'_>, ended: Option<Ended>, plan: &Plan) -> io::Result<()> {
    let left: Vec<&str> = plan
        .entries
        .iter()
        .filter(|entry| entry.is_due())
        .map(|entry| entry.name.as_str())
        .collect();
    if shower.format == Format::Json {
        let value = json!({
            "done": shower.done,
            "ended": match ended {
                Some(Ended::There) => "there",
                Some(Ended::Failures) => "failures",
                Some(Ended::Interrupted) => "interrupted",
                None => "error",
            },
            "version": plan.version(),
            "left": left,
        });
        return write_json(&mut io::stdout().lock(), &value);
    }
    let failed = plan
        .entries
        .iter()
        .any(|entry| entry.standing.state == State::FailuresLeft);
    let mut text = match shower.count {
        0 => "Nothing was applied".to_owned(),
        count => {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            format!("{} applied", counted(count, "migration"))
        }
    };
    text.push_str(&match plan.version() {
        Some(version) => format!("; the schema version is {version}.\n"),
        None => ".\n".into(),
    });
    if !left.is_empty() {
        text.push_str(&format!("Left: {}.\n", left.join(", ")));
    }
    if failed && ended == Some(Ended::Failures) {
        text.push_str("Next: mend the documents or the plugin; then the same command tries them again, and goes on.\n");
    }
    shower.say(&text, json!(null));
    Ok(())
}
