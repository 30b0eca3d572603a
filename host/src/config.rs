//! Settings: a flag stands over the environment, the environment over `host.toml`, and that over the default.
//!
//! Flags and environment are read by the command line; here is the file, and what stands in for all three.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;
use thiserror::Error;

use crate::engine::Grant;
use crate::engine::grants::KeptGrants;
use crate::plugin::LimitSettings;
use crate::store::TableOverride;

mod keep;
mod secrets;

pub use keep::{KeepError, keep, written};
pub use secrets::{SecretError, SecretSource, SecretSources};

/// The settings file that is read where no other is named, if it is there.
pub const FILE: &str = "host.toml";

/// How long another process's lock is waited for.
pub const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file that was named cannot be read.
    #[error("the settings file {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file says what it may not say.
    #[error("{} cannot be used: {source}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which line.
        source: Box<toml::de::Error>,
    },
    /// A secret stands where only the way to it may stand. It is not shown.
    #[error("{}: `{name}` in [secrets] does not say where the secret is", path.display())]
    NoSource {
        /// The file.
        path: PathBuf,
        /// The secret's name.
        name: String,
    },
    /// No such environment is in the file.
    #[error("there is no environment `{name}` in the settings file")]
    NoEnvironment {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
}

/// What `host.toml` may say. Everything is optional.
///
/// ```
/// let file: host::config::File = toml::from_str(r#"
/// store = "sqlite:app.db"
/// lock-timeout = "5s"
///
/// [run]
/// batch-size = 500
/// allow = ["read:sites"]
///
/// [tables.users]
/// key = "_id"
/// document = "doc"
///
/// [secrets]
/// API_KEY = { file = "/run/secrets/api-key" }
/// "#).unwrap();
/// assert_eq!(file.run.batch_size, Some(500));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The store's address.
    pub store: Option<String>,
    /// The folder of migrations. Default: `migrations`.
    pub migrations: Option<PathBuf>,
    /// The stores of the team, by the environment's name.
    pub env: BTreeMap<String, Environment>,
    /// Parameters of migrations, by the migration's name.
    pub params: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// How long another process's lock is waited for, such as `5s` or `200ms`. Default: 10 s.
    #[serde(with = "humantime_serde::option")]
    pub lock_timeout: Option<Duration>,
    /// How much is kept of compiled plugins, such as `1GiB`; 0 keeps none. Default: 512 MiB.
    pub cache_size: Option<ByteSize>,
    /// How the log is written. Default: text.
    pub log_format: Option<LogFormat>,
    /// What is logged, such as `debug` or `warn,plugin=debug`. Default: `warn,plugin=info`; as JSON `info`.
    pub log_level: Option<String>,
    /// Settings of `host run`.
    pub run: RunSettings,
    /// Limits on plugins, by the names of their flags.
    pub limits: LimitSettings,
    /// Limits on single plugins, by the names of their migrations. They stand over `limits`.
    pub limits_of: BTreeMap<String, LimitSettings>,
    /// How tables are seen, by name, where the host would see them otherwise.
    pub tables: BTreeMap<String, TableOverride>,
    /// What plugins are let do beyond their own table, by the names of migrations and bound to their bytes.
    pub grants: KeptGrants,
    /// Where secrets are, by name: `{ file = "PATH" }` or `{ env = "VARIABLE" }`.
    pub secrets: SecretSources,
    /// The file itself, whether it is there or not.
    #[serde(skip)]
    pub path: PathBuf,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// As lines for people
    #[default]
    Text,
    /// As one JSON object a line
    Json,
}

/// A store that the team has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Environment {
    /// The store's address.
    pub store: String,
    /// The environment in which the same bytes must have come to their end before.
    pub require: Option<String>,
}

/// Settings of `host run`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunSettings {
    /// Documents in one transaction, at the most. Default: 3,000.
    pub batch_size: Option<usize>,
    /// How long a batch should hold the write lock at the most, such as `50ms`. Default: 50 ms.
    #[serde(with = "humantime_serde::option")]
    pub max_lock: Option<Duration>,
    /// Threads that run the plugin, besides the one that writes. Default: one less than the machine has cores.
    pub workers: Option<usize>,
    /// How long the undo logs of other runs are kept after their end, such as `30d`. Default: for ever.
    #[serde(with = "humantime_serde::option")]
    pub keep_undo: Option<Duration>,
    /// What plugins are let do beyond their own table: `read:TABLE`, `write:TABLE`, `secret:NAME`.
    pub allow: BTreeSet<Grant>,
}

impl File {
    /// The environment of that name.
    ///
    /// # Errors
    /// If the file has none.
    pub fn environment(&self, name: &str) -> Result<&Environment, ConfigError> {
        self.env
            .get(name)
            .ok_or_else(|| ConfigError::NoEnvironment {
                name: name.into(),
                known: self.env.keys().cloned().collect(),
            })
    }

    /// The parameters of a migration, as JSON texts.
    #[must_use]
    pub fn parameters(&self, migration: &str) -> BTreeMap<String, String> {
        self.params
            .get(migration)
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect()
    }

    /// Reads the file that is named, or [`FILE`] if it is there.
    ///
    /// # Errors
    /// If a file that was named is not there, or what it says cannot be used.
    pub fn read(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
                String::new()
            }
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    path: path.into(),
                    source,
                });
            }
        };
        let file: Self = toml::from_str(&text).map_err(|source| ConfigError::Invalid {
            path: path.into(),
            source: Box::new(source),
        })?;
        if let Some(name) = file.secrets.without_source() {
            return Err(ConfigError::NoSource {
                path: path.into(),
                name: name.into(),
            });
        }
        Ok(Self {
            path: path.into(),
            ..file
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = toml::from_str::<File>("store = \"sqlite:a\"\n[run]\nbatchsize = 5\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 3"), "{error}");
        assert!(error.contains("batchsize"), "{error}");
        assert!(error.contains("batch-size"), "{error}");
    }

    #[test]
    fn environments_are_stores_with_conditions() {
        let file: File = toml::from_str(
            "[env.dev]\nstore = \"sqlite:dev.db\"\n[env.prod]\nstore = \"sqlite:p.db\"\nrequire = \"dev\"",
        )
        .unwrap();
        let prod = file.environment("prod").unwrap();
        assert_eq!(prod.require.as_deref(), Some("dev"));
        assert!(file.environment("test").is_err());
        let error = toml::from_str::<File>("[env.dev]\nstore = \"a\"\nrequires = \"x\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("requires"),
            "{error}"
        );
        assert!(toml::from_str::<File>("[env.dev]\nrequire = \"x\"").is_err());
    }

    #[test]
    fn parameters_are_json_texts() {
        let file: File =
            toml::from_str("[params.a-b]\nphase = \"copy\"\nmost = 5\nall = true").unwrap();
        let parameters = file.parameters("a-b");
        assert_eq!(parameters["phase"], "\"copy\"");
        assert_eq!(
            (parameters["most"].as_str(), parameters["all"].as_str()),
            ("5", "true")
        );
        assert!(file.parameters("other").is_empty());
    }

    #[test]
    fn times_have_units() {
        let file: File = toml::from_str("lock-timeout = \"200ms\"").unwrap();
        assert_eq!(file.lock_timeout, Some(Duration::from_millis(200)));
        assert!(toml::from_str::<File>("lock-timeout = 5").is_err());
    }
}
