//! What can go wrong with a store.

use std::error::Error;
use std::path::PathBuf;

use migration_document::Failure;
use thiserror::Error as ThisError;

/// Why a store could not do what was asked. Nothing was changed by what failed.
#[derive(Debug, ThisError)]
pub enum StoreError {
    /// The address names no kind of store that this host knows.
    #[error("`{0}` is no address of a store")]
    Address(String),
    /// There is no such file.
    #[error("there is no store at {}", path.display())]
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is a file already.
    #[error("{} exists already; nothing was changed", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a SQLite database", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("the database is damaged: {detail}")]
    Damaged {
        /// What SQLite says.
        detail: String,
    },
    /// Another writer holds the lock.
    #[error("the database is locked by another process, and stayed so for the whole lock timeout")]
    Locked,
    /// The database cannot be written.
    #[error("the database cannot be written: {detail}")]
    ReadOnly {
        /// What SQLite says.
        detail: String,
    },
    /// The disk is full.
    #[error("the disk is full; nothing of the transaction in hand was kept")]
    Full,
    /// There is no table of that name.
    #[error("there is no table `{table}`")]
    NoSuchTable {
        /// The name.
        table: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// The table exists already.
    #[error("there is a table `{0}` already")]
    TableExists(String),
    /// No migration can work on this table.
    #[error("`{table}` cannot be migrated: {why}")]
    Unusable {
        /// The table.
        table: String,
        /// Why not.
        why: String,
    },
    /// What the user says of a table does not fit it.
    #[error("the settings of table `{table}` do not fit it: {why}")]
    Override {
        /// The table.
        table: String,
        /// What does not fit.
        why: String,
    },
    /// A table or an index cannot be made, taken away or brought back.
    #[error("{doing} failed: {why}")]
    Structure {
        /// What was being done.
        doing: String,
        /// Why not.
        why: String,
    },
    /// The ledger was written by a development build before this version.
    #[error(
        "the store's ledger has version {found}, of an earlier development build, and this host knows version {known}"
    )]
    OlderLedger {
        /// The version found.
        found: i64,
        /// The version known.
        known: i64,
    },
    /// The ledger was written by a newer host.
    #[error("the store's ledger has version {found}, and this host knows versions up to {known}")]
    NewerLedger {
        /// The version found.
        found: i64,
        /// The newest known one.
        known: i64,
    },
    /// A document that was looked up cannot be read.
    #[error("document `{id}` of table `{table}` cannot be read: {}", failure.message)]
    Unreadable {
        /// The table.
        table: String,
        /// The document.
        id: String,
        /// Why not.
        failure: Failure,
    },
    /// A lookup would go beyond its reach.
    #[error("the lookup {0} than it may")]
    Beyond(Excess),
    /// Anything else.
    #[error("{doing} failed: {source}")]
    Backend {
        /// What was being done.
        doing: String,
        /// What the database says.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// What a lookup would have too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
pub enum Excess {
    /// Its time is up.
    #[error("takes longer")]
    Time,
    /// The documents have more bytes.
    #[error("finds more bytes")]
    Bytes,
}

/// Why a document was not written.
#[derive(Debug, ThisError)]
pub enum WriteError {
    /// This document cannot be written so; others can.
    #[error("{}", .0.message)]
    Refused(Failure),
    /// Nothing can be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Failure> for WriteError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl WriteError {
    /// A refusal.
    pub fn refused(code: &str, message: impl Into<String>, at: Option<String>) -> Self {
        Self::Refused(Failure {
            code: code.into(),
            message: message.into(),
            at,
        })
    }
}
