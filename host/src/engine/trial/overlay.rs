//! A store with changes that were never written to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use migration_document::Filter;

use super::OwnedChange;
use crate::convex::TableNumber;
use crate::ledger::Checkpoint;
use crate::plugin::SharedReader;
use crate::plugin::world::lock as lock_reader;
use crate::store::shelf::{Shelf, ShelfEntry};
use crate::store::{
    Advice, Budget, Document, Format, Page, Place, Range, Reach, Reader, Result, Table, WriteError,
};

/// Changes, by table and key. None: the document is gone.
#[derive(Debug, Default)]
pub(super) struct Changed(BTreeMap<String, BTreeMap<String, Option<Document>>>);

impl Changed {
    /// Adds changes.
    pub fn put(&mut self, changes: &[OwnedChange]) {
        for change in changes {
            let after = change.after.as_ref().map(|body| Document {
                id: change.id.as_str().into(),
                body: body.as_str().into(),
                // Nobody writes to it.
                place: Place::Key(Vec::new()),
                format: Format::Plain,
            });
            self.0
                .entry(change.table.clone())
                .or_default()
                .insert(change.id.clone(), after);
        }
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// Locks changes. A thread that panicked left them whole.
pub(super) fn lock(changed: &Mutex<Changed>) -> MutexGuard<'_, Changed> {
    changed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a store as it would be with the changes. Pages, places and counts are those of the store itself: a table is gone
/// over as it is.
pub(super) struct Overlay {
    pub below: SharedReader,
    pub changed: Arc<Mutex<Changed>>,
}

impl Reader for Overlay {
    fn begin(&mut self) -> Result<()> {
        lock_reader(&self.below).begin()
    }

    fn end(&mut self) -> Result<()> {
        lock_reader(&self.below).end()
    }

    fn page(
        &mut self,
        table: &Table,
        filter: &Filter,
        range: Range<'_>,
        budget: Budget,
    ) -> Result<Page> {
        lock_reader(&self.below).page(table, filter, range, budget)
    }

    fn end_of(&mut self, table: &Table) -> Result<Option<Checkpoint>> {
        lock_reader(&self.below).end_of(table)
    }

    fn place_of(&mut self, table: &Table, id: &str) -> Result<Option<Place>> {
        lock_reader(&self.below).place_of(table, id)
    }

    fn get(
        &mut self,
        table: &Table,
        ids: &[String],
        reach: Reach,
    ) -> Result<Vec<Option<Document>>> {
        let mut found = lock_reader(&self.below).get(table, ids, reach)?;
        if let Some(changed) = lock(&self.changed).0.get(&table.name) {
            for (id, slot) in ids.iter().zip(&mut found) {
                if let Some(now) = changed.get(id) {
                    slot.clone_from(now);
                }
            }
        }
        Ok(found)
    }

    fn find(
        &mut self,
        table: &Table,
        filter: &Filter,
        limit: usize,
        reach: Reach,
    ) -> Result<Vec<Document>> {
        let changed = lock(&self.changed);
        let Some(changed) = changed.0.get(&table.name) else {
            drop(changed);
            return lock_reader(&self.below).find(table, filter, limit, reach);
        };
        // At the most all that have changed are among the first ones.
        let most = limit.saturating_add(changed.len());
        let mut found = lock_reader(&self.below).find(table, filter, most, reach)?;
        found.retain(|document| !changed.contains_key(document.id.as_str()));
        let now = changed.values().flatten();
        found.extend(
            now.filter(|document| filter.matches(&document.body).unwrap_or(false))
                .cloned(),
        );
        if table.has_integer_key() {
            found.sort_by_key(|document| document.id.parse::<i64>().unwrap_or(i64::MAX));
        } else {
            found.sort_by(|one, other| one.id.cmp(&other.id));
        }
        found.truncate(limit);
        Ok(found)
    }

    fn count(&mut self, table: &Table, range: Range<'_>) -> Result<u64> {
        lock_reader(&self.below).count(table, range)
    }

    fn check_update(
        &mut self,
        table: &Table,
        document: &Document,
        body: &str,
    ) -> Result<(), WriteError> {
        lock_reader(&self.below).check_update(table, document, body)
    }

    fn check_insert(&mut self, table: &Table, id: &str, body: &str) -> Result<(), WriteError> {
        lock_reader(&self.below).check_insert(table, id, body)
    }

    fn take_advice(&mut self) -> Vec<Advice> {
        lock_reader(&self.below).take_advice()
    }
}

impl Shelf for Overlay {
    fn shelf_entries(&mut self) -> Result<Vec<ShelfEntry>> {
        lock_reader(&self.below).shelf_entries()
    }

    fn shelf_part(&mut self, entry: i64, part: u32) -> Result<Option<Vec<u8>>> {
        lock_reader(&self.below).shelf_part(entry, part)
    }

    fn table_numbers(&mut self) -> Result<BTreeMap<String, TableNumber>> {
        lock_reader(&self.below).table_numbers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;
    use migration_document::{Condition, Test};

    #[test]
    fn changes_hide_what_is_below_in_the_order_of_the_keys() {
        let mut memory = Memory::default();
        for id in ["a", "b", "c", "e"] {
            memory.put("t", id, r#"{"n":1}"#);
        }
        let changed = Arc::new(Mutex::new(Changed::default()));
        let mut overlay = Overlay {
            below: Arc::new(Mutex::new(Box::new(memory))),
            changed: Arc::clone(&changed),
        };
        let change = |id: &str, after: Option<&str>| OwnedChange {
            table: "t".into(),
            id: id.into(),
            before: None,
            after: after.map(str::to_owned),
        };
        lock(&changed).put(&[
            change("a", None),
            change("b", Some(r#"{"n":2}"#)),
            change("d", Some(r#"{"n":1}"#)),
        ]);
        let table = Memory::table("t");
        let filter = Filter::new(&[Condition {
            at: "/n".into(),
            test: Test::Equals("1".into()),
        }])
        .unwrap();
        let mut ids = |limit| -> Vec<String> {
            let found = overlay.find(&table, &filter, limit, Reach::ANY).unwrap();
            found
                .into_iter()
                .map(|document| document.id.into())
                .collect()
        };
        assert_eq!(ids(10), ["c", "d", "e"]);
        assert_eq!(ids(2), ["c", "d"]);
        let found = overlay.get(&table, &["a".into(), "b".into(), "c".into()], Reach::ANY);
        let bodies: Vec<_> = found
            .unwrap()
            .into_iter()
            .map(|found| found.map(|found| found.body))
            .collect();
        assert_eq!(
            bodies,
            [None, Some(r#"{"n":2}"#.into()), Some(r#"{"n":1}"#.into())]
        );
    }
}
