//! Counting what becomes of documents, in a run and at its stages.

use super::intent::Part;
use super::journal::Said;
use super::runner::Purpose;
use crate::ledger::{Run, Stage, Tally};
use crate::plugin::LogLine;
use crate::stages::Stages;

/// Lets documents that are counted already be counted by themselves. Returns what the run had counted.
pub(super) fn set_aside(purpose: Purpose, run: &mut Run) -> Option<Tally> {
    (purpose == Purpose::Again).then(|| run.take_tally())
}

/// Amends what the run had counted by what was counted by itself, and returns that.
pub(super) fn amend(before: Option<Tally>, run: &mut Run) -> Option<Tally> {
    Some(run.amend(before?))
}

/// Counts what became of a document at each stage; there are no parts where there is only one. Returns the migration at
/// which it failed.
pub(super) fn count_parts(stages: &mut Stages<Stage>, parts: &[Part]) -> Option<String> {
    let mut failed_at = None;
    for (stage, part) in stages.iter_mut().zip(parts) {
        let counters = &mut stage.counters;
        match part {
            Part::Passed => continue,
            Part::Skipped(reason) => counters.skip(reason),
            Part::Updated { inserted } => {
                counters.updated += 1;
                counters.inserted += inserted;
            }
            Part::Deleted { inserted } => {
                counters.deleted += 1;
                counters.inserted += inserted;
            }
            Part::Failed => {
                counters.failed += 1;
                failed_at = Some(stage.migration.clone());
            }
        }
        counters.total += 1;
    }
    failed_at
}

/// A line, once it is known that it counts, of one of several stages or of the only one.
pub(super) fn said(line: LogLine, stage: Option<&Stage>, document: Option<&str>) -> Said {
    Said {
        level: line.level,
        message: line.message,
        migration: stage.map(|stage| stage.migration.clone()),
        document: document.map(str::to_owned),
    }
}
