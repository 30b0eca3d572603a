//! What is to be done becomes changes of the store: what a document may touch, and what it has done.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use migration_document::{Change, Failure, Filter, Reference, id};

use super::intent::{EditWork, Intent, Update, meets};
use super::sink::Sink;
use crate::plugin::Limits;
use crate::store::{Document, StoreError, Table, WriteError};

/// The reason that is counted where an outcome changes nothing.
pub const UNCHANGED: &str = "unchanged";

/// What a run may write, and for which migration.
pub(super) struct Scope {
    pub migration: String,
    /// The run's own table.
    pub table: Arc<Table>,
    /// The tables that may be written, by the names that the plugin uses.
    pub writable: BTreeMap<String, Arc<Table>>,
    /// Which documents the run is for.
    pub filter: Filter,
    /// What the plugin may use.
    pub limits: Limits,
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
    /// The document was changed, or changed others, and meets the filter still.
    pub stays: bool,
}

impl Effect {
    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            inserted: 0,
            changes_own: false,
            stays: false,
        }
    }

    /// A document that failed, and did nothing.
    pub fn failed(failure: Failure) -> Self {
        Self::of(Verdict::Failed(failure))
    }
}

/// Does what is to be done about a document.
///
/// # Errors
/// If the store fails. A refusal is the document's failure, and takes back what it did.
pub(super) fn carry_out(
    scope: &Scope,
    sink: &mut dyn Sink,
    document: &Document,
    intent: Intent,
) -> Result<Effect, StoreError> {
    let several = match &intent {
        Intent::Skip(_) | Intent::Fail(_) | Intent::Update { .. } | Intent::Delete => false,
        Intent::Changes(changes) => changes.len() > 1,
    };
    let table = &scope.table;
    let done = match intent {
        Intent::Skip(reason) => return Ok(Effect::of(Verdict::Skipped(reason))),
        Intent::Fail(failure) => return Ok(Effect::failed(failure)),
        Intent::Update { update, stays } => {
            sink.together(several)?;
            sink.update(table, document, update).map(|()| Effect {
                stays,
                ..Effect::of(Verdict::Updated)
            })
        }
        Intent::Delete => {
            sink.together(several)?;
            sink.delete(table, document)
                .map(|()| Effect::of(Verdict::Deleted))
        }
        Intent::Changes(changes) => {
            sink.together(several)?;
            Work::new(scope, sink, document).changes(changes)
        }
    };
    match done.and_then(|effect| sink.keep().map(|()| effect)) {
        Ok(effect) => Ok(effect),
        Err(WriteError::Refused(failure)) => {
            sink.forget()?;
            Ok(Effect::failed(failure))
        }
        Err(WriteError::Store(error)) => Err(error),
    }
}

/// Several changes that belong together.
struct Work<'a> {
    scope: &'a Scope,
    sink: &'a mut dyn Sink,
    document: &'a Document,
    effect: Effect,
    insertions: usize,
    edit_work: EditWork<'a>,
    /// The document as it is by now; None once it is deleted.
    now: Option<Cow<'a, Document>>,
}

impl<'a> Work<'a> {
    fn new(scope: &'a Scope, sink: &'a mut dyn Sink, document: &'a Document) -> Self {
        Self {
            scope,
            sink,
            document,
            effect: Effect::of(Verdict::Skipped(UNCHANGED.into())),
            insertions: 0,
            edit_work: EditWork::new(&scope.limits),
            now: Some(Cow::Borrowed(document)),
        }
    }

    fn changes(mut self, changes: Vec<Change>) -> Result<Effect, WriteError> {
        for change in changes {
            self.change(change)?;
        }
        let untouched = matches!(self.now, Some(Cow::Borrowed(_)));
        if untouched && self.effect.verdict == Verdict::Updated {
            self.sink.changed_others(&self.scope.table, self.document);
        }
        self.effect.stays = self.effect.verdict == Verdict::Updated
            && self
                .now
                .is_some_and(|now| meets(&self.scope.filter, &now.body));
        Ok(self.effect)
    }

    fn change(&mut self, change: Change) -> Result<(), WriteError> {
        match change {
            Change::Insert(insertion) => {
                self.insert(&insertion.table, insertion.id, &insertion.body)
            }
            Change::Edit(at, edits) if self.is_own(&at)? => {
                let now = own(&self.now)?;
                let update = Update::edited(&self.scope.table, now, &edits, &mut self.edit_work)?;
                self.update_own(update)
            }
            Change::Replace(at, body) if self.is_own(&at)? => {
                let now = own(&self.now)?;
                let update = Update::replaced(&self.scope.table, now, &body, &mut self.edit_work)?;
                self.update_own(update)
            }
            Change::Delete(at) if self.is_own(&at)? => self.delete_own(),
            Change::Edit(at, edits) => {
                let (table, other) = self.other(&at)?;
                let update = Update::edited(&table, &other, &edits, &mut self.edit_work)?;
                self.update_other(&table, &other, update)
            }
            Change::Replace(at, body) => {
                let (table, other) = self.other(&at)?;
                let update = Update::replaced(&table, &other, &body, &mut self.edit_work)?;
                self.update_other(&table, &other, update)
            }
            Change::Delete(at) => {
                let (table, other) = self.other(&at)?;
                self.sink.delete(&table, &other)?;
                self.touched(&table);
                Ok(())
            }
        }
    }

    fn update_own(&mut self, update: Option<Update>) -> Result<(), WriteError> {
        let Some(update) = update else {
            return Ok(());
        };
        let now = own(&self.now)?;
        let after = Document {
            id: now.id.clone(),
            body: update.body.clone(),
            place: now.place.clone(),
            format: now.format,
        };
        self.sink.update(&self.scope.table, now, update)?;
        self.now = Some(Cow::Owned(after));
        self.effect.verdict = Verdict::Updated;
        Ok(())
    }

    fn delete_own(&mut self) -> Result<(), WriteError> {
        let now = own(&self.now)?;
        self.sink.delete(&self.scope.table, now)?;
        self.now = None;
        self.effect.verdict = Verdict::Deleted;
        Ok(())
    }

    fn update_other(
        &mut self,
        table: &Arc<Table>,
        other: &Document,
        update: Option<Update>,
    ) -> Result<(), WriteError> {
        if let Some(update) = update {
            self.sink.update(table, other, update)?;
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
