//! What people know better than the ledger: that a store is at a version already, and that other bytes of an applied
//! migration are as good.

use super::claim::Claim;
use super::error::OrderError;
use super::folder::Migration;
use super::plan::{Entry, Plan, Point, Target};
use super::standing::{By, State};
use crate::engine::{by, now};
use crate::ledger::order::{Event, Record};
use crate::store::in_transaction;

/// Something to be written down of migrations, all of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark(Vec<Record>);

impl Mark {
    /// A store has all migrations up to a point, without any having been run: those are meant that it does not have
    /// as far as the ledger knows.
    ///
    /// # Errors
    /// If there is no such point, or nothing before it that the store does not have; if one of them is half applied or
    /// half taken back.
    pub fn baseline(plan: &Plan, point: Point, why: Option<&str>) -> Result<Self, OrderError> {
        let within = plan.within(&Target::To(point))?;
        let is_half = |entry: &&&Entry| {
            entry.standing.state != State::Pending && !entry.standing.state.is_done()
        };
        if let Some(entry) = within.iter().find(is_half) {
            return Err(OrderError::Standing {
                name: entry.name.clone(),
                why: format!(
                    "is {}: go on with it, or take it back, first",
                    entry.standing.state.name()
                ),
            });
        }
        let records: Vec<_> = within
            .iter()
            .filter(|entry| entry.standing.state == State::Pending)
            .filter_map(|entry| entry.migration.as_ref())
            .map(|migration| record(Event::Baseline, migration, why))
            .collect();
        if records.is_empty() {
            return Err(OrderError::NoneBefore);
        }
        Ok(Self(records))
    }

    /// A store does not have a migration, after all, that a baseline says it has.
    ///
    /// # Errors
    /// If none does.
    pub fn forget_baseline(plan: &Plan, name: &str) -> Result<Self, OrderError> {
        let entry = plan.entry(name)?;
        match (&entry.migration, &entry.standing.by) {
            (Some(migration), Some(By::Baseline)) => Ok(Self(vec![record(
                Event::BaselineForgotten,
                migration,
                None,
            )])),
            _ => Err(OrderError::Standing {
                name: name.into(),
                why: "was not recorded by a baseline".into(),
            }),
        }
    }

    /// The bytes that are in the folder stand for those that were applied.
    ///
    /// # Errors
    /// If they are the same.
    pub fn accepted(plan: &Plan, name: &str, why: Option<&str>) -> Result<Self, OrderError> {
        let entry = plan.entry(name)?;
        match (&entry.migration, entry.changed()) {
            (Some(migration), Some(_)) => Ok(Self(vec![record(Event::Accepted, migration, why)])),
            _ => Err(OrderError::Standing {
                name: name.into(),
                why: match entry.standing.state {
                    State::Applied => "has the bytes that were applied".into(),
                    state => format!("is {}: there is nothing to accept", state.name()),
                },
            }),
        }
    }

    /// The names of the migrations.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|record| record.migration.as_str())
    }

    /// Writes it down.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub fn save(mut self, claim: &mut Claim) -> Result<(), OrderError> {
        in_transaction(claim.ledger(), |writer| {
            for record in &mut self.0 {
                writer.save_record(record)?;
            }
            Ok(())
        })
    }
}

fn record(event: Event, migration: &Migration, why: Option<&str>) -> Record {
    Record {
        number: None,
        event,
        migration: migration.name.clone(),
        version: migration.version,
        sha256: migration.sha256.clone(),
        at: now(),
        took: 0,
        by: by(),
        why: why.map(str::to_owned),
        way_back: Vec::new(),
    }
}
