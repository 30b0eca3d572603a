//! What a run did, for people and for scripts.

use std::time::Duration;

use serde::Serialize;

use crate::ledger::{Counters, DocumentFailure, Run, RunId, RunState};

/// What a run did, from its beginning: batches of earlier processes that it went on with included. Where
/// failed documents were tried again, what became of those.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Its number in the ledger; None for a dry run, unless of one that is there.
    pub run: Option<RunId>,
    /// The migration's name.
    pub migration: String,
    /// The table.
    pub table: String,
    /// How it stands.
    pub state: RunState,
    /// Nothing was written.
    pub dry_run: bool,
    /// What was counted.
    #[serde(flatten)]
    pub counters: Counters,
    /// The first failures, up to [`crate::ledger::SHOWN_FAILURES`].
    pub errors: Vec<ReportedFailure>,
    /// How long this process worked on it.
    pub seconds: f64,
    /// Why it ended before its end, where nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A failure in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedFailure {
    /// The document's table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// Stable and machine-readable.
    pub code: String,
    /// For people.
    pub message: String,
    /// JSON Pointer to the field to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Report {
    pub(super) fn of(
        run: &Run,
        counters: Counters,
        state: RunState,
        dry_run: bool,
        failures: Vec<DocumentFailure>,
        time: Duration,
        why: Option<String>,
    ) -> Self {
        Self {
            run: run.id,
            migration: run.migration.clone(),
            table: run.table.clone(),
            state,
            dry_run,
            counters,
            errors: failures.into_iter().map(ReportedFailure::from).collect(),
            // Microseconds are more than anyone wants to read.
            why,
            seconds: (time.as_secs_f64() * 1e3).round() / 1e3,
        }
    }
}

impl From<DocumentFailure> for ReportedFailure {
    fn from(failed: DocumentFailure) -> Self {
        Self {
            table: failed.table,
            id: failed.id,
            code: failed.failure.code,
            message: failed.failure.message,
            at: failed.failure.at,
        }
    }
}
