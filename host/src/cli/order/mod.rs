//! The commands for migrations in their order, and what they share.

use std::path::PathBuf;

use clap::Args;

use super::cache::CacheArguments;
use super::{CommandError, Missing, StoreArguments, stop_on_signals};
use crate::config::File;
use crate::engine::RunError;
use crate::order::claim::Claim;
use crate::order::mark::Mark;
use crate::order::{Entry, Migration, OrderError, Plan, Problem, Work, folder};
use crate::plugin::{Described, LimitSettings, Plugin, PluginError};
use crate::store::Writer;

pub(super) mod baseline;
pub(super) mod down;
pub(super) mod history;
pub(super) mod plan;
pub(super) mod repair;
pub(super) mod require;
mod show;
pub(super) mod status;
pub(super) mod up;
pub(super) mod verify;

/// The folder of migrations where no other is named.
const FOLDER: &str = "migrations";

/// Where the migrations are, and how they are loaded.
#[derive(Debug, Clone, Args)]
pub(super) struct FolderArguments {
    /// The folder of migrations: plugins NAME.wasm, and steps NAME.toml [default: migrations]
    #[arg(long, value_name = "FOLDER", env = "HOST_MIGRATIONS")]
    migrations: Option<PathBuf>,

    #[command(flatten)]
    cache: CacheArguments,

    #[command(flatten)]
    limits: LimitSettings,
}

impl FolderArguments {
    /// The migrations of the folder.
    fn read(&self, file: &File) -> Result<Vec<Migration>, OrderError> {
        let folder = self.named(file).unwrap_or_else(|| FOLDER.into());
        let limits = self.limits.over(&file.limits);
        let cache = self.cache.cache(file);
        folder::read(&folder, |path| {
            Described::of(path, &limits, cache.as_ref(), || self.load(path, file))
        })
    }

    /// The migrations of the folder; none where nobody named one and there is none.
    fn read_if_there(&self, file: &File) -> Result<Vec<Migration>, OrderError> {
        if self.named(file).is_none() && !std::path::Path::new(FOLDER).exists() {
            return Ok(Vec::new());
        }
        self.read(file)
    }

    fn named(&self, file: &File) -> Option<PathBuf> {
        self.migrations.clone().or_else(|| file.migrations.clone())
    }

    fn load(&self, path: &std::path::Path, file: &File) -> Result<Plugin, PluginError> {
        self.cache.load(path, &self.limits, file)
    }
}

/// The plugins among migrations.
fn plugins<'e>(entries: &[&'e Entry]) -> Vec<&'e Described> {
    entries
        .iter()
        .filter_map(|entry| match &entry.migration.as_ref()?.work {
            Work::Plugin(plugin) => Some(&**plugin),
            Work::Steps(_) => None,
        })
        .collect()
}

impl StoreArguments {
    /// Puts what ended a command into words, and names the database where they are about its disk.
    fn order_error(&self, file: &File, error: OrderError) -> CommandError {
        match error {
            OrderError::Store(error) => self.error(file, error),
            OrderError::Run(error) => self.error(file, error),
            error => error.into(),
        }
    }

    /// Writes something down of migrations. It is made up twice, before anything is claimed and afterwards: what is
    /// refused leaves the store as it is, and what is written is true.
    fn mark(
        &self,
        file: &File,
        migrations: &[Migration],
        mark: impl Fn(&Plan) -> Result<Mark, OrderError>,
    ) -> Result<Vec<String>, CommandError> {
        let explain = |error| self.order_error(file, error);
        let store = self.open(file, Missing::Refuse)?;
        let marked = |ledger: &mut dyn Writer| mark(&Plan::of(migrations.to_vec(), ledger)?);
        marked(store.writer()?.as_mut()).map_err(explain)?;
        let stop = stop_on_signals()?;
        let mut claim = Claim::take(store.as_ref(), false, &stop).map_err(explain)?;
        let mark = marked(claim.ledger()).map_err(explain)?;
        let names = mark.names().map(str::to_owned).collect();
        mark.save(&mut claim).map_err(explain)?;
        Ok(names)
    }

    /// The folder compared with a store's ledger.
    fn compare(
        &self,
        file: &File,
        migrations: Vec<Migration>,
        ledger: &mut dyn Writer,
    ) -> Result<Plan, CommandError> {
        Plan::of(migrations, ledger).map_err(|error| self.order_error(file, error))
    }
}

impl From<OrderError> for CommandError {
    fn from(error: OrderError) -> Self {
        let made = Self::new(&error);
        match error {
            OrderError::Store(error) => RunError::from(error).into(),
            OrderError::Run(error) => error.into(),
            OrderError::Plugin(error) => error.into(),
            OrderError::Folder { .. } => {
                made.hint("name the folder with --migrations, or with `migrations` in host.toml")
            }
            OrderError::File { .. }
            | OrderError::NoWayBack { .. }
            | OrderError::Standing { .. } => made,
            OrderError::Invalid { .. } => made.in_lines(),
            OrderError::Problems(problems) => {
                let mut made = made.in_lines();
                for problem in &problems {
                    if let Problem::Changed { name, .. } = problem {
                        made = made.hint(format!(
                            "put the file back that was applied; or, if the new one does the same: host repair {name} --accept --why …"
                        ));
                    }
                }
                if problems
                    .iter()
                    .any(|problem| matches!(problem, Problem::Late { .. }))
                {
                    made = made.hint(
                        "give it a later version, or apply it all the same with --out-of-order",
                    );
                }
                made
            }
            OrderError::NoMigration(_) | OrderError::NoneBefore => {
                made.hint("`host plan` lists them")
            }
            OrderError::Exchanged { .. } => made.hint("run the same command again"),
            OrderError::Busy { .. } => {
                made.hint("wait for it with --wait, or look at it with `host runs`")
            }
        }
    }
}
