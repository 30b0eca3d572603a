//! What a check found.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::super::report::Report;
use super::OwnedChange;
use crate::plugin::Used;

/// What should be true of a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Property {
    /// What becomes of a document depends on nothing but the document.
    Deterministic,
    /// Applied to its own result it changes nothing.
    Idempotent,
    /// Its `revert` gives back what was.
    Reversible,
}

impl Property {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Deterministic => "deterministic",
            Self::Idempotent => "idempotent",
            Self::Reversible => "reversible",
        }
    }
}

/// Whether something is true of a migration, as far as it was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Of what.
    pub property: Property,
    /// How many documents it was checked for.
    pub checked: u64,
    /// How many of them break it.
    pub broken: u64,
}

/// A document that breaks something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it breaks.
    pub property: Property,
    /// Its table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// How.
    pub problem: String,
    /// What would change, where it is that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<OwnedChange>,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq)]
pub struct Checked {
    /// What would become of the documents, as a dry run reports it.
    pub report: Report,
    /// How many documents failed with each code.
    pub failures: BTreeMap<String, u64>,
    /// What was checked, and whether it held. What the plugin has not is not among it.
    pub properties: Vec<Held>,
    /// The first documents that break something.
    pub findings: Vec<Finding>,
    /// The most that was used of each limit.
    pub limits: Vec<Used>,
    /// How long the plugin took for a document, in batches as they come.
    pub per_document: Duration,
}

impl Checked {
    /// Whether everything that was checked held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|held| held.broken == 0)
    }
}
