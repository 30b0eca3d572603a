//! What the host remembers in the store itself: runs, how far they came, and the documents that failed.
//!
//! It is written in the very transactions that change the documents, so that it never says more or less
//! than what happened. The types are here; each store keeps its own tables.

use std::collections::BTreeMap;

pub mod lease;
pub mod order;
pub mod stage;
pub mod trail;
pub mod undo;

use migration_document::Failure;
use serde::{Deserialize, Serialize};

pub use order::OrderLedger;
pub use stage::{Stage, Tally, joined};
pub use trail::Trail;

use crate::stages::Stages;
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

/// One execution of a migration over a table, or of several that are the stages of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its number; None until the ledger has it.
    pub id: Option<RunId>,
    /// The migrations, in the order in which each document goes through them.
    pub stages: Stages<Stage>,
    /// The table.
    pub table: String,
    /// The run that it takes back by the plugin's own `revert`; None for one that migrates.
    pub reverts: Option<RunId>,
    /// What `context.now` answers, in milliseconds since the Unix epoch: when the run began.
    pub now: u64,
    /// How it stands.
    pub state: RunState,
    /// How far it has come; None before the first batch.
    pub checkpoint: Option<Checkpoint>,
    /// What finds the checkpoint again.
    pub trail: Trail,
    /// Where the table ended when the run began; None for an empty table.
    pub until: Option<Checkpoint>,
    /// What was counted.
    pub counters: Counters,
    /// Who began it: `user@machine`.
    pub by: String,
    /// When it came to its end, in milliseconds since the Unix epoch.
    pub ended: Option<u64>,
    /// The process that works on it; None when none does.
    pub lease: Option<Lease>,
    /// How it goes.
    pub pace: Pace,
    /// Its undo log was freed: it cannot be undone, and keeps none.
    pub undo_forgotten: bool,
}

/// The file of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginFile {
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// Where it was, as an absolute path; None if that is no text. It may be gone, or another by now.
    pub path: Option<String>,
}

/// A process's claim to a table: nobody else migrates it meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The process.
    pub holder: Holder,
    /// When the claim ends unless it is renewed, in milliseconds since the Unix epoch.
    pub until: u64,
}

/// A process, told apart from all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub machine: String,
    /// The process's number there.
    pub process: u32,
    /// When the process began, as its machine counts; tells it from a later one of the same number.
    pub since: u64,
}

/// How a run goes: for those who watch it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Documents looked at, whether they met the filter or not.
    pub looked_at: u64,
    /// Documents to be looked at, as counted when the run began.
    pub to_look_at: Option<u64>,
    /// How long processes have worked on it, in milliseconds.
    pub worked: u64,
    /// The longest time that a batch held the write lock, in milliseconds.
    pub longest_lock: u64,
}

/// What another process asks of the one that works on a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Wait after the batch in hand.
    Pause,
    /// End after the batch in hand, for good.
    Cancel,
}

impl Request {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Cancel => "cancel",
        }
    }

    /// The request of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Pause, Self::Cancel]
            .into_iter()
            .find(|request| request.name() == name)
    }
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Batches are being worked on, or the process died.
    Running,
    /// It waits until it is resumed.
    Paused,
    /// It was told to end before the table did; the same command goes on with it.
    Interrupted,
    /// It has done as many documents as it was to do; the same command goes on with it.
    Limited,
    /// It has done its sample; the same command without it does the rest.
    Sampled,
    /// It has seen every document.
    Finished,
    /// It could not go on; the same command tries again from its checkpoint.
    Failed,
    /// It was given up. What it did stays done until it is undone.
    Cancelled,
    /// It is being taken back, or the process that did it died.
    Undoing,
    /// It was taken back.
    Undone,
}

impl RunState {
    const ALL: [Self; 10] = [
        Self::Running,
        Self::Paused,
        Self::Interrupted,
        Self::Limited,
        Self::Sampled,
        Self::Finished,
        Self::Failed,
        Self::Cancelled,
        Self::Undoing,
        Self::Undone,
    ];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Limited => "limited",
            Self::Sampled => "sampled",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether the same command goes on with it.
    #[must_use]
    pub fn goes_on(self) -> bool {
        matches!(
            self,
            Self::Running | Self::Paused | Self::Interrupted | Self::Limited | Self::Failed
        )
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
        count(&mut self.skip_reasons, reason, 1);
    }

    /// Takes back what was counted of skips: the documents are met once more.
    pub fn forget_skips(&mut self) {
        self.total -= self.skipped;
        self.skipped = 0;
        self.skip_reasons.clear();
    }

    /// Counts a warning that the plugin logged.
    pub fn warn(&mut self, message: &str) {
        count(&mut self.warnings, message, 1);
    }

    /// Adds what others counted.
    pub fn add(&mut self, others: &Self) {
        self.total += others.total;
        self.updated += others.updated;
        self.skipped += others.skipped;
        self.failed += others.failed;
        self.inserted += others.inserted;
        self.deleted += others.deleted;
        self.conflicts += others.conflicts;
        for (reason, times) in &others.skip_reasons {
            count(&mut self.skip_reasons, reason, *times);
        }
        for (message, times) in &others.warnings {
            count(&mut self.warnings, message, *times);
        }
    }

    /// Adds what became of documents that are counted as failed already, once they were tried again.
    pub fn amend(&mut self, tried: &Self) {
        self.add(tried);
        self.total -= tried.total;
        // Each of them was counted when it failed.
        self.failed -= tried.total;
    }
}

/// Counts a text of a plugin's making; what is one too many as [`OTHERS`].
pub(crate) fn count(counts: &mut BTreeMap<String, u64>, text: &str, times: u64) {
    if let Some(count) = counts.get_mut(text) {
        *count += times;
        return;
    }
    let text = if counts.len() < COUNTED_TEXTS {
        text
    } else {
        OTHERS
    };
    *counts.entry(text.to_owned()).or_default() += times;
}

/// A document that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentFailure {
    /// Its table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// The migration at which it failed, where the run has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
    /// Why it could not be migrated.
    #[serde(flatten)]
    pub failure: Failure,
}

/// A part of a run's quarantine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuarantinePart {
    /// Only what comes behind this number.
    pub after: i64,
    /// Only what comes up to this number, it included.
    pub until: i64,
}

/// The host's own tables in a store.
pub trait Ledger {
    /// The newest run of which a migration is a stage, over a table, but for those that take others back.
    ///
    /// # Errors
    /// If the store cannot be read, or a newer host wrote its ledger.
    fn newest_run(&mut self, migration: &str, table: &str) -> Result<Option<Run>>;

    /// The newest run that takes this one back by the plugin's own `revert`.
    ///
    /// # Errors
    /// If the store cannot be read, or a newer host wrote its ledger.
    fn newest_revert(&mut self, run: RunId) -> Result<Option<Run>>;

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

    /// The first documents in a part of a run's quarantine, in its order, each with its number there.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn quarantined_within(
        &mut self,
        run: RunId,
        part: QuarantinePart,
        limit: usize,
    ) -> Result<Vec<(i64, DocumentFailure)>>;

    /// The number of a run's last document in quarantine, and how many there are; None for none.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn last_quarantined(&mut self, run: RunId) -> Result<Option<(i64, u64)>>;

    /// Gives a document in quarantine its new reason, and moves it to the end, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn quarantine_again(&mut self, number: i64, failure: &DocumentFailure) -> Result<()>;

    /// Takes a document out of quarantine, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn leave_quarantine(&mut self, number: i64) -> Result<()>;

    /// Whether a document is in a run's quarantine.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn is_quarantined(&mut self, run: RunId, table: &str, id: &str) -> Result<bool>;

    /// A run by its number.
    ///
    /// # Errors
    /// If the store cannot be read, or a newer host wrote its ledger.
    fn run(&mut self, run: RunId) -> Result<Option<Run>>;

    /// All runs, the newest first.
    ///
    /// # Errors
    /// If the store cannot be read, or a newer host wrote its ledger.
    fn runs(&mut self) -> Result<Vec<Run>>;

    /// A run over a table that a process has claimed, or a run that it is taking back. The claim may
    /// have ended.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn claimed(&mut self, table: &str) -> Result<Vec<Run>>;

    /// What is asked of the process that works on a run.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn request(&mut self, run: RunId) -> Result<Option<Request>>;

    /// Asks something of the process that works on a run, or takes it back.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn set_request(&mut self, run: RunId, request: Option<Request>) -> Result<()>;

    /// Keeps what a batch needs to be taken back, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn save_undo(&mut self, run: RunId, log: &[u8]) -> Result<()>;

    /// The newest part of a run's undo log that is still there, and its number; of those before another
    /// part where one is named.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn newest_undo(&mut self, run: RunId, before: Option<i64>) -> Result<Option<(i64, Vec<u8>)>>;

    /// Replaces a part of an undo log by what is left of it, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn cut_undo(&mut self, number: i64, log: &[u8]) -> Result<()>;

    /// Forgets one part of an undo log, within the transaction in hand.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn drop_undo(&mut self, number: i64) -> Result<()>;

    /// Forgets parts of a run's undo log, so many at the most, within the transaction in hand; returns how
    /// many there were to forget.
    ///
    /// # Errors
    /// If the store cannot be written.
    fn forget_undo(&mut self, run: RunId, most: usize) -> Result<u64>;

    /// How many bytes a run's undo log takes.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn undo_size(&mut self, run: RunId) -> Result<u64>;
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
    fn what_is_tried_again_is_counted_once() {
        let mut counters = Counters {
            total: 5,
            updated: 2,
            failed: 3,
            ..Counters::default()
        };
        let mut tried = Counters {
            total: 3,
            updated: 1,
            failed: 1,
            inserted: 4,
            ..Counters::default()
        };
        tried.skip("gone");
        counters.amend(&tried);
        assert_eq!((counters.total, counters.failed), (5, 1));
        assert_eq!((counters.updated, counters.skipped), (3, 1));
        assert_eq!((counters.inserted, counters.skip_reasons["gone"]), (4, 1));
    }

    #[test]
    fn states_have_names() {
        for state in RunState::ALL {
            assert_eq!(RunState::named(state.name()), Some(state));
        }
        assert_eq!(RunState::named("sleeping"), None);
    }
}
