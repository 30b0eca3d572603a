//! What the host makes of an outcome, without the plugin that it came from and without a store: for those who bring
//! outcomes of their own, as fuzzers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use migration_document::{Change, Failure, Filter, Outcome};

use super::apply::{Rights, Scope};
use super::course::Step;
use super::intent::{Action, Intent};
use crate::plugin::{Limits, Secrets, checked_outcome};
use crate::stages::Stages;
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
    /// Other documents are changed, if the store lets them be.
    Changed(Vec<Change>),
}

/// Judges what a plugin says of a document.
#[must_use]
pub fn judge(
    limits: &Limits,
    table: &Table,
    filter: &Filter,
    document: &Document,
    mut outcome: Outcome<'_>,
) -> Judged {
    let table = Arc::new(table.clone());
    let scope = Scope {
        filter: filter.clone(),
        rights: Stages::one(Rights {
            migration: String::new(),
            writable: BTreeMap::from([(table.name.clone(), Arc::clone(&table))]),
            limits: limits.clone(),
        }),
        table,
    };
    checked_outcome(&mut outcome, limits, &Secrets::default(), None);
    match Intent::of(&scope, document, outcome).action {
        Action::Skip(reason) => Judged::Skipped(reason),
        Action::Fail(failure) => Judged::Failed(failure),
        Action::Update { update, .. } => Judged::Updated(update.body),
        Action::Delete => Judged::Deleted,
        Action::Changes { legs, .. } => {
            let steps = legs.into_iter().flat_map(|leg| leg.steps);
            let others = steps.filter_map(|step| match step {
                Step::Other(change) => Some(change),
                Step::Update(_) | Step::Delete => None,
            });
            Judged::Changed(others.collect())
        }
    }
}
