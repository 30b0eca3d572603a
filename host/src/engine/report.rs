//! What a run did, for people and for scripts.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::ledger::{Counters, DocumentFailure, Run, RunId, RunState, Tally};

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
    /// What was counted at each stage, in order; of none where there is only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageReport>,
    /// The first failures, up to [`crate::ledger::SHOWN_FAILURES`].
    pub errors: Vec<ReportedFailure>,
    /// How long this process worked on it.
    pub seconds: f64,
    /// Why it ended before its end, where nobody asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What was counted at a stage of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageReport {
    /// The migration's name.
    pub migration: String,
    /// What was counted of the documents that it handled. One that failed counts only where it failed.
    #[serde(flatten, serialize_with = "at_a_stage")]
    pub counters: Counters,
}

/// Conflicts are no single stage's.
fn at_a_stage<S: Serializer>(counters: &Counters, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct AtStage<'c> {
        total: u64,
        updated: u64,
        skipped: u64,
        failed: u64,
        inserted: u64,
        deleted: u64,
        skip_reasons: &'c BTreeMap<String, u64>,
        warnings: &'c BTreeMap<String, u64>,
    }
    AtStage {
        total: counters.total,
        updated: counters.updated,
        skipped: counters.skipped,
        failed: counters.failed,
        inserted: counters.inserted,
        deleted: counters.deleted,
        skip_reasons: &counters.skip_reasons,
        warnings: &counters.warnings,
    }
    .serialize(serializer)
}

impl StageReport {
    /// What a run has counted at each of its stages; of none where it has only one.
    #[must_use]
    pub fn of(run: &Run, counted: Vec<Counters>) -> Vec<Self> {
        let stages = run.stages.iter().zip(counted);
        stages
            .map(|(stage, counters)| Self {
                migration: stage.migration.clone(),
                counters,
            })
            .collect()
    }
}

/// A failure in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportedFailure {
    /// The document's table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// The migration at which it failed, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migration: Option<String>,
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
        counted: Tally,
        state: RunState,
        dry_run: bool,
        failures: Vec<DocumentFailure>,
        time: Duration,
        why: Option<String>,
    ) -> Self {
        Self {
            run: run.id,
            migration: run.name(),
            table: run.table.clone(),
            state,
            dry_run,
            counters: counted.run,
            stages: StageReport::of(run, counted.stages),
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
            migration: failed.migration,
            code: failed.failure.code,
            message: failed.failure.message,
            at: failed.failure.at,
        }
    }
}
