//! What the ledger knows of the order of migrations beyond their runs.
//!
//! That a migration was applied is not written down a second time: its run says so. Here is what no run says: a
//! change of tables and indexes, which has none; that a store was at a version already; that other bytes of an applied
//! migration are accepted.

use serde::{Deserialize, Serialize};

use super::Lease;
use crate::store::Result;
use crate::store::structure::WayBack;

/// Something that happened to a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number: counted up by the store, from 1. None until the ledger has it.
    pub number: Option<i64>,
    /// What happened.
    pub event: Event,
    /// The migration's name.
    pub migration: String,
    /// The schema version that the store has once it is done.
    pub version: u32,
    /// SHA-256 of its file.
    pub sha256: String,
    /// When, in milliseconds since the Unix epoch.
    pub at: u64,
    /// How long it took, in milliseconds.
    pub took: u64,
    /// Who: `user@machine`.
    pub by: String,
    /// Why, where somebody said so.
    pub why: Option<String>,
    /// How steps are taken back, in the order in which they were made. Empty where there is nothing to take back.
    pub way_back: Vec<WayBack>,
}

/// What happened to a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Its steps were applied.
    Applied,
    /// Its steps were taken back.
    TakenBack,
    /// The store was at its version already.
    Baseline,
    /// The store was not at its version after all.
    BaselineForgotten,
    /// Other bytes of it are accepted.
    Accepted,
}

impl Event {
    const ALL: [Self; 5] = [
        Self::Applied,
        Self::TakenBack,
        Self::Baseline,
        Self::BaselineForgotten,
        Self::Accepted,
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::TakenBack => "taken-back",
            Self::Baseline => "baseline",
            Self::BaselineForgotten => "baseline-forgotten",
            Self::Accepted => "accepted",
        }
    }

    /// The event of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

/// The part of the ledger that is about the order of migrations.
pub trait OrderLedger {
    /// All records, the oldest first.
    ///
    /// # Errors
    /// If the store cannot be read, or another host wrote its ledger.
    fn records(&mut self) -> Result<Vec<Record>>;

    /// Writes a record down, within the transaction in hand. One that has no number gets one; of one that has,
    /// the way back is written.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn save_record(&mut self, record: &mut Record) -> Result<()>;

    /// The process that applies migrations, or takes them back; None where none does. Its claim may have ended.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn order_lease(&mut self) -> Result<Option<Lease>>;

    /// Claims the order of migrations, or gives it free, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn set_order_lease(&mut self, lease: Option<&Lease>) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_names() {
        for event in Event::ALL {
            assert_eq!(Event::named(event.name()), Some(event));
        }
        assert_eq!(Event::named("forgotten"), None);
    }
}
