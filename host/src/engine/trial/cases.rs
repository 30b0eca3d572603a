//! Cases tried with a plugin, over tables in memory: what came of each, and whether that is what was expected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use migration_document::case::{Actual, Case, Fate, Line, Mismatch};
use migration_document::{Failure, Filter, Manifest};

use super::super::apply::{Rights, Scope, Verdict};
use super::super::error::RunError;
use super::super::intent::{Action, meets};
use super::{Done, OwnedChange, Told, Trial, Way};
use crate::plugin::gauge::Measured;
use crate::plugin::{Fixed, Gauge, Level, Plugin, Secrets, Used};
use crate::stages::Stages;
use crate::store::{Document, Memory, Table};

/// How many documents of other cases share a batch with a case's own, before and behind them.
const NEIGHBOURS: usize = 8;

/// What came of a case.
#[derive(Debug, Clone, Default)]
pub struct Tried {
    /// What became of its documents; None where the plugin could not even be called.
    pub came_out: Option<Vec<(String, Actual)>>,
    /// What came out otherwise than it was expected.
    pub mismatches: Vec<Mismatch>,
    /// What is wrong besides.
    pub problems: Vec<Problem>,
    /// What its call used.
    pub measured: Measured,
    /// What that is of each limit.
    pub limits: Vec<Used>,
}

impl Tried {
    /// Whether nothing is wrong, as far as the case says what it expects.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.mismatches.is_empty() && self.problems.is_empty()
    }
}

/// Something that is wrong with a migration, whatever a case expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The document; None where it is none's fault.
    pub id: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What would change, where it is that.
    pub changes: Vec<OwnedChange>,
}

impl Problem {
    fn of(id: &str, what: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            what: what.into(),
            changes: Vec::new(),
        }
    }
}

/// Tries cases, one after the other.
#[must_use]
pub fn try_cases(plugin: &Plugin, cases: &[&Case]) -> Vec<Tried> {
    let mut benches: Vec<_> = cases.iter().map(|case| Bench::new(plugin, case)).collect();
    let mut all: Vec<_> = benches
        .iter_mut()
        .map(|bench| bench.first().unwrap_or_else(broken))
        .collect();
    // Documents that end the call for all that share it are nobody's neighbours.
    let company: Vec<_> = benches.iter().map(|bench| bench.peaceful.clone()).collect();
    for (index, (bench, tried)) in benches.iter().zip(&mut all).enumerate() {
        if tried.came_out.is_none() {
            continue;
        }
        let before = company.iter().take(index).flatten();
        let behind = company.iter().skip(index + 1).flatten();
        let found = bench.steady(neighbours("before", before), neighbours("behind", behind));
        match found.and_then(|mut found| {
            found.extend(bench.again()?);
            Ok(found)
        }) {
            Ok(found) => tried.problems.extend(found),
            Err(error) => *tried = broken(error),
        }
    }
    all
}

/// A case at which the plugin broke its contract.
fn broken(error: RunError) -> Tried {
    Tried {
        problems: vec![Problem {
            id: None,
            what: error.to_string(),
            changes: Vec::new(),
        }],
        ..Tried::default()
    }
}

/// The documents of others, under ids that no document of the case has.
fn neighbours<'d>(side: &str, others: impl Iterator<Item = &'d Document>) -> Vec<Document> {
    others
        .take(NEIGHBOURS)
        .enumerate()
        .map(|(number, document)| Document {
            id: format!("{side}-{number}").into(),
            ..document.clone()
        })
        .collect()
}

/// A case, laid out to be tried.
struct Bench<'a> {
    plugin: &'a Plugin,
    case: &'a Case,
    trial: Trial,
    filter: Filter,
    /// What is passed to the plugin.
    documents: Vec<Document>,
    told: Vec<Told>,
    done: Vec<Done>,
    /// Those that end no call.
    peaceful: Vec<Document>,
}

impl<'a> Bench<'a> {
    fn new(plugin: &'a Plugin, case: &'a Case) -> Self {
        let manifest = &plugin.manifest;
        let mut memory = Memory::default();
        for (table, documents) in &case.tables {
            for (id, body) in documents {
                memory.put(table, id, body);
            }
        }
        for (id, body) in &case.documents {
            memory.put(&manifest.table, id, body);
        }
        let scope = Arc::new(Scope {
            table: Memory::table(&manifest.table),
            // It is asked by the trial, which knows whether it applies.
            filter: Filter::default(),
            rights: Stages::one(Rights {
                migration: manifest.name.clone(),
                writable: tables(manifest.writes.iter().chain([&manifest.table])),
                limits: plugin.limits().clone(),
            }),
        });
        let fixed = Arc::new(fixed(manifest, case));
        let filter = if case.revert {
            Filter::default()
        } else {
            plugin.filter.clone()
        };
        Self {
            plugin,
            case,
            trial: Trial::new(scope, fixed, Arc::new(Mutex::new(Box::new(memory)))),
            filter,
            documents: Vec::new(),
            told: Vec::new(),
            done: Vec::new(),
            peaceful: Vec::new(),
        }
    }

    /// What is called; None where the plugin does not have it.
    fn way(&self) -> Option<Way<'_>> {
        let work = if self.case.revert {
            self.plugin.back()?
        } else {
            self.plugin.forth()
        };
        Some(Way {
            work,
            filter: &self.filter,
        })
    }

    /// Tries the case as it stands.
    fn first(&mut self) -> Result<Tried, RunError> {
        let gauge = Gauge::default();
        let Some(way) = self.way() else {
            return Ok(Tried {
                problems: vec![Problem {
                    id: None,
                    what: "the plugin has no `revert`".into(),
                    changes: Vec::new(),
                }],
                ..Tried::default()
            });
        };
        let ids: Vec<_> = self
            .case
            .documents
            .iter()
            .map(|(id, _)| id.clone())
            .collect();
        let documents: Vec<_> = self
            .trial
            .now(&ids)?
            .into_iter()
            .flatten()
            .filter(|document| meets(&self.filter, &document.body))
            .collect();
        let measured = way.measured_by(&gauge);
        if self.case.documents.is_empty() {
            // No run calls a plugin for nothing, but the interface lets it.
            let stage = self.trial.stage(measured);
            let called = stage
                .work
                .call(&stage.world(&self.trial.reader), &[], |_| ());
            called.map_err(|error| RunError::Contract {
                plugin: "the plugin".into(),
                documents: 0,
                first: String::new(),
                error,
            })?;
        }
        let told = self.trial.tell(measured, &documents)?;
        let done = self.trial.carry_out(way, documents.clone(), told.clone())?;
        let came_out: Vec<_> = ids
            .into_iter()
            .map(|id| {
                let done = done.iter().find(|done| done.document.id == id);
                let actual = actual(done, &self.trial.scope.table.name);
                (id, actual)
            })
            .collect();
        let measured = gauge.read();
        self.peaceful = documents
            .iter()
            .zip(&told)
            .filter(|(_, told)| !ends_calls(told))
            .map(|(document, _)| document.clone())
            .collect();
        self.documents = documents;
        self.told = told;
        self.done = done;
        Ok(Tried {
            mismatches: self.case.mismatches(&came_out),
            came_out: Some(came_out),
            problems: Vec::new(),
            measured,
            limits: measured.usage.of(self.plugin.limits()),
        })
    }

    /// Has the plugin called again, alone and in company, on the tables as they were.
    fn steady(
        &self,
        before: Vec<Document>,
        behind: Vec<Document>,
    ) -> Result<Vec<Problem>, RunError> {
        let Some(way) = self.way() else {
            return Ok(Vec::new());
        };
        // What was done is kept aside, for its turn.
        let kept = self.trial.keep_aside();
        let mut problems = Vec::new();
        let mut seen = BTreeSet::new();
        let mut compare = |place: usize, again: &Told, when: &str| {
            let (Some(document), Some(once)) = (self.documents.get(place), self.told.get(place))
            else {
                return;
            };
            if once != again && seen.insert(place) {
                problems.push(Problem::of(
                    &document.id,
                    format!(
                        "not deterministic: at first {}; {when} {}",
                        once.words(self.trial.secrets()),
                        again.words(self.trial.secrets())
                    ),
                ));
            }
        };
        for (place, document) in self.documents.iter().enumerate() {
            for again in self.trial.tell(way, std::slice::from_ref(document))? {
                compare(place, &again, "alone");
            }
        }
        let peaceful: Vec<_> = self
            .told
            .iter()
            .enumerate()
            .filter(|(_, told)| !ends_calls(told))
            .map(|(place, _)| place)
            .collect();
        for (again, place) in self.trial.tell(way, &self.peaceful)?.iter().zip(&peaceful) {
            compare(*place, again, "called again");
        }
        let first = before.len();
        let company = [before, self.peaceful.clone(), behind].concat();
        let told = self.trial.tell(way, &company)?;
        for (again, place) in told.iter().skip(first).zip(&peaceful) {
            compare(*place, again, "in a batch with others");
        }
        self.trial.bring_back(kept);
        Ok(problems)
    }

    /// Applies the plugin to what it has made.
    fn again(&self) -> Result<Vec<Problem>, RunError> {
        let Some(way) = self.way() else {
            return Ok(Vec::new());
        };
        let changed = |done: &Done| matches!(done.verdict, Verdict::Updated);
        let again = self.trial.again(way, &self.done)?;
        let found: Vec<_> = self
            .done
            .iter()
            .zip(again)
            .filter_map(|(done, again)| {
                let (what, changes) = again.problem()?;
                Some(Problem {
                    changes,
                    ..Problem::of(&done.document.id, what)
                })
            })
            .collect();
        match (self.case.changes_again, found.is_empty()) {
            (true, true) if self.done.iter().any(changed) => Ok(vec![Problem {
                id: None,
                what: "the case says that it changes again, but applied to its own result it rests"
                    .into(),
                changes: Vec::new(),
            }]),
            (true, _) => Ok(Vec::new()),
            (false, _) => Ok(found),
        }
    }
}

/// Whether it ended the call, so that all that shared it were called again.
fn ends_calls(told: &Told) -> bool {
    matches!(&told.intent.action, Action::Fail(Failure { code, .. }) if code == "trap" || code == "limit")
}

fn tables<'n>(names: impl Iterator<Item = &'n String>) -> BTreeMap<String, Arc<Table>> {
    names
        .map(|name| (name.clone(), Memory::table(name)))
        .collect()
}

fn fixed(manifest: &Manifest, case: &Case) -> Fixed {
    let mut secrets = Secrets::default();
    for (name, value) in &case.secrets {
        if manifest.secrets.contains(name) {
            secrets.insert(name.clone(), value.clone().into());
        }
    }
    Fixed {
        migration: manifest.name.clone(),
        now: case.now,
        parameters: case.params.iter().cloned().collect(),
        secrets,
        readable: tables(manifest.reads.iter()),
        known: tables(
            manifest
                .reads
                .iter()
                .chain(&manifest.writes)
                .chain([&manifest.table]),
        ),
    }
}

/// What became of a document; nothing was done about one that is not among those.
fn actual(done: Option<&Done>, table: &str) -> Actual {
    let mut tables: BTreeMap<String, BTreeMap<String, Option<String>>> = BTreeMap::new();
    let Some(done) = done else {
        return Actual {
            fate: Fate::PassedOver,
            tables,
            log: Vec::new(),
        };
    };
    let mut own = None;
    for change in &done.changes {
        if change.table == table && done.document.id == change.id {
            own = Some(change.after.clone());
        } else {
            tables
                .entry(change.table.clone())
                .or_default()
                .insert(change.id.clone(), change.after.clone());
        }
    }
    let fate = match (&done.verdict, own) {
        (Verdict::Skipped(reason), _) => Fate::Skipped(reason.clone()),
        (Verdict::Failed(failure), _) => Fate::Failed(failure.clone()),
        (Verdict::Updated | Verdict::Deleted, Some(after)) => Fate::Document(after),
        (Verdict::Updated | Verdict::Deleted, None) => Fate::Kept,
    };
    let line = |(level, message): &(Level, String)| Line {
        level: match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        },
        message: message.clone(),
    };
    Actual {
        fate,
        tables,
        log: done.log.iter().map(line).collect(),
    }
}
