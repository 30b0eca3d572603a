//! Documents that the ledger names by their keys: the quarantine's, and the undo log's.
//!
//! They are read by key, and not in the order of the table. Such lists are gone over batch by batch, each
//! read when the one before is written: nothing is read ahead.

use super::error::RunError;
use super::intent::{Intent, meets};
use super::settle::Lost;
use super::source::{Batch, Lap, Read, transformed};
use crate::ledger::DocumentFailure;
use crate::plugin::SharedReader;
use crate::plugin::world::lock;
use crate::store::{Page, Reach, StoreError, Table, Writer};

use migration_document::Filter;

/// The reason that is counted for a document that is not there any more.
pub(super) const GONE: &str = "not there any more";

/// The reason that is counted for a document that the migration is not for any more.
pub(super) const PASSED_OVER: &str = "does not meet the filter any more";

/// A document that was named, and of which nothing is wanted any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Left {
    pub id: String,
    /// Why, as it is counted.
    pub why: &'static str,
}

/// What the ledger named the documents of a batch for; settled with them, in their transaction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Named {
    /// Nothing: they come from the table.
    #[default]
    Nothing,
    /// They are in quarantine, under these numbers.
    Quarantine(Vec<(i64, DocumentFailure)>),
    /// They stand in this part of the undo log.
    UndoLog(i64),
}

/// The documents with the first of these keys, as many as a batch may have, and how many keys that took.
pub(super) fn read(
    lap: &Lap<'_>,
    reader: &SharedReader,
    ids: &[String],
) -> Result<(Read, Vec<Left>, usize), StoreError> {
    let moment = lap.clock.now();
    let mut reader = lock(reader);
    reader.begin()?;
    let (mut page, mut left) = (Page::default(), Vec::new());
    let (mut taken, mut bytes) = (0, 0);
    for id in ids.iter().take(lap.documents()) {
        if bytes >= lap.bytes {
            break;
        }
        taken += 1;
        match reader.get(lap.table(), std::slice::from_ref(id), Reach::ANY) {
            Ok(found) => match found.into_iter().next().flatten() {
                None => left.push(Left {
                    id: id.clone(),
                    why: GONE,
                }),
                Some(found) if meets(lap.filter(), &found.body) => {
                    bytes += found.body.len();
                    page.documents.push(found);
                }
                Some(_) => left.push(Left {
                    id: id.clone(),
                    why: PASSED_OVER,
                }),
            },
            Err(StoreError::Unreadable { id, failure, .. }) => page.unreadable.push((
                page.documents.len(),
                crate::store::Unreadable { id, failure },
            )),
            Err(error) => return Err(error),
        }
    }
    page.looked_at = taken as u64;
    Ok((Read { page, moment }, left, taken))
}

/// Reads the documents with the first of these keys, and has them transformed, in one snapshot. Also tells
/// how many keys that took.
pub(super) fn batch(
    lap: &Lap<'_>,
    reader: &SharedReader,
    ids: &[String],
) -> Result<(Batch, usize), RunError> {
    let (read, left, taken) = read(lap, reader, ids)?;
    let mut batch = transformed(lap, reader, read)?;
    lock(reader).end()?;
    batch.left = left;
    Ok((batch, taken))
}

/// Looks again, under the write lock, at what was left: others may have brought it back.
pub(super) fn recheck(
    writer: &mut dyn Writer,
    table: &Table,
    filter: &Filter,
    batch: &mut Batch,
    lost: &mut Lost,
) -> Result<(), StoreError> {
    for left in std::mem::take(&mut batch.left) {
        match writer.current(table, &left.id) {
            Ok(Some(found)) if meets(filter, &found.body) => {
                lost.again.push(batch.documents.len());
                batch.documents.push(found);
                batch.intents.push(Intent::none_yet());
            }
            Ok(found) => batch.left.push(Left {
                id: left.id,
                why: found.map_or(GONE, |_| PASSED_OVER),
            }),
            Err(StoreError::Unreadable { id, failure, .. }) => batch.unreadable.push((
                batch.documents.len(),
                crate::store::Unreadable { id, failure },
            )),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
