//! Whether migrations have proven themselves in another environment.

use crate::cli::{CommandError, StoreArguments};
use crate::config::File;
use crate::order::gate::unproven;
use crate::order::standing::Known;
use crate::plugin::Plugin;
use crate::stages::Stages;

/// In which environments a migration must have come to its end before.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct RequireArguments {
    /// Refuses unless the same bytes have come to their end in this environment, without a failed document
    #[arg(long, value_name = "ENVIRONMENT")]
    require: Vec<String>,
}

impl RequireArguments {
    /// Refuses plugins that have not, as [`Self::check`] does.
    pub fn check_plugins(
        &self,
        file: &File,
        store: &StoreArguments,
        plugins: &Stages<Plugin>,
    ) -> Result<(), CommandError> {
        let bytes = plugins
            .iter()
            .map(|plugin| (plugin.manifest.name.as_str(), plugin.sha256.as_str()));
        self.check(file, store, bytes)
    }

    /// Refuses migrations, each a name and the SHA-256 of its bytes, that have not come to their end in the
    /// environments that the flags and the settings of the store's own environment name.
    pub fn check<'a>(
        &self,
        file: &File,
        store: &StoreArguments,
        migrations: impl IntoIterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<(), CommandError> {
        let own = store.environment(file)?;
        let required = self
            .require
            .iter()
            .chain(own.and_then(|own| own.require.as_ref()));
        for name in required {
            let environment = file.environment(name)?;
            let mut ledger = store
                .at(file, &environment.store)
                .map_err(|error| error.hint(format!("it is the store of environment `{name}`")))?
                .writer()?;
            let proof = Known::new(ledger.runs()?, ledger.records()?);
            let unproven = unproven(&proof, migrations.clone());
            if !unproven.is_empty() {
                let names: Vec<_> = unproven.iter().map(|name| format!("`{name}`")).collect();
                return Err(CommandError::shut(format!(
                    "{} has not come to its end in `{name}` with these bytes, and without a failed document",
                    names.join(", ")
                ))
                .hint(format!("apply it there first: host up --env {name}")));
            }
        }
        Ok(())
    }
}
