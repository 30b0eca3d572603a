//! Finding the place again at which an earlier process stood.
//!
//! A place that is a row's number holds only as long as nobody numbers the rows anew: VACUUM may, and who
//! dumps a database and restores it does. Both keep the order of the rows, and both give smaller numbers, as
//! they close gaps. So any document that the run has handled, and that stands no further on than it did, is a
//! place to go on from; and nothing is handled twice if it was the last one of those that are still there.
//! One that stands further on was deleted and inserted again, and tells nothing.

use super::error::RunError;
use crate::ledger::{Checkpoint, Run};
use crate::plugin::SharedReader;
use crate::plugin::world::lock;
use crate::store::{Place, StoreError, Table};

/// How an earlier run's place was found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refound {
    /// Everything up to the checkpoint is done, and nothing behind it.
    Exactly,
    /// Documents behind the checkpoint may have failed in this run already; they have been counted.
    SomeFailedBehind,
}

/// Corrects a run's checkpoint, and where it ends, by where their documents stand now.
///
/// # Errors
/// If nothing tells any more where the run stood, or the store cannot be read.
pub(super) fn refind(
    reader: &SharedReader,
    table: &Table,
    filtered: bool,
    run: &mut Run,
) -> Result<Refound, RunError> {
    // A run that is in no ledger has not begun.
    let Some(id) = run.id else {
        return Ok(Refound::Exactly);
    };
    let mut how = Refound::Exactly;
    if let Some(stood) = run.checkpoint.clone().filter(Checkpoint::may_move) {
        let now = newest(reader, table, run)?;
        if let Some(now) = now {
            if now.id != stood.id {
                how = Refound::SomeFailedBehind;
            }
            run.checkpoint = Some(now);
        } else if !nothing_moved(reader, table, run)? {
            // What the filter finds is what is still to be done, wherever the run stood.
            if !filtered {
                return Err(RunError::Adrift {
                    run: id,
                    migration: run.migration.clone(),
                    table: run.table.clone(),
                });
            }
            run.checkpoint = None;
            // They are met once more.
            run.counters.forget_skips();
            how = Refound::SomeFailedBehind;
        }
    }
    if let Some(until) = run.until.as_mut().filter(|until| until.may_move())
        && let Some(place) = place_of(reader, table, until)?
    {
        until.place = place;
    }
    Ok(how)
}

/// The last document that the run has handled and that still stands where it can be told from.
pub(super) fn newest(
    reader: &SharedReader,
    table: &Table,
    run: &Run,
) -> Result<Option<Checkpoint>, StoreError> {
    for point in run.trail.back() {
        if let Some(place) = place_of(reader, table, point)? {
            return Ok(Some(Checkpoint {
                place,
                id: point.id.clone(),
            }));
        }
    }
    Ok(None)
}

/// Whether the checkpoint's place is surely what it was, though its document is gone: had the rows behind it
/// been numbered anew, the last one would stand before its old place.
fn nothing_moved(reader: &SharedReader, table: &Table, run: &Run) -> Result<bool, StoreError> {
    let (Some(until), Some(checkpoint)) = (&run.until, &run.checkpoint) else {
        return Ok(true);
    };
    if lock(reader).end_of(table)?.is_none() {
        return Ok(true);
    }
    Ok(until.id != checkpoint.id
        && place_of(reader, table, until)?.is_some_and(|place| place == until.place))
}

/// Where a document stands now; None if it is gone, or was inserted again since.
fn place_of(
    reader: &SharedReader,
    table: &Table,
    point: &Checkpoint,
) -> Result<Option<Place>, StoreError> {
    let now = lock(reader).place_of(table, &point.id)?;
    Ok(now.filter(|now| match (now, &point.place) {
        (Place::Row(now), Place::Row(then)) => now <= then,
        _ => false,
    }))
}
