//! What the host remembers in the store itself: runs, how far they came, and the documents that failed.
//!
//! It is written in the very transactions that change the documents, so that it never says more or less
//! than what happened. The types are here; each store keeps its own tables.

use std::collections::BTreeMap;

use migration_document::Failure;
use serde::{Deserialize, Serialize};

use crate::store::{Place, Result};

/// How many failures a report shows. All of them are in the ledger.
pub const SHOWN_FAILURES: usize = 100;

/// How many different texts of a plugin are counted by themselves: reasons to skip, warnings. Further
/// ones are counted together, as [`OTHERS`]: a plugin may make up a text for each document, and memory
/// must not grow with the table.
pub const COUNTED_TEXTS: usize = 100;

/// The name under which texts are counted once there are too many.
pub const OTHERS: &str = "(others)";

/// The number of a run: counted up by the store, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub i64);

impl std::fmt::Display for RunId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One execution of a migration over a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number; None until the ledger has it.
    pub id: Option<RunId>,
    /// The migration's name.
    pub migration: String,
    /// The table.
    pub table: String,
    /// SHA-256 of the plugin's bytes, in lower-case hexadecimal.
    pub plugin: String,
    /// Parameters: names and JSON texts.
    pub parameters: BTreeMap<String, String>,
    /// What `context.now` answers, in milliseconds since the Unix epoch: when the run began.
    pub now: u64,
    /// How it stands.
    pub state: RunState,
    /// How far it has come; None before the first batch.
    pub checkpoint: Option<Checkpoint>,
    /// Where the table ended when the run began; None for an empty table.
    pub until: Option<Checkpoint>,
    /// What was counted.
    pub counters: Counters,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Batches are being worked on, or the process died.
    Running,
    /// It was told to end before the table did; the same command goes on with it.
    Interrupted,
    /// It has done as many documents as it was to do; the same command goes on with it.
    Limited,
    /// It has seen every document.
    Finished,
    /// It could not go on; the same command tries again from its checkpoint.
    Failed,
}

impl RunState {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Limited => "limited",
            Self::Finished => "finished",
            Self::Failed => "failed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::Running,
            Self::Interrupted,
            Self::Limited,
            Self::Finished,
            Self::Failed,
        ]
        .into_iter()
        .find(|state| state.name() == name)
    }
}

/// A place in a table that survives the store's numbering its rows anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The place.
    pub place: Place,
    /// The key of the document there: it finds the place again if the store has numbered its rows anew.
    pub id: String,
}

/// What a run counted.
///
/// `updated + skipped + failed + deleted = total`, always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Documents that met the filter.
    pub total: u64,
    /// Documents that were changed, or whose changes touched only other documents.
    pub updated: u64,
    /// Documents that were left alone on purpose.
    pub skipped: u64,
    /// Documents that could not be migrated.
    pub failed: u64,
    /// Documents that were added, to any table.
    pub inserted: u64,
    /// Documents that were taken away by their own outcome.
    pub deleted: u64,
    /// Documents that another writer changed between reading and writing, each time it happened.
    pub conflicts: u64,
    /// How often each reason to skip was given.
    pub skip_reasons: BTreeMap<String, u64>,
    /// How often the plugin logged each warning.
    pub warnings: BTreeMap<String, u64>,
}

impl Counters {
    /// Counts a skip.
    pub fn skip(&mut self, reason: &str) {
        self.skipped += 1;
        count(&mut self.skip_reasons, reason);
    }

    /// Counts a warning that the plugin logged.
    pub fn warn(&mut self, message: &str) {
        count(&mut self.warnings, message);
    }
}

fn count(counts: &mut BTreeMap<String, u64>, text: &str) {
    if let Some(count) = counts.get_mut(text) {
        *count += 1;
        return;
    }
    let text = if counts.len() < COUNTED_TEXTS {
        text
    } else {
        OTHERS
    };
    *counts.entry(text.to_owned()).or_default() += 1;
}

/// A document that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFailure {
    /// Its table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// Why it could not be migrated.
    #[serde(flatten)]
    pub failure: Failure,
}

/// The host's own tables in a store.
pub trait Ledger {
    /// The newest run of a migration over a table.
    ///
    /// # Errors
    /// If the store cannot be read, or a newer host wrote its ledger.
    fn newest_run(&mut self, migration: &str, table: &str) -> Result<Option<Run>>;

    /// Writes a run down, within the transaction in hand. A run that has no number gets one.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn save_run(&mut self, run: &mut Run) -> Result<()>;

    /// Puts a document into quarantine, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn quarantine(&mut self, run: RunId, failure: &DocumentFailure) -> Result<()>;

    /// The first documents that failed in a run, in the order in which they did.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn quarantined(&mut self, run: RunId, limit: usize) -> Result<Vec<DocumentFailure>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_beyond_the_limit_are_counted_together() {
        let mut counters = Counters::default();
        for number in 0..COUNTED_TEXTS + 5 {
            counters.skip(&format!("reason {number}"));
        }
        counters.skip("reason 0");
        assert_eq!(counters.skipped, 106);
        assert_eq!(counters.skip_reasons["reason 0"], 2);
        assert_eq!(counters.skip_reasons[OTHERS], 5);
        assert_eq!(counters.skip_reasons.values().sum::<u64>(), 106);
    }

    #[test]
    fn states_have_names() {
        for state in [RunState::Running, RunState::Limited, RunState::Failed] {
            assert_eq!(RunState::named(state.name()), Some(state));
        }
        assert_eq!(RunState::named("sleeping"), None);
    }
}
