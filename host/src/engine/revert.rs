//! Taking a run back by the plugin's own `revert`: a run of its own, which reads the other one's documents
//! from that one's undo log, newest batch first, and frees it on the way.
//!
//! Where the undo log was forgotten, nobody knows which documents those were; then it goes over the table.
//!
//! Documents that the run deleted are not there to be passed to `revert`. They stay in the undo log, which can
//! bring them back.

use std::collections::{HashSet, VecDeque};

use super::error::RunError;
use super::named::{self, Named};
use super::now;
use super::source::{Batch, Lap, Source};
use super::undo::leave;
use crate::ledger::undo::{Entry, Taken, decode};
use crate::ledger::{RunId, RunState};
use crate::plugin::SharedReader;
use crate::store::Writer;

/// Reads the documents of a run from its undo log, and has them reverted, when it is asked for a batch.
pub(super) struct Logged<'a> {
    pub lap: &'a Lap<'a>,
    /// Answers lookups as well.
    pub reader: SharedReader,
    /// Reads the undo log.
    pub ledger: Box<dyn Writer>,
    /// The run that is taken back.
    pub run: RunId,
    /// The part of the undo log at hand; None before the first one.
    pub part: Option<i64>,
    /// What of it is still to be read.
    pub ids: VecDeque<String>,
}

impl Source for Logged<'_> {
    fn next(&mut self) -> Result<Option<Batch>, RunError> {
        while self.ids.is_empty() {
            let Some((number, log)) = self.ledger.newest_undo(self.run, self.part)? else {
                return Ok(None);
            };
            self.part = Some(number);
            self.ids = documents(&decode(&log)?, &self.lap.table().name);
        }
        let ids = self.ids.make_contiguous();
        let (mut batch, taken) = named::batch(self.lap, &self.reader, ids)?;
        self.ids.drain(..taken);
        if let Some(number) = self.part {
            batch.named = Named::UndoLog(number);
        }
        Ok(Some(batch))
    }
}

/// Whether an entry names a document of the run that `revert` can be given.
fn is_revertible(entry: &Entry, table: &str) -> bool {
    entry.table == table && !matches!(entry.change, Taken::Deleted { .. })
}

/// The documents of a run in a part of its undo log, newest first, each once.
fn documents(entries: &[Entry], table: &str) -> VecDeque<String> {
    let mut known = HashSet::new();
    entries
        .iter()
        .rev()
        .filter(|entry| is_revertible(entry, table) && known.insert(&entry.id))
        .map(|entry| entry.id.clone())
        .collect()
}

/// Takes what was handled out of a part of the undo log. What it says of other tables goes with the last
/// of its documents: it was the plugin's to take back.
pub(super) fn settle(
    writer: &mut dyn Writer,
    run: RunId,
    part: i64,
    table: &str,
    handled: &HashSet<String>,
) -> Result<(), RunError> {
    let found = writer.newest_undo(run, Some(part + 1))?;
    let Some((_, log)) = found.filter(|(number, _)| *number == part) else {
        return Ok(());
    };
    let mut entries = decode(&log)?;
    entries.retain(|entry| !(is_revertible(entry, table) && handled.contains(&entry.id)));
    if !entries.iter().any(|entry| is_revertible(entry, table)) {
        entries.retain(|entry| entry.table == table);
    }
    leave(writer, part, &entries)
}

/// Writes down that a run is being taken back, within the transaction in hand.
pub(super) fn begin(writer: &mut dyn Writer, run: RunId) -> Result<(), RunError> {
    let mut reverted = writer.run(run)?.ok_or(RunError::NoRun(run))?;
    // Another may have undone it since this process looked.
    if reverted.state == RunState::Undone {
        return Err(RunError::undone(run));
    }
    reverted.state = RunState::Undoing;
    writer.save_run(&mut reverted)?;
    Ok(())
}

/// Writes down that a run was taken back, within the transaction in hand, unless its undo log has more.
pub(super) fn end(writer: &mut dyn Writer, run: RunId) -> Result<(), RunError> {
    let mut reverted = writer.run(run)?.ok_or(RunError::NoRun(run))?;
    reverted.state = RunState::Undoing;
    if reverted.undo_forgotten || writer.newest_undo(run, None)?.is_none() {
        reverted.state = RunState::Undone;
        reverted.ended = Some(now());
    }
    writer.save_run(&mut reverted)?;
    Ok(())
}
