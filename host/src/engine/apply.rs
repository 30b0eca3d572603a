//! An outcome becomes changes: what it means for the document at hand, and what it may touch.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use migration_document::filter::Scalar;
use migration_document::{
    Change, Edit, EditError, Failure, Outcome, Reference, apply as apply_edits, diff, id, json,
};

use super::sink::Sink;
use crate::store::{Document, Kind, StoreError, Table, WriteError};

/// The reason that is counted where an outcome changes nothing.
pub const UNCHANGED: &str = "unchanged";

/// What a run may write, and for which migration.
pub(super) struct Scope {
    pub migration: String,
    /// The run's own table.
    pub table: Arc<Table>,
    /// The tables that may be written, by the names that the plugin uses.
    pub writable: BTreeMap<String, Arc<Table>>,
}

/// What became of one document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Skipped(String),
    Updated,
    Deleted,
    Failed(Failure),
}

/// What one document did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub verdict: Verdict,
    pub inserted: u64,
    /// Other documents of the run's own table were changed.
    pub changes_own: bool,
}

impl Effect {
    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            inserted: 0,
            changes_own: false,
        }
    }

    /// A document that failed, and did nothing.
    pub fn failed(failure: Failure) -> Self {
        Self::of(Verdict::Failed(failure))
    }
}

/// Carries an outcome out.
///
/// # Errors
/// If the store fails. A refusal is the document's failure, and takes back what it did.
pub(super) fn carry_out(
    scope: &Scope,
    sink: &mut dyn Sink,
    document: &Document,
    outcome: Outcome,
) -> Result<Effect, StoreError> {
    let several = match &outcome {
        Outcome::Skip(reason) => return Ok(Effect::of(Verdict::Skipped(reason.clone()))),
        Outcome::Fail(failure) => return Ok(Effect::failed(failure.clone())),
        Outcome::Edit(_) | Outcome::Replace(_) | Outcome::Delete => false,
        Outcome::Changes(changes) => changes.len() > 1,
    };
    sink.together(several)?;
    let mut work = Work {
        scope,
        sink,
        document,
        effect: Effect::of(Verdict::Skipped(UNCHANGED.into())),
        insertions: 0,
        now: Some(Cow::Borrowed(document)),
    };
    let done = work.outcome(outcome);
    let effect = work.effect;
    match done.and_then(|()| sink.keep()) {
        Ok(()) => Ok(effect),
        Err(WriteError::Refused(failure)) => {
            sink.forget()?;
            Ok(Effect::failed(failure))
        }
        Err(WriteError::Store(error)) => Err(error),
    }
}

struct Work<'a> {
    scope: &'a Scope,
    sink: &'a mut dyn Sink,
    document: &'a Document,
    effect: Effect,
    insertions: usize,
    /// The document as it is by now; None once it is deleted.
    now: Option<Cow<'a, Document>>,
}

impl Work<'_> {
    fn outcome(&mut self, outcome: Outcome) -> Result<(), WriteError> {
        match outcome {
            Outcome::Skip(_) | Outcome::Fail(_) => Ok(()),
            Outcome::Edit(edits) => self.edit_own(&edits),
            Outcome::Replace(body) => self.replace_own(&body),
            Outcome::Delete => self.delete_own(),
            Outcome::Changes(changes) => changes
                .into_iter()
                .try_for_each(|change| self.change(change)),
        }
    }

    fn change(&mut self, change: Change) -> Result<(), WriteError> {
        match change {
            Change::Insert(insertion) => {
                self.insert(&insertion.table, insertion.id, &insertion.body)
            }
            Change::Edit(at, edits) if self.is_own(&at)? => self.edit_own(&edits),
            Change::Replace(at, body) if self.is_own(&at)? => self.replace_own(&body),
            Change::Delete(at) if self.is_own(&at)? => self.delete_own(),
            Change::Edit(at, edits) => {
                let (table, other) = self.other(&at)?;
                self.edit_other(&table, &other, &edits)
            }
            Change::Replace(at, body) => {
                let (table, other) = self.other(&at)?;
                let edits = changes(&other.body, &body)?;
                self.edit_other(&table, &other, &edits)
            }
            Change::Delete(at) => {
                let (table, other) = self.other(&at)?;
                self.sink.delete(&table, &other)?;
                self.touched(&table);
                Ok(())
            }
        }
    }

    fn edit_own(&mut self, edits: &[Edit]) -> Result<(), WriteError> {
        let now = own(&self.now)?;
        let Some(body) = edited(&self.scope.table, now, edits)? else {
            return Ok(());
        };
        self.sink.update(&self.scope.table, now, &body)?;
        let after = Document {
            id: now.id.clone(),
            body,
            place: now.place.clone(),
            format: now.format,
        };
        self.now = Some(Cow::Owned(after));
        self.effect.verdict = Verdict::Updated;
        Ok(())
    }

    fn replace_own(&mut self, body: &str) -> Result<(), WriteError> {
        let edits = changes(&own(&self.now)?.body, body)?;
        self.edit_own(&edits)
    }

    fn delete_own(&mut self) -> Result<(), WriteError> {
        let now = own(&self.now)?;
        self.sink.delete(&self.scope.table, now)?;
        self.now = None;
        self.effect.verdict = Verdict::Deleted;
        Ok(())
    }

    fn edit_other(
        &mut self,
        table: &Arc<Table>,
        other: &Document,
        edits: &[Edit],
    ) -> Result<(), WriteError> {
        if let Some(body) = edited(table, other, edits)? {
            self.sink.update(table, other, &body)?;
            self.touched(table);
        }
        Ok(())
    }

    fn insert(&mut self, name: &str, id: Option<String>, body: &str) -> Result<(), WriteError> {
        let table = self.writable(name)?;
        let ordinal = self.insertions;
        self.insertions += 1;
        let id = match id {
            Some(id) => id,
            None => {
                let from = (self.scope.table.name.as_str(), self.document.id.as_str());
                let made = id::derived_id(&self.scope.migration, &table.name, from, ordinal);
                if table.key.len() > 1 {
                    return Err(WriteError::refused(
                        "no-id",
                        format!(
                            "table `{}` has a key of several columns, so its new documents need an id",
                            table.name
                        ),
                        None,
                    ));
                }
                let id = table.key_for(made);
                // An earlier run of the migration inserted it.
                if self.sink.current(&table, &id)?.is_some() {
                    return Ok(());
                }
                id
            }
        };
        self.sink.insert(&table, &id, body)?;
        self.effect.inserted += 1;
        self.touched(&table);
        Ok(())
    }

    /// A change of another document makes an update of the one at hand, too.
    fn touched(&mut self, table: &Arc<Table>) {
        if self.effect.verdict != Verdict::Deleted {
            self.effect.verdict = Verdict::Updated;
        }
        if table.name == self.scope.table.name {
            self.effect.changes_own = true;
        }
    }

    fn writable(&self, name: &str) -> Result<Arc<Table>, WriteError> {
        self.scope.writable.get(name).cloned().ok_or_else(|| {
            WriteError::refused(
                "not-granted",
                format!("the migration does not declare that it writes table `{name}`"),
                None,
            )
        })
    }

    fn is_own(&self, at: &Reference) -> Result<bool, WriteError> {
        let table = self.writable(&at.table)?;
        Ok(table.name == self.scope.table.name && at.id == self.document.id)
    }

    fn other(&mut self, at: &Reference) -> Result<(Arc<Table>, Document), WriteError> {
        let table = self.writable(&at.table)?;
        let found = self.sink.current(&table, &at.id)?;
        let Some(found) = found else {
            return Err(WriteError::refused(
                "unknown-document",
                format!("table `{}` has no document `{}` to change", at.table, at.id),
                None,
            ));
        };
        Ok((table, found))
    }
}

/// The document at hand, unless it is deleted.
fn own<'d>(now: &'d Option<Cow<'_, Document>>) -> Result<&'d Document, WriteError> {
    now.as_deref().ok_or_else(|| {
        WriteError::refused(
            "deleted-document",
            "an earlier change of the same outcome deleted the document",
            None,
        )
    })
}

/// The document's body with the edits made; None if they change nothing.
fn edited(
    table: &Table,
    document: &Document,
    edits: &[Edit],
) -> Result<Option<String>, WriteError> {
    let body = apply_edits(&document.body, edits).map_err(|error| edit_refused(&error))?;
    if body == document.body {
        return Ok(None);
    }
    // Most edits name other fields, and looking the key up twice costs as much as an edit.
    if edits.iter().any(|edit| may_name_key(table, edit)) {
        keeps_key(table, &document.id, &document.body, &body)?;
    }
    Ok(Some(body))
}

/// Whether an edit names a field of the key, or the whole document.
fn may_name_key(table: &Table, edit: &Edit) -> bool {
    let names = |at: &str| {
        let Some(field) = at.strip_prefix('/') else {
            return true;
        };
        // An escaped name is not worth decoding here.
        field.contains('~')
            || table
                .key_names()
                .any(|name| field.split('/').next() == Some(name))
    };
    match edit {
        Edit::Set { at, .. } | Edit::Remove { at } => names(at),
        Edit::Rename { from, to } => names(from) || names(to),
    }
}

fn edit_refused(error: &EditError) -> WriteError {
    let code = match error {
        EditError::Value { .. } => "invalid-value",
        _ => "invalid-edit",
    };
    WriteError::refused(code, error.to_string(), error.at().map(str::to_owned))
}

/// What a new body really changes.
fn changes(old: &str, new: &str) -> Result<Vec<Edit>, WriteError> {
    diff(old, new).map_err(|error| {
        WriteError::refused("invalid-value", format!("the new body is {error}"), None)
    })
}

/// Refuses a body in which a field that is the document's key has changed.
///
/// In a document table the key has a column of its own; where the body repeats it under that column's
/// name, the two must stay the same.
fn keeps_key(table: &Table, id: &str, before: &str, after: &str) -> Result<(), WriteError> {
    if table.kind == Kind::Row && !after.trim_start().starts_with('{') {
        return Err(WriteError::refused(
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
            return Err(WriteError::refused(
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
