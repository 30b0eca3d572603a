//! Watching a run from outside.

use crate::ledger::Counters;

/// Told how a run goes on, batch by batch. Every method does nothing unless it is defined. What is worth a
/// line of a log is not here: see [`super::journal`].
pub trait Observer {
    /// Whether [`Observer::started`] should be given a number. Counting goes over the table once.
    fn wants_count(&self) -> bool {
        false
    }

    /// The run begins, or goes on with an earlier one; so many documents are still to be looked at.
    fn started(&mut self, _to_look_at: Option<u64>) {}

    /// A batch is done.
    fn advanced(&mut self, _progress: Progress<'_>) {}

    /// What a document would become. Called in dry runs, for every document that would change.
    fn would_change(&mut self, _change: &Change<'_>) {}
}

/// An observer that looks away.
pub struct Nobody;

impl Observer for Nobody {}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// Documents looked at by this process, whether they met the filter or not.
    pub looked_at: u64,
    /// What the run counted, from its beginning.
    pub counters: &'a Counters,
}

/// What a document would become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// Its table.
    pub table: &'a str,
    /// Its key.
    pub id: &'a str,
    /// Its body now; None for a new document.
    pub before: Option<&'a str>,
    /// Its body afterwards; None if it would be taken away.
    pub after: Option<&'a str>,
}
