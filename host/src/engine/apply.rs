//! What is to be done becomes changes of the store: what a document may touch, and what it has done.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use migration_document::{Change, Failure, Filter, Insertion, Reference, id};

use super::course::{Leg, Step};
use super::intent::{Action, EditWork, Intent, Part, Update, edited, replaced};
use super::sink::Sink;
use crate::plugin::Limits;
use crate::stages::Stages;
use crate::store::{Document, StoreError, Table, WriteError};

/// The reason that is counted where an outcome changes nothing.
pub const UNCHANGED: &str = "unchanged";

/// What a run is about.
pub(super) struct Scope {
    /// The run's own table.
    pub table: Arc<Table>,
    /// Which documents the run is for: those that any of its stages is for.
    pub filter: Filter,
    /// What its stages may write.
    pub rights: Stages<Rights>,
}

/// What a stage may write, and for which migration.
pub(super) struct Rights {
    pub migration: String,
    /// The tables that may be written, by the names that the plugin uses.
    pub writable: BTreeMap<String, Arc<Table>>,
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
    /// What it did at each stage; nothing where there is only one.
    pub parts: Vec<Part>,
}

impl Effect {
    fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            inserted: 0,
            changes_own: false,
            stays: false,
            parts: Vec::new(),
        }
    }

    /// A document that failed, and did nothing.
    pub fn failed(failure: Failure) -> Self {
        Self::of(Verdict::Failed(failure))
    }
}

/// Does what is to be done about a document. Nothing more can be done with the intent then: what is left of it is for
/// whoever drops it.
///
/// # Errors
/// If the store fails. A refusal is the document's failure, and takes back what it did.
pub(super) fn carry_out(
    scope: &Scope,
    sink: &mut dyn Sink,
    document: &Document,
    intent: &mut Intent,
) -> Result<Effect, StoreError> {
    let mut parts = mem::take(&mut intent.parts);
    // Where the store refuses it, the last stage that has changed something is the one that may be to blame.
    let mut stage = parts.iter().rposition(Part::is_change);
    let table = &scope.table;
    let done = match &mut intent.action {
        Action::Skip(reason) => {
            return Ok(Effect {
                parts,
                ..Effect::of(Verdict::Skipped(mem::take(reason)))
            });
        }
        Action::Fail(failure) => {
            return Ok(Effect {
                parts,
                ..Effect::failed(failure.clone())
            });
        }
        Action::Update { update, stays } => {
            sink.together(false)?;
            sink.update(table, document, update).map(|()| Effect {
                stays: *stays,
                ..Effect::of(Verdict::Updated)
            })
        }
        Action::Delete => {
            sink.together(false)?;
            sink.delete(table, document)
                .map(|()| Effect::of(Verdict::Deleted))
        }
        Action::Changes { legs, stays } => {
            sink.together(legs.iter().map(|leg| leg.steps.len()).sum::<usize>() > 1)?;
            let mut work = Work::new(scope, sink, document, &mut parts);
            let walked = work.walk(mem::take(legs));
            let (effect, at) = (work.effect, work.stage);
            if walked.is_err() {
                stage = Some(at);
            }
            walked.map(|()| Effect {
                stays: *stays && effect.verdict == Verdict::Updated,
                ..effect
            })
        }
    };
    match done.and_then(|effect| sink.keep().map(|()| effect)) {
        Ok(effect) => Ok(Effect { parts, ..effect }),
        Err(WriteError::Refused(failure)) => {
            sink.forget()?;
            parts.fill(Part::Passed);
            if let Some(part) = stage.and_then(|stage| parts.get_mut(stage)) {
                *part = Part::Failed;
            }
            Ok(Effect {
                parts,
                ..Effect::failed(failure)
            })
        }
        Err(WriteError::Store(error)) => Err(error),
    }
}

/// Several changes that belong together.
struct Work<'a> {
    scope: &'a Scope,
    sink: &'a mut dyn Sink,
    /// As it was read.
    document: &'a Document,
    /// As the store has it by now.
    now: Cow<'a, Document>,
    parts: &'a mut [Part],
    /// The stage at hand.
    stage: usize,
    effect: Effect,
}

impl<'a> Work<'a> {
    fn new(
        scope: &'a Scope,
        sink: &'a mut dyn Sink,
        document: &'a Document,
        parts: &'a mut [Part],
    ) -> Self {
        Self {
            scope,
            sink,
            document,
            now: Cow::Borrowed(document),
            parts,
            stage: 0,
            effect: Effect::of(Verdict::Skipped(UNCHANGED.into())),
        }
    }

    /// Takes the steps of each stage.
    fn walk(&mut self, legs: Vec<Leg>) -> Result<(), WriteError> {
        let rights = self.scope.rights.iter();
        for (stage, (leg, rights)) in legs.into_iter().zip(rights).enumerate() {
            self.stage = stage;
            let before = self.effect.inserted;
            let touched = self.take(rights, leg)?;
            let added = self.effect.inserted - before;
            match self.parts.get_mut(stage) {
                Some(Part::Updated { inserted } | Part::Deleted { inserted }) => *inserted = added,
                Some(part) if touched => *part = Part::Updated { inserted: added },
                _ => {}
            }
        }
        let untouched = matches!(self.now, Cow::Borrowed(_));
        if untouched && self.effect.verdict == Verdict::Updated {
            self.sink.changed_others(&self.scope.table, self.document);
        }
        Ok(())
    }

    /// Takes the steps of a stage. Returns whether any other document was changed.
    fn take(&mut self, rights: &Rights, leg: Leg) -> Result<bool, WriteError> {
        let mut work = EditWork::rest(leg.left, &rights.limits);
        let (mut insertions, mut touched) = (0, false);
        for step in leg.steps {
            match step {
                Step::Update(update) => self.update_own(update)?,
                Step::Delete => {
                    self.sink.delete(&self.scope.table, &self.now)?;
                    self.effect.verdict = Verdict::Deleted;
                }
                Step::Other(Change::Insert(insertion)) => {
                    touched |= self.insert(rights, insertion, insertions)?;
                    insertions += 1;
                }
                Step::Other(Change::Edit(at, edits)) => {
                    let (table, other) = self.other(rights, &at)?;
                    let body = edited(&table, &other, &edits, &mut work)?;
                    touched |= self.update_other(&table, &other, body)?;
                }
                Step::Other(Change::Replace(at, body)) => {
                    let (table, other) = self.other(rights, &at)?;
                    let body = replaced(&table, &other, &body, &mut work)?;
                    touched |= self.update_other(&table, &other, body)?;
                }
                Step::Other(Change::Delete(at)) => {
                    let (table, other) = self.other(rights, &at)?;
                    self.sink.delete(&table, &other)?;
                    touched = self.touched(&table);
                }
            }
        }
        Ok(touched)
    }

    fn update_own(&mut self, update: Update) -> Result<(), WriteError> {
        self.sink.update(&self.scope.table, &self.now, &update)?;
        self.now = Cow::Owned(Document {
            id: self.now.id.clone(),
            body: update.body.into(),
            place: self.now.place.clone(),
            format: self.now.format,
        });
        self.effect.verdict = Verdict::Updated;
        Ok(())
    }

    fn update_other(
        &mut self,
        table: &Arc<Table>,
        other: &Document,
        body: Option<String>,
    ) -> Result<bool, WriteError> {
        let Some(body) = body else {
            return Ok(false);
        };
        self.sink
            .update(table, other, &Update::new(&other.body, body))?;
        Ok(self.touched(table))
    }

    /// Inserts a document. Returns whether it was not there yet.
    fn insert(
        &mut self,
        rights: &Rights,
        insertion: Insertion,
        ordinal: usize,
    ) -> Result<bool, WriteError> {
        let table = writable(rights, &insertion.table)?;
        let id = match insertion.id {
            Some(id) => id,
            None => {
                let from = (self.scope.table.name.as_str(), self.document.id.as_str());
                let made = id::derived_id(&rights.migration, &table.name, from, ordinal);
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
                    return Ok(false);
                }
                id
            }
        };
        self.sink.insert(&table, &id, &insertion.body)?;
        self.effect.inserted += 1;
        Ok(self.touched(&table))
    }

    /// A change of another document makes an update of the one at hand, too.
    fn touched(&mut self, table: &Arc<Table>) -> bool {
        if self.effect.verdict != Verdict::Deleted {
            self.effect.verdict = Verdict::Updated;
        }
        if table.name == self.scope.table.name {
            self.effect.changes_own = true;
        }
        true
    }

    fn other(
        &mut self,
        rights: &Rights,
        at: &Reference,
    ) -> Result<(Arc<Table>, Document), WriteError> {
        let table = writable(rights, &at.table)?;
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

fn writable(rights: &Rights, name: &str) -> Result<Arc<Table>, WriteError> {
    rights.writable.get(name).cloned().ok_or_else(|| {
        WriteError::refused(
            "not-granted",
            format!("the migration does not declare that it writes table `{name}`"),
            None,
        )
    })
}
