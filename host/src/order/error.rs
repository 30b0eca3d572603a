//! Why migrations cannot be put in order, or not be gone on with.

use std::path::PathBuf;

use thiserror::Error;

use crate::engine::RunError;
use crate::plugin::PluginError;
use crate::store::StoreError;

/// What is wrong with migrations before any of them runs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// Two files are the same migration.
    #[error("`{name}` is in two files: {}", files.join(", "))]
    TwoOfOneName {
        /// The name.
        name: String,
        /// The files.
        files: Vec<String>,
    },
    /// A migration runs after one that is not there.
    #[error("`{name}` runs after `{after}`, which is neither in the folder nor applied")]
    Missing {
        /// The migration.
        name: String,
        /// What it runs after.
        after: String,
    },
    /// Each of these runs after the next, and the last after the first.
    #[error("{}: a circle has no beginning", in_words(names))]
    Circle {
        /// The migrations.
        names: Vec<String>,
    },
    /// An applied migration's file is another by now.
    #[error("`{name}` was applied with other bytes: {applied} then, {found} now")]
    Changed {
        /// The migration.
        name: String,
        /// SHA-256 of what was applied.
        applied: String,
        /// SHA-256 of what is in the folder.
        found: String,
    },
    /// A migration came when one that belongs behind it was applied already.
    #[error(
        "`{name}` (version {version}) came late: `{applied}` (version {later}) is applied already"
    )]
    Late {
        /// The migration.
        name: String,
        /// Its version.
        version: u32,
        /// What is applied.
        applied: String,
        /// That one's version.
        later: u32,
    },
}

fn in_words(names: &[String]) -> String {
    let next = names.iter().cycle().skip(1);
    names
        .iter()
        .zip(next)
        .map(|(name, after)| format!("`{name}` runs after `{after}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why migrations were not applied, or not taken back. What was done before stays done.
#[derive(Debug, Error)]
pub enum OrderError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A run ended with an error.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A file of the folder is no plugin.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// The folder cannot be read.
    #[error("the folder of migrations {} cannot be read: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of the folder cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file of steps says what it may not say.
    #[error("{} cannot be used: {detail}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong, and at which line.
        detail: String,
    },
    /// Nothing was begun, for all these reasons.
    #[error("nothing was applied:{}", listed(.0))]
    Problems(Vec<Problem>),
    /// There is no migration of that name.
    #[error("there is no migration `{0}` in the folder")]
    NoMigration(String),
    /// A file became another one between planning and running.
    #[error("{} was changed after it was looked at", path.display())]
    Exchanged {
        /// The file.
        path: PathBuf,
    },
    /// Another process is applying migrations, or taking them back.
    #[error(
        "another process works on the migrations of this store (process {process} on {machine})"
    )]
    Busy {
        /// Where it runs.
        machine: String,
        /// Its number there.
        process: u32,
    },
    /// There is nothing to be recorded as applied.
    #[error("there is nothing to record: the store has all of these, or there are none")]
    NoneBefore,
    /// A migration cannot be taken back.
    #[error("`{name}` cannot be taken back: {why}")]
    NoWayBack {
        /// The migration.
        name: String,
        /// Why not.
        why: String,
    },
    /// What was asked for makes no sense as the migration stands.
    #[error("`{name}` {why}")]
    Standing {
        /// The migration.
        name: String,
        /// How it stands.
        why: String,
    },
}

fn listed(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}
