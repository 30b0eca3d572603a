//! What the host makes of an outcome, without the plugin that it came from and without a store: for those who bring
//! outcomes of their own, as fuzzers do.

use migration_document::{Change, Failure, Filter, Outcome};

use super::intent::{Intent, Wanted};
use crate::plugin::{Limits, Secrets, checked_outcome};
use crate::store::{Document, Table};

/// What is to be done about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// Nothing, and why.
    Skipped(String),
    /// It failed.
    Failed(Failure),
    /// It gets this body.
    Updated(String),
    /// It is taken away.
    Deleted,
    /// Several documents are changed, if the store lets them be.
    Changed(Vec<Change>),
}

/// Judges what a plugin says of a document.
#[must_use]
pub fn judge(
    limits: &Limits,
    table: &Table,
    filter: &Filter,
    document: &Document,
    outcome: Outcome,
) -> Judged {
    let wanted = Wanted { table, filter };
    let outcome = checked_outcome(outcome, limits, &Secrets::default(), None);
    match Intent::of(wanted, limits, document, outcome) {
        Intent::Skip(reason) => Judged::Skipped(reason),
        Intent::Fail(failure) => Judged::Failed(failure),
        Intent::Update { update, .. } => Judged::Updated(update.body),
        Intent::Delete => Judged::Deleted,
        Intent::Changes(changes) => Judged::Changed(changes),
    }
}
