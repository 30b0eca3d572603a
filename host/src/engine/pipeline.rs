//! Several plugins as the stages of one run: each document is read once, goes through them one after the other, and is
//! written once.
//!
//! A pipeline ends with the documents with which its plugins end that are run one after the other, so long as they do
//! not look at each other's work other than in the document at hand. What cannot be so is refused before anything
//! is read.

use std::collections::{BTreeMap, BTreeSet};

use migration_document::Manifest;
use thiserror::Error;

use super::grants::Grant;
use super::start::Tables;
use crate::ledger::joined;
use crate::plugin::Plugin;
use crate::stages::Stages;

/// A plugin, and what it is given.
#[derive(Clone)]
pub struct Stage<'a> {
    /// The migration.
    pub plugin: &'a Plugin,
    /// Its parameters: names and JSON texts. Work on a run that is in the ledger already takes those of the run.
    pub parameters: BTreeMap<String, String>,
    /// What the plugin is let do beyond its own table.
    pub granted: BTreeSet<Grant>,
}

impl Stage<'_> {
    /// The migration's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.plugin.manifest.name
    }
}

/// The name of several stages together.
pub(super) fn name(stages: &Stages<Stage<'_>>) -> String {
    joined(stages.iter().map(Stage::name))
}

/// Why plugins cannot be stages of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PipelineError {
    /// A migration is there more than once.
    #[error("`{0}` is given twice: a migration is one stage of a pipeline")]
    Twice(String),
    /// They are for different tables.
    #[error(
        "the plugins of a pipeline work on one table: `{first}` is for `{first_table}`, `{other}` is for `{other_table}`"
    )]
    OtherTable {
        /// The first migration.
        first: String,
        /// Its table.
        first_table: String,
        /// One that is for another table.
        other: String,
        /// Its table.
        other_table: String,
    },
    /// One stands before a migration that it runs after.
    #[error("`{earlier}` runs after `{later}`, which stands behind it")]
    Order {
        /// The one that stands before.
        earlier: String,
        /// The one that stands behind it.
        later: String,
    },
    /// One looks into a table that another one writes.
    #[error(
        "`{reader}` looks into table `{table}`, which `{writer}` writes: whether it finds what that one makes of other documents would depend on their order"
    )]
    Looks {
        /// The one that looks.
        reader: String,
        /// The table.
        table: String,
        /// The one that writes.
        writer: String,
    },
}

/// Refuses plugins that cannot be stages of one pipeline, as far as their manifests tell. Where `one_table` does not
/// hold, the user has named the table that all of them work on.
///
/// # Errors
/// The first reason that there is.
pub fn check_manifests(
    manifests: &Stages<&Manifest>,
    one_table: bool,
) -> Result<(), PipelineError> {
    let first = manifests.first();
    let mut before = BTreeSet::new();
    for (place, manifest) in manifests.iter().enumerate() {
        if !before.insert(&manifest.name) {
            return Err(PipelineError::Twice(manifest.name.clone()));
        }
        if one_table && !manifest.table.eq_ignore_ascii_case(&first.table) {
            return Err(PipelineError::OtherTable {
                first: first.name.clone(),
                first_table: first.table.clone(),
                other: manifest.name.clone(),
                other_table: manifest.table.clone(),
            });
        }
        let mut behind = manifests.iter().skip(place + 1);
        if let Some(later) = behind.find(|later| manifest.run_after.contains(&later.name)) {
            return Err(PipelineError::Order {
                earlier: manifest.name.clone(),
                later: later.name.clone(),
            });
        }
    }
    Ok(())
}

/// Refuses stages of which one looks into what another writes.
pub(super) fn check_tables(
    stages: &Stages<Stage<'_>>,
    tables: &Stages<Tables>,
) -> Result<(), PipelineError> {
    let named: Vec<_> = stages.iter().map(Stage::name).zip(tables.iter()).collect();
    for (reader, looked_into) in &named {
        let others = named.iter().filter(|(writer, _)| writer != reader);
        for (writer, written) in others {
            let shared = looked_into.readable.values().find(|read| {
                let mut written = written.writable.values();
                written.any(|written| written.name == read.name)
            });
            if let Some(table) = shared {
                return Err(PipelineError::Looks {
                    reader: (*reader).into(),
                    table: table.name.clone(),
                    writer: (*writer).into(),
                });
            }
        }
    }
    Ok(())
}
