//! Finding the place again at which an earlier process stood.
//!
//! A place that is a row's number holds only as long as nobody numbers the rows anew: VACUUM may, and who
//! dumps a database and restores it does. Both keep the order of the rows, and both give smaller numbers, as
//! they close gaps. So any document that the run has handled, and that stands no further on than it did, is a
//! place to go on from; and nothing is handled twice if it was the last one of those that are still there.
//! One that stands further on was deleted and inserted again, and tells nothing.
//!
//! Where the rows' numbers are the only key, no document can be told from another once they have changed.

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

/// Corrects a run's checkpoint, and where it ends, by where their documents stand now. `tells`: see
/// [`Trail::tells_done`](crate::ledger::Trail::tells_done).
///
/// # Errors
/// If nothing tells any more where the run stood, or the store cannot be read.
pub(super) fn refind(
    reader: &SharedReader,
    table: &Table,
    tells: bool,
    numbering: Option<i64>,
    run: &mut Run,
) -> Result<Refound, RunError> {
    // A run that is in no ledger has not begun.
    let Some(id) = run.id else {
        return Ok(Refound::Exactly);
    };
    if run.trail.numbering != numbering {
        if !tells {
            return Err(RunError::Renumbered {
                run: id,
                migration: run.name(),
                table: run.table.clone(),
            });
        }
        from_the_beginning(run);
        run.trail.numbering = numbering;
        run.until = lock(reader).end_of(table)?;
        return Ok(Refound::SomeFailedBehind);
    }
    let mut how = Refound::Exactly;
    match step_back(reader, table, run)? {
        Step::Stays => {}
        Step::Back => how = Refound::SomeFailedBehind,
        Step::Lost if nothing_moved(reader, table, run)? => {}
        Step::Lost if tells => {
            from_the_beginning(run);
            how = Refound::SomeFailedBehind;
        }
        Step::Lost => {
            return Err(RunError::Adrift {
                run: id,
                migration: run.name(),
                table: run.table.clone(),
            });
        }
    }
    if let Some(until) = run.until.as_mut().filter(|until| until.may_move())
        && let Some(place) = place_of(reader, table, until)?
    {
        until.place = place;
    }
    Ok(how)
}

/// Goes over the table once more: the filter finds what is still to be done.
fn from_the_beginning(run: &mut Run) {
    run.checkpoint = None;
    // They are met once more.
    run.counters.forget_skips();
    for stage in run.stages.iter_mut() {
        stage.counters.forget_skips();
    }
}

/// Where a checkpoint went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Its document is still there, or its place cannot move.
    Stays,
    /// Behind an earlier document, because later ones are gone.
    Back,
    /// Nowhere: of the documents that are known to have been handled none is left.
    Lost,
}

/// Puts a checkpoint behind the last document that the run has handled and that is still there. Where later
/// ones are gone, others may have taken their places.
pub(super) fn step_back(
    reader: &SharedReader,
    table: &Table,
    run: &mut Run,
) -> Result<Step, StoreError> {
    let Some(stood) = run.checkpoint.as_ref().filter(|point| point.may_move()) else {
        return Ok(Step::Stays);
    };
    if let Some(now) = newest(reader, table, run)? {
        let step = if now.id == stood.id {
            Step::Stays
        } else {
            Step::Back
        };
        run.checkpoint = Some(now);
        return Ok(step);
    }
    if run.trail.is_whole() {
        // Nothing at all that was handled is left.
        run.checkpoint = None;
        return Ok(Step::Back);
    }
    Ok(Step::Lost)
}

/// The last document that the run has handled and that still stands where it can be told from.
fn newest(
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
