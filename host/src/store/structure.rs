//! What a store's documents stand in: tables and indexes, and how a change of these is taken back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{NewKey, Result};

/// A change of a store's structure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Makes a table.
    CreateTable {
        /// Its name.
        name: String,
        /// The key of a document table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<NewKey>,
        /// The columns of a row table, as the store's SQL writes them. Without any it is a document table.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        columns: Vec<String>,
    },
    /// Takes a table away.
    DropTable {
        /// Its name.
        name: String,
        /// Keeps its documents where only the host reaches them, to bring them back.
        #[serde(default = "yes")]
        keep: bool,
    },
    /// Makes an index.
    CreateIndex {
        /// Its name.
        name: String,
        /// The table.
        table: String,
        /// JSON Pointers to what it is on, in order; in a row table to columns.
        on: Vec<String>,
        /// No two documents may have the same values.
        #[serde(default)]
        unique: bool,
    },
    /// Takes an index away.
    DropIndex {
        /// Its name.
        name: String,
    },
}

fn yes() -> bool {
    true
}

/// What it does.
impl fmt::Display for Change {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateTable { name, .. } => write!(formatter, "create table `{name}`"),
            Self::DropTable { name, .. } => write!(formatter, "drop table `{name}`"),
            Self::CreateIndex {
                name, table, on, ..
            } => write!(
                formatter,
                "create index `{name}` on `{table}` ({})",
                on.join(", ")
            ),
            Self::DropIndex { name } => write!(formatter, "drop index `{name}`"),
        }
    }
}

/// How a change of a store's structure is taken back. It holds names and SQL of the store's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayBack {
    /// Takes away a table that was made.
    DropTable {
        /// Its name.
        name: String,
    },
    /// Brings a table back.
    RestoreTable {
        /// Its name.
        name: String,
        /// The host's own table that keeps its documents.
        kept: String,
        /// Where that is but a copy: how the table is made. Else it is the table itself.
        made_by: Option<String>,
        /// How its indexes and triggers are made.
        parts: Vec<String>,
    },
    /// Takes away an index that was made.
    DropIndex {
        /// Its name.
        name: String,
    },
    /// Makes an index that was taken away.
    CreateIndex {
        /// How it is made.
        sql: String,
    },
    /// There is none.
    None {
        /// Why not.
        why: String,
    },
}

impl WayBack {
    /// Whether it takes room in the store.
    #[must_use]
    pub fn keeps_documents(&self) -> bool {
        matches!(self, Self::RestoreTable { .. })
    }
}

/// Changes a store's structure, within the transaction in hand.
pub trait Structure {
    /// Makes a change.
    ///
    /// # Errors
    /// If the store refuses it, or cannot be written.
    fn change(&mut self, change: &Change) -> Result<WayBack>;

    /// Takes a change back.
    ///
    /// # Errors
    /// If what was done since forbids it, or the store cannot be written.
    fn change_back(&mut self, way: &WayBack) -> Result<()>;

    /// Frees what a way back keeps, so many documents at the most. Returns how many there were; none once all
    /// of it is gone.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn free(&mut self, way: &WayBack, most: usize) -> Result<u64>;
}
