//! A document on its course through the stages of a pipeline, and through the changes of an outcome.
//!
//! Each stage sees what those before it have made of the document. That is worked out here, without the store; of
//! other documents nobody knows yet what they are, so their changes are steps that are taken one after the other when
//! the document is written. It is itself written once, at the end, or before a step that changes another document:
//! the store may refuse changes in another order than that in which they were asked for.

use std::borrow::Cow;

use migration_document::{Allowance, Change, Failure, Outcome, Reference};

use super::apply::{Rights, Scope, UNCHANGED};
use super::intent::{Action, EditWork, Intent, Part, Update, edited, meets, replaced};
use crate::store::{Document, Text};

/// What a stage does beyond saying what its document becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leg {
    /// One after the other.
    pub steps: Vec<Step>,
    /// How much text its edits may still go over.
    pub left: Allowance,
}

impl Default for Leg {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            left: Allowance::of(0),
        }
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The document at hand gets another body.
    Update(Update),
    /// The document at hand is taken away.
    Delete,
    /// Another document is changed. What that means depends on what it is when its turn comes.
    Other(Change),
}

/// A document, and what has become of it so far.
pub(super) struct Course<'d> {
    scope: &'d Scope,
    /// As it was read.
    read: &'d Document,
    /// As it is by now; None once it is taken away.
    now: Option<Cow<'d, Document>>,
    /// Its body as the steps so far leave it in the store; None where that is the one that was read.
    written: Option<Text>,
    /// The stage that has changed it last, if no step says so yet.
    unwritten: Option<usize>,
    /// Of each stage so far, but for those that did nothing beyond the document and that no other one follows.
    legs: Vec<Leg>,
    parts: Vec<Part>,
    failed: Option<Failure>,
}

impl<'d> Course<'d> {
    pub fn new(scope: &'d Scope, document: &'d Document) -> Self {
        Self {
            scope,
            read: document,
            now: Some(Cow::Borrowed(document)),
            written: None,
            unwritten: None,
            legs: Vec::new(),
            parts: Vec::new(),
            failed: None,
        }
    }

    /// The document as the next stage would see it; None where there is nothing more to be said of it.
    pub fn now(&self) -> Option<&Document> {
        match self.failed {
            None => self.now.as_deref(),
            Some(_) => None,
        }
    }

    /// Whether nothing has been made of it so far.
    pub fn is_untouched(&self) -> bool {
        matches!(self.now, Some(Cow::Borrowed(_))) && self.failed.is_none()
    }

    /// Lends the document to a stage, which is to give it back: it is not copied more than once.
    pub fn lend(&mut self) -> Option<Document> {
        Some(self.now.replace(Cow::Borrowed(self.read))?.into_owned())
    }

    /// Takes the document back.
    pub fn give_back(&mut self, document: Document) {
        self.now = Some(Cow::Owned(document));
    }

    /// The next stage has not seen it.
    pub fn pass(&mut self) {
        self.parts.push(Part::Passed);
    }

    /// The next stage, which has these rights, says what becomes of it.
    pub fn take(&mut self, rights: &Rights, outcome: Outcome<'_>) {
        let part = self.part(rights, outcome).unwrap_or_else(|failure| {
            self.failed = Some(failure);
            // Nothing of what other stages made of it is written.
            self.parts.fill(Part::Passed);
            Part::Failed
        });
        self.parts.push(part);
    }

    fn part(&mut self, rights: &Rights, outcome: Outcome<'_>) -> Result<Part, Failure> {
        let mut work = EditWork::new(&rights.limits);
        let table = &self.scope.table;
        let body = match outcome {
            Outcome::Skip(reason) => return Ok(Part::Skipped(reason.into_owned())),
            Outcome::Fail(failure) => return Err(failure),
            Outcome::Changes(changes) => return self.changes(rights, changes),
            Outcome::Delete => return self.delete(),
            Outcome::Edit(edits) => edited(table, self.own()?, &edits, &mut work)?,
            Outcome::Replace(body) => replaced(table, self.own()?, &body, &mut work)?,
        };
        Ok(if self.become_body(body) {
            Part::Updated { inserted: 0 }
        } else {
            Part::Skipped(UNCHANGED.into())
        })
    }

    /// Goes through the changes of the next stage's outcome, and tells what they make of the document itself.
    ///
    /// # Errors
    /// The document's failure, if one of them cannot be made of it.
    pub fn changes(&mut self, rights: &Rights, changes: Vec<Change>) -> Result<Part, Failure> {
        let mut work = EditWork::new(&rights.limits);
        let table = &self.scope.table;
        let mut part = Part::Skipped(UNCHANGED.into());
        let mut other = false;
        for change in changes {
            let body = match change {
                Change::Edit(at, edits) if self.is_own(rights, &at) => {
                    edited(table, self.own()?, &edits, &mut work)?
                }
                Change::Replace(at, body) if self.is_own(rights, &at) => {
                    replaced(table, self.own()?, &body, &mut work)?
                }
                Change::Delete(at) if self.is_own(rights, &at) => {
                    part = self.delete()?;
                    continue;
                }
                change => {
                    self.write();
                    self.step(self.parts.len(), Step::Other(change));
                    other = true;
                    continue;
                }
            };
            if self.become_body(body) {
                part = Part::Updated { inserted: 0 };
            }
        }
        if other {
            let stage = self.parts.len();
            if let Some(leg) = self.legs.get_mut(stage) {
                leg.left = work.into_rest();
            }
        }
        Ok(part)
    }

    /// The document by now, unless it is deleted.
    fn own(&self) -> Result<&Document, Failure> {
        self.now.as_deref().ok_or_else(|| Failure {
            code: "deleted-document".into(),
            message: "an earlier change of the same outcome deleted the document".into(),
            at: None,
        })
    }

    fn is_own(&self, rights: &Rights, at: &Reference) -> bool {
        let table = rights.writable.get(&at.table);
        table.is_some_and(|table| table.name == self.scope.table.name) && self.read.id == at.id
    }

    fn delete(&mut self) -> Result<Part, Failure> {
        self.own()?;
        self.now = None;
        self.unwritten = Some(self.parts.len());
        Ok(Part::Deleted { inserted: 0 })
    }

    /// Gives the document another body, if there is one. Returns whether there was.
    fn become_body(&mut self, body: Option<String>) -> bool {
        let Some(body) = body else {
            return false;
        };
        let Some(now) = self.now.take() else {
            return false;
        };
        self.now = Some(Cow::Owned(match now {
            Cow::Owned(now) => Document {
                body: body.into(),
                ..now
            },
            Cow::Borrowed(now) => Document {
                id: now.id.clone(),
                body: body.into(),
                place: now.place.clone(),
                format: now.format,
            },
        }));
        self.unwritten = Some(self.parts.len());
        true
    }

    /// Says by a step what has become of the document itself since the last one.
    fn write(&mut self) {
        let Some(stage) = self.unwritten.take() else {
            return;
        };
        let step = match &self.now {
            None => Step::Delete,
            Some(now) => {
                let before = self.written.as_ref().unwrap_or(&self.read.body);
                if *before == now.body {
                    return;
                }
                let update = Update::new(before, now.body.to_string());
                self.written = Some(now.body.clone());
                Step::Update(update)
            }
        };
        self.step(stage, step);
    }

    fn step(&mut self, stage: usize, step: Step) {
        if self.legs.len() <= stage {
            self.legs.resize_with(stage + 1, Leg::default);
        }
        if let Some(leg) = self.legs.get_mut(stage) {
            leg.steps.push(step);
        }
    }

    /// Ends it: what is to be done about the document.
    pub fn finish(mut self) -> Action {
        if let Some(failure) = self.failed {
            return Action::Fail(failure);
        }
        let stays = self
            .now
            .as_deref()
            .is_some_and(|now| now.body == self.read.body || meets(&self.scope.filter, &now.body));
        if !self.legs.is_empty() {
            self.write();
            return Action::Changes {
                legs: self.legs,
                stays,
            };
        }
        match self.now {
            None => Action::Delete,
            Some(now) if now.body == self.read.body => Action::Skip(UNCHANGED.into()),
            Some(now) => Action::Update {
                update: Update::new(&self.read.body, now.into_owned().body.into()),
                stays,
            },
        }
    }

    /// Ends it: what is to be done, and what became of the document at each stage.
    pub fn into_intent(mut self) -> Intent {
        let parts = std::mem::take(&mut self.parts);
        let action = match self.finish() {
            // Of several reasons the last is told; each stage counts its own.
            Action::Skip(_) if parts.iter().all(|part| !part.is_change()) => {
                let reason = parts.iter().rev().find_map(|part| match part {
                    Part::Skipped(reason) => Some(reason.clone()),
                    _ => None,
                });
                Action::Skip(reason.unwrap_or_else(|| UNCHANGED.into()))
            }
            action => action,
        };
        Intent { action, parts }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use migration_document::{Edit, Filter, Insertion};

    use super::*;
    use crate::plugin::Limits;
    use crate::stages::Stages;
    use crate::store::{Format, Memory, Place};

    fn scope(stages: usize) -> Scope {
        let table = Memory::table("things");
        let rights = || Rights {
            migration: "any".into(),
            writable: BTreeMap::from([("things".into(), table.clone())]),
            limits: Limits::default(),
        };
        Scope {
            table: table.clone(),
            filter: Filter::default(),
            rights: Stages::new((0..stages).map(|_| rights()).collect()).unwrap(),
        }
    }

    fn document() -> Document {
        Document {
            id: "a".into(),
            body: r#"{"n":1.0}"#.into(),
            place: Place::Row(1),
            format: Format::Plain,
        }
    }

    fn set(at: &'static str, value: &'static str) -> Vec<Edit<'static>> {
        vec![Edit::Set {
            at: at.into(),
            value: value.into(),
        }]
    }

    fn own(edits: Vec<Edit<'static>>) -> Change {
        let at = Reference {
            table: "things".into(),
            id: "a".into(),
        };
        Change::Edit(at, edits)
    }

    fn insert() -> Change {
        Change::Insert(Insertion {
            table: "others".into(),
            id: None,
            body: "{}".into(),
        })
    }

    /// Takes a document through stages with these outcomes.
    fn through(outcomes: Vec<Outcome>) -> Intent {
        let scope = scope(outcomes.len());
        let document = document();
        let mut course = Course::new(&scope, &document);
        for (rights, outcome) in scope.rights.iter().zip(outcomes) {
            if course.now().is_some() {
                course.take(rights, outcome);
            } else {
                course.pass();
            }
        }
        course.into_intent()
    }

    /// The steps of each stage, in short.
    fn steps(intent: &Intent) -> Vec<Vec<String>> {
        let Action::Changes { legs, .. } = &intent.action else {
            panic!("{intent:?}");
        };
        let short = |step: &Step| match step {
            Step::Update(update) => update.body.clone(),
            Step::Delete => "deleted".into(),
            Step::Other(_) => "other".into(),
        };
        legs.iter()
            .map(|leg| leg.steps.iter().map(short).collect())
            .collect()
    }

    #[test]
    fn what_several_stages_make_of_a_document_is_one_update() {
        let intent = through(vec![
            Outcome::Edit(set("/a", "1")),
            Outcome::Skip("no".into()),
            Outcome::Changes(vec![own(set("/a", "2")), own(set("/b", "3"))]),
        ]);
        let Action::Update { update, .. } = &intent.action else {
            panic!("{intent:?}");
        };
        assert_eq!(
            *update,
            Update::new(&document().body, r#"{"n":1.0,"a":2,"b":3}"#.into())
        );
        let updated = Part::Updated { inserted: 0 };
        assert_eq!(
            intent.parts,
            [updated.clone(), Part::Skipped("no".into()), updated]
        );
    }

    #[test]
    fn a_document_is_written_before_others_are_as_far_as_it_has_come() {
        let intent = through(vec![
            Outcome::Edit(set("/a", "1")),
            Outcome::Changes(vec![
                insert(),
                own(set("/a", "2")),
                own(set("/a", "3")),
                insert(),
                insert(),
            ]),
            Outcome::Delete,
            Outcome::Edit(set("/never", "1")),
        ]);
        assert_eq!(
            steps(&intent),
            [
                vec![r#"{"n":1.0,"a":1}"#],
                vec!["other", r#"{"n":1.0,"a":3}"#, "other", "other"],
                vec!["deleted"],
            ]
        );
        assert_eq!(
            intent.parts[2..],
            [Part::Deleted { inserted: 0 }, Part::Passed]
        );
    }

    #[test]
    fn what_is_taken_back_on_the_way_is_not_written() {
        let back = through(vec![
            Outcome::Edit(set("/a", "1")),
            Outcome::Replace(r#"{"n":1.0}"#.into()),
        ]);
        assert_eq!(back.action, Action::Skip(UNCHANGED.into()));
        let skipped = through(vec![Outcome::Skip("a".into()), Outcome::Skip("b".into())]);
        assert_eq!(skipped.action, Action::Skip("b".into()));
        let between = through(vec![
            Outcome::Edit(set("/a", "1")),
            Outcome::Changes(vec![own(set("/b", "1")), insert()]),
            Outcome::Replace(r#"{"n":1.0}"#.into()),
        ]);
        assert_eq!(
            steps(&between),
            [
                vec![],
                vec![r#"{"n":1.0,"a":1,"b":1}"#, "other"],
                vec![r#"{"n":1.0}"#]
            ]
        );
    }

    #[test]
    fn a_failure_leaves_nothing_of_the_stages_before() {
        let failed = through(vec![
            Outcome::Changes(vec![own(set("/a", "1")), insert()]),
            Outcome::Edit(set("/none/x", "1")),
            Outcome::Delete,
        ]);
        assert!(matches!(&failed.action, Action::Fail(failure) if failure.code == "invalid-edit"));
        assert_eq!(failed.parts, [Part::Passed, Part::Failed, Part::Passed]);
        let twice = through(vec![Outcome::Changes(vec![
            Change::Delete(Reference {
                table: "things".into(),
                id: "a".into(),
            }),
            own(set("/a", "1")),
        ])]);
        assert!(
            matches!(&twice.action, Action::Fail(failure) if failure.code == "deleted-document")
        );
    }

    /// All changes of an outcome share what they may go over.
    #[test]
    fn steps_have_the_rest_of_their_outcomes_allowance() {
        let intent = through(vec![Outcome::Changes(vec![own(set("/a", "1")), insert()])]);
        let Action::Changes { legs, .. } = intent.action else {
            panic!("{intent:?}");
        };
        let limits = Limits::default();
        let whole = EditWork::new(&limits).into_rest();
        assert_ne!(legs[0].left, whole);
    }
}
