//! What an outcome comes to for its document, as far as that needs no store.
//!
//! It is worked out where the plugin ran, beside the writer and without a lock: applying edits to a body
//! takes about as long as writing it.

use migration_document::filter::Scalar;
use migration_document::{
    Allowance, Edit, EditError, Failure, Filter, Outcome, apply_within, diff, json,
};

use super::apply::{Scope, UNCHANGED};
use super::course::{Course, Leg};
use crate::ledger::undo::Taken;
use crate::plugin::limits::{Limits, limit};
use crate::store::{Document, Kind, Table};

/// What is to be done about a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    /// What the stages come to together.
    pub action: Action,
    /// What became of it at each stage. Nothing where there is only one: its action tells it.
    pub parts: Vec<Part>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing, and why.
    Skip(String),
    /// It failed.
    Fail(Failure),
    /// It gets another body.
    Update {
        update: Update,
        /// It meets the filter still.
        stays: bool,
    },
    /// It is taken away.
    Delete,
    /// Several documents are changed.
    Changes {
        /// The steps of each stage.
        legs: Vec<Leg>,
        /// It meets the filter still, if anything is changed.
        stays: bool,
    },
}

/// What became of a document at a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    /// Nothing that counts: the stage's filter passed over it, or it failed at another stage.
    Passed,
    /// It was left as it was, for this reason.
    Skipped(String),
    /// It was changed, or changed others, and so many documents were added.
    Updated { inserted: u64 },
    /// It was taken away, and so many documents were added.
    Deleted { inserted: u64 },
    /// It failed here.
    Failed,
}

impl Part {
    /// Whether the stage has changed something.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Updated { .. } | Self::Deleted { .. })
    }
}

/// A new body, and the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub body: String,
    /// The way back from this body, spelled as it is here.
    pub back: Taken,
}

/// How much text the edits of one outcome may still go over.
pub(super) struct EditWork<'l> {
    left: Allowance,
    limits: &'l Limits,
}

impl<'l> EditWork<'l> {
    pub fn new(limits: &'l Limits) -> Self {
        Self {
            left: Allowance::of(limits.edit_work.0),
            limits,
        }
    }

    /// What is left of one, for the rest of its outcome.
    pub fn rest(left: Allowance, limits: &'l Limits) -> Self {
        Self { left, limits }
    }

    /// What is left.
    pub fn into_rest(self) -> Allowance {
        self.left
    }
}

/// Whether a body meets a filter; one of which that cannot be told is not passed over.
pub(super) fn meets(filter: &Filter, body: &str) -> bool {
    filter.matches(body).unwrap_or(true)
}

impl Intent {
    /// What an outcome of the only stage means for a document.
    pub fn of(scope: &Scope, document: &Document, outcome: Outcome<'_>) -> Self {
        Self {
            action: Action::of(scope, document, outcome),
            parts: Vec::new(),
        }
    }

    /// Of a document that is to be transformed again. Nobody looks at it: it is replaced before it is carried out.
    pub fn none_yet() -> Self {
        Self {
            action: Action::Skip(String::new()),
            parts: Vec::new(),
        }
    }
}

impl Action {
    fn of(scope: &Scope, document: &Document, outcome: Outcome<'_>) -> Self {
        let rights = scope.rights.first();
        let mut work = EditWork::new(&rights.limits);
        let mut leaves = false;
        let body = match outcome {
            Outcome::Skip(reason) => return Self::Skip(reason.into_owned()),
            Outcome::Fail(failure) => return Self::Fail(failure),
            Outcome::Delete => return Self::Delete,
            Outcome::Changes(changes) => {
                let mut course = Course::new(scope, document);
                return match course.changes(rights, changes) {
                    Ok(_) => course.finish(),
                    Err(failure) => Self::Fail(failure),
                };
            }
            Outcome::Edit(edits) => {
                leaves = leave(&scope.filter, &edits);
                edited(&scope.table, document, &edits, &mut work)
            }
            Outcome::Replace(body) => replaced(&scope.table, document, &body, &mut work),
        };
        match body {
            Ok(Some(body)) => Self::Update {
                stays: !leaves && meets(&scope.filter, &body),
                update: Update::new(&document.body, body),
            },
            Ok(None) => Self::Skip(UNCHANGED.into()),
            Err(failure) => Self::Fail(failure),
        }
    }
}

/// Whether a document surely does not meet the filter after these edits. Most edits set what the filter looks for,
/// which is quicker to see than the place is to find in the body.
fn leave(filter: &Filter, edits: &[Edit]) -> bool {
    let apart = |at: &str, other: &str| !at.starts_with(other) && !other.starts_with(at);
    edits.iter().enumerate().any(|(index, edit)| {
        let Edit::Set { at, value } = edit else {
            return false;
        };
        let mut later = edits.iter().skip(index + 1);
        filter.excludes(at, value)
            && later.all(|later| match later {
                Edit::Set { at: other, .. } | Edit::Remove { at: other } => apart(at, other),
                Edit::Rename { from, to } => apart(at, from) && apart(at, to),
            })
    })
}

impl Update {
    /// From one body to another.
    pub fn new(before: &str, body: String) -> Self {
        let back = Taken::updated(before, &body);
        Self { body, back }
    }
}

/// What edits make of a document's body; None if they change nothing.
///
/// # Errors
/// The document's failure, if an edit does not apply or changes its key.
pub(super) fn edited(
    table: &Table,
    document: &Document,
    edits: &[Edit],
    work: &mut EditWork<'_>,
) -> Result<Option<String>, Failure> {
    let body = apply_within(&document.body, edits, &mut work.left)
        .map_err(|error| edit_refused(&error, work))?;
    if document.body == body {
        return Ok(None);
    }
    // Most edits name other fields, and looking the key up twice costs as much as an edit.
    if edits.iter().any(|edit| may_name_key(table, edit)) {
        keeps_key(table, &document.id, &document.body, &body)?;
    }
    Ok(Some(body))
}

/// What another body really makes of a document's; None if it changes nothing.
///
/// # Errors
/// The document's failure, if the body is no JSON or has another key.
pub(super) fn replaced(
    table: &Table,
    document: &Document,
    body: &str,
    work: &mut EditWork<'_>,
) -> Result<Option<String>, Failure> {
    let edits = diff(&document.body, body)
        .map_err(|error| refused("invalid-value", format!("the new body is {error}"), None))?;
    edited(table, document, &edits, work)
}

fn refused(code: &str, message: impl Into<String>, at: Option<String>) -> Failure {
    Failure {
        code: code.into(),
        message: message.into(),
        at,
    }
}

fn edit_refused(error: &EditError, work: &EditWork<'_>) -> Failure {
    let code = match error {
        EditError::Value { .. } => "invalid-value",
        EditError::Work { edits, bytes } => {
            let limit = limit!(work.limits.edit_work);
            let message = format!(
                "{edits} edits of a body of {bytes} bytes would go over more text than they may, and {limit}"
            );
            return refused("limit", message, None);
        }
        _ => "invalid-edit",
    };
    refused(code, error.to_string(), error.at().map(str::to_owned))
}

/// Whether an edit names a field of the key, or the whole document.
fn may_name_key(table: &Table, edit: &Edit) -> bool {
    let names = |at: &str| {
        let Some(field) = at.strip_prefix('/') else {
            return true;
        };
        // An escaped name is not worth decoding here.
        field.contains('~')
            || table.key_names().any(|name| {
                field
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    };
    match edit {
        Edit::Set { at, .. } | Edit::Remove { at } => names(at),
        Edit::Rename { from, to } => names(from) || names(to),
    }
}

/// Refuses a body in which a field that is the document's key has changed.
///
/// In a document table the key has a column of its own; where the body repeats it under that column's
/// name, the two must stay the same.
fn keeps_key(table: &Table, id: &str, before: &str, after: &str) -> Result<(), Failure> {
    if table.kind == Kind::Row && !after.trim_start().starts_with('{') {
        return Err(refused(
            "not-a-row",
            "the document of a row table is an object with a field for each column",
            None,
        ));
    }
    for name in table.key_names() {
        let at = format!("/{}", json::escape(name));
        let value = |body| json::get(body, &at).ok().flatten();
        let (old, new) = (value(before), value(after));
        let holds_key = match table.kind {
            Kind::Row => true,
            Kind::Document { .. } => old.is_some_and(|text| is_text_of(text, id)),
        };
        let same = old == new
            || old
                .and_then(Scalar::parse)
                .zip(new.and_then(Scalar::parse))
                .is_some_and(|(old, new)| old == new);
        if holds_key && !same {
            return Err(refused(
                "key-changed",
                format!(
                    "`{name}` is the document's key, and a key never changes; move a document by an insert and a delete"
                ),
                Some(at),
            ));
        }
    }
    Ok(())
}

/// Whether a JSON text is a key: a string of these characters, or a number spelled so.
fn is_text_of(text: &str, id: &str) -> bool {
    match Scalar::parse(text) {
        Some(Scalar::String(value)) => value == id,
        Some(Scalar::Number(number)) => number.text() == id,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use migration_document::{Condition, Test};
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = String> {
        prop::sample::select(vec![
            "null",
            "1",
            "1.0",
            " 2 ",
            "\"x\"",
            "[]",
            "[1]",
            "{\"c\":1}",
        ])
        .prop_map(str::to_owned)
    }

    fn place() -> impl Strategy<Value = String> {
        prop::sample::select(vec!["/a", "/b", "/a/c", "/a/-", "/a/0", "/ab"])
            .prop_map(str::to_owned)
    }

    proptest! {
        #[test]
        fn what_surely_leaves_does_not_meet_the_filter(
            members in prop::collection::btree_map("a|b|ab", value(), 0..4),
            edits in prop::collection::vec(prop_oneof![
                4 => (place(), value()).prop_map(|(at, value)| Edit::Set { at: at.into(), value: value.into() }),
                1 => place().prop_map(|at| Edit::Remove { at: at.into() }),
                1 => (place(), place()).prop_map(|(from, to)| Edit::Rename { from: from.into(), to: to.into() }),
            ], 1..4),
            at in place(),
            test in prop_oneof![
                Just(Test::Missing),
                Just(Test::Present),
                Just(Test::Equals("1".into())),
                Just(Test::NotEquals("1".into())),
            ],
            null_is_missing: bool,
        ) {
            let filter = Filter::new(&[Condition { at, test }])
                .unwrap()
                .null_is_missing(null_is_missing);
            let members: Vec<_> = members
                .iter()
                .map(|(key, value)| format!("\"{key}\":{value}"))
                .collect();
            let body = format!("{{{}}}", members.join(","));
            if let Ok(after) = migration_document::apply(&body, &edits)
                && leave(&filter, &edits)
            {
                prop_assert!(!filter.matches(&after).unwrap(), "{} {:?} {}", body, edits, after);
            }
        }
    }
}
