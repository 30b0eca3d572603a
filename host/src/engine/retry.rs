//! Trying failed documents again: the quarantine in the place of the table.
//!
//! A document that is handled now leaves the quarantine; one that fails again moves to its end, with its new
//! reason. So what a retry that was killed has still to do is what stands up to where the quarantine ended when
//! it began, and a document that fails is tried once.

use std::collections::{HashMap, HashSet};

use super::error::RunError;
use super::named::{self, GONE, Named};
use super::source::{Batch, Lap, Source};
use crate::ledger::{DocumentFailure, QuarantinePart, RunId};
use crate::plugin::SharedReader;
use crate::store::{StoreError, Unreadable, Writer};

/// Reads a part of a run's quarantine, and has its documents transformed, when it is asked for a batch.
pub(super) struct Quarantined<'a> {
    pub lap: &'a Lap<'a>,
    /// Answers lookups as well.
    pub reader: SharedReader,
    /// Reads the quarantine.
    pub ledger: Box<dyn Writer>,
    pub run: RunId,
    /// What is still to be read.
    pub part: QuarantinePart,
}

impl Source for Quarantined<'_> {
    fn next(&mut self) -> Result<Option<Batch>, RunError> {
        let mut listed =
            self.ledger
                .quarantined_within(self.run, self.part, self.lap.documents())?;
        if listed.is_empty() {
            return Ok(None);
        }
        let ids: Vec<_> = listed.iter().map(|(_, failed)| failed.id.clone()).collect();
        let (mut batch, taken) = named::batch(self.lap, &self.reader, &ids)?;
        listed.truncate(taken);
        if let Some((number, _)) = listed.last() {
            self.part.after = *number;
        }
        keep_nameless(&listed, &mut batch);
        batch.named = Named::Quarantine(listed);
        Ok(Some(batch))
    }
}

/// A document whose key cannot be told cannot be looked for either: it fails as it did.
fn keep_nameless(listed: &[(i64, DocumentFailure)], batch: &mut Batch) {
    let end = batch.documents.len();
    for left in std::mem::take(&mut batch.left) {
        let nameless = listed.iter().find(|(_, failed)| {
            left.why == GONE && failed.id == left.id && Unreadable::is_placeholder(&left.id)
        });
        match nameless {
            Some((_, failed)) => batch.unreadable.push((
                end,
                Unreadable {
                    id: left.id,
                    failure: failed.failure.clone(),
                },
            )),
            None => batch.left.push(left),
        }
    }
}

/// Takes the documents that were handled out of quarantine, but for those that failed again.
pub(super) fn settle(
    writer: &mut dyn Writer,
    listed: &[(i64, DocumentFailure)],
    handled: &HashSet<String>,
    failures: &[DocumentFailure],
) -> Result<(), StoreError> {
    let failures: HashMap<_, _> = failures
        .iter()
        .map(|failed| (failed.id.as_str(), failed))
        .collect();
    for (number, failed) in listed {
        match failures.get(failed.id.as_str()) {
            Some(failure) => writer.quarantine_again(*number, failure)?,
            None if handled.contains(&failed.id) => writer.leave_quarantine(*number)?,
            // The batch ended before it.
            None => {}
        }
    }
    Ok(())
}
