//! What is to be done: the folder compared with the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::error::{OrderError, Problem};
use super::folder::Migration;
use super::graph::{self, Node};
use super::standing::{Known, Standing, State};
use crate::store::Writer;

/// The migrations of a folder and of a store, in order.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Applied migrations that are not in the folder, as they were applied, and then those that are, in order.
    pub entries: Vec<Entry>,
}

/// One migration of a plan.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// How it stands in the store.
    pub standing: Standing,
    /// What the folder has of it; None: it was applied, and is missing there.
    pub migration: Option<Migration>,
    /// What was applied, and belongs behind it though it did not come before: its name and version.
    pub late: Option<(String, u32)>,
}

impl Entry {
    /// The version that the store has by it.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.migration
            .as_ref()
            .map_or(self.standing.version, |migration| migration.version)
    }

    /// SHA-256 of what was applied and of what is in the folder, where they differ.
    #[must_use]
    pub fn changed(&self) -> Option<(&str, &str)> {
        let applied = self.standing.sha256.as_deref()?;
        let found = self.migration.as_ref()?.sha256.as_str();
        // One whose documents failed is mended by other bytes: they are tried again.
        (self.standing.state == State::Applied && applied != found).then_some((applied, found))
    }

    /// Whether there is something to be done.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.migration.is_some() && self.standing.state != State::Applied
    }
}

/// Which migrations are to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// All of them.
    All,
    /// Those up to this one.
    To(Point),
    /// This one, and what it needs.
    Only(String),
}

/// A point in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Point {
    /// The last migration of this version, or of those before.
    Version(u32),
    /// This migration.
    Name(String),
}

impl FromStr for Point {
    type Err = String;

    /// A number is a version.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(version) = text.parse() {
            return Ok(Self::Version(version));
        }
        crate::plugin::check_name(text)?;
        Ok(Self::Name(text.into()))
    }
}

impl Plan {
    /// Compares a folder's migrations with a store.
    ///
    /// # Errors
    /// If the migrations cannot be put in order, or the store cannot be read.
    pub fn of(migrations: Vec<Migration>, ledger: &mut dyn Writer) -> Result<Self, OrderError> {
        let known = Known::new(ledger.runs()?, ledger.records()?);
        Self::compare(migrations, &known).map_err(OrderError::Problems)
    }

    /// Compares a folder's migrations with what the ledger knows.
    ///
    /// # Errors
    /// If the migrations cannot be put in order.
    pub fn compare(migrations: Vec<Migration>, known: &Known) -> Result<Self, Vec<Problem>> {
        let mut missing: Vec<Entry> = known
            .names()
            .filter(|name| migrations.iter().all(|migration| migration.name != *name))
            .map(|name| Entry {
                name: name.to_owned(),
                standing: known.standing(name, None),
                migration: None,
                late: None,
            })
            // What was taken back and removed is history.
            .filter(|entry| entry.standing.state != State::Pending)
            .collect();
        missing.sort_by_key(|entry| entry.standing.at);
        let files: Vec<String> = migrations.iter().map(Migration::file).collect();
        let nodes: Vec<Node<'_>> = migrations
            .iter()
            .zip(&files)
            .map(|(migration, file)| Node {
                name: &migration.name,
                version: migration.version,
                run_after: &migration.run_after,
                file,
            })
            .collect();
        let order = graph::sort(&nodes, |name| {
            missing
                .iter()
                .any(|entry| entry.name == name && entry.standing.state.is_done())
        })?;
        let mut migrations: Vec<Option<Migration>> = migrations.into_iter().map(Some).collect();
        let mut entries = missing;
        for number in order {
            let Some(migration) = migrations.get_mut(number).and_then(Option::take) else {
                continue;
            };
            let mut standing = known.standing(&migration.name, migration.table());
            if standing.state == State::Pending {
                standing.version = migration.version;
            }
            entries.push(Entry {
                name: migration.name.clone(),
                standing,
                migration: Some(migration),
                late: None,
            });
        }
        let mut plan = Self { entries };
        plan.tell_late();
        Ok(plan)
    }

    /// Finds the migrations that came when others were applied that belong behind them.
    ///
    /// Those behind it in the order are meant, if their version is larger or they run after it. So a process that
    /// dies half-way leaves none that is late.
    fn tell_late(&mut self) {
        let after = self.dependents();
        let late: Vec<Option<(String, u32)>> = self
            .entries
            .iter()
            .enumerate()
            .map(|(index, entry)| {
                let migration = entry.migration.as_ref()?;
                if entry.standing.state != State::Pending {
                    return None;
                }
                let behind = |(place, other): &(usize, &Entry)| {
                    let larger = other.version() > migration.version;
                    let depends = after
                        .get(entry.name.as_str())
                        .is_some_and(|names| names.contains(other.name.as_str()));
                    match other.migration {
                        Some(_) => *place > index && (larger || depends),
                        None => larger,
                    }
                };
                self.entries
                    .iter()
                    .enumerate()
                    .filter(|(_, other)| other.standing.state.is_done())
                    .filter(behind)
                    .max_by_key(|(_, other)| other.version())
                    .map(|(_, other)| (other.name.clone(), other.version()))
            })
            .collect();
        for (entry, late) in self.entries.iter_mut().zip(late) {
            entry.late = late;
        }
    }

    /// For each migration those that run after it, directly or not.
    pub(super) fn dependents(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut dependents: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        // The order is topological: who comes last depends on all that it will ever depend on.
        for entry in self.entries.iter().rev() {
            let Some(migration) = &entry.migration else {
                continue;
            };
            let mut own = dependents
                .get(entry.name.as_str())
                .cloned()
                .unwrap_or_default();
            own.insert(&entry.name);
            for before in &migration.run_after {
                let names = dependents.entry(before.as_str()).or_default();
                names.extend(own.iter().copied());
            }
        }
        dependents
    }

    /// The migration of that name.
    ///
    /// # Errors
    /// If the folder has none.
    pub fn entry(&self, name: &str) -> Result<&Entry, OrderError> {
        self.entries
            .iter()
            .find(|entry| entry.name == name && entry.migration.is_some())
            .ok_or_else(|| OrderError::NoMigration(name.into()))
    }

    /// The schema version: the highest that is applied.
    #[must_use]
    pub fn version(&self) -> Option<u32> {
        self.entries
            .iter()
            .filter(|entry| entry.standing.state == State::Applied)
            .map(|entry| entry.standing.version)
            .max()
    }

    /// The migrations of a target in the folder, in order, whatever their state.
    ///
    /// # Errors
    /// If the folder has no such migration.
    pub fn within(&self, target: &Target) -> Result<Vec<&Entry>, OrderError> {
        let in_folder = self
            .entries
            .iter()
            .filter(|entry| entry.migration.is_some());
        match target {
            Target::All => Ok(in_folder.collect()),
            Target::To(Point::Name(name)) => {
                let last = self.entry(name)?;
                let before = in_folder.take_while(|entry| entry.name != *name);
                Ok(before.chain([last]).collect())
            }
            Target::To(Point::Version(version)) => {
                let wanted = in_folder
                    .filter(|entry| entry.version() <= *version)
                    .map(|entry| entry.name.as_str());
                Ok(self.with_needed(wanted.collect()))
            }
            Target::Only(name) => {
                let named = self.entry(name)?;
                Ok(self.with_needed(BTreeSet::from([named.name.as_str()])))
            }
        }
    }

    /// Migrations, and all that they run after, in order.
    fn with_needed<'a>(&'a self, mut wanted: BTreeSet<&'a str>) -> Vec<&'a Entry> {
        let mut found: Vec<&Entry> = self
            .entries
            .iter()
            .rev()
            .filter(|entry| {
                let Some(migration) = &entry.migration else {
                    return false;
                };
                let is_wanted = wanted.contains(entry.name.as_str());
                if is_wanted {
                    wanted.extend(migration.run_after.iter().map(String::as_str));
                }
                is_wanted
            })
            .collect();
        found.reverse();
        found
    }

    /// What is to be applied, in order.
    ///
    /// # Errors
    /// If the folder has no such migration; if bytes of an applied one have changed; if one came late and
    /// `out_of_order` does not allow it. A migration that was named itself may come late.
    pub fn due(&self, target: &Target, out_of_order: bool) -> Result<Vec<&Entry>, OrderError> {
        let within = self.within(target)?;
        let mut problems = self.changes();
        let due: Vec<&Entry> = within.into_iter().filter(|entry| entry.is_due()).collect();
        if !out_of_order {
            let unnamed =
                |entry: &&&Entry| !matches!(target, Target::Only(name) if *name == entry.name);
            problems.extend(due.iter().filter(unnamed).filter_map(|entry| {
                let (applied, later) = entry.late.clone()?;
                Some(Problem::Late {
                    name: entry.name.clone(),
                    version: entry.version(),
                    applied,
                    later,
                })
            }));
        }
        if problems.is_empty() {
            Ok(due)
        } else {
            Err(OrderError::Problems(problems))
        }
    }

    /// Applied migrations whose bytes have changed.
    #[must_use]
    pub fn changes(&self) -> Vec<Problem> {
        self.entries
            .iter()
            .filter_map(|entry| {
                let (applied, found) = entry.changed()?;
                Some(Problem::Changed {
                    name: entry.name.clone(),
                    applied: applied.into(),
                    found: found.into(),
                })
            })
            .collect()
    }
}
