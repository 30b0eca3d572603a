//! A run over tables in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Display;

use migration_document::{Change, Failure, Filter, Manifest, Outcome, Reference};
use serde::Serialize;

use super::changes::{self, Writes};
use super::memory::Memory;
use super::report::{Error, Report};
use super::store::Store;
use crate::batch::{self, Work};
use crate::{Document, Migration, Revert};

/// A run of a migration, with what the user of the host would give on the command line.
///
/// ```
/// use plugin_sdk::testing::Run;
/// let run = Run::new()
///     .now(1_700_000_000_000)
///     .param("latest", "2011-12-31")
///     .secret("encryption-key", "correct horse")
///     .batch_size(7);
/// ```
#[derive(Debug, Clone)]
#[must_use = "a run does nothing until it is started"]
pub struct Run {
    now: u64,
    params: BTreeMap<String, String>,
    secrets: BTreeMap<String, String>,
    batch_size: usize,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            now: 0,
            params: BTreeMap::new(),
            secrets: BTreeMap::new(),
            batch_size: 100,
        }
    }
}

impl Run {
    /// A run that starts at the Unix epoch, without parameters or secrets, in batches of 100
    /// documents.
    ///
    /// ```
    /// let run = plugin_sdk::testing::Run::new();
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// When the run starts, in milliseconds since the Unix epoch. It does not go by itself.
    ///
    /// ```
    /// let run = plugin_sdk::testing::Run::new().now(1_700_000_000_000);
    /// ```
    pub fn now(mut self, milliseconds: u64) -> Self {
        self.now = milliseconds;
        self
    }

    /// A parameter of the run.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    ///
    /// ```
    /// let run = plugin_sdk::testing::Run::new().param("latest", "2011-12-31").param("limit", 3);
    /// ```
    #[track_caller]
    #[allow(clippy::panic)] // A test that is set up wrongly must fail.
    pub fn param(mut self, name: &str, value: impl Serialize) -> Self {
        match serde_json::to_string(&value) {
            Ok(text) => self.params.insert(name.to_owned(), text),
            Err(error) => panic!("the parameter {name} is no JSON: {error}"),
        };
        self
    }

    /// A secret of the run. The migration sees it only if its manifest declares it.
    ///
    /// ```
    /// let run = plugin_sdk::testing::Run::new().secret("encryption-key", "correct horse");
    /// ```
    pub fn secret(mut self, name: &str, value: impl Display) -> Self {
        self.secrets.insert(name.to_owned(), value.to_string());
        self
    }

    /// The most documents in a batch; 1 at least. The result must not depend on it.
    ///
    /// ```
    /// let run = plugin_sdk::testing::Run::new().batch_size(1);
    /// ```
    pub fn batch_size(mut self, documents: usize) -> Self {
        self.batch_size = documents.max(1);
        self
    }

    /// Runs the migration over its table. Documents that the run itself adds to the table are left
    /// out.
    ///
    /// # Panics
    /// If the run could not start: the store lacks a table that the manifest declares, or a
    /// condition of the filter cannot be used.
    ///
    /// ```
    /// # use plugin_sdk::prelude::*;
    /// # use plugin_sdk::testing::{Run, Store, json};
    /// # struct DropNickname;
    /// # impl Migration for DropNickname {
    /// #     fn manifest() -> Manifest {
    /// #         Manifest::new("drop-nickname", "users").only_if(at("/nickname").present())
    /// #     }
    /// #     fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
    /// #         Ok(Edits::new().remove("/nickname").into())
    /// #     }
    /// # }
    /// let mut store = Store::new().with("users", [("u1", json!({"nickname": "Lady A"}))]);
    /// assert_eq!(Run::new().migrate::<DropNickname>(&mut store).updated, 1);
    /// assert_eq!(Run::new().migrate::<DropNickname>(&mut store).total, 0);
    /// ```
    #[track_caller]
    pub fn migrate<M: Migration>(&self, store: &mut Store) -> Report {
        let manifest = M::manifest().into_model();
        let filter = usable_filter(&manifest);
        self.start(&manifest, &filter, Work::transform::<M>(), store)
    }

    /// Takes the migration back, for every document of its table.
    ///
    /// # Panics
    /// If the store lacks a table that the manifest declares.
    ///
    /// An example is at [`Revert`].
    #[track_caller]
    pub fn revert<M: Revert>(&self, store: &mut Store) -> Report {
        let manifest = M::manifest().into_model();
        let filter = usable_filter(&Manifest::default());
        self.start(&manifest, &filter, Work::revert::<M>(), store)
    }

    #[track_caller]
    fn start(&self, manifest: &Manifest, filter: &Filter, work: Work, store: &mut Store) -> Report {
        let table = &manifest.table;
        for declared in [table]
            .into_iter()
            .chain(&manifest.reads)
            .chain(&manifest.writes)
        {
            assert!(
                store.has_table(declared),
                "the store has no table {declared}"
            );
        }
        let ids: Vec<String> = store.ids(table).into_iter().map(str::to_owned).collect();
        let mut report = Report::default();
        for ids in ids.chunks(self.batch_size) {
            self.batch(ids, manifest, filter, work, store, &mut report);
        }
        report
    }

    /// Reads, transforms and writes one batch.
    fn batch(
        &self,
        ids: &[String],
        manifest: &Manifest,
        filter: &Filter,
        work: Work,
        store: &mut Store,
        report: &mut Report,
    ) {
        let mut documents = Vec::new();
        for id in ids {
            // A document that an earlier batch took away is not there any more.
            let Some(body) = store.raw(&manifest.table, id) else {
                continue;
            };
            match filter.matches(body) {
                Ok(true) => documents.push(Document::new(id, body)),
                Ok(false) => {}
                Err(error) => {
                    report.total += 1;
                    let failure = crate::Failure::new("invalid-json", error.to_string());
                    report.fail(manifest, id, failure.into_model());
                }
            }
        }
        let host = Memory {
            store,
            manifest,
            now: self.now,
            params: &self.params,
            secrets: &self.secrets,
            lookups: Cell::new(0),
            logs: RefCell::new(Vec::new()),
        };
        let mut outcomes = Vec::new();
        batch::run(&documents, work, &host, |outcome| outcomes.push(outcome));
        report.lookups += host.lookups.get();
        let logs = host.logs.take().into_iter();
        report
            .logs
            .extend(logs.map(|(level, message, _)| (level, message)));
        for (document, outcome) in documents.iter().zip(outcomes) {
            report.total += 1;
            report.settle(document.id(), outcome.into_model(), manifest, store);
        }
    }
}

#[track_caller]
#[allow(clippy::panic)] // A manifest that no host would run must fail the test.
pub(super) fn usable_filter(manifest: &Manifest) -> Filter {
    match Filter::new(&manifest.filter) {
        Ok(filter) => filter,
        Err(error) => panic!("the manifest of {}: {error}", manifest.name),
    }
}

/// What becomes of a document.
pub(super) enum Settled {
    Skipped(String),
    Failed(Failure),
    Written(Writes),
}

/// What an outcome comes to. Nothing is written yet.
pub(super) fn settle(
    source: &Reference,
    outcome: Outcome<'static>,
    manifest: &Manifest,
    store: &Store,
) -> Settled {
    let changes = match outcome {
        Outcome::Skip(reason) => return Settled::Skipped(reason.into_owned()),
        Outcome::Fail(failure) => return Settled::Failed(failure),
        Outcome::Edit(edits) => vec![Change::Edit(source.clone(), edits)],
        Outcome::Replace(body) => vec![Change::Replace(source.clone(), body.into_owned())],
        Outcome::Delete => vec![Change::Delete(source.clone())],
        Outcome::Changes(changes) => changes,
    };
    match changes::stage(changes, source, manifest, store) {
        Ok(writes) if writes.documents.is_empty() => Settled::Skipped("unchanged".to_owned()),
        Ok(writes) => Settled::Written(writes),
        Err(failure) => Settled::Failed(failure.into_model()),
    }
}

impl Writes {
    pub(super) fn write(self, store: &mut Store) {
        for (target, body) in self.documents {
            store.put(&target.table, &target.id, body);
        }
    }
}

impl Report {
    /// Writes what became of a document, and counts it.
    fn settle(
        &mut self,
        id: &str,
        outcome: Outcome<'static>,
        manifest: &Manifest,
        store: &mut Store,
    ) {
        let source = Reference {
            table: manifest.table.clone(),
            id: id.to_owned(),
        };
        match settle(&source, outcome, manifest, store) {
            Settled::Skipped(reason) => self.skip(reason),
            Settled::Failed(failure) => self.fail(manifest, id, failure),
            Settled::Written(writes) => {
                match writes.documents.get(&source) {
                    Some(None) => self.deleted += 1,
                    _ => self.updated += 1,
                }
                self.inserted += writes.inserted;
                writes.write(store);
            }
        }
    }

    fn skip(&mut self, reason: String) {
        self.skipped += 1;
        *self.skip_reasons.entry(reason).or_default() += 1;
    }

    fn fail(&mut self, manifest: &Manifest, id: &str, failure: Failure) {
        self.failed += 1;
        self.errors.push(Error {
            table: manifest.table.clone(),
            id: id.to_owned(),
            code: failure.code,
            message: failure.message,
            at: failure.at,
        });
    }
}
