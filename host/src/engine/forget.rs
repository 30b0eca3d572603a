//! Freeing undo logs: of one run, or of all that ended long enough ago.

use std::time::Duration;

use serde::Serialize;

use super::error::RunError;
use super::now;
use super::start::busy;
use crate::ledger::{RunId, RunState};
use crate::store::{Store, Writer, in_transaction};

/// How many batches' logs are freed in one transaction, so that it holds the write lock for a short time.
const AT_ONCE: usize = 16;

/// An undo log that was freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// The run, which cannot be undone any more.
    pub run: RunId,
    /// How many batches it could have taken back.
    pub batches: u64,
}

/// Frees a run's undo log.
///
/// The run is marked first, and its log freed in short transactions. If the process dies in between, the run
/// cannot be undone by half: it cannot be undone, and the same call frees the rest.
///
/// # Errors
/// If there is no such run, a process works on it, it is half undone, or the store fails.
pub fn forget(store: &dyn Store, run: RunId) -> Result<Forgotten, RunError> {
    let mut writer = store.writer()?;
    forget_with(writer.as_mut(), run)
}

/// Frees the undo logs of all runs that ended at least so long ago. Runs that were ended before their table
/// did keep theirs, since they can be gone on with; and so do those that are half undone.
///
/// # Errors
/// If the store fails.
pub fn forget_older(store: &dyn Store, age: Duration) -> Result<Vec<Forgotten>, RunError> {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let before = now().saturating_sub(age);
    let mut writer = store.writer()?;
    let mut forgotten = Vec::new();
    // The oldest first: it has waited longest.
    for run in writer.runs()?.into_iter().rev() {
        let is_old = run.ended.is_some_and(|ended| ended <= before);
        let Some(id) = run.id.filter(|_| is_old) else {
            continue;
        };
        if writer.undo_size(id)? == 0 {
            continue;
        }
        match forget_with(writer.as_mut(), id) {
            Ok(freed) => forgotten.push(freed),
            // Its time will come.
            Err(RunError::Busy { .. } | RunError::Undoing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(forgotten)
}

fn forget_with(writer: &mut dyn Writer, run: RunId) -> Result<Forgotten, RunError> {
    let mut batches = 0;
    loop {
        let freed = in_transaction(writer, |writer| -> Result<_, RunError> {
            mark(writer, run)?;
            Ok(writer.forget_undo(run, AT_ONCE)?)
        })?;
        batches += freed;
        if freed == 0 {
            return Ok(Forgotten { run, batches });
        }
    }
}

/// Writes down, within the transaction in hand, that a run cannot be undone.
fn mark(writer: &mut dyn Writer, run: RunId) -> Result<(), RunError> {
    let mut record = writer.run(run)?.ok_or(RunError::NoRun(run))?;
    if let Some(error) = busy(&record) {
        return Err(error);
    }
    if record.state == RunState::Undoing {
        return Err(RunError::Undoing { run });
    }
    if !record.undo_forgotten {
        record.undo_forgotten = true;
        writer.save_run(&mut record)?;
    }
    Ok(())
}
