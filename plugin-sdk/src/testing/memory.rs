//! The host's imports over tables in memory.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use migration_document::{Filter, Manifest, id};

use super::Store;
use crate::host::{Answer, Host, LookupError};
use crate::{Condition, Document, Level};

/// The host of one batch: the store does not change while it lives.
pub(super) struct Memory<'a> {
    pub(super) store: &'a Store,
    pub(super) manifest: &'a Manifest,
    pub(super) now: u64,
    /// JSON texts.
    pub(super) params: &'a BTreeMap<String, String>,
    pub(super) secrets: &'a BTreeMap<String, String>,
    pub(super) lookups: Cell<usize>,
    /// Each with the place of the document that it is about.
    pub(super) logs: RefCell<Vec<(Level, String, usize)>>,
}

impl Memory<'_> {
    /// Counts a lookup, and checks that it is allowed.
    fn open(&self, table: &str) -> Result<(), LookupError> {
        self.lookups.set(self.lookups.get() + 1);
        if !self.manifest.reads.iter().any(|read| read == table) {
            return Err(LookupError::NotGranted(format!(
                "the manifest of {} does not declare that it reads {table}",
                self.manifest.name
            )));
        }
        Ok(())
    }
}

impl Host for Memory<'_> {
    fn get_many(&self, table: &str, ids: &[String]) -> Answer<Option<Document>> {
        self.open(table)?;
        let get = |id: &String| {
            self.store
                .raw(table, id)
                .map(|body| Document::new(id, body))
        };
        Ok(ids.iter().map(get).collect())
    }

    fn find_many(
        &self,
        table: &str,
        queries: &[Vec<Condition>],
        limit: u32,
    ) -> Answer<Vec<Document>> {
        self.open(table)?;
        let find = |query: &Vec<Condition>| {
            let refused = |error: &dyn std::fmt::Display| LookupError::Store(error.to_string());
            let filter = Filter::new(query).map_err(|error| refused(&error))?;
            let mut found = Vec::new();
            for (id, body) in self.store.documents(table) {
                if u32::try_from(found.len()).is_ok_and(|found| found >= limit) {
                    break;
                }
                if filter.matches(body).map_err(|error| refused(&error))? {
                    found.push(Document::new(id, body));
                }
            }
            Ok(found)
        };
        queries.iter().map(find).collect()
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn param(&self, name: &str) -> Option<String> {
        self.params.get(name).cloned()
    }

    fn secret(&self, name: &str) -> Option<String> {
        let declared = self.manifest.secrets.iter().any(|secret| secret == name);
        self.secrets.get(name).filter(|_| declared).cloned()
    }

    fn new_id(&self, table: &str, seed: &str) -> String {
        id::new_id(&self.manifest.name, table, seed).to_string()
    }

    fn log(&self, level: Level, message: &str, document: usize) {
        let line = (level, message.to_owned(), document);
        self.logs.borrow_mut().push(line);
    }
}
