//! `host down`: takes the last migrations back.

use std::io;

use serde_json::json;

use super::show::Shower;
use super::{FolderArguments, plugins};
use crate::cli::consent::GrantArguments;
use crate::cli::pace::PaceArguments;
use crate::cli::secrets::SecretArguments;
use crate::cli::show::{safe, write_json};
use crate::cli::summary::summary;
use crate::cli::tables::Format;
use crate::cli::undo::{freed_in_words, undone};
use crate::cli::{CommandError, Ending, HELP, Missing, StoreArguments, logs, stop_on_signals};
use crate::config::File;
use crate::engine::forget::forget;
use crate::order::claim::Claim;
use crate::order::down::{Undone, reverts};
use crate::order::forget::forget as forget_tables;
use crate::order::standing::Known;
use crate::order::up::{Ended, How};
use crate::order::{Entry, OrderError, Plan};

/// Takes the last migrations back, the last one first.
///
/// A plugin's work is taken back by the undo log, or by its own `revert`; tables and indexes are what they were. What
/// was changed since is left alone, and reported.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host down --store sqlite:app.db           the last one
  host down 3 --env dev                     the last three
  host down --revert                        by the plugin's own way back
  host down --forget drop-old-table         keep what it did, and free what would take it back",
    help_template = HELP
)]
pub(in crate::cli) struct Arguments {
    /// How many
    #[arg(value_name = "N", default_value_t = 1)]
    count: usize,

    #[command(flatten)]
    store: StoreArguments,

    /// Takes nothing back: frees what would take this migration back, undo logs and dropped tables
    #[arg(long, value_name = "NAME", conflicts_with_all = ["count", "revert"])]
    forget: Option<String>,

    /// Uses the plugins' own `revert` instead of the undo log
    #[arg(long)]
    revert: bool,

    /// Goes on where documents are left as they are
    #[arg(long)]
    allow_failures: bool,

    #[command(flatten)]
    grants: GrantArguments,

    #[command(flatten)]
    secrets: SecretArguments,

    /// Begins an unfinished --revert anew
    #[arg(long, requires = "revert")]
    restart: bool,

    /// Waits while another process is at work, instead of refusing
    #[arg(long)]
    wait: bool,

    /// How to show what is done
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
        let stop = stop_on_signals()?;
        let explain = |error| self.store.order_error(file, error);
        let claim = || Claim::take(store.as_ref(), self.wait, &stop).map_err(explain);
        let mut ledger = store.writer()?;
        let known = Known::new(ledger.runs()?, ledger.records()?);
        if let Some(name) = &self.forget {
            if !known.names().any(|known| known == name) {
                return Err(OrderError::Standing {
                    name: name.clone(),
                    why: "was never applied to this store".into(),
                }
                .into());
            }
            if let Some(run) = known
                .in_effect(name, None)
                .find(|run| run.stages.are_several())
            {
                let id = run.id.map_or(0, |id| id.0);
                return Err(OrderError::Standing {
                    name: name.clone(),
                    why: format!(
                        "was applied by run {id} of `{}`, which has one undo log for all of it: `host undo {id} --forget` frees that",
                        run.name()
                    ),
                }
                .into());
            }
            let _claim = claim()?;
            let mut words = Vec::new();
            for run in known.in_effect(name, None).filter_map(|run| run.id) {
                words.push(crate::cli::undo::in_words(&[forget(store.as_ref(), run)?]));
            }
            let tables = forget_tables(store.as_ref(), Some(name), None).map_err(explain)?;
            words.extend(freed_in_words(&tables));
            logs::say(&words.join("\n"));
            return Ok(Ending::Done);
        }
        let migrations = self.folder.read_if_there(file)?;
        // What is refused leaves the store as it is: so it is looked at before anything is claimed.
        let plan = Plan::of(migrations.clone(), ledger.as_mut()).map_err(explain)?;
        let last = plan.last(self.count).map_err(explain)?;
        // The undo log needs none.
        let by_plugins: Vec<&Entry> = last
            .iter()
            .copied()
            .filter(|entry| self.revert || reverts(&known, entry))
            .collect();
        let by_plugins = plugins(&by_plugins);
        let names = by_plugins
            .iter()
            .flat_map(|plugin| &plugin.manifest.secrets);
        let secrets = self.secrets.read(names, file)?;
        if last.is_empty() {
            end(&mut Shower::new(self.format, &secrets), &plan, 0)?;
            return Ok(Ending::Done);
        }
        let mut claim = claim()?;
        let plan = Plan::of(migrations.clone(), claim.ledger()).map_err(explain)?;
        let last = plan.last(self.count).map_err(explain)?;
        let how = How {
            store: store.as_ref(),
            load: &|path| self.folder.load(path, file),
            granted: &|plugin| self.grants.consent(plugin, file).granted,
            secrets: &secrets,
            parameters: &|migration| file.parameters(migration),
            pace: self.pace.pace(&file.run),
            allow_failures: self.allow_failures,
            restart: self.restart,
            wait: self.wait,
            stop: &stop,
        };
        let mut taken_back = Shower::new(self.format, &secrets);
        let mut watch = Shower::new(self.format, &secrets);
        let mut show = |done: &Undone| match done {
            Undone::Run { name, report } => taken_back.say(
                &format!("{}: {}", safe(name), undone(report)),
                json!({"migration": name, "report": report}),
            ),
            Undone::Reverted(report, task) => {
                taken_back.say(&summary(report, task), json!({"report": report}));
            }
            Undone::Steps { name } => taken_back.say(
                &format!("{}: taken back\n", safe(name)),
                json!({"migration": name}),
            ),
        };
        let ended = how.down(&mut claim, &last, self.revert, &mut watch, &mut show);
        let after = Plan::of(migrations, claim.ledger()).map_err(explain)?;
        end(&mut taken_back, &after, last.len())?;
        Ok(match ended.map_err(explain)? {
            Ended::There => Ending::Done,
            Ended::Failures => Ending::SomeFailed,
            Ended::Interrupted => Ending::Interrupted,
        })
    }
}

/// Shows what there is now.
fn end(shower: &mut Shower<'_>, plan: &Plan, count: usize) -> io::Result<()> {
    let version = plan.version();
    if shower.format == Format::Json {
        let value = json!({"done": shower.done, "version": version});
        return write_json(&mut io::stdout().lock(), &value);
    }
    let text = match (count, version) {
        (0, _) => "No migration is applied.\n".to_owned(),
        (_, Some(version)) => format!("The schema version is {version}.\n"),
        (_, None) => "No migration is applied any more.\n".to_owned(),
    };
    shower.say(&text, json!(null));
    Ok(())
}
