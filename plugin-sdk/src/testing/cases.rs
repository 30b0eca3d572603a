//! The cases of `host test`, tried natively.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use migration_document::case::{self, Actual, Case, ExpectedFate, Fate, Line, Mismatch};
use migration_document::{Failure, Filter, Manifest, Outcome, Reference};

use super::Store;
use super::memory::Memory;
use super::run::{Settled, settle, usable_filter};
use crate::batch::{self, Work};
use crate::{Document, Level, Migration, Revert};

/// Tries a migration on the cases of a file or folder, which `host test` tries with the component. `docs/testing.md`
/// of the host says how cases are written.
///
/// What becomes of the documents is compared; that it does not depend on the batch, and that the migration rests on
/// its own result, is left to `host test`. So are cases that run into a limit: natively there are none.
///
/// # Panics
/// If a case does not hold, or the cases cannot be read.
///
/// ```
/// use plugin_sdk::prelude::*;
/// struct Retire;
/// impl Migration for Retire {
///     fn manifest() -> Manifest {
///         Manifest::new("retire", "users").only_if(at("/role").equals("teacher"))
///     }
///     fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> {
///         Ok(Edits::new().set("/role", "instructor").into())
///     }
/// }
/// let file = std::env::temp_dir().join(format!("retire-{}.jsonl", std::process::id()));
/// std::fs::write(&file, r#"
/// {"document": {"role": "teacher", "n": 1.0}, "expect": {"document": {"role": "instructor", "n": 1.0}}}
/// {"document": {"role": "student"}, "expect": {"passed_over": true}}
/// "#).unwrap();
/// plugin_sdk::testing::cases::<Retire>(&file);
/// # std::fs::remove_file(file).unwrap();
/// ```
#[track_caller]
pub fn cases<M: Migration>(path: impl AsRef<Path>) {
    all::<M>(path.as_ref(), None);
}

/// The same for a migration with a `revert`, which cases may call.
///
/// # Panics
/// If a case does not hold, or the cases cannot be read.
///
/// ```no_run
/// # use plugin_sdk::prelude::*;
/// # struct RenameTitle;
/// # impl Migration for RenameTitle {
/// #     fn manifest() -> Manifest { Manifest::new("rename-title", "recipes") }
/// #     fn transform(_: &Document, _: &Context) -> Result<Outcome, Failure> { Ok(Outcome::skip("")) }
/// # }
/// # impl Revert for RenameTitle {
/// #     fn revert(_: &Document, _: &Context) -> Result<Outcome, Failure> { Ok(Outcome::skip("")) }
/// # }
/// plugin_sdk::testing::reversible_cases::<RenameTitle>("cases.jsonl");
/// ```
#[track_caller]
pub fn reversible_cases<M: Migration + Revert>(path: impl AsRef<Path>) {
    all::<M>(path.as_ref(), Some(Work::revert::<M>()));
}

#[track_caller]
#[allow(clippy::panic)] // A case that does not hold must fail the test.
fn all<M: Migration>(path: &Path, revert: Option<Work>) {
    let files = match case::read(path) {
        Ok(files) => files,
        Err(error) => panic!("{error}"),
    };
    let manifest = M::manifest().into_model();
    let mut wrong = String::new();
    for file in &files {
        for case in file.cases.iter().filter(|case| !runs_into_limit(case)) {
            let work = match (case.revert, revert) {
                (false, _) => Work::transform::<M>(),
                (true, Some(revert)) => revert,
                (true, None) => panic!(
                    "{}:{} calls `revert`: use `reversible_cases`",
                    file.path.display(),
                    case.line
                ),
            };
            let came_out = came_out(case, &manifest, work);
            let mismatches = case.mismatches(&came_out);
            if case.expect.is_none() || !mismatches.is_empty() {
                let name = case.name.as_deref().unwrap_or_default();
                wrong.push_str(&format!("\n{}:{} {name}\n", file.path.display(), case.line));
                wrong.push_str(&complaint(case, &came_out, &mismatches));
            }
        }
    }
    assert!(wrong.is_empty(), "cases that do not hold:\n{wrong}");
}

/// What a case complains of, in lines.
fn complaint(case: &Case, came_out: &[(String, Actual)], mismatches: &[Mismatch]) -> String {
    if case.expect.is_none() {
        let found = case.expectation(came_out);
        return format!("  it expects nothing; came out: {found}\n");
    }
    let line = |mismatch: &Mismatch| {
        let Mismatch {
            id,
            what,
            expected,
            found,
        } = mismatch;
        format!("  {id}: {what}\n    - {expected}\n    + {found}\n")
    };
    mismatches.iter().map(line).collect()
}

/// Whether a case expects that a limit of the host's ends the call.
fn runs_into_limit(case: &Case) -> bool {
    let limited = |fate: &ExpectedFate| matches!(fate, ExpectedFate::Failed { code: Some(code), .. } if code == "limit");
    case.expect
        .iter()
        .flatten()
        .any(|(_, expected)| limited(&expected.fate))
}

fn came_out(case: &Case, manifest: &Manifest, work: Work) -> Vec<(String, Actual)> {
    let mut store = Store::new();
    let tables = [&manifest.table].into_iter();
    for table in tables.chain(&manifest.reads).chain(&manifest.writes) {
        store = store.with_table(table);
    }
    for (table, documents) in &case.tables {
        for (id, body) in documents {
            store = store.with_raw(table, id, body);
        }
    }
    for (id, body) in &case.documents {
        store = store.with_raw(&manifest.table, id, body);
    }
    let filter = if case.revert {
        Filter::default()
    } else {
        usable_filter(manifest)
    };
    let documents: Vec<_> = case
        .documents
        .iter()
        .filter(|(_, body)| filter.matches(body).unwrap_or(true))
        .map(|(id, body)| Document::new(id, body))
        .collect();
    let mut told = told(case, manifest, &store, work, &documents).into_iter();
    let mut all = Vec::new();
    for (id, _) in &case.documents {
        let passed = documents.iter().any(|document| document.id() == id);
        let outcome = if passed { told.next() } else { None };
        let actual = match outcome {
            Some((outcome, log)) => settled(id, outcome, log, manifest, &mut store),
            None => Actual {
                fate: Fate::PassedOver,
                tables: BTreeMap::new(),
                log: Vec::new(),
            },
        };
        all.push((id.clone(), actual));
    }
    all
}

type Told = (Outcome<'static>, Vec<Line>);

/// What the migration says of documents that share a batch. As in a run, one that panics takes its batch down, whose
/// documents are then called alone.
fn told(
    case: &Case,
    manifest: &Manifest,
    store: &Store,
    work: Work,
    documents: &[Document],
) -> Vec<Told> {
    let called = catch_unwind(AssertUnwindSafe(|| {
        call(case, manifest, store, work, documents)
    }));
    match (called, documents) {
        (Ok(told), _) => told,
        (Err(_), [] | [_]) => {
            let trapped = Outcome::Fail(Failure {
                code: "trap".into(),
                message: "the migration panicked".into(),
                at: None,
            });
            vec![(trapped, Vec::new())]
        }
        (Err(_), several) => several
            .iter()
            .flat_map(|one| told(case, manifest, store, work, std::slice::from_ref(one)))
            .collect(),
    }
}

fn call(
    case: &Case,
    manifest: &Manifest,
    store: &Store,
    work: Work,
    documents: &[Document],
) -> Vec<Told> {
    let host = Memory {
        store,
        manifest,
        now: case.now,
        params: &case.params.iter().cloned().collect(),
        secrets: &case.secrets.iter().cloned().collect(),
        lookups: Cell::new(0),
        logs: RefCell::new(Vec::new()),
    };
    let mut outcomes = Vec::new();
    batch::run(documents, work, &host, |outcome| outcomes.push(outcome));
    let logs = host.logs.take();
    let about = |place| {
        let lines = logs.iter().filter(move |(_, _, about)| *about == place);
        lines
            .map(|(level, message, _)| line(*level, message))
            .collect()
    };
    outcomes
        .into_iter()
        .enumerate()
        .map(|(place, outcome)| (outcome.into_model(), about(place)))
        .collect()
}

fn line(level: Level, message: &str) -> Line {
    Line {
        level: match level {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        },
        message: message.to_owned(),
    }
}

/// Writes what became of a document, and tells it as cases expect it.
fn settled(
    id: &str,
    outcome: Outcome<'static>,
    log: Vec<Line>,
    manifest: &Manifest,
    store: &mut Store,
) -> Actual {
    let source = Reference {
        table: manifest.table.clone(),
        id: id.to_owned(),
    };
    let mut tables: BTreeMap<String, BTreeMap<String, Option<String>>> = BTreeMap::new();
    let fate = match settle(&source, outcome, manifest, store) {
        Settled::Skipped(reason) => Fate::Skipped(reason),
        Settled::Failed(failure) => Fate::Failed(failure),
        Settled::Written(writes) => {
            let mut fate = Fate::Kept;
            for (target, body) in &writes.documents {
                if *target == source {
                    fate = Fate::Document(body.clone());
                } else {
                    let table = tables.entry(target.table.clone()).or_default();
                    table.insert(target.id.clone(), body.clone());
                }
            }
            writes.write(store);
            fate
        }
    };
    Actual { fate, tables, log }
}
