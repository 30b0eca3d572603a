//! Trying a plugin without writing: what becomes of documents, whether that depends on anything but them, and what
//! becomes of the result.
//!
//! The road is the one of a run: the same calls, the same outcomes made of them, the same changes, which go into an
//! [`overlay`] instead of the store. [`check`] takes the documents of a store, [`cases`] those of an author's cases.

use std::sync::{Arc, Mutex};

use migration_document::Filter;

pub mod cases;
pub mod check;
mod overlay;
mod properties;
pub mod report;

use super::apply::{self, Effect, Scope, Verdict};
use super::course::Step;
use super::error::RunError;
use super::intent::{Action, Intent, meets};
use super::observer::{Change, Observer};
use super::sink::Dry;
use super::transform::{Stage, transform};
use crate::plugin::world::lock;
use crate::plugin::{Fixed, Gauge, Level, Secrets, SharedReader, Work};
use crate::stages::Stages;
use crate::store::{Document, Reach};
use overlay::{Changed, Overlay};

/// How many bytes of what a plugin said of a document are told.
const WORDS: usize = 300;

/// A document that something would change, with its body before and after.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OwnedChange {
    /// Its table.
    pub table: String,
    /// Its key.
    pub id: String,
    /// Its body before; None for one that was not there.
    pub before: Option<String>,
    /// Its body afterwards; None for one that is gone.
    pub after: Option<String>,
}

impl OwnedChange {
    /// The same, without these secrets.
    fn cleaned(self, secrets: &Secrets) -> Self {
        let clean = |body: Option<String>| body.map(|body| secrets.clean(body).into_string());
        Self {
            before: clean(self.before),
            after: clean(self.after),
            ..self
        }
    }

    /// The same, lent.
    #[must_use]
    pub fn lend(&self) -> Change<'_> {
        Change {
            table: &self.table,
            id: &self.id,
            before: self.before.as_deref(),
            after: self.after.as_deref(),
        }
    }
}

/// A function of a plugin, and the documents that it is for.
#[derive(Clone, Copy)]
struct Way<'a> {
    work: Work<'a>,
    filter: &'a Filter,
}

impl<'a> Way<'a> {
    /// The same, measured.
    fn measured_by(self, gauge: &'a Gauge) -> Self {
        Self {
            work: self.work.measured_by(gauge),
            ..self
        }
    }
}

/// What a plugin says of a document: what is to become of it, and what it logs about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    intent: Intent,
    log: Vec<(Level, String)>,
}

impl Told {
    /// In words, without these secrets; what is long is cut.
    fn words(&self, secrets: &Secrets) -> String {
        let mut words = match &self.intent.action {
            Action::Skip(reason) => format!("skipped {reason:?}"),
            Action::Fail(failure) => format!("failed: {} ({})", failure.message, failure.code),
            Action::Update { update, .. } => format!("became {}", update.body),
            Action::Delete => "deleted".to_owned(),
            Action::Changes { legs, .. } => {
                let steps = legs.iter().flat_map(|leg| &leg.steps);
                steps.map(in_words).collect::<Vec<_>>().join(", ")
            }
        };
        for (_, message) in &self.log {
            words.push_str(&format!(", logged {message:?}"));
        }
        // It is cut only when no half of a secret can be left.
        let mut words = secrets.clean(words).into_string();
        if words.len() > WORDS {
            words.truncate(words.floor_char_boundary(WORDS));
            words.push('…');
        }
        words
    }
}

/// One of several changes.
fn in_words(step: &Step) -> String {
    match step {
        Step::Update(update) => format!("became {}", update.body),
        Step::Delete => "deleted".to_owned(),
        Step::Other(change) => match serde_json::to_string(change) {
            Ok(text) => format!("changes {text}"),
            Err(_) => "changes another document".to_owned(),
        },
    }
}

/// What became of a document.
struct Done {
    /// As it was.
    document: Document,
    verdict: Verdict,
    log: Vec<(Level, String)>,
    inserted: u64,
    changes: Vec<OwnedChange>,
}

/// A plugin's world, in which what it does takes place in memory.
struct Trial {
    scope: Arc<Scope>,
    fixed: Arc<Fixed>,
    reader: SharedReader,
    changed: Arc<Mutex<Changed>>,
}

impl Trial {
    fn new(scope: Arc<Scope>, fixed: Arc<Fixed>, store: SharedReader) -> Self {
        let changed = Arc::new(Mutex::new(Changed::default()));
        let reader: SharedReader = Arc::new(Mutex::new(Box::new(Overlay {
            below: store,
            changed: Arc::clone(&changed),
        })));
        Self {
            scope,
            fixed,
            reader,
            changed,
        }
    }

    /// What nobody is shown.
    fn secrets(&self) -> &Secrets {
        &self.fixed.secrets
    }

    /// What is called, and what the plugin sees.
    fn stage<'w>(&self, way: Way<'w>) -> Stage<'w> {
        Stage {
            work: way.work,
            filter: way.filter.clone(),
            fixed: Arc::clone(&self.fixed),
        }
    }

    /// Takes back what was done.
    fn forget(&self) {
        overlay::lock(&self.changed).clear();
    }

    /// Takes back what was done, until [`Trial::bring_back`].
    fn keep_aside(&self) -> Changed {
        std::mem::take(&mut overlay::lock(&self.changed))
    }

    /// Does again what was kept aside.
    fn bring_back(&self, kept: Changed) {
        *overlay::lock(&self.changed) = kept;
    }

    /// What the plugin says of documents that share a batch.
    fn tell(&self, way: Way<'_>, documents: &[Document]) -> Result<Vec<Told>, RunError> {
        let stages = Stages::one(self.stage(way));
        let transformed = transform(&stages, &self.scope, &self.reader, documents)?;
        let aside = transformed.asides.into_iter().next().unwrap_or_default();
        let mut log = aside.log.by_document();
        Ok(transformed
            .intents
            .into_iter()
            .enumerate()
            .map(|(place, intent)| Told {
                intent,
                log: std::iter::from_fn(|| log.next_about(place))
                    .map(|line| (line.level, line.message.into_string()))
                    .collect(),
            })
            .collect())
    }

    /// Does what was said of the documents of a batch, in memory.
    ///
    /// As in a run, what stands behind a document that changes others of its table is read again, and now one by one:
    /// so fewer documents than were given may be handled, where they are gone or do not meet the filter any more.
    fn carry_out(
        &self,
        way: Way<'_>,
        documents: Vec<Document>,
        told: Vec<Told>,
    ) -> Result<Vec<Done>, RunError> {
        let mut left = documents.into_iter().zip(told);
        let mut done = Vec::new();
        for (document, told) in left.by_ref() {
            if self.carry_out_one(document, told, &mut done)? {
                break;
            }
        }
        for (document, _) in left {
            let now = self
                .now(&[document.id.into()])?
                .into_iter()
                .flatten()
                .next();
            let Some(now) = now.filter(|now| meets(way.filter, &now.body)) else {
                continue;
            };
            for told in self.tell(way, std::slice::from_ref(&now))? {
                self.carry_out_one(now.clone(), told, &mut done)?;
            }
        }
        Ok(done)
    }

    /// Does what was said of a document. Returns whether others of its table have changed.
    fn carry_out_one(
        &self,
        document: Document,
        told: Told,
        done: &mut Vec<Done>,
    ) -> Result<bool, RunError> {
        let (effect, changes) = self.effect(&document, told.intent)?;
        overlay::lock(&self.changed).put(&changes);
        done.push(Done {
            document,
            verdict: effect.verdict,
            log: told.log,
            inserted: effect.inserted,
            changes,
        });
        Ok(effect.changes_own)
    }

    /// What would become of a document. Nothing is done.
    fn effect(
        &self,
        document: &Document,
        mut intent: Intent,
    ) -> Result<(Effect, Vec<OwnedChange>), RunError> {
        let mut collected = Collected::default();
        let mut dry = Dry::new(&self.reader, &mut collected);
        let effect = apply::carry_out(&self.scope, &mut dry, document, &mut intent)?;
        Ok((effect, collected.0))
    }

    /// Documents of the migration's table, as they are after what was done.
    fn now(&self, ids: &[String]) -> Result<Vec<Option<Document>>, RunError> {
        Ok(lock(&self.reader).get(&self.scope.table, ids, Reach::ANY)?)
    }
}

/// Keeps what would change.
#[derive(Default)]
struct Collected(Vec<OwnedChange>);

impl Observer for Collected {
    fn would_change(&mut self, change: &Change<'_>) {
        self.0.push(OwnedChange {
            table: change.table.into(),
            id: change.id.into(),
            before: change.before.map(str::to_owned),
            after: change.after.map(str::to_owned),
        });
    }
}
